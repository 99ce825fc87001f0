//! Limits: of packets, of filters, of what others may say; and what happens at them.

use super::ring::{START, living};
use super::watch::watch;
use super::*;
use crate::endpoint::asker::STRANGERS_MAX;
use crate::endpoint::realm;
use crate::endpoint::watcher::REPEATS_MAX;
use crate::keys::members::MemberList;
use crate::presence::Roster;
use crate::question::answering::PATTERNS_MAX;
use crate::question::asking::{Asking, Pace, Recipients, Send};
use crate::question::evaluate::ASSIGNMENTS_MAX;
use crate::question::values::decode_schema;
use crate::question::watching::{ASKED_AT_ONCE_MAX, WatchSend, Watching};
use crate::question::{WatchRequest, Way};
use crate::wire::filter::Filter;
use crate::wire::frame::{Answer, GroupFrame, ReplyFrame};
use crate::wire::header::{Header, PacketKind};
use crate::wire::watch::{Change, ChangeFrame, REMOVED_MAX, TopicId};

fn settings(count: usize) -> Vec<(crate::name::Name, Assigned)> {
    let name = |index: usize| format!("app.v{index}").parse().unwrap();
    (0..count).map(|index| (name(index), Assigned::Text("x".to_owned()))).collect()
}

fn write(assignments: Vec<(crate::name::Name, Assigned)>, if_version: Option<Version>) -> Ask {
    let request = SetRequest { assignments, if_version, dry_run: false };
    Ask { verb: Verb::Set(request), ..get("app", Selector::default()) }
}

#[test]
fn what_became_of_many_settings_fits_a_packet() {
    let mut bench = bench(1);
    for count in 0..40 {
        let define = |table: &mut Table| {
            table.define(Definition { template: format!("app.v{count}"), ..setting() })
        };
        bench.nodes[2].endpoint.change(define).unwrap();
        let mut assignments = settings(count + 1);
        let (replies, report) = bench.ask(0, write(assignments.clone(), None));
        assert_eq!((report.answered, replies.len()), (1, 1), "{count}: {report:?}");
        assignments.push(("app.absent".parse().unwrap(), Assigned::Text("x".to_owned())));
        let (replies, report) = bench.ask(0, write(assignments, None));
        assert_eq!(report.error.len(), 1, "{count}: {report:?}");
        let Outcome::Set(results) = &replies[0].outcome else { panic!("{replies:?}") };
        assert_eq!(results.len(), count + 2);
    }
}

/// [QST-25]
#[test]
fn a_set_writes_one_setting_at_least_and_each_once() {
    let mut bench = bench(1);
    let mut refused = |assignments| {
        bench.events.clear();
        bench.input(0, Input::Ask(QuestionId(70), Box::new(write(assignments, None))));
        bench.settle();
        bench.events.iter().find_map(|(_, event)| match event {
            Event::Failed(QuestionId(70), error) => Some(error.clone()),
            _ => None,
        })
    };
    let max = ASSIGNMENTS_MAX;
    for found in [0, max + 1] {
        assert_eq!(refused(settings(found)), Some(AskError::Settings { found, max }));
    }
    // They fit into one packet where their names are short.
    let letter = |index: usize| ["a", "b", "c", "d", "e", "f", "g", "h"][index % 8];
    let name = |index: usize| format!("{}.{}", letter(index / 8), letter(index)).parse().unwrap();
    let short = |index: usize| (name(index), Assigned::Text("x".to_owned()));
    assert_eq!(refused((0..max).map(short).collect()), None);
    let twice = [settings(2), settings(1)].concat();
    assert_eq!(refused(twice), Some(AskError::SetTwice("app.v0".to_owned())));
}

#[test]
fn a_question_has_a_pattern_at_least_and_as_many_as_nodes_take() {
    let mut bench = bench(1);
    let mut refused = |verb: Verb| {
        bench.events.clear();
        let ask = Ask { verb, ..get("app", Selector::default()) };
        bench.input(0, Input::Ask(QuestionId(70), Box::new(ask)));
        bench.settle();
        bench.events.iter().find_map(|(_, event)| match event {
            Event::Failed(QuestionId(70), error) => Some(error.clone()),
            _ => None,
        })
    };
    let max = PATTERNS_MAX;
    let over = Some(AskError::Patterns { found: max + 1, max });
    for (count, expected) in [(0, Some(AskError::NoPattern)), (max, None), (max + 1, over)] {
        let patterns = vec!["a".parse().unwrap(); count];
        assert_eq!(refused(Verb::Get(patterns.clone())), expected);
        let request = WatchRequest { patterns, ..WatchRequest::default() };
        assert_eq!(refused(Verb::Watch(request)), expected);
    }
}

