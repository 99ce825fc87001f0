//! Which nodes and which variables: selectors and patterns from the network, and as people write
//! them.

use std::str;
use std::sync::OnceLock;

use lcast_proto::name::Name;
use lcast_proto::select::{
    Pattern, Predicate, Scope, Selector, encoded_size, patterns_from_cbor, patterns_to_cbor,
};
use lcast_proto::value::{Type, Value};
use lcast_proto::variable::{Definition, Kind, Table, Update};
use lcast_proto::wire::cbor;

use crate::realm::NOW;
use crate::text;

/// A selector and its patterns as a packet carries them, and its predicate at a node.
pub(crate) fn selector(input: &[u8]) {
    let mut rest = input;
    let Ok(item) = cbor::parse_prefix(&mut rest) else { return };
    if let Ok(patterns) = patterns_from_cbor(&item) {
        let again = patterns_from_cbor(&patterns_to_cbor(&patterns)).expect("patterns read back");
        assert_eq!(again.len(), patterns.len());
    }
    let Ok(selector) = Selector::from_cbor(&item) else { return };
    let again = selector.to_cbor();
    let again = Selector::from_cbor(&again).expect("a selector reads back");
    assert_eq!(cbor::encode(&again.to_cbor()), cbor::encode(&selector.to_cbor()));
    selector.picks("web1", |key| (key == "role").then_some("web"));
    if let Some(predicate) = &selector.predicate {
        evaluate(predicate);
    }
}

/// A predicate as somebody writes it: what parses travels, and costs a bounded number of steps.
pub(crate) fn predicate(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    match Predicate::parse(text) {
        Ok(predicate) => {
            let item = predicate.to_cbor();
            let again = Predicate::from_cbor(&item).expect("a predicate reads back");
            assert_eq!(cbor::encode(&again.to_cbor()), cbor::encode(&item));
            evaluate(&predicate);
        }
        Err(error) => assert!(!error.render(text).is_empty()),
    }
}

/// A pattern as somebody writes it.
pub(crate) fn pattern(input: &[u8]) {
    text::round_trip::<Pattern>(input);
    let Ok(text) = str::from_utf8(input) else { return };
    match text.parse::<Pattern>() {
        Ok(pattern) => {
            assert!(pattern.select(table()).count() <= table().entries().count());
            let selector = Selector::default();
            encoded_size(&selector, &[pattern]).ok();
        }
        Err(error) => assert!(!error.render().is_empty()),
    }
}

fn evaluate(predicate: &Predicate) {
    let scope = Scope {
        table: table(),
        labels: &[("role", "web")],
        name: "web1",
        id: "ab12",
        roles: &["operator"],
        now: NOW.wall,
        readable: &|name: &Name| name.to_string() != "app.secret",
    };
    let first = format!("{:?}", predicate.evaluate(&scope));
    assert_eq!(first, format!("{:?}", predicate.evaluate(&scope)), "not the same twice");
}

/// A small table with every type, made once.
pub(crate) fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(make_table)
}

/// A table like it.
pub(crate) fn make_table() -> Table {
    let mut table = Table::new(1);
    let values = [
        ("app.flag", Value::Bool(true)),
        ("app.count", Value::Int(i64::MAX)),
        ("app.ratio", Value::Float(0.25)),
        ("app.text", Value::from("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")),
        ("app.secret", Value::from("hidden")),
        ("app.since", Value::Timestamp(NOW.wall)),
        ("app.list", Value::List(vec![Value::Int(1), Value::from("x")])),
    ];
    for (name, value) in values {
        define(&mut table, name, &value);
        update(&mut table, name, value);
    }
    define(&mut table, "app.disk[*].usage", &Value::Int(0));
    for key in 0..50 {
        update(&mut table, &format!("app.disk[\"d{key}\"].usage"), Value::Int(key));
    }
    table
}

fn define(table: &mut Table, template: &str, value: &Value) {
    let value_type = match value {
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Float(_) => Type::Float,
        Value::Timestamp(_) => Type::Timestamp,
        Value::List(_) => Type::List,
        _ => Type::Text,
    };
    let definition = Definition {
        template: template.to_owned(),
        value_type,
        unit: String::new(),
        description: String::new(),
        kind: Kind::Gauge,
        setting: None,
    };
    table.define(definition).expect("a valid definition");
}

fn update(table: &mut Table, name: &str, value: Value) {
    let name = name.parse().expect("a valid name");
    let update = Update { name, value, time: None, version: None };
    table.update(NOW, update).expect("a defined variable");
}
