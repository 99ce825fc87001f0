//! `vars`: which variables exist, and on how many nodes.

use std::collections::{BTreeMap, BTreeSet};

use lcast_proto::question::Verb;
use lcast_proto::question::report::Report;
use lcast_proto::select::Pattern;
use lcast_proto::variable::{Constraint, Definition, Schema};
use serde_json::{Value as Json, json};

use super::{get, question, suggest};
use crate::agent::builtin;
use crate::args::{Everywhere, VarsArgs};
use crate::backend::Session;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::table::Table;
use crate::output::{Format, Output, report};
use crate::signals::Signals;
use crate::{json, place};

/// A definition and on how many nodes it holds.
struct Row<'a> {
    definition: &'a Definition,
    nodes: usize,
}

/// Asks for definitions, or prints those built in.
pub(crate) async fn run(
    args: &VarsArgs,
    everywhere: &Everywhere,
    output: Output,
) -> Result<Exit, Failure> {
    let pattern = args.pattern.as_ref().map(|text| get::patterns(std::slice::from_ref(text)));
    let pattern = pattern.transpose()?.and_then(|mut patterns| patterns.pop());
    if args.builtin {
        let definitions = builtin::definitions();
        let rows = select(definitions.iter().map(|it| (it, 0)), pattern.as_ref());
        return print_builtin(&rows, output).map(|()| Exit::Success);
    }
    let target = args.ask.target.resolve()?;
    get::check_size(&target.selector, &[])?;
    let mut signals = Signals::watch()?;
    let session = Session::open(question::place(everywhere)?)?;
    let ask = question::describe(Verb::Schema, target.clone(), &args.ask.question);
    let asked = question::ask(&session, &mut signals, ask, |_| Ok(())).await?;
    let counted = count(asked.schemas.iter().map(|(_, schema)| schema.as_ref()));
    let known: BTreeSet<&str> = counted.iter().map(|(it, _)| it.template.as_str()).collect();
    let rows = select(counted, pattern.as_ref());
    print(&rows, &asked.report, output)?;
    if let Some(pattern) = pattern.filter(|_| rows.is_empty() && !known.is_empty()) {
        let whose = suggest::whose(&session, &asked.report).await;
        output.note(&suggest::proposal(&pattern.to_string(), &known, whose));
    }
    let exit = question::judge(&asked, &args.ask.question, output);
    let sought = suggest::Sought { patterns: &[], target: &target, question: &args.ask.question };
    question::close(session, &mut signals, exit, &asked, sought, output).await;
    Ok(exit)
}

/// Each distinct definition and how many schemas have it, in order of template.
fn count<'a>(schemas: impl Iterator<Item = &'a Schema>) -> Vec<(&'a Definition, usize)> {
    let mut counted: BTreeMap<&str, Vec<(&Definition, usize)>> = BTreeMap::new();
    for definition in schemas.flat_map(Schema::definitions) {
        let same = counted.entry(&definition.template).or_default();
        match same.iter_mut().find(|(other, _)| *other == definition) {
            Some((_, count)) => *count += 1,
            None => same.push((definition, 1)),
        }
    }
    counted.into_values().flatten().collect()
}

fn select<'a>(
    definitions: impl IntoIterator<Item = (&'a Definition, usize)>,
    pattern: Option<&Pattern>,
) -> Vec<Row<'a>> {
    let wanted = |it: &Row<'_>| {
        pattern.is_none_or(|pattern| pattern.matches_template(&it.definition.template))
    };
    let rows = definitions.into_iter().map(|(definition, nodes)| Row { definition, nodes });
    rows.filter(wanted).collect()
}

