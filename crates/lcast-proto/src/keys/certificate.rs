//! Certificates: what the realm's authority signed about a member.
//!
//! A certificate is a CBOR Web Token (RFC 8392) in a tagged COSE_Sign1 (RFC 9052), at most
//! [`Certificate::LENGTH_MAX`] bytes, so that it fits into every packet that needs one. The format
//! is in `docs/spec/security.md`, "Certificates". A [`Certificate`] that exists was verified.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use coset::cwt::{ClaimName, ClaimsSet, ClaimsSetBuilder, Timestamp as Seconds};
use coset::{AsCborValue, CborSerializable, CoseSign1, CoseSign1Builder, HeaderBuilder, iana};

use super::key::{SIGNATURE_LEN, SigningKey, VerifyingKey};
use super::subject::{Kind, Labels, NodeName, Roles, Subject};
use crate::time::Timestamp;
use crate::wire::cbor::{self, Cbor, Fields, MapBuilder};
use crate::wire::id::{NodeId, RealmId};

/// A verified certificate; cheap to clone.
#[derive(Clone)]
pub struct Certificate(Arc<Parts>);

struct Parts {
    bytes: Vec<u8>,
    hash: [u8; 32],
    realm: RealmId,
    id: NodeId,
    subject: Subject,
    issued: Timestamp,
    signing: VerifyingKey,
    agreement: [u8; 32],
}

/// Whether a certificate holds at some time by the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Within its time.
    Valid,
    /// Outside its time by at most [`Certificate::GRACE`]: to be accepted and warned about.
    Grace,
    /// Past its time.
    Expired,
    /// Before its time: most likely one of the two clocks is wrong.
    NotYet,
}

/// Why bytes are no certificate of this realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Longer than a certificate may be.
    #[error("{0} bytes: a certificate has at most {max}", max = Certificate::LENGTH_MAX)]
    Length(usize),
    /// Not the format of a certificate.
    #[error("not a certificate: {0}")]
    Malformed(&'static str),
    /// Not signed by the realm's authority.
    #[error("not signed by the authority of this realm")]
    Signature,
    /// Signed for another realm.
    #[error("a certificate of another realm")]
    Realm,
}

/// Why a certificate cannot be issued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// Everything together is too long.
    #[error(
        "the certificate of '{name}' would have {length} bytes, {excess} more than the \
         {max} that fit a packet: shorten {longest}",
        excess = length - Certificate::LENGTH_MAX,
        max = Certificate::LENGTH_MAX
    )]
    TooLong {
        /// The member.
        name: NodeName,
        /// The length that it would have.
        length: usize,
        /// What takes most of it.
        longest: String,
    },
    /// The time of validity ends before it begins.
    #[error("the certificate of '{0}' would end before it begins")]
    Period(NodeName),
}

impl Certificate {
    /// Longest certificate in bytes. [SEC-26]
    pub const LENGTH_MAX: usize = 420;
    /// How far outside its time a certificate is still accepted: clocks differ.
    pub const GRACE: Duration = Duration::from_secs(48 * 3600);

    /// The certificate in these bytes: [SEC-20].
    ///
    /// # Errors
    /// When they are no certificate that this authority signed for this realm.
    pub fn verify(
        bytes: &[u8],
        authority: &VerifyingKey,
        realm: &RealmId,
    ) -> Result<Self, CertificateError> {
        if bytes.len() > Self::LENGTH_MAX {
            return Err(CertificateError::Length(bytes.len()));
        }
        let envelope = open_envelope(bytes)?;
        envelope.verify_signature(&[], |signature, message| {
            let right = signature.len() == SIGNATURE_LEN && authority.verifies(message, signature);
            right.then_some(()).ok_or(CertificateError::Signature)
        })?;
        let payload = envelope.payload.as_deref().unwrap_or_default();
        let parts = read_claims(payload, bytes)?;
        if parts.realm != *realm {
            return Err(CertificateError::Realm);
        }
        Ok(Self(Arc::new(parts)))
    }

    /// Signs a certificate.
    pub(super) fn issue(
        authority: &SigningKey,
        realm: &RealmId,
        subject: &Subject,
        keys: (&VerifyingKey, &[u8; 32]),
        issued: Timestamp,
    ) -> Result<Self, IssueError> {
        if subject.not_after <= subject.not_before {
            return Err(IssueError::Period(subject.name.clone()));
        }
        let claims = claims(realm, subject, keys, issued);
        let payload = claims.to_vec().expect("claims of known types can be written");
        let protected = HeaderBuilder::new().algorithm(iana::Algorithm::EdDSA).build();
        let envelope = CoseSign1Builder::new()
            .protected(protected)
            .payload(payload.clone())
            .create_signature(&[], |message| authority.sign(message).to_vec())
            .build();
        let bytes = seal_envelope(envelope);
        if bytes.len() > Self::LENGTH_MAX {
            let longest = longest_part(subject);
            let name = subject.name.clone();
            return Err(IssueError::TooLong { name, length: bytes.len(), longest });
        }
        let parts = read_claims(&payload, &bytes).expect("claims that were written can be read");
        Ok(Self(Arc::new(parts)))
    }

