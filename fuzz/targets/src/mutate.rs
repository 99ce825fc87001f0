//! Small seeded changes to an input, for the replay: the same seed makes the same bytes.

/// Numbers that parsers of lengths and counts trip over.
const EDGES: [u8; 8] = [0x00, 0x01, 0x17, 0x18, 0x7f, 0x80, 0xfe, 0xff];

/// A sequence of numbers that looks random (splitmix64).
#[derive(Clone, Debug)]
pub struct Seed(u64);

impl Seed {
    /// The sequence that `seed` begins.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        if bound == 0 { 0 } else { (mixed % bound as u64) as usize }
    }
}

/// `input` with one to four changes: a bit, an edge value, a cut, an insertion, a repetition, or a
/// piece of `other`.
pub fn mutated(input: &[u8], other: &[u8], seed: u64) -> Vec<u8> {
    let mut seed = Seed::new(seed);
    let mut bytes = input.to_vec();
    for _ in 0..=seed.below(4) {
        let at = seed.below(bytes.len());
        let end = (at + 1 + seed.below(16)).min(bytes.len());
        match seed.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << seed.below(8),
            1 if at < bytes.len() => bytes[at] = EDGES[seed.below(EDGES.len())],
            2 => bytes.truncate(at),
            3 => bytes.insert(at, EDGES[seed.below(EDGES.len())]),
            4 if at < end => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let from = seed.below(other.len());
                let to = (from + seed.below(32)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_bytes() {
        for seed in 0..1000 {
            let bytes = mutated(b"app.release", b"system", seed);
            assert_eq!(bytes, mutated(b"app.release", b"system", seed));
            assert!(bytes.len() <= 11 + 4 * 32);
        }
        for seed in 0..1000 {
            mutated(b"", b"", seed);
        }
    }

    #[test]
    fn most_seeds_change_something() {
        let same = (0..1000).filter(|seed| mutated(b"app.release", b"x", *seed) == b"app.release");
        assert!(same.count() < 100);
    }
}
