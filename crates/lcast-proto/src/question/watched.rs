//! The node's side of watches: leases of those who watch, and what changed since they were told.
//!
//! Watchers who want the same in the same way share a *topic*: one count of messages, one record of
//! what was told. A topic is looked at when a value changes, when its interval is over, and once a
//! second for values that are only read on demand. The rules are [WAT-1] to [WAT-10] of
//! `docs/spec/watch.md`. Not here: the first answer to a watcher, which is that of a question
//! ([`answering`](super::answering)), and sealing.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::net::SocketAddrV6;
use std::sync::Arc;
use std::time::Duration;

use super::budget::{Budget, WORK_OF_LOOK, WORK_OF_MESSAGE, WORK_OF_SAMPLE, WORK_OF_VALUE};
use super::evaluate::{Node, judge, readable};
use super::report::EmptyReason;
use super::values::encode_value;
use super::{SampleId, Wanted, Way};
use crate::keys::certificate::Certificate;
use crate::name::Name;
use crate::select::{Outcome as Match, Pattern, Selector};
use crate::time::{Instant, Now};
use crate::variable::{Entry, Version};
use crate::wire::cbor;
use crate::wire::frame::QuestionFrame;
use crate::wire::id::{NodeId, SenderId};
use crate::wire::watch::{Change, ChangeFrame, REMOVED_MAX, TopicId, WatchTerms};

/// Leases at one node. [WAT-9]
pub const LEASES_MAX: usize = 1024;
/// Leases of one member at one node. [WAT-9]
pub const LEASES_OF_MEMBER_MAX: usize = 64;
/// Topics at one node. [WAT-9]
pub const TOPICS_MAX: usize = 128;
/// Topics at one node that are charged to one member when it asks for another. [WAT-9]
pub const TOPICS_OF_MEMBER_MAX: usize = 32;
/// The longest lease that is given. [WAT-1]
pub const LEASE_MAX: Duration = Duration::from_secs(30);
/// The shortest interval at which values are told. [WAT-4]
pub const EVERY_MIN: Duration = Duration::from_millis(10);
/// Most messages about one look at the values; beyond that the watcher asks for all. [WAT-5]
pub const MESSAGES_MAX: usize = 16;
/// Most bytes of values in one message: it fits a signed packet beside any certificate.
pub const MESSAGE_VALUES_MAX: usize = 520;

/// How often a watcher is asked to show that it receives, for each time that it asks or renews.
/// [WAT-10]
pub const CHALLENGES_MAX: u32 = 8;

/// The pause after the first of these; each is twice as long as the one before. [WAT-10]
const CHALLENGE_PAUSE: Duration = Duration::from_millis(50);
/// How often values that are only read on demand are looked at. [WAT-4]
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// How long changes that follow another are gathered. [WAT-4]
const GATHER: Duration = Duration::from_millis(10);
/// Ids of requests for fresh values: apart from those of questions.
const SAMPLE_IDS: u64 = 1 << 63;

/// Who watches this node, and what.
#[derive(Debug, Default)]
pub struct Watched {
    topics: BTreeMap<TopicId, Topic>,
    leases: BTreeMap<Key, Lease>,
    /// How many members hold leases: they share the work.
    sharers: usize,
    budget: Budget,
    serial: u64,
}

/// Names a lease: the watching process and its request.
type Key = (SenderId, u64);

#[derive(Debug)]
struct Lease {
    topic: TopicId,
    asker: Certificate,
    way: Way,
    /// Until the watcher has shown that it receives there.
    challenge: Option<Challenge>,
    until: Instant,
    /// When the number of the last message is stated.
    state_at: Option<Instant>,
    stated_at: Instant,
    stated: u64,
}

/// How often a watcher was asked to show that it receives, and when it is asked again.
#[derive(Clone, Copy, Debug)]
struct Challenge {
    count: u32,
    at: Instant,
}

