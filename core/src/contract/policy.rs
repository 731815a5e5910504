//! The contract of every policy.

use std::sync::Arc;

use crate::{ChildWatcher, Error, ErrorKind, EventLoop};

/// Decides which event loop a context gets, and how the process waits for children.
///
/// asyncio's `AbstractEventLoopPolicy`. Every method has a default: it forwards to
/// [`base`](Self::base), and without a base it returns [`ErrorKind::NotImplemented`]. To write a
/// policy, wrap another one, return it from `base`, and override what should differ. If you
/// override [`new_event_loop`](Self::new_event_loop) alone,
/// [`get_event_loop`](Self::get_event_loop) creates your loops.
///
/// ```
/// use std::sync::Arc;
/// use policy_core::{Error, ErrorKind, EventLoop, EventLoopPolicy};
///
/// struct Nothing;
/// impl EventLoopPolicy for Nothing {}
///
/// let Err(error) = Nothing.new_event_loop() else { unreachable!() };
/// assert_eq!(error.kind(), ErrorKind::NotImplemented);
/// ```
pub trait EventLoopPolicy: Send + Sync + 'static {
    /// Returns the policy that this one builds on.
    fn base(&self) -> Option<&dyn EventLoopPolicy> {
        None
    }

    /// Returns the event loop of the current context; creates it first if the policy does so there.
    ///
    /// This default calls [`current`](Self::current), [`new_event_loop`](Self::new_event_loop) and
    /// [`set_event_loop`](Self::set_event_loop), in that order.
    ///
    /// # Errors
    /// Returns [`ErrorKind::NoCurrentLoop`] if the policy creates no loop here, or the error of one
    /// of the three calls.
    fn get_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
        match self.current()? {
            CurrentLoop::Set(event_loop) => Ok(event_loop),
            CurrentLoop::Refused(error) => Err(error),
            CurrentLoop::Vacant => self.create_exclusively(&mut || match self.current()? {
                CurrentLoop::Set(made_meanwhile) => Ok(made_meanwhile),
                CurrentLoop::Refused(error) => Err(error),
                CurrentLoop::Vacant => {
                    let event_loop = self.new_event_loop()?;
                    self.set_event_loop(Some(event_loop.clone()))?;
                    Ok(event_loop)
                }
            }),
        }
    }

    /// Sets the event loop of the current context, or clears it. After that, the policy does not
    /// create one there by itself any more.
    ///
    /// # Errors
    /// Returns [`ErrorKind::LoopClosed`] for a closed loop, and changes nothing.
    fn set_event_loop(&self, event_loop: Option<Arc<dyn EventLoop>>) -> Result<(), Error> {
        self.base().ok_or_else(not_implemented)?.set_event_loop(event_loop)
    }

    /// Creates an event loop. Does not set it.
    ///
    /// # Errors
    /// Returns an error if the executor can't be started.
    fn new_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
        self.base().ok_or_else(not_implemented)?.new_event_loop()
    }

    /// Returns what the policy knows of the current context; does not create a loop.
    ///
    /// # Errors
    /// Returns [`ErrorKind::NotImplemented`] if the policy has no base, and no other error.
    fn current(&self) -> Result<CurrentLoop, Error> {
        self.base().ok_or_else(not_implemented)?.current()
    }

    /// Calls `create`. Where threads share a context, calls it on one thread at a time, so that the
    /// first creates the loop and the others find it.
    ///
    /// # Errors
    /// Returns the error of `create`.
    fn create_exclusively(
        &self,
        create: &mut dyn FnMut() -> Result<Arc<dyn EventLoop>, Error>,
    ) -> Result<Arc<dyn EventLoop>, Error> {
        match self.base() {
            Some(base) => base.create_exclusively(create),
            None => create(),
        }
    }

    /// Returns a loop that runs by itself, on its own threads, if the policy's loops do: code
    /// outside any loop may spawn there. Always returns the same loop, while it is open.
    ///
    /// # Errors
    /// Returns an error if that loop can't be created.
    fn background_loop(&self) -> Result<Option<Arc<dyn EventLoop>>, Error> {
        self.base().map_or(Ok(None), EventLoopPolicy::background_loop)
    }

    /// Returns the child watcher: the one that was set, else the default, which is created once.
    ///
    /// # Errors
    /// Returns [`ErrorKind::NoChildWatcher`] if none was set and [there is no
    /// default](crate::provide_child_watcher).
    fn get_child_watcher(&self) -> Result<Arc<dyn ChildWatcher>, Error> {
        self.base().ok_or_else(not_implemented)?.get_child_watcher()
    }

    /// Sets the child watcher, and closes the previous one; `None` restores the default.
    ///
    /// # Errors
    /// Returns [`ErrorKind::NotImplemented`] if the policy has no base.
    fn set_child_watcher(&self, watcher: Option<Arc<dyn ChildWatcher>>) -> Result<(), Error> {
        self.base().ok_or_else(not_implemented)?.set_child_watcher(watcher)
    }
}

fn not_implemented() -> Error {
    ErrorKind::NotImplemented.into()
}

/// What a policy knows of the current context.
///
/// ```
/// use policy_core::{Context, ContextPolicy, CurrentLoop, Error, EventLoop, EventLoopPolicy};
/// use std::sync::Arc;
///
/// let none = || -> Result<Arc<dyn EventLoop>, Error> { unreachable!() };
/// let policy = ContextPolicy::new(none, Context::process());
/// assert!(matches!(policy.current()?, CurrentLoop::Vacant));
/// policy.set_event_loop(None)?;
/// assert!(matches!(policy.current()?, CurrentLoop::Refused(_)));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum CurrentLoop {
    /// The context has this loop.
    Set(Arc<dyn EventLoop>),
    /// The context has no loop, and the policy may create one.
    Vacant,
    /// The context has no loop, and the policy does not create one here: the error says why.
    Refused(Error),
}

/// The argument of [`set_event_loop_policy`](../policy/fn.set_event_loop_policy.html): a policy, a
/// shared policy, or `None` for the default.
///
/// ```
/// use policy_core::{EventLoopPolicy, IntoPolicy};
///
/// struct Mine;
/// impl EventLoopPolicy for Mine {}
///
/// assert!(Mine.into_policy().is_some());
/// assert!(None.into_policy().is_none());
/// ```
pub trait IntoPolicy {
    /// Converts; `None` stands for the default policy.
    fn into_policy(self) -> Option<Arc<dyn EventLoopPolicy>>;
}

impl<P: EventLoopPolicy> IntoPolicy for P {
    fn into_policy(self) -> Option<Arc<dyn EventLoopPolicy>> {
        Some(Arc::new(self))
    }
}

impl IntoPolicy for Arc<dyn EventLoopPolicy> {
    fn into_policy(self) -> Option<Arc<dyn EventLoopPolicy>> {
        Some(self)
    }
}

impl IntoPolicy for Option<Arc<dyn EventLoopPolicy>> {
    fn into_policy(self) -> Option<Arc<dyn EventLoopPolicy>> {
        self
    }
}
