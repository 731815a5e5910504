//! Whose a child is, and how it ended: one record for each child that this process has to do with.
//!
//! | file | question |
//! |---|---|
//! | `record`, `inner` | who is this child, and who may reap and signal it? |
//! | `known` | which record does a number or an id mean? |
//! | `claim` | who wants it to be reaped? |
//! | `outcome` | how did it end? |
//! | `owner` | does other code reap it in place of us? |
//! | `recent` | was it reaped before anybody asked for it? |
//! | `pidfd` | has the kernel a descriptor for it? |
//! | `pidfd_set` | which of many has exited? |
//! | `thieves` | does other code take statuses? |
//! | `starts` | may a zombie without a record be of a start that is under way? |
//! | `limit` | how many may be alive? |
//! | `terminal` | has it our terminal? |

#[cfg(unix)]
mod claim;
#[cfg(unix)]
mod inner;
#[cfg(unix)]
mod known;
pub(super) mod limit;
#[cfg(unix)]
mod outcome;
#[cfg(unix)]
mod owner;
#[cfg(unix)]
pub(super) mod pidfd;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod pidfd_set;
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
#[path = "no_pidfd_set.rs"]
mod pidfd_set;
#[cfg(unix)]
pub(super) mod recent;
#[cfg(unix)]
mod record;
#[cfg(unix)]
pub(super) mod starts;
#[cfg(unix)]
pub(super) mod terminal;
#[cfg(unix)]
pub(super) mod thieves;

#[cfg(unix)]
pub(crate) use claim::Claim;
#[cfg(unix)]
pub(super) use claim::Lease;
#[cfg(unix)]
pub(crate) use outcome::Outcome;
#[cfg(unix)]
pub(super) use outcome::returncode;
#[cfg(unix)]
pub use owner::ChildOwner;
#[cfg(unix)]
pub(super) use pidfd_set::PidfdSet;
#[cfg(unix)]
pub(crate) use record::Record;
