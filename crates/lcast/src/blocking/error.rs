//! What can go wrong, by kind: the same kinds in every language.

use std::io;

use lcast_proto::keys::CredentialError;
use lcast_proto::name::NameError;
use lcast_proto::question::AskError;
use lcast_proto::select::{GlobError, PatternError, PredicateError};

use crate::home::HomeError;
use crate::node::{ExposeError, NodeEnded, StartError};
use crate::question::QuestionError;
use crate::realm::RealmError;
use crate::store::LockError;

/// What went wrong: a kind for programs, a sentence for people.
///
/// One type for all of this module, where each operation of the async interface has its own: other
/// languages know errors by kind alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: Kind,
    message: String,
}

/// The kinds of error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// An argument is none: a pattern, a predicate, a name, a value that does not fit.
    Invalid,
    /// There is no such realm, or it is not clear which is meant.
    NoRealm,
    /// The credential is damaged, expired, or not there.
    Credential,
    /// The system does not let this user read or do that.
    Permission,
    /// The node cannot be started: the state, the sockets or a thread.
    Start,
    /// There is no network to send on.
    Network,
    /// As many as there may be: open questions, file descriptors.
    Limit,
    /// Another process or thread has it.
    Busy,
    /// The node has left, or what it stood on is gone.
    Ended,
    /// It was made by the process of which this one is a fork.
    Forked,
    /// The time is over.
    Timeout,
    /// A signal came while waiting.
    Interrupted,
    /// An error of this library.
    Internal,
}

impl Error {
    /// An error of this kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// For programs.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn ended() -> Self {
        Self::new(Kind::Ended, "the node has ended")
    }

    pub(super) fn timeout() -> Self {
        Self::new(Kind::Timeout, "nothing came in time")
    }

    /// What the system says about something that was attempted.
    pub(super) fn system(attempted: &str, error: rustix::io::Errno) -> Self {
        let error = io::Error::from(error);
        let kind = of_system(&error).unwrap_or(Kind::Internal);
        Self::new(kind, format!("{attempted}: {error}"))
    }

    /// What the system says about something that a node cannot do without.
    pub(super) fn start(attempted: &str, error: &io::Error) -> Self {
        Self::new(of_system(error).unwrap_or(Kind::Start), format!("{attempted}: {error}"))
    }

    /// An error by its own words, of this kind unless what the system said tells better.
    fn of(error: &(dyn std::error::Error + 'static), kind: Kind) -> Self {
        let causes = std::iter::successors(Some(error), |it| it.source());
        let mut told = causes.filter_map(|it| of_system(it.downcast_ref::<io::Error>()?));
        let kind = told.next().unwrap_or(kind);
        Self::new(kind, described(error))
    }
}

/// An error with its causes, each once.
fn described(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |it| it.source()) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn of_system(error: &io::Error) -> Option<Kind> {
    let errno = rustix::io::Errno::from_io_error(error)?;
    match errno {
        rustix::io::Errno::MFILE | rustix::io::Errno::NFILE => Some(Kind::Limit),
        rustix::io::Errno::ACCESS | rustix::io::Errno::PERM => Some(Kind::Permission),
        _ => None,
    }
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::Invalid,
        Self::NoRealm,
        Self::Credential,
        Self::Permission,
        Self::Start,
        Self::Network,
        Self::Limit,
        Self::Busy,
        Self::Ended,
        Self::Forked,
        Self::Timeout,
        Self::Interrupted,
        Self::Internal,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NoRealm => "no_realm",
            Self::Credential => "credential",
            Self::Permission => "permission",
            Self::Start => "start",
            Self::Network => "network",
            Self::Limit => "limit",
            Self::Busy => "busy",
            Self::Ended => "ended",
            Self::Forked => "forked",
            Self::Timeout => "timeout",
            Self::Interrupted => "interrupted",
            Self::Internal => "internal",
        }
    }
}

impl From<PatternError> for Error {
    fn from(error: PatternError) -> Self {
        Self::of(&error, Kind::Invalid)
    }
}

impl From<GlobError> for Error {
    fn from(error: GlobError) -> Self {
        Self::of(&error, Kind::Invalid)
    }
}

impl From<PredicateError> for Error {
    fn from(error: PredicateError) -> Self {
        Self::of(&error, Kind::Invalid)
    }
}

impl From<NameError> for Error {
    fn from(error: NameError) -> Self {
        Self::of(&error, Kind::Invalid)
    }
}

impl From<NodeEnded> for Error {
    fn from(_: NodeEnded) -> Self {
        Self::ended()
    }
}

impl From<QuestionError> for Error {
    fn from(error: QuestionError) -> Self {
        let kind = match &error {
            QuestionError::Ask(AskError::NoLink) => Kind::Network,
            QuestionError::Ask(AskError::TooMany { .. } | AskError::Exhausted) => Kind::Limit,
            // Whatever else is wrong with a question is wrong with what it asks.
            QuestionError::Ask(_)
            | QuestionError::NoWatch
            | QuestionError::Name(_)
            | QuestionError::Misplaced { .. }
            | QuestionError::NoTime
            | QuestionError::TooOften(_)
            | QuestionError::NoDistance(_) => Kind::Invalid,
            QuestionError::Ended => Kind::Ended,
        };
        Self::of(&error, kind)
    }
}

impl From<ExposeError> for Error {
    fn from(error: ExposeError) -> Self {
        let kind = match &error {
            ExposeError::Table(_) | ExposeError::Default { .. } => Kind::Invalid,
            ExposeError::Client(_) => Kind::Permission,
            ExposeError::Ended(_) => Kind::Ended,
        };
        Self::of(&error, kind)
    }
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        let kind = match &error {
            StartError::Lock(LockError::Held { .. }) => Kind::Busy,
            StartError::Credential(_) => Kind::Credential,
            StartError::Network(_) | StartError::Lock(_) | StartError::Store(_) => Kind::Start,
        };
        Self::of(&error, kind)
    }
}

impl From<HomeError> for Error {
    fn from(error: HomeError) -> Self {
        let kind = match &error {
            HomeError::NoHome { .. } | HomeError::Unknown { .. } | HomeError::Ambiguous { .. } => {
                Kind::NoRealm
            }
            HomeError::Unreadable(_) => Kind::Permission,
            HomeError::Folder { .. } | HomeError::Local(_) => Kind::Credential,
        };
        Self::of(&error, kind)
    }
}

impl From<RealmError> for Error {
    fn from(error: RealmError) -> Self {
        let kind = match &error {
            RealmError::Mode { .. } => Kind::Permission,
            RealmError::Busy { .. } => Kind::Busy,
            _ => Kind::Credential,
        };
        Self::of(&error, kind)
    }
}

impl From<CredentialError> for Error {
    fn from(error: CredentialError) -> Self {
        Self::of(&error, Kind::Credential)
    }
}
