//! Watches at both ends: joins the watcher's machine with replies, pages and packets, and carries
//! what a node tells to its watchers.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv6Addr;
use std::time::Duration;

use super::Endpoint;
use super::sending::Copies;
use crate::group;
use crate::io::{Destination, Event, Output, Transmit};
use crate::keys::certificate::Certificate;
use crate::presence::Voice;
use crate::question::asking::Word;
use crate::question::report::{EmptyReason, RefusalReason, ReplyValue};
use crate::question::values::{REPLY_MAX, add_units, decode_values};
use crate::question::watched::{EVERY_MIN, topic};
use crate::question::watching::{LEASE, Message, WatchSend, Watching};
use crate::question::{Ask, QuestionId, Verb, Way};
use crate::stats::Dropped;
use crate::time::{Instant, Now};
use crate::wire::filter::Filter;
use crate::wire::frame::{Answer, Blob, GroupFrame, PairFrame, QuestionFrame, ReplyFrame};
use crate::wire::id::{NodeId, SenderId};
use crate::wire::wanted::{Named, Wanted};
use crate::wire::watch::{Change, ChangeFrame, TopicId, WatchTerms};

/// When a message of changes is sent again. [WAT-5]
const REPEATS: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(200)];
/// Packets waiting to be sent again, once or twice; beyond that the oldest is not. [WAT-9]
pub(super) const REPEATS_MAX: usize = 1024;

/// A watch of this process.
pub(super) struct Watch {
    pub(super) watching: Watching,
    pub(super) frame: QuestionFrame,
    round: u16,
    /// Values that are being pulled, from whom, and as of which message.
    pulling: BTreeMap<NodeId, (SenderId, u64)>,
    /// The schemas that give the units.
    schemas: BTreeMap<NodeId, [u8; 16]>,
}

/// Packets that are sent again against loss, in order of time, for each of [`REPEATS`].
#[derive(Default)]
pub(super) struct Repeats([VecDeque<(Instant, Transmit)>; REPEATS.len()]);

impl Repeats {
    /// Keeps a packet to be sent again; how often one that waited is not sent for it.
    fn push(&mut self, now: Instant, transmit: &Transmit) -> u64 {
        let mut unrepeated = 0;
        for (waiting, after) in self.0.iter_mut().zip(REPEATS) {
            if waiting.len() >= REPEATS_MAX {
                waiting.pop_front();
                unrepeated += 1;
            }
            waiting.push_back((now + after, transmit.clone()));
        }
        unrepeated
    }

    fn pop(&mut self, now: Instant) -> Option<Transmit> {
        let is_due = |it: &(Instant, Transmit)| it.0 <= now;
        let waiting = self.0.iter_mut().find(|it| it.front().is_some_and(is_due))?;
        waiting.pop_front().map(|(_, transmit)| transmit)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.0.iter().filter_map(VecDeque::front).map(|(at, _)| *at).min()
    }

    /// How many packets wait: whatever waits for the first time waits for the second as well.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(VecDeque::len).max().unwrap_or_default()
    }
}

impl Watch {
    /// Awaits a node's values, of which process and as of which message; whether pages of another
    /// answer were on the way, which do not fit these.
    fn awaits_other_pages(&mut self, id: NodeId, of: (SenderId, u64)) -> bool {
        self.pulling.insert(id, of).is_some_and(|before| before != of)
    }

    /// Notes what kind of answer a process of a node gave as of a message, where that does not wait
    /// for values; as [`Self::awaits_other_pages`] where it does. `open`: whether the question that
    /// began the watch tells it. What is no answer to a watch is asked for again.
    fn takes(
        &mut self,
        now: Instant,
        (id, sender, number): (NodeId, SenderId, u64),
        answer: &Answer,
        open: bool,
    ) -> bool {
        match answer {
            Answer::Announced(total) if *total as usize > REPLY_MAX => {
                self.watching.retry(now, &id);
            }
            Answer::Values(_) | Answer::Announced(_) => {
                return self.awaits_other_pages(id, (sender, number));
            }
            Answer::Empty(code) => match EmptyReason::from_code(*code) {
                Some(reason) => self.watching.empty(now, &id, number, reason, open),
                None => self.watching.retry(now, &id),
            },
            Answer::Here
            | Answer::Error(..)
            | Answer::Refused(..)
            | Answer::Set(_)
            | Answer::Pending
            | Answer::Watched(..)
            | Answer::Stated(_) => self.watching.retry(now, &id),
        }
        false
    }
}

