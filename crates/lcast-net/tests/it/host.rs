//! Realms that never leave their host.

use std::net::UdpSocket;
use std::path::PathBuf;

use lcast_net::registry::RegistryConfig;
use lcast_net::{Destination, JoinError, Network, NetworkConfig, Scope, SendError, Target};

use crate::world::{
    Capture, Host, PORT, config, follow, hear, hear_texts, holds, index_of, ip, link_names, open,
    plain, scenarios, tell, wait_for, without_privileges,
};

const GROUP: &str = "ff11::8000:1";
const OTHER: &str = "ff11::8000:2";

scenarios! {
    fn a_nic_carries_the_realm_and_nothing_leaves() {
        let far = Host::new();
        far.wire("eth0", 1);
        let capture = far.within(Capture::new);
        wait_for(three_nodes_talk(None));
        // A datagram that does leave ends the capture.
        let marker = plain("[fe80::1:1%eth0]:0".replace("%eth0", &scope_of("eth0")).as_str());
        marker.send_to(b"the end", format!("[fe80::1:2{}]:9", scope_of("eth0"))).unwrap();
        for frame in capture.until(b"the end") {
            assert!(!holds(&frame, b"hello"), "a datagram left: {frame:?}");
            let group = GROUP.parse::<std::net::Ipv6Addr>().unwrap().octets();
            assert!(!holds(&frame, &group), "the group was named on the wire: {frame:?}");
        }
    }

    fn a_nic_without_a_carrier_carries_the_realm() {
        let far = Host::new();
        far.wire("eth0", 1);
        far.within(|| ip("link set eth0 down"));
        wait_for(three_nodes_talk(None));
    }

    fn lo_alone_carries_the_realm_by_the_registry() {
        wait_for(three_nodes_talk(Some(&registry("lo_alone"))));
    }

    fn no_privilege_is_needed_with_a_nic() {
        if std::env::var_os("LCAST_NET_UNPRIVILEGED").is_none() {
            let far = Host::new();
            far.wire("eth0", 1);
            assert!(!without_privileges("it::host::no_privilege_is_needed_with_a_nic"));
            return;
        }
        wait_for(three_nodes_talk(None));
    }

    fn no_privilege_is_needed_on_lo() {
        if without_privileges("it::host::no_privilege_is_needed_on_lo") {
            wait_for(three_nodes_talk(Some(&registry("lo_unprivileged"))));
        }
    }

    fn realms_share_a_host_and_a_port() {
        let far = Host::new();
        far.wire("eth0", 1);
        wait_for(async {
            let mut nodes: Vec<Network> =
                (0..4).map(|n| open(config(Scope::Host), &[[GROUP, OTHER][n % 2]])).collect();
            let port = |node: &Network| node.links()[0].addresses[0].port();
            let ports: Vec<u16> = nodes.iter().map(port).collect();
            assert_eq!(ports.iter().filter(|port| **port == PORT).count(), 1, "{ports:?}");
            tell(&mut nodes[0], GROUP, b"one");
            tell(&mut nodes[0], OTHER, b"two");
            for (n, node) in nodes.iter_mut().enumerate() {
                assert_eq!(hear_texts(node, 1).await, [["one", "two"][n % 2]]);
            }
        });
    }

    fn a_port_that_another_program_holds_is_told_and_gone_around() {
        let far = Host::new();
        far.wire("eth0", 1);
        let (folder, group) = (registry("port_taken"), GROUP.parse().unwrap());
        wait_for(async {
            let holder = UdpSocket::bind(("::", PORT)).unwrap();
            let mut nodes: Vec<Network> = (0..3).map(|_| with_registry(&folder)).collect();
            for node in &mut nodes {
                assert!(matches!(node.join(group), Err(JoinError::PortTaken(PORT))));
                assert_eq!(link_names(node), (vec![], vec!["lo".to_owned(), "eth0".to_owned()]));
                assert!(node.links().iter().all(|link| link.addresses[0].port() != PORT));
            }
            tell(&mut nodes[0], GROUP, b"around");
            for node in &mut nodes[1..] {
                let heard = hear(node, 1).await;
                assert_eq!(heard[0].text, "around");
                assert!(matches!(heard[0].destination, Destination::Unicast(_)));
            }
            drop(holder);
            for node in &mut nodes {
                assert!(node.refresh().unwrap());
                assert_eq!(link_names(node).0, ["eth0"]);
            }
            tell(&mut nodes[0], GROUP, b"straight");
            for node in &mut nodes {
                let heard = hear(node, 1).await;
                assert_eq!(heard[0].text, "straight");
                assert_eq!(heard[0].destination, Destination::Group(group));
            }
        });
    }

    fn a_node_that_hears_multicast_reaches_one_that_does_not() {
        let far = Host::new();
        far.wire("eth0", 1);
        let folder = registry("mixed");
        wait_for(async {
            let mut with = with_registry(&folder);
            with.join(GROUP.parse().unwrap()).unwrap();
            let named = vec!["none0".to_owned()];
            let interfaces = lcast_net::interfaces::Selection::Named(named.clone());
            let config = NetworkConfig { interfaces, ..config_with(&folder) };
            let mut without = open(config, &[GROUP]);
            assert_eq!(without.absent(), named);
            tell(&mut with, GROUP, b"to lo");
            assert_eq!(hear_texts(&mut without, 1).await, ["to lo"]);
            assert_eq!(hear_texts(&mut with, 1).await, ["to lo"]);
            tell(&mut without, GROUP, b"from lo");
            assert_eq!(hear_texts(&mut with, 1).await, ["from lo"]);
        });
    }

    fn the_realm_moves_to_a_nic_that_comes_and_back() {
        let (far, folder) = (Host::new(), registry("moves"));
        wait_for(async {
            let mut nodes = [with_registry(&folder), with_registry(&folder)];
            for node in &mut nodes {
                node.join(GROUP.parse().unwrap()).unwrap();
                assert_eq!(link_names(node), (vec![], vec!["lo".to_owned()]));
            }
            far.wire("eth0", 1);
            for node in &mut nodes {
                follow(node, |node| link_names(node).0 == ["eth0"]).await;
            }
            tell(&mut nodes[0], GROUP, b"nic");
            for node in &mut nodes {
                assert!(matches!(hear(node, 1).await[0].destination, Destination::Group(_)));
            }
            ip("link del eth0");
            for node in &mut nodes {
                follow(node, |node| link_names(node).0.is_empty()).await;
            }
            tell(&mut nodes[0], GROUP, b"lo");
            assert!(matches!(hear(&mut nodes[1], 1).await[0].destination, Destination::Unicast(_)));
        });
    }

    fn nobody_outside_is_heard_or_spoken_to() {
        let far = Host::new();
        far.wire("eth0", 1);
        wait_for(async {
            let mut node = open(config(Scope::Host), &[GROUP]);
            let own = node.links()[0].addresses[0];
            assert_eq!(own.port(), PORT);
            let stranger = far.within(|| plain("[::]:0"));
            let index = far.within(|| index_of("eth0"));
            // What comes second has come when the first has.
            let second = plain(&format!("[fe80::1:1{}]:9", scope_of("eth0")));
            stranger.send_to(b"let me in", format!("[fe80::1:1%{index}]:{PORT}")).unwrap();
            stranger.send_to(b"let me in", format!("[fe80::1:1%{index}]:9")).unwrap();
            second.recv_from(&mut [0; 32]).unwrap();
            let to = format!("[fe80::1:2{}]:9", scope_of("eth0")).parse().unwrap();
            let outcome = node.send(Target::Unicast { from: None, to }, b"hello");
            assert!(matches!(outcome.failures[0].error, SendError::OutsideScope), "{outcome:?}");
            let outcome = tell(&mut node, "ff12::8000:1", b"hello");
            assert!(matches!(outcome.failures[0].error, SendError::OutsideScope), "{outcome:?}");
            assert!(matches!(
                node.join("ff12::1".parse().unwrap()),
                Err(JoinError::WrongScope(_))
            ));
            assert!(node.neighbours(own.scope_id()).unwrap().is_empty());
            node.send(Target::Unicast { from: Some(own), to: own }, b"to myself");
            assert_eq!(hear_texts(&mut node, 1).await, ["to myself"]);
            assert_eq!(node.stats().foreign, 1);
        });
    }
}

