//! JSON: a scalar or a list is the variable; the members of an object become variables below it.

use lcast_proto::name::Step;
use lcast_proto::setting::parse_text;
use lcast_proto::value::{Type, Value};
use serde_json::Value as Json;

use super::segment::segments;
use super::{FormatError, HEALTH, LEAVES_MAX, Leaf, LeftOut, Reading, Tree};

/// Members of objects become names down to this depth; what is deeper is the value of a map.
const NAMES_DEPTH_MAX: usize = 4;

/// Reads a document. With a declared type it is one value of that type, an object a map.
pub(super) fn parse(value_type: Option<Type>, bytes: &[u8]) -> Result<Reading, FormatError> {
    let json: Json = serde_json::from_slice(bytes).map_err(|error| FormatError::Syntax {
        line: error.line(),
        message: error.to_string().split(" at line ").next().unwrap_or_default().to_owned(),
    })?;
    if let Some(value_type) = value_type {
        return Ok(Reading::of(coerce(value_type, from_json(json)?)?));
    }
    let mut gathered = Gathered::default();
    match json {
        Json::Object(members) if !members.is_empty() => {
            gathered.members(members, &mut Vec::new())?
        }
        other => return Ok(Reading::of(from_json(other)?)),
    }
    Ok(Reading { leaves: gathered.leaves, left_out: gathered.left_out })
}

/// The leaves found so far.
#[derive(Default)]
struct Gathered {
    tree: Tree,
    leaves: Vec<Leaf>,
    left_out: LeftOut,
}

impl Gathered {
    /// Takes the members of an object; the depth of the recursion is [`NAMES_DEPTH_MAX`].
    fn members(
        &mut self,
        members: serde_json::Map<String, Json>,
        path: &mut Vec<Step>,
    ) -> Result<(), FormatError> {
        let depth = path.len();
        for (name, json) in members {
            let mut segments = segments(&name);
            if let [only] = segments.as_mut_slice()
                && depth == 0
                && HEALTH.contains(&only.as_str())
            {
                only.push('_');
            }
            path.extend(segments.into_iter().map(Step::Segment));
            match json {
                Json::Object(members) if !members.is_empty() && path.len() < NAMES_DEPTH_MAX => {
                    self.members(members, path)?;
                }
                other => self.leaf(path, &name, from_json(other)?)?,
            }
            path.truncate(depth);
        }
        Ok(())
    }

    fn leaf(&mut self, path: &[Step], name: &str, value: Value) -> Result<(), FormatError> {
        if self.leaves.len() >= LEAVES_MAX {
            return Err(FormatError::TooMany);
        }
        if self.tree.insert(path) {
            self.leaves.push(Leaf::new(path.to_vec(), value));
        } else {
            self.left_out.add(name);
        }
        Ok(())
    }
}

/// A JSON value as a value of a variable. Numbers without a fraction are ints where they fit.
///
/// # Errors
/// When it is nested too deep or a list or map is too long.
pub fn from_json(json: Json) -> Result<Value, FormatError> {
    convert(json, Value::DEPTH_MAX)
}

fn convert(json: Json, depth_left: usize) -> Result<Value, FormatError> {
    let inner = || depth_left.checked_sub(1).ok_or(FormatError::TooDeep);
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => match number.as_i64() {
            Some(int) => Value::Int(int),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Text(text),
        Json::Array(items) => {
            if items.len() > LEAVES_MAX {
                return Err(FormatError::TooMany);
            }
            let left = inner()?;
            let items = items.into_iter().map(|item| convert(item, left));
            Value::List(items.collect::<Result<_, _>>()?)
        }
        Json::Object(members) => {
            if members.len() > LEAVES_MAX {
                return Err(FormatError::TooMany);
            }
            let left = inner()?;
            let member = |(name, json)| Ok((name, convert(json, left)?));
            Value::Map(members.into_iter().map(member).collect::<Result<_, _>>()?)
        }
    })
}

/// A value as one of the declared type: ints serve as floats, texts as timestamps and bytes.
fn coerce(value_type: Type, value: Value) -> Result<Value, FormatError> {
    let found = value.kind();
    match (value_type, value) {
        (_, Value::Null) => Ok(Value::Null),
        #[allow(clippy::cast_precision_loss)]
        (Type::Float, Value::Int(number)) => Ok(Value::Float(number as f64)),
        (Type::Timestamp | Type::Bytes, Value::Text(text)) => {
            parse_text(value_type, &text).map_err(FormatError::Type)
        }
        (expected, value) if found == expected => Ok(value),
        (expected, _) => {
            Err(FormatError::Type(format!("the output is {found}, type = \"{expected}\"")))
        }
    }
}
