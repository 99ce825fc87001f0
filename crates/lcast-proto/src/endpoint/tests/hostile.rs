//! Members and outsiders that wish the realm ill, one trick at a time.

use super::*;
use crate::endpoint::fetching::Claim;
use crate::keys::limit::{
    EXPECTED_PER_SECOND_MAX, MEMBER_PER_SECOND_MAX, POOL_PER_SECOND_MAX, SHARE_PER_SECOND,
    STRANGE_PER_SECOND_MAX,
};
use crate::wire::frame::{Announcement, BeaconFrame, Blob, GroupFrame, PageFrame, QuestionFrame};
use crate::wire::frame::{Record, VerbCode, is_of_a_process};

/// The claim of a node to hold this version of the member list.
pub(super) fn claim(bench: &Bench, index: usize, version: u64) -> Claim {
    let endpoint = &bench.nodes[index].endpoint;
    Claim { member: endpoint.certificate().id(), sender: endpoint.sender(), version }
}

/// [PRE-40]
#[test]
fn a_false_claim_of_a_newer_list_does_not_keep_the_true_one_away() {
    let mut bench = bench(4);
    // The processes meet by a question of each.
    for asker in [3, 4] {
        bench.ask(asker, get("app.load", Selector::default()));
    }
    let mut random = Random::from_seed([9; 32]);
    let authority = Authority::create("prod", &mut random).unwrap();
    let newer = authority.sign_members(bench.nodes[0].endpoint.members().edit()).unwrap();
    let version = newer.version();
    bench.nodes[4].endpoint.install_members(bench.now, newer);
    let liar = claim(&bench, 3, u64::MAX);
    bench.nodes[3].up = false;
    let now = bench.now;
    bench.nodes[2].endpoint.members_seen(now, liar);
    bench.run(Duration::from_millis(30), |_| false);
    let honest = claim(&bench, 4, version);
    let now = bench.now;
    bench.nodes[2].endpoint.members_seen(now, honest);
    // The liar sends a page now and then, so that its pull never ends.
    for index in 0..4 {
        let page = PageFrame {
            blob: Blob::Members(u64::MAX),
            index,
            total: 8_000_000,
            bytes: vec![7; 900],
        };
        let now = bench.now;
        let taken = bench.nodes[2].endpoint.handle_page(now, liar.sender, &page);
        assert_eq!(taken, Ok(()), "{index}");
        bench.run(Duration::from_millis(100), |_| false);
    }
    assert_eq!(bench.nodes[2].endpoint.members().version(), version);
}

/// [SEC-1] [SEC-4]
#[test]
fn a_newer_version_is_told_of_once_an_address_and_once_a_minute() {
    let mut bench = bench(1);
    bench.events.clear();
    let (guest, client) = (bench.nodes[1].address, bench.nodes[0].address);
    let mut check = |from: SocketAddrV6, first: u8, expected: Option<u8>| {
        let bytes = [[first].as_slice(), &[0; 60]].concat();
        let datagram = Datagram {
            from,
            local: bench.nodes[2].address,
            multicast: true,
            waited: Duration::ZERO,
            bytes: &bytes,
        };
        let before = bench.nodes[2].endpoint.stats().dropped(Dropped::Version);
        bench.input(2, Input::Datagram(datagram));
        bench.settle();
        assert_eq!(bench.nodes[2].endpoint.stats().dropped(Dropped::Version), before + 1);
        let told: Vec<u8> = bench
            .events
            .drain(..)
            .filter_map(|(index, event)| match event {
                Event::NewerVersion(address, version) => {
                    assert_eq!((index, address), (2, from));
                    Some(version)
                }
                _ => None,
            })
            .collect();
        assert_eq!(told, Vec::from_iter(expected), "{from} {first:#x}");
        bench.advance(Duration::from_secs(40));
    };
    check(guest, 0x00, None);
    check(guest, 0x13, None);
    check(guest, 0x20, Some(2));
    check(client, 0xf1, None);
    check(client, 0xf1, Some(15));
    for address in [guest, client] {
        check(address, 0x20, None);
    }
}

/// Addresses that no process of another host has.
const NOWHERE: [&str; 6] = [
    "[ff02::1]:24242",
    "[ff15::8000:1]:24242",
    "[::]:24242",
    "[::ffff:10.0.0.1]:24242",
    "[fd00::77]:0",
    "[::1]:24242",
];

