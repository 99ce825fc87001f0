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
    /// A realm of the system whose client's credential the user may not read.
    Unreadable {
        /// Its name.
        realm: String,
    },
    /// A realm of the system that has agents here and no client.
    NoClient {
        /// Its name.
        realm: String,
    },
    /// A realm of the system whose agents' credentials the user may not read.
    NotOurs {
        /// Its name.
        realm: String,
    },
    /// The system's folder of realms, which the user may not read.
    Closed {
        /// The folder.
        path: PathBuf,
    },
}

/// Why it is not clear which realm is meant.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
    /// The system has no realm to use, and the process has no folder for one of its own.
    #[error(
        "no realm to use in '{config}', and neither HOME nor LIBRECAST_HOME says where else{seen}; \
         join one with 'librecast join --system FILE', or set LIBRECAST_HOME to a folder of yours",
        config = .config.display(), seen = noted(.seen)
    )]
    NoHome {
        /// The system's folder of realms.
        config: PathBuf,
        /// What was passed over.
        seen: Vec<Sighting>,
    },
    /// No realm of that name.
    #[error(
        "no realm '{name}' here{seen}; {way}{closed}",
        seen = listed(.seen), way = way_to(.name, .seen), closed = noted(.closed)
    )]
    Unknown {
        /// The name.
        name: String,
        /// What there is.
        seen: Vec<String>,
        /// Where it was not looked for.
        closed: Vec<Sighting>,
    },
    /// Several realms, and none was named.
    #[error(
        "several realms here ({list}); name one (the commands: by --realm), or set LIBRECAST_REALM",
        list = .names.join(", ")
    )]
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
        // systemd.exec(5): several folders are separated by colons.
        let first = |name: &str| {
            let folders = std::env::var_os(name)?;
            let first = std::env::split_paths(&folders).next();
            first.filter(|path| path.is_absolute())
        };
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self {
            librecast_home: path("LIBRECAST_HOME"),
            home: path("HOME"),
            config_home: absolute("XDG_CONFIG_HOME"),
            state_home: absolute("XDG_STATE_HOME"),
            system_config: first("CONFIGURATION_DIRECTORY")
                .unwrap_or_else(|| PathBuf::from("/etc/librecast")),
            system_state: first("STATE_DIRECTORY")
                .unwrap_or_else(|| PathBuf::from("/var/lib/librecast")),
            is_system: first("STATE_DIRECTORY").is_some(),
            host,
            librecast_group: group_id("librecast"),
        }
    }

    /// Whose a credential file is: the system's in the system's folder.
    pub fn owner_of(&self, file: &Path) -> Owner {
        let absolute = std::path::absolute(file);
        let is_system = absolute.is_ok_and(|it| it.starts_with(&self.system_config));
        if is_system { Owner::System } else { Owner::User }
    }

    /// The group that may read a credential file besides its owner.
    pub fn group_of(&self, file: &Path) -> Option<u32> {
        self.librecast_group.filter(|_| self.owner_of(file) == Owner::System)
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
    /// The folders that these surroundings mean: those of `LIBRECAST_HOME`; else the system's, for
    /// a service of the system and for a process without a home; else the user's.
    pub fn of(environment: Environment) -> Self {
        let below = |first: &Option<PathBuf>, second: &str| {
            let fallback = || environment.home.as_ref().map(|home| home.join(second));
            first.clone().or_else(fallback).map(|path| path.join("librecast"))
        };
        let config = below(&environment.config_home, ".config");
        let state = below(&environment.state_home, ".local/state");
        let (config, state) = match (&environment.librecast_home, config, state) {
            (Some(home), _, _) => (home.clone(), home.join("state")),
            (None, Some(config), Some(state)) if !environment.is_system => (config, state),
            (None, _, _) => (environment.system_config.clone(), environment.system_state.clone()),
        };
        Self { environment, config, state }
    }

    /// Whether these are the system's folders, and the user has none.
    pub fn is_system(&self) -> bool {
        self.config == self.environment.system_config
    }

    /// What these folders were derived from.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Where the state of a node is kept unless told otherwise: beside the credential that it runs
    /// with. What the system's has set is found again, whoever starts it, with or without a home.
    pub fn state_folder(&self, owner: Owner, realm: &str, node: &NodeName) -> PathBuf {
        let folder = match owner {
            Owner::User => &self.state,
            Owner::System => &self.environment.system_state,
        };
        folder.join(realm).join(node.as_str())
    }

    /// Where nodes of this user meet when they cannot in a runtime folder. No realm has this name.
    pub fn nodes_folder(&self) -> PathBuf {
        self.state.join(".nodes")
    }

    /// The folder of a realm of the user (without a home: of the system), whether it exists or not.
    pub fn folder(&self, name: &str) -> RealmFolder {
        if self.is_system() {
            return self.system_folder(name);
        }
        RealmFolder::new(&self.config, name, Owner::User, None)
    }

    /// The folder of a realm of the system, whether it exists or not.
    pub fn system_folder(&self, name: &str) -> RealmFolder {
        let Environment { system_config, librecast_group, .. } = &self.environment;
        RealmFolder::new(system_config, name, Owner::System, *librecast_group)
    }

    /// All realms: the user's, then the system's, each in order of name. With them the system's
    /// folder, where this user may not read it: it is as good as empty then.
    ///
    /// # Errors
    /// When a folder exists and cannot be read.
    pub fn realms(&self) -> Result<(Vec<RealmFolder>, Vec<Sighting>), HomeError> {
        let user = realm_names(&self.config)?;
        let mut folders: Vec<RealmFolder> = user.iter().map(|name| self.folder(name)).collect();
        if self.is_system() {
            return Ok((folders, Vec::new()));
        }
        let system = match realm_names(&self.environment.system_config) {
            Err(HomeError::Folder { path, source })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                return Ok((folders, vec![Sighting::Closed { path }]));
            }
            system => system?,
        };
        folders.extend(system.iter().map(|name| self.system_folder(name)));
        Ok((folders, Vec::new()))
    }

    /// The realm that is meant: the named one; else the user's only one; else the system's, when
    /// its credential is readable; else `local`, which is made when it does not exist and the user
    /// has a home.
    ///
    /// # Errors
    /// [`HomeError`]; nothing is made then.
    pub fn select(
        &self,
        name: Option<&str>,
        purpose: Purpose,
        wall: Timestamp,
    ) -> Result<Selected, HomeError> {
        let (realms, closed) = self.realms()?;
        match name {
            Some(name) => self.select_named(&realms, closed, name, purpose, wall),
            None => self.select_any(&realms, closed, purpose, wall),
        }
    }

    fn select_named(
        &self,
        realms: &[RealmFolder],
        closed: Vec<Sighting>,
        name: &str,
        purpose: Purpose,
        wall: Timestamp,
    ) -> Result<Selected, HomeError> {
        let Some(folder) = realms.iter().find(|folder| folder.name() == name) else {
            if name == LOCAL && !self.is_system() {
                return Ok(Selected { folder: self.local(wall)?, seen: Vec::new() });
            }
            let seen = realms.iter().map(|folder| folder.name().to_owned()).collect();
            return Err(HomeError::Unknown { name: name.to_owned(), seen, closed });
        };
        match folder.access(purpose) {
            Access::Unreadable => Err(HomeError::Unreadable(Sighting::unreadable(folder, purpose))),
            Access::Readable | Access::Absent => {
                Ok(Selected { folder: folder.clone(), seen: Vec::new() })
            }
        }
    }

    fn select_any(
        &self,
        realms: &[RealmFolder],
        closed: Vec<Sighting>,
        purpose: Purpose,
        wall: Timestamp,
    ) -> Result<Selected, HomeError> {
        let (mut seen, mut closed) = (Vec::new(), closed);
        for owner in [Owner::User, Owner::System] {
            if owner == Owner::System {
                seen.append(&mut closed);
            }
            let mut usable = Vec::new();
            for folder in realms.iter().filter(|it| it.owner() == owner && it.name() != LOCAL) {
                match (owner, folder.access(purpose)) {
                    (Owner::User, _) | (Owner::System, Access::Readable) => usable.push(folder),
                    (Owner::System, Access::Unreadable) => {
                        seen.push(Sighting::unreadable(folder, purpose));
                    }
                    (Owner::System, Access::Absent) => {
                        seen.extend(Sighting::absent(folder, purpose))
                    }
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
        if self.is_system() {
            let config = self.environment.system_config.clone();
            return Err(HomeError::NoHome { config, seen });
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

/// What to do about a realm that is not here: most likely its name is mistyped.
fn way_to(name: &str, seen: &[String]) -> String {
    let near = lcast_proto::select::nearest(name, seen.iter().map(String::as_str));
    let meant = near.first().map(|it| format!("did you mean '{it}'? Else "));
    format!("{}join it with 'librecast join FILE'", meant.unwrap_or_default())
}

/// Sightings at the end of a sentence.
fn noted(seen: &[Sighting]) -> String {
    seen.iter().map(|it| format!("; {it}")).collect()
}

impl Sighting {
    fn unreadable(folder: &RealmFolder, purpose: Purpose) -> Self {
        let realm = folder.name().to_owned();
        match purpose {
            Purpose::Ask => Self::Unreadable { realm },
            Purpose::Answer => Self::NotOurs { realm },
        }
    }

    /// A realm without a client is worth a word to who wants to ask it.
    fn absent(folder: &RealmFolder, purpose: Purpose) -> Option<Self> {
        let has_agents = folder.access(Purpose::Answer) != Access::Absent;
        let realm = folder.name().to_owned();
        (purpose == Purpose::Ask && has_agents).then_some(Self::NoClient { realm })
    }
}

impl fmt::Display for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { realm } => write!(
                f,
                "an agent of realm '{realm}' runs here; its credential is readable by group \
                 librecast"
            ),
            Self::NoClient { realm } => write!(
                f,
                "an agent of realm '{realm}' runs here; to ask it, have a client's credential \
                 issued ('librecast realm issue --client') and join it"
            ),
            Self::NotOurs { realm } => write!(
                f,
                "the agent of realm '{realm}' on this host is the system's, and this user may not \
                 read its credential"
            ),
            Self::Closed { path } => {
                write!(f, "this user may not read the system's realms in '{}'", path.display())
            }
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
