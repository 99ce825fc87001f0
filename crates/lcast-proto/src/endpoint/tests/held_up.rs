//! Answers to watches that count late: held up on their way, or until their units are known.

use std::cell::Cell;

use super::watch::{LONG, SHORT, watch};
use super::*;
use crate::question::watching::{LeaveReason, WatchEvent};

impl Bench {
    /// Begins to watch `app.load`; the answer of node 2, which only an eavesdropper has heard.
    fn watch_and_hold_up(&mut self) -> Transmit {
        self.parted = Some(Box::new(|from, to| (from, to) == (2, 0)));
        let before = self.sent.len();
        self.watch_load();
        self.pass(SHORT);
        let answer = |(from, it): &&(usize, Transmit)| {
            *from == 2 && matches!(it.to, Destination::Unicast(_))
        };
        let held_up = self.sent[before..].iter().find(answer).expect("it answered").1.clone();
        self.parted = None;
        self.pass(LONG);
        held_up
    }

    fn watch_load(&mut self) {
        let ask = Box::new(watch("app.load", Selector::default()));
        self.input(0, Input::Ask(QuestionId(1), ask));
    }

    /// Hands node 0 a packet that node 2 once sent.
    fn hand_over(&mut self, held_up: &Transmit) {
        let (from, local) = (self.nodes[2].address, self.nodes[0].address);
        let bytes = &held_up.bytes;
        let datagram = Datagram { from, local, multicast: false, waited: Duration::ZERO, bytes };
        self.input(0, Input::Datagram(datagram));
    }
}

/// Seed 2104 of the soak: somebody held an answer back until its node had left, which then entered
/// with values older than those that it had told. [WAT-8]
#[test]
fn who_left_does_not_enter_by_what_it_said_before() {
    let mut bench = bench(1);
    let held_up = bench.watch_and_hold_up();
    bench.publish(2, "app.load", Value::Int(70));
    bench.pass(SHORT);
    bench.input(2, Input::Leave);
    bench.pass(LONG * 2);
    bench.nodes[2].up = false;
    let (said, left) = (bench.said(0), LeaveReason::Left);
    assert_eq!(said.last(), Some(&WatchEvent::Left { node: "n0".to_owned(), reason: left }));
    bench.hand_over(&held_up);
    bench.pass(SHORT);
    assert_eq!(bench.said(0), []);
}

/// An answer of a process before, held up until the next had entered, put that out of the watch and
/// its own values in their place. [WAT-8]
#[test]
fn who_was_followed_by_another_process_does_not_come_back() {
    let mut bench = bench(1);
    let held_up = bench.watch_and_hold_up();
    bench.restart(2, 77);
    bench.pass(LONG);
    let said = bench.said(0);
    assert!(matches!(said.last(), Some(WatchEvent::Entered { .. })), "{said:?}");
    bench.hand_over(&held_up);
    bench.pass(LONG);
    assert_eq!(bench.said(0), []);
}

/// Its values waited for their units when the realm forgot it, and were told after that: it stayed
/// in the watch for ever. [WAT-8]
#[test]
fn who_is_forgotten_before_its_values_are_told_leaves() {
    let authority = Authority::create("prod", &mut Random::from_seed([9; 32])).unwrap();
    let mut bench = bench(1);
    let answered = Cell::new(false);
    bench.parted = Some(Box::new(move |from, to| (from, to) == (2, 0) && answered.replace(true)));
    bench.watch_load();
    bench.pass(SHORT);
    let mut edit = bench.nodes[0].endpoint.members().edit();
    edit.forget("n0").unwrap();
    let list = authority.sign_members(edit).unwrap();
    bench.nodes[0].endpoint.install_members(bench.now, list);
    bench.pass(LONG);
    let told = bench.events.iter().position(|(at, it)| *at == 0 && matches!(it, Event::Reply(..)));
    let left = WatchEvent::Left { node: "n0".to_owned(), reason: LeaveReason::Forgotten };
    let is_left = |(_, it): &(usize, Event)| matches!(it, Event::Watch(_, said) if *said == left);
    let gone = bench.events.iter().position(is_left);
    assert!(told.is_some() && told < gone, "{:?}", bench.events);
}
