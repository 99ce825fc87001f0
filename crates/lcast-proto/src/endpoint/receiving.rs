//! Opening what comes in, in the order of checks of `docs/spec/security.md`.
//!
//! Length and header, key id, seal, certificate, holder of the sender id, replay window, frame,
//! rate, signature or inside, freshness, validity of the certificate, permission; windows, peers
//! and the roster change only after the signature. [SEC-40] [SEC-41] [SEC-71]

use std::borrow::Cow;
use std::net::SocketAddrV6;
use std::time::Duration;

use super::Endpoint;
use super::fetching::Claim;
use super::strangers::Stranger;
use crate::io::{Datagram, Event};
use crate::keys::certificate::{Certificate, Validity};
use crate::keys::seal::{PairRole, TAG_LEN};
use crate::keys::sign::SignatureContext;
use crate::keys::subject::Kind;
use crate::opened::Opened;
use crate::presence::{Heard, INTERVAL_MIN, SharedVoice, Via, Voice, interval};
use crate::question::Way;
use crate::question::answering::Asked;
use crate::question::evaluate::{Node, is_timely};
use crate::stats::Dropped;
use crate::time::{Instant, Now, Timestamp};
use crate::wire::frame::{
    BeaconFrame, GroupFrame, PairFrame, QuestionFrame, VerbCode, split_certificate,
};
use crate::wire::header::{HEADER_LEN, Header, HeaderError, PACKET_MAX, PacketKind};
use crate::wire::id::SenderId;

/// How far ahead of the clock here a time may be told for older ones to be refused from then on.
/// [SEC-47]
const AHEAD_MAX: Duration = Duration::from_secs(60);

/// How long a link-local address is preferred to one without a route. [QST-20]
const UNREACHABLE_FOR: Duration = Duration::from_secs(60);

/// A packet whose origin is verified.
pub(super) struct Origin<'a> {
    pub(super) sender: SenderId,
    pub(super) number: u64,
    pub(super) certificate: Cow<'a, Certificate>,
    pub(super) way: Way,
    pub(super) via: Via,
    /// How long its packet has waited here.
    pub(super) waited: Duration,
    /// When it was sent, by the clock of its sender; a change and unicast tell no time.
    pub(super) told: Option<Timestamp>,
    /// Where others who hear the same packet keep what it says of presence.
    pub(super) voice: Option<&'a SharedVoice>,
}

impl Endpoint {
    /// Takes a datagram: it changes something, or is counted as dropped.
    pub(super) fn handle_datagram(
        &mut self,
        now: Now,
        datagram: Datagram<'_>,
        opened: Option<&Opened>,
    ) {
        self.stats.received += 1;
        if let Err(kind) = self.receive(now, datagram, opened) {
            self.stats.count(kind);
        }
    }

    fn receive(
        &mut self,
        now: Now,
        datagram: Datagram<'_>,
        opened: Option<&Opened>,
    ) -> Result<(), Dropped> {
        let bytes = datagram.bytes;
        if bytes.len() < HEADER_LEN + TAG_LEN || bytes.len() > PACKET_MAX {
            return Err(Dropped::Length);
        }
        if !self.may_send_to(&datagram.from) {
            return Err(Dropped::Source);
        }
        let header = Header::parse(bytes);
        let header = header.map_err(|error| self.refuse_header(now, datagram.from, error))?;
        if header.key_id != self.group_keys.key_id() {
            return Err(Dropped::Key);
        }
        if header.sender == self.sender {
            return Err(Dropped::Own);
        }
        match header.kind {
            PacketKind::Group => self.receive_group(now, &datagram, &header, opened),
            PacketKind::Intro => self.receive_intro(now, &datagram, &header, &mut bytes.to_vec()),
            PacketKind::Pair => self.receive_pair(now, &datagram, &header, &mut bytes.to_vec()),
        }
    }

