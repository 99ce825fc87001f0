//! What is wrong between this host and the agents of the realm.
//!
//! What an agent answers tells where the fault is. To a question by multicast alone it answers by
//! unicast, so an answer means that both work. One that answers only when it was asked by unicast
//! did not get the question, or its answer was thrown away here: then this host has a firewall that
//! tracks connections, received more packets than it gave to anybody, and throws away what others
//! send unasked as well. Where nobody answers at all, what it received and gave to nobody tells a
//! firewall of this host from agents that do not run. One that is heard and never answers while
//! that does not show lets no questions in.

use std::collections::BTreeMap;

use lcast_proto::keys::{NodeName, Scope};

use super::credential::certified;
use crate::doctor::cause::Cause;
use crate::doctor::facts::{AgentFacts, AskedFacts, Facts, InterfaceFacts};
use crate::doctor::mend::{
    Ports, as_root, open_forward, open_input, open_loopback, open_output, quoted,
};
use crate::doctor::{Finding, Place, Severity};

/// Packets that must be missing for each silent agent before this host is blamed: it is asked
/// seven times, and other packets get lost on busy hosts too.
const LOST_PER_AGENT_MIN: u64 = 3;
/// Of so many agents that announce themselves once, one is heard even where much is lost: of a
/// fifth, all of these get lost once in 400,000 times.
const UNHEARD_TOGETHER_MIN: usize = 8;
/// How far clocks may differ before it is worth a word.
const SKEW_MS_MAX: u64 = 30_000;

pub(super) fn diagnose(facts: &Facts) -> Vec<Finding> {
    let Some(asked) = &facts.asked else { return Vec::new() };
    if facts.realm.scope == Scope::Host {
        return shut_in(facts, asked).into_iter().collect();
    }
    let mut findings = Vec::new();
    findings.extend(blocked(facts, asked));
    findings.extend(found_there(asked));
    let mut deaf = Deaf::of(asked);
    if let Some(finding) = caught_up_soon(asked, deaf.here.iter().chain(&deaf.there).copied()) {
        findings.push(finding);
        deaf = Deaf { here: Vec::new(), there: Vec::new() };
    }
    let nothing_comes_in = nothing_comes_in(facts, asked);
    let nothing_comes_in = nothing_comes_in.or_else(|| nothing_within(facts, asked));
    findings.extend(nothing_comes_in.or_else(|| kept_out(facts, &deaf)));
    let shut_out = shut_out(asked);
    if shut_out.is_empty() {
        findings.extend(unanswered(facts, asked));
    } else {
        findings.push(replies_filtered(facts, &shut_out));
    }
    findings.extend(deaf_agents(facts, &deaf));
    findings.extend(unheard(facts, asked, &shut_out));
    findings.extend(clocks(facts, asked));
    findings.extend(duplicates(facts, asked));
    findings
}

/// In a realm of one host: agents that are silent because a firewall of this host drops what goes
/// from one of its programs to another. Where nothing shows that, they do not run.
fn shut_in(facts: &Facts, asked: &AskedFacts) -> Option<Finding> {
    let silent = names(asked.agents.iter().filter(|it| !it.answered())).join(", ");
    if silent.is_empty() {
        return None;
    }
    let (cause, what) = if asked.forbidden_multicast + asked.forbidden_unicast > 0 {
        let what = format!("a firewall of this host forbids questions to its own agents: {silent}");
        (Cause::QuestionsBlocked, what)
    } else if asked.deaf_to_itself {
        let what = format!(
            "a firewall of this host drops what its programs send to each other: nothing comes of \
             {silent}"
        );
        (Cause::RepliesFiltered, what)
    } else {
        return caught_up_soon(asked, asked.agents.iter().filter(|it| !it.answered()));
    };
    let command = open_loopback(facts.host.root);
    Some(Finding::here(cause, Severity::Error, what, command))
}

fn names<'a>(agents: impl IntoIterator<Item = &'a AgentFacts>) -> Vec<String> {
    agents.into_iter().map(|it| it.name.clone()).collect()
}

