//! `realm create`, `issue`, `show`, `list` and `join`: files only, no network.

use std::path::Path;

use lcast::home::{Environment, LOCAL, Owner};
use lcast::realm::{self, Issued, Overview, Request, hosts};
use lcast_proto::keys::{Kind, Member, Network, Scope};
use serde_json::{Value as Json, json};

use crate::args::{CreateArgs, Everywhere, IssueArgs, JoinArgs, ScopeArg, ShowArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::table::Table;
use crate::output::{Format, Output};
use crate::{json, place};

/// Makes a realm.
pub(crate) fn create(
    args: &CreateArgs,
    everywhere: &Everywhere,
    output: Output,
) -> Result<Exit, Failure> {
    refuse_credential(everywhere)?;
    if args.name == LOCAL {
        return Err(Failure::usage(
            "'local' is the realm that needs no set-up: it is made on first use; choose another \
             name",
        ));
    }
    let network =
        Network { interfaces: args.interfaces.clone(), scope: args.scope.scope(), port: args.port };
    network.check().map_err(Failure::usage)?;
    let folder = place::home().folder(&args.name);
    realm::create(&folder, network, place::wall())?;
    let overview = folder.overview()?;
    if output.format != Format::Text {
        output.object("realm", overview_json(&overview, folder.path()))?;
        return Ok(Exit::Success);
    }
    output.text(&format!("{}\n", fingerprint(&overview)))?;
    output.note(&format!(
        "made the realm '{}'; its authority key is '{}': keep a copy of it in a safe place",
        args.name,
        folder.path().join("authority").display()
    ));
    output.note(&format!(
        "next: librecast realm issue --realm {} --name NODE --out NODE.credential",
        args.name
    ));
    Ok(Exit::Success)
}

/// Issues credentials.
pub(crate) fn issue(
    args: &IssueArgs,
    everywhere: &Everywhere,
    output: Output,
) -> Result<Exit, Failure> {
    refuse_credential(everywhere)?;
    let folder = place::existing(&place::home(), place::realm_name(everywhere).as_deref())?;
    let requests = requests(args)?;
    if let Some(mode) = folder.writable_mode() {
        let path = folder.path().display();
        output.note(&format!(
            "warning: others can change the realm's folder '{path}' (mode {mode:04o}), and so the \
             authority's key and member list: chmod 700 '{path}'"
        ));
    }
    let issued = realm::issue(&folder, &requests, place::wall())?;
    print_issued(&issued, output)?;
    let word = if issued.len() == 1 { "credential" } else { "credentials" };
    output.note(&format!(
        "issued {} {word} of realm '{}'; a credential holds private keys: hand it over \
         confidentially, and remove it here once it is joined",
        issued.len(),
        folder.name()
    ));
    Ok(Exit::Success)
}

fn requests(args: &IssueArgs) -> Result<Vec<Request>, Failure> {
    if let (Some(from), Some(folder)) = (&args.from, &args.out_dir) {
        let mut requests = hosts::read(from, folder)?;
        for request in &mut requests {
            request.days = request.days.or(args.days);
            request.again = args.again;
        }
        // Made only when the file is well-formed: a refused command leaves nothing behind.
        lcast::file::create_private_folder(folder)
            .map_err(|error| Failure::usage(lcast::file::failure(folder, &error)))?;
        return Ok(requests);
    }
    let (Some(name), Some(out)) = (&args.name, &args.out) else {
        return Err(Failure::usage("issue needs --name and --out, or --from and --out-dir"));
    };
    let label = |text: &String| match text.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err(Failure::usage(format!("--label '{text}': write it like role=web"))),
    };
    Ok(vec![Request {
        name: name.clone(),
        kind: if args.client { Kind::Client } else { Kind::Agent },
        roles: args.roles.clone(),
        labels: args.labels.iter().map(label).collect::<Result<_, _>>()?,
        days: args.days,
        again: args.again,
        out: out.clone(),
    }])
}

