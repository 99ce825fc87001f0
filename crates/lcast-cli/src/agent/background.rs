//! The schedule of what may take its time: each at its own pace, few at once, none awaited by
//! anybody.
//!
//! [`Background::start`] sets off one task for each `[[variable]]` that is read again and again,
//! one for each [`Slow`] part of the host, and one for systemd. Their changes come through a
//! bounded channel, one batch a reading. [`Wants`] is how questions say what they ask for.

use std::collections::BTreeSet;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lcast_proto::name::Name;
use lcast_proto::variable::Update;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::Change;
use super::builtin::{Families, Family, Roots, SystemdUnits, catalogue};
use super::commands::run;
use super::config::{Command, Source, Variable};
use super::configured::{Finished, Tracker};
use super::formats::Output;

/// Everything that is read in the background. Dropping it ends all of it, programs included.
#[derive(Debug)]
pub struct Background {
    /// What is known before anything was read: apply it at once.
    pub initial: Vec<Change>,
    /// The changes of one reading after another.
    pub changes: mpsc::Receiver<Vec<Change>>,
    tasks: JoinSet<()>,
    wants: Wants,
}

/// What questions ask for of what is read in the background. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Wants(Vec<(Family, Arc<Notify>)>);

/// A part of the host whose reading may take its time, on a thread that may wait.
pub struct Slow {
    /// What it yields.
    pub family: Family,
    /// Reads it.
    pub read: Box<dyn FnMut() -> Vec<Change> + Send>,
    /// It is read at most this often, however many questions ask for it.
    pub pause: Duration,
    /// It is read at least this often: what an answer holds is hardly older.
    pub every: Duration,
}

/// Most programs at once.
pub const COMMANDS_MAX: usize = 4;

/// Most files read at once; one on a dead network mount takes a place until the mount answers.
pub const FILES_MAX: usize = 8;

/// Most batches of changes that wait to be taken; readers wait when there are more.
pub const BATCHES_MAX: usize = 64;

/// How long the reading of a file may take before it counts as failed.
const FILE_WAIT: Duration = Duration::from_secs(5);

/// Most bytes of a file.
const FILE_MAX: usize = Command::OUTPUT_DEFAULT;

/// systemd is asked at most this often.
const SYSTEMD_PAUSE: Duration = Duration::from_secs(30);

/// systemd is asked at least this often.
const SYSTEMD_INTERVAL: Duration = Duration::from_secs(60);

/// First readings are spread over at most this time.
const SPREAD_MAX: Duration = Duration::from_millis(500);

impl Background {
    /// Reads what is slow for the first time, and starts to keep all current. To be called within a
    /// tokio runtime with I/O and time.
    pub fn start(variables: &[Variable], slow: Vec<Slow>, roots: &Roots) -> Self {
        let (sender, changes) = mpsc::channel(BATCHES_MAX);
        let commands = Arc::new(Semaphore::new(COMMANDS_MAX));
        let files = Arc::new(Semaphore::new(FILES_MAX));
        let mut tasks = JoinSet::new();
        let mut initial = Vec::new();
        for variable in variables {
            let mut tracker = Tracker::new(variable.clone());
            initial.extend(tracker.start());
            let sender = sender.clone();
            match variable.source.clone() {
                Source::Value(_) => {}
                Source::Command(command) => {
                    let reader =
                        Programs { command, roots: roots.clone(), permits: commands.clone() };
                    tasks.spawn(keep_current(tracker, reader, sender));
                }
                Source::File(path) => {
                    let reader = Files { path, permits: files.clone(), pending: None };
                    tasks.spawn(keep_current(tracker, reader, sender));
                }
            }
        }
        let mut wants = Wants::default();
        for mut slow in slow {
            initial.extend((slow.read)());
            let wanted = wants.add(slow.family);
            tasks.spawn(keep_read(slow, wanted, sender.clone()));
        }
        if roots.run.join("systemd/system").is_dir() {
            let wanted = wants.add(Family::Systemd);
            let systemd = Systemd {
                commands: SystemdUnits::commands(),
                pause: SYSTEMD_PAUSE,
                every: SYSTEMD_INTERVAL,
                permits: commands,
                roots: roots.clone(),
            };
            tasks.spawn(watch_systemd(systemd, wanted, sender));
        }
        Self { initial, changes, tasks, wants }
    }

    /// Where questions say what they ask for.
    pub fn wants(&self) -> Wants {
        self.wants.clone()
    }

