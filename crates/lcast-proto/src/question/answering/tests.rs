use std::net::Ipv6Addr;

use super::*;
use crate::keys::authority::Authority;
use crate::keys::credential::{Network, Scope};
use crate::keys::members::MemberEdit;
use crate::keys::policy::{Narrowing, Policy};
use crate::keys::subject::{Kind, Roles, Subject};
use crate::question::evaluate::{ASSIGNMENTS_MAX, SKEW_MAX};
use crate::question::report::{ErrorCode, SetOutcome};
use crate::random::Random;
use crate::time::Timestamp;
use crate::value::{Type, Value};
use crate::variable::{Assigned, Constraint, Definition, Table, Update, Version};
use crate::wire::filter::Filter;
use crate::wire::frame::{Announcement, SetFrame};
use crate::wire::wanted::Wanted;
use crate::wire::watch::WatchTerms;

/// A node, an operator who asks it, and what the node has heard.
struct Bench {
    now: Now,
    own: Certificate,
    asker: Certificate,
    policy: Policy,
    table: Table,
    answering: Answering,
    /// Questions that were not evaluated.
    costly: usize,
    /// Writes that were ordered.
    sets: usize,
    /// How often fresh values were asked for.
    samples: usize,
}

fn bench() -> Bench {
    let wall = Timestamp::from_millis(1_000_000_000_000);
    let subject = |name: &str, kind, role: &str| Subject {
        roles: Roles::new([role.to_owned()]).unwrap(),
        ..Subject::plain(name, kind, wall)
    };
    let subjects = [subject("node", Kind::Agent, "web"), subject("op", Kind::Client, "operator")];
    let network = Network { interfaces: Vec::new(), scope: Scope::Site, port: 24242 };
    let mut random = Random::from_seed([3; 32]);
    let authority = Authority::create("prod", &mut random).unwrap();
    let edit = MemberEdit::first();
    let enrolled = authority.enroll(edit, &subjects, &network, wall, &mut random).unwrap();
    let certificate = |at: usize| enrolled.credentials[at].certificate().clone();
    let now = Now { instant: Instant::from_micros(1_000_000), wall };
    let mut table = Table::new(1);
    let definition = Definition::setting("app.text", Type::Text, Constraint::default());
    table.define(definition).unwrap();
    Bench {
        now,
        own: certificate(0),
        asker: certificate(1),
        policy: Policy::default(),
        table,
        answering: Answering::default(),
        costly: 0,
        sets: 0,
        samples: 0,
    }
}

impl Bench {
    fn node(&self) -> Node<'_> {
        Node { certificate: &self.own, policy: &self.policy, table: &self.table }
    }

    /// Gives the node a value of a mebibyte.
    fn hold_a_mebibyte(&mut self) {
        let name = "app.text".parse().unwrap();
        let value = Value::from("x".repeat(1 << 20).as_str());
        let update = Update { name, value, time: None, version: None };
        self.table.update(self.now, update).unwrap();
    }

    fn frame(&self, request: u64) -> QuestionFrame {
        let announcement = Announcement {
            session: [0; 32],
            addresses: Vec::new(),
            members_version: 1,
            wall: self.now.wall,
        };
        QuestionFrame {
            announcement,
            request,
            round: 1,
            verb: VerbCode::Ping,
            selector: Selector::default().to_cbor(),
            patterns: Vec::new(),
            set: None,
            watch: None,
            remaining: Duration::from_secs(3),
            window: Duration::ZERO,
            wanted: None,
            by_group: false,
        }
    }

    /// Hears a question and does what is due; the answers that leave.
    fn hear(&mut self, frame: QuestionFrame) -> Vec<Answer> {
        self.hear_late(frame, Duration::ZERO)
    }

    /// As [`hear`](Self::hear), of a question that has waited to be taken.
    fn hear_late(&mut self, frame: QuestionFrame, waited: Duration) -> Vec<Answer> {
        let address = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 1, 0, 0);
        let way = Way { to: address, from: address };
        let (asker, own) = (self.asker.clone(), self.own.clone());
        let sender = SenderId([1; 12]);
        let asked = Asked { sender, asker: &asker, forgotten: false, way, waited, frame };
        let node = Node { certificate: &own, policy: &self.policy, table: &self.table };
        self.answering.handle_question(self.now, node, asked);
        self.pass(Duration::ZERO)
    }

    /// Lets time pass; values are as fresh as they get, and nobody stores settings.
    fn pass(&mut self, time: Duration) -> Vec<Answer> {
        self.now.instant = self.now.instant + time;
        let mut answers = Vec::new();
        let (now, own) = (self.now, self.own.clone());
        let node = Node { certificate: &own, policy: &self.policy, table: &self.table };
        self.answering.handle_timeout(now, node);
        while let Some(act) = self.answering.poll_act() {
            match act {
                Act::Sample(id, _) => {
                    self.samples += 1;
                    self.answering.handle_sampled(now, node, id);
                }
                Act::Set(..) => self.sets += 1,
                Act::Tell(..) | Act::Challenge(..) => {}
                Act::Drop(kind) => {
                    assert_eq!(kind, Dropped::Costly);
                    self.costly += 1;
                }
                Act::Reply(reply) => answers.push(reply.answer),
            }
        }
        answers
    }

    fn watch(&self, request: u64, lease: Duration) -> QuestionFrame {
        QuestionFrame {
            verb: VerbCode::Watch,
            patterns: vec!["app".to_owned()],
            watch: Some(WatchTerms { lease, ..WatchTerms::default() }),
            ..self.frame(request)
        }
    }

    fn set(&self, request: u64, names: usize) -> QuestionFrame {
        let assignment = ("app.text".to_owned(), Assigned::Text("x".to_owned()));
        let assignments = vec![assignment; names];
        let set = Some(SetFrame { assignments, if_version: None, dry_run: false });
        QuestionFrame { verb: VerbCode::Set, set, ..self.frame(request) }
    }
}

