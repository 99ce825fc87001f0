//! Credential and authority files: complete, and honest about what is wrong with them.

use lcast_proto::keys::{Authority, Credential, CredentialError, MemberEdit, Network, Scope};
use lcast_proto::wire::cbor::{self, Cbor};

use super::{ISSUED, authority, enroll, random, subject};

#[test]
fn files_are_read_as_they_were_written() {
    let authority = authority();
    let network = Network {
        interfaces: vec!["eth0".to_owned(), "wg0".to_owned()],
        scope: Scope::Link,
        port: 4242,
    };
    let edit = MemberEdit::first();
    let enrolled =
        authority.enroll(edit, &[subject("web1")], &network, ISSUED, &mut random(2)).unwrap();
    let credential = &enrolled.credentials[0];
    let read = Credential::decode(&credential.encode()).unwrap();
    assert_eq!(read.certificate(), credential.certificate());
    assert_eq!(read.signing_key().public(), credential.signing_key().public());
    assert_eq!(read.agreement_key().public(), credential.agreement_key().public());
    assert_eq!(read.network(), &network);
    assert_eq!((read.realm(), read.realm_name()), (authority.realm(), "prod"));
    assert_eq!(read.members(), &enrolled.members);
    assert_eq!(read.epoch().number, 1);
    assert_eq!(*read.encode(), *credential.encode());

    let again = Authority::decode(&authority.encode()).unwrap();
    assert_eq!((again.realm(), again.public()), (authority.realm(), authority.public()));
    assert_eq!(*again.encode(), *authority.encode());
}

/// The file of `web1` with one field replaced or, by `None`, left out.
fn check(field: i64, value: Option<Cbor>, expected: CredentialError) {
    let bytes = enroll(&authority(), &["web1"])[0].encode();
    let mut map = cbor::parse(&bytes).unwrap().into_map().unwrap();
    let place = map.iter().position(|(key, _)| *key == Cbor::from(field)).unwrap();
    match value {
        Some(value) => map[place].1 = value,
        None => drop(map.remove(place)),
    }
    let verdict = Credential::decode(&cbor::encode(&Cbor::Map(map)));
    assert_eq!(verdict.err(), Some(expected));
}

/// [SEC-25]
#[test]
fn errors_name_the_field() {
    use CredentialError::{Field, Missing};
    let words = [
        (2, "certificate"),
        (3, "signing key"),
        (4, "agreement key"),
        (5, "authority"),
        (6, "realm"),
        (7, "interfaces"),
        (8, "scope"),
        (9, "port"),
        (10, "epoch"),
        (11, "epoch secret"),
        (12, "members"),
    ];
    for (field, word) in words {
        check(field, None, Missing(word));
        check(field, Some(Cbor::Bool(true)), Field(word));
    }
    check(8, Some(Cbor::from("galaxy")), Field("scope"));
    check(9, Some(Cbor::from(0)), Field("port"));
    check(9, Some(Cbor::from(65_536)), Field("port"));
    check(3, Some(Cbor::Bytes(vec![0; 31])), Field("signing key"));
    check(6, Some(Cbor::from("other")), Field("certificate"));
    let mismatch = |field| CredentialError::Mismatch { field, to: "certificate" };
    check(3, Some(Cbor::Bytes(vec![0; 32])), mismatch("signing key"));
    check(4, Some(Cbor::Bytes(vec![0; 32])), mismatch("agreement key"));
    check(0, Some(Cbor::from("librecast authority")), CredentialError::Format("credential"));
    check(1, Some(Cbor::from(2)), CredentialError::Newer { what: "credential", version: 2 });
    assert_eq!(
        Credential::decode(b"[realm]\nname = 'x'").err(),
        Some(CredentialError::Format("credential"))
    );
}

#[test]
fn networks_keep_their_limits() {
    let network = |interfaces: Vec<String>| Network { interfaces, ..Network::default() };
    assert!(network(vec!["x".repeat(15); 32]).check().is_ok());
    assert_eq!(network(vec!["x".to_owned(); 33]).check(), Err(CredentialError::Interfaces(33)));
    for bad in ["", "a b", "a/b", "a\n", &"x".repeat(16)] {
        let error = CredentialError::Interface(bad.to_owned());
        assert_eq!(network(vec![bad.to_owned()]).check(), Err(error));
    }
    assert!(Authority::create("no name", &mut random(1)).is_err());
}

#[test]
fn nothing_secret_is_printed() {
    let credential = &enroll(&authority(), &["web1"])[0];
    assert_eq!(format!("{credential:?}"), "Credential(web1 of prod)");
}
