//! What a step is expected to give, and how that is compared with what it gave.

use anyhow::{Context, bail};
use lcast_conformance::line::{escape, unescape};

/// A line behind a step of the scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// `=any`: whatever comes.
    Any,
    /// `=none`: nothing, as an earlier step has failed.
    None,
    /// `=`: one line.
    Line(Vec<String>),
    /// `=all`: the values of the answerer whose names begin so.
    All(String),
    /// `=variables`: what the answerer's variables are whose names begin so.
    Variables(String),
    /// `=everybody`: the value of every answerer, and their report.
    Everybody(String),
    /// `=report`: a report in which the classes not named have nobody.
    Report(Vec<String>),
}

/// One line that is to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected(Vec<Field>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    /// One of these.
    Is(Vec<String>),
    /// Some text that has this in it.
    Has(String),
    /// Whatever.
    Any,
}

/// The classes of a report.
const CLASSES: [&str; 6] = ["answered", "empty", "error", "refused", "late", "missing"];

impl Rule {
    /// Reads a line that begins with `=`.
    pub(crate) fn parse(word: &str, fields: &[&str]) -> anyhow::Result<Self> {
        let owned = || fields.iter().map(|&it| it.to_owned()).collect();
        Ok(match (word, fields) {
            ("=any", []) => Self::Any,
            ("=none", []) => Self::None,
            ("=", [_, ..]) => Self::Line(owned()),
            ("=all", [prefix]) => Self::All((*prefix).to_owned()),
            ("=variables", [prefix]) => Self::Variables((*prefix).to_owned()),
            ("=everybody", [name]) => Self::Everybody((*name).to_owned()),
            ("=report", _) => Self::Report(owned()),
            _ => bail!("'{word}' demands nothing that is known"),
        })
    }
}

impl Expected {
    /// A line of these fields. `kinds` are pairs of a kind of failure and how else it may be said.
    pub(crate) fn new(fields: Vec<String>, kinds: &[(&str, &str)]) -> anyhow::Result<Self> {
        let is_failure = fields.first().is_some_and(|it| it == "failed");
        let has_value =
            ["value", "changed", "entered", "variable"].iter().any(|&it| fields[0] == it);
        let field = |(index, text): (usize, &String)| {
            if text == "*" {
                return Ok(Field::Any);
            }
            if let Some(part) = text.strip_prefix('~') {
                return Ok(Field::Has(escape(&unescape(part)?)));
            }
            let mut ways = vec![text.clone()];
            if is_failure && index == 1 {
                let other = kinds.iter().filter(|(kind, _)| kind == text);
                ways.extend(other.map(|(_, other)| (*other).to_owned()));
            } else if !(has_value && index == 3) {
                ways = vec![escape(&unescape(text)?)];
            }
            Ok(Field::Is(ways))
        };
        let fields: anyhow::Result<_> = fields.iter().enumerate().map(field).collect();
        Ok(Self(fields?))
    }

    /// The line of a report in which so many are in these classes, and nobody in the others.
    pub(crate) fn report(counts: &[String]) -> anyhow::Result<Self> {
        let mut text = String::new();
        let mut expected = 0;
        for class in CLASSES {
            let named = counts.iter().filter_map(|it| it.split_once('='));
            let count = named.clone().find(|(name, _)| *name == class).map_or("0", |it| it.1);
            expected += count.parse::<u32>().with_context(|| format!("'{count}' of {class}"))?;
            text += &format!(" {class}={count}");
        }
        Self::new(vec!["report".to_owned(), format!("expected={expected}{text}")], &[])
    }

    /// Whether the line is as expected.
    fn is_met(&self, line: &str) -> bool {
        let found: Vec<&str> = line.split('\t').collect();
        found.len() == self.0.len() && self.0.iter().zip(found).all(|(it, found)| it.is_met(found))
    }

    /// The node that a line of values is about: lines of several nodes come in any order.
    fn node(&self) -> &str {
        match self.0.as_slice() {
            [Field::Is(word), Field::Is(node), ..] if is_told(&word[0]) => &node[0],
            _ => LAST,
        }
    }
}

