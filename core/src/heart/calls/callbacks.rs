//! The calls that schedule callbacks: soon, later, at a time.

use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::heart::{self, Handle, TimerHandle};
use crate::{Error, ErrorKind, EventLoop, context};

/// Callbacks.
///
/// They are called in the order in which they were given, those of equal time, too
/// (asyncio leaves that open); one after the other, on the thread that drives the
/// loop; with the loop as the running one, and outside of any task. They wait while
/// nobody drives the loop. A loop that drives itself calls them then on threads of
/// its own, still one after the other.
///
/// They run in *batches*: what was there when the batch began. What a callback adds
/// comes in the next batch, after I/O and tasks had their turn, so that a callback
/// that adds another for ever starves nobody. A batch begins before each poll of the
/// future that the loop is run for; what that future added before it was done is
/// still called before the run returns.
///
/// A callback that panics harms nobody: see
/// [`set_exception_handler`](#method.set_exception_handler). asyncio's `context=`
/// and its context variables have no counterpart: a closure captures what it needs.
impl dyn EventLoop {
    /// Schedules `callback` to run once, in the loop's next batch (asyncio's `call_soon`).
    ///
    /// May be called from any thread, and wakes a sleeping loop, so it is the same as
    /// [`call_soon_threadsafe`](#method.call_soon_threadsafe). Only in debug mode does it differ:
    /// it logs a call from another thread than the loop's.
    ///
    /// On a closed loop the callback is dropped, and the handle reports that it was cancelled;
    /// [`try_call_soon`](#method.try_call_soon) returns the reason.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let stopper = event_loop.clone();
    /// event_loop.call_soon(|| println!("first"));
    /// event_loop.call_soon(|| println!("second"));
    /// event_loop.call_soon(move || stopper.stop());
    /// event_loop.run_forever()?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn call_soon<F>(self: &Arc<Self>, callback: F) -> Handle
    where
        F: FnOnce() + Send + 'static,
    {
        let location = Location::caller();
        self.warn_wrong_thread("call_soon", location);
        self.soon(callback, location).0
    }

    /// Like [`call_soon`](#method.call_soon), but returns an error if the loop does not take the
    /// callback.
    ///
    /// # Errors
    /// Returns [`ErrorKind::LoopClosed`] if the loop was closed, [`ErrorKind::Forked`] in a child
    /// of `fork`, and, in debug mode, [`ErrorKind::WrongThread`] if the loop runs on another
    /// thread.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// event_loop.close()?;
    /// let error = event_loop.try_call_soon(|| ()).unwrap_err();
    /// assert_eq!(error.kind(), policy_core::ErrorKind::LoopClosed);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn try_call_soon<F>(self: &Arc<Self>, callback: F) -> Result<Handle, Error>
    where
        F: FnOnce() + Send + 'static,
    {
        self.check_thread("call_soon")?;
        let (handle, added) = self.soon(callback, Location::caller());
        added.map(|()| handle)
    }

    /// Schedules `callback` to run in the loop's next batch, from any thread (asyncio's
    /// `call_soon_threadsafe`), and wakes a sleeping loop. The callbacks of one thread run in the
    /// order of its calls.
    ///
    /// On a closed loop it behaves like [`call_soon`](#method.call_soon).
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let stopper = event_loop.clone();
    /// std::thread::spawn(move || {
    ///     let inner = stopper.clone();
    ///     stopper.call_soon_threadsafe(move || inner.stop());
    /// });
    /// event_loop.run_forever()?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn call_soon_threadsafe<F>(self: &Arc<Self>, callback: F) -> Handle
    where
        F: FnOnce() + Send + 'static,
    {
        self.soon(callback, Location::caller()).0
    }

    /// Like [`call_soon_threadsafe`](#method.call_soon_threadsafe), but returns an error if the
    /// loop does not take the callback.
    ///
    /// # Errors
    /// Returns [`ErrorKind::LoopClosed`] if the loop was closed, and [`ErrorKind::Forked`] in a
    /// child of `fork`.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let handle = event_loop.try_call_soon_threadsafe(|| println!("hello"))?;
    /// # drop(handle);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn try_call_soon_threadsafe<F>(self: &Arc<Self>, callback: F) -> Result<Handle, Error>
    where
        F: FnOnce() + Send + 'static,
    {
        let (handle, added) = self.soon(callback, Location::caller());
        added.map(|()| handle)
    }

    /// Schedules `callback` to run when `delay` has passed on the loop's clock,
    /// [`time`](#method.time) (asyncio's `call_later`). It runs after callbacks scheduled by
    /// [`call_soon`](#method.call_soon), even if `delay` is zero.
    ///
    /// On a closed loop, or a loop without timers, the callback is dropped, and the handle reports
    /// that it was cancelled; [`try_call_later`](#method.try_call_later) returns the reason.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// use std::time::Duration;
    ///
    /// let stopper = event_loop.clone();
    /// event_loop.call_later(Duration::from_millis(5), move || stopper.stop());
    /// event_loop.run_forever()?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn call_later<F>(self: &Arc<Self>, delay: Duration, callback: F) -> TimerHandle
    where
        F: FnOnce() + Send + 'static,
    {
        let location = Location::caller();
        self.warn_wrong_thread("call_later", location);
        self.timed(self.after(delay), callback, location).0
    }

