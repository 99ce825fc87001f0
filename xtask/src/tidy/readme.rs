//! The README: short, its first two commands are the ones that everything else relies on, and its
//! figures of speed are those of the last benchmark.

use super::{Finding, find};
use crate::repo::SourceFile;

/// Beside what the benchmark writes, whose lines are more the more goals were missed.
const LINES_MAX: usize = 109;

/// The first fenced lines that begin a build or a run, in this order.
const COMMANDS: [&str; 2] = ["cargo run --release -- demo", "cargo xtask test"];

/// Where the rows of the table of speed stand too.
const BENCHMARKS: &str = "docs/benchmarks.md";

/// What stands around that table in the README.
const SPEED: (&str, &str) = ("<!-- speed:", "<!-- /speed -->");

/// The check of README.md.
pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    let Some(readme) = find(files, "README.md") else { return Vec::new() };
    let mut findings = Vec::new();
    let lines = readme.text.lines().count() - speed(readme).count();
    if lines > LINES_MAX {
        let message = format!("{lines} lines; {LINES_MAX} at most");
        findings.push(Finding::new(readme, 0, "readme", message));
    }
    let commands = commands(&readme.text);
    for (index, expected) in COMMANDS.iter().enumerate() {
        let (line, found) = commands.get(index).copied().unwrap_or((0, "none"));
        if found != *expected {
            let message = format!("fenced command {} is '{found}', not '{expected}'", index + 1);
            findings.push(Finding::new(readme, line, "readme", message));
        }
    }
    findings.extend(check_speed(files, readme));
    findings
}

/// What is said of speed, row by row, is on the page that the benchmark wrote.
fn check_speed(files: &[SourceFile], readme: &SourceFile) -> Vec<Finding> {
    let measured = find(files, BENCHMARKS).map_or("", |page| page.text.as_str());
    let stray = speed(readme).filter(|(_, row)| !measured.lines().any(|line| line == *row));
    let message = format!("not a line of {BENCHMARKS}: bench/run writes both");
    stray.map(|(at, _)| Finding::new(readme, at + 1, "readme", message.clone())).collect()
}

/// The lines about speed, with where they are.
fn speed(readme: &SourceFile) -> impl Iterator<Item = (usize, &str)> {
    let lines = readme.text.lines().enumerate();
    let table = lines.skip_while(|(_, line)| !line.starts_with(SPEED.0)).skip(1);
    table.take_while(|(_, line)| *line != SPEED.1)
}

/// Fenced lines that begin with a tool which builds or runs a checkout.
fn commands(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            fenced = !fenced;
        }
        let first = line.split(' ').next().unwrap_or_default();
        let runs = ["cargo", "make", "just"].contains(&first) || first.starts_with("./");
        if fenced && runs {
            found.push((index + 1, line.split("  #").next().unwrap_or(line).trim_end()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    fn check_readme(text: &str, expected: &[(usize, &'static str)]) {
        let findings = check(&[SourceFile::new("README.md", text)]);
        assert_eq!(places(&findings), expected, "{text}");
    }

    #[test]
    fn the_first_two_commands() {
        let good = "```sh\ncargo run --release -- demo   # a fleet\ncargo xtask test\n```\n";
        check_readme(good, &[]);
        check_readme("```\ncargo build\n```\n", &[(2, "readme"), (0, "readme")]);
        check_readme("cargo run --release -- demo\n", &[(0, "readme"), (0, "readme")]);
        check_readme(
            "```\ncargo xtask test\ncargo run --release -- demo\n```\n",
            &[(2, "readme"), (3, "readme")],
        );
    }

    #[test]
    fn the_speed() {
        let commands = "```\ncargo run --release -- demo\ncargo xtask test\n```\n";
        let found = |table: &str, page: &str| {
            let text = format!("{commands}<!-- speed: -->\n{table}<!-- /speed -->\n| x |\n");
            let page = SourceFile::new(BENCHMARKS, page);
            places(&check(&[SourceFile::new("README.md", &text), page]))
        };
        assert_eq!(found("| 1 |\n| 2 |\n", "# Page\n| 1 |\n| 2 |\n"), []);
        assert_eq!(found("| 1 |\n| 3 |\n", "# Page\n| 1 |\n| 2 |\n"), [(7, "readme")]);
        assert_eq!(found("Missed: 1.\n\n| 1 |\n", "Missed: 1.\n\n| 1 |\n"), []);
        assert_eq!(found("Missed: 1.\n\n| 1 |\n", "Missed: 2.\n\n| 1 |\n"), [(6, "readme")]);
        assert_eq!(found("", ""), []);
    }

    #[test]
    fn the_length() {
        let good = "```\ncargo run --release -- demo\ncargo xtask test\n```\n";
        check_readme(&format!("{good}{}", "\n".repeat(LINES_MAX - 4)), &[]);
        check_readme(&format!("{good}{}", "\n".repeat(LINES_MAX - 3)), &[(0, "readme")]);
        let (missed, page) = ("x\n".repeat(20), SourceFile::new(BENCHMARKS, "x\n"));
        let speed = format!("<!-- speed: -->\n{missed}<!-- /speed -->\n");
        let text = format!("{good}{speed}{}", "\n".repeat(LINES_MAX - 6));
        assert_eq!(places(&check(&[SourceFile::new("README.md", &text), page])), []);
    }
}
