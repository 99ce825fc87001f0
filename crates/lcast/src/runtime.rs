//! Folders that last as long as the machine runs.

use std::path::PathBuf;

/// Where nodes of this host find each other without multicast: the system's runtime folder, which
/// agents and users share, and the user's own.
pub fn registry_folders() -> Vec<PathBuf> {
    let user = match std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir).join("librecast"),
        None => PathBuf::from(format!("/tmp/librecast-{}", rustix::process::getuid().as_raw())),
    };
    vec![PathBuf::from("/run/librecast"), user]
}
