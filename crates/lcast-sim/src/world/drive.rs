//! How the world drives its endpoints: the one place where outputs are drained.

use lcast_proto::presence::{Presence, State};
use lcast_proto::wire::frame::PairFrame;
use lcast_proto::wire::header::Header;

use super::*;

/// What may go astray: no longer than a ping or the wish of a pull, and of one node so many, which
/// are the pings of three rounds to three processes.
const ASTRAY_LENGTH: usize = 64;
const ASTRAY_MAX: u32 = 54;
/// So few deliveries of a packet are queued one by one.
const FEW: usize = 16;

impl World {
    /// A packet comes to a node's door.
    pub(super) fn arrive(&mut self, to: NodeIndex, packet: Packet) {
        // A question to all kernel neighbours may reach strangers, and a lying member may have what
        // is sealed for it sent wherever it likes, answers as well as the wishes for a list that it
        // claims [PRE-40], and copies of questions; nothing else may.
        let Sent { sender, group, ref payload, .. } = *packet.sent;
        let meant = group.is_none() && !matches!(payload.mark, Mark::Question(..) | Mark::Excused);
        if self.outsiders.contains(&to) && meant && !self.node(sender).hostile {
            self.judge_answer(sender, &payload.bytes);
        }
        if !self.network.admits(self.now, to, &packet) {
            return;
        }
        let now = self.now;
        if let Some(hostile) = self.hostiles.get_mut(&to) {
            let forgeries = if sender == to { Vec::new() } else { hostile.react(now, &packet) };
            forgeries.into_iter().for_each(|it| self.forge(to, it));
            return;
        }
        let node = self.node_mut(to);
        if node.endpoint.is_none() {
            return;
        }
        if node.inbox.len() >= node.pace.buffer_max {
            node.overrun = node.overrun.saturating_add(1);
            let nodes = &self.nodes;
            self.trace.say(now, || {
                let name = |index: NodeIndex| &nodes[index.0 as usize].name;
                format!("{} overruns, losing a packet of {}", name(to), name(sender))
            });
            self.disturb(to);
            return;
        }
        if !node.working && !node.paused && node.inbox.is_empty() && node.free_at <= now {
            self.handle(to, &packet);
            return;
        }
        node.inbox.push_back(packet);
        if !node.working && !node.paused {
            node.working = true;
            let at = node.free_at.max(now);
            self.queue.push(at, Happening::Work(to));
        }
    }

    /// An outsider is sent something. Who captures an introduction and is faster than the packet
    /// itself may be taken for where its sender is: what then goes astray are pings of the ring and
    /// wishes of pulls, few and short.
    fn judge_answer(&mut self, sender: NodeIndex, bytes: &[u8]) {
        let short = Tap::kind(bytes) == Some(PacketKind::Pair) && bytes.len() <= ASTRAY_LENGTH;
        let astray = self.astray.entry(sender).or_default();
        *astray += u32::from(short);
        if !short || *astray > ASTRAY_MAX {
            let name = self.node(sender).name.clone();
            self.violate(format!("{name} answered an outsider"));
        }
    }

    /// A packet reaches those that it is on its way to, until something else comes before.
    pub(super) fn land(&mut self, order: Order, mut flight: Box<Flight>) {
        loop {
            if flight.handled.as_slice().is_empty() && flight.singly == 0 {
                self.handle_ahead(&mut flight);
            }
            if let Some(handled) = flight.handled.next() {
                self.take_in(handled);
            } else if let Some((_, to, packet)) = flight.landings.next() {
                flight.singly = flight.singly.saturating_sub(1);
                self.arrive(to, packet);
            }
            let Some(at) = flight.next_at() else { return };
            if at > self.until || self.queue.next_at().is_some_and(|next| next <= at) {
                self.queue.push_again(at, order, Happening::Land(flight));
                return;
            }
            self.now = at;
        }
    }

