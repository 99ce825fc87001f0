//! Tests of selectors as a whole.

mod evaluation;
mod hostile;
mod oracle;
mod patterns;
mod selectors;

use lcast_proto::name::Name;
use lcast_proto::select::{Outcome, Predicate, Scope};
use lcast_proto::time::{Now, Timestamp};
use lcast_proto::value::Value;
use lcast_proto::variable::{Definition, Kind, Table, Update};

/// A table that holds these values, whatever their types.
pub(super) fn table(values: &[(&str, Value)]) -> Table {
    let mut table = Table::new(1);
    for (name, value) in values {
        let name: Name = name.parse().unwrap();
        let template = name.template();
        let definition = Definition {
            template,
            value_type: value.kind(),
            unit: String::new(),
            description: String::new(),
            kind: Kind::Gauge,
            setting: None,
        };
        table.define(definition).unwrap();
        let update = Update { name, value: value.clone(), time: None, version: None };
        table.update(Now::default(), update).unwrap();
    }
    table
}

/// A scope over a table: node web1, label role=web, role operator, 2026-11-22T10:00:00Z.
pub(super) fn scope(table: &Table) -> Scope<'_> {
    Scope {
        table,
        labels: &[("role", "web"), ("site", "east")],
        name: "web1",
        id: "ab12-cd34",
        roles: &["operator"],
        now: Timestamp::from_millis(1_795_341_600_000),
        readable: &|_| true,
    }
}

pub(super) fn evaluate(text: &str, table: &Table) -> Outcome {
    let predicate = Predicate::parse(text).unwrap_or_else(|error| panic!("{}", error.render(text)));
    predicate.evaluate(&scope(table))
}
