//! What programs leave running out of reach of their process group, as who makes a session of its
//! own does: it becomes a child of the agent, and is killed with the program that left it.
//!
//! Whose it was cannot be told from a process that lost its parent. So it goes when every program
//! has ended that ran when it was first seen, which their timeouts bound. Nothing is done before
//! [`adopt`], which only the agent calls.
//!
//! Nor can it be told from what others left, who started something beside the agent in the same
//! process (`sidecar & exec librecast agent`) or in the same container, of which the agent is
//! process 1. There nothing is killed: what has ended is reaped.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::num::NonZeroI32;
use std::path::Path;
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
    /// The others. The kernel bounds them.
    strays: BTreeMap<NonZeroI32, Stray>,
    /// Whether children may be of others than programs: those are reaped and never killed.
    shared: bool,
}

#[derive(Clone, Copy, Debug)]
struct Stray {
    /// The last program that may have left it.
    left_by: u64,
    /// It was killed and did not go: it may hang in the kernel, and nobody waits for it again.
    hangs: bool,
}

/// Being a reaper of orphans is a property of the process, and so is this.
static CHILDREN: Mutex<Option<Children>> = Mutex::new(None);

/// How often killed strays are looked after, a millisecond apart: each may leave others.
const LOOKS_MAX: usize = 1000;

/// The threads of this process.
const TASKS: &str = "/proc/self/task";

/// Whether children of this process are programs and what they left, or may be of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adopted {
    /// What programs leave is killed.
    Alone,
    /// This is process 1, or had children before: what programs leave is reaped at most.
    Shared,
}

/// Makes what programs leave children of this process, from here on.
///
/// # Errors
/// What the system says: a kernel that does not list children (CONFIG_PROC_CHILDREN), Linux before
/// 3.4, or a sandbox.
pub(crate) fn adopt() -> io::Result<Adopted> {
    // Without lists nobody would reap what is adopted.
    let present = present(Path::new(TASKS))?;
    let shared = rustix::process::getpid() == Pid::INIT || !present.is_empty();
    if !shared {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    }
    children().get_or_insert_default().shared = shared;
    Ok(if shared { Adopted::Shared } else { Adopted::Alone })
}

