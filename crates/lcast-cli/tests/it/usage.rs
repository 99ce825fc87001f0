//! Help, versions, and command lines that make no sense.

use std::process::{Command, Stdio};

use serde_json::Value as Json;

use crate::command::{Ended, Home};

#[test]
fn help_and_version_are_answers() {
    let home = Home::new();
    for words in [&["--help"][..], &["-h"], &["get", "--help"], &["realm", "issue", "--help"]] {
        assert!(home.ok(words).contains("Usage: librecast"), "{words:?}");
    }
    assert!(home.ok(&["--version"]).starts_with("librecast "));
    assert!(home.files().is_empty());
}

#[test]
fn too_few_file_descriptors_are_told() {
    let home = Home::new();
    let program = env!("CARGO_BIN_EXE_librecast");
    for limit in 4..16 {
        for verb in ["get host.name", "agent", "demo"] {
            let line = format!("ulimit -n {limit}; exec {program} {verb}");
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", &line]).env_clear().env("LIBRECAST_HOME", home.path("home"));
            let ended = Ended::of(&mut shell);
            assert_eq!(ended.code, 1, "{limit}: {ended:?}");
            let parts = ["Too many open files", "ulimit -n"];
            assert!(parts.iter().all(|it| ended.err.contains(it)), "{limit}: {ended:?}");
        }
    }
    assert!(home.files().is_empty());
}

#[test]
fn no_verb_and_wrong_verbs_are_refused() {
    let home = Home::new();
    let ended = home.run(&[]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("Usage: librecast"), "{ended:?}");
    home.refused(&["gett", "host.name"], &["gett", "get"]);
    home.refused(&["get"], &["PATTERN"]);
    home.refused(&["get", "host.name", "--timeout", "5"], &["'5' lacks a unit", "1.5s"]);
    home.refused(&["get", "host.name", "--require", "some"], &["'some'", "90%"]);
    home.refused(&["nodes", "--state", "aliev"], &["'aliev'", "alive, suspect", "./aliev"]);
    home.refused(&["set", "app.greeting"], &["NAME=TEXT"]);
    home.refused(&["set", "app.x:=hello"], &["'hello'", "text in quotes"]);
    assert!(home.files().is_empty());
}

/// What the parser of the command line says went to the terminal as it was given.
#[test]
fn a_wrong_word_is_repeated_without_what_a_terminal_obeys() {
    let home = Home::new();
    let word = "al\u{202e}\x1b[31mive";
    for words in [
        &["nodes", word][..],
        &[word],
        &["get", "host.name", "--require", word],
        &["get", "host.name", &format!("--{word}")],
        &["get", "host.name", "--help", word],
    ] {
        let ended = home.run(words);
        let said = ended.err + &ended.out;
        assert!(!said.contains(['\u{202e}', '\x1b']), "{words:?}: {said:?}");
    }
    home.refused_in_words(&["nodes", "--state", word], &["al\\u{202e}"]);
}

#[test]
fn json_and_jsonl_exclude_each_other() {
    let home = Home::new();
    let ended = home.run(&["--jsonl", "realm", "list", "--json"]);
    assert_eq!(ended.code, 2);
    let document: Json = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(document["error"]["code"], "usage");
}

#[test]
fn a_credential_names_its_realm() {
    let home = Home::new();
    let words = ["--realm", "prod", "--credential", "x", "get", "host.name"];
    home.refused(&words, &["--credential and --realm exclude each other"]);
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let home = Home::new();
    let mut command = home.command(&["completions", "bash"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn without_a_home_the_way_out_is_told() {
    let home = Home::new();
    let mut command = home.command(&["get", "host.name"]);
    let ended = Ended::of(command.env_remove("LIBRECAST_HOME"));
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("set LIBRECAST_HOME"), "{ended:?}");
}

/// Whoever reads lines tells them apart by their kind, whatever the command.
#[test]
fn every_line_of_jsonl_begins_with_its_kind() {
    let home = Home::new();
    let lines = |words: &[&str], kind: &str, count: usize| {
        let printed = home.run(&[words, &["--jsonl"]].concat()).out;
        let lines: Vec<Json> =
            printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of_kind = lines.iter().filter(|it| it["kind"] == kind).count();
        assert_eq!((of_kind, lines.len()), (count, count), "{words:?}: {printed}");
        let marked = |line: &str| line.starts_with(&format!("{{\"kind\":\"{kind}\","));
        assert!(printed.lines().all(marked), "{words:?}: {printed}");
        lines
    };
    lines(&["realm", "create", "prod"], "realm", 1);
    lines(&["realm", "create", "test"], "realm", 1);
    lines(&["realm", "list"], "realm", 2);
    lines(&["realm", "show", "prod"], "realm", 1);
    std::fs::write(home.path("hosts.csv"), "name\nweb1\nweb2\n").unwrap();
    let issue = ["realm", "issue", "--realm", "prod"];
    lines(&[&issue[..], &["--from", "hosts.csv", "--out-dir", "out"]].concat(), "issued", 2);
    let joined = lines(&["join", "out/web1.credential"], "joined", 1);
    assert_eq!(joined[0]["node_kind"], "agent");
    let built_in = lines(&["vars", "system.memory.limit", "--builtin"], "variable", 1);
    assert_eq!(built_in[0]["variable_kind"], "gauge");
    lines(&["man", "pages"], "folder", 1);
    lines(&["realm", "show", "none"], "failure", 1);
    lines(&["gett"], "failure", 1);
    let pages = home.json(&["man", "pages", "--json"]);
    assert_eq!(pages["folder"], "pages");
}

#[test]
fn what_has_no_json_refuses_it() {
    let home = Home::new();
    for words in [&["completions", "bash"][..], &["agent"], &["demo"]] {
        for format in ["--json", "--jsonl"] {
            let ended = home.run(&[words, &[format]].concat());
            assert_eq!(ended.code, 2, "{words:?}: {ended:?}");
            assert!(ended.err.contains("no JSON"), "{words:?}: {ended:?}");
        }
    }
}
