//! Settings that this process exposes: their values, their store, and who waits for a change.

use std::collections::BTreeMap;

use lcast_proto::name::Name;
use lcast_proto::question::answering::RECALLED_MAX;
use lcast_proto::question::report::{SetOutcome as Outcome, SetResult};
use lcast_proto::question::{RecalledSet, SetId, SetOrder};
use lcast_proto::time::{Now, Timestamp};
use lcast_proto::value::Value;
use lcast_proto::variable::{Definition, Table, TableError, Update, Version};
use lcast_proto::wire::cbor;
use lcast_proto::wire::id::SenderId;
use tokio::sync::{mpsc, watch};

use crate::node::ExposeError;
use crate::outcomes::Outcomes;
use crate::store::{Applied, Effect, RequestKey, SetOperation, Store, StoreError, Write, Written};

/// Writes that wait for the store; further ones fail.
const WAITING_MAX: usize = 256;

/// The settings of a node.
pub(crate) struct Settings {
    keeper: Keeper,
    /// What was ever set, as it is kept: at hand also while the store is at work.
    kept: BTreeMap<String, Kept>,
    waiting: std::collections::VecDeque<(SetId, SetOrder, Timestamp)>,
    values: BTreeMap<Name, watch::Sender<Value>>,
    stored: mpsc::Sender<Stored>,
}

/// Who keeps the values.
enum Keeper {
    /// Nobody: they last as long as the process, as does what became of requests. Counts writes.
    Nobody { count: u64, outcomes: Outcomes },
    /// The store, which is at hand.
    Store(Box<Store>),
    /// The store, which is at work on another thread.
    Busy,
}

/// A setting that was set.
#[derive(Clone)]
struct Kept {
    value: Value,
    version: Version,
    time: Timestamp,
}

/// What became of a write, and the store that did it.
pub(crate) struct Stored {
    id: SetId,
    order: SetOrder,
    outcome: Result<Written, StoreError>,
    store: Option<Box<Store>>,
}

impl Settings {
    /// No settings, kept by nobody; and where finished writes come out.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Stored>) {
        let (stored, finished) = mpsc::channel(1);
        let settings = Self {
            keeper: Keeper::Nobody { count: 0, outcomes: Outcomes::default() },
            kept: BTreeMap::new(),
            waiting: std::collections::VecDeque::new(),
            values: BTreeMap::new(),
            stored,
        };
        (settings, finished)
    }

    pub(crate) fn keep_in(&mut self, store: Option<Store>) {
        let Some(store) = store else { return };
        match store.settings() {
            Ok(settings) => self.kept = settings.into_iter().filter_map(kept).collect(),
            Err(error) => tracing::warn!(%error, "kept values cannot be read; defaults are used"),
        }
        self.keeper = Keeper::Store(Box::new(store));
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
        let expected = definition.value_type;
        let fits = |value: &Value| match value.kind() == expected {
            true => constraint.check(value),
            false => Err(format!("it holds {expected}, not {}", value.kind())),
        };
        // Null is the default of a setting that has no value until somebody sets it.
        if default != Value::Null
            && let Err(message) = fits(&default)
        {
            return Err(ExposeError::Default { name: template, message });
        }
        definition.check_value(&template, &default)?;
        table.define(definition)?;
        let never = Kept { value: default, version: Version::default(), time: now.wall };
        let Kept { value, version, time } = match self.kept.get(&template) {
            None => never,
            Some(kept) => match fits(&kept.value) {
                Ok(()) => kept.clone(),
                Err(message) => {
                    // The version stays: it is what the next write is compared with.
                    tracing::warn!(name = template, message, "the kept value does not fit");
                    Kept { version: kept.version, ..never }
                }
            },
        };
        let update = Update {
            name: name.clone(),
            value: value.clone(),
            time: Some(time),
            version: Some(version),
        };
        table.update(now, update)?;
        // Exposed once more, it is the same setting: whoever waits for a change goes on waiting.
        let sender = self.values.entry(name).or_insert_with(|| watch::Sender::new(value.clone()));
        sender.send_if_modified(|held| !std::mem::replace(held, value.clone()).is_same(&value));
        Ok(sender.subscribe())
    }

    /// Starts a write; its outcome at once when nobody keeps values or there are too many writes.
    pub(crate) fn apply(&mut self, id: SetId, order: SetOrder, wall: Timestamp) -> Option<Stored> {
        match &mut self.keeper {
            Keeper::Nobody { count, outcomes } => {
                let decide = |it: &(Name, Value)| decide(&order, it, &self.kept, count);
                let outcome = outcomes.apply(request_key(&order), order.dry_run, || {
                    order.assignments.iter().map(decide).collect()
                });
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
                    message: told(&error).to_owned(),
                    version: table.entry(name).map(|entry| entry.version),
                };
                return (id, order.assignments.iter().map(failed).collect());
            }
        };
        let mut results = Vec::new();
        for ((name, value), applied) in order.assignments.iter().zip(outcome.applied) {
            // A request that comes again must not bring back a value that was written over since.
            let holds = !order.dry_run && !outcome.repeated;
            let version = applied.version;
            match applied.effect {
                Effect::Applied if holds => {
                    let (asker, set) = (&order.asker, name.to_string());
                    tracing::info!(asker, set, counter = version.counter, "set");
                    self.put_in_force(table, now, name, value, version);
                }
                // It is in the store, and could not be read at the start.
                Effect::Unchanged if holds && differs(table, name, value, version) => {
                    self.put_in_force(table, now, name, value, version);
                }
                Effect::Applied | Effect::Unchanged | Effect::Conflict => {}
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
        let kept = Kept { value: value.clone(), version, time: now.wall };
        self.kept.insert(name.to_string(), kept);
    }
}

