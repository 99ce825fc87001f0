//! Hosts that let little in.

use lcast_lab::{Firewall, Realm};

use crate::fleet::{CONFIG, Fleet};

#[test]
fn an_asker_behind_a_stateful_firewall_hears_all() {
    let fleet = Fleet::new(8, 0, CONFIG);
    fleet.lab.host(0).firewall(Firewall::Stateful);
    for _ in 0..3 {
        fleet.realm.ask("get host.name").check(0, &[("answered", 8)]);
    }
    fleet.realm.ask("set app.limit=7").check(0, &[("answered", 8)]);
}

#[test]
fn agents_that_open_only_the_realm_port_answer() {
    let fleet = Fleet::new(8, 0, CONFIG);
    for index in 1..=8 {
        fleet.lab.host(index).firewall(Firewall::OnlyPort(24_242));
    }
    for _ in 0..3 {
        fleet.realm.ask("get host.name").check(0, &[("answered", 8)]);
    }
    // Both ends closed.
    fleet.lab.host(0).firewall(Firewall::Stateful);
    fleet.realm.ask("get host.name").check(0, &[("answered", 8)]);
}

/// [WIR-12]
#[test]
fn a_realm_may_have_a_port_of_its_own() {
    let lab = lcast_lab::Lab::new(2).build();
    let realm = Realm::create(&lab.host(0), "prod", "--port 7000 --scope link");
    let member = lcast_lab::Member::agent("web1");
    let _agent = realm.start(&lab.host(1), &member, CONFIG);
    lab.host(1).firewall(Firewall::OnlyPort(7000));
    let mut capture = lab.host(1).capture("eth0");
    realm.ask("get host.name").check(0, &[("answered", 1)]);
    let datagrams = capture.datagrams();
    let asked = datagrams.iter().filter(|datagram| datagram.is_multicast());
    let asked: Vec<_> = asked.map(|datagram| datagram.destination).collect();
    assert!(!asked.is_empty(), "no question was captured");
    for destination in asked {
        assert_eq!(destination.port(), 7000);
        // Link scope: the second nibble of the flags and scope byte.
        assert_eq!(destination.ip().octets()[1] & 0x0f, 2, "{destination}");
    }
}

/// What only the copies by unicast drew is no round trip by multicast.
#[test]
fn a_ping_tells_as_multicast_only_what_multicast_drew() {
    let fleet = Fleet::new(2, 0, CONFIG);
    let answer = fleet.realm.ask("ping --count 5");
    answer.check(0, &[("answered", 2)]);
    // On a busy host some are answered so late that copies by unicast went out before.
    for (node, reply) in answer.replies() {
        assert!(reply["multicast_ms"].is_number(), "{node}: {reply}");
        assert_eq!((&reply["sent"], &reply["count"]), (&5.into(), &5.into()), "{node}: {reply}");
    }
    fleet.lab.host(0).firewall(Firewall::Stateful);
    let answer = fleet.realm.ask("ping");
    answer.check(0, &[("answered", 2)]);
    for (node, reply) in answer.replies() {
        assert!(reply["multicast_ms"].is_null(), "{node}: {reply}");
        assert!(reply["unicast_ms"].is_number(), "{node}: {reply}");
    }
}