/// Kills what programs left that have ended, and waits a moment until it is gone.
pub(crate) async fn end() {
    for _ in 0..LOOKS_MAX {
        let present = present(Path::new(TASKS)).unwrap_or_default();
        if !children().as_mut().is_some_and(|it| it.sweep(&present, kill)) {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    if let Some(it) = children().as_mut() {
        it.give_up();
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

    /// Reaps and kills strays among the children that there are; whether another look is due: one
    /// was killed that may go soon, or had ended and may have left others since they were listed.
    /// A child's id is not given to another process before it is reaped, which only this does.
    fn sweep(&mut self, present: &[Pid], kill: fn(Pid) -> Result<(), Errno>) -> bool {
        self.strays.retain(|id, _| present.iter().any(|pid| pid.as_raw_nonzero() == *id));
        let oldest = self.running.keys().next().copied().unwrap_or(u64::MAX);
        let mut again = false;
        for &pid in present {
            if self.running.values().any(|it| *it == pid) {
                continue;
            }
            let stray = Stray { left_by: self.last, hangs: false };
            let stray = *self.strays.entry(pid.as_raw_nonzero()).or_insert(stray);
            if !matches!(rustix::process::waitpid(Some(pid), WaitOptions::NOHANG), Ok(None)) {
                self.strays.remove(&pid.as_raw_nonzero());
                again |= !self.shared;
            } else if stray.left_by < oldest && !self.shared {
                again |= kill(pid) != Err(Errno::PERM) && !stray.hangs;
            }
        }
        again
    }

    /// Waits no more for what was killed and is still there.
    fn give_up(&mut self) {
        let oldest = self.running.keys().next().copied().unwrap_or(u64::MAX);
        for stray in self.strays.values_mut() {
            stray.hangs |= stray.left_by < oldest;
        }
    }
}

fn kill(pid: Pid) -> Result<(), Errno> {
    rustix::process::kill_process(pid, Signal::KILL)
}

fn children() -> MutexGuard<'static, Option<Children>> {
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The children of this process: each of its threads has a list.
///
/// # Errors
/// When no thread's can be read.
fn present(tasks: &Path) -> io::Result<Vec<Pid>> {
    let (mut lists, mut refused) = (Vec::new(), None);
    for thread in fs::read_dir(tasks)?.flatten() {
        // One that has ended meanwhile has none.
        match fs::read_to_string(thread.path().join("children")) {
            Ok(list) => lists.push(list),
            Err(error) => refused = Some(error),
        }
    }
    if let Some(error) = refused.filter(|_| lists.is_empty()) {
        return Err(error);
    }
    let pids = lists.iter().flat_map(|list| list.split_ascii_whitespace());
    Ok(pids.filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect())
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use rustix::process::{WaitId, WaitIdOptions};

    use super::*;

    fn sleeper() -> (Child, Pid) {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = Pid::from_child(&child);
        (child, pid)
    }

    /// Sweeps until no other look is due; whether one was.
    fn sweep(children: &mut Children, present: &[Pid]) -> bool {
        let mut present = present.to_vec();
        let mut again = false;
        while children.sweep(&present, kill) {
            again = true;
            present.retain(|pid| Path::new(&format!("/proc/{}", pid.as_raw_pid())).exists());
            std::thread::yield_now();
        }
        again
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

    fn end_of((mut child, _): (Child, Pid)) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// A sidecar in an entrypoint, or whatever else is in a container of which this is process 1.
    #[test]
    fn where_others_have_children_too_nothing_is_killed_but_reaped() {
        let mut children = Children { shared: true, ..Children::default() };
        let (program, mut sidecar) = (sleeper(), sleeper());
        let number = children.start(program.1);
        children.running.remove(&number);
        assert!(!sweep(&mut children, &[sidecar.1]), "it was killed");
        assert_eq!(sidecar.0.try_wait().unwrap(), None, "it was killed");
        kill(sidecar.1).unwrap();
        while children.strays.contains_key(&sidecar.1.as_raw_nonzero()) {
            assert!(!sweep(&mut children, &[sidecar.1]));
            std::thread::yield_now();
        }
        let reaped = rustix::process::waitpid(Some(sidecar.1), WaitOptions::NOHANG);
        assert_eq!(reaped.map(drop), Err(Errno::CHILD));
        end_of(program);
    }

    /// Being adopted is a property of the process: this test runs itself again in two of their own.
    #[test]
    fn children_that_were_there_before_make_it_shared() {
        const ALONE: &str = "LCAST_STRAYS_ALONE";
        match std::env::var(ALONE).as_deref() {
            Ok("beside") => {
                let before = sleeper();
                assert_eq!(adopt().unwrap(), Adopted::Shared);
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(end());
                let (mut child, pid) = before;
                assert_eq!(child.try_wait().unwrap(), None, "{pid:?} was killed");
                end_of((child, pid));
            }
            Ok(_) => assert_eq!(adopt().unwrap(), Adopted::Alone),
            Err(_) => {
                let name = "agent::strays::tests::children_that_were_there_before_make_it_shared";
                for which in ["alone", "beside"] {
                    let mut again = Command::new(std::env::current_exe().unwrap());
                    let output = again.args(["--exact", name]).env(ALONE, which).output().unwrap();
                    assert!(output.status.success(), "{which}: {output:?}");
                    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
                }
            }
        }
    }

    /// The children of one that ends come to this process before it can be reaped, but maybe after
    /// the list was read that it stands in.
    #[test]
    fn who_has_ended_may_have_left_others() {
        let mut children = Children::default();
        let (_child, pid) = sleeper();
        kill(pid).unwrap();
        let zombie = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        rustix::process::waitid(WaitId::Pid(pid), zombie).unwrap();
        let never = |_| panic!("it has ended");
        assert!(children.sweep(&[pid], never), "those are looked for");
        assert!(!children.sweep(&[], never));
    }

    #[test]
    fn what_does_not_go_is_awaited_once() {
        let mut children = Children::default();
        let (hanging, other) = (sleeper(), sleeper());
        // As one in uninterruptible sleep takes it.
        let in_vain = |_| Ok(());
        assert!(children.sweep(&[hanging.1], in_vain));
        children.give_up();
        assert!(!children.sweep(&[hanging.1], in_vain));
        assert!(children.sweep(&[hanging.1, other.1], in_vain), "another one may go");
        end_of(hanging);
        end_of(other);
    }

    #[test]
    fn a_kernel_without_lists_of_children_is_told_apart_from_no_children() {
        let name = format!("lcast-strays-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        for thread in ["7", "8"] {
            fs::create_dir_all(folder.join(thread)).unwrap();
        }
        assert_eq!(present(&folder).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(folder.join("7/children"), "").unwrap();
        assert_eq!(present(&folder).unwrap(), []);
        fs::write(folder.join("7/children"), "12 13 ").unwrap();
        let pids: Vec<i32> = present(&folder).unwrap().iter().map(|it| it.as_raw_pid()).collect();
        assert_eq!(pids, [12, 13]);
        fs::remove_dir_all(folder).unwrap();
    }
}
