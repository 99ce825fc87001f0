//! `cargo xtask test`: the README's test command. Every layer of tests, the network lab included.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Counts over all test binaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// Builds the binary, runs the tests whose names contain one of `filters`, prints a closing line.
pub(crate) fn run(root: &Path, filters: &[String]) -> anyhow::Result<()> {
    check_lab(root)?;
    let binary = build(root)?;
    let mut command = Command::new(cargo());
    command.current_dir(root).args(["test", "--workspace", "--no-fail-fast", "--"]);
    command.args(filters).env("LIBRECAST_BIN", &binary).stdout(Stdio::piped());
    let mut child = command.spawn().context("starting cargo test")?;
    let stdout = child.stdout.take().context("cargo test has no output")?;
    let mut tally = Tally::default();
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        println!("{line}");
        tally.add(&line);
    }
    let status = child.wait()?;
    println!("tests: {} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
    if !status.success() || tally.failed > 0 {
        bail!("tests failed");
    }
    if tally.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// The release binary, built now: the lab and the measurements run what users run.
pub(crate) fn build(root: &Path) -> anyhow::Result<PathBuf> {
    let mut build = Command::new(cargo());
    build.current_dir(root).args(["build", "--release", "--package", "lcast-cli"]);
    finish(&mut build, "the release build")?;
    let binary = target(root).join("release/librecast");
    if !binary.exists() {
        bail!("{} was not built", binary.display());
    }
    Ok(binary)
}

/// The program that the tests of a language run: `LIBRECAST_BIN`, or the release binary.
pub(crate) fn program(root: &Path) -> anyhow::Result<PathBuf> {
    env::var_os("LIBRECAST_BIN").map_or_else(|| build(root), |path| Ok(PathBuf::from(path)))
}

/// Where cargo, and the chores beside it, build.
pub(crate) fn target(root: &Path) -> PathBuf {
    root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// Runs a command to its end, which must be a success; `what` it does, for the error.
pub(crate) fn finish(command: &mut Command, what: &str) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{what}: starting {command:?}"))?;
    if !status.success() {
        bail!("{what} failed: {status}");
    }
    Ok(())
}

/// The cargo that runs this chore.
pub(crate) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Fails at once, with the ways out, where the lab cannot build networks: before hundreds of tests
/// are built that say so one by one.
fn check_lab(root: &Path) -> anyhow::Result<()> {
    let mut probe = Command::new(cargo());
    probe.current_dir(root).args(["run", "--quiet", "--package", "lcast-lab"]);
    let status = probe.args(["--bin", "lab-check"]).status().context("starting cargo run")?;
    if !status.success() {
        bail!("the network lab cannot be made here");
    }
    Ok(())
}

impl Tally {
    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; ...`.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|l| l.split_once(". "))
        else {
            return;
        };
        for part in counts.split("; ") {
            let Some((number, what)) = part.split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_up() {
        let mut tally = Tally::default();
        for line in [
            "running 4 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
            "test a::b ... ok",
        ] {
            tally.add(line);
        }
        assert_eq!(tally, Tally { passed: 5, failed: 1, skipped: 1 });
    }
}
