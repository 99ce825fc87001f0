//! Receiving: batches, limits and losses.

use std::time::Instant;

use lcast_net::{
    Batch, DATAGRAM_LEN_MAX, DATAGRAMS_MAX, GROUPS_MAX, JoinError, NetworkConfig, Scope,
};

use crate::world::{Host, config, hear, open, plain, scenarios, tell, wait_for};

const GROUP: &str = "ff11::8000:1";

scenarios! {
    fn bursts_come_in_batches_and_in_order() {
        let far = Host::new();
        far.wire("eth0", 1);
        wait_for(async {
            let mut node = open(config(Scope::Host), &[GROUP]);
            let count = 3 * DATAGRAMS_MAX + 1;
            for n in 0..count {
                tell(&mut node, GROUP, n.to_string().as_bytes());
            }
            let (mut batch, mut sizes, mut next) = (Batch::new(), Vec::new(), 0);
            while next < count {
                node.recv(&mut batch).await.unwrap();
                sizes.push(batch.len());
                for datagram in batch.iter() {
                    assert_eq!(datagram.bytes, next.to_string().as_bytes());
                    next += 1;
                }
            }
            assert_eq!(sizes, [DATAGRAMS_MAX, DATAGRAMS_MAX, DATAGRAMS_MAX, 1]);
            assert_eq!(node.stats().received, count as u64);
        });
    }

    fn a_busy_socket_does_not_starve_another() {
        let far = Host::new();
        far.wire("eth0", 1);
        wait_for(async {
            let quiet = "ff11::8000:2";
            let mut node = open(config(Scope::Host), &[GROUP, quiet]);
            for _ in 0..2 * DATAGRAMS_MAX {
                tell(&mut node, GROUP, b"busy");
            }
            tell(&mut node, quiet, b"quiet");
            let mut batch = Batch::new();
            node.recv(&mut batch).await.unwrap();
            assert!(batch.iter().any(|datagram| datagram.bytes == b"quiet"));
        });
    }

    fn a_datagram_of_the_full_length_is_taken_and_a_longer_one_is_counted() {
        let far = Host::new();
        far.wire("eth0", 1);
        wait_for(async {
            let mut node = open(config(Scope::Host), &[GROUP]);
            tell(&mut node, GROUP, &[b'a'; DATAGRAM_LEN_MAX + 1]);
            tell(&mut node, GROUP, &[b'b'; DATAGRAM_LEN_MAX]);
            tell(&mut node, GROUP, b"");
            let heard = hear(&mut node, 2).await;
            assert_eq!(heard[0].text, "b".repeat(DATAGRAM_LEN_MAX));
            assert_eq!(heard[1].text, "");
            assert_eq!(node.stats().oversize, 1);
        });
    }

    fn what_a_full_buffer_loses_is_told() {
        let far = Host::new();
        far.wire("eth0", 1);
        wait_for(async {
            let config = NetworkConfig { receive_buffer: 16 * 1024, ..config(Scope::Host) };
            let mut node = open(config, &[GROUP]);
            assert!(node.stats().receive_buffer_min < 64 * 1024);
            let count = 200;
            for _ in 0..count {
                tell(&mut node, GROUP, &[0; 1000]);
            }
            let (mut batch, mut heard, mut lost) = (Batch::new(), 0, 0);
            node.recv(&mut batch).await.unwrap();
            heard += batch.len();
            // The kernel tells the loss with the first datagram after it.
            tell(&mut node, GROUP, b"after");
            while lost == 0 {
                node.recv(&mut batch).await.unwrap();
                heard += batch.len();
                lost += batch.iter().map(|datagram| datagram.overflow as usize).sum::<usize>();
            }
            assert_eq!(heard + lost, count + 1);
            assert_eq!(node.stats().overflow, lost as u64);
        });
    }

    fn how_long_a_datagram_has_waited_is_told() {
        let far = Host::new();
        far.wire("eth0", 1);
        wait_for(async {
            let mut node = open(config(Scope::Host), &[GROUP]);
            let (begin, mut batch) = (Instant::now(), Batch::new());
            // The kernel begins to note times a moment after it was asked to.
            loop {
                tell(&mut node, GROUP, b"first");
                let sent = Instant::now();
                (0..DATAGRAMS_MAX - 1).for_each(|_| drop(tell(&mut node, GROUP, b"later")));
                let waited = sent.elapsed();
                node.recv(&mut batch).await.unwrap();
                assert_eq!(batch.len(), DATAGRAMS_MAX);
                let told = batch.iter().next().unwrap().waited;
                assert!(told <= begin.elapsed(), "{told:?}");
                if told >= waited {
                    break;
                }
            }
        });
    }

    fn buffers_are_raised_as_far_as_allowed() {
        let far = Host::new();
        far.wire("eth0", 1);
        wait_for(async {
            let node = open(config(Scope::Host), &[GROUP]);
            let smallest = node.stats().receive_buffer_min;
            let plain: socket2::Socket = plain("[::]:0").into();
            assert!(smallest >= plain.recv_buffer_size().unwrap(), "{smallest}");
        });
    }

    fn a_receive_that_is_dropped_loses_nothing() {
        let far = Host::new();
        far.wire("eth0", 1);
        wait_for(async {
            let mut node = open(config(Scope::Host), &[GROUP]);
            let mut batch = Batch::new();
            for n in 0..20 {
                tokio::select! {
                    biased;
                    _ = node.recv(&mut batch) => panic!("nothing was sent"),
                    () = tokio::task::yield_now() => {}
                }
                let text = n.to_string();
                tell(&mut node, GROUP, text.as_bytes());
                assert_eq!(hear(&mut node, 1).await[0].text, text);
            }
        });
    }

    fn groups_have_a_limit() {
        let far = Host::new();
        far.wire("eth0", 1);
        wait_for(async {
            let mut node = open(config(Scope::Site), &[]);
            let group = |n: usize| format!("ff15::8000:{n:x}").parse().unwrap();
            for n in 0..GROUPS_MAX {
                node.join(group(n)).unwrap();
            }
            assert!(matches!(node.join(group(GROUPS_MAX)), Err(JoinError::TooMany)));
            node.join(group(0)).unwrap();
            node.leave(group(0));
            node.join(group(GROUPS_MAX)).unwrap();
        });
    }
}
