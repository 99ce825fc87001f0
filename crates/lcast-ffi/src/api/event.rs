//! What a stream gives: replies, reports, changes.
//!
//! An event is read by a few functions, whatever its kind; what a kind does not have is empty or
//! zero. Texts are UTF-8 and good as long as the event. Its values are handles that need no
//! freeing: they end with it.

use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;

use super::errors::lcast_status;
use super::value::lcast_value;
use crate::event::{Event, Item};
use crate::failure::{Failure, call, value};
use crate::handles;
use crate::tree::Cell;

/// An event.
pub struct lcast_event {
    _opaque: [u8; 0],
}

/// What an event is about.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum lcast_event_kind {
    /// Nothing that this version knows.
    LCAST_EVENT_NONE = 0,
    /// What a node said to a question, or holds when a watch begins.
    LCAST_EVENT_REPLY = 1,
    /// The account of who said what; see lcast_report_count.
    LCAST_EVENT_REPORT = 2,
    /// A node is in the watch from here on: it joined, came back, or its predicate began to hold.
    LCAST_EVENT_ENTERED = 3,
    /// Values of a node have changed.
    LCAST_EVENT_CHANGED = 4,
    /// A node is no longer in the watch.
    LCAST_EVENT_LEFT = 5,
    /// The program was too slow: events are lost.
    LCAST_EVENT_OVERFLOW = 6,
    /// The presence of a node has changed.
    LCAST_EVENT_PRESENCE = 7,
    /// Somebody wrote a setting of this node.
    LCAST_EVENT_SETTING = 8,
}

/// The classes that expected nodes end in.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum lcast_class {
    /// No class.
    LCAST_CLASS_NONE = 0,
    /// Said what was asked.
    LCAST_CLASS_ANSWERED = 1,
    /// Said that it has nothing to say.
    LCAST_CLASS_EMPTY = 2,
    /// Tried and failed.
    LCAST_CLASS_ERROR = 3,
    /// Would not.
    LCAST_CLASS_REFUSED = 4,
    /// Said that it is at work, but not the answer before the deadline.
    LCAST_CLASS_LATE = 5,
    /// Said nothing.
    LCAST_CLASS_MISSING = 6,
    /// No class of its own: holds an older member list than the one in force here.
    LCAST_CLASS_BEHIND = 7,
}

/// What the event is about.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_event_kind_of(event: *const lcast_event) -> lcast_event_kind {
    value(lcast_event_kind::LCAST_EVENT_NONE, || Ok(handles::of(event)?.kind))
}

/// The certified name of the node that it is about; empty for a report, an overflow and a setting.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_event_node(event: *const lcast_event) -> *const c_char {
    value(ptr::null(), || Ok(handles::of(event)?.node.as_ptr()))
}

/// Of a reply: the class that the node ends in.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_event_class(event: *const lcast_event) -> lcast_class {
    value(lcast_class::LCAST_CLASS_NONE, || Ok(handles::of(event)?.class))
}

/// A word for why, like "no_match", "role" or "gone": of a reply without values, of a node that
/// left a watch, of presence ("alive", "suspect", "gone", "left").
#[unsafe(no_mangle)]
pub extern "C" fn lcast_event_reason(event: *const lcast_event) -> *const c_char {
    value(ptr::null(), || Ok(handles::of(event)?.reason.as_ptr()))
}

/// One sentence of the node that failed or refused, for people. It comes from another node: mind
/// control characters before you print it.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_event_message(event: *const lcast_event) -> *const c_char {
    value(ptr::null(), || Ok(handles::of(event)?.message.as_ptr()))
}

/// How many events before the next one are lost; of `LCAST_EVENT_OVERFLOW`.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_event_lost(event: *const lcast_event) -> u64 {
    value(0, || Ok(handles::of(event)?.lost))
}

/// How many items it has: variables with their values, or settings with what became of them.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_event_count(event: *const lcast_event) -> usize {
    value(0, || Ok(handles::of(event)?.items.len()))
}

/// The full name of an item, keys included.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_event_name(event: *const lcast_event, index: usize) -> *const c_char {
    value(ptr::null(), || Ok(item(&*handles::of(event)?, index)?.name.as_ptr()))
}

/// The unit of an item as UCUM writes it; empty where there is none.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_event_unit(event: *const lcast_event, index: usize) -> *const c_char {
    value(ptr::null(), || Ok(item(&*handles::of(event)?, index)?.unit.as_ptr()))
}

/// The value of an item; it ends with the event. Null for what became of a setting.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_event_value(event: *const lcast_event, index: usize) -> *const lcast_value {
    value(ptr::null(), || {
        let found = handles::of(event)?;
        let Some(tree) = &item(&found, index)?.value else { return Ok(ptr::null()) };
        let part = Arc::as_ptr(tree).addr();
        handles::lend::<lcast_event, lcast_value>(event, part, Cell::part(Arc::clone(tree)))
    })
}

/// The version of an item, like "3.7": what `if_version` takes. Empty where it is not known.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_event_version(event: *const lcast_event, index: usize) -> *const c_char {
    value(ptr::null(), || Ok(item(&*handles::of(event)?, index)?.version.as_ptr()))
}

/// When the value was read, by the wall clock of its node: milliseconds since 1970.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_event_time_ms(event: *const lcast_event, index: usize) -> i64 {
    value(0, || Ok(item(&*handles::of(event)?, index)?.time_ms))
}

/// How old the value was when the node sent it, whatever the clocks say.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_event_age_ms(event: *const lcast_event, index: usize) -> u64 {
    value(0, || Ok(item(&*handles::of(event)?, index)?.age_ms))
}

/// How many values the variable had in between that this watch did not see.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_event_skipped(event: *const lcast_event, index: usize) -> u64 {
    value(0, || Ok(item(&*handles::of(event)?, index)?.skipped))
}

/// What became of a setting: "applied", "unchanged", "invalid", "conflict", "no_such_variable" or
/// "storage". Empty for a variable.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_event_result(event: *const lcast_event, index: usize) -> *const c_char {
    value(ptr::null(), || Ok(item(&*handles::of(event)?, index)?.result.as_ptr()))
}

/// One sentence of the node about what became of a setting; see lcast_event_message.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_event_detail(event: *const lcast_event, index: usize) -> *const c_char {
    value(ptr::null(), || Ok(item(&*handles::of(event)?, index)?.message.as_ptr()))
}

/// How many variables have no value any more.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_event_removed_count(event: *const lcast_event) -> usize {
    value(0, || Ok(handles::of(event)?.removed.len()))
}

/// The name of a variable that has no value any more.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_event_removed(event: *const lcast_event, index: usize) -> *const c_char {
    value(ptr::null(), || {
        let event = handles::of(event)?;
        Ok(event.removed.get(index).ok_or_else(|| beyond(index, event.removed.len()))?.as_ptr())
    })
}

/// Frees an event and what belongs to it; null is fine.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_event_free(event: *mut lcast_event) -> lcast_status {
    call(|| handles::take(event).map(drop))
}

fn item(event: &Event, index: usize) -> Result<&Item, Failure> {
    event.items.get(index).ok_or_else(|| beyond(index, event.items.len()))
}

/// An index that is none.
pub(super) fn beyond(index: usize, count: usize) -> Failure {
    Failure::invalid(format!("there is no entry {index}: there are {count}, counted from 0"))
}
