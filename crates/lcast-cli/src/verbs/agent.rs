//! `agent`: the long-running node that speaks for a host.
//!
//! Puts together what the other modules know: the credential and the configuration, the values
//! that the host and the configuration give, the settings, and the node that answers for them.

use std::fs::Metadata;
use std::path::Path;
use std::time::Duration;

use lcast::home::Purpose;
use lcast::realm::RealmFolder;
use lcast::store::Store;
use lcast::{Facts, Node, StartError};
use lcast_proto::keys::policy::Narrowing;
use lcast_proto::keys::{Certificate, Scope};
use lcast_proto::name::Steps;
use lcast_proto::question::Wanted;
use lcast_proto::stats::Dropped;
use lcast_proto::time::Now;
use lcast_proto::variable::{Table, Update};

use crate::agent::Change;
use crate::agent::background::{Background, Slow, Wants};
use crate::agent::builtin::{self, Families, Family, Filesystems, OwnFacts, Roots, Sampler, TICK};
use crate::agent::config::{Config, Source};
use crate::agent::strays::{self, Adopted};
use crate::agent::validity::{LOOK_EVERY, Watched};
use crate::args::{AgentArgs, Everywhere};
use crate::doctor::checkup::{self, Checkup};
use crate::doctor::quoted;
use crate::doctor::runtime::RuntimeFacts;
use crate::doctor::subject;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Format, Output};
use crate::owner;
use crate::place::{self, Place};
use crate::service;
use crate::signals::Signals;

/// File systems are read at most this often.
const FILESYSTEMS_PAUSE: Duration = Duration::from_secs(1);

/// Longest configuration file in bytes.
const CONFIG_LENGTH_MAX: u64 = 4 << 20;

/// Runs until it is told to end.
pub(crate) async fn run(
    args: &AgentArgs,
    everywhere: &Everywhere,
    output: Output,
) -> Result<Exit, Failure> {
    if output.format != Format::Text {
        return Err(Failure::usage("an agent prints nothing but its log: it has no JSON"));
    }
    start_log(everywhere.common.quiet);
    // Before anybody knows that it runs: whoever is told that it is ready may end it at once, and
    // its goodbye is owed from there on.
    let mut signals = Signals::watch_with_hangup()?;
    let place = place::resolve(everywhere, Purpose::Answer)?;
    let roots = Roots::default();
    let config = read_config(args.config.as_deref(), place.folder.as_ref(), &roots)?;
    if let Some(folder) = &place.folder
        && let Some(warning) = owner::warning("the realm's folder", folder.path())
    {
        tracing::warn!("{warning}");
    }
    let name = place.credential.certificate().name().clone();
    let realm = place.credential.realm_name().to_owned();
    let certificate = place.credential.certificate().clone();
    let scope = place.credential.network().scope;
    let slow = slow(&place, &config, &roots);
    adopt_strays();
    let mut background = Background::start(&config.variables, slow, &roots);
    let node = start(place, &config, &roots, background.wants())?;
    apply(&node, std::mem::take(&mut background.initial)).await?;
    for setting in config.settings {
        let exposed = node.expose_setting(setting.definition, setting.default).await;
        exposed.map_err(|error| Failure::usage(format!("'{}': {error}", setting.name)))?;
    }
    node.open().await.map_err(Failure::internal)?;
    tracing::info!(%name, realm, pid = std::process::id(), "the agent answers");
    if scope == Scope::Host {
        if let Some(runtime) = RuntimeFacts::look() {
            let command = runtime.command(rustix::process::geteuid().is_root());
            let what = runtime.what();
            tracing::warn!("{what}; {command}, or set XDG_RUNTIME_DIR to a folder of yours");
        }
        tracing::info!(
            "the realm '{realm}' is of this host alone, no other machine sees this agent; to have \
             it seen, join a realm that was made for several: 'librecast join FILE'"
        );
    }
    service::notify("READY=1");
    let ended = tokio::select! {
        ended = serve(&node, &mut background, &mut signals, args.exit_with_stdin) => ended,
        never = watch_certificate(&certificate) => never,
    };
    service::notify("STOPPING=1");
    background.stop().await;
    strays::end().await;
    node.leave().await;
    tracing::info!(%name, realm, "the agent has left");
    ended.map(|()| Exit::Success)
}

