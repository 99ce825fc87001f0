//! `set`: settings of all matching nodes.

use lcast_proto::question::{SetRequest, Verb};
use lcast_proto::variable::Version;

use super::{get, question, suggest};
use crate::args::assignment::Assignment;
use crate::args::{Everywhere, SetArgs};
use crate::backend::Session;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::printer::{Printer, Show};
use crate::output::{Format, Output};
use crate::place;
use crate::signals::Signals;

/// Tells, prints, judges.
pub(crate) async fn run(
    args: &SetArgs,
    everywhere: &Everywhere,
    output: Output,
) -> Result<Exit, Failure> {
    let request = request(args)?;
    if args.names && output.format != Format::Text {
        return Err(Failure::usage("--names and --json or --jsonl exclude each other"));
    }
    let target = args.ask.target.resolve()?;
    get::check_size(&target.selector, &[])?;
    let mut signals = Signals::watch()?;
    let session = Session::open(question::place(everywhere)?)?;
    let ask = question::describe(Verb::Set(request), target.clone(), &args.ask.question);
    let show = if args.names { Show::Names } else { Show::Replies };
    let mut printer = Printer::new(output, show).of_set(args.dry_run);
    let asked = question::ask(&session, &mut signals, ask, |reply| printer.reply(reply)).await?;
    printer.finish(&asked.report, place::wall(), &|_, _| None)?;
    if args.dry_run {
        output.note("dry run: nothing was set");
    }
    let exit = question::judge(&asked, &args.ask.question, output);
    let sought = suggest::Sought { patterns: &[], target: &target, question: &args.ask.question };
    question::close(session, &mut signals, exit, &asked, sought, output).await;
    Ok(exit)
}

fn request(args: &SetArgs) -> Result<SetRequest, Failure> {
    let if_version = match &args.if_version {
        None => None,
        Some(_) if args.assignments.len() != 1 => {
            return Err(Failure::usage("--if-version needs exactly one NAME=TEXT or NAME:=JSON"));
        }
        Some(text) => Some(text.parse::<Version>().map_err(|error| {
            Failure::usage(format!("--if-version {error}; a setting never set has 0.0"))
        })?),
    };
    let pair = |it: &Assignment| (it.name.clone(), it.content.clone());
    let assignments = args.assignments.iter().map(pair).collect();
    let request = SetRequest { assignments, if_version, dry_run: args.dry_run };
    request.check().map_err(Failure::usage)?;
    Ok(request)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Verb as CliVerb};

    fn parsed(line: &str) -> Result<SetRequest, String> {
        let cli = Cli::try_parse_from(line.split(' ')).map_err(|error| error.to_string())?;
        let CliVerb::Set(args) = &cli.verb else { panic!("{line}") };
        request(args).map_err(|error| error.to_string())
    }

    #[test]
    fn requests_are_checked_before_anything_is_sent() {
        let request = parsed("lc set app.a=x app.b:=1 --dry-run").unwrap();
        assert_eq!(request.assignments.len(), 2);
        assert!(request.dry_run);
        let version = Some("3.7".parse().unwrap());
        assert_eq!(parsed("lc set app.a=x --if-version 3.7").unwrap().if_version, version);
        for (line, part) in [
            ("lc set app.a=x app.b=y --if-version 3.7", "exactly one"),
            ("lc set app.a=x --if-version 3", "'3' is no version"),
            ("lc set app.a=x app.a=y", "'app.a' is set twice"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
