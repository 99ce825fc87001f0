//! The world: virtual time, nodes, a network between them, and a script of what goes wrong.
//!
//! Start at [`World`]; [`script`] lists what can be made to happen. Endpoints are driven in
//! `drive`, many at once in `together`, and judged by the crate's oracles.

mod drive;
pub mod script;
mod together;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddrV6;
use std::sync::Arc;
use std::time::Duration;

use lcast_proto::config::Config;
use lcast_proto::endpoint::Endpoint;
use lcast_proto::io::{Destination, Event, Input, Output, Transmit};
use lcast_proto::keys::Credential;
use lcast_proto::name::Name;
use lcast_proto::opened::Opener;
use lcast_proto::question::report::{Outcome, Reply, Report, SetResult};
use lcast_proto::question::watching::WatchEvent;
use lcast_proto::question::{QuestionId, SampleId, SetId, SetOrder};
use lcast_proto::time::{Instant, Now};
use lcast_proto::value::Value;
use lcast_proto::variable::{Definition, Update};
use lcast_proto::wire::frame::GroupFrame;
use lcast_proto::wire::header::PacketKind;

use crate::fault::{Conditions, Firewall};
use crate::hostile::Hostile;
use crate::model::Model;
use crate::net::{Delivery, Network, NodeIndex, Packet, Payload, Segment, Sent, unique_local};
use crate::node::{Node, Pace};
use crate::oracle;
use crate::question::{Asked, Question, QuestionNumber};
use crate::queue::{Order, Queue, Time};
use crate::random::Random;
use crate::realm::{Person, Realm};
use crate::store::Store;
use crate::tap::{Asker, Mark, Tap};
use crate::trace::Trace;
use crate::watch::View;
use script::Change;
use together::{Handled, Wants};

/// A simulated realm in a simulated network.
pub struct World {
    /// The network, for conditions and numbers.
    pub network: Network,
    /// The realm, for lists and people.
    pub realm: Realm,
    seed: u64,
    now: Time,
    queue: Queue<Happening>,
    /// Nothing later than this may happen.
    until: Time,
    /// Nobody looks at the world, or changes it, before this.
    unwatched_until: Time,
    threads: usize,
    nodes: Vec<Node>,
    /// The first node of each name.
    names: BTreeMap<String, NodeIndex>,
    questions: BTreeMap<QuestionNumber, Asked>,
    /// The last questions that are not over.
    open: VecDeque<QuestionNumber>,
    pinged: BTreeSet<(NodeIndex, String)>,
    pongs: Vec<(NodeIndex, String, Duration)>,
    gone: Vec<Gone>,
    violations: Vec<String>,
    tap: Tap,
    /// Finds out once what the bytes of a packet to everybody are worth.
    opener: Option<Opener>,
    /// What was sent last: copies of it may follow.
    payload: Option<Payload>,
    trace: Trace,
    /// Packets that nodes handled ahead of time, many at once.
    handled_together: usize,
    tick: Option<Duration>,
    linked: bool,
    bulk: u32,
    random: Random,
    captured: VecDeque<Packet>,
    outsiders: BTreeSet<NodeIndex>,
    /// How many packets of each node went astray, to an outsider.
    astray: BTreeMap<NodeIndex, u32>,
    hostiles: BTreeMap<NodeIndex, Hostile>,
}

/// A node that came to hold another gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    /// When.
    pub at: Time,
    /// Which node holds it gone.
    pub observer: NodeIndex,
    /// Which one is held gone.
    pub node: NodeIndex,
    /// Whether the process that is held gone was running, and could be heard.
    pub lives: bool,
}

/// What a world begins with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many agents run: `a0001` and so on. Odd ones are labelled `role=web`, even ones `db`.
    pub agents: u32,
    /// How many more agents have a credential but never start: `n0001` and so on.
    pub never: u32,
    /// How many more agents are lying members: `x0001` and so on.
    pub liars: u32,
    /// How many hosts without a credential do what they can.
    pub outsiders: u32,
    /// How many clients with role `operator` there are: `c0001` and so on.
    pub clients: u32,
    /// How many values each agent has besides the usual ones.
    pub bulk: u32,
    /// How often each agent's `app.ticks` counts up.
    pub tick: Option<Duration>,
    /// What the network is like.
    pub conditions: Conditions,
    /// How long after the world's begin agents start, at most.
    pub spread: Duration,
    /// Whether agents know of a link when they start. Where they do not, they hear everybody and
    /// say nothing until [`Change::Link`].
    pub linked: bool,
    /// Whether what a packet to everybody is worth is found out once and remembered, rather than
    /// by every node that hears it. But for the bounds on certificates, no node can tell.
    pub opens_once: bool,
    /// How many threads handle packets to everybody. The same happens with any number.
    pub threads: usize,
}