fn print(rows: &[Row<'_>], asked: &Report, output: Output) -> Result<(), Failure> {
    let object = |row: &Row<'_>| {
        let mut object = definition_json(row.definition);
        object["nodes"] = Json::from(row.nodes);
        object
    };
    match output.format {
        Format::Json => {
            let variables: Json = rows.iter().map(object).collect();
            output.json(&json!({ "variables": variables, "report": json::report(asked) }))?;
        }
        Format::JsonLines => {
            for row in rows {
                output.json_line("variable", json::rename_kind(object(row), KIND))?;
            }
            output.json_line("report", json::report(asked))?;
        }
        Format::Text => {
            let mut table = Table::new([&TITLES[..], &[">nodes"]].concat());
            for row in rows {
                let mut cells = cells(row.definition);
                cells.push(row.nodes.to_string());
                table.push(cells);
            }
            output.table(&table)?;
        }
    }
    for line in report::lines(asked, place::wall()) {
        output.note(&line);
    }
    Ok(())
}

fn print_builtin(rows: &[Row<'_>], output: Output) -> Result<(), Failure> {
    match output.format {
        Format::Json => {
            let variables: Json = rows.iter().map(|it| definition_json(it.definition)).collect();
            output.json(&json!({ "semconv": builtin::SEMCONV, "variables": variables }))
        }
        Format::JsonLines => rows.iter().try_for_each(|it| {
            output.json_line("variable", json::rename_kind(definition_json(it.definition), KIND))
        }),
        Format::Text => {
            let mut table = Table::new(TITLES);
            rows.iter().for_each(|it| table.push(cells(it.definition)));
            output.table(&table)
        }
    }
}

/// What the kind of a variable is called in a line, which has a kind itself.
const KIND: &str = "variable_kind";

const TITLES: [&str; 5] = ["name", "type", "unit", "settable", "description"];

fn cells(it: &Definition) -> Vec<String> {
    let settable = if it.setting.is_some() { "yes" } else { "no" };
    vec![
        it.template.clone(),
        it.value_type.to_string(),
        it.unit.clone(),
        settable.to_owned(),
        it.description.clone(),
    ]
}

fn definition_json(it: &Definition) -> Json {
    let mut object = json!({
        "name": it.template,
        "type": it.value_type.as_str(),
        "unit": it.unit,
        "kind": it.kind.as_str(),
        "description": it.description,
        "settable": it.setting.is_some(),
    });
    for (name, limit) in it.setting.iter().flat_map(Constraint::limits) {
        object[name] = json::value(&limit);
    }
    object
}

#[cfg(test)]
mod tests {
    use lcast_proto::value::Type;
    use lcast_proto::variable::Kind;

    use super::*;

    fn definition(template: &str, value_type: Type) -> Definition {
        Definition {
            template: template.to_owned(),
            value_type,
            unit: String::new(),
            description: String::new(),
            kind: Kind::Gauge,
            setting: None,
        }
    }

    #[test]
    fn a_setting_has_the_limits_that_it_has() {
        let limits = Constraint { min: Some(0.5), ..Constraint::default() };
        let setting = Definition { setting: Some(limits), ..definition("app.a", Type::Text) };
        let object = definition_json(&setting);
        assert_eq!(object["min"], json!(0.5));
        assert_eq!((object.get("max"), object.get("choices")), (None, None));
        assert_eq!(definition_json(&definition("app.a", Type::Int)).get("min"), None);
    }

    #[test]
    fn definitions_are_counted_and_differing_ones_kept_apart() {
        let schemas = [
            Schema::new(vec![definition("app.b", Type::Int), definition("app.a", Type::Int)]),
            Schema::new(vec![definition("app.a", Type::Int)]),
            Schema::new(vec![definition("app.a", Type::Text)]),
        ];
        let pattern: Pattern = "app.a".parse().unwrap();
        let counted = count(schemas.iter());
        let rows = select(counted.clone(), Some(&pattern));
        let seen: Vec<(Type, usize)> =
            rows.iter().map(|it| (it.definition.value_type, it.nodes)).collect();
        assert_eq!(seen, [(Type::Int, 2), (Type::Text, 1)]);
        assert_eq!(select(counted, None).len(), 3);
    }
}
