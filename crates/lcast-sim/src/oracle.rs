//! The oracles: what must hold in every run, whatever goes wrong in it.
//!
//! They look at the world from outside: what was asked, which packets went where, what each node
//! really held. [`at_report`] judges a question when it ends, [`at_end`] the whole run.

pub(crate) mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lcast_proto::config::Config;
use lcast_proto::endpoint::{Endpoint, Sizes};
use lcast_proto::keys::PairCache;
use lcast_proto::question::answering;
use lcast_proto::question::report::{Class, Outcome, Reply, Report, SetOutcome};
use lcast_proto::question::watched::{LEASES_MAX, TOPICS_MAX};
use lcast_proto::question::watching::{AHEAD_MAX, TRACKED_MAX};

use crate::question::{Asked, QuestionNumber, Wish};
use crate::store::Write;
use crate::world::World;

/// Most copies of a question that go to single nodes in a round.
const POKES_MAX: u32 = 64;
/// Most packets that a node sends for one pairwise packet of the asker: what it heard of 512
/// members, 11 in each packet. [PRE-7]
const PAGES_MAX: u32 = 47;
/// Packets that a process keeps for repeats. [WAT-9]
const REPEATS_MAX: usize = 1024;
/// Undisturbed nodes must be heard when a question may take at least so long.
const PATIENCE: Duration = Duration::from_millis(900);

/// What is wrong with a question that has just ended.
pub(crate) fn at_report(world: &World, number: QuestionNumber) -> Vec<String> {
    let asked = world.asked(number);
    let report = asked.report();
    let mut wrong = Vec::new();
    classes(asked, report, &mut wrong);
    presence(world, asked, &mut wrong);
    packets(world, asked, report, &mut wrong);
    for (_, reply) in &asked.replies {
        values(world, asked, reply, &mut wrong);
    }
    let limit = asked.question.deadline.extended + Duration::from_millis(50);
    if report.elapsed > limit && !asked.disturbed.contains(&asked.asker) {
        wrong.push(format!("it took {:?}", report.elapsed));
    }
    wrong
}

/// What is wrong with the world at the end of a run.
pub(crate) fn at_end(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, asked) in world.questions() {
        let asker = world.node(asked.asker);
        let gone = asker.incarnation() != asked.incarnation || !asker.is_up();
        let late = asked.at + asked.question.deadline.extended + Duration::from_millis(50);
        if !asked.is_over() && !gone && world.now() > late {
            wrong.push(format!("question {number} never ended"));
        }
    }
    writes(world, &mut wrong);
    let traffic = &world.network.traffic;
    if traffic.unsendable > 0 {
        wrong.push(format!("{} packets could not be sent by any kernel", traffic.unsendable));
    }
    wrong
}

/// What an endpoint keeps more of than it may, after its outputs were drained.
pub fn grown(endpoint: &Endpoint) -> Option<String> {
    let sizes = endpoint.sizes();
    let Sizes { questions, heard_questions, peers, pairs, kept_bytes, outputs, .. } = sizes;
    let Sizes { leases, topics, repeats, tracked, ahead, .. } = sizes;
    let limits = [
        ("open questions", questions, Config::QUESTIONS_MAX),
        ("heard questions", heard_questions, answering::REMEMBERED_MAX),
        ("peers", peers, PairCache::CAPACITY_MAX),
        ("pairs", pairs, PairCache::CAPACITY_MAX),
        ("bytes to be pulled", kept_bytes, answering::KEPT_BYTES_MAX),
        ("outputs", outputs, 0),
        ("leases", leases, LEASES_MAX),
        ("watched topics", topics, TOPICS_MAX),
        ("packets to be sent again", repeats, REPEATS_MAX),
        ("watched values", tracked, TRACKED_MAX),
        ("messages before a missing one", ahead, AHEAD_MAX),
    ];
    let too_many = limits.iter().find(|(_, size, max)| size > max);
    too_many.map(|(what, size, max)| format!("{size} {what}, at most {max}"))
}

