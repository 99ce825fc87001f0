//! The asker's side of one question: whom to expect, when to ask again, when it ends.
//!
//! Every expected node ends in exactly one class. The machine says what to send as [`Send`]s and
//! what happened as `Event`-like [`Outcome`]s; it never seals or addresses packets. Rounds and
//! deadlines are rules [QST-10] to [QST-18] of `docs/spec/questions.md`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddrV6;
use std::time::Duration;

use super::report::{
    Class, EmptyNode, EmptyReason, ErrorCode, FailedNode, Failure, Outcome, Refusal, RefusedNode,
    Report, SetOutcome, SetResult, UnheardNode,
};
use super::{Ask, QuestionId, Verb, Ways};
use crate::keys::certificate::{Certificate, Validity};
use crate::keys::members::Member;
use crate::keys::subject::Kind;
use crate::presence::{Heard, Roster, State, Via, Voice};
use crate::time::{Instant, Now, Timestamp};
use crate::wire::filter::Filter;
use crate::wire::id::{NodeId, SenderId};

/// Unicast copies of a question in one round. [QST-14]
pub const POKES_MAX: usize = 64;
/// Rounds of copies after which a silent node may have another address. [QST-14]
const COPIES_IN_VAIN: u16 = 2;
/// The round from which replies come by the reply group as well. [QST-15]
pub const REPLY_GROUP_ROUND: u16 = 3;
/// Members asked for what they know of those that are silent. [QST-16]
pub const ROSTER_HELPERS_MAX: usize = 3;
/// The round after which nodes that presence holds gone are not waited for. [QST-17]
const GONE_ROUND: u16 = 5;
/// Pauses after the window of round 1, 2, 3; the last goes on. [QST-13]
const PAUSES_MS: [u64; 4] = [40, 60, 100, 150];
/// How much later round 2 is for each node that is asked, and at most: a host with hundreds of
/// agents answers for so long, and would be asked again on top of it. [QST-13]
const TURN_OF_NODE: Duration = Duration::from_micros(200);
const TURNS_MAX: Duration = Duration::from_millis(100);
/// Without a new answer for so long, answers have stopped coming. [QST-13]
const QUIET: Duration = Duration::from_millis(20);
/// How much later a round is at most because answers still come. [QST-13]
const COMING_MAX: Duration = Duration::from_millis(200);
/// The pause while the wanted do not fit one filter.
const SLICE_PAUSE: Duration = Duration::from_millis(20);
/// How long a question that is otherwise at its end waits to hear about clients.
const CLIENTS_PATIENCE: Duration = Duration::from_millis(60);
/// Replies that need not be spread in the first round. [QST-18]
const UNSPREAD_MAX: usize = 100;
/// Replies a second below which halving after overruns stops.
const REPLY_RATE_MIN: u32 = 500;
/// How long after the last answer a question waits for the schema that gives its units, or for a
/// newer member list. [QST-41] [QST-42]
const PATIENCE: Duration = Duration::from_millis(500);

/// One question, from the first packet to the report.
#[derive(Debug)]
pub struct Asking {
    id: QuestionId,
    ask: Ask,
    started: Instant,
    nodes: Vec<Expected>,
    /// How many of them are [`Progress::Pulling`].
    pulling: usize,
    index: BTreeMap<NodeId, usize>,
    open: usize,
    round: u16,
    next_round: Instant,
    reply_rate: u32,
    reply_rate_asked: u32,
    /// Whether replies to the present round overran this host's buffers.
    overran: bool,
    filter_capacity: usize,
    names_capacity: usize,
    /// The last node that was asked by name: the next round goes on behind it.
    named_up_to: Option<NodeId>,
    questions_sent: u32,
    trickled: bool,
    last_answer: Instant,
    heard: bool,
    helpers: BTreeSet<SenderId>,
    helped: BTreeSet<SenderId>,
    /// Helpers that were asked about clients.
    clients_asked: usize,
    holding: usize,
    catching_up: bool,
    salt: u32,
    turns_left: u16,
    sends: VecDeque<Send>,
    ended: bool,
}

