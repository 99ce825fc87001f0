//! Writes that were refused: what was said stays so. [QST-26]
//!
//! Why a write was refused may be over when it comes again, a full table or a clock that was off.
//! Its asker has reported the refusal by then, so it is refused again and not carried out.

use std::collections::BTreeMap;

use super::holdings::Holdings;
use crate::question::report::RefusalReason;
use crate::time::Instant;
use crate::wire::id::{NodeId, SenderId};

/// Refused writes remembered at once. [QST-27]
pub(super) const REFUSED_MAX: usize = 1024;

/// The refusals of writes.
#[derive(Debug, Default)]
pub(super) struct Refused {
    refused: BTreeMap<(SenderId, u64), Refusal>,
}

#[derive(Debug)]
struct Refusal {
    member: NodeId,
    why: (RefusalReason, String),
    until: Instant,
}

impl Refused {
    /// Why a write of this member was refused, and what was said of it.
    pub(super) fn why(
        &self,
        now: Instant,
        key: &(SenderId, u64),
        member: &NodeId,
    ) -> Option<&(RefusalReason, String)> {
        let refusal = self.refused.get(key)?;
        (refusal.member == *member && refusal.until > now).then_some(&refusal.why)
    }

    /// Remembers a refusal that leaves. When there are too many, whoever has most of them loses
    /// the oldest: who floods a node with writes unlearns what became of its own.
    pub(super) fn remember(
        &mut self,
        now: Instant,
        key: (SenderId, u64),
        member: NodeId,
        (why, until): ((RefusalReason, String), Instant),
    ) {
        self.refused.retain(|_, it| it.until > now);
        if self.refused.len() >= REFUSED_MAX && !self.refused.contains_key(&key) {
            self.forget_one();
        }
        self.refused.insert(key, Refusal { member, why, until });
    }

    fn forget_one(&mut self) {
        let holdings = Holdings::of(self.refused.values().map(|it| (it.member, 1)));
        let Some(greediest) = holdings.over(0).next() else { return };
        let theirs = self.refused.iter().filter(|(_, it)| it.member == greediest);
        let oldest = theirs.min_by_key(|(_, it)| it.until).map(|(key, _)| *key);
        oldest.and_then(|key| self.refused.remove(&key));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// [QST-27]
    #[test]
    fn so_many_refusals_are_remembered_and_the_greediest_loses_the_oldest() {
        let (greedy, other) = (NodeId([1; 16]), NodeId([2; 16]));
        let now = Instant::from_micros(1_000_000);
        let until = |number: u64| now + Duration::from_millis(1_000 + number);
        let why = |number: u64| (RefusalReason::Busy, number.to_string());
        let mut refused = Refused::default();
        let sender = SenderId([1; 12]);
        refused.remember(now, (SenderId([2; 12]), 0), other, (why(0), until(0)));
        for number in 0..REFUSED_MAX as u64 {
            refused.remember(now, (sender, number), greedy, (why(number), until(number)));
        }
        assert_eq!(refused.refused.len(), REFUSED_MAX);
        assert_eq!(refused.why(now, &(sender, 0), &greedy), None);
        assert_eq!(refused.why(now, &(sender, 1), &greedy), Some(&why(1)));
        assert_eq!(refused.why(now, &(sender, 1), &other), None, "it is not theirs");
        assert_eq!(refused.why(now, &(SenderId([2; 12]), 0), &other), Some(&why(0)));
        let later = now + Duration::from_secs(5);
        assert_eq!(refused.why(later, &(sender, 1), &greedy), None);
        refused.remember(later, (sender, 5_000), greedy, (why(0), later));
        assert_eq!(refused.refused.len(), 1);
    }
}
