//! Questions as scenarios put them, and the record that the world keeps of each.
//!
//! A [`Question`] is plain text and numbers, so that the oracles can decide on their own who is
//! expected to answer; the world turns it into the core's `Ask`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lcast_proto::question::report::{Class, Outcome, Reply, Report, UnheardNode};
use lcast_proto::question::{Ask, AskError, Deadline, SetRequest, Verb, WatchRequest};
use lcast_proto::select::{Glob, Pattern, Selector};
use lcast_proto::value::Value;
use lcast_proto::variable::{Assigned, Version};

use crate::net::NodeIndex;
use crate::queue::Time;
use crate::realm::Person;
use crate::watch::View;

/// A question of a scenario.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is wanted.
    pub wish: Wish,
    /// Names of nodes that it goes to; a `*` at the end stands for anything. Empty: all.
    pub on: Vec<String>,
    /// Names of nodes that it does not go to, in the same way.
    pub not: Vec<String>,
    /// Whole names of the nodes that it goes to. Empty: all.
    pub only: Vec<String>,
    /// A certified label that the nodes have.
    pub label: Option<(String, String)>,
    /// A predicate that the nodes evaluate.
    pub predicate: Option<String>,
    /// Names that must answer, known or not.
    pub expect: Vec<String>,
    /// How long it may take.
    pub deadline: Deadline,
}

/// What a question wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// Values of the variables that these patterns match.
    Get(Vec<String>),
    /// Values, and whatever becomes of them.
    Watch {
        /// Patterns of the variables.
        patterns: Vec<String>,
        /// How often they are told, if not when they change.
        every: Option<Duration>,
        /// By how much a number must move to be told.
        delta: Option<f64>,
    },
    /// The definitions of all variables.
    Schema,
    /// A sign of life.
    Ping,
    /// A setting written.
    Set {
        /// Which.
        name: String,
        /// Its value.
        value: Value,
        /// The version demanded.
        if_version: Option<Version>,
    },
}

/// Names a question of the world: in order of asking.
pub type QuestionNumber = u64;

/// What the world knows of one question.
#[derive(Debug)]
pub struct Asked {
    /// Which node asked.
    pub asker: NodeIndex,
    /// Which start of that node asked.
    pub incarnation: u64,
    /// What.
    pub question: Question,
    /// When.
    pub at: Time,
    /// Who is expected to answer, as the oracle sees it.
    pub expected: BTreeSet<String>,
    /// What came, in order.
    pub replies: Vec<(Time, Reply)>,
    /// The account at the end.
    pub report: Option<(Time, Report)>,
    /// Why it was not asked.
    pub failed: Option<AskError>,
    /// The nodes whose answer reached the asker's endpoint in time.
    pub spoke: BTreeSet<NodeIndex>,
    /// The nodes that were given the question, and how many different rounds of it.
    pub heard: BTreeMap<NodeIndex, BTreeSet<u16>>,
    /// How many packets with the question went to all, by round.
    pub to_all: BTreeMap<u16, u32>,
    /// How many went to one node, by round.
    pub to_one: BTreeMap<u16, u32>,
    /// How many packets to all said that a watch is over, while its question was open.
    pub lease_ends: u32,
    /// The nodes that something happened to, or to whose way to the asker, while it was open.
    pub disturbed: BTreeSet<NodeIndex>,
    /// The request number that the core gave it on the wire.
    pub request: Option<u64>,
    /// How many packets each node sent to the asker while it was open.
    pub answers: BTreeMap<NodeIndex, u32>,
    /// How many pairwise packets the asker sent to each node while it was open.
    pub pulls: BTreeMap<NodeIndex, u32>,
    /// What a watch has told.
    pub view: View,
}

impl Question {
    fn new(wish: Wish) -> Self {
        Self {
            wish,
            on: Vec::new(),
            not: Vec::new(),
            only: Vec::new(),
            label: None,
            predicate: None,
            expect: Vec::new(),
            deadline: Deadline::default(),
        }
    }

    /// Asks for values; several patterns are separated by spaces.
    pub fn get(patterns: &str) -> Self {
        Self::new(Wish::Get(patterns.split(' ').map(str::to_owned).collect()))
    }

    /// Watches values; several patterns are separated by spaces.
    pub fn watch(patterns: &str) -> Self {
        let patterns = patterns.split(' ').map(str::to_owned).collect();
        Self::new(Wish::Watch { patterns, every: None, delta: None })
    }

    /// A watch tells its values so often.
    pub fn every(mut self, interval: Duration) -> Self {
        if let Wish::Watch { every, .. } = &mut self.wish {
            *every = Some(interval);
        }
        self
    }

    /// A watch tells numbers that have moved so far.
    pub fn delta(mut self, distance: f64) -> Self {
        if let Wish::Watch { delta, .. } = &mut self.wish {
            *delta = Some(distance);
        }
        self
    }

    /// Whether it is a watch.
    pub fn is_watch(&self) -> bool {
        matches!(self.wish, Wish::Watch { .. })
    }

    /// Asks for definitions.
    pub fn schema() -> Self {
        Self::new(Wish::Schema)
    }

    /// Asks for signs of life.
    pub fn ping() -> Self {
        Self::new(Wish::Ping)
    }

    /// Writes a setting.
    pub fn set(name: &str, value: impl Into<Value>) -> Self {
        let (name, value) = (name.to_owned(), value.into());
        Self::new(Wish::Set { name, value, if_version: None })
    }

