//! The authority of a realm: the key that says who is a member.
//!
//! It stays where the realm was created; members hold its public half. It issues certificates and
//! credentials ([`Authority::enroll`]) and signs member lists ([`Authority::sign_members`]).

use zeroize::Zeroizing;

use super::certificate::{Certificate, IssueError};
use super::credential::{
    Credential, CredentialError, Epoch, FileFields, Network, check_realm_name, write_secret_file,
};
use super::key::{AgreementKey, KeyError, SigningKey, VerifyingKey};
use super::members::{MemberEdit, MemberList, MemberListError};
use super::seal::EpochSecret;
use super::subject::{Subject, SubjectError};
use crate::random::Random;
use crate::time::Timestamp;
use crate::wire::cbor::MapBuilder;
use crate::wire::id::RealmId;

/// A realm's authority: its secret key and the present epoch's secret.
pub struct Authority {
    key: SigningKey,
    name: String,
    realm: RealmId,
    epoch: Epoch,
}

/// What enrolling members makes.
pub struct Enrolled {
    /// One credential for each subject, in their order.
    pub credentials: Vec<Credential>,
    /// The next version of the member list, which the credentials hold as well.
    pub members: MemberList,
}

/// Why members cannot be enrolled. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnrollError {
    /// A certificate cannot be issued.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The member list cannot be extended.
    #[error(transparent)]
    Members(#[from] MemberListError),
    /// A key could not be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The network's settings cannot be stored.
    #[error(transparent)]
    Network(#[from] CredentialError),
}

impl Authority {
    /// The authority of a new realm, from a random generator that is seeded by the system.
    ///
    /// # Errors
    /// When the name is no name of a realm.
    pub fn create(name: &str, random: &mut Random) -> Result<Self, SubjectError> {
        check_realm_name(name)?;
        let key = SigningKey::from_seed(random.bytes()).expect("any 32 bytes are an Ed25519 seed");
        let epoch = Epoch { number: 1, secret: EpochSecret::from_bytes(random.bytes()) };
        Ok(Self::from_parts(key, name.to_owned(), epoch))
    }

    fn from_parts(key: SigningKey, name: String, epoch: Epoch) -> Self {
        let realm = RealmId::derive(key.public().as_bytes(), &name);
        Self { key, name, realm, epoch }
    }

    /// The realm's name.
    pub fn realm_name(&self) -> &str {
        &self.name
    }

    /// The realm's id.
    pub fn realm(&self) -> &RealmId {
        &self.realm
    }

    /// The key that members verify by.
    pub fn public(&self) -> &VerifyingKey {
        self.key.public()
    }

    /// Which epoch is the present one.
    pub fn epoch_number(&self) -> u64 {
        self.epoch.number
    }

    /// Signs a certificate for keys that were made elsewhere.
    ///
    /// # Errors
    /// When it would be too long: the error says what to shorten.
    pub fn issue(
        &self,
        subject: &Subject,
        signing: &VerifyingKey,
        agreement: &[u8; 32],
        issued: Timestamp,
    ) -> Result<Certificate, IssueError> {
        Certificate::issue(&self.key, &self.realm, subject, (signing, agreement), issued)
    }

    /// Signs the next version of the member list.
    ///
    /// # Errors
    /// When it would be too long.
    pub fn sign_members(&self, edit: MemberEdit) -> Result<MemberList, MemberListError> {
        edit.sign(&self.key, &self.realm)
    }

    /// Makes keys, certificates and credentials for members, and the list that names them. `edit`
    /// is [`MemberEdit::first`] for a new realm, else [`MemberList::edit`] of the newest list.
    ///
    /// # Errors
    /// When any of them cannot be a member: then none becomes one.
    pub fn enroll(
        &self,
        mut edit: MemberEdit,
        subjects: &[Subject],
        network: &Network,
        issued: Timestamp,
        random: &mut Random,
    ) -> Result<Enrolled, EnrollError> {
        network.check()?;
        edit.leave_out_ended(issued);
        let mut parts = Vec::with_capacity(subjects.len());
        for subject in subjects {
            let signing = SigningKey::from_seed(random.bytes())?;
            let agreement = AgreementKey::from_seed(random.bytes())?;
            let keys = (signing.public(), agreement.public());
            let certificate = self.issue(subject, keys.0, keys.1, issued)?;
            edit.issue(certificate.subject().clone(), certificate.id())?;
            parts.push((certificate, signing, agreement));
        }
        let members = self.sign_members(edit)?;
        let credential = |(certificate, signing, agreement)| Credential {
            certificate,
            signing,
            agreement,
            authority: self.key.public().clone(),
            realm_name: self.name.clone(),
            network: network.clone(),
            epoch: self.epoch.duplicate(),
            members: members.clone(),
        };
        let credentials = parts.into_iter().map(credential).collect();
        Ok(Enrolled { credentials, members })
    }

    /// The complete content of an authority file.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let map = MapBuilder::new()
            .field(0, MAGIC)
            .field(1, VERSION)
            .field(FIELD_NAME, self.name.as_str())
            .bytes(FIELD_KEY, self.key.seed())
            .field(FIELD_EPOCH, self.epoch.number)
            .bytes(FIELD_SECRET, self.epoch.secret.as_bytes());
        write_secret_file(map)
    }

    /// The authority in the content of a file.
    ///
    /// # Errors
    /// When the content is not an authority's; the error names the field.
    pub fn decode(bytes: &[u8]) -> Result<Self, CredentialError> {
        let mut file = FileFields::open(bytes, MAGIC, VERSION, FIELDS)?;
        let name = file.text(FIELD_NAME)?;
        check_realm_name(&name).map_err(|_| file.wrong(FIELD_NAME))?;
        let key = SigningKey::from_seed(*file.secret(FIELD_KEY)?);
        let key = key.map_err(|_| file.wrong(FIELD_KEY))?;
        let number = file.uint(FIELD_EPOCH)?;
        let secret = EpochSecret::from_bytes(*file.secret(FIELD_SECRET)?);
        Ok(Self::from_parts(key, name, Epoch { number, secret }))
    }
}

const MAGIC: &str = "librecast authority";
const VERSION: u64 = 1;
const FIELD_NAME: i64 = 2;
const FIELD_KEY: i64 = 3;
const FIELD_EPOCH: i64 = 4;
const FIELD_SECRET: i64 = 5;
const FIELDS: &[(i64, &str)] = &[
    (FIELD_NAME, "realm"),
    (FIELD_KEY, "key"),
    (FIELD_EPOCH, "epoch"),
    (FIELD_SECRET, "epoch secret"),
];