/// What is watched, and how far the watchers know it.
#[derive(Debug)]
struct Topic {
    /// Who is charged while his share lasts: whoever asked first, or another that holds a lease
    /// when he has none any more. What may be read does not differ from member to member. [WAT-4]
    asker: Certificate,
    /// Who holds a lease: any of them may be charged. [WAT-4]
    holders: BTreeSet<NodeId>,
    selector: Selector,
    patterns: Arc<[Pattern]>,
    terms: WatchTerms,
    /// The lease of the only watcher elsewhere, while nobody knows whether it receives there: then
    /// nothing is looked at. [WAT-10]
    unproven: Option<Key>,
    number: u64,
    inside: bool,
    /// An answer has said the opposite of `inside` since the last look.
    contradicted: bool,
    /// The changes of the table that were looked at.
    seen: u64,
    looked_at: Instant,
    /// When values are read anew.
    sample_at: Instant,
    sampling: Option<SampleId>,
    told: BTreeMap<Name, Told>,
}

/// What was told last of a value; the default is older than any value.
#[derive(Debug, Default)]
struct Told {
    version: Version,
    number: Option<f64>,
}

/// What somebody wants to watch, of this member and by this way.
pub struct Subscription<'a> {
    /// The watching process and its request.
    pub key: Key,
    /// Its certificate.
    pub asker: &'a Certificate,
    /// The way back.
    pub way: Way,
    /// Names what is watched.
    pub topic: TopicId,
    /// Which nodes, and when they are inside.
    pub selector: &'a Selector,
    /// Which variables.
    pub patterns: &'a Arc<[Pattern]>,
    /// In what way.
    pub terms: WatchTerms,
}

/// What a watcher says when it goes on listening.
pub struct Renewal {
    /// Who says so: nobody else's lease is touched.
    pub member: NodeId,
    /// The way back.
    pub way: Way,
    /// For how long.
    pub lease: Duration,
    /// When, from here, this node's turn to answer comes.
    pub slot: Duration,
}

/// What the node does for its watchers.
#[derive(Debug)]
pub enum WatchAct {
    /// Ask the shell for fresh values.
    Sample(SampleId, Wanted),
    /// Tell these watchers.
    Tell(ChangeFrame, Vec<(SenderId, Way)>),
    /// State to the watcher with this request the number of the last message.
    State(Key, Way, u64),
    /// Have this watcher show that it receives there, unless it has. [WAT-10]
    Challenge(SenderId, Way),
}

/// Why a lease is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// Names what a question wants watched. [WAT-2]
pub fn topic(frame: &QuestionFrame) -> TopicId {
    let terms = frame.watch.unwrap_or_default();
    let mut hasher = blake3::Hasher::new_derive_key("librecast 1 watch topic");
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_be_bytes()).update(bytes);
    };
    part(&cbor::encode(&frame.selector));
    part(&terms.every.map_or(0, |it| it.as_micros()).to_be_bytes());
    part(&terms.delta.unwrap_or_default().to_bits().to_be_bytes());
    frame.patterns.iter().for_each(|pattern| part(pattern.as_bytes()));
    let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
    TopicId([a, b, c, d, e, f, g, h])
}

impl Watched {
    /// Leases held by watchers.
    pub fn len(&self) -> usize {
        self.leases.len()
    }

    /// What they watch.
    pub fn topics(&self) -> usize {
        self.topics.len()
    }

    /// Whether nobody watches.
    pub fn is_empty(&self) -> bool {
        self.leases.is_empty()
    }

