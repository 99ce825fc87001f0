//! Scenarios through the public API of the protocol.

#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

mod frames;
mod keys;
mod select;
