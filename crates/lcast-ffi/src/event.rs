//! What a stream gives, in one shape for all kinds: a C program reads it by a few functions.

use std::collections::BTreeMap;
use std::sync::Arc;

use lcast::blocking::Described;
use lcast::lcast_proto::presence::Presence;
use lcast::lcast_proto::question::report::{
    Class, EmptyNode, FailedNode, RefusedNode, SetResult, UnheardNode,
};
use lcast::{
    ChangedValue, Constraint, Definition, Outcome, PresenceItem, Reply, ReplyValue, Report, Value,
    WatchItem,
};

use crate::api::event::{lcast_class, lcast_event_kind};
use crate::failure::Failure;
use crate::text::Text;
use crate::tree::Tree;

/// One event.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) kind: lcast_event_kind,
    pub(crate) node: Text,
    pub(crate) class: lcast_class,
    pub(crate) reason: Text,
    pub(crate) message: Text,
    pub(crate) items: Vec<Item>,
    pub(crate) removed: Vec<Text>,
    pub(crate) lost: u64,
    pub(crate) report: Option<Account>,
}

/// A variable in an event, or what became of a setting.
#[derive(Debug, Default)]
pub(crate) struct Item {
    pub(crate) name: Text,
    pub(crate) unit: Text,
    pub(crate) value: Option<Arc<Tree>>,
    pub(crate) result: Text,
    pub(crate) message: Text,
    pub(crate) version: Text,
    pub(crate) time_ms: i64,
    pub(crate) age_ms: u64,
    pub(crate) skipped: u64,
}

/// A report.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) report: Report,
    /// The nodes of each class, in the order of `lcast_class`.
    classes: Vec<Vec<Listed>>,
}

/// A node in a report.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) node: Text,
    pub(crate) reason: Text,
    pub(crate) message: Text,
    pub(crate) last_heard_ms: Option<i64>,
    pub(crate) outcome_unknown: bool,
}

impl Event {
    fn new(kind: lcast_event_kind, node: &str) -> Self {
        Self {
            kind,
            node: Text::new(node),
            class: lcast_class::LCAST_CLASS_NONE,
            reason: Text::default(),
            message: Text::default(),
            items: Vec::new(),
            removed: Vec::new(),
            lost: 0,
            report: None,
        }
    }

    pub(crate) fn report(report: Report) -> Self {
        let report = Some(Account::new(report));
        Self { report, ..Self::new(lcast_event_kind::LCAST_EVENT_REPORT, "") }
    }

    /// The value of a setting that somebody wrote.
    pub(crate) fn setting(name: &str, value: Value) -> Self {
        let value = Some(Arc::new(value.into()));
        let item = Item { name: Text::new(name), value, ..Item::default() };
        Self { items: vec![item], ..Self::new(lcast_event_kind::LCAST_EVENT_SETTING, "") }
    }

    fn overflow(lost: u64) -> Self {
        Self { lost, ..Self::new(lcast_event_kind::LCAST_EVENT_OVERFLOW, "") }
    }
}

impl From<Reply> for Event {
    fn from(reply: Reply) -> Self {
        let event = Self {
            class: class(reply.outcome.class()),
            ..Self::new(lcast_event_kind::LCAST_EVENT_REPLY, &reply.node)
        };
        match reply.outcome {
            Outcome::Values(values) => {
                Self { items: values.into_iter().map(Item::from).collect(), ..event }
            }
            Outcome::Empty(reason) => Self { reason: Text::new(reason.as_str()), ..event },
            Outcome::Error(it) => Self {
                reason: Text::new(it.code.as_str()),
                message: Text::new(&it.message),
                ..event
            },
            Outcome::Refused(it) => Self {
                reason: Text::new(it.reason.as_str()),
                message: Text::new(&it.message),
                ..event
            },
            Outcome::Set(results) => {
                Self { items: results.into_iter().map(Item::from).collect(), ..event }
            }
        }
    }
}

impl TryFrom<Described> for Event {
    type Error = Failure;

    fn try_from(described: Described) -> Result<Self, Failure> {
        Ok(match described {
            Described::Variables { node, schema } => Self {
                class: lcast_class::LCAST_CLASS_ANSWERED,
                items: schema.definitions().iter().map(Item::from).collect(),
                ..Self::new(lcast_event_kind::LCAST_EVENT_REPLY, &node)
            },
            Described::Reply(reply) => reply.into(),
            other => return Err(Failure::unknown(&other)),
        })
    }
}

impl TryFrom<WatchItem> for Event {
    type Error = Failure;

    fn try_from(item: WatchItem) -> Result<Self, Failure> {
        Ok(match item {
            WatchItem::Reply(reply) => reply.into(),
            WatchItem::Report(report) => Self::report(report),
            WatchItem::Entered { node, values } => Self {
                items: values.into_iter().map(Item::from).collect(),
                ..Self::new(lcast_event_kind::LCAST_EVENT_ENTERED, &node)
            },
            WatchItem::Changed { node, values, removed } => Self {
                items: values.into_iter().map(Item::from).collect(),
                removed: removed.iter().map(|name| Text::new(name)).collect(),
                ..Self::new(lcast_event_kind::LCAST_EVENT_CHANGED, &node)
            },
            WatchItem::Left { node, reason } => Self {
                reason: Text::new(reason.as_str()),
                ..Self::new(lcast_event_kind::LCAST_EVENT_LEFT, &node)
            },
            WatchItem::Overflow(lost) => Self::overflow(lost),
            other => return Err(Failure::unknown(&other)),
        })
    }
}

