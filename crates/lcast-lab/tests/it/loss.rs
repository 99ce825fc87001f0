//! Lossy networks and cold caches: everybody is accounted for, nobody falsely missing.

use std::time::Duration;

use lcast_lab::Loss;

use crate::fleet::{CONFIG, Fleet, names};

const AGENTS: usize = 20;

/// How many questions are asked at each rate; the environment may ask for more.
fn questions() -> usize {
    let count = std::env::var("LCAST_LAB_QUESTIONS").ok();
    count.map_or(20, |count| count.parse().expect("LCAST_LAB_QUESTIONS is a number"))
}

#[test]
fn twenty_agents_answer_through_any_loss() {
    let fleet = Fleet::new(AGENTS, 0, CONFIG);
    fleet.realm.ask("get host.name").check(0, &[("answered", AGENTS as u64)]);
    for percent in [1, 5, 20] {
        fleet.lab.loss(0..=AGENTS, Loss::Udp(percent));
        let mut rounds = Vec::new();
        for question in 0..questions() {
            let answer = fleet.realm.ask("get host.name");
            let complete = answer.answered() == names(AGENTS) && answer.code() == 0;
            assert!(complete, "question {question} at {percent} %: {}", answer.output);
            let limit = Duration::from_millis(3500);
            assert!(answer.output.elapsed < limit, "slow at {percent} %: {}", answer.output);
            rounds.push(answer.count("rounds"));
        }
        eprintln!("{percent} % loss: rounds {rounds:?}");
    }
}

#[test]
fn cold_caches_and_lost_discovery_hide_nobody() {
    let fleet = Fleet::new(AGENTS, 0, CONFIG);
    let flush = || fleet.lab.hosts().for_each(|host| host.flush_neighbours());
    for _ in 0..3 {
        flush();
        let answer = fleet.realm.ask("get host.name");
        answer.check(0, &[("answered", AGENTS as u64)]);
    }
    // Discovery itself is lost as well: its retry takes a second.
    fleet.lab.loss(0..=AGENTS, Loss::All(5));
    flush();
    fleet.realm.ask("get host.name").check(0, &[("answered", AGENTS as u64)]);
}

#[test]
fn a_setting_reaches_all_through_loss() {
    let fleet = Fleet::new(8, 0, CONFIG);
    fleet.lab.loss(0..=8, Loss::Udp(20));
    for round in 0..5 {
        let answer = fleet.realm.ask(&format!("set app.limit:={} --timeout 3s", 100 + round));
        answer.check(0, &[("answered", 8)]);
        // A repeated request is answered from memory: no node takes its own repetition for a
        // second setting.
        for (node, reply) in answer.replies() {
            assert_eq!(reply["result"], "applied", "{node}: {reply}");
        }
    }
}
