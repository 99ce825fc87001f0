//! What a node must not forget: its settings, the requests it has applied, how often it started.
//!
//! One SQLite database, `settings.db`, in the node's state folder, so that an administrator can
//! open it with common tools. A setting and the outcome of the request that set it are written in
//! one transaction: a request is applied once, also across a crash (see `docs/spec/`, settings).
//! Values are kept as the CBOR bytes that the caller gives; types and limits of settings are the
//! caller's affair, decided before it comes here.
//!
//! Start with [`Store::open`] and [`Store::apply`]. The lock that keeps a second agent off the same
//! folder is [`StateLock`].

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lcast_proto::time::Timestamp;
use lcast_proto::variable::Version;
use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};
use rustix::io::Errno;

use crate::file;

/// The durable state of one node.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    /// The device and number of the file: what stands at `path` may become another.
    file: (u64, u64),
    incarnation: u64,
    /// Whether the incarnation is still to be written: there was no room for it at the start.
    incarnation_pending: bool,
    counter: u64,
}

/// A setting as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its full name.
    pub name: String,
    /// Its value in CBOR.
    pub value: Vec<u8>,
    /// Which write the value is from.
    pub version: Version,
    /// When it was written, by the wall clock of the node.
    pub time: Timestamp,
}

/// Which request this is: requests with equal keys are the same request, sent again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestKey {
    /// The sender id of the asking process.
    pub sender: [u8; 12],
    /// The request id that the sender gave.
    pub request: u64,
}

/// A request to change settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Which request this is.
    pub key: RequestKey,
    /// What to change: 1 to [`Store::OPERATIONS_MAX`], each standing for itself.
    pub operations: Vec<SetOperation>,
    /// Whether only to say what would happen. A dry run is not remembered.
    pub dry_run: bool,
    /// The wall clock.
    pub wall: Timestamp,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetOperation {
    /// The setting.
    pub name: String,
    /// The value, in deterministic CBOR: equal values must be equal bytes.
    pub value: Vec<u8>,
    /// Apply only while the setting has this version. A setting never set has version 0.0.
    pub if_version: Option<Version>,
}

/// What became of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What became of it.
    pub effect: Effect,
    /// The version that is held afterwards (of a dry run: that is held).
    pub version: Version,
}

/// What became of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The value is on the disk (of a dry run: would be).
    Applied,
    /// The setting had this value; its version stays.
    Unchanged,
    /// The version is another than demanded; nothing is changed.
    Conflict,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// In the order of the operations.
    pub applied: Vec<Applied>,
    /// Whether the request had come before: then this is what became of it that first time.
    pub repeated: bool,
}

