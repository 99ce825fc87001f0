//! The durations of the command line: [`crate::duration`], but for those that make no sense there.

use std::time::Duration;

use crate::duration::{parse, wrong};

/// A duration that is some time.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        Duration::ZERO => Err(wrong(text, "is no time at all")),
        duration => Ok(duration),
    }
}

/// A duration that goes into packets as whole milliseconds.
pub(crate) fn parse_millis(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    match duration.subsec_nanos() % 1_000_000 {
        0 => Ok(duration),
        _ => Err(wrong(text, "is not in whole milliseconds")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_fractions_of_milliseconds_are_refused_where_they_cannot_be() {
        for (text, some, millis) in [
            ("0s", Err("no time at all"), Err("no time at all")),
            ("10ms", Ok(10_000), Ok(10_000)),
            ("1.005s", Ok(1_005_000), Ok(1_005_000)),
            ("10.5ms", Ok(10_500), Err("whole milliseconds")),
            ("0.1ms", Ok(100), Err("whole milliseconds")),
        ] {
            for (parsed, expected) in [(parse_duration(text), some), (parse_millis(text), millis)] {
                match (parsed, expected) {
                    (Ok(it), Ok(micros)) => assert_eq!(it, Duration::from_micros(micros), "{text}"),
                    (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
                    (other, _) => panic!("{text}: {other:?}"),
                }
            }
        }
    }
}
