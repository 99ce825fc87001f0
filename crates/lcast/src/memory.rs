//! What one process remembers for the next: presence and schemas.
//!
//! A cache, never a promise: a file that cannot be read counts as empty, and one that cannot be
//! written is left as it was. Many processes may share it; the last one to end wins.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lcast_proto::question::values::{decode_schema, encode_schema};
use lcast_proto::time::Timestamp;
use lcast_proto::variable::Schema;
use lcast_proto::wire::cbor::{self, Cbor, Fields, MapBuilder};
use lcast_proto::wire::frame::{Record, decode_record, encode_record};

use crate::file::{self, Durability};

/// The file in its folder.
const FILE: &str = "roster.cbor";
/// Longest file that is read.
const LENGTH_MAX: u64 = 16 * 1024 * 1024;
/// Schemas kept.
const SCHEMAS_MAX: usize = 64;
/// How old the file may be before it is written again without news.
const REFRESH_AFTER: Duration = Duration::from_secs(60);

/// What earlier processes of this node knew.
#[derive(Debug)]
pub(crate) struct Memory {
    folder: PathBuf,
    saved_at: Timestamp,
    records: Vec<Record>,
    schemas: Vec<Arc<Schema>>,
    news: bool,
}

impl Memory {
    /// Reads what is there.
    pub(crate) fn load(folder: PathBuf, wall: Timestamp) -> Self {
        let mut memory = Self {
            folder,
            saved_at: Timestamp::from_millis(0),
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
        let schema = |item: &Cbor| decode_schema(item.as_bytes()?).ok().map(Arc::new);
        self.schemas = schemas.iter().filter_map(schema).take(SCHEMAS_MAX).collect();
        self.saved_at = saved_at;
        Some(())
    }

    /// What is remembered.
    pub(crate) fn content(&self) -> (&[Record], &[Arc<Schema>]) {
        (&self.records, &self.schemas)
    }

    /// A schema was learned.
    pub(crate) fn learn(&mut self, schema: Arc<Schema>) {
        if self.schemas.len() >= SCHEMAS_MAX {
            self.schemas.remove(0);
        }
        self.schemas.push(schema);
        self.news = true;
    }

    /// Writes what is known, when it is news or the file has become old.
    pub(crate) fn save(&self, records: &[Record], wall: Timestamp) {
        let age = wall.as_millis().saturating_sub(self.saved_at.as_millis());
        let fresh =
            (0..i64::try_from(REFRESH_AFTER.as_millis()).unwrap_or(i64::MAX)).contains(&age);
        let same = records.len() == self.records.len();
        if fresh && same && !self.news {
            return;
        }
        let schemas = self.schemas.iter().map(|schema| Cbor::Bytes(encode_schema(schema)));
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