/// Things to come.
enum Happening {
    Arrive(NodeIndex, Packet),
    Land(Box<Flight>),
    Work(NodeIndex),
    Wake(NodeIndex),
    Sample(NodeIndex, u64, SampleId, bool),
    Store(NodeIndex, u64, SetId, Box<SetOrder>),
    Stored(NodeIndex, u64, SetId, Vec<SetResult>),
    Tick(NodeIndex, u64),
    Change(Box<Change>),
}

/// A packet on its way to many.
struct Flight {
    /// Those that have handled it ahead of time, the first first.
    handled: std::vec::IntoIter<Handled>,
    /// When each of the others gets it, the first first.
    landings: std::vec::IntoIter<(Time, NodeIndex, Packet)>,
    /// How many of them get it one by one.
    singly: usize,
}

/// The segment that every node is on unless a scenario says otherwise.
pub const MAIN: Segment = 1;
/// How many packets an eavesdropper keeps.
const CAPTURED_MAX: usize = 10_000;
/// How many of the last questions may still be open.
const OPEN_MAX: usize = 64;
/// How long a stopped process's work is put off each time.
const PAUSED_RETRY: Duration = Duration::from_millis(10);
/// The setting that every agent has.
const GREETING: &str = "app.greeting";
/// More wake-ups than this of one endpoint at one moment: it spins.
const WAKES_MAX: u32 = 1_000;
/// More outputs than this of one endpoint at one moment: it is unbounded.
const OUTPUTS_MAX: usize = 20_000;

impl Default for Setup {
    /// Ten agents and a client on a quiet local network; agents start within a second.
    fn default() -> Self {
        Self {
            agents: 10,
            never: 0,
            liars: 0,
            outsiders: 0,
            clients: 1,
            bulk: 0,
            tick: None,
            conditions: Conditions::lan(),
            spread: Duration::from_secs(1),
            linked: true,
            opens_once: true,
            threads: 1,
        }
    }
}

impl Setup {
    /// The members, those that run first.
    fn people(&self) -> Vec<Person> {
        let role = |number| if number % 2 == 1 { "web" } else { "db" };
        let agents =
            (1..=self.agents).map(|number| Person::agent(&format!("a{number:04}"), role(number)));
        let clients =
            (1..=self.clients).map(|number| Person::client(&format!("c{number:04}"), "operator"));
        let named = |letter, count| {
            (1..=count).map(move |number| Person::agent(&format!("{letter}{number:04}"), "none"))
        };
        let others = named('n', self.never).chain(named('x', self.liars));
        agents.chain(clients).chain(others).collect()
    }
}

impl World {
    /// A world that depends on nothing but this seed and set-up.
    pub fn new(seed: u64, setup: &Setup) -> Self {
        let mut random = Random::new(seed, "realm");
        let mut realm = Realm::new(&mut random);
        let people = setup.people();
        let credentials = realm.enroll(&people);
        let tap = Tap::new(&credentials[0]);
        let mut world = Self {
            network: Network::default(),
            realm,
            seed,
            now: Time::ZERO,
            queue: Queue::default(),
            until: Time::ZERO,
            unwatched_until: Time::ZERO,
            threads: setup.threads,
            nodes: Vec::new(),
            names: BTreeMap::new(),
            questions: BTreeMap::new(),
            open: VecDeque::new(),
            pinged: BTreeSet::new(),
            pongs: Vec::new(),
            gone: Vec::new(),
            violations: Vec::new(),
            tap,
            opener: setup.opens_once.then(|| Opener::new(&credentials[0])),
            payload: None,
            trace: Trace::new(),
            handled_together: 0,
            tick: setup.tick,
            linked: setup.linked,
            bulk: setup.bulk,
            random: Random::new(seed, "network"),
            captured: VecDeque::new(),
            outsiders: BTreeSet::new(),
            astray: BTreeMap::new(),
            hostiles: BTreeMap::new(),
        };
        world.network.faults.everywhere = setup.conditions;
        let mut starts = Random::new(seed, "starts");
        for (person, credential) in people.iter().zip(&credentials) {
            match person.name.as_bytes() {
                [b'n', ..] => {}
                [b'x', ..] => world.add_hostile(person, Some(credential.clone())),
                _ => {
                    let node = world.add(person, credential.clone());
                    let spread = if person.agent { setup.spread } else { Time::ZERO };
                    world.after(starts.duration(spread), Change::Start(node));
                }
            }
        }
        for _ in 0..setup.outsiders {
            world.add_hostile(&Person::client("outsider", ""), None);
        }
        world
    }

