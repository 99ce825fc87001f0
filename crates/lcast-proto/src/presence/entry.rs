//! What is known of one member, and the presence that follows from it.

use std::net::SocketAddrV6;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::compact::Compact;
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

/// What was heard of a process, without when: the same for all who heard the same packet.
#[derive(Clone, Debug, PartialEq)]
pub struct Voice {
    address: Option<SocketAddrV6>,
    sender: Option<SenderId>,
    number: u64,
    interval: Duration,
    left: bool,
    software: Arc<str>,
}

/// Keeps what a packet said for all who hear it in one operating system process: the first to take
/// it puts it here, the others keep no copy of their own where it says the same to them.
pub type SharedVoice = OnceLock<Arc<Voice>>;

/// How long a process must have been heard before its predecessor counts as a second live one:
/// packets of a process that has ended may come late. [PRE-35]
const RIVAL_AFTER: Duration = Duration::from_secs(2);
/// How much earlier than the first word of a living process another must have been sent to be of
/// one before it: packets overtake each other. [PRE-36]
const OVERTAKES: Duration = Duration::from_secs(1);
/// Earlier processes remembered of an agent, to tell a second live one from a restart. [PRE-35]
const PROCESSES_MAX: usize = 4;
/// Members whose word about the end of another is remembered: so many are believed. [QST-17]
const TELLERS_MAX: usize = 2;

/// A member in the roster. A large realm has thousands of them in every process, so what few have
/// stands apart.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    at: Instant,
    wall: Timestamp,
    voice: Arc<Voice>,
    rare: Option<Box<Rare>>,
    via: Via,
    pub(super) agent: bool,
    /// Whether a member told that it is there.
    told_alive: bool,
    /// Whether its present process has answered what this one asked.
    answered: bool,
    /// What the first packet heard of its present process told of the time. [PRE-36]
    began: Compact,
    /// What was said of it last.
    pub(super) shown: Shown,
}

/// What was said of a member last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub(super) state: State,
    pub(super) process: ShownProcess,
    /// Whether two of its processes are alive at once.
    pub(super) twice: bool,
}

/// Which process of a member was shown last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShownProcess {
    None,
    /// The one that was heard last.
    Present,
    /// One before that.
    Earlier,
}

/// What is known of few members.
#[derive(Clone, Debug, Default)]
struct Rare {
    /// When a suspicion that nobody refutes makes it gone.
    suspicion: Option<Instant>,
    /// Members that told that it is gone or left, and which.
    told_ended: Vec<(NodeId, State)>,
    /// Since when its present process is known, where there were earlier ones.
    since: Instant,
    /// The processes before, with the highest number heard of each.
    earlier: Vec<(SenderId, u64)>,
    /// When two of its processes were found alive at once.
    twice: Option<Instant>,
    /// When it is looked at again.
    check_at: Option<Instant>,
}

impl Entry {
    pub(super) fn new(heard: Heard, agent: bool, shared: Option<&SharedVoice>) -> Self {
        let (at, wall, via) = (heard.at, heard.wall, heard.via);
        let shown = Shown { state: State::Never, process: ShownProcess::None, twice: false };
        let voice = Voice::of(heard);
        let voice = shared_with(&voice, shared).unwrap_or_else(|| Arc::new(voice));
        Self {
            at,
            wall,
            voice,
            rare: None,
            via,
            agent,
            told_alive: false,
            answered: false,
            began: Compact::NONE,
            shown,
        }
    }

    pub(super) fn heard_at(&self) -> Instant {
        self.at
    }

    /// What was heard of it.
    pub(super) fn heard(&self) -> Heard {
        let voice = &*self.voice;
        Heard {
            at: self.at,
            wall: self.wall,
            address: voice.address,
            sender: voice.sender,
            number: voice.number,
            interval: voice.interval,
            left: voice.left,
            software: voice.software.clone(),
            via: self.via,
        }
    }

    /// The same without when it was heard.
    pub(super) fn voice(&self) -> &Voice {
        &self.voice
    }

    /// Its process, when it was heard here.
    pub(super) fn process(&self) -> Option<SenderId> {
        self.voice.sender
    }

    /// Whether this process, and not another member, heard it.
    pub(super) fn is_heard_here(&self) -> bool {
        matches!(self.via, Via::Multicast | Via::Unicast)
    }

    /// Whether it was heard here within so long.
    pub(super) fn is_heard_within(&self, now: Instant, span: Duration) -> bool {
        self.is_heard_here() && now.since(self.at) < span
    }

    fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    fn say(&mut self, heard: Heard, shared: Option<&SharedVoice>) {
        (self.at, self.wall, self.via) = (heard.at, heard.wall, heard.via);
        let voice = Voice::of(heard);
        match shared_with(&voice, shared) {
            Some(same) => self.voice = same,
            None => match Arc::get_mut(&mut self.voice) {
                Some(own) => *own = voice,
                None => self.voice = Arc::new(voice),
            },
        }
    }

