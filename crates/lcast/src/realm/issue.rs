//! Issuing credentials and forgetting members: what needs the authority's key.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use lcast_proto::keys::{
    Authority, Credential, Kind, Labels, MemberList, NodeId, NodeName, Roles, Subject,
};
use lcast_proto::time::Timestamp;

use super::journal::{self, Finished};
use super::{AUTHORITY, CREDENTIAL, MEMBERS, RealmError, RealmFolder, VALIDITY, read_credential};
use crate::file::{Durability, Pending};

/// One credential to be issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The member's name.
    pub name: String,
    /// What the member is for.
    pub kind: Kind,
    /// Its roles.
    pub roles: Vec<String>,
    /// Its labels.
    pub labels: Vec<(String, String)>,
    /// How many days it is valid; [`VALIDITY`] when not said.
    pub days: Option<u32>,
    /// Whether a member's name may be issued again: the certificate that has it is forgotten then.
    pub again: bool,
    /// Where to write the credential; nothing may be there.
    pub out: PathBuf,
}

/// A credential that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The member's name.
    pub name: NodeName,
    /// The id of its keys.
    pub id: NodeId,
    /// Where the credential is.
    pub out: PathBuf,
}

/// Issues credentials and makes the next version of the member list: all of them or none.
///
/// Runs at the same time wait for each other. The list is on the disk before any credential that
/// holds it has its name, so that no two lists can have one version. A run that is killed between
/// is finished by the next one.
///
/// # Errors
/// [`RealmError`].
pub fn issue(
    folder: &RealmFolder,
    requests: &[Request],
    wall: Timestamp,
) -> Result<Vec<Issued>, RealmError> {
    let begun = begin(folder, requests, wall)?;
    folder.keep_members_locked(&begun.lock, &begun.members)?;
    begun.finish(folder)
}

/// Credentials that are written, before the list that names them is kept.
pub(super) struct Begun {
    pub(super) lock: File,
    pub(super) members: MemberList,
    pub(super) files: Vec<Pending>,
    issued: Vec<Issued>,
}

pub(super) fn begin(
    folder: &RealmFolder,
    requests: &[Request],
    wall: Timestamp,
) -> Result<Begun, RealmError> {
    let authority = read_authority(folder)?;
    let lock = folder.lock()?;
    let network = read_network(folder, &authority)?;
    let members = read_members(folder, &authority)?;
    let finished = journal::recover(folder, members.version())?;
    let is_asked = |it: &Finished| requests.iter().any(|request| request.name == it.name);
    if let Some(Finished { name, path }) = finished.into_iter().find(is_asked) {
        return Err(RealmError::Finished { name, path });
    }
    let subjects = check(folder, &members, requests, wall)?;
    let mut random = crate::entropy::random();
    let enrolled = authority.enroll(members.edit(), &subjects, &network, wall, &mut random)?;
    let planned = |request: &Request| {
        // The run that finishes it may be in another folder.
        let out = std::path::absolute(&request.out);
        out.and_then(|out| Pending::planned(&out, Durability::Durable))
            .map_err(|source| RealmError::io(&request.out, source))
    };
    let files: Vec<Pending> = requests.iter().map(planned).collect::<Result<_, _>>()?;
    let names: Vec<&str> = requests.iter().map(|it| it.name.as_str()).collect();
    journal::begin(folder, enrolled.members.version(), &names, &files)?;
    for ((request, file), credential) in requests.iter().zip(&files).zip(&enrolled.credentials) {
        let written = file.fill(&credential.encode());
        if let Err(source) = written {
            journal::end(folder)?;
            return Err(RealmError::io(&request.out, source));
        }
    }
    let issued = |(request, credential): (&Request, &Credential)| Issued {
        name: credential.certificate().name().clone(),
        id: credential.certificate().id(),
        out: request.out.clone(),
    };
    let issued = requests.iter().zip(&enrolled.credentials).map(issued).collect();
    Ok(Begun { lock, members: enrolled.members, files, issued })
}

impl Begun {
    /// Gives the credentials their names. The list names them, so what fails is kept for the next
    /// run.
    fn finish(self, folder: &RealmFolder) -> Result<Vec<Issued>, RealmError> {
        let placed: Vec<_> = self.files.into_iter().map(journal::place).collect();
        placed.into_iter().collect::<Result<Vec<bool>, _>>()?;
        journal::end(folder)?;
        Ok(self.issued)
    }
}

