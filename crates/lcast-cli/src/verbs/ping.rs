//! `ping`: round trips, by multicast and by unicast.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lcast_proto::question::Verb;
use serde_json::{Value as Json, json};

use super::{get, question, suggest};
use crate::args::{Everywhere, PingArgs};
use crate::backend::Session;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::table::Table;
use crate::output::{Format, Output, report};
use crate::signals::Signals;
use crate::{json, place};

/// Round trips of one node.
#[derive(Clone, Copy, Debug, Default)]
struct Trips {
    multicast: Times,
    unicast: Times,
}

/// A sum of times.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    count: u32,
    sum: Duration,
}

impl Times {
    fn add(&mut self, time: Duration) {
        self.count += 1;
        self.sum += time;
    }

    fn mean_ms(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum.as_secs_f64() * 1000.0 / f64::from(self.count))
    }
}

/// Measures round trips.
pub(crate) async fn run(
    args: &PingArgs,
    everywhere: &Everywhere,
    output: Output,
) -> Result<Exit, Failure> {
    let target = args.ask.target.resolve()?;
    get::check_size(&target.selector, &[])?;
    let mut signals = Signals::watch()?;
    let session = Session::open(question::place(everywhere)?)?;
    let mut trips: BTreeMap<String, Trips> = BTreeMap::new();
    let mut last = None;
    for _ in 0..args.count {
        let ask = question::describe(Verb::Ping, target.clone(), &args.ask.question);
        let begun = Instant::now();
        let mut heard = Vec::new();
        let mut asked = question::ask(&session, &mut signals, ask, |reply| {
            trips.entry(reply.node.clone()).or_default().multicast.add(begun.elapsed());
            heard.push(reply.node);
            Ok(())
        })
        .await?;
        if !asked.interrupted {
            match signals.unless(session.ping(&heard)).await {
                Some(times) => {
                    let mut add = |(node, time)| trips.entry(node).or_default().unicast.add(time);
                    times.into_iter().for_each(&mut add);
                }
                None => asked.interrupted = true,
            }
        }
        let interrupted = asked.interrupted;
        last = Some(asked);
        if interrupted {
            break;
        }
    }
    let Some(asked) = last else {
        return Err(Failure::usage("--count must be at least 1"));
    };
    print_trips(&trips, &asked, output)?;
    let exit = match question::judge(&asked, &args.ask.question) {
        // An earlier round was answered.
        Exit::Interrupted if !trips.is_empty() => Exit::Incomplete,
        exit => exit,
    };
    question::tell_unasked(&session, &target, output).await;
    question::explain(exit, &asked.report, &session, output).await;
    let sought = suggest::Sought { patterns: &[], target: &target, question: &args.ask.question };
    suggest::unknown_names(&session, &mut signals, &asked, sought, output).await;
    session.close().await;
    Ok(exit)
}

fn print_trips(
    trips: &BTreeMap<String, Trips>,
    asked: &question::Asked,
    output: Output,
) -> Result<(), Failure> {
    let rounded = |ms: Option<f64>| ms.map(|ms| (ms * 1000.0).round() / 1000.0);
    let object = |(node, it): (&String, &Trips)| {
        json!({
            "node": node,
            "multicast_ms": rounded(it.multicast.mean_ms()),
            "unicast_ms": rounded(it.unicast.mean_ms()),
            "count": it.multicast.count,
        })
    };
    let report = json::report(&asked.report);
    match output.format {
        Format::Json => {
            let replies: Json = trips.iter().map(object).collect();
            output.json(&json!({ "replies": replies, "report": report }))?;
        }
        Format::JsonLines => {
            for trip in trips {
                output.json_line("reply", object(trip))?;
            }
            output.json_line("report", report)?;
        }
        Format::Text => {
            let mut table = Table::new(["node", ">multicast [ms]", ">unicast [ms]", ">count"]);
            let cell = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms:.3}"));
            for (node, it) in trips {
                table.push(vec![
                    node.clone(),
                    cell(it.multicast.mean_ms()),
                    cell(it.unicast.mean_ms()),
                    it.multicast.count.to_string(),
                ]);
            }
            output.table(&table)?;
        }
    }
    for line in report::lines(&asked.report, place::wall()) {
        output.note(&line);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_of_what_came_back() {
        let mut times = Times::default();
        assert_eq!(times.mean_ms(), None);
        times.add(Duration::from_millis(1));
        times.add(Duration::from_millis(3));
        assert_eq!(times.mean_ms(), Some(2.0));
    }
}
