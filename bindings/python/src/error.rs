//! Errors as exceptions: one class a kind, all of them Python's, in `lcast/_errors.py`.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Instant;

use lcast::blocking::{Error, Kind};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

use crate::value::span;

/// The classes by the words of the kinds.
static CLASSES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

/// The exception for an error.
pub(crate) fn raised(py: Python<'_>, error: &Error) -> PyErr {
    made(py, error.kind(), error.to_string())
}

/// The exception for an argument that is none.
pub(crate) fn invalid(py: Python<'_>, message: impl Into<String>) -> PyErr {
    made(py, Kind::Invalid, message.into())
}

fn made(py: Python<'_>, kind: Kind, message: String) -> PyErr {
    match class(py, kind) {
        Ok(class) => PyErr::from_type(class, message),
        Err(error) => error,
    }
}

fn class(py: Python<'_>, kind: Kind) -> PyResult<Bound<'_, PyType>> {
    let classes = CLASSES.get_or_try_init(py, || {
        let classes = py.import("lcast._errors")?.getattr("BY_KIND")?;
        Ok::<_, PyErr>(classes.cast_into::<PyDict>()?.unbind())
    })?;
    let class = classes.bind(py).as_any().get_item(kind.as_str())?;
    Ok(class.cast_into::<PyType>()?)
}

/// Calls that are under way.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
/// Whether the interpreter is about to end: no call begins any more.
static SHUT_DOWN: AtomicBool = AtomicBool::new(false);
/// The thread that waits then until no call is under way. No lock, which a fork could leave closed.
static WAITING: OnceLock<Thread> = OnceLock::new();

/// Counts a call that gives up the interpreter's lock, or runs what may give it up: Python code.
pub(crate) struct Call;

impl Call {
    /// Begins one.
    pub(crate) fn begin(py: Python<'_>) -> PyResult<Self> {
        // Counted first: who shuts down waits for whoever does not see it.
        UNDER_WAY.fetch_add(1, Ordering::SeqCst);
        let call = Self;
        if SHUT_DOWN.load(Ordering::SeqCst) {
            return Err(made(py, Kind::Ended, "the interpreter is about to end".to_owned()));
        }
        Ok(call)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // A fork amidst a call, from a signal handler, begins at none.
        let less = |count: usize| count.checked_sub(1);
        let _ = UNDER_WAY.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        if SHUT_DOWN.load(Ordering::SeqCst)
            && let Some(waiting) = WAITING.get()
        {
            waiting.unpark();
        }
    }
}

/// Does something of the library without the interpreter's lock. What panics there is the
/// exception of an internal error: it ends no interpreter.
pub(crate) fn detached<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, Error> + Send,
) -> PyResult<T> {
    let _call = Call::begin(py)?;
    let done = py.detach(|| catch_unwind(AssertUnwindSafe(work)));
    settled(py, done)
}

/// Before the interpreter ends: waits until no call is under way, at most so long. A thread that
/// wanted the interpreter's lock back later would be ended amidst our code.
#[pyfunction]
pub(crate) fn shut_down(py: Python<'_>, seconds: f64) -> PyResult<()> {
    let until = Instant::now() + span(py, seconds, "the time")?;
    WAITING.get_or_init(thread::current);
    SHUT_DOWN.store(true, Ordering::SeqCst);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if UNDER_WAY.load(Ordering::SeqCst) == 0 || left.is_zero() {
            return Ok(());
        }
        py.detach(|| thread::park_timeout(left));
    }
}

/// In a fork: the threads whose calls were under way are not there.
#[pyfunction]
pub(crate) fn after_fork() {
    UNDER_WAY.store(0, Ordering::SeqCst);
}

/// Does something of the library that waits for nothing; what panics there is told likewise.
pub(crate) fn caught<T>(py: Python<'_>, work: impl FnOnce() -> Result<T, Error>) -> PyResult<T> {
    settled(py, catch_unwind(AssertUnwindSafe(work)))
}

fn settled<T>(py: Python<'_>, done: std::thread::Result<Result<T, Error>>) -> PyResult<T> {
    let done = done.unwrap_or_else(|panic| Err(Error::new(Kind::Internal, told(&*panic))));
    done.map_err(|error| raised(py, &error))
}

/// What a panic said.
fn told(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("this is an error of Librecast: {}", text.unwrap_or_else(|| "a panic".to_owned()))
}
