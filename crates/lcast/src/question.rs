//! Asking: a question being put together, and the replies to it.

use std::sync::Arc;
use std::time::Duration;

use lcast_proto::io::Event;
use lcast_proto::keys::NodeName;
use lcast_proto::keys::members::MemberList;
use lcast_proto::question::report::{Reply, Report};
use lcast_proto::question::watched::EVERY_MIN;
use lcast_proto::question::{Ask, AskError, Deadline, Verb, Ways};
use lcast_proto::select::{Glob, GlobError, Predicate, PredicateError, Selector};
use lcast_proto::variable::{Schema, Version};
use tokio::sync::mpsc;

use crate::driver::Command;
use crate::reader::{Passing, Reader};
use crate::watch::Watch;

/// A question being put together: which nodes, how long. Nothing is sent before [`Question::ask`],
/// which also says what is wrong with what was put together.
#[derive(Debug)]
pub struct Question {
    commands: mpsc::Sender<Command>,
    ask: Ask,
    /// What was found wrong first.
    wrong: Option<QuestionError>,
}

/// The replies to a question, as they come, and the report at its end.
///
/// Dropping it gives the question up.
#[derive(Debug)]
pub struct Replies {
    passing: Passing,
    schemas: Vec<(String, Arc<Schema>)>,
    end: Option<Result<Report, AskError>>,
}

/// What a node has said to a question.
#[derive(Debug)]
pub(crate) enum Said {
    Reply(Reply),
    /// To a question of [`Node::variables`](crate::Node::variables).
    Schema(String, Arc<Schema>),
}

/// Why a question has no report.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QuestionError {
    /// It was not asked.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The node has ended.
    #[error("the node has ended")]
    Ended,
    /// A question that does not go on was to be watched.
    #[error("only what Node::watch began can be watched")]
    NoWatch,
    /// A node that must answer, or is asked alone, has a name that no node can have.
    #[error(
        "'{0}' is no name of a node: 1 to {max} bytes, a letter or digit first, then letters, \
         digits, '.', '_' or '-'",
        max = NodeName::LENGTH_MAX
    )]
    Name(String),
    /// An option of another verb.
    #[error("'{option}' is an option of {wanted} alone")]
    Misplaced {
        /// The option.
        option: &'static str,
        /// What it is for.
        wanted: &'static str,
    },
    /// It would take no time at all.
    #[error("the timeout is 0, and a question takes longer: give it a time")]
    NoTime,
    /// A watch would tell values more often than nodes do.
    #[error("'every' is {0:?}, and nodes tell values every {EVERY_MIN:?} at the most often")]
    TooOften(Duration),
    /// How far numbers shall be apart is 0 or less, or without end.
    #[error("'delta' is {0}, and a distance is above 0 and has an end")]
    NoDistance(f64),
}

impl Question {
    pub(crate) fn new(commands: mpsc::Sender<Command>, verb: Verb) -> Self {
        let ask = Ask::new(verb);
        let wrong = match &ask.verb {
            // Its options say more of it, so the node's core judges it once it is asked.
            Verb::Set(_) => None,
            Verb::Get(_) | Verb::Watch(_) | Verb::Schema | Verb::Ping => ask.check().err(),
        };
        Self { commands, ask, wrong: wrong.map(QuestionError::Ask) }
    }

    /// Whether there is nothing wrong with what was put together so far.
    pub(crate) fn check(&self) -> Result<(), QuestionError> {
        self.wrong.clone().map_or(Ok(()), Err)
    }

    /// Keeps what is wrong, unless something was before.
    fn fail(&mut self, error: QuestionError) {
        self.wrong.get_or_insert(error);
    }

    /// To leave out what a caller asked for could write where nothing was to be written.
    fn fail_misplaced(&mut self, option: &'static str, wanted: &'static str) {
        self.fail(QuestionError::Misplaced { option, wanted });
    }

    /// Nobody would ever answer to a name that is none, and nobody would tell why.
    fn require_names(&mut self, names: &[String]) {
        if let Some(none) = names.iter().find(|name| name.parse::<NodeName>().is_err()) {
            self.fail(QuestionError::Name(none.clone()));
        }
    }