/// [QST-26]
#[test]
fn a_question_is_answered_in_its_slot_and_again_in_later_rounds() {
    let mut bench = bench();
    let window = Duration::from_millis(100);
    let frame = QuestionFrame { window, ..bench.frame(7) };
    let slot = slot(&bench.own.id(), 7, 1, window);
    assert_eq!(bench.hear(frame.clone()), []);
    assert_eq!(bench.answering.poll_timeout(0), Some(bench.now.instant + slot));
    assert_eq!(bench.pass(slot), [Answer::Here]);
    assert_eq!(bench.hear(frame.clone()), [], "the same round again");
    let frame = QuestionFrame { round: 2, window: Duration::ZERO, ..frame };
    assert_eq!(bench.hear(frame), [Answer::Here]);
    bench.pass(Duration::from_secs(8));
    assert!(bench.answering.is_empty() && bench.answering.poll_timeout(0).is_none());
}

/// [QST-22]
#[test]
fn what_a_question_has_waited_is_over_of_its_slot() {
    let mut bench = bench();
    let window = Duration::from_millis(100);
    let frame = QuestionFrame { window, ..bench.frame(7) };
    let (slot, little) = (slot(&bench.own.id(), 7, 1, window), Duration::from_micros(10));
    assert!(slot > little);
    assert_eq!(bench.hear_late(frame.clone(), little), []);
    assert_eq!(bench.answering.poll_timeout(0), Some(bench.now.instant + (slot - little)));
    assert_eq!(bench.hear_late(QuestionFrame { round: 2, ..frame.clone() }, window), []);
    assert_eq!(bench.pass(slot - little), [Answer::Here]);
    assert_eq!(bench.hear_late(QuestionFrame { round: 3, ..frame }, window), [Answer::Here]);
}

/// [QST-25]
#[test]
fn a_slow_write_is_announced_once() {
    let mut bench = bench();
    let frame = bench.set(1, 1);
    assert_eq!(bench.hear(frame), []);
    assert_eq!(bench.answering.poll_timeout(0), Some(bench.now.instant + PENDING_AFTER));
    assert_eq!(bench.pass(PENDING_AFTER), [Answer::Pending]);
    assert_eq!(bench.pass(PENDING_AFTER), []);
}

/// [QST-27] [QST-28]
#[test]
fn more_unanswered_questions_than_fit_are_refused_and_not_without_limit() {
    let mut bench = bench();
    for request in 0..REMEMBERED_MAX as u64 {
        let frame = bench.set(request, 1);
        assert_eq!(bench.hear(frame), [], "{request}");
    }
    // A fifth is left to others.
    let share = u64::from(REFUSALS_PER_SECOND / 5 * 4);
    for request in 0..=share {
        let frame = bench.set(5000 + request, 1);
        let refused = bench.hear(frame);
        assert_eq!(refused.len(), usize::from(request < share), "{request}");
    }
    assert_eq!(bench.answering.len(), REMEMBERED_MAX);
}

