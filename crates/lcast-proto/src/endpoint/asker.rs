//! The asker's side: joins questions with replies and pulls.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Endpoint;
use super::fetching::Claim;
use super::schemas::HeldReply;
use super::sending::{Copies, GROUP_ROOM};
use crate::group;
use crate::io::{Event, Link, Output};
use crate::keys::certificate::Certificate;
use crate::keys::subject::Kind;
use crate::name::Name;
use crate::question::answering::Asked;
use crate::question::asking::{Asking, Pace, Recipients, Round, Send, Word};
use crate::question::evaluate::Node;
use crate::question::report::{
    EmptyReason, ErrorCode, Failure, Outcome, Refusal, RefusalReason, Reply, Report, SetOutcome,
    SetResult,
};
use crate::question::values::{REPLY_MAX, decode_values};
use crate::question::{Ask, AskError, DEADLINE_MAX, QuestionId, Verb, Way};
use crate::select::encoded_size;
use crate::stats::Dropped;
use crate::time::{Instant, Now};
use crate::variable::{Assigned, Version};
use crate::wire::cbor;
use crate::wire::filter::Filter;
use crate::wire::frame::{
    Answer, Blob, GroupFrame, QuestionFrame, ReplyFrame, SetFrame, SetResultFrame, VerbCode,
};
use crate::wire::id::{NodeId, SenderId};
use crate::wire::wanted::{Named, Wanted};

/// Replies of nodes that the member list does not know yet, per question. [QST-19]
pub(super) const STRANGERS_MAX: usize = 256;
/// Room that a question must leave for the still-wanted filter.
const FILTER_ROOM: usize = 60;
/// Bytes of a filter on the wire beside its bits.
const FILTER_OVERHEAD: usize = 20;

/// A question of this process.
pub(super) struct Question {
    pub(super) asking: Asking,
    frame: QuestionFrame,
    /// Replies that wait for a schema.
    pub(super) held: Vec<HeldReply>,
    pulling: BTreeMap<NodeId, Pulling>,
    strangers: BTreeMap<NodeId, (SenderId, Certificate, ReplyFrame)>,
    /// Processes that have a schema which replies wait for.
    pub(super) sources: BTreeMap<[u8; 16], Vec<SenderId>>,
    in_reply_group: bool,
}

impl Question {
    /// Whether values of this node wait for their units.
    pub(super) fn is_holding(&self, id: &NodeId) -> bool {
        self.held.iter().any(|held| held.id == *id)
    }
}

/// A reply whose values are being pulled: one of each node, whatever its processes announce.
struct Pulling {
    from: SenderId,
    node: String,
    schema: Option<[u8; 16]>,
}

impl Endpoint {
    /// This process as a peer of itself: an agent that asks is among those that answer.
    pub(super) fn meet_self(&mut self, now: Instant) {
        let session = Some(*self.session.public());
        let own = self.own.clone();
        self.peers.meet(now, self.sender, &own, session, None);
    }

    /// Starts a question; its first round goes out at once.
    pub(super) fn start_question(&mut self, now: Now, id: QuestionId, ask: Ask) {
        let frame = match self.question_frame(now, &ask) {
            Ok(frame) => frame,
            Err(error) => {
                self.event(Event::Failed(id, error));
                return;
            }
        };
        let used = GroupFrame::Question(Box::new(frame.clone())).encode().len();
        let room = (GROUP_ROOM - self.own.bytes().len()).saturating_sub(used + FILTER_OVERHEAD);
        let pace = Pace {
            reply_rate: self.config.reply_rate,
            filter_capacity: Filter::capacity(room),
            names_capacity: Named::capacity(room),
        };
        if matches!(ask.verb, Verb::Watch(_)) {
            self.start_watch(now, id, &ask, &frame);
        }
        let asking = Asking::new(now, id, ask, &self.roster, pace);
        let question = Question {
            asking,
            held: Vec::new(),
            pulling: BTreeMap::new(),
            strangers: BTreeMap::new(),
            sources: BTreeMap::new(),
            in_reply_group: false,
            frame,
        };
        self.questions.insert(question.frame.request, question);
    }

