//! Programs in a lab: started in a namespace, watched, signalled and ended by their exact pid.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::{DEADLINE, wait_for};

/// A program about to be started. Its environment is empty but for what is given.
#[derive(Clone, Debug)]
pub struct Job {
    enter: Vec<String>,
    /// What comes before a program that is to run as an ordinary user.
    demote: Vec<String>,
    wrap: Vec<String>,
    program: Vec<String>,
    env: Vec<(String, String)>,
    input: Option<Vec<u8>>,
    limit: Duration,
}

impl Job {
    pub(crate) fn new(
        enter: Vec<String>,
        demote: Vec<String>,
        env: Vec<(String, String)>,
        program: &str,
    ) -> Self {
        let program = vec![program.to_owned()];
        let limit = DEADLINE * 2;
        Self { enter, demote, wrap: Vec::new(), program, env, input: None, limit }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.program.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.program.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Leaves a variable of the environment unset.
    #[must_use]
    pub fn without_env(mut self, name: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self
    }

    /// Gives standard input; without it there is none.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// How long [`Job::run`] lets the program run.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it under another wall clock, such as `+2h`; the monotonic clock stays true.
    #[must_use]
    pub fn clock(self, offset: &str) -> Self {
        let library = crate::setup::faketime_library().expect("checked when the lab was made");
        self.env("LD_PRELOAD", library)
            .env("FAKETIME", offset)
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("FAKETIME_DONT_RESET", "1")
    }

    /// Runs it as an ordinary user of the lab, with no capability in any of its networks.
    #[must_use]
    pub fn unprivileged(self) -> Self {
        let demote = self.demote.clone();
        self.wrapped(&demote.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Runs it through another command that ends by executing its arguments.
    #[must_use]
    pub fn wrapped(mut self, wrapper: &[&str]) -> Self {
        let mut wrap: Vec<String> = wrapper.iter().map(|&word| word.to_owned()).collect();
        wrap.append(&mut self.wrap);
        self.wrap = wrap;
        self
    }

    fn describe(&self) -> String {
        self.program.join(" ")
    }

    /// Starts it in the background.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(&self) -> Process {
        let words: Vec<&String> =
            self.enter.iter().chain(&self.wrap).chain(&self.program).collect();
        let input = if self.input.is_some() { Stdio::piped() } else { Stdio::null() };
        self.start_with(&words, input)
    }

    /// Starts it with a pipe as its standard input, which [`Process::say`] writes to.
    #[must_use]
    pub fn start_dialogue(&self) -> Process {
        let words: Vec<&String> =
            self.enter.iter().chain(&self.wrap).chain(&self.program).collect();
        self.start_with(&words, Stdio::piped())
    }

    fn start_with(&self, words: &[&String], input: Stdio) -> Process {
        let mut child = Command::new(words[0])
            .args(words[1..].iter().map(OsStr::new))
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", words[0]));
        let stdout = Stream::follow(child.stdout.take().expect("stdout is a pipe"));
        let stderr = Stream::follow(child.stderr.take().expect("stderr is a pipe"));
        if let (Some(bytes), Some(mut pipe)) =
            (self.input.clone(), child.stdin.take_if(|_| self.input.is_some()))
        {
            thread::spawn(move || pipe.write_all(&bytes));
        }
        Process { what: self.describe(), child, stdout, stderr, inner: None, ended: None }
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it does not end within its limit.
    #[must_use]
    pub fn run(&self) -> Output {
        self.start().wait(self.limit)
    }

    /// Runs it to its end, which must be success, and gives its standard output.
    ///
    /// # Panics
    /// When it fails.
    pub fn ok(&self) -> String {
        let output = self.run();
        assert!(output.code == 0, "{output}");
        output.stdout
    }
}

/// How a program ended, and all that it wrote.
#[derive(Clone, Debug)]
pub struct Output {
    /// The command.
    pub what: String,
    /// Its exit code; 128 and the signal's number when a signal ended it.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    /// From start to end.
    pub elapsed: Duration,
}

impl Output {
    /// Standard output as JSON, one value a line.
    ///
    /// # Panics
    /// When a line is not.
    #[must_use]
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        let parse = |line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in '{line}': {self}"))
        };
        self.stdout.lines().map(parse).collect()
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, code, stdout, stderr, elapsed } = self;
        write!(
            f,
            "`{what}`: exit {code} after {elapsed:?}\n-- stdout:\n{stdout}\n-- stderr:\n{stderr}"
        )
    }
}

/// A running program. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    what: String,
    child: Child,
    stdout: Arc<Stream>,
    stderr: Arc<Stream>,
    inner: Option<Pid>,
    ended: Option<ExitStatus>,
}

impl Process {
    /// The program's pid as this process sees it. (What was spawned is `nsenter`, which forks into
    /// the lab's pid namespace and waits.)
    ///
    /// # Panics
    /// When there is none.
    pub fn pid(&mut self) -> u32 {
        u32::try_from(self.inner().as_raw_nonzero().get()).expect("pids are positive")
    }

