//! What a predicate can see: the variables of a node as a tree, labels, the node itself, the time.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::span::Span;
use crate::name::{Name, Step, is_segment};
use crate::time::Timestamp;
use crate::value::Value;
use crate::variable::{Entry, Table};

/// Where a predicate is evaluated: one node at one instant [SEL-35].
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The variables.
    pub table: &'a Table,
    /// The certified labels.
    pub labels: &'a [(&'a str, &'a str)],
    /// The name of the node.
    pub name: &'a str,
    /// Its id, as text.
    pub id: &'a str,
    /// Its roles.
    pub roles: &'a [&'a str],
    /// The time.
    pub now: Timestamp,
    /// Whether the asker may read this variable; one that it may not does not exist [SEL-36].
    pub readable: &'a dyn Fn(&Name) -> bool,
}

/// A value while a predicate is evaluated; borrows what can be borrowed.
#[derive(Clone, Debug)]
pub(crate) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    Bytes(&'a [u8]),
    Timestamp(Timestamp),
    Duration(Span),
    List(List<'a>),
    Map(Map<'a>),
}

/// A list: of a variable, or the roles.
#[derive(Clone, Copy, Debug)]
pub(crate) enum List<'a> {
    Values(&'a [Value]),
    Texts(&'a [&'a str]),
}

/// Something with keys.
#[derive(Clone, Debug)]
pub(crate) enum Map<'a> {
    /// The value of a map variable.
    Values(&'a BTreeMap<String, Value>),
    /// All variables whose names begin with these steps.
    Branch(Vec<Step>),
    Labels,
    Node,
}

/// Why evaluation has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Something is missing or null.
    Undefined,
    /// Something else is wrong.
    Failure(Failure),
    /// The budget is spent; nothing absorbs this.
    Exhausted,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Operands of types that the operation does not take.
    Types {
        what: &'static str,
        left: &'static str,
        right: Option<&'static str>,
    },
    Overflow(&'static str),
    DivisionByZero,
    /// NaN has no order.
    NotOrdered,
    /// A conversion of a text that does not look right.
    Conversion {
        to: &'static str,
        from: &'static str,
    },
    TooManyKeys,
    NotBool(&'static str),
}

pub(crate) type Evaluated<T> = Result<T, Fault>;

/// The work that one evaluation may still do [SEL-42].
#[derive(Debug)]
pub(crate) struct Meter {
    left: u32,
}

impl Meter {
    /// Steps of one evaluation; a step is the work of ten nanoseconds.
    pub(crate) const STEPS_MAX: u32 = 200_000;
    /// The price of finding a name in the table.
    pub(crate) const LOOKUP: usize = 50;
    /// The price of going on to the next entry of the table.
    pub(crate) const NEXT: usize = 8;
    /// The price of a node of the tree.
    pub(crate) const NODE: usize = 2;

    pub(crate) fn new() -> Self {
        Self { left: Self::STEPS_MAX }
    }

    pub(crate) fn spend(&mut self, steps: usize) -> Evaluated<()> {
        let steps = u32::try_from(steps).map_err(|_| Fault::Exhausted)?;
        self.left = self.left.checked_sub(steps).ok_or(Fault::Exhausted)?;
        Ok(())
    }

    pub(crate) fn spent(&self) -> u32 {
        Self::STEPS_MAX - self.left
    }
}

impl<'a> Val<'a> {
    pub(crate) fn of(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(truth) => Self::Bool(*truth),
            Value::Int(number) => Self::Int(*number),
            Value::Float(number) => Self::Float(*number),
            Value::Text(text) => Self::Text(Cow::Borrowed(text)),
            Value::Bytes(bytes) => Self::Bytes(bytes),
            Value::Timestamp(time) => Self::Timestamp(*time),
            Value::List(values) => Self::List(List::Values(values)),
            Value::Map(values) => Self::Map(Map::Values(values)),
        }
    }

    pub(crate) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// The word for its type in messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Timestamp(_) => "timestamp",
            Self::Duration(_) => "duration",
            Self::List(_) => "list",
            Self::Map(_) => "map",
        }
    }
}

impl<'a> Scope<'a> {
    /// The first readable value at or below these steps.
    pub(crate) fn first_below(
        &self,
        meter: &mut Meter,
        steps: &[Step],
    ) -> Evaluated<Option<(&'a Name, &'a Entry)>> {
        meter.spend(Meter::LOOKUP)?;
        match self.table.first_below(steps) {
            None => return Ok(None),
            Some((name, entry)) if (self.readable)(name) => return Ok(Some((name, entry))),
            Some(_) => {}
        }
        for (name, entry) in self.table.below(steps) {
            meter.spend(Meter::NEXT)?;
            if (self.readable)(name) {
                return Ok(Some((name, entry)));
            }
        }
        Ok(None)
    }

    /// What is at these steps: a value, or a branch with values below.
    pub(crate) fn at(
        &self,
        meter: &mut Meter,
        steps: Vec<Step>,
    ) -> Evaluated<Result<Val<'a>, Vec<Step>>> {
        let found = self.first_below(meter, &steps)?;
        Ok(match found {
            None => Err(steps),
            Some((name, entry)) if name.steps().len() == steps.len() => Ok(Val::of(&entry.value)),
            Some(_) => Ok(Val::Map(Map::Branch(steps))),
        })
    }

    /// What a branch holds under this text: a child, or the instance with this key.
    pub(crate) fn child(
        &self,
        meter: &mut Meter,
        mut branch: Vec<Step>,
        text: &str,
    ) -> Evaluated<Option<Val<'a>>> {
        if is_segment(text) {
            branch.push(Step::Segment(text.to_owned()));
            match self.at(meter, branch)? {
                Ok(value) => return Ok(Some(value)),
                Err(steps) => branch = steps,
            }
            branch.pop();
        }
        branch.push(Step::Key(text.to_owned()));
        Ok(self.at(meter, branch)?.ok())
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Types { what, left, right: None } => write!(f, "{what} does not take {left}"),
            Self::Types { what, left, right: Some(right) } => {
                write!(f, "{what} does not take {left} and {right}")
            }
            Self::Overflow(what) => write!(f, "{what} overflows"),
            Self::DivisionByZero => f.write_str("division by zero"),
            Self::NotOrdered => f.write_str("NaN is neither less nor greater"),
            Self::Conversion { to, from } => write!(f, "this {from} is no {to}"),
            Self::TooManyKeys => f.write_str("exists and all read at most 4096 keys"),
            Self::NotBool(kind) => write!(f, "the predicate is a {kind}, not true or false"),
        }
    }
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("name", &self.name).finish_non_exhaustive()
    }
}
