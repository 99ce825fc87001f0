//! Schemas, which give values their units: this node's own, those of others, and the replies that
//! wait for one. [QST-40] [QST-41]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::Endpoint;
use super::asker::went_by_multicast;
use crate::io::Event;
use crate::keys::policy::Policy;
use crate::question::report::{Outcome, Reply, ReplyValue};
use crate::question::values::{SCHEMA_MAX, add_units, decode_schema, encode_schema, schema_hash};
use crate::stats::Dropped;
use crate::time::Now;
use crate::variable::{Schema, Table};
use crate::wire::frame::Blob;
use crate::wire::id::{NodeId, SenderId};

/// Schemas remembered; the longest known is forgotten for another.
const SCHEMAS_MAX: usize = 256;
/// Bytes of remembered schemas together, as they travel: members decide how long theirs are.
const SCHEMAS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Definitions of remembered schemas together: a tiny one takes a hundred times as much memory as
/// it has bytes. [QST-41]
const DEFINITIONS_MAX: usize = 65_536;
/// Processes remembered as sources of one schema.
const SOURCES_MAX: usize = 8;

/// A reply that waits for the schema with its units.
pub(super) struct HeldReply {
    pub(super) node: String,
    pub(super) id: NodeId,
    schema: [u8; 16],
    pub(super) values: Option<Vec<ReplyValue>>,
    by_multicast: bool,
}

impl HeldReply {
    /// The reply, with these values.
    pub(super) fn reply(self, values: Vec<ReplyValue>) -> Reply {
        let Self { node, by_multicast, .. } = self;
        Reply { node, outcome: Outcome::Values(values), by_multicast }
    }
}

/// The schemas that this process knows, and its own.
pub(super) struct Schemas {
    known: BTreeMap<[u8; 16], Arc<Schema>>,
    /// The known ones, the longest known first, with their length.
    order: VecDeque<([u8; 16], usize)>,
    /// Their length together.
    bytes: usize,
    /// Their definitions together.
    definitions: usize,
    own: Option<([u8; 16], Arc<[u8]>)>,
    own_is_of: u64,
}

impl Schemas {
    pub(super) fn new(known: &[Arc<Schema>]) -> Self {
        let mut schemas = Self {
            known: BTreeMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            definitions: 0,
            own: None,
            own_is_of: 0,
        };
        for schema in known {
            let bytes = encode_schema(schema);
            schemas.learn(schema_hash(&bytes), bytes.len(), schema.clone());
        }
        schemas
    }

    /// The hash and the bytes of this node's own schema: of what others may see. [QST-24]
    pub(super) fn own(&mut self, table: &Table, policy: &Policy) -> ([u8; 16], Arc<[u8]>) {
        if self.own_is_of != table.redefined() {
            self.own = None;
            self.own_is_of = table.redefined();
        }
        let own = self.own.get_or_insert_with(|| {
            let shown = table.definitions().filter(|it| policy.allows_template(&it.template));
            let bytes: Arc<[u8]> = encode_schema(&Schema::new(shown.cloned().collect())).into();
            (schema_hash(&bytes), bytes)
        });
        (own.0, own.1.clone())
    }

    /// Serves these bytes as the own schema, in the name of the true one.
    #[cfg(test)]
    pub(super) fn lie(&mut self, table: &Table, bytes: &[u8]) {
        let (hash, _) = self.own(table, &Policy::default());
        self.own = Some((hash, bytes.into()));
    }

    /// The schema with this hash, if it is known.
    pub(super) fn known(&self, hash: &[u8; 16]) -> Option<&Arc<Schema>> {
        self.known.get(hash)
    }

    fn learn(&mut self, hash: [u8; 16], length: usize, schema: Arc<Schema>) {
        if self.known.contains_key(&hash) {
            return;
        }
        let definitions = schema.definitions().len();
        while self.known.len() >= SCHEMAS_MAX
            || self.bytes + length > SCHEMAS_BYTES_MAX
            || self.definitions + definitions > DEFINITIONS_MAX
        {
            let Some((oldest, length)) = self.order.pop_front() else { break };
            self.bytes -= length;
            let forgotten = self.known.remove(&oldest);
            self.definitions -= forgotten.map_or(0, |it| it.definitions().len());
        }
        self.known.insert(hash, schema);
        self.order.push_back((hash, length));
        self.bytes += length;
        self.definitions += definitions;
    }
}

