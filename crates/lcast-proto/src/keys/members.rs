//! The member list: what the realm's authority signs about all members.
//!
//! A list has a version, a signature, members in order of name, and the keys whose name was issued
//! again, which stay forgotten; its format is in `docs/spec/security.md`, "Member list". A
//! [`MemberList`] that exists was verified. Not for fetching one in pages, which is
//! `question::pull`'s; nor for presence: who was heard, and that no list is replaced by an older
//! one, is the roster's.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::certificate::Certificate;
use super::key::{SIGNATURE_LEN, SigningKey, VerifyingKey};
use super::subject::{Kind, Labels, NodeName, Roles, Subject};
use crate::time::Timestamp;
use crate::wire::cbor::{self, CborError, Fields, MapBuilder};
use crate::wire::id::{NodeId, RealmId};

/// One member of a realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What its certificate says about it.
    pub subject: Subject,
    /// The id of its keys.
    pub id: NodeId,
    /// Decommissioned: not expected any more.
    pub forgotten: bool,
}

/// A verified member list; cheap to clone.
#[derive(Clone)]
pub struct MemberList(Arc<Parts>);

struct Parts {
    version: u64,
    members: Vec<Member>,
    /// Ids and places in `members`, in order of id.
    by_id: Vec<(NodeId, u32)>,
    shelves: Shelves,
    circle: Circle,
    /// In order of id.
    replaced: Vec<Replaced>,
    bytes: Vec<u8>,
}

/// Keys whose name was issued again: forgotten as long as their certificate could be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Replaced {
    id: NodeId,
    not_after: Timestamp,
}

/// Where ids that begin with the same bits stand among all, in order of id. Ids are hashes: it is
/// one or two.
struct Shelves {
    /// How many bits.
    bits: u32,
    /// For each number of so many bits where ids begin that have it or a higher one, and the end.
    starts: Vec<u32>,
}

/// Where the members of a realm stand in a circle, at the first 8 bytes of BLAKE3 of realm id ||
/// node id: the same order for everybody. [PRE-20]
struct Circle {
    realm: RealmId,
    /// Places and ranks, in order of place.
    places: Vec<(u64, u32)>,
    /// The position in `places` of each rank.
    positions: Vec<u32>,
}

/// The next version of a member list, to be signed by the authority.
#[derive(Clone, Debug)]
pub struct MemberEdit {
    version: u64,
    members: BTreeMap<NodeName, Member>,
    replaced: BTreeMap<NodeId, Timestamp>,
}

/// Why bytes are no member list of this realm, or an edit cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemberListError {
    /// Shorter or longer than a list may be.
    #[error("{0} bytes: a member list has at most {max}", max = MemberList::LENGTH_MAX)]
    Length(usize),
    /// Not signed by the realm's authority for this realm.
    #[error("not signed by the authority of this realm")]
    Signature,
    /// Member number N, counted from zero, is malformed.
    #[error("member {index} is malformed: {error}")]
    Member {
        /// Which member.
        index: usize,
        /// What is wrong.
        error: CborError,
    },
    /// Members that are not in order of name.
    #[error("'{0}' is out of order")]
    Order(NodeName),
    /// Replaced keys that are not in order of id.
    #[error("the replaced keys {0} are out of order")]
    ReplacedOrder(NodeId),
    /// More members than a realm may have.
    #[error("a realm has at most {max} members", max = MemberList::MEMBERS_MAX)]
    TooMany,
    /// More replaced keys than a list may hold.
    #[error(
        "{max} names were issued again, and the certificates before are not over yet: a list \
         holds no more of them; make another realm",
        max = MemberList::REPLACED_MAX
    )]
    TooManyReplaced,
    /// The name is no member's.
    #[error("no member is named '{0}'")]
    Unknown(String),
}

impl MemberList {
    /// Most members of a realm, forgotten ones included. [SEC-32]
    pub const MEMBERS_MAX: usize = 16_384;
    /// Most keys on a list whose name was issued again. [SEC-34]
    pub const REPLACED_MAX: usize = 16_384;
    /// Longest encoded list in bytes: 512 bytes for each of the most members. Replaced keys, some
    /// 30 bytes each, share that room.
    pub const LENGTH_MAX: usize = 8 * 1024 * 1024;

