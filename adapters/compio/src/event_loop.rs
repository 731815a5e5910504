//! The event loop on compio.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use compio_runtime::Runtime;
#[cfg(any(target_os = "linux", windows))]
use policy_core::Proactor;
#[cfg(unix)]
use policy_core::Source;
#[cfg(unix)]
use policy_core::os::OwnedIo;
use policy_core::{Error, ErrorKind, EventLoop, Job, LoopKind, LoopState, Selector, Timer};
use policy_poller::timers;

use crate::shared::Shared;
use crate::{Driver, drive, local};

/// The event loop on compio (asyncio's `ProactorEventLoop`): io_uring, IOCP, or polling where the
/// system has neither.
///
/// It stays on the thread that runs it first, which owns compio's runtime, until that thread ends:
/// run on another thread, it returns [`ErrorKind::WrongThread`]. You may make all other calls from
/// any thread. If you close or drop it on another thread, its tasks are dropped there and then;
/// compio's runtime, and tasks that were spawned with `spawn_local`, are dropped when their own
/// thread runs another such loop, or ends.
#[derive(Debug)]
pub struct ProactorEventLoop {
    state: LoopState,
    shared: Arc<Shared>,
    asked: Option<Driver>,
}

impl ProactorEventLoop {
    /// Makes a loop. It does not run yet, and no policy knows it.
    ///
    /// # Errors
    /// Returns no error today.
    ///
    /// ```
    /// let event_loop = policy_compio::ProactorEventLoop::new()?;
    /// assert_eq!(event_loop.name(), "compio");
    /// event_loop.close()?;
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    #[allow(clippy::new_ret_no_self, reason = "loops are shared: every call takes an `Arc`")]
    pub fn new() -> Result<Arc<dyn EventLoop>, Error> {
        Self::on(None)
    }

    /// Makes a loop that takes this driver, and no other.
    pub(crate) fn on(asked: Option<Driver>) -> Result<Arc<dyn EventLoop>, Error> {
        let name = match asked {
            None => "compio",
            Some(Driver::IoUring) => "compio:io_uring",
            Some(Driver::Polling) => "compio:polling",
            Some(Driver::Iocp) => "compio:iocp",
        };
        asked.map(Driver::check).transpose()?;
        let state = LoopState::new(name, LoopKind::Proactor);
        let shared = Arc::new(Shared::new(state.id()));
        Ok(Arc::new(Self { state, shared, asked }))
    }

    /// Returns the loop's driver; `None` before its first run, which starts it.
    ///
    /// ```
    /// use policy_compio::{Driver, ProactorEventLoop};
    ///
    /// let event_loop = ProactorEventLoop::new()?;
    /// event_loop.run_until_complete(async {})?;
    /// let proactor = event_loop.downcast_ref::<ProactorEventLoop>().expect("it is one");
    /// if proactor.driver() == Some(Driver::Polling) {
    ///     println!("io_uring is forbidden here");
    /// }
    /// event_loop.close()?;
    /// # Ok::<(), policy_core::Error>(())
    /// ```
    pub fn driver(&self) -> Option<Driver> {
        self.shared.driver()
    }

    #[cfg(any(target_os = "linux", windows))]
    pub(crate) fn asked(&self) -> Option<Driver> {
        self.asked
    }
}

impl EventLoop for ProactorEventLoop {
    fn state(&self) -> &LoopState {
        &self.state
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }

    fn drive(&self, main: Pin<&mut dyn Future<Output = ()>>) -> Result<(), Error> {
        refuse_nesting()?;
        local::drive(&self.shared, self.asked, |part, runtime| drive::run(part, runtime, main))
    }

    fn submit_blocking(&self, job: Job) -> Result<(), Error> {
        policy_blocking::submit(job)
    }

    fn timer(&self, deadline: Instant) -> Result<Timer, Error> {
        Ok(timers::at(self.shared.clone(), deadline))
    }

    #[cfg(unix)]
    fn as_selector(&self) -> Result<&dyn Selector, Error> {
        Ok(self)
    }

    /// IOCP completes and does not wait for readiness; async-io's reactor (AFD) does, for
    /// all loops, on a thread of its own.
    #[cfg(windows)]
    fn as_selector(&self) -> Result<&dyn Selector, Error> {
        policy_async_io::reactor::start()?;
        Ok(&policy_async_io::selector::AsyncIo)
    }

    #[cfg(any(target_os = "linux", windows))]
    fn as_proactor(&self) -> Result<&dyn Proactor, Error> {
        Ok(self)
    }

    #[cfg(unix)]
    fn become_guest(&self) -> Result<Option<OwnedIo>, Error> {
        local::become_guest(&self.shared, self.asked).map(Some)
    }

    #[cfg(unix)]
    fn own_timer(&self) -> Option<Instant> {
        local::own_timer(self.state.id())
    }

    fn shutdown(&self, _limit: Duration) {
        self.shared.close();
        // First: with the runtime go the tasks that stay on this thread.
        local::remove(self.state.id());
        self.state.cancel_tasks();
        self.shared.timers.close();
        #[cfg(unix)]
        self.shared.reactor.close();
    }
}

#[cfg(unix)]
impl Selector for ProactorEventLoop {
    fn register(&self, fd: Arc<OwnedIo>) -> Result<Box<dyn Source>, Error> {
        crate::selector::register(&self.shared, fd)
    }
}

/// Inside another runtime of compio's on this thread, both would stand still: the
/// inner one waits, and the outer one can't go on.
fn refuse_nesting() -> Result<(), Error> {
    match Runtime::try_with_current(|_| ()) {
        Err(_) => Ok(()),
        Ok(()) => Err(Error::new(
            ErrorKind::OtherLoopRunning,
            "a compio runtime is running on this thread; `.await` the future there, or run this loop on a thread of its own",
        )),
    }
}

impl Drop for ProactorEventLoop {
    fn drop(&mut self) {
        if self.state.is_forked() {
            // Of the parent's loop only memory is here.
            self.shared.forget();
        } else if self.state.close_on_drop() {
            self.shutdown(Duration::ZERO);
        }
    }
}
