//! Every reply that arrives is in the account, once; and no question waits for nothing.

use super::*;
use crate::keys::seal::PacketNumbers;
use crate::question::asking::{Asking, Pace, Send};
use crate::question::values::encode_value;
use crate::variable::Entry;
use crate::wire::frame::{Answer, ReplyFrame, SetResultFrame};

/// Lets a question go out and be heard, and no reply come back yet.
fn send(bench: &mut Bench, ask: Ask) {
    bench.events.clear();
    bench.input(0, Input::Ask(QuestionId(77), Box::new(ask)));
    while let Some(output) = bench.nodes[0].endpoint.poll_output() {
        bench.carry_out(0, output);
    }
}

/// The account of the question that was sent.
fn finish(bench: &mut Bench) -> Report {
    bench.run(Duration::from_secs(10), |events| {
        events.iter().any(|(_, it)| matches!(it, Event::Done(..)))
    });
    let report = |(_, event): &(usize, Event)| match event {
        Event::Done(_, report) => Some(report.clone()),
        _ => None,
    };
    bench.events.iter().find_map(report).expect("every question ends")
}

fn schema_question() -> Ask {
    Ask { verb: Verb::Schema, ..get("app", Selector::default()) }
}

/// [QST-19] [QST-42]
#[test]
fn members_that_only_the_repliers_know_are_in_the_account() {
    let mut random = Random::from_seed([9; 32]);
    let authority = Authority::create("prod", &mut random).unwrap();
    let wall = Timestamp::from_millis(1_000_000_000_000);
    let mut bench = bench(3);
    bench.nodes[0].up = false;
    let edit = bench.nodes[0].endpoint.members().edit();
    let newcomer = [subject("n9", Kind::Agent, "web")];
    let enrolled = authority.enroll(edit, &newcomer, &network(), wall, &mut random).unwrap();
    bench.add(enrolled.credentials.into_iter().next().unwrap());
    bench.run(Duration::from_secs(5), |_| false);
    bench.nodes[0].up = true;
    assert_eq!(bench.nodes[0].endpoint.members().version(), 1);
    let (replies, report) = bench.ask(0, get("app.load", Selector::default()));
    assert_eq!((report.expected, report.answered, replies.len()), (4, 4, 4), "{report:?}");
}

/// [QST-33] [QST-40]
#[test]
fn a_false_schema_costs_one_try() {
    let mut bench = bench(3);
    let node = &mut bench.nodes[2].endpoint;
    node.schemas.lie(&node.table, b"no schema");
    let (replies, report) = bench.ask(0, get("app.load", Selector::default()));
    assert!(report.elapsed < Duration::from_millis(100), "{report:?}");
    assert_eq!(replies.len(), 3);
    for reply in replies {
        let Outcome::Values(values) = reply.outcome else { panic!("{}", reply.node) };
        assert_eq!(&*values[0].unit, "{thread}");
    }
    assert_eq!(bench.nodes[0].endpoint.stats().dropped(Dropped::Frame), 1);
}

/// [QST-41]
#[test]
fn a_schema_that_nobody_has_holds_nothing_up() {
    let mut bench = bench(1);
    let node = &mut bench.nodes[2].endpoint;
    node.schemas.lie(&node.table, b"no schema");
    let (replies, report) = bench.ask(0, get("app.load", Selector::default()));
    assert!(report.elapsed < Duration::from_millis(100), "{report:?}");
    let Outcome::Values(values) = &replies[0].outcome else { panic!("{replies:?}") };
    assert_eq!((values[0].value.clone(), &*values[0].unit), (Value::Int(2), ""));
}

#[test]
fn a_schema_that_changes_on_the_way_is_asked_for_again() {
    let mut bench = bench(1);
    send(&mut bench, schema_question());
    let definition = Definition::gauge("app.late", Type::Int);
    bench.nodes[2].endpoint.change(|table| table.define(definition)).unwrap();
    let report = finish(&mut bench);
    assert_eq!((report.answered, report.late.len()), (1, 0), "{report:?}");
    let known = |(_, event): &(usize, Event)| match event {
        Event::Schema(_, _, schema) => schema.definition("app.late").is_some(),
        _ => false,
    };
    assert!(bench.events.iter().any(known));
}

