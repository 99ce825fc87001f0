//! A node: opening it, asking, exposing.

use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use lcast::blocking::{self, Builder, Error, Kind, Question};
use lcast::lcast_proto::variable::{Assigned, Kind as Behaviour, Version};
use lcast::{Constraint, Definition, Type};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::error::{Call, caught, detached, invalid};
use crate::exposed::{Exposed, Setting};
use crate::items;
use crate::stream::{Source, Stream};
use crate::value::{from_python, of_type, span, text};

/// How long a wait for a ping goes without a look for signals.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A node on a thread of its own.
#[pyclass(frozen, module = "lcast._lcast")]
pub(crate) struct Node {
    node: Arc<blocking::Node>,
}

/// Where the credential comes from, and what is kept where.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Opening {
    realm: Option<String>,
    credential: Option<Py<PyAny>>,
    agent: bool,
    state: Option<PathBuf>,
    memory: Option<PathBuf>,
    interfaces: Option<Vec<String>>,
    registry: Option<Vec<PathBuf>>,
    software: Option<String>,
}

/// Which nodes a question is for, and how long it may take.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Target {
    on: Vec<String>,
    not_: Vec<String>,
    label: Vec<(String, String)>,
    matching: Option<String>,
    only: Option<Vec<String>>,
    expect: Vec<String>,
    timeout: Option<f64>,
}

/// What only a set has.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Writing {
    if_version: Option<String>,
    dry_run: bool,
}

/// What a variable is.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Described {
    name: String,
    r#type: String,
    kind: String,
    unit: String,
    description: String,
}

/// What a setting accepts.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Accepted {
    min: Option<f64>,
    max: Option<f64>,
    length_max: Option<u32>,
    choices: Vec<String>,
}

impl Target {
    /// The question to these nodes.
    fn applied(self, py: Python<'_>, question: Question) -> PyResult<Question> {
        let timeout = self.timeout.map(|timeout| span(py, timeout, "the timeout")).transpose()?;
        caught(py, || {
            let mut question = question;
            for globs in &self.on {
                question = question.on(globs)?;
            }
            for globs in &self.not_ {
                question = question.not(globs)?;
            }
            for (key, value) in &self.label {
                question = question.label(key, value)?;
            }
            if let Some(predicate) = &self.matching {
                question = question.matching(predicate)?;
            }
            if let Some(names) = self.only {
                question = question.only(names)?;
            }
            if !self.expect.is_empty() {
                question = question.expect(self.expect)?;
            }
            match timeout {
                Some(timeout) => question.timeout(timeout),
                None => Ok(question),
            }
        })
    }
}

impl Writing {
    /// The question with what only a set has.
    fn applied(self, py: Python<'_>, question: Question) -> PyResult<Question> {
        let version = self.if_version.map(|version| version.parse::<Version>()).transpose();
        let version = version.map_err(|error| invalid(py, format!("{error}")))?;
        caught(py, || {
            let mut question = question;
            if let Some(version) = version {
                question = question.if_version(version)?;
            }
            match self.dry_run {
                true => question.dry_run(),
                false => Ok(question),
            }
        })
    }
}

