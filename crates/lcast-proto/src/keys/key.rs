//! The key types: Ed25519 for signatures (RFC 8032), X25519 for agreement (RFC 7748).
//!
//! Private keys come from 32 seed bytes, have no `Debug` and no `Clone`, and are wiped when
//! dropped. Not for what the keys sign or seal: [`sign`](super::sign), [`seal`](super::seal).

use std::fmt;

use aws_lc_rs::agreement::{self, UnparsedPublicKey, X25519};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, ParsedPublicKey};
use zeroize::Zeroizing;

/// A private Ed25519 key.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    seed: Zeroizing<[u8; 32]>,
    public: VerifyingKey,
}

/// A public Ed25519 key, parsed once.
#[derive(Clone)]
pub struct VerifyingKey {
    parsed: ParsedPublicKey,
    bytes: [u8; 32],
}

/// A private X25519 key that a certificate names.
pub struct AgreementKey {
    private: agreement::PrivateKey,
    seed: Zeroizing<[u8; 32]>,
    public: [u8; 32],
}

/// A private X25519 key that a process makes at its start and announces in signed packets.
pub struct SessionKey(AgreementKey);

/// Bytes that are no usable key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no usable key")]
pub struct KeyError;

/// Length of a signature in bytes.
pub const SIGNATURE_LEN: usize = 64;

impl SigningKey {
    /// The key of this seed.
    ///
    /// # Errors
    /// When the crypto library cannot make a key of it.
    pub fn from_seed(seed: [u8; 32]) -> Result<Self, KeyError> {
        let seed = Zeroizing::new(seed);
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| KeyError)?;
        let bytes = pair.public_key().as_ref().try_into().map_err(|_| KeyError)?;
        let public = VerifyingKey::from_bytes(bytes)?;
        Ok(Self { pair, seed, public })
    }

    /// The public half.
    pub fn public(&self) -> &VerifyingKey {
        &self.public
    }

    /// Signs a message. What it means must be part of it: see [`sign`](super::sign).
    pub(super) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        let signature = self.pair.sign(message);
        signature.as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
    }

    /// The secret, for a credential or authority file.
    pub(super) fn seed(&self) -> &[u8; 32] {
        &self.seed
    }
}

impl VerifyingKey {
    /// The key with these bytes.
    ///
    /// # Errors
    /// When they are no point of the curve.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        let parsed = ParsedPublicKey::new(&ED25519, bytes).map_err(|_| KeyError)?;
        Ok(Self { parsed, bytes })
    }

    /// The key as bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Whether the signature is this key's over the message.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingKey(")?;
        self.bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for VerifyingKey {}

impl AgreementKey {
    /// The key of this seed.
    ///
    /// # Errors
    /// When the crypto library cannot make a key of it.
    pub fn from_seed(seed: [u8; 32]) -> Result<Self, KeyError> {
        let seed = Zeroizing::new(seed);
        let private =
            agreement::PrivateKey::from_private_key(&X25519, &*seed).map_err(|_| KeyError)?;
        let public = private.compute_public_key().map_err(|_| KeyError)?;
        let public = public.as_ref().try_into().map_err(|_| KeyError)?;
        Ok(Self { private, seed, public })
    }

    /// The public half.
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// What this key and the peer's have in common: [SEC-12].
    ///
    /// # Errors
    /// When the peer's key is of small order, so that the outcome would not be secret.
    pub(super) fn agree(&self, peer: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let peer = UnparsedPublicKey::new(&X25519, peer);
        agreement::agree(&self.private, peer, KeyError, |shared| {
            let shared: [u8; 32] = shared.try_into().map_err(|_| KeyError)?;
            Ok(Zeroizing::new(shared))
        })
    }

    /// The secret, for a credential file.
    pub(super) fn seed(&self) -> &[u8; 32] {
        &self.seed
    }
}

impl SessionKey {
    /// The key of this seed, which must be random.
    ///
    /// # Errors
    /// When the crypto library cannot make a key of it.
    pub fn from_seed(seed: [u8; 32]) -> Result<Self, KeyError> {
        AgreementKey::from_seed(seed).map(Self)
    }

    /// The public half, to be announced.
    pub fn public(&self) -> &[u8; 32] {
        self.0.public()
    }

    /// The key as one that agrees.
    pub(super) fn key(&self) -> &AgreementKey {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032 section 7.1, test 1, and RFC 7748 section 6.1.
    #[test]
    fn keys_agree_with_the_standards() {
        let hex = |text: &str| -> [u8; 32] {
            std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
        };
        let seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let key = SigningKey::from_seed(seed).unwrap();
        let public = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert_eq!(key.public().as_bytes(), &public);
        let signature = key.sign(b"");
        assert_eq!(signature[..4], [0xe5, 0x56, 0x43, 0x00]);
        assert!(key.public().verifies(b"", &signature));

        let bob = hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        let alice = hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
        let shared = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        let bob = AgreementKey::from_seed(bob).unwrap();
        assert_eq!(*bob.agree(&alice).unwrap(), shared);
    }

    #[test]
    fn both_sides_agree_and_small_order_points_are_refused() {
        let left = AgreementKey::from_seed([1; 32]).unwrap();
        let right = SessionKey::from_seed([2; 32]).unwrap();
        let shared = left.agree(right.public()).unwrap();
        assert_eq!(*shared, *right.key().agree(left.public()).unwrap());
        let mut one = [0; 32];
        one[0] = 1;
        for point in [[0; 32], one] {
            assert!(left.agree(&point).is_err());
        }
    }
}
