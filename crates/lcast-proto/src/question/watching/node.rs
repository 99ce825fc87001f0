//! What a watcher knows of one node: its values by version, and which of its messages are missing.
//! [WAT-5]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::ChangedValue;
use super::removed::Removed;
use crate::question::report::{EmptyReason, ReplyValue};
use crate::question::watched::LEASE_MAX;
use crate::time::Instant;
use crate::variable::Version;
use crate::wire::id::SenderId;

/// Messages that may arrive before one that is missing, and messages that wait for what they
/// follow; beyond that all values are asked for instead. [WAT-5] [WAT-9]
pub const AHEAD_MAX: usize = 256;
/// How long a message may be missing: its repeats have come by then. [WAT-5]
const GAP_PATIENCE: Duration = Duration::from_millis(240);
/// How long a node may say nothing: it states how far it has come two or three times by then.
/// [WAT-6]
const QUIET_MAX: Duration = LEASE_MAX.saturating_mul(2);
/// The first and the longest pause between two wishes to one node, and the longest where it has
/// answered. [WAT-8]
pub(super) const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);
const ANSWERED_PAUSE_MAX: Duration = Duration::from_secs(1);

/// What is known of a node.
#[derive(Debug)]
pub(super) struct WatchedNode {
    pub(super) name: String,
    pub(super) sender: SenderId,
    pub(super) step: Step,
    /// Every message up to this one is here.
    pub(super) number: u64,
    /// Messages after one that is missing, at most [`AHEAD_MAX`].
    pub(super) ahead: BTreeSet<u64>,
    pub(super) gap_at: Option<Instant>,
    /// The last message that it stated: up to there, one that is not here is missing. [WAT-6]
    pub(super) stated: u64,
    pub(super) inside: bool,
    /// The message that said whether it is inside.
    pub(super) inside_by: u64,
    /// The last message that said that it is outside: what came before is over.
    pub(super) outside_by: u64,
    pub(super) known: BTreeMap<String, Known>,
    /// Names that went, and by which message: the last of them.
    pub(super) removed: Removed,
    /// Whether its values have been announced and are not here yet.
    pub(super) awaited: bool,
    /// What it said while nobody knows what that follows, at most [`AHEAD_MAX`] messages.
    pub(super) held: BTreeMap<u64, Message>,
    /// The last message for which there was no room among these.
    pub(super) unheld: Option<u64>,
    /// The last message that said that more changed than it carries: an answer before it does not
    /// tell what.
    pub(super) much: u64,
    /// When its word is asked for, where that is wanted.
    pub(super) want: Option<Instant>,
    pub(super) pace: Pace,
    /// Since when it says nothing of what is watched, noticed at the first look after that.
    pub(super) quiet: Option<Instant>,
}

/// What a node says has happened.
#[derive(Clone, Debug)]
pub enum Message {
    /// These values are new, these names have none any more.
    Values(Vec<ReplyValue>, Vec<String>),
    /// The predicate holds from here on: values, of which more may follow.
    Entered(Vec<ReplyValue>),
    /// It holds no more, or there are no such values.
    Left(EmptyReason),
    /// More than messages carry.
    Much,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Asked, not yet heard.
    Asked,
    /// It has a lease.
    Live,
    /// It is not there.
    Gone,
    /// It will not, or cannot.
    Declined,
    /// It has more values than a watch may hold, and is not wanted.
    TooMuch,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) version: Version,
    pub(super) revision: u64,
    /// The message it came by.
    pub(super) number: u64,
}

/// How often a node was written to lately. Its answers, and its other processes, change nothing of
/// that: who lies draws no more. [WAT-8]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// The last of the wishes that followed each other, and how many these are.
    asked: Option<(Instant, u32)>,
    /// When a lease of it was given back last.
    pub(super) ended: Option<Instant>,
}

impl Pace {
    /// When the next wish may be, if one is wanted from now on: of a node that answers, if it was
    /// asked before.
    fn next(&mut self, now: Instant) -> Instant {
        self.asked = self.asked.filter(|(at, _)| now.since(*at) < PAUSE_MAX);
        let asked = self.asked.map(|(at, wishes)| at + pause(wishes).min(ANSWERED_PAUSE_MAX));
        asked.map_or(now, |at| at.max(now))
    }

