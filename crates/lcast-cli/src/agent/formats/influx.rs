//! Influx lines: `measurement,tag=value field=1i,other=2.5 time`.

use std::collections::BTreeSet;

use lcast_proto::name::{Name, Step};
use lcast_proto::time::Timestamp;
use lcast_proto::value::Value;

use super::segment::{key, segments};
use super::{FormatError, HEALTH, LEAVES_MAX, Leaf, LeftOut, Reading, Tree};

/// One line.
struct Point {
    measurement: String,
    tags: Vec<(String, String)>,
    fields: Vec<(String, Value)>,
    time: Option<Timestamp>,
}

/// Reads lines: `measurement.field`, or `measurement["tag=value"].field` where lines have tags.
pub(super) fn parse(text: &str) -> Result<Reading, FormatError> {
    let mut points = Vec::new();
    let mut count = 0;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let syntax = |message: &str| FormatError::Syntax {
            line: index + 1,
            message: format!("{message}; a line is: measurement,tag=value field=1i,other=2.5 time"),
        };
        let point = point(line).map_err(syntax)?;
        count += point.fields.len();
        if count > LEAVES_MAX {
            return Err(FormatError::TooMany);
        }
        points.push(point);
    }
    let tagged = points.iter().filter(|point| !point.tags.is_empty());
    let tagged: BTreeSet<String> = tagged.map(|point| point.measurement.clone()).collect();
    let mut tree = Tree::default();
    let mut reading = Reading { leaves: Vec::new(), left_out: LeftOut::default() };
    for point in points {
        let mut prefix = measurement_steps(&point.measurement);
        if tagged.contains(&point.measurement) {
            prefix.push(Step::Key(key(point.tags)));
        }
        let fits = match prefix.last() {
            Some(Step::Key(key)) => key.len() <= Name::KEY_LENGTH_MAX,
            Some(Step::Segment(_)) | None => true,
        };
        for (field, value) in point.fields {
            let mut steps = prefix.clone();
            steps.extend(segments(&field).into_iter().map(Step::Segment));
            if fits && tree.insert(&steps) {
                reading.leaves.push(Leaf { time: point.time, ..Leaf::new(steps, value) });
            } else {
                reading.left_out.add(format_args!("'{} {field}'", point.measurement));
            }
        }
    }
    Ok(reading)
}

fn measurement_steps(name: &str) -> Vec<Step> {
    let mut segments = segments(name);
    if let [only] = segments.as_mut_slice()
        && HEALTH.contains(&only.as_str())
    {
        only.push('_');
    }
    segments.into_iter().map(Step::Segment).collect()
}

fn point(line: &str) -> Result<Point, &'static str> {
    let (head, rest) = cut(line, ' ', Quotes::None).ok_or("no fields")?;
    let (fields, time) = match cut(rest.trim_start(), ' ', Quotes::Strings) {
        Some((fields, time)) => (fields, time.trim()),
        None => (rest.trim_start(), ""),
    };
    let mut head = split(head, Quotes::None);
    let measurement = head.next().map(unescape).filter(|it| !it.is_empty());
    let tag = |text: &str| {
        let (name, value) = cut(text, '=', Quotes::None).ok_or("a tag without a value")?;
        Ok((unescape(name), unescape(value)))
    };
    let field = |text: &str| {
        let (name, text) = cut(text, '=', Quotes::Strings).ok_or("a field without a value")?;
        Ok((unescape(name), value(text).ok_or("a field whose value is none")?))
    };
    let time = match time {
        "" => None,
        nanos => {
            let nanos: i64 = nanos.parse().map_err(|_| "a time that is no whole number")?;
            Some(Timestamp::from_millis(nanos / 1_000_000))
        }
    };
    Ok(Point {
        measurement: measurement.ok_or("no measurement")?,
        tags: head.map(tag).collect::<Result<_, &'static str>>()?,
        fields: split(fields, Quotes::Strings).map(field).collect::<Result<_, &'static str>>()?,
        time,
    })
}

fn value(text: &str) -> Option<Value> {
    if let Some(inner) = text.strip_prefix('"') {
        let inner = inner.strip_suffix('"')?;
        return Some(Value::Text(inner.replace("\\\"", "\"").replace("\\\\", "\\")));
    }
    match text {
        "t" | "T" | "true" | "True" | "TRUE" => return Some(Value::Bool(true)),
        "f" | "F" | "false" | "False" | "FALSE" => return Some(Value::Bool(false)),
        _ => {}
    }
    match text.strip_suffix(['i', 'u']) {
        Some(int) => int.parse().ok().map(Value::Int),
        None => text.parse().ok().map(Value::Float),
    }
}

/// What `"` means: nothing in names and tags, the bounds of a string in fields.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    None,
    Strings,
}

/// The two sides of the first `at` that is neither escaped nor within a string.
fn cut(text: &str, at: char, quotes: Quotes) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut escaped = false;
    for (index, char) in text.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' if quotes == Quotes::Strings => quoted = !quoted,
            _ if char == at && !quoted => {
                return Some((&text[..index], &text[index + char.len_utf8()..]));
            }
            _ => {}
        }
    }
    None
}

fn split(text: &str, quotes: Quotes) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let cut = cut(text, ',', quotes);
        let (part, after) = cut.map_or((text, None), |(part, after)| (part, Some(after)));
        rest = after;
        Some(part)
    })
}

/// Removes the `\` before a comma, a space or an equals sign.
fn unescape(text: &str) -> String {
    text.replace("\\,", ",").replace("\\ ", " ").replace("\\=", "=")
}
