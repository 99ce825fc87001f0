//! Exposes values that change as fast as a watch tells them, for measurements of whoever watches.
//!
//! ```sh
//! cargo run --release -p lcast --example flood -- 15 70 10 a.credential b.credential ...
//! ```
//!
//! runs an agent with each of these credentials in this process. Each has a map `flood.value[*]` of
//! 70 values and counts them all up, 15 ms after the last time, for 10 seconds. Then it prints how
//! often it did, and ends.

use std::path::Path;
use std::time::{Duration, Instant};

use lcast::lcast_proto::variable::Update;
use lcast::{Definition, Node, Type, Value};

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [pause, values, seconds, credentials @ ..] = arguments.as_slice() else {
        return Err("flood PAUSE_MS VALUES SECONDS CREDENTIAL...".into());
    };
    let (pause, values) = (Duration::from_millis(pause.parse()?), values.parse::<usize>()?);
    let mut nodes = Vec::new();
    for path in credentials {
        let credential = lcast::realm::read_credential(Path::new(path), None)?;
        let node = Node::builder(credential).start()?;
        node.expose(Definition::gauge("flood.value[*]", Type::Int)).await?;
        publish(&node, values, 0).await?;
        nodes.push(node);
    }
    println!("ready");
    // Whoever measures says when to begin.
    line().await?;
    let end = Instant::now() + Duration::from_secs(seconds.parse()?);
    let mut round = 0;
    let mut next = Instant::now();
    while next < end {
        round += 1;
        for (index, node) in nodes.iter().enumerate() {
            publish(node, values, round).await?;
            // Not all at once: each has its own moment within the pause.
            let moment = next + pause * u32::try_from(index + 1)? / u32::try_from(nodes.len())?;
            tokio::time::sleep_until(moment.into()).await;
        }
        next += pause;
    }
    println!("{round}");
    // What was told last is repeated meanwhile.
    line().await?;
    for node in nodes {
        node.leave().await;
    }
    Ok(())
}

/// Waits for a line on standard input, while the nodes go on.
async fn line() -> Result<(), Failure> {
    let read = || std::io::stdin().read_line(&mut String::new());
    tokio::task::spawn_blocking(read).await??;
    Ok(())
}

async fn publish(node: &Node, values: usize, round: i64) -> Result<(), Failure> {
    let update = |index: usize| {
        let name = format!("flood.value[\"{index}\"]").parse()?;
        Ok(Update { name, value: Value::Int(round), time: None, version: None })
    };
    let updates = (0..values).map(update).collect::<Result<Vec<_>, Failure>>()?;
    Ok(node.publish(updates).await?)
}
