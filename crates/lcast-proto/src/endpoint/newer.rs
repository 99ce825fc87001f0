//! Who speaks a newer version of the protocol, so that somebody hears why nobody answers.
//!
//! The header of such a packet is all that is understood of it, and nothing vouches for that: an
//! outsider can send any number of them from any address. So little is remembered, and little said.

use std::collections::VecDeque;
use std::net::Ipv6Addr;
use std::time::Duration;

use crate::time::Instant;

/// Addresses remembered; when there are more, the first is forgotten. [SEC-4]
pub(super) const ADDRESSES_MAX: usize = 64;
/// How long nothing is said of any address after something was said of one. [SEC-4]
pub(super) const PAUSE: Duration = Duration::from_secs(60);

/// The addresses that were told of.
#[derive(Debug, Default)]
pub(super) struct Newer {
    told: VecDeque<Ipv6Addr>,
    told_at: Option<Instant>,
}

impl Newer {
    /// Whether this address is told of: once, and none within a minute of another. [SEC-4]
    pub(super) fn tells(&mut self, now: Instant, address: Ipv6Addr) -> bool {
        let pauses = self.told_at.is_some_and(|at| now.since(at) < PAUSE);
        if pauses || self.told.contains(&address) {
            return false;
        }
        if self.told.len() >= ADDRESSES_MAX {
            self.told.pop_front();
        }
        self.told.push_back(address);
        self.told_at = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [SEC-4]
    #[test]
    fn each_address_is_told_of_once_and_one_a_minute() {
        let address = |number: u16| Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number);
        let second = |seconds: u64| Instant::from_micros(seconds * 1_000_000);
        let mut newer = Newer::default();
        for (seconds, number, expected) in [
            (5, 1, true),
            (5, 1, false),
            (64, 2, false),
            (65, 2, true),
            (200, 1, false),
            (200, 2, false),
            (200, 3, true),
        ] {
            let told = newer.tells(second(seconds), address(number));
            assert_eq!(told, expected, "{number} at {seconds} s");
        }
    }

    /// [SEC-4]
    #[test]
    fn so_many_addresses_are_remembered() {
        let address = |number: u16| Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number);
        for (others, again) in [(ADDRESSES_MAX - 1, false), (ADDRESSES_MAX, true)] {
            let mut newer = Newer::default();
            let mut now = Instant::from_micros(1);
            for number in 0..=u16::try_from(others).unwrap() {
                assert!(newer.tells(now, address(number)));
                now = now + PAUSE;
            }
            assert_eq!(newer.told.len(), ADDRESSES_MAX.min(others + 1));
            assert_eq!(newer.tells(now, address(0)), again, "after {others} others");
        }
    }
}
