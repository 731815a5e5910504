//! The one error of the contracts.

use std::borrow::Cow;
use std::fmt;
use std::io;

/// The error of a loop, a policy, a watcher or a child.
///
/// The type is opaque, so that it can carry more one day. Code decides by [`kind`](Self::kind);
/// people read the message, which ends in the remedy. A failure of the operating system stays an
/// [`io::Error`] and is the [`source`](std::error::Error::source).
///
/// ```
/// use policy_core::{Error, ErrorKind};
///
/// let error = Error::from(ErrorKind::NoRunningLoop);
/// assert_eq!(error.kind(), ErrorKind::NoRunningLoop);
/// assert!(error.to_string().contains("policy::run"));
/// ```
pub struct Error {
    // Boxed: errors are rare, and `Result<JoinHandle<T>, Error>` is on the hot path.
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The situation that an [`Error`] is about.
///
/// ```
/// use policy_core::{Error, ErrorKind};
///
/// fn advice(error: &Error) -> &str {
///     match error.kind() {
///         ErrorKind::LoopClosed => "make another loop",
///         ErrorKind::NoRunningLoop => "call it inside `policy::run`",
///         _ => "read the message",
///     }
/// }
/// assert_eq!(advice(&ErrorKind::LoopClosed.into()), "make another loop");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No event loop runs on this thread, and no other loop was found for it.
    NoRunningLoop,
    /// The policy has no loop for this context, and does not create one here.
    NoCurrentLoop,
    /// No policy is set and the feature `default-loop` is off.
    NoDefaultLoop,
    /// The loop was closed.
    LoopClosed,
    /// This loop is already running, on this thread or another.
    AlreadyRunning,
    /// Another loop runs on this thread.
    OtherLoopRunning,
    /// A running loop can't be closed.
    CloseWhileRunning,
    /// The loop was stopped before its main future completed.
    StoppedBeforeComplete,
    /// The runner was closed.
    RunnerClosed,
    /// The policy or the loop does not implement this part of the interface.
    NotImplemented,
    /// The loop can't do this, here or ever.
    Unsupported,
    /// The call must be made on another thread.
    WrongThread,
    /// The process was forked, and the loop stayed in the parent.
    Forked,
    /// No policy of this name is compiled in.
    UnknownPolicy,
    /// An argument is invalid.
    InvalidInput,
    /// The signal can't be caught.
    UncatchableSignal,
    /// Ctrl-C ended the run.
    Interrupted,
    /// The policy has no child watcher yet.
    NoChildWatcher,
    /// The child watcher is not ready for use.
    WatcherInactive,
    /// The child watcher was closed.
    WatcherClosed,
    /// The process is not a child of this one.
    NotOurChild,
    /// There is no such process.
    NoSuchProcess,
    /// The child has exited.
    ChildExited,
    /// The child has exited, and other code has taken its status.
    StatusLost,
    /// A limit that the caller set was reached.
    LimitReached,
    /// The loop's clock is not paused.
    NotPaused,
    /// The time limit has passed.
    TimedOut,
    /// A task that was waited for was cancelled, or has panicked; the source is its
    /// [`JoinError`](crate::task::JoinError).
    TaskFailed,
    /// The operating system refused: see [`io_error`](Error::io_error).
    Io,
}

impl ErrorKind {
    /// What a person is told when nothing more is known. Ends in the remedy.
    fn remedy(self) -> &'static str {
        match self {
            Self::NoRunningLoop => {
                "no event loop is running on this thread; call this inside `policy::run`, or pass the loop: `event_loop.spawn(…)`"
            }
            Self::NoCurrentLoop => {
                "there is no current event loop in this context; set one with `policy::set_event_loop`, or use `policy::run`"
            }
            Self::NoDefaultLoop => {
                "no policy is set and there is no default loop; turn on the feature `default-loop`, or call `policy::set_event_loop_policy`"
            }
            Self::LoopClosed => {
                "the event loop is closed; make another with `policy::new_event_loop`"
            }
            Self::AlreadyRunning => {
                "this event loop is already running; spawn the future on it instead: `event_loop.spawn(…)`"
            }
            Self::OtherLoopRunning => {
                "another event loop is running on this thread; `.await` the future there, or run this loop on a thread of its own"
            }
            Self::CloseWhileRunning => {
                "a running event loop can't be closed; call `stop` and close it when the run has returned"
            }
            Self::StoppedBeforeComplete => {
                "the event loop stopped before the future completed; call `stop` only when the result is no longer wanted"
            }
            Self::RunnerClosed => "the runner is closed; make another with `policy::Runner::new`",
            Self::NotImplemented => {
                "not implemented by this policy; override the method, or return a policy from `base`"
            }
            Self::Unsupported => {
                "this event loop can't do that; choose another loop with `policy::set_event_loop_policy`"
            }
            Self::WrongThread => {
                "this call belongs on the thread that runs the loop; send it there with `event_loop.spawn(…)`"
            }
            Self::Forked => {
                "the event loop belongs to the parent process; make a new one after `fork`"
            }
            Self::UnknownPolicy => {
                "no event loop policy has this name; turn on the feature of its adapter, or choose another name"
            }
            Self::InvalidInput => "an argument is invalid; see the documentation of the call",
            Self::UncatchableSignal => "the signal can't be caught; choose another",
            Self::Interrupted => {
                "interrupted by Ctrl-C; end the program, or say what SIGINT means: `policy::signal::ctrl_c`"
            }
            Self::NoChildWatcher => {
                "the policy has no child watcher; set one with `policy::set_child_watcher`"
            }
            Self::WatcherInactive => {
                "the child watcher is not active; attach it to a loop with `attach_loop`, or set another with `policy::set_child_watcher`"
            }
            Self::WatcherClosed => {
                "the child watcher is closed; set another with `policy::set_child_watcher`"
            }
            Self::NotOurChild => {
                "the process is not a child of this process; only its parent can wait for it"
            }
            Self::NoSuchProcess => "there is no such process; check the pid",
            Self::ChildExited => {
                "the child has already exited; ask `wait` for its status instead of sending a signal"
            }
            Self::StatusLost => {
                "the child has exited, but its status was taken by somebody else; find the call of `waitpid(-1)`, or the ignored SIGCHLD"
            }
            Self::LimitReached => "a limit is reached; wait for others to finish, or raise it",
            Self::NotPaused => {
                "the clock of this event loop is not paused; call `policy::time::pause` first"
            }
            Self::TimedOut => "the time allowed is over; allow more",
            Self::TaskFailed => "the task has no result; see the source of this error",
            Self::Io => "the operating system refused; see the source of this error",
        }
    }
}

