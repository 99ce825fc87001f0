//! Seeded randomness: the only source of chance in a simulated world.
//!
//! Every purpose (the network, each node, the script) draws from a stream of its own, so that a
//! fault added to one part does not shift the dice of the others. Not for keys of real realms.

use std::time::Duration;

/// A stream of random numbers that depends on a seed and a purpose only.
pub struct Random {
    reader: blake3::OutputReader,
    block: [u8; 64],
    used: usize,
}

impl Random {
    /// The stream of this seed for this purpose.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("librecast simulator randomness");
        hasher.update(&seed.to_le_bytes());
        hasher.update(purpose.as_bytes());
        Self { reader: hasher.finalize_xof(), block: [0; 64], used: 64 }
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        if self.used == self.block.len() {
            self.reader.fill(&mut self.block);
            self.used = 0;
        }
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.block[self.used..self.used + 8]);
        self.used += 8;
        u64::from_le_bytes(bytes)
    }

    /// A number below `bound`; zero when `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.number()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// An index into something of this length; zero when it is empty.
    pub fn index(&mut self, length: usize) -> usize {
        let bound = u64::try_from(length).unwrap_or(u64::MAX);
        usize::try_from(self.below(bound)).unwrap_or(0)
    }

    /// True with this probability. Draws nothing when the answer is certain.
    pub fn chance(&mut self, probability: f64) -> bool {
        if probability <= 0.0 {
            return false;
        }
        if probability >= 1.0 {
            return true;
        }
        #[allow(clippy::cast_precision_loss)]
        let unit = (self.number() >> 11) as f64 / (1_u64 << 53) as f64;
        unit < probability
    }

    /// A duration from zero to `max`, in whole microseconds. Draws nothing when `max` is zero.
    pub fn duration(&mut self, max: Duration) -> Duration {
        if max.is_zero() {
            return Duration::ZERO;
        }
        let bound = u64::try_from(max.as_micros()).unwrap_or(u64::MAX - 1);
        Duration::from_micros(self.below(bound + 1))
    }

    /// A seed for something else.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        for part in seed.chunks_exact_mut(8) {
            part.copy_from_slice(&self.number().to_le_bytes());
        }
        seed
    }

    /// As many random bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.number().to_le_bytes()[0]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_depend_on_seed_and_purpose_only() {
        let draw = |seed, purpose| {
            let mut random = Random::new(seed, purpose);
            (0..20).map(|_| random.number()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, "net"), draw(1, "net"));
        assert_ne!(draw(1, "net"), draw(2, "net"));
        assert_ne!(draw(1, "net"), draw(1, "node"));
    }

    #[test]
    fn chances_are_about_right_and_bounds_hold() {
        let mut random = Random::new(7, "test");
        let hits = (0..10_000).filter(|_| random.chance(0.2)).count();
        assert!((1_800..2_200).contains(&hits), "{hits}");
        assert!(!random.chance(0.0) && random.chance(1.0));
        for bound in [1, 2, 3, 1_000] {
            assert!((0..100).all(|_| random.below(bound) < bound));
        }
        assert_eq!(random.below(0), 0);
        let max = Duration::from_micros(3);
        let drawn: Vec<_> = (0..100).map(|_| random.duration(max)).collect();
        assert!(drawn.iter().all(|it| *it <= max) && drawn.contains(&max));
    }
}