/// [QST-25]
#[test]
fn a_set_of_several_that_demands_a_version_is_not_asked() {
    let mut bench = bench(1);
    let ask = Box::new(write(settings(2), Some(Version::default())));
    bench.input(0, Input::Ask(QuestionId(70), ask));
    bench.settle();
    let refused = bench.events.iter().any(|(_, event)| {
        matches!(event, Event::Failed(_, AskError::VersionOfSeveral { found: 2 }))
    });
    assert!(refused);
}

pub(super) fn members(agents: usize) -> MemberList {
    let mut random = Random::from_seed([9; 32]);
    let authority = Authority::create("prod", &mut random).unwrap();
    let subjects: Vec<Subject> =
        (0..agents).map(|index| subject(&format!("n{index}"), Kind::Agent, "web")).collect();
    let wall = Timestamp::from_millis(1_000_000_000_000);
    let edit = MemberEdit::first();
    authority.enroll(edit, &subjects, &network(), wall, &mut random).unwrap().members
}

/// [QST-12]
#[test]
fn every_silent_node_is_asked_when_its_slice_has_its_turn() {
    let roster = Roster::new(members(600));
    let mut now = Now { wall: Timestamp::from_millis(1_000_000_000_000), ..Now::default() };
    for (filter_capacity, slices) in [(240, 3), (64, 10)] {
        let pace = Pace { reply_rate: 50_000, filter_capacity, names_capacity: 64 };
        let ask = get("app", Selector::default());
        let mut asking = Asking::new(now, QuestionId(3), ask, &roster, pace);
        let mut asked = BTreeSet::new();
        let mut rounds = 0;
        while asked.len() < 600 {
            now.instant = asking.poll_timeout();
            assert!(asking.handle_timeout(now, &roster).is_none());
            while let Some(send) = asking.poll_send() {
                let Send::Round(round) = send else { continue };
                let Some(Recipients::Filtered { nodes, salt, turn }) = round.recipients else {
                    continue;
                };
                rounds += 1;
                let bytes = (filter_capacity * 5).div_ceil(8);
                let filter = Filter::new(nodes.iter(), salt, turn, bytes);
                asked.extend(nodes.into_iter().filter(|it| filter.is_in_slice(it)));
            }
        }
        assert_eq!(rounds, slices, "{filter_capacity}");
    }
}

/// [QST-44]
#[test]
fn every_listed_node_is_named_when_its_turn_comes() {
    let roster = Roster::new(members(600));
    let mut now = Now { wall: Timestamp::from_millis(1_000_000_000_000), ..Now::default() };
    let pace = Pace { reply_rate: 50_000, filter_capacity: 240, names_capacity: 64 };
    let only: Vec<String> = (0..300).map(|index| format!("n{index}")).collect();
    let ask = Ask { only: Some(only), ..set("hello", None) };
    let mut asking = Asking::new(now, QuestionId(3), ask, &roster, pace);
    let mut asked = BTreeSet::new();
    for round in 1..=5 {
        now.instant = asking.poll_timeout();
        assert!(asking.handle_timeout(now, &roster).is_none());
        while let Some(send) = asking.poll_send() {
            let Send::Round(round) = send else { continue };
            let Some(Recipients::Named(nodes)) = round.recipients else { panic!("{round:?}") };
            assert!(nodes.len() <= 64);
            asked.extend(nodes);
        }
        assert_eq!(asked.len(), 300.min(round * 64));
    }
}

/// A process of the client that has heard nobody.
fn fresh_client(bench: &mut Bench, config: Config) {
    let credential = bench.nodes[0].endpoint.credential.clone();
    let mut endpoint = Endpoint::new(config, credential, [99; 32], bench.now);
    let link = Link { index: 2, addresses: vec![bench.nodes[0].address], multicast: true };
    endpoint.handle_input(bench.now, Input::Links(vec![link]));
    bench.nodes[0].endpoint = endpoint;
    bench.settle();
}

