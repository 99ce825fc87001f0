//! A whole realm at work for minutes: questions, a watch, presence, restarts, deaths, a partition
//! that heals, a lying member; and what it cost.
//!
//! The same plan runs with three hundred nodes in every test run and with ten thousand by hand
//! (`lcast-sim realm`). Everybody has heard everybody when it begins, as in a realm that has run
//! for a while: that is when presence costs most.

use std::time::Duration;

use lcast_proto::keys::NodeId;
use lcast_proto::presence::State;
use lcast_proto::value::Value;

use super::presence::KNOWN;
use crate::fault::Conditions;
use crate::net::NodeIndex;
use crate::question::{Question, QuestionNumber};
use crate::queue::Time;
use crate::random::Random;
use crate::world::script::Change;
use crate::world::{Gone, MAIN, Setup, World};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// How many agents there are.
    pub nodes: u32,
    /// How long they are at work, once all have heard each other.
    pub time: Duration,
    /// The share of packets lost, to each receiver.
    pub loss: f64,
    /// How many threads handle packets to everybody.
    pub threads: usize,
}

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Packets that presence cost each node in a second.
    pub packets_per_second: f64,
    /// Questions while nobody was down.
    pub calm: Questions,
    /// Questions among restarts.
    pub churn: Questions,
    /// The question while the realm was parted.
    pub parted: Questions,
    /// Agents that were started again.
    pub restarts: u32,
    /// Agents that were killed and stayed dead until all knew.
    pub kills: u32,
    /// How long it took until the last node knew of a death.
    pub known_after: Duration,
    /// Nodes that did not know of a death in time, of so many that should have.
    pub unknowing: (usize, usize),
    /// Pairs of one node on the small island and one beside it, and how many of those beside it did
    /// not hold the other alive when it ended.
    pub parted_pairs: (usize, usize),
    /// Nodes held gone that were not.
    pub false_gone: usize,
    /// Nodes held gone on the word of the lying member, where packets are lost.
    pub slandered: usize,
    /// Changes that the watch told.
    pub changes: u64,
}

/// What questions took, at most.
#[derive(Clone, Copy, Debug, Default)]
pub struct Questions {
    /// How many were asked.
    pub count: u32,
    /// How long the slowest took.
    pub slowest: Duration,
    /// How many packets the asker received while one was open.
    pub packets: u64,
    /// How many rounds one took.
    pub rounds: u32,
    /// Nodes missing or late, over all of them.
    pub unheard: usize,
}

/// Up to this loss, really everybody knows of a death: heavier loss takes all five words of an
/// agent that alone suspects another, on their way to one agent in some thousand.
const KNOWN_LOSS_MAX: f64 = 0.1;
/// With heavier loss one of so many may not know.
const UNKNOWING_OF: usize = 1_000;
/// Packets that presence costs a node in a second, without loss. [PRE-30]
const PACKETS_PER_SECOND_MAX: f64 = 5.0;
/// How long a question to a realm without dead nodes takes at most, at 1 % loss, and how many
/// packets its asker receives for each node.
const QUESTION_MAX: (Duration, f64) = (Duration::from_millis(1_500), 1.25);
/// The loss up to which that holds.
const QUESTION_LOSS_MAX: f64 = 0.01;
/// How many nodes first speak in a second of the beginning.
const LINKED_PER_SECOND: u32 = 200;
/// How many of them until that is told.
const TOLD_EVERY: usize = 1_000;
/// Agents started again in a minute: one of so many.
const RESTARTED_PER_MINUTE: u32 = 100;
/// How long one is down at most.
const DOWN_MAX: Duration = Duration::from_secs(10);
/// How long it is from one question to the next.
const ASK_EVERY: Duration = Duration::from_secs(30);
/// How long it is from one change of a watched value to the next.
const CHANGE_EVERY: Duration = Duration::from_secs(1);
/// The value that is watched.
const WATCHED: &str = "app.text[\"whole\"]";
/// How long the lying member speaks.
const LIES: Duration = Duration::from_secs(3);
/// How long a suspicion from before a partition healed may still count.
pub(super) const HEALING: Duration = Duration::from_secs(3);
/// How long a suspicion that the lying member spread may count where packets are lost: who does not
/// hear that it is suspected does not refute it, and a refutation, at most four packets, does not
/// reach everybody. At 20 % loss one in a hundred held gone for a moment who was slandered.
const SLANDERED: Duration = LIES.saturating_add(Duration::from_secs(2));
/// How long the realm has to settle at the end, and its watch to repair what it missed. [WAT-6]
const CALM: Duration = Duration::from_secs(8);
const REPAIRED: Duration = Duration::from_secs(35);

