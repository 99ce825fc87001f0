//! Received datagrams in memory that is used again and again.
//!
//! For handing what one wake-up brought to the caller without allocating. Not for queueing: a
//! batch is emptied by the next receive.

use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;

/// The longest datagram that is passed on; longer ones are counted and dropped.
pub const DATAGRAM_LEN_MAX: usize = 1152;

/// The most datagrams of one batch.
pub const DATAGRAMS_MAX: usize = 64;

/// Where a datagram was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destination {
    /// One of this process's own addresses.
    Unicast(SocketAddrV6),
    /// A group that was joined.
    Group(Ipv6Addr),
}

/// One received datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// What was sent.
    pub bytes: &'a [u8],
    /// Who sent it; with the scope id when the address is link-local.
    pub source: SocketAddrV6,
    /// The own address or group that it was sent to.
    pub destination: Destination,
    /// The index of the interface that it came in by.
    pub link: u32,
    /// How many datagrams this socket lost to a full buffer since the datagram before.
    pub overflow: u32,
    /// How long it has waited to be taken, as far as the kernel tells: not of unicast.
    pub waited: Duration,
}

/// Datagrams of one wake-up, at most [`DATAGRAMS_MAX`].
pub struct Batch {
    pub(crate) buffers: Box<[[u8; DATAGRAM_LEN_MAX]]>,
    pub(crate) entries: Vec<Entry>,
}

/// A datagram whose bytes are in a buffer of the batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) buffer: usize,
    pub(crate) len: usize,
    pub(crate) source: SocketAddrV6,
    pub(crate) destination: Destination,
    pub(crate) link: u32,
    pub(crate) overflow: u32,
    pub(crate) waited: Duration,
}

impl Batch {
    /// An empty batch with its memory (about 72 KiB).
    pub fn new() -> Self {
        Self {
            buffers: vec![[0; DATAGRAM_LEN_MAX]; DATAGRAMS_MAX].into_boxed_slice(),
            entries: Vec::with_capacity(DATAGRAMS_MAX),
        }
    }

    /// How many datagrams it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The datagrams, in the order of arrival at each socket.
    pub fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        self.entries.iter().map(|entry| Datagram {
            bytes: &self.buffers[entry.buffer][..entry.len],
            source: entry.source,
            destination: entry.destination,
            link: entry.link,
            overflow: entry.overflow,
            waited: entry.waited,
        })
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}
