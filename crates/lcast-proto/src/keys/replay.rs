//! Replay windows: which packet numbers of a sender were taken.
//!
//! [`ReplayWindows::check`] asks, [`ReplayWindows::commit`] moves. Commit only after the packet's
//! origin is verified: otherwise a member could close another's window with a forged number. A
//! window belongs to a member and a sender id together, since any member can sign under any sender
//! id: [SEC-41]. Not a memory of questions: request ids are the endpoint's.

use std::time::Duration;

use super::by_member::ByMember;
use super::lru::Lru;
use crate::time::Timestamp;
use crate::wire::id::{NodeId, SenderId};

/// The replay windows of all senders; the longest idle is forgotten.
pub struct ReplayWindows {
    windows: ByMember<(NodeId, SenderId), Window>,
    /// Of members that lost a window to another sender of theirs: the time, as they tell it, up to
    /// which a sender without a window may be one that is repeated.
    floors: Lru<NodeId, Timestamp>,
}

/// Why a packet number is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The number was taken before.
    #[error("a packet that was received before")]
    Replayed,
    /// The number lies before the window, or the window may be forgotten: it cannot be told whether
    /// it was taken.
    #[error("a packet too old to be told from a replay")]
    TooOld,
}

/// Which of the numbers `highest - 1023 ..= highest` were taken; `highest` was.
struct Window {
    highest: u64,
    taken: Taken,
}

/// The numbers taken besides the highest. In a large realm most senders are heard too seldom for
/// more than a few to lie within the window.
enum Taken {
    /// How far each lies back from the highest; zero: a free place.
    Few([u16; FEW_MAX]),
    /// A bit for each number, at the number modulo 1024.
    Many(Box<[u64; WORDS]>),
}

const WORDS: usize = (ReplayWindows::WINDOW / 64) as usize;
/// As many as find room beside the tag where a pointer does.
const FEW_MAX: usize = 7;

impl ReplayWindows {
    /// How many numbers back from the highest a window reaches.
    pub const WINDOW: u64 = 1024;
    /// Most senders that a window is kept for: about 0.1 KB each, and as much more for a busy one.
    pub const SENDERS_MAX: usize = 4096;
    /// Most senders of one member that a window is kept for: a client's processes at one time.
    pub const SENDERS_OF_MEMBER_MAX: usize = 64;
    /// Most members that are known to have lost windows to senders of their own.
    pub const FLOORS_MAX: usize = 1024;
    /// How much later than another a packet of a member may be told and yet be taken before it:
    /// processes that start together overtake each other.
    pub const DISORDER: Duration = Duration::from_secs(1);

    /// No windows.
    pub fn new() -> Self {
        Self::with_capacity(Self::SENDERS_MAX)
    }

    /// No windows, for at most `senders`.
    pub fn with_capacity(senders: usize) -> Self {
        let windows = ByMember::new(senders.min(Self::SENDERS_MAX));
        Self { windows, floors: Lru::new(Self::FLOORS_MAX) }
    }

    /// Whether the number would be taken. Changes nothing.
    ///
    /// # Errors
    /// When it was taken, or cannot be told.
    pub fn check(&self, member: NodeId, sender: SenderId, number: u64) -> Result<(), ReplayError> {
        self.windows.peek(&(member, sender)).map_or(Ok(()), |window| window.check(number))
    }

    /// Whether a packet told at this time may be one that was taken before, under a window that is
    /// forgotten. Changes nothing.
    ///
    /// # Errors
    /// When it cannot be told from a replay.
    pub fn check_told(
        &self,
        member: NodeId,
        sender: SenderId,
        told: Timestamp,
    ) -> Result<(), ReplayError> {
        let late = self.floors.peek(&member).is_some_and(|floor| told <= *floor);
        if late && !self.contains(member, sender) { Err(ReplayError::TooOld) } else { Ok(()) }
    }

