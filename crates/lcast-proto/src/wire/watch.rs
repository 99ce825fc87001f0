//! What watches put on the wire: the terms of a lease, and changes.
//!
//! Fields and limits are in `docs/spec/wire.md`, the rules in `docs/spec/watch.md`.

use std::fmt;
use std::time::Duration;

use super::cbor::{Cbor, CborError, Fields, MapBuilder};

/// Names what is watched: everybody who asks for the same in the same way shares it. [WAT-2]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub [u8; 8]);

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// How a watcher wants to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WatchTerms {
    /// How long it listens unless it asks again; zero ends the watch.
    pub lease: Duration,
    /// Tell the values this often, changed or not (with `delta`: when they moved by that much).
    pub every: Option<Duration>,
    /// Tell a number only when it is at least so far from what was told last.
    pub delta: Option<f64>,
    /// Whether who gave a lease shall only extend it. [WAT-6]
    pub renewal: bool,
}

/// One message of a node to all watchers of a topic.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeFrame {
    /// Of which topic.
    pub topic: TopicId,
    /// Counts the messages of this node and topic, without gaps.
    pub number: u64,
    /// What happened.
    pub change: Change,
}

/// What happened to the watched values of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// These values are new (encoded by `question::values`), and these names have none any more.
    Values(Vec<u8>, Vec<String>),
    /// The predicate holds from here on: the values.
    Entered(Vec<u8>),
    /// The predicate holds no more, by this code of `EmptyReason`.
    Left(u8),
    /// More changed than messages carry: ask for all of it.
    Much,
}

/// Most names in one message that have no value any more.
pub const REMOVED_MAX: usize = 64;

pub(super) fn encode_terms(terms: &WatchTerms) -> Cbor {
    let millis = |it: Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
    MapBuilder::new()
        .field(1, millis(terms.lease))
        .field_opt(2, terms.every.map(millis))
        .field_opt(3, terms.delta.map(Cbor::Float))
        .field_opt(4, terms.renewal.then_some(true))
        .build()
}

pub(super) fn decode_terms(fields: &mut Fields) -> Result<WatchTerms, CborError> {
    let delta = fields.float_opt(3)?;
    if delta.is_some_and(|it| !it.is_finite() || it <= 0.0) {
        return Err(CborError::Type(3));
    }
    Ok(WatchTerms {
        lease: Duration::from_millis(fields.uint(1)?),
        every: fields.uint_opt(2)?.map(Duration::from_millis),
        delta,
        renewal: fields.flag(4)?,
    })
}

pub(super) fn encode_change(map: MapBuilder, frame: &ChangeFrame) -> MapBuilder {
    let map = map.field(1, frame.topic.0.to_vec()).field(2, frame.number);
    match &frame.change {
        Change::Values(values, removed) => {
            let names = removed.iter().map(|name| Cbor::from(name.as_str())).collect();
            let removed = Some(Cbor::Array(names)).filter(|_| !removed.is_empty());
            map.field(3, 0).field(4, values.clone()).field_opt(5, removed)
        }
        Change::Entered(values) => map.field(3, 1).field(4, values.clone()),
        Change::Left(reason) => map.field(3, 2).field(4, *reason),
        Change::Much => map.field(3, 3),
    }
}

pub(super) fn decode_change(fields: &mut Fields) -> Result<ChangeFrame, CborError> {
    let change = match fields.uint(3)? {
        0 => {
            let removed = fields.array_opt(5)?.unwrap_or_default();
            if removed.len() > REMOVED_MAX {
                return Err(CborError::Type(5));
            }
            let names: Option<Vec<String>> =
                removed.iter().map(|it| it.as_text().map(str::to_owned)).collect();
            Change::Values(fields.bytes(4)?, names.ok_or(CborError::Type(5))?)
        }
        1 => Change::Entered(fields.bytes(4)?),
        2 => Change::Left(fields.number(4)?),
        3 => Change::Much,
        _ => return Err(CborError::Type(3)),
    };
    Ok(ChangeFrame { topic: TopicId(fields.fixed(1)?), number: fields.uint(2)?, change })
}
