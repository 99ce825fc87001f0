//! Packets that somebody kept for later, and words that nobody asked for.

use super::*;
use crate::endpoint::realm::{WISHES_MAX, Wishes};
use crate::wire::filter::Filter;
use crate::wire::frame::{BeaconFrame, GroupFrame, PairFrame, Record, SuspectFrame};
use crate::wire::watch::{Change, ChangeFrame, TopicId};

const HOUR: Duration = Duration::from_secs(3600);

/// A process of node 2 that starts so much later, and has heard nobody.
fn restarted(bench: &Bench, later: Duration) -> (Endpoint, Now) {
    let now = Now { wall: bench.now.wall.saturating_add(later), ..bench.now };
    let credential = bench.nodes[2].endpoint.credential.clone();
    let mut fresh = Endpoint::new(Config::default(), credential, [77; 32], now);
    let link = Link { index: 2, addresses: vec![bench.nodes[2].address], multicast: true };
    fresh.handle_input(now, Input::Links(vec![link]));
    while fresh.poll_output().is_some() {}
    (fresh, now)
}

/// Gives a process a packet of a node; how many packets it sends.
fn hear(bench: &Bench, endpoint: &mut Endpoint, now: Now, of: usize, bytes: &[u8]) -> usize {
    let (from, local) = (bench.nodes[of].address, bench.nodes[2].address);
    let datagram = Datagram { from, local, multicast: true, waited: Duration::ZERO, bytes };
    endpoint.handle_input(now, Input::Datagram(datagram));
    let mut sent = 0;
    while let Some(output) = endpoint.poll_output() {
        sent += usize::from(matches!(output, Output::Transmit(_)));
    }
    sent
}

fn group_packet(bench: &mut Bench, of: usize, frame: &GroupFrame) -> Arc<[u8]> {
    let bytes = frame.encode();
    bench.nodes[of].endpoint.seal_group(&bytes).unwrap()
}

fn id(bench: &Bench, index: usize) -> NodeId {
    bench.nodes[index].endpoint.certificate().id()
}

/// [PRE-10] [QST-21]
#[test]
fn a_question_that_was_kept_for_days_is_refused_and_makes_nobody_alive() {
    let mut bench = bench(1);
    let ping = Ask { verb: Verb::Ping, ..get("app", Selector::default()) };
    bench.ask(0, ping);
    let question = bench.sent.iter().find(|(from, _)| *from == 0).unwrap().1.bytes.clone();
    for (later, state) in [(24 * HOUR, State::Alive), (26 * HOUR, State::Never)] {
        let (mut fresh, now) = restarted(&bench, later);
        let due = fresh.poll_timeout();
        let sent = hear(&bench, &mut fresh, now, 0, &question);
        assert_eq!(fresh.state(now, &id(&bench, 0)), state, "{later:?}");
        assert!(sent > 0, "an answer or a refusal");
        let clock = u64::from(state == State::Never);
        assert_eq!(fresh.stats().dropped(Dropped::Clock), clock);
        assert!(clock == 0 || fresh.poll_timeout() >= due, "no beacon is due for it");
    }
}

/// [PRE-10]
#[test]
fn a_suspicion_that_was_kept_for_days_makes_nobody_alive() {
    let mut bench = bench(2);
    let announcement = bench.nodes[3].endpoint.announcement(bench.now);
    let (node, process) = (id(&bench, 0), bench.nodes[0].endpoint.sender());
    let frame = GroupFrame::Suspect(SuspectFrame { announcement, node, process });
    let packet = group_packet(&mut bench, 3, &frame);
    for (later, state) in [(24 * HOUR, State::Alive), (26 * HOUR, State::Never)] {
        let (mut fresh, now) = restarted(&bench, later);
        hear(&bench, &mut fresh, now, 3, &packet);
        assert_eq!(fresh.state(now, &id(&bench, 3)), state, "{later:?}");
    }
}