    /// Gives or renews a lease: whoever gets it is told what changes after the message whose number
    /// this returns. The values of the moment are for the caller to send. [WAT-1]
    ///
    /// # Errors
    /// When the node, or the member, has as many as it may have.
    pub fn subscribe(
        &mut self,
        now: Now,
        node: Node<'_>,
        wish: &Subscription<'_>,
    ) -> Result<u64, TooMany> {
        let member = wish.asker.id();
        if self.is_full(wish.key, member, wish.topic) {
            return Err(TooMany);
        }
        let (number, work) = match self.topics.entry(wish.topic) {
            btree_map::Entry::Occupied(mut topic) => {
                let work = topic.get_mut().answer(now, node);
                (topic.get().number, work)
            }
            btree_map::Entry::Vacant(vacant) => {
                let (topic, work) = Topic::new(now, node, wish);
                (vacant.insert(topic).number, work)
            }
        };
        let lease = Lease {
            topic: wish.topic,
            asker: wish.asker.clone(),
            way: wish.way,
            challenge: Challenge::first(now.instant, wish.way),
            until: now.instant + wish.terms.lease.min(LEASE_MAX),
            state_at: None,
            stated_at: now.instant,
            stated: number,
        };
        self.leases.insert(wish.key, lease);
        self.leases_changed();
        self.budget.spend(now.instant, member, work, self.sharers);
        Ok(number)
    }

    /// Whether there is no room for this lease of a member. [WAT-9]
    pub fn is_full(&self, key: Key, member: NodeId, topic: TopicId) -> bool {
        match self.leases.get(&key) {
            Some(held) if held.asker.id() != member => return true,
            Some(held) if held.topic == topic => return false,
            Some(_) | None => {}
        }
        let is_new = !self.leases.contains_key(&key);
        let leases = self.leases.values().filter(|it| it.asker.id() == member).count();
        if is_new && (self.leases.len() >= LEASES_MAX || leases >= LEASES_OF_MEMBER_MAX) {
            return true;
        }
        let topics = self.topics.values().filter(|it| it.asker.id() == member).count();
        let full = self.topics.len() >= TOPICS_MAX || topics >= TOPICS_OF_MEMBER_MAX;
        full && !self.topics.contains_key(&topic)
    }

    /// When a topic may be looked at, of a table with so many changes: not before the share of a
    /// member that watches it allows for it. [WAT-4]
    fn due(&self, topic: &Topic, changes: u64) -> Option<Instant> {
        let due = topic.due(changes)?;
        let due = due.max(self.budget.ready_at(&topic.payer(&self.budget, due)));
        match topic.unproven.and_then(|key| self.leases.get(&key)?.challenge) {
            Some(challenge) => challenge.due().map(|at| at.max(due)),
            None => Some(due),
        }
    }

    /// Extends a lease, and states after `slot` how far this node has come, when it has moved or
    /// has not said so for long; whether there is such a lease. [WAT-6]
    pub fn renew(&mut self, now: Instant, key: Key, renewal: Renewal) -> bool {
        let theirs = |held: &&mut Lease| held.asker.id() == renewal.member;
        let Some(held) = self.leases.get_mut(&key).filter(theirs) else { return false };
        held.until = now + renewal.lease.min(LEASE_MAX);
        if held.challenge.is_some() || held.way.to != renewal.way.to {
            held.challenge = Challenge::first(now, renewal.way);
        }
        held.way = renewal.way;
        let topic = held.topic;
        let moved = self.topics.get(&held.topic).is_some_and(|it| it.number != held.stated);
        if moved || now.since(held.stated_at) >= LEASE_MAX * 2 / 3 {
            held.state_at = Some(now + renewal.slot);
        }
        self.recipients_changed(topic);
        true
    }

    /// Ends a lease of this member. [WAT-7]
    pub fn end(&mut self, key: Key, member: NodeId) {
        if self.leases.get(&key).is_some_and(|held| held.asker.id() == member) {
            self.leases.remove(&key);
            self.leases_changed();
        }
    }

    /// A watcher has shown that it receives at this address. [WAT-10]
    pub fn proven(&mut self, watcher: SenderId, address: &SocketAddrV6) {
        let theirs = self.leases.iter_mut().filter(|((sender, _), _)| *sender == watcher);
        let there = theirs.filter(|(_, lease)| lease.way.to == *address);
        let topics: BTreeSet<TopicId> =
            there.filter_map(|(_, lease)| lease.challenge.take().map(|_| lease.topic)).collect();
        topics.into_iter().for_each(|topic| self.recipients_changed(topic));
    }

