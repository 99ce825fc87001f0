//! The corpus of hostile predicates: none panics, none costs more than its budget [SEL-42].

use std::collections::BTreeMap;

use super::{scope, table};
use lcast_proto::name::Name;
use lcast_proto::select::{Predicate, Scope};
use lcast_proto::value::Value;
use lcast_proto::variable::Table;

const FILES: [(&str, &str); 9] = [
    ("chains", include_str!("../../predicates/chains.txt")),
    ("costly", include_str!("../../predicates/costly.txt")),
    ("literals", include_str!("../../predicates/literals.txt")),
    ("nesting", include_str!("../../predicates/nesting.txt")),
    ("numbers", include_str!("../../predicates/numbers.txt")),
    ("regex", include_str!("../../predicates/regex.txt")),
    ("unclosed", include_str!("../../predicates/unclosed.txt")),
    ("unicode", include_str!("../../predicates/unicode.txt")),
    ("valid", include_str!("../../predicates/valid.txt")),
];

/// The notation of the corpus, see `predicates/README.md`.
fn expand(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(char) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("\\\\") {
            text.push('\\');
            rest = after;
        } else if let Some(after) = rest.strip_prefix("\\n") {
            text.push('\n');
            rest = after;
        } else if let Some((code, after)) =
            rest.strip_prefix("\\u{").and_then(|rest| rest.split_once('}'))
        {
            text.push(u32::from_str_radix(code, 16).ok().and_then(char::from_u32).unwrap());
            rest = after;
        } else if let Some((repeated, after)) =
            rest.strip_prefix("<<").and_then(|rest| rest.split_once(">>"))
        {
            let (part, count) = repeated.rsplit_once('*').unwrap();
            text.push_str(&expand(part).repeat(count.parse().unwrap()));
            rest = after;
        } else {
            text.push(char);
            rest = &rest[char.len_utf8()..];
        }
    }
    text
}

fn corpus() -> impl Iterator<Item = (&'static str, &'static str, String)> {
    FILES.into_iter().flat_map(|(file, lines)| {
        let lines = lines.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(move |line| (file, line, expand(line)))
    })
}

/// 4,096 keys of 255 bytes in a branch, a map and a list; texts of 64 KiB; many other variables.
fn large_table() -> Table {
    let keys: Vec<String> =
        (0..4096).map(|number| format!("{}{number:05}", "k".repeat(250))).collect();
    let map: BTreeMap<String, Value> =
        keys.iter().map(|key| (key.clone(), Value::Int(0))).collect();
    let list = Value::List(keys.iter().map(|key| Value::from(key.as_str())).collect());
    let text = Value::Text(format!("{}y", "x".repeat(65_535)));
    let digits = Value::Text(format!("0.{}", "7".repeat(65_534)));
    let mut values = vec![
        ("app.map".to_owned(), Value::Map(map.clone())),
        ("app.copied".to_owned(), Value::Map(map)),
        ("app.list".to_owned(), list.clone()),
        ("app.copies".to_owned(), list),
        ("app.text".to_owned(), text.clone()),
        ("app.copy".to_owned(), text),
        ("app.digits".to_owned(), digits),
    ];
    for key in &keys {
        for (number, child) in (0..).zip(["a", "b", "c", "d"]) {
            values.push((format!("app.big[\"{key}\"].{child}"), Value::Int(number)));
        }
        values.push((format!("app.other[\"{key}\"].b"), Value::Bool(true)));
    }
    for number in 0..40_000 {
        values.push((format!("app.wide[\"{number}\"].x"), Value::Int(number)));
    }
    let values: Vec<(&str, Value)> =
        values.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    table(&values)
}

#[test]
fn no_predicate_panics_or_exceeds_its_budget() {
    let table = large_table();
    let all = scope(&table);
    let none = Scope { readable: &|_: &Name| false, ..all };
    let mut parsed = BTreeMap::from(FILES.map(|(file, _)| (file, 0)));
    for (file, line, text) in corpus() {
        let predicate = match Predicate::parse(&text) {
            Ok(predicate) => predicate,
            Err(error) => {
                assert!(error.at <= text.len(), "{file}: {line}");
                assert!(!error.message.is_empty() && !error.render(&text).is_empty());
                assert!(file != "valid" && file != "costly", "{line}: {}", error.render(&text));
                continue;
            }
        };
        *parsed.entry(file).or_default() += 1;
        for scope in [&all, &none] {
            let (outcome, steps) = predicate.evaluate_counted(scope);
            assert!(steps <= Predicate::STEPS_MAX, "{file}: {line}: {outcome} {steps}");
        }
        assert_eq!(Predicate::from_cbor(&predicate.to_cbor()).as_ref(), Ok(&predicate), "{line}");
        let shown = predicate.to_string();
        assert_eq!(Predicate::parse(&shown).as_ref(), Ok(&predicate), "{line}: {shown}");
    }
    assert!(parsed.values().all(|count| *count > 0), "{parsed:?}");
}
