//! Questions to listed names: who is asked, who acts, who is accounted for.

use super::watch::watch;
use super::*;
use crate::question::{DEADLINE_MAX, Deadline};

/// Goes to these alone.
fn only(names: &[&str], ask: Ask) -> Ask {
    Ask { only: Some(names.iter().map(ToString::to_string).collect()), ..ask }
}

impl Bench {
    /// What a node's greeting is.
    fn greeting(&self, index: usize) -> Option<&Value> {
        let name = "app.greeting".parse().unwrap();
        self.nodes[index].endpoint.table().entry(&name).map(|entry| &entry.value)
    }

    /// The nodes that hold this greeting.
    fn greeted(&self, text: &str) -> Vec<&str> {
        let text = Value::from(text);
        let agents = (2..self.nodes.len()).filter(|index| self.greeting(*index) == Some(&text));
        agents.map(|index| self.nodes[index].endpoint.own.name().as_str()).collect()
    }
}

/// [QST-44]
#[test]
fn a_set_of_listed_names_is_written_there_and_nowhere_else() {
    let mut bench = bench(100);
    for listed in ["n7", "n50", "n99"] {
        let (_, report) = bench.ask(0, only(&[listed], set(listed, None)));
        assert_eq!((report.expected, report.answered), (1, 1));
        assert_eq!(bench.greeted(listed), [listed]);
    }
}

/// [QST-10] [QST-44]
#[test]
fn who_is_demanded_but_not_listed_is_not_asked_and_missing() {
    let mut bench = bench(4);
    let start = bench.now.instant;
    let demanded = vec!["n3".to_owned()];
    let ask = Ask { expect: demanded, ..only(&["n2"], set("hello", None)) };
    let (_, report) = bench.ask(0, ask);
    assert_eq!((report.expected, report.answered, report.missing.len()), (2, 1, 1));
    assert_eq!(report.missing[0].node, "n3");
    assert_eq!(bench.greeted("hello"), ["n2"]);
    assert!(bench.now.instant.since(start) < Duration::from_millis(100), "nobody is waited for");
}

/// [QST-44] [WAT-6]
#[test]
fn a_watch_of_listed_names_has_leases_there_and_nowhere_else() {
    let mut bench = bench(20);
    let (_, report) = bench.begin(0, only(&["n0"], watch("app.load", Selector::default())));
    assert_eq!(report.answered, 1);
    bench.events.clear();
    bench.pass(Duration::from_secs(12));
    let leases = |node: &Process| node.endpoint.answering.leases();
    assert_eq!(bench.nodes.iter().map(leases).sum::<usize>(), 1);
    bench.publish(2, "app.load", Value::Int(70));
    bench.publish(3, "app.load", Value::Int(71));
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.changes(0, "n0"), [(70, 0)]);
}

/// [QST-26] [QST-27]
#[test]
fn a_set_is_executed_once_however_long_its_asker_waits() {
    let mut bench = bench(1);
    let deadline = Deadline::after(Duration::from_secs(300));
    bench.parted = Some(Box::new(|from, to| (from, to) == (2, 0)));
    let id = QuestionId(900);
    bench.input(0, Input::Ask(id, Box::new(Ask { deadline, ..set("one", None) })));
    bench.pass(Duration::from_secs(10));
    assert_eq!(bench.greeted("one"), ["n0"]);
    bench.publish(2, "app.greeting", Value::from("two"));
    bench.pass(Duration::from_secs(200));
    assert_eq!(bench.greeted("two"), ["n0"]);
    bench.parted = None;
    bench.pass(Duration::from_secs(1));
    let done = |(_, event): &(usize, Event)| matches!(event, Event::Done(done, _) if *done == id);
    assert!(bench.events.iter().any(done));
    assert_eq!(bench.greeted("two"), ["n0"]);
}

/// [QST-27]
#[test]
fn nobody_asks_for_longer_than_nodes_remember() {
    let mut bench = bench(1);
    for (extra, fails) in [(0, false), (1, true)] {
        let deadline = Deadline::after(DEADLINE_MAX + Duration::from_millis(extra));
        let id = QuestionId(900 + extra);
        bench.input(0, Input::Ask(id, Box::new(Ask { deadline, ..set("one", None) })));
        bench.settle();
        let failed = |(_, event): &(usize, Event)| match event {
            Event::Failed(failed, AskError::TooLong(_)) => *failed == id,
            _ => false,
        };
        assert_eq!(bench.events.iter().any(failed), fails);
    }
}
