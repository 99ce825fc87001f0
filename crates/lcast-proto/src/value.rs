//! Values of variables, and the names that they go by.
//!
//! A [`Value`] is what a variable holds; it travels as CBOR (see `wire`) and prints as JSON in the
//! command line. Names are in [`name`](crate::name).

use std::collections::BTreeMap;
use std::fmt;

use crate::time::Timestamp;

/// The value of a variable.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Known to be without a value.
    Null,
    /// True or false.
    Bool(bool),
    /// A signed 64-bit integer.
    Int(i64),
    /// An IEEE 754 double.
    Float(f64),
    /// UTF-8 text.
    Text(String),
    /// Bytes without a meaning of their own.
    Bytes(Vec<u8>),
    /// A point in wall-clock time.
    Timestamp(Timestamp),
    /// Values in order.
    List(Vec<Value>),
    /// Values by key.
    Map(BTreeMap<String, Value>),
}

/// The type of a variable's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// [`Value::Null`].
    Null,
    /// [`Value::Bool`].
    Bool,
    /// [`Value::Int`].
    Int,
    /// [`Value::Float`].
    Float,
    /// [`Value::Text`].
    Text,
    /// [`Value::Bytes`].
    Bytes,
    /// [`Value::Timestamp`].
    Timestamp,
    /// [`Value::List`].
    List,
    /// [`Value::Map`].
    Map,
}

impl Value {
    /// The deepest nesting of lists and maps that a value may have.
    pub const DEPTH_MAX: usize = 8;
    /// Most bytes of a value as it travels: with its name and its times it fits a reply.
    pub const BYTES_MAX: usize = 2 * 1024 * 1024 - 8 * 1024;

    /// The type of this value.
    pub fn kind(&self) -> Type {
        match self {
            Self::Null => Type::Null,
            Self::Bool(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Float(_) => Type::Float,
            Self::Text(_) => Type::Text,
            Self::Bytes(_) => Type::Bytes,
            Self::Timestamp(_) => Type::Timestamp,
            Self::List(_) => Type::List,
            Self::Map(_) => Type::Map,
        }
    }

    /// The number that this is, to the precision of a float, if it is one.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            #[allow(clippy::cast_precision_loss)]
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            Self::Null
            | Self::Bool(_)
            | Self::Text(_)
            | Self::Bytes(_)
            | Self::Timestamp(_)
            | Self::List(_)
            | Self::Map(_) => None,
        }
    }

    /// Whether the other is the same reading: an equal value, where NaN equals NaN, also within
    /// lists and maps.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float(left), Self::Float(right)) => {
                left == right || (left.is_nan() && right.is_nan())
            }
            (Self::List(left), Self::List(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(a, b)| a.is_same(b))
            }
            (Self::Map(left), Self::Map(right)) => {
                let same = |((a, left), (b, right)): ((&String, &Self), (&String, &Self))| {
                    a == b && left.is_same(right)
                };
                left.len() == right.len() && left.iter().zip(right).all(same)
            }
            (left, right) => left == right,
        }
    }

    /// The most bytes that it takes as it travels [WIR-2]; a float may take fewer. `None` when it
    /// nests deeper than [`Value::DEPTH_MAX`].
    pub fn bytes_max(&self) -> Option<usize> {
        self.bytes_at(0)
    }

    /// Recursion that stops at [`Value::DEPTH_MAX`] lists and maps.
    fn bytes_at(&self, depth: usize) -> Option<usize> {
        let nested = matches!(self, Self::List(_) | Self::Map(_));
        if nested && depth >= Self::DEPTH_MAX {
            return None;
        }
        let text = |length: usize| head(length as u64) + length;
        match self {
            Self::Null | Self::Bool(_) => Some(1),
            Self::Int(number) => Some(head(number.unsigned_abs())),
            Self::Float(_) => Some(9),
            // A tag, and a map of seconds and milliseconds.
            Self::Timestamp(_) => Some(3 + 1 + (1 + 9) + (1 + 3)),
            Self::Text(value) => Some(text(value.len())),
            Self::Bytes(value) => Some(text(value.len())),
            Self::List(items) => items
                .iter()
                .try_fold(head(items.len() as u64), |sum, it| Some(sum + it.bytes_at(depth + 1)?)),
            Self::Map(items) => {
                items.iter().try_fold(head(items.len() as u64), |sum, (key, it)| {
                    Some(sum + text(key.len()) + it.bytes_at(depth + 1)?)
                })
            }
        }
    }
}

/// How much a value is at least that is put together of parts: one that becomes too large is
/// refused while it grows, although parts that are shared count in each place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Bytes that it takes at least as it travels.
    bytes: usize,
    /// Lists and maps that lie in one another.
    depth: usize,
}

/// Why a value is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtentError {
    /// Lists and maps lie deeper in one another than [`Value::DEPTH_MAX`].
    #[error("lists and maps are nested at most {max} deep", max = Value::DEPTH_MAX)]
    TooDeep,
    /// It is larger than [`Value::BYTES_MAX`].
    #[error("the value takes {0} bytes or more, and {max} are the most", max = Value::BYTES_MAX)]
    TooLarge(usize),
}

impl Extent {
    /// That of a list or a map without entries.
    pub const EMPTY: Self = Self { bytes: 1, depth: 1 };

