//! A number of which every process of a large realm keeps one for each member.

use crate::time::Timestamp;

/// A whole number below 2^48 - 1, or none, in six bytes. In milliseconds it reaches 8,900 years
/// from 1970, in microseconds nearly nine from the start of the process; what is beyond is the
/// greatest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Compact([u8; 6]);

/// The number and one: zero is none.
const ONE_MORE_MAX: u64 = (1 << 48) - 1;

impl Compact {
    pub(super) const NONE: Self = Self([0; 6]);

    pub(super) fn new(number: u64) -> Self {
        let [bytes @ .., _, _] = number.saturating_add(1).min(ONE_MORE_MAX).to_le_bytes();
        Self(bytes)
    }

    pub(super) fn get(self) -> Option<u64> {
        let [a, b, c, d, e, f] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0]).checked_sub(1)
    }

    /// The wall clock's time that was kept.
    pub(super) fn timestamp(self) -> Option<Timestamp> {
        let millis = i64::try_from(self.get()?).ok()?;
        Some(Timestamp::from_millis(millis))
    }
}

/// What lies before 1970 is 1970.
impl From<Timestamp> for Compact {
    fn from(wall: Timestamp) -> Self {
        Self::new(u64::try_from(wall.as_millis()).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_up_to_the_greatest() {
        assert_eq!(Compact::NONE.get(), None);
        assert_eq!(Compact::default().get(), None);
        for number in [0, 1, 255, 256, 1_796_000_000_000, (1 << 48) - 2] {
            assert_eq!(Compact::new(number).get(), Some(number));
        }
        for number in [(1 << 48) - 1, 1 << 48, u64::MAX] {
            assert_eq!(Compact::new(number).get(), Some((1 << 48) - 2));
        }
    }
}
