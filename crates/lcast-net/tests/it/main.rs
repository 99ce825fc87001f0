//! The crate on a real kernel: each test in network namespaces of its own, without root.
//!
//! Start reading at `world`, which makes the namespaces.
#![allow(clippy::unwrap_used)]

mod host;
mod links;
mod receive;
mod registry;
mod send;
mod world;
