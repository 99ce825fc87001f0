//! Patterns: which variables a question fetches, like `system.memory` or `system.*.usage`.
//!
//! Grammar and meaning are in `docs/spec/selectors.md`. A pattern is matched against names, against
//! the templates of a schema and against families of variables; which nodes are asked is not its
//! business (see [`Selector`](super::Selector)).

use std::fmt;
use std::str::FromStr;

use super::caret::{caret, quoted};
use crate::name::{Name, Step, is_segment};
use crate::variable::{Entry, Table};

/// Which variables: those whose name, or the beginning of whose name, has this shape [SEL-11].
///
/// ```
/// use lcast_proto::select::Pattern;
/// let pattern: Pattern = "system.filesystem[*].usage".parse().unwrap();
/// assert!(pattern.matches(&r#"system.filesystem["/var"].usage"#.parse().unwrap()));
/// assert!(!pattern.matches(&r#"system.filesystem["/var"].limit"#.parse().unwrap()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(Vec<Item>);

/// Why a text is no pattern, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pattern {}: {message}", quoted(text))]
pub struct PatternError {
    /// The whole text.
    pub text: String,
    /// The byte of the text at fault.
    pub at: usize,
    /// What is wrong, and what would be right.
    pub message: &'static str,
}

/// One part of a pattern [SEL-12].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    /// A segment.
    Segment(Wild),
    /// A key in brackets.
    Key(Wild),
    /// `**`: any number of steps, also none.
    Deep,
}

/// Text with `*` between its pieces: `a*b` is `["a", "b"]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wild(Vec<String>);

/// A step to match; a key without a text is any key (the `[*]` of a template).
#[derive(Clone, Copy)]
enum Seen<'a> {
    Segment(&'a str),
    Key(Option<&'a str>),
}

impl Pattern {
    /// Most segments, keys and `**` of a pattern.
    pub const ITEMS_MAX: usize = 16;

    /// The pattern of one variable and what is below it.
    pub fn exact(name: &Name) -> Self {
        let item = |step: &Step| match step {
            Step::Segment(text) => Item::Segment(Wild(vec![text.clone()])),
            Step::Key(text) => Item::Key(Wild(vec![text.clone()])),
        };
        Self(name.steps().iter().map(item).collect())
    }

    /// Whether the variable of this name is meant.
    pub fn matches(&self, name: &Name) -> bool {
        self.walk(name.steps().iter().map(|step| match step {
            Step::Segment(text) => Seen::Segment(text),
            Step::Key(text) => Seen::Key(Some(text)),
        })) & self.accepting()
            != 0
    }

    /// Whether some variable of this template (`a.b[*].c`) can be meant.
    pub fn matches_template(&self, template: &str) -> bool {
        self.walk(template_steps(template)) & self.accepting() != 0
    }

    /// Whether some variable at or below this template prefix (`system.memory`) can be meant.
    pub fn touches(&self, prefix: &str) -> bool {
        self.walk(template_steps(prefix)) != 0
    }

    /// The values that are meant, in order of name; reads only the range of the table that the
    /// literal beginning of the pattern leaves.
    pub fn select<'a>(&'a self, table: &'a Table) -> impl Iterator<Item = (&'a Name, &'a Entry)> {
        self.candidates(table).filter(|(name, _)| self.matches(name))
    }

    /// The entries that may match: those below its literal beginning.
    pub(crate) fn candidates<'a>(
        &'a self,
        table: &'a Table,
    ) -> impl Iterator<Item = (&'a Name, &'a Entry)> {
        let literal = |item: &Item| match item {
            Item::Segment(Wild(pieces)) => Some(Step::Segment(only(pieces)?.clone())),
            Item::Key(Wild(pieces)) => Some(Step::Key(only(pieces)?.clone())),
            Item::Deep => None,
        };
        let prefix: Vec<Step> = self.0.iter().map_while(literal).collect();
        table.below(prefix)
    }

    /// As how many comparisons of a name with a short pattern one with this counts: it was measured
    /// to take up to 0.6 microseconds, where that takes 0.1.
    pub(crate) fn price(&self) -> u64 {
        let wildcards = |item: &Item| match item {
            Item::Segment(Wild(all)) | Item::Key(Wild(all)) => all.len().saturating_sub(1),
            Item::Deep => 0,
        };
        let wild: usize = self.0.iter().map(wildcards).sum();
        ((5 * self.0.len() + 3 * wild) / 10).max(1) as u64
    }

    /// The state that stands for "everything of the pattern was seen".
    fn accepting(&self) -> u32 {
        1 << self.0.len()
    }

    /// The set of items that may come next after these steps, as bits; stays at the accepting
    /// state once it is reached, for what is below a match is meant too [SEL-11].
    fn walk<'a>(&self, steps: impl Iterator<Item = Seen<'a>>) -> u32 {
        let mut states = self.closed(1);
        for step in steps {
            if states == 0 || states & self.accepting() != 0 {
                return states;
            }
            let mut next = 0;
            for (index, item) in self.0.iter().enumerate() {
                if states & (1 << index) != 0 {
                    next |= match item {
                        Item::Deep => 1 << index,
                        item if item.takes(step) => 1 << (index + 1),
                        _ => 0,
                    };
                }
            }
            states = self.closed(next);
        }
        states
    }

    /// Adds the states that `**` reaches by matching nothing.
    fn closed(&self, mut states: u32) -> u32 {
        for (index, item) in self.0.iter().enumerate() {
            if states & (1 << index) != 0 && *item == Item::Deep {
                states |= 1 << (index + 1);
            }
        }
        states
    }
}

