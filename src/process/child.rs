//! A child that was started, until its status is known and longer.

mod starting;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
mod watch;
#[cfg(windows)]
mod windows;

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use policy_core::{Error, ErrorKind};

pub use starting::Starting;
#[cfg(unix)]
pub use watch::watch;

#[cfg(unix)]
use unix as sys;
#[cfg(windows)]
use windows as sys;

use super::background::delay::within;
use super::reach::TreeReach;
use super::talk::Pipes;
use super::talk::output::{Output, Talk};
use super::talk::pipe::{ChildStderr, ChildStdin, ChildStdout};
#[cfg(unix)]
use super::talk::pty::Pty;
use super::terms::Bounds;
use super::usage::Usage;
use crate::ambient;

pub(super) use sys::Held;

/// A child process.
///
/// May be used from any thread and awaited on any executor, whichever loop it was started under:
/// even when that loop is closed, or the policy or its watcher was replaced. All waits are cancel
/// safe and may be repeated; several tasks may wait at once, because waits take `&self`.
///
/// A signal reaches this child or no process: never one that later got the same pid.
///
/// A dropped `Child` continues, and is reaped when it exits, so that no zombie remains, unless
/// [`kill_on_drop(true)`](super::Command::kill_on_drop) or, on Unix, `reap_on_drop(false)` was set.
///
/// ```
/// use policy::process::Command;
///
/// policy::run(async {
///     let child = Command::new("sh").arg("-c").arg("exit 7").spawn()?;
///     assert_eq!(child.wait().await?.code(), Some(7));
///     assert_eq!(child.wait().await?.code(), Some(7));
///     assert_eq!(child.returncode(), Some(7));
///     Ok::<(), policy::Error>(())
/// })?;
/// # Ok::<(), policy::Error>(())
/// ```
#[derive(Debug)]
pub struct Child {
    /// The child's standard input, if it is a pipe.
    pub stdin: Option<ChildStdin>,
    /// The child's standard output, if it is a pipe.
    pub stdout: Option<ChildStdout>,
    /// The child's standard error, if it is a pipe.
    pub stderr: Option<ChildStderr>,
    /// This process's side of the child's terminal, if it has [one of its
    /// own](super::Command::pty). Dropping it hangs up (SIGHUP).
    #[cfg(unix)]
    pub pty: Option<Pty>,
    talk: Option<Box<Talk>>,
    // Its destructor does the rest, so that the pipes can be moved out of here.
    held: Held,
    // Boxed: most have none.
    bounds: Option<Box<Bounds>>,
}

impl Child {
    pub(super) fn new(pipes: Pipes, held: Held, bounds: Option<Box<Bounds>>) -> Self {
        let Pipes { stdin, stdout, stderr } = pipes;
        Self {
            stdin,
            stdout,
            stderr,
            #[cfg(unix)]
            pty: None,
            talk: None,
            held,
            bounds,
        }
    }

    /// Returns the process id. After the child was reaped, the id may belong to another process:
    /// send signals with the methods here.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let child = Command::new("true").spawn()?;
    ///     assert_ne!(child.id(), std::process::id());
    ///     child.wait().await?;
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn id(&self) -> u32 {
        self.held.pid()
    }

    /// Waits until the child has exited. Closes [`stdin`](Self::stdin) first, if it is still there,
    /// so that a child that reads to the end reaches it.
    ///
    /// Waits only for the child: a grandchild may still hold its pipes. A child that writes more
    /// than a pipe holds waits for a reader, and this call would wait with it: read
    /// [`stdout`](Self::stdout) meanwhile, or use [`wait_with_output`](Self::wait_with_output).
    ///
    /// # Errors
    /// Returns [`ErrorKind::StatusLost`] if other code took the status, and the kernel does not
    /// keep it (before Linux 6.15), and [`ErrorKind::Io`] if no descriptor and no thread is left to
    /// wait with; the child is not affected.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let child = Command::shell("exit 7").spawn()?;
    ///     assert_eq!(child.wait().await?.code(), Some(7));
    ///     assert_eq!(child.wait().await?.code(), Some(7)); // each time
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub async fn wait(&self) -> Result<ExitStatus, Error> {
        if let Some(stdin) = &self.stdin {
            stdin.shut();
        }
        if let Some(talk) = &self.talk {
            talk.shut();
        }
        self.held.wait().await
    }

