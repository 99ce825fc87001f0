//! The replies of `get` and `set` as tables.

use std::collections::BTreeMap;

use lcast_proto::name::Name;
use lcast_proto::question::report::{Outcome, Reply, ReplyValue, SetOutcome};
use lcast_proto::select::Pattern;

use super::human;
use super::table::Table;

/// Most variables that get a column each; more get a row each.
const COLUMNS_MAX: usize = 4;

/// The answers of `get`: a column for each variable while there are few, in the order of the
/// patterns; else a row.
pub(crate) fn values(replies: &[Reply], order: &[Pattern], terminal: bool) -> Table {
    let answers = answers(replies);
    let mut units: BTreeMap<&str, &str> = BTreeMap::new();
    for (_, values) in &answers {
        units.extend(values.iter().map(|it| (it.name.as_str(), &*it.unit)));
    }
    if units.len() > COLUMNS_MAX {
        return tall(&answers, terminal);
    }
    let place = |name: &str| {
        let name: Option<Name> = name.parse().ok();
        let matches = |it: &Pattern| name.as_ref().is_some_and(|name| it.matches(name));
        order.iter().position(matches).unwrap_or(order.len())
    };
    let mut columns: Vec<(&str, &str)> = units.into_iter().collect();
    columns.sort_by_key(|(name, _)| place(name));
    wide(&answers, &columns, terminal)
}

fn answers(replies: &[Reply]) -> Vec<(&str, &[ReplyValue])> {
    let mut answers: Vec<(&str, &[ReplyValue])> = Vec::new();
    for reply in replies {
        if let Outcome::Values(values) = &reply.outcome {
            answers.push((&reply.node, values));
        }
    }
    answers.sort_by(|left, right| left.0.cmp(right.0));
    answers
}

fn wide(answers: &[(&str, &[ReplyValue])], columns: &[(&str, &str)], terminal: bool) -> Table {
    let title = |(name, unit): &(&str, &str)| match *unit {
        "" | "1" => (*name).to_owned(),
        "By" if terminal => (*name).to_owned(),
        unit => format!("{name} [{unit}]"),
    };
    let titles = std::iter::once("node".to_owned()).chain(columns.iter().map(title));
    let mut table = Table::new(titles);
    for (node, values) in answers {
        let cell = |(name, _): &(&str, &str)| {
            let value = values.iter().find(|it| it.name == *name);
            value.map_or_else(|| "-".to_owned(), |it| human::value(&it.value, &it.unit, terminal))
        };
        let cells = columns.iter().map(cell);
        table.push(std::iter::once((*node).to_owned()).chain(cells).collect());
    }
    table
}

fn tall(answers: &[(&str, &[ReplyValue])], terminal: bool) -> Table {
    let mut table = Table::new(["node", "variable", "value", "unit"]);
    for (node, values) in answers {
        for it in *values {
            let value = human::value(&it.value, &it.unit, terminal);
            let unit = if terminal && &*it.unit == "By" { "" } else { &*it.unit };
            table.push(vec![(*node).to_owned(), it.name.clone(), value, unit.to_owned()]);
        }
    }
    table
}

/// The outcomes of `set`, one row for each node and setting; of a dry run, what they would be.
pub(crate) fn outcomes(replies: &[Reply], dry_run: bool) -> Table {
    let mut table = Table::new(["node", "variable", "result", "version", "message"]);
    let mut replies: Vec<&Reply> = replies.iter().collect();
    replies.sort_by(|left, right| left.node.cmp(&right.node));
    for reply in replies {
        let Outcome::Set(results) = &reply.outcome else {
            continue;
        };
        for it in results {
            let would = it.outcome == SetOutcome::Applied && dry_run;
            let version = it.version.map_or_else(|| "-".to_owned(), |it| it.to_string());
            table.push(vec![
                reply.node.clone(),
                it.name.clone(),
                if would { "would be applied" } else { it.outcome.as_str() }.to_owned(),
                version,
                // What the node says of a dry run is said by then.
                if would { String::new() } else { it.message.clone() },
            ]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use lcast_proto::question::report::SetResult;
    use lcast_proto::value::Value;

    use super::*;
    use crate::output::tests;

    #[test]
    fn few_variables_get_columns_and_many_get_rows() {
        let replies = [
            tests::values("b", &[("host.name", Value::from("b"))]),
            tests::values("a", &[("host.name", Value::from("a")), ("x.y {t}", Value::Int(3))]),
        ];
        let printed = values(&replies, &[], false).render(None);
        assert_eq!(printed, "node\thost.name\tx.y [{t}]\na\ta\t3\nb\tb\t-\n");
        let order = ["x.*".parse().unwrap(), "host.name".parse().unwrap()];
        let printed = values(&replies, &order, false).render(None);
        assert!(printed.starts_with("node\tx.y [{t}]\thost.name\n"), "{printed}");
        let names = ["x.a By", "x.b", "x.c", "x.d", "x.e"];
        let many = names.map(|name| (name, Value::Int(1)));
        let printed = values(&[tests::values("a", &many)], &[], false).render(None);
        assert!(printed.starts_with("node\tvariable\tvalue\tunit\na\tx.a\t1\tBy\na\tx.b\t1\t\n"));
    }

    #[test]
    fn sets_have_a_row_for_each_setting() {
        let reply = |message: &str| {
            let result = SetResult {
                name: "app.greeting".to_owned(),
                outcome: SetOutcome::Applied,
                message: message.to_owned(),
                version: Some("3.7".parse().unwrap()),
            };
            Reply {
                node: "web1".to_owned(),
                outcome: Outcome::Set(vec![result]),
                by_multicast: true,
            }
        };
        let printed = outcomes(&[reply("")], false).render(None);
        assert!(printed.ends_with("\nweb1\tapp.greeting\tapplied\t3.7\t\n"), "{printed}");
        let printed = outcomes(&[reply("would be written")], true).render(None);
        let expected = "\nweb1\tapp.greeting\twould be applied\t3.7\t\n";
        assert!(printed.ends_with(expected), "it is said once: {printed}");
    }
}