    /// A node takes the next packet from its buffer.
    pub(super) fn work(&mut self, index: NodeIndex) {
        let now = self.now;
        let node = self.node_mut(index);
        node.working = false;
        if node.endpoint.is_none() || node.paused {
            return;
        }
        let Some(packet) = node.inbox.pop_front() else { return };
        if !node.inbox.is_empty() {
            node.working = true;
            let at = now + node.pace.packet;
            self.queue.push(at, Happening::Work(index));
        }
        self.handle(index, &packet);
    }

    /// A node handles a packet.
    fn handle(&mut self, index: NodeIndex, packet: &Packet) {
        let now = self.now;
        let node = self.node_mut(index);
        node.free_at = now + node.pace.packet;
        let overrun = std::mem::take(&mut node.overrun);
        if overrun > 0 {
            self.feed(index, Input::Overrun(overrun));
        }
        self.note_packet(index, packet);
        self.feed(index, packet.input());
    }

    /// Takes down a packet that an endpoint is about to handle.
    pub(super) fn note_packet(&mut self, to: NodeIndex, packet: &Packet) {
        let Sent { sender, group, payload, .. } = &*packet.sent;
        let mut entry = [0; 24];
        entry[..4].copy_from_slice(&to.0.to_le_bytes());
        entry[4..8].copy_from_slice(&sender.0.to_le_bytes());
        entry[8..].copy_from_slice(&payload.digest);
        let nodes = &self.nodes;
        self.trace.note(self.now, &entry, || {
            let kind = Tap::kind(&payload.bytes).map_or("other", |kind| match kind {
                PacketKind::Group => "group",
                PacketKind::Pair => "pair",
                PacketKind::Intro => "intro",
            });
            let name = |index: NodeIndex| &nodes[index.0 as usize].name;
            let way = if group.is_some() { "=>" } else { "->" };
            let (from, mark) = (name(*sender), payload.mark);
            format!("{from} {way} {} {kind} {} {mark:?}", name(to), payload.bytes.len())
        });
        if self.captured.len() >= CAPTURED_MAX {
            self.captured.pop_front();
        }
        self.captured.push_back(packet.clone());
        match payload.mark {
            Mark::None | Mark::Excused => {}
            Mark::Question(number, round) => {
                if let Some(asked) = self.questions.get_mut(&number) {
                    asked.heard.entry(to).or_default().insert(round);
                }
            }
            Mark::Answer(number) => {
                let opens = self.can_open(to, &payload.bytes);
                let asked = self.questions.get_mut(&number).filter(|it| opens && !it.is_over());
                if let Some(asked) = asked {
                    asked.spoke.insert(*sender);
                }
            }
        }
    }

    /// Whether a node can open an answer: where that carries no certificate, it must have met its
    /// sender.
    fn can_open(&self, to: NodeIndex, bytes: &[u8]) -> bool {
        let Ok(header) = Header::parse(bytes) else { return false };
        let met = self.node(to).endpoint().is_some_and(|it| it.has_met(&header.sender));
        met || header.kind == PacketKind::Intro
    }

    /// An endpoint's deadline comes.
    pub(super) fn wake(&mut self, index: NodeIndex) {
        let at = self.now;
        let node = self.node_mut(index);
        if node.wake_at != Some(at) || node.paused {
            return;
        }
        node.wake_at = None;
        node.wakes = if node.wakes.0 == at { (at, node.wakes.1 + 1) } else { (at, 1) };
        if node.wakes.1 == WAKES_MAX {
            let name = node.name.clone();
            self.violate(format!("{name} spins: its deadline does not move"));
        }
        let node = self.node_mut(index);
        if node.wakes.1 >= WAKES_MAX {
            return;
        }
        let now = node.now(at);
        if let Some(endpoint) = node.endpoint.as_mut() {
            endpoint.handle_timeout(now);
        }
        self.drain(index);
    }

