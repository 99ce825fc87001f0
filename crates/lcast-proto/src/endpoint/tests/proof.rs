//! Who names the address of another draws little to it.

use super::*;
use crate::endpoint::proving::{HELD_MAX, Held, HeldWish};
use crate::question::WatchRequest;
use crate::question::watched::CHALLENGES_MAX;
use crate::question::watching::WatchEvent;
use crate::wire::filter::Filter;
use crate::wire::frame::{Blob, PullFrame};

const LONG: Duration = Duration::from_secs(1);

fn watch(every: Option<Duration>) -> Ask {
    let patterns = vec!["**".parse().unwrap()];
    let request = WatchRequest { patterns, every, ..WatchRequest::default() };
    Ask { verb: Verb::Watch(request), ..get("**", Selector::default()) }
}

fn victim() -> SocketAddrV6 {
    "[fd00::77]:24242".parse().unwrap()
}

impl Bench {
    /// The guest says that it is at this address, and its packets come from there.
    fn move_guest(&mut self, address: SocketAddrV6) {
        self.nodes[1].address = address;
        let link = Link { index: 2, addresses: vec![address], multicast: true };
        self.input(1, Input::Links(vec![link]));
    }

    /// The guest asks by one packet in the name of the victim's address, and hears nothing.
    fn spoof(&mut self, ask: Ask) {
        self.move_guest(victim());
        self.nodes[1].up = false;
        self.input(1, Input::Ask(QuestionId(7), Box::new(ask)));
        self.settle();
    }

    /// The bytes that agents have sent to the victim since the n-th packet.
    fn drawn(&self, from: usize) -> usize {
        let to_victim = |it: &&(usize, Transmit)| it.1.to == Destination::Unicast(victim());
        self.sent[from..].iter().filter(to_victim).map(|(_, it)| it.bytes.len()).sum()
    }

    /// How many packets so small that they are pings `n0` has sent to the guest since the n-th.
    fn small(&self, from: usize) -> usize {
        let guest = Destination::Unicast(self.nodes[1].address);
        let small =
            |it: &&(usize, Transmit)| it.0 == 2 && it.1.to == guest && it.1.bytes.len() < 80;
        self.sent[from..].iter().filter(small).count()
    }

    fn set_load(&mut self, value: i64) {
        let (now, name) = (self.now, "app.load".parse().unwrap());
        let update = Update { name, value: Value::Int(value), time: None, version: None };
        self.nodes[2].endpoint.change(|table| table.update(now, update)).unwrap();
    }

    /// Begins to watch at the guest, which knows the schema of `n0` and has proven nothing to it.
    fn begin_guest(&mut self, ask: Ask) {
        self.ask(1, get("app.load", Selector::default()));
        let guest = self.nodes[1].endpoint.sender();
        let peer = self.nodes[2].endpoint.peers.peer_mut(&guest).unwrap();
        peer.proofs = crate::endpoint::proving::Proofs::default();
        self.input(1, Input::Ask(QuestionId(8), Box::new(ask)));
        self.pass(Duration::from_millis(200));
        self.events.clear();
    }

    /// The loads of `n0` that the guest was told of.
    fn loads(&mut self) -> Vec<Value> {
        let mut loads = Vec::new();
        for (at, event) in std::mem::take(&mut self.events) {
            if let (1, Event::Watch(_, WatchEvent::Changed { values, .. })) = (at, event) {
                loads.extend(values.into_iter().map(|it| it.value.value));
            }
        }
        loads
    }
}

/// [SEC-45] [WAT-10]
#[test]
fn a_watch_in_the_name_of_another_address_streams_nothing_there() {
    let mut bench = bench(1);
    let before = bench.sent.len();
    bench.spoof(watch(Some(Duration::from_millis(10))));
    bench.pass(Duration::from_secs(40));
    let drawn = bench.drawn(before);
    assert!((300..1500).contains(&drawn), "{drawn} bytes: a reply and a few pings");
    assert_eq!(bench.small(before), CHALLENGES_MAX as usize);
}

/// [WAT-10]
#[test]
fn a_watcher_on_another_address_shows_again_that_it_receives() {
    let mut bench = bench(1);
    bench.begin_guest(watch(None));
    bench.set_load(50);
    bench.pass(LONG);
    assert_eq!(bench.loads(), [Value::Int(50)]);
    // It renews its lease, and hears nothing there.
    let before = bench.sent.len();
    bench.move_guest(victim());
    bench.lost = Box::new(|_, to| to == 1);
    for load in 51..81 {
        bench.pass(LONG);
        bench.set_load(load);
    }
    let drawn = bench.drawn(before);
    assert!((300..4000).contains(&drawn), "{drawn} bytes in 30 s");
    bench.lost = Box::new(|_, _| false);
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.loads(), [Value::Int(80)], "what it missed comes as one");
}

