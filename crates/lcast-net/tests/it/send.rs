//! What can go wrong on the way out.

use lcast_net::{Scope, SendError, SendOutcome, Target};

use crate::world::{Host, config, ip, open, scenarios, tell, tool, wait_for};

scenarios! {
    fn failures_are_told_apart() {
        let far = Host::new();
        far.wire("eth0", 1);
        ip("-6 route add prohibit 2001:db8:1::/48");
        ip("-6 route add unreachable 2001:db8:2::/48");
        wait_for(async {
            let mut node = open(config(Scope::Site), &[]);
            let mut check = |to: &str, size: usize, expected: &str| {
                let to = format!("[{to}]:9").parse().unwrap();
                let outcome = node.send(Target::Unicast { from: None, to }, &vec![0; size]);
                assert!(!outcome.is_complete());
                assert_eq!(first_error(&outcome), expected, "{to}");
            };
            check("2001:db8:1::1", 10, "Forbidden");
            check("2001:db8:2::1", 10, "Unreachable");
            check("2001:db8:3::1", 10, "Unreachable");
            check("fd00:1::2", 70_000, "TooLarge");
            check("ff15::1", 10, "OutsideScope");
            check("fe80::1:2%99", 10, "NoLink");
        });
    }

    fn an_own_address_that_is_gone_is_told() {
        let far = Host::new();
        far.wire("eth0", 1);
        wait_for(async {
            let mut node = open(config(Scope::Link), &[]);
            let own = node.links()[0].addresses[0];
            let mut other = own;
            other.set_port(own.port() - 1);
            let to = format!("[fe80::1:2%{}]:9", own.scope_id()).parse().unwrap();
            let outcome = node.send(Target::Unicast { from: Some(other), to }, b"x");
            assert_eq!(first_error(&outcome), "NoLink");
            ip("link del eth0");
            let outcome = node.send(Target::Unicast { from: Some(own), to }, b"x");
            assert!(!outcome.is_complete(), "{outcome:?}");
            node.refresh().unwrap();
            assert_eq!(first_error(&tell(&mut node, "ff12::1", b"x")), "NoLink");
        });
    }

    fn a_full_send_buffer_is_told_and_not_waited_for() {
        let far = Host::new();
        far.wire("eth0", 1);
        tool("tc", "qdisc add dev eth0 root tbf rate 20mbit burst 4kb limit 8mb");
        wait_for(async {
            let mut node = open(config(Scope::Link), &[]);
            let mut sent = 0;
            let outcome = loop {
                let outcome = tell(&mut node, "ff12::1", &[0; 1152]);
                if !outcome.is_complete() {
                    break outcome;
                }
                sent += 1;
                assert!(sent < 10_000, "the send buffer never filled");
            };
            assert_eq!(first_error(&outcome), "WouldBlock");
            // What the kernel has taken leaves, and makes room.
            while !tell(&mut node, "ff12::1", &[0; 1152]).is_complete() {
                tokio::task::yield_now().await;
            }
        });
    }
}

/// The name of the first failure's kind.
fn first_error(outcome: &SendOutcome) -> &'static str {
    match outcome.failures[0].error {
        SendError::WouldBlock => "WouldBlock",
        SendError::Unreachable => "Unreachable",
        SendError::Forbidden => "Forbidden",
        SendError::NoBuffers => "NoBuffers",
        SendError::TooLarge => "TooLarge",
        SendError::LinkGone => "LinkGone",
        SendError::NoLink => "NoLink",
        SendError::OutsideScope => "OutsideScope",
        _ => "Other",
    }
}
