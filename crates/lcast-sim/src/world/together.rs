//! A packet that many nodes get: they handle it together, on several threads, ahead of time.
//!
//! What a node does with a packet depends on nothing but the node, until another node's packet can
//! reach it, which takes as long as the network's shortest delay. So all that get a packet within
//! that time, and before anything else is to happen, may handle it at once. What they then want is
//! carried out one by one, each at its time: exactly the same happens as without.

use super::*;

/// So few are not worth a thread.
const TOGETHER_MIN: usize = 64;

/// A node that has handled a packet ahead of time.
pub(super) struct Handled {
    at: Time,
    index: NodeIndex,
    /// Which start of its process it is.
    incarnation: u64,
    packet: Packet,
    wants: Wants,
}

/// What an endpoint wants after it was fed.
#[derive(Default)]
pub(super) struct Wants {
    pub(super) outputs: Vec<Output>,
    /// What it keeps more of than it may.
    pub(super) grown: Option<String>,
    /// When it wants to be called.
    pub(super) due: Option<Instant>,
}

/// A node that is to handle a packet.
struct Job {
    endpoint: Box<Endpoint>,
    now: Now,
    handled: Handled,
}

impl Wants {
    /// Takes everything that an endpoint wants.
    pub(super) fn of(endpoint: &mut Endpoint) -> Self {
        let outputs: Vec<Output> = std::iter::from_fn(|| endpoint.poll_output()).collect();
        Self { outputs, grown: oracle::grown(endpoint), due: endpoint.poll_timeout() }
    }
}

impl Job {
    fn run(&mut self) {
        self.endpoint.handle_input(self.now, self.handled.packet.input());
        self.handled.wants = Wants::of(&mut self.endpoint);
    }
}

impl Flight {
    /// When the next one gets it.
    pub(super) fn next_at(&self) -> Option<Time> {
        let handled = self.handled.as_slice().first().map(|it| it.at);
        handled.or_else(|| self.landings.as_slice().first().map(|(at, ..)| *at))
    }
}

impl World {
    /// Lets those that get a packet next handle it together, if they are many.
    pub(super) fn handle_ahead(&mut self, flight: &mut Flight) {
        let count = if self.threads > 1 { self.independent(flight) } else { usize::MAX };
        if count < TOGETHER_MIN || self.threads <= 1 {
            flight.singly = count.max(1);
            return;
        }
        let landings = flight.landings.by_ref().take(count);
        let mut jobs: Vec<Job> = landings.filter_map(|it| self.job(it)).collect();
        self.handled_together += jobs.len();
        work_off(&mut jobs, self.threads);
        let handled = jobs.into_iter().map(|Job { endpoint, handled, .. }| {
            self.node_mut(handled.index).endpoint = Some(endpoint);
            handled
        });
        flight.handled = handled.collect::<Vec<_>>().into_iter();
    }

    /// How many of those that get a packet next have nothing to do with each other, and nothing
    /// else to do before.
    fn independent(&self, flight: &Flight) -> usize {
        let landings = flight.landings.as_slice();
        let Some((first, _, packet)) = landings.first() else { return 0 };
        if packet.sent.group.is_none() {
            return 0;
        }
        let reached = *first + self.network.faults.everywhere.delay;
        let next = self.queue.next_at().unwrap_or(Time::MAX);
        let mut seen = vec![false; self.nodes.len()];
        let mut is_independent = |(at, to, _): &&(Time, NodeIndex, Packet)| {
            let before = *at < reached && *at < next && *at <= self.unwatched_until;
            before && self.is_free(*at, *to) && !std::mem::replace(&mut seen[to.0 as usize], true)
        };
        landings.iter().take_while(|it| is_independent(it)).count()
    }

    /// Whether a node would handle a packet to a group the moment it comes.
    fn is_free(&self, at: Time, index: NodeIndex) -> bool {
        let node = self.node(index);
        let idle = !node.working && !node.paused && node.inbox.is_empty() && node.overrun == 0;
        let heard = !node.hostile && self.network.is_open(index);
        idle && heard && node.free_at <= at
    }

    /// What a node is to do with a packet, if it runs.
    fn job(&mut self, (at, index, packet): (Time, NodeIndex, Packet)) -> Option<Job> {
        let node = self.node_mut(index);
        let (endpoint, now) = (node.endpoint.take()?, node.now(at));
        let (incarnation, wants) = (node.incarnation, Wants::default());
        Some(Job { endpoint, now, handled: Handled { at, index, incarnation, packet, wants } })
    }

    /// Carries out what a node wanted that has handled a packet ahead of time: now is that time.
    pub(super) fn take_in(&mut self, handled: Handled) {
        let Handled { index, incarnation, packet, wants, .. } = handled;
        if !self.is_running(index, incarnation) {
            return;
        }
        let now = self.now;
        let node = self.node_mut(index);
        node.free_at = now + node.pace.packet;
        self.note_packet(index, &packet);
        self.carry_out(index, wants);
    }
}

/// Runs jobs on so many threads, of which this is one.
fn work_off(jobs: &mut [Job], threads: usize) {
    let share = jobs.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let mut parts = jobs.chunks_mut(share);
        let own = parts.next();
        for part in parts {
            scope.spawn(|| part.iter_mut().for_each(Job::run));
        }
        own.into_iter().flatten().for_each(Job::run);
    });
}
