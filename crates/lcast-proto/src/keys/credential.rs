//! Credentials: all that a node needs to take part in a realm, in one file.
//!
//! [`Credential::encode`] gives the complete content of a file, [`Credential::decode`] reads it and
//! verifies what is in it against each other. Files and their modes are the shell's. The format is
//! in `docs/spec/security.md`, "Credential files".

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

use super::certificate::Certificate;
use super::key::{AgreementKey, SigningKey, VerifyingKey};
use super::members::{MemberList, MemberListError};
use super::seal::EpochSecret;
use super::subject::{NodeName, SubjectError};
use crate::wire::cbor::{self, Cbor, CborError, Fields, MapBuilder};
use crate::wire::id::RealmId;

/// A node's identity in a realm, with its secrets.
pub struct Credential {
    pub(super) certificate: Certificate,
    pub(super) signing: SigningKey,
    pub(super) agreement: AgreementKey,
    pub(super) authority: VerifyingKey,
    pub(super) realm_name: String,
    pub(super) network: Network,
    pub(super) epoch: Epoch,
    pub(super) members: MemberList,
}

/// Where a realm lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Names of the interfaces to use; none means every one that can multicast.
    pub interfaces: Vec<String>,
    /// How far its packets go.
    pub scope: Scope,
    /// Its UDP port.
    pub port: u16,
}

/// How far multicast packets of a realm go (RFC 4291 section 2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// They stay on the host.
    Host,
    /// They stay on the link.
    Link,
    /// They stay within the site.
    Site,
    /// They stay within the organisation.
    Org,
    /// They go as far as routers take them.
    Global,
}

/// A generation of the realm's group secret.
pub struct Epoch {
    /// Its number; later epochs have higher ones.
    pub number: u64,
    /// Its secret.
    pub secret: EpochSecret,
}

