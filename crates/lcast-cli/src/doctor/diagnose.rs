//! The judgement: facts in, findings out. A pure function.
//!
//! Causes come in order, the one that explains most first: who has no IPv6 is not told about
//! routes, too; and what an error on this host explains is not told beside it.

mod credential;
mod fleet;
mod host;
#[cfg(test)]
mod tests;

pub(crate) use self::fleet::{duplicate, is_no_chance};
use super::Finding;
use super::cause::Cause;
use super::facts::Facts;

/// What is wrong, judged by these facts.
pub(crate) fn diagnose(facts: &Facts) -> Vec<Finding> {
    let mut findings = host::diagnose(facts);
    findings.extend(credential::diagnose(facts));
    findings.extend(fleet::diagnose(facts));
    let errors = findings.iter().filter(|it| it.is_of_this_host());
    let errors: Vec<Cause> = errors.map(|it| it.cause).collect();
    findings.retain(|it| !errors.iter().any(|error| error.explains(it.cause)));
    findings
}
