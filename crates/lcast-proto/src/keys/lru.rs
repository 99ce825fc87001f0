//! A bounded map that forgets what was not used for longest.
//!
//! Deterministic: order of use is a list, never a clock or a hash. Values stand in one vector, so
//! that a use touches few places in memory: a large realm keeps thousands of them.

use std::collections::BTreeMap;

/// At most `capacity` values by key.
pub(super) struct Lru<K, V> {
    capacity: usize,
    places: BTreeMap<K, u32>,
    slots: Vec<Slot<K, V>>,
    /// The slots used last and longest ago.
    newest: u32,
    oldest: u32,
}

struct Slot<K, V> {
    key: K,
    value: V,
    older: u32,
    newer: u32,
}

/// No slot.
const NONE: u32 = u32::MAX;

impl<K: Ord + Clone, V> Lru<K, V> {
    /// An empty map for at least one value.
    pub(super) fn new(capacity: usize) -> Self {
        let (places, slots) = (BTreeMap::new(), Vec::new());
        let capacity = capacity.clamp(1, NONE as usize - 1);
        Self { capacity, places, slots, newest: NONE, oldest: NONE }
    }

    /// The value unused for longest, and its key.
    pub(super) fn oldest(&self) -> Option<(&K, &V)> {
        self.slots.get(self.oldest as usize).map(|slot| (&slot.key, &slot.value))
    }

    /// The value of a key, not counted as a use.
    pub(super) fn peek(&self, key: &K) -> Option<&V> {
        self.places.get(key).map(|place| &self.slots[*place as usize].value)
    }

    /// The value of a key, which becomes the one used last.
    pub(super) fn get(&mut self, key: &K) -> Option<&mut V> {
        let place = *self.places.get(key)?;
        if place != self.newest {
            self.unlink(place);
            self.link(place);
        }
        Some(&mut self.slots[place as usize].value)
    }

    /// Adds or replaces a value; the key that had to make room for it.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<K> {
        self.remove(&key);
        let mut evicted = None;
        if self.slots.len() >= self.capacity {
            evicted = self.oldest().map(|(key, _)| key.clone());
            if let Some(key) = &evicted {
                self.remove(key);
            }
        }
        let place = self.slots.len() as u32;
        self.places.insert(key.clone(), place);
        self.slots.push(Slot { key, value, older: NONE, newer: NONE });
        self.link(place);
        evicted
    }

    /// Removes a value.
    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let place = self.places.remove(key)?;
        self.unlink(place);
        let removed = self.slots.swap_remove(place as usize);
        // The last slot has moved to the place that became free.
        if let Some(moved) = self.slots.get(place as usize) {
            let (older, newer) = (moved.older, moved.newer);
            if let Some(known) = self.places.get_mut(&moved.key) {
                *known = place;
            }
            self.join(older, place);
            self.join(place, newer);
        }
        Some(removed.value)
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Makes a slot that is in no order the one used last.
    fn link(&mut self, place: u32) {
        self.join(self.newest, place);
        self.join(place, NONE);
    }

    /// Takes a slot out of the order.
    fn unlink(&mut self, place: u32) {
        let Slot { older, newer, .. } = self.slots[place as usize];
        self.join(older, newer);
    }

    /// Makes two slots neighbours in the order; one that is none makes the other an end.
    fn join(&mut self, older: u32, newer: u32) {
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
        match self.slots.get_mut(newer as usize) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

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
        assert_eq!(map.get(&0), None);
        assert_eq!(map.len(), 3);
        assert_eq!(map.oldest(), Some((&3, &30)));
        assert_eq!(map.remove(&2), Some(21));
        assert_eq!(map.len(), 2);
    }

    /// Against a plain list in order of use, whatever is done to it.
    #[test]
    fn it_does_what_a_list_would_do() {
        let mut random = Random::from_seed([7; 32]);
        let mut map = Lru::new(8);
        let mut list: Vec<(u64, u64)> = Vec::new();
        for step in 0..10_000 {
            let key = random.below(12);
            let at = list.iter().position(|(it, _)| *it == key);
            match random.below(4) {
                0 | 1 => {
                    let full = at.is_none() && list.len() == 8;
                    if let Some(at) = at {
                        list.remove(at);
                    }
                    let evicted = full.then(|| list.remove(0).0);
                    list.push((key, step));
                    assert_eq!(map.insert(key, step), evicted, "{step}");
                }
                2 => {
                    assert_eq!(map.peek(&key).copied(), at.map(|at| list[at].1), "{step}");
                    let found = at.map(|at| list.remove(at));
                    list.extend(found);
                    assert_eq!(map.get(&key).copied(), found.map(|it| it.1), "{step}");
                }
                _ => {
                    let found = at.map(|at| list.remove(at).1);
                    assert_eq!(map.remove(&key), found, "{step}");
                }
            }
            let oldest = list.first().map(|it| it.0);
            assert_eq!((map.oldest().map(|it| *it.0), map.len()), (oldest, list.len()), "{step}");
        }
    }
}