/// [QST-28] [WAT-9]
#[test]
fn leases_without_room_are_refused_before_a_look_at_the_values_and_not_without_limit() {
    let mut bench = bench();
    for request in 0..watched::LEASES_OF_MEMBER_MAX as u64 {
        let frame = bench.watch(request, watched::LEASE_MAX);
        assert!(matches!(bench.hear(frame)[..], [Answer::Watched(..)]), "{request}");
    }
    let (samples, share) = (bench.samples, u64::from(REFUSALS_PER_SECOND / 5 * 4));
    for request in 0..=share {
        let frame = bench.watch(5000 + request, watched::LEASE_MAX);
        let answers = bench.hear(frame);
        assert!(answers.iter().all(|it| matches!(it, Answer::Refused(..))), "{answers:?}");
        assert_eq!(answers.len(), usize::from(request < share), "{request}");
    }
    assert_eq!(bench.samples, samples);
    // When one has ended, the next that asks again has its room.
    for (request, lease) in [(0, Duration::ZERO), (5000, watched::LEASE_MAX)] {
        let frame = QuestionFrame { round: 2, ..bench.watch(request, lease) };
        let answers = bench.hear(frame);
        assert_eq!(matches!(answers[..], [Answer::Watched(..)]), !lease.is_zero(), "{answers:?}");
    }
}

/// [QST-28]
#[test]
fn who_is_forgotten_draws_few_refusals_and_none_of_the_others() {
    let mut bench = bench();
    let refused = |bench: &mut Bench, asker: &Certificate, forgotten: bool, request: u64| {
        let frame = QuestionFrame { verb: VerbCode::Set, ..bench.set(request, 1) };
        let node = Node { certificate: &bench.own, policy: &bench.policy, table: &bench.table };
        let asked = Asked {
            sender: SenderId([1; 12]),
            asker,
            forgotten,
            way: Way::HERE,
            waited: Duration::ZERO,
            frame,
        };
        bench.answering.handle_question(bench.now, node, asked);
        std::iter::from_fn(|| bench.answering.poll_act()).count()
    };
    let (former, without_role) = (bench.asker.clone(), bench.own.clone());
    let share = (FORMER_REFUSALS_PER_SECOND / 5 * 4) as usize;
    let drawn = (0..100).map(|it| refused(&mut bench, &former, true, it)).sum::<usize>();
    assert_eq!(drawn, share);
    assert_eq!(refused(&mut bench, &without_role, false, 1000), 1, "the honest one is told");
}

/// [QST-27]
#[test]
fn no_member_keeps_the_others_from_being_answered() {
    let mut bench = bench();
    let window = WINDOW_MAX;
    let waiting = |bench: &Bench, request| QuestionFrame {
        window,
        remaining: Duration::MAX,
        ..bench.frame(request)
    };
    let mut request = 0;
    while bench.answering.len() < REMEMBERED_MAX {
        let frame = waiting(&bench, request);
        request += 1;
        bench.hear(frame);
    }
    let frame = waiting(&bench, request);
    assert!(matches!(bench.hear(frame)[..], [Answer::Refused(..)]), "its own are the most");
    bench.asker = bench.own.clone();
    let frame = bench.frame(request + 1);
    assert_eq!(bench.hear(frame), [Answer::Here], "another member's");
    assert_eq!(bench.answering.len(), REMEMBERED_MAX);
}

/// [QST-27]
#[test]
fn the_oldest_answered_question_makes_room() {
    let mut bench = bench();
    for request in 0..=REMEMBERED_MAX as u64 {
        let frame = bench.frame(request);
        assert_eq!(bench.hear(frame), [Answer::Here]);
        bench.pass(Duration::from_micros(1));
    }
    assert_eq!(bench.answering.len(), REMEMBERED_MAX);
    let again = QuestionFrame { round: 2, ..bench.frame(0) };
    assert_eq!(bench.hear(again), [Answer::Here], "evaluated anew");
    assert_eq!(bench.answering.timers.len(), REMEMBERED_MAX);
}