/// Why the content of a file is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// Not the format at all.
    #[error("not a proper {0} file")]
    Format(&'static str),
    /// The format of a newer program.
    #[error("a newer {what} file, version {version}: update librecast to read it")]
    Newer {
        /// Which file.
        what: &'static str,
        /// Its version.
        version: u64,
    },
    /// A field is missing.
    #[error("field '{0}' is missing")]
    Missing(&'static str),
    /// A field does not hold what it should.
    #[error("field '{0}' is malformed")]
    Field(&'static str),
    /// Two fields do not belong together.
    #[error("field '{field}' does not belong to the {to}")]
    Mismatch {
        /// The field.
        field: &'static str,
        /// What it should belong to.
        to: &'static str,
    },
    /// More interfaces than a realm may name.
    #[error("{0} interfaces: at most {max} can be named", max = Network::INTERFACES_MAX)]
    Interfaces(usize),
    /// A text that is no name of an interface.
    #[error("'{0}' is no name of an interface: 1 to 15 bytes without spaces or '/'")]
    Interface(String),
}

impl Credential {
    /// The node's certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The node's private signing key.
    pub fn signing_key(&self) -> &SigningKey {
        &self.signing
    }

    /// The node's private agreement key.
    pub fn agreement_key(&self) -> &AgreementKey {
        &self.agreement
    }

    /// The authority's public key.
    pub fn authority(&self) -> &VerifyingKey {
        &self.authority
    }

    /// The realm's id.
    pub fn realm(&self) -> &RealmId {
        self.certificate.realm()
    }

    /// The realm's name.
    pub fn realm_name(&self) -> &str {
        &self.realm_name
    }

    /// Where the realm lives.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The present epoch.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// The newest member list at the time of issue.
    pub fn members(&self) -> &MemberList {
        &self.members
    }

    /// Takes the member list in these bytes when it is newer than the one held: whether it is.
    ///
    /// # Errors
    /// When the authority did not sign it for this realm.
    pub fn adopt_members(&mut self, bytes: Vec<u8>) -> Result<bool, MemberListError> {
        let list = MemberList::verify(bytes, &self.authority, self.certificate.realm())?;
        let newer = list.version() > self.members.version();
        if newer {
            self.members = list;
        }
        Ok(newer)
    }

    /// The complete content of a credential file.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let interfaces = self.network.interfaces.iter().cloned().map(Cbor::Text).collect();
        let map = MapBuilder::new()
            .field(0, MAGIC)
            .field(1, VERSION)
            .bytes(FIELD_CERTIFICATE, self.certificate.bytes())
            .bytes(FIELD_SIGNING, self.signing.seed())
            .bytes(FIELD_AGREEMENT, self.agreement.seed())
            .bytes(FIELD_AUTHORITY, self.authority.as_bytes())
            .field(FIELD_REALM, self.realm_name.as_str())
            .field(FIELD_INTERFACES, Cbor::Array(interfaces))
            .field(FIELD_SCOPE, self.network.scope.as_str())
            .field(FIELD_PORT, u64::from(self.network.port))
            .field(FIELD_EPOCH, self.epoch.number)
            .bytes(FIELD_SECRET, self.epoch.secret.as_bytes())
            .bytes(FIELD_MEMBERS, self.members.bytes());
        write_secret_file(map)
    }

    /// The credential in the content of a file: [SEC-25].
    ///
    /// # Errors
    /// When the content is no credential, or its parts do not belong together; the error names the
    /// field.
    pub fn decode(bytes: &[u8]) -> Result<Self, CredentialError> {
        let mut file = FileFields::open(bytes, MAGIC, VERSION, FIELDS)?;
        let realm_name = file.text(FIELD_REALM)?;
        check_realm_name(&realm_name).map_err(|_| file.wrong(FIELD_REALM))?;
        let authority = file.fixed(FIELD_AUTHORITY)?;
        let realm = RealmId::derive(&authority, &realm_name);
        let authority =
            VerifyingKey::from_bytes(authority).map_err(|_| file.wrong(FIELD_AUTHORITY))?;
        let certificate = file.bytes(FIELD_CERTIFICATE)?;
        let certificate = Certificate::verify(&certificate, &authority, &realm)
            .map_err(|_| file.wrong(FIELD_CERTIFICATE))?;
        let signing = SigningKey::from_seed(*file.secret(FIELD_SIGNING)?)
            .map_err(|_| file.wrong(FIELD_SIGNING))?;
        let agreement = AgreementKey::from_seed(*file.secret(FIELD_AGREEMENT)?)
            .map_err(|_| file.wrong(FIELD_AGREEMENT))?;
        let mismatch = |field| CredentialError::Mismatch { field, to: "certificate" };
        if signing.public() != certificate.signing_key() {
            return Err(mismatch("signing key"));
        }
        if agreement.public() != certificate.agreement_key() {
            return Err(mismatch("agreement key"));
        }
        let network = read_network(&mut file)?;
        let number = file.uint(FIELD_EPOCH)?;
        let secret = EpochSecret::from_bytes(*file.secret(FIELD_SECRET)?);
        let members = MemberList::verify(file.bytes(FIELD_MEMBERS)?, &authority, &realm)
            .map_err(|_| file.wrong(FIELD_MEMBERS))?;
        let epoch = Epoch { number, secret };
        Ok(Self { certificate, signing, agreement, authority, realm_name, network, epoch, members })
    }
}

impl fmt::Debug for Credential {
    /// Whose it is, without its secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({} of {})", self.certificate.name(), self.realm_name)
    }
}

impl Network {
    /// The port of a realm unless told otherwise.
    pub const PORT_DEFAULT: u16 = 24_242;
    /// Most interfaces that can be named.
    pub const INTERFACES_MAX: usize = 32;
    /// Longest name of an interface in bytes: IFNAMSIZ without the zero at its end.
    pub const INTERFACE_LENGTH_MAX: usize = 15;

