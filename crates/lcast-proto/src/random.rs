//! Randomness for a core that has none: a generator that the shell seeds once.
//!
//! A [`Random`] turns a 32-byte seed into any number of bytes. In production the seed comes from
//! the operating system, in the simulator from the scenario. Each output also replaces the key
//! (fast key erasure), so that what was drawn cannot be recovered from the state that is left.

use zeroize::{Zeroize, Zeroizing};

/// A deterministic generator of random bytes.
pub struct Random {
    key: Zeroizing<[u8; 32]>,
}

impl Random {
    /// A generator that is as secret as its seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self { key: Zeroizing::new(seed) }
    }

    /// Fills `out` with random bytes.
    pub fn fill(&mut self, out: &mut [u8]) {
        let mut reader = blake3::Hasher::new_keyed(&self.key).finalize_xof();
        reader.fill(&mut *self.key);
        reader.fill(out);
        reader.zeroize();
    }

    /// An array of random bytes.
    pub fn bytes<const LENGTH: usize>(&mut self) -> [u8; LENGTH] {
        let mut out = [0; LENGTH];
        self.fill(&mut out);
        out
    }

    /// A random number.
    pub fn next_u64(&mut self) -> u64 {
        u64::from_be_bytes(self.bytes())
    }

    /// A random number below `bound`, zero when `bound` is zero. Without measurable bias.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or_default()
    }

    /// A generator of its own, unrelated to what this one gives later.
    pub fn fork(&mut self) -> Self {
        Self::from_seed(self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_no_bytes_twice() {
        let mut left = Random::from_seed([7; 32]);
        let mut right = Random::from_seed([7; 32]);
        let first: [u8; 40] = left.bytes();
        assert_eq!(first, right.bytes());
        assert_ne!(first, left.bytes());
        assert_ne!(Random::from_seed([8; 32]).bytes::<40>(), first);
        assert_ne!(left.fork().next_u64(), left.next_u64());
    }

    #[test]
    fn bounded_numbers_stay_below_their_bound() {
        let mut random = Random::from_seed([1; 32]);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[usize::try_from(random.below(5)).unwrap()] = true;
        }
        assert_eq!(seen, [true; 5]);
        assert_eq!(random.below(0), 0);
    }
}
