//! Frames: what a receiver skips, and what it drops.

use std::time::Duration;

use ciborium::Value as Cbor;
use lcast_proto::time::Timestamp;
use lcast_proto::wire::frame::{
    Announcement, Answer, BeaconFrame, GroupFrame, MESSAGE_MAX, PairFrame, ReplyFrame,
};

fn beacon(software: &str) -> GroupFrame {
    let announcement = Announcement {
        session: [1; 32],
        addresses: vec!["[fd00::1]:24242".parse().unwrap()],
        members_version: 3,
        wall: Timestamp::from_millis(1_000_000_000_000),
    };
    let (interval, leaving) = (Duration::from_secs(10), false);
    GroupFrame::Beacon(BeaconFrame { announcement, interval, leaving, software: software.into() })
}

fn fields(frame: &[u8]) -> Vec<(Cbor, Cbor)> {
    ciborium::from_reader::<Cbor, _>(frame).unwrap().into_map().unwrap()
}

fn bytes(fields: Vec<(Cbor, Cbor)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(&Cbor::Map(fields), &mut bytes).unwrap();
    bytes
}

/// [WIR-1]
#[test]
fn unknown_keys_are_skipped_and_what_is_required_must_be_there() {
    let frame = beacon("1.0");
    let known = fields(&frame.encode());
    assert_eq!(GroupFrame::decode(&bytes(known.clone())), Ok(frame.clone()));
    let with = |value: Cbor| bytes([known.clone(), vec![(Cbor::from(99), value)]].concat());
    let nested = |depth: usize| (0..depth).fold(Cbor::Null, |it, _| Cbor::Array(vec![it]));
    assert_eq!(GroupFrame::decode(&with(Cbor::from("later"))), Ok(frame.clone()));
    // The map of the frame itself is one level.
    assert_eq!(GroupFrame::decode(&with(nested(15))), Ok(frame.clone()));
    assert!(GroupFrame::decode(&with(nested(16))).is_err());
    for index in 0..known.len() {
        let mut less = known.clone();
        let (key, value) = less.remove(index);
        // A flag that is absent is false.
        let optional = value == Cbor::Bool(false);
        assert_eq!(GroupFrame::decode(&bytes(less)).is_ok(), optional, "without {key:?}");
    }
    for index in 1..known.len() {
        let mut moved = known.clone();
        moved.swap(index - 1, index);
        assert!(GroupFrame::decode(&bytes(moved)).is_err(), "{index} out of order");
    }
    let trailing = [frame.encode(), vec![0]].concat();
    assert!(GroupFrame::decode(&trailing).is_err());
    assert!(GroupFrame::decode(&[]).is_err());
}

/// The frame with another text under this key, whatever its length.
fn retold(frame: &[u8], key: u64, text: &str) -> Vec<u8> {
    let mut fields = fields(frame);
    let place = fields.iter_mut().find(|(it, _)| *it == Cbor::from(key)).unwrap();
    assert!(place.1.is_text(), "{place:?}");
    place.1 = Cbor::from(text);
    bytes(fields)
}

/// [WIR-3]
#[test]
fn text_of_a_node_about_itself_is_short() {
    let reply = |answer: Answer| {
        let software = "1.0".into();
        let frame = ReplyFrame { request: 1, answer, schema: None, members_version: 1, software };
        PairFrame::Reply(frame).encode()
    };
    for (length, taken) in [(MESSAGE_MAX, true), (MESSAGE_MAX + 1, false)] {
        let text = "t".repeat(length);
        let beacon = retold(&beacon("1.0").encode(), 12, &text);
        assert_eq!(GroupFrame::decode(&beacon).is_ok(), taken, "{length}");
        for (answer, key) in [
            (Answer::Error(1, "no".to_owned()), 4),
            (Answer::Refused(1, "no".to_owned()), 4),
            (Answer::Here, 7),
        ] {
            let frame = retold(&reply(answer.clone()), key, &text);
            assert_eq!(PairFrame::decode(&frame).is_ok(), taken, "{length}: {answer:?}");
        }
    }
    assert_eq!(MESSAGE_MAX, 200);
}
