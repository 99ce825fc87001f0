//! A realm's network on this host: all its sockets behind one receive and one send.
//!
//! For the one event loop of an endpoint. Not for more than one task: every method takes it alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime};

use crate::batch::{Batch, DATAGRAMS_MAX, Destination, Entry};
use crate::group::{GROUPS_MAX, Group, GroupOptions, JoinError};
use crate::interfaces::{self, Chosen, Interface, InterfaceWatch, Selection};
use crate::link::{self, Link, LinkInfo};
use crate::neighbours;
use crate::poller::Ready;
use crate::registry::{Peer, Registry, RegistryConfig};
use crate::scope::Scope;
use crate::send::{SendError, SendFailure, SendOutcome, Target};
use crate::socket::{Bound, Role, SocketTable, Token};
use crate::sys::{self, Received};

/// The longest that a datagram is believed to have waited. What seems to have waited for longer may
/// have, on a busy host or one that was suspended, or the wall clock was set: that cannot be told
/// apart, and such a datagram counts as if it had just come.
const WAITED_MAX: Duration = Duration::from_secs(1);

/// How a network is opened.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// The UDP port of the realm: of its groups always, of own addresses where it is free.
    pub port: u16,
    /// How far multicast goes.
    pub scope: Scope,
    /// Which interfaces to use. In [`Scope::Host`] the first usable one of them carries the
    /// realm, since all nodes of a host choose the same.
    pub interfaces: Selection,
    /// Where nodes of this host find each other without multicast; none to leave that out.
    pub registry: Option<RegistryConfig>,
    /// Whether own addresses keep off the realm's port though it is free: for who wants to see what
    /// a firewall does that has let nothing through for this port before.
    pub spare_port: bool,
    /// The receive buffer of each socket in bytes (default 4 MiB). The kernel grants less to
    /// ordinary users (`net.core.rmem_max`); memory is used only while datagrams wait.
    pub receive_buffer: usize,
}

impl NetworkConfig {
    /// The receive buffer unless told otherwise: 4 MiB, over 1,700 full-size replies at the
    /// kernel's price of some 2,300 bytes each.
    pub const RECEIVE_BUFFER: usize = 4 << 20;

    /// A network on this port and scope: all usual interfaces, no registry.
    pub fn new(port: u16, scope: Scope) -> Self {
        let (interfaces, registry) = (Selection::Automatic, None);
        let receive_buffer = Self::RECEIVE_BUFFER;
        Self { port, scope, interfaces, registry, spare_port: false, receive_buffer }
    }
}

/// Why a network cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The kernel has no IPv6, or it is switched off.
    #[error("this host has no IPv6")]
    NoIpv6,
    /// Interfaces cannot be listed or watched.
    #[error("cannot list the network interfaces (is AF_NETLINK forbidden?)")]
    Interfaces(#[source] io::Error),
    /// Sockets cannot be watched: no tokio runtime with I/O, or no descriptors left.
    #[error("cannot watch sockets")]
    Poller(#[source] io::Error),
}

/// Why [`Network::recv`] returned, beside the datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wake {
    /// Interfaces, addresses or multicast routes changed: call [`Network::refresh`]. Changes come
    /// in bursts, so let a tenth of a second pass first.
    pub interfaces_changed: bool,
}

/// Counts since the network was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkStats {
    /// Datagrams passed on.
    pub received: u64,
    /// Copies of datagrams that the kernel took.
    pub sent: u64,
    /// Copies to groups that a firewall of this host forbade (`EPERM`).
    pub forbidden_multicast: u64,
    /// Copies to one address that it forbade.
    pub forbidden_unicast: u64,
    /// Datagrams dropped for being longer than [`DATAGRAM_LEN_MAX`](crate::DATAGRAM_LEN_MAX).
    pub oversize: u64,
    /// Datagrams dropped for coming by a link that is not the realm's, from outside the host in
    /// [`Scope::Host`], or without a source that can be answered.
    pub foreign: u64,
    /// Datagrams that the kernel dropped because a receive buffer was full.
    pub overflow: u64,
    /// The smallest receive buffer that was granted, in the kernel's counting (twice what was
    /// asked for).
    pub receive_buffer_min: usize,
}

