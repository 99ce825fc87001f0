//! Globs on the names of nodes: `web*`, `db?`, `a,b*`.

use std::fmt;
use std::str::FromStr;

use super::caret::quoted;

/// A node name in which `*` stands for any text and `?` for one character [SEL-20].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Glob(String);

/// Why a text is no glob on node names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GlobError {
    /// Nothing between two commas, or nothing at all.
    #[error("a node name is missing in {}; write one like web1 or web*", quoted(.0))]
    Empty(String),
    /// A character that no node name holds.
    #[error(
        "{}: '{}' is in no node name; names are letters, digits, '.', '_' and '-', with '*' and \
         '?' as wildcards",
        quoted(.0),
        .1.escape_default()
    )]
    Character(String, char),
    /// More than 63 bytes.
    #[error("{}: a node name is at most {} bytes long", quoted(.0), Glob::LENGTH_MAX)]
    TooLong(String),
}

impl Glob {
    /// Longest glob in bytes, the same as of a node name.
    pub const LENGTH_MAX: usize = 63;

    /// Reads a list like `web*,db1`.
    ///
    /// # Errors
    /// Names the first element that is no glob.
    pub fn list(text: &str) -> Result<Vec<Self>, GlobError> {
        text.split(',').map(|part| part.trim().parse()).collect()
    }

    /// The text of the glob.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a node of this name is meant.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut at, mut seen) = (0, 0);
        let mut star = None;
        while let Some(byte) = name.get(seen) {
            match pattern.get(at) {
                Some(b'*') => {
                    star = Some((at, seen));
                    at += 1;
                }
                Some(wanted) if *wanted == b'?' || wanted == byte => {
                    at += 1;
                    seen += 1;
                }
                _ => {
                    // Let the last star take one byte more.
                    let Some((star_at, taken)) = star else { return false };
                    star = Some((star_at, taken + 1));
                    (at, seen) = (star_at + 1, taken + 1);
                }
            }
        }
        pattern[at..].iter().all(|byte| *byte == b'*')
    }
}

impl FromStr for Glob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(GlobError::Empty(text.to_owned()));
        }
        let fits = |char: char| char.is_ascii_alphanumeric() || "._-*?".contains(char);
        if let Some(char) = text.chars().find(|char| !fits(*char)) {
            return Err(GlobError::Character(text.to_owned(), char));
        }
        if text.len() > Self::LENGTH_MAX {
            return Err(GlobError::TooLong(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [SEL-20]
    #[test]
    fn globs_match_names() {
        let cases = [
            ("web1", "web1", true),
            ("web1", "web10", false),
            ("web*", "web", true),
            ("web*", "web10", true),
            ("*b*", "web", true),
            ("*", "", true),
            ("w?b", "web", true),
            ("w?b", "wb", false),
            ("*.example.org", "a.b.example.org", true),
            ("*-1*1", "x-1-11", true),
            ("?*?", "a", false),
            ("a*a*a", "aa", false),
            ("WEB", "web", false),
        ];
        for (glob, name, expected) in cases {
            let parsed: Glob = glob.parse().unwrap();
            assert_eq!(parsed.matches(name), expected, "{glob} on {name}");
            assert_eq!(parsed.to_string(), glob);
        }
    }

    /// [SEL-20]
    #[test]
    fn lists_and_limits() {
        assert_eq!(Glob::list("a, b*").unwrap().len(), 2);
        for (list, part) in
            [("a,,b", "missing"), ("", "missing"), ("a b", "' ' is in no"), ("\u{e9}", "\\u{e9}")]
        {
            let error = Glob::list(list).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert!("n".repeat(63).parse::<Glob>().is_ok());
        assert!(matches!("n".repeat(64).parse::<Glob>(), Err(GlobError::TooLong(_))));
    }
}
