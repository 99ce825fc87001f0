//! Plays one scenario with every pair of languages and checks what each says.
//!
//! The README of this folder tells what is played and how a language is added. Start reading at
//! [`play`]; what is expected is in [`scenario`], who runs in [`fleet`].

mod expect;
mod fleet;
mod scenario;

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use lcast_conformance::face::{self, Face};

use fleet::Fleet;
use scenario::{Pair, Scenario, Section};

/// What is asked for.
struct Options {
    /// Folder of what was built for the runners.
    built: PathBuf,
    /// The languages that take part; all by default.
    languages: Vec<String>,
    /// The cases that are played; all by default.
    cases: Vec<String>,
}

/// A section of the scenario, and what happens to the network meanwhile.
struct Case<'a> {
    name: String,
    section: &'a Section,
    loss: u32,
}

/// What became of a pair.
#[derive(Clone, Debug, Default)]
struct Outcome {
    wrong: Vec<String>,
    steps: usize,
}

/// Longest time of one case of one pair.
const CASE_MAX: Duration = Duration::from_secs(180);

/// How much is lost where something is.
const LOSS: u32 = 20;

/// The section in which a node comes and leaves.
const WITH_PRESENCE: &str = "presence";

/// The sections that are played with loss as well.
const WITH_LOSS: [&str; 2] = ["main", "killed"];

fn main() -> anyhow::Result<()> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).canonicalize()?;
    let options = Options::parse(&root)?;
    let text = std::fs::read_to_string(root.join("bindings/conformance/scenario.txt"))?;
    let scenario = Scenario::parse(&text)?;
    let faces = face::named(face::all(&root, &options.built), &options.languages)?;
    let names: Vec<String> = faces.iter().map(|it| it.name.to_owned()).collect();
    let cases = options.cases(&scenario)?;
    let start = Instant::now();
    let fleet = Fleet::start(&faces, &scenario)?;
    println!("{} answerers are ready after {:.1} s", faces.len(), start.elapsed().as_secs_f64());
    let mut outcomes = vec![vec![Outcome::default(); faces.len()]; faces.len()];
    for case in &cases {
        let begin = Instant::now();
        fleet.lose(case.loss);
        let (playing, ended) = mpsc::channel::<()>();
        let fleet = &fleet;
        std::thread::scope(|scope| {
            if case.section.name == WITH_PRESENCE {
                scope.spawn(move || fleet.come_and_leave(&ended));
            }
            play(case, &faces, &names, &scenario, fleet, &mut outcomes);
            drop(playing);
        });
        println!("case {:<14} {:>6.1} s", case.name, begin.elapsed().as_secs_f64());
    }
    let mut passed = print(&names, &outcomes);
    for wrong in fleet.end(&faces) {
        println!("{wrong}");
        passed = 0;
    }
    for exception in scenario.exceptions(&names) {
        println!("exception: {exception}");
    }
    let all = faces.len() * faces.len();
    println!("{passed} of {all} pairs pass");
    if passed < all {
        bail!("{} pairs do not", all - passed);
    }
    Ok(())
}

/// Plays a case with every pair, in rounds: in each, every language asks another one.
fn play(
    case: &Case<'_>,
    faces: &[Face],
    names: &[String],
    scenario: &Scenario,
    fleet: &Fleet,
    outcomes: &mut [Vec<Outcome>],
) {
    for round in 0..faces.len() {
        let pairs: Vec<(usize, usize)> =
            (0..faces.len()).map(|asker| (asker, (asker + round) % faces.len())).collect();
        let played: Vec<Outcome> = std::thread::scope(|scope| {
            let start = |&(asker, answerer): &(usize, usize)| {
                let pair =
                    Pair { asker: &names[asker], answerer: &names[answerer], everybody: names };
                let face = &faces[asker];
                scope.spawn(move || play_pair(case, face, asker, &pair, scenario, fleet))
            };
            let running: Vec<_> = pairs.iter().map(start).collect();
            running.into_iter().map(|it| it.join().unwrap_or_else(|_| panicked(case))).collect()
        });
        for ((asker, answerer), outcome) in pairs.into_iter().zip(played) {
            let sum = &mut outcomes[asker][answerer];
            sum.steps += outcome.steps;
            sum.wrong.extend(outcome.wrong);
        }
    }
}

/// What the lab says when a runner hangs stands in its panic.
fn panicked(case: &Case<'_>) -> Outcome {
    let wrong = vec![format!("{}: the runner did not end, see above", case.name)];
    Outcome { wrong, steps: 0 }
}

