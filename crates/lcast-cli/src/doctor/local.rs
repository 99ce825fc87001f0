//! What this host knows without a packet that leaves it, as an ordinary user sees it.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv6Addr;
use std::path::Path;

use lcast_net::NetworkConfig;
use lcast_net::interfaces;
use lcast_net::survey;
use lcast_proto::keys::Scope;

use super::facts::{Firewall, Holder, HostFacts, InterfaceFacts, Process, RealmFacts};
use super::mend::quoted;
use super::runtime::RuntimeFacts;
use crate::text::is_safe;

/// The group that stands for all when the realm's own is not known.
const ANY_GROUP: Ipv6Addr = Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0x8000, 1);

/// Looks at the host from where this realm stands.
pub(crate) fn look(realm: &RealmFacts) -> HostFacts {
    let group = realm.group.unwrap_or(ANY_GROUP);
    let routed = survey::routes_to(&group);
    let found = interfaces::list().unwrap_or_default();
    let link = found.iter().find(|it| it.up && !it.loopback).map(|it| it.index);
    let link = link.filter(|_| !realm.is_routed());
    let tried = survey::try_group(group, realm.port, link);
    let facts = |interface: interfaces::Interface| {
        let name = interface.name.as_str();
        InterfaceFacts {
            disabled: setting(name, "disable_ipv6") == Some(1),
            generates_none: setting(name, "addr_gen_mode") == Some(1),
            // What cannot be read is no fault.
            route: routed.as_ref().map_or(true, |routed| routed.contains(&interface.index)),
            queries: count(&format!("/proc/net/dev_snmp6/{name}"), "Icmp6InGroupMembQueries"),
            snoops: snoops(name),
            forbids: realm.scope != Scope::Host && forbids(realm, &interface),
            interface,
        }
    };
    let in_use = std::io::ErrorKind::AddrInUse;
    let group_taken = tried.is_err_and(|it| it.kind() == in_use);
    HostFacts {
        root: rustix::process::geteuid().is_root(),
        ipv6: Path::new("/proc/sys/net/ipv6").exists(),
        all_disabled: setting("all", "disable_ipv6") == Some(1),
        interfaces: found.into_iter().map(facts).collect(),
        group_taken,
        holders: holders(realm.port, group_taken),
        receive_buffer: survey::receive_buffer(NetworkConfig::RECEIVE_BUFFER)
            .unwrap_or(2 * NetworkConfig::RECEIVE_BUFFER),
        receive_buffer_max: receive_buffer_max(),
        firewall: firewall(),
        runtime: RuntimeFacts::look(),
    }
}

/// Whether a firewall of this host forbids multicast to the realm's port by an interface.
fn forbids(realm: &RealmFacts, interface: &interfaces::Interface) -> bool {
    let usable = interface.up && interface.multicast && !interface.loopback;
    usable && matches!(survey::lets_out(realm.port, interface.index), Ok(false))
}

/// The largest receive buffer that may be asked for without a privilege.
fn receive_buffer_max() -> Option<usize> {
    fs::read_to_string("/proc/sys/net/core/rmem_max").ok()?.trim().parse().ok()
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

/// The sockets at a UDP port, with the processes of those that may be at fault, where this user can
/// see them: who takes what comes to all addresses, who lost datagrams, and any where nobody else
/// can listen. Not of the others: to find the owner of a socket walks all of `/proc`, and on a host
/// of hundreds of agents each of them would, in vain.
fn holders(port: u16, group_taken: bool) -> Vec<Holder> {
    let table = fs::read_to_string("/proc/net/udp6").unwrap_or_default();
    let mut found = sockets(&table, port);
    let suspect =
        |it: &&(u64, Holder)| group_taken || it.1.address.is_unspecified() || it.1.drops > 0;
    let suspects = found.iter().filter(suspect).map(|(inode, it)| (*inode, it.user));
    let processes = processes(suspects.collect());
    let has_lost = found.iter().any(|(_, it)| it.drops > 0);
    let buffers = has_lost.then(|| survey::receive_buffers(port).ok()).flatten();
    for (inode, holder) in &mut found {
        holder.process = processes.get(inode).cloned();
        // The kernel tells of 32 bits there.
        let buffer = buffers.as_ref().and_then(|it| it.get(&(*inode as u32)).copied());
        holder.receive_buffer = buffer.filter(|_| holder.drops > 0);
    }
    found.into_iter().map(|(_, holder)| holder).collect()
}

/// The sockets at a port, by inode, in a table like `/proc/net/udp6`: an address is 16 bytes in
/// four words of this machine's order, and the last column counts what was dropped.
fn sockets(table: &str, port: u16) -> Vec<(u64, Holder)> {
    let row = |line: &str| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (address, local_port) = columns.next()?.split_once(':')?;
        if u16::from_str_radix(local_port, 16) != Ok(port) {
            return None;
        }
        let word = |at: usize| u32::from_str_radix(address.get(at..at + 8)?, 16).ok();
        let words = [word(0)?, word(8)?, word(16)?, word(24)?].map(u32::to_ne_bytes);
        let address: [u8; 16] = words.concat().try_into().ok()?;
        let user = columns.nth(5)?.parse().ok()?;
        let inode = columns.nth(1)?.parse().ok()?;
        let drops = columns.last()?.parse().ok()?;
        let (address, process) = (address.into(), None);
        Some((inode, Holder { address, process, user, drops, receive_buffer: None }))
    };
    table.lines().skip(1).filter_map(row).collect()
}

