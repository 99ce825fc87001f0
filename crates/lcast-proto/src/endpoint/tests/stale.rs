//! Packets that somebody kept for later, and words that nobody asked for.

use super::*;
use crate::wire::frame::{GroupFrame, SuspectFrame};
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
    let datagram = Datagram { from, local, multicast: true, bytes };
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
}
