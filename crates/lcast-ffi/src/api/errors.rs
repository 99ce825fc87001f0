//! Statuses, and what went wrong last.
//!
//! Most functions return an `lcast_status`: `LCAST_OK`, or why they did nothing. Those that give
//! something else give null, zero or -1 then. Either way `lcast_last_error` says it in words, and
//! `lcast_last_status` by its status, for the calling thread, until something else goes wrong in
//! it. What goes right changes neither.

use std::ffi::{CStr, c_char};

use crate::{failure, handles};

/// What became of a call.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum lcast_status {
    /// It was done.
    LCAST_OK = 0,
    /// The stream has ended; nothing went wrong.
    LCAST_END = 1,
    /// Nothing came in time.
    LCAST_TIMEOUT = 2,
    /// A signal came while waiting; call again to wait on.
    LCAST_INTERRUPTED = 3,
    /// An argument is none: null, no UTF-8, out of range, no live handle, no pattern, no name.
    LCAST_INVALID = 4,
    /// There is no such realm, or it is not clear which is meant.
    LCAST_NO_REALM = 5,
    /// The credential is damaged, expired, or not there.
    LCAST_CREDENTIAL = 6,
    /// The system does not let this user read or do that.
    LCAST_PERMISSION = 7,
    /// The node cannot be started: the state, the sockets or a thread.
    LCAST_START = 8,
    /// There is no network to send on.
    LCAST_NETWORK = 9,
    /// As many as there may be: open questions, file descriptors, handles.
    LCAST_LIMIT = 10,
    /// Another process has the state.
    LCAST_BUSY = 11,
    /// The node has left, or what it stood on is gone.
    LCAST_ENDED = 12,
    /// It was made by the process of which this one is a fork.
    LCAST_FORKED = 13,
    /// The buffer is too small; the length that it needs was told.
    LCAST_TOO_SMALL = 14,
    /// An error of the library itself.
    LCAST_INTERNAL = 15,
}

/// The version of the library, like "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn lcast_version() -> *const c_char {
    const VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => c"",
        };
    VERSION.as_ptr()
}

/// What went wrong last in this thread, in words; empty when nothing did. The text is good until
/// something else goes wrong in this thread.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_last_error() -> *const c_char {
    failure::last_message()
}

/// The status of what went wrong last in this thread; `LCAST_OK` when nothing did.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_last_status() -> lcast_status {
    failure::last_status()
}

/// The word for a status, like "no_realm": the same in every language. Null for a number that is
/// none.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_status_name(status: i32) -> *const c_char {
    const NAMES: [&CStr; 16] = [
        c"ok",
        c"end",
        c"timeout",
        c"interrupted",
        c"invalid",
        c"no_realm",
        c"credential",
        c"permission",
        c"start",
        c"network",
        c"limit",
        c"busy",
        c"ended",
        c"forked",
        c"too_small",
        c"internal",
    ];
    let name = usize::try_from(status).ok().and_then(|index| NAMES.get(index));
    name.map_or(std::ptr::null(), |name| name.as_ptr())
}

/// How many handles are alive in this process: what was given out and not freed, and what lends
/// from it. To find what was forgotten.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_handle_count() -> usize {
    failure::value(0, handles::live)
}
