//! How much a node works for whom.
//!
//! What a look at the values costs depends on what watchers ask for: patterns and predicates are
//! theirs. So work is counted, and whoever has caused more of it than its share waits, and with it
//! nobody else: [WAT-4] of `docs/spec/watch.md`. The same holds of questions, whose asker does not
//! wait but is refused: [QST-46]. What is counted in packets is shared by [`Shares`]: [QST-28]
//! [QST-34].

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Instant;
use crate::wire::id::NodeId;

/// Work that a node does for its watchers in a second, in comparisons of a name with a pattern:
/// they take 0.04 to 0.4 microseconds each.
pub const WORK_PER_SECOND_MAX: u32 = 500_000;
/// What one message counts as: it is signed or sealed, and sent three times.
pub const WORK_OF_MESSAGE: u32 = 1_000;
/// What one value that is told counts as.
pub const WORK_OF_VALUE: u32 = 10;
/// What the reading of fresh values by the shell counts as.
pub const WORK_OF_SAMPLE: u32 = 2_000;
/// What a look counts as besides.
pub const WORK_OF_LOOK: u32 = 50;

/// Steps of evaluation that a node spends on questions in a second: a step takes some ten
/// nanoseconds, so a tenth of one processor. [QST-46]
pub const STEPS_PER_SECOND_MAX: u32 = 10_000_000;
/// What comparing a name with a pattern, or telling a value, counts as, in steps.
pub const STEPS_OF_NAME: u64 = 10;
/// What making the automaton of a regular expression counts as, in steps: the worst that
/// [SEL-33] lets through, or refuses, was measured to take 0.4 ms.
pub const STEPS_OF_REGEX: u64 = 40_000;

/// Members whose work is remembered; whoever is ahead least is forgotten for another. [QST-46]
/// [WAT-4]
pub const MEMBERS_MAX: usize = 4_096;

/// How far anybody may be ahead.
const CREDIT: Duration = Duration::from_millis(100);

/// What was done for each member, as the time in which its share allows for it.
#[derive(Debug)]
pub struct Budget {
    per_second: u32,
    /// Until when each is paid for.
    paid: BTreeMap<NodeId, Instant>,
}

impl Budget {
    /// So much work in a second, of all together.
    pub fn new(per_second: u32) -> Self {
        Self { per_second, paid: BTreeMap::new() }
    }

    /// Counts work for a member, one of so many who share.
    pub fn spend(&mut self, now: Instant, member: NodeId, work: u64, sharers: usize) {
        self.paid.retain(|_, until| *until > now);
        let work = u32::try_from(work).unwrap_or(u32::MAX);
        let sharers = u32::try_from(sharers).unwrap_or(u32::MAX).max(1);
        let takes = Duration::from_secs(1).saturating_mul(work) / self.per_second;
        let from = self.paid.get(&member).copied().unwrap_or(now);
        if self.paid.len() >= MEMBERS_MAX && !self.paid.contains_key(&member) {
            let least = self.paid.iter().min_by_key(|(_, until)| **until).map(|(it, _)| *it);
            least.and_then(|least| self.paid.remove(&least));
        }
        self.paid.insert(member, from + takes.saturating_mul(sharers));
    }

    /// How many are ahead, this member among them: they share.
    pub fn sharers(&self, now: Instant, member: &NodeId) -> usize {
        let others = self.paid.iter().filter(|(it, until)| *it != member && **until > now);
        others.count() + 1
    }

    /// When more may be done for a member.
    pub fn ready_at(&self, member: &NodeId) -> Instant {
        self.paid.get(member).map_or(Instant::from_micros(0), |until| *until - CREDIT)
    }
}

impl Default for Budget {
    /// That of watches. [WAT-4]
    fn default() -> Self {
        Self::new(WORK_PER_SECOND_MAX)
    }
}

