//! The words of a predicate: numbers, texts, names and operators, each with its place.

use super::PredicateError;

/// A word of a predicate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A name, keyword or function.
    Word(String),
    /// An integer without its sign; 2^63 only after a minus.
    Int(u64),
    Float(f64),
    Text(String),
    /// An operator or bracket.
    Mark(&'static str),
    End,
}

/// Reads a predicate word by word.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

/// Longer marks before their beginnings.
const MARKS: [&str; 24] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", "(", ")",
    "[", "]", ",", ".", "{", "}",
];

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next word and where it begins.
    pub(crate) fn next(&mut self) -> Result<(usize, Token), PredicateError> {
        let rest = &self.text[self.at..];
        let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
        self.at += blank;
        let (start, rest) = (self.at, &rest[blank..]);
        let Some(first) = rest.chars().next() else { return Ok((start, Token::End)) };
        let after_first = rest[first.len_utf8()..].chars().next();
        if (first == 'r' || first == 'R') && matches!(after_first, Some('"' | '\'')) {
            self.at += 1;
            return Ok((start, Token::Text(self.raw_text(start)?)));
        }
        if first == '"' || first == '\'' {
            return Ok((start, Token::Text(self.quoted_text(start)?)));
        }
        let digit_next = after_first.is_some_and(|char| char.is_ascii_digit());
        if first.is_ascii_digit() || (first == '.' && digit_next) {
            return Ok((start, self.number(start)?));
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let part = |char: char| char.is_ascii_alphanumeric() || char == '_';
            let end = rest.find(|char| !part(char)).unwrap_or(rest.len());
            self.at += end;
            return Ok((start, Token::Word(rest[..end].to_owned())));
        }
        for mark in MARKS {
            if rest.starts_with(mark) {
                self.at += mark.len();
                return Ok((start, Token::Mark(mark)));
            }
        }
        Err(match first {
            '=' => PredicateError::new(start, "'=' is no operator", "to compare, write '=='"),
            '&' => PredicateError::new(start, "'&' is no operator", "for 'and', write '&&'"),
            '|' => PredicateError::new(start, "'|' is no operator", "for 'or', write '||'"),
            '`' => PredicateError::new(start, "'`' has no meaning here", "write texts in \"\""),
            _ => PredicateError::new(
                start,
                format!("'{}' has no meaning here", first.escape_default()),
                "texts stand in double quotes",
            ),
        })
    }

    /// Digits at the present place.
    fn digits(&mut self, is_digit: fn(&u8) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let length = rest.bytes().take_while(is_digit).count();
        self.at += length;
        &rest[..length]
    }

    fn number(&mut self, start: usize) -> Result<Token, PredicateError> {
        let too_large = |what: &str| {
            let message = format!("this {what} is too large");
            PredicateError::new(start, message, "numbers have 64 bits")
        };
        let rest = &self.text[self.at..];
        if rest.starts_with("0x") || rest.starts_with("0X") {
            self.at += 2;
            let digits = self.digits(u8::is_ascii_hexdigit);
            self.number_ends()?;
            if digits.is_empty() {
                let message = "digits are missing after '0x'";
                return Err(PredicateError::new(start, message, "write like 0x1f"));
            }
            let number = u64::from_str_radix(digits, 16).map_err(|_| too_large("integer"))?;
            return in_range(number).then_some(Token::Int(number)).ok_or(too_large("integer"));
        }
        self.digits(u8::is_ascii_digit);
        let mut float = false;
        let rest = &self.text[self.at..];
        if rest.starts_with('.') && rest[1..].starts_with(|char: char| char.is_ascii_digit()) {
            float = true;
            self.at += 1;
            self.digits(u8::is_ascii_digit);
        }
        let rest = &self.text.as_bytes()[self.at..];
        if matches!(rest.first(), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(rest.get(1), Some(b'+' | b'-')));
            if rest.get(1 + sign).is_some_and(u8::is_ascii_digit) {
                float = true;
                self.at += 1 + sign;
                self.digits(u8::is_ascii_digit);
            }
        }
        self.number_ends()?;
        let digits = &self.text[start..self.at];
        if float {
            let number: f64 = digits.parse().map_err(|_| too_large("number"))?;
            return number.is_finite().then_some(Token::Float(number)).ok_or(too_large("number"));
        }
        let number: u64 = digits.parse().map_err(|_| too_large("integer"))?;
        in_range(number).then_some(Token::Int(number)).ok_or(too_large("integer"))
    }

    /// Refuses a number that runs into a word, like `10GB`.
    fn number_ends(&self) -> Result<(), PredicateError> {
        let rest = &self.text[self.at..];
        match rest.chars().next() {
            Some(char) if char.is_ascii_alphanumeric() || char == '_' => Err(PredicateError::new(
                self.at,
                "a number ends here, and a word begins",
                "units are not known in predicates: write bytes as 1024 * 1024, \
                 a variable in seconds is a number, so 1h is 3600; between times write \
                 duration(\"1h\")",
            )),
            _ => Ok(()),
        }
    }

    /// `r"..."`: no escapes.
    fn raw_text(&mut self, start: usize) -> Result<String, PredicateError> {
        let rest = &self.text[self.at..];
        let quote = &rest[..1];
        let Some(end) = rest[1..].find(quote) else { return Err(unclosed(start)) };
        self.at += end + 2;
        Ok(rest[1..=end].to_owned())
    }

    fn quoted_text(&mut self, start: usize) -> Result<String, PredicateError> {
        let body = &self.text[start + 1..];
        let quote = self.text[start..].chars().next();
        let mut text = String::new();
        let mut chars = body.char_indices();
        while let Some((index, char)) = chars.next() {
            if Some(char) == quote {
                self.at = start + 1 + index + 1;
                return Ok(text);
            }
            match char {
                '\\' => {
                    let (char, used) = escape(chars.as_str(), start + 1 + index)?;
                    text.push(char);
                    for _ in 0..used {
                        chars.next();
                    }
                }
                '\n' | '\r' => return Err(unclosed(start)),
                _ => text.push(char),
            }
        }
        Err(unclosed(start))
    }
}

fn in_range(number: u64) -> bool {
    number <= i64::MIN.unsigned_abs()
}

fn unclosed(at: usize) -> PredicateError {
    PredicateError::new(at, "this text is not closed", "end it with the quote it begins with")
}

/// The character of an escape, whose text follows the backslash, and how many characters it took.
fn escape(rest: &str, at: usize) -> Result<(char, usize), PredicateError> {
    let unknown = || {
        let message = "this escape is not known";
        PredicateError::new(at, message, "write a backslash as \\\\, or the text as r\"...\"")
    };
    let kind = rest.chars().next().ok_or_else(unknown)?;
    let (digits, radix, skipped) = match kind {
        'x' | 'X' => (2, 16, 1),
        'u' => (4, 16, 1),
        'U' => (8, 16, 1),
        '0'..='3' => (3, 8, 0),
        _ => {
            let plain = match kind {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'a' => '\x07',
                'b' => '\x08',
                'f' => '\x0c',
                'v' => '\x0b',
                '\\' | '"' | '\'' | '`' | '?' => kind,
                _ => return Err(unknown()),
            };
            return Ok((plain, 1));
        }
    };
    let number = rest.get(skipped..skipped + digits).ok_or_else(unknown)?;
    if !number.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(unknown());
    }
    let code = u32::from_str_radix(number, radix).map_err(|_| unknown())?;
    let char = char::from_u32(code).ok_or_else(unknown)?;
    Ok((char, skipped + digits))
}
