//! What the asker of a question receives: one [`Reply`] per node that spoke, then the [`Report`].
//!
//! Every expected node ends in exactly one class: answered, empty, error, refused, late or missing.
//! The report counts and names them; its counts are derived from its lists, so that the two cannot
//! disagree. How a report becomes an exit code or JSON is the command line's affair, not this
//! module's.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::presence::State;
use crate::time::Timestamp;
use crate::value::Value;
use crate::variable::Version;

/// What one node said to a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The certified name of the node.
    pub node: String,
    /// What it said.
    pub outcome: Outcome,
    /// Whether the question had gone by multicast alone until this came: it got through.
    pub by_multicast: bool,
}

/// What a node said: the class that it ends in, and the details.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The variables that matched, in order of name; at least one. Class: answered.
    Values(Vec<ReplyValue>),
    /// Nothing to say, and why. Class: empty.
    Empty(EmptyReason),
    /// The node tried and failed. Class: error.
    Error(Failure),
    /// The node would not. Class: refused.
    Refused(Refusal),
    /// What became of each setting, in the order of the request; at least one. The class is that of
    /// the worst of them, see [`Outcome::class`].
    Set(Vec<SetResult>),
}

/// One variable in a reply.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplyValue {
    /// The full name, keys included.
    pub name: String,
    /// Its value at the node, all values of a reply being from one snapshot.
    pub value: Value,
    /// The unit as UCUM writes it, from the node's schema; empty where there is none.
    pub unit: Arc<str>,
    /// When the value was read, by the node's wall clock.
    pub time: Timestamp,
    /// How old the value was when the reply left, by the node's monotonic clock: free of skew.
    pub age_ms: u64,
    /// Which write it is from: what `--if-version` takes.
    pub version: Version,
    /// How many versions of it its process has had, this one included: a watcher that sees it grow
    /// by more than one has missed some.
    pub revision: u64,
}

/// The classes that expected nodes end in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Said what was asked.
    Answered,
    /// Said that it has nothing to say.
    Empty,
    /// Tried and failed.
    Error,
    /// Would not.
    Refused,
    /// Said that it is at work, but not the answer before the deadline.
    Late,
    /// Said nothing.
    Missing,
}

/// Why a node has nothing to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EmptyReason {
    /// The predicate is false there.
    NoMatch,
    /// The predicate met a missing variable, a missing key or null.
    Undefined,
    /// The node has none of the variables asked for.
    NoVariable,
}

/// What went wrong at a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind of failure, for programs.
    pub code: ErrorCode,
    /// One sentence of the node's, for people. Text from another node: sanitise before printing.
    pub message: String,
}

/// The kinds of failure at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The predicate failed: types that do not fit, overflow, division by zero.
    Predicate,
    /// A value that the setting does not accept.
    Invalid,
    /// The setting's version is another than the request demanded.
    Conflict,
    /// No such variable, or none that can be set.
    NoSuchVariable,
    /// The node could not keep the value: disk full, read-only.
    Storage,
    /// A limit of the node was reached: too large a reply, too many requests at once.
    Limit,
    /// A kind that only a later version of the asker knows.
    Unknown,
}

/// Why a node would not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason, for programs.
    pub reason: RefusalReason,
    /// One sentence of the node's, for people. Text from another node: sanitise before printing.
    pub message: String,
}

/// The reasons to refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RefusalReason {
    /// The asker's certificate lacks the role.
    Role,
    /// The asker's certificate has expired, beyond the grace for clock skew.
    Expired,
    /// By the node's clock the asker's certificate is not valid yet.
    Clock,
    /// The asker is forgotten or revoked.
    Forgotten,
    /// The node's own configuration narrows who may do this.
    Policy,
    /// The selector or the patterns are beyond the limits.
    Selector,
    /// The node has too much to do.
    Busy,
    /// A reason that only a later version of the asker knows.
    Unknown,
}

/// What became of one setting of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct SetResult {
    /// The setting.
    pub name: String,
    /// What became of it.
    pub outcome: SetOutcome,
    /// One sentence of the node's, for people. Text from another node: sanitise before printing.
    pub message: String,
    /// The version that the node holds afterwards; none where there is no such setting, or where
    /// the asker may not know.
    pub version: Option<Version>,
}

