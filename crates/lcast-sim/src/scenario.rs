//! Scenarios: named runs that depend on a seed only, for tests, soaks and replays.
//!
//! Every scenario is a function from a seed to the world at its end. It may note what it finds
//! wrong with [`World::insist`]; the oracles note the rest. [`run`] judges a run and gives the one
//! line that replays it. Add a scenario by writing its function and a row in [`ALL`].

mod faults;
mod hostile;
mod members;
mod plain;
mod presence;
pub mod scale;
mod sets;
mod soak;
mod watch;
pub mod whole;

use std::fmt;
use std::process::Command;

pub use self::soak::settle;

use lcast_proto::question::report::{Outcome, Reply};

use crate::world::World;

/// A named run.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it shows, in a sentence.
    pub about: &'static str,
    /// The run.
    pub run: fn(u64) -> World,
}

/// A run in which nothing was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The hash of everything that happened.
    pub trace: String,
    /// How many things happened.
    pub entries: u64,
    /// How many questions were asked.
    pub questions: usize,
}

/// A run in which something was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The line that replays it.
    pub replay: String,
    /// What was wrong.
    pub violations: Vec<String>,
}

/// Every scenario.
pub const ALL: &[Scenario] = &[
    row("first-light", "ten agents, one question, one packet", plain::first_light),
    row("targets", "names, labels, predicates, expected and never-heard nodes", plain::targets),
    row("newcomer", "a client asks the moment it starts", plain::newcomer),
    row("links", "agents on three links; links come and go", plain::links),
    row("loss-1", "1 % loss", faults::loss_1),
    row("loss-5", "5 % loss", faults::loss_5),
    row("loss-20", "20 % loss", faults::loss_20),
    row("bursts", "10 % loss in bursts of two", faults::bursts),
    row("duplication", "every third packet arrives twice", faults::duplication),
    row("reordering", "every third packet is overtaken", faults::reordering),
    row("damage", "every tenth packet has a flipped bit", faults::damage),
    row("one-way", "an agent that hears and is not heard", faults::one_way),
    row("partition", "a split realm, then a healed one", faults::partition),
    row("crash", "agents die and start again while asked", faults::crash),
    row("pause", "agents are stopped and go on", faults::pause),
    row("slow", "agents that sample and write slowly", faults::slow),
    row("overrun", "an asker whose receive buffer is small", faults::overrun),
    row("skew", "clocks two and 23 hours off", faults::skew),
    row("firewall", "the asker behind a stateful firewall", faults::firewall),
    row("leave", "agents that say goodbye", faults::leave),
    row("liar", "a lying member among honest ones", hostile::liar),
    row("outsider", "a stranger on the link", hostile::outsider),
    row("large", "replies of 2,000 variables under loss", scale::large),
    row("set", "settings written under loss, crashes and full disks", sets::set),
    row("listed", "settings for listed nodes, and nobody else", sets::listed),
    row("race", "twenty clients compare and set at once", sets::race),
    row("spread", "a newer member list reaches all nodes", members::spread),
    row("forget", "a forgotten node is expected no more", members::forget),
    row("watch", "a watch of ten agents, a hundred changes", watch::plain),
    row("watch-20", "a thousand changes at 20 % loss, agents join", watch::thousand),
    row("watch-several", "several watchers, by multicast", watch::several),
    row("watch-flapping", "a predicate that holds now and then", watch::flapping),
    row("watch-large", "large values and removed ones", watch::large),
    row("watch-silent", "a watcher dies", watch::silent),
    row("watch-restarts", "watched nodes die, return, are cut off", watch::restarts),
    row("watch-rough", "watches on a bad network", watch::rough),
    row("watch-liar", "watches beside a lying member", watch::liar),
    row("thousand", "a thousand agents, one question", scale::thousand),
    row("thousand-5", "a thousand agents at 5 % loss", scale::thousand_lossy),
    row("deaths-10", "agents of ten die; all know within six seconds", presence::deaths_10),
    row("deaths-100", "agents of a hundred die; all know", presence::deaths_100),
    row("deaths-young", "an agent dies in the first second of ten", presence::deaths_young),
    row("deaths-300", "agents die after half of them were restarted", presence::deaths_300),
    row("deaths-many", "most of sixteen die, some start again", presence::deaths_many),
    row("deaths-healed", "agents die after a partition has healed", presence::deaths_healed),
    row("deaf", "unicast reaches nobody for a minute", presence::deaf),
    row("unheard", "nobody hears an agent start, and soon all know of it", presence::unheard),
    row("calm-20", "ten minutes of 20 % loss, and nobody is gone", presence::calm_20),
    row("parted", "each side of a split realm holds the other gone", presence::parted),
    row("stopped", "a stopped process is gone, and comes back", presence::stopped),
    row("slander", "a member suspects everybody", presence::slander),
    row("whole-300", "three hundred nodes at work for a minute", whole::whole_300),
    row("soak", "ten minutes of anything, on sixteen nodes", soak::soak),
];

const fn row(name: &'static str, about: &'static str, run: fn(u64) -> World) -> Scenario {
    Scenario { name, about, run }
}

/// The scenario of this name.
pub fn named(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name)
}

/// The line that replays a run, with the commit that is checked out, where git knows it: at another
/// one the same seed may do something else.
pub fn replay_line(name: &str, seed: u64) -> String {
    let line =
        format!("cargo run --release -p lcast-sim -- replay --scenario {name} --seed {seed}");
    match commit() {
        Some(commit) => format!("{line}  # seen at {commit}"),
        None => line,
    }
}

fn commit() -> Option<String> {
    let git = Command::new("git").args(["describe", "--always", "--dirty"]).output().ok()?;
    let name = String::from_utf8(git.stdout).ok()?.trim().to_owned();
    (git.status.success() && !name.is_empty()).then_some(name)
}

/// Runs a scenario with a seed and judges it. A panic on the way also prints the replay line.
///
/// # Errors
/// What the oracles found wrong.
pub fn run(scenario: &Scenario, seed: u64) -> Result<Passed, Failed> {
    let guard = PrintOnPanic { name: scenario.name, seed };
    let mut world = (scenario.run)(seed);
    world.conclude();
    drop(guard);
    if world.violations().is_empty() {
        let (trace, entries) = (world.trace().hash(), world.trace().entries());
        return Ok(Passed { trace, entries, questions: world.questions().len() });
    }
    let replay = replay_line(scenario.name, seed);
    Err(Failed { replay, violations: world.violations().to_vec() })
}

struct PrintOnPanic {
    name: &'static str,
    seed: u64,
}

impl Drop for PrintOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("replay: {}", replay_line(self.name, self.seed));
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for violation in &self.violations {
            writeln!(f, "{violation}")?;
        }
        write!(f, "replay: {}", self.replay)
    }
}

/// How many values a reply has.
fn values_in(reply: &Reply) -> usize {
    match &reply.outcome {
        Outcome::Values(values) => values.len(),
        Outcome::Empty(_) | Outcome::Error(_) | Outcome::Refused(_) | Outcome::Set(_) => 0,
    }
}
