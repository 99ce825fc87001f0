//! From the TOML of a configuration file to its checked form.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use lcast_proto::keys::credential;
use lcast_proto::name::{Name, Step, is_segment};
use lcast_proto::time::Timestamp;
use lcast_proto::value::{Type, Value};
use lcast_proto::variable::{Constraint, Definition, Kind};
use toml::Spanned;

use super::error::{ConfigError, Source as File};
use super::raw;
use super::{Builtin, Command, Config, Network, Policy, Setting, Source, Variable};
use crate::agent::builtin::Glob;
use crate::agent::commands::find_user;
use crate::agent::formats::Format;

/// First segments that the agent keeps for itself.
const AGENT_ROOTS: [&str; 7] = ["host", "os", "system", "process", "systemd", "hw", "librecast"];

/// Most segments and longest name of a variable whose values are below it.
const TREE_SEGMENTS_MAX: usize = Name::SEGMENTS_MAX - 2;
const TREE_LENGTH_MAX: usize = 100;

type Checked<T> = Result<T, ConfigError>;

/// Checks a whole file.
pub(super) fn config(raw: raw::Config, file: &File<'_>) -> Checked<Config> {
    let mut names = Names::default();
    for (kind, count) in [("variable", raw.variable.len()), ("setting", raw.setting.len())] {
        if count > Config::ENTRIES_MAX {
            let max = Config::ENTRIES_MAX;
            return Err(file.error(0..0, format!("{count} [[{kind}]] entries; at most {max}")));
        }
    }
    let mut config = Config::default();
    for raw in raw.variable {
        let span = raw.name.span();
        let variable = variable(raw, file)?;
        names.insert(&variable.name, span, file)?;
        config.variables.push(variable);
    }
    for raw in raw.setting {
        let span = raw.name.span();
        let setting = setting(raw, file)?;
        names.insert(&setting.name, span, file)?;
        config.settings.push(setting);
    }
    names.check(file)?;
    config.builtin = builtin(raw.builtin, file)?;
    config.network = network(raw.network, file)?;
    config.policy = policy(raw.policy, file)?;
    Ok(config)
}

/// Refuses commands of users that there are not.
pub(super) fn users(raw: &raw::Config, passwd: &str, file: &File<'_>) -> Checked<()> {
    for user in raw.variable.iter().filter_map(|it| it.user.as_ref()) {
        let name = user.get_ref();
        if find_user(passwd, name).is_none() {
            let message = format!(
                "user = '{name}': no such user in /etc/passwd; write a name that is there, or a \
                 number"
            );
            return Err(file.error(user.span(), message));
        }
    }
    Ok(())
}

/// The names of the file and their places, to find those that clash.
#[derive(Default)]
struct Names(BTreeMap<Vec<Step>, Range<usize>>);

impl Names {
    fn insert(&mut self, name: &Name, span: Range<usize>, file: &File<'_>) -> Checked<()> {
        let first = self.0.insert(name.steps().to_vec(), span.clone());
        let Some(first) = first else { return Ok(()) };
        let line = file.line(&first);
        let message = format!("'{name}' is defined in line {line} already; choose another name");
        Err(file.error(span, message))
    }

    /// Refuses names of which one is part of the other: in order, such names are neighbours.
    fn check(&self, file: &File<'_>) -> Checked<()> {
        let pairs = self.0.iter().zip(self.0.iter().skip(1));
        for ((upper, upper_span), (lower, lower_span)) in pairs {
            if lower.starts_with(upper) {
                let (upper, lower) =
                    (lcast_proto::name::Steps(upper), lcast_proto::name::Steps(lower));
                let line = file.line(upper_span);
                let message = format!(
                    "'{lower}' and '{upper}' (line {line}) cannot both be variables: one is part \
                     of the other; rename one"
                );
                return Err(file.error(lower_span.clone(), message));
            }
        }
        Ok(())
    }
}

