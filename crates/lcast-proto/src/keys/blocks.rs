//! A vector in blocks: it grows without moving what it holds.
//!
//! For what thousands of processes of one program hold thousands of: a vector that doubles leaves
//! as much memory behind as it takes.

use std::ops::{Index, IndexMut};

/// Items in order.
pub(super) struct Blocks<T> {
    /// All full but for the last, and none empty.
    blocks: Vec<Vec<T>>,
}

/// Items in a block.
const BLOCK: usize = 256;

impl<T> Blocks<T> {
    /// None.
    pub(super) fn new() -> Self {
        Self { blocks: Vec::new() }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        let last = self.blocks.last().map_or(0, Vec::len);
        self.blocks.len().saturating_sub(1) * BLOCK + last
    }

    /// The one of this number.
    pub(super) fn at(&self, index: usize) -> Option<&T> {
        self.blocks.get(index / BLOCK)?.get(index % BLOCK)
    }

    /// The one of this number.
    pub(super) fn at_mut(&mut self, index: usize) -> Option<&mut T> {
        self.blocks.get_mut(index / BLOCK)?.get_mut(index % BLOCK)
    }

    /// Adds one behind the last.
    pub(super) fn push(&mut self, item: T) {
        match self.blocks.last_mut() {
            Some(last) if last.len() < BLOCK => last.push(item),
            Some(_) => {
                let mut block = Vec::with_capacity(BLOCK);
                block.push(item);
                self.blocks.push(block);
            }
            // A small realm needs no whole block.
            None => self.blocks.push(vec![item]),
        }
    }

    /// Takes one out, if there is one of this number; the last takes its place.
    pub(super) fn swap_remove(&mut self, index: usize) -> Option<T> {
        if index >= self.len() {
            return None;
        }
        let end = self.blocks.last_mut()?;
        let last = end.pop()?;
        if end.is_empty() {
            self.blocks.pop();
        }
        match self.at_mut(index) {
            Some(place) => Some(std::mem::replace(place, last)),
            // It was the last itself.
            None => Some(last),
        }
    }
}

impl<T> Index<u16> for Blocks<T> {
    type Output = T;

    fn index(&self, index: u16) -> &T {
        &self.blocks[usize::from(index) / BLOCK][usize::from(index) % BLOCK]
    }
}

impl<T> IndexMut<u16> for Blocks<T> {
    fn index_mut(&mut self, index: u16) -> &mut T {
        &mut self.blocks[usize::from(index) / BLOCK][usize::from(index) % BLOCK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn it_does_what_a_vector_would_do() {
        let mut random = Random::from_seed([2; 32]);
        let (mut blocks, mut vector) = (Blocks::new(), Vec::new());
        // First it grows over several blocks, then it shrinks to none.
        for step in 0..6_000_u64 {
            let grows = random.below(4) < if step < 2_000 { 3 } else { 1 };
            if grows {
                blocks.push(step);
                vector.push(step);
            } else {
                let at = random.below(vector.len() as u64 + 2) as usize;
                let expected = (at < vector.len()).then(|| vector.swap_remove(at));
                assert_eq!(blocks.swap_remove(at), expected, "{step}");
            }
            let at = random.below(vector.len() as u64 + 2) as usize;
            assert_eq!((blocks.at(at), blocks.len()), (vector.get(at), vector.len()), "{step}");
            if let Some(item) = vector.get_mut(at) {
                *item += 1;
                blocks[at as u16] += 1;
                assert_eq!(blocks[at as u16], *item);
            }
            assert!(step != 2_000 || vector.len() > 3 * BLOCK);
        }
        assert!(vector.len() < BLOCK);
    }
}
