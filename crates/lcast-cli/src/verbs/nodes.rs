//! `nodes` and `forget`: who is there.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use lcast::{PresenceChanges, PresenceItem, realm};
use lcast_proto::endpoint::NodeView;
use lcast_proto::keys::{Kind, NodeId};
use lcast_proto::presence::{State, Via};
use lcast_proto::question::report::Report;
use lcast_proto::question::{Ask, Deadline, Verb};
use lcast_proto::time::Timestamp;
use serde_json::{Value as Json, json};

use super::question;
use crate::args::{Everywhere, ForgetArgs, NodesArgs, STATES};
use crate::backend::Session;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::live::Drawn;
use crate::output::table::Table;
use crate::output::{Format, Output, human, room};
use crate::signals::Signals;
use crate::text::sanitise;
use crate::{json, place};

/// What stands beside the state of an agent that runs twice.
const DUPLICATE: &str = "DUPLICATE";
/// What stands beside the state of an agent whose certificate has ended: nobody expects it.
const EXPIRED: &str = "EXPIRED";
/// How long `nodes` asks the realm.
const FRESH: Duration = Duration::from_millis(500);
/// How long `forget` waits for the nodes to fetch the list, and how long more for each: they do not
/// begin all at once. [PRE-8]
const TELLING: Duration = Duration::from_secs(10);
const TELLING_PER_AGENT: Duration = Duration::from_millis(2);
/// How long it leaves them alone before it asks again.
const PAUSE: Duration = Duration::from_millis(200);

/// How often the table of `--watch` is drawn at most, and at least.
const DRAW_SOON: Duration = Duration::from_millis(100);
const DRAW_AGAIN: Duration = Duration::from_secs(1);

/// A sign of life from everybody, in at most this time.
fn roll_call(time: Duration) -> Ask {
    Ask { deadline: Deadline::after(time), ..Ask::new(Verb::Ping) }
}

/// Lists the roster.
pub(crate) async fn list(
    args: &NodesArgs,
    everywhere: &Everywhere,
    output: Output,
) -> Result<Exit, Failure> {
    if args.names && output.format != Format::Text {
        return Err(Failure::usage("--names and --json or --jsonl exclude each other"));
    }
    if args.watch && output.format == Format::Json {
        let message = "--json prints one document, and --watch does not end: use --jsonl";
        return Err(Failure::usage(message));
    }
    let (states, folder) = args.split_state();
    if let Some(word) = folder.filter(|word| !word.contains('/') && !Path::new(word).is_dir()) {
        let states = STATES.join(", ");
        let message = format!("--state '{word}' is none of {states}; a folder is written ./{word}");
        return Err(Failure::usage(message));
    }
    let mut signals = Signals::watch()?;
    let session = Session::open(question::place(everywhere)?)?;
    let ended = show(&session, &mut signals, args, &states, output).await;
    // Also when nobody reads on: what was learned is kept.
    session.close().await;
    ended
}

/// Asks the realm, and prints who is there.
async fn show(
    session: &Session,
    signals: &mut Signals,
    args: &NodesArgs,
    states: &[&str],
    output: Output,
) -> Result<Exit, Failure> {
    let mut asked = question::ask(session, signals, roll_call(FRESH), |_| Ok(())).await?;
    let wanted = |it: &NodeView| {
        let here = matches!(it.state, State::Alive | State::Suspect | State::Left);
        let kind = it.kind == Kind::Agent || (args.clients && here);
        kind && (states.is_empty() || states.contains(&it.state.as_str()))
    };
    let follows = args.watch && !asked.interrupted;
    // Before the roster is read: what changes after that is told.
    let changes = if follows { Some(session.presence().await?) } else { None };
    let nodes: Vec<NodeView> = session.nodes().await.into_iter().filter(wanted).collect();
    if let Some(changes) = changes {
        asked.interrupted = follow(session, signals, (&nodes, changes), &wanted, output).await?;
    } else if args.names {
        let names: String = nodes.iter().map(|it| sanitise(&it.name) + "\n").collect();
        output.text(&names)?;
    } else {
        print(&nodes, output)?;
    }
    let exit = judge(&asked);
    question::explain(exit, &asked.report, session, output).await;
    Ok(exit)
}

/// The exit code of a roll call: silence of some is no failure here, and what was heard before an
/// interrupt was printed.
fn judge(asked: &question::Asked) -> Exit {
    match (asked.interrupted, asked.report.sent, asked.report.heard) {
        (true, _, true) => Exit::Incomplete,
        (true, _, false) => Exit::Interrupted,
        (false, false, _) => Exit::Unsendable,
        (false, true, false) => Exit::Nobody,
        (false, true, true) => Exit::Success,
    }
}

