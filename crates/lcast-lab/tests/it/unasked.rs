//! Nodes that are meant and not asked: unknown names, certificates that have ended.

use lcast_lab::{DEADLINE, Lab, Member, Output, Realm, wait_until};

use crate::fleet::{CONFIG, Fleet};

fn said(output: &Output, code: i32, parts: &[&str]) {
    assert_eq!(output.code, code, "{output}");
    for part in parts {
        assert!(output.stderr.contains(part), "no '{part}' in {output}");
    }
}

#[test]
fn names_that_no_member_has_are_told() {
    let mut fleet = Fleet::new(2, 0, CONFIG);
    let admin = |words: &str| fleet.realm.admin(words).limit(DEADLINE).run();
    let names = fleet.realm.admin("get host.name --nodes-from -").input("web1\nweb9\n").run();
    said(&names, 0, &["1 expected: 1 answered", "no such member: web9"]);
    said(&admin("get host.name --on web1,nosuch"), 0, &["no such member: nosuch"]);
    // A name that nobody has will match nobody who comes.
    said(
        &admin("watch host.name --on nosuch"),
        4,
        &["no such member: nosuch", "no node is expected"],
    );
    let mut waiting = fleet.realm.admin("watch host.name --on nosuch*").start();
    wait_until("it to wait", DEADLINE, || waiting.stderr().contains("waiting for such a one"));
    assert!(waiting.is_running());
    waiting.kill();
    fleet.realm.ask("get host.name").check(0, &[("answered", 2)]);
    // Whether a sign of life of the other comes by chance meanwhile must not matter.
    fleet.agent("web1").stop();
    fleet.agent("db2").stop();
    let silent = fleet.realm.admin("get host.name --on db2").run();
    said(&silent, 4, &["only 1 of the 2 agents", "db2 (heard"]);
    assert!(!silent.stderr.contains("multicast"), "{silent}");
}

#[test]
fn an_agent_past_its_certificate_is_told_everywhere() {
    let lab = Lab::new(3).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    let mut fresh = realm.start(&lab.host(1), &Member::agent("web1"), CONFIG);
    let path = "/run/lab/old.credential";
    let line = format!("realm issue --realm prod --name old --days 3 --out {path}");
    lab.host(0).librecast(&line).clock("-40d").ok();
    let joined = lab.host(2).librecast(&format!("join {path}")).run();
    said(&joined, 2, &["certificate of 'old' ended", "librecast realm issue"]);
    let mut old = lcast_lab::Agent::prepare(&lab.host(2), "old", path, CONFIG);
    old.start();
    let warning = "nobody expects this agent to answer";
    wait_until("the warning", DEADLINE, || old.process().stderr().contains(warning));
    said(&realm.admin("get host.name").run(), 0, &["1 expected: 1 answered", "ended: old;"]);
    said(&realm.admin("get host.name --on old").run(), 4, &["certificate has ended: old;"]);
    let nodes = realm.admin("nodes").run();
    assert!(nodes.stdout.contains(", EXPIRED"), "{nodes}");
    assert!(fresh.process().is_running());
}