    /// Only nodes whose name matches one of these globs, like `web*,db1`.
    ///
    /// # Errors
    /// The glob that is none.
    pub fn on(mut self, globs: &str) -> Result<Self, GlobError> {
        self.ask.selector.on.extend(Glob::list(globs)?);
        Ok(self)
    }

    /// Not the nodes whose name matches one of these globs.
    ///
    /// # Errors
    /// The glob that is none.
    pub fn not(mut self, globs: &str) -> Result<Self, GlobError> {
        self.ask.selector.not.extend(Glob::list(globs)?);
        Ok(self)
    }

    /// Only nodes with this certified label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.ask.selector.labels.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Only nodes where this predicate is true; it is evaluated there.
    ///
    /// # Errors
    /// Where the text breaks the rules of predicates.
    pub fn matching(mut self, predicate: &str) -> Result<Self, PredicateError> {
        self.ask.selector.predicate = Some(Predicate::parse(predicate)?);
        Ok(self)
    }

    /// Only the nodes that this selector picks, in place of all that was said before.
    #[must_use]
    pub fn selector(mut self, selector: Selector) -> Self {
        self.ask.selector = selector;
        self
    }

    /// Only nodes of these names: of no name, nobody is asked. For one that no node can have,
    /// [`Question::ask`] gives [`QuestionError::Name`].
    #[must_use]
    pub fn only(mut self, names: Vec<String>) -> Self {
        self.require_names(&names);
        self.ask.only = Some(names);
        self
    }

    /// These names must answer, known to the realm or not. For one that no node can have,
    /// [`Question::ask`] gives [`QuestionError::Name`].
    #[must_use]
    pub fn expect(mut self, names: Vec<String>) -> Self {
        self.require_names(&names);
        self.ask.expect.extend(names);
        self
    }

    /// Bounds the whole question. Default: a second, three while answers still trickle in. For no
    /// time at all, [`Question::ask`] gives [`QuestionError::NoTime`].
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        if timeout.is_zero() {
            self.fail(QuestionError::NoTime);
        }
        self.ask.deadline = Deadline::after(timeout);
        self
    }

    /// Goes by these ways alone, to see which of them work. Default: by all.
    #[must_use]
    pub fn ways(mut self, ways: Ways) -> Self {
        self.ask.ways = ways;
        self
    }

    /// For a set of one setting: only where it still has this version. Of another verb,
    /// [`Question::ask`] gives [`QuestionError::Misplaced`]; of several settings the report is
    /// [`AskError::VersionOfSeveral`].
    #[must_use]
    pub fn if_version(mut self, version: Version) -> Self {
        if let Verb::Set(request) = &mut self.ask.verb {
            request.if_version = Some(version);
        } else {
            self.fail_misplaced("if_version", "a set");
        }
        self
    }

    /// For a set: only say what would happen; nothing is written. Of another verb,
    /// [`Question::ask`] gives [`QuestionError::Misplaced`].
    #[must_use]
    pub fn dry_run(mut self) -> Self {
        if let Verb::Set(request) = &mut self.ask.verb {
            request.dry_run = true;
        } else {
            self.fail_misplaced("dry_run", "a set");
        }
        self
    }

    /// For a watch: tell the values this often, changed or not, [`EVERY_MIN`] at least. Default:
    /// when they change. For less, [`Question::ask`] gives [`QuestionError::TooOften`]; of another
    /// verb, [`QuestionError::Misplaced`].
    #[must_use]
    pub fn every(mut self, every: Duration) -> Self {
        if every < EVERY_MIN {
            self.fail(QuestionError::TooOften(every));
        }
        if let Verb::Watch(request) = &mut self.ask.verb {
            request.every = Some(every);
        } else {
            self.fail_misplaced("every", "a watch");
        }
        self
    }

    /// For a watch: tell a number only when it is at least so far from what was told last. For
    /// what is no distance, [`Question::ask`] gives [`QuestionError::NoDistance`]; of another verb,
    /// [`QuestionError::Misplaced`].
    #[must_use]
    pub fn delta(mut self, delta: f64) -> Self {
        if !(delta.is_finite() && delta > 0.0) {
            self.fail(QuestionError::NoDistance(delta));
        }
        if let Verb::Watch(request) = &mut self.ask.verb {
            request.delta = Some(delta);
        } else {
            self.fail_misplaced("delta", "a watch");
        }
        self
    }

    /// Whether it asks which variables there are.
    pub(crate) fn describes(&self) -> bool {
        matches!(self.ask.verb, Verb::Schema)
    }

    /// Whether it is one that goes on: a watch.
    pub(crate) fn goes_on(&self) -> bool {
        matches!(self.ask.verb, Verb::Watch(_))
    }

    /// Asks.
    ///
    /// # Errors
    /// When the node has ended, or something is wrong with the question.
    pub async fn ask(self) -> Result<Replies, QuestionError> {
        // Each member sends at most one reply and one schema, and the end comes once: a reader
        // that is slow never loses anything, and the driver never waits for it.
        let passing = self.put(2 * MemberList::MEMBERS_MAX + 1).await?;
        Ok(Replies { passing, schemas: Vec::new(), end: None })
    }

    /// Watches: for a question of [`Node::watch`](crate::Node::watch).
    ///
    /// # Errors
    /// When the node has ended, the question is not one that goes on, or something is wrong with
    /// it.
    pub async fn subscribe(self) -> Result<Watch, QuestionError> {
        if !self.goes_on() {
            return Err(QuestionError::NoWatch);
        }
        Ok(Watch::new(self.put(Watch::ITEMS_MAX).await?))
    }

    async fn put(self, events_max: usize) -> Result<Passing, QuestionError> {
        self.check()?;
        let (reader, passing) = Reader::new(events_max);
        let ask = Command::Ask(Box::new(self.ask), reader);
        self.commands.send(ask).await.map_err(|_| QuestionError::Ended)?;
        Ok(passing)
    }

    /// Asks, and waits for the report; the replies are not looked at.
    ///
    /// # Errors
    /// When the question could not be asked.
    pub async fn report(self) -> Result<Report, QuestionError> {
        self.ask().await?.finish().await
    }
}