/// What became of one setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SetOutcome {
    /// The value is kept and in force.
    Applied,
    /// The setting had this value; its version stays.
    Unchanged,
    /// The value does not fit; nothing is changed.
    Invalid,
    /// The version is another than demanded; nothing is changed.
    Conflict,
    /// No such setting; nothing is changed.
    NoSuchVariable,
    /// The node could not keep the value; the old one is in force.
    Storage,
}

/// The account at the end of a question.
///
/// `answered`, `empty`, `error`, `refused`, `late` and `missing` together are `expected`. What
/// nodes say that are not expected is not told at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many nodes were expected.
    pub expected: u32,
    /// How many of the expected nodes presence held alive when the question ended or that spoke.
    pub alive: u32,
    /// How many expected nodes answered. Their names are those of the replies.
    pub answered: u32,
    /// The nodes with nothing to say, in order of name.
    pub empty: Vec<EmptyNode>,
    /// The nodes that failed, in order of name.
    pub error: Vec<FailedNode>,
    /// The nodes that would not, in order of name.
    pub refused: Vec<RefusedNode>,
    /// The nodes still at work at the deadline, in order of name.
    pub late: Vec<UnheardNode>,
    /// The nodes that said nothing, in order of name.
    pub missing: Vec<UnheardNode>,
    /// The expected nodes that last said that they hold an older member list than the one in force
    /// here, in order of name.
    pub behind: Vec<String>,
    /// How many times the question was sent to all: by multicast, or its substitute on this path.
    pub rounds: u32,
    /// How many packets carried the question, repeats and unicast copies included. The copies that
    /// go to all neighbours of this host count as one.
    pub questions_sent: u32,
    /// From the first packet to the end.
    pub elapsed: Duration,
    /// Whether any packet of any other node was verified, whatever it said.
    pub heard: bool,
    /// Whether at least one socket of the realm could send the question.
    pub sent: bool,
}

/// A node with nothing to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmptyNode {
    /// Its certified name.
    pub node: String,
    /// Why.
    pub reason: EmptyReason,
}

/// A node that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedNode {
    /// Its certified name.
    pub node: String,
    /// How.
    pub failure: Failure,
}

/// A node that would not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedNode {
    /// Its certified name.
    pub node: String,
    /// Why.
    pub refusal: Refusal,
}

/// A node whose answer did not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnheardNode {
    /// Its certified name, or the name that was expected.
    pub node: String,
    /// When anything of it was last heard, by this node's clock; `None`: never.
    pub last_heard: Option<Timestamp>,
    /// Whether presence holds it there; never, for a name that no member has, and for a node that
    /// only an earlier process heard.
    pub state: State,
    /// Whether what was asked may have been done all the same: true for a `set`, which may have
    /// been applied although the answer was lost.
    pub outcome_unknown: bool,
}

impl Report {
    /// How many nodes had nothing to say for this reason.
    pub fn empty_for(&self, reason: EmptyReason) -> usize {
        self.empty.iter().filter(|it| it.reason == reason).count()
    }

    /// Whether every expected node answered or had nothing to say.
    pub fn is_complete(&self) -> bool {
        self.error.is_empty()
            && self.refused.is_empty()
            && self.late.is_empty()
            && self.missing.is_empty()
    }
}

impl Outcome {
    /// The class that the node ends in.
    ///
    /// A request with several settings ends in the worst class of them: refused when any was
    /// refused, else error when any failed, else answered.
    pub fn class(&self) -> Class {
        match self {
            Self::Values(_) => Class::Answered,
            Self::Empty(_) => Class::Empty,
            Self::Error(_) => Class::Error,
            Self::Refused(_) => Class::Refused,
            Self::Set(results) => {
                results.iter().map(|it| it.outcome.class()).max().unwrap_or(Class::Answered)
            }
        }
    }
}

impl SetOutcome {
    /// The class that a node ends in whose only setting came out so.
    pub const fn class(self) -> Class {
        match self {
            Self::Applied | Self::Unchanged => Class::Answered,
            Self::Invalid | Self::Conflict | Self::NoSuchVariable | Self::Storage => Class::Error,
        }
    }

