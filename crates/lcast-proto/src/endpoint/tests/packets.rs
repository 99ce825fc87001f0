//! What stands in a packet, and which of its faults is the one that counts.

use super::*;
use crate::keys::seal::PacketNumbers;
use crate::keys::sign::SignatureContext;
use crate::wire::frame::{BeaconFrame, GroupFrame, split_certificate};
use crate::wire::header::{HEADER_LEN, Header, PacketKind};

const GUEST: usize = 1;
const AGENT: usize = 2;

/// Gives a process a packet of the guest; why it was dropped, if it was.
fn hear(bench: &mut Bench, to: usize, bytes: &[u8]) -> Option<Dropped> {
    let counts = |bench: &Bench| {
        Dropped::ALL.map(|kind| (kind, bench.nodes[to].endpoint.stats().dropped(kind)))
    };
    let before = counts(bench);
    let (from, local) = (bench.nodes[GUEST].address, bench.nodes[to].address);
    bench.input(
        to,
        Input::Datagram(Datagram { from, local, multicast: true, waited: Duration::ZERO, bytes }),
    );
    bench.settle();
    let mut more = counts(bench).into_iter().zip(before).filter(|(now, then)| now.1 > then.1);
    let found = more.next().map(|((kind, _), _)| kind);
    assert!(more.next().is_none(), "one packet is dropped once");
    found
}

/// A beacon that the guest signs, with a clock that is so much ahead.
fn beacon(bench: &mut Bench, ahead: Duration) -> Vec<u8> {
    let guest = &mut bench.nodes[GUEST].endpoint;
    let mut announcement = guest.announcement(bench.now);
    announcement.wall = announcement.wall.saturating_add(ahead);
    let (interval, software) = (Duration::from_secs(10), "".into());
    let frame = BeaconFrame { announcement, interval, leaving: false, software };
    guest.seal_group(&GroupFrame::Beacon(frame).encode()).unwrap().to_vec()
}

/// Makes the guest send under this certificate and sender id, which are not its own: its signature
/// is none of theirs.
fn pose(bench: &mut Bench, as_whom: &Certificate, sender: SenderId) {
    let guest = &mut bench.nodes[GUEST].endpoint;
    let secret = &guest.credential.epoch().secret;
    guest.group_keys = GroupKeys::new(guest.credential.realm(), secret, sender);
    guest.numbers = PacketNumbers::new();
    guest.sender = sender;
    guest.own = as_whom.clone();
}

/// [SEC-40]
#[test]
fn the_first_check_that_fails_is_the_one_that_counts() {
    const DAYS: Duration = Duration::from_secs(26 * 60 * 60);
    let mut bench = bench(1);
    bench.ask(0, get("app.load", Selector::default()));
    let taken = beacon(&mut bench, Duration::ZERO);
    let check = |bench: &mut Bench, packet: &[u8], expected: Option<Dropped>| {
        assert_eq!(hear(bench, AGENT, packet), expected);
    };
    check(&mut bench, &taken, None);
    // Faults are added from the last check to the first, and each hides those before.
    let mut packet = taken.clone();
    check(&mut bench, &packet, Some(Dropped::Replay));
    *packet.last_mut().unwrap() ^= 1;
    check(&mut bench, &packet, Some(Dropped::Seal));
    packet[2] ^= 1;
    check(&mut bench, &packet, Some(Dropped::Key));
    packet[0] = 0;
    check(&mut bench, &packet, Some(Dropped::Version));
    packet.truncate(40);
    check(&mut bench, &packet, Some(Dropped::Length));

    let stale = beacon(&mut bench, DAYS);
    check(&mut bench, &stale, Some(Dropped::Clock));
    check(&mut bench, &stale, Some(Dropped::Replay));
    let client = bench.nodes[0].endpoint.own.clone();
    let own = bench.nodes[GUEST].endpoint.own.clone();
    pose(&mut bench, &client, SenderId::of(&client.id(), [9; 9]));
    let forged = beacon(&mut bench, DAYS);
    for _ in 0..2 {
        // No window moves for a forged number. [SEC-41]
        check(&mut bench, &forged, Some(Dropped::Signature));
    }
    let sender = bench.nodes[0].endpoint.sender();
    pose(&mut bench, &client, sender);
    let forged = beacon(&mut bench, DAYS);
    check(&mut bench, &forged, Some(Dropped::Replay));
    pose(&mut bench, &client, SenderId::of(&own.id(), [9; 9]));
    let forged = beacon(&mut bench, DAYS);
    check(&mut bench, &forged, Some(Dropped::Taken));
    let mut random = Random::from_seed([8; 32]);
    let other = Authority::create("prod", &mut random).unwrap();
    let stranger = [subject("stranger", Kind::Client, "operator")];
    let edit = MemberEdit::first();
    let enrolled = other.enroll(edit, &stranger, &network(), bench.now.wall, &mut random).unwrap();
    let stranger = enrolled.credentials[0].certificate();
    pose(&mut bench, stranger, SenderId::of(&own.id(), [7; 9]));
    let forged = beacon(&mut bench, DAYS);
    check(&mut bench, &forged, Some(Dropped::Certificate));
}

