//! Settings: how the text of a person becomes a value of the type that a variable declares.
//!
//! What a setting accepts besides its type is its
//! [`Constraint`](crate::variable::Constraint). Where settings are kept is not told here.

use crate::time::Timestamp;
use crate::value::{Type, Value};

/// Reads the text of `set NAME=TEXT` as a value of type `kind`.
///
/// Bool is `true` or `false`, an int decimal digits with an optional sign, a float what Rust and C
/// read as one (`NaN` and `inf` included, which no setting takes), a timestamp RFC 3339; a text is
/// taken as it is, bytes are the UTF-8 of the text. Lists and maps have no text form.
///
/// ```
/// use lcast_proto::setting::parse_text;
/// use lcast_proto::value::{Type, Value};
/// assert_eq!(parse_text(Type::Int, "42"), Ok(Value::Int(42)));
/// assert!(parse_text(Type::Int, "many").unwrap_err().contains("whole number"));
/// ```
///
/// # Errors
/// A sentence that names the text and says what would be read.
pub fn parse_text(kind: Type, text: &str) -> Result<Value, String> {
    match kind {
        Type::Null => match text {
            "null" => Ok(Value::Null),
            _ => Err(format!("'{}' is not null", shown(text))),
        },
        Type::Bool => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(format!("'{}' is no bool; write true or false", shown(text))),
        },
        Type::Int => text.parse().map(Value::Int).map_err(|_| {
            format!("'{}' is no int; write a whole number of at most 64 bits", shown(text))
        }),
        Type::Float => text
            .parse()
            .map(Value::Float)
            .map_err(|_| format!("'{}' is no float; write a number like 0.5 or 1e-3", shown(text))),
        Type::Text => Ok(Value::Text(text.to_owned())),
        Type::Bytes => Ok(Value::Bytes(text.as_bytes().to_vec())),
        Type::Timestamp => match text.parse::<Timestamp>() {
            Ok(time) => Ok(Value::Timestamp(time)),
            Err(_) => Err(format!(
                "'{}' is no timestamp; write it like 2026-11-22T10:00:00Z",
                shown(text)
            )),
        },
        Type::List => Err("a list is set by its JSON: NAME:='[\"a\", \"b\"]'".to_owned()),
        Type::Map => Err("a map is set by its JSON: NAME:='{\"key\": 1}'".to_owned()),
    }
}

/// As much of a text as an error message repeats.
fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 64;
    let mut shown: String = text.chars().filter(|it| !it.is_control()).take(SHOWN_MAX).collect();
    if text.chars().count() > SHOWN_MAX {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Type, text: &str, expected: Result<Value, &str>) {
        match (parse_text(kind, text), &expected) {
            (Ok(value), Ok(expected)) => assert_eq!(value, *expected),
            (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
            (outcome, _) => panic!("{text}: {outcome:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn texts_are_read_by_the_declared_type() {
        check(Type::Bool, "true", Ok(Value::Bool(true)));
        check(Type::Bool, "false", Ok(Value::Bool(false)));
        check(Type::Bool, "yes", Err("'yes' is no bool; write true or false"));
        check(Type::Int, "-7", Ok(Value::Int(-7)));
        check(Type::Int, "9223372036854775807", Ok(Value::Int(i64::MAX)));
        check(Type::Int, "9223372036854775808", Err("64 bits"));
        check(Type::Int, "1.5", Err("whole number"));
        check(Type::Int, " 1", Err("whole number"));
        check(Type::Float, "1e3", Ok(Value::Float(1000.0)));
        check(Type::Float, "-inf", Ok(Value::Float(f64::NEG_INFINITY)));
        check(Type::Float, "a lot", Err("'a lot' is no float"));
        check(Type::Text, " as it is ", Ok(Value::from(" as it is ")));
        check(Type::Text, "", Ok(Value::from("")));
        check(Type::Bytes, "ab", Ok(Value::Bytes(vec![97, 98])));
        let time = Timestamp::from_millis(1_795_341_600_000);
        check(Type::Timestamp, "2026-11-22T10:00:00Z", Ok(Value::Timestamp(time)));
        check(Type::Timestamp, "tomorrow", Err("2026-11-22T10:00:00Z"));
        check(Type::List, "[1]", Err(":="));
        check(Type::Map, "{}", Err(":="));
        check(Type::Null, "null", Ok(Value::Null));
        check(Type::Null, "", Err("not null"));
        check(Type::Bool, &"x".repeat(500), Err("xxx...' is no bool"));
        check(Type::Bool, "a\u{1b}[2Jb", Err("'a[2Jb' is no bool"));
    }
}
