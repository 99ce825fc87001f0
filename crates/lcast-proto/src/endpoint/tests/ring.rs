//! The ring and the roster by themselves: places, limits, and whose word counts.

use super::limits::members;
use super::*;
use crate::endpoint::presence::silence;
use crate::presence::{
    ACCUSATIONS_MAX, BETWEEN_MAX, Heard, REFUTABLE, Ring, RingAct, Roster, SUCCESSORS, TARGETS_MAX,
    Unfounded, interval,
};
use crate::wire::frame::Record;

fn heard(at: Instant, process: u8, number: u64) -> Heard {
    Heard {
        at,
        wall: Timestamp::from_millis(0),
        address: None,
        sender: Some(SenderId([process; 12])),
        number,
        interval: Duration::from_secs(10),
        left: false,
        software: "".into(),
        via: Via::Multicast,
    }
}

/// A roster of so many agents, all heard at `now`, and their ids in the order of the ring.
pub(super) fn living(now: Instant, agents: usize) -> (Roster, Vec<NodeId>) {
    let list = members(agents);
    let mut roster = Roster::new(list.clone());
    for member in list.members() {
        roster.note(member.id, heard(now, 1, 1), None);
    }
    let first = list.members()[0].id;
    let ring = std::iter::once(first).chain(roster.successors(&first)).collect();
    (roster, ring)
}

pub(super) const START: Instant = Instant::from_micros(100_000_000);
const SILENCE: Duration = Duration::from_secs(14);

/// [PRE-20]
#[test]
fn the_ring_is_the_same_for_all() {
    let (roster, ring) = living(START, 12);
    assert_eq!(ring.len(), 12);
    for (at, id) in ring.iter().enumerate() {
        let rest: Vec<NodeId> = roster.successors(id).collect();
        let expected: Vec<NodeId> = (1..12).map(|step| ring[(at + step) % 12]).collect();
        assert_eq!(rest, expected, "from {at}");
        for other in &ring {
            let between = rest.iter().take_while(|it| *it != other);
            let expected: Vec<&NodeId> = between.take_while(|_| other != id).collect();
            let found: Vec<NodeId> = roster.between(id, other).collect();
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "from {at}");
        }
    }
}

/// [PRE-20] [PRE-21]
#[test]
fn those_that_do_not_answer_are_pinged_beside_the_next_up_to_a_limit() {
    let (roster, ids) = living(START, TARGETS_MAX + 3);
    let mut random = Random::from_seed([3; 32]);
    let mut ring = Ring::new(START, &mut random);
    let mut suspected = Vec::new();
    while ring.due() < START + Duration::from_secs(9) {
        let now = ring.due();
        for act in ring.handle_timeout(now, &ids[0], (&roster, &|_| true), SILENCE, &mut random) {
            if let RingAct::Suspect { node, first: true, .. } = act {
                suspected.push(node);
            }
        }
    }
    assert_eq!(suspected.len(), TARGETS_MAX, "no more are pinged at once");
    assert_eq!(suspected[..SUCCESSORS], ids[1..=SUCCESSORS]);
}

/// [PRE-23]
#[test]
fn another_successor_is_pinged_in_the_place_of_one_that_unicast_does_not_reach() {
    let (mut roster, ids) = living(START, TARGETS_MAX + 3);
    for (place, id) in (1..).zip(&ids) {
        roster.note(*id, heard(START, place, 1), None);
    }
    let processes: Vec<SenderId> = (1..=9).map(|place| SenderId([place; 12])).collect();
    let mut random = Random::from_seed([3; 32]);
    let mut ring = Ring::new(START, &mut random);
    let (mut pinged, mut suspected, mut beacon_at) = (BTreeSet::new(), 0, None);
    while ring.due() < START + Duration::from_secs(60) {
        let now = ring.due();
        // The first answers no ping: it refutes its suspicions, and is heard by beacons then.
        if beacon_at.is_some_and(|at| at <= now) {
            ring.heard(now, &ids[1], processes[1], false);
            beacon_at = Some(now + Duration::from_secs(10));
        }
        for act in ring.handle_timeout(now, &ids[0], (&roster, &|_| true), SILENCE, &mut random) {
            match act {
                RingAct::Suspect { node, .. } => {
                    assert_eq!(node, ids[1]);
                    suspected += 1;
                    beacon_at = Some(now + Duration::from_millis(100));
                }
                RingAct::Ping { to, .. } if now > START + Duration::from_secs(10) => {
                    pinged.insert(to);
                }
                RingAct::Ping { .. } | RingAct::Announce => {}
            }
        }
        (2..ids.len()).for_each(|at| ring.heard(now, &ids[at], processes[at], false));
    }
    assert_eq!(pinged, processes[1..=3].iter().copied().collect(), "two that answer beside it");
    assert_eq!(suspected, 2, "it may have died after it refuted the first");
}

