//! Asking agents what they find on their own hosts: the variable `librecast.doctor` of each.

use std::collections::BTreeMap;

use lcast_proto::question::Verb;
use lcast_proto::question::report::Outcome;
use lcast_proto::value::Value;
use serde_json::{Value as Json, json};

use crate::args::{DoctorArgs, Everywhere};
use crate::backend::Session;
use crate::doctor::checkup::VARIABLE;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Format, Output, report};
use crate::signals::Signals;
use crate::text::sanitise;
use crate::verbs::{get, question};
use crate::{json, place};

/// Asks, and prints who finds what.
pub(super) async fn run(
    args: &DoctorArgs,
    everywhere: &Everywhere,
    output: Output,
) -> Result<Exit, Failure> {
    let target = args.ask.target.resolve()?;
    let patterns = vec![VARIABLE.parse().map_err(Failure::internal)?];
    get::check_size(&target.selector, &patterns)?;
    let mut signals = Signals::watch()?;
    let session = Session::open(question::place(everywhere)?)?;
    let ask = question::describe(Verb::Get(patterns), target.clone(), &args.ask.question);
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let asked = question::ask(&session, &mut signals, ask, |reply| {
        if let Outcome::Values(values) = &reply.outcome {
            let ids = values.iter().flat_map(|it| ids(&it.value));
            ids.for_each(|id| found.entry(id).or_default().push(reply.node.clone()));
        }
        Ok(())
    })
    .await?;
    found.values_mut().for_each(|nodes| nodes.sort_unstable());
    print(&found, json::report(&asked.report), output)?;
    if found.is_empty() && asked.report.answered > 0 && output.format == Format::Text {
        let count = asked.report.answered;
        output.note(&format!("nothing is wrong on the hosts of the agents that answered: {count}"));
    }
    report::lines(&asked.report, place::wall()).iter().for_each(|line| output.note(line));
    let exit = match question::judge(&asked, &args.ask.question, output) {
        Exit::Success if !found.is_empty() => Exit::Incomplete,
        exit => exit,
    };
    question::tell_unasked(&session, &target, output).await;
    question::explain(exit, &asked.report, &session, output).await;
    session.close().await;
    Ok(exit)
}

/// The ids in a value; an agent may know causes that this program does not.
fn ids(value: &Value) -> Vec<String> {
    let Value::List(ids) = value else { return Vec::new() };
    let text = |id: &Value| match id {
        Value::Text(text) => Some(text.to_string()),
        _ => None,
    };
    ids.iter().filter_map(text).collect()
}

fn print(
    found: &BTreeMap<String, Vec<String>>,
    report: Json,
    output: Output,
) -> Result<(), Failure> {
    let finding = |(id, nodes): (&String, &Vec<String>)| {
        json!({
            "id": id,
            "severity": "error",
            "what": format!("{} of the agents asked find this on their own hosts", nodes.len()),
            "where": "nodes",
            "nodes": nodes,
            "command": "librecast doctor",
        })
    };
    match output.format {
        Format::Json => {
            let findings: Json = found.iter().map(finding).collect();
            output.json(&json!({ "findings": findings, "report": report }))
        }
        Format::JsonLines => {
            for one in found {
                output.json_line("finding", finding(one))?;
            }
            output.json_line("report", report)
        }
        Format::Text => {
            let line = |(id, nodes): (&String, &Vec<String>)| {
                let nodes = nodes.join(", ");
                format!("{} on {}:\n  librecast doctor\n", sanitise(id), sanitise(&nodes))
            };
            output.text(&found.iter().map(line).collect::<String>())
        }
    }
}
