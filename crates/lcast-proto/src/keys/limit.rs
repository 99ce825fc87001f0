//! How many signatures are verified, and for whom: nobody uses up the share of the others.
//!
//! A packet whose signature holds counts against the member that signed it, which nobody else can
//! do in its name. One whose signature fails could name anybody: it counts against the address that
//! it came from. So a check asks both before it verifies, and tells the outcome after. [SEC-43]
//! [SEC-44] Deterministic: token buckets, driven by the time that is passed in.

use std::net::Ipv6Addr;

use super::by_member::ByMember;
use super::lru::Lru;
use crate::time::Instant;
use crate::wire::id::NodeId;

/// Signed packets a second of all members together, beyond the share of each. [SEC-43]
pub const POOL_PER_SECOND_MAX: u32 = 2_000;
/// Signed packets a second that are set aside for members within their share. [SEC-43]
pub const RESERVE_PER_SECOND_MAX: u32 = 1_000;
/// The share of one member, a second; twice as many at once. [SEC-43]
pub const SHARE_PER_SECOND: u32 = 20;
/// Signed packets of one member, a second, beyond its share; twice as many at once. [SEC-43]
pub const MEMBER_PER_SECOND_MAX: u32 = 1_000;
/// Checks a second that may fail, of strangers' packets: from one address, twice as many at once;
/// and from all. [SEC-44]
pub const STRANGE_PER_SECOND_MAX: (u32, u32) = (20, 500);
/// The same of packets from where a member is expected. A forger who takes the address of another
/// must send so many to keep it from being heard. [SEC-44]
pub const EXPECTED_PER_SECOND_MAX: (u32, u32) = (500, 1_000);
/// Members and addresses remembered; the longest unused is forgotten, and has its full share.
pub const REMEMBERED_MAX: usize = 4_096;

/// Who has how many verifications left.
pub struct Verifications {
    pool: Bucket,
    reserve: Bucket,
    members: ByMember<NodeId, Member>,
    strange: Failures,
    expected: Failures,
}

/// Whether somebody is expected at the address that a packet comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The member was heard there, or many whose address is not known were asked.
    Expected(Ipv6Addr),
    /// Nobody in particular.
    Strange(Ipv6Addr),
}

/// How many checks may fail.
struct Failures {
    per_source: u32,
    all: Bucket,
    sources: Lru<Ipv6Addr, Bucket>,
}

struct Member {
    share: Bucket,
    more: Bucket,
}

/// So many a second, and so many at once.
struct Bucket {
    per_second: u32,
    /// In millionths.
    tokens_max: u64,
    tokens: u64,
    at: Instant,
}

const TOKEN: u64 = 1_000_000;

impl Verifications {
    /// Everybody has the full share.
    pub fn new(now: Instant) -> Self {
        Self {
            pool: Bucket::new(now, POOL_PER_SECOND_MAX, POOL_PER_SECOND_MAX),
            reserve: Bucket::new(now, RESERVE_PER_SECOND_MAX, RESERVE_PER_SECOND_MAX),
            members: ByMember::new(REMEMBERED_MAX),
            strange: Failures::new(now, STRANGE_PER_SECOND_MAX),
            expected: Failures::new(now, EXPECTED_PER_SECOND_MAX),
        }
    }

    /// Whether a packet from there may be checked. [SEC-44]
    pub fn allows_source(&mut self, now: Instant, source: Source) -> bool {
        let (failures, address) = self.failures(source);
        let within = failures.sources.get(&address).is_none_or(|bucket| bucket.has(now));
        within && failures.all.has(now)
    }

    /// The check of a packet from there has failed, or was of no use.
    pub fn failed(&mut self, now: Instant, source: Source) {
        let (failures, address) = self.failures(source);
        failures.all.take(now);
        if let Some(bucket) = failures.sources.get(&address) {
            bucket.take(now);
            return;
        }
        let mut bucket = Bucket::new(now, failures.per_source, 2 * failures.per_source);
        bucket.take(now);
        failures.sources.insert(address, bucket);
    }

