//! The root of the core: routes input to the machines below and collects their output.
//!
//! The drive contract, for every shell (the async driver, the simulator, the fuzzer):
//!
//! 1. Mutate once: [`Endpoint::handle_input`] or [`Endpoint::handle_timeout`].
//! 2. Drain: call [`Endpoint::poll_output`] until it gives `None`, and carry each output out.
//! 3. Ask [`Endpoint::poll_timeout`] when to call [`Endpoint::handle_timeout`] next.
//!
//! Inside: `receiving` opens packets in the order of checks of `docs/spec/security.md`, with those
//! that cost a signature in `checking`; `sending` seals them, `asker` joins questions with replies
//! and pulls, `watcher` does so for watches, `schemas` gives values units, `realm` keeps the member
//! list and the roster in step with the others, with `fetching` to say from whom, `forgotten`
//! remembers who speaks and is on it no more, `strangers` who is not on it yet, `presence` notices
//! who dies, `proving` sees to it that nobody is sent much where he may not be, and `newer` says
//! who speaks a newer version.

mod asker;
mod checking;
mod fetching;
mod forgotten;
mod newer;
mod peers;
mod presence;
mod proving;
mod realm;
mod receiving;
mod schemas;
mod sending;
mod strangers;
#[cfg(test)]
mod tests;
mod watcher;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::Arc;

use self::asker::Question;
use self::forgotten::Forgotten;
pub use self::forgotten::ForgottenSpeaker;
use self::newer::Newer;
use self::peers::Peers;
use self::proving::Held;
use self::realm::{Serving, Start, Sync};
use self::schemas::Schemas;
use self::watcher::{Repeats, Watch};
use crate::config::Config;
use crate::group;
use crate::io::{Event, Input, Link, Output};
use crate::keys::cache::CertificateCache;
use crate::keys::certificate::{Certificate, Validity};
use crate::keys::credential::Credential;
use crate::keys::key::SessionKey;
use crate::keys::limit::Verifications;
use crate::keys::members::MemberList;
use crate::keys::policy::Policy;
use crate::keys::replay::ReplayWindows;
use crate::keys::seal::{GroupKeys, PacketNumbers, PairCache};
use crate::keys::subject::Kind;
use crate::presence::{Beacons, Heard, Refutation, Ring, Roster, Sign, State, Via, Voice, lately};
use crate::question::answering::{Act, Answering};
use crate::question::evaluate::Node;
use crate::question::pull::Pulls;
use crate::random::Random;
use crate::stats::Stats;
use crate::time::{Instant, Now, Timestamp};
use crate::variable::Table;
use crate::wire::frame::{PairFrame, Record, clip};
use crate::wire::id::{ChannelId, NodeId, SenderId};

/// Addresses that were found to be without a route; beyond that the oldest is forgotten. [QST-20]
const UNREACHABLE_MAX: usize = 64;

/// One process in one realm: everything the protocol knows, and nothing that does I/O.
pub struct Endpoint {
    config: Config,
    credential: Arc<Credential>,
    own: Certificate,
    sender: SenderId,
    session: SessionKey,
    channel: ChannelId,
    control: Ipv6Addr,
    group_keys: GroupKeys,
    numbers: PacketNumbers,
    windows: ReplayWindows,
    verifications: Verifications,
    certificates: CertificateCache,
    newer: Newer,
    pairs: PairCache,
    peers: Peers,
    random: Random,
    policy: Policy,
    table: Table,
    schemas: Schemas,
    links: Vec<Link>,
    /// Where no route led, and when. [QST-20]
    unreachable: VecDeque<(Instant, SocketAddrV6)>,
    roster: Roster,
    beacons: Option<Beacons>,
    start: Option<Start>,
    ring: Option<Ring>,
    refutation: Refutation,
    /// When the shell was last told of another process of this agent, and when it was last heard.
    twin: Option<(Instant, Instant)>,
    started: Instant,
    /// Whether a packet of another node was verified, whatever it said.
    heard_others: bool,
    forgotten: Forgotten,
    sync: Sync,
    questions: BTreeMap<u64, Question>,
    watches: BTreeMap<u64, Watch>,
    repeats: Repeats,
    answering: Answering,
    pulls: Pulls,
    serving: Serving,
    /// What processes wish for that have not shown that they receive where they are reached.
    held: Held,
    pings: BTreeSet<(u64, SenderId)>,
    to_self: VecDeque<PairFrame>,
    outputs: VecDeque<Output>,
    stats: Stats,
}

