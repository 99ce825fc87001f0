//! Opening a node: with which credential, and what it keeps where.

use std::path::{Path, PathBuf};

use lcast_proto::keys::{Certificate, Kind as MemberKind, NodeName, Subject, Validity};
use zeroize::Zeroizing;

use super::error::{Error, Kind};
use super::node::Node;
use super::standard;
use crate::Credential;
use crate::home::{Environment, Home, Owner, Purpose};
use crate::realm::{self, RealmFolder};

/// How a [`Node`] is to be opened. Nothing happens before [`Builder::open`].
pub struct Builder {
    source: Source,
    state: Option<PathBuf>,
    memory: Option<PathBuf>,
    interfaces: Option<Vec<String>>,
    registry: Option<Vec<PathBuf>>,
    software: Option<String>,
}

/// Where the credential comes from.
enum Source {
    Realm(Option<String>, Purpose),
    File(PathBuf),
    Bytes(Zeroizing<Vec<u8>>),
}

/// A credential, and what goes with where it was found.
struct Found {
    credential: Credential,
    folder: Option<RealmFolder>,
    memory: Option<PathBuf>,
}

impl Builder {
    fn new(source: Source) -> Self {
        Self { source, state: None, memory: None, interfaces: None, registry: None, software: None }
    }

    /// With the client's credential of this realm of the user or of the system. Without a name the
    /// realm is chosen as by the commands: `LIBRECAST_REALM`, the only one, the system's, `local`.
    pub fn realm(name: Option<&str>) -> Self {
        Self::new(Source::Realm(name.map(str::to_owned), Purpose::Ask))
    }

    /// The same with the agent's credential: to expose variables. A process beside the agent of
    /// this host needs a credential of its own: [`Builder::file`].
    pub fn agent(name: Option<&str>) -> Self {
        Self::new(Source::Realm(name.map(str::to_owned), Purpose::Answer))
    }

    /// With this credential file, which nobody but its owner can read.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self::new(Source::File(path.as_ref().to_owned()))
    }

    /// With a credential in memory: what its file would hold.
    pub fn bytes(credential: &[u8]) -> Self {
        Self::new(Source::Bytes(Zeroizing::new(credential.to_vec())))
    }

    /// Keeps settings and the member list in this folder, which is locked; see
    /// [`lcast::Builder::state`](crate::Builder::state).
    #[must_use]
    pub fn state(mut self, folder: impl AsRef<Path>) -> Self {
        self.state = Some(folder.as_ref().to_owned());
        self
    }

    /// Remembers presence and schemas in this folder for the next process. Default for a realm of
    /// the user: where the commands remember them.
    #[must_use]
    pub fn memory(mut self, folder: impl AsRef<Path>) -> Self {
        self.memory = Some(folder.as_ref().to_owned());
        self
    }

    /// Uses these interfaces in place of the credential's; none named: the default choice.
    #[must_use]
    pub fn interfaces(mut self, names: Vec<String>) -> Self {
        self.interfaces = Some(names);
        self
    }

    /// Folders in which nodes of this host find each other without multicast.
    #[must_use]
    pub fn registry(mut self, folders: Vec<PathBuf>) -> Self {
        self.registry = Some(folders);
        self
    }

    /// The version of the software, told to others. Default: this library's.
    #[must_use]
    pub fn software(mut self, version: &str) -> Self {
        self.software = Some(version.to_owned());
        self
    }

    /// Opens the node: it takes part in the realm from here on. Of the descriptors 0, 1 and 2 those
    /// that are closed are opened on `/dev/null` first, and stay so: what the program prints goes
    /// into nothing of the node.
    ///
    /// # Errors
    /// [`Kind::NoRealm`], [`Kind::Credential`], [`Kind::Permission`], [`Kind::Busy`] when the state
    /// folder is in use, [`Kind::Limit`] and [`Kind::Start`].
    pub fn open(self) -> Result<Node, Error> {
        standard::fill()?;
        let Found { credential, folder, memory } = find(self.source)?;
        check_time(credential.certificate())?;
        let realm = credential.realm_name().to_owned();
        let name = credential.certificate().name().as_str().to_owned();
        let mut builder = crate::Node::builder(credential);
        if let Some(state) = self.state {
            builder = builder.state(state);
        }
        if let Some(memory) = self.memory.or(memory) {
            builder = builder.memory(memory);
        }
        if let Some(names) = self.interfaces {
            builder = builder.interfaces(names);
        }
        if let Some(folders) = self.registry {
            builder = builder.registry(folders);
        }
        if let Some(software) = &self.software {
            builder = builder.software(software);
        }
        if let Some(folder) = folder {
            builder = builder.keep_members(Box::new(move |members| {
                // The list came from the realm and will come again.
                if let Err(error) = folder.keep_members(members) {
                    tracing::debug!(%error, "a newer member list is not kept");
                }
            }));
        }
        Node::start(builder, realm, name)
    }
}

/// Finds the credential, as the commands do.
fn find(source: Source) -> Result<Found, Error> {
    match source {
        Source::Bytes(bytes) => {
            let credential = Credential::decode(&bytes)?;
            Ok(Found { credential, folder: None, memory: None })
        }
        Source::File(path) => {
            let group = Environment::of_process().group_of(&path);
            let credential = realm::read_credential(&path, group)?;
            Ok(Found { credential, folder: None, memory: None })
        }
        Source::Realm(name, purpose) => {
            let home = Home::of(Environment::of_process());
            let wall = crate::wall();
            let selected = home.select(name.or_else(realm_named).as_deref(), purpose, wall)?;
            let credential = selected.folder.credential(purpose, &home.host_name(), wall)?;
            let memory = match purpose {
                Purpose::Ask => {
                    let name: &NodeName = credential.certificate().name();
                    let ours = home.environment().is_system || !home.is_system();
                    let realm = credential.realm_name();
                    ours.then(|| home.state_folder(Owner::User, realm, name))
                }
                Purpose::Answer => None,
            };
            Ok(Found { credential, folder: Some(selected.folder), memory })
        }
    }
}

/// The realm that the environment names.
fn realm_named() -> Option<String> {
    // No name is no UTF-8: such a name is told, not passed over.
    let name = std::env::var_os("LIBRECAST_REALM").filter(|it| !it.is_empty());
    name.map(|it| it.to_string_lossy().into_owned())
}

/// A client outside the time of its certificate would be refused everywhere. An agent starts all
/// the same: a board without a battery learns the time after it.
fn check_time(certificate: &Certificate) -> Result<(), Error> {
    let wall = crate::wall();
    let Subject { name, not_before, not_after, .. } = certificate.subject();
    let name = name.as_str();
    let message = match certificate.validity(wall) {
        _ if certificate.kind() == MemberKind::Agent => return Ok(()),
        Validity::Valid | Validity::Grace => return Ok(()),
        Validity::NotYet => format!(
            "the clock of this host says {wall}, and the certificate of '{name}' begins at \
             {not_before}: the clock is likely behind; set it"
        ),
        Validity::Expired => format!(
            "the certificate of '{name}' ended at {not_after}, and the clock of this host says \
             {wall}: have it issued again ('librecast realm issue --name {name} --again'), or set \
             the clock if it is ahead"
        ),
    };
    Err(Error::new(Kind::Credential, message))
}
