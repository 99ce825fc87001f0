//! Scenarios in which nothing goes wrong.

use std::time::Duration;

use lcast_proto::question::report::{Class, EmptyReason};
use lcast_proto::value::Value;

use crate::question::Question;
use crate::realm::Person;
use crate::world::script::Change;
use crate::world::{Setup, World};

/// Long enough for everybody to have started and been heard.
pub(super) const WARM: Duration = Duration::from_secs(3);

/// A world whose agents have started and were heard.
pub(super) fn warm(seed: u64, setup: &Setup) -> World {
    let mut world = World::new(seed, setup);
    world.run(WARM);
    world
}

/// Asks everybody for their numbers and insists on every answer.
pub(super) fn ask_all(world: &mut World, what: &str) {
    let asker = world.client();
    let number = world.ask(asker, Question::get("app.number app.load"));
    let asked = world.asked(number);
    let unheard: Vec<&str> = match &asked.report {
        Some((_, report)) => {
            report.missing.iter().chain(&report.late).map(|it| it.node.as_str()).collect()
        }
        None => vec!["the report itself"],
    };
    let text = format!("{what}: {} are unheard", unheard.join(", "));
    let complete = unheard.is_empty();
    world.insist(complete, || text);
}

pub(super) fn first_light(seed: u64) -> World {
    let setup = Setup { tick: Some(Duration::from_millis(50)), ..Setup::default() };
    let mut world = warm(seed, &setup);
    let asker = world.client();
    for pattern in ["app.number", "app.load", "app", "app.disk[*].usage", "**"] {
        let before = world.network.traffic.multicast;
        let number = world.ask(asker, Question::get(pattern));
        let asked = world.asked(number);
        let (answered, rounds) = (asked.report().answered, asked.report().rounds);
        let sent = asked.report().questions_sent;
        let elapsed = asked.report().elapsed;
        world.insist((answered, rounds, sent) == (10, 1, 1), || {
            format!("{pattern}: {answered} answers, {rounds} rounds, {sent} packets")
        });
        world.insist(elapsed < Duration::from_millis(20), || format!("it took {elapsed:?}"));
        let beacons = world.network.traffic.multicast - before - 1;
        world.insist(beacons < 10, || format!("{beacons} packets besides the question"));
        world.run(Duration::from_millis(700));
    }
    for question in [Question::ping(), Question::schema()] {
        let number = world.ask(asker, question);
        let answered = world.asked(number).report().answered;
        world.insist(answered == 10, || format!("{answered} answered a ping or schema"));
    }
    world.change(Change::Ping(asker, "a0001".to_owned()));
    world.run(Duration::from_secs(1));
    let pongs = world.pongs().len();
    world.insist(pongs == 1, || format!("{pongs} pongs"));
    world
}

pub(super) fn targets(seed: u64) -> World {
    let mut world = warm(seed, &Setup { never: 1, ..Setup::default() });
    let asker = world.client();
    let numbers = |question: Question| question;
    let get = || numbers(Question::get("app.number"));
    let cases = [
        (get().on("a0001").on("a001*"), 2, 0, 0),
        (get().not("a000*").not("n*"), 1, 0, 0),
        (get().label("role", "web"), 5, 0, 0),
        (get().label("role", "web").predicate("app.number < 4"), 2, 3, 0),
        (get().on("a*").predicate("labels.role == \"db\" && app.number >= 0"), 5, 5, 0),
        (get().on("a*").predicate("app.nothing > 1"), 0, 10, 0),
        (get().expect("ghost").on("a*"), 10, 0, 1),
        (Question::get("app.nothing").on("a*"), 0, 10, 0),
        (get(), 10, 0, 1),
    ];
    for (question, answered, empty, missing) in cases {
        let text = format!("{question:?}");
        let number = world.ask(asker, question);
        let report = world.asked(number).report();
        let found = (report.answered as usize, report.empty.len(), report.missing.len());
        world.insist(found == (answered, empty, missing), || format!("{found:?} for {text}"));
    }
    let number = world.ask(asker, Question::get("app.number").predicate("app.nothing > 1"));
    let asked = world.asked(number);
    let undefined = asked.report().empty_for(EmptyReason::Undefined);
    let never = asked.class("n0001") == Some(Class::Missing)
        && asked.report().missing.iter().all(|it| it.last_heard.is_none());
    world.insist(undefined == 10 && never, || format!("{undefined} undefined, never {never}"));
    let number = world.ask(asker, Question::get("app.number").on("a0003"));
    let value = world.asked(number).value("a0003", "app.number").cloned();
    world.insist(value == Some(Value::Int(2)), || format!("a0003 is number {value:?}"));
    world
}

pub(super) fn newcomer(seed: u64) -> World {
    let mut world = warm(seed, &Setup { agents: 30, clients: 2, ..Setup::default() });
    for _ in 0..3 {
        let asker = world.client();
        world.change(Change::Crash(asker));
        world.change(Change::Start(asker));
        ask_all(&mut world, "a newcomer asks");
        world.run(Duration::from_millis(300));
    }
    // One agent is dead: the newcomer never heard it, the others tell.
    let dead = world.node_named("a0007");
    world.change(Change::Crash(dead));
    world.run(Duration::from_secs(30));
    let asker = world.client();
    world.change(Change::Crash(asker));
    world.change(Change::Start(asker));
    let number = world.ask(asker, Question::get("app.number"));
    let report = world.asked(number).report();
    let missing: Vec<String> = report.missing.iter().map(|it| it.node.clone()).collect();
    let told = report.missing.iter().all(|it| it.last_heard.is_some());
    world.insist(missing == ["a0007"] && told, || format!("{missing:?} missing, told {told}"));
    world
}

pub(super) fn links(seed: u64) -> World {
    let mut world = World::new(seed, &Setup { agents: 6, ..Setup::default() });
    let person = Person::agent("b0001", "bridge");
    for (place, segment) in [(0, 2), (1, 2), (0, 3), (2, 3)] {
        let node = world.agents()[place];
        world.change(Change::Attach(node, segment));
    }
    let asker = world.client();
    world.change(Change::Attach(asker, 2));
    world.change(Change::Attach(asker, 3));
    drop(person);
    world.run(Duration::from_secs(3));
    ask_all(&mut world, "three links");
    world.change(Change::Detach(asker, 1));
    world.run(Duration::from_millis(100));
    let number = world.ask(asker, Question::get("app.number"));
    let answered = world.asked(number).report().answered;
    world.insist(answered == 3, || format!("{answered} answered over two links"));
    world.change(Change::Attach(asker, 1));
    world.run(Duration::from_millis(100));
    ask_all(&mut world, "the link is back");
    world
}