/// What keeps multicast from agents that find the reason on their own hosts: nothing on the way is
/// to blame before that is mended.
fn found_there(asked: &AskedFacts) -> Vec<Finding> {
    let mut by_cause: BTreeMap<(Cause, &str), Vec<String>> = BTreeMap::new();
    for agent in &asked.agents {
        for (cause, command) in &agent.finds {
            by_cause.entry((*cause, command)).or_default().push(agent.name.clone());
        }
    }
    let finding = |((cause, command), nodes): ((Cause, &str), Vec<String>)| {
        let what = format!(
            "multicast does not pass between this host and {}, and the doctor there finds why",
            nodes.join(", ")
        );
        let (severity, command) = (Severity::Error, command.to_owned());
        Finding { cause, severity, what, place: Place::Nodes(nodes), command }
    };
    by_cause.into_iter().map(finding).collect()
}

/// Packets that this host's own firewall forbids: the kernel says so to who sends them. That is a
/// warning where others get through all the same, by another card or to another agent.
fn blocked(facts: &Facts, asked: &AskedFacts) -> Option<Finding> {
    let (multicast, unicast) = (asked.forbidden_multicast > 0, asked.forbidden_unicast > 0);
    let ways = match (multicast, unicast) {
        (false, false) => return None,
        (true, true) => "by multicast and by unicast",
        (true, false) => "by multicast",
        (false, true) => "by unicast",
    };
    let mut others = asked.agents.iter().filter(|it| !it.here);
    let some_pass = others.any(|it| (multicast && it.by_multicast) || (unicast && it.by_unicast));
    let (severity, what) = if some_pass {
        (Severity::Warning, format!("a firewall of this host forbids some questions {ways}"))
    } else {
        (Severity::Error, format!("a firewall of this host forbids all questions {ways}"))
    };
    let kept_off = asked.agents.iter().filter(|it| !it.by_unicast);
    let ports = ports(facts, kept_off.filter(|_| unicast));
    let command = open_output(facts.host.root, facts.host.firewall, &ports);
    Some(Finding::here(Cause::QuestionsBlocked, severity, what, command))
}

/// No answer at all of other hosts comes in, and this host gave to nobody as many packets as their
/// answers are: its firewall drops all, for which it need not track connections.
fn nothing_comes_in(facts: &Facts, asked: &AskedFacts) -> Option<Finding> {
    let others: Vec<&AgentFacts> = asked.agents.iter().filter(|it| !it.here).collect();
    if others.is_empty() || others.iter().any(|it| it.answered()) || !are_lost(asked, &others) {
        return None;
    }
    let what = format!(
        "a firewall of this host lets no answer in: nothing comes of {}, and packets came in that \
         it gave to nobody",
        names(others.iter().copied()).join(", ")
    );
    let ports = ports(facts, others);
    let command = open_input(facts.host.root, facts.host.firewall, &ports);
    Some(Finding::here(Cause::RepliesFiltered, Severity::Error, what, command))
}

/// Nobody answers, a node of the realm runs on this host, and what this host says to itself is
/// dropped.
fn nothing_within(facts: &Facts, asked: &AskedFacts) -> Option<Finding> {
    let is_here = facts.host.holders.iter().any(|it| Some(it.address) == facts.realm.group);
    let some_answer = asked.agents.iter().any(AgentFacts::answered);
    if asked.agents.is_empty() || !is_here || !asked.deaf_to_itself || some_answer {
        return None;
    }
    let what = format!(
        "a firewall of this host drops what its programs send to each other: nothing comes of {}",
        names(&asked.agents).join(", ")
    );
    let ports = ports(facts, &asked.agents);
    let command = open_input(facts.host.root, facts.host.firewall, &ports);
    Some(Finding::here(Cause::RepliesFiltered, Severity::Error, what, command))
}

/// Agents of which nothing comes in that this host did not call for, where its firewall drops that:
/// the kernel tracks connections and dropped as many packets as their answers are, and nobody's
/// come in. What a firewall remembers of an earlier question lets answers to the realm's port in,
/// and no announcement.
fn shut_out(asked: &AskedFacts) -> Vec<&AgentFacts> {
    let is_such = |it: &&AgentFacts| it.by_unicast && !it.here && !it.came_unasked();
    let such: Vec<&AgentFacts> = asked.agents.iter().filter(is_such).collect();
    let is_open = asked.agents.iter().any(AgentFacts::came_unasked);
    if is_open || !answers_are_lost(asked, &such) { Vec::new() } else { such }
}

/// Whether the kernel tracks connections and dropped as many packets as the answers of these are.
fn answers_are_lost(asked: &AskedFacts, agents: &[&AgentFacts]) -> bool {
    asked.tracked && are_lost(asked, agents)
}