    /// Whether the sender has a window: one of its packets was verified and taken.
    pub fn contains(&self, member: NodeId, sender: SenderId) -> bool {
        self.windows.peek(&(member, sender)).is_some()
    }

    /// Takes the number of a verified packet; makes a window for a sender that has none. A member
    /// with many senders loses its own longest idle one, never another's; from then on a sender
    /// without a window is taken only when it tells a later time. `told` is when the packet was
    /// sent, no later than the clock here allows, if it says so.
    ///
    /// # Errors
    /// As [`Self::check`], and when a window would have to go for a packet that tells no time; then
    /// nothing is changed.
    pub fn commit(
        &mut self,
        member: NodeId,
        sender: SenderId,
        number: u64,
        told: Option<Timestamp>,
    ) -> Result<(), ReplayError> {
        let key = (member, sender);
        if let Some(window) = self.windows.get(&key) {
            window.check(number)?;
            window.take(number);
            return Ok(());
        }
        if let (Self::SENDERS_OF_MEMBER_MAX.., Some(idle)) = self.windows.oldest_of(&member) {
            let told = told.ok_or(ReplayError::TooOld)?;
            self.windows.remove(&idle);
            let floor = told.saturating_sub(Self::DISORDER);
            let before = self.floors.peek(&member).copied().unwrap_or(floor);
            self.floors.insert(member, before.max(floor));
        }
        self.windows.insert(key, Window::new(number));
        Ok(())
    }

    /// Forgets a sender that is known to have ended.
    pub fn remove(&mut self, member: NodeId, sender: SenderId) {
        self.windows.remove(&(member, sender));
    }

    /// How many senders have a window.
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Whether no sender has a window.
    pub fn is_empty(&self) -> bool {
        self.windows.len() == 0
    }
}

impl Default for ReplayWindows {
    fn default() -> Self {
        Self::new()
    }
}

impl Window {
    fn new(highest: u64) -> Self {
        Self { highest, taken: Taken::Few([0; FEW_MAX]) }
    }

    fn check(&self, number: u64) -> Result<(), ReplayError> {
        if number > self.highest {
            return Ok(());
        }
        let back = self.highest - number;
        if back >= ReplayWindows::WINDOW {
            return Err(ReplayError::TooOld);
        }
        let taken = match &self.taken {
            Taken::Few(few) => back == 0 || few.iter().any(|it| u64::from(*it) == back),
            Taken::Many(many) => many[place(number).0] & place(number).1 != 0,
        };
        if taken { Err(ReplayError::Replayed) } else { Ok(()) }
    }

    /// Takes a number that [`Self::check`] lets pass.
    fn take(&mut self, number: u64) {
        if number > self.highest {
            let steps = number - self.highest;
            let before = std::mem::replace(&mut self.highest, number);
            self.taken.forget(before, steps);
            if steps < ReplayWindows::WINDOW {
                self.taken.add(number, before);
            }
            return;
        }
        self.taken.add(self.highest, number);
    }
}

impl Taken {
    /// The highest number goes up by `steps` from `before`.
    fn forget(&mut self, before: u64, steps: u64) {
        if steps >= ReplayWindows::WINDOW {
            *self = Self::Few([0; FEW_MAX]);
            return;
        }
        match self {
            Self::Few(few) => few.iter_mut().filter(|it| **it > 0).for_each(|it| {
                let back = u64::from(*it) + steps;
                *it = if back < ReplayWindows::WINDOW { back as u16 } else { 0 };
            }),
            Self::Many(many) => (before + 1..=before + steps).for_each(|cleared| {
                let (word, bit) = place(cleared);
                many[word] &= !bit;
            }),
        }
        // Where bits stand for numbers, the highest has one as well.
        if let Self::Many(many) = self {
            let (word, bit) = place(before + steps);
            many[word] |= bit;
        }
    }

