//! The calls that show what goes wrong: the exception handler, and debug mode.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::{EventLoop, ExceptionContext, ExceptionHandler, sync};

/// Failures that nobody waits for, and debug mode.
impl dyn EventLoop {
    /// Sets the handler for failures that no code waits for; `None` restores the default, which
    /// logs an error (crate `log`).
    ///
    /// The loop calls it for a callback that panics, for a task or a blocking job that panicked and
    /// whose handle was dropped without being awaited (asyncio: "Task exception was never
    /// retrieved"), and for every [`call_exception_handler`](#method.call_exception_handler).
    ///
    /// The handler is called on the thread that finds the failure, which may be any; the loop may
    /// be closed by then. If the handler itself panics, both failures are logged and nothing else
    /// happens. May be set from any thread.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// use std::sync::Arc;
    ///
    /// event_loop.set_exception_handler(Some(Arc::new(|event_loop, context| {
    ///     eprintln!("{}: {context}", event_loop.name());
    ///     event_loop.stop();
    /// })));
    /// event_loop.call_soon(|| panic!("no luck"));
    /// event_loop.run_forever()?; // the handler stops it
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_exception_handler(&self, handler: Option<ExceptionHandler>) {
        drop(self.state().handlers().replace(handler));
    }

    /// Returns the handler that was set, if any.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) {
    /// assert!(event_loop.get_exception_handler().is_none());
    /// # }
    /// ```
    pub fn get_exception_handler(&self) -> Option<ExceptionHandler> {
        self.state().handlers().get()
    }

    /// Calls the exception handler with a failure; calls the default one if none was set.
    ///
    /// May be called from any thread, also on a closed loop. Never panics.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) {
    /// use policy_core::ExceptionContext;
    ///
    /// let error = std::io::Error::other("bad magic");
    /// event_loop.call_exception_handler(&ExceptionContext::new("the cache is broken").with_error(error));
    /// # }
    /// ```
    pub fn call_exception_handler(self: &Arc<Self>, context: &ExceptionContext) {
        let Some(handler) = self.get_exception_handler() else {
            return self.default_exception_handler(context);
        };
        let called = catch_unwind(AssertUnwindSafe(|| handler(self, context)));
        if let Err(payload) = called {
            let unhandled =
                ExceptionContext::new("panic in the exception handler").with_panic(payload);
            self.default_exception_handler(&unhandled);
            self.default_exception_handler(context);
            // Its payload may panic when it is dropped.
            sync::quietly(|| drop(unhandled));
        }
        // It may be the last to hold it.
        sync::quietly(|| drop(handler));
    }

    /// Logs a failure, as the exception handler does if none was set. A handler may call it for
    /// failures that it does not handle.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) {
    /// use std::sync::Arc;
    ///
    /// event_loop.set_exception_handler(Some(Arc::new(|event_loop, context| {
    ///     match context.error() {
    ///         Some(error) => eprintln!("{error}"),
    ///         None => event_loop.default_exception_handler(context),
    ///     }
    /// })));
    /// # }
    /// ```
    pub fn default_exception_handler(&self, context: &ExceptionContext) {
        // A logger, and the message of an error, are foreign code.
        sync::quietly(|| log::error!("event loop {}: {context}", self.name()));
    }

    /// Returns true if the loop is in debug mode.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// event_loop.set_debug(true);
    /// assert!(event_loop.get_debug());
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_debug(&self) -> bool {
        self.state().ready().is_debug()
    }

    /// Turns debug mode on or off, from any thread.
    ///
    /// In debug mode the loop logs (crate `log`) what holds it up: callbacks, polls of the future
    /// that the loop runs, and polls of tasks that were spawned in debug mode, if they take longer
    /// than [`slow_callback_duration`](#method.slow_callback_duration), each with the line that
    /// scheduled it. It also checks calls that belong on the loop's thread: see
    /// [`call_soon`](#method.call_soon).
    ///
    /// A new loop is in debug mode if the environment variable `EVENT_LOOP_DEBUG` is set, and is
    /// neither empty nor `0`.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// event_loop.set_debug(cfg!(debug_assertions));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_debug(&self, debug: bool) {
        self.state().ready().set_debug(debug);
    }

    /// Returns how long a callback or a poll may take before debug mode reports it: 100 ms by
    /// default.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) {
    /// assert_eq!(event_loop.slow_callback_duration().as_millis(), 100);
    /// # }
    /// ```
    pub fn slow_callback_duration(&self) -> Duration {
        self.state().ready().slow().get()
    }

    /// Sets how long a callback or a poll may take before debug mode reports it, from
    /// any thread.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) {
    /// event_loop.set_slow_callback_duration(std::time::Duration::from_millis(10));
    /// # }
    /// ```
    pub fn set_slow_callback_duration(&self, duration: Duration) {
        self.state().ready().slow().set(duration);
    }
}