/// [PRE-4]: a change has no time, so that it says something of a process that was heard before,
/// and of no other.
#[test]
fn a_change_makes_nobody_alive() {
    let mut bench = bench(2);
    let change =
        GroupFrame::Change(ChangeFrame { topic: TopicId([1; 8]), number: 1, change: Change::Much });
    let (first, second) =
        (group_packet(&mut bench, 3, &change), group_packet(&mut bench, 3, &change));
    let (mut fresh, mut now) = restarted(&bench, Duration::ZERO);
    hear(&bench, &mut fresh, now, 3, &first);
    assert_eq!(fresh.state(now, &id(&bench, 3)), State::Never);
    let announcement = bench.nodes[3].endpoint.announcement(bench.now);
    let (node, process) = (id(&bench, 0), bench.nodes[0].endpoint.sender());
    let frame = GroupFrame::Suspect(SuspectFrame { announcement, node, process });
    let packet = group_packet(&mut bench, 3, &frame);
    hear(&bench, &mut fresh, now, 3, &packet);
    now.instant = now.instant + Duration::from_secs(1);
    hear(&bench, &mut fresh, now, 3, &second);
    assert_eq!(fresh.roster.heard(&id(&bench, 3)).unwrap().at, now.instant);
    // Nor does one of a process that was never heard bring back the node of another.
    let kept = group_packet(&mut bench, 3, &change);
    bench.restart(3, 70);
    let present = beacon(&mut bench, false);
    hear(&bench, &mut fresh, now, 3, &present);
    let (process, ended) = (bench.nodes[3].endpoint.sender(), now.instant);
    wait(&mut fresh, &mut now, Duration::from_secs(130));
    hear(&bench, &mut fresh, now, 3, &kept);
    assert_eq!(fresh.state(now, &id(&bench, 3)), State::Gone);
    let heard = fresh.roster.heard(&id(&bench, 3)).unwrap();
    assert_eq!((heard.sender, heard.at), (Some(process), ended));
}

/// A beacon of the present process of node 3.
fn beacon(bench: &mut Bench, leaving: bool) -> Arc<[u8]> {
    beacon_of(bench, 3, leaving)
}

fn beacon_of(bench: &mut Bench, node: usize, leaving: bool) -> Arc<[u8]> {
    let announcement = bench.nodes[node].endpoint.announcement(bench.now);
    let (interval, software) = (Duration::from_secs(10), "".into());
    let frame = GroupFrame::Beacon(BeaconFrame { announcement, interval, leaving, software });
    group_packet(bench, node, &frame)
}

/// Lets time pass for a process that hears nobody.
fn wait(endpoint: &mut Endpoint, now: &mut Now, time: Duration) {
    let end = now.instant + time;
    while let Some(due) = endpoint.poll_timeout().filter(|due| *due < end) {
        now.instant = due.max(now.instant);
        endpoint.handle_timeout(*now);
        while endpoint.poll_output().is_some() {}
    }
    now.instant = end;
}

/// [PRE-36]: a process that hears a living one first has no window for those before it.
#[test]
fn a_kept_packet_of_an_ended_process_says_nothing_of_the_living_one() {
    let mut bench = bench(2);
    let (alive, goodbye) = (beacon(&mut bench, false), beacon(&mut bench, true));
    bench.pass(Duration::from_secs(5));
    bench.restart(3, 70);
    let (mut fresh, mut now) = restarted(&bench, Duration::ZERO);
    let present = beacon(&mut bench, false);
    hear(&bench, &mut fresh, now, 3, &present);
    let process = bench.nodes[3].endpoint.sender();
    for old in [goodbye, alive] {
        wait(&mut fresh, &mut now, Duration::from_millis(2_500));
        hear(&bench, &mut fresh, now, 3, &old);
        assert_eq!(fresh.state(now, &id(&bench, 3)), State::Alive);
        let heard = fresh.roster.heard(&id(&bench, 3)).unwrap();
        assert_eq!(heard.sender, Some(process));
        let present = beacon(&mut bench, false);
        hear(&bench, &mut fresh, now, 3, &present);
        assert!(!fresh.nodes(now).iter().any(|it| it.duplicate));
    }
    // Of one that is silent any word counts: its clock may have been set back.
    wait(&mut fresh, &mut now, Duration::from_secs(130));
    assert_eq!(fresh.state(now, &id(&bench, 3)), State::Gone);
    bench.restart(3, 71);
    bench.now.wall = bench.now.wall.saturating_sub(Duration::from_secs(60));
    let set_back = beacon(&mut bench, false);
    hear(&bench, &mut fresh, now, 3, &set_back);
    assert_eq!(fresh.state(now, &id(&bench, 3)), State::Alive);
}

