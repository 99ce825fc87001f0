//! Scenarios of presence: who dies is gone for all within seconds, and nobody else is.

use std::time::Duration;

use lcast_proto::presence::State;

use super::plain::warm;
use super::whole::{HEALING, is_alive};
use crate::fault::{Conditions, Firewall};
use crate::net::NodeIndex;
use crate::node::Node;
use crate::queue::Time;
use crate::random::Random;
use crate::world::script::Change;
use crate::world::{Gone, Setup, World};

/// Within this time everybody knows of a death. [PRE-21] [PRE-22]
pub(super) const KNOWN: Duration = Duration::from_secs(6);
/// Packets that presence costs a node in a second, without loss. [PRE-30]
const PACKETS_PER_SECOND_MAX: f64 = 5.0;
/// Packets that presence costs a node in a second where unicast reaches nobody: most are pings in
/// vain.
const DEAF_PACKETS_MAX: f64 = 40.0;

/// Kills the agent of this number, which all hold alive: soon nobody does.
fn kill_known(world: &mut World, victim: u32) {
    let name = format!("a{victim:04}");
    let states = states(world, world.node_named(&name));
    let known = states.iter().filter(|it| is_alive(**it)).count();
    world.insist(known == states.len(), || {
        format!("{known} of {} hold {name} alive before it dies", states.len())
    });
    kill(world, victim);
}

/// Kills the agent of this number: soon nobody holds it alive.
fn kill(world: &mut World, victim: u32) {
    let name = format!("a{victim:04}");
    let dead = world.node_named(&name);
    let at = world.now();
    world.change(Change::Crash(dead));
    world.run(KNOWN);
    let states = states(world, dead);
    let alive = states.iter().filter(|it| is_alive(**it)).count();
    let told = world.gone().iter().filter(|it| it.at >= at && it.node == dead);
    let last = told.map(|it| it.at - at).max();
    world.insist(alive == 0, || {
        format!("{alive} of {} hold {name} alive, the last who knew after {last:?}", states.len())
    });
    nobody_living_is_gone(world, Duration::ZERO);
}

/// What the others hold of a node.
fn states(world: &World, of: NodeIndex) -> Vec<State> {
    let id = world.node(of).credential.certificate().id();
    let others = world.nodes().filter(|(index, _)| *index != of);
    let state =
        |(_, node): (NodeIndex, &Node)| Some(node.endpoint()?.state(node.now(world.now()), &id));
    others.filter_map(state).collect()
}

/// How many of these are held alive by somebody.
fn held_alive(world: &World, dead: &[NodeIndex]) -> usize {
    dead.iter().filter(|it| states(world, **it).into_iter().any(is_alive)).count()
}

/// Insists that nobody was held gone.
fn nobody_is_gone(world: &mut World, since: Time) {
    insist_on_gone(world, |it| it.at < since);
}

/// Insists that nobody was held gone who lived and could be heard.
fn nobody_living_is_gone(world: &mut World, since: Time) {
    insist_on_gone(world, |it| it.at < since || !it.lives);
}

/// Insists that whoever was held gone was so rightly.
fn insist_on_gone(world: &mut World, right: impl Fn(&Gone) -> bool) {
    let held: Vec<String> = world
        .gone()
        .iter()
        .filter(|gone| !right(gone))
        .map(|it| format!("{} at {} after {:?}", it.node.0, it.observer.0, it.at))
        .collect();
    world.insist(held.is_empty(), || format!("held gone: {}", held.join(", ")));
}

/// Lets time pass, and counts the packets that each node sends in a second.
fn cost(world: &mut World, time: Duration, nodes: u32) -> f64 {
    let sent = |world: &World| world.network.traffic.unicast + world.network.traffic.multicast;
    let before = sent(world);
    world.run(time);
    (sent(world) - before) as f64 / f64::from(nodes) / time.as_secs_f64()
}

fn deaths(seed: u64, agents: u32) -> World {
    let mut world = warm(seed, &Setup { agents, ..Setup::default() });
    world.run(Duration::from_secs(10));
    let packets = cost(&mut world, Duration::from_secs(20), agents);
    world.insist(packets < PACKETS_PER_SECOND_MAX, || {
        format!("presence costs {packets:.2} packets a second and node")
    });
    nobody_is_gone(&mut world, Duration::ZERO);
    kill_known(&mut world, 3);
    kill_known(&mut world, agents);
    world
}

