//! A hundred agents, each in a network namespace of its own, at twenty per cent loss: everybody is
//! accounted for, nobody is falsely missing or gone, and a death is known everywhere in seconds.

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use lcast_lab::{Agent, Answer, DEADLINE, Lab, Loss, Member, Process, Realm};

use crate::CONFIG;
use crate::table::{Table, median, worst};

/// Per cent of the datagrams that get lost, each on its way to each host.
const LOSS: u32 = 20;
/// Questions to all.
const QUESTIONS: usize = 200;
/// Who is ended by `kill -9` is gone everywhere within this time.
const GONE_WITHIN: Duration = Duration::from_secs(6);
/// When the wait for it is given up.
const GONE_MAX: Duration = Duration::from_secs(30);
/// How many are killed, one after the other.
const DEATHS: usize = 3;

/// Everything, with so long a time in which nobody may be gone.
pub(crate) fn run(calm: Duration) -> ExitCode {
    let mut table = Table::default();
    let mut fleet = Fleet::new(100);
    fleet.questions(&mut table);
    fleet.calm(&mut table, calm);
    fleet.deaths(&mut table);
    drop(fleet);
    let mut fleet = Fleet::new(10);
    fleet.deaths(&mut table);
    table.end()
}

/// Agents whose log tells what they hold of one another, and a client that follows the roster.
struct Fleet {
    agents: Vec<Agent>,
    follower: Process,
    realm: Realm,
    _lab: Lab,
}

impl Fleet {
    /// So many, all heard by the follower, and from then on the loss.
    fn new(count: usize) -> Self {
        let lab = Lab::new(1 + count).acquainted().build();
        let realm = Realm::create(&lab.host(0), "prod", "");
        let follower = realm.issue(&Member::client("follower"));
        let member = |index| Member::agent(format!("n{index}"));
        let prepare = |index| realm.prepare(&lab.host(index), &member(index), CONFIG);
        let mut agents: Vec<Agent> = (1..=count).map(prepare).collect();
        for agent in &mut agents {
            agent.job = agent.job.clone().env("RUST_LOG", "info,lcast::driver=debug");
            agent.launch();
        }
        agents.iter_mut().for_each(Agent::wait_ready);
        realm.ask("get host.name").check(0, &[("answered", count as u64)]);
        let words = format!("nodes --watch --jsonl --credential {follower}");
        let mut follower = lab.host(0).librecast(&words).start();
        follower.wait_stdout("the roster", DEADLINE, |text| {
            String::from_utf8_lossy(text).matches("\"state\":\"alive\"").count() >= count
        });
        lab.loss(0..=count, Loss::Udp(LOSS));
        Self { agents, follower, realm, _lab: lab }
    }

    /// Asks all, again and again.
    fn questions(&mut self, table: &mut Table) {
        let count = self.agents.len();
        let answers: Vec<Answer> =
            (0..QUESTIONS).map(|_| self.realm.ask("get host.name")).collect();
        let incomplete = answers.iter().filter(|it| it.count("answered") != count as u64);
        let missing: u64 = answers.iter().map(|it| it.count("missing")).sum();
        let number = |it: &Answer, what: &str| it.json["report"][what].as_f64().unwrap_or(f64::NAN);
        let took: Vec<f64> = answers.iter().map(|it| number(it, "elapsed_ms")).collect();
        let rounds: Vec<f64> = answers.iter().map(|it| number(it, "rounds")).collect();
        let what = format!("{QUESTIONS} questions, {count} agents, {LOSS} % loss");
        table.line(&format!("{what}: incomplete"), incomplete.count() as f64, 0.0, "");
        table.line(&format!("{what}: falsely missing"), missing as f64, 0.0, "");
        table.line(&format!("{what}: slowest"), worst(took.iter().copied()), 3000.0, "ms");
        table.note(&format!("{what}: median"), median(took), "ms");
        table.note(&format!("{what}: rounds, median"), median(rounds.clone()), "");
        table.note(&format!("{what}: rounds, most"), worst(rounds), "");
        for answer in answers.iter().filter(|it| it.code() != 0) {
            println!("not complete: {}", answer.output);
        }
    }

