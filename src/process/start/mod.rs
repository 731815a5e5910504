//! From a [`Command`](super::Command) to a process with a record.
//!
//! | file | question |
//! |---|---|
//! | [`forms`] | which ways are there to call it? |
//! | [`launch`] | what comes before and after the start, and is undone if that fails? |
//! | [`starter`] | which thread starts it? |
//! | [`in_child`] | what does the child do before it is the program? |
//! | [`starts`] | which starts are under way? |

mod forms;
mod in_child;
pub(super) mod launch;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod pass_fd;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "pass_no_fd.rs"]
mod pass_fd;
pub(super) mod starter;
pub(super) mod starts;

pub(super) use in_child::Plan;
