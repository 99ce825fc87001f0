//! A node: this process's part in a realm.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lcast_net::interfaces::Selection;
use lcast_net::registry::RegistryConfig;
use lcast_net::{Network, NetworkConfig, NetworkStats, OpenError};
use lcast_proto::config::Config;
use lcast_proto::endpoint::{Endpoint, ForgottenSpeaker, NodeView};
use lcast_proto::keys::Kind;
use lcast_proto::keys::credential::{Credential, Scope};
use lcast_proto::keys::members::MemberList;
use lcast_proto::keys::policy::Narrowing;
use lcast_proto::question::{SetRequest, Verb, Wanted, WatchRequest};
use lcast_proto::select::{Pattern, PatternError};
use lcast_proto::stats::Stats;
use lcast_proto::time::{Now, Timestamp};
use lcast_proto::variable::{Definition, Table, TableError, Update};
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::driver::{Command, Driver};
use crate::exposed::{Exposed, Setting};
use crate::file;
use crate::memory::Memory;
use crate::presence::PresenceChanges;
use crate::question::Question;
use crate::settings;
use crate::store::{LockError, StateLock, Store, StoreError};

/// This process's part in a realm: asks, tells, and exposes variables.
///
/// Cheap to clone; all clones are one node. It runs as a task on the tokio runtime that it was
/// started on, and ends when the last clone is dropped or with [`Node::leave`].
///
/// ```no_run
/// use lcast::{Node, home::Home};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let credential: lcast::Credential = lcast::realm::read_credential("web1".as_ref(), None)?;
/// let node = Node::builder(credential).start()?;
/// let mut replies = node.get(&["system.cpu.load_1m"])?.on("web*")?.ask().await?;
/// while let Some(reply) = replies.next().await {
///     println!("{}: {:?}", reply.node, reply.outcome);
/// }
/// let report = replies.report()?;
/// println!("{} of {} answered", report.answered, report.expected);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Node {
    commands: mpsc::Sender<Command>,
    kind: Kind,
}

/// How a [`Node`] is to be started.
pub struct Builder {
    credential: Credential,
    state: Option<PathBuf>,
    memory: Option<PathBuf>,
    interfaces: Option<Vec<String>>,
    narrowing: Narrowing,
    software: Option<String>,
    refresh: Option<Refresh>,
    refresh_every: Option<Duration>,
    keep_members: Option<KeepMembers>,
    registry: Vec<PathBuf>,
    closed: bool,
    spare_port: bool,
    #[cfg(test)]
    started_by: Option<u32>,
}

/// Refreshes values in the table when a question is going to read them (`Some`), and at the
/// interval of [`Builder::refresh`] (`None`). It must not wait for anything.
pub type Refresh = Box<dyn FnMut(&mut Table, Now, &Facts, Option<&Wanted>) + Send>;

/// Keeps a newer member list for the next start.
pub type KeepMembers = Box<dyn FnMut(&MemberList) + Send>;

/// What a node knows of itself.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The counters of the protocol.
    pub stats: Stats,
    /// The counters of the sockets.
    pub network: NetworkStats,
    /// When the node was started.
    pub started: Now,
    /// How the realm is reached: `multicast`, `unicast`, or `none` without any link.
    pub path: &'static str,
    /// Since when.
    pub path_since: Timestamp,
    /// The named interfaces that are absent or down.
    pub absent: Vec<String>,
    /// Who was heard lately with a credential that the realm has forgotten.
    pub forgotten: Vec<ForgottenSpeaker>,
}

/// Why a node was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The sockets could not be opened.
    #[error("{0}")]
    Network(#[from] OpenError),
    /// The state is another process's, or cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The state could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The credential does not hold together.
    #[error(transparent)]
    Credential(#[from] lcast_proto::keys::credential::CredentialError),
}

/// The node has ended: it left, or its runtime did, or this is a fork of the process that started
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node has ended, or was started by another process than this one")]
pub struct NodeEnded;

/// Why a variable was not exposed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExposeError {
    /// The name or value does not fit.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The default of a setting is not a value that it accepts.
    #[error("the default of '{name}' does not fit: {message}")]
    Default {
        /// The setting.
        name: String,
        /// What would fit.
        message: String,
    },
    /// A client asks, and nobody asks it.
    #[error(
        "'{0}' cannot be exposed with the credential of a client, whom nobody asks; issue one of \
         an agent, without --client"
    )]
    Client(String),
    /// The node has ended.
    #[error(transparent)]
    Ended(#[from] NodeEnded),
}