    /// Drops topics that nobody watches any more, and charges the others to somebody who does.
    /// [WAT-4] [WAT-7]
    fn leases_changed(&mut self) {
        let mut by_topic: BTreeMap<TopicId, Vec<(&Key, &Lease)>> = BTreeMap::new();
        for (key, lease) in &self.leases {
            by_topic.entry(lease.topic).or_default().push((key, lease));
        }
        self.topics.retain(|id, topic| {
            let Some(leases) = by_topic.get(id) else { return false };
            let askers = || leases.iter().map(|(_, lease)| &lease.asker);
            if !askers().any(|asker| asker.id() == topic.asker.id())
                && let Some(next) = askers().min_by_key(|asker| asker.id())
            {
                topic.asker = next.clone();
            }
            topic.holders = askers().map(Certificate::id).collect();
            topic.unproven = unproven(leases.iter().copied());
            true
        });
        let members = self.leases.values().map(|lease| lease.asker.id());
        self.sharers = members.collect::<BTreeSet<NodeId>>().len();
    }

    /// Whoever is told of this topic, or what is known of one, has changed. [WAT-10]
    fn recipients_changed(&mut self, id: TopicId) {
        let Some(topic) = self.topics.get_mut(&id) else { return };
        topic.unproven = unproven(self.leases.iter().filter(|(_, lease)| lease.topic == id));
    }

    /// When something is due, of a table with so many changes.
    pub fn poll_timeout(&self, changes: u64) -> Option<Instant> {
        let ends =
            self.leases.values().map(|it| it.state_at.map_or(it.until, |at| at.min(it.until)));
        self.topics.values().filter_map(|topic| self.due(topic, changes)).chain(ends).min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now, node: Node<'_>) -> Vec<WatchAct> {
        let before = self.leases.len();
        self.leases.retain(|_, lease| lease.until > now.instant);
        if self.leases.len() < before {
            self.leases_changed();
        }
        let mut acts = Vec::new();
        for (key, lease) in &mut self.leases {
            let Some(topic) = self.topics.get(&lease.topic) else { continue };
            if lease.state_at.take_if(|at| *at <= now.instant).is_some() {
                (lease.stated, lease.stated_at) = (topic.number, now.instant);
                acts.push(WatchAct::State(*key, lease.way, topic.number));
            }
        }
        let changes = node.table.changes();
        let is_due = |topic: &Topic| self.due(topic, changes).is_some_and(|at| at <= now.instant);
        // Whoever wanted it first has its turn first, however long its share was used up.
        let due = self.topics.iter().filter(|(_, topic)| is_due(topic));
        let due = due.filter_map(|(id, topic)| Some((topic.due(changes)?, *id)));
        let due: BTreeSet<(Instant, TopicId)> = due.collect();
        for (_, id) in due {
            // Those before it may have used up the share of whoever watches.
            let late = |topic: &Topic| self.due(topic, changes).is_none_or(|at| at > now.instant);
            if self.topics.get(&id).is_none_or(late) {
                continue;
            }
            let Some(topic) = self.topics.get_mut(&id) else { continue };
            if let Some(key) = topic.unproven {
                let lease = self.leases.get_mut(&key);
                acts.extend(lease.and_then(|it| it.challenge(now.instant, key.0)));
            } else if topic.sample_at <= now.instant {
                let work = u64::from(WORK_OF_SAMPLE);
                let payer = topic.payer(&self.budget, now.instant);
                self.budget.spend(now.instant, payer, work, self.sharers);
                self.serial += 1;
                let sample = SampleId(SAMPLE_IDS | self.serial);
                topic.sampling = Some(sample);
                acts.push(WatchAct::Sample(sample, topic.wanted()));
            } else {
                self.look(now, node, id, &mut acts);
            }
        }
        acts
    }

