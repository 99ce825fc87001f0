//! Variables: what a node owns, names, types and keeps current.
//!
//! A [`Definition`] says what a variable is, a [`Schema`] is all definitions of a node with their
//! hash, and a [`Table`] holds the present values. The table is the one snapshot from which
//! predicates and replies are read. Matching names by pattern is in `select`.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::str::FromStr;

use crate::name::{Name, Step, is_template};
use crate::time::{Instant, Now, Timestamp};
use crate::value::{Type, Value, head};

/// What a variable is: everything about it but its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The name with `[*]` in place of keys, like `system.filesystem[*].usage`.
    pub template: String,
    /// The type of its values.
    pub value_type: Type,
    /// The unit, as UCUM writes it; empty where there is none, at most [`Definition::UNIT_MAX`]
    /// bytes.
    pub unit: String,
    /// One line for people; at most [`Definition::DESCRIPTION_MAX`] bytes.
    pub description: String,
    /// How the value behaves over time.
    pub kind: Kind,
    /// What a settable variable accepts; `None` where it cannot be set.
    pub setting: Option<Constraint>,
}

/// How a value behaves over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Changes seldom: a name, a version.
    Info,
    /// Goes up and down.
    Gauge,
    /// Only grows while the node runs.
    Counter,
    /// Set by people or programs, kept over restarts.
    Setting,
}

impl Kind {
    /// Those of a variable that nobody sets.
    pub const READ_ONLY: [Self; 3] = [Self::Info, Self::Gauge, Self::Counter];

    /// The word for it, as people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Setting => "setting",
        }
    }
}

/// What a setting accepts besides its type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Constraint {
    /// Longest text or bytes, in bytes.
    pub length_max: Option<u32>,
    /// Smallest number.
    pub min: Option<f64>,
    /// Largest number.
    pub max: Option<f64>,
    /// The only texts accepted; empty for any. At most [`Constraint::CHOICES_MAX`], each of at most
    /// [`Constraint::CHOICE_LENGTH_MAX`] bytes.
    pub choices: Vec<String>,
}

/// Which write of a variable a value is from: (start of the node, count within it).
///
/// Versions of one variable only grow. The incarnation is counted up at each start of the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Which start of the node.
    pub incarnation: u64,
    /// Which write since that start.
    pub counter: u64,
}

/// Text that is no version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no version; copy one from a reply, like 3.7")]
pub struct VersionError(pub String);

/// A new value for a variable, from the shell.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// Which variable.
    pub name: Name,
    /// Its value.
    pub value: Value,
    /// When the value was read, if not at the moment of the update.
    pub time: Option<Timestamp>,
    /// The version to show, for settings whose version is kept on disk; else the table counts.
    pub version: Option<Version>,
}

/// The right side of an assignment.
#[derive(Clone, Debug, PartialEq)]
pub enum Assigned {
    /// Text that the node parses by the variable's declared type.
    Text(String),
    /// A typed value.
    Value(Value),
}

/// The present value of one variable.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The value.
    pub value: Value,
    /// When it was read, by the node's wall clock.
    pub time: Timestamp,
    /// When it was read, by the node's monotonic clock: gives an age without clock skew.
    pub read_at: Instant,
    /// Which write it is from.
    pub version: Version,
    /// How many versions of it there were in this process, this one included.
    pub revision: u64,
}

/// All definitions of a node, in order of template, with the hash that names them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schema {
    definitions: Vec<Definition>,
}

/// The variables of one node: definitions and present values.
#[derive(Debug, Default)]
pub struct Table {
    definitions: BTreeMap<String, Definition>,
    /// The sum of what each takes in the schema at most.
    schema_bytes: usize,
    entries: BTreeMap<Name, Entry>,
    incarnation: u64,
    counter: u64,
    redefined: u64,
    changes: u64,
}

