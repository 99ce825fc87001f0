//! Valid inputs of the targets whose inputs nobody writes by hand, to begin their corpora with.
//!
//! `LCAST_WRITE_CORPUS=1 cargo test -p lcast-fuzz-targets` writes them as `sample-NN`.

use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;

use lcast_proto::question::values::{encode_schema, encode_value};
use lcast_proto::select::{Glob, Predicate, Selector, patterns_to_cbor};
use lcast_proto::value::Value;
use lcast_proto::variable::Assigned;
use lcast_proto::wire::cbor::{self, Cbor};
use lcast_proto::wire::frame::{
    Announcement, Answer, BeaconFrame, Blob, GroupFrame, PageFrame, PairFrame, PullFrame,
    QuestionFrame, ReplyFrame, SetFrame, SetResultFrame, VerbCode,
};
use lcast_proto::wire::watch::{Change, ChangeFrame, TopicId, WatchTerms};

use crate::endpoint::Member;
use crate::realm::{NOW, foreign, realm};
use crate::select::table;

/// Valid inputs of the target of that name.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "wire_header" => foreign_packets().iter().map(|packet| packet[..26].to_vec()).collect(),
        "wire_cbor" => cbor_items(),
        "wire_group_frame" => group_frames(),
        "wire_pair_frame" => pair_frames(),
        "wire_values" => vec![values(), Vec::new()],
        "wire_schema" => vec![encode_schema(&table().schema()), Vec::new()],
        "certificate" => claims(),
        "member_list" => {
            let list = realm().credentials[0].members().bytes()[72..].to_vec();
            vec![list.clone(), list.repeat(2), Vec::new()]
        }
        "selector" => selectors(),
        "endpoint_outsider" => {
            foreign_packets().iter().map(|packet| framed(&[packet, packet])).collect()
        }
        "endpoint_member" => {
            let frames = group_frames();
            let mut inputs: Vec<_> = frames.iter().map(|frame| framed(&[frame])).collect();
            inputs.push(framed(&frames.iter().map(Vec::as_slice).collect::<Vec<_>>()));
            inputs
        }
        "endpoint_sequence" => [lives(), watches()].concat(),
        "world_sequence" => stories(),
        "credential" => {
            let mut files = vec![realm().authority_file.clone()];
            files.extend(realm().credentials.iter().map(|credential| credential.encode().to_vec()));
            files
        }
        _ => Vec::new(),
    }
}

/// Lives of an endpoint: members say everything that there is to say, with time between; and it
/// asks, and is answered.
fn lives() -> Vec<Vec<u8>> {
    let said = |what: u8, frames: Vec<Vec<u8>>, who: u8| {
        let mut input = vec![who];
        for frame in frames {
            input.push(what);
            input.extend(framed(&[&frame]));
            input.extend([14, 0x82]);
        }
        input
    };
    // Asks, lets time pass, and is answered: by values, in pages, that it is watched.
    let answer = [&[4, 0, 13][..], &framed(&[&values()])].concat();
    let get = [&[0, 7, 5][..], &[14, 0x30], &answer, &[14, 0x98]].concat();
    let large = [0, 7, 5, 14, 0x30, 4, 0, 0x32, 14, 0x30, 4, 0, 11, 0, 4, 0, 3, 1, 2, 3, 14, 0x98];
    let watch = [&[1, 7, 3, 4, 0x80, 0x17][..], &framed(&[&values()]), &[14, 0x98]].concat();
    // Shell, links, repetitions and damage.
    let odd = [1, 7, 2, 10, 1, 11, 1, 11, 0, 12, 9, 6, 0, 0, 6, 0, 0x21, 13, 0, 13, 1, 9, 1, 13, 3];
    vec![
        said(0, group_frames(), 1),
        said(0x80, group_frames(), 0),
        said(2, pair_frames(), 0),
        said(2, pair_frames(), 1),
        get,
        large.to_vec(),
        watch,
        odd.to_vec(),
    ]
}

