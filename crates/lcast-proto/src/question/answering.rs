//! The answering side: questions heard, one snapshot each, results kept for repeats.
//!
//! A question is answered once per asking process and request id; asked again, the node repeats
//! its answer. A reply never waits for a command: values are what the table holds after one
//! request to the shell to refresh what it samples. Rules [QST-20] to [QST-29] of
//! `docs/spec/questions.md`. Not here: what is true and readable on this table, which is in
//! [`evaluate`]; verifying the asker, sealing the reply.

mod heard;
mod holdings;
mod kept;
mod recalled;
mod refused;
mod task;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddrV6;
use std::sync::Arc;
use std::time::Duration;

use self::heard::{Heard, Step};
use self::holdings::Holdings;
pub use self::recalled::RECALLED_MAX;
use self::recalled::Recalled;
use self::refused::Refused;
use self::task::{Done, Task, Watch, Work, slot, watched_from};
use super::budget::{Budget, STEPS_OF_REGEX, STEPS_PER_SECOND_MAX, Shares};
use super::evaluate::{self, Node};
use super::report::{RefusalReason, SetResult};
use super::watched::{self, Renewal, Subscription, TooMany, WatchAct, Watched};
use super::{DEADLINE_MAX, RecalledSet, SampleId, SetId, SetOrder, Wanted, Way};
use crate::keys::certificate::Certificate;
use crate::select::{Pattern, Predicate, Selector, TreeError, encoded_size_of};
use crate::stats::Dropped;
use crate::time::{Instant, Now};
use crate::wire::cbor::Cbor;
use crate::wire::frame::{Answer, QuestionFrame, VerbCode};
use crate::wire::id::{NodeId, SenderId};
use crate::wire::watch::{ChangeFrame, WatchTerms};

/// Questions remembered at once; beyond that the oldest answered one is forgotten. [QST-27]
pub const REMEMBERED_MAX: usize = 1024;
/// Patterns in one question: each looks at all variables.
pub const PATTERNS_MAX: usize = 64;
/// Bytes of large replies kept for pulling, of all questions together. [QST-31]
pub const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a large reply is kept after its announcement or its last pull. [QST-31]
pub const KEPT_FOR: Duration = Duration::from_secs(5);
/// How long the storing of a set may take before PENDING is sent. [QST-25]
pub const PENDING_AFTER: Duration = Duration::from_millis(50);
/// The longest time over which an asker may spread replies.
pub const WINDOW_MAX: Duration = Duration::from_secs(10);
/// The longest that a question is remembered: what only reads may be evaluated again. [QST-27]
pub const REMEMBERED_FOR_MAX: Duration = Duration::from_secs(60);
/// The longest that a set is remembered: it must not be executed again. [QST-27]
pub const SET_REMEMBERED_FOR_MAX: Duration = DEADLINE_MAX.saturating_add(KEPT_FOR);
/// Largest values of a reply that travel within it; larger ones are announced. [QST-30]
pub const INLINE_MAX: usize = 1000;
/// Refusals sent a second. [QST-28]
pub const REFUSALS_PER_SECOND: u32 = 20;
/// Refusals sent a second to whoever is forgotten, or whose certificate has ended. [QST-28]
pub const FORMER_REFUSALS_PER_SECOND: u32 = 5;

/// Why a question is refused that cannot be decoded.
const BAD_SELECTOR: &str = "the selector breaks the rules";
/// Why a watcher is refused for whom there is no room. [WAT-9]
const WATCHED: &str = "this node, or this member at it, is watched too often";
/// Why a question is refused whose asker is ahead of its share. [QST-46]
const COSTLY: &str = "this member's questions have cost more than its share of this node's time; \
                      ask less often, or with a simpler predicate";

