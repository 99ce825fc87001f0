//! Scenarios with many nodes or large replies.

use std::time::Duration;

use super::plain::warm;
use crate::fault::Conditions;
use crate::question::Question;
use crate::world::script::Change;
use crate::world::{Setup, World};

pub(super) fn large(seed: u64) -> World {
    let conditions = Conditions::lan().with_loss(0.05);
    let mut world = warm(seed, &Setup { agents: 3, bulk: 2_000, conditions, ..Setup::default() });
    let asker = world.client();
    for agents in ["a0001", "*"] {
        let number = world.ask(asker, Question::get("**").on(agents));
        let asked = world.asked(number);
        let report = asked.report();
        let unheard = report.missing.len() + report.late.len();
        let values = asked.replies.iter().map(|(_, reply)| super::values_in(reply)).min();
        world.insist(unheard == 0 && values >= Some(2_008), || {
            format!("{unheard} unheard, {values:?} values from {agents}")
        });
    }
    world
}

/// Many agents that have started, the network having been down while they announced themselves:
/// what is simulated is one question to nodes never heard, the hardest case.
pub fn crowd(seed: u64, agents: u32, loss: f64) -> World {
    let setup = Setup { agents, spread: Duration::ZERO, ..Setup::default() };
    let mut world = World::new(seed, &setup);
    world.change(Change::Everywhere(Conditions::loss(1.0)));
    world.run(Duration::from_millis(1_500));
    world.change(Change::Everywhere(Conditions::lan().with_loss(loss)));
    world
}

fn ask_crowd(mut world: World) -> World {
    let asker = world.client();
    let number = world.ask(asker, Question::get("app.load"));
    let report = world.asked(number).report();
    let unheard = report.missing.len() + report.late.len();
    world.insist(unheard == 0, || format!("{unheard} of a thousand are unheard"));
    world
}

pub(super) fn thousand(seed: u64) -> World {
    ask_crowd(crowd(seed, 1_000, 0.0))
}

pub(super) fn thousand_lossy(seed: u64) -> World {
    ask_crowd(crowd(seed, 1_000, 0.05))
}
