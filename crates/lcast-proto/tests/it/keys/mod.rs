//! Identity, sealing and signing, from fixed seeds.

use std::time::Duration;

use lcast_proto::keys::{
    Authority, Certificate, Credential, EpochSecret, GroupKeys, Kind, Labels, MemberEdit, Network,
    RealmId, Roles, SenderId, SigningKey, Subject,
};
use lcast_proto::random::Random;
use lcast_proto::time::Timestamp;

mod certificate;
mod credential;
mod hostile;
mod members;
mod packets;
mod vectors;

/// 2026-11-22T10:00:00Z.
const ISSUED: Timestamp = Timestamp::from_millis(1_795_341_600_000);

fn random(seed: u8) -> Random {
    Random::from_seed([seed; 32])
}

fn authority() -> Authority {
    Authority::create("prod", &mut random(1)).unwrap()
}

fn subject(name: &str) -> Subject {
    Subject {
        name: name.parse().unwrap(),
        kind: Kind::Agent,
        labels: Labels::new([("role".to_owned(), "web".to_owned())]).unwrap(),
        roles: Roles::new(["operator".to_owned()]).unwrap(),
        not_before: ISSUED,
        not_after: ISSUED.saturating_add(Duration::from_secs(3650 * 86_400)),
    }
}

/// Credentials of these members of one realm.
fn enroll(authority: &Authority, names: &[&str]) -> Vec<Credential> {
    let subjects: Vec<Subject> = names.iter().map(|name| subject(name)).collect();
    let edit = MemberEdit::first();
    let network = Network::default();
    authority.enroll(edit, &subjects, &network, ISSUED, &mut random(2)).unwrap().credentials
}

fn certify(authority: &Authority, subject: &Subject) -> Certificate {
    let signing = SigningKey::from_seed([3; 32]).unwrap();
    authority.issue(subject, signing.public(), &[4; 32], ISSUED).unwrap()
}

fn group_keys(realm: &RealmId, own: SenderId) -> GroupKeys {
    GroupKeys::new(realm, &EpochSecret::from_bytes([5; 32]), own)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
