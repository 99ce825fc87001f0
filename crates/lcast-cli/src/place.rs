//! Which credential and which state folder a command uses.
//!
//! `--credential` uses a file directly: then nothing under `LIBRECAST_HOME` is read or written.
//! Otherwise the rules of [`lcast::home`] decide.

use std::path::{Path, PathBuf};

use lcast::home::{Environment, Home, HomeError, Owner, Purpose, Sighting};
use lcast::realm::{self, RealmError, RealmFolder};
use lcast_proto::keys::{Certificate, Credential, Subject, Validity};
use lcast_proto::time::Timestamp;

use crate::args::Everywhere;
use crate::failure::Failure;

/// What a command that reaches nodes works with.
#[derive(Debug)]
pub(crate) struct Place {
    /// Who this process is.
    pub(crate) credential: Credential,
    /// Where it keeps state; none when a client has no place for it.
    pub(crate) state: Option<PathBuf>,
    /// The folder of the realm, unless a credential file is used directly.
    pub(crate) folder: Option<RealmFolder>,
    /// The credential file that is used directly, by its absolute path.
    pub(crate) file: Option<PathBuf>,
    /// What was passed over in the choice of the realm.
    pub(crate) seen: Vec<Sighting>,
}

/// The wall clock of this machine.
pub(crate) use lcast::wall;

/// The folders of this user.
pub(crate) fn home() -> Home {
    Home::of(Environment::of_process())
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
    let place = locate(everywhere, purpose)?;
    // An agent starts all the same: a board without a battery learns the time after it.
    if purpose == Purpose::Ask {
        check_clock(place.credential.certificate(), wall())?;
    }
    Ok(place)
}

/// As [`resolve`], whatever the time of the credential.
pub(crate) fn locate(everywhere: &Everywhere, purpose: Purpose) -> Result<Place, Failure> {
    let place = match (&everywhere.common.credential, &everywhere.common.realm) {
        (Some(_), Some(_)) => {
            let message = "--credential and --realm exclude each other: a credential file names \
                           its realm";
            return Err(Failure::usage(message));
        }
        (Some(file), None) => from_file(file, purpose)?,
        (None, _) => from_home(everywhere, purpose)?,
    };
    check_kind(&place.credential, purpose)?;
    let state = everywhere.state.clone().or(place.state);
    Ok(Place { state, ..place })
}

fn from_file(file: &Path, purpose: Purpose) -> Result<Place, Failure> {
    let environment = Environment::of_process();
    let owner = environment.owner_of(file);
    let credential = read(&environment, file)?;
    // The default state folder, but not below LIBRECAST_HOME.
    let home = Home::of(Environment { librecast_home: None, ..environment });
    let state = state_folder(&home, owner, &credential, purpose);
    let file = std::path::absolute(file).ok();
    Ok(Place { credential, state, folder: None, file, seen: Vec::new() })
}

/// A credential file that is used directly.
pub(crate) fn read(environment: &Environment, file: &Path) -> Result<Credential, RealmError> {
    realm::read_credential(file, environment.group_of(file))
}

fn from_home(everywhere: &Everywhere, purpose: Purpose) -> Result<Place, Failure> {
    let home = home();
    let wall = wall();
    let selected = home.select(realm_name(everywhere).as_deref(), purpose, wall)?;
    let credential = selected.folder.credential(purpose, &home.host_name(), wall);
    let credential = credential.map_err(|error| with_seen(&error, &selected.seen))?;
    let state = state_folder(&home, selected.folder.owner(), &credential, purpose);
    let (folder, seen) = (Some(selected.folder), selected.seen);
    Ok(Place { credential, state, folder, file: None, seen })
}

