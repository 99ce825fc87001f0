//! Waiting for a condition, with a deadline and a name for what did not come.

use std::thread;
use std::time::{Duration, Instant};

/// How long the lab waits for anything that should happen soon. Generous, because the machine may
/// be busy: a test that waits longer has failed.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Polls `probe` until it gives a value; panics with `what` when `limit` has passed.
pub fn wait_for<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} in vain: {what}");
        thread::park_timeout(pause);
        pause = (pause * 2).min(Duration::from_millis(25));
    }
}

/// Polls `condition` until it holds; panics with `what` when `limit` has passed.
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    wait_for(what, limit, || condition().then_some(()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_until_it_holds() {
        let mut polls = 0;
        wait_until("three polls", DEADLINE, || {
            polls += 1;
            polls == 3
        });
        assert_eq!(polls, 3);
    }

    #[test]
    #[should_panic(expected = "in vain: the impossible")]
    fn names_what_did_not_come() {
        wait_until("the impossible", Duration::from_millis(5), || false);
    }
}
