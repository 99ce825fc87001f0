//! What is wrong with this host itself.

use std::net::Ipv6Addr;

use lcast_net::NetworkConfig;
use lcast_net::interfaces::{self, Selection};
use lcast_proto::keys::Scope;

use crate::doctor::cause::Cause;
use crate::doctor::facts::{AgentFacts, Facts, Holder, HostFacts, InterfaceFacts, RealmFacts};
use crate::doctor::mend::{
    Ports, as_root, of_interface, open_output, quoted, steps_as_root, sysctl,
};
use crate::doctor::{Finding, Severity};

/// What a full-size reply costs in a receive buffer, by the kernel's counting.
const REPLY_COST: usize = 2304;

/// The smallest MTU that the kernel has IPv6 with (RFC 8200, 5).
const MTU_MIN: u32 = 1280;

pub(super) fn diagnose(facts: &Facts) -> Vec<Finding> {
    let Facts { realm, host, .. } = facts;
    if !host.ipv6 {
        return vec![no_ipv6_at_all(host)];
    }
    let mut findings = Vec::new();
    if realm.scope == Scope::Host {
        findings.extend(loopback(host));
        findings.extend(runtime(host));
    } else {
        let meant = meant(realm, host);
        if meant.is_empty() && realm.interfaces == Selection::Automatic {
            findings.push(none_of_use(realm, host));
        }
        for interface in meant {
            findings.extend(judge(facts, interface));
        }
        findings.extend(absent(realm, host));
    }
    findings.extend(port(realm, host));
    findings.extend(buffers(realm, host));
    findings.extend(overflow(facts));
    findings
}

fn no_ipv6_at_all(host: &HostFacts) -> Finding {
    let what = "the kernel was started without IPv6 (ipv6.disable=1)".to_owned();
    let remove = "sed -i s/ipv6.disable=1// /etc/default/grub";
    let command = steps_as_root(host.root, &[remove, "update-grub", "reboot"]);
    Finding::here(Cause::NoIpv6, Severity::Error, what, command)
}

/// A realm of one host needs the loopback interface alone.
fn loopback(host: &HostFacts) -> Option<Finding> {
    let loopback = host.interfaces.iter().find(|it| it.interface.loopback)?;
    if loopback.disabled {
        return Some(no_ipv6(host, loopback));
    }
    if loopback.interface.mtu < MTU_MIN {
        return Some(small_packets(host, loopback));
    }
    (!loopback.interface.up).then(|| down(host, loopback))
}

/// A runtime folder that is not the user's own: nodes meet elsewhere.
fn runtime(host: &HostFacts) -> Option<Finding> {
    let runtime = host.runtime.as_ref()?;
    let (what, command) = (runtime.what(), runtime.command(host.root));
    Some(Finding::here(Cause::RuntimeFolderForeign, Severity::Warning, what, command))
}

/// The interfaces that the realm is meant to use, usable or not. Where it takes whatever is there,
/// those that are not usable matter only while none is.
fn meant<'a>(realm: &RealmFacts, host: &'a HostFacts) -> Vec<&'a InterfaceFacts> {
    let all: Vec<_> = host.interfaces.iter().map(|it| it.interface.clone()).collect();
    let mut chosen = match &realm.interfaces {
        Selection::Automatic => interfaces::choose(&all, &Selection::Automatic).interfaces,
        Selection::Named(names) => {
            all.iter().filter(|it| names.contains(&it.name)).cloned().collect()
        }
    };
    if chosen.is_empty() && realm.interfaces == Selection::Automatic {
        let mended: Vec<_> = all
            .into_iter()
            .map(|it| interfaces::Interface { up: true, multicast: true, ..it })
            .collect();
        chosen = interfaces::choose(&mended, &Selection::Automatic).interfaces;
    }
    let is_chosen = |it: &&InterfaceFacts| chosen.iter().any(|one| one.index == it.interface.index);
    host.interfaces.iter().filter(is_chosen).collect()
}

