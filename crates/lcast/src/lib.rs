//! Ask, tell and watch a fleet over IPv6 multicast.
#![forbid(unsafe_code)]

pub mod file;
pub mod store;
