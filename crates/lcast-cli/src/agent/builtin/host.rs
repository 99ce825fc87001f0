//! The host: its name, addresses, processor, operating system, and the state of its clock.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use lcast_proto::time::Timestamp;
use lcast_proto::value::Value;

use super::Roots;
use super::network::is_left_out;
use super::roots::{names, number, text};
use super::sampler::Output;

/// What hardly changes.
pub(super) fn info(roots: &Roots, output: &mut Output) {
    output.put_some("host.name", text(&roots.proc.join("sys/kernel/hostname")));
    output.put_some("host.id", id(roots));
    output.put("host.arch", arch());
    output.put("host.ip", list(addresses(roots)));
    output.put("host.mac", list(macs(roots)));
    output.put_some("host.cpu.model.name", cpu_model(roots));
    output.put("host.virtualization", virtualization(roots));
    output.put("os.type", "linux");
    let release = text(&roots.etc.join("os-release"))
        .or_else(|| text(&roots.root.join("usr/lib/os-release")))
        .unwrap_or_default();
    output.put_some("os.name", assignment(&release, "NAME"));
    output.put_some("os.version", assignment(&release, "VERSION_ID"));
    output.put_some("os.description", assignment(&release, "PRETTY_NAME"));
    output.put_some("os.kernel.release", kernel_release(roots));
    output.put_some("system.boot_time", boot_time(roots));
    output
        .put_some("system.cpu.logical.count", Some(processors_online(roots)).filter(|it| *it > 0));
    output.put_some("system.cpu.physical.count", cores(roots));
}

/// Whether a restart is due: Debian's note, or a running kernel whose modules are gone.
pub(super) fn reboot(roots: &Roots, output: &mut Output) {
    let noted = roots.run.join("reboot-required").exists();
    let modules = roots.root.join("lib/modules");
    let replaced = || {
        let installed = names(&modules);
        let running = kernel_release(roots);
        !installed.is_empty() && running.is_some_and(|running| !installed.contains(&running))
    };
    output.put("os.reboot_required", noted || replaced());
}

/// Time since boot.
pub(super) fn uptime(roots: &Roots, output: &mut Output) {
    let text = text(&roots.proc.join("uptime"));
    let seconds = text.as_deref().and_then(|it| it.split(' ').next()?.parse::<f64>().ok());
    output.put_some("system.uptime", seconds);
}

/// What the kernel knows of its clock: whether it is synchronized, and the offset in seconds.
pub(super) fn clock() -> Option<(bool, f64)> {
    lcast_net::clock::state().map(|state| (state.synchronized, state.offset))
}

/// Processors online; zero when that cannot be read.
pub(super) fn processors_online(roots: &Roots) -> i64 {
    let text = text(&roots.sys.join("devices/system/cpu/online")).unwrap_or_default();
    ranges(&text)
}

/// The number of numbers in `0-3,5`.
fn ranges(text: &str) -> i64 {
    let length = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (i64, i64) = (first.parse().ok()?, last.parse().ok()?);
        (last >= first && last < i64::from(u32::MAX)).then_some(last - first + 1)
    };
    text.split(',').filter_map(length).sum()
}

/// Processor cores: the different (package, core) of all processors.
fn cores(roots: &Roots) -> Option<i64> {
    let folder = roots.sys.join("devices/system/cpu");
    let core = |cpu: String| {
        cpu.strip_prefix("cpu")?.parse::<u32>().ok()?;
        let topology = folder.join(&cpu).join("topology");
        let package = number(&topology.join("physical_package_id"))?;
        Some((package, number(&topology.join("core_id"))?))
    };
    let cores: BTreeSet<(i64, i64)> = names(&folder).into_iter().filter_map(core).collect();
    i64::try_from(cores.len()).ok().filter(|count| *count > 0)
}

fn list(texts: impl IntoIterator<Item = String>) -> Value {
    Value::List(texts.into_iter().map(Value::Text).collect())
}

/// A name of the machine that other programs cannot link with theirs.
fn id(roots: &Roots) -> Option<String> {
    let machine = text(&roots.etc.join("machine-id"))
        .or_else(|| text(&roots.root.join("var/lib/dbus/machine-id")))?;
    if machine.len() < 32 || machine.bytes().any(|byte| !byte.is_ascii_hexdigit()) {
        return None;
    }
    let hash = blake3::derive_key("librecast 2026-11-22 host.id", machine.as_bytes());
    Some(hash[..16].iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The architecture in the words of OpenTelemetry.
fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc" => "ppc32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

/// Addresses that others could reach: IPv4, then IPv6, without loopback ones. Of a link-local one
/// its link is not told: the text is an address for whoever compares it.
fn addresses(roots: &Roots) -> Vec<String> {
    let four = text(&roots.proc.join("net/fib_trie")).unwrap_or_default();
    let six = text(&roots.proc.join("net/if_inet6")).unwrap_or_default();
    let four = local_addresses(&four).into_iter().map(|it| it.to_string());
    let six = inet6_addresses(&six).into_iter().map(|it| it.to_string());
    four.chain(six).collect()
}

/// The addresses of `/proc/net/fib_trie` that are followed by `/32 host LOCAL`.
fn local_addresses(trie: &str) -> BTreeSet<Ipv4Addr> {
    let mut addresses = BTreeSet::new();
    let mut last: Option<Ipv4Addr> = None;
    for line in trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok();
        } else if line == "/32 host LOCAL" {
            addresses.extend(last.filter(|it| !it.is_loopback()));
        }
    }
    addresses
}

