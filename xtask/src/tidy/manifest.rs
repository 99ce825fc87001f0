//! Dependencies: each one has a line in docs/dependencies.md, and each line a dependency.

use std::collections::BTreeMap;

use super::{Finding, find};
use crate::repo::SourceFile;

const DOCUMENT: &str = "docs/dependencies.md";

/// A line of a manifest that names a dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dependency {
    /// The name of the package.
    pub(super) name: String,
    /// Its line, from 1.
    pub(super) line: usize,
    /// Whether the list is `[workspace.dependencies]`, which no one depends on by itself.
    pub(super) declared_only: bool,
}

/// The name of the package that a manifest describes.
pub(super) fn package(file: &SourceFile) -> Option<String> {
    let mut lines = file.text.lines().skip_while(|line| line.trim() != "[package]");
    let name = lines.find(|line| line.starts_with("name"))?;
    Some(name.split('"').nth(1)?.to_owned())
}

/// Every dependency that a manifest lists, of every kind.
pub(super) fn dependencies(file: &SourceFile) -> Vec<Dependency> {
    let mut listed = Vec::new();
    let mut section = "";
    for (index, line) in file.text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
            continue;
        }
        let in_list = section.ends_with("dependencies");
        let key = line.split(['=', '.', ' ']).next().unwrap_or_default();
        if in_list && !key.is_empty() && !key.starts_with('#') && line.contains('=') {
            let declared_only = section == "workspace.dependencies";
            let dependency = Dependency { name: key.to_owned(), line: index + 1, declared_only };
            listed.push(dependency);
        }
    }
    listed
}

/// The manifests and the document name the same dependencies.
pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    let manifests: Vec<_> = files.iter().filter(|file| file.path.ends_with("Cargo.toml")).collect();
    let own: Vec<String> = manifests.iter().filter_map(|file| package(file)).collect();
    let mut findings = Vec::new();
    let mut declared: BTreeMap<String, (&SourceFile, usize)> = BTreeMap::new();
    let mut used: BTreeMap<String, (&SourceFile, usize)> = BTreeMap::new();
    for file in &manifests {
        for dependency in dependencies(file).into_iter().filter(|d| !own.contains(&d.name)) {
            let list = if dependency.declared_only { &mut declared } else { &mut used };
            list.entry(dependency.name).or_insert((file, dependency.line));
        }
    }
    for (name, (file, line)) in declared.iter().filter(|(name, _)| !used.contains_key(*name)) {
        let message = format!("'{name}' is declared, but no crate uses it");
        findings.push(Finding::new(file, *line, "dependencies", message));
    }
    let Some(document) = find(files, DOCUMENT) else { return findings };
    let documented = documented(document);
    for (name, (file, line)) in used.iter().filter(|(name, _)| !documented.contains_key(*name)) {
        let message =
            format!("'{name}' has no line in {DOCUMENT}: why it is here, what leaving costs");
        findings.push(Finding::new(file, *line, "dependencies", message));
    }
    for (name, line) in documented.iter().filter(|(name, _)| !used.contains_key(*name)) {
        let message = format!("'{name}' is no dependency of any crate");
        findings.push(Finding::new(document, *line, "dependencies", message));
    }
    findings
}

/// The names in the first column of the document's tables, written `` | `name` | ``.
fn documented(document: &SourceFile) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for (index, line) in document.text.lines().enumerate() {
        if let Some(name) = line.strip_prefix("| `").and_then(|rest| rest.split('`').next()) {
            names.insert(name.to_owned(), index + 1);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    fn manifest(dependencies: &str) -> SourceFile {
        let text = format!("[package]\nname = \"a\"\n[dependencies]\n{dependencies}");
        SourceFile::new("a/Cargo.toml", &text)
    }

    #[test]
    fn names_and_lists() {
        let text = "# x\n[dependencies]\nserde = \"1\"\nb.workspace = true\n\n[dev-dependencies]\n\
                    c = { version = \"1\", features = [\"d\"] }\n[features]\ne = []\n";
        let file = SourceFile::new("Cargo.toml", text);
        let names: Vec<_> = dependencies(&file).into_iter().map(|d| (d.name, d.line)).collect();
        let expected = [("serde", 3), ("b", 4), ("c", 7)];
        assert_eq!(names, expected.map(|(name, line)| (name.to_owned(), line)));
        assert_eq!(package(&manifest("")), Some("a".to_owned()));
        assert_eq!(package(&file), None);
    }

    #[test]
    fn each_has_a_line_and_back() {
        let document = |rows: &str| SourceFile::new(DOCUMENT, rows);
        let found = |manifest, document| places(&check(&[manifest, document]));
        assert_eq!(found(manifest("serde = \"1\"\n"), document("| `serde` | x |\n")), []);
        assert_eq!(found(manifest("serde = \"1\"\n"), document("")), [(4, "dependencies")]);
        assert_eq!(found(manifest(""), document("\n| `serde` | x |\n")), [(2, "dependencies")]);
    }

    #[test]
    fn declared_ones_are_used() {
        let root = SourceFile::new("Cargo.toml", "[workspace.dependencies]\nserde = \"1\"\n");
        assert_eq!(places(&check(std::slice::from_ref(&root))), [(2, "dependencies")]);
        assert_eq!(places(&check(&[root, manifest("serde.workspace = true\n")])), []);
    }
}
