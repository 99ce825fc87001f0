//! Scenarios through the public API of the core, with fake time and a perfect wire unless told
//! otherwise. Faults by the thousand are the simulator's affair.

mod account;
mod held_up;
mod hostile;
mod limits;
mod lists;
mod moved;
mod named;
mod overtaken;
mod paced;
mod packets;
mod powers;
mod presence;
mod proof;
mod ring;
mod stale;
mod starved;
mod topics;
mod unanswered;
mod watch;
mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::io::{Datagram, Destination, Transmit};
use crate::keys::authority::Authority;
use crate::keys::credential::{Network, Scope};
use crate::keys::members::MemberEdit;
use crate::keys::subject::{Labels, Roles, Subject};
use crate::question::report::{Class, SetResult};
use crate::question::report::{EmptyReason, Outcome, RefusalReason, Reply, Report, SetOutcome};
use crate::question::{Ask, AskError, QuestionId, SetRequest, Verb};
use crate::select::{Glob, Predicate, Selector};
use crate::stats::Dropped;
use crate::value::{Type, Value};
use crate::variable::{Assigned, Constraint, Definition, Kind as Behaviour, Update, Version};

/// A realm and the processes of its nodes, on one link.
struct Bench {
    now: Now,
    nodes: Vec<Process>,
    /// Says whether this packet, counted from 0, is lost on the way to this node.
    lost: Box<dyn Fn(usize, usize) -> bool>,
    /// Says whether nothing comes through from one node to another.
    parted: Option<Box<dyn Fn(usize, usize) -> bool>>,
    /// A node behind a firewall that lets in only what comes by unicast from where it sent to.
    walled: Option<(usize, BTreeSet<SocketAddrV6>)>,
    /// Whether all unicast is lost.
    unicast_lost: bool,
    /// Whether the shells take orders to write, and never say what became of them.
    writes_hang: bool,
    sent: Vec<(usize, Transmit)>,
    events: Vec<(usize, Event)>,
}

struct Process {
    endpoint: Endpoint,
    address: SocketAddrV6,
    /// All of its addresses, where they matter.
    addresses: Vec<SocketAddrV6>,
    groups: Vec<Ipv6Addr>,
    up: bool,
    settings: BTreeMap<String, (Value, Version)>,
}

impl Process {
    fn owns(&self, address: &SocketAddrV6) -> bool {
        let mut own = self.addresses.iter().chain([&self.address]);
        own.any(|own| own.ip() == address.ip())
    }

    /// The own address of the kind of another one, else the first.
    fn towards(&self, other: &SocketAddrV6) -> SocketAddrV6 {
        let near = other.ip().is_unicast_link_local();
        let found = self.addresses.iter().find(|it| it.ip().is_unicast_link_local() == near);
        *found.unwrap_or(&self.address)
    }
}

fn subject(name: &str, kind: Kind, role: &str) -> Subject {
    let wall = Timestamp::from_millis(1_000_000_000_000);
    Subject {
        labels: Labels::new([("role".to_owned(), role.to_owned())]).unwrap(),
        roles: Roles::new([role.to_owned()]).unwrap(),
        not_before: wall.saturating_sub(Duration::from_secs(3600)),
        not_after: wall.saturating_add(Duration::from_secs(3600 * 24 * 365)),
        ..Subject::plain(name, kind, wall)
    }
}

fn network() -> Network {
    Network { interfaces: Vec::new(), scope: Scope::Site, port: 24242 }
}

