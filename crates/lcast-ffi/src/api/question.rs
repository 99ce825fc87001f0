//! Questions, watches and their streams.
//!
//! `lcast_get`, `lcast_set`, `lcast_watch` and `lcast_presence` give a stream at once. It is read
//! by `lcast_next_event`, which waits, or in an event loop: the descriptor of `lcast_stream_fd` can
//! be read exactly while an event waits or the stream has ended, so call `lcast_next_event` with a
//! timeout of 0 until it says `LCAST_TIMEOUT`.
//!
//! The replies to a question come as they arrive, each node's at most once; then comes the report,
//! an event of its own, and then `LCAST_END`. A question that could not be asked says why in place
//! of the report. A silent node is no error: it stands in the report. A watch goes on until it is
//! cancelled, freed, or its node is closed.
//!
//! Several threads may read one stream: each event goes to one of them.

use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;
use std::sync::Arc;

use lcast::blocking::Question;
use lcast::lcast_proto::variable::{Assigned, Version};

use super::errors::lcast_status;
use super::event::{lcast_event, lcast_event_kind};
use super::node::lcast_node;
use super::value::lcast_value;
use crate::failure::{Failure, call, value};
use crate::handles;
use crate::incoming;
use crate::source::Source;

/// A stream of events.
pub struct lcast_stream {
    _opaque: [u8; 0],
}

/// Which nodes are asked, and how. Set `size` to `sizeof(lcast_question_options)` and the rest to
/// zero, then what differs from the default: all nodes. An option for a set or for a watch is
/// invalid elsewhere.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lcast_question_options {
    /// `sizeof(lcast_question_options)`.
    pub size: usize,
    /// Only nodes whose name matches one of these globs, like "web*,db1".
    pub on: *const c_char,
    /// Not the nodes whose name matches one of these globs.
    pub except: *const c_char,
    /// Only nodes with all of these certified labels, each like "role=web".
    pub labels: *const *const c_char,
    /// How many `labels` there are.
    pub label_count: usize,
    /// Only nodes where this predicate is true, like "system.cpu.load_1m > 2.0".
    pub matching: *const c_char,
    /// Only nodes of these names, separated by commas; an empty text is nobody. What no node can be
    /// called is invalid, also nothing, as behind a last comma.
    pub only: *const c_char,
    /// These names must answer, known to the realm or not; a text as that of `only`.
    pub expect: *const c_char,
    /// Bounds the whole question. 0: a second, three while answers still trickle in.
    pub timeout_ms: i64,
    /// For a set of one setting: only where it still has this version, like "3.7".
    pub if_version: *const c_char,
    /// For a watch: tell the values this often, changed or not, 10 at least. 0: when they change.
    pub every_ms: i64,
    /// For a watch: tell a number only when it is at least so far from what was told last. 0: each
    /// change.
    pub delta: f64,
    /// For a set, not zero: only say what would happen; nothing is written.
    pub dry_run: i32,
}

/// A setting and what to write: one of `text` and `value`, the other is null.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lcast_assignment {
    /// The name of the setting.
    pub name: *const c_char,
    /// A text, read at each node by the setting's type.
    pub text: *const c_char,
    /// A value of the setting's type.
    pub value: *const lcast_value,
}

/// Asks for all variables that any of the `count` patterns matches, like "system.cpu.*"; no pattern
/// at all and more than 64 are invalid. Null options: all nodes are asked.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lcast_get(
    node: *const lcast_node,
    patterns: *const *const c_char,
    count: usize,
    options: *const lcast_question_options,
    replies: Option<&mut MaybeUninit<*mut lcast_stream>>,
) -> lcast_status {
    call(|| {
        let replies = handles::place(replies, "replies")?;
        // SAFETY: see the module.
        let patterns = unsafe { incoming::texts(patterns, count, "patterns") }?;
        let question = handles::of(node)?.node.get(&patterns)?;
        // SAFETY: as above.
        unsafe { ask(question, options, replies) }
    })
}

/// Writes one setting. The text is read at each node by the setting's type, as "librecast set
/// NAME=TEXT" does; the replies say what became of it at each.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lcast_set(
    node: *const lcast_node,
    name: *const c_char,
    text: *const c_char,
    options: *const lcast_question_options,
    replies: Option<&mut MaybeUninit<*mut lcast_stream>>,
) -> lcast_status {
    call(|| {
        let replies = handles::place(replies, "replies")?;
        // SAFETY: see the module.
        let (name, text) =
            unsafe { (incoming::text(name, "name")?, incoming::text(text, "text")?) };
        let question = handles::of(node)?.node.set(name, text)?;
        // SAFETY: as above.
        unsafe { ask(question, options, replies) }
    })
}

