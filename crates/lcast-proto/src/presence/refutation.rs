//! The refutation of a suspicion: said several times within the second that it has. [PRE-22]

use std::time::Duration;

use crate::time::Instant;

/// When a refutation is said, after the first time.
const AGAIN: [Duration; 3] =
    [Duration::from_millis(150), Duration::from_millis(200), Duration::from_millis(250)];
/// How long a refutation answers further suspicions. [PRE-22]
const SPELL: Duration = Duration::from_secs(1);

/// The refutation under way, if any.
#[derive(Debug, Default)]
pub struct Refutation {
    began: Option<Instant>,
    said: usize,
    next: Option<Instant>,
}

impl Refutation {
    /// This process hears itself suspected. At most one refutation begins in a second, whoever
    /// suspects: a liar draws no more.
    pub fn suspected(&mut self, now: Instant) {
        if self.began.is_none_or(|began| now.since(began) >= SPELL) {
            *self = Self { began: Some(now), said: 0, next: Some(now) };
        }
    }

    /// When to say it next.
    pub fn due(&self) -> Option<Instant> {
        self.next
    }

    /// Whether it is to be said now; plans the next time.
    pub fn take(&mut self, now: Instant) -> bool {
        if self.next.is_none_or(|next| next > now) {
            return false;
        }
        self.next = AGAIN.get(self.said).map(|pause| now + *pause);
        self.said += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [PRE-22]
    #[test]
    fn it_is_said_four_times_and_begins_once_a_second() {
        let mut refutation = Refutation::default();
        let start = Instant::from_micros(5_000_000);
        let mut said = Vec::new();
        for millis in 0..1_999 {
            let now = start + Duration::from_millis(millis);
            refutation.suspected(now);
            if refutation.take(now) {
                said.push(millis);
            }
        }
        assert_eq!(said, [0, 150, 350, 600, 1000, 1150, 1350, 1600]);
        assert_eq!(refutation.due(), None);
    }
}
