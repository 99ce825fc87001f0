//! Which nodes a round of a question still wants: a salted Bloom filter over node ids.
//!
//! A false positive costs one reply that nobody wants, never a missing one. What must not happen at
//! others goes to nodes by name: see [`wanted`](super::wanted). When more nodes are wanted
//! than the filter holds at a tenth of false positives, it speaks of one slice of them, told
//! apart by hash, and later rounds speak of the others. See `docs/spec/questions.md`.

use super::id::NodeId;

/// A set of wanted nodes, small enough for a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Makes the false positives of each round different ones.
    pub(crate) salt: u32,
    /// Which slice of the nodes it speaks of.
    pub(crate) slice: u16,
    /// How many slices there are.
    pub(crate) slices: u16,
    /// The bits.
    pub(crate) bits: Vec<u8>,
}

impl Filter {
    /// Most bytes of bits. [QST-12]
    pub const BYTES_MAX: usize = 150;
    /// Most nodes that one filter holds. [QST-12]
    pub const CAPACITY: usize = Self::BYTES_MAX * 8 / Self::BITS_PER_NODE;
    /// Bits spent on each node for a tenth of false positives.
    const BITS_PER_NODE: usize = 5;
    /// Bits spent on each node where there is room: less than one in five hundred is false. In a
    /// realm of ten thousand a tenth is a thousand answers, in each round that waits for a few.
    const BITS_PER_NODE_MAX: usize = 24;
    /// Hash functions, the best number for few bits.
    const HASHES: usize = 3;

    /// How many nodes a filter of at most so many bytes holds.
    pub fn capacity(bytes_max: usize) -> usize {
        (bytes_max.clamp(1, Self::BYTES_MAX) * 8 / Self::BITS_PER_NODE).max(1)
    }

    /// A filter of `nodes`, in at most `bytes_max` bytes; `turn` picks the slice when one filter
    /// does not hold them all.
    pub fn new<'a>(
        nodes: impl ExactSizeIterator<Item = &'a NodeId>,
        salt: u32,
        turn: u16,
        bytes_max: usize,
    ) -> Self {
        let capacity = Self::capacity(bytes_max);
        let slices = u16::try_from(nodes.len().div_ceil(capacity).max(1)).unwrap_or(u16::MAX);
        let mut filter = Self { salt, slice: turn % slices, slices, bits: Vec::new() };
        let in_slice: Vec<&NodeId> = nodes.filter(|node| filter.is_in_slice(node)).collect();
        let bytes_max = bytes_max.clamp(1, Self::BYTES_MAX);
        let bytes = (in_slice.len() * Self::BITS_PER_NODE_MAX).div_ceil(8).clamp(1, bytes_max);
        let mut bits = vec![0; bytes];
        for node in in_slice {
            for place in filter.places(node, bytes) {
                if let Some(byte) = bits.get_mut(place / 8) {
                    *byte |= 1 << (place % 8);
                }
            }
        }
        filter.bits = bits;
        filter
    }

    /// Whether the filter says that `node` is wanted (rarely true although it is not).
    pub fn contains(&self, node: &NodeId) -> bool {
        self.is_in_slice(node)
            && !self.bits.is_empty()
            && self.places(node, self.bits.len()).iter().all(|place| {
                self.bits.get(place / 8).is_some_and(|byte| byte & (1 << (place % 8)) != 0)
            })
    }

    /// Whether the filter says anything about `node`.
    pub fn is_in_slice(&self, node: &NodeId) -> bool {
        if self.slices < 2 {
            return true;
        }
        let [.., high, low] = self.hash(node);
        u16::from_be_bytes([high, low]) % self.slices == self.slice
    }

    fn places(&self, node: &NodeId, bytes: usize) -> [usize; Self::HASHES] {
        let hash = self.hash(node);
        let mut places = [0; Self::HASHES];
        for (place, chunk) in places.iter_mut().zip(hash.chunks_exact(4)) {
            let word = chunk.iter().fold(0_usize, |word, byte| (word << 8) | usize::from(*byte));
            *place = word % (bytes * 8);
        }
        places
    }

    fn hash(&self, node: &NodeId) -> [u8; 32] {
        let mut input = [0; 20];
        input[..4].copy_from_slice(&self.salt.to_be_bytes());
        input[4..].copy_from_slice(&node.0);
        *blake3::hash(&input).as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: u32) -> Vec<NodeId> {
        let id = |index: u32| {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&index.to_be_bytes());
            NodeId(bytes)
        };
        (0..count).map(id).collect()
    }

    #[test]
    fn every_wanted_node_is_contained_in_one_of_the_slices() {
        for count in [0_u32, 1, 20, 240, 241, 1000, 10_000] {
            let wanted = nodes(count);
            let slices = Filter::new(wanted.iter(), 7, 0, Filter::BYTES_MAX).slices;
            let filters: Vec<Filter> = (0..slices)
                .map(|turn| Filter::new(wanted.iter(), 7, turn, Filter::BYTES_MAX))
                .collect();
            assert!(filters.iter().all(|it| it.bits.len() <= Filter::BYTES_MAX), "{count}");
            for node in &wanted {
                let hits = filters.iter().filter(|filter| filter.contains(node)).count();
                assert_eq!(hits, 1, "{count}: every node is in exactly one slice");
            }
        }
    }

    #[test]
    fn one_filter_holds_240_nodes_and_not_241() {
        let slices = |count| Filter::new(nodes(count).iter(), 1, 0, Filter::BYTES_MAX).slices;
        assert_eq!((slices(240), slices(241)), (1, 2));
    }

    #[test]
    fn a_tenth_of_the_others_are_false_positives_at_most() {
        let all = nodes(10_240);
        let (wanted, others) = all.split_at(240);
        let filter = Filter::new(wanted.iter(), 99, 0, Filter::BYTES_MAX);
        let wrong = others.iter().filter(|node| filter.contains(node)).count();
        assert!(wrong < 1_200, "{wrong} of {}", others.len());
    }

    /// [QST-12]
    #[test]
    fn a_few_wanted_of_many_draw_hardly_an_answer_of_others() {
        let all = nodes(10_050);
        for count in [1, 10, 50] {
            let (wanted, others) = all.split_at(count);
            let filter = Filter::new(wanted.iter(), 99, 0, Filter::BYTES_MAX);
            let wrong = others.iter().filter(|node| filter.contains(node)).count();
            assert!(wrong < 40, "{wrong} of {} beside {count}", others.len());
            assert_eq!(filter.bits.len(), 3 * count);
        }
    }

    #[test]
    fn no_filter_is_longer_than_there_is_room() {
        let wanted = nodes(1_000);
        for room in [1, 10, 99, Filter::BYTES_MAX] {
            let filter = |turn| Filter::new(wanted.iter(), 3, turn, room);
            let mut filters = (0..filter(0).slices).map(filter);
            assert!(filters.all(|it| it.bits.len() <= room), "{room}");
        }
    }

    #[test]
    fn an_empty_filter_wants_nobody() {
        let filter = Filter::new([].iter(), 1, 0, Filter::BYTES_MAX);
        assert!(nodes(100).iter().all(|node| !filter.contains(node)));
    }
}
