//! What goes on, one item at a time: a bounded queue between the node's thread and the program's.
//!
//! The descriptor can be read exactly while something is shown or the stream has ended. It is
//! written to only when that begins, so that a flood of items costs few system calls; a source may
//! put several items before it shows them, since what is shown wakes another thread. When the queue
//! is full, what feeds it waits, and whatever is lost meanwhile is told by the source.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::error::{Error, Kind};
use super::process::Own;

/// Items of a question, a watch or the like, and what is said at their end.
///
/// Any thread may read it; each item goes to one of them. Dropping it gives up what it is about.
#[derive(Debug)]
pub struct Stream<T, E = ()> {
    own: Own<Reader<T, E>>,
}

/// What a stream has at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// The next item.
    Item(T),
    /// Nothing yet.
    Pending,
    /// Nothing any more.
    End,
}

/// The items of a stream, each waited for; see [`Stream::iter`].
#[derive(Debug)]
pub struct Iter<'a, T, E> {
    stream: &'a Stream<T, E>,
}

/// The program's side.
#[derive(Debug)]
struct Reader<T, E> {
    queue: Arc<Queue<T, E>>,
    task: AbortHandle,
}

/// The node's side. When it is dropped, the stream ends.
#[derive(Debug)]
pub(super) struct Feed<T, E> {
    queue: Arc<Queue<T, E>>,
}

#[derive(Debug)]
struct Queue<T, E> {
    state: Mutex<State<T, E>>,
    readable: OwnedFd,
    room: Notify,
    given_up: Notify,
}

#[derive(Debug)]
struct State<T, E> {
    items: VecDeque<T>,
    end: Option<Result<E, Error>>,
    given_up: bool,
    /// Whether the descriptor can be read.
    shown: bool,
}

/// When the descriptor tells of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Now,
    /// With a later item, by [`Feed::show`], or with the end.
    Later,
}

/// Items that wait in a stream; what comes then waits in front of it.
const ITEMS_MAX: usize = 1024;

/// The two sides of a stream, the program's still without the task that feeds it.
pub(super) struct Pair<T, E> {
    queue: Arc<Queue<T, E>>,
}

impl<T, E> Pair<T, E> {
    pub(super) fn new() -> Result<Self, Error> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let readable = eventfd(0, flags);
        let readable = readable.map_err(|error| Error::system("cannot make a stream", error))?;
        let state = State { items: VecDeque::new(), end: None, given_up: false, shown: false };
        let state = Mutex::new(state);
        let queue = Queue { state, readable, room: Notify::new(), given_up: Notify::new() };
        Ok(Self { queue: Arc::new(queue) })
    }

    pub(super) fn feed(&self) -> Feed<T, E> {
        Feed { queue: Arc::clone(&self.queue) }
    }

    pub(super) fn fed_by(self, task: AbortHandle) -> Stream<T, E> {
        Stream { own: Own::new(Reader { queue: self.queue, task }) }
    }
}

impl<T, E: Clone> Stream<T, E> {
    /// The next item if there is one, without waiting.
    ///
    /// # Errors
    /// [`Kind::Forked`].
    pub fn try_next(&self) -> Result<Next<T>, Error> {
        Ok(self.own.get()?.queue.pop())
    }

    /// The next item; `None` at the end, which [`Stream::end`] tells. Without `timeout` it waits as
    /// long as it takes.
    ///
    /// # Errors
    /// [`Kind::Timeout`], [`Kind::Forked`]. A signal does not end the waiting: see
    /// [`Stream::wait`].
    pub fn next(&self, timeout: Option<Duration>) -> Result<Option<T>, Error> {
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            match self.try_next()? {
                Next::Item(item) => return Ok(Some(item)),
                Next::End => return Ok(None),
                Next::Pending => {}
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            match self.wait(left) {
                Ok(false) => return Err(Error::timeout()),
                Err(error) if error.kind() != Kind::Interrupted => return Err(error),
                Ok(true) | Err(_) => {}
            }
        }
    }

    /// Waits until something is there or the stream has ended; false when the time is over. Another
    /// thread may have taken it then.
    ///
    /// # Errors
    /// [`Kind::Interrupted`] when a signal came, [`Kind::Forked`].
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool, Error> {
        let reader = self.own.get()?;
        let timeout = timeout.map(|timeout| {
            let tv_sec = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
            Timespec { tv_sec, tv_nsec: timeout.subsec_nanos().into() }
        });
        let mut descriptors = [PollFd::new(&reader.queue.readable, PollFlags::IN)];
        match poll(&mut descriptors, timeout.as_ref()) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {
                Err(Error::new(Kind::Interrupted, "a signal came while waiting"))
            }
            Err(error) => Err(Error::system("cannot wait", error)),
        }
    }

    /// A descriptor that can be read exactly while something waits or the stream has ended. It is
    /// for poll and the like: what is read from it or written to it breaks the stream.
    ///
    /// # Errors
    /// [`Kind::Forked`].
    pub fn fd(&self) -> Result<BorrowedFd<'_>, Error> {
        Ok(self.own.get()?.queue.readable.as_fd())
    }

    /// The items from here on, each waited for. It ends with the stream, and in a fork at once.
    pub fn iter(&self) -> Iter<'_, T, E> {
        Iter { stream: self }
    }

    /// What was said at the end, or why there was no proper one; `None` before.
    ///
    /// # Errors
    /// [`Kind::Forked`].
    pub fn end(&self) -> Result<Option<Result<E, Error>>, Error> {
        Ok(self.own.get()?.queue.lock().end.clone())
    }

    /// Gives up what the stream is about: what has arrived can still be read, then comes the end.
    ///
    /// # Errors
    /// [`Kind::Forked`].
    pub fn cancel(&self) -> Result<(), Error> {
        let queue = &self.own.get()?.queue;
        queue.lock().given_up = true;
        queue.given_up.notify_one();
        Ok(())
    }

    /// Ends the stream at once, also for threads that wait in it: they meet [`Kind::Ended`] as its
    /// end. What it is about is given up.
    ///
    /// # Errors
    /// [`Kind::Forked`].
    pub fn close(&self) -> Result<(), Error> {
        let reader = self.own.get()?;
        reader.task.abort();
        reader.queue.finish(Err(Error::ended()));
        Ok(())
    }

    /// Drops all items, waits for the end and tells it.
    ///
    /// # Errors
    /// Why there was no proper end, [`Kind::Timeout`], [`Kind::Forked`].
    pub fn finish(&self, timeout: Option<Duration>) -> Result<E, Error> {
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let left = || until.map(|until| until.saturating_duration_since(Instant::now()));
        while self.next(left())?.is_some() {}
        self.end()?.unwrap_or_else(|| Err(Error::ended()))
    }

    #[cfg(test)]
    pub(super) fn disown(&mut self) {
        self.own.disown();
    }
}

