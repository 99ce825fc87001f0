//! From whom a newer member list is fetched.
//!
//! Any member can claim to hold one. So claims are kept one of each member, a fetch that makes no
//! headway does not keep the others waiting, and whoever claimed what it did not deliver is not
//! believed for a while. [PRE-8] [PRE-40] Not here: pages, which are pulled by
//! [`Pulls`](crate::question::pull::Pulls); whether a list is true, which its signature says.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Instant;
use crate::wire::id::{NodeId, SenderId};

/// Claims that wait for their turn, one of each member.
pub(super) const CLAIMS_MAX: usize = 16;
/// Fetches at once, each from another member.
pub(super) const FETCHES_MAX: usize = 3;
/// How long a fetch is left alone, if it makes headway, before another starts beside it.
const TURN: Duration = Duration::from_secs(3);
/// How often headway is looked at while others wait.
const STEP: Duration = Duration::from_millis(200);
/// Pages in a [`STEP`] that are headway.
const HEADWAY: u64 = 10;
/// How long a member is not believed after a claim that it did not make good.
const MISTRUST: Duration = Duration::from_secs(15);
/// Fetches in a row that nobody answered, after which this node is likely forgotten.
pub(super) const UNANSWERED_MIN: u32 = 3;
/// Members that are not believed at once; beyond that the first is forgiven.
pub(super) const MISTRUSTED_MAX: usize = 64;

/// Claims of newer member lists, and the fetches that came of them.
#[derive(Default)]
pub(super) struct Fetching {
    /// Those that wait, in order of arrival.
    claims: VecDeque<Claim>,
    /// When the first of them may start.
    begin: Instant,
    /// Under way, in order of their start.
    fetches: Vec<Fetch>,
    /// When to look whether they make headway.
    look: Instant,
    mistrusted: VecDeque<(NodeId, Instant)>,
    /// Fetches in a row that nobody answered.
    unanswered: u32,
}

/// A member's word that it holds a version of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) member: NodeId,
    pub(super) sender: SenderId,
    pub(super) version: u64,
}

struct Fetch {
    claim: Claim,
    begun: Instant,
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
    /// Whether a newer list may be on its way.
    pub(super) fn is_busy(&self) -> bool {
        !self.claims.is_empty() || !self.fetches.is_empty()
    }

    /// Takes a claim; fetching begins at `begin`, or earlier where that was said before.
    pub(super) fn hear(&mut self, now: Instant, claim: Claim, begin: Instant) {
        self.mistrusted.retain(|(_, until)| *until > now);
        let mut running = self.fetches.iter();
        if self.mistrusted.iter().any(|(member, _)| *member == claim.member)
            || running.any(|it| it.claim.member == claim.member)
        {
            return;
        }
        self.begin = if self.is_busy() { self.begin.min(begin) } else { begin };
        if let Some(known) = self.claims.iter_mut().find(|it| it.member == claim.member) {
            *known = claim;
        } else if self.claims.len() < CLAIMS_MAX {
            self.claims.push_back(claim);
        }
    }

    /// When [`Self::poll`] has something to say.
    pub(super) fn due(&self) -> Option<Instant> {
        self.claims.front()?;
        Some(if self.fetches.is_empty() { self.begin } else { self.begin.max(self.look) })
    }

    /// The next thing to do at `now`; `pages` says how many a fetch has brought.
    pub(super) fn poll(&mut self, now: Instant, pages: impl Fn(&Claim) -> u64) -> Option<Step> {
        if self.due()? > now {
            return None;
        }
        self.look = now + STEP;
        let at_rest = |fetch: &Fetch| {
            let time = now.since(fetch.begun);
            let expected = u64::try_from(time.as_micros() / STEP.as_micros()).unwrap_or(u64::MAX);
            time >= TURN || pages(&fetch.claim) < expected.saturating_mul(HEADWAY)
        };
        if !self.fetches.iter().all(at_rest) {
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
            self.look = now;
            self.failed(now, claim.sender);
            return Some(Step::Stop(claim));
        }
        let claim = self.claims.pop_front()?;
        self.fetches.push(Fetch { claim, begun: now });
        Some(Step::Start(claim))
    }

    /// A fetch from this process was in vain, or brought a false list.
    pub(super) fn failed(&mut self, now: Instant, sender: SenderId) {
        let Some(at) = self.fetches.iter().position(|it| it.claim.sender == sender) else { return };
        let member = self.fetches.remove(at).claim.member;
        self.look = now;
        if self.mistrusted.len() >= MISTRUSTED_MAX {
            self.mistrusted.pop_front();
        }
        self.mistrusted.push_back((member, now + MISTRUST));
    }

    /// Of whom a fetch is under way that has brought nothing.
    pub(super) fn silent(&self, pages: impl Fn(&Claim) -> u64) -> Vec<SenderId> {
        let claims = self.fetches.iter().map(|it| it.claim);
        claims.filter(|claim| pages(claim) == 0).map(|claim| claim.sender).collect()
    }

    /// A fetch drew no answer at all. Whether just so many did in a row that the others likely do
    /// not hear this node, having a list that forgets it.
    pub(super) fn unanswered(&mut self) -> bool {
        self.unanswered = self.unanswered.saturating_add(1);
        self.unanswered == UNANSWERED_MIN
    }

    /// A list of this version is in force: what is not newer is wanted no more. The fetches to
    /// stop.
    pub(super) fn installed(&mut self, now: Instant, version: u64) -> Vec<Claim> {
        self.unanswered = 0;
        self.claims.retain(|it| it.version > version);
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
        for turn in 1..=2 * UNANSWERED_MIN {
            assert_eq!(fetching.unanswered(), turn == UNANSWERED_MIN, "{turn}");
        }
        fetching.installed(at(0), 5);
        assert!(!fetching.unanswered());
        hear(&mut fetching, at(0), claim(1, 6));
        fetching.poll(at(0), |_| 0);
        assert_eq!(fetching.silent(|_| 0), [claim(1, 6).sender]);
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
            let turn = if headway { TURN } else { STEP };
            let mut now = at(0);
            let started = loop {
                now = now.max(fetching.due().unwrap());
                let pages = now.as_micros() / 20_000;
                let step = fetching.poll(now, |_| if headway { pages } else { 0 });
                if step.is_some() {
                    break step;
                }
            };
            assert_eq!((started, now), (Some(Step::Start(claim(2, 5))), at(0) + turn));
            assert_eq!(fetching.installed(now, 5), [claim(2, 5)]);
            assert!(fetching.is_busy(), "who claims more goes on");
        }
    }

    /// [PRE-40]
    #[test]
    fn who_did_not_deliver_is_not_believed_for_a_while() {
        let mut fetching = Fetching::default();
        hear(&mut fetching, at(0), claim(1, 9));
        assert!(fetching.poll(at(0), |_| 0).is_some());
        fetching.failed(at(10), claim(1, 9).sender);
        for (millis, believed) in [(11, false), (15_009, false), (15_010, true)] {
            hear(&mut fetching, at(millis), claim(1, 9));
            assert_eq!(fetching.is_busy(), believed, "{millis}");
        }
        let mut fetching = Fetching::default();
        for member in 0..=u8::try_from(MISTRUSTED_MAX).unwrap() {
            hear(&mut fetching, at(0), claim(member, 9));
            assert!(fetching.poll(at(0), |_| 0).is_some());
            fetching.failed(at(0), claim(member, 9).sender);
        }
        assert_eq!(fetching.mistrusted.len(), MISTRUSTED_MAX);
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
        // The first is furthest along; the second began a step later.
        check(&falling, 1, STEP + TURN);
    }
}
