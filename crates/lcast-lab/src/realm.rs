//! A realm in a lab: its authority's home, its members, its running agents.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::answer::Answer;
use crate::job::{Job, Process};
use crate::lab::Host;
use crate::wait::DEADLINE;

/// A realm, and the host where its authority key and its client `admin` are.
#[derive(Clone, Debug)]
pub struct Realm {
    /// Its name.
    pub name: String,
    /// Where its authority is.
    pub authority: Host,
}

/// A member to be issued a credential.
#[derive(Clone, Debug, Default)]
pub struct Member {
    name: String,
    words: Vec<String>,
}

impl Member {
    /// An agent without roles or labels.
    #[must_use]
    pub fn agent(name: impl Into<String>) -> Self {
        Self { name: name.into(), words: Vec::new() }
    }

    /// A client.
    #[must_use]
    pub fn client(name: impl Into<String>) -> Self {
        Self { name: name.into(), words: vec!["--client".to_owned()] }
    }

    /// With a role.
    #[must_use]
    pub fn role(mut self, role: &str) -> Self {
        self.words.extend(["--role".to_owned(), role.to_owned()]);
        self
    }

    /// With a label, such as `role=web`.
    #[must_use]
    pub fn label(mut self, label: &str) -> Self {
        self.words.extend(["--label".to_owned(), label.to_owned()]);
        self
    }
}

impl Realm {
    /// Makes a realm at a host, for all its cards.
    #[must_use]
    pub fn create(authority: &Host, name: &str, options: &str) -> Self {
        authority.librecast(&format!("realm create {name} {options}")).ok();
        Self { name: name.to_owned(), authority: authority.clone() }
    }

    /// Issues a credential and gives its path inside the lab.
    pub fn issue(&self, member: &Member) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = format!("/run/lab/{}-{}-{number}.credential", self.name, member.name);
        let line = format!("realm issue --realm {} --name {} --out {path}", self.name, member.name);
        self.authority.librecast(&line).args(member.words.iter().cloned()).ok();
        path
    }

    /// A command line of the realm's `admin`, at the authority's host.
    #[must_use]
    pub fn admin(&self, words: &str) -> Job {
        self.authority.librecast(words).env("LIBRECAST_REALM", self.name.clone())
    }

    /// Asks as `admin` with `--json`.
    #[must_use]
    pub fn ask(&self, words: &str) -> Answer {
        Answer::read(self.admin(words).arg("--json").run())
    }

    /// Issues a credential for an agent and starts it at a host.
    #[must_use]
    pub fn start(&self, host: &Host, member: &Member, config: &str) -> Agent {
        let mut agent = self.prepare(host, member, config);
        agent.start();
        agent
    }

    /// Issues credentials and starts agents side by side; returns when all are ready.
    #[must_use]
    pub fn start_all(&self, agents: &[(Host, Member)], config: &str) -> Vec<Agent> {
        let prepared = agents.iter().map(|(host, member)| self.prepare(host, member, config));
        let mut started: Vec<Agent> = prepared.collect();
        for agent in &mut started {
            agent.launch();
        }
        for agent in &mut started {
            agent.wait_ready();
        }
        started
    }

    /// Issues a credential for an agent, and writes its configuration, but does not start it.
    #[must_use]
    pub fn prepare(&self, host: &Host, member: &Member, config: &str) -> Agent {
        let credential = self.issue(member);
        Agent::prepare(host, &member.name, &credential, config)
    }
}

/// An agent of the real binary at a host of the lab.
#[derive(Debug)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// Where it runs.
    pub host: Host,
    /// How it is started; may be changed between starts.
    pub job: Job,
    /// Its state folder, inside the lab.
    pub state: String,
    /// The socket, inside the lab, to which it says that it is ready.
    pub notify: String,
    process: Option<Process>,
    ready: UnixDatagram,
}

impl Agent {
    /// An agent with this credential file, not yet started.
    ///
    /// # Panics
    /// When its files cannot be written.
    #[must_use]
    pub fn prepare(host: &Host, name: &str, credential: &str, config: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let lab = host.lab();
        let socket = format!("/run/lab/notify/{number}");
        let ready = UnixDatagram::bind(lab.file(&socket))
            .unwrap_or_else(|error| panic!("notify socket {socket}: {error}"));
        let any_user = fs::Permissions::from_mode(0o777);
        fs::set_permissions(lab.file(&socket), any_user).expect("the socket is ours");
        ready.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout above zero");
        let settings = host.path(&format!("{name}-{number}.toml"));
        fs::write(lab.file(&settings), config)
            .unwrap_or_else(|error| panic!("configuration {settings}: {error}"));
        let state = host.path(&format!("state-{name}-{number}"));
        let line = format!("agent --credential {credential} --state {state} --config {settings}");
        let job = host.librecast(&line).env("NOTIFY_SOCKET", socket.clone());
        let (name, host) = (name.to_owned(), host.clone());
        Self { name, host, job, state, notify: socket, process: None, ready }
    }

    /// Starts it and waits until it says that it is ready.
    pub fn start(&mut self) {
        self.launch();
        self.wait_ready();
    }

    /// Starts it.
    pub fn launch(&mut self) {
        self.process = Some(self.job.start());
    }

    /// Waits for its `READY=1`, as systemd does.
    ///
    /// # Panics
    /// When it ends, or is not ready in time.
    pub fn wait_ready(&mut self) {
        let start = Instant::now();
        let mut buffer = [0; 4096];
        loop {
            let len = self.ready.recv(&mut buffer).unwrap_or(0);
            if buffer[..len].windows(7).any(|window| window == b"READY=1") {
                return;
            }
            let name = &self.name;
            let process = self.process.as_mut().expect("it was started");
            if !process.is_running() {
                panic!("agent {name} ended: {}", process.wait(DEADLINE));
            }
            let late = start.elapsed() > DEADLINE;
            assert!(!late, "agent {name} is not ready after {DEADLINE:?}: {}", process.stderr());
        }
    }

    /// Its running process.
    ///
    /// # Panics
    /// When it was not started.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it was started")
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process().kill();
    }

    /// Ends it as systemd does (SIGTERM), and gives its exit code.
    pub fn stop(&mut self) -> i32 {
        let process = self.process();
        process.signal(rustix::process::Signal::TERM);
        process.wait(DEADLINE).code
    }
}