/// [SEC-42] [SEC-41]
#[test]
fn who_is_not_verified_is_remembered_by_no_key() {
    let mut bench = bench(1);
    bench.ask(0, get("app.load", Selector::default()));
    let sizes = |bench: &Bench, at: usize| {
        let sizes = bench.nodes[at].endpoint.sizes();
        (sizes.peers, sizes.pairs)
    };
    // To the announcer, an introduction whose inside was sealed by nobody.
    let guest = &mut bench.nodes[GUEST].endpoint;
    let header = Header {
        kind: PacketKind::Intro,
        announcer_is_sender: false,
        key_id: guest.group_keys.key_id(),
        sender: guest.sender,
        number: guest.numbers.next().unwrap(),
    };
    let certificate = guest.own.bytes();
    let length = u16::try_from(certificate.len()).unwrap().to_be_bytes();
    let mut packet = [&[0; HEADER_LEN], &length[..], certificate, &[7; 40]].concat();
    guest.group_keys.seal(&header, &guest.channel, &mut packet).unwrap();
    let before = sizes(&bench, 0);
    assert_eq!(hear(&mut bench, 0, &packet), Some(Dropped::Seal));
    assert_eq!(sizes(&bench, 0), before);
    // To the node, a question that another signed.
    let client = bench.nodes[0].endpoint.own.clone();
    pose(&mut bench, &client, SenderId::of(&client.id(), [9; 9]));
    let before = sizes(&bench, AGENT);
    let forged = beacon(&mut bench, Duration::ZERO);
    assert_eq!(hear(&mut bench, AGENT, &forged), Some(Dropped::Signature));
    assert_eq!(sizes(&bench, AGENT), before);
}

/// [WIR-4]
#[test]
fn the_certificate_comes_first() {
    for (body, expected) in [
        (&[0, 2, 7, 8, 9][..], Some((&[7, 8][..], &[9][..]))),
        (&[0, 2, 7, 8], Some((&[7, 8], &[]))),
        (&[0, 2, 7], None),
        (&[1, 0, 7], None),
        (&[0], None),
    ] {
        assert_eq!(split_certificate(body), expected, "{body:?}");
    }
    let mut bench = bench(1);
    let mut packet = beacon(&mut bench, Duration::ZERO);
    let header = Header::parse(&packet).unwrap();
    let agent = &mut bench.nodes[AGENT].endpoint;
    let plaintext = agent.group_keys.open(&header, &agent.channel, &mut packet).unwrap();
    let (body, _) = SignatureContext::split(plaintext).unwrap();
    let (certificate, frame) = split_certificate(body).unwrap();
    assert_eq!(certificate, bench.nodes[GUEST].endpoint.own.bytes());
    assert!(matches!(GroupFrame::decode(frame), Ok(GroupFrame::Beacon(_))));
}