/// Client `client` (operator), client `guest`, and agents `n0`, `n1`, ...
fn bench(agents: usize) -> Bench {
    let mut random = Random::from_seed([9; 32]);
    let authority = Authority::create("prod", &mut random).unwrap();
    let mut subjects =
        vec![subject("client", Kind::Client, "operator"), subject("guest", Kind::Client, "guest")];
    subjects.extend((0..agents).map(|index| subject(&format!("n{index}"), Kind::Agent, "web")));
    let wall = Timestamp::from_millis(1_000_000_000_000);
    let enrolled =
        authority.enroll(MemberEdit::first(), &subjects, &network(), wall, &mut random).unwrap();
    let now = Now { instant: Instant::from_micros(5_000_000), wall };
    let mut bench = Bench {
        now,
        nodes: Vec::new(),
        lost: Box::new(|_, _| false),
        parted: None,
        walled: None,
        unicast_lost: false,
        writes_hang: false,
        sent: Vec::new(),
        events: Vec::new(),
    };
    for credential in enrolled.credentials {
        bench.add(credential);
    }
    bench.settle();
    bench.sent.clear();
    bench
}

fn setting() -> Definition {
    Definition {
        template: "app.greeting".to_owned(),
        value_type: Type::Text,
        unit: String::new(),
        description: "What it says".to_owned(),
        kind: Behaviour::Setting,
        setting: Some(Constraint { length_max: Some(8), ..Constraint::default() }),
    }
}

