//! A link: one interface of the realm and the unicast sockets at its addresses.
//!
//! For choosing own addresses and keeping a socket at each. Not for groups, which are joined by
//! `group`.

use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};

use crate::interfaces::Interface;
use crate::scope::Scope;
use crate::socket::{Bound, Role, SocketTable, Token};

/// What the caller sees of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkInfo {
    /// The index of the interface.
    pub index: u32,
    /// The name of the interface.
    pub name: String,
    /// The own addresses on it, with the ports that were got: the realm's where it was free.
    pub addresses: Vec<SocketAddrV6>,
    /// Whether groups are heard on it: all that were joined. Never for the loopback interface that
    /// is there only to reach the nodes of this host by unicast.
    pub multicast: bool,
}

/// A link with its sockets.
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    /// Whether groups are to be joined and sent to on it.
    pub(crate) multicast: bool,
    /// At an address each, the link-local one first.
    sockets: Vec<(Ipv6Addr, Token)>,
}

impl Link {
    pub(crate) fn new(interface: &Interface, multicast: bool) -> Self {
        let name = interface.name.clone();
        Self { index: interface.index, name, multicast, sockets: Vec::new() }
    }

    /// Opens and closes sockets so that there is one at each of these addresses.
    ///
    /// # Errors
    /// With the first address that could not be bound; the others are.
    pub(crate) fn bind(
        &mut self,
        table: &mut SocketTable,
        addresses: &[Ipv6Addr],
        open: impl Fn(Ipv6Addr) -> io::Result<Bound>,
    ) -> io::Result<bool> {
        let mut changed = false;
        self.sockets.retain(|(ip, token)| {
            let kept = addresses.contains(ip);
            if !kept {
                table.remove(*token);
                changed = true;
            }
            kept
        });
        let mut failure = None;
        for ip in addresses {
            if self.sockets.iter().any(|(bound, _)| bound == ip) {
                continue;
            }
            match open(*ip).and_then(|bound| table.insert(bound)) {
                Ok(token) => {
                    self.sockets.push((*ip, token));
                    changed = true;
                }
                Err(error) => failure = Some(error),
            }
        }
        self.sockets.sort_by_key(|(ip, _)| !ip.is_unicast_link_local());
        failure.map_or(Ok(changed), Err)
    }

    /// Closes its sockets.
    pub(crate) fn close(&mut self, table: &mut SocketTable) {
        for (_, token) in self.sockets.drain(..) {
            table.remove(token);
        }
    }

    /// The addresses that have a socket.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = Ipv6Addr> {
        self.sockets.iter().map(|(ip, _)| *ip)
    }

    /// The own addresses with their ports.
    pub(crate) fn locals<'a>(
        &'a self,
        table: &'a SocketTable,
    ) -> impl Iterator<Item = (SocketAddrV6, Token)> + 'a {
        self.sockets.iter().filter_map(|(_, token)| match table.socket(*token)?.role {
            Role::Unicast { local, .. } => Some((local, *token)),
            Role::Group { .. } => None,
        })
    }

    /// The socket that multicast leaves by: routers forward nothing from a link-local address.
    pub(crate) fn multicast_socket(&self, scope: Scope) -> Option<Token> {
        let (first, last) = (self.sockets.first()?, self.sockets.last()?);
        Some(if scope.is_routed() { last.1 } else { first.1 })
    }

    /// The socket to reach a destination from, when it is on or beyond this link.
    pub(crate) fn socket_towards(&self, to: &Ipv6Addr) -> Option<Token> {
        let near = to.is_unicast_link_local();
        let same = |(ip, _): &&(Ipv6Addr, Token)| ip.is_unicast_link_local() == near;
        let (_, token) = self.sockets.iter().find(same)?;
        Some(*token)
    }
}