/// How much a process keeps of what grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Questions of its own that are open.
    pub questions: usize,
    /// Questions of others that are remembered.
    pub heard_questions: usize,
    /// Processes that it speaks with by unicast.
    pub peers: usize,
    /// Pairwise keys.
    pub pairs: usize,
    /// Bytes kept to be pulled.
    pub kept_bytes: usize,
    /// Outputs that wait for the shell.
    pub outputs: usize,
    /// Leases of watchers.
    pub leases: usize,
    /// Packets to be sent again.
    pub repeats: usize,
    /// What is watched at this node.
    pub topics: usize,
    /// Values of which a watch remembers the version: of the one with most.
    pub tracked: usize,
    /// Messages of one node that a watch notes or keeps before one that is missing, at most.
    pub ahead: usize,
}

/// A member as the roster shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeView {
    /// Its certified name.
    pub name: String,
    /// Its id.
    pub id: NodeId,
    /// Agent or client.
    pub kind: Kind,
    /// Its certified labels.
    pub labels: Vec<(String, String)>,
    /// Its certified roles.
    pub roles: Vec<String>,
    /// The version of its software; empty when it has not said.
    pub software: Arc<str>,
    /// Whether it is there.
    pub state: State,
    /// When it was last heard.
    pub last_heard: Option<Timestamp>,
    /// How it is reached, as far as it shows: a node that was heard here is reached by multicast
    /// when that got through lately, either way. `None` when nothing is known of it.
    pub via: Option<Via>,
    /// Where it is written to by unicast, as far as it said so or was heard from there.
    pub address: Option<SocketAddrV6>,
    /// Whether two processes of this agent are alive at once: a copied credential.
    pub duplicate: bool,
    /// Its last packet that came by multicast to this process.
    pub sign: Option<Sign>,
    /// When its certificate ended, where that is over the grace ago: it is not expected. [QST-10]
    pub expired: Option<Timestamp>,
}

impl Endpoint {
    /// A process of the node with this credential. `seed` must be random and never used before:
    /// the process's identity on the wire and its session key come from it.
    ///
    /// The control group is joined by the first output.
    pub fn new(config: Config, credential: Arc<Credential>, seed: [u8; 32], now: Now) -> Self {
        let software = clip(&config.software, Config::SOFTWARE_LENGTH_MAX).into();
        let mut config = Config { software, ..config };
        let recalled = std::mem::take(&mut config.recalled);
        let mut random = Random::from_seed(seed);
        let own = credential.certificate().clone();
        let sender = SenderId::of(&own.id(), random.bytes());
        let session = SessionKey::from_seed(random.bytes())
            .expect("every 32 bytes are an X25519 key (RFC 7748 section 5)");
        let realm = *credential.realm();
        let control = group::address(&realm, credential.network().scope, group::CONTROL);
        let mut roster = Roster::new(credential.members().clone());
        for record in &config.roster {
            roster.tell(now, record, Via::Remembered, None);
        }
        roster.forget_changes();
        let is_agent = own.kind() == Kind::Agent;
        let beacons = is_agent.then(|| Beacons::new(now.instant));
        let ring = is_agent.then(|| Ring::new(now.instant, &mut random));
        let mut endpoint = Self {
            channel: ChannelId::derive(&realm, group::CONTROL),
            control,
            group_keys: GroupKeys::new(&realm, &credential.epoch().secret, sender),
            numbers: PacketNumbers::new(),
            windows: ReplayWindows::new(),
            verifications: Verifications::new(now.instant),
            certificates: CertificateCache::new(
                credential.authority().clone(),
                realm,
                CertificateCache::CAPACITY_MAX,
            ),
            newer: Newer::default(),
            pairs: PairCache::new(Peers::CAPACITY_MAX),
            peers: Peers::new(),
            policy: Policy::narrowed(config.narrowing.clone()),
            table: Table::new(config.incarnation),
            schemas: Schemas::new(&config.schemas),
            links: Vec::new(),
            unreachable: VecDeque::new(),
            roster,
            beacons,
            start: None,
            ring,
            refutation: Refutation::default(),
            twin: None,
            started: now.instant,
            heard_others: false,
            forgotten: Forgotten::default(),
            sync: Sync::new(own.kind()),
            questions: BTreeMap::new(),
            watches: BTreeMap::new(),
            repeats: Repeats::default(),
            answering: Answering::new(now.instant, recalled),
            pulls: Pulls::default(),
            serving: Serving::default(),
            held: Held::default(),
            pings: BTreeSet::new(),
            to_self: VecDeque::new(),
            outputs: VecDeque::from([Output::Join(control)]),
            stats: Stats::default(),
            config,
            credential,
            own,
            sender,
            session,
            random,
        };
        endpoint.meet_self(now.instant);
        endpoint
    }