impl Bench {
    fn add(&mut self, credential: impl Into<Arc<Credential>>) {
        let index = self.nodes.len();
        let seed = [u8::try_from(index + 1).unwrap(); 32];
        let mut endpoint = Endpoint::new(Config::default(), credential.into(), seed, self.now);
        let load = Definition {
            template: "app.load".to_owned(),
            value_type: Type::Int,
            unit: "{thread}".to_owned(),
            description: String::new(),
            kind: Behaviour::Gauge,
            setting: None,
        };
        let value = i64::try_from(index).unwrap();
        let update = |name: &str, value: Value| Update {
            name: name.parse().unwrap(),
            value,
            time: None,
            version: None,
        };
        let now = self.now;
        endpoint
            .change(|table| {
                table.define(load)?;
                table.define(setting())?;
                table.update(now, update("app.load", Value::Int(value)))?;
                table.update(now, update("app.greeting", Value::from("hi")))
            })
            .unwrap();
        let ip = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, u16::try_from(index + 1).unwrap());
        let address = SocketAddrV6::new(ip, 24242, 0, 0);
        let link = Link { index: 2, addresses: vec![address], multicast: true };
        endpoint.handle_input(self.now, Input::Links(vec![link]));
        let settings = BTreeMap::new();
        self.nodes.push(Process {
            endpoint,
            address,
            addresses: Vec::new(),
            groups: Vec::new(),
            up: true,
            settings,
        });
    }

    /// Carries outputs out until there are none at this instant.
    fn settle(&mut self) {
        loop {
            let mut busy = false;
            for index in 0..self.nodes.len() {
                while let Some(output) = self.nodes[index].endpoint.poll_output() {
                    busy = true;
                    self.carry_out(index, output);
                }
            }
            if !busy {
                return;
            }
        }
    }

    fn carry_out(&mut self, index: usize, output: Output) {
        match output {
            Output::Join(group) => self.nodes[index].groups.push(group),
            Output::Leave(group) => self.nodes[index].groups.retain(|it| *it != group),
            Output::Transmit(transmit) => self.deliver(index, transmit),
            Output::Event(Event::Sample(id, _)) => self.input(index, Input::Sampled(id)),
            Output::Event(Event::Set(..)) if self.writes_hang => {}
            Output::Event(Event::Set(id, order)) => {
                let results = self.store(index, &order);
                self.input(index, Input::SetDone(id, results));
            }
            Output::Event(event) => self.events.push((index, event)),
        }
    }

    fn store(&mut self, index: usize, order: &crate::question::SetOrder) -> Vec<SetResult> {
        let now = self.now;
        let node = &mut self.nodes[index];
        let store = |(name, value): &(crate::name::Name, Value)| {
            let held = node.endpoint.table().entry(name).map(|it| it.version);
            let conflict = order.if_version.is_some_and(|wanted| Some(wanted) != held);
            if !conflict {
                let (name, value) = (name.clone(), value.clone());
                let update = Update { name, value, time: None, version: None };
                node.endpoint.change(|table| table.update(now, update)).unwrap();
            }
            SetResult {
                name: name.to_string(),
                outcome: if conflict { SetOutcome::Conflict } else { SetOutcome::Applied },
                message: String::new(),
                version: node.endpoint.table().entry(name).map(|it| it.version),
            }
        };
        let results: Vec<SetResult> = order.assignments.iter().map(store).collect();
        node.settings.clear();
        results
    }

    fn deliver(&mut self, from: usize, transmit: Transmit) {
        let Some(source) = self.source(from, &transmit) else { return };
        let number = self.sent.len();
        self.open_wall(from, &transmit.to);
        for to in 0..self.nodes.len() {
            let node = &self.nodes[to];
            let (reaches, multicast) = match transmit.to {
                Destination::Group(group) => (node.groups.contains(&group), true),
                Destination::Unicast(to) => (node.owns(&to), false),
                Destination::Neighbours => (to != from, false),
            };
            if !reaches || !node.up || to == from || (self.lost)(number, to) {
                continue;
            }
            let parted = self.parted.as_ref().is_some_and(|parted| parted(from, to));
            let walled = self.walled.as_ref().filter(|(index, _)| *index == to);
            let parted = parted || walled.is_some_and(|(_, to)| multicast || !to.contains(&source));
            if parted || (self.unicast_lost && !multicast) {
                continue;
            }
            let datagram = Datagram {
                from: source,
                local: node.towards(&source),
                multicast,
                waited: Duration::ZERO,
                bytes: &transmit.bytes,
            };
            self.nodes[to].endpoint.handle_input(self.now, Input::Datagram(datagram));
        }
        self.sent.push((from, transmit));
    }

    /// Lets answers in to a node behind a firewall that sends this.
    fn open_wall(&mut self, from: usize, to: &Destination) {
        let Some((_, opened)) = self.walled.as_mut().filter(|(index, _)| *index == from) else {
            return;
        };
        match to {
            Destination::Unicast(to) => drop(opened.insert(*to)),
            Destination::Neighbours => opened.extend(self.nodes.iter().map(|it| it.address)),
            Destination::Group(_) => {}
        }
    }

    /// Moves a node to these addresses, which are all of it from here on: multicast leaves from the
    /// first, and a route leads only to what begins like one of them.
    fn place(&mut self, index: usize, addresses: &[&str]) {
        let addresses: Vec<SocketAddrV6> = addresses.iter().map(|it| it.parse().unwrap()).collect();
        let node = &mut self.nodes[index];
        (node.address, node.addresses) = (addresses[0], addresses.clone());
        let link = Link { index: 2, addresses, multicast: true };
        self.input(index, Input::Links(vec![link]));
    }

    /// Where a packet leaves from; nowhere from an address that is given up, or without a route.
    fn source(&mut self, from: usize, transmit: &Transmit) -> Option<SocketAddrV6> {
        let node = &self.nodes[from];
        let Destination::Unicast(to) = transmit.to else { return Some(node.address) };
        if node.addresses.is_empty() {
            return Some(node.address);
        }
        let prefix = |it: &SocketAddrV6| it.ip().octets()[..8].to_vec();
        if !node.addresses.iter().any(|own| prefix(own) == prefix(&to)) {
            self.input(from, Input::Unreachable(to));
            return None;
        }
        let source = transmit.source.unwrap_or(node.towards(&to));
        node.addresses.contains(&source).then_some(source)
    }

    /// Gives `n0` 20 kilobytes of values.
    fn fill(&mut self) {
        for index in 0..500 {
            let now = self.now;
            let definition = Definition { template: format!("big.v{index}"), ..setting() };
            let name = definition.template.parse().unwrap();
            let update = Update { name, value: Value::from("value"), time: None, version: None };
            let define = |table: &mut Table| {
                table.define(definition)?;
                table.update(now, update)
            };
            self.nodes[2].endpoint.change(define).unwrap();
        }
    }

    fn input(&mut self, index: usize, input: Input<'_>) {
        self.nodes[index].endpoint.handle_input(self.now, input);
    }

    /// Lets time pass up to `until`, or until a question has ended.
    fn run(&mut self, until: Duration, done: impl Fn(&[(usize, Event)]) -> bool) {
        let end = self.now.instant + until;
        self.settle();
        while !done(&self.events) {
            let up = self.nodes.iter().filter(|node| node.up);
            let Some(due) = up.filter_map(|node| node.endpoint.poll_timeout()).min() else {
                return;
            };
            if due > end {
                self.advance(end.since(self.now.instant));
                return;
            }
            self.advance(due.since(self.now.instant));
            for node in self.nodes.iter_mut().filter(|node| node.up) {
                if node.endpoint.poll_timeout().is_some_and(|due| due <= self.now.instant) {
                    node.endpoint.handle_timeout(self.now);
                }
            }
            self.settle();
        }
    }

    fn advance(&mut self, by: Duration) {
        self.now.instant = self.now.instant + by;
        self.now.wall = self.now.wall.saturating_add(by);
    }

    /// Lets time pass.
    fn pass(&mut self, time: Duration) {
        let end = self.now.instant + time;
        self.run(time, |_| false);
        self.advance(end.since(self.now.instant));
    }

    /// Asks from a node and waits for the end.
    fn ask(&mut self, index: usize, ask: Ask) -> (Vec<Reply>, Report) {
        let id = QuestionId(self.events.len() as u64 + 1);
        self.events.clear();
        self.input(index, Input::Ask(id, Box::new(ask)));
        let done = move |events: &[(usize, Event)]| {
            events.iter().any(|(_, it)| matches!(it, Event::Done(done, _) if *done == id))
        };
        self.run(Duration::from_secs(10), done);
        let mut replies = Vec::new();
        let mut report = None;
        for (_, event) in &self.events {
            match event {
                Event::Reply(_, reply) => replies.push(reply.clone()),
                Event::Done(_, done) => report = Some(done.clone()),
                _ => {}
            }
        }
        replies.sort_by(|left, right| left.node.cmp(&right.node));
        (replies, report.expect("every question ends"))
    }
}

