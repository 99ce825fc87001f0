//! What predicates say about a node.

use std::collections::BTreeMap;

use super::{evaluate, scope, table};
use lcast_proto::name::Name;
use lcast_proto::select::{Outcome, Predicate, Scope};
use lcast_proto::time::Timestamp;
use lcast_proto::value::Value;
use lcast_proto::variable::Table;

fn node() -> Table {
    let texts = |texts: &[&str]| Value::List(texts.iter().map(|text| Value::from(*text)).collect());
    let config = BTreeMap::from([
        ("mode".to_owned(), Value::from("fast")),
        ("Depth".to_owned(), Value::Int(3)),
        ("none".to_owned(), Value::Null),
    ]);
    table(&[
        ("system.cpu.load_1m", Value::Float(2.5)),
        ("system.memory.usage", Value::Int(3_000)),
        ("system.memory.limit", Value::Int(4_000)),
        ("system.boot_time", Value::Timestamp(Timestamp::from_millis(1_795_338_000_000))),
        (r#"system.filesystem["/"].utilization"#, Value::Float(0.5)),
        (r#"system.filesystem["/var"].utilization"#, Value::Float(0.95)),
        (r#"system.filesystem["/var"].type"#, Value::from("ext4")),
        (r#"hw.temperature["cpu"]"#, Value::Float(71.0)),
        ("os.kernel.release", Value::from("6.1.0-9-amd64")),
        ("host.ip", texts(&["10.0.0.7", "192.0.2.1"])),
        ("app.release", Value::Null),
        ("app.on", Value::Bool(true)),
        ("app.config", Value::Map(config)),
        ("app.raw", Value::Bytes(b"abc".to_vec())),
        ("app.nan", Value::Float(f64::NAN)),
        ("app.empty", Value::List(Vec::new())),
        ("app.max", Value::Int(i64::MAX)),
        ("app.name", Value::from("k\u{e4}se")),
    ])
}

fn check(text: &str, expected: Outcome) {
    let table = node();
    assert_eq!(evaluate(text, &table), expected, "{text}");
    // What is displayed, and what travels, means the same.
    let predicate = Predicate::parse(text).unwrap();
    let shown = predicate.to_string();
    assert_eq!(Predicate::parse(&shown).as_ref(), Ok(&predicate), "{text} shown as {shown}");
    assert_eq!(Predicate::from_cbor(&predicate.to_cbor()).as_ref(), Ok(&predicate), "{text}");
}

fn error(part: &str) -> Outcome {
    Outcome::Error(part.to_owned())
}

/// [SEL-32] [SEL-35] [SEL-37] [SEL-39] [SEL-43]
#[test]
fn true_is_a_match() {
    for text in [
        "true",
        "app.on",
        "system.cpu.load_1m > 2",
        "system.cpu.load_1m >= 2.5 && system.memory.usage < system.memory.limit",
        "labels.role == \"web\"",
        "labels['site'] in ['east', \"west\"]",
        "node.name.startsWith(\"web\") && \"operator\" in node.roles",
        "now - system.boot_time > duration(\"59m\")",
        "now - duration(\"1h\") == system.boot_time",
        "now == timestamp(\"2026-11-22T10:00:00Z\")",
        "system.filesystem[\"/var\"].utilization > 0.9",
        "system.filesystem.exists(k, system.filesystem[k].utilization > 0.9)",
        "!system.filesystem.all(k, system.filesystem[k].utilization > 0.9)",
        "system.filesystem.exists(m, m.matches(\"^/v\") && system.filesystem[m].type == 'ext4')",
        "hw.temperature.exists(k, hw.temperature[k] > 70)",
        "system.cpu.exists(k, k == \"load_1m\" && system.cpu[k] > 2)",
        "host.ip.exists(ip, ip.startsWith(\"10.\"))",
        "\"10.0.0.7\" in host.ip && host.ip[1] == \"192.0.2.1\"",
        "size(host.ip) == 2 && host.ip.size() == 2",
        "size(system.filesystem) == 2 && size(system.memory) == 2 && size(labels) == 2",
        "\"/var\" in system.filesystem && !(\"/tmp\" in system.filesystem)",
        "vercmp(os.kernel.release, \"6.1.0-28\") < 0",
        "app.config.mode == \"fast\" && app.config[\"Depth\"] == 3 && app.config.Depth == 3",
        "has(app.config.mode) && !has(app.config.other) && has(app.config.none)",
        "has(system.filesystem[\"/var\"])",
        "!has(nothing.here)",
        "system.?gpu.load.orValue(0) == 0",
        "system.?cpu.load_1m.orValue(0) == 2.5",
        "app.config[?\"mode\"].orValue(\"slow\") == \"fast\"",
        "3 / 2 == 1.5 && 4 / 2 == 2 && 7 % 4 == 3 && -7 % 4 == -3 && 1 + 1.5 == 2.5",
        "2 * 3 + 4 == 10 && 2 + 3 * 4 == 14 && (2 + 3) * 4 == 20 && 10 - 3 - 2 == 5",
        "int(\"42\") == 42 && int(3.9) == 3 && double(\"1.5\") == 1.5 && string(12) == \"12\"",
        "string(app.raw) == \"abc\" && size(app.raw) == 3 && size(app.name) == 4",
        "string(duration(\"1.5s\")) == \"1.5s\" && int(now) == 1795341600",
        "\"a\" < \"b\" && false < true && \"x\" != 1 && 1 == 1.0",
        "system.cpu.load_1m > 2 ? labels.role == \"web\" : false",
        "app.name.contains(\"s\") && app.name.endsWith(\"se\") && app.name.matches(\"^k.se$\")",
        "1.0 / 0.0 > 1e300 && app.empty.all(k, false) && !app.empty.exists(k, true)",
        "0x10 == 16 && -9223372036854775808 < 0 && .5 == 0.5 && 1e3 == 1000",
        "r\"\\d\" == \"\\\\d\" && \"\\u00e4\" == \"\\U000000e4\" && '\"' == \"\\\"\"",
    ] {
        check(text, Outcome::Match);
    }
}

/// [SEL-37]
#[test]
fn false_is_no_match() {
    for text in
        ["false", "!app.on", "system.cpu.load_1m > 3", "labels.role == \"db\"", "1 == \"1\""]
    {
        check(text, Outcome::NoMatch);
    }
}

/// [SEL-37]
#[test]
fn what_is_missing_or_null_is_undefined() {
    for text in [
        "system.gpu.load > 1",
        "nothing.here == 1",
        "labels.rack == \"a\"",
        "node.colour == \"red\"",
        "app.release == \"1\"",
        "app.release",
        "!app.release",
        "-app.release == 1",
        "size(app.release) == 0",
        "app.release in [1]",
        "app.config.none.deeper == 1",
        "app.config.other == 1",
        "host.ip[2] == \"\"",
        "system.filesystem[\"/tmp\"].utilization > 0.1",
        "has(nothing.here.deeper)",
        "app.?release.orValue(1) == 1",
        "nothing.here.exists(k, true)",
        "system.filesystem.exists(k, system.filesystem[k].type == \"xfs\")",
        "system.gpu.load > 1 && true",
        "system.gpu.load > 1 || false",
        "nothing.here ? true : true",
    ] {
        check(text, Outcome::Undefined);
    }
}

/// [SEL-37] [SEL-39] [SEL-40] [SEL-44]
#[test]
fn what_else_goes_wrong_is_an_error() {
    for (text, message) in [
        ("1 / 0 > 1", "division by zero"),
        ("1.5 / 0 > 1", "division by zero"),
        ("1 % 0 > 1", "division by zero"),
        ("app.max + 1 > 0", "+ overflows"),
        ("app.max * 2 > 0", "* overflows"),
        ("-9223372036854775808 / -1 > 0", "/ overflows"),
        ("-app.max - 2 < 0", "- overflows"),
        ("now + duration(\"87600000h\") > now", "+ overflows"),
        ("\"a\" + \"b\" == \"ab\"", "+ does not take text and text"),
        ("\"a\" < 1", "< does not take text and int"),
        ("1.5 % 1.0 == 0.5", "% does not take float and float"),
        ("app.nan > 1", "NaN is neither less nor greater"),
        ("host.ip == 1 || host.ip", "the predicate is a list, not true or false"),
        ("system.memory", "the predicate is a map, not true or false"),
        ("system.cpu.load_1m && true", "the predicate is a float, not true or false"),
        ("system.cpu.load_1m.deeper == 1", "access does not take float and text"),
        ("int(\"x\") == 1", "this text is no int"),
        ("size(1) == 1", "size does not take int"),
        ("size(system.memory.usage) == 1", "size does not take int"),
        ("1 in 2", "in does not take int and int"),
        ("app.max.matches(\"a\")", "matches does not take int"),
        ("app.max.exists(k, true)", "exists does not take int"),
        ("int(1e19) == 1", "int overflows"),
        ("nothing.here && 1 / 0 > 1", "division by zero"),
        ("1 / 0 > 1 || nothing.here", "division by zero"),
    ] {
        check(text, error(message));
    }
}

/// [SEL-38]
#[test]
fn chains_absorb_what_they_can() {
    for (text, expected) in [
        ("false && 1 / 0 > 1", Outcome::NoMatch),
        ("1 / 0 > 1 && false", Outcome::NoMatch),
        ("nothing.here && 1 / 0 > 1 && false", Outcome::NoMatch),
        ("true || nothing.here", Outcome::Match),
        ("nothing.here || 1 / 0 > 1 || true", Outcome::Match),
        ("1 && false", Outcome::NoMatch),
        ("host.ip.exists(k, k == \"192.0.2.1\" || 1 / 0 > 1)", Outcome::Match),
        ("host.ip.all(k, k == \"192.0.2.1\" && nothing.here)", Outcome::NoMatch),
    ] {
        check(text, expected);
    }
}

/// [SEL-36]
#[test]
fn what_the_asker_may_not_read_does_not_exist() {
    let table = node();
    let hidden = |name: &Name| !name.template().contains("utilization");
    let scope = Scope { readable: &hidden, ..scope(&table) };
    for (text, expected) in [
        ("system.filesystem[\"/var\"].utilization > 0.9", Outcome::Undefined),
        ("has(system.filesystem[\"/\"])", Outcome::NoMatch),
        ("\"/\" in system.filesystem", Outcome::NoMatch),
        ("size(system.filesystem) == 1", Outcome::Match),
        ("system.filesystem.all(k, k == \"/var\")", Outcome::Match),
        ("system.filesystem.exists(k, system.filesystem[k].utilization > 0)", Outcome::Undefined),
        ("system.filesystem.exists(k, system.filesystem[k].type == \"ext4\")", Outcome::Match),
    ] {
        assert_eq!(Predicate::parse(text).unwrap().evaluate(&scope), expected, "{text}");
    }
}

/// [SEL-34]
#[test]
fn so_many_keys_are_read_and_no_more() {
    for (count, text, expected) in [
        (4096, "app.keys.all(k, true)", Outcome::Match),
        (4096, "app.keys.exists(k, false)", Outcome::NoMatch),
        (4097, "app.keys.all(k, true)", error("exists and all read at most 4096 keys")),
        (4097, "app.keys.exists(k, false)", error("exists and all read at most 4096 keys")),
        (4097, "app.keys.all(k, false)", Outcome::NoMatch),
        (4097, "app.keys.exists(k, true)", Outcome::Match),
    ] {
        let keys = (0..count).map(|key| (format!("{key:04}"), Value::Null)).collect();
        let table = table(&[("app.keys", Value::Map(keys))]);
        assert_eq!(evaluate(text, &table), expected, "{text} of {count}");
    }
}

/// [SEL-43]
#[test]
fn what_may_be_missing_needs_a_value_in_its_place() {
    for (text, part) in [
        ("app.?release == 1", "end it with .orValue(x)"),
        ("app.release.orValue(1) == 1", "orValue needs a path with '?'"),
    ] {
        let error = Predicate::parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    assert!(Predicate::parse("has(app.?release.version)").is_ok());
}
