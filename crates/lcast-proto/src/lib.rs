//! The Librecast protocol as pure, deterministic state machines.
#![forbid(unsafe_code)]

pub mod name;
pub mod question;
pub mod time;
pub mod value;
pub mod variable;
