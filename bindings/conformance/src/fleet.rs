//! The realm of a run: an answerer of every language, a node that was killed, credentials to ask.

use std::collections::BTreeMap;
use std::fs;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use lcast_conformance::face::Face;
use lcast_lab::{Agent, DEADLINE, Host, Lab, Loss, Member, Process, Realm, wait_until};

use crate::scenario::{Scenario, Section};

/// All that runs while pairs are played.
pub(crate) struct Fleet {
    lab: Lab,
    answerers: Vec<Process>,
    /// Kept so that its files are: it was killed.
    _dead: Agent,
    mayfly: Mutex<Agent>,
    credentials: BTreeMap<(usize, &'static str), String>,
    languages: usize,
}

/// The node that was killed.
const DEAD: &str = "dead";

/// The node that comes and leaves for as long as presence is followed, and how long it does either.
const MAYFLY: &str = "mayfly";
const STAY: Duration = Duration::from_millis(250);

impl Fleet {
    /// Starts everything; returns when every answerer shows all its values.
    pub(crate) fn start(faces: &[Face], scenario: &Scenario) -> anyhow::Result<Self> {
        let count = faces.len();
        // The authority's host, those of the answerers, of the askers, of the dead, of a stranger.
        let lab = Lab::new(2 * count + 3).build();
        let realm = Realm::create(&lab.host(0), "prod", "");
        let stranger = Realm::create(&lab.host(2 * count + 2), "prod", "");
        let members = faces.iter().map(|face| {
            let lang = format!("lang={}", face.name);
            realm.issue(&Member::agent(face.name).label(&lang).label("fleet=yes"))
        });
        let members: Vec<String> = members.collect();
        let mut dead = realm.prepare(&lab.host(2 * count + 1), &Member::agent(DEAD), "");
        let mayfly = realm.prepare(&lab.host(2 * count + 1), &Member::agent(MAYFLY), "");
        let credentials = credentials(faces, &realm, &stranger)?;
        let answerers =
            faces.iter().zip(&members).enumerate().map(|(index, (face, credential))| {
                let host = lab.host(1 + index);
                answerer(face, &host, credential, scenario)
            });
        let answerers: anyhow::Result<Vec<Process>> = answerers.collect();
        let mut answerers = answerers?;
        for answerer in &mut answerers {
            answerer.wait_stdout("ready", DEADLINE, |bytes| bytes.starts_with(b"ready\n"));
        }
        dead.start();
        dead.kill();
        for face in faces {
            wait_until(&format!("all values of {}", face.name), DEADLINE, || {
                let answer = realm.ask(&format!("get app.** --on {}", face.name));
                let reply = answer.replies().remove(face.name);
                let values = reply.and_then(|it| Some(it["variables"].as_object()?.clone()));
                let named = values.unwrap_or_default();
                // The health of what the agent reads stands beside it.
                let health = |name: &&String| name.ends_with(".stale") || name.ends_with(".error");
                let count = named.keys().filter(|name| !health(name)).count();
                count == scenario.values_of(face.name)
            });
        }
        let mayfly = Mutex::new(mayfly);
        Ok(Self { lab, answerers, _dead: dead, mayfly, credentials, languages: count })
    }

    /// The host of an asker.
    pub(crate) fn asker(&self, asker: usize) -> Host {
        self.lab.host(1 + self.languages + asker)
    }

    /// The credential of an asker for a section.
    pub(crate) fn credential(&self, asker: usize, section: &Section) -> anyhow::Result<String> {
        let found = self
            .credentials
            .iter()
            .find(|((index, kind), _)| *index == asker && *kind == section.credential);
        let (_, path) = found.with_context(|| format!("no credential '{}'", section.credential))?;
        Ok(path.clone())
    }

    /// Writes a file that a runner of this host can read.
    pub(crate) fn write(&self, host: &Host, name: &str, text: &str) -> anyhow::Result<String> {
        let path = host.path(name);
        fs::write(self.lab.file(&path), text).with_context(|| path.clone())?;
        Ok(path)
    }

    /// Loses so many per cent of what every host is sent.
    pub(crate) fn lose(&self, percent: u32) {
        self.lab.loss(0..self.lab.hosts().count(), Loss::Udp(percent));
    }

    /// Has a node come and leave, again and again, until the other end of `ended` is dropped.
    pub(crate) fn come_and_leave(&self, ended: &Receiver<()>) {
        let mut mayfly = self.mayfly.lock().unwrap_or_else(PoisonError::into_inner);
        let goes_on = || ended.recv_timeout(STAY) == Err(RecvTimeoutError::Timeout);
        while goes_on() {
            mayfly.start();
            let more = goes_on();
            mayfly.stop();
            if !more {
                return;
            }
        }
    }

    /// Closes the standard input of every answerer, which must leave in order; the names of those
    /// that do not.
    pub(crate) fn end(mut self, faces: &[Face]) -> Vec<String> {
        self.lose(0);
        self.answerers.iter_mut().for_each(Process::hush);
        let mut wrong = Vec::new();
        for (face, answerer) in faces.iter().zip(&mut self.answerers) {
            let output = answerer.wait(DEADLINE);
            if output.code != 0 {
                wrong.push(format!("answerer {}: {output}", face.name));
            }
        }
        wrong
    }
}

/// Starts the answerer of a language at a host.
fn answerer(
    face: &Face,
    host: &Host,
    credential: &str,
    scenario: &Scenario,
) -> anyhow::Result<Process> {
    let path = host.path("scenario");
    fs::write(host.lab().file(&path), scenario.for_answerer(face.name))?;
    let state = host.path("state");
    Ok(face.job(host, "answer").args([credential.to_owned(), state, path]).start_dialogue())
}

/// For every asker one of each kind, each of a member of its own: a name is one process at a time.
fn credentials(
    faces: &[Face],
    realm: &Realm,
    stranger: &Realm,
) -> anyhow::Result<BTreeMap<(usize, &'static str), String>> {
    let mut all = BTreeMap::new();
    for (index, face) in faces.iter().enumerate() {
        let client = |kind: &str| Member::client(format!("{kind}-{}", face.name));
        all.insert((index, "operator"), realm.issue(&client("operator").role("operator")));
        all.insert((index, "guest"), realm.issue(&client("guest")));
        all.insert((index, "stranger"), stranger.issue(&client("operator").role("admin")));
        all.insert((index, "expired"), expired(realm, &format!("expired-{}", face.name)));
        all.insert((index, "no_file"), "/run/lab/no_file".to_owned());
        let damaged = "/run/lab/no_credential";
        fs::write(realm.authority.lab().file(damaged), "this is none")?;
        all.insert((index, "no_credential"), damaged.to_owned());
    }
    Ok(all)
}

/// A credential that was issued forty days ago, for a day.
fn expired(realm: &Realm, name: &str) -> String {
    let path = format!("/run/lab/{name}.credential");
    let line = format!(
        "realm issue --realm {} --name {name} --client --days 1 --role operator --out {path}",
        realm.name
    );
    realm.authority.librecast(&line).clock("-40d").ok();
    path
}