    /// Whoever speaks a newer version is told of: otherwise nobody knows why it never answers.
    /// [SEC-4]
    fn refuse_header(&mut self, now: Now, from: SocketAddrV6, error: HeaderError) -> Dropped {
        match error {
            HeaderError::Length(_) => Dropped::Length,
            HeaderError::NewerVersion(version) => {
                if self.newer.tells(now.instant, *from.ip()) {
                    self.event(Event::NewerVersion(from, version));
                }
                Dropped::Version
            }
            HeaderError::Version | HeaderError::Kind(_) | HeaderError::Flags(_) => Dropped::Version,
        }
    }

    fn receive_group(
        &mut self,
        now: Now,
        datagram: &Datagram<'_>,
        header: &Header,
        opened: Option<&Opened>,
    ) -> Result<(), Dropped> {
        let realm = self.credential.realm();
        let opened = opened.filter(|it| it.is_of(datagram.bytes, realm));
        let mut packet = Vec::new();
        let plaintext = match opened {
            Some(opened) => opened.plaintext(),
            None => {
                packet.extend_from_slice(datagram.bytes);
                let opened = self.group_keys.open(header, &self.channel, &mut packet);
                opened.ok().map(|plaintext| &*plaintext)
            }
        };
        let plaintext = plaintext.ok_or(Dropped::Seal)?;
        let (body, signature) =
            SignatureContext::split(plaintext).map_err(|_| Dropped::Signature)?;
        let (certificate, frame) = split_certificate(body).ok_or(Dropped::Frame)?;
        let source = *datagram.from.ip();
        let certificate = self.check_certificate(now.instant, source, certificate, opened)?;
        self.check_sender(&certificate, header, opened)?;
        let frame = match opened {
            Some(opened) => opened.frame().map(Cow::Borrowed),
            None => GroupFrame::decode(frame).ok().map(Cow::Owned),
        };
        let frame = frame.ok_or(Dropped::Frame)?;
        if self.is_for_others(&frame) {
            return Ok(());
        }
        let told = frame.announcement().map(|it| it.wall);
        if let Some(told) = told {
            let outcome = self.windows.check_told(certificate.id(), header.sender, told);
            outcome.map_err(|_| Dropped::Replay)?;
        }
        let signed = (body, signature);
        self.check_signature(now.instant, source, (header, &certificate), signed, opened)?;
        // A clock that is ahead for once does not shut its member out when it is set right.
        let credible = told.map(|told| told.min(now.wall.saturating_add(AHEAD_MAX)));
        self.commit(&certificate, header, credible)?;
        let voice = opened.map(Opened::voice);
        let origin = Origin { voice, told, ..self.origin(datagram, header, certificate) };
        let left = matches!(&*frame, GroupFrame::Beacon(beacon) if beacon.leaving);
        if let Some(told) = told.filter(|_| !self.is_of_the_past(now, &origin, left)) {
            self.note_sign(now, &origin, told);
        }
        let timely = told.is_none_or(|told| is_timely(told, now.wall));
        match frame {
            // One that is late is refused, so that the asker hears of its clock. [QST-21]
            Cow::Owned(GroupFrame::Question(question)) => {
                self.hear_question(now, origin, *question, timely)
            }
            Cow::Borrowed(GroupFrame::Question(question)) => {
                self.hear_question(now, origin, (**question).clone(), timely)
            }
            other => self.hear_group_frame(now, origin, &other, timely),
        }
    }

    /// Takes what is said to everybody and is no question.
    fn hear_group_frame(
        &mut self,
        now: Now,
        origin: Origin<'_>,
        frame: &GroupFrame,
        timely: bool,
    ) -> Result<(), Dropped> {
        match frame {
            GroupFrame::Question(_) => Err(Dropped::Frame),
            GroupFrame::Beacon(_) | GroupFrame::Suspect(_) if !timely => Err(Dropped::Clock),
            GroupFrame::Beacon(beacon) => self.hear_beacon(now, &origin, beacon),
            GroupFrame::Change(change) => {
                self.check_membership(now, &origin.certificate)?;
                self.note_untimed(now, &origin);
                self.hear_change(now, origin.sender, &origin.certificate, change)
            }
            GroupFrame::Suspect(suspect) => self.hear_suspicion(now, &origin, suspect),
        }
    }