impl Replies {
    /// The next reply; `None` at the end, when [`Replies::report`] is there.
    pub async fn next(&mut self) -> Option<Reply> {
        loop {
            match self.said().await? {
                Said::Reply(reply) => return Some(reply),
                Said::Schema(node, schema) => self.schemas.push((node, schema)),
            }
        }
    }

    /// The same, with schemas as they come.
    pub(crate) async fn said(&mut self) -> Option<Said> {
        while self.end.is_none() {
            match self.passing.events.recv().await.map(|it| it.event) {
                Some(Event::Reply(_, reply)) => return Some(Said::Reply(reply)),
                Some(Event::Schema(_, node, schema)) => return Some(Said::Schema(node, schema)),
                Some(Event::Done(_, report)) => self.end = Some(Ok(report)),
                Some(Event::Failed(_, error)) => self.end = Some(Err(error)),
                Some(
                    Event::Pong(..)
                    | Event::Sample(..)
                    | Event::Set(..)
                    | Event::Members(..)
                    | Event::Watch(..)
                    | Event::Presence(_)
                    | Event::Duplicate(_)
                    | Event::NewerVersion(..)
                    | Event::Unheard
                    | Event::SchemaLearned(..),
                ) => {}
                None => return None,
            }
        }
        None
    }

    /// The report, once [`Replies::next`] has given `None`.
    ///
    /// # Errors
    /// When the question could not be asked, or has not ended.
    pub fn report(&self) -> Result<&Report, QuestionError> {
        match &self.end {
            Some(Ok(report)) => Ok(report),
            Some(Err(error)) => Err(error.clone().into()),
            None => Err(QuestionError::Ended),
        }
    }

    /// The schemas that have come, by node; only for a question of
    /// [`Node::variables`](crate::Node::variables).
    pub fn schemas(&self) -> &[(String, Arc<Schema>)] {
        &self.schemas
    }

    /// Waits for the end and gives the report.
    ///
    /// # Errors
    /// When the question could not be asked.
    pub async fn finish(mut self) -> Result<Report, QuestionError> {
        while self.next().await.is_some() {}
        self.report().cloned()
    }

    /// Gives the question up: what has arrived can still be read, then the report.
    pub fn cancel(&self) {
        // A full channel means that it was given up before; a closed one that it has ended.
        let _ = self.passing.cancel.try_send(());
    }
}
