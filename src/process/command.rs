//! A child to be: which program, with what, and what happens to it later.

use std::ffi::OsStr;
use std::fmt;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command as StdCommand, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use policy_core::{ChildWatcher, Error, ErrorKind};

use super::child::{Child, Starting};
use super::in_child::Plan;
use super::output::Output;
use super::spawn::{self, Setup};
use super::starter;
use super::sys::{Limit, Resource};
use super::wakers::lock;

/// A builder of children, as [`std::process::Command`] is one.
///
/// [`spawn`](Self::spawn) starts a child on this thread, which blocks until the
/// program is executed (a fraction of a millisecond). The forms that are awaited
/// ([`start`](Self::start), [`status`](Self::status), [`output`](Self::output)) do
/// that on another thread, so that the loop goes on.
///
/// The child gets nothing that it was not given: each descriptor but 0, 1 and 2 is
/// close-on-exec, its signal mask is empty, and SIGPIPE ends it.
///
/// ```
/// use policy::process::Command;
///
/// let output = policy::run(async {
///     Command::new("sh").arg("-c").arg("echo $GREETING").env("GREETING", "hello").output().await
/// })?;
/// assert_eq!(output.stdout, b"hello\n");
/// # Ok::<(), policy::Error>(())
/// ```
pub struct Command {
    // Shared with the starter thread while an awaited form starts a child: a future
    // that is dropped in between leaves the command as it was.
    inner: Arc<Mutex<StdCommand>>,
    setup: Setup,
    set: Streams,
    /// The first environment variable that no environment can hold.
    bad_key: Option<String>,
}

/// Which standard streams were set.
#[derive(Clone, Copy, Debug, Default)]
struct Streams {
    stdin: bool,
    stdout: bool,
    stderr: bool,
}

