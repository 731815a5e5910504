//! A command becomes a child: on this thread, or on another.

use std::future::Future;
use std::process::{Command as StdCommand, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use policy_core::Error;

use super::launch::{self, Setup};
use super::starter;
use crate::process::child::{Child, Starting};
use crate::process::command::{Command, Streams};
use crate::process::output::Output;
use crate::process::wakers::lock;

impl Command {
    /// Starts a child, on this thread.
    ///
    /// # Errors
    /// Before anything is started: [`ErrorKind::NoRunningLoop`](crate::ErrorKind::NoRunningLoop);
    /// [`ErrorKind::WatcherInactive`](crate::ErrorKind::WatcherInactive); [`ErrorKind::LimitReached`](crate::ErrorKind::LimitReached) by
    /// [`set_max_children`](crate::process::set_max_children); [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput).
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the program can't be executed, or the watcher has nothing
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
                launch::launch(&mut lock(&command), &setup, watcher)
            })?;
        }
        launch::launch(&mut self.std(), &self.setup, watcher)
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
    /// As [`spawn`](Self::spawn) and [`Child::wait`];
    /// [`ErrorKind::TimedOut`](crate::ErrorKind::TimedOut), with the child killed, if its
    /// [`timeout`](Self::timeout) is over.
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
            child.wait_in_time().await
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
        let watcher = launch::prepare()?;
        launch::launch_elsewhere(setup, watcher, move |setup, watcher| {
            let mut command = lock(&command);
            if defaults == Defaults::Inherit {
                return launch::launch(&mut command, setup, watcher);
            }
            set.fill(&mut command, Stdio::null, Stdio::piped);
            let child = launch::launch(&mut command, setup, watcher);
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
