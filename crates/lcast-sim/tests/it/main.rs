//! Every scenario of the simulator, with a few seeds each; and the promise that a seed decides.

use std::process::Command;
use std::time::Duration;

use lcast_sim::fault::Conditions;
use lcast_sim::question::Question;
use lcast_sim::{Change, Setup, World, scenario};

/// Runs a scenario with each seed and fails with the line that replays it.
fn check(name: &str, seeds: std::ops::Range<u64>) {
    let scenario = scenario::named(name).expect("a scenario of this name");
    for seed in seeds {
        if let Err(failed) = scenario::run(scenario, seed) {
            panic!("{name}, seed {seed}:\n{failed}");
        }
    }
}

#[test]
fn a_soak_of_no_seeds_is_a_mistake() {
    for range in ["5..3", "5..5", "5"] {
        let mut soak = Command::new(env!("CARGO_BIN_EXE_lcast-sim"));
        let output = soak.args(["soak", "--seeds", range]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{range}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(&format!("'{range}'")), "{said}");
    }
}

macro_rules! scenarios {
    ($($test:ident: $name:literal, $seeds:expr;)*) => {
        $(#[test]
        fn $test() {
            check($name, $seeds);
        })*

        #[test]
        fn every_scenario_is_a_test() {
            let tested = [$($name),*];
            let untested: Vec<&str> = scenario::ALL
                .iter()
                .map(|it| it.name)
                .filter(|name| !tested.contains(name) && *name != "soak")
                .collect();
            assert!(untested.is_empty(), "{untested:?}");
        }
    };
}

scenarios! {
    first_light: "first-light", 1..6;
    targets: "targets", 1..3;
    newcomer: "newcomer", 1..4;
    links: "links", 1..3;
    loss_1: "loss-1", 1..6;
    loss_5: "loss-5", 1..6;
    loss_20: "loss-20", 1..11;
    bursts: "bursts", 1..6;
    duplication: "duplication", 1..4;
    reordering: "reordering", 1..4;
    damage: "damage", 1..4;
    one_way: "one-way", 1..3;
    partition: "partition", 1..4;
    crash: "crash", 1..4;
    pause: "pause", 1..3;
    slow: "slow", 1..3;
    overrun: "overrun", 1..4;
    skew: "skew", 1..3;
    firewall: "firewall", 1..3;
    leave: "leave", 1..3;
    liar: "liar", 1..11;
    outsider: "outsider", 1..6;
    large: "large", 1..3;
    set: "set", 1..6;
    race: "race", 1..5;
    listed: "listed", 1..3;
    watch: "watch", 1..4;
    watch_20: "watch-20", 1..3;
    watch_several: "watch-several", 1..4;
    watch_flapping: "watch-flapping", 1..6;
    watch_large: "watch-large", 1..6;
    watch_silent: "watch-silent", 1..3;
    watch_restarts: "watch-restarts", 1..4;
    watch_rough: "watch-rough", 1..6;
    watch_liar: "watch-liar", 1..6;
    spread: "spread", 1..4;
    forget: "forget", 1..3;
    deaths_10: "deaths-10", 1..4;
    deaths_100: "deaths-100", 1..3;
    deaths_young: "deaths-young", 1..61;
    deaths_300: "deaths-300", 1..4;
    deaths_many: "deaths-many", 1..41;
    deaths_healed: "deaths-healed", 1..3;
    deaf: "deaf", 1..3;
    unheard: "unheard", 1..4;
    calm_20: "calm-20", 1..2;
    parted: "parted", 1..4;
    stopped: "stopped", 1..4;
    slander: "slander", 1..4;
    thousand: "thousand", 1..2;
    thousand_lossy: "thousand-5", 1..2;
    whole_300: "whole-300", 1..3;
}

/// `LCAST_SIM_SEEDS` sets how many seeds are soaked: each is ten minutes of sixteen nodes.
#[test]
fn soak() {
    let count = std::env::var("LCAST_SIM_SEEDS").ok().and_then(|it| it.parse().ok()).unwrap_or(20);
    check("soak", 1..count + 1);
}

/// What is found out once for all, each node would have found out by itself: not even a realm with
/// a liar in it, on a bad network, does anything else.
#[test]
fn no_node_can_tell_whether_packets_are_opened_once() {
    let conditions = Conditions { corrupt: 0.02, duplicate: 0.02, ..Conditions::lan() };
    let run = |seed, opens_once| {
        let (tick, conditions) = (Some(Duration::from_millis(200)), conditions.with_loss(0.02));
        let setup =
            Setup { liars: 1, outsiders: 1, tick, conditions, opens_once, ..Setup::default() };
        let mut world = World::new(seed, &setup);
        world.run(Duration::from_secs(3));
        let asker = world.client();
        for pattern in ["app", "app.load"] {
            world.ask(asker, Question::get(pattern));
        }
        world.ask(asker, Question::set("app.greeting", "hello"));
        world.ask(asker, Question::watch("app.ticks"));
        world.run(Duration::from_secs(5));
        (world.trace().hash(), world.trace().entries(), world.violations().len())
    };
    for seed in 1..6 {
        let (once, each) = (run(seed, true), run(seed, false));
        assert_eq!(once, each, "{seed}");
        assert_eq!(once.2, 0, "{seed}");
    }
}

