//! The only event loop: carries the core's outputs out and feeds it what comes in.
//!
//! One task owns the endpoint, the sockets, the durable state and the inbox of commands. It holds
//! to the drive contract of [`Endpoint`] and decides nothing about the protocol.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::path::PathBuf;
use std::time::Duration;

use lcast_net::{Batch, Destination as Arrival, LinkInfo, Network, SendError, Target};
use lcast_proto::endpoint::Endpoint;
use lcast_proto::io::{Datagram, Destination, Event, Input, Link, Output, Transmit};
use lcast_proto::keys::members::MemberList;
use lcast_proto::presence::Presence;
use lcast_proto::question::report::Report;
use lcast_proto::question::{Ask, QuestionId, SampleId, SetId, SetOrder, Verb, Wanted};
use lcast_proto::time::{Now, Timestamp};
use lcast_proto::value::Value;
use lcast_proto::variable::{Definition, Table};
use lcast_proto::wire::header::VERSION;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::file::{self, Durability};
use crate::memory::Memory;
use crate::node::{ExposeError, Facts, KeepMembers, Member, Refresh};
use crate::pings::Pings;
use crate::presence::PresenceChanges;
use crate::reader::Reader;
use crate::set_log::SetLog;
use crate::settings::{Settings, Stored};
use crate::store::{StateLock, Store};

/// A change of the variables, carried out between two packets.
pub(crate) type Change = Box<dyn FnOnce(&mut Table, Now) + Send>;

/// What a [`Node`](crate::Node) asks of its driver.
pub(crate) enum Command {
    Ask(Box<Ask>, Reader),
    Ping(String, oneshot::Sender<Duration>),
    Members(oneshot::Sender<Vec<Member>>),
    Facts(oneshot::Sender<Facts>),
    Presence(oneshot::Sender<broadcast::Receiver<Presence>>),
    Change(Change),
    Setting(Definition, Value, oneshot::Sender<Result<watch::Receiver<Value>, ExposeError>>),
    Install(MemberList),
    Open,
    Leave(oneshot::Sender<()>),
}

/// Unicast copies of one packet to neighbours of which nothing but the address is known.
const NEIGHBOURS_MAX: usize = 64;
/// Batches that are taken before what is due is done.
const WAITING_BATCHES_MAX: usize = 16;
/// How long to let a burst of interface changes pass.
const SETTLE: Duration = Duration::from_millis(100);
/// How long to wait at the start for addresses that are being checked for duplicates: by default
/// for up to one second of delay and one of waiting.
const ADDRESSES_WAIT: Duration = Duration::from_millis(2500);

/// The task behind a [`Node`](crate::Node).
pub(crate) struct Driver {
    clock: Clock,
    started: Now,
    endpoint: Endpoint,
    network: Network,
    inbox: mpsc::Receiver<Command>,
    questions: BTreeMap<QuestionId, Open>,
    next_question: u64,
    pings: Pings,
    /// Those who follow presence; made for the first of them.
    followers: Option<broadcast::Sender<Presence>>,
    settings: Settings,
    set_log: SetLog,
    stored: mpsc::Receiver<Stored>,
    _lock: Option<StateLock>,
    /// Where the newest member list is kept for the next start.
    members_path: Option<PathBuf>,
    memory: Option<Memory>,
    refresh: Option<Refresh>,
    refresh_every: Option<Duration>,
    keep_members: Option<KeepMembers>,
    /// Whether it takes part in the realm: a closed one neither hears nor sends.
    open: bool,
    /// Groups to be joined when it opens.
    joins: Vec<Ipv6Addr>,
    /// The process that it was started in. [SEC-3]
    pid: u32,
    /// Counts the copies to neighbours: each lot goes to others.
    neighbour_turn: usize,
    /// None before the first look.
    path: Option<&'static str>,
    path_since: Timestamp,
    /// Packets that left by at least one socket.
    sent: u64,
    overflow_seen: u64,
}

/// A question whose asker waits.
struct Open {
    reader: Reader,
    sent_before: u64,
    /// Whether it goes on after its report.
    is_watch: bool,
}

/// What woke the loop.
enum Woken {
    Network(std::io::Result<lcast_net::Wake>),
    Command(Option<Command>),
    Stored(Stored),
    Cancelled(QuestionId),
    Due,
    Refresh,
    Settled,
}

