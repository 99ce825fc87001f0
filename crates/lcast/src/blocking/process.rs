//! Whose it is: what one process made is of no use to its forks.

use super::error::{Error, Kind};

/// Something that only the process that made it may touch.
///
/// In a fork it is leaked: its locks may be held by threads that are not there, and what it would
/// give back is the parent's.
#[derive(Debug)]
pub(super) struct Own<T> {
    pid: u32,
    value: Option<T>,
}

impl<T> Own<T> {
    pub(super) fn new(value: T) -> Self {
        Self { pid: std::process::id(), value: Some(value) }
    }

    /// The value, in the process that made it.
    pub(super) fn get(&self) -> Result<&T, Error> {
        self.check()?;
        self.value.as_ref().ok_or_else(Error::ended)
    }

    /// The value itself, in the process that made it.
    pub(super) fn take(mut self) -> Result<T, Error> {
        self.check()?;
        self.value.take().ok_or_else(Error::ended)
    }

    fn check(&self) -> Result<(), Error> {
        if std::process::id() == self.pid {
            return Ok(());
        }
        let message = format!(
            "this was made by process {}, of which this one is a fork: open a node here",
            self.pid
        );
        Err(Error::new(Kind::Forked, message))
    }

    /// As if another process had made it.
    #[cfg(test)]
    pub(super) fn disown(&mut self) {
        self.pid += 1;
    }
}

impl<T> Drop for Own<T> {
    fn drop(&mut self) {
        if self.check().is_err() {
            std::mem::forget(self.value.take());
        }
    }
}
