//! From the text of a predicate to its tree; only the asker does this [SEL-30].
//!
//! Operators are read by binding power (after Pratt). The parser recurses, at most
//! [`NESTING_MAX`] deep.

use super::lexer::{Lexer, Token};
use super::regex::Regex;
use super::span::Span;
use super::tree::{
    Access, Builder, Function, Index, Kind, Literal, Node, Operator, Path, Quantifier, Root,
    TreeError,
};
use super::{PredicateError, nearest};
use crate::name;
use crate::time::Timestamp;

/// Longest text of a predicate in bytes; what is longer cannot be encoded within its limit anyway.
pub(crate) const TEXT_MAX: usize = 4096;
/// Deepest nesting of parentheses, signs and operators in the text.
const NESTING_MAX: usize = 64;

/// Binding powers, from loose to tight.
const CHOICE: u8 = 0;
const OR: u8 = 1;
const AND: u8 = 2;
const RELATION: u8 = 3;
const SUM: u8 = 4;
const PRODUCT: u8 = 5;

const FUNCTIONS: [&str; 16] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "double",
    "string",
    "has",
    "vercmp",
    "timestamp",
    "duration",
    "exists",
    "all",
    "orValue",
    "in",
];

type Parsed<T> = Result<T, PredicateError>;

/// Reads a whole predicate.
pub(crate) fn parse(text: &str) -> Parsed<Node> {
    if text.len() > TEXT_MAX {
        let message = format!("a predicate is at most {TEXT_MAX} bytes long");
        return Err(PredicateError::new(TEXT_MAX, message, "ask two questions"));
    }
    let mut lexer = Lexer::new(text);
    let (at, token) = lexer.next()?;
    let builder = Builder::default();
    let mut parser = Parser { lexer, at, token, builder, nesting: 0, bound: None };
    if parser.token == Token::End {
        let hint = "write one like system.cpu.load_1m > 2";
        return Err(PredicateError::new(at, "the predicate is empty", hint));
    }
    let node = parser.expression(CHOICE)?;
    if parser.token != Token::End {
        return Err(parser.unexpected("an operator"));
    }
    Builder::whole(node).map_err(|error| PredicateError::from_tree(at, &error))
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// Where the present word begins.
    at: usize,
    token: Token,
    builder: Builder,
    nesting: usize,
    /// What the enclosing `exists` or `all` calls its variable.
    bound: Option<String>,
}

/// What was read so far of an operand: a path may still grow.
enum Operand {
    Path(Path),
    Node(Node),
}

