//! Receive buffers that are too small. The limit of the kernel, `net.core.rmem_max`, is one for the
//! whole machine and not to be changed here: a file of the host takes its place, which the printed
//! command writes, and programs are granted what it says.

use std::net::SocketAddrV6;

use lcast_lab::{Datagram, Member, helper, ipv6_udp};
use rustix::process::Signal;

use super::*;
use crate::fleet::CONFIG;

const LIMIT: &str = "/proc/sys/net/core/rmem_max";
/// What kernels are shipped with.
const DEFAULT: &str = "212992";

/// Gives a host a limit of its own.
fn limit(host: &Host) {
    let line = format!("mount -t tmpfs lab /proc/sys/net/core && echo {DEFAULT} >{LIMIT}");
    host.shell(&line).ok();
}

/// A program of such a host, granted what its limit says.
fn granted(job: Job) -> Job {
    job.wrapped(&[&helper(), "granting", LIMIT])
}

#[test]
fn buffers_are_too_small_for_the_answers_of_all() {
    let lab = Lab::new(1).build();
    let host = lab.host(0);
    limit(&host);
    let realm = Realm::create(&host, "prod", "");
    let doctor = granted(realm.admin("doctor"));
    content(&doctor);
    // 150 answers fit what a kernel as it is shipped grants those who ask, not what it grants those
    // who do not.
    let rows: String = (1..=150).map(|index| format!("n{index}\n")).collect();
    let line = "cat >hosts.csv; librecast realm issue --from hosts.csv --out-dir out >&2";
    host.shell(line).input(format!("name\n{rows}")).ok();
    let finding = diagnosed(&doctor, "buffers-small");
    assert_eq!((&finding["where"], &finding["severity"]), (&"here".into(), &"warning".into()));
    assert!(finding["what"].as_str().unwrap().contains("answers of 150 agents"), "{finding}");
    mend(&host, &finding);
    content(&doctor);
}

#[test]
fn an_agent_loses_what_comes_while_it_stands_still() {
    let lab = Lab::new(2).build();
    let host = lab.host(1);
    limit(&host);
    let realm = Realm::create(&lab.host(0), "prod", "");
    let looker = realm.issue(&Member::client("looker"));
    let mut agent = realm.prepare(&host, &Member::agent("web1"), CONFIG);
    agent.job = granted(agent.job);
    agent.start();
    let doctor = granted(host.librecast(&format!("doctor --credential {looker}")));
    content(&doctor);
    agent.process().signal(Signal::STOP);
    let at = |host: &Host, port| SocketAddrV6::new(host.addresses(0).1, port, 0, 0);
    let packet = ipv6_udp(&Datagram {
        source: at(&lab.host(0), 5000),
        destination: at(&host, 24_242),
        hop_limit: 64,
        payload: vec![0; 1000],
    });
    // A full-size packet takes 2,304 bytes of the buffer.
    lab.host(0).inject("eth0", &vec![packet; 400]);
    agent.process().signal(Signal::CONT);
    let finding = diagnosed(&doctor, "receive-overflow");
    let what = finding["what"].as_str().unwrap();
    let named = "'librecast' (pid ";
    assert!(what.contains(named) && what.contains("datagrams in a full"), "{finding}");
    // The command is the agent from here on.
    let _again = host.shell(finding["command"].as_str().unwrap()).start();
    assert_eq!(agent.process().wait(DEADLINE).code, 0);
    assert_eq!(host.command("cat").arg(LIMIT).ok().trim(), "4194304");
    wait_until("the agent to answer again", DEADLINE, || {
        realm.admin("get host.name").run().code == 0
    });
    content(&doctor);
}
