//! What the book tells people to type: it is run as it is printed.
//!
//! A folder of the chore stands for the checkout in which they type it: what they make lies there,
//! and not in the checkout.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, os::unix};

use anyhow::Context;

use crate::test;

/// The block of shell lines in a chapter, of which there is one.
fn block(root: &Path, chapter: &str) -> anyhow::Result<String> {
    let path = root.join("docs/book/src").join(chapter);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    only_block(&text).with_context(|| format!("{}: not one block of sh", path.display()))
}

fn only_block(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("\n```sh\n")?;
    let (block, after) = rest.split_once("```\n")?;
    (!after.contains("\n```sh\n")).then(|| block.to_owned())
}

/// The folder that stands for the checkout, made anew: what cargo builds lies where it does there.
pub(crate) fn checkout(root: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let checkout = folder.join("book");
    if checkout.exists() {
        fs::remove_dir_all(&checkout)?;
    }
    fs::create_dir_all(checkout.join("home"))?;
    unix::fs::symlink(test::target(root), checkout.join("target"))?;
    Ok(checkout)
}

/// The shell that runs the block of a chapter and then `after` in such a folder, with a home of its
/// own.
pub(crate) fn shell(
    root: &Path,
    checkout: &Path,
    chapter: &str,
    after: &str,
) -> anyhow::Result<Command> {
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", &format!("{}{after}\n", block(root, chapter)?)]);
    shell.current_dir(checkout).env("HOME", checkout.join("home"));
    // What cargo keeps is in the home of whoever runs this.
    for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        if let (None, Some(home)) = (env::var_os(name), env::var_os("HOME")) {
            shell.env(name, Path::new(&home).join(folder));
        }
    }
    shell.env("CARGO_TARGET_DIR", test::target(root)).env_remove("MAKEFLAGS");
    for name in ["PYTHONPATH", "PERL5LIB", "LCAST_LIBRARY"] {
        shell.env_remove(name);
    }
    Ok(shell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_block_is_found() {
        let one = "a\n\n```sh\nb\nc\n```\n\n```python\nd\n```\n";
        assert_eq!(only_block(one).as_deref(), Some("b\nc\n"));
        assert_eq!(only_block(&one.repeat(2)), None);
        assert_eq!(only_block("a\n"), None);
    }
}
