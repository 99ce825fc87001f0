use std::collections::BTreeSet;

use super::*;
use crate::file::tests::Folder;

fn request(id: u64, operations: &[(&str, &str, Option<Version>)]) -> Write {
    let operation = |(name, value, if_version): &(&str, &str, Option<Version>)| SetOperation {
        name: (*name).to_owned(),
        value: value.as_bytes().to_vec(),
        if_version: *if_version,
    };
    Write {
        key: RequestKey { sender: [7; 12], request: id },
        operations: operations.iter().map(operation).collect(),
        dry_run: false,
        wall: Timestamp::from_millis(1_000_000_000),
    }
}

fn apply(store: &mut Store, request: &Write) -> Vec<(Effect, String)> {
    let outcome = store.apply(request).unwrap();
    outcome.applied.iter().map(|it| (it.effect, it.version.to_string())).collect()
}

fn version(text: &str) -> Option<Version> {
    Some(text.parse().unwrap())
}

fn values(store: &Store) -> Vec<(String, String, String)> {
    let settings = store.settings().unwrap();
    let text =
        |it: Setting| (it.name, String::from_utf8(it.value).unwrap(), it.version.to_string());
    settings.into_iter().map(text).collect()
}

fn expected(name: &str, value: &str, version: &str) -> Vec<(String, String, String)> {
    vec![(name.to_owned(), value.to_owned(), version.to_owned())]
}

#[test]
fn settings_and_their_versions_survive_a_restart() {
    let folder = Folder::new("store");
    let mut store = Store::open(folder.path()).unwrap();
    assert_eq!(store.incarnation(), 1);
    let first = request(1, &[("app.a", "x", None)]);
    assert_eq!(apply(&mut store, &first), [(Effect::Applied, "1.1".to_owned())]);
    drop(store);
    let mut store = Store::open(folder.path()).unwrap();
    assert_eq!(store.incarnation(), 2);
    assert_eq!(values(&store), expected("app.a", "x", "1.1"));
    let second = request(2, &[("app.a", "y", None)]);
    assert_eq!(apply(&mut store, &second), [(Effect::Applied, "2.1".to_owned())]);
    assert_eq!(file::mode(&folder.path().join(Store::FILE)).unwrap(), 0o600);
}

/// A file without a name takes what is written to it, and is gone with the process.
#[test]
fn what_was_removed_or_replaced_keeps_nothing_and_says_so() {
    let folder = Folder::new("store");
    let mut store = Store::open(folder.path()).unwrap();
    let (path, aside) = (folder.path().join(Store::FILE), folder.path().join("aside"));
    std::fs::rename(&path, &aside).unwrap();
    let first = request(1, &[("app.a", "x", None)]);
    assert!(matches!(store.apply(&first), Err(StoreError::Removed { .. })));
    std::fs::write(&path, "").unwrap();
    assert!(matches!(store.apply(&first), Err(StoreError::Removed { .. })));
    assert_eq!(values(&store), []);
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(apply(&mut store, &first), [(Effect::Applied, "1.1".to_owned())]);
}

#[test]
fn effects_follow_value_and_version() {
    let folder = Folder::new("store");
    let mut store = Store::open(folder.path()).unwrap();
    let steps = [
        ("x", version("0.1"), Effect::Conflict, "0.0"),
        ("x", version("0.0"), Effect::Applied, "1.1"),
        ("x", None, Effect::Unchanged, "1.1"),
        ("x", version("1.1"), Effect::Unchanged, "1.1"),
        ("x", version("0.0"), Effect::Conflict, "1.1"),
        ("y", version("1.1"), Effect::Applied, "1.2"),
        ("x", None, Effect::Applied, "1.3"),
    ];
    for (id, (value, if_version, effect, held)) in steps.into_iter().enumerate() {
        let request = request(id as u64, &[("app.a", value, if_version)]);
        assert_eq!(apply(&mut store, &request), [(effect, held.to_owned())], "step {id}");
    }
}