    /// The list in these bytes: [SEC-31] [SEC-77]. Nothing is parsed before the signature is
    /// verified.
    ///
    /// # Errors
    /// When they are no list that this authority signed for this realm.
    pub fn verify(
        bytes: Vec<u8>,
        authority: &VerifyingKey,
        realm: &RealmId,
    ) -> Result<Self, MemberListError> {
        let length = MemberListError::Length(bytes.len());
        if bytes.len() > Self::LENGTH_MAX {
            return Err(length);
        }
        let (version, rest) = bytes.split_first_chunk::<8>().ok_or(length.clone())?;
        let (signature, body) = rest.split_first_chunk::<SIGNATURE_LEN>().ok_or(length)?;
        let version = u64::from_be_bytes(*version);
        if !authority.verifies(&signed_message(realm, version, body), signature) {
            return Err(MemberListError::Signature);
        }
        let (members, replaced) = read_body(body)?;
        Ok(Self::from_parts(realm, version, members, replaced, bytes))
    }

    fn from_parts(
        realm: &RealmId,
        version: u64,
        members: Vec<Member>,
        replaced: Vec<Replaced>,
        bytes: Vec<u8>,
    ) -> Self {
        let count = u32::try_from(members.len()).expect("members are limited to MEMBERS_MAX");
        let mut by_id: Vec<(NodeId, u32)> =
            members.iter().map(|member| member.id).zip(0..count).collect();
        by_id.sort_unstable();
        let circle = Circle::new(realm, by_id.iter().map(|(id, _)| id));
        let shelves = Shelves::new(&by_id);
        Self(Arc::new(Parts { version, members, by_id, shelves, circle, replaced, bytes }))
    }

    /// Its version; every change makes a higher one.
    pub fn version(&self) -> u64 {
        self.0.version
    }

    /// All members in order of name, forgotten ones included.
    pub fn members(&self) -> &[Member] {
        &self.0.members
    }

    /// The member of this name.
    pub fn by_name(&self, name: &str) -> Option<&Member> {
        self.index_of(name).map(|index| &self.0.members[index])
    }

    /// The place of the member of this name in [`Self::members`].
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.0.members.binary_search_by(|member| member.subject.name.as_str().cmp(name)).ok()
    }

    /// The member with these keys.
    pub fn by_id(&self, id: &NodeId) -> Option<&Member> {
        self.rank(id).and_then(|rank| self.at_rank(rank))
    }

    /// The rank of the member with these keys: its place in order of id, from zero.
    pub(crate) fn rank(&self, id: &NodeId) -> Option<u32> {
        let shelf = self.0.shelves.of(id);
        let found = self.0.by_id[shelf.clone()].binary_search_by_key(id, |(id, _)| *id).ok()?;
        u32::try_from(shelf.start + found).ok()
    }

    /// The member of a rank.
    pub(crate) fn at_rank(&self, rank: u32) -> Option<&Member> {
        let (_, index) = self.0.by_id.get(rank as usize)?;
        Some(&self.0.members[*index as usize])
    }

    /// The position in the circle of the realm at which a node stands, or would stand. [PRE-20]
    pub(crate) fn position(&self, id: &NodeId) -> u32 {
        let circle = &self.0.circle;
        if let Some(rank) = self.rank(id) {
            return circle.positions[rank as usize];
        }
        let place = place(&circle.realm, id);
        let before = circle.places.partition_point(|(other, _)| *other < place);
        u32::try_from(before).expect("members are limited to MEMBERS_MAX")
    }

    /// The position in the circle of the member of a rank.
    pub(crate) fn position_of(&self, rank: u32) -> Option<u32> {
        self.0.circle.positions.get(rank as usize).copied()
    }

    /// The rank of the member at a position in the circle.
    pub(crate) fn rank_at(&self, position: u32) -> Option<u32> {
        self.0.circle.places.get(position as usize).map(|(_, rank)| *rank)
    }

    /// Whether the realm has forgotten who has these keys, whatever became of the name. [SEC-34]
    pub fn is_forgotten(&self, id: &NodeId) -> bool {
        match self.by_id(id) {
            Some(member) => member.forgotten,
            None => self.0.replaced.binary_search_by_key(id, |replaced| replaced.id).is_ok(),
        }
    }

    /// The list as it is stored and travels.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The next version, so far with the same members.
    pub fn edit(&self) -> MemberEdit {
        let pair = |member: &Member| (member.subject.name.clone(), member.clone());
        let members = self.0.members.iter().map(pair).collect();
        let replaced = self.0.replaced.iter().map(|it| (it.id, it.not_after)).collect();
        MemberEdit { version: self.0.version.saturating_add(1), members, replaced }
    }
}

