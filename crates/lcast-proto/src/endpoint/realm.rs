//! Keeping step with the realm: beacons, the member list, what others know of presence.

use std::collections::VecDeque;
use std::net::SocketAddrV6;
use std::sync::Arc;
use std::time::Duration;

use super::Endpoint;
use super::fetching::{Claim, Fetching, Step};
use super::proving::HeldWish;
use super::sending::Copies;
use super::strangers::{Stranger, Strangers};
use crate::io::{Destination, Event, Link};
use crate::keys::certificate::Certificate;
use crate::keys::members::{Member, MemberList};
use crate::keys::subject::Kind;
use crate::presence::{Beacons, Refutation, State, Via, interval};
use crate::question::QuestionId;
use crate::question::budget::{Budget, Shares};
use crate::question::pull::{self, Due, Pulled};
use crate::stats::Dropped;
use crate::time::{Instant, Now};
use crate::wire::filter::Filter;
use crate::wire::frame::{
    Announcement, BeaconFrame, Blob, GroupFrame, PageFrame, PairFrame, PullFrame, Record,
};
use crate::wire::id::{NodeId, SenderId};

/// Members asked for the roster at start. [PRE-7]
const HELPERS_MAX: usize = 3;
/// Unicast pings that may be under way; beyond that the oldest is given up.
const PINGS_MAX: usize = 1024;
/// Records in one packet: each is at most 85 bytes.
const RECORDS_PER_PACKET: usize = 11;
/// Records told in answer to one wish, and taken. [PRE-7]
const RECORDS_MAX: usize = 512;
/// How long after a wish for a roster an answer is taken. [PRE-7]
const WISH_LASTS: Duration = Duration::from_secs(2);
/// Wishes for rosters that are open at once; beyond that the oldest is given up.
pub(super) const WISHES_MAX: usize = 256;
/// How long the agents of a realm take, all together, to begin fetching a new member list; for
/// each of them. [PRE-8]
const SPREAD_PER_AGENT: Duration = Duration::from_millis(2);
/// How much longer than the one in force a newer list is likely to be: so many times, and bytes. A
/// longer one is fetched too, but keeps no other waiting. [PRE-40]
const GROWTH_MAX: (usize, usize) = (16, 256 * 1024);

/// Packets of pages and rosters that this process sends on request in [`SERVING_SPAN`]: a request
/// of one packet draws up to 47. [QST-34]
pub(super) const SERVED_MAX: u32 = 1500;
/// Packets beyond that which are set aside for member lists: what holds them back holds back who is
/// forgotten. [QST-34]
pub(super) const LISTS_SERVED_MAX: u32 = 500;
/// The time in which so many packets go: shorter than the patience of whoever pulls.
const SERVING_SPAN: Duration = Duration::from_millis(500);
/// Packets that each may have at the least, while any are left: the pages of a wish.
const SERVED_LEAST: u32 = 16;

/// Nodes of the roster that this process looks at in a second for those who wish to hear of some:
/// a look takes a quarter of a microsecond, so a tenth of one processor. [QST-34]
pub(super) const LOOKS_PER_SECOND_MAX: u32 = 400_000;

/// How much was sent on request lately, and to whom.
pub(super) struct Serving {
    lists: Shares,
    others: Shares,
    looks: Budget,
}

impl Default for Serving {
    fn default() -> Self {
        let shares = |max| Shares::new(max, SERVING_SPAN, SERVED_LEAST);
        let looks = Budget::new(LOOKS_PER_SECOND_MAX);
        Self { lists: shares(LISTS_SERVED_MAX), others: shares(SERVED_MAX), looks }
    }
}

impl Serving {
    /// Whether one more packet may go to a member.
    pub(super) fn allows(&mut self, now: Instant, member: NodeId, is_list: bool) -> bool {
        (is_list && self.lists.takes(now, member)) || self.others.takes(now, member)
    }

