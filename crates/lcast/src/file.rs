//! Files that are written whole or not at all, folders that only their owner can enter.
//!
//! For the few small files a node keeps: credentials, member lists, the roster cache. Settings
//! are in [`store`](crate::store), which needs transactions.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::OFlags;
use rustix::io::Errno;

/// The mode of files that hold secrets. [SEC-78]
pub const SECRET_MODE: u32 = 0o600;

/// How sure a write must be when the call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// On the disk, name and content: survives a power cut.
    Durable,
    /// Whole or absent, but a power cut may bring back the old content: for caches.
    Cached,
}

/// What to say of a file or folder that could not be read or made: the place, what the system says,
/// and the way out where it is known.
pub fn failure(path: &Path, error: &io::Error) -> String {
    let told = format!("'{}': {error}", path.display());
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    match (error.kind(), folder) {
        (io::ErrorKind::NotFound, Some(folder)) if !folder.exists() => {
            let folder = folder.display();
            format!("{told}; there is no folder '{folder}': make it, or check the path")
        }
        (io::ErrorKind::NotFound, _) => format!("{told}; check the path"),
        (io::ErrorKind::PermissionDenied, _) => {
            format!("{told}; check whose it is ('ls -ld'), or do this as its owner")
        }
        _ => told,
    }
}

/// A file written beside its destination, waiting to take its name. Dropped, it is removed.
#[derive(Debug)]
pub struct Pending {
    temporary: PathBuf,
    destination: PathBuf,
    durability: Durability,
    placed: bool,
}

impl Pending {
    /// Writes `bytes` to a temporary file with mode 0600 in the folder of `destination`.
    ///
    /// # Errors
    /// What the file system says; nothing is left behind.
    pub fn write(
        destination: &Path,
        bytes: &[u8],
        durability: Durability,
    ) -> Result<Self, io::Error> {
        let pending = Self::planned(destination, durability)?;
        remove_left(folder_of(destination), destination.file_name());
        pending.fill(bytes)?;
        Ok(pending)
    }

    /// A file with a name of its own beside `destination`, not written yet.
    ///
    /// # Errors
    /// When the destination has no file name.
    pub fn planned(destination: &Path, durability: Durability) -> Result<Self, io::Error> {
        let mut name = std::ffi::OsString::from(".");
        name.push(destination.file_name().ok_or(io::ErrorKind::InvalidFilename)?);
        name.push(unique_suffix());
        let temporary = folder_of(destination).join(name);
        Ok(Self { temporary, destination: destination.to_owned(), durability, placed: false })
    }

    /// A durable file that a process which died had planned. `None` where the temporary name is
    /// not one that [`Self::planned`] gives a file of that destination: whoever says so means
    /// another file.
    pub fn left(temporary: &Path, destination: &Path) -> Option<Self> {
        let (name, _) = parse_temporary(temporary.file_name()?.to_str()?)?;
        let beside = folder_of(temporary) == folder_of(destination);
        (beside && destination.file_name() == Some(name.as_ref())).then(|| Self {
            temporary: temporary.to_owned(),
            destination: destination.to_owned(),
            durability: Durability::Durable,
            placed: false,
        })
    }

