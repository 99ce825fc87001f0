//! The README: short, and its first two commands are the ones that everything else relies on.

use super::{Finding, find};
use crate::repo::SourceFile;

const LINES_MAX: usize = 120;

/// The first fenced lines that begin a build or a run, in this order.
const COMMANDS: [&str; 2] = ["cargo run --release -- demo", "cargo xtask test"];

/// The check of README.md.
pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    let Some(readme) = find(files, "README.md") else { return Vec::new() };
    let mut findings = Vec::new();
    let lines = readme.text.lines().count();
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
    findings
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
    fn the_length() {
        let good = "```\ncargo run --release -- demo\ncargo xtask test\n```\n";
        check_readme(&format!("{good}{}", "\n".repeat(LINES_MAX - 4)), &[]);
        check_readme(&format!("{good}{}", "\n".repeat(LINES_MAX - 3)), &[(0, "readme")]);
    }
}
