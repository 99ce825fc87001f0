//! What is refused before anything is opened: no test here reaches the network.

use std::fs::{self, File};

use crate::command::{Ended, Home, chmod};

/// A home with a realm, an agent's credential and a client's.
fn home() -> Home {
    let home = Home::new();
    home.ok(&["realm", "create", "prod"]);
    home.ok(&["realm", "issue", "--name", "web1", "--out", "web1"]);
    home.ok(&["realm", "issue", "--name", "ann", "--client", "--out", "ann"]);
    home
}

#[test]
fn credentials_serve_what_they_were_issued_for() {
    let home = home();
    home.refused_in_words(&["agent", "--credential", "ann"], &["'ann' is a client"]);
    home.refused(&["get", "host.name", "--credential", "web1"], &["'web1' is an agent"]);
    home.refused_in_words(&["agent"], &["no agent's credential of realm 'prod'", "--credential"]);
    let mut command = home.command(&["get", "host.name", "--credential", "web1"]);
    let ended = Ended::of(command.env("LIBRECAST_REALM", "another"));
    assert!(ended.err.contains("'web1' is an agent"), "{ended:?}");
    chmod(home.path("ann"), 0o604);
    let parts = ["mode 0604", "chmod 600 'ann'"];
    home.refused(&["get", "host.name", "--credential", "ann"], &parts);
    fs::write(home.path("list.csv"), "name,kind\n").unwrap();
    chmod(home.path("list.csv"), 0o644);
    home.refused(&["join", "list.csv"], &["'list.csv'", "not a proper credential"]);
    home.refused(&["nodes", "--credential", "none"], &["'none'", "No such file"]);
}

#[test]
fn nothing_is_read_or_made_beside_a_credential() {
    let home = home();
    let other = Home::new();
    let file = home.path("web1").to_string_lossy().into_owned();
    other.refused(&["get", "host.name", "--credential", &file], &["'web1' is an agent"]);
    assert!(other.files().is_empty());
}

#[test]
fn a_second_agent_on_the_same_state_is_refused_with_the_pid_of_the_first() {
    let home = home();
    fs::create_dir(home.path("state")).unwrap();
    fs::write(home.path("state/lock"), "4711\n").unwrap();
    let lock = File::open(home.path("state/lock")).unwrap();
    lock.lock().unwrap();
    let words = ["agent", "--credential", "web1", "--state", "state"];
    home.refused_in_words(&words, &["'state' is in use by process 4711", "--state"]);
}

#[test]
fn an_agent_needs_a_place_for_its_state() {
    let home = home();
    let mut command = home.command(&["agent", "--credential", "web1"]);
    let ended = Ended::of(command.env("STATE_DIRECTORY", home.path("web1")));
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.err.contains("web1/prod/web1") && ended.err.contains("--state"), "{ended:?}");
    let words = ["agent", "--credential", "web1", "--state", "web1/state"];
    home.refused_in_words(&words, &["web1/state", "--state"]);
}

#[test]
fn a_malformed_configuration_is_told_with_its_place() {
    let home = home();
    let check = |text: &[u8], parts: &[&str]| {
        fs::write(home.path("agent.toml"), text).unwrap();
        let words = ["agent", "--credential", "web1", "--state", "s", "--config", "agent.toml"];
        home.refused_in_words(&words, parts);
    };
    check(b"[[setting]]\nnam = \"app.x\"\n", &["agent.toml:2:1", "`nam`"]);
    check(b"[[setting]\n", &["agent.toml:1"]);
    check(b"\xff\xfe", &["'agent.toml'", "utf-8"]);
    let words = ["agent", "--credential", "web1", "--state", "s", "--config", "none.toml"];
    home.refused_in_words(&words, &["'none.toml'", "No such file"]);
    assert!(!home.path("s").exists());
}

#[test]
fn a_malformed_question_is_told_before_a_realm_is_made() {
    let home = Home::new();
    home.refused(&["get", "system..cpu"], &["system..cpu", "^"]);
    home.refused(&["get", "host.name", "--where", "system.memory.usage >"], &["predicate", "^"]);
    home.refused(&["get", "host.name", "--on", "we b"], &["'we b'"]);
    home.refused(&["get", "host.name", "--label", "role"], &["key=value"]);
    home.refused(&["get", "host.name", "--expect", "none"], &["'none'", "No such file"]);
    home.refused(&["get", "host.name", "os.type", "--value"], &["--value", "one variable"]);
    home.refused(&["get", "host.name", "--agg", "avg", "--by", "role"], &["labels.role"]);
    home.refused(&["set", "app.x=1", "--if-version", "x"], &["'x' is no version"]);
    home.refused(&["set", "app.x=1", "app.x=2"], &["set twice"]);
    let long = ["get", "host.name", "--where", &format!("host.name == \"{}\"", "x".repeat(400))];
    home.refused(&long, &["320"]);
    assert!(home.files().is_empty());
}

/// Before the realm is asked, or even chosen.
#[test]
fn options_without_a_meaning_are_refused() {
    let home = Home::new();
    for words in [
        &["doctor", "--timeout", "1s"][..],
        &["doctor", "--fail-empty"],
        &["doctor", "--require", "3"],
    ] {
        home.refused(words, &["--timeout", "--on"]);
    }
    let builtin = home.run(&["vars", "--builtin", "--timeout", "1s"]);
    assert_eq!((builtin.code, builtin.out.as_str()), (2, ""), "{builtin:?}");
    let followed = home.run(&["nodes", "--watch", "--json"]);
    assert_eq!(followed.code, 2, "{followed:?}");
    assert!(followed.err.contains("--jsonl"), "{followed:?}");
    assert!(home.files().is_empty());
}

#[test]
fn the_catalogue_needs_no_realm() {
    let home = Home::new();
    let listed = home.ok(&["vars", "--builtin"]);
    assert!(listed.contains("\nsystem.cpu.load_1m\tfloat\t{thread}\tno\t"), "{listed}");
    let printed = home.json(&["vars", "system.memory", "--builtin", "--json"]);
    let variables = printed["variables"].as_array().unwrap();
    assert!(variables.iter().any(|it| it["name"] == "system.memory.usage"), "{printed}");
    assert!(variables.iter().all(|it| it["name"].as_str().unwrap().starts_with("system.memory")));
    assert!(home.files().is_empty());
}

#[test]
fn the_demo_has_a_realm_of_its_own() {
    let home = Home::new();
    home.refused(&["demo", "--realm", "prod"], &["realm of its own"]);
    let mut command = home.command(&["demo"]);
    let ended = Ended::of(command.env("TMPDIR", home.path("none")));
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(
        ended.err.contains("none/librecast-demo-") && ended.err.contains("TMPDIR"),
        "{ended:?}"
    );
}
