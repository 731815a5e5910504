//! What a user calls to learn what goes wrong: the exception handler, and debug mode.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::EventLoop;
use crate::{ExceptionContext, ExceptionHandler, task};

/// Failures that nobody waits for, and debug mode.
impl dyn EventLoop {
    /// Sets what is called about failures that nobody waits for; `None` restores the
    /// default, which writes an error into the log (crate `log`).
    ///
    /// That is: a callback that panics; a task or a blocking job that panicked and
    /// whose handle was dropped without being awaited (asyncio: "Task exception was
    /// never retrieved"); and what is given to
    /// [`call_exception_handler`](#method.call_exception_handler).
    ///
    /// The handler is called on the thread where the failure is found, which may be
    /// any; the loop may be closed by then. One that panics harms nobody: the log
    /// tells of both failures. May be set from any thread.
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

    /// Returns the handler that was set, if one was.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) {
    /// assert!(event_loop.get_exception_handler().is_none());
    /// # }
    /// ```
    pub fn get_exception_handler(&self) -> Option<ExceptionHandler> {
        self.state().handlers().get()
    }

    /// Calls the exception handler about a failure; the default one if none was set.
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
            task::quietly(|| drop(unhandled));
        }
        // It may be the last to hold it.
        task::quietly(|| drop(handler));
    }

    /// Writes a failure into the log: what the exception handler does if none was set.
    /// A handler may call it for what it does not know.
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
        task::quietly(|| log::error!("event loop {}: {context}", self.name()));
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
    /// In debug mode the log (crate `log`) names what holds the loop up: callbacks,
    /// polls of the future that the loop is run for, and polls of tasks that were
    /// spawned in debug mode, if they take longer than
    /// [`slow_callback_duration`](#method.slow_callback_duration); each with the line
    /// where it was scheduled. And calls that belong on the loop's thread are checked:
    /// see [`call_soon`](#method.call_soon).
    ///
    /// A loop starts in debug mode if the environment variable `EVENT_LOOP_DEBUG` is
    /// set, and neither empty nor `0`, when it is made.
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

    /// Returns how long a callback or a poll may take before debug mode reports it:
    /// 100 ms unless it was set.
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
