//! A node on a thread of its own.

use std::io;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use lcast_proto::question::{SetRequest, Verb};
use lcast_proto::value::Value;
use lcast_proto::variable::{Assigned, Definition};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Changes;
use super::error::{Error, Kind};
use super::exposed::{Exposed, Setting};
use super::process::Own;
use super::question::Question;
use super::stream::{Feed, Pair, Stream};
use crate::file;
use crate::node::Member;
use crate::question::{QuestionError, Said};

/// This process's part in a realm, for programs without async. Any thread may use it.
///
/// It ends with [`Node::close`] or when it is dropped; both say goodbye to the realm and wait until
/// that is done. Streams that are left end then.
#[derive(Debug)]
pub struct Node {
    own: Own<Running>,
    realm: String,
    name: String,
}

/// The thread, and the way to it.
#[derive(Debug)]
struct Running {
    link: Link,
    thread: Mutex<Option<Thread>>,
}

#[derive(Debug)]
struct Thread {
    stop: oneshot::Sender<()>,
    handle: JoinHandle<()>,
}

/// The way to the node's thread.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) node: crate::Node,
    runtime: Handle,
}

impl Node {
    pub(super) fn start(
        builder: crate::Builder,
        realm: String,
        name: String,
    ) -> Result<Self, Error> {
        let (stop, stopped) = oneshot::channel();
        let (ready, link) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("lcast".to_owned());
        let spawn = || thread.spawn(move || run(builder, &ready, stopped));
        // Signals are for the program's threads, which may have handlers, or wait for them.
        let handle = lcast_net::without_signals(spawn);
        let handle =
            handle.map_err(|error| Error::start("cannot start a thread for the node", &error))?;
        let link = link.recv().unwrap_or_else(|_| Err(internal()));
        let link = match link {
            Ok(link) => link,
            Err(error) => {
                // It has nothing left to do; whether it panicked, the error says.
                let _ = handle.join();
                return Err(error);
            }
        };
        let thread = Mutex::new(Some(Thread { stop, handle }));
        Ok(Self { own: Own::new(Running { link, thread }), realm, name })
    }