    /// Whether the roster may be looked through for a member, whose share allows for it.
    fn allows_look(&self, now: Instant, member: &NodeId) -> bool {
        self.looks.ready_at(member) <= now
    }

    /// Counts the nodes that were looked at for a member.
    fn looked(&mut self, now: Instant, member: NodeId, nodes: u64) {
        let sharers = self.looks.sharers(now, &member);
        self.looks.spend(now, member, nodes, sharers);
    }
}

/// Members that were asked for their roster, of which nodes, and for which question.
#[derive(Default)]
pub(super) struct Wishes(VecDeque<Wish>);

struct Wish {
    of: SenderId,
    filter: Filter,
    request: Option<u64>,
    until: Instant,
    records_left: usize,
}

impl Wishes {
    pub(super) fn add(
        &mut self,
        now: Instant,
        of: SenderId,
        filter: &Filter,
        request: Option<u64>,
    ) {
        self.0.retain(|wish| wish.until > now);
        if self.0.len() >= WISHES_MAX {
            self.0.pop_front();
        }
        let (until, filter) = (now + WISH_LASTS, filter.clone());
        self.0.push_back(Wish { of, filter, request, until, records_left: RECORDS_MAX });
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Which of these records, of that process, were wished for, and the questions that did; `None`
    /// where it was asked nothing that is still open. [PRE-7]
    fn take<'a>(
        &mut self,
        now: Instant,
        of: &SenderId,
        records: &'a [Record],
    ) -> Option<(Vec<&'a Record>, Vec<u64>)> {
        self.0.retain(|wish| wish.until > now && wish.records_left > 0);
        let mut open: Vec<&mut Wish> = self.0.iter_mut().filter(|wish| wish.of == *of).collect();
        if open.is_empty() {
            return None;
        }
        let requests = open.iter().filter_map(|wish| wish.request).collect();
        let mut taken = Vec::new();
        for record in records {
            let named = |it: &&mut Wish| it.records_left > 0 && it.filter.contains(&record.id);
            if let Some(at) = open.iter().position(named) {
                open[at].records_left -= 1;
                taken.push(record);
            }
        }
        Some((taken, requests))
    }
}

/// What is being caught up with.
pub(super) struct Sync {
    /// How many processes are asked for their roster. [PRE-7]
    helpers_max: usize,
    /// Those that are, or were.
    helpers: Vec<SenderId>,
    /// How many of them were.
    helpers_asked: usize,
    pub(super) wishes: Wishes,
    pub(super) fetching: Fetching,
    pub(super) strangers: Strangers,
}

impl Sync {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            helpers_max: if kind == Kind::Agent { HELPERS_MAX } else { 0 },
            helpers: Vec::new(),
            helpers_asked: 0,
            wishes: Wishes::default(),
            fetching: Fetching::default(),
            strangers: Strangers::default(),
        }
    }

    pub(super) fn wants_helpers(&self) -> bool {
        self.helpers.len() < self.helpers_max
    }

    pub(super) fn met_helper(&mut self, sender: SenderId) {
        if self.wants_helpers() && !self.helpers.contains(&sender) {
            self.helpers.push(sender);
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.fetching.due()
    }
}

/// The packet that told of the start of this process, for as long as it may be sent again.
pub(super) struct Start {
    announcement: Announcement,
    bytes: Arc<[u8]>,
}

impl Start {
    /// Whether it says the same, but for the time.
    fn says(&self, other: &Announcement) -> bool {
        let other = Announcement { wall: self.announcement.wall, ..other.clone() };
        self.announcement == other
    }
}

impl Endpoint {
    /// Takes the links of the realm. Others hear of changed addresses at once.
    pub(super) fn handle_links(&mut self, now: Now, links: Vec<Link>) {
        if self.links == links {
            return;
        }
        if let Some(ring) = self.ring.as_mut().filter(|_| self.links.is_empty()) {
            // Without a link nobody could answer.
            ring.absolve(now.instant);
            if self.beacons.as_ref().is_some_and(Beacons::is_unsaid) {
                ring.begin(now.instant);
            }
        }
        self.links = links;
        if let Some(beacons) = &mut self.beacons {
            beacons.hurry(now.instant);
        }
        self.beacon_if_due(now);
    }

