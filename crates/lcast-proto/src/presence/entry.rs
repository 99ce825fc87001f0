//! What is known of one member, and the presence that follows from it.

use std::net::SocketAddrV6;
use std::sync::Arc;
use std::time::Duration;

use super::{CLIENT_SILENCE_MAX, State, Via, doubt_after, lately, silence_max};
use crate::time::{Instant, Timestamp};
use crate::wire::id::{NodeId, SenderId};

/// What was heard of a member.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// When it was last heard, by the monotonic clock.
    pub at: Instant,
    /// When it was last heard, by the wall clock.
    pub wall: Timestamp,
    /// Where it is reached by unicast, when it said so or was heard from there.
    pub address: Option<SocketAddrV6>,
    /// Its process, when it was heard here.
    pub sender: Option<SenderId>,
    /// The highest number of a packet of this process.
    pub number: u64,
    /// How often it announces itself.
    pub interval: Duration,
    /// Whether it said goodbye.
    pub left: bool,
    /// The version of its software; empty when it has not said.
    pub software: Arc<str>,
    /// How this is known.
    pub via: Via,
}

/// How long a process must have been heard before its predecessor counts as a second live one:
/// packets of a process that has ended may come late. [PRE-35]
const RIVAL_AFTER: Duration = Duration::from_secs(2);
/// Earlier processes remembered of an agent, to tell a second live one from a restart. [PRE-35]
const PROCESSES_MAX: usize = 4;
/// Members whose word about the end of another is remembered: so many are believed. [QST-17]
const TELLERS_MAX: usize = 2;

/// A member in the roster.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) heard: Heard,
    pub(super) agent: bool,
    /// When a suspicion that nobody refutes makes it gone.
    suspicion: Option<Instant>,
    /// Members that told that it is gone or left, and which.
    told_ended: Vec<(NodeId, State)>,
    /// Whether a member told that it is there.
    told_alive: bool,
    /// Since when its present process is known.
    since: Instant,
    /// The processes before, with the highest number heard of each.
    earlier: Vec<(SenderId, u64)>,
    /// When two of its processes were found alive at once.
    twice: Option<Instant>,
    /// What was said of it last: state, process, and whether it is there twice.
    pub(super) shown: (State, Option<SenderId>, bool),
    /// When it is looked at again.
    pub(super) check_at: Option<Instant>,
    /// Its place among the living, while it is one of them.
    pub(super) place: Option<u64>,
    /// Suspicions that it spread lately, and since when.
    accusations: (Instant, u32),
}

impl Entry {
    pub(super) fn new(heard: Heard, agent: bool) -> Self {
        Self {
            since: heard.at,
            heard,
            agent,
            suspicion: None,
            told_ended: Vec::new(),
            told_alive: false,
            earlier: Vec::new(),
            twice: None,
            shown: (State::Never, None, false),
            check_at: None,
            place: None,
            accusations: (Instant::default(), 0),
        }
    }

    /// Whether this process, and not another member, heard it.
    pub(super) fn is_heard_here(&self) -> bool {
        matches!(self.heard.via, Via::Multicast | Via::Unicast)
    }

    /// Takes what was heard of it in a verified packet. [PRE-4]
    pub(super) fn note(&mut self, heard: Heard) {
        if !self.is_heard_here() {
            let (shown, check_at) = (self.shown, self.check_at);
            *self = Self { shown, check_at, ..Self::new(heard, self.agent) };
            return;
        }
        if self.heard.sender == heard.sender {
            self.heard = merge(&self.heard, heard);
            self.suspicion = None;
            return;
        }
        let Some(sender) = heard.sender else { return };
        if self.agent {
            if let Some(at) = self.earlier.iter().position(|(earlier, _)| *earlier == sender) {
                let settled = heard.at.since(self.since) >= RIVAL_AFTER;
                if !settled || heard.left || heard.number <= self.earlier[at].1 {
                    return; // A late packet of a process that has ended.
                }
                self.earlier.remove(at);
                self.twice = Some(heard.at);
            }
            if self.earlier.len() >= PROCESSES_MAX {
                self.earlier.remove(0);
            }
            self.earlier.extend(self.heard.sender.map(|it| (it, self.heard.number)));
        }
        self.since = heard.at;
        self.heard = heard;
        self.suspicion = None;
    }

    /// Takes what another member told of it. `ended`: that it is gone or left.
    pub(super) fn tell(&mut self, heard: Heard, teller: Option<NodeId>, ended: Option<State>) {
        if self.heard.via == Via::Remembered || self.heard.at < heard.at {
            self.heard = heard;
        }
        match (ended, teller) {
            (Some(state), Some(teller)) => {
                let known = self.told_ended.iter().any(|(it, _)| *it == teller);
                if !known && self.told_ended.len() < TELLERS_MAX {
                    self.told_ended.push((teller, state));
                }
            }
            (Some(_), None) => {}
            (None, _) => self.told_alive = true,
        }
    }

