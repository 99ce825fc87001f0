//! NATS: one server, a subscription in each responder.

use std::process::Command;

use super::{Place, System, first_line, locked_version, program, responder};
use crate::network::AGENTS;

pub(super) struct Nats(Place);

impl Nats {
    pub(super) fn new(place: &Place) -> Self {
        Self(place.clone())
    }

    fn client(&self, role: &str, argument: &str) -> Command {
        let mut command = Command::new(self.0.peer("peer-nats"));
        command.args([role, &format!("nats://[{AGENTS}]:{PORT}"), argument]);
        command
    }
}

const SERVER: &str = "nats-server";
const PORT: u16 = 4222;

impl System for Nats {
    fn name(&self) -> &'static str {
        "NATS"
    }

    fn shape(&self) -> &'static str {
        "one nats-server with its default settings; responders and asker are Rust programs on the \
         official client async-nats, one thread each; no TLS"
    }

    fn absent(&self) -> Option<&'static str> {
        let there = program(SERVER).is_some() && self.0.peer("peer-nats").exists();
        (!there).then_some("bench/install-peers nats")
    }

    fn version(&self) -> anyhow::Result<String> {
        let server = first_line(Command::new(SERVER).arg("--version"))?;
        let client = locked_version(&self.0.checkout, "async-nats")?;
        Ok(format!("{server}, async-nats {client}"))
    }

    fn server(&self, _count: usize) -> Option<(Command, u16)> {
        let mut command = Command::new(SERVER);
        command.args(["--addr", "::", "--port", &PORT.to_string()]);
        Some((command, PORT))
    }

    fn responder(&self, _count: usize, index: usize) -> Command {
        self.client("respond", &responder(index))
    }

    fn asker(&self, count: usize) -> Command {
        self.client("ask", &count.to_string())
    }
}
