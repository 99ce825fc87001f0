//! One endpoint through a long life among members who say what they like.
//!
//! For: the order of things. [`endpoint`](crate::endpoint) hears a few frames at one moment; here
//! time passes between them, the endpoint asks, watches and is answered by whom it asked, packets
//! come again or damaged, links go, and the shell answers late, wrongly or never. Whatever comes,
//! in whatever order: no panic, no spinning, bounded work for each step, nothing beyond its limit.
//! An input is a byte that says who the endpoint is, and then steps: a byte each for what it is,
//! and what that takes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use lcast_proto::config::Config;
use lcast_proto::endpoint::Endpoint;
use lcast_proto::io::{Datagram, Event, Input, Link, Output};
use lcast_proto::keys::sign::SignatureContext;
use lcast_proto::keys::{GroupKeys, SessionKey};
use lcast_proto::question::values::encode_value;
use lcast_proto::question::watched::topic;
use lcast_proto::question::{Ask, QuestionId, SampleId, SetId, SetRequest, Verb, WatchRequest};
use lcast_proto::random::Random;
use lcast_proto::time::Now;
use lcast_proto::value::Value;
use lcast_proto::variable::{Assigned, Entry, Version};
use lcast_proto::wire::frame::{
    Answer, Blob, GroupFrame, PageFrame, PairFrame, ReplyFrame, split_certificate,
};
use lcast_proto::wire::header::{Header, PACKET_MAX, PacketKind};
use lcast_proto::wire::id::{ChannelId, SenderId};
use lcast_proto::wire::watch::{Change, ChangeFrame, TopicId};
use lcast_sim::oracle::grown;

use crate::endpoint::{Member, address};
use crate::realm::{NOW, realm};
use crate::select::make_table;

/// Steps; the rest of an input is not looked at.
const STEPS_MAX: usize = 64;
/// Packets that one step may draw. Half a second's worth of pages, and what else was due.
const OUTPUTS_MAX: usize = 4_000;
/// Deadlines of one step: an endpoint that wants to be called more often spins.
const WAKES_MAX: u32 = 2_000;
/// Packets that may come again.
const HEARD_MAX: usize = 16;
/// Changes that members tell in rows; more come one by one. Each is sealed, or even signed.
const ROWS_MAX: usize = 512;
/// What the endpoint's identity is drawn from.
const SEED: [u8; 32] = [7; 32];

/// Lives the life of an input.
pub(crate) fn sequence(input: &[u8]) {
    let Some((who, steps)) = input.split_first() else { return };
    let mut life = Life::begin(usize::from(who % 2));
    let mut steps = Steps(steps);
    for _ in 0..STEPS_MAX {
        if steps.0.is_empty() {
            break;
        }
        life.step(&mut steps);
    }
    life.pass(Duration::from_secs(5));
}

/// What is left of an input.
struct Steps<'a>(&'a [u8]);

impl<'a> Steps<'a> {
    /// The next byte; 0 at the end.
    fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *byte
    }

    /// So many bytes as the next two say, or what is left.
    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(u16::from_be_bytes([self.byte(), self.byte()]));
        let (bytes, rest) = self.0.split_at((length % (PACKET_MAX + 1)).min(self.0.len()));
        self.0 = rest;
        bytes
    }
}

struct Life {
    endpoint: Endpoint,
    now: Now,
    /// The other two members.
    members: [Member; 2],
    /// Opens what the endpoint sends to all.
    keys: GroupKeys,
    channel: ChannelId,
    session: SessionKey,
    /// What was heard last.
    heard: VecDeque<(Vec<u8>, bool)>,
    /// The request numbers of what the endpoint asked last.
    requests: VecDeque<u64>,
    /// What the endpoint began to watch last.
    topics: VecDeque<TopicId>,
    /// How many changes may still come in rows.
    rows: usize,
    samples: Vec<SampleId>,
    sets: Vec<SetId>,
    asked: u64,
}