impl Endpoint {
    /// Begins to watch, beside the question of the same request. [WAT-2]
    pub(super) fn start_watch(
        &mut self,
        now: Now,
        id: QuestionId,
        ask: &Ask,
        frame: &QuestionFrame,
    ) {
        let (own, asked) = ((self.own.id(), self.sender), (id, ask.clone()));
        let watching = Watching::new(now, own, asked, topic(frame), &self.roster);
        if !self.is_watched(watching.topic()) {
            let group = self.watch_group(watching.topic());
            self.outputs.push_back(Output::Join(group));
        }
        let watch = Watch {
            watching,
            frame: frame.clone(),
            round: 0,
            pulling: BTreeMap::new(),
            schemas: BTreeMap::new(),
        };
        self.watches.insert(frame.request, watch);
    }

    fn is_watched(&self, topic: TopicId) -> bool {
        self.watches.values().any(|watch| watch.watching.topic() == topic)
    }

    fn watch_group(&self, topic: TopicId) -> Ipv6Addr {
        group::watch_address(self.credential.realm(), self.credential.network().scope, &topic)
    }

    /// Ends a watch, and says so to those who gave leases. [WAT-7]
    pub(super) fn cancel_watch(&mut self, now: Now, id: QuestionId) {
        let found = self.watches.iter().find(|(_, watch)| watch.watching.id() == id);
        let Some(request) = found.map(|(request, _)| *request) else { return };
        let Some(mut watch) = self.drop_watch(request) else { return };
        if let Some(terms) = &mut watch.frame.watch {
            terms.lease = Duration::ZERO;
        }
        let round = watch.round.wrapping_add(1);
        let frame = self.send_watch(now, watch.frame, round, Copies::default());
        self.ask_self(now, frame);
    }

    /// Forgets a watch, with what hangs on it.
    pub(super) fn drop_watch(&mut self, request: u64) -> Option<Watch> {
        let watch = self.watches.remove(&request)?;
        let topic = watch.watching.topic();
        if !self.is_watched(topic) {
            let group = self.watch_group(topic);
            self.outputs.push_back(Output::Leave(group));
        }
        self.pulls.stop(|_, blob| *blob == Blob::Reply(request));
        Some(watch)
    }

    /// Lets every watch do what is due, and sends again what is to be sent again.
    pub(super) fn pump_watches(&mut self, now: Now) {
        while let Some(transmit) = self.repeats.pop(now.instant) {
            self.stats.sent += 1;
            self.outputs.push_back(Output::Transmit(transmit));
        }
        let requests: Vec<u64> = self.watches.keys().copied().collect();
        for request in requests {
            let Some(watch) = self.watches.get_mut(&request) else { continue };
            if watch.watching.poll_timeout() <= now.instant {
                for send in watch.watching.handle_timeout(now, &self.roster) {
                    self.carry_out_watch_send(now, request, send);
                }
            }
            self.tell_watch_events(request);
        }
    }

