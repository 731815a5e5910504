//! A child that was started, until its status is known and longer.

use std::future::Future;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use policy_core::{Error, ErrorKind};

use super::command::Options;
use super::delay::within;
use super::exit::Record;
use super::output::{Bounds, Output, Talk};
use super::pipe::{ChildStderr, ChildStdin, ChildStdout};
use crate::ambient;

/// A child process.
///
/// May be used from any thread and awaited on any executor, whichever loop it was
/// started under. All waits are cancel safe and may be repeated; several may wait at
/// once, since they take `&self`.
///
/// Dropping a `Child` lets it run on, unless
/// [`kill_on_drop`](super::Command::kill_on_drop) says that it be killed.
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
    /// The child's standard input, if that is a pipe.
    pub stdin: Option<ChildStdin>,
    /// The child's standard output, if that is a pipe.
    pub stdout: Option<ChildStdout>,
    /// The child's standard error, if that is a pipe.
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

    /// Returns the number of the process. After the child has exited and this was
    /// dropped it may be the number of another.
    pub fn id(&self) -> u32 {
        self.held.record.pid()
    }

    /// Waits until the child has exited. Closes [`stdin`](Self::stdin) first, if that
    /// is still there, so that a child that reads to the end comes to one.
    ///
    /// A child that writes more than a pipe holds waits for a reader, and so would
    /// this: read [`stdout`](Self::stdout) meanwhile, or use
    /// [`wait_with_output`](Self::wait_with_output).
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the system does not tell the status.
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
    /// As [`wait`](Self::wait).
    pub fn try_wait(&self) -> Result<Option<ExitStatus>, Error> {
        let status = self.held.record.try_wait()?;
        if status.is_some() {
            self.held.seen.store(true, Ordering::Relaxed);
        }
        Ok(status)
    }

    /// Returns the exit code, if the status is known already (asyncio's `returncode`):
    /// [`wait`](Self::wait) or [`try_wait`](Self::try_wait) before.
    pub fn returncode(&self) -> Option<i32> {
        if !self.held.seen.load(Ordering::Relaxed) {
            return None;
        }
        self.held.record.try_wait().ok().flatten().and_then(|status| status.code())
    }

    /// Writes `input` to the child, closes [`stdin`](Self::stdin), reads both other pipes
    /// to their ends, and waits until the child has exited (asyncio's `communicate`). All at
    /// once, so that neither side waits for the other.
    ///
    /// A child that exits without having read its input is no error.
    ///
    /// Cancel safe: what was read stays here, and the next call goes on, with what is left
    /// of the input and then its own.
    ///
    /// # Errors
    /// As [`wait`](Self::wait); [`ErrorKind::InvalidInput`] if there is input and no pipe for
    /// it; [`ErrorKind::LimitReached`], with the child killed, if it wrote more than
    /// [`max_output`](super::Command::max_output). What was read comes with the error:
    /// [`PartialOutput::of`](super::PartialOutput::of).
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
    /// Dropping the future drops the child, and what was read:
    /// [`communicate`](Self::communicate) keeps both.
    ///
    /// # Errors
    /// As [`communicate`](Self::communicate).
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

    /// Kills the child and waits until it is gone.
    ///
    /// # Errors
    /// As [`start_kill`](Self::start_kill) and [`wait`](Self::wait).
    pub async fn kill(&self) -> Result<(), Error> {
        self.start_kill()?;
        self.wait().await.map(drop)
    }

    /// Ends the child (`TerminateProcess`), with exit code 1, and does not wait. With
    /// [`kill_tree`](super::Command::kill_tree), what descends from it as well.
    ///
    /// # Errors
    /// [`ErrorKind::ChildExited`] if it came too late; what is left of the tree is
    /// killed all the same.
    pub fn start_kill(&self) -> Result<(), Error> {
        self.held.record.kill()
    }

    /// As asyncio on Windows: 9 and 15 kill the child, 0 asks whether it is there, and
    /// there are no other signals.
    ///
    /// # Errors
    /// [`ErrorKind::ChildExited`]; [`ErrorKind::InvalidInput`].
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

    /// Kills the child, and waits until it is gone; returns how it ended, also if it
    /// had ended before. Nobody can be asked to end here, so there is no grace.
    ///
    /// # Errors
    /// As [`start_kill`](Self::start_kill) and [`wait`](Self::wait).
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

/// A start of a child: a future of the [`Child`].
///
/// Nothing happens before the first poll. The child is started on another thread, so
/// that the loop goes on. Dropping the future before it is ready leaves no child
/// behind: one that was started is killed.
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
