//! Processes: how many, those of chosen programs, and the agent's own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use lcast_proto::time::Instant;
use procfs::FromRead;
use procfs::process::Stat;

use super::Roots;
use super::cpu::seconds;
use super::sampler::Output;
use super::window::Window;

/// Programs that the configuration names, with their processes.
#[derive(Debug)]
pub(super) struct Executables {
    names: Vec<String>,
    window: Window<BTreeMap<String, u64>>,
    known: BTreeSet<String>,
}

/// The agent's own process.
#[derive(Debug, Default)]
pub(super) struct Itself {
    window: Window<u64>,
}

/// Most characters that the kernel keeps of a program's name.
const COMM_LENGTH: usize = 15;

/// The number of processes.
pub(super) fn count(roots: &Roots, output: &mut Output) {
    let count = pids(&roots.proc).count();
    if count > 0 {
        output.put_some("system.process.count", i64::try_from(count).ok());
    }
}

/// The number of zombies: the one count that takes a look at every process.
pub(super) fn defunct(roots: &Roots, output: &mut Output) {
    let mut seen = false;
    let mut defunct = 0_i64;
    let mut path = roots.proc.clone();
    let mut buffer = [0; STATE_WITHIN];
    for pid in pids(&roots.proc) {
        path.push(pid);
        path.push("stat");
        if let Some(state) = state(&path, &mut buffer) {
            seen = true;
            defunct += i64::from(state == b'Z');
        }
        path.pop();
        path.pop();
    }
    if seen {
        output.put("system.process.defunct", defunct);
    }
}

/// The state is within so many bytes of `pid (name) state ...`.
const STATE_WITHIN: usize = 128;

/// The letter of a process's state, read without taking the other fifty fields apart.
fn state(path: &Path, buffer: &mut [u8]) -> Option<u8> {
    let count = File::open(path).ok()?.read(buffer).ok()?;
    let text = buffer.get(..count)?;
    let name_end = text.iter().rposition(|byte| *byte == b')')?;
    text.get(name_end + 2).copied()
}

fn pids(proc: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(proc).into_iter().flatten().flatten();
    let name = |entry: std::fs::DirEntry| entry.file_name().into_string().ok();
    let is_pid = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit());
    entries.filter_map(name).filter(is_pid)
}

/// What the processes of one program use together.
#[derive(Clone, Debug, Default, PartialEq)]
struct Use {
    count: i64,
    memory: u64,
    ticks: BTreeMap<String, u64>,
}

impl Executables {
    /// A reader of the processes of the named programs.
    pub(super) fn new(names: Vec<String>) -> Self {
        Self { names, window: Window::default(), known: BTreeSet::new() }
    }

    /// Marks the beginning of a window; free of cost when no program is named.
    pub(super) fn mark(&mut self, roots: &Roots, now: Instant) {
        if !self.names.is_empty() {
            let ticks = self.scan(roots).into_values().flat_map(|it| it.ticks).collect();
            self.window.mark(now, ticks);
        }
    }

    /// Count, memory and processor time of each named program, also when none of it runs.
    pub(super) fn read(&mut self, roots: &Roots, now: Instant, output: &mut Output) {
        const MAP: &str = "process.executable";
        let mut present = BTreeSet::new();
        let base = self.window.base(now);
        let processors = processors(roots);
        for (name, found) in self.scan(roots) {
            output.put_at(MAP, &name, "count", found.count);
            output.count_at(MAP, &name, "memory.usage", found.memory);
            if let Some((span, base)) = base {
                let used = |(process, ticks): (&String, &u64)| {
                    ticks.saturating_sub(base.get(process).copied().unwrap_or(0))
                };
                let used = seconds(found.ticks.iter().map(used).sum());
                output.put_at(MAP, &name, "cpu.utilization", used / span / processors);
            }
            present.insert(name);
        }
        output.retire(MAP, &mut self.known, present);
    }

    /// Reads every process once. Processes are told apart by id and start, as ids come again.
    fn scan(&self, roots: &Roots) -> BTreeMap<String, Use> {
        let mut found: BTreeMap<String, Use> =
            self.names.iter().map(|name| (name.clone(), Use::default())).collect();
        if self.names.is_empty() {
            return found;
        }
        for pid in pids(&roots.proc) {
            let Ok(stat) = Stat::from_file(roots.proc.join(&pid).join("stat")) else { continue };
            let is_it = |name: &&String| comm(name) == stat.comm;
            for name in self.names.iter().filter(is_it) {
                let program = found.entry(name.clone()).or_default();
                program.count += 1;
                program.memory += stat.rss * procfs::page_size();
                let process = format!("{pid}/{}", stat.starttime);
                program.ticks.insert(process, stat.utime + stat.stime);
            }
        }
        found
    }
}

/// A program's name as the kernel cuts it.
fn comm(name: &str) -> &str {
    let mut end = name.len().min(COMM_LENGTH);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

impl Itself {
    /// Marks the beginning of a window.
    pub(super) fn mark(&mut self, roots: &Roots, now: Instant) {
        if let Some(stat) = own_stat(roots) {
            self.window.mark(now, stat.utime + stat.stime);
        }
    }

    /// Memory and processor time of this process.
    pub(super) fn read(&mut self, roots: &Roots, now: Instant, output: &mut Output) {
        let Some(stat) = own_stat(roots) else { return };
        output.count("librecast.memory.usage", stat.rss * procfs::page_size());
        if let Some((span, base)) = self.window.base(now) {
            let used = seconds((stat.utime + stat.stime).saturating_sub(*base));
            output.put("librecast.cpu.utilization", used / span / processors(roots));
        }
    }
}

fn own_stat(roots: &Roots) -> Option<Stat> {
    Stat::from_file(roots.proc.join("self/stat")).ok()
}

/// The number of processors, for parts of all of them.
#[allow(clippy::cast_precision_loss)]
fn processors(roots: &Roots) -> f64 {
    super::host::processors_online(roots).max(1) as f64
}
