//! What the authority says about a member: name, kind, labels, roles, validity.
//!
//! Parsed once into types that keep the limits; certificates and member lists are built of them.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::name::{is_segment, is_unseen};
use crate::time::Timestamp;
use crate::wire::cbor::Cbor;

/// The name of a member: 1 to 63 bytes, a letter or digit, then also `.`, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Arc<str>);

/// What a member is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A long-running node that speaks for a host and is expected to answer.
    Agent,
    /// A person's or a program's node, never expected to answer.
    Client,
}

/// The certified labels of a member, in order of key; cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Arc<[(Box<str>, Box<str>)]>);

/// The roles of a member, in order; cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles(Arc<[Box<str>]>);

/// What a certificate is to say about a member; its keys come beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its name, unique in the realm.
    pub name: NodeName,
    /// What it is for.
    pub kind: Kind,
    /// Its labels.
    pub labels: Labels,
    /// Its roles.
    pub roles: Roles,
    /// From when it is a member.
    pub not_before: Timestamp,
    /// Until when it is a member.
    pub not_after: Timestamp,
}

#[cfg(test)]
impl Subject {
    /// A member with neither labels nor roles, for a day from this time.
    pub(crate) fn plain(name: &str, kind: Kind, from: Timestamp) -> Self {
        Self {
            name: name.parse().unwrap(),
            kind,
            labels: Labels::default(),
            roles: Roles::default(),
            not_before: from,
            not_after: from.saturating_add(std::time::Duration::from_secs(24 * 3600)),
        }
    }
}

/// Why something about a member cannot be said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// A text that is no name of a member.
    #[error(
        "'{0}' is no name of a node: 1 to {max} bytes, a letter or digit first, then letters, \
         digits, '.', '_' or '-'",
        max = NodeName::LENGTH_MAX
    )]
    Name(String),
    /// A text that is no name of a realm.
    #[error(
        "'{0}' is no name of a realm: 1 to {max} bytes, a letter or digit first, then letters, \
         digits, '.', '_' or '-'",
        max = NodeName::LENGTH_MAX
    )]
    Realm(String),
    /// A label's key that is no segment.
    #[error(
        "label '{0}': a key is a lower-case letter, then lower-case letters, digits or '_', 32 \
         bytes at most"
    )]
    LabelKey(String),
    /// A label's value that is empty, too long or not printable.
    #[error("label '{0}': a value is 1 to {max} printable bytes", max = Labels::VALUE_LENGTH_MAX)]
    LabelValue(String),
    /// A label's value with a character that nobody sees, or that turns text around.
    #[error(
        "label '{key}': U+{code:04X} in its value cannot be seen, or turns text around; leave it \
         out",
        code = u32::from(*.character)
    )]
    LabelUnseen {
        /// The label's key.
        key: String,
        /// The character.
        character: char,
    },
    /// The same label twice.
    #[error("label '{0}' is given twice")]
    LabelTwice(String),
    /// More labels than a member may have.
    #[error("{0} labels: a member has at most {max}", max = Labels::COUNT_MAX)]
    LabelCount(usize),
    /// A text that is no role.
    #[error(
        "'{0}' is no role: a lower-case letter, then lower-case letters, digits or '_', 32 bytes \
         at most"
    )]
    Role(String),
    /// More roles than a member may have.
    #[error("{0} roles: a member has at most {max}", max = Roles::COUNT_MAX)]
    RoleCount(usize),
}

impl NodeName {
    /// Longest name in bytes.
    pub const LENGTH_MAX: usize = 63;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let first = text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        let rest = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !first || text.len() > Self::LENGTH_MAX || !text.bytes().all(rest) {
            return Err(SubjectError::Name(text.to_owned()));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for NodeName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Kind {
    /// The word for this kind.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Client => "client",
        }
    }

    /// The number for this kind in certificates and lists.
    pub(super) const fn code(self) -> u64 {
        match self {
            Self::Agent => 0,
            Self::Client => 1,
        }
    }

