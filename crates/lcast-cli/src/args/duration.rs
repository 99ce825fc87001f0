//! The durations of the command line: [`crate::duration`], but for those that make no sense there.

use std::time::Duration;

use lcast_proto::question::watched::EVERY_MIN;

use crate::duration::{parse, wrong};

/// A duration that is some time.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        Duration::ZERO => Err(wrong(text, "is no time at all")),
        duration => Ok(duration),
    }
}

/// How often nodes tell values: in packets, whole milliseconds, and no node does it more often than
/// [`EVERY_MIN`].
pub(crate) fn parse_interval(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if duration.subsec_nanos() % 1_000_000 != 0 {
        return Err(wrong(text, "is not in whole milliseconds"));
    }
    if duration < EVERY_MIN {
        let least = EVERY_MIN.as_millis();
        let what = format!("is more often than nodes tell anything: write {least}ms or more");
        return Err(wrong(text, &what));
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (text, some, millis) in [
            ("0s", Err("no time at all"), Err("no time at all")),
            ("10ms", Ok(10_000), Ok(10_000)),
            ("1.005s", Ok(1_005_000), Ok(1_005_000)),
            ("10.5ms", Ok(10_500), Err("whole milliseconds")),
            ("0.1ms", Ok(100), Err("whole milliseconds")),
            ("9ms", Ok(9000), Err("'9ms' is more often than nodes tell anything: write 10ms")),
        ] {
            for (parsed, expected) in [(parse_duration(text), some), (parse_interval(text), millis)]
            {
                match (parsed, expected) {
                    (Ok(it), Ok(micros)) => assert_eq!(it, Duration::from_micros(micros), "{text}"),
                    (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
                    (other, _) => panic!("{text}: {other:?}"),
                }
            }
        }
    }
}