fn adopt_strays() {
    const OUTLIVES: &str = "what commands leave in sessions of their own outlives them";
    match strays::adopt() {
        Ok(Adopted::Alone) => {}
        Ok(Adopted::Shared) => {
            let reason = "this is process 1, or had children before";
            tracing::info!(reason, "{OUTLIVES}");
        }
        Err(error) => tracing::warn!(%error, "{OUTLIVES}"),
    }
}

/// Applies what is read in the background until a signal, or the parent, ends the agent. That its
/// node ends before is a failure: an agent that lived on would answer nothing.
async fn serve(
    node: &Node,
    background: &mut Background,
    signals: &mut Signals,
    exit_with_stdin: bool,
) -> Result<(), Failure> {
    let mut parent = Box::pin(parent_gone(exit_with_stdin));
    let mut watchdog = service::watchdog();
    loop {
        tokio::select! {
            Some(changes) = background.changes.recv() => apply(node, changes).await?,
            () = signals.next() => return Ok(()),
            () = &mut parent => return Ok(()),
            () = node.ended() => {
                let message = "the agent answers no more: its network part failed, see the log";
                return Err(Failure::internal(message));
            }
            () = watchdog.due() => {
                // The node's own loop must turn for the watchdog to be fed.
                node.facts().await.map_err(Failure::internal)?;
                service::notify("WATCHDOG=1");
            }
        }
    }
}

/// Warns of the end of the certificate, without end: no report names an agent past it.
async fn watch_certificate(certificate: &Certificate) -> Result<(), Failure> {
    let subject = certificate.subject();
    let mut watched = Watched::new(subject.not_before, subject.not_after);
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        looks.tick().await;
        let wall = place::wall();
        if let Some(warning) = watched.look(certificate.validity(wall), wall) {
            tracing::warn!("{warning}");
        }
    }
}

/// Ends with standard input, when that is the tie to a parent.
async fn parent_gone(watched: bool) {
    if !watched {
        return std::future::pending().await;
    }
    let (gone, told) = tokio::sync::oneshot::channel::<()>();
    // A thread of its own: one of the runtime's would keep the process from ending.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(gone);
    });
    // The sender is never used: that it goes is the news.
    let _ = told.await;
}

async fn apply(node: &Node, changes: Vec<Change>) -> Result<(), Failure> {
    let applied = node.change(move |table, now| apply_to(table, now, changes)).await;
    applied.map_err(Failure::internal)
}

fn apply_to(table: &mut Table, now: Now, changes: Vec<Change>) {
    for change in changes {
        if let Err(error) = change.apply(table, now) {
            tracing::warn!(%error, "a variable is not shown");
        }
    }
}

/// What of the host may take its time to be read.
fn slow(place: &Place, config: &Config, roots: &Roots) -> Vec<Slow> {
    let mut filesystems = Filesystems::new(&config.sampler_options());
    let roots = roots.clone();
    let mut realm = subject::realm_of(&place.credential);
    if !config.network.interfaces.is_empty() {
        realm.interfaces = subject::selection(config.network.interfaces.clone());
    }
    let checkup =
        Checkup::new(realm, subject::credential_of(&place.credential, place.folder.as_ref()));
    let found = move || {
        let update = |(name, value): (&str, _)| {
            let name = name.parse().ok()?;
            Some(Change::Update(Update { name, value, time: None, version: None }))
        };
        checkup.values(place::wall()).into_iter().filter_map(update).collect()
    };
    vec![
        Slow {
            family: Family::Filesystem,
            read: Box::new(move || filesystems.read(&roots)),
            pause: FILESYSTEMS_PAUSE,
            every: TICK,
        },
        Slow {
            family: Family::Doctor,
            read: Box::new(found),
            pause: checkup::PAUSE,
            every: checkup::INTERVAL,
        },
    ]
}

