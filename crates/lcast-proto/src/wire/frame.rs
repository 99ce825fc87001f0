//! Frames: what packets carry once they are open.
//!
//! A group packet carries a [`GroupFrame`] beside its sender's certificate, a pairwise packet a
//! [`PairFrame`]. Each is a CBOR map with integer keys; unknown keys are skipped, so that minor
//! versions may add some. Bytes become a frame here once, or are rejected: code beyond `wire` never
//! sees a raw frame. The fields and their limits are in `docs/spec/wire.md` [WIR-1].

use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

use super::cbor::{self, Cbor, CborError, Fields, MapBuilder};
use super::filter::Filter;
use super::id::{NodeId, SenderId};
use super::wanted::{Named, Wanted};
use super::watch::{self, ChangeFrame, WatchTerms};
use crate::time::Timestamp;
use crate::variable::Assigned;

/// The certificate at the front of a body, and what follows it. [WIR-4]
pub fn split_certificate(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = body.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// A frame for everybody.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupFrame {
    /// A question, or an order to write settings.
    Question(Box<QuestionFrame>),
    /// A sign of life.
    Beacon(BeaconFrame),
    /// A change, for more than one watcher.
    Change(ChangeFrame),
    /// The claim that a process does not answer any more.
    Suspect(SuspectFrame),
}

/// What every signed announcement tells about its sender.
#[derive(Clone, Debug, PartialEq)]
pub struct Announcement {
    /// The public half of the session key of the sending process.
    pub session: [u8; 32],
    /// Where the sender is reached by unicast: what else a reply may be sent to is nowhere.
    pub addresses: Vec<SocketAddrV6>,
    /// The version of the member list that the sender holds.
    pub members_version: u64,
    /// The sender's wall clock.
    pub wall: Timestamp,
}

/// A question as it travels.
#[derive(Clone, Debug, PartialEq)]
pub struct QuestionFrame {
    /// Who asks, from where.
    pub announcement: Announcement,
    /// Names the question within the asking process.
    pub request: u64,
    /// Counted up each time it is asked, from 1.
    pub round: u16,
    /// What is wanted: the code of a verb.
    pub verb: VerbCode,
    /// The selector, encoded.
    pub selector: Cbor,
    /// The patterns of a get.
    pub patterns: Vec<String>,
    /// The assignments of a set.
    pub set: Option<SetFrame>,
    /// The terms of a watch.
    pub watch: Option<WatchTerms>,
    /// How long the asker goes on listening.
    pub remaining: Duration,
    /// The time over which replies spread.
    pub window: Duration,
    /// Who shall answer; everybody that the selector picks where there is none.
    pub wanted: Option<Wanted>,
    /// Whether replies shall come by the asker's reply group as well.
    pub by_group: bool,
}

/// What a question wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerbCode {
    /// Values.
    Get = 0,
    /// The schema's hash.
    Schema = 1,
    /// A sign of life.
    Ping = 2,
    /// Settings written.
    Set = 3,
    /// Values, and from then on their changes.
    Watch = 4,
}

/// The settings of a set as they travel.
#[derive(Clone, Debug, PartialEq)]
pub struct SetFrame {
    /// Name; value, or text to be parsed by the declared type.
    pub assignments: Vec<(String, Assigned)>,
    /// The version demanded.
    pub if_version: Option<(u64, u64)>,
    /// Whether to only say what would happen.
    pub dry_run: bool,
}

/// A sign of life.
#[derive(Clone, Debug, PartialEq)]
pub struct BeaconFrame {
    /// Who is there, and where.
    pub announcement: Announcement,
    /// How often it says so.
    pub interval: Duration,
    /// Whether this is goodbye.
    pub leaving: bool,
    /// The version of its software.
    pub software: Arc<str>,
}

