//! The durable store of a simulated node: settings, and the results of the requests that wrote
//! them, kept in one transaction. It survives crashes of its node.
//!
//! It stands in for the agent's SQLite file and keeps the same promise: a request, named by the
//! asking process and its number, is applied at most once, whatever repeats or crashes.

use std::collections::BTreeMap;

use lcast_proto::name::Name;
use lcast_proto::question::SetOrder;
use lcast_proto::question::report::{SetOutcome, SetResult};
use lcast_proto::value::Value;
use lcast_proto::variable::Version;
use lcast_proto::wire::id::SenderId;

use crate::queue::Time;

/// Names a request across the whole realm.
pub type RequestKey = (SenderId, u64);

/// A setting as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The value.
    pub value: Value,
    /// The version that the last change gave it.
    pub version: Version,
}

/// One change that was really made.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// When.
    pub at: Time,
    /// By whose request.
    pub request: RequestKey,
    /// The certified name of who asked.
    pub asker: String,
    /// Which setting.
    pub name: Name,
    /// What it holds since then.
    pub kept: Kept,
}

/// Settings of one node, and every change ever made to them.
#[derive(Debug, Default)]
pub struct Store {
    settings: BTreeMap<Name, Kept>,
    results: BTreeMap<RequestKey, Vec<SetResult>>,
    writes: Vec<Write>,
    counter: u64,
    incarnation: u64,
    /// Whether the disk is full: nothing can be kept.
    pub full: bool,
}

impl Store {
    /// Counts a start of the node; its number.
    pub fn start(&mut self) -> u64 {
        self.incarnation += 1;
        self.counter = 0;
        self.incarnation
    }

    /// Creates a setting with its default, unless it is kept already.
    pub fn create(&mut self, name: Name, value: Value) {
        let version = Version { incarnation: self.incarnation, counter: 0 };
        self.settings.entry(name).or_insert(Kept { value, version });
    }

    /// What is kept, in order of name.
    pub fn settings(&self) -> impl Iterator<Item = (&Name, &Kept)> {
        self.settings.iter()
    }

    /// One setting.
    pub fn kept(&self, name: &Name) -> Option<&Kept> {
        self.settings.get(name)
    }

    /// Every change that was made, oldest first.
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// What became of a request, if it was ever carried out here.
    pub fn result(&self, request: &RequestKey) -> Option<&[SetResult]> {
        self.results.get(request).map(Vec::as_slice)
    }

    /// Carries out an order, all or nothing, once.
    pub fn apply(&mut self, now: Time, order: &SetOrder) -> Vec<SetResult> {
        if let Some(results) = self.results.get(&order.request) {
            return results.clone();
        }
        let refused = order.assignments.iter().any(|(name, _)| {
            let held = self.settings.get(name).map(|it| it.version);
            held.is_none() || order.if_version.is_some_and(|wanted| Some(wanted) != held)
        });
        let mut results = Vec::new();
        for (name, value) in &order.assignments {
            let outcome = self.outcome(name, value, order, refused);
            if outcome == SetOutcome::Applied && !order.dry_run {
                self.write(now, order, name, value);
            }
            let version = self.settings.get(name).map(|it| it.version);
            let message = String::new();
            results.push(SetResult { name: name.to_string(), outcome, message, version });
        }
        if !order.dry_run && !self.full {
            self.results.insert(order.request, results.clone());
        }
        results
    }

    fn outcome(&self, name: &Name, value: &Value, order: &SetOrder, refused: bool) -> SetOutcome {
        let Some(kept) = self.settings.get(name) else { return SetOutcome::NoSuchVariable };
        if refused {
            return SetOutcome::Conflict;
        }
        if kept.value.is_same(value) {
            return SetOutcome::Unchanged;
        }
        if self.full && !order.dry_run { SetOutcome::Storage } else { SetOutcome::Applied }
    }

    fn write(&mut self, at: Time, order: &SetOrder, name: &Name, value: &Value) {
        self.counter += 1;
        let version = Version { incarnation: self.incarnation, counter: self.counter };
        let kept = Kept { value: value.clone(), version };
        self.settings.insert(name.clone(), kept.clone());
        let (request, asker) = (order.request, order.asker.clone());
        self.writes.push(Write { at, request, asker, name: name.clone(), kept });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(request: u64, value: &str, if_version: Option<Version>) -> SetOrder {
        SetOrder {
            request: (SenderId([1; 12]), request),
            asker: "admin".to_owned(),
            assignments: vec![("app.greeting".parse().unwrap(), Value::from(value))],
            if_version,
            dry_run: false,
        }
    }

    #[test]
    fn requests_are_applied_once_even_across_a_crash() {
        let mut store = Store::default();
        store.start();
        store.create("app.greeting".parse().unwrap(), Value::from(""));
        let first = store.apply(Time::ZERO, &order(1, "hello", None));
        assert_eq!(first[0].outcome, SetOutcome::Applied);
        store.apply(Time::ZERO, &order(2, "bye", None));
        store.start();
        assert_eq!(store.apply(Time::ZERO, &order(1, "hello", None)), first);
        assert_eq!(store.writes().len(), 2);
        let stale = order(3, "x", first[0].version);
        assert_eq!(store.apply(Time::ZERO, &stale)[0].outcome, SetOutcome::Conflict);
        assert_eq!(
            store.apply(Time::ZERO, &order(4, "bye", None))[0].outcome,
            SetOutcome::Unchanged
        );
        store.full = true;
        assert_eq!(store.apply(Time::ZERO, &order(5, "y", None))[0].outcome, SetOutcome::Storage);
        assert_eq!(store.writes().len(), 2);
    }
}
