//! Configured variables: from one reading after another to changes of the table.
//!
//! A [`Tracker`] belongs to one `[[variable]]`. It takes the outcome of each reading and says what
//! changes: values, definitions of what the output newly holds, removal of what it holds no longer,
//! and the health of the variable. It reads nothing itself: see [`background`](super::background).
//!
//! A failed reading leaves the values as they are. `librecast.variable["NAME"].error` says why it
//! failed, `.stale` is true after three failures in a row; where the values are below the variable,
//! `NAME.error` and `NAME.stale` say the same beside them. A variable that was never read is null.

use std::collections::{BTreeMap, BTreeSet};

use lcast_proto::name::{Name, Step};
use lcast_proto::value::{Type, Value};
use lcast_proto::variable::{Definition, Kind, Update};

use super::Change;
use super::config::{Source, Variable};
use super::formats::{Format, LEAVES_MAX, Leaf, Output, Reading, Tree, parse};

/// What one reading of a command or file left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// What is to be read as the variable's format.
    pub output: Output,
    /// What the program complained about.
    pub complaint: String,
}

/// The state of one configured variable.
#[derive(Debug)]
pub struct Tracker {
    variable: Variable,
    defined: BTreeMap<String, Defined>,
    present: BTreeSet<Name>,
    failures: u32,
    error_shown: bool,
    ever_read: bool,
    tree: bool,
}

/// A definition made, with its template as steps.
#[derive(Clone, Debug, PartialEq)]
struct Defined {
    steps: Vec<Step>,
    definition: Definition,
}

/// As many failures in a row make a value stale.
const FAILURES_STALE: u32 = 3;

/// Longest error shown, in characters.
const ERROR_MAX: usize = 200;

impl Tracker {
    /// A tracker of a variable that was not read yet.
    pub fn new(variable: Variable) -> Self {
        let tree = !matches!(variable.source, Source::Value(_))
            && matches!(variable.format, Format::Nagios | Format::Prometheus | Format::Influx);
        Self {
            variable,
            defined: BTreeMap::new(),
            present: BTreeSet::new(),
            failures: 0,
            error_shown: false,
            ever_read: false,
            tree,
        }
    }

    /// The variable.
    pub fn variable(&self) -> &Variable {
        &self.variable
    }

    /// What is known before the first reading: a fixed value, or the type of a single one.
    pub fn start(&mut self) -> Vec<Change> {
        let fixed = match &self.variable.source {
            Source::Value(value) => Some(value.clone()),
            Source::Command(_) | Source::File(_) => None,
        };
        let value_type = match (&fixed, self.variable.value_type, self.variable.format) {
            (Some(value), _, _) => value.kind(),
            (None, Some(declared), _) => declared,
            (None, None, Format::Text) => Type::Text,
            (None, None, Format::Lines) => Type::List,
            (None, None, _) => return Vec::new(),
        };
        let mut changes = Vec::new();
        let root = self.variable.name.steps().to_vec();
        let definition = self.definition(&self.variable.name.template(), value_type, None);
        self.define(root, definition, &mut changes);
        changes.extend(fixed.map(|value| update(self.variable.name.clone(), value)));
        changes
    }

    /// What a reading changes: one that finished, or an error that says why it could not.
    pub fn finish(&mut self, outcome: Result<Finished, String>) -> Vec<Change> {
        let mut changes = Vec::new();
        let reading = outcome.and_then(|finished| {
            let (format, value_type) = (self.variable.format, self.variable.value_type);
            parse(format, value_type, &finished.output).map_err(|error| {
                match finished.complaint.is_empty() {
                    true => error.to_string(),
                    false => format!("{error}: {}", finished.complaint),
                }
            })
        });
        let error = match reading {
            Ok(reading) => {
                self.failures = 0;
                self.ever_read = true;
                self.take(reading, &mut changes)
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                let single = self.defined.contains_key(&self.variable.name.template());
                if !self.ever_read && single {
                    changes.push(update(self.variable.name.clone(), Value::Null));
                }
                Some(error)
            }
        };
        self.health(error, &mut changes);
        changes
    }

