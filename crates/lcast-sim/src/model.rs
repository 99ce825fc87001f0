//! What a simulated node knows about itself, with the whole history: the truth that answers are
//! checked against.
//!
//! The variables are the same everywhere, so that scenarios can ask for them by name:
//! `app.number` (the node's number), `app.load` (sampled anew when a question wants it, at most
//! once a second), `app.ticks` (counts up by itself), `app.disk["/"].usage` and `.limit`,
//! `app.greeting` (a setting), `app.text["..."]` (whatever a scenario publishes), and in large
//! nodes `app.bulk["k00000"]` and so on.

use std::collections::BTreeMap;
use std::time::Duration;

use lcast_proto::name::Name;
use lcast_proto::time::Timestamp;
use lcast_proto::value::{Type, Value};
use lcast_proto::variable::{Constraint, Definition, Kind, Schema, Update, Version};

use crate::queue::Time;
use crate::random::Random;

/// A sampled value is kept for so long before it is sampled again.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// Longest greeting, in bytes.
pub const GREETING_MAX: u32 = 64;

/// A value that a node held from some time on, until the next one.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// When the node came to hold it.
    pub at: Time,
    /// The node's wall clock at that moment.
    pub wall: Timestamp,
    /// The value.
    pub value: Value,
    /// Its version, where the store decides it.
    pub version: Option<Version>,
}

/// A value as the node's table held it; none from where it was removed.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Its version in the table, or the last one before it was removed.
    pub version: Version,
    /// The value.
    pub value: Option<Value>,
}

/// The variables of one node and all that they ever held.
pub struct Model {
    number: u32,
    bulk: u32,
    ticks: i64,
    sampled_at: Option<Time>,
    history: BTreeMap<String, Vec<Held>>,
    kept: BTreeMap<String, Vec<Kept>>,
    random: Random,
}

impl Model {
    /// The variables of the node with this number, plus `bulk` more.
    pub fn new(number: u32, bulk: u32, random: Random) -> Self {
        let (history, kept) = (BTreeMap::new(), BTreeMap::new());
        Self { number, bulk, ticks: 0, sampled_at: None, history, kept, random }
    }

    /// The definitions of all variables.
    pub fn definitions(&self) -> Vec<Definition> {
        let mut definitions = vec![
            define("app.number", Type::Int, "", Kind::Info),
            define("app.load", Type::Float, "{thread}", Kind::Gauge),
            define("app.ticks", Type::Int, "{tick}", Kind::Counter),
            define("app.disk[*].usage", Type::Int, "By", Kind::Gauge),
            define("app.disk[*].limit", Type::Int, "By", Kind::Gauge),
            define("app.text[*]", Type::Text, "", Kind::Gauge),
            Definition {
                setting: Some(Constraint { length_max: Some(GREETING_MAX), ..Default::default() }),
                ..define("app.greeting", Type::Text, "", Kind::Setting)
            },
        ];
        if self.bulk > 0 {
            definitions.push(define("app.bulk[*]", Type::Text, "", Kind::Gauge));
        }
        definitions
    }

    /// The definitions as a schema.
    pub fn schema(&self) -> Schema {
        Schema::new(self.definitions())
    }

    /// The values that a start of the node begins with; settings come from the store.
    pub fn start(&mut self, now: Time, wall: Timestamp) -> Vec<Update> {
        self.sampled_at = Some(now);
        let number = i64::from(self.number);
        let mut values = vec![
            ("app.number".to_owned(), Value::Int(number)),
            ("app.load".to_owned(), self.load()),
            ("app.ticks".to_owned(), Value::Int(self.ticks)),
        ];
        for (mount, limit) in [("/", 1_000_000), ("/var", 9_000_000)] {
            values.push((format!("app.disk[\"{mount}\"].usage"), Value::Int(limit / 2 + number)));
            values.push((format!("app.disk[\"{mount}\"].limit"), Value::Int(limit)));
        }
        for index in 0..self.bulk {
            let text = format!("value {index} of node {number}");
            values.push((format!("app.bulk[\"k{index:05}\"]"), Value::from(text)));
        }
        let held = |(name, value)| self.hold(now, wall, name, value, None);
        values.into_iter().filter_map(held).collect()
    }

