//! Counters: what went in and out, and each way in which a packet can be wrong.

use std::fmt;

/// Why a datagram was dropped. Each is counted; none is answered but [`Self::Clock`] and
/// [`Self::Costly`], which are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Dropped {
    /// Shorter than a header and tag, or longer than a packet may be.
    Length,
    /// Another protocol, or a newer major version of this one.
    Version,
    /// Sealed under a key of another realm or epoch.
    Key,
    /// It does not open: forged, damaged, or sealed by an outsider.
    Seal,
    /// Our own packet, come back.
    Own,
    /// A packet number that was seen already or is too old to tell.
    Replay,
    /// Signed by a member under a sender id that is not its own.
    Taken,
    /// Its certificate is not from the realm's authority, or is damaged.
    Certificate,
    /// Its sender's certificate has expired or is not valid yet.
    Expired,
    /// Its sender was forgotten by the realm.
    Forgotten,
    /// Its signature does not match.
    Signature,
    /// Well sealed, but its content breaks the format.
    Frame,
    /// Pairwise sealed by a process that this one has not heard of.
    Stranger,
    /// Its sender sends more than it may.
    Flood,
    /// A question from an address that its signed list of reply addresses does not name; or
    /// a packet from an address that nothing is sent to.
    Source,
    /// An answer to no question that is open here.
    Unasked,
    /// A question or announcement stamped over a day away from this clock.
    Clock,
    /// A suspicion that does not count: old, by unicast, or by who has nothing to do with it.
    Suspicion,
    /// A question of a member whose questions have cost more than its share of this node's time.
    Costly,
}

impl Dropped {
    /// Every kind.
    pub const ALL: [Self; 19] = [
        Self::Length,
        Self::Version,
        Self::Key,
        Self::Seal,
        Self::Own,
        Self::Replay,
        Self::Taken,
        Self::Certificate,
        Self::Expired,
        Self::Forgotten,
        Self::Signature,
        Self::Frame,
        Self::Stranger,
        Self::Flood,
        Self::Source,
        Self::Unasked,
        Self::Clock,
        Self::Suspicion,
        Self::Costly,
    ];

    /// The word for it in `librecast.packet.dropped[KIND]`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Version => "version",
            Self::Key => "key",
            Self::Seal => "seal",
            Self::Own => "own",
            Self::Replay => "replay",
            Self::Taken => "taken",
            Self::Certificate => "certificate",
            Self::Expired => "expired",
            Self::Forgotten => "forgotten",
            Self::Signature => "signature",
            Self::Frame => "frame",
            Self::Stranger => "stranger",
            Self::Flood => "flood",
            Self::Source => "source",
            Self::Unasked => "unasked",
            Self::Clock => "clock",
            Self::Suspicion => "suspicion",
            Self::Costly => "costly",
        }
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Counters of one endpoint since it was made.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Datagrams handed out for sending.
    pub sent: u64,
    /// Datagrams that came in.
    pub received: u64,
    /// Datagrams whose origin was verified.
    pub verified: u64,
    /// Datagrams lost in this host's receive buffers.
    pub overruns: u64,
    /// Repeats of messages about watched values that were left out, since more of them waited than
    /// may. [WAT-9]
    pub unrepeated: u64,
    /// Datagrams dropped, by kind.
    dropped: [u64; Dropped::ALL.len()],
}

impl Stats {
    /// How many datagrams were dropped for this reason.
    pub fn dropped(&self, kind: Dropped) -> u64 {
        self.dropped.get(kind as usize).copied().unwrap_or_default()
    }

    pub(crate) fn count(&mut self, kind: Dropped) {
        if let Some(count) = self.dropped.get_mut(kind as usize) {
            *count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_own_counter_and_word() {
        let mut stats = Stats::default();
        let mut words = Vec::new();
        for (index, kind) in Dropped::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
            stats.count(kind);
            assert_eq!(stats.dropped(kind), 1);
            words.push(kind.to_string());
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Dropped::ALL.len());
    }
}
