//! Trees of predicates as text, in a form that parses to the same tree.

use std::fmt::{self, Write};

use super::predicate::Predicate;
use super::tree::{Function, Index, Kind, Literal, Node, Operator, Path, Root};
use crate::name;

/// Binding powers, as the parser has them.
const CHOICE: u8 = 0;
const OR: u8 = 1;
const AND: u8 = 2;
const RELATION: u8 = 3;
const SUM: u8 = 4;
const PRODUCT: u8 = 5;
const SIGN: u8 = 6;
const CALL: u8 = 7;

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut writer = Writer { out: f, bound: free_name(self.root()) };
        writer.node(self.root(), CHOICE)
    }
}

struct Writer<'a, 'f> {
    out: &'a mut fmt::Formatter<'f>,
    /// What `exists` and `all` call their variable.
    bound: String,
}

/// A name for the variable of `exists` and `all` that no path of the tree begins with.
fn free_name(root: &Node) -> String {
    let mut taken = Vec::new();
    let mut nodes = vec![root];
    while let Some(node) = nodes.pop() {
        if let Some(Path { root: Root::Variables(name), .. }) = node.kind.path() {
            taken.push(name.as_str());
        }
        node.kind.children(|child| nodes.push(child));
    }
    let mut name = "k".to_owned();
    while taken.contains(&name.as_str()) {
        name.push('k');
    }
    name
}

fn power(kind: &Kind) -> u8 {
    match kind {
        Kind::Choice(_) => CHOICE,
        Kind::Or(_) => OR,
        Kind::And(_) => AND,
        Kind::InList(..) => RELATION,
        Kind::Binary(Operator::Add | Operator::Subtract, ..) => SUM,
        Kind::Binary(Operator::Multiply | Operator::Divide | Operator::Remainder, ..) => PRODUCT,
        Kind::Binary(..) => RELATION,
        Kind::Not(_) | Kind::Negate(_) => SIGN,
        Kind::Literal(Literal::Int(number)) if *number < 0 => SIGN,
        Kind::Literal(Literal::Float(number)) if number.is_sign_negative() => SIGN,
        Kind::Literal(_)
        | Kind::Path(_)
        | Kind::Has(_)
        | Kind::OrValue(..)
        | Kind::Call(..)
        | Kind::Matches(..)
        | Kind::Each(..) => CALL,
    }
}

impl Writer<'_, '_> {
    /// Writes a node, in parentheses when it binds looser than `least`.
    fn node(&mut self, node: &Node, least: u8) -> fmt::Result {
        let wrapped = power(&node.kind) < least;
        if wrapped {
            self.out.write_char('(')?;
        }
        self.kind(&node.kind)?;
        if wrapped {
            self.out.write_char(')')?;
        }
        Ok(())
    }

    fn kind(&mut self, kind: &Kind) -> fmt::Result {
        match kind {
            Kind::Literal(literal) => self.literal(literal),
            Kind::Path(path) => self.path(path),
            Kind::Not(operand) => {
                self.out.write_char('!')?;
                self.node(operand, SIGN)
            }
            Kind::Negate(operand) => {
                self.out.write_char('-')?;
                // A minus before a bare number would become part of it.
                let bare = matches!(operand.kind, Kind::Literal(_));
                self.node(operand, if bare { CALL + 1 } else { SIGN })
            }
            Kind::Binary(operator, left, right) => {
                let power = power(kind);
                let left_least = if power == RELATION { SUM } else { power };
                self.node(left, left_least)?;
                write!(self.out, " {} ", operator.as_str())?;
                self.node(right, power + 1)
            }
            Kind::And(operands) => self.joined(operands, " && ", AND + 1),
            Kind::Or(operands) => self.joined(operands, " || ", OR + 1),
            Kind::Choice(parts) => {
                self.node(&parts[0], OR)?;
                self.out.write_str(" ? ")?;
                self.node(&parts[1], OR)?;
                self.out.write_str(" : ")?;
                self.node(&parts[2], CHOICE)
            }
            Kind::InList(operand, list) => {
                self.node(operand, SUM)?;
                self.out.write_str(" in [")?;
                for (index, literal) in list.iter().enumerate() {
                    self.out.write_str(if index > 0 { ", " } else { "" })?;
                    self.literal(literal)?;
                }
                self.out.write_char(']')
            }
            Kind::Has(path) => {
                self.out.write_str("has(")?;
                self.path(path)?;
                self.out.write_char(')')
            }
            Kind::OrValue(path, value) => {
                self.path(path)?;
                self.out.write_str(".orValue(")?;
                self.node(value, CHOICE)?;
                self.out.write_char(')')
            }
            Kind::Call(function, operands) => self.call(*function, operands),
            Kind::Matches(operand, regex) => {
                self.node(operand, CALL)?;
                self.out.write_str(".matches(")?;
                self.text(regex.as_str())?;
                self.out.write_char(')')
            }
            Kind::Each(quantifier, path, body) => {
                self.path(path)?;
                write!(self.out, ".{}({}, ", quantifier.as_str(), self.bound)?;
                self.node(body, CHOICE)?;
                self.out.write_char(')')
            }
        }
    }