impl Driver {
    pub(crate) fn new(
        clock: Clock,
        endpoint: Endpoint,
        network: Network,
        inbox: mpsc::Receiver<Command>,
    ) -> Self {
        let started = clock.now();
        let (settings, stored) = Settings::new();
        Self {
            clock,
            started,
            endpoint,
            network,
            inbox,
            questions: BTreeMap::new(),
            next_question: 0,
            pings: Pings::default(),
            followers: None,
            settings,
            set_log: SetLog::default(),
            stored,
            _lock: None,
            members_path: None,
            memory: None,
            refresh: None,
            refresh_every: None,
            keep_members: None,
            open: true,
            joins: Vec::new(),
            pid: std::process::id(),
            neighbour_turn: 0,
            path: None,
            path_since: started.wall,
            sent: 0,
            overflow_seen: 0,
        }
    }

    pub(crate) fn keep(
        &mut self,
        lock: Option<StateLock>,
        store: Option<Store>,
        memory: Option<Memory>,
    ) {
        self._lock = lock;
        self.settings.keep_in(store);
        self.memory = memory;
    }

    pub(crate) fn keep_members_at(&mut self, path: PathBuf) {
        self.members_path = Some(path);
    }

    #[cfg(test)]
    pub(crate) fn as_if_started_by(&mut self, pid: u32) {
        self.pid = pid;
    }

    pub(crate) fn begin_closed(&mut self) {
        self.open = false;
    }

    pub(crate) fn refresh_with(&mut self, refresh: Option<Refresh>, every: Option<Duration>) {
        self.refresh = refresh;
        self.refresh_every = every;
    }

    pub(crate) fn keep_members_with(&mut self, keep: Option<KeepMembers>) {
        self.keep_members = keep;
    }

    /// Runs until the node leaves or its last handle is dropped.
    pub(crate) async fn run(mut self) {
        self.await_addresses().await;
        if self.is_forked() {
            return self.abandon();
        }
        self.links_changed();
        self.refresh_values(None);
        let mut batch = Batch::new();
        let mut refresh_at = self.next_refresh();
        let mut settled_at: Option<Instant> = None;
        loop {
            self.drain();
            let due = self.endpoint.poll_timeout().map(|due| self.clock.at(due));
            let woken = tokio::select! {
                wake = self.network.recv(&mut batch) => Woken::Network(wake),
                command = self.inbox.recv() => Woken::Command(command),
                Some(stored) = self.stored.recv() => Woken::Stored(stored),
                id = cancelled(&mut self.questions) => Woken::Cancelled(id),
                () = until(due) => Woken::Due,
                () = until(refresh_at) => Woken::Refresh,
                () = until(settled_at) => Woken::Settled,
            };
            if self.is_forked() {
                return self.abandon();
            }
            let mut changed = false;
            match woken {
                Woken::Network(Ok(wake)) => {
                    self.take_batch(&batch);
                    changed = wake.interfaces_changed;
                }
                Woken::Network(Err(error)) => {
                    tracing::error!(%error, "the sockets cannot be watched any more");
                    return;
                }
                Woken::Command(Some(Command::Leave(done))) => {
                    self.leave();
                    // Nobody waits any more when the caller was cancelled.
                    let _ = done.send(());
                    return;
                }
                Woken::Command(Some(command)) => self.take_command(command),
                Woken::Command(None) => {
                    self.leave();
                    return;
                }
                Woken::Stored(stored) => self.take_stored(stored),
                Woken::Cancelled(id) => self.cancel(id),
                Woken::Due => {
                    changed = self.take_waiting(&mut batch).await;
                    let now = self.clock.now();
                    self.endpoint.handle_timeout(now);
                }
                Woken::Refresh => {
                    self.tell_left_out();
                    self.refresh_values(None);
                    refresh_at = self.next_refresh();
                }
                Woken::Settled => {
                    settled_at = None;
                    self.follow_interfaces();
                }
            }
            if changed {
                settled_at.get_or_insert_with(|| Instant::now() + SETTLE);
            }
        }
    }

    fn is_forked(&self) -> bool {
        std::process::id() != self.pid
    }

