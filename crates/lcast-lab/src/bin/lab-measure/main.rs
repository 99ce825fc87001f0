//! Holds the real binary to goals: its size, what a question costs, idling, loss, growth. The goals
//! stand here, beside what is measured, and nowhere else.
//!
//! `cargo run --release -p lcast-lab --bin lab-measure [-- WHAT]` prints one line a figure: what,
//! the value, the goal, and whether it is reached; it ends by itself, with an error when a goal is
//! missed. `LIBRECAST_BIN` names another binary. Run it on a machine that is otherwise quiet. WHAT:
//!
//! - nothing: size, a cold question, idling, twenty agents through loss; about two minutes;
//! - `quick`: the same, idling 10 s instead of 60, 10 lossy questions instead of 50;
//! - `idle`: only idling;
//! - `hundred [MINUTES]`: 200 questions to a hundred agents through loss, so many minutes (10) in
//!   which nobody may be falsely gone, and some deaths;
//! - `soak [MINUTES]`: the growth of memory after the first of so many minutes (60, at least 2).
//!
//! What a warm question costs inside one process is the bench's.

mod hundred;
mod proc;
mod soak;
mod table;

use std::fs;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use lcast_lab::{Agent, Answer, Lab, Loss, Member, Realm};

use proc::{cpu_seconds, resident_bytes};
use table::{Table, median, worst};

const CONFIG: &str =
    "[[setting]]\nname = \"app.greeting\"\ntype = \"text\"\nmax_len = 64\ndefault = \"\"\n";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] => usual(60, 50),
        ["quick"] => usual(10, 10),
        ["idle"] => {
            let mut table = Table::default();
            idle(&mut table, Duration::from_secs(60));
            table.end()
        }
        ["hundred"] => hundred::run(minutes(10)),
        ["soak"] => soak::run(minutes(60)),
        [what @ ("hundred" | "soak"), count] => match (what, count.parse()) {
            (_, Err(error)) => usage(&format!("'{count}' is no number of minutes: {error}")),
            ("hundred", Ok(count)) => hundred::run(minutes(count)),
            (_, Ok(count)) => soak::run(minutes(count)),
        },
        _ => usage(&format!("'{}' is nothing to measure", words.join(" "))),
    }
}

fn usage(error: &str) -> ExitCode {
    eprintln!("lab-measure: {error}");
    eprintln!("usage: lab-measure [quick | idle | hundred [MINUTES] | soak [MINUTES]]");
    ExitCode::from(2)
}

fn minutes(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * 60)
}

fn usual(idle_seconds: u64, questions: usize) -> ExitCode {
    let mut table = Table::default();
    binary(&mut table);
    cold(&mut table, "own hosts", 10, |lab, index| lab.host(1 + index));
    cold(&mut table, "one host", 10, |lab, _| lab.host(0));
    idle(&mut table, Duration::from_secs(idle_seconds));
    lossy(&mut table, questions);
    table.end()
}

fn binary(table: &mut Table) {
    let path = lcast_lab::binary();
    let size = fs::metadata(path).unwrap_or_else(|error| panic!("{path}: {error}")).len();
    table.line("binary", size as f64 / 1e6, 12.0, "MB");
}

/// Ten agents in a realm whose asker is host 0.
fn agents(lab: &Lab, count: usize, place: impl Fn(&Lab, usize) -> lcast_lab::Host) -> Vec<Agent> {
    let realm = Realm::create(&lab.host(0), "prod", "");
    let members: Vec<_> =
        (0..count).map(|index| (place(lab, index), Member::agent(format!("n{index}")))).collect();
    realm.start_all(&members, CONFIG)
}

fn admin(lab: &Lab) -> Realm {
    Realm { name: "prod".to_owned(), authority: lab.host(0) }
}

/// A whole `librecast get` against `true`, started the same way, by turns.
fn cold(
    table: &mut Table,
    what: &str,
    count: usize,
    place: impl Fn(&Lab, usize) -> lcast_lab::Host,
) {
    let lab = Lab::new(1 + count).build();
    let _agents = agents(&lab, count, place);
    let realm = admin(&lab);
    let (mut asked, mut empty, mut inside) = (Vec::new(), Vec::new(), Vec::new());
    let get = realm.admin("get host.name --json");
    let nothing = lab.host(0).command("true");
    for _ in 0..41 {
        let start = Instant::now();
        let answer = Answer::read(get.run());
        asked.push(start.elapsed().as_secs_f64() * 1e3);
        answer.check(0, &[("answered", count as u64)]);
        inside.push(answer.json["report"]["elapsed_ms"].as_f64().unwrap_or(f64::NAN));
        let start = Instant::now();
        let _ = nothing.run();
        empty.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let over = median(asked.clone()) - median(empty.clone());
    table.note(&format!("`true` in a host of the lab, {what}"), median(empty), "ms");
    table.note(&format!("`librecast get`, {count} agents, {what}"), median(asked), "ms");
    table.note(&format!("  of which by its own report, {what}"), median(inside), "ms");
    table.line(&format!("`librecast get` over `true`, {count} agents, {what}"), over, 10.0, "ms");
}

/// One agent among ten, nobody asking.
fn idle(table: &mut Table, span: Duration) {
    let lab = Lab::new(11).build();
    let mut agents = agents(&lab, 10, |lab, index| lab.host(1 + index));
    // Starting up is not idling.
    thread::park_timeout(Duration::from_secs(3));
    let pids: Vec<u32> = agents.iter_mut().map(|agent| agent.process().pid()).collect();
    let before: Vec<f64> = pids.iter().map(|&pid| cpu_seconds(pid)).collect();
    let start = Instant::now();
    while start.elapsed() < span {
        thread::park_timeout(span - start.elapsed().min(span));
    }
    let used = pids.iter().zip(before).map(|(&pid, before)| cpu_seconds(pid) - before);
    let share = median(used.collect()) / start.elapsed().as_secs_f64() * 100.0;
    let seconds = span.as_secs();
    table.line(&format!("idle agent, share of a core over {seconds} s"), share, 0.1, "%");
    let resident = pids.iter().map(|&pid| resident_bytes(pid) / 1e6).collect();
    table.line("idle agent, resident", median(resident), 15.0, "MB");
}

/// Twenty agents at twenty per cent loss.
fn lossy(table: &mut Table, questions: usize) {
    const AGENTS: usize = 20;
    let lab = Lab::new(1 + AGENTS).build();
    let _agents = agents(&lab, AGENTS, |lab, index| lab.host(1 + index));
    let realm = admin(&lab);
    lab.loss(0..=AGENTS, Loss::Udp(20));
    let (mut took, mut rounds, mut incomplete, mut missing) = (Vec::new(), Vec::new(), 0, 0);
    for _ in 0..questions {
        let answer = realm.ask("get host.name");
        took.push(answer.json["report"]["elapsed_ms"].as_f64().unwrap_or(f64::NAN));
        rounds.push(answer.count("rounds") as f64);
        incomplete += u32::from(answer.count("answered") != AGENTS as u64);
        missing += answer.count("missing");
    }
    let what = format!("{questions} questions, 20 agents, 20 % loss");
    table.line(&format!("{what}: incomplete"), f64::from(incomplete), 0.0, "");
    table.line(&format!("{what}: falsely missing"), missing as f64, 0.0, "");
    table.line(&format!("{what}: slowest"), worst(took.iter().copied()), 3000.0, "ms");
    table.note(&format!("{what}: median"), median(took), "ms");
    table.note(&format!("{what}: rounds, median"), median(rounds), "");
}