    /// Announces this agent when it is time. [PRE-2] [PRE-13]
    pub(super) fn beacon_if_due(&mut self, now: Now) {
        let due = self.beacons.as_ref().is_some_and(|it| it.due() <= now.instant);
        if !due || self.links.is_empty() {
            return;
        }
        let interval = interval(self.roster.agents());
        let mut again = None;
        if let Some(beacons) = &mut self.beacons {
            again = self.start.take().filter(|_| beacons.may_repeat(now.instant));
            beacons.sent(now.instant, interval, &mut self.random);
        }
        let announcement = self.announcement(now);
        let again = again.filter(|it| it.says(&announcement));
        if let Some(start) = again {
            self.transmit(Destination::Group(self.control), None, &start.bytes);
            self.start = Some(start);
            return;
        }
        let is_first = self.beacons.as_ref().is_some_and(Beacons::is_first);
        let frame = self.beacon(now, interval, false);
        let Some(bytes) = self.seal_group(&frame.encode()) else { return };
        self.transmit(Destination::Group(self.control), None, &bytes);
        self.start = is_first.then_some(Start { announcement, bytes });
    }

    pub(super) fn send_beacon(&mut self, now: Now, interval: Duration, leaving: bool) {
        let frame = self.beacon(now, interval, leaving);
        self.send_group(&frame, Copies::default());
    }

    fn beacon(&self, now: Now, interval: Duration, leaving: bool) -> GroupFrame {
        GroupFrame::Beacon(BeaconFrame {
            announcement: self.announcement(now),
            interval,
            leaving,
            software: self.config.software.clone(),
        })
    }

    /// Ends what is watched ([WAT-7]), says goodbye, twice against loss, and announces nothing any
    /// more. [PRE-9] A client that announced nothing has nothing to take back: a question costs one
    /// multicast packet.
    pub(super) fn say_goodbye(&mut self, now: Now) {
        let watches: Vec<QuestionId> = self.watches.values().map(|it| it.watching.id()).collect();
        watches.into_iter().for_each(|id| self.cancel_watch(now, id));
        if self.beacons.is_some() && !self.links.is_empty() {
            for _ in 0..2 {
                self.send_beacon(now, interval(self.roster.agents()), true);
            }
        }
        self.beacons = None;
        self.refutation = Refutation::default();
    }

    /// A member says that it holds this version of the list: a newer one is fetched. [PRE-8]
    pub(super) fn members_seen(&mut self, now: Now, claim: Claim) {
        if claim.version <= self.roster.members().version() {
            return;
        }
        let at_once = !self.questions.is_empty();
        let spread = SPREAD_PER_AGENT * u32::try_from(self.roster.agents()).unwrap_or(u32::MAX);
        let spread = u64::try_from(spread.as_micros()).unwrap_or(u64::MAX);
        let wait = if at_once { 0 } else { self.random.below(spread.max(1)) };
        self.sync.fetching.hear(now.instant, claim, now.instant + Duration::from_micros(wait));
        self.sync_if_due(now);
    }

    /// Whether a newer member list is on its way.
    pub(super) fn is_catching_up(&self) -> bool {
        self.sync.fetching.is_busy()
    }

