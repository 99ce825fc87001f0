//! CBOR (RFC 8949) for control frames, certificates, lists and credentials.
//!
//! Reading: [`Fields`] is a map with ascending integer keys whose fields are taken by type; unknown
//! keys are ignored. Writing: [`MapBuilder`] and [`encode`]. Values of variables travel by
//! [`value_to_cbor`] and [`value_from_cbor`]. Not for text formats.
//!
//! A parsed item takes at most [`EXPANSION_MAX`] bytes of memory per byte of input, whatever
//! lengths the input announces, and nests at most [`DEPTH_MAX`] deep.

use std::collections::BTreeMap;

pub use ciborium::Value as Cbor;

use crate::time::Timestamp;
use crate::value::Value;

/// Deepest nesting of arrays, maps and tags that is read.
pub const DEPTH_MAX: usize = 16;
/// Most memory that a parsed item takes, in bytes per byte of input: an item of one byte becomes
/// a [`Cbor`] of 32 bytes, and a vector has room for at least four.
pub const EXPANSION_MAX: usize = 160;

/// Tag of a timestamp: RFC 9581, extended time.
const TAG_TIME: u64 = 1001;
/// Key of whole seconds in an extended time.
const TIME_SECONDS: i64 = 1;
/// Key of the milliseconds of the second.
const TIME_MILLIS: i64 = -3;

/// Why bytes are not the CBOR that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CborError {
    /// No well-formed CBOR, or cut short.
    #[error("no well-formed CBOR")]
    Malformed,
    /// Bytes after the item.
    #[error("bytes follow the end")]
    Trailing,
    /// Nested deeper than allowed.
    #[error("nested too deep")]
    Depth,
    /// No map where one was expected.
    #[error("no map")]
    NotMap,
    /// A map whose keys are not integers, or not ascending, or twice the same.
    #[error("a map whose keys are no ascending integers")]
    Keys,
    /// A field that must be there is not.
    #[error("field {0} is missing")]
    Missing(i64),
    /// A field of another type than expected, or out of its range.
    #[error("field {0} has the wrong type or range")]
    Type(i64),
    /// An item that is no value of a variable.
    #[error("no value of a variable")]
    Value,
}

impl CborError {
    /// The field at fault, when it is one.
    pub fn field(&self) -> Option<i64> {
        match self {
            Self::Missing(key) | Self::Type(key) => Some(*key),
            Self::Malformed
            | Self::Trailing
            | Self::Depth
            | Self::NotMap
            | Self::Keys
            | Self::Value => None,
        }
    }
}

/// Reads one item that fills `bytes`.
///
/// # Errors
/// When it is malformed, too deep or followed by more bytes.
pub fn parse(mut bytes: &[u8]) -> Result<Cbor, CborError> {
    let item = parse_prefix(&mut bytes)?;
    if bytes.is_empty() { Ok(item) } else { Err(CborError::Trailing) }
}

/// Reads one item from the front of `bytes` and cuts it off: [SEC-60].
///
/// # Errors
/// When it is malformed or too deep.
pub fn parse_prefix(bytes: &mut &[u8]) -> Result<Cbor, CborError> {
    let read = ciborium::de::from_reader_with_recursion_limit(bytes, DEPTH_MAX);
    read.map_err(|error| match error {
        ciborium::de::Error::RecursionLimitExceeded => CborError::Depth,
        ciborium::de::Error::Io(_)
        | ciborium::de::Error::Syntax(_)
        | ciborium::de::Error::Semantic(_, _) => CborError::Malformed,
    })
}

/// The bytes of an item. The same item gives the same bytes: shortest forms, definite lengths.
pub fn encode(item: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_into(item, &mut bytes);
    bytes
}

/// Appends the bytes of an item.
pub fn encode_into(item: &Cbor, bytes: &mut Vec<u8>) {
    ciborium::ser::into_writer(item, bytes).expect("writing CBOR to memory cannot fail");
}

/// The fields of a map with integer keys, each taken once.
#[derive(Clone, Debug, PartialEq)]
pub struct Fields(Vec<(i64, Cbor)>);

