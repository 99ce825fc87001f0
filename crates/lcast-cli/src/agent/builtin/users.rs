//! How many users are logged in. Their names stay private.

use std::collections::BTreeSet;

use super::Roots;
use super::roots::{names, text};
use super::sampler::Output;

/// The number of different users with a session: by logind where it runs, else by utmp.
pub(super) fn count(roots: &Roots, output: &mut Output) {
    let users = logind(roots).or_else(|| utmp(roots));
    output.put_some("system.user.count", users.and_then(|it| i64::try_from(it).ok()));
}

/// Counts the users of `/run/systemd/sessions`; `None` without logind.
fn logind(roots: &Roots) -> Option<usize> {
    let folder = roots.run.join("systemd/sessions");
    if !roots.run.join("systemd/seats").is_dir() || !roots.run.join("systemd/system").is_dir() {
        return None;
    }
    let mut users = BTreeSet::new();
    for session in names(&folder).into_iter().filter(|name| !name.ends_with(".ref")) {
        let Some(text) = text(&folder.join(session)) else { continue };
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        if field("CLASS=").is_some_and(|class| class.starts_with("user")) {
            users.extend(field("UID=").map(str::to_owned));
        }
    }
    Some(users.len())
}

/// Counts the users of `/run/utmp`, records of 384 bytes of which the first two hold the type.
fn utmp(roots: &Roots) -> Option<usize> {
    const RECORD: usize = 384;
    const USER_PROCESS: [u8; 2] = 7_u16.to_ne_bytes();
    let bytes = std::fs::read(roots.run.join("utmp")).ok()?;
    let sessions = bytes.chunks_exact(RECORD).filter(|record| record[..2] == USER_PROCESS);
    let names: BTreeSet<&[u8]> = sessions.map(|record| &record[44..76]).collect();
    Some(names.len())
}
