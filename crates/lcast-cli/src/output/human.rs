//! Values, ages and numbers as people like to read them.

use std::collections::BTreeMap;
use std::time::Duration;

use lcast_proto::time::Timestamp;
use lcast_proto::value::Value;

use crate::json;

/// Most characters of a value that a terminal shows: about a screen full. More would cost more to
/// lay out than anyone reads.
pub(crate) const SHOWN_MAX: usize = 2000;

/// A value as text: exact for a pipe, shortened for a terminal.
pub(crate) fn value(value: &Value, unit: &str, terminal: bool) -> String {
    match value {
        Value::Text(text) if terminal => beginning(text).to_owned(),
        Value::Text(text) => text.clone(),
        Value::Timestamp(time) => time.to_string(),
        Value::Int(number) if terminal && unit == "By" => bytes(*number as f64),
        Value::Float(number) if terminal && unit == "By" && number.is_finite() => bytes(*number),
        Value::Float(number) => float(*number, terminal),
        Value::Null | Value::Bool(_) | Value::Int(_) => json::value(value).to_string(),
        Value::Bytes(_) | Value::List(_) | Value::Map(_) if terminal => {
            json::value(&pruned(value, &mut (SHOWN_MAX + 1))).to_string()
        }
        Value::Bytes(_) | Value::List(_) | Value::Map(_) => json::value(value).to_string(),
    }
}

/// The beginning of a text, of which [`cut`] sees whether there is more.
pub(crate) fn beginning(text: &str) -> &str {
    text.char_indices().nth(SHOWN_MAX + 1).map_or(text, |(end, _)| &text[..end])
}

/// A text as a terminal shows it.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// As much of a value as makes a text of so many characters; what is left out would come later.
fn pruned(value: &Value, left: &mut usize) -> Value {
    let pruned = match value {
        Value::Text(text) => Value::from(beginning(text)),
        Value::Bytes(bytes) => Value::Bytes(bytes[..bytes.len().min(SHOWN_MAX + 1)].to_vec()),
        Value::List(items) => {
            let mut kept = Vec::new();
            for item in items {
                if *left == 0 {
                    break;
                }
                kept.push(self::pruned(item, left));
            }
            Value::List(kept)
        }
        Value::Map(items) => {
            let mut kept = BTreeMap::new();
            for (key, item) in items {
                if *left == 0 {
                    break;
                }
                *left = left.saturating_sub(key.chars().count());
                kept.insert(key.clone(), self::pruned(item, left));
            }
            Value::Map(kept)
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Timestamp(_) => {
            value.clone()
        }
    };
    let length = match &pruned {
        Value::Text(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(_) | Value::Map(_) | Value::Null | Value::Bool(_) | Value::Int(_) => 1,
        Value::Float(_) | Value::Timestamp(_) => 1,
    };
    *left = left.saturating_sub(length.max(1));
    pruned
}

/// A float as text: all its digits, or at most four after the point for a terminal.
pub(crate) fn float(number: f64, terminal: bool) -> String {
    match json::float(number) {
        serde_json::Value::String(word) => word,
        exact if !terminal || number.abs() >= 1e15 || (number != 0.0 && number.abs() < 1e-3) => {
            exact.to_string()
        }
        _ => {
            let text = format!("{number:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}

/// Bytes in a unit that fits. Those of five digits at most are exact: a packet or an MTU is among
/// them, of which 1400 and 1500 are the same in KiB to a digit.
fn bytes(number: f64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    const EXACT_BELOW: f64 = 100_000.0;
    if number.abs() < EXACT_BELOW {
        return format!("{number:.0} B");
    }
    let mut number = number;
    let mut unit = 0;
    while number.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        number /= 1024.0;
        unit += 1;
    }
    format!("{number:.1} {}", UNITS[unit])
}

/// A duration in its largest fitting unit.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{:.1} ms", duration.as_secs_f64() * 1000.0),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// How long ago that was; a time in the future is no time ago.
pub(crate) fn ago(time: Option<Timestamp>, now: Timestamp) -> String {
    let Some(time) = time else {
        return "never".to_owned();
    };
    let millis = now.as_millis().saturating_sub(time.as_millis());
    format!("{} ago", duration(Duration::from_millis(u64::try_from(millis).unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_exact_for_pipes_and_short_for_people() {
        let cases = [
            (Value::Int(3_221_225_472), "By", "3221225472", "3.0 GiB"),
            (Value::Int(-5), "By", "-5", "-5 B"),
            (Value::Int(1400), "By", "1400", "1400 B"),
            (Value::Int(65_535), "By", "65535", "65535 B"),
            (Value::Int(99_999), "By", "99999", "99999 B"),
            (Value::Int(100_000), "By", "100000", "97.7 KiB"),
            (Value::Float(f64::NAN), "By", "NaN", "NaN"),
            (Value::Float(0.123_456_789), "1", "0.123456789", "0.1235"),
            (Value::Float(2.0), "s", "2.0", "2"),
            (Value::Float(1e-9), "s", "1e-9", "1e-9"),
            (Value::Float(f64::NAN), "", "NaN", "NaN"),
            (Value::Null, "", "null", "null"),
            (Value::from("a b"), "", "a b", "a b"),
            (Value::List(vec![Value::from("x")]), "", r#"["x"]"#, r#"["x"]"#),
        ];
        for (input, unit, piped, drawn) in cases {
            assert_eq!(value(&input, unit, false), piped);
            assert_eq!(value(&input, unit, true), drawn);
        }
    }

    /// Whatever a value is made of, it costs no more than a screen full, and that it is cut shows.
    #[test]
    fn a_long_value_is_cut_for_people_only() {
        let text = Value::from("\u{e9}".repeat(100_000));
        let nested = Value::List(vec![Value::List(vec![Value::Null; 3]); 30_000]);
        let map = (0..30_000).map(|it| (format!("{it}"), Value::List(Vec::new()))).collect();
        for long in [
            text.clone(),
            Value::Bytes(vec![b'x'; 100_000]),
            Value::List(vec![Value::from(""); 100_000]),
            Value::List(vec![text.clone(), text.clone(), text.clone()]),
            Value::Map(BTreeMap::from([("a".to_owned(), text)])),
            Value::Map(map),
            nested,
        ] {
            let (piped, drawn) = (value(&long, "", false), value(&long, "", true));
            assert!(piped.chars().count() >= 100_000 && drawn.chars().count() < 20_000);
            let expected: String = piped.chars().take(SHOWN_MAX).collect();
            assert_eq!(cut(&drawn), expected + "...");
        }
    }

    #[test]
    fn ages_are_in_their_largest_unit() {
        let now = Timestamp::from_millis(1_000_000_000);
        for (millis, text) in [
            (0, "0.0 ms ago"),
            (-5000, "0.0 ms ago"),
            (41, "41.0 ms ago"),
            (2000, "2.0 s ago"),
            (90_000, "1 min ago"),
            (7_200_000, "2 h ago"),
            (172_800_000, "2 d ago"),
        ] {
            let time = Timestamp::from_millis(now.as_millis() - millis);
            assert_eq!(ago(Some(time), now), text);
        }
        assert_eq!(ago(None, now), "never");
    }
}