    /// Returns the status if the child has exited, without waiting.
    ///
    /// # Errors
    /// Returns the errors of [`wait`](Self::wait).
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let child = Command::new("sleep").arg("1000").kill_on_drop(true).spawn()?;
    ///     assert!(child.try_wait()?.is_none());
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn try_wait(&self) -> Result<Option<ExitStatus>, Error> {
        self.held.try_wait()
    }

    /// Returns asyncio's return code, if the status is already known: the exit code, or (on Unix)
    /// the negative number of the signal that ended the child.
    ///
    /// Does not ask the system; call [`wait`](Self::wait) or [`try_wait`](Self::try_wait) first.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let child = Command::new("sleep").arg("1000").spawn()?;
    ///     child.kill().await?;
    ///     assert_eq!(child.returncode(), Some(-9));
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn returncode(&self) -> Option<i32> {
        self.held.returncode()
    }

    /// Returns which resources the child used, once its status is known.
    ///
    /// Returns `None` if other code reaped the child, and on systems other than Linux.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let child = Command::shell("i=0; while [ $i -lt 10000 ]; do i=$((i + 1)); done").spawn()?;
    ///     assert!(child.usage().is_none());
    ///     child.wait().await?;
    ///     # #[cfg(target_os = "linux")]
    ///     assert!(!child.usage().expect("no other code reaped it").user_time.is_zero());
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn usage(&self) -> Option<Usage> {
        self.held.usage()
    }

    /// Writes `input` to the child, closes [`stdin`](Self::stdin), reads both other pipes to their
    /// ends, and waits until the child has exited (asyncio's `communicate`). Does all of this
    /// concurrently, so that neither side waits for the other.
    ///
    /// It is no error if a child exits without reading its input.
    /// Types the input, followed by Ctrl-D, if the child has a terminal of its own (`Command::pty`).
    ///
    /// Cancel safe: the `Child` keeps the bytes that were read, and the next call continues with
    /// the rest of the input and then its own.
    ///
    /// # Errors
    /// Returns the errors of [`wait`](Self::wait); [`ErrorKind::InvalidInput`] if there is input
    /// and no pipe for it; [`ErrorKind::LimitReached`] if the child wrote more than
    /// [`max_output`](super::Command::max_output), in which case it is killed. The error carries
    /// the bytes that were read: [`PartialOutput::of`](super::PartialOutput::of).
    ///
    /// ```
    /// use policy::process::{Command, Stdio};
    ///
    /// policy::run(async {
    ///     let mut command = Command::new("sort");
    ///     let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    ///     let output = child.communicate("two\nthree\none\n").await?;
    ///     assert_eq!(output.stdout, b"one\nthree\ntwo\n");
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub async fn communicate(&mut self, input: impl Into<Vec<u8>>) -> Result<Output, Error> {
        let input = input.into();
        // While it runs, also while its pipes are read, a paused clock does not jump.
        let _outside = ambient::outside();
        let talk = self.talk.get_or_insert_default();
        talk.take_over(self.stdin.take(), self.stdout.take(), self.stderr.take());
        let input = self.take_over_terminal(input)?;
        let talk = self.talk.get_or_insert_default();
        talk.add_input(input)?;
        let held = &self.held;
        let mut collected = talk.carry(held.wait(), bounds(&self.bounds), || held.kill()).await;
        if let Ok(output) = &mut collected {
            output.usage = held.usage();
        }
        if collected.as_ref().is_err_and(|error| error.kind() == ErrorKind::LimitReached) {
            let _exited = held.kill();
        }
        collected
    }

    /// Closes [`stdin`](Self::stdin), reads both other pipes to their ends, and waits until the
    /// child has exited.
    ///
    /// Dropping the future drops the child and the bytes that were read:
    /// [`communicate`](Self::communicate) keeps both.
    ///
    /// # Errors
    /// Returns the errors of [`communicate`](Self::communicate).
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     use policy::process::Stdio;
    ///
    ///     let child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    ///     assert_eq!(child.wait_with_output().await?.stdout, b"hello\n");
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub async fn wait_with_output(mut self) -> Result<Output, Error> {
        self.communicate("").await
    }

    /// Waits for the time that the command gave to the child. Nobody reads what it writes.
    pub(super) async fn into_status(mut self) -> Result<ExitStatus, Error> {
        drop((self.stdout.take(), self.stderr.take()));
        if self.has_terminal() {
            // A terminal that nobody reads from would fill up.
            return match self.communicate("").await? {
                output if output.timed_out => Err(time_is_over()),
                output => Ok(output.status),
            };
        }
        let Some(deadline) = bounds(&self.bounds).deadline else { return self.wait().await };
        let left = deadline.saturating_duration_since(Instant::now());
        if let Some(exited) = within(left, self.wait()).await {
            return exited;
        }
        match self.kill().await {
            Err(error) if error.kind() != ErrorKind::ChildExited => Err(error),
            _ => Err(time_is_over()),
        }
    }

