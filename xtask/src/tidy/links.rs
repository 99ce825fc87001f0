//! Links between documents lead somewhere, and every page of the book is in its summary.

use super::{Finding, find};
use crate::repo::SourceFile;

const SUMMARY: &str = "docs/book/src/SUMMARY.md";

/// The check over all documents.
pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.extension() == "md") {
        for (line, target) in links(&file.text) {
            let path = resolve(&file.path, target);
            if !exists(files, &path) {
                let message = format!("'{target}' leads nowhere");
                findings.push(Finding::new(file, line, "links", message));
            }
        }
    }
    findings.extend(check_summary(files));
    findings
}

fn check_summary(files: &[SourceFile]) -> Vec<Finding> {
    let Some(summary) = find(files, SUMMARY) else { return Vec::new() };
    let listed: Vec<String> =
        links(&summary.text).iter().map(|(_, target)| resolve(SUMMARY, target)).collect();
    let pages = files.iter().filter(|file| {
        file.path.starts_with("docs/book/src/") && file.extension() == "md" && file.path != SUMMARY
    });
    let stray = pages.filter(|file| !listed.contains(&file.path));
    stray.map(|file| Finding::new(file, 0, "links", "not in the book's SUMMARY.md")).collect()
}

/// A file, or a folder that holds one; files without a known ending count as there.
fn exists(files: &[SourceFile], path: &str) -> bool {
    let folder = format!("{}/", path.trim_end_matches('/'));
    let name = path.rsplit('/').next().unwrap_or_default();
    files.iter().any(|file| file.path == path || file.path.starts_with(&folder))
        || (path.starts_with("LICENSE-") && !name.contains('.'))
}

/// The relative targets of the inline links of a document, outside of code.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        if fenced {
            continue;
        }
        let prose: Vec<&str> = line.split('`').step_by(2).collect();
        for piece in prose.iter().flat_map(|part| part.split("](").skip(1)) {
            let target = piece.split(')').next().unwrap_or_default();
            let path = target.split('#').next().unwrap_or_default();
            if !path.is_empty() && !target.contains("://") {
                found.push((index + 1, path));
            }
        }
    }
    found
}

/// `target` as seen from the file at `from`.
fn resolve(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    #[test]
    fn links_lead_somewhere() {
        let found = |text: &str| {
            let page = SourceFile::new("docs/a/b.md", text);
            places(&check(&[page, SourceFile::new("docs/c.md", "")]))
        };
        assert_eq!(found("[c](../c.md) [c](../c.md#part) [top](#here)\n"), []);
        assert_eq!(found("[folder](../) [web](https://example.org/x)\n"), []);
        assert_eq!(found("x\n[c](c.md)\n"), [(2, "links")]);
        assert_eq!(found("`[c](c.md)`\n```\n[c](c.md)\n```\n"), []);
    }

    #[test]
    fn pages_are_in_the_summary() {
        let files = [
            SourceFile::new(SUMMARY, "- [One](one.md)\n"),
            SourceFile::new("docs/book/src/one.md", ""),
            SourceFile::new("docs/book/src/two.md", ""),
        ];
        assert_eq!(places(&check(&files)), [(0, "links")]);
        assert_eq!(places(&check(&files[..2])), []);
    }
}
