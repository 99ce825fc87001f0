//! `ping`: round trips, by multicast and by unicast.

mod account;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lcast_proto::question::Verb;
use lcast_proto::question::report::Reply;
use serde_json::{Value as Json, json};

use self::account::Account;
use super::question::{self, Asked};
use super::{get, suggest};
use crate::args::{Everywhere, PingArgs};
use crate::backend::Session;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::table::Table;
use crate::output::{Format, Output, report};
use crate::signals::Signals;
use crate::{json, place};

/// What came back from one node.
#[derive(Clone, Copy, Debug, Default)]
struct Trips {
    /// The answers to multicast; one that only a later copy by unicast drew says nothing of it.
    multicast: Times,
    unicast: Times,
    /// The answers, however they were drawn.
    answers: u32,
}

impl Trips {
    /// An answer that came after this time.
    fn add(&mut self, reply: &Reply, time: Duration) {
        self.answers += 1;
        if reply.by_multicast {
            self.multicast.add(time);
        }
    }
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
    let mut account = Account::default();
    let mut interrupted = false;
    while account.times < args.count && !interrupted {
        let ask = question::describe(Verb::Ping, target.clone(), &args.ask.question);
        let begun = Instant::now();
        let mut heard = Vec::new();
        let asked = question::ask(&session, &mut signals, ask, |reply| {
            heard.push((reply, begun.elapsed()));
            Ok(())
        })
        .await?;
        interrupted = asked.interrupted;
        // Who had no time to answer is not missing, unless there is nothing else to tell.
        if interrupted && account.times > 0 {
            break;
        }
        account.add(asked.report, heard.iter().map(|(reply, _)| reply));
        let mut names = Vec::new();
        for (reply, time) in heard {
            names.push(reply.node.clone());
            trips.entry(reply.node.clone()).or_default().add(&reply, time);
        }
        if !interrupted {
            let times = signals.unless(session.ping(&names)).await;
            interrupted = times.is_none();
            let mut add = |(node, time)| trips.entry(node).or_default().unicast.add(time);
            times.into_iter().flatten().for_each(&mut add);
        }
    }
    let asked = Asked { report: account.report(), schemas: Vec::new(), interrupted };
    print_trips(&trips, &account, &asked, output)?;
    let exit = match question::judge(&asked, &args.ask.question, output) {
        // It answered at times, though not each time.
        Exit::Interrupted if !trips.is_empty() => Exit::Incomplete,
        exit => exit,
    };
    let sought = suggest::Sought { patterns: &[], target: &target, question: &args.ask.question };
    question::close(session, &mut signals, exit, &asked, sought, output).await;
    Ok(exit)
}

fn print_trips(
    trips: &BTreeMap<String, Trips>,
    account: &Account,
    asked: &Asked,
    output: Output,
) -> Result<(), Failure> {
    let rounded = |ms: Option<f64>| ms.map(|ms| (ms * 1000.0).round() / 1000.0);
    let object = |(node, it): (&String, &Trips)| {
        json!({
            "node": node,
            "multicast_ms": rounded(it.multicast.mean_ms()),
            "unicast_ms": rounded(it.unicast.mean_ms()),
            "sent": account.sent(node),
            "count": it.answers,
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
            let mut table =
                Table::new(["node", ">multicast [ms]", ">unicast [ms]", ">sent", ">count"]);
            let cell = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms:.3}"));
            for (node, it) in trips {
                table.push(vec![
                    node.clone(),
                    cell(it.multicast.mean_ms()),
                    cell(it.unicast.mean_ms()),
                    account.sent(node).to_string(),
                    it.answers.to_string(),
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
    use lcast_proto::question::report::Outcome;

    use super::*;

    /// What a copy by unicast drew is an answer, and says nothing of multicast.
    #[test]
    fn only_what_multicast_drew_is_told_as_its_time() {
        let mut trips = Trips::default();
        for (by_multicast, time) in [(true, 2), (false, 40), (true, 4)] {
            let outcome = Outcome::Values(Vec::new());
            let reply = Reply { node: "web1".to_owned(), outcome, by_multicast };
            trips.add(&reply, Duration::from_millis(time));
        }
        assert_eq!((trips.answers, trips.multicast.mean_ms()), (3, Some(3.0)));
    }

    #[test]
    fn means_are_of_what_came_back() {
        let mut times = Times::default();
        assert_eq!(times.mean_ms(), None);
        times.add(Duration::from_millis(1));
        times.add(Duration::from_millis(3));
        assert_eq!(times.mean_ms(), Some(2.0));
    }
}
