//! Watches: leases, changes, gaps, those who come and go.

use super::*;
use crate::question::WatchRequest;
use crate::question::Way;
use crate::question::answering::Asked;
use crate::question::watched::{LEASE_MAX, LEASES_OF_MEMBER_MAX, TOPICS_OF_MEMBER_MAX};
use crate::question::watching::{LeaveReason, WatchEvent, Watching};
use crate::wire::watch::{Change, ChangeFrame, TopicId};

pub(super) fn watch(pattern: &str, selector: Selector) -> Ask {
    let patterns = vec![pattern.parse().unwrap()];
    let request = WatchRequest { patterns, ..WatchRequest::default() };
    Ask { verb: Verb::Watch(request), ..get(pattern, selector) }
}

pub(super) fn at_predicate(text: &str) -> Selector {
    Selector { predicate: Some(text.parse::<Predicate>().unwrap()), ..Selector::default() }
}

impl Bench {
    /// Begins to watch; what the nodes hold at first.
    pub(super) fn begin(&mut self, index: usize, ask: Ask) -> (QuestionId, Report) {
        let id = QuestionId(1000 + self.sent.len() as u64);
        self.input(index, Input::Ask(id, Box::new(ask)));
        let done = move |events: &[(usize, Event)]| {
            events.iter().any(|(_, it)| matches!(it, Event::Done(done, _) if *done == id))
        };
        self.run(Duration::from_secs(5), done);
        self.pass(Duration::from_millis(20));
        let report = self.events.iter().find_map(|(_, event)| match event {
            Event::Done(done, report) if *done == id => Some(report.clone()),
            _ => None,
        });
        (id, report.unwrap())
    }

    pub(super) fn publish(&mut self, index: usize, name: &str, value: Value) {
        let now = self.now;
        let update = Update { name: name.parse().unwrap(), value, time: None, version: None };
        self.nodes[index].endpoint.change(|table| table.update(now, update)).unwrap();
    }

    /// Lets a node have disks, none so far.
    pub(super) fn define_disks(&mut self, index: usize) {
        let define = |table: &mut Table| table.define(Definition::gauge("app.disk[*]", Type::Int));
        self.nodes[index].endpoint.change(define).unwrap();
    }

    /// Gives a node so many disks.
    pub(super) fn publish_disks(&mut self, index: usize, count: i64) {
        for disk in 0..count {
            self.publish(index, &format!("app.disk[\"{disk}\"]"), Value::Int(disk));
        }
    }

    /// What a watch has said since the last call.
    pub(super) fn said(&mut self, index: usize) -> Vec<WatchEvent> {
        let mut said = Vec::new();
        for (at, event) in std::mem::take(&mut self.events) {
            if let Event::Watch(_, event) = event
                && at == index
            {
                said.push(event);
            }
        }
        said
    }

    /// Changes of one value at a node, as (value, skipped).
    pub(super) fn changes(&mut self, index: usize, of: &str) -> Vec<(i64, u64)> {
        let mut changes = Vec::new();
        for event in self.said(index) {
            let WatchEvent::Changed { node, values, .. } = event else { panic!("{event:?}") };
            assert_eq!(node, of);
            for changed in values {
                let Value::Int(value) = changed.value.value else { panic!("{changed:?}") };
                changes.push((value, changed.skipped));
            }
        }
        changes
    }
}

/// The packets that left for a group, since the n-th.
fn to_groups(bench: &Bench, from: usize) -> usize {
    let group = |it: &&(usize, Transmit)| matches!(it.1.to, Destination::Group(_));
    bench.sent[from..].iter().filter(group).count()
}

pub(super) const SHORT: Duration = Duration::from_millis(5);
pub(super) const LONG: Duration = Duration::from_secs(1);

