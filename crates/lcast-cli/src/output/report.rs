//! The report for people: one line, then who failed and why.

use lcast_proto::question::report::{EmptyReason, Report, UnheardNode};
use lcast_proto::time::Timestamp;

use super::human;
use crate::text::sanitise;

/// Most nodes named per class; `--json` has them all.
const NAMED_MAX: usize = 10;

/// The lines, without ends.
pub(crate) fn lines(report: &Report, now: Timestamp) -> Vec<String> {
    let mut lines = vec![summary(report)];
    let mut class = |word: &str, nodes: Vec<String>| {
        let rest = nodes.len().saturating_sub(NAMED_MAX);
        if nodes.is_empty() {
            return;
        }
        let named: Vec<String> =
            nodes.into_iter().take(NAMED_MAX).map(|it| sanitise(&it)).collect();
        let more = if rest > 0 { format!(", and {rest} more") } else { String::new() };
        lines.push(format!("  {word}: {}{more}", named.join(", ")));
    };
    let error = report.error.iter().map(|it| format!("{} ({})", it.node, it.failure.message));
    class("error", error.collect());
    let refused = report.refused.iter().map(|it| format!("{} ({})", it.node, it.refusal.message));
    class("refused", refused.collect());
    class("late", unheard(&report.late, now));
    class("missing", unheard(&report.missing, now));
    lines
}

fn unheard(nodes: &[UnheardNode], now: Timestamp) -> Vec<String> {
    let describe = |it: &UnheardNode| {
        let heard = match it.last_heard {
            None => "never heard".to_owned(),
            Some(_) => format!("heard {}", human::ago(it.last_heard, now)),
        };
        let outcome = if it.outcome_unknown { ", outcome unknown" } else { "" };
        format!("{} ({heard}{outcome})", it.node)
    };
    nodes.iter().map(describe).collect()
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
    for (reason, words) in [
        (EmptyReason::NoMatch, "do not match"),
        (EmptyReason::Undefined, "cannot tell (a variable of the predicate is missing)"),
        (EmptyReason::NoVariable, "have no such variable"),
    ] {
        part(report.empty_for(reason), words);
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
    fn failures_are_named_and_long_lists_are_cut() {
        check([10, 0, 0, 0, 0, 0], &["10 expected: 10 answered (2 rounds, 41.7 ms)"]);
        check([0, 0, 0, 0, 0, 0], &["no node is expected to answer (41.7 ms)"]);
        check(
            [6, 1, 1, 1, 1, 2],
            &[
                "12 expected: 6 answered, 1 do not match, 1 failed, 1 refused, 1 late, 2 missing \
                 (2 rounds, 41.7 ms)",
                "  error: error1 (1 / 0)",
                "  refused: refused1 (needs the role operator)",
                "  late: late1 (heard 2.0 s ago)",
                "  missing: missing1 (heard 2.0 s ago), missing2 (heard 2.0 s ago)",
            ],
        );
        let lines = lines(&report([0, 0, 12, 0, 0, 0]), Timestamp::default());
        assert!(lines[1].ends_with("error10 (1 / 0), and 2 more"), "{lines:?}");
    }
}
