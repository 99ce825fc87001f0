//! Events and values as flat bytes, for languages in which each call of C costs more than reading.
//!
//! The layout stands in [`crate::api::packed`].

use crate::event::{Account, Event, Item, Listed};
use crate::tree::Tree;

/// The classes of which a report lists the nodes, as `lcast_class` numbers them.
const LISTED: std::ops::RangeInclusive<i32> = 2..=7;

/// Adds an event, with its length before it.
pub(crate) fn event(event: &Event, out: &mut Vec<u8>) {
    part(out, |out| {
        out.push(event.kind as u8);
        out.push(event.class as u8);
        out.extend(event.lost.to_le_bytes());
        for text in [&event.node, &event.reason, &event.message] {
            bytes(text.as_str().as_bytes(), out);
        }
        part(out, |out| event.items.iter().for_each(|it| item(it, out)));
        part(out, |out| {
            event.removed.iter().for_each(|name| bytes(name.as_str().as_bytes(), out));
        });
        part(out, |out| {
            if let Some(it) = &event.report {
                account(it, out);
            }
        });
    });
}

fn item(item: &Item, out: &mut Vec<u8>) {
    for text in [&item.name, &item.unit, &item.version, &item.result, &item.message] {
        bytes(text.as_str().as_bytes(), out);
    }
    out.extend(item.time_ms.to_le_bytes());
    out.extend(item.age_ms.to_le_bytes());
    out.extend(item.skipped.to_le_bytes());
    part(out, |out| {
        if let Some(value) = &item.value {
            tree(value, out);
        }
    });
}

fn account(account: &Account, out: &mut Vec<u8>) {
    let report = &account.report;
    for flag in [report.is_complete(), report.heard, report.sent] {
        out.push(u8::from(flag));
    }
    for count in [report.expected, report.alive, report.answered, report.rounds] {
        out.extend(count.to_le_bytes());
    }
    out.extend(crate::api::report::elapsed_us(report).to_le_bytes());
    for class in LISTED {
        let nodes = account.nodes(class).unwrap_or_default();
        part(out, |out| nodes.iter().for_each(|node| listed(node, out)));
    }
}

fn listed(node: &Listed, out: &mut Vec<u8>) {
    for text in [&node.node, &node.reason, &node.message] {
        bytes(text.as_str().as_bytes(), out);
    }
    out.extend(node.last_heard_ms.unwrap_or(-1).to_le_bytes());
    out.push(u8::from(node.outcome_unknown));
}

/// Adds a value.
pub(crate) fn tree(tree: &Tree, out: &mut Vec<u8>) {
    out.push(crate::api::value::type_of(tree) as u8);
    match tree {
        Tree::Null => {}
        Tree::Bool(it) => out.push(u8::from(*it)),
        Tree::Int(it) | Tree::Timestamp(it) => out.extend(it.to_le_bytes()),
        Tree::Float(it) => out.extend(it.to_le_bytes()),
        Tree::Text(it) => out.extend(it.as_str().as_bytes()),
        Tree::Bytes(it) => out.extend(it),
        Tree::List(items, _) => items.iter().for_each(|it| part(out, |out| self::tree(it, out))),
        Tree::Map(items, _) => {
            for (key, it) in items {
                bytes(key.as_str().as_bytes(), out);
                part(out, |out| self::tree(it, out));
            }
        }
    }
}

/// Adds bytes with their length before them.
fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    part(out, |out| out.extend(bytes));
}

/// Adds what `write` writes, with its length before it.
fn part(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; 4]);
    write(out);
    let length = u32::try_from(out.len() - start - 4).expect("no event has 4 GiB");
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use lcast::{Timestamp, Value, WatchItem};

    use super::*;

    fn packed(value: Value) -> Vec<u8> {
        let mut out = Vec::new();
        tree(&value.into(), &mut out);
        out
    }

    #[test]
    fn values_are_a_type_and_a_content() {
        assert_eq!(packed(Value::Null), [0]);
        assert_eq!(packed(Value::Bool(true)), [1, 1]);
        assert_eq!(packed(Value::Int(-2)), [2, 254, 255, 255, 255, 255, 255, 255, 255]);
        assert_eq!(packed(Value::Float(1.0)), [3, 0, 0, 0, 0, 0, 0, 240, 63]);
        assert_eq!(packed(Value::Text("\0\u{e9}".into())), [4, 0, 0xC3, 0xA9]);
        assert_eq!(packed(Value::Bytes(vec![0, 255])), [5, 0, 255]);
        assert_eq!(
            packed(Value::Timestamp(Timestamp::from_millis(1))),
            [6, 1, 0, 0, 0, 0, 0, 0, 0]
        );
        let list = Value::List(vec![Value::Null, Value::Bool(false)]);
        assert_eq!(packed(list), [7, 1, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0]);
        let map = Value::Map([("k".to_owned(), Value::Null)].into());
        assert_eq!(packed(map), [8, 1, 0, 0, 0, b'k', 1, 0, 0, 0, 0]);
    }

    #[test]
    fn an_event_is_what_was_said() {
        let mut out = Vec::new();
        event(&WatchItem::Overflow(3).try_into().unwrap(), &mut out);
        let mut wanted = vec![34, 0, 0, 0, 6, 0, 3, 0, 0, 0, 0, 0, 0, 0];
        wanted.extend([0; 24]);
        assert_eq!(out, wanted);
    }
}