struct Run {
    world: World,
    plan: Plan,
    random: Random,
    begin: Time,
    healed: Option<Time>,
    lied: Option<Time>,
    asker: NodeIndex,
    account: Account,
}

/// Three hundred nodes for a minute.
pub(super) fn whole_300(seed: u64) -> World {
    let losses = [0.0, 0.01, 0.05, 0.2];
    let loss = losses[Random::new(seed, "loss").index(losses.len())];
    let plan = Plan { nodes: 300, time: Duration::from_secs(60), loss, threads: 1 };
    run(seed, plan, &|_, _| {}).0
}

/// Carries a plan out, and tells what comes next; the world at its end, and what was measured.
pub fn run(seed: u64, plan: Plan, tell: &dyn Fn(&World, &str)) -> (World, Account) {
    let mut run = Run::begin(seed, plan, tell);
    let part = |percent: u32| plan.time * percent / 100;
    tell(&run.world, "all have heard each other and rest");
    run.rest(part(5).max(Duration::from_secs(5)));
    tell(&run.world, "somebody begins to watch, agents are started again");
    let watch = run.watch();
    run.work(part(35));
    tell(&run.world, "two agents die");
    run.kill();
    run.kill();
    tell(&run.world, "the realm is parted");
    run.part(part(5).max(Duration::from_secs(8)));
    tell(&run.world, "it is whole, agents are started again");
    run.work(part(20));
    tell(&run.world, "a member lies");
    run.lie();
    tell(&run.world, "an agent dies");
    run.kill();
    let left = (run.begin + plan.time).saturating_sub(run.world.now() + CALM + REPAIRED);
    tell(&run.world, "agents are started again");
    run.work(left);
    tell(&run.world, "all is made well");
    run.end(watch);
    (run.world, run.account)
}

impl Run {
    /// A realm in which everybody has heard everybody once, before anything is lost.
    fn begin(seed: u64, plan: Plan, tell: &dyn Fn(&World, &str)) -> Self {
        let setup = Setup {
            agents: plan.nodes,
            clients: 2,
            liars: 1,
            spread: Duration::ZERO,
            linked: false,
            threads: plan.threads,
            ..Setup::default()
        };
        let mut world = World::new(seed, &setup);
        let liar = world.node_named("x0001");
        world.change(Change::Detach(liar, MAIN));
        world.run(Duration::from_millis(1));
        let gap = Duration::from_secs(1) / LINKED_PER_SECOND;
        let agents: Vec<NodeIndex> =
            world.agents().into_iter().filter(|it| !world.node(*it).hostile).collect();
        // The first of the three beacons of a start is enough where nothing is lost.
        for (number, agent) in (1..).zip(agents) {
            let at = gap * number;
            world.after(at, Change::Link(agent));
            let muted = Change::From(agent, Conditions::loss(1.0));
            world.after(at + Duration::from_millis(100), muted);
            let heard = Change::From(agent, Conditions::default());
            world.after(at + Duration::from_millis(900), heard);
        }
        for linked in (0..plan.nodes).step_by(TOLD_EVERY) {
            tell(&world, &format!("{linked} of {} have spoken", plan.nodes));
            let next = (plan.nodes - linked).min(TOLD_EVERY as u32);
            world.run(gap * next);
        }
        world.run(Duration::from_secs(5));
        world.link_at_start();
        world.change(Change::Heal);
        world.change(Change::Everywhere(Conditions::lan().with_loss(plan.loss)));
        let (begin, asker) = (world.now(), world.client());
        let (random, account) = (Random::new(seed, "whole"), Account::default());
        let mut run = Self { world, plan, random, begin, healed: None, lied: None, asker, account };
        run.insist_all_heard();
        run
    }

    fn insist_all_heard(&mut self) {
        let honest = self.honest();
        let id = |index: &NodeIndex| self.world.node(*index).credential.certificate().id();
        let ids: Vec<NodeId> = honest.iter().map(id).collect();
        let unheard: usize = honest
            .into_iter()
            .filter_map(|index| {
                let node = self.world.node(index);
                let (endpoint, now) = (node.endpoint()?, node.now(self.world.now()));
                let others = ids.iter().filter(|id| **id != endpoint.certificate().id());
                Some(others.filter(|id| endpoint.state(now, id) != State::Alive).count())
            })
            .sum();
        self.world.insist(unheard == 0, || format!("{unheard} pairs have not heard each other"));
    }

