//! Programs that the configuration names: started without a shell, bounded, and never left behind.
//!
//! [`run`] runs one program once. What left its process group is for `strays`. When programs run
//! is told in [`background`](super::background), what their output means in
//! [`formats`](super::formats).

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt, Interest};
use tokio::process::{Child, Command as Process};
use tokio::time::timeout;

use super::builtin::Roots;
use super::config::Command;
use super::configured::Finished;
use super::formats::Output;
use super::strays::{self, Running};

/// Why a program gave no output to read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// It could not be started.
    #[error("cannot run '{program}': {error}")]
    Start {
        /// The program.
        program: String,
        /// What the system says.
        error: io::Error,
    },
    /// The user that it is to run as cannot be had.
    #[error("cannot run as user '{user}': {reason}")]
    User {
        /// The user.
        user: String,
        /// Why not.
        reason: &'static str,
    },
    /// It ran too long, and was killed with all that it had started.
    #[error("killed: it ran longer than timeout = {0:?}")]
    Timeout(Duration),
    /// It wrote too much, and was killed with all that it had started.
    #[error("killed: it wrote more than output_max = {0} bytes")]
    TooMuch(usize),
    /// It was ended by a signal of others.
    #[error("ended by signal {0}")]
    Signal(i32),
    /// Its output could not be read.
    #[error("cannot read its output: {0}")]
    Read(#[from] io::Error),
}

/// The only environment that programs see.
const ENVIRONMENT: [(&str, &str); 2] =
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("LANG", "C.UTF-8")];

/// Most bytes kept of what a program complains.
const COMPLAINT_MAX: usize = 4096;

/// How long output is awaited of what left the program's process group and outlived it.
const GRACE: Duration = Duration::from_millis(200);

/// How long a killed program may take to disappear before it is left to the runtime to reap.
const REAP_WAIT: Duration = Duration::from_secs(1);

/// Runs a program to its end: no shell, an empty standard input, in `/`, with [`ENVIRONMENT`] only,
/// in a process group of its own, of which nothing is left when this returns or is dropped.
///
/// # Errors
/// When it cannot be started, runs too long, writes too much or is killed by others. An exit code
/// is no error here.
pub async fn run(command: &Command, roots: &Roots) -> Result<Finished, RunError> {
    let mut child = start(command, &roots.etc)?;
    let mut group = Group::of(&child);
    let running = Running::of(pid(&child));
    let outcome =
        timeout(command.timeout, attend(&mut child, &mut group, command.output_max)).await;
    group.kill();
    let ended = timeout(REAP_WAIT, child.wait()).await;
    group.forget();
    // One that outlived the wait is killed by its id when it is dropped: before it counts as a
    // stray, which may be reaped, and its id be another's.
    drop(child);
    drop(running);
    strays::end().await;
    let (bytes, complaint) = outcome.map_err(|_| RunError::Timeout(command.timeout))??;
    let status = ended.map_err(|_| RunError::Timeout(command.timeout))??;
    let Some(code) = status.code() else {
        use std::os::unix::process::ExitStatusExt;
        return Err(RunError::Signal(status.signal().unwrap_or_default()));
    };
    let complaint = String::from_utf8_lossy(&complaint).lines().next().unwrap_or("").to_owned();
    Ok(Finished { output: Output { bytes, code }, complaint })
}

fn start(command: &Command, etc: &Path) -> Result<Child, RunError> {
    let program = command.arguments.first().map(String::as_str).unwrap_or_default();
    let mut process = Process::new(program);
    process
        .args(command.arguments.iter().skip(1))
        .env_clear()
        .envs(ENVIRONMENT)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    lcast_net::die_with_parent(process.as_std_mut());
    if let Some(user) = &command.user
        && let Some((uid, gid)) = switch_to(user, etc)?
    {
        // With a uid, the standard library gives up all further groups as well.
        process.uid(uid).gid(gid);
    }
    process.spawn().map_err(|error| RunError::Start { program: program.to_owned(), error })
}

/// The ids to run as; `None` when they are those of this process already.
fn switch_to(user: &str, etc: &Path) -> Result<Option<(u32, u32)>, RunError> {
    let error = |reason| RunError::User { user: user.to_owned(), reason };
    let passwd = std::fs::read_to_string(etc.join("passwd")).unwrap_or_default();
    let (uid, gid) = find_user(&passwd, user)
        .ok_or_else(|| error("no such user in /etc/passwd; write its number"))?;
    let own = rustix::process::geteuid();
    if own.as_raw() == uid {
        return Ok(None);
    }
    if !own.is_root() {
        return Err(error("only an agent that runs as root can switch users"));
    }
    Ok(Some((uid, gid)))
}

/// The ids of a user by name or number. A number without an entry is its own group.
pub(super) fn find_user(passwd: &str, user: &str) -> Option<(u32, u32)> {
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let (name, uid) = (fields.next()?, fields.nth(1)?);
        let gid = fields.next()?.parse().ok()?;
        (name == user || uid == user).then_some((uid.parse().ok()?, gid))
    };
    let number = || user.parse().ok().map(|number: u32| (number, number));
    passwd.lines().find_map(entry).or_else(number)
}

