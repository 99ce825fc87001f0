//! Whether a process is where it says.
//!
//! A member signs the addresses that it wants answers at, and can name those of somebody else. One
//! packet goes there for each of its own; for more, it first sends back a token that it finds only
//! in what arrived there. That is the address validation of QUIC (RFC 9000 section 8), by frames
//! that every process answers: ping and pong. [SEC-45]

use std::collections::VecDeque;
use std::net::SocketAddrV6;
use std::time::Duration;

use super::Endpoint;
use crate::question::Way;
use crate::stats::Dropped;
use crate::time::{Instant, Now};
use crate::wire::filter::Filter;
use crate::wire::frame::{PairFrame, PullFrame};
use crate::wire::id::SenderId;

/// Wishes that wait for a proof, of all processes; beyond that the oldest is dropped. [SEC-45]
pub(super) const HELD_MAX: usize = 256;

/// How long a token is given to come back before it is sent once more.
const TOKEN_PATIENCE: Duration = Duration::from_millis(10);

/// The addresses where a process has shown that it receives, and the one where it is asked to.
/// [SEC-45]
#[derive(Clone, Default)]
pub(super) struct Proofs {
    /// The last two: a process on two links is reached now by one, now by the other.
    proven: [Option<SocketAddrV6>; 2],
    open: Option<Open>,
}

/// A token on its way.
#[derive(Clone, Copy)]
struct Open {
    address: SocketAddrV6,
    token: u64,
    sent: Instant,
}

impl Proofs {
    /// Whether the process has shown that it receives at this address.
    pub(super) fn holds(&self, address: &SocketAddrV6) -> bool {
        self.proven.contains(&Some(*address))
    }

    /// The token to send to this address, if it is time to: `fresh`, unless another is under way
    /// there.
    pub(super) fn ask(&mut self, now: Instant, address: SocketAddrV6, fresh: u64) -> Option<u64> {
        let open = self.open.filter(|open| open.address == address);
        if open.is_some_and(|open| now.since(open.sent) < TOKEN_PATIENCE) {
            return None;
        }
        let token = open.map_or(fresh, |open| open.token);
        self.open = Some(Open { address, token, sent: now });
        Some(token)
    }

    /// Takes a token that the process has sent back; the address that it was sent to.
    pub(super) fn prove(&mut self, token: u64) -> Option<SocketAddrV6> {
        let address = self.open.take_if(|open| open.token == token)?.address;
        if !self.holds(&address) {
            self.proven = [Some(address), self.proven[0]];
        }
        Some(address)
    }
}

/// A wish for more than a packet, that waits for a proof.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum HeldWish {
    /// For pages.
    Pull(PullFrame),
    /// For what is known of these nodes.
    Roster(Filter),
}

/// Wishes of processes that have proven no address yet.
#[derive(Default)]
pub(super) struct Held(VecDeque<(SenderId, HeldWish)>);

impl Held {
    /// Keeps a wish; whether an older one had to go.
    pub(super) fn push(&mut self, sender: SenderId, wish: HeldWish) -> bool {
        // Who was told nothing asks again for the same.
        if self.0.iter().any(|(from, held)| *from == sender && *held == wish) {
            return false;
        }
        self.0.push_back((sender, wish));
        self.0.len() > HELD_MAX && self.0.pop_front().is_some()
    }

    /// Takes the wishes of a process.
    pub(super) fn take(&mut self, sender: &SenderId) -> Vec<HeldWish> {
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
    pub(super) fn hold(&mut self, sender: SenderId, wish: HeldWish) {
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

    /// Takes a token that came back, and grants what waited for it; whether it was one of this
    /// process.
    pub(super) fn hear_proof(&mut self, now: Now, sender: SenderId, token: u64) -> bool {
        let peer = self.peers.peer_mut(&sender);
        let Some(address) = peer.and_then(|peer| peer.proofs.prove(token)) else { return false };
        self.answering.proven(sender, &address);
        for wish in self.held.take(&sender) {
            match wish {
                HeldWish::Pull(pull) => self.serve(now, sender, pull),
                HeldWish::Roster(filter) => self.tell_roster(now, sender, &filter),
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddrV6 {
        SocketAddrV6::new(std::net::Ipv6Addr::LOCALHOST, port, 0, 0)
    }

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    /// [SEC-45]
    #[test]
    fn an_address_is_proven_by_the_token_that_was_sent_to_it_last() {
        let mut proofs = Proofs::default();
        assert_eq!(proofs.ask(at(0), address(1), 11), Some(11));
        assert_eq!(proofs.ask(at(9), address(1), 12), None, "it is under way");
        assert_eq!(proofs.ask(at(10), address(1), 13), Some(11), "whichever copy comes back");
        assert_eq!((proofs.prove(12), proofs.holds(&address(1))), (None, false));
        assert_eq!((proofs.prove(11), proofs.prove(11)), (Some(address(1)), None));
        // The token of one address says nothing of another.
        assert_eq!(proofs.ask(at(20), address(2), 21), Some(21));
        assert_eq!(proofs.ask(at(20), address(3), 31), Some(31));
        assert_eq!((proofs.prove(21), proofs.prove(31)), (None, Some(address(3))));
        let held = |proofs: &Proofs| [1, 2, 3, 4].map(|port| proofs.holds(&address(port)));
        assert_eq!(held(&proofs), [true, false, true, false]);
        // Two are remembered.
        proofs.ask(at(30), address(4), 41);
        assert_eq!(proofs.prove(41), Some(address(4)));
        assert_eq!(held(&proofs), [false, false, true, true]);
    }
}
