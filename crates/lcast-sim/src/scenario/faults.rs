//! Scenarios in which the network or honest nodes fail.

use std::time::Duration;

use lcast_proto::question::report::Class;

use super::plain::{ask_all, warm};
use crate::fault::{Conditions, Firewall};
use crate::node::Pace;
use crate::question::Question;
use crate::world::script::Change;
use crate::world::{Setup, World};

/// Twenty agents whose values change, asked ten times under these conditions.
fn twenty_under(seed: u64, conditions: Conditions) -> World {
    let tick = Some(Duration::from_millis(100));
    let setup = Setup { agents: 20, tick, conditions, ..Setup::default() };
    let mut world = warm(seed, &setup);
    for _ in 0..10 {
        ask_all(&mut world, "faults in the network");
        world.run(Duration::from_millis(400));
    }
    world
}

pub(super) fn loss_1(seed: u64) -> World {
    twenty_under(seed, Conditions::lan().with_loss(0.01))
}

pub(super) fn loss_5(seed: u64) -> World {
    twenty_under(seed, Conditions::lan().with_loss(0.05))
}

pub(super) fn loss_20(seed: u64) -> World {
    twenty_under(seed, Conditions::lan().with_loss(0.2))
}

pub(super) fn bursts(seed: u64) -> World {
    twenty_under(seed, Conditions { burst: 2.0, ..Conditions::lan().with_loss(0.1) })
}

pub(super) fn duplication(seed: u64) -> World {
    twenty_under(seed, Conditions { duplicate: 0.33, ..Conditions::lan() })
}

pub(super) fn reordering(seed: u64) -> World {
    twenty_under(seed, Conditions { reorder: 0.33, ..Conditions::lan() })
}

pub(super) fn damage(seed: u64) -> World {
    twenty_under(seed, Conditions { corrupt: 0.1, ..Conditions::lan() })
}

pub(super) fn one_way(seed: u64) -> World {
    let mut world = warm(seed, &Setup::default());
    let (mute, deaf) = (world.node_named("a0003"), world.node_named("a0005"));
    world.change(Change::From(mute, Conditions::loss(1.0)));
    world.change(Change::To(deaf, Conditions::loss(1.0)));
    for _ in 0..3 {
        let asker = world.client();
        let number = world.ask(asker, Question::get("app.number"));
        let asked = world.asked(number);
        let classes = (asked.class("a0003"), asked.class("a0005"), asked.report().answered);
        world.insist(classes == (Some(Class::Missing), Some(Class::Missing), 8), || {
            format!("mute, deaf and others: {classes:?}")
        });
    }
    world.change(Change::Heal);
    ask_all(&mut world, "both ways are open again");
    world
}

pub(super) fn partition(seed: u64) -> World {
    let mut world = warm(seed, &Setup { agents: 20, ..Setup::default() });
    let island: Vec<_> = world.agents().into_iter().take(8).collect();
    world.change(Change::Partition(vec![island.clone()]));
    let asker = world.client();
    for wait in [0, 2, 12] {
        world.run(Duration::from_secs(wait));
        let number = world.ask(asker, Question::get("app.number"));
        let report = world.asked(number).report();
        let found = (report.answered, report.missing.len());
        world.insist(found == (12, 8), || format!("{found:?} answered and missing while split"));
    }
    world.change(Change::Heal);
    ask_all(&mut world, "healed");
    // Healed in the middle of a question: everybody is back before its end.
    world.change(Change::Partition(vec![island]));
    let number = world.put(asker, Question::get("app.number"));
    world.after(Duration::from_millis(300), Change::Heal);
    world.finish(number);
    let missing = world.asked(number).report().missing.len();
    world.insist(missing == 0, || format!("{missing} missing although healed in time"));
    world
}

pub(super) fn crash(seed: u64) -> World {
    let mut world = warm(seed, &Setup { agents: 20, ..Setup::default() });
    let agents = world.agents();
    for round in 0..8_u32 {
        let victim = agents[(round * 7 % 20) as usize];
        let asker = world.client();
        let moment = Duration::from_micros(u64::from(round) * 40);
        world.after(moment, Change::Crash(victim));
        let back = Duration::from_millis(200);
        world.after(back, Change::Start(victim));
        let number = world.put(asker, Question::get("app.number"));
        world.finish(number);
        let missing = world.asked(number).report().missing.len();
        world.insist(missing == 0, || format!("{missing} missing although back after {back:?}"));
        world.run(Duration::from_millis(500));
    }
    let victims = [agents[1], agents[2]];
    victims.into_iter().for_each(|victim| world.change(Change::Crash(victim)));
    let asker = world.client();
    let number = world.ask(asker, Question::get("app.number"));
    let missing = world.asked(number).report().missing.len();
    world.insist(missing == 2, || format!("{missing} missing where two are dead"));
    // Once presence holds them gone, they do not hold a question up.
    world.run(Duration::from_secs(20));
    let number = world.ask(asker, Question::get("app.number"));
    let report = world.asked(number).report();
    let (missing, elapsed) = (report.missing.len(), report.elapsed);
    world.insist(missing == 2 && elapsed < Duration::from_millis(900), || {
        format!("{missing} missing after {elapsed:?} where two are gone")
    });
    world
}