fn start(place: Place, config: &Config, roots: &Roots, wants: Wants) -> Result<Node, Failure> {
    let Place { credential, state, folder, file, seen } = place;
    seen.iter().for_each(|seen| tracing::warn!("{seen}"));
    let own = OwnFacts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        epoch: credential.epoch().number,
        certificate_expires: Some(credential.certificate().subject().not_after),
        credential_file: file.and_then(|it| it.into_os_string().into_string().ok()),
        ..OwnFacts::default()
    };
    let sampler = Sampler::new(roots.clone(), config.sampler_options());
    let refresh = refresher(sampler, own, wants);
    let mut builder = Node::builder(credential)
        .software(env!("CARGO_PKG_VERSION"))
        .narrowing(narrowing(config))
        .closed()
        .refresh(TICK, Box::new(refresh));
    if let Some(state) = state {
        let foreign = std::fs::metadata(&state).is_ok_and(|it| owner::is_foreign(&it));
        let foreign = foreign.then(|| owner::warning("the state folder", &state)).flatten();
        if let Some(warning) = foreign.or_else(|| open_to_others(&state)) {
            tracing::warn!("{warning}");
        }
        if let Some(warning) = emptied(&state) {
            tracing::warn!("{warning}");
        }
        builder = builder.state(state);
    }
    if !config.network.interfaces.is_empty() {
        builder = builder.interfaces(config.network.interfaces.clone());
    }
    if let Some(folder) = folder {
        builder = builder.keep_members(Box::new(move |members| {
            if let Err(error) = folder.keep_members(members) {
                tracing::warn!(%error, "a newer member list is not kept");
            }
        }));
    }
    builder.start().map_err(|error| match error {
        StartError::Lock(_) | StartError::Store(_) => {
            Failure::usage(format!("{error}; --state DIR chooses the state folder"))
        }
        StartError::Credential(_) => Failure::usage(error),
        StartError::Network(_) => Failure::new(Exit::Unsendable, error),
        _ => Failure::internal(error),
    })
}

/// What to say of a state folder that others can enter; it is made private, so somebody opened it.
fn open_to_others(state: &Path) -> Option<String> {
    let mode = lcast::file::mode(state).ok()? & 0o777;
    let (path, quoted) = (state.display(), quoted(&state.to_string_lossy()));
    (mode & 0o077 != 0).then(|| {
        format!(
            "others can read or change the agent's state in '{path}' (mode {mode:04o}): chmod 700 \
             {quoted}"
        )
    })
}

/// What to say of settings that may be lost. The file is empty as well where the first start of an
/// agent was cut short, as by a full disk: so this is no error.
fn emptied(state: &Path) -> Option<String> {
    let length = |name: &str| std::fs::metadata(state.join(name)).ok().map(|it| it.len());
    // What is in the log is not lost: it is read at the start.
    let log = length(&format!("{}-wal", Store::FILE)).unwrap_or(0);
    (length(Store::FILE) == Some(0) && log == 0).then(|| {
        format!(
            "'{}' is empty: every setting has its default; if some were set, stop the agent and \
             restore the file from a backup",
            state.join(Store::FILE).display()
        )
    })
}

/// Reads what a question is going to read, and every so often what needs a history. It waits for
/// nothing: it runs in the node's own loop.
fn refresher(
    mut sampler: Sampler,
    mut own: OwnFacts,
    wants: Wants,
) -> impl FnMut(&mut Table, Now, &Facts, Option<&Wanted>) + Send {
    let mut defined = false;
    // Monitoring asks the same again and again.
    let mut last = (Wanted::default(), Families::NONE);
    move |table, now, facts, wanted| {
        if !defined {
            defined = true;
            let definitions = builtin::definitions().into_iter().map(Change::Define);
            apply_to(table, now, definitions.collect());
        }
        let families = match wanted {
            None => {
                apply_to(table, now, sampler.tick(now));
                return;
            }
            Some(wanted) => {
                if last.0 != *wanted {
                    last = (wanted.clone(), Families::of_wanted(wanted));
                }
                last.1
            }
        };
        wants.tell(families);
        if families.contains(Family::Own) {
            tell_own(&mut own, facts);
            apply_to(table, now, own.changes(now));
        }
        apply_to(table, now, sampler.sample(now, families));
    }
}

