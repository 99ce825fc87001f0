//! Variables and settings that this process exposes.
//!
//! A variable has no value until one is published. A setting is checked, kept in the state folder
//! and answered by the node itself; the program hears of each new value by a stream. Both stay
//! exposed when their handle is freed, until the node is closed.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use lcast::lcast_proto::variable::Kind;
use lcast::{Constraint, Definition, Type, Value};

use super::errors::lcast_status;
use super::node::lcast_node;
use super::question::lcast_stream;
use super::value::lcast_value;
use crate::failure::{Failure, call};
use crate::source::Source;
use crate::tree::Cell;
use crate::{handles, incoming};

/// A variable that this process exposes.
pub struct lcast_variable {
    _opaque: [u8; 0],
}

/// A setting that this process exposes.
pub struct lcast_setting {
    _opaque: [u8; 0],
}

/// How the value of a variable behaves over time.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum lcast_kind {
    /// Goes up and down.
    LCAST_GAUGE = 0,
    /// Changes seldom: a name, a version.
    LCAST_INFO = 1,
    /// Only grows while the node runs.
    LCAST_COUNTER = 2,
}

/// What a variable or a setting is. Set `size` to `sizeof(lcast_definition)` and the rest to zero,
/// then what there is to say.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lcast_definition {
    /// `sizeof(lcast_definition)`.
    pub size: usize,
    /// The name: 2 to 8 segments joined by dots, like "app.queue.length". "[*]" stands for a key,
    /// like "app.disk[*].usage".
    pub name: *const c_char,
    /// The type of its values: an `lcast_type`.
    pub value_type: i32,
    /// How it behaves: an `lcast_kind`. Of no meaning for a setting.
    pub kind: i32,
    /// The unit as UCUM writes it, like "By" or "{job}". Null: none.
    pub unit: *const c_char,
    /// One line for people. Null: none.
    pub description: *const c_char,
    /// For a setting: not zero when `min` is the smallest number that it accepts.
    pub has_min: i32,
    /// For a setting: not zero when `max` is the largest number that it accepts.
    pub has_max: i32,
    /// The smallest number.
    pub min: f64,
    /// The largest number.
    pub max: f64,
    /// For a setting: the longest text or bytes that it accepts, in bytes. 0: any.
    pub length_max: u32,
    /// For a setting: the only texts that it accepts. Null: any.
    pub choices: *const *const c_char,
    /// How many `choices` there are.
    pub choice_count: usize,
}

/// Exposes a variable: from here on the realm can read it. The node needs an agent's credential,
/// else it is `LCAST_PERMISSION`. The handle is freed by `lcast_variable_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lcast_expose(
    node: *const lcast_node,
    definition: *const lcast_definition,
    variable: Option<&mut MaybeUninit<*mut lcast_variable>>,
) -> lcast_status {
    call(|| {
        let variable = handles::place(variable, "variable")?;
        // SAFETY: see the module.
        let given = unsafe { incoming::options(definition, "definition") }?;
        // SAFETY: as above.
        let definition = unsafe { defined(&given, kind(given.kind)?) }?;
        variable.put(handles::of(node)?.node.expose(definition)?);
        Ok(())
    })
}

/// Gives a variable a value. One of another type, or of more than some 2 MiB, which no reply
/// carries, is `LCAST_INVALID`.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_publish(
    variable: *const lcast_variable,
    value: *const lcast_value,
) -> lcast_status {
    call(|| {
        let value = (&*handles::of(value)?.tree()).into();
        Ok(handles::of(variable)?.publish(value)?)
    })
}

/// Gives a variable an int.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_publish_int(variable: *const lcast_variable, value: i64) -> lcast_status {
    call(|| Ok(handles::of(variable)?.publish(Value::Int(value))?))
}

/// Gives a variable a float.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_publish_float(variable: *const lcast_variable, value: f64) -> lcast_status {
    call(|| Ok(handles::of(variable)?.publish(Value::Float(value))?))
}

/// Gives a variable a bool: false of zero, else true.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_publish_bool(variable: *const lcast_variable, value: i32) -> lcast_status {
    call(|| Ok(handles::of(variable)?.publish(Value::Bool(value != 0))?))
}

/// Gives a variable a text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lcast_publish_text(
    variable: *const lcast_variable,
    value: *const c_char,
) -> lcast_status {
    call(|| {
        // SAFETY: see the module.
        let value = unsafe { incoming::text(value, "value") }?;
        Ok(handles::of(variable)?.publish(Value::Text(value.to_owned()))?)
    })
}

/// Gives one instance of a map variable a value: of "app.disk[*].usage" that with the key "/var".
/// The key has `length` bytes of UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lcast_publish_key(
    variable: *const lcast_variable,
    key: *const c_char,
    length: usize,
    value: *const lcast_value,
) -> lcast_status {
    call(|| {
        // SAFETY: see the module.
        let key = unsafe { incoming::text_of(key, length, "key") }?;
        let value = (&*handles::of(value)?.tree()).into();
        Ok(handles::of(variable)?.publish_key(key, value)?)
    })
}