    /// The shell has refreshed values.
    pub fn handle_sampled(&mut self, now: Now, node: Node<'_>, sampled: SampleId) -> Vec<WatchAct> {
        let mut acts = Vec::new();
        let waits = |topic: &Topic| topic.sampling == Some(sampled);
        let found = self.topics.iter().find(|(_, topic)| waits(topic)).map(|(id, _)| *id);
        if let Some(id) = found {
            if let Some(topic) = self.topics.get_mut(&id) {
                topic.sampling = None;
                topic.sample_at = topic.next_sample(now.instant);
            }
            self.look(now, node, id, &mut acts);
        }
        acts
    }

    /// Compares what is with what was told, and tells the difference. What nobody may be told yet
    /// is not told, and goes with the next look.
    fn look(&mut self, now: Now, node: Node<'_>, id: TopicId, acts: &mut Vec<WatchAct>) {
        let Some(topic) = self.topics.get_mut(&id).filter(|it| it.unproven.is_none()) else {
            return;
        };
        let (changes, work) = topic.look(now, node);
        let work = work + u64::from(WORK_OF_MESSAGE) * changes.len() as u64;
        let payer = topic.payer(&self.budget, now.instant);
        self.budget.spend(now.instant, payer, work, self.sharers);
        if changes.is_empty() {
            return;
        }
        let to = recipients(self.leases.iter().filter(|(_, lease)| lease.topic == id));
        let to: Vec<(SenderId, Way)> =
            to.into_iter().map(|(sender, (_, lease))| (sender, lease.way)).collect();
        for change in changes {
            topic.number += 1;
            let frame = ChangeFrame { topic: id, number: topic.number, change };
            acts.push(WatchAct::Tell(frame, to.clone()));
        }
    }
}

impl Lease {
    /// Has the watcher show that it receives, where it has not.
    fn challenge(&mut self, now: Instant, watcher: SenderId) -> Option<WatchAct> {
        let Challenge { count, at } = self.challenge.as_mut()?;
        *at = now + CHALLENGE_PAUSE * 2_u32.pow(*count);
        *count += 1;
        Some(WatchAct::Challenge(watcher, self.way))
    }
}

impl Challenge {
    /// What is asked of a watcher that is reached this way.
    fn first(now: Instant, way: Way) -> Option<Self> {
        way.is_elsewhere().then_some(Self { count: 0, at: now })
    }

    /// When it is asked, unless that was often enough.
    fn due(&self) -> Option<Instant> {
        (self.count < CHALLENGES_MAX).then_some(self.at)
    }
}

/// Who is told by these leases of a topic, and the request of each: a process that watches the same
/// twice is told once, where it has shown that it receives.
fn recipients<'a>(
    leases: impl Iterator<Item = (&'a Key, &'a Lease)>,
) -> BTreeMap<SenderId, (u64, &'a Lease)> {
    let mut recipients = BTreeMap::new();
    for ((sender, request), lease) in leases {
        let told = recipients.entry(*sender).or_insert((*request, lease));
        if told.1.challenge.is_some() {
            *told = (*request, lease);
        }
    }
    recipients
}

/// Of these leases of a topic, that of the only watcher elsewhere, when it has not shown that it
/// receives: it is the one that would be told by unicast. [WAT-5] [WAT-10]
fn unproven<'a>(leases: impl Iterator<Item = (&'a Key, &'a Lease)>) -> Option<Key> {
    let mut elsewhere = recipients(leases);
    elsewhere.retain(|_, (_, lease)| lease.way.is_elsewhere());
    let (sender, (request, lease)) = elsewhere.pop_first()?;
    (elsewhere.is_empty() && lease.challenge.is_some()).then_some((sender, request))
}