/// The questions that a node has heard.
#[derive(Debug)]
pub struct Answering {
    heard: BTreeMap<(SenderId, u64), Heard>,
    /// How many of them are whose.
    holdings: Holdings,
    /// Those that were answered: of each member, in the order in which they are forgotten.
    answered: BTreeSet<(NodeId, Instant, (SenderId, u64))>,
    /// When something is due for which question: one entry for each.
    timers: BTreeSet<(Instant, (SenderId, u64))>,
    /// Which question waits for which fresh values.
    samples: BTreeMap<SampleId, (SenderId, u64)>,
    /// Writes that were refused, and are not carried out when they come again. [QST-26]
    refused: Refused,
    /// Sets that an earlier process wrote, and that are not judged again. [QST-26]
    recalled: Recalled,
    serial: u64,
    acts: VecDeque<Act>,
    kept_bytes: usize,
    refusals: Shares,
    former_refusals: Shares,
    /// What questions cost, for each who asks. [QST-46]
    evaluations: Budget,
    watched: Watched,
}

/// What the node does about a question.
#[derive(Debug)]
pub enum Act {
    /// Ask the shell for fresh values.
    Sample(SampleId, Wanted),
    /// Ask the shell to store settings.
    Set(SetId, SetOrder),
    /// Send an answer.
    Reply(ReplyAct),
    /// Tell these watchers of a change.
    Tell(ChangeFrame, Vec<(SenderId, Way)>),
    /// Have this watcher show that it receives there. [WAT-10]
    Challenge(SenderId, Way),
    /// Count a question that was not evaluated. [QST-46]
    Drop(Dropped),
}

/// An answer to be sent.
#[derive(Debug)]
pub struct ReplyAct {
    /// To which process.
    pub to: SenderId,
    /// By which way.
    pub way: Way,
    /// Of which request.
    pub request: u64,
    /// The answer.
    pub answer: Answer,
    /// Whether the asker may lack this node's certificate.
    pub introduce: bool,
    /// Whether it goes to the asker's reply group as well.
    pub by_group: bool,
}

/// A question as it was heard.
pub struct Asked<'a> {
    /// The asking process.
    pub sender: SenderId,
    /// Its certificate.
    pub asker: &'a Certificate,
    /// Whether the realm has forgotten it.
    pub forgotten: bool,
    /// The way back to it.
    pub way: Way,
    /// How long the question has waited to be taken: of its slot so much is over.
    pub waited: Duration,
    /// The question.
    pub frame: QuestionFrame,
}

impl Asked<'_> {
    /// How long until this node's slot. [QST-22]
    fn slot(&self, own: &NodeId) -> Duration {
        let QuestionFrame { request, round, window, .. } = self.frame;
        slot(own, request, round, window.min(WINDOW_MAX)).saturating_sub(self.waited)
    }
}

/// Where the answer to a question goes.
struct Back {
    to: SenderId,
    member: NodeId,
    way: Way,
    request: u64,
    round: u16,
    by_group: bool,
    is_set: bool,
    /// Until when it is remembered.
    until: Instant,
}

impl Back {
    fn of(now: Instant, asked: &Asked<'_>) -> Self {
        let QuestionFrame { request, round, by_group, remaining, verb, .. } = asked.frame;
        let &Asked { sender: to, asker, way, .. } = asked;
        let is_set = verb == VerbCode::Set;
        let longest = if is_set { SET_REMEMBERED_FOR_MAX } else { REMEMBERED_FOR_MAX };
        let until = now + remaining.saturating_add(KEPT_FOR).min(longest);
        Self { to, member: asker.id(), way, request, round, by_group, is_set, until }
    }
}

