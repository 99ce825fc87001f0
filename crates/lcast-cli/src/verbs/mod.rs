//! What each verb does. A verb resolves its arguments, does its work and prints.

mod generated;
mod realm;

use crate::args::{Cli, RealmVerb, Verb};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// Runs the verb.
pub(crate) fn run(cli: &Cli, output: Output) -> Result<Exit, Failure> {
    let everywhere = &cli.everywhere();
    match &cli.verb {
        Verb::Realm(args) => match &args.verb {
            RealmVerb::Create(args) => realm::create(args, everywhere, output),
            RealmVerb::Issue(args) => realm::issue(args, everywhere, output),
            RealmVerb::Show(args) => realm::show(args, everywhere, output),
            RealmVerb::List(_) => realm::list(everywhere, output),
        },
        Verb::Join(args) => realm::join(args, everywhere, output),
        Verb::Completions(args) => generated::completions(args, output),
        Verb::Man(args) => generated::man(args, output),
        _ => {
            crate::place::resolve(everywhere, lcast::home::Purpose::Ask)?;
            Err(Failure::internal("not built in"))
        }
    }
}
