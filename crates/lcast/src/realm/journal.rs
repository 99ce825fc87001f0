//! What is being issued, on the disk, so that a run that was killed is finished or undone.
//!
//! Credentials and the member list that names them are several files. They are written beside their
//! names first, then the list is kept, then they take their names. The journal stands from before
//! the first to after the last: the next run under the folder's lock finds it only when a run was
//! killed. If the list was kept, it gives the credentials their names; else it removes them.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{RealmError, RealmFolder};
use crate::file::{self, Durability, Pending};

const JOURNAL: &str = "issuing";

/// A credential that a killed run had issued and that has its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finished {
    pub(super) name: String,
    pub(super) path: PathBuf,
}

/// Notes what is going to be written for a list of this version: for each name its file.
pub(super) fn begin(
    folder: &RealmFolder,
    version: u64,
    names: &[&str],
    files: &[Pending],
) -> Result<(), RealmError> {
    let mut bytes = version.to_string().into_bytes();
    for (name, file) in names.iter().zip(files) {
        for field in [OsStr::new(name), file.temporary().as_ref(), file.destination().as_ref()] {
            bytes.push(0);
            bytes.extend(field.as_bytes());
        }
    }
    let path = folder.path().join(JOURNAL);
    file::write(&path, &bytes, Durability::Durable).map_err(|source| RealmError::io(&path, source))
}

/// Removes the note: all is done, or nothing is.
pub(super) fn end(folder: &RealmFolder) -> Result<(), RealmError> {
    let path = folder.path().join(JOURNAL);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(RealmError::io(&path, error)),
        _ => Ok(()),
    }
}

/// Whether a run was killed that is to be finished or undone.
pub(super) fn is_open(folder: &RealmFolder) -> bool {
    folder.path().join(JOURNAL).exists()
}

/// Finishes or undoes what a killed run left, given the version of the list that is kept. The
/// caller holds the folder's lock, so no run is under way.
pub(super) fn recover(folder: &RealmFolder, version: u64) -> Result<Vec<Finished>, RealmError> {
    let path = folder.path().join(JOURNAL);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let bytes = super::read_file(&path)?;
    let damaged = || {
        let what = "no record of an interrupted 'realm issue'; remove it, and issue anew";
        RealmError::io(&path, io::Error::new(io::ErrorKind::InvalidData, what))
    };
    let mut fields = bytes.split(|byte| *byte == 0);
    let begun = fields.next().and_then(|it| std::str::from_utf8(it).ok()?.parse::<u64>().ok());
    let begun = begun.ok_or_else(damaged)?;
    let mut finished = Vec::new();
    while let Some(name) = fields.next() {
        let (Some(temporary), Some(destination)) = (fields.next(), fields.next()) else {
            return Err(damaged());
        };
        let file = Pending::left(as_path(temporary), as_path(destination)).ok_or_else(damaged)?;
        if begun > version {
            // Nobody was told of it; dropped, the file goes.
            continue;
        }
        if place(file)? {
            let name = String::from_utf8_lossy(name).into_owned();
            finished.push(Finished { name, path: as_path(destination).to_owned() });
        }
    }
    end(folder)?;
    Ok(finished)
}

/// Gives a file its name, unless it has it; whether there is such a file.
pub(super) fn place(file: Pending) -> Result<bool, RealmError> {
    let (temporary, destination) = (file.temporary().to_owned(), file.destination().to_owned());
    if !temporary.exists() {
        return Ok(destination.exists());
    }
    let has_name = file::is_same(&temporary, &destination);
    match if has_name { Ok(()) } else { file.create() } {
        Ok(()) => Ok(true),
        Err(source) => {
            file.keep();
            Err(RealmError::Waiting { path: destination, temporary, source })
        }
    }
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
