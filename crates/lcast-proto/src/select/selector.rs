//! Which nodes: names, labels and a predicate, and how they travel.

use ciborium::Value as Cbor;

use super::caret::quoted;
use super::glob::Glob;
use super::pattern::Pattern;
use super::predicate::Predicate;
use super::tree::TreeError;
use crate::name::is_segment;

/// Which nodes a question is for [SEL-22].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selector {
    /// Names; empty for any.
    pub on: Vec<Glob>,
    /// Names that are left out.
    pub not: Vec<Glob>,
    /// Certified labels, all of which must have these values.
    pub labels: Vec<(String, String)>,
    /// What must hold at the node.
    pub predicate: Option<Predicate>,
}

/// A selector from the network that is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectorError {
    /// A field that has another form than it should.
    #[error("malformed selector: {0}")]
    Malformed(&'static str),
    /// More elements than a field may have.
    #[error("{field}: at most {max} are possible")]
    TooMany {
        /// Which field.
        field: &'static str,
        /// The limit.
        max: usize,
    },
    /// A predicate outside the rules.
    #[error(transparent)]
    Predicate(#[from] TreeError),
}

/// A selector and patterns too large to be asked [SEL-23].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the question is too long: targets take {selector} bytes and variables {patterns}, together \
     they may take {}; ask for fewer things at once",
    Selector::ENCODED_MAX
)]
pub struct SizeError {
    /// Bytes of the encoded selector.
    pub selector: usize,
    /// Bytes of the encoded patterns.
    pub patterns: usize,
}

/// A text that is no requirement on a label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: a label is written key=value, like role=web", quoted(.0))]
pub struct LabelError(pub String);

const ON: u64 = 0;
const NOT: u64 = 1;
const LABELS: u64 = 2;
const PREDICATE: u64 = 3;

impl Selector {
    /// Most bytes of a selector and the patterns beside it, encoded [SEL-23].
    pub const ENCODED_MAX: usize = 320;
    /// Most globs of one kind.
    pub const GLOBS_MAX: usize = 64;
    /// Most labels: as many as a member can have.
    pub const LABELS_MAX: usize = 8;
    /// Longest value of a label in bytes.
    pub const LABEL_VALUE_LENGTH_MAX: usize = 63;

    /// Whether name and labels of a node fit: what the asker can compute, and what defines who is
    /// expected to answer. The predicate is evaluated at the node.
    ///
    /// ```
    /// use lcast_proto::select::{Glob, Selector, label};
    /// let selector = Selector {
    ///     on: Glob::list("web*").unwrap(),
    ///     labels: vec![label("site=east").unwrap()],
    ///     ..Selector::default()
    /// };
    /// assert!(selector.picks("web1", |key| (key == "site").then_some("east")));
    /// assert!(!selector.picks("web1", |_| None));
    /// ```
    pub fn picks<'a>(&self, name: &str, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        let fits = |glob: &Glob| glob.matches(name);
        (self.on.is_empty() || self.on.iter().any(fits))
            && !self.not.iter().any(fits)
            && self.labels.iter().all(|(key, value)| label(key) == Some(value))
    }

    /// The selector, encoded; fields that pick everything are left out.
    pub fn to_cbor(&self) -> Cbor {
        let globs = |globs: &[Glob]| {
            Cbor::Array(globs.iter().map(|glob| Cbor::from(glob.as_str())).collect())
        };
        let mut fields = Vec::new();
        if !self.on.is_empty() {
            fields.push((Cbor::from(ON), globs(&self.on)));
        }
        if !self.not.is_empty() {
            fields.push((Cbor::from(NOT), globs(&self.not)));
        }
        if !self.labels.is_empty() {
            let texts = self.labels.iter().flat_map(|(key, value)| [key, value]);
            let texts = texts.map(|text| Cbor::from(text.as_str())).collect();
            fields.push((Cbor::from(LABELS), Cbor::Array(texts)));
        }
        if let Some(predicate) = &self.predicate {
            fields.push((Cbor::from(PREDICATE), predicate.to_cbor()));
        }
        Cbor::Map(fields)
    }

    /// Decodes a selector and checks every limit again; fields with unknown keys are ignored.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn from_cbor(value: &Cbor) -> Result<Self, SelectorError> {
        let (mut selector, predicate) = Self::without_predicate(value)?;
        selector.predicate = predicate.map(Predicate::from_cbor).transpose()?;
        Ok(selector)
    }

    /// Decodes all but the predicate, which is expensive, and returns that as it came. [QST-46]
    ///
    /// # Errors
    /// The first rule that the rest breaks.
    pub fn without_predicate(value: &Cbor) -> Result<(Self, Option<&Cbor>), SelectorError> {
        let fields = value.as_map().ok_or(SelectorError::Malformed("not a map"))?;
        let (mut selector, mut predicate) = (Self::default(), None);
        for (key, value) in fields {
            let key = key.as_integer().and_then(|key| u64::try_from(key).ok());
            match key {
                Some(ON) => selector.on = globs(value, "names")?,
                Some(NOT) => selector.not = globs(value, "names left out")?,
                Some(LABELS) => selector.labels = labels(value)?,
                Some(PREDICATE) => predicate = Some(value),
                Some(_) => {}
                None => return Err(SelectorError::Malformed("a key that is no small integer")),
            }
        }
        Ok((selector, predicate))
    }
}

