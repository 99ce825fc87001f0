//! Showing where in a text an error is.

use crate::name::is_unseen;

/// Two lines: the part of `text` around byte `at`, and a caret under that byte.
///
/// Control characters, and what nobody sees, are shown as `?`, so that the caret stays under its
/// place and foreign text cannot drive a terminal.
pub(crate) fn caret(text: &str, at: usize) -> String {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before: Vec<char> = text[..at].chars().rev().take(BEFORE_MAX).collect();
    let after = text[at..].chars().take(AFTER_MAX);
    let line: String = before.iter().rev().copied().chain(after).map(show).collect();
    format!("  {line}\n  {blank}^", blank = " ".repeat(before.len()))
}

/// A text as an error message quotes it: without control characters, shortened when long.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTED_MAX).map(show).collect();
    if shown.len() < text.len() && text.chars().nth(QUOTED_MAX).is_some() {
        shown.push_str("...");
    }
    format!("'{shown}'")
}

fn show(char: char) -> char {
    if char.is_control() || is_unseen(char) { '?' } else { char }
}

const BEFORE_MAX: usize = 60;
const AFTER_MAX: usize = 30;
const QUOTED_MAX: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_its_byte() {
        assert_eq!(caret("a == b", 2), "  a == b\n    ^");
        assert_eq!(caret("ab", 9), "  ab\n    ^");
        assert_eq!(caret("\u{e9}\tb", 3), "  \u{e9}?b\n    ^");
        assert_eq!(caret("\u{e9}", 1), "  \u{e9}\n  ^");
        assert_eq!(caret("\u{202e}b", 3), "  ?b\n   ^");
        let long = "x".repeat(1000);
        assert_eq!(caret(&long, 500).lines().map(str::len).collect::<Vec<_>>(), [92, 63]);
        assert_eq!(quoted("a\x1b[1m"), "'a?[1m'");
        assert_eq!(quoted(&long).len(), 85);
    }
}