/// [PRE-3]
#[test]
fn a_node_that_was_heard_by_its_reply_is_not_gone_before_its_beacon_is_due() {
    let mut bench = bench(40);
    fresh_client(&mut bench, Config::default());
    let (_, report) = bench.ask(0, get("app.load", Selector::default()));
    assert_eq!(report.answered, 40);
    bench.nodes.iter_mut().skip(1).for_each(|node| node.up = false);
    // Forty agents announce themselves every ten seconds.
    for (seconds, expected) in [(60, State::Alive), (61, State::Suspect), (1, State::Gone)] {
        bench.advance(Duration::from_secs(seconds));
        let nodes = bench.nodes[0].endpoint.nodes(bench.now);
        let agents = nodes.iter().filter(|node| node.kind == Kind::Agent);
        assert!(agents.clone().all(|node| node.state == expected), "{expected:?}");
    }
}

#[test]
fn rosters_are_taken_from_those_that_were_asked() {
    let mut bench = bench(2);
    bench.nodes[3].up = false;
    let sender = bench.nodes[2].endpoint.sender();
    let now = bench.now;
    let client = &mut bench.nodes[0].endpoint;
    assert_eq!(client.hear_roster(now, sender, &[]), Err(Dropped::Unasked));
    let ask = Box::new(get("app.load", Selector::default()));
    bench.input(0, Input::Ask(QuestionId(5), ask));
    bench.run(Duration::from_millis(200), |_| false);
    assert_eq!(bench.nodes[0].endpoint.hear_roster(bench.now, sender, &[]), Ok(()));
    assert_eq!(bench.nodes[0].endpoint.stats().dropped(Dropped::Unasked), 0);
}

/// [QST-34]
#[test]
fn wishes_for_rosters_take_a_share_of_the_time_and_leave_another_its_own() {
    const NODES: u32 = 400;
    let mut bench = bench(1);
    let nobody = Filter::new([].iter(), 0, 0, 16);
    let members = [0, 1].map(|index| bench.nodes[index].endpoint.sender());
    for (index, member) in members.iter().enumerate() {
        bench.ask(index, get("app.load", Selector::default()));
        // It shows that it receives.
        let now = bench.now;
        bench.nodes[2].endpoint.tell_roster(now, *member, &nobody);
        bench.settle();
    }
    bench.advance(Duration::from_secs(1));
    bench.nodes[2].endpoint.roster = living(bench.now.instant, NODES as usize).0;
    let told = |bench: &mut Bench, member: SenderId, wishes: u64| {
        let (now, before) = (bench.now, bench.sent.len());
        let node = &mut bench.nodes[2].endpoint;
        let dropped = node.stats().dropped(Dropped::Flood);
        (0..wishes).for_each(|_| node.tell_roster(now, member, &nobody));
        let dropped = node.stats().dropped(Dropped::Flood) - dropped;
        bench.settle();
        let told = bench.sent.len() - before;
        assert_eq!(told as u64 + dropped, wishes, "what is not told is counted");
        told
    };
    // Nobody is ahead by more than a tenth of a second and one wish.
    let most = (realm::LOOKS_PER_SECOND_MAX / NODES / 10 + 1) as usize;
    assert_eq!(told(&mut bench, members[0], 1_000), most);
    assert_eq!(told(&mut bench, members[0], 1), 0);
    assert!(told(&mut bench, members[1], 1_000) > most / 3, "another has a share");
    bench.now.instant = bench.now.instant + Duration::from_secs(1);
    assert_eq!(told(&mut bench, members[0], 1_000), most);
}

#[test]
fn what_nobody_may_read_is_in_no_schema() {
    let bench = bench(1);
    let unreadable = vec!["app.greeting".to_owned()];
    let narrowing = crate::keys::policy::Narrowing { unreadable, ..Default::default() };
    let credential = bench.nodes[2].endpoint.credential.clone();
    let config = Config { narrowing, ..Config::default() };
    let mut endpoint = Endpoint::new(config, credential, [98; 32], bench.now);
    let load = Definition::gauge("app.load", Type::Int);
    endpoint.change(|table| table.define(load).and_then(|()| table.define(setting()))).unwrap();
    let (_, bytes) = endpoint.schemas.own(&endpoint.table, &endpoint.policy);
    let schema = decode_schema(&bytes).unwrap();
    assert!(schema.definition("app.load").is_some());
    assert!(schema.definition("app.greeting").is_none());
}

