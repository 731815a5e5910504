//! Which program to start, and how.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::future::Future;
use std::io::Write;
use std::os::windows::io::OwnedHandle;
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{Command as StdCommand, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use policy_core::sync::{Mutex, MutexGuard};
use policy_core::{Error, ErrorKind};
use windows_sys::Win32::System::Threading::CREATE_SUSPENDED;

use super::child::{Child, Starting};
use super::exit::Record;
use super::sys::{self, Job};
use crate::ambient;
use crate::process::identity::limit::Permit;
use crate::process::talk::output::{Bounds, Output};
use crate::process::talk::pipe::{ChildStderr, ChildStdin, ChildStdout};

/// Builds and starts children.
///
/// Like std's command, which starts the child and quotes its arguments, with more options. It can
/// start any number of children.
///
/// ```
/// use policy::process::Command;
///
/// let output = policy::run(async { Command::shell("echo hello").output().await })?;
/// assert_eq!(output.stdout, b"hello\r\n");
/// # Ok::<(), policy::Error>(())
/// ```
pub struct Command {
    inner: Arc<Mutex<StdCommand>>,
    options: Options,
    set: Streams,
    bad_key: Option<OsString>,
}

/// What std's command does not know.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) kill_on_drop: bool,
    pub(super) kill_tree: bool,
    flags: u32,
    pub(super) wait_delay: Option<Duration>,
    pub(super) max_output: Option<usize>,
    timeout: Option<Duration>,
    input: Option<Arc<[u8]>>,
}

impl Options {
    /// Returns what bounds the child that is started now.
    pub(super) fn bounds(&self) -> Bounds {
        // A time that no clock can hold is never over.
        let deadline = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Bounds { wait_delay: self.wait_delay, max_output: self.max_output, deadline }
    }
}

/// Which streams were set.
#[derive(Clone, Copy, Default)]
struct Streams {
    stdin: bool,
    stdout: bool,
    stderr: bool,
}

