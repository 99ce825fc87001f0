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
    /// suspects: a liar draws no more. Who suspects after the last time has missed it, and is told
    /// by the next refutation, when that second is over.
    pub fn suspected(&mut self, now: Instant) {
        match self.began {
            Some(began) if now.since(began) < SPELL => {
                self.next = self.next.or(Some(began + SPELL));
            }
            Some(_) | None => *self = Self { began: Some(now), said: 0, next: Some(now) },
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
        if self.said > AGAIN.len() {
            (self.began, self.said) = (Some(now), 0);
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
    }

    /// [PRE-22]
    #[test]
    fn a_suspicion_after_the_last_time_is_refuted_when_the_second_is_over() {
        let start = Instant::from_micros(5_000_000);
        let cases: [(u64, &[u64]); 4] = [
            (0, &[0, 150, 350, 600]),
            (599, &[0, 150, 350, 600]),
            (601, &[0, 150, 350, 600, 1000, 1150, 1350, 1600]),
            (999, &[0, 150, 350, 600, 1000, 1150, 1350, 1600]),
        ];
        for (again, expected) in cases {
            let mut refutation = Refutation::default();
            let mut said = Vec::new();
            for millis in 0..3_000 {
                let now = start + Duration::from_millis(millis);
                if millis == 0 || millis == again {
                    refutation.suspected(now);
                }
                if refutation.take(now) {
                    said.push(millis);
                }
            }
            assert_eq!(said, expected, "suspected after {again} ms");
            assert_eq!(refutation.due(), None);
        }
    }
}
