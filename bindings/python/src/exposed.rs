//! Variables and settings that this process exposes.

use lcast::{Type, blocking};
use pyo3::prelude::*;

use crate::error::{Call, caught, detached};
use crate::stream::{Source, Stream};
use crate::value::{of_type, to_python};

/// A variable.
#[pyclass(frozen, module = "lcast._lcast")]
pub(crate) struct Exposed {
    exposed: blocking::Exposed,
    value_type: Type,
}

/// A setting.
#[pyclass(frozen, module = "lcast._lcast")]
pub(crate) struct Setting {
    setting: blocking::Setting,
}

impl Exposed {
    pub(crate) fn new(exposed: blocking::Exposed, value_type: Type) -> Self {
        Self { exposed, value_type }
    }
}

impl Setting {
    pub(crate) fn new(setting: blocking::Setting) -> Self {
        Self { setting }
    }
}

#[pymethods]
impl Exposed {
    #[getter]
    fn name(&self) -> &str {
        self.exposed.template()
    }

    fn publish(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let _call = Call::begin(py)?;
        let value = of_type(value, self.value_type)?;
        detached(py, || self.exposed.publish(value))
    }

    fn publish_key(&self, py: Python<'_>, key: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let _call = Call::begin(py)?;
        let value = of_type(value, self.value_type)?;
        detached(py, || self.exposed.publish_key(key, value))
    }

    fn withdraw(&self, py: Python<'_>) -> PyResult<bool> {
        detached(py, || self.exposed.withdraw())
    }
}

#[pymethods]
impl Setting {
    #[getter]
    fn name(&self) -> &str {
        self.setting.name()
    }

    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let _call = Call::begin(py)?;
        to_python(py, &caught(py, || self.setting.value())?)
    }

    /// The values that are written, from the exposing on.
    fn changes(&self, py: Python<'_>) -> PyResult<Stream> {
        let changes = caught(py, || self.setting.changes())?;
        Ok(Stream::new(Source::Values(changes)))
    }
}