/// [WIR-5]: what a lying member announces, and tells of others, sends nobody there.
#[test]
fn nothing_is_ever_sent_to_a_group_or_to_nobody_as_if_it_were_a_process() {
    for text in NOWHERE {
        let address: SocketAddrV6 = text.parse().unwrap();
        let mut bench = bench(2);
        let announcement = Announcement {
            session: [7; 32],
            addresses: vec![address],
            members_version: 9,
            wall: bench.now.wall,
        };
        let beacon = GroupFrame::Beacon(BeaconFrame {
            announcement: announcement.clone(),
            interval: Duration::from_secs(2),
            leaving: false,
            software: "".into(),
        });
        let question = GroupFrame::Question(Box::new(QuestionFrame {
            announcement,
            request: 5,
            round: 1,
            verb: VerbCode::Ping,
            selector: Selector::default().to_cbor(),
            patterns: Vec::new(),
            set: None,
            watch: None,
            remaining: Duration::from_secs(1),
            window: Duration::ZERO,
            wanted: None,
            by_group: false,
        }));
        bench.nodes[1].address = address;
        for frame in [beacon, question] {
            assert!(bench.nodes[1].endpoint.send_group(&frame, Default::default()).is_some());
            bench.run(Duration::from_millis(500), |_| false);
        }
        // An asker that was told such an address, or remembers it, asks by multicast alone.
        let id = bench.nodes[3].endpoint.certificate().id();
        let record = Record {
            id,
            age: Duration::ZERO,
            address: Some(address),
            interval: Duration::from_secs(2),
            left: false,
            gone: false,
            software: "".into(),
        };
        let mut config = Config { roster: vec![record], ..Config::default() };
        config.software = "1".into();
        let credential = bench.nodes[0].endpoint.credential.clone();
        let link = Link { index: 2, addresses: vec![bench.nodes[0].address], multicast: true };
        bench.nodes[0].endpoint = Endpoint::new(config, credential, [99; 32], bench.now);
        bench.input(0, Input::Links(vec![link]));
        bench.nodes[3].up = false;
        let (_, report) = bench.ask(0, get("app.load", Selector::default()));
        assert_eq!(report.missing.len(), 1);
        let sent = bench.sent.iter().filter(|(from, _)| *from != 1);
        for (from, transmit) in sent {
            let Destination::Unicast(to) = transmit.to else { continue };
            assert!(is_of_a_process(&to) && !to.ip().is_loopback(), "{from} sent to {to}");
        }
    }
}

/// Gives a node so many signed packets of the guest.
fn flood(bench: &mut Bench, to: usize, packets: u32) {
    let beacon = GroupFrame::Beacon(BeaconFrame {
        announcement: Announcement {
            session: [7; 32],
            addresses: vec![bench.nodes[1].address],
            members_version: 1,
            wall: bench.now.wall,
        },
        interval: Duration::from_secs(2),
        leaving: false,
        software: "".into(),
    });
    for _ in 0..packets {
        assert!(bench.nodes[1].endpoint.send_group(&beacon, Default::default()).is_some());
        while let Some(output) = bench.nodes[1].endpoint.poll_output() {
            let Output::Transmit(transmit) = output else { continue };
            let (from, local) = (bench.nodes[1].address, bench.nodes[to].address);
            let datagram = Datagram {
                from,
                local,
                multicast: true,
                waited: Duration::ZERO,
                bytes: &transmit.bytes,
            };
            bench.input(to, Input::Datagram(datagram));
        }
    }
}

/// [SEC-43]
#[test]
fn a_member_that_floods_leaves_the_others_their_answers() {
    let mut bench = bench(1);
    let before = bench.nodes[2].endpoint.stats().verified;
    let most = POOL_PER_SECOND_MAX + 2 * SHARE_PER_SECOND;
    flood(&mut bench, 2, most + 100);
    let stats = bench.nodes[2].endpoint.stats();
    assert_eq!(stats.verified - before, u64::from(most));
    assert_eq!(stats.dropped(Dropped::Flood), 100);
    for _ in 0..SHARE_PER_SECOND {
        flood(&mut bench, 2, 10);
        let (_, report) = bench.ask(0, get("app.load", Selector::default()));
        assert_eq!((report.answered, report.rounds), (1, 1), "{report:?}");
    }
    bench.advance(Duration::from_secs(1));
    let before = bench.nodes[2].endpoint.stats().verified;
    flood(&mut bench, 2, MEMBER_PER_SECOND_MAX + SHARE_PER_SECOND + 1);
    let verified = bench.nodes[2].endpoint.stats().verified - before;
    assert_eq!(verified, u64::from(MEMBER_PER_SECOND_MAX + SHARE_PER_SECOND));
}

/// [SEC-44] [SEC-72]
#[test]
fn who_signs_in_the_name_of_another_takes_nothing_from_it() {
    let mut bench = bench(1);
    // What the guest sends bears the client's certificate and the guest's signature.
    let client = bench.nodes[0].endpoint.own.clone();
    let forger = &mut bench.nodes[1].endpoint;
    let secret = &forger.credential.epoch().secret;
    forger.sender = SenderId::of(&client.id(), [9; 9]);
    forger.group_keys = GroupKeys::new(forger.credential.realm(), secret, forger.sender);
    forger.own = client;
    let per_source = STRANGE_PER_SECOND_MAX.0;
    flood(&mut bench, 2, 2 * per_source + 1);
    let stats = bench.nodes[2].endpoint.stats();
    let dropped = [stats.dropped(Dropped::Signature), stats.dropped(Dropped::Flood)];
    assert_eq!(dropped, [u64::from(2 * per_source), 1]);
    let (_, report) = bench.ask(0, get("app.load", Selector::default()));
    assert_eq!((report.answered, report.rounds), (1, 1), "{report:?}");
    bench.advance(Duration::from_secs(1));
    flood(&mut bench, 2, per_source + 1);
    let stats = bench.nodes[2].endpoint.stats();
    assert_eq!(stats.dropped(Dropped::Signature), u64::from(3 * per_source));
    // From the client's own address, where it was heard, a few do not keep it silent either.
    bench.nodes[1].address = bench.nodes[0].address;
    bench.nodes[1].up = false;
    flood(&mut bench, 2, EXPECTED_PER_SECOND_MAX.0);
    let (_, report) = bench.ask(0, get("app.load", Selector::default()));
    assert_eq!((report.answered, report.rounds), (1, 1), "{report:?}");
}

