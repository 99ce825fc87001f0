//! Ten minutes of anything: sixteen nodes, random faults, random questions.

use std::time::Duration;

use lcast_proto::keys::MemberList;
use lcast_proto::value::Value;

use crate::fault::Conditions;
use crate::net::NodeIndex;
use crate::node::Pace;
use crate::question::{Asked, Question, QuestionNumber};
use crate::random::Random;
use crate::world::script::Change;
use crate::world::{Setup, World};

/// Nodes that run or hear what is said, whatever they are.
const NODES: u32 = 16;
/// How long faults go on: with what follows, ten minutes.
const STORM: Duration = Duration::from_secs(560);
/// How long it is from one change to the next at most.
const PAUSE: Duration = Duration::from_secs(2);
/// How long the realm then has to settle: whoever starts has announced itself, and the ring has had
/// eight rounds, of which four make a silent agent gone. [PRE-2] [PRE-21]
const CALM: Duration = Duration::from_secs(8);

/// How long watches have to notice and repair what they missed. [WAT-6]
const REPAIRED: Duration = Duration::from_secs(30);
/// A value that comes and goes.
const TEXT: &str = "app.text[\"soak\"]";

pub(super) fn soak(seed: u64) -> World {
    let mut random = Random::new(seed, "soak");
    let clients = 1 + u32::try_from(random.below(3)).unwrap_or(0);
    let (liars, outsiders) = (u32::from(random.chance(0.2)), u32::from(random.chance(0.2)));
    let setup = Setup {
        agents: NODES - clients - liars - outsiders,
        clients,
        never: u32::try_from(random.below(2)).unwrap_or(0),
        liars,
        outsiders,
        bulk: if random.chance(0.2) { 100 } else { 0 },
        tick: Some(Duration::from_secs(1)),
        conditions: conditions(&mut random),
        spread: PAUSE,
        ..Setup::default()
    };
    let mut world = World::new(seed, &setup);
    while world.now() < STORM {
        let change = change(&world, &mut random);
        world.change(change);
        world.run(random.duration(PAUSE));
    }
    settle(&mut world);
    world
}

/// Everything is made well again; then every running agent that is not forgotten must answer, and
/// every watch must have told all that there is.
pub fn settle(world: &mut World) {
    let all: Vec<NodeIndex> = world.nodes().map(|(index, _)| index).collect();
    world.change(Change::Heal);
    world.change(Change::Everywhere(Conditions::lan()));
    for index in all {
        world.change(Change::Hush(index));
        if world.node(index).hostile {
            continue;
        }
        world.change(Change::Resume(index));
        world.change(Change::Pace(index, Pace::default()));
        world.change(Change::DiskFull(index, false));
        world.change(Change::Skew(index, 0));
        world.change(Change::Start(index));
    }
    let asker = world.client();
    let newest = world.realm.newest().map_or(0, MemberList::version);
    if world.node(asker).members_version < newest {
        world.change(Change::Members(asker, newest));
    }
    world.run(CALM);
    let members: Vec<NodeIndex> =
        world.realm.agents(newest).filter_map(|it| world.find(&it.name)).collect();
    let running = members.iter().filter(|it| !world.node(**it).hostile).count();
    let number = world.ask(asker, Question::get("app.number app.load"));
    let answered = world.asked(number).report.as_ref().map_or(0, |(_, report)| report.answered);
    let right = answered as usize == running;
    world.insist(right, || format!("{answered} of {running} answered after the storm"));
    settle_watches(world);
}

/// Counters rest; then every watch must have told what there is.
fn settle_watches(world: &mut World) {
    let watches = watches(world);
    if watches.is_empty() {
        return;
    }
    world.stop_ticks();
    world.run(REPAIRED);
    watches.into_iter().for_each(|(_, number)| world.insist_settled(number));
}

/// The watches that go on, and who watches.
fn watches(world: &World) -> Vec<(NodeIndex, QuestionNumber)> {
    let going_on = |asked: &Asked| {
        let asker = world.node(asked.asker);
        let alive = asker.is_up() && asker.incarnation() == asked.incarnation;
        alive && asked.question.is_watch() && asked.report.is_some() && !asked.view.ended
    };
    let all = world.questions().iter().filter(|(_, asked)| going_on(asked));
    all.map(|(number, asked)| (asked.asker, *number)).collect()
}