    /// Whether the settings can be stored.
    ///
    /// # Errors
    /// The first that cannot.
    pub fn check(&self) -> Result<(), CredentialError> {
        if self.interfaces.len() > Self::INTERFACES_MAX {
            return Err(CredentialError::Interfaces(self.interfaces.len()));
        }
        match self.interfaces.iter().find(|name| !Self::is_interface(name)) {
            Some(name) => Err(CredentialError::Interface(name.clone())),
            None => Ok(()),
        }
    }

    /// Whether the kernel may have an interface of this name.
    pub fn is_interface(name: &str) -> bool {
        let odd = |char: char| char.is_whitespace() || char.is_control() || char == '/';
        (1..=Self::INTERFACE_LENGTH_MAX).contains(&name.len()) && !name.contains(odd)
    }
}

impl Default for Network {
    fn default() -> Self {
        Self { interfaces: Vec::new(), scope: Scope::Site, port: Self::PORT_DEFAULT }
    }
}

impl Scope {
    /// Every scope, from near to far.
    pub const ALL: [Self; 5] = [Self::Host, Self::Link, Self::Site, Self::Org, Self::Global];

    /// The word for this scope.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Link => "link",
            Self::Site => "site",
            Self::Org => "org",
            Self::Global => "global",
        }
    }

    /// The scope of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }

    /// The scope's number in a multicast address.
    pub const fn nibble(self) -> u8 {
        match self {
            Self::Host => 0x1,
            Self::Link => 0x2,
            Self::Site => 0x5,
            Self::Org => 0x8,
            Self::Global => 0xe,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Epoch {
    /// A copy, for one more credential of the realm.
    pub(super) fn duplicate(&self) -> Self {
        Self { number: self.number, secret: self.secret.duplicate() }
    }
}

const MAGIC: &str = "librecast credential";
const VERSION: u64 = 1;
const FIELD_CERTIFICATE: i64 = 2;
const FIELD_SIGNING: i64 = 3;
const FIELD_AGREEMENT: i64 = 4;
const FIELD_AUTHORITY: i64 = 5;
const FIELD_REALM: i64 = 6;
const FIELD_INTERFACES: i64 = 7;
const FIELD_SCOPE: i64 = 8;
const FIELD_PORT: i64 = 9;
const FIELD_EPOCH: i64 = 10;
const FIELD_SECRET: i64 = 11;
const FIELD_MEMBERS: i64 = 12;
const FIELDS: &[(i64, &str)] = &[
    (FIELD_CERTIFICATE, "certificate"),
    (FIELD_SIGNING, "signing key"),
    (FIELD_AGREEMENT, "agreement key"),
    (FIELD_AUTHORITY, "authority"),
    (FIELD_REALM, "realm"),
    (FIELD_INTERFACES, "interfaces"),
    (FIELD_SCOPE, "scope"),
    (FIELD_PORT, "port"),
    (FIELD_EPOCH, "epoch"),
    (FIELD_SECRET, "epoch secret"),
    (FIELD_MEMBERS, "members"),
];

/// Whether a text can be the name of a realm: the rule of node names.
pub(super) fn check_realm_name(name: &str) -> Result<(), SubjectError> {
    match name.parse::<NodeName>() {
        Ok(_) => Ok(()),
        Err(_) => Err(SubjectError::Realm(name.to_owned())),
    }
}

fn read_network(file: &mut FileFields) -> Result<Network, CredentialError> {
    let interfaces = file.array(FIELD_INTERFACES)?.into_iter().map(|item| item.into_text().ok());
    let interfaces: Option<Vec<String>> = interfaces.collect();
    let interfaces = interfaces.ok_or(file.wrong(FIELD_INTERFACES))?;
    let scope = Scope::from_word(&file.text(FIELD_SCOPE)?).ok_or(file.wrong(FIELD_SCOPE))?;
    let port = u16::try_from(file.uint(FIELD_PORT)?).map_err(|_| file.wrong(FIELD_PORT))?;
    let network = Network { interfaces, scope, port };
    network.check().map_err(|_| file.wrong(FIELD_INTERFACES))?;
    if port == 0 { Err(file.wrong(FIELD_PORT)) } else { Ok(network) }
}

/// The fields of a secret file, whose errors go by their words; what is left is wiped.
pub(super) struct FileFields {
    fields: Fields,
    words: &'static [(i64, &'static str)],
}