/// Whether another value, or version, of this setting is shown.
fn differs(table: &Table, name: &Name, value: &Value, version: Version) -> bool {
    let shown = table.entry(name);
    shown.is_some_and(|it| !it.value.is_same(value) || it.version != version)
}

/// A setting from the store; `None` when its value cannot be read.
fn kept(setting: crate::store::Setting) -> Option<(String, Kept)> {
    let crate::store::Setting { name, value, version, time } = setting;
    match cbor::parse(&value).and_then(cbor::value_from_cbor) {
        Ok(value) => Some((name, Kept { value, version, time })),
        Err(error) => {
            tracing::warn!(%error, name, "a kept value cannot be read; the default is used");
            None
        }
    }
}

/// What becomes of a write that nobody keeps: the same as the store would say.
fn decide(
    order: &SetOrder,
    (name, value): &(Name, Value),
    kept: &BTreeMap<String, Kept>,
    count: &mut u64,
) -> Applied {
    let held = kept.get(&name.to_string());
    let version = held.map(|it| it.version).unwrap_or_default();
    let bytes = |value: &Value| cbor::encode(&cbor::value_to_cbor(value));
    if order.if_version.is_some_and(|demanded| demanded != version) {
        return Applied { effect: Effect::Conflict, version };
    }
    if held.is_some_and(|held| bytes(&held.value) == bytes(value)) {
        return Applied { effect: Effect::Unchanged, version };
    }
    if order.dry_run {
        return Applied { effect: Effect::Applied, version };
    }
    *count += 1;
    Applied { effect: Effect::Applied, version: Version { incarnation: 1, counter: *count } }
}

fn request(order: &SetOrder, wall: Timestamp) -> Write {
    let operation = |(name, value): &(Name, Value)| SetOperation {
        name: name.to_string(),
        value: cbor::encode(&cbor::value_to_cbor(value)),
        if_version: order.if_version,
    };
    Write {
        key: request_key(order),
        operations: order.assignments.iter().map(operation).collect(),
        dry_run: order.dry_run,
        wall,
    }
}

fn request_key(order: &SetOrder) -> RequestKey {
    let (sender, request) = order.request;
    RequestKey { sender: sender.0, request }
}

