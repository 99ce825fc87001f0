//! Trees of predicates as CBOR, and back.
//!
//! Constants stand for themselves; every other node is an array that begins with its code. The form
//! is in `docs/spec/selectors.md`. Decoding makes nodes by the same [`Builder`] as the parser, and
//! so holds the same limits [SEL-30].

use ciborium::Value as Cbor;

use super::regex::Regex;
use super::span::Span;
use super::tree::{
    Access, Builder, Function, Index, Kind, Literal, Node, Operator, Path, Quantifier, Root,
    TreeError,
};
use crate::time::Timestamp;

const PATH: u64 = 0;
const TIMESTAMP: u64 = 1;
const DURATION: u64 = 2;
const NOT: u64 = 3;
const NEGATE: u64 = 4;
const AND: u64 = 5;
const OR: u64 = 6;
const CHOICE: u64 = 7;
const IN_LIST: u64 = 8;
const HAS: u64 = 9;
const OR_VALUE: u64 = 10;
const MATCHES: u64 = 11;
const EXISTS: u64 = 12;
const ALL: u64 = 13;
/// The first of the codes of operators, in the order of [`Operator::ALL`].
const OPERATORS: u64 = 14;
/// The first of the codes of functions, in the order of [`Function::ALL`].
const FUNCTIONS: u64 = 26;

const ROOT_LABELS: u64 = 0;
const ROOT_NODE: u64 = 1;
const ROOT_NOW: u64 = 2;
const ROOT_BOUND: u64 = 3;

/// The tree as CBOR.
pub(crate) fn encode(node: &Node) -> Cbor {
    let mut parts = Vec::new();
    let code = match &node.kind {
        Kind::Literal(literal) => return encode_literal(literal),
        Kind::Path(path) => {
            encode_path(path, &mut parts);
            PATH
        }
        Kind::Not(operand) => {
            parts.push(encode(operand));
            NOT
        }
        Kind::Negate(operand) => {
            parts.push(encode(operand));
            NEGATE
        }
        Kind::Binary(operator, left, right) => {
            parts.extend([encode(left), encode(right)]);
            OPERATORS + position(&Operator::ALL, operator)
        }
        Kind::And(operands) => {
            parts.extend(operands.iter().map(encode));
            AND
        }
        Kind::Or(operands) => {
            parts.extend(operands.iter().map(encode));
            OR
        }
        Kind::Choice(operands) => {
            parts.extend(operands.iter().map(encode));
            CHOICE
        }
        Kind::InList(operand, list) => {
            parts.push(encode(operand));
            parts.extend(list.iter().map(encode_literal));
            IN_LIST
        }
        Kind::Has(path) => {
            encode_path(path, &mut parts);
            HAS
        }
        Kind::OrValue(path, value) => {
            parts.push(encode(value));
            encode_path(path, &mut parts);
            OR_VALUE
        }
        Kind::Call(function, operands) => {
            parts.extend(operands.iter().map(encode));
            FUNCTIONS + position(&Function::ALL, function)
        }
        Kind::Matches(operand, regex) => {
            parts.extend([encode(operand), Cbor::from(regex.as_str())]);
            MATCHES
        }
        Kind::Each(quantifier, path, body) => {
            parts.push(encode(body));
            encode_path(path, &mut parts);
            match quantifier {
                Quantifier::Exists => EXISTS,
                Quantifier::All => ALL,
            }
        }
    };
    parts.insert(0, Cbor::from(code));
    Cbor::Array(parts)
}

fn position<T: PartialEq>(all: &[T], one: &T) -> u64 {
    all.iter().take_while(|other| *other != one).count() as u64
}

fn encode_literal(literal: &Literal) -> Cbor {
    match literal {
        Literal::Bool(truth) => Cbor::Bool(*truth),
        Literal::Int(number) => Cbor::from(*number),
        Literal::Float(number) => Cbor::Float(*number),
        Literal::Text(text) => Cbor::from(text.as_str()),
        Literal::Timestamp(time) => {
            Cbor::Array(vec![Cbor::from(TIMESTAMP), Cbor::from(time.as_millis())])
        }
        Literal::Duration(span) => Cbor::Array(vec![Cbor::from(DURATION), Cbor::from(span.0)]),
    }
}

