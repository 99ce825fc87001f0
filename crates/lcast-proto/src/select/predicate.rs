//! Predicates: what a node must fulfil to answer, like `system.cpu.load_1m > 2`.

use std::fmt;

use ciborium::Value as Cbor;

use super::caret::caret;
use super::scope::{Meter, Scope};
use super::tree::{Access, Index, Kind, Node, Path, Root, TreeError};
use super::{encode, eval, parser};

/// A checked predicate: a small part of the Common Expression Language (CEL), whose cost is bounded
/// before it runs.
///
/// The asker makes one by [`Predicate::parse`], nodes by [`Predicate::from_cbor`]; both hold the
/// same limits [SEL-30].
///
/// ```
/// use lcast_proto::select::Predicate;
/// let predicate = Predicate::parse("system.cpu.load_1m > 2 || !has(app.release)").unwrap();
/// assert_eq!(predicate.reads(), ["app.release", "system.cpu.load_1m"]);
/// let text = "system.cpu.load_1m = 2";
/// let error = Predicate::parse(text).unwrap_err();
/// assert!(error.render(text).contains("write '=='"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Predicate {
    root: Node,
}

/// What a predicate says about a node [SEL-37].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// True: the node is meant.
    Match,
    /// False: it is not.
    NoMatch,
    /// A variable or key is missing, or null: no match, counted apart.
    Undefined,
    /// It cannot be said, and why.
    Error(String),
}

/// Why a text is no predicate, where in it, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}{hint}", if hint.is_empty() { "" } else { "; " })]
pub struct PredicateError {
    /// The byte of the text at fault.
    pub at: usize,
    /// What is wrong.
    pub message: String,
    /// The way out; empty where the message says it.
    pub hint: String,
}

impl Predicate {
    /// Reads a predicate.
    ///
    /// # Errors
    /// The first thing wrong, with its place.
    pub fn parse(text: &str) -> Result<Self, PredicateError> {
        Ok(Self { root: parser::parse(text)? })
    }

    /// Most steps of one evaluation; a step is the work of some ten nanoseconds [SEL-42].
    pub const STEPS_MAX: u32 = Meter::STEPS_MAX;

    /// Evaluates at a node, within a bounded number of steps [SEL-42].
    pub fn evaluate(&self, scope: &Scope<'_>) -> Outcome {
        self.evaluate_counted(scope).0
    }

    /// Evaluates and says how many steps that took, at most [`Predicate::STEPS_MAX`].
    pub fn evaluate_counted(&self, scope: &Scope<'_>) -> (Outcome, u32) {
        eval::evaluate(&self.root, scope)
    }

    /// The checked tree, encoded.
    pub fn to_cbor(&self) -> Cbor {
        encode::encode(&self.root)
    }

    /// Decodes a tree and checks every limit again.
    ///
    /// # Errors
    /// The first rule that the tree breaks.
    pub fn from_cbor(value: &Cbor) -> Result<Self, TreeError> {
        Ok(Self { root: encode::decode(value)? })
    }

    /// The variables that evaluation may read, as templates, sorted: `system.filesystem[*].usage`.
    ///
    /// A path may go on into the value of a map variable, so that a variable's name can be the
    /// beginning of what is listed here; a path that ends above variables reads all below it.
    pub fn reads(&self) -> Vec<String> {
        let mut reads = Vec::new();
        self.visit_paths(|path| {
            if let Root::Variables(root) = &path.root {
                let mut text = root.clone();
                for access in &path.accesses {
                    match plain_segment(access) {
                        Some(segment) => text.extend([".", segment]),
                        None => text.push_str("[*]"),
                    }
                }
                reads.push(text);
            }
        });
        reads.sort();
        reads.dedup();
        reads
    }

    /// Whether evaluation may read a variable at or below this template prefix (`system.memory`).
    pub fn touches(&self, prefix: &str) -> bool {
        let mut touches = false;
        self.visit_paths(|path| {
            let Root::Variables(root) = &path.root else { return };
            let mut steps = prefix.split(['.', '[']);
            let same = |(access, step): (&Access, &str)| match &access.index {
                Index::Text(text) => step == "*]" || step == text,
                Index::Number(_) | Index::Bound => true,
            };
            touches |= steps.next() == Some(root) && path.accesses.iter().zip(steps).all(same);
        });
        touches
    }

    /// How many regular expressions it holds.
    pub(crate) fn regexes(&self) -> usize {
        let mut count = 0;
        self.visit(|node| count += usize::from(matches!(node.kind, Kind::Matches(..))));
        count
    }

    fn visit_paths(&self, mut visit: impl FnMut(&Path)) {
        self.visit(|node| {
            if let Some(path) = node.kind.path() {
                visit(path);
            }
        });
    }

    fn visit<'a>(&'a self, mut visit: impl FnMut(&'a Node)) {
        let mut nodes = vec![&self.root];
        while let Some(node) = nodes.pop() {
            visit(node);
            node.kind.children(|child| nodes.push(child));
        }
    }

    pub(crate) fn root(&self) -> &Node {
        &self.root
    }
}

/// The segment that an access is, if it was not written or must not be read as a key.
fn plain_segment(access: &Access) -> Option<&str> {
    match &access.index {
        Index::Text(text) if crate::name::is_segment(text) => Some(text),
        Index::Text(_) | Index::Number(_) | Index::Bound => None,
    }
}

impl PredicateError {
    pub(crate) fn new(at: usize, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { at, message: message.into(), hint: hint.into() }
    }

    pub(crate) fn from_tree(at: usize, error: &TreeError) -> Self {
        Self::new(at, error.to_string(), "")
    }

    /// The error for people: the message, and the text with a caret under the place.
    pub fn render(&self, text: &str) -> String {
        format!("predicate: {self}\n{}", caret(text, self.at))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Match => f.write_str("match"),
            Self::NoMatch => f.write_str("no_match"),
            Self::Undefined => f.write_str("undefined"),
            Self::Error(message) => write!(f, "error: {message}"),
        }
    }
}

impl std::str::FromStr for Predicate {
    type Err = PredicateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}