/// The claim that a process does not answer any more. It has a second to refute that.
#[derive(Clone, Debug, PartialEq)]
pub struct SuspectFrame {
    /// Who claims it.
    pub announcement: Announcement,
    /// Which node.
    pub node: NodeId,
    /// Which of its processes: a later one is not meant.
    pub process: SenderId,
}

/// A frame for one process.
#[derive(Clone, Debug, PartialEq)]
pub enum PairFrame {
    /// The answer to a question.
    Reply(ReplyFrame),
    /// A wish for pages of something large.
    Pull(PullFrame),
    /// A page of something large.
    Page(PageFrame),
    /// A wish for what the other knows of these members.
    RosterWanted(Filter),
    /// What a member knows of others.
    Roster(Vec<Record>),
    /// A wish for an echo.
    Ping(u64),
    /// The echo.
    Pong(u64),
    /// A change, for one watcher.
    Change(ChangeFrame),
}

/// An answer as it travels.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplyFrame {
    /// The question it belongs to.
    pub request: u64,
    /// The answer.
    pub answer: Answer,
    /// Names the schema of the node.
    pub schema: Option<[u8; 16]>,
    /// The version of the member list that the node holds.
    pub members_version: u64,
    /// The version of its software.
    pub software: Arc<str>,
}

/// The kinds of answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Values, encoded by `question::values`.
    Values(Vec<u8>),
    /// Values too many for a packet: so many bytes, to be pulled as pages.
    Announced(u32),
    /// Here, with nothing more to say: to a ping, or for a schema's hash.
    Here,
    /// Nothing, by this code of `EmptyReason`.
    Empty(u8),
    /// A failure: code and message.
    Error(u8, String),
    /// A refusal: code and message.
    Refused(u8, String),
    /// What became of settings.
    Set(Vec<SetResultFrame>),
    /// At work; the answer comes later.
    Pending,
    /// Watched from here on: the number of the last change message, and the values at that moment
    /// as `Values`, `Announced` or `Empty`.
    Watched(u64, Box<Answer>),
    /// Still watched: the number of the last change message.
    Stated(u64),
}

/// What became of one setting, as it travels.
#[derive(Clone, Debug, PartialEq)]
pub struct SetResultFrame {
    /// The setting.
    pub name: String,
    /// The code of a `SetOutcome`.
    pub outcome: u8,
    /// The version held.
    pub version: Option<(u64, u64)>,
    /// A sentence.
    pub message: String,
}

/// What can be pulled in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blob {
    /// The values announced in reply to this request.
    Reply(u64),
    /// The schema with this hash.
    Schema([u8; 16]),
    /// The member list of this version or a newer one.
    Members(u64),
}

/// A wish for pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullFrame {
    /// Of what.
    pub blob: Blob,
    /// From this page on.
    pub first: u32,
    /// Which of the 32 pages from there: bit 0 is `first`.
    pub map: u32,
}

/// A page.
#[derive(Clone, Debug, PartialEq)]
pub struct PageFrame {
    /// Of what. For members, the version is that of the list the page is of.
    pub blob: Blob,
    /// Which page.
    pub index: u32,
    /// How many bytes the whole has; 0 when there is no such thing (any more).
    pub total: u32,
    /// The bytes: [`PAGE_LEN`] of them, fewer on the last page.
    pub bytes: Vec<u8>,
}

/// Bytes in a page, but for the last.
pub const PAGE_LEN: usize = 900;

/// Most reply addresses in a packet.
pub const ADDRESSES_MAX: usize = 8;

/// Longest message of a failure, a refusal or a setting's outcome, in bytes. [WIR-3]
pub const MESSAGE_MAX: usize = 200;

/// Longest version of a software that nodes tell of themselves or of others, in bytes.
pub const SOFTWARE_MAX: usize = 32;