#[test]
fn a_request_is_applied_once_also_across_a_restart() {
    let folder = Folder::new("store");
    let mut store = Store::open(folder.path()).unwrap();
    let first = request(1, &[("app.a", "x", None), ("app.b", "z", None)]);
    let said = apply(&mut store, &first);
    assert_eq!(said.len(), 2);
    apply(&mut store, &request(2, &[("app.a", "y", None)]));
    drop(store);
    let mut store = Store::open(folder.path()).unwrap();
    assert_eq!(apply(&mut store, &first), said);
    assert!(store.apply(&first).unwrap().repeated);
    assert_eq!(values(&store)[0].1, "y");
    let mut other = first.clone();
    other.key.sender = [8; 12];
    assert!(!store.apply(&other).unwrap().repeated);
    assert_eq!(values(&store)[0].1, "x");
}

#[test]
fn a_dry_run_says_what_would_happen_and_leaves_no_trace() {
    let folder = Folder::new("store");
    let mut store = Store::open(folder.path()).unwrap();
    let real = request(1, &[("app.a", "x", None)]);
    let dry = Write { dry_run: true, ..real.clone() };
    assert_eq!(apply(&mut store, &dry), [(Effect::Applied, "0.0".to_owned())]);
    assert!(values(&store).is_empty());
    assert_eq!(apply(&mut store, &real), [(Effect::Applied, "1.1".to_owned())]);
    assert_eq!(apply(&mut store, &dry), [(Effect::Unchanged, "1.1".to_owned())]);
}

/// A request that was carried out is not again when the clock was ahead and is set right. [QST-27]
#[test]
fn outcomes_are_known_whatever_the_clock_says() {
    let folder = Folder::new("store");
    let mut store = Store::open(folder.path()).unwrap();
    let first = request(1, &[("app.a", "x", None)]);
    store.apply(&first).unwrap();
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    for (id, wall) in [(2, first.wall.saturating_add(year)), (3, first.wall)] {
        let other = Write { wall, ..request(id, &[("app.b", "z", None)]) };
        assert!(!store.apply(&other).unwrap().repeated);
        assert!(store.apply(&first).unwrap().repeated, "{wall}");
    }
}

/// [QST-26]
#[test]
fn the_newest_outcomes_are_told_in_order_and_each_whole() {
    let folder = Folder::new("store");
    let mut store = Store::open(folder.path()).unwrap();
    let writes = [
        request(1, &[("app.a", "x", None), ("app.b", "x", None)]),
        request(u64::MAX, &[("app.a", "y", None), ("app.b", "x", None)]),
        request(2, &[("app.a", "z", version("0.0"))]),
    ];
    let mut expected = Vec::new();
    for write in writes {
        expected.push((write.key.clone(), store.apply(&write).unwrap().applied));
    }
    drop(store);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.newest_outcomes(5).unwrap(), expected);
    assert_eq!(store.newest_outcomes(4).unwrap(), expected[1..], "half of one is none");
    assert_eq!(store.newest_outcomes(0).unwrap(), []);
}

#[test]
fn the_oldest_outcomes_make_room() {
    let folder = Folder::new("store");
    let mut store = Store::open(folder.path()).unwrap();
    store.apply(&request(1, &[("app.a", "x", None)])).unwrap();
    let jump = "UPDATE outcome SET id = 1; \
                INSERT INTO outcome SELECT 65536, x'00', 1, 0, 0, 0, 0, time FROM outcome";
    store.connection.execute_batch(jump).unwrap();
    assert!(store.apply(&request(1, &[("app.a", "x", None)])).unwrap().repeated);
    store.apply(&request(2, &[("app.a", "x", None)])).unwrap();
    assert!(!store.apply(&request(1, &[("app.a", "x", None)])).unwrap().repeated);
}

/// What is left of half a request would be told for the wrong names. [QST-27]
#[test]
fn a_request_is_forgotten_whole() {
    let folder = Folder::new("store");
    let mut store = Store::open(folder.path()).unwrap();
    let first = request(1, &[("app.a", "x", None), ("app.b", "y", None)]);
    let said = apply(&mut store, &first);
    let fill = "INSERT INTO outcome VALUES (65536, x'00', 1, 0, 0, 0, 0, 0)";
    store.connection.execute_batch(fill).unwrap();
    assert_eq!(apply(&mut store, &first), said, "there is room for both");
    store.apply(&request(2, &[("app.a", "z", None)])).unwrap();
    let again = store.apply(&first).unwrap();
    assert_eq!((again.applied.len(), again.repeated), (2, false));
    assert_eq!(again.applied[1].effect, Effect::Unchanged);
}

