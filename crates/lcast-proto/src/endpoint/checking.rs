//! The checks of a packet that cost a signature, and who pays for them. [SEC-43] [SEC-44]

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::Endpoint;
use crate::keys::cache::CertificateCache;
use crate::keys::certificate::Certificate;
use crate::keys::limit::Source;
use crate::keys::seal::PairRole;
use crate::keys::sign::SignatureContext;
use crate::opened::Opened;
use crate::presence::Voice;
use crate::stats::Dropped;
use crate::time::Instant;
use crate::wire::header::Header;
use crate::wire::id::NodeId;

impl Endpoint {
    /// The certificate in these bytes. One that holds is remembered, so it costs nobody anything:
    /// a cold question to a whole realm brings thousands. One that does not could name anybody.
    pub(super) fn check_certificate<'a>(
        &mut self,
        now: Instant,
        source: Ipv6Addr,
        bytes: &[u8],
        opened: Option<&'a Opened>,
    ) -> Result<Cow<'a, Certificate>, Dropped> {
        let known = match opened {
            Some(opened) => opened.certificate().map(Cow::Borrowed),
            None => self.certificates.known(bytes).map(Cow::Owned),
        };
        if let Some(known) = known {
            return Ok(known);
        }
        // Who asked expects to hear from many whom it does not know.
        let source = source_of(source, !self.questions.is_empty());
        if !self.verifications.allows_source(now, source) {
            return Err(Dropped::Flood);
        }
        // A full memory forgets one for each that comes: then true ones could come without end.
        let full = self.certificates.len() >= CertificateCache::CAPACITY_MAX;
        let verified = match opened {
            Some(_) => Err(Dropped::Certificate),
            None => self.certificates.verify(bytes).map_err(|_| Dropped::Certificate),
        };
        if full || verified.is_err() {
            self.verifications.failed(now, source);
        }
        verified.map(Cow::Owned)
    }

    /// Whether the member signed this body.
    pub(super) fn check_signature(
        &mut self,
        now: Instant,
        source: Ipv6Addr,
        (header, certificate): (&Header, &Certificate),
        (body, signature): (&[u8], &[u8; 64]),
        opened: Option<&Opened>,
    ) -> Result<(), Dropped> {
        let member = certificate.id();
        let source = source_of(source, self.is_at(&member, source));
        if !self.verifications.allows_source(now, source)
            || !self.verifications.allows_member(now, &member)
        {
            return Err(Dropped::Flood);
        }
        let realm = self.credential.realm();
        let context = SignatureContext { realm, header, channel: &self.channel };
        let is_signed = match opened {
            Some(opened) => opened.is_signed(),
            None => context.verify(certificate.signing_key(), body, signature).is_ok(),
        };
        if !is_signed {
            self.verifications.failed(now, source);
            return Err(Dropped::Signature);
        }
        self.verifications.verified(now, &member);
        Ok(())
    }

    /// Opens the inside of an introduction. A pair that is not known yet costs a key agreement,
    /// about as much as a signature.
    pub(super) fn open_intro<'a>(
        &mut self,
        now: Instant,
        source: Ipv6Addr,
        (header, certificate): (&Header, &Certificate),
        inner: &'a mut [u8],
    ) -> Result<&'a mut [u8], Dropped> {
        let role = PairRole::Announcer;
        let key = *certificate.agreement_key();
        let known = self.pairs.get(&header.sender, role).filter(|pair| *pair.peer_key() == key);
        if let Some(pair) = known {
            return pair.open_inner(header, &self.channel, inner).map_err(|_| Dropped::Seal);
        }
        let member = certificate.id();
        let expected = !self.questions.is_empty() || self.is_at(&member, source);
        let source = source_of(source, expected);
        if !self.verifications.allows_source(now, source)
            || !self.verifications.allows_introduction(now, &member)
        {
            return Err(Dropped::Flood);
        }
        let pair = self.derive(header.sender, role, &key).ok_or(Dropped::Seal)?;
        let Ok(frame) = pair.open_inner(header, &self.channel, inner) else {
            self.verifications.failed(now, source);
            return Err(Dropped::Seal);
        };
        self.verifications.introduced(now, &member);
        self.pairs.insert(header.sender, role, pair);
        Ok(frame)
    }

    /// Whether this member was heard at this address.
    fn is_at(&self, member: &NodeId, source: Ipv6Addr) -> bool {
        let address = self.roster.voice(member).and_then(Voice::address);
        address.is_some_and(|it| *it.ip() == source)
    }
}

fn source_of(address: Ipv6Addr, expected: bool) -> Source {
    if expected { Source::Expected(address) } else { Source::Strange(address) }
}
