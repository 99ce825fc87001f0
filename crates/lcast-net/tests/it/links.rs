//! Realms on wires: which links, from which address, with which reach.

use std::net::Ipv6Addr;

use lcast_net::interfaces::Selection;
use lcast_net::{Destination, NetworkConfig, Scope, Target};

use crate::world::{
    Capture, Host, PORT, config, follow, hear, hear_texts, holds, index_of, ip, link_names, open,
    plain, plain_member, ready, scenarios, tell, wait_for,
};

const LINK: &str = "ff12::8000:1";
const SITE: &str = "ff15::8000:1";

scenarios! {
    fn every_link_gets_a_copy_and_tells_its_own_apart() {
        let (left, right) = (Host::new(), Host::new());
        left.wire("eth0", 1);
        right.wire("eth1", 2);
        wait_for(async {
            for (scope, group, hops) in [(Scope::Link, LINK, 1), (Scope::Site, SITE, 16)] {
                let mut node = open(config(scope), &[group]);
                assert_eq!(link_names(&node).0, ["eth0", "eth1"]);
                let captures = [left.within(Capture::new), right.within(Capture::new)];
                assert_eq!(tell(&mut node, group, b"to all").sent, 2);
                for capture in captures {
                    let frame = capture.until(b"to all").pop().unwrap();
                    assert_eq!(frame[21], hops, "the hop limit of {scope:?}");
                }
                // The node hears its own copies too.
                let mut heard = hear(&mut node, 2).await;
                for (host, name) in [(&left, "eth0"), (&right, "eth1")] {
                    let index = host.within(|| index_of(name));
                    let far = host.within(|| plain("[::]:0"));
                    far.send_to(name.as_bytes(), format!("[{group}%{index}]:{PORT}")).unwrap();
                    let from_far = hear(&mut node, 1).await.remove(0);
                    assert_eq!(from_far.text, name);
                    assert_eq!(from_far.link, index_of(name));
                    assert_eq!(from_far.destination, Destination::Group(group.parse().unwrap()));
                    heard.push(from_far);
                }
                let links: Vec<u32> = heard.iter().map(|heard| heard.link).collect();
                let (one, two) = (index_of("eth0"), index_of("eth1"));
                assert_eq!(links, [one, two, one, two]);
            }
        });
    }

    fn routed_scopes_send_from_an_address_that_routers_forward() {
        let far = Host::new();
        far.wire("eth0", 1);
        wait_for(async {
            for (scope, group, from) in
                [(Scope::Link, LINK, "fe80::1:1"), (Scope::Site, SITE, "fd00:1::1")]
            {
                let member = far.within(|| plain_member(group, PORT, index_of("eth0")));
                let mut node = open(config(scope), &[]);
                tell(&mut node, group, b"from where");
                let (_, source) = member.recv_from(&mut [0; 32]).unwrap();
                assert_eq!(source.ip(), from.parse::<Ipv6Addr>().unwrap());
                assert_eq!(source.port(), PORT);
            }
        });
    }

    fn an_answer_leaves_from_the_address_that_was_asked() {
        let far = Host::new();
        far.wire("eth0", 1);
        wait_for(async {
            let mut node = open(config(Scope::Site), &[]);
            let index = far.within(|| index_of("eth0"));
            for own in [format!("[fe80::1:1%{index}]:{PORT}"), format!("[fd00:1::1]:{PORT}")] {
                let asker = far.within(|| plain("[::]:0"));
                asker.send_to(b"ask", &own).unwrap();
                let heard = hear(&mut node, 1).await.remove(0);
                let Destination::Unicast(from) = heard.destination else { panic!("{heard:?}") };
                let target = Target::Unicast { from: Some(from), to: heard.source };
                assert!(node.send(target, b"answer").is_complete());
                let (_, source) = asker.recv_from(&mut [0; 32]).unwrap();
                assert_eq!(source, own.parse().unwrap());
            }
        });
    }

    fn links_that_come_and_go_are_followed() {
        let far = Host::new();
        wait_for(async {
            let mut node = open(config(Scope::Site), &[SITE]);
            assert_eq!(link_names(&node), (vec![], vec!["lo".to_owned()]));
            for _ in 0..3 {
                far.wire("eth0", 1);
                let both = |node: &lcast_net::Network| {
                    node.links().iter().any(|link| link.multicast && link.addresses.len() == 2)
                };
                follow(&mut node, both).await;
                let index = far.within(|| index_of("eth0"));
                let sender = far.within(|| plain("[::]:0"));
                sender.send_to(b"hello", format!("[{SITE}%{index}]:{PORT}")).unwrap();
                assert_eq!(hear_texts(&mut node, 1).await, ["hello"]);
                ip("link del eth0");
                follow(&mut node, |node| link_names(node).0.is_empty()).await;
            }
        });
    }

    fn a_link_whose_index_comes_again_is_joined_again() {
        let far = Host::new();
        wait_for(async {
            far.wire("eth0", 1);
            let index = index_of("eth0");
            let mut node = open(config(Scope::Link), &[LINK]);
            // Gone and back before the node looks.
            ip("link del eth0");
            ip(&format!("link add eth0 index {index} type veth peer name gone0"));
            ip("link set eth0 addrgenmode none");
            ip("addr add fe80::1:1/64 dev eth0 nodad");
            ip("addr add fd00:1::1/64 dev eth0 nodad");
            ip("link set eth0 up");
            ip("link set gone0 up");
            ready("eth0");
            let mut batch = lcast_net::Batch::new();
            assert!(node.recv(&mut batch).await.unwrap().interfaces_changed);
            node.refresh().unwrap();
            assert_eq!(link_names(&node).0, ["eth0"]);
            tell(&mut node, LINK, b"again");
            assert_eq!(hear_texts(&mut node, 1).await, ["again"]);
        });
    }

    fn a_group_of_another_realm_on_another_link_is_not_heard() {
        let (left, right) = (Host::new(), Host::new());
        left.wire("eth0", 1);
        right.wire("eth1", 2);
        wait_for(async {
            let on = |name: &str| {
                let interfaces = Selection::Named(vec![name.to_owned()]);
                NetworkConfig { interfaces, ..config(Scope::Site) }
            };
            let mut one = open(on("eth0"), &[SITE]);
            let mut two = open(on("eth1"), &[SITE]);
            for (host, name) in [(&right, "eth1"), (&left, "eth0")] {
                let index = host.within(|| index_of(name));
                let sender = host.within(|| plain("[::]:0"));
                sender.send_to(name.as_bytes(), format!("[{SITE}%{index}]:{PORT}")).unwrap();
            }
            // Each hears its own link only, whatever order they came in.
            assert_eq!(hear_texts(&mut one, 1).await, ["eth0"]);
            assert_eq!(hear_texts(&mut two, 1).await, ["eth1"]);
            assert_eq!(one.stats().foreign, 1);
        });
    }

    fn leaving_a_group_ends_it() {
        let far = Host::new();
        far.wire("eth0", 1);
        wait_for(async {
            let other = "ff12::8000:2";
            let mut node = open(config(Scope::Link), &[LINK, other]);
            node.leave(LINK.parse().unwrap());
            tell(&mut node, LINK, b"unheard");
            tell(&mut node, other, b"heard");
            assert_eq!(hear_texts(&mut node, 1).await, ["heard"]);
        });
    }

    fn neighbours_are_those_that_may_answer() {
        let far = Host::new();
        far.wire("eth0", 1);
        wait_for(async {
            let mac = "lladdr 02:00:00:00:00:01 dev eth0";
            ip(&format!("neigh add fd00:1::7 {mac} nud permanent"));
            ip(&format!("neigh add fe80::7 {mac} nud stale"));
            ip("neigh add fe80::8 dev eth0 nud failed");
            let node = open(config(Scope::Link), &[]);
            let index = index_of("eth0");
            let found: Vec<String> =
                node.neighbours(index).unwrap().iter().map(ToString::to_string).collect();
            let expected =
                [format!("[fe80::7%{index}]:{PORT}"), format!("[fd00:1::7]:{PORT}")];
            assert_eq!(found, expected);
            assert!(node.neighbours(index + 100).unwrap().is_empty());
        });
    }

    fn nothing_is_fragmented_at_full_size() {
        let far = Host::new();
        far.wire("eth0", 1);
        ip("link set eth0 mtu 1280");
        wait_for(async {
            let capture = far.within(Capture::new);
            let mut node = open(config(Scope::Link), &[]);
            let bytes = [b'x'; lcast_net::DATAGRAM_LEN_MAX];
            assert_eq!(tell(&mut node, LINK, &bytes).sent, 1);
            let frames = capture.until(&bytes);
            // 14 bytes of Ethernet, 40 of IPv6, 8 of UDP, and next header UDP.
            let last = frames.last().unwrap();
            assert_eq!((last.len(), last[20]), (14 + 40 + 8 + bytes.len(), 17));
            assert!(holds(last, &bytes));
        });
    }
}