fn play_pair(
    case: &Case<'_>,
    face: &Face,
    asker: usize,
    pair: &Pair<'_>,
    scenario: &Scenario,
    fleet: &Fleet,
) -> Outcome {
    let run = || -> anyhow::Result<Outcome> {
        let host = fleet.asker(asker);
        let credential = fleet.credential(asker, case.section)?;
        let path = fleet.write(&host, "scenario", &scenario.for_asker(case.section, pair))?;
        let job = face.job(&host, "ask").args([credential, path]).limit(CASE_MAX);
        let output = job.run();
        let mut outcome = compare(case, pair, scenario, &output.stdout)?;
        if output.code != 0 || (!outcome.wrong.is_empty() && !output.stderr.is_empty()) {
            let said = output.stderr.trim();
            outcome.wrong.insert(0, format!("{}: exit {}, stderr: {said}", case.name, output.code));
        }
        Ok(outcome)
    };
    run().unwrap_or_else(|error| Outcome { wrong: vec![format!("{error:#}")], steps: 0 })
}

/// Compares what a runner printed, step by step.
fn compare(
    case: &Case<'_>,
    pair: &Pair<'_>,
    scenario: &Scenario,
    stdout: &str,
) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let steps = || case.section.steps.iter().filter(|step| step.is_for(pair.asker));
    for step in steps() {
        outcome.steps += 1;
        let own = |line| str::strip_prefix(line, step.name.as_str())?.strip_prefix('\t');
        let found: Vec<&str> = stdout.lines().filter_map(own).collect();
        let Some(expected) = scenario.expected(step, pair)? else { continue };
        if let Some(difference) = expect::difference(&expected, &found) {
            outcome.wrong.push(format!("{} / {}: {difference}", case.name, step.name));
        }
    }
    for line in stdout.lines() {
        let name = line.split('\t').next().unwrap_or_default();
        if !steps().any(|step| step.name == name) {
            outcome.wrong.push(format!("{}: a line of no step: {line}", case.name));
        }
    }
    Ok(outcome)
}

/// Prints what was wrong, then the matrix; how many pairs pass.
fn print(names: &[String], outcomes: &[Vec<Outcome>]) -> usize {
    const WRONG_SHOWN_MAX: usize = 12;
    let mut passed = 0;
    for (asker, row) in names.iter().zip(outcomes) {
        for (answerer, outcome) in names.iter().zip(row) {
            for wrong in outcome.wrong.iter().take(WRONG_SHOWN_MAX) {
                println!("{asker} asks {answerer}: {wrong}");
            }
            if outcome.wrong.len() > WRONG_SHOWN_MAX {
                println!("{asker} asks {answerer}: {} in all", outcome.wrong.len());
            }
        }
    }
    let width = 10;
    print!("\n{:<14}", "asks \\ answers");
    names.iter().for_each(|name| print!(" {name:>width$}"));
    println!();
    for (asker, row) in names.iter().zip(outcomes) {
        print!("{asker:<14}");
        for outcome in row {
            let word = match outcome.wrong.len() {
                0 => format!("ok {}", outcome.steps),
                count => format!("FAIL {count}"),
            };
            passed += usize::from(outcome.wrong.is_empty() && outcome.steps > 0);
            print!(" {word:>width$}");
        }
        println!();
    }
    println!();
    passed
}

impl Options {
    fn parse(root: &Path) -> anyhow::Result<Self> {
        let built = root.join("target/conformance");
        let mut options = Self { built, languages: Vec::new(), cases: Vec::new() };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let value = words.next().with_context(|| format!("{word} needs a value"))?;
            let list = || value.split(',').map(str::to_owned).collect();
            match word.as_str() {
                "--built" => options.built = PathBuf::from(&value),
                "--languages" => options.languages = list(),
                "--cases" => options.cases = list(),
                _ => bail!("'{word}': --languages rust,c,..., --cases main,..., --built FOLDER"),
            }
        }
        Ok(options)
    }

    fn cases<'a>(&self, scenario: &'a Scenario) -> anyhow::Result<Vec<Case<'a>>> {
        let case = |section: &'a Section, loss: u32| {
            let ending = if loss > 0 { "+loss" } else { "" };
            Case { name: format!("{}{ending}", section.name), section, loss }
        };
        let calm = scenario.sections.iter().map(|section| case(section, 0));
        let lossy = scenario.sections.iter().filter(|it| WITH_LOSS.contains(&it.name.as_str()));
        let all: Vec<Case<'a>> = calm.chain(lossy.map(|section| case(section, LOSS))).collect();
        if let Some(unknown) = self.cases.iter().find(|name| all.iter().all(|it| it.name != **name))
        {
            bail!("'{unknown}' is none of the cases");
        }
        let wanted = |it: &Case<'_>| self.cases.is_empty() || self.cases.contains(&it.name);
        Ok(all.into_iter().filter(wanted).collect())
    }
}