    /// Takes what was heard of it in a verified packet. [PRE-4]
    pub(super) fn note(&mut self, heard: Heard, shared: Option<&SharedVoice>) {
        if !self.is_heard_here() {
            let (shown, check_at) = (self.shown, self.check_at());
            *self = Self { shown, ..Self::new(heard, self.agent, shared) };
            self.set_check_at(check_at);
            return;
        }
        if self.voice.sender == heard.sender {
            self.say(merge(&self.voice, heard), shared);
            self.clear_suspicion();
            return;
        }
        let Some(sender) = heard.sender else { return };
        if self.agent {
            let before = self.voice.sender.map(|it| (it, self.voice.number));
            let rare = self.rare_mut();
            if let Some(at) = rare.earlier.iter().position(|(earlier, _)| *earlier == sender) {
                let settled = heard.at.since(rare.since) >= RIVAL_AFTER;
                if !settled || heard.left || heard.number <= rare.earlier[at].1 {
                    return; // A late packet of a process that has ended.
                }
                rare.earlier.remove(at);
                rare.twice = Some(heard.at);
            }
            if rare.earlier.len() >= PROCESSES_MAX {
                rare.earlier.remove(0);
            }
            rare.earlier.reserve_exact(1);
            rare.earlier.extend(before);
            rare.since = heard.at;
        }
        self.say(heard, shared);
        (self.began, self.answered) = (Compact::NONE, false);
        if self.shown.process == ShownProcess::Present {
            self.shown.process = ShownProcess::Earlier;
        }
        self.clear_suspicion();
    }

    /// A process of it told this time, in a packet that counts as heard. [PRE-36]
    pub(super) fn told_time(&mut self, sender: SenderId, told: Timestamp) {
        let present = self.is_heard_here() && self.voice.sender == Some(sender);
        if present && self.began == Compact::NONE {
            self.began = told.into();
        }
    }

    /// Notes that its present process has answered; which one that is.
    pub(super) fn answers(&mut self) -> Option<SenderId> {
        self.answered = true;
        self.voice.sender
    }

    /// Its present process, where it has answered, and when it was last heard.
    pub(super) fn answered(&self) -> Option<(SenderId, Instant)> {
        self.voice.sender.filter(|_| self.answered).map(|sender| (sender, self.at))
    }

    /// Whether a packet that tells this time is of a process before the present one. `doubtful`:
    /// that it is held for such a one where the present one has told no time yet. [PRE-36]
    pub(super) fn is_of_the_past(&self, sender: SenderId, told: Timestamp, doubtful: bool) -> bool {
        let other = self.agent && self.is_heard_here() && self.voice.sender != Some(sender);
        let before = |began| told.saturating_add(OVERTAKES) < began;
        other && self.began.timestamp().map_or(doubtful, before)
    }

    /// Takes what another member told of it. `ended`: that it is gone or left.
    pub(super) fn tell(&mut self, heard: Heard, teller: Option<NodeId>, ended: Option<State>) {
        if self.via == Via::Remembered || self.at < heard.at {
            self.say(heard, None);
        }
        match (ended, teller) {
            (Some(state), Some(teller)) => {
                let told = &mut self.rare_mut().told_ended;
                let known = told.iter().any(|(it, _)| *it == teller);
                if !known && told.len() < TELLERS_MAX {
                    told.push((teller, state));
                }
            }
            (Some(_), None) => {}
            (None, _) => self.told_alive = true,
        }
    }

    /// Takes what an earlier process of this node remembered of it.
    pub(super) fn remember(&mut self, heard: Heard) {
        self.say(heard, None);
    }

    /// Suspects it until `gone_at`, unless it is suspected already; whether that is news.
    pub(super) fn suspect(&mut self, gone_at: Instant) -> bool {
        let suspicion = &mut self.rare_mut().suspicion;
        let news = suspicion.is_none();
        suspicion.get_or_insert(gone_at);
        news
    }

    /// Where it is suspected, it is not gone before `gone_at`.
    pub(super) fn put_off(&mut self, gone_at: Instant) {
        if let Some(suspicion) = self.rare.as_mut().and_then(|it| it.suspicion.as_mut()) {
            *suspicion = gone_at.max(*suspicion);
        }
    }

    fn suspicion(&self) -> Option<Instant> {
        self.rare.as_ref().and_then(|it| it.suspicion)
    }

    /// Whether it is suspected, or gone by a suspicion.
    pub(super) fn is_suspected(&self) -> bool {
        self.suspicion().is_some()
    }

