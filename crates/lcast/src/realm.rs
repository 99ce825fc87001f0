//! Realms in folders: the authority's key, credentials, member lists.
//!
//! A realm's folder holds `credential` (a client's), `agents/NAME` (agents'), `members` (the newest
//! member list) and, where the realm was created, `authority`. Folders have mode 0700, files 0600;
//! files are replaced at once or not at all, and what could be lost is never overwritten. Nothing
//! here touches the network. What is in the files is the core's affair (`lcast_proto::keys`).

pub mod hosts;

mod error;
mod issue;
mod journal;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lcast_proto::keys::{
    Authority, Credential, Kind, Labels, MemberEdit, MemberList, MemberListError, Network,
    NodeName, RealmId, Roles, Subject, Validity,
};
use lcast_proto::time::Timestamp;
use zeroize::Zeroizing;

pub use self::error::RealmError;
pub use self::issue::{Issued, Request, forget, issue};
use crate::file::{self, Durability, Pending};
use crate::home::{Home, LOCAL, Owner, Purpose};

/// The folder of realms below a home.
pub(crate) const REALMS: &str = "realms";
/// How long a credential is valid unless told otherwise: until there is renewal, ten years.
pub const VALIDITY: Duration = Duration::from_secs(3653 * 24 * 60 * 60);
/// The most days that a credential can be valid.
pub const DAYS_MAX: u32 = 36_500;
/// Longest credential or authority file: a full member list and its company.
const FILE_LENGTH_MAX: u64 = (MemberList::LENGTH_MAX + 65_536) as u64;

/// How long a process waits for another to be done with the folder, and how often it looks.
const LOCK_WAIT: Duration = Duration::from_secs(10);
const LOCK_STEP: Duration = Duration::from_millis(5);

const CREDENTIAL: &str = "credential";
const AUTHORITY: &str = "authority";
const MEMBERS: &str = "members";
const AGENTS: &str = "agents";
const LOCK: &str = "lock";

/// The folder of one realm, whether it exists or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealmFolder {
    path: PathBuf,
    name: String,
    owner: Owner,
    /// The group that may read credentials of the system.
    group: Option<u32>,
}

/// Whether the credential for a purpose can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// There is one, and it can be opened.
    Readable,
    /// There is one, and it cannot be opened.
    Unreadable,
    /// There is none.
    Absent,
}

/// What a realm's folder says about the realm.
#[derive(Debug)]
pub struct Overview {
    /// The realm's name.
    pub name: String,
    /// Whose folder it is.
    pub owner: Owner,
    /// What tells this realm from any other of the same name.
    pub id: RealmId,
    /// The number of the epoch.
    pub epoch: u64,
    /// Where the realm lives.
    pub network: Network,
    /// The newest member list here.
    pub members: MemberList,
    /// Whether the authority's key is here.
    pub has_authority: bool,
    /// The client's name, when its credential is here.
    pub client: Option<NodeName>,
    /// The names of the agents whose credentials are here.
    pub agents: Vec<NodeName>,
}

impl Overview {
    /// What a credential alone says about its realm.
    pub fn of(credential: &Credential) -> Self {
        let name = credential.certificate().name().clone();
        let (client, agents) = match credential.certificate().kind() {
            Kind::Client => (Some(name), Vec::new()),
            Kind::Agent => (None, vec![name]),
        };
        Self {
            name: credential.realm_name().to_owned(),
            owner: Owner::User,
            id: *credential.realm(),
            epoch: credential.epoch().number,
            network: credential.network().clone(),
            members: credential.members().clone(),
            has_authority: false,
            client,
            agents,
        }
    }
}

/// What joining made of a credential.
#[derive(Debug)]
pub struct Joined {
    /// The realm.
    pub folder: RealmFolder,
    /// The credential.
    pub credential: Credential,
    /// Where it is kept.
    pub path: PathBuf,
    /// Whether it was there before.
    pub already: bool,
}

