//! What one process remembers for the next: presence and schemas.
//!
//! A cache, never a promise: a file that cannot be read counts as empty, and one that cannot be
//! written is left as it was. Many processes may share it; the last one to end wins.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lcast_proto::question::values::{decode_schema, encode_schema};
use lcast_proto::time::Timestamp;
use lcast_proto::variable::Schema;
use lcast_proto::wire::cbor::{self, Cbor, Fields, MapBuilder};
use lcast_proto::wire::frame::{Record, decode_record, encode_record};
use lcast_proto::wire::id::NodeId;

use crate::file::{self, Durability};

/// The file in its folder.
const FILE: &str = "roster.cbor";
/// Longest file that is read.
const LENGTH_MAX: u64 = 16 * 1024 * 1024;
/// Schemas kept.
const SCHEMAS_MAX: usize = 64;
/// Bytes of the schemas kept, together: with as much of the roster they fit the file.
const SCHEMAS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Definitions of the schemas kept, together: every command of a user decodes them, and a tiny one
/// takes a hundred times as much memory as room in the file. [QST-41]
const DEFINITIONS_MAX: usize = 16_384;
/// How much later a member was heard than the file says, to be news.
const NEWER_BY: Duration = Duration::from_secs(5);
/// How old the file may be before it is written again without news.
const REFRESH_AFTER: Duration = Duration::from_secs(60);

/// A file that is no further ahead of the clock is left as it is: so long it shows that the clock
/// was set back, and that nodes may take this one's processes for replays until it has caught up.
/// [SEC-47]
const CATCH_UP_MAX: Duration = Duration::from_secs(60);

/// How far the clock was set back since a process with this state folder wrote down what it knew:
/// until it has caught up, nodes may take what a process of it says for replays. `None` where it
/// was not, or by over a minute: nodes remember no more. [SEC-47]
pub fn set_back(folder: &Path, wall: Timestamp) -> Option<Duration> {
    Memory::load(folder.to_owned(), wall).ahead(wall)
}

/// What earlier processes of this node knew.
#[derive(Debug)]
pub(crate) struct Memory {
    folder: PathBuf,
    saved_at: Timestamp,
    /// When it was read: the ages of the records are as of then.
    loaded_at: Timestamp,
    records: Vec<Record>,
    schemas: Vec<Kept>,
    news: bool,
}

/// A schema, and its length in the file: to find that out takes as long as to write it.
#[derive(Clone, Debug)]
struct Kept {
    length: usize,
    schema: Arc<Schema>,
}

/// How much more can be kept.
struct Room {
    schemas: usize,
    bytes: usize,
    definitions: usize,
}

impl Room {
    const ALL: Self =
        Self { schemas: SCHEMAS_MAX, bytes: SCHEMAS_BYTES_MAX, definitions: DEFINITIONS_MAX };

    /// Takes what this schema needs; whether there was as much.
    fn take(&mut self, kept: &Kept) -> bool {
        let left = || {
            Some(Self {
                schemas: self.schemas.checked_sub(1)?,
                bytes: self.bytes.checked_sub(kept.length)?,
                definitions: self.definitions.checked_sub(kept.schema.definitions().len())?,
            })
        };
        left().map(|left| *self = left).is_some()
    }
}

impl Memory {
    /// Reads what is there.
    pub(crate) fn load(folder: PathBuf, wall: Timestamp) -> Self {
        let mut memory = Self {
            folder,
            saved_at: Timestamp::from_millis(0),
            loaded_at: wall,
            records: Vec::new(),
            schemas: Vec::new(),
            news: false,
        };
        if let Ok(bytes) = file::read_at_most(&memory.folder.join(FILE), LENGTH_MAX) {
            memory.decode(&bytes, wall);
        }
        memory
    }

    fn decode(&mut self, bytes: &[u8], wall: Timestamp) -> Option<()> {
        let mut fields = Fields::parse(bytes).ok()?;
        let saved_at = Timestamp::from_millis(fields.int(1).ok()?);
        let passed = wall.as_millis().saturating_sub(saved_at.as_millis());
        let passed = Duration::from_millis(u64::try_from(passed).unwrap_or_default());
        let older = |record: Record| Record { age: record.age.saturating_add(passed), ..record };
        let records = fields.array(2).ok()?;
        self.records = records.iter().filter_map(decode_record).map(older).collect();
        let schemas = fields.array(3).ok()?;
        let schema = |item: &Cbor| {
            let bytes = item.as_bytes()?;
            let schema = Arc::new(decode_schema(bytes).ok()?);
            Some(Kept { length: bytes.len(), schema })
        };
        // From the newest on, so that what is not kept is not decoded either.
        let mut room = Room::ALL;
        let newest = schemas.iter().rev().filter_map(schema);
        self.schemas = newest.take_while(|it| room.take(it)).collect();
        self.schemas.reverse();
        self.saved_at = saved_at;
        Some(())
    }

