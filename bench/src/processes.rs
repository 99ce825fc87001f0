//! Trees of processes, from /proc.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};

/// Who is whose parent, at one moment.
pub(crate) struct Processes(BTreeMap<u32, Vec<u32>>);

impl Processes {
    /// Reads what /proc holds.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            // What cannot be read has just ended.
            let Ok(stat) = fs::read_to_string(file(pid, "stat")) else { continue };
            if let Some(parent) = parent(&stat) {
                children.entry(parent).or_default().push(pid);
            }
        }
        Ok(Self(children))
    }

    /// A process and all that descend from it.
    pub(crate) fn tree(&self, root: u32) -> Vec<u32> {
        let mut tree = vec![root];
        let mut next = 0;
        while let Some(pid) = tree.get(next) {
            tree.extend(self.0.get(pid).into_iter().flatten());
            next += 1;
        }
        tree
    }

    /// The resident bytes of a tree.
    pub(crate) fn resident(&self, root: u32) -> u64 {
        let of = |pid| resident(&fs::read_to_string(file(pid, "smaps_rollup")).ok()?);
        self.tree(root).into_iter().filter_map(of).sum()
    }

    /// Kills a tree.
    pub(crate) fn kill(&self, root: u32) {
        for pid in self.tree(root).into_iter().filter_map(|pid| Pid::from_raw(pid as i32)) {
            // Fails only for a process that has ended already.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn file(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

/// The parent in the text of `/proc/PID/stat`.
fn parent(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

/// The resident bytes in the text of `/proc/PID/smaps_rollup`.
fn resident(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_proc() {
        assert_eq!(parent("7 (a (b) c) S 5 6 6 0 -1"), Some(5));
        assert_eq!(parent("7 nonsense"), None);
        let rollup = "55d0-7ffc ---p 00000000 00:00 0 [rollup]\nRss:    2048 kB\nPss:  9 kB\n";
        assert_eq!(resident(rollup), Some(2 << 20));
        assert_eq!(resident("Pss: 9 kB\n"), None);
    }

    #[test]
    fn a_tree_is_whole() {
        let children = [(1, vec![2, 3]), (3, vec![4]), (5, vec![6])];
        let processes = Processes(children.into());
        assert_eq!(processes.tree(1), [1, 2, 3, 4]);
        assert_eq!(processes.tree(6), [6]);
    }
}
