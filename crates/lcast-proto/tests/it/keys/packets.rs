//! Packets: sealed, signed, opened, and refused when anything differs.

use std::collections::BTreeSet;

use lcast_proto::keys::seal::{GENERATION_BITS, TAG_LEN};
use lcast_proto::keys::sign::SIGNATURE_LEN;
use lcast_proto::keys::{
    AgreementKey, ChannelId, EpochSecret, GroupKeys, OpenError, PacketNumbers, Pair, PairCache,
    PairRole, PairSenders, RealmId, SealError, SenderId, SessionKey, SignatureContext,
    SignatureError, SigningKey,
};
use lcast_proto::wire::header::{HEADER_LEN, Header, PACKET_MAX, PacketKind};

use super::{authority, group_keys};

const ASKER: SenderId = SenderId([0xa1; 12]);
const NODE: SenderId = SenderId([0xb2; 12]);
const CONTROL: ChannelId = ChannelId([0xc3; 8]);
const OTHER: ChannelId = ChannelId([0xc4; 8]);
const SENDERS: PairSenders = PairSenders { announcer: ASKER, node: NODE };

fn realm() -> RealmId {
    *authority().realm()
}

fn header(kind: PacketKind, key_id: u32, sender: SenderId, number: u64) -> Header {
    Header { kind, announcer_is_sender: false, key_id, sender, number }
}

fn packet_of(body: &[u8]) -> Vec<u8> {
    [&[0; HEADER_LEN], body].concat()
}

/// A GROUP packet of the asker, sealed and signed.
fn group_packet(number: u64) -> (Header, Vec<u8>) {
    let mut keys = group_keys(&realm(), ASKER);
    let header = header(PacketKind::Group, keys.key_id(), ASKER, number);
    let mut packet = packet_of(b"a question");
    let context = SignatureContext { realm: &realm(), header: &header, channel: &CONTROL };
    context.sign(&SigningKey::from_seed([3; 32]).unwrap(), &mut packet).unwrap();
    keys.seal(&header, &CONTROL, &mut packet).unwrap();
    (header, packet)
}

#[test]
fn a_group_packet_opens_and_is_its_senders() {
    let (header, mut packet) = group_packet(7);
    assert_eq!(Header::parse(&packet), Ok(header));
    assert_eq!(packet.len(), HEADER_LEN + 10 + SIGNATURE_LEN + TAG_LEN);
    let mut keys = group_keys(&realm(), NODE);
    let plaintext = keys.open(&header, &CONTROL, &mut packet).unwrap();
    let (body, signature) = SignatureContext::split(plaintext).unwrap();
    assert_eq!(body, b"a question");
    let right = SigningKey::from_seed([3; 32]).unwrap();
    let context = SignatureContext { realm: &realm(), header: &header, channel: &CONTROL };
    assert_eq!(context.verify(right.public(), body, signature), Ok(()));
}

/// [SEC-11]
#[test]
fn a_group_packet_changed_anywhere_stays_closed() {
    let (_, packet) = group_packet(7);
    for place in 0..packet.len() {
        let mut changed = packet.clone();
        changed[place] ^= 1;
        let Ok(header) = Header::parse(&changed) else { continue };
        let opened = group_keys(&realm(), NODE).open(&header, &CONTROL, &mut changed).is_ok();
        assert!(!opened, "byte {place}");
    }
    let (header, packet) = group_packet(7);
    for length in 0..packet.len() {
        let mut cut = packet[..length].to_vec();
        assert!(group_keys(&realm(), NODE).open(&header, &CONTROL, &mut cut).is_err());
    }
}

/// [SEC-11]: another channel, realm or epoch does not open it, also when keys are cached.
#[test]
fn a_group_packet_elsewhere_stays_closed() {
    let (header, packet) = group_packet(7);
    let mut keys = group_keys(&realm(), NODE);
    assert!(keys.open(&header, &CONTROL, &mut packet.clone()).is_ok());
    assert_eq!(keys.open(&header, &OTHER, &mut packet.clone()), Err(OpenError));
    let mut other_realm = group_keys(&RealmId([9; 16]), NODE);
    let mut other_epoch = GroupKeys::new(&realm(), &EpochSecret::from_bytes([6; 32]), NODE);
    for keys in [&mut other_realm, &mut other_epoch] {
        assert_ne!(keys.key_id(), header.key_id);
        assert_eq!(keys.open(&header, &CONTROL, &mut packet.clone()), Err(OpenError));
    }
}

