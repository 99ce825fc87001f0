//! A small realm of real endpoints that does what an input says, under the simulator's oracles.
//!
//! For: sequences of questions, settings, watches, deaths and faults that nobody thought of; every
//! expected node must end in exactly one class, whoever answered in time must not be missing, and
//! nothing may grow. Not for: lies, which the endpoint targets tell. An input is two bytes that set
//! the world up and four for each step: what, who, how, and how long until the next. So what a
//! fuzzer cuts out, doubles or swaps in a sequence leaves the rest of it as it was, and any bytes
//! are a story. `LCAST_FUZZ_TRACE=1` prints what happens in it.

use std::time::Duration;

use lcast_proto::question::Deadline;
use lcast_proto::value::Value;
use lcast_sim::fault::{Conditions, Firewall};
use lcast_sim::net::NodeIndex;
use lcast_sim::node::Pace;
use lcast_sim::question::Question;
use lcast_sim::world::MAIN;
use lcast_sim::{Change, Setup, World, scenario, trace};

/// Nodes that run, the clients among them.
const NODES_MAX: u32 = 6;
/// Steps; the rest of an input is not looked at.
const STEPS_MAX: usize = 48;
/// What the steps may take in all: an input shall not be slow.
const SPAN_MAX: Duration = Duration::from_secs(40);
/// How long agents have to hear of one another first.
const WARM_UP: Duration = Duration::from_secs(2);
/// A value that comes and goes.
const TEXT: &str = "app.text[\"fuzz\"]";

/// Tells the story of an input.
pub(crate) fn sequence(input: &[u8]) {
    let [shape, seed, steps @ ..] = input else { return };
    if std::env::var_os("LCAST_FUZZ_TRACE").is_some() {
        trace::speak("");
    }
    let mut story = Story::begin(*shape, *seed);
    for step in steps.as_chunks().0.iter().take(STEPS_MAX) {
        if story.world.now() < SPAN_MAX {
            story.step(*step);
        }
    }
    story.end();
}

struct Story {
    world: World,
    /// All nodes that run, and the agents among them.
    nodes: Vec<NodeIndex>,
    agents: Vec<NodeIndex>,
    forgotten: Vec<NodeIndex>,
}

/// One of some, whatever the byte.
fn pick<T: Copy>(items: &[T], byte: u8) -> T {
    items[usize::from(byte) % items.len()]
}

/// From 16 microseconds to a second, as fine as it is short; nothing for 0.
fn pause(byte: u8) -> Duration {
    if byte == 0 {
        return Duration::ZERO;
    }
    Duration::from_micros((16 + u64::from(byte & 15)) << (byte >> 4))
}

/// What befalls packets.
fn conditions(how: u8) -> Conditions {
    let share = f64::from(how >> 4) / 15.0;
    let lan = Conditions::lan();
    match how & 7 {
        0 => lan,
        1 => lan.with_loss(share),
        2 => Conditions { duplicate: share, ..lan },
        3 => Conditions { reorder: share, ..lan },
        4 => Conditions { corrupt: share / 8.0, ..lan },
        5 => Conditions { burst: 4.0, ..lan.with_loss(share / 2.0) },
        6 => Conditions { duplicate: share, reorder: share, ..lan.with_loss(share / 4.0) },
        _ => Conditions { jitter: Duration::from_millis(u64::from(how >> 4) * 4), ..lan },
    }
}

fn question(how: u8) -> Question {
    let patterns = ["app.number", "app.load", "app.ticks app.load", "app", "**", "app.nothing"];
    match how & 7 {
        0 => Question::ping(),
        1 => Question::schema(),
        2 => Question::set("app.greeting", format!("hello {}", how >> 5)),
        3 => Question::set("app.greeting", "hello").only(["a0001", "a0003"]),
        _ => narrowed(Question::get(pick(&patterns, how >> 3)), how >> 6),
    }
}

fn watch(how: u8) -> Question {
    let patterns = ["app.ticks", "app.ticks app.text", "app", "app.greeting", "app.bulk"];
    let watch = Question::watch(pick(&patterns, how >> 2));
    match how & 3 {
        0 => watch,
        1 => watch.every(Duration::from_millis(20 + 4 * u64::from(how))),
        2 => watch.predicate(pick(&["app.ticks > 4", "app.number < 5"], how >> 5)),
        _ => watch.only(["a0001", "a0002"]),
    }
}

fn narrowed(question: Question, how: u8) -> Question {
    match how {
        1 => question.label("role", "web"),
        2 => question.predicate("app.number < 5").expect("nobody"),
        3 => question.on("a0002"),
        _ => question,
    }
}

