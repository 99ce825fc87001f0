//! Replies, reports and the like as the dataclasses of `lcast/_items.py`.

use lcast::blocking::{Described, Error, Kind};
use lcast::lcast_proto::presence::{Presence, Via};
use lcast::lcast_proto::question::report::{Class, Failure, Refusal, SetResult, UnheardNode};
use lcast::node::Member;
use lcast::{
    ChangedValue, Definition, Outcome, PresenceItem, Reply, ReplyValue, Report, Timestamp,
    WatchItem,
};
use pyo3::call::PyCallArgs;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

use crate::error::raised;
use crate::value;
use crate::value::to_python;

type Made<'py> = PyResult<Bound<'py, PyAny>>;

/// The classes; each is the name of one in `lcast/_items.py`.
struct Classes {
    reply: Py<PyType>,
    reply_value: Py<PyType>,
    set_result: Py<PyType>,
    definition: Py<PyType>,
    failure: Py<PyType>,
    refusal: Py<PyType>,
    report: Py<PyType>,
    empty_node: Py<PyType>,
    failed_node: Py<PyType>,
    refused_node: Py<PyType>,
    unheard_node: Py<PyType>,
    entered: Py<PyType>,
    changed: Py<PyType>,
    left: Py<PyType>,
    overflow: Py<PyType>,
    member: Py<PyType>,
    presence: Py<PyType>,
}

fn classes(py: Python<'_>) -> PyResult<&Classes> {
    static CLASSES: PyOnceLock<Classes> = PyOnceLock::new();
    CLASSES.get_or_try_init(py, || {
        let module = py.import("lcast._items")?;
        let class = |name| Ok::<_, PyErr>(module.getattr(name)?.cast_into::<PyType>()?.unbind());
        Ok(Classes {
            reply: class("Reply")?,
            reply_value: class("ReplyValue")?,
            set_result: class("SetResult")?,
            definition: class("Definition")?,
            failure: class("Failure")?,
            refusal: class("Refusal")?,
            report: class("Report")?,
            empty_node: class("EmptyNode")?,
            failed_node: class("FailedNode")?,
            refused_node: class("RefusedNode")?,
            unheard_node: class("UnheardNode")?,
            entered: class("Entered")?,
            changed: class("Changed")?,
            left: class("Left")?,
            overflow: class("Overflow")?,
            member: class("Member")?,
            presence: class("Presence")?,
        })
    })
}

fn new<'py>(
    py: Python<'py>,
    class: impl Fn(&Classes) -> &Py<PyType>,
    fields: impl PyCallArgs<'py>,
) -> Made<'py> {
    class(classes(py)?).bind(py).call1(fields)
}

fn time(py: Python<'_>, time: Timestamp) -> Made<'_> {
    Ok(Bound::new(py, value::Timestamp::from(time))?.into_any())
}

fn tuple<'py, T>(
    py: Python<'py>,
    items: &[T],
    made: impl Fn(&T) -> Made<'py>,
) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, items.iter().map(made).collect::<PyResult<Vec<_>>>()?)
}

/// What one node said.
pub(crate) fn reply(py: Python<'_>, reply: Reply) -> Made<'_> {
    let class = match reply.outcome.class() {
        Class::Answered => "answered",
        Class::Empty => "empty",
        Class::Error => "error",
        Class::Refused => "refused",
        Class::Late => "late",
        Class::Missing => "missing",
    };
    let (values, results) = (PyDict::new(py), PyDict::new(py));
    let (mut empty, mut error, mut refused) = (None, None, None);
    match &reply.outcome {
        Outcome::Values(held) => put_values(&values, held)?,
        Outcome::Empty(reason) => empty = Some(reason.as_str()),
        Outcome::Error(told) => error = Some(failure(py, told)?),
        Outcome::Refused(told) => refused = Some(refusal(py, told)?),
        Outcome::Set(told) => {
            for result in told {
                results.set_item(&result.name, set_result(py, result)?)?;
            }
        }
    }
    let fields = (&reply.node, class, values, results, empty, error, refused, reply.by_multicast);
    new(py, |it| &it.reply, fields)
}

/// What one node has to say of its variables.
pub(crate) fn described(py: Python<'_>, described: Described) -> Made<'_> {
    match described {
        Described::Variables { node, schema } => {
            let definitions = PyDict::new(py);
            for it in schema.definitions() {
                definitions.set_item(&it.template, definition(py, it)?)?;
            }
            let fields = PyDict::new(py);
            fields.set_item("definitions", definitions)?;
            let class = classes(py)?.reply.bind(py);
            class.call((node, "answered"), Some(&fields))
        }
        Described::Reply(it) => reply(py, it),
        other => Err(unknown(py, &other)),
    }
}

fn definition<'py>(py: Python<'py>, it: &Definition) -> Made<'py> {
    let setting = it.setting.as_ref();
    let choices = setting.map(|it| PyTuple::new(py, &it.choices)).transpose()?;
    let fields = (
        &it.template,
        it.value_type.as_str(),
        &it.unit,
        it.kind.as_str(),
        &it.description,
        setting.is_some(),
        setting.and_then(|it| it.min),
        setting.and_then(|it| it.max),
        setting.and_then(|it| it.length_max),
        choices.filter(|it| !it.is_empty()),
    );
    new(py, |it| &it.definition, fields)
}

fn put_values(values: &Bound<'_, PyDict>, held: &[ReplyValue]) -> PyResult<()> {
    let py = values.py();
    held.iter().try_for_each(|it| values.set_item(&it.name, reply_value(py, it, 0)?))
}

