//! Who lives, in the order of the ring: a bit for each position in the circle of the members.
//!
//! Not here: where a member stands, which is in [`MemberList`](crate::keys::members::MemberList).

/// The positions of those that live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Living {
    words: Vec<u64>,
    positions: u32,
}

impl Living {
    /// Nobody lives, of so many.
    pub(super) fn new(positions: usize) -> Self {
        let words = vec![0; positions.div_ceil(64)];
        Self { words, positions: u32::try_from(positions).unwrap_or(u32::MAX) }
    }

    /// Who stands there lives.
    pub(super) fn insert(&mut self, position: u32) {
        let (word, bit) = place(position);
        self.words[word] |= bit;
    }

    /// Who stands there lives no longer.
    pub(super) fn remove(&mut self, position: u32) {
        let (word, bit) = place(position);
        self.words[word] &= !bit;
    }

    /// Whether who stands there lives.
    pub(super) fn has(&self, position: u32) -> bool {
        let (word, bit) = place(position);
        self.words[word] & bit != 0
    }

    /// The positions of the living, once around from this one on.
    pub(super) fn around(&self, start: u32) -> impl Iterator<Item = u32> {
        self.within(start, self.positions).chain(self.within(0, start))
    }

    /// The positions of the living from one position on to before another, around the end.
    pub(super) fn between(&self, start: u32, end: u32) -> impl Iterator<Item = u32> {
        let (first, second) =
            if start <= end { (end, 0) } else { (self.positions, end.min(start)) };
        self.within(start, first).chain(self.within(0, second))
    }

    fn within(&self, start: u32, end: u32) -> impl Iterator<Item = u32> {
        let mut next = start;
        std::iter::from_fn(move || {
            while next < end.min(self.positions) {
                let (word, bit) = place(next);
                // Those of this word that are not before the next.
                let rest = self.words[word] & !(bit - 1);
                if rest == 0 {
                    next = next - next % 64 + 64;
                    continue;
                }
                let found = next - next % 64 + rest.trailing_zeros();
                next = found + 1;
                return (found < end).then_some(found);
            }
            None
        })
    }
}

/// The word and bit of a position.
fn place(position: u32) -> (usize, u64) {
    ((position / 64) as usize, 1 << (position % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn living(positions: usize, those: &[u32]) -> Living {
        let mut living = Living::new(positions);
        those.iter().for_each(|it| living.insert(*it));
        living
    }

    #[test]
    fn once_around_from_anywhere() {
        let those = [0, 5, 63, 64, 127, 128, 199];
        let living = living(200, &those);
        for start in 0..=200 {
            let (after, before): (Vec<u32>, Vec<u32>) = those.iter().partition(|it| **it >= start);
            let expected: Vec<u32> = after.into_iter().chain(before).collect();
            assert_eq!(living.around(start).collect::<Vec<_>>(), expected, "{start}");
        }
    }

    #[test]
    fn between_two_around_the_end() {
        let living = living(130, &[1, 64, 65, 129]);
        let check = |start, end, expected: &[u32]| {
            assert_eq!(living.between(start, end).collect::<Vec<_>>(), expected, "{start} {end}");
        };
        check(0, 130, &[1, 64, 65, 129]);
        check(1, 65, &[1, 64]);
        check(65, 1, &[65, 129]);
        check(65, 2, &[65, 129, 1]);
        check(7, 7, &[]);
        check(130, 64, &[1]);
    }

    #[test]
    fn who_is_taken_out_lives_no_longer() {
        let mut living = living(3, &[0, 1, 2]);
        living.remove(1);
        assert_eq!((living.has(0), living.has(1)), (true, false));
        assert_eq!(living.around(1).collect::<Vec<_>>(), [2, 0]);
        assert_eq!(Living::new(0).around(0).count(), 0);
    }
}