/// The own addresses that a realm uses on an interface. A pure function.
///
/// The link-local one; for scopes that routers forward also a global or unique local one; that one
/// alone where there is no link-local address. Those that have a socket stay while they are good.
pub(crate) fn addresses_of(
    interface: &Interface,
    scope: Scope,
    bound: &[Ipv6Addr],
) -> Vec<Ipv6Addr> {
    let best = |near: bool| {
        let mut usable: Vec<_> = interface
            .addresses
            .iter()
            .filter(|address| !address.tentative && address.ip.is_unicast_link_local() == near)
            .filter(|address| interface.loopback || !address.ip.is_loopback())
            .collect();
        usable.sort_by_key(|address| {
            let kept = bound.contains(&address.ip);
            (address.deprecated, !kept, address.temporary, address.ip)
        });
        usable.first().map(|address| address.ip)
    };
    let (near, far) = (best(true), best(false));
    if near.is_some() && !scope.is_routed() {
        return near.into_iter().collect();
    }
    near.into_iter().chain(far).collect()
}

/// The address of the loopback interface that the nodes of one host use among themselves.
pub(crate) fn loopback_address(interface: &Interface) -> Option<Ipv6Addr> {
    let has = interface.addresses.iter().any(|address| address.ip == Ipv6Addr::LOCALHOST);
    (interface.loopback && interface.up && has).then_some(Ipv6Addr::LOCALHOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interfaces::Address;

    fn interface(addresses: &[(&str, &str)]) -> Interface {
        let addresses = addresses
            .iter()
            .map(|(ip, flags)| Address {
                ip: ip.parse().expect("an address"),
                tentative: flags.contains("tentative"),
                failed: false,
                deprecated: flags.contains("deprecated"),
                temporary: flags.contains("temporary"),
            })
            .collect();
        Interface {
            index: 2,
            name: "eth0".to_owned(),
            up: true,
            carrier: true,
            multicast: true,
            loopback: false,
            point_to_point: false,
            hardware: 1,
            kind: String::new(),
            master_kind: String::new(),
            mtu: 1500,
            addresses,
        }
    }

    #[test]
    fn a_realm_uses_the_addresses_of_its_scope() {
        let check = |scope: Scope, addresses: &[(&str, &str)], expected: &[&str]| {
            let found = addresses_of(&interface(addresses), scope, &[]);
            let expected: Vec<Ipv6Addr> =
                expected.iter().map(|ip| ip.parse().expect("an address")).collect();
            assert_eq!(found, expected, "{scope:?} {addresses:?}");
        };
        check(Scope::Link, &[("fe80::1", "")], &["fe80::1"]);
        check(Scope::Link, &[("fd00::1", ""), ("fe80::1", "")], &["fe80::1"]);
        check(Scope::Host, &[("fd00::1", ""), ("fe80::1", "")], &["fe80::1"]);
        check(Scope::Site, &[("fd00::1", ""), ("fe80::1", "")], &["fe80::1", "fd00::1"]);
        check(Scope::Site, &[("fe80::1", "")], &["fe80::1"]);
        check(Scope::Link, &[("fd00::1", "")], &["fd00::1"]);
        check(Scope::Link, &[("fe80::1", "tentative")], &[]);
        check(Scope::Link, &[("fe80::1", "tentative"), ("fe80::2", "")], &["fe80::2"]);
        check(Scope::Link, &[("fe80::1", "deprecated"), ("fe80::2", "")], &["fe80::2"]);
        check(Scope::Link, &[("fe80::1", "deprecated")], &["fe80::1"]);
        let privacy = [("2001:db8::1", "temporary"), ("2001:db8::2", ""), ("fe80::1", "")];
        check(Scope::Site, &privacy, &["fe80::1", "2001:db8::2"]);
        check(Scope::Site, &[], &[]);
    }

    #[test]
    fn a_bound_address_stays_while_it_is_good() {
        let bound: Vec<Ipv6Addr> = vec!["fd00::2".parse().expect("an address")];
        let check = |flags: &str, expected: &str| {
            let one = interface(&[("fd00::1", ""), ("fd00::2", flags), ("fe80::1", "")]);
            let found = addresses_of(&one, Scope::Site, &bound);
            assert_eq!(found[1], expected.parse::<Ipv6Addr>().expect("an address"), "{flags}");
        };
        check("", "fd00::2");
        check("temporary", "fd00::2");
        check("deprecated", "fd00::1");
        check("tentative", "fd00::1");
    }
}
