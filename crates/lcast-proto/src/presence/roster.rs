//! The roster: the member list joined with what was heard of each member.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::entry::{Entry, Heard};
use super::{INTERVAL_MAX, INTERVAL_MIN, silence_max};
use crate::keys::members::{Member, MemberList};
use crate::keys::subject::Kind;
use crate::time::{Instant, Now};
use crate::wire::frame::{Record, SOFTWARE_MAX, clip};
use crate::wire::id::{NodeId, RealmId, SenderId};

/// The member list in force, and when each member was last heard.
#[derive(Debug)]
pub struct Roster {
    realm: RealmId,
    members: MemberList,
    agents: usize,
    entries: BTreeMap<NodeId, Entry>,
    /// The agents heard here that are neither gone nor left, by their place on the ring.
    living: BTreeSet<(u64, NodeId)>,
    /// When to look at which member again; at most one time each.
    checks: BTreeSet<(Instant, NodeId)>,
    /// Members whose presence has changed since that was last asked for.
    changed: BTreeSet<NodeId>,
    /// When this process last went on after a stop: who was silent meanwhile was not heard.
    resumed: Instant,
}

/// How the presence of a member is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// It was heard here, in a packet to a multicast group.
    Multicast,
    /// It was heard here, in a unicast packet.
    Unicast,
    /// Another member told when it heard it.
    Told,
    /// An earlier process of this node heard it.
    Remembered,
}

/// The presence of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Heard lately, and not suspected. [PRE-3]
    Alive,
    /// Silent for some of its intervals, or said not to answer. [PRE-3] [PRE-21]
    Suspect,
    /// Silent for twice as long, or suspected and not cleared. [PRE-3] [PRE-22]
    Gone,
    /// It said goodbye.
    Left,
    /// It was never heard.
    Never,
}

/// The presence of a member that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Its id.
    pub id: NodeId,
    /// Its certified name.
    pub name: String,
    /// Whether it is there.
    pub state: State,
    /// Its process, when it was heard here. Another one than before: it was started again.
    pub sender: Option<SenderId>,
}

/// Why a suspicion does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfounded {
    /// Who spreads it spreads too many. [PRE-26]
    Flood,
    /// It is old, comes from who has nothing to do with the node, or means a process that is not
    /// known or was heard just now. [PRE-24] [PRE-25]
    Suspicion,
}

/// How long a process has to refute a suspicion. [PRE-22]
pub const REFUTABLE: Duration = Duration::from_secs(1);
/// Who was heard as lately as this is not suspected on the word of others. [PRE-24]
const HEARD_LATELY: Duration = Duration::from_millis(1500);
/// Most agents held alive between who suspects and who is suspected. [PRE-25]
pub const BETWEEN_MAX: usize = 16;
/// Most suspicions of one member that are looked at in [`ACCUSATIONS_SPAN`]. [PRE-26]
pub const ACCUSATIONS_MAX: u32 = 32;
/// The time over which suspicions are counted. [PRE-26]
pub const ACCUSATIONS_SPAN: Duration = Duration::from_secs(4);

impl State {
    /// The word for it on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Suspect => "suspect",
            Self::Gone => "gone",
            Self::Left => "left",
            Self::Never => "never",
        }
    }
}

impl Roster {
    /// A roster of the `members` of a realm, none of them heard.
    pub fn new(realm: RealmId, members: MemberList) -> Self {
        let agents = count_agents(&members);
        Self {
            realm,
            members,
            agents,
            entries: BTreeMap::new(),
            living: BTreeSet::new(),
            checks: BTreeSet::new(),
            changed: BTreeSet::new(),
            resumed: Instant::default(),
        }
    }

    /// The member list in force.
    pub fn members(&self) -> &MemberList {
        &self.members
    }

    /// How many agents the member list expects.
    pub fn agents(&self) -> usize {
        self.agents
    }

    /// Puts a newer member list in force; whether it was newer. [PRE-6] [SEC-33]
    pub fn install(&mut self, members: MemberList) -> bool {
        if members.version() <= self.members.version() {
            return false;
        }
        self.members = members;
        self.agents = count_agents(&self.members);
        let members = &self.members;
        let stays = |id: &NodeId| members.by_id(id).is_some_and(|it| !it.forgotten);
        self.living.retain(|(_, id)| stays(id));
        self.checks.retain(|(_, id)| stays(id));
        self.changed.retain(stays);
        self.entries.retain(|id, _| members.by_id(id).is_some());
        for (_, entry) in self.entries.iter_mut().filter(|(id, _)| !stays(id)) {
            (entry.place, entry.check_at) = (None, None);
        }
        true
    }

    /// What is known of the presence of a member.
    pub fn heard(&self, id: &NodeId) -> Option<&Heard> {
        self.entries.get(id).map(|entry| &entry.heard)
    }

