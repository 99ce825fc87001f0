//! What a stream of a C program stands on: replies, a watch, presence, the changes of a setting.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lcast::Value;
use lcast::blocking::{Changes, Descriptions, Error, Kind, Next, Replies, Stream, Watch};

use crate::event::Event;
use crate::failure::Failure;

/// A stream of events.
#[derive(Debug)]
pub(crate) struct Source {
    items: Items,
    /// Whether the report, or why there is none, was told.
    told: AtomicBool,
    /// Whether its handle was freed under those who read it.
    abandoned: AtomicBool,
    /// What went wrong behind events that were given out together.
    behind: Mutex<Option<Failure>>,
}

#[derive(Debug)]
enum Items {
    Replies(Replies),
    Descriptions(Descriptions),
    Watch(Watch),
    Presence(Changes),
    Setting(String, Stream<Value>),
}

/// Does the same with any kind of stream.
macro_rules! with {
    ($items:expr, $stream:ident => $what:expr) => {
        match $items {
            Items::Replies($stream) => $what,
            Items::Descriptions($stream) => $what,
            Items::Watch($stream) => $what,
            Items::Presence($stream) => $what,
            Items::Setting(_, $stream) => $what,
        }
    };
}

impl From<Replies> for Source {
    fn from(replies: Replies) -> Self {
        Self::new(Items::Replies(replies))
    }
}

impl From<Descriptions> for Source {
    fn from(descriptions: Descriptions) -> Self {
        Self::new(Items::Descriptions(descriptions))
    }
}

impl From<Watch> for Source {
    fn from(watch: Watch) -> Self {
        Self::new(Items::Watch(watch))
    }
}

impl From<Changes> for Source {
    fn from(changes: Changes) -> Self {
        Self::new(Items::Presence(changes))
    }
}

impl Source {
    /// The changes of a setting of that name.
    pub(crate) fn setting(name: &str, changes: Stream<Value>) -> Self {
        Self::new(Items::Setting(name.to_owned(), changes))
    }

    fn new(items: Items) -> Self {
        let (told, abandoned) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { items, told, abandoned, behind: Mutex::new(None) }
    }

    /// The next event, without waiting. At the end of a question comes its report; why a stream
    /// ended without a proper end is an error, once.
    pub(crate) fn try_next(&self) -> Result<Next<Event>, Failure> {
        self.poll(false)
    }

    /// The same; who has waited for the end is told why it came, also after others.
    fn poll(&self, waited: bool) -> Result<Next<Event>, Failure> {
        let behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(failure) = behind {
            return Err(failure);
        }
        let next = match &self.items {
            Items::Replies(it) => mapped(it.try_next()?, |reply| Ok(reply.into())),
            Items::Descriptions(it) => mapped(it.try_next()?, Event::try_from),
            Items::Watch(it) => mapped(it.try_next()?, Event::try_from),
            Items::Presence(it) => mapped(it.try_next()?, Event::try_from),
            Items::Setting(name, it) => {
                mapped(it.try_next()?, |value| Ok(Event::setting(name, value)))
            }
        }?;
        if !matches!(next, Next::End) {
            return Ok(next);
        }
        let told = self.told.swap(true, Ordering::Relaxed);
        if told && !waited && !self.abandoned.load(Ordering::Relaxed) {
            return Ok(next);
        }
        match &self.items {
            Items::Replies(it) => end_of_question(it, told),
            Items::Descriptions(it) => end_of_question(it, told),
            Items::Watch(it) => ended(it).map(|()| Next::End),
            Items::Presence(it) => ended(it).map(|()| Next::End),
            Items::Setting(_, it) => ended(it).map(|()| Next::End),
        }
    }

    /// The next event; none at the end. A signal ends the waiting with an error.
    pub(crate) fn next(&self, timeout: Option<Duration>) -> Result<Option<Event>, Failure> {
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut waited = false;
        loop {
            match self.poll(waited)? {
                Next::Item(event) => return Ok(Some(event)),
                Next::End => return Ok(None),
                Next::Pending => {}
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if !self.wait(left)? {
                return Err(Error::new(Kind::Timeout, "nothing came in time").into());
            }
            waited = true;
        }
    }

    /// Gives the next event, waiting for it as [`Self::next`] does, and those behind it that are
    /// there, `most` in all.
    pub(crate) fn batch(
        &self,
        timeout: Option<Duration>,
        most: usize,
        mut give: impl FnMut(Event),
    ) -> Result<(), Failure> {
        give(self.next(timeout)?.ok_or_else(Failure::end)?);
        for _ in 1..most {
            match self.try_next() {
                Ok(Next::Item(event)) => give(event),
                Ok(Next::Pending | Next::End) => break,
                Err(failure) => {
                    let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
                    *behind = Some(failure);
                    break;
                }
            }
        }
        Ok(())
    }

    fn wait(&self, timeout: Option<Duration>) -> Result<bool, Failure> {
        Ok(with!(&self.items, it => it.wait(timeout))?)
    }

    pub(crate) fn fd(&self) -> Result<RawFd, Failure> {
        Ok(with!(&self.items, it => it.fd()?.as_raw_fd()))
    }

    /// Gives up what the stream is about; the end comes after what has arrived.
    pub(crate) fn cancel(&self) -> Result<(), Failure> {
        Ok(with!(&self.items, it => it.cancel())?)
    }
}

impl Source {
    /// Ends the stream for all who wait in it.
    pub(crate) fn abandon(&self) {
        // Before it is closed: that publishes it, by the lock of the stream.
        self.abandoned.store(true, Ordering::Relaxed);
        // In a fork there is nobody to tell.
        let _ = with!(&self.items, it => it.close());
    }
}

fn mapped<T>(
    next: Next<T>,
    event: impl FnOnce(T) -> Result<Event, Failure>,
) -> Result<Next<Event>, Failure> {
    Ok(match next {
        Next::Item(item) => Next::Item(event(item)?),
        Next::Pending => Next::Pending,
        Next::End => Next::End,
    })
}

fn ended<T, E: Clone>(stream: &Stream<T, E>) -> Result<E, Failure> {
    let end = stream.end()?.unwrap_or_else(|| Err(Error::new(Kind::Ended, "the node has ended")));
    Ok(end?)
}

/// The report; whoever is not the first to be told of the end gets none.
fn end_of_question<T>(
    stream: &Stream<T, lcast::Report>,
    told: bool,
) -> Result<Next<Event>, Failure> {
    let report = ended(stream)?;
    Ok(if told { Next::End } else { Next::Item(Event::report(report)) })
}
