//! The library for C: `liblcast`, with the header `include/lcast.h`.
//!
//! A thin face of [`lcast::blocking`]: it takes in pointers, texts and numbers of another program,
//! checks them, and gives out handles, numbers and texts. It decides nothing else. Each module of
//! [`api`] is a group of functions and a page of the manual.
//!
//! - A handle is a number in the shape of a pointer ([`registry`]): what was freed, is of another
//!   kind or was never given out is an error, not a crash.
//! - A panic ends at the border as the error `LCAST_INTERNAL` ([`failure`]).
//! - Nothing here calls the program back.
//!
//! Start reading at [`api`], then [`handles`].
#![allow(unsafe_code)] // Its callers speak C; each block says what they warrant.
#![warn(unsafe_op_in_unsafe_fn)]

pub mod api;
mod event;
mod failure;
mod handles;
mod incoming;
mod packed;
mod registry;
mod source;
mod sync;
mod text;
mod tree;

#[cfg(test)]
mod tests;
