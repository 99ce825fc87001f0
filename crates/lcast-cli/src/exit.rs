//! Exit codes: what a script learns from a report without reading it.

use std::process::ExitCode;

use lcast_proto::question::report::Report;

use crate::args::require::Require;

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went as asked.
    Success,
    /// A failure inside this program or of this machine.
    Internal,
    /// The command line, or a file it names, is wrong; nothing was sent.
    Usage,
    /// Some node failed, is late or missing.
    Incomplete,
    /// Nobody is expected, or nobody was heard.
    Nobody,
    /// There are failures, and all of them are refusals.
    Refused,
    /// No socket of the realm could send.
    Unsendable,
    /// Interrupted before anything had arrived.
    Interrupted,
}

/// By what a report is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// How many of the expected nodes must answer or have nothing to say.
    pub(crate) require: Require,
    /// Whether no answer with a value is a failure.
    pub(crate) fail_empty: bool,
    /// Whether the user interrupted the question.
    pub(crate) interrupted: bool,
}

impl Exit {
    /// The number that the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Incomplete => 3,
            Self::Nobody => 4,
            Self::Refused => 5,
            Self::Unsendable => 6,
            Self::Interrupted => 130,
        }
    }

    /// The word for this end in output for programs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Internal => "internal",
            Self::Usage => "usage",
            Self::Incomplete => "incomplete",
            Self::Nobody => "nobody",
            Self::Refused => "refused",
            Self::Unsendable => "unsendable",
            Self::Interrupted => "interrupted",
        }
    }

    /// What a report means: the first rule of the contract that holds.
    pub(crate) fn of(report: &Report, rules: Rules) -> Self {
        let unheard = report.late.len() + report.missing.len();
        let failed = report.error.len() + unheard;
        let said = u64::from(report.answered) + report.empty.len() as u64;
        if rules.interrupted {
            let nothing = said == 0 && report.error.is_empty() && report.refused.is_empty();
            return if nothing { Self::Interrupted } else { Self::Incomplete };
        }
        if !report.sent {
            return Self::Unsendable;
        }
        if report.expected == 0 || !report.heard || (rules.fail_empty && report.answered == 0) {
            return Self::Nobody;
        }
        if failed == 0 && !report.refused.is_empty() {
            return Self::Refused;
        }
        let enough = rules.require.enough(report);
        let unreachable = enough > u64::from(report.expected);
        if unreachable || (failed > 0 && said < enough) {
            return Self::Incomplete;
        }
        Self::Success
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::report;

    fn check(counts: [u32; 6], words: &str, expected: Exit) {
        let mut report = report(counts);
        report.sent = !words.contains("unsent");
        report.heard = !words.contains("unheard");
        report.alive = report.expected - u32::try_from(report.missing.len()).unwrap();
        let required = words.split(' ').find_map(|word| word.strip_prefix("require="));
        let rules = Rules {
            require: required.unwrap_or("all").parse().unwrap(),
            fail_empty: words.contains("fail-empty"),
            interrupted: words.contains("interrupted"),
        };
        assert_eq!(Exit::of(&report, rules), expected, "{counts:?} {words}");
    }

    /// Counts are answered, empty, error, refused, late, missing.
    #[test]
    fn the_first_rule_that_holds_decides() {
        check([10, 0, 0, 0, 0, 0], "", Exit::Success);
        check([8, 2, 0, 0, 0, 0], "", Exit::Success);
        check([0, 10, 0, 0, 0, 0], "", Exit::Success);
        check([0, 10, 0, 0, 0, 0], "fail-empty", Exit::Nobody);
        check([1, 9, 0, 0, 0, 0], "fail-empty", Exit::Success);
        check([0, 0, 0, 0, 0, 0], "", Exit::Nobody);
        check([0, 0, 0, 0, 0, 10], "unheard", Exit::Nobody);
        check([0, 0, 0, 0, 0, 10], "", Exit::Incomplete);
        check([0, 0, 0, 0, 0, 10], "unsent unheard", Exit::Unsendable);
        check([0, 0, 0, 0, 0, 0], "unsent", Exit::Unsendable);
        check([9, 0, 1, 0, 0, 0], "", Exit::Incomplete);
        check([9, 0, 0, 0, 1, 0], "", Exit::Incomplete);
        check([9, 0, 0, 0, 0, 1], "", Exit::Incomplete);
        check([9, 0, 0, 1, 0, 0], "", Exit::Refused);
        check([0, 0, 0, 10, 0, 0], "", Exit::Refused);
        check([8, 0, 0, 1, 0, 1], "", Exit::Incomplete);
        check([0, 0, 0, 10, 0, 0], "fail-empty", Exit::Nobody);
    }

    #[test]
    fn enough_answers_excuse_the_others() {
        check([8, 1, 0, 0, 0, 1], "require=9", Exit::Success);
        check([8, 1, 0, 0, 0, 1], "require=90%", Exit::Success);
        check([8, 1, 0, 0, 0, 1], "require=91%", Exit::Incomplete);
        check([8, 1, 0, 0, 0, 1], "require=alive", Exit::Success);
        check([8, 0, 1, 0, 0, 1], "require=alive", Exit::Incomplete);
        check([8, 0, 0, 1, 0, 1], "require=8", Exit::Success);
        check([8, 0, 0, 2, 0, 0], "require=8", Exit::Refused);
        check([0, 0, 0, 0, 0, 3], "require=0", Exit::Success);
        check([5, 0, 0, 0, 0, 0], "require=5", Exit::Success);
        check([5, 0, 0, 0, 0, 0], "require=80", Exit::Incomplete);
        check([4, 0, 0, 1, 0, 0], "require=80", Exit::Refused);
    }

    #[test]
    fn an_interrupt_keeps_what_has_arrived() {
        check([3, 0, 0, 0, 0, 7], "interrupted", Exit::Incomplete);
        check([0, 1, 0, 0, 0, 9], "interrupted", Exit::Incomplete);
        check([0, 0, 0, 1, 0, 9], "interrupted", Exit::Incomplete);
        check([0, 0, 0, 0, 0, 10], "interrupted", Exit::Interrupted);
        check([0, 0, 0, 0, 0, 10], "interrupted unheard", Exit::Interrupted);
    }
}