/// [PRE-23]
#[test]
fn one_that_dies_after_it_refuted_a_suspicion_is_suspected_again() {
    let (roster, ids) = living(START, 2);
    let mut random = Random::from_seed([3; 32]);
    let mut ring = Ring::new(START, &mut random);
    let mut suspected: Vec<Instant> = Vec::new();
    while ring.due() < START + Duration::from_secs(10) {
        let now = ring.due();
        let acts = ring.handle_timeout(now, &ids[0], (&roster, &|_| true), SILENCE, &mut random);
        if acts.iter().any(|it| matches!(it, RingAct::Suspect { first: true, .. })) {
            suspected.push(now);
            ring.heard(now, &ids[1], SenderId([1; 12]), false);
        }
    }
    let again = suspected[1].since(suspected[0]);
    assert!(again <= Duration::from_secs(4), "{again:?}");
}

/// All words of a ring are looked at that speaks of all those which it pings: six that do not
/// answer, and six that unicast did not reach. [PRE-21] [PRE-26]
#[test]
fn what_one_agent_says_of_all_that_it_pings_is_within_what_is_looked_at() {
    let (roster, ids) = living(START, 2 * TARGETS_MAX + 3);
    let mut random = Random::from_seed([3; 32]);
    let mut ring = Ring::new(START, &mut random);
    let mut words: Vec<u32> = vec![0; ids.len()];
    while ring.due() < START + Duration::from_secs(60) {
        let now = ring.due();
        for act in ring.handle_timeout(now, &ids[0], (&roster, &|_| true), SILENCE, &mut random) {
            let RingAct::Suspect { node, first, .. } = act else { continue };
            let place = ids.iter().position(|it| *it == node).unwrap();
            words[place] += 1;
            // The first six refute two suspicions, and are silent after that.
            if place <= TARGETS_MAX && words[place] <= 2 && first {
                ring.heard(now, &node, SenderId([1; 12]), false);
            }
        }
    }
    let mut expected = vec![0];
    expected.extend([[2 + 5; TARGETS_MAX], [5; TARGETS_MAX]].concat());
    assert_eq!(words[..=2 * TARGETS_MAX], expected, "five words of each at last");
    assert!(5 * 2 * TARGETS_MAX as u32 <= ACCUSATIONS_MAX, "even at one time");
}

/// [PRE-23]
#[test]
fn one_that_answers_again_is_no_longer_deaf() {
    let (roster, ids) = living(START, 2);
    let mut random = Random::from_seed([3; 32]);
    let mut ring = Ring::new(START, &mut random);
    let process = SenderId([1; 12]);
    let mut suspected: Vec<Instant> = Vec::new();
    let answers = START + Duration::from_secs(20)..START + Duration::from_secs(25);
    while ring.due() < START + Duration::from_secs(40) {
        let now = ring.due();
        for act in ring.handle_timeout(now, &ids[0], (&roster, &|_| true), SILENCE, &mut random) {
            match act {
                RingAct::Suspect { first: true, .. } => suspected.push(now),
                RingAct::Ping { to, token, .. } if answers.contains(&now) => {
                    assert!(ring.pong(to, token));
                    ring.heard(now, &ids[1], process, false);
                }
                RingAct::Ping { .. } | RingAct::Suspect { .. } | RingAct::Announce => {}
            }
        }
        if suspected.len() <= 2 && suspected.last() == Some(&now) {
            ring.heard(now, &ids[1], process, false);
        }
    }
    let after: Vec<u64> = suspected.iter().map(|it| it.since(START).as_secs()).collect();
    assert!(after[1] < 10 && (27..=29).contains(&after[2]), "{after:?}");
}

