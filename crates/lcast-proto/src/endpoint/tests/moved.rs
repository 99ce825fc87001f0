//! Watches go on while hosts get other addresses.

use super::stale::record;
use super::watch::{LONG, watch};
use super::*;
use crate::wire::frame::Record;

/// A watch of `n0` by the client, both at two addresses; then one of the two has these.
fn moved(index: usize, addresses: &[&str]) -> Bench {
    let mut bench = bench(1);
    bench.place(0, &["[fd00::1]:24242", "[fe80::1%2]:24242"]);
    bench.place(2, &["[fd00::3]:24242", "[fe80::3%2]:24242"]);
    bench.define_disks(2);
    bench.begin(0, watch("app", Selector::default()));
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

/// Pages are asked for where the node is since its last beacon. [WAT-11]
#[test]
fn what_does_not_fit_messages_is_told_after_either_end_has_moved() {
    let cases: [(usize, &[&str]); 2] = [
        (2, &["[fd00::33]:24242", "[fe80::3%2]:24242"]),
        (0, &["[fd00::11]:24242", "[fe80::1%2]:24242"]),
    ];
    for (index, addresses) in cases {
        let mut bench = moved(index, addresses);
        // A beacon of the node comes, and a renewal of the watcher.
        bench.pass(LONG * 15);
        bench.publish_disks(2, 500);
        bench.pass(LONG * 5);
        assert_eq!(bench.changes(0, "n0").len(), 500, "{addresses:?}");
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

impl Bench {
    /// The client starts again, and begins with what is remembered: all that its state keeps.
    fn start_with(&mut self, roster: Vec<Record>) {
        let (credential, address) =
            (self.nodes[0].endpoint.credential.clone(), self.nodes[0].address);
        let seed = [u8::try_from(90 + self.sent.len() % 100).unwrap(); 32];
        let config = Config { roster, ..Config::default() };
        self.nodes[0].endpoint = Endpoint::new(config, credential, seed, self.now);
        self.nodes[0].groups.clear();
        let link = Link { index: 2, addresses: vec![address], multicast: true };
        self.input(0, Input::Links(vec![link]));
    }

    /// What the client keeps for the next one.
    fn kept(&self) -> Vec<Record> {
        self.nodes[0].endpoint.records(self.now)
    }
}

/// An agent that got another address was missing for ever behind a firewall that lets in only what
/// was asked by unicast: the client went on with the address that an earlier one had kept, though
/// it had been answered from the other. [PRE-42]
#[test]
fn an_answer_outweighs_the_address_that_was_remembered() {
    let mut bench = bench(1);
    let old = Some("[fd00::99]:24242".parse().unwrap());
    bench.start_with(vec![Record { address: old, ..record(&bench, 2) }]);
    assert_eq!(bench.kept()[0].address, old);
    let (_, report) = bench.ask(0, get("app.load", Selector::default()));
    assert_eq!(report.answered, 1);
    assert_eq!(bench.kept()[0].address, Some(bench.nodes[2].address));
    bench.start_with(bench.kept());
    bench.walled = Some((0, BTreeSet::new()));
    let (_, report) = bench.ask(0, get("app.load", Selector::default()));
    assert_eq!((report.answered, report.rounds), (1, 2));
}

/// The same where no answer came through from the other address so far. [QST-14]
#[test]
fn who_is_silent_at_its_address_is_looked_for_among_the_neighbours() {
    let mut bench = bench(1);
    let old = Some("[fd00::99]:24242".parse().unwrap());
    bench.start_with(vec![Record { address: old, ..record(&bench, 2) }]);
    bench.walled = Some((0, BTreeSet::new()));
    let (_, report) = bench.ask(0, get("app.load", Selector::default()));
    assert_eq!((report.answered, report.rounds), (1, 4));
    // Once: who is not there costs no more than that.
    bench.nodes[2].up = false;
    let before = bench.sent.len();
    let (_, report) = bench.ask(0, get("app.load", Selector::default()));
    let neighbours = |it: &&(usize, Transmit)| it.1.to == Destination::Neighbours;
    assert_eq!(bench.sent[before..].iter().filter(neighbours).count(), 1);
    assert!(report.missing.len() == 1 && report.rounds > 4);
}

/// Nobody signs the source of a packet: it moves nothing that the process itself has signed.
/// [PRE-42]
#[test]
fn a_source_does_not_outweigh_what_the_process_announced() {
    let mut bench = bench(1);
    bench.pass(LONG);
    let elsewhere: SocketAddrV6 = "[fd00::66]:24242".parse().unwrap();
    let announced = bench.nodes[2].address;
    bench.nodes[2].address = elsewhere;
    let (_, report) = bench.ask(0, get("app.load", Selector::default()));
    assert_eq!(report.answered, 1);
    assert_eq!(bench.kept()[0].address, Some(announced));
}