/// Makes a realm: its authority, its first member list, and the client `admin`. The folder appears
/// complete or not at all.
///
/// # Errors
/// [`RealmError`]; nothing is made then.
pub fn create(folder: &RealmFolder, network: Network, wall: Timestamp) -> Result<(), RealmError> {
    if folder.path.exists() {
        return Err(RealmError::Exists { name: folder.name.clone(), path: folder.path.clone() });
    }
    let mut random = crate::entropy::random();
    let authority = Authority::create(&folder.name, &mut random)?;
    let subject = Subject {
        name: "admin".parse().expect("'admin' is a name"),
        kind: Kind::Client,
        labels: Labels::default(),
        roles: Roles::new([Roles::ADMIN.to_owned()])?,
        not_before: wall,
        not_after: wall.saturating_add(VALIDITY),
    };
    let subjects = [subject];
    let enrolled = authority.enroll(MemberEdit::first(), &subjects, &network, wall, &mut random)?;
    let parent = folder.path.parent().unwrap_or(Path::new("/"));
    file::create_private_folder(parent).map_err(|source| RealmError::io(parent, source))?;
    remove_unfinished(parent, &folder.name);
    let unfinished = parent.join(file::unfinished(&folder.name));
    let finished = fill(&unfinished, &authority, &enrolled.credentials, &enrolled.members)
        .and_then(|()| match fs::rename(&unfinished, &folder.path) {
            Err(error) if folder.path.exists() => {
                tracing::debug!(%error, "somebody else made the realm first");
                Err(RealmError::Exists { name: folder.name.clone(), path: folder.path.clone() })
            }
            renamed => renamed.map_err(|source| RealmError::io(&folder.path, source)),
        });
    if finished.is_err() {
        // Its name is this call's own; when removing it fails there is nothing better to do.
        let _ = fs::remove_dir_all(&unfinished);
    }
    finished?;
    let synced = File::open(parent).and_then(|parent| parent.sync_all());
    synced.map_err(|source| RealmError::io(parent, source))
}

/// Removes what processes that died left of making this realm: there are keys in it. What cannot
/// be read or removed stays; it is in nobody's way.
fn remove_unfinished(parent: &Path, name: &str) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let file = entry.file_name();
        let left = file.to_str().and_then(file::parse_unfinished);
        if left.is_some_and(|(of, pid)| of == name && !file::is_alive(pid)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn fill(
    path: &Path,
    authority: &Authority,
    credentials: &[Credential],
    members: &MemberList,
) -> Result<(), RealmError> {
    let write = |name: &str, bytes: &[u8]| {
        let path = path.join(name);
        file::write(&path, bytes, Durability::Durable)
            .map_err(|source| RealmError::io(&path, source))
    };
    file::create_private_folder(path).map_err(|source| RealmError::io(path, source))?;
    write(AUTHORITY, &authority.encode())?;
    write(MEMBERS, members.bytes())?;
    for credential in credentials {
        write(CREDENTIAL, &credential.encode())?;
    }
    Ok(())
}

/// Takes a credential into the keeping of the user or of the system.
///
/// # Errors
/// [`RealmError`]; what is there stays as it is.
pub fn join(
    home: &Home,
    source: &Path,
    owner: Owner,
    wall: Timestamp,
) -> Result<Joined, RealmError> {
    let credential = read_credential(source, None)?;
    let certificate = credential.certificate();
    if certificate.validity(wall) == Validity::Expired {
        let (node, ended) = (certificate.name().clone(), certificate.subject().not_after);
        return Err(RealmError::Expired { path: source.to_owned(), node, ended, wall });
    }
    let folder = match owner {
        Owner::User => home.folder(credential.realm_name()),
        Owner::System => home.system_folder(credential.realm_name()),
    };
    folder.check_same_realm(&credential)?;
    let path = match credential.certificate().kind() {
        Kind::Client => folder.path.join(CREDENTIAL),
        Kind::Agent => folder.path.join(AGENTS).join(credential.certificate().name().as_str()),
    };
    let parent = path.parent().unwrap_or(&folder.path);
    file::create_private_folder(parent).map_err(|source| RealmError::io(parent, source))?;
    let lock = folder.lock()?;
    let bytes = credential.encode();
    let created = Pending::write(&path, &bytes, Durability::Durable).and_then(|it| it.create());
    let already = match created {
        Ok(()) => false,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let held = Zeroizing::new(read_file(&path)?);
            if *held != *bytes {
                let node = credential.certificate().name().clone();
                return Err(RealmError::Held { path, node, realm: folder.name });
            }
            true
        }
        Err(source) => return Err(RealmError::io(&path, source)),
    };
    if folder.owner == Owner::System {
        folder.open_to_group(&path, credential.certificate().kind())?;
    }
    folder.keep_members_locked(&lock, credential.members())?;
    Ok(Joined { folder, credential, path, already })
}

