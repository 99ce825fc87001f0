//! The page with the results: every figure on it comes from the run.

mod goals;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow};

use crate::ask::{Cell, Completeness, Outcome, Results};
use crate::machine::Machine;
use crate::options::Plan;
use crate::samples::{digits, median, quantile};
use crate::watch::Watched;

/// The results of a run.
pub(crate) struct Document {
    pub(crate) machine: Machine,
    pub(crate) plan: Plan,
    pub(crate) ask: Option<Results>,
    pub(crate) watch: Option<Vec<Watched>>,
}

/// Where the lines about the goals and the table of speed stand in the README.
const BEGIN: &str = "<!-- speed: bench/run writes this -->\n";
const END: &str = "<!-- /speed -->\n";

impl Document {
    /// Writes `docs/benchmarks.md`, and what `README.md` shows of it.
    pub(crate) fn write(&self, checkout: &Path) -> anyhow::Result<()> {
        fs::write(checkout.join("docs/benchmarks.md"), self.text()?)?;
        let readme = checkout.join("README.md");
        let text = fs::read_to_string(&readme)?;
        fs::write(readme, with_speed(&text, &self.excerpt()).context("README.md")?)?;
        eprintln!(
            "bench: wrote docs/benchmarks.md, and the goals and the table of speed in README.md"
        );
        Ok(())
    }

    /// Prints the page.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        print!("{}", self.text()?);
        Ok(())
    }

    /// What the README shows of the page, line by line.
    fn excerpt(&self) -> String {
        let table = self.ask.as_ref().map(speed).unwrap_or_default();
        match goals::summary(&self.goals(), &self.machine) {
            summary if summary.is_empty() => table,
            summary => format!("{summary}\n\n{table}"),
        }
    }

    fn goals(&self) -> Vec<goals::Goal> {
        goals::all(self.ask.as_ref(), self.watch.as_deref())
    }

    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::from(HEAD);
        if self.plan.quick {
            text.push_str(QUICK);
        }
        if self.machine.busy {
            text.push_str(BUSY);
        }
        text.push_str("\n## The machine\n\n| | |\n|---|---|\n");
        for (name, value) in &self.machine.facts {
            writeln!(text, "| {name} | {value} |")?;
        }
        let (watch, ask) = (self.watch.as_deref(), self.ask.as_ref());
        text.push_str(&goals::section(&self.goals(), &self.machine));
        if let Some(results) = ask {
            self.write_ask(&mut text, results)?;
        }
        if let Some(watched) = watch {
            self.write_watch(&mut text, watched)?;
        }
        if let Some(results) = ask {
            write_systems(&mut text, results)?;
        }
        Ok(text)
    }

    fn write_ask(&self, text: &mut String, results: &Results) -> std::fmt::Result {
        text.push_str(ASK);
        text.push_str(&speed(results));
        let nothing = median(&results.nothing).map_or("-".to_owned(), digits);
        let blocks = self.plan.blocks;
        writeln!(text, "{CELLS}")?;
        writeln!(
            text,
            "Each figure is the median of {blocks} blocks, in brackets the least and the greatest \
             of them.\nStarting and ending `true` took {nothing} ms here."
        )?;
        for &count in &results.counts {
            writeln!(text, "\n### {count} {}\n", if count == 1 { "agent" } else { "agents" })?;
            text.push_str(COUNT_HEAD);
            for system in &results.systems {
                let cell = system.cells.iter().find(|cell| cell.count == count);
                let name = system.name;
                match cell.filter(|cell| !cell.warm.is_empty()) {
                    Some(cell) => writeln!(text, "| {name} | {} |", cells(cell))?,
                    None => writeln!(text, "| {name} | {} | | | | | |", why(system, cell))?,
                }
            }
        }
        write_losses(text, results)
    }

    fn write_watch(&self, text: &mut String, watched: &[Watched]) -> std::fmt::Result {
        text.push_str(WATCH);
        for watched in watched {
            let row = WatchRow::of(watched);
            let (p50, p99) = (digits(row.p50), digits(row.p99));
            let (name, agents) = (watched.name, watched.agents);
            let (changes, lost) = (row.changes, row.lost);
            writeln!(text, "| {name} | {agents} | {p50} | {p99} | {changes} | {lost} |")?;
        }
        let (blocks, time) = (self.plan.blocks, self.plan.watch_time.as_secs());
        writeln!(text, "\nEach is the median of {blocks} blocks of {time} s, by turns.")
    }
}

