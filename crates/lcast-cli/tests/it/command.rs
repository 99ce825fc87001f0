//! Runs the command in a home of its own and looks at all it leaves.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value as Json;

/// A folder that is `LIBRECAST_HOME` and the working directory, removed at the end of the test.
pub(crate) struct Home(PathBuf);

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        static HOMES: AtomicU64 = AtomicU64::new(0);
        let number = HOMES.fetch_add(1, Ordering::Relaxed);
        let name = format!("librecast-it-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A command with a clean environment.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_librecast"));
        command.args(words).env_clear().current_dir(&self.0).stdin(Stdio::null());
        command.env("LIBRECAST_HOME", self.path("home")).env("PATH", "/nowhere");
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ended {
        Ended::of(&mut self.command(words))
    }

    /// Runs a command that must succeed, and gives its output.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let ended = self.run(words);
        assert_eq!(ended.code, 0, "{words:?}: {ended:?}");
        ended.out
    }

    /// Runs a command that must succeed with one JSON document.
    pub(crate) fn json(&self, words: &[&str]) -> Json {
        serde_json::from_str(&self.ok(words)).unwrap()
    }

    /// Runs a command that must be refused with exit code 2, an empty stdout and these parts in its
    /// message; with `--json` it must print the same message.
    pub(crate) fn refused(&self, words: &[&str], parts: &[&str]) {
        self.refused_in_words(words, parts);
        let printed = self.run(&[words, &["--json"]].concat());
        assert_eq!(printed.code, 2, "{words:?}: {printed:?}");
        let document: Json = serde_json::from_str(&printed.out)
            .unwrap_or_else(|error| panic!("{words:?}: {error}: {printed:?}"));
        assert_eq!(document["error"]["code"], "usage", "{document}");
        let message = document["error"]["message"].as_str().unwrap();
        for part in parts {
            assert!(message.contains(part), "{words:?}: no '{part}' in: {message}");
        }
    }

    /// As [`Home::refused`], for a command that has no JSON.
    pub(crate) fn refused_in_words(&self, words: &[&str], parts: &[&str]) {
        let ended = self.run(words);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{words:?}: {ended:?}");
        for part in parts {
            assert!(ended.err.contains(part), "{words:?}: no '{part}' in: {}", ended.err);
        }
    }

    /// All files below the home with their modes, in order.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        list(&self.0, &self.0, &mut files);
        files.sort();
        files
    }
}

fn list(root: &Path, folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mode = fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777;
        files.push(format!("{} {mode:o}", path.strip_prefix(root).unwrap().display()));
        if path.is_dir() {
            list(root, &path, files);
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Ended {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code().expect("ended by a signal"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

/// Changes the mode of a file.
pub(crate) fn chmod(path: impl AsRef<OsStr>, mode: u32) {
    fs::set_permissions(Path::new(path.as_ref()), fs::Permissions::from_mode(mode)).unwrap();
}
