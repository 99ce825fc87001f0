//! Scenarios with the real binary in networks made of namespaces.

mod harness;