/// The figures of one kind of watcher.
struct WatchRow {
    p50: f64,
    p99: f64,
    changes: usize,
    lost: usize,
}

impl WatchRow {
    fn of(watched: &Watched) -> Self {
        let over_blocks = |share| {
            let blocks = watched.blocks.iter();
            let each: Vec<f64> = blocks.filter_map(|it| quantile(&it.delays, share)).collect();
            median(&each).unwrap_or(f64::INFINITY)
        };
        let changes = watched.blocks.iter().map(|block| block.changes).sum();
        let lost =
            watched.blocks.iter().map(|block| block.changes.saturating_sub(block.delays.len()));
        Self { p50: over_blocks(0.5), p99: over_blocks(0.99), changes, lost: lost.sum() }
    }
}

/// The table that the README shows too.
fn speed(results: &Results) -> String {
    let mut counts = String::new();
    let mut rule = String::new();
    for count in &results.counts {
        let _ = write!(counts, " {count} |");
        rule.push_str("---|");
    }
    let mut table = format!(
        "| ms to the last reply of |{counts} names who is missing | MB per agent |\n\
         |---|{rule}---|---|\n"
    );
    for system in results.systems.iter().filter(|system| system.version.is_ok()) {
        let cells = results.counts.iter().map(|&count| {
            let cell = system.cells.iter().find(|cell| cell.count == count);
            let warm = cell.and_then(|cell| Some((cell, median(&cell.warm)?)));
            warm.map_or("-".to_owned(), |(cell, warm)| {
                let mark = if cell.warm_answers.is_full() { "" } else { " (incomplete)" };
                format!("{}{mark}", digits(warm))
            })
        });
        let cells = cells.collect::<Vec<_>>().join(" | ");
        let loss = system.loss.as_ref().and_then(|loss| loss.as_ref().ok());
        let names = loss.map_or("-", |loss| if loss.named() { "yes" } else { "no" });
        let memory = memory(system).map_or("-".to_owned(), |bytes| format!("{:.1}", bytes / 1e6));
        let _ = writeln!(table, "| {} | {cells} | {names} | {memory} |", system.name);
    }
    table
}

/// The memory of a responder with the most responders that were measured.
fn memory(system: &Outcome) -> Option<f64> {
    let cell = system.cells.iter().rev().find(|cell| !cell.memory.is_empty())?;
    median(&cell.memory.iter().map(|it| it.responder as f64).collect::<Vec<_>>())
}

/// `text` with `excerpt` in the place for it.
fn with_speed(text: &str, excerpt: &str) -> anyhow::Result<String> {
    let place = || anyhow!("no lines '{}' and '{}'", BEGIN.trim_end(), END.trim_end());
    let (before, rest) = text.split_once(BEGIN).ok_or_else(place)?;
    let (_, after) = rest.split_once(END).ok_or_else(place)?;
    Ok(format!("{before}{BEGIN}{excerpt}{END}{after}"))
}

/// The columns of a system with so many responders.
fn cells(cell: &Cell) -> String {
    let spread = |values: &[f64]| {
        let ends = (quantile(values, 0.0), median(values), quantile(values, 1.0));
        match ends {
            (Some(least), Some(middle), Some(most)) => {
                format!("{} ({} - {})", digits(middle), digits(least), digits(most))
            }
            _ => "-".to_owned(),
        }
    };
    let whole_number = |values: &[f64]| median(values).map_or("-".into(), |it| format!("{it:.0}"));
    let memory = |of: fn(&crate::fleet::Memory) -> u64| {
        let bytes: Vec<f64> = cell.memory.iter().map(|memory| of(memory) as f64).collect();
        median(&bytes).filter(|bytes| *bytes > 0.0).map(|bytes| format!("{:.1}", bytes / 1e6))
    };
    let agent = memory(|memory| memory.responder).unwrap_or("-".to_owned());
    let server = memory(|memory| memory.server).map_or(String::new(), |it| format!(" + {it}"));
    format!(
        "{} | {} | {} | {} | {} | {agent}{server}",
        spread(&cell.warm),
        spread(&cell.whole),
        whole_number(&cell.packets),
        whole_number(&cell.bytes),
        completeness(cell),
    )
}

fn completeness(cell: &Cell) -> String {
    let say = |it: &Completeness| {
        let fewest = it.fewest.filter(|_| !it.is_full());
        let fewest = fewest.map_or(String::new(), |it| format!(", the fewest {it}"));
        format!("{} of {}{fewest}", it.complete, it.asked)
    };
    format!("{}; {}", say(&cell.warm_answers), say(&cell.whole_answers))
}