/// [WAT-1] [WAT-5]
#[test]
fn changes_follow_the_values_at_once() {
    let mut bench = bench(3);
    let (_, report) = bench.begin(0, watch("app.load", Selector::default()));
    assert_eq!(report.answered, 3);
    bench.events.clear();
    let before = bench.sent.len();
    bench.publish(2, "app.load", Value::Int(70));
    bench.pass(SHORT);
    assert_eq!(bench.changes(0, "n0"), [(70, 0)]);
    assert_eq!(bench.sent.len() - before, 1, "one watcher: one packet");
    let watcher = Destination::Unicast(bench.nodes[0].address);
    let to_watcher = |it: &&(usize, Transmit)| it.0 == 2 && it.1.to == watcher;
    let mut passed = SHORT;
    for (millis, count) in [(19, 1), (20, 2), (199, 2), (200, 3), (1_200, 3)] {
        let at = Duration::from_millis(millis);
        bench.pass(at - passed);
        passed = at;
        let said = bench.sent[before..].iter().filter(to_watcher);
        let bytes: Vec<&[u8]> = said.map(|(_, it)| &*it.bytes).collect();
        assert_eq!(bytes.len(), count, "{millis} ms after the change");
        assert!(bytes.iter().all(|it| *it == bytes[0]), "the same packet");
    }
    assert_eq!(bench.changes(0, "n0"), []);
    bench.publish(2, "app.load", Value::Int(70));
    bench.pass(LONG);
    assert_eq!(bench.said(0), [], "the same value is no change");
}

/// [WAT-5]
#[test]
fn units_stand_with_changes() {
    let mut bench = bench(1);
    bench.begin(0, watch("app.load", Selector::default()));
    bench.events.clear();
    bench.publish(2, "app.load", Value::Int(5));
    bench.pass(SHORT);
    let said = bench.said(0);
    let [WatchEvent::Changed { values, .. }] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(&*values[0].value.unit, "{thread}");
}

/// [WAT-1]
#[test]
fn units_stand_with_the_first_values_of_who_enters() {
    let mut bench = bench(1);
    bench.begin(0, watch("app.load", at_predicate("app.load > 100")));
    bench.events.clear();
    bench.publish(2, "app.load", Value::Int(101));
    bench.pass(SHORT);
    let said = bench.said(0);
    let [WatchEvent::Entered { values, .. }] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(&*values[0].unit, "{thread}");
}

/// [WAT-5]
#[test]
fn more_watchers_are_told_by_multicast() {
    let mut bench = bench(2);
    bench.begin(0, watch("app.load", Selector::default()));
    bench.begin(1, watch("app.load", Selector::default()));
    bench.events.clear();
    let before = bench.sent.len();
    bench.publish(2, "app.load", Value::Int(70));
    bench.pass(SHORT);
    assert_eq!((to_groups(&bench, before), bench.sent.len() - before), (1, 1));
    let mut told: Vec<usize> = bench.events.iter().map(|(index, _)| *index).collect();
    told.sort_unstable();
    assert_eq!(told, [0, 1]);
    // Others who watch something else share nothing of it.
    bench.begin(1, watch("app.greeting", Selector::default()));
    bench.events.clear();
    bench.publish(2, "app.greeting", Value::from("ho"));
    bench.pass(SHORT);
    assert_eq!((bench.said(1).len(), bench.said(0).len()), (1, 0));
}

/// [WAT-4]
#[test]
fn quick_changes_are_gathered_and_the_gap_is_told() {
    let mut bench = bench(1);
    bench.begin(0, watch("app.load", Selector::default()));
    bench.events.clear();
    for value in 1..=100 {
        bench.publish(2, "app.load", Value::Int(value));
        bench.pass(Duration::from_millis(1));
    }
    bench.pass(LONG);
    let changes = bench.changes(0, "n0");
    assert!(changes.len() < 15, "{}", changes.len());
    assert_eq!(changes.last().map(|it| it.0), Some(100));
    assert!(changes.windows(2).all(|pair| pair[0].0 < pair[1].0), "{changes:?}");
    let seen = changes.len() as u64 + changes.iter().map(|it| it.1).sum::<u64>();
    assert_eq!(seen, 100, "every value is seen or counted as skipped: {changes:?}");
}

/// [WAT-5] [WAT-6]
#[test]
fn what_is_lost_three_times_is_repaired() {
    let mut bench = bench(1);
    bench.begin(0, watch("app.load", Selector::default()));
    bench.events.clear();
    // A message and its repeats are lost; the next one shows the gap.
    bench.lost = Box::new(|_, to| to == 0);
    bench.publish(2, "app.load", Value::Int(41));
    bench.publish(2, "app.greeting", Value::from("x"));
    bench.pass(Duration::from_millis(300));
    bench.lost = Box::new(|_, _| false);
    assert_eq!(bench.said(0), []);
    bench.publish(2, "app.load", Value::Int(43));
    bench.pass(LONG);
    assert_eq!(bench.changes(0, "n0"), [(43, 1)]);
    // Nothing follows: the statement at the next renewal shows it.
    bench.lost = Box::new(|_, to| to == 0);
    bench.publish(2, "app.load", Value::Int(44));
    bench.pass(Duration::from_millis(300));
    bench.lost = Box::new(|_, _| false);
    bench.pass(Duration::from_secs(8));
    assert_eq!(bench.changes(0, "n0"), [(44, 0)]);
}

