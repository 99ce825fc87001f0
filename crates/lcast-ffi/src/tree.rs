//! Values as a C program reads them: texts end in a zero byte, parts can be given out.

use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lcast::{Timestamp, Value};

use crate::failure::Failure;
use crate::text::Text;

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Text),
    Bytes(Vec<u8>),
    Timestamp(i64),
    List(Vec<Arc<Tree>>),
    Map(Vec<(Text, Arc<Tree>)>),
}

/// What the handle of a value stands for: the program's own, to which it may add, or a part of
/// something else.
#[derive(Debug)]
pub(crate) struct Cell {
    tree: Mutex<Arc<Tree>>,
    own: bool,
}

/// Most entries of a list or a map that a program puts together.
pub(crate) const ENTRIES_MAX: usize = 65_536;

impl Cell {
    pub(crate) fn own(tree: Tree) -> Self {
        Self { tree: Mutex::new(Arc::new(tree)), own: true }
    }

    pub(crate) fn part(tree: Arc<Tree>) -> Self {
        Self { tree: Mutex::new(tree), own: false }
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Tree>> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tree(&self) -> Arc<Tree> {
        Arc::clone(&self.lock())
    }

    /// Changes a value of the program's own.
    pub(crate) fn change(
        &self,
        change: impl FnOnce(&mut Tree) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if !self.own {
            return Err(Failure::invalid(
                "this value is a part of something else: only what lcast_value_new_list or \
                 lcast_value_new_map made can be added to",
            ));
        }
        change(Arc::make_mut(&mut self.lock()))
    }
}

impl Tree {
    /// Adds to a list.
    pub(crate) fn push(&mut self, item: Arc<Self>) -> Result<(), Failure> {
        let Self::List(items) = self else { return Err(self.is_no("list")) };
        check_room(items.len(), &item)?;
        items.push(item);
        Ok(())
    }

    /// Puts into a map, in order of key; what had the key goes.
    pub(crate) fn put(&mut self, key: &str, item: Arc<Self>) -> Result<(), Failure> {
        let Self::Map(items) = self else { return Err(self.is_no("map")) };
        match items.binary_search_by(|(it, _)| it.as_str().cmp(key)) {
            Ok(index) => items[index].1 = item,
            Err(index) => {
                check_room(items.len(), &item)?;
                items.insert(index, (Text::new(key), item));
            }
        }
        Ok(())
    }

    pub(crate) fn is_no(&self, wanted: &str) -> Failure {
        Failure::invalid(format!("this value is {}, and no {wanted}", self.kind().as_str()))
    }

    pub(crate) fn kind(&self) -> lcast::Type {
        match self {
            Self::Null => lcast::Type::Null,
            Self::Bool(_) => lcast::Type::Bool,
            Self::Int(_) => lcast::Type::Int,
            Self::Float(_) => lcast::Type::Float,
            Self::Text(_) => lcast::Type::Text,
            Self::Bytes(_) => lcast::Type::Bytes,
            Self::Timestamp(_) => lcast::Type::Timestamp,
            Self::List(_) => lcast::Type::List,
            Self::Map(_) => lcast::Type::Map,
        }
    }

    fn depth(&self) -> usize {
        match self {
            Self::List(items) => 1 + items.iter().map(|it| it.depth()).max().unwrap_or(0),
            Self::Map(items) => 1 + items.iter().map(|(_, it)| it.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// For people: a text as it is, everything else as JSON has it or close to that.
    pub(crate) fn print(&self) -> String {
        match self {
            Self::Text(text) => text.as_str().to_owned(),
            other => {
                let mut text = String::new();
                other.write(&mut text);
                text
            }
        }
    }

    fn write(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = match self {
            Self::Null => write!(out, "null"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Int(value) => write!(out, "{value}"),
            Self::Float(value) => write!(out, "{value:?}"),
            Self::Text(text) => return quote(text.as_str(), out),
            Self::Bytes(bytes) => {
                out.push('"');
                bytes.iter().for_each(|byte| {
                    let _ = write!(out, "{byte:02x}");
                });
                write!(out, "\"")
            }
            Self::Timestamp(millis) => write!(out, "\"{}\"", Timestamp::from_millis(*millis)),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    item.write(out);
                }
                write!(out, "]")
            }
            Self::Map(items) => {
                out.push('{');
                for (index, (key, item)) in items.iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    quote(key.as_str(), out);
                    out.push_str(": ");
                    item.write(out);
                }
                write!(out, "}}")
            }
        };
    }
}

/// A text in quotes, as JSON has it (RFC 8259 section 7).
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(char));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

fn check_room(length: usize, item: &Tree) -> Result<(), Failure> {
    if length >= ENTRIES_MAX {
        return Err(Failure::invalid(format!("a value has at most {ENTRIES_MAX} entries")));
    }
    // The list or map itself is a level.
    if item.depth() + 1 > Value::DEPTH_MAX {
        let max = Value::DEPTH_MAX;
        return Err(Failure::invalid(format!("lists and maps are nested at most {max} deep")));
    }
    Ok(())
}

impl From<Value> for Tree {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Int(value) => Self::Int(value),
            Value::Float(value) => Self::Float(value),
            Value::Text(text) => Self::Text(Text::new(&text)),
            Value::Bytes(bytes) => Self::Bytes(bytes),
            Value::Timestamp(time) => Self::Timestamp(time.as_millis()),
            Value::List(items) => {
                Self::List(items.into_iter().map(|it| Arc::new(it.into())).collect())
            }
            Value::Map(items) => {
                let item = |(key, it): (String, Value)| (Text::new(&key), Arc::new(it.into()));
                Self::Map(items.into_iter().map(item).collect())
            }
        }
    }
}

impl From<&Tree> for Value {
    fn from(tree: &Tree) -> Self {
        match tree {
            Tree::Null => Self::Null,
            Tree::Bool(value) => Self::Bool(*value),
            Tree::Int(value) => Self::Int(*value),
            Tree::Float(value) => Self::Float(*value),
            Tree::Text(text) => Self::Text(text.as_str().to_owned()),
            Tree::Bytes(bytes) => Self::Bytes(bytes.clone()),
            Tree::Timestamp(millis) => Self::Timestamp(Timestamp::from_millis(*millis)),
            Tree::List(items) => Self::List(items.iter().map(|it| (&**it).into()).collect()),
            Tree::Map(items) => {
                let item =
                    |(key, it): &(Text, Arc<Tree>)| (key.as_str().to_owned(), (&**it).into());
                Self::Map(items.iter().map(item).collect())
            }
        }
    }
}
