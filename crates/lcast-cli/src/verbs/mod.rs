//! What each verb does. A verb resolves its arguments, does its work and prints.

mod agent;
mod demo;
mod doctor;
mod generated;
mod get;
mod nodes;
mod ping;
mod question;
mod realm;
mod set;
mod suggest;
mod vars;
mod watch;

use std::future::Future;
use std::os::fd::AsFd;
use std::time::Duration;

use crate::args::{Cli, RealmVerb, Verb};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// Runs the verb.
pub(crate) fn run(cli: &Cli, output: Output) -> Result<Exit, Failure> {
    let everywhere = &cli.everywhere();
    match &cli.verb {
        Verb::Get(args) => wait(get::run(args, everywhere, output)),
        Verb::Set(args) => wait(set::run(args, everywhere, output)),
        Verb::Watch(args) => wait(watch::run(args, everywhere, output)),
        Verb::Vars(args) => wait(vars::run(args, everywhere, output)),
        Verb::Nodes(args) => wait(nodes::list(args, everywhere, output)),
        Verb::Forget(args) => wait(nodes::forget(args, everywhere, output)),
        Verb::Ping(args) => wait(ping::run(args, everywhere, output)),
        Verb::Doctor(args) => wait(doctor::run(args, everywhere, output)),
        Verb::Realm(args) => match &args.verb {
            RealmVerb::Create(args) => realm::create(args, everywhere, output),
            RealmVerb::Issue(args) => realm::issue(args, everywhere, output),
            RealmVerb::Show(args) => realm::show(args, everywhere, output),
            RealmVerb::List(_) => realm::list(everywhere, output),
        },
        Verb::Join(args) => realm::join(args, everywhere, output),
        Verb::Completions(args) => generated::completions(args, output),
        Verb::Man(args) => generated::man(args, output),
        Verb::Agent(args) => wait(agent::run(args, everywhere, output)),
        Verb::Demo(args) => wait(demo::run(args, everywhere, output)),
    }
}

/// Free file descriptors that the smallest use of the network takes, and some to spare.
const DESCRIPTORS_MIN: usize = 24;

/// How long the end of the process waits for what reads or writes files: what reads from a dead
/// network mount may never end, and a write is whole or not at all.
const ENDING_MAX: Duration = Duration::from_secs(2);

/// Runs what waits for the network, on this thread.
fn wait<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    check_descriptors()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| Failure::internal(format_args!("cannot wait for the network: {error}")))?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_timeout(ENDING_MAX);
    outcome
}

/// Refuses to begin where file descriptors would run out on the way: the runtime panics then.
fn check_descriptors() -> Result<(), Failure> {
    let mut taken = Vec::with_capacity(DESCRIPTORS_MIN);
    for _ in 0..DESCRIPTORS_MIN {
        let more = std::io::stderr().as_fd().try_clone_to_owned().map_err(|error| {
            Failure::internal(format_args!(
                "{error}: only {} more can be opened, and it takes {DESCRIPTORS_MIN}; raise the \
                 limit, see 'ulimit -n' (LimitNOFILE= in a systemd unit)",
                taken.len()
            ))
        });
        taken.push(more?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// As an agent does that reads a file on a dead network mount.
    #[test]
    fn what_reads_without_end_does_not_keep_the_process() {
        let (never, read) = mpsc::channel::<()>();
        let (ended, end) = mpsc::channel();
        std::thread::spawn(move || {
            let outcome = wait(async move {
                let (begun, begin) = tokio::sync::oneshot::channel();
                tokio::task::spawn_blocking(move || {
                    let _ = begun.send(());
                    read.recv()
                });
                begin.await.map_err(Failure::internal)
            });
            ended.send(outcome.is_ok())
        });
        assert_eq!(end.recv_timeout(Duration::from_secs(20)), Ok(true));
        drop(never);
    }
}
