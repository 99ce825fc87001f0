//! The bench: this project and its peers, measured on the same work. Started by `bench/run`.
//!
//! For: figures about speed that anyone can repeat, in one run for all systems, and the page
//! `docs/benchmarks.md` that they stand on. Not for: finding out why something is slow. Start
//! reading at `ask.rs` and `watch.rs`; what each system is, stands in `systems`.

mod ask;
mod document;
mod fleet;
mod machine;
mod network;
mod options;
mod processes;
mod roles;
mod samples;
mod systems;
mod watch;

use std::process::ExitCode;

use crate::document::Document;
use crate::machine::Machine;
use crate::network::Network;
use crate::options::{Part, Plan, USAGE};
use crate::systems::Place;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [first, role @ ..] = words.as_slice()
        && first == "role"
    {
        return roles::play(role);
    }
    let Some(plan) = Plan::read(&words)? else {
        print!("{USAGE}");
        return Ok(());
    };
    let machine = Machine::describe()?;
    let network = Network::open()?;
    let checkout = std::env::current_dir()?;
    // `bench/run` makes a temporary folder that lasts as long as the namespaces.
    let place = Place { checkout: checkout.clone(), work: std::env::temp_dir() };
    let mut document = Document { machine, plan: plan.clone(), ask: None, watch: None };
    if plan.part != Part::Watch {
        let mut systems = systems::all(&place);
        systems.retain(|system| plan.takes(system.name()));
        document.ask = Some(ask::run(&plan, &place, &network, &systems)?);
    }
    if plan.part != Part::Ask {
        document.watch = Some(watch::run(&plan, &place)?);
    }
    let publishes = plan.part == Part::Everything && !plan.quick;
    if publishes { document.write(&checkout) } else { document.print() }
}
