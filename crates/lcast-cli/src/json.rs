//! Values, replies and reports as JSON, and JSON as values.
//!
//! The shapes are a contract (the book's chapter on the command line). NaN and the infinities are
//! texts, bytes are `{"$base64": "..."}`, timestamps are RFC 3339 in UTC.

mod base64;

use std::collections::BTreeMap;

use lcast::ChangedValue;
use lcast_proto::presence::State;
use lcast_proto::question::report::{
    Class, EmptyReason, Outcome, Reply, ReplyValue, Report, SetResult, UnheardNode,
};
use lcast_proto::time::Timestamp;
use lcast_proto::value::Value;
use serde_json::{Map, Number, Value as Json, json};

use crate::failure::Failure;

/// An object for a line, where `kind` is the kind of the line: its own kind has this name there.
pub(crate) fn rename_kind(mut object: Json, name: &str) -> Json {
    if let Some(own) = object.as_object_mut().and_then(|it| it.remove("kind")) {
        object[name] = own;
    }
    object
}

/// A value as JSON.
pub(crate) fn value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(bool) => Json::Bool(*bool),
        Value::Int(number) => Json::from(*number),
        Value::Float(number) => float(*number),
        Value::Text(text) => Json::String(text.clone()),
        Value::Bytes(bytes) => json!({ "$base64": base64::encode(bytes) }),
        Value::Timestamp(time) => timestamp(*time),
        Value::List(items) => items.iter().map(self::value).collect(),
        Value::Map(items) => {
            let pair = |(key, item): (&String, &Value)| (key.clone(), self::value(item));
            Json::Object(items.iter().map(pair).collect())
        }
    }
}

/// A float as JSON; what JSON has no number for, as text.
pub(crate) fn float(number: f64) -> Json {
    match Number::from_f64(number) {
        Some(number) => Json::Number(number),
        None if number.is_nan() => Json::from("NaN"),
        None if number > 0.0 => Json::from("Infinity"),
        None => Json::from("-Infinity"),
    }
}

/// A time as JSON.
pub(crate) fn timestamp(time: Timestamp) -> Json {
    Json::String(time.to_string())
}

/// The value that JSON text means.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let json: Json = serde_json::from_str(text).map_err(|error| format!("no JSON ({error})"))?;
    from_json(json, Value::DEPTH_MAX)
}

fn from_json(json: Json, depth_left: usize) -> Result<Value, String> {
    let deeper = depth_left
        .checked_sub(1)
        .ok_or_else(|| format!("nested deeper than {} levels", Value::DEPTH_MAX));
    match json {
        Json::Null => Ok(Value::Null),
        Json::Bool(bool) => Ok(Value::Bool(bool)),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Ok(Value::Int(number)),
            (None, Some(_)) if number.is_u64() => {
                Err(format!("{number} is more than {}, the largest int", i64::MAX))
            }
            (None, Some(number)) => Ok(Value::Float(number)),
            (None, None) => Err(format!("{number} is no number that a variable can hold")),
        },
        Json::String(text) => Ok(Value::Text(text)),
        Json::Array(items) => {
            let deeper = deeper?;
            let items = items.into_iter().map(|item| from_json(item, deeper));
            Ok(Value::List(items.collect::<Result<_, _>>()?))
        }
        Json::Object(items) => {
            if let Some(bytes) = bytes_of(&items)? {
                return Ok(Value::Bytes(bytes));
            }
            let deeper = deeper?;
            let items = items.into_iter().map(|(key, item)| Ok((key, from_json(item, deeper)?)));
            Ok(Value::Map(items.collect::<Result<BTreeMap<_, _>, String>>()?))
        }
    }
}

fn bytes_of(items: &Map<String, Json>) -> Result<Option<Vec<u8>>, String> {
    match items.get("$base64") {
        Some(Json::String(text)) if items.len() == 1 => {
            base64::decode(text).map(Some).ok_or_else(|| format!("'{text}' is no base64"))
        }
        Some(_) | None => Ok(None),
    }
}