/// The texts of an array.
fn texts<'a>(
    value: &'a Cbor,
    field: &'static str,
    max: usize,
) -> Result<Vec<&'a str>, SelectorError> {
    let array = value.as_array().ok_or(SelectorError::Malformed("a field that is no array"))?;
    if array.len() > max {
        return Err(SelectorError::TooMany { field, max });
    }
    let text = |value: &'a Cbor| value.as_text();
    let texts: Option<Vec<&str>> = array.iter().map(text).collect();
    texts.ok_or(SelectorError::Malformed("an element that is no text"))
}

fn globs(value: &Cbor, field: &'static str) -> Result<Vec<Glob>, SelectorError> {
    let glob = |text: &str| text.parse().map_err(|_| SelectorError::Malformed("a bad glob"));
    texts(value, field, Selector::GLOBS_MAX)?.into_iter().map(glob).collect()
}

fn labels(value: &Cbor) -> Result<Vec<(String, String)>, SelectorError> {
    let texts = texts(value, "labels", 2 * Selector::LABELS_MAX)?;
    let (pairs, rest) = texts.as_chunks::<2>();
    if !rest.is_empty() || !pairs.iter().all(|[key, value]| is_label(key, value)) {
        return Err(SelectorError::Malformed("a bad label"));
    }
    Ok(pairs.iter().map(|[key, value]| ((*key).to_owned(), (*value).to_owned())).collect())
}

/// Reads `key=value` [SEL-21].
///
/// # Errors
/// When there is no `=`, or no label can have that key or value.
pub fn label(text: &str) -> Result<(String, String), LabelError> {
    let (key, value) = text.split_once('=').ok_or_else(|| LabelError(text.to_owned()))?;
    if !is_label(key, value) {
        return Err(LabelError(text.to_owned()));
    }
    Ok((key.to_owned(), value.to_owned()))
}

fn is_label(key: &str, value: &str) -> bool {
    is_segment(key)
        && (1..=Selector::LABEL_VALUE_LENGTH_MAX).contains(&value.len())
        && !value.chars().any(char::is_control)
}

/// Patterns, encoded as their texts.
pub fn patterns_to_cbor(patterns: &[Pattern]) -> Cbor {
    Cbor::Array(patterns.iter().map(|pattern| Cbor::from(pattern.to_string())).collect())
}

/// Decodes patterns.
///
/// # Errors
/// When one is malformed.
pub fn patterns_from_cbor(value: &Cbor) -> Result<Vec<Pattern>, SelectorError> {
    let pattern = |text: &str| text.parse().map_err(|_| SelectorError::Malformed("a bad pattern"));
    texts(value, "patterns", Selector::ENCODED_MAX)?.into_iter().map(pattern).collect()
}

/// The bytes that a selector and patterns take together, if they may [SEL-23].
///
/// # Errors
/// When they take more than [`Selector::ENCODED_MAX`].
pub fn encoded_size(selector: &Selector, patterns: &[Pattern]) -> Result<usize, SizeError> {
    encoded_size_of(&selector.to_cbor(), &patterns_to_cbor(patterns))
}

/// As [`encoded_size`], of a selector and patterns as they travel.
///
/// # Errors
/// As [`encoded_size`].
pub fn encoded_size_of(selector: &Cbor, patterns: &Cbor) -> Result<usize, SizeError> {
    let size = |value: &Cbor| {
        let mut bytes = Vec::new();
        ciborium::into_writer(value, &mut bytes).expect("writing to memory does not fail");
        bytes.len()
    };
    let (selector, patterns) = (size(selector), size(patterns));
    if selector + patterns > Selector::ENCODED_MAX {
        return Err(SizeError { selector, patterns });
    }
    Ok(selector + patterns)
}
