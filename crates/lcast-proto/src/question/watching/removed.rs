//! Names of one node that have no value any more, and by which message they went: a value that a
//! message before it carries comes too late. [WAT-5]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Removed names of one node of which a watch remembers by which message they went; beyond that the
/// one that went by the oldest message is forgotten.
pub const REMOVED_MAX: usize = 1024;

/// The last message by which each name went, and the same in order of the messages: a node may say
/// so of tens of thousands of names in a second.
#[derive(Debug, Default)]
pub(super) struct Removed {
    by_name: BTreeMap<Arc<str>, u64>,
    by_number: BTreeSet<(u64, Arc<str>)>,
}

impl Removed {
    /// A name went by this message.
    pub(super) fn note(&mut self, name: &str, number: u64) {
        let (name, number) = match self.by_name.remove_entry(name) {
            Some((name, before)) => {
                self.by_number.remove(&(before, name.clone()));
                (name, before.max(number))
            }
            None => {
                self.make_room();
                (name.into(), number)
            }
        };
        self.by_number.insert((number, name.clone()));
        self.by_name.insert(name, number);
    }

    fn make_room(&mut self) {
        if self.by_name.len() >= REMOVED_MAX
            && let Some((_, oldest)) = self.by_number.pop_first()
        {
            self.by_name.remove(&oldest);
        }
    }

    /// Whether a name went by a message after this one.
    pub(super) fn went_after(&self, name: &str, number: u64) -> bool {
        self.by_name.get(name).is_some_and(|by| *by > number)
    }

    /// A name has a value again.
    pub(super) fn forget(&mut self, name: &str) {
        if let Some((name, number)) = self.by_name.remove_entry(name) {
            self.by_number.remove(&(number, name));
        }
    }

    pub(super) fn clear(&mut self) {
        self.by_name.clear();
        self.by_number.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is known of each name, by both orders.
    fn known(removed: &Removed) -> Vec<(u64, &str)> {
        let by_number: Vec<(u64, &str)> =
            removed.by_number.iter().map(|(number, name)| (*number, &**name)).collect();
        let by_name = removed.by_name.iter().map(|(name, number)| (*number, &**name));
        let by_name: BTreeSet<(u64, &str)> = by_name.collect();
        assert!(by_name.iter().eq(&by_number), "{by_name:?} and {by_number:?}");
        by_number
    }

    /// [WAT-5]
    #[test]
    fn the_last_message_by_which_a_name_went_counts() {
        let mut removed = Removed::default();
        for (name, number, expected) in [
            ("app.a", 5, [(5, "app.a")].as_slice()),
            ("app.b", 3, &[(3, "app.b"), (5, "app.a")]),
            ("app.b", 3, &[(3, "app.b"), (5, "app.a")]),
            ("app.a", 4, &[(3, "app.b"), (5, "app.a")]),
            ("app.b", 7, &[(5, "app.a"), (7, "app.b")]),
        ] {
            removed.note(name, number);
            assert_eq!(known(&removed), expected, "{name} by {number}");
        }
        assert_eq!([4, 5].map(|number| removed.went_after("app.a", number)), [true, false]);
        removed.forget("app.a");
        removed.forget("app.c");
        assert_eq!(known(&removed), [(7, "app.b")]);
        assert!(!removed.went_after("app.a", 4));
        removed.clear();
        assert_eq!(known(&removed), []);
    }

    #[test]
    fn whatever_went_by_the_oldest_message_is_forgotten_first() {
        let mut removed = Removed::default();
        let at = |number: usize| number as u64;
        // In another order than that of the names.
        for number in 0..REMOVED_MAX {
            removed.note(&format!("app.v{number}"), at(number * 7 % REMOVED_MAX + 10));
        }
        assert_eq!((known(&removed).len(), known(&removed)[0].0), (REMOVED_MAX, 10));
        let expected =
            BTreeMap::from([(0, 11), (500, 511), (REMOVED_MAX - 1, 2_000), (REMOVED_MAX, 2_001)]);
        for number in 0..=REMOVED_MAX {
            removed.note(&format!("app.w{number}"), at(number + 2_000));
            if let Some(oldest) = expected.get(&number) {
                let known = known(&removed);
                assert_eq!((known.len(), known[0].0), (REMOVED_MAX, *oldest), "{number}");
            }
        }
    }
}
