//! Names of variables: `system.memory.usage`, `system.filesystem["/var"].usage`.
//!
//! A [`Name`] is a path of [`Step`]s through the tree of a node's variables: segments joined by
//! dots, and keys in brackets for the instances of a map variable. The grammar and its limits are
//! in `docs/spec/selectors.md`.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

/// One step of a [`Name`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// A segment, `[a-z][a-z0-9_]*`, at most 32 bytes.
    Segment(String),
    /// The key of an instance, any text to 255 bytes, written `["key"]`.
    Key(String),
}

/// The full name of one variable [SEL-1].
///
/// ```
/// use lcast_proto::name::Name;
/// let name: Name = r#"system.filesystem["/var"].usage"#.parse().unwrap();
/// assert_eq!(name.template(), "system.filesystem[*].usage");
/// assert_eq!(name.to_string(), r#"system.filesystem["/var"].usage"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Vec<Step>);

/// Why a text is no name of a variable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Fewer than two or more than eight segments.
    #[error("'{0}': a name has 2 to 8 segments joined by dots, like app.release")]
    SegmentCount(String),
    /// The segments and dots are longer than 128 bytes.
    #[error("'{0}': a name is at most {max} bytes without its keys", max = Name::LENGTH_MAX)]
    TooLong(String),
    /// A segment that is not `[a-z][a-z0-9_]*` or longer than 32 bytes.
    #[error(
        "'{name}': the segment '{segment}' is not a lower-case letter followed by letters, digits \
         or '_', 32 bytes at most"
    )]
    Segment {
        /// The whole text.
        name: String,
        /// The segment at fault.
        segment: String,
    },
    /// A segment that the predicate language keeps for itself.
    #[error("'{name}': '{segment}' is a reserved word of predicates; choose another")]
    Reserved {
        /// The whole text.
        name: String,
        /// The segment at fault.
        segment: String,
    },
    /// A key in brackets that is not closed, not quoted, empty or longer than 255 bytes.
    #[error("'{0}': a key is written [\"key\"] after a segment, 1 to 255 bytes")]
    Key(String),
}

impl Name {
    /// Most segments of a name.
    pub const SEGMENTS_MAX: usize = 8;
    /// Longest name in bytes, keys not counted.
    pub const LENGTH_MAX: usize = 128;
    /// Longest segment in bytes.
    pub const SEGMENT_LENGTH_MAX: usize = 32;
    /// Longest key in bytes.
    pub const KEY_LENGTH_MAX: usize = 255;

    /// A name of the given steps.
    ///
    /// # Errors
    /// The first rule of the grammar that the steps break.
    pub fn new(steps: Vec<Step>) -> Result<Self, NameError> {
        check(&steps)?;
        Ok(Self(steps))
    }

    /// The steps, in order.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The name with every key replaced by `*`: what schemas are keyed by.
    pub fn template(&self) -> String {
        let mut text = String::new();
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Segment(segment) => {
                    if index > 0 {
                        text.push('.');
                    }
                    text.push_str(segment);
                }
                Step::Key(_) => text.push_str("[*]"),
            }
        }
        text
    }

    /// Whether `prefix` is this name or one of its ancestors in the tree.
    pub fn starts_with(&self, prefix: &[Step]) -> bool {
        self.0.starts_with(prefix)
    }
}

/// Whether the text is what [`Name::template`] makes of some name.
pub fn is_template(text: &str) -> bool {
    // Each key is as short as a key can be, and no name has more of them than segments.
    text.len() <= Name::LENGTH_MAX + "[*]".len() * Name::SEGMENTS_MAX
        && !text.contains('"')
        && text.replace("[*]", "[\"*\"]").parse::<Name>().is_ok()
}

