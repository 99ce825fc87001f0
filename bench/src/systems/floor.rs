//! The floor: a bare datagram to a multicast group, a bare datagram back from each.

use std::process::Command;

use super::{Place, System, responder};

/// Multicast without security, names, repair or account.
pub(super) struct Floor(Place);

impl Floor {
    pub(super) fn new(place: &Place) -> Self {
        Self(place.clone())
    }

    fn program(&self) -> Command {
        Command::new(self.0.own("floor"))
    }
}

impl System for Floor {
    fn name(&self) -> &'static str {
        "bare multicast"
    }

    fn shape(&self) -> &'static str {
        "the floor: one UDP datagram to a group, one back from each responder; no security, no \
         names, no repair, no account"
    }

    fn version(&self) -> anyhow::Result<String> {
        Ok("`bench/src/bin/floor.rs`".to_owned())
    }

    fn responder(&self, _count: usize, index: usize) -> Command {
        let mut command = self.program();
        command.args(["respond", &responder(index)]);
        command
    }

    fn asker(&self, count: usize) -> Command {
        let mut command = self.program();
        command.args(["ask", &count.to_string()]);
        command
    }
}
