//! Watches: what changes, who comes and goes, gaps through loss, packets on the wire.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;

use lcast_lab::{DEADLINE, Host, Loss, Member, Process};
use rustix::process::Signal;
use serde_json::Value;

use crate::fleet::{CONFIG, Fleet};

/// Begins to watch, and waits until so many nodes have told what they hold.
fn watch(fleet: &Fleet, words: &str, nodes: usize) -> Process {
    let mut process = fleet.realm.admin(words).arg("--jsonl").start();
    let replies = |bytes: &[u8]| {
        lines(&String::from_utf8_lossy(bytes)).iter().filter(|it| it["kind"] == "reply").count()
    };
    process.wait_stdout("what nodes hold", DEADLINE, |bytes| replies(bytes) >= nodes);
    process
}

/// The whole lines of a text, as JSON.
fn lines(text: &str) -> Vec<Value> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits for a line of this kind about a node that also satisfies `is`.
fn await_line(process: &mut Process, kind: &str, node: &str, is: impl Fn(&Value) -> bool) {
    let wanted = |line: &Value| line["kind"] == kind && line["node"] == node && is(line);
    process.wait_stdout(&format!("{kind} of {node}"), DEADLINE * 2, |bytes| {
        lines(&String::from_utf8_lossy(bytes)).iter().any(wanted)
    });
}

fn limit(line: &Value) -> Option<i64> {
    line["variables"]["app.limit"]["value"].as_i64()
}

fn set(fleet: &Fleet, value: i64, node: &str) {
    fleet.realm.ask(&format!("set app.limit:={value} --on {node}")).check(0, &[("answered", 1)]);
}

#[test]
fn changes_and_those_who_come_and_go_are_told() {
    let mut fleet = Fleet::new(3, 1, CONFIG);
    let mut process = watch(&fleet, "watch app.limit", 3);
    set(&fleet, 7, "web1");
    await_line(&mut process, "change", "web1", |line| limit(line) == Some(7));
    let late = Member::agent("late");
    fleet.agents.push(fleet.realm.start(&fleet.lab.host(4), &late, CONFIG));
    await_line(&mut process, "enter", "late", |line| limit(line) == Some(5));
    set(&fleet, 8, "late");
    await_line(&mut process, "change", "late", |line| limit(line) == Some(8));
    fleet.agent("web2").kill();
    await_line(&mut process, "leave", "web2", |line| line["reason"] == "gone");
    fleet.agent("db3").stop();
    await_line(&mut process, "leave", "db3", |line| line["reason"] == "left");
    fleet.agent("web2").start();
    await_line(&mut process, "enter", "web2", |line| limit(line) == Some(5));
    process.signal(Signal::INT);
    let output = process.wait(DEADLINE);
    assert_eq!(output.code, 3, "{output}");
    let kinds: Vec<Value> = output.json_lines().iter().map(|it| it["kind"].clone()).collect();
    assert_eq!(kinds.last().unwrap(), "report", "{output}");
}