/// A node's reply as the object in `replies`; none for a node with nothing to say.
pub(crate) fn reply(reply: &Reply) -> Option<Json> {
    let mut object = Map::new();
    object.insert("node".to_owned(), Json::from(reply.node.as_str()));
    match &reply.outcome {
        Outcome::Empty(_) => return None,
        Outcome::Values(values) => {
            object.insert("variables".to_owned(), variables(values));
        }
        Outcome::Error(failure) => {
            object.insert("error".to_owned(), error(failure.code.as_str(), &failure.message));
        }
        Outcome::Refused(refusal) => {
            let mut error = error("refused", &refusal.message);
            error["reason"] = Json::from(refusal.reason.as_str());
            object.insert("error".to_owned(), error);
        }
        Outcome::Set(results) => set_results(&mut object, reply.outcome.class(), results),
    }
    Some(Json::Object(object))
}

/// A node's reply to a set: whoever refused it, or failed it as a whole, has a result too.
pub(crate) fn set_reply(reply: &Reply) -> Option<Json> {
    let mut object = self::reply(reply)?;
    if object.get("result").is_none() {
        let error = object["error"].clone();
        object["result"] = error["code"].clone();
        object["message"] = error["message"].clone();
        object["version"] = Json::Null;
        object["settings"] = json!({});
    }
    Some(object)
}

/// Values that have changed, with how many before them were not seen.
pub(crate) fn changed(values: &[ChangedValue]) -> Json {
    let pair = |ChangedValue { value: it, skipped }: &ChangedValue| {
        let mut object = variable(it);
        if *skipped > 0 {
            object["skipped"] = Json::from(*skipped);
        }
        (it.name.clone(), object)
    };
    Json::Object(values.iter().map(pair).collect())
}

/// Values by name.
pub(crate) fn variables(values: &[ReplyValue]) -> Json {
    let pair = |it: &ReplyValue| (it.name.clone(), variable(it));
    Json::Object(values.iter().map(pair).collect())
}

fn variable(it: &ReplyValue) -> Json {
    let ReplyValue { name: _, value, unit, time, age_ms, version, revision: _ } = it;
    json!({
        "value": self::value(value),
        "unit": &**unit,
        "time": timestamp(*time),
        "age_ms": age_ms,
        "version": version.to_string(),
    })
}

/// The worst result stands at the node itself, each setting's under `settings`.
fn set_results(object: &mut Map<String, Json>, class: Class, results: &[SetResult]) {
    let Some(worst) = results.iter().rev().max_by_key(|it| (it.outcome.class(), it.outcome)) else {
        return;
    };
    let version = |it: &SetResult| it.version.map_or(Json::Null, |it| Json::from(it.to_string()));
    object.insert("result".to_owned(), Json::from(worst.outcome.as_str()));
    object.insert("message".to_owned(), Json::from(worst.message.as_str()));
    object.insert("version".to_owned(), version(worst));
    let setting = |it: &SetResult| {
        let result = it.outcome.as_str();
        let object = json!({ "result": result, "message": it.message, "version": version(it) });
        (it.name.clone(), object)
    };
    object.insert("settings".to_owned(), Json::Object(results.iter().map(setting).collect()));
    if matches!(class, Class::Error | Class::Refused) {
        object.insert("error".to_owned(), error(worst.outcome.as_str(), &worst.message));
    }
}

fn error(code: &str, message: &str) -> Json {
    json!({ "code": code, "message": message })
}

/// A failed command as JSON.
pub(crate) fn failure(failure: &Failure) -> Json {
    json!({ "error": error(failure.code, &failure.message) })
}

/// A report as JSON.
pub(crate) fn report(report: &Report) -> Json {
    let reason =
        |reason: EmptyReason| (reason.as_str().to_owned(), Json::from(report.empty_for(reason)));
    let reasons: Map<String, Json> = EmptyReason::ALL.into_iter().map(reason).collect();
    json!({
        "expected": report.expected,
        "answered": report.answered,
        "empty": report.empty.len(),
        "error": report.error.len(),
        "refused": report.refused.len(),
        "late": report.late.len(),
        "missing": report.missing.len(),
        "empty_reasons": reasons,
        "nodes": nodes(report),
        "rounds": report.rounds,
        "questions_sent": report.questions_sent,
        "elapsed_ms": (report.elapsed.as_secs_f64() * 10_000.0).round() / 10.0,
    })
}

