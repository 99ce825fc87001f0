//! Whether whoever reads the output takes more of it, for commands that write for long: a reader
//! that stalls would hold up a write, and with it the signals that are to end the command; one that
//! is gone shows in the next write, and that may be tomorrow's.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long a thread waits for room at a time, as the command may have ended meanwhile; and how
/// often it is looked whether the reader is there.
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

/// Waits until nobody reads standard output any more. May be dropped and called again.
pub(crate) async fn gone() {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    while !found(PollFlags::empty(), Duration::ZERO).intersects(PollFlags::ERR | PollFlags::HUP) {
        looks.tick().await;
    }
}

fn comes_within(time: Duration) -> bool {
    // That nobody reads any more is for the write to find.
    !found(PollFlags::OUT, time).is_empty()
}

/// What comes of standard output within a time, of what is wanted and of errors.
fn found(wanted: PollFlags, time: Duration) -> PollFlags {
    let output = io::stdout();
    let mut descriptors = [PollFd::new(&output, wanted)];
    let time = Timespec { tv_sec: 0, tv_nsec: time.subsec_nanos().into() };
    match poll(&mut descriptors, Some(&time)) {
        Ok(_) => descriptors[0].revents(),
        // An interrupted look says nothing against writing.
        Err(_) => wanted,
    }
}
