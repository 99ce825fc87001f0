//! The programs of the book's chapter on Rust: the chapter shows them, and they work.
#![allow(clippy::unwrap_used, reason = "a scenario that finds no value has failed")]

mod book;
mod examples;