/// A refutation counts with all whose pings fail, not with the one alone that suspected. [PRE-23]
#[test]
fn what_one_refutes_of_another_shows_that_it_is_deaf() {
    let (roster, ids) = living(START, 2);
    let mut random = Random::from_seed([3; 32]);
    let mut ring = Ring::new(START, &mut random);
    let mut heard_at = START + Duration::from_millis(2_500);
    let mut suspected = 0;
    while ring.due() < START + Duration::from_secs(14) {
        let now = ring.due();
        if now >= heard_at && now < START + Duration::from_secs(8) {
            ring.heard(now, &ids[1], SenderId([1; 12]), true);
            heard_at = now + Duration::from_millis(2_500);
        }
        let acts = ring.handle_timeout(now, &ids[0], (&roster, &|_| true), SILENCE, &mut random);
        suspected += acts.iter().filter(|it| matches!(it, RingAct::Suspect { .. })).count();
    }
    assert_eq!(suspected, 0);
}

/// [PRE-29]
#[test]
fn a_ping_introduces_its_sender_until_one_was_answered_and_from_the_third_try_on() {
    for (answered, expected) in [(false, [true; 6]), (true, [false, false, true, true, true, true])]
    {
        let (roster, ids) = living(START, 2);
        let mut random = Random::from_seed([3; 32]);
        let mut ring = Ring::new(START, &mut random);
        let mut pings = |ring: &mut Ring, count: usize| {
            let mut pings: Vec<(u64, bool)> = Vec::new();
            while pings.len() < count {
                let now = ring.due();
                for act in
                    ring.handle_timeout(now, &ids[0], (&roster, &|_| true), SILENCE, &mut random)
                {
                    let RingAct::Ping { token, introduce, .. } = act else { panic!("{act:?}") };
                    pings.push((token, introduce));
                }
            }
            pings
        };
        let first = pings(&mut ring, 1)[0];
        assert!(first.1);
        if answered {
            assert!(ring.pong(SenderId([1; 12]), first.0));
            ring.heard(ring.due(), &ids[1], SenderId([1; 12]), false);
        }
        let introduced: Vec<bool> = pings(&mut ring, 6).into_iter().map(|it| it.1).collect();
        assert_eq!(introduced, expected, "answered: {answered}");
    }
}

/// A suspicion is said five times; who is heard meanwhile is let alone. [PRE-21]
#[test]
fn a_suspicion_is_said_again_until_the_node_is_heard() {
    for (heard_after, expected) in [(10_000, &[0, 150, 350, 600, 900][..]), (300, &[0, 150])] {
        let (roster, ids) = living(START, 2);
        let mut random = Random::from_seed([3; 32]);
        let mut ring = Ring::new(START, &mut random);
        let mut said: Vec<Instant> = Vec::new();
        while ring.due() < START + Duration::from_secs(20) {
            let now = ring.due();
            let begin = said.first().copied().unwrap_or(now);
            if !said.is_empty() && now.since(begin) >= Duration::from_millis(heard_after) {
                ring.heard(now, &ids[1], SenderId([1; 12]), false);
                break;
            }
            let acts =
                ring.handle_timeout(now, &ids[0], (&roster, &|_| true), SILENCE, &mut random);
            said.extend(
                acts.iter().filter(|it| matches!(it, RingAct::Suspect { .. })).map(|_| now),
            );
        }
        let millis: Vec<u128> = said.iter().map(|at| at.since(said[0]).as_millis()).collect();
        assert_eq!(millis, expected, "heard after {heard_after} ms");
    }
}

/// [PRE-25]
#[test]
fn only_who_stands_near_before_a_node_may_suspect_it() {
    let (mut roster, ids) = living(START, BETWEEN_MAX + 6);
    let now = START + Duration::from_secs(2);
    for (steps, expected) in [
        (1, Ok(())),
        (BETWEEN_MAX + 1, Ok(())),
        (BETWEEN_MAX + 2, Err(Unfounded::Suspicion)),
        (ids.len() - 1, Err(Unfounded::Suspicion)),
    ] {
        let suspected = (&ids[steps], SenderId([1; 12]));
        assert_eq!(roster.accuse(now, &ids[0], true, suspected), expected, "{steps} steps");
    }
    let old = roster.accuse(now, &ids[0], false, (&ids[2], SenderId([1; 12])));
    assert_eq!(old, Err(Unfounded::Suspicion));
    assert_eq!(roster.state(now, &ids[1]), State::Suspect);
    assert_eq!(roster.state(now, &ids[2]), State::Alive);
    // Another process than the one that is known is not meant.
    assert_eq!(roster.accuse(now, &ids[0], true, (&ids[3], SenderId([2; 12]))), Ok(()));
    assert_eq!(roster.state(now, &ids[3]), State::Alive);
}

