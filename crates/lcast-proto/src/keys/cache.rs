//! Verified certificates, remembered by the hash of their bytes.
//!
//! A GROUP packet carries its sender's certificate; verifying it anew costs a signature check and a
//! parse, looking it up costs one hash of at most 420 bytes.

use super::certificate::{Certificate, CertificateError};
use super::key::VerifyingKey;
use super::lru::Lru;
use crate::wire::id::RealmId;

/// A bounded memory of verified certificates; the longest unused is forgotten.
pub struct CertificateCache {
    authority: VerifyingKey,
    realm: RealmId,
    certificates: Lru<[u8; 32], Certificate>,
}

impl CertificateCache {
    /// Most certificates that a cache holds unless told otherwise: about 1 KB each, so 17 MB in
    /// the largest realm, and no more than there are members.
    pub const CAPACITY_MAX: usize = 16_384;

    /// An empty cache of the certificates of one realm, of at most `capacity` and
    /// [`Self::CAPACITY_MAX`].
    pub fn new(authority: VerifyingKey, realm: RealmId, capacity: usize) -> Self {
        let certificates = Lru::new(capacity.min(Self::CAPACITY_MAX));
        Self { authority, realm, certificates }
    }

    /// The certificate in these bytes, if it was verified before.
    pub fn known(&mut self, bytes: &[u8]) -> Option<Certificate> {
        self.certificates.get(blake3::hash(bytes).as_bytes()).cloned()
    }

    /// The certificate in these bytes, from memory or verified: [SEC-24].
    ///
    /// # Errors
    /// When they are no certificate that this authority signed for this realm. Failures are not
    /// remembered.
    pub fn verify(&mut self, bytes: &[u8]) -> Result<Certificate, CertificateError> {
        if bytes.len() > Certificate::LENGTH_MAX {
            return Err(CertificateError::Length(bytes.len()));
        }
        let hash = *blake3::hash(bytes).as_bytes();
        if let Some(known) = self.certificates.get(&hash) {
            return Ok(known.clone());
        }
        let certificate = Certificate::verify(bytes, &self.authority, &self.realm)?;
        self.certificates.insert(hash, certificate.clone());
        Ok(certificate)
    }

    /// How many certificates are remembered.
    pub fn len(&self) -> usize {
        self.certificates.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.certificates.len() == 0
    }
}
