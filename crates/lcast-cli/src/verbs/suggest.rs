//! Proposals for names that nobody knows: mistyped, most likely.

use std::collections::BTreeSet;
use std::time::Duration;

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
    let predicate = predicate.filter(|_| lacks(&asked.report, EmptyReason::Undefined));
    if asked.interrupted || (patterns.is_empty() && predicate.is_none()) {
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
    let patterns = patterns.iter().map(Pattern::to_string);
    for name in patterns.chain(predicate.map(|it| unknown(it, &known)).unwrap_or_default()) {
        let near = nearest(&name, known.iter().copied());
        let near = if near.is_empty() {
            "see 'librecast vars'".to_owned()
        } else {
            format!("nearest: {}", near.join(", "))
        };
        output.note(&format!("no node has '{name}'; {near}"));
    }
}

/// Whether nobody answered with a value, and some lacked something.
fn lacks(report: &Report, reason: EmptyReason) -> bool {
    report.answered == 0 && report.heard && report.empty_for(reason) > 0
}

/// The names that the predicate reads and no template covers; none when nobody told templates.
fn unknown(predicate: &Predicate, known: &BTreeSet<&str>) -> Vec<String> {
    let mut reads = predicate.reads();
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
    fn names_of_a_predicate_that_no_template_covers_are_unknown() {
        let known =
            ["app.info", "system.cpu.load_1m", "system.filesystem[*].usage", "system.memory.usage"];
        let known = BTreeSet::from(known);
        let check = |text: &str, expected: &[&str]| {
            let predicate = Predicate::parse(text).unwrap();
            assert_eq!(unknown(&predicate, &known), expected, "{text}");
        };
        check("system.laod_1m > 2", &["system.laod_1m"]);
        check("system.cpu.load_1m > 2.0 && system.memory.used > 3", &["system.memory.used"]);
        check("system.filesystem['/var'].usage > 3", &[]);
        check("system.filesystem['/var'].used > 3", &["system.filesystem[*].used"]);
        check("system.filesystem.data.usage > 3", &[]);
        check("app.info.owner == 'me' || has(system.memory)", &[]);
        check("labels.role == 'web' && node.name == 'x'", &[]);
        assert!(unknown(&Predicate::parse("a.b > 1").unwrap(), &BTreeSet::new()).is_empty());
    }
}