impl Default for Answering {
    /// A node that has heard nothing.
    fn default() -> Self {
        Self {
            heard: BTreeMap::new(),
            holdings: Holdings::default(),
            answered: BTreeSet::new(),
            timers: BTreeSet::new(),
            samples: BTreeMap::new(),
            refused: Refused::default(),
            recalled: Recalled::default(),
            serial: 0,
            acts: VecDeque::new(),
            kept_bytes: 0,
            refusals: Shares::new(REFUSALS_PER_SECOND, Duration::from_secs(1), 1),
            former_refusals: Shares::new(FORMER_REFUSALS_PER_SECOND, Duration::from_secs(1), 1),
            evaluations: Budget::new(STEPS_PER_SECOND_MAX),
            watched: Watched::default(),
        }
    }
}

impl Answering {
    /// A node that has heard nothing, and whose earlier processes wrote these sets, the newest
    /// last.
    pub fn new(now: Instant, recalled: Vec<RecalledSet>) -> Self {
        Self { recalled: Recalled::new(now, recalled), ..Self::default() }
    }

    /// Leases of watchers.
    pub fn leases(&self) -> usize {
        self.watched.len()
    }

    /// What is watched here.
    pub fn topics(&self) -> usize {
        self.watched.topics()
    }

    /// A watcher has shown that it receives at this address. [WAT-10]
    pub fn proven(&mut self, watcher: SenderId, address: &SocketAddrV6) {
        self.watched.proven(watcher, address);
    }

    /// Questions remembered.
    pub fn len(&self) -> usize {
        self.heard.len()
    }

    /// Whether no question is remembered.
    pub fn is_empty(&self) -> bool {
        self.heard.is_empty()
    }

    /// Bytes of large replies kept.
    pub fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// What to do next.
    pub fn poll_act(&mut self) -> Option<Act> {
        self.acts.pop_front()
    }

    /// Takes a verified question. [QST-20]
    pub fn handle_question(&mut self, now: Now, node: Node<'_>, asked: Asked<'_>) {
        let own = node.certificate;
        let frame = &asked.frame;
        let wanted = frame.wanted.as_ref().is_none_or(|wanted| wanted.contains(&own.id()));
        if !wanted {
            return;
        }
        let key = (asked.sender, frame.request);
        if self.heard.get(&key).is_some_and(|heard| heard.asker != asked.asker.id()) {
            return;
        }
        if let Some(terms) = frame.watch
            && self.hear_watcher(now, node, &asked, terms)
        {
            return;
        }
        if self.heard.get(&key).is_some_and(|it| frame.round > it.round && it.is_lost()) {
            self.forget(&key);
        }
        if let Some(heard) = self.heard.get_mut(&key) {
            if frame.round > heard.round {
                heard.round = frame.round;
                heard.way = asked.way;
                heard.by_group = frame.by_group;
                heard.repeat_at = Some(now.instant + asked.slot(&own.id()));
                self.schedule(key);
            }
            return;
        }
        let refused = self.refused.why(now.instant, &key, &asked.asker.id());
        if let Some((reason, message)) = refused.cloned() {
            self.refuse(now, &asked, reason, &message);
            return;
        }
        let Ok((mut selector, predicate)) = Selector::without_predicate(&frame.selector) else {
            self.refuse(now, &asked, RefusalReason::Selector, BAD_SELECTOR);
            return;
        };
        if !selector.picks(own.name().as_str(), |key| own.labels().get(key)) {
            return;
        }
        let patterns = frame.patterns.iter().map(|it| Cbor::from(it.as_str())).collect();
        if let Err(error) = encoded_size_of(&frame.selector, &Cbor::Array(patterns)) {
            self.refuse(now, &asked, RefusalReason::Selector, &error.to_string());
            return;
        }
        if let Some(answer) = self.recalled.answer(now.instant, &key, frame.set.as_ref()) {
            self.answer_recalled(now, own.id(), &asked, answer);
            return;
        }
        let Asked { asker, forgotten, .. } = asked;
        let objection = evaluate::objection(now, node.policy, asker, forgotten, &asked.frame);
        if let Some((reason, message)) = objection {
            self.refuse(now, &asked, reason, &message);
            return;
        }
        if let Some(predicate) = predicate {
            selector.predicate = self.decode(now, &asked, predicate);
            if selector.predicate.is_none() {
                return;
            }
        }
        self.accept(now, own.id(), asked, selector);
    }

