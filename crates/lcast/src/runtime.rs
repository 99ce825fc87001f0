//! Folders that last as long as the machine runs.

use std::path::PathBuf;

use lcast_net::registry::Fallback;

use crate::home::{Environment, Home};

/// Where nodes of this host find each other without multicast: the system's runtime folder, which
/// agents and users share, and the user's own.
pub fn registry_folders() -> Vec<PathBuf> {
    vec![PathBuf::from("/run/librecast"), user_folder()]
}

/// The user's runtime folder.
pub fn user_folder() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir).join("librecast"),
        None => PathBuf::from(format!("/tmp/librecast-{}", rustix::process::getuid().as_raw())),
    }
}

/// Where the nodes of this user meet while [`user_folder`] is not the user's own: anybody can make
/// a folder of its name in `/tmp` first. It depends on the user alone, not on `LIBRECAST_HOME`, a
/// realm or a credential, so that agents and those who ask come to the same.
pub fn fallback() -> Fallback {
    let environment = Environment { librecast_home: None, ..Environment::of_process() };
    Fallback { instead_of: user_folder(), folder: Home::of(environment).nodes_folder() }
}
