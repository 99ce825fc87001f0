//! Regular expressions whose cost is known: each is compiled to a full automaton of bounded size.
//!
//! A search then looks at each byte once, whatever the expression and the text. Expressions whose
//! automaton would be larger are refused where they are compiled [SEL-33].

use std::sync::Arc;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

use super::tree::TreeError;

/// A regular expression, compiled once.
#[derive(Clone, Debug)]
pub(crate) struct Regex {
    pattern: String,
    automaton: Arc<dense::DFA<Vec<u32>>>,
}

/// Largest automaton in bytes, also while it is made.
const AUTOMATON_SIZE_MAX: usize = 16 * 1024;
/// Largest form before that, in bytes.
const PROGRAM_SIZE_MAX: usize = 16 * 1024;
/// Deepest nesting of an expression.
const NESTING_MAX: u32 = 16;
/// Bytes of text that cost one step to match.
const BYTES_PER_STEP: usize = 3;

impl Regex {
    /// Compiles a regular expression within the limits.
    pub(crate) fn new(pattern: String) -> Result<Self, TreeError> {
        if pattern.len() > TreeError::REGEX_LENGTH_MAX {
            return Err(TreeError::RegexTooLong);
        }
        let flags = flags(&pattern);
        if flags.contains('x') {
            return Err(TreeError::RegexBlanks);
        }
        if flags.contains('i') && !folds_cheaply(&pattern, &flags) {
            return Err(TreeError::RegexFold);
        }
        let program = thompson::Compiler::new()
            .syntax(syntax::Config::new().nest_limit(NESTING_MAX))
            .configure(
                thompson::Config::new()
                    .nfa_size_limit(Some(PROGRAM_SIZE_MAX))
                    .which_captures(thompson::WhichCaptures::None),
            )
            .build(&ascii_classes(&pattern))
            .map_err(|error| match error.size_limit() {
                Some(_) => TreeError::RegexTooComplex,
                None => TreeError::Regex(reason(&error)),
            })?;
        let automaton = dense::Builder::new()
            .configure(
                dense::Config::new()
                    .start_kind(StartKind::Unanchored)
                    .dfa_size_limit(Some(AUTOMATON_SIZE_MAX))
                    .determinize_size_limit(Some(AUTOMATON_SIZE_MAX)),
            )
            .build_from_nfa(&program)
            .map_err(|_| TreeError::RegexTooComplex)?;
        Ok(Self { pattern, automaton: Arc::new(automaton) })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.pattern
    }

    /// The price in steps of matching a text of this many bytes.
    pub(crate) fn price(length: usize) -> usize {
        2 + length / BYTES_PER_STEP
    }

    /// Whether the text holds a match.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        let input = Input::new(text).anchored(Anchored::No).earliest(true);
        // A full automaton without special bytes never gives up.
        self.automaton.try_search_fwd(&input).is_ok_and(|found| found.is_some())
    }
}

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

