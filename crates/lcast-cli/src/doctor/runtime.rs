//! The user's runtime folder, where nodes of a realm of one host find each other, when it is not
//! the user's own: anybody can make a folder of its name in `/tmp` first.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use lcast_net::registry::{Trouble, trouble};

use super::mend::{as_root, quoted};
use crate::owner;

/// A runtime folder that is not the user's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuntimeFacts {
    /// The folder.
    pub(crate) folder: PathBuf,
    /// What is wrong with it.
    pub(crate) trouble: Trouble,
    /// The user that it, or what stands in its place, belongs to.
    pub(crate) owner: String,
    /// Where the user's nodes meet instead.
    pub(crate) instead: PathBuf,
}

impl RuntimeFacts {
    /// Looks at the folder; none where nothing is wrong with it.
    pub(crate) fn look() -> Option<Self> {
        let fallback = lcast::runtime::fallback();
        let folder = fallback.instead_of;
        let trouble = trouble(&folder)?;
        let owner = std::fs::symlink_metadata(&folder).map(|it| owner::user(it.uid())).ok()?;
        Some(Self { folder, trouble, owner, instead: fallback.folder })
    }

    /// What is wrong, as a sentence.
    pub(crate) fn what(&self) -> String {
        let Self { folder, trouble, owner, instead } = self;
        let (folder, instead) = (folder.display(), instead.display());
        let what = match trouble {
            Trouble::Owner(_) => format!("belongs to {owner}"),
            Trouble::NoFolder => format!("is no folder but a link or file of {owner}"),
            Trouble::Open(mode) => {
                format!("of {owner} can be changed by everybody (mode {mode:04o})")
            }
        };
        format!(
            "'{folder}', where nodes of this host find each other, {what}; those of this user \
             meet in '{instead}' instead"
        )
    }

    /// The command that mends it.
    pub(crate) fn command(&self, root: bool) -> String {
        let folder = quoted(&self.folder.to_string_lossy());
        match self.trouble {
            Trouble::Owner(_) | Trouble::NoFolder => as_root(root, &format!("rm -rf {folder}")),
            Trouble::Open(_) => format!("chmod 700 {folder}"),
        }
    }
}
