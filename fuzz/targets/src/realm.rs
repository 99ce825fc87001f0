//! One small realm, the same in every run, and the authority's pen: what must be signed before it
//! is parsed would otherwise hide its parser from the fuzzer.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use lcast_proto::keys::authority::Authority;
use lcast_proto::keys::credential::{Network, Scope};
use lcast_proto::keys::members::MemberEdit;
use lcast_proto::keys::subject::{Kind, Labels, Roles, Subject};
use lcast_proto::keys::{Credential, VerifyingKey};
use lcast_proto::random::Random;
use lcast_proto::time::{Instant, Now, Timestamp};
use lcast_proto::wire::id::RealmId;

/// The time of all runs.
pub(crate) const NOW: Now =
    Now { instant: Instant::from_micros(60_000_000), wall: Timestamp::from_millis(WALL) };
const WALL: i64 = 1_000_000_000_000;

/// A realm with one client (operator and admin) and two agents.
pub(crate) struct Realm {
    /// The authority's file, encoded.
    pub(crate) authority_file: Vec<u8>,
    /// Credentials in that order.
    pub(crate) credentials: Vec<Arc<Credential>>,
}

/// The realm, made once.
pub(crate) fn realm() -> &'static Realm {
    static REALM: OnceLock<Realm> = OnceLock::new();
    REALM.get_or_init(|| make([5; 32]))
}

/// A realm of the same look whose secrets nobody in [`realm`] knows.
pub(crate) fn foreign() -> Realm {
    make([8; 32])
}

fn make(seed: [u8; 32]) -> Realm {
    let mut random = Random::from_seed(seed);
    let authority = Authority::create("fuzz", &mut random).expect("a valid name");
    let subjects = [
        subject("asker", Kind::Client, &["operator", "admin"]),
        subject("web1", Kind::Agent, &[]),
        subject("web2", Kind::Agent, &[]),
    ];
    let network = Network { interfaces: Vec::new(), scope: Scope::Site, port: 24242 };
    let wall = Timestamp::from_millis(WALL);
    let enrolled = authority
        .enroll(MemberEdit::first(), &subjects, &network, wall, &mut random)
        .expect("valid members");
    Realm {
        authority_file: authority.encode().to_vec(),
        credentials: enrolled.credentials.into_iter().map(Arc::new).collect(),
    }
}

fn subject(name: &str, kind: Kind, roles: &[&str]) -> Subject {
    let wall = Timestamp::from_millis(WALL);
    Subject {
        name: name.parse().expect("a valid name"),
        kind,
        labels: Labels::new([("role".to_owned(), "web".to_owned())]).expect("a valid label"),
        roles: Roles::new(roles.iter().map(|role| (*role).to_owned())).expect("valid roles"),
        not_before: wall.saturating_sub(Duration::from_secs(3600)),
        not_after: wall.saturating_add(Duration::from_secs(3600 * 24 * 365)),
    }
}

/// An authority that signs whatever it is given.
pub(crate) struct Pen {
    pair: Ed25519KeyPair,
    /// What verifies its signatures.
    pub(crate) public: VerifyingKey,
    /// Its realm.
    pub(crate) realm: RealmId,
}

/// The pen, made once.
pub(crate) fn pen() -> &'static Pen {
    static PEN: OnceLock<Pen> = OnceLock::new();
    PEN.get_or_init(|| {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[6; 32]).expect("any seed is a key");
        let bytes: [u8; 32] = pair.public_key().as_ref().try_into().expect("32 bytes");
        let public = VerifyingKey::from_bytes(bytes).expect("a valid key");
        Pen { pair, public, realm: RealmId::derive(&bytes, "pen") }
    })
}

impl Pen {
    /// A signature over these bytes.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}
