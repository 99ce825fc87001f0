//! What commands write and files hold, as values: six formats that people already have.
//!
//! [`parse`] turns the bytes of one reading into [`Leaf`]s, values below the configured variable.
//! Pure functions: no file is opened and nothing is run here. Every format is bounded by
//! [`LEAVES_MAX`] and by the number of bytes that the caller hands in.

mod influx;
mod json;
mod nagios;
mod prometheus;
mod segment;
#[cfg(test)]
mod tests;
mod tree;

use std::fmt;
use std::str::FromStr;

use lcast_proto::name::Step;
use lcast_proto::setting::parse_text;
use lcast_proto::time::Timestamp;
use lcast_proto::value::{Type, Value};
use lcast_proto::variable::Kind;

pub use json::from_json;
pub(crate) use tree::Tree;

/// How output is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One value, the output without white space around it.
    #[default]
    Text,
    /// A JSON document.
    Json,
    /// The output and exit code of a Nagios plugin.
    Nagios,
    /// Prometheus text or OpenMetrics.
    Prometheus,
    /// Lines of the Influx protocol.
    Influx,
    /// A list of texts, one a line.
    Lines,
}

/// What a program left, or a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// The bytes written.
    pub bytes: Vec<u8>,
    /// The exit code of the program; zero for a file.
    pub code: i32,
}

/// What one reading yields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The values. None is at or below the place of another.
    pub leaves: Vec<Leaf>,
    /// What was passed over because it has no name here, or the name of another value.
    pub left_out: LeftOut,
}

/// One value, and where it belongs below the configured variable.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// The steps below the variable; none for the variable itself.
    pub steps: Vec<Step>,
    /// The value.
    pub value: Value,
    /// The unit, where the output says one.
    pub unit: String,
    /// The description, where the output says one.
    pub description: String,
    /// How the value behaves, where the output says so.
    pub kind: Option<Kind>,
    /// When it was measured, where the output says so.
    pub time: Option<Timestamp>,
}

/// What a reading passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// How many values.
    pub count: usize,
    /// The first of them.
    pub first: String,
}

/// Why output could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Bytes that are no text.
    #[error("the output is not UTF-8")]
    NotUtf8,
    /// Text that is not of the declared type.
    #[error("{0}")]
    Type(String),
    /// Not the syntax of the format.
    #[error("line {line}: {message}")]
    Syntax {
        /// The line, counted from one.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// More values than a reading may have.
    #[error("more than {LEAVES_MAX} values")]
    TooMany,
    /// Lists or maps nested deeper than a value may be.
    #[error("lists and objects are nested more than {max} deep", max = Value::DEPTH_MAX)]
    TooDeep,
    /// An exit code that says the program failed.
    #[error("exit code {0}")]
    ExitCode(i32),
}

/// Most values of one reading, and most elements of a list.
pub const LEAVES_MAX: usize = 3000;

/// Names below a variable that say how its reading went.
pub const HEALTH: [&str; 2] = ["error", "stale"];

/// Reads `output` in the given format; `value_type` is the type that the configuration declares.
///
/// ```
/// use lcast_cli::agent::formats::{Format, Output, parse};
/// use lcast_proto::value::{Type, Value};
/// let output = Output { bytes: b" 42\n".to_vec(), code: 0 };
/// let reading = parse(Format::Text, Some(Type::Int), &output).unwrap();
/// assert_eq!(reading.leaves[0].value, Value::Int(42));
/// ```
///
/// # Errors
/// When the bytes are not of the format, or more than a reading may hold.
pub fn parse(
    format: Format,
    value_type: Option<Type>,
    output: &Output,
) -> Result<Reading, FormatError> {
    if output.code != 0 && format != Format::Nagios {
        return Err(FormatError::ExitCode(output.code));
    }
    match format {
        Format::Text => {
            let text = String::from_utf8_lossy(&output.bytes);
            let value = parse_text(value_type.unwrap_or(Type::Text), text.trim());
            Ok(Reading::of(value.map_err(FormatError::Type)?))
        }
        Format::Lines => lines(&output.bytes),
        Format::Json => json::parse(value_type, &output.bytes),
        Format::Nagios => nagios::parse(output),
        Format::Prometheus => prometheus::parse(utf8(&output.bytes)?),
        Format::Influx => influx::parse(utf8(&output.bytes)?),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, FormatError> {
    std::str::from_utf8(bytes).map_err(|_| FormatError::NotUtf8)
}

/// The lines as a list; empty lines at the end are no elements.
fn lines(bytes: &[u8]) -> Result<Reading, FormatError> {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<Value> = text.trim_end().lines().take(LEAVES_MAX + 1).map(Value::from).collect();
    if lines.len() > LEAVES_MAX {
        return Err(FormatError::TooMany);
    }
    Ok(Reading::of(Value::List(lines)))
}

impl Reading {
    /// A reading of the variable itself.
    fn of(value: Value) -> Self {
        Self { leaves: vec![Leaf::new(Vec::new(), value)], left_out: LeftOut::default() }
    }

    /// Whether the values are below the variable rather than it.
    pub fn is_tree(&self) -> bool {
        self.leaves.iter().all(|leaf| !leaf.steps.is_empty())
    }
}

impl Leaf {
    fn new(steps: Vec<Step>, value: impl Into<Value>) -> Self {
        Self {
            steps,
            value: value.into(),
            unit: String::new(),
            description: String::new(),
            kind: None,
            time: None,
        }
    }
}

impl LeftOut {
    pub(crate) fn add(&mut self, what: impl fmt::Display) {
        self.count += 1;
        if self.count == 1 {
            self.first = what.to_string();
        }
    }
}

impl Format {
    /// Every format, in the order of the documentation.
    pub const ALL: [Self; 6] =
        [Self::Text, Self::Json, Self::Nagios, Self::Prometheus, Self::Influx, Self::Lines];

    /// The word for this format in configuration files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Nagios => "nagios",
            Self::Prometheus => "prometheus",
            Self::Influx => "influx",
            Self::Lines => "lines",
        }
    }

    /// Whether the type of the value can be declared.
    pub const fn takes_type(self) -> bool {
        matches!(self, Self::Text | Self::Json)
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|format| format.as_str() == text);
        let names = || Self::ALL.map(Self::as_str).join(", ");
        found.ok_or_else(|| format!("'{text}' is no format; write one of {}", names()))
    }
}
