//! Salt: a master, a minion in each responder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Place, System, first_line, program, responder};
use crate::network::FAR_END;

pub(super) struct Salt(Place);

impl Salt {
    pub(super) fn new(place: &Place) -> Self {
        Self(place.clone())
    }

    fn folder(&self, count: usize) -> PathBuf {
        self.0.work.join(format!("salt-{count}"))
    }

    fn master_folder(&self, count: usize) -> PathBuf {
        self.folder(count).join("master")
    }
}

impl System for Salt {
    fn name(&self) -> &'static str {
        "Salt"
    }

    fn shape(&self) -> &'static str {
        "a master with its default settings, a minion for each responder; warm: one process asks \
         `test.ping` by Salt's LocalClient; whole command: `salt '*' test.ping`. Where the master \
         is, is the asker: both are at the far end of the wire at all times"
    }

    fn most(&self) -> (usize, &'static str) {
        (10, "a minion is several python processes, and more do not start in bearable time")
    }

    fn absent(&self) -> Option<&'static str> {
        let there = ["salt", "salt-master", "salt-minion"].iter().all(|it| program(it).is_some());
        (!there).then_some("bench/install-peers salt")
    }

    fn version(&self) -> anyhow::Result<String> {
        first_line(Command::new("salt").arg("--version"))
    }

    fn asks_from_far(&self) -> bool {
        true
    }

    fn prepare(&self, count: usize) -> anyhow::Result<()> {
        let folder = self.folder(count);
        if folder.exists() {
            // Whoever was killed left pid files, in whose way nobody starts.
            fs::remove_dir_all(&folder)?;
        }
        let root = folder.join("root");
        let listen = "interface: '::'\nipv6: True\nauto_accept: True";
        let config = format!("{listen}\nroot_dir: {}\nuser: {USER}\n", root.display());
        write_config(&self.master_folder(count), "master", &config)?;
        (0..count).try_for_each(|index| {
            let name = responder(index);
            let minion = folder.join(&name);
            let root = minion.join("root");
            let master = format!("master: {FAR_END}\nipv6: True\nid: {name}");
            let config = format!("{master}\nroot_dir: {}\nuser: {USER}\n", root.display());
            write_config(&minion, "minion", &config)
        })
    }

    fn server(&self, count: usize) -> Option<(Command, u16)> {
        let mut command = Command::new("salt-master");
        command.args(["-l", "quiet", "-c"]).arg(self.master_folder(count));
        Some((command, PORT))
    }

    fn responder(&self, count: usize, index: usize) -> Command {
        let mut command = Command::new("salt-minion");
        command.args(["-l", "quiet", "-c"]).arg(self.folder(count).join(responder(index)));
        command
    }

    fn asker(&self, count: usize) -> Command {
        let mut command = Command::new("python3");
        command.arg(self.0.checkout.join("bench/peers/ask_salt.py"));
        command.arg(self.master_folder(count).join("master")).arg(count.to_string());
        command
    }

    fn whole(&self, count: usize) -> Command {
        let mut command = Command::new("salt");
        command.arg("-c").arg(self.master_folder(count)).args(["*", "test.ping", "--out=txt"]);
        command
    }

    fn replies(&self, output: &str) -> usize {
        output.matches(": True").count()
    }
}

/// The only user of the namespaces.
const USER: &str = "root";

/// Where minions send their replies.
const PORT: u16 = 4506;

fn write_config(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join(name), text)?;
    Ok(())
}
