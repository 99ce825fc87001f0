//! What the kernel says about IPv6 multicast on this host, for who looks for a fault.
//!
//! For facts that an ordinary user can have without sending anything to others. Not for judging
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::time::Duration;

use socket2::SockRef;

use crate::netlink::{Message, Netlink, attributes, u32_at};
use crate::socket::{self, Bound};

/// The interfaces, by index, that have a route to this group in any of the kernel's tables.
///
/// # Errors
/// When the kernel refuses a netlink socket or its table changes faster than it can be read.
pub fn routes_to(group: &Ipv6Addr) -> io::Result<BTreeSet<u32>> {
    let mut request = [0; ROUTE_HEADER_LEN];
    request[0] = libc::AF_INET6 as u8;
    let mut interfaces = BTreeSet::new();
    Netlink::open()?.dump(libc::RTM_GETROUTE, &request, |message| {
        let route = route_of(message).filter(|it| it.covers(group));
        interfaces.extend(route.map(|it| it.interface));
    })?;
    Ok(interfaces)
}

/// A route that multicast takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MulticastRoute {
    /// The index of the interface that it leaves by.
    interface: u32,
    /// The groups: an address and how many of its first bits count.
    destination: (Ipv6Addr, u8),
}

impl MulticastRoute {
    /// Whether packets to this group take the route, when they are to leave by its interface.
    fn covers(&self, group: &Ipv6Addr) -> bool {
        let (address, length) = self.destination;
        let rest = 128 - u32::from(length.min(128));
        let different = u128::from(address) ^ u128::from(*group);
        different.checked_shr(rest).unwrap_or(0) == 0
    }
}

fn route_of(message: &Message<'_>) -> Option<MulticastRoute> {
    let length = *message.body.get(1)?;
    let kind = *message.body.get(7)?;
    if message.kind != libc::RTM_NEWROUTE || ![UNICAST, LOCAL, MULTICAST].contains(&kind) {
        return None;
    }
    let (mut address, mut interface) = (None, None);
    for (kind, payload) in attributes(message.body, ROUTE_HEADER_LEN) {
        match kind {
            libc::RTA_DST => address = <[u8; 16]>::try_from(payload).ok(),
            libc::RTA_OIF => interface = u32_at(payload, 0),
            _ => {}
        }
    }
    let address = Ipv6Addr::from(address?);
    // A default route is none of multicast: its gateway is no group.
    (address.is_multicast() && length >= 8)
        .then_some(MulticastRoute { interface: interface?, destination: (address, length) })
}

/// Whether a socket can be had that hears this group; nothing is joined and nothing sent.
///
/// # Errors
/// `AddrInUse` when another program holds the port for itself alone.
pub fn try_group(group: Ipv6Addr, port: u16, link: Option<u32>) -> io::Result<()> {
    Bound::group(group, link, port, BUFFER_TRIED).map(drop)
}