#[test]
fn a_node_that_restarts_while_it_is_pulled_replies_once() {
    let mut bench = bench(2);
    bench.ask(0, get("app.load", Selector::default()));
    bench.nodes[2].up = false;
    bench.nodes[3].up = false;
    send(&mut bench, get("app.load", Selector::default()));
    let certificate = bench.nodes[2].endpoint.certificate().clone();
    let (before, after) = (bench.nodes[2].endpoint.sender(), SenderId([5; 12]));
    let now = bench.now;
    let client = &mut bench.nodes[0].endpoint;
    let request = *client.questions.keys().next().unwrap();
    let reply = |answer| ReplyFrame {
        request,
        answer,
        schema: None,
        members_version: 1,
        software: "".into(),
    };
    let bytes = told(&["app.load"]);
    client.handle_reply(now, before, &certificate, reply(Answer::Announced(5000))).unwrap();
    client.handle_reply(now, after, &certificate, reply(Answer::Announced(5000))).unwrap();
    assert!(!client.pulls.contains(before, crate::wire::frame::Blob::Reply(request)));
    client.handle_reply(now, before, &certificate, reply(Answer::Values(bytes.clone()))).unwrap();
    client.values_pulled(now, before, request, &bytes).unwrap();
    let report = finish(&mut bench);
    assert_eq!((report.answered, report.missing.len()), (1, 1));
    let replies = bench.events.iter().filter(|(_, it)| matches!(it, Event::Reply(..))).count();
    assert_eq!(replies, 1);
}

/// [QST-49]
#[test]
fn a_name_that_is_told_twice_or_was_not_asked_for_takes_the_reply_with_it() {
    for (names, taken) in [
        (["app.load", "app.rest"].as_slice(), true),
        (&["app.load", "app.load"], false),
        (&["app.rest", "app.load"], false),
        (&["app.load", "other.load"], false),
    ] {
        let bytes = told(names);
        for in_pages in [false, true] {
            let mut bench = bench(1);
            bench.nodes[2].up = false;
            send(&mut bench, get("app", Selector::default()));
            let certificate = bench.nodes[2].endpoint.certificate().clone();
            let (now, sender) = (bench.now, SenderId([5; 12]));
            let client = &mut bench.nodes[0].endpoint;
            let request = *client.questions.keys().next().unwrap();
            let mut hear = |answer| {
                let (members_version, software) = (1, "".into());
                let reply = ReplyFrame { request, answer, schema: None, members_version, software };
                client.handle_reply(now, sender, &certificate, reply)
            };
            let heard = if in_pages {
                hear(Answer::Announced(5000)).unwrap();
                client.peers.meet(now.instant, sender, &certificate, None, None);
                client.values_pulled(now, sender, request, &bytes)
            } else {
                hear(Answer::Values(bytes.clone()))
            };
            let expected = if taken { Ok(()) } else { Err(Dropped::Frame) };
            assert_eq!(heard, expected, "{names:?}, in pages: {in_pages}");
            let report = finish(&mut bench);
            assert_eq!(report.answered, u32::from(taken), "{names:?}, in pages: {in_pages}");
        }
    }
}

/// What a node says that these variables are one.
fn told(names: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for name in names {
        let entry = Entry {
            value: Value::Int(1),
            time: Timestamp::from_millis(0),
            read_at: Instant::from_micros(0),
            version: Version::default(),
            revision: 1,
        };
        encode_value(Instant::from_micros(0), &name.parse().unwrap(), &entry, &mut bytes);
    }
    bytes
}

/// [QST-13]
#[test]
fn no_round_is_added_while_answers_come() {
    let bench = bench(30);
    let roster = &bench.nodes[0].endpoint.roster;
    let pace = Pace { reply_rate: 50_000, filter_capacity: 240, names_capacity: 64 };
    let ask = get("app.load", Selector::default());
    let mut asking = Asking::new(bench.now, QuestionId(1), ask, roster, pace);
    let start = bench.now;
    let at = |millis: u64| Now {
        instant: start.instant + Duration::from_millis(millis),
        wall: start.wall.saturating_add(Duration::from_millis(millis)),
    };
    let mut rounds = Vec::new();
    let ids: Vec<_> =
        bench.nodes[2..].iter().map(|node| node.endpoint.certificate().id()).collect();
    let mut answers = ids.iter();
    for millis in 0..500 {
        // Until 270 ms a node answers every ten.
        if millis % 10 == 0 && millis <= 270 {
            let id = answers.next().unwrap();
            asking.answered(at(millis).instant, id, &Outcome::Values(Vec::new()));
        }
        assert!(asking.handle_timeout(at(millis), roster).is_none());
        while let Some(send) = asking.poll_send() {
            if matches!(send, Send::Round(_)) {
                rounds.push(millis);
            }
        }
    }
    // 40 ms after the first it would be due; 200 ms later it is sent all the same.
    assert_eq!(rounds, [0, 246, 307, 408]);
}

