//! Sockets and interfaces for Librecast: IPv6 multicast on Linux.
//!
//! For the one event loop that drives an endpoint: it opens a [`Network`], waits in
//! [`Network::recv`], sends with [`Network::send`] and calls [`Network::refresh`] when it is told
//! that interfaces changed. Everything here speaks in addresses and bytes.
//!
//! Not for protocol, keys, retries or policy: this crate neither reads nor makes a packet, and it
//! never decides whom to ask. All unsafe code of the crate is in the private module `sys`.
//!
//! Start reading at [`Network`], then [`interfaces`] (which interfaces a realm uses), [`registry`]
//! (how nodes of a host without multicast find each other) and [`survey`] (facts for the doctor).
//!
//! ```no_run
//! use lcast_net::{Batch, Network, NetworkConfig, Scope, Target};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut network = Network::open(NetworkConfig::new(24242, Scope::Link))?;
//! let group = "ff12::8000:1".parse()?;
//! network.join(group)?;
//! network.send(Target::Group { group, link: None }, b"sealed bytes");
//! let mut batch = Batch::new();
//! let wake = network.recv(&mut batch).await?;
//! for datagram in batch.iter() {
//!     println!("{} bytes from {}", datagram.bytes.len(), datagram.source);
//! }
//! if wake.interfaces_changed {
//!     network.refresh()?;
//! }
//! # Ok(())
//! # }
//! ```

mod batch;
pub mod clock;
mod group;
pub mod interfaces;
mod link;
mod neighbours;
mod netlink;
mod network;
mod poller;
pub mod registry;
mod scope;
mod send;
mod socket;
pub mod survey;
mod sys;

pub use batch::{Batch, DATAGRAM_LEN_MAX, DATAGRAMS_MAX, Datagram, Destination};
pub use group::{GROUPS_MAX, JoinError};
pub use link::LinkInfo;
pub use neighbours::{NEIGHBOURS_MAX, neighbours};
pub use network::{Network, NetworkConfig, NetworkStats, OpenError, Wake};
pub use scope::Scope;
pub use send::{SendError, SendFailure, SendOutcome, Target};
pub use sys::{die_with_parent, without_signals};
