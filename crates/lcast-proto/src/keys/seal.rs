//! Sealing: AES-128-GCM under group keys and pairwise keys.
//!
//! The group key keeps outsiders out ([`GroupKeys`]); a [`Pair`] key proves which member sent a
//! unicast packet. Keys come by HKDF-SHA256 (RFC 5869); the schedule, and why no nonce repeats, is
//! in `docs/spec/security.md`. A packet is sealed in place: a `Vec` that begins with room for the
//! header. Not for signatures ([`sign`](super::sign)) nor for replays ([`replay`](super::replay)).

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use zeroize::Zeroizing;

use super::key::{AgreementKey, KeyError, SessionKey};
use super::lru::Lru;
use crate::wire::header::{HEADER_LEN, Header, PACKET_MAX};
use crate::wire::id::{ChannelId, RealmId, SenderId};

/// Bytes that sealing adds to a packet.
pub const TAG_LEN: usize = 16;
/// Packets of one sender under one group traffic key: two to this power.
pub const GENERATION_BITS: u32 = 22;

/// The secret that all members of a realm share for an epoch.
pub struct EpochSecret(Zeroizing<[u8; 32]>);

/// The packet numbers of one sender, each given once: [SEC-10].
#[derive(Debug, Default)]
pub struct PacketNumbers {
    next: u64,
}

/// Why a packet was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Longer than a packet may be.
    #[error("{0} bytes with seal: a packet has at most {PACKET_MAX}")]
    Length(usize),
    /// A number that was used, or is lower than one that was used, under this key.
    #[error("packet number {0} was used before")]
    NumberUsed(u64),
    /// Every packet number was used: the process must start again with another sender id.
    #[error("all packet numbers are used")]
    Exhausted,
    /// The crypto library failed.
    #[error("the packet could not be encrypted")]
    Crypto,
}

/// A packet that was not sealed under this key for this place, or was changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not sealed under this key for this channel")]
pub struct OpenError;

/// A key of AES-128-GCM. The cipher's tables, 0.6 KB, are made for each packet, in 0.2
/// microseconds: a process keeps hundreds of keys, and few of them are in use.
struct TrafficKey(Zeroizing<[u8; 16]>);

/// The group keys of one epoch: seals what one sender sends, opens what all send.
pub struct GroupKeys {
    prk: Prk,
    key_id: u32,
    own: SenderId,
    sealing: Option<(u64, TrafficKey)>,
    sealed: Option<u64>,
    opening: Lru<(SenderId, u64), TrafficKey>,
}

/// Which side of a pair this node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PairRole {
    /// This node announced the session key.
    Announcer,
    /// The peer announced it; this node used its certified key.
    Node,
}

/// The two pairwise keys that this node shares with one peer.
pub struct Pair {
    sealing: TrafficKey,
    opening: TrafficKey,
    sealed: Option<u64>,
    peer_key: [u8; 32],
}

/// The pairs of one process, by peer and role; the longest unused is forgotten.
pub struct PairCache {
    pairs: Lru<(SenderId, PairRole), Pair>,
}

impl EpochSecret {
    /// The secret of these bytes, which must be random.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A copy, for one more credential of the realm.
    pub(super) fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }

    /// The secret, for a credential or authority file.
    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PacketNumbers {
    /// The largest packet number: fits a signed integer of 64 bits.
    pub const NUMBER_MAX: u64 = i64::MAX as u64;

    /// The numbers of a sender id that was never used: [SEC-3].
    pub fn new() -> Self {
        Self::default()
    }

    /// Numbers from `next` on: for tests of the end of the range.
    pub fn starting_at(next: u64) -> Self {
        Self { next }
    }

    /// A number that was never given before.
    ///
    /// # Errors
    /// When all were given.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<u64, SealError> {
        if self.next > Self::NUMBER_MAX {
            return Err(SealError::Exhausted);
        }
        self.next += 1;
        Ok(self.next - 1)
    }
}

impl GroupKeys {
    /// Most traffic keys of other senders that are kept, about 0.1 KB each. Few: to make one anew
    /// costs no more than a microsecond.
    pub const CACHE_MAX: usize = 512;

