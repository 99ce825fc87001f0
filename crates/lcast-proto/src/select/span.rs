//! Durations with a sign, as predicates write them.

use std::fmt;

/// A duration with a sign, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub(crate) i64);

impl Span {
    /// Whether the duration is within 10,000 years, as CEL has it.
    pub(crate) fn in_range(self) -> bool {
        (-315_576_000_000_000..=315_576_000_000_000).contains(&self.0)
    }

    /// Reads a duration of whole milliseconds: `1h30m`, `1.5s`, `-500ms`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut nanos: i128 = 0;
        if rest.is_empty() {
            return None;
        }
        // Nothing needs no unit.
        if rest == "0" {
            return Some(Self(0));
        }
        while !rest.is_empty() {
            let number_end = rest.find(|char: char| !char.is_ascii_digit() && char != '.')?;
            let (number, after) = rest.split_at(number_end);
            let unit_end = after.find(|char: char| !char.is_ascii_alphabetic());
            let (unit, after) = after.split_at(unit_end.unwrap_or(after.len()));
            let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit)?;
            nanos = nanos.checked_add(decimal(number, *unit)?)?;
            rest = after;
        }
        let millis = i64::try_from(nanos / 1_000_000).ok()?;
        let span = Self(if negative { -millis } else { millis });
        (nanos % 1_000_000 == 0 && span.in_range()).then_some(span)
    }

    /// The duration as CEL writes it: `1.5s`.
    pub(crate) fn seconds(self) -> String {
        let (sign, millis) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let text = format!("{sign}{}.{:03}", millis / 1000, millis % 1000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned() + "s"
    }
}

/// The units of durations, in nanoseconds.
const UNITS: [(&str, i128); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// A number like `1.5` of these units, in nanoseconds, if that is whole.
fn decimal(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || whole.len() + fraction.len() > DECIMAL_DIGITS_MAX {
        return None;
    }
    let fraction_size = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let total = digits.checked_mul(unit)?;
    (total % fraction_size == 0).then_some(total / fraction_size)
}

const DECIMAL_DIGITS_MAX: usize = 20;

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 % 1000 == 0 { write!(f, "{}s", self.0 / 1000) } else { write!(f, "{}ms", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print() {
        for (text, millis, shown) in [
            ("0", Some(0), "0s"),
            ("90s", Some(90_000), "90s"),
            ("1h30m", Some(5_400_000), "5400s"),
            ("1.5s", Some(1_500), "1500ms"),
            ("-500ms", Some(-500), "-500ms"),
            ("1000us", Some(1), "1ms"),
            ("1us", None, ""),
            ("1d", None, ""),
            ("5", None, ""),
            ("s", None, ""),
            ("1h0", None, ""),
            ("00", None, ""),
            ("-0", Some(0), "0s"),
            ("", None, ""),
            ("-", None, ""),
            ("1.2.3s", None, ""),
            ("87600000h", Some(315_360_000_000_000), "315360000000s"),
            ("87660000h", Some(315_576_000_000_000), "315576000000s"),
            ("87660000h1ms", None, ""),
            ("99999999999999999999h", None, ""),
            ("999999999999999999999h", None, ""),
        ] {
            let span = Span::parse(text);
            assert_eq!(span.map(|span| span.0), millis, "{text}");
            assert_eq!(span.map(|span| span.to_string()).unwrap_or_default(), shown, "{text}");
            assert!(span.is_none() || Span::parse(shown) == span, "{text}");
        }
        assert_eq!(Span(-1_500).seconds(), "-1.5s");
        assert_eq!(Span(60_000).seconds(), "60s");
    }
}