fn print_issued(issued: &[Issued], output: Output) -> Result<(), Failure> {
    let one = |it: &Issued| {
        json!({
            "name": it.name.as_str(),
            "id": it.id.to_string(),
            "out": it.out.to_string_lossy(),
        })
    };
    match output.format {
        Format::Json => output.json(&json!({ "issued": issued.iter().map(one).collect::<Json>() })),
        Format::JsonLines => issued.iter().try_for_each(|it| output.json_line("issued", one(it))),
        Format::Text => {
            let mut table = Table::new(["name", "id", "file"]);
            for it in issued {
                let file = it.out.to_string_lossy().into_owned();
                table.push(vec![it.name.to_string(), it.id.to_string(), file]);
            }
            output.table(&table)
        }
    }
}

/// Takes a credential.
pub(crate) fn join(
    args: &JoinArgs,
    everywhere: &Everywhere,
    output: Output,
) -> Result<Exit, Failure> {
    refuse_credential(everywhere)?;
    let owner = if args.system { Owner::System } else { Owner::User };
    let joined = realm::join(&place::home(), &args.file, owner, place::wall())?;
    let certificate = joined.credential.certificate();
    let (name, kind) = (certificate.name(), certificate.kind());
    let realm = joined.folder.name();
    if output.format != Format::Text {
        let object = json!({
            "realm": realm,
            "name": name.as_str(),
            "kind": kind.as_str(),
            "id": certificate.id().to_string(),
            "path": joined.path.to_string_lossy(),
            "already": joined.already,
        });
        match output.format {
            Format::JsonLines => {
                output.json_line("joined", json::rename_kind(object, "node_kind"))?;
            }
            Format::Json | Format::Text => output.json(&object)?,
        }
        return Ok(Exit::Success);
    }
    let verb = if joined.already { "had joined" } else { "joined" };
    output.note(&format!("{verb} realm '{realm}' as the {kind} '{name}'"));
    output.note(&match kind {
        Kind::Agent => format!("next: librecast --realm {realm} agent"),
        Kind::Client => format!("next: librecast --realm {realm} nodes"),
    });
    Ok(Exit::Success)
}

/// Shows a realm.
pub(crate) fn show(
    args: &ShowArgs,
    everywhere: &Everywhere,
    output: Output,
) -> Result<Exit, Failure> {
    let (overview, path) = match &everywhere.common.credential {
        Some(_) if args.name.is_some() || everywhere.common.realm.is_some() => {
            return Err(Failure::usage(
                "a credential names its realm: name a realm or --credential",
            ));
        }
        Some(file) => {
            let credential = place::read(&Environment::of_process(), file)?;
            (Overview::of(&credential), file.clone())
        }
        None => {
            let name = args.name.clone().or_else(|| place::realm_name(everywhere));
            let folder = place::existing(&place::home(), name.as_deref())?;
            (folder.overview()?, folder.path().to_owned())
        }
    };
    if output.format != Format::Text {
        output.object("realm", overview_json(&overview, &path))?;
        return Ok(Exit::Success);
    }
    let network = &overview.network;
    let interfaces = match network.interfaces.as_slice() {
        [] => "every one that can multicast".to_owned(),
        some => some.join(", "),
    };
    let authority = if overview.has_authority { "here" } else { "elsewhere" };
    let mut text = format!(
        "realm        {}\nfingerprint  {}\nepoch        {}\nscope        {}\n\
         port         {}\n\
         interfaces   {interfaces}\nauthority    {authority}\n\
         members      {} (list version {})\n\n",
        overview.name,
        fingerprint(&overview),
        overview.epoch,
        network.scope,
        network.port,
        overview.members.members().iter().filter(|it| !it.forgotten).count(),
        overview.members.version(),
    );
    text.push_str(&members_table(&overview).render(output.screen));
    output.text(&text)?;
    Ok(Exit::Success)
}

fn members_table(overview: &Overview) -> Table {
    let mut table = Table::new(["name", "kind", "labels", "roles", "valid until", "id"]);
    for member in overview.members.members() {
        let subject = &member.subject;
        let labels: Vec<String> =
            subject.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let roles: Vec<&str> = subject.roles.iter().collect();
        let until =
            if member.forgotten { "forgotten".to_owned() } else { subject.not_after.to_string() };
        table.push(vec![
            subject.name.to_string(),
            subject.kind.to_string(),
            labels.join(" "),
            roles.join(" "),
            until,
            member.id.to_string(),
        ]);
    }
    table
}

