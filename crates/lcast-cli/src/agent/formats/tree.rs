//! The rule of trees: no value at or below another, and keys or named children, never both.

use std::collections::BTreeMap;

use lcast_proto::name::Step;

/// The places of values in a tree, to find those that cannot stand together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    places: BTreeMap<Vec<Step>, Place>,
}

/// What is at a place of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Value,
    Children,
    Keys,
}

impl Tree {
    /// Takes a place for a value; whether it could. The same place twice is refused.
    pub(crate) fn insert(&mut self, steps: &[Step]) -> bool {
        for (depth, step) in steps.iter().enumerate() {
            let kind = match step {
                Step::Segment(_) => Place::Children,
                Step::Key(_) => Place::Keys,
            };
            if self.places.get(&steps[..depth]).is_some_and(|place| *place != kind) {
                return false;
            }
        }
        if self.places.contains_key(steps) {
            return false;
        }
        for (depth, step) in steps.iter().enumerate() {
            let kind = match step {
                Step::Segment(_) => Place::Children,
                Step::Key(_) => Place::Keys,
            };
            self.places.entry(steps[..depth].to_vec()).or_insert(kind);
        }
        self.places.insert(steps.to_vec(), Place::Value);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_cannot_stand_together_are_refused() {
        let mut tree = Tree::default();
        for (name, expected) in [
            ("a.b", true),
            ("a.b", false),
            ("a.b.c", false),
            ("a.c[\"x\"].d", true),
            ("a.c[\"y\"].d", true),
            ("a.c[\"y\"]", false),
            ("a.c.z", false),
            ("a.d", true),
        ] {
            let name: lcast_proto::name::Name = name.parse().unwrap();
            assert_eq!(tree.insert(name.steps()), expected, "{name}");
        }
    }
}
