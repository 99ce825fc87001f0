//! What an agent finds on its own host, for `librecast.doctor` and `librecast.doctor_errors`.

use std::time::Duration;

use lcast_proto::time::Timestamp;
use lcast_proto::value::Value;

use super::diagnose::diagnose;
use super::facts::{CredentialFacts, Facts, RealmFacts};
use super::{Finding, Severity, local};

/// The variable that shows it: ids.
pub(crate) const VARIABLE: &str = "librecast.doctor";

/// The variable that shows which of these are errors: one cause may be an error on a host and a
/// warning on another.
pub(crate) const ERRORS: &str = "librecast.doctor_errors";

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

    /// What is found: the values of the variables.
    pub(crate) fn values(&self, wall: Timestamp) -> [(&'static str, Value); 2] {
        let realm = self.realm.clone();
        let credential = CredentialFacts { wall, ..self.credential.clone() };
        let host = local::look(&realm);
        let credential = Some(credential);
        let facts = Facts { realm, host, credential, refused: None, asked: None };
        values(&diagnose(&facts))
    }
}

fn values(findings: &[Finding]) -> [(&'static str, Value); 2] {
    let id = |it: &Finding| Value::from(it.cause.id());
    let errors = findings.iter().filter(|it| it.severity == Severity::Error);
    [
        (VARIABLE, Value::List(findings.iter().map(id).collect())),
        (ERRORS, Value::List(errors.map(id).collect())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::cause::Cause;
    use crate::doctor::subject;

    #[test]
    fn which_of_the_ids_are_errors_is_told_beside_them() {
        let finding =
            |cause, severity| Finding::here(cause, severity, String::new(), String::new());
        let found = values(&[
            finding(Cause::PortTaken, Severity::Warning),
            finding(Cause::NoIpv6, Severity::Error),
        ]);
        let list = |ids: &[&str]| Value::List(ids.iter().map(|id| Value::from(*id)).collect());
        let expected = [(VARIABLE, list(&["port-taken", "no-ipv6"])), (ERRORS, list(&["no-ipv6"]))];
        assert_eq!(found, expected);
    }

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
        for (name, value) in checkup.values(Timestamp::from_millis(2000)) {
            let Value::List(ids) = value else { panic!("no list") };
            assert!(ids.contains(&Value::from("credential-expired")), "{name}: {ids:?}");
        }
    }
}