impl Life {
    /// The life of the asker or of an agent.
    fn begin(who: usize) -> Self {
        let credentials = &realm().credentials;
        let own = Arc::clone(&credentials[who]);
        let mut random = Random::from_seed(SEED);
        let sender = SenderId::of(&own.certificate().id(), random.bytes());
        let session = SessionKey::from_seed(random.bytes()).expect("any seed is a session key");
        let mut endpoint = Endpoint::new(Config::default(), own, SEED, NOW);
        assert_eq!(endpoint.sender(), sender, "the session key is drawn in another way");
        endpoint.change(|it| *it = make_table());
        let others = [1 - who, 2].map(|index| Member::new(Arc::clone(&credentials[index])));
        let realm = credentials[who].realm();
        let nobody = SenderId([0xff; 12]);
        let mut life = Self {
            keys: GroupKeys::new(realm, &credentials[who].epoch().secret, nobody),
            channel: ChannelId::derive(realm, lcast_proto::group::CONTROL),
            endpoint,
            now: NOW,
            members: others,
            session,
            heard: VecDeque::new(),
            requests: VecDeque::new(),
            topics: VecDeque::new(),
            rows: ROWS_MAX,
            samples: Vec::new(),
            sets: Vec::new(),
            asked: 0,
        };
        life.link(true);
        life
    }

    fn step(&mut self, steps: &mut Steps<'_>) {
        let what = steps.byte();
        let member = usize::from(what >> 7);
        let multicast = what & 0x40 == 0;
        match what % 16 {
            0 | 1 => {
                let packet = self.members[member].group_packet(steps.bytes());
                packet.into_iter().for_each(|it| self.hear(it, multicast));
            }
            2 => self.tell(member, steps.bytes(), multicast),
            3 => self.hear(steps.bytes().to_vec(), multicast),
            4 | 5 => {
                let frame = self.answer(steps);
                self.tell(member, &frame.encode(), multicast);
            }
            6 => self.again(steps.byte(), steps.byte(), multicast),
            7 | 8 => self.ask(steps.byte()),
            9 => self.input(Input::Cancel(QuestionId(u64::from(steps.byte()) % 16))),
            10 => self.shell(steps.byte()),
            11 => self.link(steps.byte() & 1 == 0),
            12 => {
                let count = i64::from(steps.byte());
                let name = "app.count".parse().expect("a name");
                let update = lcast_proto::variable::Update {
                    name,
                    value: Value::Int(count),
                    time: None,
                    version: None,
                };
                let now = self.now;
                let changed = self.endpoint.change(|table| table.update(now, update));
                changed.expect("the value fits its definition");
            }
            13 => self.odd(steps.byte()),
            15 => self.change(member, steps, multicast),
            _ => {
                let long = steps.byte();
                let micros = (16 + u64::from(long & 15)) << (long >> 3).min(19);
                self.pass(Duration::from_micros(micros));
            }
        }
        self.pass(Duration::ZERO);
    }

    /// A member tells the endpoint alone.
    fn tell(&mut self, member: usize, frame: &[u8], multicast: bool) {
        let (process, session) = (self.endpoint.sender(), *self.session.public());
        let packet = self.members[member].introduction(process, &session, frame);
        packet.into_iter().for_each(|it| self.hear(it, multicast));
    }

    /// An answer to one of the endpoint's questions, or a page of one.
    fn answer(&self, steps: &mut Steps<'_>) -> PairFrame {
        let (which, how) = (steps.byte(), steps.byte());
        let place = usize::from(which) % self.requests.len().max(1);
        let request = self.requests.get(place).copied().unwrap_or(77);
        let number = u64::from(how >> 4);
        let values = |steps: &mut Steps<'_>| Answer::Values(steps.bytes().to_vec());
        let answer = match how & 15 {
            0 => Answer::Here,
            1 => Answer::Pending,
            2 => Answer::Announced(900 * u32::from(how >> 4) + 1),
            3 => Answer::Empty(how >> 4),
            4 => Answer::Error(how >> 4, "no".to_owned()),
            5 => Answer::Refused(how >> 4, "no".to_owned()),
            6 => Answer::Stated(number),
            7 => Answer::Watched(number, Box::new(values(steps))),
            8 => Answer::Watched(number, Box::new(Answer::Announced(2_000))),
            9 => Answer::Set(Vec::new()),
            10..=12 => {
                let blob = match how & 3 {
                    0 => Blob::Schema([9; 16]),
                    1 => Blob::Members(number),
                    _ => Blob::Reply(request),
                };
                let (index, total) = (u32::from(steps.byte()), u32::from(steps.byte()) * 32);
                return PairFrame::Page(PageFrame {
                    blob,
                    index,
                    total,
                    bytes: steps.bytes().to_vec(),
                });
            }
            _ => values(steps),
        };
        let schema = (which & 0x80 != 0).then_some([9; 16]);
        let members_version = 1 + u64::from(which >> 6 & 1);
        let software = "1.2.3".into();
        PairFrame::Reply(ReplyFrame { request, answer, schema, members_version, software })
    }

