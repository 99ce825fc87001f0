//! The usual set-up: an asker, and agents that each have a host of their own.

use lcast_lab::{Agent, Lab, Member, Realm};

/// A setting and a variable, for agents that need no other.
pub(crate) const CONFIG: &str = r#"
[[setting]]
name = "app.greeting"
type = "text"
max_len = 64
default = ""

[[setting]]
name = "app.limit"
type = "int"
default = 5

[[variable]]
name = "app.release"
value = "1.2.3"
"#;

/// Host 0 is the authority's and the asker's; host `i` runs agent `i`.
pub(crate) struct Fleet {
    pub(crate) agents: Vec<Agent>,
    pub(crate) realm: Realm,
    pub(crate) lab: Lab,
}

/// The name of agent `index` (from 1) of `count`: the first half are web servers.
pub(crate) fn name(index: usize, count: usize) -> String {
    if index <= count.div_ceil(2) { format!("web{index}") } else { format!("db{index}") }
}

/// All names, sorted.
pub(crate) fn names(count: usize) -> Vec<String> {
    let mut names: Vec<String> = (1..=count).map(|index| name(index, count)).collect();
    names.sort();
    names
}

fn member(index: usize, count: usize) -> Member {
    let name = name(index, count);
    let role = name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    Member::agent(name).label(&format!("role={role}"))
}

impl Fleet {
    /// So many agents, all ready, and `spare` more hosts behind them.
    pub(crate) fn new(count: usize, spare: usize, config: &str) -> Self {
        Self::in_lab(Lab::new(1 + count + spare).build(), count, config)
    }

    /// So many agents in this lab, all ready.
    pub(crate) fn in_lab(lab: Lab, count: usize, config: &str) -> Self {
        let realm = Realm::create(&lab.host(0), "prod", "");
        let members: Vec<_> =
            (1..=count).map(|index| (lab.host(index), member(index, count))).collect();
        let agents = realm.start_all(&members, config);
        Self { agents, realm, lab }
    }

    /// The agent of this name.
    pub(crate) fn agent(&mut self, name: &str) -> &mut Agent {
        let found = self.agents.iter_mut().find(|agent| agent.name == name);
        found.unwrap_or_else(|| panic!("no agent {name}"))
    }
}