/// What says who loses a question is kept up to date with what is remembered. [QST-27]
#[test]
fn what_is_noted_of_each_member_is_what_is_remembered() {
    let mut bench = bench();
    let askers = [bench.asker.clone(), bench.own.clone()];
    let mut random = Random::from_seed([5; 32]);
    for request in 0..8_000 {
        bench.asker = askers[random.below(2) as usize].clone();
        let window = if random.below(4) == 0 { WINDOW_MAX } else { Duration::ZERO };
        let remaining = Duration::from_secs(random.below(60));
        let frame = match random.below(8) {
            0 => bench.set(request, 1),
            _ => QuestionFrame { window, remaining, ..bench.frame(request) },
        };
        bench.hear(frame);
        let more = if request % 2_000 == 1_999 { 1_000_000_000 } else { 5_000 };
        bench.pass(Duration::from_micros(random.below(more)));
        if request % 50 > 0 {
            continue;
        }
        let Answering { heard, holdings, answered, .. } = &bench.answering;
        let again = Holdings::of(heard.values().map(|heard| (heard.asker, 1)));
        assert_eq!(format!("{holdings:?}"), format!("{again:?}"), "{request}");
        let is_answered = |it: &Heard| matches!(it.step, Step::Answered { .. });
        let again = heard.iter().filter(|(_, it)| is_answered(it));
        let again = again.map(|(key, it)| (it.asker, it.forget_at, *key)).collect();
        assert_eq!(*answered, again, "{request}");
    }
}

/// [QST-30] [QST-31]
#[test]
fn large_replies_are_kept_up_to_their_limit_and_their_time() {
    let mut bench = bench();
    bench.hold_a_mebibyte();
    let ask = |bench: &mut Bench, request| {
        let patterns = vec!["app".to_owned()];
        let frame = QuestionFrame { verb: VerbCode::Get, patterns, ..bench.frame(request) };
        bench.hear(frame).remove(0)
    };
    for request in 0..3 {
        assert!(matches!(ask(&mut bench, request), Answer::Announced(_)), "{request}");
    }
    let limit = ErrorCode::Limit.code();
    assert!(matches!(ask(&mut bench, 3), Answer::Error(code, _) if code == limit));
    let sender = SenderId([1; 12]);
    bench.pass(KEPT_FOR - Duration::from_secs(1));
    assert!(bench.answering.kept(bench.now.instant, sender, 0).is_some());
    bench.pass(Duration::from_secs(1));
    assert!(bench.answering.kept(bench.now.instant, sender, 0).is_some());
    assert!(bench.answering.kept(bench.now.instant, sender, 1).is_none());
    bench.pass(KEPT_FOR);
    assert_eq!(bench.answering.kept_bytes(), 0);
}

/// [QST-27]
#[test]
fn no_member_makes_a_node_forget_what_it_answered_another() {
    let mut bench = bench();
    let op = bench.asker.clone();
    bench.asker = bench.own.clone();
    let frame = bench.frame(1);
    assert_eq!(bench.hear(frame), [Answer::Here]);
    bench.asker = op;
    for request in 2..=REMEMBERED_MAX as u64 + 1 {
        bench.pass(Duration::from_micros(1));
        let frame = bench.frame(request);
        assert_eq!(bench.hear(frame), [Answer::Here]);
    }
    assert!(bench.answering.heard.contains_key(&(SenderId([1; 12]), 1)), "the other's");
    assert!(!bench.answering.heard.contains_key(&(SenderId([1; 12]), 2)), "its own oldest");
}

/// [QST-31]
#[test]
fn the_greediest_loses_large_replies_to_the_others() {
    let mut bench = bench();
    bench.hold_a_mebibyte();
    let ask = |bench: &mut Bench, request, round| {
        let patterns = vec!["app".to_owned()];
        let frame = QuestionFrame { verb: VerbCode::Get, patterns, round, ..bench.frame(request) };
        bench.hear(frame)
    };
    let fits = |answers: &[Answer]| matches!(answers, [Answer::Announced(_)]);
    let op = bench.asker.clone();
    for request in 0..3 {
        assert!(fits(&ask(&mut bench, request, 1)));
        bench.pass(Duration::from_millis(1));
    }
    assert!(!fits(&ask(&mut bench, 3, 1)), "its own fourth");
    bench.asker = bench.own.clone();
    assert!(fits(&ask(&mut bench, 4, 1)), "another's first");
    let (now, sender) = (bench.now.instant, SenderId([1; 12]));
    let kept = |bench: &mut Bench, request| bench.answering.kept(now, sender, request).is_some();
    assert!(!kept(&mut bench, 0) && kept(&mut bench, 1) && kept(&mut bench, 4));
    assert!(!fits(&ask(&mut bench, 5, 1)), "a second would make it as greedy");
    // Who lost one asks again, and is told at once that there is no room.
    bench.asker = op;
    assert!(matches!(ask(&mut bench, 0, 2)[..], [Answer::Error(..)]));
    bench.pass(KEPT_FOR);
    assert_eq!(bench.answering.kept_bytes(), 0);
}

