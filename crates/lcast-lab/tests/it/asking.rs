//! One question to many: values, predicates, the report, exit codes, packets on the wire.

use serde_json::{Value, json};

use lcast_lab::{Answer, DEADLINE, Datagram, Frame, Lab, Member, Realm, wait_until};

use crate::fleet::{CONFIG, Fleet, name, names};

/// Asks with words that may hold spaces.
fn ask(fleet: &Fleet, words: &[&str]) -> Answer {
    let job = fleet.realm.admin("").args(words.iter().copied()).arg("--json");
    Answer::read(job.run())
}

#[test]
fn ten_agents_answer_with_the_values_of_their_hosts() {
    let fleet = Fleet::new(10, 0, CONFIG);
    let answer = fleet.realm.ask("get host.name system.cpu.load_1m");
    answer.check(0, &[("answered", 10)]);
    assert_eq!(answer.answered(), names(10));
    for index in 1..=10 {
        let node = name(index, 10);
        assert_eq!(answer.value(&node, "host.name"), format!("h{index}"));
        let load = answer.value(&node, "system.cpu.load_1m");
        assert!(load.as_f64().is_some_and(|load| load >= 0.0), "load of {node}: {load}");
        let cell = &answer.replies()[&node]["variables"]["system.cpu.load_1m"];
        assert_eq!(cell["unit"], "{thread}", "{cell}");
        assert!(cell["age_ms"].as_f64().is_some_and(|age| age < 60_000.0), "{cell}");
        assert!(cell["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{cell}");
        assert!(cell["version"].as_str().is_some_and(|version| version.contains('.')), "{cell}");
    }
    assert!(answer.json["report"]["elapsed_ms"].as_f64().is_some_and(|ms| ms < 3000.0));
}

#[test]
fn a_misspelt_name_is_told_with_what_is_like_it() {
    let fleet = Fleet::new(1, 0, CONFIG);
    let line = "no node has 'system.laod_1m'; nearest: system.cpu.load_1m";
    for verb in ["get host.name", "set app.limit=3", "vars", "ping"] {
        let words = ["--where", "system.laod_1m > 2"];
        let output = fleet.realm.admin(verb).args(words).run();
        assert_eq!(output.code, 0, "{output}");
        assert!(output.stderr.contains(line), "{output}");
    }
    for verb in ["get", "vars"] {
        let output = fleet.realm.admin(&format!("{verb} system.laod_1m")).run();
        assert!(output.stderr.contains(line), "{output}");
    }
    let output = fleet.realm.admin("get host.name --where").arg("node.name == web").run();
    for part in ["no node has 'web'", "double quotes"] {
        assert!(output.stderr.contains(part), "{output}");
    }
    let output = fleet.realm.admin("get host.name --where").arg("app.limit > 100").run();
    assert!(
        output.stderr.contains("does not match") && !output.stderr.contains("nearest"),
        "{output}"
    );
}

#[test]
fn the_killed_and_the_stopped_are_named_missing() {
    let mut fleet = Fleet::new(10, 0, CONFIG);
    fleet.realm.ask("get host.name").check(0, &[("answered", 10)]);
    fleet.agent("web2").kill();
    fleet.agent("db7").process().signal(rustix::process::Signal::STOP);
    let answer = fleet.realm.ask("get host.name system.cpu.load_1m");
    answer.check(3, &[("answered", 8), ("missing", 2)]);
    assert_eq!(answer.named("missing"), ["db7", "web2"]);
    for missing in answer.json["report"]["nodes"]["missing"].as_array().unwrap() {
        let heard = missing["last_heard"].as_str();
        assert!(heard.is_some_and(|time| time.ends_with('Z')), "{missing}");
    }
    fleet.realm.ask("get host.name --require 8").check(0, &[("answered", 8), ("missing", 2)]);
    fleet.realm.ask("get host.name --require 81%").check(3, &[("answered", 8), ("missing", 2)]);

    let people = fleet.realm.admin("get host.name").run();
    assert_eq!(people.code, 3, "{people}");
    assert!(people.stderr.contains("web2") && people.stderr.contains("db7"), "{people}");
    assert!(people.stdout.contains("h1") && !people.stdout.contains("missing"), "{people}");
    let quiet = fleet.realm.admin("get host.name -q").run();
    assert_eq!((quiet.code, quiet.stderr.as_str()), (3, ""), "{quiet}");

    fleet.agent("db7").process().signal(rustix::process::Signal::CONT);
    fleet.agent("web2").start();
    fleet.realm.ask("get host.name").check(0, &[("answered", 10)]);
}

#[test]
fn a_predicate_is_judged_at_the_nodes() {
    let fleet = Fleet::new(6, 0, CONFIG);
    let predicate = r#"system.memory.usage > 0 && labels.role == "web""#;
    let answer = ask(&fleet, &["get", "host.name", "--where", predicate]);
    answer.check(0, &[("answered", 3), ("empty", 3)]);
    assert_eq!(answer.answered(), ["web1", "web2", "web3"]);
    assert_eq!(answer.empty_reason("no_match"), 3);
    assert_eq!(answer.named("empty"), ["db4", "db5", "db6"]);

    let answer = ask(&fleet, &["get", "host.name", "--where", "app.no_such.thing > 1"]);
    answer.check(0, &[("empty", 6)]);
    assert_eq!(answer.empty_reason("undefined"), 6);
    let answer = ask(&fleet, &["get", "host.name", "--where", "1 / (app.limit - 5) > 0"]);
    answer.check(3, &[("error", 6)]);
    let answer = ask(&fleet, &["get", "app.no_such.thing"]);
    answer.check(0, &[("empty", 6)]);
    assert_eq!(answer.empty_reason("no_variable"), 6);
    ask(&fleet, &["get", "app.no_such.thing", "--fail-empty"]).check(4, &[("empty", 6)]);

    // Who is not picked by name or label is not expected at all.
    let answer = fleet.realm.ask("get host.name --on web*,db4 --not web1");
    answer.check(0, &[("answered", 3)]);
    assert_eq!(answer.answered(), ["db4", "web2", "web3"]);
    let answer = fleet.realm.ask("get host.name --label role=db");
    assert_eq!(answer.answered(), ["db4", "db5", "db6"]);
    let listed = fleet.realm.admin("get host.name --nodes-from - --json").input("web1\ndb4\n");
    assert_eq!(Answer::read(listed.run()).answered(), ["db4", "web1"]);
    let listed = fleet.realm.admin("get host.name --on web* --expect - --json").input("stranger\n");
    let answer = Answer::read(listed.run());
    assert_eq!(answer.code(), 3);
    assert!(answer.named("missing").contains(&"stranger".to_owned()), "{}", answer.output);
}

#[test]
fn answers_are_counted_and_computed() {
    let fleet = Fleet::new(4, 0, CONFIG);
    let kernel = fleet.lab.host(0).command("uname").arg("-r").ok();
    let tally = fleet.realm.admin("get os.kernel.release --tally").ok();
    let line = tally.lines().find(|line| line.contains(kernel.trim()));
    let line = line.unwrap_or_else(|| panic!("no {kernel} in {tally}"));
    assert!(line.split_whitespace().any(|word| word == "4"), "{tally}");

    // A share of time is known once some time has passed.
    wait_until("the utilisation of all", DEADLINE, || {
        fleet.realm.ask("get system.cpu.utilization").count("answered") == 4
    });
    let words = "get system.cpu.utilization --agg avg,max --by labels.role";
    let table = fleet.realm.admin(words).ok();
    for part in ["avg", "max", "web", "db"] {
        assert!(table.contains(part), "no {part} in {table}");
    }
    let value = fleet.realm.admin("get app.release --value").ok();
    let mut lines: Vec<&str> = value.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["db3\t1.2.3", "db4\t1.2.3", "web1\t1.2.3", "web2\t1.2.3"]);
    let vars = fleet.realm.admin("vars app").ok();
    for part in ["app.greeting", "app.limit", "app.release", "text", "int"] {
        assert!(vars.contains(part), "no {part} in {vars}");
    }
    let ping = fleet.realm.admin("ping --count 2").run();
    assert!(ping.code == 0 && ping.stdout.contains("web1"), "{ping}");
}

