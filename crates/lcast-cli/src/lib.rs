//! The `librecast` command as a library: what its binary, its tests and `xtask` share.
//!
//! Not an API for programs; that is the crate `lcast`. Start reading at [`run`], then `args` for
//! what can be said and `verbs` for what is done.
#![forbid(unsafe_code)]

pub mod agent;
mod args;
mod backend;
mod doctor;
mod duration;
mod exit;
mod failure;
mod json;
mod output;
mod owner;
mod place;
mod service;
mod signals;
mod text;
mod verbs;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use self::args::{Cli, Everywhere};
use self::exit::Exit;
use self::failure::Failure;
use self::output::{Format, Output};

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let Everywhere { common, .. } = cli.everywhere();
    let format = match (common.json, common.jsonl) {
        (true, _) => Format::Json,
        (false, true) => Format::JsonLines,
        (false, false) => Format::Text,
    };
    let output = Output::new(format, common.quiet);
    let ended = if common.json && common.jsonl {
        Err(Failure::usage("--json and --jsonl exclude each other"))
    } else {
        verbs::run(&cli, output)
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => report(&failure, output),
    }
}

/// The definition of the command line, for the pages that are generated from it.
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Prints a failed command: the message for people, JSON for programs that asked for it.
fn report(failure: &Failure, output: Output) -> ExitCode {
    if failure.is_closed_output() {
        return Exit::Success.into();
    }
    // It may repeat what a script passed on from elsewhere; carets stand below their place.
    let message = failure.to_string();
    let lines: Vec<String> = message.lines().map(text::sanitise).collect();
    // Nobody is left to be told when stderr is closed.
    let _ = writeln!(std::io::stderr(), "librecast: {}", lines.join("\n"));
    if output.format != Format::Text {
        // The exit code tells the same when standard output is closed as well.
        let _ = output.object("failure", json::failure(failure));
    }
    failure.exit.into()
}

/// Prints what clap has to say: help, or what is wrong with the command line.
fn refuse(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let failed = error.print().err().map(Failure::from).filter(|it| !it.is_closed_output());
        return failed.map_or(Exit::Success, |it| it.exit).into();
    }
    let words: Vec<String> =
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    // Nobody is left to be told when stderr is closed.
    let _ = if words.iter().all(|word| text::is_safe(word)) {
        error.print()
    } else {
        // It repeats words as they are.
        let lines: Vec<String> = error.to_string().lines().map(text::sanitise).collect();
        writeln!(std::io::stderr(), "{}", lines.join("\n"))
    };
    if let Some(format) = args::json_wanted(words.iter().skip(1).map(String::as_str)) {
        let message = error.to_string();
        let message = message.strip_prefix("error: ").unwrap_or(&message).trim_end();
        let output = Output::new(format, true);
        let _ = output.object("failure", json::failure(&Failure::usage(message)));
    }
    Exit::Usage.into()
}
