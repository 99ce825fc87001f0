//! `NAME=TEXT` and `NAME:=JSON`, the arguments of `set`.

use std::str::FromStr;

use lcast_proto::name::Name;
use lcast_proto::variable::Assigned;

use crate::json;

/// One variable and what it shall be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Assignment {
    /// The variable.
    pub(crate) name: Name,
    /// Its value.
    pub(crate) content: Assigned,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(place) = equals_sign(text) else {
            return Err(format!("'{text}' is neither NAME=TEXT nor NAME:=JSON"));
        };
        let (name, content) = (&text[..place], &text[place + 1..]);
        let (name, typed) = name.strip_suffix(':').map_or((name, false), |name| (name, true));
        let name: Name =
            name.parse().map_err(|error: lcast_proto::name::NameError| error.to_string())?;
        if !typed {
            return Ok(Self { name, content: Assigned::Text(content.to_owned()) });
        }
        let value = json::parse(content).map_err(|why| {
            format!("'{content}': {why}; after := comes JSON (text in quotes), after = plain text")
        })?;
        Ok(Self { name, content: Assigned::Value(value) })
    }
}

/// Where the first `=` outside of a quoted key stands.
fn equals_sign(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (place, char) in text.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '=' if !quoted => return Some(place),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use lcast_proto::value::Value;

    use super::*;

    #[test]
    fn text_and_json_are_told_apart() {
        let text = |text: &str| Assigned::Text(text.to_owned());
        for (word, name, content) in [
            ("app.greeting=hello", "app.greeting", text("hello")),
            ("app.greeting=", "app.greeting", text("")),
            ("app.greeting=a=b:=c", "app.greeting", text("a=b:=c")),
            ("app.limit:=5", "app.limit", Assigned::Value(Value::Int(5))),
            ("app.limit:=\"x\"", "app.limit", Assigned::Value(Value::from("x"))),
            (r#"app.m["k=\"v"]=x"#, r#"app.m["k=\"v"]"#, text("x")),
        ] {
            let parsed: Assignment = word.parse().unwrap();
            assert_eq!(parsed.name.to_string(), name);
            assert_eq!(parsed.content, content, "{word}");
        }
        for (word, part) in [
            ("app.greeting", "NAME=TEXT"),
            ("=x", "segment ''"),
            ("App.x=1", "'App'"),
            ("app.x:=hello", "text in quotes"),
            ("app.x:=", "JSON"),
        ] {
            let error = word.parse::<Assignment>().unwrap_err();
            assert!(error.contains(part), "{word}: {error}");
        }
    }
}