impl Fields {
    /// Reads a map that fills `bytes`.
    ///
    /// # Errors
    /// When it is malformed, or no map with ascending integer keys.
    pub fn parse(bytes: &[u8]) -> Result<Self, CborError> {
        Self::from_item(parse(bytes)?)
    }

    /// The fields of an item that must be a map: [SEC-61].
    ///
    /// # Errors
    /// When it is no map with ascending integer keys.
    pub fn from_item(item: Cbor) -> Result<Self, CborError> {
        let Cbor::Map(entries) = item else { return Err(CborError::NotMap) };
        let mut fields: Vec<(i64, Cbor)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key = key.as_integer().and_then(|key| i64::try_from(key).ok());
            let key = key.ok_or(CborError::Keys)?;
            if fields.last().is_some_and(|(last, _)| *last >= key) {
                return Err(CborError::Keys);
            }
            fields.push((key, value));
        }
        Ok(Self(fields))
    }

    /// Takes a field of any type out, if it is there. Null counts as not there.
    pub fn take(&mut self, key: i64) -> Option<Cbor> {
        let index = self.0.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        let item = std::mem::replace(&mut self.0[index].1, Cbor::Null);
        (item != Cbor::Null).then_some(item)
    }

    /// Takes an unsigned number out.
    ///
    /// # Errors
    /// When it is missing or something else.
    pub fn uint(&mut self, key: i64) -> Result<u64, CborError> {
        self.uint_opt(key)?.ok_or(CborError::Missing(key))
    }

    /// Takes an unsigned number out, if it is there.
    ///
    /// # Errors
    /// When it is something else.
    pub fn uint_opt(&mut self, key: i64) -> Result<Option<u64>, CborError> {
        self.typed(key, |item| item.into_integer().ok()?.try_into().ok())
    }

    /// Takes an unsigned number of a narrower type out.
    ///
    /// # Errors
    /// When it is missing, something else or too large.
    pub fn number<N: TryFrom<u64>>(&mut self, key: i64) -> Result<N, CborError> {
        N::try_from(self.uint(key)?).map_err(|_| CborError::Type(key))
    }

    /// Takes an unsigned number of a narrower type out, if it is there.
    ///
    /// # Errors
    /// When it is something else or too large.
    pub fn number_opt<N: TryFrom<u64>>(&mut self, key: i64) -> Result<Option<N>, CborError> {
        let number = self.uint_opt(key)?;
        number.map(|number| N::try_from(number).map_err(|_| CborError::Type(key))).transpose()
    }

    /// Takes a signed number out.
    ///
    /// # Errors
    /// When it is missing or something else.
    pub fn int(&mut self, key: i64) -> Result<i64, CborError> {
        self.int_opt(key)?.ok_or(CborError::Missing(key))
    }

    /// Takes a signed number out, if it is there.
    ///
    /// # Errors
    /// When it is something else.
    pub fn int_opt(&mut self, key: i64) -> Result<Option<i64>, CborError> {
        self.typed(key, |item| item.into_integer().ok()?.try_into().ok())
    }

    /// Takes a truth value out, false when it is missing.
    ///
    /// # Errors
    /// When it is something else.
    pub fn flag(&mut self, key: i64) -> Result<bool, CborError> {
        Ok(self.typed(key, |item| item.into_bool().ok())?.unwrap_or(false))
    }

    /// Takes a float out, if it is there.
    ///
    /// # Errors
    /// When it is something else.
    pub fn float_opt(&mut self, key: i64) -> Result<Option<f64>, CborError> {
        self.typed(key, |item| item.into_float().ok())
    }

    /// Takes bytes out.
    ///
    /// # Errors
    /// When they are missing or something else.
    pub fn bytes(&mut self, key: i64) -> Result<Vec<u8>, CborError> {
        self.bytes_opt(key)?.ok_or(CborError::Missing(key))
    }

    /// Takes bytes out, if they are there.
    ///
    /// # Errors
    /// When they are something else.
    pub fn bytes_opt(&mut self, key: i64) -> Result<Option<Vec<u8>>, CborError> {
        self.typed(key, |item| item.into_bytes().ok())
    }

    /// Takes bytes of a fixed length out.
    ///
    /// # Errors
    /// When they are missing, something else or of another length.
    pub fn fixed<const LENGTH: usize>(&mut self, key: i64) -> Result<[u8; LENGTH], CborError> {
        self.fixed_opt(key)?.ok_or(CborError::Missing(key))
    }

    /// Takes bytes of a fixed length out, if they are there.
    ///
    /// # Errors
    /// When they are something else or of another length.
    pub fn fixed_opt<const LENGTH: usize>(
        &mut self,
        key: i64,
    ) -> Result<Option<[u8; LENGTH]>, CborError> {
        self.typed(key, |item| item.into_bytes().ok()?.try_into().ok())
    }

    /// Takes text out.
    ///
    /// # Errors
    /// When it is missing or something else.
    pub fn text(&mut self, key: i64) -> Result<String, CborError> {
        self.text_opt(key)?.ok_or(CborError::Missing(key))
    }

    /// Takes text out, if it is there.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text_opt(&mut self, key: i64) -> Result<Option<String>, CborError> {
        self.typed(key, |item| item.into_text().ok())
    }

    /// Takes an array out.
    ///
    /// # Errors
    /// When it is missing or something else.
    pub fn array(&mut self, key: i64) -> Result<Vec<Cbor>, CborError> {
        self.array_opt(key)?.ok_or(CborError::Missing(key))
    }

    /// Takes an array out, if it is there.
    ///
    /// # Errors
    /// When it is something else.
    pub fn array_opt(&mut self, key: i64) -> Result<Option<Vec<Cbor>>, CborError> {
        self.typed(key, |item| item.into_array().ok())
    }

    /// Takes a map with integer keys out.
    ///
    /// # Errors
    /// When it is missing or something else.
    pub fn fields(&mut self, key: i64) -> Result<Fields, CborError> {
        self.fields_opt(key)?.ok_or(CborError::Missing(key))
    }

    /// Takes a map with integer keys out, if it is there.
    ///
    /// # Errors
    /// When it is something else.
    pub fn fields_opt(&mut self, key: i64) -> Result<Option<Fields>, CborError> {
        self.typed(key, |item| Fields::from_item(item).ok())
    }

    fn typed<T>(
        &mut self,
        key: i64,
        convert: impl FnOnce(Cbor) -> Option<T>,
    ) -> Result<Option<T>, CborError> {
        let Some(item) = self.take(key) else { return Ok(None) };
        convert(item).map(Some).ok_or(CborError::Type(key))
    }
}

