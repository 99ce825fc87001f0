use super::*;
use crate::keys::authority::Authority;
use crate::keys::credential::{Network, Scope};
use crate::keys::members::MemberEdit;
use crate::keys::policy::Policy;
use crate::keys::subject::{Kind, Subject};
use crate::random::Random;
use crate::time::Timestamp;
use crate::value::{Type, Value};
use crate::variable::{Definition, Table, Update};

/// A node with one variable, and members that watch it.
struct Bench {
    now: Now,
    members: Vec<Certificate>,
    policy: Policy,
    table: Table,
    patterns: Arc<[Pattern]>,
    selector: Selector,
    watched: Watched,
}

fn bench(members: usize, variable: Type) -> Bench {
    let wall = Timestamp::from_millis(1_000_000_000_000);
    let subject = |index: usize| Subject::plain(&format!("n{index}"), Kind::Agent, wall);
    let subjects: Vec<Subject> = (0..members).map(subject).collect();
    let network = Network { interfaces: Vec::new(), scope: Scope::Site, port: 24242 };
    let mut random = Random::from_seed([3; 32]);
    let authority = Authority::create("prod", &mut random).unwrap();
    let edit = MemberEdit::first();
    let enrolled = authority.enroll(edit, &subjects, &network, wall, &mut random).unwrap();
    let mut table = Table::new(1);
    table.define(Definition::gauge("app.load", variable)).unwrap();
    Bench {
        now: Now { instant: Instant::from_micros(1_000_000), wall },
        members: enrolled.credentials.iter().map(|it| it.certificate().clone()).collect(),
        policy: Policy::default(),
        table,
        patterns: ["app.load".parse().unwrap()].into(),
        selector: Selector::default(),
        watched: Watched::default(),
    }
}

impl Bench {
    /// A member asks to watch.
    fn subscribe(
        &mut self,
        member: usize,
        request: u64,
        topic: TopicId,
        terms: WatchTerms,
    ) -> Result<u64, TooMany> {
        let node = Node { certificate: &self.members[0], policy: &self.policy, table: &self.table };
        let wish = Subscription {
            key: key(member, request),
            asker: &self.members[member],
            way: Way::HERE,
            topic,
            selector: &self.selector,
            patterns: &self.patterns,
            terms,
        };
        self.watched.subscribe(self.now, node, &wish)
    }

    /// Gives the variable a value; how often the watchers are told.
    fn update(&mut self, value: &Value) -> usize {
        self.tell(value).len()
    }

    /// Gives the variable a value; the numbers of the messages by which the watchers are told.
    fn tell(&mut self, value: &Value) -> Vec<u64> {
        let name = "app.load".parse().unwrap();
        let update = Update { name, value: value.clone(), time: None, version: None };
        self.table.update(self.now, update).unwrap();
        self.now.instant = self.now.instant + GATHER;
        let told = |act: WatchAct| match act {
            WatchAct::Tell(frame, _) => Some(frame.number),
            WatchAct::Sample(..) | WatchAct::State(..) | WatchAct::Challenge(..) => None,
        };
        self.due().into_iter().filter_map(told).collect()
    }

    /// What the node does for its watchers at this time; the shell answers at once.
    fn due(&mut self) -> Vec<WatchAct> {
        let node = Node { certificate: &self.members[0], policy: &self.policy, table: &self.table };
        let mut acts = self.watched.handle_timeout(self.now, node);
        let sampled = |act: &WatchAct| match act {
            WatchAct::Sample(id, _) => Some(*id),
            WatchAct::Tell(..) | WatchAct::State(..) | WatchAct::Challenge(..) => None,
        };
        for id in acts.iter().filter_map(sampled).collect::<Vec<SampleId>>() {
            acts.extend(self.watched.handle_sampled(self.now, node, id));
        }
        acts
    }

    /// The first member renews its first lease.
    fn renew(&mut self, lease: Duration, slot: Duration) {
        let renewal = Renewal { member: self.members[0].id(), way: Way::HERE, lease, slot };
        assert!(self.watched.renew(self.now.instant, key(0, 1), renewal));
    }
}

fn key(member: usize, request: u64) -> Key {
    (SenderId([u8::try_from(member).unwrap(); 12]), request)
}

