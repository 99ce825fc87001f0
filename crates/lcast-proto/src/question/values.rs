//! Values and schemas as bytes: what replies carry, inline or in pages.
//!
//! A sequence of CBOR items (RFC 8742), one per variable, so that a large reply is decoded item by
//! item and never as one tree. Units are not among them: they come from the node's schema.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::name::Name;
use crate::question::report::ReplyValue;
use crate::select::Pattern;
use crate::time::{Instant, Timestamp};
use crate::value::Type;
use crate::variable::{Constraint, Definition, Entry, Kind, Schema, Version};
use crate::wire::cbor::{self, Cbor, CborError};

/// Most bytes of values in one reply.
pub const REPLY_MAX: usize = 2 * 1024 * 1024;
/// Most bytes of a schema.
pub const SCHEMA_MAX: usize = Schema::BYTES_MAX;
/// Most variables in one reply.
pub const VALUES_MAX: usize = 65_536;

/// Appends one value of a snapshot taken at `now`.
pub fn encode_value(now: Instant, name: &Name, entry: &Entry, bytes: &mut Vec<u8>) {
    let age = u64::try_from(now.since(entry.read_at).as_millis()).unwrap_or(u64::MAX);
    let item = Cbor::Array(vec![
        Cbor::from(name.to_string()),
        cbor::value_to_cbor(&entry.value),
        Cbor::from(entry.time.as_millis()),
        Cbor::from(age),
        Cbor::from(entry.version.incarnation),
        Cbor::from(entry.version.counter),
        Cbor::from(entry.revision),
    ]);
    cbor::encode_into(&item, bytes);
}

/// The values in these bytes, without units.
///
/// # Errors
/// When an item is no value, is not behind the one before it by name, or matches none of the
/// patterns that were asked for; or when there are more than [`VALUES_MAX`]. [QST-49]
pub fn decode_values(mut bytes: &[u8], patterns: &[Pattern]) -> Result<Vec<ReplyValue>, CborError> {
    let (mut values, mut last, mut matched) = (Vec::new(), None, 0);
    while !bytes.is_empty() {
        let item = cbor::parse_prefix(&mut bytes)?;
        if values.len() >= VALUES_MAX {
            return Err(CborError::Value);
        }
        let (name, value) = decode_value(item).ok_or(CborError::Value)?;
        // Names that follow each other match the same pattern, or the one after.
        let mut from_last = (matched..patterns.len()).chain(0..matched);
        matched = from_last.find(|at| patterns[*at].matches(&name)).ok_or(CborError::Value)?;
        if last.as_ref().is_some_and(|last| *last >= name) {
            return Err(CborError::Value);
        }
        last = Some(name);
        values.push(value);
    }
    Ok(values)
}

fn decode_value(item: Cbor) -> Option<(Name, ReplyValue)> {
    let parts: [Cbor; 7] = item.into_array().ok()?.try_into().ok()?;
    let [name, value, time, age, incarnation, counter, revision] = parts;
    let name: Name = name.as_text()?.parse().ok()?;
    let value = ReplyValue {
        name: name.to_string(),
        value: cbor::value_from_cbor(value).ok()?,
        unit: "".into(),
        time: Timestamp::from_millis(time.as_integer()?.try_into().ok()?),
        age_ms: age.as_integer()?.try_into().ok()?,
        version: Version {
            incarnation: incarnation.as_integer()?.try_into().ok()?,
            counter: counter.as_integer()?.try_into().ok()?,
        },
        revision: revision.as_integer()?.try_into().ok()?,
    };
    Some((name, value))
}

/// Gives each value the unit that the schema says. It is the node's word: the values of a variable
/// share it.
pub fn add_units(values: &mut [ReplyValue], schema: &Schema) {
    let mut units: BTreeMap<&str, Arc<str>> = BTreeMap::new();
    for value in values {
        let Ok(name) = value.name.parse::<Name>() else { continue };
        if let Some(Definition { template, unit, .. }) = schema.definition(&name.template()) {
            let shared = units.entry(template).or_insert_with(|| unit.as_str().into());
            value.unit = shared.clone();
        }
    }
}

/// A schema as bytes.
pub fn encode_schema(schema: &Schema) -> Vec<u8> {
    let mut bytes = Vec::new();
    for definition in schema.definitions() {
        let mut parts = vec![
            Cbor::from(definition.template.as_str()),
            Cbor::from(position(&Type::ALL, &definition.value_type)),
            Cbor::from(definition.unit.as_str()),
            Cbor::from(definition.description.as_str()),
            Cbor::from(position(&KINDS, &definition.kind)),
        ];
        if let Some(constraint) = &definition.setting {
            let float = |number: Option<f64>| number.map_or(Cbor::Null, Cbor::Float);
            parts.push(Cbor::Array(vec![
                constraint.length_max.map_or(Cbor::Null, Cbor::from),
                float(constraint.min),
                float(constraint.max),
                Cbor::Array(constraint.choices.iter().map(|it| it.as_str().into()).collect()),
            ]));
        }
        cbor::encode_into(&Cbor::Array(parts), &mut bytes);
    }
    bytes
}