    fn clear_suspicion(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.suspicion = None;
        }
    }

    fn twice(&self) -> Option<Instant> {
        self.rare.as_ref().and_then(|it| it.twice)
    }

    /// When it is looked at again, apart from all others.
    pub(super) fn check_at(&self) -> Option<Instant> {
        self.rare.as_ref().and_then(|it| it.check_at)
    }

    /// Notes when it is looked at again; forgets what nothing is noted in any more.
    pub(super) fn set_check_at(&mut self, at: Option<Instant>) {
        if at.is_some() {
            self.rare_mut().check_at = at;
        } else if let Some(rare) = &mut self.rare {
            rare.check_at = None;
            if rare.is_empty() {
                self.rare = None;
            }
        }
    }

    /// Whether its presence may change by more than its silence.
    pub(super) fn is_special(&self) -> bool {
        self.suspicion().is_some() || self.twice().is_some()
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
        if self.voice.left {
            return State::Left;
        }
        if let Some(gone_at) = self.suspicion() {
            return if now >= gone_at { State::Gone } else { State::Suspect };
        }
        match self.via {
            Via::Remembered => return State::Gone,
            Via::Told if self.is_told_ended() => {
                return self.told_ended().last().map_or(State::Gone, |(_, state)| *state);
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
        if self.agent { silence_max(self.voice.interval) } else { CLIENT_SILENCE_MAX }
    }

    /// How long before it is in doubt. [PRE-3]
    fn doubt_after(&self) -> Duration {
        if self.agent { doubt_after(self.voice.interval) } else { CLIENT_SILENCE_MAX }
    }

    /// What another member told first-hand of its silence counts as it is; what is heard here only
    /// while this process runs.
    fn silent_since(&self, resumed: Instant) -> Instant {
        if self.is_heard_here() { self.at.max(resumed) } else { self.at }
    }

    fn told_ended(&self) -> &[(NodeId, State)] {
        self.rare.as_ref().map_or(&[], |it| &it.told_ended)
    }

    /// Two members say so, or one and nobody the contrary.
    fn is_told_ended(&self) -> bool {
        let told = self.told_ended().len();
        told >= TELLERS_MAX || (told > 0 && !self.told_alive)
    }

    /// Whether it has ended for all that this process, or two others, know. [QST-17]
    pub(super) fn has_surely_ended(&self, now: Instant, resumed: Instant) -> bool {
        let ended = matches!(self.agent_state(now, resumed), State::Gone | State::Left);
        match self.via {
            Via::Multicast | Via::Unicast => ended,
            Via::Told => ended && self.told_ended().len() >= TELLERS_MAX,
            Via::Remembered => false,
        }
    }

    /// Two of its processes spoke at once. [PRE-35]
    pub(super) fn note_twice(&mut self, now: Instant) {
        self.rare_mut().twice = Some(now);
    }

    /// Whether two of its processes are alive at once. [PRE-35]
    pub(super) fn is_twice(&self, now: Instant) -> bool {
        self.twice().is_some_and(|at| now.since(at) <= lately(self.voice.interval))
    }

    /// Forgets that two of its processes were alive at once, when that is over.
    pub(super) fn forget_twice(&mut self, now: Instant) {
        let over = !self.is_twice(now);
        if let Some(rare) = self.rare.as_mut().filter(|_| over) {
            rare.twice = None;
        }
    }

    /// When its presence changes without a word of it.
    pub(super) fn changes_at(&self, now: Instant, resumed: Instant) -> Option<Instant> {
        let after = |at: Instant| at + Duration::from_micros(1);
        let silent_since = self.silent_since(resumed);
        let by_silence = match (self.agent_state(now, resumed), self.suspicion()) {
            (State::Suspect, Some(gone_at)) => Some(gone_at),
            (State::Alive, _) => Some(after(silent_since + self.doubt_after())),
            (State::Suspect, None) => Some(after(silent_since + self.silence_max())),
            (State::Gone | State::Left | State::Never, _) => None,
        };
        let once = self.twice().filter(|_| self.is_twice(now));
        let once = once.map(|at| after(at + lately(self.voice.interval)));
        [by_silence, once].into_iter().flatten().min()
    }
}

impl Rare {
    fn is_empty(&self) -> bool {
        let Self { suspicion, told_ended, since: _, earlier, twice, check_at } = self;
        let times = [suspicion, twice, check_at];
        times.iter().all(|it| it.is_none()) && told_ended.is_empty() && earlier.is_empty()
    }
}

impl Voice {
    /// Where it is reached by unicast, when it said so or was heard from there.
    pub fn address(&self) -> Option<SocketAddrV6> {
        self.address
    }

    /// The process, when it was heard here.
    pub fn sender(&self) -> Option<SenderId> {
        self.sender
    }

    /// The highest number of a packet of it.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How often it announces itself.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// The version of its software; empty when it has not said.
    pub fn software(&self) -> &Arc<str> {
        &self.software
    }

    fn of(heard: Heard) -> Self {
        let Heard { at: _, wall: _, address, sender, number, interval, left, software, via: _ } =
            heard;
        Self { address, sender, number, interval, left, software }
    }
}

/// The same voice as others hold it.
fn shared_with(voice: &Voice, shared: Option<&SharedVoice>) -> Option<Arc<Voice>> {
    let first = shared?.get_or_init(|| Arc::new(voice.clone()));
    (**first == *voice).then(|| first.clone())
}

/// A process heard again: what the later packet left out stays.
fn merge(before: &Voice, heard: Heard) -> Heard {
    Heard {
        address: heard.address.or(before.address),
        software: if heard.software.is_empty() { before.software.clone() } else { heard.software },
        left: heard.left || before.left,
        number: heard.number.max(before.number),
        ..heard
    }
}