#[test]
fn without_loss_one_packet_asks_everybody() {
    let fleet = Fleet::new(10, 0, CONFIG);
    // The first question may meet hosts that have not found one another's hardware addresses.
    fleet.realm.ask("get host.name").check(0, &[("answered", 10)]);
    let own = fleet.lab.host(0).addresses(0);
    let mut single = 0;
    for _ in 0..10 {
        let mut capture = fleet.lab.host(0).capture("eth0");
        let answer = fleet.realm.ask("get host.name");
        answer.check(0, &[("answered", 10)]);
        let frames = capture.frames();
        assert!(!frames.iter().any(Frame::is_fragment), "a fragment was sent");
        let datagrams: Vec<Datagram> = frames.iter().filter_map(Frame::datagram).collect();
        let asked = |datagram: &&Datagram| {
            let source = *datagram.source.ip();
            datagram.is_multicast() && (source == own.0 || source == own.1)
        };
        // Whoever has no turn on a busy machine for a whole round is asked again.
        let asked = datagrams.iter().filter(asked).count() as u64;
        assert_eq!(asked, answer.count("rounds"), "questions on the wire: {}", answer.output);
        single += u32::from(asked == 1 && answer.count("questions_sent") == 1);
        let longest = datagrams.iter().map(|datagram| datagram.payload.len()).max();
        assert!(longest <= Some(1152), "a packet of {longest:?} bytes");
    }
    assert!(single > 5, "only {single} of 10 questions took one packet");
}

#[test]
fn exit_codes_tell_who_is_to_blame() {
    let lab = Lab::new(3).attach(2, &[]).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    realm.ask("get host.name").check(4, &[]);

    let mut agent = realm.start(&lab.host(1), &Member::agent("web1"), CONFIG);
    realm.ask("get host.name").check(0, &[("answered", 1)]);
    realm.ask("get host.name --on nobody*").check(4, &[]);
    let reader = realm.issue(&Member::client("reader"));
    let words = format!("set app.greeting=hello --json --credential {reader}");
    Answer::read(lab.host(0).librecast(&words).run()).check(5, &[("refused", 1)]);

    // A host whose only card is `lo` cannot send to a realm on a network.
    let words = format!("get host.name --json --credential {reader}");
    let output = lab.host(2).librecast(&words).run();
    assert_eq!(output.code, 6, "{output}");
    let document: Value = serde_json::from_str(&output.stdout).unwrap();
    assert!(document.is_object(), "{output}");
    let output = lab.host(2).librecast(&format!("watch host.name --credential {reader}")).run();
    assert_eq!(output.code, 6, "{output}");
    assert!(output.stderr.contains("could send"), "{output}");

    agent.kill();
    realm.ask("get host.name").check(4, &[("missing", 1)]);
    let output = realm.admin("get host..name --json").run();
    assert_eq!(output.code, 2, "{output}");
    let document: Value = serde_json::from_str(&output.stdout).unwrap();
    assert!(document["error"]["code"].is_string(), "{output}");
    assert_ne!(document["error"]["message"], json!(""), "{output}");
}
