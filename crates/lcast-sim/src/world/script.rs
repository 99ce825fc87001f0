//! Changes of the world: what scripts of scenarios are made of.

use super::*;

/// A change of the world.
#[derive(Clone, Debug)]
pub enum Change {
    /// Conditions for every packet.
    Everywhere(Conditions),
    /// Conditions for packets that leave a node.
    From(NodeIndex, Conditions),
    /// Conditions for packets that reach a node.
    To(NodeIndex, Conditions),
    /// Conditions for packets from one node to another.
    Between(NodeIndex, NodeIndex, Conditions),
    /// These nodes are cut off from all others; each list is an island.
    Partition(Vec<Vec<NodeIndex>>),
    /// Islands are joined, conditions of nodes and pairs end.
    Heal,
    /// A node puts up or takes down its firewall.
    Firewall(NodeIndex, Firewall),
    /// A node is taken off a segment.
    Detach(NodeIndex, Segment),
    /// A node is attached to a segment.
    Attach(NodeIndex, Segment),
    /// A node is told of the links that it is attached to.
    Link(NodeIndex),
    /// A node's process dies at once, as by kill -9.
    Crash(NodeIndex),
    /// A node's process starts, unless it runs.
    Start(NodeIndex),
    /// A node says goodbye and ends.
    Leave(NodeIndex),
    /// A node's process is stopped, as by SIGSTOP; packets pile up in its buffer.
    Pause(NodeIndex),
    /// A stopped process goes on.
    Resume(NodeIndex),
    /// A node becomes slow or quick.
    Pace(NodeIndex, Pace),
    /// A node's wall clock is off by so many milliseconds.
    Skew(NodeIndex, i64),
    /// A node's disk is full, or not.
    DiskFull(NodeIndex, bool),
    /// A node is given the member list of this version by other means.
    Members(NodeIndex, u64),
    /// A node asks.
    Ask(NodeIndex, Box<Question>),
    /// A node ends a watch.
    Unwatch(NodeIndex, QuestionNumber),
    /// A node comes to hold a value.
    Publish(NodeIndex, String, Value),
    /// A node's value is no more.
    Remove(NodeIndex, String),
    /// A node pings another by unicast.
    Ping(NodeIndex, String),
    /// A hostile host stops.
    Hush(NodeIndex),
    /// A node sends these bytes: what hostile hosts do.
    Forge(NodeIndex, Forgery),
}

/// Bytes that a hostile host sends.
#[derive(Clone, Debug)]
pub struct Forgery {
    /// The source address, if not its own.
    pub source: Option<SocketAddrV6>,
    /// Where to.
    pub to: Destination,
    /// What.
    pub bytes: Arc<[u8]>,
}

impl World {
    /// Lets something happen.
    pub(super) fn apply(&mut self, change: Change) {
        let nodes = &self.nodes;
        let text = format!("{change:?}");
        self.trace.note(self.now, text.as_bytes(), || {
            let index = change.node().map(|it| nodes[it.0 as usize].name.clone());
            let words: String = text.chars().take(160).collect();
            format!("** {} {words}", index.unwrap_or_default())
        });
        match change.node() {
            Some(index) if change.disturbs() => self.disturb(index),
            Some(_) => {}
            None => self.disturb_all(),
        }
        let faults = &mut self.network.faults;
        match change {
            Change::Everywhere(conditions) => faults.everywhere = conditions,
            Change::From(node, conditions) => drop(faults.from.insert(node, conditions)),
            Change::To(node, conditions) => drop(faults.to.insert(node, conditions)),
            Change::Between(from, to, conditions) => {
                faults.between.insert((from, to), conditions);
                self.disturb(to);
            }
            Change::Partition(islands) => faults.partition(&islands),
            Change::Heal => faults.heal(),
            Change::Firewall(node, firewall) => self.network.set_firewall(node, firewall),
            Change::Detach(node, segment) => {
                self.network.detach(node, segment);
                self.tell_links(node);
            }
            Change::Attach(node, segment) => {
                self.network.attach(node, segment);
                self.tell_links(node);
            }
            Change::Link(node) => self.tell_links(node),
            Change::Crash(node) => self.crash(node),
            Change::Start(node) => self.start(node),
            Change::Hush(node) => {
                self.hostiles.get_mut(&node).into_iter().for_each(Hostile::fall_silent);
            }
            Change::Leave(node) => {
                self.node_mut(node).leaving = true;
                self.feed(node, Input::Leave);
                self.node_mut(node).leaving = false;
                self.crash(node);
            }
            Change::Pause(node) => self.node_mut(node).paused = true,
            Change::Resume(node) => self.resume(node),
            Change::Pace(node, pace) => self.node_mut(node).pace = pace,
            Change::Skew(node, millis) => self.node_mut(node).skew_ms = millis,
            Change::DiskFull(node, full) => self.node_mut(node).store.full = full,
            Change::Members(node, version) => {
                if let Some(list) = self.realm.list(version).cloned() {
                    self.feed(node, Input::Members(list));
                }
            }
            Change::Ask(asker, question) => self.begin(asker, *question),
            Change::Unwatch(node, number) => self.unwatch(node, number),
            Change::Publish(node, name, value) => self.publish(node, name, value),
            Change::Remove(node, name) => self.remove(node, &name),
            Change::Ping(node, name) => {
                self.pinged.insert((node, name.clone()));
                self.feed(node, Input::Ping(name));
            }
            Change::Forge(node, forgery) => self.forge(node, forgery),
        }
    }

