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
    let mut answers: Vec<Answer<'_>> = Vec::new();
    for reply in replies {
        if let Outcome::Values(values) = &reply.outcome {
            answers.push((&reply.node, values.iter().collect()));
        }
    }
    answers.sort_by(|left, right| left.0.cmp(right.0));
    table(&answers, order, terminal, usize::MAX)
}

/// What nodes hold as the same table for a terminal, of so many rows at most.
pub(crate) fn held(
    held: &BTreeMap<String, BTreeMap<String, ReplyValue>>,
    order: &[Pattern],
    rows_max: usize,
) -> Table {
    let mut answers: Vec<Answer<'_>> = Vec::new();
    for (node, values) in held {
        answers.push((node, values.values().collect()));
    }
    table(&answers, order, true, rows_max)
}

/// A node and what it answered.
type Answer<'a> = (&'a str, Vec<&'a ReplyValue>);

fn table(answers: &[Answer<'_>], order: &[Pattern], terminal: bool, rows_max: usize) -> Table {
    let mut units: BTreeMap<&str, &str> = BTreeMap::new();
    for it in answers.iter().flat_map(|(_, values)| values) {
        units.insert(&it.name, &it.unit);
        if units.len() > COLUMNS_MAX {
            return tall(answers, terminal, rows_max);
        }
    }
    let place = |name: &str| {
        let name: Option<Name> = name.parse().ok();
        let matches = |it: &Pattern| name.as_ref().is_some_and(|name| it.matches(name));
        order.iter().position(matches).unwrap_or(order.len())
    };
    let mut columns: Vec<(&str, &str)> = units.into_iter().collect();
    columns.sort_by_key(|(name, _)| place(name));
    wide(answers, &columns, terminal, rows_max)
}

fn wide(
    answers: &[Answer<'_>],
    columns: &[(&str, &str)],
    terminal: bool,
    rows_max: usize,
) -> Table {
    let title = |(name, unit): &(&str, &str)| match *unit {
        "" | "1" => (*name).to_owned(),
        "By" if terminal => (*name).to_owned(),
        unit => format!("{name} [{unit}]"),
    };
    let titles = std::iter::once("node".to_owned()).chain(columns.iter().map(title));
    let mut table = Table::new(titles);
    table.leave_out(answers.len().saturating_sub(rows_max));
    for (node, values) in answers.iter().take(rows_max) {
        let cell = |(name, _): &(&str, &str)| {
            let value = values.iter().find(|it| it.name == *name);
            value.map_or_else(|| "-".to_owned(), |it| human::value(&it.value, &it.unit, terminal))
        };
        let cells = columns.iter().map(cell);
        table.push(std::iter::once((*node).to_owned()).chain(cells).collect());
    }
    table
}

fn tall(answers: &[Answer<'_>], terminal: bool, rows_max: usize) -> Table {
    let mut table = Table::new(["node", "variable", "value", "unit"]);
    let rows: usize = answers.iter().map(|(_, values)| values.len()).sum();
    table.leave_out(rows.saturating_sub(rows_max));
    let each = answers.iter().flat_map(|(node, values)| values.iter().map(move |it| (node, it)));
    for (node, it) in each.take(rows_max) {
        let value = human::value(&it.value, &it.unit, terminal);
        let unit = if terminal && &*it.unit == "By" { "" } else { &*it.unit };
        table.push(vec![(*node).to_owned(), it.name.clone(), value, unit.to_owned()]);
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
    use crate::output::table::Screen;
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

    /// All that a node holds was laid out for each drawing, however little of it fits.
    #[test]
    fn a_table_for_a_screen_has_no_more_rows_than_fit() {
        for (variables, shown) in [(1, "n0  "), (5, "n0    x.v0")] {
            let names: Vec<String> = (0..variables).map(|it| format!("x.v{it}")).collect();
            let reply = |node: &String| {
                let named = names.iter().map(|name| (name.as_str(), Value::Int(1)));
                tests::values(node, &named.collect::<Vec<_>>())
            };
            let nodes: Vec<String> = (0..4).map(|it| format!("n{it}")).collect();
            let replies: Vec<Reply> = nodes.iter().map(reply).collect();
            let rows = if variables == 1 { 4 } else { 20 };
            let mut all = BTreeMap::new();
            for Reply { node, outcome, .. } in replies {
                let Outcome::Values(values) = outcome else { panic!() };
                let values = values.into_iter().map(|it| (it.name.clone(), it));
                all.insert(node, values.collect::<BTreeMap<_, _>>());
            }
            let screen = Some(Screen { width: None, color: false });
            for (max, left_out) in [(rows, 0), (rows - 1, 1), (1, rows - 1)] {
                let mut table = held(&all, &[], max);
                let drawn = table.render(screen);
                assert_eq!(drawn.lines().count(), 1 + max, "{drawn}");
                assert!(drawn.lines().nth(1).unwrap().starts_with(shown), "{drawn}");
                assert_eq!(table.keep(max), left_out);
            }
        }
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
