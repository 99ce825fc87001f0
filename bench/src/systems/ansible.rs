//! Ansible: a shell command over ssh on every host, as `ansible all -m raw` does it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use super::{Place, System, first_line, program, responder};
use crate::network::AGENTS;

pub(super) struct Ansible(Place);

/// The sshd of responder 0 listens here, the others above.
const PORT: usize = 20_000;

impl Ansible {
    pub(super) fn new(place: &Place) -> Self {
        Self(place.clone())
    }

    fn folder(&self) -> PathBuf {
        self.0.work.join("ansible")
    }

    fn make_keys(&self) -> anyhow::Result<()> {
        let folder = self.folder();
        if folder.exists() {
            return Ok(());
        }
        fs::create_dir(&folder)?;
        for key in ["host", "user"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.join(key));
            let status = keygen.stdin(Stdio::null()).status().context("starting ssh-keygen")?;
            if !status.success() {
                bail!("ssh-keygen: {status}");
            }
        }
        Ok(())
    }

    fn write_hosts(&self, count: usize) -> anyhow::Result<()> {
        let folder = self.folder();
        let key = folder.join("user");
        let hosts = (0..count).map(|index| {
            let name = responder(index);
            let port = PORT + index;
            let key = key.display();
            format!(
                "{name} ansible_host={AGENTS} ansible_port={port} ansible_user=root \
                 ansible_ssh_private_key_file={key}\n"
            )
        });
        fs::write(folder.join("hosts"), hosts.collect::<String>())?;
        Ok(())
    }

    fn ansible(&self, count: usize, keep: &str) -> Command {
        let folder = self.folder();
        let mut command = Command::new("ansible");
        command.arg("-i").arg(folder.join("hosts"));
        command.args(["all", "-m", "raw", "-a", "cat /proc/loadavg"]);
        command.env("HOME", &folder).env("ANSIBLE_HOST_KEY_CHECKING", "False");
        command.env("ANSIBLE_FORKS", count.to_string());
        let known = "-o UserKnownHostsFile=/dev/null";
        command.env("ANSIBLE_SSH_ARGS", format!("{keep} {known}"));
        command
    }
}

impl System for Ansible {
    fn name(&self) -> &'static str {
        "Ansible"
    }

    fn shape(&self) -> &'static str {
        "an sshd for each responder, `ansible all -m raw -a 'cat /proc/loadavg'` with as many \
         forks; warm: the command again over connections that ControlPersist keeps; whole \
         command: without any"
    }

    fn most(&self) -> (usize, &'static str) {
        (10, "a python and an ssh process a host: it would take longer than all the others")
    }

    fn absent(&self) -> Option<&'static str> {
        let there = ["ansible", "sshd", "ssh", "ssh-keygen"].iter().all(|it| program(it).is_some());
        (!there).then_some("bench/install-peers ansible")
    }

    fn version(&self) -> anyhow::Result<String> {
        let ansible = first_line(Command::new("ansible").arg("--version"))?;
        Ok(format!("{ansible}, {}", first_line(Command::new("ssh").arg("-V"))?))
    }

    fn prepare(&self, count: usize) -> anyhow::Result<()> {
        self.make_keys()?;
        self.write_hosts(count)
    }

    fn responder(&self, _count: usize, index: usize) -> Command {
        let folder = self.folder();
        // sshd starts itself again for each connection, so it wants its full path.
        let mut command = Command::new(program("sshd").unwrap_or_else(|| "sshd".into()));
        command.args(["-D", "-f", "/dev/null", "-h"]).arg(folder.join("host"));
        let authorized = format!("AuthorizedKeysFile={}", folder.join("user.pub").display());
        let listen = format!("ListenAddress=[::]:{}", PORT + index);
        let options = [&authorized, &listen, "PidFile=none", "StrictModes=no", "UsePAM=no"];
        for option in options {
            command.args(["-o", option]);
        }
        command
    }

    fn asker(&self, count: usize) -> Command {
        let keep = "-o ControlMaster=auto -o ControlPersist=600";
        let command = self.ansible(count, keep);
        let words: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
        let mut asker = Command::new(self.0.own("lcast-bench"));
        asker.args(["role", "ansible"]).args(words);
        asker.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        asker
    }

    fn whole(&self, count: usize) -> Command {
        self.ansible(count, "-o ControlMaster=no")
    }

    fn replies(&self, output: &str) -> usize {
        output.matches("| CHANGED |").count()
    }
}
