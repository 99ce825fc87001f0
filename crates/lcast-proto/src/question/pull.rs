//! Fetching in pages what is larger than a packet: large replies, schemas, member lists [SEC-33].
//!
//! The puller asks for up to 16 pages at a time and again for those that did not come. The machine
//! holds what has arrived; who may pull what, and what the bytes mean, is for others to say.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::time::Instant;
use crate::wire::frame::{Blob, PAGE_LEN, PageFrame, PullFrame};
use crate::wire::id::SenderId;

/// Pulls under way at once; further ones wait their turn. [QST-32]
pub const ACTIVE_MAX: usize = 8;
/// Pulls under way or waiting.
pub const PULLS_MAX: usize = 16_384;
/// Pages asked for in one frame.
const PAGES_AT_ONCE: u32 = 16;
/// Pages beyond the first missing one that a wish can name.
const WINDOW: usize = 32;
/// How long to wait for pages before asking again; grows with each try in vain.
const PATIENCE: Duration = Duration::from_millis(25);
/// Tries in vain, one after another, before a pull is given up. [QST-33]
const TRIES_MAX: u32 = 8;
/// Wishes of one pull beyond one for every [`PAGES_PER_WISH`] of its pages. [QST-33]
const WISHES_MAX: u32 = 2 * TRIES_MAX;
/// Pages that a wish, which asks for 16, brings on average at the least.
const PAGES_PER_WISH: u32 = 2;
/// How long the pull of a schema is alone, before another source is tried beside it. [QST-33]
pub const ALONE: Duration = Duration::from_millis(100);

/// All pulls of an endpoint.
#[derive(Debug, Default)]
pub struct Pulls {
    pulls: BTreeMap<Key, Pull>,
    /// Under way, at most [`ACTIVE_MAX`].
    active: BTreeSet<Key>,
    /// The others, in the order of their turns.
    waiting: VecDeque<Key>,
}

/// What is pulled, and from whom.
type Key = (Blob, SenderId);

const FIRST: SenderId = SenderId([0; 12]);
const LAST: SenderId = SenderId([0xff; 12]);

#[derive(Debug)]
struct Pull {
    size_max: usize,
    total: Option<usize>,
    bytes: Vec<u8>,
    /// Which pages are here: up to the last of these, so that what waits its turn takes no memory.
    got: Vec<bool>,
    missing: usize,
    tries: u32,
    /// Wishes sent in all.
    wishes: u32,
    again: Instant,
    /// When a source beside this one is wanted; `None` once that was said.
    beside: Option<Instant>,
}

/// What is to be done about a pull.
#[derive(Debug, PartialEq, Eq)]
pub enum Due {
    /// Send this wish.
    Wish(PullFrame),
    /// Nothing more: it was given up.
    GaveUp(Blob),
    /// Pull the same from another as well: it takes long.
    Slow(Blob),
}

/// What a page did.
#[derive(Debug, PartialEq, Eq)]
pub enum Pulled {
    /// Nobody asked for it, or it is a duplicate.
    Unasked,
    /// One more page is there.
    Progress,
    /// Everything is there.
    Complete(Vec<u8>),
    /// It can never be complete: the other has no such thing, or breaks the rules.
    Failed,
}

impl Pulls {
    /// Starts to pull `blob` of at most `size_max` bytes from a process; its size is `total` if
    /// that is known. Whether it was started: not when it runs already or there are too many.
    pub fn start(
        &mut self,
        now: Instant,
        from: SenderId,
        blob: Blob,
        total: Option<u32>,
        size_max: usize,
    ) -> bool {
        let key = (blob, from);
        if self.pulls.contains_key(&key) || self.pulls.len() >= PULLS_MAX {
            return false;
        }
        let mut pull = Pull {
            size_max,
            total: None,
            bytes: Vec::new(),
            got: Vec::new(),
            missing: 0,
            tries: 0,
            wishes: 0,
            again: now,
            beside: matches!(blob, Blob::Schema(_)).then_some(now + ALONE),
        };
        if let Some(total) = total
            && !pull.expect(total as usize)
        {
            return false;
        }
        self.pulls.insert(key, pull);
        match blob {
            Blob::Reply(_) => self.waiting.push_back(key),
            // Many replies may wait for these.
            Blob::Schema(_) | Blob::Members(_) => self.waiting.push_front(key),
        }
        true
    }

