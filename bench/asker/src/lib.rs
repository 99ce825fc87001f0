//! How a measured asker speaks with the bench: a line in, a question, a line out.
//!
//! Each system brings a small program that keeps what it needs open and asks when told, so that
//! the bench can count packets before and after, from outside, in the same way for everybody.
//! Not for: starting or timing processes, which the bench does itself.

use std::fmt;
use std::io::{BufRead, Write};
use std::str::FromStr;
use std::time::Duration;

/// What one question brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Replies, each of another responder.
    pub got: usize,
    /// From the question to the last reply.
    pub last: Duration,
    /// The responders that the system itself names as silent.
    pub missing: Vec<String>,
}

/// Asks once for each line on standard input, until it ends.
///
/// # Errors
/// What `ask` fails with, or a broken pipe.
pub fn serve<E: From<std::io::Error>>(mut ask: impl FnMut() -> Result<Answer, E>) -> Result<(), E> {
    for line in std::io::stdin().lock().lines() {
        line?;
        let answer = ask()?;
        let mut output = std::io::stdout().lock();
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

/// The payload of a reply by a peer: 100 bytes that begin with the name of the responder.
pub fn payload(name: &str) -> Vec<u8> {
    format!("{name:.<100}").into_bytes()
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.got, self.last.as_nanos(), self.missing.join(","))
    }
}

impl FromStr for Answer {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let unreadable = || format!("no answer of an asker: '{line}'");
        let mut parts = line.trim_end_matches('\n').splitn(3, ' ');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (got, last) = number().zip(number()).ok_or_else(unreadable)?;
        let names = parts.next().unwrap_or_default().split(',').filter(|name| !name.is_empty());
        Ok(Self {
            got: usize::try_from(got).map_err(|_| unreadable())?,
            last: Duration::from_nanos(last),
            missing: names.map(str::to_owned).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_there_and_back() {
        for missing in [vec![], vec!["n1".to_owned()], vec!["n1".to_owned(), "n2".to_owned()]] {
            let answer = Answer { got: 9, last: Duration::from_micros(1234), missing };
            assert_eq!(answer.to_string().parse(), Ok(answer));
        }
        for damaged in ["", "9", "nine 1 ", "-1 2 "] {
            assert!(damaged.parse::<Answer>().is_err(), "{damaged}");
        }
    }

    #[test]
    fn payloads_are_of_one_size() {
        assert_eq!(payload("n7").len(), 100);
        assert!(payload("n7").starts_with(b"n7."));
    }
}
