//! Whether a process is where it says.
//!
//! A member signs the addresses that it wants answers at, and can name those of somebody else. One
//! packet goes there for each of its own; for more, it first sends back a token that it finds only
//! in what arrived there. That is the address validation of QUIC (RFC 9000 section 8), by frames
//! that every process answers: ping and pong. [SEC-45]

use std::collections::VecDeque;

use super::Endpoint;
use crate::keys::certificate::Certificate;
use crate::question::Way;
use crate::stats::Dropped;
use crate::time::Now;
use crate::wire::frame::PairFrame;
use crate::wire::id::SenderId;

/// Wishes that wait for a proof, of all processes; beyond that the oldest is dropped. [SEC-45]
pub(super) const HELD_MAX: usize = 256;

/// Wishes for more than a packet, of processes that have proven no address yet.
#[derive(Default)]
pub(super) struct Held(VecDeque<(SenderId, PairFrame)>);

impl Held {
    /// Keeps a wish; whether an older one had to go.
    pub(super) fn push(&mut self, sender: SenderId, wish: PairFrame) -> bool {
        // Who was told nothing asks again for the same.
        if self.0.iter().any(|(from, held)| *from == sender && *held == wish) {
            return false;
        }
        self.0.push_back((sender, wish));
        self.0.len() > HELD_MAX && self.0.pop_front().is_some()
    }

    /// Takes the wishes of a process.
    pub(super) fn take(&mut self, sender: &SenderId) -> Vec<PairFrame> {
        let theirs = self.0.iter().filter(|(from, _)| from == sender);
        let theirs = theirs.map(|(_, wish)| wish.clone()).collect();
        self.0.retain(|(from, _)| from != sender);
        theirs
    }
}

impl Endpoint {
    /// Whether a process has shown that it receives where it is reached. If not, it is asked to, by
    /// a packet that is no larger than what drew it.
    pub(super) fn demand_proof(&mut self, now: Now, sender: SenderId) -> bool {
        if sender == self.sender {
            return true;
        }
        let fresh = self.random.next_u64().max(1);
        let Some(peer) = self.peers.peer_mut(&sender) else { return false };
        let Some(way) = peer.way else { return false };
        if peer.proofs.holds(&way.to) {
            return true;
        }
        if let Some(token) = peer.proofs.ask(now.instant, way.to, fresh) {
            self.send_pair(sender, &PairFrame::Ping(token), false, None);
        }
        false
    }

    /// Keeps a wish of a process until it has shown that it receives.
    pub(super) fn hold(&mut self, sender: SenderId, wish: PairFrame) {
        if self.held.push(sender, wish) {
            self.stats.count(Dropped::Flood);
        }
    }

    /// Has a watcher show that it receives where it is told of changes. [WAT-10]
    pub(super) fn challenge(&mut self, now: Now, watcher: SenderId, way: Way) {
        if let Some(peer) = self.peers.peer_mut(&watcher) {
            peer.used = now.instant;
            peer.way = Some(way);
        }
        if self.demand_proof(now, watcher) {
            self.answering.proven(watcher, &way.to);
        }
    }

    /// Takes a token that came back; whether it was one, of this process.
    pub(super) fn hear_proof(
        &mut self,
        now: Now,
        sender: SenderId,
        certificate: &Certificate,
        token: u64,
    ) -> Result<bool, Dropped> {
        let peer = self.peers.peer_mut(&sender);
        let Some(address) = peer.and_then(|peer| peer.proofs.prove(token)) else {
            return Ok(false);
        };
        self.answering.proven(sender, &address);
        for wish in self.held.take(&sender) {
            self.handle_frame(now, sender, certificate, wish)?;
        }
        Ok(true)
    }
}
