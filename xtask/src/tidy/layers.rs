//! Who may name whom: modules inside the core, and crates in the workspace.
//!
//! Both orders are read from the fenced blocks `layers` and `crates` of ARCHITECTURE.md, so that
//! the document and the check cannot drift apart.

use super::uses::{self, UsedPath};
use super::{Finding, find, is_test_file, manifest};
use crate::lexer;
use crate::repo::SourceFile;

const DOCUMENT: &str = "ARCHITECTURE.md";
const CORE: &str = "crates/lcast-proto/src/";

/// Modules of the core name only modules of their own layer or below.
pub(super) fn check_modules(files: &[SourceFile]) -> Vec<Finding> {
    let Some(document) = find(files, DOCUMENT) else { return Vec::new() };
    let block = fenced(&document.text, "layers");
    if block.is_empty() {
        return vec![Finding::new(document, 0, "layers", "no fenced block ```layers")];
    }
    let layers: Vec<Vec<&str>> = block
        .iter()
        .map(|(_, line)| words(line).collect())
        .filter(|l: &Vec<_>| !l.is_empty())
        .collect();
    let mut findings = Vec::new();
    let source = |file: &&SourceFile| file.path.starts_with(CORE) && !is_test_file(&file.path);
    for file in files.iter().filter(source) {
        findings.extend(check_module(file, &layers));
    }
    let top = |name: &str| {
        let exists = |path: String| find(files, &path).is_some();
        exists(format!("{CORE}{name}.rs")) || exists(format!("{CORE}{name}/mod.rs"))
    };
    for (line, text) in &block {
        for name in words(text).filter(|name| !top(name)) {
            let message = format!("there is no module '{name}' in {CORE}");
            findings.push(Finding::new(document, *line, "layers", message));
        }
    }
    findings
}

fn check_module(file: &SourceFile, layers: &[Vec<&str>]) -> Vec<Finding> {
    let module = module_path(&file.path);
    let Some(own_name) = module.first() else { return Vec::new() };
    let layer_of = |name: &str| layers.iter().position(|layer| layer.contains(&name));
    let Some(own) = layer_of(own_name) else {
        let message = format!("module '{own_name}' is in no layer of {DOCUMENT}");
        return vec![Finding::new(file, 0, "layers", message)];
    };
    let code = lexer::mask(&file.text).code;
    let tests = lexer::test_lines(&code);
    let mut findings = Vec::new();
    for used in uses::paths(&code) {
        if tests.get(used.line - 1).copied().unwrap_or(false) {
            continue;
        }
        let Some(named) = top_module(&module, &used) else { continue };
        if layer_of(&named).is_some_and(|layer| layer > own) {
            let message = format!("'{own_name}' is below '{named}' and may not name it");
            findings.push(Finding::new(file, used.line, "layers", message));
        }
    }
    findings
}

/// `crates/lcast-proto/src/wire/frame.rs` is `["wire", "frame"]`.
fn module_path(path: &str) -> Vec<String> {
    let inner = path.trim_start_matches(CORE).trim_end_matches(".rs").trim_end_matches("/mod");
    let inner = if inner == "lib" { "" } else { inner };
    inner.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The top module of the crate that a path names, if it names one.
fn top_module(module: &[String], used: &UsedPath) -> Option<String> {
    let mut parts = used.path.split("::").peekable();
    match *parts.peek()? {
        "crate" => {
            parts.next();
        }
        "super" => {
            let mut up = 0;
            while parts.next_if_eq(&"super").is_some() {
                up += 1;
            }
            if up < module.len() {
                return None;
            }
        }
        _ => return None,
    }
    parts.next().map(str::to_owned)
}

/// Crates depend on each other only as the document says.
pub(super) fn check_crates(files: &[SourceFile]) -> Vec<Finding> {
    let Some(document) = find(files, DOCUMENT) else { return Vec::new() };
    let block = fenced(&document.text, "crates");
    if block.is_empty() {
        return vec![Finding::new(document, 0, "crates", "no fenced block ```crates")];
    }
    let allowed: Vec<(&str, Vec<&str>)> = block
        .iter()
        .filter_map(|(_, line)| line.split_once(':'))
        .map(|(name, edges)| (name.trim(), words(edges).collect()))
        .collect();
    let manifests = files.iter().filter(|file| file.path.ends_with("Cargo.toml"));
    let members: Vec<_> =
        manifests.filter_map(|file| Some((file, manifest::package(file)?))).collect();
    let names: Vec<&str> = members.iter().map(|(_, name)| name.as_str()).collect();
    let mut findings = Vec::new();
    for (file, name) in &members {
        let Some((_, edges)) = allowed.iter().find(|(known, _)| known == name) else {
            let message = format!("crate '{name}' is not in the list of crates of {DOCUMENT}");
            findings.push(Finding::new(file, 0, "crates", message));
            continue;
        };
        for dependency in manifest::dependencies(file) {
            let target = dependency.name.as_str();
            if names.contains(&target) && !edges.contains(&target) {
                let message = format!("'{name}' may not depend on '{target}' (see {DOCUMENT})");
                findings.push(Finding::new(file, dependency.line, "crates", message));
            }
        }
    }
    for (name, _) in allowed.iter().filter(|(name, _)| !names.contains(name)) {
        let message = format!("there is no crate '{name}'");
        findings.push(Finding::new(document, 0, "crates", message));
    }
    findings
}

/// The lines, with their numbers, of the fenced block with that info string.
fn fenced<'a>(text: &'a str, info: &str) -> Vec<(usize, &'a str)> {
    let opening = format!("```{info}");
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let after = numbered.skip_while(|(_, line)| line.trim() != opening).skip(1);
    after.take_while(|(_, line)| !line.starts_with("```")).collect()
}

