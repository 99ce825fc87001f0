//! What the driver and the Rust runner of the conformance scenario share: the form of its lines.
//!
//! The scenario itself, and what a runner is, are told in this folder's README. Start reading at
//! [`line`].

pub mod line;
