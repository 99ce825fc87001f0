//! Who shall answer a question: by a filter, which may let others answer as well, or by name, which
//! lets nobody else.

use super::filter::Filter;
use super::id::NodeId;

/// Who shall answer. [QST-12] [QST-44]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// These and, rarely, others: for what does no harm there.
    Filtered(Filter),
    /// Nobody else.
    Named(Named),
}

impl Wanted {
    /// Whether this node shall answer.
    pub fn contains(&self, node: &NodeId) -> bool {
        match self {
            Self::Filtered(filter) => filter.contains(node),
            Self::Named(named) => named.contains(node),
        }
    }
}

/// Nodes by the first 8 bytes of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named(Vec<[u8; Self::BYTES_PER_NODE]>);

impl Named {
    /// Most bytes of names in a packet. [QST-44]
    pub const BYTES_MAX: usize = 512;
    const BYTES_PER_NODE: usize = 8;

    /// How many nodes so many bytes name.
    pub fn capacity(bytes_max: usize) -> usize {
        (bytes_max.min(Self::BYTES_MAX) / Self::BYTES_PER_NODE).max(1)
    }

    /// These nodes, at most as many as [`Self::BYTES_MAX`] bytes name.
    pub fn new<'a>(nodes: impl Iterator<Item = &'a NodeId>) -> Self {
        Self(nodes.map(prefix).take(Self::capacity(Self::BYTES_MAX)).collect())
    }

    /// Whether this node is named.
    pub fn contains(&self, node: &NodeId) -> bool {
        self.0.contains(&prefix(node))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.0.concat()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (names, rest) = bytes.as_chunks();
        (rest.is_empty() && bytes.len() <= Self::BYTES_MAX).then(|| Self(names.to_vec()))
    }
}

fn prefix(NodeId([a, b, c, d, e, f, g, h, ..]): &NodeId) -> [u8; Named::BYTES_PER_NODE] {
    [*a, *b, *c, *d, *e, *f, *g, *h]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: u8) -> Vec<NodeId> {
        (0..count).map(|index| NodeId([index; 16])).collect()
    }

    /// [QST-44]
    #[test]
    fn nobody_else_is_named() {
        let all = nodes(200);
        let (named, others) = all.split_at(64);
        let wanted = Wanted::Named(Named::new(named.iter()));
        assert!(named.iter().all(|node| wanted.contains(node)));
        assert!(!others.iter().any(|node| wanted.contains(node)));
    }

    /// [QST-44]
    #[test]
    fn names_have_a_length_and_an_end() {
        let named = Named::new(nodes(65).iter());
        assert_eq!(named.to_bytes().len(), Named::BYTES_MAX);
        assert_eq!(Named::from_bytes(&named.to_bytes()), Some(named));
        assert_eq!(Named::from_bytes(&[0; 7]), None);
        assert_eq!(Named::from_bytes(&[0; Named::BYTES_MAX + 8]), None);
        assert_eq!((Named::capacity(0), Named::capacity(40), Named::capacity(999)), (1, 5, 64));
    }
}