    /// Hands an input to an endpoint and carries out what comes of it.
    pub(super) fn feed(&mut self, index: NodeIndex, input: Input<'_>) {
        let at = self.now;
        let node = self.node_mut(index);
        let now = node.now(at);
        let Some(endpoint) = node.endpoint.as_mut() else { return };
        endpoint.handle_input(now, input);
        self.drain(index);
    }

    /// Gives an endpoint a value. What a simulated node holds always fits its definitions.
    pub(super) fn update(&mut self, index: NodeIndex, update: Update) {
        let at = self.now;
        let node = self.node_mut(index);
        let now = node.now(at);
        let Some(endpoint) = node.endpoint.as_mut() else { return };
        let name = update.name.clone();
        if let Err(error) = endpoint.change(|table| table.update(now, update)) {
            self.violate(format!("an update was not taken: {error}"));
            return;
        }
        if let Some(entry) = endpoint.table().entry(&name) {
            node.model.keep(&name.to_string(), entry.version, entry.value.clone());
        }
        self.drain(index);
    }

    /// A node comes to hold a value, if it runs.
    pub(super) fn publish(&mut self, index: NodeIndex, name: String, value: Value) {
        let at = self.now;
        let node = self.node_mut(index);
        if !node.is_up() {
            return;
        }
        let wall = node.now(at).wall;
        let update = node.model.hold(at, wall, name, value, None);
        update.into_iter().for_each(|update| self.update(index, update));
    }

    /// A node's value is no more.
    pub(super) fn remove(&mut self, index: NodeIndex, name: &str) {
        let node = self.node_mut(index);
        let Some(endpoint) = node.endpoint.as_mut() else { return };
        let Ok(parsed) = name.parse::<Name>() else { return };
        endpoint.change(|table| table.remove(parsed.steps()));
        node.model.drop_value(name);
        self.drain(index);
    }

    /// Carries out everything that an endpoint wants, then sets its alarm.
    fn drain(&mut self, index: NodeIndex) {
        let wants = self.node_mut(index).endpoint.as_mut().map(|it| Wants::of(it));
        self.carry_out(index, wants.unwrap_or_default());
    }

    /// Carries out what an endpoint wants.
    pub(super) fn carry_out(&mut self, index: NodeIndex, wants: Wants) {
        let Wants { outputs, grown, due } = wants;
        let count = outputs.len();
        for output in outputs {
            match output {
                Output::Transmit(transmit) => self.transmit(index, &transmit),
                Output::Join(group) => self.network.join(index, group),
                Output::Leave(group) => self.network.leave(index, group),
                Output::Event(event) => self.on_event(index, event),
            }
        }
        if count > OUTPUTS_MAX {
            let name = self.node(index).name.clone();
            self.violate(format!("{name} put out {count} things at once"));
        }
        if let Some(what) = grown {
            let name = self.node(index).name.clone();
            self.violate(format!("{name} keeps {what}"));
        }
        let now = self.now;
        let node = self.node_mut(index);
        let at = due.map(|instant| node.moment(instant).max(now));
        if at != node.wake_at {
            node.wake_at = at;
            if let Some(at) = at {
                self.queue.push(at, Happening::Wake(index));
            }
        }
    }

    /// Sends a packet and tells the oracles what it is.
    fn transmit(&mut self, index: NodeIndex, transmit: &Transmit) {
        let mark = match Tap::kind(&transmit.bytes) {
            Some(PacketKind::Group) => match self.mark_group(index, transmit) {
                Mark::None if self.is_end_gone_astray(transmit) => Mark::Excused,
                mark => mark,
            },
            Some(PacketKind::Pair | PacketKind::Intro) => self.mark_pair(index, transmit),
            None => {
                self.violate("an endpoint sent what is no packet");
                Mark::None
            }
        };
        let payload = self.payload(&transmit.bytes, mark);
        let way = (transmit.source, transmit.to);
        let deliveries = self.network.send(self.now, index, way, &payload, &mut self.random);
        let nodes = &self.nodes;
        self.trace.say(self.now, || {
            let (name, length) = (&nodes[index.0 as usize].name, transmit.bytes.len());
            format!(
                "{name} sends {length} to {:?}: {mark:?}, {} arrive",
                transmit.to,
                deliveries.len()
            )
        });
        self.dispatch(deliveries);
    }