    /// Whether this is a question that is asked again, of others: its signature would be verified
    /// for nothing, which costs a busy host of many agents most. [SEC-40]
    fn is_for_others(&self, frame: &GroupFrame) -> bool {
        let GroupFrame::Question(question) = frame else { return false };
        let wanted = question.wanted.as_ref();
        question.round > 1 && wanted.is_some_and(|wanted| !wanted.contains(&self.own.id()))
    }

    /// Notes that a process was heard by a packet that does not say when it was sent: one that
    /// somebody kept makes nobody alive. [PRE-4]
    fn note_untimed(&mut self, now: Now, origin: &Origin<'_>) {
        let known = self.roster.voice(&origin.certificate.id());
        let Some(known) = known.filter(|it| it.sender() == Some(origin.sender)) else { return };
        let heard = Heard { address: known.address(), ..self.heard(now, origin) };
        self.note(origin, heard);
    }

    /// Notes what a packet to everybody tells about the network. [PRE-11]
    fn note_sign(&mut self, now: Now, origin: &Origin<'_>, told: Timestamp) {
        let id = origin.certificate.id();
        if origin.via == Via::Multicast {
            let known = self.roster.voice(&id).filter(|it| it.sender() == Some(origin.sender));
            let newest = known.is_none_or(|it| it.number() < origin.number);
            self.roster.note_sign(now, &id, told, newest);
        }
    }

    /// Whether this member may send under this sender id and number; moves nothing. Under the id of
    /// another it could replace that one's session key or way, or take its place. [SEC-41] [SEC-72]
    fn check_sender(
        &self,
        certificate: &Certificate,
        header: &Header,
        opened: Option<&Opened>,
    ) -> Result<(), Dropped> {
        let member = certificate.id();
        let holder = self.peers.peer(&header.sender);
        let taken = holder.is_some_and(|peer| peer.certificate.id() != member);
        let owns = opened.map_or_else(|| header.sender.belongs_to(&member), Opened::owns_sender);
        if taken || !owns {
            return Err(Dropped::Taken);
        }
        let outcome = self.windows.check(member, header.sender, header.number);
        outcome.map_err(|_| Dropped::Replay)
    }

    /// Takes the number of a packet whose origin is verified. [SEC-41]
    fn commit(
        &mut self,
        certificate: &Certificate,
        header: &Header,
        told: Option<Timestamp>,
    ) -> Result<(), Dropped> {
        let outcome = self.windows.commit(certificate.id(), header.sender, header.number, told);
        outcome.map_err(|_| Dropped::Replay)?;
        self.stats.verified += 1;
        self.heard_others |= certificate.id() != self.own.id();
        Ok(())
    }