    /// A member says what has changed of what the endpoint watches: one message, or some in a row.
    fn change(&mut self, member: usize, steps: &mut Steps<'_>, multicast: bool) {
        let (which, how, number) = (steps.byte(), steps.byte(), u64::from(steps.byte()));
        let place = usize::from(which) % self.topics.len().max(1);
        let topic = self.topics.get(place).copied().unwrap_or(TopicId([7; 8]));
        let change = match how & 3 {
            0 => {
                let gone = ["app.count", "app.gone"].map(str::to_owned);
                let count = usize::from(which >> 6) % 3;
                Change::Values(self.values(steps), gone[..count].to_vec())
            }
            1 => Change::Entered(self.values(steps)),
            2 => Change::Left(which >> 4),
            _ => Change::Much,
        };
        // The last numbers that there are, or such as answers state.
        let first = if how & 4 == 0 { number } else { u64::MAX - number };
        let count = (1 << (how >> 5)).min(self.rows.max(1));
        self.rows -= count.min(self.rows);
        for after in 0..count {
            let number = first.saturating_add(after as u64);
            let frame = ChangeFrame { topic, number, change: change.clone() };
            if how & 8 == 0 {
                self.tell(member, &PairFrame::Change(frame).encode(), multicast);
            } else {
                let packet = self.members[member].group_packet(&GroupFrame::Change(frame).encode());
                packet.into_iter().for_each(|it| self.hear(it, multicast));
            }
        }
    }

    /// Bytes for values, or where there are none a value as it should be, of whatever version.
    fn values(&self, steps: &mut Steps<'_>) -> Vec<u8> {
        let mut bytes = steps.bytes().to_vec();
        if bytes.is_empty() {
            let (version, revision) = (steps.byte(), steps.byte());
            let (incarnation, counter) = (u64::from(version >> 6), u64::from(version & 63));
            let entry = Entry {
                value: Value::Int(i64::from(revision)),
                time: self.now.wall,
                read_at: self.now.instant,
                version: Version { incarnation, counter },
                revision: u64::from(revision),
            };
            let name = "app.count".parse().expect("a name");
            encode_value(self.now.instant, &name, &entry, &mut bytes);
        }
        bytes
    }

    /// Something that was heard comes again, a bit of it changed or not.
    fn again(&mut self, which: u8, how: u8, multicast: bool) {
        let place = usize::from(which) % self.heard.len().max(1);
        let Some((mut packet, _)) = self.heard.get(place).cloned() else { return };
        let end = packet.len();
        if how & 1 == 1 && end > 0 {
            packet[usize::from(how) * 4 % end] ^= 1 << (how >> 5);
        }
        self.hear(packet, multicast);
    }

    fn hear(&mut self, packet: Vec<u8>, multicast: bool) {
        let (from, local) = (address(9, 5000), address(1, 24242));
        let datagram = Datagram { from, local, multicast, waited: Duration::ZERO, bytes: &packet };
        self.input(Input::Datagram(datagram));
        self.heard.push_front((packet, multicast));
        self.heard.truncate(HEARD_MAX);
    }

    fn ask(&mut self, how: u8) {
        let patterns = vec!["app".parse().expect("a pattern")];
        let verb = match how & 7 {
            0 => Verb::Ping,
            1 => Verb::Schema,
            2 => Verb::Set(SetRequest {
                assignments: vec![(
                    "app.greeting".parse().expect("a name"),
                    Assigned::Text("hello".to_owned()),
                )],
                if_version: None,
                dry_run: how & 8 == 0,
            }),
            3 | 4 => Verb::Watch(WatchRequest {
                patterns,
                every: (how & 8 == 0).then(|| Duration::from_millis(100)),
                delta: (how & 16 != 0).then_some(5.0),
            }),
            _ => Verb::Get(patterns),
        };
        self.asked += 1;
        let mut ask = Ask::new(verb);
        if how & 32 != 0 {
            ask.only = Some(vec!["web1".to_owned(), "web2".to_owned()]);
        }
        if how & 64 != 0 {
            ask.expect.push("nobody".to_owned());
        }
        self.input(Input::Ask(QuestionId(self.asked), Box::new(ask)));
    }

