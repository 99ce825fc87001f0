//! Whether watches tell the truth: judged event by event, and once changes have stopped.

use std::collections::{BTreeMap, BTreeSet};

use lcast_proto::question::report::{EmptyReason, Outcome, Reply, ReplyValue};
use lcast_proto::question::watching::{ChangedValue, WatchEvent};
use lcast_proto::value::Value;
use lcast_proto::variable::Table;

use crate::model::{Kept, Model};
use crate::node::Node;
use crate::question::{Question, QuestionNumber, Wish};
use crate::realm::Person;
use crate::watch::{Seen, View};
use crate::world::World;

/// What is wrong with what a watch tells of a node at first.
pub(crate) fn at_reply(world: &mut World, number: QuestionNumber, reply: &Reply) -> Vec<String> {
    judge(world, number, &reply.node, |judge| match &reply.outcome {
        Outcome::Values(values) => judge.enter(values),
        Outcome::Empty(EmptyReason::NoVariable) => judge.enter(&[]),
        Outcome::Empty(EmptyReason::NoMatch | EmptyReason::Undefined)
        | Outcome::Error(_)
        | Outcome::Refused(_)
        | Outcome::Set(_) => {}
    })
}

/// What is wrong with what a watch tells.
pub(crate) fn at_event(
    world: &mut World,
    number: QuestionNumber,
    event: &WatchEvent,
) -> Vec<String> {
    let (WatchEvent::Entered { node, .. }
    | WatchEvent::Changed { node, .. }
    | WatchEvent::Left { node, .. }) = event;
    judge(world, number, node, |judge| {
        if judge.view.ended {
            judge.say("it speaks although it was ended");
        }
        match event {
            WatchEvent::Entered { values, .. } => {
                judge.view.entered += 1;
                judge.enter(values);
            }
            WatchEvent::Changed { values, removed, .. } => judge.change(values, removed),
            WatchEvent::Left { .. } => {
                judge.view.left += 1;
                if judge.view.nodes.remove(node).is_none() {
                    judge.say("it leaves and was not in");
                }
            }
        }
    })
}

/// What is wrong with what a watch has told, once nothing has changed for a while: every node that
/// it picks, that runs and that is not forgotten is in it exactly where the predicate holds, with
/// what it holds.
pub(crate) fn settled(world: &World, number: QuestionNumber) -> Vec<String> {
    let asked = world.asked(number);
    let version = world.node(asked.asker).members_version;
    let picks = |it: &&Person| asked.question.picks(it);
    let picked: BTreeSet<&str> =
        world.realm.agents(version).filter(picks).map(|it| it.name.as_str()).collect();
    let mut wrong = Vec::new();
    for (_, node) in world.nodes().filter(|(_, node)| node.agent && !node.hostile) {
        let expected = picked.contains(node.name.as_str()) && node.is_up();
        let table = node.endpoint().filter(|_| expected).map(|it| it.table());
        let table = table.filter(|table| holds(table, asked.question.predicate.as_deref()));
        let name = &node.name;
        match (table, asked.view.nodes.get(name)) {
            (None, None) => {}
            (None, Some(_)) => wrong.push(format!("{name} is still in")),
            (Some(_), None) => wrong.push(format!("{name} is not in")),
            (Some(table), Some(seen)) => compare(node, &asked.question, table, seen, &mut wrong),
        }
    }
    wrong
}

/// Compares what a watch told with what a node holds.
fn compare(
    node: &Node,
    question: &Question,
    table: &Table,
    seen: &BTreeMap<String, Seen>,
    wrong: &mut Vec<String>,
) {
    let Wish::Watch { patterns, delta, .. } = &question.wish else { return };
    let mut seen = seen.clone();
    for (name, entry) in table.entries() {
        let name = name.to_string();
        if !patterns.iter().any(|pattern| covers(pattern, &name)) {
            continue;
        }
        let told = seen.remove(&name);
        // Sampled because it is watched: it never rests.
        if name == "app.load" && told.is_some() {
            continue;
        }
        let held = Seen { version: entry.version, value: entry.value.clone() };
        let near = told.as_ref().zip(*delta).is_some_and(|(it, delta)| is_near(it, &held, delta));
        if !near && told.as_ref() != Some(&held) {
            wrong.push(format!("{}: {name} is {held:?}, told was {told:?}", node.name));
        }
    }
    for name in seen.keys().filter(|name| name.starts_with("app.")) {
        wrong.push(format!("{}: {name} was told and is no more", node.name));
    }
}

/// Whether a number that was told of a value watched with a distance is near enough to what is held
/// for the node to be silent: what it told last is nearer than that to what it holds, and so is it
/// to whatever an answer has told since to a watcher that asked again. [WAT-4]
fn is_near(told: &Seen, held: &Seen, delta: f64) -> bool {
    let numbers = told.value.as_number().zip(held.value.as_number());
    told.version <= held.version && numbers.is_some_and(|(a, b)| (a - b).abs() < 2.0 * delta)
}

/// Whether a pattern without wildcards, or `**`, covers a name.
fn covers(pattern: &str, name: &str) -> bool {
    let rest = name.strip_prefix(pattern);
    name.starts_with("app.")
        && (pattern == "**" || rest.is_some_and(|it| it.is_empty() || it.starts_with(['.', '['])))
}

