//! Which credential and which state folder a command uses.
//!
//! `--credential` uses a file directly: then nothing under `LIBRECAST_HOME` is read or written.
//! Otherwise the rules of [`lcast::home`] decide.

use std::path::{Path, PathBuf};

use lcast::home::{Environment, Home, HomeError, Owner, Purpose, Sighting};
use lcast::realm::{self, RealmError, RealmFolder};
use lcast_proto::keys::Credential;

use crate::args::Everywhere;
use crate::failure::Failure;

/// What a command that reaches nodes works with.
#[derive(Debug)]
pub(crate) struct Place {
    /// Who this process is.
    pub(crate) credential: Credential,
    /// Where it keeps state; none when there is no place for it.
    pub(crate) state: Option<PathBuf>,
    /// The folder of the realm, unless a credential file is used directly.
    pub(crate) folder: Option<RealmFolder>,
    /// What was passed over in the choice of the realm.
    pub(crate) seen: Vec<Sighting>,
}

/// The wall clock of this machine.
pub(crate) use lcast::wall;

/// The folders of this user.
pub(crate) fn home() -> Result<Home, Failure> {
    Ok(Home::of(Environment::of_process())?)
}

/// The name of the realm that was asked for, by option or by environment.
pub(crate) fn realm_name(everywhere: &Everywhere) -> Option<String> {
    // No name is no UTF-8: such a name is told, not passed over.
    let from_environment = || {
        let name = std::env::var_os("LIBRECAST_REALM").filter(|it| !it.is_empty());
        name.map(|it| it.to_string_lossy().into_owned())
    };
    everywhere.common.realm.clone().or_else(from_environment)
}

/// Finds the credential and the state folder for a purpose.
pub(crate) fn resolve(everywhere: &Everywhere, purpose: Purpose) -> Result<Place, Failure> {
    let place = match (&everywhere.common.credential, &everywhere.common.realm) {
        (Some(_), Some(_)) => {
            let message = "--credential and --realm exclude each other: a credential file names \
                           its realm";
            return Err(Failure::usage(message));
        }
        (Some(file), None) => from_file(file)?,
        (None, _) => from_home(everywhere, purpose)?,
    };
    check_kind(&place.credential, purpose)?;
    let state = everywhere.state.clone().or(place.state);
    Ok(Place { state, ..place })
}

fn from_file(file: &Path) -> Result<Place, Failure> {
    let environment = Environment::of_process();
    let group =
        environment.librecast_group.filter(|_| file.starts_with(&environment.system_config));
    let credential = realm::read_credential(file, group)?;
    // The default state folder, but not below LIBRECAST_HOME.
    let home = Home::of(Environment { librecast_home: None, ..environment });
    let state = home
        .ok()
        .map(|home| home.state_folder(credential.realm_name(), credential.certificate().name()));
    Ok(Place { credential, state, folder: None, seen: Vec::new() })
}

fn from_home(everywhere: &Everywhere, purpose: Purpose) -> Result<Place, Failure> {
    let home = home()?;
    let wall = wall();
    let selected = home.select(realm_name(everywhere).as_deref(), purpose, wall)?;
    let credential = selected.folder.credential(purpose, &home.host_name(), wall);
    let credential = credential.map_err(|error| with_seen(&error, &selected.seen))?;
    let node = credential.certificate().name();
    let state = Some(home.state_folder(credential.realm_name(), node));
    Ok(Place { credential, state, folder: Some(selected.folder), seen: selected.seen })
}

fn check_kind(credential: &Credential, purpose: Purpose) -> Result<(), Failure> {
    let kind = credential.certificate().kind();
    if kind == purpose.kind() {
        return Ok(());
    }
    let name = credential.certificate().name();
    Err(Failure::usage(match purpose {
        Purpose::Ask => format!(
            "'{name}' is an agent, and an agent's credential is for 'librecast agent' alone; have \
             a client's issued with 'librecast realm issue --client'"
        ),
        Purpose::Answer => format!(
            "'{name}' is a client and never expected to answer; have an agent's credential issued \
             with 'librecast realm issue' without --client"
        ),
    }))
}

/// A failure with what was seen, which may be the way out.
pub(crate) fn with_seen(error: &dyn std::fmt::Display, seen: &[Sighting]) -> Failure {
    let notes: String = seen.iter().map(|it| format!("; {it}")).collect();
    Failure::usage(format!("{error}{notes}"))
}

/// A realm of the user or, when there is none of that name, of the system.
pub(crate) fn existing(home: &Home, name: Option<&str>) -> Result<RealmFolder, Failure> {
    let realms = home.realms()?;
    let named = |folder: &&RealmFolder| name.is_none_or(|name| folder.name() == name);
    let of = |owner: Owner| realms.iter().filter(move |it| it.owner() == owner).filter(named);
    let candidates: Vec<&RealmFolder> = if of(Owner::User).next().is_some() {
        of(Owner::User).collect()
    } else {
        of(Owner::System).collect()
    };
    // 'local' is there for many; where there is another, that is the one in question.
    let others = candidates.iter().filter(|it| it.name() != lcast::home::LOCAL);
    let chosen: Vec<&&RealmFolder> = if others.clone().next().is_some() {
        others.collect()
    } else {
        candidates.iter().collect()
    };
    match (chosen.as_slice(), name) {
        ([folder], _) => Ok((**folder).clone()),
        ([], Some(name)) => {
            let seen = realms.iter().map(|it| it.name().to_owned()).collect();
            Err(HomeError::Unknown { name: name.to_owned(), seen }.into())
        }
        ([], None) => Err(Failure::usage(
            "no realm here; make one with 'librecast realm create NAME' or join one with \
             'librecast join FILE'",
        )),
        (several, _) => {
            let names = several.iter().map(|it| it.name().to_owned()).collect();
            Err(HomeError::Ambiguous { names }.into())
        }
    }
}

impl From<HomeError> for Failure {
    fn from(error: HomeError) -> Self {
        Self::usage(error)
    }
}

impl From<RealmError> for Failure {
    fn from(error: RealmError) -> Self {
        Self::usage(error)
    }
}