/// A host of which a realm that takes whatever is there can use nothing, were it mended: it has the
/// loopback alone, or beside it what is a tunnel's or a container's.
fn none_of_use(realm: &RealmFacts, host: &HostFacts) -> Finding {
    let is_other = |it: &&InterfaceFacts| !it.interface.loopback;
    let others = host.interfaces.iter().filter(is_other).map(|it| it.interface.name.as_str());
    let others: Vec<&str> = others.collect();
    let name = &realm.name;
    let mut what = format!("this host has no interface that realm '{name}' could use");
    if !others.is_empty() {
        what += &format!(" unless it is named in agent.toml (there is {})", others.join(", "));
    }
    what += "; the command makes one that leads nowhere, for the programs of this host; a realm \
             of this host alone needs none: 'librecast realm create NAME --scope host'";
    let unused = |it: &String| !others.contains(&it.as_str());
    let spare = (0..=others.len()).map(|it| format!("lan{it}")).find(unused);
    let spare = spare.unwrap_or_else(|| "lan".to_owned());
    // Two ends of a cable; by one alone nothing is sent twice.
    let add = format!("ip link add dev {spare} type veth peer name {spare}-end");
    let end = format!("ip link set dev {spare}-end multicast off up");
    let set = format!("ip link set dev {spare} multicast on up");
    let command = steps_as_root(host.root, &[&add, &end, &set]);
    Finding::here(Cause::InterfaceAbsent, Severity::Error, what, command)
}

/// The first thing that is wrong with an interface.
fn judge(all: &Facts, facts: &InterfaceFacts) -> Option<Finding> {
    let host = &all.host;
    let interface = &facts.interface;
    let name = &interface.name;
    if facts.disabled {
        return Some(no_ipv6(host, facts));
    }
    if interface.mtu < MTU_MIN {
        return Some(small_packets(host, facts));
    }
    if !interface.up || !interface.carrier {
        return Some(down(host, facts));
    }
    if !interface.multicast {
        let what = format!("'{name}' does not multicast");
        let command = as_root(host.root, &format!("ip link set dev {} multicast on", quoted(name)));
        return Some(Finding::here(Cause::WrongInterface, Severity::Error, what, command));
    }
    if !interface.addresses.iter().any(|it| !it.tentative) {
        return no_address(host, facts);
    }
    if !facts.route {
        let what = format!("the kernel has no route for multicast out of '{name}'");
        let device = quoted(name);
        let command = format!("ip -6 route add multicast ff00::/8 dev {device} table local");
        let command = as_root(host.root, &command);
        return Some(Finding::here(Cause::NoMulticastRoute, Severity::Error, what, command));
    }
    if facts.forbids && all.asked.is_none() {
        // Who asks sees it by what becomes of the questions.
        let what = format!("a firewall of this host forbids what goes to the realm by '{name}'");
        let command = open_output(host.root, host.firewall, &Ports::of(all.realm.port, []));
        return Some(Finding::here(Cause::QuestionsBlocked, Severity::Error, what, command));
    }
    narrow(all, facts)
}

