//! The ring: each agent pings those after it that too few watch over, says when one does not
//! answer, and sees to it that those before it know whom they have to ping.
//!
//! Pure bookkeeping of rounds, tries and failures; it never seals or sends. Rules [PRE-20] to
//! [PRE-23], [PRE-27], [PRE-31] and [PRE-32] of `docs/spec/presence.md`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Roster, Voice, micros};
use crate::random::Random;
use crate::time::Instant;
use crate::wire::id::{NodeId, SenderId};

/// How many watch over each agent. [PRE-20]
pub const SUCCESSORS: usize = 2;
/// Most successors pinged at once: those that do not answer are pinged beside the next; and as many
/// that unicast does not reach. [PRE-20] [PRE-23]
pub const TARGETS_MAX: usize = 6;
/// Successors that are looked at: as many may have to be pinged in time. [PRE-20]
pub const AROUND: usize = 32;
/// Living agents among which these are looked for: of some nothing is known but that they live.
const SEARCHED_MAX: usize = 1024;
/// Announcements that are remembered; what is not looked at in the next round is forgotten.
const ANNOUNCED_MAX: usize = 256;
/// Rounds in which a successor answered, or two watched over it, after which it is relied on to
/// watch those after it. [PRE-32]
const SETTLED: u32 = 3;
/// The length of a round, and how much shorter it may be at random. [PRE-20]
const ROUND: Duration = Duration::from_secs(1);
const JITTER: Duration = Duration::from_millis(50);
/// Tries in a round, and the pause between them. [PRE-20]
const TRIES_MAX: u32 = 6;
const RETRY: Duration = Duration::from_millis(150);
/// The tries in vain after which a ping introduces its sender again. [PRE-29]
const REINTRODUCE: u32 = 2;
/// Pings of a newcomer that does not answer, one a second. [PRE-27]
const GREETINGS_MAX: u32 = 6;
/// Newcomers pinged at a time; the first gives way to one more. [PRE-27]
const NEWCOMERS_MAX: usize = 16;
/// After how long an agent that too few ping announces itself; then at least as long again, and at
/// random up to twice as long. [PRE-31]
const UNWATCHED: Duration = Duration::from_secs(3);
/// Rounds without an answer that make a suspicion. [PRE-21]
const ROUNDS_MAX: u32 = 3;
/// So many refutations in a row, without an echo between them, show that unicast does not reach a
/// successor: after one it may have died. [PRE-23]
const REFUTED_MAX: u32 = 2;
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
    /// Announce this process: too few watch over it.
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
    /// What was announced by processes that are looked at, or may be from the next round on.
    announced: BTreeMap<SenderId, Announced>,
    began: Instant,
    /// Who pinged this agent last, and who before that.
    watchers: [(Option<SenderId>, Instant); 2],
    /// Since when there are too few, and how long after that this one announces itself.
    unwatched_since: Instant,
    announce_after: Duration,
}

/// A successor that is looked at.
#[derive(Clone, Debug)]
struct Target {
    node: NodeId,
    process: SenderId,
    /// Since when it is there, as far as matters: the beginning of time for one that this agent
    /// found when it started.
    since: Instant,
    /// Whether it is pinged in this round.
    pinged: bool,
    /// Whether it was heard in this round.
    answered: bool,
    heard_at: Instant,
    /// Rounds in which it was not heard, in a row.
    failed: u32,
    /// Whether two before it watch over it in this round.
    watched: bool,
    /// Rounds in which it was pinged and heard, or watched over, since one of pings in vain.
    sound: u32,
    /// Whether a ping of it was ever answered.
    reached: bool,
    /// Whether it was suspected and has not been heard since.
    suspected: bool,
    /// How many suspicions, whoever said them, it has refuted without an answer to pings since.
    refuted: u32,
}

#[derive(Clone, Debug)]
struct Repeat {
    node: NodeId,
    process: SenderId,
    at: Instant,
    said: usize,
}

/// A process that stands before this agent and may not know it yet. It stays for a second after it
/// has answered, so that a node with many processes is pinged no more often.
#[derive(Clone, Debug)]
struct Newcomer {
    node: NodeId,
    process: SenderId,
    at: Instant,
    said: u32,
}

/// When a process announced itself first and last, since it stands after this agent.
type Announced = (Instant, Instant);

impl Target {
    fn new(node: NodeId, process: SenderId, since: Instant, heard_at: Instant) -> Self {
        Self {
            node,
            process,
            since,
            pinged: false,
            answered: false,
            heard_at,
            failed: 0,
            watched: false,
            sound: 0,
            reached: false,
            suspected: false,
            refuted: 0,
        }
    }