/// [WAT-10]
#[test]
fn a_lost_proof_is_asked_for_again() {
    // What is lost: what comes to the watcher, or what the node is sent.
    for lost in [1, 2] {
        let mut bench = bench(1);
        bench.begin_guest(watch(None));
        bench.lost = Box::new(move |_, to| to == lost);
        bench.set_load(50);
        bench.pass(Duration::from_millis(500));
        bench.lost = Box::new(|_, _| false);
        bench.pass(LONG);
        assert_eq!(bench.loads(), [Value::Int(50)], "{lost}");
    }
}

/// [WAT-10]
#[test]
fn the_first_change_waits_for_one_exchange_and_later_ones_for_none() {
    let mut bench = bench(1);
    bench.begin_guest(watch(None));
    for (load, packets) in [(50, 3), (51, 1)] {
        let before = bench.sent.len();
        bench.set_load(load);
        bench.pass(Duration::from_millis(5));
        assert_eq!(bench.loads(), [Value::Int(load)]);
        assert_eq!(bench.sent.len() - before, packets, "{load}");
        bench.pass(Duration::from_millis(300));
    }
}

/// [WAT-10]: with two watchers it goes to a group, whatever they have shown.
#[test]
fn what_goes_to_a_group_waits_for_no_proof() {
    let mut bench = bench(1);
    bench.begin_guest(watch(None));
    bench.input(0, Input::Ask(QuestionId(9), Box::new(watch(None))));
    bench.pass(Duration::from_millis(20));
    bench.lost = Box::new(|_, to| to == 2);
    bench.set_load(50);
    bench.pass(Duration::from_millis(5));
    assert_eq!(bench.loads(), [Value::Int(50)]);
}

/// [SEC-45]
#[test]
fn a_large_reply_takes_no_longer_for_the_proof() {
    let mut bench = bench(1);
    bench.fill();
    let before = bench.sent.len();
    let (_, report) = bench.ask(1, get("big", Selector::default()));
    assert_eq!((report.answered, report.elapsed), (1, Duration::ZERO));
    assert_eq!(bench.small(before), 1, "one ping");
    let before = bench.sent.len();
    bench.ask(1, get("big", Selector::default()));
    assert_eq!(bench.small(before), 0, "it has shown that it receives");
}

/// [SEC-45]
#[test]
fn so_many_wishes_wait_and_no_more() {
    let mut held = Held::default();
    let sender = |index: usize| SenderId([u8::try_from(index % 256).unwrap(); 12]);
    let wish = |index: usize| {
        HeldWish::Pull(PullFrame { blob: Blob::Reply(index as u64), first: 0, map: 1 })
    };
    for index in 0..HELD_MAX {
        assert!(!held.push(sender(index), wish(index)), "{index}");
        assert!(!held.push(sender(index), wish(index)), "the same again");
    }
    assert!(held.push(sender(1), wish(HELD_MAX)), "the oldest goes");
    assert_eq!(held.take(&sender(0)), []);
    assert_eq!(held.take(&sender(1)), [wish(1), wish(HELD_MAX)]);
    assert_eq!(held.take(&sender(1)), []);
}

/// [SEC-45]
#[test]
fn pages_and_rosters_in_the_name_of_another_address_go_nowhere() {
    let mut bench = bench(2);
    bench.fill();
    bench.ask(1, get("app.load", Selector::default()));
    let before = bench.sent.len();
    bench.spoof(get("big", Selector::default()));
    let announced = bench.drawn(before);
    assert!((1..600).contains(&announced), "{announced}");
    let (request, node) = (1..9, bench.nodes[2].endpoint.sender());
    let blobs = request.map(Blob::Reply).chain([Blob::Members(0)]);
    let pull = |blob| PairFrame::Pull(PullFrame { blob, first: 0, map: u32::MAX });
    let mut wishes: Vec<PairFrame> = blobs.map(pull).collect();
    wishes.push(PairFrame::RosterWanted(Filter::new([].iter(), 0, 0, 16)));
    let count = wishes.len();
    let heard = bench.nodes[2].endpoint.stats().verified;
    for wish in wishes {
        bench.nodes[1].endpoint.send_pair(node, &wish, false, None);
        bench.settle();
    }
    assert_eq!(bench.nodes[2].endpoint.stats().verified - heard, count as u64);
    bench.pass(LONG);
    let drawn = bench.drawn(before) - announced;
    assert!(drawn <= count * 80, "{drawn} bytes by {count} wishes");
}
