//! The realm of a simulated world: its authority, its people, and every member list it signed.
//!
//! Keys come from the world's seed, so that they are the same in every run. For simulations only.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lcast_proto::keys::{
    Authority, Credential, Kind, Labels, MemberEdit, MemberList, Network, Roles, Subject,
};
use lcast_proto::random::Random as KeyRandom;
use lcast_proto::time::Timestamp;

use crate::random::Random;

/// When simulated worlds begin, by wall clocks without skew: 2026-11-22T10:00:00Z.
pub const BEGIN: Timestamp = Timestamp::from_millis(1_795_341_600_000);

/// A member to be, as scenarios describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The certified name.
    pub name: String,
    /// Whether it is an agent; else a client.
    pub agent: bool,
    /// Certified labels.
    pub labels: Vec<(String, String)>,
    /// Certified roles.
    pub roles: Vec<String>,
}

/// The authority and what it issued.
pub struct Realm {
    authority: Authority,
    random: KeyRandom,
    lists: BTreeMap<u64, MemberList>,
    people: BTreeMap<String, Person>,
}

impl Person {
    /// An agent with the label `role`.
    pub fn agent(name: &str, role: &str) -> Self {
        let labels = vec![("role".to_owned(), role.to_owned())];
        Self { name: name.to_owned(), agent: true, labels, roles: Vec::new() }
    }

    /// A client with this role; none when it is empty.
    pub fn client(name: &str, role: &str) -> Self {
        let roles = if role.is_empty() { Vec::new() } else { vec![role.to_owned()] };
        Self { name: name.to_owned(), agent: false, labels: Vec::new(), roles }
    }

    fn subject(&self) -> Subject {
        Subject {
            name: self.name.parse().expect("names of scenarios are well-formed"),
            kind: if self.agent { Kind::Agent } else { Kind::Client },
            labels: Labels::new(self.labels.clone()).expect("labels of scenarios are well-formed"),
            roles: Roles::new(self.roles.clone()).expect("roles of scenarios are well-formed"),
            not_before: BEGIN.saturating_sub(Duration::from_secs(3_600)),
            not_after: BEGIN.saturating_add(Duration::from_secs(3_650 * 86_400)),
        }
    }
}

impl Realm {
    /// A realm without members.
    pub fn new(random: &mut Random) -> Self {
        let mut random = KeyRandom::from_seed(random.seed());
        let authority = Authority::create("sim", &mut random).expect("'sim' names a realm");
        Self { authority, random, lists: BTreeMap::new(), people: BTreeMap::new() }
    }

    /// Makes credentials, and the next member list, which they hold.
    pub fn enroll(&mut self, people: &[Person]) -> Vec<Arc<Credential>> {
        let subjects: Vec<Subject> = people.iter().map(Person::subject).collect();
        let edit = self.newest().map_or_else(MemberEdit::first, MemberList::edit);
        let (network, issued) = (Network::default(), BEGIN);
        let enrolled = self.authority.enroll(edit, &subjects, &network, issued, &mut self.random);
        let enrolled = enrolled.expect("people of scenarios can be enrolled");
        self.lists.insert(enrolled.members.version(), enrolled.members);
        self.people.extend(people.iter().map(|it| (it.name.clone(), it.clone())));
        enrolled.credentials.into_iter().map(Arc::new).collect()
    }

    /// Signs a list in which this member is forgotten; its version.
    pub fn forget(&mut self, name: &str) -> u64 {
        let mut edit = self.newest().expect("the realm has members").edit();
        edit.forget(name).expect("only members are forgotten");
        let list = self.authority.sign_members(edit).expect("the list is short enough");
        let version = list.version();
        self.lists.insert(version, list);
        version
    }

    /// The newest list.
    pub fn newest(&self) -> Option<&MemberList> {
        self.lists.values().next_back()
    }

    /// The list of a version.
    pub fn list(&self, version: u64) -> Option<&MemberList> {
        self.lists.get(&version)
    }

    /// The agents that a list expects: neither clients nor forgotten.
    pub fn agents(&self, version: u64) -> impl Iterator<Item = &Person> {
        let members = self.lists.get(&version).map_or(&[][..], MemberList::members);
        let present = members.iter().filter(|member| !member.forgotten);
        let person = |name: &str| self.people.get(name).filter(|person| person.agent);
        present.filter_map(move |member| person(member.subject.name.as_str()))
    }

    /// Who has this name.
    pub fn person(&self, name: &str) -> Option<&Person> {
        self.people.get(name)
    }
}