/// Every expected node is in exactly one class, nobody else in any, and the counts add up.
fn classes(asked: &Asked, report: &Report, wrong: &mut Vec<String>) {
    let mut places: BTreeMap<&str, Vec<Class>> = BTreeMap::new();
    let mut place = |name, class| places.entry(name).or_default().push(class);
    report.empty.iter().for_each(|it| place(it.node.as_str(), Class::Empty));
    report.error.iter().for_each(|it| place(it.node.as_str(), Class::Error));
    report.refused.iter().for_each(|it| place(it.node.as_str(), Class::Refused));
    report.late.iter().for_each(|it| place(it.node.as_str(), Class::Late));
    report.missing.iter().for_each(|it| place(it.node.as_str(), Class::Missing));
    let mut answered = 0;
    for (_, reply) in &asked.replies {
        let class = reply.outcome.class();
        let listed = places.get(reply.node.as_str()).is_some_and(|it| it.contains(&class));
        if class == Class::Answered && asked.expected.contains(&reply.node) {
            answered += 1;
            places.entry(&reply.node).or_default().push(class);
        } else if asked.expected.contains(&reply.node) && !listed {
            wrong.push(format!("{} replied {class:?} but is not reported so", reply.node));
        }
    }
    for (name, classes) in &places {
        if classes.len() != 1 {
            wrong.push(format!("{name} is in classes {classes:?}"));
        }
        if !asked.expected.contains(*name) {
            wrong.push(format!("{name} is reported {classes:?} but was not expected"));
        }
    }
    for name in asked.expected.iter().filter(|name| !places.contains_key(name.as_str())) {
        wrong.push(format!("{name} is in no class"));
    }
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let sum = report.answered
        + count(report.empty.len() + report.error.len() + report.refused.len())
        + count(report.late.len() + report.missing.len());
    if report.answered != answered || sum != report.expected {
        wrong.push(format!(
            "{answered} answered and {} are expected, but the report counts {} and {sum} of {}",
            asked.expected.len(),
            report.answered,
            report.expected
        ));
    }
}

/// Nobody whose answer arrived in time is missing, and nobody to whom nothing happened is.
fn presence(world: &World, asked: &Asked, wrong: &mut Vec<String>) {
    let report = asked.report();
    let set = matches!(asked.question.wish, Wish::Set { .. });
    for unheard in report.missing.iter().chain(&report.late) {
        if unheard.outcome_unknown != set {
            wrong.push(format!("{}: outcome_unknown is {}", unheard.node, !set));
        }
    }
    let asker = world.node(asked.asker);
    for (index, node) in world.nodes().filter(|(_, node)| node.agent && !node.hostile) {
        let missing = report.missing.iter().any(|it| it.node == node.name);
        let late = report.late.iter().any(|it| it.node == node.name);
        // Who is forgotten while he is asked is heard no more.
        let known = world.realm.agents(asker.members_version).any(|it| it.name == node.name);
        let same_list = known && node.members_version == asker.members_version;
        if missing && asked.spoke.contains(&index) && same_list {
            wrong.push(format!("{} is missing although its answer arrived in time", node.name));
        }
        let calm = !asked.disturbed.contains(&index) && !asked.disturbed.contains(&asked.asker);
        let patient = asked.question.deadline.base >= PATIENCE;
        if calm && patient && (missing || late) && same_list {
            wrong.push(format!("{} is unheard although nothing happened to it", node.name));
        }
    }
}

/// Rounds and packets are as the protocol promises.
fn packets(world: &World, asked: &Asked, report: &Report, wrong: &mut Vec<String>) {
    for (round, count) in &asked.to_all {
        if *count != 1 {
            wrong.push(format!("round {round} took {count} packets to all"));
        }
    }
    let rounds = u32::try_from(asked.to_all.len()).unwrap_or(u32::MAX);
    if report.rounds != rounds {
        wrong.push(format!("{} rounds are reported, {rounds} were sent", report.rounds));
    }
    for (round, count) in &asked.to_one {
        // Neighbours are one packet here. [QST-14]
        if *count > POKES_MAX + 1 {
            wrong.push(format!("round {round} poked {count} nodes"));
        }
    }
    if asked.to_one.contains_key(&1) {
        wrong.push("round 1 poked nodes".to_owned());
    }
    // Who says goodbye ends its watches, also those whose question is still open. [WAT-7]
    let ends = asked.lease_ends;
    if ends > u32::from(world.node(asked.asker).leaving) {
        wrong.push(format!("its leases were ended by {ends} packets while it was open"));
    }
    let sent: u32 = asked.to_all.values().chain(asked.to_one.values()).sum();
    if report.questions_sent != sent {
        wrong.push(format!("{} questions are reported, {sent} were sent", report.questions_sent));
    }
    // What a node sends to the asker may be for any question of his that is open meanwhile.
    let open =
        |it: &&Asked| it.asker == asked.asker && it.at + it.question.deadline.extended >= asked.at;
    let beside: Vec<&Asked> = world.questions().values().filter(open).collect();
    for (index, count) in &asked.answers {
        let rounds = beside.iter().map(|it| it.heard.get(index).map_or(0, BTreeSet::len));
        let heard: usize = rounds.sum();
        let pulls = asked.pulls.get(index).copied().unwrap_or(0);
        // One reply a round, with the certificate in a packet of its own where it finds no room;
        // a notice that the answer takes longer, a wish for a newer list, and pages for pulls.
        let most = u32::try_from(2 * (heard + beside.len())).unwrap_or(0) + pulls * PAGES_MAX;
        let node = world.node(*index);
        // Who asks at the same time also sends what askers send.
        // So does whoever tells it of changes.
        let asks = world.questions().values().any(|other| {
            (other.asker == *index && other.at + asked.question.deadline.extended >= asked.at)
                || other.question.is_watch()
        });
        if *count > most && !node.hostile && node.agent && !asks {
            wrong.push(format!("{} sent {count} packets for {heard} rounds", node.name));
        }
    }
}