impl Command {
    /// Makes a command that runs `program`, found by PATH, without arguments, with
    /// this process's environment, folder and standard streams.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     assert!(Command::new("true").status().await?.success());
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref();
        let setup = Setup {
            program: program.to_string_lossy().into_owned(),
            folder: None,
            kill_on_drop: false,
            reap_on_drop: true,
            kill_tree: false,
            wait_delay: None,
            max_output: None,
            race_free: false,
            has_plan: false,
            on_keeper: false,
            plan: Arc::default(),
        };
        Self {
            inner: Arc::new(Mutex::new(StdCommand::new(program))),
            setup,
            set: Streams::default(),
            bad_key: None,
        }
    }

    /// Makes a command that runs a command line by the shell `/bin/sh`.
    ///
    /// Put [`quote`](super::quote) around what comes from elsewhere.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// let output = policy::run(async { Command::shell("echo one; echo two").output().await })?;
    /// assert_eq!(output.stdout, b"one\ntwo\n");
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn shell(line: impl AsRef<OsStr>) -> Self {
        let mut command = Self::new("/bin/sh");
        command.arg("-c").arg(line);
        command
    }

    /// Adds an argument.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let output = Command::new("echo").arg("one word").output().await?;
    ///     assert_eq!(output.stdout, b"one word\n");
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.std().arg(arg);
        self
    }

    /// Adds arguments.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let output = Command::new("echo").args(["two", "words"]).output().await?;
    ///     assert_eq!(output.stdout, b"two words\n");
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn args(&mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        self.std().args(args);
        self
    }

    /// Sets the name that the program sees as its own.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let output = Command::new("sh").arg0("shell").args(["-c", "echo $0"]).output().await?;
    ///     assert_eq!(output.stdout, b"shell\n");
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn arg0(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.std().arg0(arg);
        self
    }

    /// Sets an environment variable. A name that is empty or contains `=` makes the
    /// start fail with [`ErrorKind::InvalidInput`].
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let output = Command::shell("echo $GREETING").env("GREETING", "hello").output().await?;
    ///     assert_eq!(output.stdout, b"hello\n");
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn env(&mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        let key = key.as_ref();
        let bytes = key.as_encoded_bytes();
        if bytes.is_empty() || bytes.contains(&b'=') || bytes.contains(&0) {
            // std takes the first two, and programs would see another variable.
            self.bad_key.get_or_insert_with(|| key.to_string_lossy().into_owned());
            return self;
        }
        self.std().env(key, value);
        self
    }

    /// Sets environment variables; see [`env`](Self::env).
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let output = Command::shell("echo $A$B").envs([("A", "1"), ("B", "2")]).output().await?;
    ///     assert_eq!(output.stdout, b"12\n");
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn envs(
        &mut self,
        vars: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> &mut Self {
        for (key, value) in vars {
            self.env(key, value);
        }
        self
    }

    /// Takes an environment variable away.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let output = Command::shell("echo ${GREETING-none}").env("GREETING", "hello").env_remove("GREETING").output().await?;
    ///     assert_eq!(output.stdout, b"none\n");
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn env_remove(&mut self, key: impl AsRef<OsStr>) -> &mut Self {
        self.std().env_remove(key);
        self
    }

    /// Starts with an empty environment.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let output = Command::new("/usr/bin/env").env_clear().output().await?;
    ///     assert_eq!(output.stdout, b"");
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn env_clear(&mut self) -> &mut Self {
        self.std().env_clear();
        self
    }

    /// Sets the folder that the child runs in.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let output = Command::new("pwd").current_dir("/").output().await?;
    ///     assert_eq!(output.stdout, b"/\n");
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn current_dir(&mut self, folder: impl AsRef<Path>) -> &mut Self {
        self.setup.folder = Some(folder.as_ref().to_owned());
        self.std().current_dir(folder);
        self
    }

    /// Sets the child's standard input.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     use policy::process::Stdio;
    ///
    ///     let status = Command::new("cat").stdin(Stdio::null()).status().await?;
    ///     assert!(status.success());
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn stdin(&mut self, stdio: impl Into<Stdio>) -> &mut Self {
        self.set.stdin = true;
        self.std().stdin(stdio);
        self
    }

    /// Sets the child's standard output.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     use policy::process::Stdio;
    ///
    ///     let child = Command::new("echo").stdout(Stdio::piped()).spawn()?;
    ///     assert!(child.stdout.is_some());
    ///     child.wait().await?;
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn stdout(&mut self, stdio: impl Into<Stdio>) -> &mut Self {
        self.set.stdout = true;
        self.std().stdout(stdio);
        self
    }

    /// Sets the child's standard error.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     use policy::process::Stdio;
    ///
    ///     let status = Command::shell("echo unheard >&2").stderr(Stdio::null()).status().await?;
    ///     assert!(status.success());
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn stderr(&mut self, stdio: impl Into<Stdio>) -> &mut Self {
        self.set.stderr = true;
        self.std().stderr(stdio);
        self
    }

    /// Sets the user that the child runs as.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// // As root: run as nobody.
    /// let mut command = Command::new("id");
    /// command.uid(65534);
    /// ```
    pub fn uid(&mut self, id: u32) -> &mut Self {
        self.std().uid(id);
        self
    }

    /// Sets the group of users that the child runs as.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// // As root: run in the group of nobody.
    /// let mut command = Command::new("id");
    /// command.gid(65534);
    /// ```
    pub fn gid(&mut self, id: u32) -> &mut Self {
        self.std().gid(id);
        self
    }

    /// Puts the child into a process group; 0 makes it the leader of a new one, which
    /// a Ctrl-C on the terminal does not reach.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     // Ctrl-C on the terminal does not reach it.
    ///     assert!(Command::new("true").process_group(0).status().await?.success());
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn process_group(&mut self, group: i32) -> &mut Self {
        self.std().process_group(group);
        self
    }

    /// Kills the child when its [`Child`] is dropped before it has exited. Off by
    /// default.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let child = Command::new("sleep").arg("1000").kill_on_drop(true).spawn()?;
    ///     drop(child); // dead and reaped, soon
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Self {
        self.setup.kill_on_drop = kill;
        self
    }

    /// Reaps the child when its [`Child`] was dropped before it exited, whether or
    /// not a loop is left then. On by default; off leaves a zombie, for a program
    /// that reaps it by other means.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let child = Command::new("true").reap_on_drop(false).spawn()?;
    ///     let pid = child.id();
    ///     drop(child);
    ///     assert!(policy::process::watch(pid).await?.success()); // ours to wait for
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn reap_on_drop(&mut self, reap: bool) -> &mut Self {
        self.setup.reap_on_drop = reap;
        self
    }

    /// Makes the child the leader of a process group, and lets
    /// [`kill`](Child::kill), [`terminate`](Child::terminate) and
    /// [`kill_on_drop`](Self::kill_on_drop) reach all of it: what the child started
    /// dies with it. What moved to a group of its own dies too, if it is killed while
    /// the child lives and `/proc` shows whom it descends from (Linux).
    ///
    /// From Linux 6.9 on that also reaches what a leader left behind that is reaped.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let child = Command::shell("sleep 1000 & sleep 1000").kill_tree(true).spawn()?;
    ///     child.kill().await?; // both sleepers as well
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn kill_tree(&mut self, tree: bool) -> &mut Self {
        self.setup.kill_tree = tree;
        if tree {
            self.process_group(0);
        }
        self
    }

    /// Makes the child the leader of a new session, without a terminal.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     assert!(Command::new("true").session().status().await?.success());
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn session(&mut self) -> &mut Self {
        self.plan(|plan| plan.session = true);
        self
    }

    /// Ends the child with a signal when this process ends, however it does (Linux;
    /// elsewhere the start fails).
    ///
    /// The kernel sends it when the *thread* that started the child ends. So such
    /// children are started by a thread of their own that stays, `policy-keeper`, and
    /// it does not matter which thread calls.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     assert!(Command::new("true").pdeathsig(15).status().await?.success());
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn pdeathsig(&mut self, signal: i32) -> &mut Self {
        self.setup.on_keeper = true;
        self.plan(|plan| plan.death_signal = Some(signal));
        self
    }

    /// Limits a resource of the child, softly and hard: `libc::RLIMIT_NOFILE` and so
    /// on. `u64::MAX` is no limit.
    pub fn rlimit(&mut self, resource: Resource, soft: u64, hard: u64) -> &mut Self {
        self.plan(|plan| plan.limits.push((resource, Limit { soft, hard })));
        self
    }

    /// Gives the child one more descriptor, under the number that it has here
    /// (asyncio's `pass_fds`). Others never get it.
    ///
    /// ```
    /// use std::os::fd::AsRawFd;
    /// use policy::process::Command;
    ///
    /// let file = std::fs::File::open("Cargo.toml").expect("it is there");
    /// let line = format!("head -c 1 /dev/fd/{}", file.as_raw_fd());
    /// let output = policy::run(async { Command::shell(line).pass_fd(file).output().await })?;
    /// assert_eq!(output.stdout.len(), 1);
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn pass_fd(&mut self, fd: impl Into<OwnedFd>) -> &mut Self {
        let fd = fd.into();
        self.plan(|plan| plan.passed.push(fd));
        self
    }

    /// Lets the child open its own pidfd before it executes the program, so that no
    /// `waitpid(-1)` elsewhere in this process can be quicker: for programs that live
    /// with such code. Its status is then right on Linux 6.15 and later, whoever takes
    /// it.
    ///
    /// Costs a slower start (`fork` and not `posix_spawn`). Done by itself where SIGCHLD
    /// is ignored, and once a status was seen to be taken by others.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     assert!(Command::new("true").race_free(true).status().await?.success());
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn race_free(&mut self, race_free: bool) -> &mut Self {
        self.setup.race_free = race_free;
        self
    }

    /// Limits how long [`output`](Self::output) reads on when the child has exited
    /// and somebody else, such as a grandchild, still holds its pipes. What was
    /// written until then is returned, and
    /// [`Output::truncated`](Output::truncated) is true. No limit by default.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     use std::time::Duration;
    ///
    ///     // The sleeper keeps the pipe open; nobody waits for it.
    ///     let output = Command::shell("sleep 5 & echo done")
    ///         .wait_delay(Duration::from_millis(50))
    ///         .output()
    ///         .await?;
    ///     assert!(output.truncated);
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn wait_delay(&mut self, delay: Duration) -> &mut Self {
        self.setup.wait_delay = Some(delay);
        self
    }

    /// Limits how many bytes [`output`](Self::output) collects, of both streams
    /// together. A child that writes more is killed, and the call gives
    /// [`ErrorKind::LimitReached`]. No limit by default.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let output = Command::shell("yes | head -c 100000").max_output(1000).output().await;
    ///     assert_eq!(output.unwrap_err().kind(), policy::ErrorKind::LimitReached);
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn max_output(&mut self, bytes: usize) -> &mut Self {
        self.setup.max_output = Some(bytes);
        self
    }

    /// Starts a child, on this thread.
    ///
    /// # Errors
    /// Before anything is started: [`ErrorKind::NoRunningLoop`];
    /// [`ErrorKind::WatcherInactive`]; [`ErrorKind::LimitReached`] by
    /// [`set_max_children`](super::set_max_children); [`ErrorKind::InvalidInput`].
    /// [`ErrorKind::Io`] if the program can't be executed, or the watcher has nothing
    /// left to wait with: the child is killed and reaped then.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let child = Command::new("true").spawn()?;
    ///     assert!(child.wait().await?.success());
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn spawn(&mut self) -> Result<Child, Error> {
        let watcher = self.prepare()?;
        if self.setup.on_keeper {
            let (command, setup) = (self.inner.clone(), self.setup.clone());
            return starter::run_on_keeper(move || {
                spawn::launch(&mut lock(&command), &setup, watcher)
            })?;
        }
        spawn::launch(&mut self.std(), &self.setup, watcher)
    }

    /// As [`spawn`](Self::spawn), on another thread: the loop goes on meanwhile.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// let child = policy::run(async { Command::new("true").start().await })?;
    /// assert!(child.id() > 0);
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn start(&mut self) -> Starting {
        let (checked, launcher) = (self.check(), self.launcher(Defaults::Inherit));
        Starting::new(async move {
            checked?;
            launcher.launch().await
        })
    }

    /// Starts a child, with this process's standard streams unless they were set, and
    /// waits until it has exited.
    ///
    /// Nothing happens before the future is polled. Dropping it drops the child: see
    /// [`kill_on_drop`](Self::kill_on_drop).
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn) and [`Child::wait`].
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     assert_eq!(Command::shell("exit 7").status().await?.code(), Some(7));
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn status(
        &mut self,
    ) -> impl Future<Output = Result<ExitStatus, Error>> + Send + 'static + use<> {
        let starting = self.start();
        async move {
            let mut child = starting.await?;
            // Nobody reads them.
            drop((child.stdout.take(), child.stderr.take()));
            child.wait().await
        }
    }

    /// Starts a child, with pipes for its output and no input unless they were set,
    /// and collects what it writes until it has exited.
    ///
    /// Nothing happens before the future is polled. Dropping it drops the child: see
    /// [`kill_on_drop`](Self::kill_on_drop).
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn) and [`Child::wait_with_output`].
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let output = Command::new("echo").arg("hello").output().await?;
    ///     assert_eq!(output.stdout, b"hello\n");
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn output(
        &mut self,
    ) -> impl Future<Output = Result<Output, Error>> + Send + 'static + use<> {
        let (checked, launcher) = (self.check(), self.launcher(Defaults::Collect));
        async move {
            checked?;
            launcher.launch().await?.wait_with_output().await
        }
    }

    fn std(&self) -> MutexGuard<'_, StdCommand> {
        lock(&self.inner)
    }

    fn plan(&mut self, change: impl FnOnce(&mut Plan)) {
        self.setup.has_plan = true;
        // With the command, which whoever starts a child holds: the child finds the
        // plan unlocked.
        let _command = lock(&self.inner);
        change(&mut lock(&self.setup.plan));
    }

    fn prepare(&self) -> Result<Arc<dyn ChildWatcher>, Error> {
        self.check()?;
        spawn::prepare()
    }

    fn check(&self) -> Result<(), Error> {
        match &self.bad_key {
            None => Ok(()),
            Some(key) => Err(Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "no environment variable can be named {key:?}; use a name without `=` and NUL"
                ),
            )
            .with_source(std::io::Error::from(std::io::ErrorKind::InvalidInput))),
        }
    }

    fn launcher(&self, defaults: Defaults) -> Launcher {
        Launcher { command: self.inner.clone(), setup: self.setup.clone(), set: self.set, defaults }
    }
}

