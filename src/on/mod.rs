//! The ambient functions, on a given loop.

#[cfg(feature = "net")]
mod net;
#[cfg(feature = "process")]
mod process;

#[cfg(feature = "process")]
use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

use policy_core::{EventLoop, context};

#[cfg(feature = "process")]
use crate::process::Starting;
use crate::time::{self, Instant, Interval, Sleep, Timeout};
use crate::{Within, within};

/// More calls on a given loop, from a task of it or from anywhere else. (An extension trait,
/// because the contracts know nothing of sockets and processes.)
///
/// ```
/// use policy::prelude::*;
///
/// let event_loop = policy::new_event_loop()?;
/// let child = event_loop.run_until_complete(event_loop.subprocess_exec("true", ["ignored"]))??;
/// assert!(event_loop.run_until_complete(child.wait())??.success());
/// event_loop.close()?;
/// # Ok::<(), policy::Error>(())
/// ```
pub trait EventLoopExt: sealed::Sealed {
    /// Returns the twins of the ambient functions, for this loop.
    ///
    /// ```
    /// use policy::prelude::*;
    /// use std::time::Duration;
    ///
    /// let event_loop = policy::new_event_loop()?;
    /// let wait = event_loop.on().sleep(Duration::from_millis(1)); // no loop runs here
    /// event_loop.run_until_complete(wait)?;
    /// event_loop.close()?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    fn on(&self) -> On;

    /// Starts a program with arguments, with this process's standard streams (asyncio's
    /// `subprocess_exec`); see [`create_subprocess_exec`](crate::create_subprocess_exec). In place
    /// of asyncio's protocol and transport it returns a [`Child`](crate::process::Child), with streams.
    ///
    /// You may await the future anywhere; the child belongs to this loop. The future returns the
    /// errors of [`Command::spawn`](crate::process::Command::spawn), such as
    /// [`ErrorKind::LoopClosed`](crate::ErrorKind::LoopClosed). If you drop it before it is ready,
    /// no child remains.
    ///
    /// ```
    /// use policy::prelude::*;
    ///
    /// let event_loop = policy::new_event_loop()?;
    /// // No loop runs on this thread: somebody else's `block_on` will do.
    /// let child = futures_lite::future::block_on(event_loop.subprocess_exec("true", [""; 0]))?;
    /// assert!(event_loop.run_until_complete(child.wait())??.success());
    /// event_loop.close()?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    #[cfg(feature = "process")]
    fn subprocess_exec(
        &self,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Within<Starting>;

    /// Runs a command line with the shell `/bin/sh` (asyncio's `subprocess_shell`); see
    /// [`create_subprocess_shell`](crate::create_subprocess_shell), and
    /// `policy::process::quote` for text that comes from elsewhere. Otherwise like
    /// [`subprocess_exec`](Self::subprocess_exec).
    ///
    /// ```
    /// use policy::prelude::*;
    ///
    /// let event_loop = policy::new_event_loop()?;
    /// let status = event_loop.run_until_complete(async {
    ///     event_loop.subprocess_shell("exit $((3 + 4))").await?.wait().await
    /// })??;
    /// assert_eq!(status.code(), Some(7));
    /// event_loop.close()?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    #[cfg(feature = "process")]
    fn subprocess_shell(&self, line: impl AsRef<OsStr>) -> Within<Starting>;
}

impl EventLoopExt for Arc<dyn EventLoop> {
    fn on(&self) -> On {
        On { event_loop: self.clone() }
    }

    #[cfg(feature = "process")]
    fn subprocess_exec(
        &self,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Within<Starting> {
        within(self.clone(), crate::process::create_subprocess_exec(program, args))
    }

    #[cfg(feature = "process")]
    fn subprocess_shell(&self, line: impl AsRef<OsStr>) -> Within<Starting> {
        within(self.clone(), crate::process::create_subprocess_shell(line))
    }
}

mod sealed {
    use super::{Arc, EventLoop};

    pub trait Sealed {}
    impl Sealed for Arc<dyn EventLoop> {}
}

/// The twins of the ambient functions, for one loop; see [`EventLoopExt::on`].
///
/// For a library that takes a loop as an argument, and does not use the thread's loop. You may
/// await the futures anywhere, also under another executor, while some thread runs the loop. It
/// keeps the loop open.
///
/// | ambient | on a given loop |
/// |---|---|
/// | `policy::spawn`, `spawn_local`, `spawn_blocking`, and their `try_` forms | methods of the loop itself |
/// | `time::sleep`, `sleep_until`, `timeout`, `timeout_at`, `interval`, `interval_at` | the same, here |
/// | `time::pause`, `resume`, `advance`, `Instant::now` | methods of the loop itself; its `time` |
/// | `TcpStream::connect`, `TcpListener::bind`, `UdpSocket::bind`, `lookup_host` | [`connect_tcp`](Self::connect_tcp), [`bind_tcp`](Self::bind_tcp), [`bind_udp`](Self::bind_udp), [`lookup_host`](Self::lookup_host) |
/// | `UnixStream::connect`, `UnixListener::bind`, `UnixDatagram::bind` | `connect_unix`, `bind_unix`, `bind_unix_datagram` |
/// | an existing socket: accepted, from a pair, or `from_std` | [`register`](Self::register) |
/// | `create_subprocess_exec`, `create_subprocess_shell` | `subprocess_exec`, `subprocess_shell` of [`EventLoopExt`] |
/// | `Command::start`, `Command::spawn` | [`start`](Self::start), [`spawn_child`](Self::spawn_child) |
/// | any other future: `fs::read`, `Command::output`, `io::copy` … | [`within`](Self::within) |
/// | any other call: foreign runtimes, callbacks | [`scope`](Self::scope) |
/// | `signal::signal`, `signal::ctrl_c` | the same: signals belong to the process, on any loop |
///
/// ```
/// use policy::prelude::*;
/// use std::time::Duration;
///
/// let event_loop = policy::new_event_loop()?;
/// let on = event_loop.on();
/// event_loop.run_until_complete(async {
///     let listener = on.bind_tcp("127.0.0.1:0").await?;
///     let stream = on.timeout(Duration::from_secs(5), on.connect_tcp(listener.local_addr()?));
///     drop(stream.await??);
///     std::io::Result::Ok(())
/// })??;
/// event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct On {
    event_loop: Arc<dyn EventLoop>,
}

impl On {
    /// Returns the loop.
    ///
    /// ```
    /// use policy::prelude::*;
    ///
    /// let event_loop = policy::new_event_loop()?;
    /// assert!(std::sync::Arc::ptr_eq(event_loop.on().get_loop(), &event_loop));
    /// event_loop.close()?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn get_loop(&self) -> &Arc<dyn EventLoop> {
        &self.event_loop
    }