/// Whether this host gave to nobody as many packets as the answers of these are.
fn are_lost(asked: &AskedFacts, agents: &[&AgentFacts]) -> bool {
    let count = u64::try_from(agents.len()).unwrap_or(u64::MAX);
    asked.undelivered >= count.saturating_mul(LOST_PER_AGENT_MIN)
}

/// Agents that answer when asked by unicast, and not when asked by multicast.
///
/// Where answers of theirs may have been dropped here, though this host lets others' in, that is
/// told as a warning beside what is likelier. It is likelier itself where another node of the realm
/// on this host has its port, so that answers come to another: a firewall may let in what goes to
/// that port, announcements that is, and no answers.
fn unanswered(facts: &Facts, asked: &AskedFacts) -> Vec<Finding> {
    let is_such =
        |it: &&AgentFacts| it.by_unicast && !it.by_multicast && !it.here && it.finds.is_empty();
    let such: Vec<&AgentFacts> = asked.agents.iter().filter(is_such).collect();
    if such.is_empty() {
        return Vec::new();
    }
    let mut findings = on_the_way(facts, asked, &such);
    if !answers_are_lost(asked, &such) {
        return findings;
    }
    let filtered = replies_filtered(facts, &such);
    let group = facts.realm.group;
    let port_is_taken = facts.host.holders.iter().any(|it| Some(it.address) == group);
    let answers_come_in = asked.agents.iter().any(|it| it.by_multicast && !it.here);
    if port_is_taken && !answers_come_in {
        let on_the_way = findings.swap_remove(0);
        let what = format!("or {}", on_the_way.what);
        return vec![filtered, unlikely(on_the_way, what)];
    }
    let what = format!(
        "or a firewall of this host drops the first answers of {} alone: packets came in that it \
         gave to nobody",
        names(such.iter().copied()).join(", ")
    );
    findings.push(unlikely(filtered, what));
    findings
}

/// What keeps multicast from these agents, or theirs from this host, between them and it.
///
/// A switch that snoops MLD without a querier forgets everybody after some minutes; a filter can be
/// for some alone. Where no query was ever heard, both are possible and both are told: as the error
/// what the evidence speaks for, as a warning the other.
fn on_the_way(facts: &Facts, asked: &AskedFacts, such: &[&AgentFacts]) -> Vec<Finding> {
    let heard = such.iter().any(|it| it.heard);
    let queried = used(facts).any(|it| it.queries > 0);
    // A switch that forgot who listens lets a group through to who joined a moment ago.
    let fresh = heard || asked.joined_before;
    let filter = if heard {
        one_way(facts, such, "multicast of this host does not reach")
    } else {
        filtered(facts, such)
    };
    if queried || !fresh {
        return vec![filter];
    }
    let nodes = names(such.iter().copied()).join(", ");
    if asked.agents.iter().any(|it| it.by_multicast) {
        let what = format!(
            "or a switch that snoops MLD forgot {nodes} and not yet who joined lately: no query \
             ever came in here"
        );
        return vec![filter, unlikely(snooping(facts, such), what)];
    }
    let what = format!("or, if no switch there snoops MLD, a filter drops multicast to {nodes}");
    vec![snooping(facts, such), unlikely(filter, what)]
}

/// A finding as what else it may be.
fn unlikely(finding: Finding, what: String) -> Finding {
    Finding { severity: Severity::Warning, what, ..finding }
}

/// The interfaces that carry the realm: those that are up, other than the loopback.
fn used(facts: &Facts) -> impl Iterator<Item = &InterfaceFacts> {
    facts.host.interfaces.iter().filter(|it| it.interface.up && !it.interface.loopback)
}

fn replies_filtered(facts: &Facts, agents: &[&AgentFacts]) -> Finding {
    let what = format!(
        "a firewall of this host drops the first answers of {}: they get in only after this host \
         spoke to each of them, so a question takes a round more",
        names(agents.iter().copied()).join(", ")
    );
    let ports = ports(facts, agents.iter().copied());
    let command = open_input(facts.host.root, facts.host.firewall, &ports);
    // Every agent that this is about answers in the end.
    Finding::here(Cause::RepliesFiltered, Severity::Warning, what, command)
}

