//! zenoh: a responder is a queryable, a question a `get` over all of their keys.
//!
//! `peer-zenoh route PORT` is a router: the session that zenohd opens, without its plugins.
//! `peer-zenoh respond WAY NAME` and `peer-zenoh ask WAY COUNT` are responder and asker; WAY is
//! the router's endpoint, or `mesh` for zenoh as it comes: peers that find each other by multicast
//! and connect each to each.

use std::error::Error;
use std::time::{Duration, Instant};

use lcast_bench_asker::{Answer, payload, serve};
use zenoh::query::ConsolidationMode;
use zenoh::{Config, Session, Wait};

type Failure = Box<dyn Error + Send + Sync>;

/// How long the asker waits for the last reply.
const PATIENCE: Duration = Duration::from_secs(2);

/// No discovery: who connects where is said by the configuration.
const TOLD: &str = "scouting: {multicast: {enabled: false}, gossip: {enabled: false}}";

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["route", port] => {
            let listen = format!("listen: {{endpoints: [\"tcp/[::]:{port}\"]}}");
            let config = format!("{{mode: \"router\", {listen}, {TOLD}}}");
            let _router = zenoh::open(Config::from_json5(&config)?).wait()?;
            forever()
        }
        ["respond", way, name] => {
            let session = open(way)?;
            let key = format!("bench/value/{name}");
            let (reply, under) = (payload(name), key.clone());
            let answer = move |query: zenoh::query::Query| {
                // The asker counts what is missing; a responder has nobody to tell.
                let _ = query.reply(under.clone(), reply.clone()).wait();
            };
            let _queryable = session.declare_queryable(key).callback(answer).wait()?;
            forever()
        }
        ["ask", way, count] => {
            let (session, count) = (open(way)?, count.parse()?);
            serve(|| ask(&session, count))
        }
        _ => Err("usage: peer-zenoh route PORT | respond WAY NAME | ask WAY COUNT".into()),
    }
}

fn open(way: &str) -> Result<Session, Failure> {
    if way == "mesh" {
        return zenoh::open(Config::default()).wait();
    }
    // A router takes so many new sessions at once; who is not among them tries again.
    let connect = format!("connect: {{endpoints: [\"{way}\"], timeout_ms: 60000}}");
    let config = format!("{{mode: \"client\", {connect}, {TOLD}}}");
    zenoh::open(Config::from_json5(&config)?).wait()
}

fn ask(session: &Session, count: usize) -> Result<Answer, Failure> {
    let start = Instant::now();
    let query = session.get("bench/value/**").consolidation(ConsolidationMode::None);
    let replies = query.timeout(PATIENCE).wait()?;
    let mut answer = Answer::default();
    while answer.got < count {
        let Ok(reply) = replies.recv() else { break };
        if reply.result().is_ok() {
            answer.got += 1;
            answer.last = start.elapsed();
        }
    }
    Ok(answer)
}

fn forever() -> ! {
    loop {
        std::thread::park();
    }
}
