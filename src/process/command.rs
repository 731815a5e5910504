//! A child to be: which program, with what, and what happens to it later.

mod conflicts;
mod options;

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command as StdCommand, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};

use policy_core::{ChildWatcher, Error, ErrorKind};

use super::start::Plan;
use super::start::launch::{self, Setup};
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
    pub(super) inner: Arc<Mutex<StdCommand>>,
    pub(super) setup: Setup,
    pub(super) set: Streams,
    /// The first environment variable that no environment can hold.
    bad_key: Option<String>,
}

/// Which standard streams were set.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Streams {
    pub(super) stdin: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
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
            process_group: None,
            session: false,
            wait_delay: None,
            max_output: None,
            timeout: None,
            input: None,
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
        self.setup.input = None;
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
    /// The leader of a group of its own is in the background of the terminal: one that
    /// reads from it is stopped (SIGTTIN), and so never ends by itself.
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
        self.setup.process_group = Some(group);
        self
    }

    pub(super) fn std(&self) -> MutexGuard<'_, StdCommand> {
        lock(&self.inner)
    }

    fn plan(&mut self, change: impl FnOnce(&mut Plan)) {
        self.setup.has_plan = true;
        // With the command, which whoever starts a child holds: the child finds the
        // plan unlocked.
        let _command = lock(&self.inner);
        change(&mut lock(&self.setup.plan));
    }

    pub(super) fn prepare(&self) -> Result<Arc<dyn ChildWatcher>, Error> {
        self.check()?;
        launch::prepare()
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        match &self.bad_key {
            None => conflicts::check(&self.setup),
            Some(key) => Err(Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "no environment variable can be named {key:?}; use a name without `=` and NUL"
                ),
            )
            .with_source(std::io::Error::from(std::io::ErrorKind::InvalidInput))),
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