/// [WAT-5]
#[test]
fn values_that_are_gone_and_large_ones_are_told() {
    let mut bench = bench(1);
    let define = |table: &mut Table| {
        table.define(Definition { template: "app.text".to_owned(), ..setting() })?;
        table.define(Definition::gauge("app.disk[*]", Type::Int))
    };
    bench.nodes[2].endpoint.change(define).unwrap();
    bench.publish(2, "app.disk[\"a\"]", Value::Int(1));
    bench.begin(0, watch("app", Selector::default()));
    bench.events.clear();
    let large = "x".repeat(5000);
    bench.publish(2, "app.text", Value::from(large.as_str()));
    bench.pass(LONG);
    let said = bench.said(0);
    let [WatchEvent::Changed { values, .. }] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(values[0].value.value, Value::from(large.as_str()));
    let gone: crate::name::Name = "app.disk[\"a\"]".parse().unwrap();
    bench.nodes[2].endpoint.change(|table| table.remove(gone.steps()));
    bench.pass(LONG);
    let said = bench.said(0);
    let [WatchEvent::Changed { removed, .. }] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(removed, &["app.disk[\"a\"]"]);
}

/// [WAT-5]
#[test]
fn two_thousand_changes_at_once_are_pulled() {
    let mut bench = bench(1);
    bench.define_disks(2);
    bench.begin(0, watch("app", Selector::default()));
    bench.events.clear();
    for round in 0..2 {
        for index in 0..2000 {
            bench.publish(2, &format!("app.disk[\"{index}\"]"), Value::Int(round * 5000 + index));
        }
        bench.pass(LONG * 3);
        let said = bench.said(0);
        let count = |event: &WatchEvent| match event {
            WatchEvent::Changed { values, .. } => values.len(),
            _ => panic!("{event:?}"),
        };
        assert_eq!(said.iter().map(count).sum::<usize>(), 2000, "{round}");
    }
}

/// [WAT-3]
#[test]
fn a_predicate_makes_nodes_enter_and_leave() {
    let mut bench = bench(2);
    let (_, report) = bench.begin(0, watch("app.load", at_predicate("app.load > 10")));
    assert_eq!((report.answered, report.empty.len()), (0, 2));
    bench.events.clear();
    bench.publish(2, "app.load", Value::Int(20));
    bench.pass(LONG);
    let said = bench.said(0);
    let [WatchEvent::Entered { node, values }] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!((node.as_str(), &values[0].value), ("n0", &Value::Int(20)));
    bench.publish(2, "app.load", Value::Int(21));
    bench.pass(LONG);
    assert_eq!(bench.changes(0, "n0"), [(21, 0)]);
    bench.publish(2, "app.load", Value::Int(3));
    bench.pass(LONG);
    let left = WatchEvent::Left { node: "n0".to_owned(), reason: LeaveReason::NoMatch };
    assert_eq!(bench.said(0), [left]);
    bench.publish(2, "app.load", Value::Int(4));
    bench.pass(LONG);
    assert_eq!(bench.said(0), []);
}

/// [WAT-8]
#[test]
fn nodes_that_join_later_are_told_of_the_watch_and_the_dead_leave_it() {
    let mut bench = bench(2);
    bench.nodes[3].up = false;
    let (_, report) = bench.begin(0, watch("app.load", Selector::default()));
    assert_eq!((report.answered, report.missing.len()), (1, 1));
    bench.events.clear();
    bench.nodes[3].up = true;
    bench.pass(Duration::from_secs(15));
    let said = bench.said(0);
    let [WatchEvent::Entered { node, .. }] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(node, "n1");
    bench.nodes[2].up = false;
    bench.pass(Duration::from_secs(60));
    let gone = WatchEvent::Left { node: "n0".to_owned(), reason: LeaveReason::Gone };
    assert_eq!(bench.said(0), [gone]);
    bench.nodes[2].up = true;
    bench.pass(Duration::from_secs(20));
    let said = bench.said(0);
    let [WatchEvent::Entered { node, .. }] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(node, "n0");
}

