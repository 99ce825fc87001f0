//! What a node's table says to an asker: whether a predicate holds, which values it may read,
//! what it may set.
//!
//! Pure functions of one instant and one table, so that whoever answers once and whoever watches
//! see the same. Permission comes before existence: [QST-24]. Start with [`judge`] and
//! [`readable`]. Not here: when to evaluate, and what becomes of the outcome, which is for
//! [`answering`](super::answering).

use std::collections::BTreeMap;
use std::time::Duration;

use super::SetOrder;
use super::report::{EmptyReason, ErrorCode, RefusalReason, SetOutcome, SetResult};
use super::values::{REPLY_MAX, encode_value};
use crate::keys::certificate::{Certificate, Validity};
use crate::keys::policy::{Denied, Policy, Verb as Right};
use crate::name::Name;
use crate::select::{Outcome, Pattern, Predicate, Scope};
use crate::time::{Now, Timestamp};
use crate::value::Value;
use crate::variable::{Assigned, Definition, Entry, Table, Version};
use crate::wire::frame::{Answer, QuestionFrame, SetFrame, SetResultFrame, VerbCode};
use crate::wire::id::SenderId;

/// How far the wall clocks of asker and node may be apart. [QST-21]
pub const SKEW_MAX: Duration = Duration::from_secs(25 * 60 * 60);
/// Settings in one request.
pub const ASSIGNMENTS_MAX: usize = 64;

/// What stays the same from question to question.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    /// This node's certificate.
    pub certificate: &'a Certificate,
    /// What others may do here.
    pub policy: &'a Policy,
    /// The variables.
    pub table: &'a Table,
}

/// Whether the predicate holds on this table for this asker, who sees of the variables only those
/// that it may read; and the steps that it took. [QST-23]
pub fn judge(
    now: Now,
    node: Node<'_>,
    asker: &Certificate,
    predicate: &Predicate,
) -> (Outcome, u32) {
    let readable = |name: &Name| node.policy.allows_variable(asker.roles(), Right::Read, name);
    let own = node.certificate;
    let id = own.id().to_string();
    let labels: Vec<(&str, &str)> = own.labels().iter().collect();
    let roles: Vec<&str> = own.roles().iter().collect();
    predicate.evaluate_counted(&Scope {
        table: node.table,
        labels: &labels,
        name: own.name().as_str(),
        id: &id,
        roles: &roles,
        now: now.wall,
        readable: &readable,
    })
}

/// The values that any of the patterns matches and that the asker may read, in order of name; and
/// the number of names that were compared with a pattern, a long one counting for several.
pub fn readable<'a>(
    node: Node<'a>,
    asker: &Certificate,
    patterns: &'a [Pattern],
) -> (BTreeMap<&'a Name, &'a Entry>, u64) {
    let mut selected = BTreeMap::new();
    let mut compared = 0;
    for pattern in patterns {
        let price = pattern.price();
        let candidates = pattern.candidates(node.table).inspect(|_| compared += price);
        selected.extend(candidates.filter(|(name, _)| pattern.matches(name)));
    }
    let roles = asker.roles();
    selected.retain(|name, _| node.policy.allows_variable(roles, Right::Read, name));
    (selected, compared)
}

/// The readable values as a reply carries them, or the answer when there are none or too many; and
/// how many names were compared with a pattern, and how many values were told.
pub(super) fn encoded(
    now: Now,
    node: Node<'_>,
    asker: &Certificate,
    patterns: &[Pattern],
) -> (Result<Vec<u8>, Answer>, u64) {
    let mut bytes = Vec::new();
    let (values, mut work) = readable(node, asker, patterns);
    for (name, entry) in values {
        work += 1;
        encode_value(now.instant, name, entry, &mut bytes);
        if bytes.len() > REPLY_MAX {
            let message = format!("the values are over {REPLY_MAX} bytes; ask for less at once");
            return (Err(Answer::Error(ErrorCode::Limit.code(), message)), work);
        }
    }
    if bytes.is_empty() {
        return (Err(Answer::Empty(EmptyReason::NoVariable.code())), work);
    }
    (Ok(bytes), work)
}

/// Whether a sender's wall clock is near enough to the own one for its packet to count. [PRE-10]
pub fn is_timely(told: Timestamp, wall: Timestamp) -> bool {
    told.saturating_add(SKEW_MAX) >= wall && wall.saturating_add(SKEW_MAX) >= told
}