fn get(pattern: &str, selector: Selector) -> Ask {
    Ask { selector, ..Ask::new(Verb::Get(vec![pattern.parse().unwrap()])) }
}

fn set(text: &str, if_version: Option<Version>) -> Ask {
    let assignments = vec![("app.greeting".parse().unwrap(), Assigned::Text(text.to_owned()))];
    let request = SetRequest { assignments, if_version, dry_run: false };
    Ask { verb: Verb::Set(request), ..get("app.load", Selector::default()) }
}

fn questions(bench: &Bench) -> usize {
    let by_client = bench.sent.iter().filter(|(from, _)| *from == 0);
    by_client.filter(|(_, it)| matches!(it.to, Destination::Group(_))).count()
}

#[test]
fn one_packet_asks_everybody_and_everybody_answers() {
    let mut bench = bench(10);
    let (replies, report) = bench.ask(0, get("app", Selector::default()));
    assert_eq!((report.expected, report.answered, report.rounds), (10, 10, 1));
    assert!(report.is_complete() && report.heard);
    assert_eq!(questions(&bench), 1);
    assert_eq!(replies.len(), 10);
    let Outcome::Values(values) = &replies[3].outcome else { panic!("{replies:?}") };
    let value = &values[1];
    assert_eq!((value.name.as_str(), &*value.unit), ("app.load", "{thread}"));
    assert_eq!(value.value, Value::Int(5));
    // A second question to peers that know each other costs the same.
    let (replies, report) = bench.ask(0, get("app.load", Selector::default()));
    assert_eq!((replies.len(), report.answered, report.questions_sent), (10, 10, 1));
}

#[test]
fn an_agent_that_asks_answers_itself_too() {
    let mut bench = bench(3);
    let (replies, report) = bench.ask(2, get("app.load", Selector::default()));
    assert_eq!((replies.len(), report.expected, report.answered), (3, 3, 3));
    assert!(report.elapsed < Duration::from_millis(40), "{:?}", report.elapsed);
}

