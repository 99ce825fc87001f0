//! The judgement: facts in, findings out. A pure function.
//!
//! Causes come in order, the one that explains most first: who has no IPv6 is not told about
//! routes, too.

mod credential;
mod fleet;
mod host;
#[cfg(test)]
mod tests;

use super::Finding;
use super::facts::Facts;

/// What is wrong, judged by these facts.
pub(crate) fn diagnose(facts: &Facts) -> Vec<Finding> {
    let mut findings = host::diagnose(facts);
    findings.extend(credential::diagnose(facts));
    findings.extend(fleet::diagnose(facts));
    findings
}
