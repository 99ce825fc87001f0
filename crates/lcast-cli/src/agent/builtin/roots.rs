//! Where the facts about a host are read: its pseudo file systems, or a recorded copy in tests.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

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

/// Most bytes read of one file: the addresses of a router with many routes, the mounts of a host
/// with thousands of containers.
pub(crate) const FILE_MAX: usize = 1024 * 1024;

/// Most files that are told to be longer.
const LONG_MAX: usize = 16;

/// The files that were told to be longer.
static LONG: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// The text of a file without white space around it. Of one that is longer than [`FILE_MAX`] the
/// whole lines before, and the log tells so once.
pub(crate) fn text(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(FILE_MAX as u64 + 1).read_to_end(&mut bytes).ok()?;
    if bytes.len() > FILE_MAX {
        let end = bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(FILE_MAX);
        bytes.truncate(end);
        if is_news(path) {
            let path = path.display();
            tracing::warn!(
                "of '{path}' only {FILE_MAX} bytes are read: what it says may lack some"
            );
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    Some(text.trim().to_owned())
}

/// Whether it was not told before that a file is too long.
fn is_news(path: &Path) -> bool {
    let mut long = LONG.lock().unwrap_or_else(PoisonError::into_inner);
    long.len() < LONG_MAX && long.insert(path.to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_read_up_to_a_whole_line_and_that_is_told() {
        let name = format!("lcast-long-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let line = "x".repeat(1023) + "\n";
        for (lines, rest, kept) in [(1024, "", 1024), (1024, "y", 1024), (1023, &line[1..], 1024)] {
            std::fs::write(&path, line.repeat(lines) + rest).unwrap();
            let text = text(&path).unwrap();
            assert_eq!(text.lines().count(), kept, "{lines} lines and {}", rest.len());
            assert!(text.lines().all(|it| it.starts_with('x')));
        }
        assert!(!is_news(&path), "it was told");
        for number in 0..=LONG_MAX {
            is_news(Path::new(&number.to_string()));
        }
        assert_eq!(LONG.lock().unwrap().len(), LONG_MAX);
        std::fs::remove_file(path).unwrap();
    }
}