/// A packet to everybody is handled by many at once where there are threads for it; nothing else
/// happens than one by one, whatever goes wrong meanwhile.
#[test]
fn the_same_happens_on_any_number_of_threads() {
    let conditions = Conditions { corrupt: 0.01, duplicate: 0.01, ..Conditions::lan() };
    let run = |threads| {
        let conditions = conditions.with_loss(0.02);
        let setup = Setup { agents: 200, liars: 1, conditions, threads, ..Setup::default() };
        let mut world = World::new(5, &setup);
        world.run(Duration::from_secs(3));
        let asker = world.client();
        world.put(asker, Question::get("app.load"));
        for number in (1..200).step_by(20) {
            let victim = world.node_named(&format!("a{number:04}"));
            world.after(Duration::from_millis(10 * number), Change::Crash(victim));
            world.after(Duration::from_millis(10 * number + 2_000), Change::Start(victim));
        }
        world.run(Duration::from_secs(5));
        assert_eq!(world.violations(), [""; 0]);
        let together = world.handled_together();
        assert_eq!(together > 0, threads > 1, "{together} packets on {threads} threads");
        (world.trace().hash(), world.trace().entries())
    };
    assert_eq!(run(3), run(1));
}

/// Seed 656 of the soak: an oracle took a damaged answer for one.
#[test]
fn an_answer_that_comes_damaged_is_none() {
    let mut world = World::new(1, &Setup::default());
    world.run(Duration::from_secs(3));
    let mute = world.node_named("a0004");
    let damaging = Conditions { corrupt: 1.0, ..Conditions::default() };
    world.change(Change::From(mute, damaging));
    let asker = world.client();
    let number = world.ask(asker, Question::get("app.number"));
    assert_eq!(world.asked(number).report().missing.len(), 1);
    assert_eq!(world.violations(), [""; 0]);
}

#[test]
fn the_same_seed_does_the_same_and_another_does_not() {
    for name in ["loss-20", "crash", "liar", "soak"] {
        let scenario = scenario::named(name).expect("a scenario of this name");
        let trace = |seed| scenario::run(scenario, seed).unwrap_or_else(|it| panic!("{it}"));
        let (first, again, other) = (trace(3), trace(3), trace(4));
        assert_eq!(first, again, "{name}");
        assert_ne!(first.trace, other.trace, "{name}");
    }
}

/// An input of the fuzzer: the oracle missed an agent in a watch that the watcher knew to be
/// forgotten.
#[test]
fn a_watch_need_not_tell_of_the_forgotten() {
    let mut world = World::new(5, &Setup { agents: 3, ..Setup::default() });
    world.run(Duration::from_secs(3));
    let asker = world.client();
    let version = world.realm.forget("a0003");
    world.change(Change::Members(asker, version));
    let number = world.ask(asker, Question::watch("app.number"));
    world.run(Duration::from_secs(30));
    world.insist_settled(number);
    assert_eq!(world.violations(), [""; 0]);
}

/// An input of the fuzzer: the oracle took the answers to other questions of an asker for answers
/// to one.
#[test]
fn an_asker_may_ask_much_at_once() {
    let mut world = World::new(7, &Setup { agents: 3, ..Setup::default() });
    world.run(Duration::from_secs(3));
    let asker = world.node_named("a0001");
    for _ in 0..13 {
        world.put(asker, Question::ping());
    }
    world.run(Duration::from_secs(5));
    world.conclude();
    assert_eq!(world.violations(), [""; 0]);
}

/// An input of the fuzzer: the oracle took the kept member list of a process that starts again for
/// one that it came by twice.
#[test]
fn a_process_that_starts_again_is_given_the_list_that_was_kept() {
    let mut world = World::new(6, &Setup { agents: 3, ..Setup::default() });
    world.run(Duration::from_secs(3));
    let client = world.client();
    let version = world.realm.forget("a0003");
    world.change(Change::Members(client, version));
    world.change(Change::Crash(client));
    world.change(Change::Start(client));
    world.run(Duration::from_secs(3));
    assert_eq!(world.node(client).members_version, version);
    assert_eq!(world.violations(), [""; 0]);
}

/// An input of the fuzzer: the oracle wanted to hear of one who was forgotten while he was asked.
#[test]
fn who_is_forgotten_while_he_is_asked_may_be_missing() {
    let mut world = World::new(5, &Setup { agents: 5, ..Setup::default() });
    world.run(Duration::from_secs(3));
    let (asker, lost) = (world.client(), world.node_named("a0003"));
    let number = world.put(asker, Question::ping());
    let version = world.realm.forget("a0003");
    for node in [asker, lost] {
        world.change(Change::Members(node, version));
    }
    world.finish(number);
    assert_eq!(world.asked(number).report().missing.len(), 1);
    assert_eq!(world.violations(), [""; 0]);
}
