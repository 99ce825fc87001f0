//! Values of variables as Python's own, and back.

use std::collections::BTreeMap;
use std::time::Duration;

use lcast::lcast_proto::value::{Extent, ExtentError};
use lcast::{Type, Value, wall};
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple,
    PyType,
};

use crate::error::invalid;

/// A point in wall-clock time, exact to the millisecond: what a variable of the type ``timestamp``
/// holds.
#[pyclass(frozen, eq, ord, hash, module = "lcast", from_py_object)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Timestamp(lcast::Timestamp);

impl From<lcast::Timestamp> for Timestamp {
    fn from(time: lcast::Timestamp) -> Self {
        Self(time)
    }
}

#[pymethods]
impl Timestamp {
    /// So many milliseconds after 1970-01-01T00:00:00Z, or before it.
    #[new]
    fn new(milliseconds: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(lcast::Timestamp::from_millis(integer(milliseconds, "milliseconds")?)))
    }

    /// What the clock of this host says.
    #[staticmethod]
    fn now() -> Self {
        Self(wall())
    }

    /// Reads RFC 3339, like ``2026-11-22T10:00:00Z``.
    #[staticmethod]
    fn parse(py: Python<'_>, text: &str) -> PyResult<Self> {
        text.parse().map(Self).map_err(|error| invalid(py, format!("{error}")))
    }

    /// The moment of a datetime with a time zone; below a millisecond it is cut off.
    #[staticmethod]
    fn of(time: &Bound<'_, PyAny>) -> PyResult<Self> {
        if !time.is_instance(datetime(time.py())?)? {
            let message = format!("{} is no datetime", shown(time));
            return Err(invalid(time.py(), message));
        }
        of_datetime(time)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[getter]
    fn milliseconds(&self) -> i64 {
        self.0.as_millis()
    }

    /// Seconds since then, as ``time.time()`` counts.
    #[getter]
    fn seconds(&self) -> f64 {
        self.0.as_millis() as f64 / 1e3
    }

    /// The same as a datetime in UTC; `lcast.InvalidError` beyond the years that have one.
    fn datetime<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let out_of_range = |error: PyErr| {
            if error.is_instance_of::<PyOverflowError>(py) {
                return invalid(py, format!("{} is no year of a datetime", self.0));
            }
            error
        };
        let arguments = PyDict::new(py);
        arguments.set_item("milliseconds", self.0.as_millis())?;
        let delta = py.import("datetime")?.getattr("timedelta")?.call((), Some(&arguments));
        epoch(py)?.add(delta.map_err(out_of_range)?).map_err(out_of_range)
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("lcast.Timestamp({})", self.0.as_millis())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyType>, (i64,)) {
        (py.get_type::<Self>(), (self.0.as_millis(),))
    }
}

fn datetime(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static DATETIME: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    DATETIME.import(py, "datetime", "datetime")
}

/// The first moment of 1970, in UTC.
fn epoch(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let utc = py.import("datetime")?.getattr("timezone")?.getattr("utc")?;
    datetime(py)?.call_method1("fromtimestamp", (0, utc))
}

/// The moment of a datetime; what is below a millisecond is cut off.
fn of_datetime(time: &Bound<'_, PyAny>) -> PyResult<Timestamp> {
    let py = time.py();
    if time.call_method0("utcoffset")?.is_none() {
        let message = format!("{} has no time zone: give it one, timezone.utc say", shown(time));
        return Err(invalid(py, message));
    }
    let delta = time.sub(epoch(py)?)?;
    let part = |name: &str| delta.getattr(name)?.extract::<i64>();
    let millis = (part("days")? * 86_400 + part("seconds")?) * 1000 + part("microseconds")? / 1000;
    Ok(Timestamp(lcast::Timestamp::from_millis(millis)))
}

/// A value as Python has it.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
        Value::Int(value) => value.into_pyobject(py)?.into_any(),
        Value::Float(value) => PyFloat::new(py, *value).into_any(),
        Value::Text(text) => PyString::new(py, text).into_any(),
        Value::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
        Value::Timestamp(time) => Bound::new(py, Timestamp(*time))?.into_any(),
        Value::List(values) => {
            let list = PyList::empty(py);
            for value in values {
                list.append(to_python(py, value)?)?;
            }
            list.into_any()
        }
        Value::Map(values) => {
            let map = PyDict::new(py);
            for (key, value) in values {
                map.set_item(key, to_python(py, value)?)?;
            }
            map.into_any()
        }
    })
}

/// A value of Python's for a variable of this type: a whole number may be a float there.
pub(crate) fn of_type(value: &Bound<'_, PyAny>, expected: Type) -> PyResult<Value> {
    match (from_python(value)?, expected) {
        (Value::Int(whole), Type::Float) => Ok(Value::Float(whole as f64)),
        (value, _) => Ok(value),
    }
}

