//! Values: null, bool, int, float, text, bytes, timestamp, list, map.
//!
//! A value is a tagged union behind a handle: `lcast_value_type` says which it is, and each type
//! has a function that reads it. Values of an event, and parts of values, end with what they were
//! got from. Values that the program makes (`lcast_value_new_...`) or is given
//! (`lcast_setting_value`) are freed by `lcast_value_free`.

use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;

use super::errors::lcast_status;
use super::event::beyond;
use crate::failure::{Failure, call, value};
use crate::text::Text;
use crate::tree::{Cell, Tree};
use crate::{handles, incoming};

/// A value.
pub struct lcast_value {
    _opaque: [u8; 0],
}

/// The types of values.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum lcast_type {
    /// Known to be without a value.
    LCAST_NULL = 0,
    /// True or false.
    LCAST_BOOL = 1,
    /// A signed 64-bit integer.
    LCAST_INT = 2,
    /// An IEEE 754 double.
    LCAST_FLOAT = 3,
    /// UTF-8 text.
    LCAST_TEXT = 4,
    /// Bytes without a meaning of their own.
    LCAST_BYTES = 5,
    /// A point in wall-clock time.
    LCAST_TIMESTAMP = 6,
    /// Values in order.
    LCAST_LIST = 7,
    /// Values by key.
    LCAST_MAP = 8,
}

/// The type of a value; `LCAST_NULL` for what is no value, which `lcast_last_error` tells.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_value_type(value: *const lcast_value) -> lcast_type {
    self::value(lcast_type::LCAST_NULL, || Ok(type_of(&handles::of(value)?.tree())))
}

/// Reads a bool, as 0 or 1.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_value_bool(
    value: *const lcast_value,
    result: Option<&mut MaybeUninit<c_int>>,
) -> lcast_status {
    read(value, result, "bool", |tree| match tree {
        Tree::Bool(it) => Some(c_int::from(*it)),
        _ => None,
    })
}

/// Reads an int.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_value_int(
    value: *const lcast_value,
    result: Option<&mut MaybeUninit<i64>>,
) -> lcast_status {
    read(value, result, "int", |tree| match tree {
        Tree::Int(it) => Some(*it),
        _ => None,
    })
}

/// Reads a float, or an int as the nearest float.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_value_float(
    value: *const lcast_value,
    result: Option<&mut MaybeUninit<f64>>,
) -> lcast_status {
    read(value, result, "number", |tree| match tree {
        Tree::Float(it) => Some(*it),
        Tree::Int(it) => Some(*it as f64),
        _ => None,
    })
}

/// Reads a timestamp: milliseconds since 1970-01-01T00:00:00Z.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_value_timestamp(
    value: *const lcast_value,
    result: Option<&mut MaybeUninit<i64>>,
) -> lcast_status {
    read(value, result, "timestamp", |tree| match tree {
        Tree::Timestamp(it) => Some(*it),
        _ => None,
    })
}

fn read<T>(
    value: *const lcast_value,
    result: Option<&mut MaybeUninit<T>>,
    wanted: &str,
    read: impl FnOnce(&Tree) -> Option<T>,
) -> lcast_status {
    call(|| {
        let result = incoming::place(result, "result")?;
        let tree = handles::of(value)?.tree();
        result.write(read(&tree).ok_or_else(|| tree.is_no(wanted))?);
        Ok(())
    })
}

/// The text of a value, good as long as that; null when it is none. A zero byte stands behind it.
/// There may be zero bytes in it: only `length`, unless null, tells where it ends then.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_value_text(
    value: *const lcast_value,
    length: Option<&mut MaybeUninit<usize>>,
) -> *const c_char {
    self::value(ptr::null(), || {
        let tree = handles::of(value)?.tree();
        let Tree::Text(text) = &*tree else { return Err(tree.is_no("text")) };
        told(length, text.len());
        Ok(text.as_ptr())
    })
}

/// The bytes of a value, good as long as that; null when it is none.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_value_bytes(
    value: *const lcast_value,
    length: Option<&mut MaybeUninit<usize>>,
) -> *const u8 {
    self::value(ptr::null(), || {
        let tree = handles::of(value)?.tree();
        let Tree::Bytes(bytes) = &*tree else { return Err(tree.is_no("bytes")) };
        told(length, bytes.len());
        Ok(bytes.as_ptr())
    })
}