    /// Takes one input. Drain [`Self::poll_output`] afterwards.
    pub fn handle_input(&mut self, now: Now, input: Input<'_>) {
        self.notice_stop(now);
        match input {
            Input::Datagram(datagram) => self.handle_datagram(now, datagram, None),
            Input::Opened(datagram, opened) => {
                self.handle_datagram(now, datagram, Some(opened));
            }
            Input::Links(links) => self.handle_links(now, links),
            Input::Unreachable(address) => {
                self.unreachable.retain(|(_, it)| *it != address);
                self.unreachable.push_back((now.instant, address));
                if self.unreachable.len() > UNREACHABLE_MAX {
                    self.unreachable.pop_front();
                }
            }
            Input::Overrun(lost) => {
                self.stats.overruns += u64::from(lost);
                self.questions.values_mut().for_each(|it| it.asking.overrun());
            }
            Input::Ask(id, ask) => self.start_question(now, id, *ask),
            Input::Cancel(id) => self.cancel_question(now, id),
            Input::Ping(name) => self.ping(now, &name),
            Input::Sampled(id) => {
                let node =
                    Node { certificate: &self.own, policy: &self.policy, table: &self.table };
                self.answering.handle_sampled(now, node, id);
            }
            Input::SetDone(id, results) => self.answering.handle_set_done(id, &results),
            Input::Members(members) => self.install_members(now, members),
            Input::Leave => self.say_goodbye(now),
        }
        self.pump(now);
        self.tell_presence(now);
    }

    /// Changes the variables of this node. Changes nothing else: no output follows, but
    /// [`Self::poll_timeout`] asks to be called at once when somebody watches.
    pub fn change<T>(&mut self, change: impl FnOnce(&mut Table) -> T) -> T {
        change(&mut self.table)
    }

    /// Does what is due at `now`. Drain [`Self::poll_output`] afterwards.
    pub fn handle_timeout(&mut self, now: Now) {
        self.notice_stop(now);
        for idle in self.peers.forget_idle(now.instant) {
            self.pairs.remove(&idle);
        }
        self.beacon_if_due(now);
        self.presence_if_due(now);
        self.sync_if_due(now);
        self.pump(now);
        self.tell_presence(now);
    }

