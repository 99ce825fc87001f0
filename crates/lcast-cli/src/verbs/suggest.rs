//! Proposals for names that nobody knows: mistyped, most likely.

use std::collections::BTreeSet;
use std::time::Duration;

use lcast_proto::question::report::{EmptyReason, Report};
use lcast_proto::question::{Ask, Deadline, Verb};
use lcast_proto::select::{Pattern, Predicate, Selector, nearest};

use super::question::{self, Asked};
use crate::agent::builtin;
use crate::args::QuestionArgs;
use crate::args::target::Target;
use crate::backend::Session;
use crate::output::Output;
use crate::signals::Signals;

/// How long nodes are asked what they have, where the question was not bounded more tightly.
const ASKING: Duration = Duration::from_millis(500);

/// A question that found little: what it sought, of whom, and within which bounds.
#[derive(Clone, Copy)]
pub(crate) struct Sought<'a> {
    pub(crate) patterns: &'a [Pattern],
    pub(crate) target: &'a Target,
    pub(crate) question: &'a QuestionArgs,
}

/// When every answer was empty for want of a variable, tells which names of the patterns and of
/// the predicate no node has, and what is like them. Nodes say what they have when asked. Whether
/// that was interrupted.
pub(crate) async fn unknown_names(
    session: &Session,
    signals: &mut Signals,
    asked: &Asked,
    sought: Sought<'_>,
    output: Output,
) -> bool {
    let Sought { patterns, target, question } = sought;
    let patterns = if lacks(&asked.report, EmptyReason::NoVariable) { patterns } else { &[] };
    let predicate = target.selector.predicate.as_ref();
    let reads = predicate.map(|it| suspects(it, &asked.report)).unwrap_or_default();
    if output.quiet || asked.interrupted || (patterns.is_empty() && reads.is_empty()) {
        return false;
    }
    let Some(time) = time_left(question.timeout, asked.report.elapsed) else { return false };
    let Ok(told) = question::ask(session, signals, ask_schemas(target, time), |_| Ok(())).await
    else {
        return false;
    };
    let schemas = told.schemas.iter().flat_map(|(_, schema)| schema.definitions());
    let known: BTreeSet<&str> = schemas.map(|it| it.template.as_str()).collect();
    let whose = whose(session, &asked.report).await;
    for pattern in patterns {
        output.note(&proposal(&pattern.to_string(), &known, whose));
    }
    for name in unknown(reads, &known) {
        let others = beside_variables(&name);
        let known = known.iter().copied().chain(others.iter().map(String::as_str)).collect();
        let proposal = proposal(&name, &known, whose);
        // A shell takes quotes away.
        let quotes = if is_word(&name) {
            "; if a text is meant, write it in double quotes, the predicate in single ones"
        } else {
            ""
        };
        output.note(&format!("{proposal}{quotes}"));
    }
    told.interrupted
}

/// How long nodes may be asked what they have: `--timeout` bounds that too. None: not at all.
fn time_left(timeout: Option<Duration>, elapsed: Duration) -> Option<Duration> {
    let left = timeout.map_or(ASKING, |timeout| timeout.saturating_sub(elapsed));
    Some(left.min(ASKING)).filter(|it| !it.is_zero())
}

/// Asks the nodes that were asked before; not those alone where the predicate holds: it may be the
/// predicate that nobody can evaluate.
fn ask_schemas(target: &Target, time: Duration) -> Ask {
    Ask {
        selector: Selector { predicate: None, ..target.selector.clone() },
        only: target.only.clone(),
        deadline: Deadline::after(time),
        ..Ask::new(Verb::Schema)
    }
}

/// Who lacks a name: where not all were asked, only those who were are spoken of.
pub(crate) async fn whose(session: &Session, report: &Report) -> &'static str {
    let all = question::agents_expected(&session.nodes().await);
    if (report.expected as usize) < all { "none of the nodes asked has" } else { "no node has" }
}

/// What a predicate can read beside variables, with the end of this name.
fn beside_variables(name: &str) -> Vec<String> {
    let Some((first, rest)) = name.split_once('.') else { return Vec::new() };
    let node = ["node.name", "node.id", "node.roles"].map(str::to_owned);
    let label = (!nearest(first, ["labels"]).is_empty()).then(|| format!("labels.{rest}"));
    label.into_iter().chain(node).collect()
}

/// What to say of a name that nobody has, of those whom `whose` says.
pub(crate) fn proposal(name: &str, known: &BTreeSet<&str>, whose: &str) -> String {
    if builtin::definitions().iter().any(|it| meet(name, &it.template)) {
        return format!(
            "{whose} '{name}': it is built in, and these hosts lack what it shows, or their agents \
             hide it ('read_deny'); see 'librecast vars'"
        );
    }
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
    fn names_are_proposed_that_are_likely_meant() {
        let known = BTreeSet::from(["host.name", "system.cpu.load_1m"]);
        let told = |name: &str| {
            let others = beside_variables(name);
            let known = known.iter().copied().chain(others.iter().map(String::as_str)).collect();
            proposal(name, &known, "no node has")
        };
        for (name, expected) in [
            ("hostname", "no node has 'hostname'; nearest: host.name"),
            ("load", "no node has 'load'; nearest: system.cpu.load_1m"),
            ("label.role", "no node has 'label.role'; nearest: labels.role"),
            ("app.queue.length", "no node has 'app.queue.length'; see 'librecast vars'"),
            ("nod.name", "no node has 'nod.name'; nearest: node.name"),
            ("web", "no node has 'web'; see 'librecast vars'"),
        ] {
            assert_eq!(told(name), expected);
        }
        // No guessing about what was spelled right.
        let hidden = told("system.memory.utilization");
        assert!(hidden.contains("read_deny") && !hidden.contains("nearest"), "{hidden}");
    }

    #[test]
    fn only_those_asked_before_are_asked_what_they_have_and_within_the_same_time() {
        let ms = Duration::from_millis;
        for (timeout, elapsed, expected) in [
            (None, 900, Some(500)),
            (Some(2000), 100, Some(500)),
            (Some(300), 100, Some(200)),
            (Some(300), 300, None),
            (Some(300), 301, None),
        ] {
            let left = time_left(timeout.map(ms), ms(elapsed));
            assert_eq!(left, expected.map(ms), "{timeout:?} {elapsed}");
        }
        let selector = Selector {
            on: vec!["web*".parse().unwrap()],
            predicate: Some(Predicate::parse("a.b > 1").unwrap()),
            ..Selector::default()
        };
        let only = Some(vec!["web1".to_owned()]);
        let target = Target { selector: selector.clone(), only: only.clone(), expect: Vec::new() };
        let ask = ask_schemas(&target, ms(200));
        assert_eq!(ask.selector, Selector { predicate: None, ..selector });
        assert_eq!((ask.only, ask.deadline.extended), (only, ms(200)));
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