    fn failures(&mut self, source: Source) -> (&mut Failures, Ipv6Addr) {
        match source {
            Source::Expected(address) => (&mut self.expected, address),
            Source::Strange(address) => (&mut self.strange, address),
        }
    }

    /// Whether one more packet of this member may be verified. [SEC-43]
    pub fn allows_member(&mut self, now: Instant, member: &NodeId) -> bool {
        let (shared, pooled) = (self.reserve.has(now), self.pool.has(now));
        match self.members.get(member) {
            Some(of) => (shared && of.share.has(now)) || (pooled && of.more.has(now)),
            None => shared || pooled,
        }
    }

    /// A packet of this member was verified.
    pub fn verified(&mut self, now: Instant, member: &NodeId) {
        let Self { members, reserve, pool, .. } = self;
        let of = member_of(members, now, member);
        if reserve.has(now) && of.share.take(now) {
            reserve.take(now);
            return;
        }
        of.more.take(now);
        pool.take(now);
    }

    /// Whether one more process of this member may introduce itself, which costs a key agreement.
    /// All members of a large realm may at the same time: they were asked. [SEC-43]
    pub fn allows_introduction(&mut self, now: Instant, member: &NodeId) -> bool {
        self.members.get(member).is_none_or(|of| of.more.has(now))
    }

    /// A process of this member has introduced itself.
    pub fn introduced(&mut self, now: Instant, member: &NodeId) {
        member_of(&mut self.members, now, member).more.take(now);
    }
}

impl Failures {
    fn new(now: Instant, (per_source, all): (u32, u32)) -> Self {
        Self { per_source, all: Bucket::new(now, all, all), sources: Lru::new(REMEMBERED_MAX) }
    }
}

/// What this member has left. Those that rested have their full share again, as if they had never
/// been heard: they need not be remembered.
fn member_of<'a>(
    members: &'a mut ByMember<NodeId, Member>,
    now: Instant,
    member: &NodeId,
) -> &'a mut Member {
    if members.peek(member).is_none() {
        while let Some((rested, _)) = members.oldest().filter(|(_, it)| it.is_full(now)) {
            let rested = *rested;
            members.remove(&rested);
        }
        members.insert(*member, Member::new(now));
    }
    members.get(member).expect("it was there, or was inserted just before")
}

impl Member {
    fn new(now: Instant) -> Self {
        Self {
            share: Bucket::new(now, SHARE_PER_SECOND, 2 * SHARE_PER_SECOND),
            more: Bucket::new(now, MEMBER_PER_SECOND_MAX, 2 * MEMBER_PER_SECOND_MAX),
        }
    }

    fn is_full(&self, now: Instant) -> bool {
        self.share.tokens_at(now) == self.share.tokens_max
            && self.more.tokens_at(now) == self.more.tokens_max
    }
}

impl Bucket {
    fn new(now: Instant, per_second: u32, at_once: u32) -> Self {
        let tokens_max = u64::from(at_once) * TOKEN;
        Self { per_second, tokens_max, tokens: tokens_max, at: now }
    }

    fn tokens_at(&self, now: Instant) -> u64 {
        let micros = u64::try_from(now.since(self.at).as_micros()).unwrap_or(u64::MAX);
        let more = micros.saturating_mul(u64::from(self.per_second));
        self.tokens.saturating_add(more).min(self.tokens_max)
    }

    fn has(&mut self, now: Instant) -> bool {
        (self.tokens, self.at) = (self.tokens_at(now), now);
        self.tokens >= TOKEN
    }

