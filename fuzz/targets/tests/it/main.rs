//! Replays the committed corpora through every fuzz target, each file with seeded mutations.
//!
//! `LCAST_FUZZ_ROUNDS` sets the mutations of each file (default 20). A failure names the target,
//! the file and the seed. `LCAST_WRITE_CORPUS` writes the samples into the corpora.
#![allow(clippy::unwrap_used)]

use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::{env, fs};

use lcast_fuzz_targets::{TARGETS, Target, mutate, samples};

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The corpus of a target, by file name.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = fuzz_folder().join("corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|_| panic!("no corpus for '{target}'"));
    let mut files: Vec<(String, Vec<u8>)> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn replay(target: &Target, what: &str, input: &[u8]) {
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    assert!(outcome.is_ok(), "fuzz target '{}' fails on {what}", target.name);
}

#[test]
fn corpora_and_their_neighbours_hold() {
    let rounds = env::var("LCAST_FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok());
    let rounds: u64 = rounds.unwrap_or(20);
    for target in TARGETS {
        let files = corpus(target.name);
        for (index, (file, input)) in files.iter().enumerate() {
            replay(target, file, input);
            for seed in 0..rounds.div_ceil(target.cost) {
                let other = &files[(index + 1 + seed as usize) % files.len()].1;
                let input = mutate::mutated(input, other, seed);
                replay(target, &format!("{file}, seed {seed}"), &input);
            }
        }
    }
}

#[test]
fn samples_hold() {
    for target in TARGETS {
        for (index, sample) in samples::of(target.name).iter().enumerate() {
            replay(target, &format!("sample {index}"), sample);
            if env::var_os("LCAST_WRITE_CORPUS").is_some() {
                let folder = fuzz_folder().join("corpus").join(target.name);
                fs::create_dir_all(&folder).unwrap();
                fs::write(folder.join(format!("sample-{index:02}")), sample).unwrap();
            }
        }
    }
}

#[test]
fn every_target_has_a_binary_and_a_corpus() {
    let manifest = fs::read_to_string(fuzz_folder().join("Cargo.toml")).unwrap();
    // A binary that no line of the table knows would never be replayed.
    let binaries = fs::read_dir(fuzz_folder().join("fuzz_targets")).unwrap().count();
    let listed = manifest.matches("[[bin]]").count();
    assert_eq!((binaries, listed), (TARGETS.len(), TARGETS.len()));
    for target in TARGETS {
        assert!(manifest.contains(&format!("name = \"{}\"", target.name)), "{}", target.name);
        let binary = fuzz_folder().join("fuzz_targets").join(format!("{}.rs", target.name));
        let text = fs::read_to_string(&binary).unwrap();
        assert!(text.contains(&format!("run(\"{}\", data)", target.name)), "{}", target.name);
        assert!(corpus(target.name).len() >= 2, "'{}' has hardly a corpus", target.name);
    }
}
