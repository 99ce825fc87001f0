//! The doctor: from facts about this host and its realm to findings, each with the command that
//! mends it.
//!
//! [`diagnose`] is a pure function of [`facts::Facts`]; [`local`] gathers what this host knows
//! without sending anything, and the verb adds what comes of asking. What each cause means is the
//! chapter of the book on the doctor, which a test holds against [`cause`].

pub(crate) mod cause;
pub(crate) mod checkup;
pub(crate) mod diagnose;
pub(crate) mod facts;
pub(crate) mod local;
mod mend;
pub(crate) mod refused;
pub(crate) mod runtime;
pub(crate) mod subject;

use self::cause::Cause;
pub(crate) use self::mend::quoted;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What it is.
    pub(crate) cause: Cause,
    /// How bad it is.
    pub(crate) severity: Severity,
    /// A sentence for people.
    pub(crate) what: String,
    /// Where the command is to be run.
    pub(crate) place: Place,
    /// The command that mends it.
    pub(crate) command: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// It works, but not as it should.
    Warning,
    /// It does not work.
    Error,
}

/// Where a command is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On this host.
    Here,
    /// On these nodes.
    Nodes(Vec<String>),
    /// On the switch or router between this host and these nodes.
    Path(Vec<String>),
    /// Where the realm's authority key is.
    Authority,
}

impl Severity {
    /// The word for it in output for programs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Finding {
    /// Whether it is an error that may bring others about here: not one on a node's own host.
    pub(crate) fn is_of_this_host(&self) -> bool {
        self.severity == Severity::Error && !matches!(self.place, Place::Nodes(_))
    }

    fn here(cause: Cause, severity: Severity, what: String, command: String) -> Self {
        Self { cause, severity, what, place: Place::Here, command }
    }
}
