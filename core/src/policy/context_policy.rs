//! A policy made of two parts: one creates loops, the other names the context.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Weak};
use std::thread;

use super::exclusive::Exclusive;
use super::keys::Key;
use super::provided::make_provided;
use super::{Context, ContextKey, IntoContext, WatcherSlot};
use crate::sync::Mutex;
use crate::{ChildWatcher, CurrentLoop, Error, ErrorKind, EventLoop, EventLoopPolicy, local, task};

/// Creates event loops.
///
/// ```
/// use policy_core::{Context, ContextPolicy, Error, ErrorKind, EventLoop, LoopFactory};
/// use std::sync::Arc;
///
/// struct Loops { threads: usize }
/// impl LoopFactory for Loops {
///     fn new_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error> {
///         # let _threads = self.threads;
///         Err(ErrorKind::NotImplemented.into()) // here, a loop of so many threads
///     }
///     fn is_self_driving(&self) -> bool {
///         true
///     }
/// }
/// let _policy = ContextPolicy::new(Loops { threads: 4 }, Context::process());
/// ```
pub trait LoopFactory: Send + Sync + 'static {
    /// Creates one.
    ///
    /// # Errors
    /// Returns an error if the executor can't be started.
    fn new_event_loop(&self) -> Result<Arc<dyn EventLoop>, Error>;

    /// Returns true if its loops run by themselves; see
    /// [`LoopState::is_self_driving`](crate::LoopState::is_self_driving).
    fn is_self_driving(&self) -> bool {
        false
    }
}

/// The first argument of [`ContextPolicy::new`], which creates loops: a closure, or a policy. The
/// type parameter only distinguishes the two.
///
/// ```
/// use policy_core::{Context, ContextPolicy, EventLoopPolicy};
///
/// struct Mine; // makes loops in its own way
/// impl EventLoopPolicy for Mine {}
///
/// let one_for_all = ContextPolicy::new(Mine, Context::process());
/// # let _policy = one_for_all;
/// ```
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
/// The policies of all adapters are this one with another factory. An entry is removed with its
/// context: a thread's when the thread ends, a task's when the task ends, an [`Arc`]'s when the
/// `Arc` is dropped.
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
    creation: Exclusive,
    background: Mutex<Option<Arc<dyn EventLoop>>>,
    watcher: WatcherSlot,
}

#[derive(Default)]
struct Slots(Mutex<Table>);

#[derive(Default)]
struct Table {
    /// `None`: the loop was cleared, so none is made by itself any more.
    loops: HashMap<ContextKey, Option<Arc<dyn EventLoop>>>,
    /// The keys in `loops` that are named by an [`Arc`], oldest look first: they
    /// have no other moment to go than when somebody looks.
    objects: VecDeque<ContextKey>,
}

/// How many keys are looked at whenever one is set: more than one, so that those
/// that have gone are found faster than new ones come.
const LOOKS: usize = 4;

impl ContextPolicy {
    /// Makes a policy whose loops are created by `loops` and kept per `context`.
    ///
    /// ```
    /// use policy_core::{Context, ContextPolicy, Error, ErrorKind, EventLoop, EventLoopPolicy};
    /// use std::sync::Arc;
    ///
    /// fn my_loops() -> Result<Arc<dyn EventLoop>, Error> {
    ///     Err(ErrorKind::NotImplemented.into()) // here, a loop
    /// }
    /// let per_thread = ContextPolicy::new(my_loops, Context::thread());
    /// let per_tenant = ContextPolicy::new(my_loops, || "tenant");
    /// assert_eq!(per_tenant.get_event_loop().unwrap_err().kind(), ErrorKind::NotImplemented);
    /// # let _policy = per_thread;
    /// ```
    pub fn new<M>(loops: impl IntoLoopFactory<M>, context: impl IntoContext) -> Self {
        Self {
            loops: loops.into_loop_factory(),
            context: context.into_context(),
            slots: Arc::default(),
            creation: Exclusive::default(),
            background: Mutex::new(None),
            watcher: WatcherSlot::default(),
        }
    }

