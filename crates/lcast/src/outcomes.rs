//! What became of requests at a node that keeps nothing: as the [store](crate::store) remembers it,
//! as many of them, but no longer than the process lives.

use std::collections::{BTreeMap, VecDeque};

use crate::store::{Applied, RequestKey, Store, Written};

/// The outcomes of requests.
#[derive(Default)]
pub(crate) struct Outcomes {
    known: BTreeMap<RequestKey, Vec<Applied>>,
    /// In the order in which they came.
    oldest: VecDeque<RequestKey>,
    /// Changes in all of them.
    changes: usize,
}

impl Outcomes {
    /// What became of a request when it came before, else what `write` makes of it now.
    pub(crate) fn apply(
        &mut self,
        key: RequestKey,
        dry_run: bool,
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
        self.oldest.push_back(key);
        self.forget();
        Written { applied, repeated: false }
    }

    fn forget(&mut self) {
        while self.changes as u64 > Store::OUTCOMES_MAX
            && let Some(key) = self.oldest.pop_front()
        {
            self.changes -= self.known.remove(&key).map_or(0, |it| it.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use lcast_proto::variable::Version;

    use super::*;
    use crate::store::Effect;

    /// Whether a request of this many changes came before.
    fn is_repeated(outcomes: &mut Outcomes, request: u64, changes: usize) -> bool {
        let key = RequestKey { sender: [7; 12], request };
        let one = Applied { effect: Effect::Applied, version: Version::default() };
        outcomes.apply(key, false, || vec![one; changes]).repeated
    }

    /// [QST-27]
    #[test]
    fn so_many_outcomes_are_known_and_the_oldest_make_room() {
        let mut outcomes = Outcomes::default();
        let most = usize::try_from(Store::OUTCOMES_MAX).unwrap();
        assert!(!is_repeated(&mut outcomes, 1, 2));
        assert!(!is_repeated(&mut outcomes, 2, most - 2));
        assert!(is_repeated(&mut outcomes, 1, 2));
        assert!(!is_repeated(&mut outcomes, 3, 1));
        assert_eq!((outcomes.known.len(), outcomes.oldest.len()), (2, 2));
        assert!(is_repeated(&mut outcomes, 2, most - 2), "it is known still");
        assert!(!is_repeated(&mut outcomes, 1, 2), "the oldest is not");
    }

    #[test]
    fn a_dry_run_leaves_no_trace() {
        let mut outcomes = Outcomes::default();
        let key = RequestKey { sender: [7; 12], request: 1 };
        assert!(!outcomes.apply(key.clone(), true, Vec::new).repeated);
        assert!(!outcomes.apply(key, true, Vec::new).repeated);
        assert!(!is_repeated(&mut outcomes, 1, 1));
    }
}
