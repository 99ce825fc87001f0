//! Built-in variables of recorded hosts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use lcast_proto::question::Wanted;
use lcast_proto::time::{Instant, Now, Timestamp};
use lcast_proto::value::Value;
use lcast_proto::variable::Table;

use super::*;
use crate::agent::Change;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn options() -> Options {
    let usage = |_: &Path| {
        Some(Usage { limit: 1000, free: 400, available: 300, inodes: 100, inodes_free: 75 })
    };
    let clock = || Some((true, -0.000_25));
    let processes = vec!["nginx".to_owned(), "absent".to_owned()];
    Options { usage, clock, processes, ..Options::default() }
}

fn families(pattern: &str) -> Families {
    Families::of_wanted(&Wanted { patterns: [pattern.parse().unwrap()].into(), predicate: None })
}

fn at(seconds: u64) -> Now {
    micros(seconds * 1_000_000)
}

fn micros(micros: u64) -> Now {
    let instant = Instant::from_micros(micros);
    let wall = Timestamp::from_millis(1_763_786_400_000 + i64::try_from(micros).unwrap() / 1000);
    Now { instant, wall }
}

fn table(definitions: Vec<lcast_proto::variable::Definition>) -> Table {
    let mut table = Table::new(1);
    for definition in definitions {
        table.define(definition).unwrap();
    }
    table
}

fn apply(table: &mut Table, now: Now, changes: Vec<Change>) {
    for change in changes {
        change.apply(table, now).unwrap();
    }
}

fn show(table: &Table) -> String {
    let text = |value: &Value| match value {
        Value::Text(text) => format!("{text:?}"),
        Value::Timestamp(time) => time.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        other => format!("{other:?}"),
    };
    table.entries().map(|(name, entry)| format!("{name} = {}\n", text(&entry.value))).collect()
}

