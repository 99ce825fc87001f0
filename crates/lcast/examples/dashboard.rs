//! dashboard PATTERN...
//!
//! A line for whatever changes: values by a watch, nodes by their presence, both in one loop with
//! signals. Ends on SIGTERM and SIGINT.

use lcast::home::{Environment, Home, Purpose};
use lcast::{Node, Outcome, PresenceItem, ReplyValue, Value, WatchItem};
use tokio::signal::unix::{SignalKind, signal};

type Failure = Box<dyn std::error::Error>;

/// A node to ask with, of the realm that the commands would use.
fn open() -> Result<Node, Failure> {
    let home = Home::of(Environment::of_process());
    let named = std::env::var("LIBRECAST_REALM").ok();
    let folder = home.select(named.as_deref(), Purpose::Ask, lcast::wall())?.folder;
    let credential = folder.credential(Purpose::Ask, &home.host_name(), lcast::wall())?;
    Ok(Node::builder(credential).start()?)
}

fn print(node: &str, held: &ReplyValue) {
    let ReplyValue { name, value, unit, .. } = held;
    match value {
        Value::Int(number) => println!("{node}: {name} = {number} {unit}"),
        Value::Float(number) => println!("{node}: {name} = {number} {unit}"),
        other => println!("{node}: {name} = {other:?} {unit}"),
    }
}

fn print_watched(item: WatchItem) {
    match item {
        WatchItem::Reply(reply) => {
            if let Outcome::Values(values) = reply.outcome {
                values.iter().for_each(|it| print(&reply.node, it));
            }
        }
        WatchItem::Report(report) => println!("{} nodes are watched", report.answered),
        WatchItem::Entered { node, values } => values.iter().for_each(|it| print(&node, it)),
        WatchItem::Changed { node, values, .. } => {
            values.iter().for_each(|it| print(&node, &it.value));
        }
        WatchItem::Left { node, reason } => println!("{node}: {}", reason.as_str()),
        WatchItem::Overflow(lost) => println!("too slow: {lost} lost"),
        other => println!("{other:?}"),
    }
}

fn print_presence(item: PresenceItem) {
    match item {
        PresenceItem::Changed(it) => println!("{}: {}", it.name, it.state.as_str()),
        PresenceItem::Overflow(lost) => println!("too slow: {lost} lost"),
        other => println!("{other:?}"),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let patterns: Vec<String> = std::env::args().skip(1).collect();
    if patterns.is_empty() {
        return Err("usage: dashboard PATTERN...".into());
    }
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;

    let me = open()?;
    let mut watch = me.watch(&patterns)?.subscribe().await?;
    let mut presence = me.presence().await?;
    loop {
        tokio::select! {
            Some(item) = watch.next() => print_watched(item),
            Some(item) = presence.next() => print_presence(item),
            _ = interrupted.recv() => break,
            _ = terminated.recv() => break,
            else => break,
        }
    }
    if let Some(error) = watch.error() {
        return Err(error.to_string().into());
    }
    Ok(())
}