    /// What is known of these bytes, found out once.
    pub(super) fn payload(&mut self, bytes: &Arc<[u8]>, mark: Mark) -> Payload {
        let same = self.payload.take().filter(|it| Arc::ptr_eq(&it.bytes, bytes));
        let payload = same.unwrap_or_else(|| {
            let opened = self.opener.as_mut().and_then(|opener| opener.open(bytes));
            Payload { opened: opened.map(Arc::new), ..Payload::new(bytes.clone()) }
        });
        self.payload = Some(payload.clone());
        Payload { mark, ..payload }
    }

    /// Puts packets under way.
    pub(super) fn dispatch(&mut self, deliveries: Vec<Delivery>) {
        let now = self.now;
        if deliveries.len() <= FEW {
            for Delivery { after, to, packet } in deliveries {
                self.queue.push(now + after, Happening::Arrive(to, packet));
            }
            return;
        }
        let mut landings: Vec<(Time, NodeIndex, Packet)> =
            deliveries.into_iter().map(|it| (now + it.after, it.to, it.packet)).collect();
        landings.sort_by_key(|(at, ..)| *at);
        let first = landings[0].0;
        let (handled, landings) = (Vec::new().into_iter(), landings.into_iter());
        let flight = Flight { handled, landings, singly: 0 };
        self.queue.push(first, Happening::Land(Box::new(flight)));
    }

    /// Counts a signed packet if it carries a question.
    fn mark_group(&mut self, index: NodeIndex, transmit: &Transmit) -> Mark {
        let start = self.node(index).incarnation;
        let ours =
            |asked: &Asked| asked.asker == index && asked.incarnation == start && !asked.is_over();
        if !self.open.iter().filter_map(|number| self.questions.get(number)).any(ours) {
            return Mark::None;
        }
        let Some(GroupFrame::Question(frame)) = self.tap.frame(&transmit.bytes) else {
            return Mark::None;
        };
        let mut open = self.questions.iter_mut().filter(|(_, asked)| ours(asked));
        let request = Some(frame.request);
        let found = open.find(|(_, it)| it.request.is_none() || it.request == request);
        let Some((number, asked)) = found else { return Mark::None };
        asked.request = request;
        if frame.watch.is_some_and(|terms| terms.lease.is_zero()) {
            // The end of a watch, or a lease given back: no round, whatever its number.
            asked.lease_ends += u32::from(matches!(transmit.to, Destination::Group(_)));
            return Mark::None;
        }
        let counts = match transmit.to {
            Destination::Group(_) => &mut asked.to_all,
            Destination::Unicast(_) | Destination::Neighbours => &mut asked.to_one,
        };
        *counts.entry(frame.round).or_default() += 1;
        Mark::Question(*number, frame.round)
    }

