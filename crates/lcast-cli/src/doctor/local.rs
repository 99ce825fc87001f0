//! What this host knows without sending anything, as an ordinary user sees it.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;

use lcast_net::NetworkConfig;
use lcast_net::interfaces;
use lcast_net::survey::{self, MulticastRoute};

use super::facts::{Firewall, Holder, HostFacts, InterfaceFacts, Process, RealmFacts};

/// The group that stands for all when the realm's own is not known.
const ANY_GROUP: Ipv6Addr = Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0x8000, 1);

/// Looks at the host from where this realm stands.
pub(crate) fn look(realm: &RealmFacts) -> HostFacts {
    let group = realm.group.unwrap_or(ANY_GROUP);
    let routes = survey::multicast_routes();
    let found = interfaces::list().unwrap_or_default();
    let link = found.iter().find(|it| it.up && !it.loopback).map(|it| it.index);
    let link = link.filter(|_| !realm.is_routed());
    let tried = survey::try_group(group, realm.port, link);
    let facts = |interface: interfaces::Interface| {
        let reaches =
            |route: &MulticastRoute| route.interface == interface.index && route.covers(&group);
        let name = interface.name.as_str();
        InterfaceFacts {
            disabled: setting(name, "disable_ipv6") == Some(1),
            generates_none: setting(name, "addr_gen_mode") == Some(1),
            // What cannot be read is no fault.
            route: routes.as_ref().map_or(true, |routes| routes.iter().any(reaches)),
            queries: count(&format!("/proc/net/dev_snmp6/{name}"), "Icmp6InGroupMembQueries"),
            snoops: snoops(name),
            interface,
        }
    };
    HostFacts {
        root: rustix::process::geteuid().is_root(),
        ipv6: Path::new("/proc/sys/net/ipv6").exists(),
        all_disabled: setting("all", "disable_ipv6") == Some(1),
        interfaces: found.into_iter().map(facts).collect(),
        group_taken: tried.is_err_and(|it| it.kind() == std::io::ErrorKind::AddrInUse),
        holders: holders(realm.port),
        receive_buffer: survey::receive_buffer(NetworkConfig::RECEIVE_BUFFER)
            .unwrap_or(2 * NetworkConfig::RECEIVE_BUFFER),
        firewall: firewall(),
    }
}

/// Whether an interface is a bridge that snoops MLD.
fn snoops(name: &str) -> bool {
    let path = format!("/sys/class/net/{name}/bridge/multicast_snooping");
    fs::read_to_string(path).is_ok_and(|it| it.trim() == "1")
}

