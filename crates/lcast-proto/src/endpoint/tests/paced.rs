//! What a lying member draws from who watches it: packets that are signed cost the time of others.

use super::watch::{FAR, LONG, watch};
use super::*;
use crate::question::values::REPLY_MAX;
use crate::question::watching::{LeaveReason, WatchEvent};
use crate::wire::frame::{Answer, PairFrame, ReplyFrame};
use crate::wire::watch::{Change, ChangeFrame};

impl Bench {
    /// The client watches, nothing happens for a while, and only what follows is counted.
    fn watch_and_wait(&mut self, pattern: &str) {
        self.begin(0, watch(pattern, Selector::default()));
        self.pass(LONG * 6);
        self.events.clear();
    }

    /// n0 answers the watch, as if it had been asked.
    fn answer_falsely(&mut self, number: u64, answer: Answer) {
        self.answer_with_schema(number, answer, None);
    }

    /// The same, with this schema.
    pub(super) fn answer_with_schema(
        &mut self,
        number: u64,
        answer: Answer,
        schema: Option<[u8; 16]>,
    ) {
        let client = self.nodes[0].endpoint.sender();
        let request = *self.nodes[0].endpoint.watches.keys().next().unwrap();
        let answer = Answer::Watched(number, Box::new(answer));
        let software = "".into();
        let reply = ReplyFrame { request, answer, schema, members_version: 0, software };
        self.nodes[2].endpoint.send_pair(client, &PairFrame::Reply(reply), false, None);
        self.settle();
    }

    /// n0 says that more changed than messages carry.
    fn tell_much(&mut self, number: u64) {
        let client = self.nodes[0].endpoint.sender();
        let topic = self.watching().1;
        let frame = PairFrame::Change(ChangeFrame { topic, number, change: Change::Much });
        self.nodes[2].endpoint.send_pair(client, &frame, false, None);
        self.settle();
    }
}

fn nothing() -> Answer {
    Answer::Empty(EmptyReason::NoVariable.code())
}

/// For each pair of packets of a liar its watcher signed a question, a thousand in a second. Two of
/// ten seconds' packets are renewals. [WAT-8] [SEC-74]
#[test]
fn who_answers_and_wants_to_be_asked_is_asked_once_a_second() {
    let mut bench = bench(3);
    bench.watch_and_wait("app.load");
    let before = bench.sent.len();
    for number in 0..10_000 {
        bench.answer_falsely(FAR + 2 * number, nothing());
        bench.tell_much(FAR + 2 * number + 1);
        bench.pass(Duration::from_millis(1));
    }
    let asked = bench.asked_since(before) - 2;
    assert!((10..=16).contains(&asked), "{asked} in ten seconds");
    // Who was not asked for a while is asked at once.
    bench.answer_falsely(2 * FAR - 1, nothing());
    bench.pass(LONG * 6);
    let before = bench.sent.len();
    bench.tell_much(2 * FAR);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.asked_since(before), 1);
}

/// An honest node that tells very much once a second is asked each time. [WAT-8]
#[test]
fn who_tells_much_each_second_is_asked_each_second() {
    let mut bench = bench(1);
    bench.define_disks(2);
    bench.watch_and_wait("app.disk[*]");
    for second in 0..20 {
        for disk in 0..600 {
            bench.publish(2, &format!("app.disk[\"{disk}\"]"), Value::Int(second));
        }
        bench.pass(LONG);
        let newest = bench.said(0).into_iter().any(|event| match event {
            WatchEvent::Changed { values, .. } => values.len() == 600,
            WatchEvent::Entered { .. } | WatchEvent::Left { .. } => false,
        });
        assert!(newest || second == 0, "{second}");
    }
}

/// What says that more changed may overtake an answer that was on its way, which does not tell it.
/// [WAT-8]
#[test]
fn an_older_answer_does_not_stand_for_what_is_wanted() {
    let mut bench = bench(1);
    bench.watch_and_wait("app.load");
    bench.lost = Box::new(|_, to| to == 2);
    bench.tell_much(FAR + 1);
    bench.answer_falsely(FAR, nothing());
    let before = bench.sent.len();
    bench.pass(LONG);
    assert!(bench.asked_since(before) >= 3);
}