#[test]
fn packets_of_other_processes_with_the_own_certificate_are_nobody() {
    let mut bench = bench(1);
    bench.nodes[2].up = false;
    let admin = bench.nodes[0].endpoint.credential.clone();
    for _ in 0..2 {
        bench.add(admin.clone());
    }
    bench.settle();
    let ask = || get("app.load", Selector::default());
    bench.input(4, Input::Ask(QuestionId(70), Box::new(ask())));
    let (_, report) = bench.ask(3, ask());
    assert_eq!((report.missing.len(), report.heard), (1, false), "{report:?}");
    assert!(bench.nodes[3].endpoint.stats().verified > 0);
}

#[test]
fn a_dry_run_without_an_answer_has_written_nothing() {
    let mut bench = bench(1);
    bench.nodes[2].up = false;
    let mut ask = set("hello", None);
    if let Verb::Set(request) = &mut ask.verb {
        request.dry_run = true;
    }
    let (_, report) = bench.ask(0, ask);
    assert_eq!((report.missing.len(), report.missing[0].outcome_unknown), (1, false));
}

/// [SEC-10]
#[test]
fn a_question_that_cannot_be_sealed_fails_and_says_so() {
    for watch in [false, true] {
        let mut bench = bench(1);
        let last = PacketNumbers::NUMBER_MAX;
        bench.nodes[0].endpoint.numbers = PacketNumbers::starting_at(last + 1);
        let mut ask = get("app.load", Selector::default());
        if watch {
            ask.verb = Verb::Watch(crate::question::WatchRequest {
                patterns: vec!["app.load".parse().unwrap()],
                ..Default::default()
            });
        }
        bench.input(0, Input::Ask(QuestionId(70), Box::new(ask)));
        bench.pass(Duration::from_secs(5));
        let failed = |(_, event): &(usize, Event)| {
            matches!(event, Event::Failed(QuestionId(70), AskError::Exhausted))
        };
        assert_eq!(bench.events.iter().filter(|it| failed(it)).count(), 1, "{:?}", bench.events);
        let done = bench.events.iter().any(|(_, it)| matches!(it, Event::Done(..)));
        let sizes =
            (bench.nodes[0].endpoint.questions.len(), bench.nodes[0].endpoint.watches.len());
        assert_eq!((done, sizes), (false, (0, 0)));
    }
}

/// [QST-23] [SEL-45]
#[test]
fn predicate_and_values_are_read_at_one_instant() {
    for (before, after) in [(2, 7), (7, 2), (7, 8)] {
        let mut bench = bench(1);
        let load = |bench: &mut Bench, number: i64| {
            let now = bench.now;
            let name = "app.load".parse().unwrap();
            let update = Update { name, value: Value::Int(number), time: None, version: None };
            bench.nodes[2].endpoint.change(|table| table.update(now, update)).unwrap();
        };
        load(&mut bench, before);
        let predicate = Some(Predicate::parse("app.load > 5").unwrap());
        let ask = get("app.load", Selector { predicate, ..Selector::default() });
        bench.input(0, Input::Ask(QuestionId(8), Box::new(ask)));
        let question = loop {
            let output = bench.nodes[0].endpoint.poll_output().expect("a question");
            if let Output::Transmit(transmit) = output {
                break transmit.bytes;
            }
        };
        let (from, local) = (bench.nodes[0].address, bench.nodes[2].address);
        let datagram =
            Datagram { from, local, multicast: true, waited: Duration::ZERO, bytes: &question };
        bench.input(2, Input::Datagram(datagram));
        let mut wanted = None;
        while let Some(output) = bench.nodes[2].endpoint.poll_output() {
            match output {
                Output::Event(Event::Sample(id, _)) => wanted = Some(id),
                Output::Transmit(sent) => panic!("before the values are read: {sent:?}"),
                _ => {}
            }
        }
        load(&mut bench, after);
        bench.input(2, Input::Sampled(wanted.expect("fresh values are wanted")));
        bench.settle();
        let outcome = bench.events.iter().find_map(|(_, event)| match event {
            Event::Reply(_, reply) => Some(reply.outcome.clone()),
            _ => None,
        });
        match outcome.expect("a reply") {
            Outcome::Values(values) if after > 5 => assert_eq!(values[0].value, Value::Int(after)),
            Outcome::Empty(EmptyReason::NoMatch) if after <= 5 => {}
            other => panic!("{before}, then {after}: {other:?}"),
        }
    }
}