/// Reads a credential file that only its owner can read; `group` may read it as well.
///
/// # Errors
/// [`RealmError`]: unreadable, readable by others, or no credential.
pub fn read_credential(path: &Path, group: Option<u32>) -> Result<Credential, RealmError> {
    let (bytes, metadata) = read_secret(path)?;
    let mode = metadata.mode() & 0o777;
    let by_group = mode & 0o037 == 0 && group.is_some_and(|group| group == metadata.gid());
    let credential = Credential::decode(&bytes);
    // What is no credential has no keys that others could know.
    let credential =
        credential.map_err(|source| RealmError::Content { path: path.to_owned(), source })?;
    if mode & 0o077 != 0 && !by_group {
        return Err(RealmError::Mode { path: path.to_owned(), mode });
    }
    let (owner, own) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != own && owner != 0 {
        tracing::warn!(
            path = %path.display(),
            owner,
            "this credential belongs to another user, who knows its keys and may change it"
        );
    }
    Ok(credential)
}

/// The bytes of a file with keys, and who may read that very file.
fn read_secret(path: &Path) -> Result<(Zeroizing<Vec<u8>>, fs::Metadata), RealmError> {
    let read = file::read_with_metadata(path, FILE_LENGTH_MAX);
    let (bytes, metadata) = read.map_err(|source| RealmError::io(path, source))?;
    Ok((Zeroizing::new(bytes), metadata))
}

fn read_file(path: &Path) -> Result<Vec<u8>, RealmError> {
    file::read_at_most(path, FILE_LENGTH_MAX).map_err(|source| RealmError::io(path, source))
}