/// Prints the roster, then what changes in it, until it is interrupted: the table anew on a
/// terminal, else a line for each change. Whether that is how it ended.
async fn follow(
    session: &Session,
    signals: &mut Signals,
    (nodes, mut changes): (&[NodeView], PresenceChanges),
    wanted: &impl Fn(&NodeView) -> bool,
    output: Output,
) -> Result<bool, Failure> {
    if output.terminal() && output.format == Format::Text {
        return follow_on_screen(session, signals, changes, wanted, output).await;
    }
    print(nodes, output)?;
    let mut shown: BTreeSet<NodeId> = nodes.iter().map(|it| it.id).collect();
    loop {
        let item = tokio::select! {
            item = async { room::wait().await; changes.next().await } => item,
            () = signals.next() => return Ok(true),
            () = room::gone() => return Err(Failure::closed_output()),
        };
        let id = match item {
            Some(PresenceItem::Changed(it)) => Some(it.id),
            // After an overflow all are told.
            Some(_) => None,
            None => return Ok(false),
        };
        let changed = |it: &NodeView| id.is_none_or(|id| it.id == id);
        let nodes = session.nodes().await.into_iter().filter(changed);
        let nodes: Vec<NodeView> = nodes.filter(|it| is_told(it, wanted(it), &mut shown)).collect();
        match output.format {
            Format::JsonLines => print(&nodes, output)?,
            Format::Json | Format::Text => {
                let rows = table(&nodes, place::wall()).render(None);
                output.text(rows.split_once('\n').map_or("", |(_, rows)| rows))?;
            }
        }
    }
}

/// Whether a change of this node is told: of one that is wanted, and the first one by which it is
/// not any more.
fn is_told(node: &NodeView, wanted: bool, shown: &mut BTreeSet<NodeId>) -> bool {
    if wanted {
        shown.insert(node.id);
    }
    wanted || shown.remove(&node.id)
}

/// The same on a terminal: soon after a change, however many follow, and each second, since what it
/// says of the time grows old.
async fn follow_on_screen(
    session: &Session,
    signals: &mut Signals,
    mut changes: PresenceChanges,
    wanted: &impl Fn(&NodeView) -> bool,
    output: Output,
) -> Result<bool, Failure> {
    let mut drawn = Drawn::default();
    loop {
        let nodes: Vec<NodeView> = session.nodes().await.into_iter().filter(wanted).collect();
        drawn.draw(table(&nodes, place::wall()), "", output)?;
        let (begun, mut until) = (tokio::time::Instant::now(), DRAW_AGAIN);
        loop {
            let change = tokio::time::timeout_at(begun + until, changes.next());
            match signals.unless(change).await {
                None => return Ok(true),
                Some(Ok(None)) => return Ok(false),
                Some(Ok(Some(_))) => until = DRAW_SOON,
                Some(Err(_)) => break,
            }
        }
    }
}

fn print(nodes: &[NodeView], output: Output) -> Result<(), Failure> {
    match output.format {
        Format::Json => {
            output.json(&json!({ "nodes": nodes.iter().map(node_json).collect::<Json>() }))
        }
        Format::JsonLines => {
            let line = |it| json::rename_kind(node_json(it), "node_kind");
            nodes.iter().try_for_each(|it| output.json_line("node", line(it)))
        }
        Format::Text => output.table(&table(nodes, place::wall())),
    }
}

fn table(nodes: &[NodeView], now: Timestamp) -> Table {
    let mut table =
        Table::new(["name", "labels", "roles", "version", "state", "last heard", "path"])
            .alarm(DUPLICATE);
    let state = |it: &NodeView| {
        let twice = it.duplicate.then_some(DUPLICATE);
        let ended = it.expired.map(|_| EXPIRED);
        let words = [Some(it.state.as_str()), twice, ended];
        words.into_iter().flatten().collect::<Vec<&str>>().join(", ")
    };
    for it in nodes {
        let labels: Vec<String> =
            it.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        table.push(vec![
            it.name.clone(),
            labels.join(" "),
            it.roles.join(" "),
            it.software.to_string(),
            state(it),
            human::ago(it.last_heard, now),
            it.via.map_or("-", Via::as_str).to_owned(),
        ]);
    }
    table
}

