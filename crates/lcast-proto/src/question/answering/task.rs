//! What a question comes to at a node that it picks, once its slot has come: pure, of the values of
//! one instant.

use std::sync::Arc;
use std::time::Duration;

use super::super::budget::STEPS_OF_NAME;
use super::super::evaluate::{self, Node};
use super::super::report::{EmptyReason, ErrorCode};
use super::super::{SetOrder, Wanted};
use crate::keys::certificate::Certificate;
use crate::select::{Outcome as Match, Pattern, Selector};
use crate::time::Now;
use crate::wire::frame::{Answer, SetFrame};
use crate::wire::id::{NodeId, SenderId};
use crate::wire::watch::{TopicId, WatchTerms};

/// What is to be done in a question's slot.
pub(super) struct Task {
    pub(super) asker: Certificate,
    pub(super) selector: Selector,
    pub(super) work: Work,
}

pub(super) enum Work {
    Get(Arc<[Pattern]>),
    Watch(Watch),
    Here,
    Set(SetFrame),
}

/// What a watcher wants.
pub(super) struct Watch {
    pub(super) topic: TopicId,
    pub(super) patterns: Arc<[Pattern]>,
    pub(super) terms: WatchTerms,
}

/// What evaluating a question leads to.
pub(super) enum Done {
    Answer(Answer),
    Values(Vec<u8>),
    Order(SetOrder),
}

impl Done {
    /// Whether a watcher may hear more than this.
    pub(super) fn can_change(&self) -> bool {
        matches!(self, Self::Values(_) | Self::Answer(Answer::Empty(_)))
    }
}

/// An answer with the number of the change message that it follows.
pub(super) fn watched_from(number: Option<u64>, answer: Answer) -> Answer {
    match number {
        Some(number) => Answer::Watched(number, Box::new(answer)),
        None => answer,
    }
}

impl Task {
    /// What the answer is going to read.
    pub(super) fn wanted(&self) -> Wanted {
        let patterns = match &self.work {
            Work::Get(patterns) | Work::Watch(Watch { patterns, .. }) => patterns.clone(),
            Work::Here | Work::Set(_) => Arc::default(),
        };
        Wanted { patterns, predicate: self.selector.predicate.clone() }
    }

    /// What the question comes to, and the steps that it took to find out. [QST-46]
    pub(super) fn outcome(&self, now: Now, node: Node<'_>, key: (SenderId, u64)) -> (Done, u64) {
        let (mismatch, steps) = self.mismatch(now, node);
        if let Some(answer) = mismatch {
            return (Done::Answer(answer), steps);
        }
        let (done, more) = self.done(now, node, key);
        (done, steps.saturating_add(more))
    }

    /// The answer of a node whose predicate is not true; `None` where it is.
    fn mismatch(&self, now: Now, node: Node<'_>) -> (Option<Answer>, u64) {
        let Some(predicate) = &self.selector.predicate else { return (None, 0) };
        let (outcome, steps) = evaluate::judge(now, node, &self.asker, predicate);
        let answer = match outcome {
            Match::Match => None,
            Match::NoMatch => Some(Answer::Empty(EmptyReason::NoMatch.code())),
            Match::Undefined => Some(Answer::Empty(EmptyReason::Undefined.code())),
            Match::Error(message) => Some(Answer::Error(ErrorCode::Predicate.code(), message)),
        };
        (answer, u64::from(steps))
    }

    /// What is done where the predicate is true.
    fn done(&self, now: Now, node: Node<'_>, key: (SenderId, u64)) -> (Done, u64) {
        match &self.work {
            Work::Here => (Done::Answer(Answer::Here), 0),
            Work::Get(patterns) | Work::Watch(Watch { patterns, .. }) => {
                let (values, names) = evaluate::encoded(now, node, &self.asker, patterns);
                (values.map_or_else(Done::Answer, Done::Values), names * STEPS_OF_NAME)
            }
            Work::Set(set) => {
                let order = evaluate::order(node, &self.asker, key, set);
                (order.map_or_else(Done::Answer, Done::Order), 0)
            }
        }
    }
}

/// When within the window a node answers: spread evenly by hash, in each round anew, so that two
/// replies that met in one round miss each other in the next. [QST-22]
pub(super) fn slot(own: &NodeId, request: u64, round: u16, window: Duration) -> Duration {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&request.to_be_bytes()).update(&own.0).update(&round.to_be_bytes());
    let hash = hasher.finalize();
    let [a, b, c, d, ..] = *hash.as_bytes();
    let share = f64::from(u32::from_be_bytes([a, b, c, d])) / f64::from(u32::MAX);
    window.mul_f64(share)
}
