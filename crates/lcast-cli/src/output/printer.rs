//! What a question prints while replies come in, and at its end.

use lcast_proto::question::report::{
    Class, ErrorCode, FailedNode, Failure as NodeFailure, Outcome, Reply, ReplyValue, Report,
};
use lcast_proto::select::Pattern;
use lcast_proto::time::Timestamp;
use serde_json::{Value as Json, json};

use super::aggregate::Aggregates;
use super::{Format, Output, human, replies, report, tally};
use crate::args::Aggregate;
use crate::failure::Failure;
use crate::json;
use crate::text::sanitise;

/// Which data of the replies to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// The replies themselves.
    Replies,
    /// The names of the nodes that answered.
    Names,
    /// Node and value of one variable.
    Value,
    /// How many nodes have which value.
    Tally,
    /// Functions over all nodes, for each value of a label.
    Aggregate {
        /// What to compute.
        functions: Vec<Aggregate>,
        /// The label.
        by: Option<String>,
    },
}

/// Prints the replies to one question.
#[derive(Debug)]
pub(crate) struct Printer {
    output: Output,
    show: Show,
    /// In which order variables get columns.
    order: Vec<Pattern>,
    /// For a set: whether it only asked what would happen.
    set: Option<bool>,
    /// The nodes with several variables where one was wanted, and how many.
    unclear: Vec<(String, usize)>,
    /// What is printed at the end only.
    kept: Vec<Reply>,
}

impl Printer {
    /// A printer for one question.
    pub(crate) fn new(output: Output, show: Show) -> Self {
        Self { output, show, order: Vec::new(), set: None, unclear: Vec::new(), kept: Vec::new() }
    }

    /// Gives variables columns in the order of the patterns that were asked for.
    pub(crate) fn ordered(mut self, order: Vec<Pattern>) -> Self {
        self.order = order;
        self
    }

    /// Says of each reply what became of the set, or what would, when it was a dry run.
    pub(crate) fn of_set(mut self, dry_run: bool) -> Self {
        self.set = Some(dry_run);
        self
    }

    /// A reply as an object.
    fn object(&self, reply: &Reply) -> Option<Json> {
        let Some(dry_run) = self.set else { return json::reply(reply) };
        let mut object = json::set_reply(reply)?;
        if dry_run {
            object["dry_run"] = Json::from(true);
        }
        Some(object)
    }

    /// Takes a reply, and prints it if its place in the output is known.
    pub(crate) fn reply(&mut self, reply: Reply) -> Result<(), Failure> {
        if let (Show::Value, Outcome::Values(values)) = (&self.show, &reply.outcome)
            && self.the_one(values).is_none()
        {
            self.unclear.push((reply.node, values.len()));
            return Ok(());
        }
        match self.line(&reply) {
            Some(line) => self.output.text(&(line + "\n")),
            None => {
                self.kept.push(reply);
                Ok(())
            }
        }
    }

