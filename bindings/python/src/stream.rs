//! What goes on: a stream of the library, handed to Python in batches.

use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use lcast::Value;
use lcast::blocking::{self, Changes, Descriptions, Error, Kind, Next, Replies, Watch};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::error::{Call, caught, detached, raised};
use crate::items;
use crate::value::{span, to_python};

/// The longest that a wait goes without a look for signals: one that comes just before the wait
/// does not end it.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Where the items come from.
pub(crate) enum Source {
    Replies(Replies),
    Descriptions(Descriptions),
    Watch(Watch),
    Changes(Changes),
    Values(blocking::Stream<Value>),
}

/// Items, in batches.
#[pyclass(frozen, generic, module = "lcast._lcast")]
pub(crate) struct Stream {
    source: Source,
}

/// Does the same with any kind of stream.
macro_rules! with {
    ($source:expr, $stream:ident => $what:expr) => {
        match $source {
            Source::Replies($stream) => $what,
            Source::Descriptions($stream) => $what,
            Source::Watch($stream) => $what,
            Source::Changes($stream) => $what,
            Source::Values($stream) => $what,
        }
    };
}

impl Stream {
    pub(crate) fn new(source: Source) -> Self {
        Self { source }
    }

    /// Takes what is there, at most so many items; `None` at the end.
    fn take_now<'py>(&self, py: Python<'py>, most: usize) -> PyResult<Option<Bound<'py, PyList>>> {
        match &self.source {
            Source::Replies(stream) => take(py, || stream.try_next(), items::reply, most),
            Source::Descriptions(stream) => take(py, || stream.try_next(), items::described, most),
            Source::Watch(stream) => take(py, || stream.try_next(), items::watch_item, most),
            Source::Changes(stream) => take(py, || stream.try_next(), items::change, most),
            Source::Values(stream) => {
                take(py, || stream.try_next(), |py, value| to_python(py, &value), most)
            }
        }
    }
}

fn take<'py, T>(
    py: Python<'py>,
    next: impl Fn() -> Result<Next<T>, Error>,
    made: impl Fn(Python<'py>, T) -> PyResult<Bound<'py, PyAny>>,
    most: usize,
) -> PyResult<Option<Bound<'py, PyList>>> {
    let list = PyList::empty(py);
    while list.len() < most {
        match caught(py, &next)? {
            Next::Item(item) => list.append(made(py, item)?)?,
            Next::End if list.is_empty() => return Ok(None),
            Next::Pending | Next::End => break,
        }
    }
    Ok(Some(list))
}

#[pymethods]
impl Stream {
    /// A descriptor to poll: it can be read exactly while `take` has something to give.
    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        caught(py, || with!(&self.source, stream => stream.fd().map(|fd| fd.as_raw_fd())))
    }

    /// What is there, at most so many items; an empty list when nothing is, `None` at the end.
    fn take<'py>(&self, py: Python<'py>, most: usize) -> PyResult<Option<Bound<'py, PyList>>> {
        let _call = Call::begin(py)?;
        self.take_now(py, most)
    }

    /// The same, waiting until there is something. Signals are handled meanwhile.
    #[pyo3(signature = (most, timeout=None))]
    fn next<'py>(
        &self,
        py: Python<'py>,
        most: usize,
        timeout: Option<f64>,
    ) -> PyResult<Option<Bound<'py, PyList>>> {
        let _call = Call::begin(py)?;
        let timeout = timeout.map(|timeout| span(py, timeout, "the timeout")).transpose()?;
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            match self.take_now(py, most)? {
                Some(list) if list.is_empty() => {}
                taken => return Ok(taken),
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                let over = Error::new(Kind::Timeout, "nothing came in time");
                return Err(raised(py, &over));
            }
            let wait = left.map_or(LOOK_EVERY, |left| left.min(LOOK_EVERY));
            detached(py, || match with!(&self.source, stream => stream.wait(Some(wait))) {
                Err(error) if error.kind() != Kind::Interrupted => Err(error),
                Ok(_) | Err(_) => Ok(()),
            })?;
            py.check_signals()?;
        }
    }

    /// What was said at the end: a report, or nothing; why there was no proper end is raised.
    fn end<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let _call = Call::begin(py)?;
        let end = match &self.source {
            Source::Replies(stream) => stream.end().map(|end| end.map(|end| end.map(Some))),
            Source::Descriptions(stream) => stream.end().map(|end| end.map(|end| end.map(Some))),
            Source::Watch(stream) => stream.end().map(|end| end.map(|end| end.map(|()| None))),
            Source::Changes(stream) => stream.end().map(|end| end.map(|end| end.map(|()| None))),
            Source::Values(stream) => stream.end().map(|end| end.map(|end| end.map(|()| None))),
        };
        match caught(py, || end)? {
            Some(Ok(Some(report))) => Ok(Some(items::report(py, &report)?)),
            Some(Ok(None)) | None => Ok(None),
            Some(Err(error)) => Err(raised(py, &error)),
        }
    }

    /// Gives up what the stream is about: what has arrived can still be taken, then comes the end.
    fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        caught(py, || with!(&self.source, stream => stream.cancel()))
    }
}