/// [WAT-8]: its beacons may be lost, and its answer counts as well.
#[test]
fn a_node_that_is_suspect_is_asked() {
    let mut bench = bench(2);
    bench.begin(0, watch("app.load", Selector::default()));
    bench.events.clear();
    let (now, before) = (bench.now, bench.sent.len());
    let node = &bench.nodes[2].endpoint;
    let (id, process) = (node.certificate().id(), node.sender());
    assert!(bench.nodes[0].endpoint.roster.suspect(now.instant, &id, process));
    bench.pass(Duration::from_millis(300));
    let asked = bench.sent[before..].iter().filter(|(from, _)| *from == 0);
    let asked: Vec<Destination> = asked.map(|(_, it)| it.to).collect();
    assert_eq!(asked, [Destination::Unicast(bench.nodes[2].address)]);
    bench.pass(LONG);
    assert_eq!(bench.nodes[0].endpoint.state(bench.now, &id), State::Alive);
    assert_eq!(bench.said(0), []);
}

/// [WAT-4]
#[test]
fn an_interval_tells_again_and_a_delta_keeps_quiet() {
    let mut bench = bench(1);
    let mut ask = watch("app.load", Selector::default());
    let every = Some(Duration::from_millis(200));
    if let Verb::Watch(request) = &mut ask.verb {
        request.every = every;
    }
    let (id, _) = bench.begin(0, ask);
    bench.events.clear();
    bench.pass(LONG + SHORT);
    assert_eq!(bench.changes(0, "n0").len(), 5);
    bench.input(0, Input::Cancel(id));
    let mut ask = watch("app.load", Selector::default());
    if let Verb::Watch(request) = &mut ask.verb {
        request.delta = Some(5.0);
    }
    bench.begin(0, ask);
    bench.events.clear();
    for value in [3, 4, 5, 9, 10, 2] {
        bench.publish(2, "app.load", Value::Int(value));
        bench.pass(LONG);
    }
    assert_eq!(bench.changes(0, "n0"), [(9, 3), (2, 1)]);
}

/// [WAT-7]
#[test]
fn leases_end_by_word_or_by_silence() {
    let mut bench = bench(1);
    let leases = |bench: &Bench| bench.nodes[2].endpoint.sizes().leases;
    let (id, _) = bench.begin(0, watch("app.load", Selector::default()));
    assert_eq!(leases(&bench), 1);
    bench.pass(Duration::from_secs(100));
    assert_eq!(leases(&bench), 1, "renewed");
    bench.input(0, Input::Cancel(id));
    bench.settle();
    assert_eq!(leases(&bench), 0);
    bench.begin(0, watch("app.load", Selector::default()));
    bench.nodes[0].up = false;
    bench.pass(LEASE_MAX - LONG);
    assert_eq!(leases(&bench), 1);
    bench.pass(LONG * 2);
    assert_eq!(leases(&bench), 0);
    let before = bench.sent.len();
    bench.publish(2, "app.load", Value::Int(99));
    bench.pass(SHORT);
    assert_eq!(bench.sent.len(), before, "nobody is told");
}

/// [WAT-9]
#[test]
fn a_member_has_so_many_leases_and_no_more() {
    let mut bench = bench(1);
    for count in 0..LEASES_OF_MEMBER_MAX {
        let (_, report) = bench.begin(0, watch("app.load", Selector::default()));
        assert_eq!(report.answered, 1, "{count}");
        // As if of another process of the client: its own limit is the same.
        let first = *bench.nodes[0].endpoint.watches.keys().next().unwrap();
        bench.nodes[0].endpoint.watches.remove(&first);
    }
    let (_, report) = bench.begin(0, watch("app.load", Selector::default()));
    assert_eq!(report.refused[0].refusal.reason, RefusalReason::Busy);
    let (_, report) = bench.begin(1, watch("app.load", Selector::default()));
    assert_eq!(report.answered, 1, "others have their own");
}