/// Why a definition or an update was not taken. Nothing is changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The name is an ancestor or a descendant of a variable that exists.
    #[error("'{template}' and '{existing}' cannot both be variables: one is part of the other")]
    Nested {
        /// The template to be defined.
        template: String,
        /// The one that exists.
        existing: String,
    },
    /// A map would have both keys and named children.
    #[error(
        "'{template}' and '{existing}' cannot both be variables: a map has keys or named \
         children, never both"
    )]
    KeysAndChildren {
        /// The template to be defined.
        template: String,
        /// The one that exists.
        existing: String,
    },
    /// A value for a name without a definition.
    #[error("no variable '{0}' is defined here")]
    Undefined(String),
    /// The node has as many definitions or values as it may have.
    #[error("'{name}': a node has at most {max} variables")]
    Full {
        /// The variable that found no place.
        name: String,
        /// The limit.
        max: usize,
    },
    /// A description that no reader of the schema would take.
    #[error("the description of '{name}' has {found} bytes, and {max} are the most: shorten it")]
    Description {
        /// The variable.
        name: String,
        /// Bytes that it has.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// All definitions together are more than others fetch.
    #[error(
        "with '{name}' the definitions of this node would take {found} bytes, and {max} are the \
         most: shorten descriptions or choices, or define fewer variables"
    )]
    Schema {
        /// The variable that found no place.
        name: String,
        /// Bytes that all would take at most.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// A definition whose template is no name with `[*]` in place of its keys.
    #[error(
        "'{0}' is no name of a variable: 2 to 8 segments joined by dots, like app.release, and \
         [*] for a key"
    )]
    Template(String),
    /// A unit that is too long.
    #[error("'{name}': a unit has at most {max} bytes, not {found}", max = Definition::UNIT_MAX)]
    Unit {
        /// The variable.
        name: String,
        /// The length of its unit.
        found: usize,
    },
    /// A setting with too many choices, or with one that is too long.
    #[error(
        "'{0}': a setting has at most {count} choices of at most {length} bytes",
        count = Constraint::CHOICES_MAX,
        length = Constraint::CHOICE_LENGTH_MAX
    )]
    Choices(String),
    /// A setting with a limit that is no number.
    #[error("'{0}': a limit of a setting is a number, and NaN is none")]
    Limit(String),
    /// A key that no name has.
    #[error("'{name}': a key has 1 to {max} bytes, not {found}", max = Name::KEY_LENGTH_MAX)]
    Key {
        /// The variable, with `[*]` in place of the key.
        name: String,
        /// The length of the key.
        found: usize,
    },
    /// A value that no reply carries.
    #[error("the value of '{name}' takes up to {found} bytes, and {max} are the most")]
    Large {
        /// The variable.
        name: String,
        /// Bytes that it takes at most.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// A value that nobody reads.
    #[error("the value of '{0}' has lists and maps more than {max} deep", max = Value::DEPTH_MAX)]
    Deep(String),
    /// A value of another type than the definition says.
    #[error("'{name}' holds {expected}, not {found}")]
    Type {
        /// The variable.
        name: String,
        /// The type of its definition.
        expected: Type,
        /// The type of the value.
        found: Type,
    },
}

impl Definition {
    /// Longest description in bytes.
    pub const DESCRIPTION_MAX: usize = 200;
    /// Longest unit in bytes.
    pub const UNIT_MAX: usize = 64;

    /// A variable of this name, type and behaviour, without unit and description.
    pub fn new(template: &str, value_type: Type, kind: Kind) -> Self {
        Self {
            template: template.to_owned(),
            value_type,
            unit: String::new(),
            description: String::new(),
            kind,
            setting: None,
        }
    }

    /// A variable that goes up and down.
    pub fn gauge(template: &str, value_type: Type) -> Self {
        Self::new(template, value_type, Kind::Gauge)
    }

    /// A variable that changes seldom.
    pub fn info(template: &str, value_type: Type) -> Self {
        Self::new(template, value_type, Kind::Info)
    }

    /// A variable that people and programs may set, within the constraint.
    pub fn setting(template: &str, value_type: Type, constraint: Constraint) -> Self {
        Self { setting: Some(constraint), ..Self::new(template, value_type, Kind::Setting) }
    }

    /// Whether it keeps the limits that others demand of it. [QST-40]
    ///
    /// # Errors
    /// The first limit that it breaks.
    pub fn check(&self) -> Result<(), TableError> {
        let name = || self.template.clone();
        if !is_template(&self.template) {
            return Err(TableError::Template(name()));
        }
        let found = self.description.len();
        if found > Self::DESCRIPTION_MAX {
            let max = Self::DESCRIPTION_MAX;
            return Err(TableError::Description { name: name(), found, max });
        }
        if self.unit.len() > Self::UNIT_MAX {
            return Err(TableError::Unit { name: name(), found: self.unit.len() });
        }
        let choices = self.setting.as_ref().map_or(&[][..], |it| &it.choices);
        let long = choices.iter().any(|it| it.len() > Constraint::CHOICE_LENGTH_MAX);
        if long || choices.len() > Constraint::CHOICES_MAX {
            return Err(TableError::Choices(name()));
        }
        Ok(())
    }