/// The hash that names a schema: the first half of BLAKE3 of its bytes. [QST-40]
pub fn schema_hash(bytes: &[u8]) -> [u8; 16] {
    let hash = blake3::hash(bytes);
    std::array::from_fn(|index| hash.as_bytes()[index])
}

/// The schema in these bytes.
///
/// # Errors
/// When an item is no definition, or there are too many.
pub fn decode_schema(mut bytes: &[u8]) -> Result<Schema, CborError> {
    let mut definitions = Vec::new();
    while !bytes.is_empty() {
        let item = cbor::parse_prefix(&mut bytes)?;
        if definitions.len() >= crate::variable::Table::DEFINITIONS_MAX {
            return Err(CborError::Value);
        }
        definitions.push(decode_definition(&item).ok_or(CborError::Value)?);
    }
    Ok(Schema::new(definitions))
}

const KINDS: [Kind; 4] = [Kind::Info, Kind::Gauge, Kind::Counter, Kind::Setting];

fn position<T: PartialEq>(all: &[T], one: &T) -> u64 {
    all.iter().position(|it| it == one).map_or(0, |index| index as u64)
}

fn decode_definition(item: &Cbor) -> Option<Definition> {
    let (fixed, setting) = item.as_array()?.split_at_checked(5)?;
    let [template, value_type, unit, description, kind] = fixed else { return None };
    let index = |code: &Cbor| usize::try_from(code.as_integer()?).ok();
    let description = description.as_text()?.to_owned();
    if description.len() > Definition::DESCRIPTION_MAX {
        return None;
    }
    let setting = match setting {
        [] => None,
        [constraint] => Some(decode_constraint(constraint)?),
        _ => return None,
    };
    let definition = Definition {
        template: template.as_text()?.to_owned(),
        value_type: *Type::ALL.get(index(value_type)?)?,
        unit: unit.as_text()?.to_owned(),
        description,
        kind: *KINDS.get(index(kind)?)?,
        setting,
    };
    definition.check().is_ok().then_some(definition)
}