    /// Notes that a member of the list was heard in a verified packet. [PRE-4]
    ///
    /// A process heard again keeps what it said before; another process of the same node starts
    /// afresh.
    pub fn note(&mut self, id: NodeId, heard: Heard) {
        let Some(member) = self.members.by_id(&id) else { return };
        let heard = Heard { software: cut(heard.software), ..heard };
        let now = heard.at;
        match self.entries.get_mut(&id) {
            Some(entry) => entry.note(heard),
            None => {
                let entry = Entry::new(heard, member.subject.kind == Kind::Agent);
                self.entries.insert(id, entry);
            }
        }
        self.review(now, id);
    }

    /// Takes what another member or an earlier process knows of a member that was not heard here.
    /// [PRE-5]
    pub fn tell(&mut self, now: Now, record: &Record, via: Via, teller: Option<NodeId>) {
        let Some(member) = self.members.by_id(&record.id) else { return };
        let agent = member.subject.kind == Kind::Agent;
        if self.entries.get(&record.id).is_some_and(Entry::is_heard_here) {
            return;
        }
        // Hearsay must not make a member alive for ever.
        let interval = record.interval.clamp(INTERVAL_MIN, INTERVAL_MAX);
        let heard = Heard {
            at: now.instant - record.age,
            wall: now.wall.saturating_sub(record.age),
            address: record.address,
            sender: None,
            number: 0,
            interval,
            left: record.left && via == Via::Remembered,
            software: cut(record.software.clone()),
            via,
        };
        let silent = record.age > silence_max(interval);
        let ended = match (record.left, record.gone || silent) {
            (true, _) => Some(State::Left),
            (false, true) => Some(State::Gone),
            (false, false) => None,
        };
        let known = self.entries.entry(record.id);
        let entry = known.or_insert_with(|| Entry::new(heard.clone(), agent));
        match via {
            Via::Remembered => entry.heard = heard,
            Via::Multicast | Via::Unicast | Via::Told => entry.tell(heard, teller, ended),
        }
        self.review(now.instant, record.id);
    }

    /// Suspects a process of a member that was heard here, or told of: this process finds that it
    /// does not answer. [PRE-21]
    pub fn suspect(&mut self, now: Instant, id: &NodeId, process: SenderId) -> bool {
        let Some(entry) = self.entries.get_mut(id) else { return false };
        let meant = entry.heard.sender.is_none_or(|sender| sender == process);
        let ended = matches!(entry.state(now, self.resumed), State::Gone | State::Left);
        if !meant || ended {
            return false;
        }
        let news = entry.suspect(now + REFUTABLE);
        self.review(now, *id);
        news
    }

    /// Takes the suspicion that another member spreads. `fresh`: that it is no replay.
    ///
    /// # Errors
    /// Why it does not count. [PRE-24] [PRE-25] [PRE-26]
    pub fn accuse(
        &mut self,
        now: Instant,
        accuser: &NodeId,
        fresh: bool,
        (id, process): (&NodeId, SenderId),
    ) -> Result<(), Unfounded> {
        let (max, span) = (ACCUSATIONS_MAX, ACCUSATIONS_SPAN);
        let accusing = self.entries.get_mut(accuser).filter(|it| it.agent);
        if !accusing.ok_or(Unfounded::Suspicion)?.accuses(now, max, span) {
            return Err(Unfounded::Flood);
        }
        let entry = self.entries.get(id).ok_or(Unfounded::Suspicion)?;
        let lately = entry.is_heard_here() && now.since(entry.heard.at) < HEARD_LATELY;
        if !fresh || lately || !entry.agent || !self.is_near(accuser, id) {
            return Err(Unfounded::Suspicion);
        }
        self.suspect(now, id, process);
        Ok(())
    }

    /// Whether at most [`BETWEEN_MAX`] agents held alive stand on the ring between these. [PRE-25]
    fn is_near(&self, from: &NodeId, to: &NodeId) -> bool {
        let (start, end) = (self.place(from), self.place(to));
        let on_way = |place: u64| place.wrapping_sub(start) < end.wrapping_sub(start);
        let after = self.around(start).filter(|(_, id)| id != from && id != to);
        after.take(BETWEEN_MAX + 1).take_while(|(place, _)| on_way(*place)).count() <= BETWEEN_MAX
    }

    /// The agents held alive that follow a node on the ring, nearest first. [PRE-20]
    pub fn successors(&self, of: &NodeId) -> impl Iterator<Item = NodeId> {
        let of = *of;
        self.around(self.place(&of)).map(|(_, id)| id).filter(move |id| *id != of)
    }

    /// Once around the living, from a place on.
    fn around(&self, place: u64) -> impl Iterator<Item = (u64, NodeId)> {
        let start = (place, NodeId([0; 16]));
        self.living.range(start..).chain(self.living.range(..start)).copied()
    }