#[test]
fn long_versions_of_software_are_cut_where_they_are_told_to_others() {
    let members = members(2);
    let ids: Vec<NodeId> = members.members().iter().map(|it| it.id).collect();
    let mut roster = Roster::new(members);
    for (id, length, expected) in [(ids[0], 32, 32), (ids[1], 33, 32)] {
        let record = Record {
            id,
            age: Duration::ZERO,
            address: None,
            interval: Duration::from_secs(2),
            left: false,
            gone: false,
            software: "v".repeat(length).into(),
        };
        roster.tell(Now::default(), &record, Via::Told, None);
        assert_eq!(roster.heard(&id).unwrap().software.len(), expected, "{length}");
    }
}

/// [SEC-33] [PRE-6]
#[test]
fn no_member_list_gives_way_to_one_that_is_not_newer() {
    let mut random = Random::from_seed([9; 32]);
    let authority = Authority::create("prod", &mut random).unwrap();
    let first = members(2);
    let second = authority.sign_members(first.edit()).unwrap();
    let mut roster = Roster::new(first.clone());
    for (list, taken) in [(&first, false), (&second, true), (&second, false), (&first, false)] {
        assert_eq!(roster.install(list.clone()), taken, "version {}", list.version());
    }
    assert_eq!(roster.members().version(), 2);
}

/// [QST-19]
#[test]
fn so_many_replies_of_members_that_are_not_known_are_kept() {
    let mut bench = bench(1);
    let mut random = Random::from_seed([9; 32]);
    let authority = Authority::create("prod", &mut random).unwrap();
    let edit = bench.nodes[0].endpoint.members().edit();
    let newcomer = |index: usize| subject(&format!("new{index}"), Kind::Agent, "web");
    let newcomers: Vec<Subject> = (0..=STRANGERS_MAX).map(newcomer).collect();
    let wall = bench.now.wall;
    let mut random = Random::from_seed([10; 32]);
    let enrolled = authority.enroll(edit, &newcomers, &network(), wall, &mut random).unwrap();
    bench.nodes[2].up = false;
    bench.input(0, Input::Ask(QuestionId(7), Box::new(get("app.load", Selector::default()))));
    bench.settle();
    let now = bench.now;
    let asker = &mut bench.nodes[0].endpoint;
    let request = *asker.questions.keys().next().unwrap();
    for credential in &enrolled.credentials {
        let certificate = credential.certificate();
        let reply = ReplyFrame {
            request,
            answer: Answer::Empty(EmptyReason::NoVariable.code()),
            schema: None,
            members_version: 1,
            software: "".into(),
        };
        let sender = SenderId::of(&certificate.id(), [1; 9]);
        assert_eq!(asker.handle_reply(now, sender, certificate, reply), Ok(()));
    }
    bench.input(0, Input::Members(enrolled.members));
    let done =
        |events: &[(usize, Event)]| events.iter().any(|(_, it)| matches!(it, Event::Done(..)));
    bench.run(Duration::from_secs(10), done);
    let report = bench.events.iter().find_map(|(_, event)| match event {
        Event::Done(_, report) => Some(report),
        _ => None,
    });
    let report = report.unwrap();
    let silent: Vec<&str> = report.missing.iter().map(|it| it.node.as_str()).collect();
    assert_eq!((report.empty.len(), silent), (STRANGERS_MAX, vec!["n0", "new256"]));
}

