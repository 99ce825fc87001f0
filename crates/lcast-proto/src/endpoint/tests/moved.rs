//! Watches go on while hosts get other addresses.

use super::watch::{LONG, watch};
use super::*;

/// A watch of `n0` by the client, both at two addresses; then one of the two has these.
fn moved(index: usize, addresses: &[&str]) -> Bench {
    let mut bench = bench(1);
    bench.place(0, &["[fd00::1]:24242", "[fe80::1%2]:24242"]);
    bench.place(2, &["[fd00::3]:24242", "[fe80::3%2]:24242"]);
    bench.begin(0, watch("app.load", Selector::default()));
    bench.publish(2, "app.load", Value::Int(10));
    bench.pass(LONG);
    assert_eq!(bench.changes(0, "n0"), [(10, 0)]);
    bench.place(index, addresses);
    bench
}

/// [WAT-11]
#[test]
fn a_watch_follows_the_addresses_of_both_ends() {
    let cases: [(usize, &[&str]); 6] = [
        (2, &["[fe80::3%2]:24242"]),
        (2, &["[fd00::33]:24242", "[fe80::3%2]:24242"]),
        (2, &["[fd01::3]:24242", "[fe80::3%2]:24242"]),
        (0, &["[fe80::1%2]:24242"]),
        (0, &["[fd00::11]:24242", "[fe80::1%2]:24242"]),
        (0, &["[fd01::1]:24242", "[fe80::1%2]:24242"]),
    ];
    for (index, addresses) in cases {
        let mut bench = moved(index, addresses);
        let mut seen = Vec::new();
        for second in 0..90 {
            bench.publish(2, "app.load", Value::Int(100 + second));
            bench.pass(LONG);
            let changes = bench.changes(0, "n0");
            seen.extend(changes.into_iter().map(|(value, skipped)| (second, value, skipped)));
        }
        let told: u64 = seen.iter().map(|(_, _, skipped)| skipped + 1).sum();
        assert_eq!(told, 90, "{addresses:?}: each is told or counted: {seen:?}");
        let rises = |pair: &[(i64, i64, u64)]| pair[1].0 - pair[0].0 <= 6;
        assert!(seen[0].0 <= 11 && seen.windows(2).all(rises), "{addresses:?}: {seen:?}");
    }
}

/// [QST-20]
#[test]
fn so_many_addresses_without_a_route_are_remembered() {
    let mut bench = bench(1);
    for port in 1..=u16::try_from(UNREACHABLE_MAX + 1).unwrap() {
        let address = SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 0);
        bench.input(0, Input::Unreachable(address));
        bench.input(0, Input::Unreachable(address));
        let remembered = bench.nodes[0].endpoint.unreachable.len();
        assert_eq!(remembered, usize::from(port).min(UNREACHABLE_MAX));
    }
}
