//! The command's side of the crate `lcast`: one session with a realm, for one command.

use std::sync::Arc;
use std::time::Duration;

use lcast_proto::endpoint::NodeView;
use lcast_proto::question::Ask;
use lcast_proto::question::report::{Reply, Report};
use lcast_proto::variable::Schema;

use crate::failure::Failure;
use crate::place::Place;

/// A client's node in a realm.
#[derive(Debug)]
pub(crate) struct Session {}

/// A question that is under way.
#[derive(Debug)]
pub(crate) struct Question {}

/// What comes of a question, the report last.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A node spoke.
    Reply(Reply),
    /// A node told its definitions.
    Schema(String, Arc<Schema>),
    /// The end.
    Report(Report),
}

impl Session {
    pub(crate) async fn open(place: &Place) -> Result<Self, Failure> {
        let _ = place;
        Err(Failure::internal("not built in"))
    }

    pub(crate) async fn ask(&mut self, ask: Ask) -> Result<Question, Failure> {
        let _ = ask;
        Err(Failure::internal("not built in"))
    }

    pub(crate) fn label(&self, node: &str, key: &str) -> Option<String> {
        let _ = (node, key);
        None
    }

    pub(crate) async fn nodes(&mut self) -> Vec<NodeView> {
        Vec::new()
    }

    pub(crate) async fn ping(&mut self, nodes: Vec<String>) -> Vec<(String, Duration)> {
        let _ = nodes;
        Vec::new()
    }

    pub(crate) async fn linger(&mut self, time: Duration) {
        let _ = time;
    }

    pub(crate) async fn close(self) {}
}

impl Question {
    pub(crate) async fn next(&mut self) -> Result<Answer, Failure> {
        Err(Failure::internal("not built in"))
    }

    pub(crate) fn cancel(&mut self) {}
}
