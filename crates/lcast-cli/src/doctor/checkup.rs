//! What an agent finds on its own host, for `librecast.doctor`.

use std::time::Duration;

use lcast_proto::time::{Instant, Now};
use lcast_proto::value::Value;

use super::diagnose::diagnose;
use super::facts::{CredentialFacts, Facts, RealmFacts};
use super::local;

/// The host is looked at once in this time at most.
const INTERVAL: Duration = Duration::from_secs(60);

/// An agent's look at its host.
pub(crate) struct Checkup {
    realm: RealmFacts,
    credential: CredentialFacts,
    looked: Option<Instant>,
}

impl Checkup {
    /// A checkup of the host of this member.
    pub(crate) fn new(realm: RealmFacts, credential: CredentialFacts) -> Self {
        Self { realm, credential, looked: None }
    }

    /// The ids of what is found, when it is time to look again.
    pub(crate) fn ids(&mut self, now: Now) -> Option<Value> {
        if self.looked.is_some_and(|looked| now.instant.since(looked) < INTERVAL) {
            return None;
        }
        self.looked = Some(now.instant);
        let realm = self.realm.clone();
        let credential = CredentialFacts { wall: now.wall, ..self.credential.clone() };
        let host = local::look(&realm);
        let facts = Facts { realm, host, credential: Some(credential), asked: None };
        let ids = diagnose(&facts).into_iter().map(|it| Value::from(it.cause.id()));
        Some(Value::List(ids.collect()))
    }
}

#[cfg(test)]
mod tests {
    use lcast_proto::time::Timestamp;

    use super::*;
    use crate::doctor::subject;

    #[test]
    fn the_host_is_looked_at_once_a_minute() {
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
        let mut checkup = Checkup::new(subject::without_credential(), credential);
        let mut at = |seconds: u64| {
            let instant = Instant::from_micros(seconds * 1_000_000);
            checkup.ids(Now { instant, wall: Timestamp::from_millis(2000) })
        };
        let Some(Value::List(ids)) = at(100) else { panic!("no list") };
        assert!(ids.contains(&Value::from("credential-expired")), "{ids:?}");
        assert_eq!(at(159), None);
        assert!(at(160).is_some());
    }
}