    /// Counts a pairwise packet between a node and the asker of an open question.
    fn mark_pair(&mut self, index: NodeIndex, transmit: &Transmit) -> Mark {
        let to = self.recipient(transmit);
        if to.is_some_and(|to| self.outsiders.contains(&to)) && self.is_for_liar(index, transmit) {
            return Mark::Excused;
        }
        let mut marked = Mark::None;
        let start = self.node(index).incarnation;
        for number in self.open.iter().rev() {
            let Some(asked) = self.questions.get_mut(number) else { continue };
            if asked.asker == index && asked.incarnation == start {
                if let Some(to) = to {
                    *asked.pulls.entry(to).or_default() += 1;
                }
                continue;
            }
            if !asked.heard.contains_key(&index) || to.is_some_and(|to| to != asked.asker) {
                continue;
            }
            let party = |index: NodeIndex| {
                let node = &self.nodes[index.0 as usize];
                Some((&*node.credential, node.asker.as_ref()?))
            };
            let (Some(from), Some(to_asker)) = (party(index), party(asked.asker)) else { continue };
            match self.tap.said(&transmit.bytes, from, to_asker) {
                // The ring goes on beside any question.
                Some(PairFrame::Ping(_) | PairFrame::Pong(_)) => continue,
                Some(PairFrame::Reply(reply)) if Some(reply.request) == asked.request => {
                    marked = Mark::Answer(*number);
                }
                Some(_) => {}
                // For a liar that has introduced itself from the asker's address.
                None => continue,
            }
            if to.is_some() {
                *asked.answers.entry(index).or_default() += 1;
            }
        }
        marked
    }

    /// Whose address something goes to, if it goes to one.
    fn recipient(&self, transmit: &Transmit) -> Option<NodeIndex> {
        match transmit.to {
            Destination::Unicast(to) => self.network.owner(&to),
            Destination::Group(_) | Destination::Neighbours => None,
        }
    }

    /// Whether this goes to an outsider and is a copy of what a question says after its rounds, as
    /// the end of a watch: like its rounds, it goes to where a lying member says that it is. Nobody
    /// else says so of an outsider's address.
    fn is_end_gone_astray(&mut self, transmit: &Transmit) -> bool {
        self.recipient(transmit).is_some_and(|to| self.outsiders.contains(&to))
            && self.hostiles.values().any(|it| it.party().is_some())
            && matches!(self.tap.frame(&transmit.bytes), Some(GroupFrame::Question(_)))
    }

    /// Whether what a node sends is sealed for a lying member, be it silent by then.
    fn is_for_liar(&mut self, index: NodeIndex, transmit: &Transmit) -> bool {
        let node = &self.nodes[index.0 as usize];
        let Some(process) = &node.asker else { return false };
        let from = (&*node.credential, process);
        let mut liars = self.hostiles.values().filter_map(Hostile::party);
        liars.any(|liar| self.tap.said(&transmit.bytes, from, liar).is_some())
    }

    /// An endpoint tells its shell something: the shell of the simulator answers.
    fn on_event(&mut self, index: NodeIndex, event: Event) {
        if let Event::Presence(presence) = event {
            self.on_presence(index, &presence);
            return;
        }
        let text = format!("{event:?}");
        let nodes = &self.nodes;
        let entry = [&index.0.to_le_bytes()[..], text.as_bytes()].concat();
        self.trace.note(self.now, &entry, || {
            format!(
                "{}: {}",
                nodes[index.0 as usize].name,
                text.chars().take(200).collect::<String>()
            )
        });
        let start = self.node(index).incarnation;
        match event {
            Event::Reply(id, reply) => self.on_reply(index, id, reply),
            Event::Schema(id, node, schema) => {
                let found = self.find(&node).map(|it| self.node(it)).filter(|it| !it.hostile);
                let right = found.is_none_or(|it| it.model.schema() == *schema);
                self.insist(right, || format!("{node} is told to have another schema"));
                let (outcome, by_multicast) = (Outcome::Values(Vec::new()), false);
                self.on_reply(index, id, Reply { node, outcome, by_multicast });
            }
            Event::Done(id, report) => self.on_done(index, id, report),
            Event::Failed(id, error) => {
                if let Some(asked) = self.question_of(index, id) {
                    asked.failed = Some(error);
                    self.open.retain(|number| *number != id.0);
                }
            }
            Event::Pong(name, after) => {
                let pinged = self.pinged.contains(&(index, name.clone()));
                self.insist(pinged, || format!("a pong of {name}, which was not pinged"));
                self.pongs.push((index, name, after));
            }
            Event::Sample(id, wanted) => {
                let reads = wanted.touches("app.load");
                let at = self.now + if reads { self.node(index).pace.sample } else { Time::ZERO };
                self.queue.push(at, Happening::Sample(index, start, id, reads));
            }
            Event::Set(id, order) => {
                let at = self.now + self.node(index).pace.write / 2;
                self.queue.push(at, Happening::Store(index, start, id, Box::new(order)));
            }
            Event::Members(list) => self.on_members(index, list.version()),
            Event::Watch(id, event) => self.on_watch(index, id, event),
            Event::Presence(_)
            | Event::SchemaLearned(..)
            | Event::Duplicate(_)
            | Event::NewerVersion(..)
            | Event::Unheard => {}
        }
    }

