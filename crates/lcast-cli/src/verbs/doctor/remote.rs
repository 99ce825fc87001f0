//! Asking agents what they find on their own hosts: the variable `librecast.doctor` of each, which
//! of it are errors, and with which credential file a doctor there knows the realm. That two of
//! them have one certificate neither finds on its own host: that shows here, where both answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lcast_proto::question::Verb;
use lcast_proto::question::report::{Outcome, ReplyValue};
use lcast_proto::select::Pattern;
use lcast_proto::value::Value;
use serde_json::{Value as Json, json};

use super::print::{finding_json, text};
use crate::args::{DoctorArgs, Everywhere};
use crate::backend::Session;
use crate::doctor::cause::Cause;
use crate::doctor::checkup::{ERRORS, VARIABLE};
use crate::doctor::diagnose::duplicate;
use crate::doctor::{Finding, Severity, quoted};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Format, Output, report};
use crate::signals::Signals;
use crate::text::sanitise;
use crate::verbs::{get, question};
use crate::{json, place};

/// The variable that names the credential file which an agent was started with.
const FILE: &str = "librecast.credential.file";

/// The longest path of it that is printed: what a Linux system takes.
const FILE_LENGTH_MAX: usize = 4096;

/// Most ids of one agent, and the most characters of an id: there are fewer and shorter causes, but
/// an agent may say anything. What is left out shows as [`CUT`].
const IDS_MAX: usize = 64;
const ID_LENGTH_MAX: usize = 64;
const CUT: &str = "...";

/// How long a second answer in one name is waited for: as long as it shows that there are two.
/// [PRE-35]
const TWIN_WAIT: Duration = Duration::from_millis(100);

/// The complaints of the agents asked, each with who has it.
type Complaints = BTreeMap<Complaint, BTreeSet<String>>;

/// What an agent finds wrong with its own host, and the command that looks closer there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Complaint {
    /// The cause, which this program need not know.
    id: String,
    severity: Severity,
    command: String,
}

/// Asks, and prints who finds what.
pub(super) async fn run(
    args: &DoctorArgs,
    everywhere: &Everywhere,
    output: Output,
) -> Result<Exit, Failure> {
    let target = args.ask.target.resolve()?;
    let patterns = patterns()?;
    get::check_size(&target.selector, &patterns)?;
    let mut signals = Signals::watch()?;
    let place = question::place(everywhere)?;
    let realm = place.credential.realm_name().to_owned();
    let session = Session::open(place)?;
    let ask = question::describe(Verb::Get(patterns), target.clone(), &args.ask.question);
    let mut by_complaint = Complaints::new();
    let asked = question::ask(&session, &mut signals, ask, |reply| {
        if let Outcome::Values(values) = &reply.outcome {
            note(&mut by_complaint, &reply.node, values);
        }
        Ok(())
    })
    .await?;
    // The first of two answers in one name ends the question where it is the last that is open.
    let _ = signals.unless(session.linger(TWIN_WAIT)).await;
    let nodes = session.nodes().await;
    let twice = nodes.iter().filter(|it| it.duplicate && target.means(it));
    let twins: Vec<Finding> =
        twice.map(|it| duplicate(&realm, (&it.name, &it.roles, &it.labels))).collect();
    print(&by_complaint, &twins, json::report(&asked.report), output)?;
    let sound = by_complaint.is_empty() && twins.is_empty();
    if sound && asked.report.answered > 0 && output.format == Format::Text {
        let count = asked.report.answered;
        output.note(&format!("nothing is wrong on the hosts of the agents that answered: {count}"));
    }
    report::lines(&asked.report, place::wall()).iter().for_each(|line| output.note(line));
    let exit = match question::judge(&asked, &args.ask.question, output) {
        Exit::Success if !sound => Exit::Incomplete,
        exit => exit,
    };
    question::tell_unasked(&session, &target, output).await;
    question::explain(exit, &asked.report, &session, output).await;
    session.close().await;
    Ok(exit)
}

/// The doctor's command on the host of an agent that answers this. A file has a value of its own to
/// be quoted: an agent must not be able to have a command of its choice printed.
fn command(values: &[ReplyValue]) -> String {
    let file = values.iter().find(|it| it.name == FILE).map(|it| &it.value);
    match file {
        Some(Value::Text(file)) if file.starts_with('/') && file.len() <= FILE_LENGTH_MAX => {
            format!("librecast doctor --credential {}", quoted(&sanitise(file)))
        }
        _ => "librecast doctor".to_owned(),
    }
}

