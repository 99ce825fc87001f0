//! What the packets of members show of the network: for who looks for a fault, never for the
//! protocol itself.

use super::compact::Compact;
use crate::time::{Instant, Now, Timestamp};

/// The last packet of a member that came by multicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    /// When it came, by this node's wall clock.
    pub wall: Timestamp,
    /// How far the sender's clock was ahead of this node's, in milliseconds, travel left out; at
    /// most 24 days, which is far beyond what is taken. [PRE-10]
    pub ahead_ms: i64,
}

/// What was seen of a member. [PRE-11] As small as it can be: there is one for each member.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signs {
    /// When its last packet by multicast came, in milliseconds since 1970.
    wall: Compact,
    /// [`Sign::ahead_ms`] of that, in bytes that need no alignment.
    ahead_ms: [u8; 4],
    /// When multicast last got through, in microseconds of the monotonic clock.
    through: Compact,
}

impl Signs {
    /// Notes a packet by multicast whose origin is verified, and the clock that it told; that of
    /// one which is not the newest of its process only where none is known. [PRE-11]
    pub(super) fn note(&mut self, now: Now, told: Timestamp, newest: bool) {
        let ahead_ms = told.as_millis().saturating_sub(now.wall.as_millis());
        if newest || self.wall == Compact::NONE {
            let beyond = if ahead_ms < 0 { i32::MIN } else { i32::MAX };
            self.ahead_ms = i32::try_from(ahead_ms).unwrap_or(beyond).to_ne_bytes();
        }
        self.wall = now.wall.into();
        self.note_through(now.instant);
    }

    /// Notes that multicast got through: a packet of the member came by it, or what went by it
    /// alone reached the member.
    pub(super) fn note_through(&mut self, now: Instant) {
        self.through = Compact::new(now.as_micros());
    }

    /// When multicast last got through between the member and this node, either way.
    pub(super) fn through(&self) -> Option<Instant> {
        self.through.get().map(Instant::from_micros)
    }

    /// The last packet of the member by multicast.
    pub(super) fn sign(&self) -> Option<Sign> {
        let ahead_ms = i32::from_ne_bytes(self.ahead_ms).into();
        self.wall.timestamp().map(|wall| Sign { wall, ahead_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(millis: i64) -> Now {
        Now { instant: Instant::from_micros(0), wall: Timestamp::from_millis(millis) }
    }

    #[test]
    fn the_last_packet_tells_the_clock() {
        let mut signs = Signs::default();
        assert_eq!((signs.sign(), signs.through()), (None, None));
        signs.note(now(1000), Timestamp::from_millis(8000), false);
        signs.note(now(1500), Timestamp::from_millis(1000), true);
        signs.note(now(2000), Timestamp::from_millis(1), false);
        let expected = Sign { wall: Timestamp::from_millis(2000), ahead_ms: -500 };
        assert_eq!(signs.sign(), Some(expected));
        signs.note_through(Instant::from_micros(1));
        assert_eq!(signs.through(), Some(Instant::from_micros(1)));
        assert_eq!(signs.sign(), Some(expected));
    }
}
