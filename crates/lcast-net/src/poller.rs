//! One wake-up for any number of sockets: an epoll instance that tokio watches.
//!
//! For the table of sockets in `socket`. Not public.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fs::Timespec;
use tokio::io::unix::AsyncFd;

use crate::sys;

/// Watches file descriptors, each under a token.
pub(crate) struct Poller {
    epoll: AsyncFd<OwnedFd>,
}

/// A descriptor with input, by its token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) token: u64,
}

impl Poller {
    /// A poller of the current tokio runtime.
    pub(crate) fn new() -> io::Result<Self> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(io::Error::other("a network is opened inside a tokio runtime"));
        }
        let epoll = sys::watch_for_input(epoll::create(CreateFlags::CLOEXEC)?)?;
        Ok(Self { epoll })
    }

    /// Watches a descriptor for input.
    pub(crate) fn add(&self, source: impl AsFd, token: u64) -> io::Result<()> {
        epoll::add(self.epoll.get_ref(), source, EventData::new_u64(token), EventFlags::IN)?;
        Ok(())
    }

    /// Forgets a descriptor.
    pub(crate) fn remove(&self, source: impl AsFd) {
        // It fails only for a descriptor that is not watched, which is what is wanted.
        let _ = epoll::delete(self.epoll.get_ref(), source);
    }

    /// Waits until something is ready, and fills `ready` with it. Safe to cancel.
    pub(crate) async fn wait(&mut self, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        while ready.is_empty() {
            let mut guard = self.epoll.readable().await?;
            // Readiness is left set while there is any: the inner instance is level-triggered.
            if self.look(ready)? == 0 {
                guard.clear_ready();
            }
        }
        Ok(())
    }

    /// Adds what is ready now; how many that are.
    fn look(&self, ready: &mut Vec<Ready>) -> io::Result<usize> {
        let mut events = [MaybeUninit::<Event>::uninit(); EVENTS_MAX];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let (events, _) = loop {
            match epoll::wait(self.epoll.get_ref(), &mut events, Some(&now)) {
                Err(rustix::io::Errno::INTR) => {}
                found => break found?,
            }
        };
        ready.extend(events.iter().map(|event| {
            let Event { data, .. } = *event;
            Ready { token: data.u64() }
        }));
        Ok(events.len())
    }
}

/// The most descriptors that one wake-up looks at; the others follow in the next.
const EVENTS_MAX: usize = 32;