/// A setting of IPv6 on an interface.
fn setting(interface: &str, name: &str) -> Option<i64> {
    // Names of interfaces have no slash.
    let path = format!("/proc/sys/net/ipv6/conf/{interface}/{name}");
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// How many packets this host received and gave to nobody, since it was started: a firewall's
/// share of them is not counted anywhere else that an ordinary user can see.
pub(crate) fn undelivered() -> u64 {
    let counter = |name: &str| count("/proc/net/snmp6", name);
    let known = ["Ip6InDelivers", "Ip6OutForwDatagrams"].map(counter).into_iter().sum();
    counter("Ip6InReceives").saturating_sub(known)
}

/// Whether the kernel tracks connections of this host: a stateful firewall makes it. An ordinary
/// user cannot see the rules, and may see this.
pub(crate) fn tracks_connections() -> bool {
    let count = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count");
    count.is_ok_and(|it| it.trim().parse().is_ok_and(|count: u64| count > 0))
}

/// A counter of a file that has a name and a number a line; 0 when it is not there.
pub(super) fn count(path: &str, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut counters = text.lines().filter_map(|line| line.split_once(char::is_whitespace));
    let found = counters.find(|(counter, _)| *counter == name);
    found.and_then(|(_, number)| number.trim().parse().ok()).unwrap_or(0)
}

/// The sockets at a UDP port, with their processes where this user can see them.
fn holders(port: u16) -> Vec<Holder> {
    let sockets = procfs::net::udp6().unwrap_or_default();
    let address = |it: &procfs::net::UdpNetEntry| match it.local_address {
        SocketAddr::V6(local) if local.port() == port => Some(*local.ip()),
        SocketAddr::V6(_) | SocketAddr::V4(_) => None,
    };
    let found: Vec<_> = sockets.iter().filter_map(|it| Some((address(it)?, it))).collect();
    if found.is_empty() {
        return Vec::new();
    }
    let drops = drops(&fs::read_to_string("/proc/net/udp6").unwrap_or_default());
    let processes = processes(&found.iter().map(|(_, it)| it.inode).collect::<Vec<_>>());
    let holder = |(address, it): (Ipv6Addr, &procfs::net::UdpNetEntry)| Holder {
        address,
        process: processes.get(&it.inode).cloned(),
        user: it.uid,
        drops: drops.get(&it.inode).copied().unwrap_or(0),
    };
    found.into_iter().map(holder).collect()
}

/// The last column of `/proc/net/udp6` by inode.
fn drops(table: &str) -> BTreeMap<u64, u64> {
    let row = |line: &str| {
        let mut columns = line.split_whitespace();
        let inode = columns.nth(9)?.parse().ok()?;
        Some((inode, columns.last()?.parse().ok()?))
    };
    table.lines().skip(1).filter_map(row).collect()
}

/// The processes that have these sockets open.
fn processes(inodes: &[u64]) -> BTreeMap<u64, Process> {
    let mut found = BTreeMap::new();
    let all = procfs::process::all_processes().into_iter().flatten().flatten();
    for process in all {
        let Ok(descriptors) = process.fd() else { continue };
        for descriptor in descriptors.flatten() {
            let procfs::process::FDTarget::Socket(inode) = descriptor.target else { continue };
            if inodes.contains(&inode) && !found.contains_key(&inode) {
                let program = process.stat().map(|it| it.comm).unwrap_or_default();
                found.insert(inode, Process { pid: process.pid, program, unit: unit(process.pid) });
            }
        }
    }
    found
}

/// The systemd service that a process runs in.
fn unit(pid: i32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    unit_of(&text)
}

fn unit_of(cgroup: &str) -> Option<String> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mut parts = path.split('/');
    let is_system = parts.clone().any(|part| part == "system.slice");
    parts.rfind(|part| part.ends_with(".service")).filter(|_| is_system).map(str::to_owned)
}

/// What manages the firewall: what runs here.
fn firewall() -> Firewall {
    let enabled = |text: String| text.lines().any(|line| line.trim() == "ENABLED=yes");
    if Path::new("/run/firewalld").exists() || Path::new("/run/firewalld.pid").exists() {
        Firewall::Firewalld
    } else if fs::read_to_string("/etc/ufw/ufw.conf").is_ok_and(enabled) {
        Firewall::Ufw
    } else {
        Firewall::Nft
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_of_the_system_is_found() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(unit_of(text).as_deref(), expected, "{text}");
        };
        check("0::/system.slice/ntpd.service\n", Some("ntpd.service"));
        check("0::/user.slice/user-1000.slice/user@1000.service/app.slice/a.service\n", None);
        check("0::/\n", None);
        check("1:cpu:/x\n", None);
    }

    #[test]
    fn drops_are_read_by_inode() {
        let table = "  sl  local_address remote_address st tx_queue rx_queue tr tm->when retrnsmt \
                     uid timeout inode ref pointer drops\n  7: 0000:5EB2 0000:0000 07 00000000:0 \
                     00:00000000 00000000 0 0 4711 2 0000 12\n";
        assert_eq!(drops(table), BTreeMap::from([(4711, 12)]));
        assert_eq!(drops("x\ny\n"), BTreeMap::new());
    }
}
