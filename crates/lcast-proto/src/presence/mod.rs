//! Presence: who of the realm is there.
//!
//! Agents announce themselves by beacons, four a second in a large realm, and each is pinged by
//! two before it on a ring: who does not answer is suspected before all, has a second to
//! refute that, and is gone. Any verified packet counts as heard. The [`Roster`] joins that with
//! the member list. Not here: how packets are sealed (`keys`), and who is asked what (`question`).
//! See `docs/spec/presence.md`.

mod circle;
mod compact;
mod entry;
mod refutation;
mod ring;
mod roster;
mod signs;

use std::time::Duration;

pub use entry::{Heard, SharedVoice, Voice};
pub use refutation::Refutation;
pub use ring::{AROUND, Ring, RingAct, SUCCESSORS, TARGETS_MAX};
pub use roster::{
    ACCUSATIONS_MAX, ACCUSATIONS_SPAN, BETWEEN_MAX, Presence, REFUTABLE, Roster, State,
    UNHEARD_SKEW, Unfounded, Via,
};
pub use signs::Sign;

use crate::random::Random;
use crate::time::Instant;

/// The shortest time that an agent may take between two beacons. [PRE-2]
pub const INTERVAL_MIN: Duration = Duration::from_secs(2);
/// The time between two beacons of an agent in a realm that is not large: the ring notices who
/// dies, so beacons are for those that come. [PRE-2]
pub const INTERVAL_USUAL: Duration = Duration::from_secs(10);
/// The longest: a realm has at most 16,384 members. [PRE-2]
pub const INTERVAL_MAX: Duration = Duration::from_secs(1800);
/// How often a start is announced. [PRE-2]
const STARTS: u32 = 3;
/// After a beacon sooner than this after the first the next one follows at any time from
/// [`INTERVAL_USUAL`] to the interval: agents that start together would march in step. [PRE-2]
const STARTED: Duration = Duration::from_secs(8);
/// How long what was said first of a start may be said again as it was. [PRE-13]
const START: Duration = Duration::from_secs(1);
/// Beacons a second that the agents of a large realm share: everybody verifies each. [PRE-2]
pub const BEACONS_PER_SECOND: u32 = 4;
/// Beacons a second that somebody may ask for. [PRE-12]
pub const WANTED_PER_SECOND: u32 = 10;

/// How often an agent of a realm with so many agents announces itself. [PRE-2]
pub fn interval(agents: usize) -> Duration {
    let agents = u32::try_from(agents).unwrap_or(u32::MAX);
    let shared = Duration::from_secs(1) * agents / BEACONS_PER_SECOND;
    shared.clamp(INTERVAL_USUAL, INTERVAL_MAX)
}

/// How long a node with this interval may be silent before it is gone, where the ring says nothing
/// of it: twelve beacons, of which heavy loss leaves one. [PRE-3]
pub fn silence_max(interval: Duration) -> Duration {
    interval * 12 + Duration::from_secs(1)
}

/// How long a client may be silent before it has left. [PRE-3]
pub const CLIENT_SILENCE_MAX: Duration = Duration::from_secs(31);

/// How long ago an agent with this interval may have been heard to count as there for certain:
/// three beacons.
pub fn lately(interval: Duration) -> Duration {
    interval * 3 + Duration::from_secs(1)
}

/// How long before it is suspect. [PRE-3]
pub fn doubt_after(interval: Duration) -> Duration {
    interval * 6
}

/// When to send the next beacon.
///
/// A start is announced three times within a second, so that one lost packet does not hide it, and
/// again at a random time within the interval; after that the interval is kept, a tenth more or
/// less, so that agents do not march in step.
#[derive(Debug)]
pub struct Beacons {
    next: Instant,
    first: Option<Instant>,
    last: Option<Instant>,
    sent: u32,
    /// How many more tell against loss what has changed.
    repeats: u32,
    /// Whether the next one is sooner than usual because somebody asked.
    wanted: bool,
    /// Whether all others that were heard hold the member list that this agent holds, or a newer
    /// one; none before one was heard.
    abreast: Option<bool>,
}