    /// The one variable asked for: the only one there, or the one of that very name.
    fn the_one<'a>(&self, values: &'a [ReplyValue]) -> Option<&'a ReplyValue> {
        let name = self.order.first().map(Pattern::to_string);
        match values {
            [one] => Some(one),
            several => several.iter().find(|it| Some(&it.name) == name.as_ref()),
        }
    }

    /// Counts nodes whose answer could not be printed as failed.
    pub(crate) fn settle(&mut self, report: &mut Report) {
        for (node, count) in std::mem::take(&mut self.unclear) {
            let message = format!("--value prints one variable, and {count} are here: name one");
            let failure = NodeFailure { code: ErrorCode::Invalid, message };
            report.answered = report.answered.saturating_sub(1);
            report.error.push(FailedNode { node, failure });
        }
        report.error.sort_by(|left, right| left.node.cmp(&right.node));
    }

    /// The line that this reply prints at once; none when it is kept for the end.
    fn line(&self, reply: &Reply) -> Option<String> {
        let answered = reply.outcome.class() == Class::Answered;
        match self.show {
            Show::Names if answered => Some(sanitise(&reply.node)),
            Show::Value => match &reply.outcome {
                Outcome::Values(values) => {
                    let it = self.the_one(values)?;
                    let value = sanitise(&human::value(&it.value, &it.unit, false));
                    Some(format!("{}\t{value}", sanitise(&reply.node)))
                }
                Outcome::Empty(_) | Outcome::Error(_) => None,
                Outcome::Refused(_) | Outcome::Set(_) => None,
            },
            Show::Replies if self.output.format == Format::JsonLines => {
                self.object(reply).map(|it| json_line("reply", it))
            }
            Show::Replies | Show::Names | Show::Tally | Show::Aggregate { .. } => None,
        }
    }

    /// Prints what is left, and the report; `label` gives a node's value of a label.
    pub(crate) fn finish(
        self,
        report: &Report,
        now: Timestamp,
        label: &dyn Fn(&str, &str) -> Option<String>,
    ) -> Result<(), Failure> {
        match self.output.format {
            Format::Json => self.output.json(&self.document(report, label))?,
            Format::JsonLines => {
                for (kind, object) in self.derived(label) {
                    self.output.json_line(kind, object)?;
                }
                self.output.json_line("report", json::report(report))?;
            }
            Format::Text => self.tables(label)?,
        }
        for line in report::lines(report, now) {
            self.output.note(&line);
        }
        Ok(())
    }

    fn document(&self, report: &Report, label: &dyn Fn(&str, &str) -> Option<String>) -> Json {
        let report = json::report(report);
        match &self.show {
            Show::Tally => {
                json!({ "tally": tally::to_json(&tally::tally(&self.kept)), "report": report })
            }
            Show::Aggregate { functions, by } => {
                let aggregates = self.aggregates(by.as_deref(), label);
                let rows = aggregates.to_json(functions, by.as_deref());
                json!({ "aggregates": rows, "report": report })
            }
            Show::Replies | Show::Names | Show::Value => {
                let mut replies: Vec<&Reply> = self.kept.iter().collect();
                replies.sort_by(|left, right| left.node.cmp(&right.node));
                let replies: Json = replies.into_iter().filter_map(|it| self.object(it)).collect();
                json!({ "replies": replies, "report": report })
            }
        }
    }

    /// What is computed from the replies, as objects for `--jsonl`.
    fn derived(&self, label: &dyn Fn(&str, &str) -> Option<String>) -> Vec<(&'static str, Json)> {
        let objects = |kind, rows: Json| match rows {
            Json::Array(rows) => rows.into_iter().map(|row| (kind, row)).collect(),
            _ => Vec::new(),
        };
        match &self.show {
            Show::Tally => objects("tally", tally::to_json(&tally::tally(&self.kept))),
            Show::Aggregate { functions, by } => {
                let aggregates = self.aggregates(by.as_deref(), label);
                objects("aggregate", aggregates.to_json(functions, by.as_deref()))
            }
            Show::Replies | Show::Names | Show::Value => Vec::new(),
        }
    }

    fn tables(&self, label: &dyn Fn(&str, &str) -> Option<String>) -> Result<(), Failure> {
        let terminal = self.output.terminal();
        match &self.show {
            Show::Names | Show::Value => Ok(()),
            Show::Tally => self.output.table(&tally::table(&tally::tally(&self.kept), terminal)),
            Show::Aggregate { functions, by } => {
                let aggregates = self.aggregates(by.as_deref(), label);
                self.output.table(&aggregates.table(functions, by.as_deref(), terminal))?;
                if aggregates.left_out > 0 {
                    let count = aggregates.left_out;
                    self.output.note(&format!("{count} values are no numbers and left out"));
                }
                Ok(())
            }
            Show::Replies => {
                let is_set = |it: &Reply| matches!(it.outcome, Outcome::Set(_));
                let is_values = |it: &Reply| matches!(it.outcome, Outcome::Values(_));
                if self.kept.iter().any(is_set) {
                    return self
                        .output
                        .table(&replies::outcomes(&self.kept, self.set == Some(true)));
                }
                if self.kept.iter().any(is_values) {
                    return self.output.table(&replies::values(&self.kept, &self.order, terminal));
                }
                Ok(())
            }
        }
    }

    fn aggregates(
        &self,
        by: Option<&str>,
        label: &dyn Fn(&str, &str) -> Option<String>,
    ) -> Aggregates {
        let key = by.map(|by| by.strip_prefix("labels.").unwrap_or(by));
        let group = |node: &str| match key {
            Some(key) => label(node, key).unwrap_or_else(|| "-".to_owned()),
            None => String::new(),
        };
        Aggregates::of(&self.kept, group)
    }
}

/// One object on one line, with its kind first. An object that has a kind of its own must give it
/// another name: see [`json::rename_kind`].
pub(crate) fn json_line(kind: &str, object: Json) -> String {
    assert!(object.get("kind").is_none(), "the kind of a line is the line's: {object}");
    let mut line = serde_json::Map::new();
    line.insert("kind".to_owned(), Json::from(kind));
    if let Json::Object(object) = object {
        line.extend(object);
    }
    crate::text::escape_json(&Json::Object(line).to_string())
}

#[cfg(test)]
mod tests {
    use lcast_proto::question::report::EmptyReason;
    use lcast_proto::value::Value;

    use super::*;
    use crate::output::tests::{report, values};

    fn printer(show: Show, format: Format) -> Printer {
        let output = Output { format, screen: None, quiet: true };
        Printer::new(output, show)
    }