/// Why the asker may not ask this; `None` when it may. [QST-21] [QST-24]
pub(super) fn objection(
    now: Now,
    policy: &Policy,
    asker: &Certificate,
    forgotten: bool,
    frame: &QuestionFrame,
) -> Option<(RefusalReason, String)> {
    let refusal = |reason, message: &str| Some((reason, message.to_owned()));
    let asked_at = frame.announcement.wall;
    if !is_timely(asked_at, now.wall) {
        let hours = (asked_at.as_millis().saturating_sub(now.wall.as_millis())) / 3_600_000;
        let side = if hours < 0 { "behind" } else { "ahead of" };
        let hours = hours.unsigned_abs();
        let message = format!("the asker's clock is {hours} h {side} the clock here; set it right");
        return Some((RefusalReason::Clock, message));
    }
    match asker.validity(now.wall) {
        Validity::Valid | Validity::Grace => {}
        Validity::Expired => {
            let message = "the certificate has expired; issue a new one";
            return refusal(RefusalReason::Expired, message);
        }
        Validity::NotYet => {
            let message = "the certificate is not valid yet by the clock here, which may be wrong";
            return refusal(RefusalReason::Clock, message);
        }
    }
    if forgotten {
        return refusal(RefusalReason::Forgotten, "the realm has forgotten this member");
    }
    let right = match frame.verb {
        VerbCode::Get | VerbCode::Schema | VerbCode::Ping | VerbCode::Watch => Right::Read,
        VerbCode::Set => Right::Set,
    };
    let denied = policy.allows(asker.roles(), right).err()?;
    let reason = match denied {
        Denied::Role(_) => RefusalReason::Role,
        Denied::Narrowed(_) => RefusalReason::Policy,
    };
    Some((reason, denied.to_string()))
}

/// Checks every assignment; an order when all are right, else what is wrong. [QST-25]
pub(super) fn order(
    node: Node<'_>,
    asker: &Certificate,
    key: (SenderId, u64),
    set: &SetFrame,
) -> Result<SetOrder, Answer> {
    if set.assignments.len() > ASSIGNMENTS_MAX {
        let message = format!("at most {ASSIGNMENTS_MAX} settings can be written at once");
        return Err(Answer::Error(ErrorCode::Limit.code(), message));
    }
    let many = set.if_version.is_some() && set.assignments.len() > 1;
    let mut results = Vec::new();
    let mut assignments = Vec::new();
    let mut failed: Option<&String> = None;
    for (text, assigned) in &set.assignments {
        let checked = assignable(node, asker, text, assigned).and_then(|assignment| {
            // Each would be compared for itself, and some be written without the others.
            let message = "a version can be demanded of one setting at a time";
            if many { Err((SetOutcome::Invalid, message.to_owned())) } else { Ok(assignment) }
        });
        let (outcome, message) = match checked {
            Ok(assignment) => {
                assignments.push(assignment);
                (SetOutcome::Unchanged, String::new())
            }
            Err((outcome, message)) => {
                failed.get_or_insert(text);
                (outcome, message)
            }
        };
        let held = text.parse().ok().and_then(|name| node.table.entry(&name)).map(|it| it.version);
        let version = held.filter(|_| outcome != SetOutcome::NoSuchVariable);
        results.push(SetResult { name: text.clone(), outcome, message, version });
    }
    if let Some(failed) = failed {
        for it in results.iter_mut().filter(|it| it.outcome == SetOutcome::Unchanged) {
            it.message = format!("not written, because '{failed}' is not");
        }
        return Err(Answer::Set(results.iter().map(set_result).collect()));
    }
    Ok(SetOrder {
        request: key,
        asker: asker.name().as_str().to_owned(),
        assignments,
        if_version: set.if_version.map(|(incarnation, counter)| Version { incarnation, counter }),
        dry_run: set.dry_run,
    })
}

/// The name and the typed value of an assignment, or why it cannot be.
fn assignable(
    node: Node<'_>,
    asker: &Certificate,
    text: &str,
    assigned: &Assigned,
) -> Result<(Name, Value), (SetOutcome, String)> {
    let absent = || (SetOutcome::NoSuchVariable, format!("no variable '{text}' here"));
    let name: Name = text.parse().map_err(|_| absent())?;
    if !node.policy.allows_variable(asker.roles(), Right::Set, &name) {
        return Err(absent());
    }
    let definition = node.table.definition(&name).ok_or_else(absent)?;
    let invalid = |message: String| (SetOutcome::Invalid, message);
    // It can be read, so saying more than "no such setting" betrays nothing.
    let Some(constraint) = &definition.setting else {
        let message = format!("'{text}' is no setting: it cannot be set");
        return Err((SetOutcome::NoSuchVariable, message));
    };
    let value = typed(definition, assigned).map_err(invalid)?;
    constraint.check(&value).map_err(|message| invalid(format!("'{text}': {message}")))?;
    Ok((name, value))
}

fn typed(definition: &Definition, assigned: &Assigned) -> Result<Value, String> {
    let expected = definition.value_type;
    let value = match assigned {
        Assigned::Text(text) => return crate::setting::parse_text(expected, text),
        Assigned::Value(value) => value,
    };
    match (value, expected) {
        #[allow(clippy::cast_precision_loss)]
        (Value::Int(number), crate::value::Type::Float) => Ok(Value::Float(*number as f64)),
        (value, _) if value.kind() == expected => Ok(value.clone()),
        (value, _) => {
            Err(format!("'{}' holds {expected}, not {}", definition.template, value.kind()))
        }
    }
}

/// The result of one setting as it travels.
pub(super) fn set_result(result: &SetResult) -> SetResultFrame {
    SetResultFrame {
        name: result.name.clone(),
        outcome: result.outcome.code(),
        version: result.version.map(|held| (held.incarnation, held.counter)),
        message: result.message.clone(),
    }
}
