//! exporter CREDENTIAL
//!
//! An application that exposes its own variables and settings: the length of a queue, and how many
//! workers empty it. Ends on SIGTERM and SIGINT.

use std::time::Duration;

use lcast::{Constraint, Definition, Node, Type, Value, realm};
use tokio::signal::unix::{SignalKind, signal};

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let Some(path) = std::env::args().nth(1) else {
        return Err("usage: exporter CREDENTIAL".into());
    };
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let credential = realm::read_credential(path.as_ref(), None)?;
    let name = credential.certificate().name().as_str().to_owned();
    let me = Node::builder(credential).start()?;

    let length = Definition::gauge("app.queue.length", Type::Int);
    let length = me.expose(length.unit("{job}").description("jobs that wait")).await?;
    let range = Constraint { min: Some(1.0), max: Some(64.0), ..Constraint::default() };
    let workers = Definition::setting("app.queue.workers", Type::Int, range);
    let mut workers = me.expose_setting(workers, Value::Int(4)).await?;
    let mut waiting = 17;
    length.publish(Value::Int(waiting)).await?;
    if let Value::Int(count) = workers.value() {
        println!("{name}: {waiting} jobs, {count} workers");
    }

    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.tick().await; // The first is over at once.
    loop {
        tokio::select! {
            changed = workers.changed() => {
                if let Value::Int(count) = changed? {
                    println!("working with {count}");
                }
            }
            _ = second.tick() => {
                waiting += 1;
                length.publish(Value::Int(waiting)).await?;
            }
            _ = interrupted.recv() => break,
            _ = terminated.recv() => break,
        }
    }
    me.leave().await;
    Ok(())
}