    /// Makes this process known to one that may have forgotten it, by a signed question of which
    /// no account is kept: the answer says nothing new. [SEC-46]
    pub(super) fn become_known(&mut self, now: Now, to: SenderId) {
        let Some(peer) = self.peers.peer(&to) else { return };
        let Some(way) = peer.way.filter(|_| peer.needs_a_question(now.instant)) else { return };
        let wanted = Wanted::Named(Named::new(std::iter::once(&peer.certificate.id())));
        let Ok(frame) = self.question_frame(now, &Ask::new(Verb::Ping)) else { return };
        let (remaining, window) = (Duration::from_secs(1), Duration::ZERO);
        let mut frame = QuestionFrame { remaining, window, by_group: false, ..frame };
        self.fit_announcement(&mut frame);
        frame.wanted = Some(wanted);
        let copies = Copies { unicast: vec![way.to], neighbours: false, alone: true };
        self.send_group(&GroupFrame::Question(Box::new(frame)), copies);
    }

    fn question_frame(&mut self, now: Now, ask: &Ask) -> Result<QuestionFrame, AskError> {
        if self.questions.len().max(self.watches.len()) >= self.config.questions_max {
            return Err(AskError::TooMany { max: self.config.questions_max });
        }
        let longest = ask.deadline.base.max(ask.deadline.extended);
        if longest > DEADLINE_MAX {
            return Err(AskError::TooLong(longest));
        }
        ask.check()?;
        encoded_size(&ask.selector, ask.patterns())?;
        if self.links.is_empty() {
            return Err(AskError::NoLink);
        }
        let (verb, set) = match &ask.verb {
            Verb::Get(_) => (VerbCode::Get, None),
            Verb::Watch(_) => (VerbCode::Watch, None),
            Verb::Schema => (VerbCode::Schema, None),
            Verb::Ping => (VerbCode::Ping, None),
            Verb::Set(request) => {
                let named = |(name, value): &(Name, _)| (name.to_string(), Clone::clone(value));
                let set = SetFrame {
                    assignments: request.assignments.iter().map(named).collect(),
                    if_version: request.if_version.map(|it| (it.incarnation, it.counter)),
                    dry_run: request.dry_run,
                };
                (VerbCode::Set, Some(set))
            }
        };
        let frame = QuestionFrame {
            announcement: self.announcement(now),
            request: self.random.next_u64(),
            round: 1,
            verb,
            selector: ask.selector.to_cbor(),
            patterns: ask.patterns().iter().map(ToString::to_string).collect(),
            set,
            watch: super::watcher::terms(&ask.verb),
            remaining: ask.deadline.extended,
            window: Duration::from_secs(1),
            wanted: None,
            by_group: true,
        };
        let found = GroupFrame::Question(Box::new(frame.clone())).encode().len();
        let max = GROUP_ROOM - self.own.bytes().len() - FILTER_ROOM;
        if found <= max {
            return Ok(frame);
        }
        let values = frame.set.iter().flat_map(|set| &set.assignments);
        let longest = values.max_by_key(|(_, value)| length(value));
        let too_large = |name: &String, value: &Assigned| {
            let room = length(value).checked_sub(found - max)?;
            let (name, found, max) = (name.clone(), length(value), room);
            Some(AskError::ValueTooLarge { name, found, max })
        };
        let value = longest.and_then(|(name, value)| too_large(name, value));
        Err(value.unwrap_or(AskError::TooLarge { found, max }))
    }

    /// Gives up a question.
    pub(super) fn cancel_question(&mut self, now: Now, id: QuestionId) {
        let open = self.questions.iter_mut().find(|(_, it)| it.asking.id() == id);
        if let Some((request, question)) = open {
            let request = *request;
            let report = question.asking.cancel(now, &self.roster);
            self.end_question(now, request, report);
        }
        self.cancel_watch(now, id);
    }

