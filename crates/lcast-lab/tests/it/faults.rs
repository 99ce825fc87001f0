//! Crashes, hangs, partitions, wrong clocks.

use lcast_lab::{DEADLINE, Lab, Member, Realm, wait_until};
use rustix::process::Signal;

use crate::fleet::{CONFIG, Fleet, names};

#[test]
fn a_restarted_agent_answers_at_once() {
    let mut fleet = Fleet::new(4, 0, CONFIG);
    fleet.realm.ask("get host.name").check(0, &[("answered", 4)]);
    for _ in 0..3 {
        fleet.agent("web1").kill();
        fleet.agent("web1").start();
        fleet.realm.ask("get host.name").check(0, &[("answered", 4)]);
    }
    let code = fleet.agent("web1").stop();
    assert_eq!(code, 0);
    fleet.agent("web1").start();
    fleet.realm.ask("get host.name").check(0, &[("answered", 4)]);
}

#[test]
fn a_stopped_agent_is_missing_until_it_goes_on() {
    let mut fleet = Fleet::new(4, 0, CONFIG);
    fleet.realm.ask("get host.name").check(0, &[("answered", 4)]);
    fleet.agent("db3").process().signal(Signal::STOP);
    let answer = fleet.realm.ask("get host.name");
    answer.check(3, &[("answered", 3), ("missing", 1)]);
    assert_eq!(answer.named("missing"), ["db3"]);
    // It then reads questions whose askers are long gone, and answers the new one.
    fleet.agent("db3").process().signal(Signal::CONT);
    wait_until("db3 to answer again", DEADLINE, || {
        fleet.realm.ask("get host.name").answered() == names(4)
    });
}

#[test]
fn a_partition_is_reported_and_heals() {
    let fleet = Fleet::new(6, 0, CONFIG);
    fleet.realm.ask("get host.name").check(0, &[("answered", 6)]);
    fleet.lab.part([4, 5, 6]);
    let answer = fleet.realm.ask("get host.name");
    answer.check(3, &[("answered", 3), ("missing", 3)]);
    assert_eq!(answer.named("missing"), ["db4", "db5", "db6"]);
    let set = fleet.realm.ask("set app.greeting=parted");
    set.check(3, &[("answered", 3), ("missing", 3)]);
    for missing in set.json["report"]["nodes"]["missing"].as_array().unwrap() {
        assert_eq!(missing["outcome"], "unknown", "{missing}");
    }
    fleet.lab.heal();
    let answer = fleet.realm.ask("get host.name app.greeting");
    answer.check(0, &[("answered", 6)]);
    assert_eq!(answer.value("web1", "app.greeting"), "parted");
}

#[test]
fn wrong_clocks_change_no_answer() {
    let lab = Lab::new(4).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    let mut agents = Vec::new();
    for (host, name, offset) in [(1, "early", "+2h"), (2, "late", "-2h"), (3, "right", "+0h")] {
        let mut agent = realm.prepare(&lab.host(host), &Member::agent(name), CONFIG);
        agent.job = agent.job.clock(offset);
        agent.start();
        agents.push(agent);
    }
    for offset in ["+0h", "+2h", "-2h"] {
        let job = realm.admin("get host.name --json").clock(offset);
        lcast_lab::Answer::read(job.run()).check(0, &[("answered", 3)]);
        let job = realm.admin(&format!("set app.greeting=at{offset} --json")).clock(offset);
        lcast_lab::Answer::read(job.run()).check(0, &[("answered", 3)]);
    }
    // The clocks are as wrong as they should be; ages do not notice.
    let answer = realm.ask("get app.greeting");
    let cell = |node: &str| answer.replies()[node]["variables"]["app.greeting"].clone();
    assert!(cell("early")["time"].as_str() > cell("right")["time"].as_str());
    assert!(cell("right")["time"].as_str() > cell("late")["time"].as_str());
    for node in ["early", "late", "right"] {
        let age = cell(node)["age_ms"].as_f64();
        assert!(age.is_some_and(|age| (0.0..60_000.0).contains(&age)), "{node}: {}", cell(node));
    }
}