/// [PRE-36]: who knows the living one by its answer alone, which tells no time, believes no goodbye
/// of another.
#[test]
fn a_kept_goodbye_ends_nobody_who_has_only_answered() {
    let mut bench = bench(1);
    let goodbye = beacon_of(&mut bench, 2, true);
    bench.parted = Some(Box::new(|from, to| (from, to) == (2, 0)));
    bench.restart(2, 70);
    bench.pass(Duration::from_secs(2));
    bench.parted = None;
    bench.restart(0, 71);
    let (_, report) = bench.ask(0, get("app", Selector::default()));
    assert_eq!(report.missing, [], "{report:?}");
    let (from, local) = (bench.nodes[2].address, bench.nodes[0].address);
    let waited = Duration::ZERO;
    let datagram = Datagram { from, local, multicast: true, waited, bytes: &goodbye };
    bench.input(0, Input::Datagram(datagram));
    assert_eq!(bench.nodes[0].endpoint.state(bench.now, &id(&bench, 2)), State::Alive);
}

/// A client that starts, and what it makes of n0: whether it is there twice, and what its clock
/// tells.
fn young(bench: &mut Bench, seed: u8) -> impl Fn(&Bench) -> (bool, Option<i64>) + use<> {
    bench.parted = None;
    bench.restart(0, seed);
    bench.unicast_lost = false;
    |bench| {
        let nodes = bench.nodes[0].endpoint.nodes(bench.now);
        let node = nodes.into_iter().find(|it| it.name == "n0").unwrap();
        (node.duplicate, node.sign.map(|it| it.ahead_ms))
    }
}

/// Gives the client a packet of n0 by multicast.
fn play(bench: &mut Bench, bytes: &[u8]) {
    let (from, local) = (bench.nodes[2].address, bench.nodes[0].address);
    let datagram = Datagram { from, local, multicast: true, waited: Duration::ZERO, bytes };
    bench.input(0, Input::Datagram(datagram));
}

/// [PRE-35] [PRE-36]: a client that starts has no window for any process; what was kept of an ended
/// one, played to it before or after the answer of the living one, makes no second one.
#[test]
fn a_kept_beacon_and_an_answer_are_no_two_processes() {
    for before in [true, false] {
        let mut bench = bench(1);
        let old = beacon_of(&mut bench, 2, false);
        bench.pass(HOUR);
        bench.restart(2, 70);
        bench.pass(Duration::from_secs(5));
        let shown = young(&mut bench, 71);
        if before {
            play(&mut bench, &old);
        }
        let (_, report) = bench.ask(0, get("app", Selector::default()));
        assert_eq!(report.missing, [], "{report:?}");
        if !before {
            play(&mut bench, &old);
        }
        assert!(!shown(&bench).0, "{before}");
        bench.pass(Duration::from_secs(15));
        assert_eq!(shown(&bench), (false, Some(0)), "{before}");
    }
}

/// [PRE-35]: an answer cannot be kept for a process that starts later, so two of them tell of two.
#[test]
fn two_that_answer_a_young_client_are_shown() {
    let mut bench = bench(1);
    let twin = bench.nodes[2].endpoint.credential.clone();
    bench.add(twin);
    bench.pass(Duration::from_secs(5));
    let shown = young(&mut bench, 71);
    bench.ask(0, get("app", Selector::default()));
    assert!(shown(&bench).0);
}

/// [PRE-11]: within the window of the living process something kept of it counts as heard. Its time
/// says nothing of the clock.
#[test]
fn a_kept_beacon_of_the_living_process_is_no_false_clock() {
    let mut bench = bench(1);
    let old = beacon_of(&mut bench, 2, false);
    bench.pass(Duration::from_secs(90));
    let shown = young(&mut bench, 71);
    bench.pass(Duration::from_secs(12));
    assert_eq!(shown(&bench), (false, Some(0)));
    play(&mut bench, &old);
    assert_eq!(shown(&bench), (false, Some(0)));
}

