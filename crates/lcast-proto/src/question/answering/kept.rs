//! Large replies, kept for pulling: as many bytes as there are, shared among those who ask.
//! [QST-30] [QST-31]

use std::sync::Arc;

use super::holdings::Holdings;
use super::task::watched_from;
use super::{Answering, Heard, INLINE_MAX, KEPT_BYTES_MAX, KEPT_FOR, Step};
use crate::question::report::ErrorCode;
use crate::time::{Instant, Now};
use crate::wire::frame::Answer;
use crate::wire::id::{NodeId, SenderId};

/// A large reply.
pub(super) struct Kept {
    pub(super) bytes: Arc<[u8]>,
    pub(super) until: Instant,
}

impl Answering {
    /// Values within the reply, or announced and kept when they are too many. [QST-30]
    pub(super) fn answer_values(
        &mut self,
        key: (SenderId, u64),
        now: Now,
        watched: Option<u64>,
        bytes: Vec<u8>,
    ) {
        if bytes.len() <= INLINE_MAX {
            self.answer(key, watched_from(watched, Answer::Values(bytes)));
            return;
        }
        if !self.make_room_for_bytes(key, bytes.len()) {
            // Who is answered with an error has no lease. [WAT-1]
            if let Some(asker) = self.heard.get(&key).map(|heard| heard.asker) {
                self.watched.end(key, asker);
            }
            let message = "too many large replies at once; ask again or for less".to_owned();
            self.answer(key, Answer::Error(ErrorCode::Limit.code(), message));
            return;
        }
        let total = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.kept_bytes += bytes.len();
        self.answer(key, watched_from(watched, Answer::Announced(total)));
        if let Some(Heard { step: Step::Answered { kept, .. }, .. }) = self.heard.get_mut(&key) {
            *kept = Some(Kept { bytes: bytes.into(), until: now.instant + KEPT_FOR });
        }
    }

    /// Makes room for a large reply: whoever keeps more than its asker would loses one, the
    /// greediest first, the one unpulled for longest. Whether there is room. [QST-31]
    fn make_room_for_bytes(&mut self, key: (SenderId, u64), length: usize) -> bool {
        let Some(asker) = self.heard.get(&key).map(|heard| heard.asker) else { return false };
        while self.kept_bytes + length > KEPT_BYTES_MAX {
            let kept = self.all_kept().map(|(_, member, reply)| (member, reply.bytes.len()));
            let holdings = Holdings::of(kept);
            let own = holdings.held_by(&asker) + length;
            let Some(member) = holdings.over(own).next() else { return false };
            let theirs = self.all_kept().filter(|(_, of, _)| *of == member);
            let oldest = theirs.min_by_key(|(_, _, reply)| reply.until).map(|(key, ..)| key);
            let Some(oldest) = oldest else { return false };
            self.drop_kept(oldest);
        }
        true
    }

    /// The large replies kept, and for whom.
    fn all_kept(&self) -> impl Iterator<Item = ((SenderId, u64), NodeId, &Kept)> {
        self.heard.iter().filter_map(|(key, heard)| match &heard.step {
            Step::Answered { kept, .. } => Some((*key, heard.asker, kept.as_ref()?)),
            Step::Waiting { .. } | Step::Sampling { .. } | Step::Setting { .. } => None,
        })
    }

    /// Keeps a large reply no longer: asked again, its question is evaluated anew.
    fn drop_kept(&mut self, key: (SenderId, u64)) {
        let Some(Heard { step: Step::Answered { kept, .. }, .. }) = self.heard.get_mut(&key) else {
            return;
        };
        if let Some(gone) = kept.take() {
            self.kept_bytes -= gone.bytes.len();
        }
        self.schedule(key);
    }

    /// A large reply, for a pull by the process that asked.
    pub fn kept(&mut self, now: Instant, sender: SenderId, request: u64) -> Option<Arc<[u8]>> {
        match &mut self.heard.get_mut(&(sender, request))?.step {
            Step::Answered { kept: Some(kept), .. } => {
                kept.until = now + KEPT_FOR;
                Some(kept.bytes.clone())
            }
            Step::Answered { kept: None, .. }
            | Step::Waiting { .. }
            | Step::Sampling { .. }
            | Step::Setting { .. } => None,
        }
    }
}
