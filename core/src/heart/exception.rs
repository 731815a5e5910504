//! Failures that no code waits for: which handler is called, and with what.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::sync::Mutex;
use crate::{EventLoop, Handle, task};

/// The handler that a loop calls for failures that no code waits for; see
/// [`set_exception_handler`](trait.EventLoop.html#method.set_exception_handler).
///
/// ```
/// use policy_core::ExceptionHandler;
/// use std::sync::Arc;
///
/// let handler: ExceptionHandler = Arc::new(|event_loop, context| {
///     eprintln!("{}: {context}", event_loop.name());
/// });
/// ```
pub type ExceptionHandler = Arc<dyn Fn(&Arc<dyn EventLoop>, &ExceptionContext) + Send + Sync>;

/// Describes a failure that no code waits for (asyncio's dictionary `context`).
///
/// ```
/// use policy_core::ExceptionContext;
///
/// let context = ExceptionContext::new("the cache is broken")
///     .with_error(std::io::Error::other("bad magic"));
/// assert_eq!(context.to_string(), "the cache is broken: bad magic");
/// ```
pub struct ExceptionContext {
    message: Cow<'static, str>,
    // In a mutex because a payload is `Send`, and handlers may be on any thread.
    panic: Option<Mutex<Box<dyn Any + Send>>>,
    panic_message: Option<String>,
    error: Option<Box<dyn std::error::Error + Send + Sync>>,
    task: Option<task::Id>,
    handle: Option<Handle>,
    location: Option<&'static Location<'static>>,
}

impl ExceptionContext {
    /// Makes a context with a message that says what happened.
    ///
    /// ```
    /// use policy_core::ExceptionContext;
    ///
    /// assert_eq!(ExceptionContext::new("no luck").message(), "no luck");
    /// ```
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: message.into(),
            panic: None,
            panic_message: None,
            error: None,
            task: None,
            handle: None,
            location: None,
        }
    }

    /// Adds the payload of a panic.
    ///
    /// ```
    /// use policy_core::ExceptionContext;
    ///
    /// let payload = std::panic::catch_unwind(|| panic!("bad luck")).unwrap_err();
    /// let context = ExceptionContext::new("panic in a plug-in").with_panic(payload);
    /// assert_eq!(context.panic_message(), Some("bad luck"));
    /// ```
    #[must_use]
    pub fn with_panic(mut self, payload: Box<dyn Any + Send>) -> Self {
        self.panic_message = message_of(&*payload).map(str::to_string);
        self.panic = Some(Mutex::new(payload));
        self
    }

    /// Adds an error.
    ///
    /// ```
    /// use policy_core::ExceptionContext;
    ///
    /// let error = std::io::Error::from(std::io::ErrorKind::NotFound);
    /// assert!(ExceptionContext::new("no configuration").with_error(error).error().is_some());
    /// ```
    #[must_use]
    pub fn with_error(
        mut self,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.error = Some(error.into());
        self
    }

    /// Adds the task that failed.
    ///
    /// ```
    /// use policy_core::{ExceptionContext, task};
    ///
    /// let (task, _handle) = task::new(async {});
    /// let context = ExceptionContext::new("too slow").with_task(task.id());
    /// assert_eq!(context.task(), Some(task.id()));
    /// ```
    #[must_use]
    pub fn with_task(mut self, task: task::Id) -> Self {
        self.task = Some(task);
        self
    }

    /// Adds the callback that failed.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) {
    /// use policy_core::ExceptionContext;
    ///
    /// let handle = event_loop.call_soon(|| ());
    /// let context = ExceptionContext::new("too slow").with_handle(handle);
    /// assert!(context.handle().is_some());
    /// # }
    /// ```
    #[must_use]
    pub fn with_handle(mut self, handle: Handle) -> Self {
        self.handle = Some(handle);
        self
    }

    /// Adds the source location of the failing task or callback.
    ///
    /// ```
    /// use policy_core::ExceptionContext;
    /// use std::panic::Location;
    ///
    /// let context = ExceptionContext::new("here").with_location(Location::caller());
    /// assert!(context.to_string().contains("scheduled at"));
    /// ```
    #[must_use]
    pub fn with_location(mut self, location: &'static Location<'static>) -> Self {
        self.location = Some(location);
        self
    }

    /// Returns the message that says what happened.
    ///
    /// ```
    /// use policy_core::ExceptionContext;
    ///
    /// assert_eq!(ExceptionContext::default().message(), "unhandled exception in the event loop");
    /// ```
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Calls `f` with the payload of the panic, if there is one.
    ///
    /// ```
    /// use policy_core::ExceptionContext;
    ///
    /// let payload = std::panic::catch_unwind(|| std::panic::panic_any(7)).unwrap_err();
    /// let context = ExceptionContext::new("a number").with_panic(payload);
    /// assert_eq!(context.with_panic_payload(|payload| payload.downcast_ref() == Some(&7)), Some(true));
    /// ```
    pub fn with_panic_payload<R>(&self, f: impl FnOnce(&(dyn Any + Send)) -> R) -> Option<R> {
        let panic = self.panic.as_ref()?;
        Some(f(&**panic.lock()))
    }

    /// Returns true if the failure is a panic.
    ///
    /// ```
    /// use policy_core::ExceptionContext;
    ///
    /// assert!(!ExceptionContext::default().is_panic());
    /// ```
    pub fn is_panic(&self) -> bool {
        self.panic.is_some()
    }

    /// Returns the message of the panic, if it has one.
    ///
    /// ```
    /// use policy_core::ExceptionContext;
    ///
    /// assert_eq!(ExceptionContext::default().panic_message(), None);
    /// ```
    pub fn panic_message(&self) -> Option<&str> {
        self.panic_message.as_deref()
    }

    /// Returns the error, if there is one.
    ///
    /// ```
    /// use policy_core::ExceptionContext;
    ///
    /// assert!(ExceptionContext::default().error().is_none());
    /// ```
    pub fn error(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.error.as_deref()
    }

    /// Returns the task that failed, if it is known.
    ///
    /// ```
    /// use policy_core::ExceptionContext;
    ///
    /// assert_eq!(ExceptionContext::default().task(), None);
    /// ```
    pub fn task(&self) -> Option<task::Id> {
        self.task
    }

    /// Returns the callback that failed, if it is known.
    ///
    /// ```
    /// use policy_core::ExceptionContext;
    ///
    /// assert!(ExceptionContext::default().handle().is_none());
    /// ```
    pub fn handle(&self) -> Option<&Handle> {
        self.handle.as_ref()
    }

    /// Returns where the callback was given to the loop.
    ///
    /// ```
    /// use policy_core::ExceptionContext;
    ///
    /// assert!(ExceptionContext::default().location().is_none());
    /// ```
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.location
    }
}