impl fmt::Debug for MemberList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemberList(version {}, {} members)", self.0.version, self.0.members.len())
    }
}

impl PartialEq for MemberList {
    fn eq(&self, other: &Self) -> bool {
        self.0.bytes == other.0.bytes
    }
}

impl Eq for MemberList {}

impl MemberEdit {
    /// The first version of a realm's list, without members.
    pub fn first() -> Self {
        Self { version: 1, members: BTreeMap::new(), replaced: BTreeMap::new() }
    }

    /// Adds a member or replaces the one of that name, whose keys are forgotten from here on: else
    /// issuing a name again would bring a stolen credential back. [SEC-34]
    ///
    /// # Errors
    /// When there are as many members, or as many replaced keys, as a realm may have.
    pub fn issue(&mut self, subject: Subject, id: NodeId) -> Result<(), MemberListError> {
        let held = self.members.get(&subject.name);
        if held.is_none() && self.members.len() >= MemberList::MEMBERS_MAX {
            return Err(MemberListError::TooMany);
        }
        if let Some(held) = held.filter(|held| held.id != id) {
            let known = self.replaced.contains_key(&held.id) || self.replaced.contains_key(&id);
            if !known && self.replaced.len() >= MemberList::REPLACED_MAX {
                return Err(MemberListError::TooManyReplaced);
            }
            self.replaced.insert(held.id, held.subject.not_after);
        }
        self.replaced.remove(&id);
        let name = subject.name.clone();
        self.members.insert(name, Member { subject, id, forgotten: false });
        Ok(())
    }

    /// Leaves out replaced keys whose certificate nobody accepts any more. [SEC-34]
    pub fn leave_out_ended(&mut self, wall: Timestamp) {
        self.replaced.retain(|_, end| end.saturating_add(Certificate::GRACE) >= wall);
    }

    /// Marks a member as decommissioned.
    ///
    /// # Errors
    /// When no member has this name.
    pub fn forget(&mut self, name: &str) -> Result<(), MemberListError> {
        let unknown = || MemberListError::Unknown(name.to_owned());
        self.members.get_mut(name).ok_or_else(unknown)?.forgotten = true;
        Ok(())
    }

    /// Signs the list.
    pub(super) fn sign(
        self,
        key: &SigningKey,
        realm: &RealmId,
    ) -> Result<MemberList, MemberListError> {
        let members: Vec<Member> = self.members.into_values().map(in_whole_seconds).collect();
        let mut bytes = vec![0; 8 + SIGNATURE_LEN];
        for member in &members {
            cbor::encode_into(&write_member(member), &mut bytes);
        }
        let replaced = self.replaced.into_iter().map(|(id, not_after)| Replaced { id, not_after });
        let replaced: Vec<Replaced> = replaced.collect();
        for replaced in &replaced {
            cbor::encode_into(&write_replaced(replaced), &mut bytes);
        }
        if bytes.len() > MemberList::LENGTH_MAX {
            return Err(MemberListError::Length(bytes.len()));
        }
        let body = &bytes[8 + SIGNATURE_LEN..];
        let signature = key.sign(&signed_message(realm, self.version, body));
        bytes[..8].copy_from_slice(&self.version.to_be_bytes());
        bytes[8..8 + SIGNATURE_LEN].copy_from_slice(&signature);
        Ok(MemberList::from_parts(realm, self.version, members, replaced, bytes))
    }
}

