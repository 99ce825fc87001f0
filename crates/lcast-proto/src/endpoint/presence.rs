//! Noticing who dies: the ring, suspicions, their refutation, and what the shell hears of it.

use std::time::Duration;

use super::Endpoint;
use super::receiving::{Origin, is_same};
use super::sending::Copies;
use crate::io::Event;
use crate::keys::subject::Kind;
use crate::presence::{
    AROUND, Heard, Ring, RingAct, State, TARGETS_MAX, UNHEARD_SKEW, Unfounded, Via, interval,
};
use crate::question::Way;
use crate::stats::Dropped;
use crate::time::{Instant, Now, Timestamp};
use crate::wire::frame::{Announcement, GroupFrame, PairFrame, SuspectFrame};
use crate::wire::id::{NodeId, SenderId};

/// A deadline missed by this much: the process was stopped. [PRE-28]
const STOPPED: Duration = Duration::from_secs(2);
/// A deadline missed by this much: others may miss the process. There is a deadline in each second,
/// so that it was stopped for up to a second more; its predecessors on the ring suspect it after
/// three rounds, and a second later it is gone. [PRE-21] [PRE-28]
const MISSED: Duration = Duration::from_millis(2500);
/// How many packets of its sender may have overtaken a suspicion that counts. [PRE-24]
const OVERTAKEN_MAX: u64 = 64;
/// How soon a second process of this node is not news: the one before may have packets on the way.
/// [PRE-35]
const TWIN_AFTER: Duration = Duration::from_secs(2);
/// How long the shell is not told again of a second process of this node. [PRE-35]
const TWIN_EVERY: Duration = Duration::from_secs(60);

impl Endpoint {
    /// Does what is due of presence.
    pub(super) fn presence_if_due(&mut self, now: Now) {
        self.roster.handle_timeout(now.instant);
        if self.links.is_empty() {
            return;
        }
        self.refute_if_due(now);
        if self.beacons.is_none() {
            return;
        }
        let own = self.own.id();
        let silence = silence(self.roster.agents());
        let peers = &self.peers;
        let may_ping =
            |process: &SenderId| peers.peer(process).is_some_and(|peer| peer.way.is_some());
        let around = (&self.roster, &may_ping as &dyn Fn(&SenderId) -> bool);
        let Some(ring) = self.ring.as_mut().filter(|it| it.due() <= now.instant) else { return };
        let acts = ring.handle_timeout(now.instant, &own, around, silence, &mut self.random);
        for act in acts {
            match act {
                RingAct::Ping { to, token, introduce } => {
                    self.send_pair(to, &PairFrame::Ping(token), introduce, None);
                }
                RingAct::Suspect { node, process, first } => {
                    if first {
                        self.roster.suspect(now.instant, &node, process);
                    }
                    self.send_suspicion(now, node, process);
                }
                RingAct::Announce => {
                    self.beacons.iter_mut().for_each(|it| it.soonest(now.instant));
                }
            }
        }
    }

    /// When something of presence is due.
    pub(super) fn presence_due(&self) -> Option<Instant> {
        let linked = !self.links.is_empty();
        let ring = self.ring.as_ref().filter(|_| linked && self.beacons.is_some());
        let refutation = self.refutation.due().filter(|_| linked);
        let times = [self.roster.poll_timeout(), ring.map(Ring::due), refutation];
        times.into_iter().flatten().min()
    }

    fn send_suspicion(&mut self, now: Now, node: NodeId, process: SenderId) {
        let announcement = self.announcement(now);
        let frame = GroupFrame::Suspect(SuspectFrame { announcement, node, process });
        self.send_group(&frame, Copies::default());
    }

    /// A process that was stopped holds nobody silent who spoke meanwhile, and tells that it goes
    /// on where others may miss it. [PRE-28]
    pub(super) fn notice_stop(&mut self, now: Now) {
        let late = self.poll_timeout().map_or(Duration::ZERO, |due| now.instant.since(due));
        if late <= STOPPED {
            return;
        }
        self.roster.resume(now.instant);
        if let Some(ring) = &mut self.ring {
            ring.absolve(now.instant);
        }
        if let Some(beacons) = self.beacons.as_mut().filter(|_| late > MISSED) {
            beacons.resume(now.instant);
        }
    }