/// Lists the realms.
pub(crate) fn list(everywhere: &Everywhere, output: Output) -> Result<Exit, Failure> {
    refuse_credential(everywhere)?;
    let mut table =
        Table::new(["realm", "owner", "scope", ">port", ">members", "you", "fingerprint"]);
    let mut rows = Vec::new();
    let (folders, closed) = place::home().realms()?;
    closed.iter().for_each(|it| output.note(&it.to_string()));
    for folder in folders {
        let owner = match folder.owner() {
            Owner::User => "user",
            Owner::System => "system",
        };
        match folder.overview() {
            Ok(overview) => {
                rows.push(overview_json(&overview, folder.path()));
                let you = overview.client.iter().chain(&overview.agents);
                let you: Vec<&str> = you.map(|it| it.as_str()).collect();
                let members = overview.members.members().iter().filter(|it| !it.forgotten);
                table.push(vec![
                    overview.name.clone(),
                    owner.to_owned(),
                    overview.network.scope.to_string(),
                    overview.network.port.to_string(),
                    members.count().to_string(),
                    you.join(" "),
                    fingerprint(&overview),
                ]);
            }
            Err(error) => {
                let name = folder.name().to_owned();
                output.note(&format!("{name}: {error}"));
                rows.push(json!({ "name": name, "owner": owner, "problem": error.to_string() }));
                let dash = || "-".to_owned();
                table.push(vec![name, owner.to_owned(), dash(), dash(), dash(), dash(), dash()]);
            }
        }
    }
    match output.format {
        Format::Json => output.json(&json!({ "realms": rows }))?,
        Format::JsonLines => {
            rows.into_iter().try_for_each(|row| output.json_line("realm", row))?;
        }
        Format::Text => output.table(&table)?,
    }
    Ok(Exit::Success)
}

fn overview_json(overview: &Overview, path: &Path) -> Json {
    let network = &overview.network;
    let members: Json = overview.members.members().iter().map(member_json).collect();
    let agents: Vec<&str> = overview.agents.iter().map(|it| it.as_str()).collect();
    json!({
        "name": overview.name,
        "owner": match overview.owner { Owner::User => "user", Owner::System => "system" },
        "fingerprint": fingerprint(overview),
        "epoch": overview.epoch,
        "scope": network.scope.as_str(),
        "port": network.port,
        "interfaces": network.interfaces,
        "authority": overview.has_authority,
        "client": overview.client.as_ref().map(|it| it.as_str()),
        "agents": agents,
        "path": path.to_string_lossy(),
        "members_version": overview.members.version(),
        "members": members,
    })
}

fn member_json(member: &Member) -> Json {
    let subject = &member.subject;
    let labels: serde_json::Map<String, Json> =
        subject.labels.iter().map(|(key, value)| (key.to_owned(), Json::from(value))).collect();
    json!({
        "name": subject.name.as_str(),
        "id": member.id.to_string(),
        "kind": subject.kind.as_str(),
        "labels": labels,
        "roles": subject.roles.iter().collect::<Vec<&str>>(),
        "valid_from": subject.not_before.to_string(),
        "valid_until": subject.not_after.to_string(),
        "forgotten": member.forgotten,
    })
}

/// What tells a realm from any other, in groups of four digits to be read aloud.
fn fingerprint(overview: &Overview) -> String {
    let hex: String = overview.id.0.iter().map(|byte| format!("{byte:02x}")).collect();
    let groups: Vec<&str> = (0..hex.len()).step_by(4).map(|at| &hex[at..at + 4]).collect();
    groups.join("-")
}

/// The verbs of realms work on the folders of realms, not on one credential.
fn refuse_credential(everywhere: &Everywhere) -> Result<(), Failure> {
    match &everywhere.common.credential {
        None => Ok(()),
        Some(_) => Err(Failure::usage("--credential has no meaning here; choose with --realm")),
    }
}

impl ScopeArg {
    fn scope(self) -> Scope {
        match self {
            Self::Host => Scope::Host,
            Self::Link => Scope::Link,
            Self::Site => Scope::Site,
            Self::Org => Scope::Org,
            Self::Global => Scope::Global,
        }
    }
}