    /// Adds a number within the window.
    fn add(&mut self, highest: u64, number: u64) {
        match self {
            Self::Few(few) => {
                if let Some(free) = few.iter_mut().find(|it| **it == 0) {
                    *free = (highest - number) as u16;
                    return;
                }
                let mut many = Box::new([0; WORDS]);
                let numbers = few.iter().map(|back| highest - u64::from(*back));
                for taken in numbers.chain([highest, number]) {
                    let (word, bit) = place(taken);
                    many[word] |= bit;
                }
                *self = Self::Many(many);
            }
            Self::Many(many) => {
                let (word, bit) = place(number);
                many[word] |= bit;
            }
        }
    }
}

/// The word and bit of a number.
fn place(number: u64) -> (usize, u64) {
    let index = number % ReplayWindows::WINDOW;
    ((index / 64) as usize, 1 << (index % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBER: NodeId = NodeId([2; 16]);
    const SENDER: SenderId = SenderId([1; 12]);

    fn check(taken: &[u64], number: u64, expected: Result<(), ReplayError>) {
        let mut windows = ReplayWindows::new();
        for number in taken {
            windows.commit(MEMBER, SENDER, *number, None).unwrap();
        }
        assert_eq!(windows.check(MEMBER, SENDER, number), expected, "{taken:?} then {number}");
        assert_eq!(
            windows.commit(MEMBER, SENDER, number, None),
            expected,
            "{taken:?} then {number}"
        );
    }

    #[test]
    fn a_slot_with_a_window_fits_a_cache_line() {
        use crate::keys::by_member::Slot;
        assert_eq!(size_of::<Slot<(NodeId, SenderId), Window>>(), 64);
    }

    #[test]
    fn numbers_are_taken_once_and_within_the_window() {
        let max = u64::MAX;
        check(&[], 0, Ok(()));
        check(&[], max, Ok(()));
        check(&[0], 0, Err(ReplayError::Replayed));
        check(&[5], 4, Ok(()));
        check(&[5, 4], 4, Err(ReplayError::Replayed));
        check(&[5, 4], 5, Err(ReplayError::Replayed));
        check(&[1023], 0, Ok(()));
        check(&[1024], 0, Err(ReplayError::TooOld));
        check(&[0, 1024], 1, Ok(()));
        check(&[0, 1, 1024], 1, Err(ReplayError::Replayed));
        check(&[3, 3 + 1024], 3 + 2048, Ok(()));
        check(&[3, 1_000_000], 1_000_000 - 1023, Ok(()));
        check(&[3, 1_000_000], 1_000_000 - 1024, Err(ReplayError::TooOld));
        check(&[max], max - 1023, Ok(()));
        check(&[max], max - 1024, Err(ReplayError::TooOld));
        check(&[0, max], max, Err(ReplayError::Replayed));
    }

    /// Against a plain set, in steps small and large.
    #[test]
    fn few_and_many_numbers_are_kept_alike() {
        let mut random = crate::random::Random::from_seed([5; 32]);
        for stride in [1, 3, 60, 200, 900, 2_000] {
            let mut window = Window::new(5_000);
            let mut taken = std::collections::BTreeSet::from([5_000]);
            for _ in 0..3_000 {
                let highest = *taken.last().unwrap();
                let number = if random.below(2) == 0 {
                    highest + 1 + random.below(stride)
                } else {
                    highest - random.below(1_100)
                };
                let expected = match number {
                    _ if taken.contains(&number) && highest - number < ReplayWindows::WINDOW => {
                        Err(ReplayError::Replayed)
                    }
                    _ if highest.saturating_sub(number) >= ReplayWindows::WINDOW => {
                        Err(ReplayError::TooOld)
                    }
                    _ => Ok(()),
                };
                assert_eq!(window.check(number), expected, "{number} of {stride}");
                if expected.is_ok() {
                    window.take(number);
                    taken.insert(number);
                }
            }
        }
    }

    /// [SEC-41]: asking moves nothing.
    #[test]
    fn asking_moves_no_window() {
        let mut windows = ReplayWindows::new();
        windows.check(MEMBER, SENDER, 9).unwrap();
        assert!(windows.is_empty());
        windows.commit(MEMBER, SENDER, 9, None).unwrap();
        windows.check(MEMBER, SENDER, u64::MAX).unwrap();
        windows.check(MEMBER, SENDER, 10).unwrap();
        windows.commit(MEMBER, SENDER, 8, None).unwrap();
    }

    fn sender(index: usize) -> SenderId {
        let mut id = [0; 12];
        id[..8].copy_from_slice(&(index as u64).to_be_bytes());
        SenderId(id)
    }

    fn member(index: usize) -> NodeId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(index as u64).to_be_bytes());
        NodeId(id)
    }

    #[test]
    fn the_longest_idle_sender_is_forgotten() {
        let mut windows = ReplayWindows::new();
        for index in 0..ReplayWindows::SENDERS_MAX {
            windows.commit(member(index), SENDER, 1, None).unwrap();
        }
        assert_eq!(windows.len(), ReplayWindows::SENDERS_MAX);
        windows.commit(member(0), SENDER, 2, None).unwrap();
        windows.commit(member(ReplayWindows::SENDERS_MAX), SENDER, 1, None).unwrap();
        assert_eq!(windows.len(), ReplayWindows::SENDERS_MAX);
        assert!(windows.contains(member(0), SENDER) && !windows.contains(member(1), SENDER));
    }

    /// [SEC-41]: whoever signs under another's sender id closes only his own window.
    #[test]
    fn a_member_moves_no_window_of_another() {
        let mut windows = ReplayWindows::new();
        windows.commit(member(0), SENDER, 5, None).unwrap();
        windows.commit(member(1), SENDER, u64::MAX, None).unwrap();
        windows.commit(member(0), SENDER, 6, None).unwrap();
        for index in 0..=ReplayWindows::SENDERS_OF_MEMBER_MAX {
            assert!(windows.contains(member(1), SENDER));
            windows.commit(member(1), sender(index), 1, Some(NOON)).unwrap();
            let held = windows.len() - 1;
            assert_eq!(held, (index + 2).min(ReplayWindows::SENDERS_OF_MEMBER_MAX));
            if index + 2 > ReplayWindows::SENDERS_OF_MEMBER_MAX {
                break;
            }
        }
        assert!(!windows.contains(member(1), SENDER));
        assert!(windows.contains(member(0), SENDER));
    }

    const NOON: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    /// [SEC-71]: what was recorded of more processes than have windows is not taken again.
    #[test]
    fn what_forgotten_senders_have_sent_is_not_taken_again() {
        let mut windows = ReplayWindows::new();
        let count = 3 * ReplayWindows::SENDERS_OF_MEMBER_MAX;
        let told = |index: usize| NOON.saturating_add(Duration::from_secs(10 * index as u64));
        let hear = |windows: &mut ReplayWindows, index: usize| {
            let (sender, told) = (sender(index), told(index));
            windows.check(MEMBER, sender, 1)?;
            windows.check_told(MEMBER, sender, told)?;
            windows.commit(MEMBER, sender, 1, Some(told))
        };
        assert!((0..count).all(|index| hear(&mut windows, index).is_ok()));
        for _ in 0..2 {
            assert!((0..count).all(|index| hear(&mut windows, index).is_err()));
        }
        hear(&mut windows, count).unwrap();
        // Of two that start together, either may be first.
        let together = told(count).saturating_sub(ReplayWindows::DISORDER / 2);
        windows.check_told(MEMBER, sender(count + 1), together).unwrap();
        // Others have lost nothing, and what tells no time pushes nothing out.
        windows.check_told(member(1), SENDER, NOON).unwrap();
        let untold = windows.commit(MEMBER, sender(count + 2), 1, None);
        assert_eq!(untold, Err(ReplayError::TooOld));
        // Whoever has a window goes on, whatever its clock says.
        windows.check_told(MEMBER, sender(count), NOON).unwrap();
    }
}
