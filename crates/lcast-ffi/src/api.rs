//! What a C program sees: each module is a group of functions, and a page of the manual.
//!
//! What every caller warrants, and each `SAFETY` line means:
//! - a text ends in a zero byte, unless its length is given; a length is that of what is there;
//! - a place for a result is null or can be written to;
//! - options begin with their own size;
//! - a handle may be anything.
#![allow(non_camel_case_types)] // The names are those of the header.
#![allow(rustdoc::broken_intra_doc_links)] // The text is for C: [*] is a part of a name.
#![allow(clippy::missing_safety_doc)] // It is the same for all, and said above.

pub mod errors;
pub mod event;
pub mod members;
pub mod node;
pub mod packed;
pub mod question;
pub mod report;
pub mod value;
pub mod variable;