/// [QST-11]
#[test]
fn silent_nodes_are_missing_and_named_with_when_they_were_last_heard() {
    let mut bench = bench(4);
    bench.nodes[3].up = false;
    let (replies, report) = bench.ask(0, get("app.load", Selector::default()));
    assert_eq!((replies.len(), report.answered, report.missing.len()), (3, 3, 1));
    assert_eq!(report.missing[0].node, "n1");
    assert!(report.missing[0].last_heard.is_some());
    assert!(!report.missing[0].outcome_unknown);
    assert_eq!(report.elapsed, Duration::from_secs(1));
}

#[test]
fn nodes_that_are_known_to_be_gone_do_not_hold_the_question_up() {
    let mut bench = bench(4);
    bench.nodes[3].up = false;
    bench.run(Duration::from_secs(12), |_| false);
    let (_, report) = bench.ask(0, get("app.load", Selector::default()));
    assert_eq!((report.answered, report.missing.len()), (3, 1));
    assert!(report.elapsed < Duration::from_millis(700), "{:?}", report.elapsed);
    let state = |bench: &Bench, name: &str| {
        let nodes = bench.nodes[2].endpoint.nodes(bench.now);
        nodes.into_iter().find(|node| node.name == name).unwrap().state
    };
    assert_eq!([state(&bench, "n1"), state(&bench, "n2")], [State::Gone, State::Alive]);
}

/// [QST-13] [QST-14] [QST-15]
#[test]
fn lost_packets_are_asked_for_again_until_everybody_has_answered() {
    for seed in 0..20_usize {
        let mut bench = bench(12);
        // A fifth of all packets, by a hash of their number.
        bench.lost = Box::new(move |number, to| {
            let mixed = (number * 31 + to * 7 + seed * 1013).wrapping_mul(2_654_435_761);
            (mixed >> 7) % 5 == 0
        });
        let (replies, report) = bench.ask(0, get("app.load", Selector::default()));
        assert_eq!((replies.len(), report.answered), (12, 12), "seed {seed}: {report:?}");
        assert!(report.elapsed < Duration::from_secs(3));
    }
}

/// [SEC-40]
#[test]
fn nobody_verifies_what_is_asked_again_of_others() {
    let mut bench = bench(3);
    bench.pass(Duration::from_secs(1));
    bench.nodes[3].up = false;
    let verified = |bench: &Bench| bench.nodes[2].endpoint.stats().verified;
    let before = verified(&bench);
    let (_, report) = bench.ask(0, get("app.load", Selector::default()));
    assert_eq!((report.answered, report.missing.len()), (2, 1));
    assert!(report.rounds > 7);
    // The question once, what the asker wants to know of the silent one, and signs of life.
    assert!(verified(&bench) - before < 10);
}

#[test]
fn predicates_are_evaluated_at_the_node() {
    let mut bench = bench(4);
    let predicate = |text: &str| Selector {
        predicate: Some(Predicate::parse(text).unwrap()),
        ..Selector::default()
    };
    let (replies, report) = bench.ask(0, get("app.load", predicate("app.load > 3")));
    assert_eq!((replies.len(), report.answered), (4, 2));
    assert_eq!(report.empty_for(EmptyReason::NoMatch), 2);
    let (_, report) = bench.ask(0, get("app.load", predicate("app.other > 3")));
    assert_eq!(report.empty_for(EmptyReason::Undefined), 4);
    let (_, report) = bench.ask(0, get("app.load", predicate("app.load / 0 > 1")));
    assert_eq!(report.error.len(), 4);
    let (_, report) = bench.ask(0, get("other.name", Selector::default()));
    assert_eq!(report.empty_for(EmptyReason::NoVariable), 4);
    assert_eq!(report.rounds, 1);
}