fn snooping(facts: &Facts, agents: &[&AgentFacts]) -> Finding {
    let nodes = names(agents.iter().copied());
    let what = format!(
        "multicast to {} is not forwarded, unicast is, and no MLD query ever came in here: most \
         likely a switch that snoops MLD has forgotten who listens",
        nodes.join(", ")
    );
    let bridges = used(facts).find(|it| it.interface.kind == "bridge" && it.snoops);
    let bridge = bridges.map_or("br0", |it| it.interface.name.as_str());
    let command = format!("ip link set dev {} type bridge mcast_querier 1", quoted(bridge));
    let command = as_root(facts.host.root, &command);
    let (cause, severity) = (Cause::SnoopingNoQuerier, Severity::Error);
    let place = if bridges.is_some() { Place::Here } else { Place::Path(nodes) };
    Finding { cause, severity, what, place, command }
}

fn one_way(facts: &Facts, agents: &[&AgentFacts], what: &str) -> Finding {
    let nodes = names(agents.iter().copied());
    let what = format!("{what} {}, though the other direction works", nodes.join(", "));
    let command = open_forward(facts.host.root, facts.realm.port);
    let (cause, severity) = (Cause::MulticastOneWay, Severity::Error);
    Finding { cause, severity, what, place: Place::Path(nodes), command }
}

fn filtered(facts: &Facts, agents: &[&AgentFacts]) -> Finding {
    let nodes = names(agents.iter().copied());
    let what = format!(
        "multicast does not pass between this host and {}, though unicast does",
        nodes.join(", ")
    );
    let command = open_forward(facts.host.root, facts.realm.port);
    let (cause, severity) = (Cause::MulticastFiltered, Severity::Error);
    Finding { cause, severity, what, place: Place::Path(nodes), command }
}

/// Agents that are heard and answer nothing, however they are asked.
struct Deaf<'a> {
    /// Those on this host, and those whose answers this host gave to nobody: its firewall is it.
    here: Vec<&'a AgentFacts>,
    /// The others: a firewall of theirs is it.
    there: Vec<&'a AgentFacts>,
}

impl<'a> Deaf<'a> {
    fn of(asked: &'a AskedFacts) -> Self {
        let is_such = |it: &&AgentFacts| it.heard && !it.answered();
        let all = asked.agents.iter().filter(is_such);
        let (mut here, mut there): (Vec<_>, Vec<_>) = all.partition(|it| it.here);
        if !there.is_empty() && are_lost(asked, &there) {
            here.append(&mut there);
        }
        Self { here, there }
    }
}

/// Agents that may take what this client sends for replays, since its clock was set back.
fn caught_up_soon<'a>(
    asked: &AskedFacts,
    agents: impl IntoIterator<Item = &'a AgentFacts>,
) -> Option<Finding> {
    let nodes = names(agents);
    let seconds = asked.set_back.filter(|_| !nodes.is_empty())?.as_secs() + 1;
    let what = format!(
        "the clock of this host was set back since this client's last commands: {} may take new \
         ones for old, until it has caught up in {seconds} s",
        nodes.join(", ")
    );
    let command = format!("sleep {seconds}");
    Some(Finding::here(Cause::ClockSkew, Severity::Warning, what, command))
}

/// Agents that a firewall of this host keeps from it, while others are let in: those on the same
/// host with another have ports of their own.
fn kept_out(facts: &Facts, deaf: &Deaf<'_>) -> Option<Finding> {
    if deaf.here.is_empty() {
        return None;
    }
    let nodes = names(deaf.here.iter().copied()).join(", ");
    let what = format!(
        "a firewall of this host lets announcements of {nodes} in, and no answer: it does not open \
         the ports that they have"
    );
    let ports = ports(facts, deaf.here.iter().copied());
    let command = open_input(facts.host.root, facts.host.firewall, &ports);
    Some(Finding::here(Cause::RepliesFiltered, Severity::Error, what, command))
}

/// The realm's port, and those of these agents.
fn ports<'a>(facts: &Facts, agents: impl IntoIterator<Item = &'a AgentFacts>) -> Ports {
    Ports::of(facts.realm.port, agents.into_iter().filter_map(|it| it.port))
}