/// Lives of an endpoint that watches, is answered by a member, and told of changes.
fn watches() -> Vec<Vec<u8>> {
    let life = |who: u8, how: u8, member: u8, changes: &[&[u8]]| {
        let mut input = vec![who, 7, how, 14, 0x30, member | 4, 0, 0x17];
        input.extend(framed(&[&values()]));
        input.extend([14, 0x48]);
        for change in changes {
            input.extend([&[member | 15], *change, &[14, 0x50]].concat());
        }
        input.extend([14, 0x98]);
        input
    };
    // Values, one that overtook others, names that go, a leave, values before their entry, much.
    let told: &[&[u8]] = &[
        &[0, 0, 2, 0, 0, 0x42, 9],
        &[0, 0, 5, 0, 0, 0x45, 20],
        &[0x40, 8, 3, 0, 0, 0x44, 15],
        &[0x80, 0, 6, 0, 0, 0x48, 30],
        &[0x10, 2, 7],
        &[0, 0, 9, 0, 0, 0x50, 40],
        &[0, 1, 8, 0, 0, 0x49, 41],
        &[0, 3, 10],
    ];
    // Rows of messages that overtook some, and the last numbers that there are.
    let rows: &[&[u8]] = &[
        &[0, 0xe0, 4, 0, 0, 0x42, 9],
        &[0, 0xe0, 140, 0, 0, 0x43, 9],
        &[0, 0xa0, 250, 0, 0, 0x44, 9],
        &[0x10, 0x4e, 3],
        &[0, 0xed, 9, 0, 0, 0x46, 3],
        &[0, 4, 0, 0, 0, 0x50, 11],
    ];
    vec![
        life(0, 11, 0, told),
        life(0, 19, 0, told),
        life(1, 27, 0x80, told),
        life(0, 43, 0x80, rows),
    ]
}

/// Stories of a small realm, four bytes a step: see `world`.
fn stories() -> Vec<Vec<u8>> {
    let story = |head: [u8; 2], steps: &[[u8; 4]]| [&head[..], steps.as_flattened()].concat();
    vec![
        story([0, 1], &[[0, 2, 4, 0xf0], [0, 0, 0x24, 0xf0], [0, 1, 1, 0xf0]]),
        story([3, 2], &[[13, 0, 0x31, 0], [7, 5, 0, 0xf0], [0, 5, 0x24, 0xe0], [0, 5, 2, 0xff]]),
        story([2, 3], &[[0, 4, 4, 0x20], [16, 1, 0, 0x80], [17, 1, 0, 0xf0], [19, 2, 0, 0xf0]]),
        story([7, 4], &[[8, 4, 2, 0xf0], [25, 1, 7, 0xf0], [26, 1, 0, 0xf0], [9, 0, 1, 0xf0]]),
        story([3, 5], &[[24, 1, 0, 0xf0], [0, 5, 4, 0xf0], [15, 0x20, 0, 0xe0], [14, 0, 0, 0]]),
        story([26, 6], &[[0, 4, 0x20, 0x40], [20, 1, 0, 0xa0], [21, 1, 0, 0xf0], [6, 4, 3, 0xf0]]),
        story([33, 7], &[[22, 2, 0x83, 0], [12, 0x22, 0x62, 0], [23, 1, 0, 0], [0, 3, 4, 0xf0]]),
    ]
}

/// Packets as the endpoint targets take them: each after two bytes of length.
fn framed(packets: &[&[u8]]) -> Vec<u8> {
    let mut input = Vec::new();
    for packet in packets {
        let length = u16::try_from(packet.len()).expect("a packet is short");
        input.extend_from_slice(&length.to_be_bytes());
        input.extend_from_slice(packet);
    }
    input
}

/// Packets of another realm under the key id of ours: they get as far as the seal.
fn foreign_packets() -> Vec<Vec<u8>> {
    let own = Member::new(realm().credentials[2].clone()).group_packet(&[]);
    let key_id = own.expect("an empty frame fits")[2..6].to_vec();
    let mut member = Member::new(foreign().credentials[2].clone());
    let mut packets: Vec<_> =
        group_frames().iter().filter_map(|frame| member.group_packet(frame)).collect();
    for packet in &mut packets {
        packet[2..6].copy_from_slice(&key_id);
    }
    packets
}

/// The payloads of real certificates: the third part of the envelope.
fn claims() -> Vec<Vec<u8>> {
    let payload = |bytes: &[u8]| {
        let Cbor::Tag(18, envelope) = cbor::parse(bytes).ok()? else { return None };
        let parts = envelope.into_array().ok()?;
        parts.get(2)?.as_bytes().cloned()
    };
    let credentials = realm().credentials.iter();
    credentials.filter_map(|it| payload(it.certificate().bytes())).collect()
}

fn cbor_items() -> Vec<Vec<u8>> {
    let items = [
        Value::Null,
        Value::Bool(true),
        Value::Int(i64::MIN),
        Value::Float(f64::NAN),
        Value::Float(-0.0),
        Value::from("text"),
        Value::Bytes(vec![0; 30]),
        Value::Timestamp(NOW.wall),
        Value::List(vec![Value::Int(1), Value::List(vec![Value::Null])]),
        Value::Map([("k".to_owned(), Value::Int(2))].into()),
    ];
    items.iter().map(|value| cbor::encode(&cbor::value_to_cbor(value))).collect()
}

fn values() -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, entry) in table().entries().take(12) {
        encode_value(NOW.instant, name, entry, &mut bytes);
    }
    bytes
}

