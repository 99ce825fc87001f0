//! Randomness from the operating system, to seed the core's generator.

use lcast_proto::random::Random;

/// A generator seeded by the operating system.
///
/// # Panics
/// When the kernel has no randomness to give: then nothing that this program does is safe.
pub fn random() -> Random {
    let mut seed = [0_u8; 32];
    let filled = rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty());
    assert_eq!(filled, Ok(seed.len()), "getrandom gives up to 256 bytes at once");
    Random::from_seed(seed)
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_generators_differ() {
        let [left, right]: [[u8; 16]; 2] = [super::random().bytes(), super::random().bytes()];
        assert_ne!(left, right);
    }
}
