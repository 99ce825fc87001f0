//! A client's credential that is on this host and is refused: the doctor then looks with another.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use lcast::realm::RealmError;

use super::mend::{as_root, quoted};

/// Why a client's credential is refused, and how it can be used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefusedFacts {
    /// What other commands say.
    pub(crate) what: String,
    /// What would mend it.
    pub(crate) way: Way,
}

/// What makes a credential usable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// This file becomes its user's alone; the owner, where it is another's now.
    Close { file: PathBuf, owner: Option<u32> },
    /// This file makes way for one that is issued anew.
    Replace { file: PathBuf },
    /// This file is not needed.
    Remove { file: PathBuf },
    /// The clock of this host is put right.
    SetClock,
}

impl RefusedFacts {
    /// What an error says of a credential; none where there is no client's, which is no fault.
    pub(crate) fn of(error: &RealmError) -> Option<Self> {
        let way = match error {
            RealmError::Mode { path, .. } | RealmError::Io { path, .. } => {
                Way::Close { file: path.clone(), owner: foreign(path) }
            }
            RealmError::Content { path, .. } => Way::Replace { file: path.clone() },
            RealmError::MembersFile { path, .. } => Way::Remove { file: path.clone() },
            _ => return None,
        };
        Some(Self { what: error.to_string(), way })
    }

    /// The command that mends it.
    pub(crate) fn command(&self, root: bool) -> String {
        let word = |file: &Path| quoted(&file.to_string_lossy());
        match &self.way {
            Way::Close { file, owner: None } => format!("chmod 600 {}", word(file)),
            Way::Close { file, owner: Some(user) } => {
                let own = as_root(root, &format!("chown {user} {}", word(file)));
                format!("{own} && chmod 600 {}", word(file))
            }
            Way::Replace { file } => {
                format!("mv {0} {0}.old && librecast join FILE", word(file))
            }
            Way::Remove { file } => format!("rm {}", word(file)),
            Way::SetClock => as_root(root, "timedatectl set-ntp true"),
        }
    }
}

/// This user, where a file is another's, whom no other may let in by its mode.
fn foreign(path: &Path) -> Option<u32> {
    let user = rustix::process::geteuid();
    let owner = fs::metadata(path).ok()?.uid();
    (owner != user.as_raw() && !user.is_root()).then(|| user.as_raw())
}