/// An agent that watches sees itself as well.
#[test]
fn an_agent_watches_itself() {
    let mut bench = bench(2);
    let (_, report) = bench.begin(2, watch("app.load", Selector::default()));
    assert_eq!(report.answered, 2);
    bench.events.clear();
    bench.publish(2, "app.load", Value::Int(8));
    bench.pass(LONG);
    assert_eq!(bench.changes(2, "n0"), [(8, 0)]);
    // It is there, though it never hears itself.
    bench.pass(LONG * 60);
    bench.publish(2, "app.load", Value::Int(9));
    bench.pass(LONG);
    assert_eq!(bench.changes(2, "n0"), [(9, 0)]);
}

/// [WAT-8]
#[test]
fn a_stranger_or_another_member_changes_nothing() {
    let mut bench = bench(2);
    bench.begin(0, watch("app.load", Selector::default()));
    bench.events.clear();
    let topic = bench.nodes[0].endpoint.watches.values().next().unwrap().watching.topic();
    let (_, certificate) = (0, bench.nodes[3].endpoint.certificate().clone());
    let (now, sender) = (bench.now, bench.nodes[2].endpoint.sender());
    let change = Change::Left(EmptyReason::NoMatch.code());
    let frame = ChangeFrame { topic, number: u64::MAX, change };
    // The sender id is n0's, the certificate n1's.
    bench.nodes[0].endpoint.hear_change(now, sender, &certificate, &frame).unwrap();
    bench.settle();
    assert_eq!(bench.said(0), []);
}

/// Above every number that a node of the bench gives.
pub(super) const FAR: u64 = 1 << 50;

impl Bench {
    /// The watch of the client, and its topic.
    pub(super) fn watching(&mut self) -> (&mut Watching, TopicId) {
        let watch = self.nodes[0].endpoint.watches.values_mut().next().unwrap();
        let topic = watch.watching.topic();
        (&mut watch.watching, topic)
    }

    /// The client hears this of `n0`, as a message whose number is so far above all others.
    pub(super) fn hear(&mut self, number: u64, change: Change) {
        let (now, topic) = (self.now, self.watching().1);
        let (sender, certificate) =
            (self.nodes[2].endpoint.sender(), self.nodes[2].endpoint.certificate().clone());
        let frame = ChangeFrame { topic, number: FAR + number, change };
        self.nodes[0].endpoint.hear_change(now, sender, &certificate, &frame).unwrap();
        self.settle();
    }

    pub(super) fn load(&self) -> Vec<u8> {
        self.encoded("app.load")
    }

    /// What `n0` would say of a variable.
    pub(super) fn encoded(&self, name: &str) -> Vec<u8> {
        let table = self.nodes[2].endpoint.table();
        let name = name.parse().unwrap();
        let mut bytes = Vec::new();
        let entry = table.entry(&name).unwrap();
        crate::question::values::encode_value(self.now.instant, &name, entry, &mut bytes);
        bytes
    }
}

/// [WAT-5]
#[test]
fn a_value_that_a_removal_overtook_stays_away() {
    let mut bench = bench(1);
    bench.begin(0, watch("app.load", Selector::default()));
    bench.events.clear();
    bench.lost = Box::new(|_, _| true);
    bench.publish(2, "app.load", Value::Int(30));
    let load = bench.load();
    bench.hear(2, Change::Values(Vec::new(), vec!["app.load".to_owned()]));
    bench.hear(1, Change::Values(load, Vec::new()));
    let said = bench.said(0);
    let [WatchEvent::Changed { values, removed, .. }] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!((values.len(), removed.len()), (0, 1));
}

/// [WAT-5]
#[test]
fn a_leave_that_the_next_entry_overtook_does_not_count() {
    let mut bench = bench(1);
    bench.begin(0, watch("app.load", at_predicate("app.load >= 0")));
    bench.events.clear();
    bench.lost = Box::new(|_, _| true);
    bench.publish(2, "app.load", Value::Int(30));
    let load = bench.load();
    bench.hear(2, Change::Entered(load));
    bench.hear(1, Change::Left(EmptyReason::NoMatch.code()));
    let said = bench.said(0);
    assert!(matches!(said.as_slice(), [WatchEvent::Changed { .. }]), "{said:?}");
}

