//! Ask, tell and watch a fleet over IPv6 multicast.
#![forbid(unsafe_code)]

pub mod entropy;
pub mod file;
pub mod home;
pub mod realm;
pub mod store;
