//! The files of the workspace, read once; every check is a function over their texts.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, bail};

/// A text file of the repository.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    /// The whole text.
    pub(crate) text: String,
}

impl SourceFile {
    /// A file as tests write it down.
    #[cfg(test)]
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The part of the name after the last dot, or "".
    pub(crate) fn extension(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.rsplit_once('.').map_or("", |(_, extension)| extension)
    }
}

/// Folders that hold no source of ours.
const SKIPPED: [&str; 5] = ["target", ".git", "corpus", "artifacts", "coverage"];

/// Endings of the files that are checked; `.ci/run` has none and is checked too.
const TEXT: [&str; 9] = ["rs", "md", "toml", "sh", "py", "service", "yml", "json", "csv"];

/// The root of the workspace, wherever in it the chore was started.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    let mut folder = env::current_dir().context("cannot tell the working folder")?;
    loop {
        let manifest = folder.join("Cargo.toml");
        if fs::read_to_string(&manifest).is_ok_and(|text| text.contains("[workspace.package]")) {
            return Ok(folder);
        }
        if !folder.pop() {
            bail!("no Cargo.toml with [workspace.package] here or above: run it in a checkout");
        }
    }
}

/// Every text file under `root`, by path.
pub(crate) fn read(root: &Path) -> anyhow::Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                let hidden = name.starts_with('.') && ![".ci", ".cargo"].contains(&name.as_str());
                if !hidden && !SKIPPED.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if is_text(&path) {
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("{} is not UTF-8 text", path.display()))?;
                let relative = path.strip_prefix(root)?.to_string_lossy().into_owned();
                files.push(SourceFile { path: relative, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn is_text(path: &Path) -> bool {
    match path.extension() {
        Some(extension) => TEXT.iter().any(|known| extension == *known),
        None => path.ends_with(".ci/run"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_found_and_read() {
        let root = root().expect("tests run in a checkout");
        let files = read(&root).expect("the checkout is readable");
        for expected in ["Cargo.toml", "xtask/src/repo.rs", "STYLE.md", ".ci/run"] {
            assert!(files.iter().any(|file| file.path == expected), "{expected}");
        }
        assert!(files.iter().all(|file| !file.path.starts_with("target/")));
    }

    #[test]
    fn extensions() {
        for (path, expected) in [("a/b.rs", "rs"), (".ci/run", ""), ("a.b/c", ""), ("x.md", "md")] {
            assert_eq!(SourceFile::new(path, "").extension(), expected);
        }
    }
}