/// [QST-21]
#[test]
fn a_clock_that_is_days_off_is_named_with_its_hours() {
    let hour = Duration::from_secs(3600);
    for (offset, ahead, expected) in [
        (SKEW_MAX, true, None),
        (SKEW_MAX, false, None),
        (72 * hour, true, Some("72 h ahead of")),
        (72 * hour, false, Some("72 h behind")),
    ] {
        let mut bench = bench();
        let mut frame = bench.frame(1);
        let wall = &mut frame.announcement.wall;
        *wall = if ahead { wall.saturating_add(offset) } else { wall.saturating_sub(offset) };
        match (&bench.hear(frame)[..], expected) {
            ([Answer::Here], None) => {}
            ([Answer::Refused(code, message)], Some(words)) => {
                assert_eq!(*code, RefusalReason::Clock.code());
                assert!(message.contains(words), "{message}");
            }
            (other, _) => panic!("{other:?}"),
        }
    }
}

/// [QST-25]
#[test]
fn so_many_settings_at_once_and_no_more() {
    let mut bench = bench();
    let frame = bench.set(1, ASSIGNMENTS_MAX);
    assert_eq!(bench.hear(frame), []);
    let frame = bench.set(2, ASSIGNMENTS_MAX + 1);
    let answers = bench.hear(frame);
    assert!(matches!(&answers[..], [Answer::Error(_, message)] if message.contains("64")));
    assert_eq!(bench.node().table.definitions().count(), 1);
}

/// [QST-25]
#[test]
fn a_version_is_demanded_of_one_setting_only() {
    let mut bench = bench();
    for (settings, expected) in [(1, true), (2, false)] {
        let mut frame = bench.set(settings as u64, settings);
        frame.set.as_mut().unwrap().if_version = Some((0, 0));
        let answers = bench.hear(frame);
        assert_eq!(bench.sets, 1, "{answers:?}");
        assert_eq!(answers.is_empty(), expected);
        for answer in answers {
            let Answer::Set(results) = answer else { panic!("{answer:?}") };
            assert!(results.iter().all(|it| it.message.contains("one setting at a time")));
        }
    }
}

#[test]
fn so_many_patterns_at_once_and_no_more() {
    let mut bench = bench();
    for (count, expected) in [(PATTERNS_MAX, true), (PATTERNS_MAX + 1, false)] {
        let patterns = vec!["app".to_owned(); count];
        let frame = QuestionFrame { verb: VerbCode::Get, patterns, ..bench.frame(count as u64) };
        let answers = bench.hear(frame);
        assert_eq!(matches!(answers[..], [Answer::Empty(_)]), expected, "{answers:?}");
    }
}

/// [WAT-1]
#[test]
fn who_is_answered_with_an_error_has_no_lease() {
    let mut bench = bench();
    bench.hold_a_mebibyte();
    let large = |bench: &Bench, request| QuestionFrame {
        verb: VerbCode::Get,
        patterns: vec!["app".to_owned()],
        ..bench.frame(request)
    };
    let frame = bench.watch(9, watched::LEASE_MAX);
    assert!(matches!(bench.hear(frame)[..], [Answer::Watched(..)]));
    assert_eq!(bench.answering.leases(), 1);
    bench.pass(KEPT_FOR);
    for request in 0..3 {
        let frame = large(&bench, request);
        assert!(matches!(bench.hear(frame)[..], [Answer::Announced(_)]));
    }
    // A new watcher, and one that asks for the values again.
    for (request, leases) in [(10, 1), (9, 0)] {
        let filter = Filter::new([bench.own.id()].iter(), 1, 0, Filter::BYTES_MAX);
        let wanted = Some(Wanted::Filtered(filter));
        let watch = bench.watch(request, watched::LEASE_MAX);
        let frame = QuestionFrame { round: 2, wanted, ..watch };
        let answers = bench.hear(frame);
        assert!(matches!(answers[..], [Answer::Error(..)]), "{request}: {answers:?}");
        assert_eq!(bench.answering.leases(), leases);
    }
}