/// What the store knows of the newest sets of earlier processes. [QST-26]
pub(crate) fn recalled(store: &Store) -> Vec<RecalledSet> {
    let recalled = |(key, applied): (RequestKey, Vec<Applied>)| RecalledSet {
        request: (SenderId(key.sender), key.request),
        results: applied.into_iter().map(|it| (outcome(it.effect), it.version)).collect(),
    };
    match store.newest_outcomes(RECALLED_MAX) {
        Ok(outcomes) => outcomes.into_iter().map(recalled).collect(),
        Err(error) => {
            tracing::warn!(%error, "what became of earlier sets cannot be read");
            Vec::new()
        }
    }
}

const fn outcome(effect: Effect) -> Outcome {
    match effect {
        Effect::Applied => Outcome::Applied,
        Effect::Unchanged => Outcome::Unchanged,
        Effect::Conflict => Outcome::Conflict,
    }
}

fn result(name: &Name, applied: Applied, dry_run: bool) -> SetResult {
    let mut result = outcome(applied.effect).result(name.to_string(), applied.version);
    if dry_run && applied.effect == Effect::Applied {
        "nothing is written: a dry run".clone_into(&mut result.message);
    }
    result
}

/// What others hear about a failure: the kind, not where this node keeps its files.
fn told(error: &StoreError) -> &'static str {
    match error {
        StoreError::DiskFull { .. } => "the node's disk is full; the old value is kept",
        StoreError::ReadOnly { .. } => "the node cannot write its state; the old value is kept",
        StoreError::Removed { .. } => "the node's state was removed; the old value is kept",
        StoreError::Limit { .. } => "too much at once for the node; the old value is kept",
        StoreError::Corrupt { .. }
        | StoreError::Newer { .. }
        | StoreError::Foreign { .. }
        | StoreError::Folder { .. }
        | StoreError::Displaced { .. }
        | StoreError::Database { .. } => "the node's state is damaged; the old value is kept",
    }
}

#[cfg(test)]
mod tests {
    use lcast_proto::value::Type;
    use lcast_proto::variable::Constraint;

    use super::*;
    use crate::file::tests::Folder;

    fn order(id: u64, name: &str, text: &str, if_version: Option<&str>) -> SetOrder {
        SetOrder {
            request: (SenderId([1; 12]), id),
            asker: "client".to_owned(),
            assignments: vec![(name.parse().unwrap(), Value::from(text))],
            if_version: if_version.map(|it| it.parse().unwrap()),
            dry_run: false,
        }
    }

    fn definition(name: &str) -> Definition {
        let constraint = Constraint { length_max: Some(4), ..Constraint::default() };
        Definition::setting(name, Type::Text, constraint)
    }

    fn shown(table: &Table, name: &str) -> (Value, String) {
        let entry = table.entry(&name.parse().unwrap()).unwrap();
        (entry.value.clone(), entry.version.to_string())
    }

    /// A store that holds `app.a` and `app.b`.
    fn store(folder: &Folder) -> Store {
        let mut store = Store::open(folder.path()).unwrap();
        for (id, name) in [(1, "app.a"), (2, "app.b")] {
            let order = order(id, name, "kept", None);
            store.apply(&request(&order, Timestamp::from_millis(0))).unwrap();
        }
        store
    }

