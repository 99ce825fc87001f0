//! Evaluating the tree of a predicate at a node.
//!
//! Every operation pays a [`Meter`], so that no predicate costs more than its budget [SEL-42]. The
//! recursion is as deep as the tree, at most 8.

use super::functions::{arithmetic, call, equal, in_list, literal, order};
use super::predicate::Outcome;
use super::regex::Regex;
use super::scope::{Evaluated, Failure, Fault, List, Map, Meter, Scope, Val};
use super::tree::{Index, Kind, Node, Operator, Path, Quantifier, Root};
use crate::name::{Name, Step};
use crate::variable::Entry;

/// Most keys that `exists` and `all` read [SEL-34].
pub(crate) const KEYS_MAX: usize = 4096;

/// Most values of one key that are kept at hand.
const GROUP_MAX: usize = 64;

/// Evaluates a whole predicate and says how many steps it took.
pub(crate) fn evaluate(root: &Node, scope: &Scope<'_>) -> (Outcome, u32) {
    let mut evaluator = Evaluator { scope: *scope, meter: Meter::new(), bound: None };
    let outcome = match evaluator.truth(root) {
        Ok(true) => Outcome::Match,
        Ok(false) => Outcome::NoMatch,
        Err(Fault::Undefined) => Outcome::Undefined,
        Err(Fault::Failure(failure)) => Outcome::Error(failure.to_string()),
        Err(Fault::Exhausted) => {
            Outcome::Error("the predicate is too costly for this node".to_owned())
        }
    };
    (outcome, evaluator.meter.spent())
}

/// One evaluation: everything is read from one table, which cannot change meanwhile [SEL-45].
struct Evaluator<'a> {
    scope: Scope<'a>,
    meter: Meter,
    bound: Option<Bound<'a>>,
}

/// What `exists` or `all` looks at.
struct Bound<'a> {
    value: Val<'a>,
    /// The steps before the key, when it is one of a branch.
    prefix: Vec<Step>,
    /// All readable values of that key, unless there are more than [`GROUP_MAX`].
    group: Vec<(&'a Name, &'a Entry)>,
    /// How many readable values there are.
    readable: usize,
}

/// The outcomes of a chain of `&&` or `||` so far.
struct Chain {
    /// The truth that decides the chain whatever else is in it: false for `&&`, true for `||`.
    absorbing: bool,
    fault: Option<Fault>,
}

impl Chain {
    /// Takes one more outcome; the value of the chain, once decided [SEL-38].
    fn take(&mut self, outcome: Evaluated<bool>) -> Evaluated<Option<bool>> {
        match outcome {
            Ok(truth) if truth == self.absorbing => return Ok(Some(truth)),
            Ok(_) => {}
            Err(Fault::Exhausted) => return Err(Fault::Exhausted),
            Err(fault) if matches!(self.fault, None | Some(Fault::Undefined)) => {
                self.fault = Some(fault);
            }
            Err(_) => {}
        }
        Ok(None)
    }

    fn end(self) -> Evaluated<bool> {
        self.fault.map_or(Ok(!self.absorbing), Err)
    }
}

impl<'a> Evaluator<'a> {
    fn truth(&mut self, node: &'a Node) -> Evaluated<bool> {
        match self.value(node)? {
            Val::Bool(truth) => Ok(truth),
            Val::Null => Err(Fault::Undefined),
            other => Err(Failure::NotBool(other.kind()).into()),
        }
    }

