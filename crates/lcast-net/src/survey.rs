//! What the kernel says about IPv6 multicast on this host, for who looks for a fault.
//!
//! For facts that an ordinary user can read without sending anything. Not for judging them.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv6Addr;

use crate::netlink::{Message, Netlink, attributes, u32_at};
use crate::socket::{self, Bound};

/// A route that multicast takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MulticastRoute {
    /// The index of the interface that it leaves by.
    pub interface: u32,
    /// The groups: an address and how many of its first bits count.
    pub destination: (Ipv6Addr, u8),
}

impl MulticastRoute {
    /// Whether packets to this group take the route, when they are to leave by its interface.
    pub fn covers(&self, group: &Ipv6Addr) -> bool {
        let (address, length) = self.destination;
        let rest = 128 - u32::from(length.min(128));
        let different = u128::from(address) ^ u128::from(*group);
        different.checked_shr(rest).unwrap_or(0) == 0
    }
}

/// The routes to multicast groups in all of the kernel's tables, at most [`ROUTES_MAX`].
///
/// # Errors
/// When the kernel refuses a netlink socket or its table changes faster than it can be read.
pub fn multicast_routes() -> io::Result<Vec<MulticastRoute>> {
    let mut request = [0; ROUTE_HEADER_LEN];
    request[0] = libc::AF_INET6 as u8;
    let mut routes = Vec::new();
    Netlink::open()?.dump(libc::RTM_GETROUTE, &request, |message| {
        if routes.len() < ROUTES_MAX {
            routes.extend(route_of(message));
        }
    })?;
    Ok(routes)
}

/// The most multicast routes that are returned.
pub const ROUTES_MAX: usize = 4096;

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

/// The receive buffer that a socket of this process is granted when it asks for so many bytes, in
/// the kernel's counting (twice what was asked for).
///
/// # Errors
/// When there is no socket to be had.
pub fn receive_buffer(asked: usize) -> io::Result<usize> {
    socket::raise_buffer(&socket::new_socket()?, asked)
}

/// The receive buffers of the UDP sockets at a port, by inode, in the kernel's counting; of at most
/// [`SOCKETS_MAX`] sockets. Of other users' and programs' too.
///
/// # Errors
/// When the kernel has no netlink for sockets, or refuses it.
pub fn receive_buffers(port: u16) -> io::Result<BTreeMap<u32, usize>> {
    let mut request = [0; SOCKET_REQUEST_LEN];
    request[0] = libc::AF_INET6 as u8;
    request[1] = libc::IPPROTO_UDP as u8;
    request[2] = 1 << (SOCKET_MEMORY - 1);
    // In any state.
    request[4..8].fill(0xff);
    request[8..10].copy_from_slice(&port.to_be_bytes());
    let mut buffers = BTreeMap::new();
    Netlink::open_sockets()?.dump(SOCK_DIAG_BY_FAMILY, &request, |message| {
        if buffers.len() < SOCKETS_MAX {
            buffers.extend(receive_buffer_of(message));
        }
    })?;
    Ok(buffers)
}

/// The most sockets of which the buffers are returned.
pub const SOCKETS_MAX: usize = 65_536;

/// The inode of a socket, and its receive buffer.
fn receive_buffer_of(message: &Message<'_>) -> Option<(u32, usize)> {
    let inode = u32_at(message.body, SOCKET_INODE_AT)?;
    let mut attributes = attributes(message.body, SOCKET_HEADER_LEN);
    let (_, memory) = attributes.find(|(kind, _)| *kind == SOCKET_MEMORY)?;
    // The first word is what is used of it.
    Some((inode, usize::try_from(u32_at(memory, 4)?).ok()?))
}

const ROUTE_HEADER_LEN: usize = 12;
/// Of a socket that receives nothing.
const BUFFER_TRIED: usize = 4096;
// From linux/rtnetlink.h.
const UNICAST: u8 = 1;
const LOCAL: u8 = 2;
const MULTICAST: u8 = 5;
// From linux/sock_diag.h and linux/inet_diag.h: `inet_diag_req_v2`, `inet_diag_msg`.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCKET_REQUEST_LEN: usize = 56;
const SOCKET_HEADER_LEN: usize = 72;
const SOCKET_INODE_AT: usize = 68;
/// INET_DIAG_SKMEMINFO.
const SOCKET_MEMORY: u16 = 7;

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::linux::fs::MetadataExt;

    use super::*;

    #[test]
    fn the_buffer_of_a_socket_is_what_it_was_granted() {
        let socket = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
        let socket = socket2::Socket::from(socket);
        socket.set_recv_buffer_size(50_000).unwrap();
        let port = socket.local_addr().unwrap().as_socket_ipv6().unwrap().port();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&socket));
        let inode = std::fs::metadata(path).unwrap().st_ino();
        // A kernel may be built without it.
        let Ok(found) = receive_buffers(port) else { return };
        let expected = socket.recv_buffer_size().unwrap();
        assert_eq!(found, BTreeMap::from([(inode as u32, expected)]));
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
