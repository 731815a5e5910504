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
//! | build a bridge to another runtime | [`surroundings`] |
//! | receive signals of the process | [`signal`] |

#![cfg_attr(
    not(any(unix, windows)),
    allow(dead_code, reason = "there are no descriptors, so nobody waits for one")
)]

mod contract;
mod heart;
#[cfg(any(unix, windows))]
mod io;
mod policy;
pub mod signal;
#[doc(hidden)]
pub mod sync;

/// The clock of a loop, and what waits for it.
pub mod clock {
    pub use crate::heart::{Advance, Outside, Wait, Waited, all_real};
}

#[cfg(feature = "proactor")]
pub use contract::{
    Address, Buffer, Completed, Completion, IoBuf, IoBufMut, Operation, Proactor, Promise,
    Resource, ResourceKind,
};
pub use contract::{
    ChildCallback, ChildId, ChildWatcher, CurrentLoop, Error, ErrorKind, EventLoop,
    EventLoopPolicy, ExitFuture, IntoPolicy, LoopId, LoopKind, LoopState, Timer, foreign,
};
#[cfg(any(unix, windows))]
pub use contract::{Interest, Selector, Source, os};
pub use heart::blocking::{BlockingExecutor, Job};
pub use heart::exception::{ExceptionContext, ExceptionHandler};
#[doc(hidden)]
pub use heart::{AtEnd, MainFuture, threads};
pub use heart::{
    Handle, ShutdownReport, TimerHandle, blocking, budget, context, local, surroundings, task,
    tracker,
};
#[cfg(feature = "proactor")]
pub use io::ProactorHandle;
#[cfg(feature = "proactor")]
#[doc(hidden)]
pub use io::peer;
#[cfg(any(unix, windows))]
pub use io::{Readiness, SelectorHandle, SharedSource};
#[doc(hidden)]
pub use policy::limits;
pub use policy::{
    Context, ContextKey, ContextPolicy, IntoContext, IntoLoopFactory, IntoWatcher, LoopFactory,
    WatcherSlot, provide_child_watcher, registry,
};
