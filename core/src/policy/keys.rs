//! What names a context.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Weak};
use std::thread::{self, ThreadId};

use crate::task;

/// Names the context of the calling code: each context has its own loop.
///
/// ```
/// use policy_core::Context;
///
/// // All threads of a process are in one context.
/// let elsewhere = std::thread::spawn(|| Context::process().current()).join().unwrap();
/// assert_eq!(Context::process().current(), elsewhere);
/// ```
pub struct Context {
    name: Box<dyn Fn() -> ContextKey + Send + Sync>,
    /// Whether a loop is made by itself only on the main thread, as asyncio does.
    main_thread_only: bool,
    /// Whether several threads may be in one context at a time.
    shared: bool,
    label: &'static str,
}

impl Context {
    /// The current thread: asyncio's default. Only on the main thread does the policy create a loop
    /// by itself.
    ///
    /// ```
    /// use policy_core::Context;
    ///
    /// let elsewhere = std::thread::spawn(|| Context::thread().current()).join().unwrap();
    /// assert_ne!(Context::thread().current(), elsewhere);
    /// ```
    pub fn thread() -> Self {
        Self {
            name: Box::new(|| ContextKey(Key::Thread(thread::current().id()))),
            main_thread_only: true,
            shared: false,
            label: "thread",
        }
    }

    /// The process: one loop for all.
    ///
    /// ```
    /// use policy_core::Context;
    ///
    /// let elsewhere = std::thread::spawn(|| Context::process().current()).join().unwrap();
    /// assert_eq!(Context::process().current(), elsewhere);
    /// ```
    pub fn process() -> Self {
        Self {
            name: Box::new(|| ContextKey(Key::Process)),
            main_thread_only: false,
            shared: true,
            label: "process",
        }
    }

    /// The current task, or the current thread outside any task.
    ///
    /// ```
    /// use policy_core::Context;
    ///
    /// assert_eq!(Context::task().current(), Context::thread().current()); // in no task
    /// ```
    pub fn task() -> Self {
        Self {
            name: Box::new(|| match task::try_id() {
                Some(id) => ContextKey(Key::Task(id)),
                None => ContextKey(Key::Thread(thread::current().id())),
            }),
            main_thread_only: false,
            shared: false,
            label: "task",
        }
    }

    /// Whatever `name` returns: a number, a string, or an [`Arc`] that stands for a
    /// tenant, a request or a test.
    ///
    /// The loop of an `Arc` is dropped when the last other reference to the `Arc` is dropped; the
    /// loops of numbers and strings stay until the policy is dropped.
    ///
    /// ```
    /// use policy_core::Context;
    /// use std::cell::Cell;
    ///
    /// thread_local!(static SHARD: Cell<u64> = const { Cell::new(0) });
    ///
    /// let context = Context::key(|| SHARD.get());
    /// let first = context.current();
    /// SHARD.set(1);
    /// assert_ne!(context.current(), first);
    /// ```
    pub fn key<K: Into<ContextKey>>(name: impl Fn() -> K + Send + Sync + 'static) -> Self {
        Self {
            name: Box::new(move || name().into()),
            main_thread_only: false,
            shared: true,
            label: "key",
        }
    }

    /// Names the context of the calling code.
    ///
    /// ```
    /// use policy_core::{Context, ContextKey};
    ///
    /// assert_eq!(Context::key(|| "tenant").current(), ContextKey::from("tenant"));
    /// ```
    pub fn current(&self) -> ContextKey {
        (self.name)()
    }

    /// Returns true if several threads may be in one context at a time.
    pub(super) fn is_shared(&self) -> bool {
        self.shared
    }

    pub(super) fn main_thread_only(&self) -> bool {
        self.main_thread_only
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context::{}", self.label)
    }
}

/// The second argument of [`ContextPolicy::new`](crate::ContextPolicy::new): a [`Context`], or a
/// closure that returns a key.
///
/// ```
/// use policy_core::{Context, IntoContext};
///
/// assert_eq!((|| 7).into_context().current(), Context::key(|| 7_u64).current());
/// ```
pub trait IntoContext {
    /// Converts.
    fn into_context(self) -> Context;
}

impl IntoContext for Context {
    fn into_context(self) -> Context {
        self
    }
}

impl<F, K> IntoContext for F
where
    F: Fn() -> K + Send + Sync + 'static,
    K: Into<ContextKey>,
{
    fn into_context(self) -> Context {
        Context::key(self)
    }
}

/// The name of one context.
///
/// ```
/// use policy_core::ContextKey;
///
/// assert_eq!(ContextKey::from("tenant"), ContextKey::from("tenant".to_string()));
/// assert_ne!(ContextKey::from(1), ContextKey::from(2));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ContextKey(pub(super) Key);

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Process,
    Thread(ThreadId),
    Task(task::Id),
    Number(u64),
    Text(Cow<'static, str>),
    Object(Object),
}

/// An object by identity, not kept alive.
#[derive(Clone)]
pub(super) struct Object(Weak<dyn Any + Send + Sync>);

impl Object {
    fn address(&self) -> *const () {
        self.0.as_ptr().cast()
    }
}

// A `Weak` keeps the address taken, so equal addresses mean the same object.
impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.address() == other.address()
    }
}

impl Eq for Object {}

impl Hash for Object {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}

impl ContextKey {
    /// Returns true once nothing can name this context any more.
    pub(super) fn is_gone(&self) -> bool {
        matches!(&self.0, Key::Object(object) if object.0.strong_count() == 0)
    }
}

impl fmt::Debug for ContextKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Key::Process => f.write_str("process"),
            Key::Thread(id) => id.fmt(f),
            Key::Task(id) => write!(f, "task {id}"),
            Key::Number(number) => number.fmt(f),
            Key::Text(text) => text.fmt(f),
            Key::Object(object) => write!(f, "object {:p}", object.address()),
        }
    }
}

impl From<u64> for ContextKey {
    fn from(key: u64) -> Self {
        Self(Key::Number(key))
    }
}

impl From<&'static str> for ContextKey {
    fn from(key: &'static str) -> Self {
        Self(Key::Text(key.into()))
    }
}

impl From<String> for ContextKey {
    fn from(key: String) -> Self {
        Self(Key::Text(key.into()))
    }
}

impl<T: Any + Send + Sync> From<Arc<T>> for ContextKey {
    fn from(key: Arc<T>) -> Self {
        let key: Arc<dyn Any + Send + Sync> = key;
        Self(Key::Object(Object(Arc::downgrade(&key))))
    }
}
