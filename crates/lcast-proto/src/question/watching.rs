//! The watcher's side: who is subscribed, what is known of each, what is missing.
//!
//! A watch begins as a question, which accounts for every expected node; from then on this machine
//! keeps the leases, asks again whoever joined, came back or lost a message, and says what changed.
//! It never seals or addresses packets. The rules are [WAT-1] to [WAT-9] of `docs/spec/watch.md`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddrV6;
use std::time::Duration;

use super::asking::is_expected_agent;
use super::report::{EmptyReason, ReplyValue};
use super::watched::LEASE_MAX;
use super::{Ask, QuestionId, Verb};
use crate::presence::{Roster, State, Via};
use crate::time::{Instant, Now};
use crate::variable::Version;
use crate::wire::id::{NodeId, SenderId};
use crate::wire::watch::TopicId;

/// Values of which a watch remembers the version, over all nodes. [WAT-9]
pub const TRACKED_MAX: usize = 1 << 20;
/// Messages that may arrive before one that is missing; beyond that all is asked for. [WAT-5]
pub const AHEAD_MAX: usize = 256;
/// Nodes asked again in one packet.
pub const ASKED_AT_ONCE_MAX: usize = 64;
/// How often the leases are renewed. [WAT-6]
pub const RENEW_EVERY: Duration = Duration::from_secs(5);

/// How long a message may be missing: its repeats have come by then. [WAT-5]
const GAP_PATIENCE: Duration = Duration::from_millis(240);
/// How often presence is looked at.
const TICK: Duration = Duration::from_millis(250);
/// The first and the longest pause between two wishes to one node. [WAT-8]
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Up to so many nodes are asked by unicast alone.
const UNICAST_MAX: usize = 8;

/// What became of watched values.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEvent {
    /// A node is in the watch from here on: it joined, came back, or its predicate began to hold.
    Entered {
        /// Its name.
        node: String,
        /// What it holds.
        values: Vec<ReplyValue>,
    },
    /// Values of a node have changed, or are told again because their interval is over.
    Changed {
        /// Its name.
        node: String,
        /// The values.
        values: Vec<ChangedValue>,
        /// Names that have no value any more.
        removed: Vec<String>,
    },
    /// A node is no longer in the watch.
    Left {
        /// Its name.
        node: String,
        /// Why.
        reason: LeaveReason,
    },
}

/// A value that has changed.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedValue {
    /// The value.
    pub value: ReplyValue,
    /// How many values it had in between that this watch did not see.
    pub skipped: u64,
}

/// Why a node left a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// Its predicate is false.
    NoMatch,
    /// Its predicate has no answer: a variable is missing, say.
    Undefined,
    /// It is silent.
    Gone,
    /// It said goodbye.
    Left,
    /// The member list does not expect it any more.
    Forgotten,
    /// It has more values than a watch may hold.
    TooMany,
}

impl LeaveReason {
    /// The word for it on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoMatch => "no_match",
            Self::Undefined => "undefined",
            Self::Gone => "gone",
            Self::Left => "left",
            Self::Forgotten => "forgotten",
            Self::TooMany => "too_many",
        }
    }
}

/// What the watch wants to be sent.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchSend {
    /// Renew all leases: the question to everybody, once more.
    Renew {
        /// How many may answer.
        replies: usize,
    },
    /// The question to these nodes.
    Ask {
        /// The nodes.
        nodes: Vec<NodeId>,
        /// Where they are.
        copies: Vec<SocketAddrV6>,
        /// Whether it goes to everybody as well.
        to_all: bool,
    },
}

/// One watch.
#[derive(Debug)]
pub struct Watching {
    id: QuestionId,
    ask: Ask,
    topic: TopicId,
    every: bool,
    /// Who belongs to it, by the member list.
    picked: BTreeMap<NodeId, String>,
    nodes: BTreeMap<NodeId, Watched>,
    /// Whether the question that began it is over.
    settled: bool,
    renew_at: Instant,
    tick_at: Instant,
    tracked: usize,
    events: VecDeque<WatchEvent>,
}