/// Builds a map with integer keys, in ascending order.
#[derive(Clone, Debug, Default)]
pub struct MapBuilder(Vec<(Cbor, Cbor)>);

impl MapBuilder {
    /// A map without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// The map with one more field.
    ///
    /// # Panics
    /// When the key is not greater than the one before it.
    #[must_use]
    pub fn field(mut self, key: i64, value: impl Into<Cbor>) -> Self {
        let last = self.0.last().and_then(|(last, _)| last.as_integer());
        assert!(last < Some(key.into()), "fields are built in ascending order");
        self.0.push((key.into(), value.into()));
        self
    }

    /// The map with one more field, if there is a value for it.
    #[must_use]
    pub fn field_opt(self, key: i64, value: Option<impl Into<Cbor>>) -> Self {
        match value {
            Some(value) => self.field(key, value),
            None => self,
        }
    }

    /// The map with one more field of bytes.
    #[must_use]
    pub fn bytes(self, key: i64, value: &[u8]) -> Self {
        self.field(key, Cbor::Bytes(value.to_vec()))
    }

    /// The map as an item.
    pub fn build(self) -> Cbor {
        Cbor::Map(self.0)
    }

    /// The map as bytes.
    pub fn encode(self) -> Vec<u8> {
        encode(&self.build())
    }
}