    /// That of a text or of bytes of this length, 0 for all else that has no entries.
    pub fn scalar(length: usize) -> Self {
        Self { bytes: head(length as u64).saturating_add(length), depth: 0 }
    }

    /// With one entry more.
    #[must_use]
    pub fn with(self, entry: Self) -> Self {
        let bytes = self.bytes.saturating_add(entry.bytes);
        Self { bytes, depth: self.depth.max(entry.depth + 1) }
    }

    /// With another entry in the place of one; `others` are those that stay.
    #[must_use]
    pub fn replaced(self, old: Self, new: Self, others: impl Iterator<Item = Self>) -> Self {
        let bytes = self.bytes.saturating_sub(old.bytes).saturating_add(new.bytes);
        let mut depth = new.depth + 1;
        if old.depth + 1 < self.depth || depth >= self.depth {
            return Self { bytes, depth: self.depth.max(depth) };
        }
        // What was the deepest goes: one other that is as deep is enough.
        for other in others {
            depth = depth.max(other.depth + 1);
            if depth == self.depth {
                break;
            }
        }
        Self { bytes, depth }
    }

    /// Whether a value may be so large.
    ///
    /// # Errors
    /// In what it is too large.
    pub fn check(self) -> Result<(), ExtentError> {
        if self.depth > Value::DEPTH_MAX {
            return Err(ExtentError::TooDeep);
        }
        if self.bytes > Value::BYTES_MAX {
            return Err(ExtentError::TooLarge(self.bytes));
        }
        Ok(())
    }
}

/// Bytes that a number, or the length of a text or list, takes in CBOR (RFC 8949 section 3).
pub(crate) fn head(number: u64) -> usize {
    match number {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}

impl Type {
    /// Every type, in the order of their codes on the wire.
    pub const ALL: [Self; 9] = [
        Self::Null,
        Self::Bool,
        Self::Int,
        Self::Float,
        Self::Text,
        Self::Bytes,
        Self::Timestamp,
        Self::List,
        Self::Map,
    ];

    /// The word for this type in schemas, configuration and error messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Timestamp => "timestamp",
            Self::List => "list",
            Self::Map => "map",
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::Timestamp(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_together_keeps_the_limits_of_values() {
        let checked = |length: usize| Extent::EMPTY.with(Extent::scalar(length)).check();
        // A list of one text whose length takes five bytes.
        let max = Value::BYTES_MAX - 6;
        assert_eq!(checked(max), Ok(()));
        assert_eq!(checked(max + 1), Err(ExtentError::TooLarge(Value::BYTES_MAX + 1)));
        let value = Value::List(vec![Value::from("x".repeat(max))]);
        assert_eq!(value.bytes_max(), Some(Value::BYTES_MAX));
        let nested = |depth: usize| (1..depth).fold(Extent::EMPTY, |it, _| Extent::EMPTY.with(it));
        assert_eq!(nested(Value::DEPTH_MAX).check(), Ok(()));
        assert_eq!(nested(Value::DEPTH_MAX + 1).check(), Err(ExtentError::TooDeep));
    }

    #[test]
    fn an_entry_in_the_place_of_another_counts_as_if_it_had_always_been_there() {
        let list = |entries: &[Extent]| entries.iter().fold(Extent::EMPTY, |all, it| all.with(*it));
        let text = Extent::scalar(30);
        let some = [text, Extent::EMPTY, Extent::EMPTY.with(Extent::EMPTY)];
        for first in some {
            for second in some {
                for new in some {
                    let replaced =
                        list(&[first, second]).replaced(first, new, [second].into_iter());
                    assert_eq!(replaced, list(&[new, second]), "{first:?} {second:?} {new:?}");
                }
            }
        }
    }

    #[test]
    fn the_same_reading_is_no_new_value() {
        let nan = || Value::Float(f64::NAN);
        let map = |key: &str, value| Value::Map(BTreeMap::from([(key.to_owned(), value)]));
        for (left, right, expected) in [
            (nan(), nan(), true),
            (nan(), Value::Float(-f64::NAN), true),
            (nan(), Value::Float(1.0), false),
            (Value::Float(1.0), nan(), false),
            (nan(), Value::Null, false),
            (Value::Float(f64::INFINITY), Value::Float(f64::INFINITY), true),
            (Value::Float(f64::INFINITY), Value::Float(f64::NEG_INFINITY), false),
            (Value::Float(0.0), Value::Float(-0.0), true),
            (Value::Float(1.0), Value::Int(1), false),
            (
                Value::List(vec![Value::Int(1), nan()]),
                Value::List(vec![Value::Int(1), nan()]),
                true,
            ),
            (Value::List(vec![nan()]), Value::List(vec![nan(), nan()]), false),
            (Value::List(vec![nan(), nan()]), Value::List(vec![nan()]), false),
            (map("a", Value::List(vec![nan()])), map("a", Value::List(vec![nan()])), true),
            (map("a", nan()), map("b", nan()), false),
            (map("a", nan()), map("a", Value::Float(1.0)), false),
            (Value::from("x"), Value::from("x"), true),
        ] {
            assert_eq!(left.is_same(&right), expected, "{left:?}, {right:?}");
        }
    }
}