    /// The name of the realm.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The certified name of this node.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn link(&self) -> Result<&Link, Error> {
        Ok(&self.own.get()?.link)
    }

    fn question(&self, question: crate::Question) -> Result<Question, Error> {
        question.check()?;
        Ok(Question::new(self.link()?.clone(), question))
    }

    /// Asks for all variables that any of the patterns matches.
    ///
    /// # Errors
    /// [`Kind::Invalid`]: the pattern that is none, or none at all.
    pub fn get(&self, patterns: &[&str]) -> Result<Question, Error> {
        self.question(self.link()?.node.get(patterns)?)
    }

    /// Writes one setting; the text is read at each node by the setting's type.
    ///
    /// # Errors
    /// [`Kind::Invalid`]: when the name is none.
    pub fn set(&self, name: &str, text: &str) -> Result<Question, Error> {
        self.set_all(&[(name, text)])
    }

    /// Writes one setting with a value of its type.
    ///
    /// # Errors
    /// [`Kind::Invalid`]: when the name is none.
    pub fn set_value(&self, name: &str, value: Value) -> Result<Question, Error> {
        self.set_all_values(vec![(name, Assigned::Value(value))])
    }

    /// Writes several settings, at each node all or none of them. A set of none, of more than 64
    /// or of one setting twice is not asked, and its replies tell so: [`Kind::Invalid`].
    ///
    /// # Errors
    /// [`Kind::Invalid`]: when a name is none.
    pub fn set_all(&self, assignments: &[(&str, &str)]) -> Result<Question, Error> {
        self.question(self.link()?.node.set_all(assignments)?)
    }

    /// The same with a text or with a value of its type for each.
    ///
    /// # Errors
    /// [`Kind::Invalid`]: when a name is none.
    pub fn set_all_values(&self, assignments: Vec<(&str, Assigned)>) -> Result<Question, Error> {
        let named = |(name, assigned): (&str, Assigned)| Ok::<_, Error>((name.parse()?, assigned));
        let assignments = assignments.into_iter().map(named).collect::<Result<_, _>>()?;
        let request = SetRequest { assignments, if_version: None, dry_run: false };
        self.question(self.link()?.node.question(Verb::Set(request)))
    }

    /// Watches all variables that any of the patterns matches.
    ///
    /// # Errors
    /// [`Kind::Invalid`]: the pattern that is none, or none at all.
    pub fn watch(&self, patterns: &[&str]) -> Result<Question, Error> {
        self.question(self.link()?.node.watch(patterns)?)
    }

    /// Which variables there are, to be asked by [`Question::describe`].
    ///
    /// # Errors
    /// As of [`Node::members`].
    pub fn variables(&self) -> Result<Question, Error> {
        self.question(self.link()?.node.variables())
    }

    /// Every member, with its presence as it is known here.
    ///
    /// # Errors
    /// [`Kind::Ended`], [`Kind::Forked`].
    pub fn members(&self) -> Result<Vec<Member>, Error> {
        let link = self.link()?;
        let node = link.node.clone();
        Ok(link.call(async move { node.members().await })??)
    }

    /// Follows whose presence changes from here on.
    ///
    /// # Errors
    /// [`Kind::Ended`], [`Kind::Limit`], [`Kind::Forked`].
    pub fn presence(&self) -> Result<Changes, Error> {
        let link = self.link()?;
        let node = link.node.clone();
        // Before this returns, so that no change after it is missed.
        let mut changes = link.call(async move { node.presence().await })??;
        link.stream(|feed: Feed<crate::PresenceItem, ()>| async move {
            while !feed.is_given_up() {
                let next = tokio::select! {
                    () = feed.given_up() => break,
                    next = changes.next() => next,
                };
                let Some(item) = next else { break };
                feed.push(item, || ()).await;
            }
            feed.finish_given_up(None);
        })
    }

    /// The round trip to a node by unicast; `None` when it does not answer within `timeout`, or
    /// was never heard. A signal does not end the waiting.
    ///
    /// # Errors
    /// [`Kind::Ended`], [`Kind::Forked`].
    pub fn ping(&self, name: &str, timeout: Duration) -> Result<Option<Duration>, Error> {
        let link = self.link()?;
        let (node, name) = (link.node.clone(), name.to_owned());
        Ok(link.call(async move { node.ping(&name, timeout).await })??)
    }

    /// Exposes a variable: from here on the realm can read it. It has no value until
    /// [`Exposed::publish`].
    ///
    /// # Errors
    /// [`Kind::Invalid`] when the name clashes with another or the definition is none,
    /// [`Kind::Permission`] with a client's credential, [`Kind::Ended`], [`Kind::Forked`].
    pub fn expose(&self, definition: Definition) -> Result<Exposed, Error> {
        let link = self.link()?;
        let node = link.node.clone();
        let exposed = link.call(async move { node.expose(definition).await })??;
        Ok(Exposed::new(link.clone(), exposed))
    }

    /// Exposes a setting: a variable that operators of the realm may write.
    ///
    /// # Errors
    /// As of [`Node::expose`], and [`Kind::Invalid`] when the default does not fit.
    pub fn expose_setting(&self, definition: Definition, default: Value) -> Result<Setting, Error> {
        let link = self.link()?;
        let (node, name) = (link.node.clone(), definition.template.clone());
        let setting =
            link.call(async move { node.expose_setting(definition, default).await })??;
        Ok(Setting::new(link.clone(), name, setting))
    }

    /// Says goodbye to the realm, if this is an agent, and ends the node. It waits for a write of
    /// settings that is under way, for 5 s at most. Once more, it does nothing.
    ///
    /// # Errors
    /// [`Kind::Forked`]; [`Kind::Internal`] when the node had ended by an error of this library.
    pub fn close(&self) -> Result<(), Error> {
        self.own.get()?.stop()
    }

    #[cfg(test)]
    pub(super) fn disown(&mut self) {
        self.own.disown();
    }
}

impl Running {
    fn stop(&self) -> Result<(), Error> {
        // Others that close it meanwhile wait here until it is done.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Thread { stop, handle }) = thread.take() else { return Ok(()) };
        drop(stop);
        handle.join().map_err(|_| internal())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Whoever wants to know how it ended has closed it.
        let _ = self.stop();
    }
}