impl GroupFrame {
    /// What it tells about its sender; a change tells nothing.
    pub fn announcement(&self) -> Option<&Announcement> {
        match self {
            Self::Question(question) => Some(&question.announcement),
            Self::Beacon(beacon) => Some(&beacon.announcement),
            Self::Suspect(suspect) => Some(&suspect.announcement),
            Self::Change(_) => None,
        }
    }

    /// The frame as bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Question(question) => encode_question(question),
            Self::Beacon(beacon) => cbor::encode(
                &announce(MapBuilder::new().field(0, 2), &beacon.announcement)
                    .field(10, millis(beacon.interval))
                    .field(11, beacon.leaving)
                    .field(12, &*beacon.software)
                    .build(),
            ),
            Self::Change(change) => {
                cbor::encode(&watch::encode_change(MapBuilder::new().field(0, 4), change).build())
            }
            Self::Suspect(suspect) => cbor::encode(
                &announce(MapBuilder::new().field(0, 3), &suspect.announcement)
                    .field(10, suspect.node.0.to_vec())
                    .field(11, suspect.process.0.to_vec())
                    .build(),
            ),
        }
    }

    /// The frame in these bytes.
    ///
    /// # Errors
    /// The field that breaks the format.
    pub fn decode(bytes: &[u8]) -> Result<Self, CborError> {
        let fields = &mut Fields::parse(bytes)?;
        match fields.uint(0)? {
            1 => Ok(Self::Question(Box::new(decode_question(fields)?))),
            2 => Ok(Self::Beacon(BeaconFrame {
                announcement: announcement(fields)?,
                interval: Duration::from_millis(fields.uint(10)?),
                leaving: fields.flag(11)?,
                software: short(fields.text(12)?, 12)?.into(),
            })),
            3 => Ok(Self::Suspect(SuspectFrame {
                announcement: announcement(fields)?,
                node: NodeId(fields.fixed(10)?),
                process: SenderId(fields.fixed(11)?),
            })),
            4 => Ok(Self::Change(watch::decode_change(fields)?)),
            _ => Err(CborError::Type(0)),
        }
    }
}

fn announce(map: MapBuilder, announcement: &Announcement) -> MapBuilder {
    let addresses = announcement.addresses.iter().map(encode_address);
    map.field(1, announcement.session.to_vec())
        .field(2, Cbor::Array(addresses.collect()))
        .field(3, announcement.members_version)
        .field(4, announcement.wall.as_millis())
}

fn announcement(fields: &mut Fields) -> Result<Announcement, CborError> {
    let addresses = fields.array(2)?;
    if addresses.len() > ADDRESSES_MAX {
        return Err(CborError::Type(2));
    }
    let addresses: Option<_> = addresses.iter().map(decode_address).collect();
    Ok(Announcement {
        session: fields.fixed(1)?,
        addresses: addresses.ok_or(CborError::Type(2))?,
        members_version: fields.uint(3)?,
        wall: Timestamp::from_millis(fields.int(4)?),
    })
}

/// An address as 18 bytes: address, port. The scope is the receiver's affair.
fn encode_address(address: &SocketAddrV6) -> Cbor {
    let mut bytes = address.ip().octets().to_vec();
    bytes.extend(address.port().to_be_bytes());
    Cbor::Bytes(bytes)
}

fn decode_address(value: &Cbor) -> Option<SocketAddrV6> {
    let bytes: [u8; 18] = value.as_bytes()?.as_slice().try_into().ok()?;
    let [ip @ .., high, low] = bytes;
    let address = SocketAddrV6::new(Ipv6Addr::from(ip), u16::from_be_bytes([high, low]), 0, 0);
    is_of_a_process(&address).then_some(address)
}

/// Whether one process can have this address: no group, nobody's, and none of another family. What
/// is sent elsewhere could reach a whole network. [WIR-5]
pub fn is_of_a_process(address: &SocketAddrV6) -> bool {
    let ip = address.ip();
    let foreign = ip.is_multicast() || ip.is_unspecified() || ip.to_ipv4_mapped().is_some();
    address.port() != 0 && !foreign
}