/// [WAT-5]
#[test]
fn values_wait_for_the_entry_before_them() {
    let mut bench = bench(1);
    bench.begin(0, watch("app", at_predicate("app.load >= 0")));
    bench.events.clear();
    bench.lost = Box::new(|_, _| true);
    bench.hear(1, Change::Left(EmptyReason::NoMatch.code()));
    assert!(matches!(bench.said(0).as_slice(), [WatchEvent::Left { .. }]));
    bench.publish(2, "app.load", Value::Int(30));
    let first = bench.load();
    bench.publish(2, "app.load", Value::Int(31));
    let second = bench.load();
    bench.hear(3, Change::Values(second, Vec::new()));
    assert_eq!(bench.said(0), []);
    bench.hear(2, Change::Entered(first));
    let said = bench.said(0);
    let [WatchEvent::Entered { .. }, WatchEvent::Changed { .. }] = said.as_slice() else {
        panic!("{said:?}")
    };
    // What was said before it left comes too late.
    bench.publish(2, "app.greeting", Value::from("x"));
    let mut before = bench.encoded("app.greeting");
    before.extend(bench.load());
    bench.hear(0, Change::Values(before, Vec::new()));
    assert_eq!(bench.said(0), []);
}

/// [WAT-8]
#[test]
fn a_node_that_restarts_leaves_first() {
    let mut bench = bench(1);
    bench.begin(0, watch("app.load", Selector::default()));
    let id = bench.nodes[2].endpoint.certificate().id();
    let (watching, _) = bench.watching();
    watching.subscribed(id, SenderId([7; 12]), 1).unwrap();
    let left = WatchEvent::Left { node: "n0".to_owned(), reason: LeaveReason::Restarted };
    assert_eq!((watching.poll_event(), watching.poll_event()), (Some(left), None));
    // The same where the other process will not be watched.
    watching.snapshot(Instant::from_micros(1), &id, 1, Vec::new(), true);
    watching.declined(id, SenderId([8; 12]), false);
    assert!(matches!(watching.poll_event(), Some(WatchEvent::Left { .. })));
}

/// [WAT-5]
#[test]
fn the_last_number_of_all_is_a_number() {
    let mut bench = bench(1);
    bench.begin(0, watch("app.load", Selector::default()));
    bench.events.clear();
    let load = bench.load();
    bench.hear(u64::MAX - FAR, Change::Values(load.clone(), Vec::new()));
    bench.hear(1, Change::Values(load, Vec::new()));
    let (id, sender) = {
        let node = &bench.nodes[2].endpoint;
        (node.certificate().id(), node.sender())
    };
    let (watching, _) = bench.watching();
    watching.subscribed(id, sender, u64::MAX - 1).unwrap();
    watching.subscribed(id, sender, u64::MAX).unwrap();
}

/// [WAT-7] [WAT-8]
#[test]
fn nobody_touches_the_lease_of_another() {
    let mut bench = bench(1);
    bench.begin(0, watch("app.load", Selector::default()));
    let (request, watch) = bench.nodes[0].endpoint.watches.iter().next().unwrap();
    let mut frame = watch.frame.clone();
    assert_eq!(frame.request, *request);
    let (now, sender) = (bench.now, bench.nodes[0].endpoint.sender());
    let thief = bench.nodes[1].endpoint.own.clone();
    let way = Way { to: bench.nodes[1].address, from: bench.nodes[2].address };
    let lease = frame.watch.unwrap().lease;
    for (lease, round) in [(lease, 7), (Duration::ZERO, 8), (lease, 9)] {
        frame.round = round;
        frame.watch.as_mut().unwrap().lease = lease;
        let frame = frame.clone();
        let asked =
            Asked { sender, asker: &thief, forgotten: false, way, waited: Duration::ZERO, frame };
        let Endpoint { own, policy, table, answering, .. } = &mut bench.nodes[2].endpoint;
        let node = Node { certificate: own, policy, table };
        answering.handle_question(now, node, asked);
    }
    bench.pass(SHORT);
    let before = bench.sent.len();
    bench.publish(2, "app.load", Value::Int(77));
    bench.pass(SHORT);
    let to: Vec<Destination> = bench.sent[before..].iter().map(|it| it.1.to).collect();
    assert_eq!(to, [Destination::Unicast(bench.nodes[0].address)]);
}

