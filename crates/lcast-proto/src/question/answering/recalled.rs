//! Sets that an earlier process of this node wrote: what became of them stays so. [QST-26]
//!
//! An agent may die between the write and the reply. When its successor hears the question again,
//! the predicate may be false just because the value was written, so it is not asked again.

use std::collections::BTreeMap;

use super::SET_REMEMBERED_FOR_MAX;
use crate::question::report::SetOutcome;
use crate::question::{RecalledSet, evaluate};
use crate::time::Instant;
use crate::variable::Version;
use crate::wire::frame::{Answer, SetFrame};
use crate::wire::id::SenderId;

/// Sets recalled at a start; of more the newest. [QST-27]
pub const RECALLED_MAX: usize = 4096;

/// What the store knows of the sets of earlier processes.
#[derive(Debug, Default)]
pub(super) struct Recalled {
    sets: BTreeMap<(SenderId, u64), Vec<(SetOutcome, Version)>>,
    until: Instant,
}

impl Recalled {
    /// These, the newest last. No question that an earlier process heard lasts longer than they
    /// are known: how old they are by a clock does not count.
    pub(super) fn new(now: Instant, sets: Vec<RecalledSet>) -> Self {
        let newest = sets.into_iter().rev().take(RECALLED_MAX);
        let sets = newest.map(|it| (it.request, it.results)).collect();
        Self { sets, until: now + SET_REMEMBERED_FOR_MAX }
    }

    /// What became of this set. A dry run writes nothing, so nothing is known of it.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        key: &(SenderId, u64),
        set: Option<&SetFrame>,
    ) -> Option<Answer> {
        if now > self.until {
            self.sets = BTreeMap::new();
        }
        let set = set.filter(|set| !set.dry_run)?;
        let results = self.sets.get(key)?;
        let names = set.assignments.iter().map(|(name, _)| name);
        let again = names.zip(results).map(|(name, (outcome, version))| {
            evaluate::set_result(&outcome.result(name.clone(), *version))
        });
        Some(Answer::Set(again.collect()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::value::Value;
    use crate::variable::Assigned;

    fn set(dry_run: bool) -> SetFrame {
        let assignments = vec![("app.a".to_owned(), Assigned::Value(Value::Int(5)))];
        SetFrame { assignments, if_version: None, dry_run }
    }

    /// [QST-27]
    #[test]
    fn so_many_sets_are_recalled_and_no_longer_than_a_question_lasts() {
        let sender = SenderId([1; 12]);
        let version = Version { incarnation: 1, counter: 1 };
        let recalled = |number: u64| RecalledSet {
            request: (sender, number),
            results: vec![(SetOutcome::Applied, version)],
        };
        let now = Instant::from_micros(1_000_000);
        let most = RECALLED_MAX as u64;
        let mut recall = Recalled::new(now, (0..=most).map(recalled).collect());
        assert_eq!(recall.sets.len(), RECALLED_MAX);
        let mut knows = |at, number, dry_run| {
            recall.answer(at, &(sender, number), Some(&set(dry_run))).is_some()
        };
        assert!(!knows(now, 0, false), "the oldest");
        assert!(knows(now, 1, false) && knows(now, most, false));
        assert!(!knows(now, 1, true), "a dry run");
        let end = now + SET_REMEMBERED_FOR_MAX;
        assert!(knows(end, 1, false));
        assert!(!knows(end + Duration::from_micros(1), 1, false));
        assert!(recall.sets.is_empty());
    }
}