/// [WAT-5] [WAT-9]
#[test]
fn so_many_messages_about_watched_values_are_sent_again_and_who_is_left_out_is_counted() {
    for (count, unrepeated) in [(REPEATS_MAX, 0), (REPEATS_MAX + 1, 2)] {
        let mut bench = bench(1);
        let now = bench.now;
        let node = &mut bench.nodes[2].endpoint;
        let watchers = [1, 2].map(|it| (SenderId([it; 12]), Way::HERE));
        let mut said = Vec::new();
        for number in 1..=count as u64 {
            let frame = ChangeFrame { topic: TopicId([1; 8]), number, change: Change::Much };
            node.tell(now, frame, &watchers);
            while let Some(output) = node.poll_output() {
                if let Output::Transmit(transmit) = output {
                    said.push(transmit.bytes);
                }
            }
        }
        assert_eq!((said.len(), node.sizes().repeats), (count, REPEATS_MAX));
        assert_eq!(node.stats().unrepeated, unrepeated);
        bench.sent.clear();
        bench.pass(Duration::from_millis(300));
        let again = |bytes: &Arc<[u8]>| bench.sent.iter().filter(|it| it.1.bytes == *bytes).count();
        let repeats: Vec<usize> = said.iter().map(again).collect();
        let left_out = count - REPEATS_MAX;
        assert!(repeats[..left_out].iter().all(|it| *it == 0), "the oldest");
        assert!(repeats[left_out..].iter().all(|it| *it == 2), "all others, twice");
    }
}

/// [WAT-8]
#[test]
fn a_watch_asks_so_many_nodes_at_once_and_the_others_next() {
    let max = ASKED_AT_ONCE_MAX;
    for (agents, expected) in [(max, &[max][..]), (max + 1, &[max, 1])] {
        let (roster, _) = living(START, agents);
        let wall = Timestamp::from_millis(1_000_000_000_000);
        let mut now = Now { instant: START, wall };
        let own = (NodeId([0; 16]), SenderId([200; 12]));
        let asked = (QuestionId(1), watch("app", Selector::default()));
        let mut watching = Watching::new(now, own, asked, TopicId([1; 8]), &roster);
        watching.settle();
        now.instant = watching.poll_timeout();
        let mut lots = Vec::new();
        while watching.poll_timeout() <= now.instant {
            for send in watching.handle_timeout(now, &roster) {
                let WatchSend::Ask { nodes, .. } = send else { panic!("{send:?}") };
                lots.push(nodes.len());
            }
        }
        assert_eq!(lots, expected, "{agents} agents");
    }
}

/// A message about watched values says of so many names that they have no value any more.
#[test]
fn a_message_with_more_names_that_are_gone_than_may_be_is_none() {
    for (count, fits) in [(REMOVED_MAX, true), (REMOVED_MAX + 1, false)] {
        let names = (0..count).map(|it| format!("a{it}")).collect();
        let change = Change::Values(Vec::new(), names);
        let frame = GroupFrame::Change(ChangeFrame { topic: TopicId([1; 8]), number: 1, change });
        assert_eq!(GroupFrame::decode(&frame.encode()).is_ok(), fits, "{count} names");
    }
}

/// [QST-34]
#[test]
fn what_is_sent_on_request_is_limited_and_shared() {
    let (max, lists) = (realm::SERVED_MAX, realm::LISTS_SERVED_MAX);
    let mut serving = realm::Serving::default();
    let (greedy, other) = (NodeId([1; 16]), NodeId([2; 16]));
    let mut serves = |millis: u64, member, is_list| {
        let now = Instant::from_micros(millis * 1000);
        let tries = (0..=max + lists).filter(|_| serving.allows(now, member, is_list));
        u32::try_from(tries.count()).unwrap()
    };
    assert_eq!(serves(5_000, greedy, false), max / 5 * 4);
    assert_eq!(serves(5_499, greedy, true), lists / 5 * 4, "what is set aside for lists");
    assert_eq!(serves(5_499, other, false), max / 5);
    assert_eq!(serves(5_499, other, true), lists / 5);
    assert_eq!(serves(5_500, greedy, false), max / 5 * 2);
    assert_eq!(serves(5_500, other, false), max / 5 * 2);
}