    /// Takes one; whether there was one.
    fn take(&mut self, now: Instant) -> bool {
        let there = self.has(now);
        if there {
            self.tokens -= TOKEN;
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Ipv6Addr = Ipv6Addr::LOCALHOST;

    fn member(number: u16) -> NodeId {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        NodeId(id)
    }

    /// How many packets of a member are verified when it sends without end.
    fn verify(limits: &mut Verifications, now: Instant, member: &NodeId) -> u32 {
        let mut count = 0;
        while limits.allows_member(now, member) {
            limits.verified(now, member);
            count += 1;
        }
        count
    }

    /// [SEC-43]
    #[test]
    fn a_member_has_so_much_and_no_more_and_leaves_the_others_their_share() {
        let start = Instant::default();
        let mut limits = Verifications::new(start);
        let (one, other) = (member(1), member(2));
        let at_once = 2 * SHARE_PER_SECOND;
        assert_eq!(verify(&mut limits, start, &one), at_once + POOL_PER_SECOND_MAX);
        assert_eq!(verify(&mut limits, start, &other), at_once);
        let later = start + std::time::Duration::from_secs(1);
        let more = SHARE_PER_SECOND + MEMBER_PER_SECOND_MAX;
        assert_eq!(verify(&mut limits, later, &one), more);
        assert_eq!(verify(&mut limits, later, &other), more);
    }

    /// [SEC-43]
    #[test]
    fn a_whole_realm_introduces_itself_at_once_and_one_member_not_without_end() {
        let now = Instant::default();
        let mut limits = Verifications::new(now);
        for number in 0..4_000 {
            assert!(limits.allows_introduction(now, &member(number)), "{number}");
            limits.introduced(now, &member(number));
        }
        let at_once = 2 * MEMBER_PER_SECOND_MAX - 1;
        for count in 0..=at_once {
            assert_eq!(limits.allows_introduction(now, &member(1)), count < at_once);
            limits.introduced(now, &member(1));
        }
    }

    /// [SEC-43]
    #[test]
    fn all_members_together_have_three_thousand_a_second() {
        let mut now = Instant::default();
        let mut limits = Verifications::new(now);
        for second in 0..3 {
            let all = (0..500).map(|number| verify(&mut limits, now, &member(number))).sum::<u32>();
            assert_eq!(all, POOL_PER_SECOND_MAX + RESERVE_PER_SECOND_MAX, "{second}");
            now = now + std::time::Duration::from_secs(1);
        }
    }

    /// [SEC-44]
    #[test]
    fn failures_are_limited_by_address_and_over_all() {
        type Kind = fn(Ipv6Addr) -> Source;
        let kinds: [(Kind, (u32, u32)); 2] = [
            (Source::Strange, STRANGE_PER_SECOND_MAX),
            (Source::Expected, EXPECTED_PER_SECOND_MAX),
        ];
        let mut now = Instant::default();
        let mut limits = Verifications::new(now);
        let mut fail = |now, source| {
            let mut count = 0;
            while limits.allows_source(now, source) {
                limits.failed(now, source);
                count += 1;
            }
            count
        };
        for (kind, (per_source, all)) in kinds {
            assert_eq!(fail(now, kind(SOURCE)), 2 * per_source);
            let others: u32 = (1..100).map(|it| fail(now, kind(Ipv6Addr::from(it << 64)))).sum();
            assert_eq!(others + 2 * per_source, all);
        }
        now = now + std::time::Duration::from_secs(1);
        for (kind, (per_source, _)) in kinds {
            assert_eq!(fail(now, kind(SOURCE)), per_source);
        }
    }

    #[test]
    fn so_many_are_remembered_and_no_more() {
        let now = Instant::default();
        let mut limits = Verifications::new(now);
        for number in 0..=u16::try_from(REMEMBERED_MAX).unwrap() {
            limits.verified(now, &member(number));
            limits.failed(now, Source::Strange(Ipv6Addr::from(u128::from(number))));
            let expected = (usize::from(number) + 1).min(REMEMBERED_MAX);
            assert_eq!((limits.members.len(), limits.strange.sources.len()), (expected, expected));
        }
    }

    #[test]
    fn who_has_its_full_share_is_not_remembered() {
        let mut now = Instant::default();
        let mut limits = Verifications::new(now);
        for number in 0..1_000 {
            limits.verified(now, &member(number));
            // A twentieth of a second brings one back: the last is whole when the next comes.
            now = now + std::time::Duration::from_millis(50);
            assert_eq!(limits.members.len(), 1, "{number}");
        }
        let spent = verify(&mut limits, now, &member(1));
        limits.verified(now + std::time::Duration::from_millis(1_000), &member(2));
        assert!(spent > 0 && limits.members.len() == 2, "who rests for too short is remembered");
    }
}
