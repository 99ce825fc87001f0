//! What becomes of a watch where the first answer of a process is lost: it has a lease all the
//! same, and answers no renewal any more.

use super::watch::{LONG, at_predicate, watch};
use super::*;
use crate::question::watched::TOPICS_OF_MEMBER_MAX;
use crate::question::watching::{LeaveReason, WatchEvent};

/// [WAT-6]: the watcher may have heard nothing yet of the process that has a lease for it.
#[test]
fn a_process_of_which_nothing_arrived_but_what_it_states_is_in_the_watch() {
    let mut bench = bench(1);
    bench.begin(0, watch("app.load", Selector::default()));
    bench.events.clear();
    bench.walled = Some((0, BTreeSet::new()));
    bench.restart(2, 70);
    // The renewal draws an answer, which is lost like the beacons of the start.
    bench.pass(LONG * 6);
    assert_eq!(bench.said(0), []);
    bench.walled = Some((0, BTreeSet::from([bench.nodes[2].address])));
    bench.pass(LONG * 25);
    let said = bench.said(0);
    let [WatchEvent::Left { reason, .. }, WatchEvent::Entered { .. }] = said.as_slice() else {
        panic!("{said:?}")
    };
    assert_eq!(*reason, LeaveReason::Restarted);
}

/// Who was busy gives a lease at the next renewal, and the answer that says so is lost. [WAT-8]
#[test]
fn who_was_busy_is_asked_when_it_speaks_of_what_is_watched() {
    let mut bench = bench(1);
    for count in 0..=TOPICS_OF_MEMBER_MAX {
        bench.begin(0, watch("app.load", at_predicate(&format!("1 > -{count}"))));
    }
    let first = *bench.nodes[0].endpoint.watches.keys().next().unwrap();
    let of_first = bench.nodes[0].endpoint.watches[&first].watching.id();
    bench.lost = Box::new(|_, to| to == 0);
    bench.input(0, Input::Cancel(of_first));
    bench.pass(LONG * 6);
    bench.events.clear();
    bench.lost = Box::new(|_, _| false);
    bench.pass(LONG * 25);
    let said = bench.said(0);
    assert!(matches!(said.as_slice(), [WatchEvent::Entered { .. }]), "{said:?}");
}