impl FileFields {
    pub(super) fn open(
        bytes: &[u8],
        magic: &'static str,
        version: u64,
        words: &'static [(i64, &'static str)],
    ) -> Result<Self, CredentialError> {
        let what = magic.strip_prefix("librecast ").unwrap_or(magic);
        let mut fields = Fields::parse(bytes).map_err(|_| CredentialError::Format(what))?;
        if fields.text(0).ok().as_deref() != Some(magic) {
            return Err(CredentialError::Format(what));
        }
        match fields.uint(1) {
            Ok(found) if found == version => Ok(Self { fields, words }),
            Ok(found) if found > version => Err(CredentialError::Newer { what, version: found }),
            Ok(_) | Err(_) => Err(CredentialError::Format(what)),
        }
    }

    fn word(&self, field: i64) -> &'static str {
        let found = self.words.iter().find(|(key, _)| *key == field);
        found.map_or("?", |(_, word)| word)
    }

    pub(super) fn wrong(&self, field: i64) -> CredentialError {
        CredentialError::Field(self.word(field))
    }

    fn named<T>(&self, field: i64, outcome: Result<T, CborError>) -> Result<T, CredentialError> {
        outcome.map_err(|error| match error {
            CborError::Missing(_) => CredentialError::Missing(self.word(field)),
            _ => self.wrong(field),
        })
    }

    pub(super) fn text(&mut self, field: i64) -> Result<String, CredentialError> {
        let outcome = self.fields.text(field);
        self.named(field, outcome)
    }

    pub(super) fn uint(&mut self, field: i64) -> Result<u64, CredentialError> {
        let outcome = self.fields.uint(field);
        self.named(field, outcome)
    }

    fn bytes(&mut self, field: i64) -> Result<Vec<u8>, CredentialError> {
        let outcome = self.fields.bytes(field);
        self.named(field, outcome)
    }

    fn fixed<const LENGTH: usize>(&mut self, field: i64) -> Result<[u8; LENGTH], CredentialError> {
        let outcome = self.fields.fixed(field);
        self.named(field, outcome)
    }

    fn array(&mut self, field: i64) -> Result<Vec<Cbor>, CredentialError> {
        let outcome = self.fields.array(field);
        self.named(field, outcome)
    }

    /// Takes 32 secret bytes out and wipes where they came from.
    pub(super) fn secret(&mut self, field: i64) -> Result<Zeroizing<[u8; 32]>, CredentialError> {
        let bytes = Zeroizing::new(self.bytes(field)?);
        let secret = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| self.wrong(field))?;
        Ok(Zeroizing::new(secret))
    }
}

/// The bytes of a map with secrets; the map is wiped.
pub(super) fn write_secret_file(map: MapBuilder) -> Zeroizing<Vec<u8>> {
    let mut item = map.build();
    let Cbor::Map(fields) = &mut item else { return Zeroizing::default() };
    let length: usize = fields.iter().map(|(_, value)| 16 + content_len(value)).sum();
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    cbor::encode_into(&item, &mut bytes);
    if let Cbor::Map(fields) = &mut item {
        for (_, value) in fields {
            if let Cbor::Bytes(content) = value {
                content.zeroize();
            }
        }
    }
    bytes
}

/// At most how many bytes the content of a field takes, so that the buffer never moves.
fn content_len(value: &Cbor) -> usize {
    match value {
        Cbor::Bytes(content) => content.len(),
        Cbor::Text(content) => content.len(),
        Cbor::Array(items) => items.iter().map(|item| 16 + content_len(item)).sum(),
        _ => 16,
    }
}
