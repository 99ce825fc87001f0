//! What a question printed with `--json`, as a scenario looks at it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::job::Output;

/// The classes of a report that list nodes.
const LISTED: [&str; 5] = ["missing", "empty", "error", "refused", "late"];
/// All classes of a report.
const CLASSES: [&str; 6] = ["answered", "empty", "error", "refused", "late", "missing"];

/// A finished question.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The command and how it ended.
    pub output: Output,
    /// The document on its standard output.
    pub json: Value,
}

impl Answer {
    /// Reads one JSON document, and checks what holds for every report.
    ///
    /// # Panics
    /// When standard output is not exactly one valid document, or the report contradicts itself.
    #[must_use]
    pub fn read(output: Output) -> Self {
        let json = serde_json::from_str(&output.stdout)
            .unwrap_or_else(|error| panic!("not one JSON document ({error}): {output}"));
        let answer = Self { output, json };
        if answer.json["report"].is_object() {
            answer.check_report();
        }
        answer
    }

    /// Every expected node is in exactly one class, and the lists agree with the counts.
    fn check_report(&self) {
        let total: u64 = CLASSES.iter().map(|class| self.count(class)).sum();
        assert_eq!(total, self.count("expected"), "classes do not add up: {}", self.output);
        let mut seen = Vec::new();
        for class in LISTED {
            let named = self.named(class);
            assert_eq!(named.len() as u64, self.count(class), "{class}: {}", self.output);
            seen.extend(named);
        }
        let failed = |reply: &&Value| reply.get("error").is_some();
        let replies = self.json["replies"].as_array().expect("replies are a list");
        seen.extend(replies.iter().filter(|reply| !failed(reply)).map(node_of));
        let total = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), total, "a node is in two classes: {}", self.output);
    }

    /// The exit code.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.output.code
    }

    /// A number of the report: a class, `expected`, `rounds`, `questions_sent`.
    #[must_use]
    pub fn count(&self, what: &str) -> u64 {
        let number = self.json["report"][what].as_u64();
        number.unwrap_or_else(|| panic!("no count '{what}' in the report: {}", self.output))
    }

    /// How many were empty for this reason.
    #[must_use]
    pub fn empty_reason(&self, reason: &str) -> u64 {
        let number = self.json["report"]["empty_reasons"][reason].as_u64();
        number.unwrap_or_else(|| panic!("no empty reason '{reason}': {}", self.output))
    }

    /// The names in a class of the report, sorted.
    #[must_use]
    pub fn named(&self, class: &str) -> Vec<String> {
        let list = self.json["report"]["nodes"][class].as_array();
        let list = list.unwrap_or_else(|| panic!("no list '{class}': {}", self.output));
        let mut names: Vec<String> = list.iter().map(node_of).collect();
        names.sort();
        names
    }

    /// The replies by the names of their nodes.
    #[must_use]
    pub fn replies(&self) -> BTreeMap<String, Value> {
        let list = self.json["replies"].as_array();
        let list = list.unwrap_or_else(|| panic!("no replies: {}", self.output));
        list.iter().map(|reply| (node_of(reply), reply.clone())).collect()
    }

    /// The names of the nodes that answered with values, sorted.
    #[must_use]
    pub fn answered(&self) -> Vec<String> {
        let replies = self.replies().into_iter();
        replies.filter(|(_, reply)| reply.get("error").is_none()).map(|(node, _)| node).collect()
    }

    /// What a node said a variable is; null when it did not.
    #[must_use]
    pub fn value(&self, node: &str, variable: &str) -> Value {
        let replies = self.replies();
        let reply = replies.get(node);
        reply.map_or(Value::Null, |reply| reply["variables"][variable]["value"].clone())
    }

    /// Asserts the exit code and the counts of classes; those not named must be zero.
    ///
    /// # Panics
    /// When it is otherwise.
    pub fn check(&self, code: i32, counts: &[(&str, u64)]) {
        let wanted = |class: &str| {
            counts.iter().find(|(name, _)| *name == class).map_or(0, |&(_, count)| count)
        };
        let as_wanted = CLASSES.iter().all(|class| self.count(class) == wanted(class));
        assert!(as_wanted && self.code() == code, "expected {code} {counts:?}: {}", self.output);
    }
}

fn node_of(value: &Value) -> String {
    let name = value.as_str().or_else(|| value["node"].as_str());
    name.unwrap_or_else(|| panic!("no node's name in {value}")).to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn output(missing: &str, count: u64) -> Output {
        let stdout = format!(
            r#"{{"replies": [{{"node": "a", "variables": {{"x.y": {{"value": 7}}}}}}],
                "report": {{"expected": 2, "answered": 1, "empty": 0, "error": 0, "refused": 0,
                            "late": 0, "missing": {count},
                            "nodes": {{"missing": [{{"node": "{missing}"}}], "empty": [],
                                       "error": [], "refused": [], "late": []}}}}}}"#
        );
        let elapsed = Duration::ZERO;
        Output { what: "get".to_owned(), code: 3, stdout, stderr: String::new(), elapsed }
    }

    #[test]
    fn a_sound_report_is_read() {
        let answer = Answer::read(output("b", 1));
        answer.check(3, &[("answered", 1), ("missing", 1)]);
        assert_eq!(answer.value("a", "x.y"), 7);
        assert_eq!(answer.named("missing"), ["b"]);
    }

    #[test]
    #[should_panic(expected = "a node is in two classes")]
    fn a_node_in_two_classes_is_noticed() {
        let _ = Answer::read(output("a", 1));
    }

    #[test]
    #[should_panic(expected = "do not add up")]
    fn wrong_counts_are_noticed() {
        let _ = Answer::read(output("b", 0));
    }
}
