//! Scenarios that write settings.

use std::collections::BTreeSet;
use std::time::Duration;

use lcast_proto::question::report::{Class, Outcome};
use lcast_proto::value::Value;

use super::plain::warm;
use crate::fault::Conditions;
use crate::node::Pace;
use crate::question::Question;
use crate::random::Random;
use crate::world::script::Change;
use crate::world::{Setup, World};

pub(super) fn set(seed: u64) -> World {
    let conditions = Conditions::lan().with_loss(0.1);
    let mut world = warm(seed, &Setup { conditions, ..Setup::default() });
    let asker = world.client();
    let agents = world.agents();
    for agent in &agents {
        let write = Duration::from_millis(30);
        world.change(Change::Pace(*agent, Pace { write, ..Pace::default() }));
    }
    world.change(Change::DiskFull(agents[0], true));
    for round in 0..6_u32 {
        let victim = agents[1 + (round % 9) as usize];
        let moment = Duration::from_millis(u64::from(round) * 7);
        world.after(moment, Change::Crash(victim));
        world.after(moment + Duration::from_millis(120), Change::Start(victim));
        let number = world.ask(asker, Question::set("app.greeting", format!("hello {round}")));
        let asked = world.asked(number);
        let full = asked.class("a0001");
        let answered = asked.report().answered;
        world.insist(full == Some(Class::Error), || format!("a full disk is {full:?}"));
        world.insist(answered == 9, || format!("{answered} of nine wrote"));
        world.run(Duration::from_millis(400));
    }
    for (text, class) in [("x".repeat(64), Class::Answered), ("x".repeat(65), Class::Error)] {
        let number = world.ask(asker, Question::set("app.greeting", text).on("a0002"));
        let found = world.asked(number).class("a0002");
        world.insist(found == Some(class), || format!("a long greeting is {found:?}"));
    }
    let cases = [
        Question::set("app.number", 1_i64),
        Question::set("app.nothing", "x"),
        Question::set("app.greeting", Value::Int(1)),
    ];
    for question in cases {
        let text = format!("{:?}", question.wish);
        let number = world.ask(asker, question.on("a0002"));
        let class = world.asked(number).class("a0002");
        world.insist(class == Some(Class::Error), || format!("{text} is {class:?}"));
    }
    world
}

/// Settings for listed names, more than one packet names, are written there and nowhere else.
pub(super) fn listed(seed: u64) -> World {
    let conditions = Conditions::lan().with_loss(0.1);
    let mut world = warm(seed, &Setup { agents: 200, conditions, ..Setup::default() });
    let mut random = Random::new(seed, "listed");
    let asker = world.client();
    for count in [1, 5, 60, 150] {
        let names: BTreeSet<String> =
            (0..count).map(|_| format!("a{:04}", 1 + random.below(200))).collect();
        let question = Question::set("app.greeting", format!("hello {count}"));
        let question = question.only(names.iter().map(String::as_str));
        let number = world.ask(asker, question);
        let answered = world.asked(number).report().answered as usize;
        let listed = names.len();
        world.insist(answered == listed, || format!("{answered} of {listed} wrote"));
    }
    world
}

pub(super) fn race(seed: u64) -> World {
    let conditions = Conditions::lan().with_loss(if seed.is_multiple_of(2) { 0.0 } else { 0.1 });
    let mut world = warm(seed, &Setup { agents: 3, clients: 20, conditions, ..Setup::default() });
    let clients: Vec<_> = (1..=20).map(|it| world.node_named(&format!("c{it:04}"))).collect();
    for round in 0..3 {
        let number = world.ask(clients[0], Question::get("app.greeting").on("a0001"));
        let Some(reply) = world.asked(number).reply("a0001") else {
            world.violate("a0001 does not answer");
            return world;
        };
        let Outcome::Values(values) = &reply.outcome else { return world };
        let version = values[0].version;
        let numbers: Vec<_> = clients
            .iter()
            .map(|client| {
                let text = format!("round {round} by {}", client.0);
                let question = Question::set("app.greeting", text).on("a0001");
                world.put(*client, question.if_version(version))
            })
            .collect();
        numbers.iter().for_each(|number| world.finish(*number));
        let classes = numbers.iter().map(|number| world.asked(*number).class("a0001"));
        let classes: Vec<_> = classes.collect();
        let count = |class| classes.iter().filter(|it| **it == Some(class)).count();
        let found = (count(Class::Answered), count(Class::Error));
        world.insist(found == (1, 19), || format!("{found:?} applied and conflicts"));
        world.run(Duration::from_millis(200));
    }
    world
}
