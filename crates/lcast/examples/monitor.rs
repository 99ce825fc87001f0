//! monitor VARIABLE LIMIT SETTING TEXT
//!
//! Asks all nodes for a number. Where it is above the limit, sets a setting of that node.
//! For example: monitor app.queue.length 10 app.queue.workers 3

use lcast::home::{Environment, Home, Purpose};
use lcast::{Node, Outcome, Value};

type Failure = Box<dyn std::error::Error>;

/// A node to ask with, of the realm that the commands would use.
fn open() -> Result<Node, Failure> {
    let home = Home::of(Environment::of_process());
    let named = std::env::var("LIBRECAST_REALM").ok();
    let folder = home.select(named.as_deref(), Purpose::Ask, lcast::wall())?.folder;
    let credential = folder.credential(Purpose::Ask, &home.host_name(), lcast::wall())?;
    Ok(Node::builder(credential).start()?)
}

/// Sets the setting at one node and says what became of it.
async fn act(me: &Node, node: &str, setting: &str, text: &str) -> Result<(), Failure> {
    let mut replies = me.set(setting, text)?.only(vec![node.to_owned()]).ask().await?;
    while let Some(reply) = replies.next().await {
        match reply.outcome {
            Outcome::Set(results) => {
                for it in results {
                    println!("{node}: {} is {}", it.name, it.outcome.as_str());
                }
            }
            other => println!("{node}: {other:?}"),
        }
    }
    replies.report()?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [variable, limit, setting, text] = arguments.as_slice() else {
        return Err("usage: monitor VARIABLE LIMIT SETTING TEXT".into());
    };
    let limit: f64 = limit.parse()?;

    let me = open()?;
    let mut replies = me.get(&[variable])?.ask().await?;
    while let Some(reply) = replies.next().await {
        let Outcome::Values(values) = reply.outcome else { continue };
        for it in values {
            let value = match it.value {
                Value::Int(value) => value as f64,
                Value::Float(value) => value,
                _ => continue,
            };
            println!("{}: {} = {value}", reply.node, it.name);
            if value > limit {
                act(&me, &reply.node, setting, text).await?;
            }
        }
    }
    let report = replies.report()?;
    println!("{} of {} answered", report.answered, report.expected);
    for it in &report.missing {
        println!("{} is silent", it.node);
    }
    Ok(())
}
