//! From whom a newer member list is fetched.
//!
//! Any member can claim to hold one. So claims are kept one of each member, a fetch does not keep
//! the others waiting, and whoever lied is not believed for a while. A process that is gone has not
//! lied: commands announce a list and end within milliseconds. Its claim is tried again a few
//! times, behind those of others. [PRE-8] [PRE-40] Not here: pages, which are pulled by
//! [`Pulls`](crate::question::pull::Pulls); whether a list is true, which its signature says.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::time::Instant;
use crate::wire::id::{NodeId, SenderId};

/// Claims that wait for their turn, one of each member.
pub(super) const CLAIMS_MAX: usize = 16;
/// Fetches at once, each from another member.
pub(super) const FETCHES_MAX: usize = 3;
/// How long the first fetch is alone: a second starts beside it whatever it brings. Fetches are
/// looked at so often.
const ALONE: Duration = Duration::from_millis(100);
/// How long fetches are left alone, if they make headway, before a third starts beside them.
const TURN: Duration = Duration::from_secs(3);
/// The time over which headway is counted.
const STEP: Duration = Duration::from_millis(200);
/// Pages in a [`STEP`] that are headway.
const HEADWAY: u64 = 10;
/// How long a member is not believed after a lie, and comes last after a fetch in vain.
const DOUBT: Duration = Duration::from_secs(15);
/// Members that are doubted at once; beyond that the first is forgiven.
pub(super) const DOUBTED_MAX: usize = 64;
/// How often a claim is tried again after a fetch in vain.
pub(super) const RETRIES_MAX: u32 = 3;
/// How long until a claim is tried again; doubles with each time.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Agents in a row that did not answer a fetch, after which this node is likely forgotten, where
/// there are so many.
pub(super) const UNANSWERED_MIN: usize = 2;

/// Claims of newer member lists, and the fetches that came of them.
#[derive(Default)]
pub(super) struct Fetching {
    /// Those that wait: first those of members that are not doubted, each in order of arrival.
    claims: VecDeque<Waiting>,
    /// When the first of them may start.
    begin: Instant,
    /// Under way, in order of their start.
    fetches: Vec<Fetch>,
    /// When to look whether they make headway.
    look: Instant,
    doubted: VecDeque<Doubt>,
    /// Agents that did not answer a fetch, since a list was installed.
    unanswered: BTreeSet<NodeId>,
}

/// A member's word that it holds a version of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) member: NodeId,
    pub(super) sender: SenderId,
    pub(super) version: u64,
}

/// A claim, and how often it was tried.
#[derive(Clone, Copy)]
struct Waiting {
    claim: Claim,
    /// How often it was tried in vain, and until when it is left alone since.
    retries: u32,
    after: Instant,
    doubted: bool,
}

struct Fetch {
    claim: Claim,
    retries: u32,
    begun: Instant,
}

/// A member of which a fetch was in vain, or that lied.
struct Doubt {
    member: NodeId,
    lied: bool,
    until: Instant,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Start to pull.
    Start(Claim),
    /// Stop pulling: others wait.
    Stop(Claim),
}

impl Fetching {
    /// Whether a newer list is on its way, as far as anybody says who is not doubted.
    pub(super) fn is_busy(&self) -> bool {
        let doubted = |claim: &Claim| self.doubted.iter().any(|it| it.member == claim.member);
        let waiting = self.claims.iter().map(|it| &it.claim);
        waiting.chain(self.fetches.iter().map(|it| &it.claim)).any(|claim| !doubted(claim))
    }

    /// Takes a claim; fetching begins at `begin`, or earlier where that was said before.
    pub(super) fn hear(&mut self, now: Instant, claim: Claim, begin: Instant) {
        self.doubted.retain(|it| it.until > now);
        let doubt = self.doubted.iter().find(|it| it.member == claim.member);
        let runs = self.fetches.iter().any(|it| it.claim.sender == claim.sender);
        if doubt.is_some_and(|it| it.lied) || runs {
            return;
        }
        let idle = self.fetches.is_empty() && self.claims.iter().all(|it| it.retries > 0);
        self.begin = if idle { begin } else { self.begin.min(begin) };
        if self.claims.iter().any(|it| it.claim == claim && it.retries == 0) {
            return;
        }
        // What a member says last counts: a process that speaks can be asked.
        self.claims.retain(|it| it.claim.member != claim.member);
        self.wait(Waiting { claim, retries: 0, after: now, doubted: doubt.is_some() });
    }