fn nodes(report: &Report) -> Json {
    let empty: Vec<Json> = report
        .empty
        .iter()
        .map(|it| json!({ "node": it.node, "reason": it.reason.as_str() }))
        .collect();
    let told = |node: &str, key: &str, word: &str, message: &str| {
        let mut object = json!({ "node": node, key: word });
        object["message"] = Json::from(message);
        object
    };
    let error = report.error.iter().map(|it| {
        let failure = &it.failure;
        told(&it.node, "code", failure.code.as_str(), &failure.message)
    });
    let error: Vec<Json> = error.collect();
    let refused = report.refused.iter().map(|it| {
        let refusal = &it.refusal;
        told(&it.node, "reason", refusal.reason.as_str(), &refusal.message)
    });
    let refused: Vec<Json> = refused.collect();
    let unheard = |nodes: &[UnheardNode]| nodes.iter().map(unheard).collect::<Vec<Json>>();
    json!({
        "missing": unheard(&report.missing),
        "empty": empty,
        "error": error,
        "refused": refused,
        "late": unheard(&report.late),
    })
}

fn unheard(it: &UnheardNode) -> Json {
    // Who was heard by an earlier command alone is not known to be there, nor to be gone.
    let is_known = it.state != State::Never || it.last_heard.is_none();
    let mut node = json!({
        "node": it.node,
        "last_heard": it.last_heard.map_or(Json::Null, timestamp),
        "state": is_known.then(|| it.state.as_str()),
    });
    if it.outcome_unknown {
        node["outcome"] = Json::from("unknown");
    }
    node
}

#[cfg(test)]
mod tests {
    use lcast_proto::question::report::{
        ErrorCode, Failure as NodeFailure, Refusal, RefusalReason, SetOutcome,
    };

    use super::*;

