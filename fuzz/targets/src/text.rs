//! Texts that people and other nodes write: names, times.

use std::fmt::Display;
use std::str::{self, FromStr};

use lcast_proto::name::Name;
use lcast_proto::time::Timestamp;

/// What parses from `input` prints to a text that parses to the same.
fn round_trip<T: FromStr + Display + PartialEq>(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let Ok(value) = text.parse::<T>() else { return };
    let printed = value.to_string();
    let again = printed.parse::<T>().ok();
    assert!(again == Some(value), "'{printed}' does not read back");
}

/// A variable's name.
pub(crate) fn name(input: &[u8]) {
    round_trip::<Name>(input);
}

/// An RFC 3339 time.
pub(crate) fn timestamp(input: &[u8]) {
    round_trip::<Timestamp>(input);
}