    fn carry_out_watch_send(&mut self, now: Now, request: u64, send: WatchSend) {
        let rate = self.config.reply_rate;
        let Some(watch) = self.watches.get_mut(&request) else { return };
        watch.round = watch.round.wrapping_add(1);
        let (mut frame, round) = (watch.frame.clone(), watch.round);
        let salt = self.random.next_u64() as u32;
        let room = self.fit_announcement(&mut frame);
        let (wanted, copies) = match send {
            WatchSend::Renew { replies, only } => {
                let replies = u32::try_from(replies).unwrap_or(u32::MAX);
                frame.window = Duration::from_secs(1) * replies / rate.max(1);
                if let Some(terms) = &mut frame.watch {
                    terms.renewal = true;
                }
                (only.map_or_else(|| vec![None], |nodes| in_lots(&nodes, room)), Copies::default())
            }
            WatchSend::End { nodes, copies } => {
                if let Some(terms) = &mut frame.watch {
                    terms.lease = Duration::ZERO;
                }
                let copies = Copies { unicast: copies, alone: true, ..Copies::default() };
                (in_lots(&nodes, room), copies)
            }
            WatchSend::Ask { nodes, copies, to_all, by_name } => {
                frame.window = Duration::ZERO;
                let filtered = || Wanted::Filtered(Filter::new(nodes.iter(), salt, round, room));
                let wanted = if by_name { in_lots(&nodes, room) } else { vec![Some(filtered())] };
                (wanted, Copies { unicast: copies, alone: !to_all, ..Copies::default() })
            }
        };
        for wanted in wanted {
            let frame = QuestionFrame { wanted, ..frame.clone() };
            let frame = self.send_watch(now, frame, round, copies.clone());
            self.ask_self(now, frame);
        }
    }

    /// Sends the question of a watch once more: as it went out.
    fn send_watch(
        &mut self,
        now: Now,
        frame: QuestionFrame,
        round: u16,
        copies: Copies,
    ) -> QuestionFrame {
        let announcement = self.announcement(now);
        let mut frame = QuestionFrame { announcement, round, by_group: false, ..frame };
        self.fit_announcement(&mut frame);
        self.send_group(&GroupFrame::Question(Box::new(frame.clone())), copies);
        frame
    }

    fn tell_watch_events(&mut self, request: u64) {
        loop {
            let Some(watch) = self.watches.get_mut(&request) else { return };
            let Some(event) = watch.watching.poll_event() else { return };
            let id = watch.watching.id();
            self.event(Event::Watch(id, event));
        }
    }

    /// Whether an answer to a watch is of a process before the one that is there: it was held up,
    /// unless the question that began the watch wants the word of this node. [WAT-8]
    pub(super) fn is_held_up(&self, request: u64, id: &NodeId, sender: SenderId) -> bool {
        let Some(watch) = self.watches.get(&request) else { return false };
        let asked = self.questions.get(&request);
        let open = asked.is_some_and(|it| it.asking.word_of(id) == Word::Expected);
        let present = self.roster.voice(id).and_then(Voice::sender).filter(|it| *it != sender);
        present.is_some_and(|present| !open || watch.watching.has_heard(id, present))
    }

    /// Takes what a reply says of the lease; the answer within goes on to the question that began
    /// the watch, while that wants the word of this node.
    pub(super) fn hear_watched(
        &mut self,
        now: Now,
        sender: SenderId,
        id: NodeId,
        reply: ReplyFrame,
    ) -> Option<ReplyFrame> {
        let Some(watch) = self.watches.get_mut(&reply.request) else { return Some(reply) };
        let asked = self.questions.get(&reply.request);
        let open = asked.is_some_and(|it| it.asking.word_of(&id) == Word::Expected);
        // Its values wait for their units; what it says again comes too early.
        if asked.is_some_and(|it| it.is_holding(&id)) {
            return None;
        }
        let stranger = self.roster.members().by_id(&id).is_none();
        let (number, answer) = match reply.answer {
            // Kept until the newer member list is there.
            answer if stranger => return asked.map(|_| ReplyFrame { answer, ..reply }),
            Answer::Watched(number, answer) => (number, *answer),
            Answer::Stated(number) => {
                watch.watching.stated(now.instant, &id, sender, number);
                return None;
            }
            answer @ (Answer::Error(..) | Answer::Refused(..)) => {
                let busy = RefusalReason::Busy.code();
                let busy = matches!(answer, Answer::Refused(code, _) if code == busy);
                watch.watching.declined(id, sender, busy);
                return open.then_some(ReplyFrame { answer, ..reply });
            }
            answer @ (Answer::Values(_)
            | Answer::Announced(_)
            | Answer::Here
            | Answer::Empty(_)
            | Answer::Set(_)
            | Answer::Pending) => return open.then_some(ReplyFrame { answer, ..reply }),
        };
        watch.watching.subscribed(id, sender, number)?;
        if let Some(schema) = reply.schema {
            watch.schemas.insert(id, schema);
        }
        if watch.takes(now.instant, (id, sender, number), &answer, open) {
            let blob = Blob::Reply(reply.request);
            self.pulls.stop(|from, it| *from == sender && *it == blob);
        }
        if open {
            if matches!(answer, Answer::Empty(_) | Answer::Announced(_)) {
                // The question has no use for the units, or may be over before the pages come.
                self.learn_units(now, sender, reply.schema);
            }
            return Some(ReplyFrame { answer, ..reply });
        }
        self.take_watched(now, sender, id, ReplyFrame { answer, ..reply });
        None
    }

