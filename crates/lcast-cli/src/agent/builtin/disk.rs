//! Block devices, by `/proc/diskstats`.

use std::collections::{BTreeMap, BTreeSet};

use lcast_proto::time::Instant;
use procfs::{DiskStats, FromRead};

use super::Roots;
use super::sampler::Output;
use super::window::Window;

/// The readers of disks, with what they saw before.
#[derive(Debug, Default)]
pub(super) struct Disks {
    window: Window<BTreeMap<String, u64>>,
    known: BTreeSet<String>,
}

/// Sectors of `/proc/diskstats` have this size whatever the device says.
const SECTOR: u64 = 512;

/// Devices that are no disks of their own: loops over files, memory, optical and floppy drives.
const LEFT_OUT: [&str; 5] = ["loop", "ram", "zram", "sr", "fd"];

impl Disks {
    /// Marks the beginning of a window.
    pub(super) fn mark(&mut self, roots: &Roots, now: Instant) {
        let stats = read(roots);
        let times = stats.0.into_iter().filter(|disk| is_whole(roots, &disk.name));
        self.window.mark(now, times.map(|disk| (disk.name, disk.time_in_progress)).collect());
    }

    /// The counters and the utilisation of each disk.
    pub(super) fn read(&mut self, roots: &Roots, now: Instant, output: &mut Output) {
        const MAP: &str = "system.disk";
        let mut present = BTreeSet::new();
        for disk in read(roots).0 {
            let name = &disk.name;
            if !is_whole(roots, name) {
                continue;
            }
            output.count_at(MAP, name, "io.read", disk.sectors_read.saturating_mul(SECTOR));
            output.count_at(MAP, name, "io.write", disk.sectors_written.saturating_mul(SECTOR));
            output.count_at(MAP, name, "operations.read", disk.reads);
            output.count_at(MAP, name, "operations.write", disk.writes);
            output.put_at(MAP, name, "io_time", seconds(disk.time_in_progress));
            if let Some((span, base)) = self.window.base(now)
                && let Some(base) = base.get(name)
            {
                let busy = seconds(disk.time_in_progress.saturating_sub(*base));
                output.put_at(MAP, name, "utilization", (busy / span).clamp(0.0, 1.0));
            }
            present.insert(disk.name);
        }
        output.retire(MAP, &mut self.known, present);
    }
}

fn read(roots: &Roots) -> DiskStats {
    DiskStats::from_file(roots.proc.join("diskstats")).unwrap_or(DiskStats(Vec::new()))
}

/// Whether this is a disk rather than a partition. `/sys/block` writes `/` as `!`.
fn is_whole(roots: &Roots, name: &str) -> bool {
    let left_out = |prefix: &str| {
        let rest = name.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    !LEFT_OUT.iter().any(|prefix| left_out(prefix))
        && roots.sys.join("block").join(name.replace('/', "!")).exists()
}

#[allow(clippy::cast_precision_loss)]
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}
