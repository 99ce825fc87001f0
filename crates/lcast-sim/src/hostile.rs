//! Those who wish the realm ill: a member that lies, and an outsider on the same link.
//!
//! A [`Hostile`] sits at a node of its own without an endpoint, hears every packet of every group,
//! and answers what it hears with forgeries. With a credential it is a lying member: it seals
//! garbage properly, signs in others' names, announces what it never delivers. Without one it is an
//! outsider: it replays, flips bits, truncates and forges headers. The oracles then hold the
//! others to their promises: no honest node is reported wrongly, no outsider is answered.

use std::net::SocketAddrV6;
use std::sync::Arc;
use std::time::Duration;

use lcast_proto::io::Destination;
use lcast_proto::keys::seal::{Pair, PairSenders};
use lcast_proto::keys::sign::SignatureContext;
use lcast_proto::keys::{Certificate, Credential, GroupKeys, PacketNumbers, SessionKey};
use lcast_proto::question::watched;
use lcast_proto::time::Timestamp;
use lcast_proto::wire::frame::{
    Announcement, Answer, BeaconFrame, Blob, GroupFrame, PageFrame, PairFrame, PullFrame,
    QuestionFrame, Record, ReplyFrame, SuspectFrame,
};
use lcast_proto::wire::header::{HEADER_LEN, Header, PACKET_MAX, PacketKind};
use lcast_proto::wire::id::{ChannelId, NodeId, SenderId};
use lcast_proto::wire::watch::{Change, ChangeFrame, WatchTerms};

use crate::net::{Packet, Sent, flip_bit};
use crate::queue::Time;
use crate::random::Random;
use crate::tap::{Asker, Party, Tap};
use crate::world::script::Forgery;

/// Somebody who wishes the realm ill.
pub struct Hostile {
    address: SocketAddrV6,
    forger: Option<Forger>,
    random: Random,
    heard: Vec<Arc<Sent>>,
    victims: Vec<SocketAddrV6>,
    spent: (Time, u32),
    silent: bool,
}

/// What a lying member needs to seal its lies.
struct Forger {
    credential: Arc<Credential>,
    keys: GroupKeys,
    numbers: PacketNumbers,
    process: Asker,
    channel: ChannelId,
    tap: Tap,
    /// Asking processes, with the session keys and requests they announced.
    askers: Vec<(SenderId, [u8; 32], u64, SocketAddrV6)>,
    /// Its own certificate, and those of others, cut out of their packets; with a sender id each.
    certificates: Vec<(Vec<u8>, SenderId)>,
    /// Whose they are, and the processes that sent them.
    processes: Vec<(NodeId, SenderId)>,
    /// Questions of others.
    questions: Vec<QuestionFrame>,
}

/// Packets that a hostile host remembers for replays.
const HEARD_MAX: usize = 64;
/// Forgeries that it sends in any [`SPELL`].
const FORGERIES_MAX: u32 = 40;
/// The time over which forgeries are counted.
const SPELL: Duration = Duration::from_millis(50);

impl Hostile {
    /// A hostile host at this address; with a credential it is a member.
    pub fn new(address: SocketAddrV6, credential: Option<Arc<Credential>>, seed: u64) -> Self {
        let mut random = Random::new(seed, "hostile");
        let forger = credential.map(|credential| Forger::new(credential, &mut random));
        let (heard, victims) = (Vec::new(), Vec::new());
        Self { address, forger, random, heard, victims, spent: (Time::ZERO, 0), silent: false }
    }

    /// It does nothing from then on.
    pub(crate) fn fall_silent(&mut self) {
        self.silent = true;
    }

