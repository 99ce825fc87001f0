//! Ask, tell and watch a fleet over IPv6 multicast.
//!
//! One packet asks every node of a realm a question; each question ends with a [`Report`] that
//! accounts for every expected node. Start at [`Node`]. Everything is encrypted and every sender
//! is identified; there is no way to turn that off.
//!
//! This crate is the shell around [`lcast_proto`], the pure protocol: sockets, clocks, files and
//! one event loop. It decides nothing about the protocol.
#![forbid(unsafe_code)]

pub mod blocking;
mod clock;
mod driver;
pub mod entropy;
mod exposed;
pub mod file;
pub mod home;
mod memory;
pub mod node;
mod outcomes;
mod pings;
pub mod presence;
pub mod question;
mod reader;
pub mod realm;
pub mod runtime;
mod set_log;
mod settings;
pub mod store;
pub mod watch;

pub use clock::{Clock, wall};
pub use exposed::{Exposed, Setting};
pub use lcast_net;
pub use lcast_proto;
pub use lcast_proto::keys::credential::Credential;
pub use lcast_proto::question::report::{Outcome, Reply, ReplyValue, Report};
pub use lcast_proto::question::watching::{ChangedValue, LeaveReason};
pub use lcast_proto::time::Timestamp;
pub use lcast_proto::value::{Type, Value};
pub use lcast_proto::variable::{Constraint, Definition};
pub use memory::set_back;
pub use node::{Builder, ExposeError, Facts, Node, NodeEnded, StartError};
pub use presence::{PresenceChanges, PresenceItem};
pub use question::{Question, QuestionError, Replies};
pub use watch::{Watch, WatchItem};

/// The chapter of the book about this crate: its listings are compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/book/src/rust.md")]
mod book {}
