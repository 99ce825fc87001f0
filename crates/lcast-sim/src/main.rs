//! Runs simulated realms by hand: `replay`, `soak`, `scale`, `realm`, `list`.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use lcast_sim::World;
use lcast_sim::question::Question;
use lcast_sim::scenario::whole::{self, Account, Plan, Questions};
use lcast_sim::scenario::{self, Scenario, scale};

/// How to use it.
const USAGE: &str = "\
usage: lcast-sim list
       lcast-sim replay --scenario NAME --seed N [--trace | --trace-of NODE]
       lcast-sim soak --seeds A..B [--scenario NAME]
       lcast-sim scale [--nodes N] [--loss PERCENT] [--seed N]
       lcast-sim realm [--nodes N] [--minutes M] [--loss PERCENT] [--seed N] [--threads N]
                       [--trace | --trace-of NODE]
--trace prints every packet and event to standard error, --trace-of those of one node.";

/// The option that has no value.
const TRACE: &str = "--trace";
/// What it is for one node.
const TRACE_OF: &str = "--trace-of";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (verb, options) = match arguments.split_first() {
        Some((verb, options)) => (verb.as_str(), options),
        None => ("", &[][..]),
    };
    match run(verb, options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Does what a verb says; whether nothing was wrong, or what is wrong with its options.
fn run(verb: &str, options: &[String]) -> Result<bool, String> {
    let known: &[&str] = match verb {
        "replay" => &["--scenario", "--seed", TRACE, TRACE_OF],
        "soak" => &["--seeds", "--scenario"],
        "scale" => &["--nodes", "--loss", "--seed"],
        "realm" => &["--nodes", "--minutes", "--loss", "--seed", "--threads", TRACE, TRACE_OF],
        _ => &[],
    };
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        if !known.contains(&option.as_str()) {
            return Err(format!("'{option}' is no option of '{verb}'"));
        }
        if option != TRACE && rest.next().is_none() {
            return Err(format!("{option} has no value"));
        }
    }
    match verb {
        "list" => Ok(list()),
        "replay" => replay(options),
        "soak" => soak(options),
        "scale" => scale(options),
        "realm" => realm(options),
        "" => Err("what to run is missing".to_owned()),
        other => Err(format!("there is no '{other}'")),
    }
}

fn list() -> bool {
    for scenario in scenario::ALL {
        println!("{:<14} {}", scenario.name, scenario.about);
    }
    true
}

/// Runs one scenario with one seed; whether nothing was wrong.
fn replay(options: &[String]) -> Result<bool, String> {
    let scenario = scenario_of(options)?.ok_or("--scenario is missing")?;
    let seed = number(options, "--seed")?.unwrap_or(1);
    speak(options);
    Ok(one(scenario, seed))
}

/// Runs a scenario, the soak unless told otherwise, with many seeds, and counts the failures.
fn soak(options: &[String]) -> Result<bool, String> {
    let scenario = scenario_of(options)?.or(scenario::named("soak")).ok_or("no scenario")?;
    let range = text(options, "--seeds").unwrap_or("1..101");
    let bounds =
        range.split_once("..").and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    let (from, to): (u64, u64) = bounds.ok_or(format!("'{range}' is no range like 1..101"))?;
    if from >= to {
        return Err(format!(
            "'{range}' holds no seed: the second number is the first one left out"
        ));
    }
    let begin = Instant::now();
    let failed: Vec<u64> = (from..to).filter(|seed| !one(scenario, *seed)).collect();
    let (name, runs, count) = (scenario.name, to - from, failed.len());
    println!("{name}: {runs} seeds in {:.0} s, {count} failed", begin.elapsed().as_secs_f64());
    failed.iter().for_each(|seed| println!("{}", scenario::replay_line(name, *seed)));
    Ok(failed.is_empty())
}

fn one(scenario: &Scenario, seed: u64) -> bool {
    let begin = Instant::now();
    let outcome = scenario::run(scenario, seed);
    let took = begin.elapsed().as_secs_f64();
    match outcome {
        Ok(passed) => {
            let scenario::Passed { trace, entries, questions } = passed;
            let name = scenario.name;
            println!(
                "{name} seed {seed}: passed, {questions} questions, {entries} entries, \
                 trace {trace}, {took:.2} s"
            );
            true
        }
        Err(failed) => {
            println!("{} seed {seed}: FAILED\n{failed}", scenario.name);
            false
        }
    }
}

/// Asks many nodes once and prints what it cost.
fn scale(options: &[String]) -> Result<bool, String> {
    let nodes = number(options, "--nodes")?.unwrap_or(1_000);
    let loss = number(options, "--loss")?.unwrap_or(0);
    let seed = number(options, "--seed")?.unwrap_or(1);
    let count = u32::try_from(nodes).map_err(|_| "too many nodes".to_owned())?;
    let percent = u32::try_from(loss).map_err(|_| "too much loss".to_owned())?;
    let begin = Instant::now();
    let mut world = scale::crowd(seed, count, f64::from(percent) / 100.0);
    let built = begin.elapsed();
    let asker = world.client();
    let before = world.received(asker);
    let question = Instant::now();
    let number = world.ask(asker, Question::get("app.load"));
    let took = question.elapsed();
    let packets = world.received(asker) - before;
    let asked = world.asked(number);
    let report = asked.report();
    println!("nodes             {nodes}");
    println!("loss              {loss} %");
    println!("answered          {} of {}", report.answered, report.expected);
    println!("rounds            {}", report.rounds);
    println!("questions sent    {}", report.questions_sent);
    println!("packets at asker  {packets}");
    println!("virtual time      {:.1} ms", millis(report.elapsed));
    println!(
        "wall time         {:.2} s (and {:.2} s to build)",
        took.as_secs_f64(),
        built.as_secs_f64()
    );
    if let Some(resident) = resident_mib() {
        println!("memory            {resident} MiB resident");
    }
    world.conclude();
    world.violations().iter().for_each(|violation| println!("WRONG: {violation}"));
    Ok(world.violations().is_empty())
}

