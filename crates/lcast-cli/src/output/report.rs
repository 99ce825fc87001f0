//! The report for people: one line, then who failed and why.

use std::collections::BTreeMap;

use lcast_proto::presence::State;
use lcast_proto::question::report::{EmptyReason, RefusalReason, RefusedNode, Report, UnheardNode};
use lcast_proto::time::Timestamp;

use super::human;
use crate::text::{named, sanitise};

const CANNOT_TELL: &str = "cannot tell (a variable or label of the predicate is missing)";

/// The lines, without ends. Nodes that failed alike stand together.
pub(crate) fn lines(report: &Report, now: Timestamp) -> Vec<String> {
    let mut lines = vec![summary(report)];
    let mut class = |word: &str, nodes: Vec<(&str, String)>| {
        for (why, names) in alike(&nodes) {
            lines.push(sanitise(&format!("  {word}: {} ({why})", named(&names))));
        }
    };
    let error = report.error.iter().map(|it| (it.node.as_str(), it.failure.message.clone()));
    class("error", error.collect());
    let refused = report.refused.iter().map(|it| (it.node.as_str(), it.refusal.message.clone()));
    class("refused", refused.collect());
    class("late", unheard(&report.late, now));
    class("missing", unheard(&report.missing, now));
    lines.extend(clock_hint(report));
    lines
}

/// What to do when the clocks are at odds: where most of the nodes say so, it is this one's.
fn clock_hint(report: &Report) -> Option<String> {
    let clock = |it: &&RefusedNode| it.refusal.reason == RefusalReason::Clock;
    let refused = report.refused.iter().filter(clock).count();
    let heard = report.refused.len() + report.error.len() + report.answered as usize;
    match refused {
        0 => None,
        _ if refused * 2 > heard => Some(
            "  hint: the clock of this host is likely wrong; compare 'date -u' with a node that \
             refused, then set it, for example with 'timedatectl set-ntp true'"
                .to_owned(),
        ),
        _ => Some(
            "  hint: the clocks of the nodes that refused are likely wrong; compare 'date -u' \
             there with this host"
                .to_owned(),
        ),
    }
}

/// The names of nodes by what is said of them, in the order in which it is first said.
fn alike<'a>(nodes: &'a [(&'a str, String)]) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, why) in nodes {
        let place = *places.entry(why).or_insert_with(|| {
            groups.push((why, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(name);
    }
    groups
}

fn unheard(nodes: &[UnheardNode], now: Timestamp) -> Vec<(&str, String)> {
    let describe = |it: &UnheardNode| {
        let ago = human::ago(it.last_heard, now);
        let heard = match (it.last_heard, it.state) {
            (None, _) => "never heard".to_owned(),
            // Nothing is heard of it after its goodbye.
            (_, State::Left) => format!("left {ago}"),
            (_, State::Gone) => format!("gone, heard {ago}"),
            (_, State::Alive | State::Suspect | State::Never) => format!("heard {ago}"),
        };
        if it.outcome_unknown { heard + ", outcome unknown" } else { heard }
    };
    nodes.iter().map(|it| (it.node.as_str(), describe(it))).collect()
}

fn summary(report: &Report) -> String {
    if report.expected == 0 {
        let took = human::duration(report.elapsed);
        return format!("no node is expected to answer ({took})");
    }
    let mut parts = Vec::new();
    let mut part = |count: usize, word: &str| {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    };
    part(report.answered as usize, "answered");
    for (reason, one, many) in [
        (EmptyReason::NoMatch, "does not match", "do not match"),
        (EmptyReason::Undefined, CANNOT_TELL, CANNOT_TELL),
        (EmptyReason::NoVariable, "has no such variable", "have no such variable"),
    ] {
        let count = report.empty_for(reason);
        part(count, if count == 1 { one } else { many });
    }
    part(report.error.len(), "failed");
    part(report.refused.len(), "refused");
    part(report.late.len(), "late");
    part(report.missing.len(), "missing");
    let rounds = if report.rounds == 1 { "round" } else { "rounds" };
    let Report { expected, rounds: count, .. } = report;
    let took = human::duration(report.elapsed);
    format!("{expected} expected: {} ({count} {rounds}, {took})", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::report;

    fn check(counts: [u32; 6], expected: &[&str]) {
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        assert_eq!(lines(&report(counts), now), expected);
    }

    #[test]
    fn the_clock_that_differs_from_most_is_suspected() {
        for (answered, whose) in [(0, Some("of this host")), (5, Some("of the nodes"))] {
            let mut report = report([answered, 0, 0, 2, 0, 0]);
            assert!(clock_hint(&report).is_none());
            for node in &mut report.refused {
                node.refusal.reason = RefusalReason::Clock;
            }
            let hint = lines(&report, Timestamp::default()).pop();
            assert_eq!(whose.map(|it| hint.is_some_and(|hint| hint.contains(it))), Some(true));
        }
    }

    #[test]
    fn what_presence_knows_of_the_missing_is_said() {
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        for (state, words) in [
            (State::Left, "(left 2.0 s ago)"),
            (State::Gone, "(gone, heard 2.0 s ago)"),
            (State::Suspect, "(heard 2.0 s ago)"),
        ] {
            let mut report = report([1, 0, 0, 0, 0, 1]);
            report.missing[0].state = state;
            let line = lines(&report, now).pop().unwrap();
            assert!(line.ends_with(words), "{line}");
        }
    }

    #[test]
    fn failures_are_named_and_long_lists_are_cut() {
        check([10, 0, 0, 0, 0, 0], &["10 expected: 10 answered (2 rounds, 41.7 ms)"]);
        check([0, 0, 0, 0, 0, 0], &["no node is expected to answer (41.7 ms)"]);
        check(
            [6, 1, 1, 1, 1, 2],
            &[
                "12 expected: 6 answered, 1 does not match, 1 failed, 1 refused, 1 late, 2 missing \
                 (2 rounds, 41.7 ms)",
                "  error: error1 (1 / 0)",
                "  refused: refused1 (needs the role operator)",
                "  late: late1 (heard 2.0 s ago)",
                "  missing: missing1, missing2 (heard 2.0 s ago)",
            ],
        );
        let lines = lines(&report([0, 0, 12, 0, 0, 0]), Timestamp::default());
        assert!(lines[1].ends_with("error10, and 2 more (1 / 0)"), "{lines:?}");
    }
}
