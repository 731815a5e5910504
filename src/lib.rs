#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[macro_use]
pub mod io;

mod ambient;
pub mod callback;
#[cfg(feature = "compat")]
pub mod compat;
pub mod context;
mod default;
pub mod doctor;
pub mod event_loop;
#[cfg(feature = "fs")]
pub mod fs;
mod guest;
pub mod guide;
#[cfg(feature = "hyper")]
pub mod hyper;
mod interrupt;
mod names;
#[cfg(feature = "net")]
pub mod net;
mod on;
mod policy;
pub mod prelude;
#[doc(hidden)]
pub mod private;
#[cfg(feature = "proactor")]
pub mod proactor;
#[cfg(feature = "process")]
pub mod process;
mod run;
mod runner;
pub mod selector;
#[cfg(feature = "signal")]
pub mod signal;
pub mod task;
pub mod time;
#[cfg(windows)]
mod windows;
mod within;

pub use policy_core::{
    BlockingExecutor, ChildCallback, ChildId, ChildWatcher, ContextPolicy, Error, ErrorKind,
    EventLoop, EventLoopPolicy, ExceptionContext, ExceptionHandler, ExitFuture, IntoPolicy,
    IntoWatcher, Job, LoopKind, ShutdownReport,
};

pub use default::DefaultEventLoopPolicy;
pub use doctor::doctor;
pub use guest::Guest;
pub use names::{from_env, from_name, policy_names};
pub use on::{EventLoopExt, On};
pub use policy::{
    get_child_watcher, get_event_loop, get_event_loop_policy, get_running_loop, new_event_loop,
    set_child_watcher, set_event_loop, set_event_loop_policy, with_event_loop_policy,
};
#[cfg(all(
    feature = "process",
    any(
        target_vendor = "apple",
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "dragonfly"
    )
))]
pub use process::watcher::KqueueChildWatcher;
#[cfg(all(feature = "process", any(target_os = "linux", target_os = "android")))]
pub use process::watcher::SubreaperChildWatcher;
#[cfg(all(feature = "process", unix))]
pub use process::watcher::{
    AutoChildWatcher, FastChildWatcher, MultiLoopChildWatcher, PidfdChildWatcher, SafeChildWatcher,
    ThreadedChildWatcher,
};
#[cfg(feature = "process")]
pub use process::{create_subprocess_exec, create_subprocess_shell};
pub use run::{run, try_run};
pub use runner::Runner;
pub use task::{
    spawn, spawn_blocking, spawn_local, try_spawn, try_spawn_blocking, try_spawn_local,
};
#[cfg(all(windows, any(feature = "default-loop", feature = "compio")))]
pub use windows::WindowsProactorEventLoopPolicy;
#[cfg(all(windows, feature = "default-loop"))]
pub use windows::WindowsSelectorEventLoopPolicy;
pub use within::{Within, within};

#[cfg(feature = "async-std")]
pub use policy_async_std::AsyncStdPolicy;
#[cfg(feature = "compio")]
pub use policy_compio::ProactorEventLoop;
#[cfg(feature = "compio")]
pub use policy_compio::{CompioPolicy, Driver as CompioDriver};
#[cfg(feature = "macros")]
pub use policy_macros::{main, test};
#[cfg(feature = "default-loop")]
pub use policy_poller::SelectorEventLoop;
#[cfg(feature = "smol")]
pub use policy_smol::SmolPolicy;
#[cfg(feature = "tokio")]
pub use policy_tokio::TokioPolicy;
#[cfg(all(windows, feature = "default-loop", not(feature = "compio")))]
pub use policy_windows::ProactorEventLoop;

/// The contracts for adapters; see `policy_core`.
pub mod core {
    pub use policy_core::*;
}

#[doc(hidden)]
pub use private as __private;