fn node_json(it: &NodeView) -> Json {
    let labels: serde_json::Map<String, Json> =
        it.labels.iter().map(|(key, value)| (key.clone(), Json::from(value.as_str()))).collect();
    let version = if it.software.is_empty() { Json::Null } else { Json::from(&*it.software) };
    json!({
        "name": it.name,
        "id": it.id.to_string(),
        "kind": it.kind.as_str(),
        "labels": labels,
        "roles": it.roles,
        "version": version,
        "state": it.state.as_str(),
        "duplicate": it.duplicate,
        "expired": it.expired.is_some(),
        "last_heard": it.last_heard.map_or(Json::Null, json::timestamp),
        "path": it.via.map(Via::as_str),
    })
}

/// Makes the next member list without the node, and tells the realm.
pub(crate) async fn forget(
    args: &ForgetArgs,
    everywhere: &Everywhere,
    output: Output,
) -> Result<Exit, Failure> {
    if everywhere.common.credential.is_some() {
        let message = "forget needs the realm's folder with its authority key, not a credential \
                       alone; choose the realm with --realm";
        return Err(Failure::usage(message));
    }
    let folder = place::existing(&place::home(), place::realm_name(everywhere).as_deref())?;
    let changed = realm::forget(&folder, &args.name)?;
    // The list is in force here; nodes take it from whoever has it, now or later.
    let mut chosen = everywhere.clone();
    chosen.common.realm = Some(folder.name().to_owned());
    let told = match tell(&chosen).await {
        Ok(told) => told,
        Err(failure) => {
            output.note(&format!("could not tell the realm yet: {failure}"));
            Told { interrupted: failure.exit == Exit::Interrupted, ..Told::default() }
        }
    };
    let complete = told.behind.is_empty() && !told.interrupted;
    let exit = if complete { Exit::Success } else { Exit::Incomplete };
    if output.format != Format::Text {
        let forgotten = json!({
            "forgotten": args.name,
            "changed": changed,
            "told": told.hold,
            "nodes": told.nodes,
            "behind": told.behind,
            "silent": told.silent,
        });
        output.object("forgotten", forgotten)?;
        return Ok(exit);
    }
    let verb = if changed { "is forgotten" } else { "was forgotten before" };
    let Told { hold, nodes, .. } = told;
    output.note(&format!(
        "'{}' {verb}; {hold} of {nodes} nodes say by now that they go by the newest member list",
        args.name
    ));
    if !told.behind.is_empty() {
        let names = sanitise(&told.behind.join(", "));
        output.note(&format!("not yet: {names}; until they do, they obey '{}'", args.name));
    }
    if !told.silent.is_empty() {
        let names = sanitise(&told.silent.join(", "));
        output.note(&format!("not heard: {names}; who comes back takes it from the others"));
    }
    Ok(exit)
}

/// Who holds the newest member list, as far as they say.
#[derive(Debug, Default)]
struct Told {
    /// How many nodes are expected to hold it, and how many say that they do.
    nodes: u32,
    hold: u32,
    /// Those that answered and hold an older one.
    behind: Vec<String>,
    /// Those that did not answer, or not in time.
    silent: Vec<String>,
    interrupted: bool,
}

/// Announces the newest member list and serves it until all who answer hold it, or for a while:
/// that a node heard of it is not that it has it.
async fn tell(everywhere: &Everywhere) -> Result<Told, Failure> {
    let mut signals = Signals::watch()?;
    let session = Session::open(question::place(everywhere)?)?;
    let begun = Instant::now();
    let mut told = Told::default();
    let mut ask = roll_call(FRESH);
    loop {
        let first = ask.only.is_none();
        let asked = question::ask(&session, &mut signals, ask, |_| Ok(())).await?;
        told.interrupted = asked.interrupted;
        told.take(&asked.report, first);
        let patience = TELLING + TELLING_PER_AGENT * told.nodes;
        if told.behind.is_empty() || told.interrupted || begun.elapsed() > patience {
            break;
        }
        // Meanwhile they fetch its pages from this process.
        if signals.unless(session.linger(PAUSE)).await.is_none() {
            told.interrupted = true;
            break;
        }
        ask = Ask { only: Some(told.behind.clone()), ..roll_call(FRESH) };
    }
    session.close().await;
    Ok(told)
}