/// Why the store could not be opened or did not keep a value. The old values are kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no room left; a later try may succeed.
    #[error("'{path}': the disk is full, so nothing is changed; free some space and try again")]
    DiskFull {
        /// The database.
        path: PathBuf,
    },
    /// The folder or the file cannot be written to.
    #[error("'{path}': cannot be written; is its file system mounted read-only, whose is it?")]
    ReadOnly {
        /// The database.
        path: PathBuf,
    },
    /// The file is damaged or no database of settings.
    #[error(
        "'{path}': damaged or no database of settings ({source}); restore it from a backup, or \
         move it away to start with default settings"
    )]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What SQLite found.
        source: rusqlite::Error,
    },
    /// The file is a database, and another program's.
    #[error(
        "'{path}': a database of another program; nothing in it is touched: move it away, or keep \
         the state in another folder"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A later version of this program wrote the file.
    #[error("'{path}': written by a later version (format {found}); install that version here")]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// A limit of the store: nothing of the request is applied.
    #[error("'{what}': more than the store takes ({max})")]
    Limit {
        /// What is too large or too many.
        what: String,
        /// The limit.
        max: usize,
    },
    /// The folder could not be made or entered.
    #[error("'{path}': {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something else stands where a file of the store belongs.
    #[error("'{path}': {source}, or keep the state in another folder")]
    Displaced {
        /// The file.
        path: PathBuf,
        /// What stands there.
        source: io::Error,
    },
    /// The database was removed, moved or replaced since it was opened: what is written to it would
    /// be lost with the process.
    #[error(
        "'{path}': removed, moved or replaced while the node runs; put it back, or start the node \
         again"
    )]
    Removed {
        /// Where it was.
        path: PathBuf,
    },
    /// Anything else that SQLite reports: input and output errors above all.
    #[error("'{path}': {source}; look whether its disk is full ('df') or failing ('dmesg')")]
    Database {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

impl Store {
    /// The file in the state folder.
    pub const FILE: &str = "settings.db";
    /// Most settings kept.
    pub const SETTINGS_MAX: usize = 4096;
    /// Longest value in bytes.
    pub const VALUE_LENGTH_MAX: usize = 65_536;
    /// Most operations of one request.
    pub const OPERATIONS_MAX: usize = 64;
    /// Most outcomes of requests remembered; the oldest go first. However old they are: a clock
    /// that is set back makes old requests fresh again.
    pub const OUTCOMES_MAX: u64 = 65_536;
    /// The format that this code reads and writes.
    const FORMAT: u32 = 1;
    /// What tells our databases from those of other programs: "lcst".
    const APPLICATION: u32 = 0x6c63_7374;

    /// Opens the store in this folder, made (0700) when absent, and counts the start.
    ///
    /// # Errors
    /// [`StoreError`]. A full disk is an error only when there is no store yet.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let error = match Self::open_in(folder) {
            Err(error @ (StoreError::ReadOnly { .. } | StoreError::Database { .. })) => error,
            opened => return opened,
        };
        match no_descriptors() {
            Some(source) => Err(StoreError::Folder { path: folder.to_owned(), source }),
            None => Err(error),
        }
    }

    fn open_in(folder: &Path) -> Result<Self, StoreError> {
        file::create_private_folder(folder)
            .map_err(|source| StoreError::Folder { path: folder.to_owned(), source })?;
        let path = folder.join(Self::FILE);
        // SQLite would wait for ever for the other end of a pipe, in place of its own files too,
        // and make a database of what a link leads to.
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let path = folder.join(format!("{}{suffix}", Self::FILE));
            if let Err(source) = file::open_itself(&path, OpenOptions::new().read(true))
                && source.kind() == io::ErrorKind::Other
            {
                return Err(StoreError::Displaced { path, source });
            }
        }
        let wrap = |source| classify(&path, source);
        let connection = connect(&path).map_err(wrap)?;
        match find_origin(&connection).map_err(wrap)? {
            Origin::Nobody => {
                tune(&connection).map_err(wrap)?;
                connection.execute_batch(LAYOUT).map_err(wrap)?;
            }
            Origin::Format(Self::FORMAT) => tune(&connection).map_err(wrap)?,
            Origin::Format(found) => return Err(StoreError::Newer { path, found }),
            Origin::Another => return Err(StoreError::Foreign { path }),
        }
        check_integrity(&connection).map_err(wrap)?;
        let Some(file) = identity(&path) else { return Err(StoreError::Removed { path }) };
        let (incarnation, incarnation_pending, counter) = (0, false, 0);
        let mut store = Self { connection, path, file, incarnation, incarnation_pending, counter };
        store.count_start()?;
        Ok(store)
    }

    /// Which start of the node this is: 1 the first time.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// All settings, in order of name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn settings(&self) -> Result<Vec<Setting>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT name, value, incarnation, counter, time FROM setting ORDER BY name",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(Setting {
                    name: row.get(0)?,
                    value: row.get(1)?,
                    version: Version {
                        incarnation: number(row.get(2)?),
                        counter: number(row.get(3)?),
                    },
                    time: Timestamp::from_millis(row.get(4)?),
                })
            })?;
            rows.collect::<Result<_, _>>()
        };
        read().map_err(|source| classify(&self.path, source))
    }

    /// What became of the newest requests, the oldest of them first: of so many operations at most,
    /// and each request whole.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn newest_outcomes(
        &self,
        max: usize,
    ) -> Result<Vec<(RequestKey, Vec<Applied>)>, StoreError> {
        newest_outcomes(&self.connection, max).map_err(|source| classify(&self.path, source))
    }

    /// Applies a request, or says what became of it when it came before.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of the request is applied or remembered.
    pub fn apply(&mut self, request: &Write) -> Result<Written, StoreError> {
        check_limits(request)?;
        if identity(&self.path) != Some(self.file) {
            return Err(StoreError::Removed { path: self.path.clone() });
        }
        let version = Version { incarnation: self.incarnation, counter: self.counter };
        let pending = self.incarnation_pending.then_some(self.incarnation);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|source| classify(&self.path, source))?;
        let outcome = apply_in(&transaction, request, version, pending);
        let outcome = outcome.and_then(|outcome| {
            if request.dry_run || outcome.is_none() {
                transaction.rollback()?;
            } else {
                transaction.commit()?;
            }
            Ok(outcome)
        });
        let outcome = outcome.map_err(|source| classify(&self.path, source))?;
        let Some((applied, counter)) = outcome else {
            let what = "settings".to_owned();
            return Err(StoreError::Limit { what, max: Self::SETTINGS_MAX });
        };
        if !request.dry_run {
            self.counter = counter;
            self.incarnation_pending = false;
        }
        Ok(applied)
    }

    /// Counts the start. Where there is no room to write the count down, it is written with the
    /// first setting: a full disk must not keep a node from reporting that its disk is full.
    fn count_start(&mut self) -> Result<(), StoreError> {
        let wrap = |source| classify(&self.path, source);
        let last = self
            .connection
            .query_row("SELECT incarnation FROM start", [], |row| row.get::<_, i64>(0))
            .map_err(wrap)?;
        self.incarnation = number(last).saturating_add(1);
        match write_incarnation(&self.connection, self.incarnation).map_err(wrap) {
            Ok(()) => Ok(()),
            Err(StoreError::DiskFull { .. }) => {
                self.incarnation_pending = true;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// The tables. `outcome` remembers one row per operation of a request; its `id` grows, which makes
/// "the oldest" cheap to find.
const LAYOUT: &str = "
BEGIN IMMEDIATE;
CREATE TABLE start (incarnation INTEGER NOT NULL) STRICT;
INSERT INTO start VALUES (0);
CREATE TABLE setting (
    name TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL,
    incarnation INTEGER NOT NULL,
    counter INTEGER NOT NULL,
    time INTEGER NOT NULL
) STRICT;
CREATE TABLE outcome (
    id INTEGER PRIMARY KEY,
    sender BLOB NOT NULL,
    request INTEGER NOT NULL,
    position INTEGER NOT NULL,
    effect INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    counter INTEGER NOT NULL,
    time INTEGER NOT NULL,
    UNIQUE (sender, request, position)
) STRICT;
PRAGMA application_id = 0x6c637374;
PRAGMA user_version = 1;
COMMIT;
";

/// Opens the database, and changes nothing in it.
fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    // SQLite makes files with the process's umask; an empty file of ours keeps others out.
    let mut options = OpenOptions::new();
    let _ = file::open_itself(path, options.append(true).create(true).mode(file::SECRET_MODE));
    // SQLite itself follows no link either, also one that was put there since; it refuses them in
    // the whole path, where they are fine in the folder's.
    let folder = path.parent().and_then(|it| it.canonicalize().ok());
    let path = folder.zip(path.file_name()).map_or(path.to_owned(), |(it, name)| it.join(name));
    let flags = OpenFlags::default() | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(2))?;
    Ok(connection)
}

/// Whose a database is.
enum Origin {
    /// It has just been made.
    Nobody,
    /// Ours, in this format.
    Format(u32),
    /// Another program's.
    Another,
}

/// Whose the database is, without changing it.
fn find_origin(connection: &Connection) -> Result<Origin, rusqlite::Error> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    let (format, application) = (pragma("user_version")?, pragma("application_id")?);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    Ok(match (format, application) {
        (0, 0) if tables == 0 => Origin::Nobody,
        (1.., Store::APPLICATION) => Origin::Format(format),
        (_, _) => Origin::Another,
    })
}

