//! The asker: plays the steps one by one and prints what each gives.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use lcast::lcast_proto::keys::Kind;
use lcast::lcast_proto::question::{SetRequest, Verb};
use lcast::lcast_proto::variable::{Assigned, Version};
use lcast::{
    Constraint, Definition, Node, Outcome, PresenceItem, Question, QuestionError, Reply,
    ReplyValue, Report, Value, Watch, WatchItem,
};
use lcast_conformance::line::{escape, words};

use crate::value::{parse, show};

/// A node that plays steps, and what it remembers from one to the next.
struct Asker {
    node: Node,
    watch: Option<Watch>,
    account: Option<Report>,
    versions: BTreeMap<String, Version>,
}

/// One step: its name for the output, and its words.
struct Step<'a> {
    name: &'a str,
    words: Vec<(String, String)>,
}

/// Why a step did not get as far as its answer: the kind and the sentence.
struct Failed(&'static str, String);

/// How much longer than its timeout a question may take on a machine with other work.
const SLACK: Duration = Duration::from_millis(500);

/// Plays every step. A step that fails as the scenario may expect is a line like any other.
pub(crate) async fn run(credential: &Path, scenario: &str) -> anyhow::Result<()> {
    let mut asker = None;
    for line in scenario.lines().filter(|line| line.starts_with("step\t")) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [_, name, verb, ref words_of @ ..] = *fields else { bail!("'{line}' is no step") };
        let step = Step { name, words: words(words_of)? };
        let played = match (verb, &mut asker) {
            ("open", _) => Asker::open(credential).map(|it| asker = Some(it)),
            (_, None) => return Ok(()),
            (verb, Some(asker)) => asker.play(verb, &step).await.context(line.to_owned())?,
        };
        match played {
            Ok(()) if verb == "open" => step.say(&["open"]),
            Ok(()) => {}
            Err(Failed(kind, message)) => step.say(&["failed", kind, &escape(&message)]),
        }
    }
    if let Some(asker) = asker {
        asker.node.leave().await;
    }
    Ok(())
}

impl Step<'_> {
    fn say(&self, fields: &[&str]) {
        println!("{}\t{}", self.name, fields.join("\t"));
    }

    fn all(&self, key: &str) -> Vec<&str> {
        let named = self.words.iter().filter(|(word, _)| word == key);
        named.map(|(_, value)| value.as_str()).collect()
    }

    fn one(&self, key: &str) -> Option<&str> {
        self.all(key).first().copied()
    }

    fn values(&self, word: &str, node: &str, values: &[ReplyValue]) {
        for it in values {
            let (name, value) = (escape(&it.name), show(&it.value));
            self.say(&[word, node, &name, &value, &escape(&it.unit)]);
        }
    }

    fn millis(&self, key: &str) -> Option<Duration> {
        Some(Duration::from_millis(self.one(key)?.parse().ok()?))
    }

    fn account(&self, report: &Report) {
        for it in &report.empty {
            self.say(&["empty", &it.node, it.reason.as_str()]);
        }
        for it in &report.error {
            let message = escape(&it.failure.message);
            self.say(&["error", &it.node, it.failure.code.as_str(), &message]);
        }
        for it in &report.refused {
            let message = escape(&it.refusal.message);
            self.say(&["refused", &it.node, it.refusal.reason.as_str(), &message]);
        }
        report.late.iter().for_each(|it| self.say(&["late", &it.node]));
        report.missing.iter().for_each(|it| self.say(&["missing", &it.node]));
        let counts = [
            ("expected", report.expected as usize),
            ("answered", report.answered as usize),
            ("empty", report.empty.len()),
            ("error", report.error.len()),
            ("refused", report.refused.len()),
            ("late", report.late.len()),
            ("missing", report.missing.len()),
        ];
        let counts = counts.map(|(class, count)| format!("{class}={count}"));
        self.say(&["report", &counts.join(" ")]);
        if let Some(timeout) = self.millis("timeout") {
            let is_in_time = report.elapsed <= timeout + SLACK;
            self.say(&["in_time", if is_in_time { "yes" } else { "no" }]);
        }
    }
}

impl Asker {
    fn open(credential: &Path) -> Result<Self, Failed> {
        let credential = lcast::realm::read_credential(credential, None)
            .map_err(|error| Failed("credential", error.to_string()))?;
        let node = Node::builder(credential).start();
        let node = node.map_err(|error| Failed("start", error.to_string()))?;
        Ok(Self { node, watch: None, account: None, versions: BTreeMap::new() })
    }