/// How much may be asked at once.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Replies a second.
    pub reply_rate: u32,
    /// Nodes that the filter of one round holds.
    pub filter_capacity: usize,
    /// Nodes that one round names.
    pub names_capacity: usize,
}

/// A node that must be accounted for.
#[derive(Debug)]
struct Expected {
    name: String,
    id: Option<NodeId>,
    /// Whether the question goes to it; else its answer is demanded and cannot come.
    asked: bool,
    progress: Progress,
    /// The version of the member list that it last said to hold.
    members_version: Option<u64>,
}

/// How far the account of a node is.
#[derive(Debug, PartialEq)]
enum Progress {
    /// Nothing heard.
    Silent,
    /// At work: PENDING was heard.
    Pending,
    /// Its values are being pulled.
    Pulling,
    /// It has its class.
    Ended(Ended),
}

/// What the report needs to know of a node that has its class.
#[derive(Debug, PartialEq)]
enum Ended {
    Answered,
    Empty(EmptyReason),
    Error(Failure),
    Refused(Refusal),
}

/// What the question wants to be sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Send {
    /// The question, by multicast and to these addresses.
    Round(Round),
    /// A request to a process for what it knows of these nodes.
    RosterWanted(SenderId, Filter),
    /// Join the reply group.
    JoinReplyGroup,
}

/// One round of a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// Counted from 1.
    pub number: u16,
    /// Who shall answer; `None`: all that the selector picks.
    pub recipients: Option<Recipients>,
    /// The time over which replies spread.
    pub window: Duration,
    /// How long the asker goes on listening.
    pub remaining: Duration,
    /// Whether replies shall come by the reply group as well.
    pub by_group: bool,
    /// Whether it goes by multicast.
    pub by_multicast: bool,
    /// Copies by unicast.
    pub pokes: Vec<SocketAddrV6>,
    /// Whether a copy goes to every neighbour.
    pub neighbours: bool,
}

/// The nodes that a round is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Recipients {
    /// Those of a filter, which the endpoint makes as large as the packet allows. [QST-12]
    Filtered {
        /// The nodes.
        nodes: Vec<NodeId>,
        /// The salt of the filter.
        salt: u32,
        /// Which slice, when one filter does not hold them all.
        turn: u16,
    },
    /// These and nobody else. [QST-44]
    Named(Vec<NodeId>),
}

/// What a node's word means for the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Take it.
    Expected,
    /// The node is not among those expected, or has its class already.
    Unexpected,
}

impl Expected {
    /// Whether its answer may still come.
    fn is_open(&self) -> bool {
        self.asked && !matches!(self.progress, Progress::Ended(_))
    }
}

impl Asking {
    /// A question that starts at `now`; the first round is due at once.
    pub fn new(now: Now, id: QuestionId, ask: Ask, roster: &Roster, pace: Pace) -> Self {
        let reply_rate = pace.reply_rate.max(REPLY_RATE_MIN);
        let mut asking = Self {
            id,
            ask,
            started: now.instant,
            nodes: Vec::new(),
            pulling: 0,
            index: BTreeMap::new(),
            open: 0,
            round: 0,
            next_round: now.instant,
            reply_rate,
            reply_rate_asked: reply_rate,
            overran: false,
            filter_capacity: pace.filter_capacity.max(1),
            names_capacity: pace.names_capacity.max(1),
            named_up_to: None,
            questions_sent: 0,
            trickled: false,
            last_answer: now.instant,
            heard: false,
            helpers: BTreeSet::new(),
            helped: BTreeSet::new(),
            clients_asked: 0,
            holding: 0,
            catching_up: false,
            salt: u32::try_from(id.0 & 0xffff_ffff).unwrap_or_default(),
            turns_left: 0,
            sends: VecDeque::new(),
            ended: false,
        };
        asking.expect(now, roster);
        asking
    }

    /// The question's id.
    pub fn id(&self) -> QuestionId {
        self.id
    }

    /// What is asked.
    pub fn ask(&self) -> &Ask {
        &self.ask
    }