    /// Takes the values of a reading; says what had to be left out.
    fn take(&mut self, reading: Reading, changes: &mut Vec<Change>) -> Option<String> {
        let mut left_out = reading.left_out.clone();
        self.tree = reading.is_tree() && (self.tree || !reading.leaves.is_empty());
        let mut named = Vec::with_capacity(reading.leaves.len());
        for leaf in reading.leaves {
            let steps = [self.variable.name.steps(), &leaf.steps].concat();
            match Name::new(steps) {
                Ok(name) => named.push((name, leaf)),
                Err(error) => left_out.add(error),
            }
        }
        let types = self.types(&named);
        self.redefine(&named, &types, changes);
        let mut present = BTreeSet::new();
        let mut updates = Vec::new();
        for (name, leaf) in named {
            let expected = types.get(&name.template()).copied().unwrap_or(Type::Null);
            match fit(expected, leaf.value) {
                Some(value) => {
                    present.insert(name.clone());
                    updates.push(Update { name, value, time: leaf.time, version: None });
                }
                None => left_out.add(format_args!("'{name}' is of another type than its like")),
            }
        }
        for gone in self.present.difference(&present) {
            changes.push(Change::Remove(gone.steps().to_vec()));
        }
        self.present = present;
        changes.extend(updates.into_iter().map(Change::Update));
        match left_out.count {
            0 => None,
            count => Some(format!("{count} left out, the first: {}", left_out.first)),
        }
    }

    /// The type of each template: of all its values, and of what was there before where these
    /// leave it open. Null fits everywhere, ints become floats beside floats, and for good.
    fn types(&self, named: &[(Name, Leaf)]) -> BTreeMap<String, Type> {
        let mut types: BTreeMap<String, Type> = BTreeMap::new();
        for (name, leaf) in named {
            let found = leaf.value.kind();
            let entry = types.entry(name.template()).or_insert(found);
            *entry = match (*entry, found) {
                (Type::Null, other) => other,
                (Type::Int, Type::Float) => Type::Float,
                (first, _) => first,
            };
        }
        for (template, value_type) in &mut types {
            let before = self.defined.get(template).map(|it| it.definition.value_type);
            match (before, *value_type) {
                (Some(before), Type::Null) => *value_type = before,
                (Some(Type::Float), Type::Int) => *value_type = Type::Float,
                (_, _) => {}
            }
        }
        types
    }

    /// Defines what the reading holds, and forgets earlier definitions that cannot stand beside.
    fn redefine(
        &mut self,
        named: &[(Name, Leaf)],
        types: &BTreeMap<String, Type>,
        changes: &mut Vec<Change>,
    ) {
        let mut wanted: BTreeMap<String, Defined> = BTreeMap::new();
        for (name, leaf) in named {
            let template = name.template();
            if wanted.contains_key(&template) {
                continue;
            }
            let value_type = types.get(&template).copied().unwrap_or(Type::Null);
            let definition = self.definition(&template, value_type, Some(leaf));
            wanted.insert(template, Defined { steps: keyless(name.steps()), definition });
        }
        if self.tree {
            for (name, value_type, description) in HEALTH_BESIDE {
                let steps = below(self.variable.name.steps(), name);
                let template = format!("{}.{name}", self.variable.name);
                let mut definition = self.definition(&template, value_type, None);
                definition.description = description.to_owned();
                definition.unit = String::new();
                definition.kind = Kind::Gauge;
                wanted.insert(template, Defined { steps, definition });
            }
        }
        let mut tree = Tree::default();
        for defined in wanted.values() {
            tree.insert(&defined.steps);
        }
        let crowded = self.defined.len() > 2 * LEAVES_MAX;
        let kept = |(template, old): (&String, &Defined)| {
            !wanted.contains_key(template) && (crowded || !tree.insert(&old.steps))
        };
        let mut kept = kept;
        let forgotten: Vec<String> =
            self.defined.iter().filter(|it| kept(*it)).map(|it| it.0.clone()).collect();
        for template in forgotten {
            self.defined.remove(&template);
            changes.push(Change::Undefine(template));
        }
        for defined in wanted.into_values() {
            self.define(defined.steps, defined.definition, changes);
        }
    }