    /// The word for this outcome in output for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Invalid => "invalid",
            Self::Conflict => "conflict",
            Self::NoSuchVariable => "no_such_variable",
            Self::Storage => "storage",
        }
    }
}

impl SetOutcome {
    /// The result of a setting that came out so, as its node tells it.
    pub fn result(self, name: String, version: Version) -> SetResult {
        let message = match self {
            Self::Conflict => "another version is held",
            Self::Applied
            | Self::Unchanged
            | Self::Invalid
            | Self::NoSuchVariable
            | Self::Storage => "",
        };
        SetResult { name, outcome: self, message: message.to_owned(), version: Some(version) }
    }

    const ALL: [Self; 6] = [
        Self::Applied,
        Self::Unchanged,
        Self::Invalid,
        Self::Conflict,
        Self::NoSuchVariable,
        Self::Storage,
    ];

    /// Its code on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The outcome with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

impl EmptyReason {
    /// Its code on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The reason with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Every reason, in the order of the report.
    pub const ALL: [Self; 3] = [Self::NoMatch, Self::Undefined, Self::NoVariable];

    /// The word for this reason in output for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoMatch => "no_match",
            Self::Undefined => "undefined",
            Self::NoVariable => "no_variable",
        }
    }
}

impl ErrorCode {
    const ALL: [Self; 6] = [
        Self::Predicate,
        Self::Invalid,
        Self::Conflict,
        Self::NoSuchVariable,
        Self::Storage,
        Self::Limit,
    ];

    /// Its code on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind with this code, [`Self::Unknown`] when a later version made it.
    pub fn from_code(code: u8) -> Self {
        Self::ALL.get(usize::from(code)).copied().unwrap_or(Self::Unknown)
    }

    /// The word for this kind in output for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Predicate => "predicate",
            Self::Invalid => "invalid",
            Self::Conflict => "conflict",
            Self::NoSuchVariable => "no_such_variable",
            Self::Storage => "storage",
            Self::Limit => "limit",
            Self::Unknown => "unknown",
        }
    }
}

impl RefusalReason {
    const ALL: [Self; 7] = [
        Self::Role,
        Self::Expired,
        Self::Clock,
        Self::Forgotten,
        Self::Policy,
        Self::Selector,
        Self::Busy,
    ];

    /// Its code on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The reason with this code, [`Self::Unknown`] when a later version made it.
    pub fn from_code(code: u8) -> Self {
        Self::ALL.get(usize::from(code)).copied().unwrap_or(Self::Unknown)
    }

    /// The word for this reason in output for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Expired => "expired",
            Self::Clock => "clock",
            Self::Forgotten => "forgotten",
            Self::Policy => "policy",
            Self::Selector => "selector",
            Self::Busy => "busy",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for EmptyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for SetOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_ends_in_the_worst_class_of_its_settings() {
        use SetOutcome::{Applied, Conflict, Invalid, NoSuchVariable, Storage, Unchanged};
        let cases: [(&[SetOutcome], Class); 5] = [
            (&[Applied], Class::Answered),
            (&[Applied, Unchanged], Class::Answered),
            (&[Unchanged, Conflict], Class::Error),
            (&[Invalid, NoSuchVariable, Storage], Class::Error),
            (&[], Class::Answered),
        ];
        for (outcomes, expected) in cases {
            let result = |outcome: &SetOutcome| SetResult {
                name: "app.greeting".to_owned(),
                outcome: *outcome,
                message: String::new(),
                version: None,
            };
            let outcome = Outcome::Set(outcomes.iter().map(result).collect());
            assert_eq!(outcome.class(), expected, "{outcomes:?}");
        }
    }

    #[test]
    fn reasons_are_counted_and_failures_spoil_completeness() {
        let empty = |reason| EmptyNode { node: "a".to_owned(), reason };
        let mut report = Report {
            empty: vec![empty(EmptyReason::NoMatch), empty(EmptyReason::NoMatch)],
            ..Report::default()
        };
        assert_eq!(EmptyReason::ALL.map(|reason| report.empty_for(reason)), [2, 0, 0]);
        assert!(report.is_complete());
        report.late.push(UnheardNode {
            node: "b".to_owned(),
            last_heard: None,
            state: State::Never,
            outcome_unknown: true,
        });
        assert!(!report.is_complete());
    }
}
