//! What people and scripts do with answers: pipes, loops, interrupts, hostile text.

use serde_json::Value;

use lcast_lab::DEADLINE;
use rustix::process::Signal;

use crate::fleet::{CONFIG, Fleet};

#[test]
fn answers_are_acted_upon_in_shell() {
    let fleet = Fleet::new(4, 0, CONFIG);
    let host = fleet.lab.host(0);
    let line =
        "librecast get app.release --where 'app.limit < 10' --names | sort | xargs -n1 echo to";
    assert_eq!(host.shell(line).ok(), "to db3\nto db4\nto web1\nto web2\n");

    let line = r#"librecast get host.name --jsonl | while read -r line; do
        case $line in
            *'"kind":"reply"'*|*'"kind": "reply"'*) echo reply ;;
            *'"kind":"report"'*|*'"kind": "report"'*) echo report ;;
            *) echo "other: $line" ;;
        esac; done"#;
    assert_eq!(host.shell(line).ok(), "reply\nreply\nreply\nreply\nreport\n");

    let line = "librecast get '**' --jsonl | head -n1 >/dev/null; librecast get '**' | head -n1";
    let output = host.shell(line).run();
    assert_eq!(output.code, 0, "{output}");
    for word in ["panic", "roken pipe", "backtrace"] {
        assert!(!output.stderr.contains(word), "a closed pipe is no news: {output}");
    }
    let output = host.shell("librecast get host.name | cat").env("CLICOLOR_FORCE", "").run();
    assert!(!output.stdout.contains('\u{1b}'), "colours in a pipe: {output}");
}

#[test]
fn jsonl_gives_one_object_a_line_and_ends_in_the_report() {
    let mut fleet = Fleet::new(3, 0, CONFIG);
    fleet.agent("web2").kill();
    let output = fleet.realm.admin("get host.name --jsonl").run();
    assert_eq!(output.code, 3, "{output}");
    let lines: Vec<Value> = output.json_lines();
    let (report, replies) = lines.split_last().unwrap();
    assert_eq!(replies.len(), 2, "{output}");
    for reply in replies {
        assert_eq!(reply["kind"], "reply", "{reply}");
        assert!(reply["variables"]["host.name"]["value"].is_string(), "{reply}");
    }
    assert_eq!(report["kind"], "report", "{report}");
    assert!(report.to_string().contains("web2"), "{report}");
}

#[test]
fn control_characters_of_a_node_do_nothing_here() {
    let config = r#"
        [[variable]]
        name = "app.evil"
        value = "a\u001b[31mred\u0007\u009b2Jb\rc\u202ed"
    "#;
    let fleet = Fleet::new(2, 0, config);
    for words in ["get app.evil", "get app.evil --value", "get app.evil --tally", "vars app"] {
        let output = fleet.realm.admin(words).run();
        assert_eq!(output.code, 0, "{output}");
        let bad = output.stdout.chars().find(|&char| {
            (char.is_control() && char != '\n' && char != '\t') || char == '\u{202e}'
        });
        assert_eq!(bad, None, "{words}: {:?}", output.stdout);
        assert!(words == "vars app" || output.stdout.contains("red"), "{output}");
    }
    let answer = fleet.realm.ask("get app.evil");
    answer.check(0, &[("answered", 2)]);
    let bad = answer.output.stdout.chars().find(|&char| char.is_control() && char != '\n');
    assert_eq!(bad, None, "raw control characters in JSON");
}

#[test]
fn an_interrupt_prints_what_has_arrived() {
    let mut fleet = Fleet::new(3, 0, CONFIG);
    fleet.realm.ask("get host.name").check(0, &[("answered", 3)]);
    fleet.agent("web2").process().signal(Signal::STOP);
    let mut get = fleet.realm.admin("get host.name --jsonl --timeout 30s").start();
    let two = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == b'\n').count() >= 2;
    get.wait_stdout("two replies", DEADLINE, two);
    get.signal(Signal::INT);
    let output = get.wait(DEADLINE);
    assert_eq!(output.code, 3, "{output}");
    let lines = output.json_lines();
    assert_eq!(lines.last().unwrap()["kind"], "report", "{output}");
    assert!(lines.last().unwrap().to_string().contains("web2"), "{output}");

    for name in ["web1", "db3"] {
        fleet.agent(name).process().signal(Signal::STOP);
    }
    let mut capture = fleet.lab.host(0).capture("eth0");
    let mut get = fleet.realm.admin("get host.name --json --timeout 30s").start();
    lcast_lab::wait_until("the question to be sent", DEADLINE, || {
        capture.datagrams().iter().any(lcast_lab::Datagram::is_multicast)
    });
    get.signal(Signal::INT);
    let output = get.wait(DEADLINE);
    assert_eq!(output.code, 130, "{output}");
    let document: Result<Value, _> = serde_json::from_str(&output.stdout);
    assert!(document.is_ok(), "no document after an interrupt: {output}");
}

/// The doctor listens for beacons long after its last question: an interrupt ends that at once.
#[test]
fn an_interrupt_ends_the_doctor_with_what_it_found_here() {
    let mut fleet = Fleet::new(3, 0, CONFIG);
    fleet.realm.ask("get host.name").check(0, &[("answered", 3)]);
    for name in ["web1", "web2", "db3"] {
        fleet.agent(name).process().signal(Signal::STOP);
    }
    let mut capture = fleet.lab.host(0).capture("eth0");
    let mut doctor = fleet.realm.admin("doctor --json").start();
    lcast_lab::wait_until("the question to be sent", DEADLINE, || {
        capture.datagrams().iter().any(lcast_lab::Datagram::is_multicast)
    });
    doctor.signal(Signal::INT);
    let begun = std::time::Instant::now();
    let output = doctor.wait(DEADLINE);
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{output}");
    assert_eq!(output.code, 3, "{output}");
    let document: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(document["facts"]["agents"], Value::Null, "{output}");
    assert!(output.stderr.contains("only this host was looked at"), "{output}");
}

/// The lines of a README's fenced blocks.
fn fenced(text: &str) -> Vec<&str> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside {
            lines.push(line);
        }
    }
    lines
}

/// The README's examples of acting on answers are run as they stand there; `ssh` only says what it
/// would do.
#[test]
fn the_examples_of_the_readme_work() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md"));
    let readme = readme.expect("there is a README");
    let lines = fenced(&readme);
    let fleet = Fleet::new(4, 0, CONFIG);
    let host = fleet.lab.host(0);
    let ssh = host.path("bin");
    let stub = format!(
        "mkdir -p {ssh} && printf '#!/bin/sh\\necho ssh \"$@\"\\n' >{ssh}/ssh\n\
         chmod 755 {ssh}/ssh"
    );
    host.command("sh").args(["-c", &stub]).ok();
    let mut run = 0;
    for (index, line) in lines.iter().enumerate() {
        let acts = line.contains("librecast get")
            && (line.contains("xargs") || (line.contains("--jsonl") && line.contains('|')));
        if !acts {
            continue;
        }
        // A loop goes on to its `done`.
        let mut script = (*line).to_owned();
        let mut next = index + 1;
        while (script.contains("while ") && !script.contains("done")) || script.ends_with('\\') {
            script = format!("{script}\n{}", lines[next]);
            next += 1;
        }
        let output = host.shell(&format!("PATH={ssh}:$PATH\nset -e\n{script}")).run();
        assert_eq!(output.code, 0, "{script}\n{output}");
        assert!(!output.stdout.is_empty(), "{script}\nsays nothing: {output}");
        run += 1;
    }
    assert!(run >= 2, "the README shows an xargs line and a --jsonl loop; found {run}");
}