    /// Notes a wish; when the next one is, unless it is answered.
    pub(super) fn wish(&mut self, now: Instant) -> Instant {
        let wishes = self.asked.map_or(1, |(_, wishes)| wishes.saturating_add(1));
        self.asked = Some((now, wishes));
        now + pause(wishes)
    }
}

/// The pause after so many wishes.
fn pause(wishes: u32) -> Duration {
    (PAUSE_MIN * 2_u32.saturating_pow(wishes.saturating_sub(1).min(10))).min(PAUSE_MAX)
}

impl WatchedNode {
    pub(super) fn new(name: String, sender: SenderId, number: u64) -> Self {
        Self {
            name,
            sender,
            step: Step::Asked,
            number,
            ahead: BTreeSet::new(),
            gap_at: None,
            stated: 0,
            inside: false,
            inside_by: 0,
            outside_by: 0,
            known: BTreeMap::new(),
            removed: Removed::default(),
            awaited: false,
            held: BTreeMap::new(),
            unheld: None,
            much: 0,
            want: None,
            pace: Pace::default(),
            quiet: None,
        }
    }

    /// Whether it has said nothing for too long: then that is counted anew.
    pub(super) fn is_too_quiet(&mut self, now: Instant) -> bool {
        let quiet = now.since(*self.quiet.get_or_insert(now)) >= QUIET_MAX;
        if quiet {
            self.quiet = None;
        }
        quiet
    }

    /// Its word is wanted, unless it is wanted already.
    pub(super) fn want(&mut self, now: Instant) {
        if self.want.is_none() {
            self.want = Some(self.pace.next(now));
        }
    }

    /// A message said that more changed than it carries: all values are wanted.
    pub(super) fn tells_much(&mut self, now: Instant, number: u64) {
        self.much = self.much.max(number);
        self.want(now);
    }

    pub(super) fn due(&self) -> Option<Instant> {
        [self.gap_at, self.want].into_iter().flatten().min()
    }

    /// Goes on over the messages that are here.
    pub(super) fn advance(&mut self) {
        while self.ahead.first().is_some_and(|next| *next <= self.number.saturating_add(1)) {
            if let Some(next) = self.ahead.pop_first() {
                self.number = self.number.max(next);
            }
        }
        self.held.retain(|number, _| *number > self.number);
        if self.ahead.is_empty() && self.held.is_empty() && self.number >= self.stated {
            self.gap_at = None;
        }
    }

    /// It states how far it has come: what is not here soon is asked for.
    pub(super) fn states(&mut self, now: Instant, number: u64) {
        self.stated = number.max(self.stated);
        if number > self.number {
            self.gap_at.get_or_insert(now + GAP_PATIENCE);
        }
    }

    /// Whether a message comes before what it follows: nobody knows yet what the node holds.
    pub(super) fn must_wait(&self, number: u64, message: &Message) -> bool {
        let follows = match message {
            Message::Values(..) => number > self.inside_by,
            Message::Entered(_) | Message::Left(_) | Message::Much => false,
        };
        !self.inside && (self.awaited || follows)
    }

    /// Keeps a message until the values before it are here; where there is no room, what it says is
    /// asked for then. [WAT-9]
    pub(super) fn hold(&mut self, now: Instant, number: u64, message: Message) {
        if number <= self.number {
            return;
        }
        if self.held.len() >= AHEAD_MAX && !self.held.contains_key(&number) {
            self.unheld = self.unheld.max(Some(number));
            return;
        }
        self.held.entry(number).or_insert(message);
        if !self.awaited {
            self.gap_at.get_or_insert(now + GAP_PATIENCE);
        }
    }

    /// Takes what waited for the values that are here. What there was no room for may follow them:
    /// then all is asked for, once, since whoever says what never comes would be asked for ever.
    pub(super) fn release(&mut self, now: Instant) -> BTreeMap<u64, Message> {
        if self.unheld.take().is_some_and(|number| number > self.number) {
            self.want(now);
        }
        // The values may be older than what is missing: their wish was not for that.
        if !self.ahead.is_empty() {
            self.gap_at.get_or_insert(now + GAP_PATIENCE);
        }
        std::mem::take(&mut self.held)
    }

