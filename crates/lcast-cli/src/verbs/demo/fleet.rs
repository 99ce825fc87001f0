//! The agents of the demo: a folder, a realm, and a process each.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram as StdUnixDatagram};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use lcast::file::{Durability, create_private_folder, write};
use lcast::home::{Environment, Home};
use lcast::realm::{self, Issued, Request};
use lcast_proto::keys::{Kind, Network, Scope};
use tokio::net::UnixDatagram;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use crate::failure::Failure;
use crate::output::table::Table;
use crate::place;

/// Name and role of each agent.
const MEMBERS: [(&str, &str); 4] = [("web1", "web"), ("web2", "web"), ("db1", "db"), ("db2", "db")];
/// The agent that is killed.
const VICTIM: &str = "db2";
const REALM: &str = "demo";
/// How long an agent may take to leave before it is killed.
const LEAVE_MAX: Duration = Duration::from_secs(3);

const CONFIG: &str = "\
[[setting]]
name = \"app.greeting\"
type = \"text\"
max_len = 64
default = \"\"
description = \"A setting of the demo, to be set with: librecast set\"
";

/// A realm in a folder of its own, and its agents.
#[derive(Debug)]
pub(super) struct Fleet {
    folder: PathBuf,
    agents: Vec<Agent>,
    keep: bool,
    /// Whether the folder is to be removed when this value goes.
    owned: bool,
}

#[derive(Debug)]
struct Agent {
    issued: Issued,
    role: &'static str,
    child: Option<Child>,
    /// What ties the agent to this process: it leaves when this is closed. Kept apart from the
    /// child, whose standard input is closed by waiting for it.
    tie: Option<ChildStdin>,
}

impl Fleet {
    /// Makes the folder, the realm and the credentials.
    pub(super) fn found(keep: bool) -> Result<Self, Failure> {
        let folder = make_folder(&std::env::temp_dir())?;
        // From here on the folder is removed when something fails.
        let mut fleet = Self { folder, agents: Vec::new(), keep, owned: true };
        for path in [fleet.home(), fleet.runtime(), fleet.folder.join("log")] {
            create_private_folder(&path).map_err(|error| wrong(&path, &error))?;
        }
        let config = fleet.folder.join("agent.toml");
        write(&config, CONFIG.as_bytes(), Durability::Cached)
            .map_err(|error| wrong(&config, &error))?;
        let environment =
            Environment { librecast_home: Some(fleet.home()), ..Environment::of_process() };
        let realm = Home::of(environment).folder(REALM);
        let network = Network { scope: Scope::Host, ..Network::default() };
        realm::create(&realm, network, place::wall())?;
        let request = |(name, role): &(&str, &str)| Request {
            name: (*name).to_owned(),
            kind: Kind::Agent,
            roles: Vec::new(),
            labels: vec![("role".to_owned(), (*role).to_owned())],
            days: Some(1),
            again: false,
            out: fleet.folder.join(format!("{name}.credential")),
        };
        let requests: Vec<Request> = MEMBERS.iter().map(request).collect();
        let issued = realm::issue(&realm, &requests, place::wall())?;
        let agent = |(issued, (_, role))| Agent { issued, role, child: None, tie: None };
        fleet.agents = issued.into_iter().zip(MEMBERS).map(agent).collect();
        Ok(fleet)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    pub(super) fn runtime(&self) -> PathBuf {
        self.folder.join("run")
    }

    pub(super) fn len(&self) -> usize {
        self.agents.len()
    }

    /// The processes of the agents that run.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.agents.iter().filter_map(|it| it.child.as_ref()?.id()).collect()
    }