    /// Ends everything and waits until no program is left.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

impl Wants {
    /// Says that a question reads these families: where the last reading is old enough they are
    /// read anew, and come with [`Background::changes`]. The question waits for none of it.
    pub fn tell(&self, families: Families) {
        let wanted = self.0.iter().filter(|(family, _)| families.contains(*family));
        wanted.for_each(|(_, wanted)| wanted.notify_one());
    }

    fn add(&mut self, family: Family) -> Arc<Notify> {
        let wanted = Arc::new(Notify::new());
        self.0.push((family, wanted.clone()));
        wanted
    }
}

impl std::fmt::Debug for Slow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slow").field("family", &self.family).finish_non_exhaustive()
    }
}

/// Reads a slow part of the host when it is wanted, and every so often, until nobody takes its
/// changes.
async fn keep_read(slow: Slow, wanted: Arc<Notify>, sender: mpsc::Sender<Vec<Change>>) {
    let Slow { family, mut read, pause, every } = slow;
    loop {
        next_reading(pause, every, &wanted).await;
        let reading = tokio::task::spawn_blocking(move || {
            let changes = read();
            (read, changes)
        });
        let Ok((again, changes)) = reading.await else {
            tracing::error!(?family, "the reading of a part of the host failed: it stays as it is");
            // An error means that nobody takes changes any more.
            let _ = sender.send(frozen(family)).await;
            return;
        };
        read = again;
        if sender.send(changes).await.is_err() {
            return;
        }
    }
}

/// What tells that the variables of a family are not read any more.
fn frozen(family: Family) -> Vec<Change> {
    const ERROR: &str = "its reading failed, and it is read no more: restart the agent";
    let rows = catalogue().iter().filter(|row| row.family == family);
    let prefixes: BTreeSet<&str> =
        rows.map(|row| row.template.split('[').next().unwrap_or(row.template)).collect();
    let told = prefixes.into_iter().filter_map(|prefix| {
        let name: Name = format!("librecast.variable[\"{prefix}\"].error").parse().ok()?;
        Some(Change::Update(Update { name, value: ERROR.into(), time: None, version: None }))
    });
    told.collect()
}

/// Waits until somebody wants the next reading, or until it is due anyhow: an answer holds what was
/// read last, and nobody may have asked since yesterday.
async fn next_reading(pause: Duration, every: Duration, wanted: &Notify) {
    let due = Instant::now() + every;
    sleep(pause).await;
    // Either will do: somebody wants it, or it is due.
    let _ = timeout_at(due, wanted.notified()).await;
}

/// Where the outcomes of readings come from: programs or files.
trait Reader: Send {
    /// Reads once.
    fn read(&mut self) -> impl Future<Output = Result<Finished, String>> + Send;
}

/// Reads one variable again and again, until nobody takes its changes.
async fn keep_current(
    mut tracker: Tracker,
    mut reader: impl Reader,
    sender: mpsc::Sender<Vec<Change>>,
) {
    let interval = tracker.variable().interval;
    let dice = RandomState::new();
    let spread = (interval / 4).min(SPREAD_MAX);
    sleep(spread.mul_f64(fraction(&dice, 0))).await;
    let mut next = Instant::now();
    for turn in 1.. {
        let outcome = reader.read().await;
        if sender.send(tracker.finish(outcome)).await.is_err() {
            return;
        }
        // Between 0.95 and 1.05 intervals, so that the variables of a fleet drift apart.
        next += interval.mul_f64(0.95 + fraction(&dice, turn) / 10.0);
        next = next.max(Instant::now());
        sleep_until(next).await;
    }
}

/// A number from 0 to 1 that nobody can foresee; good enough to spread load.
fn fraction(dice: &RandomState, turn: u64) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let part = (dice.hash_one(turn) >> 11) as f64 / (1_u64 << 53) as f64;
    part
}

/// Runs a program.
struct Programs {
    command: Command,
    roots: Roots,
    permits: Arc<Semaphore>,
}

impl Reader for Programs {
    async fn read(&mut self) -> Result<Finished, String> {
        let _permit = self.permits.acquire().await.map_err(|error| error.to_string())?;
        run(&self.command, &self.roots).await.map_err(|error| error.to_string())
    }
}