impl Item {
    fn takes(&self, step: Seen<'_>) -> bool {
        match (self, step) {
            (Self::Segment(wild), Seen::Segment(text)) => wild.matches(text),
            (Self::Key(wild), Seen::Key(Some(text))) => wild.matches(text),
            (Self::Key(_), Seen::Key(None)) => true,
            (_, _) => false,
        }
    }
}

impl Wild {
    /// Linear in the text: the first and last piece are anchored, the others are found leftmost.
    fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_first() else { return false };
        let Some((last, middle)) = rest.split_last() else { return text == first };
        let Some(mut text) = text.strip_prefix(first.as_str()) else { return false };
        for piece in middle {
            let Some(at) = text.find(piece.as_str()) else { return false };
            text = &text[at + piece.len()..];
        }
        text.ends_with(last.as_str())
    }
}

fn only(pieces: &[String]) -> Option<&String> {
    if pieces.len() == 1 { pieces.first() } else { None }
}

/// The steps of `a.b[*].c`.
fn template_steps(template: &str) -> impl Iterator<Item = Seen<'_>> {
    let parts = template.split(['.', '[']).filter(|part| !part.is_empty());
    parts.map(|part| if part == "*]" { Seen::Key(None) } else { Seen::Segment(part) })
}

impl FromStr for Pattern {
    type Err = PatternError;

    /// Reads a pattern [SEL-10].
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut reader = Reader { text, at: 0, items: Vec::new() };
        let error = |at, message| PatternError { text: text.to_owned(), at, message };
        loop {
            reader.segment().map_err(|(at, message)| error(at, message))?;
            if reader.rest().starts_with('[') {
                reader.key().map_err(|(at, message)| error(at, message))?;
            }
            if reader.items.len() > Self::ITEMS_MAX {
                return Err(error(reader.at, "a pattern has at most 16 segments and keys"));
            }
            if reader.rest().is_empty() {
                break;
            }
            if !reader.rest().starts_with('.') {
                return Err(error(reader.at, "a dot or the end must follow a key"));
            }
            reader.at += 1;
        }
        Ok(Self(reader.items))
    }
}