    /// Lets every question do what is due.
    pub(super) fn pump_questions(&mut self, now: Now) {
        let accounted = self.questions.values().any(|it| it.asking.is_accounted());
        let catching_up = accounted && self.is_catching_up();
        let requests: Vec<u64> = self.questions.keys().copied().collect();
        for request in requests {
            let Some(question) = self.questions.get_mut(&request) else { continue };
            question.asking.catch_up(catching_up);
            if let Some(report) = question.asking.handle_timeout(now, &self.roster) {
                self.end_question(now, request, report);
                continue;
            }
            while let Some(send) =
                self.questions.get_mut(&request).and_then(|it| it.asking.poll_send())
            {
                self.carry_out_send(now, request, send);
            }
        }
    }

    fn end_question(&mut self, now: Now, request: u64, report: Report) {
        let Some(question) = self.questions.remove(&request) else { return };
        self.leave_reply_group(&question);
        let id = question.asking.id();
        for mut held in question.held {
            if let Some(values) = held.values.take() {
                let node_id = held.id;
                self.event(Event::Reply(id, held.reply(values.clone())));
                self.note_snapshot(now, request, node_id, &values, true);
            }
        }
        if !self.watches.contains_key(&request) {
            self.pulls.stop(|_, blob| *blob == Blob::Reply(request));
        }
        if let Some(watch) = self.watches.get_mut(&request) {
            watch.watching.settle();
        }
        // Who announced itself before the question was heard as well.
        let heard = report.heard || self.heard_others;
        self.event(Event::Done(id, Report { heard, ..report }));
    }

    fn reply_group(&self) -> std::net::Ipv6Addr {
        let scope = self.credential.network().scope;
        group::reply_address(self.credential.realm(), scope, &self.sender)
    }

    fn carry_out_send(&mut self, now: Now, request: u64, send: Send) {
        match send {
            Send::Round(round) => self.send_round(now, request, round),
            Send::RosterWanted(sender, filter) => {
                self.wish_for_roster(now, sender, filter, Some(request));
            }
            Send::JoinReplyGroup => {
                let joined = self.questions.values().any(|it| it.in_reply_group);
                if let Some(question) = self.questions.get_mut(&request) {
                    question.in_reply_group = true;
                }
                if !joined {
                    let group = self.reply_group();
                    self.outputs.push_back(Output::Join(group));
                }
            }
        }
    }

    fn send_round(&mut self, now: Now, request: u64, round: Round) {
        let announcement = self.announcement(now);
        let Some(question) = self.questions.get_mut(&request) else { return };
        let frame = &mut question.frame;
        frame.announcement = announcement;
        frame.round = round.number;
        frame.window = round.window;
        frame.remaining = round.remaining;
        frame.by_group = round.by_group;
        frame.wanted = None;
        let mut frame = frame.clone();
        let room = self.fit_announcement(&mut frame);
        frame.wanted = round.recipients.map(|recipients| match recipients {
            Recipients::Filtered { nodes, salt, turn } => {
                Wanted::Filtered(Filter::new(nodes.iter(), salt, turn, room))
            }
            Recipients::Named(nodes) => {
                Wanted::Named(Named::new(nodes.iter().take(Named::capacity(room))))
            }
        });
        let Round { pokes: unicast, neighbours, by_multicast, .. } = round;
        let copies = Copies { unicast, neighbours, alone: !by_multicast };
        let sent = self.send_group(&GroupFrame::Question(Box::new(frame.clone())), copies);
        let Some(sent) = sent else {
            self.fail_question(request);
            return;
        };
        if let Some(question) = self.questions.get_mut(&request) {
            question.asking.note_sent(sent);
        }
        self.ask_self(now, frame);
    }

    /// Gives up a question that could not be sealed, and the watch that it began.
    fn fail_question(&mut self, request: u64) {
        let Some(question) = self.questions.remove(&request) else { return };
        self.leave_reply_group(&question);
        self.pulls.stop(|_, blob| *blob == Blob::Reply(request));
        self.drop_watch(request);
        self.event(Event::Failed(question.asking.id(), AskError::Exhausted));
    }