    /// Puts a claim in its place: whoever is doubted comes last, and is dropped first.
    fn wait(&mut self, waiting: Waiting) {
        if self.claims.len() >= CLAIMS_MAX {
            if waiting.doubted || !self.claims.back().is_some_and(|it| it.doubted) {
                return;
            }
            self.claims.pop_back();
        }
        let behind = |it: &Waiting| waiting.doubted || !it.doubted;
        let place = self.claims.iter().take_while(|it| behind(it)).count();
        self.claims.insert(place, waiting);
    }

    /// When [`Self::poll`] has something to say.
    pub(super) fn due(&self) -> Option<Instant> {
        let begin = self.begin.max(self.claims.iter().map(|it| it.after).min()?);
        Some(if self.fetches.is_empty() { begin } else { begin.max(self.look) })
    }

    /// The next thing to do at `now`; `pages` says how many a fetch has brought.
    pub(super) fn poll(&mut self, now: Instant, pages: impl Fn(&Claim) -> u64) -> Option<Step> {
        if self.due()? > now {
            return None;
        }
        self.look = now + ALONE;
        let at_rest = |fetch: &Fetch| {
            let time = now.since(fetch.begun);
            let expected = u64::try_from(time.as_micros() / STEP.as_micros()).unwrap_or(u64::MAX);
            time >= TURN || pages(&fetch.claim) < expected.saturating_mul(HEADWAY)
        };
        let beside = |it: &Waiting| {
            self.fetches.iter().position(|fetch| fetch.claim.member == it.claim.member)
        };
        let ready = |it: &Waiting| {
            it.after <= now && beside(it).is_none_or(|at| at_rest(&self.fetches[at]))
        };
        let place = self.claims.iter().position(ready)?;
        if let Some(at) = beside(&self.claims[place]) {
            // Another process of the same member speaks: the one that is asked is likely gone.
            self.look = now;
            return Some(Step::Stop(self.fetches.remove(at).claim));
        }
        let full = match self.fetches.as_slice() {
            [] => false,
            [first] => first.begun + ALONE > now,
            others => !others.iter().all(at_rest),
        };
        if full {
            return None;
        }
        if self.fetches.len() >= FETCHES_MAX {
            // The one furthest along stays: on a slow network it is going to be the first.
            let mut order: Vec<(u64, Instant, Claim)> =
                self.fetches.iter().map(|it| (pages(&it.claim), it.begun, it.claim)).collect();
            order.sort_by_key(|(pages, begun, _)| (*pages, *begun));
            order.pop();
            let mut slow = order.into_iter().filter(|(_, begun, _)| now.since(*begun) >= TURN);
            let (_, _, claim) = slow.next()?;
            self.failed(now, claim.sender);
            return Some(Step::Stop(claim));
        }
        let Waiting { claim, retries, .. } = self.claims.remove(place)?;
        self.fetches.push(Fetch { claim, retries, begun: now });
        Some(Step::Start(claim))
    }

    /// A fetch from this process was in vain: it is gone, or gave way. It is asked again later.
    pub(super) fn failed(&mut self, now: Instant, sender: SenderId) {
        let Some(Fetch { claim, retries, .. }) = self.end(now, sender) else { return };
        self.doubt(now, claim.member, false);
        let speaks = self.claims.iter().any(|it| it.claim.member == claim.member);
        if retries < RETRIES_MAX && !speaks {
            let after = now + RETRY_AFTER * (1 << retries);
            self.wait(Waiting { claim, retries: retries + 1, after, doubted: true });
        }
    }

    /// This process has not what it said that it has.
    pub(super) fn lied(&mut self, now: Instant, sender: SenderId) {
        let Some(Fetch { claim, .. }) = self.end(now, sender) else { return };
        self.doubt(now, claim.member, true);
        self.claims.retain(|it| it.claim.member != claim.member);
    }

    fn end(&mut self, now: Instant, sender: SenderId) -> Option<Fetch> {
        let at = self.fetches.iter().position(|it| it.claim.sender == sender)?;
        self.look = now;
        Some(self.fetches.remove(at))
    }

    fn doubt(&mut self, now: Instant, member: NodeId, lied: bool) {
        self.doubted.retain(|it| it.member != member);
        if self.doubted.len() >= DOUBTED_MAX {
            self.doubted.pop_front();
        }
        self.doubted.push_back(Doubt { member, lied, until: now + DOUBT });
    }

