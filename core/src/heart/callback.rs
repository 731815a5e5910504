//! A callback: called once, or cancelled.

use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::Ready;
use super::schedule::Key;
use crate::sync::{Mutex, quietly};
use crate::{EventLoop, ExceptionContext, surroundings};

/// A callback of any type, and what became of it. One allocation for everybody who
/// holds it.
pub(crate) type Entry = Arc<dyn Callback>;

pub(crate) trait Callback: Send + Sync {
    /// Calls the function, unless it was called or cancelled before.
    fn call(&self);

    /// Drops the function. Returns false if it was cancelled before.
    fn cancel(&self) -> bool;

    fn is_cancelled(&self) -> bool;

    fn location(&self) -> &'static Location<'static>;
}

struct Slot<F> {
    location: &'static Location<'static>,
    state: Mutex<State<F>>,
}

struct State<F> {
    /// `None` once it was called or cancelled.
    function: Option<F>,
    cancelled: bool,
}

/// Makes a callback, and its handle.
pub(crate) fn new<F>(function: F, location: &'static Location<'static>) -> (Entry, Handle)
where
    F: FnOnce() + Send + 'static,
{
    match surroundings::here() {
        None => slot(function, location),
        // Boxed, so that the compiler makes no second slot of each function's type.
        Some(_) => {
            let inside: Box<dyn FnOnce() + Send> = Box::new(surroundings::carried(function));
            slot(inside, location)
        }
    }
}

fn slot<F>(function: F, location: &'static Location<'static>) -> (Entry, Handle)
where
    F: FnOnce() + Send + 'static,
{
    let state = Mutex::new(State { function: Some(function), cancelled: false });
    let entry: Entry = Arc::new(Slot { location, state });
    (entry.clone(), Handle { entry })
}

impl<F> Slot<F> {
    /// Changes the state. What is returned is used and dropped outside the lock:
    /// functions and their destructors may do anything.
    fn change<R>(&self, change: impl FnOnce(&mut State<F>) -> R) -> R {
        change(&mut self.state.lock())
    }
}

impl<F: FnOnce() + Send> Callback for Slot<F> {
    fn call(&self) {
        if let Some(function) = self.change(|state| state.function.take()) {
            function();
        }
    }

    fn cancel(&self) -> bool {
        let (first, function) = self.change(|state| {
            (!std::mem::replace(&mut state.cancelled, true), state.function.take())
        });
        drop(function);
        first
    }

    fn is_cancelled(&self) -> bool {
        self.change(|state| state.cancelled)
    }

    fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

/// A callback that was given to a loop (asyncio's `Handle`).
///
/// Dropping it does not cancel the callback. It may be used on any thread, also after the loop is
/// gone.
///
/// ```
/// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
/// let handle = event_loop.call_soon(|| unreachable!("it was cancelled"));
/// handle.cancel();
/// assert!(handle.cancelled());
/// event_loop.run_until_complete(async {})?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Handle {
    entry: Entry,
}

impl Handle {
    fn of(entry: Entry) -> Self {
        Self { entry }
    }

    /// Drops the callback, unless it was called or is being called. Cancelling again does nothing.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let shared = std::sync::Arc::new(());
    /// let held = shared.clone();
    /// let handle = event_loop.call_soon(move || drop(held));
    /// handle.cancel();
    /// assert_eq!(std::sync::Arc::strong_count(&shared), 1); // dropped at once
    /// # Ok(())
    /// # }
    /// ```
    pub fn cancel(&self) {
        self.entry.cancel();
    }

    /// Returns true if [`cancel`](Self::cancel) was called, even too late, or if the loop was
    /// closed first.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let handle = event_loop.call_soon(|| ());
    /// event_loop.close()?;
    /// assert!(handle.cancelled());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.entry.is_cancelled()
    }

    /// Returns the source location where the callback was scheduled.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let handle = event_loop.call_soon(|| ());
    /// println!("scheduled at {}", handle.location()); // src/main.rs:4:25
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.entry.location()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("cancelled", &self.cancelled())
            .field("location", &format_args!("{}", self.location()))
            .finish()
    }
}