    /// Returns how many contexts have a loop, or had one that was cleared.
    ///
    /// ```
    /// use policy_core::{Context, ContextPolicy, Error, ErrorKind, EventLoop, EventLoopPolicy};
    /// use std::sync::Arc;
    ///
    /// let none = || -> Result<Arc<dyn EventLoop>, Error> { Err(ErrorKind::NotImplemented.into()) };
    /// let policy = ContextPolicy::new(none, Context::process());
    /// policy.set_event_loop(None)?;
    /// assert_eq!(policy.contexts(), 1);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn contexts(&self) -> usize {
        let table = self.slots.0.lock();
        let gone = table.objects.iter().filter(|key| key.is_gone()).count();
        table.loops.len() - gone
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
        // Before the lock: naming the context may be user code.
        let key = self.context.current();
        let found = self.slots.0.lock().loops.get(&key).cloned();
        Ok(match found {
            Some(Some(event_loop)) => CurrentLoop::Set(event_loop),
            None if !self.context.main_thread_only() || local::is_main_thread() => {
                CurrentLoop::Vacant
            }
            Some(None) | None => CurrentLoop::Refused(no_current_loop(&self.context)),
        })
    }

    fn create_exclusively(
        &self,
        create: &mut dyn FnMut() -> Result<Arc<dyn EventLoop>, Error>,
    ) -> Result<Arc<dyn EventLoop>, Error> {
        // Starting loops of threads one after another would only be slow.
        if self.context.is_shared() { self.creation.run(create) } else { create() }
    }

    fn background_loop(&self) -> Result<Option<Arc<dyn EventLoop>>, Error> {
        if !self.loops.is_self_driving() {
            return Ok(None);
        }
        let mut background = self.background.lock();
        if let Some(event_loop) = &*background {
            if event_loop.state().check_open().is_ok() {
                return Ok(Some(event_loop.clone()));
            }
        }
        let event_loop = self.loops.new_event_loop()?;
        let closed = background.replace(event_loop.clone());
        drop(background);
        // Outside the lock: dropping a loop may run user code that spawns.
        drop(closed);
        Ok(Some(event_loop))
    }

    fn get_child_watcher(&self) -> Result<Arc<dyn ChildWatcher>, Error> {
        self.watcher.get_or_try_init(&mut make_provided)
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
    fn set(self: &Arc<Self>, key: ContextKey, event_loop: Option<Arc<dyn EventLoop>>) {
        let (former, gone) = {
            let mut table = self.0.lock();
            let gone = table.take_gone();
            let former = table.loops.insert(key.clone(), event_loop);
            if former.is_none() && matches!(key.0, Key::Object(_)) {
                table.objects.push_back(key.clone());
            }
            (former, gone)
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
            Key::Thread(id) if id == thread::current().id() => {
                // A thread that is ending already has no such moment any more.
                let late = ENDS.try_with(|ends| ends.add(slots.clone(), key.clone()));
                if late.is_err() {
                    remove(&slots, &key);
                }
            }
            Key::Task(id) if task::try_id() == Some(id) => {
                task::on_end(id, Box::new(move || remove(&slots, &key)))
            }
            // A closure may name a thread or a task that it is not in, which may have
            // ended: such an entry stays, as those of numbers do.
            Key::Thread(_) | Key::Task(_) => {}
            Key::Process | Key::Number(_) | Key::Text(_) | Key::Object(_) => {}
        }
    }
}

impl Table {
    fn take_gone(&mut self) -> Vec<Option<Arc<dyn EventLoop>>> {
        let mut gone = Vec::new();
        for _ in 0..LOOKS.min(self.objects.len()) {
            let Some(key) = self.objects.pop_front() else { break };
            if key.is_gone() {
                gone.extend(self.loops.remove(&key));
            } else {
                self.objects.push_back(key);
            }
        }
        gone
    }
}

fn remove(slots: &Weak<Slots>, key: &ContextKey) {
    let Some(slots) = slots.upgrade() else { return };
    // A statement of its own, so that the lock is free when the loop is dropped:
    // that may run user code that asks again.
    let removed = slots.0.lock().loops.remove(key);
    drop(removed);
}

thread_local! {
    static ENDS: Ends = const { Ends(RefCell::new(Vec::new())) };
}

/// The entries that go when this thread ends.
struct Ends(RefCell<Vec<(Weak<Slots>, ContextKey)>>);

impl Ends {
    fn add(&self, slots: Weak<Slots>, key: ContextKey) {
        let mut entries = self.0.borrow_mut();
        if entries.len() == entries.capacity() {
            // A thread that lives long sees many policies come and go.
            entries.retain(|(slots, _)| slots.strong_count() > 0);
        }
        entries.push((slots, key));
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        for (slots, key) in self.0.take() {
            remove(&slots, &key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_lives_long_forgets_policies_that_have_gone() {
        for _ in 0..10_000 {
            let none = || -> Result<Arc<dyn EventLoop>, Error> { Err(ErrorKind::Io.into()) };
            let policy = ContextPolicy::new(none, Context::thread());
            assert!(policy.set_event_loop(None).is_ok());
        }
        assert!(ENDS.with(|ends| ends.0.borrow().len()) < 100);
    }
}