impl Endpoint {
    /// Values with their units, as soon as the schema is known.
    pub(super) fn deliver_values(
        &mut self,
        now: Now,
        request: u64,
        sender: SenderId,
        (node, id): (String, NodeId),
        schema: Option<[u8; 16]>,
        mut values: Vec<ReplyValue>,
    ) {
        let Some(hash) = schema else {
            self.deliver(now, request, node, &id, Outcome::Values(values));
            return;
        };
        if let Some(known) = self.schemas.known.get(&hash) {
            add_units(&mut values, known);
            self.deliver(now, request, node, &id, Outcome::Values(values));
            return;
        }
        self.await_schema(now, request, sender, (node, id), hash, Some(values));
    }

    /// Holds a reply back until its schema is there: with values for their units, without for a
    /// question that wants the schema itself. [QST-41]
    pub(super) fn await_schema(
        &mut self,
        now: Now,
        request: u64,
        sender: SenderId,
        (node, id): (String, NodeId),
        schema: [u8; 16],
        values: Option<Vec<ReplyValue>>,
    ) {
        let Some(question) = self.questions.get_mut(&request) else { return };
        match &values {
            Some(values) => {
                let outcome = Outcome::Values(values.clone());
                if !question.asking.answered(now.instant, &id, &outcome) {
                    self.note_snapshot(now, request, id, values, false);
                    return;
                }
            }
            None => question.asking.pulling(now.instant, &id),
        }
        if question.held.iter().any(|held| held.id == id) {
            return;
        }
        let by_multicast = went_by_multicast(&self.links, &question.asking);
        question.held.push(HeldReply { node, id, schema, values, by_multicast });
        question.asking.hold(question.held.len());
        let sources = question.sources.entry(schema).or_default();
        if sources.len() < SOURCES_MAX && !sources.contains(&sender) {
            sources.push(sender);
        }
        if self.schemas.known.contains_key(&schema) {
            self.release_held(now, schema);
        } else {
            self.pull_schema(now, sender, schema);
        }
    }

    /// Hands out the replies that waited for this schema: with units where it is known by now.
    /// Where nobody has it values go without, and nodes that were asked for their schema are asked
    /// again.
    pub(super) fn release_held(&mut self, now: Now, hash: [u8; 16]) {
        let schema = self.schemas.known.get(&hash).cloned();
        let mut events = Vec::new();
        for (request, question) in &mut self.questions {
            let question_id = question.asking.id();
            let (ready, waiting): (Vec<_>, Vec<_>) =
                std::mem::take(&mut question.held).into_iter().partition(|it| it.schema == hash);
            question.held = waiting;
            for mut held in ready {
                let id = held.id;
                let event = match (held.values.take(), &schema) {
                    (Some(mut values), schema) => {
                        if let Some(schema) = schema {
                            add_units(&mut values, schema);
                        }
                        Event::Reply(question_id, held.reply(values))
                    }
                    (None, Some(schema)) => {
                        let outcome = Outcome::Values(Vec::new());
                        question.asking.answered(now.instant, &id, &outcome);
                        Event::Schema(question_id, held.node, schema.clone())
                    }
                    (None, None) => {
                        question.asking.retry(&id);
                        continue;
                    }
                };
                events.push((*request, id, event));
            }
            question.asking.hold(question.held.len());
        }
        self.hand_out(now, events);
    }

    /// Hands out what was held back; a watch that begins goes on from there.
    fn hand_out(&mut self, now: Now, events: Vec<(u64, NodeId, Event)>) {
        for (request, id, event) in events {
            let values = match &event {
                Event::Reply(_, Reply { outcome: Outcome::Values(values), .. })
                    if self.watches.contains_key(&request) =>
                {
                    Some(values.clone())
                }
                _ => None,
            };
            self.event(event);
            if let Some(values) = values {
                self.note_snapshot(now, request, id, &values, true);
            }
        }
    }

