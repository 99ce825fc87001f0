//! A bounded map that forgets what was not used for longest.
//!
//! Deterministic: order of use is a counter, never a clock or a hash.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// At most `capacity` values by key.
pub(super) struct Lru<K, V> {
    capacity: usize,
    tick: u64,
    values: BTreeMap<K, (u64, V)>,
    order: BTreeMap<u64, K>,
}

impl<K: Ord + Clone, V> Lru<K, V> {
    /// An empty map for at least one value.
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), tick: 0, values: BTreeMap::new(), order: BTreeMap::new() }
    }

    /// The value of a key, not counted as a use.
    pub(super) fn peek(&self, key: &K) -> Option<&V> {
        self.values.get(key).map(|(_, value)| value)
    }

    /// The value of a key, which becomes the one used last.
    pub(super) fn get(&mut self, key: &K) -> Option<&mut V> {
        let (tick, value) = self.values.get_mut(key)?;
        if *tick != self.tick {
            let key = self.order.remove(tick).expect("every value has a place in the order");
            self.tick += 1;
            *tick = self.tick;
            self.order.insert(self.tick, key);
        }
        Some(value)
    }

    /// Adds or replaces a value; the key that had to make room for it.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<K> {
        self.remove(&key);
        let mut evicted = None;
        if self.values.len() >= self.capacity
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.values.remove(&oldest);
            evicted = Some(oldest);
        }
        self.tick += 1;
        self.order.insert(self.tick, key.clone());
        self.values.insert(key, (self.tick, value));
        evicted
    }

    /// Removes a value.
    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let (tick, value) = self.values.remove(key)?;
        self.order.remove(&tick);
        Some(value)
    }

    /// How many values the keys of a range have, and the key among them unused for longest.
    pub(super) fn oldest_within(&self, range: RangeInclusive<K>) -> (usize, Option<K>) {
        let values = self.values.range(range);
        let oldest = values.clone().min_by_key(|(_, (tick, _))| *tick);
        (values.count(), oldest.map(|(key, _)| key.clone()))
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_unused_for_longest_makes_room() {
        let mut map = Lru::new(3);
        for key in 0..3 {
            assert_eq!(map.insert(key, key * 10), None);
        }
        assert_eq!(map.len(), 3);
        assert_eq!(map.get(&0), Some(&mut 0));
        assert_eq!(map.insert(3, 30), Some(1));
        assert_eq!(map.insert(2, 21), None);
        assert_eq!(map.insert(4, 40), Some(0));
        assert_eq!((map.peek(&2), map.peek(&0), map.len()), (Some(&21), None, 3));
        assert_eq!(map.oldest_within(3..=4), (2, Some(3)));
        assert_eq!(map.oldest_within(5..=9), (0, None));
        assert_eq!(map.remove(&2), Some(21));
        assert_eq!(map.len(), 2);
    }
}
