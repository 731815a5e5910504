//! A policy made of two things: what makes loops, and what names the context.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::keys::Key;
use super::{Context, ContextKey, CurrentLoop, EventLoopPolicy, IntoContext};
use crate::{ChildWatcher, Error, ErrorKind, EventLoop, WatcherSlot, local, task};

/// Makes event loops.
pub trait LoopFactory: Send + Sync + 'static {
    /// Makes one.
    ///
    /// # Errors
    /// If the executor can't be started.
    fn new_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error>;

    /// Returns true if its loops run by themselves; see
    /// [`EventLoop::is_self_driving`].
    fn is_self_driving(&self) -> bool {
        false
    }
}

/// What [`ContextPolicy::new`] takes to make loops: a closure, or a policy. The
/// parameter only tells the two apart.
pub trait IntoLoopFactory<Marker> {
    /// Converts.
    fn into_loop_factory(self) -> Box<dyn LoopFactory>;
}

/// Marks closures; see [`IntoLoopFactory`].
#[derive(Debug)]
pub enum ClosureMarker {}

/// Marks policies; see [`IntoLoopFactory`].
#[derive(Debug)]
pub enum PolicyMarker {}

/// Marks factories; see [`IntoLoopFactory`].
#[derive(Debug)]
pub enum FactoryMarker {}

impl<F> IntoLoopFactory<ClosureMarker> for F
where
    F: Fn() -> Result<Arc<dyn EventLoop>, Error> + Send + Sync + 'static,
{
    fn into_loop_factory(self) -> Box<dyn LoopFactory> {
        struct Closure<F>(F);
        impl<F> LoopFactory for Closure<F>
        where
            F: Fn() -> Result<Arc<dyn EventLoop>, Error> + Send + Sync + 'static,
        {
            fn new_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
                (self.0)()
            }
        }
        Box::new(Closure(self))
    }
}

impl<P: EventLoopPolicy> IntoLoopFactory<PolicyMarker> for P {
    fn into_loop_factory(self) -> Box<dyn LoopFactory> {
        struct Policy<P>(P);
        impl<P: EventLoopPolicy> LoopFactory for Policy<P> {
            fn new_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
                self.0.new_event_loop()
            }
        }
        Box::new(Policy(self))
    }
}

impl<F: LoopFactory> IntoLoopFactory<FactoryMarker> for F {
    fn into_loop_factory(self) -> Box<dyn LoopFactory> {
        Box::new(self)
    }
}

/// A policy that keeps one loop per context.
///
/// The policies of all adapters are this one with another factory. Entries go with
/// what named them: that of a thread when the thread ends, that of a task when the
/// task ends, that of an [`Arc`] when the `Arc` has gone.
///
/// ```
/// use policy_core::{Context, ContextPolicy, Error, ErrorKind, EventLoop, EventLoopPolicy};
/// use std::sync::Arc;
///
/// let policy = ContextPolicy::new(
///     || -> Result<Arc<dyn EventLoop>, Error> { Err(ErrorKind::NotImplemented.into()) },
///     Context::process(),
/// );
/// assert!(policy.get_event_loop().is_err());
/// ```
pub struct ContextPolicy {
    loops: Box<dyn LoopFactory>,
    context: Context,
    slots: Arc<Slots>,
    background: Mutex<Option<Arc<dyn EventLoop>>>,
    watcher: WatcherSlot,
}

/// `None`: the loop was cleared, so none is made by itself any more.
#[derive(Default)]
struct Slots(Mutex<HashMap<ContextKey, Option<Arc<dyn EventLoop>>>>);

impl ContextPolicy {
    /// Makes a policy whose loops are made by `loops` and kept per `context`.
    pub fn new<M>(loops: impl IntoLoopFactory<M>, context: impl IntoContext) -> Self {
        Self {
            loops: loops.into_loop_factory(),
            context: context.into_context(),
            slots: Arc::default(),
            background: Mutex::new(None),
            watcher: WatcherSlot::default(),
        }
    }

    /// Returns how many contexts have a loop, or had one cleared.
    pub fn contexts(&self) -> usize {
        self.slots.lock().len()
    }
}

impl EventLoopPolicy for ContextPolicy {
    fn set_event_loop(&self, event_loop: Option<Arc<dyn EventLoop>>) -> Result<(), Error> {
        if let Some(event_loop) = &event_loop {
            // Before anything is changed: asyncio's setter fails half way (B25).
            event_loop.state().check_open()?;
        }
        if local::is_main_thread() {
            if let Some(watcher) = self.watcher.peek() {
                watcher.attach_loop(event_loop.clone())?;
            }
        }
        self.slots.set(self.context.current(), event_loop);
        Ok(())
    }