/// Every value that was answered is one that the node held between asking and reporting.
fn values(world: &World, asked: &Asked, reply: &Reply, wrong: &mut Vec<String>) {
    let Some(node) = world.find(&reply.node).map(|it| world.node(it)) else {
        wrong.push(format!("{} replied but does not exist", reply.node));
        return;
    };
    if node.hostile {
        return;
    }
    let until = world.now();
    let model = &node.model;
    match &reply.outcome {
        Outcome::Values(values) => {
            for value in values.iter().filter(|value| value.name.starts_with("app.")) {
                if !model.held_between(&value.name, &value.value, asked.at, until) {
                    wrong.push(format!(
                        "{} never held {} = {:?} meanwhile",
                        node.name, value.name, value.value
                    ));
                }
                let read = model.history(&value.name).iter().any(|held| {
                    held.wall == value.time
                        && held.value == value.value
                        && held.version.is_none_or(|version| version == value.version)
                });
                if !read {
                    wrong.push(format!(
                        "{}: {} has time {} and version {} of no reading",
                        node.name, value.name, value.time, value.version
                    ));
                }
            }
        }
        Outcome::Set(results) => {
            for result in results {
                let Some(version) = result.version else { continue };
                let mut kept = model.history(&result.name).iter().filter_map(|it| it.version);
                // Versions of what is no setting are the core's to count.
                let counted = model.history(&result.name).iter().any(|it| it.version.is_none());
                let held = counted || kept.any(|it| it == version);
                if !held {
                    wrong.push(format!(
                        "{} says that {} has version {version}, which it never had",
                        node.name, result.name
                    ));
                }
            }
        }
        Outcome::Empty(_) | Outcome::Error(_) | Outcome::Refused(_) => {}
    }
}

/// Every write was asked for there, made once, and answered as what it was.
fn writes(world: &World, wrong: &mut Vec<String>) {
    for (_, node) in world.nodes() {
        let mut seen = BTreeSet::new();
        for write in node.store.writes() {
            if !seen.insert((write.request, write.name.clone())) {
                wrong.push(format!("{} applied request {} twice", node.name, write.request.1));
            }
        }
    }
    for (number, asked) in world.questions() {
        let Wish::Set { name, .. } = &asked.question.wish else { continue };
        for (_, node) in world.nodes() {
            let of_this = |write: &Write| {
                Some(write.request.1) == asked.request
                    && write.asker == world.node(asked.asker).name
            };
            let picked = world.realm.person(&node.name).is_some_and(|it| asked.question.picks(it));
            if !picked && node.store.writes().iter().any(of_this) {
                wrong.push(format!("question {number} wrote at {}, which it left out", node.name));
            }
        }
        for (_, reply) in &asked.replies {
            let Outcome::Set(results) = &reply.outcome else { continue };
            let Some(node) = world.find(&reply.node).map(|it| world.node(it)) else { continue };
            if node.hostile {
                continue;
            }
            let written = node.store.writes().iter().any(|write| {
                write.request.1 == asked.request.unwrap_or(0)
                    && write.asker == world.node(asked.asker).name
                    && write.name.to_string() == *name
                    && results.iter().any(|result| result.version == Some(write.kept.version))
            });
            let applied = results.iter().any(|it| it.outcome == SetOutcome::Applied);
            if applied != written {
                wrong.push(format!(
                    "question {number}: {} says applied = {applied}, its store {written}",
                    node.name
                ));
            }
        }
    }
}
