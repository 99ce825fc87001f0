//! The roster: the member list joined with what was heard of each member.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::circle::Living;
use super::entry::{Entry, Heard, SharedVoice, Shown, ShownProcess, Voice};
use super::ring::AROUND;
use super::signs::{Sign, Signs};
use super::{INTERVAL_MAX, INTERVAL_MIN, silence_max};
use crate::keys::members::{Member, MemberList};
use crate::keys::subject::Kind;
use crate::time::{Instant, Now, Timestamp};
use crate::wire::frame::{Record, SOFTWARE_MAX, clip};
use crate::wire::id::{NodeId, SenderId};

/// The member list in force, and when each member was last heard.
///
/// Every process of a large realm holds one, so it is small: one cache line for each member, in
/// order of id, and a bit for each one that lives.
#[derive(Debug)]
pub struct Roster {
    members: MemberList,
    agents: usize,
    /// One for each rank of the member list.
    slots: Vec<Slot>,
    /// The agents heard here that are neither gone nor left.
    living: Living,
    /// When to look at which member again; at most one time each. Not for mere silence.
    checks: BTreeSet<(Instant, u32)>,
    /// No member that is merely silent changes its state before this.
    silence: Option<Instant>,
    /// Members whose presence has changed since that was last asked for.
    changed: BTreeSet<NodeId>,
    /// Who spread suspicions lately: since when, and how many.
    accusers: BTreeMap<NodeId, (Instant, u32)>,
    /// When this process last went on after a stop: who was silent meanwhile was not heard.
    resumed: Instant,
}