    /// Plays a step; the outer error is one of the scenario or of the harness.
    async fn play(&mut self, verb: &str, step: &Step<'_>) -> anyhow::Result<Result<(), Failed>> {
        let patterns = step.all("pattern");
        Ok(match verb {
            "get" => match self.node.get(&patterns).map_err(invalid) {
                Ok(question) => self.ask(step, question).await,
                Err(failed) => Err(failed),
            },
            "set" => match self.set(step)? {
                Ok(question) => self.ask(step, question).await,
                Err(failed) => Err(failed),
            },
            "set_all" => match self.set_all(step) {
                Ok(question) => self.ask(step, question).await,
                Err(failed) => Err(failed),
            },
            "watch" => match self.node.watch(&patterns).map_err(invalid) {
                Ok(question) => self.watch(step, question).await,
                Err(failed) => Err(failed),
            },
            "next" => {
                let item = self.watch.as_mut().context("no watch is open")?.next().await;
                self.item(step, item.context("the watch has ended")?)?;
                Ok(())
            }
            "unwatch" => {
                self.watch = None;
                step.account(&self.account.take().context("no account came")?);
                Ok(())
            }
            "nodes" => self.nodes(step).await,
            "variables" => self.variables(step).await,
            "ping" => self.ping(step).await.map_err(|error| Failed("ended", error.to_string())),
            "presence" => {
                self.presence(step).await?;
                Ok(())
            }
            other => bail!("'{other}' is no verb"),
        })
    }

    /// A set of a text, or of a typed value.
    fn set(&self, step: &Step<'_>) -> anyhow::Result<Result<Question, Failed>> {
        let name = step.one("name").context("a set has a name")?;
        let question = match (step.one("text"), step.one("value")) {
            (Some(text), None) => self.node.set(name, text).map_err(invalid),
            (None, Some(value)) => {
                let value = Assigned::Value(parse(value)?);
                name.parse().map_err(invalid).map(|name| {
                    let assignments = vec![(name, value)];
                    let request = SetRequest { assignments, if_version: None, dry_run: false };
                    self.node.question(Verb::Set(request))
                })
            }
            _ => bail!("a set has a text or a value"),
        };
        Ok(match (question, step.one("if_version")) {
            (Ok(question), Some("held")) => {
                Ok(question.if_version(*self.versions.get(name).context("no version is held")?))
            }
            (Ok(question), Some(version)) => Ok(question.if_version(version.parse()?)),
            (question, _) => question,
        })
    }

    /// A set of several texts.
    fn set_all(&self, step: &Step<'_>) -> Result<Question, Failed> {
        let both: Vec<(&str, &str)> = step.all("name").into_iter().zip(step.all("text")).collect();
        self.node.set_all(&both).map_err(invalid)
    }

    async fn ask(&mut self, step: &Step<'_>, question: Question) -> Result<(), Failed> {
        let question = target(step, question)?;
        let mut replies = question.ask().await.map_err(unasked)?;
        let mut held = Vec::new();
        while let Some(reply) = replies.next().await {
            held.push(reply);
        }
        let report = replies.report().map_err(|error| unasked(error.clone()))?;
        held.iter().for_each(|reply| self.reply(step, reply));
        step.account(report);
        Ok(())
    }

    async fn watch(&mut self, step: &Step<'_>, question: Question) -> Result<(), Failed> {
        let mut question = target(step, question)?;
        if let Some(millis) = step.one("every").and_then(|it| it.parse().ok()) {
            question = question.every(Duration::from_millis(millis));
        }
        if let Some(delta) = step.one("delta").and_then(|it| it.parse().ok()) {
            question = question.delta(delta);
        }
        let watch = self.watch.insert(question.subscribe().await.map_err(unasked)?);
        let mut replies = Vec::new();
        self.account = None;
        while let Some(item) = watch.next().await {
            match item {
                WatchItem::Reply(reply) => replies.push(reply),
                WatchItem::Report(report) => {
                    self.account = Some(report);
                    break;
                }
                _ => {}
            }
        }
        replies.iter().for_each(|reply| self.reply(step, reply));
        Ok(())
    }

    fn reply(&mut self, step: &Step<'_>, reply: &Reply) {
        match &reply.outcome {
            Outcome::Values(values) => {
                let version = |it: &ReplyValue| (it.name.clone(), it.version);
                self.versions.extend(values.iter().map(version));
                step.values("value", &reply.node, values);
            }
            Outcome::Set(results) => {
                for it in results {
                    self.versions.extend(it.version.map(|version| (it.name.clone(), version)));
                    let (name, message) = (escape(&it.name), escape(&it.message));
                    step.say(&["set", &reply.node, &name, it.outcome.as_str(), &message]);
                }
            }
            // They stand in the account.
            Outcome::Empty(_) | Outcome::Error(_) | Outcome::Refused(_) => {}
        }
    }