    /// Makes the list of expected nodes, or completes it from a newer member list. [QST-10]
    pub fn expect(&mut self, now: Now, roster: &Roster) {
        let only: Option<BTreeSet<&str>> =
            self.ask.only.as_ref().map(|names| names.iter().map(String::as_str).collect());
        let mut demanded: BTreeSet<&str> = self.ask.expect.iter().map(String::as_str).collect();
        let known: BTreeMap<&str, usize> =
            self.nodes.iter().enumerate().map(|(at, node)| (node.name.as_str(), at)).collect();
        let mut new = Vec::new();
        let mut ids = Vec::new();
        for member in roster.members().members() {
            let name = member.subject.name.as_str();
            let named = demanded.remove(name);
            let picked = is_expected_agent(member, now.wall)
                && only.as_ref().is_none_or(|only| only.contains(name))
                && self.ask.selector.picks(name, |key| member.subject.labels.get(key));
            match known.get(name) {
                Some(at) => ids.push((*at, member.id, picked)),
                None if picked || named => new.push((name.to_owned(), Some(member.id), picked)),
                None => {}
            }
        }
        // Whom this node does not know yet may answer.
        let unknown = demanded.into_iter().filter(|name| !known.contains_key(name));
        new.extend(unknown.map(|name| (name.to_owned(), None, true)));
        for (at, id, asked) in ids {
            let node = &mut self.nodes[at];
            (node.id, node.asked) = (Some(id), asked);
            self.index.insert(id, at);
        }
        for (name, id, asked) in new {
            if let Some(id) = id {
                self.index.insert(id, self.nodes.len());
            }
            let progress = Progress::Silent;
            self.nodes.push(Expected { name, id, asked, progress, members_version: None });
        }
        self.open = self.nodes.iter().filter(|node| node.is_open()).count();
    }

    /// Whether the word of this node is wanted.
    pub fn word_of(&self, id: &NodeId) -> Word {
        match self.node(id) {
            Some(node) if node.is_open() => Word::Expected,
            Some(_) | None => Word::Unexpected,
        }
    }

    fn node(&self, id: &NodeId) -> Option<&Expected> {
        self.index.get(id).and_then(|at| self.nodes.get(*at))
    }

    /// Notes that so many packets with the question were sent.
    pub fn note_sent(&mut self, packets: u32) {
        self.questions_sent = self.questions_sent.saturating_add(packets);
    }

    /// Notes that a packet of another node was verified.
    pub fn note_heard(&mut self) {
        self.heard = true;
    }

    /// Whether it went to nobody by unicast yet: who answers was reached by multicast. [QST-14]
    pub fn went_by_multicast_alone(&self) -> bool {
        self.ask.ways == Ways::Multicast || (self.ask.ways == Ways::All && self.round == 1)
    }

    /// Notes that a process answered: it may be asked about the silent ones. Who asks for signs of
    /// life asks at once about the clients, which never answer themselves. [QST-16]
    pub fn note_replier(&mut self, sender: SenderId, roster: &Roster) {
        let is_new = self.helpers.len() < ROSTER_HELPERS_MAX && self.helpers.insert(sender);
        if !is_new || !matches!(self.ask.verb, Verb::Ping) {
            return;
        }
        let is_client = |it: &&Member| it.subject.kind == Kind::Client && !it.forgotten;
        let clients = roster.unheard().filter(is_client);
        let clients: Vec<NodeId> = clients.map(|member| member.id).collect();
        if !clients.is_empty() {
            let filter = Filter::new(clients.iter(), self.salt, 0, Filter::BYTES_MAX);
            self.sends.push_back(Send::RosterWanted(sender, filter));
            self.clients_asked += 1;
        }
    }

    /// Notes that a node is at work.
    pub fn pending(&mut self, now: Instant, id: &NodeId) {
        self.progress(now, id, Progress::Pending);
    }

    /// Notes that a node's values are being pulled.
    pub fn pulling(&mut self, now: Instant, id: &NodeId) {
        self.progress(now, id, Progress::Pulling);
    }

