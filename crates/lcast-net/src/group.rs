//! A joined group: its receiving sockets and the links it is joined on.
//!
//! For following links as they come and go. Not for choosing groups.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv6Addr;

use crate::scope::Scope;
use crate::socket::{Bound, SocketTable, Token};

/// The most groups of one network.
pub const GROUPS_MAX: usize = 256;

/// Why a group is not heard, or not everywhere.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The address is no group of the network's scope.
    #[error("{0} is not a group of the realm's scope")]
    WrongScope(Ipv6Addr),
    /// There are [`GROUPS_MAX`] groups already.
    #[error("more than {GROUPS_MAX} groups")]
    TooMany,
    /// Another program holds the port for itself alone. The group is remembered and tried again at
    /// each refresh.
    #[error("another program holds the port {0} for itself alone")]
    PortTaken(u16),
    /// The kernel refused it on a link. The group is remembered and tried again at each refresh.
    #[error("cannot join on link {link}")]
    Refused {
        /// The index of the link; 0 for all.
        link: u32,
        /// What the kernel said.
        source: io::Error,
    },
}

/// A group and where it is joined.
pub(crate) struct Group {
    group: Ipv6Addr,
    /// Interface-local and link-local groups need a socket for each link, others one for all.
    sockets: Vec<(Option<u32>, Token)>,
    joined: BTreeSet<u32>,
}

/// How the sockets of groups are opened.
#[derive(Clone, Copy)]
pub(crate) struct GroupOptions {
    pub(crate) scope: Scope,
    pub(crate) port: u16,
    pub(crate) receive_buffer: usize,
}

impl Group {
    pub(crate) fn new(group: Ipv6Addr) -> Self {
        Self { group, sockets: Vec::new(), joined: BTreeSet::new() }
    }

    /// Whether it is joined on a link.
    pub(crate) fn is_joined(&self, link: u32) -> bool {
        self.joined.contains(&link)
    }

    /// Joins on links that it is not joined on, and leaves the others.
    ///
    /// # Errors
    /// With the last failure; the other links are joined all the same.
    pub(crate) fn follow(
        &mut self,
        table: &mut SocketTable,
        links: &[u32],
        options: GroupOptions,
    ) -> Result<(), JoinError> {
        let gone: Vec<u32> =
            self.joined.iter().copied().filter(|link| !links.contains(link)).collect();
        for link in gone {
            self.leave(table, link);
        }
        let mut result = Ok(());
        for link in links {
            if self.joined.contains(link) {
                continue;
            }
            match self.join(table, *link, options) {
                Ok(()) => {
                    self.joined.insert(*link);
                }
                Err(source) if source.kind() == io::ErrorKind::AddrInUse => {
                    result = Err(JoinError::PortTaken(options.port));
                }
                Err(source) => result = Err(JoinError::Refused { link: *link, source }),
            }
        }
        result
    }

    /// Forgets a link that was removed, with the socket bound to it.
    pub(crate) fn leave(&mut self, table: &mut SocketTable, link: u32) {
        self.joined.remove(&link);
        self.sockets.retain(|(only, token)| {
            if *only == Some(link) {
                table.remove(*token);
                return false;
            }
            if let (None, Some(bound)) = (only, table.socket(*token)) {
                bound.leave(self.group, link);
            }
            true
        });
    }

    /// Closes its sockets.
    pub(crate) fn close(&mut self, table: &mut SocketTable) {
        for (_, token) in self.sockets.drain(..) {
            table.remove(token);
        }
        self.joined.clear();
    }

    fn join(
        &mut self,
        table: &mut SocketTable,
        link: u32,
        options: GroupOptions,
    ) -> io::Result<()> {
        let only = (!options.scope.is_routed()).then_some(link);
        let known = self.sockets.iter().find(|(bound, _)| *bound == only).map(|(_, token)| *token);
        if let Some(bound) = known.and_then(|token| table.socket(token)) {
            return bound.join(self.group, link);
        }
        let bound = Bound::group(self.group, only, options.port, options.receive_buffer)?;
        bound.join(self.group, link)?;
        self.sockets.push((only, table.insert(bound)?));
        Ok(())
    }
}