    fn define(&mut self, steps: Vec<Step>, definition: Definition, changes: &mut Vec<Change>) {
        let template = definition.template.clone();
        let defined = Defined { steps, definition };
        if self.defined.get(&template) != Some(&defined) {
            changes.push(Change::Define(defined.definition.clone()));
            self.defined.insert(template, defined);
        }
    }

    fn definition(&self, template: &str, value_type: Type, leaf: Option<&Leaf>) -> Definition {
        let variable = &self.variable;
        let said = |text: Option<&String>, configured: &String| {
            text.filter(|it| !it.is_empty()).unwrap_or(configured).clone()
        };
        Definition {
            template: template.to_owned(),
            value_type,
            unit: said(leaf.map(|it| &it.unit), &variable.unit),
            description: said(leaf.map(|it| &it.description), &variable.description),
            kind: leaf.and_then(|it| it.kind).unwrap_or(variable.kind),
            setting: None,
        }
    }

    /// Reports how the reading went, under `librecast.variable` and, for trees, beside the values.
    fn health(&mut self, error: Option<String>, changes: &mut Vec<Change>) {
        let key = Step::Key(self.variable.name.to_string());
        let mut places = vec![vec![segment("librecast"), segment("variable"), key]];
        if self.tree {
            places.push(self.variable.name.steps().to_vec());
            if !self.ever_read {
                self.redefine(&[], &BTreeMap::new(), changes);
            }
        }
        let stale = self.failures >= FAILURES_STALE;
        let error = error.map(|it| one_line(&it));
        for place in places {
            let mut put = |name: &str, value: Value| {
                let name = Name::new(below(&place, name));
                changes.extend(name.ok().map(|name| update(name, value)));
            };
            put("stale", Value::Bool(stale));
            match &error {
                Some(error) => put("error", Value::from(error.as_str())),
                None if self.error_shown => changes.push(Change::Remove(below(&place, "error"))),
                None => {}
            }
        }
        self.error_shown = error.is_some();
    }
}

/// The variables beside the values of a tree.
const HEALTH_BESIDE: [(&str, Type, &str); 2] = [
    ("error", Type::Text, "why the last reading failed; absent while it does not"),
    ("stale", Type::Bool, "not read for three intervals"),
];

fn segment(text: &str) -> Step {
    Step::Segment(text.to_owned())
}

fn below(steps: &[Step], name: &str) -> Vec<Step> {
    [steps, &[segment(name)]].concat()
}

/// The steps with one key for all, as templates have it.
fn keyless(steps: &[Step]) -> Vec<Step> {
    let keyless = |step: &Step| match step {
        Step::Segment(_) => step.clone(),
        Step::Key(_) => Step::Key("*".to_owned()),
    };
    steps.iter().map(keyless).collect()
}

fn update(name: Name, value: Value) -> Change {
    Change::Update(Update { name, value, time: None, version: None })
}

/// The value as one of the expected type, if it can be.
fn fit(expected: Type, value: Value) -> Option<Value> {
    match (expected, value) {
        #[allow(clippy::cast_precision_loss)]
        (Type::Float, Value::Int(number)) => Some(Value::Float(number as f64)),
        (_, Value::Null) => Some(Value::Null),
        (expected, value) => (value.kind() == expected).then_some(value),
    }
}

/// A message as one line of limited length, without control characters.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|char: char| char.is_whitespace() || char.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ").chars().take(ERROR_MAX).collect()
}

#[cfg(test)]
mod tests {
    use lcast_proto::time::Now;
    use lcast_proto::variable::Table;

    use super::*;
    use crate::agent::builtin::definitions;
    use crate::agent::config::Config;

    /// A tracker with the table that it keeps current.
    struct Bench {
        tracker: Tracker,
        table: Table,
    }