fn name(raw: &Spanned<String>, file: &File<'_>) -> Checked<Name> {
    let text = raw.get_ref();
    let error = |message: String| file.error(raw.span(), message);
    let name: Name = text.parse().map_err(|it| error(format!("name = {it}")))?;
    let mut roots = AGENT_ROOTS.iter();
    if let Some(root) = roots.find(|it| text.split('.').next() == Some(it)) {
        return Err(error(format!(
            "name = '{text}': names that begin with '{root}' are the agent's own; begin with app, \
             or a word of yours"
        )));
    }
    if name.steps().iter().any(|step| matches!(step, Step::Key(_))) {
        return Err(error(format!("name = '{text}': a configured variable has no keys")));
    }
    Ok(name)
}

fn variable(raw: raw::Variable, file: &File<'_>) -> Checked<Variable> {
    let name = name(&raw.name, file)?;
    let format = match &raw.format {
        Some(format) => format
            .get_ref()
            .parse()
            .map_err(|message: String| file.error(format.span(), format!("format = {message}")))?,
        None => Format::Text,
    };
    let value_type = raw.value_type.as_ref().map(|it| type_of(it, file)).transpose()?;
    let (source, interval) = source(&raw, value_type, format, file)?;
    check_type(&raw, &source, value_type, format, file)?;
    check_tree(&raw, &name, &source, format, file)?;
    let kind = match &raw.kind {
        Some(kind) => kind_of(kind, file)?,
        None if matches!(source, Source::Value(_)) => Kind::Info,
        None => Kind::Gauge,
    };
    Ok(Variable {
        name,
        source,
        format,
        value_type,
        unit: line(raw.unit.as_ref(), "unit", 32, file)?,
        description: description(raw.description.as_ref(), file)?,
        kind,
        interval,
    })
}

/// The one source of a variable and its interval, with the keys that belong to it.
fn source(
    raw: &raw::Variable,
    value_type: Option<Type>,
    format: Format,
    file: &File<'_>,
) -> Checked<(Source, Duration)> {
    let name = raw.name.get_ref();
    let misplaced = |key: &str, span: Option<Range<usize>>, with: &str| match span {
        Some(span) => Err(file.error(span, format!("'{key}' is only for {with}; remove it"))),
        None => Ok(()),
    };
    let commands_only = || {
        misplaced("timeout", raw.timeout.as_ref().map(Spanned::span), "commands")?;
        misplaced("output_max", raw.output_max.as_ref().map(Spanned::span), "commands")?;
        misplaced("user", raw.user.as_ref().map(Spanned::span), "commands")
    };
    match (&raw.command, &raw.file, &raw.value) {
        (Some(command), None, None) => {
            let interval = interval(raw, Variable::COMMAND_INTERVAL, file)?;
            let command = self::command(raw, command, interval, file)?;
            Ok((Source::Command(command), interval))
        }
        (None, Some(path), None) => {
            commands_only()?;
            let text = path.get_ref();
            if !text.starts_with('/') {
                let message = format!("file = '{text}' is no absolute path; begin with /");
                return Err(file.error(path.span(), message));
            }
            if format == Format::Nagios {
                let span = raw.format.as_ref().map_or(path.span(), Spanned::span);
                let message = "format = 'nagios' needs the exit code of a command; a file has none";
                return Err(file.error(span, message));
            }
            let interval = interval(raw, Variable::FILE_INTERVAL, file)?;
            Ok((Source::File(PathBuf::from(text)), interval))
        }
        (None, None, Some(value)) => {
            commands_only()?;
            misplaced("interval", raw.interval.as_ref().map(Spanned::span), "commands and files")?;
            misplaced("format", raw.format.as_ref().map(Spanned::span), "commands and files")?;
            let fixed = value_of(value, value_type, "value", file)?;
            Ok((Source::Value(fixed), Duration::ZERO))
        }
        _ => {
            let message = format!(
                "'{name}' needs exactly one of command = [...], file = \"...\" or value = ..."
            );
            Err(file.error(raw.name.span(), message))
        }
    }
}

