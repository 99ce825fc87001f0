//! How the nodes of one host find each other without multicast: a folder of small files.
//!
//! For hosts where only `lo` is up, or where multicast fails: the second rung of the ladder. Each
//! node keeps a file in `FOLDER/<network namespace>/` whose *name* says its realm's tag, the UDP
//! port it listens on at `[::1]`, and whether it hears multicast. The file is locked (`flock`)
//! while the node lives, so that a reader knows the living from the dead, also those of other
//! users and other process namespaces, and after a `kill -9`.
//!
//! Not a trust boundary: any local user may add entries, or hold the folder. What is sent to an
//! entry is sealed, so that a false one learns nothing; a hostile user can only keep nodes of the
//! host from finding each other. File contents are never read, symbolic links never followed.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{self, AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

/// Where nodes register, and as whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryConfig {
    /// The folders to register in and to read, such as `/run/librecast`: a node registers in each
    /// that it can write and reads all, so that nodes of different users meet. A missing folder is
    /// made when its parent exists; below `/run` and `/tmp` open to every user, else private.
    pub folders: Vec<PathBuf>,
    /// Where else a node registers, and looks, while a folder is not this user's own.
    pub fallback: Option<Fallback>,
    /// What tells the realm from others. Not secret, and not trusted.
    pub realm_tag: u32,
}

/// A folder that serves while another does not. Whether it does is looked at again and again, so
/// that nodes meet that were started before and after somebody took the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// The folder that should serve.
    pub instead_of: PathBuf,
    /// The one that does, private to this user; made with its parents.
    pub folder: PathBuf,
}

/// What keeps a folder from being this user's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It belongs to another user.
    Owner(u32),
    /// It is a link, or something else that is no folder.
    NoFolder,
    /// Everybody may remove what is in it: these are its permission bits.
    Open(u32),
}

/// A node of this host and realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peer {
    /// Its UDP port at `[::1]`.
    pub port: u16,
    /// Whether it hears the realm's groups, so that multicast suffices.
    pub hears_multicast: bool,
}

/// The most peers that are used.
pub const PEERS_MAX: usize = 1024;

/// The most names of a folder that are looked at.
pub const NAMES_MAX: usize = 4096;

/// The registry of a host as one node sees it, with the node's own entries.
pub struct Registry {
    folders: Vec<Folder>,
    realm_tag: u32,
    own: Peer,
    peers: Vec<Peer>,
}

impl Registry {
    /// Registers a node in each folder that it can write; its entries go when the value is
    /// dropped, or count for nothing when the process dies. A node that can write none still
    /// finds the others.
    ///
    /// # Errors
    /// When there is no `/proc` to tell the network namespace.
    pub fn open(config: &RegistryConfig, own: Peer) -> io::Result<Self> {
        let namespace = network_namespace()?;
        let mut folders: Vec<Folder> =
            config.folders.iter().map(|path| Folder::new(path, &namespace)).collect();
        if let Some(fallback) = &config.fallback {
            let mut folder = Folder::new(&fallback.folder, &namespace);
            folder.instead_of = Some(fallback.instead_of.clone());
            folders.push(folder);
        }
        let mut registry = Self { folders, realm_tag: config.realm_tag, own, peers: Vec::new() };
        registry.register();
        Ok(registry)
    }

    /// Changes what the node's entries say, and writes those that are missing.
    pub fn update(&mut self, own: Peer) {
        if self.own == own && self.is_registered() {
            return;
        }
        self.own = own;
        for folder in &mut self.folders {
            folder.withdraw();
        }
        self.register();
    }

    /// Whether others can find this node in at least one folder.
    pub fn is_registered(&self) -> bool {
        self.folders.iter().any(Folder::is_registered)
    }

    /// The other nodes of the realm on this host, by port; read again only when a folder changed.
    pub fn peers(&mut self) -> &[Peer] {
        let name = Name { realm_tag: self.realm_tag, peer: self.own, pid: std::process::id() };
        let mut changed = false;
        for folder in &mut self.folders {
            changed |= folder.refresh(name);
        }
        if changed {
            let own_port = self.own.port;
            let mut found: Vec<(bool, Peer)> = self
                .folders
                .iter()
                .flat_map(|folder| folder.found.iter().copied())
                .filter(|(_, peer)| peer.port != own_port)
                .collect();
            // Entries of this user and of root go first, so that others cannot crowd them out.
            found.sort_by_key(|(trusted, peer)| (!trusted, *peer));
            found.truncate(PEERS_MAX);
            self.peers = found.into_iter().map(|(_, peer)| peer).collect();
            self.peers.sort();
            self.peers.dedup_by_key(|peer| peer.port);
        }
        &self.peers
    }

