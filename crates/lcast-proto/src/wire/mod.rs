//! Bytes to packets and back: every parser of network bytes lives here.
//!
//! For the layout of packets and the rules of control frames. Not for what a packet means, and not
//! for cryptography ([`keys`](crate::keys)). Start at [`header`], then [`cbor`], then [`frame`].

pub mod cbor;
pub mod filter;
pub mod frame;
pub mod header;
pub mod id;
pub mod wanted;
pub mod watch;
