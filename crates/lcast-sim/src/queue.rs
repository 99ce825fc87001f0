//! The queue of things to come: earliest first, and in order of arrival at equal times.
//!
//! The order at equal times is what makes a run repeatable; nothing else may decide it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Virtual time since the world began.
pub type Time = Duration;

/// Things to come.
pub struct Queue<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    pushed: u64,
}

struct Entry<T> {
    /// In nanoseconds: half the size of a [`Time`].
    at: u64,
    order: Order,
    item: T,
}

/// The place of something in the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order(u64);

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), pushed: 0 }
    }
}

impl<T> Queue<T> {
    /// Lets something happen at a time.
    pub fn push(&mut self, at: Time, item: T) {
        self.pushed += 1;
        self.push_again(at, Order(self.pushed), item);
    }

    /// Lets the rest of something that has happened in part happen at a time: it keeps its place
    /// in the order.
    pub fn push_again(&mut self, at: Time, order: Order, item: T) {
        let at = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        self.heap.push(Reverse(Entry { at, order, item }));
    }

    /// When the next thing happens.
    pub fn next_at(&self) -> Option<Time> {
        self.heap.peek().map(|entry| Time::from_nanos(entry.0.at))
    }

    /// The next thing, its time, and its place in the order.
    pub fn pop(&mut self) -> Option<(Time, Order, T)> {
        let Entry { at, order, item } = self.heap.pop()?.0;
        Some((Time::from_nanos(at), order, item))
    }

    /// How many things are to come.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether nothing is to come.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earliest_first_and_in_order_at_equal_times() {
        let mut queue = Queue::default();
        for (at, item) in [(2, 'c'), (1, 'a'), (2, 'd'), (1, 'b')] {
            queue.push(Duration::from_secs(at), item);
        }
        assert_eq!((queue.len(), queue.next_at()), (4, Some(Duration::from_secs(1))));
        let (at, first, item) = queue.pop().unwrap();
        queue.push_again(at, first, item);
        let order: String = std::iter::from_fn(|| queue.pop()).map(|it| it.2).collect();
        assert_eq!(order, "abcd");
        assert!(queue.is_empty());
    }
}