fn check_type(
    raw: &raw::Variable,
    source: &Source,
    value_type: Option<Type>,
    format: Format,
    file: &File<'_>,
) -> Checked<()> {
    let Some(declared) = &raw.value_type else { return Ok(()) };
    let word = declared.get_ref();
    let fixed = matches!(source, Source::Value(_));
    if !fixed && !format.takes_type() {
        let message = format!(
            "type = '{word}': format = '{}' says the types itself; remove it",
            format.as_str()
        );
        return Err(file.error(declared.span(), message));
    }
    if !fixed && format == Format::Text && matches!(value_type, Some(Type::List | Type::Map)) {
        let message = format!("type = '{word}' has no text form; use format = \"json\"");
        return Err(file.error(declared.span(), message));
    }
    Ok(())
}

/// Names of variables whose values are below them leave room for the names of these.
fn check_tree(
    raw: &raw::Variable,
    name: &Name,
    source: &Source,
    format: Format,
    file: &File<'_>,
) -> Checked<()> {
    let single = matches!(format, Format::Text | Format::Lines);
    if single || matches!(source, Source::Value(_)) {
        return Ok(());
    }
    let length = raw.name.get_ref().len();
    if name.steps().len() > TREE_SEGMENTS_MAX || length > TREE_LENGTH_MAX {
        let message = format!(
            "name = '{name}': a variable of format '{}' has at most {TREE_SEGMENTS_MAX} segments \
             and {TREE_LENGTH_MAX} bytes, as its values get names below it",
            format.as_str()
        );
        return Err(file.error(raw.name.span(), message));
    }
    Ok(())
}

fn command(
    raw: &raw::Variable,
    command: &Spanned<toml::Value>,
    interval: Duration,
    file: &File<'_>,
) -> Checked<Command> {
    let error = |message: String| file.error(command.span(), message);
    let way_out = "write the program and its arguments as a list: [\"/usr/bin/uptime\", \"-p\"] \
                   (no shell looks at it)";
    let toml::Value::Array(items) = command.get_ref() else {
        return Err(error(format!("command = {}: {way_out}", command.get_ref())));
    };
    let argument = |item: &toml::Value| match item {
        toml::Value::String(text) if !text.contains('\0') => Ok(text.clone()),
        other => Err(error(format!("command: {other} is no text; {way_out}"))),
    };
    let arguments: Vec<String> = items.iter().map(argument).collect::<Result<_, _>>()?;
    if arguments.first().is_none_or(String::is_empty) {
        return Err(error(format!("command is empty; {way_out}")));
    }
    if arguments.len() > Command::ARGUMENTS_MAX {
        let (count, max) = (arguments.len(), Command::ARGUMENTS_MAX);
        return Err(error(format!("command has {count} arguments; at most {max}")));
    }
    let timeout = match &raw.timeout {
        Some(timeout) => {
            let duration = duration(timeout, "timeout", file)?;
            if duration.is_zero() || duration > interval {
                let message = "timeout is from 1ms to the interval; shorten it or raise interval";
                return Err(file.error(timeout.span(), message));
            }
            duration
        }
        None => Command::TIMEOUT_DEFAULT.min(interval),
    };
    let output_max = match &raw.output_max {
        Some(bytes) => {
            let count = usize::try_from(*bytes.get_ref()).unwrap_or(0);
            if !(1..=Command::OUTPUT_MAX).contains(&count) {
                let max = Command::OUTPUT_MAX;
                let message = format!("output_max = {}: from 1 to {max} bytes", bytes.get_ref());
                return Err(file.error(bytes.span(), message));
            }
            count
        }
        None => Command::OUTPUT_DEFAULT,
    };
    let user = raw.user.as_ref().map(|user| match user.get_ref().as_str() {
        "" => Err(file.error(user.span(), "user is empty; write a name or a number, or remove it")),
        text => Ok(text.to_owned()),
    });
    Ok(Command { arguments, timeout, output_max, user: user.transpose()? })
}