/// [SEL-23]
#[test]
fn a_selector_and_patterns_of_more_than_fit_are_refused() {
    let mut bench = bench();
    // A selector that says nothing takes a byte, the array one, and each pattern two besides.
    let fits = Selector::ENCODED_MAX - 1 - 1 - 9 * 32 - 2;
    for (length, expected) in [(fits, true), (fits + 1, false)] {
        let lengths = [[30; 9].as_slice(), &[length]].concat();
        let patterns = lengths.into_iter().map(|it| "x".repeat(it)).collect();
        let frame = QuestionFrame { verb: VerbCode::Get, patterns, ..bench.frame(length as u64) };
        let answers = bench.hear(frame);
        match (&answers[..], expected) {
            ([Answer::Empty(_)], true) => {}
            ([Answer::Refused(code, message)], false) => {
                assert_eq!(*code, RefusalReason::Selector.code());
                assert!(message.contains("320"), "{message}");
            }
            _ => panic!("{length}: {answers:?}"),
        }
    }
}

/// [QST-22] [QST-27]
#[test]
fn who_is_told_to_wait_pushes_nobody_out() {
    let mut bench = bench();
    for request in 0..REMEMBERED_MAX as u64 {
        let frame = bench.frame(request);
        assert_eq!(bench.hear(frame), [Answer::Here]);
    }
    let remembered = bench.answering.heard.keys().copied().collect::<Vec<_>>();
    let window = WINDOW_MAX;
    let late = QuestionFrame { window, remaining: Duration::ZERO, ..bench.frame(5000) };
    assert_eq!(bench.hear(late), [Answer::Pending]);
    assert!(bench.answering.heard.keys().copied().eq(remembered));
}

impl Bench {
    /// Gives the node a text of 64 KiB.
    fn hold_a_text(&mut self) {
        let (name, value) =
            ("app.text".parse().unwrap(), Value::from("x".repeat(1 << 16).as_str()));
        self.table.update(self.now, Update { name, value, time: None, version: None }).unwrap();
    }

    /// A question with a predicate, and the steps that this takes here: also to decode it.
    fn judged(&self, request: u64, predicate: &str) -> (QuestionFrame, u64) {
        let predicate: crate::select::Predicate = predicate.parse().unwrap();
        let (_, steps) = evaluate::judge(self.now, self.node(), &self.asker, &predicate);
        let steps = u64::from(steps) + predicate.regexes() as u64 * STEPS_OF_REGEX;
        let selector = Selector { predicate: Some(predicate), ..Selector::default() };
        (QuestionFrame { selector: selector.to_cbor(), ..self.frame(request) }, steps)
    }
}

/// What costs about as much as a predicate may.
const COSTLY: &str = concat!(
    r#"app.text.matches("[xy]+z") || app.text.matches("[xy]+w") || "#,
    r#"app.text.matches("[xy]+v") || app.text.matches("[xy]+u")"#
);

/// [QST-46]
#[test]
fn whoever_asks_what_costs_most_is_refused_and_delays_nobody_for_long() {
    let mut bench = bench();
    bench.hold_a_text();
    let (_, steps) = bench.judged(0, COSTLY);
    assert!(steps > 50_000, "{steps} steps are not much");
    let is_busy = |it: &Answer| matches!(it, Answer::Refused(code, _) if *code == 6);
    let ask = |bench: &mut Bench, requests: std::ops::Range<u64>| {
        let before = bench.costly;
        let count = usize::try_from(requests.end - requests.start).unwrap();
        let answers: Vec<Answer> =
            requests.flat_map(|it| bench.hear(bench.judged(it, COSTLY).0)).collect();
        let refused = answers.iter().filter(|it| is_busy(it)).count();
        assert!(refused <= 16, "{refused} refusals");
        let evaluated = answers.len() - refused;
        assert_eq!(evaluated + bench.costly - before, count, "what is not answered is counted");
        evaluated as u64 * steps
    };
    let at_once = u64::from(STEPS_PER_SECOND_MAX) / 10;
    let spent = ask(&mut bench, 0..1_000);
    // The last may be decoded and refused then.
    assert!((at_once - steps..=at_once + steps).contains(&spent), "{spent} of {at_once}");
    // Another is answered meanwhile, and what costs nothing is answered to everybody.
    let greedy = std::mem::replace(&mut bench.asker, bench.own.clone());
    assert_eq!(bench.hear(bench.judged(5_000, "app.text != \"\"").0), [Answer::Here]);
    bench.asker = greedy;
    assert_eq!(bench.hear(bench.frame(5_001)), [Answer::Here]);
    // A question that comes again when the member is ahead no more is evaluated.
    bench.pass(Duration::from_secs(1));
    let (frame, _) = bench.judged(999, COSTLY);
    let answer = bench.hear(QuestionFrame { round: 2, ..frame });
    assert!(matches!(answer.as_slice(), [Answer::Empty(_)]), "{answer:?}");
    // And in a whole second there are as many steps as a second may have.
    let spent: u64 = (0..20)
        .map(|part| {
            bench.pass(Duration::from_millis(50));
            ask(&mut bench, 10_000 + part * 50..10_050 + part * 50)
        })
        .sum();
    let whole = u64::from(STEPS_PER_SECOND_MAX);
    assert!((whole * 9 / 10..=whole + at_once + steps).contains(&spent), "{spent} of {whole}");
}

