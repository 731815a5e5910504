//! Builds a child: which program to start, with which options, and what happens to it later.
//!
//! What every system has is here, in [`forms`] and in [`options`]; `unix` and `windows` say how it
//! is kept and started there, and what only they have.

mod forms;
mod options;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::ffi::OsStr;
use std::path::Path;

use policy_core::{Error, ErrorKind};

use super::Stdio;
use super::terms::Said;
#[cfg(unix)]
use unix as sys;
#[cfg(windows)]
use windows as sys;

use sys::Setup;

/// Builds and starts children, like [`std::process::Command`].
///
/// [`spawn`](Self::spawn) starts a child on this thread, which blocks until the program is executed
/// (a fraction of a millisecond). The async methods ([`start`](Self::start),
/// [`status`](Self::status), [`output`](Self::output)) do that on another thread, so that the loop
/// keeps running.
///
/// # Unix
/// The child inherits only what you give it: descriptors 0, 1, 2 and those that you
/// pass (`pass_fd`), an empty signal mask, no handlers, and the default for SIGPIPE. It also
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
    setup: Setup,
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
        Self { setup: Setup::new(program.as_ref()), bad_key: None }
    }

    /// Makes a command that runs a command line with the shell `/bin/sh`, on Windows with the one
    /// in `ComSpec`, `cmd` (asyncio's `create_subprocess_shell`).
    ///
    /// The shell gets the line unchanged. On Unix apply `quote` to text that comes from elsewhere;
    /// on Windows do not put such text into it.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// let output = policy::run(async { Command::shell("echo one; echo two").output().await })?;
    /// assert_eq!(output.stdout, b"one\ntwo\n");
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn shell(line: impl AsRef<OsStr>) -> Self {
        sys::shell(line.as_ref())
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
        self.say(Said::Arg(arg.as_ref()))
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
        self.say(Said::Var(key, value.as_ref()))
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
        self.say(Said::NoVar(key.as_ref()))
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
        self.say(Said::NoVars)
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
        self.say(Said::Folder(folder.as_ref()))
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
        self.setup.terms.input = None;
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

    fn check(&self) -> Result<(), Error> {
        match &self.bad_key {
            None => self.setup.check(),
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
