//! Round trips that somebody waits for.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::oneshot;

/// Pings by unicast that are under way, in order of their start.
#[derive(Debug, Default)]
pub(crate) struct Pings {
    waiting: VecDeque<(String, oneshot::Sender<Duration>)>,
}

impl Pings {
    /// Most that are under way; the oldest gives way to the next, and its caller is told nothing.
    pub(crate) const MAX: usize = 256;

    /// Somebody waits for the echo of this node.
    pub(crate) fn add(&mut self, name: String, reply: oneshot::Sender<Duration>) {
        self.forget_abandoned();
        if self.waiting.len() >= Self::MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back((name, reply));
    }

    /// The echo of this node came back after `trip`: it is for whoever waits longest for it.
    pub(crate) fn answer(&mut self, name: &str, trip: Duration) {
        self.forget_abandoned();
        let place = self.waiting.iter().position(|(waiting, _)| waiting == name);
        if let Some((_, reply)) = place.and_then(|place| self.waiting.remove(place)) {
            // An error means that the caller went away at this moment.
            let _ = reply.send(trip);
        }
    }

    /// Who has waited long enough must not be given the echo of a later ping.
    fn forget_abandoned(&mut self) {
        self.waiting.retain(|(_, reply)| !reply.is_closed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIP: Duration = Duration::from_millis(3);

    #[test]
    fn an_echo_goes_to_who_still_waits() {
        let mut pings = Pings::default();
        let (reply, given_up) = oneshot::channel();
        pings.add("web1".to_owned(), reply);
        drop(given_up);
        let (reply, mut waiting) = oneshot::channel();
        pings.add("web1".to_owned(), reply);
        pings.answer("web2", TRIP);
        assert!(waiting.try_recv().is_err());
        pings.answer("web1", TRIP);
        assert_eq!(waiting.try_recv(), Ok(TRIP));
    }

    #[test]
    fn one_more_than_fits_pushes_out_the_oldest() {
        let mut pings = Pings::default();
        let mut waiting = Vec::new();
        for index in 0..=Pings::MAX {
            let (reply, trip) = oneshot::channel();
            pings.add(index.to_string(), reply);
            waiting.push(trip);
            assert_eq!(pings.waiting.len(), (index + 1).min(Pings::MAX));
        }
        pings.answer("0", TRIP);
        pings.answer("1", TRIP);
        assert!(waiting[0].try_recv().is_err());
        assert_eq!(waiting[1].try_recv(), Ok(TRIP));
    }
}