/// What is known of a node.
#[derive(Debug)]
struct Watched {
    name: String,
    sender: SenderId,
    step: Step,
    /// Every message up to this one is here.
    number: u64,
    ahead: BTreeSet<u64>,
    gap_at: Option<Instant>,
    inside: bool,
    /// The message that said whether it is inside.
    inside_by: u64,
    known: BTreeMap<String, Known>,
    want: Option<Want>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Asked, not yet heard.
    Asked,
    /// It has a lease.
    Live,
    /// It is not there.
    Gone,
    /// It will not, or cannot.
    Declined,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    version: Version,
    revision: u64,
    /// The message it came by.
    number: u64,
}

#[derive(Clone, Copy, Debug)]
struct Want {
    tries: u32,
    at: Instant,
}

impl Watching {
    /// A watch that begins at `now` with a question of this id.
    pub fn new(now: Now, id: QuestionId, ask: Ask, topic: TopicId, roster: &Roster) -> Self {
        let every = matches!(&ask.verb, Verb::Watch(watch) if watch.every.is_some());
        let mut watching = Self {
            id,
            ask,
            topic,
            every,
            picked: BTreeMap::new(),
            nodes: BTreeMap::new(),
            settled: false,
            renew_at: now.instant + RENEW_EVERY,
            tick_at: now.instant + TICK,
            tracked: 0,
            events: VecDeque::new(),
        };
        watching.expect(now, roster);
        watching
    }

    /// The id of the question that began it.
    pub fn id(&self) -> QuestionId {
        self.id
    }

    /// Names what is watched.
    pub fn topic(&self) -> TopicId {
        self.topic
    }

    /// The question that began it is over: from here on the watch asks.
    pub fn settle(&mut self) {
        self.settled = true;
    }

    /// Takes who belongs to the watch from the member list. [WAT-8]
    pub fn expect(&mut self, now: Now, roster: &Roster) {
        let only: Option<BTreeSet<&str>> =
            self.ask.only.as_ref().map(|names| names.iter().map(String::as_str).collect());
        let selector = &self.ask.selector;
        let picked = roster.members().members().iter().filter(|member| {
            let name = member.subject.name.as_str();
            is_expected_agent(member, now.wall)
                && only.as_ref().is_none_or(|only| only.contains(name))
                && selector.picks(name, |key| member.subject.labels.get(key))
        });
        self.picked =
            picked.map(|member| (member.id, member.subject.name.as_str().to_owned())).collect();
        let gone: Vec<NodeId> =
            self.nodes.keys().filter(|id| !self.picked.contains_key(id)).copied().collect();
        for id in gone {
            self.leave(&id, Step::Gone, LeaveReason::Forgotten);
            self.nodes.remove(&id);
        }
    }

    /// A process of a node has given a lease: it tells what follows this message, and says the
    /// present values at once or in pages. `None` where the node does not belong to the watch.
    pub fn subscribed(&mut self, id: NodeId, sender: SenderId, number: u64) -> Option<()> {
        let name = self.picked.get(&id)?;
        let fresh = || Watched::new(name.clone(), sender, number);
        let node = self.nodes.entry(id).or_insert_with(fresh);
        if node.sender != sender || node.step != Step::Live {
            self.tracked -= node.known.len();
            *node = fresh();
        }
        node.step = Step::Live;
        node.want = None;
        node.number = node.number.max(number);
        node.advance();
        Some(())
    }

    /// A node will not, or cannot, until another process of it is there.
    pub fn declined(&mut self, id: NodeId, sender: SenderId) {
        let Some(name) = self.picked.get(&id) else { return };
        let node = self.nodes.entry(id).or_insert_with(|| Watched::new(name.clone(), sender, 0));
        if node.step != Step::Live || node.sender != sender {
            self.tracked -= node.known.len();
            *node = Watched { step: Step::Declined, ..Watched::new(name.clone(), sender, 0) };
        }
    }