    /// Whether a value can be given to the variable of this name; null always can.
    ///
    /// # Errors
    /// What is wrong with it: its type, its size, its depth.
    pub fn check_value(&self, name: impl fmt::Display, value: &Value) -> Result<(), TableError> {
        let (expected, found) = (self.value_type, value.kind());
        if found != expected && found != Type::Null {
            return Err(TableError::Type { name: name.to_string(), expected, found });
        }
        let max = Value::BYTES_MAX;
        match value.bytes_max() {
            None => Err(TableError::Deep(name.to_string())),
            Some(found) if found > max => {
                Err(TableError::Large { name: name.to_string(), found, max })
            }
            Some(_) => Ok(()),
        }
    }

    /// The same with a unit, as UCUM writes it.
    #[must_use]
    pub fn unit(mut self, unit: &str) -> Self {
        unit.clone_into(&mut self.unit);
        self
    }

    /// The same with a description, cut at [`Definition::DESCRIPTION_MAX`] bytes.
    #[must_use]
    pub fn description(mut self, description: &str) -> Self {
        let mut end = description.len().min(Self::DESCRIPTION_MAX);
        while !description.is_char_boundary(end) {
            end -= 1;
        }
        description[..end].clone_into(&mut self.description);
        self
    }

    /// The most bytes that this takes in a schema, where a number may take fewer. [QST-40]
    pub fn bytes_max(&self) -> usize {
        let head = |length: usize| head(length as u64);
        let text = |text: &String| head(text.len()) + text.len();
        let setting = self.setting.as_ref().map_or(0, |it| {
            let choices = head(it.choices.len()) + it.choices.iter().map(text).sum::<usize>();
            // An array of four, and what the longest of its numbers take.
            1 + 5 + 2 * 9 + choices
        });
        // An array of at most six, the type and the kind take a byte each.
        3 + text(&self.template) + text(&self.unit) + text(&self.description) + setting
    }
}

impl Schema {
    /// Most bytes of a schema.
    pub const BYTES_MAX: usize = 1024 * 1024;

    /// A schema of the given definitions, in any order.
    pub fn new(mut definitions: Vec<Definition>) -> Self {
        definitions.sort_by(|left, right| left.template.cmp(&right.template));
        Self { definitions }
    }

    /// The definitions, in order of template.
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// The definition of the variable with this name, if there is one.
    pub fn definition(&self, template: &str) -> Option<&Definition> {
        let place = self.definitions.binary_search_by(|it| it.template.as_str().cmp(template));
        place.ok().and_then(|index| self.definitions.get(index))
    }
}

impl Table {
    /// Most definitions of a node.
    pub const DEFINITIONS_MAX: usize = 4096;
    /// Most values of a node, instances counted one by one.
    pub const ENTRIES_MAX: usize = 65_536;

    /// An empty table of a node's `incarnation`-th start.
    pub fn new(incarnation: u64) -> Self {
        Self { incarnation, ..Self::default() }
    }

    /// Defines a variable, or defines it anew under the same template: its values stay, unless
    /// they are of another type than it has then.
    ///
    /// # Errors
    /// When the definition breaks a limit, its template clashes with an existing one, the table is
    /// full, or others would not take the schema with it.
    pub fn define(&mut self, definition: Definition) -> Result<(), TableError> {
        definition.check()?;
        let template = &definition.template;
        // Only of the own: what others have defined is taken as it is.
        let limits = definition.setting.iter().flat_map(|it| [it.min, it.max]).flatten();
        if limits.into_iter().any(f64::is_nan) {
            return Err(TableError::Limit(template.clone()));
        }
        let schema_bytes = self.check_size(&definition)?;
        match self.definitions.get(template) {
            Some(before) if before.value_type != definition.value_type => {
                self.entries.retain(|name, _| name.template() != *template);
                self.changes += 1;
            }
            Some(_) => {}
            None if self.definitions.len() >= Self::DEFINITIONS_MAX => {
                let name = template.clone();
                return Err(TableError::Full { name, max: Self::DEFINITIONS_MAX });
            }
            None => self.check_clash(template)?,
        }
        self.definitions.insert(template.clone(), definition);
        self.schema_bytes = schema_bytes;
        self.redefined += 1;
        Ok(())
    }

