//! Scenarios of watches.

use std::time::Duration;

use lcast_proto::question::watched::LEASE_MAX;
use lcast_proto::value::Value;

use super::plain::warm;
use crate::fault::Conditions;
use crate::net::NodeIndex;
use crate::question::{Question, QuestionNumber};
use crate::random::Random;
use crate::world::script::Change;
use crate::world::{Setup, World};

/// Long enough for whatever was lost to be stated, noticed and repaired. [WAT-6]
const REPAIRED: Duration = Duration::from_secs(30);
/// Packets that a change takes: itself and its repeats. [WAT-5]
const COPIES: u64 = 3;

fn text(name: &str) -> String {
    format!("app.text[\"{name}\"]")
}

/// Begins a watch, and insists that so many nodes answer.
fn begin(world: &mut World, question: Question, answered: u32) -> QuestionNumber {
    let asker = world.client();
    begin_at(world, asker, question, answered)
}

fn begin_at(
    world: &mut World,
    asker: NodeIndex,
    question: Question,
    answered: u32,
) -> QuestionNumber {
    let number = world.ask(asker, question);
    let found = world.asked(number).report.as_ref().map_or(0, |(_, report)| report.answered);
    world.insist(found == answered, || format!("{found} of {answered} are in the watch"));
    number
}

fn publish(world: &mut World, node: &str, name: &str, value: impl Into<Value>) {
    let node = world.node_named(node);
    world.change(Change::Publish(node, name.to_owned(), value.into()));
}

fn leases(world: &World) -> usize {
    world.nodes().filter_map(|(_, node)| node.endpoint()).map(|it| it.sizes().leases).sum()
}

/// Changes are told at once, each by three packets; presence and renewals cost little.
pub(super) fn plain(seed: u64) -> World {
    let mut world = warm(seed, &Setup::default());
    let number = begin(&mut world, Question::watch("app.ticks app.text"), 10);
    let watcher = [world.client()];
    let before = (world.network.unicast_with(&watcher), world.network.traffic.multicast);
    for count in 1..=100_i64 {
        publish(&mut world, "a0003", "app.ticks", count);
        world.run(Duration::from_millis(20));
        let told = world.asked(number).view.value("a0003", "app.ticks").cloned();
        world.insist(told == Some(Value::Int(count)), || format!("{told:?} was told of {count}"));
    }
    world.run(Duration::from_millis(300));
    let network = &world.network;
    let multicast = network.traffic.multicast - before.1;
    let sent = (network.unicast_with(&watcher) - before.0, multicast);
    world.insist(sent.0 <= 100 * COPIES + 20, || format!("{} packets by unicast", sent.0));
    world.insist(sent.1 <= 30, || format!("{} packets by multicast", sent.1));
    let (changed, skipped) = (world.asked(number).view.changed, world.asked(number).view.skipped);
    world.insist((changed, skipped) == (100, 0), || format!("{changed} told, {skipped} skipped"));
    world.insist_settled(number);
    let asker = world.client();
    world.change(Change::Unwatch(asker, number));
    world.run(Duration::from_secs(1));
    let left = leases(&world);
    world.insist(left == 0, || format!("{left} leases are left"));
    publish(&mut world, "a0003", "app.ticks", 500_i64);
    world.run(Duration::from_secs(1));
    world
}

/// A counter goes up a thousand times at 20 % loss, while 50 agents join.
pub(super) fn thousand(seed: u64) -> World {
    let conditions = Conditions::lan().with_loss(0.2);
    let (agents, spread) = (60, Duration::from_secs(20));
    let mut world = World::new(seed, &Setup { agents, conditions, spread, ..Setup::default() });
    world.run(Duration::from_secs(3));
    let asker = world.client();
    let first = world.agents().into_iter().find(|it| world.node(*it).is_up());
    let Some(first) = first else {
        world.violate("no agent runs");
        return world;
    };
    let number = world.ask(asker, Question::watch("app.ticks"));
    let before = world.network.unicast_with(&[asker]);
    for count in 1..=1_000_i64 {
        world.change(Change::Publish(first, "app.ticks".to_owned(), Value::Int(count)));
        world.run(Duration::from_millis(20));
    }
    world.run(REPAIRED);
    let name = world.node(first).name.clone();
    let view = &world.asked(number).view;
    let told = view.value(&name, "app.ticks").cloned();
    let (changed, skipped) = (view.changed, view.skipped);
    world.insist(told == Some(Value::Int(1_000)), || format!("the last told is {told:?}"));
    world.insist(changed + skipped == 1_000, || format!("{changed} told, {skipped} skipped"));
    world.insist(changed > 750, || format!("only {changed} told"));
    let sent = world.network.unicast_with(&[asker]) - before;
    world.insist(sent < 1_000 * COPIES + 3_000, || format!("{sent} packets by unicast"));
    world.insist_settled(number);
    world
}