/// [PRE-24]
#[test]
fn who_was_heard_just_now_is_not_suspected() {
    let (mut roster, ids) = living(START, 3);
    let suspected = (&ids[1], SenderId([1; 12]));
    for (millis, expected) in [(1_499, Err(Unfounded::Suspicion)), (1_500, Ok(()))] {
        let now = START + Duration::from_millis(millis);
        assert_eq!(roster.accuse(now, &ids[0], true, suspected), expected, "{millis} ms");
    }
}

/// [QST-17]
#[test]
fn the_word_of_one_other_does_not_end_a_node() {
    for (words, states, sure) in [
        (&[(1, true)][..], State::Gone, false),
        (&[(1, true), (1, true)], State::Gone, false),
        (&[(1, true), (2, false)], State::Alive, false),
        (&[(2, false), (1, true)], State::Alive, false),
        (&[(1, true), (2, true)], State::Gone, true),
        (&[(1, true), (2, true), (3, true)], State::Gone, true),
        (&[(3, false), (1, true), (2, true)], State::Gone, true),
    ] {
        let list = members(4);
        let id = list.members()[0].id;
        let mut roster = Roster::new(list);
        let now = Now { instant: START, ..Now::default() };
        for (teller, gone) in words {
            let record = Record {
                id,
                age: Duration::from_secs(3),
                address: None,
                interval: Duration::from_secs(10),
                left: false,
                gone: *gone,
                software: "".into(),
            };
            roster.tell(now, &record, Via::Told, Some(NodeId([*teller; 16])));
        }
        assert_eq!(roster.state(START, &id), states, "{words:?}");
        assert_eq!(roster.has_surely_ended(START, &id), sure, "{words:?}");
        // What is heard here settles it. [PRE-5]
        roster.note(id, heard(START, 1, 1), None);
        assert_eq!(roster.state(START, &id), State::Alive);
    }
}

/// Two members are believed, whatever a third says. [QST-17]
#[test]
fn what_a_third_member_tells_of_an_end_changes_nothing() {
    for (tellers, expected) in [(2, State::Left), (3, State::Gone)] {
        let list = members(4);
        let id = list.members()[0].id;
        let mut roster = Roster::new(list);
        for teller in 1..=tellers {
            // The last one tells that it said goodbye, those before him that it is gone.
            let record = Record {
                id,
                age: Duration::from_secs(3),
                address: None,
                interval: Duration::from_secs(10),
                left: teller == tellers,
                gone: teller < tellers,
                software: "".into(),
            };
            let now = Now { instant: START, ..Now::default() };
            roster.tell(now, &record, Via::Told, Some(NodeId([teller; 16])));
        }
        assert_eq!(roster.state(START, &id), expected, "{tellers} tell of it");
    }
}

/// [PRE-35]
#[test]
fn a_restart_is_no_second_process_and_a_late_packet_neither() {
    let list = members(1);
    let id = list.members()[0].id;
    let at = |millis: u64| START + Duration::from_millis(millis);
    // Process, milliseconds, number of the packet.
    for (words, process, twice) in [
        (&[(1, 0, 1), (2, 100, 1)][..], 2, false),
        (&[(1, 0, 1), (2, 100, 1), (1, 200, 2)], 2, false),
        (&[(1, 0, 5), (2, 100, 1), (1, 9_000, 5)], 2, false),
        (&[(1, 0, 1), (2, 100, 1), (3, 9_000, 1)], 3, false),
        (&[(1, 0, 1), (2, 100, 1), (1, 9_000, 2)], 1, true),
    ] {
        let mut roster = Roster::new(list.clone());
        for (process, millis, number) in words {
            roster.note(id, heard(at(*millis), *process, *number), None);
        }
        assert_eq!(roster.heard(&id).unwrap().sender, Some(SenderId([process; 12])), "{words:?}");
        assert_eq!(roster.is_twice(at(9_000), &id), twice, "{words:?}");
    }
    // Four processes back are remembered, a fifth is new again.
    for (processes, twice) in [(5, true), (6, false)] {
        let mut roster = Roster::new(list.clone());
        for it in 1..=processes {
            roster.note(id, heard(at(u64::from(it) * 3_000), it, 1), None);
        }
        roster.note(id, heard(at(60_000), 1, 2), None);
        assert_eq!(roster.is_twice(at(60_000), &id), twice, "{processes} processes");
    }
}