/// Three nodes of a realm: what one sends to the group, the others hear and can answer.
async fn three_nodes_talk(folder: Option<&RegistryConfig>) {
    let make = || {
        let config = NetworkConfig { registry: folder.cloned(), ..config(Scope::Host) };
        open(config, &[GROUP])
    };
    let mut nodes = [make(), make(), make()];
    let outcome = tell(&mut nodes[0], GROUP, b"hello all");
    assert!(outcome.is_complete(), "{outcome:?}");
    let [asker, others @ ..] = &mut nodes;
    for node in others {
        let heard = hear(node, 1).await;
        assert_eq!(heard[0].text, "hello all");
        let outcome = node.send(Target::Unicast { from: None, to: heard[0].source }, b"hello you");
        assert!(outcome.is_complete(), "{outcome:?}");
    }
    let expected = if folder.is_some() { 2 } else { 3 };
    let texts = hear_texts(asker, expected).await;
    assert_eq!(texts.iter().filter(|text| *text == "hello you").count(), 2, "{texts:?}");
}

/// An empty registry of this test's own.
fn registry(name: &str) -> RegistryConfig {
    let folder =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    RegistryConfig { folders: vec![folder], fallback: None, realm_tag: 7 }
}

fn config_with(folder: &RegistryConfig) -> NetworkConfig {
    NetworkConfig { registry: Some(folder.clone()), ..config(Scope::Host) }
}

fn with_registry(folder: &RegistryConfig) -> Network {
    Network::open(config_with(folder)).unwrap()
}

fn scope_of(name: &str) -> String {
    format!("%{}", index_of(name))
}
