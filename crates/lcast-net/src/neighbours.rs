//! The kernel's table of IPv6 neighbours (RFC 4861): who is known to be on a link.
//!
//! For addresses that are worth a unicast packet when no node is known yet. Not for finding out
//! whether they answer.

use std::io;
use std::net::Ipv6Addr;

use crate::netlink::{Message, Netlink, attributes, u16_at, u32_at};

/// The most neighbours that are returned.
pub const NEIGHBOURS_MAX: usize = 1024;

/// The unicast addresses in an interface's neighbour table whose resolution has not failed,
/// link-local ones first, then by address; at most [`NEIGHBOURS_MAX`].
///
/// # Errors
/// When the kernel refuses a netlink socket or its table changes faster than it can be read.
pub fn neighbours(interface: u32) -> io::Result<Vec<Ipv6Addr>> {
    let mut request = vec![0; HEADER_LEN];
    request[0] = libc::AF_INET6 as u8;
    // The kernel leaves other interfaces out when it is told the index as an attribute.
    request.extend_from_slice(&8u16.to_ne_bytes());
    request.extend_from_slice(&NDA_IFINDEX.to_ne_bytes());
    request.extend_from_slice(&interface.to_ne_bytes());
    let mut found = Vec::new();
    Netlink::open()?.dump(libc::RTM_GETNEIGH, &request, |message| {
        if found.len() < TABLE_MAX {
            found.extend(neighbour_of(message, interface));
        }
    })?;
    Ok(in_order(found))
}

fn in_order(mut found: Vec<Ipv6Addr>) -> Vec<Ipv6Addr> {
    found.sort_by_key(|ip| (!ip.is_unicast_link_local(), *ip));
    found.dedup();
    found.truncate(NEIGHBOURS_MAX);
    found
}

fn neighbour_of(message: &Message<'_>, interface: u32) -> Option<Ipv6Addr> {
    if message.kind != libc::RTM_NEWNEIGH || u32_at(message.body, 4)? != interface {
        return None;
    }
    let state = u16_at(message.body, 8)?;
    if state == 0 || state & (NUD_FAILED | NUD_NOARP) != 0 {
        return None;
    }
    let destination = attributes(message.body, HEADER_LEN)
        .find_map(|(kind, payload)| (kind == NDA_DST).then_some(payload))?;
    let ip = Ipv6Addr::from(<[u8; 16]>::try_from(destination).ok()?);
    (!ip.is_multicast() && !ip.is_unspecified() && !ip.is_loopback()).then_some(ip)
}

/// The length of `struct ndmsg`.
const HEADER_LEN: usize = 12;
/// The most entries of the kernel's table that are looked at.
const TABLE_MAX: usize = 64 * 1024;
// From linux/neighbour.h.
const NDA_DST: u16 = 1;
const NDA_IFINDEX: u16 = 8;
const NUD_FAILED: u16 = 0x20;
const NUD_NOARP: u16 = 0x40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_neighbours_come_first_and_the_limit_holds() {
        let ip = |text: &str| text.parse::<Ipv6Addr>().expect("an address");
        let mixed = vec![ip("2001:db8::1"), ip("fe80::2"), ip("fe80::1"), ip("fe80::2")];
        assert_eq!(in_order(mixed), [ip("fe80::1"), ip("fe80::2"), ip("2001:db8::1")]);
        let many = |count: u32| (0..count).map(|n| Ipv6Addr::from(u128::from(n))).collect();
        assert_eq!(in_order(many(1024)).len(), 1024);
        assert_eq!(in_order(many(1025)).len(), 1024);
    }
}