impl Error {
    /// Makes an error of this kind; `message` is lower case and ends in the remedy.
    ///
    /// ```
    /// use policy_core::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::InvalidInput, "0 worker threads; ask for at least 1");
    /// assert_eq!(error.to_string(), "0 worker threads; ask for at least 1");
    /// ```
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { inner: Box::new(Inner { kind, message: message.into(), source: None }) }
    }

    /// Makes an error of kind [`ErrorKind::Io`]; `doing` says what was attempted.
    ///
    /// ```
    /// use policy_core::{Error, ErrorKind};
    ///
    /// let cause = std::io::Error::from(std::io::ErrorKind::NotFound);
    /// let error = Error::io("can't start `gti`; check the name and PATH", cause);
    /// assert_eq!(error.kind(), ErrorKind::Io);
    /// assert_eq!(error.io_kind(), Some(std::io::ErrorKind::NotFound));
    /// ```
    pub fn io(doing: impl Into<Cow<'static, str>>, source: io::Error) -> Self {
        Self::new(ErrorKind::Io, doing).with_source(source)
    }

    /// Adds the cause.
    ///
    /// ```
    /// use policy_core::{Error, ErrorKind};
    ///
    /// let cause = std::io::Error::from_raw_os_error(1);
    /// let error = Error::from(ErrorKind::Unsupported).with_source(cause);
    /// assert!(std::error::Error::source(&error).is_some());
    /// ```
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// Returns the kind of the error.
    ///
    /// ```
    /// use policy_core::{Error, ErrorKind};
    ///
    /// assert_eq!(Error::from(ErrorKind::LoopClosed).kind(), ErrorKind::LoopClosed);
    /// ```
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Returns the operating system's error, if that is the cause.
    ///
    /// ```
    /// use policy_core::Error;
    ///
    /// let error = Error::io("can't open the pidfd; use another watcher", std::io::Error::from_raw_os_error(24));
    /// assert_eq!(error.io_error().and_then(|e| e.raw_os_error()), Some(24));
    /// ```
    pub fn io_error(&self) -> Option<&io::Error> {
        self.inner.source.as_deref().and_then(|source| source.downcast_ref())
    }

    /// Returns the kind of [`io_error`](Self::io_error).
    ///
    /// ```
    /// use policy_core::{Error, ErrorKind};
    ///
    /// assert_eq!(Error::from(ErrorKind::LoopClosed).io_kind(), None);
    /// ```
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        self.io_error().map(io::Error::kind)
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind, kind.remedy())
    }
}

/// For `?`. An error of this crate that was inside comes out as it was.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        error.downcast().unwrap_or_else(|error| Self::from(ErrorKind::Io).with_source(error))
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = error.io_kind().unwrap_or(match error.kind() {
            ErrorKind::Unsupported | ErrorKind::NotImplemented => io::ErrorKind::Unsupported,
            ErrorKind::InvalidInput | ErrorKind::UnknownPolicy | ErrorKind::UncatchableSignal => {
                io::ErrorKind::InvalidInput
            }
            ErrorKind::TimedOut => io::ErrorKind::TimedOut,
            ErrorKind::NoSuchProcess | ErrorKind::NotOurChild => io::ErrorKind::NotFound,
            _ => io::ErrorKind::Other,
        });
        Self::new(kind, error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.inner.kind)
            .field("message", &self.inner.message)
            .field("source", &self.inner.source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.inner.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}
