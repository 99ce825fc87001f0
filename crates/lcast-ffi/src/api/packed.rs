//! Many events in one call, as flat bytes.
//!
//! They are for bindings by a foreign-function interface, where each call costs more than reading
//! some bytes.
//!
//! `lcast_next_packed` gives a value of the type `LCAST_BYTES`, to be read by `lcast_value_bytes`
//! and freed by `lcast_value_free`. Numbers in it are little-endian. A part is a length of 32
//! bits and so many bytes; a text is a part without a zero byte behind it.
//!
//! The bytes are events, each of them a part: kind and class (a byte each), how many are lost (64
//! bits); the texts node, reason and message; then a part with the items, one with the names that
//! were removed (each a text), and one with the report, empty for other events.
//!
//! An item: the texts name, unit, version, result and detail; the time in milliseconds, the age in
//! milliseconds, how many were skipped (64 bits each); the value as a part, empty when there is
//! none.
//!
//! A report: whether it is complete, was heard, was sent (a byte each); how many were expected,
//! are alive, answered, and how many rounds (32 bits each); the microseconds that it took (64
//! bits); then for each class from `LCAST_CLASS_EMPTY` to `LCAST_CLASS_BEHIND` a part with its
//! nodes: the texts name, reason and message, when it was last heard (64 bits), whether the outcome
//! is unknown (a byte).
//!
//! A value: its type (a byte); then a byte of a bool, 64 bits of an int, a float or a timestamp,
//! the bytes of a text or of bytes, the entries of a list as parts, or for each entry of a map its
//! key as a text and its value as a part.

use std::mem::MaybeUninit;

use super::errors::lcast_status;
use super::question::lcast_stream;
use super::value::lcast_value;
use crate::failure::{Failure, call};
use crate::tree::{Cell, Tree};
use crate::{handles, incoming, packed};

/// The next events of a stream, `most` at most and those that are there, as bytes to be freed by
/// `lcast_value_free`; see lcast_packed(3) for what is in them. Waits for the first of them, and
/// says how that ended, as `lcast_next_event` does.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_next_packed(
    stream: *const lcast_stream,
    timeout_ms: i64,
    most: usize,
    events: Option<&mut MaybeUninit<*mut lcast_value>>,
) -> lcast_status {
    call(|| {
        let place = handles::place(events, "events")?;
        let timeout = incoming::timeout(timeout_ms)?;
        if most == 0 {
            return Err(Failure::invalid("'most' is 0: no event is wanted"));
        }
        let mut bytes = Vec::new();
        handles::of(stream)?.batch(timeout, most, |event| packed::event(&event, &mut bytes))?;
        place.put(Cell::own(Tree::Bytes(bytes)));
        Ok(())
    })
}

/// The same bytes for one value, whose type and content they are; to be freed by
/// `lcast_value_free`.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_value_pack(
    value: *const lcast_value,
    packed: Option<&mut MaybeUninit<*mut lcast_value>>,
) -> lcast_status {
    call(|| {
        let place = handles::place(packed, "packed")?;
        let mut bytes = Vec::new();
        packed::tree(&handles::of(value)?.tree(), &mut bytes);
        place.put(Cell::own(Tree::Bytes(bytes)));
        Ok(())
    })
}
