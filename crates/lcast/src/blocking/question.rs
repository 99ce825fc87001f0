//! A question being put together.

use std::sync::Arc;
use std::time::Duration;

use lcast_proto::question::report::Reply;
use lcast_proto::variable::{Schema, Version};

use super::error::Error;
use super::node::{Link, answer, follow};
use super::process::Own;
use super::{Descriptions, Replies, Watch};
use crate::question::{QuestionError, Said};

/// A question being put together: which nodes, how long. Nothing is sent before
/// [`Question::ask`], [`Question::describe`], [`Question::report`] or [`Question::subscribe`].
#[derive(Debug)]
pub struct Question {
    own: Own<Draft>,
}

#[derive(Debug)]
struct Draft {
    link: Link,
    question: crate::Question,
}

/// What a node has to say of its variables.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Described {
    /// What they are.
    Variables {
        /// The node.
        node: String,
        /// Its definitions.
        schema: Arc<Schema>,
    },
    /// Why it does not say so.
    Reply(Reply),
}

impl Question {
    pub(super) fn new(link: Link, question: crate::Question) -> Self {
        Self { own: Own::new(Draft { link, question }) }
    }

    fn map<E>(
        self,
        change: impl FnOnce(crate::Question) -> Result<crate::Question, E>,
    ) -> Result<Self, Error>
    where
        Error: From<E>,
    {
        let Draft { link, question } = self.own.take()?;
        let question = change(question)?;
        question.check()?;
        Ok(Self::new(link, question))
    }

    /// Only nodes whose name matches one of these globs, like `web*,db1`.
    ///
    /// # Errors
    /// [`Kind::Invalid`](super::Kind::Invalid): the glob that is none.
    pub fn on(self, globs: &str) -> Result<Self, Error> {
        self.map(|it| it.on(globs))
    }

    /// Not the nodes whose name matches one of these globs.
    ///
    /// # Errors
    /// [`Kind::Invalid`](super::Kind::Invalid): the glob that is none.
    pub fn not(self, globs: &str) -> Result<Self, Error> {
        self.map(|it| it.not(globs))
    }

    /// Only nodes with this certified label.
    ///
    /// # Errors
    /// [`Kind::Forked`](super::Kind::Forked), as of all that follow.
    pub fn label(self, key: &str, value: &str) -> Result<Self, Error> {
        self.map(|it| Ok::<_, Error>(it.label(key, value)))
    }

    /// Only nodes where this predicate is true; it is evaluated there.
    ///
    /// # Errors
    /// [`Kind::Invalid`](super::Kind::Invalid): where the text breaks the rules of predicates.
    pub fn matching(self, predicate: &str) -> Result<Self, Error> {
        self.map(|it| it.matching(predicate))
    }

    /// Only nodes of these names.
    ///
    /// # Errors
    /// [`Kind::Invalid`](super::Kind::Invalid): the name that no node can have. No name at all is
    /// none: nobody is asked.
    pub fn only(self, names: Vec<String>) -> Result<Self, Error> {
        self.map(|it| Ok::<_, Error>(it.only(names)))
    }

    /// These names must answer, known to the realm or not.
    ///
    /// # Errors
    /// As of [`Question::only`].
    pub fn expect(self, names: Vec<String>) -> Result<Self, Error> {
        self.map(|it| Ok::<_, Error>(it.expect(names)))
    }

    /// Bounds the whole question. Default: a second, three while answers still trickle in.
    ///
    /// # Errors
    /// [`Kind::Invalid`](super::Kind::Invalid) for no time at all.
    pub fn timeout(self, timeout: Duration) -> Result<Self, Error> {
        self.map(|it| Ok::<_, Error>(it.timeout(timeout)))
    }

    /// For a set of one setting: only where it still has this version.
    ///
    /// # Errors
    /// [`Kind::Invalid`](super::Kind::Invalid) where nothing is set.
    pub fn if_version(self, version: Version) -> Result<Self, Error> {
        self.map(|it| Ok::<_, Error>(it.if_version(version)))
    }

    /// For a set: only say what would happen; nothing is written.
    ///
    /// # Errors
    /// As of [`Question::if_version`].
    pub fn dry_run(self) -> Result<Self, Error> {
        self.map(|it| Ok::<_, Error>(it.dry_run()))
    }

    /// For a watch: tell the values this often, changed or not, every 10 ms at most. Default: when
    /// they change.
    ///
    /// # Errors
    /// [`Kind::Invalid`](super::Kind::Invalid) where nothing is watched, and for less than 10 ms.
    pub fn every(self, every: Duration) -> Result<Self, Error> {
        self.map(|it| Ok::<_, Error>(it.every(every)))
    }

    /// For a watch: tell a number only when it is at least so far from what was told last.
    ///
    /// # Errors
    /// As of [`Question::every`], and what is no distance: 0 or less, or without end.
    pub fn delta(self, delta: f64) -> Result<Self, Error> {
        self.map(|it| Ok::<_, Error>(it.delta(delta)))
    }

    /// Asks. A question that cannot be asked is one that ends at once: [`Replies`] tell why.
    ///
    /// # Errors
    /// [`Kind::Invalid`](super::Kind::Invalid) when it is a question of
    /// [`Node::variables`](super::Node::variables), [`Kind::Limit`](super::Kind::Limit) when there
    /// is no descriptor left.
    pub fn ask(self) -> Result<Replies, Error> {
        let Draft { link, question } = self.own.take()?;
        if question.describes() {
            let message = "which variables there are is asked by Question::describe";
            return Err(Error::new(super::Kind::Invalid, message));
        }
        link.stream(|feed| {
            answer(question, feed, |said| match said {
                Said::Reply(reply) => Some(reply),
                // Only what is described has any.
                Said::Schema(..) => None,
            })
        })
    }

    /// Asks which variables there are: for a question of
    /// [`Node::variables`](super::Node::variables).
    ///
    /// # Errors
    /// [`Kind::Invalid`](super::Kind::Invalid) for other questions,
    /// [`Kind::Limit`](super::Kind::Limit) when there is no descriptor left.
    pub fn describe(self) -> Result<Descriptions, Error> {
        let Draft { link, question } = self.own.take()?;
        if !question.describes() {
            let message = "only what Node::variables began can be described";
            return Err(Error::new(super::Kind::Invalid, message));
        }
        link.stream(|feed| {
            answer(question, feed, |said| {
                Some(match said {
                    Said::Reply(reply) => Described::Reply(reply),
                    Said::Schema(node, schema) => Described::Variables { node, schema },
                })
            })
        })
    }

    /// Asks, and waits for the report; the replies are not looked at.
    ///
    /// # Errors
    /// When the question could not be asked.
    pub fn report(self) -> Result<crate::Report, Error> {
        if self.own.get()?.question.describes() {
            return self.describe()?.finish(None);
        }
        self.ask()?.finish(None)
    }

    /// Watches: for a question of [`Node::watch`](super::Node::watch).
    ///
    /// # Errors
    /// [`Kind::Invalid`](super::Kind::Invalid) when the question is not one that goes on,
    /// [`Kind::Limit`](super::Kind::Limit) when there is no descriptor left.
    pub fn subscribe(self) -> Result<Watch, Error> {
        let Draft { link, question } = self.own.take()?;
        if !question.goes_on() {
            return Err(QuestionError::NoWatch.into());
        }
        link.stream(|feed| follow(question, feed))
    }
}
