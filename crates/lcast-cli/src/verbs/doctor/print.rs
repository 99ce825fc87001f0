//! What the doctor prints.

use serde_json::{Value as Json, json};

use crate::doctor::facts::{Facts, InterfaceFacts};
use crate::doctor::{Finding, Place};
use crate::failure::Failure;
use crate::output::{Format, Output};
use crate::text::sanitise;

/// Prints findings, and for programs the facts behind them.
pub(super) fn print(facts: &Facts, findings: &[Finding], output: Output) -> Result<(), Failure> {
    match output.format {
        Format::Json => {
            let findings: Json = findings.iter().map(finding_json).collect();
            output.json(&json!({ "findings": findings, "facts": facts_json(facts) }))
        }
        Format::JsonLines => {
            for finding in findings {
                output.json_line("finding", finding_json(finding))?;
            }
            output.json_line("facts", facts_json(facts))
        }
        Format::Text => {
            let text: String = findings.iter().map(text).collect();
            output.text(&text)?;
            note_silent(facts, findings, output);
            Ok(())
        }
    }
}

/// Names the agents of which nothing at all was heard: they may just not run. Where an error here
/// is reason enough, they are looked for when it is mended.
fn note_silent(facts: &Facts, findings: &[Finding], output: Output) {
    if findings.iter().any(|it| it.is_of_this_host() && it.cause.silences()) {
        return;
    }
    let agents = facts.asked.iter().flat_map(|asked| &asked.agents);
    let forgotten: Vec<&str> =
        facts.asked.iter().flat_map(|it| &it.forgotten).map(|it| it.name.as_str()).collect();
    let silent = agents.filter(|it| it.is_silent()).map(|it| it.name.as_str());
    let silent = silent.filter(|name| !forgotten.contains(name));
    let names: Vec<&str> = silent.collect();
    if !names.is_empty() {
        let names = sanitise(&names.join(", "));
        output.note(&format!("nothing is heard of {names}: not running, or out of reach"));
    }
    let mut agents = facts.asked.iter().flat_map(|asked| &asked.agents).peekable();
    if agents.peek().is_some() && agents.all(crate::doctor::facts::AgentFacts::is_silent) {
        output.note(
            "or they are of another realm of this name: 'librecast realm show' here and there \
             shows the fingerprints",
        );
    }
}

pub(super) fn text(finding: &Finding) -> String {
    let Finding { cause, severity, what, place, command } = finding;
    let place = match place {
        Place::Here => String::new(),
        Place::Nodes(nodes) => format!("  on {}:\n", nodes.join(", ")),
        Place::Path(_) => "  on the switch or router between, where it runs Linux:\n".to_owned(),
        Place::Authority => "  where the realm's authority key is:\n".to_owned(),
    };
    let severity = severity.as_str();
    format!("{severity} {cause}: {}\n{}  {command}\n", sanitise(what), sanitise_lines(&place))
}

fn sanitise_lines(text: &str) -> String {
    text.lines().map(|line| sanitise(line) + "\n").collect()
}

pub(super) fn finding_json(finding: &Finding) -> Json {
    let Finding { cause, severity, what, place, command } = finding;
    let (place, nodes) = match place {
        Place::Here => ("here", Vec::new()),
        Place::Nodes(nodes) => ("nodes", nodes.clone()),
        Place::Path(nodes) => ("path", nodes.clone()),
        Place::Authority => ("authority", Vec::new()),
    };
    json!({
        "id": cause.id(),
        "severity": severity.as_str(),
        "what": what,
        "where": place,
        "nodes": nodes,
        "command": command,
    })
}

fn facts_json(facts: &Facts) -> Json {
    let Facts { realm, host, credential, asked, .. } = facts;
    let agents = asked.as_ref().map(|asked| {
        let agent = |it: &crate::doctor::facts::AgentFacts| {
            let trip = it.trip.map(|trip| (trip.as_secs_f64() * 1e6).round() / 1000.0);
            json!({
                "node": it.name,
                "by_multicast": it.by_multicast,
                "by_unicast": it.by_unicast,
                "heard": it.heard,
                "clock_ms": it.clock_ms,
                "unicast_ms": trip,
            })
        };
        asked.agents.iter().map(agent).collect::<Json>()
    });
    json!({
        "realm": realm.name,
        "scope": realm.scope.as_str(),
        "port": realm.port,
        "group": realm.group.map(|it| it.to_string()),
        "interfaces": host.interfaces.iter().map(interface_json).collect::<Json>(),
        "receive_buffer": host.receive_buffer,
        "certificate_expires": credential.as_ref().map(|it| crate::json::timestamp(it.not_after)),
        "forgotten": asked.as_ref().map(|asked| {
            asked.forgotten.iter().map(|it| it.name.as_str()).collect::<Json>()
        }),
        "undelivered": asked.as_ref().map(|it| it.undelivered),
        "agents": agents,
    })
}

fn interface_json(facts: &InterfaceFacts) -> Json {
    let interface = &facts.interface;
    let addresses: Json = interface.addresses.iter().map(|it| it.ip.to_string()).collect();
    json!({
        "name": interface.name,
        "up": interface.up,
        "carrier": interface.carrier,
        "multicast": interface.multicast,
        "ipv6": !facts.disabled,
        "multicast_route": facts.route,
        "mld_queries": facts.queries,
        "addresses": addresses,
    })
}

#[cfg(test)]
mod tests {
    use lcast_proto::keys::Scope;

    use super::*;
    use crate::doctor::facts::RealmFacts;
    use crate::doctor::{local, subject};

    #[test]
    fn the_scope_has_the_word_that_it_has_everywhere() {
        for (scope, word) in [(Scope::Org, "org"), (Scope::Host, "host")] {
            let realm = RealmFacts { scope, ..subject::without_credential() };
            let host = local::look(&realm);
            let facts = Facts { realm, host, credential: None, refused: None, asked: None };
            assert_eq!(facts_json(&facts)["scope"], word);
        }
    }
}