    /// The agents that run and do not lie.
    fn honest(&self) -> Vec<NodeIndex> {
        let nodes = self.world.nodes().filter(|(_, node)| node.agent && node.is_up());
        nodes.filter(|(_, node)| !node.hostile).map(|(index, _)| index).collect()
    }

    fn some_agent(&mut self) -> NodeIndex {
        let honest = self.honest();
        honest[self.random.index(honest.len())]
    }

    /// Nothing happens but presence, and a question.
    fn rest(&mut self, time: Duration) {
        let sent = |world: &World| world.network.traffic.unicast + world.network.traffic.multicast;
        let before = sent(&self.world);
        self.world.run(time);
        let packets = sent(&self.world) - before;
        let rate = packets as f64 / f64::from(self.plan.nodes) / time.as_secs_f64();
        self.account.packets_per_second = rate;
        let cheap = rate < PACKETS_PER_SECOND_MAX || self.plan.loss > 0.0;
        self.world.insist(cheap, || format!("presence costs {rate:.2} packets a second and node"));
        self.ask_calmly();
    }

    /// Asks everybody, nobody being down.
    fn ask_calmly(&mut self) {
        let asked = self.ask();
        add(&mut self.account.calm, asked);
        let (time, packets) = QUESTION_MAX;
        let most = packets * f64::from(self.plan.nodes);
        let good = asked.slowest < time && (asked.packets as f64) <= most && asked.unheard == 0;
        self.world.insist(good || self.plan.loss > QUESTION_LOSS_MAX, || format!("{asked:?}"));
        self.world.insist(asked.unheard == 0, || format!("{} of all unheard", asked.unheard));
    }

    fn ask(&mut self) -> Questions {
        let before = self.world.received(self.asker);
        let number = self.world.ask(self.asker, Question::get("app.load").not("x*"));
        let packets = self.world.received(self.asker) - before;
        let report = self.world.asked(number).report();
        let (slowest, rounds) = (report.elapsed, report.rounds);
        let unheard = report.missing.len() + report.late.len();
        Questions { count: 1, slowest, packets, rounds, unheard }
    }

    /// Begins to watch everybody.
    fn watch(&mut self) -> QuestionNumber {
        let watcher = self.world.node_named("c0002");
        self.world.ask(watcher, Question::watch("app.text").not("x*"))
    }

    /// Agents are started again, values change, somebody asks.
    fn work(&mut self, time: Duration) {
        let end = self.world.now() + time;
        let restarts = Duration::from_secs(60) * RESTARTED_PER_MINUTE / self.plan.nodes;
        let now = self.world.now();
        let (mut restart, mut change, mut ask) = (now, now, now + ASK_EVERY.min(time / 2));
        while self.world.now() < end {
            let next = restart.min(change).min(ask).min(end);
            self.world.run(next.saturating_sub(self.world.now()));
            if restart <= self.world.now() {
                restart += restarts;
                self.restart();
            }
            if change <= self.world.now() {
                change += CHANGE_EVERY;
                let (agent, value) = (self.some_agent(), Value::from(self.random.number() as i64));
                let value = Value::from(format!("{value:?}"));
                self.world.change(Change::Publish(agent, WATCHED.to_owned(), value));
            }
            if ask <= self.world.now() {
                ask += ASK_EVERY;
                let asked = self.ask();
                add(&mut self.account.churn, asked);
            }
        }
    }

    /// An agent dies and starts again soon.
    fn restart(&mut self) {
        let agent = self.some_agent();
        let down = self.random.duration(DOWN_MAX);
        self.world.change(Change::Crash(agent));
        self.world.after(down, Change::Start(agent));
        self.account.restarts += 1;
    }

    /// An agent is killed: everybody knows in time.
    fn kill(&mut self) {
        self.world.run(DOWN_MAX);
        let dead = self.some_agent();
        let (at, id) = (self.world.now(), self.world.node(dead).credential.certificate().id());
        self.world.change(Change::Crash(dead));
        self.world.run(KNOWN);
        let now = self.world.now();
        let others: Vec<_> = self
            .world
            .nodes()
            .filter(|(index, node)| *index != dead && node.is_up())
            .filter_map(|(_, node)| Some(node.endpoint()?.state(node.now(now), &id)))
            .collect();
        let unknowing = others.iter().filter(|state| is_alive(**state)).count();
        let told = self.world.gone().iter().filter(|it| it.node == dead && it.at >= at);
        let last = told.map(|it| it.at - at).max().unwrap_or_default();
        let account = &mut self.account;
        account.kills += 1;
        account.known_after = account.known_after.max(last);
        account.unknowing.0 += unknowing;
        account.unknowing.1 += others.len();
        let most = self.unknowing_max(others.len());
        self.world.insist(unknowing <= most, || {
            format!("{unknowing} of {} do not know of a death after {KNOWN:?}", others.len())
        });
        self.world.change(Change::Start(dead));
    }

