//! The signals that end what a process does.
//!
//! A command watches them from its beginning to its end, in every wait: once they are watched, none
//! of them ends the process by itself any more. One that comes between two waits ends the next.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;
use crate::service;

/// The signals of one command.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    /// Ctrl-C and the wish of others (SIGTERM), for what ends with an account of what it did.
    pub(crate) fn watch() -> Result<Self, Failure> {
        Ok(Self {
            interrupt: one(SignalKind::interrupt())?,
            terminate: one(SignalKind::terminate())?,
            hangup: None,
        })
    }

    /// The end of the terminal as well, but for what nohup(1) keeps beyond it: for what must say
    /// goodbye or clean up.
    pub(crate) fn watch_with_hangup() -> Result<Self, Failure> {
        let stays = service::ignores_hangup();
        let hangup = (!stays).then(|| one(SignalKind::hangup())).transpose()?;
        Ok(Self { hangup, ..Self::watch()? })
    }

    /// Waits for the next of them. May be dropped and called again: none is lost.
    pub(crate) async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
        }
    }

    /// Waits for `work`; nothing when a signal is first.
    pub(crate) async fn unless<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            // What has come counts, even when a signal has come as well.
            biased;
            done = work => Some(done),
            () = self.next() => None,
        }
    }
}

fn one(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind)
        .map_err(|error| Failure::internal(format_args!("cannot watch for signals: {error}")))
}