    /// The certificate as it travels.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// BLAKE3 of the bytes.
    pub fn hash(&self) -> &[u8; 32] {
        &self.0.hash
    }

    /// Which realm it is for.
    pub fn realm(&self) -> &RealmId {
        &self.0.realm
    }

    /// The id of the member's keys.
    pub fn id(&self) -> NodeId {
        self.0.id
    }

    /// All that it says about the member.
    pub fn subject(&self) -> &Subject {
        &self.0.subject
    }

    /// The member's name.
    pub fn name(&self) -> &NodeName {
        &self.0.subject.name
    }

    /// What the member is for.
    pub fn kind(&self) -> Kind {
        self.0.subject.kind
    }

    /// The member's labels.
    pub fn labels(&self) -> &Labels {
        &self.0.subject.labels
    }

    /// The member's roles.
    pub fn roles(&self) -> &Roles {
        &self.0.subject.roles
    }

    /// When it was signed.
    pub fn issued(&self) -> Timestamp {
        self.0.issued
    }

    /// The key that the member signs with.
    pub fn signing_key(&self) -> &VerifyingKey {
        &self.0.signing
    }

    /// The key that the member agrees on pairwise keys with.
    pub fn agreement_key(&self) -> &[u8; 32] {
        &self.0.agreement
    }

    /// Whether it holds at a time: [SEC-22].
    pub fn validity(&self, wall: Timestamp) -> Validity {
        Self::validity_of(&self.0.subject, wall)
    }

    /// Whether a certificate that says this holds at a time: [SEC-22].
    pub fn validity_of(subject: &Subject, wall: Timestamp) -> Validity {
        let Subject { not_before, not_after, .. } = *subject;
        if wall > not_after.saturating_add(Self::GRACE) {
            return Validity::Expired;
        }
        if wall < not_before.saturating_sub(Self::GRACE) {
            return Validity::NotYet;
        }
        if wall > not_after || wall < not_before { Validity::Grace } else { Validity::Valid }
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.0.hash == other.0.hash
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({} {})", self.0.subject.name, self.0.id)
    }
}

/// The private claim that holds what CWT has no claim for.
const CLAIM_LIBRECAST: i64 = -65_537;
/// The protected header: algorithm EdDSA, nothing else.
const PROTECTED: [u8; 3] = [0xa1, 0x01, 0x27];

const FIELD_KIND: i64 = 1;
const FIELD_REALM: i64 = 2;
const FIELD_AGREEMENT: i64 = 3;
const FIELD_LABELS: i64 = 4;
const FIELD_ROLES: i64 = 5;

/// Label of a key in the confirmation claim (RFC 8747).
const CNF_KEY: i64 = 1;
/// COSE_Key: type OKP, curve Ed25519, public bytes (RFC 9053).
const KEY_TYPE: (i64, i64) = (1, 1);
const KEY_CURVE: (i64, i64) = (-1, 6);
const KEY_X: i64 = -2;

fn claims(
    realm: &RealmId,
    subject: &Subject,
    (signing, agreement): (&VerifyingKey, &[u8; 32]),
    issued: Timestamp,
) -> ClaimsSet {
    let mut own = MapBuilder::new()
        .field(FIELD_KIND, subject.kind.code())
        .bytes(FIELD_REALM, &realm.0)
        .bytes(FIELD_AGREEMENT, agreement);
    if !subject.labels.is_empty() {
        own = own.field(FIELD_LABELS, subject.labels.to_cbor());
    }
    if !subject.roles.is_empty() {
        own = own.field(FIELD_ROLES, subject.roles.to_cbor());
    }
    let pair = |(key, value): (i64, i64)| (Cbor::from(key), Cbor::from(value));
    let key = vec![
        pair(KEY_TYPE),
        pair(KEY_CURVE),
        (Cbor::from(KEY_X), Cbor::Bytes(signing.as_bytes().to_vec())),
    ];
    let confirmation = Cbor::Map(vec![(Cbor::from(CNF_KEY), Cbor::Map(key))]);
    ClaimsSetBuilder::new()
        .subject(subject.name.to_string())
        .expiration_time(whole_seconds(subject.not_after))
        .not_before(whole_seconds(subject.not_before))
        .issued_at(whole_seconds(issued))
        .claim(iana::CwtClaimName::Cnf, confirmation)
        .private_claim(CLAIM_LIBRECAST, own.build())
        .build()
}

/// The signed envelope in `bytes`, in the one form that a certificate has: [SEC-23].
fn open_envelope(bytes: &[u8]) -> Result<CoseSign1, CertificateError> {
    let malformed = CertificateError::Malformed;
    let item = cbor::parse(bytes).map_err(|_| malformed("no CBOR"))?;
    let Cbor::Tag(tag, inner) = item else { return Err(malformed("no COSE_Sign1")) };
    if tag != iana::CborTag::CoseSign1 as u64 {
        return Err(malformed("no COSE_Sign1"));
    }
    match &*inner {
        Cbor::Array(parts) => match parts.as_slice() {
            [Cbor::Bytes(protected), Cbor::Map(open), Cbor::Bytes(_), Cbor::Bytes(_)]
                if *protected == PROTECTED && open.is_empty() => {}
            _ => return Err(malformed("no COSE_Sign1 by EdDSA")),
        },
        _ => return Err(malformed("no COSE_Sign1")),
    }
    let envelope = CoseSign1::from_cbor_value(*inner).map_err(|_| malformed("no COSE_Sign1"))?;
    if seal_envelope(envelope.clone()) != bytes {
        return Err(malformed("not in shortest form"));
    }
    Ok(envelope)
}

