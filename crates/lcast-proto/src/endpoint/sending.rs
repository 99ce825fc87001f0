//! Sealing what goes out, and the way it goes.

use std::net::SocketAddrV6;
use std::sync::Arc;

use super::Endpoint;
use crate::group;
use crate::io::{Destination, Output, Transmit};
use crate::keys::seal::{Pair, PairRole, PairSenders, TAG_LEN};
use crate::keys::sign::{SIGNATURE_LEN, SignatureContext};
use crate::question::Way;
use crate::question::answering::ReplyAct;
use crate::time::Now;
use crate::wire::frame::{
    Announcement, Answer, GroupFrame, MESSAGE_MAX, PairFrame, ReplyFrame, clip, is_of_a_process,
};
use crate::wire::header::{HEADER_LEN, Header, PACKET_MAX, PacketKind};
use crate::wire::id::SenderId;

/// Room for a frame in a group packet, beside the sender's certificate.
pub(super) const GROUP_ROOM: usize = PACKET_MAX - HEADER_LEN - TAG_LEN - SIGNATURE_LEN - 2;
/// Room for a frame in a packet for one process.
const PAIR_ROOM: usize = PACKET_MAX - HEADER_LEN - TAG_LEN;
/// Room for a frame in an introduction, beside the sender's certificate.
const INTRO_ROOM: usize = PACKET_MAX - HEADER_LEN - 2 * TAG_LEN - 2;

/// Where a group packet goes besides its group.
#[derive(Clone, Default)]
pub(super) struct Copies {
    pub(super) unicast: Vec<SocketAddrV6>,
    pub(super) neighbours: bool,
    /// Whether these copies are all: nothing goes to the group.
    pub(super) alone: bool,
}

impl Endpoint {
    /// What signed packets tell about this process.
    pub(super) fn announcement(&self, now: Now) -> Announcement {
        Announcement {
            session: *self.session.public(),
            addresses: self.addresses(),
            members_version: self.roster.members().version(),
            wall: now.wall,
        }
    }

    /// Signs and seals a frame for everybody, and sends it: copies first, since they open the
    /// firewalls that the answers to the group packet come through. How many packets that made, or
    /// `None` when it could not be sealed: the packet numbers are used up. [SEC-10]
    pub(super) fn send_group(&mut self, frame: &GroupFrame, copies: Copies) -> Option<u32> {
        let bytes = self.seal_group(&frame.encode())?;
        let before = self.stats.sent;
        for to in copies.unicast {
            self.transmit(Destination::Unicast(to), None, &bytes);
        }
        if copies.neighbours {
            self.transmit(Destination::Neighbours, None, &bytes);
        }
        if !copies.alone {
            self.transmit(Destination::Group(self.control), None, &bytes);
        }
        Some(u32::try_from(self.stats.sent - before).unwrap_or(u32::MAX))
    }

    pub(super) fn seal_group(&mut self, frame: &[u8]) -> Option<Arc<[u8]>> {
        let header = self.header(PacketKind::Group, false)?;
        let mut packet = vec![0; HEADER_LEN];
        push_certificate(&mut packet, self.own.bytes());
        packet.extend_from_slice(frame);
        let realm = self.credential.realm();
        let context = SignatureContext { realm, header: &header, channel: &self.channel };
        context.sign(self.credential.signing_key(), &mut packet).ok()?;
        self.group_keys.seal(&header, &self.channel, &mut packet).ok()?;
        Some(packet.into())
    }

    fn header(&mut self, kind: PacketKind, announcer_is_sender: bool) -> Option<Header> {
        Some(Header {
            kind,
            announcer_is_sender,
            key_id: self.group_keys.key_id(),
            sender: self.sender,
            number: self.numbers.next().ok()?,
        })
    }

    /// Whether anything may go to this address: one of another process, and in reach. [WIR-5]
    pub(super) fn may_send_to(&self, address: &SocketAddrV6) -> bool {
        let mut own = self.links.iter().flat_map(|link| &link.addresses);
        is_of_a_process(address)
            && (!address.ip().is_loopback() || own.any(|own| own.ip().is_loopback()))
    }

    pub(super) fn transmit(
        &mut self,
        to: Destination,
        source: Option<SocketAddrV6>,
        bytes: &Arc<[u8]>,
    ) {
        // Whatever a member announced, or told of others: see [WIR-5].
        if matches!(&to, Destination::Unicast(address) if !self.may_send_to(address)) {
            return;
        }
        self.stats.sent += 1;
        let transmit = Transmit { to, source, bytes: bytes.clone() };
        self.outputs.push_back(Output::Transmit(transmit));
    }

    /// Sends the answer to a question.
    pub(super) fn send_reply(&mut self, now: Now, reply: ReplyAct) {
        let (answer, watched) = match &reply.answer {
            Answer::Watched(_, answer) => (&**answer, true),
            answer => (answer, false),
        };
        // Its pages are going to be asked for at once.
        let has_pages = matches!(answer, Answer::Announced(_));
        // Who watches is told values later, where there are none yet.
        let with_schema =
            watched || matches!(answer, Answer::Values(_) | Answer::Announced(_) | Answer::Here);
        let frame = fitting(ReplyFrame {
            request: reply.request,
            answer: reply.answer,
            schema: with_schema.then(|| self.schemas.own(&self.table, &self.policy).0),
            members_version: self.roster.members().version(),
            software: self.config.software.clone(),
        });
        if let Some(peer) = self.peers.peer_mut(&reply.to) {
            peer.used = now.instant;
            if peer.way.is_some() {
                peer.way = Some(reply.way);
            }
        }
        let group = reply.by_group.then_some(reply.to);
        self.send_pair(reply.to, &frame, reply.introduce, group);
        if has_pages {
            self.demand_proof(now, reply.to);
        }
    }