/// A member of the realm with its presence.
pub type Member = NodeView;

impl Node {
    /// A node with this credential, to be configured and started.
    pub fn builder(credential: Credential) -> Builder {
        Builder {
            credential,
            state: None,
            memory: None,
            interfaces: None,
            narrowing: Narrowing::default(),
            software: None,
            refresh: None,
            refresh_every: None,
            keep_members: None,
            registry: Vec::new(),
            closed: false,
            spare_port: false,
            #[cfg(test)]
            started_by: None,
        }
    }

    /// Asks for all variables that any of the patterns matches.
    ///
    /// ```no_run
    /// # async fn example(node: lcast::Node) -> Result<(), Box<dyn std::error::Error>> {
    /// use lcast::Outcome;
    /// let question = node.get(&["system.cpu.load_1m", "app.*"])?.label("role", "web");
    /// let mut replies = question.matching("system.cpu.load_1m > 2.0")?.ask().await?;
    /// while let Some(reply) = replies.next().await {
    ///     if let Outcome::Values(values) = reply.outcome {
    ///         values.iter().for_each(|it| println!("{} {} {:?}", reply.node, it.name, it.value));
    ///     }
    /// }
    /// for node in &replies.report()?.missing {
    ///     println!("{} did not answer", node.node);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The pattern that is none.
    pub fn get(&self, patterns: &[&str]) -> Result<Question, PatternError> {
        let patterns: Result<Vec<Pattern>, _> =
            patterns.iter().map(|pattern| pattern.parse()).collect();
        Ok(self.question(Verb::Get(patterns?)))
    }

    /// Writes one setting; the text is read at each node by the setting's type.
    ///
    /// ```no_run
    /// # async fn example(node: lcast::Node) -> Result<(), Box<dyn std::error::Error>> {
    /// let report = node.set("app.greeting", "hello")?.on("web*")?.report().await?;
    /// assert!(report.is_complete(), "{} nodes did not take it", report.error.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the name is none.
    pub fn set(&self, name: &str, text: &str) -> Result<Question, lcast_proto::name::NameError> {
        self.set_all(&[(name, text)])
    }

    /// Writes several settings, at each node all or none of them; texts are read as by
    /// [`Node::set`]. A set of none, of more than 64, of one setting twice or of more than fits one
    /// packet is not asked ([`AskError`](lcast_proto::question::AskError)).
    ///
    /// ```no_run
    /// # async fn example(node: lcast::Node) -> Result<(), Box<dyn std::error::Error>> {
    /// let both = [("app.greeting", "hello"), ("app.level", "0.5")];
    /// let would = node.set_all(&both)?.on("web*")?.dry_run().report().await?;
    /// if would.is_complete() {
    ///     node.set_all(&both)?.on("web*")?.report().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When a name is none.
    pub fn set_all(
        &self,
        assignments: &[(&str, &str)],
    ) -> Result<Question, lcast_proto::name::NameError> {
        let assigned = |(name, text): &(&str, &str)| {
            let text = lcast_proto::variable::Assigned::Text((*text).to_owned());
            Ok((name.parse()?, text))
        };
        let assignments = assignments.iter().map(assigned).collect::<Result<_, _>>()?;
        Ok(self.question(Verb::Set(SetRequest { assignments, if_version: None, dry_run: false })))
    }

    /// Watches all variables that any of the patterns matches: what they are at first, then what
    /// changes, on every node that the question picks, those that join later included.
    ///
    /// ```no_run
    /// # async fn example(node: lcast::Node) -> Result<(), Box<dyn std::error::Error>> {
    /// use lcast::WatchItem;
    /// let question = node.watch(&["system.cpu.load_1m"])?.matching("labels.role == 'web'")?;
    /// let mut watch = question.subscribe().await?;
    /// while let Some(item) = watch.next().await {
    ///     match item {
    ///         WatchItem::Reply(reply) => println!("{}: {:?}", reply.node, reply.outcome),
    ///         WatchItem::Changed { node, values, .. } => println!("{node}: {values:?}"),
    ///         WatchItem::Left { node, reason } => println!("{node} left: {}", reason.as_str()),
    ///         other => println!("{other:?}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The pattern that is none.
    pub fn watch(&self, patterns: &[&str]) -> Result<Question, PatternError> {
        let patterns: Result<Vec<Pattern>, _> =
            patterns.iter().map(|pattern| pattern.parse()).collect();
        Ok(self.question(Verb::Watch(WatchRequest { patterns: patterns?, ..Default::default() })))
    }

