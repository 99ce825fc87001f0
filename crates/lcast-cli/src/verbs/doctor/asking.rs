//! Asking the realm, to see which ways get through.
//!
//! First by multicast alone, then, those that stayed silent, by unicast alone; then each that
//! spoke is pinged by unicast. Meanwhile the beacons of agents show what comes by multicast, and a
//! second node listens at the realm's port for packets of other realms. Those that stayed silent
//! are asked by multicast once more, from that port, since that is how commands ask: a firewall may
//! open it and no other. Agents are asked whether they hear those that are not heard here. Where
//! nobody of other hosts answers, this host is asked whether it hears itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::{Duration, Instant};

use lcast::Node;
use lcast_net::interfaces;
use lcast_net::survey;
use lcast_proto::endpoint::{ForgottenSpeaker, NodeView};
use lcast_proto::keys::Kind;
use lcast_proto::keys::credential::Credential;
use lcast_proto::keys::members::MemberList;
use lcast_proto::presence::{INTERVAL_MIN, Via, interval};
use lcast_proto::question::report::{Outcome, Reply, Report};
use lcast_proto::question::{Ask, Deadline, Verb, Ways};
use lcast_proto::stats::Dropped;
use lcast_proto::time::Timestamp;
use tokio::task::JoinSet;

use crate::backend::Session;
use crate::doctor::diagnose::is_no_chance;
use crate::doctor::facts::{AgentFacts, AskedFacts, ForgottenFacts, RealmFacts};
use crate::doctor::local;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::place::{Place, wall};
use crate::signals::Signals;
use crate::verbs::question;

use super::remote;

/// How long each of the two questions waits for the silent.
const PATIENCE: Duration = Duration::from_millis(700);
/// How long beacons are waited for that were asked for: the shortest time between two of an agent,
/// and some. [PRE-12]
const LISTEN: Duration =
    INTERVAL_MIN.saturating_add(Duration::from_millis(200)).saturating_add(PATIENCE);
/// How often those that spoke and are not heard are made to announce themselves: beacons get lost.
const WANTED_EVERY: Duration = INTERVAL_MIN.saturating_add(Duration::from_millis(200));
/// Agents of a realm in which each can announce itself again within [`listen_to_silent`].
const AGENTS_MADE_HEARD_MAX: usize = 50;
/// How often what was heard is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What comes of asking; none when there is no interface to ask by. What an interrupt leaves
/// unfinished would be misjudged: it fails.
pub(super) async fn ask(
    place: Place,
    realm: &RealmFacts,
    signals: &mut Signals,
) -> Result<Option<AskedFacts>, Failure> {
    let begun = wall();
    let set_back = set_back(&place);
    let joined_before = realm.group.is_some_and(is_joined);
    let listener = listen(&place.credential);
    let members = place.credential.members().clone();
    let session = Session::examine(place)?;
    let (first, mut undelivered) = match counted(&session, signals).await {
        Ok(counted) => counted,
        Err(failure) if failure.exit == Exit::Unsendable => {
            session.close().await;
            return Ok(None);
        }
        Err(failure) => return Err(failure),
    };
    let tracked = local::tracks_connections();
    let mut agents: BTreeMap<String, AgentFacts> = BTreeMap::new();
    let facts = |name: &String| AgentFacts { name: name.clone(), ..AgentFacts::default() };
    agents.extend(first.expected.iter().map(|name| (name.clone(), facts(name))));
    for name in &first.answered {
        agents.entry(name.clone()).or_default().by_multicast = true;
    }
    let spoke = ask_singly(&session, signals, listener.as_ref(), first, &mut agents).await?;
    // Whoever is asked looks again, and tells what it found when it is asked the next time.
    note_finds(&session, signals, &mut agents).await?;
    let listened_long = hear(&session, signals, &mut agents).await?;
    note_here(&session, &mut agents).await;
    note_finds(&session, signals, &mut agents).await?;
    let unanswered =
        agents.values().any(|it| it.by_unicast && (!it.by_multicast || it.by_port_only));
    let others_answer = agents.values().any(|it| !it.here && it.answered());
    let is_mute = |it: &AgentFacts| it.heard && !it.answered();
    if undelivered > 0 && !others_answer {
        undelivered = undelivered_surely(&session, signals, undelivered, &agents).await?;
    } else if undelivered > 0 && ((tracked && unanswered) || agents.values().any(is_mute)) {
        let usual = undelivered_usually(&session, signals).await?;
        undelivered = undelivered.saturating_sub(usual);
    }
    if agents.values().any(AgentFacts::is_silent) && !spoke.is_empty() {
        probe(&session, signals, Ways::All, None).await?;
        note_heard_elsewhere(&session, begun, &mut agents).await;
    }
    let mut asked = AskedFacts {
        agents: agents.into_values().collect(),
        undelivered,
        deaf_to_itself: !others_answer && is_deaf(realm, links_of_use(realm)).await,
        set_back,
        tracked,
        listened_long,
        joined_before,
        ..AskedFacts::default()
    };
    if let Some(node) = listener {
        let stats = node.facts().await.map(|it| it.stats);
        asked.other_realm = stats.map_or(0, |stats| stats.dropped(Dropped::Key));
        node.leave().await;
    }
    if let Some(facts) = session.facts().await {
        asked.overflow = facts.network.overflow;
        asked.forbidden_multicast = facts.network.forbidden_multicast;
        asked.forbidden_unicast = facts.network.forbidden_unicast;
        asked.forgotten = forgotten(&facts, &members, &session.nodes().await);
    }
    session.close().await;
    Ok(Some(asked))
}

