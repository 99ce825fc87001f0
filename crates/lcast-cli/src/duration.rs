//! Durations as people write them, on the command line and in the agent's configuration.
//!
//! `250ms`, `1.5s`, `2m`, `1h`, `30d`, and nothing else. Whether zero makes sense is for who asks.

use std::time::Duration;

/// The longest duration accepted: a hundred years.
pub(crate) const DAYS_MAX: f64 = 36_525.0;

/// Reads a number and one of the units ms, s, m, h, d.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.find(|char: char| char.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let well_formed = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let value: f64 = match number.parse() {
        Ok(value) if well_formed => value,
        Ok(_) | Err(_) => return Err(wrong(text, "is no duration")),
    };
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "" => return Err(wrong(text, "lacks a unit")),
        _ => return Err(wrong(text, "has an unknown unit")),
    };
    let seconds = value * seconds;
    if seconds > DAYS_MAX * 86_400.0 {
        return Err(wrong(text, "is more than a hundred years"));
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong(text, "is no duration"))
}

/// What is wrong with a text, and how to write it.
pub(crate) fn wrong(text: &str, why: &str) -> String {
    format!("'{text}' {why}; write it like 250ms, 1.5s, 2m, 1h or 30d")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, millis) in [
            ("0s", 0),
            ("1ms", 1),
            ("250ms", 250),
            ("1.5s", 1500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
            ("36525d", 36_525 * 86_400_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for (text, part) in [
            ("", "no duration"),
            ("s", "no duration"),
            (".", "no duration"),
            ("5", "lacks a unit"),
            ("5w", "unknown unit"),
            ("5 s", "no duration"),
            ("-5s", "no duration"),
            ("+5s", "no duration"),
            ("1e3s", "unknown unit"),
            ("1..2s", "no duration"),
            ("36526d", "hundred years"),
            ("99999999999999999999s", "hundred years"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part) && error.contains("250ms"), "{text}: {error}");
        }
    }
}
