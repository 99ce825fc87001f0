//! Values, ages and numbers as people like to read them.

use std::time::Duration;

use lcast_proto::time::Timestamp;
use lcast_proto::value::Value;

use crate::json;

/// A value as text: exact for a pipe, shortened for a terminal.
pub(crate) fn value(value: &Value, unit: &str, terminal: bool) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Timestamp(time) => time.to_string(),
        Value::Int(number) if terminal && unit == "By" => bytes(*number as f64),
        Value::Float(number) if terminal && unit == "By" => bytes(*number),
        Value::Float(number) => float(*number, terminal),
        Value::Null | Value::Bool(_) | Value::Int(_) => json::value(value).to_string(),
        Value::Bytes(_) | Value::List(_) | Value::Map(_) => json::value(value).to_string(),
    }
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

fn bytes(number: f64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut number = number;
    let mut unit = 0;
    while number.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        number /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0);
    format!("{number:.digits$} {}", UNITS[unit])
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
