//! Selectors: which variables, and which nodes.
//!
//! Start at [`Selector`] (which nodes: names, labels and a [`Predicate`]) and [`Pattern`] (which
//! variables). All rules are in `docs/spec/selectors.md`. Nothing here asks or answers questions:
//! the asker parses and sends, a node decodes and evaluates against its
//! [`Table`](crate::variable::Table), both by `question`.

mod caret;
mod display;
mod encode;
mod eval;
mod functions;
mod glob;
mod lexer;
mod nearest;
mod parser;
mod pattern;
mod predicate;
mod regex;
mod scope;
mod selector;
mod span;
mod tree;
mod vercmp;

pub use glob::{Glob, GlobError};
pub use nearest::nearest;
pub use pattern::{Pattern, PatternError};
pub use predicate::{Outcome, Predicate, PredicateError};
pub use scope::Scope;
pub use selector::{
    LabelError, Selector, SelectorError, SizeError, encoded_size, encoded_size_of, label,
    patterns_from_cbor, patterns_to_cbor,
};
pub use tree::TreeError;
pub use vercmp::vercmp;