/// A node with more values than the watch can hold drew an end for each answer. [WAT-7]
#[test]
fn leases_of_one_node_are_given_back_once_a_second() {
    let mut bench = bench(3);
    bench.define_disks(2);
    bench.watch_and_wait("app.**");
    bench.watching().0.track_at_most(30);
    bench.publish_disks(2, 40);
    bench.pass(LONG);
    let left = WatchEvent::Left { node: "n0".to_owned(), reason: LeaveReason::TooMany };
    assert_eq!(bench.said(0).last(), Some(&left));
    let before = bench.sent.len();
    for number in 0..4_000 {
        bench.answer_falsely(FAR + number, nothing());
        bench.pass(Duration::from_millis(1));
    }
    let sent = bench.asked_since(before);
    assert!((3..=6).contains(&sent), "{sent} in four seconds");
}

/// [QST-49]: also where it came with the first answer of all, which the question passes on.
#[test]
fn who_answers_what_breaks_the_rules_is_asked_again_by_the_watch() {
    let too_much = u32::try_from(REPLY_MAX + 1).unwrap();
    for (answer, taken) in [
        (Answer::Values(vec![0xff]), Err(Dropped::Frame)),
        (Answer::Empty(250), Err(Dropped::Frame)),
        (Answer::Here, Err(Dropped::Unasked)),
        (Answer::Error(1, String::new()), Ok(())),
        (Answer::Announced(too_much), Ok(())),
    ] {
        let mut bench = bench(1);
        bench.nodes[2].up = false;
        let ask = watch("app.load", Selector::default());
        bench.input(0, Input::Ask(QuestionId(7), Box::new(ask)));
        bench.settle();
        let node = &bench.nodes[2].endpoint;
        let (now, sender, certificate) = (bench.now, node.sender(), node.certificate().clone());
        let asker = &mut bench.nodes[0].endpoint;
        let reply = ReplyFrame {
            request: *asker.watches.keys().next().unwrap(),
            answer: Answer::Watched(u64::MAX / 2, Box::new(answer)),
            schema: None,
            members_version: 1,
            software: "".into(),
        };
        let kind = format!("{:?}", reply.answer);
        assert_eq!(asker.handle_reply(now, sender, &certificate, reply), taken, "{kind}");
        bench.pass(LONG * 4);
        let before = bench.sent.len();
        bench.pass(LONG * 6);
        let to = Destination::Unicast(bench.nodes[2].address);
        let asked = bench.sent[before..].iter().filter(|(_, it)| it.to == to).count();
        assert!(asked > 0, "{kind}: the question is over, and the watch asks");
    }
}

/// [QST-49]
#[test]
fn a_name_that_is_told_twice_or_is_not_watched_takes_the_message_with_it() {
    let mut bench = bench(1);
    bench.begin(0, watch("app.load", Selector::default()));
    bench.publish(2, "app.load", Value::Int(30));
    let (load, other) = (bench.load(), bench.encoded("app.greeting"));
    let (now, topic) = (bench.now, bench.watching().1);
    let node = &bench.nodes[2].endpoint;
    let (sender, certificate) = (node.sender(), node.certificate().clone());
    for (number, values, expected) in [
        (1, [load.clone(), load.clone()].concat(), Err(Dropped::Frame)),
        (2, [other, load.clone()].concat(), Err(Dropped::Frame)),
        (3, load, Ok(())),
    ] {
        for change in [Change::Values(values.clone(), Vec::new()), Change::Entered(values)] {
            let frame = ChangeFrame { topic, number: FAR + number, change };
            let heard = bench.nodes[0].endpoint.hear_change(now, sender, &certificate, &frame);
            assert_eq!(heard, expected, "{number}");
        }
    }
}