    /// Ends in a fork of the process that started it, without a trace: the sender id, the packet
    /// numbers and the entries of this host are the parent's. [SEC-3]
    fn abandon(mut self) {
        tracing::error!(
            parent = self.pid,
            "a node must not be used in a fork of the process that started it: start another there"
        );
        self.inbox.close();
        while self.inbox.try_recv().is_ok() {}
        self.questions.clear();
        // Dropping the network would withdraw what the parent has published.
        std::mem::forget(self);
    }

    fn next_refresh(&self) -> Option<Instant> {
        self.refresh.as_ref().and(self.refresh_every).map(|every| Instant::now() + every)
    }

    fn input(&mut self, input: Input<'_>) {
        let now = self.clock.now();
        self.endpoint.handle_input(now, input);
    }

    /// Gives up a question: what it still says comes out, the report last.
    fn cancel(&mut self, id: QuestionId) {
        self.input(Input::Cancel(id));
        self.drain();
        self.questions.remove(&id);
    }

    fn leave(&mut self) {
        self.input(Input::Leave);
        self.drain();
        if let Some(memory) = &self.memory {
            let now = self.clock.now();
            memory.save(&self.endpoint.records(now), now.wall);
        }
    }

    /// Carries out what the core wants, until it wants nothing. While it is closed nothing is sent,
    /// and groups are joined later; whoever waits for an event gets it all the same.
    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit(transmit) if self.open => self.transmit(&transmit),
                Output::Transmit(_) => {}
                Output::Join(group) if self.open => self.join(group),
                Output::Join(group) => self.joins.push(group),
                Output::Leave(group) => {
                    self.joins.retain(|it| *it != group);
                    self.network.leave(group);
                }
                Output::Event(event) => self.handle_event(event),
            }
        }
    }

    fn join(&mut self, group: Ipv6Addr) {
        if let Err(error) = self.network.join(group) {
            tracing::warn!(%error, %group, "cannot hear a group everywhere");
        }
        self.links_changed();
    }

    fn transmit(&mut self, transmit: &Transmit) {
        let bytes = &transmit.bytes;
        match transmit.to {
            Destination::Group(group) => self.send(Target::Group { group, link: None }, bytes),
            Destination::Unicast(to) => {
                for to in self.on_links(to) {
                    self.send(Target::Unicast { from: transmit.source, to }, bytes);
                }
            }
            Destination::Neighbours => {
                for to in self.neighbours() {
                    self.send(Target::Unicast { from: None, to }, bytes);
                }
            }
        }
    }

    /// Where an address may be. A link-local one that was remembered, or told by a node of another
    /// link, says nothing of the link here: it is tried on each.
    fn on_links(&self, to: SocketAddrV6) -> Vec<SocketAddrV6> {
        if !to.ip().is_unicast_link_local() || to.scope_id() != 0 {
            return vec![to];
        }
        let links = self.network.links().into_iter().filter(|link| link.multicast);
        links.map(|link| SocketAddrV6::new(*to.ip(), to.port(), 0, link.index)).collect()
    }

    /// A lot of the neighbours: others each time, as many of each link.
    fn neighbours(&mut self) -> Vec<SocketAddrV6> {
        let mut found = Vec::new();
        for link in self.network.links().iter().filter(|link| link.multicast) {
            match self.network.neighbours(link.index) {
                Ok(addresses) => found.push(addresses),
                Err(error) => tracing::debug!(%error, link = link.name, "no neighbour table"),
            }
        }
        let turn = self.neighbour_turn;
        self.neighbour_turn = turn.wrapping_add(1);
        lot_of(&found, NEIGHBOURS_MAX, turn)
    }

    fn send(&mut self, target: Target, bytes: &[u8]) {
        let outcome = self.network.send(target, bytes);
        // With nobody to send to, nothing could fail: the path is there, and the realm is empty.
        let could = outcome.sent > 0 || (outcome.failures.is_empty() && self.path() != "none");
        self.sent += u64::from(could);
        for failure in outcome.failures {
            tracing::debug!(error = %failure.error, link = failure.link, ?target, "not sent");
            if let (SendError::Unreachable, Target::Unicast { to, .. }) = (failure.error, target) {
                self.input(Input::Unreachable(to));
            }
        }
    }

    /// Takes what has come already, before anything is done for want of it: on a busy host packets
    /// wait as long as timers. At most [`WAITING_BATCHES_MAX`], so that a flood stops no timer.
    /// Whether interfaces have changed.
    async fn take_waiting(&mut self, batch: &mut Batch) -> bool {
        let mut changed = false;
        for _ in 0..WAITING_BATCHES_MAX {
            let wake = tokio::select! {
                biased;
                wake = self.network.recv(batch) => wake,
                () = std::future::ready(()) => break,
            };
            // The loop meets the same error, and ends.
            let Ok(wake) = wake else { break };
            self.take_batch(batch);
            changed |= wake.interfaces_changed;
        }
        changed
    }

    fn take_batch(&mut self, batch: &Batch) {
        if !self.open {
            return;
        }
        let now = self.clock.now();
        let overflow = self.network.stats().overflow;
        if overflow > self.overflow_seen {
            let lost = u32::try_from(overflow - self.overflow_seen).unwrap_or(u32::MAX);
            self.overflow_seen = overflow;
            self.endpoint.handle_input(now, Input::Overrun(lost));
        }
        for datagram in batch.iter() {
            let (local, multicast) = match datagram.destination {
                Arrival::Unicast(local) => (local, false),
                Arrival::Group(_) => {
                    let sender = datagram.source.ip();
                    let local = self.network.local_towards(datagram.link, sender);
                    let Some(local) = local else { continue };
                    (local, true)
                }
            };
            let lcast_net::Datagram { source: from, bytes, waited, .. } = datagram;
            let datagram = Datagram { from, local, multicast, waited, bytes };
            self.endpoint.handle_input(now, Input::Datagram(datagram));
            self.drain();
        }
    }

    fn follow_interfaces(&mut self) {
        match self.network.refresh() {
            Ok(_) => self.links_changed(),
            Err(error) => tracing::warn!(%error, "cannot list the network interfaces"),
        }
    }

    /// Waits a moment for the first address of an interface that has just come up: who asks then
    /// means the network, not this host alone. Commands wait as well.
    async fn await_addresses(&mut self) {
        let end = Instant::now() + ADDRESSES_WAIT;
        let mut batch = Batch::new();
        while self.network.is_settling() {
            tokio::select! {
                wake = self.network.recv(&mut batch) => match wake {
                    Ok(wake) if wake.interfaces_changed => {
                        if let Err(error) = self.network.refresh() {
                            tracing::debug!(%error, "cannot list the network interfaces");
                            return;
                        }
                    }
                    Ok(_) => {}
                    // Told where it is waited for next.
                    Err(_) => return,
                },
                () = until(Some(end)) => return,
            }
        }
    }

    /// By which path the realm is reached from here.
    fn path(&self) -> &'static str {
        self.path.unwrap_or("none")
    }

    /// Says by which path the realm is reached from here.
    fn tell_path(&self) {
        for name in self.network.absent() {
            tracing::warn!(name, "this interface of the realm is absent or down");
        }
        let is_host = self.network.scope() == lcast_net::Scope::Host;
        match self.path() {
            "none" => tracing::warn!(
                "the realm is not reached from here: no interface has an IPv6 address (is IPv6 \
                 switched off? see 'librecast doctor')"
            ),
            "unicast" if !is_host => tracing::warn!(
                path = self.path(),
                "only nodes on this host are reached: no interface of the realm is up; see \
                 'librecast doctor'"
            ),
            path => tracing::info!(path, "the realm is reached by this path"),
        }
    }

    /// Tells the core its links.
    fn links_changed(&mut self) {
        if !self.open {
            return;
        }
        let infos = self.network.links();
        let path = match (infos.is_empty(), infos.iter().any(|link| link.multicast)) {
            (true, _) => "none",
            (false, true) => "multicast",
            (false, false) => "unicast",
        };
        if Some(path) != self.path {
            self.path = Some(path);
            self.path_since = self.clock.now().wall;
            self.tell_path();
        }
        let routed = self.network.scope().is_routed();
        let link = |mut info: LinkInfo| {
            if routed {
                // Multicast leaves from the last address then, and the core wants that one first.
                info.addresses.reverse();
            }
            Link { index: info.index, addresses: info.addresses, multicast: info.multicast }
        };
        let links = infos.into_iter().filter(|it| !it.addresses.is_empty()).map(link).collect();
        self.input(Input::Links(links));
    }

    fn take_command(&mut self, command: Command) {
        let now = self.clock.now();
        match command {
            Command::Ask(ask, reader) => {
                self.next_question += 1;
                let id = QuestionId(self.next_question);
                let is_watch = matches!(ask.verb, Verb::Watch(_));
                self.questions.insert(id, Open { reader, sent_before: self.sent, is_watch });
                self.input(Input::Ask(id, ask));
            }
            Command::Ping(name, reply) => {
                self.pings.add(name.clone(), reply);
                self.input(Input::Ping(name));
            }
            // An error in these means that the caller was cancelled meanwhile.
            Command::Members(reply) => drop(reply.send(self.endpoint.nodes(now))),
            Command::Facts(reply) => drop(reply.send(self.facts())),
            Command::Presence(reply) => {
                let followers = self
                    .followers
                    .get_or_insert_with(|| broadcast::Sender::new(PresenceChanges::ITEMS_MAX));
                drop(reply.send(followers.subscribe()));
            }
            Command::Change(change) => self.endpoint.change(|table| change(table, now)),
            Command::Setting(definition, default, reply) => {
                let settings = &mut self.settings;
                let expose = |table: &mut Table| settings.expose(table, now, definition, default);
                drop(reply.send(self.endpoint.change(expose)));
            }
            Command::Install(members) => self.input(Input::Members(members)),
            Command::Open => {
                self.open = true;
                for group in std::mem::take(&mut self.joins) {
                    self.join(group);
                }
                self.links_changed();
            }
            Command::Leave(done) => drop(done.send(())),
        }
    }

    fn facts(&self) -> Facts {
        Facts {
            stats: self.endpoint.stats().clone(),
            network: self.network.stats(),
            started: self.started,
            path: self.path(),
            path_since: self.path_since,
            absent: self.network.absent().to_vec(),
            forgotten: self.endpoint.forgotten_speakers(),
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Reply(id, _) | Event::Schema(id, _, _) | Event::Watch(id, _) => {
                self.pass_on(id, event);
            }
            Event::Done(id, report) => self.pass_on_end(id, report),
            Event::Failed(id, _) => {
                self.pass_on(id, event);
                self.questions.remove(&id);
            }
            Event::Presence(presence) => {
                tracing::debug!(node = presence.name, state = presence.state.as_str(), "presence");
                if let Some(followers) = &self.followers {
                    // An error means that nobody follows any more.
                    let _ = followers.send(presence);
                }
            }
            Event::Duplicate(sender) => tracing::warn!(
                %sender,
                "another process speaks with this agent's credential: a copy of it runs elsewhere"
            ),
            Event::NewerVersion(from, version) => tracing::warn!(
                "{from} speaks version {version} of the protocol, this is version {VERSION}: \
                 install the newer librecast here (nothing proves who sent it)"
            ),
            Event::Pong(name, trip) => self.pings.answer(&name, trip),
            Event::Sample(id, wanted) => self.sample(id, &wanted),
            Event::Set(id, order) => self.set(id, order),
            Event::Unheard => tracing::warn!(
                "others hold a newer member list, and none of them hands it to this node: the \
                 realm has likely forgotten this credential; ask the realm's administrator for a \
                 new one. 'librecast doctor' there tells for sure"
            ),
            Event::Members(members) => {
                self.tell_if_forgotten();
                if let Some(path) = &self.members_path
                    && let Err(error) = file::write(path, members.bytes(), Durability::Durable)
                {
                    tracing::warn!(%error, path = %path.display(), "a member list is not kept");
                }
                if let Some(keep) = &mut self.keep_members {
                    keep(&members);
                }
            }
            Event::SchemaLearned(_, schema) => {
                if let Some(memory) = &mut self.memory {
                    memory.learn(schema);
                }
            }
        }
    }

    /// Says so when the list in force forgets this node: nobody is going to hear it.
    pub(crate) fn tell_if_forgotten(&self) {
        let (own, members) = (self.endpoint.certificate(), self.endpoint.members());
        if members.is_forgotten(&own.id()) {
            tracing::warn!(
                name = %own.name(),
                "this credential was forgotten by the realm, and nobody hears it; ask the realm's \
                 administrator for a new one ('librecast realm issue')"
            );
        }
    }

    fn pass_on(&mut self, id: QuestionId, event: Event) {
        if let Some(open) = self.questions.get_mut(&id) {
            // There is room for whatever a question can bring, so only that of a watch ever lacks;
            // a closed one gives the question up below, in `cancelled`.
            open.reader.pass(event);
        }
    }

    fn pass_on_end(&mut self, id: QuestionId, report: Report) {
        if let Some(open) = self.questions.get(&id) {
            // Where nobody is expected, nothing is sent; that is no failure to send.
            let untried = report.questions_sent == 0 && !self.network.links().is_empty();
            let report = Report { sent: untried || self.sent > open.sent_before, ..report };
            let is_watch = open.is_watch;
            self.pass_on(id, Event::Done(id, report));
            if !is_watch {
                self.questions.remove(&id);
            }
        }
    }

    fn sample(&mut self, id: SampleId, wanted: &Wanted) {
        self.refresh_values(Some(wanted));
        self.input(Input::Sampled(id));
    }

    fn refresh_values(&mut self, wanted: Option<&Wanted>) {
        let Some(mut refresh) = self.refresh.take() else { return };
        let facts = self.facts();
        let now = self.clock.now();
        self.endpoint.change(|table| refresh(table, now, &facts, wanted));
        self.refresh = Some(refresh);
    }

    fn set(&mut self, id: SetId, order: SetOrder) {
        let names: Vec<String> =
            order.assignments.iter().map(|(name, _)| name.to_string()).collect();
        let names = names.join(" ");
        self.tell_left_out();
        if self.set_log.allows(&order.asker) {
            tracing::info!(asker = order.asker, names, dry_run = order.dry_run, "set asked for");
        }
        let wall = self.clock.now().wall;
        if let Some(results) = self.settings.apply(id, order, wall) {
            self.take_stored(results);
        }
    }

    /// Says in the log what it does not say one by one.
    fn tell_left_out(&mut self) {
        for (asker, count) in self.set_log.left_out(self.clock.now().instant) {
            tracing::warn!(asker, count, "asked for settings too often: not all is logged");
        }
    }

    fn take_stored(&mut self, stored: Stored) {
        let now = self.clock.now();
        let settings = &mut self.settings;
        let (id, results) = self.endpoint.change(|table| settings.finish(table, now, stored));
        self.input(Input::SetDone(id, results));
    }
}

