//! The host's network interfaces: what there is, which of them a realm uses, and when to look
//! again.
//!
//! For [`list`], the pure rule [`choose`], and [`InterfaceWatch`]. Not for sockets.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv6Addr;
use std::os::fd::{AsFd, BorrowedFd};

use crate::netlink::{self, Message, Netlink, attributes, u16_at, u32_at};

/// A network interface as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The index, which names it until it is removed.
    pub index: u32,
    /// The name, such as `eth0`.
    pub name: String,
    /// Whether an administrator has it up.
    pub up: bool,
    /// Whether it has a carrier.
    pub carrier: bool,
    /// Whether it can multicast.
    pub multicast: bool,
    /// Whether it is a loopback interface.
    pub loopback: bool,
    /// Whether it has exactly one peer.
    pub point_to_point: bool,
    /// The hardware type (`ARPHRD_`), 1 for Ethernet and its like.
    pub hardware: u16,
    /// The kind of a virtual interface, such as `veth`, `tun`, `bridge`; empty for hardware.
    pub kind: String,
    /// The kind of what it is a part of, such as `bridge`, `bond`, `vrf`; empty for none.
    pub master_kind: String,
    /// The largest packet in bytes.
    pub mtu: u32,
    /// Its IPv6 addresses.
    pub addresses: Vec<Address>,
}

/// An IPv6 address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub ip: Ipv6Addr,
    /// Not usable: duplicate address detection goes on, or failed.
    pub tentative: bool,
    /// Never to be used: another host has it.
    pub failed: bool,
    /// Not to be used for anything begun from here on.
    pub deprecated: bool,
    /// A privacy address that changes with time.
    pub temporary: bool,
}

/// Which interfaces a realm uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// Every interface that is up, can multicast, and is not loopback, a tunnel, a container's or
    /// a part of a bridge or bond.
    #[default]
    Automatic,
    /// These, by name, whatever they are, as long as they are up.
    Named(Vec<String>),
}

/// What a selection comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// The chosen interfaces, lowest index first, at most [`INTERFACES_MAX`].
    pub interfaces: Vec<Interface>,
    /// Named interfaces that are absent or down.
    pub absent: Vec<String>,
    /// Interfaces that the rule picks but the limit leaves out.
    pub left_out: Vec<String>,
}

/// The most interfaces of one realm.
pub const INTERFACES_MAX: usize = 32;

/// The interfaces of this network namespace with their IPv6 addresses, lowest index first.
///
/// # Errors
/// When the kernel refuses a netlink socket (a sandbox without `AF_NETLINK`) or its tables change
/// faster than they can be read.
pub fn list() -> io::Result<Vec<Interface>> {
    let mut netlink = Netlink::open()?;
    let mut interfaces = BTreeMap::new();
    netlink.dump(libc::RTM_GETLINK, &[0; LINK_HEADER_LEN], |message| {
        if let Some(interface) = link_of(message) {
            interfaces.insert(interface.index, interface);
        }
    })?;
    let mut request = [0; ADDRESS_HEADER_LEN];
    request[0] = libc::AF_INET6 as u8;
    let mut addresses = Vec::new();
    netlink.dump(libc::RTM_GETADDR, &request, |message| addresses.extend(address_of(message)))?;
    for (index, address) in addresses {
        let Some(interface) = interfaces.get_mut(&index) else { continue };
        if interface.addresses.len() < ADDRESSES_MAX && !interface.addresses.contains(&address) {
            interface.addresses.push(address);
        }
    }
    Ok(interfaces.into_values().collect())
}

/// The interfaces that a selection picks from a list. A pure function.
pub fn choose(interfaces: &[Interface], selection: &Selection) -> Chosen {
    let mut chosen = Chosen::default();
    let mut picked: Vec<&Interface> = match selection {
        Selection::Automatic => {
            interfaces.iter().filter(|interface| is_default(interface)).collect()
        }
        Selection::Named(names) => {
            let up = |name: &String| {
                interfaces.iter().find(|interface| interface.up && interface.name == *name)
            };
            chosen.absent = names.iter().filter(|name| up(name).is_none()).cloned().collect();
            names.iter().filter_map(up).collect()
        }
    };
    picked.sort_by_key(|interface| interface.index);
    picked.dedup_by_key(|interface| interface.index);
    let kept = picked.len().min(INTERFACES_MAX);
    chosen.left_out = picked[kept..].iter().map(|interface| interface.name.clone()).collect();
    chosen.interfaces = picked[..kept].iter().map(|interface| (*interface).clone()).collect();
    chosen
}