/// An interface whose only address is link-local, in a realm that routers shall forward: it matters
/// where others hear somebody who is not heard here. Who is heard by nobody may just not run.
fn narrow(all: &Facts, facts: &InterfaceFacts) -> Option<Finding> {
    let Facts { realm, host, asked, .. } = all;
    let is_such = |it: &&AgentFacts| it.is_silent() && it.elsewhere;
    let agents = asked.iter().flat_map(|it| &it.agents);
    let names: Vec<&str> = agents.filter(is_such).map(|it| it.name.as_str()).collect();
    let addresses = &facts.interface.addresses;
    let wide = addresses.iter().any(|it| !it.ip.is_unicast_link_local());
    let (near, group) = (addresses.first()?.ip.octets(), realm.group?.octets());
    if !realm.is_routed() || wide || names.is_empty() {
        return None;
    }
    let name = &facts.interface.name;
    let what = format!(
        "'{name}' has only a link-local address, from which routers forward nothing, and other \
         agents hear {}, which is out of reach here",
        names.join(", ")
    );
    // A prefix that all hosts of the realm come to, from its group's hash (RFC 4193).
    let mut octets = [0; 16];
    octets[0] = 0xfd;
    octets[1..6].copy_from_slice(&group[2..7]);
    octets[8..].copy_from_slice(&near[8..]);
    let address = Ipv6Addr::from(octets);
    let command = format!("ip -6 address add {address}/64 dev {}", quoted(name));
    let command = as_root(host.root, &command);
    Some(Finding::here(Cause::WrongScope, Severity::Warning, what, command))
}

fn no_ipv6(host: &HostFacts, facts: &InterfaceFacts) -> Finding {
    let name = &facts.interface.name;
    let what = format!("IPv6 is switched off on '{name}'");
    // Switching it on for all reaches every interface there is.
    let scope = if host.all_disabled { "all" } else { name };
    let command = sysctl(host.root, &of_interface(scope, "disable_ipv6"), 0);
    Finding::here(Cause::NoIpv6, Severity::Error, what, command)
}

/// An interface whose packets are too small for IPv6, which the kernel switches off there.
fn small_packets(host: &HostFacts, facts: &InterfaceFacts) -> Finding {
    let (name, mtu) = (&facts.interface.name, facts.interface.mtu);
    let what = format!("'{name}' has no IPv6: its MTU is {mtu}, and IPv6 needs {MTU_MIN} or more");
    let usual = if facts.interface.loopback { 65_536 } else { 1500 };
    let command = format!("ip link set dev {} mtu {usual}", quoted(name));
    let command = as_root(host.root, &command);
    Finding::here(Cause::WrongScope, Severity::Error, what, command)
}

fn down(host: &HostFacts, facts: &InterfaceFacts) -> Finding {
    let name = &facts.interface.name;
    let device = quoted(name);
    let (what, command) = if facts.interface.up {
        (format!("'{name}' has no carrier: a cable, or the switch"), format!("ethtool {device}"))
    } else {
        (format!("'{name}' is down"), format!("ip link set dev {device} up"))
    };
    let command = as_root(host.root, &command);
    Finding::here(Cause::InterfaceDown, Severity::Error, what, command)
}

/// An interface without any address that could be used: nothing can be sent from it.
fn no_address(host: &HostFacts, facts: &InterfaceFacts) -> Option<Finding> {
    let name = &facts.interface.name;
    if !facts.interface.addresses.is_empty() {
        // Detection of duplicates goes on: that is over in a second or two.
        return None;
    }
    let what = format!("'{name}' has no IPv6 address");
    let command = if facts.generates_none {
        sysctl(host.root, &of_interface(name, "addr_gen_mode"), 0)
    } else {
        let set = format!("ip link set dev {}", quoted(name));
        steps_as_root(host.root, &[&format!("{set} down"), &format!("{set} up")])
    };
    Some(Finding::here(Cause::WrongScope, Severity::Error, what, command))
}