    fn empty(node: &str) -> Reply {
        Reply {
            node: node.to_owned(),
            outcome: Outcome::Empty(EmptyReason::NoMatch),
            by_multicast: true,
        }
    }

    #[test]
    fn lines_for_programs_come_at_once() {
        let reply = values("web1", &[("app.x", Value::from("a\tb\x1b"))]);
        let line = |show, format| printer(show, format).line(&reply);
        assert_eq!(line(Show::Names, Format::Text).as_deref(), Some("web1"));
        assert_eq!(line(Show::Value, Format::Text).as_deref(), Some("web1\ta b"));
        assert_eq!(line(Show::Replies, Format::Text), None);
        assert_eq!(line(Show::Tally, Format::JsonLines), None);
        let json = line(Show::Replies, Format::JsonLines).unwrap();
        assert!(json.starts_with(r#"{"kind":"reply","node":"web1","variables":{"app.x":{"#));
        assert!(!json.contains('\x1b'), "{json}");
    }

    #[test]
    fn nodes_with_nothing_to_say_are_in_the_report_only() {
        for (show, format) in [
            (Show::Names, Format::Text),
            (Show::Value, Format::Text),
            (Show::Replies, Format::JsonLines),
        ] {
            assert_eq!(printer(show, format).line(&empty("web1")), None);
        }
        let mut printer = printer(Show::Replies, Format::Json);
        for reply in [values("b", &[("a.b", Value::Null)]), empty("c"), values("a", &[])] {
            printer.reply(reply).unwrap();
        }
        let document = printer.document(&report([2, 1, 0, 0, 0, 0]), &|_, _| None);
        let nodes: Vec<&Json> =
            document["replies"].as_array().unwrap().iter().map(|it| &it["node"]).collect();
        assert_eq!(nodes, ["a", "b"]);
        assert_eq!(document["report"]["expected"], 3);
    }

    #[test]
    fn a_node_with_several_variables_fails_for_value_and_the_account_is_kept() {
        let several = |node: &str| values(node, &[("a.b", Value::Int(1)), ("a.c", Value::Int(2))]);
        let mut vague = printer(Show::Value, Format::Text).ordered(vec!["a".parse().unwrap()]);
        for reply in [several("web2"), values("web3", &[("a.b", Value::Int(1))]), several("web1")] {
            vague.reply(reply).unwrap();
        }
        let mut account = report([3, 0, 0, 0, 0, 0]);
        vague.settle(&mut account);
        assert_eq!(account.answered, 1);
        let failed: Vec<&str> = account.error.iter().map(|it| it.node.as_str()).collect();
        assert_eq!(failed, ["web1", "web2"]);
        assert!(account.error[0].failure.message.contains("2 are here"), "{account:?}");

        let exact = printer(Show::Value, Format::Text).ordered(vec!["a.c".parse().unwrap()]);
        assert_eq!(exact.line(&several("web1")).as_deref(), Some("web1\t2"));
    }

    #[test]
    fn a_dry_run_says_so_in_every_reply() {
        let reply = values("web1", &[("app.x", Value::Int(1))]);
        for dry_run in [false, true] {
            let told = |object: &Json| object.get("dry_run").is_some_and(|it| *it == true);
            let lines = printer(Show::Replies, Format::JsonLines).of_set(dry_run);
            let line = lines.line(&reply).unwrap();
            assert_eq!(told(&serde_json::from_str(&line).unwrap()), dry_run, "{line}");
            let mut whole = printer(Show::Replies, Format::Json).of_set(dry_run);
            whole.reply(reply.clone()).unwrap();
            let document = whole.document(&report([1, 0, 0, 0, 0, 0]), &|_, _| None);
            assert_eq!(told(&document["replies"][0]), dry_run, "{document}");
        }
    }

    #[test]
    fn aggregates_are_grouped_by_label() {
        let functions = vec![Aggregate::Max];
        let by = Some("labels.role".to_owned());
        let mut printer = printer(Show::Aggregate { functions, by }, Format::Json);
        for (node, number) in [("web1", 1), ("web2", 5), ("db1", 3)] {
            printer.reply(values(node, &[("app.x", Value::Int(number))])).unwrap();
        }
        let label = |node: &str, key: &str| {
            (key == "role" && node.starts_with("web")).then(|| "web".to_owned())
        };
        let document = printer.document(&report([3, 0, 0, 0, 0, 0]), &label);
        let expected = json!([
            {"by": "-", "variable": "app.x", "unit": "", "max": 3.0},
            {"by": "web", "variable": "app.x", "unit": "", "max": 5.0},
        ]);
        assert_eq!(document["aggregates"], expected);
    }
}
