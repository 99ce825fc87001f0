//! What members announced that the member list in force does not name.
//!
//! An agent that was just issued holds the list that names it, and tells of it in the beacons of
//! its start. Whoever hears those has to fetch the list first, and would hear the next beacon an
//! interval later. Not here: the fetch, which is the affair of [`fetching`](super::fetching).

use std::collections::VecDeque;

use crate::presence::{Heard, doubt_after};
use crate::time::{Instant, Timestamp};
use crate::wire::id::NodeId;

/// Members that are remembered; when there are more, the one heard longest ago is forgotten.
/// [PRE-41]
pub(super) const STRANGERS_MAX: usize = 64;

/// The last beacon of each such member.
#[derive(Debug, Default)]
pub(super) struct Strangers(VecDeque<Stranger>);

/// What a member's beacon said, and the time that it told.
#[derive(Debug)]
pub(super) struct Stranger {
    pub(super) id: NodeId,
    pub(super) heard: Heard,
    pub(super) told: Option<Timestamp>,
}

impl Strangers {
    /// Keeps a beacon in place of the one before of the same member.
    pub(super) fn keep(&mut self, stranger: Stranger) {
        self.0.retain(|it| it.id != stranger.id);
        if self.0.len() >= STRANGERS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(stranger);
    }

    /// Those that a list names which came into force, unless they may be gone by now.
    pub(super) fn named(&mut self, now: Instant, names: impl Fn(&NodeId) -> bool) -> Vec<Stranger> {
        self.0.retain(|it| now.since(it.heard.at) <= doubt_after(it.heard.interval));
        let (named, others): (VecDeque<Stranger>, _) =
            std::mem::take(&mut self.0).into_iter().partition(|it| names(&it.id));
        self.0 = others;
        named.into()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::presence::Via;

    fn stranger(number: u8, second: u64) -> Stranger {
        let heard = Heard {
            at: Instant::from_micros(second * 1_000_000),
            wall: Timestamp::default(),
            address: None,
            sender: None,
            number: 0,
            interval: Duration::from_secs(10),
            left: false,
            software: "".into(),
            via: Via::Multicast,
        };
        Stranger { id: NodeId([number; 16]), heard, told: None }
    }

    /// [PRE-41]
    #[test]
    fn so_many_are_remembered_the_last_word_of_each_and_not_for_ever() {
        let mut strangers = Strangers::default();
        for number in 0..=u8::try_from(STRANGERS_MAX).unwrap() {
            strangers.keep(stranger(number, 5));
        }
        strangers.keep(stranger(9, 6));
        assert_eq!(strangers.0.len(), STRANGERS_MAX);
        let at = |second: u64| Instant::from_micros(second * 1_000_000);
        let named = |it: &NodeId| [0, 9].contains(&it.0[0]);
        let found = strangers.named(at(6), named);
        assert_eq!(
            found.iter().map(|it| (it.id.0[0], it.heard.at)).collect::<Vec<_>>(),
            [(9, at(6))]
        );
        assert_eq!(strangers.named(at(65), |it| it.0[0] == 1).len(), 1);
        assert_eq!(strangers.named(at(66), |_| true).len(), 0);
    }
}
