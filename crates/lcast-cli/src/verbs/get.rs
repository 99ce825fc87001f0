//! `get`: variables of all matching nodes.

use lcast_proto::question::Verb;
use lcast_proto::select::{Pattern, Selector, encoded_size};

use super::{question, suggest};
use crate::args::{Everywhere, GetArgs};
use crate::backend::{Labels, Session};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::printer::{Printer, Show};
use crate::output::{Format, Output};
use crate::place;
use crate::signals::Signals;

/// Asks, prints, judges.
pub(crate) async fn run(
    args: &GetArgs,
    everywhere: &Everywhere,
    output: Output,
) -> Result<Exit, Failure> {
    let patterns = patterns(&args.patterns)?;
    let show = show(args, &patterns, output)?;
    let target = args.ask.target.resolve()?;
    check_size(&target.selector, &patterns)?;
    let mut signals = Signals::watch()?;
    let session = Session::open(question::place(everywhere)?)?;
    let ask = question::describe(Verb::Get(patterns.clone()), target.clone(), &args.ask.question);
    let mut printer = Printer::new(output, show).ordered(patterns.clone());
    let mut asked =
        question::ask(&session, &mut signals, ask, |reply| printer.reply(reply)).await?;
    printer.settle(&mut asked.report);
    let labels = if args.by.is_some() { session.labels().await } else { Labels::new() };
    let by_label = |node: &str, key: &str| labels.get(node)?.get(key).cloned();
    printer.finish(&asked.report, place::wall(), &by_label)?;
    let exit = question::judge(&asked, &args.ask.question, output);
    let sought =
        suggest::Sought { patterns: &patterns, target: &target, question: &args.ask.question };
    question::close(session, &mut signals, exit, &asked, sought, output).await;
    Ok(exit)
}

/// The patterns, parsed.
pub(crate) fn patterns(texts: &[String]) -> Result<Vec<Pattern>, Failure> {
    let parse = |text: &String| text.parse::<Pattern>();
    let patterns: Result<Vec<Pattern>, _> = texts.iter().map(parse).collect();
    patterns.map_err(|error| Failure::usage(error.render()))
}

/// Refuses what does not fit a question.
pub(crate) fn check_size(selector: &Selector, patterns: &[Pattern]) -> Result<(), Failure> {
    encoded_size(selector, patterns).map(|_| ()).map_err(Failure::usage)
}

fn show(args: &GetArgs, patterns: &[Pattern], output: Output) -> Result<Show, Failure> {
    let alone = |option: &str| {
        Failure::usage(format!("--{option} and --json or --jsonl exclude each other"))
    };
    let json = output.format != Format::Text;
    if args.names {
        return if json { Err(alone("names")) } else { Ok(Show::Names) };
    }
    if args.value {
        return match patterns {
            [one] if !one.to_string().contains('*') => {
                if json {
                    Err(alone("value"))
                } else {
                    Ok(Show::Value)
                }
            }
            _ => Err(Failure::usage("--value prints one variable; name one, without wildcards")),
        };
    }
    if args.tally {
        return Ok(Show::Tally);
    }
    if args.agg.is_empty() {
        return Ok(Show::Replies);
    }
    match &args.by {
        Some(by) if by.strip_prefix("labels.").is_none_or(str::is_empty) => {
            Err(Failure::usage(format!("--by '{by}': group by a label, like labels.role")))
        }
        by => Ok(Show::Aggregate { functions: args.agg.clone(), by: by.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Verb as CliVerb};

    fn shown(line: &str, format: Format) -> Result<Show, String> {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let CliVerb::Get(args) = &cli.verb else { panic!("{line}") };
        let output = Output { format, screen: None, quiet: true };
        let patterns = patterns(&args.patterns).map_err(|error| error.to_string())?;
        show(args, &patterns, output).map_err(|error| error.to_string())
    }

    #[test]
    fn what_to_show_follows_the_options() {
        let text = |line: &str| shown(line, Format::Text);
        assert_eq!(text("lc get a.b"), Ok(Show::Replies));
        assert_eq!(text("lc get a.b --names"), Ok(Show::Names));
        assert_eq!(text("lc get a.b --value"), Ok(Show::Value));
        assert_eq!(text("lc get a.b --tally"), Ok(Show::Tally));
        for (line, part) in [
            ("lc get a.b a.c --value", "one variable"),
            ("lc get a.* --value", "without wildcards"),
            ("lc get a.b --agg avg --by role", "labels.role"),
            ("lc get a.b --agg avg --by labels.", "labels.role"),
            ("lc get a..b", "^"),
        ] {
            let error = text(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
        assert!(shown("lc get a.b --names", Format::Json).is_err());
        assert_eq!(shown("lc get a.b --tally", Format::Json), Ok(Show::Tally));
    }

    #[test]
    fn a_question_must_fit_a_packet() {
        let name = |index: usize| format!("a{index}.{}", "x".repeat(25)).parse::<Pattern>();
        let many = |count: usize| (0..count).map(|it| name(it).unwrap()).collect::<Vec<_>>();
        assert!(check_size(&Selector::default(), &many(5)).is_ok());
        let error = check_size(&Selector::default(), &many(20)).unwrap_err();
        assert!(error.message.contains("320"), "{error}");
    }
}