    fn tell_links(&mut self, node: NodeIndex) {
        let links = self.network.links(node);
        self.feed(node, Input::Links(links));
    }

    /// Starts a node's process: a new incarnation, with the settings that its store kept.
    fn start(&mut self, index: NodeIndex) {
        let at = self.now;
        let list = self.realm.list(self.node(index).members_version).cloned();
        let node = self.node_mut(index);
        if node.endpoint.is_some() {
            return;
        }
        let start = node.store.start();
        node.incarnation = start;
        node.paused = false;
        let seed = node.random.seed();
        let now = node.now(at);
        let config = Config { incarnation: start, ..Config::default() };
        let endpoint = Endpoint::new(config, node.credential.clone(), seed, now);
        node.endpoint = Some(Box::new(endpoint));
        let asker = Asker::new(&node.credential.certificate().id(), seed);
        let known = node.endpoint.as_ref().is_some_and(|it| it.sender() == asker.sender);
        node.asker = Some(asker);
        self.insist(known, || "the tap does not know the sender id of a process".to_owned());
        let node = self.node_mut(index);
        if let Some(list) = list.filter(|it| it.version() > node.credential.members().version()) {
            // A process begins with the list of its credential, and is given the one that was kept.
            node.members_version = node.credential.members().version();
            self.feed(index, Input::Members(list));
        }
        let node = self.node_mut(index);
        if node.agent {
            let definitions = node.model.definitions();
            let mut updates = node.model.start(at, now.wall);
            let greeting: Name = GREETING.parse().expect("the greeting's name is well-formed");
            node.store.create(greeting, Value::from(""));
            let kept: Vec<_> = node
                .store
                .settings()
                .map(|(name, kept)| (name.to_string(), kept.clone()))
                .collect();
            for (name, kept) in kept {
                let held = node.model.hold(at, now.wall, name, kept.value, Some(kept.version));
                updates.extend(held);
            }
            definitions.into_iter().for_each(|it| self.define(index, it));
            updates.into_iter().for_each(|it| self.update(index, it));
            if self.tick.is_some() {
                self.queue.push(at, Happening::Tick(index, start));
            }
        }
        if self.linked || !self.node(index).agent {
            self.tell_links(index);
        }
    }

    fn define(&mut self, index: NodeIndex, definition: Definition) {
        let Some(endpoint) = self.node_mut(index).endpoint.as_mut() else { return };
        if let Err(error) = endpoint.change(|table| table.define(definition)) {
            self.violate(format!("a definition was not taken: {error}"));
        }
    }

    /// A node's process ends without a word.
    fn crash(&mut self, index: NodeIndex) {
        let node = self.node_mut(index);
        node.endpoint = None;
        node.paused = false;
        node.wake_at = None;
        node.inbox.clear();
        node.overrun = 0;
        self.network.leave_all(index);
    }

