//! The watcher's side: who is subscribed, what is known of each, what is missing.
//!
//! A watch begins as a question, which accounts for every expected node; from then on this machine
//! keeps the leases, asks again whoever joined, came back or lost a message, and says what changed.
//! It never seals or addresses packets. The rules are [WAT-1] to [WAT-9] of `docs/spec/watch.md`.

mod node;
mod removed;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddrV6;
use std::time::Duration;

pub use self::node::{AHEAD_MAX, Message};
use self::node::{PAUSE_MIN, Pace, Step, WatchedNode};
pub use self::removed::REMOVED_MAX;
use super::asking::is_expected_agent;
use super::report::{EmptyReason, ReplyValue};
use super::watched::LEASE_MAX;
use super::{Ask, QuestionId, Verb};
use crate::presence::{Roster, State, Via, Voice};
use crate::select::Pattern;
use crate::time::{Instant, Now};
use crate::wire::id::{NodeId, SenderId};
use crate::wire::watch::TopicId;

/// Values of which a watch remembers the version, over all nodes. [WAT-9]
pub const TRACKED_MAX: usize = 1 << 20;
/// Nodes asked again in one packet.
pub const ASKED_AT_ONCE_MAX: usize = 64;
/// How often the leases are renewed. [WAT-6]
pub const RENEW_EVERY: Duration = Duration::from_secs(5);

/// How often presence is looked at.
const TICK: Duration = Duration::from_millis(250);
/// The pause between two leases of one node that are given back. [WAT-7]
const END_PAUSE: Duration = Duration::from_secs(1);
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
    /// It is there as another process, and enters as soon as that has told its values.
    Restarted,
    /// The member list does not expect it any more.
    Forgotten,
    /// It has more values than a watch may hold.
    TooMany,
    /// It answers with an error, or refuses: what is known of it is no longer told.
    Failed,
}

impl LeaveReason {
    /// The word for it on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoMatch => "no_match",
            Self::Undefined => "undefined",
            Self::Gone => "gone",
            Self::Left => "left",
            Self::Restarted => "restarted",
            Self::Forgotten => "forgotten",
            Self::TooMany => "too_many",
            Self::Failed => "failed",
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
        /// To whom alone; `None`: all that the selector picks.
        only: Option<Vec<NodeId>>,
    },
    /// That the watch is over for these nodes.
    End {
        /// The nodes.
        nodes: Vec<NodeId>,
        /// Where they are.
        copies: Vec<SocketAddrV6>,
    },
    /// The question to these nodes.
    Ask {
        /// The nodes.
        nodes: Vec<NodeId>,
        /// Where they are.
        copies: Vec<SocketAddrV6>,
        /// Whether it goes to everybody as well.
        to_all: bool,
        /// Whether nobody else may take it for theirs: not all that the selector picks are watched.
        by_name: bool,
    },
}

/// One watch.
#[derive(Debug)]
pub struct Watching {
    id: QuestionId,
    ask: Ask,
    topic: TopicId,
    /// The process that watches: it is there, whatever the roster says.
    own: (NodeId, SenderId),
    every: bool,
    /// Who belongs to it, by the member list.
    picked: BTreeMap<NodeId, String>,
    nodes: BTreeMap<NodeId, WatchedNode>,
    /// Whether the question that began it is over.
    settled: bool,
    renew_at: Instant,
    tick_at: Instant,
    /// Nothing is due of a node before.
    due_at: Option<Instant>,
    tracked: usize,
    tracked_max: usize,
    events: VecDeque<WatchEvent>,
    /// Nodes that gave a lease of which this watch makes no use, and when that is given back.
    unused: BTreeMap<NodeId, Instant>,
}

impl Watching {
    /// A watch that begins at `now` with a question of this id.
    pub fn new(
        now: Now,
        own: (NodeId, SenderId),
        (id, ask): (QuestionId, Ask),
        topic: TopicId,
        roster: &Roster,
    ) -> Self {
        let every = matches!(&ask.verb, Verb::Watch(watch) if watch.every.is_some());
        let mut watching = Self {
            id,
            ask,
            topic,
            own,
            every,
            picked: BTreeMap::new(),
            nodes: BTreeMap::new(),
            settled: false,
            renew_at: now.instant + RENEW_EVERY,
            tick_at: now.instant + TICK,
            due_at: None,
            tracked: 0,
            tracked_max: TRACKED_MAX,
            events: VecDeque::new(),
            unused: BTreeMap::new(),
        };
        watching.expect(now, roster);
        watching
    }

