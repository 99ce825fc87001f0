//! Lines of the scenario and of what runners print: fields between tabs, ASCII, bytes as `\xNN`.

use std::fmt::Write;

use anyhow::{Context, bail};

/// The text with every byte written `\xNN` that is no printable ASCII, or is `"` or `\`.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => write!(out, "\\x{byte:02x}").expect("texts take all"),
            0x20..=0x7e => out.push(char::from(byte)),
            _ => write!(out, "\\x{byte:02x}").expect("texts take all"),
        }
    }
    out
}

/// The text that [`escape`] wrote; what is not escaped stands for itself.
///
/// # Errors
/// When the bytes are no UTF-8, or a `\` is not followed by `x` and two hexadecimal digits.
pub fn unescape(text: &str) -> anyhow::Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend(before.bytes());
        let digits = after.strip_prefix('x').and_then(|it| it.get(..2));
        let byte = digits.and_then(|it| u8::from_str_radix(it, 16).ok());
        bytes.push(byte.with_context(|| format!("'{text}': a \\ begins \\xNN"))?);
        rest = &after[3..];
    }
    bytes.extend(rest.bytes());
    String::from_utf8(bytes).with_context(|| format!("'{text}' is no UTF-8"))
}

/// Reads the words `key=text` behind a step or a setting. What follows `value=` is left as it is: a
/// value in the form of the scenario, which has escapes of its own.
///
/// # Errors
/// When one has no `=`, or is not [escaped](escape) well.
pub fn words(fields: &[&str]) -> anyhow::Result<Vec<(String, String)>> {
    let word = |field: &&str| {
        let Some((key, value)) = field.split_once('=') else { bail!("'{field}' has no =") };
        let text = if key == "value" { value.to_owned() } else { unescape(value)? };
        Ok((key.to_owned(), text))
    };
    fields.iter().map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back() {
        for (text, escaped) in [
            ("", ""),
            ("a b~", "a b~"),
            ("\t\"\\\n", r"\x09\x22\x5c\x0a"),
            ("\u{e9}\u{1f980}\0\u{7f}", r"\xc3\xa9\xf0\x9f\xa6\x80\x00\x7f"),
        ] {
            assert_eq!(escape(text), escaped);
            assert_eq!(unescape(escaped).unwrap(), text);
        }
        assert_eq!(unescape("\"as it is\"").unwrap(), "\"as it is\"");
        for wrong in ["\\", "\\x", "\\x1", "\\n", "\\xff"] {
            assert!(unescape(wrong).is_err(), "{wrong}");
        }
    }
}
