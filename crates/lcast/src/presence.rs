//! Following who comes and goes.

use lcast_proto::presence::Presence;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Whose presence has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PresenceItem {
    /// A member came, is in doubt, is gone, has left, or runs as another process.
    Changed(Presence),
    /// Whoever reads was too slow: so many changes before the next one are lost. Ask for
    /// [`Node::members`](crate::Node::members).
    Overflow(u64),
}

/// Changes of presence as they are noticed; see [`Node::presence`](crate::Node::presence).
#[derive(Debug)]
pub struct PresenceChanges {
    changes: broadcast::Receiver<Presence>,
}

impl PresenceChanges {
    /// Changes that wait for whoever reads; beyond that the oldest are lost.
    pub const ITEMS_MAX: usize = 4096;

    pub(crate) fn new(changes: broadcast::Receiver<Presence>) -> Self {
        Self { changes }
    }

    /// What changes next; `None` when the node has ended.
    pub async fn next(&mut self) -> Option<PresenceItem> {
        match self.changes.recv().await {
            Ok(presence) => Some(PresenceItem::Changed(presence)),
            Err(RecvError::Lagged(lost)) => Some(PresenceItem::Overflow(lost)),
            Err(RecvError::Closed) => None,
        }
    }
}