#[test]
fn limits_hold_at_max_and_break_at_one_more() {
    let folder = Folder::new("store");
    let mut store = Store::open(folder.path()).unwrap();
    let long = |length: usize| "v".repeat(length);
    let mut check = |id, operations: &[(&str, &str, Option<Version>)], fits: bool| {
        let outcome = store.apply(&request(id, operations));
        assert_eq!(outcome.is_ok(), fits, "request {id}");
        assert!(fits || matches!(outcome, Err(StoreError::Limit { .. })));
    };
    check(1, &[("app.a", &long(Store::VALUE_LENGTH_MAX), None)], true);
    check(2, &[("app.a", &long(Store::VALUE_LENGTH_MAX + 1), None)], false);
    check(3, &[("app.a", "x", None); Store::OPERATIONS_MAX], true);
    check(4, &[("app.a", "x", None); Store::OPERATIONS_MAX + 1], false);
    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4094) \
                INSERT INTO setting SELECT 'app.n' || i, x'00', 1, 1, 0 FROM n";
    store.connection.execute_batch(fill).unwrap();
    let mut check = |id, name: &str, fits: bool| {
        assert_eq!(store.apply(&request(id, &[(name, "x", None)])).is_ok(), fits, "{name}");
    };
    check(5, "app.last", true);
    check(6, "app.one_more", false);
    check(7, "app.last", true);
    // What came before the one that is too many is not written either.
    let before = values(&store);
    let both = request(8, &[("app.last", "y", None), ("app.one_more", "x", None)]);
    assert!(matches!(store.apply(&both), Err(StoreError::Limit { .. })));
    assert_eq!(values(&store), before);
    assert_eq!(apply(&mut store, &request(9, &[("app.last", "z", None)])).len(), 1);
    let last = store.settings().unwrap().into_iter().find(|it| it.name == "app.last").unwrap();
    let version = Version { incarnation: store.incarnation(), counter: 4 };
    assert_eq!((last.value.as_slice(), last.version), (&b"z"[..], version));
    assert_eq!(store.settings().unwrap().len(), Store::SETTINGS_MAX);
}

/// Lets the database have this many pages and no more, as a full disk would.
fn fill_disk(store: &Store, pages: u32) {
    store.connection.pragma_update(None, "max_page_count", pages).unwrap();
}

#[test]
fn a_full_disk_keeps_the_old_value_and_room_brings_it_back() {
    let folder = Folder::new("store");
    let mut store = Store::open(folder.path()).unwrap();
    store.apply(&request(1, &[("app.a", "old", None)])).unwrap();
    fill_disk(&store, 1);
    let large = "x".repeat(40_000);
    let refused = store.apply(&request(2, &[("app.a", &large, None)]));
    assert!(matches!(refused, Err(StoreError::DiskFull { .. })), "{refused:?}");
    assert_eq!(values(&store), expected("app.a", "old", "1.1"));
    fill_disk(&store, 1_000_000);
    assert_eq!(
        apply(&mut store, &request(2, &[("app.a", &large, None)])),
        [(Effect::Applied, "1.2".to_owned())]
    );
}

