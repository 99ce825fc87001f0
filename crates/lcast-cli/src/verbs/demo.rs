//! `demo`: a realm of agents on this host, questions to them, and one of them killed.
//!
//! Everything is real: each agent is a process of its own with an identity of its own, and every
//! question is asked by the command that the reader sees. All of it lives in one new folder, which
//! no other realm of the user can see. The agents are in [`fleet`].

mod fleet;

use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use lcast_net::interfaces;

use self::fleet::Fleet;
use crate::args::{DemoArgs, Everywhere};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Format, Output};
use crate::signals::Signals;

/// How long the agents may take to start.
const START_MAX: Duration = Duration::from_secs(15);

/// What is shown, in order: a sentence, the command, and how it must end.
const SCENES: [(&str, &[&str], Exit); 7] = [
    (
        "One packet asks all of them; the report accounts for every one.",
        &["get", "host.name", "system.cpu.load_1m"],
        Exit::Success,
    ),
    ("Who is there?", &["nodes"], Exit::Success),
    ("Which kernels run, and where?", &["get", "os.kernel.release", "--tally"], Exit::Success),
    (
        "How full is the memory, by role? Computed here, from the answers.",
        &["get", "system.memory.utilization", "--agg", "avg,max", "--by", "labels.role"],
        Exit::Success,
    ),
    (
        "Only web servers, and only those where a condition holds, evaluated there.",
        &["get", "app.greeting", "--on", "web*", "--where", "system.memory.usage > 0"],
        Exit::Success,
    ),
    (
        "Tell the web servers something; each keeps it on disk.",
        &["set", "app.greeting=hello", "--on", "web*"],
        Exit::Success,
    ),
    ("And read it back, for a script.", &["get", "app.greeting", "--value"], Exit::Success),
];

/// What is shown once an agent is dead.
const LAST_SCENE: (&str, &[&str], Exit) = (
    "Who did not answer, and when was it last heard? A script sees it by the exit code, here 3.",
    &["get", "host.name", "system.cpu.load_1m"],
    Exit::Incomplete,
);

/// Shows it.
pub(crate) async fn run(
    args: &DemoArgs,
    everywhere: &Everywhere,
    output: Output,
) -> Result<Exit, Failure> {
    let common = &everywhere.common;
    if common.realm.is_some() || common.credential.is_some() || everywhere.state.is_some() {
        let message = "the demo has a realm of its own: --realm, --credential and --state have no \
                       meaning here";
        return Err(Failure::usage(message));
    }
    if output.format != Format::Text {
        return Err(Failure::usage("the demo is for people: it has no JSON"));
    }
    check_ipv6()?;
    let mut signals = Signals::watch_with_hangup()?;
    let mut fleet = Fleet::found(args.keep)?;
    let shown = tokio::select! {
        shown = show(&mut fleet, args.keep, output) => shown,
        () = signals.next() => Ok((Exit::Interrupted, false)),
    };
    match shown {
        Ok((exit, true)) if args.keep => {
            output.text(&kept(&fleet))?;
            fleet.release();
            Ok(exit)
        }
        Ok((exit, _)) => {
            fleet.disband().await;
            Ok(exit)
        }
        Err(failure) => {
            fleet.disband().await;
            Err(failure)
        }
    }
}

/// Refuses to begin where no packet could go, not even from this host to itself.
fn check_ipv6() -> Result<(), Failure> {
    let bound = std::net::UdpSocket::bind((std::net::Ipv6Addr::LOCALHOST, 0));
    bound.map(drop).map_err(|error| {
        // Without it there is no address to bind, whether IPv6 is switched on or not.
        let interfaces = interfaces::list().unwrap_or_default();
        if interfaces.iter().any(|it| it.loopback && !it.up) {
            let message = "bring lo up with 'ip link set lo up': even on one host nodes reach \
                           each other by it, and it is down";
            return Failure::new(Exit::Unsendable, message);
        }
        Failure::new(
            Exit::Unsendable,
            format!(
                "IPv6 is switched off on this host ({error}): even on one host nodes reach each \
                 other by it; switch it on with 'sysctl net.ipv6.conf.all.disable_ipv6=0'"
            ),
        )
    })
}