/// Four expressions whose automata cost most, of a text that costs nothing.
const HARD_TO_DECODE: &str = concat!(
    r#"node.name.matches("(?:a{0,100}b)") || node.name.matches("(?:a{0,99}b)") || "#,
    r#"node.name.matches("(?:a{0,98}b)") || node.name.matches("(?:a{0,97}b)")"#
);

/// Who asks for automata pays for them, also when they break the rules, and before that nothing is
/// decoded for whoever is ahead. [QST-46] [SEL-33]
#[test]
fn expressions_are_paid_for_and_not_made_for_whoever_is_ahead() {
    for is_broken in [false, true] {
        let mut bench = bench();
        let (mut frame, _) = bench.judged(0, HARD_TO_DECODE);
        if is_broken {
            let tree = Cbor::Array(vec![Cbor::from(5_000)]);
            let Cbor::Map(fields) = &mut frame.selector else { panic!("no map") };
            fields.iter_mut().for_each(|(_, predicate)| *predicate = tree.clone());
        }
        let ask = |it| QuestionFrame { request: it, ..frame.clone() };
        let before = bench.costly;
        let answers: Vec<Answer> = (0..1_000).flat_map(|it| bench.hear(ask(it))).collect();
        let decoded = 1_000 - (bench.costly - before) as u64;
        let most = u64::from(STEPS_PER_SECOND_MAX) / 10 / (4 * STEPS_OF_REGEX) + 1;
        assert!((1..=most).contains(&decoded), "{decoded} of {most}; {answers:?}");
        assert!(matches!(answers.last(), Some(Answer::Refused(6, _))), "{answers:?}");
    }
}

/// A write that was reported refused is not carried out in a later round. [QST-26] [QST-46]
#[test]
fn a_write_that_was_refused_as_costly_stays_refused() {
    let mut bench = bench();
    bench.hold_a_text();
    let (judged, _) = bench.judged(0, "app.text != \"\"");
    let write = |bench: &Bench, request, round| QuestionFrame {
        selector: judged.selector.clone(),
        round,
        ..bench.set(request, 1)
    };
    (0..10).for_each(|it| drop(bench.hear(bench.judged(it, COSTLY).0)));
    let is_refused = |it: &[Answer]| matches!(it, [Answer::Refused(6, _)]);
    let first = bench.hear(write(&bench, 5_000, 1));
    assert!(is_refused(&first), "{first:?}");
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.hear(write(&bench, 5_000, 2)), first);
    assert_eq!(bench.sets, 0);
    assert_eq!(bench.hear(write(&bench, 5_001, 1)), []);
    assert_eq!(bench.sets, 1, "another is carried out");
}

/// [QST-26] [QST-27]
#[test]
fn a_write_that_was_refused_for_want_of_room_stays_refused() {
    let mut bench = bench();
    for request in 0..REMEMBERED_MAX as u64 {
        let short = QuestionFrame { remaining: Duration::ZERO, ..bench.set(request, 1) };
        assert_eq!(bench.hear(short), [], "{request}");
    }
    let first = bench.hear(bench.set(5_000, 1));
    assert!(matches!(first[..], [Answer::Refused(6, _)]), "{first:?}");
    bench.pass(KEPT_FOR);
    assert!(bench.answering.is_empty());
    let sets = bench.sets;
    assert_eq!(bench.hear(QuestionFrame { round: 2, ..bench.set(5_000, 1) }), first);
    assert_eq!(bench.sets, sets);
}

