//! `watch`: what variables hold at first, then what changes.

use std::time::Duration;

use lcast::WatchItem;
use lcast_proto::question::report::Report;
use lcast_proto::question::{Verb, WatchRequest};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior};

use super::question::{self, Asked};
use super::{get, suggest};
use crate::args::target::Target;
use crate::args::{Everywhere, WatchArgs};
use crate::backend::{Session, Watch};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::live::Live;
use crate::output::{Format, Output, room};
use crate::signals::Signals;

/// How often a table on a terminal is drawn at most.
const DRAW_EVERY: Duration = Duration::from_millis(100);

/// Watches until so many lines were printed, or until it is interrupted.
pub(crate) async fn run(
    args: &WatchArgs,
    everywhere: &Everywhere,
    output: Output,
) -> Result<Exit, Failure> {
    let patterns = get::patterns(&args.patterns)?;
    if output.format == Format::Json && args.count.is_none() {
        let message = "--json prints one document at the end: say when, with --count; or --jsonl";
        return Err(Failure::usage(message));
    }
    let request = WatchRequest { patterns, every: args.every, delta: delta(args)? };
    let target = args.ask.target.resolve()?;
    get::check_size(&target.selector, &request.patterns)?;
    let signals = Signals::watch()?;
    let session = Session::open(question::place(everywhere)?)?;
    let ended = follow(&session, signals, args, request, &target, output).await;
    // Also when nobody reads on, or something failed: nodes would tell a silent asker for long.
    session.close().await;
    ended
}

/// The watch itself, whatever ends it.
async fn follow(
    session: &Session,
    signals: Signals,
    args: &WatchArgs,
    request: WatchRequest,
    target: &Target,
    output: Output,
) -> Result<Exit, Failure> {
    let patterns = request.patterns.clone();
    let ask = question::describe(Verb::Watch(request), target.clone(), &args.ask.question);
    let mut live = Live::new(output, patterns.clone(), args.count);
    let mut following = Following::begin(session.watch(ask).await?, signals)?;
    following.first(&mut live).await?;
    if !live.is_done() {
        live.step_aside()?;
        following.tell_account(&mut live);
        question::tell_unasked(session, target, output).await;
        if following.is_unsent() {
            following.watch.cancel();
        }
        if following.expects_nobody() {
            // Only a name that was written out is known to be wrong: patterns and labels may match
            // whoever joins.
            if target.is_by_name() {
                following.watch.cancel();
            } else {
                output.note("no node is expected yet: waiting for such a one");
            }
        }
        let asked = following.asked(&live);
        let sought = suggest::Sought { patterns: &patterns, target, question: &args.ask.question };
        if suggest::unknown_names(session, &mut following.signals, &asked, sought, output).await {
            following.interrupt();
        }
    }
    following.rest(&mut live).await?;
    let asked = following.asked(&live);
    let said_something = live.said_something();
    live.finish(&asked.report)?;
    let exit = match question::judge(&asked, &args.ask.question, output) {
        // Who came later is not in the account of the beginning.
        Exit::Interrupted if said_something => Exit::Incomplete,
        exit => exit,
    };
    question::explain(exit, &asked.report, session, output).await;
    Ok(exit)
}

fn delta(args: &WatchArgs) -> Result<Option<f64>, Failure> {
    match args.delta {
        Some(delta) if !delta.is_finite() || delta <= 0.0 => {
            Err(Failure::usage(format!("--delta {delta}: a number above zero")))
        }
        delta => Ok(delta),
    }
}

/// A watch and the signals that end it.
struct Following {
    watch: Watch,
    signals: Signals,
    resizes: Signal,
    draw: Interval,
    /// The account of the beginning.
    account: Option<Report>,
    interrupted: bool,
    is_over: bool,
}

impl Following {
    fn begin(watch: Watch, signals: Signals) -> Result<Self, Failure> {
        let mut draw = tokio::time::interval(DRAW_EVERY);
        draw.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            watch,
            signals,
            resizes: signal(SignalKind::window_change())
                .map_err(|error| Failure::internal(format_args!("no signals: {error}")))?,
            draw,
            account: None,
            interrupted: false,
            is_over: false,
        })
    }

    /// Prints what comes, up to the account of who is in the watch.
    async fn first(&mut self, live: &mut Live) -> Result<(), Failure> {
        while self.account.is_none() && !self.is_over {
            self.step(live).await?;
        }
        Ok(())
    }

    /// Prints what comes, until the lines are printed or an interrupt.
    async fn rest(&mut self, live: &mut Live) -> Result<(), Failure> {
        while !live.is_done() && !self.is_over {
            self.step(live).await?;
        }
        Ok(())
    }

    fn interrupt(&mut self) {
        self.interrupted = true;
        self.watch.cancel();
    }

    async fn step(&mut self, live: &mut Live) -> Result<(), Failure> {
        let item = tokio::select! {
            item = async { room::wait().await; self.watch.next().await } => item?,
            () = async { self.draw.tick().await; room::wait().await }, if live.is_stale() => {
                return live.draw();
            }
            _ = self.resizes.recv() => {
                live.resized();
                return Ok(());
            }
            () = self.signals.next() => {
                if self.interrupted || !room::is_there() {
                    return Err(question::interrupted());
                }
                self.interrupt();
                return Ok(());
            }
            () = room::gone() => return Err(Failure::closed_output()),
        };
        match item {
            Some(WatchItem::Report(report)) => self.account = Some(report),
            Some(item) if !live.is_done() => live.take(item)?,
            Some(_) => {}
            None => self.is_over = true,
        }
        Ok(())
    }

    /// Says who is not in the watch, which goes on with the others.
    fn tell_account(&self, live: &mut Live) {
        if let Some(account) = self.account.as_ref().filter(|it| !it.is_complete()) {
            live.tell_account(account);
        }
    }

    /// Whether nothing could be sent: nobody hears of the watch.
    fn is_unsent(&self) -> bool {
        self.account.as_ref().is_some_and(|it| !it.sent)
    }

    /// Whether the question went out and no node has to answer it.
    fn expects_nobody(&self) -> bool {
        self.account.as_ref().is_some_and(|it| it.sent && it.expected == 0)
    }

    fn asked(&self, live: &Live) -> Asked {
        let report = self.account.clone().unwrap_or_default();
        let interrupted = self.interrupted && !live.is_done();
        Asked { report, schemas: Vec::new(), interrupted }
    }
}
