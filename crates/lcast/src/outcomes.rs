//! What became of requests at a node that keeps nothing: as the [store](crate::store) remembers it,
//! as many of them and as long, but no longer than the process lives.

use std::collections::{BTreeMap, VecDeque};

use lcast_proto::time::Timestamp;

use crate::store::{Applied, RequestKey, Store, Written};

/// The outcomes of requests.
#[derive(Default)]
pub(crate) struct Outcomes {
    known: BTreeMap<RequestKey, Vec<Applied>>,
    /// In the order in which they came.
    oldest: VecDeque<(Timestamp, RequestKey)>,
    /// Changes in all of them.
    changes: usize,
}

impl Outcomes {
    /// What became of a request when it came before, else what `write` makes of it now.
    pub(crate) fn apply(
        &mut self,
        key: RequestKey,
        dry_run: bool,
        wall: Timestamp,
        write: impl FnOnce() -> Vec<Applied>,
    ) -> Written {
        if dry_run {
            return Written { applied: write(), repeated: false };
        }
        if let Some(applied) = self.known.get(&key) {
            return Written { applied: applied.clone(), repeated: true };
        }
        let applied = write();
        self.changes += applied.len();
        self.known.insert(key.clone(), applied.clone());
        self.oldest.push_back((wall, key));
        self.forget(wall.saturating_sub(Store::RETENTION));
        Written { applied, repeated: false }
    }

    fn forget(&mut self, before: Timestamp) {
        while let Some((time, key)) = self.oldest.front()
            && (*time < before || self.changes as u64 > Store::OUTCOMES_MAX)
        {
            self.changes -= self.known.remove(key).map_or(0, |it| it.len());
            self.oldest.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use lcast_proto::variable::Version;

    use super::*;
    use crate::store::Effect;

    const START: Timestamp = Timestamp::from_millis(1_000_000_000);

    /// Whether a request of this many changes came before.
    fn is_repeated(outcomes: &mut Outcomes, request: u64, changes: usize, wall: Timestamp) -> bool {
        let key = RequestKey { sender: [7; 12], request };
        let one = Applied { effect: Effect::Applied, version: Version::default() };
        outcomes.apply(key, false, wall, || vec![one; changes]).repeated
    }

    /// [QST-27]
    #[test]
    fn so_many_outcomes_are_known_and_the_oldest_make_room() {
        let mut outcomes = Outcomes::default();
        let most = usize::try_from(Store::OUTCOMES_MAX).unwrap();
        assert!(!is_repeated(&mut outcomes, 1, 2, START));
        assert!(!is_repeated(&mut outcomes, 2, most - 2, START));
        assert!(is_repeated(&mut outcomes, 1, 2, START));
        assert!(!is_repeated(&mut outcomes, 3, 1, START));
        assert_eq!((outcomes.known.len(), outcomes.oldest.len()), (2, 2));
        assert!(is_repeated(&mut outcomes, 2, most - 2, START), "it is known still");
        assert!(!is_repeated(&mut outcomes, 1, 2, START), "the oldest is not");
    }

    /// [QST-27]
    #[test]
    fn outcomes_are_known_for_two_days() {
        let mut outcomes = Outcomes::default();
        is_repeated(&mut outcomes, 1, 1, START);
        let end = START.saturating_add(Store::RETENTION);
        is_repeated(&mut outcomes, 2, 1, end);
        assert!(is_repeated(&mut outcomes, 1, 1, end));
        let later = end.saturating_add(std::time::Duration::from_millis(1));
        is_repeated(&mut outcomes, 3, 1, later);
        assert!(!is_repeated(&mut outcomes, 1, 1, later));
    }

    #[test]
    fn a_dry_run_leaves_no_trace() {
        let mut outcomes = Outcomes::default();
        let key = RequestKey { sender: [7; 12], request: 1 };
        assert!(!outcomes.apply(key.clone(), true, START, Vec::new).repeated);
        assert!(!outcomes.apply(key, true, START, Vec::new).repeated);
        assert!(!is_repeated(&mut outcomes, 1, 1, START));
    }
}