    /// The kind of a number.
    pub(super) const fn from_code(code: u64) -> Option<Self> {
        match code {
            0 => Some(Self::Agent),
            1 => Some(Self::Client),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Labels {
    /// Most labels of a member.
    pub const COUNT_MAX: usize = 8;
    /// Longest value in bytes.
    pub const VALUE_LENGTH_MAX: usize = 63;

    /// Labels of these keys and values, to be certified. [SEC-27]
    ///
    /// # Errors
    /// When one is malformed, given twice, or one too many.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, SubjectError> {
        let pairs: Vec<(String, String)> = pairs.into_iter().collect();
        for (key, value) in &pairs {
            if let Some(character) = value.chars().find(|char| is_unseen(*char)) {
                return Err(SubjectError::LabelUnseen { key: key.clone(), character });
            }
        }
        Self::certified(pairs)
    }

    /// The same of labels that are certified: what an authority said is taken, seen or not.
    fn certified(pairs: Vec<(String, String)>) -> Result<Self, SubjectError> {
        let mut labels: Vec<(Box<str>, Box<str>)> = Vec::new();
        for (key, value) in pairs {
            if !is_segment(&key) {
                return Err(SubjectError::LabelKey(key));
            }
            let fits = (1..=Self::VALUE_LENGTH_MAX).contains(&value.len());
            if !fits || value.chars().any(char::is_control) {
                return Err(SubjectError::LabelValue(key));
            }
            match labels.binary_search_by(|(known, _)| known.as_ref().cmp(key.as_str())) {
                Ok(_) => return Err(SubjectError::LabelTwice(key)),
                Err(place) => labels.insert(place, (key.into(), value.into())),
            }
        }
        if labels.len() > Self::COUNT_MAX {
            return Err(SubjectError::LabelCount(labels.len()));
        }
        Ok(Self(labels.into()))
    }

    /// The value of a label.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// All labels in order of key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), value.as_ref()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn to_cbor(&self) -> Cbor {
        Cbor::Map(self.iter().map(|(key, value)| (key.into(), value.into())).collect())
    }

    pub(super) fn from_cbor(item: Cbor) -> Option<Self> {
        let pairs = item.into_map().ok()?;
        if pairs.len() > Self::COUNT_MAX {
            return None;
        }
        let pairs: Option<Vec<(String, String)>> = pairs
            .into_iter()
            .map(|(key, value)| Some((key.into_text().ok()?, value.into_text().ok()?)))
            .collect();
        Self::certified(pairs?).ok()
    }
}

impl Roles {
    /// Most roles of a member.
    pub const COUNT_MAX: usize = 8;
    /// The role that may set variables and call actions.
    pub const OPERATOR: &str = "operator";
    /// The role that may manage the realm; it is an operator too.
    pub const ADMIN: &str = "admin";

    /// These roles; naming one twice is naming it once.
    ///
    /// # Errors
    /// When one is malformed, or one too many.
    pub fn new(roles: impl IntoIterator<Item = String>) -> Result<Self, SubjectError> {
        let mut sorted: Vec<Box<str>> = Vec::new();
        for role in roles {
            if !is_segment(&role) {
                return Err(SubjectError::Role(role));
            }
            if let Err(place) = sorted.binary_search_by(|known| known.as_ref().cmp(&role)) {
                sorted.insert(place, role.into());
            }
        }
        if sorted.len() > Self::COUNT_MAX {
            return Err(SubjectError::RoleCount(sorted.len()));
        }
        Ok(Self(sorted.into()))
    }

    /// Whether the role is held, an admin holding `operator` as well.
    pub fn holds(&self, role: &str) -> bool {
        let named = |role: &str| self.iter().any(|known| known == role);
        named(role) || (role == Self::OPERATOR && named(Self::ADMIN))
    }