impl Described {
    fn value_type(&self, py: Python<'_>) -> PyResult<Type> {
        let known = Type::ALL.into_iter().find(|known| known.as_str() == self.r#type);
        known.ok_or_else(|| {
            let all = Type::ALL.map(Type::as_str).join(", ");
            invalid(py, format!("'{}' is no type of a variable; there are: {all}", self.r#type))
        })
    }

    fn behaviour(&self, py: Python<'_>) -> PyResult<Behaviour> {
        let known = Behaviour::READ_ONLY.into_iter().find(|known| known.as_str() == self.kind);
        known.ok_or_else(|| {
            let all = Behaviour::READ_ONLY.map(Behaviour::as_str).join(", ");
            invalid(py, format!("'{}' is no kind of a variable; there are: {all}", self.kind))
        })
    }

    /// A description that is too long is an error, where the library would cut it.
    fn completed(self, definition: Definition) -> Definition {
        Definition { unit: self.unit, description: self.description, ..definition }
    }
}

impl Node {
    fn question(
        py: Python<'_>,
        question: impl FnOnce() -> Result<Question, Error>,
        target: Target,
    ) -> PyResult<Question> {
        target.applied(py, caught(py, question)?)
    }

    fn asked(py: Python<'_>, question: Question) -> PyResult<Stream> {
        let replies = caught(py, || question.ask())?;
        Ok(Stream::new(Source::Replies(replies)))
    }
}

impl Drop for Node {
    /// Says goodbye without the interpreter's lock, which others want meanwhile.
    fn drop(&mut self) {
        // Where it fails there is nobody to tell: a fork, or an interpreter that ends.
        let _ = Python::try_attach(|py| detached(py, || self.node.close()));
    }
}

#[pymethods]
impl Node {
    #[staticmethod]
    fn open(py: Python<'_>, opening: Opening) -> PyResult<Self> {
        let builder = match &opening.credential {
            None if opening.agent => Builder::agent(opening.realm.as_deref()),
            None => Builder::realm(opening.realm.as_deref()),
            Some(given) => match given.bind(py).cast::<PyBytes>() {
                Ok(bytes) => Builder::bytes(bytes.as_bytes()),
                Err(_) => Builder::file(given.extract::<PathBuf>(py)?),
            },
        };
        let node = detached(py, || {
            let mut builder = builder;
            if let Some(folder) = opening.state {
                builder = builder.state(folder);
            }
            if let Some(folder) = opening.memory {
                builder = builder.memory(folder);
            }
            if let Some(names) = opening.interfaces {
                builder = builder.interfaces(names);
            }
            if let Some(folders) = opening.registry {
                builder = builder.registry(folders);
            }
            if let Some(version) = &opening.software {
                builder = builder.software(version);
            }
            builder.open()
        })?;
        Ok(Self { node: Arc::new(node) })
    }

    #[getter]
    fn name(&self) -> &str {
        self.node.name()
    }

    #[getter]
    fn realm(&self) -> &str {
        self.node.realm()
    }

    fn get(&self, py: Python<'_>, patterns: Vec<String>, target: Target) -> PyResult<Stream> {
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        Self::asked(py, Self::question(py, || self.node.get(&patterns), target)?)
    }

    fn variables(&self, py: Python<'_>, target: Target) -> PyResult<Stream> {
        let question = Self::question(py, || self.node.variables(), target)?;
        Ok(Stream::new(Source::Descriptions(detached(py, || question.describe())?)))
    }

    /// Writes settings, at each node all or none of them.
    fn set(
        &self,
        py: Python<'_>,
        assignments: Vec<(String, Bound<'_, PyAny>)>,
        writing: Writing,
        target: Target,
    ) -> PyResult<Stream> {
        let _call = Call::begin(py)?;
        let mut assigned = Vec::with_capacity(assignments.len());
        for (name, value) in &assignments {
            let value = match value.is_instance_of::<PyString>() {
                true => Assigned::Text(text(value)?),
                false => Assigned::Value(from_python(value)?),
            };
            assigned.push((name.as_str(), value));
        }
        let question = Self::question(py, || self.node.set_all_values(assigned), target)?;
        Self::asked(py, writing.applied(py, question)?)
    }

    fn watch(
        &self,
        py: Python<'_>,
        patterns: Vec<String>,
        every: Option<f64>,
        delta: Option<f64>,
        target: Target,
    ) -> PyResult<Stream> {
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        let every = every.map(|every| span(py, every, "every")).transpose()?;
        let question = Self::question(py, || self.node.watch(&patterns), target)?;
        let watch = caught(py, || {
            let mut question = question;
            if let Some(every) = every {
                question = question.every(every)?;
            }
            if let Some(delta) = delta {
                question = question.delta(delta)?;
            }
            question.subscribe()
        })?;
        Ok(Stream::new(Source::Watch(watch)))
    }

    fn members<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let _call = Call::begin(py)?;
        let members = detached(py, || self.node.members())?;
        let list = PyList::empty(py);
        for member in &members {
            list.append(items::member(py, member)?)?;
        }
        Ok(list)
    }

    fn presence(&self, py: Python<'_>) -> PyResult<Stream> {
        Ok(Stream::new(Source::Changes(detached(py, || self.node.presence())?)))
    }

    /// The round trip in seconds; `None` without an answer in time. Signals are handled meanwhile.
    fn ping(&self, py: Python<'_>, name: &str, timeout: f64) -> PyResult<Option<f64>> {
        let _call = Call::begin(py)?;
        let timeout = span(py, timeout, "the timeout")?;
        let (told, trip) = mpsc::sync_channel(1);
        let (node, name) = (Arc::clone(&self.node), name.to_owned());
        let thread = std::thread::Builder::new().name("lcast-ping".to_owned());
        let pinging = thread.spawn(move || {
            // Nobody waits any more when a signal ended the call.
            let _ = told.send(node.ping(&name, timeout));
        });
        if let Err(error) = pinging {
            let error = Error::new(Kind::Limit, format!("cannot start a thread: {error}"));
            return caught(py, || Err(error));
        }
        let trip = std::sync::Mutex::new(trip);
        loop {
            let wait = || {
                let trip = trip.lock().map_err(|_| Error::new(Kind::Internal, "a panic"))?;
                Ok(trip.recv_timeout(LOOK_EVERY).ok())
            };
            if let Some(trip) = detached(py, wait)? {
                return Ok(caught(py, || trip)?.map(|trip| trip.as_secs_f64()));
            }
            py.check_signals()?;
        }
    }

    fn expose(&self, py: Python<'_>, described: Described) -> PyResult<Exposed> {
        let value_type = described.value_type(py)?;
        let definition = Definition::new(&described.name, value_type, described.behaviour(py)?);
        let definition = described.completed(definition);
        let exposed = detached(py, || self.node.expose(definition))?;
        Ok(Exposed::new(exposed, value_type))
    }

    fn expose_setting(
        &self,
        py: Python<'_>,
        described: Described,
        default: &Bound<'_, PyAny>,
        accepted: Accepted,
    ) -> PyResult<Setting> {
        let _call = Call::begin(py)?;
        let Accepted { min, max, length_max, choices } = accepted;
        let constraint = Constraint { length_max, min, max, choices };
        let value_type = described.value_type(py)?;
        let definition = Definition::setting(&described.name, value_type, constraint);
        let definition = described.completed(definition);
        let default = of_type(default, value_type)?;
        let setting = detached(py, || self.node.expose_setting(definition, default))?;
        Ok(Setting::new(setting))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, || self.node.close())
    }
}