    /// The group keys of an epoch, for a process with this sender id.
    pub fn new(realm: &RealmId, secret: &EpochSecret, own: SenderId) -> Self {
        let prk = Salt::new(HKDF_SHA256, &realm.0).extract(&*secret.0);
        let id = expand::<4>(&prk, &[LABEL_KEY_ID]);
        let key_id = u32::from_be_bytes(*id);
        let opening = Lru::new(Self::CACHE_MAX);
        Self { prk, key_id, own, sealing: None, sealed: None, opening }
    }

    /// The id that headers of this epoch carry.
    pub fn key_id(&self) -> u32 {
        self.key_id
    }

    /// Seals a packet of this process in place: writes the header into the first [`HEADER_LEN`]
    /// bytes, encrypts what follows and appends the tag: [SEC-11]. No outsider reads it: [SEC-70].
    ///
    /// # Errors
    /// When the packet is too long or its number was used: then nothing is changed.
    ///
    /// # Panics
    /// When the header names another sender or key.
    pub fn seal(
        &mut self,
        header: &Header,
        channel: &ChannelId,
        packet: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        assert!(
            header.sender == self.own && header.key_id == self.key_id,
            "a process seals under its own sender id and the epoch's key id"
        );
        let generation = header.number >> GENERATION_BITS;
        check_number(self.sealed, header.number)?;
        if self.sealing.as_ref().is_none_or(|(current, _)| *current != generation) {
            self.sealing = Some((generation, traffic_key(&self.prk, &self.own, generation)));
        }
        let Some((_, key)) = &self.sealing else { return Err(SealError::Crypto) };
        seal(key, header, channel, packet)?;
        self.sealed = Some(header.number);
        Ok(())
    }

    /// Opens a packet in place and gives its plaintext: [SEC-11]. The key is remembered only when
    /// the packet opens: [SEC-15].
    ///
    /// # Errors
    /// When it was not sealed under this epoch's key for this channel. Then the content of
    /// `packet` after the header is undefined.
    pub fn open<'packet>(
        &mut self,
        header: &Header,
        channel: &ChannelId,
        packet: &'packet mut [u8],
    ) -> Result<&'packet mut [u8], OpenError> {
        if header.key_id != self.key_id {
            return Err(OpenError);
        }
        let place = (header.sender, header.number >> GENERATION_BITS);
        if let Some(key) = self.opening.get(&place) {
            return open(key, header, channel, packet);
        }
        let key = traffic_key(&self.prk, &place.0, place.1);
        let plaintext = open(&key, header, channel, packet)?;
        self.opening.insert(place, key);
        Ok(plaintext)
    }
}

impl Pair {
    /// The pair of the announcer of `session`, on its own side: [SEC-12]. What it seals is closed
    /// to all others, later thieves of the credential included: [SEC-73] [SEC-76].
    ///
    /// # Errors
    /// When the peer's certified key is of small order.
    pub fn announcer(
        realm: &RealmId,
        session: &SessionKey,
        peer_key: &[u8; 32],
        senders: PairSenders,
    ) -> Result<Self, KeyError> {
        let shared = session.key().agree(peer_key)?;
        let publics = (session.public(), peer_key);
        let (to_node, to_announcer) = pair_keys(realm, &shared, publics, senders);
        Ok(Self { sealing: to_node, opening: to_announcer, sealed: None, peer_key: *peer_key })
    }

    /// The pair of a node and the announcer of `session_key`, on the node's side: [SEC-12].
    ///
    /// # Errors
    /// When the announced key is of small order.
    pub fn node(
        realm: &RealmId,
        key: &AgreementKey,
        session_key: &[u8; 32],
        senders: PairSenders,
    ) -> Result<Self, KeyError> {
        let shared = key.agree(session_key)?;
        let publics = (session_key, key.public());
        let (to_node, to_announcer) = pair_keys(realm, &shared, publics, senders);
        Ok(Self { sealing: to_announcer, opening: to_node, sealed: None, peer_key: *session_key })
    }

    /// The peer's public key that this pair was made with.
    pub fn peer_key(&self) -> &[u8; 32] {
        &self.peer_key
    }

    /// Seals a packet to the peer in place, as [`GroupKeys::seal`] does.
    ///
    /// # Errors
    /// When the packet is too long or its number was used.
    pub fn seal(
        &mut self,
        header: &Header,
        channel: &ChannelId,
        packet: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        self.seal_once(header, |key| seal(key, header, channel, packet))
    }