/// Who answers in a realm of one host, where no packet leaves the host.
pub(super) async fn ask_here(
    place: Place,
    realm: &RealmFacts,
    signals: &mut Signals,
) -> Result<Option<AskedFacts>, Failure> {
    let set_back = set_back(&place);
    let session = match Session::open(place) {
        Err(failure) if failure.exit == Exit::Unsendable => return Ok(None),
        opened => opened?,
    };
    let probed = probe(&session, signals, Ways::All, None).await;
    let network = session.facts().await.map(|it| it.network).unwrap_or_default();
    session.close().await;
    let forbidden = network.forbidden_multicast + network.forbidden_unicast > 0;
    let Probe { expected, answered } = match probed {
        Err(failure) if failure.exit == Exit::Unsendable && !forbidden => return Ok(None),
        probed => probed?,
    };
    // Questions go by the first card, where there is one, and answers by the loopback.
    let ways = links_of_use(realm).into_iter().take(1).chain([None]).map(|way| vec![way]);
    let mut deaf_to_itself = false;
    for way in ways.filter(|_| expected != answered) {
        deaf_to_itself |= is_deaf(realm, way).await;
    }
    let agent = |name: String| AgentFacts {
        by_unicast: answered.contains(&name),
        name,
        ..AgentFacts::default()
    };
    Ok(Some(AskedFacts {
        agents: expected.into_iter().map(agent).collect(),
        deaf_to_itself,
        set_back,
        forbidden_multicast: network.forbidden_multicast,
        forbidden_unicast: network.forbidden_unicast,
        ..AskedFacts::default()
    }))
}

/// Asks those that stayed silent by unicast, and by multicast from the realm's port; pings all that
/// spoke, and names them.
async fn ask_singly(
    session: &Session,
    signals: &mut Signals,
    listener: Option<&Node>,
    first: Probe,
    agents: &mut BTreeMap<String, AgentFacts>,
) -> Result<Vec<String>, Failure> {
    let silent: Vec<String> = first.expected.difference(&first.answered).cloned().collect();
    let mut spoke = first.answered;
    if !silent.is_empty() {
        let second = probe(session, signals, Ways::Unicast, Some(silent.clone())).await?;
        for name in &second.answered {
            agents.entry(name.clone()).or_default().by_unicast = true;
        }
        let from_port = signals.unless(ask_from_port(listener, silent)).await;
        for name in from_port.ok_or_else(question::interrupted)? {
            let agent = agents.entry(name.clone()).or_default();
            (agent.by_multicast, agent.by_port_only) = (true, true);
            spoke.insert(name);
        }
        spoke.extend(second.answered);
    }
    let spoke: Vec<String> = spoke.into_iter().collect();
    let trips = signals.unless(session.ping(&spoke)).await;
    for (name, trip) in trips.ok_or_else(question::interrupted)? {
        let agent = agents.entry(name).or_default();
        (agent.by_unicast, agent.trip) = (true, Some(trip));
    }
    Ok(spoke)
}