fn encode_question(question: &QuestionFrame) -> Vec<u8> {
    let mut map = announce(MapBuilder::new().field(0, 1), &question.announcement)
        .field(10, question.request)
        .field(11, question.round)
        .field(12, question.verb as u8)
        .field(13, question.selector.clone());
    if !question.patterns.is_empty() {
        let patterns = question.patterns.iter().map(|it| Cbor::from(it.as_str()));
        map = map.field(14, Cbor::Array(patterns.collect()));
    }
    if let Some(set) = &question.set {
        map = map.field(15, encode_set(set));
    }
    map = map.field(16, millis(question.remaining)).field(17, micros(question.window));
    if let Some(wanted) = &question.wanted {
        map = map.field(18, encode_wanted(wanted));
    }
    if question.by_group {
        map = map.field(19, true);
    }
    if let Some(terms) = &question.watch {
        map = map.field(20, watch::encode_terms(terms));
    }
    cbor::encode(&map.build())
}

fn decode_question(fields: &mut Fields) -> Result<QuestionFrame, CborError> {
    let verb = match fields.uint(12)? {
        0 => VerbCode::Get,
        1 => VerbCode::Schema,
        2 => VerbCode::Ping,
        3 => VerbCode::Set,
        4 => VerbCode::Watch,
        _ => return Err(CborError::Type(12)),
    };
    let patterns = match fields.array_opt(14)? {
        Some(patterns) => texts(&patterns).ok_or(CborError::Type(14))?,
        None => Vec::new(),
    };
    let set = fields.fields_opt(15)?.map(|mut it| decode_set(&mut it)).transpose()?;
    if set.is_some() != (verb == VerbCode::Set) {
        return Err(CborError::Type(15));
    }
    let terms = fields.fields_opt(20)?.map(|mut it| watch::decode_terms(&mut it)).transpose()?;
    if terms.is_some() != (verb == VerbCode::Watch) {
        return Err(CborError::Type(20));
    }
    Ok(QuestionFrame {
        announcement: announcement(fields)?,
        request: fields.uint(10)?,
        round: fields.number(11)?,
        verb,
        selector: fields.take(13).ok_or(CborError::Missing(13))?,
        patterns,
        set,
        watch: terms,
        remaining: Duration::from_millis(fields.uint(16)?),
        window: Duration::from_micros(fields.uint(17)?),
        wanted: fields.take(18).map(|it| decode_wanted(&it, 18)).transpose()?,
        by_group: fields.flag(19)?,
    })
}

fn encode_set(set: &SetFrame) -> Cbor {
    let assignment = |(name, assigned): &(String, Assigned)| {
        let value = match assigned {
            Assigned::Text(text) => Cbor::Array(vec![Cbor::from(text.as_str())]),
            Assigned::Value(value) => cbor::value_to_cbor(value),
        };
        let typed = matches!(assigned, Assigned::Value(_));
        Cbor::Array(vec![Cbor::from(name.as_str()), Cbor::Bool(typed), value])
    };
    let version = set.if_version.map(|(incarnation, counter)| {
        Cbor::Array(vec![Cbor::from(incarnation), Cbor::from(counter)])
    });
    MapBuilder::new()
        .field(1, Cbor::Array(set.assignments.iter().map(assignment).collect()))
        .field_opt(2, version)
        .field(3, set.dry_run)
        .build()
}