    /// The claims of which a fetch is under way that has brought nothing.
    pub(super) fn silent(&self, pages: impl Fn(&Claim) -> u64) -> Vec<Claim> {
        let claims = self.fetches.iter().map(|it| it.claim);
        claims.filter(|claim| pages(claim) == 0).collect()
    }

    /// A fetch from this agent, one of so many others, drew no answer at all. Whether with it just
    /// so many did not answer that they likely do not hear this node, having a list that forgets
    /// it. Clients come and go, and one agent may just have died.
    pub(super) fn unanswered(&mut self, agent: NodeId, others: usize) -> bool {
        let enough = UNANSWERED_MIN.min(others);
        self.unanswered.len() < enough
            && self.unanswered.insert(agent)
            && self.unanswered.len() == enough
    }

    /// A list of this version is in force: what is not newer is wanted no more. The fetches to
    /// stop.
    pub(super) fn installed(&mut self, now: Instant, version: u64) -> Vec<Claim> {
        self.unanswered.clear();
        self.claims.retain(|it| it.claim.version > version);
        let (over, fetches) = std::mem::take(&mut self.fetches)
            .into_iter()
            .partition(|it: &Fetch| it.claim.version <= version);
        self.fetches = fetches;
        self.look = now;
        let over: Vec<Fetch> = over;
        over.into_iter().map(|it| it.claim).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(member: u8, version: u64) -> Claim {
        Claim { member: NodeId([member; 16]), sender: SenderId([member; 12]), version }
    }

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    fn hear(fetching: &mut Fetching, now: Instant, claim: Claim) {
        fetching.hear(now, claim, now);
    }

    #[test]
    fn the_first_claim_has_its_time_and_a_hurry_shortens_it() {
        let mut fetching = Fetching::default();
        fetching.hear(at(0), claim(1, 5), at(900));
        fetching.hear(at(1), claim(2, 5), at(1500));
        assert_eq!((fetching.due(), fetching.poll(at(899), |_| 0)), (Some(at(900)), None));
        fetching.hear(at(2), claim(2, 5), at(2));
        assert_eq!(fetching.poll(at(2), |_| 0), Some(Step::Start(claim(1, 5))));
        assert_eq!(fetching.poll(at(2), |_| 0), None);
    }

    #[test]
    fn fetches_in_a_row_that_draw_no_answer_are_told_once() {
        let mut fetching = Fetching::default();
        let agent = |number: u8| NodeId([number; 16]);
        assert!(!fetching.unanswered(agent(1), 9));
        assert!(!fetching.unanswered(agent(1), 9), "it may just have died");
        assert!(fetching.unanswered(agent(2), 9));
        assert!(!fetching.unanswered(agent(3), 9));
        fetching.installed(at(0), 5);
        assert!(fetching.unanswered(agent(1), 1), "there is no other");
        assert!(!fetching.unanswered(agent(1), 1));
        hear(&mut fetching, at(0), claim(1, 6));
        fetching.poll(at(0), |_| 0);
        assert_eq!(fetching.silent(|_| 0), [claim(1, 6)]);
        assert_eq!(fetching.silent(|_| 1), []);
    }

    /// [PRE-40]
    #[test]
    fn an_honest_member_has_its_turn_beside_one_that_delivers_nothing() {
        for headway in [false, true] {
            let mut fetching = Fetching::default();
            hear(&mut fetching, at(0), claim(1, u64::MAX));
            assert_eq!(fetching.poll(at(0), |_| 0), Some(Step::Start(claim(1, u64::MAX))));
            hear(&mut fetching, at(1), claim(2, 5));
            let mut now = at(0);
            let started = loop {
                now = now.max(fetching.due().unwrap());
                let pages = now.as_micros() / 20_000;
                let step = fetching.poll(now, |_| if headway { pages } else { 0 });
                if step.is_some() {
                    break step;
                }
            };
            assert_eq!((started, now), (Some(Step::Start(claim(2, 5))), at(0) + ALONE));
            assert_eq!(fetching.installed(now, 5), [claim(2, 5)]);
            assert!(fetching.is_busy(), "who claims more goes on");
        }
    }

    /// [PRE-40]
    #[test]
    fn who_lied_is_not_believed_for_a_while() {
        let mut fetching = Fetching::default();
        hear(&mut fetching, at(0), claim(1, 9));
        assert!(fetching.poll(at(0), |_| 0).is_some());
        fetching.lied(at(10), claim(1, 9).sender);
        for (millis, believed) in [(11, false), (15_009, false), (15_010, true)] {
            hear(&mut fetching, at(millis), claim(1, 9));
            assert_eq!(fetching.is_busy(), believed, "{millis}");
        }
        let mut fetching = Fetching::default();
        for member in 0..=u8::try_from(DOUBTED_MAX).unwrap() {
            hear(&mut fetching, at(0), claim(member, 9));
            assert!(fetching.poll(at(0), |_| 0).is_some());
            fetching.lied(at(0), claim(member, 9).sender);
        }
        assert_eq!(fetching.doubted.len(), DOUBTED_MAX);
    }

    /// [PRE-40]
    #[test]
    fn who_was_gone_is_asked_again_a_few_times_and_nobody_waits_for_it() {
        let mut fetching = Fetching::default();
        hear(&mut fetching, at(0), claim(1, 9));
        let mut started = Vec::new();
        let mut now = at(0);
        while let Some(due) = fetching.due() {
            now = now.max(due);
            assert_eq!(fetching.poll(now, |_| 0), Some(Step::Start(claim(1, 9))));
            started.push(now.since(at(0)).as_millis());
            fetching.failed(now, claim(1, 9).sender);
            assert!(!fetching.is_busy());
        }
        assert_eq!(started, [0, 1000, 3000, 7000], "{RETRIES_MAX} retries");
    }

    /// [PRE-40]
    #[test]
    fn another_process_of_the_member_takes_the_place_of_one_that_is_gone() {
        let mut fetching = Fetching::default();
        let next = Claim { sender: SenderId([77; 12]), version: 10, ..claim(1, 9) };
        hear(&mut fetching, at(0), claim(1, 9));
        assert!(fetching.poll(at(0), |_| 0).is_some());
        hear(&mut fetching, at(5), next);
        let mut steps = Vec::new();
        let mut now = at(5);
        while let Some(due) = fetching.due() {
            now = now.max(due);
            steps.extend(fetching.poll(now, |_| 0).map(|step| (now, step)));
        }
        let expected = [(at(0) + STEP, Step::Stop(claim(1, 9))), (at(0) + STEP, Step::Start(next))];
        assert_eq!(steps, expected);
        // While it brings pages, another of the same member changes nothing.
        hear(&mut fetching, at(205), claim(1, 11));
        for _ in 0..3 {
            now = now.max(fetching.due().unwrap());
            assert_eq!(fetching.poll(now, |_| 1000), None);
        }
    }

    /// [PRE-40]
    #[test]
    fn who_is_doubted_comes_last_and_makes_room() {
        let mut fetching = Fetching::default();
        hear(&mut fetching, at(0), claim(100, 9));
        assert!(fetching.poll(at(0), |_| 0).is_some());
        fetching.failed(at(1), claim(100, 9).sender);
        hear(&mut fetching, at(2), claim(100, 9));
        for member in 0..=u8::try_from(CLAIMS_MAX).unwrap() {
            hear(&mut fetching, at(2), claim(member, 9));
        }
        let waiting: Vec<u8> = fetching.claims.iter().map(|it| it.claim.member.0[0]).collect();
        let expected: Vec<u8> = (0..u8::try_from(CLAIMS_MAX).unwrap()).collect();
        assert_eq!(waiting, expected);
    }

    /// [PRE-40]
    #[test]
    fn of_so_many_fetches_the_one_least_along_gives_way_after_its_turn() {
        let falling = |claim: &Claim| 3 - u64::from(claim.member.0[0].min(3));
        let rising = |claim: &Claim| u64::from(claim.member.0[0].min(3));
        let check = |pages: &dyn Fn(&Claim) -> u64, stopped, after| {
            let mut fetching = Fetching::default();
            for member in 0..=u8::try_from(CLAIMS_MAX).unwrap() {
                hear(&mut fetching, at(0), claim(member, 9));
            }
            assert_eq!(fetching.claims.len(), CLAIMS_MAX);
            let mut steps = Vec::new();
            let mut now = at(0);
            while steps.len() < FETCHES_MAX + 2 {
                now = now.max(fetching.due().unwrap());
                steps.extend(fetching.poll(now, pages));
            }
            let mut expected: Vec<Step> =
                (0..3).map(|member| Step::Start(claim(member, 9))).collect();
            expected.extend([Step::Stop(claim(stopped, 9)), Step::Start(claim(3, 9))]);
            assert_eq!((steps, now), (expected, at(0) + after));
        };
        check(&rising, 0, TURN);
        // The first is furthest along; the second began a little later.
        check(&falling, 1, ALONE + TURN);
    }
}