    /// Decodes a predicate on the account of its asker, whose automata take most of the time;
    /// `None` when the question was refused. [QST-46]
    fn decode(&mut self, now: Now, asked: &Asked<'_>, predicate: &Cbor) -> Option<Predicate> {
        let member = asked.asker.id();
        if self.evaluations.ready_at(&member) > now.instant {
            self.acts.push_back(Act::Drop(Dropped::Costly));
            self.refuse(now, asked, RefusalReason::Busy, COSTLY);
            return None;
        }
        let predicate = Predicate::from_cbor(predicate).ok();
        // Of one that breaks the rules, one more may have been made than is allowed.
        let regexes = predicate.as_ref().map_or(TreeError::REGEXES_MAX + 1, Predicate::regexes);
        self.charge(now.instant, member, regexes as u64 * STEPS_OF_REGEX);
        if predicate.is_none() {
            self.refuse(now, asked, RefusalReason::Selector, BAD_SELECTOR);
        }
        predicate
    }

    /// Extends or ends the lease of a watcher; whether that was all it wanted. Who asks for the
    /// values again is not answered from memory: they have changed since. [WAT-6] [WAT-7]
    fn hear_watcher(
        &mut self,
        now: Now,
        node: Node<'_>,
        asked: &Asked<'_>,
        terms: WatchTerms,
    ) -> bool {
        let lease = terms.lease;
        let Asked { way, asker, frame, .. } = asked;
        let key = (asked.sender, frame.request);
        let refused = evaluate::objection(now, node.policy, asker, asked.forgotten, frame);
        if lease.is_zero() || refused.is_some() {
            self.watched.end(key, asker.id());
            return lease.is_zero();
        }
        let slot = asked.slot(&node.certificate.id());
        let renewal = Renewal { member: asker.id(), way: *way, lease, slot };
        if terms.renewal && self.watched.renew(now.instant, key, renewal) {
            return true;
        }
        if self.heard.get(&key).is_some_and(|it| matches!(it.step, Step::Answered { .. })) {
            self.forget(&key);
        }
        false
    }

    /// Plans the answer to a permitted question in its slot. [QST-22]
    fn accept(&mut self, now: Now, own: NodeId, asked: Asked<'_>, selector: Selector) {
        let back = Back::of(now.instant, &asked);
        let slot = asked.slot(&own);
        let Asked { sender, asker, way, frame, .. } = asked;
        let due = now.instant + slot;
        let work = match frame.verb {
            VerbCode::Get | VerbCode::Watch => {
                let patterns: Result<Arc<[Pattern]>, _> =
                    frame.patterns.iter().map(|text| text.parse()).collect();
                let Some(patterns) = patterns.ok().filter(|it| it.len() <= PATTERNS_MAX) else {
                    let message =
                        format!("a pattern breaks the rules, or there are over {PATTERNS_MAX}");
                    self.refuse_as(now, &back, RefusalReason::Selector, &message);
                    return;
                };
                match frame.watch {
                    Some(terms) => {
                        Work::Watch(Watch { topic: watched::topic(&frame), patterns, terms })
                    }
                    None => Work::Get(patterns),
                }
            }
            VerbCode::Schema | VerbCode::Ping => Work::Here,
            VerbCode::Set => match frame.set {
                Some(set) => Work::Set(set),
                None => return,
            },
        };
        if slot > frame.remaining {
            self.reply(sender, way, frame.request, Answer::Pending, frame.by_group);
            return;
        }
        if !self.make_room(&asker.id()) {
            let message = "too many questions are unanswered here";
            self.refuse_as(now, &back, RefusalReason::Busy, message);
            return;
        }
        let task = Box::new(Task { asker: asker.clone(), selector, work });
        self.hear(&back, None, Step::Waiting { due, task });
    }

