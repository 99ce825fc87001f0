//! The roster: the member list joined with what was heard of each member.

use std::collections::BTreeMap;
use std::net::SocketAddrV6;
use std::sync::Arc;
use std::time::Duration;

use super::{INTERVAL_MAX, INTERVAL_MIN, silence_max};
use crate::keys::members::{Member, MemberList};
use crate::keys::subject::Kind;
use crate::time::{Instant, Now, Timestamp};
use crate::wire::frame::{Record, SOFTWARE_MAX, clip};
use crate::wire::id::{NodeId, SenderId};

/// The member list in force, and when each member was last heard.
#[derive(Debug)]
pub struct Roster {
    members: MemberList,
    agents: usize,
    heard: BTreeMap<NodeId, Heard>,
}

/// What is known of the presence of one member.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// When it was last heard, by the monotonic clock.
    pub at: Instant,
    /// When it was last heard, by the wall clock.
    pub wall: Timestamp,
    /// Where it is reached by unicast, when it said so or was heard from there.
    pub address: Option<SocketAddrV6>,
    /// Its process, when it was heard here.
    pub sender: Option<SenderId>,
    /// How often it announces itself.
    pub interval: Duration,
    /// Whether it said goodbye.
    pub left: bool,
    /// The version of its software; empty when it has not said.
    pub software: Arc<str>,
    /// How this is known.
    pub via: Via,
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
    /// Heard within its intervals.
    Alive,
    /// Silent for over two intervals.
    Suspect,
    /// Silent for over three intervals and a second.
    Gone,
    /// It said goodbye.
    Left,
    /// It was never heard.
    Never,
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
    /// A roster of `members`, none of them heard.
    pub fn new(members: MemberList) -> Self {
        let agents = count_agents(&members);
        Self { members, agents, heard: BTreeMap::new() }
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
        self.heard.retain(|id, _| members.by_id(id).is_some());
        true
    }

    /// What is known of the presence of a member.
    pub fn heard(&self, id: &NodeId) -> Option<&Heard> {
        self.heard.get(id)
    }

    /// Notes that a member of the list was heard in a verified packet. [PRE-4]
    ///
    /// A process heard again keeps what it said before; another process of the same node starts
    /// afresh.
    pub fn note(&mut self, id: NodeId, heard: Heard) {
        if self.members.by_id(&id).is_none() {
            return;
        }
        let heard = Heard { software: cut(heard.software), ..heard };
        let heard = match self.heard.remove(&id) {
            Some(before) if before.sender == heard.sender => merge(before, heard),
            Some(_) | None => heard,
        };
        self.heard.insert(id, heard);
    }

    /// Takes what another member or an earlier process knows, where it is fresher than what is
    /// known and the member was not heard here. [PRE-5]
    pub fn tell(&mut self, now: Now, record: &Record, via: Via) {
        if self.members.by_id(&record.id).is_none() {
            return;
        }
        let at = now.instant - record.age;
        let fresher = match self.heard.get(&record.id) {
            Some(known) => match known.via {
                Via::Multicast | Via::Unicast => false,
                Via::Told | Via::Remembered => known.at < at || known.via == Via::Remembered,
            },
            None => true,
        };
        if !fresher {
            return;
        }
        let heard = Heard {
            at,
            wall: now.wall.saturating_sub(record.age),
            address: record.address,
            sender: None,
            // Hearsay must not make a member alive for ever.
            interval: record.interval.clamp(INTERVAL_MIN, INTERVAL_MAX),
            left: record.left,
            software: cut(record.software.clone()),
            via,
        };
        self.heard.insert(record.id, heard);
    }

    /// The presence of a member at `now`.
    pub fn state(&self, now: Instant, id: &NodeId) -> State {
        let Some(heard) = self.heard.get(id) else {
            return State::Never;
        };
        if heard.left {
            return State::Left;
        }
        let silence = now.since(heard.at);
        if heard.via == Via::Remembered || silence > silence_max(heard.interval) {
            return State::Gone;
        }
        if silence > heard.interval * 2 {
            return State::Suspect;
        }
        State::Alive
    }

    /// Entries for others or for the next process: of the members heard here, those that `wanted`
    /// accepts, at most `count_max`.
    pub fn records(
        &self,
        now: Instant,
        count_max: usize,
        mut wanted: impl FnMut(&NodeId, &Heard) -> bool,
    ) -> Vec<Record> {
        let entries = self.heard.iter().filter(|(id, heard)| wanted(id, heard));
        let record = |(id, heard): (&NodeId, &Heard)| Record {
            id: *id,
            age: now.since(heard.at),
            address: heard.address,
            interval: heard.interval,
            left: heard.left,
            software: heard.software.clone(),
        };
        entries.take(count_max).map(record).collect()
    }
}

/// A process heard again: what the later packet left out stays.
fn merge(before: Heard, heard: Heard) -> Heard {
    Heard {
        address: heard.address.or(before.address),
        software: if heard.software.is_empty() { before.software } else { heard.software },
        left: heard.left || before.left,
        ..heard
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
