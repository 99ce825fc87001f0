//! The end of the agent's certificate: told at the start, and when it comes while the agent runs.
//!
//! An agent goes on past it, as its clock may be wrong; but nobody expects it to answer any more
//! [QST-10], so that no report names it. Only its own log can.

use std::time::Duration;

use lcast_proto::keys::Validity;
use lcast_proto::time::Timestamp;

/// How often the clock is looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How long before the end it is announced.
const ANNOUNCED: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// When a certificate begins and ends, and what was said of it last.
#[derive(Debug)]
pub(crate) struct Watched {
    not_before: Timestamp,
    not_after: Timestamp,
    said: Option<Said>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Soon,
    Grace,
    Expired,
    NotYet,
}

impl Watched {
    /// A certificate with this time.
    pub(crate) fn new(not_before: Timestamp, not_after: Timestamp) -> Self {
        Self { not_before, not_after, said: None }
    }

    /// What to say now, each thing once. `validity` is the certificate's at `wall`.
    pub(crate) fn look(&mut self, validity: Validity, wall: Timestamp) -> Option<String> {
        let said = match validity {
            Validity::Valid if wall.saturating_add(ANNOUNCED) > self.not_after => Some(Said::Soon),
            Validity::Valid => None,
            Validity::Grace if wall < self.not_before => None,
            Validity::Grace => Some(Said::Grace),
            Validity::Expired => Some(Said::Expired),
            Validity::NotYet => Some(Said::NotYet),
        };
        let news = said.filter(|_| said != self.said);
        self.said = said;
        let (begin, end) = (self.not_before, self.not_after);
        let anew = "have a new one issued ('librecast realm issue --again')";
        Some(match news? {
            Said::Soon => format!("the certificate ends at {end}: {anew}"),
            Said::Grace => {
                format!("the certificate ended at {end}; two days after that nobody asks: {anew}")
            }
            Said::Expired => format!(
                "the certificate ended at {end}: nobody expects this agent to answer any more, and \
                 no report names it; {anew}, or set the clock of this host if it is ahead"
            ),
            Said::NotYet => format!(
                "the certificate begins at {begin}, and the clock of this host says {wall}: set \
                 the clock; until then nobody answers this agent"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_towards_the_end_is_said_once() {
        let day = |days: i64| Timestamp::from_millis(1_000_000_000_000 + days * 86_400_000);
        let mut watched = Watched::new(day(0), day(100));
        let mut check = |at: i64, validity: Validity, expected: Option<&str>| {
            let said = watched.look(validity, day(at));
            let fits = match (&said, expected) {
                (Some(said), Some(part)) => said.contains(part),
                (said, expected) => said.is_none() && expected.is_none(),
            };
            assert!(fits, "day {at}: {said:?}, expected {expected:?}");
        };
        check(-9, Validity::NotYet, Some("set the clock"));
        check(-1, Validity::Grace, None);
        check(1, Validity::Valid, None);
        check(90, Validity::Valid, Some("ends at"));
        check(91, Validity::Valid, None);
        check(101, Validity::Grace, Some("two days after"));
        check(103, Validity::Expired, Some("nobody expects this agent"));
        check(104, Validity::Expired, None);
    }
}