    /// Seals under a number that was not used before. [SEC-10]
    fn seal_once(
        &mut self,
        header: &Header,
        seal: impl FnOnce(&TrafficKey) -> Result<(), SealError>,
    ) -> Result<(), SealError> {
        check_number(self.sealed, header.number)?;
        seal(&self.sealing)?;
        self.sealed = Some(header.number);
        Ok(())
    }

    /// Opens a packet of the peer in place and gives its plaintext.
    ///
    /// # Errors
    /// When the peer did not seal it for this place.
    pub fn open<'packet>(
        &self,
        header: &Header,
        channel: &ChannelId,
        packet: &'packet mut [u8],
    ) -> Result<&'packet mut [u8], OpenError> {
        open(&self.opening, header, channel, packet)
    }

    /// Seals the inside of an INTRO packet: `body` becomes ciphertext and tag. [SEC-13]
    ///
    /// # Errors
    /// When the number was used.
    pub fn seal_inner(
        &mut self,
        header: &Header,
        channel: &ChannelId,
        body: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        self.seal_once(header, |key| {
            let aad = Aad::from(associated(&header.encode(), channel));
            let sealed = key.cipher().seal_in_place_append_tag(nonce(header.number), aad, body);
            sealed.map_err(|_| SealError::Crypto)
        })
    }

    /// Opens the inside of an INTRO packet in place and gives its plaintext.
    ///
    /// # Errors
    /// When the peer did not seal it for this place.
    pub fn open_inner<'body>(
        &self,
        header: &Header,
        channel: &ChannelId,
        body: &'body mut [u8],
    ) -> Result<&'body mut [u8], OpenError> {
        let aad = Aad::from(associated(&header.encode(), channel));
        let opened = self.opening.cipher().open_in_place(nonce(header.number), aad, body);
        opened.map_err(|_| OpenError)
    }
}

/// The two processes of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairSenders {
    /// The one that announced its session key.
    pub announcer: SenderId,
    /// The one that used its certified key.
    pub node: SenderId,
}

impl PairCache {
    /// Most pairs that a process keeps, about 0.2 KB each.
    pub const CAPACITY_MAX: usize = 16_384;

    /// An empty cache of at most `capacity` and [`Self::CAPACITY_MAX`] pairs.
    pub fn new(capacity: usize) -> Self {
        Self { pairs: Lru::new(capacity.min(Self::CAPACITY_MAX)) }
    }

    /// The pair with a peer, in this node's role.
    pub fn get(&mut self, peer: &SenderId, role: PairRole) -> Option<&mut Pair> {
        self.pairs.get(&(*peer, role))
    }

    /// Remembers a pair; to be called once the peer's identity is verified: [SEC-42].
    pub fn insert(&mut self, peer: SenderId, role: PairRole, pair: Pair) {
        self.pairs.insert((peer, role), pair);
    }

    /// Forgets both pairs with a peer.
    pub fn remove(&mut self, peer: &SenderId) {
        self.pairs.remove(&(*peer, PairRole::Announcer));
        self.pairs.remove(&(*peer, PairRole::Node));
    }

    /// How many pairs are remembered.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.pairs.len() == 0
    }
}

const LABEL_KEY_ID: &[u8] = b"librecast 1 key id";
const LABEL_TRAFFIC: &[u8] = b"librecast 1 traffic";
const LABEL_PAIR: &[u8] = b"librecast 1 pair";

/// Directions of a pair, in its key schedule.
const TO_NODE: &[u8] = &[0];
const TO_ANNOUNCER: &[u8] = &[1];

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand<const LENGTH: usize>(prk: &Prk, info: &[&[u8]]) -> Zeroizing<[u8; LENGTH]> {
    let mut out = Zeroizing::new([0; LENGTH]);
    let okm = prk.expand(info, Length(LENGTH));
    okm.and_then(|okm| okm.fill(&mut *out)).expect("HKDF gives any length up to 8160 bytes");
    out
}

impl TrafficKey {
    fn cipher(&self) -> LessSafeKey {
        let key = UnboundKey::new(&AES_128_GCM, &*self.0);
        LessSafeKey::new(key.expect("AES-128 takes any 16 bytes as a key"))
    }
}

