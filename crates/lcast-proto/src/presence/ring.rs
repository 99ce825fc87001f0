//! The ring: each agent pings its two successors, says when one does not answer, and sees to it
//! that those before it know whom they have to ping.
//!
//! Pure bookkeeping of rounds, tries and failures; it never seals or sends. Rules [PRE-20] to
//! [PRE-23], [PRE-27] and [PRE-31] of `docs/spec/presence.md`.

use std::time::Duration;

use super::{Roster, Voice};
use crate::random::Random;
use crate::time::Instant;
use crate::wire::id::{NodeId, SenderId};

/// Successors that must answer. [PRE-20]
pub const SUCCESSORS: usize = 2;
/// Most successors pinged at once: those that do not answer are pinged beside the next. [PRE-20]
pub const TARGETS_MAX: usize = 6;
/// Rounds with an answer after which a successor is relied on to watch those after it. [PRE-20]
const SETTLED: u32 = 3;
/// The length of a round, and how much shorter it may be at random. [PRE-20]
const ROUND: Duration = Duration::from_secs(1);
const JITTER: Duration = Duration::from_millis(50);
/// Tries in a round, and the pause between them. [PRE-20]
const TRIES_MAX: u32 = 6;
const RETRY: Duration = Duration::from_millis(150);
/// The try from which a ping introduces its sender again. [PRE-29]
const REINTRODUCE: u32 = 3;
/// Pings of a newcomer that does not answer, one a round. [PRE-27]
const GREETINGS_MAX: u32 = 6;
/// Newcomers pinged at once; the first gives way to one more. [PRE-27]
const NEWCOMERS_MAX: usize = 16;
/// After how long an agent that nobody pings announces itself; then after twice that. [PRE-31]
const UNWATCHED: Duration = Duration::from_secs(3);
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
    /// Announce this process: nobody watches over it.
    Announce,
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
    newcomers: Vec<Newcomer>,
    /// Since when no agent has pinged this one, and when it announces itself if that stays so.
    unwatched_since: Instant,
    announce_after: Duration,
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
    /// Rounds in which it was heard, in a row.
    answers: u32,
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

/// A process that stands before this agent and may not know it yet.
#[derive(Clone, Debug)]
struct Newcomer {
    process: SenderId,
    at: Instant,
    said: u32,
}

impl Target {
    /// Whether it answers, and has long enough to know those after it.
    fn is_sound(&self) -> bool {
        self.answers >= SETTLED && !self.deaf
    }

    /// Whether it is not known yet if it answers.
    fn is_doubted(&self) -> bool {
        self.failed > 0 && !self.suspected && !self.deaf
    }
}

impl Ring {
    /// A ring that begins within a second of `now`.
    pub fn new(now: Instant, random: &mut Random) -> Self {
        let start = now + Duration::from_micros(random.below(micros(ROUND)));
        Self {
            round_ends: start,
            next_try: start,
            tries: 0,
            token: token(random),
            token_before: 0,
            targets: Vec::new(),
            repeats: Vec::new(),
            newcomers: Vec::new(),
            unwatched_since: now,
            announce_after: UNWATCHED,
        }
    }

    /// When something is due.
    pub fn due(&self) -> Instant {
        let repeats = self.repeats.iter().map(|it| it.at);
        let newcomers = self.newcomers.iter().map(|it| it.at);
        let open = self.tries < TRIES_MAX && self.targets.iter().any(|it| !it.answered);
        let next = if open { self.next_try.min(self.round_ends) } else { self.round_ends };
        repeats.chain(newcomers).fold(next, Instant::min)
    }

    /// A process before this agent on the ring has announced itself, and this agent never spoke
    /// with it. [PRE-27]
    pub fn greet(&mut self, now: Instant, process: SenderId) {
        self.newcomers.retain(|it| it.process != process);
        if self.newcomers.len() >= NEWCOMERS_MAX {
            self.newcomers.remove(0);
        }
        self.newcomers.push(Newcomer { process, at: now, said: 0 });
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

    /// An agent has pinged this one. [PRE-31]
    pub fn watched(&mut self, now: Instant) {
        (self.unwatched_since, self.announce_after) = (now, UNWATCHED);
    }

    /// Takes an echo; whether it is one of this ring's.
    pub fn pong(&mut self, process: SenderId, token: u64) -> bool {
        if token != self.token && token != self.token_before {
            return false;
        }
        let greeted = self.newcomers.iter().position(|it| it.process == process);
        let newcomer = greeted.map(|at| self.newcomers.remove(at));
        let target = self.targets.iter_mut().find(|it| it.process == process);
        newcomer.is_some() | target.map(|it| (it.reached, it.deaf) = (true, false)).is_some()
    }

    /// Nothing is held against anybody: this process was stopped, or has no link. [PRE-28]
    pub fn absolve(&mut self, now: Instant) {
        for target in &mut self.targets {
            (target.answered, target.failed, target.suspected) = (true, 0, false);
            target.heard_at = now;
        }
        self.repeats.clear();
        self.watched(now);
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
            if now.since(self.unwatched_since) >= self.announce_after {
                self.announce_after = self.announce_after.saturating_mul(2);
                acts.push(RingAct::Announce);
            }
            self.targets = self.next_targets(now, own, roster, may_ping);
            (self.token_before, self.token) = (self.token, token(random));
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
        acts.extend(self.greetings(now));
        acts
    }

    /// Pings of newcomers that are due.
    fn greetings(&mut self, now: Instant) -> Vec<RingAct> {
        let token = self.token;
        let mut acts = Vec::new();
        for newcomer in self.newcomers.iter_mut().filter(|it| it.at <= now) {
            (newcomer.said, newcomer.at) = (newcomer.said + 1, now + ROUND);
            acts.push(RingAct::Ping { to: newcomer.process, token, introduce: true });
        }
        self.newcomers.retain(|it| it.said < GREETINGS_MAX);
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
            (target.answers, target.failed) = match target.answered {
                true => (target.answers.saturating_add(1), 0),
                false => (0, target.failed.saturating_add(1)),
            };
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

    /// The next two successors that answer, and those before them that do not or have not for
    /// long, or whom unicast does not reach; and whoever has begun to fail. Who cannot be pinged is
    /// none: its silence would mean nothing. [PRE-20] [PRE-23]
    fn next_targets(
        &self,
        now: Instant,
        own: &NodeId,
        roster: &Roster,
        may_ping: &dyn Fn(&SenderId) -> bool,
    ) -> Vec<Target> {
        let mut targets: Vec<Target> = Vec::new();
        for node in roster.successors(own).take(TARGETS_MAX) {
            let process = roster.voice(&node).and_then(Voice::sender);
            let Some(process) = process.filter(may_ping) else { continue };
            let known = self.targets.iter().find(|it| it.node == node && it.process == process);
            let enough = targets.iter().filter(|it| it.is_sound()).count() >= SUCCESSORS;
            if enough && !known.is_some_and(Target::is_doubted) {
                continue;
            }
            let target = known.cloned().unwrap_or(Target {
                node,
                process,
                answered: false,
                heard_at: now,
                failed: 0,
                answers: 0,
                reached: false,
                suspected: false,
                deaf: false,
            });
            targets.push(Target { answered: false, ..target });
        }
        targets
    }
}

/// What an echo brings back; zero is none.
fn token(random: &mut Random) -> u64 {
    random.next_u64().max(1)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