impl Command {
    /// Makes a command that runs `program`, without arguments, with this process's environment,
    /// working directory and standard streams.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self::of(StdCommand::new(program))
    }

    /// Makes a command that runs a command line with the shell in `ComSpec`, `cmd` (asyncio's
    /// `create_subprocess_shell`).
    ///
    /// The shell gets the line unchanged: do not put text that comes from elsewhere into it.
    pub fn shell(line: impl AsRef<OsStr>) -> Self {
        let shell = env::var_os("ComSpec").unwrap_or_else(|| "cmd.exe".into());
        let mut command = StdCommand::new(shell);
        // `/s`: the outer quotes go, and the rest is the line to the letter.
        let mut quoted = OsString::from("\"");
        quoted.push(line);
        quoted.push("\"");
        command.args(["/d", "/s", "/c"]).raw_arg(quoted);
        Self::of(command)
    }

    fn of(command: StdCommand) -> Self {
        Self {
            inner: Arc::new(Mutex::new(command)),
            options: Options::default(),
            set: Streams::default(),
            bad_key: None,
        }
    }

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.std().arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args(&mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        self.std().args(args);
        self
    }

    /// Adds text to the command line as it is, without quotes: for programs that parse their
    /// command line in their own way.
    pub fn raw_arg(&mut self, text: impl AsRef<OsStr>) -> &mut Self {
        self.std().raw_arg(text);
        self
    }

    /// Sets an environment variable.
    pub fn env(&mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        let key = key.as_ref();
        if key.is_empty() || key.as_encoded_bytes().iter().any(|byte| matches!(byte, b'=' | 0)) {
            self.bad_key = Some(key.to_owned());
        } else {
            self.std().env(key, value);
        }
        self
    }

    /// Sets environment variables.
    pub fn envs(
        &mut self,
        vars: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> &mut Self {
        for (key, value) in vars {
            self.env(key, value);
        }
        self
    }

    /// Removes an environment variable.
    pub fn env_remove(&mut self, key: impl AsRef<OsStr>) -> &mut Self {
        self.std().env_remove(key);
        self
    }

    /// Removes all environment variables.
    pub fn env_clear(&mut self) -> &mut Self {
        self.std().env_clear();
        self
    }

    /// Sets the child's working directory.
    pub fn current_dir(&mut self, folder: impl AsRef<Path>) -> &mut Self {
        self.std().current_dir(folder);
        self
    }

    /// Sets the child's standard input.
    pub fn stdin(&mut self, stdio: impl Into<Stdio>) -> &mut Self {
        self.set.stdin = true;
        self.options.input = None;
        self.std().stdin(stdio);
        self
    }

    /// Sets the child's standard output.
    pub fn stdout(&mut self, stdio: impl Into<Stdio>) -> &mut Self {
        self.set.stdout = true;
        self.std().stdout(stdio);
        self
    }

    /// Sets the child's standard error.
    pub fn stderr(&mut self, stdio: impl Into<Stdio>) -> &mut Self {
        self.set.stderr = true;
        self.std().stderr(stdio);
        self
    }

    /// Sets the flags of `CreateProcess`, such as `CREATE_NO_WINDOW` and
    /// `CREATE_NEW_PROCESS_GROUP`.
    pub fn creation_flags(&mut self, flags: u32) -> &mut Self {
        self.options.flags = flags;
        self
    }

    /// Kills the child when its [`Child`] is dropped. The default is false.
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Self {
        self.options.kill_on_drop = kill;
        self
    }

    /// Puts the child and all its descendants into a job object, so that killing the child kills
    /// all of them. The default is false.
    pub fn kill_tree(&mut self, tree: bool) -> &mut Self {
        self.options.kill_tree = tree;
        self
    }

    /// Sets how long to read the pipes of a child that has exited, while another process still
    /// holds them. There is no limit by default.
    pub fn wait_delay(&mut self, delay: Duration) -> &mut Self {
        self.options.wait_delay = Some(delay);
        self
    }

    /// Limits how many bytes of a child's output are collected. There is no limit by default.
    pub fn max_output(&mut self, bytes: usize) -> &mut Self {
        self.options.max_output = Some(bytes);
        self
    }

    /// Kills the child after `limit`, counted from its start. [`output`](Self::output) and
    /// [`Child::communicate`] return the output so far, and [`Output::timed_out`] is true;
    /// [`status`](Self::status) returns [`ErrorKind::TimedOut`]. There is no limit by default.
    pub fn timeout(&mut self, limit: Duration) -> &mut Self {
        self.options.timeout = Some(limit);
        self
    }

    /// Sets the child's whole standard input, which a thread writes. It is no error if a child
    /// reads only a part of it, or nothing.
    pub fn input(&mut self, bytes: impl Into<Vec<u8>>) -> &mut Self {
        self.set.stdin = true;
        self.options.input = Some(bytes.into().into());
        self.std().stdin(Stdio::piped());
        self
    }

    /// Starts a child, on this thread.
    ///
    /// # Errors
    /// Before it starts anything: returns [`ErrorKind::NoRunningLoop`] if there is no loop,
    /// [`ErrorKind::LimitReached`] at the limit of [`set_max_children`](crate::process::set_max_children),
    /// and [`ErrorKind::InvalidInput`] if the options are invalid. Returns [`ErrorKind::Io`] if the
    /// program can't be executed, or can't be waited for: then the child is killed.
    pub fn spawn(&mut self) -> Result<Child, Error> {
        self.check()?;
        ambient::event_loop()?.state().check_open()?;
        launch(&mut self.std(), &self.options)
    }

    /// Like [`spawn`](Self::spawn), but on another thread: the loop keeps running meanwhile.
    ///
    /// # Errors
    /// Returns the errors of [`spawn`](Self::spawn).
    pub fn start(&mut self) -> Starting {
        self.starting(false)
    }

    /// Starts a child, with this process's standard streams unless they were set, and
    /// waits until it has exited.
    ///
    /// Nothing happens before the future is polled. Dropping it drops the child: see
    /// [`kill_on_drop`](Self::kill_on_drop).
    ///
    /// # Errors
    /// Returns the errors of [`spawn`](Self::spawn) and [`Child::wait`].
    pub fn status(
        &mut self,
    ) -> impl Future<Output = Result<ExitStatus, Error>> + Send + 'static + use<> {
        let starting = self.start();
        async move { starting.await?.into_status().await }
    }

    /// Starts a child, with pipes for its output and no input unless they were set, and collects
    /// its output until it has exited.
    ///
    /// Nothing happens before the future is polled. Dropping it drops the child: see
    /// [`kill_on_drop`](Self::kill_on_drop).
    ///
    /// # Errors
    /// Returns the errors of [`spawn`](Self::spawn) and [`Child::wait_with_output`].
    pub fn output(
        &mut self,
    ) -> impl Future<Output = Result<Output, Error>> + Send + 'static + use<> {
        let starting = self.starting(true);
        async move { starting.await?.wait_with_output().await }
    }

    fn starting(&mut self, collect: bool) -> Starting {
        let (checked, command) = (self.check(), self.inner.clone());
        let (options, set) = (self.options.clone(), self.set);
        Starting::new(async move {
            checked?;
            let started = crate::try_spawn_blocking(move || {
                let mut command = command.lock();
                if collect {
                    set.fill(&mut command, Stdio::null, Stdio::piped);
                }
                let child = launch(&mut command, &options);
                if collect {
                    // As it was, for the next start.
                    set.fill(&mut command, Stdio::inherit, Stdio::inherit);
                }
                child.map(|child| Unclaimed(Some(child)))
            })?;
            let mut unclaimed = started.await.map_err(|error| {
                Error::new(ErrorKind::Io, format!("the start of the child was given up: {error}"))
            })??;
            unclaimed.0.take().ok_or_else(|| ErrorKind::ChildExited.into())
        })
    }

    fn check(&self) -> Result<(), Error> {
        match &self.bad_key {
            None => Ok(()),
            Some(key) => Err(Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "no environment variable can be named {key:?}; use a name without `=` and NUL"
                ),
            )),
        }
    }

    fn std(&self) -> MutexGuard<'_, StdCommand> {
        self.inner.lock()
    }
}