fn traffic_key(prk: &Prk, sender: &SenderId, generation: u64) -> TrafficKey {
    TrafficKey(expand(prk, &[LABEL_TRAFFIC, &sender.0, &generation.to_be_bytes()]))
}

fn pair_keys(
    realm: &RealmId,
    shared: &[u8; 32],
    (session, certified): (&[u8; 32], &[u8; 32]),
    senders: PairSenders,
) -> (TrafficKey, TrafficKey) {
    let prk = Salt::new(HKDF_SHA256, &realm.0).extract(shared);
    let key = |direction| {
        let (announcer, node) = (&senders.announcer.0, &senders.node.0);
        TrafficKey(expand(&prk, &[LABEL_PAIR, direction, announcer, node, session, certified]))
    };
    (key(TO_NODE), key(TO_ANNOUNCER))
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

fn associated(header: &[u8; HEADER_LEN], channel: &ChannelId) -> [u8; HEADER_LEN + 8] {
    let mut bytes = [0; HEADER_LEN + 8];
    bytes[..HEADER_LEN].copy_from_slice(header);
    bytes[HEADER_LEN..].copy_from_slice(&channel.0);
    bytes
}

/// Numbers under one key only grow: a second line of defence behind [`PacketNumbers`].
fn check_number(sealed: Option<u64>, number: u64) -> Result<(), SealError> {
    if number > PacketNumbers::NUMBER_MAX {
        return Err(SealError::Exhausted);
    }
    if sealed.is_some_and(|sealed| number <= sealed) {
        return Err(SealError::NumberUsed(number));
    }
    Ok(())
}

fn seal(
    key: &TrafficKey,
    header: &Header,
    channel: &ChannelId,
    packet: &mut Vec<u8>,
) -> Result<(), SealError> {
    let length = packet.len() + TAG_LEN;
    if packet.len() < HEADER_LEN || length > PACKET_MAX {
        return Err(SealError::Length(length));
    }
    let bytes = header.encode();
    let (head, body) = packet.split_at_mut(HEADER_LEN);
    head.copy_from_slice(&bytes);
    let aad = Aad::from(associated(&bytes, channel));
    let tag = key.cipher().seal_in_place_separate_tag(nonce(header.number), aad, body);
    packet.extend_from_slice(tag.map_err(|_| SealError::Crypto)?.as_ref());
    Ok(())
}

fn open<'packet>(
    key: &TrafficKey,
    header: &Header,
    channel: &ChannelId,
    packet: &'packet mut [u8],
) -> Result<&'packet mut [u8], OpenError> {
    let (head, body) = packet.split_first_chunk_mut::<HEADER_LEN>().ok_or(OpenError)?;
    let aad = Aad::from(associated(head, channel));
    key.cipher().open_in_place(nonce(header.number), aad, body).map_err(|_| OpenError)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [SEC-15]
    #[test]
    fn what_does_not_open_pushes_no_key_out() {
        let realm = RealmId([7; 16]);
        let secret = EpochSecret::from_bytes([5; 32]);
        let (member, channel) = (SenderId([1; 12]), ChannelId([2; 8]));
        let mut sealing = GroupKeys::new(&realm, &secret, member);
        let mut opening = GroupKeys::new(&realm, &secret, SenderId([3; 12]));
        let header = Header {
            kind: crate::wire::header::PacketKind::Group,
            announcer_is_sender: false,
            key_id: sealing.key_id(),
            sender: member,
            number: 1,
        };
        let mut packet = vec![0; HEADER_LEN];
        sealing.seal(&header, &channel, &mut packet).unwrap();
        opening.open(&header, &channel, &mut packet.clone()).unwrap();
        for stranger in 0..=u16::try_from(GroupKeys::CACHE_MAX).unwrap() {
            let [high, low] = stranger.to_be_bytes();
            let sender = SenderId([9, 9, 9, 9, 9, 9, 9, 9, 9, 9, high, low]);
            let forged = Header { sender, ..header };
            assert!(opening.open(&forged, &channel, &mut packet.clone()).is_err());
        }
        assert_eq!(opening.opening.len(), 1);
        assert!(opening.opening.get(&(member, 0)).is_some());
    }
}