/// Asks all by multicast alone; how many packets the host received and gave to nobody meanwhile.
async fn counted(session: &Session, signals: &mut Signals) -> Result<(Probe, u64), Failure> {
    let before = local::undelivered();
    let probe = probe(session, signals, Ways::Multicast, None).await?;
    Ok((probe, local::undelivered().saturating_sub(before)))
}

/// How many packets the host gives to nobody for no other reason than that it asked: where nobody
/// answers, nothing but this tells a firewall from agents that do not run. So noise is to be no
/// reason even where it comes in bursts; and of the questions, which come back to who sent them, a
/// firewall drops as many as it drops answers.
async fn undelivered_surely(
    session: &Session,
    signals: &mut Signals,
    first: u64,
    agents: &BTreeMap<String, AgentFacts>,
) -> Result<u64, Failure> {
    let usual = undelivered_usually(session, signals).await?;
    let before = sent(session).await;
    let (probe, second) = counted(session, signals).await?;
    if probe.answered.iter().any(|name| agents.get(name).is_none_or(|it| !it.here)) {
        return Ok(0);
    }
    let own = sent(session).await.saturating_sub(before);
    let usual = usual.max(undelivered_usually(session, signals).await?);
    Ok(first.min(second).saturating_sub(usual).saturating_sub(own))
}

/// How many datagrams this session sent.
async fn sent(session: &Session) -> u64 {
    session.facts().await.map_or(0, |it| it.network.sent)
}

/// How many packets the host gives to nobody in the time of the first question anyhow: multicast
/// that a switch floods, what a firewall is there to drop.
async fn undelivered_usually(session: &Session, signals: &mut Signals) -> Result<u64, Failure> {
    let before = local::undelivered();
    signals.unless(session.linger(PATIENCE)).await.ok_or_else(question::interrupted)?;
    Ok(local::undelivered().saturating_sub(before))
}

/// Who was heard with a credential that the realm has forgotten. The member list from before the
/// question knows what they were, unless their name was issued again.
fn forgotten(
    facts: &lcast::Facts,
    members: &MemberList,
    nodes: &[NodeView],
) -> Vec<ForgottenFacts> {
    let of = |speaker: &ForgottenSpeaker| {
        let subject = members.by_id(&speaker.id).map(|it| &it.subject);
        let roles = subject.iter().flat_map(|it| it.roles.iter());
        let labels = subject.iter().flat_map(|it| it.labels.iter());
        ForgottenFacts {
            replaced: nodes.iter().any(|it| it.name == speaker.name),
            name: speaker.name.clone(),
            client: subject.is_some_and(|it| it.kind == Kind::Client),
            roles: roles.map(str::to_owned).collect(),
            labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        }
    };
    facts.forgotten.iter().map(of).collect()
}

/// Notes which agents have an address of this host's.
async fn note_here(session: &Session, agents: &mut BTreeMap<String, AgentFacts>) {
    let found = interfaces::list().unwrap_or_default();
    // A link-local address is one of its link.
    let is_own = |it: SocketAddrV6| {
        let mut links = found.iter().filter(|link| [0, link.index].contains(&it.scope_id()));
        links.any(|link| link.addresses.iter().any(|own| own.ip == *it.ip()))
    };
    for view in session.nodes().await {
        if let Some(agent) = agents.get_mut(&view.name) {
            agent.here = view.address.is_some_and(is_own);
            agent.port = view.address.map(|it| it.port());
        }
    }
}

/// Notes what agents find on their own hosts between which and this one multicast does not pass.
async fn note_finds(
    session: &Session,
    signals: &mut Signals,
    agents: &mut BTreeMap<String, AgentFacts>,
) -> Result<(), Failure> {
    let cut_off: Vec<String> =
        agents.values().filter(|it| it.is_cut_off()).map(|it| it.name.clone()).collect();
    if cut_off.is_empty() {
        return Ok(());
    }
    let verb = Verb::Get(remote::patterns()?);
    let deadline = Deadline::after(PATIENCE);
    let ask = Ask { only: Some(cut_off), ways: Ways::Unicast, deadline, ..Ask::new(verb) };
    let take = |reply: Reply| {
        if let (Outcome::Values(values), Some(agent)) =
            (&reply.outcome, agents.get_mut(&reply.node))
        {
            agent.finds = remote::keeps_off(values);
        }
        Ok(())
    };
    let asked = question::ask(session, signals, ask, take).await?;
    if asked.interrupted { Err(question::interrupted()) } else { Ok(()) }
}