    /// What is remembered.
    pub(crate) fn content(&self) -> (Vec<Record>, Vec<Arc<Schema>>) {
        let schemas = self.schemas.iter().map(|it| Arc::clone(&it.schema));
        (self.records.clone(), schemas.collect())
    }

    /// A schema was learned.
    pub(crate) fn learn(&mut self, schema: Arc<Schema>) {
        let length = encode_schema(&schema).len();
        self.schemas.push(Kept { length, schema });
        let mut room = Room::ALL;
        let kept = self.schemas.iter().rev().take_while(|it| room.take(it)).count();
        self.schemas.drain(..self.schemas.len() - kept);
        self.news = true;
    }

    /// Whether a member was heard notably later than the file says, or is reached elsewhere.
    fn is_later(&self, records: &[Record], wall: Timestamp) -> bool {
        let heard = |it: &Record, wall: Timestamp| wall.saturating_sub(it.age);
        let known = self.records.iter().map(|it| (it.id, (it, heard(it, self.loaded_at))));
        let known: BTreeMap<NodeId, (&Record, Timestamp)> = known.collect();
        records.iter().any(|it| {
            known.get(&it.id).is_none_or(|(before, at)| {
                at.saturating_add(NEWER_BY) < heard(it, wall)
                    || before.address.map(place) != it.address.map(place)
            })
        })
    }

    /// How far the file is ahead of the clock, where it is, and by no more than [`CATCH_UP_MAX`].
    fn ahead(&self, wall: Timestamp) -> Option<Duration> {
        let ahead = self.saved_at.as_millis().saturating_sub(wall.as_millis());
        let ahead = Duration::from_millis(u64::try_from(ahead).ok()?);
        (!ahead.is_zero() && ahead <= CATCH_UP_MAX).then_some(ahead)
    }

    /// Writes what is known, when it is news or the file has become old.
    pub(crate) fn save(&self, records: &[Record], wall: Timestamp) {
        if self.ahead(wall).is_some() {
            return;
        }
        let age = wall.as_millis().saturating_sub(self.saved_at.as_millis());
        let fresh =
            (0..i64::try_from(REFRESH_AFTER.as_millis()).unwrap_or(i64::MAX)).contains(&age);
        let same = records.len() == self.records.len() && !self.is_later(records, wall);
        if fresh && same && !self.news {
            return;
        }
        let schemas = self.schemas.iter().map(|it| Cbor::Bytes(encode_schema(&it.schema)));
        let content = MapBuilder::new()
            .field(1, wall.as_millis())
            .field(2, Cbor::Array(records.iter().map(encode_record).collect()))
            .field(3, Cbor::Array(schemas.collect()))
            .build();
        let written = file::create_private_folder(&self.folder).and_then(|()| {
            file::write(&self.folder.join(FILE), &cbor::encode(&content), Durability::Cached)
        });
        if let Err(error) = written {
            tracing::debug!(%error, folder = %self.folder.display(), "nothing is remembered");
        }
    }
}