/// Most threads that handle a packet to everybody.
const THREADS_MAX: usize = 64;
/// Most memory that a simulated realm may take, in MiB.
const RESIDENT_MAX_MIB: u64 = 16 * 1024;

/// Lets many nodes be at work for minutes, and prints what that cost.
fn realm(options: &[String]) -> Result<bool, String> {
    let nodes = number(options, "--nodes")?.unwrap_or(1_000);
    let minutes = number(options, "--minutes")?.unwrap_or(2);
    let loss = number(options, "--loss")?.unwrap_or(1);
    let seed = number(options, "--seed")?.unwrap_or(1);
    let nodes = u32::try_from(nodes).map_err(|_| "too many nodes".to_owned())?;
    let percent = u32::try_from(loss).map_err(|_| "too much loss".to_owned())?;
    let time = Duration::from_secs(60 * minutes);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = number(options, "--threads")?.and_then(|it| usize::try_from(it).ok());
    let threads = threads.unwrap_or(cores).clamp(1, THREADS_MAX);
    if !(10..=16_000).contains(&nodes) || time.is_zero() {
        return Err("a realm has 10 to 16000 nodes here, and works for a minute or more".to_owned());
    }
    speak(options);
    let begin = Instant::now();
    let plan = Plan { nodes, time, loss: f64::from(percent) / 100.0, threads };
    let tell = |world: &World, what: &str| {
        let (virtual_time, wall) = (world.now().as_secs_f64(), begin.elapsed().as_secs_f64());
        eprintln!("{wall:>8.0} s: at {virtual_time:.0} s of virtual time, {what}");
    };
    let (mut world, account) = whole::run(seed, plan, &tell);
    world.conclude();
    println!("nodes                 {nodes}");
    println!("loss                  {loss} %");
    println!("seed                  {seed}");
    print_account(&account);
    println!("packets handled       {}", world.trace().entries());
    println!("virtual time          {:.0} s", world.now().as_secs_f64());
    println!("wall time             {:.0} s", begin.elapsed().as_secs_f64());
    println!("trace                 {}", world.trace().hash());
    let resident = resident_mib();
    if let Some(resident) = resident {
        println!("memory                {resident} MiB resident at most");
    }
    world.violations().iter().for_each(|violation| println!("WRONG: {violation}"));
    let small = resident.is_none_or(|resident| resident < RESIDENT_MAX_MIB);
    if !small {
        println!("WRONG: over {RESIDENT_MAX_MIB} MiB");
    }
    Ok(small && world.violations().is_empty())
}

fn print_account(account: &Account) {
    let Account { calm, churn, parted, unknowing, parted_pairs, .. } = account;
    println!("presence              {:.2} packets a second and node", account.packets_per_second);
    print_questions("questions in calm", calm);
    print_questions("questions in churn", churn);
    print_questions("questions while parted", parted);
    println!("restarts              {}", account.restarts);
    println!(
        "deaths                {}, known after {:.2} s at the latest; {} of {} did not know",
        account.kills,
        account.known_after.as_secs_f64(),
        unknowing.0,
        unknowing.1
    );
    println!("parted                {} of {} pairs knew", parted_pairs.1, parted_pairs.0);
    println!(
        "falsely gone          {}; {} by slander where packets are lost",
        account.false_gone, account.slandered
    );
    println!("changes watched       {}", account.changes);
}

fn print_questions(what: &str, questions: &Questions) {
    let Questions { count, slowest, packets, rounds, unheard } = questions;
    println!(
        "{what:<22} {count}: at most {:.0} ms, {packets} packets at the asker, {rounds} rounds; \
         {unheard} unheard",
        millis(*slowest)
    );
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// How much memory this process has, where `/proc` says so.
fn resident_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}

/// Prints what happens, if that is wanted.
fn speak(options: &[String]) {
    match text(options, TRACE_OF) {
        Some(node) => lcast_sim::trace::speak(node),
        None if options.iter().any(|it| it == TRACE) => lcast_sim::trace::speak(""),
        None => {}
    }
}

fn scenario_of(options: &[String]) -> Result<Option<&'static Scenario>, String> {
    match text(options, "--scenario") {
        Some(name) => match scenario::named(name) {
            Some(scenario) => Ok(Some(scenario)),
            None => Err(format!("no scenario is named '{name}'; see lcast-sim list")),
        },
        None => Ok(None),
    }
}

fn number(options: &[String], name: &str) -> Result<Option<u64>, String> {
    let parse = |text: &str| text.parse().map_err(|_| format!("{name} {text} is no number"));
    text(options, name).map(parse).transpose()
}

fn text<'a>(options: &'a [String], name: &str) -> Option<&'a str> {
    let place = options.iter().position(|it| it == name)?;
    options.get(place + 1).map(String::as_str)
}
