//! Operators and functions of predicates on values.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::scope::{Evaluated, Failure, Fault, List, Map, Meter, Scope, Val};
use super::span::Span;
use super::tree::{Function, Literal, Operator, in_range};
use super::vercmp::vercmp;
use crate::time::Timestamp;

/// Bytes of text that cost one step to compare or count.
const BYTES_PER_STEP: usize = 16;
/// Bytes of text that cost one step to read as a number or a version.
const BYTES_READ_PER_STEP: usize = 4;

/// A constant as a value.
pub(crate) fn literal(literal: &Literal) -> Val<'_> {
    match literal {
        Literal::Bool(truth) => Val::Bool(*truth),
        Literal::Int(number) => Val::Int(*number),
        Literal::Float(number) => Val::Float(*number),
        Literal::Text(text) => Val::text(text),
        Literal::Timestamp(time) => Val::Timestamp(*time),
        Literal::Duration(span) => Val::Duration(*span),
    }
}

fn mismatch(what: &'static str, left: &Val<'_>, right: &Val<'_>) -> Fault {
    Failure::Types { what, left: left.kind(), right: Some(right.kind()) }.into()
}

/// `left == right`: numbers by value, values of different types are different, as in CEL.
pub(crate) fn equal(meter: &mut Meter, left: &Val<'_>, right: &Val<'_>) -> Evaluated<bool> {
    meter.spend(Meter::NODE)?;
    Ok(match (left, right) {
        (Val::Null, Val::Null) => true,
        (Val::Bool(a), Val::Bool(b)) => a == b,
        (Val::Int(a), Val::Int(b)) => a == b,
        (Val::Int(a), Val::Float(b)) => float(*a) == *b,
        (Val::Float(a), Val::Int(b)) => *a == float(*b),
        (Val::Float(a), Val::Float(b)) => a == b,
        (Val::Text(a), Val::Text(b)) => {
            meter.spend(a.len().min(b.len()) / BYTES_PER_STEP)?;
            a == b
        }
        (Val::Bytes(a), Val::Bytes(b)) => {
            meter.spend(a.len().min(b.len()) / BYTES_PER_STEP)?;
            a == b
        }
        (Val::Timestamp(a), Val::Timestamp(b)) => a == b,
        (Val::Duration(a), Val::Duration(b)) => a == b,
        (Val::List(List::Values(a)), Val::List(List::Values(b))) => {
            equal_lists(meter, a.iter().map(Val::of), b.iter().map(Val::of))?
        }
        (Val::List(List::Texts(a)), Val::List(List::Values(b)))
        | (Val::List(List::Values(b)), Val::List(List::Texts(a))) => {
            equal_lists(meter, a.iter().map(|text| Val::text(text)), b.iter().map(Val::of))?
        }
        (Val::List(List::Texts(a)), Val::List(List::Texts(b))) => a == b,
        (Val::Map(Map::Values(a)), Val::Map(Map::Values(b))) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for ((a_key, a), (b_key, b)) in a.iter().zip(b.iter()) {
                let keys = equal(meter, &Val::text(a_key), &Val::text(b_key))?;
                if !keys || !equal(meter, &Val::of(a), &Val::of(b))? {
                    return Ok(false);
                }
            }
            true
        }
        (Val::Map(_), Val::Map(_)) => return Err(mismatch("==", left, right)),
        (_, _) => false,
    })
}