impl Default for ExceptionContext {
    fn default() -> Self {
        Self::new("unhandled exception in the event loop")
    }
}

impl fmt::Display for ExceptionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.is_panic() {
            write!(f, ": {}", self.panic_message().unwrap_or("a payload that is no string"))?;
        }
        if let Some(error) = &self.error {
            write!(f, ": {error}")?;
        }
        if let Some(task) = self.task {
            write!(f, "; task {task}")?;
        }
        if let Some(location) = self.location {
            write!(f, "; scheduled at {location}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ExceptionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExceptionContext")
            .field("message", &self.message)
            .field("panic", &self.panic_message)
            .field("error", &self.error)
            .field("task", &self.task)
            .field("handle", &self.handle)
            .finish()
    }
}

/// Returns what a panic said.
pub(crate) fn message_of(payload: &(dyn Any + Send)) -> Option<&str> {
    match payload.downcast_ref::<&'static str>() {
        Some(message) => Some(message),
        None => payload.downcast_ref::<String>().map(String::as_str),
    }
}

/// A loop's own handler, if it was given one.
#[derive(Default)]
pub(crate) struct Handlers(Mutex<Option<ExceptionHandler>>);

impl Handlers {
    /// Returns the one before, which is dropped outside the lock.
    pub(crate) fn replace(&self, handler: Option<ExceptionHandler>) -> Option<ExceptionHandler> {
        std::mem::replace(&mut *self.0.lock(), handler)
    }

    pub(crate) fn get(&self) -> Option<ExceptionHandler> {
        self.0.lock().clone()
    }
}