    /// Takes the values of a node that was asked by the watch itself.
    fn take_watched(&mut self, now: Now, sender: SenderId, id: NodeId, reply: ReplyFrame) {
        self.learn_units(now, sender, reply.schema);
        let request = reply.request;
        match reply.answer {
            Answer::Values(bytes) => {
                if let Err(kind) = self.snapshot_pulled(now, request, id, &bytes) {
                    self.stats.count(kind);
                }
            }
            Answer::Announced(total) => {
                let blob = Blob::Reply(request);
                // One process of a member brings pages, the last that announced some.
                let peers = &self.peers;
                let theirs = |it: &SenderId| peers.peer(it).map(|it| it.certificate.id());
                self.pulls.stop(|from, it| *it == blob && theirs(from) == Some(id));
                if !self.pulls.start(now.instant, sender, blob, Some(total), REPLY_MAX)
                    && let Some(watch) = self.watches.get_mut(&request)
                {
                    watch.watching.retry(now.instant, &id);
                }
            }
            Answer::Here
            | Answer::Empty(_)
            | Answer::Error(..)
            | Answer::Refused(..)
            | Answer::Set(_)
            | Answer::Pending
            | Answer::Watched(..)
            | Answer::Stated(_) => {}
        }
        self.tell_watch_events(request);
    }

    /// Pulls a schema that is not known yet.
    fn learn_units(&mut self, now: Now, sender: SenderId, schema: Option<[u8; 16]>) {
        if let Some(schema) = schema.filter(|it| self.schemas.known(it).is_none()) {
            self.pull_schema(now, sender, schema);
        }
    }

    /// The question that began a watch has handed out the values of a node, or (not `told`) could
    /// not any more.
    pub(super) fn note_snapshot(
        &mut self,
        now: Now,
        request: u64,
        id: NodeId,
        values: &[ReplyValue],
        told: bool,
    ) {
        let Some(watch) = self.watches.get_mut(&request) else { return };
        if let Some((_, number)) = watch.pulling.remove(&id) {
            watch.watching.snapshot(now.instant, &id, number, values.to_vec(), told);
            self.tell_watch_events(request);
        }
    }

    /// The values of a node have come whole, for a watch that goes on.
    pub(super) fn snapshot_pulled(
        &mut self,
        now: Now,
        request: u64,
        id: NodeId,
        bytes: &[u8],
    ) -> Result<(), Dropped> {
        let Some(watch) = self.watches.get_mut(&request) else { return Ok(()) };
        let Some((_, number)) = watch.pulling.remove(&id) else { return Ok(()) };
        let Ok(values) = decode_values(bytes, watch.watching.patterns()) else {
            watch.watching.retry(now.instant, &id);
            return Err(Dropped::Frame);
        };
        let values = self.with_units(request, &id, values);
        if let Some(watch) = self.watches.get_mut(&request) {
            watch.watching.snapshot(now.instant, &id, number, values, false);
        }
        self.tell_watch_events(request);
        Ok(())
    }

    fn with_units(
        &self,
        request: u64,
        id: &NodeId,
        mut values: Vec<ReplyValue>,
    ) -> Vec<ReplyValue> {
        let hash = self.watches.get(&request).and_then(|watch| watch.schemas.get(id));
        if let Some(schema) = hash.and_then(|hash| self.schemas.known(hash)) {
            add_units(&mut values, schema);
        }
        values
    }