    #[test]
    fn values_print_as_json_and_come_back() {
        let map = BTreeMap::from([("k".to_owned(), Value::List(vec![Value::Int(1)]))]);
        for (input, text) in [
            (Value::Null, "null"),
            (Value::Bool(true), "true"),
            (Value::Int(i64::MIN), "-9223372036854775808"),
            (Value::Float(1.0), "1.0"),
            (Value::Float(0.42), "0.42"),
            (Value::from("a\"b"), r#""a\"b""#),
            (Value::Bytes(vec![0, 255, 7]), r#"{"$base64":"AP8H"}"#),
            (Value::Map(map), r#"{"k":[1]}"#),
        ] {
            assert_eq!(value(&input).to_string(), text);
            assert_eq!(parse(text), Ok(input));
        }
        for (number, text) in
            [(f64::NAN, "NaN"), (f64::INFINITY, "Infinity"), (f64::NEG_INFINITY, "-Infinity")]
        {
            assert_eq!(value(&Value::Float(number)), Json::from(text));
        }
        let time = Value::Timestamp(Timestamp::from_millis(1_795_341_600_123));
        assert_eq!(value(&time), Json::from("2026-11-22T10:00:00.123Z"));
    }

    #[test]
    fn json_that_is_no_value_is_refused() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(&nested(8)).is_ok());
        for (text, part) in [
            (nested(9).as_str(), "8 levels"),
            ("9223372036854775808", "largest int"),
            ("hello", "no JSON"),
            (r#"{"$base64": "?"}"#, "no base64"),
            ("1 2", "no JSON"),
        ] {
            assert!(parse(text).unwrap_err().contains(part), "{text}");
        }
    }

    #[test]
    fn the_report_has_the_shape_of_the_contract() {
        let printed = report(&crate::output::tests::report([9, 0, 0, 0, 0, 1]));
        let expected = json!({
            "expected": 10, "answered": 9, "empty": 0, "error": 0, "refused": 0, "late": 0,
            "missing": 1,
            "empty_reasons": {"no_match": 0, "undefined": 0, "no_variable": 0},
            "nodes": {
                "missing": [{
                    "node": "missing1", "last_heard": "2026-11-22T09:59:58Z", "state": "alive",
                }],
                "empty": [], "error": [], "refused": [], "late": [],
            },
            "rounds": 2, "questions_sent": 2, "elapsed_ms": 41.7,
        });
        assert_eq!(printed, expected);
    }

    #[test]
    fn a_node_never_heard_and_an_outcome_unknown_are_said() {
        let node = |last_heard, outcome_unknown| {
            let (node, state) = ("web3".to_owned(), State::Never);
            unheard(&UnheardNode { node, last_heard, state, outcome_unknown })
        };
        let never = json!({"node": "web3", "last_heard": null, "state": "never"});
        assert_eq!(node(None, false), never);
        assert_eq!(node(None, true)["outcome"], "unknown");
        let earlier = node(Some(Timestamp::from_millis(0)), false);
        assert_eq!(earlier["state"], Json::Null);
    }

    /// The contract: "set replies carry result", `refused` is one of its words.
    #[test]
    fn a_set_that_is_refused_or_fails_whole_has_a_result_too() {
        let refusal =
            Refusal { reason: RefusalReason::Role, message: "needs the role operator".to_owned() };
        let failure = NodeFailure { code: ErrorCode::Predicate, message: "1 / 0".to_owned() };
        for (outcome, result, message) in [
            (Outcome::Refused(refusal), "refused", "needs the role operator"),
            (Outcome::Error(failure), "predicate", "1 / 0"),
        ] {
            let reply = Reply { node: "web1".to_owned(), outcome, by_multicast: true };
            let object = set_reply(&reply).unwrap();
            assert_eq!(object["result"], result, "{object}");
            assert_eq!(object["message"], message, "{object}");
            assert_eq!(object.get("version"), Some(&Json::Null), "{object}");
            assert_eq!(object["settings"], json!({}), "{object}");
            assert_eq!(object["error"]["code"], result, "{object}");
        }
        let applied = SetResult {
            name: "app.x".to_owned(),
            outcome: SetOutcome::Applied,
            message: "m".to_owned(),
            version: Some("3.7".parse().unwrap()),
        };
        let reply = Reply {
            node: "web1".to_owned(),
            outcome: Outcome::Set(vec![applied]),
            by_multicast: true,
        };
        assert_eq!(set_reply(&reply), super::reply(&reply));
    }

    fn set(outcomes: &[SetOutcome]) -> Json {
        let result = |(index, outcome): (usize, &SetOutcome)| SetResult {
            name: format!("app.s{index}"),
            outcome: *outcome,
            message: format!("m{index}"),
            version: Some(format!("3.{index}").parse().unwrap()),
        };
        let results = outcomes.iter().enumerate().map(result).collect();
        reply(&Reply {
            node: "web1".to_owned(),
            outcome: Outcome::Set(results),
            by_multicast: true,
        })
        .unwrap()
    }

    #[test]
    fn a_set_tells_its_result_and_the_version_held() {
        let applied = set(&[SetOutcome::Applied]);
        assert_eq!(applied["result"], "applied");
        assert_eq!(applied["version"], "3.0");
        assert!(applied.get("error").is_none());
        let expected = json!({"app.s0": {"result": "applied", "message": "m0", "version": "3.0"}});
        assert_eq!(applied["settings"], expected);
        let mixed = set(&[SetOutcome::Applied, SetOutcome::Conflict]);
        assert_eq!(mixed["result"], "conflict");
        assert_eq!(mixed["version"], "3.1");
        assert_eq!(mixed["error"], json!({"code": "conflict", "message": "m1"}));
        assert_eq!(mixed["settings"]["app.s0"]["result"], "applied");
    }

    #[test]
    fn a_failed_reply_has_an_error_in_place_of_variables() {
        let failure = NodeFailure { code: ErrorCode::Predicate, message: "1 / 0".to_owned() };
        let failed =
            Reply { node: "web1".to_owned(), outcome: Outcome::Error(failure), by_multicast: true };
        let expected = json!({"node": "web1", "error": {"code": "predicate", "message": "1 / 0"}});
        assert_eq!(reply(&failed), Some(expected));
        let empty = Outcome::Empty(EmptyReason::NoMatch);
        assert_eq!(
            reply(&Reply { node: "web2".to_owned(), outcome: empty, by_multicast: true }),
            None
        );
    }
}
