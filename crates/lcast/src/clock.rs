//! The clocks of this process, read together.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lcast_proto::time::{self, Now, Timestamp};

/// How far back the monotonic clock can tell: what was heard of nodes before this process started
/// has an instant too, else the long silent would look alive to a process of half a second.
const PAST: Duration = Duration::from_secs(86_400 * 30);

/// The two clocks, with process-local zero for the monotonic one.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that starts [`PAST`] above its monotonic zero.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        let micros = u64::try_from((PAST + self.origin.elapsed()).as_micros()).unwrap_or(u64::MAX);
        Now { instant: time::Instant::from_micros(micros), wall: wall() }
    }

    /// An instant of the core as one of the runtime's.
    pub(crate) fn at(&self, instant: time::Instant) -> tokio::time::Instant {
        let since = instant.since(time::Instant::from_micros(0)).saturating_sub(PAST);
        let far = self.origin + Duration::from_secs(86_400 * 365);
        tokio::time::Instant::from_std(self.origin.checked_add(since).unwrap_or(far))
    }
}

/// The wall clock.
pub fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = match since {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => {
            i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis)
        }
    };
    Timestamp::from_millis(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_young_process_knows_old_instants() {
        let clock = Clock::start();
        let now = clock.now().instant;
        let hour = Duration::from_secs(3600);
        assert_eq!(now.since(now - hour), hour);
        let soon = clock.at(now + hour).into_std();
        let wait = soon.saturating_duration_since(Instant::now());
        assert!(wait <= hour && wait > hour - Duration::from_secs(60), "{wait:?}");
    }
}