/// The item that a variable's value travels as. [WIR-2]
pub fn value_to_cbor(value: &Value) -> Cbor {
    match value {
        Value::Null => Cbor::Null,
        Value::Bool(value) => Cbor::Bool(*value),
        Value::Int(value) => Cbor::from(*value),
        Value::Float(value) => Cbor::Float(*value),
        Value::Text(value) => Cbor::Text(value.clone()),
        Value::Bytes(value) => Cbor::Bytes(value.clone()),
        Value::Timestamp(time) => time_to_cbor(*time),
        Value::List(items) => Cbor::Array(items.iter().map(value_to_cbor).collect()),
        Value::Map(items) => {
            let pair =
                |(key, value): (&String, &Value)| (Cbor::Text(key.clone()), value_to_cbor(value));
            Cbor::Map(items.iter().map(pair).collect())
        }
    }
}

/// A variable's value from the item that it travels as.
///
/// # Errors
/// When the item is none, or nests deeper than [`Value::DEPTH_MAX`].
pub fn value_from_cbor(item: Cbor) -> Result<Value, CborError> {
    value_at_depth(item, 0)
}

/// Recursion that stops at [`Value::DEPTH_MAX`] lists and maps.
fn value_at_depth(item: Cbor, depth: usize) -> Result<Value, CborError> {
    let nested = matches!(item, Cbor::Array(_) | Cbor::Map(_));
    if nested && depth >= Value::DEPTH_MAX {
        return Err(CborError::Depth);
    }
    match item {
        Cbor::Null => Ok(Value::Null),
        Cbor::Bool(value) => Ok(Value::Bool(value)),
        Cbor::Integer(value) => i64::try_from(value).map(Value::Int).map_err(|_| CborError::Value),
        Cbor::Float(value) => Ok(Value::Float(value)),
        Cbor::Text(value) => Ok(Value::Text(value)),
        Cbor::Bytes(value) => Ok(Value::Bytes(value)),
        Cbor::Tag(TAG_TIME, time) => time_from_cbor(*time).map(Value::Timestamp),
        Cbor::Array(items) => {
            let items = items.into_iter().map(|item| value_at_depth(item, depth + 1));
            Ok(Value::List(items.collect::<Result<_, _>>()?))
        }
        Cbor::Map(pairs) => {
            let mut map = BTreeMap::new();
            for (key, value) in pairs {
                let key = key.into_text().map_err(|_| CborError::Value)?;
                if map.insert(key, value_at_depth(value, depth + 1)?).is_some() {
                    return Err(CborError::Keys);
                }
            }
            Ok(Value::Map(map))
        }
        _ => Err(CborError::Value),
    }
}

/// A timestamp as an extended time of RFC 9581.
pub fn time_to_cbor(time: Timestamp) -> Cbor {
    let (seconds, millis) = (time.as_millis().div_euclid(1000), time.as_millis().rem_euclid(1000));
    let map = vec![
        (Cbor::from(TIME_SECONDS), Cbor::from(seconds)),
        (Cbor::from(TIME_MILLIS), Cbor::from(millis)),
    ];
    Cbor::Tag(TAG_TIME, Box::new(Cbor::Map(map)))
}

/// The timestamp in the map of an extended time.
fn time_from_cbor(item: Cbor) -> Result<Timestamp, CborError> {
    let Cbor::Map(pairs) = item else { return Err(CborError::Value) };
    let (mut seconds, mut millis) = (None, 0);
    for (key, value) in pairs {
        let key = key.as_integer().and_then(|key| i64::try_from(key).ok());
        let value = value.as_integer().and_then(|value| i64::try_from(value).ok());
        match (key, value) {
            (Some(TIME_SECONDS), Some(value)) => seconds = Some(value),
            (Some(TIME_MILLIS), Some(value @ 0..=999)) => millis = value,
            (_, _) => return Err(CborError::Value),
        }
    }
    // Wider than the sum: the seconds of the first moments are below it by themselves.
    let sum = i128::from(seconds.ok_or(CborError::Value)?) * 1000 + i128::from(millis);
    i64::try_from(sum).map(Timestamp::from_millis).map_err(|_| CborError::Value)
}