impl<T, E: Clone> Iterator for Iter<'_, T, E> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.stream.next(None).ok().flatten()
    }
}

impl<'a, T, E: Clone> IntoIterator for &'a Stream<T, E> {
    type Item = T;
    type IntoIter = Iter<'a, T, E>;

    fn into_iter(self) -> Iter<'a, T, E> {
        self.iter()
    }
}

impl<T, E> Drop for Reader<T, E> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<T, E> Feed<T, E> {
    /// Puts an item and shows it, when there is room. Meanwhile the program may give the stream up.
    pub(super) async fn push(&self, item: T, give_up: impl Fn()) {
        self.put_shown(item, Shown::Now, give_up).await;
    }

    /// Puts an item that is to be shown a moment later.
    pub(super) async fn put(&self, item: T, give_up: impl Fn()) {
        self.put_shown(item, Shown::Later, give_up).await;
    }

    /// Shows what was put.
    pub(super) fn show(&self) {
        self.queue.show();
    }

    async fn put_shown(&self, item: T, shown: Shown, give_up: impl Fn()) {
        let mut item = Some(item);
        while let Some(held) = item.take() {
            item = self.queue.push(held, shown);
            if item.is_some() {
                self.queue.show();
                tokio::select! {
                    () = self.queue.room.notified() => {}
                    () = self.queue.given_up.notified() => give_up(),
                }
            }
        }
    }

    /// Waits until the program gives the stream up.
    pub(super) async fn given_up(&self) {
        self.queue.given_up.notified().await;
    }

    /// Whether the program has given the stream up, perhaps while an item waited for room.
    pub(super) fn is_given_up(&self) -> bool {
        self.queue.lock().given_up
    }

    /// Ends the stream.
    pub(super) fn finish(self, end: Result<E, Error>) {
        self.queue.finish(end);
    }
}

impl<T> Feed<T, ()> {
    /// Ends a stream that only the program or the end of the node can end, unless by an error.
    pub(super) fn finish_given_up(self, error: Option<Error>) {
        let given_up = self.queue.lock().given_up;
        let ended = (!given_up).then(Error::ended);
        self.queue.finish(error.or(ended).map_or(Ok(()), Err));
    }
}

impl<T, E> Drop for Feed<T, E> {
    fn drop(&mut self) {
        self.queue.finish(Err(Error::ended()));
    }
}

impl<T, E> Queue<T, E> {
    fn lock(&self) -> MutexGuard<'_, State<T, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an item, or gives it back when there is no room. Nothing follows the end: what comes
    /// after it is dropped.
    fn push(&self, item: T, shown: Shown) -> Option<T> {
        let mut state = self.lock();
        if state.end.is_some() {
            return None;
        }
        if state.items.len() >= ITEMS_MAX {
            return Some(item);
        }
        state.items.push_back(item);
        if shown == Shown::Now {
            self.raise(&mut state);
        }
        None
    }

    fn show(&self) {
        let mut state = self.lock();
        if !state.items.is_empty() {
            self.raise(&mut state);
        }
    }

    fn pop(&self) -> Next<T> {
        let mut state = self.lock();
        let Some(item) = state.items.pop_front() else {
            return if state.end.is_some() { Next::End } else { Next::Pending };
        };
        if state.items.is_empty() && state.end.is_none() {
            self.lower(&mut state);
        }
        // Once for many: each call wakes the node's thread.
        if state.items.len() == ITEMS_MAX / 2 {
            self.room.notify_one();
        }
        Next::Item(item)
    }

    /// Ends the stream, unless that was done before.
    fn finish(&self, end: Result<E, Error>) {
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        state.end = Some(end);
        self.raise(&mut state);
    }

    /// Makes the descriptor readable. It cannot fail: it holds zero before.
    fn raise(&self, state: &mut State<T, E>) {
        if !state.shown {
            state.shown = true;
            let written = rustix::io::write(&self.readable, &1u64.to_ne_bytes());
            debug_assert!(written.is_ok(), "{written:?}");
        }
    }

    /// Makes the descriptor unreadable. It cannot fail: it holds one before.
    fn lower(&self, state: &mut State<T, E>) {
        if state.shown {
            state.shown = false;
            let read = rustix::io::read(&self.readable, &mut [0u8; 8]);
            debug_assert!(read.is_ok(), "{read:?}");
        }
    }
}

#[cfg(test)]
mod tests;
