//! Settings: who may, what is kept, and what happens when two want different things.

use serde_json::Value;

use lcast_lab::{Answer, DEADLINE, Lab, Member, Process, Realm, wait_until};

use crate::fleet::{CONFIG, Fleet};

/// The version of a setting at a node, as `get --json` tells it.
fn version(fleet: &Fleet, node: &str, variable: &str) -> String {
    let replies = fleet.realm.ask(&format!("get {variable} --on {node}")).replies();
    let version = replies[node]["variables"][variable]["version"].as_str();
    version.unwrap_or_else(|| panic!("no version in {replies:?}")).to_owned()
}

fn error_code(answer: &Answer, node: &str) -> Value {
    answer.replies()[node]["error"]["code"].clone()
}

#[test]
fn operators_set_and_readers_are_refused() {
    let mut fleet = Fleet::new(4, 0, CONFIG);
    let host = fleet.lab.host(0);
    let operator = fleet.realm.issue(&Member::client("ops").role("operator"));
    let reader = fleet.realm.issue(&Member::client("reader"));
    let run = |credential: &str, words: &str| {
        let words = format!("{words} --json --credential {credential}");
        Answer::read(host.librecast(&words).run())
    };
    let answer = run(&operator, "set app.greeting=hello --on web*");
    answer.check(0, &[("answered", 2)]);
    for (node, reply) in answer.replies() {
        assert_eq!(reply["result"], "applied", "{node}: {reply}");
    }
    let answer = run(&operator, "set app.greeting=hello --on web*");
    assert_eq!(answer.replies()["web1"]["result"], "unchanged", "{}", answer.output);
    answer.check(0, &[("answered", 2)]);

    let answer = run(&reader, "set app.greeting=mine --on web*");
    answer.check(5, &[("refused", 2)]);
    assert_eq!(answer.named("refused"), ["web1", "web2"]);
    // Permission comes before existence: a name cannot be probed by setting it.
    run(&reader, "set app.no_such=mine --on web*").check(5, &[("refused", 2)]);
    let answer = run(&reader, "get app.greeting");
    answer.check(0, &[("answered", 4)]);
    for (node, value) in [("web1", "hello"), ("web2", "hello"), ("db3", ""), ("db4", "")] {
        assert_eq!(answer.value(node, "app.greeting"), value, "{node}");
    }

    for node in ["web1", "web2"] {
        fleet.agent(node).kill();
        fleet.agent(node).start();
    }
    let answer = fleet.realm.ask("get app.greeting --on web*");
    answer.check(0, &[("answered", 2)]);
    assert_eq!(answer.value("web1", "app.greeting"), "hello");
    assert_eq!(answer.value("web2", "app.greeting"), "hello");
}

#[test]
fn what_cannot_be_set_says_why() {
    let fleet = Fleet::new(2, 0, CONFIG);
    let long = "x".repeat(65);
    let fits = "x".repeat(64);
    for (word, code) in [
        ("app.limit=many".to_owned(), "invalid"),
        ("app.limit:=1.5".to_owned(), "invalid"),
        (format!("app.greeting={long}"), "invalid"),
        ("app.nothing=1".to_owned(), "no_such_variable"),
        // A variable that can only be read is no setting.
        ("app.release=2".to_owned(), "no_such_variable"),
    ] {
        let job = fleet.realm.admin("set --json").arg(word.clone()).run();
        let answer = Answer::read(job);
        answer.check(3, &[("error", 2)]);
        assert_eq!(error_code(&answer, "web1"), code, "{word}");
        let message = answer.replies()["web1"]["error"]["message"].clone();
        assert!(message.as_str().is_some_and(|text| !text.is_empty()), "{word}: {message}");
    }
    // Read-only variables cannot be set by anybody.
    let answer = fleet.realm.ask("set app.release=2");
    assert_ne!(answer.code(), 0, "{}", answer.output);
    assert_eq!(answer.count("answered"), 0, "{}", answer.output);
    fleet.realm.ask(&format!("set app.greeting={fits}")).check(0, &[("answered", 2)]);
    let answer = fleet.realm.ask("set app.limit=9 --dry-run");
    answer.check(0, &[("answered", 2)]);
    let answer = fleet.realm.ask("get app.limit app.greeting app.release");
    assert_eq!(answer.value("web1", "app.limit"), 5);
    assert_eq!(answer.value("web1", "app.greeting"), fits);
    assert_eq!(answer.value("web1", "app.release"), "1.2.3");
}

#[test]
fn of_twenty_concurrent_sets_one_is_applied() {
    let fleet = Fleet::new(2, 0, CONFIG);
    for variable in ["app.greeting", "app.limit"] {
        let version = version(&fleet, "web1", variable);
        let line = |value: usize| {
            format!("set {variable}={value} --on web1 --if-version {version} --json --timeout 10s")
        };
        let jobs: Vec<_> = (100..120).map(|value| fleet.realm.admin(&line(value))).collect();
        let running: Vec<Process> = jobs.iter().map(lcast_lab::Job::start).collect();
        let ended = running.into_iter().map(|mut process| Answer::read(process.wait(DEADLINE)));
        let answers: Vec<Answer> = ended.collect();
        let applied: Vec<usize> = (0..20)
            .filter(|&index| answers[index].replies()["web1"]["result"] == "applied")
            .collect();
        assert_eq!(applied.len(), 1, "{answers:#?}");
        for (index, answer) in answers.iter().enumerate() {
            if index == applied[0] {
                answer.check(0, &[("answered", 1)]);
            } else {
                answer.check(3, &[("error", 1)]);
                assert_eq!(error_code(answer, "web1"), "conflict", "{}", answer.output);
            }
        }
        let value = fleet.realm.ask(&format!("get {variable} --on web1"));
        let held = value.value("web1", variable).to_string();
        assert_eq!(held.trim_matches('"'), (100 + applied[0]).to_string());
    }
}

