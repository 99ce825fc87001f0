//! The sockets of a network, how they are opened, and the table that watches them.
//!
//! For `network`. Not for choosing addresses (`link`) or groups (`group`).

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, Socket, Type};

use crate::poller::{Poller, Ready};
use crate::scope::Scope;
use crate::sys;

/// The name of a socket in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Token(u64);

/// What a socket is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    /// Sends, and receives at an own address.
    Unicast { link: u32, local: SocketAddrV6 },
    /// Receives what is sent to a group; by one link only when `link` says so.
    Group { group: Ipv6Addr, link: Option<u32> },
}

/// A socket and what is known about it.
pub(crate) struct Bound {
    pub(crate) socket: UdpSocket,
    pub(crate) role: Role,
    pub(crate) overflow: Overflow,
    /// The size of the receive buffer that was granted, in the kernel's counting.
    pub(crate) receive_buffer: usize,
}

impl Bound {
    /// A socket at an own address, on the realm's port when that is free, else on any. [WIR-12]
    ///
    /// Without `SO_REUSEADDR`: nobody else can then bind the same address and port and take the
    /// datagrams.
    pub(crate) fn unicast(
        ip: Ipv6Addr,
        link: u32,
        port: u16,
        scope: Scope,
        receive_buffer: usize,
    ) -> io::Result<Self> {
        let scope_id = if ip.is_unicast_link_local() { link } else { 0 };
        let socket = new_socket()?;
        let at = |port| SocketAddrV6::new(ip, port, 0, scope_id).into();
        match socket.bind(&at(port)) {
            Err(error) if is_taken(&error) => socket.bind(&at(0))?,
            result => result?,
        }
        // The kernel ignores the interface in a destination above link scope.
        socket.set_multicast_if_v6(link)?;
        socket.set_multicast_hops_v6(u32::from(scope.hop_limit()))?;
        socket.set_multicast_loop_v6(true)?;
        let local = socket.local_addr()?.as_socket_ipv6().ok_or(io::ErrorKind::Unsupported)?;
        Self::new(socket, Role::Unicast { link, local }, receive_buffer)
    }

    /// A socket that receives what is sent to a group, once it has joined it.
    ///
    /// Bound to the group, so that nothing else reaches it, and with `SO_REUSEADDR`, so that every
    /// process of the host can have one. The kernel binds it to the link when there is one.
    pub(crate) fn group(
        group: Ipv6Addr,
        link: Option<u32>,
        port: u16,
        receive_buffer: usize,
    ) -> io::Result<Self> {
        let socket = new_socket()?;
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddrV6::new(group, port, 0, link.unwrap_or(0)).into())?;
        sys::set_receive_packet_info(socket.as_fd())?;
        sys::set_receive_time(socket.as_fd())?;
        Self::new(socket, Role::Group { group, link }, receive_buffer)
    }

    fn new(socket: Socket, role: Role, receive_buffer: usize) -> io::Result<Self> {
        sys::set_receive_overflow(socket.as_fd())?;
        let receive_buffer = raise_buffer(&socket, receive_buffer)?;
        let socket = socket.into();
        Ok(Self { socket, role, overflow: Overflow::default(), receive_buffer })
    }

    /// Joins the socket's group on a link.
    pub(crate) fn join(&self, group: Ipv6Addr, link: u32) -> io::Result<()> {
        match self.socket.join_multicast_v6(&group, link) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(()),
            result => result,
        }
    }

    /// Leaves the socket's group on a link.
    pub(crate) fn leave(&self, group: Ipv6Addr, link: u32) {
        // It fails when the link is gone, and the membership with it.
        let _ = self.socket.leave_multicast_v6(&group, link);
    }
}

/// How many datagrams a socket lost to a full buffer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Overflow {
    /// The kernel's count, which wraps, as last read.
    total: u32,
    /// Lost since the datagram that was passed on last.
    untold: u32,
}

impl Overflow {
    /// Reads the count that came with a datagram; returns how many were lost before it.
    pub(crate) fn count(&mut self, total: Option<u32>) -> u32 {
        let Some(total) = total else { return 0 };
        let lost = total.wrapping_sub(self.total);
        self.total = total;
        self.untold = self.untold.saturating_add(lost);
        lost
    }

    /// What to tell with the datagram that is passed on.
    pub(crate) fn take(&mut self) -> u32 {
        std::mem::take(&mut self.untold)
    }
}

/// Asks for a receive buffer of so many bytes; returns what was granted, in the kernel's counting.
pub(crate) fn raise_buffer(socket: &Socket, bytes: usize) -> io::Result<usize> {
    let forced = rustix::net::sockopt::set_socket_recv_buffer_size_force(socket, bytes);
    if forced.is_err() {
        // Without the privilege the kernel grants what net.core.rmem_max allows.
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.recv_buffer_size()
}

/// A socket that is bound to nothing.
pub(crate) fn new_socket() -> io::Result<Socket> {
    let kind = Type::DGRAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::IPV6, kind, Some(Protocol::UDP))?;
    socket.set_only_v6(true)?;
    Ok(socket)
}

/// Whether a port is somebody else's: in use, or below 1024 and not for this user.
fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

/// The open sockets and the poller that watches them.
pub(crate) struct SocketTable {
    poller: Poller,
    sockets: BTreeMap<Token, Bound>,
    /// Token 0 is left to the caller.
    last: u64,
}

impl SocketTable {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { poller: Poller::new()?, sockets: BTreeMap::new(), last: 0 })
    }

    /// Watches a descriptor that is no socket of the table; it is ready as `None`.
    pub(crate) fn watch(&self, source: impl AsFd) -> io::Result<()> {
        self.poller.add(source, 0)
    }

    pub(crate) fn insert(&mut self, bound: Bound) -> io::Result<Token> {
        self.last += 1;
        self.poller.add(&bound.socket, self.last)?;
        self.sockets.insert(Token(self.last), bound);
        Ok(Token(self.last))
    }

    pub(crate) fn remove(&mut self, token: Token) {
        if let Some(bound) = self.sockets.remove(&token) {
            self.poller.remove(&bound.socket);
        }
    }

    pub(crate) fn socket(&self, token: Token) -> Option<&Bound> {
        self.sockets.get(&token)
    }

    pub(crate) fn socket_mut(&mut self, token: Token) -> Option<&mut Bound> {
        self.sockets.get_mut(&token)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Bound> {
        self.sockets.values()
    }

    /// Sends from a socket, without waiting for room.
    pub(crate) fn send(&self, token: Token, to: SocketAddrV6, bytes: &[u8]) -> io::Result<()> {
        let Some(bound) = self.sockets.get(&token) else {
            return Err(io::Error::from(io::ErrorKind::NotConnected));
        };
        loop {
            match bound.socket.send_to(bytes, to) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until a socket or the watched descriptor is ready. Safe to cancel.
    pub(crate) async fn wait(&mut self, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.poller.wait(ready).await
    }

    /// The socket that is ready, or `None` for the watched descriptor.
    pub(crate) fn token_of(ready: Ready) -> Option<Token> {
        (ready.token != 0).then_some(Token(ready.token))
    }
}