    /// Notes that a node was heard, unless by what a process before its present one said. [PRE-4]
    /// [PRE-36]
    pub(super) fn note(&mut self, origin: &Origin<'_>, heard: Heard) {
        let id = origin.certificate.id();
        if id == self.own.id() {
            // By this clock, which may have been set since the start.
            let began = heard.wall.saturating_sub(heard.at.since(self.started));
            if origin.told.is_none_or(|told| told >= began) {
                self.hear_twin(&heard);
            }
            return;
        }
        let now = Now { instant: heard.at, wall: heard.wall };
        if self.is_of_the_past(now, origin, heard.left) {
            return;
        }
        let refutes = self.roster.note(id, heard, origin.voice);
        if let Some(told) = origin.told {
            self.roster.told_time(&id, origin.sender, told);
        }
        if let Some(ring) = &mut self.ring {
            ring.heard(now.instant, &id, origin.sender, refutes);
        }
    }

    /// Whether somebody kept this packet, a goodbye perhaps: it is of an ended process of a living
    /// agent. [PRE-36]
    pub(super) fn is_of_the_past(&self, now: Now, origin: &Origin<'_>, left: bool) -> bool {
        let process = (&origin.certificate.id(), origin.sender);
        origin.told.is_some_and(|it| self.roster.is_of_the_past(now, process, it, left))
    }

    /// Another process speaks with this node's certificate. A client may have many; an agent has
    /// been cloned. [PRE-35]
    fn hear_twin(&mut self, heard: &Heard) {
        let early = heard.at.since(self.started) < TWIN_AFTER;
        let Some(sender) = heard.sender.filter(|_| !heard.left && !early) else { return };
        if self.own.kind() != Kind::Agent {
            return;
        }
        let told = self.twin.is_some_and(|(told, _)| heard.at.since(told) < TWIN_EVERY);
        let told_at = self.twin.filter(|_| told).map_or(heard.at, |(at, _)| at);
        self.twin = Some((told_at, heard.at));
        if !told {
            self.event(Event::Duplicate(sender));
        }
    }

    /// Whether another process with this node's certificate was heard lately.
    pub(super) fn has_twin(&self, now: Instant) -> bool {
        let lately = crate::presence::lately(interval(self.roster.agents()));
        self.twin.is_some_and(|(_, heard)| now.since(heard) <= lately)
    }

    /// Whether the roster holds this process alive, or merely suspects it.
    pub(super) fn holds_alive(&self, now: Instant, id: &NodeId, process: SenderId) -> bool {
        let known = self.roster.voice(id).is_some_and(|it| it.sender() == Some(process));
        known && matches!(self.roster.state(now, id), State::Alive | State::Suspect)
    }

    /// Keeps an agent that announced itself at hand where it stands so near that one of both may
    /// have to ping the other; whether it does. It is greeted where it may have to ping this one,
    /// and may not know it: it was not held alive before. [PRE-27]
    pub(super) fn meet_neighbour(
        &mut self,
        now: Instant,
        origin: &Origin<'_>,
        told: &Announcement,
        (way, was_alive): (Way, bool),
    ) -> bool {
        let (own, id, process) = (self.own.id(), origin.certificate.id(), origin.sender);
        let is_agent = id != own && origin.certificate.kind() == Kind::Agent;
        if self.ring.is_none() || !is_agent || !self.holds_alive(now, &id, process) {
            return false;
        }
        let before = self.stands_before(&id);
        let near = before || self.roster.between(&own, &id).nth(AROUND - 1).is_none();
        let is_new = !was_alive || self.peers.peer(&process).is_none();
        if near {
            let session = Some(told.session);
            self.peers.meet(now, process, &origin.certificate, session, Some(way));
        }
        if let Some(ring) = self.ring.as_mut().filter(|_| near) {
            ring.announced(now, process);
            if before && is_new {
                ring.greet(now, id, process);
            }
        }
        near
    }

