//! The runner of the conformance scenario on the crate `lcast`.
//!
//! `conformance-rust answer CREDENTIAL STATE SCENARIO` exposes what the scenario says, prints
//! `ready`, and leaves when its standard input closes. `conformance-rust ask CREDENTIAL SCENARIO`
//! plays its steps and prints what they give. The lines are told in the README of the folder.
//! `conformance-rust time CREDENTIAL` does what the bench measures, `conformance-rust blocking time
//! CREDENTIAL` the questions of it without async.

mod answer;
mod ask;
mod timing;
mod timing_blocking;
mod value;

use std::path::Path;

use anyhow::{Context, bail};

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let read = |path: &str| std::fs::read_to_string(path).with_context(|| path.to_owned());
    match *words {
        ["answer", credential, state, scenario] => {
            let credential = lcast::realm::read_credential(Path::new(credential), None)?;
            runtime.block_on(answer::run(credential, Path::new(state), &read(scenario)?))
        }
        ["ask", credential, scenario] => {
            runtime.block_on(ask::run(Path::new(credential), &read(scenario)?))
        }
        ["time", credential] => runtime.block_on(timing::run(Path::new(credential))),
        ["blocking", "time", credential] => timing_blocking::run(Path::new(credential)),
        _ => bail!("answer CREDENTIAL STATE SCENARIO, ask CREDENTIAL SCENARIO, or time CREDENTIAL"),
    }
}
