//! A child that was started, until its status is known and longer.

mod held;
mod starting;

use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use policy_core::{ChildWatcher, Error, ErrorKind, ExitFuture};

pub use starting::Starting;

use held::Held;

use super::delay::within;
use super::identity::{Claim, Outcome, Record};
use super::output::{Output, Talk};
use super::pipe::{ChildStderr, ChildStdin, ChildStdout};
use super::start::launch::{Pipes, Setup};
use super::sys::Whom;
use super::watcher::handlers::returncode;
use crate::ambient;

/// A child process.
///
/// May be used from any thread and awaited on any executor, whichever loop it was started under:
/// even when that loop is closed, or the policy or its watcher was replaced. All waits are cancel
/// safe and may be repeated; several tasks may wait at once, because waits take `&self`.
///
/// A signal reaches this child or no process: never one that later got the same pid.
///
/// A dropped `Child` continues, and is reaped when it exits, so that no zombie remains, unless
/// [`kill_on_drop(true)`](super::Command::kill_on_drop) or
/// [`reap_on_drop(false)`](super::Command::reap_on_drop) was set.
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
    talk: Option<Box<Talk>>,
    // Its destructor does the rest, so that the pipes can be moved out of here.
    held: Held,
}

impl Child {
    pub(super) fn new(
        claim: Claim,
        pipes: Pipes,
        watcher: Arc<dyn ChildWatcher>,
        exit: ExitFuture,
        setup: &Setup,
    ) -> Self {
        let Pipes { stdin, stdout, stderr } = pipes;
        let held = Held {
            claim,
            watcher,
            first: Mutex::new(Some(exit)),
            kill_on_drop: setup.kill_on_drop,
            reap_on_drop: setup.reap_on_drop,
            whom: if setup.kill_tree { Whom::Group } else { Whom::One },
            bounds: setup.bounds().map(Box::new),
        };
        Self { stdin, stdout, stderr, talk: None, held }
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
        self.record().pid()
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
        self.record().try_reap().map(Outcome::into_result).transpose()
    }

    /// Returns asyncio's return code, if the status is already known: the exit code, or the
    /// negative number of the signal that ended the child.
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
        match self.record().outcome() {
            Some(Outcome::Exited(status)) => Some(returncode(status)),
            _ => None,
        }
    }

    /// Writes `input` to the child, closes [`stdin`](Self::stdin), reads both other pipes to their
    /// ends, and waits until the child has exited (asyncio's `communicate`). Does all of this
    /// concurrently, so that neither side waits for the other.
    ///
    /// It is no error if a child exits without reading its input.
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
        talk.add_input(input)?;
        let held = &self.held;
        let collected = talk.carry(held.wait(), held.bounds(), || held.kill()).await;
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

    /// As [`wait`](Self::wait), for the time that the command gave to the child.
    pub(super) async fn wait_in_time(&self) -> Result<ExitStatus, Error> {
        let Some(left) = self.held.time_left() else { return self.wait().await };
        if let Some(exited) = within(left, self.wait()).await {
            return exited;
        }
        match self.kill().await {
            Err(error) if error.kind() != ErrorKind::ChildExited => Err(error),
            _ => Err(Error::new(
                ErrorKind::TimedOut,
                "the time of the child is over, and it was killed; allow more with `timeout`",
            )),
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
    /// the whole group, and to the child's descendants that have left the group (on Linux, as far
    /// as `/proc` shows them).
    ///
    /// # Errors
    /// Returns [`ErrorKind::ChildExited`] if the child has exited already; then it does nothing.
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

    /// Sends a signal to the child alone. 0 only checks that the child exists.
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
        self.record().signal(signal, Whom::One)
    }

    /// Asks the child to end (SIGTERM), and kills it after `grace`. Returns how it ended, even if
    /// it had ended before.
    ///
    /// With [`kill_tree`](super::Command::kill_tree) it asks the whole tree, and `grace` applies to
    /// all of it: this returns when no process of the tree is left, and kills those that are left
    /// after `grace`. How far that reaches depends on the system, as with
    /// [`start_kill`](Self::start_kill).
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
        // Found before the child may end, and with it the way to them.
        let descendants = self.held.descendants();
        match self.record().signal(libc::SIGTERM, self.held.whom) {
            Err(error) if error.kind() != ErrorKind::ChildExited => return Err(error),
            _ => {}
        }
        descendants.signal_outside(libc::SIGTERM);
        let ended = async {
            let exit = self.wait().await;
            self.held.tree_ended(&descendants).await;
            exit
        };
        if let Some(exit) = within(grace, ended).await {
            return exit;
        }
        // It may have exited just now; then nothing is left to do.
        let _exited = self.start_kill();
        descendants.kill();
        self.wait().await
    }

    /// Kills the child, and reaps it if that is quickly done.
    pub(super) fn destroy(self) {
        let _exited = self.start_kill();
        // The rest is done by the destructor of what is held.
    }

    fn record(&self) -> &Arc<Record> {
        self.held.claim.record()
    }
}

/// Waits for a child that other code started: `std::process`, or a C library. Any number of tasks
/// may wait for the same child.
///
/// The child is identified when this is called, and reaped when the future has its status: do not
/// wait for it by other means as well. Dropping the future does not affect the child.
///
/// You may poll the future under any loop or none. It returns [`ErrorKind::NoSuchProcess`] or
/// [`ErrorKind::NotOurChild`] if the pid is not that of a child of this process,
/// [`ErrorKind::WatcherInactive`] or [`ErrorKind::WatcherClosed`] if the watcher can't wait, and
/// [`ErrorKind::StatusLost`] if other code took the status.
///
/// ```
/// let child = std::process::Command::new("true").spawn().expect("it starts");
/// let status = policy::run(async { policy::process::watch(child.id()).await })?;
/// assert!(status.success());
/// # Ok::<(), policy::Error>(())
/// ```
pub fn watch(pid: u32) -> ExitFuture {
    let begun: Result<ExitFuture, Error> = Record::of_pid(pid).and_then(|record| {
        // Until the watcher's own future claims it.
        let claim = Claim::new(record);
        let watcher = crate::get_child_watcher()?;
        let exit = watcher.watch(&claim.record().id());
        // As in `Held::wait`: others may have reaped it just now.
        match (claim.record().outcome(), exit) {
            (Some(outcome), _) => Ok(ExitFuture::new(async move { outcome.into_result() })),
            (None, exit) => exit.map(|exit| ExitFuture::new(known_first(exit, claim))),
        }
    });
    match begun {
        Ok(exit) => ExitFuture::new(async {
            let _outside = ambient::outside();
            exit.await
        }),
        Err(error) => ExitFuture::new(async { Err(error) }),
    }
}

async fn known_first(exit: ExitFuture, claim: Claim) -> Result<ExitStatus, Error> {
    let status = exit.await;
    claim.record().outcome().map_or(status, Outcome::into_result)
}