fn interval(raw: &raw::Variable, default: Duration, file: &File<'_>) -> Checked<Duration> {
    let Some(text) = &raw.interval else { return Ok(default) };
    let interval = duration(text, "interval", file)?;
    if !(Variable::INTERVAL_MIN..=Variable::INTERVAL_MAX).contains(&interval) {
        return Err(file.error(text.span(), "interval is from 1s to 30d"));
    }
    Ok(interval)
}

fn duration(raw: &Spanned<toml::Value>, key: &str, file: &File<'_>) -> Checked<Duration> {
    let error = |message: &dyn fmt::Display| file.error(raw.span(), format!("{key} = {message}"));
    match raw.get_ref() {
        toml::Value::String(text) => crate::duration::parse(text).map_err(|it| error(&it)),
        other => Err(error(&format!(
            "{other} is no duration; write a number and a unit in quotes: \"500ms\", \"60s\", \
             \"5m\", \"1h\" or \"1d\""
        ))),
    }
}

fn type_of(raw: &Spanned<String>, file: &File<'_>) -> Checked<Type> {
    let text = raw.get_ref();
    let types = || Type::ALL.into_iter().filter(|it| *it != Type::Null);
    types().find(|it| it.as_str() == text).ok_or_else(|| {
        let words: Vec<&str> = types().map(Type::as_str).collect();
        let words = words.join(", ");
        file.error(raw.span(), format!("type = '{text}' is no type; write one of {words}"))
    })
}

fn kind_of(raw: &Spanned<String>, file: &File<'_>) -> Checked<Kind> {
    let text = raw.get_ref();
    Kind::READ_ONLY.into_iter().find(|it| it.as_str() == text).ok_or_else(|| {
        let words = Kind::READ_ONLY.map(Kind::as_str).join(", ");
        file.error(raw.span(), format!("kind = '{text}': write one of {words}"))
    })
}

fn description(raw: Option<&Spanned<String>>, file: &File<'_>) -> Checked<String> {
    line(raw, "description", Definition::DESCRIPTION_MAX, file)
}

/// A text of one line and limited length; empty when there is none.
fn line(raw: Option<&Spanned<String>>, key: &str, max: usize, file: &File<'_>) -> Checked<String> {
    let Some(raw) = raw else { return Ok(String::new()) };
    let text = raw.get_ref();
    if text.len() > max || text.contains(char::is_control) {
        let message = format!("{key} is one line of at most {max} bytes");
        return Err(file.error(raw.span(), message));
    }
    Ok(text.clone())
}

/// A TOML value as a value of a variable, of the declared type where there is one.
fn value_of(
    raw: &Spanned<toml::Value>,
    declared: Option<Type>,
    key: &str,
    file: &File<'_>,
) -> Checked<Value> {
    let error = |message: String| file.error(raw.span(), format!("{key}: {message}"));
    let value = convert(raw.get_ref(), Value::DEPTH_MAX).map_err(&error)?;
    let Some(declared) = declared else { return Ok(value) };
    match (declared, value) {
        #[allow(clippy::cast_precision_loss)]
        (Type::Float, Value::Int(number)) => Ok(Value::Float(number as f64)),
        (Type::Timestamp | Type::Bytes, Value::Text(text)) => {
            lcast_proto::setting::parse_text(declared, &text).map_err(error)
        }
        (declared, value) if value.kind() == declared => Ok(value),
        (declared, value) => {
            Err(error(format!("{} is {}, type = '{declared}'", raw.get_ref(), value.kind())))
        }
    }
}