    fn leave_reply_group(&mut self, ended: &Question) {
        let nobody_else = !self.questions.values().any(|it| it.in_reply_group);
        if ended.in_reply_group && nobody_else {
            let group = self.reply_group();
            self.outputs.push_back(Output::Leave(group));
        }
    }

    /// Leaves out addresses until a question has room for a filter; how large that may be. Links
    /// that came since it began leave no room for all addresses; the first matter most.
    pub(super) fn fit_announcement(&self, frame: &mut QuestionFrame) -> usize {
        let room = GROUP_ROOM - self.own.bytes().len();
        let length = |frame: &QuestionFrame| {
            let frame = QuestionFrame { wanted: None, ..frame.clone() };
            GroupFrame::Question(Box::new(frame)).encode().len()
        };
        while length(frame) + FILTER_ROOM > room && frame.announcement.addresses.len() > 1 {
            frame.announcement.addresses.pop();
        }
        room.saturating_sub(length(frame) + FILTER_OVERHEAD)
    }

    /// An agent that asks is among those that answer.
    pub(super) fn ask_self(&mut self, now: Now, frame: QuestionFrame) {
        if self.own.kind() != Kind::Agent {
            return;
        }
        let (own, way) = (self.own.clone(), Way::HERE);
        let asked = Asked {
            sender: self.sender,
            asker: &own,
            forgotten: false,
            way,
            waited: Duration::ZERO,
            frame,
        };
        let node = Node { certificate: &self.own, policy: &self.policy, table: &self.table };
        self.answering.handle_question(now, node, asked);
    }

    /// Takes the answer of a node to a question of this process.
    pub(super) fn handle_reply(
        &mut self,
        now: Now,
        sender: SenderId,
        certificate: &Certificate,
        reply: ReplyFrame,
    ) -> Result<(), Dropped> {
        let request = reply.request;
        if !self.questions.contains_key(&request) && !self.watches.contains_key(&request) {
            return Err(Dropped::Unasked);
        }
        let id = certificate.id();
        let version = reply.members_version;
        self.members_seen(now, Claim { member: id, sender, version });
        if let Some(question) = self.questions.get_mut(&request) {
            question.asking.note_members_version(&id, version);
        }
        if self.is_held_up(request, &id, sender) {
            return Ok(());
        }
        let Some(reply) = self.hear_watched(now, sender, id, reply) else { return Ok(()) };
        let own = self.sender;
        let Some(question) = self.questions.get_mut(&request) else { return Ok(()) };
        if sender != own {
            if id != self.own.id() {
                question.asking.note_heard();
            }
            question.asking.note_replier(sender, &self.roster);
            let member = self.roster.members().by_id(&id).is_some();
            if member && went_by_multicast(&self.links, &question.asking) {
                self.roster.note_through(now.instant, &id);
            }
        }
        if self.roster.members().by_id(&id).is_none() {
            if question.strangers.len() < STRANGERS_MAX {
                question.strangers.insert(id, (sender, certificate.clone(), reply));
            }
            return Ok(());
        }
        if question.asking.word_of(&id) == Word::Unexpected {
            return Ok(());
        }
        let node = certificate.name().as_str().to_owned();
        let taken = self.take_answer(now, sender, (node, id), reply);
        if taken.is_err()
            && let Some(watch) = self.watches.get_mut(&request)
        {
            watch.watching.retry(now.instant, &id);
        }
        taken
    }