/// What the network is like for a while.
fn conditions(random: &mut Random) -> Conditions {
    let losses = [0.0, 0.0, 0.01, 0.05, 0.2];
    let maybe = |random: &mut Random, share| if random.chance(0.3) { share } else { 0.0 };
    Conditions {
        loss: losses[random.index(losses.len())],
        burst: if random.chance(0.3) { 4.0 } else { 1.0 },
        duplicate: maybe(random, 0.1),
        corrupt: maybe(random, 0.02),
        reorder: maybe(random, 0.2),
        jitter: random.duration(Duration::from_millis(5)),
        ..Conditions::lan()
    }
}

/// Something that happens.
fn change(world: &World, random: &mut Random) -> Change {
    let all: Vec<NodeIndex> = world.nodes().map(|(index, _)| index).collect();
    let honest: Vec<NodeIndex> =
        all.iter().copied().filter(|index| !world.node(*index).hostile).collect();
    let node = honest[random.index(honest.len())];
    let agents: Vec<NodeIndex> =
        honest.iter().copied().filter(|index| world.node(*index).agent).collect();
    let agent = agents[random.index(agents.len())];
    match random.below(30) {
        0 => Change::Everywhere(conditions(random)),
        1 => Change::From(node, conditions(random)),
        2 => Change::To(node, conditions(random)),
        3 => Change::Between(node, agent, Conditions::loss(1.0)),
        4 => {
            let split = random.index(all.len());
            Change::Partition(vec![all[..split].to_vec()])
        }
        5 | 6 => Change::Heal,
        7 | 8 => Change::Crash(agent),
        9..=11 => Change::Start(agent),
        12 => Change::Pause(agent),
        13 | 14 => Change::Resume(agent),
        15 => Change::Leave(agent),
        16 => Change::Skew(node, i64::try_from(random.below(82_800_000)).unwrap_or(0) - 41_400_000),
        17 => Change::DiskFull(agent, random.chance(0.5)),
        18 => Change::Pace(agent, pace(random)),
        19 => Change::Ask(node, Box::new(watch(random))),
        20 => {
            let watches = watches(world);
            let (node, number) =
                watches.get(random.index(watches.len())).copied().unwrap_or((node, 1));
            Change::Unwatch(node, number)
        }
        21 => Change::Remove(agent, TEXT.to_owned()),
        22 => Change::Publish(agent, TEXT.to_owned(), Value::from(random.number().to_string())),
        _ => Change::Ask(node, Box::new(question(random))),
    }
}

/// Something that is watched: what its predicate reads, the oracle reads as well.
fn watch(random: &mut Random) -> Question {
    let patterns = ["app.ticks", "app.ticks app.text", "app", "app.greeting", "app.bulk"];
    let mut question = Question::watch(patterns[random.index(patterns.len())]);
    if random.chance(0.3) {
        question = question.predicate(["app.ticks > 40", "app.number < 5"][random.index(2)]);
    }
    if random.chance(0.2) {
        question = question.every(Duration::from_millis(20 + random.below(1_000)));
    }
    listed(random, question)
}

/// Now and then a question goes to a few listed nodes.
fn listed(random: &mut Random, question: Question) -> Question {
    if !random.chance(0.2) {
        return question;
    }
    let names: Vec<String> = (0..3).map(|_| format!("a{:04}", 1 + random.below(16))).collect();
    question.only(names.iter().map(String::as_str))
}

fn pace(random: &mut Random) -> Pace {
    Pace {
        packet: random.duration(Duration::from_micros(500)),
        buffer_max: 4 + random.index(100),
        sample: random.duration(Duration::from_millis(200)),
        write: random.duration(Duration::from_millis(200)),
    }
}

fn question(random: &mut Random) -> Question {
    let patterns = ["app.number", "app.load", "app.ticks app.load", "app", "**", "app.nothing"];
    let mut question = match random.below(8) {
        0 => Question::ping(),
        1 => Question::schema(),
        2 | 3 => Question::set("app.greeting", format!("hello {}", random.below(5))),
        _ => Question::get(patterns[random.index(patterns.len())]),
    };
    if random.chance(0.3) {
        question = question.on(&format!("a000{}", random.below(10)));
    }
    if random.chance(0.2) {
        question = question.label("role", "web");
    }
    if random.chance(0.3) {
        let predicates =
            ["app.number < 5", "app.load > 5.0", "app.nothing == 1", "labels.role == \"db\""];
        question = question.predicate(predicates[random.index(predicates.len())]);
    }
    listed(random, question)
}
