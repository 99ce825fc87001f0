//! Settings that this process exposes: their values, their store, and who waits for a change.

use std::collections::BTreeMap;

use lcast_proto::name::Name;
use lcast_proto::question::report::{SetOutcome as Outcome, SetResult};
use lcast_proto::question::{SetId, SetOrder};
use lcast_proto::time::{Now, Timestamp};
use lcast_proto::value::Value;
use lcast_proto::variable::{Definition, Table, TableError, Update, Version};
use lcast_proto::wire::cbor;
use tokio::sync::{mpsc, watch};

use crate::node::ExposeError;
use crate::store::{
    Applied, Effect, RequestKey, SetOperation, SetOutcome, SetRequest, Store, StoreError,
};

/// Writes that wait for the store; further ones fail.
const WAITING_MAX: usize = 256;

/// The settings of a node.
pub(crate) struct Settings {
    keeper: Keeper,
    waiting: std::collections::VecDeque<(SetId, SetOrder, Timestamp)>,
    values: BTreeMap<Name, watch::Sender<Value>>,
    stored: mpsc::Sender<Stored>,
}

/// Who keeps the values.
enum Keeper {
    /// Nobody: they last as long as the process. Holds the count of writes.
    Nobody(u64),
    /// The store, which is at hand.
    Store(Box<Store>),
    /// The store, which is at work on another thread.
    Busy,
}

/// What became of a write, and the store that did it.
pub(crate) struct Stored {
    id: SetId,
    order: SetOrder,
    outcome: Result<SetOutcome, StoreError>,
    store: Option<Box<Store>>,
}