    fn item(&mut self, step: &Step<'_>, item: WatchItem) -> anyhow::Result<()> {
        match item {
            WatchItem::Changed { node, values, removed } => {
                let values: Vec<ReplyValue> = values.into_iter().map(|it| it.value).collect();
                step.values("changed", &node, &values);
                removed.iter().for_each(|it| step.say(&["removed", &node, &escape(it)]));
            }
            WatchItem::Entered { node, values } => step.values("entered", &node, &values),
            WatchItem::Left { node, reason } => step.say(&["left", &node, reason.as_str()]),
            WatchItem::Reply(reply) => self.reply(step, &reply),
            other => bail!("the watch told {other:?}"),
        }
        Ok(())
    }

    async fn nodes(&self, step: &Step<'_>) -> Result<(), Failed> {
        let members = self.node.members().await;
        let members = members.map_err(|error| Failed("ended", error.to_string()))?;
        for it in members.iter().filter(|it| Some(it.name.as_str()) == step.one("name")) {
            let kind = if it.kind == Kind::Agent { "agent" } else { "client" };
            let mut labels: Vec<String> =
                it.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            labels.sort();
            let (labels, roles) = (escape(&labels.join(",")), escape(&it.roles.join(",")));
            step.say(&["node", &it.name, kind, it.state.as_str(), &labels, &roles]);
        }
        Ok(())
    }
}

impl Asker {
    async fn variables(&self, step: &Step<'_>) -> Result<(), Failed> {
        let mut replies = target(step, self.node.variables())?.ask().await.map_err(unasked)?;
        while replies.next().await.is_some() {}
        let report = replies.report().map_err(|error| unasked(error.clone()))?;
        for (node, schema) in replies.schemas() {
            for it in schema.definitions() {
                if it.template.starts_with(step.one("prefix").unwrap_or_default()) {
                    let (name, unit) = (escape(&it.template), escape(&it.unit));
                    step.say(&["variable", node, &name, &show(&described(it)), &unit]);
                }
            }
        }
        step.account(report);
        Ok(())
    }

    async fn ping(&self, step: &Step<'_>) -> Result<(), lcast::NodeEnded> {
        let name = step.one("name").unwrap_or_default();
        let trip = self.node.ping(name, step.millis("timeout").unwrap_or_default()).await?;
        step.say(&[if trip.is_some() { "pong" } else { "silent" }, name]);
        Ok(())
    }

    /// Follows a node until it has been in each of the states, one after the other.
    async fn presence(&self, step: &Step<'_>) -> anyhow::Result<()> {
        let mut changes = self.node.presence().await?;
        for state in step.all("state") {
            loop {
                let item = changes.next().await.context("the node has ended")?;
                let PresenceItem::Changed(it) = item else { bail!("{item:?}") };
                if Some(it.name.as_str()) == step.one("name") && it.state.as_str() == state {
                    step.say(&["presence", &it.name, state]);
                    break;
                }
            }
        }
        Ok(())
    }
}

/// What a variable is beside its name and unit.
fn described(it: &Definition) -> Value {
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

/// Who is asked, by the words of the step.
fn target(step: &Step<'_>, question: Question) -> Result<Question, Failed> {
    let mut question = question;
    let only = step.all("only");
    if !only.is_empty() {
        question = question.only(only.into_iter().map(str::to_owned).collect());
    }
    if let Some(timeout) = step.millis("timeout") {
        question = question.timeout(timeout);
    }
    for (key, value) in &step.words {
        question = match key.as_str() {
            "on" => question.on(value).map_err(invalid)?,
            "not" => question.not(value).map_err(invalid)?,
            "where" => question.matching(value).map_err(invalid)?,
            "dry_run" => question.dry_run(),
            "expect" => question.expect(vec![value.clone()]),
            "label" => {
                let (key, value) = value.split_once('=').unwrap_or((value, ""));
                question.label(key, value)
            }
            _ => question,
        };
    }
    Ok(question)
}

fn invalid(error: impl std::fmt::Display) -> Failed {
    Failed("invalid", error.to_string())
}

fn unasked(error: QuestionError) -> Failed {
    match &error {
        QuestionError::Ended => Failed("ended", error.to_string()),
        _ => Failed("invalid", error.to_string()),
    }
}
