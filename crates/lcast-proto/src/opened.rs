//! GROUP packets, opened and judged once for many processes of one realm.
//!
//! Whether a packet was sealed under the realm's key, whether the authority signed the certificate
//! in it and its sender the rest, and what it says: that depends on nothing but its bytes and the
//! realm. A shell that hands the same bytes to thousands of endpoints, the simulator, finds it out
//! once and passes it along with [`Input::Opened`](crate::io::Input::Opened). All else is up to
//! each endpoint as ever: the order of checks and what each one counts, limits, replay windows,
//! permission. [SEC-40] A shell with one endpoint has no use for it.

use std::sync::Arc;

use crate::group;
use crate::keys::cache::CertificateCache;
use crate::keys::certificate::Certificate;
use crate::keys::credential::Credential;
use crate::keys::seal::{GroupKeys, TAG_LEN};
use crate::keys::sign::SignatureContext;
use crate::presence::SharedVoice;
use crate::wire::frame::{GroupFrame, split_certificate};
use crate::wire::header::{HEADER_LEN, Header, PACKET_MAX, PacketKind};
use crate::wire::id::{ChannelId, RealmId, SenderId};

/// Opens the GROUP packets of a realm.
pub struct Opener {
    realm: RealmId,
    channel: ChannelId,
    keys: GroupKeys,
    certificates: CertificateCache,
}

/// What everybody who holds the realm's keys finds in the bytes of a GROUP packet.
#[derive(Debug)]
pub struct Opened {
    bytes: Arc<[u8]>,
    realm: RealmId,
    /// None: not sealed under the realm's key.
    plaintext: Option<Vec<u8>>,
    /// None: not signed by the authority.
    certificate: Option<Certificate>,
    is_signed: bool,
    /// Whether the sender id is one of who signed it.
    owns_sender: bool,
    /// None: no frame.
    frame: Option<GroupFrame>,
    voice: SharedVoice,
}

impl Opener {
    /// Opens packets of the realm of this credential.
    pub fn new(credential: &Credential) -> Self {
        let realm = *credential.realm();
        // A process that does not exist: these keys only open.
        let nobody = SenderId([0xff; 12]);
        let authority = credential.authority().clone();
        let capacity = CertificateCache::CAPACITY_MAX;
        Self {
            realm,
            channel: ChannelId::derive(&realm, group::CONTROL),
            keys: GroupKeys::new(&realm, &credential.epoch().secret, nobody),
            certificates: CertificateCache::new(authority, realm, capacity),
        }
    }

    /// What these bytes are worth, when they are a GROUP packet of the realm's epoch: an endpoint
    /// drops all others before it opens them.
    pub fn open(&mut self, bytes: &Arc<[u8]>) -> Option<Opened> {
        let header = Header::parse(bytes).ok()?;
        let fits = (HEADER_LEN + TAG_LEN..=PACKET_MAX).contains(&bytes.len());
        if !fits || header.kind != PacketKind::Group || header.key_id != self.keys.key_id() {
            return None;
        }
        let mut opened = Opened {
            bytes: bytes.clone(),
            realm: self.realm,
            plaintext: None,
            certificate: None,
            is_signed: false,
            owns_sender: false,
            frame: None,
            voice: SharedVoice::default(),
        };
        let mut packet = bytes.to_vec();
        if let Ok(plaintext) = self.keys.open(&header, &self.channel, &mut packet) {
            opened.plaintext = Some(plaintext.to_vec());
            self.judge(&header, plaintext, &mut opened);
        }
        Some(opened)
    }

    fn judge(&mut self, header: &Header, plaintext: &[u8], opened: &mut Opened) {
        let Ok((body, signature)) = SignatureContext::split(plaintext) else { return };
        let Some((certificate, frame)) = split_certificate(body) else { return };
        opened.frame = GroupFrame::decode(frame).ok();
        let Ok(certificate) = self.certificates.verify(certificate) else { return };
        let context = SignatureContext { realm: &self.realm, header, channel: &self.channel };
        let verdict = context.verify(certificate.signing_key(), body, signature);
        opened.owns_sender = header.sender.belongs_to(&certificate.id());
        (opened.is_signed, opened.certificate) = (verdict.is_ok(), Some(certificate));
    }
}

impl Opened {
    /// Whether it was found in these bytes, for this realm.
    pub fn is_of(&self, bytes: &[u8], realm: &RealmId) -> bool {
        (std::ptr::eq(&*self.bytes, bytes) || *self.bytes == *bytes) && self.realm == *realm
    }

    /// The plaintext, where it was sealed under the realm's key.
    pub fn plaintext(&self) -> Option<&[u8]> {
        self.plaintext.as_deref()
    }

    /// The sender's certificate, where the authority signed it.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// Whether the sender signed the packet.
    pub fn is_signed(&self) -> bool {
        self.is_signed
    }

    /// Whether its sender id belongs to the member that the certificate names. [SEC-41]
    pub fn owns_sender(&self) -> bool {
        self.owns_sender
    }

    /// What it says, if that is a frame.
    pub fn frame(&self) -> Option<&GroupFrame> {
        self.frame.as_ref()
    }

    /// Where those who hear it keep what they all hear alike.
    pub fn voice(&self) -> &SharedVoice {
        &self.voice
    }
}