    /// Whether what comes so was said to everybody: by unicast it could be said to some, and
    /// unheard by who is suspected. [PRE-24] [PRE-32]
    pub(super) fn is_for_all(&self, via: Via) -> bool {
        via != Via::Unicast || !self.links.iter().any(|link| link.multicast)
    }

    /// Whether an agent may have to ping this one: it stands among the first before it. [PRE-27]
    pub(super) fn stands_before(&self, id: &NodeId) -> bool {
        self.roster.between(id, &self.own.id()).nth(TARGETS_MAX - 1).is_none()
    }

    /// Takes the claim that a process does not answer. [PRE-22] [PRE-24]
    pub(super) fn hear_suspicion(
        &mut self,
        now: Now,
        origin: &Origin<'_>,
        frame: &SuspectFrame,
    ) -> Result<(), Dropped> {
        self.check_membership(now, &origin.certificate)?;
        let fresh = self.is_fresh(now.wall, origin, frame.announcement.wall);
        let was_alive = self.holds_alive(now.instant, &origin.certificate.id(), origin.sender);
        let heard = self.heard(now, origin);
        self.note(origin, heard);
        let told = &frame.announcement;
        let named = told.addresses.iter().any(|it| is_same(it, &origin.way.to));
        if named && self.is_for_all(origin.via) {
            let way = self.way_to(now.instant, origin.way, &told.addresses);
            self.meet_neighbour(now.instant, origin, told, (way, was_alive));
        }
        if origin.certificate.kind() != Kind::Agent {
            return Err(Dropped::Suspicion);
        }
        if frame.node == self.own.id() {
            // What the others do not look at needs no refutation. An earlier process is not this
            // one; but who has not heard this one holds its node gone.
            let looked_at = self.roster.looks_at(now.instant, &origin.certificate.id());
            if looked_at && self.beacons.is_some() {
                self.refutation.suspected(now.instant);
                self.refute_if_due(now);
            }
            return Ok(());
        }
        if !self.is_for_all(origin.via) {
            return Err(Dropped::Suspicion);
        }
        let accuser = origin.certificate.id();
        let meant = (&frame.node, frame.process);
        self.roster.accuse(now.instant, &accuser, fresh, meant).map_err(|why| match why {
            Unfounded::Flood => Dropped::Flood,
            Unfounded::Suspicion => Dropped::Suspicion,
        })
    }

    /// Whether a suspicion is no replay: among the newest words of a process that was heard before,
    /// or, of one that was not, stamped about now. [PRE-24]
    fn is_fresh(&self, wall: Timestamp, origin: &Origin<'_>, told: Timestamp) -> bool {
        let known = self.roster.voice(&origin.certificate.id());
        match known.filter(|it| it.sender() == Some(origin.sender)) {
            Some(known) => origin.number.saturating_add(OVERTAKEN_MAX) >= known.number(),
            None => {
                told <= wall.saturating_add(UNHEARD_SKEW)
                    && wall <= told.saturating_add(UNHEARD_SKEW)
            }
        }
    }

    /// Says that this process lives, when it was suspected. [PRE-22]
    fn refute_if_due(&mut self, now: Now) {
        if self.links.is_empty() || !self.refutation.take(now.instant) {
            return;
        }
        let interval = interval(self.roster.agents());
        self.send_beacon(now, interval, false);
        if let Some(beacons) = &mut self.beacons {
            beacons.soon(now.instant);
        }
    }

    /// Tells the shell whose presence has changed.
    pub(super) fn tell_presence(&mut self, now: Now) {
        while let Some(presence) = self.roster.poll_change(now.instant) {
            if presence.id != self.own.id() {
                self.event(Event::Presence(presence));
            }
        }
    }
}

/// How long a process may be silent of which only beacons are heard: to the next one at the latest,
/// and some time on the way. [PRE-23]
pub(super) fn silence(agents: usize) -> Duration {
    interval(agents) * 11 / 10 + Duration::from_secs(3)
}