/// Makes a committed setting survive a power cut, in little memory.
fn tune(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.pragma_update(None, "cache_size", -256)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    tracing::trace!(mode, "opened the store");
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", 64)?;
    connection.pragma_update(None, "journal_size_limit", 1 << 20)?;
    Ok(())
}

/// What the system says when there are not as many descriptors left as SQLite, which does not say
/// so, has open at once: those of the database, its two companions and the folder.
fn no_descriptors() -> Option<io::Error> {
    let checked = file::check_descriptors(4);
    checked.err().filter(|it| matches!(Errno::from_io_error(it), Some(Errno::MFILE | Errno::NFILE)))
}

fn check_integrity(connection: &Connection) -> Result<(), rusqlite::Error> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(rusqlite::Error::SqliteFailure(corrupt, Some(verdict)))
}

fn check_limits(request: &Write) -> Result<(), StoreError> {
    if request.operations.len() > Store::OPERATIONS_MAX {
        let what = "operations of one request".to_owned();
        return Err(StoreError::Limit { what, max: Store::OPERATIONS_MAX });
    }
    match request.operations.iter().find(|it| it.value.len() > Store::VALUE_LENGTH_MAX) {
        None => Ok(()),
        Some(operation) => {
            Err(StoreError::Limit { what: operation.name.clone(), max: Store::VALUE_LENGTH_MAX })
        }
    }
}