/// What is known of a member.
#[derive(Clone, Debug, Default)]
struct Slot {
    entry: Option<Entry>,
    signs: Signs,
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

/// A process that answers so soon after another of its agent runs beside it: none starts so fast.
/// [PRE-35]
const AT_ONCE: Duration = Duration::from_millis(100);
/// How far the clock of a process that was never heard may be off for some of its words to count.
/// [PRE-24] [PRE-36]
pub const UNHEARD_SKEW: Duration = Duration::from_secs(60);
/// How long a process has to refute a suspicion. [PRE-22]
pub const REFUTABLE: Duration = Duration::from_secs(1);
/// Who was heard as lately as this is not suspected on the word of others. [PRE-24]
const HEARD_LATELY: Duration = Duration::from_millis(1500);
/// Most agents held alive between who suspects and who is suspected. [PRE-25]
pub const BETWEEN_MAX: usize = AROUND;
/// Most suspicions of one member that are looked at in [`ACCUSATIONS_SPAN`]. [PRE-26]
pub const ACCUSATIONS_MAX: u32 = 64;
/// The time over which suspicions are counted. [PRE-26]
pub const ACCUSATIONS_SPAN: Duration = Duration::from_secs(2);

impl Via {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Multicast => "multicast",
            Self::Unicast => "unicast",
            Self::Told => "told",
            Self::Remembered => "remembered",
        }
    }
}

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
    pub fn new(members: MemberList) -> Self {
        let agents = count_agents(&members);
        let slots = vec![Slot::default(); members.members().len()];
        Self {
            living: Living::new(slots.len()),
            members,
            agents,
            slots,
            checks: BTreeSet::new(),
            silence: None,
            changed: BTreeSet::new(),
            accusers: BTreeMap::new(),
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
        let known = Self { resumed: self.resumed, ..Self::new(members) };
        let before = std::mem::replace(self, known);
        let stays = |member: &Member| !member.forgotten;
        for (old, slot) in (0..).zip(before.slots) {
            let Some(id) = before.members.at_rank(old).map(|it| it.id) else { continue };
            let Some(rank) = self.members.rank(&id) else { continue };
            let here = self.members.at_rank(rank).is_some_and(stays);
            let check_at = slot.entry.as_ref().and_then(Entry::check_at);
            self.slots[rank as usize] = slot;
            if !here {
                self.set_check(rank, None);
                continue;
            }
            self.checks.extend(check_at.map(|at| (at, rank)));
            let lived = before.members.position_of(old).is_some_and(|it| before.living.has(it));
            if let Some(position) = self.members.position_of(rank).filter(|_| lived) {
                self.living.insert(position);
            }
        }
        let members = &self.members;
        let changed = before.changed.into_iter();
        self.changed = changed.filter(|id| members.by_id(id).is_some_and(stays)).collect();
        (self.silence, self.accusers) = (before.silence, before.accusers);
        true
    }

    fn entry(&self, id: &NodeId) -> Option<&Entry> {
        self.slots[self.members.rank(id)? as usize].entry.as_ref()
    }

    fn entry_mut(&mut self, id: &NodeId) -> Option<&mut Entry> {
        self.slots[self.members.rank(id)? as usize].entry.as_mut()
    }

    /// What is known of the presence of a member.
    pub fn heard(&self, id: &NodeId) -> Option<Heard> {
        self.entry(id).map(Entry::heard)
    }

    /// The same without when it was heard: for who looks at every packet.
    pub fn voice(&self, id: &NodeId) -> Option<&Voice> {
        self.entry(id).map(Entry::voice)
    }

    /// When a member was last heard; where others told of it, as they say.
    pub fn heard_at(&self, id: &NodeId) -> Option<Instant> {
        self.entry(id).map(Entry::heard_at)
    }

    /// The members of which no process was heard here.
    pub fn unheard(&self) -> impl Iterator<Item = &Member> {
        let unheard = |slot: &Slot| slot.entry.as_ref().is_none_or(|it| it.process().is_none());
        let slots = (0..).zip(&self.slots).filter(move |(_, slot)| unheard(slot));
        slots.filter_map(|(rank, _)| self.members.at_rank(rank))
    }

    /// Notes that a member of the list was heard in a verified packet; `shared` keeps what others
    /// who heard it heard as well. [PRE-4] Whether that refutes a suspicion.
    ///
    /// A process heard again keeps what it said before; another process of the same node starts
    /// afresh.
    pub fn note(&mut self, id: NodeId, heard: Heard, shared: Option<&SharedVoice>) -> bool {
        let Some(rank) = self.members.rank(&id) else { return false };
        let heard = Heard { software: cut(heard.software), ..heard };
        let now = heard.at;
        let slot = &mut self.slots[rank as usize];
        let suspected = slot.entry.as_ref().is_some_and(Entry::is_suspected);
        match &mut slot.entry {
            Some(entry) => entry.note(heard, shared),
            None => {
                let member = self.members.at_rank(rank);
                let agent = member.is_some_and(|it| it.subject.kind == Kind::Agent);
                slot.entry = Some(Entry::new(heard, agent, shared));
            }
        }
        let refuted = suspected && !slot.entry.as_ref().is_some_and(Entry::is_suspected);
        self.review(now, rank);
        refuted
    }

    /// A process of a member told this time, in a packet that counts as heard. [PRE-36]
    pub fn told_time(&mut self, id: &NodeId, sender: SenderId, told: Timestamp) {
        if let Some(entry) = self.entry_mut(id) {
            entry.told_time(sender, told);
        }
    }

    /// Whether a packet that tells this time, and perhaps says goodbye, is one of an ended process
    /// of a living agent. [PRE-36]
    pub fn is_of_the_past(
        &self,
        now: Now,
        (id, sender): (&NodeId, SenderId),
        told: Timestamp,
        left: bool,
    ) -> bool {
        // That nothing is known of its clock is no reason to believe what was kept for long.
        let doubtful = left || told.saturating_add(UNHEARD_SKEW) < now.wall;
        let past = self.entry(id).is_some_and(|it| it.is_of_the_past(sender, told, doubtful));
        past && matches!(self.state(now.instant, id), State::Alive | State::Suspect)
    }

    /// Notes a packet of a member by multicast, and the clock that it told; `newest`: that no later
    /// one of its process was heard. [PRE-11]
    pub fn note_sign(&mut self, now: Now, id: &NodeId, told: Timestamp, newest: bool) {
        if let Some(rank) = self.members.rank(id) {
            self.slots[rank as usize].signs.note(now, told, newest);
        }
    }

    /// Notes that what went by multicast alone reached a member. [PRE-11]
    pub fn note_through(&mut self, now: Instant, id: &NodeId) {
        if let Some(rank) = self.members.rank(id) {
            self.slots[rank as usize].signs.note_through(now);
        }
    }

    /// When multicast last got through between a member and this node, either way.
    pub fn through(&self, id: &NodeId) -> Option<Instant> {
        self.slots[self.members.rank(id)? as usize].signs.through()
    }

    /// The last packet of a member by multicast.
    pub fn sign(&self, id: &NodeId) -> Option<Sign> {
        self.slots[self.members.rank(id)? as usize].signs.sign()
    }

    /// Takes what another member or an earlier process knows of a member that was not heard here.
    /// [PRE-5]
    pub fn tell(&mut self, now: Now, record: &Record, via: Via, teller: Option<NodeId>) {
        let Some(rank) = self.members.rank(&record.id) else { return };
        let member = self.members.at_rank(rank);
        let agent = member.is_some_and(|it| it.subject.kind == Kind::Agent);
        let known = &mut self.slots[rank as usize].entry;
        if known.as_ref().is_some_and(Entry::is_heard_here) {
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
        let entry = known.get_or_insert_with(|| Entry::new(heard.clone(), agent, None));
        match via {
            Via::Remembered => entry.remember(heard),
            Via::Multicast | Via::Unicast | Via::Told => entry.tell(heard, teller, ended),
        }
        self.review(now.instant, rank);
    }

    /// Suspects a process of a member that was heard here, or told of: this process finds that it
    /// does not answer. [PRE-21]
    pub fn suspect(&mut self, now: Instant, id: &NodeId, process: SenderId) -> bool {
        let Some(rank) = self.members.rank(id) else { return false };
        let Some(entry) = &mut self.slots[rank as usize].entry else { return false };
        let meant = entry.process().is_none_or(|sender| sender == process);
        let ended = matches!(entry.state(now, self.resumed), State::Gone | State::Left);
        if !meant || ended {
            return false;
        }
        let news = entry.suspect(now + REFUTABLE);
        self.review(now, rank);
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
        if !self.entry(accuser).is_some_and(|it| it.agent) {
            return Err(Unfounded::Suspicion);
        }
        if !self.count_accusation(now, accuser) {
            return Err(Unfounded::Flood);
        }
        let entry = self.entry(id).ok_or(Unfounded::Suspicion)?;
        let lately = entry.is_heard_within(now, HEARD_LATELY);
        if !fresh || lately || !entry.agent || !self.is_near(accuser, id) {
            return Err(Unfounded::Suspicion);
        }
        self.suspect(now, id, process);
        Ok(())
    }

    /// Whether a suspicion that this agent spreads of the receiver itself is looked at: it counts
    /// like those of others. [PRE-26]
    pub fn looks_at(&mut self, now: Instant, accuser: &NodeId) -> bool {
        self.entry(accuser).is_some_and(|it| it.agent) && self.count_accusation(now, accuser)
    }

    /// Counts a suspicion that a member spreads; whether it is none too many. [PRE-26] Who spread
    /// none lately is not remembered.
    fn count_accusation(&mut self, now: Instant, accuser: &NodeId) -> bool {
        let lately = |since: Instant| now.since(since) < ACCUSATIONS_SPAN;
        if !self.accusers.get(accuser).is_some_and(|(since, _)| lately(*since)) {
            self.accusers.retain(|_, (since, _)| lately(*since));
            self.accusers.insert(*accuser, (now, 0));
        }
        let count = self.accusers.get_mut(accuser).map(|(_, count)| count);
        count.is_some_and(|count| {
            *count = count.saturating_add(1);
            *count <= ACCUSATIONS_MAX
        })
    }

    /// Whether at most [`BETWEEN_MAX`] agents held alive stand on the ring between these. [PRE-25]
    fn is_near(&self, from: &NodeId, to: &NodeId) -> bool {
        self.between(from, to).nth(BETWEEN_MAX).is_none()
    }

    /// The agents held alive that stand on the ring after one node and before another.
    pub fn between(&self, from: &NodeId, to: &NodeId) -> impl Iterator<Item = NodeId> {
        let (from, to) = (*from, *to);
        let (start, end) = (self.members.position(&from), self.members.position(&to));
        let between = self.living.between(start, end).filter_map(|position| self.id_at(position));
        between.filter(move |id| *id != from && *id != to)
    }

    /// The agents held alive that follow a node on the ring, nearest first. [PRE-20]
    pub fn successors(&self, of: &NodeId) -> impl Iterator<Item = NodeId> {
        let of = *of;
        let around = self.living.around(self.members.position(&of));
        around.filter_map(|position| self.id_at(position)).filter(move |id| *id != of)
    }

    fn id_at(&self, position: u32) -> Option<NodeId> {
        let rank = self.members.rank_at(position)?;
        self.members.at_rank(rank).map(|member| member.id)
    }

    /// The presence of a member at `now`.
    pub fn state(&self, now: Instant, id: &NodeId) -> State {
        self.entry(id).map_or(State::Never, |entry| entry.state(now, self.resumed))
    }

    /// Whether a member has ended, on better evidence than the word of one other. [QST-17]
    pub fn has_surely_ended(&self, now: Instant, id: &NodeId) -> bool {
        self.entry(id).is_some_and(|entry| entry.has_surely_ended(now, self.resumed))
    }

    /// Whether two processes of this agent are alive at once. [PRE-35]
    pub fn is_twice(&self, now: Instant, id: &NodeId) -> bool {
        self.entry(id).is_some_and(|entry| entry.is_twice(now))
    }

    /// Notes that a process of a member answered what this one asked: it lives, whatever somebody
    /// kept. When another one answered just before, there are two. [PRE-35]
    pub fn note_answer(&mut self, now: Instant, id: &NodeId, before: Option<(SenderId, Instant)>) {
        let Some(entry) = self.entry_mut(id).filter(|it| it.agent) else { return };
        let Some(sender) = entry.answers() else { return };
        if before.is_some_and(|(other, at)| other != sender && now.since(at) < AT_ONCE) {
            self.note_twice(now, id);
        }
    }

    /// The process of a member that answered, and when it was last heard; none where another was
    /// heard since. [PRE-35]
    pub fn answered(&self, id: &NodeId) -> Option<(SenderId, Instant)> {
        self.entry(id).and_then(Entry::answered)
    }

    /// Notes that two processes of an agent spoke at once. [PRE-35]
    fn note_twice(&mut self, now: Instant, id: &NodeId) {
        if let Some(entry) = self.entry_mut(id).filter(|it| it.agent) {
            entry.note_twice(now);
        }
        if let Some(rank) = self.members.rank(id) {
            self.review(now, rank);
        }
    }

    /// This process was stopped until `now`: nobody was silent meanwhile, and who refuted a
    /// suspicion is about to be heard. [PRE-28]
    pub fn resume(&mut self, now: Instant) {
        self.resumed = now;
        for entry in self.slots.iter_mut().filter_map(|slot| slot.entry.as_mut()) {
            if entry.shown.state == State::Suspect {
                entry.put_off(now + REFUTABLE);
            }
        }
    }

    /// When a silent member may change its state next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let check = self.checks.first().map(|(at, _)| *at);
        [check, self.silence].into_iter().flatten().min()
    }

    /// Looks at the members whose time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, rank)) = self.checks.first().copied().filter(|(at, _)| *at <= now) {
            self.set_check(rank, None);
            self.review(now, rank);
        }
        if self.silence.is_some_and(|at| at <= now) {
            self.look_around(now);
        }
    }

    /// Looks at all who are merely silent. Seldom: not before the one heard longest ago is due, as
    /// of the last look.
    fn look_around(&mut self, now: Instant) {
        self.silence = None;
        for rank in 0..u32::try_from(self.slots.len()).unwrap_or(u32::MAX) {
            let Some(entry) = &self.slots[rank as usize].entry else { continue };
            let ended = matches!(entry.shown.state, State::Gone | State::Left | State::Never);
            if !ended && entry.state(now, self.resumed) != entry.shown.state {
                self.review(now, rank);
            } else if !entry.is_special() {
                let next = entry.changes_at(now, self.resumed);
                self.silence = [self.silence, next].into_iter().flatten().min();
            }
        }
    }

    /// Notes when to look at a member again, instead of what was noted before.
    fn set_check(&mut self, rank: u32, at: Option<Instant>) {
        let Some(entry) = &mut self.slots[rank as usize].entry else { return };
        if let Some(before) = entry.check_at() {
            self.checks.remove(&(before, rank));
        }
        entry.set_check_at(at);
        self.checks.extend(at.map(|at| (at, rank)));
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
                    sender: self.entry(&id).and_then(Entry::process),
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
    fn review(&mut self, now: Instant, rank: u32) {
        let Some(position) = self.members.position_of(rank) else { return };
        let Some(entry) = &mut self.slots[rank as usize].entry else { return };
        let state = entry.state(now, self.resumed);
        let lives =
            matches!(state, State::Alive | State::Suspect) && entry.agent && entry.is_heard_here();
        if lives {
            self.living.insert(position);
        } else {
            self.living.remove(position);
        }
        // A client has many processes, and an agent that is there twice speaks by turns.
        let twice = entry.is_twice(now);
        entry.forget_twice(now);
        let shows = entry.process().is_some() && entry.agent && !twice;
        let before = entry.shown;
        let process = if shows { ShownProcess::Present } else { ShownProcess::None };
        let started = shows && before.process != ShownProcess::Present && !before.twice;
        entry.shown = Shown { state, process, twice };
        let next = entry.changes_at(now, self.resumed);
        let (special, noted) = (entry.is_special(), entry.check_at());
        if (before.state, before.twice) != (state, twice) || started {
            self.changed.extend(self.members.at_rank(rank).map(|it| it.id));
        }
        if !special {
            self.silence = [self.silence, next].into_iter().flatten().min();
        } else if next.is_some_and(|next| noted.is_none_or(|at| at > next)) {
            // A later time than the one noted is found out when that comes.
            self.set_check(rank, next);
        }
    }

    /// Entries for others or for the next process: of the members heard here, those that `wanted`
    /// accepts, at most `count_max`.
    pub fn records(
        &self,
        now: Instant,
        count_max: usize,
        mut wanted: impl FnMut(&NodeId, &Heard) -> bool,
    ) -> Vec<Record> {
        let entries = (0..).zip(&self.slots).filter_map(|(rank, slot)| {
            let (entry, id) = (slot.entry.as_ref()?, self.members.at_rank(rank)?.id);
            let heard = entry.heard();
            wanted(&id, &heard).then_some((id, entry, heard))
        });
        let record = |(id, entry, heard): (NodeId, &Entry, Heard)| Record {
            id,
            age: now.since(heard.at),
            address: heard.address,
            interval: heard.interval,
            left: heard.left,
            gone: entry.agent && entry.state(now, self.resumed) == State::Gone,
            software: heard.software,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_takes_a_cache_line() {
        assert_eq!(size_of::<Slot>(), 64);
    }
}