    /// Asks which variables there are: what they are, not what they hold. Nodes that say so are no
    /// replies but stand in [`Replies::schemas`](crate::Replies::schemas).
    ///
    /// ```no_run
    /// # async fn example(node: lcast::Node) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut replies = node.variables().on("web*")?.ask().await?;
    /// while replies.next().await.is_some() {}
    /// for (node, schema) in replies.schemas() {
    ///     for it in schema.definitions() {
    ///         println!("{node}: {} is {} in {}", it.template, it.value_type, it.unit);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn variables(&self) -> Question {
        self.question(Verb::Schema)
    }

    /// A question with any verb.
    pub fn question(&self, verb: Verb) -> Question {
        Question::new(self.commands.clone(), verb)
    }

    /// Every member, with its presence as it is known here.
    ///
    /// # Errors
    /// When the node has ended.
    pub async fn members(&self) -> Result<Vec<Member>, NodeEnded> {
        self.ask(Command::Members).await
    }

    /// Follows whose presence changes from here on; [`Node::members`] says what it is.
    ///
    /// ```no_run
    /// # async fn example(node: lcast::Node) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut changes = node.presence().await?;
    /// while let Some(lcast::PresenceItem::Changed(it)) = changes.next().await {
    ///     println!("{} is {}", it.name, it.state.as_str());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the node has ended.
    pub async fn presence(&self) -> Result<PresenceChanges, NodeEnded> {
        Ok(PresenceChanges::new(self.ask(Command::Presence).await?))
    }

    /// What the node knows of itself.
    ///
    /// # Errors
    /// When the node has ended.
    pub async fn facts(&self) -> Result<Facts, NodeEnded> {
        self.ask(Command::Facts).await
    }

    /// The round trip to a node by unicast; `None` when it does not answer within `timeout`, or
    /// was never heard.
    ///
    /// # Errors
    /// When the node has ended.
    pub async fn ping(&self, name: &str, timeout: Duration) -> Result<Option<Duration>, NodeEnded> {
        let trip = self.ask(|reply| Command::Ping(name.to_owned(), reply));
        match tokio::time::timeout(timeout, trip).await {
            Ok(Ok(trip)) => Ok(Some(trip)),
            Ok(Err(NodeEnded)) if self.commands.is_closed() => Err(NodeEnded),
            Ok(Err(NodeEnded)) | Err(_) => Ok(None),
        }
    }

    /// Exposes a variable: from here on the realm can read it. It has no value until
    /// [`Exposed::publish`].
    ///
    /// ```no_run
    /// # async fn example(node: lcast::Node) -> Result<(), Box<dyn std::error::Error>> {
    /// use lcast::{Definition, Type, Value};
    /// let definition = Definition::gauge("app.queue.length", Type::Int).unit("{job}");
    /// let queue = node.expose(definition).await?;
    /// queue.publish(Value::Int(17)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the name clashes with another, the node is a client, or it has ended.
    pub async fn expose(&self, definition: Definition) -> Result<Exposed, ExposeError> {
        self.check_agent(&definition)?;
        let template = definition.template.clone();
        self.change(move |table, _| table.define(definition)).await??;
        Ok(Exposed::new(self.clone(), template))
    }

    /// Exposes a setting: a variable that operators of the realm may write, kept over restarts
    /// when the node has a state folder.
    ///
    /// ```no_run
    /// # async fn example(node: lcast::Node) -> Result<(), Box<dyn std::error::Error>> {
    /// use lcast::{Constraint, Definition, Type, Value};
    /// let range = Constraint { min: Some(1.0), max: Some(64.0), ..Constraint::default() };
    /// let definition = Definition::setting("app.workers", Type::Int, range);
    /// let mut workers = node.expose_setting(definition, Value::Int(4)).await?;
    /// loop {
    ///     println!("working with {:?}", workers.changed().await?);
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the name clashes with another, the default does not fit, the node is a client, or it
    /// has ended.
    pub async fn expose_setting(
        &self,
        definition: Definition,
        default: lcast_proto::value::Value,
    ) -> Result<Setting, ExposeError> {
        self.check_agent(&definition)?;
        let value = self.ask(|reply| Command::Setting(definition, default, reply)).await??;
        Ok(Setting::new(value))
    }

    fn check_agent(&self, definition: &Definition) -> Result<(), ExposeError> {
        match self.kind {
            Kind::Agent => Ok(()),
            Kind::Client => Err(ExposeError::Client(definition.template.clone())),
        }
    }

    /// Changes the table of variables at once, and waits until that is done.
    ///
    /// # Errors
    /// When the node has ended.
    pub async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Table, Now) -> T + Send + 'static,
    ) -> Result<T, NodeEnded> {
        let (reply, answer) = oneshot::channel();
        let change = Box::new(move |table: &mut Table, now: Now| {
            // Nobody waits any more when the caller was cancelled: the change stands.
            let _ = reply.send(change(table, now));
        });
        self.commands.send(Command::Change(change)).await.map_err(|_| NodeEnded)?;
        answer.await.map_err(|_| NodeEnded)
    }

    /// Takes values, all at one instant.
    ///
    /// # Errors
    /// The first value that was not taken; those before it were.
    pub async fn publish(&self, updates: Vec<Update>) -> Result<(), ExposeError> {
        let publish = |table: &mut Table, now| {
            updates.into_iter().try_for_each(|update| table.update(now, update))
        };
        Ok(self.change(publish).await??)
    }

    /// Takes part in the realm from here on, for a node that was started closed.
    ///
    /// # Errors
    /// When the node has ended.
    pub async fn open(&self) -> Result<(), NodeEnded> {
        self.commands.send(Command::Open).await.map_err(|_| NodeEnded)
    }

    /// Puts a member list that this process made in force and offers it to others.
    ///
    /// # Errors
    /// When the node has ended.
    pub async fn install_members(&self, members: MemberList) -> Result<(), NodeEnded> {
        self.commands.send(Command::Install(members)).await.map_err(|_| NodeEnded)
    }

    /// Waits for the end of the node: it left, or cannot go on because its sockets failed, say.
    pub async fn ended(&self) {
        self.commands.closed().await;
    }

    /// Says goodbye to the realm, if this is an agent, and ends the node.
    pub async fn leave(self) {
        let (reply, done) = oneshot::channel();
        if self.commands.send(Command::Leave(reply)).await.is_ok() {
            // An error means that the node has ended already.
            let _ = done.await;
        }
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, NodeEnded> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| NodeEnded)?;
        answer.await.map_err(|_| NodeEnded)
    }
}