/// A copy of the recorded host that a test may change.
fn copy_of_server(name: &str) -> PathBuf {
    let to = std::env::temp_dir().join(format!("lcast-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&to);
    copy(&fixtures().join("server"), &to);
    to
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn every_row_has_a_name_of_the_grammar_and_none_clashes() {
    let table = table(definitions());
    assert_eq!(table.schema().definitions().len(), catalogue().len());
    for row in catalogue() {
        let name: lcast_proto::name::Name = row.template.replace("[*]", "[\"k\"]").parse().unwrap();
        assert_eq!(name.template(), row.template);
        assert!(row.description.is_ascii() && row.description.len() <= 100, "{}", row.template);
        let ends = row.description.ends_with('.') && !row.description.ends_with("...");
        assert!(!ends, "{}", row.template);
        let pattern = row.template.replace("[*]", "[\"k\"]");
        assert!(families(&pattern).contains(row.family), "{pattern}");
    }
}

#[test]
fn a_recorded_host_gives_the_expected_values() {
    let mut sampler = Sampler::new(Roots::under(&fixtures().join("server")), options());
    let mut table = table(definitions());
    apply(&mut table, at(0), sampler.tick(at(0)));
    apply(&mut table, at(10), sampler.sample(at(10), Families::ALL));
    let roots = Roots::under(&fixtures().join("server"));
    apply(&mut table, at(10), Filesystems::new(&options()).read(&roots));
    let expected = std::fs::read_to_string(fixtures().join("server.expected")).unwrap();
    let shown = show(&table)
        .replace(&format!("= {}\n", 3000 * procfs::page_size()), "= 3000 pages\n")
        .replace(&format!("= {}\n", 1500 * procfs::page_size()), "= 1500 pages\n");
    let of_any_machine = |line: &&str| !line.starts_with("host.arch");
    let shown: Vec<&str> = shown.lines().filter(of_any_machine).collect();
    assert_eq!(shown, expected.lines().collect::<Vec<_>>());
}

#[test]
fn an_empty_host_gives_no_error_and_little_else() {
    let mut sampler = Sampler::new(
        Roots::under(Path::new("/proc/nonexistent")),
        Options { clock: || None, ..Options::default() },
    );
    let mut table = table(definitions());
    apply(&mut table, at(0), sampler.tick(at(0)));
    apply(&mut table, at(1), sampler.sample(at(1), Families::ALL));
    let nowhere = Roots::under(Path::new("/proc/nonexistent"));
    apply(&mut table, at(1), Filesystems::new(&options()).read(&nowhere));
    let names: Vec<String> = table.entries().map(|(name, _)| name.to_string()).collect();
    let expected = [
        "host.arch",
        "host.ip",
        "host.mac",
        "host.virtualization",
        "os.reboot_required",
        "os.type",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_family_is_read_at_most_once_a_second() {
    let mut sampler = Sampler::new(Roots::under(&fixtures().join("server")), options());
    let memory = families("system.memory");
    let counts =
        [5_000_000, 5_799_999, 6_000_000].map(|it| sampler.sample(micros(it), memory).len());
    assert_eq!(counts, [8, 0, 8]);
    assert!(sampler.sample(at(6), Families::NONE).is_empty());
}

/// A watch of one second was told one reading twice whenever it looked a little sooner than the
/// second before.
#[test]
fn a_watch_that_looks_each_second_has_a_reading_each_time() {
    let mut sampler = Sampler::new(Roots::under(&fixtures().join("server")), options());
    let memory = families("system.memory");
    let mut read = |it| !sampler.sample(micros(it), memory).is_empty();
    assert!([5_004_000, 6_001_000, 7_012_000, 8_000_000].map(&mut read).iter().all(|it| *it));
    // However often it is asked, no more than once a second over many.
    let readings = (8_000_001..108_000_000).step_by(50_000).filter(|it| read(*it)).count();
    assert!((98..=101).contains(&readings), "{readings}");
}

#[test]
fn rates_and_utilisations_are_over_the_window() {
    let host = copy_of_server("rates");
    let mut sampler = Sampler::new(Roots::under(&host), options());
    let mut table = table(definitions());
    apply(&mut table, at(0), sampler.tick(at(0)));
    let replace = |file: &str, from: &str, to: &str| {
        let path = host.join("proc").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    };
    // 1000 ticks on all processors, 250 of them busy.
    replace("stat", "cpu  1000 200 500 8000 100", "cpu  1250 200 500 8700 150");
    replace("net/dev", "500000 400", "600000 401");
    replace("diskstats", "900 0 3000", "900 0 5500");
    replace("100/stat", " 300 100 ", " 500 300 ");
    replace("self/stat", " 50 25 ", " 60 35 ");
    apply(&mut table, at(10), sampler.sample(at(10), Families::ALL));
    for (name, expected) in [
        ("system.cpu.utilization", 0.25),
        ("system.network[\"eth0\"].rate.receive", 10_000.0),
        ("system.network[\"eth0\"].rate.transmit", 0.0),
        ("system.disk[\"sda\"].utilization", 0.25),
        ("process.executable[\"nginx\"].cpu.utilization", 0.1),
        ("process.executable[\"absent\"].cpu.utilization", 0.0),
        ("librecast.cpu.utilization", 0.005),
    ] {
        let entry = table.entry(&name.parse().unwrap()).unwrap();
        assert_eq!(entry.value, Value::Float(expected), "{name}");
    }
    std::fs::remove_dir_all(host).unwrap();
}

#[test]
fn what_is_gone_is_removed() {
    let host = copy_of_server("gone");
    let roots = Roots::under(&host);
    let mut sampler = Sampler::new(roots.clone(), options());
    let mut filesystems = Filesystems::new(&options());
    let mut table = table(definitions());
    apply(&mut table, at(0), sampler.sample(at(0), Families::ALL));
    apply(&mut table, at(0), filesystems.read(&roots));
    let before = table.entries().count();
    let without = |file: &str, part: &str| {
        let path = host.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().filter(|line| !line.contains(part));
        std::fs::write(path, lines.collect::<Vec<_>>().join("\n")).unwrap();
    };
    without("proc/self/mountinfo", "/mnt/nfs");
    without("proc/net/dev", "eth1");
    without("proc/diskstats", "nvme");
    std::fs::remove_dir_all(host.join("sys/class/hwmon/hwmon1")).unwrap();
    apply(&mut table, at(1), sampler.sample(at(1), Families::ALL));
    apply(&mut table, at(1), filesystems.read(&roots));
    let shown = show(&table);
    for gone in ["/mnt/nfs", "eth1", "nvme"] {
        assert!(!shown.contains(gone), "{gone}");
    }
    assert!(shown.contains("/home") && shown.contains("eth0") && shown.contains("sda"));
    assert!(table.entries().count() < before);
    std::fs::remove_dir_all(host).unwrap();
}

/// Held by the test while the network file system is dead.
static DEAD: Mutex<()> = Mutex::new(());

#[test]
fn a_dead_network_mount_holds_up_only_itself() {
    let usage = |path: &Path| {
        if path == Path::new("/mnt/nfs") {
            drop(DEAD.lock());
        }
        Some(Usage { limit: 10, ..Usage::default() })
    };
    let options = Options { usage, ..options() };
    let roots = Roots::under(&fixtures().join("server"));
    let mut filesystems = Filesystems::new(&options);
    let limits = |changes: Vec<Change>| -> BTreeSet<String> {
        let name = |change| match change {
            Change::Update(update) => Some(update.name.to_string()),
            Change::Define(_) | Change::Undefine(_) | Change::Remove(_) => None,
        };
        changes.into_iter().filter_map(name).filter(|it| it.ends_with(".limit")).collect()
    };
    let nfs = "system.filesystem[\"/mnt/nfs\"].limit";
    let dead = DEAD.lock().unwrap();
    for _ in 0..3 {
        let seen = limits(filesystems.read(&roots));
        assert!(seen.len() == 4 && !seen.contains(nfs), "{seen:?}");
    }
    drop(dead);
    let alive = (3..1000).any(|_| {
        std::thread::yield_now();
        limits(filesystems.read(&roots)).contains(nfs)
    });
    assert!(alive);
}

#[test]
fn file_systems_are_chosen_by_mount_point_and_kind() {
    let check = |include: &[&str], exclude: &[&str], expected: &[&str]| {
        let globs = |texts: &[&str]| texts.iter().map(|it| Glob::new(*it)).collect();
        let options = Options {
            filesystem_include: globs(include),
            filesystem_exclude: globs(exclude),
            ..options()
        };
        let roots = Roots::under(&fixtures().join("server"));
        let mut table = table(definitions());
        apply(&mut table, at(0), Filesystems::new(&options).read(&roots));
        let types: Vec<String> = table
            .entries()
            .filter_map(|(name, _)| Some(name.to_string().strip_suffix("\"].type")?.to_owned()))
            .map(|name| name.trim_start_matches("system.filesystem[\"").to_owned())
            .collect();
        assert_eq!(types, expected, "{include:?} {exclude:?}");
    };
    check(&[], &[], &["/", "/home", "/mnt/nfs", "/var/log", "/var/my data"]);
    check(&["/run", "/mnt/bind"], &["nfs*", "btrfs"], &["/", "/mnt/bind", "/run", "/var/my data"]);
    check(&["tmpfs"], &["/*"], &[]);
}

#[test]
fn so_many_file_systems_are_shown() {
    for (mounts, expected) in [(512, 512), (513, 512)] {
        let host = copy_of_server(&format!("mounts-{mounts}"));
        let line = |index: usize| {
            format!("{index} 1 8:{index} / /mnt/{index:04} rw - ext4 /dev/disk{index} rw\n")
        };
        let lines: String = (0..mounts).map(line).collect();
        std::fs::write(host.join("proc/self/mountinfo"), lines).unwrap();
        let mut table = table(definitions());
        apply(&mut table, at(0), Filesystems::new(&options()).read(&Roots::under(&host)));
        let types = table.entries().filter(|(name, _)| name.to_string().ends_with("\"].type"));
        assert_eq!(types.count(), expected, "of {mounts}");
        std::fs::remove_dir_all(host).unwrap();
    }
}

#[test]
fn the_agent_tells_what_its_driver_knows() {
    let facts = OwnFacts {
        version: "1.2.3".to_owned(),
        started: Instant::from_micros(1_000_000),
        epoch: 4,
        packets_dropped: [("replayed".to_owned(), 7)].into(),
        path_current: Some("multicast".to_owned()),
        unrepeated: 5,
        packets_sent: u64::MAX,
        ..OwnFacts::default()
    };
    let mut table = table(definitions());
    apply(&mut table, at(3), facts.changes(at(3)));
    let shown = show(&table);
    for line in [
        "librecast.version = \"1.2.3\"\n",
        "librecast.uptime = 2.0\n",
        "librecast.epoch = 4\n",
        "librecast.packet.dropped[\"replayed\"] = 7\n",
        "librecast.watch.unrepeated = 5\n",
        "librecast.packet.sent = 9223372036854775807\n",
    ] {
        assert!(shown.contains(line), "{line}{shown}");
    }
    assert!(!shown.contains("certificate"));
}

#[test]
fn the_page_of_the_book_is_current() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/book/src/builtin.md");
    if std::env::var_os("LIBRECAST_WRITE_PAGES").is_some() {
        std::fs::write(&page, markdown()).unwrap();
    }
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text == markdown(), "run: LIBRECAST_WRITE_PAGES=1 cargo test -p lcast-cli page");
}