/// A command, on its way to a starter thread.
struct Launcher {
    command: Arc<Mutex<StdCommand>>,
    setup: Setup,
    set: Streams,
    defaults: Defaults,
}

/// What the streams are that were not set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Defaults {
    Inherit,
    Collect,
}

impl Launcher {
    async fn launch(self) -> Result<Child, Error> {
        let Self { command, setup, set, defaults } = self;
        let watcher = spawn::prepare()?;
        spawn::launch_elsewhere(setup, watcher, move |setup, watcher| {
            let mut command = lock(&command);
            if defaults == Defaults::Inherit {
                return spawn::launch(&mut command, setup, watcher);
            }
            set.fill(&mut command, Stdio::null, Stdio::piped);
            let child = spawn::launch(&mut command, setup, watcher);
            // As it was, for the next start.
            set.fill(&mut command, Stdio::inherit, Stdio::inherit);
            child
        })
        .await
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

/// Takes over a command that was built with std, for what is only there, such as
/// `pre_exec`. [`Command::output`] makes its standard streams pipes, unless they are set
/// once more.
impl From<StdCommand> for Command {
    fn from(std: StdCommand) -> Self {
        let mut command = Self::new(std.get_program());
        command.setup.folder = std.get_current_dir().map(Path::to_owned);
        command.inner = Arc::new(Mutex::new(std));
        command
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.inner.try_lock() {
            Ok(command) => command.fmt(f),
            Err(_) => self.setup.program.fmt(f),
        }
    }
}
