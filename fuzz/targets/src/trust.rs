//! What makes trust: certificates, the member list, credential and authority files.

use lcast_proto::keys::authority::Authority;
use lcast_proto::keys::members::MemberList;
use lcast_proto::keys::{Certificate, Credential};
use lcast_proto::wire::cbor::{self, Cbor};

use crate::realm::pen;

/// A certificate: as a stranger sends it, and with these claims signed by the authority.
pub(crate) fn certificate(input: &[u8]) {
    let pen = pen();
    assert!(Certificate::verify(input, &pen.public, &pen.realm).is_err(), "nobody signed it");
    let protected = Cbor::Bytes(vec![0xa1, 0x01, 0x27]);
    let parts = ["Signature1".into(), protected.clone(), Cbor::Bytes(Vec::new()), claims(input)];
    let signature = pen.sign(&cbor::encode(&Cbor::Array(parts.to_vec())));
    let parts = vec![protected, Cbor::Map(Vec::new()), claims(input), Cbor::Bytes(signature)];
    let bytes = cbor::encode(&Cbor::Tag(18, Box::new(Cbor::Array(parts))));
    if let Ok(certificate) = Certificate::verify(&bytes, &pen.public, &pen.realm) {
        assert_eq!(certificate.bytes(), bytes);
        assert!(bytes.len() <= Certificate::LENGTH_MAX);
    }
}

fn claims(input: &[u8]) -> Cbor {
    Cbor::Bytes(input.to_vec())
}

/// A member list with these members signed by the authority.
pub(crate) fn member_list(input: &[u8]) {
    let pen = pen();
    drop(MemberList::verify(input.to_vec(), &pen.public, &pen.realm));
    let version = 7u64;
    let mut message = b"librecast 1 member list".to_vec();
    message.extend_from_slice(&pen.realm.0);
    message.extend_from_slice(&version.to_be_bytes());
    message.extend_from_slice(blake3::hash(input).as_bytes());
    let mut bytes = version.to_be_bytes().to_vec();
    bytes.extend_from_slice(&pen.sign(&message));
    bytes.extend_from_slice(input);
    if let Ok(list) = MemberList::verify(bytes.clone(), &pen.public, &pen.realm) {
        assert_eq!(list.bytes(), bytes);
        assert_eq!(list.version(), version);
        for member in list.members() {
            assert_eq!(list.by_name(member.subject.name.as_str()), Some(member));
        }
    }
}

/// A credential file, or an authority's.
pub(crate) fn credential(input: &[u8]) {
    if let Ok(credential) = Credential::decode(input) {
        let encoded = credential.encode();
        assert!(Credential::decode(&encoded).is_ok());
    }
    if let Ok(authority) = Authority::decode(input) {
        let encoded = authority.encode();
        assert!(Authority::decode(&encoded).is_ok());
    }
}
