//! Main memory, swap and page faults.

use procfs::{FromRead, Meminfo};

use super::Roots;
use super::roots::text;
use super::sampler::Output;

/// Main memory. `usage`, `free`, `cached` and `buffers` add up to `limit`.
pub(super) fn memory(roots: &Roots, output: &mut Output) {
    let Ok(info) = Meminfo::from_file(roots.proc.join("meminfo")) else { return };
    let cached = info.cached + info.s_reclaimable.unwrap_or(0);
    let used = info.mem_total.saturating_sub(info.mem_free + info.buffers + cached);
    output.count("system.memory.limit", info.mem_total);
    output.count("system.memory.usage", used);
    output.count("system.memory.free", info.mem_free);
    output.count("system.memory.cached", cached);
    output.count("system.memory.buffers", info.buffers);
    if let Some(shared) = info.shmem {
        output.count("system.memory.shared", shared);
    }
    output.put_some("system.memory.utilization", part(used, info.mem_total));
    if let Some(available) = info.mem_available {
        output.count("system.memory.linux.available", available);
    }
}

/// Swap and page faults. A host without swap has no utilisation of it.
pub(super) fn paging(roots: &Roots, output: &mut Output) {
    if let Ok(info) = Meminfo::from_file(roots.proc.join("meminfo")) {
        let used = info.swap_total.saturating_sub(info.swap_free);
        output.count("system.paging.limit", info.swap_total);
        output.count("system.paging.usage", used);
        output.put_some("system.paging.utilization", part(used, info.swap_total));
    }
    let Some(vmstat) = text(&roots.proc.join("vmstat")) else { return };
    let field = |name: &str| {
        let line = vmstat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|number| number.parse::<u64>().ok())
    };
    if let (Some(all), Some(major)) = (field("pgfault"), field("pgmajfault")) {
        output.count("system.paging.faults.major", major);
        output.count("system.paging.faults.minor", all.saturating_sub(major));
    }
}

/// `used` as a part of `whole`, where there is a whole.
#[allow(clippy::cast_precision_loss)]
pub(super) fn part(used: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| used as f64 / whole as f64)
}