impl Told {
    /// Takes what a roll call says: the first of all, another of those that hold an older list.
    fn take(&mut self, report: &Report, first: bool) {
        // Who did not answer, or not in time, has not said that it holds the list.
        let unheard = || report.missing.iter().chain(&report.late).map(|it| &it.node);
        if first {
            self.nodes = report.expected;
            self.behind.clone_from(&report.behind);
            self.silent = unheard().filter(|it| !report.behind.contains(it)).cloned().collect();
        } else {
            self.behind
                .retain(|name| report.behind.contains(name) || unheard().any(|it| it == name));
        }
        let without = self.behind.len() + self.silent.len();
        self.hold = self.nodes.saturating_sub(u32::try_from(without).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use lcast_proto::question::report::UnheardNode;

    use super::*;
    use crate::output::printer::json_line;

    fn view(last_heard: Option<Timestamp>) -> NodeView {
        NodeView {
            name: "web1".to_owned(),
            id: NodeId([0xab; 16]),
            kind: Kind::Agent,
            labels: vec![("role".to_owned(), "web".to_owned())],
            roles: Vec::new(),
            software: if last_heard.is_some() { "0.1.0".into() } else { "".into() },
            state: if last_heard.is_some() { State::Alive } else { State::Never },
            last_heard,
            via: last_heard.map(|_| Via::Multicast),
            address: None,
            duplicate: false,
            sign: None,
            expired: None,
        }
    }

    #[test]
    fn whoever_stops_being_wanted_is_told_once() {
        let mut shown = BTreeSet::new();
        let mut told = |wanted: bool| is_told(&view(None), wanted, &mut shown);
        let wanted = [false, true, true, false, false, true];
        assert_eq!(wanted.map(&mut told), [false, true, true, true, false, true]);
    }

    #[test]
    fn a_node_never_heard_has_no_time_version_or_path() {
        let printed = node_json(&view(None));
        let id = "abab-abab-abab-abab-abab-abab-abab-abab";
        let expected = json!({
            "name": "web1", "id": id, "kind": "agent", "labels": {"role": "web"}, "roles": [],
            "version": null, "state": "never", "duplicate": false, "expired": false,
            "last_heard": null, "path": null,
        });
        assert_eq!(printed, expected);
        let now = Timestamp::from_millis(10_000);
        let heard = view(Some(Timestamp::from_millis(8000)));
        assert_eq!(node_json(&heard)["path"], "multicast");
        let ended = NodeView { expired: Some(Timestamp::default()), ..view(None) };
        assert_eq!(node_json(&ended)["expired"], true);
        assert!(table(&[ended], now).render(None).contains("\tnever, EXPIRED\t"));
        let printed = table(&[heard, view(None)], now).render(None);
        let (_, rows) = printed.split_once('\n').unwrap();
        assert_eq!(
            rows,
            "web1\trole=web\t\t0.1.0\talive\t2.0 s ago\tmulticast\n\
             web1\trole=web\t\t\tnever\tnever\t-\n"
        );
    }

    /// The contract: 3 with what has arrived, 130 only when nothing had.
    #[test]
    fn an_interrupted_roll_call_counts_what_was_heard() {
        for (interrupted, sent, heard, expected) in [
            (false, true, true, Exit::Success),
            (false, true, false, Exit::Nobody),
            (false, false, false, Exit::Unsendable),
            (true, true, true, Exit::Incomplete),
            (true, true, false, Exit::Interrupted),
        ] {
            let report = Report { sent, heard, ..Report::default() };
            let asked = question::Asked { report, schemas: Vec::new(), interrupted };
            assert_eq!(judge(&asked), expected, "{asked:?}");
        }
    }

    #[test]
    fn only_who_said_so_holds_the_list() {
        let unheard = |names: &[&str]| {
            let node = |name: &&str| UnheardNode {
                node: (*name).to_owned(),
                last_heard: None,
                state: State::Alive,
                outcome_unknown: false,
            };
            names.iter().map(node).collect::<Vec<_>>()
        };
        let report = |behind: &[&str], late: &[&str], missing: &[&str]| Report {
            expected: 6,
            behind: behind.iter().map(|it| (*it).to_owned()).collect(),
            late: unheard(late),
            missing: unheard(missing),
            ..Report::default()
        };
        let mut told = Told::default();
        told.take(&report(&["a", "b", "c"], &["b", "d"], &["e"]), true);
        assert_eq!((told.nodes, told.hold), (6, 1));
        assert_eq!((told.behind.join(" "), told.silent.join(" ")), ("a b c".into(), "e d".into()));
        // Of those that are behind one holds it by now; the others are too busy to say, or silent.
        told.take(&report(&[], &["b"], &["c"]), false);
        assert_eq!((told.hold, told.behind.join(" ")), (2, "b c".into()));
        told.take(&report(&["c"], &[], &[]), false);
        assert_eq!((told.hold, told.behind.join(" ")), (3, "c".into()));
    }

    #[test]
    fn a_line_says_that_it_is_of_a_node_and_of_which_kind() {
        let line = json_line("node", json::rename_kind(node_json(&view(None)), "node_kind"));
        let line: Json = serde_json::from_str(&line).unwrap();
        assert_eq!((&line["kind"], &line["node_kind"]), (&"node".into(), &"agent".into()));
    }
}
