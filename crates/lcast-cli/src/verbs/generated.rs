//! `completions` and `man`: generated from the definition of the command line.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::args::{CompletionsArgs, ManArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Format, Output};

/// Prints the completion script for a shell.
pub(crate) fn completions(args: &CompletionsArgs, output: Output) -> Result<Exit, Failure> {
    if output.format != Format::Text {
        return Err(Failure::usage("completions are a script for a shell: they have no JSON"));
    }
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::command(), "librecast", &mut script);
    output.text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}

/// Writes the pages of a command and of the commands below it.
fn write_pages(command: &clap::Command, folder: &Path) -> Result<(), std::io::Error> {
    for below in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        write_pages(below, folder)?;
    }
    let man = clap_mangen::Man::new(command.clone());
    let mut page = Vec::new();
    man.render(&mut page)?;
    let page = with_values(command, String::from_utf8_lossy(&page).into_owned());
    fs::write(folder.join(man.get_filename()), page)
}

/// Puts the values of options where the generator leaves them out: in the synopsis, which comes
/// before all other mention of an option.
fn with_values(command: &clap::Command, mut page: String) -> String {
    for option in command.get_arguments().filter(|it| it.get_action().takes_values()) {
        let (Some(long), Some([value, ..])) = (option.get_long(), option.get_value_names()) else {
            continue;
        };
        let word = format!("\\fB\\-\\-{}\\fR", long.replace('-', "\\-"));
        let value = value.replace('-', "\\-");
        page = page.replacen(&word, &format!("{word} \\fI{value}\\fR"), 1);
    }
    page
}

/// Writes a man page for the command and for each verb.
pub(crate) fn man(args: &ManArgs, output: Output) -> Result<Exit, Failure> {
    let wrong = |path: &Path, error: &dyn std::fmt::Display| {
        Failure::usage(format!("'{}': {error}; name a folder to write to", path.display()))
    };
    fs::create_dir_all(&args.folder).map_err(|error| wrong(&args.folder, &error))?;
    let mut command = crate::command();
    command.build();
    write_pages(&command, &args.folder).map_err(|error| wrong(&args.folder, &error))?;
    if output.format != Format::Text {
        output.object("folder", json!({ "folder": args.folder.to_string_lossy() }))?;
    }
    output.note(&format!("the pages are in '{}'", args.folder.display()));
    Ok(Exit::Success)
}