    /// Starts all agents, and waits until each has said that it is ready.
    pub(super) async fn start(&mut self, time: Duration) -> Result<(), Failure> {
        let (name, ready) = readiness_socket()
            .map_err(|error| Failure::internal(format_args!("cannot wait for agents: {error}")))?;
        for index in 0..self.agents.len() {
            let mut child = self.spawn(&self.agents[index].issued, &name)?;
            self.agents[index].tie = child.stdin.take();
            self.agents[index].child = Some(child);
        }
        match timeout(time, self.until_ready(&ready)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.failed_start("the agents are not ready after 15 s")),
        }
    }

    async fn until_ready(&mut self, ready: &UnixDatagram) -> Result<(), Failure> {
        let mut count = 0;
        let mut buffer = [0; 1024];
        while count < self.agents.len() {
            tokio::select! {
                received = ready.recv(&mut buffer) => {
                    let length = received.unwrap_or(0);
                    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    count += usize::from(text.lines().any(|line| line == "READY=1"));
                }
                name = first_to_end(&mut self.agents) => {
                    return Err(self.failed_start(&format!("the agent {name} ended at once")));
                }
            }
        }
        Ok(())
    }

    fn failed_start(&self, what: &str) -> Failure {
        let mut message = what.to_owned();
        for agent in &self.agents {
            let log = fs::read_to_string(self.log(&agent.issued)).unwrap_or_default();
            if let Some(last) = log.lines().last() {
                message.push_str(&format!("\n  {}: {last}", agent.issued.name));
            }
        }
        Failure::internal(message)
    }

    fn log(&self, issued: &Issued) -> PathBuf {
        self.folder.join("log").join(issued.name.as_str())
    }

    fn spawn(&self, issued: &Issued, ready: &str) -> Result<Child, Failure> {
        let log = self.log(issued);
        let file = File::create(&log).map_err(|error| wrong(&log, &error))?;
        let words = [
            OsString::from("agent"),
            OsString::from("--credential"),
            issued.out.clone().into_os_string(),
            OsString::from("--state"),
            self.folder.join("state").join(issued.name.as_str()).into_os_string(),
            OsString::from("--config"),
            self.folder.join("agent.toml").into_os_string(),
        ];
        let mut command = self.command(&words);
        command.env("NOTIFY_SOCKET", format!("@{ready}"));
        command.stdout(Stdio::null()).stderr(file).kill_on_drop(!self.keep);
        // An agent that reads its parent's end leaves when the parent is gone, however it went.
        // Agents that are kept must not be reached by the Ctrl-C of a later moment.
        if self.keep {
            command.stdin(Stdio::null()).process_group(0);
        } else {
            command.arg("--exit-with-stdin").stdin(Stdio::piped()).process_group(0);
        }
        command.spawn().map_err(|error| {
            Failure::internal(format_args!("cannot start the agent {}: {error}", issued.name))
        })
    }

    /// The command `librecast` with these words, in the demo's surroundings.
    pub(super) fn command<W: AsRef<std::ffi::OsStr>>(&self, words: &[W]) -> Command {
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe"));
        let mut command = Command::new(program);
        command.args(words).env("LIBRECAST_HOME", self.home());
        command.env("XDG_RUNTIME_DIR", self.runtime()).env_remove("LIBRECAST_REALM");
        command.env_remove("NOTIFY_SOCKET").env_remove("STATE_DIRECTORY");
        command.env_remove("CONFIGURATION_DIRECTORY").stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Who they are.
    pub(super) fn introduce(&self) -> Table {
        let mut table = Table::new(["agent", ">pid", "role", "fingerprint"]);
        for agent in &self.agents {
            let pid = agent.child.as_ref().and_then(Child::id);
            table.push(vec![
                agent.issued.name.to_string(),
                pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
                agent.role.to_owned(),
                agent.issued.id.to_string(),
            ]);
        }
        table
    }

    /// Kills one agent without warning: its name and process.
    pub(super) async fn kill_one(&mut self) -> Result<(String, u32), Failure> {
        let victim = self.agents.iter_mut().find(|it| it.issued.name.as_str() == VICTIM);
        let child = victim.and_then(|it| it.child.take());
        let Some((mut child, pid)) = child.and_then(|it| it.id().map(|pid| (it, pid))) else {
            return Err(Failure::internal("an agent of the demo has ended by itself"));
        };
        let killed = child.kill().await;
        killed.map_err(|error| Failure::internal(format_args!("cannot kill {pid}: {error}")))?;
        Ok((VICTIM.to_owned(), pid))
    }

    /// Ends all agents and removes the folder.
    pub(super) async fn disband(mut self) {
        for agent in &mut self.agents {
            let Some(child) = &mut agent.child else {
                continue;
            };
            drop(agent.tie.take());
            if self.keep {
                // It does not watch its standard input: ask it by signal.
                terminate(child);
            }
        }
        for agent in &mut self.agents {
            let Some(mut child) = agent.child.take() else {
                continue;
            };
            if timeout(LEAVE_MAX, child.wait()).await.is_err() {
                // It is gone either way; a failure means that it has gone by itself.
                let _ = child.kill().await;
            }
        }
    }

    /// Leaves the agents and the folder to the user.
    pub(super) fn release(mut self) {
        self.owned = false;
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if self.owned {
            // The folder's name is this demo's own; when removing it fails there is nothing
            // better to do.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Waits until an agent ends, and says which.
async fn first_to_end(agents: &mut [Agent]) -> String {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;
    poll_fn(|context| {
        for agent in agents.iter_mut() {
            let Some(child) = &mut agent.child else {
                continue;
            };
            if pin!(child.wait()).as_mut().poll(context).is_ready() {
                return Poll::Ready(agent.issued.name.to_string());
            }
        }
        Poll::Pending
    })
    .await
}

fn terminate(child: &Child) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
        // A failure means that it has ended by itself.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

/// A socket that agents say READY=1 to, as systemd has one (sd_notify(3)). Its name is abstract:
/// a path could be longer than a socket's name may be.
fn readiness_socket() -> Result<(String, UnixDatagram), io::Error> {
    let name = format!("librecast-demo-{}", random_word());
    let socket = StdUnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    socket.set_nonblocking(true)?;
    Ok((name, UnixDatagram::from_std(socket)?))
}

/// A folder of the demo's own, which nobody else can enter.
fn make_folder(parent: &Path) -> Result<PathBuf, Failure> {
    use std::os::unix::fs::DirBuilderExt;
    let path = parent.join(format!("librecast-demo-{}", random_word()));
    let made = fs::DirBuilder::new().mode(0o700).create(&path);
    made.map_err(|error| {
        Failure::usage(format!(
            "cannot make '{}': {error}; set TMPDIR to a folder that you can write",
            path.display()
        ))
    })?;
    Ok(path)
}

fn random_word() -> String {
    let bytes: [u8; 6] = lcast::entropy::random().bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn wrong(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("'{}': {error}", path.display()))
}
