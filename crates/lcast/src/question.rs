//! Asking: a question being put together, and the replies to it.

use std::sync::Arc;
use std::time::Duration;

use lcast_proto::io::Event;
use lcast_proto::keys::members::MemberList;
use lcast_proto::keys::{NodeName, SubjectError};
use lcast_proto::question::report::{Reply, Report};
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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
    #[error(transparent)]
    Name(#[from] SubjectError),
    /// An option of another verb.
    #[error("'{option}' is an option of {wanted} alone")]
    Misplaced {
        /// The option.
        option: &'static str,
        /// What it is for.
        wanted: &'static str,
    },
    /// It names nothing that could be read.
    #[error("no pattern is given: name what is asked for")]
    NoPattern,
}

impl Question {
    pub(crate) fn new(commands: mpsc::Sender<Command>, verb: Verb) -> Self {
        let nothing = match &verb {
            Verb::Get(patterns) => patterns.is_empty(),
            Verb::Watch(request) => request.patterns.is_empty(),
            Verb::Schema | Verb::Ping | Verb::Set(_) => false,
        };
        let wrong = nothing.then_some(QuestionError::NoPattern);
        Self { commands, ask: Ask::new(verb), wrong }
    }

    /// Whether there is nothing wrong with what was put together so far.
    pub(crate) fn check(&self) -> Result<(), QuestionError> {
        self.wrong.clone().map_or(Ok(()), Err)
    }

    fn found(&mut self, wrong: Option<QuestionError>) {
        self.wrong = self.wrong.take().or(wrong);
    }

    /// To leave out what a caller asked for could write where nothing was to be written.
    fn misplaced(&mut self, option: &'static str, wanted: &'static str) {
        self.found(Some(QuestionError::Misplaced { option, wanted }));
    }

    /// Nobody would ever answer to a name that is none, and nobody would tell why.
    fn check_names(&mut self, names: &[String]) {
        let wrong = names.iter().find_map(|name| name.parse::<NodeName>().err());
        self.found(wrong.map(QuestionError::from));
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

    /// Only nodes of these names.
    #[must_use]
    pub fn only(mut self, names: Vec<String>) -> Self {
        self.check_names(&names);
        self.ask.only = Some(names);
        self
    }

    /// These names must answer, known to the realm or not.
    #[must_use]
    pub fn expect(mut self, names: Vec<String>) -> Self {
        self.check_names(&names);
        self.ask.expect.extend(names);
        self
    }

    /// Bounds the whole question. Default: a second, three while answers still trickle in.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.ask.deadline = Deadline::after(timeout);
        self
    }

    /// Goes by these ways alone, to see which of them work. Default: by all.
    #[must_use]
    pub fn ways(mut self, ways: Ways) -> Self {
        self.ask.ways = ways;
        self
    }

    /// For a set: only where the setting still has this version.
    #[must_use]
    pub fn if_version(mut self, version: Version) -> Self {
        if let Verb::Set(request) = &mut self.ask.verb {
            request.if_version = Some(version);
        } else {
            self.misplaced("if_version", "a set");
        }
        self
    }

    /// For a set: only say what would happen; nothing is written.
    #[must_use]
    pub fn dry_run(mut self) -> Self {
        if let Verb::Set(request) = &mut self.ask.verb {
            request.dry_run = true;
        } else {
            self.misplaced("dry_run", "a set");
        }
        self
    }

    /// For a watch: tell the values this often, changed or not. Default: when they change.
    #[must_use]
    pub fn every(mut self, every: Duration) -> Self {
        if let Verb::Watch(request) = &mut self.ask.verb {
            request.every = Some(every);
        } else {
            self.misplaced("every", "a watch");
        }
        self
    }

    /// For a watch: tell a number only when it is at least so far from what was told last.
    #[must_use]
    pub fn delta(mut self, delta: f64) -> Self {
        if let Verb::Watch(request) = &mut self.ask.verb {
            request.delta = Some(delta);
        } else {
            self.misplaced("delta", "a watch");
        }
        self
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