    /// Writes the planned file.
    ///
    /// # Errors
    /// What the file system says.
    pub fn fill(&self, bytes: &[u8]) -> Result<(), io::Error> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(SECRET_MODE).open(&self.temporary)?;
        fill(file, bytes, self.durability)
    }

    /// Where it is until it takes its name.
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// The name it is to take.
    pub fn destination(&self) -> &Path {
        &self.destination
    }

    /// Leaves the file where it is, for another process to go on with.
    pub fn keep(mut self) {
        self.placed = true;
    }

    /// Gives the file its name, replacing what is there.
    ///
    /// # Errors
    /// What the file system says; the old file is then kept.
    pub fn replace(mut self) -> Result<(), io::Error> {
        fs::rename(&self.temporary, &self.destination)?;
        self.placed = true;
        self.sync_folder()
    }

    /// Gives the file its name, unless something has it already.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`], or what else the file system says.
    pub fn create(&self) -> Result<(), io::Error> {
        // A hard link, unlike a rename, never replaces; and unlike RENAME_NOREPLACE it works on
        // every file system that a credential can live on, save FAT.
        fs::hard_link(&self.temporary, &self.destination)?;
        self.sync_folder()
    }

    fn sync_folder(&self) -> Result<(), io::Error> {
        match self.durability {
            Durability::Durable => File::open(folder_of(&self.destination))?.sync_all(),
            Durability::Cached => Ok(()),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.placed {
            // The name is ours alone; when removing it fails there is nothing better to do.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Replaces the content of a file at once: readers see the old bytes or the new, never a part.
///
/// # Errors
/// What the file system says; the old content is then kept.
pub fn write(path: &Path, bytes: &[u8], durability: Durability) -> Result<(), io::Error> {
    Pending::write(path, bytes, durability)?.replace()
}

/// Removes what processes that died left of writing to this folder: whole credentials, it may be.
/// Only what was to become `name`, where that is said. What cannot be read or removed stays.
pub fn remove_left(folder: &Path, name: Option<&std::ffi::OsStr>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let file = entry.file_name();
        let left = file.to_str().and_then(parse_temporary);
        let meant = left.filter(|(of, _)| name.is_none_or(|name| name == *of));
        if meant.is_some_and(|(_, pid)| !is_alive(pid)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// What a temporary file was to become, and whose it is.
fn parse_temporary(file: &str) -> Option<(&str, u32)> {
    parse_unfinished(file.strip_suffix(".tmp")?)
}

/// What a name by [`unfinished`] was to become, and whose it is.
pub(crate) fn parse_unfinished(name: &str) -> Option<(&str, u32)> {
    let (rest, call) = name.strip_prefix('.')?.rsplit_once('.')?;
    let (name, pid) = rest.rsplit_once('.')?;
    call.parse::<u64>().ok()?;
    Some((name, pid.parse().ok()?))
}

/// A name for what is to become `name`: different for every call of every process that is alive.
pub(crate) fn unfinished(name: &str) -> String {
    format!(".{name}{}", unique())
}

/// Whether there is a process with this id.
pub(crate) fn is_alive(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

/// Whether so many descriptors more can be had, for what cannot bear to find none.
///
/// # Errors
/// Where they cannot: the limit of this process, or of the system.
pub(crate) fn check_descriptors(count: usize) -> Result<(), io::Error> {
    // Not pairs of sockets: valgrind takes one that is beyond the limit for a success.
    let sockets: Result<Vec<_>, _> = (0..count).map(|_| UnixDatagram::unbound()).collect();
    sockets.map(drop)
}

/// Makes a folder with mode 0700, and the missing ones above it likewise.
///
/// # Errors
/// What the file system says; a folder that exists is no error.
pub fn create_private_folder(path: &Path) -> Result<(), io::Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Whether two paths lead to one file.
pub fn is_same(left: &Path, right: &Path) -> bool {
    let id = |path: &Path| fs::symlink_metadata(path).map(|it| (it.dev(), it.ino()));
    matches!((id(left), id(right)), (Ok(left), Ok(right)) if left == right)
}

/// The permission bits of a file, links followed.
///
/// # Errors
/// What the file system says.
pub fn mode(path: &Path) -> Result<u32, io::Error> {
    Ok(fs::metadata(path)?.mode() & 0o7777)
}

/// Opens a file for reading, without ever waiting for it: what is no plain file is refused, save
/// below `/dev` and `/proc`, where a shell puts what it passes by `<(...)`.
///
/// # Errors
/// What the file system says, or what stands in the file's place.
pub fn open(path: &Path) -> Result<File, io::Error> {
    if path.starts_with("/dev") || path.starts_with("/proc") {
        return File::open(path);
    }
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    plain(OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?)
}

/// Opens a file as these options say, never waits for it, and follows no link in its place: where
/// others can put one, it leads to a file of their choice.
///
/// # Errors
/// What the file system says, or, as [`io::ErrorKind::Other`], what stands in the file's place.
pub(crate) fn open_itself(path: &Path, options: &mut OpenOptions) -> Result<File, io::Error> {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let opened = options.custom_flags(flags).open(path);
    plain(opened.map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => io::Error::other("a link stands where a file belongs; move it"),
        _ => error,
    })?)
}

/// The file, when it is a plain one.
fn plain(file: File) -> Result<File, io::Error> {
    let kind = file.metadata()?.file_type();
    match (kind.is_file(), kind.is_dir()) {
        (true, _) => Ok(file),
        (false, true) => Err(io::Error::other("a folder stands where a file belongs; move it")),
        (false, false) => {
            Err(io::Error::other("a pipe or device stands where a file belongs; move it"))
        }
    }
}

/// Reads a file of at most `length_max` bytes, opened as by [`open`].
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`], or what the file system says.
pub fn read_at_most(path: &Path, length_max: u64) -> Result<Vec<u8>, io::Error> {
    read_with_metadata(path, length_max).map(|(bytes, _)| bytes)
}

/// As [`read_at_most`], with whose the file is that was read, whatever has taken its place since.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`], or what the file system says.
pub fn read_with_metadata(
    path: &Path,
    length_max: u64,
) -> Result<(Vec<u8>, fs::Metadata), io::Error> {
    use io::Read;
    let file = open(path)?;
    let metadata = file.metadata()?;
    // One read instead of many small ones; the length may be wrong, so it is only a hint.
    let hint = metadata.len().min(length_max).saturating_add(1);
    let mut bytes = Vec::with_capacity(usize::try_from(hint).unwrap_or_default());
    file.take(length_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > length_max {
        let message = format!("longer than the {length_max} bytes it may have");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok((bytes, metadata))
}

fn fill(mut file: File, bytes: &[u8], durability: Durability) -> Result<(), io::Error> {
    file.write_all(bytes)?;
    match durability {
        Durability::Durable => file.sync_all(),
        Durability::Cached => Ok(()),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    }
}

fn unique_suffix() -> String {
    unique() + ".tmp"
}

/// Different for every call of every process that is alive.
fn unique() -> String {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    format!(".{}.{}", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A folder under the target folder's temporary place, removed at the end of the test.
    pub(crate) struct Folder(PathBuf);

    impl Folder {
        pub(crate) fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("lcast-{name}{}", unique_suffix()));
            create_private_folder(&path).unwrap();
            Self(path)
        }

        pub(crate) fn path(&self) -> &Path {
            &self.0
        }

        pub(crate) fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let mut names: Vec<String> =
                entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_are_private_and_nothing_else_is_left() {
        let folder = Folder::new("file");
        let path = folder.path().join("credential");
        for durability in [Durability::Durable, Durability::Cached] {
            write(&path, b"new", durability).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
            assert_eq!(mode(&path).unwrap(), SECRET_MODE);
            assert_eq!(folder.names(), ["credential"]);
        }
    }

    /// No process has an id beyond the kernel's largest.
    #[test]
    fn what_killed_processes_left_is_removed() {
        let folder = Folder::new("file");
        // A number that no other test of this process comes to.
        let own = format!(".credential.{}.99999999.tmp", std::process::id());
        let kept = [".credential.x.9.tmp", ".other.4194399.0.tmp", &own, "credential.1.2.tmp"];
        for name in kept.iter().chain(&[".credential.4194399.0.tmp", ".credential.4194399.1.tmp"]) {
            fs::write(folder.path().join(name), b"keys").unwrap();
        }
        write(&folder.path().join("credential"), b"new", Durability::Durable).unwrap();
        let mut expected: Vec<&str> = [&kept[..], &["credential"]].concat();
        expected.sort_unstable();
        assert_eq!(folder.names(), expected);
        remove_left(folder.path(), None);
        expected.retain(|name| *name != kept[1]);
        assert_eq!(folder.names(), expected);
    }

    #[test]
    fn creating_never_replaces() {
        let folder = Folder::new("file");
        let path = folder.path().join("credential");
        let create = |bytes: &[u8]| Pending::write(&path, bytes, Durability::Durable)?.create();
        create(b"first").unwrap();
        assert_eq!(create(b"second").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        drop(Pending::write(&path, b"third", Durability::Cached).unwrap());
        assert_eq!(folder.names(), ["credential"]);
    }

    #[test]
    fn reading_stops_at_the_limit() {
        let folder = Folder::new("file");
        let path = folder.path().join("list");
        write(&path, &[7; 100], Durability::Cached).unwrap();
        assert_eq!(read_at_most(&path, 100).unwrap().len(), 100);
        assert_eq!(read_at_most(&path, 99).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn what_is_no_file_is_told_at_once() {
        let folder = Folder::new("file");
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        for (path, expected) in [(folder.path(), "a folder"), (&pipe, "a pipe")] {
            let error = read_at_most(path, 100).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        assert_eq!(read_at_most(Path::new("/dev/null"), 0).unwrap(), b"");
    }
}
