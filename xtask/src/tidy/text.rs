//! Rules for every text file: width, ASCII, words, paths of a machine.

use std::path::Path;

use super::Finding;
use crate::lexer;
use crate::repo::SourceFile;

const COLUMNS_MAX: usize = 100;

/// Words that promise instead of saying, in lower case; whole words only.
const BANNED_WORDS: [&str; 14] = [
    "simply",
    "obviously",
    "blazing",
    "blazingly",
    "seamless",
    "seamlessly",
    "leverage",
    "leverages",
    "effortless",
    "effortlessly",
    "utilize",
    "utilizes",
    "whitelist",
    "blacklist",
];

/// Names that say nothing about what a thing is.
const BANNED_FILES: [&str; 8] = [
    "util.rs",
    "utils.rs",
    "helper.rs",
    "helpers.rs",
    "misc.rs",
    "common.rs",
    "manager.rs",
    "util",
];

/// Folders of this machine that no file may name: the checkout, its own top folder, the home.
pub(super) fn machine_folders(root: &Path) -> Vec<String> {
    const STANDARD: [&str; 10] =
        ["home", "tmp", "usr", "var", "srv", "opt", "root", "mnt", "run", "build"];
    let mut folders = vec!["/home/".to_owned(), "/root/".to_owned(), "/Users/".to_owned()];
    folders.push(format!("{}/", root.display()));
    let top = root.components().nth(1).map(|part| part.as_os_str().to_string_lossy().into_owned());
    if let Some(top) = top.filter(|top| !STANDARD.contains(&top.as_str())) {
        folders.push(format!("/{top}/"));
    }
    folders
}

/// All rules of this module over one file.
pub(super) fn check(file: &SourceFile, machine_folders: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let name = file.path.rsplit('/').next().unwrap_or_default();
    if BANNED_FILES.contains(&name) {
        findings.push(Finding::new(file, 0, "name", "say what the module is about in its name"));
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        findings.push(Finding::new(file, 0, "line-end", "the last line has no line end"));
    }
    let mut fenced = false;
    for (index, line) in file.text.lines().enumerate() {
        let number = index + 1;
        fenced ^= file.extension() == "md" && line.trim_start().starts_with("```");
        if let Some(message) = check_columns(file, line, fenced) {
            findings.push(Finding::new(file, number, "columns", message));
        }
        if let Some(c) = line.chars().find(|c| !c.is_ascii() || (c.is_control() && *c != '\t')) {
            let message =
                format!("U+{:04X} is not plain ASCII; in a string write \\u{{..}}", c as u32);
            findings.push(Finding::new(file, number, "ascii", message));
        }
        if line.ends_with([' ', '\t']) && !fenced {
            findings.push(Finding::new(file, number, "line-end", "blanks at the end of the line"));
        }
        if let Some(folder) = machine_folders.iter().find(|folder| names_folder(line, folder)) {
            let message = format!("'{folder}' is a place on one machine only");
            findings.push(Finding::new(file, number, "machine-path", message));
        }
    }
    findings.extend(check_words(file));
    findings
}

fn check_columns(file: &SourceFile, line: &str, fenced: bool) -> Option<String> {
    let width = line.chars().count();
    let extension = file.extension();
    let table_or_output = extension == "md" && (fenced || line.starts_with('|'));
    let unbreakable = line.contains("://") || extension == "json" || extension == "csv";
    let too_wide = width > COLUMNS_MAX && !table_or_output && !unbreakable;
    too_wide.then(|| format!("{width} columns; {COLUMNS_MAX} at most"))
}

/// Whether `line` has `folder` followed by a name, not inside a longer path.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let inside = line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}~".contains(c));
        let named =
            line[at + folder.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '.');
        !inside && named
    })
}

/// Words in prose: all of a document, the comments of a program.
fn check_words(file: &SourceFile) -> Vec<Finding> {
    let (prose, marks) = match file.extension() {
        "rs" => (lexer::mask(&file.text).comments, true),
        "md" => (file.text.clone(), false),
        _ => (file.text.clone(), true),
    };
    let mut findings = Vec::new();
    for (index, line) in prose.lines().enumerate() {
        for word in line.split(|c: char| !c.is_alphanumeric() && c != '_') {
            let lower = word.to_lowercase();
            if BANNED_WORDS.contains(&lower.as_str()) {
                let message = format!("'{word}': say it without");
                findings.push(Finding::new(file, index + 1, "word", message));
            }
            if marks && ["TODO", "FIXME", "XXX", "HACK"].contains(&word) {
                let message = format!("'{word}': do it, or open an issue");
                findings.push(Finding::new(file, index + 1, "todo", message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    fn check_one(path: &str, text: &str, expected: &[(usize, &'static str)]) {
        let folders = machine_folders(Path::new("/depot/checkout"));
        let findings = check(&SourceFile::new(path, text), &folders);
        assert_eq!(places(&findings), expected, "{path}: {text:?}");
    }

    #[test]
    fn columns() {
        let at_max = format!("{}\n", "x".repeat(COLUMNS_MAX));
        let over = format!("{}\n", "x".repeat(COLUMNS_MAX + 1));
        check_one("a.rs", &at_max, &[]);
        check_one("a.rs", &over, &[(1, "columns")]);
        check_one("a.md", &over, &[(1, "columns")]);
        check_one("a.md", &format!("| {over}"), &[]);
        check_one("a.md", &format!("```\n{over}```\n{over}"), &[(4, "columns")]);
        check_one("a.rs", &format!("// http://{over}"), &[]);
    }

    #[test]
    fn ascii_and_line_ends() {
        check_one("a.rs", "// caf\u{e9}\n", &[(1, "ascii")]);
        check_one("a.rs", "a\u{7}\n", &[(1, "ascii")]);
        check_one("a.rs", "a \n", &[(1, "line-end")]);
        check_one("a.rs", "a", &[(0, "line-end")]);
        check_one("Makefile.sh", "\ta\n", &[]);
    }

    #[test]
    fn words() {
        check_one("a.rs", "// TODO: later\n", &[(1, "todo")]);
        check_one("a.rs", "f(\"TODO simply\");\n", &[]);
        check_one("a.md", "Never leave a TODO.\n", &[]);
        check_one("a.md", "It Simply works.\n", &[(1, "word")]);
        check_one("a.toml", "# FIXME\n", &[(1, "todo")]);
        check_one("src/utils.rs", "", &[(0, "name")]);
    }

    #[test]
    fn machine_paths() {
        let home = format!("// see /{}/me/x\n", "home");
        check_one("a.rs", &home, &[(1, "machine-path")]);
        check_one("a.md", "in /depot/checkout/a and /depot/b\n", &[(1, "machine-path")]);
        check_one("a.md", "in /depot/b\n", &[(1, "machine-path")]);
        check_one("a.md", "src/depot/b, `[\"/home/\"]`\n", &[]);
    }
}