fn decode_set(fields: &mut Fields) -> Result<SetFrame, CborError> {
    let assignment = |item: &Cbor| match item.as_array()?.as_slice() {
        [Cbor::Text(name), Cbor::Bool(true), value] => {
            Some((name.clone(), Assigned::Value(cbor::value_from_cbor(value.clone()).ok()?)))
        }
        [Cbor::Text(name), Cbor::Bool(false), Cbor::Array(text)] => match text.as_slice() {
            [Cbor::Text(text)] => Some((name.clone(), Assigned::Text(text.clone()))),
            _ => None,
        },
        _ => None,
    };
    let assignments: Option<Vec<_>> = fields.array(1)?.iter().map(assignment).collect();
    Ok(SetFrame {
        assignments: assignments.filter(|it| !it.is_empty()).ok_or(CborError::Type(15))?,
        if_version: fields.take(2).map(|it| version(&it).ok_or(CborError::Type(15))).transpose()?,
        dry_run: fields.flag(3)?,
    })
}

fn encode_wanted(wanted: &Wanted) -> Cbor {
    match wanted {
        Wanted::Filtered(filter) => encode_filter(filter),
        Wanted::Named(named) => Cbor::Bytes(named.to_bytes()),
    }
}

fn decode_wanted(value: &Cbor, field: i64) -> Result<Wanted, CborError> {
    match value {
        Cbor::Bytes(bytes) => {
            Named::from_bytes(bytes).map(Wanted::Named).ok_or(CborError::Type(field))
        }
        _ => decode_filter(value, field).map(Wanted::Filtered),
    }
}

fn encode_filter(filter: &Filter) -> Cbor {
    Cbor::Array(vec![
        Cbor::from(filter.salt),
        Cbor::from(filter.slice),
        Cbor::from(filter.slices),
        Cbor::Bytes(filter.bits.clone()),
    ])
}

fn decode_filter(value: &Cbor, field: i64) -> Result<Filter, CborError> {
    let parse = || match value.as_array()?.as_slice() {
        [Cbor::Integer(salt), Cbor::Integer(slice), Cbor::Integer(slices), Cbor::Bytes(bits)] => {
            Some(Filter {
                salt: u32::try_from(*salt).ok()?,
                slice: u16::try_from(*slice).ok()?,
                slices: u16::try_from(*slices).ok()?,
                bits: bits.clone(),
            })
        }
        _ => None,
    };
    let sound = |it: &Filter| it.bits.len() <= Filter::BYTES_MAX && it.slice < it.slices.max(1);
    parse().filter(sound).ok_or(CborError::Type(field))
}

impl PairFrame {
    /// The frame as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let map = MapBuilder::new();
        let map = match self {
            Self::Reply(reply) => encode_reply(map.field(0, 1), reply),
            Self::Pull(pull) => {
                blob(map.field(0, 2), &pull.blob).field(3, pull.first).field(4, pull.map)
            }
            Self::Page(page) => blob(map.field(0, 3), &page.blob)
                .field(3, page.index)
                .field(4, page.total)
                .field(5, page.bytes.clone()),
            Self::RosterWanted(filter) => map.field(0, 4).field(1, encode_filter(filter)),
            Self::Roster(records) => {
                map.field(0, 5).field(1, Cbor::Array(records.iter().map(encode_record).collect()))
            }
            Self::Ping(token) => map.field(0, 6).field(1, *token),
            Self::Pong(token) => map.field(0, 7).field(1, *token),
            Self::Change(change) => watch::encode_change(map.field(0, 8), change),
        };
        cbor::encode(&map.build())
    }

    /// The frame in these bytes.
    ///
    /// # Errors
    /// The field that breaks the format.
    pub fn decode(bytes: &[u8]) -> Result<Self, CborError> {
        let fields = &mut Fields::parse(bytes)?;
        match fields.uint(0)? {
            1 => Ok(Self::Reply(decode_reply(fields)?)),
            2 => Ok(Self::Pull(PullFrame {
                blob: parse_blob(fields)?,
                first: fields.number(3)?,
                map: fields.number(4)?,
            })),
            3 => Ok(Self::Page(PageFrame {
                blob: parse_blob(fields)?,
                index: fields.number(3)?,
                total: fields.number(4)?,
                bytes: fields.bytes(5)?,
            })),
            4 => {
                let filter = fields.take(1).ok_or(CborError::Missing(1))?;
                Ok(Self::RosterWanted(decode_filter(&filter, 1)?))
            }
            5 => {
                let records: Option<Vec<_>> = fields.array(1)?.iter().map(decode_record).collect();
                Ok(Self::Roster(records.ok_or(CborError::Type(1))?))
            }
            6 => Ok(Self::Ping(fields.uint(1)?)),
            7 => Ok(Self::Pong(fields.uint(1)?)),
            8 => Ok(Self::Change(watch::decode_change(fields)?)),
            _ => Err(CborError::Type(0)),
        }
    }
}