    fn call(&mut self, function: Function, operands: &[Node]) -> fmt::Result {
        let mut operands = operands;
        if function.is_method()
            && let Some((receiver, rest)) = operands.split_first()
        {
            self.node(receiver, CALL)?;
            self.out.write_char('.')?;
            operands = rest;
        }
        write!(self.out, "{}(", function.as_str())?;
        self.joined(operands, ", ", CHOICE)?;
        self.out.write_char(')')
    }

    fn joined(&mut self, operands: &[Node], between: &str, least: u8) -> fmt::Result {
        for (index, operand) in operands.iter().enumerate() {
            self.out.write_str(if index > 0 { between } else { "" })?;
            self.node(operand, least)?;
        }
        Ok(())
    }

    fn path(&mut self, path: &Path) -> fmt::Result {
        match &path.root {
            Root::Labels => self.out.write_str("labels")?,
            Root::Node => self.out.write_str("node")?,
            Root::Now => self.out.write_str("now")?,
            Root::Bound => self.out.write_str(&self.bound)?,
            Root::Variables(root) => self.out.write_str(root)?,
        }
        for access in &path.accesses {
            let mark = if access.optional { "?" } else { "" };
            match &access.index {
                Index::Text(text) if is_field(text) => write!(self.out, ".{mark}{text}")?,
                Index::Text(text) => {
                    write!(self.out, "[{mark}")?;
                    self.text(text)?;
                    self.out.write_char(']')?;
                }
                Index::Number(number) => write!(self.out, "[{mark}{number}]")?,
                Index::Bound => write!(self.out, "[{mark}{}]", self.bound)?,
            }
        }
        Ok(())
    }

    fn literal(&mut self, literal: &Literal) -> fmt::Result {
        match literal {
            Literal::Bool(truth) => write!(self.out, "{truth}"),
            Literal::Int(number) => write!(self.out, "{number}"),
            Literal::Float(number) => write!(self.out, "{number:?}"),
            Literal::Text(text) => self.text(text),
            Literal::Timestamp(time) => write!(self.out, "timestamp(\"{time}\")"),
            Literal::Duration(span) => write!(self.out, "duration(\"{span}\")"),
        }
    }

    fn text(&mut self, text: &str) -> fmt::Result {
        self.out.write_char('"')?;
        for char in text.chars() {
            match char {
                '"' | '\\' => write!(self.out, "\\{char}")?,
                '\n' => self.out.write_str("\\n")?,
                '\r' => self.out.write_str("\\r")?,
                '\t' => self.out.write_str("\\t")?,
                _ if char.is_control() => write!(self.out, "\\u{:04x}", u32::from(char))?,
                _ => self.out.write_char(char)?,
            }
        }
        self.out.write_char('"')
    }
}

/// Whether the text can be written after a dot.
fn is_field(text: &str) -> bool {
    let mut bytes = text.bytes();
    let begins = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    begins
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name::RESERVED.contains(&text)
}
