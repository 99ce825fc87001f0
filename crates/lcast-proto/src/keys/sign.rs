//! Signatures over GROUP packets.
//!
//! What goes by multicast is signed, inside the seal: the last [`SIGNATURE_LEN`] bytes of the
//! plaintext are the sender's Ed25519 signature over a context string, the realm, the packet's
//! header (with key id, sender id and packet number), the channel and the body before it: [SEC-30].

pub use super::key::SIGNATURE_LEN;
use super::key::{SigningKey, VerifyingKey};
use crate::wire::header::{HEADER_LEN, Header, PACKET_MAX};
use crate::wire::id::{ChannelId, RealmId};

/// What a signature is made for, beside the body: where the body may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignatureContext<'a> {
    /// The realm.
    pub realm: &'a RealmId,
    /// The header of the packet.
    pub header: &'a Header,
    /// The channel that the packet is sent to.
    pub channel: &'a ChannelId,
}

/// Why a body is not its sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// Too short to hold a signature, or too long for a packet.
    #[error("no room for a signature")]
    Length,
    /// Not the sender's signature over this.
    #[error("not signed by its sender")]
    Signature,
}

/// First bytes of every signed message, so that no signature serves another purpose.
const CONTEXT: &[u8; 24] = b"librecast 1 group packet";
const PREFIX_LEN: usize = CONTEXT.len() + 16 + HEADER_LEN + 8;

impl SignatureContext<'_> {
    /// The signed message in a buffer on the stack, and its length.
    fn message(&self, body: &[u8]) -> Option<([u8; PREFIX_LEN + PACKET_MAX], usize)> {
        let mut message = [0; PREFIX_LEN + PACKET_MAX];
        let mut length = 0;
        let header = self.header.encode();
        for part in [&CONTEXT[..], &self.realm.0, &header, &self.channel.0, body] {
            let place = message.get_mut(length..length + part.len())?;
            place.copy_from_slice(part);
            length += part.len();
        }
        Some((message, length))
    }

    /// Signs `packet[HEADER_LEN..]`, the body of a packet to be sealed, and appends the signature.
    ///
    /// # Errors
    /// When the packet is longer than a packet may be.
    pub fn sign(&self, key: &SigningKey, packet: &mut Vec<u8>) -> Result<(), SignatureError> {
        let body = packet.get(HEADER_LEN..).ok_or(SignatureError::Length)?;
        let (message, length) = self.message(body).ok_or(SignatureError::Length)?;
        packet.extend_from_slice(&key.sign(&message[..length]));
        Ok(())
    }

    /// Splits the plaintext of an opened packet into body and signature, without judging it.
    ///
    /// # Errors
    /// When it is too short.
    pub fn split(plaintext: &[u8]) -> Result<(&[u8], &[u8; SIGNATURE_LEN]), SignatureError> {
        plaintext.split_last_chunk().ok_or(SignatureError::Length)
    }

    /// Whether the signature is the sender's over this body here: [SEC-30].
    ///
    /// # Errors
    /// When it is not.
    pub fn verify(
        &self,
        key: &VerifyingKey,
        body: &[u8],
        signature: &[u8; SIGNATURE_LEN],
    ) -> Result<(), SignatureError> {
        let (message, length) = self.message(body).ok_or(SignatureError::Length)?;
        let right = key.verifies(&message[..length], signature);
        right.then_some(()).ok_or(SignatureError::Signature)
    }
}