/// [SEL-23]
#[test]
fn a_selector_and_patterns_of_more_than_fit_are_not_asked() {
    let pattern = |length| format!("app.{}", "x".repeat(length)).parse().unwrap();
    let patterns = |length: usize| Ask {
        verb: Verb::Get(
            [[26; 9].as_slice(), &[length]].concat().into_iter().map(pattern).collect(),
        ),
        ..get("app", Selector::default())
    };
    let encoded = |ask: &Ask| {
        let Verb::Get(patterns) = &ask.verb else { panic!("{ask:?}") };
        crate::select::encoded_size(&ask.selector, patterns)
    };
    let fits = (1..32).rev().find(|it| encoded(&patterns(*it)).is_ok()).unwrap();
    let mut bench = bench(1);
    let (_, report) = bench.ask(0, patterns(fits));
    assert_eq!(report.empty.len(), 1, "{report:?}");
    bench.input(0, Input::Ask(QuestionId(70), Box::new(patterns(fits + 1))));
    bench.settle();
    let failed = |(_, event): &(usize, Event)| {
        matches!(event, Event::Failed(QuestionId(70), crate::question::AskError::Selector(_)))
    };
    assert!(bench.events.iter().any(failed), "{:?}", bench.events);
}

#[test]
fn a_long_version_of_software_is_cut_between_characters() {
    let software = format!("{}\u{e9}{}", "v".repeat(31), "w".repeat(40));
    let config = Config { software: software.as_str().into(), ..Config::default() };
    let bench = bench(1);
    let credential = bench.nodes[2].endpoint.credential.clone();
    let endpoint = Endpoint::new(config, credential, [98; 32], bench.now);
    assert_eq!(*endpoint.config.software, *"v".repeat(31));
    let said = endpoint.nodes(bench.now).into_iter().find(|it| it.id == endpoint.own.id());
    assert_eq!(*said.unwrap().software, *"v".repeat(31));
}

/// [QST-18]
#[test]
fn replies_spread_over_a_window_that_fits_their_number() {
    for (agents, expected) in [(100, 0), (101, 2_020), (200, 4_000)] {
        assert_eq!(windows(agents, 0, 1, 0), [expected], "{agents} agents");
        // Names that no member has do not answer: a slot is for whom is asked.
        assert_eq!(windows(agents, 50_000, 1, 0), [expected], "{agents} agents");
    }
    assert_eq!(windows(100, 0, 4, 0), [0, 2_000, 4_000, 4_000], "round 3 draws each twice");
}

/// [QST-18]
#[test]
fn the_rate_of_replies_is_halved_once_a_round_that_overruns() {
    for overruns in [1, 5] {
        let windows = windows(200, 0, 4, overruns);
        assert_eq!(windows, [4_000, 8_000, 32_000, 64_000], "{overruns} overruns a round");
    }
}

/// How long the replies spread of so many rounds, in microseconds, when nobody answers and each
/// round overruns so often.
fn windows(agents: usize, unknown: usize, rounds: usize, overruns: usize) -> Vec<u128> {
    let roster = Roster::new(members(agents));
    let mut now = Now { wall: Timestamp::from_millis(1_000_000_000_000), ..Now::default() };
    let pace = Pace { reply_rate: 50_000, filter_capacity: 240, names_capacity: 64 };
    let expect = (0..unknown).map(|it| format!("unknown{it}")).collect();
    let ask = Ask { expect, ..get("app", Selector::default()) };
    let mut asking = Asking::new(now, QuestionId(3), ask, &roster, pace);
    let mut windows = Vec::new();
    while windows.len() < rounds {
        now.instant = asking.poll_timeout();
        assert!(asking.handle_timeout(now, &roster).is_none(), "it ended before");
        let sends = std::iter::from_fn(|| asking.poll_send());
        windows.extend(sends.filter_map(|send| match send {
            Send::Round(round) => Some(round.window.as_micros()),
            Send::RosterWanted(..) | Send::JoinReplyGroup => None,
        }));
        (0..overruns).for_each(|_| asking.overrun());
    }
    windows
}

/// [QST-24]
#[test]
fn who_may_not_set_learns_of_no_name() {
    let mut bench = bench(1);
    let mut said = Vec::new();
    for name in ["app.greeting", "app.load", "app.absent"] {
        let assignment = (name.parse().unwrap(), Assigned::Text("x".to_owned()));
        let (replies, report) = bench.ask(1, write(vec![assignment], None));
        assert_eq!(report.refused.len(), 1, "{name}: {report:?}");
        said.push(replies[0].outcome.clone());
    }
    let expected = format!("{:?}", said[0]);
    assert!(said.iter().all(|it| format!("{it:?}") == expected), "{said:?}");
}