    fn take_answer(
        &mut self,
        now: Now,
        sender: SenderId,
        (node, id): (String, NodeId),
        reply: ReplyFrame,
    ) -> Result<(), Dropped> {
        let request = reply.request;
        let Some(question) = self.questions.get_mut(&request) else { return Ok(()) };
        if !is_answer_to(&question.asking.ask().verb, &reply.answer) {
            return Err(Dropped::Unasked);
        }
        let outcome = match reply.answer {
            Answer::Pending => {
                question.asking.pending(now.instant, &id);
                return Ok(());
            }
            Answer::Announced(total) if total as usize <= REPLY_MAX => {
                let pulling = Pulling { from: sender, node, schema: reply.schema };
                self.start_pulling(now, request, id, pulling, total);
                return Ok(());
            }
            Answer::Announced(total) => Outcome::Error(Failure {
                code: ErrorCode::Limit,
                message: format!("it announced {total} bytes of values, more than is allowed"),
            }),
            Answer::Values(bytes) => {
                let patterns = question.asking.ask().patterns();
                let values = decode_values(&bytes, patterns).map_err(|_| Dropped::Frame)?;
                self.deliver_values(now, request, sender, (node, id), reply.schema, values);
                return Ok(());
            }
            Answer::Here => {
                if matches!(question.asking.ask().verb, Verb::Schema) {
                    let hash = reply.schema.ok_or(Dropped::Frame)?;
                    self.await_schema(now, request, sender, (node, id), hash, None);
                    return Ok(());
                }
                Outcome::Values(Vec::new())
            }
            Answer::Empty(code) => {
                Outcome::Empty(EmptyReason::from_code(code).ok_or(Dropped::Frame)?)
            }
            Answer::Error(code, message) => {
                Outcome::Error(Failure { code: ErrorCode::from_code(code), message })
            }
            Answer::Refused(code, message) => {
                Outcome::Refused(Refusal { reason: RefusalReason::from_code(code), message })
            }
            Answer::Watched(..) | Answer::Stated(_) => return Err(Dropped::Unasked),
            Answer::Set(results) => {
                let results: Option<Vec<SetResult>> = results.into_iter().map(set_result).collect();
                let results = results.filter(|it| !it.is_empty());
                Outcome::Set(results.ok_or(Dropped::Frame)?)
            }
        };
        self.deliver(now, request, node, &id, outcome);
        Ok(())
    }

    /// Pulls the announced values of a node; from the process that announced them last.
    fn start_pulling(&mut self, now: Now, request: u64, id: NodeId, pulling: Pulling, total: u32) {
        let Some(question) = self.questions.get_mut(&request) else { return };
        let (blob, from) = (Blob::Reply(request), pulling.from);
        if let Some(before) = question.pulling.insert(id, pulling)
            && before.from != from
        {
            self.pulls.stop(|sender, it| *sender == before.from && *it == blob);
        }
        let started = self.pulls.start(now.instant, from, blob, Some(total), REPLY_MAX);
        if started || self.pulls.contains(from, blob) {
            question.asking.pulling(now.instant, &id);
        } else {
            question.asking.pending(now.instant, &id);
        }
    }

    /// Hands an outcome out and closes the account of the node, unless it is closed already.
    pub(super) fn deliver(
        &mut self,
        now: Now,
        request: u64,
        node: String,
        id: &NodeId,
        outcome: Outcome,
    ) {
        let Some(question) = self.questions.get_mut(&request) else { return };
        let counts = question.asking.answered(now.instant, id, &outcome);
        let values = match &outcome {
            Outcome::Values(values) if self.watches.contains_key(&request) => Some(values.clone()),
            Outcome::Values(_)
            | Outcome::Empty(_)
            | Outcome::Error(_)
            | Outcome::Refused(_)
            | Outcome::Set(_) => None,
        };
        if counts {
            let by_multicast = went_by_multicast(&self.links, &question.asking);
            let reply = Reply { node, outcome, by_multicast };
            let event = Event::Reply(question.asking.id(), reply);
            self.event(event);
        }
        if let Some(values) = values {
            self.note_snapshot(now, request, *id, &values, counts);
        }
    }

