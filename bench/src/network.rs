//! The two network namespaces that `bench/run` makes, and the wire between them.

use std::fs::{self, File};
use std::os::fd::AsFd;

use anyhow::{Context, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The address of the agents' namespace, for whoever connects.
pub(crate) const AGENTS: &str = "fd00:77::1";

/// The address of the far end.
pub(crate) const FAR_END: &str = "fd00:77::2";

/// The card that both ends of the wire have.
const CARD: &str = "eth0";

/// Agents live in the namespace of this process; at the far end of the wire, an asker's packets
/// can be counted from outside.
pub(crate) struct Network {
    here: File,
    far: File,
}

/// What went over the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Packets in both directions.
    pub(crate) packets: u64,
    /// Their bytes, Ethernet headers included.
    pub(crate) bytes: u64,
}

impl Network {
    /// The namespaces as they are.
    pub(crate) fn open() -> anyhow::Result<Self> {
        let far = File::open("/run/netns/far").context("start it by bench/run")?;
        Ok(Self { here: File::open("/proc/thread-self/ns/net")?, far })
    }

    /// Does something at the far end: what it starts, stays there.
    pub(crate) fn at_far_end<T>(&self, work: impl FnOnce() -> T) -> anyhow::Result<T> {
        enter(&self.far)?;
        let result = work();
        enter(&self.here)?;
        Ok(result)
    }

    /// What the card of the far end has counted since it is there.
    pub(crate) fn traffic(&self) -> anyhow::Result<Traffic> {
        let table = self.at_far_end(|| fs::read_to_string("/proc/thread-self/net/dev"))??;
        read_counters(&table).ok_or_else(|| anyhow!("no {CARD} in {table}"))
    }
}

impl Traffic {
    /// What has come since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        let packets = self.packets - earlier.packets;
        Self { packets, bytes: self.bytes - earlier.bytes }
    }
}

fn enter(namespace: &File) -> anyhow::Result<()> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .context("entering a network namespace")
}

/// The counters of the card in the text of `/proc/net/dev`.
fn read_counters(table: &str) -> Option<Traffic> {
    let counters =
        table.lines().find_map(|line| line.trim().strip_prefix(CARD)?.strip_prefix(':'))?;
    let counters: Option<Vec<u64>> =
        counters.split_whitespace().map(|number| number.parse().ok()).collect();
    let counters = counters.filter(|counters| counters.len() == 16)?;
    Some(Traffic { packets: counters[1] + counters[9], bytes: counters[0] + counters[8] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_the_card() {
        let table = "Inter-|   Receive   |  Transmit\n    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n  \
                     eth0:  100 2 0 0 0 0 0 0 50 1 0 0 0 0 0 0\n";
        assert_eq!(read_counters(table), Some(Traffic { packets: 3, bytes: 150 }));
        assert_eq!(read_counters("  lo: 1\n"), None);
        assert_eq!(read_counters("eth0: 1 2 3\n"), None);
        let (earlier, later) = (Traffic::default(), Traffic { packets: 3, bytes: 150 });
        assert_eq!(later.since(earlier), later);
    }
}
