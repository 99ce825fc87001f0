//! Known answers, committed so that other implementations can check theirs.

use std::fmt::Write;

use lcast_proto::keys::sign::SignatureContext;
use lcast_proto::keys::{
    AgreementKey, ChannelId, EpochSecret, GroupKeys, MemberEdit, NodeId, Pair, PairSenders,
    SenderId, SessionKey, SigningKey,
};
use lcast_proto::wire::header::{HEADER_LEN, Header, PacketKind};

use super::{authority, certify, hex, subject};

/// Lines `name = value` that must be the content of the committed file.
struct Vector(String);

impl Vector {
    fn new(about: &str) -> Self {
        Self(format!("# {about}\n# Bytes in hex; docs/spec/security.md says how they are made.\n"))
    }

    fn text(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        writeln!(self.0, "{name} = {value}").unwrap();
        self
    }

    fn bytes(self, name: &str, bytes: &[u8]) -> Self {
        self.text(name, hex(bytes))
    }

    fn check(&self, committed: &str) {
        assert_eq!(self.0, committed, "the format changed; the file would be:\n{}", self.0);
    }
}

#[test]
fn certificate() {
    let authority = authority();
    let certificate = certify(&authority, &subject("web1"));
    Vector::new("A certificate of node web1 in realm prod.")
        .text("realm_name", authority.realm_name())
        .bytes("authority_public", authority.public().as_bytes())
        .bytes("realm_id", &authority.realm().0)
        .bytes("signing_public", certificate.signing_key().as_bytes())
        .bytes("agreement_public", certificate.agreement_key())
        .bytes("node_id", &certificate.id().0)
        .text("fingerprint", certificate.id())
        .text("not_before", certificate.subject().not_before)
        .text("not_after", certificate.subject().not_after)
        .bytes("certificate", certificate.bytes())
        .check(include_str!("../../vectors/certificate.txt"));
}

#[test]
fn member_list() {
    let authority = authority();
    let mut edit = MemberEdit::first();
    for name in ["web1", "db1"] {
        let certificate = certify(&authority, &subject(name));
        edit.issue(certificate.subject().clone(), certificate.id()).unwrap();
    }
    edit.forget("db1").unwrap();
    edit.issue(subject("app1"), NodeId([0x77; 16])).unwrap();
    edit.issue(subject("app1"), NodeId([0x88; 16])).unwrap();
    let list = authority.sign_members(edit).unwrap();
    Vector::new("Version 1 of a list of app1 (issued twice), db1 (forgotten) and web1.")
        .bytes("authority_public", authority.public().as_bytes())
        .bytes("realm_id", &authority.realm().0)
        .bytes("list", list.bytes())
        .check(include_str!("../../vectors/member-list.txt"));
}

const SENDER: SenderId = SenderId([0xa1; 12]);
const PEER: SenderId = SenderId([0xb2; 12]);

#[test]
fn group_packet() {
    let authority = authority();
    let realm = authority.realm();
    let certificate = certify(&authority, &subject("web1"));
    let key = SigningKey::from_seed([3; 32]).unwrap();
    let mut keys = GroupKeys::new(realm, &EpochSecret::from_bytes([5; 32]), SENDER);
    let channel = ChannelId::derive(realm, "control");
    let header = Header {
        kind: PacketKind::Group,
        announcer_is_sender: false,
        key_id: keys.key_id(),
        sender: SENDER,
        number: (1 << 22) + 7,
    };
    let length = u16::try_from(certificate.bytes().len()).unwrap().to_be_bytes();
    let body = [&length[..], certificate.bytes(), b"\xa1\x01\x02"].concat();
    let mut packet = [&[0; HEADER_LEN], &body[..]].concat();
    SignatureContext { realm, header: &header, channel: &channel }.sign(&key, &mut packet).unwrap();
    keys.seal(&header, &channel, &mut packet).unwrap();
    Vector::new("A GROUP packet: certificate and frame, signed and sealed.")
        .bytes("realm_id", &realm.0)
        .bytes("epoch_secret", &[5; 32])
        .bytes("signing_seed", &[3; 32])
        .bytes("sender_id", &SENDER.0)
        .text("number", header.number)
        .text("channel", "control")
        .bytes("channel_id", &channel.0)
        .bytes("key_id", &keys.key_id().to_be_bytes())
        .bytes("body", &body)
        .bytes("packet", &packet)
        .check(include_str!("../../vectors/group-packet.txt"));
}

#[test]
fn pair_packet() {
    let authority = authority();
    let realm = authority.realm();
    let channel = ChannelId::derive(realm, "control");
    let session = SessionKey::from_seed([6; 32]).unwrap();
    let certified = AgreementKey::from_seed([7; 32]).unwrap();
    let senders = PairSenders { announcer: SENDER, node: PEER };
    let mut pair = Pair::node(realm, &certified, session.public(), senders).unwrap();
    let header = Header {
        kind: PacketKind::Pair,
        announcer_is_sender: false,
        key_id: 0x0102_0304,
        sender: PEER,
        number: 9,
    };
    let mut packet = [&[0; HEADER_LEN], &b"\xa1\x01\x02"[..]].concat();
    pair.seal(&header, &channel, &mut packet).unwrap();
    Vector::new("A PAIR packet of a node to the announcer of a session key.")
        .bytes("realm_id", &realm.0)
        .bytes("session_seed", &[6; 32])
        .bytes("session_public", session.public())
        .bytes("agreement_seed", &[7; 32])
        .bytes("agreement_public", certified.public())
        .bytes("announcer_id", &SENDER.0)
        .bytes("node_id", &PEER.0)
        .bytes("key_id", &header.key_id.to_be_bytes())
        .text("number", header.number)
        .bytes("channel_id", &channel.0)
        .bytes("frame", b"\xa1\x01\x02")
        .bytes("packet", &packet)
        .check(include_str!("../../vectors/pair-packet.txt"));
}
