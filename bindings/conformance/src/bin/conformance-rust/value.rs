//! Values in the form of the scenario, which is the same in every language.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, bail};
use lcast::{Timestamp, Type, Value};
use lcast_conformance::line::{escape, unescape};

/// The value as the scenario writes it.
pub(crate) fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(number) => format!("i{number}"),
        Value::Float(number) if number.is_nan() => "fnan".to_owned(),
        Value::Float(number) => format!("f{:016x}", number.to_bits()),
        Value::Text(text) => format!("\"{}\"", escape(text)),
        Value::Bytes(bytes) => {
            let mut text = "b".to_owned();
            bytes.iter().for_each(|byte| write!(text, "{byte:02x}").expect("texts take all"));
            text
        }
        Value::Timestamp(time) => format!("t{}", time.as_millis()),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(show).collect();
            format!("[{}]", items.join(","))
        }
        Value::Map(items) => {
            let pair =
                |(key, item): (&String, &Value)| format!("\"{}\":{}", escape(key), show(item));
            let items: Vec<String> = items.iter().map(pair).collect();
            format!("{{{}}}", items.join(","))
        }
    }
}

/// The value that [`show`] wrote.
pub(crate) fn parse(text: &str) -> anyhow::Result<Value> {
    let mut rest = text;
    let value = take(&mut rest).with_context(|| format!("'{text}' is no value"))?;
    if !rest.is_empty() {
        bail!("'{text}': '{rest}' follows the value");
    }
    Ok(value)
}

/// The type of this name.
pub(crate) fn type_named(name: &str) -> anyhow::Result<Type> {
    let found = Type::ALL.into_iter().find(|it| it.as_str() == name);
    found.with_context(|| format!("'{name}' is no type"))
}

fn take(rest: &mut &str) -> anyhow::Result<Value> {
    let first = rest.chars().next().context("it ends too early")?;
    Ok(match first {
        '"' => Value::Text(take_text(rest)?),
        '[' => Value::List(take_list(rest)?),
        '{' => Value::Map(take_map(rest)?),
        _ => {
            let end = rest.find([',', ']', '}']).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            *rest = after;
            scalar(word)?
        }
    })
}

fn scalar(word: &str) -> anyhow::Result<Value> {
    Ok(match (word, word.split_at(1)) {
        ("null", _) => Value::Null,
        ("true", _) => Value::Bool(true),
        ("false", _) => Value::Bool(false),
        ("fnan", _) => Value::Float(f64::NAN),
        (_, ("i", digits)) => Value::Int(digits.parse()?),
        (_, ("t", digits)) => Value::Timestamp(Timestamp::from_millis(digits.parse()?)),
        (_, ("f", digits)) => Value::Float(f64::from_bits(u64::from_str_radix(digits, 16)?)),
        (_, ("b", digits)) => {
            let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2).unwrap_or("?"), 16);
            let bytes = (0..digits.len()).step_by(2).map(byte);
            Value::Bytes(bytes.collect::<Result<_, _>>()?)
        }
        _ => bail!("'{word}' is no scalar"),
    })
}

fn take_text(rest: &mut &str) -> anyhow::Result<String> {
    let body = rest.strip_prefix('"').context("no opening quote")?;
    let (text, after) = body.split_once('"').context("no closing quote")?;
    *rest = after;
    unescape(text)
}

fn take_list(rest: &mut &str) -> anyhow::Result<Vec<Value>> {
    let mut items = Vec::new();
    *rest = &rest[1..];
    while !take_end(rest, ']', items.is_empty())? {
        items.push(take(rest)?);
    }
    Ok(items)
}

fn take_map(rest: &mut &str) -> anyhow::Result<BTreeMap<String, Value>> {
    let mut items = BTreeMap::new();
    *rest = &rest[1..];
    while !take_end(rest, '}', items.is_empty())? {
        let key = take_text(rest)?;
        *rest = rest.strip_prefix(':').context("no : behind a key")?;
        items.insert(key, take(rest)?);
    }
    Ok(items)
}

/// Whether the list ends here; else takes the comma, which stands before all items but the first.
fn take_end(rest: &mut &str, end: char, first: bool) -> anyhow::Result<bool> {
    if let Some(after) = rest.strip_prefix(end) {
        *rest = after;
        return Ok(true);
    }
    if !first {
        *rest = rest.strip_prefix(',').context("no comma between items")?;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_comes_back() {
        for text in [
            "null",
            "true",
            "i-9223372036854775808",
            "f8000000000000000",
            "fnan",
            "t-1",
            "b",
            "b00ff",
            r#""\x22,]}""#,
            r#"[[],{},i1,"a,b",{"":[null]}]"#,
            r#"{"\x00":i1,"a":{"b":b00}}"#,
        ] {
            assert_eq!(show(&parse(text).unwrap()), text);
        }
        for wrong in ["", "i", "i1.5", "f1", "\"", "[i1", "[i1 i2]", "{i1:i2}", "i1,", "b0", "x"] {
            // A float of fewer digits is one with leading zeros.
            assert_eq!(parse(wrong).is_err(), wrong != "f1", "{wrong}");
        }
    }
}