#[test]
fn a_full_disk_refuses_the_setting_and_keeps_the_old() {
    let lab = Lab::new(2).build();
    let host = lab.host(1);
    let realm = Realm::create(&lab.host(0), "prod", "");
    let mut agent = realm.prepare(&host, &Member::agent("web1"), CONFIG);
    host.small_disk(&agent.state, 512 * 1024);
    agent.start();
    realm.ask("set app.greeting=before").check(0, &[("answered", 1)]);
    let fill = format!("{}/fill", agent.state);
    let filled = host.command("sh").args(["-c", &format!("cat /dev/zero >{fill}")]).run();
    assert!(filled.stderr.contains("No space left"), "{filled}");

    let mut failed = 0;
    for index in 0..40 {
        // A journal may have room left for a few.
        let answer = realm.ask(&format!("set app.greeting=during{index}"));
        failed += answer.count("error");
        if answer.count("error") == 1 {
            assert_eq!(answer.code(), 3, "{}", answer.output);
            let held = realm.ask("get app.greeting").value("web1", "app.greeting");
            assert_ne!(held, format!("during{index}"), "a failed setting is seen");
        }
    }
    assert!(failed > 0, "the disk was not full");
    assert!(agent.process().is_running());
    let held = realm.ask("get app.greeting").value("web1", "app.greeting");
    host.command("rm").arg(&fill).ok();
    agent.kill();
    agent.start();
    assert_eq!(realm.ask("get app.greeting").value("web1", "app.greeting"), held);
    realm.ask("set app.greeting=after").check(0, &[("answered", 1)]);
    assert_eq!(realm.ask("get app.greeting").value("web1", "app.greeting"), "after");
}

#[test]
fn a_setting_is_kept_or_not_known_across_kill_9() {
    let mut fleet = Fleet::new(1, 0, CONFIG);
    let mut last = 5;
    for round in 0..10 {
        let value = 1000 + round;
        let mut set = fleet.realm.admin(&format!("set app.limit={value} --json")).start();
        // At a moment that differs from round to round.
        let early = round % 2 == 0;
        if !early {
            set.wait_stdout("an answer", DEADLINE, |bytes| !bytes.is_empty());
        }
        fleet.agent("web1").kill();
        let answer = Answer::read(set.wait(DEADLINE));
        fleet.agent("web1").start();
        let held = fleet.realm.ask("get app.limit").value("web1", "app.limit");
        if answer.count("answered") == 1 {
            assert_eq!(held, value, "an applied setting was lost: {}", answer.output);
        } else {
            assert!(held == value || held == last, "{held} is neither {last} nor {value}");
        }
        last = held.as_i64().unwrap();
    }
}

/// What was written makes the predicate false; that the agent died before it could say so does not
/// turn the account into "no match". [QST-26]
#[test]
fn a_set_is_accounted_for_by_the_process_after_the_one_that_wrote_it() {
    let mut fleet = Fleet::new(1, 1, CONFIG);
    let reader = fleet.realm.issue(&Member::client("reader"));
    let spare = fleet.lab.host(2);
    let switch = fleet.lab.switch();
    let deaf = "table bridge deaf { chain f { type filter hook forward priority 0;\n\
                oifname h0s0 ip6 nexthdr udp drop\n}\n}\n";
    switch.command("nft").args(["-f", "-"]).input(deaf).ok();
    let set = fleet.realm.admin("set app.limit=7 --timeout 20s --json --where");
    let mut set = set.arg("app.limit != 7").start();
    wait_until("the value to be written", DEADLINE, || {
        let words = format!("get app.limit --json --credential {reader}");
        let answer = Answer::read(spare.librecast(&words).run());
        answer.count("answered") == 1 && answer.value("web1", "app.limit") == 7
    });
    fleet.agent("web1").kill();
    fleet.agent("web1").start();
    switch.command("nft").args(["delete", "table", "bridge", "deaf"]).ok();
    let answer = Answer::read(set.wait(DEADLINE));
    answer.check(0, &[("answered", 1)]);
    assert_eq!(answer.replies()["web1"]["result"], "applied", "{}", answer.output);
}

/// A node's own policy is named as what it is, to who has all rights in the realm too. [SEC-50]
#[test]
fn a_node_that_narrows_who_sets_says_so() {
    for (list, message) in [
        ("'dba'", "this node takes settings only from: dba"),
        ("", "this node takes settings from nobody"),
    ] {
        let fleet = Fleet::new(1, 0, &format!("{CONFIG}[policy]\nset_roles = [{list}]\n"));
        let dba = fleet.realm.issue(&Member::client("dba").role("operator").role("dba"));
        let answer = fleet.realm.ask("set app.limit=6");
        answer.check(5, &[("refused", 1)]);
        let refused = &answer.json["report"]["nodes"]["refused"][0];
        assert_eq!(refused["reason"], "policy", "{refused}");
        assert_eq!(refused["message"], message, "{refused}");
        let words = format!("set app.limit=6 --json --credential {dba}");
        let answer = Answer::read(fleet.lab.host(0).librecast(&words).run());
        assert_eq!(answer.code(), if list.is_empty() { 5 } else { 0 }, "{}", answer.output);
    }
}