/// What refutes a suspicion may have come while this process was stopped: it is not over before it
/// could be heard. [PRE-28]
#[test]
fn a_suspicion_that_a_stop_outlasted_can_still_be_refuted() {
    let (mut roster, ids) = living(START, 4);
    let (process, before) = (SenderId([1; 12]), START + Duration::from_secs(2));
    assert!(roster.suspect(before, &ids[1], process));
    let now = before + REFUTABLE;
    roster.handle_timeout(now);
    assert!(roster.suspect(now, &ids[2], process));
    let later = now + Duration::from_secs(60);
    roster.resume(later);
    roster.handle_timeout(later);
    let states = |roster: &Roster, at| [1, 2, 3].map(|it: usize| roster.state(at, &ids[it]));
    assert_eq!(states(&roster, later), [State::Gone, State::Suspect, State::Alive]);
    roster.handle_timeout(later + REFUTABLE);
    let expected = [State::Gone, State::Gone, State::Alive];
    assert_eq!(states(&roster, later + REFUTABLE), expected);
}

/// A successor that unicast did not reach died, and the realm shrank: it had been silent for more
/// rounds than that takes from then on, and nobody noticed. [PRE-23]
#[test]
fn a_death_is_noticed_also_when_the_realm_shrinks_meanwhile() {
    for (silence_later, expected) in [(36, 36..=38), (14, 21..=22), (30, 30..=31)] {
        let (roster, ids) = living(START, TARGETS_MAX + 3);
        let mut random = Random::from_seed([3; 32]);
        let mut ring = Ring::new(START, &mut random);
        let (mut refuted, mut words, mut again) = (None, 0, Vec::new());
        while ring.due() < START + Duration::from_secs(90) {
            let now = ring.due();
            let since = refuted.map_or(Duration::ZERO, |at| now.since(at));
            let later = since > Duration::from_secs(20);
            let silence = Duration::from_secs(if later { silence_later } else { 36 });
            for act in ring.handle_timeout(now, &ids[0], (&roster, &|_| true), silence, &mut random)
            {
                if let RingAct::Suspect { node, first: true, .. } = act {
                    assert_eq!(node, ids[1]);
                    words += 1;
                    match words {
                        1 | 2 => refuted = Some(now),
                        _ => again.push(since.as_secs() + 1),
                    }
                }
            }
            if refuted == Some(now) {
                ring.heard(now, &ids[1], SenderId([1; 12]), false);
            }
            (2..ids.len()).for_each(|at| ring.heard(now, &ids[at], SenderId([1; 12]), false));
        }
        assert!(again.len() == 1 && expected.contains(&again[0]), "{silence_later}: {again:?}");
    }
}

/// However long it is from one beacon to the next, and however short the rounds. [PRE-23]
#[test]
fn who_is_heard_by_its_beacons_alone_is_not_suspected_before_the_next_is_due() {
    for agents in [10, 2_000, 16_384] {
        let between = interval(agents) * 11 / 10;
        let (roster, ids) = living(START, TARGETS_MAX + 3);
        let mut random = Random::from_seed([3; 32]);
        let mut ring = Ring::new(START, &mut random);
        let (mut beacon_at, mut suspected) = (None::<Instant>, 0);
        while ring.due() < START + between * 5 {
            let now = ring.due();
            if beacon_at.is_some_and(|at| at <= now) {
                ring.heard(now, &ids[1], SenderId([1; 12]), false);
                beacon_at = Some(now + between);
            }
            let around = (&roster, &(|_: &SenderId| true) as &dyn Fn(&SenderId) -> bool);
            for act in ring.handle_timeout(now, &ids[0], around, silence(agents), &mut random) {
                if matches!(act, RingAct::Suspect { first: true, .. }) {
                    suspected += 1;
                    beacon_at = Some(now);
                }
            }
            (2..ids.len()).for_each(|at| ring.heard(now, &ids[at], SenderId([1; 12]), false));
        }
        assert_eq!(suspected, 2, "{agents} agents: it refutes two, and is deaf from then on");
    }
}

/// Who was suspected before this process was stopped can be suspected after that. [PRE-28]
#[test]
fn who_was_absolved_is_suspected_again() {
    let (roster, ids) = living(START, 2);
    let mut random = Random::from_seed([3; 32]);
    let mut ring = Ring::new(START, &mut random);
    let mut suspected = 0;
    while ring.due() < START + Duration::from_secs(20) {
        let now = ring.due();
        for act in ring.handle_timeout(now, &ids[0], (&roster, &|_| true), SILENCE, &mut random) {
            if matches!(act, RingAct::Suspect { first: true, .. }) {
                suspected += 1;
                if suspected == 1 {
                    ring.absolve(now);
                }
            }
        }
    }
    assert_eq!(suspected, 2);
}

