//! What the bench asks of a runner: questions and a watch, as fast as it can.
//!
//! It reads a line from standard input, does it, prints a line, and leaves when there are no more:
//!
//! - `get COUNT PATTERN ANSWERS`: asks so often; prints the microseconds of each question, from its
//!   beginning to its report. Each must have so many answers.
//! - `watch PATTERN REPLIES`: begins a watch, reads up to its report, prints `watching`; then reads
//!   changes until nothing has come for a second, and prints how many values were told, skipped and
//!   lost, and the microseconds from the first to the last.

use std::io::BufRead;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use lcast::{Node, WatchItem};

/// How long nothing comes after the last change.
const QUIET: Duration = Duration::from_secs(1);

/// Does what standard input says.
pub(crate) async fn run(credential: &Path) -> anyhow::Result<()> {
    let node = Node::builder(lcast::realm::read_credential(credential, None)?).start()?;
    println!("ready");
    // Reading a line must not hold up the node, which works on this thread.
    let read = || std::io::stdin().lock().lines().next().transpose();
    while let Some(line) = tokio::task::spawn_blocking(read).await?? {
        match *line.split(' ').collect::<Vec<_>>() {
            ["get", count, pattern, answers] => {
                get(&node, count.parse()?, pattern, answers.parse()?).await?;
            }
            ["watch", pattern, replies] => watch(&node, pattern, replies.parse()?).await?,
            _ => bail!("'{line}' is nothing to measure"),
        }
    }
    node.leave().await;
    Ok(())
}

async fn get(node: &Node, count: usize, pattern: &str, answers: u32) -> anyhow::Result<()> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begin = Instant::now();
        let mut replies = node.get(&[pattern])?.ask().await?;
        while let Some(reply) = replies.next().await {
            std::hint::black_box(reply);
        }
        let report = replies.report()?;
        times.push(begin.elapsed().as_micros().to_string());
        if report.answered != answers {
            bail!("{} of {answers} answered", report.answered);
        }
    }
    println!("{}", times.join(" "));
    Ok(())
}

async fn watch(node: &Node, pattern: &str, replies: u32) -> anyhow::Result<()> {
    let mut watch = node.watch(&[pattern])?.subscribe().await?;
    loop {
        match watch.next().await.context("the watch has ended")? {
            WatchItem::Report(report) if report.answered == replies => break,
            WatchItem::Report(report) => bail!("{} of {replies} answered", report.answered),
            _ => {}
        }
    }
    println!("watching");
    let (mut told, mut skipped, mut lost) = (0_u64, 0, 0);
    let mut first = None;
    let mut last = Instant::now();
    loop {
        let wait = if first.is_some() { QUIET } else { 60 * QUIET };
        let Ok(item) = tokio::time::timeout(wait, watch.next()).await else { break };
        match item.context("the watch has ended")? {
            WatchItem::Changed { values, .. } => {
                last = Instant::now();
                first.get_or_insert(last);
                told += values.len() as u64;
                skipped += values.iter().map(|it| it.skipped).sum::<u64>();
            }
            WatchItem::Overflow(items) => lost += items,
            _ => {}
        }
    }
    let took = last - first.context("nothing has changed")?;
    println!("{told} {skipped} {lost} {}", took.as_micros());
    Ok(())
}