/// The interfaces that the realm names and that are not there.
fn absent(realm: &RealmFacts, host: &HostFacts) -> Vec<Finding> {
    let Selection::Named(names) = &realm.interfaces else { return Vec::new() };
    let is_there = |name: &String| host.interfaces.iter().any(|it| it.interface.name == *name);
    let usual: Vec<_> = host.interfaces.iter().map(|it| it.interface.clone()).collect();
    let usual = interfaces::choose(&usual, &Selection::Automatic).interfaces;
    let spare = usual.iter().find(|it| !names.contains(&it.name));
    let finding = |name: &String| {
        let mut what = format!("realm '{}' names '{name}', which is not there", realm.name);
        if let Some(spare) = spare.map(|it| &it.name) {
            what += &format!(
                "; the command takes '{spare}' down, with its addresses and routes: over a \
                 connection by it, give the agent its name instead, in agent.toml: [network] \
                 interfaces = [\"{spare}\"]"
            );
        }
        let device = quoted(name);
        let command = match spare.map(|it| quoted(&it.name)) {
            Some(spare) => {
                let down = format!("ip link set dev {spare} down");
                let rename = format!("ip link set dev {spare} name {device}");
                let up = format!("ip link set dev {device} up");
                steps_as_root(host.root, &[&down, &rename, &up])
            }
            None => as_root(host.root, &format!("ip link add dev {device} type dummy")),
        };
        Finding::here(Cause::InterfaceAbsent, Severity::Error, what, command)
    };
    names.iter().filter(|name| !is_there(name)).map(finding).collect()
}

/// Another program at the realm's port: nothing is heard, or an agent listens elsewhere.
fn port(realm: &RealmFacts, host: &HostFacts) -> Option<Finding> {
    let port = realm.port;
    let is_other = |it: &&Holder| {
        let ours = it.process.as_ref().is_some_and(|it| it.program == "librecast");
        it.address.is_unspecified() && !ours
    };
    let holder = host.holders.iter().find(is_other);
    if !host.group_taken && holder.is_none() {
        return None;
    }
    let Some(holder) = holder.or(host.holders.first()) else {
        let what = format!("another program holds UDP port {port} for itself alone");
        let command = as_root(host.root, &format!("ss -lunp sport = :{port}"));
        return Some(Finding::here(Cause::PortTaken, Severity::Error, what, command));
    };
    let (who, command) = match &holder.process {
        Some(process) => {
            let command = match &process.unit {
                Some(unit) => as_root(host.root, &format!("systemctl stop {}", quoted(unit))),
                None => as_root(host.root, &format!("kill {}", process.pid)),
            };
            (format!("'{}' (pid {})", process.program, process.pid), command)
        }
        None => {
            let command = format!("ss -lunp sport = :{port}");
            (format!("a program of user {}", holder.user), as_root(host.root, &command))
        }
    };
    let (what, severity) = if host.group_taken {
        let what = format!("{who} holds UDP port {port} for itself alone: the realm is not heard");
        (what, Severity::Error)
    } else {
        (format!("{who} has UDP port {port} as well: answers may go to it"), Severity::Warning)
    };
    Some(Finding::here(Cause::PortTaken, severity, what, command))
}

/// Whether the answers of all agents fit the receive buffer, as far as they may come at once.
fn buffers(realm: &RealmFacts, host: &HostFacts) -> Option<Finding> {
    let needed = (realm.agents.saturating_mul(REPLY_COST)).min(2 * NetworkConfig::RECEIVE_BUFFER);
    if host.receive_buffer >= needed {
        return None;
    }
    let what = format!(
        "a receive buffer of {} bytes is granted here; answers of {} agents may need {needed}",
        host.receive_buffer, realm.agents
    );
    let command = sysctl(host.root, "net.core.rmem_max", NetworkConfig::RECEIVE_BUFFER);
    Some(Finding::here(Cause::BuffersSmall, Severity::Warning, what, command))
}

/// Datagrams that were lost in full buffers: here while asking, or at sockets of the realm.
fn overflow(facts: &Facts) -> Option<Finding> {
    let asked = facts.asked.as_ref().map_or(0, |asked| asked.overflow);
    let host = &facts.host;
    let worst = host.holders.iter().max_by_key(|it| it.drops).filter(|it| it.drops > 0);
    match worst {
        None if asked == 0 => None,
        None => Some(lost_here(host, asked)),
        Some(holder) => Some(lost_at(host, holder, facts.realm.port)),
    }
}

/// The finding that says this of lost datagrams.
fn overflowed(what: String, command: String) -> Finding {
    Finding::here(Cause::ReceiveOverflow, Severity::Warning, what, command)
}