    /// Says in its slot what an earlier process of this node did about a set: permission and
    /// predicate were judged then. [QST-26]
    fn answer_recalled(&mut self, now: Now, own: NodeId, asked: &Asked<'_>, answer: Answer) {
        let back = Back::of(now.instant, asked);
        let slot = asked.slot(&own);
        if slot > asked.frame.remaining {
            self.reply(back.to, back.way, back.request, Answer::Pending, back.by_group);
        } else if !self.make_room(&back.member) {
            self.reply(back.to, back.way, back.request, answer, back.by_group);
        } else {
            let step = Step::Answered { answer, kept: None };
            self.hear(&back, Some(now.instant + slot), step);
        }
    }

    /// Remembers a question.
    fn hear(&mut self, back: &Back, repeat_at: Option<Instant>, step: Step) {
        let &Back { to, member: asker, way, request, round, by_group, until: forget_at, .. } = back;
        let heard = Heard { asker, way, by_group, round, repeat_at, forget_at, step, timer: None };
        let key = (to, request);
        self.holdings.add(asker, 1);
        if matches!(heard.step, Step::Answered { .. }) {
            self.answered.insert((asker, forget_at, key));
        }
        self.heard.insert(key, heard);
        self.schedule(key);
    }

    /// Brings the timer of a question up to date.
    fn schedule(&mut self, key: (SenderId, u64)) {
        let Some(heard) = self.heard.get_mut(&key) else { return };
        let due = Some(heard.due());
        if heard.timer == due {
            return;
        }
        if let Some(before) = std::mem::replace(&mut heard.timer, due) {
            self.timers.remove(&(before, key));
        }
        self.timers.extend(due.map(|due| (due, key)));
    }

    /// Makes room for a question of `asker` when there are too many: whoever has more of them than
    /// the asker loses one, the greediest first; else the asker loses its own oldest answered one.
    /// Whether there is room. No member keeps the others from being answered.
    fn make_room(&mut self, asker: &NodeId) -> bool {
        if self.heard.len() < REMEMBERED_MAX {
            return true;
        }
        let own = self.holdings.held_by(asker);
        let of = |it: NodeId| self.oldest_of(&it).or_else(|| self.last_of(&it));
        let found = self.holdings.over(own).find_map(of);
        let Some(key) = found.or_else(|| self.oldest_of(asker)) else { return false };
        self.forget(&key);
        true
    }

    /// The oldest answered question of a member.
    fn oldest_of(&self, member: &NodeId) -> Option<(SenderId, u64)> {
        let first = (*member, Instant::default(), (SenderId([0; 12]), 0));
        let oldest = self.answered.range(first..).next();
        oldest.filter(|(of, ..)| of == member).map(|(.., key)| *key)
    }

    /// The question of a member that waits for its slot, and whose slot comes last.
    fn last_of(&self, member: &NodeId) -> Option<(SenderId, u64)> {
        let theirs = self.heard.iter().filter(|(_, it)| it.asker == *member);
        let waiting = theirs.filter(|(_, it)| matches!(it.step, Step::Waiting { .. }));
        waiting.max_by_key(|(_, it)| it.due()).map(|(key, _)| *key)
    }

    fn forget(&mut self, key: &(SenderId, u64)) {
        let Some(heard) = self.heard.remove(key) else { return };
        self.holdings.take(heard.asker, 1);
        if let Some(timer) = heard.timer {
            self.timers.remove(&(timer, *key));
        }
        if matches!(heard.step, Step::Answered { .. }) {
            self.answered.remove(&(heard.asker, heard.forget_at, *key));
        }
        match heard.step {
            Step::Answered { kept: Some(kept), .. } => self.kept_bytes -= kept.bytes.len(),
            Step::Sampling { id, .. } => {
                self.samples.remove(&id);
            }
            Step::Waiting { .. } | Step::Setting { .. } | Step::Answered { kept: None, .. } => {}
        }
    }