    /// A fresh sample of what is sampled on demand; nothing when the last one is young enough.
    pub fn sample(&mut self, now: Time, wall: Timestamp) -> Option<Update> {
        if self.sampled_at.is_some_and(|at| now.saturating_sub(at) < SAMPLE_INTERVAL) {
            return None;
        }
        self.sampled_at = Some(now);
        let load = self.load();
        self.hold(now, wall, "app.load".to_owned(), load, None)
    }

    /// Lets `app.ticks` count up.
    pub fn tick(&mut self, now: Time, wall: Timestamp) -> Option<Update> {
        self.ticks += 1;
        let ticks = Value::Int(self.ticks);
        self.hold(now, wall, "app.ticks".to_owned(), ticks, None)
    }

    /// Notes a value that the node holds from here on, and gives the update that tells it so.
    pub fn hold(
        &mut self,
        at: Time,
        wall: Timestamp,
        name: String,
        value: Value,
        version: Option<Version>,
    ) -> Option<Update> {
        let parsed: Name = name.parse().ok()?;
        let held = Held { at, wall, value: value.clone(), version };
        self.history.entry(name).or_default().push(held);
        Some(Update { name: parsed, value, time: Some(wall), version })
    }

    /// Notes what the table holds under a name, with the version that it gave it.
    pub fn keep(&mut self, name: &str, version: Version, value: Value) {
        let kept = self.kept.entry(name.to_owned()).or_default();
        let next = Kept { version, value: Some(value) };
        if kept.last() != Some(&next) {
            kept.push(next);
        }
    }

    /// Notes that the table holds nothing under a name any more.
    pub fn drop_value(&mut self, name: &str) {
        let Some(kept) = self.kept.get_mut(name) else { return };
        let last = kept.last().filter(|it| it.value.is_some()).map(|it| it.version);
        kept.extend(last.map(|version| Kept { version, value: None }));
    }

    /// Everything that the table ever held under a name, oldest first.
    pub fn kept(&self, name: &str) -> &[Kept] {
        self.kept.get(name).map_or(&[], Vec::as_slice)
    }

    /// What a variable ever held, oldest first.
    pub fn history(&self, name: &str) -> &[Held] {
        self.history.get(name).map_or(&[], Vec::as_slice)
    }

    /// The names of all variables that ever had a value.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.history.keys().map(String::as_str)
    }

    /// Whether the node held this value at some moment from `from` to `until`.
    pub fn held_between(&self, name: &str, value: &Value, from: Time, until: Time) -> bool {
        let history = self.history(name);
        history.iter().enumerate().any(|(index, held)| {
            let over = history.get(index + 1).map_or(Time::MAX, |next| next.at);
            held.value == *value && held.at <= until && over >= from
        })
    }

    fn load(&mut self) -> Value {
        let hundredths = u32::try_from(self.random.below(1_000)).unwrap_or(0);
        Value::Float(f64::from(hundredths) / 100.0)
    }
}

fn define(template: &str, value_type: Type, unit: &str, kind: Kind) -> Definition {
    Definition {
        template: template.to_owned(),
        value_type,
        unit: unit.to_owned(),
        description: format!("What the simulator keeps in {template}."),
        kind,
        setting: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_only_while_it_is_held() {
        let mut model = Model::new(3, 0, Random::new(1, "model"));
        let at = Duration::from_secs;
        for (time, value) in [(1, 10), (2, 20), (3, 10)] {
            let (wall, name) = (Timestamp::default(), "app.ticks".to_owned());
            model.hold(at(time), wall, name, Value::Int(value), None).unwrap();
        }
        let cases = [(10, 0, 1, true), (20, 0, 1, false), (20, 2, 9, true), (20, 4, 9, false)];
        for (value, from, until, expected) in cases {
            let held = model.held_between("app.ticks", &Value::Int(value), at(from), at(until));
            assert_eq!(held, expected, "{value} from {from} to {until}");
        }
    }

    #[test]
    fn the_load_is_sampled_at_most_once_a_second() {
        let mut model = Model::new(0, 2, Random::new(1, "model"));
        let wall = Timestamp::default();
        assert_eq!(model.start(Time::ZERO, wall).len(), 9);
        assert_eq!(model.sample(Duration::from_millis(999), wall), None);
        assert!(model.sample(Duration::from_secs(1), wall).is_some());
        assert_eq!(model.history("app.load").len(), 2);
    }
}