    /// The process that a lying member is.
    pub(crate) fn party(&self) -> Option<Party<'_>> {
        self.forger.as_ref().map(|it| (&*it.credential, &it.process))
    }

    /// What it does about a packet that it heard.
    pub fn react(&mut self, now: Time, packet: &Packet) -> Vec<Forgery> {
        if self.silent {
            return Vec::new();
        }
        self.remember(packet);
        if now.saturating_sub(self.spent.0) > SPELL {
            self.spent = (now, 0);
        }
        let mut forgeries = Vec::new();
        for _ in 0..self.random.below(4) {
            if self.spent.1 >= FORGERIES_MAX {
                break;
            }
            self.spent.1 += 1;
            forgeries.extend(self.outsider_trick(packet));
            let wall = crate::realm::BEGIN.saturating_add(now);
            let Some(forger) = self.forger.as_mut() else { continue };
            let bytes = forger.trick(wall, &mut self.random);
            let source = self.random.chance(0.3).then(|| pick(&self.victims, &mut self.random));
            let to = match self.random.below(3) {
                0 => way_of(&packet.sent),
                1 => Destination::Unicast(packet.sent.from),
                _ => pick(&self.victims, &mut self.random)
                    .map_or(Destination::Unicast(packet.sent.from), Destination::Unicast),
            };
            let bytes: Option<Arc<[u8]>> = bytes.map(Into::into);
            forgeries.extend(bytes.map(|bytes| Forgery { source: source.flatten(), to, bytes }));
        }
        forgeries
    }

    fn remember(&mut self, packet: &Packet) {
        if self.heard.len() < HEARD_MAX {
            self.heard.push(packet.sent.clone());
        } else {
            let place = self.random.index(HEARD_MAX);
            self.heard[place] = packet.sent.clone();
        }
        let known = packet.sent.from == self.address || self.victims.contains(&packet.sent.from);
        if !known && self.victims.len() < HEARD_MAX {
            self.victims.push(packet.sent.from);
        }
        if let Some(forger) = self.forger.as_mut() {
            forger.learn(packet);
        }
    }

    /// What anybody can do who hears packets: replay, re-source, damage.
    fn outsider_trick(&mut self, packet: &Packet) -> Option<Forgery> {
        let random = &mut self.random;
        let old = &self.heard[random.index(self.heard.len())];
        let to = match random.below(3) {
            0 => Destination::Unicast(packet.sent.from),
            1 => Destination::Unicast(pick(&self.victims, random)?),
            _ => way_of(old),
        };
        let (source, bytes) = match random.below(7) {
            0 => (None, old.payload.bytes.clone()),
            1 => (Some(old.from), old.payload.bytes.clone()),
            2 => (pick(&self.victims, random), old.payload.bytes.clone()),
            3 => (Some(old.from), flip_bit(&old.payload.bytes, random)),
            4 => (None, old.payload.bytes[..random.index(old.payload.bytes.len())].into()),
            5 => (Some(old.from), forge_header(&old.payload.bytes, random)),
            _ => {
                let length = random.index(PACKET_MAX);
                (None, random.bytes(length).into())
            }
        };
        Some(Forgery { source, to, bytes })
    }
}

impl Forger {
    fn new(credential: Arc<Credential>, random: &mut Random) -> Self {
        let realm = *credential.realm();
        let seed = random.seed();
        let drawn = std::array::from_fn(|index| seed[index]);
        let sender = SenderId::of(&credential.certificate().id(), drawn);
        let session = SessionKey::from_seed(random.seed()).expect("any seed makes a session key");
        Self {
            keys: GroupKeys::new(&realm, &credential.epoch().secret, sender),
            numbers: PacketNumbers::new(),
            process: Asker { sender, session },
            channel: ChannelId::derive(&realm, "control"),
            tap: Tap::new(&credential),
            askers: Vec::new(),
            certificates: vec![(credential.certificate().bytes().to_vec(), sender)],
            processes: Vec::new(),
            questions: Vec::new(),
            credential,
        }
    }

    /// Takes from a packet what any member can read in it.
    fn learn(&mut self, packet: &Packet) {
        let Some((certificate, frame)) = self.tap.open(&packet.sent.payload.bytes) else { return };
        let Ok(header) = Header::parse(&packet.sent.payload.bytes) else { return };
        let known = self.certificates.iter().any(|(it, _)| *it == certificate);
        if self.certificates.len() < HEARD_MAX && !known {
            let (authority, realm) = (self.credential.authority(), self.credential.realm());
            if let Ok(verified) = Certificate::verify(&certificate, authority, realm) {
                self.processes.push((verified.id(), header.sender));
            }
            self.certificates.push((certificate, header.sender));
        }
        let Some(GroupFrame::Question(question)) = frame else { return };
        let session = question.announcement.session;
        self.askers.push((header.sender, session, question.request, packet.sent.from));
        if self.askers.len() > HEARD_MAX {
            self.askers.remove(0);
        }
        if self.questions.len() < HEARD_MAX {
            self.questions.push(*question);
        }
    }

    /// A lie, sealed as a member can.
    fn trick(&mut self, wall: Timestamp, random: &mut Random) -> Option<Vec<u8>> {
        match random.below(12) {
            11 => {
                let frame = self.suspicion(wall, random)?.encode();
                self.group(&frame, false, random)
            }
            9 | 10 => {
                let frame = GroupFrame::Change(self.change(random)?).encode();
                let stolen = random.chance(0.5);
                self.group(&frame, stolen, random)
            }
            8 => {
                let frame = self.question(random)?.encode();
                self.group(&frame, false, random)
            }
            0 => {
                let length = random.index(600);
                let garbage = random.bytes(length);
                self.group(&garbage, false, random)
            }
            1 => {
                let frame = self.beacon(wall, random).encode();
                self.group(&frame, false, random)
            }
            2 => {
                let frame = self.beacon(wall, random).encode();
                self.group(&frame, true, random)
            }
            3 => {
                let length = random.index(600);
                let garbage = random.bytes(length);
                self.pair(&garbage, false, random)
            }
            4 => {
                let frame = self.pair_frame(random).encode();
                self.pair(&frame, true, random)
            }
            _ => {
                let frame = self.pair_frame(random).encode();
                self.pair(&frame, false, random)
            }
        }
    }