/// Notes what an agent finds, each thing once, however often it says it.
fn note(complaints: &mut Complaints, node: &str, values: &[ReplyValue]) {
    for complaint in complaints_of(values) {
        complaints.entry(complaint).or_default().insert(node.to_owned());
    }
}

/// What an agent finds that answers this. One that does not say what is an error tells errors.
fn complaints_of(values: &[ReplyValue]) -> Vec<Complaint> {
    let command = command(values);
    let errors = values.iter().any(|it| it.name == ERRORS).then(|| ids(values, ERRORS));
    let complaint = |id: String| {
        let is_error = errors.as_ref().is_none_or(|errors| errors.contains(&id));
        let severity = if is_error { Severity::Error } else { Severity::Warning };
        Complaint { id, severity, command: command.clone() }
    };
    ids(values, VARIABLE).into_iter().map(complaint).collect()
}

/// What an agent that answers this finds on its own host that keeps packets off, and the command
/// that looks closer there.
pub(super) fn keeps_off(values: &[ReplyValue]) -> Vec<(Cause, String)> {
    let errors = complaints_of(values).into_iter().filter(|it| it.severity == Severity::Error);
    let known = errors.filter_map(|it| Some((Cause::of(&it.id)?, it.command)));
    known.filter(|(cause, _)| cause.silences()).collect()
}

/// The variables that tell what an agent finds.
pub(super) fn patterns() -> Result<Vec<Pattern>, Failure> {
    let patterns = [VARIABLE, ERRORS, FILE].map(str::parse).into_iter();
    patterns.collect::<Result<_, _>>().map_err(Failure::internal)
}

/// The ids in a variable; an agent may know causes that this program does not.
fn ids(values: &[ReplyValue], name: &str) -> Vec<String> {
    let value = values.iter().find(|it| it.name == name).map(|it| &it.value);
    let Some(Value::List(ids)) = value else { return Vec::new() };
    let text = |id: &Value| match id {
        Value::Text(text) => match text.char_indices().nth(ID_LENGTH_MAX) {
            Some((end, _)) => Some(text[..end].to_owned() + CUT),
            None => Some(text.to_string()),
        },
        _ => None,
    };
    let cut = (ids.len() > IDS_MAX).then(|| CUT.to_owned());
    ids.iter().take(IDS_MAX).filter_map(text).chain(cut).collect()
}

fn print(
    complaints: &Complaints,
    twins: &[Finding],
    report: Json,
    output: Output,
) -> Result<(), Failure> {
    let complaint_json = |(it, nodes): (&Complaint, &BTreeSet<String>)| {
        let Complaint { id, severity, command } = it;
        json!({
            "id": id,
            "severity": severity.as_str(),
            "what": match nodes.len() {
                1 => "one of the agents asked finds this on its own host".to_owned(),
                count => format!("{count} of the agents asked find this on their own hosts"),
            },
            "where": "nodes",
            "nodes": nodes,
            "command": command,
        })
    };
    match output.format {
        Format::Json => {
            let findings =
                complaints.iter().map(complaint_json).chain(twins.iter().map(finding_json));
            let findings: Json = findings.collect();
            output.json(&json!({ "findings": findings, "report": report }))
        }
        Format::JsonLines => {
            for one in complaints.iter().map(complaint_json).chain(twins.iter().map(finding_json)) {
                output.json_line("finding", one)?;
            }
            output.json_line("report", report)
        }
        Format::Text => {
            let lines = complaint_texts(complaints).into_iter().chain(twins.iter().map(text));
            output.text(&lines.collect::<String>())
        }
    }
}

/// Each cause once, with who has it; where hosts need different commands, whose each is.
fn complaint_texts(complaints: &Complaints) -> Vec<String> {
    let complaints: Vec<_> = complaints.iter().collect();
    let same = |(a, _): &(&Complaint, _), (b, _): &(&Complaint, _)| {
        (&a.id, a.severity) == (&b.id, b.severity)
    };
    let text = |of_cause: &[(&Complaint, &BTreeSet<String>)]| {
        let Complaint { id, severity, .. } = of_cause[0].0;
        let all: BTreeSet<&String> = of_cause.iter().flat_map(|it| it.1).collect();
        let (severity, id) = (severity.as_str(), sanitise(id));
        let mut text = format!("{severity} {id} on {}:\n", names(all));
        for (it, nodes) in of_cause {
            let whose = match of_cause.len() {
                1 => String::new(),
                _ => format!("  # on {}", names(*nodes)),
            };
            text += &format!("  {}{whose}\n", it.command);
        }
        text
    };
    complaints.chunk_by(same).map(text).collect()
}