    /// Only where the setting has this version.
    pub fn if_version(mut self, version: Version) -> Self {
        if let Wish::Set { if_version, .. } = &mut self.wish {
            *if_version = Some(version);
        }
        self
    }

    /// Only nodes with this name, or a name that begins as it does before a `*`.
    pub fn on(mut self, name: &str) -> Self {
        self.on.push(name.to_owned());
        self
    }

    /// No nodes with this name.
    pub fn not(mut self, name: &str) -> Self {
        self.not.push(name.to_owned());
        self
    }

    /// Only these nodes, listed by name.
    pub fn only<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.only.extend(names.into_iter().map(str::to_owned));
        self
    }

    /// Only nodes with this label.
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.label = Some((key.to_owned(), value.to_owned()));
        self
    }

    /// Only nodes where this holds.
    pub fn predicate(mut self, predicate: &str) -> Self {
        self.predicate = Some(predicate.to_owned());
        self
    }

    /// This name must answer.
    pub fn expect(mut self, name: &str) -> Self {
        self.expect.push(name.to_owned());
        self
    }

    /// Whether the question goes to this member.
    pub fn picks(&self, person: &Person) -> bool {
        let named = |globs: &[String]| globs.iter().any(|glob| matches(glob, &person.name));
        let labelled = |(key, value): &(String, String)| {
            person.labels.iter().any(|(ours, theirs)| (ours, theirs) == (key, value))
        };
        person.agent
            && (self.on.is_empty() || named(&self.on))
            && !named(&self.not)
            && (self.only.is_empty() || self.only.contains(&person.name))
            && self.label.as_ref().is_none_or(labelled)
    }

    /// The question as the core takes it.
    ///
    /// # Panics
    /// When the scenario wrote a pattern, name or predicate that does not parse.
    pub fn to_ask(&self) -> Ask {
        let parse = |text: &String| text.parse::<Pattern>().expect("a pattern");
        let verb = match &self.wish {
            Wish::Get(patterns) => Verb::Get(patterns.iter().map(parse).collect()),
            Wish::Watch { patterns, every, delta } => {
                let patterns = patterns.iter().map(parse).collect();
                Verb::Watch(WatchRequest { patterns, every: *every, delta: *delta })
            }
            Wish::Schema => Verb::Schema,
            Wish::Ping => Verb::Ping,
            Wish::Set { name, value, if_version } => Verb::Set(SetRequest {
                assignments: vec![(name.parse().expect("a name"), Assigned::Value(value.clone()))],
                if_version: *if_version,
                dry_run: false,
            }),
        };
        Ask {
            selector: self.selector(),
            only: Some(self.only.clone()).filter(|names| !names.is_empty()),
            expect: self.expect.clone(),
            deadline: self.deadline,
            ..Ask::new(verb)
        }
    }

    fn selector(&self) -> Selector {
        let globs = |texts: &[String]| {
            let parse = |text: &String| text.parse::<Glob>().expect("a glob");
            texts.iter().map(parse).collect()
        };
        let predicate = self.predicate.as_ref().map(|text| text.parse().expect("a predicate"));
        Selector {
            on: globs(&self.on),
            not: globs(&self.not),
            labels: self.label.iter().cloned().collect(),
            predicate,
        }
    }
}

impl Asked {
    /// A question that is being asked.
    pub(crate) fn new(
        (asker, incarnation): (NodeIndex, u64),
        question: Question,
        at: Time,
        expected: BTreeSet<String>,
        disturbed: BTreeSet<NodeIndex>,
    ) -> Self {
        Self {
            asker,
            incarnation,
            question,
            at,
            expected,
            disturbed,
            replies: Vec::new(),
            report: None,
            failed: None,
            spoke: BTreeSet::new(),
            heard: BTreeMap::new(),
            to_all: BTreeMap::new(),
            to_one: BTreeMap::new(),
            lease_ends: 0,
            request: None,
            answers: BTreeMap::new(),
            pulls: BTreeMap::new(),
            view: View::default(),
        }
    }

    /// Whether it is over, one way or the other.
    pub fn is_over(&self) -> bool {
        self.report.is_some() || self.failed.is_some()
    }

    /// The report.
    ///
    /// # Panics
    /// When there is none.
    pub fn report(&self) -> &Report {
        &self.report.as_ref().expect("the question has ended").1
    }

    /// The reply of one node.
    pub fn reply(&self, node: &str) -> Option<&Reply> {
        self.replies.iter().map(|(_, reply)| reply).find(|reply| reply.node == node)
    }

    /// One value of one node, if it answered with it.
    pub fn value(&self, node: &str, name: &str) -> Option<&Value> {
        match &self.reply(node)?.outcome {
            Outcome::Values(values) => values.iter().find(|it| it.name == name).map(|it| &it.value),
            Outcome::Empty(_) | Outcome::Error(_) | Outcome::Refused(_) | Outcome::Set(_) => None,
        }
    }

    /// The class that a node ended in; `None` when it was not expected.
    pub fn class(&self, node: &str) -> Option<Class> {
        let report = self.report();
        let unheard = |list: &[UnheardNode]| list.iter().any(|it| it.node == node);
        if unheard(&report.missing) {
            return Some(Class::Missing);
        }
        if unheard(&report.late) {
            return Some(Class::Late);
        }
        let reply = self.reply(node).filter(|_| self.expected.contains(node));
        reply.map(|reply| reply.outcome.class())
    }
}

/// Whether a name fits a glob whose only `*` is at its end.
fn matches(glob: &str, name: &str) -> bool {
    match glob.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => glob == name,
    }
}
