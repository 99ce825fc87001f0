//! Every parser of bytes that another machine, a file or a person hands us, as a function to fuzz.
//!
//! For: the bodies of the fuzz targets, shared by cargo-fuzz (nightly, searches) and by the test of
//! this crate (stable, replays the committed corpora in CI). Not for: tests of meaning; a target
//! only holds what must hold for *every* input: no panic, bounded work, and what was accepted
//! prints back to something equal. Start reading at [`TARGETS`].

pub mod mutate;
mod text;

/// A fuzz target: any bytes go in, a broken promise panics.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of the binary and of the folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Runs one input.
    pub run: fn(&[u8]),
}

/// All targets, by name.
pub const TARGETS: &[Target] = &[
    Target { name: "name_text", run: text::name },
    Target { name: "timestamp_text", run: text::timestamp },
];

/// Runs one input through the target of that name.
///
/// # Panics
///
/// When there is no such target, or when the input breaks a promise.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.unwrap_or_else(|| panic!("no fuzz target '{name}'"));
    (target.run)(input);
}
