//! What each language costs beside Rust, measured in one go: warm questions, a watch in a flood.
//!
//! Every runner stays up and is told what to do by its standard input; the languages take turns, so
//! that whatever else the machine does hits all alike. The goals stand in [`GET_GOALS`] and
//! [`FLOOD_GOAL`]; a missed one ends it with an error.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use lcast_conformance::face::{self, Face};
use lcast_lab::{Agent, Host, Lab, Member, Process, Realm};

/// Agents that are asked, each on a host of its own.
const AGENTS: usize = 10;
/// Turns of each language, and questions of each turn.
const TURNS: usize = 20;
const QUESTIONS: usize = 50;
/// Nodes that flood a watch, the values of each, how often these change, and for how long.
const FLOODERS: usize = 20;
const VALUES: usize = 75;
const PAUSE_MS: u64 = 15;
const FLOOD: Duration = Duration::from_secs(10);

/// The median of a question beside that of Rust.
const GET_GOALS: [(&str, f64); 3] = [("c", 1.05), ("python", 1.3), ("perl", 1.5)];
/// Changes a second that reach the program without loss. What a pause of so many milliseconds
/// yields is a little less than it could be.
const FLOOD_GOAL: f64 = 0.98 * 1000.0 / PAUSE_MS as f64 * (FLOODERS * VALUES) as f64;

/// Longest time of anything.
const LIMIT: Duration = Duration::from_secs(90);

/// A runner that waits for what to measure.
struct Runner {
    name: &'static str,
    process: Process,
    lines: usize,
}

fn main() -> anyhow::Result<()> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).canonicalize()?;
    let mut words = std::env::args().skip(1);
    let [built, flood] = [(); 2].map(|()| words.next().map(PathBuf::from));
    let built = built.context("conformance-bench BUILT FLOOD [LANGUAGE...]")?.canonicalize()?;
    let flood = flood.context("the built example flood is the second word")?.canonicalize()?;
    let mut all = face::all(&root, &built);
    // The commands are programs that end: there is nothing warm in them.
    all.retain(|it| it.name != "cli");
    all.insert(1, face::blocking(&built));
    let faces = face::named(all, &words.collect::<Vec<_>>())?;
    let mut missed = measure_gets(&faces)?;
    missed.extend(measure_floods(&faces, &flood)?);
    if !missed.is_empty() {
        bail!("missed: {}", missed.join(", "));
    }
    println!("every goal is reached");
    Ok(())
}

/// Warm questions for one variable, in turns; the goals that were missed.
fn measure_gets(faces: &[Face]) -> anyhow::Result<Vec<String>> {
    let lab = Lab::new(1 + AGENTS).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    let members: Vec<_> =
        (1..=AGENTS).map(|at| (lab.host(at), Member::agent(format!("n{at}")))).collect();
    let _agents: Vec<Agent> = realm.start_all(&members, "");
    let mut runners = Runner::start_all(faces, &realm, &lab.host(0));
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); runners.len()];
    let line = |count: usize| format!("get {count} system.cpu.load_1m {AGENTS}");
    for runner in &mut runners {
        // Who is where, and the schemas, are known from here on.
        runner.tell(&line(QUESTIONS));
    }
    for turn in 0..TURNS {
        for at in 0..runners.len() {
            // Each is the first of a turn as often as the others.
            let at = (at + turn) % runners.len();
            let told = runners[at].tell(&line(QUESTIONS));
            let numbers = told.split(' ').map(str::parse::<f64>);
            times[at].extend(numbers.collect::<Result<Vec<_>, _>>()?);
        }
    }
    println!("{AGENTS} agents, one variable, {} questions of each language", TURNS * QUESTIONS);
    println!("{:<10} {:>9} {:>9} {:>9} {:>7}", "", "p50 us", "p95 us", "max us", "ratio");
    let mut missed = Vec::new();
    let mut first = None;
    for (runner, times) in runners.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        let ratio = at(0.5) / *first.get_or_insert(at(0.5));
        let name = runner.name;
        println!("{name:<10} {:>9} {:>9} {:>9} {ratio:>7.3}", at(0.5), at(0.95), at(1.0));
        if let Some((_, goal)) = GET_GOALS.iter().find(|(language, _)| *language == name)
            && ratio > *goal
        {
            missed.push(format!("{name} takes {ratio:.3} times as long as {}", runners[0].name));
        }
    }
    Ok(missed)
}

/// A watch of each language in a flood of changes; the goals that were missed.
fn measure_floods(faces: &[Face], flood: &Path) -> anyhow::Result<Vec<String>> {
    let lab = Lab::new(1).build();
    let host = lab.host(0);
    let realm = Realm::create(&host, "flood", "--scope link");
    let credentials: Vec<String> =
        (0..FLOODERS).map(|at| realm.issue(&Member::agent(format!("n{at}")))).collect();
    let (wanted, seconds) = (FLOODERS * VALUES, FLOOD.as_secs());
    println!("\n{wanted} values that change every {PAUSE_MS} ms for {seconds} s, on one host");
    println!("{:<10} {:>10} {:>8} {:>8} {:>10}", "", "told", "skipped", "lost", "a second");
    let mut missed = Vec::new();
    for face in faces.iter().filter(|it| it.name != "blocking") {
        let words = [PAUSE_MS, VALUES as u64, seconds].map(|it| it.to_string());
        let job = host.command(&flood.to_string_lossy());
        let mut source = job.args(words).args(credentials.iter().cloned()).start_dialogue();
        source.wait_stdout("ready", LIMIT, |bytes| bytes.starts_with(b"ready\n"));
        let mut runner = Runner::start(face, &realm, &host);
        runner.tell(&format!("watch flood.value[*] {FLOODERS}"));
        source.say("go\n");
        let told = runner.next_line();
        source.say("end\n");
        let output = source.wait(LIMIT);
        let rounds: u64 = output.stdout.lines().last().unwrap_or_default().parse()?;
        let numbers: Result<Vec<u64>, _> = told.split(' ').map(str::parse).collect();
        let [told, skipped, lost, micros] = numbers?[..] else {
            bail!("{} said {told}", face.name)
        };
        let rate = told as f64 / (micros as f64 / 1e6);
        println!("{:<10} {told:>10} {skipped:>8} {lost:>8} {rate:>10.0}", face.name);
        // What is skipped was overwritten at its node before it could be told, and is counted.
        let all = rounds * wanted as u64;
        if told + skipped != all || lost > 0 || rate < FLOOD_GOAL {
            missed.push(format!("{} saw {told} of {all}, {rate:.0} a second", face.name));
        }
    }
    Ok(missed)
}

impl Runner {
    fn start_all(faces: &[Face], realm: &Realm, host: &Host) -> Vec<Self> {
        faces.iter().map(|face| Self::start(face, realm, host)).collect()
    }

    fn start(face: &Face, realm: &Realm, host: &Host) -> Self {
        let credential = realm.issue(&Member::client(format!("ask-{}", face.name)));
        let process = face.job(host, "time").arg(credential).start_dialogue();
        let mut runner = Self { name: face.name, process, lines: 0 };
        runner.next_line();
        runner
    }

    /// Says what to measure, and gives the next line that it prints.
    fn tell(&mut self, line: &str) -> String {
        self.process.say(&format!("{line}\n"));
        self.next_line()
    }

    fn next_line(&mut self) -> String {
        let seen = self.lines;
        let whole = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == b'\n').count() > seen;
        self.process.wait_stdout("a line", LIMIT, whole);
        self.lines += 1;
        self.process.stdout().lines().nth(seen).unwrap_or_default().to_owned()
    }
}
