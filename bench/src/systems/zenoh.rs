//! zenoh: a queryable in each responder, found by a router or by each other.

use std::process::Command;
use std::time::Duration;

use super::{Place, System, locked_version, responder};
use crate::network::AGENTS;

pub(super) struct Zenoh {
    place: Place,
    router: bool,
}

impl Zenoh {
    /// One router, everybody its client.
    pub(super) fn by_router(place: &Place) -> Self {
        Self { place: place.clone(), router: true }
    }

    /// As it comes: peers that find each other and connect each to each.
    pub(super) fn mesh(place: &Place) -> Self {
        Self { place: place.clone(), router: false }
    }

    fn client(&self, role: &str, argument: &str) -> Command {
        let mut command = self.program();
        let endpoint = format!("tcp/[{AGENTS}]:{PORT}");
        command.args([role, if self.router { &endpoint } else { "mesh" }, argument]);
        command
    }

    fn program(&self) -> Command {
        Command::new(self.place.peer("peer-zenoh"))
    }
}

const PORT: u16 = 7447;

impl System for Zenoh {
    fn name(&self) -> &'static str {
        if self.router { "zenoh, router" } else { "zenoh, mesh" }
    }

    fn shape(&self) -> &'static str {
        if self.router {
            "one router (the session that zenohd opens, without its plugins), responders and asker \
             its clients over TCP, Rust programs on the crate zenoh; no TLS"
        } else {
            "zenoh as it comes: peers that find each other by multicast and connect each to each \
             over TCP; no TLS"
        }
    }

    fn most(&self) -> (usize, &'static str) {
        if self.router {
            (usize::MAX, "")
        } else {
            (100, "every process would hold a connection to each of the others")
        }
    }

    fn absent(&self) -> Option<&'static str> {
        (!self.place.peer("peer-zenoh").exists()).then_some("bench/run builds it")
    }

    fn version(&self) -> anyhow::Result<String> {
        Ok(format!("zenoh {}", locked_version(&self.place.checkout, "zenoh")?))
    }

    fn server(&self, _count: usize) -> Option<(Command, u16)> {
        let mut command = self.program();
        command.args(["route", &PORT.to_string()]);
        self.router.then_some((command, PORT))
    }

    fn responder(&self, _count: usize, index: usize) -> Command {
        self.client("respond", &responder(index))
    }

    fn pace(&self) -> Duration {
        Duration::from_millis(if self.router { 10 } else { 60 })
    }

    fn asker(&self, count: usize) -> Command {
        self.client("ask", &count.to_string())
    }
}
