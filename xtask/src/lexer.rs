//! A Rust text split into code, comments and literals, line by line.
//!
//! For: checks that must not trip over a word in a comment or a brace in a string. Not for:
//! parsing; it knows just enough of Rust's lexical structure to tell the three apart.

/// Three texts of the same shape as the input: every character stands in exactly one of them at its
/// own place, blanks fill the rest, and line ends are kept in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Masked {
    /// Code without comments and without the insides of literals (their quotes stay).
    pub(crate) code: String,
    /// Comments, with their slashes.
    pub(crate) comments: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    Literal,
}

/// Splits `text`.
pub(crate) fn mask(text: &str) -> Masked {
    let chars: Vec<char> = text.chars().collect();
    let mut masked = Masked::default();
    let mut at = 0;
    while at < chars.len() {
        let (part, end) = next_part(&chars, at);
        for (offset, &c) in chars[at..end].iter().enumerate() {
            let quote = part == Part::Literal && (offset == 0 || at + offset + 1 == end);
            let keep = |wanted: bool| if c == '\n' || wanted { c } else { ' ' };
            masked.code.push(keep(part == Part::Code || quote));
            masked.comments.push(keep(part == Part::Comment));
        }
        at = end;
    }
    masked
}

/// What begins at `at`, and where it ends.
fn next_part(chars: &[char], at: usize) -> (Part, usize) {
    let next = chars.get(at + 1).copied();
    match (chars[at], next) {
        ('/', Some('/')) => {
            let end = (at..chars.len()).find(|&i| chars[i] == '\n').unwrap_or(chars.len());
            (Part::Comment, end)
        }
        ('/', Some('*')) => (Part::Comment, block_comment_end(chars, at)),
        ('"', _) => (Part::Literal, string_end(chars, at + 1)),
        ('r', Some('"' | '#')) if starts_word(chars, at) => match raw_string_end(chars, at + 1) {
            Some(end) => (Part::Literal, end),
            None => (Part::Code, at + 1),
        },
        ('\'', Some(_)) => match char_literal_end(chars, at) {
            Some(end) => (Part::Literal, end),
            None => (Part::Code, at + 1),
        },
        _ => (Part::Code, at + 1),
    }
}

/// Whether no identifier runs into `at`; `b` and `c` may stand before the `r` of a raw string.
fn starts_word(chars: &[char], at: usize) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    match at.checked_sub(1).map(|before| chars[before]) {
        Some('b' | 'c') => at < 2 || !is_word(chars[at - 2]),
        Some(before) => !is_word(before),
        None => true,
    }
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let mut depth = 0usize;
    let mut at = start;
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => {
                depth += 1;
                at += 2;
            }
            ('*', '/') => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    chars.len()
}

fn string_end(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

fn raw_string_end(chars: &[char], start: usize) -> Option<usize> {
    let hashes = chars[start..].iter().take_while(|&&c| c == '#').count();
    let open = start + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |at: usize| {
        chars[at] == '"'
            && chars[at + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes
    };
    let end = (open + 1..chars.len()).find(|&at| closes(at));
    Some(end.map_or(chars.len(), |at| at + 1 + hashes))
}

/// The end of `'x'` or `'\n'` or `'\u{1f600}'`; none for a lifetime.
fn char_literal_end(chars: &[char], at: usize) -> Option<usize> {
    if chars.get(at + 1) == Some(&'\\') {
        let end = (at + 3..chars.len()).find(|&i| chars[i] == '\'')?;
        return Some(end + 1);
    }
    (chars.get(at + 2) == Some(&'\'')).then_some(at + 3)
}

/// For each line of a masked code, whether it belongs to a `#[cfg(test)]` item.
pub(crate) fn test_lines(code: &str) -> Vec<bool> {
    let lines: Vec<&str> = code.lines().collect();
    let mut inside = vec![false; lines.len()];
    let mut at = 0;
    while at < lines.len() {
        if !lines[at].trim_start().starts_with("#[cfg(test)]") {
            at += 1;
            continue;
        }
        let end = item_end(&lines, at);
        inside[at..=end].fill(true);
        at = end + 1;
    }
    inside
}

/// The last line of the item that begins at `start`: where its braces close, or its `;`.
pub(crate) fn item_end(lines: &[&str], start: usize) -> usize {
    let mut braces = 0usize;
    let mut round = 0usize;
    let mut opened = false;
    for (index, line) in lines.iter().enumerate().skip(start) {
        for c in line.chars() {
            match c {
                '(' | '[' => round += 1,
                ')' | ']' => round = round.saturating_sub(1),
                '{' => {
                    braces += 1;
                    opened |= round == 0;
                }
                '}' => braces = braces.saturating_sub(1),
                ';' if braces == 0 && round == 0 => return index,
                _ => {}
            }
            if opened && braces == 0 {
                return index;
            }
        }
    }
    lines.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        mask(text).code
    }

    #[test]
    fn comments_and_literals_are_blanked() {
        for (text, expected) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            ("f(\"x{\")", "f(\"  \")"),
            ("f(\"a\\\"b\") x", "f(\"    \") x"),
            ("r#\"a\"b\"# x", "r      # x"),
            ("br\"a\" x", "br  \" x"),
            ("'{' 'a: &'a str", "' ' 'a: &'a str"),
            ("'\\'' '\\u{7d}' x", "'  ' '      ' x"),
            ("for r in x {}", "for r in x {}"),
        ] {
            assert_eq!(code(text), expected, "{text}");
        }
    }

    #[test]
    fn comments_are_kept_apart() {
        let masked = mask("let a = \"// no\"; // yes\n/// doc\nfn f() {}\n");
        assert_eq!(masked.comments.lines().next().map(str::trim), Some("// yes"));
        assert_eq!(masked.comments.lines().nth(1), Some("/// doc"));
        assert!(!masked.comments.contains("no"));
    }

    #[test]
    fn shapes_are_kept() {
        let text = "fn f() {\n    \"a\n b\"; // c\n}\n";
        let masked = mask(text);
        assert_eq!(masked.code.len(), text.len());
        assert_eq!(masked.code.lines().count(), text.lines().count());
    }

    #[test]
    fn test_sections() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}\n";
        assert_eq!(test_lines(text), [false, true, true, true, true, false]);
        assert_eq!(test_lines("#[cfg(test)]\nmod tests;\nfn c() {}"), [true, true, false]);
        assert_eq!(test_lines("#[cfg(test)]\nuse a::{b, c};\nfn c() {}"), [true, true, false]);
    }
}