    /// A beacon with something wrong about it.
    fn beacon(&self, wall: Timestamp, random: &mut Random) -> GroupFrame {
        let odd = [0, 1, u64::from(u32::MAX), u64::MAX];
        let elsewhere = self.askers.first().map(|asker| asker.3);
        GroupFrame::Beacon(BeaconFrame {
            announcement: Announcement {
                session: *self.process.session.public(),
                addresses: elsewhere.into_iter().collect(),
                members_version: odd[random.index(odd.len())],
                wall,
            },
            interval: Duration::from_millis(odd[random.index(3)]),
            leaving: random.chance(0.5),
            software: "lie".into(),
        })
    }

    /// The claim that somebody is silent who speaks.
    fn suspicion(&self, wall: Timestamp, random: &mut Random) -> Option<GroupFrame> {
        let (node, process) = pick(&self.processes, random)?;
        let announcement = Announcement {
            session: *self.process.session.public(),
            addresses: Vec::new(),
            members_version: 0,
            wall,
        };
        Some(GroupFrame::Suspect(SuspectFrame { announcement, node, process }))
    }

    /// Somebody's question in its own name, with something wrong about it. That the reply
    /// addresses stay those of the asker makes it a try to have a victim flooded.
    fn question(&self, random: &mut Random) -> Option<GroupFrame> {
        let mut question = self.questions.get(random.index(self.questions.len()))?.clone();
        let odd = [0, 1, 1_000, u64::from(u32::MAX)];
        question.announcement.session = *self.process.session.public();
        if random.chance(0.5) {
            question.request = random.number();
        }
        question.round = u16::try_from(odd[random.index(3)]).unwrap_or(0);
        question.window = Duration::from_millis(odd[random.index(odd.len())]);
        question.remaining = Duration::from_millis(odd[random.index(odd.len())]);
        question.by_group = random.chance(0.5);
        let odd = odd.map(Duration::from_millis);
        if question.watch.is_some() || random.chance(0.2) {
            let every = random.chance(0.5).then(|| odd[random.index(odd.len())]);
            let delta = random.chance(0.5).then_some(f64::MIN_POSITIVE);
            question.watch = Some(WatchTerms {
                lease: odd[random.index(odd.len())],
                every,
                delta,
                renewal: random.chance(0.5),
            });
        }
        Some(GroupFrame::Question(Box::new(question)))
    }

    /// A message about something that somebody watches, with anything in it.
    fn change(&self, random: &mut Random) -> Option<ChangeFrame> {
        let topic = watched::topic(self.questions.get(random.index(self.questions.len()))?);
        let names = vec!["app.ticks".to_owned(), "\u{1b}[2J".to_owned()];
        let length = random.index(400);
        let change = match random.below(5) {
            0 => Change::Values(random.bytes(length), names),
            1 => Change::Values(Vec::new(), names),
            2 => Change::Entered(random.bytes(length)),
            3 => Change::Left(u8::try_from(random.below(4)).unwrap_or(0)),
            _ => Change::Much,
        };
        Some(ChangeFrame { topic, number: odd_number(random), change })
    }

    /// What it pretends to know of somebody else.
    fn record(&self, random: &mut Random) -> Record {
        Record {
            id: pick(&self.processes, random).map_or(NodeId([0; 16]), |(id, _)| id),
            age: Duration::from_millis(random.below(10_000)),
            address: self.askers.first().map(|asker| asker.3),
            interval: Duration::from_millis(random.below(3) * 1_000),
            left: random.chance(0.5),
            gone: random.chance(0.5),
            software: "lie".into(),
        }
    }

