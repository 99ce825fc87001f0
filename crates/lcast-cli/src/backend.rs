//! The command's side of the crate `lcast`: one session with a realm, for one command.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lcast::home::Sighting;
use lcast::{Facts, Node, PresenceChanges, QuestionError, Replies, WatchItem};
use lcast_proto::endpoint::NodeView;
use lcast_proto::question::report::{Reply, Report};
use lcast_proto::question::{Ask, AskError, Deadline};
use lcast_proto::variable::Schema;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::place::Place;

/// A client's node in a realm.
#[derive(Debug)]
pub(crate) struct Session {
    node: Node,
    /// The realm's name.
    pub(crate) realm: String,
    /// What was passed over in the choice of the realm.
    pub(crate) seen: Vec<Sighting>,
}

/// A question that is under way.
#[derive(Debug)]
pub(crate) struct Question {
    replies: Replies,
}

/// A watch that is under way.
#[derive(Debug)]
pub(crate) struct Watch {
    watch: lcast::Watch,
}

/// What comes of a question, the end last.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A node spoke.
    Reply(Reply),
    /// The end, with the definitions that nodes told when they were asked for them.
    End(Report, Vec<(String, Arc<Schema>)>),
}

/// The labels of each member.
pub(crate) type Labels = BTreeMap<String, BTreeMap<String, String>>;

/// Most pings by unicast at once.
const PINGS_MAX: usize = 100;
/// How long a ping by unicast may take.
const PING_MAX: Duration = Duration::from_secs(1);

impl Session {
    /// Starts a node of its own for this process.
    pub(crate) fn open(place: Place) -> Result<Self, Failure> {
        Self::start(place, |builder| builder)
    }

    /// Starts a node at ports that no firewall knows, to see what gets through.
    pub(crate) fn examine(place: Place) -> Result<Self, Failure> {
        Self::start(place, lcast::Builder::spare_port)
    }

    fn start(place: Place, how: fn(lcast::Builder) -> lcast::Builder) -> Result<Self, Failure> {
        let Place { credential, state, folder, seen, .. } = place;
        let realm = credential.realm_name().to_owned();
        let mut builder = Node::builder(credential).software(env!("CARGO_PKG_VERSION"));
        if let Some(state) = state {
            builder = builder.memory(state);
        }
        if let Some(folder) = folder {
            builder = builder.keep_members(Box::new(move |members| {
                // The list came from the realm and will come again.
                if let Err(error) = folder.keep_members(members) {
                    tracing::debug!(%error, "a newer member list is not kept");
                }
            }));
        }
        let node = how(builder).start();
        let node = node.map_err(|error| Failure::new(Exit::Unsendable, error))?;
        Ok(Self { node, realm, seen })
    }

    /// Asks.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Question, Failure> {
        let replies = self.question(ask).ask().await.map_err(failed)?;
        Ok(Question { replies })
    }

    /// Watches.
    pub(crate) async fn watch(&self, ask: Ask) -> Result<Watch, Failure> {
        let watch = self.question(ask).subscribe().await.map_err(failed)?;
        Ok(Watch { watch })
    }

    fn question(&self, ask: Ask) -> lcast::Question {
        let question = self.node.question(ask.verb).selector(ask.selector).expect(ask.expect);
        let question = question.ways(ask.ways);
        let question = match ask.only {
            Some(names) => question.only(names),
            None => question,
        };
        match ask.deadline {
            usual if usual == Deadline::default() => question,
            bounded => question.timeout(bounded.extended),
        }
    }

    /// The labels of all members.
    pub(crate) async fn labels(&self) -> Labels {
        let labels = |it: NodeView| (it.name, it.labels.into_iter().collect());
        self.nodes().await.into_iter().map(labels).collect()
    }

    /// All members with their presence.
    pub(crate) async fn nodes(&self) -> Vec<NodeView> {
        // The node ends with this session, not before.
        self.node.members().await.unwrap_or_default()
    }

    /// Whose presence changes from here on.
    pub(crate) async fn presence(&self) -> Result<PresenceChanges, Failure> {
        self.node.presence().await.map_err(Failure::internal)
    }

    /// Round trips by unicast, many nodes at once.
    pub(crate) async fn ping(&self, nodes: &[String]) -> Vec<(String, Duration)> {
        let mut times = Vec::new();
        for nodes in nodes.chunks(PINGS_MAX) {
            let mut pings = tokio::task::JoinSet::new();
            for name in nodes.iter().cloned() {
                let node = self.node.clone();
                pings.spawn(async move {
                    let time = node.ping(&name, PING_MAX).await.ok().flatten()?;
                    Some((name, time))
                });
            }
            times.extend(pings.join_all().await.into_iter().flatten());
        }
        times
    }

    /// What the node knows of itself.
    pub(crate) async fn facts(&self) -> Option<Facts> {
        self.node.facts().await.ok()
    }

    /// Stays in the realm for a while, to serve what others fetch from this process.
    pub(crate) async fn linger(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Keeps what was learned for the next command, and ends.
    pub(crate) async fn close(self) {
        self.node.leave().await;
    }
}

impl Question {
    /// What comes next.
    pub(crate) async fn next(&mut self) -> Result<Answer, Failure> {
        match self.replies.next().await {
            Some(reply) => Ok(Answer::Reply(reply)),
            None => {
                let report = self.replies.report().map_err(failed)?.clone();
                Ok(Answer::End(report, self.replies.schemas().to_vec()))
            }
        }
    }

    /// Ends it with what has arrived.
    pub(crate) fn cancel(&self) {
        self.replies.cancel();
    }
}

impl Watch {
    /// What comes next; nothing at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<WatchItem>, Failure> {
        let item = self.watch.next().await;
        match self.watch.error() {
            Some(error) if item.is_none() => Err(failed(error.clone().into())),
            Some(_) | None => Ok(item),
        }
    }

    /// Ends it with what has arrived.
    pub(crate) fn cancel(&self) {
        self.watch.cancel();
    }
}

fn failed(error: QuestionError) -> Failure {
    match &error {
        QuestionError::Ask(
            AskError::NoPattern
            | AskError::Patterns { .. }
            | AskError::Selector(_)
            | AskError::TooLarge { .. }
            | AskError::ValueTooLarge { .. }
            | AskError::Settings { .. }
            | AskError::SetTwice(_)
            | AskError::VersionOfSeveral { .. }
            | AskError::TooLong(_),
        )
        | QuestionError::Name(_)
        | QuestionError::Misplaced { .. }
        | QuestionError::NoTime
        | QuestionError::TooOften(_)
        | QuestionError::NoDistance(_) => Failure::usage(error),
        QuestionError::Ask(AskError::NoLink) => Failure::new(Exit::Unsendable, error),
        _ => Failure::internal(error),
    }
}
