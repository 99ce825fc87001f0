//! A question that a node has heard, and how far its answer is.

use std::time::Duration;

use super::super::{SampleId, SetId, Way};
use super::kept::Kept;
use super::task::{Task, Work};
use crate::time::Instant;
use crate::wire::frame::Answer;
use crate::wire::id::NodeId;
use crate::wire::watch::TopicId;

/// How often questions are forgotten: each so much later than it could be, at most.
const FORGOTTEN_EVERY: Duration = Duration::from_secs(1);

/// A question that was heard.
pub(super) struct Heard {
    pub(super) asker: NodeId,
    pub(super) way: Way,
    pub(super) by_group: bool,
    pub(super) round: u16,
    /// When the answer is repeated, in the slot of a later round.
    pub(super) repeat_at: Option<Instant>,
    pub(super) forget_at: Instant,
    pub(super) step: Step,
    /// Its entry among the timers.
    pub(super) timer: Option<Instant>,
}

impl Heard {
    /// Whether it was answered by a large reply that is kept no longer: it is evaluated anew.
    pub(super) fn is_lost(&self) -> bool {
        matches!(&self.step, Step::Answered { answer: Answer::Announced(_), kept: None })
    }

    /// What is to be done, where it waits to be evaluated.
    fn work(&self) -> Option<&Work> {
        match &self.step {
            Step::Waiting { task, .. } | Step::Sampling { task, .. } => Some(&task.work),
            Step::Setting { .. } | Step::Answered { .. } => None,
        }
    }

    /// Whether it is a write that waits to be evaluated.
    pub(super) fn is_set(&self) -> bool {
        matches!(self.work(), Some(Work::Set(_)))
    }

    /// What is to be watched, where that waits to be evaluated.
    pub(super) fn topic(&self) -> Option<TopicId> {
        match self.work() {
            Some(Work::Watch(watch)) => Some(watch.topic),
            Some(Work::Get(_) | Work::Here | Work::Set(_)) | None => None,
        }
    }

    /// When something is due. Questions of one second are forgotten together: each by itself would
    /// wake a node that is asked often once more for every question.
    pub(super) fn due(&self) -> Instant {
        let step = match &self.step {
            Step::Waiting { due, .. } => Some(*due),
            Step::Setting { pending_at, .. } => *pending_at,
            Step::Answered { kept, .. } => kept.as_ref().map(|kept| kept.until),
            Step::Sampling { .. } => None,
        };
        let forget_at = self.forget_at.next_whole(FORGOTTEN_EVERY);
        [step, self.repeat_at].into_iter().flatten().fold(forget_at, Instant::min)
    }
}

/// How far the answer to a question is.
pub(super) enum Step {
    /// Its slot has not come.
    Waiting { due: Instant, task: Box<Task> },
    /// The shell refreshes values.
    Sampling { id: SampleId, task: Box<Task> },
    /// The shell stores settings.
    Setting { id: SetId, pending_at: Option<Instant> },
    /// The answer is known.
    Answered { answer: Answer, kept: Option<Kept> },
}

impl std::fmt::Debug for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heard").field("way", &self.way).field("round", &self.round).finish()
    }
}