    /// Pages of a node's values could not be had.
    pub(super) fn snapshot_failed(&mut self, now: Now, from: SenderId, request: u64) {
        let Some(watch) = self.watches.get_mut(&request) else { return };
        let found = watch.pulling.iter().find(|(_, (sender, _))| *sender == from);
        if let Some(id) = found.map(|(id, _)| *id) {
            watch.pulling.remove(&id);
            watch.watching.retry(now.instant, &id);
        }
    }

    /// Takes a message of a node about what is watched here. [WAT-5]
    pub(super) fn hear_change(
        &mut self,
        now: Now,
        sender: SenderId,
        certificate: &Certificate,
        frame: &ChangeFrame,
    ) -> Result<(), Dropped> {
        let id = certificate.id();
        let of_topic = self.watches.iter().filter(|(_, it)| it.watching.topic() == frame.topic);
        let requests: Vec<u64> = of_topic.map(|(request, _)| *request).collect();
        // Whoever watches the same has asked for the same variables. [WAT-2]
        let watch = requests.first().and_then(|request| self.watches.get(request));
        let patterns = watch.ok_or(Dropped::Unasked)?.watching.patterns();
        let values = match &frame.change {
            Change::Values(bytes, _) | Change::Entered(bytes) => decode_values(bytes, patterns),
            Change::Left(_) | Change::Much => Ok(Vec::new()),
        };
        let values = values.map_err(|_| Dropped::Frame)?;
        for request in requests {
            let values = self.with_units(request, &id, values.clone());
            let message = match &frame.change {
                Change::Values(_, removed) => Message::Values(values, removed.clone()),
                Change::Entered(_) => Message::Entered(values),
                Change::Left(code) => {
                    Message::Left(EmptyReason::from_code(*code).ok_or(Dropped::Frame)?)
                }
                Change::Much => Message::Much,
            };
            let Some(watch) = self.watches.get_mut(&request) else { continue };
            watch.watching.hear(now.instant, (&id, sender), frame.number, message);
            self.tell_watch_events(request);
        }
        Ok(())
    }

    /// Tells watchers of a change: one by unicast, more by multicast; and again, against loss.
    /// [WAT-5]
    pub(super) fn tell(&mut self, now: Now, frame: ChangeFrame, to: &[(SenderId, Way)]) {
        let others: Vec<&(SenderId, Way)> =
            to.iter().filter(|(sender, _)| *sender != self.sender).collect();
        if others.len() < to.len() {
            self.to_self.push_back(PairFrame::Change(frame.clone()));
        }
        let before = self.outputs.len();
        match others.as_slice() {
            [] => return,
            [(sender, way)] => {
                if let Some(peer) = self.peers.peer_mut(sender) {
                    peer.used = now.instant;
                    peer.way = Some(*way);
                }
                self.send_pair(*sender, &PairFrame::Change(frame), false, None);
            }
            _ => {
                let group = self.watch_group(frame.topic);
                if let Some(bytes) = self.seal_group(&GroupFrame::Change(frame).encode()) {
                    self.transmit(Destination::Group(group), None, &bytes);
                }
            }
        }
        for output in self.outputs.iter().skip(before) {
            if let Output::Transmit(transmit) = output {
                self.stats.unrepeated += self.repeats.push(now.instant, transmit);
            }
        }
    }
}

/// These nodes by name, as many at once as there is room for.
fn in_lots(nodes: &[NodeId], room: usize) -> Vec<Option<Wanted>> {
    let lots = nodes.chunks(Named::capacity(room));
    lots.map(|lot| Some(Wanted::Named(Named::new(lot.iter())))).collect()
}

/// The terms of a watch as they travel, and as nodes read them: both sides hash them. None for
/// other verbs. [WAT-2]
pub(super) fn terms(verb: &Verb) -> Option<WatchTerms> {
    match verb {
        Verb::Watch(watch) => {
            let millis = |it: Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
            let every = watch.every.map(|it| Duration::from_millis(millis(it.max(EVERY_MIN))));
            Some(WatchTerms { lease: LEASE, every, delta: watch.delta, renewal: false })
        }
        Verb::Get(_) | Verb::Schema | Verb::Ping | Verb::Set(_) => None,
    }
}