/// The outcome and the counter after it; `None` when there is no room for another setting: then the
/// transaction must not be committed.
fn apply_in(
    transaction: &Transaction<'_>,
    request: &Write,
    mut version: Version,
    incarnation_pending: Option<u64>,
) -> Result<Option<(Written, u64)>, rusqlite::Error> {
    if !request.dry_run {
        let remembered = remembered(transaction, &request.key)?;
        if !remembered.is_empty() {
            let outcome = Written { applied: remembered, repeated: true };
            return Ok(Some((outcome, version.counter)));
        }
        if let Some(incarnation) = incarnation_pending {
            write_incarnation(transaction, incarnation)?;
        }
    }
    let mut applied = Vec::new();
    for operation in &request.operations {
        let held = held(transaction, &operation.name)?;
        let one = decide(operation, held.as_ref());
        if one.effect == Effect::Applied {
            version.counter += 1;
            if held.is_none() && count(transaction)? >= Store::SETTINGS_MAX {
                return Ok(None);
            }
            keep(transaction, operation, version, request.wall)?;
        }
        applied.push(match one.effect {
            Effect::Applied if !request.dry_run => Applied { version, ..one },
            Effect::Applied | Effect::Unchanged | Effect::Conflict => one,
        });
    }
    if !request.dry_run {
        remember(transaction, request, &applied)?;
    }
    Ok(Some((Written { applied, repeated: false }, version.counter)))
}

/// What becomes of one change. The version is compared first: of equal writes that demand the same
/// version one is applied, and all others are conflicts.
fn decide(operation: &SetOperation, held: Option<&(Vec<u8>, Version)>) -> Applied {
    let version = held.map(|(_, version)| *version).unwrap_or_default();
    let effect = if operation.if_version.is_some_and(|demanded| demanded != version) {
        Effect::Conflict
    } else if held.is_some_and(|(value, _)| *value == operation.value) {
        Effect::Unchanged
    } else {
        Effect::Applied
    };
    Applied { effect, version }
}

fn held(
    transaction: &Transaction<'_>,
    name: &str,
) -> Result<Option<(Vec<u8>, Version)>, rusqlite::Error> {
    let mut statement = transaction
        .prepare_cached("SELECT value, incarnation, counter FROM setting WHERE name = ?1")?;
    let row = |row: &rusqlite::Row<'_>| {
        let version = Version { incarnation: number(row.get(1)?), counter: number(row.get(2)?) };
        Ok((row.get(0)?, version))
    };
    statement.query_row([name], row).optional()
}

