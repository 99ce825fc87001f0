//! Who holds how much of what all share: when there is no room, the greediest give way first, so
//! that no member takes it from the others. [QST-27] [QST-31]

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::id::NodeId;

/// How much each member holds.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    sums: BTreeMap<NodeId, usize>,
    /// The same, by how much that is.
    order: BTreeSet<(usize, NodeId)>,
}

impl Holdings {
    /// The sums of these parts.
    pub(super) fn of(parts: impl Iterator<Item = (NodeId, usize)>) -> Self {
        let mut holdings = Self::default();
        parts.for_each(|(member, size)| holdings.add(member, size));
        holdings
    }

    /// A member holds so much more.
    pub(super) fn add(&mut self, member: NodeId, size: usize) {
        self.set(member, self.held_by(&member).saturating_add(size));
    }

    /// A member holds so much less.
    pub(super) fn take(&mut self, member: NodeId, size: usize) {
        self.set(member, self.held_by(&member).saturating_sub(size));
    }

    fn set(&mut self, member: NodeId, size: usize) {
        let before = self.sums.insert(member, size);
        if let Some(before) = before {
            self.order.remove(&(before, member));
        }
        if size == 0 {
            self.sums.remove(&member);
        } else {
            self.order.insert((size, member));
        }
    }

    /// What a member holds.
    pub(super) fn held_by(&self, member: &NodeId) -> usize {
        self.sums.get(member).copied().unwrap_or_default()
    }

    /// Who holds more than this, the greediest first.
    pub(super) fn over(&self, size: usize) -> impl Iterator<Item = NodeId> {
        let greediest_first = self.order.iter().rev();
        greediest_first.take_while(move |(held, _)| *held > size).map(|(_, member)| *member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greediest_come_first_and_only_those_with_more() {
        let member = |number| NodeId([number; 16]);
        let parts = [(1, 2), (2, 5), (3, 1), (1, 2), (3, 3), (4, 9)];
        let mut holdings = Holdings::of(parts.into_iter().map(|(it, size)| (member(it), size)));
        for (size, expected) in [(0, &[4, 2, 3, 1][..]), (4, &[4, 2]), (5, &[4]), (9, &[])] {
            let expected: Vec<NodeId> = expected.iter().map(|it| member(*it)).collect();
            assert_eq!(holdings.over(size).collect::<Vec<_>>(), expected, "over {size}");
        }
        assert_eq!([holdings.held_by(&member(1)), holdings.held_by(&member(7))], [4, 0]);
        holdings.take(member(4), 7);
        holdings.take(member(3), 4);
        let expected = [2, 1, 4].map(member);
        assert_eq!(holdings.over(0).collect::<Vec<_>>(), expected, "who holds none is forgotten");
        assert_eq!((holdings.sums.len(), holdings.held_by(&member(3))), (3, 0));
    }
}