    /// Refuses what would make the schema of this node one that nobody takes. What the schema takes
    /// with it otherwise, kept as a sum: nodes define variables all the time.
    fn check_size(&self, definition: &Definition) -> Result<usize, TableError> {
        let name = &definition.template;
        let before = self.definitions.get(name).map_or(0, Definition::bytes_max);
        let found = self.schema_bytes - before + definition.bytes_max();
        if found > Schema::BYTES_MAX {
            let max = Schema::BYTES_MAX;
            return Err(TableError::Schema { name: name.clone(), found, max });
        }
        Ok(found)
    }

    /// Refuses a template that is part of another, or that gives a map both keys and children
    /// [SEL-3].
    ///
    /// Looks only at the ancestors of the template and at what begins like it, so that a node with
    /// thousands of variables defines them in no time.
    fn check_clash(&self, template: &str) -> Result<(), TableError> {
        let nested = |existing: &str| TableError::Nested {
            template: template.to_owned(),
            existing: existing.to_owned(),
        };
        for (at, separator) in template.match_indices(['.', '[']) {
            let ancestor = &template[..at];
            if self.definitions.contains_key(ancestor) {
                return Err(nested(ancestor));
            }
            let other = if separator == "[" { "." } else { "[" };
            let beside = format!("{ancestor}{other}");
            if let Some(existing) = self.defined_below(&beside) {
                let (template, existing) = (template.to_owned(), existing.to_owned());
                return Err(TableError::KeysAndChildren { template, existing });
            }
        }
        for separator in [".", "["] {
            if let Some(existing) = self.defined_below(&format!("{template}{separator}")) {
                return Err(nested(existing));
            }
        }
        Ok(())
    }

    /// The first template that begins with `prefix`.
    fn defined_below(&self, prefix: &str) -> Option<&str> {
        let (template, _) = self.definitions.range(prefix.to_owned()..).next()?;
        template.starts_with(prefix).then_some(template.as_str())
    }

    /// Takes a value. Its version grows only when the value differs from the present one.
    ///
    /// # Errors
    /// When the variable is not defined, the value is none for it, or the table is full.
    pub fn update(&mut self, now: Now, update: Update) -> Result<(), TableError> {
        let Update { name, value, time, version } = update;
        let template = name.template();
        let Some(definition) = self.definitions.get(&template) else {
            return Err(TableError::Undefined(name.to_string()));
        };
        definition.check_value(&name, &value)?;
        let time = time.unwrap_or(now.wall);
        let next = Version { incarnation: self.incarnation, counter: self.counter + 1 };
        if let Some(entry) = self.entries.get_mut(&name) {
            let same = entry.value.is_same(&value);
            let kept = if same { entry.version } else { next };
            let shown = version.unwrap_or(kept);
            if shown == next {
                self.counter += 1;
            }
            let differs = u64::from(shown != entry.version);
            self.changes += differs;
            let revision = entry.revision + differs;
            *entry = Entry { value, time, read_at: now.instant, version: shown, revision };
            return Ok(());
        }
        if self.entries.len() >= Self::ENTRIES_MAX {
            return Err(TableError::Full { name: name.to_string(), max: Self::ENTRIES_MAX });
        }
        if version.is_none() {
            self.counter += 1;
        }
        self.changes += 1;
        let version = version.unwrap_or(next);
        let entry = Entry { value, time, read_at: now.instant, version, revision: 1 };
        self.entries.insert(name, entry);
        Ok(())
    }

    /// Forgets the values of all names below `prefix` (an unmounted file system, say).
    pub fn remove(&mut self, prefix: &[Step]) {
        let gone: Vec<Name> = self.below(prefix).map(|(name, _)| name.clone()).collect();
        self.changes += u64::from(!gone.is_empty());
        for name in gone {
            self.entries.remove(&name);
        }
    }

    /// Removes a definition and the values under it; whether there was one.
    pub fn undefine(&mut self, template: &str) -> bool {
        self.entries.retain(|name, _| name.template() != template);
        self.redefined += 1;
        self.changes += 1;
        let gone = self.definitions.remove(template);
        self.schema_bytes -= gone.as_ref().map_or(0, Definition::bytes_max);
        gone.is_some()
    }