/// [SEC-30]: every part of the context is signed.
#[test]
fn a_signature_holds_for_its_place_only() {
    let key = SigningKey::from_seed([3; 32]).unwrap();
    let realm = realm();
    let base = header(PacketKind::Group, 1, ASKER, 2);
    let context = SignatureContext { realm: &realm, header: &base, channel: &CONTROL };
    let mut packet = packet_of(b"body");
    context.sign(&key, &mut packet).unwrap();
    let (body, signature) = SignatureContext::split(&packet[HEADER_LEN..]).unwrap();
    assert_eq!(context.verify(key.public(), body, signature), Ok(()));
    let other_realm = RealmId([9; 16]);
    let headers = [
        Header { key_id: 2, ..base },
        Header { sender: NODE, ..base },
        Header { number: 3, ..base },
        Header { kind: PacketKind::Intro, ..base },
        Header { announcer_is_sender: true, ..base },
    ];
    let mut contexts = vec![
        SignatureContext { realm: &other_realm, ..context },
        SignatureContext { channel: &OTHER, ..context },
    ];
    contexts.extend(headers.iter().map(|header| SignatureContext { header, ..context }));
    for other in contexts {
        let verdict = other.verify(key.public(), body, signature);
        assert_eq!(verdict, Err(SignatureError::Signature), "{other:?}");
    }
    let verdict = context.verify(key.public(), b"bodY", signature);
    assert_eq!(verdict, Err(SignatureError::Signature));
    let stranger = SigningKey::from_seed([4; 32]).unwrap();
    let verdict = context.verify(stranger.public(), body, signature);
    assert_eq!(verdict, Err(SignatureError::Signature));
    assert_eq!(SignatureContext::split(&[0; 63]), Err(SignatureError::Length));
}

fn pairs() -> (Pair, Pair) {
    let session = SessionKey::from_seed([6; 32]).unwrap();
    let certified = AgreementKey::from_seed([7; 32]).unwrap();
    let asker = Pair::announcer(&realm(), &session, certified.public(), SENDERS).unwrap();
    let node = Pair::node(&realm(), &certified, session.public(), SENDERS).unwrap();
    (asker, node)
}

#[test]
fn a_pair_talks_both_ways_and_never_to_itself() {
    let (mut asker, mut node) = pairs();
    let reply = header(PacketKind::Pair, 1, NODE, 0);
    let mut packet = packet_of(b"a reply");
    node.seal(&reply, &CONTROL, &mut packet).unwrap();
    assert!(node.open(&reply, &CONTROL, &mut packet.clone()).is_err());
    assert_eq!(asker.open(&reply, &CONTROL, &mut packet.clone()).unwrap(), b"a reply");
    for place in 0..packet.len() {
        let mut changed = packet.clone();
        changed[place] ^= 1;
        let Ok(header) = Header::parse(&changed) else { continue };
        assert!(asker.open(&header, &CONTROL, &mut changed).is_err(), "byte {place}");
    }
    let again = Header { announcer_is_sender: true, ..header(PacketKind::Pair, 1, ASKER, 0) };
    let mut packet = packet_of(b"more");
    asker.seal(&again, &CONTROL, &mut packet).unwrap();
    assert_eq!(node.open(&again, &CONTROL, &mut packet).unwrap(), b"more");
}

/// [SEC-12]: realm, both sender ids and both keys are in the schedule.
#[test]
fn another_pair_has_other_keys() {
    let (mut asker, _) = pairs();
    let session = SessionKey::from_seed([6; 32]).unwrap();
    let certified = AgreementKey::from_seed([7; 32]).unwrap();
    let other = AgreementKey::from_seed([8; 32]).unwrap();
    let swapped = PairSenders { announcer: NODE, node: ASKER };
    let node = |realm, key, senders| Pair::node(realm, key, session.public(), senders).unwrap();
    let strangers = [
        node(&RealmId([9; 16]), &certified, SENDERS),
        node(&realm(), &certified, swapped),
        node(&realm(), &certified, PairSenders { node: SenderId([1; 12]), ..SENDERS }),
        node(&realm(), &certified, PairSenders { announcer: SenderId([1; 12]), ..SENDERS }),
        node(&realm(), &other, SENDERS),
    ];
    let head = Header { announcer_is_sender: true, ..header(PacketKind::Pair, 1, ASKER, 0) };
    let mut packet = packet_of(b"secret");
    asker.seal(&head, &CONTROL, &mut packet).unwrap();
    for stranger in strangers {
        assert!(stranger.open(&head, &CONTROL, &mut packet.clone()).is_err());
    }
    for weak in [[0; 32], certified.public().map(|_| 0)] {
        assert!(Pair::announcer(&realm(), &session, &weak, SENDERS).is_err());
    }
}

