//! Scenarios about member lists.

use std::time::Duration;

use lcast_proto::question::report::Class;

use super::plain::warm;
use crate::fault::Conditions;
use crate::question::Question;
use crate::realm::Person;
use crate::world::script::Change;
use crate::world::{Setup, World};

/// Insists that every running honest node holds this list.
fn all_hold(world: &mut World, version: u64, what: &str) {
    let behind: Vec<String> = world
        .nodes()
        .filter(|(_, node)| node.is_up() && !node.hostile && node.members_version != version)
        .map(|(_, node)| format!("{} holds {}", node.name, node.members_version))
        .collect();
    world.insist(behind.is_empty(), || format!("{what}: {}", behind.join(", ")));
}

pub(super) fn spread(seed: u64) -> World {
    let conditions = Conditions::lan().with_loss(if seed.is_multiple_of(2) { 0.0 } else { 0.05 });
    let mut world = warm(seed, &Setup { agents: 30, conditions, ..Setup::default() });
    let newcomers: Vec<Person> =
        (1..=20).map(|number| Person::agent(&format!("b{number:04}"), "new")).collect();
    let credentials = world.realm.enroll(&newcomers);
    let version = credentials[0].members().version();
    let sleeper = world.node_named("a0010");
    world.change(Change::Crash(sleeper));
    for (person, credential) in newcomers.iter().zip(&credentials).take(3) {
        let node = world.add(person, credential.clone());
        world.change(Change::Start(node));
    }
    world.run(Duration::from_secs(10));
    all_hold(&mut world, version, "ten seconds after the newcomers came");
    world.change(Change::Start(sleeper));
    world.run(Duration::from_secs(10));
    all_hold(&mut world, version, "after a sleeper came back");
    let asker = world.client();
    let number = world.ask(asker, Question::get("app.number"));
    let report = world.asked(number).report();
    let found = (report.expected, report.answered, report.missing.len());
    world.insist(found == (50, 33, 17), || format!("{found:?} expected, answered, missing"));
    world
}

pub(super) fn forget(seed: u64) -> World {
    let mut world = warm(seed, &Setup { agents: 10, clients: 2, ..Setup::default() });
    let dead = world.node_named("a0004");
    world.change(Change::Crash(dead));
    let version = world.realm.forget("a0004");
    let admin = world.client();
    world.change(Change::Members(admin, version));
    // A question carries the version: whoever hears it fetches the list from the asker.
    world.ask(admin, Question::get("app.number"));
    world.run(Duration::from_secs(8));
    all_hold(&mut world, version, "after a question of the one who forgot");
    let other = world.node_named("c0002");
    let number = world.ask(other, Question::get("app.number"));
    let asked = world.asked(number);
    let found = (asked.report().expected, asked.class("a0004"));
    world.insist(found == (9, None), || format!("{found:?} where one is forgotten"));
    // The forgotten one comes back: it is not expected, and nobody else suffers.
    world.change(Change::Start(dead));
    world.run(Duration::from_secs(3));
    let number = world.ask(other, Question::get("app.number"));
    let asked = world.asked(number);
    let others = asked.class("a0001") == Some(Class::Answered);
    let found = (asked.report().answered, asked.report().missing.len());
    world.insist(found == (9, 0) && others, || format!("{found:?} beside a forgotten node"));
    world
}
