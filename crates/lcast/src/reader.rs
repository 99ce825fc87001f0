//! Whoever reads what comes of a question: what is passed on to it, and what it was too slow for.
//!
//! The driver never waits for a reader. Not here: what the events mean to it (`question`, `watch`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lcast_proto::io::Event;
use tokio::sync::mpsc;

/// The driver's end.
pub(crate) struct Reader {
    events: mpsc::Sender<Passed>,
    /// Room for the report, which comes once.
    report: Option<mpsc::OwnedPermit<Passed>>,
    /// Says something, or is closed, when the question is given up.
    pub(crate) cancel: mpsc::Receiver<()>,
    lost: Arc<AtomicU64>,
}

/// The other end.
#[derive(Debug)]
pub(crate) struct Passing {
    pub(crate) events: mpsc::Receiver<Passed>,
    pub(crate) cancel: mpsc::Sender<()>,
    /// Events that found no room, with none after them that did.
    pub(crate) lost: Arc<AtomicU64>,
}

/// An event that is passed on.
#[derive(Debug)]
pub(crate) struct Passed {
    /// Events just before it that found no room.
    pub(crate) lost: u64,
    pub(crate) event: Event,
}

impl Reader {
    /// A reader for which so many events may wait, and the report.
    pub(crate) fn new(events_max: usize) -> (Self, Passing) {
        let (events, passed) = mpsc::channel(events_max + 1);
        let report = events.clone().try_reserve_owned().ok();
        let (cancel, cancelled) = mpsc::channel(1);
        let lost = Arc::new(AtomicU64::new(0));
        let reader = Self { events, report, cancel: cancelled, lost: lost.clone() };
        (reader, Passing { events: passed, cancel, lost })
    }

    /// Passes an event on, or counts it where there is no room: the next one that finds some says
    /// how many are missing before it.
    pub(crate) fn pass(&mut self, event: Event) {
        let passed = Passed { lost: self.lost.load(Ordering::Relaxed), event };
        let report = self.report.take_if(|_| matches!(passed.event, Event::Done(..)));
        let is_passed = match report {
            Some(room) => {
                room.send(passed);
                true
            }
            None => self.events.try_send(passed).is_ok(),
        };
        if is_passed {
            self.lost.store(0, Ordering::Relaxed);
        } else {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}
