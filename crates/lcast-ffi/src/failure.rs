//! What goes wrong: a status for programs, the last text for people, and no panic beyond here.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use lcast::blocking::{Error, Kind};
use lcast::lcast_proto::value::ExtentError;

use crate::api::errors::lcast_status;
use crate::registry::Refused;

/// Why a function did not do what it is for.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: lcast_status,
    pub(crate) message: String,
}

/// What went wrong last in a thread.
struct Last {
    status: lcast_status,
    message: CString,
}

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

impl Failure {
    pub(crate) fn new(status: lcast_status, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// An argument that is none.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(lcast_status::LCAST_INVALID, message)
    }

    /// An argument that must not be null.
    pub(crate) fn null(what: &str) -> Self {
        Self::invalid(format!("'{what}' is null"))
    }

    /// The end of a stream.
    pub(crate) fn end() -> Self {
        Self::new(lcast_status::LCAST_END, "the stream has ended")
    }

    /// Something of the library below that this one does not know.
    pub(crate) fn unknown(what: &impl std::fmt::Debug) -> Self {
        Self::new(lcast_status::LCAST_INTERNAL, format!("this library does not know {what:?}"))
    }

    /// A handle of the kind that `wanted` names.
    pub(crate) fn handle(refused: Refused, wanted: &str) -> Self {
        match refused {
            Refused::Foreign => Self::invalid(format!("this is no {wanted} of this library")),
            Refused::Freed => Self::invalid(format!("this {wanted} was freed")),
            Refused::Lent => Self::invalid(format!(
                "this {wanted} belongs to what it was got from, and is freed with that"
            )),
            Refused::Forked => Self::new(
                lcast_status::LCAST_FORKED,
                format!("this {wanted} was made by the process of which this one is a fork"),
            ),
            Refused::Full => Self::new(
                lcast_status::LCAST_LIMIT,
                "there are as many handles as there may be: free some",
            ),
        }
    }
}

impl From<ExtentError> for Failure {
    fn from(error: ExtentError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            Kind::Invalid => lcast_status::LCAST_INVALID,
            Kind::NoRealm => lcast_status::LCAST_NO_REALM,
            Kind::Credential => lcast_status::LCAST_CREDENTIAL,
            Kind::Permission => lcast_status::LCAST_PERMISSION,
            Kind::Start => lcast_status::LCAST_START,
            Kind::Network => lcast_status::LCAST_NETWORK,
            Kind::Limit => lcast_status::LCAST_LIMIT,
            Kind::Busy => lcast_status::LCAST_BUSY,
            Kind::Ended => lcast_status::LCAST_ENDED,
            Kind::Forked => lcast_status::LCAST_FORKED,
            Kind::Timeout => lcast_status::LCAST_TIMEOUT,
            Kind::Interrupted => lcast_status::LCAST_INTERRUPTED,
            _ => lcast_status::LCAST_INTERNAL,
        };
        Self::new(status, error.to_string())
    }
}

/// Runs what a function does, and remembers why it did not.
pub(crate) fn call(run: impl FnOnce() -> Result<(), Failure>) -> lcast_status {
    match caught(run) {
        Ok(()) => lcast_status::LCAST_OK,
        Err(failure) => remember(failure),
    }
}

/// The same for a function that gives a value rather than a status.
pub(crate) fn value<T>(otherwise: T, run: impl FnOnce() -> Result<T, Failure>) -> T {
    caught(run).unwrap_or_else(|failure| {
        remember(failure);
        otherwise
    })
}

/// A panic must not unwind into C.
fn caught<T>(run: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        let message = "an error of Librecast itself (a panic); stderr says where";
        Err(Failure::new(lcast_status::LCAST_INTERNAL, message))
    })
}

fn remember(failure: Failure) -> lcast_status {
    let Failure { status, message } = failure;
    let message = CString::new(message.replace('\0', "\u{fffd}")).unwrap_or_default();
    // In a thread that is ending nobody can ask any more.
    let _ = LAST.try_with(|last| *last.borrow_mut() = Some(Last { status, message }));
    status
}

/// The status of what went wrong last in this thread.
pub(crate) fn last_status() -> lcast_status {
    let status = |last: &RefCell<Option<Last>>| last.borrow().as_ref().map(|it| it.status);
    LAST.try_with(status).ok().flatten().unwrap_or(lcast_status::LCAST_OK)
}

/// The text of it: good until something else goes wrong in this thread.
pub(crate) fn last_message() -> *const c_char {
    const NONE: &CStr = c"";
    let message = |last: &RefCell<Option<Last>>| {
        last.borrow().as_ref().map_or(NONE.as_ptr(), |it| it.message.as_ptr())
    };
    LAST.try_with(message).unwrap_or(NONE.as_ptr())
}