    /// Where a node stands on the ring. [PRE-20]
    fn place(&self, id: &NodeId) -> u64 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.realm.0).update(&id.0);
        let mut first = [0; 8];
        hasher.finalize_xof().fill(&mut first);
        u64::from_be_bytes(first)
    }

    /// The presence of a member at `now`.
    pub fn state(&self, now: Instant, id: &NodeId) -> State {
        self.entries.get(id).map_or(State::Never, |entry| entry.state(now, self.resumed))
    }

    /// Whether a member has ended, on better evidence than the word of one other. [QST-17]
    pub fn has_surely_ended(&self, now: Instant, id: &NodeId) -> bool {
        self.entries.get(id).is_some_and(|entry| entry.has_surely_ended(now, self.resumed))
    }

    /// Whether two processes of this agent are alive at once. [PRE-35]
    pub fn is_twice(&self, now: Instant, id: &NodeId) -> bool {
        self.entries.get(id).is_some_and(|entry| entry.is_twice(now))
    }

    /// Notes that two processes of an agent spoke at once. [PRE-35]
    pub fn note_twice(&mut self, now: Instant, id: &NodeId) {
        if let Some(entry) = self.entries.get_mut(id).filter(|it| it.agent) {
            entry.note_twice(now);
        }
        self.review(now, *id);
    }

    /// This process was stopped until `now`: nobody was silent meanwhile. [PRE-28]
    pub fn resume(&mut self, now: Instant) {
        self.resumed = now;
    }

    /// When a silent member changes its state next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.checks.first().map(|(at, _)| *at)
    }

    /// Looks at the members whose time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, id)) = self.checks.first().copied().filter(|(at, _)| *at <= now) {
            self.checks.remove(&(at, id));
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.check_at = None;
            }
            self.review(now, id);
        }
    }

    /// The next member whose presence has changed.
    pub fn poll_change(&mut self, now: Instant) -> Option<Presence> {
        loop {
            let id = self.changed.pop_first()?;
            if let Some(member) = self.members.by_id(&id) {
                return Some(Presence {
                    id,
                    name: member.subject.name.as_str().to_owned(),
                    state: self.state(now, &id),
                    sender: self.heard(&id).and_then(|it| it.sender),
                });
            }
        }
    }

    /// Forgets what has changed so far: a process begins with what an earlier one knew.
    pub fn forget_changes(&mut self) {
        self.changed.clear();
    }

    /// Brings up to date what follows from an entry: its place among the living, whether it has
    /// changed, and when to look at it again.
    fn review(&mut self, now: Instant, id: NodeId) {
        let place = self.place_if_unknown(&id);
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let state = entry.state(now, self.resumed);
        let lives =
            matches!(state, State::Alive | State::Suspect) && entry.agent && entry.is_heard_here();
        match (lives, entry.place) {
            (true, None) => {
                entry.place = place;
                self.living.extend(place.map(|place| (place, id)));
            }
            (false, Some(place)) => {
                entry.place = None;
                self.living.remove(&(place, id));
            }
            (true, Some(_)) | (false, None) => {}
        }
        // A client has many processes, and an agent that is there twice speaks by turns.
        let twice = entry.is_twice(now);
        let process = entry.heard.sender.filter(|_| entry.agent && !twice);
        let shown = (state, process, twice);
        let (before, other_process) = (entry.shown, process != entry.shown.1);
        let started = other_process && process.is_some() && !before.2;
        if before.0 != state || before.2 != twice || started {
            self.changed.insert(id);
        }
        entry.shown = shown;
        let next = entry.changes_at(now, self.resumed);
        // A later time than the one noted is found out when that comes.
        if let Some(next) = next.filter(|next| entry.check_at.is_none_or(|at| at > *next)) {
            if let Some(at) = entry.check_at.replace(next) {
                self.checks.remove(&(at, id));
            }
            self.checks.insert((next, id));
        }
    }

    fn place_if_unknown(&self, id: &NodeId) -> Option<u64> {
        let entry = self.entries.get(id)?;
        (entry.agent && entry.place.is_none()).then(|| self.place(id))
    }

    /// Entries for others or for the next process: of the members heard here, those that `wanted`
    /// accepts, at most `count_max`.
    pub fn records(
        &self,
        now: Instant,
        count_max: usize,
        mut wanted: impl FnMut(&NodeId, &Heard) -> bool,
    ) -> Vec<Record> {
        let entries = self.entries.iter().filter(|(id, entry)| wanted(id, &entry.heard));
        let record = |(id, entry): (&NodeId, &Entry)| Record {
            id: *id,
            age: now.since(entry.heard.at),
            address: entry.heard.address,
            interval: entry.heard.interval,
            left: entry.heard.left,
            gone: entry.agent && entry.state(now, self.resumed) == State::Gone,
            software: entry.heard.software.clone(),
        };
        entries.take(count_max).map(record).collect()
    }
}

/// A version as long as records have room for.
fn cut(software: Arc<str>) -> Arc<str> {
    match clip(&software, SOFTWARE_MAX) {
        short if short.len() < software.len() => short.into(),
        _ => software,
    }
}

fn count_agents(members: &MemberList) -> usize {
    let is_agent = |member: &&Member| member.subject.kind == Kind::Agent && !member.forgotten;
    members.members().iter().filter(is_agent).count()
}