/// Removes a variable from the realm's sight; that it was not there is no error. The handle is
/// still to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_withdraw(variable: *const lcast_variable) -> lcast_status {
    call(|| {
        handles::of(variable)?.withdraw()?;
        Ok(())
    })
}

/// Frees the handle of a variable, which stays exposed; null is fine.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_variable_free(variable: *mut lcast_variable) -> lcast_status {
    call(|| handles::take(variable).map(drop))
}

/// Exposes a setting: a variable that operators of the realm may write. A null `initial` is the
/// default of a setting that has no value until somebody sets it. What was kept in the state folder
/// comes before the default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lcast_expose_setting(
    node: *const lcast_node,
    definition: *const lcast_definition,
    initial: *const lcast_value,
    setting: Option<&mut MaybeUninit<*mut lcast_setting>>,
) -> lcast_status {
    call(|| {
        let setting = handles::place(setting, "setting")?;
        // SAFETY: see the module.
        let given = unsafe { incoming::options(definition, "definition") }?;
        // SAFETY: as above.
        let mut definition = unsafe { defined(&given, Kind::Setting) }?;
        // SAFETY: as above.
        definition.setting = Some(unsafe { constraint(&given) }?);
        let initial = match initial.is_null() {
            true => Value::Null,
            false => (&*handles::of(initial)?.tree()).into(),
        };
        let exposed = handles::of(node)?.node.expose_setting(definition, initial)?;
        setting.put(exposed);
        Ok(())
    })
}

/// The present value of a setting, to be freed by `lcast_value_free`.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_setting_value(
    setting: *const lcast_setting,
    value: Option<&mut MaybeUninit<*mut lcast_value>>,
) -> lcast_status {
    call(|| {
        let value = handles::place(value, "value")?;
        let present = handles::of(setting)?.value()?;
        value.put(Cell::own(present.into()));
        Ok(())
    })
}

/// The values that somebody writes: a stream of events of the kind `LCAST_EVENT_SETTING`, each with
/// one item, which begins with the newest that was written since the exposing. Of values that come
/// faster than they are read only the newest is sure to be among them.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_setting_changes(
    setting: *const lcast_setting,
    changes: Option<&mut MaybeUninit<*mut lcast_stream>>,
) -> lcast_status {
    call(|| {
        let changes = handles::place(changes, "changes")?;
        let setting = handles::of(setting)?;
        changes.put(Source::setting(setting.name(), setting.changes()?));
        Ok(())
    })
}

/// Frees the handle of a setting, which stays exposed; null is fine.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_setting_free(setting: *mut lcast_setting) -> lcast_status {
    call(|| handles::take(setting).map(drop))
}

/// # Safety
/// As the module says of what is in options.
unsafe fn defined(given: &lcast_definition, kind: Kind) -> Result<Definition, Failure> {
    // SAFETY: the caller's, here and below.
    let name = unsafe { incoming::text(given.name, "name") }?;
    let value_type = usize::try_from(given.value_type).ok().and_then(|it| Type::ALL.get(it));
    let value_type = value_type
        .ok_or_else(|| Failure::invalid(format!("there is no type {}", given.value_type)))?;
    // SAFETY: as above.
    let text = |text, what| unsafe { incoming::optional(text, what) };
    let unit = text(given.unit, "unit")?.unwrap_or_default().to_owned();
    let description = text(given.description, "description")?.unwrap_or_default().to_owned();
    Ok(Definition { unit, description, ..Definition::new(name, *value_type, kind) })
}

/// # Safety
/// As the module says of what is in options.
unsafe fn constraint(given: &lcast_definition) -> Result<Constraint, Failure> {
    for (has, bound, what) in [(given.has_min, given.min, "min"), (given.has_max, given.max, "max")]
    {
        if has != 0 && bound.is_nan() {
            return Err(Failure::invalid(format!("'{what}' is no number")));
        }
    }
    // SAFETY: the caller's.
    let choices = unsafe { incoming::texts(given.choices, given.choice_count, "choices") }?;
    Ok(Constraint {
        min: (given.has_min != 0).then_some(given.min),
        max: (given.has_max != 0).then_some(given.max),
        length_max: (given.length_max != 0).then_some(given.length_max),
        choices: choices.into_iter().map(str::to_owned).collect(),
    })
}

fn kind(kind: i32) -> Result<Kind, Failure> {
    const GAUGE: i32 = lcast_kind::LCAST_GAUGE as i32;
    const INFO: i32 = lcast_kind::LCAST_INFO as i32;
    const COUNTER: i32 = lcast_kind::LCAST_COUNTER as i32;
    match kind {
        GAUGE => Ok(Kind::Gauge),
        INFO => Ok(Kind::Info),
        COUNTER => Ok(Kind::Counter),
        other => Err(Failure::invalid(format!("there is no kind {other} of variable"))),
    }
}
