//! What this program is when it is not the bench: the measured processes that use the library.
//!
//! `lcast-bench role ask CREDENTIAL` asks when told, `role watched CREDENTIAL PHASE_MS` changes a
//! variable, `role watch CREDENTIAL COUNT` watches it, `role ansible ARGUMENT...` runs ansible
//! when told. The bench starts them; nobody else does.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use lcast::{Definition, Exposed, Node, Outcome, Type, Value, WatchItem};
use lcast_bench_asker::{Answer, serve};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::systems::VARIABLE;

/// The variable that is watched: the monotonic clock of this host when it was changed.
pub(crate) const WATCHED: &str = "bench.time";

/// Plays one role until its input ends.
pub(crate) fn play(words: &[String]) -> anyhow::Result<()> {
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["ask", credential] => ask(credential),
        ["watched", credential, phase] => {
            let phase = Duration::from_millis(phase.parse()?);
            runtime()?.block_on(change(credential, phase))
        }
        ["watch", credential, count] => runtime()?.block_on(watch(credential, count.parse()?)),
        ["ansible", ref arguments @ ..] => {
            // Sockets of its own: those of another asker may lead through another namespace.
            let sockets = std::env::temp_dir().join(format!("ansible-{}", std::process::id()));
            let outcome = serve(|| ansible(arguments, &sockets));
            // What stays in the temporary folder does no harm.
            let _ = std::fs::remove_dir_all(sockets);
            outcome
        }
        _ => bail!("no such role: {words:?}"),
    }
}

/// The nanoseconds of the clock that all processes of a host share.
pub(crate) fn monotonic() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

fn runtime() -> anyhow::Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

fn node(credential: &str) -> anyhow::Result<Node> {
    let credential = lcast::realm::read_credential(Path::new(credential), None)?;
    Ok(Node::builder(credential).start()?)
}

/// Lines of standard input, until it ends.
fn lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(8);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn ask(credential: &str) -> anyhow::Result<()> {
    let runtime = runtime()?;
    let node = runtime.block_on(async { node(credential) })?;
    serve(|| runtime.block_on(question(&node)))?;
    runtime.block_on(node.leave());
    Ok(())
}

async fn question(node: &Node) -> anyhow::Result<Answer> {
    let start = Instant::now();
    let mut replies = node.get(&[VARIABLE])?.ask().await?;
    let mut last = Duration::ZERO;
    while let Some(reply) = replies.next().await {
        if matches!(reply.outcome, Outcome::Values(_)) {
            last = start.elapsed();
        }
    }
    let report = replies.report()?;
    let missing = report.missing.iter().map(|it| it.node.clone()).collect();
    Ok(Answer { got: report.answered as usize, last, missing })
}

/// An agent that changes its variable each second between the lines `go` and `stop`, and then says
/// how often it did.
async fn change(credential: &str, phase: Duration) -> anyhow::Result<()> {
    let credential = lcast::realm::read_credential(Path::new(credential), None)?;
    // Nobody is to find it without its variable.
    let node = Node::builder(credential).closed().start()?;
    let exposed = node.expose(Definition::gauge(WATCHED, Type::Int)).await?;
    exposed.publish(Value::Int(0)).await?;
    node.open().await?;
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        if line == "go" {
            println!("{}", change_until_told(&exposed, phase, &mut lines).await?);
        }
    }
    node.leave().await;
    Ok(())
}

async fn change_until_told(
    exposed: &Exposed,
    phase: Duration,
    lines: &mut mpsc::Receiver<String>,
) -> anyhow::Result<usize> {
    let mut ticks =
        tokio::time::interval_at(tokio::time::Instant::now() + phase, Duration::from_secs(1));
    let mut changes = 0;
    loop {
        tokio::select! {
            _ = lines.recv() => return Ok(changes),
            _ = ticks.tick() => {
                exposed.publish(Value::Int(monotonic())).await?;
                changes += 1;
            }
        }
    }
}

/// Watches by the library; says `ready` when it knows all, and at the end what it saw and when.
async fn watch(credential: &str, count: usize) -> anyhow::Result<()> {
    let node = node(credential)?;
    let mut watch = node.watch(&[WATCHED])?.subscribe().await?;
    let mut lines = lines();
    let mut known = BTreeSet::new();
    let mut seen = Vec::new();
    loop {
        let item = tokio::select! {
            line = lines.recv() => if line.is_none() { break } else { continue },
            item = watch.next() => item.context("the watch has ended")?,
        };
        let now = monotonic();
        match item {
            WatchItem::Reply(lcast::Reply { node, outcome: Outcome::Values(_), .. })
            | WatchItem::Entered { node, .. } => {
                known.insert(node);
                if known.len() == count {
                    println!("ready");
                }
            }
            WatchItem::Changed { values, .. } => {
                let ints = values.into_iter().filter_map(|it| match it.value.value {
                    Value::Int(value) => Some(value),
                    _ => None,
                });
                seen.extend(ints.map(|value| (value, now)));
            }
            _ => {}
        }
    }
    seen.iter().for_each(|(value, now)| println!("{value} {now}"));
    node.leave().await;
    Ok(())
}

fn ansible(arguments: &[&str], sockets: &Path) -> anyhow::Result<Answer> {
    let mut command = Command::new("ansible");
    command.args(arguments).env("ANSIBLE_SSH_CONTROL_PATH_DIR", sockets);
    let start = Instant::now();
    let output = command.output().context("starting ansible")?;
    let last = start.elapsed();
    let text = String::from_utf8_lossy(&output.stdout);
    let unreachable = text.lines().filter_map(|line| line.split_once(" | UNREACHABLE"));
    let missing = unreachable.map(|(name, _)| name.to_owned()).collect();
    Ok(Answer { got: text.matches("| CHANGED |").count(), last, missing })
}