/// The names of a line, without what follows a `#`.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let names = line.split('#').next().unwrap_or_default();
    names.split([' ', ',']).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile::new(path, text)
    }

    fn core(module: &str, text: &str) -> SourceFile {
        file(&format!("{CORE}{module}.rs"), text)
    }

    const LAYERS: &str = "```layers\ntime value  # base\nwire\nendpoint\n```\n";

    fn check_layers(path: &str, text: &str, expected: &[(usize, &'static str)]) {
        let mut files = vec![file(DOCUMENT, LAYERS), core(path, text)];
        for name in ["time", "value", "wire/mod", "endpoint"] {
            if name != path {
                files.push(core(name, ""));
            }
        }
        assert_eq!(places(&check_modules(&files)), expected, "{path}: {text}");
    }

    #[test]
    fn lower_never_names_higher() {
        check_layers("time", "use crate::wire::A;", &[(1, "layers")]);
        check_layers("time", "use crate::{value::V, endpoint};", &[(1, "layers")]);
        check_layers("time", "use super::endpoint::E;", &[(1, "layers")]);
        check_layers("time", "fn f() { crate::wire::g() }", &[(1, "layers")]);
        check_layers("wire/frame", "use super::super::endpoint::E;", &[(1, "layers")]);
        check_layers("wire/frame", "use super::packet;\nuse crate::time::Now;", &[]);
        check_layers("endpoint", "use crate::wire::A;\nuse super::time;", &[]);
        check_layers("time", "// crate::wire\nuse crate::value::V;", &[]);
        check_layers("time", "#[cfg(test)]\nmod tests {\nuse crate::wire::A;\n}", &[]);
        check_layers("stray", "", &[(0, "layers")]);
    }

    #[test]
    fn the_list_names_what_exists() {
        let files = [file(DOCUMENT, "```layers\ntime\n```\n")];
        assert_eq!(places(&check_modules(&files)), [(2, "layers")]);
        assert_eq!(places(&check_modules(&[file(DOCUMENT, "none")])), [(0, "layers")]);
    }

    #[test]
    fn crates_follow_the_list() {
        let document = file(DOCUMENT, "```crates\nlow:\nhigh: low\n```\n");
        let low = |dependencies: &str| {
            file(
                "a/Cargo.toml",
                &format!("[package]\nname = \"low\"\n[dependencies]\n{dependencies}\n"),
            )
        };
        let high = file(
            "b/Cargo.toml",
            "[package]\nname = \"high\"\n[dependencies]\nlow.workspace = true\n",
        );
        let found = |low: SourceFile| places(&check_crates(&[document.clone(), low, high.clone()]));
        assert_eq!(found(low("serde = \"1\"")), []);
        assert_eq!(found(low("high = { path = \"../b\" }")), [(4, "crates")]);
        assert_eq!(places(&check_crates(&[document.clone(), high.clone()])), [(0, "crates")]);
        let stray = file("c/Cargo.toml", "[package]\nname = \"stray\"\n");
        assert_eq!(
            places(&check_crates(&[document.clone(), low(""), high.clone(), stray])),
            [(0, "crates")]
        );
    }
}
