//! `doctor`: what this host's network can do for a realm, what is broken, and what mends it.
//!
//! Gathers facts, has [`diagnose`] judge them, and prints. What is asked of the realm is in
//! `asking`; the realm `local` is never asked, since nothing of it leaves the host.

mod asking;
mod print;

use lcast::home::{LOCAL, Purpose};
use lcast_net::Scope;
use lcast_net::interfaces::Selection;
use lcast_proto::group;
use lcast_proto::keys::Kind;
use lcast_proto::keys::credential::{self, Credential};

use crate::args::{DoctorArgs, Everywhere};
use crate::doctor::diagnose::diagnose;
use crate::doctor::facts::{CredentialFacts, Facts, RealmFacts};
use crate::doctor::local;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::place::{self, Place};

/// Looks, asks, judges, prints.
pub(crate) async fn run(
    _args: &DoctorArgs,
    everywhere: &Everywhere,
    output: Output,
) -> Result<Exit, Failure> {
    let place = find(everywhere, output)?;
    let realm = place.as_ref().map_or_else(without_credential, |it| realm_of(&it.credential));
    let host = local::look(&realm);
    let credential = place.as_ref().map(credential_of);
    let asked = match place {
        Some(place) if may_ask(&place, &realm) => asking::ask(place, &realm).await?,
        Some(_) | None => None,
    };
    let facts = Facts { realm, host, credential, asked };
    let findings = diagnose(&facts);
    print::print(&facts, &findings, output)?;
    Ok(if findings.is_empty() { Exit::Success } else { Exit::Incomplete })
}

/// Whether there is anything to ask: nothing of a realm of one host goes anywhere, and an agent's
/// credential is for its agent alone.
fn may_ask(place: &Place, realm: &RealmFacts) -> bool {
    realm.scope != Scope::Host && place.credential.certificate().kind() == Kind::Client
}

/// The credential to look with: a client's, else an agent's, else none when none was asked for.
fn find(everywhere: &Everywhere, output: Output) -> Result<Option<Place>, Failure> {
    let error = match place::resolve(everywhere, Purpose::Ask) {
        Ok(place) => return Ok(Some(place)),
        Err(error) => error,
    };
    if let Ok(place) = place::resolve(everywhere, Purpose::Answer) {
        return Ok(Some(place));
    }
    if everywhere.common.credential.is_some() || place::realm_name(everywhere).is_some() {
        return Err(error);
    }
    output.note(&format!("no credential ({error}): only this host is looked at"));
    Ok(None)
}

/// What the realm `local` wants of a host.
fn without_credential() -> RealmFacts {
    let network = credential::Network::default();
    RealmFacts {
        name: LOCAL.to_owned(),
        scope: Scope::Host,
        port: network.port,
        interfaces: Selection::Automatic,
        group: None,
        agents: 0,
    }
}

fn realm_of(credential: &Credential) -> RealmFacts {
    let network = credential.network();
    let scope = match network.scope {
        credential::Scope::Host => Scope::Host,
        credential::Scope::Link => Scope::Link,
        credential::Scope::Site => Scope::Site,
        credential::Scope::Org => Scope::Organization,
        credential::Scope::Global => Scope::Global,
    };
    let names = network.interfaces.clone();
    let is_agent =
        |it: &&lcast_proto::keys::members::Member| it.subject.kind == Kind::Agent && !it.forgotten;
    RealmFacts {
        name: credential.realm_name().to_owned(),
        scope,
        port: network.port,
        interfaces: if names.is_empty() { Selection::Automatic } else { Selection::Named(names) },
        group: Some(group::address(credential.realm(), network.scope, group::CONTROL)),
        agents: credential.members().members().iter().filter(is_agent).count(),
    }
}

fn credential_of(place: &Place) -> CredentialFacts {
    let certificate = place.credential.certificate();
    let subject = certificate.subject();
    let text = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    CredentialFacts {
        name: subject.name.as_str().to_owned(),
        client: subject.kind == Kind::Client,
        roles: subject.roles.iter().map(str::to_owned).collect(),
        labels: subject.labels.iter().map(text).collect(),
        not_after: subject.not_after,
        wall: place::wall(),
        folder: place.folder.as_ref().map(|it| it.path().to_owned()),
        authority: place.folder.as_ref().is_some_and(has_authority),
    }
}

fn has_authority(folder: &lcast::realm::RealmFolder) -> bool {
    folder.overview().is_ok_and(|it| it.has_authority)
}
