//! Chores of this workspace: `cargo xtask test | tidy | generate | fuzz | python | perl | ci`.
//!
//! For: the checks that the compiler and clippy cannot make, generated files, and the order of
//! CI. Not for: anything that a user of Librecast runs. Start reading at `tidy/mod.rs`, which
//! lists every check with its rule.

mod book;
mod ci;
mod fuzz;
mod generate;
mod lexer;
mod perl;
mod python;
mod repo;
mod test;
mod tidy;

use std::process::ExitCode;

use anyhow::bail;

const USAGE: &str = "\
Chores of the Librecast workspace

usage: cargo xtask CHORE

  test [FILTER...]    build the binary and run every test, the network lab included
  tidy                check the rules of STYLE.md that no compiler checks
  generate [--check]  write the generated files, or say which ones are out of date
  fuzz SECONDS [TARGET...]
                      search for inputs that break a promise, so long for each target
  python [ARGUMENT...]
                      build the Python package and run its tests; arguments go to pytest
  python docs         write its reference under target/python/docs
  perl [TEST...]      install the Perl distribution and run its tests, or some of them
  ci                  everything that must pass before a change lands
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (chore, rest) = match arguments.split_first() {
        Some((chore, rest)) => (chore.as_str(), rest),
        None => ("help", &[][..]),
    };
    let repo = repo::root()?;
    match (chore, rest) {
        ("test", filters) => test::run(&repo, filters),
        ("tidy", []) => tidy::run(&repo),
        ("generate", []) => generate::run(&repo, false),
        ("generate", [flag]) if flag == "--check" => generate::run(&repo, true),
        ("fuzz", [seconds, targets @ ..]) => fuzz::run(&repo, seconds, targets),
        ("python", [what]) if what == "docs" => python::docs(&repo),
        ("python", arguments) => python::run(&repo, arguments),
        ("perl", tests) => perl::run(&repo, tests),
        ("ci", []) => ci::run(&repo),
        ("help" | "--help" | "-h", _) => {
            print!("{USAGE}");
            Ok(())
        }
        _ => bail!("no such chore: '{}'\n\n{USAGE}", arguments.join(" ")),
    }
}
