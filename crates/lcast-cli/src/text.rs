//! Text from other nodes, made safe to print.
//!
//! A terminal obeys control characters, and bidirectional overrides make text look like other text:
//! what a node says must not be able to do either.

use std::borrow::Borrow;
use std::fmt::Write;

use lcast_proto::name::is_unseen;

/// The text without what a terminal would obey; line ends and tabs become spaces. What nobody would
/// see, or would turn the text around, is shown escaped: else two texts look the same.
pub(crate) fn sanitise(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' | '\r' | '\t' => safe.push(' '),
            _ if char.is_control() => {}
            _ if is_unseen(char) => safe.extend(char.escape_unicode()),
            _ => safe.push(char),
        }
    }
    safe
}

/// Whether a text can be printed as it is.
pub(crate) fn is_safe(text: &str) -> bool {
    !text.contains(is_unsafe)
}

/// Most names in a sentence or in a cell; pipes and JSON have them all.
const NAMED_MAX: usize = 10;

/// Names as people are told them: the first of many, and how many more there are.
pub(crate) fn named<S: Borrow<str>>(names: &[S]) -> String {
    let rest = names.len().saturating_sub(NAMED_MAX);
    let named = names[..names.len() - rest].join(", ");
    if rest > 0 { format!("{named}, and {rest} more") } else { named }
}

/// JSON text with what a terminal would obey escaped: the same document, safe to print.
pub(crate) fn escape_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for char in json.chars() {
        // Line ends stand between the lines of a document; within strings they are escaped.
        if char != '\n' && is_unsafe(char) {
            for unit in char.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(char);
        }
    }
    text
}

fn is_unsafe(char: char) -> bool {
    char.is_control() || is_unseen(char)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        for (text, printed, json) in [
            ("plain, gr\u{fc}n", "plain, gr\u{fc}n", "plain, gr\u{fc}n"),
            ("a\x1b[31mb\x07", "a[31mb", r"a\u001b[31mb\u0007"),
            ("a\u{9b}31mb\x7f", "a31mb", r"a\u009b31mb\u007f"),
            (
                "a\u{202e}b\u{2066}c\u{feff}",
                r"a\u{202e}b\u{2066}c\u{feff}",
                r"a\u202eb\u2066c\ufeff",
            ),
            (
                "a\u{e0041}b\u{e007f}\u{e0000}",
                r"a\u{e0041}b\u{e007f}\u{e0000}",
                r"a\udb40\udc41b\udb40\udc7f\udb40\udc00",
            ),
        ] {
            assert_eq!(sanitise(text), printed);
            assert_eq!(escape_json(text), json);
        }
        assert_eq!(sanitise("a\tb\r\nc"), "a b  c");
    }

    #[test]
    fn of_many_names_the_first_are_told() {
        let names: Vec<String> = (1..=NAMED_MAX + 1).map(|it| format!("n{it}")).collect();
        for (count, end) in [(0, ""), (1, "n1"), (10, ", n9, n10"), (11, ", n10, and 1 more")] {
            let told = named(&names[..count]);
            assert!(told.ends_with(end) && told.is_empty() == (count == 0), "{told}");
        }
    }
}