    /// The next thing to do for the shell; changes after every `handle_...`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] wants to be called; changes after every `handle_...`.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let beacon = self.beacons.as_ref().map(Beacons::due).filter(|_| !self.links.is_empty());
        let questions = self.questions.values().map(|it| it.asking.poll_timeout());
        let watches = self.watches.values().map(|it| it.watching.poll_timeout());
        let answers = self.answering.poll_timeout(self.table.changes());
        let pulls = self.pulls.poll_timeout();
        let (presence, sync) = (self.presence_due(), self.sync.due());
        [beacon, presence, sync, answers, pulls, self.repeats.poll_timeout()]
            .into_iter()
            .flatten()
            .chain(questions)
            .chain(watches)
            .min()
    }

    /// Lets the machines work until none has anything left to do at `now`.
    fn pump(&mut self, now: Now) {
        loop {
            let before = (self.outputs.len(), self.to_self.len());
            let mut busy = false;
            let node = Node { certificate: &self.own, policy: &self.policy, table: &self.table };
            self.answering.handle_timeout(now, node);
            while let Some(act) = self.answering.poll_act() {
                self.carry_out(now, act);
                busy = true;
            }
            while let Some(frame) = self.to_self.pop_front() {
                self.handle_own_frame(now, frame);
                busy = true;
            }
            self.pump_pulls(now);
            self.pump_questions(now);
            self.pump_watches(now);
            if !busy && before == (self.outputs.len(), self.to_self.len()) {
                return;
            }
        }
    }

    fn carry_out(&mut self, now: Now, act: Act) {
        match act {
            Act::Sample(id, wanted) => self.event(Event::Sample(id, wanted)),
            Act::Set(id, order) => self.event(Event::Set(id, order)),
            Act::Reply(reply) => self.send_reply(now, reply),
            Act::Tell(frame, to) => self.tell(now, frame, &to),
            Act::Challenge(to, way) => self.challenge(now, to, way),
            Act::Drop(kind) => self.stats.count(kind),
        }
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// The certificate of this node.
    pub fn certificate(&self) -> &Certificate {
        &self.own
    }

    /// The sender id of this process.
    pub fn sender(&self) -> SenderId {
        self.sender
    }

    /// Whether the certificate of this process is known: without it nobody opens what it sends by
    /// the pairwise keys.
    pub fn has_met(&self, process: &SenderId) -> bool {
        self.peers.peer(process).is_some()
    }

    /// The member list in force.
    pub fn members(&self) -> &MemberList {
        self.roster.members()
    }

    /// Who was heard lately with a credential that the realm has forgotten, in order of id.
    pub fn forgotten_speakers(&self) -> Vec<ForgottenSpeaker> {
        self.forgotten.speakers()
    }

    /// The variables of this node.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Sizes of what grows, for tests that watch the limits.
    pub fn sizes(&self) -> Sizes {
        let watches = || self.watches.values().map(|it| it.watching.sizes());
        Sizes {
            questions: self.questions.len(),
            heard_questions: self.answering.len(),
            peers: self.peers.len(),
            pairs: self.pairs.len(),
            kept_bytes: self.answering.kept_bytes(),
            outputs: self.outputs.len(),
            leases: self.answering.leases(),
            repeats: self.repeats.len(),
            topics: self.answering.topics(),
            tracked: watches().map(|it| it.0).max().unwrap_or_default(),
            ahead: watches().map(|it| it.1).max().unwrap_or_default(),
        }
    }

    /// How a member is reached: its last packet may be a mere reply by unicast. [PRE-11]
    fn path(&self, now: Instant, id: &NodeId, heard: &Heard) -> Via {
        let is_recent = |at: Instant| now.since(at) <= lately(heard.interval);
        match heard.via {
            Via::Unicast if self.roster.through(id).is_some_and(is_recent) => Via::Multicast,
            via => via,
        }
    }

    /// Every member, in order of name, with what is known of its presence at `now`. Forgotten
    /// members are left out.
    pub fn nodes(&self, now: Now) -> Vec<NodeView> {
        let view = |member: &crate::keys::members::Member| {
            let heard = self.roster.heard(&member.id);
            let subject = &member.subject;
            let own = member.id == self.own.id();
            NodeView {
                name: subject.name.as_str().to_owned(),
                id: member.id,
                kind: subject.kind,
                labels: pairs(subject.labels.iter()),
                roles: subject.roles.iter().map(str::to_owned).collect(),
                software: match &heard {
                    Some(heard) => heard.software.clone(),
                    None if own => self.config.software.clone(),
                    None => "".into(),
                },
                state: if own { State::Alive } else { self.roster.state(now.instant, &member.id) },
                last_heard: if own { Some(now.wall) } else { heard.as_ref().map(|it| it.wall) },
                via: heard.map(|it| self.path(now.instant, &member.id, &it)),
                address: self.roster.voice(&member.id).and_then(Voice::address),
                duplicate: if own {
                    self.has_twin(now.instant)
                } else {
                    self.roster.is_twice(now.instant, &member.id)
                },
                sign: self.roster.sign(&member.id),
                expired: (Certificate::validity_of(subject, now.wall) == Validity::Expired)
                    .then_some(subject.not_after),
            }
        };
        let members = self.roster.members().members().iter();
        members.filter(|member| !member.forgotten).map(view).collect()
    }

    /// The presence of another member.
    pub fn state(&self, now: Now, id: &NodeId) -> State {
        self.roster.state(now.instant, id)
    }

    /// What this process knows of the realm's presence, for the next process of this node.
    pub fn records(&self, now: Now) -> Vec<Record> {
        self.roster.records(now.instant, MemberList::MEMBERS_MAX, |_, _| true)
    }

    /// Own addresses that replies may be sent to; those that multicast leaves from come first where
    /// there are too many. Of links that have both kinds the n-th of one kind and the n-th
    /// link-local one are of the same link, and links that have one alone follow. [QST-20]
    fn addresses(&self) -> Vec<SocketAddrV6> {
        let is_near = |it: &SocketAddrV6| it.ip().is_unicast_link_local();
        let has = |link: &Link, near: bool| link.addresses.iter().any(|it| is_near(it) == near);
        let (both, others): (Vec<&Link>, Vec<&Link>) =
            self.links.iter().partition(|link| has(link, true) && has(link, false));
        let links = || both.iter().chain(&others);
        let first = links().filter_map(|link| link.addresses.first());
        let more = links().flat_map(|link| link.addresses.iter().skip(1));
        let chosen: Vec<&SocketAddrV6> =
            first.chain(more).take(crate::wire::frame::ADDRESSES_MAX).collect();
        let ordered = links().flat_map(|link| &link.addresses);
        ordered.filter(|it| chosen.contains(it)).copied().collect()
    }
}

fn pairs<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