/// The processes that have these sockets open, which were made by these users.
fn processes(mut sockets: BTreeMap<u64, u32>) -> BTreeMap<u64, Process> {
    let mut found = BTreeMap::new();
    let all = procfs::process::all_processes().into_iter().flatten().flatten();
    for process in all {
        if sockets.is_empty() {
            break;
        }
        let Ok(descriptors) = process.fd() else { continue };
        for descriptor in descriptors.flatten() {
            let procfs::process::FDTarget::Socket(inode) = descriptor.target else { continue };
            if let Some(maker) = sockets.remove(&inode) {
                let program = process.stat().map(|it| it.comm).unwrap_or_default();
                let (pid, again) = (process.pid, again(&process, maker));
                found.insert(inode, Process { pid, program, unit: unit(pid), again });
            }
        }
    }
    found
}

/// What starts a process again in a shell. Only one of this user's, as is its socket, and of this
/// user's surroundings: another could name a command of its choice, and would run as this user.
fn again(process: &procfs::process::Process, maker: u32) -> Option<String> {
    let user = rustix::process::geteuid().as_raw();
    let status = process.status().ok()?;
    // Who runs a program that takes another user's rights still chooses its words.
    let users = [status.ruid, status.euid, status.suid, status.fuid, maker];
    if users.iter().any(|it| *it != user) || !is_at_home(process.pid) {
        return None;
    }
    let variables = process.environ().ok()?;
    let variable = |name: &&str| {
        let value = variables.get(std::ffi::OsStr::new(name))?;
        Some(format!("{name}={}", value.to_str()?))
    };
    let variables = ["LIBRECAST_HOME", "LIBRECAST_REALM"].iter().filter_map(variable);
    let variables: Vec<String> = variables.collect();
    again_of(&process.cmdline().ok()?, process.cwd().ok()?.to_str()?, &variables)
}

/// Whether a process sees the files and processes that this one sees: in a container the same
/// number is another user, and the same path another program.
fn is_at_home(pid: i32) -> bool {
    let space = |pid: &str, kind: &str| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
    ["user", "mnt", "pid"].into_iter().all(|kind| {
        let own = space("self", kind);
        own.is_some() && space(&pid.to_string(), kind) == own
    })
}

fn again_of(arguments: &[String], folder: &str, variables: &[String]) -> Option<String> {
    let environment = if variables.is_empty() { None } else { Some("env") };
    let words = variables.iter().chain(arguments).map(String::as_str);
    let words: Vec<&str> = environment.into_iter().chain(words).collect();
    if arguments.is_empty() || !words.iter().chain([&folder]).all(|word| is_safe(word)) {
        return None;
    }
    let words: Vec<String> = words.into_iter().map(quoted).collect();
    Some(format!("cd {} && {}", quoted(folder), words.join(" ")))
}

/// The systemd service that a process runs in.
fn unit(pid: i32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    unit_of(&text)
}

/// Above its first service the folders of cgroups are the system's: what lies elsewhere may be
/// named by whoever it was delegated to.
fn unit_of(cgroup: &str) -> Option<String> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::/system.slice/"))?;
    let unit = path.split('/').find(|part| part.ends_with(".service"))?;
    let fits = |char: char| char.is_ascii_alphanumeric() || ":-_.\\@".contains(char);
    unit.chars().all(fits).then(|| unit.to_owned())
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
        check("0::/system.slice/system-a.slice/a@b.service/c.service\n", Some("a@b.service"));
        check("0::/user.slice/user-1000.slice/user@1000.service/app.slice/a.service\n", None);
        check("0::/user.slice/user@1000.service/system.slice/sshd.service\n", None);
        check("0::/system.slice/x;id;.service\n", None);
        check("0::/\n", None);
        check("1:cpu:/x\n", None);
    }

    #[test]
    fn a_process_is_started_again_as_it_was() {
        let check = |arguments: &[&str], home: Option<&str>, expected: Option<&str>| {
            let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
            let variables: Vec<String> =
                home.map(|it| format!("LIBRECAST_HOME={it}")).into_iter().collect();
            let again = again_of(&arguments, "/a b", &variables);
            assert_eq!(again.as_deref(), expected);
        };
        let agent = ["librecast", "agent", "--state", "it's"];
        check(&agent, None, Some(r"cd '/a b' && librecast agent --state 'it'\''s'"));
        let expected = r"cd '/a b' && env 'LIBRECAST_HOME=/my home' librecast agent";
        check(&agent[..2], Some("/my home"), Some(expected));
        check(&[], None, None);
        // What could not be printed as it is.
        check(&["librecast", "a\nb"], None, None);
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn sockets_of_a_port_are_read_with_what_they_dropped() {
        let table = "\
  sl  local_address                         remote_address                        st tx_queue \
rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 6346: 00000000000000000000000001000000:5EB2 00000000000000000000000000000000:0000 07 \
00000000:00000000 00:00000000 00000000  1000        0 5851010 2 00000000e96ace1d 12
 6347: 000080FE00000000FF010000FE010000:5EB3 00000000000000000000000000000000:0000 07 \
00000000:00000000 00:00000000 00000000     0        0 5851011 2 00000000e96ace1d 0
 6348: cut
";
        let (address, process) = ("::1".parse().unwrap(), None);
        let holder = Holder { address, process, user: 1000, drops: 12, receive_buffer: None };
        assert_eq!(sockets(table, 24242), [(5_851_010, holder)]);
        let link_local = sockets(table, 24243);
        assert_eq!(link_local[0].1.address.to_string(), "fe80::1ff:0:1fe");
        assert_eq!(sockets("x\ny\n", 24242), []);
    }
}