pub(super) fn pause(seed: u64) -> World {
    let mut world = warm(seed, &Setup::default());
    let (stopped, short) = (world.node_named("a0002"), world.node_named("a0004"));
    world.change(Change::Pause(stopped));
    world.change(Change::Pause(short));
    world.after(Duration::from_millis(600), Change::Resume(short));
    let asker = world.client();
    let number = world.ask(asker, Question::get("app.number app.load"));
    let asked = world.asked(number);
    let classes = (asked.class("a0002"), asked.class("a0004"));
    world.insist(classes == (Some(Class::Missing), Some(Class::Answered)), || {
        format!("stopped for good and for 600 ms: {classes:?}")
    });
    world.run(Duration::from_secs(60));
    world.change(Change::Resume(stopped));
    ask_all(&mut world, "it goes on after a minute");
    world
}

pub(super) fn slow(seed: u64) -> World {
    let mut world = warm(seed, &Setup::default());
    let (sampler, writer) = (world.node_named("a0001"), world.node_named("a0002"));
    let sample = Duration::from_millis(300);
    world.change(Change::Pace(sampler, Pace { sample, ..Pace::default() }));
    let write = Duration::from_millis(400);
    world.change(Change::Pace(writer, Pace { write, ..Pace::default() }));
    ask_all(&mut world, "slow sampling");
    let asker = world.client();
    let number = world.ask(asker, Question::set("app.greeting", "hello"));
    let answered = world.asked(number).report().answered;
    world.insist(answered == 10, || format!("{answered} wrote, one of them slowly"));
    let write = Duration::from_secs(20);
    world.change(Change::Pace(writer, Pace { write, ..Pace::default() }));
    let number = world.ask(asker, Question::set("app.greeting", "later"));
    let class = world.asked(number).class("a0002");
    world.insist(class == Some(Class::Late), || format!("a very slow writer is {class:?}"));
    world.run(Duration::from_secs(25));
    world.change(Change::Pace(writer, Pace::default()));
    ask_all(&mut world, "quick again");
    world
}

pub(super) fn overrun(seed: u64) -> World {
    let mut world = warm(seed, &Setup { agents: 60, ..Setup::default() });
    let asker = world.client();
    let pace = Pace { buffer_max: 4, packet: Duration::from_micros(300), ..Pace::default() };
    world.change(Change::Pace(asker, pace));
    for _ in 0..5 {
        ask_all(&mut world, "a small receive buffer");
        world.run(Duration::from_millis(300));
    }
    world
}

pub(super) fn skew(seed: u64) -> World {
    let mut world = World::new(seed, &Setup::default());
    let hour = 3_600_000_i64;
    let skews = [2 * hour, -2 * hour, 23 * hour, -23 * hour];
    for (node, millis) in world.agents().into_iter().zip(skews) {
        world.change(Change::Skew(node, millis));
    }
    world.run(Duration::from_secs(3));
    for millis in [0, 2 * hour, -23 * hour / 2] {
        let asker = world.client();
        world.change(Change::Skew(asker, millis / 2));
        ask_all(&mut world, "skewed clocks");
    }
    // A clock that jumps while a question is open.
    let asker = world.client();
    let number = world.put(asker, Question::get("app.load"));
    world.after(Duration::from_micros(60), Change::Skew(asker, 5 * hour));
    world.finish(number);
    let missing = world.asked(number).report().missing.len();
    world.insist(missing == 0, || format!("{missing} missing after a clock jumped"));
    world
}

pub(super) fn firewall(seed: u64) -> World {
    let mut world = World::new(seed, &Setup { agents: 20, ..Setup::default() });
    let asker = world.client();
    world.run(Duration::from_secs(3));
    world.change(Change::Firewall(asker, Firewall::Stateful));
    ask_all(&mut world, "heard before the firewall went up");
    let agents = world.agents();
    for agent in &agents[..5] {
        world.change(Change::Firewall(*agent, Firewall::Stateful));
    }
    world.change(Change::Heal);
    for _ in 0..3 {
        let number = world.ask(asker, Question::get("app.number").not("a000*"));
        let missing = world.asked(number).report().missing.len();
        world.insist(missing == 0, || format!("{missing} missing behind the asker's firewall"));
    }
    world
}

pub(super) fn leave(seed: u64) -> World {
    let mut world = warm(seed, &Setup::default());
    let leaver = world.node_named("a0009");
    world.change(Change::Leave(leaver));
    world.run(Duration::from_millis(100));
    let asker = world.client();
    let number = world.ask(asker, Question::get("app.number"));
    let report = world.asked(number).report();
    let (missing, elapsed) = (report.missing.len(), report.elapsed);
    world.insist(missing == 1 && elapsed < Duration::from_millis(900), || {
        format!("{missing} missing after {elapsed:?} where one said goodbye")
    });
    world.change(Change::Start(leaver));
    world.run(Duration::from_millis(100));
    ask_all(&mut world, "it is back");
    world
}