impl Streams {
    fn fill(self, command: &mut StdCommand, input: fn() -> Stdio, output: fn() -> Stdio) {
        if !self.stdin {
            command.stdin(input());
        }
        if !self.stdout {
            command.stdout(output());
        }
        if !self.stderr {
            command.stderr(output());
        }
    }
}

/// A child on its way from the thread that started it.
struct Unclaimed(Option<Child>);

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let Some(child) = self.0.take() {
            child.destroy();
        }
    }
}

fn launch(command: &mut StdCommand, options: &Options) -> Result<Child, Error> {
    let permit = Permit::take()?;
    let job = match options.kill_tree {
        true => Some(Job::new().map_err(|error| Error::io("can't make a job object", error))?),
        false => None,
    };
    // Nothing of it runs before it is in its job, so nothing escapes.
    let held = if job.is_some() { CREATE_SUSPENDED } else { 0 };
    command.creation_flags(options.flags | held);
    let mut child = command.spawn().map_err(|error| {
        Error::io(
            format!("can't start {:?}; check its name and its rights", command.get_program()),
            error,
        )
    })?;
    let pid = child.id();
    let (mut stdin, stdout, stderr) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let handle = OwnedHandle::from(child);
    let unstarted = Unstarted(Some(handle));
    if let (Some(job), Some(handle)) = (&job, &unstarted.0) {
        use std::os::windows::io::AsHandle;
        job.assign(handle.as_handle())
            .map_err(|error| Error::io("can't put the child into its job object", error))?;
        sys::resume(pid).map_err(|error| Error::io("can't let the child run", error))?;
    }
    if let (Some(input), Some(mut pipe)) =
        (&options.input, stdin.take_if(|_| options.input.is_some()))
    {
        let input = input.clone();
        let begun = std::thread::Builder::new().name("policy-input".into()).spawn(move || {
            // A child that reads no more is none of our business.
            let _unread = pipe.write_all(&input);
        });
        begun.map_err(|error| {
            Error::io("can't start the thread `policy-input`; raise the limit of threads", error)
        })?;
    }
    let handle = unstarted.keep()?;
    let record = Record::watch(pid, handle, job, permit)?;
    Ok(Child::new(
        record,
        stdin.map(ChildStdin::new),
        stdout.map(ChildStdout::new),
        stderr.map(ChildStderr::new),
        options.clone(),
    ))
}

/// Kills what an error would leave behind.
struct Unstarted(Option<OwnedHandle>);

impl Unstarted {
    fn keep(mut self) -> Result<OwnedHandle, Error> {
        self.0.take().ok_or_else(|| ErrorKind::ChildExited.into())
    }
}

impl Drop for Unstarted {
    fn drop(&mut self) {
        use std::os::windows::io::AsHandle;
        if let Some(handle) = self.0.take() {
            let _gone = sys::terminate(handle.as_handle());
        }
    }
}

impl From<StdCommand> for Command {
    fn from(command: StdCommand) -> Self {
        Self::of(command)
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.inner.try_lock() {
            Some(command) => command.fmt(f),
            None => f.write_str("Command(..)"),
        }
    }
}