fn tell_own(own: &mut OwnFacts, facts: &Facts) {
    own.started = facts.started.instant;
    own.packets_sent = facts.stats.sent;
    own.packets_received = facts.stats.received;
    let dropped = |kind: Dropped| (kind.as_str().to_owned(), facts.stats.dropped(kind));
    own.packets_dropped = Dropped::ALL.into_iter().map(dropped).collect();
    own.receive_overflow = facts.network.overflow;
    own.unrepeated = facts.stats.unrepeated;
    own.path_current = Some(facts.path.to_owned());
    own.path_since = Some(facts.path_since);
}

fn narrowing(config: &Config) -> Narrowing {
    let unreadable = config.policy.read_deny.iter().map(|steps| Steps(steps).to_string());
    Narrowing { unreadable: unreadable.collect(), setters: config.policy.set_roles.clone() }
}

/// The configuration that was named, or else the one beside the realm if there is one.
fn read_config(
    named: Option<&Path>,
    folder: Option<&RealmFolder>,
    roots: &Roots,
) -> Result<Config, Failure> {
    let beside = folder.map(RealmFolder::agent_config);
    let Some(path) = named.map(Path::to_owned).or(beside.clone().filter(|it| it.exists())) else {
        match beside {
            Some(path) => tracing::info!(path = %path.display(), "there is no configuration"),
            None => tracing::info!("no configuration is read; name one by --config"),
        }
        return Ok(Config::default());
    };
    tracing::info!(path = %path.display(), "the configuration");
    let (bytes, metadata) = lcast::file::read_with_metadata(&path, CONFIG_LENGTH_MAX)
        .map_err(|error| Failure::usage(lcast::file::failure(&path, &error)))?;
    let text = String::from_utf8(bytes)
        .map_err(|error| Failure::usage(format!("'{}': {error}", path.display())))?;
    let passwd = std::fs::read_to_string(roots.etc.join("passwd")).unwrap_or_default();
    let config = Config::parse_for(&text, &path, &passwd).map_err(Failure::usage)?;
    check_owner(&path, &metadata, &config)?;
    Ok(config)
}

/// Whoever can change the configuration can run commands as the agent's user: a warning, and where
/// one that is another user's, or that everybody can write, has commands, a refusal.
fn check_owner(path: &Path, metadata: &Metadata, config: &Config) -> Result<(), Failure> {
    if let Some(warning) = owner::warning_of("the configuration", path, metadata) {
        let runs = config.variables.iter().any(|it| matches!(it.source, Source::Command(_)));
        let whose = match (owner::is_foreign(metadata), owner::is_everybodys(metadata)) {
            (true, _) => Some("none of another user's"),
            (false, true) => Some("none that everybody can write"),
            (false, false) => None,
        };
        if let Some(whose) = whose.filter(|_| runs) {
            let message = format!("{warning}; it has commands, and the agent runs {whose}");
            return Err(Failure::usage(message));
        }
        tracing::warn!("{warning}");
    }
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    if let Some(warning) =
        owner::warning("the configuration's folder", folder.unwrap_or(Path::new(".")))
    {
        tracing::warn!("{warning}");
    }
    Ok(())
}

/// Tells on stderr what happens, by RUST_LOG; when quiet, what is wrong.
fn start_log(quiet: bool) {
    use std::io::IsTerminal;
    let plain = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new(if quiet { "warn" } else { "info" })
    });
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && !plain)
        .with_target(false)
        // A log that cannot be written, as on a full disk, must not end the agent.
        .log_internal_errors(false);
    // A log that was started before, by a test, stays.
    let _ = log.try_init();
}