    /// The value of one variable.
    pub fn entry(&self, name: &Name) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// The value at exactly these steps, if they are the full name of a variable with a value.
    pub fn leaf(&self, steps: &[Step]) -> Option<&Entry> {
        self.entries.get(steps)
    }

    /// The first of the values that [`Table::below`] would return, and its name.
    pub fn first_below(&self, steps: &[Step]) -> Option<(&Name, &Entry)> {
        let (name, entry) =
            self.entries.range::<[Step], _>((Bound::Included(steps), Bound::Unbounded)).next()?;
        name.starts_with(steps).then_some((name, entry))
    }

    /// The values of the variable at these steps and of all below it, in order of name.
    pub fn below<'a, S: AsRef<[Step]>>(
        &'a self,
        steps: S,
    ) -> impl Iterator<Item = (&'a Name, &'a Entry)> + use<'a, S> {
        let from = (Bound::Included(steps.as_ref()), Bound::Unbounded);
        // Names with this beginning stand together.
        let all = self.entries.range::<[Step], _>(from);
        all.take_while(move |(name, _)| name.starts_with(steps.as_ref()))
    }

    /// Every value, in order of name.
    pub fn entries(&self) -> impl Iterator<Item = (&Name, &Entry)> {
        self.entries.iter()
    }

    /// The definition of the variable with this name.
    pub fn definition(&self, name: &Name) -> Option<&Definition> {
        self.definitions.get(&name.template())
    }

    /// How often a value has changed, come or gone: what was read holds until it grows.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// How often the definitions have changed: what was derived from them holds until it grows.
    pub fn redefined(&self) -> u64 {
        self.redefined
    }

    /// The definitions, in order of template.
    pub fn definitions(&self) -> impl Iterator<Item = &Definition> {
        self.definitions.values()
    }

    /// The definitions as a schema.
    pub fn schema(&self) -> Schema {
        Schema { definitions: self.definitions.values().cloned().collect() }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.incarnation, self.counter)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (incarnation, counter) = text.split_once('.')?;
            Some(Self { incarnation: incarnation.parse().ok()?, counter: counter.parse().ok()? })
        };
        parse().ok_or_else(|| VersionError(text.to_owned()))
    }
}

impl Constraint {
    /// Most choices.
    pub const CHOICES_MAX: usize = 64;
    /// Longest choice in bytes.
    pub const CHOICE_LENGTH_MAX: usize = 255;

    /// The limits that there are, by name: `min`, `max`, `length_max` and `choices`.
    pub fn limits(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let choices =
            || Value::List(self.choices.iter().map(|it| Value::from(it.as_str())).collect());
        let limits = [
            ("min", self.min.map(Value::Float)),
            ("max", self.max.map(Value::Float)),
            ("length_max", self.length_max.map(|it| Value::Int(it.into()))),
            ("choices", (!self.choices.is_empty()).then(choices)),
        ];
        limits.into_iter().filter_map(|(name, limit)| Some((name, limit?)))
    }

