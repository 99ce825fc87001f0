//! Texts that people and other nodes write: names, times, values of settings.

use std::fmt::Display;
use std::str::{self, FromStr};

use lcast_proto::name::Name;
use lcast_proto::setting::parse_text;
use lcast_proto::time::Timestamp;
use lcast_proto::value::Type;

/// What parses from `input` prints to a text that parses to the same.
pub(crate) fn round_trip<T: FromStr + Display + PartialEq>(input: &[u8]) {
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

/// The text of a setting, as every type.
pub(crate) fn setting(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    for kind in [Type::Bool, Type::Int, Type::Float, Type::Text, Type::Bytes, Type::Timestamp] {
        if let Err(message) = parse_text(kind, text) {
            assert!(!message.is_empty());
        }
    }
}
