//! `doctor`: what this host's network can do for a realm, what is broken, and what mends it.
//!
//! Gathers facts, has [`diagnose`] judge them, and prints. What is asked of the realm is in
//! `asking`; with a target, agents tell what they find on their own hosts: `remote`. The realm
//! `local` is never asked, since nothing of it leaves the host.

mod asking;
mod print;
mod remote;

use lcast::home::{Purpose, Sighting};
use lcast_net::Scope;
use lcast_proto::keys::Kind;

use crate::args::{DoctorArgs, Everywhere};
use crate::doctor::diagnose::diagnose;
use crate::doctor::facts::{Facts, RealmFacts};
use crate::doctor::local;
use crate::doctor::subject::{credential_of, realm_of, without_credential};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::place::{self, Place};

/// Looks, asks, judges, prints.
pub(crate) async fn run(
    args: &DoctorArgs,
    everywhere: &Everywhere,
    output: Output,
) -> Result<Exit, Failure> {
    if args.ask.target.is_given() {
        return remote::run(args, everywhere, output).await;
    }
    let place = find(everywhere, output)?;
    let realm = place.as_ref().map_or_else(without_credential, |it| realm_of(&it.credential));
    let host = local::look(&realm);
    let credential = place.as_ref().map(|it| credential_of(&it.credential, it.folder.as_ref()));
    let asked = match place {
        Some(place) if may_ask(&place, &realm) => asking::ask(place, &realm).await?,
        Some(_) | None => None,
    };
    let facts = Facts { realm, host, credential, asked };
    let findings = diagnose(&facts);
    print::print(&facts, &findings, output)?;
    Ok(if findings.is_empty() { Exit::Success } else { Exit::Incomplete })
}

/// Whether there is anything to ask: nothing of a realm of one host goes anywhere, and an agent's
/// credential is for its agent alone.
fn may_ask(place: &Place, realm: &RealmFacts) -> bool {
    realm.scope != Scope::Host && place.credential.certificate().kind() == Kind::Client
}

/// Whether a realm of the system was passed over that has an agent here and no client.
fn passes_over_an_agent(place: &Place) -> bool {
    place.seen.iter().any(|it| matches!(it, Sighting::NoClient { .. }))
}

/// The credential to look with: a client's, else an agent's, else none when none was asked for.
fn find(everywhere: &Everywhere, output: Output) -> Result<Option<Place>, Failure> {
    let error = match place::resolve(everywhere, Purpose::Ask) {
        Ok(place) if !passes_over_an_agent(&place) => return Ok(Some(place)),
        // 'local' stands in for the realm whose agent runs here: that one is in question.
        Ok(local) => {
            return Ok(Some(place::resolve(everywhere, Purpose::Answer).unwrap_or(local)));
        }
        Err(error) => error,
    };
    if let Ok(place) = place::resolve(everywhere, Purpose::Answer) {
        return Ok(Some(place));
    }
    if everywhere.common.credential.is_some() || place::realm_name(everywhere).is_some() {
        return Err(error);
    }
    output.note(&format!("no credential ({error}): only this host is looked at"));
    Ok(None)
}