fn encode_reply(map: MapBuilder, reply: &ReplyFrame) -> MapBuilder {
    let map = map.field(1, reply.request);
    let (answer, watched) = match &reply.answer {
        Answer::Watched(number, answer) => (&**answer, Some(*number)),
        answer => (answer, None),
    };
    let mut map = match answer {
        Answer::Values(bytes) => map.field(2, 0).field(3, bytes.clone()),
        Answer::Announced(total) => map.field(2, 1).field(3, *total),
        Answer::Here => map.field(2, 2),
        Answer::Empty(reason) => map.field(2, 3).field(3, *reason),
        Answer::Error(code, message) => map.field(2, 4).field(3, *code).field(4, cut(message)),
        Answer::Refused(code, message) => map.field(2, 5).field(3, *code).field(4, cut(message)),
        Answer::Set(results) => {
            map.field(2, 6).field(3, Cbor::Array(results.iter().map(encode_set_result).collect()))
        }
        Answer::Pending | Answer::Watched(..) => map.field(2, 7),
        Answer::Stated(number) => map.field(2, 8).field(3, *number),
    };
    if let Some(schema) = &reply.schema {
        map = map.field(5, schema.to_vec());
    }
    map.field(6, reply.members_version).field(7, &*reply.software).field_opt(8, watched)
}

fn decode_reply(fields: &mut Fields) -> Result<ReplyFrame, CborError> {
    let answer = match fields.uint(2)? {
        0 => Answer::Values(fields.bytes(3)?),
        1 => Answer::Announced(fields.number(3)?),
        2 => Answer::Here,
        3 => Answer::Empty(fields.number(3)?),
        4 => Answer::Error(fields.number(3)?, short(fields.text(4)?, 4)?),
        5 => Answer::Refused(fields.number(3)?, short(fields.text(4)?, 4)?),
        6 => {
            let results: Option<Vec<_>> = fields.array(3)?.iter().map(decode_set_result).collect();
            Answer::Set(results.ok_or(CborError::Type(3))?)
        }
        7 => Answer::Pending,
        8 => Answer::Stated(fields.uint(3)?),
        _ => return Err(CborError::Type(2)),
    };
    let answer = match fields.uint_opt(8)? {
        Some(number) => Answer::Watched(number, Box::new(answer)),
        None => answer,
    };
    let schema = fields.fixed_opt(5)?;
    Ok(ReplyFrame {
        request: fields.uint(1)?,
        answer,
        schema,
        members_version: fields.uint(6)?,
        software: short(fields.text(7)?, 7)?.into(),
    })
}

fn encode_set_result(result: &SetResultFrame) -> Cbor {
    let version = match result.version {
        Some((incarnation, counter)) => {
            Cbor::Array(vec![Cbor::from(incarnation), Cbor::from(counter)])
        }
        None => Cbor::Null,
    };
    Cbor::Array(vec![
        Cbor::from(result.name.as_str()),
        Cbor::from(result.outcome),
        version,
        Cbor::from(cut(&result.message)),
    ])
}

fn decode_set_result(value: &Cbor) -> Option<SetResultFrame> {
    let [name, outcome, held, message] = value.as_array()?.as_slice() else {
        return None;
    };
    Some(SetResultFrame {
        name: name.as_text()?.to_owned(),
        outcome: u8::try_from(outcome.as_integer()?).ok()?,
        version: if held.is_null() { None } else { Some(version(held)?) },
        message: short(message.as_text()?.to_owned(), 3).ok()?,
    })
}