fn names<'a>(nodes: impl IntoIterator<Item = &'a String>) -> String {
    let nodes: Vec<&str> = nodes.into_iter().map(String::as_str).collect();
    sanitise(&nodes.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::values;

    #[test]
    fn a_cause_is_told_once_with_the_command_of_each_host() {
        let complaint = |id: &str, severity, file: &str| {
            let command = format!("librecast doctor{file}");
            Complaint { id: id.to_owned(), severity, command }
        };
        let nodes = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect();
        let (error, warning) = (Severity::Error, Severity::Warning);
        let complaints = Complaints::from([
            (complaint("no-ipv6", error, ""), nodes(&["db1", "web2"])),
            (complaint("no-ipv6", error, " --credential /a"), nodes(&["web1"])),
            (complaint("port-taken", warning, ""), nodes(&["web1"])),
        ]);
        let expected = [
            "error no-ipv6 on db1, web1, web2:\n  librecast doctor  # on db1, web2\n  \
             librecast doctor --credential /a  # on web1\n",
            "warning port-taken on web1:\n  librecast doctor\n",
        ];
        assert_eq!(complaint_texts(&complaints), expected);
    }

    #[test]
    fn an_agent_counts_once_however_often_it_says_a_thing() {
        let same = Value::List(vec!["no-ipv6".into(), "no-ipv6".into()]);
        let Outcome::Values(told) = values("web1", &[(VARIABLE, same)]).outcome else { panic!() };
        let mut complaints = Complaints::new();
        note(&mut complaints, "web1", &told);
        note(&mut complaints, "web2", &told);
        let nodes: Vec<&BTreeSet<String>> = complaints.values().collect();
        assert_eq!(nodes, [&BTreeSet::from(["web1".to_owned(), "web2".to_owned()])]);
    }

    #[test]
    fn a_warning_of_an_agent_stays_one() {
        let check = |told: &[(&str, &[&str])], expected: &[(&str, Severity)]| {
            let list = |ids: &[&str]| Value::List(ids.iter().map(|it| Value::from(*it)).collect());
            let told: Vec<(&str, Value)> =
                told.iter().map(|(name, ids)| (*name, list(ids))).collect();
            let Outcome::Values(values) = values("web1", &told).outcome else { panic!() };
            let complaints = complaints_of(&values);
            let found: Vec<(&str, Severity)> =
                complaints.iter().map(|it| (it.id.as_str(), it.severity)).collect();
            assert_eq!(found, expected, "{told:?}");
        };
        let both: &[&str] = &["port-taken", "no-ipv6"];
        let (error, warning) = (Severity::Error, Severity::Warning);
        check(
            &[(VARIABLE, both), (ERRORS, &["no-ipv6"])],
            &[("port-taken", warning), ("no-ipv6", error)],
        );
        check(&[(VARIABLE, &["buffers-small"]), (ERRORS, &[])], &[("buffers-small", warning)]);
        // An agent that lies makes no more of it than fits a screen.
        let many: Vec<String> = (0..=IDS_MAX).map(|number| format!("id{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let mut expected: Vec<(&str, Severity)> =
            many[..IDS_MAX].iter().map(|it| (*it, error)).collect();
        check(&[(VARIABLE, &many[..IDS_MAX])], &expected);
        expected.push((CUT, error));
        check(&[(VARIABLE, &many)], &expected);
        let (long, cut) = ("x".repeat(ID_LENGTH_MAX + 1), "x".repeat(ID_LENGTH_MAX) + CUT);
        check(&[(VARIABLE, &[&long, &long[1..]])], &[(&cut, error), (&long[1..], error)]);
        // An id that is no finding is not told, and who does not say counts as worst.
        check(&[(VARIABLE, &[]), (ERRORS, &["no-ipv6"])], &[]);
        check(&[(VARIABLE, &["new"])], &[("new", error)]);
    }
}