impl Parser<'_> {
    fn advance(&mut self) -> Parsed<Token> {
        let (at, token) = self.lexer.next()?;
        self.at = at;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn is_mark(&self, mark: &str) -> bool {
        matches!(self.token, Token::Mark(found) if found == mark)
    }

    /// Takes the mark if it comes next.
    fn take(&mut self, mark: &str) -> Parsed<bool> {
        let found = self.is_mark(mark);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, mark: &str) -> Parsed<()> {
        if self.take(mark)? { Ok(()) } else { Err(self.unexpected(&format!("'{mark}'"))) }
    }

    /// An error at the present word, where `wanted` should stand.
    fn unexpected(&self, wanted: &str) -> PredicateError {
        let found = match &self.token {
            Token::Word(word) => format!("'{word}'"),
            Token::Int(_) | Token::Float(_) => "a number".to_owned(),
            Token::Text(_) => "a text".to_owned(),
            Token::Mark(mark) => format!("'{mark}'"),
            Token::End => "the end".to_owned(),
        };
        let hint = match &self.token {
            Token::Word(word) if word == "and" || word == "AND" => "for 'and', write '&&'",
            Token::Word(word) if word == "or" || word == "OR" => "for 'or', write '||'",
            Token::Word(word) if word == "not" || word == "NOT" => "for 'not', write '!'",
            Token::Mark("!") if wanted == "an operator" => "'different' is written '!='",
            Token::End => "the predicate is not complete",
            Token::Mark(_) | Token::Word(_) | Token::Int(_) | Token::Float(_) | Token::Text(_) => {
                "a predicate looks like os.type == \"linux\" && system.cpu.load_1m > 2"
            }
        };
        PredicateError::new(self.at, format!("{wanted} is missing before {found}"), hint)
    }

    fn node(&mut self, at: usize, kind: Kind) -> Parsed<Node> {
        self.builder.node(kind).map_err(|error| PredicateError::from_tree(at, &error))
    }

    /// Counts one level of recursion around `read`.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.nesting += 1;
        if self.nesting > NESTING_MAX {
            return Err(PredicateError::from_tree(self.at, &TreeError::TooDeep));
        }
        let node = read(self);
        self.nesting -= 1;
        node
    }

    fn expression(&mut self, power: u8) -> Parsed<Node> {
        self.nested(|parser| {
            let mut left = parser.sign()?;
            while let Some(next) = parser.power().filter(|next| *next >= power) {
                left = parser.operator(next, left)?;
            }
            Ok(left)
        })
    }

    /// The binding power of the operator that comes next, if one does.
    fn power(&self) -> Option<u8> {
        match &self.token {
            Token::Mark("?") => Some(CHOICE),
            Token::Mark("||") => Some(OR),
            Token::Mark("&&") => Some(AND),
            Token::Mark("+" | "-") => Some(SUM),
            Token::Mark("*" | "/" | "%") => Some(PRODUCT),
            _ => self.relation().map(|_| RELATION),
        }
    }

    fn relation(&self) -> Option<Operator> {
        let text = match &self.token {
            Token::Mark(mark) => mark,
            Token::Word(word) if word == "in" => "in",
            _ => return None,
        };
        let relations = Operator::ALL.into_iter().take(7);
        relations.into_iter().find(|operator| operator.as_str() == text)
    }

    /// Reads an operator of this power and what is right of it.
    fn operator(&mut self, power: u8, left: Node) -> Parsed<Node> {
        let at = self.at;
        match power {
            CHOICE => {
                self.advance()?;
                let yes = self.expression(OR)?;
                self.expect(":")?;
                let no = self.expression(CHOICE)?;
                self.node(at, Kind::Choice(Box::new([left, yes, no])))
            }
            OR | AND => {
                let mark = if power == OR { "||" } else { "&&" };
                let mut operands = vec![left];
                while self.take(mark)? {
                    operands.push(self.expression(power + 1)?);
                }
                let kind = if power == OR { Kind::Or(operands) } else { Kind::And(operands) };
                self.node(at, kind)
            }
            RELATION => {
                let Some(operator) = self.relation() else { return Ok(left) };
                self.advance()?;
                let node = if operator == Operator::In && self.is_mark("[") {
                    let list = self.constants()?;
                    self.node(at, Kind::InList(Box::new(left), list))?
                } else {
                    let right = self.expression(SUM)?;
                    self.node(at, Kind::Binary(operator, Box::new(left), Box::new(right)))?
                };
                if self.relation().is_some() {
                    let message = "comparisons cannot follow each other";
                    let hint = "join them by '&&', or put one in parentheses";
                    return Err(PredicateError::new(self.at, message, hint));
                }
                Ok(node)
            }
            _ => {
                let operator = Operator::ALL
                    .into_iter()
                    .find(|operator| self.is_mark(operator.as_str()))
                    .ok_or_else(|| self.unexpected("an operator"))?;
                self.advance()?;
                let right = self.expression(power + 1)?;
                self.node(at, Kind::Binary(operator, Box::new(left), Box::new(right)))
            }
        }
    }

    /// An operand with the signs before it.
    fn sign(&mut self) -> Parsed<Node> {
        let at = self.at;
        if self.take("!")? {
            let operand = self.nested(Self::sign)?;
            return self.node(at, Kind::Not(Box::new(operand)));
        }
        if self.take("-")? {
            if matches!(self.token, Token::Int(_) | Token::Float(_)) {
                let literal = self.number(true)?;
                let node = self.node(at, Kind::Literal(literal))?;
                return self.finish(at, Operand::Node(node));
            }
            let operand = self.nested(Self::sign)?;
            return self.node(at, Kind::Negate(Box::new(operand)));
        }
        let operand = self.operand()?;
        self.finish(at, operand)
    }

    /// Turns an operand that does not grow any more into a node.
    fn finish(&mut self, at: usize, operand: Operand) -> Parsed<Node> {
        match operand {
            Operand::Node(node) => Ok(node),
            Operand::Path(path) if path.is_optional() => {
                Err(PredicateError::from_tree(at, &TreeError::Optional))
            }
            Operand::Path(path) => self.node(at, Kind::Path(path)),
        }
    }

    fn number(&mut self, negative: bool) -> Parsed<Literal> {
        let at = self.at;
        match self.advance()? {
            Token::Int(number) if negative => Ok(Literal::Int(0_i64.wrapping_sub_unsigned(number))),
            Token::Int(number) => i64::try_from(number).map(Literal::Int).map_err(|_| {
                PredicateError::new(at, "this integer is too large", "numbers have 64 bits")
            }),
            Token::Float(number) => Ok(Literal::Float(if negative { -number } else { number })),
            Token::Word(_) | Token::Text(_) | Token::Mark(_) | Token::End => {
                Err(PredicateError::new(at, "a number is missing here", "write one like 1.5"))
            }
        }
    }

    /// A literal, name, call or parenthesis with the accesses and calls that follow it.
    fn operand(&mut self) -> Parsed<Operand> {
        let at = self.at;
        let mut operand = self.first()?;
        loop {
            if self.take(".")? {
                let optional = self.take("?")?;
                let name_at = self.at;
                let Token::Word(name) = &self.token else {
                    return Err(self.unexpected("a name"));
                };
                let name = name.clone();
                self.advance()?;
                if !optional && self.is_mark("(") {
                    operand = Operand::Node(self.method(at, operand, name_at, &name)?);
                    continue;
                }
                if name::RESERVED.contains(&name.as_str()) {
                    let message = format!("'{name}' is a reserved word");
                    let hint = "write it in brackets, like app.map[\"in\"]";
                    return Err(PredicateError::new(name_at, message, hint));
                }
                let access = Access { index: Index::Text(name), optional };
                access_to(&mut operand, name_at, access)?;
            } else if self.is_mark("[") {
                let bracket_at = self.at;
                self.advance()?;
                let optional = self.take("?")?;
                let index = self.index()?;
                self.expect("]")?;
                access_to(&mut operand, bracket_at, Access { index, optional })?;
            } else {
                return Ok(operand);
            }
        }
    }

    fn index(&mut self) -> Parsed<Index> {
        match &self.token {
            Token::Text(_) | Token::Int(_) => {}
            Token::Word(word) if self.bound.as_ref() == Some(word) => {}
            _ => {
                let message = "an index is a text in quotes, a number or the variable of exists";
                let hint = "write one like system.filesystem[\"/var\"]";
                return Err(PredicateError::new(self.at, message, hint));
            }
        }
        let at = self.at;
        match self.advance()? {
            Token::Text(text) => Ok(Index::Text(text)),
            Token::Int(number) => i64::try_from(number)
                .map(Index::Number)
                .map_err(|_| PredicateError::new(at, "this index is too large", "lists are short")),
            Token::Word(_) | Token::Float(_) | Token::Mark(_) | Token::End => Ok(Index::Bound),
        }
    }

    /// The beginning of an operand.
    fn first(&mut self) -> Parsed<Operand> {
        let at = self.at;
        match &self.token {
            Token::Int(_) | Token::Float(_) => {
                let literal = self.number(false)?;
                Ok(Operand::Node(self.node(at, Kind::Literal(literal))?))
            }
            Token::Text(text) => {
                let literal = Literal::Text(text.clone());
                self.advance()?;
                Ok(Operand::Node(self.node(at, Kind::Literal(literal))?))
            }
            Token::Mark("(") => {
                self.advance()?;
                let node = self.expression(CHOICE)?;
                self.expect(")")?;
                Ok(Operand::Node(node))
            }
            Token::Mark("[") => {
                let hint = "write it like labels.role in [\"web\", \"db\"]";
                Err(PredicateError::new(at, "a list stands right of 'in' only", hint))
            }
            Token::Mark("{") => {
                let hint = "compare the entries of a variable one by one";
                Err(PredicateError::new(at, "maps cannot be written in predicates", hint))
            }
            Token::Word(word) => {
                let word = word.clone();
                self.advance()?;
                self.word(at, word)
            }
            Token::Mark(_) | Token::End => Err(self.unexpected("an operand")),
        }
    }

    fn word(&mut self, at: usize, word: String) -> Parsed<Operand> {
        if self.bound.as_ref() == Some(&word) && !self.is_mark("(") {
            return Ok(Operand::Path(Path { root: Root::Bound, accesses: Vec::new() }));
        }
        if self.is_mark("(") {
            return Ok(Operand::Node(self.call(at, &word)?));
        }
        let root = match word.as_str() {
            "true" | "false" => {
                let literal = Literal::Bool(word == "true");
                return Ok(Operand::Node(self.node(at, Kind::Literal(literal))?));
            }
            "null" => {
                let message = "null cannot be compared: without a value, a node does not match";
                let hint = "to ask whether there is a variable, write has(app.release)";
                return Err(PredicateError::new(at, message, hint));
            }
            "labels" => Root::Labels,
            "node" => Root::Node,
            "now" => Root::Now,
            _ => Root::Variables(word),
        };
        Ok(Operand::Path(Path { root, accesses: Vec::new() }))
    }

    /// A function before its operands: `size(a)`.
    fn call(&mut self, at: usize, name: &str) -> Parsed<Node> {
        self.expect("(")?;
        if let Some(function) = function(name).filter(|function| !function.is_method()) {
            let operands = self.operands()?;
            return self.node(at, Kind::Call(function, operands));
        }
        match name {
            "has" => {
                let operand = self.nested(Self::operand)?;
                self.expect(")")?;
                let Operand::Path(path) = operand else {
                    return Err(PredicateError::from_tree(at, &TreeError::HasRoot));
                };
                self.node(at, Kind::Has(path))
            }
            "matches" => {
                let operand = self.expression(CHOICE)?;
                self.expect(",")?;
                self.matches(at, operand)
            }
            "timestamp" => {
                let (place, text) = self.literal_text("timestamp(\"2026-11-22T10:00:00Z\")")?;
                let time: Timestamp = text
                    .parse()
                    .map_err(|error| PredicateError::new(place, format!("{error}"), ""))?;
                self.node(at, Kind::Literal(Literal::Timestamp(time)))
            }
            "duration" => {
                let (place, text) = self.literal_text("duration(\"90s\")")?;
                let span = Span::parse(&text).ok_or_else(|| {
                    let message = "this is no duration of whole milliseconds";
                    let hint = "write one like 500ms, 90s, 5m or 1h30m; a day is 24h";
                    PredicateError::new(place, message, hint)
                })?;
                self.node(at, Kind::Literal(Literal::Duration(span)))
            }
            "contains" | "startsWith" | "endsWith" | "exists" | "all" | "orValue" => {
                let message = format!("'{name}' stands after its first operand");
                let hint = format!("write it like x.{name}(...)");
                Err(PredicateError::new(at, message, hint))
            }
            _ => Err(unknown_function(at, name)),
        }
    }

    /// A function after its first operand: `a.contains(b)`.
    fn method(&mut self, at: usize, operand: Operand, name_at: usize, name: &str) -> Parsed<Node> {
        self.expect("(")?;
        match (name, operand) {
            ("orValue", Operand::Path(path)) => {
                let value = self.expression(CHOICE)?;
                self.expect(")")?;
                self.node(name_at, Kind::OrValue(path, Box::new(value)))
            }
            ("exists" | "all", Operand::Path(path)) => self.each(name_at, path, name),
            ("exists" | "all" | "orValue", Operand::Node(_)) => {
                let message = format!("'{name}' follows the name of a variable only");
                let hint = "write it like systemd.unit.exists(k, k == \"ssh.service\")";
                Err(PredicateError::new(name_at, message, hint))
            }
            ("matches", operand) => {
                let operand = self.finish(at, operand)?;
                self.matches(name_at, operand)
            }
            (name, operand) => {
                let method = |function: &Function| function.is_method() || name == "size";
                let Some(function) = function(name).filter(method) else {
                    return Err(unknown_function(name_at, name));
                };
                let mut operands = vec![self.finish(at, operand)?];
                operands.append(&mut self.operands()?);
                self.node(name_at, Kind::Call(function, operands))
            }
        }
    }

    /// Operands up to the closing parenthesis.
    fn operands(&mut self) -> Parsed<Vec<Node>> {
        let mut operands = Vec::new();
        if self.take(")")? {
            return Ok(operands);
        }
        loop {
            operands.push(self.expression(CHOICE)?);
            if !self.take(",")? {
                break;
            }
        }
        self.expect(")")?;
        Ok(operands)
    }

    fn matches(&mut self, at: usize, operand: Node) -> Parsed<Node> {
        let (place, pattern) = self.literal_text("x.matches(\"^web[0-9]+$\")")?;
        let regex =
            Regex::new(pattern).map_err(|error| PredicateError::from_tree(place, &error))?;
        self.node(at, Kind::Matches(Box::new(operand), regex))
    }

    /// The one text literal of a call, and its place.
    fn literal_text(&mut self, example: &str) -> Parsed<(usize, String)> {
        let at = self.at;
        let Token::Text(text) = &self.token else {
            let message = "a text in quotes is needed here";
            return Err(PredicateError::new(at, message, format!("write it like {example}")));
        };
        let text = text.clone();
        self.advance()?;
        self.expect(")")?;
        Ok((at, text))
    }

    fn each(&mut self, at: usize, path: Path, name: &str) -> Parsed<Node> {
        let quantifier = if name == "all" { Quantifier::All } else { Quantifier::Exists };
        let place = self.at;
        let Token::Word(bound) = &self.token else { return Err(self.unexpected("a variable")) };
        let bound = bound.clone();
        let taken = name::RESERVED_ROOTS.contains(&bound.as_str());
        if taken || name::RESERVED.contains(&bound.as_str()) {
            let message = format!("'{bound}' is a reserved word");
            return Err(PredicateError::new(place, message, "name the variable k"));
        }
        self.advance()?;
        self.expect(",")?;
        self.builder.enter_each().map_err(|error| PredicateError::from_tree(at, &error))?;
        self.bound = Some(bound);
        let body = self.expression(CHOICE)?;
        self.bound = None;
        self.builder.leave_each();
        self.expect(")")?;
        self.node(at, Kind::Each(quantifier, path, Box::new(body)))
    }

    /// `[a, b, c]`, right of `in`.
    fn constants(&mut self) -> Parsed<Vec<Literal>> {
        self.expect("[")?;
        let mut list = Vec::new();
        while !self.take("]")? {
            if list.len() >= TreeError::LIST_MAX {
                return Err(PredicateError::from_tree(self.at, &TreeError::ListTooLong));
            }
            list.push(self.constant()?);
            if !self.take(",")? {
                self.expect("]")?;
                break;
            }
        }
        Ok(list)
    }

    fn constant(&mut self) -> Parsed<Literal> {
        let at = self.at;
        // Read as an operand, by a builder of its own: constants do not count as nodes.
        let beside = self.builder.beside();
        let builder = std::mem::replace(&mut self.builder, beside);
        let node = self.sign();
        self.builder = builder;
        match node?.kind {
            Kind::Literal(literal) => Ok(literal),
            _ => {
                let message = "only constants can stand in a list";
                let hint = "join comparisons by '||' instead";
                Err(PredicateError::new(at, message, hint))
            }
        }
    }
}

/// Adds an access to an operand, if that is a path.
fn access_to(operand: &mut Operand, at: usize, access: Access) -> Parsed<()> {
    let Operand::Path(path) = operand else {
        let message = "only the name of a variable can be followed by a field or an index";
        return Err(PredicateError::new(at, message, "write the whole name"));
    };
    path.accesses.push(access);
    if path.accesses.len() > TreeError::ACCESSES_MAX {
        return Err(PredicateError::from_tree(at, &TreeError::Path));
    }
    Ok(())
}

fn function(name: &str) -> Option<Function> {
    Function::ALL.into_iter().find(|function| function.as_str() == name)
}

fn unknown_function(at: usize, name: &str) -> PredicateError {
    let message = format!("'{name}' is no function of predicates");
    let near = nearest(name, FUNCTIONS);
    let hint = match near.first() {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}", FUNCTIONS[..15].join(", ")),
    };
    PredicateError::new(at, message, hint)
}
