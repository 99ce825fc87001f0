//! The machine and the moment of a run.

use std::fs;

use anyhow::Context;

/// What a reader must know to compare figures.
pub(crate) struct Machine {
    /// Names and values, in order.
    pub(crate) facts: Vec<(&'static str, String)>,
    /// Whether others used it when the run began.
    pub(crate) busy: bool,
}

impl Machine {
    /// This machine, now.
    pub(crate) fn describe() -> anyhow::Result<Self> {
        let cores = std::thread::available_parallelism().context("counting cores")?.get();
        let system = rustix::system::uname();
        // Of before the builds.
        let load = std::env::var("LCAST_BENCH_LOAD").context("start this by bench/run")?;
        let memory = field(&fs::read_to_string("/proc/meminfo")?, "MemTotal");
        let memory = memory.trim_end_matches(" kB").parse::<u64>().unwrap_or_default() >> 20;
        let cpu = field(&fs::read_to_string("/proc/cpuinfo")?, "model name");
        let system_name = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let distribution = system_name.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
        let release = system.release().to_string_lossy().into_owned();
        let date = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
        let facts = vec![
            ("date", date),
            ("processor", format!("{cpu}, {cores} cores")),
            ("memory", format!("{memory} GiB")),
            ("kernel", format!("{} {release}", system.sysname().to_string_lossy())),
            ("distribution", distribution.unwrap_or("unknown").trim_matches('"').to_owned()),
            ("load before the run", load.clone()),
        ];
        Ok(Self { facts, busy: load.parse::<f64>().is_ok_and(|load| load > BUSY) })
    }
}

/// A machine with nothing else to do is below this load.
const BUSY: f64 = 1.0;

/// The value of a field in a text of lines `name: value`.
fn field(text: &str, name: &str) -> String {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'));
    value.map_or("unknown", |(_, value)| value.trim()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let text = "processor\t: 0\nmodel name\t: A Processor\nMemTotal:   100 kB\n";
        assert_eq!(field(text, "model name"), "A Processor");
        assert_eq!(field(text, "MemTotal"), "100 kB");
        assert_eq!(field(text, "absent"), "unknown");
    }
}