    /// Answers again what was asked again; its slot has come. [QST-26]
    fn repeat(&mut self, key: (SenderId, u64), now: Instant) {
        let Some(heard) = self.heard.get_mut(&key) else { return };
        let answer = match &heard.step {
            Step::Waiting { .. } | Step::Sampling { .. } => return,
            Step::Setting { .. } => Answer::Pending,
            Step::Answered { .. } if heard.is_lost() => {
                // It went while the slot was waited for: the next round finds nothing here.
                self.forget(&key);
                return;
            }
            Step::Answered { answer, .. } => answer.clone(),
        };
        if let Step::Answered { kept: Some(kept), .. } = &mut heard.step {
            kept.until = now + KEPT_FOR;
        }
        let (way, by_group) = (heard.way, heard.by_group);
        self.reply(key.0, way, key.1, answer, by_group);
        if let Some(Act::Reply(reply)) = self.acts.back_mut() {
            reply.introduce = true;
        }
    }

    /// Whoever is at work says so once, and no later answer is sure to follow it [QST-47]; whoever
    /// states how far it has come may never have been heard [WAT-6].
    fn reply(&mut self, to: SenderId, way: Way, request: u64, answer: Answer, by_group: bool) {
        let introduce = matches!(answer, Answer::Pending | Answer::Stated(_));
        let reply = ReplyAct { to, way, request, answer, introduce, by_group };
        self.acts.push_back(Act::Reply(reply));
    }

    /// Answers that the node will not, unless it has said so often within this second, to this
    /// member or to all [QST-28]. What it said of a write it says again [QST-26].
    fn refuse(&mut self, now: Now, asked: &Asked<'_>, reason: RefusalReason, message: &str) {
        self.refuse_as(now, &Back::of(now.instant, asked), reason, message);
    }

    fn refuse_as(&mut self, now: Now, back: &Back, reason: RefusalReason, message: &str) {
        let former = matches!(reason, RefusalReason::Forgotten | RefusalReason::Expired);
        let shares = if former { &mut self.former_refusals } else { &mut self.refusals };
        if !shares.takes(now.instant, back.member) {
            return;
        }
        if back.is_set {
            let (key, why) = ((back.to, back.request), (reason, message.to_owned()));
            self.refused.remember(now.instant, key, back.member, (why, back.until));
        }
        let answer = Answer::Refused(reason.code(), message.to_owned());
        self.reply(back.to, back.way, back.request, answer, back.by_group);
        if back.round > 1
            && let Some(Act::Reply(reply)) = self.acts.back_mut()
        {
            reply.introduce = true;
        }
    }

    /// When something is due.
    ///
    /// `changes` is how often the table has changed.
    pub fn poll_timeout(&self, changes: u64) -> Option<Instant> {
        let answer = self.timers.first().map(|(due, _)| *due);
        answer.into_iter().chain(self.watched.poll_timeout(changes)).min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now, node: Node<'_>) {
        while let Some((at, key)) = self.timers.first().copied() {
            if at > now.instant {
                break;
            }
            // What was due is done with, so the question's next timer lies in the future.
            self.do_due(key, now, node);
            self.schedule(key);
        }
        let acts = self.watched.handle_timeout(now, node);
        self.take_watch_acts(acts);
    }

