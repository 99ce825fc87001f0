//! Who may do what at this node.
//!
//! A [`Policy`] gives verbs to roles: members read, operators and admins set. A node's own
//! [`Narrowing`] can only take away from that. Permission is judged before existence, so that names
//! cannot be probed: [SEC-50]. Nobody has more than its roles: [SEC-74].

use std::fmt;

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
    /// Where there is a list, who sets must hold one of these roles as well: of an empty one nobody
    /// does.
    pub setters: Option<Vec<String>>,
}

/// Why somebody may not do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied<'a> {
    /// The certificate lacks this role, by the rules of the realm.
    Role(&'static str),
    /// The node's own configuration narrows it to who holds one of these roles as well.
    Narrowed(&'a [String]),
}

/// The rules of a realm and the node's narrowing of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    narrowing: Narrowing,
}

impl fmt::Display for Denied<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(role) => write!(f, "the certificate lacks the role '{role}'"),
            Self::Narrowed([]) => write!(f, "this node takes settings from nobody"),
            Self::Narrowed(roles) => {
                write!(f, "this node takes settings only from: {}", roles.join(", "))
            }
        }
    }
}

impl Policy {
    /// The default rules, narrowed.
    pub fn narrowed(narrowing: Narrowing) -> Self {
        Self { narrowing }
    }

    /// Whether a verified member with these roles may do this at all, and else why not: [SEC-50].
    ///
    /// # Errors
    /// The rules of the realm are judged first: who fails both hears of the realm's.
    pub fn allows(&self, roles: &Roles, verb: Verb) -> Result<(), Denied<'_>> {
        match (verb, &self.narrowing.setters) {
            (Verb::Read, _) => Ok(()),
            (Verb::Set, _) if !roles.holds(Roles::OPERATOR) => Err(Denied::Role(Roles::OPERATOR)),
            (Verb::Set, None) => Ok(()),
            (Verb::Set, Some(setters)) => {
                let kept = setters.iter().any(|role| roles.holds(role));
                kept.then_some(()).ok_or(Denied::Narrowed(setters))
            }
        }
    }

    /// Whether a verified member with these roles may do this to this variable, which need not
    /// exist: [SEC-50].
    pub fn allows_variable(&self, roles: &Roles, verb: Verb, name: &Name) -> bool {
        self.allows(roles, verb).is_ok() && self.allows_template(&name.template())
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
            assert_eq!(
                verbs.map(|verb| policy.allows(&roles(text), verb).is_ok()),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_node_only_narrows() {
        let policy = Policy::narrowed(Narrowing {
            unreadable: vec!["app.secret".to_owned(), "app.disk[*].key".to_owned()],
            setters: Some(vec!["dba".to_owned()]),
        });
        let dba = ["dba".to_owned()];
        for (text, expected) in [
            ("operator", Err(Denied::Narrowed(&dba))),
            ("dba", Err(Denied::Role("operator"))),
            ("dba operator", Ok(())),
            ("admin dba", Ok(())),
        ] {
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

    /// [SEC-50]
    #[test]
    fn an_empty_list_of_setters_lets_nobody_set() {
        let policy =
            Policy::narrowed(Narrowing { setters: Some(Vec::new()), ..Narrowing::default() });
        assert_eq!(policy.allows(&roles("admin"), Verb::Set), Err(Denied::Narrowed(&[])));
        assert_eq!(policy.allows(&roles(""), Verb::Read), Ok(()));
    }

    #[test]
    fn a_denial_names_the_rule_that_denies() {
        let roles = ["dba".to_owned(), "lead".to_owned()];
        for (denied, expected) in [
            (Denied::Role("operator"), "the certificate lacks the role 'operator'"),
            (Denied::Narrowed(&roles), "this node takes settings only from: dba, lead"),
            (Denied::Narrowed(&[]), "this node takes settings from nobody"),
        ] {
            assert_eq!(denied.to_string(), expected);
        }
    }
}