#[test]
fn damaged_foreign_and_newer_files_are_refused_untouched() {
    let newer = |path: &Path| {
        Store::open(path.parent().unwrap()).unwrap();
        Connection::open(path).unwrap().pragma_update(None, "user_version", 2).unwrap();
    };
    let garbage = |path: &Path| std::fs::write(path, [b'z'; 5000]).unwrap();
    let cut = |path: &Path| {
        Store::open(path.parent().unwrap()).unwrap();
        let bytes = std::fs::read(path).unwrap();
        let mut bytes = bytes[..bytes.len() / 2].to_vec();
        bytes[1000..].fill(0xee);
        std::fs::write(path, bytes).unwrap();
    };
    type Spoil<'a> = &'a dyn Fn(&Path);
    let cases: [(Spoil<'_>, &str); 3] =
        [(&newer, "later version"), (&garbage, "damaged"), (&cut, "damaged")];
    for (spoil, part) in cases {
        let folder = Folder::new("store");
        let path = folder.path().join(Store::FILE);
        spoil(&path);
        let before = std::fs::read(&path).unwrap();
        let error = Store::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("settings.db"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = Folder::new("store");
    let path = folder.path().join("file");
    std::fs::write(&path, "").unwrap();
    let error = Store::open(&path.join("state")).unwrap_err();
    assert!(matches!(&error, StoreError::Folder { .. }), "{error}");
    assert!(error.to_string().contains("file/state"), "{error}");
}

#[test]
fn of_many_writers_with_one_version_one_wins() {
    let folder = Folder::new("store");
    let mut store = Store::open(folder.path()).unwrap();
    let mut effects = Vec::new();
    for id in 0..20 {
        let value = format!("writer {id}");
        let request = request(id, &[("app.a", &value, version("0.0"))]);
        effects.push(apply(&mut store, &request)[0].0);
    }
    assert_eq!(effects[0], Effect::Applied);
    assert!(effects[1..].iter().all(|it| *it == Effect::Conflict));
}

#[test]
fn a_second_agent_is_kept_off_and_told_the_pid() {
    let folder = Folder::new("lock");
    let state = folder.path().join("state");
    let lock = StateLock::acquire(&state).unwrap();
    let error = StateLock::acquire(&state).unwrap_err().to_string();
    assert!(error.contains(&std::process::id().to_string()), "{error}");
    assert!(error.contains("folder of its own"), "{error}");
    assert_eq!(file::mode(&state).unwrap(), 0o700);
    drop(lock);
    StateLock::acquire(&state).unwrap();
    let names: BTreeSet<String> = Folder::names(&folder).into_iter().collect();
    assert_eq!(names, BTreeSet::from(["state".to_owned()]));
}

/// A process that was killed holds its lock until the kernel is done with it.
#[test]
fn the_lock_of_a_dying_process_is_waited_for() {
    let folder = Folder::new("lock");
    let mut dying = Some(StateLock::acquire(folder.path()).unwrap());
    let mut looks = 0;
    let lock = StateLock::acquire_while(folder.path(), || {
        looks += 1;
        if looks == 3 {
            dying.take();
        }
        true
    });
    assert!(lock.is_ok() && looks == 3, "{looks}");
    let error = StateLock::acquire_while(folder.path(), || false).unwrap_err();
    assert!(matches!(error, LockError::Held { .. }), "{error}");
}

#[test]
fn a_pipe_in_place_of_a_file_of_the_store_is_told_at_once() {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let folder = Folder::new("store");
        let path = folder.path().join(format!("{}{suffix}", Store::FILE));
        if !suffix.is_empty() {
            drop(Store::open(folder.path()).unwrap());
        }
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
        let error = Store::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("a pipe or device"), "{error}");
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
}

/// In a folder of another user: root's agent would empty, or fill, whatever file the link names.
#[test]
fn a_link_in_place_of_a_file_of_the_store_is_refused_and_not_followed() {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        for exists in [true, false] {
            let folder = Folder::new("store");
            let state = folder.path().join("state");
            file::create_private_folder(&state).unwrap();
            let (path, precious) =
                (state.join(format!("{}{suffix}", Store::FILE)), folder.path().join("precious"));
            if exists {
                std::fs::write(&precious, "").unwrap();
            }
            if !suffix.is_empty() {
                drop(Store::open(&state).unwrap());
            }
            std::os::unix::fs::symlink(&precious, &path).unwrap();
            let error = Store::open(&state).unwrap_err().to_string();
            assert!(error.contains("a link") && error.contains("another folder"), "{error}");
            assert!(error.contains(path.to_str().unwrap()), "{error}");
            assert_eq!(std::fs::read(&precious).ok(), exists.then(Vec::new), "{error}");
        }
    }
}

/// A link may be put there after the look for one.
#[test]
fn the_database_is_not_opened_through_a_link() {
    for exists in [true, false] {
        let folder = Folder::new("store");
        let (path, precious) = (folder.path().join(Store::FILE), folder.path().join("precious"));
        if exists {
            std::fs::write(&precious, "").unwrap();
        }
        std::os::unix::fs::symlink(&precious, &path).unwrap();
        assert!(connect(&path).is_err());
        assert_eq!(std::fs::read(&precious).ok(), exists.then(Vec::new));
    }
}

/// Where the folder itself is reached by a link, the store is where the link leads.
#[test]
fn a_folder_may_be_a_link() {
    let folder = Folder::new("store");
    let (state, link) = (folder.path().join("state"), folder.path().join("link"));
    file::create_private_folder(&state).unwrap();
    std::os::unix::fs::symlink(&state, &link).unwrap();
    let _lock = StateLock::acquire(&link).unwrap();
    drop(Store::open(&link).unwrap());
    assert!(state.join(Store::FILE).exists());
}

/// In a folder of another user: root's agent would empty whatever file stands there.
#[test]
fn what_is_no_lock_of_its_own_is_refused_and_not_emptied() {
    let symlink = |to: &Path, at: &Path| std::os::unix::fs::symlink(to, at).unwrap();
    let hard_link = |to: &Path, at: &Path| std::fs::hard_link(to, at).unwrap();
    let dangling = |to: &Path, at: &Path| symlink(&to.with_extension("absent"), at);
    let pipe = |_: &Path, at: &Path| {
        rustix::fs::mkfifoat(rustix::fs::CWD, at, rustix::fs::Mode::RWXU).unwrap();
    };
    type Put<'a> = &'a dyn Fn(&Path, &Path);
    let cases: [(Put<'_>, &str); 4] = [
        (&symlink, "a link stands"),
        (&dangling, "a link stands"),
        (&hard_link, "another name"),
        (&pipe, "a pipe"),
    ];
    for (put, part) in cases {
        let folder = Folder::new("lock");
        let (state, precious) = (folder.path().join("state"), folder.path().join("precious"));
        file::create_private_folder(&state).unwrap();
        std::fs::write(&precious, "precious").unwrap();
        let path = state.join(StateLock::FILE);
        put(&precious, &path);
        let found = StateLock::acquire(&state).map_err(|error| error.to_string());
        assert_eq!(std::fs::read(&precious).unwrap(), b"precious", "{found:?}");
        assert_eq!(folder.names(), ["precious", "state"], "{found:?}");
        let error = found.unwrap_err();
        for part in [part, path.to_str().unwrap(), "move it", "another folder"] {
            assert!(error.contains(part), "no '{part}' in {error}");
        }
    }
}

/// Makes a database by these statements, and gives what opening it says.
fn opened(statements: &str) -> (Folder, StoreError) {
    let folder = Folder::new("store");
    let path = folder.path().join(Store::FILE);
    Connection::open(&path).unwrap().execute_batch(statements).unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = Store::open(folder.path()).unwrap_err();
    assert_eq!(std::fs::read(&path).unwrap(), before, "{error}");
    (folder, error)
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    for statements in [
        "CREATE TABLE address (name TEXT);",
        "PRAGMA application_id = 7;",
        "PRAGMA user_version = 1;",
        "PRAGMA application_id = 7; PRAGMA user_version = 1; CREATE TABLE start (x TEXT);",
    ] {
        let (_folder, error) = opened(statements);
        assert!(matches!(error, StoreError::Foreign { .. }), "{statements}: {error}");
        assert!(error.to_string().contains("another folder"), "{error}");
    }
}

#[test]
fn a_store_without_its_tables_is_damaged() {
    let whole = |start: &str| LAYOUT.replace("INSERT INTO start VALUES (0);", start);
    let ours = format!("PRAGMA user_version = 1; PRAGMA application_id = {};", Store::APPLICATION);
    for statements in [ours, whole("")] {
        let folder = Folder::new("store");
        let path = folder.path().join(Store::FILE);
        Connection::open(&path).unwrap().execute_batch(&statements).unwrap();
        let error = Store::open(folder.path()).unwrap_err();
        assert!(error.to_string().contains("default settings"), "{error}");
    }
}
