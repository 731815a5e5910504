//! A started child.

use std::future::Future;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use policy_core::{Error, ErrorKind};

use super::command::Options;
use super::exit::Record;
use crate::ambient;
use crate::process::background::delay::within;
use crate::process::reach::TreeReach;
use crate::process::talk::output::{Bounds, Output, Talk};
use crate::process::talk::pipe::{ChildStderr, ChildStdin, ChildStdout};

/// A child process.
///
/// May be used from any thread and awaited on any executor, whichever loop it was started under.
/// All waits are cancel safe and may be repeated; several tasks may wait at once, because waits
/// take `&self`.
///
/// A dropped `Child` continues, unless [`kill_on_drop(true)`](crate::process::Command::kill_on_drop) was
/// set.
///
/// ```
/// use policy::process::Command;
///
/// policy::run(async {
///     let child = Command::shell("exit 7").spawn()?;
///     assert_eq!(child.wait().await?.code(), Some(7));
///     assert_eq!(child.wait().await?.code(), Some(7));
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

#[derive(Debug)]
struct Held {
    record: Arc<Record>,
    /// Whether somebody has seen the status: what `returncode` tells.
    seen: AtomicBool,
    options: Options,
    bounds: Bounds,
}

impl Child {
    pub(super) fn new(
        record: Arc<Record>,
        stdin: Option<ChildStdin>,
        stdout: Option<ChildStdout>,
        stderr: Option<ChildStderr>,
        options: Options,
    ) -> Self {
        let bounds = options.bounds();
        let held = Held { record, seen: AtomicBool::new(false), options, bounds };
        Self { stdin, stdout, stderr, talk: None, held }
    }

    /// Returns the process id. After the child has exited and this was dropped, the id may belong
    /// to another process.
    pub fn id(&self) -> u32 {
        self.held.record.pid()
    }

