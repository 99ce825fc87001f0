//! Messages of a watched node that come before one that is missing: what is kept of them, and what
//! is asked for when they are too many.

use super::watch::{FAR, LONG, SHORT, at_predicate, watch};
use super::*;
use crate::question::watching::{AHEAD_MAX, WatchEvent};
use crate::wire::watch::Change;

/// A client that watches `n0`, from which nothing comes through any more.
fn watched(selector: Selector) -> (Bench, NodeId) {
    let mut bench = bench(1);
    bench.begin(0, watch("app.load", selector));
    bench.events.clear();
    bench.lost = Box::new(|_, _| true);
    let id = bench.nodes[2].endpoint.certificate().id();
    (bench, id)
}

impl Bench {
    /// How many packets the client has sent since the n-th of all.
    pub(super) fn asked_since(&self, from: usize) -> usize {
        self.sent[from..].iter().filter(|(sender, _)| *sender == 0).count()
    }

    /// The client has heard an answer of `n0`, with no values, from before what follows.
    fn answers_nothing(&mut self, id: NodeId) {
        let (now, sender) = (self.now.instant, self.nodes[2].endpoint.sender());
        let watching = self.watching().0;
        watching.subscribed(id, sender, FAR).unwrap();
        watching.snapshot(now, &id, FAR, Vec::new(), true);
    }
}

fn nothing() -> Change {
    Change::Values(Vec::new(), Vec::new())
}

/// [WAT-5] [WAT-9]
#[test]
fn all_is_asked_for_at_once_when_over_256_messages_overtook_one() {
    for (count, asked) in [(AHEAD_MAX as u64, 0), (AHEAD_MAX as u64 + 1, 1)] {
        let (mut bench, id) = watched(Selector::default());
        let before = bench.sent.len();
        (1..=count).for_each(|number| bench.hear(number, nothing()));
        let (noted, _) = bench.watching().0.ahead(&id);
        assert_eq!(noted, if asked == 0 { AHEAD_MAX } else { 1 }, "{count} messages");
        bench.run(SHORT, |_| false);
        assert_eq!(bench.asked_since(before), asked, "{count} messages");
    }
}

/// [WAT-5]
#[test]
fn all_is_asked_for_when_a_message_is_missing_for_240_ms() {
    for (comes, asked) in [(false, 1), (true, 0)] {
        let (mut bench, id) = watched(Selector::default());
        let (before, sender) = (bench.sent.len(), bench.nodes[2].endpoint.sender());
        bench.watching().0.subscribed(id, sender, FAR + 1).unwrap();
        bench.hear(3, nothing());
        bench.pass(Duration::from_millis(239));
        assert_eq!(bench.asked_since(before), 0, "too early");
        if comes {
            bench.hear(2, nothing());
        }
        bench.pass(Duration::from_millis(1));
        assert_eq!(bench.asked_since(before), asked, "it came: {comes}");
    }
}

/// [WAT-9]
#[test]
fn whoever_numbers_its_messages_far_ahead_takes_no_room() {
    let (mut bench, id) = watched(Selector::default());
    for number in 1..=20 * AHEAD_MAX as u64 {
        bench.hear(number * 7, nothing());
        let (noted, kept) = bench.watching().0.ahead(&id);
        assert!(noted <= AHEAD_MAX && kept == 0, "{noted} and {kept} after {number}");
    }
}

/// [WAT-5]
#[test]
fn what_was_told_stays_when_too_much_overtook_one_message_and_the_rest_is_asked_for() {
    let (mut bench, _) = watched(Selector::default());
    let mut told = Vec::new();
    for number in 1..=AHEAD_MAX as u64 + 1 {
        bench.publish(2, "app.load", Value::Int(1000 + i64::try_from(number).unwrap()));
        let load = bench.load();
        bench.hear(number, Change::Values(load, Vec::new()));
        told.extend(bench.changes(0, "n0").into_iter().map(|(value, _)| value));
    }
    assert_eq!(told, (1001..=1001 + AHEAD_MAX as i64).collect::<Vec<i64>>(), "each one, once");
    // What comes meanwhile is told as well; then the answer says what nobody has told.
    bench.publish(2, "app.load", Value::Int(5));
    bench.lost = Box::new(|_, _| false);
    bench.pass(LONG);
    assert_eq!(bench.changes(0, "n0").last(), Some(&(5, 0)));
}

/// [WAT-9]
#[test]
fn what_there_is_no_room_for_before_an_entry_is_asked_for_after_it() {
    for (count, asked) in [(AHEAD_MAX as u64, 0), (AHEAD_MAX as u64 + 1, 1)] {
        let (mut bench, id) = watched(at_predicate("app.load >= 0"));
        let (now, sender) = (bench.now.instant, bench.nodes[2].endpoint.sender());
        let watching = bench.watching().0;
        watching.subscribed(id, sender, FAR).unwrap();
        watching.empty(now, &id, FAR, EmptyReason::NoMatch, true);
        let load = bench.load();
        (0..count).for_each(|it| bench.hear(2 + it, Change::Values(load.clone(), Vec::new())));
        let (_, kept) = bench.watching().0.ahead(&id);
        assert!(kept <= AHEAD_MAX, "{kept} are kept of {count}");
        let before = bench.sent.len();
        bench.said(0);
        bench.hear(1, Change::Entered(load));
        let said = bench.said(0);
        assert!(matches!(said.as_slice(), [WatchEvent::Entered { .. }]), "{said:?}");
        bench.run(SHORT, |_| false);
        assert_eq!(bench.asked_since(before), asked, "{count} messages");
    }
}

/// An answer that was on its way before message 1 was told took the wish for it away. [WAT-5]
#[test]
fn an_older_answer_does_not_stand_for_a_missing_message() {
    let (mut bench, id) = watched(Selector::default());
    let load = bench.load();
    bench.lost = Box::new(|_, _| true);
    bench.hear(2, Change::Values(load, Vec::new()));
    bench.pass(Duration::from_millis(260));
    bench.answers_nothing(id);
    let before = bench.sent.len();
    bench.pass(LONG);
    assert!(bench.asked_since(before) >= 2, "{}", bench.asked_since(before));
}

/// A node left, came back and said that more changed than messages carry: when it was heard to
/// leave last of all, nobody asked for the rest any more. [WAT-5] [WAT-8]
#[test]
fn who_left_before_it_told_much_is_asked_all_the_same() {
    for order in [[1, 2, 3], [2, 1, 3], [3, 1, 2], [3, 2, 1]] {
        let (mut bench, id) = watched(at_predicate("app.load >= 0"));
        bench.answers_nothing(id);
        let before = bench.sent.len();
        for number in order {
            let change = match number {
                1 => Change::Left(EmptyReason::NoMatch.code()),
                2 => Change::Entered(bench.load()),
                _ => Change::Much,
            };
            bench.hear(number, change);
        }
        bench.pass(LONG);
        assert!(bench.asked_since(before) >= 2, "{order:?}");
    }
    // What it told before it left is over.
    let (mut bench, id) = watched(at_predicate("app.load >= 0"));
    bench.answers_nothing(id);
    let before = bench.sent.len();
    bench.hear(1, Change::Much);
    bench.hear(2, Change::Left(EmptyReason::NoMatch.code()));
    bench.run(SHORT, |_| false);
    assert_eq!(bench.asked_since(before), 0);
}
