//! What is wrong with the credential.

use std::time::Duration;

use lcast_proto::time::Timestamp;

use crate::doctor::cause::Cause;
use crate::doctor::facts::{AgentFacts, CredentialFacts, Facts, ForgottenFacts};
use crate::doctor::mend::quoted;
use crate::doctor::{Finding, Place, Severity};

/// How long before its end a credential is worth a word.
const SOON: Duration = Duration::from_secs(30 * 86_400);

pub(super) fn diagnose(facts: &Facts) -> Vec<Finding> {
    let credential = facts.credential.iter();
    let findings = credential.filter_map(|credential| expiry(&facts.realm.name, credential));
    let findings = refused(facts).into_iter().chain(findings);
    findings.chain(other_realm(facts)).chain(forgotten(facts)).collect()
}

/// A client's credential that other commands refuse: nobody is asked without it.
fn refused(facts: &Facts) -> Option<Finding> {
    let refused = facts.refused.as_ref()?;
    let what = format!("no command can ask with the client's credential here: {}", refused.what);
    let command = refused.command(facts.host.root);
    Some(Finding::here(Cause::CredentialRefused, Severity::Error, what, command))
}

fn expiry(realm: &str, credential: &CredentialFacts) -> Option<Finding> {
    let CredentialFacts { name, not_after, wall, .. } = credential;
    let (cause, severity, what) = if wall > not_after {
        let what = format!("the credential of '{name}' expired at {not_after}");
        (Cause::CredentialExpired, Severity::Error, what)
    } else if wall.saturating_add(SOON) > *not_after {
        let what = format!("the credential of '{name}' expires at {not_after}");
        (Cause::CredentialSoonExpired, Severity::Warning, what)
    } else {
        return None;
    };
    let CredentialFacts { client, roles, labels, .. } = credential;
    let issue = Issue { realm, name, client: *client, again: true, roles, labels, wall: *wall };
    if credential.authority {
        // The one that is held has to make way.
        let held = credential.folder.as_deref().filter(|_| credential.client);
        let away = held.map(|folder| {
            let held = quoted(&folder.join("credential").to_string_lossy());
            format!("mv {held} {held}.old && ")
        });
        let (away, command) = (away.unwrap_or_default(), issue.command());
        let command = format!("{command} && {away}librecast join {}", issue.file());
        return Some(Finding::here(cause, severity, what, command));
    }
    let what = what
        + "; whoever learns of a new one no longer hears who uses the old, so once it is issued, \
           bring it there and start with it";
    Some(Finding { cause, severity, what, place: Place::Authority, command: issue.command() })
}

/// A credential that is to be issued once more.
struct Issue<'a> {
    realm: &'a str,
    name: &'a str,
    client: bool,
    /// Whether the name is a member's: it is not forgotten before, since whoever is forgotten and
    /// gets no other credential is cut off.
    again: bool,
    roles: &'a [String],
    labels: &'a [(String, String)],
    wall: Timestamp,
}

impl Issue<'_> {
    fn command(&self) -> String {
        let Self { realm, name, client, again, roles, labels, .. } = self;
        let client = if *client { " --client" } else { "" };
        let again = if *again { " --again" } else { "" };
        let certified = certified(roles, labels);
        let file = self.file();
        format!(
            "librecast realm issue --realm {realm} --name {name}{client}{again}{certified} --out \
             {file}"
        )
    }

    /// Where it goes: the one before may lie where it was issued, and is not overwritten.
    fn file(&self) -> String {
        let wall = self.wall.to_string();
        format!("{}-{}.credential", self.name, wall.split('T').next().unwrap_or_default())
    }
}

/// The options that certify these roles and labels.
pub(super) fn certified(roles: &[String], labels: &[(String, String)]) -> String {
    let roles = roles.iter().map(|role| format!(" --role {role}"));
    let label = |(key, value): &(String, String)| quoted(&format!("{key}={value}"));
    roles.chain(labels.iter().map(|it| format!(" --label {}", label(it)))).collect()
}

/// Nobody of the realm speaks, and others do at its port.
fn other_realm(facts: &Facts) -> Option<Finding> {
    let asked = facts.asked.as_ref()?;
    let spoke = !asked.agents.iter().all(AgentFacts::is_silent);
    if spoke || asked.other_realm == 0 {
        return None;
    }
    let what = format!(
        "nobody of realm '{}' is heard, but {} packets of another realm came to its port {}",
        facts.realm.name, asked.other_realm, facts.realm.port
    );
    let credential = facts.credential.as_ref()?;
    let mut command = format!("librecast join {}.credential", credential.name);
    // A realm of the same name has to make way; beside the realms it is none any more.
    let home = credential.folder.as_deref().and_then(|it| Some((it, it.parent()?.parent()?)));
    if let Some((folder, home)) = home {
        let old = home.join(format!("{}.old", facts.realm.name));
        let [folder, old] = [folder, &old].map(|path| quoted(&path.to_string_lossy()));
        command = format!("mv {folder} {old} && {command}");
    }
    Some(Finding::here(Cause::CredentialOtherRealm, Severity::Error, what, command))
}

/// Agents that run with a credential from before they were forgotten: nobody hears them.
fn forgotten(facts: &Facts) -> Vec<Finding> {
    let Some(CredentialFacts { wall, .. }) = facts.credential else { return Vec::new() };
    let finding = |it: &ForgottenFacts| {
        let ForgottenFacts { name, client, roles, labels, .. } = it;
        let cause = Cause::CredentialForgotten;
        if it.replaced {
            let what = format!(
                "'{name}' runs with a credential that was forgotten, its name was issued again: \
                 nobody hears it; stop the agent that runs there, since two of one name cannot \
                 share a state folder, and start it with the file that was issued last"
            );
            let command = "librecast agent --credential FILE".to_owned();
            let place = Place::Nodes(vec![name.clone()]);
            return Finding { cause, severity: Severity::Error, what, place, command };
        }
        let what = format!(
            "'{name}' was forgotten and runs all the same; nobody hears it: stop its agent, or \
             issue its name again, stop it, and start it with that file"
        );
        let (realm, again) = (facts.realm.name.as_str(), false);
        let command = Issue { realm, name, client: *client, again, roles, labels, wall }.command();
        Finding { cause, severity: Severity::Warning, what, place: Place::Authority, command }
    };
    facts.asked.iter().flat_map(|it| &it.forgotten).map(finding).collect()
}