impl Builder {
    /// Keeps settings, the incarnation and the newest member list in this folder, which is locked:
    /// one running node each. Default: nothing is kept, settings last as long as the process, and
    /// the next one begins with the credential's member list.
    #[must_use]
    pub fn state(mut self, folder: impl AsRef<Path>) -> Self {
        self.state = Some(folder.as_ref().to_owned());
        self
    }

    /// Remembers presence and schemas in this folder for the next process; many may share it.
    #[must_use]
    pub fn memory(mut self, folder: impl AsRef<Path>) -> Self {
        self.memory = Some(folder.as_ref().to_owned());
        self
    }

    /// Uses these interfaces in place of the credential's; none named: the default choice.
    #[must_use]
    pub fn interfaces(mut self, names: Vec<String>) -> Self {
        self.interfaces = Some(names);
        self
    }

    /// Takes away from what the realm's policy allows others to do here.
    #[must_use]
    pub fn narrowing(mut self, narrowing: Narrowing) -> Self {
        self.narrowing = narrowing;
        self
    }

    /// The version of the software, told to others. Default: this library's.
    #[must_use]
    pub fn software(mut self, version: &str) -> Self {
        self.software = Some(version.to_owned());
        self
    }

    /// Refreshes values on demand, and each `every`.
    #[must_use]
    pub fn refresh(mut self, every: Duration, refresh: Refresh) -> Self {
        self.refresh = Some(refresh);
        self.refresh_every = Some(every);
        self
    }

    /// Is told each newer member list, to keep it where the credential is.
    #[must_use]
    pub fn keep_members(mut self, keep: KeepMembers) -> Self {
        self.keep_members = Some(keep);
        self
    }

    /// Folders in which nodes of this host find each other without multicast. Default: the
    /// runtime folders of [`crate::runtime::registry_folders`].
    #[must_use]
    pub fn registry(mut self, folders: Vec<PathBuf>) -> Self {
        self.registry = folders;
        self
    }

    /// Listens at ports of its own and not at the realm's: firewalls have let nothing through for
    /// them before, so what gets through shows what they let through.
    #[must_use]
    pub fn spare_port(mut self) -> Self {
        self.spare_port = true;
        self
    }

