//! Rules for Rust files: sizes, what tests may not do, names that say nothing.

use super::{Finding, is_test_file};
use crate::lexer::{self, Masked};
use crate::repo::SourceFile;

const FILE_LINES_MAX: usize = 1000;
const FILE_LINES_SMELL: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;

/// All rules of this module over one Rust file.
pub(super) fn check(file: &SourceFile) -> Vec<Finding> {
    let masked = lexer::mask(&file.text);
    let tests = lexer::test_lines(&masked.code);
    let mut findings = check_size(file, &tests);
    findings.extend(check_functions(file, &masked.code));
    findings.extend(check_tests(file, &masked.code, &tests));
    findings.extend(check_names(file, &masked.code, &tests));
    findings.extend(check_module_doc(file, &masked));
    findings
}

fn check_size(file: &SourceFile, tests: &[bool]) -> Vec<Finding> {
    let lines = tests.iter().filter(|inside| !**inside).count();
    let message = format!("{lines} lines without tests; {FILE_LINES_SMELL} is a smell");
    let mut finding = Finding::new(file, 0, "file", message);
    finding.warning = lines <= FILE_LINES_MAX;
    if lines > FILE_LINES_SMELL { vec![finding] } else { Vec::new() }
}

fn check_functions(file: &SourceFile, code: &str) -> Vec<Finding> {
    let lines: Vec<&str> = code.lines().collect();
    let mut findings = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let length = lexer::item_end(&lines, index) - index + 1;
        if length > FUNCTION_LINES_MAX {
            let message = format!("'{name}' has {length} lines; {FUNCTION_LINES_MAX} at most");
            findings.push(Finding::new(file, index + 1, "function", message));
        }
    }
    findings
}

/// The name of the function that a line of code begins to define.
fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let modifiers = ["pub", "const", "async", "unsafe", "extern", "default"];
    let known = |word: &str| {
        modifiers.contains(&word)
            || word.starts_with("pub(")
            || word.starts_with('"')
            || word == "in"
    };
    let own = before.split_whitespace().all(|word| known(word.trim_end_matches(')')));
    let end = after.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    (own && end > 0).then(|| &after[..end])
}

fn check_tests(file: &SourceFile, code: &str, tests: &[bool]) -> Vec<Finding> {
    let whole = is_test_file(&file.path)
        || ["lcast-sim/", "lcast-lab/"].iter().any(|part| file.path.contains(part));
    let mut findings = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let in_test = whole || tests.get(index).copied().unwrap_or(false);
        if in_test && calls_sleep(line) {
            let message = "a test waits for an event, never for time";
            findings.push(Finding::new(file, index + 1, "sleep", message));
        }
        let attribute = line.trim_start();
        if attribute.starts_with("#[ignore") || attribute.contains(", ignore)]") {
            let message = "an ignored test is a bug of the first rank";
            findings.push(Finding::new(file, index + 1, "ignore", message));
        }
    }
    findings
}

fn calls_sleep(line: &str) -> bool {
    line.match_indices("sleep(").any(|(at, _)| {
        !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
            && !line[..at].ends_with("fn ")
    }) || line.contains("sleep_until(")
}

fn check_names(file: &SourceFile, code: &str, tests: &[bool]) -> Vec<Finding> {
    const EMPTY: [&str; 6] = ["Manager", "Helper", "Helpers", "Util", "Utils", "Misc"];
    let mut findings = Vec::new();
    for (index, line) in code.lines().enumerate() {
        if is_test_file(&file.path) || tests.get(index).copied().unwrap_or(false) {
            continue;
        }
        if let Some(name) = function_name(line).filter(|name| name.starts_with("get_")) {
            let message = format!("'{name}': name what it returns, without get_");
            findings.push(Finding::new(file, index + 1, "name", message));
        }
        let mut words = line.split_whitespace();
        let defined = words.find(|word| ["struct", "enum", "trait", "type"].contains(word));
        let name = defined.and_then(|_| words.next()).unwrap_or_default();
        let name = name.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        if EMPTY.iter().any(|word| name.ends_with(word)) {
            let message = format!("'{name}': find the noun for what it is");
            findings.push(Finding::new(file, index + 1, "name", message));
        }
    }
    findings
}

