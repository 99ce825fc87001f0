//! `--require`: how many of the expected nodes must have answered or have nothing to say.

use std::str::FromStr;

use lcast_proto::question::report::Report;

/// How many nodes are enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Require {
    /// All that are expected.
    All,
    /// As many as presence holds alive.
    Alive,
    /// This many.
    Count(u32),
    /// This many of a hundred expected.
    Percent(u32),
}

impl Require {
    /// The number that `answered` and `empty` together must reach.
    pub(crate) fn enough(self, report: &Report) -> u64 {
        let expected = u64::from(report.expected);
        match self {
            Self::All => expected,
            Self::Alive => u64::from(report.alive),
            Self::Count(count) => u64::from(count),
            Self::Percent(percent) => (expected * u64::from(percent)).div_ceil(100),
        }
    }

    /// What to say where more are demanded than are expected: most likely a share was meant.
    pub(crate) fn objection(self, report: &Report) -> Option<String> {
        let expected = report.expected;
        match self {
            Self::Count(count) if count > expected => Some(format!(
                "--require {count} cannot be reached: {expected} are expected; a share is written \
                 like 80%"
            )),
            Self::Count(_) | Self::All | Self::Alive | Self::Percent(_) => None,
        }
    }
}

impl FromStr for Require {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong =
            || format!("'{text}' is none of: all, alive, a number like 8, a share like 90%");
        match text {
            "all" => return Ok(Self::All),
            "alive" => return Ok(Self::Alive),
            _ => {}
        }
        let (number, percent) =
            text.strip_suffix('%').map_or((text, false), |number| (number, true));
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        match number.parse::<u32>() {
            Ok(number) if percent && number <= 100 => Ok(Self::Percent(number)),
            Ok(number) if !percent => Ok(Self::Count(number)),
            Ok(_) | Err(_) => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_round_up() {
        let report = Report { expected: 10, alive: 7, ..Report::default() };
        for (text, enough) in [
            ("all", 10),
            ("alive", 7),
            ("3", 3),
            ("0", 0),
            ("0%", 0),
            ("90%", 9),
            ("91%", 10),
            ("100%", 10),
        ] {
            assert_eq!(text.parse::<Require>().unwrap().enough(&report), enough, "{text}");
        }
        let objection = |text: &str| text.parse::<Require>().unwrap().objection(&report);
        let told = objection("80").unwrap();
        assert!(told.contains("--require 80 ") && told.contains("10 are expected"), "{told}");
        assert_eq!([objection("10"), objection("all"), objection("100%")], [None, None, None]);
        for text in ["", "%", "most", "-1", "+1", "101%", "1.5", "4294967296"] {
            let error = text.parse::<Require>().unwrap_err();
            assert!(error.contains("all, alive"), "{text}: {error}");
        }
    }
}