/// Why a system has no figures with so many responders.
fn why(system: &Outcome, cell: Option<&Cell>) -> String {
    match (&system.version, cell.and_then(|cell| cell.failures.last())) {
        (Err(command), _) => format!("not installed: `{command}`"),
        (Ok(_), Some(failure)) => format!("failed: {}", one_cell(failure)),
        (Ok(_), None) => format!("not measured: {}", system.most.1),
    }
}

fn write_losses(text: &mut String, results: &Results) -> std::fmt::Result {
    text.push_str(LOSSES);
    for system in &results.systems {
        let loss = match &system.loss {
            None => continue,
            Some(Ok(loss)) => loss,
            Some(Err(failure)) => {
                writeln!(text, "| {} | failed: {} | | |", system.name, one_cell(failure))?;
                continue;
            }
        };
        let named = match loss.answer.missing.as_slice() {
            [] => "nobody".to_owned(),
            names => names.join(", "),
        };
        let (got, count) = (loss.answer.got, loss.count);
        let name = system.name;
        writeln!(text, "| {name} | {} | {got} of {count} replies | {named} |", loss.killed)?;
    }
    Ok(())
}

fn write_systems(text: &mut String, results: &Results) -> std::fmt::Result {
    text.push_str("\n## What was measured\n\n| system | how | version |\n|---|---|---|\n");
    for system in &results.systems {
        let version = match &system.version {
            Ok(version) => version.clone(),
            Err(command) => format!("not installed: `{command}`"),
        };
        writeln!(text, "| {} | {} | {version} |", system.name, system.shape)?;
    }
    write_failures(text, results)
}

fn write_failures(text: &mut String, results: &Results) -> std::fmt::Result {
    let failures = results.systems.iter().flat_map(|system| {
        system.cells.iter().flat_map(move |cell| {
            cell.failures.iter().map(move |failure| (system.name, cell.count, failure))
        })
    });
    for (index, (name, count, failure)) in failures.enumerate() {
        if index == 0 {
            text.push_str(FAILURES);
        }
        writeln!(text, "| {name} | {count} | {} |", one_cell(failure))?;
    }
    Ok(())
}

/// A text of anybody's as one cell of a table.
fn one_cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "/")
}

impl Completeness {
    fn is_full(&self) -> bool {
        self.complete == self.asked
    }
}

const HEAD: &str = "\
# Benchmarks

Written by `bench/run`, whole; no figure here is typed by hand. Run it to have your own.
Figures of different machines do not compare: look at the systems beside each other.
";

const QUICK: &str = "
**This is a quick run, made to see that everything works. Its figures are no measurement.**
";

const BUSY: &str = "
**The machine was busy with other work during this run: its figures are too high.**
";

const ASK: &str = "
## One question to many agents

All agents run on the machine above, each a process of its own, in one network namespace with one
network card (a veth). The asker runs beside them: it shares the cores with all of them. Warm means
that the asker is connected, has been answered in full before, and asks again; the time runs from
the question to the last of the replies. Librecast, Salt and Ansible encrypt; bare multicast, NATS
and zenoh do not here.

";

const CELLS: &str = "
In the tables below, *whole command* is a command from its start to its end: it connects, asks
once, and ends. *Packets* and *bytes* are what one warm question brings over the wire at the asker,
in both directions, by the counters of its network card; for that the asker is in a namespace of
its own, at the other end of the agents' card. What else passes in that time (acknowledgements,
keep-alives, presence) is counted. *Complete* says how many questions every agent answered: warm;
whole commands. *MB* is resident memory of an agent, shared pages included, and of the server where
there is one. Bare multicast, NATS and zenoh are told how many replies to await; the others know it
by themselves.
";

const COUNT_HEAD: &str = "\
| system | warm, ms | whole command, ms | packets | bytes | complete | MB |
|---|---|---|---|---|---|---|
";

const LOSSES: &str = "
### Who is missing?

One agent is killed, and all are asked at once.

| system | killed | got | named as missing |
|---|---|---|---|
";

const FAILURES: &str = "
### Blocks that failed

| system | agents | why |
|---|---|---|
";

const WATCH: &str = "
## From a change to its display

Each agent changes a variable once a second, to what the host's monotonic clock says; the watcher
reads the same clock when it has the change in hand (a line of the command, read from a pipe). Lost
are changes that were not shown within a second after the last.

| watcher | agents | p50, ms | p99, ms | changes | lost |
|---|---|---|---|---|---|
";

#[cfg(test)]
mod tests;