/// Reads the text of a pattern from left to right.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    items: Vec<Item>,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn segment(&mut self) -> Result<(), (usize, &'static str)> {
        let start = self.at;
        let rest = self.rest();
        let segment = &rest[..rest.find(['.', '[']).unwrap_or(rest.len())];
        self.at += segment.len();
        if segment == "**" {
            if self.items.last() != Some(&Item::Deep) {
                self.items.push(Item::Deep);
            }
            return Ok(());
        }
        if segment.is_empty() {
            return Err((start, "a segment is missing here, like 'usage', '*' or '**'"));
        }
        let plain = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_';
        if let Some(bad) = segment.find(|char| !plain(char) && char != '*') {
            let message = "a segment is lower-case letters, digits, '_' and '*'; \
                           keys are written [\"key\"]";
            return Err((start + bad, message));
        }
        if segment.contains("**") {
            return Err((start, "'**' stands alone between dots; within a segment write '*'"));
        }
        if segment.len() > Name::SEGMENT_LENGTH_MAX {
            return Err((start, "a segment is at most 32 bytes long"));
        }
        let starts_well =
            segment.starts_with(|char: char| char == '*' || char.is_ascii_lowercase());
        if !starts_well || (!segment.contains('*') && !is_segment(segment)) {
            return Err((start, "a segment begins with a lower-case letter"));
        }
        self.items.push(Item::Segment(Wild(segment.split('*').map(str::to_owned).collect())));
        Ok(())
    }

    fn key(&mut self) -> Result<(), (usize, &'static str)> {
        const FORM: &str = "a key is written [\"key\"] or [*]";
        let start = self.at;
        if self.rest().starts_with("[*]") {
            self.at += 3;
            self.items.push(Item::Key(Wild(vec![String::new(), String::new()])));
            return Ok(());
        }
        let Some(body) = self.rest().strip_prefix("[\"") else { return Err((start, FORM)) };
        let mut pieces = vec![String::new()];
        let mut chars = body.char_indices();
        while let Some((index, char)) = chars.next() {
            let literal = match char {
                '"' => {
                    self.at += 2 + index;
                    if !body[index + 1..].starts_with(']') {
                        return Err((self.at, FORM));
                    }
                    self.at += 2;
                    return self.push_key(start, pieces);
                }
                '*' => {
                    pieces.push(String::new());
                    continue;
                }
                '\\' => chars.next().map(|(_, char)| char),
                _ => Some(char),
            };
            let (Some(char), Some(piece)) = (literal, pieces.last_mut()) else { break };
            piece.push(char);
        }
        Err((start, "this bracket is not closed; a key is written [\"key\"]"))
    }

    fn push_key(
        &mut self,
        start: usize,
        mut pieces: Vec<String>,
    ) -> Result<(), (usize, &'static str)> {
        let length: usize = pieces.iter().map(String::len).sum();
        if length == 0 && pieces.len() == 1 || length > Name::KEY_LENGTH_MAX {
            return Err((start, "a key is 1 to 255 bytes long"));
        }
        // "a**b" is "a*b": an empty middle piece matches everywhere.
        let last = pieces.len() - 1;
        let mut index = 0;
        pieces.retain(|piece| {
            index += 1;
            index == 1 || index - 1 == last || !piece.is_empty()
        });
        self.items.push(Item::Key(Wild(pieces)));
        Ok(())
    }
}

impl PatternError {
    /// The error with the text and a caret under the place, on three lines.
    pub fn render(&self) -> String {
        format!("{self}\n{}", caret(&self.text, self.at))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().enumerate() {
            match item {
                Item::Key(Wild(pieces)) if pieces.iter().all(String::is_empty) => {
                    f.write_str("[*]")?;
                }
                Item::Key(Wild(pieces)) => {
                    f.write_str("[\"")?;
                    for (index, piece) in pieces.iter().enumerate() {
                        f.write_str(if index > 0 { "*" } else { "" })?;
                        for char in piece.chars() {
                            let escaped = matches!(char, '\\' | '"' | '*');
                            write!(f, "{}{char}", if escaped { "\\" } else { "" })?;
                        }
                    }
                    f.write_str("\"]")?;
                }
                Item::Segment(Wild(pieces)) => {
                    write!(f, "{}{}", if index > 0 { "." } else { "" }, pieces.join("*"))?;
                }
                Item::Deep => write!(f, "{}**", if index > 0 { "." } else { "" })?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [QST-46]
    #[test]
    fn a_long_pattern_counts_for_several() {
        let price = |text: &str| text.parse::<Pattern>().unwrap().price();
        for (text, expected) in [("host.name", 1), ("app.*", 1), ("**", 1), ("**.*q", 1)] {
            assert_eq!(price(text), expected, "{text}");
        }
        assert_eq!(price("a.b.c.d.e.f.*"), 3);
        assert_eq!(price("**.*[\"*a*b*c*d*e*f*g*h*i*j*k*l*m*n*o*\"]"), 6);
    }
}