/// [SEC-13]: an INTRO carries a pairwise ciphertext under the group key, with one number.
#[test]
fn an_intro_opens_in_two_steps() {
    let (asker, mut node) = pairs();
    let mut keys = group_keys(&realm(), NODE);
    let head = header(PacketKind::Intro, keys.key_id(), NODE, 3);
    let mut inner = b"a reply".to_vec();
    node.seal_inner(&head, &CONTROL, &mut inner).unwrap();
    let mut packet = packet_of(&inner);
    keys.seal(&head, &CONTROL, &mut packet).unwrap();
    let opened = group_keys(&realm(), ASKER).open(&head, &CONTROL, &mut packet).unwrap().to_vec();
    assert_eq!(opened, inner);
    assert_eq!(asker.open_inner(&head, &CONTROL, &mut inner).unwrap(), b"a reply");
    let as_pair = Header { kind: PacketKind::Pair, ..head };
    assert!(asker.open_inner(&as_pair, &CONTROL, &mut opened.clone()).is_err());
}

/// [SEC-10]: a number is given once, and sealed under once.
#[test]
fn packet_numbers_are_never_used_twice() {
    let mut numbers = PacketNumbers::new();
    let given: BTreeSet<u64> = (0..10_000).map(|_| numbers.next().unwrap()).collect();
    assert_eq!(given.len(), 10_000);
    let mut last = PacketNumbers::starting_at(PacketNumbers::NUMBER_MAX);
    assert_eq!(last.next(), Ok(PacketNumbers::NUMBER_MAX));
    assert_eq!(last.next(), Err(SealError::Exhausted));
    assert_eq!(last.next(), Err(SealError::Exhausted));

    let (mut pair, _) = pairs();
    let mut keys = group_keys(&realm(), ASKER);
    let key_id = keys.key_id();
    let max = PacketNumbers::NUMBER_MAX;
    for (number, expected) in [
        (5, Ok(())),
        (5, Err(SealError::NumberUsed(5))),
        (4, Err(SealError::NumberUsed(4))),
        (6, Ok(())),
        (1 << GENERATION_BITS, Ok(())),
        (6, Err(SealError::NumberUsed(6))),
        (max, Ok(())),
        (max, Err(SealError::NumberUsed(max))),
        (max + 1, Err(SealError::Exhausted)),
    ] {
        let head = header(PacketKind::Group, key_id, ASKER, number);
        let before = packet_of(b"x");
        let mut packet = before.clone();
        assert_eq!(keys.seal(&head, &CONTROL, &mut packet), expected);
        assert_eq!(packet == before, expected.is_err());
        let mut inner = b"x".to_vec();
        assert_eq!(pair.seal_inner(&head, &CONTROL, &mut inner), expected);
    }
}

/// [SEC-11]: each generation has its own key, and both sides change over together.
#[test]
fn generations_change_the_key() {
    let mut sealing = group_keys(&realm(), ASKER);
    let mut opening = group_keys(&realm(), NODE);
    let first = 1_u64 << GENERATION_BITS;
    for number in [first - 1, first, first + 1, 5 * first] {
        let head = header(PacketKind::Group, sealing.key_id(), ASKER, number);
        let mut packet = packet_of(b"x");
        sealing.seal(&head, &CONTROL, &mut packet).unwrap();
        assert_eq!(opening.open(&head, &CONTROL, &mut packet).unwrap(), b"x");
    }
}

/// [SEC-2]
#[test]
fn the_length_of_a_packet_is_limited() {
    let room = PACKET_MAX - HEADER_LEN - TAG_LEN;
    let mut keys = group_keys(&realm(), ASKER);
    let head = header(PacketKind::Group, keys.key_id(), ASKER, 1);
    let mut longest = packet_of(&vec![0; room]);
    keys.seal(&head, &CONTROL, &mut longest).unwrap();
    assert_eq!(longest.len(), PACKET_MAX);
    let head = Header { number: 2, ..head };
    let error = Err(SealError::Length(PACKET_MAX + 1));
    assert_eq!(keys.seal(&head, &CONTROL, &mut packet_of(&vec![0; room + 1])), error);
    let error = Err(SealError::Length(HEADER_LEN - 1 + TAG_LEN));
    assert_eq!(keys.seal(&head, &CONTROL, &mut vec![0; HEADER_LEN - 1]), error);
}

#[test]
fn pairs_are_found_by_peer_and_role_and_bounded() {
    let mut cache = PairCache::new(2);
    for (index, peer) in [ASKER, NODE, SenderId([1; 12])].into_iter().enumerate() {
        cache.insert(peer, PairRole::Node, pairs().0);
        assert_eq!(cache.len(), (index + 1).min(2));
    }
    assert!(cache.get(&ASKER, PairRole::Node).is_none());
    assert!(cache.get(&NODE, PairRole::Announcer).is_none());
    assert!(cache.get(&NODE, PairRole::Node).is_some());
    cache.remove(&NODE);
    assert!(cache.get(&NODE, PairRole::Node).is_none() && !cache.is_empty());
}