    fn progress(&mut self, now: Instant, id: &NodeId, progress: Progress) {
        let Some(node) = self.index.get(id).and_then(|at| self.nodes.get_mut(*at)) else { return };
        if matches!(node.progress, Progress::Silent | Progress::Pending) {
            self.trickled |= self.round > 1 && node.progress == Progress::Silent;
            self.pulling += usize::from(progress == Progress::Pulling);
            node.progress = progress;
            self.last_answer = now;
        }
    }

    /// Gives a node that was at work back to the rounds: its pages cannot be had.
    pub fn retry(&mut self, id: &NodeId) {
        let Some(node) = self.index.get(id).and_then(|at| self.nodes.get_mut(*at)) else { return };
        if node.progress == Progress::Pulling {
            self.pulling -= 1;
            node.progress = Progress::Pending;
        }
    }

    /// Notes a node's answer; whether it is the first. Its class stays.
    pub fn answered(&mut self, now: Instant, id: &NodeId, outcome: &Outcome) -> bool {
        let node = self.index.get(id).and_then(|at| self.nodes.get_mut(*at));
        let Some(node) = node.filter(|node| !matches!(node.progress, Progress::Ended(_))) else {
            return false;
        };
        // Only a first word in a later round hints at loss: large replies take their time.
        self.trickled |= self.round > 1 && node.progress == Progress::Silent;
        self.open -= usize::from(node.is_open());
        self.pulling -= usize::from(node.progress == Progress::Pulling);
        node.progress = Progress::Ended(ended(outcome));
        self.last_answer = now;
        true
    }

    /// Notes which version of the member list a node says that it holds.
    pub fn note_members_version(&mut self, id: &NodeId, version: u64) {
        let Some(node) = self.index.get(id).and_then(|at| self.nodes.get_mut(*at)) else { return };
        node.members_version = Some(version);
    }

    /// Notes that replies are held back for a schema, or that they are not any more.
    pub fn hold(&mut self, replies: usize) {
        self.holding = replies;
    }

    /// Notes whether a newer member list is on its way: it may add to those that are expected.
    pub fn catch_up(&mut self, catching_up: bool) {
        self.catching_up = catching_up;
    }

    /// Whether no answer is open, of those that are expected so far.
    pub fn is_accounted(&self) -> bool {
        self.open == 0
    }

    /// Notes that a helper has told what it knows.
    pub fn note_told(&mut self, sender: SenderId) {
        if self.helpers.contains(&sender) {
            self.helped.insert(sender);
        }
    }

    /// Notes that replies were lost in this host's own buffers: those of the next round shall come
    /// slower, however often that is noticed in this one. [QST-18]
    pub fn overrun(&mut self) {
        if !std::mem::replace(&mut self.overran, true) {
            self.reply_rate = (self.reply_rate / 2).max(REPLY_RATE_MIN);
        }
    }

    /// When something is due.
    pub fn poll_timeout(&self) -> Instant {
        if self.ended {
            return self.started;
        }
        self.deadline().min(self.settled_at().unwrap_or(self.round_due()))
    }

    /// When the next round comes: while answers still come, another would only delay them.
    fn round_due(&self) -> Instant {
        if self.round == 0 {
            return self.next_round;
        }
        let quiet = (self.last_answer + QUIET).min(self.next_round + COMING_MAX);
        self.next_round.max(quiet)
    }

    /// When the question ends in any case: later when answers trickle in or are being pulled.
    fn deadline(&self) -> Instant {
        let deadline = &self.ask.deadline;
        let later = self.trickled || self.pulling > 0;
        let end = if later { deadline.extended } else { deadline.base.min(deadline.extended) };
        self.started + end
    }

    /// When the question ends for want of open answers; `None` while there are any. It waits a
    /// while for a schema that gives units, and for a member list that adds nodes.
    fn settled_at(&self) -> Option<Instant> {
        if self.open > 0 || self.round == 0 {
            return None;
        }
        // Nobody is expected: one round all the same, for those of whom this node's member list
        // does not tell.
        let at = if self.nodes.is_empty() { self.next_round } else { self.last_answer };
        let waits = self.holding > 0 || self.catching_up;
        if waits {
            return Some(at.max(self.last_answer + PATIENCE));
        }
        let asks = self.helped.len() < self.clients_asked;
        Some(if asks { at.max(self.last_answer + CLIENTS_PATIENCE) } else { at })
    }

