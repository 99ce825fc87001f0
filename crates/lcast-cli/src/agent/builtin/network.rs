//! Network interfaces, by `/proc/net/dev` (which follows the network namespace) and sysfs.

use std::collections::{BTreeMap, BTreeSet};

use lcast_proto::time::Instant;
use procfs::FromRead;
use procfs::net::{DeviceStatus, InterfaceDeviceStatus};

use super::Roots;
use super::roots::{number, text};
use super::sampler::Output;
use super::window::Window;

/// The readers of interfaces, with what they saw before.
#[derive(Debug, Default)]
pub(super) struct Networks {
    window: Window<BTreeMap<String, (u64, u64)>>,
    known: BTreeSet<String>,
}

/// The flag of an interface that is switched on.
const IFF_UP: i64 = 1;

impl Networks {
    /// Marks the beginning of a window.
    pub(super) fn mark(&mut self, roots: &Roots, now: Instant) {
        let bytes = |(name, nic): (String, DeviceStatus)| (name, (nic.recv_bytes, nic.sent_bytes));
        self.window.mark(now, read(roots).into_iter().map(bytes).collect());
    }

    /// The counters, rates and states of each interface.
    pub(super) fn read(&mut self, roots: &Roots, now: Instant, output: &mut Output) {
        const MAP: &str = "system.network";
        let mut present = BTreeSet::new();
        for (name, nic) in read(roots) {
            let counters = [
                ("io.receive", nic.recv_bytes),
                ("io.transmit", nic.sent_bytes),
                ("packet.dropped.receive", nic.recv_drop),
                ("packet.dropped.transmit", nic.sent_drop),
                ("packet.errors.receive", nic.recv_errs),
                ("packet.errors.transmit", nic.sent_errs),
            ];
            for (rest, count) in counters {
                output.count_at(MAP, &name, rest, count);
            }
            if let Some((span, base)) = self.window.base(now)
                && let Some((received, sent)) = base.get(&name)
            {
                output.put_at(MAP, &name, "rate.receive", rate(*received, nic.recv_bytes, span));
                output.put_at(MAP, &name, "rate.transmit", rate(*sent, nic.sent_bytes, span));
            }
            state(roots, &name, output);
            present.insert(name);
        }
        output.retire(MAP, &mut self.known, present);
    }
}

/// Whether interfaces of this name are left out: the host's own, and those of containers.
pub(super) fn is_left_out(name: &str) -> bool {
    name == "lo" || name.starts_with("veth") || name.starts_with("docker")
}

fn read(roots: &Roots) -> BTreeMap<String, DeviceStatus> {
    let Ok(status) = InterfaceDeviceStatus::from_file(roots.proc.join("net/dev")) else {
        return BTreeMap::new();
    };
    status.0.into_iter().filter(|(name, _)| !is_left_out(name)).collect()
}

/// Up, speed and size of packets, where sysfs shows this network namespace.
fn state(roots: &Roots, name: &str, output: &mut Output) {
    const MAP: &str = "system.network";
    let folder = roots.sys.join("class/net").join(name);
    let switched_on = || {
        let flags = text(&folder.join("flags"))?;
        Some(i64::from_str_radix(flags.strip_prefix("0x")?, 16).ok()? & IFF_UP != 0)
    };
    if let Some(state) = text(&folder.join("operstate")) {
        let up = match state.as_str() {
            "up" => true,
            "unknown" => switched_on().unwrap_or(false),
            _ => false,
        };
        output.put_at(MAP, name, "up", up);
    }
    if let Some(megabits) = number(&folder.join("speed")).filter(|speed| *speed > 0) {
        output.put_at(MAP, name, "speed", megabits.saturating_mul(1_000_000));
    }
    if let Some(mtu) = number(&folder.join("mtu")) {
        output.put_at(MAP, name, "mtu", mtu);
    }
}

#[allow(clippy::cast_precision_loss)]
fn rate(base: u64, count: u64, span: f64) -> f64 {
    count.saturating_sub(base) as f64 / span
}
