//! Prints figures; see the module docs of the measurements.
fn main() {}