const TERMS: WatchTerms = WatchTerms { lease: LEASE_MAX, every: None, delta: None, renewal: false };

/// [WAT-1]
#[test]
fn a_lease_is_as_long_as_is_asked_for_and_30_seconds_at_most() {
    let seconds = Duration::from_secs;
    for (asked, given) in [(10, 10), (30, 30), (31, 30), (3600, 30)] {
        for renewed in [false, true] {
            let mut bench = bench(1, Type::Float);
            let start = bench.now.instant;
            let lease = seconds(if renewed { 1 } else { asked });
            bench.subscribe(0, 1, TopicId([1; 8]), WatchTerms { lease, ..TERMS }).unwrap();
            if renewed {
                bench.renew(seconds(asked), Duration::ZERO);
            }
            for (early, held) in [(Duration::from_micros(1), 1), (Duration::ZERO, 0)] {
                bench.now.instant = start + (seconds(given) - early);
                bench.due();
                assert_eq!(bench.watched.len(), held, "{asked} s, renewed: {renewed}, {early:?}");
            }
        }
    }
}

/// [WAT-3]
#[test]
fn messages_are_numbered_without_gaps_and_a_topic_that_is_watched_anew_begins_above_them() {
    let mut bench = bench(1, Type::Float);
    let mut before = 0;
    for _ in 0..3 {
        let first = bench.subscribe(0, 1, TopicId([1; 8]), TERMS).unwrap();
        assert!(first > before, "{first} after {before}");
        let told = [1.0, 2.0, 3.0].map(|number| bench.tell(&Value::Float(number)));
        assert_eq!(told.concat(), [first + 1, first + 2, first + 3]);
        before = first + 3;
        bench.watched.end(key(0, 1), bench.members[0].id());
    }
}

/// [WAT-4]
#[test]
fn values_that_are_read_on_demand_are_looked_at_once_a_second() {
    let mut bench = bench(1, Type::Float);
    let start = bench.now.instant;
    bench.subscribe(0, 1, TopicId([1; 8]), TERMS).unwrap();
    for second in 1..=5 {
        let due = bench.watched.poll_timeout(bench.table.changes());
        assert_eq!(due, Some(start + Duration::from_secs(second)));
        bench.now.instant = due.unwrap();
        let acts = bench.due();
        assert!(matches!(acts.as_slice(), [WatchAct::Sample(..)]), "{second} s: {acts:?}");
    }
}

/// [WAT-6]
#[test]
fn a_renewal_draws_the_last_number_when_it_has_moved_or_was_not_stated_for_20_seconds() {
    for (told_at, expected) in [(None, &[20, 40, 60][..]), (Some(30), &[20, 31, 51])] {
        let mut bench = bench(1, Type::Float);
        let start = bench.now.instant;
        bench.update(&Value::Float(1.0));
        bench.now.instant = start;
        bench.subscribe(0, 1, TopicId([1; 8]), TERMS).unwrap();
        let mut stated = Vec::new();
        for second in 1..=60 {
            if told_at == Some(second - 1) {
                assert_eq!(bench.update(&Value::Float(2.0)), 1);
            }
            bench.now.instant = start + Duration::from_secs(second);
            bench.renew(LEASE_MAX, Duration::ZERO);
            let acts = bench.due();
            if acts.iter().any(|act| matches!(act, WatchAct::State(..))) {
                stated.push(second);
            }
        }
        assert_eq!(stated, expected, "told after {told_at:?} s");
    }
}

/// [WAT-4]
#[test]
fn a_number_is_told_when_it_is_far_from_what_was_told_last() {
    const INF: f64 = f64::INFINITY;
    let check = |delta: Option<f64>, readings: &[(f64, bool)]| {
        let mut bench = bench(1, Type::Float);
        bench.subscribe(0, 1, TopicId([1; 8]), WatchTerms { delta, ..TERMS }).unwrap();
        for (index, (number, expected)) in readings.iter().enumerate() {
            let told = bench.update(&Value::Float(*number)) == 1;
            assert_eq!(told, *expected, "{delta:?}: {number} at {index} of {readings:?}");
        }
    };
    let nan = f64::NAN;
    check(None, &[(1.0, true), (1.0, false), (nan, true), (nan, false), (INF, true), (INF, false)]);
    check(Some(2.0), &[(1.0, true), (2.5, false), (3.0, true), (1.5, false), (1.0, true)]);
    check(Some(2.0), &[(1.0, true), (nan, true), (nan, false), (1.0, true), (2.0, false)]);
    check(Some(2.0), &[(1.0, true), (INF, true), (INF, false), (-INF, true), (5.0, true)]);
    check(Some(2.0), &[(nan, true), (nan, false), (INF, true), (nan, true), (-INF, true)]);
}

