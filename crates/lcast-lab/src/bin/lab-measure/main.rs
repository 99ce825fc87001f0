//! Measures the figures that the README and the book promise, with the real binary.
//!
//! `cargo run --release -p lcast-lab --bin lab-measure [-- quick|idle]` prints one line a figure:
//! what, the value, the goal, and whether it is reached. `LIBRECAST_BIN` names another binary. With
//! the word `quick` it idles 10 s instead of 60 and asks 10 lossy questions instead of 50; with the
//! word `idle` it only idles. Run it on a machine that is otherwise quiet. What a warm question
//! costs inside one process is the bench's.

use std::fs;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use lcast_lab::{Agent, Answer, Lab, Loss, Member, Realm};

const CONFIG: &str =
    "[[setting]]\nname = \"app.greeting\"\ntype = \"text\"\nmax_len = 64\ndefault = \"\"\n";

fn main() -> ExitCode {
    let quick = std::env::args().any(|word| word == "quick");
    let mut table = Table::default();
    if std::env::args().any(|word| word == "idle") {
        idle(&mut table, Duration::from_secs(60));
        return table.end();
    }
    binary(&mut table);
    cold(&mut table, "own hosts", 10, |lab, index| lab.host(1 + index));
    cold(&mut table, "one host", 10, |lab, _| lab.host(0));
    idle(&mut table, Duration::from_secs(if quick { 10 } else { 60 }));
    lossy(&mut table, if quick { 10 } else { 50 });
    table.end()
}

#[derive(Default)]
struct Table {
    over: usize,
}

impl Table {
    /// Prints a figure that should not exceed its goal.
    fn line(&mut self, what: &str, value: f64, goal: f64, unit: &str) {
        let verdict = if value <= goal { "ok" } else { "OVER" };
        self.over += usize::from(value > goal);
        println!("{what:<52} {value:>9.2} {unit:<4} goal {goal:>7.2}  {verdict}");
    }

    fn note(&self, what: &str, value: f64, unit: &str) {
        println!("{what:<52} {value:>9.2} {unit:<4}");
    }

    fn end(&self) -> ExitCode {
        println!("{} figures over their goal", self.over);
        if self.over == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
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

/// Time on a core, summed over threads.
fn cpu_seconds(pid: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() / 1e9
}

fn resident_bytes(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) * 1024.0
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
    let worst = took.iter().copied().fold(0.0, f64::max);
    let what = format!("{questions} questions, 20 agents, 20 % loss");
    table.line(&format!("{what}: incomplete"), f64::from(incomplete), 0.0, "");
    table.line(&format!("{what}: falsely missing"), missing as f64, 0.0, "");
    table.line(&format!("{what}: slowest"), worst, 3000.0, "ms");
    table.note(&format!("{what}: median"), median(took), "ms");
    table.note(&format!("{what}: rounds, median"), median(rounds), "");
}
