//! What the programs of the conformance scenario share: how runners are started, the form of lines.
//!
//! The scenario itself, and what a runner is, are told in this folder's README. Start reading at
//! [`face`].

pub mod face;
pub mod line;
