//! How far a realm's multicast reaches (RFC 4291 section 2.7, RFC 7346).
//!
//! For choosing addresses and hop limits. Not for making group addresses.

use std::net::Ipv6Addr;

/// The scope of a realm's groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Interface-local groups (`ff11::`): nothing leaves the host.
    Host,
    /// Link-local groups (`ff12::`): one broadcast domain.
    Link,
    /// Admin-local groups (`ff14::`).
    Admin,
    /// Site-local groups (`ff15::`).
    Site,
    /// Organization-local groups (`ff18::`).
    Org,
    /// Global groups (`ff1e::`).
    Global,
}

impl Scope {
    /// The scope field of the group addresses, 1 to 14.
    pub fn field(self) -> u8 {
        match self {
            Scope::Host => 1,
            Scope::Link => 2,
            Scope::Admin => 4,
            Scope::Site => 5,
            Scope::Org => 8,
            Scope::Global => 14,
        }
    }

    /// The hop limit of multicast datagrams.
    ///
    /// The scope is the fence where routers know the zone's borders; the hop limit is the second
    /// one, for routers that were never told. Host: 0, which the kernel loops back and never puts
    /// on a wire. [WIR-13] Link: 1. Admin and site: 16, more routers in line than a site has (RIP
    /// took 16 for infinity). Organization: 32. Global: 64, the usual hop limit of a unicast
    /// packet.
    pub fn hop_limit(self) -> u8 {
        match self {
            Scope::Host => 0,
            Scope::Link => 1,
            Scope::Admin | Scope::Site => 16,
            Scope::Org => 32,
            Scope::Global => 64,
        }
    }

    /// Whether routers may forward these groups, so that senders need more than a link-local
    /// address.
    pub fn is_routed(self) -> bool {
        self > Scope::Link
    }

    /// Whether a group belongs to this scope.
    pub fn holds(self, group: &Ipv6Addr) -> bool {
        group.is_multicast() && group.octets()[1] & 0x0f == self.field()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_belong_to_the_scope_of_their_address() {
        let check = |scope: Scope, group: &str, expected: bool| {
            let group: Ipv6Addr = group.parse().expect("an address");
            assert_eq!(scope.holds(&group), expected, "{group} in {scope:?}");
        };
        check(Scope::Host, "ff11::8000:1", true);
        check(Scope::Host, "ff12::8000:1", false);
        check(Scope::Host, "fe11::1", false);
        check(Scope::Link, "ff12::1", true);
        check(Scope::Link, "ff02::1", true);
        check(Scope::Admin, "ff14::1", true);
        check(Scope::Site, "ff15::1", true);
        check(Scope::Org, "ff18::1", true);
        check(Scope::Global, "ff1e::1", true);
        check(Scope::Global, "ff1f::1", false);
    }

    #[test]
    fn only_a_host_realm_has_no_hop() {
        let scopes = [Scope::Host, Scope::Link, Scope::Admin, Scope::Site, Scope::Org];
        let hops: Vec<u8> = scopes.iter().map(|scope| scope.hop_limit()).collect();
        assert_eq!(hops, [0, 1, 16, 16, 32]);
        let routed: Vec<bool> = scopes.iter().map(|scope| scope.is_routed()).collect();
        assert_eq!(routed, [false, false, true, true, true]);
    }
}
