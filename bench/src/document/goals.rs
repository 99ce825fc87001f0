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

/// What the project wants, what was measured, and whether that is reached.
pub(super) type Goal = (String, String, bool);

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

/// The section about them.
pub(super) fn section(goals: &[Goal], machine: &Machine) -> String {
    let summary = summary(goals, machine);
    let mut text = format!("\n## Goals\n\n{summary}\n\n| goal | measured | met |\n|---|---|---|\n");
    for (goal, measured, met) in goals {
        text.push_str(&format!("| {goal} | {measured} | {} |\n", if *met { "yes" } else { "no" }));
    }
    text
}

/// The line that says how many are missed, which the README shows too.
pub(super) fn summary(goals: &[Goal], machine: &Machine) -> String {
    let missed = goals.iter().filter(|(_, _, met)| !met).count();
    let place = if machine.busy { ", on a machine that was busy with other work" } else { "" };
    format!("Goals missed: {missed} of {}{place}.", goals.len())
}

fn last_reply(results: &Results) -> impl Iterator<Item = Goal> {
    LAST_REPLY_MS.into_iter().filter_map(|(count, goal)| {
        let measured = warm(results, "Librecast", count)?;
        let name = format!("last of {count} replies within {goal:.0} ms");
        Some((name, format!("{} ms", digits(measured)), measured <= goal))
    })
}

fn against_peers(results: &Results) -> impl Iterator<Item = Goal> {
    AGAINST_PEERS.into_iter().flat_map(|count| {
        let own = warm(results, "Librecast", count);
        let nats = own.zip(warm(results, "NATS", count)).map(|(own, peer)| {
            let name = format!("at {count}, at most {TIMES_NATS:.0} times NATS");
            (name, format!("{:.1} times", own / peer), own <= TIMES_NATS * peer)
        });
        let zenoh = own.zip(warm(results, "zenoh, router", count)).map(|(own, peer)| {
            let name = format!("at {count}, less than zenoh's router");
            (name, format!("{:.1} times", own / peer), own < peer)
        });
        [nats, zenoh].into_iter().flatten()
    })
}

fn watched(watched: &Watched) -> [Goal; 3] {
    let row = WatchRow::of(watched);
    let (name, agents) = (watched.name, watched.agents);
    let goal = |what: &str, goal: f64, measured: f64| {
        let text = format!("{what} from change to {name}, {agents} agents, below {goal:.0} ms");
        (text, format!("{} ms", digits(measured)), measured < goal)
    };
    let lost = row.lost;
    let loss = format!("no change lost by {name}, {agents} agents");
    [
        goal("p50", WATCH_P50_MS, row.p50),
        goal("p99", WATCH_P99_MS, row.p99),
        (loss, format!("{lost} of {} lost", row.changes), lost == 0),
    ]
}

/// The median to the last reply of a system with so many agents.
fn warm(results: &Results, name: &str, count: usize) -> Option<f64> {
    let system = results.systems.iter().find(|system| system.name == name)?;
    let cell = system.cells.iter().find(|cell| cell.count == count)?;
    median(&cell.warm)
}
