//! What the commands print: data to standard output, progress and the report line to stderr.
//!
//! [`printer::Printer`] serves every verb that asks; the other verbs print a [`Table`] or a
//! JSON document through [`Output`]. Pure functions below turn replies and reports into lines.

pub(crate) mod aggregate;
pub(crate) mod human;
pub(crate) mod live;
pub(crate) mod printer;
pub(crate) mod replies;
pub(crate) mod report;
pub(crate) mod room;
pub(crate) mod table;
pub(crate) mod tally;

use std::io::{self, IsTerminal, Write};

use serde_json::Value as Json;

use self::table::{Screen, Table};
use crate::failure::Failure;
use crate::text;

/// How standard output is written, and whether people read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    /// What programs were promised.
    pub(crate) format: Format,
    /// The terminal that standard output is; none when it is piped.
    pub(crate) screen: Option<Screen>,
    /// Whether stderr stays empty but for errors.
    pub(crate) quiet: bool,
}

/// The documents that any verb can print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A table, or another text of the verb's own.
    Text,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    JsonLines,
}

impl Output {
    /// The output of this process.
    pub(crate) fn new(format: Format, quiet: bool) -> Self {
        // Any value but the empty one counts: https://no-color.org.
        let plain = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
        let screen = || {
            let (width, _) = size();
            Screen { width, color: !plain }
        };
        Self { format, screen: io::stdout().is_terminal().then(screen), quiet }
    }

    /// Whether people read standard output.
    pub(crate) fn terminal(self) -> bool {
        self.screen.is_some()
    }

    /// How many columns and lines the terminal has here, when that is known.
    pub(crate) fn size(self) -> (Option<u16>, Option<u16>) {
        size()
    }

    /// Prints a text, flushed: a reader at the other end of a pipe sees it at once.
    pub(crate) fn text(self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(())
    }

    /// Prints one JSON document: indented for people, on one line for programs that read lines.
    pub(crate) fn json(self, document: &Json) -> Result<(), Failure> {
        let indented = self.terminal() && self.format == Format::Json;
        let printed = if indented { format!("{document:#}") } else { document.to_string() };
        self.text(&(text::escape_json(&printed) + "\n"))
    }

    /// Prints the one object that a command has to say: its document, or its line of `--jsonl`.
    pub(crate) fn object(self, kind: &str, object: Json) -> Result<(), Failure> {
        match self.format {
            Format::JsonLines => self.json_line(kind, object),
            Format::Json | Format::Text => self.json(&object),
        }
    }

    /// Prints one line of `--jsonl`: an object with its kind first.
    pub(crate) fn json_line(self, kind: &str, object: Json) -> Result<(), Failure> {
        self.text(&(printer::json_line(kind, object) + "\n"))
    }

    /// Prints a table as text.
    pub(crate) fn table(self, table: &Table) -> Result<(), Failure> {
        self.text(&table.render(self.screen))
    }

    /// Tells people something that is no data.
    pub(crate) fn note(self, line: &str) {
        if !self.quiet {
            // Nobody is left to be told when stderr is closed.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }
}

fn size() -> (Option<u16>, Option<u16>) {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
    let known = |length: u16| Some(length).filter(|it| *it > 0);
    (size.and_then(|it| known(it.ws_col)), size.and_then(|it| known(it.ws_row)))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use lcast_proto::question::report::*;
    use lcast_proto::value::Value;

    /// A report with these numbers of nodes answered, empty, error, refused, late, missing.
    pub(crate) fn report([answered, empty, error, refused, late, missing]: [u32; 6]) -> Report {
        let names = |class: &str, count: u32| -> Vec<String> {
            (1..=count).map(|index| format!("{class}{index}")).collect()
        };
        let failure = Failure { code: ErrorCode::Predicate, message: "1 / 0".to_owned() };
        let refusal =
            Refusal { reason: RefusalReason::Role, message: "needs the role operator".to_owned() };
        let unheard = |node| UnheardNode {
            node,
            last_heard: Some("2026-11-22T09:59:58Z".parse().unwrap()),
            state: lcast_proto::presence::State::Alive,
            outcome_unknown: false,
        };
        let empty_node = |node| EmptyNode { node, reason: EmptyReason::NoMatch };
        let failed = |node| FailedNode { node, failure: failure.clone() };
        let refused_node = |node| RefusedNode { node, refusal: refusal.clone() };
        Report {
            expected: answered + empty + error + refused + late + missing,
            alive: answered + empty + error + refused + late,
            answered,
            empty: names("empty", empty).into_iter().map(empty_node).collect(),
            error: names("error", error).into_iter().map(failed).collect(),
            refused: names("refused", refused).into_iter().map(refused_node).collect(),
            late: names("late", late).into_iter().map(unheard).collect(),
            missing: names("missing", missing).into_iter().map(unheard).collect(),
            behind: Vec::new(),
            rounds: 2,
            questions_sent: 2,
            elapsed: Duration::from_micros(41_700),
            heard: true,
            sent: true,
        }
    }

    /// A reply with these variables; units follow the name after a space.
    pub(crate) fn values(node: &str, variables: &[(&str, Value)]) -> Reply {
        let value = |(name, value): &(&str, Value)| {
            let (name, unit) = name.split_once(' ').unwrap_or((name, ""));
            ReplyValue {
                name: name.to_owned(),
                value: value.clone(),
                unit: unit.into(),
                time: "2026-11-22T10:00:00.123Z".parse().unwrap(),
                age_ms: 80,
                version: "3.7".parse().unwrap(),
                revision: 1,
            }
        };
        let values = variables.iter().map(value).collect();
        Reply { node: node.to_owned(), outcome: Outcome::Values(values), by_multicast: true }
    }
}
