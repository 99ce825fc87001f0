//! Where things are: realms, credentials and state, of the user and of the system.
//!
//! Which realm is meant when none is named, and what is told when that cannot be decided. What is
//! in a realm's folder, and how it gets there, is in [`realm`]. Start with
//! [`Home::of`] and [`Home::select`].

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use lcast_proto::keys::{Kind, Network, NodeName, Scope};
use lcast_proto::time::Timestamp;

use crate::realm::{self, Access, RealmError, RealmFolder};

/// What the process's surroundings say, gathered in one place so that tests can say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `LIBRECAST_HOME`: the user's folder for everything.
    pub librecast_home: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`.
    pub config_home: Option<PathBuf>,
    /// `XDG_STATE_HOME`.
    pub state_home: Option<PathBuf>,
    /// The system's folder of realms: `/etc/librecast`.
    pub system_config: PathBuf,
    /// The system's folder of state: `/var/lib/librecast`.
    pub system_state: PathBuf,
    /// Whether this process is the system's agent: systemd gave it folders of its own.
    pub is_system: bool,
    /// The name of this host.
    pub host: String,
    /// The user's group ids that count for the system's credentials; the group `librecast`.
    pub librecast_group: Option<u32>,
}

/// The folders of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    environment: Environment,
    config: PathBuf,
    state: PathBuf,
}

/// What a realm is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To ask: with a client's credential.
    Ask,
    /// To answer: with an agent's credential.
    Answer,
}

/// Whose realm it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The user's.
    User,
    /// The system's.
    System,
}

/// The realm that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// Its folder.
    pub folder: RealmFolder,
    /// What else was seen, for the case that nobody answers.
    pub seen: Vec<Sighting>,
}

/// Something that was seen and passed over in the choice of a realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// A realm of the system whose credential the user may not read.
    Unreadable {
        /// Its name.
        realm: String,
    },
}

/// Why it is not clear which realm is meant.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
    /// Neither `LIBRECAST_HOME` nor `HOME` is set.
    #[error("neither HOME nor LIBRECAST_HOME is set; set LIBRECAST_HOME to a folder of yours")]
    NoHome,
    /// No realm of that name.
    #[error(
        "no realm '{name}' here{seen}; join it with 'librecast join FILE'",
        seen = listed(.seen)
    )]
    Unknown {
        /// The name.
        name: String,
        /// What there is.
        seen: Vec<String>,
    },
    /// Several realms, and none was named.
    #[error("several realms here ({list}); choose one with --realm or LIBRECAST_REALM",
            list = .names.join(", "))]
    Ambiguous {
        /// Their names.
        names: Vec<String>,
    },
    /// The system's realm cannot be used.
    #[error("{0}")]
    Unreadable(Sighting),
    /// A folder of realms that cannot be read.
    #[error("'{path}': {source}; check who may read it, or set LIBRECAST_HOME")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The realm `local` could not be made.
    #[error(
        "cannot make the realm 'local': {0}; set LIBRECAST_HOME to a folder that you can write"
    )]
    Local(#[source] RealmError),
}

/// The realm that needs no set-up: made on first use, host-only.
pub const LOCAL: &str = "local";

impl Environment {
    /// What surrounds this process.
    pub fn of_process() -> Self {
        let path = |name: &str| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from)
        };
        // Relative XDG paths are to be ignored: XDG base directory specification.
        let absolute = |name: &str| path(name).filter(|path| path.is_absolute());
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self {
            librecast_home: path("LIBRECAST_HOME"),
            home: path("HOME"),
            config_home: absolute("XDG_CONFIG_HOME"),
            state_home: absolute("XDG_STATE_HOME"),
            system_config: absolute("CONFIGURATION_DIRECTORY")
                .unwrap_or_else(|| PathBuf::from("/etc/librecast")),
            system_state: absolute("STATE_DIRECTORY")
                .unwrap_or_else(|| PathBuf::from("/var/lib/librecast")),
            is_system: absolute("STATE_DIRECTORY").is_some(),
            host,
            librecast_group: group_id("librecast"),
        }
    }
}

/// The id of a group of this host.
fn group_id(name: &str) -> Option<u32> {
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    let mut lines = groups.lines().map(|line| line.split(':'));
    let mut line = lines.find(|line| line.clone().next() == Some(name))?;
    line.nth(2)?.parse().ok()
}

impl Home {
    /// The folders that these surroundings mean.
    ///
    /// # Errors
    /// [`HomeError::NoHome`].
    pub fn of(environment: Environment) -> Result<Self, HomeError> {
        let (config, state) = match &environment.librecast_home {
            Some(home) => (home.clone(), home.join("state")),
            None if environment.is_system => {
                (environment.system_config.clone(), environment.system_state.clone())
            }
            None => {
                let below = |first: &Option<PathBuf>, second: &str| {
                    let fallback = || environment.home.as_ref().map(|home| home.join(second));
                    first.clone().or_else(fallback).map(|path| path.join("librecast"))
                };
                let config = below(&environment.config_home, ".config");
                let state = below(&environment.state_home, ".local/state");
                (config.ok_or(HomeError::NoHome)?, state.ok_or(HomeError::NoHome)?)
            }
        };
        Ok(Self { environment, config, state })
    }

    /// What these folders were derived from.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Where the state of a node is kept unless told otherwise.
    pub fn state_folder(&self, realm: &str, node: &NodeName) -> PathBuf {
        self.state.join(realm).join(node.as_str())
    }

    /// The folder of a realm of the user, whether it exists or not.
    pub fn folder(&self, name: &str) -> RealmFolder {
        RealmFolder::new(&self.config, name, Owner::User, None)
    }

    /// The folder of a realm of the system, whether it exists or not.
    pub fn system_folder(&self, name: &str) -> RealmFolder {
        let Environment { system_config, librecast_group, .. } = &self.environment;
        RealmFolder::new(system_config, name, Owner::System, *librecast_group)
    }

    /// All realms: the user's, then the system's, each in order of name.
    ///
    /// # Errors
    /// When a folder exists and cannot be read.
    pub fn realms(&self) -> Result<Vec<RealmFolder>, HomeError> {
        let user = realm_names(&self.config)?;
        let mut folders: Vec<RealmFolder> = user.iter().map(|name| self.folder(name)).collect();
        if self.config != self.environment.system_config {
            let system = realm_names(&self.environment.system_config)?;
            folders.extend(system.iter().map(|name| self.system_folder(name)));
        }
        Ok(folders)
    }

    /// The realm that is meant: the named one; else the user's only one; else the system's, when
    /// its credential is readable; else `local`, which is made when it does not exist.
    ///
    /// # Errors
    /// [`HomeError`]; nothing is made then.
    pub fn select(
        &self,
        name: Option<&str>,
        purpose: Purpose,
        wall: Timestamp,
    ) -> Result<Selected, HomeError> {
        let realms = self.realms()?;
        match name {
            Some(name) => self.select_named(&realms, name, purpose, wall),
            None => self.select_any(&realms, purpose, wall),
        }
    }

    fn select_named(
        &self,
        realms: &[RealmFolder],
        name: &str,
        purpose: Purpose,
        wall: Timestamp,
    ) -> Result<Selected, HomeError> {
        let Some(folder) = realms.iter().find(|folder| folder.name() == name) else {
            if name == LOCAL {
                return Ok(Selected { folder: self.local(wall)?, seen: Vec::new() });
            }
            let seen = realms.iter().map(|folder| folder.name().to_owned()).collect();
            return Err(HomeError::Unknown { name: name.to_owned(), seen });
        };
        match folder.access(purpose) {
            Access::Unreadable => {
                let realm = name.to_owned();
                Err(HomeError::Unreadable(Sighting::Unreadable { realm }))
            }
            Access::Readable | Access::Absent => {
                Ok(Selected { folder: folder.clone(), seen: Vec::new() })
            }
        }
    }

    fn select_any(
        &self,
        realms: &[RealmFolder],
        purpose: Purpose,
        wall: Timestamp,
    ) -> Result<Selected, HomeError> {
        let mut seen = Vec::new();
        for owner in [Owner::User, Owner::System] {
            let mut usable = Vec::new();
            for folder in realms.iter().filter(|it| it.owner() == owner && it.name() != LOCAL) {
                match (owner, folder.access(purpose)) {
                    (Owner::User, _) | (Owner::System, Access::Readable) => usable.push(folder),
                    (Owner::System, Access::Unreadable) => {
                        seen.push(Sighting::Unreadable { realm: folder.name().to_owned() });
                    }
                    (Owner::System, Access::Absent) => {}
                }
            }
            match usable.as_slice() {
                [] => {}
                [folder] => return Ok(Selected { folder: (*folder).clone(), seen }),
                several => {
                    let names = several.iter().map(|it| it.name().to_owned()).collect();
                    return Err(HomeError::Ambiguous { names });
                }
            }
        }
        Ok(Selected { folder: self.local(wall)?, seen })
    }

    /// The realm `local`, made when it does not exist.
    fn local(&self, wall: Timestamp) -> Result<RealmFolder, HomeError> {
        let folder = self.folder(LOCAL);
        let network = Network { scope: Scope::Host, ..Network::default() };
        match realm::create(&folder, network, wall) {
            // Two commands may make it at once: whichever was first has made it for both.
            Ok(()) | Err(RealmError::Exists { .. }) => Ok(folder),
            Err(error) => Err(HomeError::Local(error)),
        }
    }

    /// The name that this host's agent has in `local`.
    pub fn host_name(&self) -> NodeName {
        host_name(&self.environment.host)
    }
}

/// A member's name made of a host's: characters that names cannot have become '-'.
fn host_name(host: &str) -> NodeName {
    let fitting = |char: char| if char.is_ascii_alphanumeric() { char } else { '-' };
    let kept = |char: char| if "._-".contains(char) { char } else { fitting(char) };
    let name: String = host.chars().map(kept).take(NodeName::LENGTH_MAX).collect();
    let name = name.trim_start_matches(['.', '_', '-']);
    name.parse().unwrap_or_else(|_| "host".parse().expect("'host' is a name"))
}

/// The names of the realms in a folder, in order; none when there is no folder.
fn realm_names(config: &Path) -> Result<Vec<String>, HomeError> {
    let path = config.join(realm::REALMS);
    let entries = match std::fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(HomeError::Folder { path, source }),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| HomeError::Folder { path: path.clone(), source })?;
        let name = entry.file_name().into_string().unwrap_or_default();
        if name.parse::<NodeName>().is_ok() && entry.path().is_dir() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn listed(seen: &[String]) -> String {
    if seen.is_empty() { String::new() } else { format!(" (there are: {})", seen.join(", ")) }
}

impl fmt::Display for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { realm } => write!(
                f,
                "an agent of realm '{realm}' runs here; its credential is readable by group \
                 librecast"
            ),
        }
    }
}

impl Purpose {
    /// The kind of credential that serves this.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Ask => Kind::Client,
            Self::Answer => Kind::Agent,
        }
    }
}

#[cfg(test)]
mod tests;
