//! `cargo xtask fuzz SECONDS [TARGET...]`: searches for inputs that break a promise.
//!
//! The compiler of the repository does: what cargo-fuzz asks of a nightly one is the address
//! sanitizer, which code without `unsafe` has little use for. Coverage needs flags alone.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, bail};

use crate::test;

/// What makes the compiler count branches and pass on what is compared, for libFuzzer.
const FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=4",
    "--cfg fuzzing",
];

/// Longest input, in bytes.
const LENGTH_MAX: u32 = 4096;

/// Searches so many seconds for each of these targets, or for each of all.
pub(crate) fn run(root: &Path, seconds: &str, targets: &[String]) -> anyhow::Result<()> {
    let seconds: u32 = seconds.parse().with_context(|| format!("'{seconds}' is no number"))?;
    let folder = root.join("fuzz");
    let known = targets_in(&folder)?;
    if let Some(unknown) = targets.iter().find(|target| !known.contains(target)) {
        bail!("no fuzz target '{unknown}': there are {}", known.join(", "));
    }
    let chosen = if targets.is_empty() { &known[..] } else { targets };
    // With a target given, the flags do not reach build scripts.
    let machine = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let mut build = Command::new(test::cargo());
    build.current_dir(&folder).args(["build", "--release", "--target", &machine]);
    build.args(chosen.iter().map(|target| format!("--bin={target}")));
    if !build.env("RUSTFLAGS", FLAGS.join(" ")).status()?.success() {
        bail!("building the fuzz targets failed");
    }
    let binaries = folder.join("target").join(machine).join("release");
    let mut failed = Vec::new();
    for target in chosen {
        // What is found lies beside the target folder's other products, the corpus is only read.
        let found = folder.join("target/found").join(target);
        fs::create_dir_all(&found)?;
        let artifacts = folder.join("artifacts").join(target);
        fs::create_dir_all(&artifacts)?;
        println!("\n== {target}, {seconds} s");
        let mut search = Command::new(binaries.join(target));
        search
            .args([&found, &folder.join("corpus").join(target)])
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={LENGTH_MAX}"))
            .args(["-len_control=0", "-timeout=60", "-verbosity=0", "-print_final_stats=1"]);
        if !search.status().with_context(|| format!("starting {target}"))?.success() {
            failed.push(format!("{target} (its input is in {})", artifacts.display()));
        }
    }
    if !failed.is_empty() {
        bail!("found: {}", failed.join(", "));
    }
    Ok(())
}

/// The names of all targets, in order.
fn targets_in(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.join("fuzz_targets"))? {
        let path = entry?.path();
        names.extend(path.file_stem().and_then(|it| it.to_str()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_is_not_there_is_named() {
        let root = crate::repo::root().unwrap();
        let run = |seconds: &str, target: &str| {
            run(&root, seconds, &[target.to_owned()]).unwrap_err().to_string()
        };
        assert!(
            run("1", "nothing").starts_with("no fuzz target 'nothing': there are agent_config")
        );
        assert_eq!(run("soon", "selector"), "'soon' is no number");
        assert!(targets_in(&root.join("fuzz")).unwrap().contains(&"world_sequence".to_owned()));
    }
}