    fn resume(&mut self, index: NodeIndex) {
        let at = self.now;
        let node = self.node_mut(index);
        if !std::mem::take(&mut node.paused) || node.endpoint.is_none() {
            return;
        }
        node.wake_at = Some(at);
        let work = !node.inbox.is_empty() && !std::mem::replace(&mut node.working, true);
        self.queue.push(at, Happening::Wake(index));
        if work {
            self.queue.push(at, Happening::Work(index));
        }
    }

    /// A node asks, unless it is down: the oracle's record first, then the endpoint.
    fn begin(&mut self, asker: NodeIndex, question: Question) {
        if !self.node(asker).is_up() {
            return;
        }
        let number = self.next_number();
        let node = self.node(asker);
        let picked = |person: &&Person| question.picks(person);
        let people = self.realm.agents(node.members_version).filter(picked);
        let mut expected: BTreeSet<String> = people.map(|person| person.name.clone()).collect();
        expected.extend(question.expect.iter().cloned());
        let bothered = self.nodes().filter(|(index, node)| {
            let sound =
                self.network.is_sound(asker, *index) && self.network.is_sound(*index, asker);
            !sound || !node.is_up() || node.pace != Pace::default()
        });
        let disturbed = bothered.map(|(index, _)| index).collect();
        let ask = question.to_ask();
        let asked = Asked::new((asker, node.incarnation), question, self.now, expected, disturbed);
        self.questions.insert(number, asked);
        if self.open.len() >= OPEN_MAX {
            self.open.pop_front();
        }
        self.open.push_back(number);
        self.feed(asker, Input::Ask(QuestionId(number), Box::new(ask)));
    }

    /// A node ends its watch, if it has begun one with this number.
    fn unwatch(&mut self, index: NodeIndex, number: QuestionNumber) {
        let start = self.node(index).incarnation;
        let up = self.node(index).is_up();
        let Some(asked) = self.questions.get_mut(&number).filter(|_| up) else { return };
        let theirs = asked.asker == index && asked.incarnation == start;
        if theirs && asked.question.is_watch() && asked.report.is_some() {
            asked.view.ended = true;
            self.feed(index, Input::Cancel(QuestionId(number)));
        }
    }

    /// A hostile host sends.
    pub(super) fn forge(&mut self, sender: NodeIndex, forgery: Forgery) {
        let Forgery { source, to, bytes } = forgery;
        let payload = self.payload(&bytes, Mark::None);
        let (now, random) = (self.now, &mut self.random);
        let mut deliveries = match (source, to) {
            (Some(from), Destination::Unicast(to)) => {
                self.network.send_unicast(now, sender, (from, to), &payload, random)
            }
            (_, to) => self.network.send(now, sender, (None, to), &payload, random),
        };
        if let Some(from) = source {
            for delivery in &mut deliveries {
                let sent = Sent { from, ..(*delivery.packet.sent).clone() };
                delivery.packet.sent = Arc::new(sent);
            }
        }
        self.dispatch(deliveries);
    }
}

impl Change {
    /// Whether questions that are open may miss what its node says.
    fn disturbs(&self) -> bool {
        !matches!(
            self,
            Self::Ask(..)
                | Self::Unwatch(..)
                | Self::Publish(..)
                | Self::Remove(..)
                | Self::Ping(..)
        )
    }

    /// The node that it happens to; `None` when it happens to all.
    fn node(&self) -> Option<NodeIndex> {
        match self {
            Self::Everywhere(_) | Self::Partition(_) | Self::Heal => None,
            Self::From(node, _)
            | Self::To(node, _)
            | Self::Between(node, ..)
            | Self::Firewall(node, _)
            | Self::Detach(node, _)
            | Self::Attach(node, _)
            | Self::Link(node)
            | Self::Crash(node)
            | Self::Start(node)
            | Self::Leave(node)
            | Self::Pause(node)
            | Self::Resume(node)
            | Self::Pace(node, _)
            | Self::Skew(node, _)
            | Self::DiskFull(node, _)
            | Self::Members(node, _)
            | Self::Ask(node, _)
            | Self::Unwatch(node, _)
            | Self::Publish(node, ..)
            | Self::Remove(node, _)
            | Self::Ping(node, _)
            | Self::Hush(node)
            | Self::Forge(node, _) => Some(*node),
        }
    }
}
