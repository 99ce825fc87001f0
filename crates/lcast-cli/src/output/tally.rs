//! `--tally`: how many nodes have which value, and which nodes.

use std::collections::BTreeMap;

use lcast_proto::question::report::{Outcome, Reply};
use serde_json::{Value as Json, json};

use super::human;
use super::table::Table;
use crate::json;
use crate::text::named;

/// One value of one variable, and who has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Count {
    variable: String,
    unit: String,
    value: lcast_proto::value::Value,
    nodes: Vec<String>,
}

/// Counts values: by variable, then the most frequent first.
pub(crate) fn tally(replies: &[Reply]) -> Vec<Count> {
    let mut counts: BTreeMap<(String, String), Count> = BTreeMap::new();
    for reply in replies {
        let Outcome::Values(values) = &reply.outcome else {
            continue;
        };
        for it in values {
            // Values are equal when they print alike: that is what the reader can see.
            let key = (it.name.clone(), json::value(&it.value).to_string());
            let count = counts.entry(key).or_insert_with(|| Count {
                variable: it.name.clone(),
                unit: it.unit.to_string(),
                value: it.value.clone(),
                nodes: Vec::new(),
            });
            count.nodes.push(reply.node.clone());
        }
    }
    let mut counts: Vec<Count> = counts.into_values().collect();
    for count in &mut counts {
        count.nodes.sort();
    }
    let many_first = |it: &Count| std::cmp::Reverse(it.nodes.len());
    counts.sort_by(|left, right| {
        left.variable.cmp(&right.variable).then(many_first(left).cmp(&many_first(right)))
    });
    counts
}

/// The counts as a table; the variable is named when there are several.
pub(crate) fn table(counts: &[Count], terminal: bool) -> Table {
    let first = counts.first().map(|it| &it.variable);
    let several = counts.iter().any(|it| Some(&it.variable) != first);
    let mut titles = vec!["value", ">count", "nodes"];
    if several {
        titles.insert(0, "variable");
    }
    let mut table = Table::new(titles);
    for count in counts {
        let nodes = if terminal { named(&count.nodes) } else { count.nodes.join(",") };
        let value = human::value(&count.value, &count.unit, terminal);
        let mut row = vec![value, count.nodes.len().to_string(), nodes];
        if several {
            row.insert(0, count.variable.clone());
        }
        table.push(row);
    }
    table
}

/// The counts as JSON.
pub(crate) fn to_json(counts: &[Count]) -> Json {
    let count = |it: &Count| {
        json!({
            "variable": it.variable,
            "value": json::value(&it.value),
            "unit": it.unit,
            "count": it.nodes.len(),
            "nodes": it.nodes,
        })
    };
    counts.iter().map(count).collect()
}

#[cfg(test)]
mod tests {
    use lcast_proto::value::Value;

    use super::*;
    use crate::output::tests::values;

    #[test]
    fn values_are_counted_the_most_frequent_first() {
        let reply =
            |node: &str, kernel: &str| values(node, &[("os.kernel.release", Value::from(kernel))]);
        let replies = [reply("c", "6.2"), reply("b", "6.1"), reply("a", "6.1")];
        let counts = tally(&replies);
        let printed = table(&counts, false).render(None);
        assert_eq!(printed, "value\tcount\tnodes\n6.1\t2\ta,b\n6.2\t1\tc\n");
        assert_eq!(to_json(&counts)[0]["nodes"], json!(["a", "b"]));
    }

    #[test]
    fn several_variables_are_told_apart_and_types_too() {
        let replies = [
            values("a", &[("app.x", Value::Int(1)), ("app.y", Value::from("1"))]),
            values("b", &[("app.x", Value::from("1"))]),
        ];
        let printed = table(&tally(&replies), false).render(None);
        let expected =
            "variable\tvalue\tcount\tnodes\napp.x\t1\t1\tb\napp.x\t1\t1\ta\napp.y\t1\t1\ta\n";
        assert_eq!(printed, expected);
    }

    #[test]
    fn long_lists_of_nodes_are_cut_for_people_only() {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
        let replies: Vec<Reply> =
            names.iter().map(|node| values(node, &[("app.x", Value::Int(1))])).collect();
        let counts = tally(&replies);
        assert!(
            table(&counts, true).render(None).contains("a, b, c, d, e, f, g, h, i, j, and 2 more")
        );
        assert!(table(&counts, false).render(None).contains("i,j,k,l"));
    }
}