fn equal_lists<'a>(
    meter: &mut Meter,
    left: impl ExactSizeIterator<Item = Val<'a>>,
    right: impl ExactSizeIterator<Item = Val<'a>>,
) -> Evaluated<bool> {
    if left.len() != right.len() {
        return Ok(false);
    }
    for (a, b) in left.zip(right) {
        if !equal(meter, &a, &b)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How two values are ordered.
pub(crate) fn order(
    meter: &mut Meter,
    operator: Operator,
    left: &Val<'_>,
    right: &Val<'_>,
) -> Evaluated<Ordering> {
    let floats = |a: f64, b: f64| a.partial_cmp(&b).ok_or(Failure::NotOrdered.into());
    match (left, right) {
        (Val::Int(a), Val::Int(b)) => Ok(a.cmp(b)),
        (Val::Int(a), Val::Float(b)) => floats(float(*a), *b),
        (Val::Float(a), Val::Int(b)) => floats(*a, float(*b)),
        (Val::Float(a), Val::Float(b)) => floats(*a, *b),
        (Val::Bool(a), Val::Bool(b)) => Ok(a.cmp(b)),
        (Val::Text(a), Val::Text(b)) => {
            meter.spend(a.len().min(b.len()) / BYTES_PER_STEP)?;
            Ok(a.cmp(b))
        }
        (Val::Bytes(a), Val::Bytes(b)) => {
            meter.spend(a.len().min(b.len()) / BYTES_PER_STEP)?;
            Ok(a.cmp(b))
        }
        (Val::Timestamp(a), Val::Timestamp(b)) => Ok(a.cmp(b)),
        (Val::Duration(a), Val::Duration(b)) => Ok(a.cmp(b)),
        (_, _) => Err(mismatch(operator.as_str(), left, right)),
    }
}

/// `left in [list]`.
pub(crate) fn in_list(meter: &mut Meter, left: &Val<'_>, list: &[Literal]) -> Evaluated<bool> {
    if matches!(left, Val::Null) {
        return Err(Fault::Undefined);
    }
    for constant in list {
        if equal(meter, left, &literal(constant))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `-operand`.
pub(crate) fn negate<'a>(operand: &Val<'a>) -> Evaluated<Val<'a>> {
    match operand {
        Val::Int(number) => number.checked_neg().map(Val::Int).ok_or(Failure::Overflow("-").into()),
        Val::Float(number) => Ok(Val::Float(-number)),
        Val::Null => Err(Fault::Undefined),
        other => Err(Failure::Types { what: "-", left: other.kind(), right: None }.into()),
    }
}

/// `+ - * / %` on numbers, times and durations [SEL-44].
pub(crate) fn arithmetic<'a>(
    operator: Operator,
    left: &Val<'_>,
    right: &Val<'_>,
) -> Evaluated<Val<'a>> {
    let overflow = || Fault::from(Failure::Overflow(operator.as_str()));
    match (left, right) {
        (Val::Int(a), Val::Int(b)) => integers(operator, *a, *b),
        (Val::Int(a), Val::Float(b)) => floats(operator, float(*a), *b),
        // An integer 0 divides nothing, also where CEL would not let it.
        (Val::Float(_), Val::Int(0)) if operator == Operator::Divide => {
            Err(Failure::DivisionByZero.into())
        }
        (Val::Float(a), Val::Int(b)) => floats(operator, *a, float(*b)),
        (Val::Float(a), Val::Float(b)) => floats(operator, *a, *b),
        (Val::Timestamp(time), Val::Duration(span)) => {
            let millis = match operator {
                Operator::Add => time.as_millis().checked_add(span.0),
                Operator::Subtract => time.as_millis().checked_sub(span.0),
                _ => return Err(mismatch(operator.as_str(), left, right)),
            };
            timestamp(millis).ok_or_else(overflow)
        }
        (Val::Duration(span), Val::Timestamp(time)) if operator == Operator::Add => {
            timestamp(time.as_millis().checked_add(span.0)).ok_or_else(overflow)
        }
        (Val::Timestamp(a), Val::Timestamp(b)) if operator == Operator::Subtract => {
            duration(a.as_millis().checked_sub(b.as_millis())).ok_or_else(overflow)
        }
        (Val::Duration(a), Val::Duration(b)) => match operator {
            Operator::Add => duration(a.0.checked_add(b.0)).ok_or_else(overflow),
            Operator::Subtract => duration(a.0.checked_sub(b.0)).ok_or_else(overflow),
            _ => Err(mismatch(operator.as_str(), left, right)),
        },
        (_, _) => Err(mismatch(operator.as_str(), left, right)),
    }
}

fn timestamp<'a>(millis: Option<i64>) -> Option<Val<'a>> {
    let time = Timestamp::from_millis(millis?);
    in_range(time).then_some(Val::Timestamp(time))
}

fn duration<'a>(millis: Option<i64>) -> Option<Val<'a>> {
    let span = Span(millis?);
    span.in_range().then_some(Val::Duration(span))
}

fn integers<'a>(operator: Operator, a: i64, b: i64) -> Evaluated<Val<'a>> {
    let divides = matches!(operator, Operator::Divide | Operator::Remainder);
    if divides && b == 0 {
        return Err(Failure::DivisionByZero.into());
    }
    let result = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Remainder => a.checked_rem(b),
        // A quotient that is not whole is a float: 3 / 2 is 1.5 [SEL-39].
        Operator::Divide if a.checked_rem(b).is_some_and(|rest| rest != 0) => {
            return Ok(Val::Float(float(a) / float(b)));
        }
        _ => a.checked_div(b),
    };
    result.map(Val::Int).ok_or(Failure::Overflow(operator.as_str()).into())
}

/// Floats, and floats mixed with integers [SEL-40].
fn floats<'a>(operator: Operator, a: f64, b: f64) -> Evaluated<Val<'a>> {
    Ok(Val::Float(match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        _ => return Err(mismatch(operator.as_str(), &Val::Float(a), &Val::Float(b))),
    }))
}

/// The nearest float, as CEL compares and converts integers.
#[allow(clippy::cast_precision_loss)]
fn float(number: i64) -> f64 {
    number as f64
}

