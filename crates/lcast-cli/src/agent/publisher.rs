//! Everything that an agent publishes, behind one door for its driver.

use lcast_proto::question::Wanted;
use lcast_proto::time::Now;
use lcast_proto::variable::Definition;

use super::Change;
use super::background::Background;
use super::builtin::{Families, Family, OwnFacts, Roots, Sampler, definitions};
use super::config::Config;

/// Built-in and configured variables of one agent.
///
/// At start the driver defines [`Publisher::definitions`] and applies [`Publisher::tick`] and
/// [`Publisher::initial`]. Then it applies the changes of [`Publisher::tick`] every
/// [`TICK`](super::builtin::TICK), those of [`Publisher::sample`] before a question is answered,
/// and those of [`Publisher::changed`] whenever there are any.
#[derive(Debug)]
pub struct Publisher {
    settings: Vec<Definition>,
    sampler: Sampler,
    background: Background,
}

impl Publisher {
    /// Starts to read what the configuration says. To be called within a tokio runtime.
    pub fn start(config: &Config, roots: Roots) -> Self {
        Self {
            settings: config.setting_definitions(),
            background: Background::start(&config.variables, &roots),
            sampler: Sampler::new(roots, config.sampler_options()),
        }
    }

    /// The definitions that hold from the start: built-in variables and settings.
    pub fn definitions(&self) -> Vec<Definition> {
        definitions().into_iter().chain(self.settings.iter().cloned()).collect()
    }

    /// What is known of configured variables before any was read; empty from the second call on.
    pub fn initial(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.background.initial)
    }

    /// Marks the windows of rates, and reads what hardly changes.
    pub fn tick(&mut self, now: Now) -> Vec<Change> {
        self.sampler.tick(now)
    }

    /// Reads what a question is going to read. Never waits for a command.
    pub fn sample(&mut self, now: Now, wanted: &Wanted, facts: &OwnFacts) -> Vec<Change> {
        let families = Families::of_wanted(wanted);
        if families.contains(Family::Systemd) {
            self.background.want_systemd();
        }
        let mut changes = self.sampler.sample(now, families);
        if families.contains(Family::Own) {
            changes.extend(facts.changes(now));
        }
        changes
    }

    /// The changes of the next reading in the background; pending for ever when nothing is read.
    ///
    /// May be dropped and called again: no change is lost.
    pub async fn changed(&mut self) -> Vec<Change> {
        match self.background.changes.recv().await {
            Some(changes) => changes,
            None => std::future::pending().await,
        }
    }

    /// Ends everything and waits until no program is left.
    pub async fn stop(self) {
        self.background.stop().await;
    }
}