/// What is told node by node, in the order in which nodes answer.
fn is_told(word: &str) -> bool {
    ["value", "set", "variable"].contains(&word)
}

/// Where what is not told node by node is sorted.
const LAST: &str = "~";

impl Field {
    fn is_met(&self, found: &str) -> bool {
        match self {
            Self::Is(ways) => ways.iter().any(|it| it == found),
            Self::Has(part) => found.contains(part),
            Self::Any => true,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Is(ways) => ways.join("|"),
            Self::Has(part) => format!("~{part}"),
            Self::Any => "*".to_owned(),
        }
    }
}

/// What differs between what was expected and what came, the lines that come first first; none
/// when nothing does.
pub(crate) fn difference(expected: &[Expected], found: &[&str]) -> Option<String> {
    let mut expected: Vec<&Expected> = expected.iter().collect();
    let mut found: Vec<&str> = found.to_vec();
    expected.sort_by_key(|it| it.node().to_owned());
    found.sort_by_key(|line| match line.split('\t').collect::<Vec<_>>()[..] {
        [word, node, ..] if is_told(word) => node.to_owned(),
        _ => LAST.to_owned(),
    });
    let same = expected.iter().zip(&found).take_while(|(it, line)| it.is_met(line)).count();
    if same == expected.len() && same == found.len() {
        return None;
    }
    let wanted = expected.get(same).map_or("nothing".to_owned(), |it| {
        it.0.iter().map(Field::show).collect::<Vec<_>>().join("\t")
    });
    let came = found.get(same).copied().unwrap_or("nothing");
    Some(format!("line {}: expected {}\n      got      {}", same + 1, cut(&wanted), cut(came)))
}

/// A line for people: long values are cut.
fn cut(line: &str) -> String {
    const SHOWN_MAX: usize = 400;
    match line.get(..SHOWN_MAX) {
        Some(start) if line.len() > SHOWN_MAX => format!("{start}... ({} bytes)", line.len()),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(line: &str) -> Expected {
        let fields = line.split(' ').map(str::to_owned).collect();
        Expected::new(fields, &[("invalid", "usage")]).unwrap()
    }

    #[test]
    fn lines_are_compared_field_by_field() {
        for (wanted, found, met) in [
            ("value a x i1 By", "value\ta\tx\ti1\tBy", true),
            ("value a x i1 By", "value\ta\tx\ti2\tBy", false),
            ("value a x i1", "value\ta\tx\ti1\tBy", false),
            ("error a invalid ~max", "error\ta\tinvalid\tmore than max = 3", true),
            ("error a invalid *", "error\ta\tinvalid\t", true),
            ("error a invalid *", "error\ta\tconflict\t", false),
            ("failed invalid *", "failed\tusage\tx", true),
            ("failed credential *", "failed\tusage\tx", false),
            ("value a x[\"k\"] \"\\x22\" ", "value\ta\tx[\\x22k\\x22]\t\"\\x22\"\t", true),
        ] {
            assert_eq!(expected(wanted).is_met(found), met, "{wanted}");
        }
    }

    #[test]
    fn nodes_come_in_any_order_and_their_values_in_one() {
        let wanted = ["value a x i1 ", "value a y i2 ", "value b x i3 "].map(expected);
        let lines = ["value\tb\tx\ti3\t", "value\ta\tx\ti1\t", "value\ta\ty\ti2\t"];
        assert_eq!(difference(&wanted, &lines), None);
        let turned = ["value\tb\tx\ti3\t", "value\ta\ty\ti2\t", "value\ta\tx\ti1\t"];
        assert!(difference(&wanted, &turned).unwrap().contains("line 1"));
        assert!(difference(&wanted, &lines[1..]).unwrap().contains("got      nothing"));
        assert!(difference(&wanted[..2], &lines).unwrap().contains("expected nothing"));
    }

    #[test]
    fn reports_name_every_class() {
        let report = Expected::report(&["answered=1".to_owned(), "missing=2".to_owned()]).unwrap();
        let line = "report\texpected=3 answered=1 empty=0 error=0 refused=0 late=0 missing=2";
        assert!(report.is_met(line));
        assert!(!report.is_met(&line.replace("late=0", "late=1")));
    }
}
