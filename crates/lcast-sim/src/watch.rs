//! What watches have told: the view that somebody would have who listens.
//!
//! The oracles compare it with what nodes held. Not here: what nodes held, which is in
//! [`model`](crate::model).

use std::collections::BTreeMap;

use lcast_proto::value::Value;
use lcast_proto::variable::Version;

/// What a watch has told so far.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The nodes that are in the watch, and what they hold.
    pub nodes: BTreeMap<String, BTreeMap<String, Seen>>,
    /// The newest version ever told, by node and variable.
    pub newest: BTreeMap<(String, String), Version>,
    /// Whether whoever watched has ended it.
    pub ended: bool,
    /// How many values it told of as changed.
    pub changed: u64,
    /// How many versions it said it had not seen.
    pub skipped: u64,
    /// How often a node entered.
    pub entered: u64,
    /// How often a node left.
    pub left: u64,
}

/// A value that a watch told.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Its version.
    pub version: Version,
    /// The value.
    pub value: Value,
}

impl View {
    /// What it holds of one value.
    pub fn value(&self, node: &str, name: &str) -> Option<&Value> {
        self.nodes.get(node)?.get(name).map(|seen| &seen.value)
    }
}
