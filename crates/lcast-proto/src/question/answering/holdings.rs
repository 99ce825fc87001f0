//! Who holds how much of what all share: when there is no room, the greediest give way first, so
//! that no member takes it from the others. [QST-27] [QST-31]

use std::collections::BTreeMap;

use crate::wire::id::NodeId;

/// How much each member holds.
pub(super) struct Holdings(BTreeMap<NodeId, usize>);

impl Holdings {
    /// The sums of these parts.
    pub(super) fn of(parts: impl Iterator<Item = (NodeId, usize)>) -> Self {
        let mut sums = BTreeMap::new();
        for (member, size) in parts {
            *sums.entry(member).or_default() += size;
        }
        Self(sums)
    }

    /// What a member holds.
    pub(super) fn held_by(&self, member: &NodeId) -> usize {
        self.0.get(member).copied().unwrap_or_default()
    }

    /// Who holds more than this, the greediest first.
    pub(super) fn over(&self, size: usize) -> impl Iterator<Item = NodeId> {
        let over = self.0.iter().filter(|(_, held)| **held > size);
        let mut over: Vec<(usize, NodeId)> = over.map(|(member, held)| (*held, *member)).collect();
        over.sort_unstable();
        over.into_iter().rev().map(|(_, member)| member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greediest_come_first_and_only_those_with_more() {
        let member = |number| NodeId([number; 16]);
        let parts = [(1, 2), (2, 5), (3, 1), (1, 2), (3, 3), (4, 9)];
        let holdings = Holdings::of(parts.into_iter().map(|(it, size)| (member(it), size)));
        for (size, expected) in [(0, &[4, 2, 3, 1][..]), (4, &[4, 2]), (5, &[4]), (9, &[])] {
            let expected: Vec<NodeId> = expected.iter().map(|it| member(*it)).collect();
            assert_eq!(holdings.over(size).collect::<Vec<_>>(), expected, "over {size}");
        }
        assert_eq!([holdings.held_by(&member(1)), holdings.held_by(&member(7))], [4, 0]);
    }
}
