//! Questions that look for a fault go by one way alone. [QST-43]

use super::*;
use crate::presence::Via;
use crate::question::Ways;

fn ping(ways: Ways) -> Ask {
    Ask { verb: Verb::Ping, ways, ..get("app.load", Selector::default()) }
}

/// Whether node 0 sent to groups, and whether it sent its question to single addresses.
fn ways_taken(bench: &Bench) -> (bool, bool) {
    let sent = || bench.sent.iter().filter(|(from, _)| *from == 0);
    let group = sent().any(|(_, it)| matches!(it.to, Destination::Group(_)));
    (group, sent().any(|(_, it)| !matches!(it.to, Destination::Group(_))))
}

/// [QST-43]
#[test]
fn a_question_by_multicast_alone_has_no_copies_and_no_reply_group() {
    let mut bench = bench(3);
    bench.nodes[4].up = false;
    let (_, report) = bench.ask(0, ping(Ways::Multicast));
    assert_eq!((report.answered, report.missing.len()), (2, 1));
    assert!(report.rounds > 3, "{report:?}");
    assert_eq!(u32::try_from(questions(&bench)), Ok(report.questions_sent));
    assert_eq!(bench.nodes[0].groups.len(), 1, "it joined the reply group");
}

/// [QST-43]
#[test]
fn a_question_by_unicast_alone_reaches_known_nodes_and_neighbours() {
    let mut bench = bench(3);
    let (_, report) = bench.ask(0, ping(Ways::Unicast));
    assert_eq!((report.answered, report.rounds), (3, 1));
    assert_eq!(ways_taken(&bench), (false, true));
}

/// [PRE-11]
#[test]
fn a_node_that_multicast_reaches_is_shown_so_although_it_replies_by_unicast() {
    let mut bench = bench(2);
    let via = |bench: &Bench, name: &str| {
        let nodes = bench.nodes[0].endpoint.nodes(bench.now);
        nodes.into_iter().find(|it| it.name == name).unwrap().via
    };
    // Long ago enough for every beacon, and only replies are heard from there on.
    let silence = Duration::from_secs(3600);
    bench.now = Now { instant: bench.now.instant + silence, wall: bench.now.wall };
    bench.ask(0, ping(Ways::Unicast));
    assert_eq!(via(&bench, "n1"), Some(Via::Unicast));
    bench.ask(0, ping(Ways::All));
    assert_eq!(via(&bench, "n1"), Some(Via::Multicast));
    bench.now = Now { instant: bench.now.instant + silence, wall: bench.now.wall };
    bench.ask(0, ping(Ways::Unicast));
    assert_eq!(via(&bench, "n1"), Some(Via::Unicast));
}

/// [PRE-11]
#[test]
fn multicast_leaves_a_sign_of_the_senders_clock() {
    let mut bench = bench(2);
    let sign = |bench: &Bench, name: &str| {
        let nodes = bench.nodes[0].endpoint.nodes(bench.now);
        nodes.into_iter().find(|it| it.name == name).unwrap().sign
    };
    assert_eq!(sign(&bench, "n0").map(|it| it.ahead_ms), Some(0));
    assert_eq!(sign(&bench, "guest"), None);
    // A clock that is seven seconds ahead.
    bench.advance(Duration::from_secs(12));
    let Now { instant, wall } = bench.now;
    let ahead = Now { instant, wall: wall.saturating_add(Duration::from_secs(7)) };
    bench.nodes[2].endpoint.handle_timeout(ahead);
    bench.settle();
    assert_eq!(sign(&bench, "n0").map(|it| it.ahead_ms), Some(7000));
    // Answers by unicast are no sign.
    let seen = sign(&bench, "n1");
    bench.ask(0, ping(Ways::Unicast));
    assert_eq!(sign(&bench, "n1"), seen);
}

/// Where the first agent sends its answer to.
fn answers_to(bench: &Bench) -> Option<SocketAddrV6> {
    let mut sent = bench.sent.iter().filter(|(from, _)| *from == 2);
    sent.find_map(|(_, it)| match it.to {
        Destination::Unicast(to) => Some(to),
        Destination::Group(_) | Destination::Neighbours => None,
    })
}

/// [QST-20]
#[test]
fn who_has_only_a_link_local_address_answers_to_one() {
    let address = |text: &str| -> SocketAddrV6 { text.parse().unwrap() };
    let check = |asker: &[&str], source: &str, agent: &str, expected: &str| {
        let mut bench = bench(1);
        bench.nodes[2].address = address(agent);
        let addresses: Vec<SocketAddrV6> = asker.iter().copied().map(address).collect();
        bench.nodes[0].address = address(source);
        let link = Link { index: 2, addresses, multicast: true };
        bench.input(0, Input::Links(vec![link]));
        bench.ask(0, ping(Ways::Multicast));
        assert_eq!(answers_to(&bench), Some(address(expected)), "{asker:?} {source} {agent}");
    };
    let one = ["[fd00::7]:5000", "[fe80::7%9]:5001"];
    check(&one, one[0], "[fe80::1%2]:24242", "[fe80::7%2]:5001");
    check(&one, one[0], "[fd00::1]:24242", one[0]);
    check(&one, "[fe80::7%2]:5001", "[fe80::1%2]:24242", "[fe80::7%2]:5001");
    check(&one[..1], one[0], "[fe80::1%2]:24242", one[0]);
    // Two links: those that multicast leaves from come first.
    let two = ["[fd00::7]:1", "[fd00::8]:2", "[fe80::7]:3", "[fe80::8]:4"];
    check(&two, two[1], "[fe80::1%2]:24242", "[fe80::8%2]:4");
    check(&two[..3], two[1], "[fe80::1%2]:24242", "[fe80::7%2]:3");
}

/// [QST-20]
#[test]
fn a_source_without_a_route_is_answered_between_link_local_addresses_for_a_minute() {
    let (global, near) = ("[fd00::1]:24242", "[fe80::1%2]:24242");
    for (millis, expected) in [(0, near), (59_999, near), (60_000, global)] {
        let mut bench = bench(1);
        bench.place(0, &[global, near]);
        bench.place(2, &["[fd00::3]:24242", "[fe80::3%2]:24242"]);
        bench.input(2, Input::Unreachable(global.parse().unwrap()));
        bench.pass(Duration::from_millis(millis));
        bench.sent.clear();
        bench.ask(0, ping(Ways::Multicast));
        assert_eq!(answers_to(&bench), Some(expected.parse().unwrap()), "after {millis} ms");
    }
}