/// [QST-10]
#[test]
fn names_that_must_answer_are_expected_known_or_not() {
    let mut bench = bench(3);
    let on = Selector { on: Glob::list("n0").unwrap(), ..Selector::default() };
    let ask = Ask { expect: vec!["n1".to_owned(), "nobody".to_owned()], ..get("app.load", on) };
    let (_, report) = bench.ask(0, ask);
    assert_eq!((report.expected, report.answered), (3, 1));
    let names: Vec<&str> = report.missing.iter().map(|it| it.node.as_str()).collect();
    assert_eq!(names, ["n1", "nobody"]);
    let only = Some(vec!["n1".to_owned(), "n2".to_owned()]);
    let (replies, report) = bench.ask(0, Ask { only, ..get("app.load", Selector::default()) });
    assert_eq!((report.expected, report.answered, replies.len()), (2, 2, 2));
}

/// [SEC-74]
#[test]
fn settings_are_written_by_operators_only() {
    let mut bench = bench(3);
    let (replies, report) = bench.ask(0, set("hello", None));
    assert_eq!(report.answered, 3);
    let Outcome::Set(results) = &replies[0].outcome else { panic!("{replies:?}") };
    assert_eq!(results[0].outcome, SetOutcome::Applied);
    let version = results[0].version;
    let (_, report) = bench.ask(1, set("guest", None));
    assert_eq!(report.refused.len(), 3);
    assert_eq!(report.refused[0].refusal.reason, RefusalReason::Role);
    let (_, report) = bench.ask(0, set("far too long", None));
    assert_eq!(report.error.len(), 3);
    assert!(report.error[0].failure.message.contains("more than the most, 8"), "{report:?}");
    let stale = Some(Version { incarnation: 9, counter: 9 });
    let (replies, report) = bench.ask(0, set("third", stale));
    assert_eq!((report.error.len(), replies[0].outcome.class()), (3, Class::Error));
    let (_, report) = bench.ask(0, set("third", version));
    assert_eq!(report.answered, 3);
}

#[test]
fn what_can_only_be_read_is_no_setting_and_keeps_the_others_from_being_written() {
    let mut bench = bench(1);
    let assigned = |name: &str, text: &str| (name.parse().unwrap(), Assigned::Text(text.into()));
    let assignments = vec![assigned("app.greeting", "new"), assigned("app.load", "7")];
    let request = SetRequest { assignments, if_version: None, dry_run: false };
    let ask = Ask { verb: Verb::Set(request), ..get("app.load", Selector::default()) };
    let (replies, report) = bench.ask(0, ask);
    let Outcome::Set(results) = &replies[0].outcome else { panic!("{replies:?}") };
    assert_eq!(results[0].outcome, SetOutcome::Unchanged);
    assert_eq!(results[0].message, "not written, because 'app.load' is not");
    assert_eq!(results[1].outcome, SetOutcome::NoSuchVariable);
    assert_eq!(report.error.len(), 1);
}

#[test]
fn a_value_too_long_for_a_packet_is_named_with_the_room_there_is() {
    let mut bench = bench(1);
    let error = |bench: &mut Bench, length: usize| {
        bench.events.clear();
        let ask = Box::new(set(&"x".repeat(length), None));
        bench.input(0, Input::Ask(QuestionId(length as u64), ask));
        bench.settle();
        bench.events.iter().find_map(|(_, event)| match event {
            Event::Failed(_, error) => Some(error.clone()),
            _ => None,
        })
    };
    let Some(AskError::ValueTooLarge { name, found: 3000, max }) = error(&mut bench, 3000) else {
        panic!("no such error")
    };
    assert_eq!(name, "app.greeting");
    assert!(max >= 512, "{max}: less than a setting may allow");
    assert!(matches!(error(&mut bench, max + 1), Some(AskError::ValueTooLarge { .. })));
    assert_eq!(error(&mut bench, max), None);
}

#[test]
fn a_set_without_an_answer_has_an_unknown_outcome() {
    let mut bench = bench(2);
    bench.nodes[2].up = false;
    let (_, report) = bench.ask(0, set("hello", None));
    assert_eq!((report.answered, report.missing.len()), (1, 1));
    assert!(report.missing[0].outcome_unknown);
}