impl Topic {
    /// A topic whose values are told by an answer, and the work of reading them.
    fn new(now: Now, node: Node<'_>, wish: &Subscription<'_>) -> (Self, u64) {
        let every = wish.terms.every.map(|it| it.max(EVERY_MIN));
        let mut topic = Self {
            asker: wish.asker.clone(),
            holders: BTreeSet::new(),
            selector: wish.selector.clone(),
            patterns: wish.patterns.clone(),
            terms: WatchTerms { every, ..wish.terms },
            unproven: None,
            // Above all numbers of an earlier topic of this process with the same name. [WAT-3]
            number: now.instant.as_micros(),
            inside: false,
            contradicted: false,
            seen: 0,
            looked_at: now.instant,
            sample_at: now.instant,
            sampling: None,
            told: BTreeMap::new(),
        };
        topic.sample_at = topic.next_sample(now.instant);
        // Whoever subscribes is sent the values of this moment by the answer.
        let (_, work) = topic.look(now, node);
        (topic, work)
    }

    /// Who is charged for what is done at this time: when the share of whoever is charged else is
    /// used up, the one of all that watch it that is ahead least. [WAT-4]
    fn payer(&self, budget: &Budget, at: Instant) -> NodeId {
        let asker = self.asker.id();
        if budget.ready_at(&asker) <= at {
            return asker;
        }
        self.holders.iter().copied().min_by_key(|it| budget.ready_at(it)).unwrap_or(asker)
    }

    fn next_sample(&self, now: Instant) -> Instant {
        let every = self.terms.every.unwrap_or(SAMPLE_EVERY);
        // Kept in step, unless it fell behind.
        let next = self.sample_at + every;
        if next > now { next } else { now + every }
    }

    fn wanted(&self) -> Wanted {
        let predicate = self.selector.predicate.clone();
        Wanted { patterns: self.patterns.clone(), predicate }
    }

    /// When it wants to be looked at, of a table with so many changes.
    fn due(&self, changes: u64) -> Option<Instant> {
        if self.sampling.is_some() {
            return None;
        }
        if self.terms.every.is_some() || changes == self.seen {
            return Some(self.sample_at);
        }
        Some(self.sample_at.min(self.looked_at + GATHER))
    }

    /// The changes since the last look, which count as told from here on, and how much work it was
    /// to find them. [WAT-5]
    fn look(&mut self, now: Now, node: Node<'_>) -> (Vec<Change>, u64) {
        self.seen = node.table.changes();
        self.looked_at = now.instant;
        let contradicted = std::mem::take(&mut self.contradicted);
        let (outcome, work) = self.judge(now, node);
        if let Some(reason) = outcome {
            self.told.clear();
            let left = std::mem::replace(&mut self.inside, false) || contradicted;
            let changes = if left { vec![Change::Left(reason.code())] } else { Vec::new() };
            return (changes, work);
        }
        if contradicted {
            self.told.values_mut().for_each(|told| *told = Told::default());
        }
        let entered = !std::mem::replace(&mut self.inside, true) || contradicted;
        let (current, compared) = readable(node, &self.asker, &self.patterns);
        let mut batch = Batch::default();
        self.told.retain(|name, _| {
            let stays = current.contains_key(name);
            if !stays {
                batch.removed(name);
            }
            stays
        });
        for (name, entry) in current {
            if self.is_news(name, entry) {
                let told = Told { version: entry.version, number: entry.value.as_number() };
                self.told.insert(name.clone(), told);
                batch.value(now.instant, name, entry);
            }
        }
        let work = work + compared + u64::from(WORK_OF_VALUE) * batch.count;
        (batch.into_changes(entered && self.selector.predicate.is_some()), work)
    }