    /// What to send next.
    pub fn poll_send(&mut self) -> Option<Send> {
        self.sends.pop_front()
    }

    /// Does what is due; the report when the question has ended. [QST-11]
    pub fn handle_timeout(&mut self, now: Now, roster: &Roster) -> Option<Report> {
        if self.is_over(now, roster) {
            self.ended = true;
            return Some(self.report(now, roster));
        }
        if (self.open > 0 || self.round == 0) && now.instant >= self.round_due() {
            self.start_round(now, roster);
        }
        None
    }

    /// The report as things stand, for a question that is given up.
    pub fn cancel(&mut self, now: Now, roster: &Roster) -> Report {
        self.ended = true;
        self.report(now, roster)
    }

    fn is_over(&self, now: Now, roster: &Roster) -> bool {
        if now.instant >= self.deadline() {
            return true;
        }
        match self.settled_at() {
            Some(at) => now.instant >= at,
            None => self.only_gone_are_open(now, roster),
        }
    }

    /// Whether presence holds everybody gone whose answer is open, and nothing hints at loss.
    fn only_gone_are_open(&self, now: Now, roster: &Roster) -> bool {
        let told = self.helped.len() >= 2.min(self.helpers.len());
        if self.round < GONE_ROUND || self.trickled || !self.heard || !told {
            return false;
        }
        let is_gone = |node: &Expected| match (&node.progress, &node.id) {
            (Progress::Ended(_), _) => true,
            _ if !node.asked => true,
            (Progress::Silent, Some(id)) => roster.has_surely_ended(now.instant, id),
            (Progress::Silent | Progress::Pending | Progress::Pulling, _) => false,
        };
        self.holding == 0 && self.nodes.iter().all(is_gone)
    }

    /// The time over which the replies of so many nodes spread, each of which comes `twice` where
    /// it comes by the reply group as well. A few do not need any: a default receive buffer holds
    /// 277 of the usual size. [QST-18]
    fn window(&self, nodes: usize, twice: bool) -> Duration {
        let calm = self.reply_rate == self.reply_rate_asked;
        if self.round == 1 && calm && nodes <= UNSPREAD_MAX {
            return Duration::ZERO;
        }
        let replies = nodes.saturating_mul(if twice { 2 } else { 1 });
        Duration::from_secs(1) * u32::try_from(replies).unwrap_or(u32::MAX) / self.reply_rate
    }

    fn start_round(&mut self, now: Now, roster: &Roster) {
        let silent: Vec<NodeId> = self.silent().collect();
        if self.round > 0 && silent.is_empty() {
            self.next_round = now.instant + Duration::from_millis(PAUSES_MS[0]);
            return;
        }
        self.round = self.round.saturating_add(1);
        let restricted = self.round > 1 || self.ask.only.is_some();
        let by_name = self.ask.only.is_some() && !self.ask.verb.is_harmless();
        let capacity = if by_name { self.names_capacity } else { self.filter_capacity };
        let slices = if restricted { silent.len().div_ceil(capacity).max(1) } else { 1 };
        let all_ways = self.ask.ways == Ways::All;
        let twice = all_ways && self.round >= REPLY_GROUP_ROUND;
        let window = self.window(silent.len().div_ceil(slices), twice);
        self.overran = false;
        let recipients = restricted.then(|| {
            if by_name {
                return Recipients::Named(self.next_named(&silent));
            }
            let turn = self.next_turn(slices);
            Recipients::Filtered { nodes: silent.clone(), salt: self.salt, turn }
        });
        let sliced = slices > 1;
        let pause = PAUSES_MS[usize::from(self.round - 1).min(PAUSES_MS.len() - 1)];
        let mut pause = if sliced { SLICE_PAUSE } else { Duration::from_millis(pause) };
        if self.round == 1 {
            let nodes = u32::try_from(silent.len()).unwrap_or(u32::MAX);
            pause += TURN_OF_NODE.saturating_mul(nodes).min(TURNS_MAX);
        }
        self.next_round = now.instant + window + pause;
        let addressed = match &recipients {
            Some(Recipients::Named(named)) => named,
            Some(Recipients::Filtered { .. }) | None => &silent,
        };
        let (pokes, neighbours) = self.pokes(now.instant, addressed, roster);
        let by_multicast = self.ask.ways != Ways::Unicast;
        if all_ways && self.round + 1 == REPLY_GROUP_ROUND {
            self.sends.push_back(Send::JoinReplyGroup);
        }
        if self.round > 1 {
            self.ask_helpers(&silent);
        }
        let spent = now.instant.since(self.started);
        self.sends.push_back(Send::Round(Round {
            number: self.round,
            recipients,
            window,
            remaining: self.ask.deadline.extended.saturating_sub(spent),
            // Who looks at the ways wants to hear what comes by multicast. [PRE-12]
            by_group: !all_ways || twice,
            by_multicast,
            pokes,
            neighbours,
        }));
    }