    /// Adds a node with this credential, on the main segment, not started.
    pub fn add(&mut self, person: &Person, credential: Arc<Credential>) -> NodeIndex {
        let number = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let index = NodeIndex(number);
        let mut random = Random::new(self.seed, &format!("node {number}"));
        let bulk = if person.agent { self.bulk } else { 0 };
        let model = Model::new(number, bulk, Random::new(self.seed, &format!("model {number}")));
        self.network.attach(index, MAIN);
        self.names.entry(person.name.clone()).or_insert(index);
        self.nodes.push(Node {
            name: person.name.clone(),
            agent: person.agent,
            members_version: credential.members().version(),
            credential,
            model,
            store: Store::default(),
            pace: Pace::default(),
            hostile: false,
            endpoint: None,
            asker: None,
            incarnation: 0,
            paused: false,
            leaving: false,
            skew_ms: 0,
            origin: Duration::from_secs(1) + random.duration(Duration::from_secs(1_000_000)),
            inbox: VecDeque::new(),
            overrun: 0,
            working: false,
            free_at: Time::ZERO,
            wake_at: None,
            wakes: (Time::ZERO, 0),
            random,
        });
        index
    }

    /// The node with this name; the first, when several processes share a credential.
    ///
    /// # Panics
    /// When there is none.
    pub fn node_named(&self, name: &str) -> NodeIndex {
        self.find(name).unwrap_or_else(|| panic!("no node is named {name}"))
    }

    /// The node with this name, if there is one.
    pub(crate) fn find(&self, name: &str) -> Option<NodeIndex> {
        self.names.get(name).copied()
    }

    /// A node.
    pub fn node(&self, index: NodeIndex) -> &Node {
        &self.nodes[index.0 as usize]
    }

    /// How many packets a node has received.
    pub fn received(&self, index: NodeIndex) -> u64 {
        self.node(index).endpoint().map_or(0, |endpoint| endpoint.stats().received)
    }

    /// A node, to set it up.
    pub fn node_mut(&mut self, index: NodeIndex) -> &mut Node {
        &mut self.nodes[index.0 as usize]
    }

