//! The ring: each agent pings its two successors, and says when one does not answer.
//!
//! Pure bookkeeping of rounds, tries and failures; it never seals or sends. Rules [PRE-20] to
//! [PRE-23] of `docs/spec/presence.md`.

use std::time::Duration;

use super::{Roster, Voice};
use crate::random::Random;
use crate::time::Instant;
use crate::wire::id::{NodeId, SenderId};

/// Successors that must answer. [PRE-20]
pub const SUCCESSORS: usize = 2;
/// Most successors pinged at once: those that do not answer are pinged beside the next. [PRE-20]
pub const TARGETS_MAX: usize = 6;
/// The length of a round, and how much shorter it may be at random. [PRE-20]
const ROUND: Duration = Duration::from_secs(1);
const JITTER: Duration = Duration::from_millis(50);
/// Tries in a round, and the pause between them. [PRE-20]
const TRIES_MAX: u32 = 6;
const RETRY: Duration = Duration::from_millis(150);
/// The try from which a ping introduces its sender again. [PRE-29]
const REINTRODUCE: u32 = 3;
/// Rounds without an answer that make a suspicion. [PRE-21]
const ROUNDS_MAX: u32 = 3;
/// The pauses after which a suspicion is said again. [PRE-21]
const REPEATS: [Duration; 4] = [
    Duration::from_millis(150),
    Duration::from_millis(200),
    Duration::from_millis(250),
    Duration::from_millis(300),
];

/// What the ring wants to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingAct {
    /// Ping this process with this token; `introduce`: it may not know this one.
    Ping {
        /// Whom.
        to: SenderId,
        /// The token.
        token: u64,
        /// Whether to send the certificate along.
        introduce: bool,
    },
    /// Tell everybody that this process of a node does not answer; `first`: for the first time.
    Suspect {
        /// The node.
        node: NodeId,
        /// The process.
        process: SenderId,
        /// Whether it is news.
        first: bool,
    },
}

/// The successors of this agent, and how they answer.
#[derive(Debug)]
pub struct Ring {
    round_ends: Instant,
    next_try: Instant,
    tries: u32,
    token: u64,
    token_before: u64,
    targets: Vec<Target>,
    repeats: Vec<Repeat>,
}

#[derive(Clone, Debug)]
struct Target {
    node: NodeId,
    process: SenderId,
    /// Whether it was heard in this round.
    answered: bool,
    heard_at: Instant,
    /// Rounds in which it was not heard, in a row.
    failed: u32,
    /// Whether a ping of it was ever answered.
    reached: bool,
    /// Whether it was suspected and has not been heard since.
    suspected: bool,
    /// Whether it refuted a suspicion, and no ping of it was answered since: unicast does not reach
    /// it. [PRE-23]
    deaf: bool,
}

#[derive(Clone, Debug)]
struct Repeat {
    node: NodeId,
    process: SenderId,
    at: Instant,
    said: usize,
}

impl Ring {
    /// A ring that begins within a second of `now`.
    pub fn new(now: Instant, random: &mut Random) -> Self {
        let start = now + Duration::from_micros(random.below(micros(ROUND)));
        Self {
            round_ends: start,
            next_try: start,
            tries: 0,
            token: 0,
            token_before: 0,
            targets: Vec::new(),
            repeats: Vec::new(),
        }
    }

    /// When something is due.
    pub fn due(&self) -> Instant {
        let repeat = self.repeats.iter().map(|it| it.at).min();
        let open = self.tries < TRIES_MAX && self.targets.iter().any(|it| !it.answered);
        let next = if open { self.next_try.min(self.round_ends) } else { self.round_ends };
        repeat.map_or(next, |at| at.min(next))
    }

    /// A process was heard, by whatever way. [PRE-4]
    pub fn heard(&mut self, now: Instant, node: &NodeId, process: SenderId) {
        let same = |it: &&mut Target| it.node == *node && it.process == process;
        if let Some(target) = self.targets.iter_mut().find(same) {
            (target.answered, target.heard_at) = (true, now);
            target.deaf |= std::mem::take(&mut target.suspected);
        }
        self.repeats.retain(|it| it.node != *node);
    }

    /// Takes an echo; whether it is one of this ring's.
    pub fn pong(&mut self, process: SenderId, token: u64) -> bool {
        let ours = token == self.token || token == self.token_before;
        let mut targets = self.targets.iter_mut();
        match targets.find(|it| ours && it.process == process) {
            Some(target) => {
                (target.reached, target.deaf) = (true, false);
                true
            }
            None => false,
        }
    }