/// How many entries a list or a map has.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_value_count(value: *const lcast_value) -> usize {
    self::value(0, || match &*handles::of(value)?.tree() {
        Tree::List(items, _) => Ok(items.len()),
        Tree::Map(items, _) => Ok(items.len()),
        other => Err(other.is_no("list or map")),
    })
}

/// An entry of a list, or of a map in order of key; it ends with what `value` ends with.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_value_at(value: *const lcast_value, index: usize) -> *const lcast_value {
    self::value(ptr::null(), || {
        let tree = handles::of(value)?.tree();
        let (item, count) = match &*tree {
            Tree::List(items, _) => (items.get(index), items.len()),
            Tree::Map(items, _) => (items.get(index).map(|(_, it)| it), items.len()),
            other => return Err(other.is_no("list or map")),
        };
        part(value, item.ok_or_else(|| beyond(index, count))?)
    })
}

/// The key of an entry of a map, good as long as the map, also where that is added to. Of zero
/// bytes in it: see lcast_value_text.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_value_key(
    value: *const lcast_value,
    index: usize,
    length: Option<&mut MaybeUninit<usize>>,
) -> *const c_char {
    self::value(ptr::null(), || {
        let tree = handles::of(value)?.tree();
        let Tree::Map(items, _) = &*tree else { return Err(tree.is_no("map")) };
        let (key, _) = items.get(index).ok_or_else(|| beyond(index, items.len()))?;
        told(length, key.len());
        Ok(key.as_ptr())
    })
}

/// The entry of a map with this key; null when there is none, which is no error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lcast_value_find(
    value: *const lcast_value,
    key: *const c_char,
) -> *const lcast_value {
    self::value(ptr::null(), || {
        // SAFETY: see the module.
        let key = unsafe { incoming::text(key, "key") }?;
        let tree = handles::of(value)?.tree();
        let Tree::Map(items, _) = &*tree else { return Err(tree.is_no("map")) };
        match items.binary_search_by(|(it, _)| it.as_str().cmp(key)) {
            Ok(index) => part(value, &items[index].1),
            Err(_) => Ok(ptr::null()),
        }
    })
}

fn part(holder: *const lcast_value, item: &Arc<Tree>) -> Result<*const lcast_value, Failure> {
    let part = Arc::as_ptr(item).addr();
    handles::lend::<lcast_value, lcast_value>(holder, part, Cell::part(Arc::clone(item)))
}

fn told(length: Option<&mut MaybeUninit<usize>>, found: usize) {
    if let Some(length) = length {
        length.write(found);
    }
}

/// Writes a value for people into a buffer of `size` bytes, with a zero byte behind it: a text as
/// it is, bytes as hexadecimal digits, all else as JSON has it. `length`, unless null, is how long
/// it is without the zero byte. `LCAST_TOO_SMALL` when the buffer has no room for all of it; it
/// holds as much as fits then. The buffer may be null when its size is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lcast_value_print(
    value: *const lcast_value,
    buffer: *mut c_char,
    size: usize,
    length: Option<&mut MaybeUninit<usize>>,
) -> lcast_status {
    call(|| {
        let text = handles::of(value)?.tree().print();
        if buffer.is_null() && size > 0 {
            return Err(Failure::null("buffer"));
        }
        told(length, text.len());
        let mut fitting = text.len().min(size.saturating_sub(1));
        while !text.is_char_boundary(fitting) {
            fitting -= 1;
        }
        if size > 0 {
            // SAFETY: the buffer is not null and has room for `size` bytes, of which these and the
            // zero are at most as many; it is no part of the text, which was made just now.
            unsafe {
                ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast::<u8>(), fitting);
                buffer.add(fitting).write(0);
            }
        }
        if fitting < text.len() || size == 0 {
            let message = format!("the value has {} bytes, and the buffer {size}", text.len());
            return Err(Failure::new(lcast_status::LCAST_TOO_SMALL, message));
        }
        Ok(())
    })
}

/// Makes a null.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_value_new_null(
    value: Option<&mut MaybeUninit<*mut lcast_value>>,
) -> lcast_status {
    made(value, || Ok(Tree::Null))
}

/// Makes a bool: false of zero, else true.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_value_new_bool(
    content: c_int,
    value: Option<&mut MaybeUninit<*mut lcast_value>>,
) -> lcast_status {
    made(value, || Ok(Tree::Bool(content != 0)))
}