    /// Starts the fetch that is due, and asks helpers for the roster.
    pub(super) fn sync_if_due(&mut self, now: Now) {
        let likely_max = self.roster.members().bytes().len() * GROWTH_MAX.0 + GROWTH_MAX.1;
        loop {
            let pulls = &self.pulls;
            let pages = |it: &Claim| {
                let blob = Blob::Members(it.version);
                let likely = pulls.total(it.sender, blob).is_none_or(|total| total <= likely_max);
                if likely { pulls.pages(it.sender, blob) } else { 0 }
            };
            match self.sync.fetching.poll(now.instant, pages) {
                Some(Step::Start(claim)) => self.start_fetch(now.instant, claim),
                Some(Step::Stop(claim)) => self.stop_fetch(claim),
                None => break,
            }
        }
        while let Some(sender) = self.sync.helpers.get(self.sync.helpers_asked).copied() {
            let turn = u16::try_from(self.sync.helpers_asked).unwrap_or_default();
            self.sync.helpers_asked += 1;
            let ids: Vec<NodeId> = self.roster.unheard().map(|it| it.id).collect();
            let salt = self.random.next_u64() as u32;
            let filter = Filter::new(ids.iter(), salt, turn, Filter::BYTES_MAX);
            self.wish_for_roster(now, sender, filter, None);
        }
    }

    /// Asks a process what it heard of these nodes, for a question of this one or for itself.
    pub(super) fn wish_for_roster(
        &mut self,
        now: Now,
        of: SenderId,
        filter: Filter,
        request: Option<u64>,
    ) {
        self.sync.wishes.add(now.instant, of, &filter, request);
        self.send_pair(of, &PairFrame::RosterWanted(filter), false, None);
    }

    /// Puts a newer member list in force. [PRE-6]
    pub(super) fn install_members(&mut self, now: Now, members: MemberList) {
        if !self.roster.install(members.clone()) {
            return;
        }
        for claim in self.sync.fetching.installed(now.instant, members.version()) {
            self.stop_fetch(claim);
        }
        self.welcome(now.instant);
        self.event(Event::Members(members));
        self.expect_again(now);
    }

    /// Whoever announced itself before the list named it was heard then. [PRE-41]
    fn welcome(&mut self, now: Instant) {
        let members = self.roster.members();
        let names = |id: &NodeId| members.by_id(id).is_some() && !members.is_forgotten(id);
        for Stranger { id, heard, told } in self.sync.strangers.named(now, names) {
            let sender = heard.sender;
            self.roster.note(id, heard, None);
            let before = self.stands_before(&id);
            let greeted = sender.filter(|it| before && self.peers.peer(it).is_some());
            if let (Some(ring), Some(sender)) = (&mut self.ring, greeted) {
                ring.greet(now, id, sender);
            }
            if let (Some(sender), Some(told)) = (sender, told) {
                self.roster.told_time(&id, sender, told);
            }
        }
    }

    fn start_fetch(&mut self, now: Instant, claim: Claim) {
        let blob = Blob::Members(claim.version);
        if !self.pulls.start(now, claim.sender, blob, None, MemberList::LENGTH_MAX) {
            self.sync.fetching.failed(now, claim.sender);
        }
    }

    fn stop_fetch(&mut self, claim: Claim) {
        self.pulls
            .stop(|from, blob| *from == claim.sender && *blob == Blob::Members(claim.version));
    }

    /// Sends pages of what this node holds, to where they are received for sure. [QST-32]
    /// [SEC-45]
    pub(super) fn serve(&mut self, now: Now, sender: SenderId, wish: PullFrame) {
        if !self.demand_proof(now, sender) {
            self.hold(sender, HeldWish::Pull(wish));
            return;
        }
        let pages = match wish.blob {
            Blob::Reply(request) => {
                let kept = self.answering.kept(now.instant, sender, request);
                kept.map(|bytes| pull::pages(wish.blob, wish, &bytes))
            }
            Blob::Schema(hash) => {
                let (own, bytes) = self.schemas.own(&self.table, &self.policy);
                (own == hash).then(|| pull::pages(wish.blob, wish, &bytes))
            }
            Blob::Members(version) => {
                let members = self.roster.members();
                let blob = Blob::Members(members.version());
                let newer = members.version() >= version;
                newer.then(|| pull::pages(blob, wish, members.bytes()))
            }
        };
        let is_list = matches!(wish.blob, Blob::Members(_));
        for page in pages.unwrap_or_else(|| vec![pull::no_page(wish.blob)]) {
            if !self.may_serve(now.instant, sender, is_list) {
                return;
            }
            self.send_pair(sender, &PairFrame::Page(page), false, None);
        }
    }