/// The sockets of a realm on this host.
pub struct Network {
    config: NetworkConfig,
    table: SocketTable,
    watch: InterfaceWatch,
    links: BTreeMap<u32, Link>,
    groups: BTreeMap<Ipv6Addr, Group>,
    registry: Option<Registry>,
    /// The host's addresses, to hold a host realm to the host.
    own: BTreeSet<Ipv6Addr>,
    /// Interfaces that were removed since the last refresh: their index may come again.
    removed: BTreeSet<u32>,
    absent: Vec<String>,
    settling: bool,
    ready: Vec<Ready>,
    stats: NetworkStats,
}

impl Network {
    /// Opens sockets on the interfaces that there are. A network without any usable interface is
    /// open too, and follows them as they come.
    ///
    /// # Errors
    /// When the kernel lacks IPv6 or netlink, or there is no tokio runtime.
    pub fn open(config: NetworkConfig) -> Result<Self, OpenError> {
        let watch = InterfaceWatch::open().map_err(OpenError::Interfaces)?;
        let table = SocketTable::new().map_err(OpenError::Poller)?;
        table.watch(&watch).map_err(OpenError::Poller)?;
        if let Err(error) = std::net::UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))
            && error.raw_os_error() == Some(libc::EAFNOSUPPORT)
        {
            return Err(OpenError::NoIpv6);
        }
        let mut network = Self {
            config,
            table,
            watch,
            links: BTreeMap::new(),
            groups: BTreeMap::new(),
            registry: None,
            own: BTreeSet::new(),
            removed: BTreeSet::new(),
            absent: Vec::new(),
            settling: false,
            ready: Vec::new(),
            stats: NetworkStats::default(),
        };
        network.refresh().map_err(OpenError::Interfaces)?;
        Ok(network)
    }

    /// Looks at the interfaces again, opens and closes sockets, joins and leaves; says whether the
    /// links changed. Also tries again what failed before.
    ///
    /// # Errors
    /// When interfaces cannot be listed; everything stays as it is.
    pub fn refresh(&mut self) -> io::Result<bool> {
        let all = interfaces::list()?;
        let before = self.links();
        for index in std::mem::take(&mut self.removed) {
            self.close_link(index);
        }
        self.own = all.iter().flat_map(|one| one.addresses.iter().map(|own| own.ip)).collect();
        let Chosen { interfaces: chosen, absent, .. } =
            interfaces::choose(&all, &self.config.interfaces);
        self.absent = absent;
        self.settling = interfaces::is_settling(&chosen);
        let mut kept = BTreeSet::new();
        for interface in &chosen {
            let bound: Vec<Ipv6Addr> = self
                .links
                .get(&interface.index)
                .map_or(Vec::new(), |link| link.addresses().collect());
            let addresses = link::addresses_of(interface, self.config.scope, &bound);
            if self.open_link(interface, &addresses, true) {
                kept.insert(interface.index);
                if self.config.scope == Scope::Host {
                    break;
                }
            }
        }
        if self.config.registry.is_some() || kept.is_empty() {
            for interface in all.iter().filter(|one| !kept.contains(&one.index)) {
                let Some(address) = link::loopback_address(interface) else { continue };
                if self.open_link(interface, &[address], false) {
                    kept.insert(interface.index);
                    break;
                }
            }
        }
        let gone: Vec<u32> =
            self.links.keys().copied().filter(|index| !kept.contains(index)).collect();
        for index in gone {
            self.close_link(index);
        }
        self.follow_groups();
        self.follow_registry();
        Ok(self.links() != before)
    }

    /// How far its packets go.
    pub fn scope(&self) -> Scope {
        self.config.scope
    }

    /// The own address of a link that a sender reaches: of the kind of its own, else the first.
    pub fn local_towards(&self, link: u32, sender: &Ipv6Addr) -> Option<SocketAddrV6> {
        let near = sender.is_unicast_link_local();
        let link = self.links.get(&link)?;
        let mut locals = link.locals(&self.table).map(|(local, _)| local);
        let first = locals.next()?;
        let mut all = std::iter::once(first).chain(locals);
        Some(all.find(|it| it.ip().is_unicast_link_local() == near).unwrap_or(first))
    }

    /// The links in use, by index.
    pub fn links(&self) -> Vec<LinkInfo> {
        self.links.values().map(|link| self.info_of(link)).collect()
    }

    /// The interfaces that were named and are absent or down.
    pub fn absent(&self) -> &[String] {
        &self.absent
    }

    /// Whether an interface will have its first address within a moment, and no other multicasts.
    pub fn is_settling(&self) -> bool {
        self.settling && !self.links.values().any(|link| link.multicast)
    }

    /// Counts since the network was opened.
    pub fn stats(&self) -> NetworkStats {
        let granted = self.table.iter().map(|bound| bound.receive_buffer).min().unwrap_or(0);
        NetworkStats { receive_buffer_min: granted, ..self.stats }
    }

    /// Hears a group on all links, also on those that come later. Without any link it succeeds
    /// and waits.
    ///
    /// # Errors
    /// When the group is not heard on every link. It is remembered and tried again at each
    /// refresh, unless it was of the wrong scope or one too many.
    pub fn join(&mut self, group: Ipv6Addr) -> Result<(), JoinError> {
        if !self.config.scope.holds(&group) {
            return Err(JoinError::WrongScope(group));
        }
        if !self.groups.contains_key(&group) && self.groups.len() >= GROUPS_MAX {
            return Err(JoinError::TooMany);
        }
        let (links, options) = (self.multicast_links(), self.group_options());
        let entry = self.groups.entry(group).or_insert_with(|| Group::new(group));
        let result = entry.follow(&mut self.table, &links, options);
        self.follow_registry();
        result
    }

    /// Stops hearing a group.
    pub fn leave(&mut self, group: Ipv6Addr) {
        if let Some(mut group) = self.groups.remove(&group) {
            group.close(&mut self.table);
        }
    }

    /// Waits until datagrams arrive or interfaces change, and fills `batch` with the datagrams that
    /// wait, at most one batch, fairly shared among the sockets.
    ///
    /// Safe to cancel: a datagram is taken from the kernel only when this returns.
    ///
    /// # Errors
    /// When the kernel fails the poll itself, which leaves no way to go on.
    pub async fn recv(&mut self, batch: &mut Batch) -> io::Result<Wake> {
        loop {
            self.table.wait(&mut self.ready).await?;
            let wake = self.take(batch);
            if !batch.is_empty() || wake != Wake::default() {
                return Ok(wake);
            }
        }
    }

    /// Sends a datagram without waiting.
    pub fn send(&mut self, target: Target, bytes: &[u8]) -> SendOutcome {
        let mut outcome = SendOutcome::default();
        match target {
            Target::Group { group, link } => self.send_group(group, link, bytes, &mut outcome),
            Target::Unicast { from, to } => match self.source_of(from, to) {
                Ok((link, token)) => self.send_one(link, token, to, bytes, &mut outcome),
                Err(error) => outcome.failures.push(SendFailure { link: 0, error }),
            },
        }
        outcome
    }

    /// The addresses in the kernel's neighbour table of a link, with the realm's port: whom to ask
    /// by unicast when no node is known. None in [`Scope::Host`].
    ///
    /// # Errors
    /// When the kernel does not give its table.
    pub fn neighbours(&self, link: u32) -> io::Result<Vec<SocketAddrV6>> {
        if self.config.scope == Scope::Host || !self.links.contains_key(&link) {
            return Ok(Vec::new());
        }
        let scope_id = |ip: &Ipv6Addr| if ip.is_unicast_link_local() { link } else { 0 };
        let found = neighbours::neighbours(link)?;
        let port = self.config.port;
        Ok(found.into_iter().map(|ip| SocketAddrV6::new(ip, port, 0, scope_id(&ip))).collect())
    }

    /// The nodes of this host and realm that are registered, without this one.
    pub fn peers(&mut self) -> &[Peer] {
        self.registry.as_mut().map_or(&[], Registry::peers)
    }

    fn info_of(&self, link: &Link) -> LinkInfo {
        let heard = self.groups.values().all(|group| group.is_joined(link.index));
        LinkInfo {
            index: link.index,
            name: link.name.clone(),
            addresses: link.locals(&self.table).map(|(local, _)| local).collect(),
            multicast: link.multicast && heard,
        }
    }

    /// Opens a link or brings its sockets up to date; says whether it has any.
    fn open_link(
        &mut self,
        interface: &Interface,
        addresses: &[Ipv6Addr],
        multicast: bool,
    ) -> bool {
        let NetworkConfig { port, scope, spare_port, receive_buffer, .. } = self.config;
        let port = if spare_port { 0 } else { port };
        let index = interface.index;
        let link = self.links.entry(index).or_insert_with(|| Link::new(interface, multicast));
        (link.name, link.multicast) = (interface.name.clone(), multicast);
        // An address that cannot be bound at this moment is tried again at the next refresh.
        let _ = link.bind(&mut self.table, addresses, |ip| {
            Bound::unicast(ip, index, port, scope, receive_buffer)
        });
        link.addresses().next().is_some()
    }

    fn close_link(&mut self, index: u32) {
        if let Some(mut link) = self.links.remove(&index) {
            link.close(&mut self.table);
        }
        for group in self.groups.values_mut() {
            group.leave(&mut self.table, index);
        }
    }

    fn multicast_links(&self) -> Vec<u32> {
        self.links.values().filter(|link| link.multicast).map(|link| link.index).collect()
    }

    fn group_options(&self) -> GroupOptions {
        let NetworkConfig { port, scope, receive_buffer, .. } = self.config;
        GroupOptions { scope, port, receive_buffer }
    }

    fn follow_groups(&mut self) {
        let (links, options) = (self.multicast_links(), self.group_options());
        for group in self.groups.values_mut() {
            // What fails shows in the links as not hearing multicast.
            let _ = group.follow(&mut self.table, &links, options);
        }
    }

    /// Keeps the own entry in the registry true: the port at `[::1]`, and whether groups are heard.
    fn follow_registry(&mut self) {
        let Some(config) = &self.config.registry else { return };
        let hears_multicast = self.links.values().any(|link| self.info_of(link).multicast);
        let Some((local, _)) = self.loopback() else {
            self.registry = None;
            return;
        };
        let own = Peer { port: local.port(), hears_multicast };
        // A folder that cannot be written at this moment is tried again at the next refresh.
        match &mut self.registry {
            Some(registry) => registry.update(own),
            None => self.registry = Registry::open(config, own).ok(),
        }
    }

    /// The own socket at `[::1]`.
    fn loopback(&self) -> Option<(SocketAddrV6, (u32, Token))> {
        self.links.values().find_map(|link| {
            let mut locals = link.locals(&self.table);
            let (local, token) = locals.find(|(local, _)| local.ip().is_loopback())?;
            Some((local, (link.index, token)))
        })
    }

    fn send_group(
        &mut self,
        group: Ipv6Addr,
        only: Option<u32>,
        bytes: &[u8],
        outcome: &mut SendOutcome,
    ) {
        let scope = self.config.scope;
        if !scope.holds(&group) {
            let error = SendError::OutsideScope;
            return outcome.failures.push(SendFailure { link: 0, error });
        }
        let links: Vec<(u32, Option<Token>)> = self
            .links
            .values()
            .filter(|link| link.multicast && only.is_none_or(|only| only == link.index))
            .map(|link| (link.index, link.multicast_socket(scope)))
            .collect();
        for (link, token) in links {
            // The interface is the socket's; a scope id is taken for narrow scopes only, and must
            // then agree with it.
            let to = SocketAddrV6::new(group, self.config.port, 0, link);
            match token {
                Some(token) => self.send_one(link, token, to, bytes, outcome),
                None => outcome.failures.push(SendFailure { link, error: SendError::NoLink }),
            }
        }
        let alone = outcome.sent == 0 && !outcome.would_block();
        let loopback =
            self.loopback().filter(|(_, (link, _))| only.is_none_or(|only| only == *link));
        let (Some((local, (link, token))), Some(registry)) = (loopback, &mut self.registry) else {
            if alone && outcome.failures.is_empty() {
                outcome.failures.push(SendFailure { link: 0, error: SendError::NoLink });
            }
            return;
        };
        let wanted: Vec<u16> = registry
            .peers()
            .iter()
            .filter(|peer| alone || !peer.hears_multicast)
            .map(|peer| peer.port)
            .collect();
        for port in wanted {
            let to = SocketAddrV6::new(*local.ip(), port, 0, 0);
            self.send_one(link, token, to, bytes, outcome);
        }
    }

    fn send_one(
        &mut self,
        link: u32,
        token: Token,
        to: SocketAddrV6,
        bytes: &[u8],
        outcome: &mut SendOutcome,
    ) {
        match self.table.send(token, to, bytes) {
            Ok(()) => {
                outcome.sent += 1;
                self.stats.sent += 1;
            }
            Err(error) => {
                if error.raw_os_error() == Some(libc::EPERM) {
                    let multicast = to.ip().is_multicast();
                    self.stats.forbidden_multicast += u64::from(multicast);
                    self.stats.forbidden_unicast += u64::from(!multicast);
                }
                outcome.failures.push(SendFailure { link, error: error.into() });
            }
        }
    }

    /// The link and socket to send from.
    fn source_of(
        &self,
        from: Option<SocketAddrV6>,
        to: SocketAddrV6,
    ) -> Result<(u32, Token), SendError> {
        if to.ip().is_multicast() || !self.is_within(to.ip()) {
            return Err(SendError::OutsideScope);
        }
        if let Some(from) = from {
            let found = self.links.values().find_map(|link| {
                let (_, token) = link.locals(&self.table).find(|(local, _)| *local == from)?;
                Some((link.index, token))
            });
            return found.ok_or(SendError::NoLink);
        }
        if to.ip().is_loopback() {
            return self.loopback().map(|(_, found)| found).ok_or(SendError::NoLink);
        }
        let near = to.ip().is_unicast_link_local();
        self.links
            .values()
            .filter(|link| if near { link.index == to.scope_id() } else { link.multicast })
            .find_map(|link| Some((link.index, link.socket_towards(to.ip())?)))
            .ok_or(SendError::NoLink)
    }

    /// Whether an address may be spoken to: in a host realm only those of the host.
    fn is_within(&self, ip: &Ipv6Addr) -> bool {
        self.config.scope != Scope::Host || ip.is_loopback() || self.own.contains(ip)
    }

    /// Takes what is ready into the batch.
    fn take(&mut self, batch: &mut Batch) -> Wake {
        batch.entries.clear();
        let mut wake = Wake::default();
        let ready = std::mem::take(&mut self.ready);
        let mut used = 0;
        for (position, one) in ready.iter().enumerate() {
            let Some(token) = SocketTable::token_of(*one) else {
                let Self { watch, links, removed, .. } = self;
                wake.interfaces_changed |= watch.drain(|index| {
                    if links.contains_key(&index) {
                        removed.insert(index);
                    }
                });
                continue;
            };
            let share = (DATAGRAMS_MAX - used) / (ready.len() - position);
            used += self.take_from(token, used, share.max(1).min(DATAGRAMS_MAX - used), batch);
        }
        self.ready = ready;
        wake
    }

    /// Takes at most `count` datagrams of one socket into the buffers from `first` on; returns how
    /// many buffers were used.
    fn take_from(&mut self, token: Token, first: usize, count: usize, batch: &mut Batch) -> usize {
        if count == 0 {
            return 0;
        }
        let Self { table, links, own, config, stats, .. } = self;
        let Some(bound) = table.socket_mut(token) else { return 0 };
        let Bound { socket, role, overflow, .. } = bound;
        let (role, host) = (*role, config.scope == Scope::Host);
        let Batch { buffers, entries } = batch;
        let taken =
            sys::receive(socket.as_fd(), &mut buffers[first..first + count], |index, received| {
                stats.overflow += u64::from(overflow.count(received.told.overflow));
                let (link, destination) = arrival(role, &received);
                let source = received.source;
                let inside = !host || source.ip().is_loopback() || own.contains(source.ip());
                let answerable = source.port() != 0 && !source.ip().is_unspecified();
                if received.truncated {
                    stats.oversize += 1;
                } else if !inside || !answerable || !links.contains_key(&link) {
                    stats.foreign += 1;
                } else {
                    stats.received += 1;
                    let (buffer, len) = (first + index, received.len);
                    let overflow = overflow.take();
                    let waited = received.told.arrived.map_or(Duration::ZERO, waited_since);
                    let entry = Entry { buffer, len, source, destination, link, overflow, waited };
                    entries.push(entry);
                }
            });
        // Nothing waits any more, or the kernel reports a fault of the link, which the watch
        // tells as well.
        taken.unwrap_or(0)
    }
}

/// How long a datagram has waited that arrived at this time by the wall clock; nothing when that
/// clock was set meanwhile.
fn waited_since(arrived: SystemTime) -> Duration {
    let waited = arrived.elapsed().unwrap_or_default();
    if waited > WAITED_MAX { Duration::ZERO } else { waited }
}

/// The link that a datagram came by and what it was sent to.
fn arrival(role: Role, received: &Received) -> (u32, Destination) {
    match role {
        Role::Unicast { link, local } => (link, Destination::Unicast(local)),
        Role::Group { group, link } => {
            (received.told.interface.or(link).unwrap_or(0), Destination::Group(group))
        }
    }
}