/// Whether one socket of this host gets what another sends to this port, by the loopback or to a
/// group on a link: a firewall may stand between. Nothing leaves the host: the group is one of this
/// node alone (RFC 4291, section 2.7). Where nothing comes, that takes half a second.
///
/// # Errors
/// When no socket can be had or nothing can be sent: the loopback or the link is down, another
/// program holds the port for itself alone, or a firewall forbids it (`PermissionDenied`).
pub fn hears_itself(link: Option<u32>, port: u16) -> io::Result<bool> {
    let to = match link {
        Some(link) => SocketAddrV6::new(OWN_GROUP, port, 0, link),
        // A node has the port there: one of its own serves as well.
        None => SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 0),
    };
    let hearer = socket::new_socket()?;
    hearer.set_nonblocking(false)?;
    // Others have the port with other groups.
    hearer.set_reuse_address(true)?;
    hearer.bind(&to.into())?;
    let hearer = UdpSocket::from(hearer);
    let sender = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?;
    if let Some(link) = link {
        hearer.join_multicast_v6(&OWN_GROUP, link)?;
        let sender = SockRef::from(&sender);
        sender.set_multicast_if_v6(link)?;
        sender.set_multicast_hops_v6(0)?;
    }
    hearer.set_read_timeout(Some(ITSELF_PATIENCE))?;
    let (to, port) = (hearer.local_addr()?, sender.local_addr()?.port());
    for number in 0..ITSELF_TRIES {
        sender.send_to(&[number], to)?;
        let heard = hearer.recv_from(&mut [0]);
        if heard.is_ok_and(|(_, from)| from.port() == port) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether this host lets multicast to this port out by a link, as far as a firewall of its own can
/// forbid it (`EPERM`). Nothing leaves the host: the group is one of this node alone (RFC 4291,
/// section 2.7), and nobody on it hears anything, since the packet is not looped back.
///
/// # Errors
/// When no socket can be had, or the packet cannot be sent for another reason.
pub fn lets_out(port: u16, link: u32) -> io::Result<bool> {
    let sender = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?;
    let socket = SockRef::from(&sender);
    socket.set_multicast_if_v6(link)?;
    socket.set_multicast_hops_v6(0)?;
    socket.set_multicast_loop_v6(false)?;
    match sender.send_to(&[0], (OWN_GROUP, port)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(false),
        Err(error) => Err(error),
    }
}

/// The receive buffer that a socket of this process is granted when it asks for so many bytes, in
/// the kernel's counting (twice what was asked for).
///
/// # Errors
/// When there is no socket to be had.
pub fn receive_buffer(asked: usize) -> io::Result<usize> {
    socket::raise_buffer(&socket::new_socket()?, asked)
}

/// The receive buffers of the IPv6 UDP sockets at a port, by inode, in the kernel's counting. Of
/// other users' and programs' too; not of sockets of IPv4.
///
/// # Errors
/// When the kernel has no netlink for sockets (`EPROTONOSUPPORT`, `ENOENT`), or refuses it;
/// `QuotaExceeded` when there are more than [`SOCKETS_MAX`] at the port.
pub fn receive_buffers(port: u16) -> io::Result<BTreeMap<u32, usize>> {
    let mut buffers = Buffers::default();
    let request = sockets_at(port);
    Netlink::open_sockets()?.dump(SOCK_DIAG_BY_FAMILY, &request, |it| buffers.add(it))?;
    buffers.all()
}

/// The most sockets of which the buffers are returned.
pub const SOCKETS_MAX: usize = 65_536;

/// What asks for the memory of all IPv6 UDP sockets at a port.
fn sockets_at(port: u16) -> [u8; SOCKET_REQUEST_LEN] {
    let mut request = [0; SOCKET_REQUEST_LEN];
    request[REQUEST_FAMILY_AT] = libc::AF_INET6 as u8;
    request[REQUEST_PROTOCOL_AT] = libc::IPPROTO_UDP as u8;
    request[REQUEST_ATTRIBUTES_AT] = 1 << (SOCKET_MEMORY - 1);
    request[REQUEST_STATES_AT..][..4].copy_from_slice(&ANY_STATE.to_ne_bytes());
    request[REQUEST_PORT_AT..][..2].copy_from_slice(&port.to_be_bytes());
    request
}

/// The receive buffers that the kernel has told of.
#[derive(Default)]
struct Buffers {
    by_inode: BTreeMap<u32, usize>,
    /// Whether there are more than are kept.
    more: bool,
}

impl Buffers {
    fn add(&mut self, message: &Message<'_>) {
        let Some((inode, buffer)) = receive_buffer_of(message) else { return };
        // A dump that is begun anew tells of the same sockets again.
        if self.by_inode.len() < SOCKETS_MAX || self.by_inode.contains_key(&inode) {
            self.by_inode.insert(inode, buffer);
        } else {
            self.more = true;
        }
    }

    fn all(self) -> io::Result<BTreeMap<u32, usize>> {
        if self.more { Err(io::ErrorKind::QuotaExceeded.into()) } else { Ok(self.by_inode) }
    }
}

/// The inode of a socket, and its receive buffer.
fn receive_buffer_of(message: &Message<'_>) -> Option<(u32, usize)> {
    let inode = u32_at(message.body, SOCKET_INODE_AT)?;
    let mut attributes = attributes(message.body, SOCKET_HEADER_LEN);
    let (_, memory) = attributes.find(|(kind, _)| *kind == SOCKET_MEMORY)?;
    Some((inode, usize::try_from(u32_at(memory, MEMORY_RECEIVE_BUFFER_AT)?).ok()?))
}

/// Of the scope that no interface sends anything of.
const OWN_GROUP: Ipv6Addr = Ipv6Addr::new(0xff11, 0, 0, 0, 0, 0, 0x8000, 2);
/// How often a host says something to itself at most, and how long it waits to hear it: a busy one
/// may be late.
const ITSELF_TRIES: u8 = 5;
const ITSELF_PATIENCE: Duration = Duration::from_millis(100);
const ROUTE_HEADER_LEN: usize = 12;
/// Of a socket that receives nothing.
const BUFFER_TRIED: usize = 4096;
// From linux/rtnetlink.h.
const UNICAST: u8 = 1;
const LOCAL: u8 = 2;
const MULTICAST: u8 = 5;
// From linux/sock_diag.h and linux/inet_diag.h: `inet_diag_req_v2`.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCKET_REQUEST_LEN: usize = 56;
const REQUEST_FAMILY_AT: usize = 0;
const REQUEST_PROTOCOL_AT: usize = 1;
/// A bit for each attribute that is wanted, the first the lowest.
const REQUEST_ATTRIBUTES_AT: usize = 2;
/// A bit for each state of a socket.
const REQUEST_STATES_AT: usize = 4;
const ANY_STATE: u32 = u32::MAX;
/// In the network's order.
const REQUEST_PORT_AT: usize = 8;
// `inet_diag_msg`.
const SOCKET_HEADER_LEN: usize = 72;
const SOCKET_INODE_AT: usize = 68;
/// INET_DIAG_SKMEMINFO.
const SOCKET_MEMORY: u16 = 7;
/// SK_MEMINFO_RCVBUF, the second word of it.
const MEMORY_RECEIVE_BUFFER_AT: usize = 4;

#[cfg(test)]
mod tests {
    use std::os::linux::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_host_hears_itself_by_its_loopback() {
        assert!(hears_itself(None, 24_242).unwrap());
        assert!(hears_itself(Some(u32::MAX), 24_242).is_err(), "there is no such link");
    }

    #[test]
    fn the_buffer_of_a_socket_is_what_it_was_granted() {
        let socket = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
        let socket = socket2::Socket::from(socket);
        socket.set_recv_buffer_size(50_000).unwrap();
        let port = socket.local_addr().unwrap().as_socket_ipv6().unwrap().port();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&socket));
        let inode = std::fs::metadata(path).unwrap().st_ino();
        let found = match receive_buffers(port) {
            // A kernel may be built without it, whole or for UDP alone.
            Err(error)
                if [Some(libc::EPROTONOSUPPORT), Some(libc::ENOENT)]
                    .contains(&error.raw_os_error()) =>
            {
                return;
            }
            found => found.unwrap(),
        };
        let expected = socket.recv_buffer_size().unwrap();
        assert_eq!(found, BTreeMap::from([(inode as u32, expected)]));
    }

    #[test]
    fn more_sockets_than_are_told_of_are_an_error() {
        for (count, expected) in
            [(SOCKETS_MAX, Ok(SOCKETS_MAX)), (SOCKETS_MAX + 1, Err(io::ErrorKind::QuotaExceeded))]
        {
            let mut buffers = Buffers::default();
            let mut body = [0; SOCKET_HEADER_LEN + 12];
            body[SOCKET_HEADER_LEN..][..2].copy_from_slice(&12u16.to_ne_bytes());
            body[SOCKET_HEADER_LEN + 2..][..2].copy_from_slice(&SOCKET_MEMORY.to_ne_bytes());
            // Twice, as by a dump that a change interrupted.
            for inode in (0..count).chain(0..count) {
                let inode = u32::try_from(inode).unwrap().to_ne_bytes();
                body[SOCKET_INODE_AT..][..4].copy_from_slice(&inode);
                buffers.add(&Message { kind: SOCK_DIAG_BY_FAMILY, flags: 0, body: &body });
            }
            assert_eq!(buffers.all().map(|it| it.len()).map_err(|it| it.kind()), expected);
        }
    }

    #[test]
    fn a_route_covers_the_groups_of_its_prefix() {
        let check = |address: &str, length: u8, group: &str, expected: bool| {
            let destination = (address.parse().expect("an address"), length);
            let route = MulticastRoute { interface: 2, destination };
            let group = group.parse().expect("an address");
            assert_eq!(route.covers(&group), expected, "{route:?} {group}");
        };
        check("ff00::", 8, "ff15::1", true);
        check("ff12::", 16, "ff12::1", true);
        check("ff12::", 16, "ff15::1", false);
        check("ff15::1", 128, "ff15::1", true);
        check("ff15::1", 128, "ff15::2", false);
        check("::", 0, "ff15::1", true);
    }
}
