//! Tells whether a lab can be made here, and if not, what to do: before the tests are built.
//!
//! `cargo xtask test` runs it first.

use std::process::ExitCode;

use lcast_lab::Lab;

fn main() -> ExitCode {
    match Lab::new(1).try_build() {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
