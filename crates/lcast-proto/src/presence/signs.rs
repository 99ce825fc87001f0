//! What members told by multicast: for who looks for a fault, never for the protocol itself.

use std::collections::BTreeMap;

use crate::time::{Now, Timestamp};
use crate::wire::id::{NodeId, SenderId};

/// The last packet of each member that came by multicast. [PRE-11]
#[derive(Debug, Default)]
pub struct Signs {
    signs: BTreeMap<NodeId, Noted>,
}

/// A sign, and who gave it.
#[derive(Debug)]
struct Noted {
    sign: Sign,
    sender: SenderId,
    before: Option<SenderId>,
}

/// A packet that came by multicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    /// When it came, by this node's wall clock.
    pub wall: Timestamp,
    /// How far the sender's clock was ahead of this node's, in milliseconds, travel left out.
    pub ahead_ms: i64,
    /// How many processes speak for the member.
    pub processes: Processes,
}

/// How many processes speak for a member, as far as their packets show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processes {
    /// One.
    One,
    /// Another than before: it was started again, or there are two.
    Changed,
    /// Two: one that had given way to another was heard again.
    Two,
}

impl Signs {
    /// Most members remembered: as many as a member list has.
    pub const MEMBERS_MAX: usize = 16_384;

    /// Notes a packet whose origin is verified, and the clock that it told. What finds no room is
    /// not noted: it is the sign of a forgotten member or of one too many.
    pub fn note(&mut self, now: Now, id: NodeId, sender: SenderId, told: Timestamp) {
        if self.signs.len() >= Self::MEMBERS_MAX && !self.signs.contains_key(&id) {
            return;
        }
        let ahead_ms = told.as_millis().saturating_sub(now.wall.as_millis());
        let known = self.signs.get(&id);
        let (before, processes) = match known {
            None => (None, Processes::One),
            Some(it) if it.sender == sender => (it.before, it.sign.processes),
            Some(it) if it.before == Some(sender) => (Some(it.sender), Processes::Two),
            Some(it) if it.sign.processes == Processes::Two => (Some(it.sender), Processes::Two),
            Some(it) => (Some(it.sender), Processes::Changed),
        };
        let sign = Sign { wall: now.wall, ahead_ms, processes };
        self.signs.insert(id, Noted { sign, sender, before });
    }

    /// The last packet of a member.
    pub fn sign(&self, id: &NodeId) -> Option<Sign> {
        self.signs.get(id).map(|it| it.sign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Instant;

    const A: SenderId = SenderId([1; 12]);
    const B: SenderId = SenderId([2; 12]);
    const C: SenderId = SenderId([3; 12]);

    fn now(millis: i64) -> Now {
        Now { instant: Instant::from_micros(0), wall: Timestamp::from_millis(millis) }
    }

    fn id(number: usize) -> NodeId {
        NodeId(u128::try_from(number).unwrap().to_be_bytes())
    }

    #[test]
    fn the_last_packet_tells_the_clock() {
        let mut signs = Signs::default();
        signs.note(now(1000), id(1), A, Timestamp::from_millis(8000));
        signs.note(now(2000), id(1), A, Timestamp::from_millis(1500));
        let (wall, processes) = (Timestamp::from_millis(2000), Processes::One);
        let expected = Sign { wall, ahead_ms: -500, processes };
        assert_eq!(signs.sign(&id(1)), Some(expected));
        assert_eq!(signs.sign(&id(2)), None);
    }

    #[test]
    fn one_more_than_fits_is_not_noted() {
        let mut signs = Signs::default();
        for number in 0..=Signs::MEMBERS_MAX {
            signs.note(now(0), id(number), A, Timestamp::from_millis(0));
        }
        assert!(signs.sign(&id(Signs::MEMBERS_MAX - 1)).is_some());
        assert!(signs.sign(&id(Signs::MEMBERS_MAX)).is_none());
        // Those that are known go on.
        signs.note(now(5), id(0), A, Timestamp::from_millis(5));
        assert_eq!(signs.sign(&id(0)).map(|it| it.wall), Some(Timestamp::from_millis(5)));
    }

    #[test]
    fn a_restart_is_told_from_two_processes() {
        let check = |senders: &[SenderId], expected: Processes| {
            let mut signs = Signs::default();
            for sender in senders {
                signs.note(now(0), id(1), *sender, Timestamp::from_millis(0));
            }
            assert_eq!(signs.sign(&id(1)).map(|it| it.processes), Some(expected), "{senders:?}");
        };
        check(&[A, A], Processes::One);
        check(&[A, B, B], Processes::Changed);
        check(&[A, B, C], Processes::Changed);
        check(&[A, B, A], Processes::Two);
        check(&[A, B, A, A, C], Processes::Two);
    }
}