impl Beacons {
    /// Beacons of an agent that starts at `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            next: now,
            first: None,
            last: None,
            sent: 0,
            repeats: 0,
            wanted: false,
            abreast: None,
        }
    }

    /// Notes whether another process holds a member list that is at least as new.
    pub fn heard(&mut self, is_abreast: bool) {
        *self.abreast.get_or_insert(true) &= is_abreast;
    }

    /// Whether the next one may be the first, sent again: who heard that would verify another for
    /// nothing. The third tells those that had to fetch the member list first, so it is one of its
    /// own while others may have to. [PRE-13]
    pub fn may_repeat(&self, now: Instant) -> bool {
        let is_soon = self.last.is_some_and(|last| now.since(last) < START);
        let is_known = match self.sent {
            1 => true,
            2 => self.abreast == Some(true),
            _ => false,
        };
        is_soon && is_known && self.repeats == 0
    }

    /// When the next one is due.
    pub fn due(&self) -> Instant {
        self.next
    }

    /// Whether none was sent.
    pub fn is_unsaid(&self) -> bool {
        self.sent == 0
    }

    /// Whether only one was sent.
    pub fn is_first(&self) -> bool {
        self.sent == 1
    }

    /// Notes that one was sent at `now` and plans the next.
    pub fn sent(&mut self, now: Instant, interval: Duration, random: &mut Random) {
        self.sent = self.sent.saturating_add(1);
        (self.last, self.wanted) = (Some(now), false);
        let starts = now.since(*self.first.get_or_insert(now)) < STARTED;
        let pause = match self.sent {
            1 => Duration::from_millis(200),
            2 => Duration::from_millis(600),
            _ if self.repeats > 0 => {
                self.repeats -= 1;
                INTERVAL_MIN
            }
            _ => {
                let (least, most) =
                    if starts { (INTERVAL_USUAL, interval) } else { (interval, interval) };
                let least = least * 9 / 10;
                let span = micros((most * 11 / 10).saturating_sub(least)).max(1);
                least + Duration::from_micros(random.below(span))
            }
        };
        self.next = now + pause;
    }

    /// Makes the next beacon due as soon as beacons may follow each other, and two more after it:
    /// the links changed. Before the first beacon that is the start, which is announced three times
    /// anyway. [PRE-2]
    pub fn hurry(&mut self, now: Instant) {
        self.soonest(now);
        self.repeats = if self.last.is_some() { 2 } else { 0 };
    }

    /// The process was stopped for so long that others may hold it gone: the next beacon is due as
    /// with [`Self::hurry`]. What is left of a start is said anyway, and is enough against loss: on
    /// a host on which many agents start at once, all are late, and would keep each other so.
    /// [PRE-28]
    pub fn resume(&mut self, now: Instant) {
        self.soonest(now);
        if self.sent >= STARTS {
            self.repeats = 2;
        }
    }

    /// Makes the next beacon due as soon as beacons may follow each other. [PRE-2]
    pub fn soonest(&mut self, now: Instant) {
        let allowed = self.last.map_or(now, |last| now.max(last + INTERVAL_MIN));
        self.next = self.next.min(allowed);
    }

    /// Somebody wants to hear this agent: the next beacon is due within the agents' share of ten a
    /// second, at random, and not sooner than beacons may follow each other. [PRE-12]
    pub fn want(&mut self, now: Instant, agents: usize, random: &mut Random) {
        if std::mem::replace(&mut self.wanted, true) {
            return;
        }
        let spread =
            Duration::from_secs(1) * u32::try_from(agents).unwrap_or(u32::MAX) / WANTED_PER_SECOND;
        let at = now + Duration::from_micros(random.below(micros(spread).max(1)));
        let allowed = self.last.map_or(at, |last| at.max(last + INTERVAL_MIN));
        self.next = self.next.min(allowed);
    }

    /// Makes the next beacon due soon, but not sooner than beacons may follow each other: somebody
    /// may have missed what was just said. [PRE-22]
    pub fn soon(&mut self, now: Instant) {
        self.next = self.next.min(now + INTERVAL_MIN);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_realm_hears_four_beacons_a_second() {
        for (agents, seconds) in [(0, 10), (1, 10), (40, 10), (43, 10), (200, 50), (7200, 1800)] {
            assert_eq!(interval(agents).as_secs(), seconds, "{agents} agents");
        }
        assert_eq!(interval(usize::MAX), INTERVAL_MAX);
        assert_eq!(silence_max(INTERVAL_MIN), Duration::from_secs(25));
    }

    /// [PRE-12]
    #[test]
    fn who_is_wanted_announces_itself_within_a_share_and_not_too_often() {
        let mut random = Random::from_seed([1; 32]);
        let mut now = Instant::from_micros(1_000_000);
        let mut beacons = Beacons::new(now);
        for _ in 0..3 {
            now = beacons.due();
            beacons.sent(now, INTERVAL_USUAL, &mut random);
        }
        beacons.want(now, 10, &mut random);
        let due = beacons.due();
        assert_eq!(due, now + INTERVAL_MIN, "two seconds after the last");
        beacons.want(now, 10, &mut random);
        assert_eq!(beacons.due(), due, "asked again, it is not sooner");
        beacons.sent(due, INTERVAL_USUAL, &mut random);
        let later = due + Duration::from_secs(5);
        beacons.want(later, 10, &mut random);
        assert!(beacons.due() >= later && beacons.due() <= later + Duration::from_secs(1));
    }

    /// [PRE-2]
    #[test]
    fn links_that_come_and_go_are_announced_within_bounds() {
        let mut random = Random::from_seed([1; 32]);
        let mut now = Instant::from_micros(1_000_000);
        let mut beacons = Beacons::new(now);
        for _ in 0..3 {
            now = beacons.due();
            beacons.sent(now, INTERVAL_USUAL, &mut random);
        }
        // They change ten times a second, for ten seconds.
        let (start, mut last, mut count) = (now, now, 0);
        for _ in 0..100 {
            now = now + Duration::from_millis(100);
            beacons.hurry(now);
            if beacons.due() <= now {
                assert!(now.since(last) >= INTERVAL_MIN, "{:?} after another", now.since(last));
                beacons.sent(now, INTERVAL_USUAL, &mut random);
                (last, count) = (now, count + 1);
            }
        }
        assert_eq!((count, last.since(start)), (5, Duration::from_secs(10)));
        // What is said at last is repeated against loss.
        for _ in 0..2 {
            assert_eq!(beacons.due(), last + INTERVAL_MIN);
            last = beacons.due();
            beacons.sent(last, INTERVAL_USUAL, &mut random);
        }
        assert!(beacons.due() > last + INTERVAL_MIN);
    }

    /// [PRE-13]
    #[test]
    fn only_a_start_is_told_again_as_it_was_and_only_to_who_can_know() {
        let later = |now: Instant, millis| now + Duration::from_millis(millis);
        let told = |heard: &[bool]| {
            let mut random = Random::from_seed([1; 32]);
            let start = Instant::from_micros(1_000_000);
            let mut beacons = Beacons::new(start);
            heard.iter().for_each(|it| beacons.heard(*it));
            let mut may = Vec::new();
            for _ in 0..4 {
                let now = beacons.due();
                may.push(beacons.may_repeat(now));
                beacons.sent(now, INTERVAL_USUAL, &mut random);
            }
            may
        };
        assert_eq!(told(&[]), [false, true, false, false]);
        assert_eq!(told(&[true]), [false, true, true, false]);
        assert_eq!(told(&[true, false, true]), [false, true, false, false]);
        let mut random = Random::from_seed([1; 32]);
        let start = Instant::from_micros(1_000_000);
        let mut beacons = Beacons::new(start);
        beacons.sent(start, INTERVAL_USUAL, &mut random);
        assert!(beacons.may_repeat(later(start, 999)));
        assert!(!beacons.may_repeat(later(start, 1000)), "a process that was stopped");
        beacons.hurry(start);
        assert!(!beacons.may_repeat(later(start, 200)), "the links changed");
    }

    /// [PRE-28]
    #[test]
    fn a_stop_while_it_starts_is_told_by_what_is_left_of_the_start() {
        for (sent, after) in [(1, 2), (2, 1), (3, 3)] {
            let mut random = Random::from_seed([1; 32]);
            let mut now = Instant::from_micros(1_000_000);
            let mut beacons = Beacons::new(now);
            for _ in 0..sent {
                now = beacons.due();
                beacons.sent(now, INTERVAL_USUAL, &mut random);
            }
            now = now + Duration::from_secs(5);
            beacons.resume(now);
            let (mut count, end) = (0, now + Duration::from_secs(8));
            while beacons.due() < end {
                now = now.max(beacons.due());
                beacons.sent(now, INTERVAL_USUAL, &mut random);
                count += 1;
            }
            assert_eq!(count, after, "stopped after {sent}");
        }
    }

    /// Whatever else has had one said meanwhile. [PRE-2]
    #[test]
    fn agents_that_start_together_do_not_march_in_step() {
        let (start, interval) = (Instant::from_micros(1_000_000), Duration::from_secs(250));
        for early in [None, Some(2_900), Some(7_900)] {
            let next = |seed: u8| {
                let mut random = Random::from_seed([seed; 32]);
                let mut beacons = Beacons::new(start);
                (0..3).for_each(|_| beacons.sent(beacons.due(), interval, &mut random));
                if let Some(early) = early {
                    let now = start + Duration::from_millis(early);
                    beacons.soonest(now);
                    assert_eq!(beacons.due(), now);
                    beacons.sent(now, interval, &mut random);
                }
                beacons.due().since(start).as_secs()
            };
            let mut times: Vec<u64> = (0..200).map(next).collect();
            times.sort_unstable();
            assert!(times[0] >= 9 && times[199] <= 283, "{early:?}: {times:?}");
            let crowd = |at: &u64| times.iter().filter(|it| (*at..at + 10).contains(*it)).count();
            assert!(times.iter().all(|at| crowd(at) < 20), "{early:?}: {times:?}");
        }
    }

    #[test]
    fn a_start_is_announced_three_times_within_a_second() {
        let mut random = Random::from_seed([1; 32]);
        let start = Instant::from_micros(1_000_000);
        let mut beacons = Beacons::new(start);
        // The links come to be known.
        beacons.hurry(start);
        let mut times = Vec::new();
        for _ in 0..5 {
            let now = beacons.due();
            times.push(now.since(start));
            beacons.sent(now, INTERVAL_USUAL, &mut random);
        }
        assert_eq!(times[..3], [0, 200, 800].map(Duration::from_millis));
        for pair in times[2..].windows(2) {
            let gap = pair[1] - pair[0];
            assert!(gap >= INTERVAL_USUAL * 9 / 10 && gap < INTERVAL_USUAL * 11 / 10, "{gap:?}");
        }
    }
}