/// Makes an int.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_value_new_int(
    content: i64,
    value: Option<&mut MaybeUninit<*mut lcast_value>>,
) -> lcast_status {
    made(value, || Ok(Tree::Int(content)))
}

/// Makes a float.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_value_new_float(
    content: f64,
    value: Option<&mut MaybeUninit<*mut lcast_value>>,
) -> lcast_status {
    made(value, || Ok(Tree::Float(content)))
}

/// Makes a text of `length` bytes of UTF-8, in which there may be zero bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lcast_value_new_text(
    content: *const c_char,
    length: usize,
    value: Option<&mut MaybeUninit<*mut lcast_value>>,
) -> lcast_status {
    made(value, || {
        // SAFETY: see the module.
        Ok(Tree::Text(Text::new(unsafe { incoming::text_of(content, length, "content") }?)))
    })
}

/// Makes a value of bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lcast_value_new_bytes(
    content: *const u8,
    length: usize,
    value: Option<&mut MaybeUninit<*mut lcast_value>>,
) -> lcast_status {
    made(value, || {
        // SAFETY: see the module.
        Ok(Tree::Bytes(unsafe { incoming::bytes(content, length, "content") }?.to_vec()))
    })
}

/// Makes a timestamp: milliseconds since 1970-01-01T00:00:00Z.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_value_new_timestamp(
    millis: i64,
    value: Option<&mut MaybeUninit<*mut lcast_value>>,
) -> lcast_status {
    made(value, || Ok(Tree::Timestamp(millis)))
}

/// Makes an empty list, to be filled by `lcast_value_push`.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_value_new_list(
    value: Option<&mut MaybeUninit<*mut lcast_value>>,
) -> lcast_status {
    made(value, || Ok(Tree::list(Vec::new())))
}

/// Makes an empty map, to be filled by `lcast_value_put`.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_value_new_map(
    value: Option<&mut MaybeUninit<*mut lcast_value>>,
) -> lcast_status {
    made(value, || Ok(Tree::map(Vec::new())))
}

fn made(
    value: Option<&mut MaybeUninit<*mut lcast_value>>,
    make: impl FnOnce() -> Result<Tree, Failure>,
) -> lcast_status {
    call(|| {
        let value = handles::place(value, "value")?;
        value.put(Cell::own(make()?));
        Ok(())
    })
}

/// Adds a copy of `item` to a list that the program made. `LCAST_INVALID` where it becomes more
/// than a reply carries, or is nested too deep.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_value_push(
    list: *mut lcast_value,
    item: *const lcast_value,
) -> lcast_status {
    call(|| {
        let item = handles::of(item)?.tree();
        handles::of(list.cast_const())?.change(|list| Tree::push(list, item))
    })
}

/// Puts a copy of `item` into a map that the program made. The key has `length` bytes of UTF-8;
/// what was there under this key goes. `LCAST_INVALID` as of `lcast_value_push`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lcast_value_put(
    map: *mut lcast_value,
    key: *const c_char,
    length: usize,
    item: *const lcast_value,
) -> lcast_status {
    call(|| {
        // SAFETY: see the module.
        let key = unsafe { incoming::text_of(key, length, "key") }?;
        let item = handles::of(item)?.tree();
        handles::of(map.cast_const())?.change(|map| Tree::put(map, key, item))
    })
}

/// Frees a value that the program made or was given; null is fine. Those of an event, and parts of
/// others, are refused: they end with what they were got from.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_value_free(value: *mut lcast_value) -> lcast_status {
    call(|| handles::take(value).map(drop))
}

pub(crate) fn type_of(tree: &Tree) -> lcast_type {
    match tree {
        Tree::Null => lcast_type::LCAST_NULL,
        Tree::Bool(_) => lcast_type::LCAST_BOOL,
        Tree::Int(_) => lcast_type::LCAST_INT,
        Tree::Float(_) => lcast_type::LCAST_FLOAT,
        Tree::Text(_) => lcast_type::LCAST_TEXT,
        Tree::Bytes(_) => lcast_type::LCAST_BYTES,
        Tree::Timestamp(_) => lcast_type::LCAST_TIMESTAMP,
        Tree::List(..) => lcast_type::LCAST_LIST,
        Tree::Map(..) => lcast_type::LCAST_MAP,
    }
}
