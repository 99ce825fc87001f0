//! Who may do what at this node.
//!
//! A [`Policy`] gives verbs to roles: members read, operators and admins set. A node's own
//! [`Narrowing`] can only take away from that. Permission is judged before existence, so that names
//! cannot be probed: [SEC-50]. Nobody has more than its roles: [SEC-74].

use super::subject::Roles;
use crate::name::Name;

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Read variables.
    Read,
    /// Set variables and call actions.
    Set,
}

/// What a node's own configuration takes away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrowing {
    /// Templates such as `app.secret`: what they name and all below is read by nobody from outside.
    pub unreadable: Vec<String>,
    /// When there are any: who sets must hold one of these roles as well.
    pub setters: Vec<String>,
}

/// The rules of a realm and the node's narrowing of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    narrowing: Narrowing,
}

impl Policy {
    /// The default rules, narrowed.
    pub fn narrowed(narrowing: Narrowing) -> Self {
        Self { narrowing }
    }

    /// Whether a verified member with these roles may do this at all: [SEC-50].
    pub fn allows(&self, roles: &Roles, verb: Verb) -> bool {
        match verb {
            Verb::Read => true,
            Verb::Set => {
                let setters = &self.narrowing.setters;
                let kept = setters.is_empty() || setters.iter().any(|role| roles.holds(role));
                roles.holds(Roles::OPERATOR) && kept
            }
        }
    }

    /// Whether a verified member with these roles may do this to this variable, which need not
    /// exist: [SEC-50].
    pub fn allows_variable(&self, roles: &Roles, verb: Verb, name: &Name) -> bool {
        self.allows(roles, verb) && self.allows_template(&name.template())
    }

    /// Whether variables of this template may be seen from outside.
    pub fn allows_template(&self, template: &str) -> bool {
        let hidden = |prefix: &String| {
            let rest = template.strip_prefix(prefix.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        !self.narrowing.unreadable.iter().any(hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(text: &str) -> Roles {
        Roles::new(text.split_whitespace().map(str::to_owned)).unwrap()
    }

    /// [SEC-50]
    #[test]
    fn roles_give_verbs() {
        let policy = Policy::default();
        for (text, expected) in [
            ("", [true, false]),
            ("auditor", [true, false]),
            ("operator", [true, true]),
            ("admin", [true, true]),
        ] {
            let verbs = [Verb::Read, Verb::Set];
            assert_eq!(verbs.map(|verb| policy.allows(&roles(text), verb)), expected, "{text}");
        }
    }

    #[test]
    fn a_node_only_narrows() {
        let policy = Policy::narrowed(Narrowing {
            unreadable: vec!["app.secret".to_owned(), "app.disk[*].key".to_owned()],
            setters: vec!["dba".to_owned()],
        });
        for (text, expected) in
            [("operator", false), ("dba", false), ("dba operator", true), ("admin dba", true)]
        {
            assert_eq!(policy.allows(&roles(text), Verb::Set), expected, "{text}");
        }
        for (name, expected) in [
            ("app.secret", false),
            ("app.secret.key", false),
            ("app.secrets", true),
            ("app.disk[\"a\"].key", false),
            ("app.disk[\"a\"].size", true),
        ] {
            let name: Name = name.parse().unwrap();
            let allowed = policy.allows_variable(&roles("admin"), Verb::Read, &name);
            assert_eq!(allowed, expected, "{name}");
        }
    }
}