    /// The values of a large reply have come in whole.
    pub(super) fn values_pulled(
        &mut self,
        now: Now,
        sender: SenderId,
        request: u64,
        bytes: &[u8],
    ) -> Result<(), Dropped> {
        let Some(id) = self.peers.peer(&sender).map(|it| it.certificate.id()) else {
            return Ok(());
        };
        let of_question = |it: &Question| it.pulling.contains_key(&id);
        if !self.questions.get(&request).is_some_and(of_question) {
            return self.snapshot_pulled(now, request, id, bytes);
        }
        let Some(question) = self.questions.get_mut(&request) else { return Ok(()) };
        let Some(Pulling { node, schema, .. }) = question.pulling.remove(&id) else {
            return Ok(());
        };
        let Ok(values) = decode_values(bytes, question.asking.ask().patterns()) else {
            question.asking.retry(&id);
            return Err(Dropped::Frame);
        };
        self.deliver_values(now, request, sender, (node, id), schema, values);
        Ok(())
    }

    /// A pull was in vain: large replies are asked for again, schemas from another node.
    pub(super) fn pull_failed(&mut self, now: Now, from: SenderId, blob: Blob) {
        match blob {
            Blob::Reply(request) => {
                self.snapshot_failed(now, from, request);
                let Some(question) = self.questions.get_mut(&request) else { return };
                let mut pulling = question.pulling.iter();
                if let Some(id) = pulling.find(|(_, it)| it.from == from).map(|(id, _)| *id) {
                    question.pulling.remove(&id);
                    question.asking.retry(&id);
                }
            }
            Blob::Schema(hash) => {
                for question in self.questions.values_mut() {
                    if let Some(sources) = question.sources.get_mut(&hash) {
                        sources.retain(|source| *source != from);
                    }
                }
                self.pull_schema_beside(now, hash);
                if !self.pulls.is_pulling(blob) {
                    self.release_held(now, hash);
                }
            }
            Blob::Members(_) => {
                self.sync.fetching.failed(now.instant, from);
                self.sync_if_due(now);
            }
        }
    }

    /// The member list has changed: whom questions expect, and whose replies were early.
    pub(super) fn expect_again(&mut self, now: Now) {
        let mut early = Vec::new();
        self.watches.values_mut().for_each(|it| it.watching.expect(now, &self.roster));
        for question in self.questions.values_mut() {
            question.asking.expect(now, &self.roster);
            early.extend(std::mem::take(&mut question.strangers).into_values());
        }
        for (sender, certificate, reply) in early {
            if let Err(kind) = self.handle_reply(now, sender, &certificate, reply) {
                self.stats.count(kind);
            }
        }
    }
}

/// Whether an answer to this question shows that multicast gets through: it went by nothing else.
pub(super) fn went_by_multicast(links: &[Link], asking: &Asking) -> bool {
    links.iter().any(|link| link.multicast) && asking.went_by_multicast_alone()
}

/// Whether an answer of this kind may come to a question with this verb. [QST-45]
fn is_answer_to(verb: &Verb, answer: &Answer) -> bool {
    match answer {
        Answer::Pending | Answer::Empty(_) | Answer::Error(..) | Answer::Refused(..) => true,
        Answer::Announced(_) | Answer::Values(_) => matches!(verb, Verb::Get(_) | Verb::Watch(_)),
        Answer::Here => matches!(verb, Verb::Schema | Verb::Ping),
        Answer::Set(_) => matches!(verb, Verb::Set(_)),
        Answer::Watched(..) | Answer::Stated(_) => matches!(verb, Verb::Watch(_)),
    }
}

fn set_result(result: SetResultFrame) -> Option<SetResult> {
    Some(SetResult {
        name: result.name,
        outcome: SetOutcome::from_code(result.outcome)?,
        message: result.message,
        version: result.version.map(|(incarnation, counter)| Version { incarnation, counter }),
    })
}

/// Bytes of a value to be set, about.
fn length(value: &Assigned) -> usize {
    match value {
        Assigned::Text(text) => text.len(),
        Assigned::Value(value) => cbor::encode(&cbor::value_to_cbor(value)).len(),
    }
}