    fn do_due(&mut self, key: (SenderId, u64), now: Now, node: Node<'_>) {
        let Some(heard) = self.heard.get_mut(&key) else { return };
        if heard.repeat_at.take_if(|at| *at <= now.instant).is_some() {
            self.repeat(key, now.instant);
        }
        let Some(heard) = self.heard.get_mut(&key) else { return };
        match &mut heard.step {
            Step::Waiting { due, .. } if *due <= now.instant => self.start(key, now, node),
            Step::Setting { pending_at, .. } if pending_at.is_some_and(|at| at <= now.instant) => {
                *pending_at = None;
                let (way, by_group) = (heard.way, heard.by_group);
                self.reply(key.0, way, key.1, Answer::Pending, by_group);
            }
            Step::Answered { kept, .. } => {
                if let Some(gone) = kept.take_if(|kept| kept.until <= now.instant) {
                    self.kept_bytes -= gone.bytes.len();
                }
            }
            Step::Waiting { .. } | Step::Sampling { .. } | Step::Setting { .. } => {}
        }
        if self.heard.get(&key).is_some_and(|heard| heard.forget_at <= now.instant) {
            self.forget(&key);
        }
    }

    /// Its slot has come: the shell is asked for fresh values, where any are read.
    fn start(&mut self, key: (SenderId, u64), now: Now, node: Node<'_>) {
        let Some(heard) = self.heard.get_mut(&key) else { return };
        let Step::Waiting { task, .. } = &heard.step else { return };
        let wanted = task.wanted();
        if wanted.patterns.is_empty() && wanted.predicate.is_none() {
            self.finish(key, now, node);
            return;
        }
        if self.is_refused(key, now) {
            return;
        }
        self.serial += 1;
        let id = SampleId(self.serial);
        let Some(heard) = self.heard.get_mut(&key) else { return };
        let done = Step::Answered { answer: Answer::Here, kept: None };
        if let Step::Waiting { task, .. } = std::mem::replace(&mut heard.step, done) {
            heard.step = Step::Sampling { id, task };
            self.samples.insert(id, key);
        }
        self.acts.push_back(Act::Sample(id, wanted));
    }

    /// Whether a question is refused before anything is evaluated, and forgotten; what only reads
    /// is looked at anew when it comes again. The asker's may have cost this node more than its
    /// share [QST-46], or it wants to watch where there is no room [WAT-9].
    fn is_refused(&mut self, key: (SenderId, u64), now: Now) -> bool {
        let Some(heard) = self.heard.get(&key) else { return false };
        if self.evaluations.ready_at(&heard.asker) > now.instant {
            self.acts.push_back(Act::Drop(Dropped::Costly));
            self.refuse_heard(key, now, COSTLY);
            return true;
        }
        let full = heard.topic().is_some_and(|it| self.watched.is_full(key, heard.asker, it));
        if full {
            self.refuse_heard(key, now, WATCHED);
        }
        full
    }

    /// Refuses as busy what was to be answered, and forgets it. [QST-28]
    fn refuse_heard(&mut self, key: (SenderId, u64), now: Now, message: &str) {
        let Some(heard) = self.heard.get(&key) else { return };
        let &Heard { asker: member, way, by_group, round, forget_at: until, .. } = heard;
        let ((to, request), is_set) = (key, heard.is_set());
        self.forget(&key);
        let back = Back { to, member, way, request, round, by_group, is_set, until };
        self.refuse_as(now, &back, RefusalReason::Busy, message);
    }

    /// Counts what the evaluation of a question took, for whoever asked it. [QST-46]
    fn charge(&mut self, now: Instant, member: NodeId, steps: u64) {
        let sharers = self.evaluations.sharers(now, &member);
        self.evaluations.spend(now, member, steps, sharers);
    }

    /// The shell has refreshed values.
    pub fn handle_sampled(&mut self, now: Now, node: Node<'_>, sampled: SampleId) {
        let key = self.samples.remove(&sampled);
        if let Some(key) = key.filter(|key| !self.is_refused(*key, now)) {
            self.finish(key, now, node);
            self.schedule(key);
        }
        let acts = self.watched.handle_sampled(now, node, sampled);
        self.take_watch_acts(acts);
    }

