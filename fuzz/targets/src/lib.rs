//! Every parser of bytes that another machine, a file or a person hands us, as a function to fuzz.
//!
//! For: the bodies of the fuzz targets, shared by cargo-fuzz (nightly, searches) and by the test of
//! this crate (stable, replays the committed corpora in CI). Not for: tests of meaning; a target
//! only holds what must hold for *every* input: no panic, bounded work, and what was accepted
//! prints back to something equal. Start reading at [`TARGETS`].

mod endpoint;
mod local;
pub mod mutate;
mod realm;
pub mod samples;
mod select;
mod text;
mod trust;
mod wire;

/// A fuzz target: any bytes go in, a broken promise panics.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of the binary and of the folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Runs one input.
    pub run: fn(&[u8]),
}

/// All targets: from the network, then from files and people.
pub const TARGETS: &[Target] = &[
    Target { name: "wire_header", run: wire::header },
    Target { name: "wire_cbor", run: wire::cbor },
    Target { name: "wire_group_frame", run: wire::group_frame },
    Target { name: "wire_pair_frame", run: wire::pair_frame },
    Target { name: "wire_values", run: wire::values },
    Target { name: "wire_schema", run: wire::schema },
    Target { name: "certificate", run: trust::certificate },
    Target { name: "member_list", run: trust::member_list },
    Target { name: "selector", run: select::selector },
    Target { name: "endpoint_outsider", run: endpoint::outsider },
    Target { name: "endpoint_member", run: endpoint::member },
    Target { name: "credential", run: trust::credential },
    Target { name: "predicate_text", run: select::predicate },
    Target { name: "pattern_text", run: select::pattern },
    Target { name: "name_text", run: text::name },
    Target { name: "timestamp_text", run: text::timestamp },
    Target { name: "setting_text", run: text::setting },
    Target { name: "format", run: local::format },
    Target { name: "agent_config", run: local::config },
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
