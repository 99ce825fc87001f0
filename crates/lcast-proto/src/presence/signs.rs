//! What the packets of members show of the network: for who looks for a fault, never for the
//! protocol itself.

use std::collections::BTreeMap;

use crate::time::{Instant, Now, Timestamp};
use crate::wire::id::{NodeId, SenderId};

/// What was seen of each member. [PRE-11]
#[derive(Debug, Default)]
pub struct Signs {
    signs: BTreeMap<NodeId, Sign>,
    /// When multicast last got through between the member and this node, either way.
    through: BTreeMap<NodeId, Instant>,
    speakers: BTreeMap<NodeId, Speaker>,
}

/// The last packet of a member that came by multicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    /// When it came, by this node's wall clock.
    pub wall: Timestamp,
    /// How far the sender's clock was ahead of this node's, in milliseconds, travel left out.
    pub ahead_ms: i64,
}

/// How many processes speak for a member, as far as their packets show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Processes {
    /// One, or none was heard.
    #[default]
    One,
    /// Another than before: it was started again, or there are two.
    Changed,
    /// Two: one that had given way to another was heard again.
    Two,
}

/// Who speaks for a member.
#[derive(Clone, Copy, Debug)]
struct Speaker {
    sender: SenderId,
    before: Option<SenderId>,
    processes: Processes,
}

impl Signs {
    /// Most members remembered: as many as a member list has.
    pub const MEMBERS_MAX: usize = 16_384;

    /// Notes a packet by multicast whose origin is verified, and the clock that it told. What finds
    /// no room is not noted.
    pub fn note(&mut self, now: Now, id: NodeId, told: Timestamp) {
        if self.signs.len() >= Self::MEMBERS_MAX && !self.signs.contains_key(&id) {
            return;
        }
        let ahead_ms = told.as_millis().saturating_sub(now.wall.as_millis());
        self.signs.insert(id, Sign { wall: now.wall, ahead_ms });
        self.note_through(now.instant, id);
    }

    /// Notes that multicast got through: a packet of the member came by it, or what went by it
    /// alone reached the member. What finds no room is not noted.
    pub fn note_through(&mut self, now: Instant, id: NodeId) {
        if self.through.len() < Self::MEMBERS_MAX || self.through.contains_key(&id) {
            self.through.insert(id, now);
        }
    }

    /// When multicast last got through between the member and this node.
    pub fn through(&self, id: &NodeId) -> Option<Instant> {
        self.through.get(id).copied()
    }

    /// Notes which process a verified packet is from, by whichever way it came.
    pub fn note_speaker(&mut self, id: NodeId, sender: SenderId) {
        let first = Speaker { sender, before: None, processes: Processes::One };
        let Some(known) = self.speakers.get_mut(&id) else {
            if self.speakers.len() < Self::MEMBERS_MAX {
                self.speakers.insert(id, first);
            }
            return;
        };
        if known.sender == sender {
            return;
        }
        let again = known.before == Some(sender) || known.processes == Processes::Two;
        let processes = if again { Processes::Two } else { Processes::Changed };
        *known = Speaker { sender, before: Some(known.sender), processes };
    }

    /// The last packet of a member by multicast.
    pub fn sign(&self, id: &NodeId) -> Option<Sign> {
        self.signs.get(id).copied()
    }

    /// How many processes speak for a member.
    pub fn processes(&self, id: &NodeId) -> Processes {
        self.speakers.get(id).map(|it| it.processes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        signs.note(now(1000), id(1), Timestamp::from_millis(8000));
        signs.note(now(2000), id(1), Timestamp::from_millis(1500));
        let expected = Sign { wall: Timestamp::from_millis(2000), ahead_ms: -500 };
        assert_eq!(signs.sign(&id(1)), Some(expected));
        assert_eq!(signs.sign(&id(2)), None);
    }

    #[test]
    fn one_more_than_fits_is_not_noted() {
        let mut signs = Signs::default();
        for number in 0..=Signs::MEMBERS_MAX {
            signs.note(now(0), id(number), Timestamp::from_millis(0));
            signs.note_speaker(id(number), A);
            signs.note_speaker(id(number), B);
        }
        assert_eq!(signs.processes(&id(Signs::MEMBERS_MAX - 1)), Processes::Changed);
        assert_eq!(signs.processes(&id(Signs::MEMBERS_MAX)), Processes::One);
        assert!(signs.sign(&id(Signs::MEMBERS_MAX - 1)).is_some());
        assert!(signs.sign(&id(Signs::MEMBERS_MAX)).is_none());
        signs.note_through(Instant::from_micros(1), id(Signs::MEMBERS_MAX));
        assert_eq!(signs.through(&id(Signs::MEMBERS_MAX)), None);
        signs.note_through(Instant::from_micros(1), id(0));
        assert_eq!(signs.through(&id(0)), Some(Instant::from_micros(1)));
        // Those that are known go on.
        signs.note(now(5), id(0), Timestamp::from_millis(5));
        assert_eq!(signs.sign(&id(0)).map(|it| it.wall), Some(Timestamp::from_millis(5)));
    }

    #[test]
    fn a_restart_is_told_from_two_processes() {
        let check = |senders: &[SenderId], expected: Processes| {
            let mut signs = Signs::default();
            for sender in senders {
                signs.note_speaker(id(1), *sender);
            }
            assert_eq!(signs.processes(&id(1)), expected, "{senders:?}");
        };
        check(&[A, A], Processes::One);
        check(&[A, B, B], Processes::Changed);
        check(&[A, B, C], Processes::Changed);
        check(&[A, B, A], Processes::Two);
        check(&[A, B, A, A, C], Processes::Two);
    }
}