    /// A pairwise frame with something wrong about it.
    fn pair_frame(&self, random: &mut Random) -> PairFrame {
        let asked = self.askers.last().map_or(0, |asker| asker.2);
        let request = if random.chance(0.8) { asked } else { random.number() };
        let blobs = [Blob::Reply(request), Blob::Schema([7; 16]), Blob::Members(u64::MAX)];
        let blob = blobs[random.index(blobs.len())];
        let noise = random.bytes(200);
        let answers = [
            Answer::Values(noise.clone()),
            Answer::Announced(u32::MAX),
            Answer::Announced(1),
            Answer::Here,
            Answer::Empty(noise[0]),
            Answer::Error(noise[1], "\u{1b}[2Jlie".to_owned()),
            Answer::Refused(noise[2], String::new()),
            Answer::Set(Vec::new()),
            Answer::Pending,
            Answer::Stated(odd_number(random)),
            Answer::Watched(odd_number(random), Box::new(Answer::Values(Vec::new()))),
            Answer::Watched(odd_number(random), Box::new(Answer::Announced(5_000))),
            Answer::Watched(odd_number(random), Box::new(Answer::Empty(noise[5] % 4))),
        ];
        match random.below(8) {
            6 | 7 => self.change(random).map_or(PairFrame::Pong(0), PairFrame::Change),
            0 => PairFrame::Page(PageFrame {
                blob,
                index: u32::from(noise[3]),
                total: u32::MAX >> (noise[4] % 32),
                bytes: noise,
            }),
            1 => PairFrame::Pull(PullFrame { blob, first: u32::MAX, map: u32::MAX }),
            2 => PairFrame::Roster(vec![self.record(random); 5]),
            3 => PairFrame::Pong(random.number()),
            _ => PairFrame::Reply(ReplyFrame {
                request,
                answer: answers[random.index(answers.len())].clone(),
                schema: random.chance(0.5).then_some([9; 16]),
                members_version: if random.chance(0.5) { u64::MAX } else { 1 },
                software: "lie".into(),
            }),
        }
    }

    /// A group packet; `stolen`: with somebody else's certificate, and mostly its sender id.
    fn group(&mut self, frame: &[u8], stolen: bool, random: &mut Random) -> Option<Vec<u8>> {
        let mut header = self.header(PacketKind::Group, false)?;
        let mut packet = vec![0; HEADER_LEN];
        let place = if stolen { random.index(self.certificates.len()) } else { 0 };
        let (certificate, sender) = &self.certificates[place];
        push_certificate(&mut packet, certificate);
        packet.extend_from_slice(frame);
        let realm = self.credential.realm();
        if place > 0 && random.chance(0.75) {
            header.sender = *sender;
            header.number = random.below(1 << 40);
        }
        let context = SignatureContext { realm, header: &header, channel: &self.channel };
        context.sign(self.credential.signing_key(), &mut packet).ok()?;
        if header.sender == self.process.sender {
            self.keys.seal(&header, &self.channel, &mut packet).ok()?;
        } else {
            let secret = &self.credential.epoch().secret;
            let mut keys = GroupKeys::new(realm, secret, header.sender);
            keys.seal(&header, &self.channel, &mut packet).ok()?;
        }
        Some(packet)
    }

    /// An introduction to an asker; `stolen`: with somebody else's certificate.
    fn pair(&mut self, frame: &[u8], stolen: bool, random: &mut Random) -> Option<Vec<u8>> {
        let (asker, session, ..) = *self.askers.get(random.index(self.askers.len()))?;
        let header = self.header(PacketKind::Intro, false)?;
        let senders = PairSenders { announcer: asker, node: self.process.sender };
        let key = self.credential.agreement_key();
        let mut pair = Pair::node(self.credential.realm(), key, &session, senders).ok()?;
        let mut inner = frame.to_vec();
        pair.seal_inner(&header, &self.channel, &mut inner).ok()?;
        let mut packet = vec![0; HEADER_LEN];
        let place = if stolen { random.index(self.certificates.len()) } else { 0 };
        push_certificate(&mut packet, &self.certificates[place].0);
        packet.extend_from_slice(&inner);
        self.keys.seal(&header, &self.channel, &mut packet).ok()?;
        Some(packet)
    }

    fn header(&mut self, kind: PacketKind, announcer_is_sender: bool) -> Option<Header> {
        let number = self.numbers.next().ok()?;
        let key_id = self.keys.key_id();
        Some(Header { kind, announcer_is_sender, key_id, sender: self.process.sender, number })
    }
}

/// A number of a message that may be any other's, or the last of all.
fn odd_number(random: &mut Random) -> u64 {
    let odd = [0, 1, u64::MAX - 1, u64::MAX, random.below(2_000_000_000_000)];
    odd[random.index(odd.len())]
}

/// Where a packet of this kind goes when it is sent to all.
fn way_of(sent: &Sent) -> Destination {
    sent.group.map_or(Destination::Unicast(sent.from), Destination::Group)
}

/// The same packet with another header.
fn forge_header(bytes: &[u8], random: &mut Random) -> Arc<[u8]> {
    let mut forged = bytes.to_vec();
    let end = forged.len().min(HEADER_LEN);
    if end > 0 {
        let place = random.index(end);
        forged[place] = random.number().to_le_bytes()[0];
    }
    forged.into()
}

fn pick<T: Copy>(items: &[T], random: &mut Random) -> Option<T> {
    items.get(random.index(items.len())).copied()
}

fn push_certificate(packet: &mut Vec<u8>, certificate: &[u8]) {
    let length = u16::try_from(certificate.len()).unwrap_or(u16::MAX);
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(certificate);
}