/// Several who watch the same are told by multicast; others beside them by unicast.
pub(super) fn several(seed: u64) -> World {
    let conditions = Conditions::lan().with_loss(0.05);
    let mut world = warm(seed, &Setup { clients: 4, conditions, ..Setup::default() });
    let mut numbers = Vec::new();
    for name in ["c0001", "c0002", "c0003"] {
        let asker = world.node_named(name);
        numbers.push(begin_at(&mut world, asker, Question::watch("app.ticks"), 10));
    }
    let asker = world.node_named("c0004");
    numbers.push(begin_at(&mut world, asker, Question::watch("app.text"), 0));
    let watchers = ["c0001", "c0002", "c0003", "c0004"].map(|name| world.node_named(name));
    let before = (world.network.unicast_with(&watchers), world.network.traffic.multicast);
    for count in 1..=100_i64 {
        publish(&mut world, "a0003", "app.ticks", count);
        world.run(Duration::from_millis(20));
    }
    world.run(Duration::from_millis(300));
    let network = &world.network;
    let multicast = network.traffic.multicast - before.1;
    let sent = (network.unicast_with(&watchers) - before.0, multicast);
    world.insist(sent.1 <= 100 * COPIES + 30, || format!("{} packets by multicast", sent.1));
    world.insist(sent.0 < 100, || format!("{} packets by unicast", sent.0));
    publish(&mut world, "a0004", &text("a"), "hello");
    // One of them goes; the others stay.
    let gone = world.node_named("c0002");
    world.change(Change::Unwatch(gone, numbers.remove(1)));
    for count in 101..=150_i64 {
        publish(&mut world, "a0003", "app.ticks", count);
        world.run(Duration::from_millis(20));
    }
    world.run(REPAIRED);
    numbers.into_iter().for_each(|number| world.insist_settled(number));
    world
}

/// A predicate that holds now and then.
pub(super) fn flapping(seed: u64) -> World {
    let conditions = Conditions { reorder: 0.2, ..Conditions::lan().with_loss(0.1) };
    let mut world = warm(seed, &Setup { conditions, ..Setup::default() });
    let mut random = Random::new(seed, "flapping");
    let question = Question::watch("app.ticks app.text").predicate("app.ticks > 10");
    let number = begin(&mut world, question, 0);
    for _ in 0..300 {
        let node = format!("a{:04}", 1 + random.below(10));
        if random.chance(0.7) {
            publish(&mut world, &node, "app.ticks", i64::try_from(random.below(20)).unwrap_or(0));
        } else {
            publish(&mut world, &node, &text("x"), format!("{}", random.number()));
        }
        world.run(random.duration(Duration::from_millis(40)));
    }
    world.run(REPAIRED);
    world.insist_settled(number);
    let entered = world.asked(number).view.entered;
    world.insist(entered > 25, || format!("{entered} entered: no flapping"));
    world
}

/// Large values, many at once, and some that are removed, under loss and in any order.
pub(super) fn large(seed: u64) -> World {
    let conditions = Conditions { reorder: 0.3, ..Conditions::lan().with_loss(0.1) };
    let bulk = 150;
    let mut world = warm(seed, &Setup { agents: 4, bulk, conditions, ..Setup::default() });
    let mut random = Random::new(seed, "large");
    let number = world.put(world.client(), Question::watch("app.text app.bulk app.ticks"));
    for _ in 0..300 {
        let name = format!("a{:04}", 1 + random.below(4));
        let node = world.node_named(&name);
        let key = text(&format!("k{}", random.below(20)));
        let length = [3, 30, 300, 3_000][random.index(4)];
        let change = match random.below(5) {
            0 | 1 => Change::Remove(node, key),
            2 => Change::Publish(
                node,
                format!("app.bulk[\"k{:05}\"]", random.below(u64::from(bulk))),
                Value::from(format!("{}", random.number())),
            ),
            _ => {
                let letter = char::from(b'a' + u8::try_from(random.below(26)).unwrap_or(0));
                Change::Publish(node, key, Value::from(letter.to_string().repeat(length)))
            }
        };
        world.change(change);
        if random.chance(0.7) {
            world.run(random.duration(Duration::from_millis(60)));
        }
    }
    world.run(REPAIRED);
    world.insist_settled(number);
    world
}