/// Reads a file, on a thread that may wait: a dead network mount holds up nothing but itself.
struct Files {
    path: PathBuf,
    permits: Arc<Semaphore>,
    pending: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl Reader for Files {
    async fn read(&mut self) -> Result<Finished, String> {
        let path = self.path.display().to_string();
        let waits = || format!("'{path}' does not answer: is it on a dead network mount?");
        if self.pending.is_none() {
            let permit = timeout(FILE_WAIT, self.permits.clone().acquire_owned()).await;
            let permit = permit.map_err(|_| waits())?.map_err(|error| error.to_string())?;
            let path = self.path.clone();
            self.pending = Some(tokio::task::spawn_blocking(move || read_file(&path, permit)));
        }
        let Some(pending) = &mut self.pending else { return Err(waits()) };
        let Ok(joined) = timeout(FILE_WAIT, pending).await else { return Err(waits()) };
        self.pending = None;
        let bytes = joined.map_err(|error| error.to_string())?;
        let bytes = bytes.map_err(|error| format!("cannot read '{path}': {error}"))?;
        Ok(Finished { output: Output { bytes, code: 0 }, complaint: String::new() })
    }
}

/// The bytes of a plain file; the permit goes when it was read.
fn read_file(path: &Path, _permit: OwnedSemaphorePermit) -> io::Result<Vec<u8>> {
    // A pipe or device could wait for ever, or have no end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(FILE_MAX).unwrap_or(u64::MAX) + 1;
    std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > FILE_MAX {
        return Err(io::Error::other(format!("it is longer than {FILE_MAX} bytes")));
    }
    Ok(bytes)
}

/// How systemd is asked.
struct Systemd {
    commands: [Vec<String>; 2],
    pause: Duration,
    every: Duration,
    permits: Arc<Semaphore>,
    roots: Roots,
}

/// Asks systemd at start, then when somebody wants to know and every so often.
async fn watch_systemd(systemd: Systemd, wanted: Arc<Notify>, sender: mpsc::Sender<Vec<Change>>) {
    let mut units = SystemdUnits::default();
    loop {
        let mut texts = Vec::new();
        for arguments in systemd.commands.clone() {
            let command = Command {
                arguments,
                timeout: Command::TIMEOUT_DEFAULT,
                output_max: Command::OUTPUT_MAX,
                user: None,
            };
            let Ok(_permit) = systemd.permits.acquire().await else { return };
            let finished = run(&command, &systemd.roots).await;
            let text = finished.ok().filter(|it| it.output.code == 0).map(|it| it.output.bytes);
            texts.push(String::from_utf8_lossy(&text.unwrap_or_default()).into_owned());
        }
        let [manager, table] = texts.as_slice() else { return };
        if sender.send(units.read(manager, table)).await.is_err() {
            return;
        }
        next_reading(systemd.pause, systemd.every, &wanted).await;
    }
}

#[cfg(test)]
mod tests {
    use lcast_proto::time::Now;
    use lcast_proto::variable::{Definition, Table};

    use super::*;
    use crate::agent::builtin::definitions;
    use crate::agent::config::Config;

    fn variables(text: &str) -> Vec<Variable> {
        Config::parse(text, Path::new("agent.toml")).unwrap().variables
    }

    fn table() -> Table {
        let mut table = Table::new(1);
        let define = |definition: Definition| table.define(definition).unwrap();
        definitions().into_iter().for_each(define);
        table
    }

