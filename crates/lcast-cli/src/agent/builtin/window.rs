//! Rates: the difference of a counter over about ten seconds.

use std::time::Duration;

use lcast_proto::time::Instant;

/// Earlier readings of a counter, from which a rate is taken.
///
/// Two readings are kept, so that a rate is over at least [`AGE_MIN`] and at most that and a tick;
/// in the first seconds of the agent it is over the time since its start.
#[derive(Debug)]
pub(super) struct Window<T> {
    last: Option<(Instant, T)>,
    earlier: Option<(Instant, T)>,
}

/// A reading younger than this is no beginning of a window while there is an older one.
const AGE_MIN: Duration = Duration::from_secs(5);

/// A rate over less than this says nothing.
const SPAN_MIN: Duration = Duration::from_millis(100);

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self { last: None, earlier: None }
    }
}

impl<T> Window<T> {
    /// Keeps a reading as the beginning of a later window.
    pub(super) fn mark(&mut self, now: Instant, reading: T) {
        self.earlier = self.last.replace((now, reading));
    }

    /// The beginning of the window that ends `now`, and its length in seconds.
    pub(super) fn base(&self, now: Instant) -> Option<(f64, &T)> {
        let kept = [&self.last, &self.earlier].into_iter().flatten();
        let aged = |kept: &&(Instant, T)| now.since(kept.0) >= AGE_MIN;
        let (at, reading) =
            kept.clone().find(aged).or(self.earlier.as_ref()).or(self.last.as_ref())?;
        let span = now.since(*at);
        (span >= SPAN_MIN).then_some((span.as_secs_f64(), reading))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_reach_back_five_seconds_where_they_can() {
        let at = |millis: u64| Instant::from_micros(millis * 1000);
        let mut window = Window::default();
        assert_eq!(window.base(at(0)), None);
        window.mark(at(0), 'a');
        assert_eq!(window.base(at(99)), None);
        assert_eq!(window.base(at(100)), Some((0.1, &'a')));
        window.mark(at(10_000), 'b');
        assert_eq!(window.base(at(12_000)), Some((12.0, &'a')));
        assert_eq!(window.base(at(15_000)), Some((5.0, &'b')));
        window.mark(at(20_000), 'c');
        assert_eq!(window.base(at(20_000)), Some((10.0, &'b')));
    }
}