    /// All values of a node, as of a message. `told`: whether whoever watches has them already.
    pub fn snapshot(&mut self, id: &NodeId, number: u64, values: Vec<ReplyValue>, told: bool) {
        let Some(node) = self.nodes.get_mut(id).filter(|it| it.step == Step::Live) else { return };
        if !node.inside && number < node.inside_by {
            return;
        }
        let present: BTreeSet<&str> = values.iter().map(|it| it.name.as_str()).collect();
        let before = node.known.len();
        let mut removed = Vec::new();
        node.known.retain(|name, known| {
            let stays = present.contains(name.as_str()) || known.number > number;
            if !stays {
                removed.push(name.clone());
            }
            stays
        });
        let entered = !std::mem::replace(&mut node.inside, true);
        node.inside_by = node.inside_by.max(number);
        let values = node.take(number, values, false);
        self.tracked = self.tracked + node.known.len() - before;
        let name = node.name.clone();
        if told {
            return;
        }
        self.say(name, entered, values, removed);
        self.check_tracked(id);
    }

    fn say(
        &mut self,
        node: String,
        entered: bool,
        values: Vec<ChangedValue>,
        removed: Vec<String>,
    ) {
        if entered {
            let values = values.into_iter().map(|it| it.value).collect();
            self.events.push_back(WatchEvent::Entered { node, values });
        } else if !values.is_empty() || !removed.is_empty() {
            self.events.push_back(WatchEvent::Changed { node, values, removed });
        }
    }

    /// A node's predicate does not hold, as of a message, or it has no such values. `told`: as with
    /// [`Self::snapshot`].
    pub fn empty(&mut self, id: &NodeId, number: u64, reason: EmptyReason, told: bool) {
        let reason = match reason {
            EmptyReason::NoVariable => {
                self.snapshot(id, number, Vec::new(), told);
                return;
            }
            EmptyReason::NoMatch => LeaveReason::NoMatch,
            EmptyReason::Undefined => LeaveReason::Undefined,
        };
        self.outside(id, number, reason);
    }

    /// A message says that a node's predicate does not hold any more.
    fn outside(&mut self, id: &NodeId, number: u64, reason: LeaveReason) {
        let Some(node) = self.nodes.get_mut(id).filter(|it| it.step == Step::Live) else { return };
        if number < node.inside_by {
            return;
        }
        node.inside_by = number;
        if node.inside {
            self.leave(id, Step::Live, reason);
        }
    }

    /// Takes a node out of the watch, if it is in.
    fn leave(&mut self, id: &NodeId, step: Step, reason: LeaveReason) {
        let Some(node) = self.nodes.get_mut(id) else { return };
        node.step = step;
        node.want = None;
        self.tracked -= node.known.len();
        node.known.clear();
        if std::mem::replace(&mut node.inside, false) {
            self.events.push_back(WatchEvent::Left { node: node.name.clone(), reason });
        }
    }

    fn check_tracked(&mut self, id: &NodeId) {
        if self.tracked > TRACKED_MAX {
            self.leave(id, Step::Declined, LeaveReason::TooMany);
        }
    }

    /// Takes the number of a message of this process; whether it is the first to come with it.
    /// [WAT-5]
    fn first_with(&mut self, now: Instant, id: &NodeId, sender: SenderId, number: u64) -> bool {
        let live = |it: &&mut Watched| it.step == Step::Live && it.sender == sender;
        let Some(node) = self.nodes.get_mut(id).filter(live) else { return false };
        if number <= node.number || !node.ahead.insert(number) {
            return false;
        }
        node.advance();
        if node.ahead.len() > AHEAD_MAX {
            node.want(now);
        } else if !node.ahead.is_empty() && node.gap_at.is_none() {
            node.gap_at = Some(now + GAP_PATIENCE);
        }
        true
    }

