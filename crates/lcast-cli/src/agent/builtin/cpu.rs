//! Processor time, load, and the counts of processes that `/proc/stat` holds.

use std::fs::File;
use std::io::{BufRead, BufReader};

use lcast_proto::time::Instant;
use procfs::{FromReadSI, KernelStats};

use super::Roots;
use super::sampler::Output;
use super::window::Window;

/// The readers of `/proc/stat`.
#[derive(Debug, Default)]
pub(super) struct Cpu {
    window: Window<Ticks>,
}

/// Processor time since boot, in clock ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    busy: u64,
    total: u64,
}

impl Cpu {
    /// Marks the beginning of a window. Reads one line: the interrupt counts behind it are long.
    pub(super) fn mark(&mut self, roots: &Roots, now: Instant) {
        let Ok(file) = File::open(roots.proc.join("stat")) else { return };
        let mut line = String::new();
        if BufReader::with_capacity(512, file).read_line(&mut line).is_ok()
            && let Some(ticks) = Ticks::parse(&line)
        {
            self.window.mark(now, ticks);
        }
    }

    /// Processor time, utilisation and counts of processes.
    pub(super) fn read(&mut self, roots: &Roots, now: Instant, output: &mut Output) {
        let path = roots.proc.join("stat");
        let Ok(stats) = KernelStats::from_file(path, procfs::current_system_info()) else { return };
        let cpu = &stats.total;
        let interrupt = cpu.irq.unwrap_or(0) + cpu.softirq.unwrap_or(0);
        let times = [
            ("user", Some(cpu.user)),
            ("nice", Some(cpu.nice)),
            ("system", Some(cpu.system)),
            ("idle", Some(cpu.idle)),
            ("iowait", cpu.iowait),
            ("interrupt", Some(interrupt)),
            ("steal", cpu.steal),
        ];
        for (mode, ticks) in times {
            if let Some(ticks) = ticks {
                output.put(&format!("system.cpu.time.{mode}"), seconds(ticks));
            }
        }
        let total = times.iter().filter_map(|time| time.1).sum();
        let busy = total - cpu.idle - cpu.iowait.unwrap_or(0);
        output.put_some("system.cpu.utilization", self.utilization(now, Ticks { busy, total }));
        output.count("system.process.created", stats.processes);
        for (name, count) in [("running", stats.procs_running), ("blocked", stats.procs_blocked)] {
            output.put_some(&format!("system.process.{name}"), count.map(i64::from));
        }
    }

    fn utilization(&self, now: Instant, ticks: Ticks) -> Option<f64> {
        // Before the first window has passed: since boot.
        let base = self.window.base(now).map_or(Ticks { busy: 0, total: 0 }, |(_, base)| *base);
        let total = ticks.total.checked_sub(base.total).filter(|total| *total > 0)?;
        #[allow(clippy::cast_precision_loss)]
        let part = ticks.busy.saturating_sub(base.busy) as f64 / total as f64;
        Some(part.clamp(0.0, 1.0))
    }
}

impl Ticks {
    /// Reads the line `cpu user nice system idle iowait irq softirq steal guest guest_nice`; guest
    /// time is in user time already.
    fn parse(line: &str) -> Option<Self> {
        let fields = line.strip_prefix("cpu ")?.split_ascii_whitespace().take(8);
        let ticks: Vec<u64> = fields.map(str::parse).collect::<Result<_, _>>().ok()?;
        let total = ticks.iter().sum();
        let idle = ticks.get(3)? + ticks.get(4).unwrap_or(&0);
        Some(Self { busy: total - idle, total })
    }
}

/// Load averages. Not by `procfs`, whose single precision would print 0.42 as 0.4199999868869781.
pub(super) fn load(roots: &Roots, output: &mut Output) {
    let Some(text) = super::roots::text(&roots.proc.join("loadavg")) else { return };
    let names = ["system.cpu.load_1m", "system.cpu.load_5m", "system.cpu.load_15m"];
    for (name, field) in names.into_iter().zip(text.split_ascii_whitespace()) {
        output.put_some(name, field.parse::<f64>().ok());
    }
}

/// Clock ticks as seconds.
#[allow(clippy::cast_precision_loss)]
pub(super) fn seconds(ticks: u64) -> f64 {
    ticks as f64 / procfs::ticks_per_second() as f64
}