/// The same with a value of the setting's type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lcast_set_value(
    node: *const lcast_node,
    name: *const c_char,
    value: *const lcast_value,
    options: *const lcast_question_options,
    replies: Option<&mut MaybeUninit<*mut lcast_stream>>,
) -> lcast_status {
    call(|| {
        let replies = handles::place(replies, "replies")?;
        // SAFETY: see the module.
        let name = unsafe { incoming::text(name, "name") }?;
        let value = (&*handles::of(value)?.tree()).into();
        let question = handles::of(node)?.node.set_value(name, value)?;
        // SAFETY: as above.
        unsafe { ask(question, options, replies) }
    })
}

/// Writes `count` settings, at each node all or none of them. A set of none, of more than 64 or of
/// one setting twice is not asked, nor one of several with `if_version`: its stream says
/// `LCAST_INVALID`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lcast_set_all(
    node: *const lcast_node,
    assignments: *const lcast_assignment,
    count: usize,
    options: *const lcast_question_options,
    replies: Option<&mut MaybeUninit<*mut lcast_stream>>,
) -> lcast_status {
    call(|| {
        let replies = handles::place(replies, "replies")?;
        // SAFETY: see the module.
        let given = unsafe { incoming::structs(assignments, count, "assignments") }?;
        // SAFETY: as above.
        let assigned = given.iter().map(|it| unsafe { assigned(it) }).collect::<Result<_, _>>()?;
        let question = handles::of(node)?.node.set_all_values(assigned)?;
        // SAFETY: as above.
        unsafe { ask(question, options, replies) }
    })
}

/// Asks those that the options pick.
///
/// # Safety
/// As the module says of options.
unsafe fn ask(
    question: Question,
    options: *const lcast_question_options,
    replies: handles::Place<'_, lcast_stream>,
) -> Result<(), Failure> {
    // SAFETY: the caller's.
    let question = unsafe { narrowed(question, options) }?;
    replies.put(Source::from(question.ask()?));
    Ok(())
}

/// # Safety
/// As the module says of what the struct points to.
unsafe fn assigned(given: &lcast_assignment) -> Result<(&str, Assigned), Failure> {
    // SAFETY: the caller's.
    let (name, text) =
        unsafe { (incoming::text(given.name, "name")?, incoming::optional(given.text, "text")?) };
    let assigned = match (text, given.value.is_null()) {
        (Some(text), true) => Assigned::Text(text.to_owned()),
        (None, false) => Assigned::Value((&*handles::of(given.value)?.tree()).into()),
        (_, _) => {
            return Err(Failure::invalid(format!("'{name}' has to have a text or a value")));
        }
    };
    Ok((name, assigned))
}

/// Watches all variables that any of the patterns matches: what they are at first, as replies, then
/// the report, then what changes, on every node that the options pick, those that join later
/// included.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lcast_watch(
    node: *const lcast_node,
    patterns: *const *const c_char,
    count: usize,
    options: *const lcast_question_options,
    watch: Option<&mut MaybeUninit<*mut lcast_stream>>,
) -> lcast_status {
    call(|| {
        let watch = handles::place(watch, "watch")?;
        // SAFETY: see the module.
        let patterns = unsafe { incoming::texts(patterns, count, "patterns") }?;
        let question = handles::of(node)?.node.watch(&patterns)?;
        // SAFETY: as above.
        let question = unsafe { narrowed(question, options) }?;
        watch.put(Source::from(question.subscribe()?));
        Ok(())
    })
}

/// Asks which variables there are. The item of a variable in a reply has its name, with `[*]` in
/// place of keys, its unit, and as its value a map of what else it is: the texts "type", "kind" and
/// "description", and the bool "settable"; of a setting also those that there are of "min" and
/// "max" (floats), "length_max" (an int) and "choices" (a list of texts). Times and versions are
/// not in it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lcast_variables(
    node: *const lcast_node,
    options: *const lcast_question_options,
    replies: Option<&mut MaybeUninit<*mut lcast_stream>>,
) -> lcast_status {
    call(|| {
        let replies = handles::place(replies, "replies")?;
        let question = handles::of(node)?.node.variables()?;
        // SAFETY: see the module.
        let question = unsafe { narrowed(question, options) }?;
        replies.put(Source::from(question.describe()?));
        Ok(())
    })
}

/// Follows whose presence changes from here on; `lcast_members_of` says what it is.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_presence(
    node: *const lcast_node,
    changes: Option<&mut MaybeUninit<*mut lcast_stream>>,
) -> lcast_status {
    call(|| {
        let changes = handles::place(changes, "changes")?;
        changes.put(Source::from(handles::of(node)?.node.presence()?));
        Ok(())
    })
}

