//! `bench/ask`: one question to so many responders, by every system in turn.
//!
//! A block is one fresh fleet of one system: it is started, asked until it answers in full, asked
//! for the clock by an asker beside it, asked by whole commands, and asked for the packet counters
//! by an asker at the far end of the wire. The blocks of the systems alternate, so that whatever
//! else the machine does meets all of them.

use std::fs::File;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use lcast_bench_asker::Answer;

use crate::fleet::{Asker, Fleet, Memory};
use crate::network::{AGENTS, FAR_END, Network, Traffic};
use crate::options::Plan;
use crate::samples::median;
use crate::systems::{Place, System, responder};

/// What was measured of all systems.
pub(crate) struct Results {
    /// The numbers of responders, in order.
    pub(crate) counts: Vec<usize>,
    /// The systems, in order.
    pub(crate) systems: Vec<Outcome>,
    /// What starting and ending a process that does nothing took, in milliseconds.
    pub(crate) nothing: Vec<f64>,
}

/// What was measured of one system.
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) shape: &'static str,
    /// Its version, or the command that installs it.
    pub(crate) version: Result<String, &'static str>,
    /// Above how many responders it was not measured, and why.
    pub(crate) most: (usize, &'static str),
    /// One for each of [`Results::counts`] that it was measured with.
    pub(crate) cells: Vec<Cell>,
    /// What it said of a responder that was killed, or why it could not be asked.
    pub(crate) loss: Option<Result<Loss, String>>,
}

/// A system with so many responders.
#[derive(Default)]
pub(crate) struct Cell {
    pub(crate) count: usize,
    /// Milliseconds to the last reply: the median of each block.
    pub(crate) warm: Vec<f64>,
    /// Milliseconds of whole commands: the median of each block.
    pub(crate) whole: Vec<f64>,
    /// At the asker, for one question: the median of each block.
    pub(crate) packets: Vec<f64>,
    pub(crate) bytes: Vec<f64>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) warm_answers: Completeness,
    pub(crate) whole_answers: Completeness,
    /// Why blocks failed.
    pub(crate) failures: Vec<String>,
}

/// How many questions were answered by every responder.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Completeness {
    pub(crate) asked: usize,
    pub(crate) complete: usize,
    /// The fewest replies to one question.
    pub(crate) fewest: Option<usize>,
}

/// What a system said after one of its responders was killed.
pub(crate) struct Loss {
    pub(crate) count: usize,
    pub(crate) killed: String,
    pub(crate) answer: Answer,
}

/// Measures all systems of the plan.
pub(crate) fn run(
    plan: &Plan,
    place: &Place,
    network: &Network,
    systems: &[Box<dyn System>],
) -> anyhow::Result<Results> {
    let once = place.work.join("once");
    std::fs::write(&once, "ask\n")?;
    let bench = Bench { plan, network, once };
    let outcome = |system: &dyn System| -> anyhow::Result<Outcome> {
        let version = system.absent().map_or_else(|| system.version().map(Ok), |it| Ok(Err(it)))?;
        let (name, shape, most) = (system.name(), system.shape(), system.most());
        Ok(Outcome { name, shape, version, most, cells: Vec::new(), loss: None })
    };
    let mut results = Results {
        counts: plan.counts.clone(),
        systems: systems.iter().map(|it| outcome(it.as_ref())).collect::<Result<_, _>>()?,
        nothing: Vec::new(),
    };
    for &count in &plan.counts {
        for block in 0..plan.blocks {
            results.nothing.push(milliseconds(bench.whole(&mut Command::new("true"))?.0));
            let present = systems.iter().zip(&mut results.systems);
            for (system, outcome) in present.filter(|(_, outcome)| outcome.takes(count)) {
                let cell = outcome.cell(count);
                let begin = Instant::now();
                if let Err(error) = bench.block(system.as_ref(), cell) {
                    cell.failures.push(format!("{error:#}"));
                }
                progress(outcome.name, count, block, begin.elapsed(), outcome.cell(count));
            }
        }
    }
    let present = systems.iter().zip(&mut results.systems);
    for (system, outcome) in present.filter(|(_, outcome)| outcome.version.is_ok()) {
        eprintln!("{}: one of {LOSS_COUNT} is killed", outcome.name);
        let loss = bench.lose_one(system.as_ref());
        outcome.loss = Some(loss.map_err(|error| format!("{error:#}")));
    }
    Ok(results)
}

/// Of how many responders one is killed.
const LOSS_COUNT: usize = 10;

struct Bench<'a> {
    plan: &'a Plan,
    network: &'a Network,
    once: PathBuf,
}