    /// The roles as named, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn to_cbor(&self) -> Cbor {
        Cbor::Array(self.iter().map(Cbor::from).collect())
    }

    pub(super) fn from_cbor(item: Cbor) -> Option<Self> {
        let items = item.into_array().ok()?;
        if items.len() > Self::COUNT_MAX {
            return None;
        }
        let roles: Option<Vec<String>> =
            items.into_iter().map(|role| role.into_text().ok()).collect();
        Self::new(roles?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_limits() {
        let long = "n".repeat(63);
        for good in ["web1", "9", "Web-1.example_x", &long] {
            assert_eq!(good.parse::<NodeName>().unwrap().as_str(), good);
        }
        let too_long = "n".repeat(64);
        for bad in ["", "-a", ".a", "_a", "a b", "a/b", "a\u{e9}", "a\n", &too_long] {
            let error = bad.parse::<NodeName>().unwrap_err();
            assert_eq!(error, SubjectError::Name(bad.to_owned()));
        }
    }

    fn labels(pairs: &[(&str, &str)]) -> Result<Labels, SubjectError> {
        Labels::new(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn labels_keep_their_limits() {
        let value = "v".repeat(63);
        let keys: Vec<String> = (0..9).map(|index| format!("k{index}")).collect();
        let pairs: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "x")).collect();
        assert!(labels(&pairs[..8]).is_ok());
        assert_eq!(labels(&pairs), Err(SubjectError::LabelCount(9)));
        assert_eq!(labels(&[("role", &value)]).unwrap().get("role"), Some(value.as_str()));
        let value = "v".repeat(64);
        for (pairs, expected) in [
            (&[("role", value.as_str())][..], SubjectError::LabelValue("role".to_owned())),
            (&[("role", "")][..], SubjectError::LabelValue("role".to_owned())),
            (&[("role", "a\tb")][..], SubjectError::LabelValue("role".to_owned())),
            (&[("Role", "a")][..], SubjectError::LabelKey("Role".to_owned())),
            (&[("", "a")][..], SubjectError::LabelKey(String::new())),
            (&[("a", "1"), ("a", "2")][..], SubjectError::LabelTwice("a".to_owned())),
        ] {
            assert_eq!(labels(pairs), Err(expected));
        }
    }

    /// Two nodes whose labels look the same and are not. [SEC-27]
    #[test]
    fn no_label_is_issued_with_what_nobody_sees() {
        for (character, code) in
            [('\u{202e}', "U+202E"), ('\u{feff}', "U+FEFF"), ('\u{ad}', "U+00AD")]
        {
            let value = format!("a{character}b");
            let error = labels(&[("role", &value)]).unwrap_err();
            let expected = SubjectError::LabelUnseen { key: "role".to_owned(), character };
            assert_eq!(error, expected);
            assert!(error.to_string().contains(code), "{error}");
            // What was issued before goes on.
            let known = Labels::certified(vec![("role".to_owned(), value.clone())]).unwrap();
            assert_eq!(Labels::from_cbor(known.to_cbor()).unwrap().get("role"), Some(&*value));
        }
        assert!(labels(&[("role", "gr\u{fc}n \u{2014} \u{6771}")]).is_ok());
    }

    #[test]
    fn roles_keep_their_limits_and_admin_is_an_operator() {
        let roles = |count: usize| Roles::new((0..count).map(|index| format!("r{index}")));
        assert!(roles(8).is_ok());
        assert_eq!(roles(9), Err(SubjectError::RoleCount(9)));
        assert_eq!(
            Roles::new(["no role".to_owned()]),
            Err(SubjectError::Role("no role".to_owned()))
        );
        let admin = Roles::new(["admin".to_owned()]).unwrap();
        assert!(admin.holds("operator") && admin.holds("admin") && !admin.holds("auditor"));
        let operator = Roles::new(["operator".to_owned()]).unwrap();
        assert!(operator.holds("operator") && !operator.holds("admin"));
    }
}