/// Runs the scenes: how it ended, and whether to the end.
async fn show(fleet: &mut Fleet, keep: bool, output: Output) -> Result<(Exit, bool), Failure> {
    output.text(&format!(
        "A realm of {} agents on this host, in '{}'.\n",
        fleet.len(),
        fleet.folder().display()
    ))?;
    fleet.start(START_MAX).await?;
    output.text(&fleet.introduce().render(output.screen))?;
    output.text(&format!("{}\n", way(fleet).await?))?;
    let mut as_shown = true;
    for (sentence, words, expected) in SCENES {
        as_shown &= scene(fleet, sentence, words, expected, output).await?;
    }
    let (name, pid) = fleet.kill_one().await?;
    output.text(&format!("\n$ kill -9 {pid}    # the agent {name}\n"))?;
    let (sentence, words, expected) = LAST_SCENE;
    as_shown &= scene(fleet, sentence, words, expected, output).await?;
    if !keep {
        output.text(NEXT)?;
    }
    if as_shown {
        return Ok((Exit::Success, true));
    }
    output.note("librecast: something did not go as it should: see above");
    Ok((Exit::Internal, true))
}

/// Runs one command for all to see; whether it ended as it should.
async fn scene(
    fleet: &Fleet,
    sentence: &str,
    words: &[&str],
    expected: Exit,
    output: Output,
) -> Result<bool, Failure> {
    let line: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    output.text(&format!("\n# {sentence}\n$ librecast {}\n", line.join(" ")))?;
    let mut command = fleet.command(words);
    if output.quiet {
        command.arg("--quiet");
    }
    let status = command.status().await;
    let status =
        status.map_err(|error| Failure::internal(format_args!("cannot run it: {error}")))?;
    let as_expected = status.code() == Some(i32::from(expected.code()));
    if !as_expected {
        output.note(&format!(
            "librecast: expected exit code {}, {}",
            expected.code(),
            told(status)
        ));
    }
    Ok(as_expected)
}

fn told(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("and it was {code}"),
        None => "and it was ended by a signal".to_owned(),
    }
}

/// How the agents are reached here.
async fn way(fleet: &Fleet) -> Result<String, Failure> {
    let words = ["get", "librecast.path.current", "--value", "--quiet"];
    let shown = fleet.command(&words).stderr(std::process::Stdio::null()).output().await;
    let shown = shown.map_err(|error| Failure::internal(format_args!("cannot run it: {error}")))?;
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    let by_multicast = text.lines().any(|line| line.ends_with("\tmulticast"));
    Ok(if by_multicast {
        "A network interface is up: they are asked by multicast, which never leaves this host."
    } else {
        "Only the loopback interface is up: they are asked by unicast, one packet each."
    }
    .to_owned())
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "._-=,/:".contains(char);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{word}'") }
}

const NEXT: &str = "
Next:
  librecast agent &                        # an agent for this host, in the realm 'local'
  librecast get host.name system.memory    # ask it
  librecast vars --builtin                 # what there is to ask for
  librecast realm create NAME              # a realm on your network; then: realm issue, join
";

/// What the user can do with what was kept.
fn kept(fleet: &Fleet) -> String {
    let quote = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', "'\\''"));
    let pids: Vec<String> = fleet.pids().iter().map(u32::to_string).collect();
    format!(
        "\nThe agents run on. To ask them:\n  export LIBRECAST_HOME={} XDG_RUNTIME_DIR={}\n  \
         librecast get system.cpu\nTo end it:\n  kill {}; rm -r {}\n",
        quote(&fleet.home()),
        quote(&fleet.runtime()),
        pids.join(" "),
        quote(fleet.folder()),
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn every_command_shown_is_one() {
        for (_, words, _) in SCENES.iter().chain([&LAST_SCENE]) {
            let line = std::iter::once(&"librecast").chain(*words);
            Cli::try_parse_from(line).unwrap_or_else(|error| panic!("{words:?}: {error}"));
        }
        assert_eq!(SCENES[0].1, ["get", "host.name", "system.cpu.load_1m"]);
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, expected) in [
            ("host.name", "host.name"),
            ("app.greeting=hello", "app.greeting=hello"),
            ("web*", "'web*'"),
            ("system.memory.usage > 0", "'system.memory.usage > 0'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