fn convert(value: &toml::Value, depth_left: usize) -> Result<Value, String> {
    let inner = || {
        let deep = || format!("nested more than {} deep", Value::DEPTH_MAX);
        depth_left.checked_sub(1).ok_or_else(deep)
    };
    Ok(match value {
        toml::Value::String(text) => Value::Text(text.clone()),
        toml::Value::Integer(number) => Value::Int(*number),
        toml::Value::Float(number) => Value::Float(*number),
        toml::Value::Boolean(value) => Value::Bool(*value),
        toml::Value::Datetime(time) => {
            let time: Timestamp = time.to_string().parse().map_err(|_| {
                format!("{time} has no date, time and zone; write it like 2026-11-22T10:00:00Z")
            })?;
            Value::Timestamp(time)
        }
        toml::Value::Array(items) => {
            let left = inner()?;
            let items = items.iter().map(|item| convert(item, left));
            Value::List(items.collect::<Result<_, _>>()?)
        }
        toml::Value::Table(members) => {
            let left = inner()?;
            let member =
                |(name, value): (&String, &toml::Value)| Ok((name.clone(), convert(value, left)?));
            Value::Map(members.iter().map(member).collect::<Result<_, String>>()?)
        }
    })
}

fn setting(raw: raw::Setting, file: &File<'_>) -> Checked<Setting> {
    let name = name(&raw.name, file)?;
    let value_type = type_of(&raw.value_type, file)?;
    let word = value_type.as_str();
    let numeric = matches!(value_type, Type::Int | Type::Float);
    let lengthy = matches!(value_type, Type::Text | Type::Bytes);
    let only = |key: &str, span: Option<Range<usize>>, fits: bool, with: &str| match span {
        Some(span) if !fits => {
            Err(file.error(span, format!("'{key}' is only for {with}, not for {word}; remove it")))
        }
        Some(_) | None => Ok(()),
    };
    only("max_len", raw.max_len.as_ref().map(Spanned::span), lengthy, "text and bytes")?;
    only("min", raw.min.as_ref().map(Spanned::span), numeric, "int and float")?;
    only("max", raw.max.as_ref().map(Spanned::span), numeric, "int and float")?;
    let is_text = value_type == Type::Text;
    only("choices", raw.choices.as_ref().map(Spanned::span), is_text, "text")?;
    let constraint = Constraint {
        length_max: raw.max_len.as_ref().map(|it| length(it, file)).transpose()?,
        min: raw.min.as_ref().map(|it| bound(it, "min", file)).transpose()?,
        max: raw.max.as_ref().map(|it| bound(it, "max", file)).transpose()?,
        choices: raw.choices.as_ref().map(|it| choices(it, file)).transpose()?.unwrap_or_default(),
    };
    if let (Some(min), Some(max), Some(raw)) = (constraint.min, constraint.max, &raw.min)
        && min > max
    {
        let message = format!("min = {min} is more than max = {max}: no value would fit");
        return Err(file.error(raw.span(), message));
    }
    let default = match &raw.default {
        Some(raw) => {
            let value = value_of(raw, Some(value_type), "default", file)?;
            let check = constraint.check(&value);
            check.map_err(|message| file.error(raw.span(), format!("default: {message}")))?;
            value
        }
        None => Value::Null,
    };
    let definition = Definition {
        template: name.template(),
        value_type,
        unit: line(raw.unit.as_ref(), "unit", 32, file)?,
        description: description(raw.description.as_ref(), file)?,
        kind: Kind::Setting,
        setting: Some(constraint),
    };
    Ok(Setting { name, definition, default })
}

fn choices(raw: &Spanned<Vec<String>>, file: &File<'_>) -> Checked<Vec<String>> {
    let (count, length) = (Constraint::CHOICES_MAX, Constraint::CHOICE_LENGTH_MAX);
    let choices = raw.get_ref();
    if choices.len() > count || choices.iter().any(|it| it.len() > length) {
        let message = format!("choices are at most {count} texts of at most {length} bytes");
        return Err(file.error(raw.span(), message));
    }
    Ok(choices.clone())
}

