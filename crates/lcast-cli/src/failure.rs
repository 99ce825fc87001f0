//! A command that failed as a whole: a message for people, a code for programs, an exit code.

use std::fmt;

use crate::exit::Exit;

/// Why the command ended without a report.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Decides the exit code.
    pub(crate) exit: Exit,
    /// The code in JSON.
    pub(crate) code: &'static str,
    /// What is wrong, where, and a way out.
    pub(crate) message: String,
}

impl Failure {
    /// The command line, or a file it names, is wrong.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// This program or this machine failed.
    pub(crate) fn internal(message: impl fmt::Display) -> Self {
        Self::new(Exit::Internal, message)
    }

    /// A failure with the code of its exit.
    pub(crate) fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, code: exit.as_str(), message: message.to_string() }
    }

    /// Nobody reads standard output any more.
    pub(crate) fn closed_output() -> Self {
        Self { exit: Exit::Success, code: CLOSED_OUTPUT, message: String::new() }
    }

    /// Standard output was closed by its reader: no failure, but nothing is left to do.
    pub(crate) fn is_closed_output(&self) -> bool {
        self.code == CLOSED_OUTPUT
    }
}

const CLOSED_OUTPUT: &str = "closed_output";

/// What went wrong in writing to standard output.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::closed_output();
        }
        Self::internal(format_args!("standard output: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
