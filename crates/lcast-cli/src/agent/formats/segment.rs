//! Names of other programs as segments of ours.

use lcast_proto::name::{Name, RESERVED};

/// `text` as segments: lower case, `_` for what has no place in a segment, `camelCase` split.
///
/// A name longer than a segment is split at its last `_` that leaves the first part short enough;
/// what begins with no letter gets an `n` in front, a reserved word a `_` behind.
pub(super) fn segments(text: &str) -> Vec<String> {
    let mut flat = String::with_capacity(text.len());
    let mut after_lower = false;
    for char in text.chars() {
        if char.is_ascii_uppercase() && after_lower {
            flat.push('_');
        }
        after_lower = char.is_ascii_lowercase() || char.is_ascii_digit();
        flat.push(if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '_' });
    }
    let mut segments = Vec::new();
    let mut rest = flat.trim_matches('_');
    while !rest.is_empty() || segments.is_empty() {
        let (first, after) = split(rest);
        segments.push(safe(first));
        rest = after.trim_start_matches('_');
    }
    segments
}

/// Splits a text after at most as many bytes as [`safe`] can turn into a segment.
fn split(text: &str) -> (&str, &str) {
    const FIRST_MAX: usize = Name::SEGMENT_LENGTH_MAX - 1;
    if text.len() <= FIRST_MAX || (text.len() <= Name::SEGMENT_LENGTH_MAX && is_plain(text)) {
        return (text, "");
    }
    let at = text[..=FIRST_MAX].rfind('_').filter(|at| *at > 0).unwrap_or(FIRST_MAX);
    text.split_at(at)
}

fn is_plain(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
}

fn safe(text: &str) -> String {
    if RESERVED.contains(&text) {
        return format!("{text}_");
    }
    if is_plain(text) { text.to_owned() } else { format!("n{text}") }
}

/// Pairs of names and values as the key of a map, `code=200,method=post`, in order of name.
pub(super) fn key(mut pairs: Vec<(String, String)>) -> String {
    if pairs.is_empty() {
        return NO_LABELS.to_owned();
    }
    pairs.sort();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join(",")
}

/// The key of the value without labels in a map whose other values have some.
const NO_LABELS: &str = "-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_segments() {
        let cases = [
            ("up", "up"),
            ("queueDepth", "queue_depth"),
            ("HTTP", "http"),
            ("Disk-Usage (%)", "disk_usage"),
            ("5xx", "n5xx"),
            ("in", "in_"),
            ("", "n"),
            ("___", "n"),
            ("a\u{e9}b", "a_b"),
            ("process_resident_memory_max_bytes", "process_resident_memory_max.bytes"),
            ("abcdefghijklmnopqrstuvwxyzabcdef", "abcdefghijklmnopqrstuvwxyzabcdef"),
            ("abcdefghijklmnopqrstuvwxyzabcdefg", "abcdefghijklmnopqrstuvwxyzabcde.fg"),
            ("1bcdefghijklmnopqrstuvwxyzabcdef", "n1bcdefghijklmnopqrstuvwxyzabcde.f"),
        ];
        for (text, expected) in cases {
            let segments = segments(text);
            assert_eq!(segments.join("."), expected, "{text}");
            assert!(segments.iter().all(|it| lcast_proto::name::is_segment(it)), "{text}");
        }
    }

    #[test]
    fn labels_become_a_key() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(key(vec![pair("b", "2"), pair("a", "1")]), "a=1,b=2");
        assert_eq!(key(Vec::new()), "-");
    }
}
