//! `completions` and `man`: generated from the definition of the command line.

use std::fs;
use std::path::Path;

use crate::args::{CompletionsArgs, ManArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// Prints the completion script for a shell.
pub(crate) fn completions(args: &CompletionsArgs, output: Output) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::command(), "librecast", &mut script);
    output.text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}

/// Writes a man page for the command and for each verb.
pub(crate) fn man(args: &ManArgs, output: Output) -> Result<Exit, Failure> {
    let wrong = |path: &Path, error: &dyn std::fmt::Display| {
        Failure::usage(format!("'{}': {error}; name a folder to write to", path.display()))
    };
    fs::create_dir_all(&args.folder).map_err(|error| wrong(&args.folder, &error))?;
    clap_mangen::generate_to(crate::command(), &args.folder)
        .map_err(|error| wrong(&args.folder, &error))?;
    output.note(&format!("the pages are in '{}'", args.folder.display()));
    Ok(Exit::Success)
}
