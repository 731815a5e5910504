//! Callbacks for signals: the methods of `dyn EventLoop` around `crate::signal`.

use std::sync::Arc;

use super::EventLoop;
use crate::Error;
use crate::signal::SignalKind;

/// Signals of the process.
impl dyn EventLoop {
    /// Calls `callback` on this loop whenever the process gets a signal (asyncio's
    /// `add_signal_handler`): once for each time that it came, from a task of the loop,
    /// and so while the loop runs. A callback that is there for this signal is
    /// replaced.
    ///
    /// May be called on any thread: asyncio's rule that only the main thread's loop has
    /// signals has no reason here. Several loops may each have a callback for one
    /// signal, and a handler that was there before is called too. A panic goes to the
    /// loop's exception handler, and the next signal calls the callback again. The
    /// callback goes with the loop.
    ///
    /// # Errors
    /// [`ErrorKind::LoopClosed`](crate::ErrorKind::LoopClosed);
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for what is no
    /// signal;
    /// [`ErrorKind::UncatchableSignal`](crate::ErrorKind::UncatchableSignal) for
    /// SIGKILL, SIGSTOP and those by which the system tells of faults;
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if no descriptors are left;
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) on Windows. Nothing
    /// is changed then.
    ///
    /// ```
    /// # #[cfg(unix)]
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// use policy_core::signal::SignalKind;
    ///
    /// let stopper = event_loop.clone();
    /// event_loop.add_signal_handler(SignalKind::terminate(), move || stopper.stop())?;
    /// event_loop.run_forever()?;
    /// event_loop.remove_signal_handler(SignalKind::terminate());
    /// # Ok(())
    /// # }
    /// ```
    pub fn add_signal_handler(
        self: &Arc<Self>,
        signal: impl Into<SignalKind>,
        callback: impl FnMut() + Send + 'static,
    ) -> Result<(), Error> {
        #[cfg(unix)]
        return crate::signal::add(self, signal.into(), callback);
        #[cfg(not(unix))]
        {
            drop((signal, callback));
            self.state().check_open()?;
            Err(Error::new(
                crate::ErrorKind::Unsupported,
                "this system has no signals for event loops; use `policy::signal::ctrl_c`",
            ))
        }
    }

    /// Removes this loop's callback for a signal, at once: of signals that have come
    /// and were not told yet, none is. Returns false if there is none.
    ///
    /// With the last who listens, on any loop, the handler that was there before is
    /// put back (asyncio sets the default).
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// assert!(!event_loop.remove_signal_handler(15));
    /// # Ok(())
    /// # }
    /// ```
    pub fn remove_signal_handler(&self, signal: impl Into<SignalKind>) -> bool {
        #[cfg(unix)]
        return crate::signal::remove(self.state().id(), signal.into());
        #[cfg(not(unix))]
        {
            drop(signal);
            false
        }
    }
}