/// A function of one or two operands; the number was checked when the tree was made.
pub(crate) fn call<'a>(
    meter: &mut Meter,
    scope: &Scope<'a>,
    function: Function,
    first: Option<Val<'a>>,
    second: Option<Val<'a>>,
) -> Evaluated<Val<'a>> {
    let first = first.unwrap_or(Val::Null);
    if matches!(first, Val::Null) || matches!(second, Some(Val::Null)) {
        return Err(Fault::Undefined);
    }
    let what = function.as_str();
    match (function, first, second) {
        (Function::Size, operand, None) => size(meter, scope, &operand),
        (Function::Int, operand, None) => to_int(meter, &operand),
        (Function::Double, operand, None) => to_float(meter, &operand),
        (Function::String, operand, None) => to_text(meter, operand),
        (_, Val::Text(a), Some(Val::Text(b))) => {
            meter.spend(match function {
                // A search looks at some bytes more than once.
                Function::Contains => a.len() + b.len(),
                Function::Vercmp => (a.len() + b.len()) / BYTES_READ_PER_STEP,
                _ => b.len() / BYTES_PER_STEP,
            })?;
            Ok(match function {
                Function::Contains => Val::Bool(a.contains(&*b)),
                Function::StartsWith => Val::Bool(a.starts_with(&*b)),
                Function::EndsWith => Val::Bool(a.ends_with(&*b)),
                _ => Val::Int(vercmp(&a, &b) as i64),
            })
        }
        (_, operand, second) => {
            let right = second.map(|second| second.kind());
            Err(Failure::Types { what, left: operand.kind(), right }.into())
        }
    }
}

fn size<'a>(meter: &mut Meter, scope: &Scope<'_>, operand: &Val<'_>) -> Evaluated<Val<'a>> {
    let size = match operand {
        Val::Text(text) => {
            meter.spend(text.len() / BYTES_PER_STEP)?;
            text.chars().count()
        }
        Val::Bytes(bytes) => bytes.len(),
        Val::List(List::Values(list)) => list.len(),
        Val::List(List::Texts(list)) => list.len(),
        Val::Map(Map::Values(map)) => map.len(),
        Val::Map(Map::Labels) => scope.labels.len(),
        Val::Map(Map::Node) => 3,
        other => {
            return Err(Failure::Types { what: "size", left: other.kind(), right: None }.into());
        }
    };
    Ok(Val::Int(i64::try_from(size).unwrap_or(i64::MAX)))
}

fn to_int<'a>(meter: &mut Meter, operand: &Val<'_>) -> Evaluated<Val<'a>> {
    match operand {
        Val::Int(number) => Ok(Val::Int(*number)),
        // The bounds are excluded, as in CEL.
        #[allow(clippy::cast_possible_truncation)]
        Val::Float(number) if number.abs() < 9_223_372_036_854_775_808.0 => {
            Ok(Val::Int(*number as i64))
        }
        Val::Float(_) => Err(Failure::Overflow("int").into()),
        Val::Text(text) => {
            meter.spend(text.len() / BYTES_READ_PER_STEP)?;
            let failure = Failure::Conversion { to: "int", from: "text" };
            text.parse().map(Val::Int).map_err(|_| failure.into())
        }
        Val::Timestamp(time) => Ok(Val::Int(time.as_millis().div_euclid(1000))),
        other => Err(Failure::Types { what: "int", left: other.kind(), right: None }.into()),
    }
}

fn to_float<'a>(meter: &mut Meter, operand: &Val<'_>) -> Evaluated<Val<'a>> {
    match operand {
        Val::Int(number) => Ok(Val::Float(float(*number))),
        Val::Float(number) => Ok(Val::Float(*number)),
        Val::Text(text) => {
            meter.spend(text.len() / BYTES_READ_PER_STEP)?;
            let failure = Failure::Conversion { to: "double", from: "text" };
            text.parse().map(Val::Float).map_err(|_| failure.into())
        }
        other => Err(Failure::Types { what: "double", left: other.kind(), right: None }.into()),
    }
}

fn to_text<'a>(meter: &mut Meter, operand: Val<'a>) -> Evaluated<Val<'a>> {
    let text = match operand {
        Val::Text(text) => return Ok(Val::Text(text)),
        Val::Bytes(bytes) => {
            meter.spend(bytes.len() / BYTES_PER_STEP)?;
            let failure = Failure::Conversion { to: "string", from: "bytes" };
            return std::str::from_utf8(bytes).map(Val::text).map_err(|_| failure.into());
        }
        Val::Bool(truth) => truth.to_string(),
        Val::Int(number) => number.to_string(),
        Val::Float(number) => number.to_string(),
        Val::Timestamp(time) => time.to_string(),
        Val::Duration(span) => span.seconds(),
        other => {
            return Err(Failure::Types { what: "string", left: other.kind(), right: None }.into());
        }
    };
    meter.spend(20)?;
    Ok(Val::Text(Cow::Owned(text)))
}
