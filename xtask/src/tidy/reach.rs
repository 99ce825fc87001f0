//! No dead files: every Rust file is reached by `mod` from a root of its crate, and each crate has
//! one binary of integration tests.

use std::collections::BTreeSet;

use super::{Finding, find};
use crate::lexer;
use crate::repo::SourceFile;

/// The check over all Rust files.
pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    let mut reached: BTreeSet<String> = BTreeSet::new();
    let mut queue: Vec<&SourceFile> =
        files.iter().filter(|file| file.extension() == "rs" && is_root(&file.path)).collect();
    while let Some(file) = queue.pop() {
        if reached.insert(file.path.clone()) {
            let modules = modules(&file.text).into_iter();
            let paths = modules.flat_map(|module| candidates(&file.path, &module));
            queue.extend(paths.filter_map(|path| find(files, &path)));
        }
    }
    let rust = files.iter().filter(|file| file.extension() == "rs");
    let dead = rust.filter(|file| !reached.contains(&file.path));
    let mut findings: Vec<Finding> =
        dead.map(|file| Finding::new(file, 0, "reach", "no mod leads to this file")).collect();
    let loose = files.iter().filter(|file| {
        let inside = file.path.split_once("/tests/").map(|(_, inside)| inside);
        let integration = file.extension() == "rs" && !file.path.contains("/src/");
        integration && inside.is_some_and(|inside| !inside.contains('/'))
    });
    let message = "make it a module of tests/it/main.rs: one test binary per crate";
    findings.extend(loose.map(|file| Finding::new(file, 0, "reach", message)));
    findings
}

fn is_root(path: &str) -> bool {
    let folders = ["/tests/it/main.rs", "/src/lib.rs", "/src/main.rs", "/build.rs"];
    let in_folder = |folder: &str| {
        path.split_once(folder).is_some_and(|(_, rest)| {
            !rest.contains('/') || rest.ends_with("/main.rs") && rest.matches('/').count() == 1
        })
    };
    folders.iter().any(|end| path.ends_with(end))
        || ["/src/bin/", "/examples/", "/benches/", "fuzz_targets/"].iter().any(|f| in_folder(f))
}

/// The `mod name;` of a text, or the path that `#[path = "..."]` gives.
fn modules(text: &str) -> Vec<String> {
    let code = lexer::mask(text).code;
    let mut given: Option<String> = None;
    let mut found = Vec::new();
    for (masked, line) in code.lines().zip(text.lines()) {
        if let Some((_, rest)) = line.split_once("#[path = \"") {
            given = rest.split('"').next().map(str::to_owned);
        }
        let declared = masked.trim().strip_suffix(';').and_then(|item| item.split_once("mod "));
        if let Some((before, name)) = declared {
            let visible = before.trim().is_empty() || before.trim().starts_with("pub");
            if visible && name.chars().all(|c| c.is_alphanumeric() || c == '_') {
                found.push(given.take().unwrap_or_else(|| name.to_owned()));
            }
        }
    }
    found
}

/// Where a module declared in the file `path` may live.
fn candidates(path: &str, module: &str) -> Vec<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if module.ends_with(".rs") {
        return vec![format!("{folder}/{module}")];
    }
    let stem = name.trim_end_matches(".rs");
    let owns_folder = ["mod", "lib", "main", "build"].contains(&stem) || is_root(path);
    let base = if owns_folder { folder.to_owned() } else { format!("{folder}/{stem}") };
    vec![format!("{base}/{module}.rs"), format!("{base}/{module}/mod.rs")]
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    fn check_files(files: &[(&str, &str)], dead: &[&str]) {
        let files: Vec<_> = files.iter().map(|(path, text)| SourceFile::new(path, text)).collect();
        let findings = check(&files);
        let paths: Vec<&str> = findings.iter().map(|finding| finding.path.as_str()).collect();
        assert_eq!(paths, dead);
        assert_eq!(places(&findings), vec![(0, "reach"); dead.len()]);
    }

    #[test]
    fn files_are_reached() {
        let root = ("c/src/lib.rs", "pub mod a;\n#[path = \"x/b.rs\"]\nmod y;\n// mod dead;\n");
        let a = ("c/src/a/mod.rs", "pub(crate) mod inner;\n");
        let inner = ("c/src/a/inner.rs", "mod deep;");
        let deep = ("c/src/a/inner/deep.rs", "");
        let b = ("c/src/x/b.rs", "");
        check_files(&[root, a, inner, deep, b], &[]);
        check_files(&[root, a, inner, deep, b, ("c/src/dead.rs", "")], &["c/src/dead.rs"]);
        check_files(&[("c/src/bin/tool.rs", ""), ("c/tests/it/main.rs", "mod a;")], &[]);
    }

    #[test]
    fn one_test_binary() {
        check_files(&[("c/tests/a.rs", "")], &["c/tests/a.rs", "c/tests/a.rs"]);
        let root = ("c/src/lib.rs", "#[cfg(test)]\nmod tests;\n");
        check_files(&[root, ("c/src/tests/mod.rs", "")], &[]);
    }
}