fn pace(how: u8) -> Pace {
    let slow = Duration::from_millis(u64::from(how >> 4) * 10);
    let packet = Duration::from_micros(u64::from(how & 3) * 200);
    Pace { packet, buffer_max: 4 + usize::from(how), sample: slow, write: slow }
}

impl Story {
    fn begin(shape: u8, seed: u8) -> Self {
        let clients = 1 + u32::from(shape >> 2 & 1);
        let setup = Setup {
            agents: (2 + u32::from(shape & 3)).min(NODES_MAX - clients),
            clients,
            never: u32::from(shape >> 3 & 1),
            bulk: if shape & 16 == 0 { 0 } else { 100 },
            tick: Some(Duration::from_millis(500)),
            opens_once: shape & 32 == 0,
            ..Setup::default()
        };
        let mut world = World::new(u64::from(seed), &setup);
        world.run(WARM_UP);
        let nodes = world.nodes().map(|(index, _)| index).collect();
        let agents = world.agents();
        Self { world, nodes, agents, forgotten: Vec::new() }
    }

    fn step(&mut self, [what, who, how, long]: [u8; 4]) {
        if let Some(change) = self.change(what, who, how) {
            self.world.change(change);
        }
        self.world.run(pause(long));
    }

    /// What a step does; none where it only lets time pass.
    fn change(&mut self, what: u8, who: u8, how: u8) -> Option<Change> {
        let (node, agent) = (pick(&self.nodes, who), pick(&self.agents, who));
        let other = pick(&self.nodes, who >> 4);
        Some(match what % 28 {
            0..=5 => Change::Ask(node, Box::new(question(how))),
            6 => {
                let base = pause(how | 0x80);
                let deadline = Deadline { base, extended: base * 2 };
                Change::Ask(node, Box::new(Question { deadline, ..question(who) }))
            }
            7 | 8 => Change::Ask(node, Box::new(watch(how))),
            9 => {
                let number = 1 + u64::from(how) % self.world.next_number();
                Change::Unwatch(self.world.questions().get(&number)?.asker, number)
            }
            10 => Change::Between(node, other, conditions(how)),
            11 => Change::From(node, conditions(how)),
            12 => Change::To(node, conditions(how)),
            13 => Change::Everywhere(conditions(how)),
            14 => Change::Heal,
            15 => Change::Partition(vec![vec![node], vec![other]]),
            16 => Change::Crash(node),
            17 | 18 => Change::Start(node),
            19 => Change::Leave(node),
            20 => Change::Pause(node),
            21 => Change::Resume(node),
            22 => Change::Pace(node, pace(how)),
            23 => self.oddity(node, how),
            24 => self.forget(agent, other)?,
            25 => Change::Publish(agent, TEXT.to_owned(), Value::from(how.to_string())),
            26 => Change::Remove(agent, TEXT.to_owned()),
            _ => {
                self.world.run(Duration::from_millis(100 * u64::from(how)));
                return None;
            }
        })
    }

    /// What is seldom wrong with a host.
    fn oddity(&self, node: NodeIndex, how: u8) -> Change {
        let other = pick(&self.nodes, how >> 3);
        match how & 7 {
            0 => Change::Firewall(node, Firewall::Stateful),
            1 => Change::Firewall(node, Firewall::Open),
            2 => Change::Detach(node, MAIN),
            3 => Change::Attach(node, MAIN),
            4 => Change::DiskFull(node, how & 8 == 0),
            5 => Change::Skew(node, (i64::from(how >> 3) - 16) * 7_200_000),
            6 => Change::Link(node),
            _ => Change::Ping(node, self.world.node(other).name.clone()),
        }
    }

    /// The authority forgets an agent, never the last one, and one node learns of it first.
    fn forget(&mut self, agent: NodeIndex, told: NodeIndex) -> Option<Change> {
        if self.forgotten.contains(&agent) || self.forgotten.len() + 1 == self.agents.len() {
            return None;
        }
        self.forgotten.push(agent);
        let name = self.world.node(agent).name.clone();
        let version = self.world.realm.forget(&name);
        Some(Change::Members(told, version))
    }

    /// Everything is made well; then all must answer, and every watch must have told all.
    fn end(mut self) {
        for &node in &self.nodes {
            self.world.change(Change::Firewall(node, Firewall::Open));
            self.world.change(Change::Attach(node, MAIN));
        }
        scenario::settle(&mut self.world);
        self.world.conclude();
        let violations = self.world.violations();
        assert!(violations.is_empty(), "{}", violations.join("\n"));
    }
}