    fn apply(table: &mut Table, changes: Vec<Change>) {
        changes.into_iter().for_each(|it| it.apply(table, Now::default()).unwrap());
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn shown(table: &Table, prefix: &str) -> Vec<String> {
        let entries = table.entries().map(|(name, entry)| format!("{name} = {:?}", entry.value));
        entries.filter(|line| line.starts_with(prefix)).collect()
    }

    #[test]
    fn commands_files_and_values_fill_the_table_and_are_read_again() {
        let folder = std::env::temp_dir().join(format!("lcast-background-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("release");
        std::fs::write(&file, "1.0\n").unwrap();
        let text = format!(
            "[[variable]]\nname = 'app.fixed'\nvalue = 7\n\
             [[variable]]\nname = 'app.file'\nfile = '{}'\ninterval = '1s'\n\
             [[variable]]\nname = 'app.load'\ncommand = ['echo', '0.5']\ntype = 'float'\n\
             [[variable]]\nname = 'app.gone'\ncommand = ['/proc/nonexistent']\n",
            file.display()
        );
        let mut table = table();
        block_on(async {
            let mut background =
                Background::start(&variables(&text), Vec::new(), &Roots::under(&folder));
            apply(&mut table, std::mem::take(&mut background.initial));
            for _ in 0..3 {
                let batch = background.changes.recv().await.unwrap();
                apply(&mut table, batch);
            }
            assert_eq!(
                shown(&table, "app."),
                [
                    "app.file = Text(\"1.0\")",
                    "app.fixed = Int(7)",
                    "app.gone = Null",
                    "app.load = Float(0.5)"
                ]
            );
            let errors = shown(&table, "librecast.variable[\"app.gone\"].error");
            assert!(
                errors[0].contains("cannot run '/proc/nonexistent': No such file"),
                "{errors:?}"
            );
            std::fs::write(&file, "1.1\n").unwrap();
            apply(&mut table, background.changes.recv().await.unwrap());
            assert_eq!(shown(&table, "app.file"), ["app.file = Text(\"1.1\")"]);
            background.stop().await;
        });
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn so_many_files_are_read_at_once_and_the_next_waits() {
        let file = std::env::temp_dir().join(format!("lcast-files-{}", std::process::id()));
        std::fs::write(&file, "1.0\n").unwrap();
        block_on(async {
            let permits = Arc::new(Semaphore::new(FILES_MAX));
            let mut held = Vec::new();
            for _ in 0..FILES_MAX {
                let mut reader =
                    Files { path: file.clone(), permits: permits.clone(), pending: None };
                assert_eq!(reader.read().await.unwrap().output.bytes, b"1.0\n");
                held.push(permits.clone().acquire_owned().await.unwrap());
            }
            let mut reader = Files { path: file.clone(), permits, pending: None };
            let mut next = std::pin::pin!(reader.read());
            let waits = std::future::poll_fn(|context| {
                std::task::Poll::Ready(next.as_mut().poll(context).is_pending())
            });
            assert!(waits.await, "all places are taken");
            held.pop();
            assert_eq!(next.await.unwrap().output.bytes, b"1.0\n");
        });
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn systemd_is_asked_again_when_a_question_wants_it_and_when_it_is_due() {
        let folder = std::env::temp_dir().join(format!("lcast-systemd-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        // A systemctl that says what stands in a file.
        let say = |state: &str| {
            std::fs::write(folder.join("state"), format!("SystemState={state}\n")).unwrap();
        };
        let systemctl = |words: &str| {
            let script = format!("{words} {}", folder.join("state").display());
            ["/bin/sh", "-c", &script].map(str::to_owned).to_vec()
        };
        say("starting");
        let mut table = table();
        block_on(async {
            let (sender, mut changes) = mpsc::channel(BATCHES_MAX);
            let mut wants = Wants::default();
            let systemd = |every: Duration| Systemd {
                commands: [systemctl("cat"), systemctl(": ")],
                pause: Duration::ZERO,
                every,
                permits: Arc::new(Semaphore::new(1)),
                roots: Roots::under(&folder),
            };
            let (never, wanted) = (Duration::from_secs(36_000), wants.add(Family::Systemd));
            let watching = tokio::spawn(watch_systemd(systemd(never), wanted, sender));
            apply(&mut table, changes.recv().await.unwrap());
            assert_eq!(shown(&table, "systemd.state"), ["systemd.state = Text(\"starting\")"]);
            say("running");
            wants.tell(Families::NONE.with(Family::Memory));
            wants.tell(Families::NONE.with(Family::Systemd));
            apply(&mut table, changes.recv().await.unwrap());
            assert_eq!(shown(&table, "systemd.state"), ["systemd.state = Text(\"running\")"]);
            watching.abort();

            let (sender, mut changes) = mpsc::channel(1);
            let (at_once, wanted) = (Duration::ZERO, Arc::new(Notify::new()));
            let watching = tokio::spawn(watch_systemd(systemd(at_once), wanted, sender));
            for _ in 0..2 {
                apply(&mut table, changes.recv().await.unwrap());
            }
            watching.abort();
        });
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_slow_is_read_at_start_when_wanted_and_when_it_is_due() {
        let counter = |pause: Duration, every: Duration| {
            let mut count = 0;
            let read = move || {
                count += 1;
                let name = "system.filesystem[\"/\"].usage".parse().unwrap();
                let value = lcast_proto::value::Value::Int(count);
                let update =
                    lcast_proto::variable::Update { name, value, time: None, version: None };
                vec![Change::Update(update)]
            };
            Slow { family: Family::Filesystem, read: Box::new(read), pause, every }
        };
        let (never, at_once) = (Duration::from_secs(36_000), Duration::ZERO);
        let nowhere = Roots::under(Path::new("/proc/nonexistent"));
        let usage = |table: &Table| shown(table, "system.filesystem").pop().unwrap();
        let mut table = table();
        block_on(async {
            let mut background = Background::start(&[], vec![counter(at_once, never)], &nowhere);
            apply(&mut table, std::mem::take(&mut background.initial));
            assert!(usage(&table).ends_with("= Int(1)"), "{}", usage(&table));
            background.wants().tell(Families::NONE.with(Family::Filesystem));
            apply(&mut table, background.changes.recv().await.unwrap());
            assert!(usage(&table).ends_with("= Int(2)"), "{}", usage(&table));
            background.stop().await;

            let mut background = Background::start(&[], vec![counter(at_once, at_once)], &nowhere);
            for _ in 0..3 {
                apply(&mut table, background.changes.recv().await.unwrap());
            }
            assert!(usage(&table).ends_with("= Int(4)"), "{}", usage(&table));
            background.stop().await;
        });
    }

    #[test]
    fn what_cannot_be_read_any_more_is_told_and_stays_as_it_was() {
        let mut readings = 0;
        let value = |value| {
            let name = "librecast.doctor".parse().unwrap();
            let value = lcast_proto::value::Value::List(vec![value]);
            lcast_proto::variable::Update { name, value, time: None, version: None }
        };
        let read = move || {
            readings += 1;
            assert_eq!(readings, 1, "a fault in the code that reads");
            vec![Change::Update(value("port-taken".into()))]
        };
        let (pause, every) = (Duration::ZERO, Duration::ZERO);
        let slow = Slow { family: Family::Doctor, read: Box::new(read), pause, every };
        let mut table = table();
        block_on(async {
            let nowhere = Roots::under(Path::new("/proc/nonexistent"));
            let mut background = Background::start(&[], vec![slow], &nowhere);
            apply(&mut table, std::mem::take(&mut background.initial));
            let told = timeout(Duration::from_secs(20), background.changes.recv()).await;
            apply(&mut table, told.unwrap().expect("it is told"));
            background.stop().await;
        });
        for variable in ["librecast.doctor", "librecast.doctor_errors"] {
            let told = shown(&table, &format!("librecast.variable[\"{variable}\"]"));
            let [told] = told.as_slice() else { panic!("{variable}: {told:?}") };
            assert!(told.contains(".error = ") && told.contains("no more"), "{told}");
        }
        let kept = "librecast.doctor = List([Text(\"port-taken\")])";
        assert_eq!(shown(&table, "librecast.doctor")[0], kept);
    }

    #[test]
    fn only_plain_files_of_limited_length_are_read() {
        let folder = std::env::temp_dir().join(format!("lcast-files-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let check = |path: &Path, expected: Result<usize, &str>| {
            let permits = Arc::new(Semaphore::new(1));
            let mut files = Files { path: path.to_owned(), permits, pending: None };
            let outcome = block_on(files.read());
            match (outcome, expected) {
                (Ok(finished), Ok(length)) => assert_eq!(finished.output.bytes.len(), length),
                (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
                (outcome, _) => panic!("{}: {outcome:?}", path.display()),
            }
        };
        let file = folder.join("file");
        std::fs::write(&file, vec![b'x'; FILE_MAX]).unwrap();
        check(&file, Ok(FILE_MAX));
        std::fs::write(&file, vec![b'x'; FILE_MAX + 1]).unwrap();
        check(&file, Err("longer than 65536 bytes"));
        check(&folder, Err("no plain file"));
        check(Path::new("/dev/zero"), Err("no plain file"));
        check(&folder.join("gone"), Err("No such file"));
        let fifo = folder.join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        check(&fifo, Err("no plain file"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn at_most_so_many_programs_run_at_once() {
        let folder = std::env::temp_dir().join(format!("lcast-many-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        // Each program leaves a file while it runs, and reports how many there are.
        let script = format!("cd {0}; touch $$; sleep 0.05; ls | wc -l; rm $$", folder.display());
        let entry = |index: usize| {
            let name = format!("[[variable]]\nname = 'app.v{index}'\ntype = 'int'\n");
            format!("{name}command = ['/bin/sh', '-c', '''{script}''']\n")
        };
        let text: String = (0..20).map(entry).collect();
        let mut table = table();
        block_on(async {
            let mut background =
                Background::start(&variables(&text), Vec::new(), &Roots::under(&folder));
            apply(&mut table, std::mem::take(&mut background.initial));
            for _ in 0..20 {
                let batch = background.changes.recv().await.unwrap();
                apply(&mut table, batch);
            }
            background.stop().await;
        });
        for line in shown(&table, "app.") {
            let count: usize = line.split(['(', ')']).nth(1).unwrap().parse().unwrap();
            assert!((1..=COMMANDS_MAX).contains(&count), "{line}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
