//! Durations as people write them: `250ms`, `1.5s`, `2m`, `1h`, `30d`.

use std::time::Duration;

/// The longest duration accepted: a hundred years.
const DAYS_MAX: f64 = 36_525.0;

/// Parses a number and one of the units ms, s, m, h, d. Zero is no duration.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|char: char| char.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let wrong = |why: &str| format!("'{text}' {why}; write it like 250ms, 1.5s, 2m, 1h or 30d");
    let well_formed = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let value: f64 = match number.parse() {
        Ok(value) if well_formed => value,
        Ok(_) | Err(_) => return Err(wrong("is no duration")),
    };
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "" => return Err(wrong("lacks a unit")),
        _ => return Err(wrong("has an unknown unit")),
    };
    let seconds = value * seconds;
    if seconds > DAYS_MAX * 86_400.0 {
        return Err(wrong("is more than a hundred years"));
    }
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Ok(_) | Err(_) => Err(wrong("is no time at all")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, millis) in [
            ("1ms", 1),
            ("250ms", 250),
            ("1.5s", 1500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
            ("36525d", 36_525 * 86_400_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for (text, part) in [
            ("", "no duration"),
            ("s", "no duration"),
            ("5", "lacks a unit"),
            ("5w", "unknown unit"),
            ("5 s", "no duration"),
            ("-5s", "no duration"),
            ("+5s", "no duration"),
            ("1e3s", "unknown unit"),
            ("0s", "no time at all"),
            ("1..2s", "no duration"),
            ("36526d", "hundred years"),
        ] {
            let error = parse_duration(text).unwrap_err();
            assert!(error.contains(part) && error.contains("250ms"), "{text}: {error}");
        }
    }
}
