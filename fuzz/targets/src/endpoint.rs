//! A whole endpoint that hears what an outsider or a lying member sends.

use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

use lcast_proto::config::Config;
use lcast_proto::endpoint::Endpoint;
use lcast_proto::group;
use lcast_proto::io::{Datagram, Input, Link, Output};
use lcast_proto::keys::seal::{Pair, PairSenders};
use lcast_proto::keys::sign::SignatureContext;
use lcast_proto::keys::{Credential, GroupKeys, PacketNumbers};
use lcast_proto::time::Now;
use lcast_proto::wire::header::{HEADER_LEN, Header, PACKET_MAX, PacketKind};
use lcast_proto::wire::id::{ChannelId, SenderId};

use crate::realm::{NOW, realm};

/// Packets that an endpoint may send within the half second of a run, per packet that it heard.
/// A question is answered and acknowledged, a list or roster fetched or given in a few pages.
const OUTPUTS_MAX: usize = 64;

/// Any bytes as datagrams from nobody: never a packet more than without them.
pub(crate) fn outsider(input: &[u8]) {
    let quiet = {
        let mut agent = agent();
        run_on(&mut agent, NOW)
    };
    let mut agent = agent();
    for packet in packets(input) {
        hear(&mut agent, NOW, packet, true);
        hear(&mut agent, NOW, packet, false);
    }
    assert_eq!(run_on(&mut agent, NOW), quiet, "a stranger was answered");
}

/// Frames that a member sealed and signed: whatever they say, the work they cause is bounded.
pub(crate) fn member(input: &[u8]) {
    let mut agent = agent();
    let mut member = Member::new(Arc::clone(&realm().credentials[0]));
    let frames: Vec<&[u8]> = packets(input).collect();
    for frame in &frames {
        if let Some(packet) = member.group_packet(frame) {
            hear(&mut agent, NOW, &packet, true);
        }
    }
    let sent = run_on(&mut agent, NOW);
    assert!(sent <= OUTPUTS_MAX * (frames.len() + 1), "{sent} packets from {}", frames.len());
}

/// The input as packets: two bytes of length (modulo a packet's) before each.
fn packets(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = input;
    std::iter::from_fn(move || {
        let [high, low, tail @ ..] = rest else { return None };
        let length = usize::from(u16::from_be_bytes([*high, *low])) % (PACKET_MAX + 1);
        let (packet, after) = tail.split_at(length.min(tail.len()));
        rest = after;
        Some(packet)
    })
    .take(8)
}

pub(crate) fn address(last: u16, port: u16) -> SocketAddrV6 {
    SocketAddrV6::new(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last), port, 0, 0)
}

fn agent() -> Endpoint {
    let credential = Arc::clone(&realm().credentials[1]);
    let mut agent = Endpoint::new(Config::default(), credential, [7; 32], NOW);
    let link = Link { index: 2, addresses: vec![address(1, 24242)], multicast: true };
    agent.handle_input(NOW, Input::Links(vec![link]));
    drain(&mut agent);
    agent
}

fn hear(agent: &mut Endpoint, now: Now, bytes: &[u8], multicast: bool) {
    let datagram = Datagram {
        from: address(9, 5000),
        local: address(1, 24242),
        multicast,
        waited: Duration::ZERO,
        bytes,
    };
    agent.handle_input(now, Input::Datagram(datagram));
}

/// Lets half a second pass; the packets that it sends.
fn run_on(agent: &mut Endpoint, start: Now) -> usize {
    let mut sent = drain(agent);
    let end = start.instant + Duration::from_millis(500);
    for _ in 0..1000 {
        let Some(at) = agent.poll_timeout().filter(|at| *at <= end) else { break };
        agent.handle_timeout(Now { instant: at.max(start.instant), wall: start.wall });
        sent += drain(agent);
    }
    sent
}

fn drain(agent: &mut Endpoint) -> usize {
    let mut sent = 0;
    while let Some(output) = agent.poll_output() {
        if let Output::Transmit(transmit) = output {
            assert!(transmit.bytes.len() <= PACKET_MAX);
            sent += 1;
        }
    }
    sent
}

/// A member that says what it is told to.
pub(crate) struct Member {
    credential: Arc<Credential>,
    keys: GroupKeys,
    numbers: PacketNumbers,
    channel: ChannelId,
    sender: SenderId,
}

impl Member {
    pub(crate) fn new(credential: Arc<Credential>) -> Self {
        let sender = SenderId::of(&credential.certificate().id(), [3; 9]);
        let realm = *credential.realm();
        let keys = GroupKeys::new(&realm, &credential.epoch().secret, sender);
        let channel = ChannelId::derive(&realm, group::CONTROL);
        Self { credential, keys, numbers: PacketNumbers::new(), channel, sender }
    }

    /// A GROUP packet around a frame; none where it does not fit.
    pub(crate) fn group_packet(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let number = self.numbers.next().ok()?;
        let header = Header {
            kind: PacketKind::Group,
            announcer_is_sender: false,
            key_id: self.keys.key_id(),
            sender: self.sender,
            number,
        };
        let mut packet = vec![0; HEADER_LEN];
        self.push_certificate(&mut packet);
        packet.extend_from_slice(frame);
        let realm = self.credential.realm();
        let context = SignatureContext { realm, header: &header, channel: &self.channel };
        context.sign(self.credential.signing_key(), &mut packet).ok()?;
        self.keys.seal(&header, &self.channel, &mut packet).ok()?;
        Some(packet)
    }

    /// An INTRO packet to a process with this session key, around a frame; none where it does not
    /// fit.
    pub(crate) fn introduction(
        &mut self,
        process: SenderId,
        session: &[u8; 32],
        frame: &[u8],
    ) -> Option<Vec<u8>> {
        let number = self.numbers.next().ok()?;
        let header = Header {
            kind: PacketKind::Intro,
            announcer_is_sender: false,
            key_id: self.keys.key_id(),
            sender: self.sender,
            number,
        };
        let senders = PairSenders { announcer: process, node: self.sender };
        let key = self.credential.agreement_key();
        let mut pair = Pair::node(self.credential.realm(), key, session, senders).ok()?;
        let mut inner = frame.to_vec();
        pair.seal_inner(&header, &self.channel, &mut inner).ok()?;
        let mut packet = vec![0; HEADER_LEN];
        self.push_certificate(&mut packet);
        packet.extend_from_slice(&inner);
        self.keys.seal(&header, &self.channel, &mut packet).ok()?;
        (packet.len() <= PACKET_MAX).then_some(packet)
    }

    fn push_certificate(&self, packet: &mut Vec<u8>) {
        let certificate = self.credential.certificate().bytes();
        let length = u16::try_from(certificate.len()).expect("a certificate is short");
        packet.extend_from_slice(&length.to_be_bytes());
        packet.extend_from_slice(certificate);
    }
}
