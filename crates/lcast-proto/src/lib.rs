//! The Librecast protocol as pure, deterministic state machines.
//!
//! No sockets, no clocks, no threads, no files: bytes, time and randomness come in; bytes,
//! deadlines and events go out. The same code runs in production, in the simulator and under the
//! fuzzer. Start at [`endpoint::Endpoint`], the root, whose module says how to drive it; [`io`] is
//! everything that crosses its boundary. The specification is in `docs/spec/`.
#![forbid(unsafe_code)]

pub mod config;
pub mod endpoint;
pub mod group;
pub mod io;
pub mod keys;
pub mod name;
pub mod opened;
pub mod presence;
pub mod question;
pub mod random;
pub mod select;
pub mod setting;
pub mod stats;
pub mod time;
pub mod value;
pub mod variable;
pub mod wire;