#[test]
fn two_thousand_variables_come_in_pages_also_under_loss() {
    for loss in [0_usize, 5] {
        let mut bench = bench(2);
        for index in 0..2000 {
            let now = bench.now;
            let template = format!("big.v{index}");
            let definition = Definition { template: template.clone(), ..setting() };
            let value = Value::from(format!("value {index}"));
            let name = template.parse().unwrap();
            let update = Update { name, value, time: None, version: None };
            let define = |table: &mut Table| {
                table.define(definition)?;
                table.update(now, update)
            };
            bench.nodes[2].endpoint.change(define).unwrap();
        }
        bench.lost = Box::new(move |number, _| loss > 0 && number % 7 == loss);
        let (replies, report) = bench.ask(0, get("**", Selector::default()));
        assert!(report.is_complete(), "{report:?}");
        let Outcome::Values(values) = &replies[0].outcome else { panic!("no values") };
        assert_eq!(values.len(), 2002);
        assert!(values.iter().any(|it| it.value == Value::from("value 1999")));
        assert!(bench.sent.iter().all(|(_, it)| it.bytes.len() <= 1152));
    }
}

/// [QST-20]
#[test]
fn replayed_and_re_sourced_questions_draw_nothing() {
    let mut bench = bench(1);
    bench.ask(0, get("app.load", Selector::default()));
    let question = bench.sent.iter().find(|(from, _)| *from == 0).unwrap().1.bytes.clone();
    let elsewhere = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 24242, 0, 0);
    let client = bench.nodes[0].address;
    let mut fresh = Endpoint::new(
        Config::default(),
        bench.nodes[2].endpoint.credential.clone(),
        [77; 32],
        bench.now,
    );
    let local = bench.nodes[2].address;
    let link = Link { index: 2, addresses: vec![local], multicast: true };
    fresh.handle_input(bench.now, Input::Links(vec![link]));
    while fresh.poll_output().is_some() {}
    let hear = |endpoint: &mut Endpoint, from| {
        let datagram =
            Datagram { from, local, multicast: true, waited: Duration::ZERO, bytes: &question };
        endpoint.handle_input(bench.now, Input::Datagram(datagram));
        let mut sent = 0;
        while let Some(output) = endpoint.poll_output() {
            sent += usize::from(matches!(output, Output::Transmit(_)));
        }
        sent
    };
    assert_eq!(hear(&mut bench.nodes[2].endpoint, client), 0);
    assert_eq!(bench.nodes[2].endpoint.stats().dropped(Dropped::Replay), 1);
    assert_eq!(hear(&mut fresh, elsewhere), 0);
    assert_eq!(fresh.stats().dropped(Dropped::Source), 1);
}

/// [SEC-41] [SEC-72]: a guest that signs, as itself, under the sender id of an operator.
#[test]
fn nobody_takes_over_the_sender_id_of_another_member() {
    for is_known_before in [true, false] {
        takes_nothing_over(is_known_before);
    }
}

/// A member sends under the sender id of another, which the agent has heard before or not.
fn takes_nothing_over(is_known_before: bool) {
    let mut bench = bench(1);
    if is_known_before {
        bench.ask(0, get("app.load", Selector::default()));
    }
    let guest = bench.nodes[1].endpoint.credential.clone();
    let mut double = Endpoint::new(Config::default(), guest.clone(), [1; 32], bench.now);
    double.sender = bench.nodes[0].endpoint.sender;
    double.group_keys = GroupKeys::new(guest.realm(), &guest.epoch().secret, double.sender);
    let link = Link { index: 2, addresses: vec![bench.nodes[1].address], multicast: true };
    double.handle_input(bench.now, Input::Links(vec![link]));
    bench.nodes[1].endpoint = double;
    let (_, report) = bench.ask(1, get("app.load", Selector::default()));
    assert_eq!((report.expected, report.answered), (1, 0));
    assert!(bench.nodes[2].endpoint.stats().dropped(Dropped::Taken) > 0);
    let (_, report) = bench.ask(0, get("app.load", Selector::default()));
    assert_eq!((report.expected, report.answered), (1, 1));
}

