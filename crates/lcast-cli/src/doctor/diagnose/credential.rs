//! What is wrong with the credential.

use crate::doctor::Finding;
use crate::doctor::facts::Facts;

pub(super) fn diagnose(_facts: &Facts) -> Vec<Finding> {
    Vec::new()
}