    fn register(&mut self) {
        let name = Name { realm_tag: self.realm_tag, peer: self.own, pid: std::process::id() };
        for folder in &mut self.folders {
            // Folders that cannot be written are read all the same.
            let _ = folder.register(name);
        }
    }
}

/// One folder of the registry, for this network namespace.
struct Folder {
    path: PathBuf,
    /// It serves while this folder is not this user's own.
    instead_of: Option<PathBuf>,
    namespace: String,
    open: Option<Open>,
    /// The change of the folder that `found` shows; none when it must be read again.
    seen: Option<Stamp>,
    found: Vec<(bool, Peer)>,
    /// Whether dead entries of other realms were looked for: no node of those may ever start again.
    swept: bool,
}

/// The folder's directories, held so that nobody can put others in their place.
struct Open {
    base: OwnedFd,
    directory: OwnedFd,
    /// The own entry; closing the file unlocks it.
    entry: Option<(String, OwnedFd)>,
}

impl Folder {
    fn new(path: &Path, namespace: &str) -> Self {
        let (path, namespace) = (path.to_owned(), namespace.to_owned());
        let (open, seen, found) = (None, None, Vec::new());
        Self { path, instead_of: None, namespace, open, seen, found, swept: false }
    }

    fn register(&mut self, name: Name) -> io::Result<()> {
        self.seen = None;
        if let Some(other) = &self.instead_of {
            if trouble(other).is_none() {
                return Ok(());
            }
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        }
        // Another node may remove the directory, when it is empty, between these steps.
        for _ in 0..REGISTER_TRIES_MAX {
            let open = match &mut self.open {
                Some(open) => open,
                None => self.open.insert(Open::new(&self.path, &self.namespace)?),
            };
            match open.create_entry(name) {
                Err(Errno::NOENT) => self.open = None,
                result => return Ok(result?),
            }
        }
        Err(io::Error::from(Errno::NOENT))
    }

    fn is_registered(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.entry.is_some())
    }

    fn withdraw(&mut self) {
        if let Some(open) = &mut self.open {
            open.remove_entry();
        }
    }

    /// Reads the folder when it changed, and registers again when the own entry is gone; says
    /// whether `found` is new.
    fn refresh(&mut self, own: Name) -> bool {
        if self.open.as_ref().and_then(Open::stamp).is_none() {
            // Removed by somebody, or never there.
            self.open = None;
            // A folder that cannot be made or written may still be read.
            let _ = self.register(own);
        }
        let Some(stamp) = self.open.as_ref().and_then(Open::stamp) else {
            return !std::mem::take(&mut self.found).is_empty();
        };
        if self.seen == Some(stamp) {
            return false;
        }
        let Some(open) = &self.open else { return false };
        if !std::mem::replace(&mut self.swept, true) {
            open.sweep(own.realm_tag);
        }
        let Ok(found) = open.read(own.realm_tag) else { return false };
        let is_lost = open.is_entry_lost();
        let changed = found != self.found;
        self.found = found;
        self.seen = stamp.is_settled().then_some(stamp);
        if is_lost {
            self.withdraw();
            // Without an entry the node still reads the others'.
            let _ = self.register(own);
        }
        changed
    }
}

impl Open {
    fn new(path: &Path, namespace: &str) -> io::Result<Self> {
        let shared = path.starts_with("/run") || path.starts_with("/tmp");
        let base = open_directory(fs::CWD, path, shared)?;
        let directory = open_directory(&base, Path::new(namespace), shared)?;
        Ok(Self { base, directory, entry: None })
    }

    /// When the directory changed last; none when it was removed.
    fn stamp(&self) -> Option<Stamp> {
        let stat = fs::fstat(&self.directory).ok()?;
        (stat.st_nlink > 0).then(|| Stamp::of(&stat))
    }