    /// Sends a frame to a process that this one has met; with this node's certificate when it may
    /// lack it, and to the reply group of `group` as well.
    pub(super) fn send_pair(
        &mut self,
        to: SenderId,
        frame: &PairFrame,
        introduce: bool,
        group: Option<SenderId>,
    ) {
        if to == self.sender {
            self.to_self.push_back(frame.clone());
            return;
        }
        if let Some(way) = self.peers.peer(&to).and_then(|peer| peer.way) {
            self.send_pair_by(way, to, frame, introduce, group);
        }
    }

    /// The same, by this way.
    pub(super) fn send_pair_by(
        &mut self,
        way: Way,
        to: SenderId,
        frame: &PairFrame,
        introduce: bool,
        group: Option<SenderId>,
    ) {
        let Some(peer) = self.peers.peer(&to) else { return };
        let role = if peer.session.is_some() { PairRole::Node } else { PairRole::Announcer };
        let introduce = role == PairRole::Node && (introduce || !peer.introduced);
        let bytes = frame.encode();
        if introduce {
            let room = INTRO_ROOM - self.own.bytes().len();
            let fits = bytes.len() <= room;
            // What does not fit beside the certificate follows it in a packet of its own.
            let first = if fits { bytes.clone() } else { PairFrame::Pong(0).encode() };
            self.send_intro(to, way, &first, group);
            if fits {
                return;
            }
        }
        let Some(header) = self.header(PacketKind::Pair, role == PairRole::Announcer) else {
            return;
        };
        let mut packet = vec![0; HEADER_LEN];
        packet.extend_from_slice(&bytes);
        let channel = self.channel;
        let Some(pair) = self.pair(&to, role) else { return };
        if pair.seal(&header, &channel, &mut packet).is_ok() {
            self.transmit_both(way, group, &packet.into());
        }
    }

    fn send_intro(&mut self, to: SenderId, way: Way, frame: &[u8], group: Option<SenderId>) {
        let Some(header) = self.header(PacketKind::Intro, false) else { return };
        let channel = self.channel;
        let Some(pair) = self.pair(&to, PairRole::Node) else { return };
        let mut inner = frame.to_vec();
        if pair.seal_inner(&header, &channel, &mut inner).is_err() {
            return;
        }
        let mut packet = vec![0; HEADER_LEN];
        push_certificate(&mut packet, self.own.bytes());
        packet.extend_from_slice(&inner);
        if self.group_keys.seal(&header, &channel, &mut packet).is_err() {
            return;
        }
        if let Some(peer) = self.peers.peer_mut(&to) {
            peer.introduced = true;
        }
        self.transmit_both(way, group, &packet.into());
    }

    fn transmit_both(&mut self, way: Way, group: Option<SenderId>, bytes: &Arc<[u8]>) {
        self.transmit(Destination::Unicast(way.to), Some(way.from), bytes);
        if let Some(asker) = group {
            let scope = self.credential.network().scope;
            let address = group::reply_address(self.credential.realm(), scope, &asker);
            self.transmit(Destination::Group(address), None, bytes);
        }
    }

    /// The pairwise keys with a process that this one has met, derived at first use. [SEC-12]
    pub(super) fn pair(&mut self, peer: &SenderId, role: PairRole) -> Option<&mut Pair> {
        let known = self.peers.peer(peer)?;
        let expected = match role {
            PairRole::Announcer => *known.certificate.agreement_key(),
            PairRole::Node => known.session?,
        };
        let current = self.pairs.get(peer, role).is_some_and(|pair| *pair.peer_key() == expected);
        if !current {
            let pair = self.derive(*peer, role, &expected)?;
            self.pairs.insert(*peer, role, pair);
        }
        self.pairs.get(peer, role)
    }

    /// Pairwise keys with a process, from its certified or announced key.
    pub(super) fn derive(&self, peer: SenderId, role: PairRole, key: &[u8; 32]) -> Option<Pair> {
        let realm = self.credential.realm();
        let pair = match role {
            PairRole::Announcer => {
                let senders = PairSenders { announcer: self.sender, node: peer };
                Pair::announcer(realm, &self.session, key, senders)
            }
            PairRole::Node => {
                let senders = PairSenders { announcer: peer, node: self.sender };
                Pair::node(realm, self.credential.agreement_key(), key, senders)
            }
        };
        pair.ok()
    }
}

/// The reply, short enough for a packet. What became of many settings loses its messages, then the
/// versions; names and outcomes fit, since the question had room for more than those.
fn fitting(mut reply: ReplyFrame) -> PairFrame {
    if !matches!(reply.answer, Answer::Set(_)) {
        return PairFrame::Reply(reply);
    }
    for length_max in MESSAGE_LENGTHS {
        if let Answer::Set(results) = &mut reply.answer {
            for result in results {
                result.message.truncate(clip(&result.message, length_max).len());
            }
        }
        let frame = PairFrame::Reply(reply.clone());
        if frame.encode().len() <= PAIR_ROOM {
            return frame;
        }
    }
    if let Answer::Set(results) = &mut reply.answer {
        results.iter_mut().for_each(|result| result.version = None);
    }
    PairFrame::Reply(reply)
}

/// How long the messages of one reply may be, in bytes: the first length that fits.
const MESSAGE_LENGTHS: [usize; 5] = [MESSAGE_MAX, 100, 50, 25, 0];

/// A certificate behind its length in two bytes. [WIR-4]
fn push_certificate(packet: &mut Vec<u8>, certificate: &[u8]) {
    let length = u16::try_from(certificate.len()).expect("certificates have at most 420 bytes");
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(certificate);
}