    fn take_watch_acts(&mut self, acts: Vec<WatchAct>) {
        for act in acts {
            match act {
                WatchAct::Sample(id, wanted) => self.acts.push_back(Act::Sample(id, wanted)),
                WatchAct::Tell(frame, to) => self.acts.push_back(Act::Tell(frame, to)),
                WatchAct::Challenge(to, way) => self.acts.push_back(Act::Challenge(to, way)),
                WatchAct::State((sender, request), way, number) => {
                    self.reply(sender, way, request, Answer::Stated(number), false);
                }
            }
        }
    }

    /// Evaluates predicate and values at one instant, and answers or orders the write. [QST-23]
    fn finish(&mut self, key: (SenderId, u64), now: Now, node: Node<'_>) {
        let Some(heard) = self.heard.get_mut(&key) else { return };
        let done = Step::Answered { answer: Answer::Here, kept: None };
        let task = match std::mem::replace(&mut heard.step, done) {
            Step::Waiting { task, .. } | Step::Sampling { task, .. } => task,
            other @ (Step::Setting { .. } | Step::Answered { .. }) => {
                heard.step = other;
                return;
            }
        };
        let (outcome, steps) = task.outcome(now, node, key);
        self.charge(now.instant, task.asker.id(), steps);
        let number = match &task.work {
            Work::Watch(watch) if outcome.can_change() => {
                match self.subscribe(now, node, key, &task, watch) {
                    Ok(number) => Some(number),
                    Err(TooMany) => {
                        self.refuse_heard(key, now, WATCHED);
                        return;
                    }
                }
            }
            Work::Watch(_) => {
                self.watched.end(key, task.asker.id());
                None
            }
            Work::Get(_) | Work::Here | Work::Set(_) => None,
        };
        match outcome {
            Done::Answer(answer) => self.answer(key, watched_from(number, answer)),
            Done::Values(bytes) => self.answer_values(key, now, number, bytes),
            Done::Order(order) => {
                self.serial += 1;
                let id = SetId(self.serial);
                let pending_at = Some(now.instant + PENDING_AFTER);
                if let Some(heard) = self.heard.get_mut(&key) {
                    heard.step = Step::Setting { id, pending_at };
                }
                self.acts.push_back(Act::Set(id, order));
            }
        }
    }

    /// Gives a watcher its lease; its values are those of the same instant. [WAT-1]
    fn subscribe(
        &mut self,
        now: Now,
        node: Node<'_>,
        key: (SenderId, u64),
        task: &Task,
        watch: &Watch,
    ) -> Result<u64, TooMany> {
        let way = self.heard.get(&key).ok_or(TooMany)?.way;
        let Task { asker, selector, .. } = task;
        let Watch { topic, patterns, terms } = watch;
        let (topic, terms) = (*topic, *terms);
        let wish = Subscription { key, asker, way, topic, selector, patterns, terms };
        self.watched.subscribe(now, node, &wish)
    }

    fn answer(&mut self, key: (SenderId, u64), answer: Answer) {
        let Some(heard) = self.heard.get_mut(&key) else { return };
        heard.step = Step::Answered { answer: answer.clone(), kept: None };
        self.answered.insert((heard.asker, heard.forget_at, key));
        let (way, by_group) = (heard.way, heard.by_group);
        let again = heard.round > 1;
        self.reply(key.0, way, key.1, answer, by_group);
        if let Some(Act::Reply(reply)) = self.acts.back_mut() {
            reply.introduce = again;
        }
    }

    /// The shell has stored settings, or could not.
    pub fn handle_set_done(&mut self, set: SetId, results: &[SetResult]) {
        let waits = |heard: &Heard| matches!(&heard.step, Step::Setting { id, .. } if *id == set);
        let key = self.heard.iter().find(|(_, heard)| waits(heard)).map(|(key, _)| *key);
        if let Some(key) = key {
            self.answer(key, Answer::Set(results.iter().map(evaluate::set_result).collect()));
            self.schedule(key);
        }
    }
}

#[cfg(test)]
mod tests;