/// At most so many of the addresses, in turn from each link's, beginning where the turn before
/// ended. All of them are there once before any is there again.
fn lot_of(links: &[Vec<SocketAddrV6>], max: usize, turn: usize) -> Vec<SocketAddrV6> {
    let most = links.iter().map(Vec::len).max().unwrap_or_default();
    let mixed: Vec<SocketAddrV6> =
        (0..most).flat_map(|at| links.iter().filter_map(move |it| it.get(at)).copied()).collect();
    if mixed.len() <= max {
        return mixed;
    }
    let start = turn.wrapping_mul(max) % mixed.len();
    mixed.iter().cycle().skip(start).take(max).copied().collect()
}

/// Waits until `at`, for ever when there is no such time.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Waits until somebody gives a question up.
async fn cancelled(questions: &mut BTreeMap<QuestionId, Open>) -> QuestionId {
    std::future::poll_fn(|context| {
        for (id, open) in questions.iter_mut() {
            if open.reader.cancel.poll_recv(context).is_ready() {
                return std::task::Poll::Ready(*id);
            }
        }
        std::task::Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn link(number: u16, count: u16) -> Vec<SocketAddrV6> {
        let ip = |host| Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, host);
        (0..count).map(|host| SocketAddrV6::new(ip(host), 24242, 0, number.into())).collect()
    }

    #[test]
    fn every_neighbour_has_its_turn() {
        let links = [link(2, 300), link(3, 5)];
        let first = lot_of(&links, 64, 0);
        assert_eq!((first.len(), first.iter().filter(|it| it.scope_id() == 3).count()), (64, 5));
        let all: BTreeSet<SocketAddrV6> =
            (0..5).flat_map(|turn| lot_of(&links, 64, turn)).collect();
        assert_eq!(all.len(), 305, "five lots of 64 are enough");
        assert_eq!(lot_of(&[link(2, 64)], 64, 7).len(), 64);
        assert_eq!(lot_of(&[link(2, 65)], 64, usize::MAX).len(), 64);
        assert!(lot_of(&[], 64, 1).is_empty());
    }
}
