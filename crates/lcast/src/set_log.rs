//! How often the log says that a member asked for settings: a flood of requests must not fill it.
//!
//! What is left out is counted and told. What was written is always logged, elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use lcast_proto::time::Instant;

/// Requests of one member that are logged in a second.
pub(crate) const LINES_PER_MEMBER_MAX: u32 = 5;
/// Members whose requests are logged in a second; those of others are counted together.
pub(crate) const MEMBERS_MAX: usize = 64;

/// What was logged within this second, and what was not.
#[derive(Default)]
pub(crate) struct SetLog {
    since: Instant,
    asked: BTreeMap<String, u32>,
    others: u32,
}

impl SetLog {
    /// Whether a request of this member is logged.
    pub(crate) fn allows(&mut self, asker: &str) -> bool {
        if !self.asked.contains_key(asker) && self.asked.len() >= MEMBERS_MAX {
            self.others = self.others.saturating_add(1);
            return false;
        }
        let count = self.asked.entry(asker.to_owned()).or_default();
        *count = count.saturating_add(1);
        *count <= LINES_PER_MEMBER_MAX
    }

    /// When a second has passed: who asked more often than was logged, and how much more.
    pub(crate) fn left_out(&mut self, now: Instant) -> Vec<(String, u32)> {
        if now.since(self.since) < Duration::from_secs(1) {
            return Vec::new();
        }
        self.since = now;
        let more = |(asker, count): (String, u32)| {
            let left_out = count.saturating_sub(LINES_PER_MEMBER_MAX);
            (left_out > 0).then_some((asker, left_out))
        };
        let asked = std::mem::take(&mut self.asked);
        let mut left_out: Vec<(String, u32)> = asked.into_iter().filter_map(more).collect();
        match std::mem::take(&mut self.others) {
            0 => {}
            others => left_out.push(("others".to_owned(), others)),
        }
        left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn so_many_lines_of_a_member_and_the_rest_is_counted() {
        let mut log = SetLog::default();
        assert!(log.left_out(second(5)).is_empty());
        let logged = (0..=LINES_PER_MEMBER_MAX).filter(|_| log.allows("op")).count();
        assert_eq!(logged, LINES_PER_MEMBER_MAX as usize, "max + 1 were asked for");
        assert!(log.allows("other"), "each has its own");
        assert!(log.left_out(Instant::from_micros(5_999_999)).is_empty());
        assert_eq!(log.left_out(second(6)), [("op".to_owned(), 1)]);
        assert!(log.allows("op"));
        assert!(log.left_out(second(7)).is_empty());
    }

    #[test]
    fn so_many_members_a_second_and_the_rest_is_counted_together() {
        let mut log = SetLog::default();
        for number in 0..=MEMBERS_MAX {
            assert_eq!(log.allows(&format!("op{number}")), number < MEMBERS_MAX);
        }
        assert_eq!(log.left_out(second(1)), [("others".to_owned(), 1)]);
    }
}