    fn on_reply(&mut self, index: NodeIndex, id: QuestionId, reply: Reply) {
        let (now, name) = (self.now, reply.node.clone());
        let Some(asked) = self.question_of(index, id) else {
            self.violate(format!("{name} is told of for a question that was not asked"));
            return;
        };
        let wrong = if asked.reply(&name).is_some() {
            Some("twice")
        } else if asked.report.is_some() {
            Some("after the report")
        } else {
            None
        };
        asked.replies.push((now, reply.clone()));
        if self.questions.get(&id.0).is_some_and(|it| it.question.is_watch()) {
            let found = oracle::watch::at_reply(self, id.0, &reply);
            found.into_iter().for_each(|what| self.violate(format!("watch {}: {what}", id.0)));
        }
        if let Some(wrong) = wrong {
            self.violate(format!("question {}: {name} is told of {wrong}", id.0));
        }
    }

    /// A node hears of another's presence.
    fn on_presence(&mut self, index: NodeIndex, presence: &Presence) {
        // There are very many in a large realm: no text is made of them for the trace.
        let mut entry = [0; 21];
        entry[..4].copy_from_slice(&index.0.to_le_bytes());
        entry[4..20].copy_from_slice(&presence.id.0);
        entry[20] = presence.state as u8;
        let nodes = &self.nodes;
        self.trace
            .note(self.now, &entry, || format!("{}: {presence:?}", nodes[index.0 as usize].name));
        if presence.state == State::Gone
            && let Some(node) = self.find(&presence.name)
        {
            let endpoint = self.node(node).endpoint().filter(|_| self.node(node).is_up());
            let runs = endpoint.is_some_and(|it| Some(it.sender()) == presence.sender);
            let lives = runs && self.network.faults.joined(index, node);
            self.gone.push(Gone { at: self.now, observer: index, node, lives });
        }
    }

    fn on_watch(&mut self, index: NodeIndex, id: QuestionId, event: WatchEvent) {
        if self.question_of(index, id).is_none() {
            self.violate("a watch speaks that was not begun");
            return;
        }
        let found = oracle::watch::at_event(self, id.0, &event);
        found.into_iter().for_each(|what| self.violate(format!("watch {}: {what}", id.0)));
    }

    fn on_members(&mut self, index: NodeIndex, version: u64) {
        let node = self.node_mut(index);
        let before = std::mem::replace(&mut node.members_version, version);
        let name = node.name.clone();
        if version <= before {
            self.violate(format!("{name} went from member list {before} back to {version}"));
        }
        if self.realm.list(version).is_none() {
            self.violate(format!("{name} took a member list {version} that was never signed"));
        }
    }

    fn on_done(&mut self, index: NodeIndex, id: QuestionId, report: Report) {
        let now = self.now;
        let Some(asked) = self.question_of(index, id) else {
            self.violate("a question ended that was not asked");
            return;
        };
        let twice = asked.report.is_some();
        asked.report = Some((now, report));
        self.open.retain(|number| *number != id.0);
        if twice {
            self.violate(format!("question {} ended twice", id.0));
        }
        let found = oracle::at_report(self, id.0);
        found.into_iter().for_each(|what| self.violate(format!("question {}: {what}", id.0)));
    }