/// [QST-29]
#[test]
fn who_is_not_asked_stays_silent() {
    let mut bench = bench(3);
    let on = Glob::list("n1").unwrap();
    let (replies, report) = bench.ask(0, get("app", Selector { on, ..Selector::default() }));
    assert_eq!((report.expected, replies.len()), (1, 1));
    let spoke = |index: usize| bench.sent.iter().any(|(from, _)| *from == index);
    let expected = [true, false, false, true, false];
    assert_eq!([0, 1, 2, 3, 4].map(spoke), expected, "the asker, a client, three agents");
    // A question that the asker's certificate does not vouch for.
    let other = bench.nodes[1].endpoint.own.clone();
    bench.nodes[0].endpoint.own = other;
    bench.sent.clear();
    let (_, report) = bench.ask(0, get("app", Selector::default()));
    assert_eq!(report.missing.len(), 3, "{report:?}");
    let asker = Destination::Unicast(bench.nodes[0].address);
    assert!(bench.sent.iter().all(|(_, sent)| sent.to != asker), "nobody says anything to it");
}

/// [QST-45]
#[test]
fn an_answer_of_another_kind_than_was_asked_for_is_dropped() {
    let mut random = Random::from_seed([4; 32]);
    let result = SetResultFrame {
        name: "app.greeting".to_owned(),
        outcome: 0,
        message: String::new(),
        version: None,
    };
    let answers = [
        ("values", Answer::Values(Vec::new())),
        ("values", Answer::Announced(5_000)),
        ("here", Answer::Here),
        ("set", Answer::Set(vec![result])),
    ];
    let verbs = [
        ("values", get("app.load", Selector::default())),
        ("set", set("hello", None)),
        ("here", Ask { verb: Verb::Ping, ..get("app", Selector::default()) }),
    ];
    for (wanted, ask) in &verbs {
        for (kind, answer) in answers.iter().filter(|(kind, _)| kind != wanted) {
            let mut bench = bench(1);
            bench.parted = Some(Box::new(|from, to| (from, to) == (0, 2)));
            bench.input(0, Input::Ask(QuestionId(random.next_u64()), Box::new(ask.clone())));
            bench.settle();
            let request = *bench.nodes[0].endpoint.questions.keys().next().unwrap();
            let node = &bench.nodes[2].endpoint;
            let (sender, certificate) = (node.sender(), node.certificate().clone());
            let reply = ReplyFrame {
                request,
                answer: answer.clone(),
                schema: None,
                members_version: 1,
                software: "".into(),
            };
            let now = bench.now;
            let taken = bench.nodes[0].endpoint.handle_reply(now, sender, &certificate, reply);
            assert_eq!(taken, Err(Dropped::Unasked), "{kind} to {wanted}");
        }
    }
}

/// Seeds 642 and 774 of the soak: a node said that its write takes longer, in a packet that its
/// asker could not open, and left. [QST-47]
#[test]
fn who_is_at_work_says_so_to_whoever_lacks_its_certificate() {
    let mut bench = bench(1);
    bench.pass(Duration::from_secs(2));
    bench.restart(0, 77);
    let (asker, node) = (0, 2);
    bench.parted = Some(Box::new(move |from, to| (from, to) == (node, asker)));
    let (_, report) = bench.ask(asker, get("app.load", Selector::default()));
    assert_eq!(report.missing.len(), 1, "its introduction is lost");
    bench.parted = None;
    bench.writes_hang = true;
    send(&mut bench, set("new", None));
    bench.settle();
    bench.parted = Some(Box::new(move |from, to| (from, to) == (asker, node)));
    bench.pass(Duration::from_millis(60));
    bench.nodes[node].up = false;
    let report = finish(&mut bench);
    let late: Vec<&str> = report.late.iter().map(|it| it.node.as_str()).collect();
    assert_eq!(late, ["n0"], "{report:?}");
}