/// [SEC-46]: every command is a process of its own, and a script gives one a second for years.
#[test]
fn processes_that_are_gone_are_forgotten() {
    let mut bench = bench(2);
    let mut most = [0; 2];
    for seed in 10..=250 {
        bench.restart(0, seed);
        let (_, report) = bench.ask(0, get("app", Selector::default()));
        assert_eq!(report.answered, 2);
        bench.pass(Duration::from_secs(1));
        let Sizes { peers, pairs, .. } = bench.nodes[2].endpoint.sizes();
        most = [most[0].max(peers), most[1].max(pairs)];
    }
    // Those of two minutes and of a look's time, itself, and the other agent.
    assert!(most.iter().all(|it| *it <= 140), "{most:?} peers and pairs");
    bench.pass(Duration::from_secs(140));
    let Sizes { peers, pairs, .. } = bench.nodes[2].endpoint.sizes();
    assert!(peers <= 2 && pairs <= 2, "{peers} peers and {pairs} pairs of two agents");
}

/// [SEC-46]: a client that knows an agent by its answers alone cannot introduce itself to it.
#[test]
fn an_agent_that_was_not_asked_for_long_is_pinged_all_the_same() {
    let mut bench = bench(1);
    bench.ask(0, get("app.load", Selector::default()));
    for pause in [0, 30, 140, 600] {
        bench.pass(Duration::from_secs(pause));
        bench.events.clear();
        let sent = bench.nodes[0].endpoint.stats().sent;
        bench.input(0, Input::Ping("n0".to_owned()));
        bench.settle();
        let is_pong =
            |(_, event): &(usize, Event)| matches!(event, Event::Pong(name, _) if name == "n0");
        assert_eq!(bench.events.iter().filter(|it| is_pong(it)).count(), 1, "after {pause} s");
        let packets = bench.nodes[0].endpoint.stats().sent - sent;
        assert_eq!(packets, if pause < 60 { 1 } else { 2 }, "after {pause} s");
    }
    assert_eq!(bench.nodes[2].endpoint.stats().dropped(Dropped::Stranger), 0);
}

/// [SEC-41] [SEC-71]: who repeats a packet does not keep alive what its sender has forgotten.
#[test]
fn a_repeated_packet_makes_nobody_an_acquaintance() {
    let mut bench = bench(1);
    for _ in 0..2 {
        bench.ask(0, get("app.load", Selector::default()));
    }
    let is_pair = |(from, sent): &(usize, Transmit)| {
        *from == 2 && Header::parse(&sent.bytes).unwrap().kind == PacketKind::Pair
    };
    let (_, reply) = bench.sent.iter().rfind(|it| is_pair(it)).cloned().unwrap();
    let agent = bench.nodes[2].endpoint.sender();
    let used = |bench: &Bench| bench.nodes[0].endpoint.peers.peer(&agent).unwrap().used;
    let before = used(&bench);
    bench.advance(Duration::from_secs(50));
    let dropped = bench.nodes[0].endpoint.stats().dropped(Dropped::Replay);
    bench.deliver(2, reply);
    assert_eq!(bench.nodes[0].endpoint.stats().dropped(Dropped::Replay), dropped + 1);
    assert_eq!(used(&bench), before);
}

/// [SEC-46]: a client that goes on is forgotten as well while it says nothing.
#[test]
fn who_was_forgotten_is_known_again_when_it_speaks() {
    let mut bench = bench(2);
    bench.fill();
    let authority = Authority::create("prod", &mut Random::from_seed([9; 32])).unwrap();
    for asks in [true, false, false, true] {
        if asks {
            let (replies, report) = bench.ask(0, get("**", Selector::default()));
            assert_eq!((report.answered, replies.len(), report.rounds), (2, 2, 1));
        }
        // It hears of a newer list, and introduces itself to the agent that it fetches it from.
        let list = authority.sign_members(bench.nodes[2].endpoint.members().edit()).unwrap();
        let version = list.version();
        let now = bench.now;
        bench.nodes[2].endpoint.install_members(now, list);
        bench.pass(Duration::from_secs(12));
        assert_eq!(bench.nodes[0].endpoint.members().version(), version);
        bench.pass(Duration::from_secs(600));
    }
    assert_eq!(bench.nodes[2].endpoint.stats().dropped(Dropped::Stranger), 0);
}
