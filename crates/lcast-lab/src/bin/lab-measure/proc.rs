//! What the kernel counts about a process.

use std::fs;

/// Time on a core, summed over threads.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() / 1e9
}

/// Resident memory in bytes; NaN when the process is not there.
pub(crate) fn resident_bytes(pid: u32) -> f64 {
    memory(pid, "Rss:")
}

/// What of it is the process's own: heap and stacks, not the program that was read from its file.
pub(crate) fn anonymous_bytes(pid: u32) -> f64 {
    memory(pid, "Anonymous:")
}

/// A figure of all the mappings of a process together: exact, as the counters of `status` are not.
fn memory(pid: u32, what: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(what));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) * 1024.0
}