/// Notes which agents others have heard since the doctor began.
async fn note_heard_elsewhere(
    session: &Session,
    begun: Timestamp,
    agents: &mut BTreeMap<String, AgentFacts>,
) {
    for view in session.nodes().await {
        let lately = view.last_heard.is_some_and(|heard| heard > begun);
        if let Some(agent) = agents.get_mut(&view.name) {
            agent.elsewhere = view.via == Some(Via::Told) && lately;
        }
    }
}

/// A node that only listens, at the realm's port where that is free.
fn listen(credential: &Credential) -> Option<Node> {
    let copy = Credential::decode(&credential.encode()).ok()?;
    Node::builder(copy).start().ok()
}

/// Which of these answer a question that goes by multicast alone from the realm's port.
async fn ask_from_port(node: Option<&Node>, names: Vec<String>) -> BTreeSet<String> {
    let mut answered = BTreeSet::new();
    let Some(node) = node.filter(|_| !names.is_empty()) else { return answered };
    let question = node.question(Verb::Ping).only(names);
    // A node that does not know a name yet expects nothing of it, and cannot say anything here.
    let Ok(mut replies) = question.ways(Ways::Multicast).timeout(PATIENCE).ask().await else {
        return answered;
    };
    while let Some(reply) = replies.next().await {
        answered.insert(reply.node);
    }
    answered
}

/// Who was expected, and who answered.
struct Probe {
    expected: BTreeSet<String>,
    answered: BTreeSet<String>,
}

async fn probe(
    session: &Session,
    signals: &mut Signals,
    ways: Ways,
    only: Option<Vec<String>>,
) -> Result<Probe, Failure> {
    let ask = Ask { only, ways, deadline: Deadline::after(PATIENCE), ..Ask::new(Verb::Ping) };
    let mut answered = BTreeSet::new();
    let asked = question::ask(session, signals, ask, |reply| {
        answered.insert(reply.node);
        Ok(())
    })
    .await?;
    if asked.interrupted {
        return Err(question::interrupted());
    }
    let expected = answered.iter().cloned().chain(unheard(&asked.report)).collect();
    Ok(Probe { expected, answered })
}

fn unheard(report: &Report) -> impl Iterator<Item = String> {
    report.late.iter().chain(&report.missing).map(|it| it.node.clone())
}

/// Follows what comes by multicast until everybody was heard, or for as long as that may take.
/// Whether all were made to announce themselves several times: who was not heard then is not.
async fn hear(
    session: &Session,
    signals: &mut Signals,
    agents: &mut BTreeMap<String, AgentFacts>,
) -> Result<bool, Failure> {
    let begun = Instant::now();
    let mut wanted = begun;
    loop {
        let nodes = session.nodes().await;
        nodes.iter().for_each(|it| note(it, agents));
        let in_doubt = in_doubt(agents);
        let long = agents.values().any(AgentFacts::is_silent) || !in_doubt.is_empty();
        let time = if long { listen_to_silent(agents.len()) } else { LISTEN };
        let more = agents.values().any(|it| !it.heard);
        if begun.elapsed() >= time || !more {
            return Ok(long && agents.len() <= AGENTS_MADE_HEARD_MAX);
        }
        if wanted.elapsed() >= WANTED_EVERY && !in_doubt.is_empty() {
            wanted = Instant::now();
            probe(session, signals, Ways::Multicast, Some(in_doubt)).await?;
        }
        signals.unless(session.linger(LOOK)).await.ok_or_else(question::interrupted)?;
    }
}

/// How long agents are listened to that nothing reaches, so that nobody can ask them to announce
/// themselves: the interval of their realm, with its jitter of a tenth [PRE-2], and some. In a
/// realm of more than [`AGENTS_MADE_HEARD_MAX`], as long as in one of these.
fn listen_to_silent(agents: usize) -> Duration {
    let interval = interval(agents.min(AGENTS_MADE_HEARD_MAX));
    interval + interval / 10 + Duration::from_millis(500)
}