#[test]
fn an_equal_reading_within_a_list_is_no_news() {
    let mut bench = bench(1, Type::List);
    bench.subscribe(0, 1, TopicId([1; 8]), TERMS).unwrap();
    let list = |number: f64| Value::List(vec![Value::Float(number)]);
    let told = [1.0, f64::NAN, f64::NAN, 1.0].map(|number| bench.update(&list(number)));
    assert_eq!(told, [1, 1, 0, 1]);
}

/// [WAT-9]
#[test]
fn leases_and_topics_end_at_their_limits() {
    let check = |one_topic: bool, members: usize, each: usize, expected: &[usize]| {
        let mut bench = bench(members, Type::Float);
        let topic = |member: usize, request: u64| match one_topic {
            true => TopicId([1; 8]),
            false => TopicId(((member as u64) << 32 | request).to_be_bytes()),
        };
        let mut given = Vec::new();
        for member in 0..members {
            let asked = (0..each as u64)
                .map(|request| bench.subscribe(member, request, topic(member, request), TERMS));
            let asked: Vec<bool> = asked.map(|it| it.is_ok()).collect();
            given.push(asked.iter().filter(|it| **it).count());
            assert!(asked.is_sorted_by(|a, b| a >= b), "those that came first: {asked:?}");
        }
        assert_eq!(given, expected, "one topic: {one_topic}");
        let held = bench.watched.len();
        assert_eq!(held, expected.iter().sum::<usize>());
        // Whoever has a lease keeps it, and the room of one that ends is for the next.
        bench.subscribe(0, 0, topic(0, 0), TERMS).unwrap();
        let last = members - 1;
        assert_eq!(bench.subscribe(last, 500, topic(last, 500), TERMS), Err(TooMany));
        bench.watched.end(key(0, 0), bench.members[0].id());
        assert_eq!(bench.watched.len(), held - 1);
        bench.subscribe(last, 500, topic(last, 500), TERMS).unwrap();
        assert_eq!(bench.subscribe(last, 501, topic(last, 501), TERMS), Err(TooMany));
    };
    let leases = LEASES_OF_MEMBER_MAX;
    let expected = [[leases; LEASES_MAX / LEASES_OF_MEMBER_MAX].as_slice(), &[0]].concat();
    check(true, expected.len(), leases + 1, &expected);
    let topics = TOPICS_OF_MEMBER_MAX;
    let expected = [[topics; TOPICS_MAX / TOPICS_OF_MEMBER_MAX].as_slice(), &[0]].concat();
    check(false, expected.len(), topics + 1, &expected);
}

/// Messages of a node over a second, by topic.
fn told_in_a_second(bench: &mut Bench) -> BTreeMap<TopicId, usize> {
    let mut told = BTreeMap::new();
    for _ in 0..100 {
        bench.now.instant = bench.now.instant + GATHER;
        for act in bench.due() {
            match act {
                WatchAct::Tell(frame, _) => *told.entry(frame.topic).or_default() += 1,
                WatchAct::Sample(..) | WatchAct::State(..) | WatchAct::Challenge(..) => {}
            }
        }
    }
    told
}

/// A bench whose variable has a value, and terms that use up a share with a few topics.
fn busy_bench() -> (Bench, WatchTerms) {
    let mut bench = bench(2, Type::Float);
    bench.update(&Value::Float(1.0));
    (bench, WatchTerms { every: Some(EVERY_MIN), ..TERMS })
}

/// [WAT-4]
#[test]
fn of_topics_that_share_too_little_each_has_its_turn() {
    let (mut bench, terms) = busy_bench();
    for topic in 1..=20 {
        bench.subscribe(0, topic.into(), TopicId([topic; 8]), terms).unwrap();
    }
    let told = told_in_a_second(&mut bench);
    assert_eq!(told.len(), 20, "{told:?}");
    let counts = || told.values().copied();
    assert!(counts().max().unwrap() <= counts().min().unwrap() * 2, "{told:?}");
}