    /// Like [`call_later`](#method.call_later), but returns an error if the loop does not take the
    /// callback.
    ///
    /// # Errors
    /// Returns [`ErrorKind::LoopClosed`] if the loop was closed, [`ErrorKind::Forked`] in a child
    /// of `fork`, the error of the loop's timers, such as [`ErrorKind::Unsupported`], and, in debug
    /// mode, [`ErrorKind::WrongThread`] if the loop runs on another thread.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// use std::time::Duration;
    ///
    /// let handle = event_loop.try_call_later(Duration::from_secs(60), || ())?;
    /// handle.cancel();
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn try_call_later<F>(
        self: &Arc<Self>,
        delay: Duration,
        callback: F,
    ) -> Result<TimerHandle, Error>
    where
        F: FnOnce() + Send + 'static,
    {
        self.check_thread("call_later")?;
        let (handle, added) = self.timed(self.after(delay), callback, Location::caller());
        added.map(|()| handle)
    }

    /// Schedules `callback` to run when the loop's [`time`](#method.time) is `when` (asyncio's
    /// `call_at`). Otherwise like [`call_later`](#method.call_later).
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// use std::time::Duration;
    ///
    /// let when = event_loop.time() + Duration::from_millis(5);
    /// event_loop.call_at(when, || println!("first"));
    /// let stopper = event_loop.clone();
    /// event_loop.call_at(when, move || stopper.stop()); // second
    /// event_loop.run_forever()?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn call_at<F>(self: &Arc<Self>, when: impl Into<Instant>, callback: F) -> TimerHandle
    where
        F: FnOnce() + Send + 'static,
    {
        let location = Location::caller();
        self.warn_wrong_thread("call_at", location);
        self.timed(when.into(), callback, location).0
    }

    /// Like [`call_at`](#method.call_at), but returns an error if the loop does not take the
    /// callback.
    ///
    /// # Errors
    /// Returns the errors of [`try_call_later`](#method.try_call_later).
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let handle = event_loop.try_call_at(event_loop.time(), || ())?;
    /// # drop(handle);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn try_call_at<F>(
        self: &Arc<Self>,
        when: impl Into<Instant>,
        callback: F,
    ) -> Result<TimerHandle, Error>
    where
        F: FnOnce() + Send + 'static,
    {
        self.check_thread("call_at")?;
        let (handle, added) = self.timed(when.into(), callback, Location::caller());
        added.map(|()| handle)
    }

    fn soon<F>(
        self: &Arc<Self>,
        callback: F,
        location: &'static Location<'static>,
    ) -> (Handle, Result<(), Error>)
    where
        F: FnOnce() + Send + 'static,
    {
        let (entry, handle) = heart::new(callback, location);
        let added = self.state().check_open().and_then(|()| {
            let added = self.state().ready().call(entry);
            let pump = added.map_err(|_closed| ErrorKind::LoopClosed)?;
            heart::start(self, pump);
            Ok(())
        });
        if added.is_err() {
            handle.cancel();
        }
        (handle, added)
    }

    fn timed<F>(
        self: &Arc<Self>,
        when: Instant,
        callback: F,
        location: &'static Location<'static>,
    ) -> (TimerHandle, Result<(), Error>)
    where
        F: FnOnce() + Send + 'static,
    {
        let ready = self.state().ready();
        let (entry, handle) = heart::new(callback, location);
        let added = self.state().check_open().and_then(|()| {
            ready.is_at_home(self);
            ready.check_timers(when)?;
            ready.call_at(when, entry).ok_or_else(|| ErrorKind::LoopClosed.into())
        });
        let handle = match &added {
            Ok(key) => TimerHandle::new(handle, when, Some((Arc::downgrade(ready), *key))),
            Err(_) => {
                handle.cancel();
                TimerHandle::new(handle, when, None)
            }
        };
        (handle, added.map(drop))
    }

    fn after(&self, delay: Duration) -> Instant {
        let now = self.time();
        // What no clock can hold is for ever: 30 years.
        let far = || now.checked_add(Duration::from_secs(86_400 * 365 * 30)).unwrap_or(now);
        now.checked_add(delay).unwrap_or_else(far)
    }

    fn warn_wrong_thread(self: &Arc<Self>, call: &str, location: &Location<'_>) {
        if let Err(error) = self.check_thread(call) {
            log::warn!("{error}; called at {location}");
        }
    }

    /// In debug mode: checks that the loop runs on this thread, if it runs. One that
    /// drives itself runs on many.
    fn check_thread(self: &Arc<Self>, call: &str) -> Result<(), Error> {
        if !self.get_debug() || !self.is_running() || self.is_self_driving() {
            return Ok(());
        }
        let id = self.state().id();
        if context::with_running(|running| running.state().id() == id) == Some(true) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::WrongThread,
            format!(
                "`{call}` of event loop {} on a thread that does not run it; use `call_soon_threadsafe`",
                self.name()
            ),
        ))
    }
}