fn count(transaction: &Transaction<'_>) -> Result<usize, rusqlite::Error> {
    let mut statement = transaction.prepare_cached("SELECT count(*) FROM setting")?;
    statement.query_row([], |row| row.get::<_, i64>(0).map(|count| number(count) as usize))
}

fn keep(
    transaction: &Transaction<'_>,
    operation: &SetOperation,
    version: Version,
    wall: Timestamp,
) -> Result<(), rusqlite::Error> {
    let mut statement =
        transaction.prepare_cached("INSERT OR REPLACE INTO setting VALUES (?1, ?2, ?3, ?4, ?5)")?;
    let Version { incarnation, counter } = version;
    statement.execute(params![
        operation.name,
        operation.value,
        signed(incarnation),
        signed(counter),
        wall.as_millis()
    ])?;
    Ok(())
}

/// The outcomes of one request are rows that follow each other, the first with position 0.
fn newest_outcomes(
    connection: &Connection,
    max: usize,
) -> Result<Vec<(RequestKey, Vec<Applied>)>, rusqlite::Error> {
    let mut statement = connection.prepare(
        "SELECT effect, incarnation, counter, position, sender, request FROM outcome \
         ORDER BY id DESC LIMIT ?1",
    )?;
    let mut rows = statement.query([signed(max as u64)])?;
    let (mut outcomes, mut backwards) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        backwards.push(applied(row)?);
        if row.get::<_, i64>(3)? == 0 {
            let key = RequestKey { sender: row.get(4)?, request: number(row.get(5)?) };
            outcomes.push((key, backwards.drain(..).rev().collect()));
        }
    }
    outcomes.reverse();
    Ok(outcomes)
}

/// What became of one change, from a row that begins with it.
fn applied(row: &rusqlite::Row<'_>) -> Result<Applied, rusqlite::Error> {
    let version = Version { incarnation: number(row.get(1)?), counter: number(row.get(2)?) };
    Ok(Applied { effect: Effect::from_code(row.get(0)?), version })
}

fn remembered(
    transaction: &Transaction<'_>,
    key: &RequestKey,
) -> Result<Vec<Applied>, rusqlite::Error> {
    let mut statement = transaction.prepare_cached(
        "SELECT effect, incarnation, counter FROM outcome \
         WHERE sender = ?1 AND request = ?2 ORDER BY position",
    )?;
    statement.query_map(params![key.sender, signed(key.request)], applied)?.collect()
}

fn remember(
    transaction: &Transaction<'_>,
    request: &Write,
    applied: &[Applied],
) -> Result<(), rusqlite::Error> {
    let RequestKey { sender, request: id } = &request.key;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO outcome (sender, request, position, effect, incarnation, counter, time) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for (position, one) in applied.iter().enumerate() {
        insert.execute(params![
            sender,
            signed(*id),
            signed(position as u64),
            one.effect.code(),
            signed(one.version.incarnation),
            signed(one.version.counter),
            request.wall.as_millis()
        ])?;
    }
    let newest = transaction.last_insert_rowid();
    // Whole requests go: up to the first that begins among those that may stay.
    let forget = "DELETE FROM outcome WHERE id < \
                  (SELECT id FROM outcome WHERE id > ?1 AND position = 0 ORDER BY id LIMIT 1)";
    let cut = newest.saturating_sub(signed(Store::OUTCOMES_MAX));
    transaction.prepare_cached(forget)?.execute([cut])?;
    Ok(())
}

fn write_incarnation(connection: &Connection, incarnation: u64) -> Result<(), rusqlite::Error> {
    connection.execute("UPDATE start SET incarnation = ?1", [signed(incarnation)])?;
    Ok(())
}

impl Effect {
    const fn code(self) -> i64 {
        match self {
            Self::Applied => 0,
            Self::Unchanged => 1,
            Self::Conflict => 2,
        }
    }

