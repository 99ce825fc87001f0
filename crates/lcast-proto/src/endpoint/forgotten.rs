//! Who the realm has forgotten and who speaks all the same: for people, who look for a host that
//! runs with an old credential. Nothing of the protocol depends on it. [SEC-34]

use std::collections::BTreeMap;

use crate::keys::certificate::Certificate;
use crate::time::Timestamp;
use crate::wire::id::NodeId;

/// A process that speaks with a credential that the realm has forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgottenSpeaker {
    /// The name in its certificate; another member may have it by now.
    pub name: String,
    /// The id that was forgotten.
    pub id: NodeId,
    /// When it was last heard.
    pub last_heard: Timestamp,
}

/// Those heard lately; beyond the limit the longest silent makes room.
#[derive(Debug, Default)]
pub(super) struct Forgotten(BTreeMap<NodeId, ForgottenSpeaker>);

impl Forgotten {
    /// Most that are remembered.
    pub(super) const SPEAKERS_MAX: usize = 64;

    pub(super) fn heard(&mut self, wall: Timestamp, certificate: &Certificate) {
        let id = certificate.id();
        if let Some(known) = self.0.get_mut(&id) {
            known.last_heard = wall;
            return;
        }
        if self.0.len() >= Self::SPEAKERS_MAX {
            let oldest = self.0.values().min_by_key(|it| it.last_heard).map(|it| it.id);
            oldest.and_then(|id| self.0.remove(&id));
        }
        let name = certificate.name().as_str().to_owned();
        self.0.insert(id, ForgottenSpeaker { name, id, last_heard: wall });
    }

    pub(super) fn speakers(&self) -> Vec<ForgottenSpeaker> {
        self.0.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::authority::Authority;
    use crate::keys::credential::Network;
    use crate::keys::members::MemberEdit;
    use crate::keys::subject::{Kind, Subject};
    use crate::random::Random;

    #[test]
    fn the_longest_silent_makes_room() {
        let wall = Timestamp::from_millis(1_000_000_000_000);
        let subject = |index: usize| Subject::plain(&format!("n{index}"), Kind::Agent, wall);
        let subjects: Vec<Subject> = (0..=Forgotten::SPEAKERS_MAX).map(subject).collect();
        let mut random = Random::from_seed([9; 32]);
        let authority = Authority::create("prod", &mut random).unwrap();
        let edit = MemberEdit::first();
        let enrolled =
            authority.enroll(edit, &subjects, &Network::default(), wall, &mut random).unwrap();
        let mut forgotten = Forgotten::default();
        let mut later = (0..).map(Timestamp::from_millis);
        let names = |it: &Forgotten| -> Vec<String> {
            let mut names: Vec<String> = it.speakers().into_iter().map(|it| it.name).collect();
            names.sort_unstable();
            names
        };
        let (last, before) = enrolled.credentials.split_last().unwrap();
        for credential in before {
            forgotten.heard(later.next().unwrap(), credential.certificate());
        }
        assert_eq!(names(&forgotten).len(), Forgotten::SPEAKERS_MAX);
        forgotten.heard(later.next().unwrap(), before[0].certificate());
        forgotten.heard(later.next().unwrap(), last.certificate());
        let names = names(&forgotten);
        assert_eq!(names.len(), Forgotten::SPEAKERS_MAX);
        assert!(names.contains(&"n0".to_owned()) && !names.contains(&"n1".to_owned()));
    }
}
