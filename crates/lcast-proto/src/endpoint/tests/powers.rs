//! Who can do what: the lines of SECURITY.md that no other test tells.

use super::*;
use crate::keys::members::{MemberList, MemberListError};
use crate::wire::header::{Header, PacketKind};

/// Gives a node this packet, as if from `from`.
fn give(bench: &mut Bench, to: usize, from: SocketAddrV6, bytes: &[u8], multicast: bool) {
    let local = bench.nodes[to].address;
    bench.input(
        to,
        Input::Datagram(Datagram { from, local, multicast, waited: Duration::ZERO, bytes }),
    );
}

/// What a node would send, told or remember because of a packet.
fn traces(bench: &mut Bench, node: usize) -> (usize, u64, Sizes) {
    let endpoint = &mut bench.nodes[node].endpoint;
    let mut outputs = 0;
    while endpoint.poll_output().is_some() {
        outputs += 1;
    }
    // Pair keys follow from certificates that are known; there is room for those of all peers.
    let sizes = Sizes { pairs: 0, ..endpoint.sizes() };
    (outputs, endpoint.stats().verified, sizes)
}

/// The packets of a question and a set, and of what they drew, by sender.
fn recording(bench: &mut Bench) -> Vec<(usize, Vec<u8>)> {
    let from = bench.sent.len();
    let (_, report) = bench.ask(0, get("app", Selector::default()));
    assert_eq!(report.answered, 2);
    let (_, report) = bench.ask(0, set("secret", None));
    assert_eq!(report.answered, 2);
    let sent = bench.sent[from..].iter();
    sent.map(|(from, transmit)| (*from, transmit.bytes.to_vec())).collect()
}

/// [SEC-71]
#[test]
fn an_outsider_draws_nothing_with_what_was_said_and_what_he_makes_of_it() {
    let mut bench = bench(2);
    let stranger: SocketAddrV6 = "[fd00::666]:24242".parse().unwrap();
    let recording = recording(&mut bench);
    assert!(recording.len() > 5);
    for node in 0..4 {
        let before = traces(&mut bench, node);
        for (sender, bytes) in &recording {
            if *sender == node {
                continue;
            }
            for from in [stranger, bench.nodes[*sender].address] {
                for multicast in [false, true] {
                    give(&mut bench, node, from, bytes, multicast);
                }
            }
            for place in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[place] ^= 1;
                give(&mut bench, node, stranger, &changed, true);
                give(&mut bench, node, stranger, &bytes[..place], true);
            }
        }
        assert_eq!(traces(&mut bench, node), before, "{node}");
    }
}

/// [SEC-73]
#[test]
fn a_member_opens_nothing_that_two_others_say_by_unicast() {
    let mut bench = bench(2);
    let recording = recording(&mut bench);
    let kind = |bytes: &[u8]| Header::parse(bytes).unwrap().kind;
    let unicast = recording.iter().filter(|(_, bytes)| kind(bytes) != PacketKind::Group);
    let unicast: Vec<&(usize, Vec<u8>)> = unicast.filter(|(from, _)| *from != 1).collect();
    assert!(unicast.len() > 3);
    let before = traces(&mut bench, 1);
    for (sender, bytes) in unicast {
        let from = bench.nodes[*sender].address;
        give(&mut bench, 1, from, bytes, false);
    }
    assert_eq!(traces(&mut bench, 1), before);
}

/// [SEC-76]
#[test]
fn a_thief_of_a_credential_opens_no_reply_that_was_recorded() {
    let mut bench = bench(2);
    let recording = recording(&mut bench);
    let credential = bench.nodes[0].endpoint.credential.clone();
    let link = Link { index: 2, addresses: vec![bench.nodes[0].address], multicast: true };
    let mut thief = Endpoint::new(Config::default(), credential, [66; 32], bench.now);
    thief.handle_input(bench.now, Input::Links(vec![link]));
    // He has the sender id of the process, as if his own were the same by chance.
    thief.sender = bench.nodes[0].endpoint.sender;
    bench.nodes[0].endpoint = thief;
    let before = bench.nodes[0].endpoint.stats().verified;
    let replies = recording.iter().filter(|(from, _)| *from != 0);
    for (sender, bytes) in replies {
        let from = bench.nodes[*sender].address;
        give(&mut bench, 0, from, bytes, false);
    }
    assert_eq!(bench.nodes[0].endpoint.stats().verified, before);
}

/// [SEC-77]
#[test]
fn nobody_without_the_key_of_the_authority_changes_the_members() {
    let mut bench = bench(2);
    let mut random = Random::from_seed([77; 32]);
    // An authority of the same name is another.
    let false_authority = Authority::create("prod", &mut random).unwrap();
    let mut edit = bench.nodes[0].endpoint.members().edit();
    edit.forget("guest").unwrap();
    let list = false_authority.sign_members(edit).unwrap();
    let credential = bench.nodes[2].endpoint.credential.clone();
    let found =
        MemberList::verify(list.bytes().to_vec(), credential.authority(), credential.realm());
    assert_eq!(found.unwrap_err(), MemberListError::Signature);
    // Nor does a certificate of that authority make a member.
    let wall = bench.now.wall;
    let subjects = [subject("client", Kind::Client, "admin")];
    let edit = MemberEdit::first();
    let enrolled = false_authority.enroll(edit, &subjects, &network(), wall, &mut random).unwrap();
    let certificate = enrolled.credentials[0].certificate().clone();
    bench.nodes[1].endpoint.own = certificate;
    let (_, report) = bench.ask(1, set("mine", None));
    assert_eq!((report.answered, report.missing.len()), (0, 2));
    assert!(bench.nodes[2].endpoint.stats().dropped(Dropped::Certificate) > 0);
}

/// [SEC-47] [SEC-71]: each command of a user is a process, and has a window of its own.
#[test]
fn what_more_processes_have_asked_than_have_windows_draws_nothing_again() {
    let mut bench = bench(1);
    let mut recording: Vec<Vec<u8>> = Vec::new();
    for seed in 100..180 {
        bench.restart(0, seed);
        let from = bench.sent.len();
        let (_, report) = bench.ask(0, get("app.load", Selector::default()));
        assert_eq!((report.answered, report.rounds), (1, 1), "{seed}");
        let mut sent = bench.sent[from..].iter().filter(|(from, _)| *from == 0);
        recording.push(sent.next().unwrap().1.bytes.to_vec());
        bench.pass(Duration::from_secs(2));
    }
    let (client, before) = (bench.nodes[0].address, traces(&mut bench, 2));
    for bytes in recording.iter().chain(&recording) {
        give(&mut bench, 2, client, bytes, true);
    }
    assert_eq!(traces(&mut bench, 2), before);
}
