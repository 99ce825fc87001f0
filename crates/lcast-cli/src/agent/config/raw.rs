//! The configuration file as TOML has it, before anything is checked.

use serde::Deserialize;
use toml::{Spanned, Value};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    #[serde(default)]
    pub(super) variable: Vec<Variable>,
    #[serde(default)]
    pub(super) setting: Vec<Setting>,
    #[serde(default)]
    pub(super) builtin: Builtin,
    #[serde(default)]
    pub(super) network: Network,
    #[serde(default)]
    pub(super) policy: Policy,
}

/// `[[variable]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Variable {
    pub(super) name: Spanned<String>,
    pub(super) command: Option<Spanned<Value>>,
    pub(super) file: Option<Spanned<String>>,
    pub(super) value: Option<Spanned<Value>>,
    pub(super) format: Option<Spanned<String>>,
    #[serde(rename = "type")]
    pub(super) value_type: Option<Spanned<String>>,
    pub(super) unit: Option<Spanned<String>>,
    pub(super) description: Option<Spanned<String>>,
    pub(super) kind: Option<Spanned<String>>,
    pub(super) interval: Option<Spanned<Value>>,
    pub(super) timeout: Option<Spanned<Value>>,
    pub(super) output_max: Option<Spanned<i64>>,
    pub(super) user: Option<Spanned<String>>,
}

/// `[[setting]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Setting {
    pub(super) name: Spanned<String>,
    #[serde(rename = "type")]
    pub(super) value_type: Spanned<String>,
    pub(super) max_len: Option<Spanned<i64>>,
    pub(super) min: Option<Spanned<Value>>,
    pub(super) max: Option<Spanned<Value>>,
    pub(super) choices: Option<Spanned<Vec<String>>>,
    pub(super) default: Option<Spanned<Value>>,
    pub(super) description: Option<Spanned<String>>,
    pub(super) unit: Option<Spanned<String>>,
}

/// `[builtin]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Builtin {
    pub(super) filesystem: Filesystem,
    pub(super) processes: Vec<Spanned<String>>,
}

/// `filesystem = { include = [...], exclude = [...] }`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Filesystem {
    pub(super) include: Vec<Spanned<String>>,
    pub(super) exclude: Vec<Spanned<String>>,
}

/// `[network]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Network {
    pub(super) interfaces: Vec<Spanned<String>>,
}

/// `[policy]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Policy {
    pub(super) read_deny: Vec<Spanned<String>>,
    pub(super) set_roles: Option<Vec<Spanned<String>>>,
}