impl TryFrom<PresenceItem> for Event {
    type Error = Failure;

    fn try_from(item: PresenceItem) -> Result<Self, Failure> {
        Ok(match item {
            PresenceItem::Changed(Presence { name, state, .. }) => Self {
                reason: Text::new(state.as_str()),
                ..Self::new(lcast_event_kind::LCAST_EVENT_PRESENCE, &name)
            },
            PresenceItem::Overflow(lost) => Self::overflow(lost),
            other => return Err(Failure::unknown(&other)),
        })
    }
}

impl From<ReplyValue> for Item {
    fn from(it: ReplyValue) -> Self {
        Self {
            name: Text::new(&it.name),
            unit: Text::new(&it.unit),
            value: Some(Arc::new(it.value.into())),
            version: Text::new(&it.version.to_string()),
            time_ms: it.time.as_millis(),
            age_ms: it.age_ms,
            ..Self::default()
        }
    }
}

impl From<&Definition> for Item {
    fn from(it: &Definition) -> Self {
        let value = Some(Arc::new(description(it).into()));
        Self { name: Text::new(&it.template), unit: Text::new(&it.unit), value, ..Self::default() }
    }
}

/// What a variable is beside its name and its unit, as `lcast_variables` says.
fn description(it: &Definition) -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut map = BTreeMap::from([
        ("type".to_owned(), text(it.value_type.as_str())),
        ("kind".to_owned(), text(it.kind.as_str())),
        ("description".to_owned(), text(&it.description)),
        ("settable".to_owned(), Value::Bool(it.setting.is_some())),
    ]);
    let limits = it.setting.iter().flat_map(Constraint::limits);
    map.extend(limits.map(|(name, limit)| (name.to_owned(), limit)));
    Value::Map(map)
}

impl From<ChangedValue> for Item {
    fn from(it: ChangedValue) -> Self {
        Self { skipped: it.skipped, ..it.value.into() }
    }
}

impl From<SetResult> for Item {
    fn from(it: SetResult) -> Self {
        let version = it.version.map(|it| it.to_string()).unwrap_or_default();
        Self {
            name: Text::new(&it.name),
            result: Text::new(it.outcome.as_str()),
            message: Text::new(&it.message),
            version: Text::new(&version),
            ..Self::default()
        }
    }
}

impl Account {
    fn new(report: Report) -> Self {
        let empty = report.empty.iter().map(Listed::from).collect();
        let error = report.error.iter().map(Listed::from).collect();
        let refused = report.refused.iter().map(Listed::from).collect();
        let late = report.late.iter().map(Listed::from).collect();
        let missing = report.missing.iter().map(Listed::from).collect();
        let behind = |node: &String| Listed { node: Text::new(node), ..Listed::default() };
        let behind = report.behind.iter().map(behind).collect();
        // Nobody is of no class, and those who answered are known by their replies.
        let classes = vec![vec![], vec![], empty, error, refused, late, missing, behind];
        Self { report, classes }
    }

    /// The nodes of a class.
    pub(crate) fn nodes(&self, class: i32) -> Option<&[Listed]> {
        usize::try_from(class).ok().and_then(|index| self.classes.get(index)).map(Vec::as_slice)
    }
}

impl From<&EmptyNode> for Listed {
    fn from(it: &EmptyNode) -> Self {
        let reason = Text::new(it.reason.as_str());
        Self { node: Text::new(&it.node), reason, ..Self::default() }
    }
}

impl From<&FailedNode> for Listed {
    fn from(it: &FailedNode) -> Self {
        Self {
            node: Text::new(&it.node),
            reason: Text::new(it.failure.code.as_str()),
            message: Text::new(&it.failure.message),
            ..Self::default()
        }
    }
}

impl From<&RefusedNode> for Listed {
    fn from(it: &RefusedNode) -> Self {
        Self {
            node: Text::new(&it.node),
            reason: Text::new(it.refusal.reason.as_str()),
            message: Text::new(&it.refusal.message),
            ..Self::default()
        }
    }
}

impl From<&UnheardNode> for Listed {
    fn from(it: &UnheardNode) -> Self {
        Self {
            node: Text::new(&it.node),
            reason: Text::new(it.state.as_str()),
            last_heard_ms: it.last_heard.map(|it| it.as_millis()),
            outcome_unknown: it.outcome_unknown,
            ..Self::default()
        }
    }
}

fn class(class: Class) -> lcast_class {
    match class {
        Class::Answered => lcast_class::LCAST_CLASS_ANSWERED,
        Class::Empty => lcast_class::LCAST_CLASS_EMPTY,
        Class::Error => lcast_class::LCAST_CLASS_ERROR,
        Class::Refused => lcast_class::LCAST_CLASS_REFUSED,
        Class::Late => lcast_class::LCAST_CLASS_LATE,
        Class::Missing => lcast_class::LCAST_CLASS_MISSING,
    }
}