#[cfg(test)]
mod tests {
    use lcast_net::NetworkStats;
    use lcast_proto::keys::authority::Authority;
    use lcast_proto::keys::{Credential, Kind, Labels, MemberEdit, Network, Roles, Subject};
    use lcast_proto::random::Random;
    use lcast_proto::stats::Stats;
    use lcast_proto::time::Timestamp;

    use super::*;

    fn credential() -> Credential {
        let subject = Subject {
            name: "web1".parse().unwrap(),
            kind: Kind::Agent,
            labels: Labels::default(),
            roles: Roles::default(),
            not_before: Timestamp::from_millis(0),
            not_after: Timestamp::from_millis(i64::MAX / 2),
        };
        let mut random = Random::from_seed([5; 32]);
        let authority = Authority::create("prod", &mut random).unwrap();
        let network = Network { scope: Scope::Host, ..Network::default() };
        let edit = MemberEdit::first();
        let now = Timestamp::from_millis(1_000_000);
        let mut enrolled = authority.enroll(edit, &[subject], &network, now, &mut random).unwrap();
        enrolled.credentials.remove(0)
    }

    /// SQLite takes an empty file for a database that is yet to be made.
    #[test]
    fn settings_that_may_be_lost_are_told() {
        let folder = std::env::temp_dir().join(format!("lcast-emptied-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, bytes: &str| std::fs::write(folder.join(name), bytes).unwrap();
        assert_eq!(emptied(&folder), None);
        write("settings.db", "");
        assert!(emptied(&folder).unwrap().contains("settings.db' is empty"));
        write("settings.db-wal", "x");
        assert_eq!(emptied(&folder), None, "they are in the log");
        write("settings.db-wal", "");
        assert!(emptied(&folder).is_some());
        write("settings.db", "x");
        assert_eq!(emptied(&folder), None);
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// A question for what is read in the background has it read anew, and does not wait for it.
    #[test]
    fn a_question_wants_what_is_read_in_the_background() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let nowhere = Roots::under(Path::new("/proc/nonexistent"));
            let slow = Slow {
                family: Family::Systemd,
                read: Box::new(|| vec![Change::Undefine("app.x".to_owned())]),
                pause: Duration::ZERO,
                every: Duration::from_secs(36_000),
            };
            let mut background = Background::start(&[], vec![slow], &nowhere);
            let sampler = Sampler::new(nowhere, builtin::Options::default());
            let mut refresh = refresher(sampler, OwnFacts::default(), background.wants());
            let facts = Facts {
                stats: Stats::default(),
                network: NetworkStats::default(),
                started: Now::default(),
                path: "none",
                path_since: Timestamp::from_millis(0),
                absent: Vec::new(),
                forgotten: Vec::new(),
            };
            let patterns = ["systemd.state".parse().unwrap()].into();
            let wanted = Wanted { patterns, predicate: None };
            refresh(&mut Table::new(1), Now::default(), &facts, Some(&wanted));
            let read = tokio::time::timeout(Duration::from_secs(20), background.changes.recv());
            assert_eq!(read.await.unwrap().unwrap().len(), 1);
            background.stop().await;
        });
    }

    /// Nothing is sent: the node is closed.
    #[test]
    fn an_agent_whose_node_ends_does_not_live_on() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let nowhere = Roots::under(Path::new("/proc/nonexistent"));
            let registry = std::env::temp_dir().join(format!("lcast-ends-{}", std::process::id()));
            let node = Node::builder(credential()).closed().registry(vec![registry.clone()]);
            let node = node.start().unwrap();
            let mut background = Background::start(&[], Vec::new(), &nowhere);
            let mut signals = Signals::watch().unwrap();
            node.clone().leave().await;
            let serving = serve(&node, &mut background, &mut signals, false);
            let ended = tokio::time::timeout(Duration::from_secs(20), serving).await.unwrap();
            let ended = ended.unwrap_err();
            assert_eq!(ended.exit, Exit::Internal);
            assert!(ended.message.contains("answers no more"), "{ended}");
            background.stop().await;
            let _ = std::fs::remove_dir_all(registry);
        });
    }
}