    /// Why this node is outside, if it is, and how much work it was to find out.
    fn judge(&self, now: Now, node: Node<'_>) -> (Option<EmptyReason>, u64) {
        let (outcome, steps) = match &self.selector.predicate {
            Some(predicate) => judge(now, node, &self.asker, predicate),
            None => (Match::Match, 0),
        };
        let reason = match outcome {
            Match::Match => None,
            Match::NoMatch => Some(EmptyReason::NoMatch),
            Match::Undefined | Match::Error(_) => Some(EmptyReason::Undefined),
        };
        (reason, u64::from(WORK_OF_LOOK) + u64::from(steps))
    }

    /// An answer tells what is now, which may differ from what was looked at last: the next look
    /// says so, or takes it back. How much work it was to read it. [WAT-3]
    fn answer(&mut self, now: Now, node: Node<'_>) -> u64 {
        let (outside, work) = self.judge(now, node);
        self.contradicted |= outside.is_none() != self.inside;
        if outside.is_some() {
            return work;
        }
        let (current, compared) = readable(node, &self.asker, &self.patterns);
        for name in current.into_keys() {
            self.told.entry(name.clone()).or_default();
        }
        work + compared
    }

    fn is_news(&self, name: &Name, entry: &Entry) -> bool {
        let Some(told) = self.told.get(name) else { return true };
        let WatchTerms { every, delta, .. } = &self.terms;
        match (delta, told.number, entry.value.as_number()) {
            (Some(delta), Some(before), Some(after)) => is_far(before, after, *delta),
            (Some(_), ..) => told.version != entry.version,
            (None, ..) => every.is_some() || told.version != entry.version,
        }
    }
}

/// What is said about one look at the values: each message within [`MESSAGE_VALUES_MAX`].
#[derive(Default)]
struct Batch {
    values: Vec<Vec<u8>>,
    removed: Vec<Vec<String>>,
    too_much: bool,
    /// Values that are told.
    count: u64,
}

impl Batch {
    fn value(&mut self, now: Instant, name: &Name, entry: &Entry) {
        self.count += 1;
        let mut bytes = Vec::new();
        encode_value(now, name, entry, &mut bytes);
        match self.values.last_mut() {
            Some(last) if last.len() + bytes.len() <= MESSAGE_VALUES_MAX => last.extend(bytes),
            Some(_) | None => {
                self.too_much |= bytes.len() > MESSAGE_VALUES_MAX || self.is_full();
                if !self.too_much {
                    self.values.push(bytes);
                }
            }
        }
    }

    fn removed(&mut self, name: &Name) {
        let name = name.to_string();
        let length = |names: &Vec<String>| names.iter().map(|it| it.len() + 4).sum::<usize>();
        match self.removed.last_mut() {
            Some(last)
                if length(last) + name.len() + 4 <= MESSAGE_VALUES_MAX
                    && last.len() < REMOVED_MAX =>
            {
                last.push(name);
            }
            Some(_) | None => {
                self.too_much |= name.len() + 4 > MESSAGE_VALUES_MAX || self.is_full();
                if !self.too_much {
                    self.removed.push(vec![name]);
                }
            }
        }
    }

    fn is_full(&self) -> bool {
        self.values.len() + self.removed.len() >= MESSAGES_MAX
    }

    fn into_changes(self, entered: bool) -> Vec<Change> {
        let Self { values, removed, too_much, .. } = self;
        let mut values = values.into_iter();
        let mut changes = Vec::new();
        if entered {
            changes.push(Change::Entered(values.next().unwrap_or_default()));
        }
        if too_much {
            changes.push(Change::Much);
            return changes;
        }
        changes.extend(removed.into_iter().map(|names| Change::Values(Vec::new(), names)));
        changes.extend(values.map(|bytes| Change::Values(bytes, Vec::new())));
        changes
    }
}

/// Whether a number is at least so far from what was told last. Between NaN and a number there is
/// no distance, but all the difference; there is none between two NaN. [WAT-4]
fn is_far(before: f64, after: f64, delta: f64) -> bool {
    before.is_nan() != after.is_nan() || (after - before).abs() >= delta
}

#[cfg(test)]
mod tests;
