//! NATS: a responder is a subscription, a question a publication with an inbox.
//!
//! `peer-nats respond URL NAME` and `peer-nats ask URL COUNT`. By NATS's own asynchronous client
//! on one thread. The asker subscribes to its inbox once, not for each question, and is told how
//! many replies to await: by itself it could not know when it has all.

use std::error::Error;
use std::time::{Duration, Instant};

use async_nats::{Client, Subscriber};
use futures_util::StreamExt;
use lcast_bench_asker::{Answer, payload, serve};

type Failure = Box<dyn Error + Send + Sync>;

const SUBJECT: &str = "bench.value";

/// How long the asker waits for the next reply.
const PATIENCE: Duration = Duration::from_secs(1);

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["respond", url, name] => runtime.block_on(respond(url, name)),
        ["ask", url, count] => {
            let count = count.parse()?;
            let (client, inbox, mut replies) = runtime.block_on(open(url))?;
            let mut question = 0_u64;
            serve(|| {
                question += 1;
                let subject = format!("{inbox}.{question}");
                runtime.block_on(ask(&client, subject, &mut replies, count))
            })
        }
        _ => Err("usage: peer-nats respond URL NAME | ask URL COUNT".into()),
    }
}

async fn respond(url: &str, name: &str) -> Result<(), Failure> {
    let client = async_nats::connect(url).await?;
    let mut questions = client.subscribe(SUBJECT).await?;
    let reply = payload(name);
    while let Some(question) = questions.next().await {
        if let Some(inbox) = question.reply {
            client.publish(inbox, reply.clone().into()).await?;
        }
    }
    Ok(())
}

async fn open(url: &str) -> Result<(Client, String, Subscriber), Failure> {
    let options = async_nats::ConnectOptions::new().subscription_capacity(65_536);
    let client = options.connect(url).await?;
    let inbox = client.new_inbox();
    let replies = client.subscribe(format!("{inbox}.*")).await?;
    Ok((client, inbox, replies))
}

async fn ask(
    client: &Client,
    subject: String,
    replies: &mut Subscriber,
    count: usize,
) -> Result<Answer, Failure> {
    let start = Instant::now();
    client.publish_with_reply(SUBJECT, subject.clone(), "".into()).await?;
    let mut answer = Answer::default();
    while answer.got < count {
        let Ok(reply) = tokio::time::timeout(PATIENCE, replies.next()).await else { break };
        let reply = reply.ok_or("the connection has ended")?;
        if reply.subject.as_str() == subject {
            answer.got += 1;
            answer.last = start.elapsed();
        }
    }
    Ok(answer)
}
