//! `--agg`: sums, means and quantiles over all nodes, computed at the asker.
//!
//! Only finite numbers count; what was left out is told. Quantiles are by nearest rank: they are
//! values that some node has.

use std::collections::BTreeMap;

use lcast_proto::question::report::{Outcome, Reply};
use lcast_proto::value::Value;
use serde_json::{Map, Value as Json};

use super::human;
use super::table::Table;
use crate::args::Aggregate;
use crate::json;

/// The numbers of one variable in one group of nodes.
#[derive(Clone, Debug, Default, PartialEq)]
struct Series {
    unit: String,
    /// In ascending order once all are in.
    numbers: Vec<f64>,
}

/// The aggregates of a question.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Aggregates {
    /// By group, then by variable.
    series: BTreeMap<(String, String), Series>,
    /// How many values are no finite numbers.
    pub(crate) left_out: usize,
}

impl Aggregates {
    /// Gathers the numbers; `group` gives a node's group.
    pub(crate) fn of(replies: &[Reply], group: impl Fn(&str) -> String) -> Self {
        let mut aggregates = Self::default();
        for reply in replies {
            let Outcome::Values(values) = &reply.outcome else {
                continue;
            };
            for it in values {
                let number = match it.value {
                    #[allow(clippy::cast_precision_loss)]
                    Value::Int(number) => number as f64,
                    Value::Float(number) if number.is_finite() => number,
                    _ => {
                        aggregates.left_out += 1;
                        continue;
                    }
                };
                let key = (group(&reply.node), it.name.clone());
                let series = aggregates.series.entry(key).or_default();
                it.unit.as_ref().clone_into(&mut series.unit);
                series.numbers.push(number);
            }
        }
        for series in aggregates.series.values_mut() {
            series.numbers.sort_by(f64::total_cmp);
        }
        aggregates
    }

    /// The aggregates as a table; `by` is the title of the column of groups.
    pub(crate) fn table(&self, functions: &[Aggregate], by: Option<&str>, terminal: bool) -> Table {
        let mut titles: Vec<String> = by.into_iter().map(str::to_owned).collect();
        titles.extend(["variable".to_owned(), "unit".to_owned()]);
        titles.extend(functions.iter().map(|it| format!(">{}", it.as_str())));
        let mut table = Table::new(titles);
        for ((group, variable), series) in &self.series {
            let mut row: Vec<String> = by.iter().map(|_| group.clone()).collect();
            row.extend([variable.clone(), series.unit.clone()]);
            let cell = |it: &Aggregate| match it {
                Aggregate::Count => series.numbers.len().to_string(),
                _ if terminal => {
                    human::value(&Value::Float(it.of(&series.numbers)), &series.unit, true)
                }
                _ => human::float(rounded(it.of(&series.numbers)), false),
            };
            row.extend(functions.iter().map(cell));
            table.push(row);
        }
        table
    }

    /// The aggregates as JSON.
    pub(crate) fn to_json(&self, functions: &[Aggregate], by: Option<&str>) -> Json {
        let object = |((group, variable), series): (&(String, String), &Series)| {
            let mut object = Map::new();
            if by.is_some() {
                object.insert("by".to_owned(), Json::from(group.as_str()));
            }
            object.insert("variable".to_owned(), Json::from(variable.as_str()));
            object.insert("unit".to_owned(), Json::from(series.unit.as_str()));
            for function in functions {
                let number = match function {
                    Aggregate::Count => Json::from(series.numbers.len()),
                    _ => json::float(function.of(&series.numbers)),
                };
                object.insert(function.as_str().to_owned(), number);
            }
            Json::Object(object)
        };
        self.series.iter().map(object).collect()
    }
}

/// A computed number as people see it: further digits say nothing in a pipe either.
fn rounded(number: f64) -> f64 {
    if number.abs() < 1e-3 || number.abs() >= 1e11 { number } else { (number * 1e4).round() / 1e4 }
}

impl Aggregate {
    /// The word on the command line and in output.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Sum => "sum",
            Self::Count => "count",
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
        }
    }

    /// The function of numbers in ascending order; there is at least one.
    fn of(self, numbers: &[f64]) -> f64 {
        #[allow(clippy::cast_precision_loss)]
        let count = numbers.len() as f64;
        match self {
            Self::Avg => numbers.iter().sum::<f64>() / count,
            Self::Min => quantile(numbers, 0),
            Self::Max => quantile(numbers, 100),
            Self::Sum => numbers.iter().sum(),
            Self::Count => count,
            Self::P50 => quantile(numbers, 50),
            Self::P95 => quantile(numbers, 95),
            Self::P99 => quantile(numbers, 99),
        }
    }
}

/// The smallest number that `percent` of the numbers do not exceed.
fn quantile(numbers: &[f64], percent: usize) -> f64 {
    let rank = (numbers.len() * percent).div_ceil(100).max(1);
    numbers.get(rank - 1).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::output::tests::values;

    const ALL: [Aggregate; 8] = [
        Aggregate::Avg,
        Aggregate::Min,
        Aggregate::Max,
        Aggregate::Sum,
        Aggregate::Count,
        Aggregate::P50,
        Aggregate::P95,
        Aggregate::P99,
    ];

    fn check(numbers: &[f64], expected: [f64; 8]) {
        for (function, expected) in ALL.into_iter().zip(expected) {
            let value = function.of(numbers);
            assert!((value - expected).abs() < 1e-9, "{function:?} of {numbers:?} is {value}");
        }
    }

    #[test]
    fn functions_compute_what_they_say() {
        check(&[3.0], [3.0, 3.0, 3.0, 3.0, 1.0, 3.0, 3.0, 3.0]);
        check(&[1.0, 2.0], [1.5, 1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 2.0]);
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        check(&hundred, [50.5, 1.0, 100.0, 5050.0, 100.0, 50.0, 95.0, 99.0]);
    }

    #[test]
    fn computed_numbers_have_four_digits_after_the_point() {
        for (number, expected) in [(1.0 / 3.0, 0.3333), (2.0, 2.0), (1e-9, 1e-9), (1e300, 1e300)] {
            assert_eq!(rounded(number), expected);
        }
    }

    #[test]
    fn nodes_are_grouped_and_what_is_no_number_is_left_out() {
        let load = |node: &str, value: Value| values(node, &[("system.load {thread}", value)]);
        let replies = [
            load("web1", Value::Float(1.0)),
            load("web2", Value::Int(3)),
            load("db1", Value::Float(8.0)),
            load("db2", Value::Float(f64::NAN)),
            load("db3", Value::from("x")),
        ];
        let group = |node: &str| node.trim_end_matches(char::is_numeric).to_owned();
        let aggregates = Aggregates::of(&replies, group);
        assert_eq!(aggregates.left_out, 2);
        let functions = [Aggregate::Avg, Aggregate::Count];
        let printed = aggregates.table(&functions, Some("labels.role"), false);
        assert_eq!(
            printed.render(None),
            "labels.role\tvariable\tunit\tavg\tcount\n\
             db\tsystem.load\t{thread}\t8.0\t1\n\
             web\tsystem.load\t{thread}\t2.0\t2\n"
        );
        assert_eq!(
            aggregates.to_json(&functions, None)[1],
            json!({"variable": "system.load", "unit": "{thread}", "avg": 2.0, "count": 2})
        );
    }
}
