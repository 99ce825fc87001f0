//! The reader of built-in variables: who is due, and how readings become changes.

use std::collections::BTreeSet;
use std::time::Duration;

use lcast_proto::name::{Name, Step};
use lcast_proto::time::{Instant, Now};
use lcast_proto::value::Value;
use lcast_proto::variable::Update;

use super::filesystem::Usage;
use super::{Families, Family, Glob, Roots};
use super::{cpu, disk, host, memory, network, process, sensors, users};
use crate::agent::Change;

/// What the configuration says about built-in variables.
#[derive(Clone, Debug)]
pub struct Options {
    /// Mount points or kinds of file systems to show although they are left out by default.
    pub filesystem_include: Vec<Glob>,
    /// Mount points or kinds of file systems to leave out; wins over `filesystem_include`.
    pub filesystem_exclude: Vec<Glob>,
    /// Programs whose processes are counted.
    pub processes: Vec<String>,
    /// How a file system is asked for its numbers.
    pub usage: fn(&std::path::Path) -> Option<Usage>,
    /// How the kernel is asked about its clock: synchronized, offset in seconds.
    pub clock: fn() -> Option<(bool, f64)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            filesystem_include: Vec::new(),
            filesystem_exclude: Vec::new(),
            processes: Vec::new(),
            usage: Usage::read,
            clock: host::clock,
        }
    }
}

/// Reads built-in variables.
#[derive(Debug)]
pub struct Sampler {
    roots: Roots,
    options: Options,
    sampled: [Option<Instant>; FAMILY_COUNT],
    cpu: cpu::Cpu,
    disks: disk::Disks,
    networks: network::Networks,
    executables: process::Executables,
    itself: process::Itself,
    sensors: BTreeSet<String>,
}

/// A family is read at most once in this time, taken over many readings.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Whoever asks so much too soon gets a reading of its own: a watch that comes each second comes a
/// little sooner now and then, and would be told the reading before once more.
const SAMPLE_SLACK: Duration = Duration::from_millis(200);

/// What hardly changes is read once in this time.
const INFO_INTERVAL: Duration = Duration::from_secs(60);

const FAMILY_COUNT: usize = Family::Configured as usize + 1;

impl Sampler {
    /// A sampler that has read nothing yet: call [`Sampler::tick`] at once.
    pub fn new(roots: Roots, options: Options) -> Self {
        Self {
            executables: process::Executables::new(options.processes.clone()),
            roots,
            options,
            sampled: [None; FAMILY_COUNT],
            cpu: cpu::Cpu::default(),
            disks: disk::Disks::default(),
            networks: network::Networks::default(),
            itself: process::Itself::default(),
            sensors: BTreeSet::new(),
        }
    }

    /// Marks the beginnings of windows for rates, and reads what hardly changes once a minute.
    ///
    /// To be called at start and then every [`TICK`](super::TICK).
    pub fn tick(&mut self, now: Now) -> Vec<Change> {
        self.cpu.mark(&self.roots, now.instant);
        self.disks.mark(&self.roots, now.instant);
        self.networks.mark(&self.roots, now.instant);
        self.itself.mark(&self.roots, now.instant);
        self.executables.mark(&self.roots, now.instant);
        let mut output = Output::default();
        if self.is_due(Family::Host, now.instant, INFO_INTERVAL) {
            host::info(&self.roots, &mut output);
        }
        output.changes
    }

    /// Reads the families asked for, but none that was read within the last second or so.
    pub fn sample(&mut self, now: Now, families: Families) -> Vec<Change> {
        let mut output = Output::default();
        for family in ON_DEMAND {
            if families.contains(family) && self.is_due(family, now.instant, SAMPLE_INTERVAL) {
                self.read(family, now, &mut output);
            }
        }
        output.changes
    }

    fn is_due(&mut self, family: Family, now: Instant, interval: Duration) -> bool {
        let last = &mut self.sampled[family as usize];
        let next = last.map(|last| last + interval);
        let due = next.is_none_or(|next| next <= now + SAMPLE_SLACK);
        if due {
            // One that is read too soon counts as read when it was due.
            *last = next.map_or(Some(now), |next| Some(next.max(now)));
        }
        due
    }

