//! Prometheus text and OpenMetrics: a metric is a variable, or a map by its labels.

use std::collections::{BTreeMap, BTreeSet};

use lcast_proto::name::{Name, Step};
use lcast_proto::time::Timestamp;
use lcast_proto::variable::{Definition, Kind};

use super::segment::{key, segments};
use super::{FormatError, HEALTH, LEAVES_MAX, Leaf, LeftOut, Reading, Tree};

/// What the comments say about metrics.
#[derive(Default)]
struct Comments {
    kinds: BTreeMap<String, Kind>,
    descriptions: BTreeMap<String, String>,
}

/// One line with a value.
struct Sample<'a> {
    name: &'a str,
    labels: Vec<(String, String)>,
    value: f64,
    time: Option<f64>,
}

/// Endings of the names of the values that belong to one metric.
const ENDINGS: [&str; 5] = ["_total", "_bucket", "_count", "_sum", "_created"];

/// Reads a page.
pub(super) fn parse(text: &str) -> Result<Reading, FormatError> {
    let mut comments = Comments::default();
    let mut samples = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix('#') {
            comments.take(comment.trim_start());
        } else if !line.is_empty() {
            if samples.len() >= LEAVES_MAX {
                return Err(FormatError::TooMany);
            }
            let syntax = |message| FormatError::Syntax { line: index + 1, message };
            samples.push(sample(line).map_err(syntax)?);
        }
    }
    // OpenMetrics ends with a mark, and counts time in seconds instead of milliseconds.
    let millis = if text.trim_end().ends_with("# EOF") { 1000.0 } else { 1.0 };
    let labelled: BTreeSet<&str> =
        samples.iter().filter(|it| !it.labels.is_empty()).map(|it| it.name).collect();
    let mut tree = Tree::default();
    let mut reading = Reading { leaves: Vec::new(), left_out: LeftOut::default() };
    for sample in &samples {
        let mut steps = metric_steps(sample.name);
        if labelled.contains(sample.name) {
            steps.push(Step::Key(key(sample.labels.clone())));
        }
        let fits = match steps.last() {
            Some(Step::Key(key)) => key.len() <= Name::KEY_LENGTH_MAX,
            Some(Step::Segment(_)) | None => true,
        };
        if fits && tree.insert(&steps) {
            reading.leaves.push(comments.leaf(sample, steps, millis));
        } else {
            reading.left_out.add(format_args!("'{}'", sample.name));
        }
    }
    Ok(reading)
}

fn metric_steps(name: &str) -> Vec<Step> {
    let mut segments = segments(name);
    if let [only] = segments.as_mut_slice()
        && HEALTH.contains(&only.as_str())
    {
        only.push('_');
    }
    segments.into_iter().map(Step::Segment).collect()
}

impl Comments {
    /// Takes `HELP name text` and `TYPE name kind`; any other comment says nothing to us.
    fn take(&mut self, comment: &str) {
        let mut words = comment.splitn(3, ' ');
        let (Some(word), Some(name), Some(rest)) = (words.next(), words.next(), words.next())
        else {
            return;
        };
        match word {
            "TYPE" => {
                let kind = match rest.trim() {
                    "counter" | "histogram" => Kind::Counter,
                    "info" => Kind::Info,
                    _ => Kind::Gauge,
                };
                self.kinds.insert(name.to_owned(), kind);
            }
            "HELP" => {
                let text = rest.replace("\\n", " ").replace("\\\\", "\\");
                let fits = |length: &usize| *length <= Definition::DESCRIPTION_MAX;
                let mut ends = text.char_indices().map(|(at, char)| at + char.len_utf8());
                let end = ends.by_ref().take_while(|it| fits(it)).last().unwrap_or(0);
                self.descriptions.insert(name.to_owned(), text[..end].to_owned());
            }
            _ => {}
        }
    }

    fn leaf(&self, sample: &Sample<'_>, steps: Vec<Step>, millis: f64) -> Leaf {
        let stem = ENDINGS.iter().find_map(|ending| sample.name.strip_suffix(ending));
        let names = [Some(sample.name), stem];
        let mut names = names.into_iter().flatten();
        let description = names.clone().find_map(|name| self.descriptions.get(name)).cloned();
        #[allow(clippy::cast_possible_truncation)]
        let time = sample.time.map(|time| Timestamp::from_millis((time * millis) as i64));
        Leaf {
            steps,
            value: sample.value.into(),
            unit: unit(sample.name).to_owned(),
            description: description.unwrap_or_default(),
            kind: names.find_map(|name| self.kinds.get(name)).copied(),
            time,
        }
    }
}

/// The unit that the name of a metric ends in.
fn unit(name: &str) -> &'static str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    let name = name.strip_suffix("_sum").unwrap_or(name);
    match name.rsplit('_').next() {
        Some("bytes") => "By",
        Some("seconds") => "s",
        Some("ratio") => "1",
        Some("celsius") => "Cel",
        Some("volts") => "V",
        Some("amperes") => "A",
        Some("joules") => "J",
        Some("meters") => "m",
        Some(_) | None => "",
    }
}

/// Reads `name{label="value",...} value time`; what follows a further `#` is an exemplar.
fn sample(line: &str) -> Result<Sample<'_>, String> {
    let end = line.find(|char: char| char == '{' || char.is_whitespace()).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let starts_well =
        name.starts_with(|first: char| first.is_ascii_alphabetic() || "_:".contains(first));
    if !starts_well || name.contains(|it: char| !it.is_ascii_alphanumeric() && !"_:".contains(it)) {
        return Err(format!("'{}' is no name of a metric", shown(name)));
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inner) => labels(inner).ok_or("the labels are not {name=\"value\",...}")?,
        None => (Vec::new(), rest),
    };
    let rest = rest.split(" # ").next().unwrap_or_default();
    let mut fields = rest.split_whitespace();
    let value = fields.next().ok_or("a value is missing")?;
    let number: f64 = value.parse().map_err(|_| format!("'{}' is no number", shown(value)))?;
    let time = match fields.next() {
        Some(time) => Some(time.parse().map_err(|_| format!("'{}' is no time", shown(time)))?),
        None => None,
    };
    match fields.next() {
        Some(more) => Err(format!("'{}' after the time", shown(more))),
        None => Ok(Sample { name, labels, value: number, time }),
    }
}

/// Reads `name="value",...}` and what follows.
fn labels(text: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = quoted(after.trim_start().strip_prefix('"')?)?;
        labels.push((name.trim().to_owned(), value));
        let after = after.trim_start();
        rest = after.strip_prefix(',').unwrap_or(after).trim_start();
        if rest.len() == after.len() && !rest.starts_with('}') {
            return None;
        }
    }
}

/// Reads up to the closing quote; `\n`, `\"` and `\\` are escapes.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((index, char)) = chars.next() {
        match char {
            '"' => return Some((value, &text[index + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}
