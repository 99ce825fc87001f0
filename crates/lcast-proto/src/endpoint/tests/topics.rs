//! Watchers that share a topic: what the answer to one says is the business of all.

use super::watch::{LONG, at_predicate, watch};
use super::*;
use crate::question::WatchRequest;
use crate::question::watching::{LeaveReason, WatchEvent};

/// The same, told anew every second.
fn each_second(ask: Ask) -> Ask {
    let Verb::Watch(request) = ask.verb else { panic!("{ask:?}") };
    Ask { verb: Verb::Watch(WatchRequest { every: Some(LONG), ..request }), ..ask }
}

/// [WAT-3]: what an answer says between two looks is taken back by the next.
#[test]
fn what_only_an_answer_told_is_taken_back() {
    let mut bench = bench(2);
    bench.define_disks(2);
    bench.publish_disks(2, 1);
    bench.begin(0, each_second(watch("app.disk", Selector::default())));
    bench.publish_disks(2, 2);
    let (_, report) = bench.begin(1, each_second(watch("app.disk", Selector::default())));
    assert_eq!(report.answered, 1);
    bench.events.clear();
    let gone: crate::name::Name = "app.disk[\"1\"]".parse().unwrap();
    bench.nodes[2].endpoint.change(|table| table.remove(gone.steps()));
    bench.pass(LONG);
    let gone: Vec<String> = vec![gone.to_string()];
    let tells = |event: &WatchEvent| match event {
        WatchEvent::Changed { removed, .. } => *removed == gone,
        WatchEvent::Entered { .. } | WatchEvent::Left { .. } => false,
    };
    assert!(bench.said(1).iter().any(tells));
}

/// [WAT-3]
#[test]
fn a_predicate_that_held_for_an_answer_alone_is_taken_back() {
    let mut bench = bench(2);
    let ask = || each_second(watch("app.load", at_predicate("app.load > 10")));
    bench.begin(0, ask());
    bench.publish(2, "app.load", Value::Int(20));
    let (_, report) = bench.begin(1, ask());
    assert_eq!(report.answered, 1);
    bench.events.clear();
    bench.publish(2, "app.load", Value::Int(3));
    bench.pass(LONG);
    let left = WatchEvent::Left { node: "n0".to_owned(), reason: LeaveReason::NoMatch };
    assert_eq!(bench.said(1), [left]);
}

/// [WAT-3]
#[test]
fn a_predicate_that_failed_for_an_answer_alone_is_made_good() {
    let mut bench = bench(2);
    let ask = || each_second(watch("app.load", at_predicate("app.load > 10")));
    bench.publish(2, "app.load", Value::Int(20));
    bench.begin(0, ask());
    bench.publish(2, "app.load", Value::Int(3));
    let (_, report) = bench.begin(1, ask());
    assert_eq!(report.answered, 0);
    bench.events.clear();
    bench.publish(2, "app.load", Value::Int(30));
    bench.pass(LONG);
    let said = bench.said(1);
    let [WatchEvent::Entered { node, values }] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!((node.as_str(), &values[0].value), ("n0", &Value::Int(30)));
}