    fn new_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
        self.loops.new_event_loop()
    }

    fn current(&self) -> Result<CurrentLoop, Error> {
        let found = self.slots.lock().get(&self.context.current()).cloned();
        Ok(match found {
            Some(Some(event_loop)) => CurrentLoop::Set(event_loop),
            None if !self.context.main_thread_only() || local::is_main_thread() => {
                CurrentLoop::Vacant
            }
            Some(None) | None => CurrentLoop::Refused(no_current_loop(&self.context)),
        })
    }

    fn background_loop(&self) -> Result<Option<Arc<dyn EventLoop>>, Error> {
        if !self.loops.is_self_driving() {
            return Ok(None);
        }
        let mut background = self.background.lock().unwrap_or_else(PoisonError::into_inner);
        match &*background {
            Some(event_loop) if event_loop.state().check_open().is_ok() => {}
            _ => *background = Some(self.loops.new_event_loop()?),
        }
        Ok(background.clone())
    }

    fn get_child_watcher(&self) -> Result<Arc<dyn ChildWatcher>, Error> {
        self.watcher.peek().ok_or_else(|| ErrorKind::NoChildWatcher.into())
    }

    fn child_watcher_or(
        &self,
        make: &mut dyn FnMut() -> Result<Arc<dyn ChildWatcher>, Error>,
    ) -> Result<Arc<dyn ChildWatcher>, Error> {
        self.watcher.get_or_try_init(make)
    }

    fn set_child_watcher(&self, watcher: Option<Arc<dyn ChildWatcher>>) -> Result<(), Error> {
        self.watcher.set(watcher);
        Ok(())
    }
}

fn no_current_loop(context: &Context) -> Error {
    let message = if context.main_thread_only() {
        let thread = std::thread::current();
        format!(
            "there is no current event loop in thread {:?}; set one with `policy::set_event_loop`, or use `policy::run`",
            thread.name().unwrap_or("<unnamed>")
        )
    } else {
        format!(
            "there is no current event loop in context {:?}; set one with `policy::set_event_loop`, or use `policy::run`",
            context.current()
        )
    };
    Error::new(ErrorKind::NoCurrentLoop, message)
}

impl fmt::Debug for ContextPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextPolicy")
            .field("context", &self.context)
            .field("contexts", &self.contexts())
            .finish_non_exhaustive()
    }
}

impl Slots {
    fn lock(&self) -> MutexGuard<'_, HashMap<ContextKey, Option<Arc<dyn EventLoop>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(self: &Arc<Self>, key: ContextKey, event_loop: Option<Arc<dyn EventLoop>>) {
        let (former, gone) = {
            let mut slots = self.lock();
            // Contexts named by an `Arc` have no other moment to go.
            let gone: Vec<_> = slots.keys().filter(|key| key.is_gone()).cloned().collect();
            let gone: Vec<_> = gone.iter().filter_map(|key| slots.remove(key)).collect();
            (slots.insert(key.clone(), event_loop), gone)
        };
        if former.is_none() {
            self.remove_at_end(key);
        }
        // Outside the lock: dropping a loop may run user code that asks again.
        drop((former, gone));
    }

    /// Arranges for the entry to go when its thread or task does.
    fn remove_at_end(self: &Arc<Self>, key: ContextKey) {
        let slots = Arc::downgrade(self);
        match key.0 {
            Key::Thread(_) => {
                // A thread that is ending already has no such moment any more.
                let late = ENDS.try_with(|ends| ends.0.borrow_mut().push((slots, key.clone())));
                if late.is_err() {
                    drop(self.lock().remove(&key));
                }
            }
            Key::Task(id) => task::on_end(id, Box::new(move || remove(&slots, &key))),
            Key::Process | Key::Number(_) | Key::Text(_) | Key::Object(_) => {}
        }
    }
}

fn remove(slots: &Weak<Slots>, key: &ContextKey) {
    let removed = slots.upgrade().map(|slots| slots.lock().remove(key));
    drop(removed);
}

thread_local! {
    static ENDS: Ends = const { Ends(RefCell::new(Vec::new())) };
}

/// The entries that go when this thread ends.
struct Ends(RefCell<Vec<(Weak<Slots>, ContextKey)>>);

impl Drop for Ends {
    fn drop(&mut self) {
        for (slots, key) in self.0.take() {
            remove(&slots, &key);
        }
    }
}