    /// Puts the own entry in place, locked before anybody can see it.
    fn create_entry(&mut self, name: Name) -> Result<(), Errno> {
        self.remove_entry();
        let hidden = format!(".new-{}-{}", name.pid, name.peer.port);
        let _ = fs::unlinkat(&self.directory, &hidden, AtFlags::empty());
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW;
        let mode = Mode::from_raw_mode(0o644);
        let file = fs::openat(&self.directory, &hidden, flags | OFlags::CLOEXEC, mode)?;
        let final_name = name.to_string();
        let placed = fs::fchmod(&file, mode)
            .and_then(|()| fs::flock(&file, FlockOperation::NonBlockingLockExclusive))
            .and_then(|()| fs::renameat(&self.directory, &hidden, &self.directory, &final_name));
        if let Err(error) = placed {
            let _ = fs::unlinkat(&self.directory, &hidden, AtFlags::empty());
            return Err(error);
        }
        self.entry = Some((final_name, file));
        Ok(())
    }

    fn remove_entry(&mut self) {
        if let Some((name, _file)) = self.entry.take() {
            // Already gone is what is wanted.
            let _ = fs::unlinkat(&self.directory, &name, AtFlags::empty());
        }
    }

    /// Whether somebody removed the own entry. The file tells: a name may be among those of a full
    /// folder that are not looked at, and to write it anew each time would have every node of the
    /// host read the folder again, without end.
    fn is_entry_lost(&self) -> bool {
        let entry = self.entry.as_ref();
        entry.is_some_and(|(_, file)| fs::fstat(file).is_ok_and(|stat| stat.st_nlink == 0))
    }

    /// The living peers of a realm, each with whether its owner is this user or root.
    fn read(&self, realm_tag: u32) -> Result<Vec<(bool, Peer)>, Errno> {
        let mut found = Vec::new();
        self.each(|text, name| {
            if name.realm_tag == realm_tag
                && let Some(trusted) = self.probe(text)
            {
                found.push((trusted, name.peer));
            }
        })?;
        found.sort();
        Ok(found)
    }

    /// Removes this user's dead entries of other realms: nodes that were killed leave them, and a
    /// realm that nobody uses again would keep them until they crowd out the living.
    fn sweep(&self, own_realm_tag: u32) {
        // What cannot be read now is looked at by the next node that starts.
        let _ = self.each(|text, name| {
            if name.realm_tag != own_realm_tag {
                self.probe(text);
            }
        });
    }

    /// Each entry but the own one, of those names that are looked at.
    fn each(&self, mut see: impl FnMut(&str, Name)) -> Result<(), Errno> {
        for entry in Dir::read_from(&self.directory)?.take(NAMES_MAX + DOT_NAMES) {
            let entry = entry?;
            let Ok(text) = entry.file_name().to_str() else { continue };
            let Some(name) = Name::parse(text) else { continue };
            if self.entry.as_ref().is_none_or(|(own, _)| own != text) {
                see(text, name);
            }
        }
        Ok(())
    }

    /// Whether a file is the entry of a living node, and of this user or root; removes this user's
    /// dead ones.
    fn probe(&self, name: &str) -> Option<bool> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = fs::openat(&self.directory, name, flags, Mode::empty()).ok()?;
        let stat = fs::fstat(&file).ok()?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return None;
        }
        let user = rustix::process::geteuid().as_raw();
        match fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Err(Errno::WOULDBLOCK) => Some(stat.st_uid == user || stat.st_uid == 0),
            Ok(()) if stat.st_uid == user => {
                let _ = fs::unlinkat(&self.directory, name, AtFlags::empty());
                None
            }
            Ok(()) | Err(_) => None,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.withdraw();
        if let Some(open) = &self.open {
            // It stays while other nodes have entries.
            let _ = fs::unlinkat(&open.base, self.namespace.as_str(), AtFlags::REMOVEDIR);
        }
    }
}

/// What keeps a folder from being this user's own; none where it is, or could be made. Only where
/// everybody may make folders does it matter to root whose it is.
pub fn trouble(folder: &Path) -> Option<Trouble> {
    let stat = fs::lstat(folder).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Some(Trouble::NoFolder);
    }
    let user = rustix::process::geteuid();
    if stat.st_uid != user.as_raw() && (!user.is_root() || folder.starts_with("/tmp")) {
        return Some(Trouble::Owner(stat.st_uid));
    }
    let bits = stat.st_mode & 0o7777;
    (bits & 0o1002 == 0o0002).then_some(Trouble::Open(bits))
}

