//! Rules of the protocol: written once in docs/spec, cited by code and tests.
//!
//! A rule is defined where its id in brackets begins a paragraph, a list item, a heading or a table
//! row of `docs/spec/*.md`, bold or not: `**[SEC-1]** A receiver MUST ...`. Anywhere else the id in
//! brackets cites the rule. A rule is cited by code that follows it and by a test that would notice
//! a breach.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, is_test_file};
use crate::lexer;
use crate::repo::SourceFile;

const FOLDER: &str = "docs/spec/";

/// Beginnings that look like ids and are none of ours.
const FOREIGN: [&str; 5] = ["RFC", "UTF", "AES", "SHA", "ISO"];

/// Rules are defined once, cited by code and by a test, and every cited id is defined.
pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut defined: BTreeMap<String, (&SourceFile, usize)> = BTreeMap::new();
    for (file, line, id) in ids_of(files, |file| file.path.starts_with(FOLDER), true) {
        if let Some((first, place)) = defined.get(&id) {
            let message = format!("[{id}] is defined before, at {}:{place}", first.path);
            findings.push(Finding::new(file, line, "spec", message));
        } else {
            defined.insert(id, (file, line));
        }
    }
    let is_code = |file: &SourceFile| file.extension() == "rs" && !file.path.starts_with("xtask/");
    let mut code = BTreeSet::new();
    let mut tests = BTreeSet::new();
    for file in files.iter().filter(|file| is_code(file)) {
        let is_test = lines_of_tests(file);
        for (_, line, id) in ids_of(std::slice::from_ref(file), |_| true, false) {
            let cited = if is_test[line - 1] { &mut tests } else { &mut code };
            cited.insert(id);
        }
    }
    for (id, (file, line)) in &defined {
        let message = match (code.contains(id), tests.contains(id)) {
            (false, _) => format!("[{id}] is cited by no code"),
            (true, false) => format!("[{id}] is cited by no test"),
            (true, true) => continue,
        };
        findings.push(Finding::new(file, *line, "spec", message));
    }
    let citing = |file: &SourceFile| is_code(file) || file.extension() == "md";
    for (file, line, id) in ids_of(files, citing, false) {
        if !defined.contains_key(&id) && file.path != "STYLE.md" {
            let message = format!("[{id}] is defined nowhere in {FOLDER}");
            findings.push(Finding::new(file, line, "spec", message));
        }
    }
    findings
}

/// Which lines of a file are tests: all of those of the lab.
fn lines_of_tests(file: &SourceFile) -> Vec<bool> {
    let all = is_test_file(&file.path) || file.path.starts_with("crates/lcast-lab/");
    let within = lexer::test_lines(&lexer::mask(&file.text).code);
    within.into_iter().map(|is_test| all || is_test).collect()
}

/// The ids in the files that `wanted` picks, only at places of definition or at all places.
fn ids_of<'a>(
    files: &'a [SourceFile],
    wanted: impl Fn(&SourceFile) -> bool + 'a,
    definitions: bool,
) -> impl Iterator<Item = (&'a SourceFile, usize, String)> {
    files.iter().filter(move |file| wanted(file)).flat_map(move |file| {
        let lines = file.text.lines().enumerate();
        lines.flat_map(move |(index, line)| {
            let ids = if definitions { definition(line) } else { ids(line) };
            ids.into_iter().map(move |id| (file, index + 1, id))
        })
    })
}

/// The id that a line of the specification defines, if any.
fn definition(line: &str) -> Vec<String> {
    let start = line.trim_start_matches(['-', '*', '#', '|', ' ', '`']);
    if !start.starts_with('[') {
        return Vec::new();
    }
    ids(start).into_iter().take(1).filter(|id| start[1..].starts_with(id.as_str())).collect()
}

/// All ids in brackets: two or more capitals, a dash, a number; `[SEC-1, SEC-2]` holds two.
fn ids(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for piece in line.split('[').skip(1) {
        let Some((inside, _)) = piece.split_once(']') else { continue };
        found.extend(inside.split(", ").filter(|id| is_id(id)).map(str::to_owned));
    }
    found
}

fn is_id(text: &str) -> bool {
    let Some((letters, number)) = text.split_once('-') else { return false };
    letters.len() >= 2
        && letters.chars().all(|c| c.is_ascii_uppercase())
        && !FOREIGN.contains(&letters)
        && !number.is_empty()
        && number.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    fn check_both(spec: &str, code: &str, expected: &[(usize, &'static str)]) {
        let test = SourceFile::new("crates/tests/a.rs", code);
        let files =
            [SourceFile::new("docs/spec/a.md", spec), SourceFile::new("crates/a.rs", code), test];
        assert_eq!(places(&check(&files)), expected, "{spec} / {code}");
    }

    #[test]
    fn ids_are_told_from_other_brackets() {
        for (line, expected) in [
            ("see [SEC-1] and [SEL-12]", &["SEC-1", "SEL-12"][..]),
            ("[SEC-1, SEC-2]", &["SEC-1", "SEC-2"]),
            ("[RFC-9581] [a-1] [N-1] [AB] [SEC-] [SEC-1a] `x[N - 1]`", &[]),
        ] {
            assert_eq!(ids(line), expected, "{line}");
        }
    }

    #[test]
    fn defined_once_and_cited() {
        check_both("- **[SEC-1]** MUST\n", "// [SEC-1]\n", &[]);
        check_both("[SEC-1] MUST, see [SEC-1]\n", "// [SEC-1]\n", &[]);
        check_both("## [SEC-1] MUST\n", "", &[(1, "spec")]);
        check_both("| [SEC-1] | MUST |\n", "// [SEC-1]\n", &[]);
        check_both("[SEC-1] MUST\n\n[SEC-1] again\n", "// [SEC-1]\n", &[(3, "spec")]);
        check_both("", "// [SEC-1]\n", &[(1, "spec"), (1, "spec")]);
        check_both("[SEC-1] MUST, see [SEC-2]\n", "// [SEC-1]\n", &[(1, "spec")]);
    }

    #[test]
    fn cited_by_code_and_by_a_test() {
        let check_parts = |text: &str, expected: &[(usize, &'static str)]| {
            let spec = SourceFile::new("docs/spec/a.md", "[SEC-1] MUST\n");
            let files = [spec, SourceFile::new("crates/a.rs", text)];
            assert_eq!(places(&check(&files)), expected, "{text}");
        };
        let test = "#[cfg(test)]\nmod tests {\n    /// [SEC-1]\n}\n";
        check_parts(&format!("// [SEC-1]\n{test}"), &[]);
        check_parts("// [SEC-1]\n#[cfg(test)]\nfn hook() {}\n", &[(1, "spec")]);
        check_parts(test, &[(1, "spec")]);
    }
}