    fn value(&mut self, node: &'a Node) -> Evaluated<Val<'a>> {
        self.meter.spend(Meter::NODE)?;
        match &node.kind {
            Kind::Literal(constant) => Ok(literal(constant)),
            Kind::Path(path) => self.path(path)?.ok_or(Fault::Undefined),
            Kind::Not(operand) => Ok(Val::Bool(!self.truth(operand)?)),
            Kind::Negate(operand) => {
                let operand = self.value(operand)?;
                super::functions::negate(&operand)
            }
            Kind::Binary(operator, left, right) => self.binary(*operator, left, right),
            Kind::And(operands) => self.chain(false, operands),
            Kind::Or(operands) => self.chain(true, operands),
            Kind::Choice(parts) => {
                let [condition, yes, no] = parts.as_ref();
                if self.truth(condition)? { self.value(yes) } else { self.value(no) }
            }
            Kind::InList(operand, list) => {
                let operand = self.value(operand)?;
                in_list(&mut self.meter, &operand, list).map(Val::Bool)
            }
            Kind::Has(path) => self.has(path).map(Val::Bool),
            Kind::OrValue(path, fallback) => match self.path(path)? {
                Some(value) => Ok(value),
                None => self.value(fallback),
            },
            Kind::Call(function, operands) => {
                let first = operands.first().map(|node| self.value(node)).transpose()?;
                let second = operands.get(1).map(|node| self.value(node)).transpose()?;
                if let (Some(Val::Map(Map::Branch(steps))), None) = (&first, &second) {
                    return self.size_of_branch(*function, steps.clone());
                }
                call(&mut self.meter, &self.scope, *function, first, second)
            }
            Kind::Matches(operand, regex) => match self.value(operand)? {
                Val::Text(text) => {
                    self.meter.spend(Regex::price(text.len()))?;
                    Ok(Val::Bool(regex.is_match(&text)))
                }
                Val::Null => Err(Fault::Undefined),
                other => {
                    Err(Failure::Types { what: "matches", left: other.kind(), right: None }.into())
                }
            },
            Kind::Each(quantifier, path, body) => self.each(*quantifier, path, body),
        }
    }

    fn chain(&mut self, absorbing: bool, operands: &'a [Node]) -> Evaluated<Val<'a>> {
        let mut chain = Chain { absorbing, fault: None };
        for operand in operands {
            let outcome = self.truth(operand);
            if let Some(truth) = chain.take(outcome)? {
                return Ok(Val::Bool(truth));
            }
        }
        chain.end().map(Val::Bool)
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: &'a Node,
        right: &'a Node,
    ) -> Evaluated<Val<'a>> {
        let (left, right) = (self.value(left)?, self.value(right)?);
        if matches!(left, Val::Null) || matches!(right, Val::Null) {
            return Err(Fault::Undefined);
        }
        let meter = &mut self.meter;
        let truth = match operator {
            Operator::Equal => equal(meter, &left, &right)?,
            Operator::NotEqual => !equal(meter, &left, &right)?,
            Operator::Less => order(meter, operator, &left, &right)?.is_lt(),
            Operator::LessOrEqual => order(meter, operator, &left, &right)?.is_le(),
            Operator::Greater => order(meter, operator, &left, &right)?.is_gt(),
            Operator::GreaterOrEqual => order(meter, operator, &left, &right)?.is_ge(),
            Operator::In => return self.is_in(&left, right).map(Val::Bool),
            Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::Remainder => return arithmetic(operator, &left, &right),
        };
        Ok(Val::Bool(truth))
    }

    /// Whether a list holds the value, or a map the key.
    fn is_in(&mut self, left: &Val<'a>, right: Val<'a>) -> Evaluated<bool> {
        match (left, right) {
            (_, Val::List(List::Values(values))) => {
                for value in values {
                    if equal(&mut self.meter, left, &Val::of(value))? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (_, Val::List(List::Texts(texts))) => {
                for text in texts {
                    if equal(&mut self.meter, left, &Val::text(text))? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (Val::Text(key), Val::Map(map)) => {
                let found = self.member_of_map(map, key)?;
                Ok(found.is_some())
            }
            (Val::Bool(_) | Val::Int(_), Val::Map(_)) => Ok(false),
            (left, right) => {
                let (left, right) = (left.kind(), Some(right.kind()));
                Err(Failure::Types { what: "in", left, right }.into())
            }
        }
    }

    fn has(&mut self, path: &'a Path) -> Evaluated<bool> {
        let Some((last, before)) = path.accesses.split_last() else { return Ok(true) };
        let mut value = self.root(&path.root)?;
        let mut optional = false;
        for access in before {
            optional |= access.optional;
            match self.access(value, &access.index, access.optional, optional)? {
                Some(member) => value = member,
                None => return Ok(false),
            }
        }
        match self.member(value, &last.index) {
            Ok(member) => Ok(member.is_some()),
            Err(Fault::Exhausted) => Err(Fault::Exhausted),
            Err(_) if last.optional => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// The value of a path; `None` when it is missing and may be [SEL-43].
    fn path(&mut self, path: &'a Path) -> Evaluated<Option<Val<'a>>> {
        if let Some(found) = self.path_of_key(path)? {
            return found.map(Some);
        }
        if let Some(value) = self.plain_path(path)? {
            return Ok(Some(value));
        }
        let mut value = self.root(&path.root)?;
        let mut optional = false;
        for access in &path.accesses {
            optional |= access.optional;
            match self.access(value, &access.index, access.optional, optional)? {
                Some(member) => value = member,
                None => return Ok(None),
            }
        }
        Ok(Some(value))
    }

    /// One access of a path. `None` ends an optional path.
    fn access(
        &mut self,
        value: Val<'a>,
        index: &'a Index,
        here: bool,
        optional: bool,
    ) -> Evaluated<Option<Val<'a>>> {
        match self.member(value, index) {
            Ok(Some(member)) => Ok(Some(member)),
            Ok(None) if optional => Ok(None),
            Ok(None) => Err(Fault::Undefined),
            Err(Fault::Exhausted) => Err(Fault::Exhausted),
            Err(_) if here => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    fn root(&mut self, root: &'a Root) -> Evaluated<Val<'a>> {
        Ok(match root {
            Root::Labels => Val::Map(Map::Labels),
            Root::Node => Val::Map(Map::Node),
            Root::Now => Val::Timestamp(self.scope.now),
            Root::Bound => match &self.bound {
                Some(bound) => bound.value.clone(),
                None => return Err(Fault::Undefined),
            },
            Root::Variables(root) => Val::Map(Map::Branch(vec![Step::Segment(root.clone())])),
        })
    }

    /// What a value holds under an index, if it does.
    fn member(&mut self, value: Val<'a>, index: &'a Index) -> Evaluated<Option<Val<'a>>> {
        self.meter.spend(1)?;
        let index = match index {
            Index::Text(text) => Val::text(text),
            Index::Number(number) => Val::Int(*number),
            Index::Bound => self.root(&Root::Bound)?,
        };
        match (value, index) {
            (Val::Map(map), Val::Text(key)) => self.member_of_map(map, &key),
            (Val::Map(_), Val::Int(_) | Val::Bool(_)) => Ok(None),
            (Val::List(list), Val::Int(place)) => {
                let place = usize::try_from(place).ok();
                Ok(place.and_then(|place| match list {
                    List::Values(values) => values.get(place).map(Val::of),
                    List::Texts(texts) => texts.get(place).map(|text| Val::text(text)),
                }))
            }
            (Val::Null, _) | (_, Val::Null) => Err(Fault::Undefined),
            (value, index) => {
                let (left, right) = (value.kind(), Some(index.kind()));
                Err(Failure::Types { what: "access", left, right }.into())
            }
        }
    }

    fn member_of_map(&mut self, map: Map<'a>, key: &str) -> Evaluated<Option<Val<'a>>> {
        Ok(match map {
            Map::Values(values) => {
                self.meter.spend(Meter::LOOKUP)?;
                values.get(key).map(Val::of)
            }
            Map::Labels => {
                let mut labels = self.scope.labels.iter();
                labels.find(|(name, _)| *name == key).map(|(_, value)| Val::text(value))
            }
            Map::Node => match key {
                "name" => Some(Val::text(self.scope.name)),
                "id" => Some(Val::text(self.scope.id)),
                "roles" => Some(Val::List(List::Texts(self.scope.roles))),
                _ => None,
            },
            Map::Branch(branch) => self.scope.child(&mut self.meter, branch, key)?,
        })
    }

    /// The value of a path of variables in one lookup; `None` when it must be walked.
    fn plain_path(&mut self, path: &'a Path) -> Evaluated<Option<Val<'a>>> {
        let Root::Variables(root) = &path.root else { return Ok(None) };
        let mut steps = Vec::with_capacity(path.accesses.len() + 1);
        steps.push(Step::Segment(root.clone()));
        for access in &path.accesses {
            let text = match (&access.index, &self.bound) {
                (Index::Text(text), _) => text.as_str(),
                (Index::Bound, Some(Bound { value: Val::Text(text), .. })) => text,
                (Index::Number(_) | Index::Bound, _) => return Ok(None),
            };
            let key = access.index == Index::Bound || !crate::name::is_segment(text);
            let text = text.to_owned();
            steps.push(if key { Step::Key(text) } else { Step::Segment(text) });
        }
        Ok(self.scope.at(&mut self.meter, steps)?.ok())
    }

    /// The value of a path that goes through the key that `exists` or `all` looks at, found among
    /// the values of that key. The outer `None` means that it must be found otherwise.
    fn path_of_key(&mut self, path: &'a Path) -> Evaluated<Option<Evaluated<Val<'a>>>> {
        let (Some(bound), Root::Variables(root)) = (&self.bound, &path.root) else {
            return Ok(None);
        };
        let Some((Step::Segment(first), prefix)) = bound.prefix.split_first() else {
            return Ok(None);
        };
        let Some((before, [through, after @ ..])) = path.accesses.split_at_checked(prefix.len())
        else {
            return Ok(None);
        };
        let same = first == root
            && through.index == Index::Bound
            && prefix.iter().zip(before).all(|(step, access)| is_step(step, &access.index));
        if !same || path.is_optional() || bound.readable > GROUP_MAX {
            return Ok(None);
        }
        let depth = bound.prefix.len() + 1;
        self.meter.spend(1 + bound.group.len())?;
        for (name, entry) in &bound.group {
            let steps = name.steps().get(depth..).unwrap_or_default();
            let shared = steps.iter().zip(after).all(|(step, access)| is_step(step, &access.index));
            if shared && steps.len() == after.len() {
                return Ok(Some(Ok(Val::of(&entry.value))));
            }
            if shared {
                return Ok(None);
            }
        }
        Ok(Some(Err(Fault::Undefined)))
    }

    fn each(
        &mut self,
        quantifier: Quantifier,
        path: &'a Path,
        body: &'a Node,
    ) -> Evaluated<Val<'a>> {
        let range = self.path(path)?.ok_or(Fault::Undefined)?;
        let mut chain = Chain { absorbing: quantifier == Quantifier::Exists, fault: None };
        let values: Box<dyn Iterator<Item = Val<'a>> + 'a> = match range {
            Val::Map(Map::Branch(prefix)) => return self.each_of_branch(chain, prefix, body),
            Val::Map(Map::Values(map)) => Box::new(map.keys().map(|key| Val::text(key))),
            Val::Map(Map::Labels) => {
                Box::new(self.scope.labels.iter().map(|(key, _)| Val::text(key)))
            }
            Val::Map(Map::Node) => Box::new(["name", "id", "roles"].into_iter().map(Val::text)),
            Val::List(List::Values(list)) => Box::new(list.iter().map(Val::of)),
            Val::List(List::Texts(list)) => Box::new(list.iter().map(|text| Val::text(text))),
            Val::Null => return Err(Fault::Undefined),
            other => {
                let (what, left) = (quantifier.as_str(), other.kind());
                return Err(Failure::Types { what, left, right: None }.into());
            }
        };
        for (count, value) in values.enumerate() {
            self.meter.spend(Meter::NODE)?;
            let bound = Bound { value, prefix: Vec::new(), group: Vec::new(), readable: 0 };
            if let (Some(truth), _) = self.body(&mut chain, count, bound, body)? {
                return Ok(Val::Bool(truth));
            }
        }
        chain.end().map(Val::Bool)
    }

    /// Goes through the keys or children of a branch of variables, in order of name.
    fn each_of_branch(
        &mut self,
        mut chain: Chain,
        prefix: Vec<Step>,
        body: &'a Node,
    ) -> Evaluated<Val<'a>> {
        let (table, depth) = (self.scope.table, prefix.len());
        let key = |name: &'a Name| match name.steps().get(depth) {
            Some(Step::Segment(text) | Step::Key(text)) => Some(text.as_str()),
            None => None,
        };
        self.meter.spend(Meter::LOOKUP)?;
        let mut entries = table.below(prefix.clone()).peekable();
        let mut bound = Bound { value: Val::Null, prefix, group: Vec::new(), readable: 0 };
        let mut count = 0;
        while let Some((name, _)) = entries.peek() {
            let Some(text) = key(name) else { break };
            bound.group.clear();
            bound.readable = 0;
            while let Some(entry) = entries.next_if(|(name, _)| key(name) == Some(text)) {
                self.meter.spend(Meter::NEXT)?;
                if (self.scope.readable)(entry.0) {
                    bound.readable += 1;
                    if bound.readable <= GROUP_MAX {
                        bound.group.push(entry);
                    }
                }
            }
            if bound.readable == 0 {
                continue;
            }
            bound.value = Val::text(text);
            let (decided, after) = self.body(&mut chain, count, bound, body)?;
            if let Some(truth) = decided {
                return Ok(Val::Bool(truth));
            }
            bound = after;
            count += 1;
        }
        chain.end().map(Val::Bool)
    }

    /// Evaluates the body of `exists` or `all` for one value, and hands the value back.
    fn body(
        &mut self,
        chain: &mut Chain,
        count: usize,
        bound: Bound<'a>,
        body: &'a Node,
    ) -> Evaluated<(Option<bool>, Bound<'a>)> {
        if count >= KEYS_MAX {
            return Err(Failure::TooManyKeys.into());
        }
        self.bound = Some(bound);
        let outcome = self.truth(body);
        let bound = self.bound.take().ok_or(Fault::Undefined)?;
        Ok((chain.take(outcome)?, bound))
    }

    /// How many children or keys a branch has.
    fn size_of_branch(
        &mut self,
        function: super::tree::Function,
        prefix: Vec<Step>,
    ) -> Evaluated<Val<'a>> {
        if function != super::tree::Function::Size {
            let what = function.as_str();
            return Err(Failure::Types { what, left: "map", right: None }.into());
        }
        self.meter.spend(Meter::LOOKUP)?;
        let mut last = None;
        let mut count = 0;
        for (name, _) in self.scope.table.below(&prefix) {
            self.meter.spend(Meter::NEXT)?;
            let step = name.steps().get(prefix.len());
            if step != last && (self.scope.readable)(name) {
                last = step;
                count += 1;
            }
        }
        Ok(Val::Int(count))
    }
}

/// Whether an access names this step, whichever way it is written.
fn is_step(step: &Step, index: &Index) -> bool {
    let (Step::Segment(name) | Step::Key(name)) = step;
    matches!(index, Index::Text(text) if text == name)
}