/// Opens a directory without following a link, and makes it when it is missing.
fn open_directory(
    parent: impl rustix::fd::AsFd,
    path: &Path,
    shared: bool,
) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match fs::openat(&parent, path, flags, Mode::empty()) {
        Err(Errno::NOENT) => {}
        result => return result,
    }
    let mode = Mode::from_raw_mode(if shared { 0o1777 } else { 0o700 });
    match fs::mkdirat(&parent, path, mode) {
        Ok(()) => {
            let directory = fs::openat(&parent, path, flags, Mode::empty())?;
            // The process's mask may have taken bits away.
            fs::fchmod(&directory, mode)?;
            Ok(directory)
        }
        Err(Errno::EXIST) => fs::openat(&parent, path, flags, Mode::empty()),
        Err(error) => Err(error),
    }
}

/// What tells this network namespace from the others of the machine.
fn network_namespace() -> io::Result<String> {
    let stat = fs::stat("/proc/thread-self/ns/net")?;
    Ok(stat.st_ino.to_string())
}

/// When a directory changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    seconds: i64,
    nanoseconds: i64,
}

impl Stamp {
    fn of(stat: &Stat) -> Self {
        Self { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec as i64 }
    }

    /// Whether a later change is sure to show: the kernel's time stamps have a grain.
    fn is_settled(self) -> bool {
        let stamp = Duration::new(
            u64::try_from(self.seconds).unwrap_or(0),
            u32::try_from(self.nanoseconds).unwrap_or(0),
        );
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .is_ok_and(|now| now.saturating_sub(stamp) > STAMP_GRAIN && now > stamp)
    }
}

/// The name of an entry: `REALM-PORT-m-PID`, or `u` for a node that only hears unicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name {
    realm_tag: u32,
    peer: Peer,
    /// For the person who looks into the folder.
    pid: u32,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hears = if self.peer.hears_multicast { 'm' } else { 'u' };
        write!(f, "{:08x}-{}-{hears}-{}", self.realm_tag, self.peer.port, self.pid)
    }
}

impl Name {
    /// Reads what `Display` writes, and nothing else.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let realm_tag = u32::from_str_radix(parts.next()?, 16).ok()?;
        let port = parts.next()?.parse().ok().filter(|port| *port != 0)?;
        let hears_multicast = match parts.next()? {
            "m" => true,
            "u" => false,
            _ => return None,
        };
        let pid = parts.next()?.parse().ok()?;
        let name = Self { realm_tag, peer: Peer { port, hears_multicast }, pid };
        (name.to_string() == text).then_some(name)
    }
}

const REGISTER_TRIES_MAX: usize = 8;
/// `.` and `..`.
const DOT_NAMES: usize = 2;
/// Longer than a tick of the kernel's clock (at most 10 ms), with room.
const STAMP_GRAIN: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_a_node_writes_are_read() {
        let check = |text: &str, expected: Option<(u32, u16, bool)>| {
            let found = Name::parse(text)
                .map(|name| (name.realm_tag, name.peer.port, name.peer.hears_multicast));
            assert_eq!(found, expected, "{text}");
        };
        check("00c0ffee-24242-m-17", Some((0x00c0_ffee, 24242, true)));
        check("ffffffff-1-u-4294967295", Some((u32::MAX, 1, false)));
        check("00000000-65535-u-0", Some((0, 65535, false)));
        check("00000000-65536-u-0", None);
        check("00000000-0-u-0", None);
        check("00000000-01-u-0", None);
        check("00C0FFEE-24242-m-17", None);
        check("c0ffee-24242-m-17", None);
        check("+0c0ffee-24242-m-17", None);
        check("00c0ffee-24242-x-17", None);
        check("00c0ffee-24242-m-17-1", None);
        check("00c0ffee-24242-m-", None);
        check("00c0ffee-24242-m-4294967296", None);
        check("", None);
        check(".", None);
        check(".new-17-24242", None);
    }
}