    /// Whether one more packet may go to this process on its request.
    fn may_serve(&mut self, now: Instant, sender: SenderId, is_list: bool) -> bool {
        let member = self.peers.peer(&sender).map(|it| it.certificate.id());
        let may = member.is_some_and(|member| self.serving.allows(now, member, is_list));
        if !may {
            self.stats.count(Dropped::Flood);
        }
        may
    }

    /// A member that says that it holds a newer list does not answer. [SEC-34]
    fn note_unanswered(&mut self, member: NodeId) {
        let is_agent = |it: &Member| it.subject.kind == Kind::Agent;
        let own = usize::from(self.own.kind() == Kind::Agent);
        let others = self.roster.agents().saturating_sub(own);
        if self.roster.members().by_id(&member).is_some_and(is_agent)
            && self.sync.fetching.unanswered(member, others)
        {
            self.event(Event::Unheard);
        }
    }

    /// Sends the wishes of pulls that are due, and gives up those in vain.
    pub(super) fn pump_pulls(&mut self, now: Now) {
        let pulls = &self.pulls;
        let pages = |it: &Claim| pulls.pages(it.sender, Blob::Members(it.version));
        let silent = self.sync.fetching.silent(pages);
        while let Some((from, due)) = self.pulls.poll(now.instant) {
            match due {
                Due::Wish(wish) => self.send_pair(from, &PairFrame::Pull(wish), false, None),
                Due::GaveUp(blob) => {
                    let claim = silent.iter().find(|it| it.sender == from);
                    if let (Blob::Members(_), Some(claim)) = (blob, claim) {
                        self.note_unanswered(claim.member);
                    }
                    self.pull_failed(now, from, blob);
                }
                Due::Slow(Blob::Schema(hash)) => self.pull_schema_beside(now, hash),
                Due::Slow(Blob::Members(_) | Blob::Reply(_)) => {}
            }
        }
    }

    /// Takes a page of something that is being pulled.
    pub(super) fn handle_page(
        &mut self,
        now: Now,
        sender: SenderId,
        page: &PageFrame,
    ) -> Result<(), Dropped> {
        match self.pulls.handle_page(now.instant, sender, page) {
            Pulled::Unasked => Err(Dropped::Unasked),
            Pulled::Progress => Ok(()),
            Pulled::Failed => {
                if matches!(page.blob, Blob::Members(_)) {
                    self.sync.fetching.lied(now.instant, sender);
                }
                self.pull_failed(now, sender, page.blob);
                Ok(())
            }
            Pulled::Complete(bytes) => self.pull_completed(now, sender, page.blob, bytes),
        }
    }

    fn pull_completed(
        &mut self,
        now: Now,
        sender: SenderId,
        blob: Blob,
        bytes: Vec<u8>,
    ) -> Result<(), Dropped> {
        match blob {
            Blob::Reply(request) => self.values_pulled(now, sender, request, &bytes),
            Blob::Schema(hash) => self.schema_pulled(now, sender, hash, &bytes),
            Blob::Members(_) => {
                let (authority, realm) = (self.credential.authority(), self.credential.realm());
                let Ok(members) = MemberList::verify(bytes, authority, realm) else {
                    self.sync.fetching.lied(now.instant, sender);
                    return Err(Dropped::Signature);
                };
                self.install_members(now, members);
                // One that is no newer than what was held was claimed to be.
                self.sync.fetching.lied(now.instant, sender);
                Ok(())
            }
        }
    }

