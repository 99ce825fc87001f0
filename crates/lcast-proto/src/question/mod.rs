//! Questions: what is asked of the nodes that a selector picks, and the account at the end.
//!
//! [`asking`] is the asker's machine: rounds, the still-wanted filter, one class per expected node.
//! [`answering`] is the node's: slots, one snapshot, results kept for repeats; [`evaluate`] is what
//! its table says to an asker. [`watching`] and [`watched`] are the two sides of a watch, which
//! begins as a question and goes on with changes. [`pull`] fetches in pages what is larger than a
//! packet. Start with [`report`]: the answers as the asker sees them and the report that ends every
//! question. Not here: sealing and addressing, which the endpoint does; the bytes, which are in
//! `wire`. The rules are in `docs/spec/questions.md` and `docs/spec/watch.md`.

pub mod answering;
pub mod asking;
pub mod budget;
pub mod evaluate;
pub mod pull;
pub mod report;
pub mod values;
pub mod watched;
pub mod watching;

use std::collections::BTreeSet;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

use self::report::SetOutcome;
use crate::name::Name;
use crate::select::{Pattern, Predicate, Selector, SizeError};
use crate::value::Value;
use crate::variable::{Assigned, Version};
use crate::wire::id::SenderId;

/// Names a question between shell and core; chosen by the shell, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuestionId(pub u64);

/// Names a request for fresh values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleId(pub u64);

/// Names a write that the shell has been asked to store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetId(pub u64);

/// The way back to an asker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The address that asked.
    pub to: SocketAddrV6,
    /// The own address that was asked, or that the question came in by.
    pub from: SocketAddrV6,
}

impl Way {
    /// The way of a process to itself.
    pub const HERE: Self = Self { to: NOWHERE, from: NOWHERE };

    /// Whether it leads to another process.
    pub fn is_elsewhere(&self) -> bool {
        *self != Self::HERE
    }
}

const NOWHERE: SocketAddrV6 = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0);

/// What is asked, of whom, and for how long.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What the picked nodes shall do.
    pub verb: Verb,
    /// Which nodes.
    pub selector: Selector,
    /// Names of those that are asked (`--nodes-from`); `None` for all that the selector picks.
    pub only: Option<Vec<String>>,
    /// Names that must answer, known or not (`--expect`).
    pub expect: Vec<String>,
    /// How long to wait.
    pub deadline: Deadline,
    /// By which ways it goes.
    pub ways: Ways,
}

impl Ask {
    /// Asks every node, by all ways, for the usual time.
    pub fn new(verb: Verb) -> Self {
        Self {
            verb,
            selector: Selector::default(),
            only: None,
            expect: Vec::new(),
            deadline: Deadline::default(),
            ways: Ways::All,
        }
    }

    /// The patterns of the variables whose values it asks for.
    pub fn patterns(&self) -> &[Pattern] {
        match &self.verb {
            Verb::Get(patterns) | Verb::Watch(WatchRequest { patterns, .. }) => patterns,
            Verb::Schema | Verb::Ping | Verb::Set(_) => &[],
        }
    }

    /// Whether it names patterns, as many as nodes take, or settings as [`SetRequest::check`] says.
    /// What is asked is checked.
    ///
    /// # Errors
    /// [`AskError::NoPattern`], [`AskError::Patterns`] and those of [`SetRequest::check`].
    pub fn check(&self) -> Result<(), AskError> {
        match &self.verb {
            Verb::Get(_) | Verb::Watch(_) => {}
            Verb::Set(request) => return request.check(),
            Verb::Schema | Verb::Ping => return Ok(()),
        }
        let found = self.patterns().len();
        match found {
            0 => Err(AskError::NoPattern),
            1..=answering::PATTERNS_MAX => Ok(()),
            _ => Err(AskError::Patterns { found, max: answering::PATTERNS_MAX }),
        }
    }
}

/// By which ways a question goes. [QST-43]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ways {
    /// By all that may bring an answer.
    #[default]
    All,
    /// By multicast alone, to see what it does: no copies, and answers by unicast alone.
    Multicast,
    /// By copies to known nodes and to neighbours alone.
    Unicast,
}

/// What a question wants of the nodes it picks.
#[derive(Clone, Debug)]
pub enum Verb {
    /// The variables that any of these patterns matches.
    Get(Vec<Pattern>),
    /// The definitions of all variables.
    Schema,
    /// A sign of life.
    Ping,
    /// Write settings: all of them or none.
    Set(SetRequest),
    /// The variables that any of these patterns matches, and from then on what changes.
    Watch(WatchRequest),
}

impl Verb {
    /// Whether a node that was not meant may carry it out: nothing changes there. [QST-44]
    fn is_harmless(&self) -> bool {
        match self {
            Self::Get(_) | Self::Schema | Self::Ping => true,
            Self::Set(_) | Self::Watch(_) => false,
        }
    }
}

/// What to watch, and in what way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WatchRequest {
    /// Which variables.
    pub patterns: Vec<Pattern>,
    /// Tell the values this often, changed or not; `None`: when they change.
    pub every: Option<Duration>,
    /// Tell a number only when it is at least so far from what was told last.
    pub delta: Option<f64>,
}