/// The agent died between the write and the reply: what it wrote makes the predicate false, and the
/// policy may be another since. [QST-26]
#[test]
fn a_set_that_an_earlier_process_wrote_is_not_judged_again() {
    let mut bench = bench();
    let version = Version { incarnation: 1, counter: 1 };
    let results = vec![(SetOutcome::Applied, version)];
    let recalled = RecalledSet { request: (SenderId([1; 12]), 7), results };
    bench.answering = Answering::new(bench.now.instant, vec![recalled]);
    bench.policy =
        Policy::narrowed(Narrowing { setters: Some(Vec::new()), ..Narrowing::default() });
    bench.hold_a_text();
    let selector = bench.judged(7, "app.text == \"\"").0.selector;
    let set = |bench: &Bench, request, round| QuestionFrame {
        selector: selector.clone(),
        round,
        ..bench.set(request, 1)
    };
    let result = SetOutcome::Applied.result("app.text".to_owned(), version);
    let said = [Answer::Set(vec![evaluate::set_result(&result)])];
    let window = Duration::from_millis(100);
    let slot = slot(&bench.own.id(), 7, 3, window);
    assert_eq!(bench.hear(QuestionFrame { window, ..set(&bench, 7, 3) }), []);
    assert_eq!(bench.pass(slot), said);
    assert_eq!(bench.hear(set(&bench, 7, 3)), [], "the same round again");
    assert_eq!(bench.hear(set(&bench, 7, 4)), said);
    let late = QuestionFrame { window, remaining: Duration::ZERO, ..set(&bench, 7, 5) };
    assert_eq!((bench.hear(late), bench.pass(window)), (vec![], said.to_vec()));
    let refused = bench.hear(set(&bench, 8, 1));
    assert!(matches!(refused[..], [Answer::Refused(..)]), "{refused:?}");
    assert_eq!(bench.sets, 0);
}

/// [QST-26]
#[test]
fn a_set_that_an_earlier_process_wrote_is_told_also_where_there_is_no_room() {
    let mut bench = bench();
    let results = vec![(SetOutcome::Unchanged, Version { incarnation: 1, counter: 1 })];
    let recalled = RecalledSet { request: (SenderId([1; 12]), 7_000), results };
    bench.answering = Answering::new(bench.now.instant, vec![recalled]);
    for request in 0..REMEMBERED_MAX as u64 {
        assert_eq!(bench.hear(bench.set(request, 1)), [], "{request}");
    }
    let (answers, sets) = (bench.hear(bench.set(7_000, 2)), bench.sets);
    assert!(matches!(answers[..], [Answer::Set(_)]), "{answers:?}");
    let window = Duration::from_secs(1);
    let late = QuestionFrame { window, remaining: Duration::ZERO, ..bench.set(7_000, 1) };
    assert_eq!(bench.hear(late), [Answer::Pending]);
    assert_eq!(bench.sets, sets);
}

/// [QST-46]
#[test]
fn who_asks_a_hundred_ordinary_questions_a_second_notices_nothing() {
    let mut bench = bench();
    bench.hold_a_text();
    let predicate = r#"app.text.startsWith("x") && node.name.matches("^n[a-z]+$")"#;
    for request in 0..1_000 {
        let answers = bench.hear(bench.judged(request, predicate).0);
        assert_eq!(answers, [Answer::Here], "{request}");
        bench.pass(Duration::from_millis(10));
    }
    assert_eq!(bench.costly, 0);
}

#[test]
fn questions_of_one_second_are_forgotten_together() {
    let mut bench = bench();
    bench.pass(Duration::from_millis(1));
    for request in 0..100 {
        let patterns = vec!["app.text".parse().unwrap()];
        let frame = QuestionFrame { verb: VerbCode::Get, patterns, ..bench.frame(request) };
        assert_eq!(bench.hear(frame).len(), 1);
        bench.pass(Duration::from_millis(9));
    }
    assert!(bench.answering.samples.is_empty(), "each was answered");
    let mut wakes = 0;
    while let Some(due) = bench.answering.poll_timeout(0) {
        assert_eq!(bench.answering.heard.len(), 100, "all go at once");
        bench.pass(due.since(bench.now.instant));
        wakes += 1;
    }
    assert_eq!(wakes, 1);
    assert!(bench.answering.heard.is_empty());
}