    fn origin<'a>(
        &self,
        datagram: &Datagram<'_>,
        header: &Header,
        certificate: Cow<'a, Certificate>,
    ) -> Origin<'a> {
        Origin {
            sender: header.sender,
            number: header.number,
            certificate,
            way: Way { to: datagram.from, from: datagram.local },
            via: if datagram.multicast { Via::Multicast } else { Via::Unicast },
            waited: datagram.waited,
            told: None,
            voice: None,
        }
    }

    /// Whether the realm has forgotten this member. [SEC-34]
    fn is_forgotten(&self, certificate: &Certificate) -> bool {
        self.roster.members().is_forgotten(&certificate.id())
    }

    fn hear_question(
        &mut self,
        now: Now,
        origin: Origin<'_>,
        question: QuestionFrame,
        timely: bool,
    ) -> Result<(), Dropped> {
        let announcement = &question.announcement;
        if !announcement.addresses.iter().any(|it| is_same(it, &origin.way.to)) {
            return Err(Dropped::Source);
        }
        let way = self.way_to(now.instant, origin.way, &announcement.addresses);
        let origin = Origin { way, ..origin };
        if timely && self.check_membership(now, &origin.certificate).is_ok() {
            let (member, sender) = (origin.certificate.id(), origin.sender);
            let was_alive = self.holds_alive(now.instant, &member, sender);
            let heard = Heard { address: Some(origin.way.to), ..self.heard(now, &origin) };
            self.note(&origin, heard);
            if self.is_for_all(origin.via) {
                self.meet_neighbour(now.instant, &origin, announcement, (way, was_alive));
            }
            let version = announcement.members_version;
            self.members_seen(now, Claim { member, sender, version });
            if question.verb == VerbCode::Ping && question.by_group {
                let agents = self.roster.agents();
                if let Some(beacons) = &mut self.beacons {
                    beacons.want(now.instant, agents, &mut self.random);
                }
            }
        }
        let session = Some(announcement.session);
        let way = Some(origin.way);
        let Origin { sender, certificate, way: back, waited, .. } = &origin;
        self.peers.meet(now.instant, *sender, certificate, session, way);
        if self.own.kind() == Kind::Agent {
            let forgotten = self.is_forgotten(certificate);
            let (sender, asker, way, waited) = (*sender, certificate, *back, *waited);
            let asked = Asked { sender, asker, forgotten, way, waited, frame: question };
            let node = Node { certificate: &self.own, policy: &self.policy, table: &self.table };
            self.answering.handle_question(now, node, asked);
        }
        if timely { Ok(()) } else { Err(Dropped::Clock) }
    }

    fn hear_beacon(
        &mut self,
        now: Now,
        origin: &Origin<'_>,
        beacon: &BeaconFrame,
    ) -> Result<(), Dropped> {
        self.check_membership(now, &origin.certificate)?;
        let version = beacon.announcement.members_version;
        if let Some(beacons) = &mut self.beacons {
            beacons.heard(version >= self.roster.members().version());
        }
        let named = beacon.announcement.addresses.iter().any(|it| is_same(it, &origin.way.to));
        let addresses = &beacon.announcement.addresses;
        let way = self.way_to(now.instant, origin.way, addresses);
        let heard = Heard {
            address: named.then_some(way.to),
            interval: beacon.interval.clamp(INTERVAL_MIN, crate::presence::INTERVAL_MAX),
            left: beacon.leaving,
            software: beacon.software.clone(),
            ..self.heard(now, origin)
        };
        let newer = version > self.roster.members().version();
        let id = origin.certificate.id();
        if newer && self.roster.members().by_id(&id).is_none() {
            self.sync.strangers.keep(Stranger { id, heard: heard.clone(), told: origin.told });
        }
        let was_alive = self.holds_alive(now.instant, &id, origin.sender);
        self.note(origin, heard);
        if beacon.leaving || !named {
            return Ok(());
        }
        let session = beacon.announcement.session;
        let sender = origin.sender;
        let helps = newer || self.sync.wants_helpers();
        let known = self.peers.peer(&sender).and_then(|peer| peer.way);
        let strays = known.is_some_and(|known| self.strays(&known, addresses));
        let announcement = &beacon.announcement;
        let near = self.meet_neighbour(now.instant, origin, announcement, (way, was_alive));
        if !near && (helps || strays) {
            self.peers.meet(now.instant, sender, &origin.certificate, Some(session), Some(way));
        }
        if helps {
            self.members_seen(now, Claim { member: id, sender, version });
            self.sync.met_helper(sender);
            self.sync_if_due(now);
        }
        Ok(())
    }

    /// The way back to who announces these addresses: between link-local ones where the other kind
    /// had no route. [QST-20]
    pub(super) fn way_to(&self, now: Instant, way: Way, named: &[SocketAddrV6]) -> Way {
        let fails = |(at, address): &(Instant, SocketAddrV6)| {
            is_same(address, &way.to) && now.since(*at) < UNREACHABLE_FOR
        };
        let link = self.links.iter().find(|link| link.addresses.contains(&way.from));
        let link = link.filter(|_| self.unreachable.iter().any(fails));
        let mut own = link.iter().flat_map(|link| &link.addresses);
        let near = own.find(|own| own.ip().is_unicast_link_local());
        let near = near.map(|near| way_back(Way { from: *near, ..way }, named));
        near.filter(|near| near.to != way.to).unwrap_or_else(|| way_back(way, named))
    }

    /// Whether a way leads from or to an address that is given up; the other end has these.
    /// [WAT-11]
    fn strays(&self, way: &Way, named: &[SocketAddrV6]) -> bool {
        let mut own = self.links.iter().flat_map(|link| &link.addresses);
        !named.iter().any(|it| is_same(it, &way.to)) || !own.any(|own| *own == way.from)
    }

    /// What a packet of this origin says about presence, before its content adds to it.
    pub(super) fn heard(&self, now: Now, origin: &Origin<'_>) -> Heard {
        let known = self.roster.voice(&origin.certificate.id());
        let same = known.filter(|it| it.sender() == Some(origin.sender));
        // Until it says itself: every agent of the realm keeps the interval.
        let said = same.map(|it| (it.interval(), it.software().clone()));
        let (interval, software) =
            said.unwrap_or_else(|| (interval(self.roster.agents()), "".into()));
        Heard {
            at: now.instant,
            wall: now.wall,
            address: None,
            sender: Some(origin.sender),
            number: origin.number,
            interval,
            left: false,
            software,
            via: origin.via,
        }
    }

    /// Whether the packets of this member count, other than to be refused. [SEC-75]
    pub(super) fn check_membership(
        &mut self,
        now: Now,
        certificate: &Certificate,
    ) -> Result<(), Dropped> {
        match certificate.validity(now.wall) {
            Validity::Valid | Validity::Grace => {}
            Validity::Expired | Validity::NotYet => return Err(Dropped::Expired),
        }
        if self.is_forgotten(certificate) {
            self.forgotten.heard(now.wall, certificate);
            return Err(Dropped::Forgotten);
        }
        Ok(())
    }

    fn receive_intro(
        &mut self,
        now: Now,
        datagram: &Datagram<'_>,
        header: &Header,
        packet: &mut [u8],
    ) -> Result<(), Dropped> {
        let opened = self.group_keys.open(header, &self.channel, packet);
        let plaintext = opened.map_err(|_| Dropped::Seal)?;
        let length = split_certificate(plaintext).ok_or(Dropped::Frame)?.0.len();
        let (certificate, inner) = plaintext[2..].split_at_mut(length);
        let source = *datagram.from.ip();
        let certificate = self.check_certificate(now.instant, source, certificate, None)?;
        self.check_sender(&certificate, header, None)?;
        let frame = self.open_intro(now.instant, source, (header, &certificate), inner)?;
        self.commit(&certificate, header, None)?;
        self.check_membership(now, &certificate)?;
        let origin = self.origin(datagram, header, certificate);
        // Nobody signed the source address: it serves only while no announced one is known.
        let heard = self.roster.voice(&origin.certificate.id());
        let heard = heard.filter(|it| it.sender() == Some(header.sender));
        let announced = heard.and_then(Voice::address).unwrap_or(origin.way.to);
        let lost = self.peers.peer(&header.sender).is_none_or(|peer| peer.way.is_none());
        let way = lost.then_some(Way { to: announced, ..origin.way });
        self.peers.meet(now.instant, header.sender, &origin.certificate, None, way);
        self.hear_frame(now, &origin, frame)
    }

    fn receive_pair(
        &mut self,
        now: Now,
        datagram: &Datagram<'_>,
        header: &Header,
        packet: &mut [u8],
    ) -> Result<(), Dropped> {
        let role = if header.announcer_is_sender { PairRole::Node } else { PairRole::Announcer };
        let channel = self.channel;
        let pair = self.pair(&header.sender, role).ok_or(Dropped::Stranger)?;
        let frame = pair.open(header, &channel, packet).map_err(|_| Dropped::Seal)?;
        let Some(peer) = self.peers.peer(&header.sender) else {
            return Err(Dropped::Stranger);
        };
        let certificate = Cow::Owned(peer.certificate.clone());
        self.check_sender(&certificate, header, None)?;
        self.commit(&certificate, header, None)?;
        if let Some(peer) = self.peers.peer_mut(&header.sender) {
            peer.used = now.instant;
        }
        self.check_membership(now, &certificate)?;
        let origin = self.origin(datagram, header, certificate);
        self.hear_frame(now, &origin, frame)
    }

    fn hear_frame(&mut self, now: Now, origin: &Origin<'_>, frame: &[u8]) -> Result<(), Dropped> {
        let frame = PairFrame::decode(frame).map_err(|_| Dropped::Frame)?;
        let known = self.roster.voice(&origin.certificate.id());
        let own = known.filter(|it| it.sender() == Some(origin.sender)).and_then(Voice::address);
        let unicast = Some(origin.way.to).filter(|_| origin.via == Via::Unicast);
        // What others told, or was known of a process before, may have ended with it. [PRE-42]
        let address = own.or(unicast).or_else(|| known.and_then(Voice::address));
        let mut heard = Heard { address, ..self.heard(now, origin) };
        if let PairFrame::Reply(reply) = &frame {
            heard.software = reply.software.clone();
        }
        let id = origin.certificate.id();
        let before = self.roster.answered(&id);
        self.note(origin, heard);
        if matches!(frame, PairFrame::Reply(_)) {
            // Both answer what is asked, one right after the other. [PRE-35]
            self.roster.note_answer(now.instant, &id, before);
        }
        if let PairFrame::Ping(token) = frame {
            let is_agent = origin.certificate.kind() == Kind::Agent;
            let watches = is_agent && self.stands_before(&id);
            if let Some(ring) = self.ring.as_mut().filter(|_| watches) {
                ring.watched(now.instant, origin.sender);
            }
            // What was the way to its sender may be so no more. [SEC-45]
            let pong = PairFrame::Pong(token);
            self.send_pair_by(origin.way, origin.sender, &pong, false, None);
            return Ok(());
        }
        self.handle_frame(now, origin.sender, &origin.certificate, frame)
    }

    /// A frame that this node sent to itself: an agent that asks is among those that answer.
    pub(super) fn handle_own_frame(&mut self, now: Now, frame: PairFrame) {
        let own = self.own.clone();
        if let Err(kind) = self.handle_frame(now, self.sender, &own, frame) {
            self.stats.count(kind);
        }
    }

    fn handle_frame(
        &mut self,
        now: Now,
        sender: SenderId,
        certificate: &Certificate,
        frame: PairFrame,
    ) -> Result<(), Dropped> {
        match frame {
            PairFrame::Reply(reply) => self.handle_reply(now, sender, certificate, reply),
            PairFrame::Pull(pull) => {
                self.serve(now, sender, pull);
                Ok(())
            }
            PairFrame::Page(page) => self.handle_page(now, sender, &page),
            PairFrame::RosterWanted(filter) => {
                self.tell_roster(now, sender, &filter);
                Ok(())
            }
            PairFrame::Roster(records) => self.hear_roster(now, sender, &records),
            PairFrame::Ping(token) => {
                self.send_pair(sender, &PairFrame::Pong(token), false, None);
                Ok(())
            }
            PairFrame::Pong(token) => self.handle_pong(now, sender, certificate, token),
            PairFrame::Change(change) => self.hear_change(now, sender, certificate, &change),
        }
    }
}

/// The way back to who announces these addresses. From a link-local address only link-local ones
/// are reached for sure: in place of a source of another kind the one of the same link is taken,
/// which stands as far back among its kind where every link has both. [QST-20]
fn way_back(way: Way, named: &[SocketAddrV6]) -> Way {
    let is_near = |it: &SocketAddrV6| it.ip().is_unicast_link_local();
    if !is_near(&way.from) || is_near(&way.to) {
        return way;
    }
    let place = named.iter().filter(|it| !is_near(it)).position(|it| is_same(it, &way.to));
    let near: Vec<&SocketAddrV6> = named.iter().filter(|it| is_near(it)).collect();
    let Some(found) = place.and_then(|place| near.get(place)).or(near.first()) else { return way };
    let to = SocketAddrV6::new(*found.ip(), found.port(), 0, way.from.scope_id());
    Way { to, ..way }
}

/// Whether two addresses are the same but for the scope, which is each host's own affair.
pub(super) fn is_same(left: &SocketAddrV6, right: &SocketAddrV6) -> bool {
    left.ip() == right.ip() && left.port() == right.port()
}