/// A callback that was scheduled for later (asyncio's `TimerHandle`): a [`Handle`] that knows its
/// time.
///
/// ```
/// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
/// use std::time::Duration;
///
/// let when = event_loop.time() + Duration::from_secs(60);
/// let handle = event_loop.call_at(when, || println!("a minute has passed"));
/// assert_eq!(handle.when(), when);
/// handle.cancel();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TimerHandle {
    handle: Handle,
    when: Instant,
    /// Where its timer is: none, if it was refused. Weak: a handle keeps no loop's queue.
    timer: Option<(Weak<Ready>, Key)>,
}

impl TimerHandle {
    pub(crate) fn new(handle: Handle, when: Instant, timer: Option<(Weak<Ready>, Key)>) -> Self {
        Self { handle, when, timer }
    }

    /// Drops the callback, unless it was called or is being called; see
    /// [`Handle::cancel`].
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// use std::time::Duration;
    ///
    /// let handle = event_loop.call_later(Duration::from_secs(60), || unreachable!());
    /// handle.cancel();
    /// assert!(handle.cancelled());
    /// # Ok(())
    /// # }
    /// ```
    pub fn cancel(&self) {
        if self.handle.entry.cancel() {
            let timer = self.timer.as_ref();
            if let Some((ready, key)) = timer.and_then(|(ready, key)| Some((ready.upgrade()?, key)))
            {
                ready.remove_timer(*key);
            }
        }
    }

    /// Returns true if [`cancel`](Self::cancel) was called; see
    /// [`Handle::cancelled`].
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let handle = event_loop.call_at(event_loop.time(), || ());
    /// assert!(!handle.cancelled());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.handle.cancelled()
    }

    /// Returns when the callback is due, by the loop's clock, even if it was cancelled.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// use std::time::Duration;
    ///
    /// let handle = event_loop.call_later(Duration::from_secs(60), || ());
    /// assert!(handle.when() > event_loop.time());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn when(&self) -> Instant {
        self.when
    }

    /// Returns the source location where the callback was scheduled.
    ///
    /// ```
    /// # fn example(event_loop: &std::sync::Arc<dyn policy_core::EventLoop>) -> Result<(), policy_core::Error> {
    /// let handle = event_loop.call_at(event_loop.time(), || ());
    /// println!("scheduled at {}", handle.location());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.handle.location()
    }
}

impl fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerHandle")
            .field("when", &self.when)
            .field("cancelled", &self.cancelled())
            .field("location", &format_args!("{}", self.location()))
            .finish()
    }
}

/// Drops a callback that will not be called. Its destructors may do anything.
pub(super) fn discard(entry: &Entry) {
    quietly(|| {
        entry.cancel();
    });
}

/// Calls it, and tells the loop if it takes too long, or panics.
pub(super) fn call(event_loop: &Arc<dyn EventLoop>, entry: Entry) {
    // Closed by one of the same batch, where that is possible: on a loop that drives
    // itself.
    if event_loop.is_closed() {
        return discard(&entry);
    }
    let began = event_loop.get_debug().then(Instant::now);
    let called = catch_unwind(AssertUnwindSafe(|| entry.call()));
    if let Some(began) = began {
        let location = entry.location();
        let slow = event_loop.state().ready().slow();
        slow.check(began, format_args!("a callback, scheduled at {location},"));
    }
    if let Err(payload) = called {
        let context = ExceptionContext::new("panic in a callback")
            .with_location(entry.location())
            .with_handle(Handle::of(entry))
            .with_panic(payload);
        event_loop.call_exception_handler(&context);
        // Its payload may panic when it is dropped.
        quietly(|| drop(context));
    }
}
