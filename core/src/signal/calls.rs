//! Signal callbacks: the methods of `dyn EventLoop` that use `crate::signal`.

use std::sync::Arc;

use super::SignalKind;
use crate::{Error, EventLoop};

/// Signals of the process.
impl dyn EventLoop {
    /// Calls `callback` on this loop whenever the process receives the signal (asyncio's
    /// `add_signal_handler`): once for each time that it arrived, from a task of the loop, and so
    /// while the loop runs. Replaces this loop's previous callback for the signal.
    ///
    /// May be called on any thread: asyncio allows only the main thread's loop to handle signals,
    /// and there is no reason for that here. Several loops may each have a callback for one signal,
    /// and a handler that was installed before is called too. A panic goes to the loop's exception
    /// handler, and the next signal calls the callback again. The callback is removed when the loop
    /// closes.
    ///
    /// # Errors
    /// Returns [`ErrorKind::LoopClosed`](crate::ErrorKind::LoopClosed) if the loop was closed;
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the number is no signal;
    /// [`ErrorKind::UncatchableSignal`](crate::ErrorKind::UncatchableSignal) for SIGKILL, SIGSTOP
    /// and the signals that report faults; [`ErrorKind::Io`](crate::ErrorKind::Io) if no
    /// descriptors are left; [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) on Windows.
    /// An error changes nothing.
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

    /// Removes this loop's callback for a signal. It is not called any more, not even for signals
    /// that have already arrived. Returns false if there is none.
    ///
    /// When the last listener on any loop is removed, the previous handler is restored (asyncio
    /// restores the default).
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
