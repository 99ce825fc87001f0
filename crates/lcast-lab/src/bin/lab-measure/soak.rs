//! Memory over time: ten agents and a watcher on one host, and a question a second.

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use lcast_lab::{Agent, DEADLINE, Lab, Member, Process, Realm};

use crate::CONFIG;
use crate::proc::{anonymous_bytes, resident_bytes};
use crate::table::{Table, worst};

const AGENTS: usize = 10;
/// What starting up may take, caches to be filled included.
const WARM_UP: Duration = Duration::from_secs(60);
/// Shorter, nothing is measured but the warm-up.
const SPAN_MIN: Duration = WARM_UP.saturating_mul(2);
/// A question each.
const PACE: Duration = Duration::from_secs(1);
/// Growth after that, of any process, in MB.
const GROWTH_MAX: f64 = 1.0;

/// What is asked, by turns: little, much (in pages), and a change that the watcher is told of.
const WORDS: [&str; 4] = ["get host.name", "get **", "set app.greeting=", "get host.name"];

/// Soaks for so long, the first minute included.
pub(crate) fn run(span: Duration) -> ExitCode {
    assert!(span >= SPAN_MIN, "a soak of under two minutes compares a reading with itself");
    let lab = Lab::new(1).build();
    let mut site = Site::new(&lab);
    let start = Instant::now();
    let mut questions = Questions::default();
    questions.ask_until(&site.realm, start, WARM_UP);
    let before = site.sizes();
    let mut after = site.sizes();
    // Minute by minute: what fills and then stays looks otherwise than what grows for ever.
    while start.elapsed() < span {
        let next = (start.elapsed() + Duration::from_secs(60)).min(span);
        questions.ask_until(&site.realm, start, next);
        after = site.sizes();
        let own = before.iter().zip(&after).map(|((_, was), (_, is))| is.own - was.own);
        println!(
            "{:>6.0} s: the most grew by {:+.3} MB",
            start.elapsed().as_secs_f64(),
            worst(own)
        );
    }

    for ((name, before), (_, after)) in before.iter().zip(&after) {
        let line = |was: f64, is: f64| format!("{was:>7.3} MB, then {is:>7.3} ({:+.3})", is - was);
        let (resident, own) = (line(before.resident, after.resident), line(before.own, after.own));
        println!("{name:<16} resident {resident}; its own {own}");
    }
    let pairs = before.iter().zip(&after);
    let growth = pairs.map(|((_, before), (_, after))| after.resident - before.resident);
    let mut table = Table::default();
    let minutes = span.as_secs() / 60;
    let what = format!("{minutes} minutes, {} questions, {AGENTS} agents", questions.asked);
    table.line(&format!("{what}: most growth"), worst(growth), GROWTH_MAX, "MB");
    table.line(&format!("{what}: incomplete"), f64::from(questions.incomplete), 0.0, "");
    table.end()
}

/// Who is measured.
struct Site {
    realm: Realm,
    agents: Vec<Agent>,
    watchers: Vec<(&'static str, Process)>,
}

/// Memory of a process in MB.
struct Size {
    resident: f64,
    own: f64,
}

impl Site {
    fn new(lab: &Lab) -> Self {
        let host = lab.host(0);
        let realm = Realm::create(&host, "prod", "");
        let watcher = realm.issue(&Member::client("watcher"));
        let members: Vec<_> =
            (1..=AGENTS).map(|index| (host.clone(), Member::agent(format!("n{index}")))).collect();
        let agents = realm.start_all(&members, CONFIG);
        let watchers = ["watch app.greeting", "nodes --watch"].map(|words| {
            let line = format!("{words} --jsonl --credential {watcher}");
            let mut process = host.librecast(&line).start();
            process.wait_stdout("a line for each node", DEADLINE, |bytes| {
                bytes.iter().filter(|&&byte| byte == b'\n').count() >= AGENTS
            });
            (words, process)
        });
        Self { realm, agents, watchers: watchers.into() }
    }

    fn sizes(&mut self) -> Vec<(String, Size)> {
        let agents = self.agents.iter_mut().map(|it| (it.name.clone(), it.process().pid()));
        let mut pids: Vec<(String, u32)> = agents.collect();
        pids.extend(self.watchers.iter_mut().map(|(name, it)| ((*name).to_owned(), it.pid())));
        let size =
            |pid| Size { resident: resident_bytes(pid) / 1e6, own: anonymous_bytes(pid) / 1e6 };
        pids.into_iter().map(|(name, pid)| (name, size(pid))).collect()
    }
}

#[derive(Default)]
struct Questions {
    asked: u32,
    incomplete: u32,
}

impl Questions {
    /// Asks at the pace until so long after the start.
    fn ask_until(&mut self, realm: &Realm, start: Instant, end: Duration) {
        while start.elapsed() < end {
            let mut words = WORDS[self.asked as usize % WORDS.len()].to_owned();
            if words.ends_with('=') {
                words += &self.asked.to_string();
            }
            let answer = realm.ask(&words);
            self.incomplete += u32::from(answer.count("answered") != AGENTS as u64);
            self.asked += 1;
            thread::park_timeout((PACE * self.asked).saturating_sub(start.elapsed()));
        }
    }
}