/// Where state is kept unless told otherwise: an agent's beside its credential, a client's with
/// its user. The system's folder is for its services: a client without a home remembers nothing.
fn state_folder(
    home: &Home,
    owner: Owner,
    credential: &Credential,
    purpose: Purpose,
) -> Option<PathBuf> {
    let (realm, name) = (credential.realm_name(), credential.certificate().name());
    match purpose {
        Purpose::Answer => Some(home.state_folder(owner, realm, name)),
        Purpose::Ask => {
            let ours = home.environment().is_system || !home.is_system();
            ours.then(|| home.state_folder(Owner::User, realm, name))
        }
    }
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

/// Who asks outside the time of its certificate would be refused, or expect nobody.
pub(crate) fn check_clock(certificate: &Certificate, wall: Timestamp) -> Result<(), Failure> {
    let Subject { name, not_before, not_after, .. } = certificate.subject();
    let name = name.as_str();
    match certificate.validity(wall) {
        Validity::Valid | Validity::Grace => Ok(()),
        Validity::NotYet => Err(Failure::usage(format!(
            "the clock of this host says {wall}, and the certificate of '{name}' begins at \
             {not_before}: the clock is likely behind; set it, for example with 'timedatectl \
             set-ntp true'"
        ))),
        Validity::Expired => Err(Failure::usage(format!(
            "the certificate of '{name}' ended at {not_after}, and the clock of this host says \
             {wall}: have it issued again ('librecast realm issue --name {name} --again'), or set \
             the clock if it is ahead"
        ))),
    }
}

/// A failure with what was seen, which may be the way out.
pub(crate) fn with_seen(error: &dyn std::fmt::Display, seen: &[Sighting]) -> Failure {
    let notes: String = seen.iter().map(|it| format!("; {it}")).collect();
    Failure::usage(format!("{error}{notes}"))
}

/// A realm of the user or, when there is none of that name, of the system.
pub(crate) fn existing(home: &Home, name: Option<&str>) -> Result<RealmFolder, Failure> {
    let (realms, closed) = home.realms()?;
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
            Err(HomeError::Unknown { name: name.to_owned(), seen, closed }.into())
        }
        ([], None) => {
            let none = "no realm here; make one with 'librecast realm create NAME' or join one \
                        with 'librecast join FILE'";
            Err(with_seen(&none, &closed))
        }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lcast_proto::keys::authority::Authority;
    use lcast_proto::keys::{Kind, Labels, MemberEdit, Network, Roles};
    use lcast_proto::random::Random;

    use super::*;

    /// As `join --system` leaves it: its mode is 0640, and its group librecast.
    #[test]
    fn a_credential_of_the_system_that_its_group_may_read_is_one_to_use_directly() {
        use std::os::unix::fs::PermissionsExt as _;
        let config = std::env::temp_dir().join(format!("lcast-place-{}", std::process::id()));
        let environment = Environment {
            system_config: config.clone(),
            librecast_group: Some(rustix::process::getegid().as_raw()),
            ..Environment::default()
        };
        let folder = Home::of(environment.clone()).system_folder("prod");
        realm::create(&folder, Network::default(), wall()).unwrap();
        let file = folder.path().join("credential");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(read(&environment, &file).unwrap().realm_name(), "prod");
        let elsewhere = Environment { system_config: config.join("etc"), ..environment };
        assert!(matches!(read(&elsewhere, &file), Err(RealmError::Mode { .. })));
        std::fs::remove_dir_all(config).unwrap();
    }

    /// 48 hours of grace: [SEC-22].
    #[test]
    fn a_clock_outside_the_certificate_is_named_before_anything_is_asked() {
        let begin = Timestamp::from_millis(1_000_000_000_000);
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let subject = Subject {
            name: "op".parse().unwrap(),
            kind: Kind::Client,
            labels: Labels::default(),
            roles: Roles::default(),
            not_before: begin,
            not_after: begin.saturating_add(hours(1)),
        };
        let mut random = Random::from_seed([5; 32]);
        let authority = Authority::create("prod", &mut random).unwrap();
        let edit = MemberEdit::first();
        let network = Network::default();
        let enrolled = authority.enroll(edit, &[subject], &network, begin, &mut random).unwrap();
        let certificate = enrolled.credentials[0].certificate();
        for (wall, expected) in [
            (begin.saturating_sub(hours(49)), Some("likely behind")),
            (begin.saturating_sub(hours(47)), None),
            (begin.saturating_add(hours(48)), None),
            (begin.saturating_add(hours(50)), Some("'librecast realm issue --name ")),
        ] {
            match (check_clock(certificate, wall), expected) {
                (Ok(()), None) => {}
                (Err(failure), Some(words)) => assert!(failure.to_string().contains(words)),
                (other, _) => panic!("{wall}: {other:?}"),
            }
        }
    }
}