/// A value of Python's.
pub(crate) fn from_python(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    let mut all = Extent::EMPTY;
    read(value, 1, &mut all)
}

/// Reads an entry of a list or a map, and counts it to `all`, those of all lists and maps: one
/// object of Python's may stand in many places, and is read anew in each.
fn read_entry(value: &Bound<'_, PyAny>, depth: usize, all: &mut Extent) -> PyResult<Value> {
    let read = read(value, depth + 1, all)?;
    let length = match &read {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    *all = all.with(Extent::scalar(length));
    all.check().map_err(|error| invalid(value.py(), error.to_string()))?;
    Ok(read)
}

/// Reads a value that lies so deep in lists and maps.
fn read(value: &Bound<'_, PyAny>, depth: usize, all: &mut Extent) -> PyResult<Value> {
    let py = value.py();
    if value.is_none() {
        return Ok(Value::Null);
    }
    // Before int: a bool of Python's is one.
    if let Ok(truth) = value.cast::<PyBool>() {
        return Ok(Value::Bool(truth.is_true()));
    }
    if value.is_instance_of::<PyInt>() {
        return Ok(Value::Int(integer(value, "the value")?));
    }
    if let Ok(number) = value.cast::<PyFloat>() {
        return Ok(Value::Float(number.value()));
    }
    if value.is_instance_of::<PyString>() {
        return Ok(Value::Text(text(value)?));
    }
    if let Ok(content) = value.cast::<PyBytes>() {
        return Ok(Value::Bytes(content.as_bytes().to_vec()));
    }
    if let Ok(content) = value.cast::<PyByteArray>() {
        return Ok(Value::Bytes(content.to_vec()));
    }
    if let Ok(time) = value.extract::<Timestamp>() {
        return Ok(Value::Timestamp(time.0));
    }
    if value.is_instance(datetime(py)?)? {
        return Ok(Value::Timestamp(of_datetime(value)?.0));
    }
    if depth > Value::DEPTH_MAX {
        return Err(invalid(py, ExtentError::TooDeep.to_string()));
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let items = value.try_iter()?.map(|item| read_entry(&item?, depth, all));
        return Ok(Value::List(items.collect::<PyResult<_>>()?));
    }
    if let Ok(map) = value.cast::<PyMapping>() {
        return Ok(Value::Map(read_map(map, depth, all)?));
    }
    if value.hasattr("__index__")? {
        return Ok(Value::Int(integer(value, "the value")?));
    }
    let message = format!(
        "{} is no value of a variable: None, bool, int, float, str, bytes, Timestamp, datetime, \
         list and dict are",
        shown(value)
    );
    Err(invalid(py, message))
}

fn read_map(
    map: &Bound<'_, PyMapping>,
    depth: usize,
    all: &mut Extent,
) -> PyResult<BTreeMap<String, Value>> {
    let mut values = BTreeMap::new();
    for item in map.items()?.iter() {
        let (key, value) = item.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
        if !key.is_instance_of::<PyString>() {
            let message = format!("{} is no key of a map: keys are str", shown(&key));
            return Err(invalid(map.py(), message));
        }
        let key = text(&key)?;
        *all = all.with(Extent::scalar(key.len()));
        values.insert(key, read_entry(&value, depth, all)?);
    }
    Ok(values)
}

/// A whole number of 64 bits; `what` it is for.
fn integer(value: &Bound<'_, PyAny>, what: &str) -> PyResult<i64> {
    let py = value.py();
    value.extract::<i64>().map_err(|error| {
        if error.is_instance_of::<PyOverflowError>(py) {
            let message = format!(
                "{what} is {}, and an int has 64 bits: {} to {}",
                shown(value),
                i64::MIN,
                i64::MAX
            );
            return invalid(py, message);
        }
        if error.is_instance_of::<PyTypeError>(py) {
            return invalid(py, format!("{what} is {}, no whole number", shown(value)));
        }
        error
    })
}

/// A text; one that is no UTF-8 (with lone surrogates) is told.
pub(crate) fn text(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let py = value.py();
    let Ok(text) = value.cast::<PyString>() else {
        return Err(invalid(py, format!("{} is no str", shown(value))));
    };
    text.extract::<String>().map_err(|_| invalid(py, format!("{} is no UTF-8 text", shown(value))))
}

/// A span of time in seconds; `what` it is for.
pub(crate) fn span(py: Python<'_>, seconds: f64, what: &str) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        let message = format!("{what} is {seconds} seconds, and a span of time is 0 or more");
        invalid(py, message)
    })
}

/// As much of a value as an error message repeats.
fn shown(value: &Bound<'_, PyAny>) -> String {
    const SHOWN_MAX: usize = 64;
    let Ok(text) = value.repr() else { return "that".to_owned() };
    let text = text.to_string_lossy();
    let mut shown: String = text.chars().take(SHOWN_MAX).collect();
    if text.chars().count() > SHOWN_MAX {
        shown.push_str("...");
    }
    shown
}