fn selectors() -> Vec<Vec<u8>> {
    let texts = [
        "app.count > 3 && labels.role == \"web\"",
        "app.text.matches(\"^a+b$\") || !app.flag",
        "app.disk.exists(k, app.disk[k].usage > 40)",
        "app.?missing.orValue(1) in [1, 2, 3] ? app.ratio < 0.5 : has(app.since)",
        "now - app.since > duration(\"1h\")",
    ];
    let selector = |text: &str| Selector {
        on: Glob::list("web*,db?").expect("valid globs"),
        predicate: Some(Predicate::parse(text).expect("a valid predicate")),
        ..Selector::default()
    };
    let mut inputs: Vec<_> =
        texts.iter().map(|text| cbor::encode(&selector(text).to_cbor())).collect();
    inputs.push(cbor::encode(&Selector::default().to_cbor()));
    let patterns = ["app", "app.disk[*].usage", "**"].map(|text| text.parse().expect("a pattern"));
    inputs.push(cbor::encode(&patterns_to_cbor(&patterns)));
    inputs
}

fn announcement() -> Announcement {
    let address = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 9);
    Announcement {
        session: std::array::from_fn(|index| u8::try_from(index + 1).unwrap_or(1)),
        addresses: vec![SocketAddrV6::new(address, 5000, 0, 0)],
        members_version: 1,
        wall: NOW.wall,
    }
}

fn question(verb: VerbCode, set: Option<SetFrame>) -> Vec<u8> {
    let frame = QuestionFrame {
        announcement: announcement(),
        request: 77,
        round: 1,
        verb,
        selector: Selector::default().to_cbor(),
        patterns: vec!["app".to_owned()],
        set,
        watch: (verb == VerbCode::Watch).then(|| WatchTerms {
            lease: Duration::from_secs(30),
            every: Some(Duration::from_millis(200)),
            delta: Some(0.5),
            renewal: false,
        }),
        remaining: Duration::from_secs(1),
        window: Duration::from_millis(5),
        wanted: None,
        by_group: true,
    };
    GroupFrame::Question(Box::new(frame)).encode()
}

fn group_frames() -> Vec<Vec<u8>> {
    let set = SetFrame {
        assignments: vec![("app.greeting".to_owned(), Assigned::Text("hello".to_owned()))],
        if_version: Some((1, 2)),
        dry_run: true,
    };
    let beacon = BeaconFrame {
        announcement: announcement(),
        interval: Duration::from_secs(2),
        leaving: false,
        software: "1.2.3".into(),
    };
    let mut frames: Vec<_> =
        changes().into_iter().map(|change| GroupFrame::Change(change).encode()).collect();
    frames.extend([
        question(VerbCode::Watch, None),
        question(VerbCode::Get, None),
        question(VerbCode::Schema, None),
        question(VerbCode::Ping, None),
        question(VerbCode::Set, Some(set)),
        GroupFrame::Beacon(beacon.clone()).encode(),
        GroupFrame::Beacon(BeaconFrame { leaving: true, ..beacon }).encode(),
    ]);
    frames
}

fn changes() -> Vec<ChangeFrame> {
    let kinds = [
        Change::Values(values(), vec!["app.gone".to_owned()]),
        Change::Entered(values()),
        Change::Left(1),
        Change::Much,
    ];
    let frame = |change| ChangeFrame { topic: TopicId([7; 8]), number: u64::MAX, change };
    kinds.into_iter().map(frame).collect()
}

fn pair_frames() -> Vec<Vec<u8>> {
    let result = SetResultFrame {
        name: "app.greeting".to_owned(),
        outcome: 0,
        version: Some((3, 4)),
        message: String::new(),
    };
    let answers = [
        Answer::Values(values()),
        Answer::Announced(9000),
        Answer::Here,
        Answer::Empty(1),
        Answer::Error(1, "failed".to_owned()),
        Answer::Refused(1, "no".to_owned()),
        Answer::Set(vec![result]),
        Answer::Pending,
        Answer::Stated(9),
        Answer::Watched(9, Box::new(Answer::Values(values()))),
        Answer::Watched(u64::MAX, Box::new(Answer::Empty(2))),
    ];
    let reply = |answer: Answer| {
        let software = "1.2.3".into();
        let (request, schema) = (77, Some([9; 16]));
        PairFrame::Reply(ReplyFrame { request, answer, schema, members_version: 1, software })
    };
    let blob = Blob::Schema([7; 16]);
    let mut frames: Vec<_> = answers.into_iter().map(reply).collect();
    frames.extend([
        PairFrame::Pull(PullFrame { blob, first: 0, map: u32::MAX }),
        PairFrame::Page(PageFrame { blob, index: 1, total: 1000, bytes: vec![1; 100] }),
        PairFrame::Pull(PullFrame { blob: Blob::Members(3), first: 5, map: 1 }),
        PairFrame::Ping(5),
        PairFrame::Pong(5),
        PairFrame::Roster(Vec::new()),
    ]);
    frames.extend(changes().into_iter().map(PairFrame::Change));
    frames.iter().map(PairFrame::encode).collect()
}