/// [SEC-34]: nobody tells it, since nobody hears it. It sees that nobody hands it the newer list;
/// the others know who speaks.
#[test]
fn who_runs_with_a_forgotten_credential_is_noticed_by_itself_and_by_others() {
    let mut random = Random::from_seed([9; 32]);
    let authority = Authority::create("prod", &mut random).unwrap();
    let mut bench = bench(3);
    let mut edit = bench.nodes[0].endpoint.members().edit();
    edit.forget("n0").unwrap();
    let list = authority.sign_members(edit).unwrap();
    for node in [0, 1, 3, 4] {
        let now = bench.now;
        bench.nodes[node].endpoint.install_members(now, list.clone());
        assert!(bench.nodes[node].endpoint.forgotten_speakers().is_empty());
    }
    bench.events.clear();
    bench.pass(Duration::from_secs(120));
    let unheard = bench.events.iter().filter(|(_, it)| matches!(it, Event::Unheard));
    assert_eq!(
        unheard.map(|(node, _)| *node).collect::<Vec<_>>(),
        [2],
        "once, and by itself alone"
    );
    let speakers = bench.nodes[0].endpoint.forgotten_speakers();
    let names: Vec<&str> = speakers.iter().map(|it| it.name.as_str()).collect();
    assert_eq!((names, speakers[0].id), (vec!["n0"], bench.nodes[2].endpoint.certificate().id()));
    let lately = bench.now.wall.saturating_sub(Duration::from_secs(30));
    assert!(speakers[0].last_heard > lately);
}

/// What `realm issue --again`, and `forget` before `realm issue`, do about a stolen credential.
/// [SEC-34] [SEC-75]
#[test]
fn issuing_a_forgotten_name_again_does_not_bring_its_credential_back() {
    let mut random = Random::from_seed([9; 32]);
    let authority = Authority::create("prod", &mut random).unwrap();
    let mut bench = bench(2);
    let wall = bench.now.wall;
    let mut edit = bench.nodes[0].endpoint.members().edit();
    edit.forget("client").unwrap();
    let forgotten = authority.sign_members(edit).unwrap();
    let again = [subject("client", Kind::Client, "operator")];
    let mut random = Random::from_seed([10; 32]);
    let enrolled = authority.enroll(forgotten.edit(), &again, &network(), wall, &mut random);
    let enrolled = enrolled.unwrap();
    for node in [2, 3] {
        let now = bench.now;
        bench.nodes[node].endpoint.install_members(now, enrolled.members.clone());
    }
    let (_, report) = bench.ask(0, set("stolen", None));
    let reasons: Vec<RefusalReason> = report.refused.iter().map(|it| it.refusal.reason).collect();
    assert_eq!(reasons, [RefusalReason::Forgotten; 2], "{report:?}");
    bench.add(enrolled.credentials.into_iter().next().unwrap());
    bench.settle();
    let (_, report) = bench.ask(4, set("mended", None));
    assert_eq!(report.answered, 2, "{report:?}");
}

/// [QST-33]: it answers first, and gives one page of the schema that all have for each wish.
#[test]
fn who_gives_a_schema_page_by_page_makes_nobody_late() {
    for verb in [Verb::Schema, Verb::Get(vec!["app.load".parse().unwrap()])] {
        let mut bench = bench(3);
        for node in &mut bench.nodes[2..] {
            let define = |table: &mut Table| {
                (0..500).try_for_each(|index| {
                    let definition = Definition::info(&format!("big.v{index}"), Type::Text);
                    table.define(definition.description(&"d".repeat(100)))
                })
            };
            node.endpoint.change(define).unwrap();
        }
        let said = std::cell::Cell::new(0_u32);
        bench.parted = Some(Box::new(move |from, to| {
            let lies = from == 2 && to == 0;
            // Its reply and what proves addresses come through, and then one page of a wish.
            let is_let_through = said.get() < 8 || said.get().is_multiple_of(16);
            said.set(said.get() + u32::from(lies));
            lies && !is_let_through
        }));
        let (replies, report) = bench.ask(0, Ask { verb, ..get("app.load", Selector::default()) });
        assert_eq!(report.answered, 3, "{report:?}");
        assert!(report.elapsed < Duration::from_millis(150), "{report:?}");
        for reply in replies {
            let Outcome::Values(values) = reply.outcome else { panic!("{:?}", reply.outcome) };
            assert_eq!(&*values[0].unit, "{thread}");
        }
    }
}