/// Makes the next version of the member list, in which this member is no longer expected; whether
/// that changed anything.
///
/// # Errors
/// [`RealmError`].
pub fn forget(folder: &RealmFolder, name: &str) -> Result<bool, RealmError> {
    let authority = read_authority(folder)?;
    let lock = folder.lock()?;
    read_network(folder, &authority)?;
    let members = read_members(folder, &authority)?;
    journal::recover(folder, members.version())?;
    let Some(member) = members.by_name(name) else {
        let realm = folder.name().to_owned();
        let nearest = nearest(&members, name);
        return Err(RealmError::NoMember { name: name.to_owned(), realm, nearest });
    };
    if member.forgotten {
        return Ok(false);
    }
    let mut edit = members.edit();
    edit.forget(name)?;
    folder.keep_members_locked(&lock, &authority.sign_members(edit)?)?;
    Ok(true)
}

/// The subjects of well-formed requests that take no file that is taken, and no name unasked.
fn check(
    folder: &RealmFolder,
    members: &MemberList,
    requests: &[Request],
    wall: Timestamp,
) -> Result<Vec<Subject>, RealmError> {
    let mut names = BTreeSet::new();
    let mut outs = BTreeSet::new();
    let mut subjects = Vec::with_capacity(requests.len());
    for request in requests {
        let subject = subject(request, wall)?;
        let name = || subject.name.as_str().to_owned();
        let held = members.by_name(subject.name.as_str()).is_some_and(|it| !it.forgotten);
        if held && !request.again {
            return Err(RealmError::Member { name: name(), realm: folder.name().to_owned() });
        }
        if !names.insert(name()) || !outs.insert(&request.out) {
            return Err(RealmError::Twice { name: name() });
        }
        if request.out.symlink_metadata().is_ok() {
            return Err(RealmError::OutExists { path: request.out.clone() });
        }
        subjects.push(subject);
    }
    Ok(subjects)
}

fn subject(request: &Request, wall: Timestamp) -> Result<Subject, RealmError> {
    let day = Duration::from_secs(24 * 60 * 60);
    let validity = request.days.map_or(VALIDITY, |days| day.saturating_mul(days));
    Ok(Subject {
        name: request.name.parse()?,
        kind: request.kind,
        labels: Labels::new(request.labels.iter().cloned())?,
        roles: Roles::new(request.roles.iter().cloned())?,
        not_before: wall,
        not_after: wall.saturating_add(validity),
    })
}

fn read_authority(folder: &RealmFolder) -> Result<Authority, RealmError> {
    let path = folder.path().join(AUTHORITY);
    if !path.exists() {
        return Err(RealmError::NoAuthority { realm: folder.name().to_owned(), path });
    }
    let (bytes, metadata) = super::read_secret(&path)?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(RealmError::Mode { path, mode });
    }
    Authority::decode(&bytes)
        .map_err(|source| RealmError::Authority { path, problem: source.to_string() })
}

fn read_members(folder: &RealmFolder, authority: &Authority) -> Result<MemberList, RealmError> {
    let path = folder.path().join(MEMBERS);
    let bytes = match super::read_file(&path) {
        Err(RealmError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            let (realm, problem) = (folder.name().to_owned(), source.to_string());
            return Err(RealmError::AuthorityMembers { path, problem, realm });
        }
        bytes => bytes?,
    };
    let list = MemberList::verify(bytes, authority.public(), authority.realm());
    list.map_err(|source| folder.damaged_members(path, source))
}

/// Where the realm lives, as the credential of its founder says. It also tells whether the
/// authority is that of the realm: else the member list would be blamed, which must not be lost.
fn read_network(
    folder: &RealmFolder,
    authority: &Authority,
) -> Result<lcast_proto::keys::Network, RealmError> {
    let credential = read_credential(&folder.path().join(CREDENTIAL), folder.group)?;
    if credential.realm() != authority.realm() {
        let path = folder.path().join(AUTHORITY);
        let problem = format!("not the authority key of the realm '{}'", folder.name());
        return Err(RealmError::Authority { path, problem });
    }
    Ok(credential.network().clone())
}

/// The member whose name is most like this one, if any is much like it.
fn nearest(members: &MemberList, name: &str) -> Option<String> {
    let names = members.members().iter().map(|it| it.subject.name.as_str());
    let distance = |other: &str| {
        let shared = other.bytes().zip(name.bytes()).take_while(|(left, right)| left == right);
        name.len().max(other.len()) - shared.count()
    };
    let best = names.min_by_key(|other| distance(other))?;
    (distance(best) <= 2).then(|| best.to_owned())
}
