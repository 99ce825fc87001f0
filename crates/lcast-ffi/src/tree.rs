//! Values as a C program reads them: texts end in a zero byte, parts can be given out.

use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lcast::lcast_proto::value::Extent;
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
    List(Vec<Arc<Tree>>, Extent),
    Map(Vec<(Text, Arc<Tree>)>, Extent),
}

/// What the handle of a value stands for: the program's own, to which it may add, or a part of
/// something else.
#[derive(Debug)]
pub(crate) struct Cell {
    tree: Mutex<Arc<Tree>>,
    own: bool,
}

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

    /// Changes a value of the program's own. The program may have pointers into it, so texts, bytes
    /// and keys have to stay where they are: none is ever changed, and where a list or a map is
    /// copied, the copy has the same ones.
    pub(crate) fn change(
        &self,
        change: impl FnOnce(&mut Arc<Tree>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if !self.own {
            return Err(Failure::invalid(
                "this value is a part of something else: only what lcast_value_new_list or \
                 lcast_value_new_map made can be added to",
            ));
        }
        change(&mut self.lock())
    }
}

impl Tree {
    pub(crate) fn list(items: Vec<Arc<Self>>) -> Self {
        let size = items.iter().fold(Extent::EMPTY, |size, it| size.with(it.size()));
        Self::List(items, size)
    }

    pub(crate) fn map(items: Vec<(Text, Arc<Self>)>) -> Self {
        let with = |size: Extent, (key, it): &(Text, Arc<Self>)| {
            size.with(Extent::scalar(key.len())).with(it.size())
        };
        let size = items.iter().fold(Extent::EMPTY, with);
        Self::Map(items, size)
    }

    /// Adds to a list, which is copied before where others have it too.
    pub(crate) fn push(list: &mut Arc<Self>, item: Arc<Self>) -> Result<(), Failure> {
        let Self::List(_, size) = &**list else { return Err(list.is_no("list")) };
        let grown = size.with(item.size());
        grown.check()?;
        if let Self::List(items, size) = Arc::make_mut(list) {
            items.push(item);
            *size = grown;
        }
        Ok(())
    }

    /// Puts into a map, in order of key; what had the key goes. The map is copied as a list is.
    pub(crate) fn put(map: &mut Arc<Self>, key: &str, item: Arc<Self>) -> Result<(), Failure> {
        let Self::Map(items, size) = &**map else { return Err(map.is_no("map")) };
        let place = items.binary_search_by(|(it, _)| it.as_str().cmp(key));
        let grown = match place {
            Ok(index) => {
                let (before, after) = (&items[..index], &items[index + 1..]);
                let others = before.iter().chain(after).map(|(_, it)| it.size());
                size.replaced(items[index].1.size(), item.size(), others)
            }
            Err(_) => size.with(Extent::scalar(key.len())).with(item.size()),
        };
        grown.check()?;
        if let Self::Map(items, size) = Arc::make_mut(map) {
            match place {
                Ok(index) => items[index].1 = item,
                Err(index) => items.insert(index, (Text::new(key), item)),
            }
            *size = grown;
        }
        Ok(())
    }

    fn size(&self) -> Extent {
        match self {
            Self::List(_, size) | Self::Map(_, size) => *size,
            Self::Text(text) => Extent::scalar(text.len()),
            Self::Bytes(bytes) => Extent::scalar(bytes.len()),
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::Timestamp(_) => {
                Extent::scalar(0)
            }
        }
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
            Self::List(..) => lcast::Type::List,
            Self::Map(..) => lcast::Type::Map,
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
            Self::List(items, _) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    item.write(out);
                }
                write!(out, "]")
            }
            Self::Map(items, _) => {
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
                Self::list(items.into_iter().map(|it| Arc::new(it.into())).collect())
            }
            Value::Map(items) => {
                let item = |(key, it): (String, Value)| (Text::new(&key), Arc::new(it.into()));
                Self::map(items.into_iter().map(item).collect())
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
            Tree::List(items, _) => Self::List(items.iter().map(|it| (&**it).into()).collect()),
            Tree::Map(items, _) => {
                let item =
                    |(key, it): &(Text, Arc<Tree>)| (key.as_str().to_owned(), (&**it).into());
                Self::Map(items.iter().map(item).collect())
            }
        }
    }
}