    /// Nothing is held against anybody: this process was stopped, or has no link. [PRE-28]
    pub fn absolve(&mut self, now: Instant) {
        for target in &mut self.targets {
            (target.answered, target.failed, target.suspected) = (true, 0, false);
            target.heard_at = now;
        }
        self.repeats.clear();
        self.round_ends = now;
    }

    /// Does what is due. `silence`: after how long a process is suspected that unicast does not
    /// reach, but that announces itself by multicast. [PRE-23]
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        own: &NodeId,
        (roster, may_ping): (&Roster, &dyn Fn(&SenderId) -> bool),
        silence: Duration,
        random: &mut Random,
    ) -> Vec<RingAct> {
        let mut acts = self.say_again(now, roster);
        if now >= self.round_ends {
            acts.extend(self.end_round(now, silence));
            self.targets = self.next_targets(now, own, roster, may_ping);
            (self.token_before, self.token) = (self.token, random.next_u64().max(1));
            let jitter = Duration::from_micros(random.below(micros(JITTER)));
            self.round_ends = now + (ROUND - jitter);
            self.tries = 0;
            self.next_try = now;
        }
        if now >= self.next_try && self.tries < TRIES_MAX {
            self.tries += 1;
            self.next_try = now + RETRY;
            acts.extend(self.pings());
        }
        acts
    }

    fn pings(&self) -> impl Iterator<Item = RingAct> {
        self.targets.iter().filter(|it| !it.answered).map(|it| RingAct::Ping {
            to: it.process,
            token: self.token,
            introduce: !it.reached || self.tries >= REINTRODUCE,
        })
    }

    /// Counts who did not answer; those that did not for too long are suspected.
    fn end_round(&mut self, now: Instant, silence: Duration) -> Vec<RingAct> {
        let mut acts = Vec::new();
        for target in &mut self.targets {
            target.failed = if target.answered { 0 } else { target.failed.saturating_add(1) };
            // By time: rounds are shorter than a second, each by another bit.
            let silent = if target.deaf {
                now.since(target.heard_at) >= silence
            } else {
                target.failed >= ROUNDS_MAX
            };
            if !silent || target.suspected {
                continue;
            }
            target.suspected = true;
            let (node, process) = (target.node, target.process);
            acts.push(RingAct::Suspect { node, process, first: true });
            self.repeats.push(Repeat { node, process, at: now + REPEATS[0], said: 1 });
        }
        acts
    }

    /// Says suspicions again that nobody refuted.
    fn say_again(&mut self, now: Instant, roster: &Roster) -> Vec<RingAct> {
        let mut acts = Vec::new();
        for repeat in self.repeats.iter_mut().filter(|it| it.at <= now) {
            let same =
                roster.voice(&repeat.node).is_some_and(|it| it.sender() == Some(repeat.process));
            if same {
                let (node, process) = (repeat.node, repeat.process);
                acts.push(RingAct::Suspect { node, process, first: false });
            }
            repeat.said = if same { repeat.said + 1 } else { usize::MAX };
            repeat.at = now + REPEATS.get(repeat.said - 1).copied().unwrap_or_default();
        }
        self.repeats.retain(|it| it.said <= REPEATS.len());
        acts
    }

    /// The next two successors that answer, and those before them that do not, or whom unicast does
    /// not reach. Who cannot be pinged is none: its silence would mean nothing. [PRE-20] [PRE-23]
    fn next_targets(
        &self,
        now: Instant,
        own: &NodeId,
        roster: &Roster,
        may_ping: &dyn Fn(&SenderId) -> bool,
    ) -> Vec<Target> {
        let mut targets: Vec<Target> = Vec::new();
        for node in roster.successors(own).take(TARGETS_MAX) {
            let sound = targets.iter().filter(|it| it.failed == 0 && !it.deaf).count();
            if sound >= SUCCESSORS {
                break;
            }
            let process = roster.voice(&node).and_then(Voice::sender);
            let Some(process) = process.filter(may_ping) else { continue };
            let known = self.targets.iter().find(|it| it.node == node && it.process == process);
            let target = known.cloned().unwrap_or(Target {
                node,
                process,
                answered: false,
                heard_at: now,
                failed: 0,
                reached: false,
                suspected: false,
                deaf: false,
            });
            targets.push(Target { answered: false, ..target });
        }
        targets
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
