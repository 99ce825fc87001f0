//! The questions of [`timing`](crate::timing) by `lcast::blocking`: what the hand-over between two
//! threads costs, of which every other language has its share.

use std::path::Path;
use std::time::Instant;

use anyhow::bail;
use lcast::blocking::{Builder, Node};

/// Does what standard input says.
pub(crate) fn run(credential: &Path) -> anyhow::Result<()> {
    let node = Builder::file(credential).open()?;
    println!("ready");
    for line in std::io::stdin().lines() {
        let line = line?;
        match *line.split(' ').collect::<Vec<_>>() {
            ["get", count, pattern, answers] => {
                get(&node, count.parse()?, pattern, answers.parse()?)?;
            }
            _ => bail!("'{line}' is nothing to measure"),
        }
    }
    Ok(node.close()?)
}

fn get(node: &Node, count: usize, pattern: &str, answers: u32) -> anyhow::Result<()> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begin = Instant::now();
        let replies = node.get(&[pattern])?.ask()?;
        while let Some(reply) = replies.next(None)? {
            std::hint::black_box(reply);
        }
        let report = replies.finish(None)?;
        times.push(begin.elapsed().as_micros().to_string());
        if report.answered != answers {
            bail!("{} of {answers} answered", report.answered);
        }
    }
    println!("{}", times.join(" "));
    Ok(())
}