fn decode_constraint(item: &Cbor) -> Option<Constraint> {
    let [length_max, min, max, choices] = item.as_array()?.as_slice() else { return None };
    let float = |item: &Cbor| match item {
        Cbor::Null => Some(None),
        other => other.as_float().map(Some),
    };
    let length_max = match length_max {
        Cbor::Null => None,
        other => Some(u32::try_from(other.as_integer()?).ok()?),
    };
    let choices = choices.as_array()?.iter().map(|it| it.as_text().map(str::to_owned));
    Some(Constraint {
        length_max,
        min: float(min)?,
        max: float(max)?,
        choices: choices.collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;
    use crate::variable::{Table, TableError};
    use std::time::Duration;

    #[test]
    fn values_come_back_as_they_were_with_units_from_the_schema() {
        let now = Instant::from_micros(9_000_000);
        let entry = Entry {
            value: Value::Float(0.5),
            time: Timestamp::from_millis(77),
            read_at: now - Duration::from_millis(80),
            version: Version { incarnation: 3, counter: 7 },
            revision: 1,
        };
        let mut bytes = Vec::new();
        for key in ["/tmp", "/var"] {
            let name = format!(r#"app.disk["{key}"].usage"#).parse().unwrap();
            encode_value(now, &name, &entry, &mut bytes);
        }
        let patterns = ["app".parse().unwrap()];
        let mut values = decode_values(&bytes, &patterns).unwrap();
        add_units(&mut values, &Schema::new(vec![definition()]));
        assert_eq!(values.len(), 2);
        let value = &values[1];
        assert_eq!((value.name.as_str(), &*value.unit), (r#"app.disk["/var"].usage"#, "By"));
        assert!(Arc::ptr_eq(&value.unit, &values[0].unit), "however many values, one unit");
        assert_eq!((value.age_ms, value.version.to_string()), (80, "3.7".to_owned()));
        assert!(decode_values(&bytes[..bytes.len() - 1], &patterns).is_err());
    }

    /// [QST-49]
    #[test]
    fn values_rise_by_name_and_match_what_was_asked_for() {
        let entry = Entry {
            value: Value::Int(1),
            time: Timestamp::from_millis(77),
            read_at: Instant::from_micros(0),
            version: Version::default(),
            revision: 1,
        };
        let check = |patterns: &[&str], names: &[&str], expected: bool| {
            let patterns: Vec<Pattern> = patterns.iter().map(|it| it.parse().unwrap()).collect();
            let mut bytes = Vec::new();
            for name in names {
                encode_value(Instant::from_micros(0), &name.parse().unwrap(), &entry, &mut bytes);
            }
            let values = decode_values(&bytes, &patterns);
            let found: Option<Vec<String>> =
                values.ok().map(|it| it.into_iter().map(|value| value.name).collect());
            let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
            assert_eq!(found, expected.then_some(names), "{patterns:?}");
        };
        check(&["app.*"], &[], true);
        check(&["app.*"], &["app.a", "app.b"], true);
        check(&["app.*"], &["app.b", "app.a"], false);
        check(&["app.*"], &["app.a", "app.a"], false);
        check(&["app.*"], &["app.a", "app.b", "app.a"], false);
        // By steps, a segment before a key, not as texts.
        let steps = ["a.b", "a.b.c", r#"a.b["1"]"#, r#"a.b["k"].c"#, "a.b1", "a_b.c"];
        check(&["**"], &steps, true);
        check(&["**"], &["a.b1", r#"a.b["k"]"#], false);
        check(&["app.a"], &["app.a", "app.b"], false);
        check(&["app.a"], &["app.a.x"], true);
        check(&["app.b", "app.a"], &["app.a", "app.b"], true);
        check(&[], &["app.a"], false);
    }

    /// What a node takes can be told.
    #[test]
    fn the_largest_value_fits_a_reply_with_the_longest_name() {
        let mut map = BTreeMap::new();
        for (index, number) in [0, 23, 24, -24, -25, 255, 256, 65_536, i64::MIN].iter().enumerate()
        {
            map.insert(format!("{index}"), Value::Int(*number));
        }
        let float = Value::Float(0.1);
        let time = Value::Timestamp(Timestamp::from_millis(i64::MIN));
        let list = Value::List(vec![Value::Null, Value::Bool(true), Value::from("x"), time]);
        let bytes = Value::Bytes(vec![7; 300]);
        for value in [Value::Map(map), float, list, bytes] {
            let most = value.bytes_max().unwrap();
            let found = cbor::encode(&cbor::value_to_cbor(&value)).len();
            assert!(found <= most && most <= found + 8, "{value:?}: {found}, {most}");
        }

        let key = "\\\"".repeat(Name::KEY_LENGTH_MAX);
        let segment = format!("{}[\"{key}\"]", "s".repeat(15));
        let name: Name = vec![segment; Name::SEGMENTS_MAX].join(".").parse().unwrap();
        let value = Value::from("x".repeat(Value::BYTES_MAX - 5));
        assert_eq!(value.bytes_max(), Some(Value::BYTES_MAX));
        let (time, version) = (Timestamp::from_millis(i64::MIN), Version::default());
        let version = Version { incarnation: u64::MAX, ..version };
        let read_at = Instant::from_micros(0);
        let entry = Entry { value, time, read_at, version, revision: u64::MAX };
        let mut bytes = Vec::new();
        encode_value(Instant::from_micros(u64::MAX), &name, &entry, &mut bytes);
        assert!(bytes.len() <= REPLY_MAX, "{}", bytes.len());
    }

    fn definition() -> Definition {
        Definition {
            template: "app.disk[*].usage".to_owned(),
            value_type: Type::Float,
            unit: "By".to_owned(),
            description: "d".repeat(Definition::DESCRIPTION_MAX),
            kind: Kind::Setting,
            setting: Some(Constraint {
                length_max: Some(5),
                min: Some(-1.0),
                max: None,
                choices: vec!["a".to_owned()],
            }),
        }
    }

    #[test]
    fn schemas_come_back_and_hostile_ones_do_not() {
        let schema = Schema::new(vec![definition()]);
        let bytes = encode_schema(&schema);
        assert_eq!(decode_schema(&bytes).unwrap(), schema);
        let choices = |count: usize, length: usize| {
            let choices = vec!["c".repeat(length); count];
            Some(Constraint { choices, ..Constraint::default() })
        };
        let (count, length) = (Constraint::CHOICES_MAX, Constraint::CHOICE_LENGTH_MAX);
        let unit = |length: usize| "u".repeat(length);
        let keyed = ["a1234567890[*]"; Name::SEGMENTS_MAX].join(".");
        let good = [
            Definition { unit: unit(Definition::UNIT_MAX), ..definition() },
            Definition { setting: choices(count, length), ..definition() },
            Definition { template: keyed.clone(), ..definition() },
        ];
        for definition in good {
            let schema = Schema::new(vec![definition]);
            assert_eq!(decode_schema(&encode_schema(&schema)).unwrap(), schema);
        }
        let template = |text: &str| Definition { template: text.to_owned(), ..definition() };
        let bad = [
            Definition { description: definition().description + "d", ..definition() },
            Definition { unit: unit(Definition::UNIT_MAX + 1), ..definition() },
            Definition { setting: choices(count + 1, 1), ..definition() },
            Definition { setting: choices(1, length + 1), ..definition() },
            template(&format!("{keyed}.a")),
            template(&format!("app.{}", "a".repeat(33))),
            template("app"),
            template("app.disk[\"/var\"].usage"),
            template("app.disk[*][*]"),
            template("app.\u{202e}"),
            template(""),
        ];
        for definition in bad {
            let bytes = encode_schema(&Schema::new(vec![definition.clone()]));
            assert!(decode_schema(&bytes).is_err(), "{definition:?}");
            assert!(Table::new(1).define(definition).is_err());
        }
        assert_ne!(schema_hash(&bytes), schema_hash(&bytes[1..]));
    }

    #[test]
    fn the_size_of_a_definition_is_known_without_encoding_it() {
        let texts = [0, 23, 24, 200].map(|length| "d".repeat(length));
        let mut settings = vec![None, Some(Constraint::default())];
        for (count, length) in [(1, 23), (23, 24), (24, 255), (256, 256), (1, 65_535), (1, 65_536)]
        {
            let choices = vec!["c".repeat(length); count];
            let (length_max, min) = (Some(u32::MAX), Some(0.1));
            settings.push(Some(Constraint { length_max, min, max: Some(-0.1), choices }));
        }
        for (text, setting) in texts.iter().flat_map(|it| settings.iter().map(move |s| (it, s))) {
            let definition = Definition {
                description: text.clone(),
                setting: setting.clone(),
                ..Definition::info("app.text", Type::Map)
            };
            let bytes = encode_schema(&Schema::new(vec![definition.clone()])).len();
            let most = definition.bytes_max();
            // Null in place of three numbers.
            let shorter = if *setting == Some(Constraint::default()) { 4 + 8 + 8 } else { 0 };
            assert_eq!(most - shorter, bytes, "{text} {setting:?}");
        }
    }

    /// One definition too long for others would make all of them unreadable.
    #[test]
    fn what_a_table_takes_is_a_schema_that_others_take() {
        let described = |length: usize| Definition {
            description: "d".repeat(length),
            ..Definition::gauge("app.load", Type::Int)
        };
        let mut table = Table::new(1);
        table.define(described(Definition::DESCRIPTION_MAX)).unwrap();
        let refused = table.define(described(Definition::DESCRIPTION_MAX + 1)).unwrap_err();
        let expected =
            "the description of 'app.load' has 201 bytes, and 200 are the most: shorten it";
        assert_eq!(refused.to_string(), expected);
        let taken = |table: &Table| decode_schema(&encode_schema(&table.schema())).unwrap();
        assert_eq!(taken(&table), table.schema());

        // Settings that take so many bytes: of all choices of one length, one is shorter.
        let sized = |name: &str, bytes: usize| {
            let of = |count: usize, length: usize| {
                let mut choices = vec!["c".repeat(Constraint::CHOICE_LENGTH_MAX); count];
                choices.push("c".repeat(length));
                let (length_max, edge) = (Some(u32::MAX), Some(0.1));
                let range = Constraint { length_max, min: edge, max: edge, choices };
                Definition::setting(name, Type::Text, range)
            };
            let sizes = (0..Constraint::CHOICES_MAX)
                .flat_map(|count| (0..Constraint::CHOICE_LENGTH_MAX).map(move |it| (count, it)));
            let mut all = sizes.map(|(count, length)| of(count, length));
            all.find(|it| it.bytes_max() == bytes).unwrap()
        };
        let mut rest = SCHEMA_MAX - described(Definition::DESCRIPTION_MAX).bytes_max();
        while rest > 20_000 {
            table.define(sized(&format!("app.c{rest}"), 10_000)).unwrap();
            rest -= 10_000;
        }
        table.define(sized("app.half", rest / 2)).unwrap();
        rest -= rest / 2;
        let more = sized("app.choice", rest + 1);
        let full = TableError::Schema {
            name: "app.choice".to_owned(),
            found: SCHEMA_MAX + 1,
            max: SCHEMA_MAX,
        };
        assert_eq!(table.define(more.clone()), Err(full.clone()));
        for _ in 0..2 {
            table.define(sized("app.choice", rest)).unwrap();
            assert_eq!(encode_schema(&table.schema()).len(), SCHEMA_MAX);
            assert_eq!(taken(&table), table.schema());
            assert_eq!(table.define(more.clone()), Err(full.clone()));
            assert!(table.undefine("app.choice"));
        }
    }
}
