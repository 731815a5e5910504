//! How to learn that a child has exited, and how to choose among the watchers.
//!
//! | watcher | waits with | per child | choose it |
//! |---|---|---|---|
//! | [`AutoChildWatcher`] | the best mechanism of the kernel | | always; it is the default |
//! | [`PidfdChildWatcher`] | a pidfd on the loop | 1 descriptor | to be sure that there are no threads |
//! | `KqueueChildWatcher` (macOS, BSD) | a kqueue and one thread | nothing | to be sure that there is only one thread |
//! | [`ThreadedChildWatcher`] | a blocking call | 1 thread | where pidfds are refused |
//! | [`MultiLoopChildWatcher`] | SIGCHLD | nothing | for more children than descriptors or threads |
//! | [`SafeChildWatcher`] | SIGCHLD and the main thread's loop | nothing | to behave like asyncio's |
//! | [`FastChildWatcher`] | SIGCHLD, reaps *every* child | nothing | to behave like asyncio's, in a program that has no other children |
//! | [`SubreaperChildWatcher`] | SIGCHLD, and reaps orphans | nothing | as PID 1, or as a supervisor |
//!
//! Except for the last two, each reaps only the children that it was asked to watch. All keep
//! working after the loop that started a child is gone.

pub(super) mod abandoned;
mod auto;
pub(super) mod by_sigchld;
mod common;
pub(super) mod exit;
mod fast;
mod handlers;
#[cfg(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly"
))]
mod kqueue;
#[cfg(not(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly"
)))]
#[path = "no_kqueue.rs"]
mod kqueue;
mod multi_loop;
mod pidfd;
mod safe;
mod sigchld;
mod strangers;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod subreaper;
mod threaded;
pub(super) mod threads;

pub use auto::AutoChildWatcher;
pub use fast::FastChildWatcher;
#[cfg(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly"
))]
pub use kqueue::KqueueChildWatcher;
pub use multi_loop::MultiLoopChildWatcher;
pub use pidfd::PidfdChildWatcher;
pub use safe::SafeChildWatcher;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use subreaper::SubreaperChildWatcher;
pub use threaded::ThreadedChildWatcher;