impl Settings {
    /// No settings, kept by nobody; and where finished writes come out.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Stored>) {
        let (stored, finished) = mpsc::channel(1);
        let settings = Self {
            keeper: Keeper::Nobody(0),
            waiting: std::collections::VecDeque::new(),
            values: BTreeMap::new(),
            stored,
        };
        (settings, finished)
    }

    pub(crate) fn keep_in(&mut self, store: Option<Store>) {
        if let Some(store) = store {
            self.keeper = Keeper::Store(Box::new(store));
        }
    }

    /// Exposes a setting with the value that was kept, or its default.
    pub(crate) fn expose(
        &mut self,
        table: &mut Table,
        now: Now,
        definition: Definition,
        default: Value,
    ) -> Result<watch::Receiver<Value>, ExposeError> {
        let template = definition.template.clone();
        let undefined = || TableError::Undefined(template.clone());
        let name: Name = template.parse().map_err(|_| undefined())?;
        let constraint = definition.setting.clone().ok_or_else(undefined)?;
        constraint
            .check(&default)
            .map_err(|message| ExposeError::Default { name: template.clone(), message })?;
        let expected = definition.value_type;
        let fits = |value: &Value| value.kind() == expected && constraint.check(value).is_ok();
        let kept = self.kept(&template).filter(|(value, _, _)| fits(value));
        table.define(definition)?;
        let (value, version, time) =
            kept.unwrap_or_else(|| (default, Version::default(), now.wall));
        let update = Update {
            name: name.clone(),
            value: value.clone(),
            time: Some(time),
            version: Some(version),
        };
        table.update(now, update)?;
        let (sender, receiver) = watch::channel(value);
        self.values.insert(name, sender);
        Ok(receiver)
    }

    /// The value, version and time of a setting in the store.
    fn kept(&self, name: &str) -> Option<(Value, Version, Timestamp)> {
        let Keeper::Store(store) = &self.keeper else { return None };
        let kept = match store.settings() {
            Ok(settings) => settings.into_iter().find(|setting| setting.name == name)?,
            Err(error) => {
                tracing::warn!(%error, name, "the kept value cannot be read; the default is used");
                return None;
            }
        };
        let value = cbor::parse(&kept.value).and_then(cbor::value_from_cbor).ok()?;
        Some((value, kept.version, kept.time))
    }

    /// Starts a write; its outcome at once when nobody keeps values or there are too many writes.
    pub(crate) fn apply(&mut self, id: SetId, order: SetOrder, wall: Timestamp) -> Option<Stored> {
        match &mut self.keeper {
            Keeper::Nobody(count) => {
                *count += 1;
                let version = Version { incarnation: 1, counter: *count };
                let applied =
                    order.assignments.iter().map(|_| Applied { effect: Effect::Applied, version });
                let outcome = SetOutcome { applied: applied.collect(), repeated: false };
                return Some(Stored { id, order, outcome: Ok(outcome), store: None });
            }
            Keeper::Busy if self.waiting.len() >= WAITING_MAX => {
                let outcome =
                    Err(StoreError::Limit { what: "writes at once".to_owned(), max: WAITING_MAX });
                return Some(Stored { id, order, outcome, store: None });
            }
            Keeper::Busy | Keeper::Store(_) => {}
        }
        self.waiting.push_back((id, order, wall));
        self.start_next();
        None
    }

    /// Hands the next write to the store, on a thread that may wait for the disk.
    fn start_next(&mut self) {
        if !matches!(self.keeper, Keeper::Store(_)) {
            return;
        }
        let Some((id, order, wall)) = self.waiting.pop_front() else { return };
        let Keeper::Store(mut store) = std::mem::replace(&mut self.keeper, Keeper::Busy) else {
            return;
        };
        let stored = self.stored.clone();
        tokio::task::spawn_blocking(move || {
            let outcome = store.apply(&request(&order, wall));
            // An error means that the node has ended: the value is kept all the same.
            let _ = stored.blocking_send(Stored { id, order, outcome, store: Some(store) });
        });
    }

    /// Puts what was written in force, and says what to answer.
    pub(crate) fn finish(
        &mut self,
        table: &mut Table,
        now: Now,
        stored: Stored,
    ) -> (SetId, Vec<SetResult>) {
        let Stored { id, order, outcome, store } = stored;
        if let Some(store) = store {
            self.keeper = Keeper::Store(store);
            self.start_next();
        }
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::warn!(%error, asker = order.asker, "settings were not kept");
                let failed = |(name, _): &(Name, Value)| SetResult {
                    name: name.to_string(),
                    outcome: Outcome::Storage,
                    message: error.to_string(),
                    version: table.entry(name).map(|entry| entry.version),
                };
                return (id, order.assignments.iter().map(failed).collect());
            }
        };
        let mut results = Vec::new();
        for ((name, value), applied) in order.assignments.iter().zip(outcome.applied) {
            let written = applied.effect == Effect::Applied && !order.dry_run;
            // A request that comes again must not bring back a value that was written over since.
            if written && !outcome.repeated {
                self.put_in_force(table, now, name, value, applied.version);
            }
            results.push(result(name, applied, order.dry_run));
        }
        (id, results)
    }

    fn put_in_force(
        &mut self,
        table: &mut Table,
        now: Now,
        name: &Name,
        value: &Value,
        version: Version,
    ) {
        let update = Update {
            name: name.clone(),
            value: value.clone(),
            time: Some(now.wall),
            version: Some(version),
        };
        if let Err(error) = table.update(now, update) {
            tracing::error!(%error, "a stored setting cannot be shown");
        }
        if let Some(sender) = self.values.get(name) {
            sender.send_replace(value.clone());
        }
    }
}

fn request(order: &SetOrder, wall: Timestamp) -> SetRequest {
    let operation = |(name, value): &(Name, Value)| SetOperation {
        name: name.to_string(),
        value: cbor::encode(&cbor::value_to_cbor(value)),
        if_version: order.if_version,
    };
    let (sender, request) = order.request;
    SetRequest {
        key: RequestKey { sender: sender.0, request },
        operations: order.assignments.iter().map(operation).collect(),
        dry_run: order.dry_run,
        wall,
    }
}

fn result(name: &Name, applied: Applied, dry_run: bool) -> SetResult {
    let (outcome, message) = match applied.effect {
        Effect::Applied if dry_run => (Outcome::Applied, "would be written"),
        Effect::Applied => (Outcome::Applied, ""),
        Effect::Unchanged => (Outcome::Unchanged, ""),
        Effect::Conflict => (Outcome::Conflict, "another version is held"),
    };
    let message = message.to_owned();
    SetResult { name: name.to_string(), outcome, message, version: Some(applied.version) }
}
