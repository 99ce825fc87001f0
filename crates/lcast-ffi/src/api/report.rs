//! The account at the end of a question, or of the beginning of a watch.
//!
//! A report is an event of the kind `LCAST_EVENT_REPORT`. Every expected node is in exactly one
//! class, so the counts of all classes together are `lcast_report_expected`.

use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;

use lcast::Report;

use super::event::{beyond, lcast_class, lcast_event};
use crate::event::{Account, Event, Listed};
use crate::failure::{Failure, value};
use crate::handles;

/// How many nodes were expected.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_report_expected(report: *const lcast_event) -> u32 {
    value(0, || of(report, |it| it.expected))
}

/// How many of them presence held alive when the question ended, or spoke.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_report_alive(report: *const lcast_event) -> u32 {
    value(0, || of(report, |it| it.alive))
}

/// Not zero when every expected node answered or had nothing to say.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_report_is_complete(report: *const lcast_event) -> i32 {
    value(0, || of(report, |it| i32::from(it.is_complete())))
}

/// How many times the question was sent to all.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_report_rounds(report: *const lcast_event) -> u32 {
    value(0, || of(report, |it| it.rounds))
}

/// From the first packet to the end, in microseconds.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_report_elapsed_us(report: *const lcast_event) -> i64 {
    value(0, || of(report, elapsed_us))
}

pub(crate) fn elapsed_us(report: &Report) -> i64 {
    i64::try_from(report.elapsed.as_micros()).unwrap_or(i64::MAX)
}

/// Not zero when any packet of any other node was verified, whatever it said.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_report_heard(report: *const lcast_event) -> i32 {
    value(0, || of(report, |it| i32::from(it.heard)))
}

/// Not zero when at least one socket of the realm could send the question.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_report_sent(report: *const lcast_event) -> i32 {
    value(0, || of(report, |it| i32::from(it.sent)))
}

/// How many nodes ended in a class (an `lcast_class`). Those that answered are counted, not listed:
/// their names are those of the replies.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_report_count(report: *const lcast_event, class: i32) -> usize {
    value(0, || {
        let event = handles::of(report)?;
        let account = account(&event)?;
        if class == lcast_class::LCAST_CLASS_ANSWERED as i32 {
            return Ok(account.report.answered as usize);
        }
        Ok(nodes(account, class)?.len())
    })
}

/// The name of a node of a class; they are in order of name.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_report_node(
    report: *const lcast_event,
    class: i32,
    index: usize,
) -> *const c_char {
    value(ptr::null(), || listed(report, class, index, |it| it.node.as_ptr()))
}

/// A word for why it is in the class, like "no_match" or "role"; of a node that was not heard its
/// presence: "alive", "suspect", "gone", "left" or "never".
#[unsafe(no_mangle)]
pub extern "C" fn lcast_report_reason(
    report: *const lcast_event,
    class: i32,
    index: usize,
) -> *const c_char {
    value(ptr::null(), || listed(report, class, index, |it| it.reason.as_ptr()))
}

/// One sentence of a node that failed or refused; see lcast_event_message.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_report_message(
    report: *const lcast_event,
    class: i32,
    index: usize,
) -> *const c_char {
    value(ptr::null(), || listed(report, class, index, |it| it.message.as_ptr()))
}

/// When anything of a late or missing node was last heard: milliseconds since 1970; -1 for never.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_report_last_heard_ms(
    report: *const lcast_event,
    class: i32,
    index: usize,
) -> i64 {
    value(-1, || listed(report, class, index, |it| it.last_heard_ms.unwrap_or(-1)))
}

/// Not zero when what was asked of a late or missing node may have been done all the same: a set
/// whose answer was lost.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_report_outcome_unknown(
    report: *const lcast_event,
    class: i32,
    index: usize,
) -> i32 {
    value(0, || listed(report, class, index, |it| i32::from(it.outcome_unknown)))
}

fn of<T>(report: *const lcast_event, read: impl FnOnce(&Report) -> T) -> Result<T, Failure> {
    Ok(read(&account(&handles::of(report)?)?.report))
}

fn account(event: &Arc<Event>) -> Result<&Account, Failure> {
    let none = || Failure::invalid("this event is no report: see lcast_event_kind_of");
    event.report.as_ref().ok_or_else(none)
}

fn nodes(account: &Account, class: i32) -> Result<&[Listed], Failure> {
    account.nodes(class).ok_or_else(|| Failure::invalid(format!("there is no class {class}")))
}

fn listed<T>(
    report: *const lcast_event,
    class: i32,
    index: usize,
    read: impl FnOnce(&Listed) -> T,
) -> Result<T, Failure> {
    let event = handles::of(report)?;
    let nodes = nodes(account(&event)?, class)?;
    Ok(read(nodes.get(index).ok_or_else(|| beyond(index, nodes.len()))?))
}