fn encode_path(path: &Path, parts: &mut Vec<Cbor>) {
    parts.push(match &path.root {
        Root::Labels => Cbor::from(ROOT_LABELS),
        Root::Node => Cbor::from(ROOT_NODE),
        Root::Now => Cbor::from(ROOT_NOW),
        Root::Bound => Cbor::from(ROOT_BOUND),
        Root::Variables(root) => Cbor::from(root.as_str()),
    });
    for access in &path.accesses {
        let index = match &access.index {
            Index::Text(text) => Cbor::from(text.as_str()),
            Index::Number(number) => Cbor::from(*number),
            Index::Bound => Cbor::Null,
        };
        parts.push(if access.optional { Cbor::Array(vec![index]) } else { index });
    }
}

/// The tree from CBOR.
pub(crate) fn decode(value: &Cbor) -> Result<Node, TreeError> {
    let mut decoder = Decoder::default();
    let node = decoder.node(value, 1)?;
    Builder::whole(node)
}

#[derive(Default)]
struct Decoder {
    builder: Builder,
}

impl Decoder {
    fn node(&mut self, value: &Cbor, depth: usize) -> Result<Node, TreeError> {
        if depth > TreeError::DEPTH_MAX {
            return Err(TreeError::TooDeep);
        }
        if let Some(literal) = decode_literal(value)? {
            return self.builder.node(Kind::Literal(literal));
        }
        let Cbor::Array(parts) = value else { return Err(malformed("a node of no known type")) };
        let Some((code, parts)) = parts.split_first() else {
            return Err(malformed("a node without a code"));
        };
        let code = small(code).ok_or(malformed("a node without a code"))?;
        let kind = match code {
            EXISTS | ALL => self.each(code, parts, depth)?,
            PATH => Kind::Path(decode_path(parts)?),
            HAS => Kind::Has(decode_path(parts)?),
            OR_VALUE => {
                let (value, path) = split(parts)?;
                Kind::OrValue(decode_path(path)?, Box::new(self.node(value, depth + 1)?))
            }
            MATCHES => {
                let [operand, pattern] = exactly(parts)?;
                let pattern = pattern.as_text().ok_or(malformed("a pattern that is no text"))?;
                let operand = Box::new(self.node(operand, depth + 1)?);
                Kind::Matches(operand, Regex::new(pattern.to_owned())?)
            }
            IN_LIST => {
                let (operand, list) = split(parts)?;
                if list.len() > TreeError::LIST_MAX {
                    return Err(TreeError::ListTooLong);
                }
                let literal = |value| {
                    decode_literal(value)?.ok_or(malformed("a list with more than constants"))
                };
                let list = list.iter().map(literal).collect::<Result<_, _>>()?;
                Kind::InList(Box::new(self.node(operand, depth + 1)?), list)
            }
            _ => self.operands(code, parts, depth)?,
        };
        self.builder.node(kind)
    }

    /// A node of nothing but operands.
    fn operands(&mut self, code: u64, parts: &[Cbor], depth: usize) -> Result<Kind, TreeError> {
        if parts.len() > TreeError::NODES_MAX {
            return Err(TreeError::TooManyNodes);
        }
        let nodes = parts.iter().map(|part| self.node(part, depth + 1));
        let operands = nodes.collect::<Result<Vec<_>, _>>()?;
        let place = |first: u64| usize::try_from(code.checked_sub(first)?).ok();
        let operator = place(OPERATORS).and_then(|place| Operator::ALL.get(place));
        let function = place(FUNCTIONS).and_then(|place| Function::ALL.get(place));
        Ok(match (code, operator, function) {
            (NOT, _, _) => Kind::Not(one(operands)?),
            (NEGATE, _, _) => Kind::Negate(one(operands)?),
            (AND, _, _) => Kind::And(operands),
            (OR, _, _) => Kind::Or(operands),
            (CHOICE, _, _) => Kind::Choice(Box::new(array(operands)?)),
            (_, Some(operator), _) => {
                let [left, right] = array(operands)?;
                Kind::Binary(*operator, Box::new(left), Box::new(right))
            }
            (_, _, Some(function)) => Kind::Call(*function, operands),
            (_, None, None) => return Err(malformed("a node of an unknown code")),
        })
    }