/// A value, and how many before it were not seen.
fn reply_value<'py>(py: Python<'py>, held: &ReplyValue, skipped: u64) -> Made<'py> {
    let fields = (
        &held.name,
        to_python(py, &held.value)?,
        &*held.unit,
        time(py, held.time)?,
        held.age_ms,
        held.version.to_string(),
        held.revision,
        skipped,
    );
    new(py, |it| &it.reply_value, fields)
}

fn set_result<'py>(py: Python<'py>, result: &SetResult) -> Made<'py> {
    let version = result.version.map(|version| version.to_string());
    let fields = (&result.name, result.outcome.as_str(), &result.message, version);
    new(py, |it| &it.set_result, fields)
}

fn failure<'py>(py: Python<'py>, told: &Failure) -> Made<'py> {
    new(py, |it| &it.failure, (told.code.as_str(), &told.message))
}

fn refusal<'py>(py: Python<'py>, told: &Refusal) -> Made<'py> {
    new(py, |it| &it.refusal, (told.reason.as_str(), &told.message))
}

/// The account at the end of a question.
pub(crate) fn report<'py>(py: Python<'py>, report: &Report) -> Made<'py> {
    let unheard = |it: &UnheardNode| {
        let heard = it.last_heard.map(|heard| time(py, heard)).transpose()?;
        new(py, |it| &it.unheard_node, (&it.node, heard, it.state.as_str(), it.outcome_unknown))
    };
    let empty = tuple(py, &report.empty, |it| {
        new(py, |it| &it.empty_node, (&it.node, it.reason.as_str()))
    })?;
    let error = tuple(py, &report.error, |it| {
        new(py, |it| &it.failed_node, (&it.node, failure(py, &it.failure)?))
    })?;
    let refused = tuple(py, &report.refused, |it| {
        new(py, |it| &it.refused_node, (&it.node, refusal(py, &it.refusal)?))
    })?;
    let counts = (report.expected, report.alive, report.answered);
    let lists = (empty, error, refused);
    let silent = (tuple(py, &report.late, unheard)?, tuple(py, &report.missing, unheard)?);
    let behind = PyTuple::new(py, &report.behind)?;
    let fields = PyTuple::new(
        py,
        [
            counts.0.into_pyobject(py)?.into_any(),
            counts.1.into_pyobject(py)?.into_any(),
            counts.2.into_pyobject(py)?.into_any(),
            lists.0.into_any(),
            lists.1.into_any(),
            lists.2.into_any(),
            silent.0.into_any(),
            silent.1.into_any(),
            behind.into_any(),
            report.rounds.into_pyobject(py)?.into_any(),
            report.questions_sent.into_pyobject(py)?.into_any(),
            report.elapsed.as_secs_f64().into_pyobject(py)?.into_any(),
            report.heard.into_pyobject(py)?.to_owned().into_any(),
            report.sent.into_pyobject(py)?.to_owned().into_any(),
        ],
    )?;
    new(py, |it| &it.report, fields)
}

/// What a watch has to say.
pub(crate) fn watch_item(py: Python<'_>, item: WatchItem) -> Made<'_> {
    match item {
        WatchItem::Reply(it) => reply(py, it),
        WatchItem::Report(it) => report(py, &it),
        WatchItem::Entered { node, values } => {
            let held = PyDict::new(py);
            put_values(&held, &values)?;
            new(py, |it| &it.entered, (node, held))
        }
        WatchItem::Changed { node, values, removed } => {
            let held = PyDict::new(py);
            for ChangedValue { value, skipped } in &values {
                held.set_item(&value.name, reply_value(py, value, *skipped)?)?;
            }
            new(py, |it| &it.changed, (node, held, PyTuple::new(py, removed)?))
        }
        WatchItem::Left { node, reason } => new(py, |it| &it.left, (node, reason.as_str())),
        WatchItem::Overflow(lost) => new(py, |it| &it.overflow, (lost,)),
        other => Err(unknown(py, &other)),
    }
}

/// Something that the library says and this binding, built with it, has no class for.
fn unknown(py: Python<'_>, item: &dyn std::fmt::Debug) -> PyErr {
    raised(py, &Error::new(Kind::Internal, format!("no class is made for {item:?}")))
}

/// A change of presence.
pub(crate) fn change(py: Python<'_>, item: PresenceItem) -> Made<'_> {
    match item {
        PresenceItem::Changed(Presence { id, name, state, .. }) => {
            new(py, |it| &it.presence, (name, id.to_string(), state.as_str()))
        }
        PresenceItem::Overflow(lost) => new(py, |it| &it.overflow, (lost,)),
        other => Err(unknown(py, &other)),
    }
}

/// A member of the realm, with its presence.
pub(crate) fn member<'py>(py: Python<'py>, member: &Member) -> Made<'py> {
    let labels = PyDict::new(py);
    for (key, value) in &member.labels {
        labels.set_item(key, value)?;
    }
    let heard = member.last_heard.map(|heard| time(py, heard)).transpose()?;
    let expired = member.expired.map(|expired| time(py, expired)).transpose()?;
    let fields = (
        &member.name,
        member.id.to_string(),
        member.kind.as_str(),
        labels,
        PyTuple::new(py, &member.roles)?,
        &*member.software,
        member.state.as_str(),
        heard,
        member.via.map(Via::as_str),
        member.duplicate,
        expired,
    );
    new(py, |it| &it.member, fields)
}