/// Whether a predicate of the form `variable > integer` (or `<`) holds, as far as scenarios write
/// them for watches.
fn holds(table: &Table, predicate: Option<&str>) -> bool {
    let Some(predicate) = predicate else { return true };
    let words: Vec<&str> = predicate.split(' ').collect();
    let [name, operator, number] = words.as_slice() else { return false };
    let (Ok(name), Ok(number)) = (name.parse(), number.parse::<i64>()) else { return false };
    match (table.entry(&name).map(|entry| &entry.value), *operator) {
        (Some(Value::Int(value)), ">") => *value > number,
        (Some(Value::Int(value)), "<") => *value < number,
        _ => false,
    }
}

/// Judges what is told of one node against what it held, and keeps it in the view.
struct Judge<'a> {
    view: View,
    name: &'a str,
    /// What the node held; `None` where nothing that it says counts.
    model: Option<&'a Model>,
    every: bool,
    wrong: Vec<String>,
}

fn judge(
    world: &mut World,
    number: QuestionNumber,
    name: &str,
    tell: impl FnOnce(&mut Judge<'_>),
) -> Vec<String> {
    let every = matches!(&world.asked(number).question.wish, Wish::Watch { every: Some(_), .. });
    let view = world.view_mut(number).map(std::mem::take).unwrap_or_default();
    let node = world.find(name).map(|it| world.node(it));
    let model = node.filter(|node| !node.hostile).map(|node| &node.model);
    let mut judge = Judge { view, name, model, every, wrong: Vec::new() };
    if node.is_none() {
        judge.wrong.push(format!("{name} does not exist"));
    }
    tell(&mut judge);
    let Judge { view, wrong, .. } = judge;
    if let Some(kept) = world.view_mut(number) {
        *kept = view;
    }
    wrong
}

impl Judge<'_> {
    fn say(&mut self, what: &str) {
        if self.model.is_some() {
            self.wrong.push(format!("{}: {what}", self.name));
        }
    }

    /// It is in from here on, and holds these.
    fn enter(&mut self, values: &[ReplyValue]) {
        if self.view.nodes.insert(self.name.to_owned(), BTreeMap::new()).is_some() {
            self.say("it enters and was in");
        }
        values.iter().for_each(|value| self.see(value, 0, false));
    }

    fn change(&mut self, values: &[ChangedValue], removed: &[String]) {
        let Some(held) = self.view.nodes.get(self.name) else {
            self.say("it changes and is not in");
            return;
        };
        let unknown: Vec<&String> = removed.iter().filter(|it| !held.contains_key(*it)).collect();
        if !unknown.is_empty() {
            let text = format!("{unknown:?} are removed and were not told");
            self.say(&text);
        }
        for ChangedValue { value, skipped } in values {
            self.view.changed += 1;
            self.view.skipped += skipped;
            self.see(value, *skipped, true);
        }
        if let Some(held) = self.view.nodes.get_mut(self.name) {
            removed.iter().for_each(|name| drop(held.remove(name)));
        }
    }

    /// A value is told, after so many that were not: it is newer than all told before, except that
    /// a node that enters, a name that was removed, or an interval may repeat the newest; and the
    /// node held it.
    fn see(&mut self, told: &ReplyValue, skipped: u64, changes: bool) {
        let (name, version) = (&told.name, told.version);
        let seen = Seen { version, value: told.value.clone() };
        let Some(held) = self.view.nodes.get_mut(self.name) else { return };
        let before = held.insert(name.clone(), seen.clone());
        let newest = self.view.newest.insert((self.name.to_owned(), name.clone()), version);
        let repeats = !changes || self.every || before.is_none();
        if newest.is_some_and(|it| it > version || (it == version && !repeats)) {
            self.say(&format!("{name} went from version {newest:?} to {version}"));
        }
        let Some(model) = self.model.filter(|_| name.starts_with("app.")) else { return };
        let kept = model.kept(name);
        let place = |seen: &Seen| {
            let is =
                |it: &Kept| it.version == seen.version && it.value.as_ref() == Some(&seen.value);
            kept.iter().position(is)
        };
        let Some(now) = place(&seen) else {
            self.say(&format!("it never held {name} = {:?} as version {version}", told.value));
            return;
        };
        let between = match before.as_ref().map(place) {
            Some(Some(last)) if last < now => &kept[last + 1..now],
            Some(_) | None => &[],
        };
        // What was removed in between begins anew.
        let removed = between.iter().any(|it| it.value.is_none());
        if !removed && between.len() as u64 != skipped {
            let count = between.len();
            self.say(&format!("{name} left out {count} versions, and {skipped} are told"));
        }
    }
}

#[cfg(test)]
mod tests {
    use lcast_proto::variable::Version;

    use super::*;

    #[test]
    fn what_is_watched_with_a_distance_is_told_when_it_is_far() {
        let seen = |counter, value| Seen { version: Version { incarnation: 1, counter }, value };
        let told = seen(3, Value::Int(100));
        for (held, near) in [
            (seen(3, Value::Int(100)), true),
            (seen(9, Value::Int(109)), true),
            (seen(9, Value::Int(91)), true),
            (seen(9, Value::Int(110)), false),
            (seen(9, Value::Int(90)), false),
            (seen(9, Value::from("100")), false),
            (seen(2, Value::Int(101)), false),
        ] {
            assert_eq!(is_near(&told, &held, 5.0), near, "{held:?}");
        }
    }
}