    /// Kills the child and waits until it is gone.
    ///
    /// # Errors
    /// Returns the errors of [`start_kill`](Self::start_kill) and [`wait`](Self::wait).
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let child = Command::new("sleep").arg("1000").spawn()?;
    ///     child.kill().await?;
    ///     assert_eq!(child.kill().await.unwrap_err().kind(), policy::ErrorKind::ChildExited);
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub async fn kill(&self) -> Result<(), Error> {
        self.start_kill()?;
        self.wait().await.map(drop)
    }

    /// Sends SIGKILL, and does not wait. With [`kill_tree`](super::Command::kill_tree), sends it to
    /// the whole tree, as far as [`tree_reach`](Self::tree_reach) says. On Windows ends the child,
    /// or its job, with exit code 1 (`TerminateProcess`).
    ///
    /// # Errors
    /// Returns [`ErrorKind::ChildExited`] if the child has exited already; then it does nothing (on
    /// Windows it still ends the rest of the tree).
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let child = Command::new("sleep").arg("1000").spawn()?;
    ///     child.start_kill()?;
    ///     assert!(!child.wait().await?.success());
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn start_kill(&self) -> Result<(), Error> {
        self.held.kill()
    }

    /// Sends a signal to the child alone. 0 only checks that the child exists. As in asyncio, on
    /// Windows 9 and 15 kill the child, and there are no other signals.
    ///
    /// # Errors
    /// Returns [`ErrorKind::ChildExited`] if the child has exited, [`ErrorKind::InvalidInput`] if
    /// the number is no signal, and [`ErrorKind::Io`] (EPERM) if the child now runs as another
    /// user.
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     let child = Command::new("sleep").arg("1000").spawn()?;
    ///     child.send_signal(15)?;
    ///     child.wait().await?;
    ///     assert_eq!(child.returncode(), Some(-15));
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn send_signal(&self, signal: i32) -> Result<(), Error> {
        self.held.signal(signal)
    }

    /// Returns how much of the child's tree the signals reach that end the child.
    ///
    /// ```
    /// use policy::process::{Command, TreeReach};
    ///
    /// policy::run(async {
    ///     let child = Command::new("true").spawn()?;
    ///     assert_eq!(child.tree_reach(), TreeReach::Child);
    ///     let child = Command::new("true").kill_tree(true).spawn()?;
    ///     if child.tree_reach() == TreeReach::Group {
    ///         println!("a daemon would survive");
    ///     }
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn tree_reach(&self) -> TreeReach {
        self.held.reach()
    }

    /// Asks the child to end (SIGTERM, then SIGCONT), and kills it after `grace`. Returns how it
    /// ended, even if it had ended before. Windows can't ask a process to end: there is no grace.
    ///
    /// With [`kill_tree`](super::Command::kill_tree) it asks the whole tree, and `grace` applies to
    /// all of it: this returns when no process of the tree is left, and kills those that are left
    /// after `grace`, as far as [`tree_reach`](Self::tree_reach) says.
    ///
    /// Cancel safe: if you drop it in between, the child was asked to end, and is not killed.
    ///
    /// # Errors
    /// Returns the errors of [`wait`](Self::wait).
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// policy::run(async {
    ///     use std::time::Duration;
    ///
    ///     let child = Command::new("sleep").arg("1000").spawn()?;
    ///     assert!(!child.terminate(Duration::from_secs(10)).await?.success());
    ///     Ok::<(), policy::Error>(())
    /// })?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub async fn terminate(&self, grace: Duration) -> Result<ExitStatus, Error> {
        sys::terminate(self, grace).await
    }

    /// Kills the child, and reaps it if that is quickly done.
    pub(super) fn destroy(self) {
        let _exited = self.start_kill();
        // The rest is done by the destructor of what is held.
    }
}

fn time_is_over() -> Error {
    Error::new(
        ErrorKind::TimedOut,
        "the time of the child is over, and it was killed; allow more with `timeout`",
    )
}

fn bounds(bounds: &Option<Box<Bounds>>) -> Bounds {
    bounds.as_deref().copied().unwrap_or_default()
}