/// Reads all output and waits for the end of the program, but does not reap it.
async fn attend(
    child: &mut Child,
    group: &mut Group,
    output_max: usize,
) -> Result<(Vec<u8>, Vec<u8>), RunError> {
    let (mut bytes, mut complaint) = (Vec::new(), Vec::new());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    {
        let reading = async {
            tokio::try_join!(fill(stdout, &mut bytes, output_max), skim(stderr, &mut complaint))
        };
        let ending = async {
            ended(child).await?;
            // What the program left running is of no use to anyone, and would hold the pipes.
            group.kill();
            Ok::<(), RunError>(())
        };
        tokio::pin!(reading, ending);
        tokio::select! {
            read = &mut reading => {
                read?;
                ending.await?;
            }
            end = &mut ending => {
                end?;
                if let Ok(read) = timeout(GRACE, &mut reading).await {
                    read?;
                }
            }
        }
    }
    Ok((bytes, complaint))
}

/// Waits until the program has ended, leaving it to be reaped, so that its process group cannot
/// become that of others before it is killed. Kernels before 5.3 cannot wait so.
async fn ended(child: &mut Child) -> io::Result<()> {
    let watched: Option<OwnedFd> =
        pid(child).and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
    match watched {
        Some(fd) => {
            // The unsafe successor of this call lifts a doubt about descriptors that are closed too
            // early; an owned one is not.
            #[allow(deprecated)]
            let watched = AsyncFd::with_interest(fd, Interest::READABLE)?;
            watched.readable().await.map(drop)
        }
        None => child.wait().await.map(drop),
    }
}

/// Reads to the end, and fails at more than `max` bytes.
async fn fill<R: AsyncRead + Unpin>(
    pipe: Option<R>,
    bytes: &mut Vec<u8>,
    max: usize,
) -> Result<(), RunError> {
    let Some(pipe) = pipe else { return Ok(()) };
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    pipe.take(limit).read_to_end(bytes).await?;
    if bytes.len() > max { Err(RunError::TooMuch(max)) } else { Ok(()) }
}

/// Reads to the end and keeps the beginning.
async fn skim<R: AsyncRead + Unpin>(pipe: Option<R>, bytes: &mut Vec<u8>) -> Result<(), RunError> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    let mut chunk = [0; 1024];
    loop {
        let count = pipe.read(&mut chunk).await?;
        if count == 0 {
            return Ok(());
        }
        let room = COMPLAINT_MAX.saturating_sub(bytes.len());
        bytes.extend_from_slice(&chunk[..count.min(room)]);
    }
}

fn pid(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()?).ok()?)
}

