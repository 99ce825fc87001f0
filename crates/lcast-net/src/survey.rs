//! What the kernel says about IPv6 multicast on this host, for who looks for a fault.
//!
//! For facts that an ordinary user can read without sending anything. Not for judging them.

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

const ROUTE_HEADER_LEN: usize = 12;
/// Of a socket that receives nothing.
const BUFFER_TRIED: usize = 4096;
// From linux/rtnetlink.h.
const UNICAST: u8 = 1;
const LOCAL: u8 = 2;
const MULTICAST: u8 = 5;

#[cfg(test)]
mod tests {
    use super::*;

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
