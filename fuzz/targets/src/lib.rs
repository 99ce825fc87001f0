//! Every parser of bytes that another machine, a file or a person hands us, and what endpoints do
//! in whatever order, as functions to fuzz.
//!
//! For: the bodies of the fuzz targets, shared by `cargo xtask fuzz` (searches) and by the test of
//! this crate (replays the committed corpora in CI). Not for: tests of meaning; a target only holds
//! what must hold for *every* input: no panic, bounded work, what was accepted prints back to
//! something equal, and the promises that the simulator's oracles know. Start reading at
//! [`TARGETS`].

mod endpoint;
mod local;
pub mod mutate;
mod realm;
pub mod samples;
mod select;
mod sequence;
mod text;
mod trust;
mod wire;
mod world;

/// A fuzz target: any bytes go in, a broken promise panics.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of the binary and of the folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Runs one input.
    pub run: fn(&[u8]),
    /// How many of the replay's changes of an input are tried here: one of so many, since an input
    /// may take long.
    pub cost: u64,
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run, cost: 1 }
}

/// All targets: from the network, then from files and people.
pub const TARGETS: &[Target] = &[
    target("wire_header", wire::header),
    target("wire_cbor", wire::cbor),
    target("wire_group_frame", wire::group_frame),
    target("wire_pair_frame", wire::pair_frame),
    target("wire_values", wire::values),
    target("wire_schema", wire::schema),
    target("certificate", trust::certificate),
    target("member_list", trust::member_list),
    target("selector", select::selector),
    target("endpoint_outsider", endpoint::outsider),
    target("endpoint_member", endpoint::member),
    Target { cost: 4, ..target("endpoint_sequence", sequence::sequence) },
    Target { cost: 20, ..target("world_sequence", world::sequence) },
    target("credential", trust::credential),
    target("predicate_text", select::predicate),
    target("pattern_text", select::pattern),
    target("name_text", text::name),
    target("timestamp_text", text::timestamp),
    target("setting_text", text::setting),
    target("format", local::format),
    target("agent_config", local::config),
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