/// Datagrams that this command lost, whose buffer is as large as one is here.
fn lost_here(host: &HostFacts, lost: u64) -> Finding {
    let what = format!("this command lost {lost} datagrams in a full receive buffer");
    match larger_buffers(host, Some(host.receive_buffer)) {
        Some(raise) => overflowed(what, raise),
        None => {
            let what = format!("{what}{TOO_SLOW}; the command shows what keeps it busy");
            overflowed(what, BUSY.to_owned())
        }
    }
}

/// Datagrams that a socket lost. A buffer is granted, and its losses are counted, from the start of
/// its program on.
fn lost_at(host: &HostFacts, holder: &Holder, port: u16) -> Finding {
    let program = holder.process.as_ref().map_or_else(
        || format!("a program of user {}", holder.user),
        |it| format!("'{}' (pid {})", it.program, it.pid),
    );
    let mut what = format!("{program} lost {} datagrams in a full receive buffer", holder.drops);
    let raise = larger_buffers(host, holder.receive_buffer);
    match holder.receive_buffer {
        Some(granted) if is_whole(granted) => what += TOO_SLOW,
        Some(_) if raise.is_none() && host.receive_buffer_max.is_some() => {
            what += "; the kernel grants a larger one here to who is started again";
        }
        Some(_) | None => {}
    }
    let restart = restart(host, holder);
    match &restart {
        Some(Restart { here: true, .. }) => what += "; the command starts it again, here",
        Some(_) => {}
        None if raise.is_some() => {
            what += "; start it again after the command, as a larger buffer is granted then";
        }
        None => what += "; the command shows its buffer and losses, until it is started again",
    }
    let command = match (raise, restart.map(|it| it.command)) {
        (Some(raise), Some(restart)) => format!("{raise} && {restart}"),
        (Some(command), None) | (None, Some(command)) => command,
        (None, None) => as_root(host.root, &format!("ss -lunpm sport = :{port}")),
    };
    overflowed(what, command)
}

/// What has larger buffers granted than this one, if it is a limit of the kernel's that made it
/// small: who has what it asked for gets no more by any setting, and the limit is never lowered.
/// Where it cannot be read, it is lower if a socket is granted less.
fn larger_buffers(host: &HostFacts, granted: Option<usize>) -> Option<String> {
    let whole = granted.is_some_and(is_whole);
    let limited = host
        .receive_buffer_max
        .map_or(!is_whole(host.receive_buffer), |it| it < NetworkConfig::RECEIVE_BUFFER);
    (!whole && limited)
        .then(|| sysctl(host.root, "net.core.rmem_max", NetworkConfig::RECEIVE_BUFFER))
}

/// Whether a buffer, in the kernel's counting, is all that a node asks for.
fn is_whole(receive_buffer: usize) -> bool {
    receive_buffer >= 2 * NetworkConfig::RECEIVE_BUFFER
}

/// What starts a program again.
struct Restart {
    command: String,
    /// Whether it then runs in the terminal of who types that.
    here: bool,
}

fn restart(host: &HostFacts, holder: &Holder) -> Option<Restart> {
    let process = holder.process.as_ref()?;
    if let Some(unit) = &process.unit {
        let command = as_root(host.root, &format!("systemctl restart {}", quoted(unit)));
        return Some(Restart { command, here: false });
    }
    let (pid, again) = (process.pid, process.again.as_ref()?);
    let ended = format!("while kill -0 {pid}; do sleep 0.1; done 2>/dev/null");
    Some(Restart { command: format!("kill {pid} && {ended} && {again}"), here: true })
}

/// Said where a buffer is as large as it is asked for.
const TOO_SLOW: &str = ", which is as large as it asks for: it stood still, or this host is too \
                        busy for what comes";
/// Shows what keeps a host busy.
const BUSY: &str = "top -b -n 1 | head -n 20";
