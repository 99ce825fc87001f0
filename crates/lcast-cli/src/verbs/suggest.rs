//! Proposals for names that nobody knows: mistyped, most likely.

use std::collections::BTreeSet;
use std::time::Duration;

use lcast_proto::endpoint::NodeView;
use lcast_proto::keys::Kind;
use lcast_proto::question::report::{EmptyReason, Report};
use lcast_proto::question::{Ask, Deadline, Verb, Ways};
use lcast_proto::select::{Pattern, Predicate, Selector, nearest};

use super::question::{self, Asked};
use crate::backend::Session;
use crate::output::Output;

/// How long nodes are asked what they have.
const ASKING: Duration = Duration::from_millis(500);

/// When every answer was empty for want of a variable, tells which names of the patterns and of
/// the predicate no node has, and what is like them. Nodes say what they have when asked.
pub(crate) async fn unknown_names(
    session: &Session,
    asked: &Asked,
    patterns: &[Pattern],
    predicate: Option<&Predicate>,
    output: Output,
) {
    let patterns = if lacks(&asked.report, EmptyReason::NoVariable) { patterns } else { &[] };
    let reads = predicate.map(|it| suspects(it, &asked.report)).unwrap_or_default();
    if asked.interrupted || (patterns.is_empty() && reads.is_empty()) {
        return;
    }
    let ask = Ask {
        verb: Verb::Schema,
        selector: Selector::default(),
        only: None,
        expect: Vec::new(),
        deadline: Deadline { base: ASKING, extended: ASKING },
        ways: Ways::All,
    };
    let Ok(told) = question::ask(session, ask, |_| Ok(())).await else {
        return;
    };
    let schemas = told.schemas.iter().flat_map(|(_, schema)| schema.definitions());
    let known: BTreeSet<&str> = schemas.map(|it| it.template.as_str()).collect();
    let whose = whose(session, &asked.report).await;
    for pattern in patterns {
        output.note(&proposal(&pattern.to_string(), &known, whose));
    }
    for name in unknown(reads, &known) {
        let proposal = proposal(&name, &known, whose);
        // A shell takes quotes away.
        let quotes = if is_word(&name) {
            "; if a text is meant, write it in double quotes, the predicate in single ones"
        } else {
            ""
        };
        output.note(&format!("{proposal}{quotes}"));
    }
}

/// Who lacks a name: where not all were asked, only those who were are spoken of.
pub(crate) async fn whose(session: &Session, report: &Report) -> &'static str {
    let expected = |it: &&NodeView| it.kind == Kind::Agent && it.expired.is_none();
    let all = session.nodes().await.iter().filter(expected).count();
    if (report.expected as usize) < all { "none of the nodes asked has" } else { "no node has" }
}

/// What to say of a name that nobody has, of those whom `whose` says.
pub(crate) fn proposal(name: &str, known: &BTreeSet<&str>, whose: &str) -> String {
    let near = nearest(name, known.iter().copied());
    if near.is_empty() {
        return format!("{whose} '{name}'; see 'librecast vars'");
    }
    format!("{whose} '{name}'; nearest: {}", near.join(", "))
}

/// Whether nobody answered with a value, and some lacked something.
fn lacks(report: &Report, reason: EmptyReason) -> bool {
    report.answered == 0 && report.heard && report.empty_for(reason) > 0
}

/// The names that the predicate reads and that may be why it holds nowhere: all, when something was
/// undefined; else single words, which are maps without entries where no variable begins so
/// [SEL-35], and equal to no text.
fn suspects(predicate: &Predicate, report: &Report) -> Vec<String> {
    let mut reads = predicate.reads();
    if !lacks(report, EmptyReason::Undefined) {
        let nowhere = lacks(report, EmptyReason::NoMatch);
        reads.retain(|read| nowhere && is_word(read));
    }
    reads
}

fn is_word(name: &str) -> bool {
    !name.contains(['.', '['])
}

/// Those that no template covers; none when nobody told templates.
fn unknown(mut reads: Vec<String>, known: &BTreeSet<&str>) -> Vec<String> {
    reads.retain(|read| !known.is_empty() && !known.iter().any(|it| meet(read, it)));
    reads
}

/// Whether one leads to the other: a path may end above a variable (`has(system.memory)`) or go on
/// inside its value (a map's field). Keys stand for any.
fn meet(read: &str, template: &str) -> bool {
    const ANY: &str = "*]";
    let mut pairs = read.split(['.', '[']).zip(template.split(['.', '[']));
    pairs.all(|(left, right)| left == right || left == ANY || right == ANY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_suspect_where_nothing_matches_and_all_names_where_something_lacks() {
        let predicate = Predicate::parse("host.name == web").unwrap();
        let check = |reason: EmptyReason, expected: &[&str]| {
            let mut report = crate::output::tests::report([0, 1, 0, 0, 0, 0]);
            report.heard = true;
            report.empty[0].reason = reason;
            assert_eq!(suspects(&predicate, &report), expected, "{reason:?}");
        };
        check(EmptyReason::Undefined, &["host.name", "web"]);
        check(EmptyReason::NoMatch, &["web"]);
        check(EmptyReason::NoVariable, &[]);
    }

    #[test]
    fn names_of_a_predicate_that_no_template_covers_are_unknown() {
        let known =
            ["app.info", "system.cpu.load_1m", "system.filesystem[*].usage", "system.memory.usage"];
        let known = BTreeSet::from(known);
        let check = |text: &str, expected: &[&str]| {
            let predicate = Predicate::parse(text).unwrap();
            assert_eq!(unknown(predicate.reads(), &known), expected, "{text}");
        };
        check("system.laod_1m > 2", &["system.laod_1m"]);
        check("system.cpu.load_1m > 2.0 && system.memory.used > 3", &["system.memory.used"]);
        check("system.filesystem['/var'].usage > 3", &[]);
        check("system.filesystem['/var'].used > 3", &["system.filesystem[*].used"]);
        check("system.filesystem.data.usage > 3", &[]);
        check("app.info.owner == 'me' || has(system.memory)", &[]);
        check("labels.role == 'web' && node.name == 'x'", &[]);
        assert!(unknown(vec!["a.b".to_owned()], &BTreeSet::new()).is_empty());
    }
}