/// [WAT-4]
#[test]
fn who_uses_up_his_share_does_not_hold_up_others_that_watch_the_same() {
    let (mut bench, terms) = busy_bench();
    let shared = TopicId([0xff; 8]);
    for topic in 1..=20 {
        bench.subscribe(0, topic.into(), TopicId([topic; 8]), terms).unwrap();
    }
    bench.subscribe(0, 21, shared, terms).unwrap();
    bench.subscribe(1, 1, shared, terms).unwrap();
    let told = told_in_a_second(&mut bench);
    assert!(told.get(&shared).is_some_and(|it| *it >= 60), "{told:?}");
}

/// What is said of so many values, each of which takes `length` bytes.
fn batch(count: usize, length: usize) -> Vec<Change> {
    let mut batch = Batch::default();
    let now = Instant::from_micros(1_000_000);
    for value in 0..count {
        let name = format!("app.v{value:03}").parse().unwrap();
        let entry = |text: usize| Entry {
            value: Value::from("x".repeat(text)),
            time: Timestamp::from_millis(1_000_000_000_000),
            read_at: now,
            version: Version { incarnation: 1, counter: 1 },
            revision: 1,
        };
        let size = |text| {
            let mut bytes = Vec::new();
            encode_value(now, &name, &entry(text), &mut bytes);
            bytes.len()
        };
        let text = (0..length).find(|text| size(*text) == length).expect("there is such a text");
        batch.value(now, &name, &entry(text));
    }
    batch.into_changes(false)
}

/// The bytes of values in each message.
fn lengths(changes: &[Change]) -> Vec<usize> {
    let length = |change: &Change| match change {
        Change::Values(bytes, _) => bytes.len(),
        Change::Entered(_) | Change::Left(_) | Change::Much => panic!("{change:?}"),
    };
    changes.iter().map(length).collect()
}

#[test]
fn a_message_carries_values_up_to_its_length_and_longer_ones_are_asked_for() {
    let max = MESSAGE_VALUES_MAX;
    assert_eq!(lengths(&batch(1, max)), [max]);
    assert_eq!(batch(1, max + 1), [Change::Much]);
    assert_eq!(lengths(&batch(2, max / 2)), [max]);
    assert_eq!(lengths(&batch(2, max / 2 + 1)), [max / 2 + 1; 2]);
}

/// [WAT-5]
#[test]
fn one_look_is_told_by_so_many_messages_and_more_is_asked_for() {
    let long = MESSAGE_VALUES_MAX / 2 + 1;
    assert_eq!(lengths(&batch(MESSAGES_MAX, long)), [long; MESSAGES_MAX]);
    assert_eq!(batch(MESSAGES_MAX + 1, long), [Change::Much]);
    // What fits the last message does so as well.
    let half = MESSAGE_VALUES_MAX / 2;
    assert_eq!(lengths(&batch(2 * MESSAGES_MAX, half)).len(), MESSAGES_MAX);
    assert_eq!(batch(2 * MESSAGES_MAX + 1, half), [Change::Much]);
}

/// [WAT-5]
#[test]
fn names_that_are_gone_count_as_messages_too() {
    let said = |count: usize| {
        let mut batch = Batch::default();
        (0..count).for_each(|it| batch.removed(&format!("a.b{it:04}").parse().unwrap()));
        batch.into_changes(false)
    };
    let names = |change: &Change| match change {
        Change::Values(_, names) => names.len(),
        Change::Entered(_) | Change::Left(_) | Change::Much => panic!("{change:?}"),
    };
    // Each takes seven bytes and four: so many fit by their length.
    let each = MESSAGE_VALUES_MAX / 11;
    assert_eq!(said(each).iter().map(names).collect::<Vec<usize>>(), [each]);
    assert_eq!(said(each + 1).iter().map(names).collect::<Vec<usize>>(), [each, 1]);
    assert_eq!(said(each * MESSAGES_MAX).len(), MESSAGES_MAX);
    assert_eq!(said(each * MESSAGES_MAX + 1), [Change::Much]);
}