/// Lets the ring of the first of `ids` go on to `until`; what it wants, and when.
fn acts(
    ring: &mut Ring,
    random: &mut Random,
    (roster, ids): (&Roster, &[NodeId]),
    until: Instant,
) -> Vec<(Instant, RingAct)> {
    let mut acts = Vec::new();
    while ring.due() < until {
        let now = ring.due();
        let some = ring.handle_timeout(now, &ids[0], (roster, &|_| true), SILENCE, random);
        acts.extend(some.into_iter().map(|it| (now, it)));
    }
    acts
}

/// [PRE-27]
#[test]
fn a_newcomer_is_pinged_once_a_second_until_it_answers() {
    let (roster, ids) = living(START, 1);
    let second = |count: u64| START + Duration::from_secs(count);
    for (answers_at, expected) in [(60, 6), (3, 3)] {
        let mut random = Random::from_seed([3; 32]);
        let mut ring = Ring::new(START, &mut random);
        let (node, process) = (NodeId([1; 16]), SenderId([1; 12]));
        ring.greet(START, node, process);
        let mut pinged = Vec::new();
        for at in 1..20 {
            for (now, act) in acts(&mut ring, &mut random, (&roster, &ids), second(at)) {
                let RingAct::Ping { to, token, introduce: true } = act else { continue };
                assert_eq!((now, to), (second(pinged.len() as u64), process));
                pinged.push(token);
            }
            if at == answers_at {
                let token = *pinged.last().unwrap();
                assert!(!ring.pong(process, token ^ 1) && ring.pong(process, token));
            }
        }
        assert_eq!(pinged.len(), expected);
    }
}

/// Whatever it does, a node draws a ping a second at most, and many no more than there is room for.
/// [PRE-27]
#[test]
fn a_node_with_many_processes_is_not_pinged_more_often() {
    let (roster, ids) = living(START, 1);
    for (nodes, expected) in [(1, 10), (16, 160)] {
        let mut random = Random::from_seed([3; 32]);
        let mut ring = Ring::new(START, &mut random);
        let mut pinged = 0;
        for millis in 0..10_000_u64 {
            let now = START + Duration::from_millis(millis);
            let node = NodeId([(millis % nodes) as u8; 16]);
            let process = SenderId([(millis % 251) as u8; 12]);
            ring.greet(now, node, process);
            for (_, act) in acts(&mut ring, &mut random, (&roster, &ids), now) {
                let RingAct::Ping { to, token, .. } = act else { continue };
                pinged += 1;
                ring.pong(to, token);
            }
        }
        assert_eq!(pinged, expected, "{nodes} nodes in ten seconds");
    }
    let mut random = Random::from_seed([3; 32]);
    let mut ring = Ring::new(START, &mut random);
    (1..=20).for_each(|it| ring.greet(START, NodeId([it; 16]), SenderId([it; 12])));
    let all = acts(&mut ring, &mut random, (&roster, &ids), START + Duration::from_millis(1));
    let pinged = all.iter().filter_map(|(_, act)| match act {
        RingAct::Ping { to, .. } => Some(to.0[0]),
        RingAct::Suspect { .. } | RingAct::Announce => None,
    });
    assert_eq!(pinged.collect::<Vec<_>>(), (5..=20).collect::<Vec<u8>>(), "the first give way");
    // One that has answered does so before them.
    let token = all.iter().find_map(|(_, act)| match act {
        RingAct::Ping { token, .. } => Some(*token),
        RingAct::Suspect { .. } | RingAct::Announce => None,
    });
    assert!(ring.pong(SenderId([9; 12]), token.unwrap()));
    ring.greet(START, NodeId([21; 16]), SenderId([21; 12]));
    let again = acts(&mut ring, &mut random, (&roster, &ids), START + Duration::from_millis(1_002));
    assert!(again.iter().any(|(_, act)| matches!(act, RingAct::Ping { to, .. } if to.0[0] == 5)));
}