/// A watcher dies: the leases end.
pub(super) fn silent(seed: u64) -> World {
    let mut world = warm(seed, &Setup::default());
    begin(&mut world, Question::watch("app.ticks"), 10);
    world.run(Duration::from_secs(60));
    let held = leases(&world);
    world.insist(held == 10, || format!("{held} leases while it is watched"));
    world.change(Change::Crash(world.client()));
    world.run(LEASE_MAX + Duration::from_secs(1));
    let held = leases(&world);
    world.insist(held == 0, || format!("{held} leases after the watcher died"));
    let watcher = [world.client()];
    let before = world.network.unicast_with(&watcher);
    publish(&mut world, "a0003", "app.ticks", 7_i64);
    world.run(Duration::from_millis(300));
    let sent = world.network.unicast_with(&watcher) - before;
    world.insist(sent == 0, || format!("{sent} packets to the dead"));
    world
}

/// Nodes die, start again, say goodbye, and are cut off for short and for long.
pub(super) fn restarts(seed: u64) -> World {
    let tick = Some(Duration::from_millis(100));
    let conditions = Conditions::lan().with_loss(0.02);
    let mut world = warm(seed, &Setup { tick, conditions, ..Setup::default() });
    let number = begin(&mut world, Question::watch("app.ticks app.greeting"), 10);
    let nodes = ["a0001", "a0002", "a0003", "a0004"].map(|name| world.node_named(name));
    let [quick, slow, leaver, dead] = nodes;
    let second = Duration::from_secs(1);
    world.change(Change::Crash(quick));
    world.after(second / 5, Change::Start(quick));
    world.change(Change::Crash(slow));
    world.after(second * 60, Change::Start(slow));
    world.change(Change::Leave(leaver));
    world.after(second * 3, Change::Start(leaver));
    world.change(Change::Crash(dead));
    for seconds in [1, 4, 12, 45] {
        let islands = vec![world.agents()[4..8].to_vec()];
        world.change(Change::Partition(islands));
        world.run(second * seconds);
        world.change(Change::Heal);
        world.run(second * 10);
    }
    world.run(REPAIRED);
    world.stop_ticks();
    world.run(REPAIRED);
    world.insist_settled(number);
    world
}

/// Packets arrive twice, late, in any order, and damaged; some are lost.
pub(super) fn rough(seed: u64) -> World {
    let conditions = Conditions {
        duplicate: 0.2,
        corrupt: 0.02,
        reorder: 0.3,
        reorder_delay: Duration::from_millis(300),
        burst: 4.0,
        ..Conditions::lan().with_loss(0.1)
    };
    let tick = Some(Duration::from_millis(60));
    let mut world = warm(seed, &Setup { clients: 2, tick, conditions, ..Setup::default() });
    let other = world.node_named("c0002");
    let numbers = [
        world.ask(world.client(), Question::watch("app.ticks")),
        world.ask(other, Question::watch("app.ticks")),
        world.ask(other, Question::watch("app").every(Duration::from_millis(200))),
        world.ask(other, Question::watch("app.ticks").delta(5.0)),
    ];
    let question = Question::watch("app.ticks app.text").predicate("app.ticks > 100");
    let picky = world.ask(other, question);
    let mut random = Random::new(seed, "rough");
    for _ in 0..400 {
        let agent = world.node_named(&format!("a{:04}", 1 + random.below(10)));
        let ticks = i64::try_from(90 + random.below(20)).unwrap_or(0);
        let key = text(&format!("k{}", random.below(4)));
        world.change(match random.below(3) {
            0 => Change::Publish(agent, "app.ticks".to_owned(), Value::Int(ticks)),
            1 => Change::Publish(agent, key, Value::from(format!("{}", random.number()))),
            _ => Change::Remove(agent, key),
        });
        world.run(Duration::from_millis(50));
    }
    world.stop_ticks();
    world.change(Change::Everywhere(Conditions::lan()));
    world.run(REPAIRED);
    numbers.into_iter().chain([picky]).for_each(|number| world.insist_settled(number));
    world
}

/// A lying member forges changes, numbers and statements, for itself and in others' names, and
/// watches as well.
pub(super) fn liar(seed: u64) -> World {
    let tick = Some(Duration::from_millis(100));
    let mut world = warm(seed, &Setup { clients: 2, liars: 1, tick, ..Setup::default() });
    let other = world.node_named("c0002");
    let numbers = [
        world.ask(world.client(), Question::watch("app.ticks")),
        world.ask(other, Question::watch("app.ticks")),
        world.ask(other, Question::watch("app.text")),
    ];
    world.run(Duration::from_secs(20));
    world.stop_ticks();
    world.run(REPAIRED);
    numbers.into_iter().for_each(|number| world.insist_settled(number));
    world
}
