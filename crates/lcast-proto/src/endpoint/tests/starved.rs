//! What a member draws from a watcher by what it announces, and what becomes of the others.

use super::watch::{FAR, LONG, watch};
use super::*;
use crate::question::watched::LEASES_OF_MEMBER_MAX;
use crate::question::watching::WatchEvent;
use crate::wire::frame::{Answer, ReplyFrame};
use crate::wire::watch::Change;

const TICK: Duration = Duration::from_millis(1);

impl Bench {
    /// 500 values of `n1` change, which are pulled, while `n0` does something each 50 ms: how long
    /// until the client was told of all.
    fn told_beside(&mut self, mut lie: impl FnMut(&mut Self, u64)) -> Option<Duration> {
        let mut told = 0;
        for millis in 0..8_000_u64 {
            if millis == 3_000 {
                for disk in 0..500 {
                    let name = format!("app.disk[\"{disk}\"]");
                    self.publish(3, &name, Value::Int(7_000 + disk));
                }
            }
            if millis.is_multiple_of(50) {
                lie(self, millis / 50);
            }
            self.pass(TICK);
            for event in self.said(0) {
                if let WatchEvent::Changed { node, values, .. } = event {
                    told += if node == "n1" { values.len() } else { 0 };
                }
            }
            if told >= 500 {
                return Some(Duration::from_millis(millis - 3_000));
            }
        }
        None
    }

    /// Packets that the client has sent to `n0` since the n-th.
    fn sent_to_first(&self, from: usize) -> usize {
        let to = Destination::Unicast(self.nodes[2].address);
        self.sent[from..].iter().filter(|(sender, it)| *sender == 0 && it.to == to).count()
    }
}

/// The client watches what `n0` and `n1` have, of which the second has disks.
fn watched() -> Bench {
    let mut bench = bench(2);
    bench.define_disks(3);
    bench.begin(0, watch("app", Selector::default()));
    bench.pass(LONG);
    bench
}

/// One that announces a schema after the other, and gives the pages of none. [QST-33]
#[test]
fn schemas_that_a_member_announces_hold_up_no_values_of_others() {
    let mut bench = watched();
    bench.parted = Some(Box::new(|from, to| from == 0 && to == 2));
    let empty = EmptyReason::NoVariable.code();
    let told = bench.told_beside(|bench, number| {
        let mut schema = [9; 16];
        schema[..8].copy_from_slice(&number.to_be_bytes());
        bench.answer_with_schema(FAR + number, Answer::Empty(empty), Some(schema));
    });
    assert!(told.is_some_and(|it| it < LONG / 5), "{told:?}");
}

/// One that announces values by a process after the other, and gives the pages of none.
#[test]
fn values_that_the_processes_of_a_member_announce_hold_up_none_of_others() {
    let mut bench = watched();
    let told = bench.told_beside(|bench, number| {
        if (40..60).contains(&number) {
            bench.restart(2, u8::try_from(30 + number).unwrap());
            bench.parted = None;
            bench.pass(TICK * 40);
            let request = *bench.nodes[0].endpoint.watches.keys().next().unwrap();
            let (now, node) = (bench.now, &bench.nodes[2].endpoint);
            let (sender, certificate) = (node.sender(), node.certificate().clone());
            let answer = Answer::Watched(FAR, Box::new(Answer::Announced(2_000_000)));
            let software = "".into();
            let reply = ReplyFrame { request, answer, schema: None, members_version: 1, software };
            bench.nodes[0].endpoint.handle_reply(now, sender, &certificate, reply).unwrap();
            bench.parted = Some(Box::new(|from, to| from == 0 && to == 2));
        }
    });
    assert!(told.is_some_and(|it| it < LONG / 2), "{told:?}");
}

/// Who was refused hears by multicast what others are told: that is no lease of its own. [WAT-8]
#[test]
fn who_was_refused_does_not_ask_for_what_others_are_told() {
    let mut bench = bench(3);
    for _ in 0..LEASES_OF_MEMBER_MAX {
        bench.begin(0, watch("app.greeting", Selector::default()));
        let first = *bench.nodes[0].endpoint.watches.keys().next().unwrap();
        bench.nodes[0].endpoint.watches.remove(&first);
    }
    for index in [1, 4] {
        bench.begin(index, watch("app.load", Selector::default()));
    }
    let (_, report) = bench.begin(0, watch("app.load", Selector::default()));
    assert_eq!(report.refused.len(), 3);
    let before = bench.sent.len();
    for load in 0..20 {
        bench.publish(2, "app.load", Value::Int(1_000 + load));
        bench.pass(LONG / 5);
    }
    assert_eq!(bench.sent_to_first(before), 0);
}

/// Whoever is there no more is asked no more, whatever was missing of it.
#[test]
fn who_has_left_is_not_asked_for_what_was_missing() {
    let mut bench = bench(2);
    bench.begin(0, watch("app.load", Selector::default()));
    bench.pass(LONG);
    bench.input(2, Input::Leave);
    bench.settle();
    let load = bench.load();
    bench.hear(2, Change::Values(load, Vec::new()));
    bench.nodes[2].up = false;
    let before = bench.sent.len();
    bench.pass(LONG * 60);
    assert_eq!(bench.sent_to_first(before), 0);
}

#[test]
fn who_is_gone_and_never_answered_is_not_asked() {
    let mut bench = bench(3);
    bench.nodes[2].up = false;
    bench.begin(0, watch("app.load", Selector::default()));
    bench.pass(LONG * 3);
    bench.parted = Some(Box::new(|from, to| from == 0 && to == 2));
    bench.restart(2, 70);
    bench.pass(LONG * 5);
    bench.nodes[2].up = false;
    bench.pass(LONG * 10);
    let before = bench.sent.len();
    bench.pass(LONG * 60);
    assert_eq!(bench.sent_to_first(before), 0);
}