/// Whether the text is a well-formed segment (reserved words not considered).
pub fn is_segment(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= Name::SEGMENT_LENGTH_MAX
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Whether a character prints as nothing or turns the text around it: text with such characters can
/// pass for another. Control characters are not among them.
pub fn is_unseen(char: char) -> bool {
    match char {
        '\u{00ad}' | '\u{061c}' | '\u{180e}' => true,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        '\u{feff}' | '\u{fff9}'..='\u{fffb}' => true,
        // Tags: programs that read the text may see words in them.
        '\u{e0000}'..='\u{e007f}' => true,
        _ => false,
    }
}

fn check(steps: &[Step]) -> Result<(), NameError> {
    let text = || Steps(steps).to_string();
    let mut length = 0;
    let mut count = 0;
    for (index, step) in steps.iter().enumerate() {
        match step {
            Step::Segment(segment) => {
                let of = |segment: &str| (text(), segment.to_owned());
                if !is_segment(segment) {
                    let (name, segment) = of(segment);
                    return Err(NameError::Segment { name, segment });
                }
                let root_taken = index == 0 && RESERVED_ROOTS.contains(&segment.as_str());
                if root_taken || RESERVED.contains(&segment.as_str()) {
                    let (name, segment) = of(segment);
                    return Err(NameError::Reserved { name, segment });
                }
                length += segment.len() + usize::from(index > 0);
                count += 1;
            }
            Step::Key(key) => {
                let after_segment =
                    index > 0 && matches!(steps.get(index - 1), Some(Step::Segment(_)));
                if !after_segment || key.is_empty() || key.len() > Name::KEY_LENGTH_MAX {
                    return Err(NameError::Key(text()));
                }
            }
        }
    }
    if !(2..=Name::SEGMENTS_MAX).contains(&count) {
        return Err(NameError::SegmentCount(text()));
    }
    if length > Name::LENGTH_MAX {
        return Err(NameError::TooLong(text()));
    }
    Ok(())
}

impl Borrow<[Step]> for Name {
    /// Names are ordered as their steps are, so that maps of names can be searched by steps.
    fn borrow(&self) -> &[Step] {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut steps = Vec::new();
        let mut rest = text;
        loop {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            steps.push(Step::Segment(rest[..end].to_owned()));
            rest = &rest[end..];
            if rest.starts_with('[') {
                let (key, after) =
                    parse_key(rest).ok_or_else(|| NameError::Key(text.to_owned()))?;
                steps.push(Step::Key(key));
                rest = after;
            }
            if rest.is_empty() {
                break;
            }
            rest = rest.strip_prefix('.').ok_or_else(|| NameError::Key(text.to_owned()))?;
        }
        Self::new(steps)
    }
}

/// Splits `["key"]rest`; a key's `\` and `"` are escaped by `\`.
fn parse_key(text: &str) -> Option<(String, &str)> {
    let body = text.strip_prefix("[\"")?;
    let mut key = String::new();
    let mut chars = body.char_indices();
    while let Some((index, char)) = chars.next() {
        match char {
            '\\' => key.push(chars.next()?.1),
            '"' => return Some((key, body[index + 1..].strip_prefix(']')?)),
            _ => key.push(char),
        }
    }
    None
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Steps(&self.0).fmt(f)
    }
}

/// Steps as text, for names and for the error messages about what is none.
pub struct Steps<'a>(pub &'a [Step]);

impl fmt::Display for Steps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Segment(segment) if index == 0 => f.write_str(segment)?,
                Step::Segment(segment) => write!(f, ".{segment}")?,
                Step::Key(key) => {
                    write!(f, "[\"{}\"]", key.replace('\\', "\\\\").replace('"', "\\\""))?;
                }
            }
        }
        Ok(())
    }
}

/// Words that CEL or the predicate language reserves: no segment may be one [SEL-2].
pub const RESERVED: [&str; 21] = [
    "false",
    "in",
    "null",
    "true",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Words that may not be the first segment: types and roots of the predicate language.
pub const RESERVED_ROOTS: [&str; 16] = [
    "bool",
    "bytes",
    "double",
    "duration",
    "dyn",
    "int",
    "list",
    "map",
    "size",
    "string",
    "timestamp",
    "type",
    "uint",
    "labels",
    "node",
    "now",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let outcome = text.parse::<Name>();
        match (outcome, expected) {
            (Ok(name), Ok(template)) => {
                assert_eq!(name.template(), template);
                assert_eq!(name.to_string(), text);
            }
            (Err(error), Err(part)) => {
                assert!(error.to_string().contains(part), "{text}: {error}");
            }
            (outcome, _) => panic!("{text}: {outcome:?}, expected {expected:?}"),
        }
    }

    /// [SEL-1] [SEL-2]
    #[test]
    fn names_follow_the_grammar() {
        check("system.cpu.load_1m", Ok("system.cpu.load_1m"));
        check(r#"system.filesystem["/var"].usage"#, Ok("system.filesystem[*].usage"));
        check(r#"a.b["q\"\\"].c"#, Ok("a.b[*].c"));
        check("a.b.c.d.e.f.g.h", Ok("a.b.c.d.e.f.g.h"));
        check("a.b.c.d.e.f.g.h.i", Err("2 to 8 segments"));
        check("system", Err("2 to 8 segments"));
        check("", Err("segment ''"));
        check("System.cpu", Err("'System'"));
        check("a.9b", Err("'9b'"));
        check("a..b", Err("segment ''"));
        check("a.in", Err("reserved"));
        check("labels.role", Err("reserved"));
        check("app.labels", Ok("app.labels"));
        check("a.b[x]", Err("[\"key\"]"));
        check("a.b[\"x\"", Err("[\"key\"]"));
        check("a.b[\"\"]", Err("[\"key\"]"));
        check("a.b[\"x\"][\"y\"]", Err("[\"key\"]"));
    }

    /// [SEL-1]
    #[test]
    fn limits_hold_at_max_and_break_at_one_more() {
        let segment = |length: usize| "s".repeat(length);
        check(&format!("a.{}", segment(32)), Ok(&format!("a.{}", segment(32))));
        check(&format!("a.{}", segment(33)), Err("32 bytes at most"));
        let long = |last: usize| [&segment(31)[..]; 3].join(".") + "." + &segment(last);
        check(&long(32), Ok(&long(32)));
        check(&(long(31) + ".x"), Err("at most 128 bytes"));
        let key = |length: usize| format!("a.b[\"{}\"]", "k".repeat(length));
        check(&key(255), Ok("a.b[*]"));
        check(&key(256), Err("255 bytes"));
    }
}
