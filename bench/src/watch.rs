//! `bench/watch`: from a change at an agent to its display at a watcher.
//!
//! Each agent changes a variable once a second, to what the host's monotonic clock says; whoever
//! sees the change reads the same clock. Two watchers are measured in turn: the library's stream,
//! and the command `librecast watch --jsonl` through a pipe.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use anyhow::{Context, anyhow};
use rustix::process::{Pid, Signal, kill_process};

use crate::options::Plan;
use crate::roles::{WATCHED, monotonic};
use crate::systems::{Librecast, Place, responder};

/// What was measured of one kind of watcher.
pub(crate) struct Watched {
    pub(crate) name: &'static str,
    pub(crate) agents: usize,
    pub(crate) blocks: Vec<Block>,
}

/// What one watcher saw.
#[derive(Default)]
pub(crate) struct Block {
    /// Changes that the agents made.
    pub(crate) changes: usize,
    /// Milliseconds from each change that was seen to its display.
    pub(crate) delays: Vec<f64>,
}

/// The two watchers.
#[derive(Clone, Copy)]
enum Watcher {
    Library,
    Program,
}

/// Measures both watchers, by turns.
pub(crate) fn run(plan: &Plan, place: &Place) -> anyhow::Result<Vec<Watched>> {
    let (librecast, count) = (Librecast::new(place), plan.watched);
    librecast.make_realm(count)?;
    let start = |index| Agent::start(&librecast, place, count, index);
    let mut agents: Vec<Agent> = (0..count).map(start).collect::<anyhow::Result<_>>()?;
    let named = |name| Watched { name, agents: count, blocks: Vec::new() };
    let mut library = named("the library's stream");
    let mut program = named("`librecast watch --jsonl`");
    for block in 0..plan.blocks {
        let watchers = [(Watcher::Library, &mut library), (Watcher::Program, &mut program)];
        for (watcher, watched) in watchers {
            let seen = watcher.block(&librecast, place, &mut agents, plan.watch_time)?;
            let shown = seen.delays.len();
            eprintln!("watch {block}: {}: {shown} of {} changes", watched.name, seen.changes);
            watched.blocks.push(seen);
        }
    }
    Ok(vec![library, program])
}

/// An agent that changes its variable. It ends with this value.
struct Agent {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Agent {
    fn start(
        librecast: &Librecast,
        place: &Place,
        count: usize,
        index: usize,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(place.own("lcast-bench"));
        command.args(["role", "watched"]).arg(librecast.agent(count, &responder(index)));
        // Evenly over the second.
        command.arg((index * 1000 / count).to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().context("starting an agent")?;
        let input = child.stdin.take().context("the agent has no input")?;
        let output = child.stdout.take().context("the agent has no output")?;
        Ok(Self { child, input, output: BufReader::new(output) })
    }

    fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        self.input.write_all(line.as_bytes()).context("an agent has ended")
    }

    /// How many changes it says that it has made.
    fn changes(&mut self) -> anyhow::Result<usize> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().parse()?)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Both fail only for an agent that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Watcher {
    fn command(self, librecast: &Librecast, place: &Place, count: usize) -> Command {
        match self {
            Self::Library => {
                let mut command = Command::new(place.own("lcast-bench"));
                command.args(["role", "watch"]).arg(librecast.client(count));
                command.arg(count.to_string());
                command
            }
            Self::Program => {
                let mut command = librecast.program(count);
                command.args(["watch", WATCHED, "--jsonl"]);
                command
            }
        }
    }

    fn block(
        self,
        librecast: &Librecast,
        place: &Place,
        agents: &mut [Agent],
        time: Duration,
    ) -> anyhow::Result<Block> {
        let watch = Display::start(self, self.command(librecast, place, agents.len()))?;
        watch.await_all(agents.len())?;
        agents.iter_mut().try_for_each(|agent| agent.tell("go\n"))?;
        sleep(time);
        agents.iter_mut().try_for_each(|agent| agent.tell("stop\n"))?;
        let changes: usize = agents.iter_mut().map(Agent::changes).sum::<anyhow::Result<_>>()?;
        sleep(AFTERMATH);
        let seen = watch.end()?.into_iter().collect::<BTreeSet<(i64, i64)>>();
        let mut delays = Vec::new();
        let mut known = BTreeSet::new();
        for (value, now) in seen {
            // In order of value, then of time: the first display of each value counts.
            if known.insert(value) {
                delays.push((now - value) as f64 / 1e6);
            }
        }
        Ok(Block { changes, delays })
    }
}

/// After the last change: what is repaired late is late, not lost.
const AFTERMATH: Duration = Duration::from_secs(1);

/// How long a watcher may take until it knows every agent.
const PATIENCE: Duration = Duration::from_secs(60);

/// A watcher's process, and the lines that it shows with the time of each.
struct Display {
    watcher: Watcher,
    child: Child,
    known: Receiver<String>,
    lines: JoinHandle<Vec<(i64, String)>>,
}

impl Display {
    fn start(watcher: Watcher, mut command: Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().context("starting a watcher")?;
        let output = child.stdout.take().context("the watcher has no output")?;
        let (tell, known) = channel();
        let lines = std::thread::spawn(move || {
            let mut lines = Vec::new();
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                lines.push((monotonic(), line.clone()));
                // Nobody listens once all are known.
                let _ = tell.send(line);
            }
            lines
        });
        Ok(Self { watcher, child, known, lines })
    }

    /// Waits until the watcher knows so many agents.
    fn await_all(&self, count: usize) -> anyhow::Result<()> {
        let mut nodes = BTreeSet::new();
        loop {
            let line = self.known.recv_timeout(PATIENCE);
            let line = line.map_err(|_| anyhow!("{} of {count} watched", nodes.len()))?;
            let node = match self.watcher {
                Watcher::Library => return Ok(()),
                Watcher::Program => serde_json::from_str::<serde_json::Value>(&line)?,
            };
            nodes.extend(node["node"].as_str().map(str::to_owned));
            if nodes.len() == count {
                return Ok(());
            }
        }
    }

    /// Ends the watcher; the values that it showed, and when.
    fn end(mut self) -> anyhow::Result<Vec<(i64, i64)>> {
        match self.watcher {
            Watcher::Library => drop(self.child.stdin.take()),
            // It ends its watch: nodes would tell a dead one for half a minute, and by multicast
            // as soon as the next watches beside it.
            Watcher::Program => kill_process(Pid::from_child(&self.child), Signal::INT)?,
        }
        self.child.wait()?;
        let lines = self.lines.join().map_err(|_| anyhow!("reading a watcher panicked"))?;
        let seen = lines.iter().filter_map(|(now, line)| match self.watcher {
            Watcher::Library => {
                let (value, now) = line.split_once(' ')?;
                Some((value.parse().ok()?, now.parse().ok()?))
            }
            Watcher::Program => {
                let line: serde_json::Value = serde_json::from_str(line).ok()?;
                let change = line["kind"] == "change";
                let value = line["variables"][WATCHED]["value"].as_i64();
                value.filter(|_| change).map(|value| (value, *now))
            }
        });
        Ok(seen.collect())
    }
}
