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

mod contract;
mod heart;
mod io;
mod policy;
pub mod signal;
mod sync;

/// The clock of a loop, and what waits for it.
pub mod clock {
    pub use crate::heart::{Advance, Outside, Wait, Waited, all_real};
}

pub use contract::{
    Address, Buffer, ChildCallback, ChildId, ChildWatcher, Completed, Completion, CurrentLoop,
    Error, ErrorKind, EventLoop, EventLoopPolicy, ExitFuture, Interest, IntoPolicy, IoBuf,
    IoBufMut, LoopId, LoopKind, LoopState, Operation, Proactor, Promise, Resource, ResourceKind,
    Selector, Source, Timer, foreign, os,
};
#[doc(hidden)]
pub use heart::AtEnd;
pub use heart::blocking::{BlockingExecutor, Job};
pub use heart::exception::{ExceptionContext, ExceptionHandler};
pub use heart::{
    Handle, ShutdownReport, TimerHandle, blocking, budget, context, local, surroundings, task,
    tracker,
};
#[doc(hidden)]
pub use io::peer;
pub use io::{ProactorHandle, Readiness, SelectorHandle, SharedSource};
#[doc(hidden)]
pub use policy::limits;
pub use policy::{
    Context, ContextKey, ContextPolicy, IntoContext, IntoLoopFactory, IntoWatcher, LoopFactory,
    WatcherSlot, provide_child_watcher, registry,
};
#[doc(hidden)]
pub use sync::wakers;