    /// Values that have changed, and names that have none any more.
    pub fn changed(
        &mut self,
        now: Instant,
        (id, sender): (&NodeId, SenderId),
        number: u64,
        values: Vec<ReplyValue>,
        removed: &[String],
    ) {
        if !self.first_with(now, id, sender, number) {
            return;
        }
        let every = self.every;
        let Some(node) = self.nodes.get_mut(id) else { return };
        if !node.inside && number < node.inside_by {
            return;
        }
        let entered = !std::mem::replace(&mut node.inside, true);
        if entered {
            node.inside_by = number;
        }
        let before = node.known.len();
        let is_older = |name: &String| node.known.get(name).is_some_and(|it| it.number < number);
        let removed: Vec<String> = removed.iter().filter(|name| is_older(name)).cloned().collect();
        for name in &removed {
            node.known.remove(name);
        }
        let values = node.take(number, values, every);
        self.tracked = self.tracked + node.known.len() - before;
        let name = node.name.clone();
        self.say(name, entered, values, removed);
        self.check_tracked(id);
    }

    /// A node's predicate holds no more.
    pub fn left(
        &mut self,
        now: Instant,
        (id, sender): (&NodeId, SenderId),
        number: u64,
        reason: EmptyReason,
    ) {
        if self.first_with(now, id, sender, number) {
            self.empty(id, number, reason, false);
        }
    }

    /// More has changed at a node than it says: all is asked for.
    pub fn changed_much(&mut self, now: Instant, (id, sender): (&NodeId, SenderId), number: u64) {
        if self.first_with(now, id, sender, number)
            && let Some(node) = self.nodes.get_mut(id)
        {
            node.want(now);
        }
    }

    /// A node states how far it has come. [WAT-6]
    pub fn stated(&mut self, now: Instant, id: &NodeId, sender: SenderId, number: u64) {
        let live = |it: &&mut Watched| it.step == Step::Live && it.sender == sender;
        let Some(node) = self.nodes.get_mut(id).filter(live) else { return };
        if number > node.number && node.gap_at.is_none() {
            node.gap_at = Some(now + GAP_PATIENCE);
        }
    }

    /// The pages of a node's values cannot be had: they are asked for again.
    pub fn retry(&mut self, now: Instant, id: &NodeId) {
        if let Some(node) = self.nodes.get_mut(id) {
            node.want(now + PAUSE_MIN);
        }
    }

    /// What to tell.
    pub fn poll_event(&mut self) -> Option<WatchEvent> {
        self.events.pop_front()
    }

    /// When something is due.
    pub fn poll_timeout(&self) -> Instant {
        let due = self.nodes.values().filter_map(Watched::due);
        let first = self.tick_at.min(self.renew_at);
        if self.settled { due.fold(first, Instant::min) } else { self.renew_at }
    }

    /// Does what is due; what is to be sent.
    pub fn handle_timeout(&mut self, now: Now, roster: &Roster) -> Vec<WatchSend> {
        let mut sends = Vec::new();
        let at = now.instant;
        if self.renew_at <= at {
            self.renew_at = at + RENEW_EVERY;
            sends.push(WatchSend::Renew { replies: self.picked.len() });
        }
        if !self.settled {
            return sends;
        }
        if self.tick_at <= at {
            self.tick_at = at + TICK;
            self.follow_presence(at, roster);
        }
        for node in self.nodes.values_mut() {
            if node.gap_at.take_if(|gap| *gap <= at).is_some() {
                node.want(at);
            }
        }
        sends.extend(self.wishes(at, roster));
        sends
    }