pub(super) fn deaths_10(seed: u64) -> World {
    deaths(seed, 10)
}

pub(super) fn deaths_100(seed: u64) -> World {
    deaths(seed, 100)
}

/// An agent dies within a second of the start of ten: some of them began after it had announced
/// itself, and it before it did so again.
pub(super) fn deaths_young(seed: u64) -> World {
    let setup = Setup { agents: 10, spread: Duration::from_millis(500), ..Setup::default() };
    let mut world = World::new(seed, &setup);
    let mut random = Random::new(seed, "deaths-young");
    world.run(Duration::from_millis(500) + random.duration(Duration::from_millis(500)));
    kill(&mut world, 1 + random.index(10) as u32);
    world
}

/// Agents of three hundred die after half of them were started again: most of what stands before
/// one on the ring began since it last announced itself.
pub(super) fn deaths_300(seed: u64) -> World {
    let mut world = warm(seed, &Setup { agents: 300, ..Setup::default() });
    let mut random = Random::new(seed, "deaths-300");
    world.run(Duration::from_secs(5));
    let span = Duration::from_secs(10);
    for agent in world.agents() {
        if random.chance(0.5) {
            let at = random.duration(span);
            world.after(at, Change::Crash(agent));
            world.after(at + Duration::from_secs(1), Change::Start(agent));
        }
    }
    world.run(span + Duration::from_secs(5));
    for quarter in 0..4 {
        let victim = 1 + quarter * 75 + random.index(75) as u32;
        kill(&mut world, victim);
    }
    world
}

/// Nobody hears an agent of three hundred start, as behind a port that a switch opens late. Soon
/// all know of it all the same, and of its death.
pub(super) fn unheard(seed: u64) -> World {
    let mut world = warm(seed, &Setup { agents: 300, ..Setup::default() });
    let mut random = Random::new(seed, "unheard");
    let number = 1 + random.index(300) as u32;
    let late = world.node_named(&format!("a{number:04}"));
    // Nobody announces itself in these seconds but a few.
    world.run(Duration::from_secs(20));
    world.change(Change::Crash(late));
    world.run(KNOWN);
    world.change(Change::From(late, Conditions::loss(1.0)));
    world.change(Change::Start(late));
    world.run(Duration::from_secs(2));
    world.change(Change::Heal);
    world.run(Duration::from_secs(6));
    kill_known(&mut world, number);
    world
}

/// Of sixteen agents most are killed at once, and some of those start again: they know nothing of
/// the dead between them. Soon nobody holds those alive.
pub(super) fn deaths_many(seed: u64) -> World {
    let mut world = warm(seed, &Setup { agents: 16, ..Setup::default() });
    let mut random = Random::new(seed, "deaths-many");
    world.run(Duration::from_secs(20));
    let mut dead = Vec::new();
    // Of those that nobody else knew, who has just started cannot know.
    for agent in world.agents().into_iter().skip(2) {
        if random.chance(0.3) {
            continue;
        }
        world.change(Change::Crash(agent));
        if random.chance(0.4) {
            let at = Duration::from_millis(300) + random.duration(Duration::from_millis(500));
            world.after(at, Change::Start(agent));
        } else {
            dead.push(agent);
        }
    }
    // Six are pinged at once.
    world.run(KNOWN * 3);
    let held = held_alive(&world, &dead);
    world.insist(held == 0, || format!("{held} of {} dead are held alive", dead.len()));
    nobody_living_is_gone(&mut world, Duration::ZERO);
    world
}

/// Some agents of three hundred die after half of the realm was cut off from the other half, and
/// both have found each other again.
pub(super) fn deaths_healed(seed: u64) -> World {
    let mut world = warm(seed, &Setup { agents: 300, ..Setup::default() });
    let mut random = Random::new(seed, "deaths-healed");
    world.run(Duration::from_secs(5));
    let agents = world.agents();
    let island = agents.iter().copied().filter(|_| random.chance(0.5)).collect();
    world.change(Change::Partition(vec![island]));
    world.run(Duration::from_secs(30));
    world.change(Change::Heal);
    let (mut dead, healed) = (Vec::new(), world.now() + HEALING);
    for part in agents.chunks(25) {
        world.run(Duration::from_secs(6));
        dead.push(part[random.index(part.len())]);
        world.change(Change::Crash(dead[dead.len() - 1]));
    }
    world.run(KNOWN);
    let held = held_alive(&world, &dead);
    world.insist(held == 0, || format!("{held} of {} dead are held alive", dead.len()));
    nobody_living_is_gone(&mut world, healed);
    world
}

