//! What an agent finds on its own host, for `librecast.doctor`.

use std::time::Duration;

use lcast_proto::time::Timestamp;
use lcast_proto::value::Value;

use super::diagnose::diagnose;
use super::facts::{CredentialFacts, Facts, RealmFacts};
use super::local;

/// The variable that shows it.
pub(crate) const VARIABLE: &str = "librecast.doctor";

/// How often the host is looked at at most: finding the owner of a socket walks all of `/proc`.
pub(crate) const PAUSE: Duration = Duration::from_secs(5);

/// How often it is looked at although nobody asks.
pub(crate) const INTERVAL: Duration = Duration::from_secs(60);

/// An agent's look at its host, which may take its time: for the background.
pub(crate) struct Checkup {
    realm: RealmFacts,
    credential: CredentialFacts,
}

impl Checkup {
    /// A checkup of the host of this member.
    pub(crate) fn new(realm: RealmFacts, credential: CredentialFacts) -> Self {
        Self { realm, credential }
    }

    /// The ids of what is found.
    pub(crate) fn ids(&self, wall: Timestamp) -> Value {
        let realm = self.realm.clone();
        let credential = CredentialFacts { wall, ..self.credential.clone() };
        let host = local::look(&realm);
        let facts = Facts { realm, host, credential: Some(credential), asked: None };
        let ids = diagnose(&facts).into_iter().map(|it| Value::from(it.cause.id()));
        Value::List(ids.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::subject;

    #[test]
    fn what_is_wrong_is_told_by_its_id() {
        let credential = CredentialFacts {
            name: "web1".to_owned(),
            client: false,
            roles: Vec::new(),
            labels: Vec::new(),
            not_after: Timestamp::from_millis(1000),
            wall: Timestamp::from_millis(0),
            folder: None,
            authority: false,
        };
        let checkup = Checkup::new(subject::without_credential(), credential);
        let Value::List(ids) = checkup.ids(Timestamp::from_millis(2000)) else { panic!("no list") };
        assert!(ids.contains(&Value::from("credential-expired")), "{ids:?}");
    }
}
