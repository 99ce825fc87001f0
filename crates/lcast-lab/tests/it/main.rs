//! Scenarios with the real binary in networks made of namespaces.
//!
//! Each makes the laboratory it needs, so none depends on another. The harness is the library of
//! this crate; start reading at `fleet`, which most scenarios begin with, and `asking`.

#![allow(clippy::unwrap_used, reason = "a scenario that finds no value has failed")]

mod asking;
mod bad_input;
mod doctor;
mod faults;
mod firewalls;
mod fleet;
mod harness;
mod interfaces;
mod large;
mod local;
mod loss;
mod nodes;
mod programs;
mod realms;
mod scripts;
mod secrecy;
mod settings;
mod unasked;
mod watching;
