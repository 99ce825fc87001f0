//! This project: the program's own agents, asked by the library and by the command.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use super::{Place, System, first_line, responder};

pub(crate) struct Librecast(Place);

/// What is asked: a number that every agent has.
pub(crate) const VARIABLE: &str = "system.cpu.load_1m";

const REALM: &str = "bench";

impl Librecast {
    pub(crate) fn new(place: &Place) -> Self {
        Self(place.clone())
    }

    /// The program, with the realm of so many agents.
    pub(crate) fn program(&self, count: usize) -> Command {
        let home = self.home(count);
        let mut command = Command::new(self.0.own("librecast"));
        command.env("LIBRECAST_HOME", &home).env("XDG_RUNTIME_DIR", &home);
        command
    }

    /// The asker's credential in the realm of so many agents.
    pub(crate) fn client(&self, count: usize) -> PathBuf {
        self.home(count).join("realms").join(REALM).join("credential")
    }

    /// The credential of an agent in the realm of so many.
    pub(crate) fn agent(&self, count: usize, name: &str) -> PathBuf {
        self.home(count).join("issued").join(format!("{name}.credential"))
    }

    fn home(&self, count: usize) -> PathBuf {
        self.0.work.join(format!("librecast-{count}"))
    }

    /// Makes the realm of so many agents, where it is not there.
    pub(crate) fn make_realm(&self, count: usize) -> anyhow::Result<()> {
        let home = self.home(count);
        if home.exists() {
            return Ok(());
        }
        std::fs::create_dir(&home)?;
        let names: String = (0..count).map(|index| format!("{}\n", responder(index))).collect();
        let hosts = home.join("hosts.csv");
        std::fs::write(&hosts, format!("name\n{names}"))?;
        run(self.program(count).args(["realm", "create", REALM]))?;
        let mut issue = self.program(count);
        issue.args(["realm", "issue", "--realm", REALM, "--from"]).arg(hosts);
        run(issue.arg("--out-dir").arg(home.join("issued")))
    }
}

impl System for Librecast {
    fn name(&self) -> &'static str {
        "Librecast"
    }

    fn shape(&self) -> &'static str {
        "`librecast agent` of this checkout, as many as there are responders; warm: one process \
         asks by the library; whole command: `librecast get`; everything sealed and signed"
    }

    fn version(&self) -> anyhow::Result<String> {
        first_line(Command::new(self.0.own("librecast")).arg("--version"))
    }

    fn prepare(&self, count: usize) -> anyhow::Result<()> {
        self.make_realm(count)
    }

    fn responder(&self, count: usize, index: usize) -> Command {
        let name = responder(index);
        let mut agent = self.program(count);
        agent.arg("agent").arg("--credential").arg(self.agent(count, &name));
        agent.arg("--state").arg(self.home(count).join("agents").join(&name));
        agent
    }

    fn asker(&self, count: usize) -> Command {
        let mut command = Command::new(self.0.own("lcast-bench"));
        command.args(["role", "ask"]).arg(self.client(count));
        command
    }

    fn whole(&self, count: usize) -> Command {
        let mut command = self.program(count);
        command.args(["get", VARIABLE, "--jsonl"]);
        command
    }

    fn replies(&self, output: &str) -> usize {
        let lines = output.lines().map(serde_json::from_str::<serde_json::Value>);
        let report = lines.flatten().find(|line| line["kind"] == "report");
        report.and_then(|line| line["answered"].as_u64()).map_or(0, |count| count as usize)
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let status = status.with_context(|| format!("starting {command:?}"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}