/// [WAT-9]
#[test]
fn a_member_has_so_many_topics_and_no_more() {
    let mut bench = bench(1);
    for count in 0..=TOPICS_OF_MEMBER_MAX {
        // As if of many processes: each has its own limit.
        bench.nodes[0].endpoint.watches.clear();
        let (_, report) = bench.begin(0, watch("app.load", at_predicate(&format!("1 > -{count}"))));
        let taken = report.answered == 1;
        assert_eq!(taken, count < TOPICS_OF_MEMBER_MAX, "{count}: {report:?}");
    }
    let (_, report) = bench.begin(1, watch("app.load", at_predicate("2 > 1")));
    assert_eq!(report.answered, 1, "others have their own");
}

/// A watch that compares each name with 49 patterns, a hundred times a second.
fn costly() -> Ask {
    let mut ask = watch("app.load", Selector::default());
    if let Verb::Watch(request) = &mut ask.verb {
        let letters = |it: u8| [b'a' + it / 26, b'a' + it % 26].map(char::from);
        let others = (0..49).map(|it| format!("**.{}", String::from_iter(letters(it))));
        let patterns = std::iter::once("app.load".to_owned()).chain(others);
        request.patterns = patterns.map(|it| it.parse().unwrap()).collect();
        request.every = Some(Duration::from_millis(10));
    }
    ask
}

/// [WAT-4]
#[test]
fn a_costly_watch_is_looked_at_seldom_and_keeps_nobody_waiting() {
    let mut bench = bench(1);
    bench.define_disks(2);
    bench.publish_disks(2, 5000);
    bench.begin(1, costly());
    bench.begin(0, watch("app.load", Selector::default()));
    bench.pass(LONG);
    let (before, guest) = (bench.sent.len(), Destination::Unicast(bench.nodes[1].address));
    bench.pass(LONG * 20);
    let told = |it: &&(usize, Transmit)| it.0 == 2 && it.1.to == guest;
    let looks = bench.sent[before..].iter().filter(told).count() / 3;
    // 245,000 comparisons a look, and a quarter of a million a second: the rest is the other's.
    assert!((16..25).contains(&looks), "{looks}");
    for count in 100..110 {
        bench.events.clear();
        bench.publish(2, "app.load", Value::Int(count));
        bench.pass(SHORT * 3);
        assert_eq!(bench.changes(0, "n0"), [(count, 0)]);
        bench.pass(LONG);
    }
}

/// [WAT-5]
#[test]
fn the_first_writes_of_a_setting_count_as_well() {
    let mut bench = bench(1);
    let write = |bench: &mut Bench, text: &str, counter| {
        let version = Some(Version { incarnation: u64::from(counter > 0), counter });
        let name = "app.greeting".parse().unwrap();
        let update = Update { name, value: Value::from(text), time: None, version };
        let now = bench.now;
        bench.nodes[2].endpoint.change(|table| table.update(now, update)).unwrap();
    };
    write(&mut bench, "default", 0);
    bench.begin(0, watch("app.greeting", Selector::default()));
    bench.events.clear();
    write(&mut bench, "one", 1);
    write(&mut bench, "two", 2);
    bench.pass(LONG);
    let said = bench.said(0);
    let [WatchEvent::Changed { values, .. }] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!((&values[0].value.value, values[0].skipped), (&Value::from("two"), 1));
}

/// [WAT-9]
#[test]
fn whoever_has_most_values_leaves_when_there_are_too_many() {
    let mut bench = bench(2);
    bench.define_disks(3);
    bench.begin(0, watch("app", Selector::default()));
    bench.watching().0.track_at_most(10);
    bench.events.clear();
    bench.publish_disks(3, 6);
    bench.pass(LONG);
    assert!(matches!(bench.said(0).as_slice(), [WatchEvent::Changed { .. }]), "ten are ten");
    // One more, of the other node: it is not that one which has too many.
    bench.define_disks(2);
    bench.publish(2, "app.disk[\"a\"]", Value::Int(1));
    bench.pass(LONG);
    let said = bench.said(0);
    let [WatchEvent::Changed { node, .. }, WatchEvent::Left { node: gone, reason }] =
        said.as_slice()
    else {
        panic!("{said:?}")
    };
    assert_eq!((node.as_str(), gone.as_str(), *reason), ("n0", "n1", LeaveReason::TooMany));
}