/// The innermost cause, on one line.
fn reason(error: &thompson::BuildError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let text = cause.to_string();
    let line = text.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

/// The flags that the groups of an expression set, and within brackets what looks like that. All of
/// them, as long as none is `x`: after that, blanks and comments may stand in `(?`.
fn flags(pattern: &str) -> String {
    let mut flags = String::new();
    let mut chars = pattern.chars().peekable();
    while let Some(char) = chars.next() {
        if char == '\\' {
            chars.next();
        } else if char == '(' && chars.next_if_eq(&'?').is_some() {
            let is_flag = |it: &char| it.is_ascii_alphabetic() || *it == '-';
            while let Some(flag) = chars.next_if(is_flag) {
                flags.push(flag);
            }
        }
    }
    flags
}

/// Whether ignoring case, in an expression with these flags, stays within ASCII: folding large sets
/// of characters would cost milliseconds.
///
/// Inside brackets, only plain characters and ranges are let through, for a set within a set can be
/// large without looking so.
fn folds_cheaply(pattern: &str, flags: &str) -> bool {
    if !pattern.is_ascii() || flags.contains('u') {
        return false;
    }
    let mut in_brackets = false;
    let mut chars = pattern.chars().peekable();
    while let Some(char) = chars.next() {
        match (char, in_brackets) {
            ('\\', _) => match chars.next() {
                Some('x' | 'u' | 'U' | 'p' | 'P') => return false,
                Some('D' | 'W' | 'S') if in_brackets => return false,
                _ => {}
            },
            ('[', true) => return false,
            ('[', false) => {
                in_brackets = true;
                chars.next_if_eq(&'^');
                if chars.peek() == Some(&']') {
                    return false;
                }
            }
            (']', true) => in_brackets = false,
            (_, _) => {}
        }
    }
    true
}

/// Writes the Perl classes and word boundaries out in ASCII: what they mean in RE2, and so in CEL,
/// and what keeps automata small.
fn ascii_classes(pattern: &str) -> String {
    let mut text = String::with_capacity(pattern.len() * 2);
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            text.push(char);
            continue;
        }
        match chars.next() {
            Some('d') => text.push_str("[0-9]"),
            Some('D') => text.push_str("[^0-9]"),
            Some('w') => text.push_str("[0-9A-Za-z_]"),
            Some('W') => text.push_str("[^0-9A-Za-z_]"),
            Some('s') => text.push_str(r"[\t\n\x0b\x0c\r\x20]"),
            Some('S') => text.push_str(r"[^\t\n\x0b\x0c\r\x20]"),
            Some('b') => text.push_str(r"(?-u:\b)"),
            Some('B') => text.push_str(r"(?-u:\B)"),
            escaped => {
                text.push('\\');
                text.extend(escaped);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, expected: bool) {
        let regex = Regex::new(pattern.to_owned()).unwrap();
        assert_eq!(regex.is_match(text), expected, "{pattern} on {text}");
    }

    /// [SEL-33]
    #[test]
    fn expressions_match() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("b", "abc", true),
            ("^b", "abc", false),
            ("^web[0-9]+$", "web12", true),
            ("^web[0-9]+$", "web", false),
            (r"\d+\.\d+", "kernel 6.1", true),
            (r"^\w+$", "a_1", true),
            (r"^\w+$", "\u{e4}", false),
            (r"^[\w.]+@\S+$", "a.b@example.org", true),
            (r"^[^\d]+$", "ab", true),
            (r"^\D\W\s\S$", "a- b", true),
            (r"\bssh\b", "an ssh.service", true),
            (r"\bssh\b", "\u{e4}ssh\u{e4}", true),
            (r"\Bsh\b", "an ssh.service", true),
            ("k.se", "k\u{e4}se", true),
            ("(?i)DEBIAN", "Debian GNU/Linux", true),
            (r"(?i)^[^a-d]\w.[xyz]\]$", "E\u{131}_\u{e4}Z]", false),
            (r"(?i)^[^a-d]\w.[xyz]\]$", "Ez\u{e4}Z]", true),
            (r"^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$", "192.0.2.1", true),
            (r"\\d", r"\d", true),
            (r"^f\(?xi", "fxi", true),
        ] {
            check(pattern, text, expected);
        }
    }

    /// [SEL-33]
    #[test]
    fn what_is_too_complex_is_refused() {
        for (pattern, part) in [
            ("(a|b)*a(a|b){12}c", "too complex"),
            ("(?:a{99}){99}{99}", "too complex"),
            ("(", "unclosed group"),
            ("[z-a]", "range"),
            (r"(a)\1", "backreferences"),
            (r"(?=a)", "look-around"),
            (r"[\b]", "escape"),
            ("(?i)[\u{e0}-\u{ffff}]{30}", "ASCII"),
            (r"(?i)[\x00-\x{ffff}]", "ASCII"),
            ("(?i)[[^a]b]", "ASCII"),
            ("(?i)[][^a]]", "ASCII"),
            ("(?s-i:a)(?-u)\u{e4}", "ASCII"),
            (r"(?i)\pL", "ASCII"),
            (r"(?i)[\W]", "ASCII"),
            ("(?x)( ?i)[\u{1}-\u{ffff}]", "blanks"),
            ("(?x)(#\n?i)[\u{1}-\u{ffff}]", "blanks"),
            ("a(?s-x:b)", "blanks"),
            ("((((((((((((((((((a))))))))))))))))))", "nest"),
        ] {
            let error = Regex::new(pattern.to_owned()).unwrap_err().to_string();
            assert!(error.contains(part), "{pattern}: {error}");
        }
        assert!(Regex::new("a".repeat(128)).is_ok());
        assert_eq!(Regex::new("a".repeat(129)).unwrap_err(), TreeError::RegexTooLong);
    }
}