    /// Whose turn it is of so many slices; each has one before the salt changes, so that silent
    /// ones do not crowd out the others.
    fn next_turn(&mut self, slices: usize) -> u16 {
        if self.turns_left == 0 {
            self.salt = self.salt.wrapping_add(1);
            self.turns_left = u16::try_from(slices).unwrap_or(u16::MAX);
        }
        self.turns_left -= 1;
        self.turns_left
    }

    /// The nodes after those that were named last, as many as a round names.
    fn next_named(&mut self, silent: &[NodeId]) -> Vec<NodeId> {
        let sorted: BTreeSet<NodeId> = silent.iter().copied().collect();
        let is_behind = |node: &&NodeId| self.named_up_to.is_none_or(|last| **node > last);
        let (behind, before): (Vec<&NodeId>, Vec<&NodeId>) = sorted.iter().partition(is_behind);
        let next = behind.into_iter().chain(before).take(self.names_capacity);
        let next: Vec<NodeId> = next.copied().collect();
        self.named_up_to = next.last().copied();
        next
    }

    /// Nodes whose answer is still wanted.
    fn silent(&self) -> impl Iterator<Item = NodeId> {
        let wanted = [Progress::Silent, Progress::Pending];
        let silent = move |node: &&Expected| node.asked && wanted.contains(&node.progress);
        self.nodes.iter().filter(silent).filter_map(|node| node.id)
    }

    /// Unicast copies: to the silent nodes whose address is known, a different lot each round, and
    /// to the neighbours when some address is not known, or in one round where it may be an old
    /// one. [QST-14]
    fn pokes(&self, now: Instant, silent: &[NodeId], roster: &Roster) -> (Vec<SocketAddrV6>, bool) {
        let copied_from = match self.ask.ways {
            Ways::All => 2,
            Ways::Unicast => 1,
            Ways::Multicast => return (Vec::new(), false),
        };
        if self.round < copied_from {
            return (Vec::new(), false);
        }
        let address = |id: &NodeId| roster.voice(id).and_then(Voice::address);
        let in_doubt = |id: &NodeId| {
            self.round == copied_from + COPIES_IN_VAIN && !roster.has_surely_ended(now, id)
        };
        let unknown = silent.iter().any(|id| address(id).is_none() || in_doubt(id));
        // Each address once: what others tell of nodes must not make this one flood a host.
        let known: BTreeSet<SocketAddrV6> = silent.iter().filter_map(address).collect();
        let skip = usize::from(self.round - copied_from) * POKES_MAX;
        let skip = if known.len() > POKES_MAX { skip % known.len() } else { 0 };
        let lot = known.iter().cycle().skip(skip).take(POKES_MAX.min(known.len()));
        (lot.copied().collect(), unknown)
    }

    /// Asks each replier of note what it knows of those that are silent by then. [QST-16]
    fn ask_helpers(&mut self, silent: &[NodeId]) {
        if self.round > 4 || silent.is_empty() {
            return;
        }
        let turn = self.round - 2;
        let filter = Filter::new(silent.iter(), self.salt, turn, Filter::BYTES_MAX);
        for sender in &self.helpers {
            self.sends.push_back(Send::RosterWanted(*sender, filter.clone()));
        }
    }