    fn read(&mut self, family: Family, now: Now, output: &mut Output) {
        let roots = &self.roots;
        match family {
            Family::Reboot => host::reboot(roots, output),
            Family::Uptime => host::uptime(roots, output),
            Family::Clock => {
                if let Some((synchronized, offset)) = (self.options.clock)() {
                    output.put("system.clock.synchronized", synchronized);
                    output.put("system.clock.offset", offset);
                }
            }
            Family::Stat => self.cpu.read(roots, now.instant, output),
            Family::Load => cpu::load(roots, output),
            Family::Memory => memory::memory(roots, output),
            Family::Paging => memory::paging(roots, output),
            Family::Disk => self.disks.read(roots, now.instant, output),
            Family::Network => self.networks.read(roots, now.instant, output),
            Family::Process => process::count(roots, output),
            Family::Defunct => process::defunct(roots, output),
            Family::User => users::count(roots, output),
            Family::Temperature => sensors::temperatures(roots, &mut self.sensors, output),
            Family::Executable => self.executables.read(roots, now.instant, output),
            Family::Itself => self.itself.read(roots, now.instant, output),
            Family::Host | Family::Own | Family::Configured => {}
            // Read in the background.
            Family::Filesystem | Family::Systemd | Family::Doctor => {}
        }
    }
}

/// The families that are read when asked for.
const ON_DEMAND: [Family; 15] = [
    Family::Reboot,
    Family::Uptime,
    Family::Clock,
    Family::Stat,
    Family::Load,
    Family::Memory,
    Family::Paging,
    Family::Disk,
    Family::Network,
    Family::Process,
    Family::Defunct,
    Family::User,
    Family::Temperature,
    Family::Executable,
    Family::Itself,
];

/// The changes of one reading, in the making.
#[derive(Debug, Default)]
pub(super) struct Output {
    changes: Vec<Change>,
}

impl Output {
    /// A value of a variable without keys.
    pub(super) fn put(&mut self, name: &str, value: impl Into<Value>) {
        let steps = name.split('.').map(|it| Step::Segment(it.to_owned())).collect();
        self.push(steps, value.into());
    }

    /// A value, where there is one.
    pub(super) fn put_some(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// A count or a number of bytes.
    pub(super) fn count(&mut self, name: &str, count: u64) {
        self.put(name, saturated(count));
    }

    /// A value of an instance: `map["key"].rest`, or `map["key"]` without `rest`.
    pub(super) fn put_at(&mut self, map: &str, key: &str, rest: &str, value: impl Into<Value>) {
        let mut steps = instance(map, key);
        let rest = rest.split('.').filter(|it| !it.is_empty());
        steps.extend(rest.map(|it| Step::Segment(it.to_owned())));
        self.push(steps, value.into());
    }

    /// A count of an instance.
    pub(super) fn count_at(&mut self, map: &str, key: &str, rest: &str, count: u64) {
        self.put_at(map, key, rest, saturated(count));
    }

    /// Removes an instance.
    pub(super) fn remove(&mut self, map: &str, key: &str) {
        self.changes.push(Change::Remove(instance(map, key)));
    }

    /// Removes the instances that were there and are no longer; `known` becomes `present`.
    pub(super) fn retire(
        &mut self,
        map: &str,
        known: &mut BTreeSet<String>,
        present: BTreeSet<String>,
    ) {
        for key in known.difference(&present) {
            self.remove(map, key);
        }
        *known = present;
    }

    /// The changes collected.
    pub(super) fn into_changes(self) -> Vec<Change> {
        self.changes
    }

    /// A key that is no key (too long, empty) is passed over: such an instance has no name.
    fn push(&mut self, steps: Vec<Step>, value: Value) {
        if let Ok(name) = Name::new(steps) {
            self.changes.push(Change::Update(Update { name, value, time: None, version: None }));
        }
    }
}

fn instance(map: &str, key: &str) -> Vec<Step> {
    let segments = map.split('.').map(|it| Step::Segment(it.to_owned()));
    segments.chain([Step::Key(key.to_owned())]).collect()
}

fn saturated(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