impl Shelves {
    fn new(by_id: &[(NodeId, u32)]) -> Self {
        let bits = by_id.len().next_power_of_two().trailing_zeros().max(1);
        let start = |number| by_id.partition_point(|(id, _)| first_bits(id, bits) < number);
        let start = |number| u32::try_from(start(number)).expect("limited to MEMBERS_MAX");
        Self { bits, starts: (0..=1 << bits).map(start).collect() }
    }

    /// Where an id stands, if anywhere.
    fn of(&self, id: &NodeId) -> Range<usize> {
        let number = first_bits(id, self.bits) as usize;
        self.starts[number] as usize..self.starts[number + 1] as usize
    }
}

fn first_bits(id: &NodeId, bits: u32) -> u32 {
    let [a, b, c, d, ..] = id.0;
    u32::from_be_bytes([a, b, c, d]) >> (u32::BITS - bits)
}

impl Circle {
    /// The circle of nodes in order of id.
    fn new<'a>(realm: &RealmId, ids: impl Iterator<Item = &'a NodeId>) -> Self {
        let mut places: Vec<(u64, u32)> =
            (0..).zip(ids).map(|(rank, id)| (place(realm, id), rank)).collect();
        places.sort_unstable();
        let mut positions = vec![0; places.len()];
        for (position, (_, rank)) in (0..).zip(&places) {
            positions[*rank as usize] = position;
        }
        Self { realm: *realm, places, positions }
    }
}

/// Where a node stands in the circle of its realm. [PRE-20]
fn place(realm: &RealmId, id: &NodeId) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&realm.0).update(&id.0);
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    u64::from_be_bytes(first)
}

const CONTEXT: &[u8] = b"librecast 1 member list";

const FIELD_NAME: i64 = 1;
const FIELD_ID: i64 = 2;
const FIELD_KIND: i64 = 3;
const FIELD_NOT_BEFORE: i64 = 4;
const FIELD_NOT_AFTER: i64 = 5;
const FIELD_LABELS: i64 = 6;
const FIELD_ROLES: i64 = 7;
const FIELD_FORGOTTEN: i64 = 8;

/// What the authority signs: context, realm, version, BLAKE3 of the members.
fn signed_message(realm: &RealmId, version: u64, body: &[u8]) -> Vec<u8> {
    let hash = blake3::hash(body);
    [CONTEXT, &realm.0, &version.to_be_bytes(), hash.as_bytes()].concat()
}

/// Times travel as seconds; a list that was just signed equals the one that is read.
fn in_whole_seconds(mut member: Member) -> Member {
    for time in [&mut member.subject.not_before, &mut member.subject.not_after] {
        *time = Timestamp::from_millis(time.as_millis().div_euclid(1000).saturating_mul(1000));
    }
    member
}

fn write_member(member: &Member) -> cbor::Cbor {
    let subject = &member.subject;
    let mut map = MapBuilder::new()
        .field(FIELD_NAME, subject.name.as_str())
        .bytes(FIELD_ID, &member.id.0)
        .field(FIELD_KIND, subject.kind.code())
        .field(FIELD_NOT_BEFORE, subject.not_before.as_millis().div_euclid(1000))
        .field(FIELD_NOT_AFTER, subject.not_after.as_millis().div_euclid(1000));
    if !subject.labels.is_empty() {
        map = map.field(FIELD_LABELS, subject.labels.to_cbor());
    }
    if !subject.roles.is_empty() {
        map = map.field(FIELD_ROLES, subject.roles.to_cbor());
    }
    if member.forgotten {
        map = map.field(FIELD_FORGOTTEN, true);
    }
    map.build()
}

fn write_replaced(replaced: &Replaced) -> cbor::Cbor {
    MapBuilder::new()
        .bytes(FIELD_ID, &replaced.id.0)
        .field(FIELD_NOT_AFTER, replaced.not_after.as_millis().div_euclid(1000))
        .field(FIELD_FORGOTTEN, true)
        .build()
}