    fn each(&mut self, code: u64, parts: &[Cbor], depth: usize) -> Result<Kind, TreeError> {
        let (body, path) = split(parts)?;
        let path = decode_path(path)?;
        self.builder.enter_each()?;
        let body = self.node(body, depth + 1)?;
        self.builder.leave_each();
        let quantifier = if code == ALL { Quantifier::All } else { Quantifier::Exists };
        Ok(Kind::Each(quantifier, path, Box::new(body)))
    }
}

fn malformed(what: &'static str) -> TreeError {
    TreeError::Malformed(what)
}

fn small(value: &Cbor) -> Option<u64> {
    value.as_integer().and_then(|number| u64::try_from(number).ok())
}

fn split(parts: &[Cbor]) -> Result<(&Cbor, &[Cbor]), TreeError> {
    parts.split_first().ok_or(malformed("a node without operands"))
}

fn exactly<const N: usize>(parts: &[Cbor]) -> Result<&[Cbor; N], TreeError> {
    parts.try_into().map_err(|_| malformed("a node with the wrong number of operands"))
}

fn array<const N: usize>(nodes: Vec<Node>) -> Result<[Node; N], TreeError> {
    nodes.try_into().map_err(|_| malformed("a node with the wrong number of operands"))
}

fn one(nodes: Vec<Node>) -> Result<Box<Node>, TreeError> {
    let [node] = array(nodes)?;
    Ok(Box::new(node))
}

/// The constant that the value is, if it is one.
fn decode_literal(value: &Cbor) -> Result<Option<Literal>, TreeError> {
    Ok(Some(match value {
        Cbor::Bool(truth) => Literal::Bool(*truth),
        Cbor::Float(number) => Literal::Float(*number),
        Cbor::Text(text) => Literal::Text(text.clone()),
        Cbor::Integer(number) => {
            Literal::Int(i64::try_from(*number).map_err(|_| TreeError::Range("number"))?)
        }
        Cbor::Array(parts) => {
            let [code, number] = parts.as_slice() else { return Ok(None) };
            let number = number.as_integer().and_then(|number| i64::try_from(number).ok());
            match (small(code), number) {
                (Some(TIMESTAMP), Some(number)) => {
                    Literal::Timestamp(Timestamp::from_millis(number))
                }
                (Some(DURATION), Some(number)) => Literal::Duration(Span(number)),
                (Some(TIMESTAMP | DURATION), None) => return Err(TreeError::Range("time")),
                (_, _) => return Ok(None),
            }
        }
        _ => return Ok(None),
    }))
}

fn decode_path(parts: &[Cbor]) -> Result<Path, TreeError> {
    let Some((root, accesses)) = parts.split_first() else {
        return Err(malformed("a path without a root"));
    };
    if accesses.len() > TreeError::ACCESSES_MAX {
        return Err(TreeError::Path);
    }
    let root = match (root, small(root)) {
        (Cbor::Text(root), _) => Root::Variables(root.clone()),
        (_, Some(ROOT_LABELS)) => Root::Labels,
        (_, Some(ROOT_NODE)) => Root::Node,
        (_, Some(ROOT_NOW)) => Root::Now,
        (_, Some(ROOT_BOUND)) => Root::Bound,
        (_, _) => return Err(malformed("a path from an unknown root")),
    };
    let accesses = accesses.iter().map(decode_access).collect::<Result<_, _>>()?;
    Ok(Path { root, accesses })
}

fn decode_access(value: &Cbor) -> Result<Access, TreeError> {
    let (value, optional) = match value {
        Cbor::Array(parts) => (&exactly::<1>(parts)?[0], true),
        value => (value, false),
    };
    let index = match value {
        Cbor::Text(text) => Index::Text(text.clone()),
        Cbor::Null => Index::Bound,
        Cbor::Integer(number) => {
            let number = i64::try_from(*number).map_err(|_| TreeError::Range("number"))?;
            if number < 0 {
                return Err(TreeError::Range("index"));
            }
            Index::Number(number)
        }
        _ => return Err(malformed("an index of an unknown type")),
    };
    Ok(Access { index, optional })
}