    /// A schema has come in whole. What is no such schema is a lie: another node is asked. [QST-33]
    pub(super) fn schema_pulled(
        &mut self,
        now: Now,
        from: SenderId,
        hash: [u8; 16],
        bytes: &[u8],
    ) -> Result<(), Dropped> {
        let genuine = schema_hash(bytes) == hash;
        let Some(schema) = decode_schema(bytes).ok().filter(|_| genuine).map(Arc::new) else {
            self.pull_failed(now, from, Blob::Schema(hash));
            return Err(Dropped::Frame);
        };
        self.pulls.stop(|_, blob| *blob == Blob::Schema(hash));
        self.schemas.learn(hash, bytes.len(), schema.clone());
        self.event(Event::SchemaLearned(hash, schema));
        self.release_held(now, hash);
        Ok(())
    }

    /// Starts to pull a schema that is not known yet: from one source, and from another when those
    /// that were asked take long. Any member can give its pages one by one. [QST-33]
    pub(super) fn pull_schema(&mut self, now: Now, from: SenderId, hash: [u8; 16]) {
        let blob = Blob::Schema(hash);
        if self.pulls.is_slow(now.instant, blob)
            && self.pulls.start(now.instant, from, blob, None, SCHEMA_MAX)
        {
            self.give_up_schemas(now, from, blob);
        }
    }

    /// Pulls no other schema of a member than this, which it announced last: whoever announced one
    /// after the other would take up all that is pulled at once. [QST-33]
    fn give_up_schemas(&mut self, now: Now, from: SenderId, last: Blob) {
        let peers = &self.peers;
        let member = |it: &SenderId| peers.peer(it).map(|it| it.certificate.id());
        let Some(theirs) = member(&from) else { return };
        let mut given_up = Vec::new();
        self.pulls.stop(|it, blob| {
            let other =
                matches!(blob, Blob::Schema(_)) && *blob != last && member(it) == Some(theirs);
            if other {
                given_up.push((*it, *blob));
            }
            other
        });
        for (it, blob) in given_up {
            self.pull_failed(now, it, blob);
        }
    }

    /// Pulls a schema from the next source that is not asked for it yet.
    pub(super) fn pull_schema_beside(&mut self, now: Now, hash: [u8; 16]) {
        let sources = self.questions.values().filter_map(|it| it.sources.get(&hash)).flatten();
        let pulls = &self.pulls;
        let next = sources.copied().find(|it| !pulls.contains(*it, Blob::Schema(hash)));
        if let Some(next) = next {
            self.pull_schema(now, next, hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_remembered_up_to_a_number_a_length_and_their_definitions() {
        use crate::value::Type;
        use crate::variable::{Definition, Kind};

        let check = |length: usize, definitions: usize, max: usize| {
            let definition =
                |at: usize| Definition::new(&format!("app.v{at}"), Type::Int, Kind::Gauge);
            let schema = Arc::new(Schema::new((0..definitions).map(definition).collect()));
            let mut schemas = Schemas::new(&[]);
            let hash = |number: usize| u128::try_from(number).unwrap().to_be_bytes();
            for number in 0..=max {
                let known = number.min(max);
                assert_eq!((schemas.known.len(), schemas.bytes), (known, known * length));
                schemas.learn(hash(number), length, schema.clone());
            }
            assert_eq!((schemas.known.len(), schemas.order.len()), (max, max));
            assert!(!schemas.known.contains_key(&hash(0)) && schemas.known(&hash(max)).is_some());
            // What is known takes no room again.
            schemas.learn(hash(max), length, schema.clone());
            assert_eq!((schemas.known.len(), schemas.bytes), (max, max * length));
        };
        check(1, 0, SCHEMAS_MAX);
        check(SCHEMA_MAX, 1, SCHEMAS_BYTES_MAX / SCHEMA_MAX);
        check(SCHEMAS_BYTES_MAX, 1, 1);
        check(1, Table::DEFINITIONS_MAX, DEFINITIONS_MAX / Table::DEFINITIONS_MAX);
        check(1, 4_000, DEFINITIONS_MAX / 4_000);
    }
}