fn length(raw: &Spanned<i64>, file: &File<'_>) -> Checked<u32> {
    let fits = u32::try_from(*raw.get_ref()).ok().filter(|it| (1..=MAX_LEN).contains(it));
    fits.ok_or_else(|| {
        let message = format!(
            "max_len = {}: from 1 to {MAX_LEN} bytes, as a set goes in one packet",
            raw.get_ref()
        );
        file.error(raw.span(), message)
    })
}

/// Longest text or bytes that a setting may allow: a set is one packet, which this leaves room for
/// beside a certificate, names and a target of usual length.
const MAX_LEN: u32 = 512;

fn bound(raw: &Spanned<toml::Value>, key: &str, file: &File<'_>) -> Checked<f64> {
    match raw.get_ref() {
        #[allow(clippy::cast_precision_loss)]
        toml::Value::Integer(number) => Ok(*number as f64),
        toml::Value::Float(number) if !number.is_nan() => Ok(*number),
        other => Err(file.error(raw.span(), format!("{key} = {other} is no number"))),
    }
}

fn builtin(raw: raw::Builtin, file: &File<'_>) -> Checked<Builtin> {
    let globs = |list: Vec<Spanned<String>>, key: &str| -> Checked<Vec<Glob>> {
        let texts = texts(list, &format!("filesystem.{key}"), file)?;
        Ok(texts.into_iter().map(Glob::new).collect())
    };
    Ok(Builtin {
        filesystem_include: globs(raw.filesystem.include, "include")?,
        filesystem_exclude: globs(raw.filesystem.exclude, "exclude")?,
        processes: texts(raw.processes, "processes", file)?,
    })
}

fn network(raw: raw::Network, file: &File<'_>) -> Checked<Network> {
    for name in &raw.interfaces {
        let text = name.get_ref();
        if !credential::Network::is_interface(text) {
            let message = format!("interfaces: '{text}' is no name of an interface, like eth0");
            return Err(file.error(name.span(), message));
        }
    }
    Ok(Network { interfaces: texts(raw.interfaces, "interfaces", file)? })
}

fn policy(raw: raw::Policy, file: &File<'_>) -> Checked<Policy> {
    let prefix = |raw: &Spanned<String>| {
        let text = raw.get_ref();
        if is_segment(text) {
            return Ok(vec![Step::Segment(text.clone())]);
        }
        let name: Result<Name, _> = text.parse();
        let name = name.map_err(|_| {
            let message = format!(
                "read_deny: '{text}' is no name or beginning of names; write it like host or \
                 system.network"
            );
            file.error(raw.span(), message)
        })?;
        if name.steps().iter().any(|it| matches!(it, Step::Key(_))) {
            let family = text.split('[').next().unwrap_or_default();
            let message = format!(
                "read_deny: '{text}' has a key; what is hidden is hidden with every key: write \
                 {family}"
            );
            return Err(file.error(raw.span(), message));
        }
        Ok(name.steps().to_vec())
    };
    let read_deny = raw.read_deny.iter().map(prefix).collect::<Result<_, _>>()?;
    texts(raw.read_deny, "read_deny", file)?;
    let set_roles = raw.set_roles.map(|roles| texts(roles, "set_roles", file)).transpose()?;
    Ok(Policy { read_deny, set_roles })
}

/// A list of texts that are neither empty nor too many.
fn texts(list: Vec<Spanned<String>>, key: &str, file: &File<'_>) -> Checked<Vec<String>> {
    if let Some(first_too_many) = list.get(Config::LIST_MAX) {
        let message = format!("{key} has {} entries; at most {}", list.len(), Config::LIST_MAX);
        return Err(file.error(first_too_many.span(), message));
    }
    if let Some(empty) = list.iter().find(|it| it.get_ref().is_empty()) {
        return Err(file.error(empty.span(), format!("{key} has an empty entry; remove it")));
    }
    Ok(list.into_iter().map(Spanned::into_inner).collect())
}