    #[test]
    fn without_a_store_effects_follow_value_and_version_as_with_one() {
        let (mut settings, _stored) = Settings::new();
        let (mut table, now) = (Table::new(1), Now::default());
        settings.expose(&mut table, now, definition("app.a"), Value::from("x")).unwrap();
        let steps = [
            ("x", Some("0.1"), false, Outcome::Conflict, "0.0"),
            ("x", None, true, Outcome::Applied, "0.0"),
            ("x", Some("0.0"), false, Outcome::Applied, "1.1"),
            ("x", None, false, Outcome::Unchanged, "1.1"),
            ("x", Some("0.0"), false, Outcome::Conflict, "1.1"),
            ("y", Some("1.1"), false, Outcome::Applied, "1.2"),
            ("z", None, true, Outcome::Applied, "1.2"),
        ];
        for (step, (text, if_version, dry_run, expected, version)) in steps.into_iter().enumerate()
        {
            let order = SetOrder { dry_run, ..order(step as u64, "app.a", text, if_version) };
            let stored = settings.apply(SetId(0), order, now.wall).unwrap();
            let (_, results) = settings.finish(&mut table, now, stored);
            let result = &results[0];
            assert_eq!(result.outcome, expected, "step {step}");
            assert_eq!(result.version, Some(version.parse().unwrap()), "step {step}");
        }
        assert_eq!(shown(&table, "app.a"), (Value::from("y"), "1.2".to_owned()));
        let again = settings.expose(&mut table, now, definition("app.a"), Value::from("x"));
        assert_eq!(*again.unwrap().borrow(), Value::from("y"));
    }

    /// [QST-26]
    #[test]
    fn without_a_store_a_request_that_comes_again_writes_nothing_either() {
        let (mut settings, _stored) = Settings::new();
        let (mut table, now) = (Table::new(1), Now::default());
        settings.expose(&mut table, now, definition("app.a"), Value::from("x")).unwrap();
        let mut set = |id, text| {
            let stored = settings.apply(SetId(0), order(id, "app.a", text, None), now.wall);
            let (_, results) = settings.finish(&mut table, now, stored.unwrap());
            (results[0].clone(), shown(&table, "app.a").0)
        };
        let (first, _) = set(1, "y");
        set(2, "z");
        assert_eq!(set(1, "y"), (first, Value::from("z")));
        assert_eq!(set(3, "y").1, Value::from("y"), "another request is carried out");
    }

    /// [QST-26]
    #[test]
    fn the_next_process_recalls_what_was_written() {
        let folder = Folder::new("settings");
        drop(store(&folder));
        let recalled = recalled(&Store::open(folder.path()).unwrap());
        let expected = |id, version: &str| RecalledSet {
            request: (SenderId([1; 12]), id),
            results: vec![(Outcome::Applied, version.parse().unwrap())],
        };
        assert_eq!(recalled, [expected(1, "1.1"), expected(2, "1.2")]);
    }

    #[tokio::test]
    async fn a_setting_that_is_exposed_during_a_write_has_its_kept_value() {
        let folder = Folder::new("settings");
        let (mut settings, mut stored) = Settings::new();
        settings.keep_in(Some(store(&folder)));
        let (mut table, now) = (Table::new(2), Now::default());
        let mut first =
            settings.expose(&mut table, now, definition("app.a"), Value::from("x")).unwrap();
        assert!(settings.apply(SetId(1), order(3, "app.a", "y", None), now.wall).is_none());
        let second = settings.expose(&mut table, now, definition("app.b"), Value::from("x"));
        assert_eq!(*second.unwrap().borrow(), Value::from("kept"));
        assert_eq!(shown(&table, "app.b"), (Value::from("kept"), "1.2".to_owned()));
        let written = stored.recv().await.unwrap();
        settings.finish(&mut table, now, written);
        assert_eq!(*first.borrow_and_update(), Value::from("y"));
    }

