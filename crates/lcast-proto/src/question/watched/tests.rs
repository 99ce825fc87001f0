use super::*;
use crate::keys::authority::Authority;
use crate::keys::credential::{Network, Scope};
use crate::keys::members::MemberEdit;
use crate::keys::policy::Policy;
use crate::keys::subject::{Kind, Subject};
use crate::random::Random;
use crate::time::Timestamp;
use crate::value::Type;
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
        let name = "app.load".parse().unwrap();
        let update = Update { name, value: value.clone(), time: None, version: None };
        self.table.update(self.now, update).unwrap();
        self.now.instant = self.now.instant + GATHER;
        let node = Node { certificate: &self.members[0], policy: &self.policy, table: &self.table };
        let acts = self.watched.handle_timeout(self.now, node);
        acts.iter().filter(|act| matches!(act, WatchAct::Tell(..))).count()
    }
}

fn key(member: usize, request: u64) -> Key {
    (SenderId([u8::try_from(member).unwrap(); 12]), request)
}

const TERMS: WatchTerms = WatchTerms { lease: LEASE_MAX, every: None, delta: None, renewal: false };

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

/// Acts of a node over a second, by topic.
fn told_in_a_second(bench: &mut Bench) -> BTreeMap<TopicId, usize> {
    let mut told = BTreeMap::new();
    for _ in 0..100 {
        bench.now.instant = bench.now.instant + GATHER;
        let node =
            Node { certificate: &bench.members[0], policy: &bench.policy, table: &bench.table };
        let mut acts = bench.watched.handle_timeout(bench.now, node);
        while let Some(act) = acts.pop() {
            match act {
                WatchAct::Sample(id, _) => {
                    acts.extend(bench.watched.handle_sampled(bench.now, node, id));
                }
                WatchAct::Tell(frame, _) => *told.entry(frame.topic).or_default() += 1,
                WatchAct::State(..) | WatchAct::Challenge(..) => {}
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
