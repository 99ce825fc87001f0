//! What can be wrong with a realm's files, each with its place and a way out.

use std::io;
use std::path::{Path, PathBuf};

use lcast_proto::keys::authority::EnrollError;
use lcast_proto::keys::{CredentialError, MemberListError, NodeName, SubjectError};
use lcast_proto::time::Timestamp;

/// Why something could not be done to a realm's files. They are as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RealmError {
    /// A realm of that name is here.
    #[error(
        "the realm '{name}' exists already in '{path}'; choose another name, or remove that \
         folder if nobody needs it"
    )]
    Exists {
        /// The name.
        name: String,
        /// Its folder.
        path: PathBuf,
    },
    /// A realm of that name but with another authority is here.
    #[error(
        "'{path}' holds another realm that is called '{realm}' as well; move that folder away to \
         join this one"
    )]
    OtherRealm {
        /// The name of both.
        realm: String,
        /// The folder.
        path: PathBuf,
    },
    /// There is no client's credential.
    #[error(
        "there is no client's credential of realm '{realm}' here; have one issued ('librecast \
         realm issue --client') and join it"
    )]
    NoClient {
        /// The realm.
        realm: String,
    },
    /// There is no agent's credential.
    #[error(
        "there is no agent's credential of realm '{realm}' here; issue one ('librecast realm issue \
         --name NODE --out FILE') and join it, or name its file with --credential"
    )]
    NoAgent {
        /// The realm.
        realm: String,
    },
    /// There are several agents' credentials.
    #[error(
        "there are several agents' credentials of realm '{realm}' here ({list}); name the file of \
         one with --credential",
        list = .names.join(", ")
    )]
    SeveralAgents {
        /// The realm.
        realm: String,
        /// Whose.
        names: Vec<String>,
    },
    /// The authority's key is elsewhere.
    #[error(
        "the authority key of realm '{realm}' is not here; do this where the realm was created \
         (looked for '{path}')"
    )]
    NoAuthority {
        /// The realm.
        realm: String,
        /// Where it would be.
        path: PathBuf,
    },
    /// The file can be read by others.
    #[error(
        "'{path}' can be read by others (mode {mode:04o}), so its keys may be known; if you are \
         sure that they are not: chmod 600 '{path}'"
    )]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is no credential or authority.
    #[error("'{path}': {source}; get the file anew from whoever issued it")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CredentialError,
    },
    /// The file holds no authority's key, or that of another realm.
    #[error("'{path}': {problem}; put back the copy of it that you keep in a safe place")]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Another process has been changing the folder for long.
    #[error("'{path}' is locked by another librecast process; see what holds it: fuser '{path}'")]
    Busy {
        /// The lock.
        path: PathBuf,
    },
    /// The file is no member list of this realm.
    #[error("'{path}': {source}; remove it, and the list of the credential is used")]
    MembersFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: MemberListError,
    },
    /// The file is no member list of this realm, and the next one is made here.
    #[error(
        "'{path}': {problem}; the next list must follow on the newest: put back the copy that \
         another host of the realm keeps (realms/{realm}/members), or move the file away and run \
         'librecast nodes --realm {realm}', which fetches it from the agents; issue nothing before"
    )]
    AuthorityMembers {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// The realm.
        realm: String,
    },
    /// A run that was interrupted had issued this name.
    #[error(
        "'{name}' was issued by a run that was interrupted; its credential is complete: '{path}'"
    )]
    Finished {
        /// The name.
        name: String,
        /// Its credential.
        path: PathBuf,
    },
    /// A credential that was issued cannot take its name.
    #[error(
        "'{path}': {source}; a credential that was issued waits for this name in '{temporary}': \
         make way, and run 'librecast realm issue' again"
    )]
    Waiting {
        /// The name.
        path: PathBuf,
        /// Where it is.
        temporary: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Its time is over: nobody would answer it or expect it.
    #[error(
        "'{path}': the certificate of '{node}' ended at {ended}, and the clock of this host says \
         {wall}: have a new one issued ('librecast realm issue --name {node} --again'), \
         or set the clock if it is ahead"
    )]
    Expired {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        node: NodeName,
        /// When it ended.
        ended: Timestamp,
        /// What time it is here.
        wall: Timestamp,
    },
    /// Another credential has the place.
    #[error(
        "'{path}' holds another credential; to take that of '{node}' in realm '{realm}' instead, \
         move it away first"
    )]
    Held {
        /// The file.
        path: PathBuf,
        /// Whose credential it was to hold.
        node: NodeName,
        /// Its realm.
        realm: String,
    },
    /// The output file exists.
    #[error("'{path}' exists already; a credential never overwrites a file, choose another name")]
    OutExists {
        /// The file.
        path: PathBuf,
    },
    /// The name is taken.
    #[error(
        "'{name}' is a member of realm '{realm}' already; choose another name, or, \
         with --again, give it a credential in place of the one that it has"
    )]
    Member {
        /// The name.
        name: String,
        /// The realm.
        realm: String,
    },
    /// The same name or output file twice in one run.
    #[error("'{name}' is named twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// The name is nobody's.
    #[error("realm '{realm}' has no member '{name}'{nearest}", nearest = suggestion(.nearest))]
    NoMember {
        /// The name.
        name: String,
        /// The realm.
        realm: String,
        /// A member with a similar name.
        nearest: Option<String>,
    },
    /// A name, label or role is malformed.
    #[error("{0}")]
    Subject(#[from] SubjectError),
    /// A member cannot be enrolled.
    #[error("{0}")]
    Enroll(#[from] EnrollError),
    /// The next member list cannot be signed.
    #[error("{0}")]
    Members(#[from] MemberListError),
    /// The list of hosts is malformed.
    #[error("'{path}' {problem}")]
    Hosts {
        /// The file.
        path: PathBuf,
        /// Where and what.
        problem: String,
    },
    /// What the system says about a file or folder.
    #[error("{told}", told = crate::file::failure(.path, .source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl RealmError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

fn suggestion(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!("; did you mean '{name}'?"),
        None => "; see 'librecast realm show'".to_owned(),
    }
}