/// # Safety
/// As the module says of options.
unsafe fn narrowed(
    mut question: Question,
    options: *const lcast_question_options,
) -> Result<Question, Failure> {
    // SAFETY: the caller's, here and below: what is in the options is as the module says.
    let options = unsafe { incoming::options(options, "options") }?;
    // SAFETY: as above.
    let text = |text, what| unsafe { incoming::optional(text, what) };
    if let Some(globs) = text(options.on, "on")? {
        question = question.on(globs)?;
    }
    if let Some(globs) = text(options.except, "except")? {
        question = question.not(globs)?;
    }
    // SAFETY: as above.
    for label in unsafe { incoming::texts(options.labels, options.label_count, "labels") }? {
        let (key, value) = label.split_once('=').ok_or_else(|| {
            Failure::invalid(format!("'{label}' is no label: write key=value, like role=web"))
        })?;
        question = question.label(key, value)?;
    }
    if let Some(predicate) = text(options.matching, "matching")? {
        question = question.matching(predicate)?;
    }
    let names = |names: &str| match names {
        "" => Vec::new(),
        names => names.split(',').map(|it| it.trim().to_owned()).collect(),
    };
    if let Some(only) = text(options.only, "only")? {
        question = question.only(names(only))?;
    }
    if let Some(expected) = text(options.expect, "expect")? {
        question = question.expect(names(expected))?;
    }
    if options.timeout_ms != 0 {
        question = question.timeout(incoming::span(options.timeout_ms, "timeout_ms")?)?;
    }
    if let Some(version) = text(options.if_version, "if_version")? {
        let version = version.parse::<Version>();
        question = question.if_version(version.map_err(|it| Failure::invalid(it.to_string()))?)?;
    }
    if options.dry_run != 0 {
        question = question.dry_run()?;
    }
    if options.every_ms != 0 {
        question = question.every(incoming::span(options.every_ms, "every_ms")?)?;
    }
    if options.delta != 0.0 {
        question = question.delta(options.delta)?;
    }
    Ok(question)
}

/// The next event of a stream, to be freed by `lcast_event_free`. Waits `timeout_ms` at most: 0 not
/// at all, -1 as long as it takes.
///
/// `LCAST_TIMEOUT` when nothing came, `LCAST_END` at the end, `LCAST_INTERRUPTED` when a signal
/// came. Why a stream ended before its time is told once, by its status, and then `LCAST_END`; of
/// several threads that wait for it, each is told.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_next_event(
    stream: *const lcast_stream,
    timeout_ms: i64,
    event: Option<&mut MaybeUninit<*mut lcast_event>>,
) -> lcast_status {
    call(|| {
        let event = handles::place(event, "event")?;
        let timeout = incoming::timeout(timeout_ms)?;
        let next = handles::of(stream)?.next(timeout)?.ok_or_else(Failure::end)?;
        event.put(next);
        Ok(())
    })
}

/// Drops the replies, waits for the report and gives it: for a question that is asked for its
/// account alone. The timeout is as of `lcast_next_event`; after `LCAST_TIMEOUT` or
/// `LCAST_INTERRUPTED` it can be called again.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_finish(
    stream: *const lcast_stream,
    timeout_ms: i64,
    report: Option<&mut MaybeUninit<*mut lcast_event>>,
) -> lcast_status {
    call(|| {
        let report = handles::place(report, "report")?;
        let source = handles::of(stream)?;
        let until = incoming::timeout(timeout_ms)?
            .and_then(|timeout| std::time::Instant::now().checked_add(timeout));
        loop {
            let now = std::time::Instant::now();
            let left = until.map(|until| until.saturating_duration_since(now));
            let event = source.next(left)?.ok_or_else(Failure::end)?;
            if event.kind == lcast_event_kind::LCAST_EVENT_REPORT {
                report.put(event);
                return Ok(());
            }
        }
    })
}

/// A descriptor for poll, epoll and the like: it can be read exactly while an event waits or the
/// stream has ended. Do not read from it, write to it or close it; it is good until the stream is
/// freed. -1 when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_stream_fd(stream: *const lcast_stream) -> c_int {
    value(-1, || handles::of(stream)?.fd())
}

/// Gives up what the stream is about: what has arrived can still be read, then comes the end, of a
/// question with its report.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_stream_cancel(stream: *const lcast_stream) -> lcast_status {
    call(|| handles::of(stream)?.cancel())
}

/// Gives up what the stream is about and frees its handle; null is fine. Threads that wait in it
/// wake up with `LCAST_ENDED`.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_stream_free(stream: *mut lcast_stream) -> lcast_status {
    call(|| {
        let Some(source) = handles::take(stream)? else { return Ok(()) };
        source.abandon();
        drop::<Arc<Source>>(source);
        Ok(())
    })
}
