//! Watching: what nodes hold at first, then what changes.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use futures_core::Stream;
use lcast_proto::io::Event;
use lcast_proto::question::AskError;
use lcast_proto::question::report::{Reply, ReplyValue, Report};
use lcast_proto::question::watching::{ChangedValue, LeaveReason, WatchEvent};

use crate::reader::{Passed, Passing};

/// What a watch has to say.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum WatchItem {
    /// What a node holds at first. Each node sends at most one.
    Reply(Reply),
    /// The account of who watches what: it comes once, when every node has spoken or the time for
    /// it is over. The watch goes on.
    Report(Report),
    /// A node is in the watch from here on: it joined, came back, or its predicate began to hold.
    Entered {
        /// Its name.
        node: String,
        /// What it holds.
        values: Vec<ReplyValue>,
    },
    /// Values of a node have changed; each says how many values before it were not seen.
    Changed {
        /// Its name.
        node: String,
        /// The values.
        values: Vec<ChangedValue>,
        /// Names that have no value any more.
        removed: Vec<String>,
    },
    /// A node is no longer in the watch.
    Left {
        /// Its name.
        node: String,
        /// Why.
        reason: LeaveReason,
    },
    /// Whoever reads this stream was too slow: so many items before the next one are lost. Values
    /// are current again with the next change of each.
    Overflow(u64),
}

/// A watch that is under way: an async stream of [`WatchItem`]s.
///
/// It ends when it is dropped, and with the node. See [`Node::watch`](crate::Node::watch).
#[derive(Debug)]
pub struct Watch {
    passing: Passing,
    held: Option<WatchItem>,
    failed: Option<AskError>,
}

impl Watch {
    /// Items that wait for whoever reads, beside the report; beyond that they are lost, which the
    /// next item that finds room says.
    pub const ITEMS_MAX: usize = 65_536;

    pub(crate) fn new(passing: Passing) -> Self {
        Self { passing, held: None, failed: None }
    }

    /// What comes next; `None` at the end.
    pub async fn next(&mut self) -> Option<WatchItem> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Why it could not begin, once [`Watch::next`] has given `None`.
    pub fn error(&self) -> Option<&AskError> {
        self.failed.as_ref()
    }

    /// Ends the watch: what has arrived can still be read, the report too if it is not there yet.
    pub fn cancel(&self) {
        // A full channel means that it was ended before; a closed one that it is over.
        let _ = self.passing.cancel.try_send(());
    }

    fn item(&mut self, event: Event) -> Option<WatchItem> {
        match event {
            Event::Reply(_, reply) => Some(WatchItem::Reply(reply)),
            Event::Done(_, report) => Some(WatchItem::Report(report)),
            Event::Failed(_, error) => {
                self.failed = Some(error);
                None
            }
            Event::Watch(_, event) => Some(match event {
                WatchEvent::Entered { node, values } => WatchItem::Entered { node, values },
                WatchEvent::Changed { node, values, removed } => {
                    WatchItem::Changed { node, values, removed }
                }
                WatchEvent::Left { node, reason } => WatchItem::Left { node, reason },
            }),
            Event::Schema(..)
            | Event::Pong(..)
            | Event::Sample(..)
            | Event::Set(..)
            | Event::Members(_)
            | Event::Presence(_)
            | Event::Duplicate(_)
            | Event::NewerVersion(..)
            | Event::Unheard
            | Event::SchemaLearned(..) => None,
        }
    }
}

impl Stream for Watch {
    type Item = WatchItem;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<WatchItem>> {
        if let Some(held) = self.held.take() {
            return Poll::Ready(Some(held));
        }
        loop {
            let Poll::Ready(passed) = self.passing.events.poll_recv(context) else {
                return Poll::Pending;
            };
            let is_end = passed.is_none();
            let (lost, item) = match passed {
                Some(Passed { lost, event }) => (lost, self.item(event)),
                None => (self.passing.lost.swap(0, Ordering::Relaxed), None),
            };
            if lost > 0 {
                self.held = item;
                return Poll::Ready(Some(WatchItem::Overflow(lost)));
            }
            if item.is_some() || is_end {
                return Poll::Ready(item);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lcast_proto::question::QuestionId;

    use super::*;
    use crate::reader::Reader;

    fn left(node: usize) -> (Event, WatchItem) {
        let (node, reason) = (format!("n{node}"), LeaveReason::Gone);
        let event = WatchEvent::Left { node: node.clone(), reason };
        (Event::Watch(QuestionId(1), event), WatchItem::Left { node, reason })
    }

    /// What waits was passed on before anything was lost, and the report is never lost.
    #[tokio::test]
    async fn an_overflow_is_told_where_items_are_missing() {
        let (mut reader, passing) = Reader::new(2);
        let mut watch = Watch::new(passing);
        (0..5).for_each(|node| reader.pass(left(node).0));
        reader.pass(Event::Done(QuestionId(1), Report::default()));
        let mut expected = vec![left(0).1, left(1).1, WatchItem::Overflow(3)];
        expected.push(WatchItem::Report(Report::default()));
        for item in expected {
            assert_eq!(watch.next().await, Some(item));
        }
        (5..9).for_each(|node| reader.pass(left(node).0));
        drop(reader);
        let rest = [left(5).1, left(6).1, left(7).1, WatchItem::Overflow(1)];
        for item in rest {
            assert_eq!(watch.next().await, Some(item), "the report has left its room");
        }
        assert_eq!(watch.next().await, None);
    }
}