    /// The record of a question of this process.
    fn question_of(&mut self, index: NodeIndex, id: QuestionId) -> Option<&mut Asked> {
        let start = self.node(index).incarnation;
        let asked = self.questions.get_mut(&id.0)?;
        (asked.asker == index && asked.incarnation == start).then_some(asked)
    }

    /// The shell refreshes what a question is going to read.
    pub(super) fn sample(&mut self, index: NodeIndex, start: u64, id: SampleId, reads: bool) {
        if !self.is_running(index, start) {
            return;
        }
        if self.defer_while_paused(index, |it| Happening::Sample(it, start, id, reads)) {
            return;
        }
        if reads {
            let at = self.now;
            let node = self.node_mut(index);
            let wall = node.now(at).wall;
            let update = node.model.sample(at, wall);
            update.into_iter().for_each(|update| self.update(index, update));
        }
        self.feed(index, Input::Sampled(id));
    }

    /// The shell writes settings; the answer takes as long again.
    pub(super) fn store(&mut self, index: NodeIndex, start: u64, id: SetId, order: &SetOrder) {
        if !self.is_running(index, start) {
            return;
        }
        let again = order.clone();
        if self.defer_while_paused(index, |it| Happening::Store(it, start, id, Box::new(again))) {
            return;
        }
        let at = self.now;
        let node = self.node_mut(index);
        let results = node.store.apply(at, order);
        let answered_at = at + node.pace.write / 2;
        let wall = node.now(at).wall;
        let mut updates = Vec::new();
        for (name, _) in &order.assignments {
            let Some(kept) = node.store.kept(name).cloned() else { continue };
            let text = name.to_string();
            let last = node.model.history(&text).last();
            if last.is_some_and(|held| held.version == Some(kept.version)) {
                continue;
            }
            updates.extend(node.model.hold(at, wall, text, kept.value, Some(kept.version)));
        }
        updates.into_iter().for_each(|update| self.update(index, update));
        self.queue.push(answered_at, Happening::Stored(index, start, id, results));
    }

    /// A node's counter goes up by itself.
    pub(super) fn tick(&mut self, index: NodeIndex, start: u64) {
        let Some(interval) = self.tick.filter(|_| self.is_running(index, start)) else { return };
        let at = self.now;
        let node = self.node_mut(index);
        let next = at + interval / 2 + node.random.duration(interval);
        if !node.paused {
            let wall = node.now(at).wall;
            let update = node.model.tick(at, wall);
            update.into_iter().for_each(|update| self.update(index, update));
        }
        self.queue.push(next, Happening::Tick(index, start));
    }

    /// Whether the process that was meant still runs.
    pub(super) fn is_running(&self, index: NodeIndex, start: u64) -> bool {
        let node = self.node(index);
        node.endpoint.is_some() && node.incarnation == start
    }

    /// Puts something off for a stopped process; whether it was.
    pub(super) fn defer_while_paused(
        &mut self,
        index: NodeIndex,
        happening: impl FnOnce(NodeIndex) -> Happening,
    ) -> bool {
        let paused = self.node(index).paused;
        if paused {
            self.queue.push(self.now + PAUSED_RETRY, happening(index));
        }
        paused
    }

    /// Notes for all open questions that something happened to this node.
    pub(super) fn disturb(&mut self, index: NodeIndex) {
        for number in &self.open {
            if let Some(asked) = self.questions.get_mut(number) {
                asked.disturbed.insert(index);
            }
        }
    }

    /// Notes for all open questions that something happened to the network.
    pub(super) fn disturb_all(&mut self) {
        let all: Vec<NodeIndex> = self.nodes().map(|(index, _)| index).collect();
        all.into_iter().for_each(|index| self.disturb(index));
    }
}

#[cfg(test)]
mod tests;
