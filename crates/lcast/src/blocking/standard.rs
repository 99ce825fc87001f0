//! The descriptors 0, 1 and 2: what a program prints must not go into a socket or a file of ours.
//!
//! A program may have closed them, and whatever is opened next takes their numbers.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd};

use super::error::Error;

/// Fills those of the three that are free with `/dev/null`, for good.
pub(super) fn fill() -> Result<(), Error> {
    while !(is_open(io::stdin()) && is_open(io::stdout()) && is_open(io::stderr())) {
        let null = null().map_err(|error| {
            Error::start("a descriptor of 0 to 2 is closed, and /dev/null cannot be opened", &error)
        })?;
        if null.as_raw_fd() > 2 {
            // Another thread was faster.
            return Ok(());
        }
        // It stays open: nobody owns it any more.
        let _ = null.into_raw_fd();
    }
    Ok(())
}

fn is_open(stream: impl std::os::fd::AsFd) -> bool {
    rustix::io::fcntl_getfd(stream).is_ok()
}

fn null() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/null")
}
