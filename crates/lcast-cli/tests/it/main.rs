//! The built command, for everything that needs no network.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod agent;
mod command;
mod generated;
mod realm;
mod usage;