    /// Lets time pass in which all live: nobody may hold anybody for gone.
    fn calm(&mut self, table: &mut Table, span: Duration) {
        let start = Instant::now();
        while start.elapsed() < span {
            thread::park_timeout(span - start.elapsed().min(span));
        }
        let (count, minutes) = (self.agents.len(), span.as_secs() / 60);
        let what = format!("{minutes} minutes, {count} agents, {LOSS} % loss");
        let views: Vec<(String, String)> = self.views().collect();
        let states = |state: &str| -> usize {
            views.iter().map(|(_, told)| told.matches(&format!("=\"{state}\"")).count()).sum()
        };
        table.line(&format!("{what}: falsely gone, to any agent"), states("gone") as f64, 0.0, "");
        table.note(&format!("{what}: suspected, to all agents"), states("suspect") as f64, "");
        let told = self.follower.stdout();
        let gone = told.matches("\"state\":\"gone\"").count();
        table.line(&format!("{what}: falsely gone, to the follower"), gone as f64, 0.0, "");
        for (name, view) in views {
            view.lines().filter(|it| is_gone(it)).for_each(|it| println!("{name}: {it}"));
        }
        told.lines().filter(|it| it.contains("\"gone\"")).for_each(|it| println!("{it}"));
        let stopped = self.agents.iter_mut().filter_map(|it| {
            let runs = it.process().is_running();
            (!runs).then_some(())
        });
        table.line(&format!("{what}: agents that ended"), stopped.count() as f64, 0.0, "");
    }

    /// The name and the log of each agent.
    fn views(&mut self) -> impl Iterator<Item = (String, String)> {
        self.agents.iter_mut().map(|it| (it.name.clone(), it.process().stderr()))
    }

    /// Kills some, one after the other.
    fn deaths(&mut self, table: &mut Table) {
        let count = self.agents.len();
        let what = format!("`kill -9` of one of {count}, {LOSS} % loss");
        for _ in 0..DEATHS {
            let mut took = self.death();
            let last = worst(took.iter().copied());
            took.sort_by(f64::total_cmp);
            table.line(&format!("{what}: gone at all"), last, GONE_WITHIN.as_secs_f64(), "s");
            table.note(&format!("{what}: gone at the first"), took[0], "s");
        }
    }

    /// Kills the last agent; after how many seconds each of the others, and the follower, holds it
    /// for gone. Infinite for who does not in time.
    fn death(&mut self) -> Vec<f64> {
        let mut victim = self.agents.pop().expect("more agents than deaths");
        let name = victim.name.clone();
        let start = Instant::now();
        victim.kill();
        let logged = format!("node=\"{name}\" state=\"gone\"");
        let mut took = vec![f64::INFINITY; self.agents.len() + 1];
        while start.elapsed() < GONE_MAX && took.iter().any(|it| it.is_infinite()) {
            thread::park_timeout(Duration::from_millis(20));
            let now = start.elapsed().as_secs_f64();
            let knows = self.agents.iter_mut().map(|it| it.process().stderr().contains(&logged));
            let mut knows: Vec<bool> = knows.collect();
            let told = self.follower.stdout();
            let last = told.lines().rfind(|it| it.contains(&format!("\"name\":\"{name}\"")));
            knows.push(last.is_some_and(|it| it.contains("\"state\":\"gone\"")));
            for (took, _) in
                took.iter_mut().zip(knows).filter(|(took, knows)| *knows && took.is_infinite())
            {
                *took = now;
            }
        }
        took
    }
}

/// Whether a line of a log says that a node is gone.
fn is_gone(line: &str) -> bool {
    line.contains("state=\"gone\"")
}