    impl Bench {
        fn new(rest: &str) -> Self {
            let text = format!("[[variable]]\nname = 'app.x'\n{rest}");
            let config = Config::parse(&text, "agent.toml".as_ref()).unwrap();
            let mut table = Table::new(1);
            for definition in definitions() {
                table.define(definition).unwrap();
            }
            let tracker = Tracker::new(config.variables[0].clone());
            let mut bench = Self { tracker, table };
            let changes = bench.tracker.start();
            bench.apply(changes);
            bench
        }

        fn apply(&mut self, changes: Vec<Change>) {
            for change in changes {
                change
                    .clone()
                    .apply(&mut self.table, Now::default())
                    .unwrap_or_else(|error| panic!("{change:?}: {error}"));
            }
        }

        fn finish(&mut self, outcome: Result<&str, &str>) {
            self.finish_code(outcome, 0);
        }

        fn finish_code(&mut self, outcome: Result<&str, &str>, code: i32) {
            let output = |text: &str| Output { bytes: text.as_bytes().to_vec(), code };
            let finished =
                outcome.map(|text| Finished { output: output(text), complaint: String::new() });
            let changes = self.tracker.finish(finished.map_err(str::to_owned));
            self.apply(changes);
        }

        fn check(&self, expected: &[&str]) {
            let shown: Vec<String> = self
                .table
                .entries()
                .map(|(name, entry)| format!("{name} = {:?}", entry.value))
                .map(|line| line.replace("librecast.variable[\"app.x\"]", "health"))
                .collect();
            assert_eq!(shown, expected);
        }

        fn value_type(&self, template: &str) -> Option<Type> {
            Some(self.table.schema().definition(template)?.value_type)
        }
    }

    const COMMAND: &str = "command = ['x']\n";

    #[test]
    fn a_fixed_value_is_there_from_the_start() {
        let bench = Bench::new("value = 'berlin'\nunit = '1'");
        bench.check(&["app.x = Text(\"berlin\")"]);
    }

    #[test]
    fn a_failed_command_keeps_its_value_and_becomes_stale() {
        let mut bench = Bench::new(COMMAND);
        bench.check(&[]);
        bench.finish(Ok("1.0\n"));
        bench.check(&["app.x = Text(\"1.0\")", "health.stale = Bool(false)"]);
        let failed = |stale: bool| {
            let stale = format!("health.stale = Bool({stale})");
            vec![
                "app.x = Text(\"1.0\")".to_owned(),
                "health.error = Text(\"no such file\")".to_owned(),
                stale,
            ]
        };
        for stale in [false, false, true, true] {
            bench.finish(Err("no such\n\u{1b} file"));
            let expected = failed(stale);
            bench.check(&expected.iter().map(String::as_str).collect::<Vec<_>>());
        }
        bench.finish(Ok("1.1"));
        bench.check(&["app.x = Text(\"1.1\")", "health.stale = Bool(false)"]);
        bench.finish_code(Ok("1.1"), 2);
        bench.check(&[
            "app.x = Text(\"1.1\")",
            "health.error = Text(\"exit code 2\")",
            "health.stale = Bool(false)",
        ]);
    }

    #[test]
    fn what_was_never_read_is_null() {
        let mut bench = Bench::new("file = '/x'\ntype = 'int'");
        assert_eq!(bench.value_type("app.x"), Some(Type::Int));
        bench.finish(Err("gone"));
        let health = ["health.error = Text(\"gone\")", "health.stale = Bool(false)"];
        bench.check(&["app.x = Null", health[0], health[1]]);
        bench.finish(Ok("5"));
        bench.check(&["app.x = Int(5)", "health.stale = Bool(false)"]);
        bench.finish(Ok("five"));
        let error =
            "health.error = Text(\"'five' is no int; write a whole number of at most 64 bits\")";
        bench.check(&["app.x = Int(5)", error, "health.stale = Bool(false)"]);
    }

