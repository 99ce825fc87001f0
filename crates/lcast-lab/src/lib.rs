//! Real networks on one machine, for tests of the real binary.
//!
//! A [`Lab`] is a private user, mount, process and network namespace. In it, every [`Host`] has a
//! network, a host name and a `/sys` of its own, and hangs with up to a few network cards on
//! switches (Linux bridges) that snoop MLD, lose datagrams, or are cut apart on request.
//! Nothing a lab does is seen outside it, and everything in it dies with the process that made it,
//! even by `kill -9`. It needs no root where user namespaces are allowed.
//!
//! What this crate is not for: protocol logic at scale (that is the simulator's), and anything that
//! must be repeatable to the bit: here the kernel schedules.
//!
//! The library is test code. What fails in it panics, with what was tried and all output of the
//! program concerned, so that a scenario reads as a list of steps.
//!
//! Start reading at [`Lab::new`], then [`Host::command`] and [`Realm`].

mod answer;
mod binary;
mod capture;
mod frame;
mod impair;
mod job;
mod lab;
pub mod programs;
mod realm;
mod setup;
mod wait;

pub use answer::Answer;
pub use binary::{binary, helper};
pub use capture::Capture;
pub use frame::{Datagram, Frame, ipv6_udp, search_forms};
pub use impair::{Firewall, Loss};
pub use job::{Job, Output, Process};
pub use lab::{Host, Lab, LabBuilder};
pub use realm::{Agent, Member, Realm};
pub use setup::{LabError, tools_missing};
pub use wait::{DEADLINE, wait_for, wait_until};