    /// Starts closed: the realm neither hears of the node nor reaches it before [`Node::open`], so
    /// that nobody sees it with half of its variables.
    #[must_use]
    pub fn closed(mut self) -> Self {
        self.closed = true;
        self
    }

    /// Starts the node on the present tokio runtime, whose I/O and time must be enabled.
    ///
    /// # Errors
    /// What cannot be opened. A realm whose interfaces are all down starts, and follows them.
    pub fn start(mut self) -> Result<Node, StartError> {
        let clock = Clock::start();
        let started = clock.now();
        let lock = self.state.as_deref().map(StateLock::acquire).transpose()?;
        let store = self.state.as_deref().map(Store::open).transpose()?;
        let members_path = self.state.as_deref().map(|folder| folder.join(MEMBERS));
        if let Some(path) = &members_path {
            adopt_kept(&mut self.credential, path);
        }
        let memory = self.memory.map(|folder| Memory::load(folder, started.wall));
        let mut network = network_config(&self.credential, self.interfaces, self.registry);
        network.spare_port = self.spare_port;
        let network = Network::open(network)?;
        let mut config = Config {
            incarnation: store.as_ref().map_or(1, Store::incarnation),
            narrowing: self.narrowing,
            recalled: store.as_ref().map(settings::recalled).unwrap_or_default(),
            ..Config::default()
        };
        if let Some(software) = &self.software {
            config.software = software.as_str().into();
        }
        if let Some(memory) = &memory {
            (config.roster, config.schemas) = memory.content();
        }
        let seed = crate::entropy::random().bytes();
        let kind = self.credential.certificate().kind();
        let endpoint = Endpoint::new(config, Arc::new(self.credential), seed, started);
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let mut driver = Driver::new(clock, endpoint, network, inbox);
        driver.keep(lock, store, memory);
        if let Some(path) = members_path {
            driver.keep_members_at(path);
        }
        #[cfg(test)]
        if let Some(pid) = self.started_by {
            driver.as_if_started_by(pid);
        }
        if self.closed {
            driver.begin_closed();
        }
        driver.refresh_with(self.refresh, self.refresh_every);
        driver.keep_members_with(self.keep_members);
        driver.tell_if_forgotten();
        tokio::spawn(driver.run());
        Ok(Node { commands, kind })
    }
}

/// The member list in a state folder.
const MEMBERS: &str = "members";

/// Gives a credential the member list that an earlier process of this node kept: who was forgotten
/// since the credential was issued stays forgotten. [SEC-33] One that is damaged or of another
/// realm is left alone.
fn adopt_kept(credential: &mut Credential, path: &Path) {
    let kept = match file::read_at_most(path, MemberList::LENGTH_MAX as u64) {
        Ok(bytes) => credential.adopt_members(bytes).map(drop).map_err(|it| it.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = kept {
        let path = path.display();
        tracing::warn!(%error, %path, "the member list that was kept here is not used");
    }
}

/// Commands that wait for the driver; senders wait when there are more.
const COMMANDS_MAX: usize = 256;

/// The scope of the groups of a realm of this scope.
fn reach(scope: Scope) -> lcast_net::Scope {
    match scope {
        Scope::Host => lcast_net::Scope::Host,
        Scope::Link => lcast_net::Scope::Link,
        Scope::Site => lcast_net::Scope::Site,
        Scope::Org => lcast_net::Scope::Org,
        Scope::Global => lcast_net::Scope::Global,
    }
}

fn network_config(
    credential: &Credential,
    interfaces: Option<Vec<String>>,
    registry: Vec<PathBuf>,
) -> NetworkConfig {
    let network = credential.network();
    let scope = reach(network.scope);
    let names = interfaces.unwrap_or_else(|| network.interfaces.clone());
    let mut config = NetworkConfig::new(network.port, scope);
    config.interfaces =
        if names.is_empty() { Selection::Automatic } else { Selection::Named(names) };
    if scope == lcast_net::Scope::Host {
        let (folders, fallback) = if registry.is_empty() {
            (crate::runtime::registry_folders(), Some(crate::runtime::fallback()))
        } else {
            (registry, None)
        };
        let [a, b, c, d, ..] = credential.realm().0;
        let realm_tag = u32::from_be_bytes([a, b, c, d]);
        config.registry = Some(RegistryConfig { folders, fallback, realm_tag });
    }
    config
}

/// The value of a setting as it changes.
pub(crate) type SettingValue = watch::Receiver<lcast_proto::value::Value>;

#[cfg(test)]
mod tests;