fn seal_envelope(envelope: CoseSign1) -> Vec<u8> {
    let item = envelope.to_cbor_value().expect("an envelope of known types can be written");
    cbor::encode(&Cbor::Tag(iana::CborTag::CoseSign1 as u64, Box::new(item)))
}

fn read_claims(payload: &[u8], bytes: &[u8]) -> Result<Parts, CertificateError> {
    let malformed = CertificateError::Malformed;
    let item = cbor::parse(payload).map_err(|_| malformed("its claims are no CBOR"))?;
    let claims = ClaimsSet::from_cbor_value(item).map_err(|_| malformed("no claims"))?;
    let name = claims.subject.ok_or(malformed("no name"))?;
    let name = name.parse().map_err(|_| malformed("its name"))?;
    let time = |claim: Option<Seconds>, what| match claim {
        Some(Seconds::WholeSeconds(seconds)) => {
            seconds.checked_mul(1000).map(Timestamp::from_millis).ok_or(malformed(what))
        }
        Some(Seconds::FractionalSeconds(_)) | None => Err(malformed(what)),
    };
    let not_after = time(claims.expiration_time, "its end")?;
    let not_before = time(claims.not_before, "its beginning")?;
    let issued = time(claims.issued_at, "its time of issue")?;
    let (mut confirmation, mut own) = (None, None);
    for (claim, value) in claims.rest {
        match claim {
            ClaimName::Assigned(iana::CwtClaimName::Cnf) => confirmation = Some(value),
            ClaimName::PrivateUse(CLAIM_LIBRECAST) => own = Some(value),
            ClaimName::Assigned(_) | ClaimName::PrivateUse(_) | ClaimName::Text(_) => {}
        }
    }
    let signing = confirmation.and_then(confirmed_key).ok_or(malformed("its signing key"))?;
    let mut own = Fields::from_item(own.ok_or(malformed("no fields of ours"))?)
        .map_err(|_| malformed("its own fields"))?;
    let kind = own.uint(FIELD_KIND).ok().and_then(Kind::from_code);
    let realm = own.fixed(FIELD_REALM).map_err(|_| malformed("its realm"))?;
    let agreement = own.fixed(FIELD_AGREEMENT).map_err(|_| malformed("its agreement key"))?;
    let labels = match own.take(FIELD_LABELS) {
        Some(item) => Labels::from_cbor(item).ok_or(malformed("its labels"))?,
        None => Labels::default(),
    };
    let roles = match own.take(FIELD_ROLES) {
        Some(item) => Roles::from_cbor(item).ok_or(malformed("its roles"))?,
        None => Roles::default(),
    };
    let kind = kind.ok_or(malformed("its kind"))?;
    Ok(Parts {
        bytes: bytes.to_vec(),
        hash: *blake3::hash(bytes).as_bytes(),
        realm: RealmId(realm),
        id: NodeId::derive(signing.as_bytes(), &agreement),
        subject: Subject { name, kind, labels, roles, not_before, not_after },
        issued,
        signing,
        agreement,
    })
}

/// The Ed25519 key in a confirmation claim.
fn confirmed_key(item: Cbor) -> Option<VerifyingKey> {
    let [(label, key)] = <[_; 1]>::try_from(item.into_map().ok()?).ok()?;
    let [key_type, curve, (x_label, x)] = <[_; 3]>::try_from(key.into_map().ok()?).ok()?;
    let pair = |(key, value): (i64, i64)| (Cbor::from(key), Cbor::from(value));
    let right = label == Cbor::from(CNF_KEY)
        && key_type == pair(KEY_TYPE)
        && curve == pair(KEY_CURVE)
        && x_label == Cbor::from(KEY_X);
    let x = x.into_bytes().ok()?.try_into().ok()?;
    if right { VerifyingKey::from_bytes(x).ok() } else { None }
}

fn whole_seconds(time: Timestamp) -> Seconds {
    Seconds::WholeSeconds(time.as_millis().div_euclid(1000))
}

/// What to shorten first: the longest of name, labels and roles.
fn longest_part(subject: &Subject) -> String {
    let name = ("its name".to_owned(), subject.name.as_str().len());
    let label =
        |(key, value): (&str, &str)| (format!("its label '{key}'"), key.len() + value.len());
    let role = |role: &str| (format!("or drop its role '{role}'"), role.len());
    let parts = subject.labels.iter().map(label).chain(subject.roles.iter().map(role));
    let longest = parts.fold(name, |best, part| if part.1 > best.1 { part } else { best });
    format!("{} ({} bytes)", longest.0, longest.1)
}
