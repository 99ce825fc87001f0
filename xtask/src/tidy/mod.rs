//! The rules of STYLE.md marked "tidy", each a function over text.
//!
//! For: rules that neither rustc nor clippy holds. Every check takes the files it needs and returns
//! what it found, so that its tests can show it failing. Start reading at [`check`].
//!
//! To break a rule, write `tidy-allow(RULE): why` in a comment on the line or the line above, or
//! `tidy-allow-file(RULE): why` among the first lines; [`ALLOWABLE`] lists the rules for which that
//! works.

mod layers;
mod links;
mod manifest;
mod purity;
mod reach;
mod readme;
mod rust;
mod spec;
mod text;
mod uses;

use std::path::Path;

use anyhow::bail;

use crate::repo::{self, SourceFile};

/// Something that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The file.
    pub(crate) path: String,
    /// The line, from 1; 0 means the file as a whole.
    pub(crate) line: usize,
    /// The rule's short name.
    pub(crate) rule: &'static str,
    /// What is wrong and what to do.
    pub(crate) message: String,
    /// Told, but no failure.
    pub(crate) warning: bool,
}

impl Finding {
    /// A failure at `line` (from 1) of `file`.
    pub(crate) fn new(
        file: &SourceFile,
        line: usize,
        rule: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self { path: file.path.clone(), line, rule, message: message.into(), warning: false }
    }
}

/// Rules that a comment with a reason switches off for one line, or for a file.
const ALLOWABLE: [&str; 4] = ["sleep", "columns", "word", "machine-path"];

/// Where a comment for a whole file must stand.
const HEAD_LINES: usize = 20;

/// Reads the workspace, prints what breaks a rule, fails when anything does.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let files = repo::read(root)?;
    let findings = check(&files, &text::machine_folders(root));
    for finding in &findings {
        let kind = if finding.warning { "warning" } else { "error" };
        let Finding { path, line, rule, message, .. } = finding;
        println!("{kind}[{rule}] {path}:{line}: {message}");
    }
    let errors = findings.iter().filter(|finding| !finding.warning).count();
    if errors > 0 {
        bail!("tidy: {errors} findings in {} files", files.len());
    }
    println!("tidy: {} files, no findings", files.len());
    Ok(())
}

/// Every check over every file.
fn check(files: &[SourceFile], machine_folders: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        findings.extend(text::check(file, machine_folders));
        if file.extension() == "rs" {
            findings.extend(rust::check(file));
        }
    }
    findings.extend(purity::check(files));
    findings.extend(layers::check_modules(files));
    findings.extend(layers::check_crates(files));
    findings.extend(manifest::check(files));
    findings.extend(spec::check(files));
    findings.extend(readme::check(files));
    findings.extend(links::check(files));
    findings.extend(reach::check(files));
    findings.retain(|finding| !is_allowed(files, finding));
    findings
}

/// Whether a comment at the place of `finding` says why the rule is broken there.
fn is_allowed(files: &[SourceFile], finding: &Finding) -> bool {
    let Some(file) = files.iter().find(|file| file.path == finding.path) else {
        return false;
    };
    if !ALLOWABLE.contains(&finding.rule) || finding.line == 0 {
        return false;
    }
    let reasoned = |line: &str, marker: &str| {
        let why = line.split_once(marker).and_then(|(_, rest)| rest.strip_prefix(finding.rule));
        let why = why.and_then(|rest| rest.strip_prefix("): "));
        why.is_some_and(|why| why.trim().len() >= 8)
    };
    let first = finding.line.saturating_sub(2);
    let mut near = file.text.lines().skip(first).take(finding.line - first);
    let mut head = file.text.lines().take(HEAD_LINES);
    near.any(|line| reasoned(line, "tidy-allow("))
        || head.any(|line| reasoned(line, "tidy-allow-file("))
}

/// Whether a file holds nothing but tests.
fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// The file of that path.
fn find<'a>(files: &'a [SourceFile], path: &str) -> Option<&'a SourceFile> {
    files.iter().find(|file| file.path == path)
}

/// For the tests of checks: the lines found, with their rules.
#[cfg(test)]
fn places(findings: &[Finding]) -> Vec<(usize, &'static str)> {
    findings.iter().map(|finding| (finding.line, finding.rule)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_allows() {
        let found = |text: &str, line| {
            let file = SourceFile::new("a.rs", text);
            let finding = Finding::new(&file, line, "sleep", "");
            !is_allowed(&[file], &finding)
        };
        assert!(found("sleep(1)\n", 1));
        assert!(found("sleep(1) // tidy-allow(sleep):\n", 1));
        assert!(found("// tidy-allow(word): not this rule\nsleep(1)\n", 2));
        assert!(!found("// tidy-allow(sleep): polls a foreign process\nsleep(1)\n", 2));
        assert!(!found("sleep(1) // tidy-allow(sleep): polls a process\n", 1));
        assert!(found("// tidy-allow(sleep): polls a process\n\nsleep(1)\n", 3));
        assert!(!found("// tidy-allow-file(sleep): polls a process\n\nsleep(1)\n", 3));
    }

    #[test]
    fn some_rules_have_no_exception() {
        let file = SourceFile::new("a.rs", "// tidy-allow(function): long by nature\nfn f() {}\n");
        let finding = Finding::new(&file, 2, "function", "");
        assert!(!is_allowed(&[file], &finding));
    }
}
