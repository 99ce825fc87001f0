//! What a mistyped name may have meant.

/// The candidates that are closest to `name`, at most three, none when all are far.
///
/// Names are compared segment by segment: a segment left out costs as much as two wrong letters, so
/// that `system.laod_1m` finds `system.cpu.load_1m`.
///
/// ```
/// use lcast_proto::select::nearest;
/// let known = ["system.cpu.load_1m", "system.cpu.load_5m", "system.memory.usage"];
/// assert_eq!(nearest("system.laod_1m", known), ["system.cpu.load_1m"]);
/// ```
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted: Vec<&str> = name.split(['.', '[']).take(STEPS_MAX).collect();
    let limit = 1 + name.len().min(64) / 4;
    let mut best = limit;
    let mut near = Vec::new();
    for candidate in candidates {
        let steps: Vec<&str> = candidate.split(['.', '[']).take(STEPS_MAX).collect();
        let distance = between(&wanted, &steps, STEP_COST, |a, b| {
            let (a, b): (Vec<char>, Vec<char>) =
                (a.chars().take(CHARS_MAX).collect(), b.chars().take(CHARS_MAX).collect());
            between(&a, &b, 1, |a, b| usize::from(a != b))
        });
        if distance < best {
            near.clear();
            best = distance;
        }
        if distance == best && near.len() < 3 {
            near.push(candidate);
        }
    }
    near
}

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
        let cases: [(&str, &[&str]); 7] = [
            ("system.laod_1m", &["system.cpu.load_1m"]),
            ("system.cpu.load_2m", &["system.cpu.load_1m", "system.cpu.load_5m"]),
            ("sytem.memory.usage", &["system.memory.usage"]),
            ("host.nmae", &["host.name"]),
            ("system.filesystem.usage", &["system.filesystem[*].usage"]),
            ("completely.different", &[]),
            ("", &[]),
        ];
        for (name, expected) in cases {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
    }
}
