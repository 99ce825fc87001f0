//! Certificates: what is issued verifies, and nothing else does.

use std::time::Duration;

use lcast_proto::keys::certificate::IssueError;
use lcast_proto::keys::{
    Authority, Certificate, CertificateCache, CertificateError, Labels, NodeId, Roles, Subject,
    Validity,
};
use lcast_proto::time::Timestamp;

use super::{ISSUED, authority, certify, random, subject};

/// [SEC-21]
#[test]
fn a_certificate_says_what_was_issued() {
    let authority = authority();
    let subject = subject("web1");
    let certificate = certify(&authority, &subject);
    let read = Certificate::verify(certificate.bytes(), authority.public(), authority.realm());
    let read = read.unwrap();
    assert_eq!(read, certificate);
    assert_eq!(read.subject(), &subject);
    assert_eq!((read.issued(), read.realm()), (ISSUED, authority.realm()));
    let id = NodeId::derive(read.signing_key().as_bytes(), read.agreement_key());
    assert_eq!((read.id(), read.agreement_key()), (id, &[4; 32]));
    assert_eq!(read.hash(), blake3::hash(read.bytes()).as_bytes());
}

/// [SEC-20]
#[test]
fn a_change_at_any_place_is_noticed() {
    let authority = authority();
    let bytes = certify(&authority, &subject("web1")).bytes().to_vec();
    let verify = |bytes: &[u8]| Certificate::verify(bytes, authority.public(), authority.realm());
    for place in 0..bytes.len() {
        for bit in [0x01, 0x80] {
            let mut changed = bytes.clone();
            changed[place] ^= bit;
            assert!(verify(&changed).is_err(), "byte {place}");
        }
        assert!(verify(&bytes[..place]).is_err(), "cut at {place}");
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(verify(&longer).is_err());
    longer.resize(Certificate::LENGTH_MAX + 1, 0);
    let error = CertificateError::Length(Certificate::LENGTH_MAX + 1);
    assert_eq!(verify(&longer), Err(error));
}

#[test]
fn another_realm_or_authority_is_refused() {
    let ours = authority();
    let theirs = Authority::create("prod", &mut random(9)).unwrap();
    let renamed = Authority::create("test", &mut random(1)).unwrap();
    let certificate = certify(&theirs, &subject("web1"));
    let verdict = Certificate::verify(certificate.bytes(), ours.public(), ours.realm());
    assert_eq!(verdict, Err(CertificateError::Signature));
    assert_eq!(renamed.public(), ours.public());
    let certificate = certify(&renamed, &subject("web1"));
    let verdict = Certificate::verify(certificate.bytes(), ours.public(), ours.realm());
    assert_eq!(verdict, Err(CertificateError::Realm));
}

/// [SEC-23]: the same certificate in other bytes would be another entry of every cache.
#[test]
fn only_one_form_of_a_certificate_is_accepted() {
    let authority = authority();
    let bytes = certify(&authority, &subject("web1")).bytes().to_vec();
    assert_eq!(bytes[..7], [0xd2, 0x84, 0x43, 0xa1, 0x01, 0x27, 0xa0]);
    let forms: [Vec<u8>; 3] = [
        [&[0xd2, 0x98, 0x04], &bytes[2..]].concat(),
        [&bytes[..6], &[0xa1, 0x04, 0x41, 0x00], &bytes[7..]].concat(),
        bytes[1..].to_vec(),
    ];
    for form in forms {
        let verdict = Certificate::verify(&form, authority.public(), authority.realm());
        assert!(matches!(verdict, Err(CertificateError::Malformed(_))), "{verdict:?}");
    }
}

/// [SEC-26]: the longest certificate fits, one byte more does not, and the error helps.
#[test]
fn the_length_is_limited_at_issue() {
    let authority = authority();
    let signing = lcast_proto::keys::SigningKey::from_seed([3; 32]).unwrap();
    let issue = |rack: usize| {
        let labels = [("site", 63), ("zone", 30), ("rack", rack)];
        let pairs = labels.map(|(key, length)| (key.to_owned(), "v".repeat(length)));
        let name = "n".repeat(63).parse().unwrap();
        let labels = Labels::new(pairs).unwrap();
        let subject = Subject { name, labels, ..subject("x") };
        authority.issue(&subject, signing.public(), &[4; 32], ISSUED)
    };
    let fits = |rack: &usize| issue(*rack).is_ok();
    let last = (24..63).take_while(fits).last().unwrap();
    let longest = issue(last).unwrap();
    assert_eq!(longest.bytes().len(), Certificate::LENGTH_MAX);
    let error = issue(last + 1).unwrap_err();
    assert!(matches!(error, IssueError::TooLong { length: 421, .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("1 more than the 420") && text.contains("label 'site'"), "{text}");
}

#[test]
fn the_end_comes_after_the_beginning() {
    let authority = authority();
    let signing = lcast_proto::keys::SigningKey::from_seed([3; 32]).unwrap();
    let wrong = Subject { not_after: ISSUED, ..subject("web1") };
    let verdict = authority.issue(&wrong, signing.public(), &[4; 32], ISSUED);
    assert_eq!(verdict, Err(IssueError::Period("web1".parse().unwrap())));
}

/// [SEC-22]
#[test]
fn validity_has_a_grace_of_two_days() {
    let certificate = certify(&authority(), &subject("web1"));
    let (start, end) = (ISSUED, certificate.subject().not_after);
    let grace = Certificate::GRACE;
    assert_eq!(grace, Duration::from_secs(172_800));
    let millisecond = Duration::from_millis(1);
    for (wall, expected) in [
        (start, Validity::Valid),
        (end, Validity::Valid),
        (start.saturating_sub(millisecond), Validity::Grace),
        (start.saturating_sub(grace), Validity::Grace),
        (start.saturating_sub(grace + millisecond), Validity::NotYet),
        (end.saturating_add(millisecond), Validity::Grace),
        (end.saturating_add(grace), Validity::Grace),
        (end.saturating_add(grace + millisecond), Validity::Expired),
        (Timestamp::from_millis(i64::MIN), Validity::NotYet),
        (Timestamp::from_millis(i64::MAX), Validity::Expired),
    ] {
        assert_eq!(certificate.validity(wall), expected, "{wall}");
    }
}

/// [SEC-24]
#[test]
fn the_cache_holds_what_was_verified_and_forgets_the_longest_unused() {
    let authority = authority();
    let mut cache = CertificateCache::new(authority.public().clone(), *authority.realm(), 2);
    let certificates: Vec<Certificate> =
        ["a", "b", "c"].iter().map(|name| certify(&authority, &subject(name))).collect();
    for certificate in &certificates {
        for _ in 0..2 {
            assert_eq!(cache.verify(certificate.bytes()).as_ref(), Ok(certificate));
        }
    }
    assert_eq!(cache.len(), 2);
    let mut forged = certificates[0].bytes().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(cache.verify(&forged), Err(CertificateError::Signature));
    assert_eq!(cache.len(), 2);
}

#[test]
fn a_member_has_no_roles_and_labels_unless_given() {
    let authority = authority();
    let bare = Subject { labels: Labels::default(), roles: Roles::default(), ..subject("bare") };
    let certificate = certify(&authority, &bare);
    assert!(certificate.labels().is_empty() && certificate.roles().is_empty());
    assert!(certificate.bytes().len() < 250, "{}", certificate.bytes().len());
}