    /// A round begins, in which it is watched over by two others or not, and pinged or not.
    fn begin_round(&mut self, watched: bool, pinged: bool) {
        self.failed = if pinged { self.failed } else { 0 };
        self.refuted = if watched { 0 } else { self.refuted };
        (self.watched, self.pinged, self.answered) = (watched, pinged, false);
    }

    /// Whether unicast does not reach it. [PRE-23]
    fn is_deaf(&self) -> bool {
        self.refuted >= REFUTED_MAX
    }

    /// How often it is pinged in a round.
    fn tries_max(&self) -> u32 {
        if self.is_deaf() { 1 } else { TRIES_MAX }
    }

    /// Whether it is pinged once more after so many tries in vain.
    fn is_open(&self, tries: u32) -> bool {
        self.pinged && !self.answered && tries < self.tries_max()
    }

    /// Whether it answers, or others see to it that it would be missed, and has for long enough to
    /// know those after it.
    fn is_sound(&self) -> bool {
        self.sound >= SETTLED && !self.is_deaf()
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
            announced: BTreeMap::new(),
            began: now,
            watchers: [(None, now); 2],
            unwatched_since: now,
            announce_after: UNWATCHED,
        }
    }

    /// When something is due.
    pub fn due(&self) -> Instant {
        let repeats = self.repeats.iter().map(|it| it.at);
        let newcomers = self.newcomers.iter().map(|it| it.at);
        let open = self.targets.iter().any(|it| it.is_open(self.tries));
        let next = if open { self.next_try.min(self.round_ends) } else { self.round_ends };
        repeats.chain(newcomers).fold(next, Instant::min)
    }

    /// The first link is there: those that are heard now were there before. [PRE-32]
    pub fn begin(&mut self, now: Instant) {
        self.began = now;
    }

    /// A process of a node before this agent on the ring has announced itself, and may not know
    /// this agent. [PRE-27]
    pub fn greet(&mut self, now: Instant, node: NodeId, process: SenderId) {
        let known = self.newcomers.iter().position(|it| it.node == node);
        let at = known.map_or(now, |place| self.newcomers.remove(place).at);
        if self.newcomers.len() >= NEWCOMERS_MAX {
            let answered = self.newcomers.iter().position(|it| it.said >= GREETINGS_MAX);
            self.newcomers.remove(answered.unwrap_or(0));
        }
        self.newcomers.push(Newcomer { node, process, at, said: 0 });
    }

    /// A process of an agent near this one announced itself. [PRE-32]
    pub fn announced(&mut self, now: Instant, process: SenderId) {
        if self.announced.len() < ANNOUNCED_MAX || self.announced.contains_key(&process) {
            self.announced.entry(process).or_insert((now, now)).1 = now;
        }
    }

    /// A process was heard, by whatever way ([PRE-4]); `refutes`: while somebody's suspicion of it
    /// was open.
    pub fn heard(&mut self, now: Instant, node: &NodeId, process: SenderId, refutes: bool) {
        let same = |it: &&mut Target| it.node == *node && it.process == process;
        if let Some(target) = self.targets.iter_mut().find(same) {
            (target.answered, target.heard_at) = (true, now);
            let suspected = std::mem::take(&mut target.suspected);
            target.refuted += u32::from(suspected || (refutes && target.failed > 0));
        }
        self.repeats.retain(|it| (&it.node, it.process) != (node, process));
    }

    /// A process of an agent before this one has pinged it. [PRE-31]
    pub fn watched(&mut self, now: Instant, process: SenderId) {
        let [last, before] = &mut self.watchers;
        if last.0 != Some(process) {
            std::mem::swap(last, before);
        }
        *last = (Some(process), now);
        if before.0.is_some() && now.since(before.1) < UNWATCHED {
            (self.unwatched_since, self.announce_after) = (before.1, UNWATCHED);
        }
    }

    /// Takes an echo; whether it is one of this ring's.
    pub fn pong(&mut self, process: SenderId, token: u64) -> bool {
        if token != self.token && token != self.token_before {
            return false;
        }
        let newcomer = self.newcomers.iter_mut().find(|it| it.process == process);
        let greeted = newcomer.map(|it| it.said = GREETINGS_MAX).is_some();
        let target = self.targets.iter_mut().find(|it| it.process == process);
        target.map(|it| (it.reached, it.refuted) = (true, 0)).is_some() || greeted
    }

    /// No failed round is held against anybody: this process was stopped, or has no link. (The
    /// roster goes on counting silence without a link: who cannot hear knows of nobody.) [PRE-28]
    pub fn absolve(&mut self, now: Instant) {
        for target in &mut self.targets {
            (target.answered, target.failed, target.suspected) = (true, 0, false);
            target.heard_at = now;
        }
        self.repeats.clear();
        self.unwatched_since = now;
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
                // Those that are alone together do not speak together.
                let more = Duration::from_micros(random.below(micros(self.announce_after)));
                self.announce_after = self.announce_after.saturating_mul(2) + more;
                acts.push(RingAct::Announce);
            }
            self.targets = self.next_targets(now, own, roster, may_ping);
            let targets = &self.targets;
            self.announced.retain(|it, _| targets.iter().any(|target| target.process == *it));
            (self.token_before, self.token) = (self.token, token(random));
            let jitter = Duration::from_micros(random.below(micros(JITTER)));
            self.round_ends = now + (ROUND - jitter);
            self.tries = 0;
            self.next_try = now;
        }
        if now >= self.next_try && self.tries < TRIES_MAX {
            acts.extend(self.pings());
            self.tries += 1;
            self.next_try = now + RETRY;
        }
        acts.extend(self.greetings(now));
        acts
    }

    /// Pings of newcomers that are due.
    fn greetings(&mut self, now: Instant) -> Vec<RingAct> {
        let token = self.token;
        self.newcomers.retain(|it| it.at > now || it.said < GREETINGS_MAX);
        let due = self.newcomers.iter_mut().filter(|it| it.at <= now);
        due.map(|it| {
            (it.said, it.at) = (it.said + 1, now + ROUND);
            RingAct::Ping { to: it.process, token, introduce: true }
        })
        .collect()
    }

    fn pings(&self) -> impl Iterator<Item = RingAct> {
        self.targets.iter().filter(|it| it.is_open(self.tries)).map(|it| RingAct::Ping {
            to: it.process,
            token: self.token,
            introduce: !it.reached || it.is_deaf() || self.tries >= REINTRODUCE,
        })
    }

    /// Counts who did not answer; those that did not for too long are suspected.
    fn end_round(&mut self, now: Instant, silence: Duration) -> Vec<RingAct> {
        let mut acts = Vec::new();
        for target in self.targets.iter_mut().filter(|it| it.watched || it.pinged) {
            (target.sound, target.failed) = match target.watched || target.answered {
                true => (target.sound.saturating_add(1), 0),
                false => (0, target.failed.saturating_add(1)),
            };
            // By time: rounds are shorter than a second, each by another bit.
            let silent = if target.is_deaf() {
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

    /// Whether a successor watches over a process with so many between them that was last heard at
    /// that time: it is sound, and knows that one, which has announced itself since this successor
    /// is there, or was alive after this one had announced itself, and so has greeted it. [PRE-32]
    fn watches(
        &self,
        target: &Target,
        between: usize,
        (process, heard_at): (&SenderId, Instant),
    ) -> bool {
        if !target.is_sound() {
            return false;
        }
        let last = || self.announced.get(process).map(|it| it.1);
        let first = || self.announced.get(&target.process).map(|it| it.0);
        target.since == Instant::default()
            || last().is_some_and(|last| last >= target.since)
            || (between < TARGETS_MAX && first().is_some_and(|first| first <= heard_at))
    }

    /// The next successors, and which of them are pinged: those that fewer than two before them
    /// watch over. Who cannot be pinged is none: its silence would mean nothing. [PRE-20] [PRE-23]
    fn next_targets(
        &self,
        now: Instant,
        own: &NodeId,
        roster: &Roster,
        may_ping: &dyn Fn(&SenderId) -> bool,
    ) -> Vec<Target> {
        let began_lately = now.since(self.began) < ROUND * (SETTLED + 1);
        let mut targets: Vec<Target> = Vec::new();
        for node in roster.successors(own).take(SEARCHED_MAX) {
            if targets.len() >= AROUND {
                break;
            }
            let process = roster.voice(&node).and_then(Voice::sender).filter(may_ping);
            let Some((process, heard_at)) = process.zip(roster.heard_at(&node)) else { continue };
            let known = self.targets.iter().find(|it| it.node == node && it.process == process);
            // Where announcements were too many to be remembered, anybody may have just started.
            let known_all = self.announced.len() < ANNOUNCED_MAX;
            let found = began_lately && known_all && !self.announced.contains_key(&process);
            let since = if found { Instant::default() } else { heard_at };
            let new = || Target::new(node, process, since, heard_at);
            let mut target = known.cloned().unwrap_or_else(new);
            let after = (&process, heard_at);
            let before = targets.iter().rev().enumerate();
            let watchers = before.filter(|(between, it)| self.watches(it, *between, after)).count();
            let watched = watchers >= SUCCESSORS;
            // Those that unicast does not reach have places of their own.
            let same = |it: &&Target| it.pinged && it.is_deaf() == target.is_deaf();
            let places = targets.iter().filter(same).count();
            target.begin_round(watched, !watched && places < TARGETS_MAX);
            targets.push(target);
        }
        targets
    }
}

/// What an echo brings back; zero is none.
fn token(random: &mut Random) -> u64 {
    random.next_u64().max(1)
}
