//! `cargo xtask test`: the README's test command. Every layer of tests, the network lab included.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Programs that the lab starts, and the Debian packages that hold them.
const TOOLS: [(&str, &str); 8] = [
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("mount", "mount"),
    ("hostname", "hostname"),
    ("ip", "iproute2"),
    ("bridge", "iproute2"),
    ("nft", "nftables"),
    ("faketime", "faketime"),
];

/// What to do where an ordinary user may not make namespaces.
const WAYS_OUT: &str = "\
The network lab builds its networks in namespaces, and this user may not make any. Two ways out:

  1. allow user namespaces until the next boot, whichever of these the system knows:
       sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0
       sudo sysctl -w kernel.unprivileged_userns_clone=1
       sudo sysctl -w user.max_user_namespaces=15000
     (in a container: start it with --security-opt seccomp=unconfined, or --privileged)
  2. run the tests as root:
       sudo -E env \"PATH=$PATH\" cargo xtask test
";

/// Counts over all test binaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// Builds the binary, runs the tests whose names contain one of `filters`, prints a closing line.
pub(crate) fn run(root: &Path, filters: &[String]) -> anyhow::Result<()> {
    check_namespaces()?;
    check_tools()?;
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
    let status = Command::new(cargo())
        .current_dir(root)
        .args(["build", "--release", "--package", "lcast-cli"])
        .status()
        .context("starting cargo build")?;
    if !status.success() {
        bail!("the release build failed");
    }
    let target = env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let binary = root.join(target).join("release/librecast");
    if !binary.exists() {
        bail!("{} was not built", binary.display());
    }
    Ok(binary)
}

/// The cargo that runs this chore.
pub(crate) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Fails at once, with the ways out, where the lab cannot build networks: neither in a user
/// namespace nor, as root, without one.
fn check_namespaces() -> anyhow::Result<()> {
    let mut told = String::new();
    for user in [&["--user", "--map-root-user"][..], &[]] {
        let mut probe = Command::new("unshare");
        probe.args(user).args(["--net", "--mount", "--pid", "--fork", "true"]);
        let output = probe.output().context("starting unshare (Debian package util-linux)")?;
        if output.status.success() {
            return Ok(());
        }
        if told.is_empty() {
            told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        }
    }
    bail!("{told}\n\n{WAYS_OUT}")
}

fn check_tools() -> anyhow::Result<()> {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    let there = |tool: &str| env::split_paths(&path).any(|folder| folder.join(tool).exists());
    let absent: Vec<_> = TOOLS.iter().filter(|(tool, _)| !there(tool)).collect();
    if absent.is_empty() {
        return Ok(());
    }
    let tools: Vec<&str> = absent.iter().map(|(tool, _)| *tool).collect();
    let packages: Vec<&str> = absent.iter().map(|(_, package)| *package).collect();
    bail!("the tests need {}: apt-get install {}", tools.join(", "), packages.join(" "));
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