#[test]
fn bytes_that_are_no_packets_are_counted_and_change_nothing() {
    let mut bench = bench(1);
    bench.ask(0, get("app.load", Selector::default()));
    let packets: Vec<Arc<[u8]>> = bench.sent.iter().map(|(_, it)| it.bytes.clone()).collect();
    let from = bench.nodes[0].address;
    let sizes = bench.nodes[2].endpoint.sizes();
    let mut newer = 0;
    for packet in packets {
        for place in 0..packet.len() {
            let mut bytes = packet.to_vec();
            bytes[place] ^= 0x40;
            for bytes in [&bytes[..], &bytes[..place]] {
                let datagram =
                    Datagram { from, local: from, multicast: true, waited: Duration::ZERO, bytes };
                let node = &mut bench.nodes[2].endpoint;
                let verified = node.stats().verified;
                node.handle_input(bench.now, Input::Datagram(datagram));
                assert_eq!(node.stats().verified, verified);
                while let Some(output) = node.poll_output() {
                    assert!(matches!(output, Output::Event(Event::NewerVersion(..))), "{output:?}");
                    newer += 1;
                }
            }
        }
    }
    assert_eq!(newer, 1, "told of once");
    assert_eq!(bench.nodes[2].endpoint.sizes(), sizes);
}

/// [PRE-8]
#[test]
fn a_newer_member_list_reaches_everybody_and_new_members_are_expected() {
    let mut random = Random::from_seed([9; 32]);
    let authority = Authority::create("prod", &mut random).unwrap();
    let wall = Timestamp::from_millis(1_000_000_000_000);
    let mut bench = bench(3);
    let edit = bench.nodes[0].endpoint.members().edit();
    let newcomer = [subject("n9", Kind::Agent, "web")];
    let enrolled = authority.enroll(edit, &newcomer, &network(), wall, &mut random).unwrap();
    let credential = enrolled.credentials.into_iter().next().unwrap();
    bench.add(credential);
    bench.run(Duration::from_secs(5), |_| false);
    let versions: Vec<u64> =
        bench.nodes.iter().map(|node| node.endpoint.members().version()).collect();
    assert!(versions.iter().all(|version| *version == 2), "{versions:?}");
    let (_, report) = bench.ask(0, get("app.load", Selector::default()));
    assert_eq!((report.expected, report.answered), (4, 4));
}

/// [PRE-9]
#[test]
fn whoever_leaves_says_so() {
    let mut bench = bench(2);
    bench.input(2, Input::Leave);
    bench.settle();
    bench.nodes[2].up = false;
    let nodes = bench.nodes[3].endpoint.nodes(bench.now);
    let left = nodes.iter().find(|node| node.name == "n0").unwrap();
    assert_eq!(left.state, State::Left);
}

#[test]
fn whoever_asks_for_signs_of_life_hears_of_clients_too() {
    let mut bench = bench(3);
    bench.ask(1, get("app.load", Selector::default()));
    let ping = || Ask { verb: Verb::Ping, ..get("app.load", Selector::default()) };
    bench.ask(0, ping());
    let state = |bench: &Bench| {
        let nodes = bench.nodes[0].endpoint.nodes(bench.now);
        nodes.into_iter().find(|node| node.name == "guest").unwrap().state
    };
    assert_eq!(state(&bench), State::Alive);
    bench.run(Duration::from_secs(32), |_| false);
    assert_eq!(state(&bench), State::Left);
}

#[test]
fn large_replies_do_not_hold_up_a_question_with_a_dead_node() {
    let mut bench = bench(3);
    bench.fill();
    bench.nodes[4].up = false;
    // The first words arrive; of the pages a quarter is lost, so that they come in later rounds.
    bench.lost = Box::new(|number, to| to == 0 && number > 6 && number % 4 == 0);
    let (_, report) = bench.ask(0, get("big", Selector::default()));
    assert_eq!((report.answered, report.empty.len(), report.missing.len()), (1, 1, 1));
    assert_eq!(report.elapsed, Duration::from_secs(1), "{report:?}");
}