/// What may be done in a span of time, shared among the members that want it: whoever is alone
/// leaves a fifth to others, and many have equal parts.
#[derive(Debug)]
pub struct Shares {
    span: Duration,
    max: u32,
    /// What each may have at the least while anything is left.
    least: u32,
    since: Instant,
    left: u32,
    /// What each had in this span.
    had: BTreeMap<NodeId, u32>,
    /// How many had something in the span before.
    sharers: usize,
}

impl Shares {
    /// So many in each such span.
    pub fn new(max: u32, span: Duration, least: u32) -> Self {
        let (since, had) = (Instant::from_micros(0), BTreeMap::new());
        Self { span, max, least, since, left: max, had, sharers: 0 }
    }

    /// Whether one more may be done for a member.
    pub fn takes(&mut self, now: Instant, member: NodeId) -> bool {
        let time = now.since(self.since);
        if time >= self.span {
            self.sharers = if time < self.span * 2 { self.had.len() } else { 0 };
            self.had.clear();
            (self.since, self.left) = (now, self.max);
        }
        let had = *self.had.entry(member).or_default();
        let sharers = u32::try_from(self.had.len().max(self.sharers)).unwrap_or(u32::MAX);
        let share = (self.max / 5 * 4 / sharers.max(1)).max(self.least);
        if self.left == 0 || had >= share {
            return false;
        }
        self.left -= 1;
        self.had.insert(member, had + 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_works_a_node_hard_waits_alone() {
        let (greedy, other) = (NodeId([1; 16]), NodeId([2; 16]));
        let now = Instant::from_micros(10_000_000);
        let mut budget = Budget::default();
        assert!(budget.ready_at(&greedy) <= now);
        budget.spend(now, greedy, u64::from(WORK_PER_SECOND_MAX), 2);
        assert_eq!(budget.ready_at(&greedy), now + Duration::from_millis(1_900));
        budget.spend(now, other, u64::from(WORK_PER_SECOND_MAX) / 100, 2);
        assert!(budget.ready_at(&other) <= now);
        let later = now + Duration::from_secs(3);
        budget.spend(later, other, 1, 1);
        assert_eq!(budget.paid.len(), 1, "who is paid for is forgotten");
    }

    #[test]
    fn so_many_members_are_remembered_and_whoever_is_ahead_least_is_forgotten() {
        let member = |number: usize| NodeId(u128::try_from(number).unwrap().to_be_bytes());
        let now = Instant::from_micros(10_000_000);
        let mut budget = Budget::default();
        for number in 0..=MEMBERS_MAX {
            let work = if number == 7 { 100 } else { 1_000 };
            budget.spend(now, member(number), work, 1);
            assert_eq!(budget.paid.len(), (number + 1).min(MEMBERS_MAX));
        }
        assert!(!budget.paid.contains_key(&member(7)), "it was ahead least");
        assert_eq!(budget.sharers(now, &member(7)), MEMBERS_MAX + 1);
        assert_eq!(budget.sharers(now + Duration::from_secs(1), &member(7)), 1);
    }

    /// [QST-34]
    #[test]
    fn who_comes_later_finds_a_share_and_from_then_on_an_equal_one() {
        let (greedy, other) = (NodeId([1; 16]), NodeId([2; 16]));
        let span = Duration::from_millis(500);
        let mut shares = Shares::new(1000, span, 16);
        let mut now = Instant::from_micros(10_000_000);
        for (theirs, others) in [(800, 200), (400, 400), (400, 400)] {
            let takes = |member| (0..2000).filter(|_| shares.takes(now, member)).count();
            assert_eq!([greedy, other].map(takes), [theirs, others]);
            now = now + span;
        }
        // After a pause nobody shares.
        let later = now + span * 3;
        assert_eq!((0..2000).filter(|_| shares.takes(later, greedy)).count(), 800);
        let mut shares = Shares::new(1000, span, 16);
        for member in 0..=255 {
            shares.takes(now, NodeId([member; 16]));
        }
        let had = (0..100).filter(|_| shares.takes(now, greedy)).count();
        assert_eq!(had, 15, "at the least a wish");
    }
}
