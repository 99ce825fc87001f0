//! Nagios plugins: the exit code is the state, the first line the message, behind `|` numbers.
//!
//! By the Nagios plugin development guidelines. The values: `status` and `code`, `message`,
//! `details` (further lines, where there are any), and for each label of the performance data
//! `perfdata["label"].value`, `.unit`, `.warn`, `.crit`, `.min`, `.max`.

use lcast_proto::name::{Name, Step};

use super::{FormatError, LEAVES_MAX, Leaf, LeftOut, Output, Reading, Tree};

/// The states by exit code.
const STATES: [&str; 4] = ["OK", "WARNING", "CRITICAL", "UNKNOWN"];

/// Reads what a plugin wrote.
pub(super) fn parse(output: &Output) -> Result<Reading, FormatError> {
    let state = usize::try_from(output.code).ok().and_then(|code| STATES.get(code));
    let Some(state) = state else { return Err(FormatError::ExitCode(output.code)) };
    let text = String::from_utf8_lossy(&output.bytes);
    let text = text.trim_end();
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let (message, numbers) = first.split_once('|').unwrap_or((first, ""));
    let (details, more_numbers) = rest.split_once('|').unwrap_or((rest, ""));
    let leaf = |name: &str, value: lcast_proto::value::Value| {
        Leaf::new(vec![Step::Segment(name.to_owned())], value)
    };
    let mut leaves = vec![
        leaf("status", (*state).into()),
        leaf("code", i64::from(output.code).into()),
        leaf("message", message.trim().into()),
    ];
    if !details.trim().is_empty() {
        leaves.push(leaf("details", details.trim().into()));
    }
    let mut reading = Reading { leaves, left_out: LeftOut::default() };
    let mut tree = Tree::default();
    for item in items(&format!("{numbers} {more_numbers}")) {
        take(&item, &mut tree, &mut reading)?;
    }
    Ok(reading)
}

/// One label with its numbers, or text that is none.
struct Item {
    label: String,
    fields: String,
}

/// Splits `'label one'=1s;2;3;0;9 two=2%` into its items.
fn items(text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() && items.len() <= LEAVES_MAX {
        let (label, after) = label(rest);
        let end = after.find(char::is_whitespace).unwrap_or(after.len());
        let fields = after[..end].strip_prefix('=').unwrap_or_default().to_owned();
        items.push(Item { label, fields });
        rest = after[end..].trim_start();
    }
    items
}

/// A label, quoted by `'` (doubled for one) or up to the `=`, and what follows it.
fn label(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('\'') else {
        let end = text.find(|char: char| char == '=' || char.is_whitespace());
        let (label, after) = text.split_at(end.unwrap_or(text.len()));
        return (label.to_owned(), after);
    };
    let mut label = String::new();
    let mut rest = quoted;
    while let Some((part, after)) = rest.split_once('\'') {
        label.push_str(part);
        match after.strip_prefix('\'') {
            Some(after) => {
                label.push('\'');
                rest = after;
            }
            None => return (label, after),
        }
    }
    (label + rest, "")
}

/// Takes one item; one without a number is passed over.
fn take(item: &Item, tree: &mut Tree, reading: &mut Reading) -> Result<(), FormatError> {
    if reading.leaves.len() >= LEAVES_MAX {
        return Err(FormatError::TooMany);
    }
    let mut fields = item.fields.split(';');
    let Some((number, unit)) = fields.next().and_then(number) else {
        // `U` says that the value could not be determined.
        if !item.fields.starts_with('U') {
            reading.left_out.add(format_args!("'{}={}'", item.label, item.fields));
        }
        return Ok(());
    };
    let mut steps = vec![Step::Segment("perfdata".to_owned()), Step::Key(item.label.clone())];
    steps.push(Step::Segment("value".to_owned()));
    let fits = (1..=Name::KEY_LENGTH_MAX).contains(&item.label.len());
    if !fits || !tree.insert(&steps) {
        reading.left_out.add(format_args!("'{}'", item.label));
        return Ok(());
    }
    let at = |name: &str| {
        let mut steps = steps.clone();
        steps[2] = Step::Segment(name.to_owned());
        steps
    };
    reading.leaves.push(Leaf::new(steps.clone(), number));
    if !unit.is_empty() {
        reading.leaves.push(Leaf::new(at("unit"), ucum(unit)));
    }
    for (name, field) in ["warn", "crit", "min", "max"].into_iter().zip(fields) {
        match name {
            "warn" | "crit" if !field.is_empty() => {
                reading.leaves.push(Leaf::new(at(name), field));
            }
            "min" | "max" => {
                let limit = self::number(field).map(|(number, _)| Leaf::new(at(name), number));
                reading.leaves.extend(limit);
            }
            _ => {}
        }
    }
    Ok(())
}

/// A number, a decimal comma allowed, and the unit behind it.
fn number(text: &str) -> Option<(f64, &str)> {
    let is_number = |char: char| char.is_ascii_digit() || matches!(char, '.' | ',' | '-' | '+');
    let mut end = text.find(|char: char| !is_number(char)).unwrap_or(text.len());
    let exponent = text[end..].strip_prefix(['e', 'E']).and_then(|after| {
        let digits = after.strip_prefix(['-', '+']).unwrap_or(after);
        let length = digits.find(|char: char| !char.is_ascii_digit()).unwrap_or(digits.len());
        (length > 0).then_some(1 + after.len() - digits.len() + length)
    });
    end += exponent.unwrap_or(0);
    let (number, unit) = text.split_at(end);
    Some((number.replace(',', ".").parse().ok()?, unit))
}

/// The UCUM form of a plugin's unit.
fn ucum(unit: &str) -> &str {
    match unit {
        "B" => "By",
        "KB" => "kBy",
        "MB" => "MBy",
        "GB" => "GBy",
        "TB" => "TBy",
        "c" => "1",
        other => other,
    }
}
