//! What is measured: how each system starts its responders and asks them.
//!
//! Every system does the same: so many responders, each a process of its own, one question, a reply
//! of about a hundred bytes from each, the time of the last. Each is measured in the shape that is
//! quickest for it and that its own documents recommend.

mod ansible;
mod floor;
mod librecast;
mod nats;
mod salt;
mod zenoh;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use lcast_bench_asker::Answer;

pub(crate) use librecast::{Librecast, VARIABLE};

/// Where programs and files of a run are.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The root of the checkout.
    pub(crate) checkout: PathBuf,
    /// A folder of this run.
    pub(crate) work: PathBuf,
}

/// A system under measurement.
pub(crate) trait System {
    /// Its name, short.
    fn name(&self) -> &'static str;

    /// How its responders, its asker and what stands between them are made.
    fn shape(&self) -> &'static str;

    /// How many responders it is measured with, and why not with more.
    fn most(&self) -> (usize, &'static str) {
        (usize::MAX, "")
    }

    /// The command that installs it, if it is not installed.
    fn absent(&self) -> Option<&'static str> {
        None
    }

    /// The versions of its parts.
    fn version(&self) -> anyhow::Result<String>;

    /// Makes the files that responders and asker need.
    fn prepare(&self, _count: usize) -> anyhow::Result<()> {
        Ok(())
    }

    /// What stands between responders and asker, and the port at which it is there for them.
    fn server(&self, _count: usize) -> Option<(Command, u16)> {
        None
    }

    /// Responder `index` of `count`; its name is that of [`responder`].
    fn responder(&self, count: usize, index: usize) -> Command;

    /// The time between the starts of two responders: some trip over each other when all connect at
    /// once.
    fn pace(&self) -> Duration {
        Duration::ZERO
    }

    /// The asker that stays and asks when told.
    fn asker(&self, count: usize) -> Command;

    /// Whether server and asker are at the far end of the wire at all times.
    fn asks_from_far(&self) -> bool {
        false
    }

    /// The command that asks once and ends.
    fn whole(&self, count: usize) -> Command {
        self.asker(count)
    }

    /// How many replies the output of [`System::whole`] shows.
    fn replies(&self, output: &str) -> usize {
        output.lines().find_map(|line| line.parse::<Answer>().ok()).map_or(0, |answer| answer.got)
    }
}

/// All of them: the floor first, then this project, then the peers.
pub(crate) fn all(place: &Place) -> Vec<Box<dyn System>> {
    vec![
        Box::new(floor::Floor::new(place)),
        Box::new(Librecast::new(place)),
        Box::new(nats::Nats::new(place)),
        Box::new(zenoh::Zenoh::by_router(place)),
        Box::new(zenoh::Zenoh::mesh(place)),
        Box::new(salt::Salt::new(place)),
        Box::new(ansible::Ansible::new(place)),
    ]
}

/// The name of a responder.
pub(crate) fn responder(index: usize) -> String {
    format!("n{index}")
}

impl Place {
    /// A program that `bench/run` builds from `bench/peers`.
    fn peer(&self, name: &str) -> PathBuf {
        self.checkout.join("bench/peers/target/release").join(name)
    }

    /// A program of the workspace.
    pub(crate) fn own(&self, name: &str) -> PathBuf {
        self.checkout.join("target/release").join(name)
    }
}

/// Where `PATH` finds a program.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The first line that a program prints about itself, on either output.
fn first_line(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("starting {command:?}"))?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// The version of a package in a lock file.
fn locked_version(checkout: &Path, package: &str) -> anyhow::Result<String> {
    let lock = std::fs::read_to_string(checkout.join("bench/peers/Cargo.lock"))?;
    let wanted = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != wanted).skip(1);
    let version = lines.next().and_then(|line| line.split('"').nth(1));
    version.map(str::to_owned).with_context(|| format!("{package} is not in the lock file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `bench/run` refuses names that it does not know before it builds anything.
    #[test]
    fn the_script_names_all_systems() {
        let script = include_str!("../../run");
        let names = script.lines().find(|line| line.starts_with("names=(")).expect("its names");
        let place = Place { checkout: PathBuf::new(), work: PathBuf::new() };
        for system in all(&place) {
            let name = system.name().to_lowercase();
            assert!(names.contains(&name), "'{name}' is not in {names}");
        }
    }
}
