//! `cargo xtask ci`: everything that must pass before a change lands, in one order.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail};

use crate::{generate, perl, python, test, tidy};

/// One step: its name and what it does.
struct Step {
    name: &'static str,
    run: fn(&Path) -> anyhow::Result<()>,
}

/// The steps in order; the README's test command first, because it says most.
const STEPS: [Step; 11] = [
    Step { name: "test", run: |root| test::run(root, &[]) },
    Step { name: "python", run: |root| python::run(root, &[]) },
    Step { name: "perl", run: |root| perl::run(root, &[]) },
    Step { name: "conformance", run: conformance },
    Step { name: "format", run: |root| cargo(root, &["fmt", "--all", "--", "--check"], &[]) },
    Step { name: "lint", run: lint },
    Step { name: "tidy", run: tidy::run },
    Step { name: "generated files", run: |root| generate::run(root, true) },
    Step { name: "documentation", run: documentation },
    Step { name: "dependencies", run: dependencies },
    Step { name: "fuzz replay", run: fuzz_replay },
];

/// Runs every step, also after one has failed; prints each with its seconds.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    let mut failed = Vec::new();
    let start = Instant::now();
    for step in &STEPS {
        println!("\n== {}", step.name);
        let begin = Instant::now();
        let result = (step.run)(root);
        let seconds = begin.elapsed().as_secs_f64();
        let word = if result.is_ok() { "ok" } else { "FAILED" };
        lines.push(format!("{:<16} {word:<7} {seconds:>7.1} s", step.name));
        if let Err(error) = result {
            println!("{error:#}");
            failed.push(step.name);
        }
    }
    println!("\n{}", lines.join("\n"));
    println!("{:<16} {:<7} {:>7.1} s", "all", "", start.elapsed().as_secs_f64());
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn cargo(root: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<()> {
    let mut command = Command::new(test::cargo());
    command.current_dir(root).args(arguments).envs(variables.iter().copied());
    let status = command.status().with_context(|| format!("starting cargo {}", arguments[0]))?;
    if !status.success() {
        bail!("cargo {} failed", arguments.join(" "));
    }
    Ok(())
}

/// Every language asks every other, and the program that users run.
fn conformance(root: &Path) -> anyhow::Result<()> {
    let mut play = Command::new(root.join("bindings/conformance/run"));
    let status = play.env("LIBRECAST_BIN", test::build(root)?).status();
    if !status.context("starting bindings/conformance/run")?.success() {
        bail!("not every pair of languages passes");
    }
    Ok(())
}

fn lint(root: &Path) -> anyhow::Result<()> {
    cargo(root, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])
}

fn documentation(root: &Path) -> anyhow::Result<()> {
    // Private items are documented too, so that links to them hold.
    let flags = [("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links")];
    cargo(root, &["doc", "--workspace", "--no-deps", "--document-private-items"], &flags)
}

/// Licences, duplicates and sources of every dependency, by cargo-deny.
fn dependencies(root: &Path) -> anyhow::Result<()> {
    let version = Command::new(test::cargo()).args(["deny", "--version"]).output()?;
    if !version.status.success() {
        bail!(
            "cargo-deny is not installed: `.ci/run` does it, or cargo install --locked cargo-deny"
        );
    }
    cargo(root, &["deny", "check", "licenses", "bans", "sources"], &[])?;
    let fuzz = ["deny", "--manifest-path", "fuzz/Cargo.toml", "check", "licenses", "sources"];
    cargo(root, &fuzz, &[])
}

/// The committed corpora, grown by a seeded mutation of each file, through every parser.
fn fuzz_replay(root: &Path) -> anyhow::Result<()> {
    let rounds = [("LCAST_FUZZ_ROUNDS", "200")];
    cargo(root, &["test", "--package", "lcast-fuzz-targets"], &rounds)
}