/// An address without its scope, which the file does not hold.
fn place(address: SocketAddrV6) -> (Ipv6Addr, u16) {
    (*address.ip(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::tests::Folder;

    /// A schema of so many settings, each with so many of the longest choices.
    fn schema(number: usize, variables: usize, choices: usize) -> Arc<Schema> {
        use lcast_proto::value::Type;
        use lcast_proto::variable::{Constraint, Definition};

        let choices = vec!["x".repeat(Constraint::CHOICE_LENGTH_MAX); choices];
        let definition = |at: usize| {
            let name = format!("app.n{number:03}.v{at:05}");
            let constraint = Constraint { choices: choices.clone(), ..Constraint::default() };
            Definition::setting(&name, Type::Text, constraint)
        };
        Arc::new(Schema::new((0..variables).map(definition).collect()))
    }

    /// A file that is too long would count as empty from then on.
    #[test]
    fn schemas_are_kept_up_to_a_number_a_length_and_their_definitions() {
        let folder = Folder::new("memory");
        let wall = Timestamp::from_millis(1_000_000_000);
        // Many schemas, long ones, and many definitions.
        for (variables, choices) in [(1, 0), (50, 64), (1, 64), (4096, 0), (4000, 0)] {
            let schema = |number: usize| schema(number, variables, choices);
            let folder = folder.path().join(format!("{variables}-{choices}"));
            let length = encode_schema(&schema(0)).len();
            let kept = (SCHEMAS_BYTES_MAX / length).min(DEFINITIONS_MAX / variables);
            let kept = kept.min(SCHEMAS_MAX);
            let mut memory = Memory::load(folder.clone(), wall);
            (0..=kept).for_each(|number| memory.learn(schema(number)));
            memory.save(&[], wall);
            let mut again = Memory::load(folder, wall);
            assert_eq!((memory.schemas.len(), again.schemas.len()), (kept, kept), "{length}");
            let first = |memory: &Memory| memory.content().1.first().cloned();
            assert_eq!(first(&again), Some(schema(1)), "the oldest went");
            // What the file brought counts as what was learned.
            again.learn(schema(kept + 1));
            assert_eq!(again.schemas.len(), kept);
            assert_eq!(first(&again), Some(schema(2)));
        }
    }

    /// A file of an earlier version may hold more, or one that somebody else wrote.
    #[test]
    fn of_a_file_with_too_much_the_newest_schemas_are_taken() {
        let folder = Folder::new("memory");
        let wall = Timestamp::from_millis(1_000_000_000);
        for (count, variables, kept) in [(70, 1, SCHEMAS_MAX), (7, 4096, 4)] {
            let item = |number: usize| Cbor::Bytes(encode_schema(&schema(number, variables, 0)));
            let content = MapBuilder::new()
                .field(1, wall.as_millis())
                .field(2, Cbor::Array(Vec::new()))
                .field(3, Cbor::Array((0..count).map(item).collect()))
                .build();
            let bytes = cbor::encode(&content);
            file::write(&folder.path().join(FILE), &bytes, Durability::Cached).unwrap();
            let (_, taken) = Memory::load(folder.path().to_owned(), wall).content();
            let newest = (count - kept..count).map(|number| schema(number, variables, 0));
            assert!(taken == newest.collect::<Vec<_>>(), "{count}, {variables}: {}", taken.len());
        }
    }

    /// The next command of a user must not say that a node was heard long before it was.
    #[test]
    fn who_was_heard_lately_is_written_down_at_once() {
        let folder = Folder::new("memory");
        let at = |millis: i64| Timestamp::from_millis(1_000_000_000 + millis);
        let heard = |at: Timestamp, wall: Timestamp| Record {
            id: NodeId([1; 16]),
            age: Duration::from_millis((wall.as_millis() - at.as_millis()).unsigned_abs()),
            address: None,
            interval: Duration::from_secs(10),
            left: false,
            gone: false,
            software: "1".into(),
        };
        let age = |wall: Timestamp| Memory::load(folder.path().to_owned(), wall).records[0].age;
        let save = |heard_at: Timestamp, wall: Timestamp| {
            let memory = Memory::load(folder.path().to_owned(), wall);
            memory.save(&[heard(heard_at, wall)], wall);
        };
        save(at(0), at(100));
        assert_eq!(age(at(1000)), Duration::from_millis(1000));
        save(at(3000), at(3100));
        assert_eq!(age(at(4000)), Duration::from_millis(4000), "written for little");
        save(at(20_000), at(20_100));
        assert_eq!(age(at(22_000)), Duration::from_millis(2000));
    }

    /// What fails until the clock has caught up must not wipe out why.
    #[test]
    fn a_file_that_is_a_little_ahead_of_the_clock_is_left_as_it_is() {
        let folder = Folder::new("memory");
        let at = |seconds: i64| Timestamp::from_millis(1_000_000_000 + seconds * 1000);
        for (ahead, kept) in [(60, true), (61, false)] {
            let save = |wall: Timestamp| {
                let mut memory = Memory::load(folder.path().to_owned(), wall);
                memory.news = true;
                memory.save(&[], wall);
            };
            save(at(0));
            save(at(ahead));
            let expected = kept.then_some(Duration::from_secs(60));
            assert_eq!(set_back(folder.path(), at(0)), expected, "{ahead}");
            save(at(0));
            let saved_at = Memory::load(folder.path().to_owned(), at(0)).saved_at;
            assert_eq!(saved_at == at(ahead), kept, "{ahead}");
            std::fs::remove_file(folder.path().join(FILE)).unwrap();
        }
    }

    /// The next command of a user must not look for a node where it was before.
    #[test]
    fn another_address_is_written_down_at_once() {
        let folder = Folder::new("memory");
        let wall = Timestamp::from_millis(1_000_000_000);
        let record = |address: Option<&str>| Record {
            id: NodeId([1; 16]),
            age: Duration::from_secs(1),
            address: address.map(|it| it.parse().unwrap()),
            interval: Duration::from_secs(10),
            left: false,
            gone: false,
            software: "1".into(),
        };
        let known = || Memory::load(folder.path().to_owned(), wall).records[0].address;
        for (address, kept) in [
            ("[fe80::1%2]:24242", "[fe80::1]:24242"),
            ("[fe80::2%2]:24242", "[fe80::2]:24242"),
            ("[fe80::2%3]:24242", "[fe80::2]:24242"),
            ("[fe80::2%2]:24243", "[fe80::2]:24243"),
        ] {
            let memory = Memory::load(folder.path().to_owned(), wall);
            memory.save(&[record(Some(address))], wall);
            assert_eq!(known(), Some(kept.parse().unwrap()), "{address}");
        }
    }
}
