//! Ways to learn that a child has exited, and how to choose among them.
//!
//! | watcher | waits with | per child | choose it |
//! |---|---|---|---|
//! | [`AutoChildWatcher`] | whatever the kernel gives | | always; it is the default |
//! | [`PidfdChildWatcher`] | a pidfd on the loop | 1 descriptor | to be sure that there are no threads |
//! | [`ThreadedChildWatcher`] | a blocking call | 1 thread | where pidfds are refused |
//!
//! Each reaps only the children that it was asked for. All of them keep working
//! when the loop that a child was started under is gone.

mod auto;
mod common;
pub(super) mod handlers;
mod pidfd;
mod threaded;

pub use auto::AutoChildWatcher;
pub use pidfd::PidfdChildWatcher;
pub use threaded::ThreadedChildWatcher;
