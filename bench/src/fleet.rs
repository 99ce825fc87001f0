//! Processes that answer, and the process that asks them.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use lcast_bench_asker::Answer;

use crate::processes::Processes;

/// Responders, and the server between them and the asker if the system has one. All end with this
/// value, with all that they have started.
#[derive(Default)]
pub(crate) struct Fleet {
    responders: Vec<(String, Child)>,
    server: Option<Child>,
}

/// Resident memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// The median over the responders.
    pub(crate) responder: u64,
    /// The server's; 0 without one.
    pub(crate) server: u64,
}

impl Fleet {
    /// Starts the responder of this name.
    pub(crate) fn responder(&mut self, name: String, command: Command) -> anyhow::Result<()> {
        self.responders.push((name, start(command)?));
        Ok(())
    }

    /// Starts what stands between the responders and the asker.
    pub(crate) fn server(&mut self, command: Command) -> anyhow::Result<()> {
        self.server = Some(start(command)?);
        Ok(())
    }

    /// Kills the last responder; its name.
    pub(crate) fn lose_one(&mut self) -> anyhow::Result<String> {
        let (name, mut process) = self.responders.pop().context("nobody to lose")?;
        Processes::read()?.kill(process.id());
        process.wait()?;
        Ok(name)
    }

    /// Fails when a process has ended by itself.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        let named = self.responders.iter_mut().map(|(name, process)| (name.as_str(), process));
        for (name, process) in named.chain(self.server.iter_mut().map(|it| ("the server", it))) {
            if let Some(status) = process.try_wait()? {
                bail!("{name} has ended: {status}");
            }
        }
        Ok(())
    }

    /// What the processes hold in memory.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let processes = Processes::read()?;
        let of = |process: &Child| processes.resident(process.id());
        let mut sizes: Vec<u64> = self.responders.iter().map(|(_, process)| of(process)).collect();
        sizes.sort_unstable();
        let responder = sizes.get(sizes.len() / 2).copied().unwrap_or(0);
        Ok(Memory { responder, server: self.server.as_ref().map_or(0, of) })
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let responders = self.responders.iter_mut().map(|(_, process)| process);
        let mut started: Vec<_> = responders.chain(self.server.as_mut()).collect();
        if let Ok(processes) = Processes::read() {
            started.iter().for_each(|process| processes.kill(process.id()));
        }
        for process in &mut started {
            // Both fail only for a process that was waited for before.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn start(mut command: Command) -> anyhow::Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().with_context(|| format!("starting {command:?}"))
}

/// A process that asks when it is told; see [`lcast_bench_asker`]. It ends with this value.
pub(crate) struct Asker {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Asker {
    /// Starts the asker.
    pub(crate) fn start(mut command: Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        let output = child.stdout.take().context("the asker has no output")?;
        Ok(Self { input: child.stdin.take(), output: BufReader::new(output), child })
    }

    /// One question.
    pub(crate) fn ask(&mut self) -> anyhow::Result<Answer> {
        let input = self.input.as_mut().context("the asker has no input")?;
        input.write_all(b"ask\n").context("the asker has ended")?;
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("the asker has ended");
        }
        line.parse().map_err(anyhow::Error::msg)
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        // The end of its input ends it; it may have to say goodbye.
        drop(self.input.take());
        let begin = Instant::now();
        while begin.elapsed() < GOODBYE && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Both fail only for an asker that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const GOODBYE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_is_measured_and_ends() {
        let mut fleet = Fleet::default();
        for name in ["n0", "n1", "n2"] {
            let mut idle = Command::new("tail");
            idle.args(["-f", "/dev/null"]);
            fleet.responder(name.to_owned(), idle).expect("tail is there");
        }
        fleet.check().expect("all run");
        assert!(fleet.memory().expect("/proc is readable").responder > 0);
        assert_eq!(fleet.lose_one().expect("there are three"), "n2");
        let pids: Vec<u32> = fleet.responders.iter().map(|(_, process)| process.id()).collect();
        assert_eq!(pids.len(), 2);
        drop(fleet);
        for pid in pids {
            assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "{pid}");
        }
    }

    #[test]
    fn an_end_is_noticed() {
        let mut fleet = Fleet::default();
        fleet.responder("n0".to_owned(), Command::new("true")).expect("true is there");
        fleet.responders[0].1.wait().expect("it ends");
        let error = fleet.check().expect_err("it has ended");
        assert_eq!(error.to_string(), "n0 has ended: exit status: 0");
    }
}