    /// Tells another member what this one heard of those that it asks about, if its share of
    /// packets and of time allows for it. [PRE-7] [SEC-45] [QST-34]
    pub(super) fn tell_roster(&mut self, now: Now, sender: SenderId, filter: &Filter) {
        if !self.demand_proof(now, sender) {
            self.hold(sender, HeldWish::Roster(filter.clone()));
            return;
        }
        let Some(member) = self.peers.peer(&sender).map(|it| it.certificate.id()) else { return };
        if !self.serving.allows_look(now.instant, &member) {
            self.stats.count(Dropped::Flood);
            return;
        }
        if !self.may_serve(now.instant, sender, false) {
            return;
        }
        let (mut looks, roster) = (0, &self.roster);
        let records = roster.records(now.instant, RECORDS_MAX, |id, heard| {
            looks += 1;
            let heard_here = matches!(heard.via, Via::Multicast | Via::Unicast);
            // Of whom it suspects it said so already: who did not know it then would miss the end.
            let suspects = || roster.state(now.instant, id) == State::Suspect;
            heard_here && filter.contains(id) && !suspects()
        });
        self.serving.looked(now.instant, member, looks);
        let mut packets: Vec<&[Record]> = records.chunks(RECORDS_PER_PACKET).collect();
        if packets.is_empty() {
            packets.push(&[]);
        }
        for (turn, records) in packets.into_iter().enumerate() {
            if turn > 0 && !self.may_serve(now.instant, sender, false) {
                return;
            }
            self.send_pair(sender, &PairFrame::Roster(records.to_vec()), false, None);
        }
    }

    /// Takes what another member has heard of those that it was asked about: else any member could
    /// place nodes where it likes. [PRE-7]
    pub(super) fn hear_roster(
        &mut self,
        now: Now,
        sender: SenderId,
        records: &[Record],
    ) -> Result<(), Dropped> {
        let taken = self.sync.wishes.take(now.instant, &sender, records);
        let (taken, requests) = taken.ok_or(Dropped::Unasked)?;
        let way = self.peers.peer(&sender).and_then(|peer| peer.way);
        let link = way.map_or(0, |way| way.to.scope_id());
        let teller = self.peers.peer(&sender).map(|peer| peer.certificate.id());
        for record in taken {
            let address = record.address.map(|it| with_scope(it, link));
            let record = Record { address, ..record.clone() };
            self.roster.tell(now, &record, Via::Told, teller);
        }
        for request in requests {
            if let Some(question) = self.questions.get_mut(&request) {
                question.asking.note_told(sender);
            }
        }
        Ok(())
    }

    /// Measures a round trip to a node by unicast.
    pub(super) fn ping(&mut self, now: Now, name: &str) {
        let member = self.roster.members().by_name(name);
        let heard = member.and_then(|member| self.roster.heard(&member.id));
        if let Some(sender) = heard.and_then(|heard| heard.sender) {
            let token = now.instant.as_micros().max(1);
            if self.pings.len() >= PINGS_MAX {
                self.pings.pop_first();
            }
            self.pings.insert((token, sender));
            self.become_known(now, sender);
            self.send_pair(sender, &PairFrame::Ping(token), false, None);
        }
    }

    /// Takes the echo of a ping that was sent to this process; others were not asked for.
    pub(super) fn handle_pong(
        &mut self,
        now: Now,
        sender: SenderId,
        certificate: &Certificate,
        token: u64,
    ) -> Result<(), Dropped> {
        if self.pings.remove(&(token, sender)) {
            let trip = now.instant.since(Instant::from_micros(token));
            self.event(Event::Pong(certificate.name().as_str().to_owned(), trip));
            return Ok(());
        }
        if self.hear_proof(now, sender, token) {
            return Ok(());
        }
        if self.ring.as_mut().is_some_and(|ring| ring.pong(sender, token)) {
            return Ok(());
        }
        // A zero token is no echo: it carries a certificate ahead of what finds no room beside it.
        if token == 0 { Ok(()) } else { Err(Dropped::Unasked) }
    }
}

/// A link-local address as seen from the link that it was told on.
fn with_scope(address: SocketAddrV6, link: u32) -> SocketAddrV6 {
    let local = address.ip().is_unicast_link_local();
    let scope = if local { link } else { 0 };
    SocketAddrV6::new(*address.ip(), address.port(), 0, scope)
}