    /// Stops pulling whatever `accepts` says.
    pub fn stop(&mut self, mut accepts: impl FnMut(&SenderId, &Blob) -> bool) {
        let Self { pulls, active, waiting } = self;
        pulls.retain(|(blob, from), _| !accepts(from, blob));
        active.retain(|key| pulls.contains_key(key));
        waiting.retain(|key| pulls.contains_key(key));
    }

    /// Whether this is being pulled from anybody.
    pub fn is_pulling(&self, blob: Blob) -> bool {
        self.pulls.range((blob, FIRST)..=(blob, LAST)).next().is_some()
    }

    /// Whether everybody from whom this is being pulled has had a while for it.
    pub fn is_slow(&self, now: Instant, blob: Blob) -> bool {
        let mut pulls = self.pulls.range((blob, FIRST)..=(blob, LAST));
        pulls.all(|(_, pull)| pull.beside.is_none_or(|at| at <= now))
    }

    /// How many pages a pull has brought.
    pub fn pages(&self, from: SenderId, blob: Blob) -> u64 {
        self.pulls.get(&(blob, from)).map_or(0, |pull| (pull.pages() - pull.missing) as u64)
    }

    /// How many bytes it is going to be, as far as is known.
    pub fn total(&self, from: SenderId, blob: Blob) -> Option<usize> {
        self.pulls.get(&(blob, from)).and_then(|pull| pull.total)
    }

    /// Whether this is being pulled from this process.
    pub fn contains(&self, from: SenderId, blob: Blob) -> bool {
        self.pulls.contains_key(&(blob, from))
    }

    /// Takes a page, if it was asked for: what waits its turn takes no memory.
    pub fn handle_page(&mut self, now: Instant, from: SenderId, page: &PageFrame) -> Pulled {
        let key = (self.pulled_as(from, &page.blob), from);
        let Some(pull) = self.pulls.get_mut(&key).filter(|_| self.active.contains(&key)) else {
            return Pulled::Unasked;
        };
        let pulled = pull.take(now, page);
        if matches!(pulled, Pulled::Complete(_) | Pulled::Failed) {
            self.remove(&key);
        }
        pulled
    }

    /// A newer member list than asked for may come: it answers the wish for the older.
    fn pulled_as(&self, from: SenderId, blob: &Blob) -> Blob {
        let Blob::Members(version) = *blob else { return *blob };
        let oldest = (Blob::Members(0), FIRST);
        let wished = self.pulls.range(oldest..=(Blob::Members(version), LAST));
        let of_sender = wished.filter(|((_, sender), _)| *sender == from);
        of_sender.map(|((blob, _), _)| *blob).next_back().unwrap_or(*blob)
    }

    /// Ends a pull that is under way.
    fn remove(&mut self, key: &Key) {
        self.pulls.remove(key);
        self.active.remove(key);
    }

    /// When something is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let next = self.waiting.front().filter(|_| self.active.len() < ACTIVE_MAX);
        let due = self.active.iter().chain(next).filter_map(|key| self.pulls.get(key));
        due.map(|pull| pull.beside.map_or(pull.again, |at| at.min(pull.again))).min()
    }

    /// What to do next, and about whose pages.
    pub fn poll(&mut self, now: Instant) -> Option<(SenderId, Due)> {
        if self.active.len() < ACTIVE_MAX {
            self.active.extend(self.waiting.pop_front());
        }
        let is_due = |pull: &Pull| pull.again <= now || pull.beside.is_some_and(|at| at <= now);
        let due = |key: &&Key| self.pulls.get(*key).is_some_and(is_due);
        let key = *self.active.iter().find(due)?;
        let pull = self.pulls.get_mut(&key)?;
        if pull.beside.take_if(|at| *at <= now).is_some() {
            return Some((key.1, Due::Slow(key.0)));
        }
        if pull.tries >= TRIES_MAX || pull.wishes >= pull.wishes_max() {
            self.remove(&key);
            return Some((key.1, Due::GaveUp(key.0)));
        }
        pull.tries += 1;
        pull.wishes += 1;
        pull.again = now + PATIENCE * pull.tries;
        let (first, map) = pull.wish();
        Some((key.1, Due::Wish(PullFrame { blob: key.0, first, map })))
    }
}