    /// Notices who joined, came back or is gone. [WAT-8]
    fn follow_presence(&mut self, now: Instant, roster: &Roster) {
        let mut gone = Vec::new();
        for (id, name) in &self.picked {
            let state = roster.state(now, id);
            let heard =
                roster.heard(id).filter(|it| matches!(it.via, Via::Multicast | Via::Unicast));
            let sender = heard.and_then(|it| it.sender).filter(|_| state == State::Alive);
            match self.nodes.get_mut(id) {
                Some(node) if node.step == Step::Live => {
                    match state {
                        State::Gone => gone.push((*id, LeaveReason::Gone)),
                        State::Left => gone.push((*id, LeaveReason::Left)),
                        State::Alive | State::Suspect | State::Never => {}
                    }
                    if sender.is_some_and(|sender| sender != node.sender) {
                        node.want(now);
                    }
                }
                Some(node) => {
                    let declined = node.step == Step::Declined;
                    if sender.is_some_and(|sender| !declined || sender != node.sender) {
                        node.want(now);
                    }
                }
                None => {
                    let Some(sender) = sender else { continue };
                    let mut node = Watched::new(name.clone(), sender, 0);
                    node.want(now);
                    self.nodes.insert(*id, node);
                }
            }
        }
        for (id, reason) in gone {
            self.leave(&id, Step::Gone, reason);
        }
    }

    /// Asks those whose word is wanted, a lot at a time.
    fn wishes(&mut self, now: Instant, roster: &Roster) -> Option<WatchSend> {
        let mut nodes = Vec::new();
        let mut copies = BTreeSet::new();
        let mut to_all = false;
        for (id, node) in &mut self.nodes {
            let Some(want) = node.want.as_mut().filter(|want| want.at <= now) else { continue };
            if nodes.len() >= ASKED_AT_ONCE_MAX {
                break;
            }
            let pause = PAUSE_MIN * 2_u32.saturating_pow(want.tries.min(10));
            want.at = now + pause.min(PAUSE_MAX);
            want.tries = want.tries.saturating_add(1);
            nodes.push(*id);
            match roster.heard(id).and_then(|heard| heard.address) {
                Some(address) => drop(copies.insert(address)),
                None => to_all = true,
            }
        }
        if nodes.is_empty() {
            return None;
        }
        to_all |= nodes.len() > UNICAST_MAX;
        Some(WatchSend::Ask { nodes, copies: copies.into_iter().collect(), to_all })
    }
}

impl Watched {
    fn new(name: String, sender: SenderId, number: u64) -> Self {
        Self {
            name,
            sender,
            step: Step::Asked,
            number,
            ahead: BTreeSet::new(),
            gap_at: None,
            inside: false,
            inside_by: 0,
            known: BTreeMap::new(),
            want: None,
        }
    }

    /// Its word is wanted, unless it is wanted already.
    fn want(&mut self, now: Instant) {
        self.want.get_or_insert(Want { tries: 0, at: now });
    }

    fn due(&self) -> Option<Instant> {
        [self.gap_at, self.want.map(|want| want.at)].into_iter().flatten().min()
    }

    /// Goes on over the messages that are here.
    fn advance(&mut self) {
        while self.ahead.first().is_some_and(|next| *next <= self.number + 1) {
            if let Some(next) = self.ahead.pop_first() {
                self.number = self.number.max(next);
            }
        }
        if self.ahead.is_empty() {
            self.gap_at = None;
        }
    }

    /// Those of the values that are newer than what is known, or with `again` as new. [WAT-5]
    fn take(&mut self, number: u64, values: Vec<ReplyValue>, again: bool) -> Vec<ChangedValue> {
        let mut taken = Vec::new();
        for value in values {
            let (version, revision) = (value.version, value.revision);
            let mut skipped = 0;
            if let Some(known) = self.known.get(&value.name) {
                let repeated = again && version == known.version && number > known.number;
                if version <= known.version && !repeated {
                    continue;
                }
                if version.incarnation == known.version.incarnation {
                    skipped = revision.saturating_sub(known.revision).saturating_sub(1);
                }
            }
            self.known.insert(value.name.clone(), Known { version, revision, number });
            taken.push(ChangedValue { value, skipped });
        }
        taken
    }
}

/// How long a lease is asked for.
pub const LEASE: Duration = LEASE_MAX;
