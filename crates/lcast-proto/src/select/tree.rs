//! The checked tree of a predicate: what the parser makes, the wire carries and nodes evaluate.
//!
//! Nodes of the tree are only made by [`Builder`], which holds every limit and rule of form, for
//! the parser and for the decoder alike. So a tree that exists is within its limits.

use super::regex::Regex;
use super::span::Span;
use crate::name::{self, Name};
use crate::time::Timestamp;

/// One node of the tree, with the depth of what is below it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    depth: u8,
}

/// What a node does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Literal(Literal),
    Path(Path),
    Not(Box<Node>),
    Negate(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    /// `&&` of two or more.
    And(Vec<Node>),
    /// `||` of two or more.
    Or(Vec<Node>),
    /// `condition ? yes : no`.
    Choice(Box<[Node; 3]>),
    /// `x in [constants]`.
    InList(Box<Node>, Vec<Literal>),
    Has(Path),
    /// `path.orValue(x)`.
    OrValue(Path, Box<Node>),
    Call(Function, Vec<Node>),
    Matches(Box<Node>, Regex),
    /// `path.exists(k, body)` or `path.all(k, body)`.
    Each(Quantifier, Path, Box<Node>),
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Timestamp(Timestamp),
    Duration(Span),
}

/// A root and the accesses that follow it: `system.filesystem["/var"].?usage`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    pub(crate) root: Root,
    pub(crate) accesses: Vec<Access>,
}

/// Where a path begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Root {
    Labels,
    Node,
    Now,
    /// The variable that `exists` or `all` binds.
    Bound,
    /// The first segment of names of variables.
    Variables(String),
}

/// One access of a path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Access {
    pub(crate) index: Index,
    /// `.?a` or `[?"a"]`.
    pub(crate) optional: bool,
}

/// What an access looks up.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Index {
    /// `.a` or `["a"]`, which mean the same.
    Text(String),
    /// `[0]`, in a list.
    Number(i64),
    /// `[k]`.
    Bound,
}

/// An operator with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

/// A function of one or two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Int,
    Double,
    String,
    Vercmp,
}

/// `exists` or `all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantifier {
    Exists,
    All,
}

/// Makes nodes, and holds the limits over a whole predicate.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    nodes: usize,
    regexes: usize,
    /// Inside the body of `exists` or `all`.
    in_each: bool,
}