impl RealmFolder {
    pub(crate) fn new(config: &Path, name: &str, owner: Owner, group: Option<u32>) -> Self {
        let path = config.join(REALMS).join(name);
        Self { path, name: name.to_owned(), owner, group }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The realm's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whose it is.
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// Where the configuration of the realm's agent is looked for.
    pub fn agent_config(&self) -> PathBuf {
        match (self.owner, self.path.ancestors().nth(2)) {
            (Owner::System, Some(config)) => config.join("agent.toml"),
            (Owner::User | Owner::System, _) => self.path.join("agent.toml"),
        }
    }

    /// The permission bits of the folder, when others than its owner may change what is in it.
    pub fn writable_mode(&self) -> Option<u32> {
        file::mode(&self.path).ok().map(|mode| mode & 0o777).filter(|mode| mode & 0o022 != 0)
    }

    /// Whether the credential for this purpose can be read.
    pub fn access(&self, purpose: Purpose) -> Access {
        let file = match purpose {
            Purpose::Ask => self.path.join(CREDENTIAL),
            Purpose::Answer => match self.agent_files().as_deref() {
                Ok([first, ..]) => first.clone(),
                Ok([]) => return Access::Absent,
                Err(_) => return Access::Unreadable,
            },
        };
        match file::open(&file) {
            Ok(_) => Access::Readable,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Access::Absent,
            Err(_) => Access::Unreadable,
        }
    }

    /// The credential for this purpose, with the newest member list of the folder.
    ///
    /// In `local` an agent's credential is made for `host` on first use. Elsewhere there must be
    /// one that was joined.
    ///
    /// # Errors
    /// [`RealmError`].
    pub fn credential(
        &self,
        purpose: Purpose,
        host: &NodeName,
        wall: Timestamp,
    ) -> Result<Credential, RealmError> {
        let path = match purpose {
            Purpose::Ask => self.path.join(CREDENTIAL),
            Purpose::Answer => self.agent_file(host, wall)?,
        };
        if !path.exists() {
            return Err(RealmError::NoClient { realm: self.name.clone() });
        }
        let mut credential = read_credential(&path, self.group)?;
        self.adopt_newest(&mut credential)?;
        Ok(credential)
    }

    /// Gives a credential the newest member list of the folder.
    fn adopt_newest(&self, credential: &mut Credential) -> Result<(), RealmError> {
        let path = self.path.join(MEMBERS);
        match read_file(&path) {
            Ok(bytes) => credential
                .adopt_members(bytes)
                .map(|_| ())
                .map_err(|source| self.damaged_members(path, source)),
            // A credential is complete: it brings a list of its own.
            Err(RealmError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// A damaged member list: where the next one is made, the newest must come back first.
    fn damaged_members(&self, path: PathBuf, source: MemberListError) -> RealmError {
        if self.path.join(AUTHORITY).exists() {
            let (realm, problem) = (self.name.clone(), source.to_string());
            return RealmError::AuthorityMembers { path, problem, realm };
        }
        RealmError::MembersFile { path, source }
    }

    fn agent_file(&self, host: &NodeName, wall: Timestamp) -> Result<PathBuf, RealmError> {
        if self.name == LOCAL && self.owner == Owner::User {
            let path = self.path.join(AGENTS).join(host.as_str());
            if !path.exists() {
                self.issue_local(host, &path, wall)?;
            }
            return Ok(path);
        }
        let mut files = self.agent_files()?;
        match (files.pop(), files.len()) {
            (Some(only), 0) => Ok(only),
            (None, _) => Err(RealmError::NoAgent { realm: self.name.clone() }),
            (Some(last), _) => {
                let name = |path: &PathBuf| path.file_name().map(|it| it.to_string_lossy().into());
                let names = files.iter().chain([&last]).filter_map(name).collect();
                Err(RealmError::SeveralAgents { realm: self.name.clone(), names })
            }
        }
    }

    /// Makes the agent of this host a member of `local`, unless another process does it first.
    fn issue_local(&self, host: &NodeName, path: &Path, wall: Timestamp) -> Result<(), RealmError> {
        let folder = self.path.join(AGENTS);
        file::create_private_folder(&folder).map_err(|source| RealmError::io(&folder, source))?;
        let request = Request {
            name: host.as_str().to_owned(),
            kind: Kind::Agent,
            roles: Vec::new(),
            labels: Vec::new(),
            days: None,
            again: false,
            out: path.to_owned(),
        };
        match issue(self, &[request], wall) {
            Err(
                RealmError::OutExists { .. }
                | RealmError::Member { .. }
                | RealmError::Finished { .. },
            ) if path.exists() => Ok(()),
            issued => issued.map(|_| ()),
        }
    }

    /// The files of agents' credentials, in order of name.
    fn agent_files(&self) -> Result<Vec<PathBuf>, RealmError> {
        let path = self.path.join(AGENTS);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(RealmError::io(&path, source)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| RealmError::io(&path, source))?;
            let is_name = |name: &str| name.parse::<NodeName>().is_ok();
            if entry.file_name().to_str().is_some_and(is_name) {
                files.push(entry.path());
            }
        }
        files.sort();
        Ok(files)
    }

    /// What the folder says about the realm.
    ///
    /// # Errors
    /// [`RealmError`]; [`RealmError::NoClient`] when there is no credential at all.
    pub fn overview(&self) -> Result<Overview, RealmError> {
        let client = self.path.join(CREDENTIAL);
        let mut files = self.agent_files()?;
        files.extend(client.exists().then_some(client.clone()));
        let mut by_path = BTreeMap::new();
        for path in files {
            by_path.insert(path.clone(), read_credential(&path, self.group)?);
        }
        let names = |kind| {
            let certificates = by_path.values().map(Credential::certificate);
            let of_kind = certificates.filter(move |it| it.kind() == kind);
            of_kind.map(|it| it.name().clone()).collect::<Vec<NodeName>>()
        };
        let (agents, client_name) = (names(Kind::Agent), names(Kind::Client).pop());
        let newest = by_path.into_values().max_by_key(|it| it.members().version());
        let none = || RealmError::NoClient { realm: self.name.clone() };
        let mut credential = newest.ok_or_else(none)?;
        self.adopt_newest(&mut credential)?;
        Ok(Overview {
            owner: self.owner,
            has_authority: self.path.join(AUTHORITY).exists(),
            client: client_name,
            agents,
            ..Overview::of(&credential)
        })
    }

    /// Keeps a newer member list; an older one changes nothing.
    ///
    /// Waits while another process changes the folder, for a moment: two that compare and write at
    /// the same time could bring back the older list.
    ///
    /// # Errors
    /// What the file system says; the list that was kept stays.
    pub fn keep_members(&self, members: &MemberList) -> Result<(), RealmError> {
        let lock = self.lock()?;
        self.keep_members_locked(&lock, members)
    }

    /// Keeps a newer member list under the lock that the caller holds.
    fn keep_members_locked(&self, _lock: &File, members: &MemberList) -> Result<(), RealmError> {
        let path = self.path.join(MEMBERS);
        let held = match file::read_at_most(&path, FILE_LENGTH_MAX) {
            // The version stands first; a damaged file is told where its content is needed.
            Ok(bytes) => bytes.first_chunk::<8>().map_or(0, |it| u64::from_be_bytes(*it)),
            Err(_) => 0,
        };
        if held >= members.version() {
            return Ok(());
        }
        file::write(&path, members.bytes(), Durability::Durable)
            .map_err(|source| RealmError::io(&path, source))
    }

    /// Refuses a credential of another realm that has the same name.
    fn check_same_realm(&self, credential: &Credential) -> Result<(), RealmError> {
        match self.overview() {
            Ok(overview) if overview.id != *credential.realm() => {
                Err(RealmError::OtherRealm { realm: self.name.clone(), path: self.path.clone() })
            }
            Ok(_) | Err(RealmError::NoClient { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Gives the group `librecast` its right to read a client's credential of the system.
    fn open_to_group(&self, path: &Path, kind: Kind) -> Result<(), RealmError> {
        use std::os::unix::fs::{PermissionsExt, chown};
        let set = |path: &Path, mode: u32| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))
                .map_err(|source| RealmError::io(path, source))
        };
        for folder in self.path.ancestors().take(3) {
            set(folder, 0o755)?;
        }
        if let (Kind::Client, Some(group)) = (kind, self.group) {
            chown(path, None, Some(group)).map_err(|source| RealmError::io(path, source))?;
            set(path, 0o640)?;
        }
        Ok(())
    }

    /// Removes what processes that were killed left half-written here. Only under the lock, and not
    /// while a run of `issue` is to be finished: its credentials wait for their names.
    fn remove_left(&self) {
        if !journal::is_open(self) {
            file::remove_left(&self.path, None);
            file::remove_left(&self.path.join(AGENTS), None);
        }
    }

    /// Waits for the lock that one process at a time holds while it changes the folder.
    fn lock(&self) -> Result<File, RealmError> {
        self.lock_within(LOCK_WAIT)
    }

    fn lock_within(&self, wait: Duration) -> Result<File, RealmError> {
        let path = self.path.join(LOCK);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(file::SECRET_MODE);
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        let file = options.open(&path).map_err(|source| RealmError::io(&path, source))?;
        let begin = std::time::Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => {
                    self.remove_left();
                    return Ok(file);
                }
                Err(TryLockError::WouldBlock) if begin.elapsed() < wait => {
                    std::thread::sleep(LOCK_STEP);
                }
                Err(TryLockError::WouldBlock) => return Err(RealmError::Busy { path }),
                Err(TryLockError::Error(source)) => return Err(RealmError::io(&path, source)),
            }
        }
    }
}

#[cfg(test)]
mod tests;