    /// Waits until the child has exited. Closes [`stdin`](Self::stdin) first, if it is still there,
    /// so that a child that reads to the end reaches it.
    ///
    /// A child that writes more than a pipe holds waits for a reader, and this call would wait with
    /// it: read [`stdout`](Self::stdout) meanwhile, or use
    /// [`wait_with_output`](Self::wait_with_output).
    ///
    /// # Errors
    /// Returns [`ErrorKind::Io`] if the system does not report the status.
    pub async fn wait(&self) -> Result<ExitStatus, Error> {
        let _outside = ambient::outside();
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
    pub fn try_wait(&self) -> Result<Option<ExitStatus>, Error> {
        let status = self.held.record.try_wait()?;
        if status.is_some() {
            self.held.seen.store(true, Ordering::Relaxed);
        }
        Ok(status)
    }

    /// Returns the exit code, if the status is already known (asyncio's `returncode`). Does not ask
    /// the system; call [`wait`](Self::wait) or [`try_wait`](Self::try_wait) first.
    pub fn returncode(&self) -> Option<i32> {
        if !self.held.seen.load(Ordering::Relaxed) {
            return None;
        }
        self.held.record.try_wait().ok().flatten().and_then(|status| status.code())
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
    /// [`max_output`](crate::process::Command::max_output), in which case it is killed. The error carries
    /// the bytes that were read: [`PartialOutput::of`](crate::process::PartialOutput::of).
    pub async fn communicate(&mut self, input: impl Into<Vec<u8>>) -> Result<Output, Error> {
        let input = input.into();
        // While it runs, also while its pipes are read, a paused clock does not jump.
        let _outside = ambient::outside();
        let talk = self.talk.get_or_insert_default();
        talk.take_over(self.stdin.take(), self.stdout.take(), self.stderr.take());
        talk.add_input(input)?;
        let held = &self.held;
        let collected = talk.carry(held.wait(), held.bounds, || held.record.kill()).await;
        if collected.as_ref().is_err_and(|error| error.kind() == ErrorKind::LimitReached) {
            let _exited = held.record.kill();
        }
        collected
    }

    /// Closes [`stdin`](Self::stdin), reads both other pipes to their ends, and waits
    /// until the child has exited.
    ///
    /// Dropping the future drops the child and the bytes that were read:
    /// [`communicate`](Self::communicate) keeps both.
    ///
    /// # Errors
    /// Returns the errors of [`communicate`](Self::communicate).
    pub async fn wait_with_output(mut self) -> Result<Output, Error> {
        self.communicate("").await
    }

    /// Waits for the time that the command gave to the child. Nobody reads what it writes.
    pub(super) async fn into_status(mut self) -> Result<ExitStatus, Error> {
        drop((self.stdout.take(), self.stderr.take()));
        let Some(deadline) = self.held.bounds.deadline else { return self.wait().await };
        let left = deadline.saturating_duration_since(Instant::now());
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

    /// Returns how far the signals reach that end the child: what of its tree dies with it.
    pub fn tree_reach(&self) -> TreeReach {
        if self.held.options.kill_tree { TreeReach::Job } else { TreeReach::Child }
    }

    /// Kills the child and waits until it is gone.
    ///
    /// # Errors
    /// Returns the errors of [`start_kill`](Self::start_kill) and [`wait`](Self::wait).
    pub async fn kill(&self) -> Result<(), Error> {
        self.start_kill()?;
        self.wait().await.map(drop)
    }

    /// Ends the child (`TerminateProcess`) with exit code 1, and does not wait. With
    /// [`kill_tree`](crate::process::Command::kill_tree), ends its descendants as well.
    ///
    /// # Errors
    /// Returns [`ErrorKind::ChildExited`] if the child has exited already; the rest of the tree is
    /// killed all the same.
    pub fn start_kill(&self) -> Result<(), Error> {
        self.held.record.kill()
    }

    /// Sends a signal, like asyncio on Windows: 9 and 15 kill the child, 0 checks that it exists,
    /// and there are no other signals.
    ///
    /// # Errors
    /// Returns [`ErrorKind::ChildExited`] if the child has exited, and [`ErrorKind::InvalidInput`]
    /// for any other signal.
    pub fn send_signal(&self, signal: i32) -> Result<(), Error> {
        match signal {
            0 if self.held.record.try_wait()?.is_none() => Ok(()),
            0 => Err(ErrorKind::ChildExited.into()),
            9 | 15 => self.start_kill(),
            _ => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("Windows has no signal {signal}; end the child by `kill`"),
            )),
        }
    }

    /// Kills the child, and waits until it is gone. Returns how it ended, even if it had ended
    /// before. Windows can't ask a process to end, so there is no grace.
    ///
    /// # Errors
    /// Returns the errors of [`start_kill`](Self::start_kill) and [`wait`](Self::wait).
    pub async fn terminate(&self, _grace: Duration) -> Result<ExitStatus, Error> {
        match self.start_kill() {
            Err(error) if error.kind() != ErrorKind::ChildExited => Err(error),
            _ => self.wait().await,
        }
    }

    /// Kills the child that nobody has got.
    pub(super) fn destroy(self) {
        let _exited = self.start_kill();
    }
}

impl Held {
    async fn wait(&self) -> Result<ExitStatus, Error> {
        let status = self.record.wait().await?;
        self.seen.store(true, Ordering::Relaxed);
        Ok(status)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.options.kill_on_drop {
            let _exited = self.record.kill();
        }
    }
}

/// A child that is being started: a future of the [`Child`].
///
/// Nothing happens before the first poll. Another thread starts the child, so that the loop keeps
/// running. If you drop the future before it is ready, no child remains: one that was started is
/// killed.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Starting {
    future: Pin<Box<dyn Future<Output = Result<Child, Error>> + Send>>,
}

impl Starting {
    pub(super) fn new(future: impl Future<Output = Result<Child, Error>> + Send + 'static) -> Self {
        Self { future: Box::pin(future) }
    }
}

impl Future for Starting {
    type Output = Result<Child, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.future.as_mut().poll(cx)
    }
}

impl std::fmt::Debug for Starting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Starting").finish_non_exhaustive()
    }
}
