//! The `librecast` command as a library: what its binary, its tests and `xtask` share.
//!
//! Not an API for programs; that is the crate `lcast`. Start reading at [`agent`].
#![forbid(unsafe_code)]

pub mod agent;
