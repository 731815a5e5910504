//! Builds a child: which program to start, with which options, and what happens to it later.

mod conflicts;
mod forms;
mod launch;
mod options;

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command as StdCommand;
use std::sync::Arc;

use policy_core::{ChildWatcher, Error, ErrorKind};

use super::start::{Folder, Recipe, Setup, Taken};
use super::talk::stdio::{Given, Stdio, Stream};

/// Builds and starts children, like [`std::process::Command`].
///
/// [`spawn`](Self::spawn) starts a child on this thread, which blocks until the program is executed
/// (a fraction of a millisecond). The async methods ([`start`](Self::start),
/// [`status`](Self::status), [`output`](Self::output)) do that on another thread, so that the loop
/// keeps running.
///
/// The child inherits only what you give it: descriptors 0, 1, 2 and those that you
/// [pass](Self::pass_fd), an empty signal mask, no handlers, and the default for SIGPIPE. It also
/// ignores the signals that this process ignores.
///
/// On Linux a child is identified by its pidfd from birth, so that no `waitpid(-1)` elsewhere in
/// this process, and no ignored SIGCHLD, loses its status (Linux 6.15). std starts the child where
/// the kernel or a sandbox refuses `clone3` or `close_range`, on other systems, and for a command
/// or a stream that std made. Other code may reap such a child before it is identified, and the
/// child also inherits descriptors that other code has opened without close-on-exec.
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
    // A future that is dropped while it starts a child leaves the command as it was: both
    // share what it says, and who changes that has a copy of his own.
    pub(super) setup: Setup,
    /// The first environment variable that no environment can hold.
    bad_key: Option<String>,
}

impl Command {
    /// Makes a command that runs `program`, found in PATH, without arguments, with this process's
    /// environment, working directory and standard streams.
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
        let setup = Setup {
            recipe: Arc::new(Recipe::new(program.as_ref())),
            taken: None,
            kill_on_drop: false,
            reap_on_drop: true,
            kill_tree: false,
            cgroup: None,
            pty: false,
            foreground: false,
            wait_delay: None,
            max_output: None,
            timeout: None,
            input: None,
            on_keeper: false,
        };
        Self { setup, bad_key: None }
    }

    /// Makes a command that runs a command line with the shell `/bin/sh`.
    ///
    /// Apply [`quote`](super::quote) to text that comes from elsewhere.
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
        let arg = arg.as_ref();
        self.tell(|recipe| recipe.add_arg(arg), |std| std.arg(arg))
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
        for arg in args {
            self.arg(arg);
        }
        self
    }

    /// Sets `argv[0]`, the name that the program sees as its own.
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
        let arg = arg.as_ref();
        self.tell(|recipe| recipe.arg0 = Some(arg.to_owned()), |std| std.arg0(arg))
    }

    /// Sets an environment variable. If the name is empty or contains `=`, starting the child
    /// returns [`ErrorKind::InvalidInput`].
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
        let value = value.as_ref();
        self.tell(|recipe| recipe.vars.set(key, value), |std| std.env(key, value))
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

    /// Removes an environment variable.
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
        let key = key.as_ref();
        self.tell(|recipe| recipe.vars.remove(key), |std| std.env_remove(key))
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
        self.tell(|recipe| recipe.vars.clear(), |std| std.env_clear())
    }

    /// Sets the child's working directory.
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
        let folder = folder.as_ref();
        // For messages, too.
        self.recipe().folder = Some(Folder::At(folder.to_owned()));
        self.tell(|_| {}, |std| std.current_dir(folder))
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
        self.setup.input = None;
        self.stream(0, stdio.into())
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
        self.stream(1, stdio.into())
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
        self.stream(2, stdio.into())
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
        self.recipe().own.uid = Some(id);
        self
    }

    /// Sets the user group that the child runs as.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// // As root: run in the group of nobody.
    /// let mut command = Command::new("id");
    /// command.gid(65534);
    /// ```
    pub fn gid(&mut self, id: u32) -> &mut Self {
        self.recipe().own.gid = Some(id);
        self
    }

    /// Puts the child into a process group; 0 makes it the leader of a new one, which does not
    /// receive a Ctrl-C on the terminal.
    ///
    /// The leader of a new group is in the background of the terminal: a child that reads from the
    /// terminal is stopped (SIGTTIN), and so never ends by itself.
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
        self.recipe().own.group = Some(group);
        self
    }

    /// What the command says, to be changed.
    pub(super) fn recipe(&mut self) -> &mut Recipe {
        Arc::make_mut(&mut self.setup.recipe)
    }

    /// Says something, in whichever way the command is kept.
    fn tell(
        &mut self,
        recipe: impl FnOnce(&mut Recipe),
        std: impl FnOnce(&mut StdCommand) -> &mut StdCommand,
    ) -> &mut Self {
        match &self.setup.taken {
            Some(taken) => taken.change(std),
            None => recipe(self.recipe()),
        }
        self
    }

    fn stream(&mut self, number: usize, stdio: Stdio) -> &mut Self {
        let given = stdio.into_given();
        if matches!(given, Given::Std(_)) && self.setup.taken.is_none() {
            // Only std knows what it is.
            self.setup.taken = Some(Arc::new(Taken::new(self.setup.recipe.to_std())));
        }
        let known = match (&given, &self.setup.taken) {
            (Given::Ours(stream), None) => stream.clone(),
            // Said to std, and noted as set.
            _ => Stream::Inherit,
        };
        if let Some(place) = self.recipe().streams.get_mut(number) {
            *place = Some(known);
        }
        let Some(taken) = &self.setup.taken else { return self };
        let stdio = match given {
            Given::Std(stdio) => stdio,
            Given::Ours(stream) => stream.into_std(),
        };
        taken.change(|std| match number {
            0 => std.stdin(stdio),
            1 => std.stdout(stdio),
            _ => std.stderr(stdio),
        });
        self
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
        let folder = std.get_current_dir().map(|folder| Folder::At(folder.to_owned()));
        command.recipe().folder = folder;
        command.setup.taken = Some(Arc::new(Taken::new(std)));
        command
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.setup.taken {
            Some(taken) => taken.describe(f),
            // As std's: a line that could be typed.
            None => self.setup.recipe.to_std().fmt(f),
        }
    }
}