/// [PRE-36]: nobody has a window for the processes of his own node that ended before he began.
#[test]
fn a_kept_packet_of_the_process_before_is_no_second_one() {
    let mut bench = bench(2);
    let old = beacon(&mut bench, false);
    bench.pass(Duration::from_secs(5));
    bench.restart(3, 70);
    bench.pass(Duration::from_secs(5));
    bench.events.clear();
    let (from, local) = (bench.nodes[2].address, bench.nodes[3].address);
    let waited = Duration::ZERO;
    let datagram = Datagram { from, local, multicast: true, waited, bytes: &old };
    bench.input(3, Input::Datagram(datagram));
    let warned = bench.events.iter().any(|(_, event)| matches!(event, Event::Duplicate(_)));
    assert!(!warned, "{:?}", bench.events);
}

/// A false record of a node: that it was heard at the guest's address.
pub(super) fn record(bench: &Bench, of: usize) -> Record {
    Record {
        id: id(bench, of),
        age: Duration::ZERO,
        address: Some(bench.nodes[1].address),
        interval: Duration::from_secs(10),
        left: false,
        gone: false,
        software: "told".into(),
    }
}

/// What n1 tells the client, unasked or asked, of these nodes.
fn tell(bench: &mut Bench, of: &[usize]) {
    let records = of.iter().map(|index| record(bench, *index)).collect();
    let client = bench.nodes[0].endpoint.sender();
    let frame = PairFrame::Roster(records);
    bench.nodes[3].endpoint.send_pair(client, &frame, false, None);
    bench.settle();
}

/// [PRE-7] [QST-16]
#[test]
fn what_nobody_asked_for_is_not_taken() {
    let mut bench = bench(3);
    // n0 is silent and the guest was never heard; n1 and n2 reply.
    bench.nodes[2].up = false;
    let (client, guest, silent) = (0, 1, 2);
    bench.input(client, Input::Ask(QuestionId(9), Box::new(get("app", Selector::default()))));
    bench.run(Duration::from_millis(5), |_| false);
    let dropped = |bench: &Bench| bench.nodes[0].endpoint.stats().dropped(Dropped::Unasked);
    tell(&mut bench, &[guest]);
    assert_eq!(dropped(&bench), 1, "a replier that was asked nothing");
    // From round 2 on repliers are asked, of the silent ones alone.
    bench.run(Duration::from_millis(60), |_| false);
    tell(&mut bench, &[guest, silent]);
    let software = |bench: &Bench, index: usize| {
        let heard = bench.nodes[0].endpoint.roster.heard(&id(bench, index));
        heard.map(|it| it.software.to_string())
    };
    assert_eq!(software(&bench, guest), None);
    bench.pass(Duration::from_secs(10));
    let before = dropped(&bench);
    tell(&mut bench, &[silent]);
    assert_eq!(dropped(&bench), before + 1, "the time for it is over");
}

/// [PRE-7]
#[test]
fn who_was_asked_at_the_start_is_not_believed_for_ever() {
    let mut bench = bench(3);
    bench.pass(Duration::from_secs(10));
    let asked: Vec<SenderId> = (2..5).map(|it| bench.nodes[it].endpoint.sender()).collect();
    let (guest, record) = (id(&bench, 1), record(&bench, 1));
    let now = bench.now;
    for sender in asked {
        let told = bench.nodes[4].endpoint.hear_roster(now, sender, std::slice::from_ref(&record));
        assert_eq!(told, Err(Dropped::Unasked));
    }
    assert!(bench.nodes[4].endpoint.roster.heard(&guest).is_none());
}

#[test]
fn so_many_rosters_are_wished_for_at_once() {
    let (now, mut wishes) = (Instant::from_micros(1), Wishes::default());
    for _ in 0..=WISHES_MAX {
        let filter = Filter::new([].iter(), 0, 0, Filter::BYTES_MAX);
        wishes.add(now, SenderId([1; 12]), &filter, None);
    }
    assert_eq!(wishes.len(), WISHES_MAX);
}