    /// All nodes with their indexes.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeIndex, &Node)> {
        (0..).map(NodeIndex).zip(&self.nodes)
    }

    /// The agents' indexes.
    pub fn agents(&self) -> Vec<NodeIndex> {
        self.nodes().filter(|(_, node)| node.agent).map(|(index, _)| index).collect()
    }

    /// The first client.
    pub fn client(&self) -> NodeIndex {
        self.node_named("c0001")
    }

    /// The seed of this world.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Virtual time since the world began.
    pub fn now(&self) -> Time {
        self.now
    }

    /// What happened so far, as a hash and a count.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// How many packets nodes have handled on several threads.
    pub fn handled_together(&self) -> usize {
        self.handled_together
    }

    /// Every question so far.
    pub fn questions(&self) -> &BTreeMap<QuestionNumber, Asked> {
        &self.questions
    }

    /// One question.
    ///
    /// # Panics
    /// When it was not asked.
    pub fn asked(&self, number: QuestionNumber) -> &Asked {
        &self.questions[&number]
    }

    /// Unicast pings that came back: at which node, from whom, after how long.
    pub fn pongs(&self) -> &[(NodeIndex, String, Duration)] {
        &self.pongs
    }

    /// Who came to hold whom gone.
    pub fn gone(&self) -> &[Gone] {
        &self.gone
    }

    /// Every packet that was handled by any endpoint, the last 10,000 of them: what an
    /// eavesdropper has.
    pub fn captured(&self) -> &VecDeque<Packet> {
        &self.captured
    }

    /// Lets something happen a while from here.
    pub fn after(&mut self, after: Duration, change: Change) {
        self.queue.push(self.now + after, Happening::Change(Box::new(change)));
    }

    /// Lets something happen here.
    pub fn change(&mut self, change: Change) {
        self.apply(change);
    }

    /// Lets time pass.
    pub fn run(&mut self, duration: Duration) {
        let until = self.now + duration;
        (self.until, self.unwatched_until) = (until, until);
        while self.queue.next_at().is_some_and(|at| at <= until) {
            self.step();
        }
        self.now = until;
    }

    /// Asks, and lets time pass until the question is over; its number.
    pub fn ask(&mut self, asker: NodeIndex, question: Question) -> QuestionNumber {
        let number = self.put(asker, question);
        self.finish(number);
        number
    }

    /// Asks without waiting; the question's number.
    pub fn put(&mut self, asker: NodeIndex, question: Question) -> QuestionNumber {
        let number = self.next_number();
        self.change(Change::Ask(asker, Box::new(question)));
        number
    }

    /// The number that the next question gets.
    pub fn next_number(&self) -> QuestionNumber {
        self.questions.len() as u64 + 1
    }

    /// Lets time pass until a question is over.
    pub fn finish(&mut self, number: QuestionNumber) {
        let asked = &self.questions[&number];
        let until = asked.at + asked.question.deadline.extended + Duration::from_secs(1);
        (self.until, self.unwatched_until) = (until, Time::ZERO);
        while !self.questions[&number].is_over() && self.now < until {
            let up = self.node(self.questions[&number].asker).is_up();
            if self.queue.is_empty() || !up {
                break;
            }
            self.step();
        }
    }

    /// Agents that start from here on know of their links at once.
    pub fn link_at_start(&mut self) {
        self.linked = true;
    }

    /// Lets counters go up by themselves no longer.
    pub fn stop_ticks(&mut self) {
        self.tick = None;
    }

    /// Notes that something is wrong.
    pub fn violate(&mut self, what: impl Into<String>) {
        let what = what.into();
        if self.violations.len() < 100 {
            self.violations.push(format!("at {:.6} s: {what}", self.now.as_secs_f64()));
        }
    }

    /// Notes that something is wrong unless `right`.
    pub fn insist(&mut self, right: bool, what: impl FnOnce() -> String) {
        if !right {
            self.violate(what());
        }
    }

    /// Notes what a watch, its changes having stopped, has not told rightly.
    pub fn insist_settled(&mut self, number: QuestionNumber) {
        let found = oracle::watch::settled(self, number);
        found.into_iter().for_each(|what| self.violate(format!("watch {number}: {what}")));
    }

    /// What a watch has told, for an oracle to add to it.
    pub(crate) fn view_mut(&mut self, number: QuestionNumber) -> Option<&mut View> {
        self.questions.get_mut(&number).map(|asked| &mut asked.view)
    }

    /// What the oracles found wrong so far.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Looks at everything that can only be judged at the end.
    pub fn conclude(&mut self) {
        let found = oracle::at_end(self);
        found.into_iter().for_each(|what| self.violate(what));
    }

    /// Adds a host on the main segment that wishes the realm ill: a lying member when it has a
    /// credential, else an outsider, whose packets nobody may answer.
    fn add_hostile(&mut self, person: &Person, credential: Option<Arc<Credential>>) {
        // The place of a node needs a credential; an outsider never looks at it.
        let unused = self.nodes[0].credential.clone();
        let index = self.add(person, credential.clone().unwrap_or(unused));
        if credential.is_none() {
            self.outsiders.insert(index);
        }
        self.node_mut(index).hostile = true;
        self.network.listen_to_all(index);
        let address = unique_local(index, MAIN);
        let seed = self.seed.wrapping_add(u64::from(index.0));
        self.hostiles.insert(index, Hostile::new(address, credential, seed));
    }

    /// The next thing happens.
    fn step(&mut self) {
        let Some((at, order, happening)) = self.queue.pop() else { return };
        self.now = at;
        match happening {
            Happening::Arrive(to, packet) => self.arrive(to, packet),
            Happening::Land(flight) => self.land(order, flight),
            Happening::Work(index) => self.work(index),
            Happening::Wake(index) => self.wake(index),
            Happening::Sample(index, start, id, reads) => self.sample(index, start, id, reads),
            Happening::Store(index, start, id, order) => self.store(index, start, id, &order),
            Happening::Stored(index, start, id, results) => {
                if self.is_running(index, start) {
                    self.feed(index, Input::SetDone(id, results));
                }
            }
            Happening::Tick(index, start) => self.tick(index, start),
            Happening::Change(change) => self.apply(*change),
        }
    }
}
