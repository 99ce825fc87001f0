//! The built command, for everything that needs no network.
#![forbid(unsafe_code)]

mod command;
mod generated;
mod realm;
mod usage;
