//! What each verb does. A verb resolves its arguments, does its work and prints.

mod generated;

use crate::args::{Cli, Verb};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// Runs the verb.
pub(crate) fn run(cli: &Cli, output: Output) -> Result<Exit, Failure> {
    let everywhere = cli.everywhere();
    let _ = &everywhere;
    match &cli.verb {
        Verb::Completions(args) => generated::completions(args, output),
        Verb::Man(args) => generated::man(args, output),
        _ => Err(Failure::internal("not built in")),
    }
}
