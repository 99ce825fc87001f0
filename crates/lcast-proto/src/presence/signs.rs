//! What the packets of members show of the network: for who looks for a fault, never for the
//! protocol itself.

use std::collections::BTreeMap;

use crate::time::{Instant, Now, Timestamp};
use crate::wire::id::NodeId;

/// What was seen of each member. [PRE-11]
#[derive(Debug, Default)]
pub struct Signs {
    signs: BTreeMap<NodeId, Sign>,
    /// When multicast last got through between the member and this node, either way.
    through: BTreeMap<NodeId, Instant>,
}

/// The last packet of a member that came by multicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    /// When it came, by this node's wall clock.
    pub wall: Timestamp,
    /// How far the sender's clock was ahead of this node's, in milliseconds, travel left out.
    pub ahead_ms: i64,
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

    /// The last packet of a member by multicast.
    pub fn sign(&self, id: &NodeId) -> Option<Sign> {
        self.signs.get(id).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        }
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
}