/// The process group of a program; killed when this is dropped.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(pid(child))
    }

    fn kill(&mut self) {
        if let Some(group) = self.0 {
            // Failing means that the group is empty.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }

    fn forget(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(arguments: &[&str]) -> Command {
        Command {
            arguments: arguments.iter().map(|&it| it.to_owned()).collect(),
            timeout: Duration::from_secs(20),
            output_max: 1000,
            user: None,
        }
    }

    fn shell(script: &str) -> Command {
        command(&["/bin/sh", "-c", script])
    }

    fn finish(command: &Command) -> Result<Finished, RunError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(command, &Roots::default()))
    }

    fn check(command: &Command, text: &str, code: i32, complaint: &str) {
        let finished = finish(command).unwrap();
        assert_eq!(String::from_utf8_lossy(&finished.output.bytes), text);
        assert_eq!((finished.output.code, finished.complaint.as_str()), (code, complaint));
    }

    fn check_error(command: &Command, part: &str) {
        let error = finish(command).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }

    /// A signal takes effect when its receiver is next scheduled.
    fn is_soon_gone(pid: &str) -> bool {
        let start = std::time::Instant::now();
        let wait = |_: &u32| start.elapsed() < Duration::from_secs(10);
        (0..).take_while(wait).any(|_| {
            std::thread::yield_now();
            !is_alive(pid)
        })
    }

    fn is_alive(pid: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
        state.is_some_and(|state| state != 'Z' && state != 'X')
    }

    #[test]
    fn programs_run_without_a_shell_and_with_little_around_them() {
        check(&command(&["echo", "$HOME; ls"]), "$HOME; ls\n", 0, "");
        check(&shell("echo out; echo one >&2; echo two >&2; exit 3"), "out\n", 3, "one");
        check(&command(&["cat"]), "", 0, "");
        check(&command(&["pwd"]), "/\n", 0, "");
        let environment = finish(&command(&["env"])).unwrap().output.bytes;
        let environment = String::from_utf8(environment).unwrap();
        let mut names: Vec<&str> =
            environment.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        names.sort_unstable();
        assert_eq!(names, ["LANG", "PATH"]);
    }

    #[test]
    fn programs_that_cannot_be_run_say_why() {
        check_error(
            &command(&["/proc/nonexistent/x"]),
            "cannot run '/proc/nonexistent/x': No such file",
        );
        check_error(&command(&["/etc/passwd"]), "Permission denied");
        check_error(&shell("kill -TERM $$"), "ended by signal 15");
        let user = |user: &str| Command { user: Some(user.to_owned()), ..command(&["id", "-u"]) };
        check_error(&user("no-such-user"), "cannot run as user 'no-such-user'");
        let own = rustix::process::geteuid().as_raw();
        check(&user(&own.to_string()), &format!("{own}\n"), 0, "");
        if rustix::process::geteuid().is_root() && can_switch() {
            check(&user("65534"), "65534\n", 0, "");
            let groups = Command { user: Some("65534".to_owned()), ..command(&["id", "-G"]) };
            assert!(!finish(&groups).unwrap().output.bytes.starts_with(b"0"));
        }
    }

    /// In a user namespace with one id, root cannot become anyone else.
    fn can_switch() -> bool {
        let map = std::fs::read_to_string("/proc/self/uid_map").unwrap();
        let length = map.split_whitespace().nth(2).and_then(|it| it.parse::<u64>().ok());
        length.is_some_and(|length| length > 65_534)
    }

    #[test]
    fn users_are_found_by_name_and_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nnagios:x:110:115::/:/bin/false\n";
        for (user, expected) in [
            ("nagios", Some((110, 115))),
            ("110", Some((110, 115))),
            ("root", Some((0, 0))),
            ("4711", Some((4711, 4711))),
            ("mallory", None),
            ("-1", None),
            ("x", None),
        ] {
            assert_eq!(find_user(passwd, user), expected, "{user}");
        }
    }

    #[test]
    fn output_is_limited_at_max_and_one_more() {
        let print = |count: usize| command(&["printf", "%0*d", &count.to_string(), "0"]);
        assert_eq!(finish(&print(1000)).unwrap().output.bytes.len(), 1000);
        check_error(&print(1001), "more than output_max = 1000");
        check_error(&command(&["yes"]), "more than output_max = 1000");
        let complaints = shell("yes | head -c 1000000 >&2; echo done");
        check(&complaints, "done\n", 0, "y");
    }

    #[test]
    fn what_hangs_is_killed_with_all_it_started() {
        let folder = std::env::temp_dir().join(format!("lcast-hang-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let pids = folder.join("pids");
        let script = format!(
            "trap '' TERM INT HUP; sleep 1000 & echo $! > {0}; echo $$ >> {0}; wait",
            pids.display()
        );
        let hang = Command { timeout: Duration::from_millis(500), ..shell(&script) };
        check_error(&hang, "longer than timeout = 500ms");
        let text = std::fs::read_to_string(&pids).unwrap();
        assert_eq!(text.lines().count(), 2);
        for pid in text.lines() {
            assert!(is_soon_gone(pid), "{pid}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_a_program_leaves_behind_is_killed_and_not_awaited() {
        let finished = finish(&shell("sleep 1000 & echo $!")).unwrap();
        let pid = String::from_utf8(finished.output.bytes).unwrap();
        assert!(is_soon_gone(pid.trim()), "{pid}");
        // One that left the process group keeps the pipe open; the output is read nevertheless.
        let start = std::time::Instant::now();
        let escaped = finish(&shell("setsid sleep 5 & echo $!")).unwrap();
        assert!(!escaped.output.bytes.is_empty());
        assert!(start.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn a_program_is_killed_when_nobody_waits_for_it_any_more() {
        let folder = std::env::temp_dir().join(format!("lcast-drop-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let fifo = folder.join("fifo");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let status = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(status.success());
        let script = format!("echo $$ > {}; sleep 1000", fifo.display());
        let pid = runtime.block_on(async {
            let reader =
                tokio::task::spawn_blocking(move || std::fs::read_to_string(fifo).unwrap());
            let command = shell(&script);
            let task = tokio::spawn(async move { run(&command, &Roots::default()).await });
            let pid = reader.await.unwrap();
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
            pid
        });
        assert!(is_soon_gone(pid.trim()), "{pid}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn no_zombie_is_left() {
        let zombies = || {
            let own = std::process::id().to_string();
            let entries = std::fs::read_dir("/proc").unwrap().flatten();
            let stats =
                entries.filter_map(|it| std::fs::read_to_string(it.path().join("stat")).ok());
            stats
                .filter(|stat| {
                    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
                    let (state, parent) = (fields.next(), fields.next());
                    state == Some("Z") && parent == Some(&own) && stat.contains("(lcastzombie)")
                })
                .count()
        };
        let folder = std::env::temp_dir().join(format!("lcast-zombie-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let program = folder.join("lcastzombie");
        std::fs::copy("/bin/sleep", &program).unwrap();
        let path = program.to_str().unwrap();
        finish(&command(&[path, "0"])).unwrap();
        let hang = Command { timeout: Duration::from_millis(100), ..command(&[path, "1000"]) };
        check_error(&hang, "timeout");
        assert_eq!(zombies(), 0);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