/// Whether a chosen interface has addresses and cannot use any yet, but will within a moment: they
/// are being checked for duplicates (RFC 4862, 5.4). A pure function.
pub fn is_settling(chosen: &[Interface]) -> bool {
    let checked = |address: &Address| address.tentative && !address.failed;
    chosen.iter().any(|interface| {
        let addresses = &interface.addresses;
        interface.carrier
            && addresses.iter().any(checked)
            && addresses.iter().all(|address| address.tentative)
    })
}

/// The default rule for one interface.
fn is_default(interface: &Interface) -> bool {
    interface.up
        && interface.multicast
        && !interface.loopback
        && !is_tunnel(interface)
        && !is_container(&interface.name)
        && !MASTERS_THAT_SPEAK.contains(&interface.master_kind.as_str())
}

/// Whether an interface leads through another network rather than onto a link.
fn is_tunnel(interface: &Interface) -> bool {
    interface.point_to_point
        || TUNNEL_HARDWARE.contains(&interface.hardware)
        || TUNNEL_KINDS.contains(&interface.kind.as_str())
        || TUNNEL_NAMES.iter().any(|prefix| interface.name.starts_with(prefix))
}

/// Whether an interface is the host's end of a container or virtual machine, or their bridge.
///
/// By name, because the kind does not tell: a `veth` named `eth0` is the only interface of a
/// container, and bridges carry the traffic of many hosts (`br0`, OpenWrt's `br-lan`).
fn is_container(name: &str) -> bool {
    let docker_bridge = name.strip_prefix("br-").is_some_and(|id| {
        id.len() == DOCKER_ID_LEN && id.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    docker_bridge || CONTAINER_NAMES.iter().any(|prefix| name.starts_with(prefix))
}

/// A source of wake-ups when interfaces, their addresses or their multicast routes change.
///
/// It only says that something changed; what, is found with [`list`].
pub struct InterfaceWatch {
    netlink: Netlink,
}

impl InterfaceWatch {
    /// Begins to watch this network namespace.
    ///
    /// # Errors
    /// When the kernel refuses a netlink socket.
    pub fn open() -> io::Result<Self> {
        let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE;
        Ok(Self { netlink: Netlink::subscribe(groups as u32)? })
    }

    /// Reads what has been noticed, without waiting; says whether to look again, and tells
    /// `removed` the index of each interface that was removed: it may be given again.
    ///
    /// Of routes only those of multicast count: a router's table changes all the time.
    pub fn drain(&self, mut removed: impl FnMut(u32)) -> bool {
        self.netlink.drain(|message| match message.kind {
            libc::RTM_NEWROUTE | libc::RTM_DELROUTE => is_multicast_route(message.body),
            libc::RTM_DELLINK => {
                // A bridge says so too, with its own family, of ports that leave it.
                if message.body.first() == Some(&0) {
                    u32_at(message.body, 4).into_iter().for_each(&mut removed);
                }
                true
            }
            _ => true,
        })
    }
}

impl AsFd for InterfaceWatch {
    /// Readable when something was noticed.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.netlink.as_fd()
    }
}

fn is_multicast_route(body: &[u8]) -> bool {
    attributes(body, ROUTE_HEADER_LEN)
        .any(|(kind, payload)| kind == libc::RTA_DST && payload.first() == Some(&0xff))
}

fn link_of(message: &Message<'_>) -> Option<Interface> {
    if message.kind != libc::RTM_NEWLINK {
        return None;
    }
    let flags = u32_at(message.body, 8)? as i32;
    let mut interface = Interface {
        index: u32_at(message.body, 4)?,
        name: String::new(),
        up: flags & libc::IFF_UP != 0,
        carrier: flags & libc::IFF_LOWER_UP != 0,
        multicast: flags & libc::IFF_MULTICAST != 0,
        loopback: flags & libc::IFF_LOOPBACK != 0,
        point_to_point: flags & libc::IFF_POINTOPOINT != 0,
        hardware: u16_at(message.body, 2)?,
        kind: String::new(),
        master_kind: String::new(),
        mtu: 0,
        addresses: Vec::new(),
    };
    for (kind, payload) in attributes(message.body, LINK_HEADER_LEN) {
        match kind {
            libc::IFLA_IFNAME => interface.name = netlink::text(payload),
            libc::IFLA_MTU => interface.mtu = u32_at(payload, 0).unwrap_or(0),
            libc::IFLA_LINKINFO => {
                for (kind, payload) in attributes(payload, 0) {
                    match kind {
                        libc::IFLA_INFO_KIND => interface.kind = netlink::text(payload),
                        libc::IFLA_INFO_SLAVE_KIND => {
                            interface.master_kind = netlink::text(payload);
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Some(interface)
}

fn address_of(message: &Message<'_>) -> Option<(u32, Address)> {
    if message.kind != libc::RTM_NEWADDR || *message.body.first()? != libc::AF_INET6 as u8 {
        return None;
    }
    let index = u32_at(message.body, 4)?;
    let mut flags = u32::from(*message.body.get(2)?);
    let (mut local, mut peer_or_local) = (None, None);
    for (kind, payload) in attributes(message.body, ADDRESS_HEADER_LEN) {
        match kind {
            libc::IFA_LOCAL => local = <[u8; 16]>::try_from(payload).ok(),
            libc::IFA_ADDRESS => peer_or_local = <[u8; 16]>::try_from(payload).ok(),
            libc::IFA_FLAGS => flags = u32_at(payload, 0).unwrap_or(flags),
            _ => {}
        }
    }
    let has = |flag: u32| flags & flag != 0;
    let optimistic = has(libc::IFA_F_OPTIMISTIC);
    let address = Address {
        ip: Ipv6Addr::from(local.or(peer_or_local)?),
        tentative: (has(libc::IFA_F_TENTATIVE) && !optimistic) || has(libc::IFA_F_DADFAILED),
        failed: has(libc::IFA_F_DADFAILED),
        deprecated: has(libc::IFA_F_DEPRECATED),
        temporary: has(libc::IFA_F_TEMPORARY),
    };
    Some((index, address))
}

const LINK_HEADER_LEN: usize = 16;
const ADDRESS_HEADER_LEN: usize = 8;
const ROUTE_HEADER_LEN: usize = 12;
/// The most addresses of an interface that are looked at.
const ADDRESSES_MAX: usize = 64;
/// The group of IPv6 route notices, from linux/rtnetlink.h.
const RTMGRP_IPV6_ROUTE: i32 = 0x400;
/// ARPHRD_PPP, TUNNEL, TUNNEL6, SIT, IPGRE, IP6GRE, NONE (tun and WireGuard).
const TUNNEL_HARDWARE: [u16; 7] = [512, 768, 769, 776, 778, 823, 65534];
const TUNNEL_KINDS: [&str; 14] = [
    "tun",
    "wireguard",
    "gre",
    "gretap",
    "ip6gre",
    "ip6gretap",
    "erspan",
    "sit",
    "ipip",
    "ip6tnl",
    "vti",
    "vti6",
    "vxlan",
    "geneve",
];
const TUNNEL_NAMES: [&str; 7] = ["tun", "tap", "wg", "ppp", "tailscale", "zt", "utun"];
const CONTAINER_NAMES: [&str; 16] = [
    "veth", "docker", "virbr", "vnet", "lxcbr", "lxdbr", "incusbr", "cni", "cali", "flannel",
    "podman", "nerdctl", "kube-", "cilium", "lxc_", "vmnet",
];
/// Docker names its bridges `br-` and the first 12 hex digits of the network's id.
const DOCKER_ID_LEN: usize = 12;
/// What an interface that is a part of these hears and says goes by the whole.
const MASTERS_THAT_SPEAK: [&str; 4] = ["bridge", "bond", "team", "openvswitch"];

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(index: u32, name: &str) -> Interface {
        Interface {
            index,
            name: name.to_owned(),
            up: true,
            carrier: true,
            multicast: true,
            loopback: false,
            point_to_point: false,
            hardware: 1,
            kind: String::new(),
            master_kind: String::new(),
            mtu: 1500,
            addresses: Vec::new(),
        }
    }

    fn names(interfaces: &[Interface]) -> Vec<&str> {
        interfaces.iter().map(|interface| interface.name.as_str()).collect()
    }

    #[test]
    fn the_default_rule_goes_by_name_and_by_type() {
        let check = |name: &str, change: fn(&mut Interface), expected: bool| {
            let mut one = interface(2, name);
            change(&mut one);
            let chosen = choose(&[one.clone()], &Selection::Automatic);
            assert_eq!(!chosen.interfaces.is_empty(), expected, "{one:?}");
        };
        check("eth0", |_| {}, true);
        check("eth0", |one| one.kind = "veth".to_owned(), true);
        check("enp3s0", |_| {}, true);
        check("wlan0", |_| {}, true);
        check("br0", |one| one.kind = "bridge".to_owned(), true);
        check("br-lan", |one| one.kind = "bridge".to_owned(), true);
        check("eth0.7", |one| one.kind = "vlan".to_owned(), true);
        check("bond0", |one| one.kind = "bond".to_owned(), true);
        check("eth1", |one| one.master_kind = "vrf".to_owned(), true);
        check("eth1", |one| one.master_kind = "bond".to_owned(), false);
        check("eth1", |one| one.master_kind = "bridge".to_owned(), false);
        check("eth0", |one| one.up = false, false);
        check("eth0", |one| one.multicast = false, false);
        check("lo", |one| one.loopback = true, false);
        check("x", |one| one.point_to_point = true, false);
        check("x", |one| one.hardware = 65534, false);
        check("x", |one| one.hardware = 776, false);
        check("x", |one| one.kind = "tun".to_owned(), false);
        check("x", |one| one.kind = "wireguard".to_owned(), false);
        check("wg0", |_| {}, false);
        check("tun0", |_| {}, false);
        check("veth12ab", |_| {}, false);
        check("docker0", |_| {}, false);
        check("br-0123456789ab", |_| {}, false);
        check("virbr0", |_| {}, false);
        check("cni0", |_| {}, false);
    }

    #[test]
    fn an_interface_settles_while_all_its_addresses_are_checked() {
        let check = |carrier: bool, addresses: &[(bool, bool)], expected: bool| {
            let mut one = interface(2, "eth0");
            one.carrier = carrier;
            let address = |(tentative, failed): &(bool, bool)| Address {
                ip: Ipv6Addr::LOCALHOST,
                tentative: *tentative,
                failed: *failed,
                deprecated: false,
                temporary: false,
            };
            one.addresses = addresses.iter().map(address).collect();
            assert_eq!(is_settling(&[one]), expected, "{carrier} {addresses:?}");
        };
        check(true, &[], false);
        check(true, &[(true, false)], true);
        check(false, &[(true, false)], false);
        check(true, &[(true, false), (false, false)], false);
        check(true, &[(true, true)], false);
        check(true, &[(true, true), (true, false)], true);
    }

    #[test]
    fn names_pick_whatever_is_up() {
        let mut down = interface(4, "eth1");
        down.up = false;
        let all = [interface(3, "docker0"), down, interface(2, "eth0")];
        let picked = |list: &[&str]| {
            let list = list.iter().map(|name| (*name).to_owned()).collect();
            choose(&all, &Selection::Named(list))
        };
        let chosen = picked(&["docker0", "eth1", "eth0", "nope", "eth0"]);
        assert_eq!(names(&chosen.interfaces), ["eth0", "docker0"]);
        assert_eq!(chosen.absent, ["eth1", "nope"]);
        assert_eq!(picked(&[]), Chosen::default());
    }

    #[test]
    fn more_interfaces_than_the_limit_are_named() {
        let all: Vec<Interface> = (1..=INTERFACES_MAX as u32 + 1)
            .map(|index| interface(index, &format!("eth{index}")))
            .collect();
        let chosen = choose(&all[..INTERFACES_MAX], &Selection::Automatic);
        assert_eq!(chosen.interfaces.len(), INTERFACES_MAX);
        assert!(chosen.left_out.is_empty());
        let chosen = choose(&all, &Selection::Automatic);
        assert_eq!(chosen.interfaces.len(), INTERFACES_MAX);
        assert_eq!(chosen.left_out, ["eth33"]);
    }
}