/// [WAT-2]
#[test]
fn an_interval_is_watched_as_the_wire_carries_it() {
    for micros in [10_500, 1_500] {
        let mut bench = bench(1);
        let mut ask = watch("app.load", Selector::default());
        if let Verb::Watch(request) = &mut ask.verb {
            request.every = Some(Duration::from_micros(micros));
        }
        bench.begin(0, ask);
        bench.events.clear();
        bench.pass(LONG);
        assert!(bench.changes(0, "n0").len() > 50, "{micros}");
    }
}

/// [WAT-4]: who watches what another began to watch pays for it when that one has left.
#[test]
fn whoever_watches_is_charged_and_nobody_who_left() {
    let mut bench = bench(1);
    bench.define_disks(2);
    bench.publish_disks(2, 5000);
    // The client begins, the guest joins, the client leaves and watches something cheap.
    let (first, _) = bench.begin(0, costly());
    bench.begin(1, costly());
    bench.input(0, Input::Cancel(first));
    bench.pass(LONG * 5);
    bench.begin(0, watch("app.load", Selector::default()));
    bench.pass(LONG * 5);
    let mut late = 0;
    for count in 100..120 {
        bench.events.clear();
        bench.publish(2, "app.load", Value::Int(count));
        bench.pass(Duration::from_millis(30));
        late += usize::from(bench.events.iter().all(|(index, _)| *index != 0));
    }
    assert_eq!(late, 0, "who left is kept waiting for the other's work");
}

/// [WAT-8] [WAT-9]
#[test]
fn who_was_busy_is_asked_again() {
    let mut bench = bench(1);
    for count in 0..=TOPICS_OF_MEMBER_MAX {
        let ask = watch("app.load", at_predicate(&format!("1 > -{count}")));
        let (_, report) = bench.begin(0, ask);
        assert_eq!(report.refused.len(), usize::from(count == TOPICS_OF_MEMBER_MAX), "{count}");
    }
    let first = *bench.nodes[0].endpoint.watches.keys().next().unwrap();
    let of_first = bench.nodes[0].endpoint.watches[&first].watching.id();
    bench.events.clear();
    bench.pass(LONG * 12);
    assert_eq!(bench.said(0), []);
    bench.input(0, Input::Cancel(of_first));
    bench.pass(LONG * 12);
    let said = bench.said(0);
    assert!(matches!(said.as_slice(), [WatchEvent::Entered { .. }]), "{said:?}");
}

/// [WAT-7]
#[test]
fn who_has_too_many_values_gives_no_lease_any_more() {
    let mut bench = bench(1);
    bench.define_disks(2);
    bench.begin(0, watch("app", Selector::default()));
    bench.watching().0.track_at_most(4);
    bench.publish_disks(2, 6);
    bench.pass(LONG);
    for _ in 0..4 {
        bench.pass(LONG * 6);
        let before = bench.sent.len();
        bench.publish(2, "app.load", Value::Int(i64::try_from(before).unwrap()));
        bench.pass(LONG / 2);
        assert_eq!(bench.nodes[2].endpoint.sizes().leases, 0, "leases");
    }
}

/// [WAT-7]
#[test]
fn who_leaves_ends_its_watches() {
    let mut bench = bench(2);
    bench.begin(0, watch("app.load", Selector::default()));
    assert_eq!(bench.nodes[2].endpoint.answering.leases(), 1);
    bench.input(0, Input::Leave);
    bench.pass(SHORT);
    for node in &bench.nodes[2..] {
        assert_eq!(node.endpoint.answering.leases(), 0);
    }
}

/// [WAT-8]
#[test]
fn who_cannot_answer_any_more_leaves() {
    let mut bench = bench(1);
    let define = |table: &mut Table| table.define(Definition::gauge("app.note[*]", Type::Text));
    bench.nodes[2].endpoint.change(define).unwrap();
    bench.begin(0, watch("app", Selector::default()));
    bench.events.clear();
    for note in 0..3 {
        let text = Value::from("x".repeat(1 << 20).as_str());
        bench.publish(2, &format!("app.note[\"{note}\"]"), text);
    }
    bench.pass(LONG * 10);
    let left = WatchEvent::Left { node: "n0".to_owned(), reason: LeaveReason::Failed };
    assert_eq!(bench.said(0), [left]);
}
