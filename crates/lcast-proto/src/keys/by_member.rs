//! A bounded map by member, or by member and sender, that forgets what was not used for longest.
//!
//! What [`Lru`](super::lru::Lru) is for few keys or such as anybody can choose. A member's id is a
//! hash of its keys and says itself where to look, so a use touches four places in memory where a
//! tree of thousands touches a dozen; in a large realm each packet is such a use.

use super::blocks::Blocks;
use crate::wire::id::{NodeId, SenderId};

/// A member, or something of one.
pub(super) trait OfMember: Copy + Eq {
    /// Whose it is.
    fn member(&self) -> &NodeId;
}

impl OfMember for NodeId {
    fn member(&self) -> &NodeId {
        self
    }
}

/// A member and one of its processes.
impl OfMember for (NodeId, SenderId) {
    fn member(&self) -> &NodeId {
        &self.0
    }
}

/// At most `capacity` values by key.
pub(super) struct ByMember<K, V> {
    capacity: usize,
    tick: u64,
    slots: Blocks<Slot<K, V>>,
    /// Which slot a key has: from the place that its member says on, to the next free one. At least
    /// twice as many as there are slots.
    index: Vec<Cell>,
    /// The slots used last and longest ago.
    newest: u16,
    oldest: u16,
}

/// As large as a cache line, with a replay window for its value.
pub(super) struct Slot<K, V> {
    key: K,
    older: u16,
    newer: u16,
    /// When it was used last: for comparing.
    tick: u64,
    value: V,
}

#[derive(Clone, Copy)]
struct Cell {
    /// [`NONE`]: free.
    slot: u16,
    /// Bits of the member's id, the first of which say where it belongs.
    mark: u16,
}

/// No slot.
const NONE: u16 = u16::MAX;
const FREE: Cell = Cell { slot: NONE, mark: 0 };
/// Cells at first.
const CELLS_MIN: usize = 16;

impl<K: OfMember, V> ByMember<K, V> {
    /// Most values that such a map can hold.
    pub(super) const CAPACITY_MAX: usize = 1 << 14;

    /// An empty map for at least one value.
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, Self::CAPACITY_MAX);
        let (slots, index) = (Blocks::new(), vec![FREE; CELLS_MIN]);
        Self { capacity, tick: 0, slots, index, newest: NONE, oldest: NONE }
    }

    /// The value of a key, not counted as a use.
    pub(super) fn peek(&self, key: &K) -> Option<&V> {
        self.cell_of(key).map(|cell| &self.slots[self.index[cell].slot].value)
    }

    /// The value unused for longest, and its key.
    pub(super) fn oldest(&self) -> Option<(&K, &V)> {
        self.slots.at(usize::from(self.oldest)).map(|slot| (&slot.key, &slot.value))
    }

    /// The value of a key, which becomes the one used last.
    pub(super) fn get(&mut self, key: &K) -> Option<&mut V> {
        let slot = self.index[self.cell_of(key)?].slot;
        if slot != self.newest {
            self.unlink(slot);
            self.link(slot);
        }
        Some(&mut self.slots[slot].value)
    }

    /// Adds or replaces a value; the one unused for longest makes room for it.
    pub(super) fn insert(&mut self, key: K, value: V) {
        self.remove(&key);
        let slot = Slot { key, older: NONE, newer: NONE, tick: 0, value };
        let place = if self.slots.len() < self.capacity {
            let place = place(self.slots.len());
            self.slots.push(slot);
            self.grow();
            place
        } else {
            // The new one takes the very place of the old one.
            let place = self.oldest;
            let known = self.cell_of(&self.slots[place].key);
            known.into_iter().for_each(|cell| self.vacate(cell));
            self.unlink(place);
            self.slots[place] = slot;
            place
        };
        self.enter(place);
        self.link(place);
    }

    /// Removes a value.
    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let cell = self.cell_of(key)?;
        let free = self.index[cell].slot;
        self.vacate(cell);
        self.unlink(free);
        // The last slot moves to the place that becomes free.
        let last = self.cell_of(&self.slots[place(self.slots.len() - 1)].key);
        let removed = self.slots.swap_remove(usize::from(free));
        if let (Some(moved), Some(cell)) = (self.slots.at(usize::from(free)), last) {
            let (older, newer) = (moved.older, moved.newer);
            self.index[cell].slot = free;
            self.join(older, free);
            self.join(free, newer);
        }
        removed.map(|slot| slot.value)
    }

    /// How many values a member has, and the key among them unused for longest.
    pub(super) fn oldest_of(&self, member: &NodeId) -> (usize, Option<K>) {
        let of_member = |cell: &usize| self.slot_at(*cell).key.member() == member;
        let slots = self.cells(mark(member)).filter(of_member).map(|cell| self.slot_at(cell));
        let oldest = slots.clone().min_by_key(|slot| slot.tick);
        (slots.count(), oldest.map(|slot| slot.key))
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The cells in use that have this mark.
    fn cells(&self, mark: u16) -> impl Iterator<Item = usize> + Clone {
        let (home, mask) = (self.home(mark), self.index.len() - 1);
        let cells = (0..self.index.len()).map(move |step| (home + step) & mask);
        let cells = cells.take_while(|cell| self.index[*cell].slot != NONE);
        cells.filter(move |cell| self.index[*cell].mark == mark)
    }

    fn slot_at(&self, cell: usize) -> &Slot<K, V> {
        &self.slots[self.index[cell].slot]
    }

    fn cell_of(&self, key: &K) -> Option<usize> {
        self.cells(mark(key.member())).find(|cell| self.slot_at(*cell).key == *key)
    }

    /// The cell at which a mark belongs.
    fn home(&self, mark: u16) -> usize {
        usize::from(mark) >> (u16::BITS - self.index.len().trailing_zeros())
    }

    /// Puts a slot into the index.
    fn enter(&mut self, slot: u16) {
        let mark = mark(self.slots[slot].key.member());
        let (mut at, mask) = (self.home(mark), self.index.len() - 1);
        while self.index[at].slot != NONE {
            at = (at + 1) & mask;
        }
        self.index[at] = Cell { slot, mark };
    }

    /// Frees a cell; those behind it that belong before it move up.
    fn vacate(&mut self, cell: usize) {
        let mask = self.index.len() - 1;
        let distance = |from: usize, to: usize| to.wrapping_sub(from) & mask;
        let (mut free, mut at) = (cell, (cell + 1) & mask);
        while self.index[at].slot != NONE {
            let home = self.home(self.index[at].mark);
            if distance(home, at) >= distance(free, at) {
                self.index[free] = self.index[at];
                free = at;
            }
            at = (at + 1) & mask;
        }
        self.index[free] = FREE;
    }

    /// Makes room in the index for as many slots as there are; the last is not in it yet.
    fn grow(&mut self) {
        if 2 * self.slots.len() <= self.index.len() {
            return;
        }
        self.index = vec![FREE; 2 * self.index.len()];
        (0..place(self.slots.len() - 1)).for_each(|slot| self.enter(slot));
    }

    /// Makes a slot that is in no order the one used last.
    fn link(&mut self, slot: u16) {
        self.tick += 1;
        self.slots[slot].tick = self.tick;
        self.join(self.newest, slot);
        self.join(slot, NONE);
    }

    /// Takes a slot out of the order.
    fn unlink(&mut self, slot: u16) {
        let Slot { older, newer, .. } = self.slots[slot];
        self.join(older, newer);
    }

    /// Makes two slots neighbours in the order; one that is none makes the other an end.
    fn join(&mut self, older: u16, newer: u16) {
        match self.slots.at_mut(usize::from(older)) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
        match self.slots.at_mut(usize::from(newer)) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
    }
}