/// Every file of source begins by saying what it is for.
fn check_module_doc(file: &SourceFile, masked: &Masked) -> Vec<Finding> {
    let first = masked.comments.lines().next().unwrap_or_default();
    if first.starts_with("//!") || !file.path.contains("src/") || is_test_file(&file.path) {
        return Vec::new();
    }
    vec![Finding::new(file, 1, "module-doc", "begin with //! and what the module is for")]
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    fn check_one(path: &str, text: &str, expected: &[(usize, &'static str)]) {
        let findings = check(&SourceFile::new(path, text));
        assert_eq!(places(&findings), expected, "{path}: {text}");
    }

    #[test]
    fn file_sizes() {
        let file = |lines: usize| format!("//! Doc.\n{}", "// x\n".repeat(lines - 1));
        check_one("src/a.rs", &file(FILE_LINES_SMELL), &[]);
        check_one("src/a.rs", &file(FILE_LINES_SMELL + 1), &[(0, "file")]);
        let found = |lines| check(&SourceFile::new("src/a.rs", &file(lines)));
        assert!(found(FILE_LINES_MAX)[0].warning);
        assert!(!found(FILE_LINES_MAX + 1)[0].warning);
        let tests =
            format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", file(800), "// x\n".repeat(900));
        check_one("src/a.rs", &tests, &[]);
    }

    #[test]
    fn function_sizes() {
        let function =
            |lines: usize| format!("pub fn f(\n{}) {{ }}\n", "a: u8,\n".repeat(lines - 2));
        check_one("a.rs", &function(FUNCTION_LINES_MAX), &[]);
        check_one("a.rs", &function(FUNCTION_LINES_MAX + 1), &[(1, "function")]);
        let braces = format!("fn f() {{\n{}}}\n", "if \"{\" == x { '}' }\n".repeat(69));
        check_one("a.rs", &braces, &[(1, "function")]);
        let method = format!("impl A {{\npub(crate) async fn f() {{\n{}}}\n}}\n", "x\n".repeat(69));
        check_one("a.rs", &method, &[(2, "function")]);
        check_one("a.rs", "trait T {\nfn f(a: [u8; 4]) -> u8;\n}\n", &[]);
    }

    #[test]
    fn tests_do_not_sleep() {
        let inside = "#[cfg(test)]\nmod tests {\nthread::sleep(x);\n}\n";
        check_one("a.rs", inside, &[(3, "sleep")]);
        check_one("a.rs", "thread::sleep(x);\n", &[]);
        check_one("crates/a/tests/it/b.rs", "time::sleep(x).await;\n", &[(1, "sleep")]);
        check_one("crates/lcast-lab/x.rs", "sleep_until(x);\n", &[(1, "sleep")]);
        check_one(
            "crates/a/tests/it/b.rs",
            "// sleep(1)\nlet a = \"sleep(1)\"; no_sleep(1);\n",
            &[],
        );
    }

    #[test]
    fn tests_are_not_ignored() {
        check_one("a.rs", "#[ignore]\nfn a() {}\n", &[(1, "ignore")]);
        check_one("a.rs", "#[ignore = \"slow\"]\nfn a() {}\n", &[(1, "ignore")]);
        check_one("a.rs", "#[cfg_attr(x, ignore)]\nfn a() {}\n", &[(1, "ignore")]);
        check_one("a.rs", "// #[ignore]\nfn ignore() {}\n", &[]);
    }

    #[test]
    fn names_that_say_nothing() {
        check_one("a.rs", "pub fn get_name() {}\n", &[(1, "name")]);
        check_one("a.rs", "fn get() {}\nfn target_name() {}\n", &[]);
        check_one("a.rs", "pub struct PacketManager;\n", &[(1, "name")]);
        check_one("a.rs", "enum Utility { A }\n", &[]);
    }

    #[test]
    fn modules_say_what_they_are_for() {
        check_one("crates/a/src/b.rs", "use x;\n", &[(1, "module-doc")]);
        check_one("crates/a/src/b.rs", "//! For b.\nuse x;\n", &[]);
    }
}
