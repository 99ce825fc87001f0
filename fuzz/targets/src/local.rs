//! What stands on the host itself: the output of commands, the agent's configuration.

use std::path::Path;
use std::str;

use lcast_cli::agent::config::Config;
use lcast_cli::agent::formats::{Format, LEAVES_MAX, Output, parse};
use lcast_proto::value::Type;

const FORMATS: [Format; 6] =
    [Format::Text, Format::Json, Format::Nagios, Format::Prometheus, Format::Influx, Format::Lines];

const TYPES: [Option<Type>; 4] = [None, Some(Type::Int), Some(Type::Float), Some(Type::Timestamp)];

/// The output of a command: the first byte picks format and type, the second is the exit code.
pub(crate) fn format(input: &[u8]) {
    let [choice, code, bytes @ ..] = input else { return };
    let choice = usize::from(*choice);
    let format = FORMATS[choice % FORMATS.len()];
    let value_type = TYPES[choice / FORMATS.len() % TYPES.len()];
    let output = Output { bytes: bytes.to_vec(), code: i32::from(*code) };
    match parse(format, value_type, &output) {
        Ok(reading) => assert!(reading.leaves.len() <= LEAVES_MAX),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// An agent's configuration.
pub(crate) fn config(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Err(error) = Config::parse(text, Path::new("agent.toml")) {
        assert!(error.to_string().starts_with("agent.toml"));
    }
}