    fn report(&mut self, now: Now, roster: &Roster) -> Report {
        let writes = matches!(&self.ask.verb, Verb::Set(request) if !request.dry_run);
        let mut report = Report {
            expected: u32::try_from(self.nodes.len()).unwrap_or(u32::MAX),
            rounds: u32::from(self.round),
            questions_sent: self.questions_sent,
            elapsed: now.instant.since(self.started),
            heard: self.heard,
            sent: true,
            ..Report::default()
        };
        let mut nodes = std::mem::take(&mut self.nodes);
        nodes.sort_by(|left, right| left.name.cmp(&right.name));
        let version = roster.members().version();
        for Expected { name: node, id, progress, members_version, .. } in nodes {
            if members_version.is_some_and(|told| told < version) {
                report.behind.push(node.clone());
            }
            let heard = id.as_ref().and_then(|id| roster.heard(id));
            let alive = id.as_ref().map(|id| roster.state(now.instant, id));
            let spoke = progress != Progress::Silent;
            if spoke || matches!(alive, Some(State::Alive | State::Suspect)) {
                report.alive += 1;
            }
            let last_heard = heard.as_ref().map(|heard| heard.wall);
            // That an earlier process heard it says nothing of whether it is there.
            let is_old = |it: &Heard| it.via == Via::Remembered && !it.left;
            let state = alive.filter(|_| !heard.as_ref().is_some_and(is_old));
            let state = state.unwrap_or(State::Never);
            let unheard = |node| UnheardNode { node, last_heard, state, outcome_unknown: writes };
            match progress {
                Progress::Silent => report.missing.push(unheard(node)),
                Progress::Pending | Progress::Pulling => report.late.push(unheard(node)),
                Progress::Ended(Ended::Answered) => report.answered += 1,
                Progress::Ended(Ended::Empty(reason)) => {
                    report.empty.push(EmptyNode { node, reason });
                }
                Progress::Ended(Ended::Error(failure)) => {
                    report.error.push(FailedNode { node, failure });
                }
                Progress::Ended(Ended::Refused(refusal)) => {
                    report.refused.push(RefusedNode { node, refusal });
                }
            }
        }
        report
    }
}

fn ended(outcome: &Outcome) -> Ended {
    match outcome {
        Outcome::Values(_) => Ended::Answered,
        Outcome::Empty(reason) => Ended::Empty(*reason),
        Outcome::Error(failure) => Ended::Error(failure.clone()),
        Outcome::Refused(refusal) => Ended::Refused(refusal.clone()),
        Outcome::Set(results) => match outcome.class() {
            Class::Error => {
                let failed = |it: &&SetResult| it.outcome.class() == Class::Error;
                results.iter().find(failed).map_or(Ended::Answered, failed_set)
            }
            Class::Answered | Class::Empty | Class::Refused => Ended::Answered,
            Class::Late | Class::Missing => Ended::Answered,
        },
    }
}

/// The account of a node by the setting that it did not write.
fn failed_set(result: &SetResult) -> Ended {
    let named = result.message.contains(&result.name);
    let message = if named {
        result.message.clone()
    } else {
        format!("'{}': {}", result.name, result.message)
    };
    let code = match result.outcome {
        SetOutcome::Invalid => ErrorCode::Invalid,
        SetOutcome::Conflict => ErrorCode::Conflict,
        SetOutcome::NoSuchVariable => ErrorCode::NoSuchVariable,
        SetOutcome::Storage => ErrorCode::Storage,
        SetOutcome::Applied | SetOutcome::Unchanged => return Ended::Answered,
    };
    Ended::Error(Failure { code, message })
}

/// Whether a member must answer: an agent, not forgotten, with a valid certificate. [QST-10]
pub fn is_expected_agent(member: &Member, wall: Timestamp) -> bool {
    let validity = Certificate::validity_of(&member.subject, wall);
    let valid = matches!(validity, Validity::Valid | Validity::Grace);
    member.subject.kind == Kind::Agent && !member.forgotten && valid
}
