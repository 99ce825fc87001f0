//! What the project wants to reach, beside what it has reached.

use crate::ask::Results;
use crate::document::WatchRow;
use crate::machine::Machine;
use crate::samples::{digits, median};
use crate::watch::Watched;

/// Milliseconds to the last reply, warm, by number of agents.
const LAST_REPLY_MS: [(usize, f64); 3] = [(10, 3.0), (100, 12.0), (500, 40.0)];

/// With so many agents, at most so many times NATS, and less than zenoh's router.
const AGAINST_PEERS: [usize; 2] = [100, 500];
const TIMES_NATS: f64 = 2.0;

/// From a change to its display.
const WATCH_P50_MS: f64 = 2.0;
const WATCH_P99_MS: f64 = 30.0;

/// Something that the project wants, and that the run measured.
pub(super) struct Goal {
    /// What is wanted.
    pub(super) name: String,
    /// What was measured.
    pub(super) measured: String,
    /// Whether that is enough.
    pub(super) met: bool,
}

/// All goals that the run measured.
pub(super) fn all(ask: Option<&Results>, watch: Option<&[Watched]>) -> Vec<Goal> {
    let mut goals: Vec<Goal> = Vec::new();
    if let Some(results) = ask {
        goals.extend(last_reply(results));
        goals.extend(against_peers(results));
    }
    goals.extend(watch.into_iter().flatten().flat_map(watched));
    goals
}

/// The section about them; none where the run measured none.
pub(super) fn section(goals: &[Goal], machine: &Machine) -> String {
    if goals.is_empty() {
        return String::new();
    }
    let summary = summary(goals, machine);
    let mut text = format!("\n## Goals\n\n{summary}\n\n| goal | measured | met |\n|---|---|---|\n");
    for Goal { name, measured, met } in goals {
        text.push_str(&format!("| {name} | {measured} | {} |\n", if *met { "yes" } else { "no" }));
    }
    text
}

/// How many are missed and which, as lines that the README shows too; empty where the run measured
/// none.
pub(super) fn summary(goals: &[Goal], machine: &Machine) -> String {
    if goals.is_empty() {
        return String::new();
    }
    let missed: Vec<&str> = goals.iter().filter(|it| !it.met).map(|it| it.name.as_str()).collect();
    let mut text = format!("Goals missed: {} of {}", missed.len(), goals.len());
    if !missed.is_empty() {
        text.push_str(&format!(": {}", missed.join("; ")));
    }
    text.push_str(if machine.busy { " (on a busy machine)." } else { "." });
    wrapped(&text)
}

/// A text as lines of at most [`COLUMNS`].
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        let fits = width + 1 + length <= COLUMNS;
        if width > 0 {
            lines.push(if fits { ' ' } else { '\n' });
        }
        lines.push_str(word);
        width = if width > 0 && fits { width + 1 + length } else { length };
    }
    lines
}

/// As wide as lines of text are here.
const COLUMNS: usize = 100;

fn last_reply(results: &Results) -> impl Iterator<Item = Goal> {
    LAST_REPLY_MS.into_iter().filter_map(|(count, goal)| {
        let measured = warm(results, "Librecast", count)?;
        let name = format!("last of {count} replies within {goal:.0} ms");
        let met = measured <= goal;
        Some(Goal { name, measured: format!("{} ms", digits(measured)), met })
    })
}

fn against_peers(results: &Results) -> impl Iterator<Item = Goal> {
    AGAINST_PEERS.into_iter().flat_map(|count| {
        let own = warm(results, "Librecast", count);
        let nats = own.zip(warm(results, "NATS", count)).map(|(own, peer)| {
            let name = format!("at {count}, at most {TIMES_NATS:.0} times NATS");
            let met = own <= TIMES_NATS * peer;
            Goal { name, measured: format!("{:.1} times", own / peer), met }
        });
        let zenoh = own.zip(warm(results, "zenoh, router", count)).map(|(own, peer)| {
            let name = format!("at {count}, less than zenoh's router");
            Goal { name, measured: format!("{:.1} times", own / peer), met: own < peer }
        });
        [nats, zenoh].into_iter().flatten()
    })
}

fn watched(watched: &Watched) -> [Goal; 3] {
    let row = WatchRow::of(watched);
    let (watcher, agents) = (watched.name, watched.agents);
    let goal = |what: &str, goal: f64, measured: f64| {
        let name = format!("{what} from change to {watcher}, {agents} agents, below {goal:.0} ms");
        Goal { name, measured: format!("{} ms", digits(measured)), met: measured < goal }
    };
    let lost = row.lost;
    let loss = Goal {
        name: format!("no change lost by {watcher}, {agents} agents"),
        measured: format!("{lost} of {} lost", row.changes),
        met: lost == 0,
    };
    [goal("p50", WATCH_P50_MS, row.p50), goal("p99", WATCH_P99_MS, row.p99), loss]
}

/// The median to the last reply of a system with so many agents.
fn warm(results: &Results, name: &str, count: usize) -> Option<f64> {
    let system = results.systems.iter().find(|system| system.name == name)?;
    let cell = system.cells.iter().find(|cell| cell.count == count)?;
    median(&cell.warm)
}