    /// How many of so many need not know of a death.
    fn unknowing_max(&self, all: usize) -> usize {
        if self.plan.loss > KNOWN_LOSS_MAX { all / UNKNOWING_OF + 1 } else { 0 }
    }

    /// One node of a hundred is cut off from the others for so long.
    fn part(&mut self, time: Duration) {
        self.world.run(DOWN_MAX);
        let honest = self.honest();
        let count = (self.plan.nodes / 100).max(3) as usize;
        let step = honest.len() / count;
        let island: Vec<NodeIndex> = honest.iter().step_by(step).take(count).copied().collect();
        self.world.change(Change::Partition(vec![island.clone()]));
        self.world.run(time);
        let asked = self.ask();
        add(&mut self.account.parted, asked);
        self.world.insist(asked.unheard == island.len(), || {
            format!("{} unheard, {} are cut off", asked.unheard, island.len())
        });
        let now = self.world.now();
        let ids: Vec<_> =
            island.iter().map(|it| self.world.node(*it).credential.certificate().id()).collect();
        let mut gone = 0;
        let large: Vec<NodeIndex> =
            honest.into_iter().filter(|index| !island.contains(index)).collect();
        for index in &large {
            let node = self.world.node(*index);
            let Some(endpoint) = node.endpoint() else { continue };
            // Who was started again lately may never have heard of them.
            let is_alive = |id: &&_| is_alive(endpoint.state(node.now(now), id));
            gone += ids.len() - ids.iter().filter(is_alive).count();
        }
        let pairs = large.len() * ids.len();
        self.account.parted_pairs = (pairs, gone);
        let right = pairs - gone <= self.unknowing_max(pairs);
        self.world.insist(right, || format!("{gone} of {pairs} pairs know that they are parted"));
        self.world.change(Change::Heal);
        self.healed = Some(self.world.now());
        self.world.run(HEALING);
        // Suspicions and their refutations still reach the asker beside the answers.
        let asked = self.ask();
        add(&mut self.account.churn, asked);
        self.world.insist(asked.unheard == 0, || {
            format!("{} unheard although the realm is whole again", asked.unheard)
        });
    }

    /// A member lies for a while.
    fn lie(&mut self) {
        let liar = self.world.node_named("x0001");
        self.world.change(Change::Attach(liar, MAIN));
        self.lied = Some(self.world.now()).filter(|_| self.plan.loss > 0.0);
        self.world.run(LIES);
        self.world.change(Change::Hush(liar));
    }

    /// Everything is made well again: everybody answers, and the watch has told what there is.
    fn end(&mut self, watch: QuestionNumber) {
        self.world.run(DOWN_MAX);
        self.world.change(Change::Everywhere(Conditions::lan()));
        self.world.run(CALM);
        self.ask_calmly();
        self.world.run(REPAIRED);
        self.world.insist_settled(watch);
        self.account.changes = self.world.asked(watch).view.changed;
        let within = |at: Time, begin: Option<Time>, span: Duration| {
            begin.is_some_and(|begin| at >= begin && at < begin + span)
        };
        let held = self.world.gone().iter().filter(|it| it.lives && it.at >= self.begin);
        let held = held.filter(|it| !within(it.at, self.healed, HEALING));
        let slandered = |it: &&Gone| within(it.at, self.lied, SLANDERED);
        self.account.slandered = held.clone().filter(slandered).count();
        let wrong: Vec<String> = held
            .filter(|it| !slandered(it))
            .map(|it| format!("{} by {} at {:?}", it.node.0, it.observer.0, it.at))
            .collect();
        self.account.false_gone = wrong.len();
        let some = wrong.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let right = wrong.is_empty();
        self.world.insist(right, || format!("{} falsely held gone: {some}", wrong.len()));
    }
}

pub(super) fn is_alive(state: State) -> bool {
    matches!(state, State::Alive | State::Suspect)
}

fn add(all: &mut Questions, one: Questions) {
    *all = Questions {
        count: all.count + one.count,
        slowest: all.slowest.max(one.slowest),
        packets: all.packets.max(one.packets),
        rounds: all.rounds.max(one.rounds),
        unheard: all.unheard + one.unheard,
    };
}
