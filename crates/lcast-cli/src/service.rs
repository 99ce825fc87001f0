//! What systemd is told of a service, by the protocol of sd_notify(3). Elsewhere: nothing.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// Tells the service manager, if there is one: `READY=1`, `STOPPING=1`, `WATCHDOG=1`.
pub(crate) fn notify(state: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    if let Err(error) = send(&name, state) {
        tracing::warn!(%error, state, "the service manager cannot be told");
    }
}

fn send(name: &OsString, state: &str) -> Result<(), io::Error> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.send(state.as_bytes()).map(|_| ())
}

/// Whether this process was started to live on when its terminal ends: SIGHUP is ignored.
pub(crate) fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_first(&status)
}

/// Whether a process's status (proc_pid_status(5)) says that it ignores the first signal.
fn ignored_first(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|it| u64::from_str_radix(it.trim(), 16).ok()).is_some_and(|it| it & 1 == 1)
}

/// When the service manager's watchdog is to be fed.
pub(crate) struct Watchdog(Option<Interval>);

/// The watchdog of this process, if it has one: `WATCHDOG_USEC`, fed twice in its time.
pub(crate) fn watchdog() -> Watchdog {
    let ours = |pid: String| pid.parse() == Ok(std::process::id());
    let for_us = std::env::var("WATCHDOG_PID").map_or(true, ours);
    let micros = std::env::var("WATCHDOG_USEC").ok().filter(|_| for_us);
    let micros: Option<u64> = micros.and_then(|micros| micros.parse().ok());
    Watchdog(micros.filter(|micros| *micros >= 2).map(|micros| {
        let mut interval = interval(Duration::from_micros(micros / 2));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval
    }))
}

impl Watchdog {
    /// Waits until it is to be fed; for ever when there is none.
    pub(crate) async fn due(&mut self) {
        match &mut self.0 {
            Some(interval) => {
                interval.tick().await;
            }
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_status() {
        for (status, expected) in [
            ("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000000\n", true),
            ("Name:\tx\nSigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n", false),
            ("SigIgn:\tnonsense\n", false),
            ("", false),
        ] {
            assert_eq!(ignored_first(status), expected, "{status}");
        }
    }

    #[test]
    fn a_manager_is_told_by_abstract_name_and_by_path() {
        let name = format!("librecast-test-{}", std::process::id());
        let path = std::env::temp_dir().join(&name);
        let abstract_address = SocketAddr::from_abstract_name(&name).unwrap();
        for (address, written) in [
            (abstract_address, OsString::from(format!("@{name}"))),
            (SocketAddr::from_pathname(&path).unwrap(), path.clone().into_os_string()),
        ] {
            let manager = UnixDatagram::bind_addr(&address).unwrap();
            send(&written, "READY=1").unwrap();
            let mut buffer = [0; 32];
            let length = manager.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"READY=1");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(send(&path.into_os_string(), "READY=1").is_err());
    }
}
