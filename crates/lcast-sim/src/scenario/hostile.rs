//! Scenarios with somebody who wishes the realm ill.

use std::time::Duration;

use lcast_proto::stats::Dropped;

use super::plain::{ask_all, warm};
use crate::fault::Conditions;
use crate::question::Question;
use crate::world::{Setup, World};

pub(super) fn liar(seed: u64) -> World {
    let tick = Some(Duration::from_millis(100));
    let mut world = warm(seed, &Setup { liars: 1, tick, ..Setup::default() });
    let asker = world.client();
    for pattern in ["app.number", "app", "app.load", "**"] {
        let number = world.ask(asker, Question::get(pattern));
        let answered = world.asked(number).report().answered;
        world.insist(answered >= 10, || format!("{answered} answered {pattern} beside a liar"));
        world.run(Duration::from_millis(500));
    }
    insist_dropped(
        &mut world,
        &[Dropped::Seal, Dropped::Signature, Dropped::Replay, Dropped::Frame, Dropped::Taken],
    );
    let number = world.ask(asker, Question::set("app.greeting", "hello").not("x*"));
    let answered = world.asked(number).report().answered;
    world.insist(answered == 10, || format!("{answered} wrote beside a liar"));
    world
}

pub(super) fn outsider(seed: u64) -> World {
    let conditions = Conditions::lan().with_loss(0.02);
    let mut world = warm(seed, &Setup { outsiders: 1, conditions, ..Setup::default() });
    for _ in 0..6 {
        ask_all(&mut world, "a stranger is on the link");
        world.run(Duration::from_millis(500));
    }
    insist_dropped(&mut world, &[Dropped::Seal, Dropped::Replay]);
    world
}

/// Insists that honest nodes met, and dropped, packets of each of these kinds.
fn insist_dropped(world: &mut World, kinds: &[Dropped]) {
    for kind in kinds {
        let endpoints = world.nodes().filter_map(|(_, node)| node.endpoint());
        let count: u64 = endpoints.map(|endpoint| endpoint.stats().dropped(*kind)).sum();
        world.insist(count > 0, || format!("nothing was dropped as '{kind}': no attack"));
    }
}