/// Those that multicast reaches and that are not heard by multicast, unless they are so many, with
/// nobody heard, that there is no doubt.
fn in_doubt(agents: &BTreeMap<String, AgentFacts>) -> Vec<String> {
    let is_such = |it: &&AgentFacts| it.by_multicast && !it.heard;
    let such: Vec<&AgentFacts> = agents.values().filter(is_such).collect();
    if is_no_chance(agents.values(), such.len()) {
        return Vec::new();
    }
    such.iter().map(|it| it.name.clone()).take(AGENTS_MADE_HEARD_MAX).collect()
}

fn note(view: &NodeView, agents: &mut BTreeMap<String, AgentFacts>) {
    let Some(agent) = agents.get_mut(&view.name) else { return };
    agent.heard = view.sign.is_some();
    agent.clock_ms = view.sign.map(|sign| sign.ahead_ms);
    agent.duplicate = view.duplicate;
    if view.duplicate {
        (agent.roles, agent.labels) = (view.roles.clone(), view.labels.clone());
    }
}

/// How far the clock was set back since this client's last commands.
fn set_back(place: &Place) -> Option<Duration> {
    lcast::set_back(place.state.as_ref()?, wall())
}

/// The interfaces that a node here sends to the realm's groups by, by index.
fn links_of_use(realm: &RealmFacts) -> Vec<Option<u32>> {
    let found = interfaces::list().unwrap_or_default();
    let chosen = interfaces::choose(&found, &realm.interfaces).interfaces;
    chosen.into_iter().map(|it| Some(it.index)).collect()
}

/// Whether this host hears on none of these links what it says to itself there at the realm's port,
/// as far as it can say anything; none is the loopback.
async fn is_deaf(realm: &RealmFacts, links: Vec<Option<u32>>) -> bool {
    let (port, mut looks) = (realm.port, JoinSet::new());
    for link in links {
        looks.spawn_blocking(move || survey::hears_itself(link, port));
    }
    let looks = looks.join_all().await;
    let mut heard = looks.into_iter().flatten().peekable();
    heard.peek().is_some() && !heard.any(|it| it)
}

/// Whether this host hears a group.
fn is_joined(group: Ipv6Addr) -> bool {
    let text = fs::read_to_string("/proc/net/igmp6").unwrap_or_default();
    let wanted: String = group.octets().iter().map(|byte| format!("{byte:02x}")).collect();
    text.lines().any(|line| line.split_whitespace().nth(2) == Some(wanted.as_str()))
}

#[cfg(test)]
mod tests {
    use lcast_proto::presence::Beacons;
    use lcast_proto::random::Random;
    use lcast_proto::time;

    use super::*;

    /// One lost beacon of one agent or two says nothing; that of many agents, all at once, does.
    #[test]
    fn few_that_are_not_heard_are_made_to_announce_themselves_again() {
        let check = |count: usize, heard: usize, expected: usize| {
            let agent = |index: usize| {
                let name = format!("n{index}");
                let by_multicast = true;
                let heard = index < heard;
                (name.clone(), AgentFacts { name, by_multicast, heard, ..AgentFacts::default() })
            };
            let agents: BTreeMap<_, _> = (0..count).map(agent).collect();
            assert_eq!(in_doubt(&agents).len(), expected, "{count} {heard}");
        };
        for (count, heard, expected) in
            [(1, 0, 1), (2, 0, 2), (2, 1, 1), (7, 0, 7), (8, 0, 0), (9, 1, 8), (60, 1, 50)]
        {
            check(count, heard, expected);
        }
    }

    /// Who is sound is heard though nothing reaches it. [PRE-2]
    #[test]
    fn silent_agents_are_listened_to_for_a_whole_interval_of_their_realm() {
        let mut random = Random::from_seed([7; 32]);
        for agents in [1, 40, 41, 50] {
            let mut beacons = Beacons::new(time::Instant::from_micros(0));
            for _ in 0..1000 {
                let now = beacons.due();
                beacons.sent(now, interval(agents), &mut random);
                let pause = beacons.due().since(now);
                assert!(pause < listen_to_silent(agents), "{agents}: {pause:?}");
            }
        }
        assert_eq!(listen_to_silent(40), Duration::from_millis(11_500));
        assert_eq!(listen_to_silent(50), Duration::from_millis(14_250));
        assert_eq!(listen_to_silent(51), listen_to_silent(50));
    }
}
