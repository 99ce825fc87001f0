//! The agent's configuration file: TOML that is checked as a whole before anything is used.
//!
//! [`Config::parse`] either takes every line or names the first that it cannot take: file, line,
//! column, key, value, and what to write instead. An unknown key is an error. What the file may
//! say is in the book, "Your own variables".

mod check;
mod error;
mod raw;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use lcast_proto::name::{Name, Step};
use lcast_proto::value::{Type, Value};
use lcast_proto::variable::{Definition, Kind};

use super::builtin::{Glob, Options};
use super::formats::Format;

pub use error::ConfigError;

/// What an agent's configuration file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Variables from commands, files and fixed values, in the order of the file.
    pub variables: Vec<Variable>,
    /// Variables that can be set, in the order of the file.
    pub settings: Vec<Setting>,
    /// What is shown of the host.
    pub builtin: Builtin,
    /// How the realm is reached.
    pub network: Network,
    /// What this node forbids although the realm's policy allows it.
    pub policy: Policy,
}

/// A variable, or a tree of variables, that the agent reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// Its name, or that of the tree's root.
    pub name: Name,
    /// Where its value comes from.
    pub source: Source,
    /// How the output of a command, or the text of a file, is read.
    pub format: Format,
    /// The type that the configuration declares.
    pub value_type: Option<Type>,
    /// The unit, as UCUM writes it.
    pub unit: String,
    /// One line for people.
    pub description: String,
    /// How the value behaves over time.
    pub kind: Kind,
    /// How often it is read.
    pub interval: Duration,
}

/// Where a variable's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The output of a program.
    Command(Command),
    /// The text of a file.
    File(PathBuf),
    /// The configuration itself.
    Value(Value),
}

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments; no shell looks at them.
    pub arguments: Vec<String>,
    /// How long it may run.
    pub timeout: Duration,
    /// How many bytes it may write.
    pub output_max: usize,
    /// The user to run it as: a name of `/etc/passwd` or a number.
    pub user: Option<String>,
}

/// A variable that can be set over the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its name.
    pub name: Name,
    /// Its definition, with what it accepts.
    pub definition: Definition,
    /// Its value until it is set; null when the configuration says none.
    pub default: Value,
}

/// `[builtin]`: what is shown of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Builtin {
    /// Mount points or kinds of file systems to show although they are left out by default.
    pub filesystem_include: Vec<Glob>,
    /// Mount points or kinds of file systems to leave out.
    pub filesystem_exclude: Vec<Glob>,
    /// Programs whose processes are counted.
    pub processes: Vec<String>,
}

/// `[network]`: how the realm is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// The interfaces to use; empty for what the credential says.
    pub interfaces: Vec<String>,
}

/// `[policy]`: what this node forbids. It can only narrow what the realm allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Subtrees that nobody may read here.
    pub read_deny: Vec<Vec<Step>>,
    /// The only roles that may set here; `None` for what the realm says.
    pub set_roles: Option<Vec<String>>,
}

impl Config {
    /// Most `[[variable]]` and most `[[setting]]` entries.
    pub const ENTRIES_MAX: usize = 3000;
    /// Most names in each of the lists of `[builtin]`, `[network]` and `[policy]`.
    pub const LIST_MAX: usize = 100;

    /// Reads the text of a configuration file; `path` is for error messages.
    ///
    /// ```
    /// use lcast_cli::agent::config::Config;
    /// let text = "[[variable]]\nname = \"app.release\"\nfile = \"/etc/app/release\"\n";
    /// let config = Config::parse(text, "agent.toml".as_ref()).unwrap();
    /// assert_eq!(config.variables[0].name.to_string(), "app.release");
    ///
    /// let error = Config::parse("[network]\nports = 1", "agent.toml".as_ref()).unwrap_err();
    /// assert!(error.to_string().starts_with("agent.toml:2:1: unknown field `ports`"));
    /// ```
    ///
    /// # Errors
    /// The first mistake, with its place and a way out.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        Self::parse_checked(text, path, |_, _| Ok(()))
    }

    /// Reads a file for a host whose users are those of `passwd`: commands can run as these.
    ///
    /// # Errors
    /// As of [`Config::parse`].
    pub fn parse_for(text: &str, path: &Path, passwd: &str) -> Result<Self, ConfigError> {
        Self::parse_checked(text, path, |raw, place| check::users(raw, passwd, place))
    }

    fn parse_checked(
        text: &str,
        path: &Path,
        also: impl FnOnce(&raw::Config, &error::Source<'_>) -> Result<(), ConfigError>,
    ) -> Result<Self, ConfigError> {
        let place = error::Source { path, text };
        let raw = toml::from_str(text).map_err(|error| place.toml(&error))?;
        also(&raw, &place)?;
        check::config(raw, &place)
    }

    /// The options of the sampler of built-in variables.
    pub fn sampler_options(&self) -> Options {
        Options {
            filesystem_include: self.builtin.filesystem_include.clone(),
            filesystem_exclude: self.builtin.filesystem_exclude.clone(),
            processes: self.builtin.processes.clone(),
            ..Options::default()
        }
    }
}

impl Command {
    /// How long a command may run when the configuration does not say.
    pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
    /// How many bytes a command may write when the configuration does not say.
    pub const OUTPUT_DEFAULT: usize = 64 * 1024;
    /// Most bytes that the configuration may allow a command to write.
    pub const OUTPUT_MAX: usize = 1024 * 1024;
    /// Most arguments, the program counted.
    pub const ARGUMENTS_MAX: usize = 256;
}

impl Variable {
    /// How often a command is run when the configuration does not say.
    pub const COMMAND_INTERVAL: Duration = Duration::from_secs(60);
    /// How often a file is read when the configuration does not say.
    pub const FILE_INTERVAL: Duration = Duration::from_secs(10);
    /// The shortest interval.
    pub const INTERVAL_MIN: Duration = Duration::from_secs(1);
    /// The longest interval.
    pub const INTERVAL_MAX: Duration = Duration::from_secs(30 * 86_400);
}
