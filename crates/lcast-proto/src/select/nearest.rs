//! What a mistyped name may have meant.

/// The candidates that are closest to `name`, at most three, none when all are far.
///
/// Names are compared segment by segment: a segment left out costs as much as two wrong letters, so
/// that `system.laod_1m` finds `system.cpu.load_1m`. Where that finds nothing, names are compared
/// with what separates their words left out (`hostname` finds `host.name`), and at last those are
/// taken that have all the words of `name` (`load`), the shortest first.
///
/// ```
/// use lcast_proto::select::nearest;
/// let known = ["system.cpu.load_1m", "system.cpu.load_5m", "system.memory.usage"];
/// assert_eq!(nearest("system.laod_1m", known), ["system.cpu.load_1m"]);
/// ```
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let wanted = steps(name);
    let limit = 1 + name.len().min(64) / 4;
    let by_steps = |it: &str| between(&wanted, &steps(it), STEP_COST, |a, b| letters(a, b));
    let near = closest(&candidates, limit, by_steps);
    if !near.is_empty() {
        return near;
    }
    let joined = words(name).concat();
    let near = closest(&candidates, JOINED_MAX, |it| letters(&joined, &words(it).concat()));
    if !near.is_empty() {
        return near;
    }
    with_words(&words(name), &candidates)
}

/// The first three of those that are closest, where that is less than the limit.
fn closest<'a>(
    candidates: &[&'a str],
    limit: usize,
    distance: impl Fn(&str) -> usize,
) -> Vec<&'a str> {
    let mut best = limit;
    let mut near = Vec::new();
    for candidate in candidates {
        let distance = distance(candidate);
        if distance < best {
            near.clear();
            best = distance;
        }
        if distance == best && distance < limit && near.len() < PROPOSALS_MAX {
            near.push(*candidate);
        }
    }
    near
}

/// Those that have all these words, each as a whole.
fn with_words<'a>(wanted: &[&str], candidates: &[&'a str]) -> Vec<&'a str> {
    let has_all = |it: &&&str| {
        let has = words(it);
        wanted.iter().all(|word| has.contains(word))
    };
    let mut near: Vec<&str> = candidates.iter().filter(has_all).copied().collect();
    near.sort_by_key(|it| it.len());
    near.truncate(if wanted.is_empty() { 0 } else { PROPOSALS_MAX });
    near
}

fn steps(name: &str) -> Vec<&str> {
    name.split(['.', '[']).take(STEPS_MAX).collect()
}

fn words(name: &str) -> Vec<&str> {
    let words = name.split(|char: char| !char.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).take(STEPS_MAX).collect()
}

fn letters(a: &str, b: &str) -> usize {
    let letters = |text: &str| -> Vec<char> { text.chars().take(CHARS_MAX).collect() };
    between(&letters(a), &letters(b), 1, |a, b| usize::from(a != b))
}

const PROPOSALS_MAX: usize = 3;
/// Two words that run into each other may have one letter wrong besides.
const JOINED_MAX: usize = 2;
const STEPS_MAX: usize = 16;
const CHARS_MAX: usize = 64;
/// What it costs to leave out or add a segment, in letters.
const STEP_COST: usize = 2;

/// The edit distance, where swapping two neighbours counts once (Damerau, restricted form).
fn between<T: PartialEq>(
    from: &[T],
    to: &[T],
    gap: usize,
    change: impl Fn(&T, &T) -> usize,
) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).map(|count| count * gap).collect();
    for (row, a) in from.iter().enumerate() {
        let mut line = vec![(row + 1) * gap];
        for (column, b) in to.iter().enumerate() {
            let mut cost = (last[column] + if a == b { 0 } else { change(a, b) })
                .min(last[column + 1] + gap)
                .min(line[column] + gap);
            if row > 0 && column > 0 && *a == to[column - 1] && from[row - 1] == *b {
                cost = cost.min(before[column - 1] + gap);
            }
            line.push(cost);
        }
        before = std::mem::replace(&mut last, line);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_find_their_names() {
        let known = [
            "host.name",
            "system.cpu.load_1m",
            "system.cpu.load_5m",
            "system.filesystem[*].usage",
            "system.memory.usage",
        ];
        let cases: [(&str, &[&str]); 12] = [
            ("system.laod_1m", &["system.cpu.load_1m"]),
            ("system.cpu.load_2m", &["system.cpu.load_1m", "system.cpu.load_5m"]),
            ("sytem.memory.usage", &["system.memory.usage"]),
            ("host.nmae", &["host.name"]),
            ("system.filesystem.usage", &["system.filesystem[*].usage"]),
            ("hostname", &["host.name"]),
            ("hostnme", &["host.name"]),
            ("load", &["system.cpu.load_1m", "system.cpu.load_5m"]),
            ("memory", &["system.memory.usage"]),
            ("load.memory", &[]),
            ("completely.different", &[]),
            ("", &[]),
        ];
        for (name, expected) in cases {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
    }
}
