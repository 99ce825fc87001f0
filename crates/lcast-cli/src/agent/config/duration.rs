//! Durations as people write them: `500ms`, `60s`, `5m`, `1h`, `1d`.

use std::time::Duration;

/// Text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no duration; write a whole number and a unit: 500ms, 60s, 5m, 1h or 1d")]
pub struct DurationError(pub String);

/// Reads a whole number followed by `ms`, `s`, `m`, `h` or `d`.
///
/// # Errors
/// When the text is anything else, or more than a hundred years.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    const YEARS_100: u64 = 36_525 * 86_400;
    let parse = || {
        let end = text.find(|char: char| !char.is_ascii_digit())?;
        let (number, unit) = text.split_at(end);
        let number: u64 = number.parse().ok()?;
        let duration = match unit {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            "d" => Duration::from_secs(number.checked_mul(86_400)?),
            _ => return None,
        };
        (duration.as_secs() <= YEARS_100).then_some(duration)
    };
    parse().ok_or_else(|| DurationError(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        let cases = [
            ("500ms", Some(500)),
            ("60s", Some(60_000)),
            ("5m", Some(300_000)),
            ("1h", Some(3_600_000)),
            ("1d", Some(86_400_000)),
            ("0s", Some(0)),
            ("36525d", Some(36_525 * 86_400_000)),
            ("36526d", None),
            ("60", None),
            ("s", None),
            ("", None),
            ("-1s", None),
            ("1.5s", None),
            ("1 s", None),
            ("1w", None),
            ("99999999999999999999s", None),
            ("18446744073709551615d", None),
        ];
        for (text, millis) in cases {
            assert_eq!(parse_duration(text).ok(), millis.map(Duration::from_millis), "{text}");
        }
    }
}