/// A rule or limit of predicates that a tree breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// More nodes than [`TreeError::NODES_MAX`].
    #[error(
        "the predicate has more than {} operands and operators; ask two questions or shorten it",
        TreeError::NODES_MAX
    )]
    TooManyNodes,
    /// Deeper than [`TreeError::DEPTH_MAX`].
    #[error(
        "the predicate is nested more than {} deep; split it at && or ||, which may be long",
        TreeError::DEPTH_MAX
    )]
    TooDeep,
    /// A list of constants longer than [`TreeError::LIST_MAX`].
    #[error("a list holds at most {} constants", TreeError::LIST_MAX)]
    ListTooLong,
    /// A regular expression longer than [`TreeError::REGEX_LENGTH_MAX`].
    #[error("a regular expression is at most {} bytes long", TreeError::REGEX_LENGTH_MAX)]
    RegexTooLong,
    /// More regular expressions than [`TreeError::REGEXES_MAX`].
    #[error(
        "a predicate has at most {} regular expressions; join them by '|'",
        TreeError::REGEXES_MAX
    )]
    TooManyRegexes,
    /// A text that is no regular expression.
    #[error("this is no regular expression: {0}")]
    Regex(String),
    /// A regular expression whose automaton would be too large [SEL-33].
    #[error(
        "this regular expression is too complex; use fewer counted repetitions, like {{1,20}}, or \
         a simpler test"
    )]
    RegexTooComplex,
    /// A regular expression that ignores the case of more than ASCII [SEL-33].
    #[error(
        "a regular expression with (?i) holds ASCII only, without sets inside of sets; write both \
         cases out, like [aA]"
    )]
    RegexFold,
    /// A regular expression with blanks and comments, which RE2 has not either.
    #[error("a regular expression cannot have the flag x, for blanks and comments")]
    RegexBlanks,
    /// `exists` or `all` inside of another.
    #[error("exists and all cannot be nested")]
    NestedEach,
    /// The variable of `exists` or `all` outside of it.
    #[error("the variable of exists or all is used outside of it")]
    Unbound,
    /// A path with `.?` whose value is used without `.orValue(x)`.
    #[error("a path with '?' needs a value for when it is missing: end it with .orValue(x)")]
    Optional,
    /// `.orValue(x)` after a path without `.?`.
    #[error("orValue needs a path with '?', like app.?release.orValue(\"none\")")]
    NotOptional,
    /// `has` without anything to look for.
    #[error("has takes a path with at least one dot, like has(app.release)")]
    HasRoot,
    /// A path of too many or too long parts.
    #[error(
        "a path has at most {} parts after its first, each 1 to {} bytes",
        TreeError::ACCESSES_MAX,
        Name::KEY_LENGTH_MAX
    )]
    Path,
    /// A root that no variable has.
    #[error("'{0}' cannot begin a name: it is a reserved word or no lower-case segment")]
    Root(String),
    /// A number, time or duration outside the range of its type.
    #[error("this {0} is outside the range that predicates can hold")]
    Range(&'static str),
    /// A function with too few or too many operands.
    #[error("{0} takes {1} operand(s)")]
    Operands(&'static str, usize),
    /// Something that is never true or false stands for the whole predicate.
    #[error("a predicate is true or false; compare this with something, like {0}")]
    NotBool(&'static str),
    /// The encoded tree does not have the form of one.
    #[error("malformed predicate: {0}")]
    Malformed(&'static str),
}

impl TreeError {
    /// Most nodes of a tree [SEL-31].
    pub const NODES_MAX: usize = 64;
    /// Deepest nesting of a tree [SEL-31].
    pub const DEPTH_MAX: usize = 8;
    /// Most constants of a list [SEL-32].
    pub const LIST_MAX: usize = 64;
    /// Longest regular expression in bytes [SEL-33].
    pub const REGEX_LENGTH_MAX: usize = 128;
    /// Most regular expressions of a predicate [SEL-33].
    pub const REGEXES_MAX: usize = 4;
    /// Most accesses of a path after its root.
    pub const ACCESSES_MAX: usize = 15;
}

impl Builder {
    /// A node of this kind.
    ///
    /// # Errors
    /// The first limit or rule that it breaks. Children were checked when they were made.
    pub(crate) fn node(&mut self, kind: Kind) -> Result<Node, TreeError> {
        self.nodes += 1;
        if self.nodes > TreeError::NODES_MAX {
            return Err(TreeError::TooManyNodes);
        }
        let mut depth = 0;
        let mut bare_optional = false;
        kind.children(|child| {
            depth = depth.max(child.depth);
            bare_optional |= child.is_optional();
        });
        let depth = depth + 1;
        if usize::from(depth) > TreeError::DEPTH_MAX {
            return Err(TreeError::TooDeep);
        }
        if bare_optional {
            return Err(TreeError::Optional);
        }
        self.check(&kind)?;
        Ok(Node { kind, depth })
    }

    fn check(&mut self, kind: &Kind) -> Result<(), TreeError> {
        match kind {
            Kind::Literal(literal) => literal.check(),
            Kind::Path(path) => self.check_path(path),
            Kind::Has(path) if path.accesses.is_empty() => Err(TreeError::HasRoot),
            Kind::Has(path) => self.check_path(path),
            Kind::OrValue(path, _) if !path.is_optional() => Err(TreeError::NotOptional),
            Kind::OrValue(path, _) => self.check_path(path),
            Kind::Each(_, path, _) if path.is_optional() => Err(TreeError::Optional),
            Kind::Each(_, path, _) => self.check_path(path),
            Kind::InList(_, list) if list.len() > TreeError::LIST_MAX => {
                Err(TreeError::ListTooLong)
            }
            Kind::InList(_, list) => list.iter().try_for_each(Literal::check),
            Kind::And(operands) | Kind::Or(operands) if operands.len() < 2 => {
                Err(TreeError::Malformed("a chain of fewer than two operands"))
            }
            Kind::Call(function, operands) if operands.len() != function.operands() => {
                Err(TreeError::Operands(function.as_str(), function.operands()))
            }
            Kind::Matches(..) => {
                self.regexes += 1;
                let enough = self.regexes <= TreeError::REGEXES_MAX;
                if enough { Ok(()) } else { Err(TreeError::TooManyRegexes) }
            }
            Kind::Not(_)
            | Kind::Negate(_)
            | Kind::Binary(..)
            | Kind::And(_)
            | Kind::Or(_)
            | Kind::Choice(_)
            | Kind::Call(..) => Ok(()),
        }
    }

    fn check_path(&self, path: &Path) -> Result<(), TreeError> {
        let binds = |access: &Access| access.index == Index::Bound;
        if !self.in_each && (path.root == Root::Bound || path.accesses.iter().any(binds)) {
            return Err(TreeError::Unbound);
        }
        let fits = |access: &Access| match &access.index {
            Index::Text(text) => (1..=Name::KEY_LENGTH_MAX).contains(&text.len()),
            Index::Number(_) | Index::Bound => true,
        };
        if path.accesses.len() > TreeError::ACCESSES_MAX || !path.accesses.iter().all(fits) {
            return Err(TreeError::Path);
        }
        match &path.root {
            Root::Variables(root) if !is_root(root) => Err(TreeError::Root(root.clone())),
            Root::Variables(_) | Root::Labels | Root::Node | Root::Now | Root::Bound => Ok(()),
        }
    }

    /// A builder for what does not count, at the same place.
    pub(crate) fn beside(&self) -> Self {
        Self { in_each: self.in_each, ..Self::default() }
    }

    /// Enters the body of `exists` or `all`.
    pub(crate) fn enter_each(&mut self) -> Result<(), TreeError> {
        if self.in_each {
            return Err(TreeError::NestedEach);
        }
        self.in_each = true;
        Ok(())
    }

    /// Leaves the body of `exists` or `all`.
    pub(crate) fn leave_each(&mut self) {
        self.in_each = false;
    }

    /// Checks that this node can stand for the whole predicate.
    pub(crate) fn whole(node: Node) -> Result<Node, TreeError> {
        if node.is_optional() {
            return Err(TreeError::Optional);
        }
        match &node.kind {
            Kind::Literal(Literal::Bool(_)) => Ok(node),
            Kind::Literal(_) => Err(TreeError::NotBool("os.type == \"linux\"")),
            Kind::Negate(_)
            | Kind::Binary(
                Operator::Add
                | Operator::Subtract
                | Operator::Multiply
                | Operator::Divide
                | Operator::Remainder,
                ..,
            ) => Err(TreeError::NotBool("system.memory.usage / 1024 > 100")),
            Kind::Call(Function::Size | Function::Int | Function::Double | Function::String, _) => {
                Err(TreeError::NotBool("size(host.ip) > 1"))
            }
            Kind::Call(Function::Vercmp, _) => {
                Err(TreeError::NotBool("vercmp(os.version, \"12.8\") < 0"))
            }
            Kind::Path(path) if path.root == Root::Now => {
                Err(TreeError::NotBool("now > timestamp(\"2027-01-01T00:00:00Z\")"))
            }
            _ => Ok(node),
        }
    }
}

impl Node {
    fn is_optional(&self) -> bool {
        matches!(&self.kind, Kind::Path(path) if path.is_optional())
    }
}

impl Kind {
    /// Calls `visit` with each direct child.
    pub(crate) fn children<'a>(&'a self, mut visit: impl FnMut(&'a Node)) {
        match self {
            Self::Literal(_) | Self::Path(_) | Self::Has(_) => {}
            Self::Not(child)
            | Self::Negate(child)
            | Self::InList(child, _)
            | Self::OrValue(_, child)
            | Self::Matches(child, _)
            | Self::Each(_, _, child) => visit(child),
            Self::Binary(_, left, right) => {
                visit(left);
                visit(right);
            }
            Self::And(children) | Self::Or(children) | Self::Call(_, children) => {
                children.iter().for_each(visit);
            }
            Self::Choice(children) => children.iter().for_each(visit),
        }
    }

    /// The path of this node itself, if it has one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path)
            | Self::Has(path)
            | Self::OrValue(path, _)
            | Self::Each(_, path, _) => Some(path),
            Self::Literal(_)
            | Self::Not(_)
            | Self::Negate(_)
            | Self::Binary(..)
            | Self::And(_)
            | Self::Or(_)
            | Self::Choice(_)
            | Self::InList(..)
            | Self::Call(..)
            | Self::Matches(..) => None,
        }
    }
}

impl Literal {
    fn check(&self) -> Result<(), TreeError> {
        match self {
            Self::Float(number) if !number.is_finite() => Err(TreeError::Range("number")),
            Self::Timestamp(time) if !in_range(*time) => Err(TreeError::Range("time")),
            Self::Duration(span) if !span.in_range() => Err(TreeError::Range("duration")),
            Self::Bool(_)
            | Self::Int(_)
            | Self::Float(_)
            | Self::Text(_)
            | Self::Timestamp(_)
            | Self::Duration(_) => Ok(()),
        }
    }
}

/// Whether the time is within the years 1 to 9999, as CEL has it.
pub(crate) fn in_range(time: Timestamp) -> bool {
    (-62_135_596_800_000..=253_402_300_799_999).contains(&time.as_millis())
}

impl Path {
    /// Whether the path may be missing without that being `undefined`.
    pub(crate) fn is_optional(&self) -> bool {
        self.accesses.iter().any(|access| access.optional)
    }
}

/// Whether names of variables may begin with this segment.
pub(crate) fn is_root(text: &str) -> bool {
    name::is_segment(text)
        && !name::RESERVED.contains(&text)
        && !name::RESERVED_ROOTS.contains(&text)
}

impl Operator {
    /// All operators, in the order of their codes on the wire.
    pub(crate) const ALL: [Self; 12] = [
        Self::Equal,
        Self::NotEqual,
        Self::Less,
        Self::LessOrEqual,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::In,
        Self::Add,
        Self::Subtract,
        Self::Multiply,
        Self::Divide,
        Self::Remainder,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
        }
    }
}

impl Function {
    /// All functions, in the order of their codes on the wire.
    pub(crate) const ALL: [Self; 8] = [
        Self::Size,
        Self::Contains,
        Self::StartsWith,
        Self::EndsWith,
        Self::Int,
        Self::Double,
        Self::String,
        Self::Vercmp,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Contains => "contains",
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
            Self::Int => "int",
            Self::Double => "double",
            Self::String => "string",
            Self::Vercmp => "vercmp",
        }
    }

    /// How many operands the function takes, a receiver included.
    pub(crate) const fn operands(self) -> usize {
        match self {
            Self::Size | Self::Int | Self::Double | Self::String => 1,
            Self::Contains | Self::StartsWith | Self::EndsWith | Self::Vercmp => 2,
        }
    }

    /// Whether it is written after its first operand: `a.contains(b)`.
    pub(crate) const fn is_method(self) -> bool {
        matches!(self, Self::Contains | Self::StartsWith | Self::EndsWith)
    }
}

impl Quantifier {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Exists => "exists",
            Self::All => "all",
        }
    }
}