    /// The shell answers what it was asked for, or what it was not.
    fn shell(&mut self, how: u8) {
        if how & 1 == 0 {
            let id = self.samples.pop().unwrap_or(SampleId(u64::from(how)));
            self.input(Input::Sampled(id));
        } else {
            let id = self.sets.pop().unwrap_or(SetId(u64::from(how)));
            self.input(Input::SetDone(id, Vec::new()));
        }
    }

    fn odd(&mut self, how: u8) {
        match how & 3 {
            0 => self.input(Input::Overrun(u32::from(how))),
            1 => self.input(Input::Ping("web2".to_owned())),
            2 => self.input(Input::Members(realm().credentials[0].members().clone())),
            _ => self.input(Input::Leave),
        }
    }

    fn link(&mut self, there: bool) {
        let link = Link { index: 2, addresses: vec![address(1, 24242)], multicast: true };
        self.input(Input::Links(if there { vec![link] } else { Vec::new() }));
    }

    fn input(&mut self, input: Input<'_>) {
        self.endpoint.handle_input(self.now, input);
        self.drain();
    }

    /// Lets time pass, and what is due meanwhile happen.
    fn pass(&mut self, span: Duration) {
        let end = self.now.instant + span;
        let mut sent = 0;
        for wakes in 0.. {
            let Some(at) = self.endpoint.poll_timeout().filter(|at| *at <= end) else { break };
            assert!(wakes < WAKES_MAX, "it spins");
            self.set_clock(at.max(self.now.instant));
            self.endpoint.handle_timeout(self.now);
            sent += self.drain();
        }
        assert!(sent < OUTPUTS_MAX, "{sent} packets in {span:?}");
        self.set_clock(end);
    }

    fn set_clock(&mut self, instant: lcast_proto::time::Instant) {
        let passed = instant.since(self.now.instant);
        self.now = Now { instant, wall: self.now.wall.saturating_add(passed) };
    }

    fn drain(&mut self) -> usize {
        let mut sent = 0;
        while let Some(output) = self.endpoint.poll_output() {
            sent += 1;
            match output {
                Output::Transmit(transmit) => {
                    assert!(transmit.bytes.len() <= PACKET_MAX);
                    self.note_request(&transmit.bytes);
                }
                Output::Event(Event::Sample(id, _)) => self.samples.push(id),
                Output::Event(Event::Set(id, _)) => self.sets.push(id),
                Output::Event(_) | Output::Join(_) | Output::Leave(_) => {}
            }
        }
        assert!(sent < OUTPUTS_MAX, "{sent} outputs at once");
        if let Some(what) = grown(&self.endpoint) {
            panic!("it keeps {what}");
        }
        sent
    }

    /// Takes the request number, and what it watches, out of a question that the endpoint sends to
    /// all.
    fn note_request(&mut self, bytes: &[u8]) {
        let header = Header::parse(bytes).expect("it sends packets");
        if header.kind != PacketKind::Group {
            return;
        }
        let mut packet = bytes.to_vec();
        let opened = self.keys.open(&header, &self.channel, &mut packet);
        let body = opened.expect("it seals for its realm");
        let (_, rest) = split_certificate(body).expect("it brings its certificate");
        let (frame, _) = SignatureContext::split(rest).expect("it signs");
        let frame = GroupFrame::decode(frame).expect("it sends frames");
        let GroupFrame::Question(question) = frame else { return };
        if !self.requests.contains(&question.request) {
            self.requests.push_front(question.request);
            self.requests.truncate(HEARD_MAX);
            if question.watch.is_some() {
                self.topics.push_front(topic(&question));
                self.topics.truncate(HEARD_MAX);
            }
        }
    }
}