    /// Takes the number of a message; whether it is the first to come with it. When over
    /// [`AHEAD_MAX`] came before one that is missing, all values are asked for: they follow the
    /// last of these, so which the others were does not matter any more. [WAT-5] [WAT-9]
    pub(super) fn is_first_with(&mut self, now: Instant, number: u64) -> bool {
        if number <= self.number || !self.ahead.insert(number) {
            return false;
        }
        self.advance();
        if self.ahead.len() > AHEAD_MAX {
            self.ahead = BTreeSet::from([number]);
            self.want(now);
        }
        if !self.ahead.is_empty() {
            self.gap_at.get_or_insert(now + GAP_PATIENCE);
        }
        true
    }

    /// Forgets what was told before a message, unless `stays`; the names.
    pub(super) fn forget_older(
        &mut self,
        number: u64,
        stays: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let is_over = |name: &str, known: &Known| known.number < number && !stays(name);
        let over = self.known.iter().filter(|(name, known)| is_over(name, known));
        let over: Vec<String> = over.map(|(name, _)| name.clone()).collect();
        for name in &over {
            self.known.remove(name);
        }
        over
    }

    /// A message says that a name has no value any more; whether it had one.
    pub(super) fn remove(&mut self, name: &str, number: u64) -> bool {
        if self.known.get(name).is_some_and(|it| it.number > number) {
            return false;
        }
        self.removed.note(name, number);
        self.known.remove(name).is_some()
    }

    /// Those of the values that are newer than what is known, or with `again` as new. [WAT-5]
    pub(super) fn take(
        &mut self,
        number: u64,
        values: Vec<ReplyValue>,
        again: bool,
    ) -> Vec<ChangedValue> {
        let mut taken = Vec::new();
        for value in values {
            let (version, revision) = (value.version, value.revision);
            if self.removed.went_after(&value.name, number) {
                continue;
            }
            let mut skipped = 0;
            if let Some(known) = self.known.get_mut(&value.name) {
                let repeated = version == known.version && number > known.number;
                if repeated {
                    known.number = number;
                }
                if version <= known.version && !(again && repeated) {
                    continue;
                }
                // Of one process, whatever its versions: a setting's begin anew at the first write.
                skipped = revision.saturating_sub(known.revision).saturating_sub(1);
            }
            self.removed.forget(&value.name);
            self.known.insert(value.name.clone(), Known { version, revision, number });
            taken.push(ChangedValue { value, skipped });
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::question::watching::REMOVED_MAX;
    use crate::time::Timestamp;
    use crate::value::Value;

    /// [WAT-6]: what was stated is missing, also when a message before it comes meanwhile.
    #[test]
    fn what_was_stated_stays_missing_until_it_is_here() {
        let at = |millis: u64| Instant::from_micros(millis * 1_000);
        let mut node = WatchedNode::new("n0".to_owned(), SenderId([1; 12]), 3);
        node.states(at(0), 5);
        let due = Some(at(0) + GAP_PATIENCE);
        assert_eq!(node.due(), due);
        assert!(node.is_first_with(at(100), 4));
        assert_eq!(node.due(), due, "5 is not here");
        assert!(node.is_first_with(at(200), 5));
        assert_eq!(node.due(), None);
    }

    /// A name that went is remembered until so many others have gone after it.
    #[test]
    fn so_many_names_that_went_are_remembered() {
        for (count, taken) in [(REMOVED_MAX, 0), (REMOVED_MAX + 1, 1)] {
            let mut node = WatchedNode::new("n0".to_owned(), SenderId([1; 12]), 0);
            for number in 0..count {
                node.remove(&format!("app.v{number}"), 10 + number as u64);
            }
            // It comes late: the message that took it away is newer.
            let value = ReplyValue {
                name: "app.v0".to_owned(),
                value: Value::Int(1),
                unit: "".into(),
                time: Timestamp::from_millis(0),
                age_ms: 0,
                version: Version { incarnation: 1, counter: 1 },
                revision: 1,
            };
            let late = ReplyValue { name: "app.v1".to_owned(), ..value.clone() };
            assert_eq!(node.take(9, vec![value], false).len(), taken, "{count} names");
            assert_eq!(node.take(9, vec![late], false).len(), 0, "{count} names");
        }
    }
}
