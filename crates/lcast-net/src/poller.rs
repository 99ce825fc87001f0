//! One wake-up for any number of sockets: an epoll instance that tokio watches.
//!
//! For the table of sockets in `socket`. Not public.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fs::Timespec;
use tokio::io::unix::AsyncFd;

use crate::sys;

/// Watches file descriptors, each under a token.
pub(crate) struct Poller {
    epoll: AsyncFd<OwnedFd>,
    events: Vec<Event>,
}

/// What a descriptor is ready for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) token: u64,
    pub(crate) writable: bool,
}

impl Poller {
    /// A poller of the current tokio runtime.
    pub(crate) fn new() -> io::Result<Self> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(io::Error::other("a network is opened inside a tokio runtime"));
        }
        let epoll = sys::watch_for_input(epoll::create(CreateFlags::CLOEXEC)?)?;
        Ok(Self { epoll, events: Vec::with_capacity(EVENTS_MAX) })
    }

    /// Watches a descriptor for input.
    pub(crate) fn add(&self, source: impl AsFd, token: u64) -> io::Result<()> {
        epoll::add(self.epoll.get_ref(), source, EventData::new_u64(token), EventFlags::IN)?;
        Ok(())
    }

    /// Watches a descriptor for input, and for room to write when `writable`.
    pub(crate) fn want(&self, source: impl AsFd, token: u64, writable: bool) -> io::Result<()> {
        let flags = if writable { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
        epoll::modify(self.epoll.get_ref(), source, EventData::new_u64(token), flags)?;
        Ok(())
    }

    /// Forgets a descriptor.
    pub(crate) fn remove(&self, source: impl AsFd) {
        // It fails only for a descriptor that is not watched, which is what is wanted.
        let _ = epoll::delete(self.epoll.get_ref(), source);
    }

    /// Waits until something is ready, and fills `ready` with it. Safe to cancel.
    pub(crate) async fn wait(&mut self, ready: &mut Vec<Ready>) -> io::Result<()> {
        let Self { epoll, events } = self;
        ready.clear();
        loop {
            let mut guard = epoll.readable().await?;
            events.clear();
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            match epoll::wait(epoll.get_ref(), spare_capacity(events), Some(&now)) {
                Ok(0) => guard.clear_ready(),
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // Readiness is left set: the inner instance is level-triggered, and the next wait finds
        // out whether anything is left.
        ready.extend(events.iter().map(|event| {
            let Event { flags, data } = *event;
            Ready { token: data.u64(), writable: flags.contains(EventFlags::OUT) }
        }));
        Ok(())
    }
}

/// The most descriptors that one wake-up looks at; the others follow in the next.
const EVENTS_MAX: usize = 32;