/// Settings to write.
#[derive(Clone, Debug, PartialEq)]
pub struct SetRequest {
    /// Names and new values.
    pub assignments: Vec<(Name, Assigned)>,
    /// Write only when the variable still has this version (needs exactly one assignment).
    pub if_version: Option<Version>,
    /// Only say what would happen.
    pub dry_run: bool,
}

impl SetRequest {
    /// Whether nodes take so many settings at once, each of them once. A set that is asked is
    /// checked. [QST-25]
    ///
    /// # Errors
    /// [`AskError::Settings`], [`AskError::SetTwice`] and [`AskError::VersionOfSeveral`].
    pub fn check(&self) -> Result<(), AskError> {
        let (found, max) = (self.assignments.len(), evaluate::ASSIGNMENTS_MAX);
        if !(1..=max).contains(&found) {
            return Err(AskError::Settings { found, max });
        }
        if found > 1 && self.if_version.is_some() {
            return Err(AskError::VersionOfSeveral { found });
        }
        let mut names = BTreeSet::new();
        match self.assignments.iter().find(|(name, _)| !names.insert(name)) {
            Some((name, _)) => Err(AskError::SetTwice(name.to_string())),
            None => Ok(()),
        }
    }
}

/// The longest that a question may take: for so long nodes remember what they wrote. [QST-27]
pub const DEADLINE_MAX: Duration = Duration::from_secs(3600);

/// How long a question may take, at most [`DEADLINE_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// When it ends if nothing more trickles in.
    pub base: Duration,
    /// When it ends in any case.
    pub extended: Duration,
}

impl Deadline {
    /// After so long in any case.
    pub fn after(time: Duration) -> Self {
        Self { base: time, extended: time }
    }
}

impl Default for Deadline {
    /// One second, three while answers still trickle in.
    fn default() -> Self {
        Self { base: Duration::from_secs(1), extended: Duration::from_secs(3) }
    }
}

/// Which values a question is going to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Patterns of the values to return.
    pub patterns: Arc<[Pattern]>,
    /// The predicate, which reads values too.
    pub predicate: Option<Predicate>,
}

impl Wanted {
    /// Whether any variable at or below this prefix, like `system.memory`, is going to be read.
    pub fn touches(&self, prefix: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.touches(prefix))
            || self.predicate.as_ref().is_some_and(|predicate| predicate.touches(prefix))
    }
}

/// A verified, permitted and type-checked write for the shell to store.
#[derive(Clone, Debug, PartialEq)]
pub struct SetOrder {
    /// The asker's process and its request: the shell applies each such pair at most once.
    pub request: (SenderId, u64),
    /// The certified name of who asked.
    pub asker: String,
    /// Names and typed values, to be written all or none.
    pub assignments: Vec<(Name, Value)>,
    /// Write only when the setting has this version.
    pub if_version: Option<Version>,
    /// Only say what would happen.
    pub dry_run: bool,
}

/// What became of a set that an earlier process of this node wrote. [QST-26]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecalledSet {
    /// The asker's process and its request.
    pub request: (SenderId, u64),
    /// What became of each setting, in the order of the request, and the version held afterwards.
    pub results: Vec<(SetOutcome, Version)>,
}

/// Why a question was not asked. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// As many questions are open as this process may have.
    #[error("{max} questions are open already; wait for one to end")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// Selector, patterns or values need more room than one packet has.
    #[error("the question is too large: {found} bytes where {max} fit; ask for less at once")]
    TooLarge {
        /// Bytes needed.
        found: usize,
        /// Bytes there are.
        max: usize,
    },
    /// Selector and patterns are larger than a node evaluates. [SEL-23]
    #[error(transparent)]
    Selector(#[from] SizeError),
    /// It names nothing that could be read.
    #[error("no pattern is given: name what is asked for")]
    NoPattern,
    /// It has more patterns than a node takes.
    #[error("a question has at most {max} patterns, not {found}")]
    Patterns {
        /// How many it has.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// A value to be set needs more room than one packet has.
    #[error(
        "the value of '{name}' has {found} bytes, and this question has room for {max}: a set \
         goes in one packet"
    )]
    ValueTooLarge {
        /// The setting whose value is the longest.
        name: String,
        /// Bytes that its value has.
        found: usize,
        /// Bytes that it could have.
        max: usize,
    },
    /// A set writes no setting, or more than a node writes at once. [QST-25]
    #[error("a set writes 1 to {max} settings, not {found}")]
    Settings {
        /// How many it writes.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// A set writes one setting twice.
    #[error("'{0}' is set twice")]
    SetTwice(String),
    /// A version is demanded of several settings. [QST-25]
    #[error("a version can be demanded of one setting only, and {found} are set")]
    VersionOfSeveral {
        /// How many the set writes.
        found: usize,
    },
    /// It would take longer than nodes remember it.
    #[error("a question takes an hour at most, not {0:?}")]
    TooLong(Duration),
    /// There is no link to send on.
    #[error(
        "no interface of the realm is up with an IPv6 address; look at 'ip -6 address', and at \
         the interfaces in the credential or agent.toml"
    )]
    NoLink,
    /// The process has sent as many packets as its keys allow.
    #[error("this process has used up its packet numbers; start it again")]
    Exhausted,
}