impl Bench<'_> {
    fn block(&self, system: &dyn System, cell: &mut Cell) -> anyhow::Result<()> {
        let count = cell.count;
        let mut fleet = self.start(system, count)?;
        let patience = if cell.gave_up() { PATIENCE_AGAIN } else { PATIENCE };
        let mut asker = self.asker(system, count, system.asks_from_far())?;
        warm_up(&mut asker, count, patience)?;
        let mut times = Vec::new();
        let mut turns = self.plan.turns(self.plan.questions_max);
        while turns.another() {
            let answer = asker.ask()?;
            cell.warm_answers.add(count, answer.got);
            times.push(milliseconds(answer.last));
            sleep(PAUSE);
        }
        cell.warm.extend(median(&times));
        drop(asker);
        cell.memory.push(fleet.memory()?);
        let mut times = Vec::new();
        let mut turns = self.plan.turns(self.plan.commands_max);
        while turns.another() {
            let at_far_end = system.asks_from_far();
            let (time, output) = self.at(at_far_end, || self.whole(&mut system.whole(count)))??;
            cell.whole_answers.add(count, system.replies(&output));
            times.push(milliseconds(time));
        }
        cell.whole.extend(median(&times));
        let traffic = self.count_packets(system, count)?;
        let (packets, bytes): (Vec<f64>, Vec<f64>) =
            traffic.iter().map(|it| (it.packets as f64, it.bytes as f64)).unzip();
        cell.packets.extend(median(&packets));
        cell.bytes.extend(median(&bytes));
        fleet.check()
    }

    /// What some questions brought over the wire, each.
    fn count_packets(&self, system: &dyn System, count: usize) -> anyhow::Result<Vec<Traffic>> {
        let mut asker = self.asker(system, count, true)?;
        warm_up(&mut asker, count, PATIENCE_AGAIN)?;
        let mut traffic = Vec::new();
        let mut turns = self.plan.turns(self.plan.counted_max);
        while turns.another() {
            let before = self.network.traffic()?;
            asker.ask()?;
            sleep(AFTERMATH);
            traffic.push(self.network.traffic()?.since(before));
        }
        Ok(traffic)
    }

    fn lose_one(&self, system: &dyn System) -> anyhow::Result<Loss> {
        let mut fleet = self.start(system, LOSS_COUNT)?;
        let mut asker = self.asker(system, LOSS_COUNT, system.asks_from_far())?;
        warm_up(&mut asker, LOSS_COUNT, PATIENCE)?;
        let killed = fleet.lose_one()?;
        Ok(Loss { count: LOSS_COUNT, killed, answer: asker.ask()? })
    }

    fn start(&self, system: &dyn System, count: usize) -> anyhow::Result<Fleet> {
        system.prepare(count)?;
        let mut fleet = Fleet::default();
        if let Some((command, port)) = system.server(count) {
            let far = system.asks_from_far();
            self.at(far, || fleet.server(command))??;
            self.at(far, || await_port(if far { FAR_END } else { AGENTS }, port))??;
        }
        for index in 0..count {
            fleet.responder(responder(index), system.responder(count, index))?;
            sleep(system.pace());
        }
        Ok(fleet)
    }

    fn asker(&self, system: &dyn System, count: usize, far: bool) -> anyhow::Result<Asker> {
        self.at(far, || Asker::start(system.asker(count)))?
    }

    /// Does something here or at the far end of the wire.
    fn at<T>(&self, far: bool, work: impl FnOnce() -> T) -> anyhow::Result<T> {
        if far { self.network.at_far_end(work) } else { Ok(work()) }
    }

    /// Runs a command from its start to its end.
    fn whole(&self, command: &mut Command) -> anyhow::Result<(Duration, String)> {
        command.stdin(File::open(&self.once)?).stderr(Stdio::null());
        let begin = Instant::now();
        let output = command.output().with_context(|| format!("starting {command:?}"))?;
        let time = begin.elapsed();
        Ok((time, String::from_utf8_lossy(&output.stdout).into_owned()))
    }
}

/// Between questions: responders go back to sleep.
const PAUSE: Duration = Duration::from_millis(20);

/// After the last reply: acknowledgements and whatever else a question brings about.
const AFTERMATH: Duration = Duration::from_millis(60);

/// How long a fleet may take until it answers in full.
const PATIENCE: Duration = Duration::from_secs(60);

/// The same for a fleet whose like never did, and for an asker that finds all running.
const PATIENCE_AGAIN: Duration = Duration::from_secs(8);

/// Asks until every responder has answered one question. Whoever never gets so far is measured all
/// the same: the answers say how complete they are.
fn warm_up(asker: &mut Asker, count: usize, patience: Duration) -> anyhow::Result<()> {
    let begin = Instant::now();
    while asker.ask()?.got < count && begin.elapsed() < patience {
        sleep(PAUSE);
    }
    Ok(())
}

fn await_port(address: &str, port: u16) -> anyhow::Result<()> {
    let begin = Instant::now();
    while let Err(error) = TcpStream::connect((address, port)) {
        if begin.elapsed() > PATIENCE {
            bail!("nothing listens at port {port}: {error}");
        }
        sleep(PAUSE);
    }
    Ok(())
}

impl Outcome {
    fn takes(&self, count: usize) -> bool {
        self.version.is_ok() && count <= self.most.0
    }

    fn cell(&mut self, count: usize) -> &mut Cell {
        let index = self.cells.iter().position(|cell| cell.count == count);
        let index = index.unwrap_or_else(|| {
            self.cells.push(Cell { count, ..Cell::default() });
            self.cells.len() - 1
        });
        &mut self.cells[index]
    }
}

impl Cell {
    /// Whether it was asked, and never answered in full.
    fn gave_up(&self) -> bool {
        self.warm_answers.asked > 0 && self.warm_answers.complete == 0
    }
}

impl Completeness {
    fn add(&mut self, count: usize, got: usize) {
        self.asked += 1;
        self.complete += usize::from(got >= count);
        self.fewest = Some(self.fewest.map_or(got, |fewest| fewest.min(got)));
    }
}

impl Loss {
    /// Whether the system itself named who was lost, and nobody else.
    pub(crate) fn named(&self) -> bool {
        self.answer.missing == [self.killed.as_str()]
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn progress(name: &str, count: usize, block: usize, took: Duration, cell: &Cell) {
    let last = |values: &[f64]| values.last().map_or("-".to_owned(), |value| format!("{value:.2}"));
    let (warm, whole, packets) = (last(&cell.warm), last(&cell.whole), last(&cell.packets));
    let failure = cell.failures.last().map_or("", String::as_str);
    eprintln!(
        "{count:4} x {name:14} block {block}: warm {warm} ms, whole command {whole} ms, {packets} \
         packets; took {:.1} s {failure}",
        took.as_secs_f64()
    );
}
