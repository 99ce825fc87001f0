//! Where the facts about a host are read: its pseudo file systems, or a recorded copy in tests.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The folders that built-in variables are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// `/`, for what lies outside of the folders below.
    pub root: PathBuf,
    /// `/proc`
    pub proc: PathBuf,
    /// `/sys`
    pub sys: PathBuf,
    /// `/etc`
    pub etc: PathBuf,
    /// `/run`
    pub run: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self::under(Path::new("/"))
    }
}

impl Roots {
    /// The folders of a host whose root is `base`.
    pub fn under(base: &Path) -> Self {
        Self {
            root: base.to_owned(),
            proc: base.join("proc"),
            sys: base.join("sys"),
            etc: base.join("etc"),
            run: base.join("run"),
        }
    }
}

/// Most bytes read of one file.
pub(crate) const FILE_MAX: u64 = 256 * 1024;

/// The text of a file without white space around it, at most [`FILE_MAX`] bytes.
pub(crate) fn text(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(FILE_MAX).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    Some(text.trim().to_owned())
}

/// A file that holds one number.
pub(crate) fn number(path: &Path) -> Option<i64> {
    text(path)?.parse().ok()
}

/// The names in a folder, in order; none when it cannot be read.
pub(crate) fn names(path: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    let name =
        |entry: std::io::Result<std::fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
    let mut names: Vec<String> = entries.filter_map(name).collect();
    names.sort();
    names
}