/// The members of a verified body, then the replaced keys, which have no name: a CBOR sequence
/// (RFC 8742), read one by one.
fn read_body(mut body: &[u8]) -> Result<(Vec<Member>, Vec<Replaced>), MemberListError> {
    let mut members: Vec<Member> = Vec::new();
    let mut replaced: Vec<Replaced> = Vec::new();
    while !body.is_empty() {
        let index = members.len() + replaced.len();
        let item = cbor::parse_prefix(&mut body).and_then(read_item);
        match item.map_err(|error| MemberListError::Member { index, error })? {
            Item::Member(member) => {
                let before = members.last().map(|last| &last.subject.name);
                if !replaced.is_empty() || before.is_some_and(|it| *it >= member.subject.name) {
                    return Err(MemberListError::Order(member.subject.name));
                }
                if members.len() >= MemberList::MEMBERS_MAX {
                    return Err(MemberListError::TooMany);
                }
                members.push(*member);
            }
            Item::Replaced(keys) => {
                if replaced.last().is_some_and(|last| last.id >= keys.id) {
                    return Err(MemberListError::ReplacedOrder(keys.id));
                }
                if replaced.len() >= MemberList::REPLACED_MAX {
                    return Err(MemberListError::TooManyReplaced);
                }
                replaced.push(keys);
            }
        }
    }
    Ok((members, replaced))
}

enum Item {
    Member(Box<Member>),
    Replaced(Replaced),
}

fn read_item(item: cbor::Cbor) -> Result<Item, CborError> {
    let mut fields = Fields::from_item(item)?;
    let Some(name) = fields.text_opt(FIELD_NAME)? else {
        return read_replaced(&mut fields).map(Item::Replaced);
    };
    read_member(&name, &mut fields).map(|it| Item::Member(Box::new(it)))
}

fn read_replaced(fields: &mut Fields) -> Result<Replaced, CborError> {
    let id = NodeId(fields.fixed(FIELD_ID)?);
    let not_after = read_time(fields, FIELD_NOT_AFTER)?;
    if !fields.flag(FIELD_FORGOTTEN)? {
        return Err(CborError::Type(FIELD_FORGOTTEN));
    }
    Ok(Replaced { id, not_after })
}

fn read_time(fields: &mut Fields, key: i64) -> Result<Timestamp, CborError> {
    let millis = fields.int(key)?.checked_mul(1000).ok_or(CborError::Type(key))?;
    Ok(Timestamp::from_millis(millis))
}

fn read_member(name: &str, fields: &mut Fields) -> Result<Member, CborError> {
    let wrong = CborError::Type;
    let name = name.parse().map_err(|_| wrong(FIELD_NAME))?;
    let id = NodeId(fields.fixed(FIELD_ID)?);
    let kind = Kind::from_code(fields.uint(FIELD_KIND)?).ok_or(wrong(FIELD_KIND))?;
    let not_before = read_time(fields, FIELD_NOT_BEFORE)?;
    let not_after = read_time(fields, FIELD_NOT_AFTER)?;
    let labels = match fields.take(FIELD_LABELS) {
        Some(item) => Labels::from_cbor(item).ok_or(wrong(FIELD_LABELS))?,
        None => Labels::default(),
    };
    let roles = match fields.take(FIELD_ROLES) {
        Some(item) => Roles::from_cbor(item).ok_or(wrong(FIELD_ROLES))?,
        None => Roles::default(),
    };
    let forgotten = fields.flag(FIELD_FORGOTTEN)?;
    let subject = Subject { name, kind, labels, roles, not_before, not_after };
    Ok(Member { subject, id, forgotten })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [PRE-20]
    #[test]
    fn the_circle_depends_on_the_realm_and_holds_everybody_once() {
        let ids: Vec<NodeId> = (0..100).map(|it| NodeId([it; 16])).collect();
        let order = |realm| {
            let circle = Circle::new(&RealmId([realm; 16]), ids.iter());
            let ranks: Vec<u32> = circle.places.iter().map(|(_, rank)| *rank).collect();
            for (position, rank) in (0..).zip(&ranks) {
                assert_eq!(circle.positions[*rank as usize], position);
            }
            let mut sorted = ranks.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..100).collect::<Vec<_>>());
            ranks
        };
        assert_eq!(order(7), order(7));
        assert_ne!(order(7), order(8));
    }
}