impl Pull {
    /// How many pages it is; 0 where the size is not known yet.
    fn pages(&self) -> usize {
        self.total.map_or(0, |total| total.div_ceil(PAGE_LEN))
    }

    /// How many wishes may be sent: whoever gives a page at a time never ends.
    fn wishes_max(&self) -> u32 {
        let pages = u32::try_from(self.pages()).unwrap_or(u32::MAX);
        WISHES_MAX.saturating_add(pages / PAGES_PER_WISH)
    }

    /// Takes it that `total` bytes are coming; whether that is within the limit.
    fn expect(&mut self, total: usize) -> bool {
        if total == 0 || total > self.size_max {
            return false;
        }
        self.total = Some(total);
        self.missing = self.pages();
        true
    }

    fn take(&mut self, now: Instant, page: &PageFrame) -> Pulled {
        let total = page.total as usize;
        let known = self.total.is_none_or(|known| known == total);
        if !known || (self.total.is_none() && !self.expect(total)) {
            return Pulled::Failed;
        }
        let index = page.index as usize;
        let start = index.saturating_mul(PAGE_LEN);
        if index >= self.pages() || page.bytes.len() != (total - start).min(PAGE_LEN) {
            return Pulled::Failed;
        }
        // What was not wished for takes no memory: the last page alone would take all of it.
        if self.has(index) || index >= self.first_missing() + WINDOW {
            return Pulled::Unasked;
        }
        if self.bytes.len() < start + page.bytes.len() {
            self.bytes.resize(start + page.bytes.len(), 0);
        }
        self.bytes[start..start + page.bytes.len()].copy_from_slice(&page.bytes);
        self.got.resize(self.got.len().max(index + 1), false);
        self.got[index] = true;
        self.missing -= 1;
        self.tries = 0;
        if self.missing == 0 {
            return Pulled::Complete(std::mem::take(&mut self.bytes));
        }
        self.again = if self.window_is_empty() { now } else { now + PATIENCE };
        Pulled::Progress
    }

    /// Whether every page of the last wish has come.
    fn window_is_empty(&self) -> bool {
        let arrived = self.pages() - self.missing;
        arrived.is_multiple_of(PAGES_AT_ONCE as usize)
            && self.got.iter().take(arrived).all(|got| *got)
    }

    fn first_missing(&self) -> usize {
        self.got.iter().position(|got| !got).unwrap_or(self.got.len())
    }

    fn has(&self, index: usize) -> bool {
        self.got.get(index).is_some_and(|got| *got)
    }

    /// The first pages that are missing.
    fn wish(&self) -> (u32, u32) {
        let first = self.first_missing();
        let mut map = 0_u32;
        let mut count = 0;
        for bit in 0..WINDOW.min(self.pages() - first) {
            if !self.has(first + bit) && count < PAGES_AT_ONCE {
                map |= 1 << bit;
                count += 1;
            }
        }
        if self.total.is_none() {
            map = (1 << PAGES_AT_ONCE) - 1;
        }
        (u32::try_from(first).unwrap_or(u32::MAX), map)
    }
}

/// The pages of `bytes` that a wish asks for.
pub fn pages(blob: Blob, wish: PullFrame, bytes: &[u8]) -> Vec<PageFrame> {
    let total = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let wished = (0..32).filter(|bit| wish.map & (1 << bit) != 0);
    let page = |bit: u32| {
        let index = wish.first.checked_add(bit)?;
        let start = (index as usize).checked_mul(PAGE_LEN)?;
        let end = start.checked_add(PAGE_LEN)?.min(bytes.len());
        let bytes = bytes.get(start..end).filter(|it| !it.is_empty())?;
        Some(PageFrame { blob, index, total, bytes: bytes.to_vec() })
    };
    wished.filter_map(page).collect()
}