/// Agents that do not get questions, since their own firewalls drop them.
fn deaf_agents(facts: &Facts, deaf: &Deaf<'_>) -> Option<Finding> {
    let nodes = names(deaf.there.iter().copied());
    if nodes.is_empty() {
        return None;
    }
    let port = facts.realm.port;
    let what = match nodes.as_slice() {
        [one] => format!(
            "{one} announces itself but gets no question: its firewall does not open UDP port \
             {port}"
        ),
        several => format!(
            "{} announce themselves but get no question: their firewalls do not open UDP \
             port {port}",
            several.join(", ")
        ),
    };
    let ports = ports(facts, deaf.there.iter().copied());
    let command = open_input(facts.host.root, facts.host.firewall, &ports);
    let (cause, severity) = (Cause::QuestionsFiltered, Severity::Error);
    Some(Finding { cause, severity, what, place: Place::Nodes(nodes), command })
}

/// Agents that get questions by multicast, while nothing comes back from them that way, though all
/// were made to announce themselves several times, or nobody is heard of many.
fn unheard(facts: &Facts, asked: &AskedFacts, shut_out: &[&AgentFacts]) -> Option<Finding> {
    let is_shut_out = |agent: &AgentFacts| shut_out.iter().any(|it| it.name == agent.name);
    let is_such =
        |it: &&AgentFacts| it.by_multicast && !it.heard && !is_shut_out(it) && it.finds.is_empty();
    let such: Vec<&AgentFacts> = asked.agents.iter().filter(is_such).collect();
    let no_chance = asked.listened_long || is_no_chance(&asked.agents, such.len());
    if such.is_empty() || !no_chance {
        return None;
    }
    Some(one_way(facts, &such, "nothing by multicast comes from"))
}

/// Whether nobody is heard, and so many of those that multicast reaches are not that a lost beacon
/// of each is no explanation.
pub(crate) fn is_no_chance<'a>(
    agents: impl IntoIterator<Item = &'a AgentFacts>,
    unheard: usize,
) -> bool {
    unheard >= UNHEARD_TOGETHER_MIN && !agents.into_iter().any(|it| it.heard)
}

/// Clocks that are far from this host's: where most are, it is this host's that is wrong.
fn clocks(facts: &Facts, asked: &AskedFacts) -> Option<Finding> {
    let known: BTreeMap<&str, i64> =
        asked.agents.iter().filter_map(|it| Some((it.name.as_str(), it.clock_ms?))).collect();
    let is_far = |ms: i64| ms.unsigned_abs() > SKEW_MS_MAX;
    let far: Vec<(&str, i64)> =
        known.iter().map(|(name, ms)| (*name, *ms)).filter(|(_, ms)| is_far(*ms)).collect();
    let (name, ms) = *far.iter().max_by_key(|(_, ms)| ms.unsigned_abs())?;
    let seconds = ms.unsigned_abs() / 1000;
    let relation = if ms > 0 { "behind" } else { "ahead of" };
    let command = as_root(facts.host.root, "timedatectl set-ntp true");
    let (cause, severity) = (Cause::ClockSkew, Severity::Warning);
    if far.len() * 2 > known.len() {
        let what = format!("the clock of this host is {seconds} s {relation} that of '{name}'");
        return Some(Finding::here(cause, severity, what, command));
    }
    let nodes: Vec<String> = far.iter().map(|(name, _)| (*name).to_owned()).collect();
    let what = format!(
        "this host's clock is {seconds} s {relation} that of '{name}'; most agree \
                        with this host"
    );
    Some(Finding { cause, severity, what, place: Place::Nodes(nodes), command })
}

/// Members that two processes speak for.
fn duplicates(facts: &Facts, asked: &AskedFacts) -> Vec<Finding> {
    let twice = asked.agents.iter().filter(|it| it.duplicate);
    twice.map(|it| duplicate(&facts.realm.name, (&it.name, &it.roles, &it.labels))).collect()
}

/// Two processes speak for a member with these roles and labels.
pub(crate) fn duplicate(
    realm: &str,
    (name, roles, labels): (&str, &[String], &[(String, String)]),
) -> Finding {
    let what = format!("two processes speak as '{name}': one certificate was used twice");
    let certified = certified(roles, labels);
    // A name that is nearly as long as may be has no room for more.
    let second: String = name.chars().take(NodeName::LENGTH_MAX - 2).chain("-2".chars()).collect();
    let command = format!(
        "librecast realm issue --realm {realm} --name {second}{certified} --out {second}.credential"
    );
    let (cause, severity) = (Cause::DuplicateIdentity, Severity::Error);
    Finding { cause, severity, what, place: Place::Authority, command }
}