/// The addresses of `/proc/net/if_inet6`, of interfaces shown.
fn inet6_addresses(table: &str) -> BTreeSet<Ipv6Addr> {
    let address = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let address = u128::from_str_radix(fields.next()?, 16).ok()?;
        let name = fields.nth(4)?;
        let address = Ipv6Addr::from(address);
        (!is_left_out(name) && !address.is_loopback()).then_some(address)
    };
    table.lines().filter_map(address).collect()
}

fn macs(roots: &Roots) -> BTreeSet<String> {
    let folder = roots.sys.join("class/net");
    let shown = names(&folder).into_iter().filter(|name| !is_left_out(name));
    let address = |name: String| text(&folder.join(name).join("address"));
    let is_real = |address: &String| address.bytes().any(|byte| !matches!(byte, b'0' | b':'));
    shown.filter_map(address).filter(is_real).collect()
}

fn cpu_model(roots: &Roots) -> Option<String> {
    let info = text(&roots.proc.join("cpuinfo"))?;
    let field = |wanted: &str| {
        let field = |line: &str| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == wanted).then(|| value.trim().to_owned())
        };
        info.lines().find_map(field).filter(|value| !value.is_empty())
    };
    let tree = || text(&roots.proc.join("device-tree/model")).map(|it| it.replace('\0', ""));
    field("model name").or_else(|| field("Model")).or_else(|| field("cpu model")).or_else(tree)
}

fn kernel_release(roots: &Roots) -> Option<String> {
    text(&roots.proc.join("sys/kernel/osrelease"))
}

fn boot_time(roots: &Roots) -> Option<Timestamp> {
    let stat = text(&roots.proc.join("stat"))?;
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    seconds.parse::<i64>().ok()?.checked_mul(1000).map(Timestamp::from_millis)
}

/// The value of `KEY=value` in the style of os-release, its quotes removed.
fn assignment(text: &str, key: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    let value = value.trim().trim_matches(['"', '\'']);
    Some(value.replace("\\\"", "\"").replace("\\$", "$").replace("\\\\", "\\"))
}

/// What the host runs in, in the words of systemd-detect-virt: containers first, then machines.
fn virtualization(roots: &Roots) -> String {
    container(roots).or_else(|| machine(roots)).unwrap_or_else(|| "none".to_owned())
}

fn container(roots: &Roots) -> Option<String> {
    let release = kernel_release(roots).unwrap_or_default().to_lowercase();
    if release.contains("microsoft") {
        return Some("wsl".to_owned());
    }
    let managed = text(&roots.run.join("systemd/container")).filter(|it| !it.is_empty());
    if managed.is_some() {
        return managed;
    }
    let first = text(&roots.proc.join("1/environ")).unwrap_or_default();
    let named = first.split('\0').find_map(|it| it.strip_prefix("container="));
    if let Some(named) = named.filter(|it| !it.is_empty()) {
        return Some(named.to_owned());
    }
    let marks = [(".dockerenv", "docker"), ("run/.containerenv", "podman"), ("dev/lxd", "lxc")];
    let mark = marks.iter().find(|(path, _)| roots.root.join(path).exists());
    mark.map(|(_, name)| (*name).to_owned())
}

fn machine(roots: &Roots) -> Option<String> {
    const VENDORS: [(&str, &str); 12] = [
        ("KVM", "kvm"),
        ("OpenStack", "kvm"),
        ("Amazon EC2", "amazon"),
        ("QEMU", "qemu"),
        ("VMware", "vmware"),
        ("VMW", "vmware"),
        ("innotek GmbH", "oracle"),
        ("VirtualBox", "oracle"),
        ("Xen", "xen"),
        ("Bochs", "bochs"),
        ("Parallels", "parallels"),
        ("Google Compute Engine", "google"),
    ];
    let dmi = |file: &str| text(&roots.sys.join("class/dmi/id").join(file)).unwrap_or_default();
    let (product, vendor) = (dmi("product_name"), dmi("sys_vendor"));
    let flags = text(&roots.proc.join("cpuinfo")).unwrap_or_default();
    let virtual_cpu = flags.lines().find(|line| line.starts_with("flags"));
    let virtual_cpu = virtual_cpu.is_some_and(|line| line.split(' ').any(|it| it == "hypervisor"));
    if vendor == "Amazon EC2" && !virtual_cpu {
        return None;
    }
    if vendor == "Microsoft Corporation" && product == "Virtual Machine" {
        return Some("microsoft".to_owned());
    }
    let named = |field: &str| {
        let mut vendors = VENDORS.iter().filter(|(prefix, _)| field.starts_with(prefix));
        vendors.next().map(|(_, name)| (*name).to_owned())
    };
    let hypervisor = || text(&roots.sys.join("hypervisor/type")).filter(|it| !it.is_empty());
    let found = named(&product).or_else(|| named(&vendor)).or_else(hypervisor);
    found.or_else(|| virtual_cpu.then(|| "vm-other".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_processors_are_counted() {
        for (text, expected) in
            [("0", 1), ("0-3", 4), ("0-3,8-11,15", 9), ("", 0), ("x", 0), ("3-0", 0)]
        {
            assert_eq!(ranges(text), expected, "{text}");
        }
    }

    #[test]
    fn assignments_lose_their_quotes() {
        let text = "NAME=\"Debian GNU/Linux\"\nVERSION_ID='12'\nID=debian\nX=\"a\\\"b\"";
        for (key, expected) in
            [("NAME", Some("Debian GNU/Linux")), ("VERSION_ID", Some("12")), ("Y", None)]
        {
            assert_eq!(assignment(text, key).as_deref(), expected);
        }
        assert_eq!(assignment(text, "X").as_deref(), Some("a\"b"));
    }
}