fn blob(map: MapBuilder, blob: &Blob) -> MapBuilder {
    match blob {
        Blob::Reply(request) => map.field(1, 0).field(2, *request),
        Blob::Schema(hash) => map.field(1, 1).field(2, hash.to_vec()),
        Blob::Members(version) => map.field(1, 2).field(2, *version),
    }
}

fn parse_blob(fields: &mut Fields) -> Result<Blob, CborError> {
    match fields.uint(1)? {
        0 => Ok(Blob::Reply(fields.uint(2)?)),
        1 => Ok(Blob::Schema(fields.fixed(2)?)),
        2 => Ok(Blob::Members(fields.uint(2)?)),
        _ => Err(CborError::Type(1)),
    }
}

/// An entry of the roster, as kept on disk for the next process and as told to newcomers.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Which member.
    pub id: NodeId,
    /// How long ago it was heard.
    pub age: Duration,
    /// Where it was.
    pub address: Option<SocketAddrV6>,
    /// How often it announced itself.
    pub interval: Duration,
    /// Whether it said goodbye.
    pub left: bool,
    /// Whether it is held to be gone, sooner than its silence shows.
    pub gone: bool,
    /// The version of its software.
    pub software: Arc<str>,
}

/// A roster record as CBOR: for newcomers, and for the file that outlives a process.
pub fn encode_record(record: &Record) -> Cbor {
    let address = record.address.as_ref().map_or(Cbor::Null, encode_address);
    let mut fields = vec![
        Cbor::Bytes(record.id.0.to_vec()),
        Cbor::from(millis(record.age)),
        address,
        Cbor::from(millis(record.interval)),
        Cbor::Bool(record.left),
        Cbor::from(&*record.software),
    ];
    if record.gone {
        fields.push(Cbor::Bool(true));
    }
    Cbor::Array(fields)
}

/// A roster record from CBOR, `None` when it is none.
pub fn decode_record(value: &Cbor) -> Option<Record> {
    let [id, age, address, interval, left, software, later @ ..] = value.as_array()?.as_slice()
    else {
        return None;
    };
    let gone = match later.first() {
        Some(gone) => gone.as_bool()?,
        None => false,
    };
    let address = match address {
        Cbor::Null => None,
        bytes => Some(decode_address(bytes)?),
    };
    Some(Record {
        id: NodeId(id.as_bytes()?.as_slice().try_into().ok()?),
        age: Duration::from_millis(u64::try_from(age.as_integer()?).ok()?),
        address,
        interval: Duration::from_millis(u64::try_from(interval.as_integer()?).ok()?),
        left: left.as_bool()?,
        gone,
        software: short(software.as_text()?.to_owned(), 0).ok()?.into(),
    })
}

fn version(value: &Cbor) -> Option<(u64, u64)> {
    match value.as_array()?.as_slice() {
        [Cbor::Integer(incarnation), Cbor::Integer(counter)] => {
            Some((u64::try_from(*incarnation).ok()?, u64::try_from(*counter).ok()?))
        }
        _ => None,
    }
}

fn texts(values: &[Cbor]) -> Option<Vec<String>> {
    values.iter().map(|it| it.as_text().map(str::to_owned)).collect()
}

fn short(text: String, field: i64) -> Result<String, CborError> {
    if text.len() > MESSAGE_MAX { Err(CborError::Type(field)) } else { Ok(text) }
}

/// The start of a message, as much as a frame may carry.
fn cut(message: &str) -> &str {
    clip(message, MESSAGE_MAX)
}

/// The start of a text, in whole characters and at most so many bytes.
pub(crate) fn clip(text: &str, length_max: usize) -> &str {
    let mut end = text.len().min(length_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