#[test]
fn an_interval_tells_again_and_a_count_ends_it() {
    let fleet = Fleet::new(1, 0, CONFIG);
    let output = fleet.realm.admin("watch app.limit --every 200ms --count 20 --jsonl").run();
    assert_eq!(output.code, 0, "{output}");
    let mut kinds = BTreeMap::new();
    for line in output.json_lines() {
        *kinds.entry(line["kind"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    let expected = [("change", 19), ("reply", 1), ("report", 1)];
    assert_eq!(kinds, expected.map(|(kind, count)| (kind.to_owned(), count)).into(), "{output}");
    let (least, most) = (Duration::from_secs(3), Duration::from_secs(8));
    assert!(output.elapsed > least && output.elapsed < most, "{output}");
}

#[test]
fn two_watchers_are_told_by_three_packets_to_a_group() {
    let fleet = Fleet::new(1, 0, CONFIG);
    let mut watchers = [(); 2].map(|()| watch(&fleet, "watch app.limit", 1));
    let mut capture = fleet.lab.host(1).capture("eth0");
    for value in 1..=10 {
        set(&fleet, value, "web1");
        for watcher in &mut watchers {
            await_line(watcher, "change", "web1", |line| limit(line) == Some(value));
        }
    }
    // A change and its two repeats each, and nothing but beacons to the realm beside them.
    let (link, global) = fleet.lab.host(1).addresses(0);
    lcast_lab::wait_until("thirty packets to the group of the watch", DEADLINE, || {
        let mut groups: BTreeMap<Ipv6Addr, usize> = BTreeMap::new();
        let sent = capture.datagrams().into_iter().filter(|datagram| {
            let of_agent = [link, global].contains(datagram.source.ip());
            of_agent && datagram.destination.ip().is_multicast()
        });
        sent.for_each(|it| *groups.entry(*it.destination.ip()).or_default() += 1);
        groups.values().any(|count| *count == 30)
    });
}

#[test]
fn versions_rise_and_gaps_are_told_through_loss() {
    let fleet = Fleet::new(2, 0, CONFIG);
    let mut process = watch(&fleet, "watch app.limit --on web1", 1);
    fleet.lab.loss(0..=2, Loss::Udp(20));
    let (first, last) = (100, 130);
    for value in first..=last {
        let line = format!("set app.limit:={value} --on web1 --timeout 3s");
        fleet.realm.ask(&line).check(0, &[("answered", 1)]);
    }
    await_line(&mut process, "change", "web1", |line| limit(line) == Some(last));
    process.signal(Signal::INT);
    let output = process.wait(DEADLINE);
    let (mut told, mut before) = (0, 0);
    for line in output.json_lines().iter().filter(|it| it["kind"] == "change") {
        let value = limit(line).unwrap();
        assert!(value > before, "{value} after {before}: {output}");
        let skipped = line["variables"]["app.limit"]["skipped"].as_i64().unwrap_or(0);
        told += 1 + skipped;
        before = value;
    }
    assert_eq!(told, last - first + 1, "every value is told or counted: {output}");
}

/// [WAT-11]: both hosts keep their link-local addresses throughout.
#[test]
fn a_watch_goes_on_when_hosts_lose_addresses_and_get_others() {
    let fleet = Fleet::new(1, 0, CONFIG);
    let mut process = watch(&fleet, "watch app.limit --on web1", 1);
    let mut value = 100;
    let [asker, agent] = [0, 1].map(|host| fleet.lab.host(host));
    let global = |host: &Host| format!("{}/64", host.addresses(0).1);
    let moves = [
        (&agent, format!("del {}", global(&agent))),
        (&agent, format!("add {} nodad", global(&agent))),
        (&asker, format!("del {}", global(&asker))),
        (&asker, "add fd01::1/64 nodad".to_owned()),
    ];
    for (host, line) in moves {
        host.shell(&format!("ip addr {line} dev eth0")).ok();
        // The first may be lost at the old address, and told by what follows.
        for _ in 0..2 {
            value += 1;
            set(&fleet, value, "web1");
            await_line(&mut process, "change", "web1", |line| limit(line) == Some(value));
        }
    }
}

/// Also when nobody reads on, the command leaves its realm in order: it keeps what it learned.
#[test]
fn a_watch_that_nobody_reads_ends_in_order() {
    let fleet = Fleet::new(1, 0, CONFIG);
    let host = fleet.lab.host(0);
    for (name, end) in [("reader", "| head -n1 >/dev/null"), ("counter", "--count 2 >/dev/null")] {
        let credential = fleet.realm.issue(&Member::client(name));
        let state = host.path(name);
        let watch = format!("watch app.limit --every 50ms --state {state}");

        host.shell(&format!("librecast {watch} --credential {credential} {end}")).ok();
        assert!(fleet.lab.file(&format!("{state}/roster.cbor")).is_file(), "{end}");
    }
}

/// That nobody reads on showed in the next write alone: nothing changes here, so none came.
#[test]
fn who_follows_ends_with_its_reader_also_when_nothing_changes() {
    let fleet = Fleet::new(1, 0, CONFIG);
    let host = fleet.lab.host(0);
    for (name, words) in [("values", "watch app.limit"), ("roster", "nodes --watch")] {
        let credential = fleet.realm.issue(&Member::client(name));
        let state = host.path(name);
        let words = format!("{words} --state {state} --credential {credential}");
        let shell = format!(
            "{{ {{ timeout --kill-after 10 10 librecast {words}; echo ended by $? >&3; }} |
             head -n1 >/dev/null; }} 3>&1"
        );
        let output = host.shell(&shell).ok();
        assert!(output.contains("ended by 0"), "{words}: {output}");
        assert!(fleet.lab.file(&format!("{state}/roster.cbor")).is_file(), "{words}");
    }
}

/// A full pipe that nobody reads held up the write, and with it every signal but SIGKILL.
#[test]
fn a_watch_whose_reader_stalls_ends_when_it_is_told_to() {
    let fleet = Fleet::new(1, 0, CONFIG);
    let credential = fleet.realm.issue(&Member::client("stalled"));
    let watch = format!("librecast watch app.limit --every 50ms --credential {credential}");
    let shell = format!(
        "pipe=$(mktemp -u); mkfifo $pipe; exec 3<>$pipe; rm $pipe; head -c 65536 /dev/zero >&3
         timeout --kill-after 10 2 {watch} >&3; echo ended by $?"
    );
    let output = fleet.lab.host(0).shell(&shell).ok();
    assert!(output.contains("ended by 124"), "{output}");
}

#[test]
fn a_count_that_is_reached_at_once_does_not_hide_who_is_missing() {
    let mut fleet = Fleet::new(2, 0, CONFIG);
    fleet.agent("db2").kill();
    let output = fleet.realm.admin("watch app.limit --count 1").run();
    assert_eq!(output.code, 3, "{output}");
    assert!(output.stderr.contains("missing: db2"), "{output}");
    assert_eq!(output.stderr.matches("expected").count(), 1, "{output}");
}