    #[tokio::test]
    async fn so_many_writes_wait_and_one_more_fails() {
        let folder = Folder::new("settings");
        let (mut settings, mut finished) = Settings::new();
        settings.keep_in(Some(store(&folder)));
        let (mut table, now) = (Table::new(2), Now::default());
        settings.expose(&mut table, now, definition("app.a"), Value::from("x")).unwrap();
        // One is at work; no other begins before its outcome is taken.
        let most = u64::try_from(WAITING_MAX).unwrap();
        for id in 0..=most {
            let order = order(10 + id, "app.a", "y", None);
            assert!(settings.apply(SetId(id), order, now.wall).is_none(), "{id}");
        }
        let again = |settings: &mut Settings| {
            settings.apply(SetId(most + 1), order(9, "app.a", "z", None), now.wall)
        };
        let failed = again(&mut settings).expect("one more than may wait");
        let (id, results) = settings.finish(&mut table, now, failed);
        assert_eq!((id, results[0].outcome), (SetId(most + 1), Outcome::Storage));
        assert!(results[0].message.contains("too much at once"), "{results:?}");
        let first = finished.recv().await.unwrap();
        let (id, results) = settings.finish(&mut table, now, first);
        assert_eq!((id, results[0].outcome), (SetId(0), Outcome::Applied));
        assert!(again(&mut settings).is_none(), "there is room for one again");
        for id in 1..=most + 1 {
            let next = finished.recv().await.unwrap();
            assert_eq!(settings.finish(&mut table, now, next).0, SetId(id));
        }
        assert_eq!(shown(&table, "app.a").0, Value::from("z"));
    }

    #[test]
    fn a_setting_needs_no_default() {
        let (mut settings, _stored) = Settings::new();
        let (mut table, now) = (Table::new(2), Now::default());
        let number = Definition::setting("app.a", Type::Int, Constraint::default());
        let value = settings.expose(&mut table, now, number, Value::Null).unwrap();
        assert_eq!(*value.borrow(), Value::Null);
        assert_eq!(shown(&table, "app.a").0, Value::Null);
    }

    #[test]
    fn a_kept_value_that_does_not_fit_gives_its_version_to_the_default() {
        let folder = Folder::new("settings");
        let (mut settings, _stored) = Settings::new();
        settings.keep_in(Some(store(&folder)));
        let (mut table, now) = (Table::new(2), Now::default());
        let number = Definition::setting("app.a", Type::Int, Constraint::default());
        settings.expose(&mut table, now, number, Value::Int(7)).unwrap();
        assert_eq!(shown(&table, "app.a"), (Value::Int(7), "1.1".to_owned()));
        for default in [Value::Int(7), Value::from("long one")] {
            let refused = settings.expose(&mut table, now, definition("app.c"), default);
            assert!(matches!(refused, Err(ExposeError::Default { .. })), "{refused:?}");
        }
        assert!(table.definition(&"app.c".parse().unwrap()).is_none());
    }

    /// What could not be read at the start is in the store all the same.
    #[tokio::test]
    async fn a_set_of_the_very_value_that_the_store_has_puts_it_in_force() {
        let folder = Folder::new("settings");
        let (mut settings, mut stored) = Settings::new();
        settings.keep_in(Some(store(&folder)));
        settings.kept.clear();
        let (mut table, now) = (Table::new(2), Now::default());
        let mut values: Vec<watch::Receiver<Value>> = Vec::new();
        for (name, default) in [("app.a", "x"), ("app.b", "kept")] {
            let default = Value::from(default);
            values.push(settings.expose(&mut table, now, definition(name), default).unwrap());
        }
        let steps = [
            ("app.a", "kept", true, "x", "0.0"),
            ("app.a", "kept", false, "kept", "1.1"),
            ("app.b", "kept", false, "kept", "1.2"),
        ];
        for (id, (name, text, dry_run, value, version)) in (3..).zip(steps) {
            let order = SetOrder { dry_run, ..order(id, name, text, None) };
            assert!(settings.apply(SetId(id), order, now.wall).is_none());
            let written = stored.recv().await.unwrap();
            let (_, results) = settings.finish(&mut table, now, written);
            assert_eq!(results[0].outcome, Outcome::Unchanged, "{name} {dry_run}");
            assert_eq!(shown(&table, name), (Value::from(value), version.to_owned()), "{dry_run}");
        }
        assert!(values[0].has_changed().unwrap());
        assert_eq!(*values[0].borrow_and_update(), Value::from("kept"));
        // Once in force it is told to nobody again.
        assert!(settings.apply(SetId(9), order(9, "app.a", "kept", None), now.wall).is_none());
        let written = stored.recv().await.unwrap();
        settings.finish(&mut table, now, written);
        assert!(!values[0].has_changed().unwrap());
    }
}