    /// The id of the question that began it.
    pub fn id(&self) -> QuestionId {
        self.id
    }

    /// Which variables are watched.
    pub fn patterns(&self) -> &[Pattern] {
        self.ask.patterns()
    }

    /// Names what is watched.
    pub fn topic(&self) -> TopicId {
        self.topic
    }

    /// The question that began it is over: from here on the watch asks.
    pub fn settle(&mut self) {
        self.settled = true;
        self.nodes.retain(|id, _| self.picked.contains_key(id));
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
            // Its first values may wait for their units, and be told after this.
            if self.settled {
                self.nodes.remove(&id);
            }
        }
    }

    /// A process of a node has given a lease: it tells what follows this message, and says the
    /// present values at once or in pages. `None` where the node does not belong to the watch, has
    /// left it and said this before, or has too many values: then its lease is given back. [WAT-8]
    pub fn subscribed(&mut self, id: NodeId, sender: SenderId, number: u64) -> Option<()> {
        let name = self.picked.get(&id)?.clone();
        let too_much = |it: &WatchedNode| it.step == Step::TooMuch && it.sender == sender;
        if self.nodes.get(&id).is_some_and(too_much) {
            self.makes_no_use(id);
            return None;
        }
        let left_later =
            |it: &WatchedNode| it.sender == sender && it.step != Step::Live && number < it.number;
        if self.nodes.get(&id).is_some_and(left_later) {
            return None;
        }
        let fresh = || WatchedNode::new(name.clone(), sender, number);
        if self.nodes.get(&id).is_some_and(|it| it.sender != sender) {
            self.leave(&id, Step::Gone, LeaveReason::Restarted);
        }
        let node = self.nodes.entry(id).or_insert_with(fresh);
        if node.sender != sender || node.step != Step::Live {
            *node = WatchedNode { pace: node.pace, ..fresh() };
        }
        node.step = Step::Live;
        node.quiet = None;
        if number >= node.much {
            node.want = None;
        }
        node.awaited = true;
        node.number = node.number.max(number);
        node.advance();
        Some(())
    }

    /// Whether this process of a node was the last of it that answered.
    pub fn has_heard(&self, id: &NodeId, sender: SenderId) -> bool {
        self.nodes.get(id).is_some_and(|it| it.sender == sender && it.step != Step::Asked)
    }

    /// A node will not, or cannot, until a renewal or another process of it brings it back: it
    /// gives no lease. Who is `busy` has not ended the one that it gave. [WAT-1] [WAT-8]
    pub fn declined(&mut self, id: NodeId, sender: SenderId, busy: bool) {
        let Some(name) = self.picked.get(&id).cloned() else { return };
        let held = self.nodes.get(&id);
        if busy && held.is_some_and(|it| it.step == Step::Live && it.sender == sender) {
            return;
        }
        let same = held.filter(|it| it.sender == sender).map(|it| it.number);
        let reason = same.map_or(LeaveReason::Restarted, |_| LeaveReason::Failed);
        self.leave(&id, Step::Gone, reason);
        let number = same.unwrap_or_default();
        let pace = self.nodes.get(&id).map_or(Pace::default(), |it| it.pace);
        let declined = WatchedNode::new(name, sender, number);
        let declined = WatchedNode { step: Step::Declined, pace, ..declined };
        self.nodes.insert(id, declined);
    }

    /// All values of a node, as of a message. `told`: whether whoever watches has them already;
    /// when the realm has forgotten the node meanwhile, it leaves only now. [WAT-8]
    pub fn snapshot(
        &mut self,
        now: Instant,
        id: &NodeId,
        number: u64,
        values: Vec<ReplyValue>,
        told: bool,
    ) {
        let Some(node) = self.nodes.get_mut(id) else { return };
        if node.step != Step::Live {
            if told {
                let (node, reason) = (node.name.clone(), LeaveReason::Forgotten);
                self.events.push_back(WatchEvent::Left { node, reason });
            }
            return;
        }
        node.awaited = false;
        if number >= node.outside_by && (node.inside || number >= node.inside_by) {
            let present: BTreeSet<&str> = values.iter().map(|it| it.name.as_str()).collect();
            let before = node.known.len();
            let removed = node.forget_older(number, |name| present.contains(name));
            let entered = !std::mem::replace(&mut node.inside, true);
            node.inside_by = node.inside_by.max(number);
            let values = node.take(number, values, false);
            self.tracked = self.tracked + node.known.len() - before;
            let name = node.name.clone();
            if !told {
                self.say(name, entered, values, removed);
            }
            self.check_tracked();
        }
        self.take_held(now, id);
    }

    /// Takes what a node said while its values were on the way.
    fn take_held(&mut self, now: Instant, id: &NodeId) {
        let Some(node) = self.nodes.get_mut(id) else { return };
        let sender = node.sender;
        for (number, message) in node.release(now) {
            self.apply(now, (id, sender), number, message);
        }
        self.note_due(id);
    }

    /// Something may be due of a node sooner than before.
    fn note_due(&mut self, id: &NodeId) {
        let due = self.nodes.get(id).and_then(WatchedNode::due);
        self.due_at = [self.due_at, due].into_iter().flatten().min();
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
    pub fn empty(
        &mut self,
        now: Instant,
        id: &NodeId,
        number: u64,
        reason: EmptyReason,
        told: bool,
    ) {
        let Some(reason) = outside(reason) else {
            self.snapshot(now, id, number, Vec::new(), told);
            return;
        };
        if let Some(node) = self.nodes.get_mut(id) {
            node.awaited = false;
        }
        self.outside(id, number, reason);
        self.take_held(now, id);
    }

    /// As of a message, a node's predicate does not hold. When a later one has told values already,
    /// those from before it are what is over. [WAT-5]
    fn outside(&mut self, id: &NodeId, number: u64, reason: LeaveReason) {
        let Some(node) = self.nodes.get_mut(id).filter(|it| it.step == Step::Live) else { return };
        node.outside_by = node.outside_by.max(number);
        if number >= node.inside_by {
            node.inside_by = number;
            if node.inside {
                self.leave(id, Step::Live, reason);
            }
            return;
        }
        let before = node.known.len();
        let removed = node.forget_older(number, |_| false);
        self.tracked = self.tracked + node.known.len() - before;
        let name = node.name.clone();
        self.say(name, false, Vec::new(), removed);
    }

    /// Takes a node out of the watch, if it is in.
    fn leave(&mut self, id: &NodeId, step: Step, reason: LeaveReason) {
        let Some(node) = self.nodes.get_mut(id) else { return };
        node.step = step;
        if step != Step::Live {
            (node.want, node.gap_at) = (None, None);
        } else if node.much <= node.inside_by {
            // What it told after it left is wanted all the same.
            node.want = None;
        }
        self.tracked -= node.known.len();
        node.known.clear();
        node.removed.clear();
        node.held.clear();
        node.unheld = None;
        if std::mem::replace(&mut node.inside, false) {
            self.events.push_back(WatchEvent::Left { node: node.name.clone(), reason });
        }
    }

    /// Values of which the version is remembered, and the most messages that are noted or kept of
    /// one node. [WAT-9]
    pub fn sizes(&self) -> (usize, usize) {
        let ahead = self.nodes.values().map(|it| it.ahead.len().max(it.held.len()));
        (self.tracked, ahead.max().unwrap_or_default())
    }

    /// How many messages are noted or kept of a node before the one that is missing.
    #[cfg(test)]
    pub(crate) fn ahead(&self, id: &NodeId) -> (usize, usize) {
        self.nodes.get(id).map_or((0, 0), |node| (node.ahead.len(), node.held.len()))
    }

    /// As if [`TRACKED_MAX`] were this.
    #[cfg(test)]
    pub(crate) fn track_at_most(&mut self, max: usize) {
        self.tracked_max = max;
    }

    /// Whoever has most values leaves when there are too many, so that no node can push out others.
    /// [WAT-9]
    fn check_tracked(&mut self) {
        if self.tracked <= self.tracked_max {
            return;
        }
        let most = self.nodes.iter().max_by_key(|(_, node)| node.known.len());
        if let Some(id) = most.map(|(id, _)| *id) {
            self.leave(&id, Step::TooMuch, LeaveReason::TooMany);
            self.makes_no_use(id);
        }
    }

    /// A lease of a node is given back, at once or after a pause: who lies gives any number.
    fn makes_no_use(&mut self, id: NodeId) {
        let ended = self.nodes.get(&id).and_then(|it| it.pace.ended);
        let due = ended.map_or(Instant::default(), |at| at + END_PAUSE);
        self.unused.entry(id).or_insert(due);
    }

    /// Takes what a process of a node says of it. [WAT-5]
    pub fn hear(
        &mut self,
        now: Instant,
        (id, sender): (&NodeId, SenderId),
        number: u64,
        message: Message,
    ) {
        let enters = matches!(message, Message::Entered(_));
        self.apply(now, (id, sender), number, message);
        if enters {
            self.take_held(now, id);
        }
        self.note_due(id);
    }

    fn apply(
        &mut self,
        now: Instant,
        (id, sender): (&NodeId, SenderId),
        number: u64,
        message: Message,
    ) {
        let live = |it: &&mut WatchedNode| it.step == Step::Live && it.sender == sender;
        let Some(node) = self.nodes.get_mut(id).filter(live) else { return };
        node.quiet = None;
        if node.must_wait(number, &message) {
            node.hold(now, number, message);
            return;
        }
        if !node.is_first_with(now, number) {
            return;
        }
        match message {
            Message::Values(values, removed) => self.changed(id, number, values, removed),
            Message::Entered(values) => self.changed(id, number, values, Vec::new()),
            Message::Left(reason) => match outside(reason) {
                Some(reason) => self.outside(id, number, reason),
                None => node.tells_much(now, number),
            },
            Message::Much => node.tells_much(now, number),
        }
    }

    /// Values that have changed, and names that have none any more.
    fn changed(
        &mut self,
        id: &NodeId,
        number: u64,
        values: Vec<ReplyValue>,
        mut removed: Vec<String>,
    ) {
        let every = self.every;
        let Some(node) = self.nodes.get_mut(id) else { return };
        if number < node.outside_by || (!node.inside && number < node.inside_by) {
            return;
        }
        let entered = !std::mem::replace(&mut node.inside, true);
        node.inside_by = node.inside_by.max(number);
        let before = node.known.len();
        removed.retain(|name| node.remove(name, number));
        let values = node.take(number, values, every);
        self.tracked = self.tracked + node.known.len() - before;
        let name = node.name.clone();
        self.say(name, entered, values, removed);
        self.check_tracked();
    }

    /// A node states how far it has come. [WAT-6]
    pub fn stated(&mut self, now: Instant, id: &NodeId, sender: SenderId, number: u64) {
        let Some(node) = self.nodes.get_mut(id).filter(|it| it.sender == sender) else { return };
        match node.step {
            Step::Live => {
                node.quiet = None;
                node.states(now, number);
            }
            // It has given a lease, and the answer that said so is lost. [WAT-8]
            Step::Declined => node.want(now),
            Step::Asked | Step::Gone | Step::TooMuch => {}
        }
        self.note_due(id);
    }

    /// The pages of a node's values cannot be had: they are asked for again.
    pub fn retry(&mut self, now: Instant, id: &NodeId) {
        if let Some(node) = self.nodes.get_mut(id) {
            node.want(now + PAUSE_MIN);
        }
        self.note_due(id);
    }

    /// What to tell.
    pub fn poll_event(&mut self) -> Option<WatchEvent> {
        self.events.pop_front()
    }

    /// When something is due.
    pub fn poll_timeout(&self) -> Instant {
        let unused = self.unused.values().copied();
        let renewal = unused.fold(self.renew_at, Instant::min);
        if !self.settled {
            return renewal;
        }
        self.due_at.into_iter().fold(self.tick_at.min(renewal), Instant::min)
    }

    /// Does what is due; what is to be sent.
    pub fn handle_timeout(&mut self, now: Now, roster: &Roster) -> Vec<WatchSend> {
        let mut sends = Vec::new();
        let at = now.instant;
        sends.extend(self.give_back(at, roster));
        if self.renew_at <= at {
            self.renew_at = at + RENEW_EVERY;
            let only = self.ask.only.as_ref().map(|_| self.picked.keys().copied().collect());
            sends.push(WatchSend::Renew { replies: self.picked.len(), only });
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
        self.due_at = self.nodes.values().filter_map(WatchedNode::due).min();
        sends
    }

    /// Notices who joined, came back or is gone. [WAT-8]
    fn follow_presence(&mut self, now: Instant, roster: &Roster) {
        let mut gone = Vec::new();
        for (id, name) in &self.picked {
            let (state, sender) = presence(now, self.own, roster, id);
            match self.nodes.get_mut(id) {
                Some(node) if node.step == Step::Live => {
                    match state {
                        State::Gone => gone.push((*id, LeaveReason::Gone)),
                        State::Left => gone.push((*id, LeaveReason::Left)),
                        // Its beacons may be lost: its answer counts as well.
                        State::Suspect => node.want(now),
                        // What it says may not arrive where its lease leads to.
                        State::Alive if node.is_too_quiet(now) => node.want(now),
                        State::Alive | State::Never => {}
                    }
                    if sender.is_some_and(|sender| sender != node.sender) {
                        node.want(now);
                    }
                }
                // Nobody is there to answer.
                Some(node) if matches!(state, State::Gone | State::Left) => node.want = None,
                Some(node) => {
                    let declined = matches!(node.step, Step::Declined | Step::TooMuch);
                    if sender.is_some_and(|sender| !declined || sender != node.sender) {
                        node.want(now);
                    }
                }
                None => {
                    let Some(sender) = sender else { continue };
                    let mut node = WatchedNode::new(name.clone(), sender, 0);
                    node.want(now);
                    self.nodes.insert(*id, node);
                }
            }
        }
        for (id, reason) in gone {
            self.leave(&id, Step::Gone, reason);
        }
    }

    /// Ends leases of which the watch makes no use. Renewals go to all, so such nodes give one each
    /// time. [WAT-7]
    fn give_back(&mut self, now: Instant, roster: &Roster) -> Option<WatchSend> {
        let mut nodes = Vec::new();
        let due = self.unused.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id);
        for id in due.take(ASKED_AT_ONCE_MAX).collect::<Vec<NodeId>>() {
            self.unused.remove(&id);
            // Another process of it may have come meanwhile, whose lease is of use.
            if let Some(node) = self.nodes.get_mut(&id).filter(|it| it.step == Step::TooMuch) {
                node.pace.ended = Some(now);
                nodes.push(id);
            }
        }
        let address = |id: &NodeId| roster.voice(id).and_then(Voice::address);
        let copies: BTreeSet<SocketAddrV6> = nodes.iter().filter_map(address).collect();
        let copies = copies.into_iter().collect();
        (!nodes.is_empty()).then_some(WatchSend::End { nodes, copies })
    }

    /// Asks those whose word is wanted, a lot at a time.
    fn wishes(&mut self, now: Instant, roster: &Roster) -> Option<WatchSend> {
        let mut nodes = Vec::new();
        let mut copies = BTreeSet::new();
        let mut to_all = false;
        for (id, node) in &mut self.nodes {
            if node.want.is_none_or(|at| at > now) {
                continue;
            }
            if nodes.len() >= ASKED_AT_ONCE_MAX {
                break;
            }
            node.want = Some(node.pace.wish(now));
            nodes.push(*id);
            match roster.voice(id).and_then(Voice::address) {
                // It hears whatever it sends.
                _ if *id == self.own.0 => {}
                Some(address) => drop(copies.insert(address)),
                None => to_all = true,
            }
        }
        if nodes.is_empty() {
            return None;
        }
        to_all |= nodes.len() > UNICAST_MAX;
        let (copies, by_name) = (copies.into_iter().collect(), self.ask.only.is_some());
        Some(WatchSend::Ask { nodes, copies, to_all, by_name })
    }
}

/// Whether a node is there, and as which process where that was heard.
fn presence(
    now: Instant,
    own: (NodeId, SenderId),
    roster: &Roster,
    id: &NodeId,
) -> (State, Option<SenderId>) {
    if *id == own.0 {
        return (State::Alive, Some(own.1));
    }
    let state = roster.state(now, id);
    let heard = roster.heard(id).filter(|it| matches!(it.via, Via::Multicast | Via::Unicast));
    (state, heard.and_then(|it| it.sender).filter(|_| state == State::Alive))
}

/// Why a node is outside, unless it merely has no such values.
fn outside(reason: EmptyReason) -> Option<LeaveReason> {
    match reason {
        EmptyReason::NoVariable => None,
        EmptyReason::NoMatch => Some(LeaveReason::NoMatch),
        EmptyReason::Undefined => Some(LeaveReason::Undefined),
    }
}

/// How long a lease is asked for.
pub const LEASE: Duration = LEASE_MAX;
