//! What happened, as one hash: two runs with the same hash did the same things in the same order.
//!
//! Every delivered packet and every event of every endpoint goes in. Lines for people are made
//! only when somebody listens.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::queue::Time;

/// Whether worlds that begin from here on print what happens in them.
static SPOKEN: AtomicBool = AtomicBool::new(false);

/// Lets all worlds that begin after this print what happens in them to standard error.
pub fn speak() {
    SPOKEN.store(true, Ordering::Relaxed);
}

/// The running hash over a world's history.
pub struct Trace {
    hasher: blake3::Hasher,
    entries: u64,
    spoken: bool,
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

impl Trace {
    /// An empty trace. Its entries are also printed to standard error after [`speak`].
    pub fn new() -> Self {
        let spoken = SPOKEN.load(Ordering::Relaxed);
        Self { hasher: blake3::Hasher::new(), entries: 0, spoken }
    }

    /// Takes down one thing that happened: bytes for the hash, words for people.
    pub fn note(&mut self, at: Time, bytes: &[u8], words: impl FnOnce() -> String) {
        self.entries += 1;
        let micros = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
        self.hasher.update(&micros.to_le_bytes());
        self.hasher.update(&bytes.len().to_le_bytes());
        self.hasher.update(bytes);
        if self.spoken {
            eprintln!("{:>12.6} {}", at.as_secs_f64(), words());
        }
    }

    /// Tells those who listen of something that is no part of the trace.
    pub fn say(&self, at: Time, words: impl FnOnce() -> String) {
        if self.spoken {
            eprintln!("{:>12.6}   {}", at.as_secs_f64(), words());
        }
    }

    /// How many things happened.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The hash so far.
    pub fn hash(&self) -> String {
        self.hasher.finalize().to_hex()[..16].to_owned()
    }
}