/// Where a slot stands: there are at most [`ByMember::CAPACITY_MAX`].
fn place(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(NONE)
}

/// Bits that a member's id mixes well.
fn mark(member: &NodeId) -> u16 {
    let [a, b, c, d, e, f, g, h, ..] = member.0;
    let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - u16::BITS)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    type Key = (NodeId, SenderId);

    /// Against a plain list in order of use; few members, whose senders stand in each other's way.
    #[test]
    fn it_does_what_a_list_would_do() {
        let mut random = Random::from_seed([4; 32]);
        for (capacity, members) in [(1, 3), (7, 3), (60, 20)] {
            let mut senders = ByMember::new(capacity);
            let mut list: Vec<(Key, u32)> = Vec::new();
            for step in 0..10_000 {
                let member = NodeId([random.below(members) as u8; 16]);
                let key = (member, SenderId([random.below(5) as u8; 12]));
                let at = list.iter().position(|(it, _)| *it == key);
                assert_eq!(senders.peek(&key).copied(), at.map(|at| list[at].1));
                let known = at.map(|at| list.remove(at));
                match random.below(4) {
                    0 => assert_eq!(senders.remove(&key), known.map(|it| it.1)),
                    1 => {
                        assert_eq!(senders.get(&key).copied(), known.map(|it| it.1));
                        list.extend(known);
                    }
                    _ => {
                        senders.insert(key, step);
                        let full = list.len() == capacity;
                        list.drain(..usize::from(full));
                        list.push((key, step));
                    }
                }
                let own = list.iter().map(|it| it.0).filter(|it| it.0 == member);
                let expected = (own.clone().count(), own.clone().next());
                let oldest = list.first().map(|(key, value)| (key, value));
                assert_eq!(senders.oldest(), oldest);
                assert_eq!((senders.oldest_of(&member), senders.len()), (expected, list.len()));
            }
        }
    }

    #[test]
    fn it_is_full_at_its_capacity() {
        let most = ByMember::<Key, u32>::CAPACITY_MAX;
        let mut senders = ByMember::new(usize::MAX);
        let key = |number: usize| (NodeId((number as u128).to_be_bytes()), SenderId([1; 12]));
        for number in 0..=most {
            senders.insert(key(number), number);
        }
        assert_eq!((senders.len(), senders.index.len()), (most, 2 * most));
        assert_eq!((senders.peek(&key(0)), senders.peek(&key(1))), (None, Some(&1)));
        assert_eq!(senders.peek(&key(most)), Some(&most));
    }
}
