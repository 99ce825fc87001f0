//! Whether whoever reads the output takes more of it, for commands that write for long: a reader
//! that stalls would hold up a write, and with it the signals that are to end the command.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long a thread waits for room at a time: the command may have ended meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Whether a line can be written to standard output now.
pub(crate) fn is_there() -> bool {
    comes_within(Duration::ZERO)
}

/// Waits until one can. May be dropped and called again.
pub(crate) async fn wait() {
    while !is_there() {
        // Whatever it finds is looked at again.
        let _ = tokio::task::spawn_blocking(|| comes_within(LOOK_EVERY)).await;
    }
}

fn comes_within(time: Duration) -> bool {
    let output = io::stdout();
    let mut descriptors = [PollFd::new(&output, PollFlags::OUT)];
    let time = Timespec { tv_sec: 0, tv_nsec: time.subsec_nanos().into() };
    // That nobody reads any more is for the write to find.
    !matches!(poll(&mut descriptors, Some(&time)), Ok(0))
}