    fn inner(&mut self) -> Pid {
        if let Some(pid) = self.inner {
            return pid;
        }
        let outer = self.child.id();
        let list = format!("/proc/{outer}/task/{outer}/children");
        let pid = wait_for(&format!("the process of `{}`", self.what), DEADLINE, || {
            let text = fs::read_to_string(&list).unwrap_or_default();
            let first = text.split_whitespace().next()?.parse().ok()?;
            Pid::from_raw(first)
        });
        self.inner = Some(pid);
        pid
    }

    /// Sends a signal to exactly this program.
    pub fn signal(&mut self, signal: Signal) {
        let inner = self.inner();
        let _ = kill_process(inner, signal);
        // Woken after a stop, `nsenter` would let its child go on.
        if signal != Signal::STOP {
            self.wake_wrapper();
        }
    }

    /// `nsenter` stops itself when its child stops; it must go on to see the child continue or end.
    fn wake_wrapper(&self) {
        let outer = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let _ = kill_process(outer.expect("pids are positive"), Signal::CONT);
    }

    /// Kills it (`SIGKILL`) and waits for its end.
    pub fn kill(&mut self) {
        if self.is_running() {
            self.signal(Signal::KILL);
            let _ = self.wait(DEADLINE);
        }
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("a child can be waited for");
        }
        self.ended.is_none()
    }

    /// Writes to its standard input.
    ///
    /// # Panics
    /// When it was not started with [`Job::start_dialogue`], or reads no more.
    pub fn say(&mut self, text: &str) {
        let pipe = self.child.stdin.as_mut().expect("started as a dialogue");
        pipe.write_all(text.as_bytes()).unwrap_or_else(|error| panic!("`{}`: {error}", self.what));
    }

    /// Closes its standard input.
    pub fn hush(&mut self) {
        drop(self.child.stdin.take());
    }

    /// What it wrote to standard output so far, as it is.
    #[must_use]
    pub fn stdout_bytes(&self) -> Vec<u8> {
        self.stdout.lock().bytes.clone()
    }

    /// What it wrote to standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout.lock().bytes).into_owned()
    }

    /// What it wrote to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock().bytes).into_owned()
    }

    /// Waits until its standard output satisfies `enough`.
    ///
    /// # Panics
    /// When it ends or the limit passes before.
    pub fn wait_stdout(&mut self, what: &str, limit: Duration, enough: impl Fn(&[u8]) -> bool) {
        let stream = Arc::clone(&self.stdout);
        if !stream.wait(limit, enough) {
            panic!(
                "`{}` did not say {what} within {limit:?}\n-- stdout:\n{}\n-- stderr:\n{}",
                self.what,
                self.stdout(),
                self.stderr()
            );
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end within the limit; it is killed then.
    pub fn wait(&mut self, limit: Duration) -> Output {
        let start = Instant::now();
        let mut pause = Duration::from_micros(200);
        while self.is_running() {
            if start.elapsed() > limit {
                let said = format!("{}\n-- stderr:\n{}", self.stdout(), self.stderr());
                self.end();
                panic!("`{}` still ran after {limit:?}\n-- stdout:\n{said}", self.what);
            }
            thread::park_timeout(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        }
        let status = self.ended.expect("it has ended");
        self.stdout.wait_end();
        self.stderr.wait_end();
        Output {
            what: self.what.clone(),
            code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            stdout: self.stdout(),
            stderr: self.stderr(),
            elapsed: start.elapsed(),
        }
    }

    fn end(&mut self) {
        if self.is_running() {
            let outer = self.child.id();
            let list = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children"));
            let first = list.unwrap_or_default().split_whitespace().next().map(str::parse::<i32>);
            if let Some(pid) = first.and_then(Result::ok).and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// All that came through a pipe so far, read by a thread of its own.
#[derive(Debug, Default)]
struct Stream {
    state: Mutex<Received>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Received {
    bytes: Vec<u8>,
    ended: bool,
}

impl Stream {
    fn follow(mut pipe: impl Read + Send + 'static) -> Arc<Self> {
        let stream = Arc::new(Self::default());
        let filled = Arc::clone(&stream);
        thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            loop {
                let len = pipe.read(&mut buffer).unwrap_or(0);
                let mut received = filled.lock();
                received.bytes.extend(&buffer[..len]);
                received.ended = len == 0;
                filled.changed.notify_all();
                if len == 0 {
                    return;
                }
            }
        });
        stream
    }

    fn lock(&self) -> MutexGuard<'_, Received> {
        self.state.lock().expect("no holder of this lock panics")
    }

    fn wait(&self, limit: Duration, enough: impl Fn(&[u8]) -> bool) -> bool {
        let waiting = |received: &mut Received| !received.ended && !enough(&received.bytes);
        let result = self.changed.wait_timeout_while(self.lock(), limit, waiting);
        enough(&result.expect("no holder of this lock panics").0.bytes)
    }

    /// Waits until the pipe was closed; a grandchild may hold it open, so not for ever. But long
    /// enough for the thread that reads it to get its turn on a machine that is busy.
    fn wait_end(&self) {
        let grace = Duration::from_secs(5);
        let result =
            self.changed.wait_timeout_while(self.lock(), grace, |received| !received.ended);
        drop(result.expect("no holder of this lock panics"));
    }
}
