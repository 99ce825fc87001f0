//! The processes that this one speaks with by unicast.

use std::collections::BTreeMap;
use std::net::SocketAddrV6;
use std::time::Duration;

use crate::keys::certificate::Certificate;
use crate::question::Way;
use crate::time::Instant;
use crate::wire::id::SenderId;

/// Processes whose certificate was verified, and the way to them; the longest unused is forgotten.
#[derive(Default)]
pub(super) struct Peers {
    peers: BTreeMap<SenderId, Peer>,
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

/// How long a token is given to come back before it is sent once more.
const TOKEN_PATIENCE: Duration = Duration::from_millis(10);

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

    /// Forgets the sixteenth of the processes that was not used for longest.
    fn forget_oldest(&mut self) {
        let mut times: Vec<Instant> = self.peers.values().map(|peer| peer.used).collect();
        let place = times.len() / 16;
        let (_, limit, _) = times.select_nth_unstable(place);
        let limit = *limit;
        self.peers.retain(|_, peer| peer.used > limit || peer.way.is_none());
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
