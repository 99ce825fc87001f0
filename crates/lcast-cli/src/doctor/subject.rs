//! What a credential says about the realm and its holder, as the doctor looks at it.

use std::path::PathBuf;

use lcast::home::LOCAL;
use lcast::realm::RealmFolder;
use lcast_net::interfaces::Selection;
use lcast_proto::group;
use lcast_proto::keys::Kind;
use lcast_proto::keys::credential::{self, Credential};
use lcast_proto::keys::members::Member;

use super::facts::{CredentialFacts, RealmFacts};
use crate::place;

/// What the realm `local` wants of a host.
pub(crate) fn without_credential() -> RealmFacts {
    let network = credential::Network::default();
    RealmFacts {
        name: LOCAL.to_owned(),
        scope: credential::Scope::Host,
        port: network.port,
        interfaces: Selection::Automatic,
        group: None,
        agents: 0,
    }
}

/// What the realm of a credential wants of a host.
pub(crate) fn realm_of(credential: &Credential) -> RealmFacts {
    let network = credential.network();
    let is_agent = |it: &&Member| it.subject.kind == Kind::Agent && !it.forgotten;
    RealmFacts {
        name: credential.realm_name().to_owned(),
        scope: network.scope,
        port: network.port,
        interfaces: selection(network.interfaces.clone()),
        group: Some(group::address(credential.realm(), network.scope, group::CONTROL)),
        agents: credential.members().members().iter().filter(is_agent).count(),
    }
}

/// The interfaces that these names select; none named: the usual ones.
pub(crate) fn selection(names: Vec<String>) -> Selection {
    if names.is_empty() { Selection::Automatic } else { Selection::Named(names) }
}

/// What a credential says about whom it names.
pub(crate) fn credential_of(
    credential: &Credential,
    folder: Option<&RealmFolder>,
) -> CredentialFacts {
    let subject = credential.certificate().subject();
    let text = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let has_authority = |it: &RealmFolder| it.overview().is_ok_and(|it| it.has_authority);
    CredentialFacts {
        name: subject.name.as_str().to_owned(),
        client: subject.kind == Kind::Client,
        roles: subject.roles.iter().map(str::to_owned).collect(),
        labels: subject.labels.iter().map(text).collect(),
        not_after: subject.not_after,
        wall: place::wall(),
        folder: folder.map(|it| PathBuf::from(it.path())),
        authority: folder.is_some_and(has_authority),
    }
}
