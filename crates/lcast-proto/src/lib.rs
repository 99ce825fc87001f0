//! The Librecast protocol as pure, deterministic state machines.
#![forbid(unsafe_code)]

pub mod keys;
pub mod name;
pub mod question;
pub mod random;
pub mod select;
pub mod setting;
pub mod time;
pub mod value;
pub mod variable;
pub mod wire;