    const fn from_code(code: i64) -> Self {
        match code {
            0 => Self::Applied,
            1 => Self::Unchanged,
            _ => Self::Conflict,
        }
    }
}

/// SQLite's integers are signed: the same 64 bits.
const fn signed(number: u64) -> i64 {
    number.cast_signed()
}

const fn number(signed: i64) -> u64 {
    signed.cast_unsigned()
}

/// Which file stands there; none when nothing can be seen there.
fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|it| (it.dev(), it.ino()))
}

fn classify(path: &Path, source: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode as Code;
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(Code::DiskFull) => StoreError::DiskFull { path },
        Some(Code::ReadOnly | Code::CannotOpen | Code::PermissionDenied) => {
            StoreError::ReadOnly { path }
        }
        // SQLite's general error is a table or column that is not there; without any code a row is
        // missing, or of another type.
        Some(Code::DatabaseCorrupt | Code::NotADatabase | Code::Unknown) | None => {
            StoreError::Corrupt { path, source }
        }
        Some(_) => StoreError::Database { path, source },
    }
}

/// The lock on a state folder: held as long as this value lives, and not a moment longer than the
/// process does.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

/// How long a lock is waited for, and how often it is looked at.
const LOCK_WAIT: Duration = Duration::from_millis(200);
const LOCK_STEP: Duration = Duration::from_millis(5);

/// Why a state folder could not be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process has it.
    #[error(
        "the state in '{path}' is in use by process {pid}; stop that agent, or give this one a \
         state folder of its own",
        pid = pid.map_or_else(|| "(unknown)".to_owned(), |pid| pid.to_string())
    )]
    Held {
        /// The folder.
        path: PathBuf,
        /// The process, when the lock file names it.
        pid: Option<u32>,
    },
    /// Something else stands where the lock file belongs.
    #[error("'{path}': {source}, or keep the state in another folder")]
    Displaced {
        /// The lock file.
        path: PathBuf,
        /// What stands there.
        source: io::Error,
    },
    /// The lock file could not be made.
    #[error("'{path}': {source}; keep the state in a folder that you can write")]
    File {
        /// The lock file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl StateLock {
    /// The file in the state folder.
    pub const FILE: &str = "lock";

    /// Locks the state in this folder, made (0700) when absent. Waits a moment for the lock: a
    /// process that was killed holds it until the kernel has torn it down.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn acquire(folder: &Path) -> Result<Self, LockError> {
        let begin = std::time::Instant::now();
        Self::acquire_while(folder, || {
            std::thread::sleep(LOCK_STEP);
            begin.elapsed() < LOCK_WAIT
        })
    }

    /// Locks the state, and looks again as long as `pause` says so when it is held.
    fn acquire_while(folder: &Path, mut pause: impl FnMut() -> bool) -> Result<Self, LockError> {
        let path = folder.join(Self::FILE);
        let wrap = |source: io::Error| match source.kind() {
            io::ErrorKind::Other => LockError::Displaced { path: path.clone(), source },
            _ => LockError::File { path: path.clone(), source },
        };
        file::create_private_folder(folder).map_err(wrap)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(file::SECRET_MODE);
        let mut file = file::open_itself(&path, &mut options).map_err(wrap)?;
        // What is written over below must be nothing but the lock.
        if file.metadata().map_err(wrap)?.nlink() > 1 {
            let source = "a file that has another name too stands where the lock belongs; move it";
            return Err(wrap(io::Error::other(source)));
        }
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if pause() => {}
                Err(TryLockError::WouldBlock) => {
                    let mut text = String::new();
                    let _ = file.take(20).read_to_string(&mut text);
                    let pid = text.trim().parse().ok();
                    return Err(LockError::Held { path: folder.to_owned(), pid });
                }
                Err(TryLockError::Error(source)) => return Err(wrap(source)),
            }
        }
        // The pid is for people; on a full disk the lock holds without it.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests;
