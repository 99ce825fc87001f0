//! `doctor`: what this host's network can do for a realm, what is broken, and what mends it.
//!
//! Gathers facts, has [`diagnose`] judge them, and prints. What is asked of the realm is in
//! `asking`; with a target, agents tell what they find on their own hosts: `remote`. The realm
//! `local` is never asked, since nobody is expected in it.

mod asking;
mod print;
mod remote;

use lcast::home::{LOCAL, Purpose, Sighting};
use lcast_proto::keys::{Kind, Scope, Validity};

use crate::args::require::Require;
use crate::args::{DoctorArgs, Everywhere, QuestionArgs};
use crate::doctor::diagnose::diagnose;
use crate::doctor::facts::Facts;
use crate::doctor::local;
use crate::doctor::refused::{RefusedFacts, Way};
use crate::doctor::subject::{credential_of, realm_of, without_credential};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Format, Output};
use crate::place::{self, Place};
use crate::signals::Signals;

/// Looks, asks, judges, prints.
pub(crate) async fn run(
    args: &DoctorArgs,
    everywhere: &Everywhere,
    output: Output,
) -> Result<Exit, Failure> {
    if args.ask.target.is_given() {
        return remote::run(args, everywhere, output).await;
    }
    let QuestionArgs { require, fail_empty, timeout } = &args.ask.question;
    if *require != Require::All || *fail_empty || timeout.is_some() {
        let message = "--require, --fail-empty and --timeout are about agents that are asked what \
                       they find: pick some, for example with --on 'web*'";
        return Err(Failure::usage(message));
    }
    let refused = refused(everywhere);
    let place = find(everywhere, refused.is_some(), output)?;
    let realm = place.as_ref().map_or_else(without_credential, |it| realm_of(&it.credential));
    let host = local::look(&realm);
    let credential = place.as_ref().map(|it| credential_of(&it.credential, it.folder.as_ref()));
    let mut signals = Signals::watch()?;
    let asked = match place {
        Some(place) if !may_ask(&place) => Ok(None),
        Some(place) if realm.scope == Scope::Host => {
            asking::ask_here(place, &realm, &mut signals).await
        }
        Some(place) => asking::ask(place, &realm, &mut signals).await,
        None => Ok(None),
    };
    let (asked, interrupted) = match asked {
        Ok(asked) => (asked, false),
        Err(failure) if failure.exit == Exit::Interrupted => (None, true),
        Err(failure) => return Err(failure),
    };
    let facts = Facts { realm, host, credential, refused, asked };
    let findings = diagnose(&facts);
    print::print(&facts, &findings, output)?;
    if interrupted {
        output.note("interrupted: only this host was looked at");
    } else if findings.is_empty() && output.format == Format::Text {
        output.note(&nothing_is_wrong(&facts));
    }
    let sound = findings.is_empty() && !interrupted;
    Ok(if sound { Exit::Success } else { Exit::Incomplete })
}

/// What to say of a host without findings: of the network it says nothing where nobody was asked.
fn nothing_is_wrong(facts: &Facts) -> String {
    let sound = format!("nothing is wrong here for realm '{}'", facts.realm.name);
    if facts.asked.is_some() || facts.realm.scope == Scope::Host {
        return sound;
    }
    sound
        + ", as far as this host alone shows: nobody was asked, so what its firewall or the \
           network drops does not show; 'librecast doctor' with a client's credential, on another \
           host, asks"
}

/// Whether there is anybody to ask: nobody is expected in the realm `local`, an agent's credential
/// is for its agent alone, and nobody answers one that has ended.
fn may_ask(place: &Place) -> bool {
    let certificate = place.credential.certificate();
    let ended = certificate.validity(place::wall()) == Validity::Expired;
    place.credential.realm_name() != LOCAL && certificate.kind() == Kind::Client && !ended
}

/// Whether a realm of the system was passed over that has an agent here and no client.
fn passes_over_an_agent(place: &Place) -> bool {
    place.seen.iter().any(|it| matches!(it, Sighting::NoClient { .. }))
}

/// Why the client's credential that other commands would use is refused.
fn refused(everywhere: &Everywhere) -> Option<RefusedFacts> {
    if everywhere.common.credential.is_some() {
        // Who names a file is told at once.
        return None;
    }
    let (home, wall) = (place::home(), place::wall());
    let name = place::realm_name(everywhere);
    let folder = home.select(name.as_deref(), Purpose::Ask, wall).ok()?.folder;
    match folder.credential(Purpose::Ask, &home.host_name(), wall) {
        Err(error) => RefusedFacts::of(&error),
        Ok(credential) => {
            let certificate = credential.certificate();
            let early = certificate.validity(wall) == Validity::NotYet;
            let what = place::check_clock(certificate, wall).err().filter(|_| early)?.message;
            Some(RefusedFacts { what, way: Way::SetClock })
        }
    }
}

/// The credential to look with: a client's, else an agent's, else none when none was asked for, or
/// that which was is `refused`, which is told in the end.
fn find(everywhere: &Everywhere, refused: bool, output: Output) -> Result<Option<Place>, Failure> {
    let error = match locate(everywhere) {
        // 'local' stands in for the realm whose agent runs here: that one is in question.
        Ok(place) => {
            let better = || place::resolve(everywhere, Purpose::Answer).ok();
            let better = passes_over_an_agent(&place).then(better).flatten();
            let place = better.unwrap_or(place);
            note_passed_over(&place, output);
            return Ok(Some(place));
        }
        Err(error) => error,
    };
    if let Ok(place) = place::resolve(everywhere, Purpose::Answer) {
        note_passed_over(&place, output);
        return Ok(Some(place));
    }
    if refused {
        output.note("without a credential, only this host is looked at");
        return Ok(None);
    }
    if everywhere.common.credential.is_some() || place::realm_name(everywhere).is_some() {
        return Err(error);
    }
    output.note(&format!("no credential ({error}): only this host is looked at"));
    Ok(None)
}

/// A client's credential. One that has ended is a finding; one that has not begun says that the
/// clock is wrong, and nothing that was heard could be judged.
fn locate(everywhere: &Everywhere) -> Result<Place, Failure> {
    let place = place::locate(everywhere, Purpose::Ask)?;
    let (certificate, wall) = (place.credential.certificate(), place::wall());
    if certificate.validity(wall) == Validity::NotYet {
        place::check_clock(certificate, wall)?;
    }
    Ok(place)
}

/// Names the realms that were passed over: one of them may be the one in question.
fn note_passed_over(place: &Place, output: Output) {
    if place.seen.is_empty() {
        return;
    }
    place.seen.iter().for_each(|seen| output.note(&seen.to_string()));
    output.note(&format!("so realm '{}' is looked at", place.credential.realm_name()));
}
