//! What happened, as one hash: two runs with the same hash did the same things in the same order.
//!
//! Every delivered packet and every event of every endpoint goes in. Lines for people are made
//! only when somebody listens.

use std::sync::OnceLock;

use crate::queue::Time;

/// What worlds print that begin from here on: lines with this text.
static SPOKEN: OnceLock<String> = OnceLock::new();

/// Lets all worlds that begin after this print what happens in them to standard error, as far as
/// this text is in the line: the name of a node, or nothing for all. What was said first counts.
pub fn speak(of: &str) {
    SPOKEN.get_or_init(|| of.to_owned());
}

/// The running hash over a world's history.
pub struct Trace {
    hasher: blake3::Hasher,
    entries: u64,
    spoken: Option<&'static str>,
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

impl Trace {
    /// An empty trace. Its entries are also printed to standard error after [`speak`].
    pub fn new() -> Self {
        let spoken = SPOKEN.get().map(String::as_str);
        Self { hasher: blake3::Hasher::new(), entries: 0, spoken }
    }

    /// Takes down one thing that happened: bytes for the hash, words for people.
    pub fn note(&mut self, at: Time, bytes: &[u8], words: impl FnOnce() -> String) {
        self.entries += 1;
        let micros = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
        self.hasher.update(&micros.to_le_bytes());
        self.hasher.update(&bytes.len().to_le_bytes());
        self.hasher.update(bytes);
        self.print(at, "", words);
    }

    /// Tells those who listen of something that is no part of the trace.
    pub fn say(&self, at: Time, words: impl FnOnce() -> String) {
        self.print(at, "  ", words);
    }

    fn print(&self, at: Time, indent: &str, words: impl FnOnce() -> String) {
        if let Some(of) = self.spoken {
            let words = words();
            if words.contains(of) {
                eprintln!("{:>12.6} {indent}{words}", at.as_secs_f64());
            }
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