    /// Whether a value of the right type fits. NaN and the infinities fit no setting, within lists
    /// and maps neither: a program that reads one compares it, and nothing holds then. [QST-48]
    ///
    /// # Errors
    /// A sentence that says what would fit.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        check_finite(value)?;
        match value {
            Value::Text(text) => {
                self.check_length(text.len())?;
                if !self.choices.is_empty() && !self.choices.contains(text) {
                    return Err(format!("'{text}' is none of {}", self.choices.join(", ")));
                }
                Ok(())
            }
            Value::Bytes(bytes) => self.check_length(bytes.len()),
            #[allow(clippy::cast_precision_loss)]
            Value::Int(number) => self.check_range(*number as f64),
            Value::Float(number) => self.check_range(*number),
            Value::Null | Value::Bool(_) | Value::Timestamp(_) | Value::List(_) | Value::Map(_) => {
                Ok(())
            }
        }
    }

    fn check_length(&self, length: usize) -> Result<(), String> {
        match self.length_max {
            Some(max) if length > max as usize => {
                Err(format!("{length} bytes are more than the most, {max}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn check_range(&self, number: f64) -> Result<(), String> {
        match (self.min, self.max) {
            (Some(min), _) if number < min => Err(format!("{number} is less than min = {min}")),
            (_, Some(max)) if number > max => Err(format!("{number} is more than max = {max}")),
            (_, _) => Ok(()),
        }
    }
}

/// Goes no deeper than [`Value::DEPTH_MAX`] lists and maps.
fn check_finite(value: &Value) -> Result<(), String> {
    match value {
        Value::Float(number) if !number.is_finite() => {
            Err(format!("{number} is no finite number, and a setting takes no other"))
        }
        Value::List(values) => values.iter().try_for_each(check_finite),
        Value::Map(values) => values.values().try_for_each(check_finite),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::Text(_)
        | Value::Bytes(_)
        | Value::Timestamp(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(template: &str, value_type: Type) -> Definition {
        Definition {
            template: template.to_owned(),
            value_type,
            unit: String::new(),
            description: String::new(),
            kind: Kind::Gauge,
            setting: None,
        }
    }

    fn update(name: &str, value: Value) -> Update {
        Update { name: name.parse().unwrap(), value, time: None, version: None }
    }

    /// A setting without limits took what no program expects of a number. [QST-48]
    #[test]
    fn a_setting_takes_finite_numbers_only() {
        let check = |constraint: &Constraint, value: &Value, fits: bool| {
            let checked = constraint.check(value);
            assert_eq!(checked.is_ok(), fits, "{value:?}: {checked:?}");
            assert!(fits || checked.unwrap_err().contains("no finite number"), "{value:?}");
        };
        let bounded = Constraint { min: Some(f64::MIN), ..Constraint::default() };
        for constraint in [&Constraint::default(), &bounded] {
            check(constraint, &Value::Float(f64::MAX), true);
            for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let list = Value::List(vec![Value::Int(1), Value::Float(number)]);
                let map = Value::Map([("a".to_owned(), list.clone())].into());
                for value in [Value::Float(number), list, map] {
                    check(constraint, &value, false);
                }
            }
        }
    }

    /// [SEL-3]
    #[test]
    fn clashing_templates_are_refused_and_both_named() {
        let mut table = Table::new(1);
        for template in ["app.load", "app.disk[*].usage"] {
            table.define(definition(template, Type::Int)).unwrap();
        }
        for (template, part) in [
            ("app.load.one", "part of the other"),
            ("app.disk", "part of the other"),
            ("app.disk[*]", "part of the other"),
            ("app.disk.total", "keys or named children"),
        ] {
            let error = table.define(definition(template, Type::Int)).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains(template), "{template}: {error}");
        }
        table.define(definition("app.disk[*].free", Type::Int)).unwrap();
        table.define(definition("app.load2", Type::Int)).unwrap();
    }

    #[test]
    fn versions_grow_only_when_the_value_changes() {
        let mut table = Table::new(3);
        table.define(definition("app.load", Type::Int)).unwrap();
        let name: Name = "app.load".parse().unwrap();
        let mut seen = Vec::new();
        for value in [1, 1, 2] {
            table.update(Now::default(), update("app.load", Value::Int(value))).unwrap();
            seen.push(table.entry(&name).unwrap().version.to_string());
        }
        assert_eq!(seen, ["3.1", "3.1", "3.2"]);
        let wrong = table.update(Now::default(), update("app.load", Value::from("x")));
        assert_eq!(wrong.unwrap_err().to_string(), "'app.load' holds int, not text");
        let missing = table.update(Now::default(), update("app.other", Value::Int(1)));
        assert!(matches!(missing, Err(TableError::Undefined(_))));
    }

    #[test]
    fn what_no_reply_carries_is_refused() {
        let mut table = Table::new(3);
        table.define(definition("app.list", Type::List)).unwrap();
        table.define(definition("app.text", Type::Text)).unwrap();
        let mut put = |name, value| table.update(Now::default(), update(name, value));
        let longest = "x".repeat(Value::BYTES_MAX - 5);
        assert_eq!(put("app.text", Value::from(longest.as_str())), Ok(()));
        let error = put("app.text", Value::from(longest + "x")).unwrap_err();
        let expected =
            "the value of 'app.text' takes up to 2088961 bytes, and 2088960 are the most";
        assert_eq!(error.to_string(), expected);
        let many = |count| Value::List(vec![Value::Float(0.1); count]);
        assert_eq!(put("app.list", many(200_000)), Ok(()));
        assert!(matches!(put("app.list", many(300_000)), Err(TableError::Large { .. })));
        let deep = |depth| (0..depth).fold(Value::Int(1), |it, _| Value::List(vec![it]));
        assert_eq!(put("app.list", deep(Value::DEPTH_MAX)), Ok(()));
        let error = put("app.list", deep(Value::DEPTH_MAX + 1)).unwrap_err();
        assert_eq!(error, TableError::Deep("app.list".to_owned()));
        assert_eq!(put("app.list", Value::Null), Ok(()));
    }

    #[test]
    fn a_limit_that_is_no_number_is_refused() {
        let limited = |min: f64, max: f64| {
            let range = Constraint { min: Some(min), max: Some(max), ..Constraint::default() };
            Table::new(3).define(Definition::setting("app.level", Type::Float, range))
        };
        assert_eq!(limited(f64::NEG_INFINITY, f64::INFINITY), Ok(()));
        let error = Err(TableError::Limit("app.level".to_owned()));
        assert_eq!((limited(f64::NAN, 1.0), limited(0.0, -f64::NAN)), (error.clone(), error));
    }

    #[test]
    fn an_equal_reading_is_no_new_version() {
        let mut table = Table::new(3);
        table.define(definition("app.load", Type::Float)).unwrap();
        table.define(definition("app.loads", Type::List)).unwrap();
        let float = |number: f64| ("app.load", Value::Float(number));
        let list = |number: f64| ("app.loads", Value::List(vec![Value::Float(number)]));
        for ((name, value), expected) in [
            (float(f64::NAN), "3.1"),
            (float(f64::NAN), "3.1"),
            (float(1.0), "3.2"),
            (float(f64::NAN), "3.3"),
            (float(f64::INFINITY), "3.4"),
            (float(f64::INFINITY), "3.4"),
            (list(f64::NAN), "3.5"),
            (list(f64::NAN), "3.5"),
            (list(1.0), "3.6"),
        ] {
            table.update(Now::default(), update(name, value.clone())).unwrap();
            let version = table.entry(&name.parse().unwrap()).unwrap().version;
            assert_eq!(version.to_string(), expected, "{value:?}");
        }
        assert_eq!(table.changes(), 6);
    }

    #[test]
    fn no_value_outlives_the_type_of_its_definition() {
        let mut table = Table::new(1);
        let name: Name = "app.load".parse().unwrap();
        table.define(definition("app.load", Type::Int)).unwrap();
        table.update(Now::default(), update("app.load", Value::Int(1))).unwrap();
        table.define(definition("app.load", Type::Int).unit("1")).unwrap();
        assert!(table.entry(&name).is_some());
        table.define(definition("app.load", Type::Text)).unwrap();
        assert!(table.entry(&name).is_none());
    }

    #[test]
    fn a_full_table_refuses_one_more() {
        let mut table = Table::new(1);
        for index in 0..Table::DEFINITIONS_MAX {
            table.define(definition(&format!("app.v{index}[*]"), Type::Int)).unwrap();
        }
        table.define(definition("app.v0[*]", Type::Int)).unwrap();
        let one_more = table.define(definition("app.more", Type::Int));
        assert!(matches!(one_more, Err(TableError::Full { .. })), "{one_more:?}");
        let value = |index: usize| update(&format!("app.v0[\"{index}\"]"), Value::Int(1));
        for index in 0..Table::ENTRIES_MAX {
            table.update(Now::default(), value(index)).unwrap();
        }
        table.update(Now::default(), value(0)).unwrap();
        let one_more = table.update(Now::default(), value(Table::ENTRIES_MAX));
        assert!(matches!(one_more, Err(TableError::Full { .. })), "{one_more:?}");
    }

    #[test]
    fn leaves_and_branches_are_told_apart() {
        let mut table = Table::new(1);
        table.define(definition("app.disk[*].usage", Type::Int)).unwrap();
        for key in ["a", "b"] {
            let name = format!("app.disk[\"{key}\"].usage");
            table.update(Now::default(), update(&name, Value::Int(1))).unwrap();
        }
        let steps = |text: &str| text.parse::<Name>().unwrap().steps().to_vec();
        assert!(table.leaf(&steps("app.disk")).is_none());
        assert_eq!(table.below(&steps("app.disk")).count(), 2);
        assert!(table.leaf(&steps("app.disk[\"a\"].usage")).is_some());
        table.remove(&steps("app.disk[\"a\"]"));
        assert_eq!(table.entries().count(), 1);
    }
}