/// Unicast reaches nobody of a hundred for a minute: each is suspected, and refutes that.
pub(super) fn deaf(seed: u64) -> World {
    let mut world = warm(seed, &Setup { agents: 100, ..Setup::default() });
    world.run(Duration::from_secs(10));
    for agent in world.agents() {
        world.change(Change::Firewall(agent, Firewall::NoUnicast));
    }
    let packets = cost(&mut world, Duration::from_secs(60), 100);
    world.insist(packets < DEAF_PACKETS_MAX, || {
        format!("presence costs {packets:.2} packets a second and node")
    });
    for agent in world.agents() {
        world.change(Change::Firewall(agent, Firewall::Open));
    }
    world.run(Duration::from_secs(10));
    nobody_is_gone(&mut world, Duration::ZERO);
    let packets = cost(&mut world, Duration::from_secs(10), 100);
    world.insist(packets < PACKETS_PER_SECOND_MAX, || {
        format!("presence costs {packets:.2} packets a second and node after that")
    });
    kill_known(&mut world, 7);
    world
}

/// Ten minutes of heavy loss: nobody dies, so nobody is gone.
pub(super) fn calm_20(seed: u64) -> World {
    let conditions = Conditions::lan().with_loss(0.2);
    let mut world = warm(seed, &Setup { agents: 100, conditions, ..Setup::default() });
    let since = world.now();
    world.run(Duration::from_secs(600));
    nobody_is_gone(&mut world, since);
    world
}

/// Each side of a split realm holds the other gone, and both heal by themselves.
pub(super) fn parted(seed: u64) -> World {
    let mut world = warm(seed, &Setup { agents: 12, ..Setup::default() });
    world.run(Duration::from_secs(5));
    let island: Vec<_> = world.agents().into_iter().take(5).collect();
    world.change(Change::Partition(vec![island.clone()]));
    world.run(Duration::from_secs(60));
    let on_island =
        |world: &World| world.gone().iter().filter(|it| island.contains(&it.observer)).count();
    let held = on_island(&world);
    world.insist(held == 5 * 7, || format!("{held} of 35 are held gone on the island"));
    world.change(Change::Heal);
    world.run(Duration::from_secs(40));
    let since = world.now();
    world.run(Duration::from_secs(30));
    nobody_is_gone(&mut world, since);
    super::plain::ask_all(&mut world, "the realm is whole again");
    world
}

/// A stopped process is gone, and back when it goes on; a restarted one is never gone again.
pub(super) fn stopped(seed: u64) -> World {
    let mut world = warm(seed, &Setup::default());
    world.run(Duration::from_secs(5));
    let sleeper = world.node_named("a0004");
    world.change(Change::Pause(sleeper));
    world.run(Duration::from_secs(10));
    let gone = world.gone().iter().filter(|it| it.node == sleeper).count();
    world.insist(gone == 10, || format!("{gone} of 10 hold the stopped agent gone"));
    world.change(Change::Resume(sleeper));
    world.run(Duration::from_secs(5));
    let since = world.now();
    let restarted = world.node_named("a0006");
    world.change(Change::Crash(restarted));
    world.change(Change::Start(restarted));
    world.run(Duration::from_secs(30));
    nobody_is_gone(&mut world, since);
    super::plain::ask_all(&mut world, "everybody goes on");
    world
}

/// A member that suspects everybody makes nobody gone.
pub(super) fn slander(seed: u64) -> World {
    let setup = Setup { agents: 20, liars: 1, ..Setup::default() };
    let mut world = warm(seed, &setup);
    world.run(Duration::from_secs(60));
    let honest = |node: NodeIndex| !world.node(node).hostile;
    let held = world.gone().iter().filter(|it| honest(it.node)).count();
    world.insist(held == 0, || format!("honest nodes are held gone {held} times"));
    world
}
