//! What programs leave running out of reach of their process group, as who makes a session of its
//! own does: it becomes a child of the agent, and is killed with the program that left it.
//!
//! Whose it was cannot be told from a process that lost its parent. So it goes when every program
//! has ended that ran when it was first seen, which their timeouts bound. Nothing is done before
//! [`adopt`], which only the agent calls: it has no other children. Where the kernel has no lists
//! of children (CONFIG_PROC_CHILDREN) nothing is found.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::num::NonZeroI32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions};
use tokio::time::sleep;

/// A program that runs: its process is no stray as long as this lives.
#[derive(Debug)]
pub(super) struct Running(Option<u64>);

/// What is known of this process's children since it adopts orphans.
#[derive(Debug, Default)]
struct Children {
    /// The number of the program that was started last.
    last: u64,
    /// The programs that run, by number.
    running: BTreeMap<u64, Pid>,
    /// The others, with the last program that may have left them. The kernel bounds them.
    strays: BTreeMap<NonZeroI32, u64>,
}

/// Being a reaper of orphans is a property of the process, and so is this.
static CHILDREN: Mutex<Option<Children>> = Mutex::new(None);

/// How often killed strays are looked after, a millisecond apart: each may leave others.
const LOOKS_MAX: usize = 100;

/// Makes what programs leave children of this process, from here on.
///
/// # Errors
/// What the system says: Linux before 3.4, or a sandbox.
pub(crate) fn adopt() -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    children().get_or_insert_default();
    Ok(())
}

/// Kills what programs left that have ended, and waits a moment until it is gone.
pub(crate) async fn end() {
    for _ in 0..LOOKS_MAX {
        let left = children().as_mut().is_some_and(|it| it.sweep(&present()));
        if !left {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
}

impl Running {
    /// A program that was started just now.
    pub(super) fn of(pid: Option<Pid>) -> Self {
        let mut children = children();
        let number = children.as_mut().zip(pid).map(|(it, pid)| it.start(pid));
        Self(number)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let (Some(children), Some(number)) = (children().as_mut(), self.0) {
            children.running.remove(&number);
        }
    }
}

impl Children {
    fn start(&mut self, pid: Pid) -> u64 {
        self.last += 1;
        self.strays.remove(&pid.as_raw_nonzero());
        self.running.insert(self.last, pid);
        self.last
    }

    /// Reaps and kills strays among the children that there are; whether any was killed. A child's
    /// id is not given to another process before it is reaped, which only this does.
    fn sweep(&mut self, present: &[Pid]) -> bool {
        self.strays.retain(|id, _| present.iter().any(|pid| pid.as_raw_nonzero() == *id));
        let oldest = self.running.keys().next().copied().unwrap_or(u64::MAX);
        let mut killed = false;
        for &pid in present {
            if self.running.values().any(|it| *it == pid) {
                continue;
            }
            let left_by = *self.strays.entry(pid.as_raw_nonzero()).or_insert(self.last);
            if !matches!(rustix::process::waitpid(Some(pid), WaitOptions::NOHANG), Ok(None)) {
                self.strays.remove(&pid.as_raw_nonzero());
            } else if left_by < oldest {
                killed |= rustix::process::kill_process(pid, Signal::KILL) != Err(Errno::PERM);
            }
        }
        killed
    }
}

fn children() -> MutexGuard<'static, Option<Children>> {
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The children of this process: each of its threads has a list.
fn present() -> Vec<Pid> {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    let lists = threads.flatten().map(|it| fs::read_to_string(it.path().join("children")));
    let lists: Vec<String> = lists.flatten().collect();
    let pids = lists.iter().flat_map(|list| list.split_ascii_whitespace());
    pids.filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn sleeper() -> (Child, Pid) {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = Pid::from_child(&child);
        (child, pid)
    }

    /// Sweeps until nothing is killed any more.
    fn sweep(children: &mut Children, present: &[Pid]) -> bool {
        let mut killed = false;
        while children.sweep(present) {
            killed = true;
            std::thread::yield_now();
        }
        killed
    }

    #[test]
    fn a_stray_goes_with_the_last_program_that_may_have_left_it() {
        let mut children = Children::default();
        let (programs, stray): (Vec<_>, _) = ((0..3).map(|_| sleeper()).collect(), sleeper());
        let numbers: Vec<u64> = programs[..2].iter().map(|it| children.start(it.1)).collect();
        let mut present: Vec<Pid> = programs.iter().map(|it| it.1).collect();
        present[2] = stray.1;
        assert!(!sweep(&mut children, &present), "two programs may have left it");
        // One that starts later has not.
        let later = children.start(programs[2].1);
        present.push(programs[2].1);
        children.running.remove(&numbers[0]);
        let present_now: Vec<Pid> = present.iter().copied().skip(1).collect();
        assert!(!sweep(&mut children, &present_now), "the second still runs");
        children.running.remove(&numbers[1]);
        let present_now = [stray.1, programs[2].1];
        assert!(sweep(&mut children, &present_now));
        assert!(children.strays.is_empty() && children.running.contains_key(&later));
        for (mut child, _) in programs {
            assert_eq!(child.try_wait().unwrap(), None, "a program was killed");
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
