//! Measures a warm question: one process asks agents of this host, each its own process.
//!
//! ```sh
//! cargo build --release -p lcast-cli
//! cargo run --release -p lcast --example warm -- 100 200
//! ```
//!
//! asks 100 agents 200 times and prints the time to the last reply. The realm is of host scope:
//! nothing leaves the machine. In a namespace with one NIC the question goes by multicast:
//!
//! ```sh
//! unshare -Urn sh -c 'ip link set lo up; ip link add eth0 type veth peer name far
//!     ip link set far up; ip link set eth0 up; sleep 2
//!     target/release/examples/warm 100 200'
//! ```

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lcast::Node;

type Failure = Box<dyn std::error::Error>;

/// Agents that end with this value.
struct Agents(Vec<Child>);

impl Drop for Agents {
    fn drop(&mut self) {
        for agent in &mut self.0 {
            // Both fail only for an agent that has ended already.
            let _ = agent.kill();
            let _ = agent.wait();
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| arguments.next().map_or(Ok(default), |it| it.parse());
    let (agents, questions) = (number(10)?, number(200)?);
    let folder = std::env::temp_dir().join(format!("librecast-warm-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let outcome = measure(&folder, agents, questions).await;
    std::fs::remove_dir_all(&folder)?;
    outcome
}

async fn measure(folder: &Path, count: usize, questions: usize) -> Result<(), Failure> {
    let binary = std::env::var_os("LIBRECAST_BIN")
        .map_or_else(|| PathBuf::from("target/release/librecast"), PathBuf::from);
    let librecast = || {
        let mut command = Command::new(&binary);
        command.env("LIBRECAST_HOME", folder).env("XDG_RUNTIME_DIR", folder);
        command
    };
    run(librecast().args(["realm", "create", "warm", "--scope", "host"]))?;
    let names: String = (0..count).map(|index| format!("n{index}\n")).collect();
    std::fs::write(folder.join("hosts.csv"), format!("name\n{names}"))?;
    let issued = folder.join("issued");
    let mut issue = librecast();
    issue.args(["realm", "issue", "--realm", "warm", "--from"]).arg(folder.join("hosts.csv"));
    run(issue.arg("--out-dir").arg(&issued))?;
    let mut agents = Agents(Vec::new());
    for entry in std::fs::read_dir(&issued)? {
        let credential = entry?.path();
        let state = folder.join("state").join(credential.file_stem().unwrap_or_default());
        let mut agent = librecast();
        agent.arg("agent").arg("--credential").arg(&credential).arg("--state").arg(state);
        agents.0.push(agent.stderr(Stdio::null()).stdin(Stdio::null()).spawn()?);
    }
    let credential = lcast::realm::read_credential(&folder.join("realms/warm/credential"), None)?;
    let node = Node::builder(credential).registry(vec![folder.join("librecast")]).start()?;
    while node.get(&["host.name"])?.report().await?.answered as usize != count {}
    let mut times = Vec::new();
    let (mut rounds, mut answered) = (0, 0);
    for _ in 0..questions {
        let start = Instant::now();
        let mut last = Duration::ZERO;
        let mut replies = node.get(&["system.cpu.load_1m"])?.ask().await?;
        while replies.next().await.is_some() {
            last = start.elapsed();
        }
        times.push(last);
        rounds += replies.report()?.rounds;
        answered += replies.report()?.answered;
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{count} agents, {questions} questions: last reply p50 {:.2} ms, p95 {:.2} ms, max {:.2} \
         ms; {answered} of {} answers, {rounds} rounds",
        at(0.5),
        at(0.95),
        at(1.0),
        count * questions,
    );
    node.leave().await;
    Ok(())
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}