/// The page that says: there is no such thing here.
pub fn no_page(blob: Blob) -> PageFrame {
    PageFrame { blob, index: 0, total: 0, bytes: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: SenderId = SenderId([1; 12]);
    const BLOB: Blob = Blob::Reply(7);

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|index| u8::try_from(index % 251).unwrap()).collect()
    }

    /// Pulls `length` bytes; `lost` says which of the pages, counted as sent, do not arrive.
    fn pull(length: usize, lost: impl Fn(usize) -> bool) -> (Option<Vec<u8>>, usize) {
        let blob = bytes(length);
        let mut now = Instant::default();
        let mut pulls = Pulls::default();
        assert!(pulls.start(now, FROM, BLOB, None, 1 << 20));
        let mut sent = 0;
        while let Some(due) = pulls.poll_timeout() {
            now = now.max(due);
            while let Some((_, wish)) = pulls.poll(now) {
                let Due::Wish(wish) = wish else { return (None, sent) };
                for page in pages(BLOB, wish, &blob) {
                    sent += 1;
                    if lost(sent) {
                        continue;
                    }
                    if let Pulled::Complete(bytes) = pulls.handle_page(now, FROM, &page) {
                        return (Some(bytes), sent);
                    }
                }
            }
        }
        (None, sent)
    }

    #[test]
    fn whole_blobs_arrive_and_only_lost_pages_are_sent_again() {
        for length in [1, PAGE_LEN, PAGE_LEN + 1, 16 * PAGE_LEN, 33 * PAGE_LEN + 5, 100_000] {
            let pages = length.div_ceil(PAGE_LEN);
            assert_eq!(pull(length, |_| false), (Some(bytes(length)), pages), "{length}");
            let (got, sent) = pull(length, |count| count % 3 == 1);
            assert_eq!(got, Some(bytes(length)), "{length}");
            assert!(sent <= pages * 2 + 2, "{length}: {sent} pages sent for {pages}");
        }
    }

    #[test]
    fn a_silent_peer_is_given_up() {
        assert_eq!(pull(5_000, |_| true).0, None);
    }

    /// [QST-33]
    #[test]
    fn a_peer_that_gives_a_page_at_a_time_is_given_up() {
        let total = 1000;
        let blob = bytes(total * PAGE_LEN);
        for (per_wish, whole) in [(1, false), (3, true)] {
            let (mut pulls, mut now) = (Pulls::default(), Instant::default());
            assert!(pulls.start(now, FROM, BLOB, None, 1 << 20));
            let mut complete = false;
            while let Some(due) = pulls.poll_timeout() {
                now = now.max(due);
                let Some((_, Due::Wish(wish))) = pulls.poll(now) else { continue };
                for page in pages(BLOB, wish, &blob).into_iter().take(per_wish) {
                    let pulled = pulls.handle_page(now, FROM, &page);
                    complete |= matches!(pulled, Pulled::Complete(_));
                }
            }
            assert_eq!(complete, whole, "{per_wish}");
        }
    }

    /// [QST-33]
    #[test]
    fn a_source_beside_the_first_is_wanted_for_a_schema_that_takes_long() {
        let (mut pulls, start) = (Pulls::default(), Instant::default());
        let blob = Blob::Schema([1; 16]);
        assert!(pulls.start(start, FROM, blob, None, 1 << 20));
        assert!(pulls.start(start, FROM, BLOB, None, 1 << 20));
        let (mut now, mut slow) = (start, Vec::new());
        while let Some(due) = pulls.poll_timeout() {
            now = now.max(due);
            if let Some((_, Due::Slow(blob))) = pulls.poll(now) {
                slow.push((now.since(start), blob));
            }
            assert_eq!(pulls.is_slow(now, blob), now.since(start) >= ALONE);
        }
        assert_eq!(slow, [(ALONE, blob)]);
    }

    #[test]
    fn pages_that_break_the_rules_end_the_pull() {
        let page =
            |index, total, length| PageFrame { blob: BLOB, index, total, bytes: bytes(length) };
        for (page, expected) in [
            (page(0, 0, 0), Pulled::Failed),
            (page(0, 101, 101), Pulled::Failed),
            (page(0, 100, 99), Pulled::Failed),
            (page(1, 100, 100), Pulled::Failed),
            (page(u32::MAX, 100, 100), Pulled::Failed),
            (page(0, 100, 100), Pulled::Complete(bytes(100))),
        ] {
            let mut pulls = Pulls::default();
            assert!(pulls.start(Instant::default(), FROM, BLOB, None, 100));
            assert!(pulls.poll(Instant::default()).is_some());
            assert_eq!(pulls.handle_page(Instant::default(), FROM, &page), expected, "{page:?}");
            assert!(!pulls.is_pulling(BLOB));
        }
        let mut pulls = Pulls::default();
        assert_eq!(pulls.handle_page(Instant::default(), FROM, &page(0, 9, 9)), Pulled::Unasked);
    }

    /// [QST-32]
    #[test]
    fn pages_that_nobody_wished_for_take_no_memory() {
        for (index, expected) in [(31, Pulled::Progress), (32, Pulled::Unasked)] {
            let total = u32::try_from(1000 * PAGE_LEN).unwrap();
            let mut pulls = Pulls::default();
            assert!(pulls.start(Instant::default(), FROM, BLOB, Some(total), 1 << 20));
            assert!(pulls.poll(Instant::default()).is_some());
            let page = PageFrame { blob: BLOB, index, total, bytes: bytes(PAGE_LEN) };
            assert_eq!(pulls.handle_page(Instant::default(), FROM, &page), expected);
            assert_eq!(pulls.pages(FROM, BLOB), u64::from(expected == Pulled::Progress));
        }
    }

    #[test]
    fn eight_pulls_run_at_once_and_the_next_starts_when_one_ends() {
        let mut pulls = Pulls::default();
        let now = Instant::default();
        for index in 0..=ACTIVE_MAX {
            let from = SenderId([u8::try_from(index).unwrap(); 12]);
            assert!(pulls.start(now, from, BLOB, Some(10), 10));
            assert!(!pulls.start(now, from, BLOB, Some(10), 10));
        }
        let mut asked = Vec::new();
        while let Some((from, wish)) = pulls.poll(now) {
            asked.push((from, wish));
        }
        assert_eq!(asked.len(), ACTIVE_MAX);
        let page = PageFrame { blob: BLOB, index: 0, total: 10, bytes: bytes(10) };
        let last = SenderId([u8::try_from(ACTIVE_MAX).unwrap(); 12]);
        assert_eq!(pulls.handle_page(now, last, &page), Pulled::Unasked);
        pulls.handle_page(now, SenderId([0; 12]), &page);
        assert!(pulls.poll(now).is_some());
        assert!(pulls.poll(now).is_none());
    }

    #[test]
    fn schemas_go_first_and_no_more_pulls_than_fit_wait() {
        let mut pulls = Pulls::default();
        let now = Instant::default();
        let request = |index: usize| Blob::Reply(index as u64);
        for index in 0..PULLS_MAX - 1 {
            assert!(pulls.start(now, FROM, request(index), Some(10), 10));
        }
        assert!(pulls.start(now, FROM, Blob::Schema([1; 16]), None, 10));
        assert!(!pulls.start(now, FROM, request(PULLS_MAX), Some(10), 10));
        let (_, Due::Wish(wish)) = pulls.poll(now).unwrap() else { panic!() };
        assert_eq!(wish.blob, Blob::Schema([1; 16]));
        pulls.stop(|_, blob| matches!(blob, Blob::Reply(_)));
        assert_eq!((pulls.pulls.len(), pulls.waiting.len(), pulls.active.len()), (1, 0, 1));
    }

    #[test]
    fn a_newer_member_list_answers_the_wish_for_an_older() {
        let mut pulls = Pulls::default();
        assert!(pulls.start(Instant::default(), FROM, Blob::Members(4), None, 100));
        assert!(pulls.poll(Instant::default()).is_some());
        let page = PageFrame { blob: Blob::Members(6), index: 0, total: 3, bytes: bytes(3) };
        let pulled = pulls.handle_page(Instant::default(), FROM, &page);
        assert_eq!(pulled, Pulled::Complete(bytes(3)));
    }
}
