//! The library for C as a foreign program meets it: installed, compiled against, run in a network.
//!
//! The programs are in `bindings/c`: `tests` checks itself, `examples` is what the book shows.
//! Start reading at `stage`.
#![allow(clippy::unwrap_used, reason = "a scenario that finds no value has failed")]

mod book;
mod checked;
mod examples;
mod stage;