    /// Calls `f` with the loop as the one that ambient calls use.
    ///
    /// ```
    /// use policy::prelude::*;
    ///
    /// let event_loop = policy::new_event_loop()?;
    /// let task = event_loop.on().scope(|| policy::spawn(async { 1 }));
    /// assert_eq!(event_loop.run_until_complete(task)?.unwrap(), 1);
    /// event_loop.close()?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn scope<R>(&self, f: impl FnOnce() -> R) -> R {
        let _entered = context::enter(self.event_loop.clone());
        f()
    }

    /// Runs `future` wherever you await it, with the loop as the running one; see
    /// [`within`](crate::within()).
    ///
    /// ```
    /// use policy::prelude::*;
    ///
    /// let event_loop = policy::new_event_loop()?;
    /// let text = event_loop.on().within(policy::fs::read_to_string("Cargo.toml"));
    /// assert!(event_loop.run_until_complete(text)?.is_ok());
    /// event_loop.close()?;
    /// # Ok::<(), policy::Error>(())
    /// ```
    pub fn within<F: IntoFuture>(&self, future: F) -> Within<F::IntoFuture> {
        within(self.event_loop.clone(), future.into_future())
    }

    /// Like [`time::sleep`](crate::time::sleep()), on the loop.
    ///
    /// ```
    /// # use policy::prelude::*;
    /// # use std::time::Duration;
    /// # async fn example(event_loop: &std::sync::Arc<dyn policy::EventLoop>) {
    /// event_loop.on().sleep(Duration::from_millis(1)).await;
    /// # }
    /// ```
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.scope(|| time::sleep(duration))
    }

    /// Like [`time::sleep_until`](crate::time::sleep_until), on the loop.
    ///
    /// ```
    /// # use policy::prelude::*;
    /// # async fn example(event_loop: &std::sync::Arc<dyn policy::EventLoop>) {
    /// let on = event_loop.on();
    /// on.sleep_until(event_loop.time() + std::time::Duration::from_millis(1)).await;
    /// # }
    /// ```
    pub fn sleep_until(&self, deadline: impl Into<Instant>) -> Sleep {
        self.scope(|| time::sleep_until(deadline))
    }

    /// Like [`time::timeout`](crate::time::timeout()): the timer is the loop's; the future may
    /// belong to any loop.
    ///
    /// ```
    /// # use policy::prelude::*;
    /// # async fn example(event_loop: &std::sync::Arc<dyn policy::EventLoop>) {
    /// let never = std::future::pending::<()>();
    /// let limit = std::time::Duration::from_millis(1);
    /// assert!(event_loop.on().timeout(limit, never).await.is_err());
    /// # }
    /// ```
    pub fn timeout<F: IntoFuture>(&self, duration: Duration, future: F) -> Timeout<F::IntoFuture> {
        self.scope(|| time::timeout(duration, future))
    }

    /// Like [`time::timeout_at`](crate::time::timeout_at); see [`timeout`](Self::timeout).
    pub fn timeout_at<F: IntoFuture>(
        &self,
        deadline: impl Into<Instant>,
        future: F,
    ) -> Timeout<F::IntoFuture> {
        self.scope(|| time::timeout_at(deadline, future))
    }

    /// Like [`time::interval`](crate::time::interval()), on the loop.
    ///
    /// # Panics
    /// Panics if `period` is zero.
    ///
    /// ```
    /// # use policy::prelude::*;
    /// # async fn example(event_loop: &std::sync::Arc<dyn policy::EventLoop>) {
    /// let mut ticks = event_loop.on().interval(std::time::Duration::from_secs(1));
    /// ticks.tick().await;
    /// # }
    /// ```
    #[track_caller]
    pub fn interval(&self, period: Duration) -> Interval {
        // Not in a closure: the panic names the caller.
        let _entered = context::enter(self.event_loop.clone());
        time::interval(period)
    }

    /// Like [`time::interval_at`](crate::time::interval_at), on the loop.
    ///
    /// # Panics
    /// Panics if `period` is zero.
    #[track_caller]
    pub fn interval_at(&self, start: impl Into<Instant>, period: Duration) -> Interval {
        let _entered = context::enter(self.event_loop.clone());
        time::interval_at(start, period)
    }
}