/// [PRE-31]
#[test]
fn who_is_watched_by_too_few_announces_itself_ever_less_often() {
    let (roster, ids) = living(START, 1);
    // How many ping it twice a second, up to some second, and how many from then on.
    let announced = |watchers: u8, to: u64, then: u8, stops: bool| -> Vec<u64> {
        let mut random = Random::from_seed([3; 32]);
        let mut ring = Ring::new(START, &mut random);
        let mut announced = Vec::new();
        for half in 1..200 {
            let now = START + Duration::from_millis(500 * half);
            for (at, act) in acts(&mut ring, &mut random, (&roster, &ids), now) {
                assert_eq!(act, RingAct::Announce);
                announced.push(at.since(START).as_secs());
            }
            let watchers = if half / 2 < to { watchers } else { then };
            (1..=watchers).for_each(|it| ring.watched(now, SenderId([it; 12])));
            if stops && half % 10 == 0 {
                ring.absolve(now);
            }
        }
        announced
    };
    for few in [announced(0, 0, 0, false), announced(1, 100, 1, false)] {
        assert!((3..=4).contains(&few[0]), "{few:?}");
        for pair in few.windows(2) {
            assert!((2 * pair[0] - 2..=3 * pair[0] + 2).contains(&pair[1]), "{few:?}");
        }
        assert!((4..=6).contains(&few.len()), "{few:?}");
    }
    assert_eq!(announced(2, 100, 2, false), [0; 0]);
    // All of them end, or one of two.
    for then in [0, 1] {
        let left = announced(2, 50, then, false);
        assert!((52..=54).contains(&left[0]), "{then}: {left:?}");
    }
    // A process that is late again and again, which is no reason to begin anew.
    assert_eq!(announced(0, 0, 0, true).len(), 1);
}

/// The ring of the first of forty agents; the process of each has its place for a name.
struct Rounds {
    ring: Ring,
    random: Random,
    roster: Roster,
    ids: Vec<NodeId>,
    dead: BTreeSet<u8>,
}

impl Rounds {
    fn new() -> Self {
        let (_, ids) = living(START, 40);
        let mut random = Random::from_seed([3; 32]);
        let ring = Ring::new(START, &mut random);
        Self { ring, random, roster: Roster::new(members(40)), ids, dead: BTreeSet::new() }
    }

    /// Who stands there is heard for the first time, by what it announces where `announced`.
    fn start(&mut self, place: u8, process: u8, announced: bool) {
        let now = self.ring.due();
        self.roster.note(self.ids[usize::from(place)], heard(now, process, 1), None);
        if announced {
            self.ring.announced(now, SenderId([process; 12]));
        }
    }

    /// One round: who is pinged answers, unless it is dead. The processes that were pinged, and
    /// those that were suspected.
    fn round(&mut self) -> (Vec<u8>, Vec<u8>) {
        let (begin, mut pinged, mut suspected) = (self.ring.due(), BTreeSet::new(), Vec::new());
        while self.ring.due() < begin + Duration::from_millis(900) {
            let (now, around) = (self.ring.due(), (&self.roster, &(|_: &SenderId| true) as _));
            let acts =
                self.ring.handle_timeout(now, &self.ids[0], around, SILENCE, &mut self.random);
            for act in acts {
                match act {
                    RingAct::Ping { to, .. } => drop(pinged.insert(to.0[0])),
                    RingAct::Suspect { node, process, first: true } => {
                        self.roster.suspect(now, &node, process);
                        suspected.push(process.0[0]);
                    }
                    RingAct::Suspect { .. } | RingAct::Announce => {}
                }
            }
            for id in self.ids.clone() {
                let process = self.roster.voice(&id).and_then(|it| it.sender());
                let answers = |it: &u8| pinged.contains(it) && !self.dead.contains(it);
                if let Some(process) = process.filter(|it| answers(&it.0[0])) {
                    self.ring.heard(now, &id, process, false);
                    self.roster.note(id, heard(now, process.0[0], 2), None);
                }
            }
            self.roster.handle_timeout(now);
        }
        (pinged.into_iter().collect(), suspected)
    }
}

/// [PRE-20] [PRE-32]
#[test]
fn whoever_has_just_started_watches_over_nobody_yet() {
    let mut rounds = Rounds::new();
    (1..10).for_each(|place| rounds.start(place, place, false));
    for expected in [&[1, 2, 3, 4, 5, 6][..], &[1, 2, 3, 4, 5, 6], &[1, 2, 3, 4, 5, 6], &[1, 2]] {
        assert_eq!(rounds.round().0, expected, "at the start");
    }
    rounds.start(1, 91, true);
    // Over the fourth the second and the third watch meanwhile, which have answered for long.
    let expected = [&[2, 3, 91][..], &[2, 3, 91], &[2, 3, 91], &[2, 91]];
    for expected in expected {
        assert_eq!(rounds.round().0, expected, "when the first was started again");
    }
    // One that only this agent has heard is known to nobody after it, until those announce
    // themselves.
    rounds.start(2, 92, false);
    (0..4).for_each(|_| drop(rounds.round()));
    assert_eq!(rounds.round().0, [3, 91, 92]);
    rounds.ring.announced(rounds.ring.due(), SenderId([3; 12]));
    (0..2).for_each(|_| drop(rounds.round()));
    assert_eq!(rounds.round().0, [91, 92]);
}

