//! The contracts of `event-loop-policy`, which an adapter, a policy or a child watcher implements.
//!
//! Users call the crate `policy`; this one changes rarely and knows no
//! executor. How to choose among its modules:
//!
//! | I want to … | read |
//! |---|---|
//! | put an executor behind an event loop | [`EventLoop`], then [`Selector`], [`Proactor`] and [`Timer`] |
//! | decide which loop a context gets | [`EventLoopPolicy`], [`ContextPolicy`] |
//! | wait for children in a new way | [`ChildWatcher`] |
//! | carry a task through an executor | [`task::Task`] |
//! | let others run where a future is always ready | [`budget`] |
//! | know which loop runs this code | [`context`] |
//! | receive signals of the process | [`signal`] |

pub mod blocking;
pub mod budget;
pub mod context;
mod debug;
mod error;
mod event_loop;
mod exception;
mod executors;
pub mod foreign;
mod heart;
#[doc(hidden)]
pub mod limits;
pub mod local;
pub mod os;
#[doc(hidden)]
pub mod peer;
mod policy;
mod proactor;
pub mod registry;
mod selector;
pub mod signal;
mod state;
pub mod task;
mod timer;
mod timers;
pub mod tracker;
#[doc(hidden)]
pub mod wakers;
mod watcher;

/// The clock of a loop, and what waits for it.
pub mod clock {
    pub use crate::heart::{Advance, Outside, Wait, Waited, all_real};
}

pub use blocking::{BlockingExecutor, Job};
pub use error::{Error, ErrorKind};
pub use event_loop::{EventLoop, LoopKind, ShutdownReport};
pub use exception::{ExceptionContext, ExceptionHandler};
pub use heart::{Handle, TimerHandle};
pub use policy::{
    Context, ContextKey, ContextPolicy, CurrentLoop, EventLoopPolicy, IntoContext, IntoLoopFactory,
    IntoPolicy, LoopFactory,
};
pub use proactor::{
    Address, Buffer, Completed, Completion, IoBuf, IoBufMut, Operation, Proactor, ProactorHandle,
    Promise, Resource, ResourceKind,
};
pub use selector::{Interest, Readiness, Selector, SelectorHandle, SharedSource, Source};
pub use state::{LoopId, LoopState};
pub use timer::Timer;
pub use watcher::{
    ChildCallback, ChildId, ChildWatcher, ExitFuture, IntoWatcher, WatcherSlot,
    provide_child_watcher,
};