    /// Suspects it until `gone_at`, unless it is suspected already; whether that is news.
    pub(super) fn suspect(&mut self, gone_at: Instant) -> bool {
        let news = self.suspicion.is_none();
        self.suspicion.get_or_insert(gone_at);
        news
    }

    /// Counts a suspicion that this member spreads; whether it is one too many. [PRE-26]
    pub(super) fn accuses(&mut self, now: Instant, max: u32, span: Duration) -> bool {
        if now.since(self.accusations.0) >= span {
            self.accusations = (now, 0);
        }
        self.accusations.1 = self.accusations.1.saturating_add(1);
        self.accusations.1 <= max
    }

    /// Its presence at `now`, silence counting from `resumed` at the earliest.
    pub(super) fn state(&self, now: Instant, resumed: Instant) -> State {
        match (self.agent, self.agent_state(now, resumed)) {
            // Clients do not announce themselves: a silent one has left. [PRE-3]
            (false, State::Suspect) => State::Alive,
            (false, State::Gone) => State::Left,
            (_, state) => state,
        }
    }

    fn agent_state(&self, now: Instant, resumed: Instant) -> State {
        if self.heard.left {
            return State::Left;
        }
        if let Some(gone_at) = self.suspicion {
            return if now >= gone_at { State::Gone } else { State::Suspect };
        }
        match self.heard.via {
            Via::Remembered => return State::Gone,
            Via::Told if self.is_told_ended() => {
                return self.told_ended.last().map_or(State::Gone, |(_, state)| *state);
            }
            Via::Told | Via::Multicast | Via::Unicast => {}
        }
        let silence = now.since(self.silent_since(resumed));
        if silence > self.silence_max() {
            return State::Gone;
        }
        if silence > self.doubt_after() { State::Suspect } else { State::Alive }
    }

    /// How long it may be silent before it is gone. Clients do not announce themselves. [PRE-3]
    fn silence_max(&self) -> Duration {
        if self.agent { silence_max(self.heard.interval) } else { CLIENT_SILENCE_MAX }
    }

    /// How long before it is in doubt. [PRE-3]
    fn doubt_after(&self) -> Duration {
        if self.agent { doubt_after(self.heard.interval) } else { CLIENT_SILENCE_MAX }
    }

    /// What another member told first-hand of its silence counts as it is; what is heard here only
    /// while this process runs.
    fn silent_since(&self, resumed: Instant) -> Instant {
        if self.is_heard_here() { self.heard.at.max(resumed) } else { self.heard.at }
    }

    /// Two members say so, or one and nobody the contrary.
    fn is_told_ended(&self) -> bool {
        self.told_ended.len() >= TELLERS_MAX || (!self.told_ended.is_empty() && !self.told_alive)
    }

    /// Whether it has ended for all that this process, or two others, know. [QST-17]
    pub(super) fn has_surely_ended(&self, now: Instant, resumed: Instant) -> bool {
        let ended = matches!(self.agent_state(now, resumed), State::Gone | State::Left);
        match self.heard.via {
            Via::Multicast | Via::Unicast => ended,
            Via::Told => ended && self.told_ended.len() >= TELLERS_MAX,
            Via::Remembered => false,
        }
    }

    /// Two of its processes spoke at once. [PRE-35]
    pub(super) fn note_twice(&mut self, now: Instant) {
        self.twice = Some(now);
    }

    /// Whether two of its processes are alive at once. [PRE-35]
    pub(super) fn is_twice(&self, now: Instant) -> bool {
        self.twice.is_some_and(|at| now.since(at) <= lately(self.heard.interval))
    }

    /// When its presence changes without a word of it.
    pub(super) fn changes_at(&self, now: Instant, resumed: Instant) -> Option<Instant> {
        let after = |at: Instant| at + Duration::from_micros(1);
        let silent_since = self.silent_since(resumed);
        let by_silence = match (self.agent_state(now, resumed), self.suspicion) {
            (State::Suspect, Some(gone_at)) => Some(gone_at),
            (State::Alive, _) => Some(after(silent_since + self.doubt_after())),
            (State::Suspect, None) => Some(after(silent_since + self.silence_max())),
            (State::Gone | State::Left | State::Never, _) => None,
        };
        let once = self.twice.filter(|_| self.is_twice(now));
        let once = once.map(|at| after(at + lately(self.heard.interval)));
        [by_silence, once].into_iter().flatten().min()
    }
}

/// A process heard again: what the later packet left out stays.
fn merge(before: &Heard, heard: Heard) -> Heard {
    Heard {
        address: heard.address.or(before.address),
        software: if heard.software.is_empty() { before.software.clone() } else { heard.software },
        left: heard.left || before.left,
        number: heard.number.max(before.number),
        ..heard
    }
}