    #[test]
    fn a_tree_has_its_health_beside_the_values() {
        let mut bench = Bench::new(&format!("{COMMAND}format = 'nagios'"));
        bench.finish(Err("not started"));
        bench.check(&[
            "app.x.error = Text(\"not started\")",
            "app.x.stale = Bool(false)",
            "health.error = Text(\"not started\")",
            "health.stale = Bool(false)",
        ]);
        bench.finish_code(Ok("fine | a=1;2"), 1);
        bench.check(&[
            "app.x.code = Int(1)",
            "app.x.message = Text(\"fine\")",
            "app.x.perfdata[\"a\"].value = Float(1.0)",
            "app.x.perfdata[\"a\"].warn = Text(\"2\")",
            "app.x.stale = Bool(false)",
            "app.x.status = Text(\"WARNING\")",
            "health.stale = Bool(false)",
        ]);
        bench.finish_code(Ok("fine | b=1"), 0);
        assert_eq!(bench.table.below(bench.tracker.variable.name.steps()).count(), 5);
        for _ in 0..3 {
            bench.finish_code(Ok(""), 127);
        }
        bench.check(&[
            "app.x.code = Int(0)",
            "app.x.error = Text(\"exit code 127\")",
            "app.x.message = Text(\"fine\")",
            "app.x.perfdata[\"b\"].value = Float(1.0)",
            "app.x.stale = Bool(true)",
            "app.x.status = Text(\"OK\")",
            "health.error = Text(\"exit code 127\")",
            "health.stale = Bool(true)",
        ]);
    }

    #[test]
    fn a_document_may_change_its_shape() {
        let mut bench = Bench::new(&format!("{COMMAND}format = 'json'"));
        bench.finish(Ok("{\"a\": 1, \"b\": null, \"c\": {\"d\": 1}}"));
        bench.check(&[
            "app.x.a = Int(1)",
            "app.x.b = Null",
            "app.x.c.d = Int(1)",
            "app.x.stale = Bool(false)",
            "health.stale = Bool(false)",
        ]);
        bench.finish(Ok("{\"a\": 1.5, \"b\": \"x\", \"c\": 1}"));
        bench.finish(Ok("{\"a\": 2, \"b\": null, \"c\": true}"));
        bench.check(&[
            "app.x.a = Float(2.0)",
            "app.x.b = Null",
            "app.x.c = Bool(true)",
            "app.x.stale = Bool(false)",
            "health.stale = Bool(false)",
        ]);
        assert_eq!(bench.value_type("app.x.b"), Some(Type::Text));
        assert_eq!(bench.value_type("app.x.c.d"), None);
        bench.finish(Ok("7"));
        bench.check(&["app.x = Int(7)", "health.stale = Bool(false)"]);
        bench.finish(Ok("{\"a\": \"text\"}"));
        assert_eq!(bench.value_type("app.x"), None);
        assert_eq!(bench.value_type("app.x.a"), Some(Type::Text));
    }

    #[test]
    fn values_that_have_no_place_are_told() {
        let mut bench = Bench::new(&format!("{COMMAND}format = 'influx'"));
        bench.finish(Ok("m,t=1 v=1i\nm,t=2 v=\"text\"\nm,t=3 v=2.5\n"));
        bench.check(&[
            "app.x.error = Text(\"1 left out, the first: 'app.x.m[\\\"t=2\\\"].v' is of \
             another type than its like\")",
            "app.x.m[\"t=1\"].v = Float(1.0)",
            "app.x.m[\"t=3\"].v = Float(2.5)",
            "app.x.stale = Bool(false)",
            "health.error = Text(\"1 left out, the first: 'app.x.m[\\\"t=2\\\"].v' is of \
             another type than its like\")",
            "health.stale = Bool(false)",
        ]);
        bench.finish(Ok("m v=1\n"));
        assert_eq!(bench.value_type("app.x.m.v"), Some(Type::Float));
        assert_eq!(bench.value_type("app.x.m[*].v"), None);
        bench.finish(Ok(""));
        bench.check(&["app.x.stale = Bool(false)", "health.stale = Bool(false)"]);
    }

    #[test]
    fn errors_are_cut() {
        let mut bench = Bench::new(COMMAND);
        bench.finish(Err(&"e".repeat(1000)));
        let name = "librecast.variable[\"app.x\"].error".parse().unwrap();
        let Value::Text(error) = &bench.table.entry(&name).unwrap().value else { panic!() };
        assert_eq!(error.len(), ERROR_MAX);
    }
}
