//! A command becomes a child: on this thread, or on another.

use std::future::Future;
use std::process::ExitStatus;

use policy_core::{Error, ErrorKind};

use super::Command;
use super::sys::launch;
use crate::process::child::{Child, Starting};
use crate::process::talk::output::Output;
use crate::process::terms::Defaults;

impl Command {
    /// Starts a child, on this thread.
    ///
    /// # Errors
    /// Before it starts anything: returns
    /// [`ErrorKind::NoRunningLoop`](crate::ErrorKind::NoRunningLoop) if there is no loop,
    /// [`ErrorKind::WatcherInactive`](crate::ErrorKind::WatcherInactive) if the watcher can't wait,
    /// [`ErrorKind::LimitReached`](crate::ErrorKind::LimitReached) at the limit of
    /// [`set_max_children`](crate::process::set_max_children), and
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the options are invalid.
    /// Returns [`ErrorKind::Io`](crate::ErrorKind::Io) if the program can't be executed, or if the
    /// watcher has no descriptor and no thread left to wait with: then the child is killed and
    /// reaped.
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
        self.check()?;
        launch::here(&self.setup, launch::prepare()?)
    }

    /// Like [`spawn`](Self::spawn), but on another thread: the loop keeps running meanwhile.
    ///
    /// # Errors
    /// Returns the errors of [`spawn`](Self::spawn).
    ///
    /// ```
    /// use policy::process::Command;
    ///
    /// let child = policy::run(async { Command::new("true").start().await })?;
    /// assert!(child.id() > 0);
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn start(&mut self) -> Starting {
        Starting::new(self.launch_elsewhere(Defaults::Inherit))
    }

    /// Starts a child, with this process's standard streams unless they were set, and waits until
    /// it has exited.
    ///
    /// Nothing happens before the future is polled. Dropping it drops the child: see
    /// [`kill_on_drop`](Self::kill_on_drop).
    ///
    /// # Errors
    /// Returns the errors of [`spawn`](Self::spawn) and [`Child::wait`], and
    /// [`ErrorKind::TimedOut`](crate::ErrorKind::TimedOut) if the child reached its
    /// [`timeout`](Self::timeout) and was killed.
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
        let starting = self.launch_elsewhere(Defaults::Collect);
        async move { starting.await?.wait_with_output().await }
    }

    /// Starts a child as the command says now, whatever becomes of it.
    fn launch_elsewhere(
        &self,
        defaults: Defaults,
    ) -> impl Future<Output = Result<Child, Error>> + Send + 'static + use<> {
        let (checked, setup) = (self.check(), self.setup.clone());
        async move {
            checked?;
            let ready = launch::prepare()?;
            launch::elsewhere(setup, defaults, ready).await
        }
    }
}

/// A child on its way from the thread that started it to whoever asked for it.
pub(super) struct Unclaimed(Option<Child>);

impl Unclaimed {
    pub(super) fn new(child: Child) -> Self {
        Self(Some(child))
    }

    pub(super) fn claim(mut self) -> Result<Child, Error> {
        self.0.take().ok_or_else(|| ErrorKind::StatusLost.into())
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let Some(child) = self.0.take() {
            child.destroy();
        }
    }
}
