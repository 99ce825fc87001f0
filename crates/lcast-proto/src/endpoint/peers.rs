//! The processes that this one speaks with by unicast.

use std::collections::BTreeMap;
use std::time::Duration;

use super::proving::Proofs;
use crate::keys::certificate::Certificate;
use crate::keys::subject::Kind;
use crate::question::Way;
use crate::time::Instant;
use crate::wire::id::SenderId;

/// After how long a client's process that says nothing is forgotten: four leases of a watch.
/// [SEC-46]
const IDLE_MAX: Duration = Duration::from_secs(120);
/// After how long a process is introduced to again, which may have forgotten this one. [SEC-46]
const ACQUAINTED_MAX: Duration = Duration::from_secs(60);
/// How often idle processes are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Processes whose certificate was verified, and the way to them; the longest unused is forgotten.
#[derive(Default)]
pub(super) struct Peers {
    peers: BTreeMap<SenderId, Peer>,
    /// When idle ones were looked for last.
    looked: Option<Instant>,
}

/// Another process.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) certificate: Certificate,
    /// The session key that it announced in a signed packet.
    pub(super) session: Option<[u8; 32]>,
    /// How it was reached last; `None` for this process itself.
    pub(super) way: Option<Way>,
    /// Where it has shown that it receives.
    pub(super) proofs: Proofs,
    /// Whether it was sent this node's certificate.
    pub(super) introduced: bool,
    pub(super) used: Instant,
}

impl Peer {
    /// Whether it may have forgotten this process, which cannot introduce itself: that takes a
    /// session key. [SEC-46]
    pub(super) fn needs_a_question(&self, now: Instant) -> bool {
        self.session.is_none() && now.since(self.used) >= ACQUAINTED_MAX
    }
}

impl Peers {
    /// Most processes remembered; a question of more nodes than that still works, in more rounds.
    pub(super) const CAPACITY_MAX: usize = 16_384;

    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(super) fn peer(&self, sender: &SenderId) -> Option<&Peer> {
        self.peers.get(sender)
    }

    pub(super) fn peer_mut(&mut self, sender: &SenderId) -> Option<&mut Peer> {
        self.peers.get_mut(sender)
    }

    /// Remembers a verified process, keeping what is known of it. Another member's claim to its
    /// sender id changes nothing: [SEC-41].
    pub(super) fn meet(
        &mut self,
        now: Instant,
        sender: SenderId,
        certificate: &Certificate,
        session: Option<[u8; 32]>,
        way: Option<Way>,
    ) {
        if let Some(peer) = self.peers.get_mut(&sender) {
            if peer.certificate.id() != certificate.id() {
                return;
            }
            if certificate.issued() > peer.certificate.issued() {
                peer.certificate = certificate.clone();
            }
            peer.session = session.or(peer.session);
            peer.way = way.or(peer.way);
            peer.used = now;
            return;
        }
        if self.peers.len() >= Self::CAPACITY_MAX {
            self.forget_oldest();
        }
        let certificate = certificate.clone();
        let proofs = Proofs::default();
        let peer = Peer { certificate, session, way, proofs, introduced: false, used: now };
        self.peers.insert(sender, peer);
    }

    /// Forgets the processes of clients that have said nothing for long, and says which. Agents
    /// stay: they are as many as the realm has, and may say nothing for half an hour.
    pub(super) fn forget_idle(&mut self, now: Instant) -> Vec<SenderId> {
        if self.looked.is_some_and(|at| now.since(at) < LOOK_EVERY) {
            return Vec::new();
        }
        self.looked = Some(now);
        let mut forgotten = Vec::new();
        self.peers.retain(|sender, peer| {
            let idle = now.since(peer.used);
            peer.introduced &= idle < ACQUAINTED_MAX;
            let is_client = peer.certificate.kind() == Kind::Client && peer.way.is_some();
            let keep = !is_client || idle < IDLE_MAX;
            if !keep {
                forgotten.push(*sender);
            }
            keep
        });
        forgotten
    }

    /// Forgets the sixteenth of the processes that was not used for longest.
    fn forget_oldest(&mut self) {
        let mut times: Vec<Instant> = self.peers.values().map(|peer| peer.used).collect();
        let place = times.len() / 16;
        let (_, limit, _) = times.select_nth_unstable(place);
        let limit = *limit;
        self.peers.retain(|_, peer| peer.used > limit || peer.way.is_none());
    }
}
