//! The same without async: for programs that keep no runtime, and for other languages.
//!
//! A [`Node`] runs on a thread of its own; every method may be called from any thread. What goes
//! on, such as the replies to a question or a watch, is a [`Stream`]: a bounded queue with a file
//! descriptor to poll. Nothing here calls the program back.
//!
//! ```no_run
//! use lcast::blocking::Builder;
//!
//! # fn main() -> Result<(), lcast::blocking::Error> {
//! let node = Builder::realm(None).open()?;
//! let replies = node.get(&["system.cpu.load_1m"])?.on("web*")?.ask()?;
//! for reply in &replies {
//!     println!("{}: {:?}", reply.node, reply.outcome);
//! }
//! let report = replies.finish(None)?;
//! println!("{} of {} answered", report.answered, report.expected);
//! node.close()
//! # }
//! ```
//!
//! After a fork, what was made before it belongs to the parent. In the child each use of it is the
//! error [`Kind::Forked`], and dropping it gives nothing back: locks, threads and descriptors are
//! as the parent left them at that moment. The child can open a node of its own.
//!
//! Start reading at [`Builder`], then [`Node`] and [`Stream`].

mod builder;
mod error;
mod exposed;
mod node;
mod process;
mod question;
mod standard;
mod stream;

pub use builder::Builder;
pub use error::{Error, Kind};
pub use exposed::{Exposed, Setting};
pub use node::Node;
pub use question::{Described, Question};
pub use stream::{Iter, Next, Stream};

/// The replies to a question, and at their end the report.
pub type Replies = Stream<crate::Reply, crate::Report>;

/// What nodes have to say of their variables, and at their end the report.
pub type Descriptions = Stream<Described, crate::Report>;

/// What a watch has to say. It ends when it is dropped or cancelled, and with the node.
pub type Watch = Stream<crate::WatchItem>;

/// Whose presence has changed.
pub type Changes = Stream<crate::PresenceItem>;

#[cfg(test)]
mod tests;