/// Of those that started together, some stand too far from those that are pinged to be known to
/// these for certain. [PRE-32]
#[test]
fn whom_two_watch_over_is_relied_on_like_one_that_answers() {
    let mut rounds = Rounds::new();
    for (place, millis) in (1..30).rev().zip(1..) {
        let (now, process) = (START + Duration::from_millis(millis), SenderId([place; 12]));
        rounds.roster.note(rounds.ids[usize::from(place)], heard(now, place, 1), None);
        rounds.ring.announced(now, process);
    }
    let pings: Vec<usize> = (0..24).map(|_| rounds.round().0.len()).collect();
    assert_eq!((pings[0], pings[23]), (6, 2), "{pings:?}");
    // What stands after those that die is found to be watched by the next.
    rounds.dead.extend([1, 2]);
    let suspected: Vec<u8> = (0..8).flat_map(|_| rounds.round().1).collect();
    assert_eq!(suspected, [1, 2]);
    assert_eq!(rounds.round().0, [3, 4]);
}

/// Many die at once, and most are started again: those know nothing of the dead between them.
/// [PRE-32]
#[test]
fn the_dead_between_those_that_were_started_again_are_found() {
    let mut rounds = Rounds::new();
    (1..30).for_each(|place| rounds.start(place, place, true));
    (0..6).for_each(|_| drop(rounds.round()));
    for place in 1..30 {
        if place % 4 == 0 {
            rounds.dead.insert(place);
        } else {
            rounds.start(place, 100 + place, true);
        }
    }
    let mut found = BTreeSet::new();
    (0..40).for_each(|_| found.extend(rounds.round().1));
    assert_eq!(found, rounds.dead);
    assert_eq!(rounds.round().0, [101, 102], "nobody else is pinged then");
}

/// [PRE-23]
#[test]
fn those_that_unicast_does_not_reach_keep_nobody_from_being_watched() {
    let mut rounds = Rounds::new();
    (1..20).for_each(|place| rounds.start(place, place, true));
    // Eight answer no ping, and refute what is said of them: two more than are pinged.
    rounds.dead.extend(1..=8);
    for _ in 0..30 {
        for process in rounds.round().1 {
            let now = rounds.ring.due();
            let id = rounds.ids[usize::from(process)];
            rounds.ring.heard(now, &id, SenderId([process; 12]), false);
            rounds.roster.note(id, heard(now, process, 2), None);
        }
    }
    let expected = [1, 2, 3, 4, 5, 6, 9, 10];
    assert_eq!(rounds.round().0, expected, "two that answer beside them");
    // Those cost no more than one ping in a second.
    let (now, mut pings) = (rounds.ring.due(), 0);
    while rounds.ring.due() < now + Duration::from_millis(900) {
        let (at, around) = (rounds.ring.due(), (&rounds.roster, &(|_: &SenderId| true) as _));
        let acts =
            rounds.ring.handle_timeout(at, &rounds.ids[0], around, SILENCE, &mut rounds.random);
        let to_deaf = |it: &&RingAct| matches!(it, RingAct::Ping { to, .. } if to.0[0] <= 8);
        pings += acts.iter().filter(to_deaf).count();
    }
    assert_eq!(pings, 6);
    rounds.dead.insert(9);
    let suspected: Vec<u8> = (0..5).flat_map(|_| rounds.round().1).collect();
    assert_eq!(suspected, [9]);
}

/// Whose link comes late finds the others as one does whose link was there. [PRE-32]
#[test]
fn those_that_are_heard_after_the_first_link_were_there_before() {
    for (late, expected) in [(false, &[1, 2, 3, 4, 5, 6][..]), (true, &[1, 2])] {
        let mut rounds = Rounds::new();
        (0..20).for_each(|_| drop(rounds.round()));
        if late {
            rounds.ring.begin(rounds.ring.due());
        }
        (1..10).for_each(|place| rounds.start(place, place, false));
        (0..4).for_each(|_| drop(rounds.round()));
        assert_eq!(rounds.round().0, expected, "{late}");
    }
}