impl Link {
    /// Has the node's thread do something, and waits until it is done.
    pub(super) fn call<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        let (done, result) = mpsc::sync_channel(1);
        self.runtime.spawn(async move {
            // Whoever called waits for it.
            let _ = done.send(task.await);
        });
        result.recv().map_err(|_| Error::ended())
    }

    /// A stream that the node's thread feeds.
    pub(super) fn stream<T, E, F>(
        &self,
        task: impl FnOnce(Feed<T, E>) -> F,
    ) -> Result<Stream<T, E>, Error>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let pair = Pair::new()?;
        let task = self.runtime.spawn(task(pair.feed()));
        Ok(pair.fed_by(task.abort_handle()))
    }
}

/// Longest that the end of a node waits for a write of settings that is under way.
const WRITE_MAX: Duration = Duration::from_secs(5);

/// The node's thread.
fn run(
    builder: crate::Builder,
    ready: &mpsc::SyncSender<Result<Link, Error>>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = match event_loop() {
        Ok(runtime) => runtime,
        Err(error) => {
            // Whoever opens the node waits for it.
            let _ = ready.send(Err(Error::start("cannot start an event loop", &error)));
            return;
        }
    };
    runtime.block_on(async {
        let node = match builder.start() {
            Ok(node) => node,
            Err(error) => {
                // As above.
                let _ = ready.send(Err(error.into()));
                return;
            }
        };
        let link = Link { node: node.clone(), runtime: Handle::current() };
        if ready.send(Ok(link)).is_err() {
            return;
        }
        tokio::select! {
            // Whether it is told or dropped: it is the end.
            _ = stopped => {}
            () = node.ended() => {}
        }
        node.leave().await;
    });
    // What was begun to be written ends here, unless the disk hangs.
    runtime.shutdown_timeout(WRITE_MAX);
}

/// An event loop. With each one tokio makes what handles signals, also where nobody asks for it,
/// and panics when there are no descriptors for that: so there must be enough of them before.
fn event_loop() -> io::Result<tokio::runtime::Runtime> {
    // One that polls, a copy of it, one that wakes it; for signals a pair, and a copy.
    file::check_descriptors(6)?;
    tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()
}

fn internal() -> Error {
    Error::new(Kind::Internal, "the node's thread has panicked: this is an error of Librecast")
}

/// How long replies to a question may wait for others, which are then shown with them.
const TOGETHER: Duration = Duration::from_millis(1);

/// Feeds a stream with the replies to a question. What is shown wakes the program's thread, and a
/// fleet's replies come within a millisecond or a few.
pub(super) async fn answer<T>(
    question: crate::Question,
    feed: Feed<T, crate::Report>,
    item: impl Fn(Said) -> Option<T>,
) {
    let mut replies = match question.ask().await {
        Ok(replies) => replies,
        Err(error) => return feed.finish(Err(error.into())),
    };
    let mut show = None;
    loop {
        let next = tokio::select! {
            () = feed.given_up() => {
                replies.cancel();
                continue;
            }
            () = tokio::time::sleep_until(show.unwrap_or_else(Instant::now)), if show.is_some() => {
                feed.show();
                show = None;
                continue;
            }
            next = replies.said() => next,
        };
        let Some(said) = next else { break };
        let Some(item) = item(said) else { continue };
        feed.put(item, || replies.cancel()).await;
        show.get_or_insert_with(|| Instant::now() + TOGETHER);
    }
    feed.finish(replies.report().cloned().map_err(Error::from));
}

/// Feeds a stream with what a watch says.
pub(super) async fn follow(question: crate::Question, feed: Feed<crate::WatchItem, ()>) {
    let mut watch = match question.subscribe().await {
        Ok(watch) => watch,
        Err(error) => return feed.finish(Err(error.into())),
    };
    loop {
        let next = tokio::select! {
            () = feed.given_up() => {
                watch.cancel();
                continue;
            }
            next = watch.next() => next,
        };
        let Some(item) = next else { break };
        feed.push(item, || watch.cancel()).await;
    }
    let error = watch.error().map(|error| QuestionError::from(error.clone()).into());
    feed.finish_given_up(error);
}
