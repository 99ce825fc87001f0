//! Who belongs to a realm, who is there, and who is expected.

use std::collections::BTreeMap;

use serde_json::Value;

use lcast_lab::{DEADLINE, Member, wait_until};

use crate::fleet::{CONFIG, Fleet};

/// `nodes --json` by name.
fn roster(fleet: &Fleet, words: &str) -> BTreeMap<String, Value> {
    let text = fleet.realm.admin(&format!("nodes --json {words}")).ok();
    let document: Value = serde_json::from_str(&text).unwrap();
    let list = document["nodes"].as_array().unwrap_or_else(|| panic!("no nodes in {text}"));
    list.iter().map(|node| (node["name"].as_str().unwrap().to_owned(), node.clone())).collect()
}

fn state(fleet: &Fleet, name: &str) -> String {
    roster(fleet, "")[name]["state"].as_str().unwrap().to_owned()
}

#[test]
fn the_roster_knows_the_living_the_gone_the_left_and_the_never() {
    let mut fleet = Fleet::new(4, 0, CONFIG);
    fleet.realm.issue(&Member::agent("web9").role("spare").label("rack=r1"));
    let reader = fleet.realm.issue(&Member::client("reader"));
    let nodes = roster(&fleet, "");
    assert_eq!(nodes.keys().collect::<Vec<_>>(), ["db3", "db4", "web1", "web2", "web9"]);
    assert_eq!(nodes["web9"]["state"], "never");
    assert_eq!(nodes["web9"]["last_heard"], Value::Null);
    assert_eq!(nodes["web9"]["labels"]["rack"], "r1");
    assert_eq!(nodes["web1"]["state"], "alive");
    assert_eq!(nodes["web1"]["kind"], "agent");
    assert_eq!(nodes["web1"]["path"], "multicast", "it replies by unicast, and hears multicast");
    assert!(nodes["web1"]["id"].as_str().is_some_and(|id| !id.is_empty()));
    let mut ids: Vec<String> = nodes.values().map(|node| node["id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5, "every node has an id of its own: {ids:?}");
    assert!(!nodes.contains_key("reader") && !nodes.contains_key("admin"));
    let words = format!("get host.name --on web1 --credential {reader}");
    fleet.lab.host(0).librecast(&words).ok();
    let clients = roster(&fleet, "--clients");
    assert_eq!(clients["reader"]["kind"], "client");
    assert_eq!(clients["admin"]["kind"], "client");
    assert_eq!(clients["admin"]["state"], "alive");
    assert_eq!(clients["web1"]["state"], "alive");

    // The never started is missing in a report; a client never is.
    let answer = fleet.realm.ask("get host.name");
    answer.check(3, &[("answered", 4), ("missing", 1)]);
    assert_eq!(answer.named("missing"), ["web9"]);
    assert_eq!(answer.json["report"]["nodes"]["missing"][0]["last_heard"], Value::Null);

    assert_eq!(fleet.agent("web1").stop(), 0);
    wait_until("web1 to be known as left", DEADLINE, || state(&fleet, "web1") == "left");
    fleet.agent("web2").kill();
    wait_until("web2 to be known as gone", DEADLINE, || state(&fleet, "web2") == "gone");
    assert_eq!(state(&fleet, "db3"), "alive");
    let only = roster(&fleet, "--state gone");
    assert_eq!(only.keys().collect::<Vec<_>>(), ["web2"]);
    // Nobody waits for those that are known to be gone, as for one that was never heard. [QST-17]
    let answer = fleet.realm.ask("get host.name --require alive");
    answer.check(0, &[("answered", 2), ("missing", 3)]);
    let answer = fleet.realm.ask("get host.name --require alive --not web9");
    answer.check(0, &[("answered", 2), ("missing", 2)]);
    let elapsed = answer.json["report"]["elapsed_ms"].as_f64().unwrap();
    assert!(elapsed < 900.0, "{}", answer.output);
}

#[test]
fn an_agent_leaves_with_its_terminal_unless_told_to_stay() {
    let mut fleet = Fleet::new(4, 0, CONFIG);
    // Whoever runs this test may have told it to ignore the signal; agents inherit that.
    for (name, signal) in [("web1", "--ignore-signal=HUP"), ("db4", "--default-signal=HUP")] {
        assert_eq!(fleet.agent(name).stop(), 0);
        fleet.agent(name).job = fleet.agent(name).job.clone().wrapped(&["env", signal]);
        fleet.agent(name).start();
    }
    fleet.realm.ask("get host.name").check(0, &[("answered", 4)]);
    for name in ["web1", "db4"] {
        fleet.agent(name).process().signal(rustix::process::Signal::HUP);
    }
    assert_eq!(fleet.agent("db4").process().wait(DEADLINE).code, 0);
    wait_until("db4 to be known as left", DEADLINE, || state(&fleet, "db4") == "left");
    fleet.realm.ask("get host.name --on web1").check(0, &[("answered", 1)]);
    assert!(fleet.agent("web1").process().is_running());
}

/// One who follows the roster hears of a death within six seconds, of a return and of a goodbye.
#[test]
fn who_follows_hears_of_deaths_within_six_seconds() {
    let mut fleet = Fleet::new(10, 0, CONFIG);
    let host = fleet.lab.host(0);
    let reader = fleet.realm.issue(&Member::client("reader"));
    let words = format!("nodes --watch --jsonl --credential {reader}");
    let mut watch = host.librecast(&words).start();
    let says = |text: &[u8], name: &str, state: &str| {
        let text = String::from_utf8_lossy(text).into_owned();
        let last = text.lines().rfind(|it| it.contains(&format!("\"name\":\"{name}\"")));
        last.is_some_and(|it| it.contains(&format!("\"state\":\"{state}\"")))
    };
    watch.wait_stdout("the roster", DEADLINE, |text| says(text, "web1", "alive"));
    // All begin at once, before the network passes multicast on to them: what they say at 200 ms
    // and at 800 ms is heard, and nobody watches over one that dies before.
    wait_until("web1 to have announced its start", DEADLINE, || {
        let answer = fleet.realm.ask("get librecast.uptime --on web1");
        answer.value("web1", "librecast.uptime").as_f64().unwrap() > 1.0
    });
    fleet.agent("web1").kill();
    let limit = std::time::Duration::from_secs(6);
    watch.wait_stdout("web1 to be gone", limit, |text| says(text, "web1", "gone"));
    fleet.agent("web1").start();
    watch.wait_stdout("web1 to be back", DEADLINE, |text| says(text, "web1", "alive"));
    assert_eq!(fleet.agent("web2").stop(), 0);
    watch.wait_stdout("web2 to have left", DEADLINE, |text| says(text, "web2", "left"));
    watch.signal(rustix::process::Signal::INT);
    assert_eq!(watch.wait(DEADLINE).code, 3);
}

/// A copy of an agent's credential runs elsewhere: everybody sees that.
#[test]
fn two_agents_with_one_credential_are_shown() {
    let fleet = Fleet::new(2, 1, CONFIG);
    let twin = fleet.realm.issue(&Member::agent("twin"));
    let start = |host: usize| {
        let host = fleet.lab.host(host);
        let mut agent = lcast_lab::Agent::prepare(&host, "twin", &twin, CONFIG);
        agent.start();
        agent
    };
    let _copies = [start(2), start(3)];
    wait_until("the duplicate to be shown", DEADLINE, || {
        roster(&fleet, "")["twin"]["duplicate"] == true
    });
    assert_eq!(roster(&fleet, "")["web1"]["duplicate"], false);
}

#[test]
fn the_forgotten_is_expected_no_more_until_issued_again() {
    let mut fleet = Fleet::new(3, 0, CONFIG);
    fleet.agent("web2").kill();
    fleet.realm.ask("get host.name").check(3, &[("answered", 2), ("missing", 1)]);
    // A role does not do: it takes the authority's key, which is where the realm was created.
    let operator = fleet.realm.issue(&Member::client("ops").role("admin"));
    let line = format!("librecast join {operator} >&2 && librecast forget web2");
    let refused = fleet.lab.host(1).shell(&line).run();
    assert_eq!(refused.code, 2, "{refused}");
    assert!(refused.stderr.contains("the authority key of realm"), "{refused}");
    fleet.realm.ask("get host.name").check(3, &[("answered", 2), ("missing", 1)]);
    fleet.realm.admin("forget web2").ok();
    fleet.realm.ask("get host.name").check(0, &[("answered", 2)]);
    assert!(!roster(&fleet, "").contains_key("web2"));
    fleet.realm.issue(&Member::agent("web2"));
    fleet.realm.ask("get host.name").check(3, &[("answered", 2), ("missing", 1)]);
}

/// [PRE-40]: `get` announces the list that `realm issue` made and is gone before anybody has it.
#[test]
fn forget_reaches_every_node_right_after_other_commands() {
    let fleet = Fleet::new(4, 0, CONFIG);
    for name in ["web8", "web9"] {
        fleet.realm.issue(&Member::agent(name));
        fleet.realm.ask("get host.name").check(3, &[("answered", 4), ("missing", 1)]);
        let text = fleet.realm.admin(&format!("forget {name} --json")).ok();
        let told: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&told["behind"], &told["told"]), (&Value::Array(Vec::new()), &told["nodes"]));
    }
}

#[test]
fn many_credentials_come_from_one_file() {
    let fleet = Fleet::new(1, 2, CONFIG);
    let csv = "name,kind,roles,days,role,site\nweb8,agent,,30,web,ams\nweb9,agent,,30,web,fra\n";
    let line = "cat >hosts.csv; librecast realm issue --from hosts.csv --out-dir out >&2; ls out";
    let made = fleet.lab.host(0).shell(line).input(csv).ok();
    assert_eq!(made.split_whitespace().collect::<Vec<_>>(), ["web8.credential", "web9.credential"]);
    let path = fleet.lab.host(0).path("home/out/web9.credential");
    let mode = fleet.lab.host(0).command("stat").args(["-c", "%a", &path]).ok();
    assert_eq!(mode.trim(), "600");
    let mut agent = lcast_lab::Agent::prepare(&fleet.lab.host(2), "web9", &path, CONFIG);
    agent.start();
    // The older agent learns of the newer members from the newer list.
    let answer = fleet.realm.ask("get host.name --label site=fra");
    answer.check(0, &[("answered", 1)]);
    assert_eq!(answer.value("web9", "host.name"), "h2");
}
