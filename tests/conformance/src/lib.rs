//! The promises of every event loop and policy, as a test suite for adapters.
//!
//! ```
//! # use policy::DefaultEventLoopPolicy as MyPolicy;
//! // tests/conformance.rs of an adapter
//! policy_conformance::suite!(MyPolicy::new());
//! ```
//!
//! makes one `#[test]` per clause, `conformance::tasks::…`, `conformance::time::…` and so on. The
//! expression is evaluated again for each clause, on a thread of its own. To test several loops,
//! use several modules:
//!
//! ```
//! mod current_thread {
//!     policy_conformance::suite!(policy::DefaultEventLoopPolicy::new());
//! }
//! ```
//!
//! A clause is a function in the module of its room. The last line of its documentation says what
//! it proves: behaviours of asyncio, as numbered in the project's `docs/asyncio.md` (`B51`), and
//! promises of this project, in words (`'what is cancelled loses nothing'`); *the contract of
//! tasks* is that of `policy::task`. [`clauses`] lists them all.
//!
//! If a loop reports that it can't do something (with
//! [`ErrorKind::Unsupported`](::policy::ErrorKind::Unsupported)), the clause does not fail: it
//! prints `skipped:` and the loop's own reason. A clause that hangs is ended after a minute, and
//! named.
//!
//! If the variable `CONFORMANCE_REPORT` names a folder, the tests of each suite write there what
//! they have found: a table of all clauses that were run, with the capability that the loop has not
//! (`.txt`), the same as JSON (`.json`), and a badge (`.svg`). [`Report`] does it without tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a clause that fails panics"
)]
#![allow(clippy::async_yields_async, reason = "handles and timers leave their loop on purpose")]

#[macro_use]
mod table;
mod clause;
mod report;
mod support;

pub mod aborts;
pub mod batches;
pub mod blocking;
pub mod budget;
#[cfg(unix)]
pub mod budget_unix;
pub mod callbacks;
pub mod clock;
pub mod closing;
pub mod context;
pub mod cross_loop;
pub mod datagrams;
pub mod debug;
pub mod exceptions;
pub mod join_set;
pub mod local_tasks;
pub mod net;
pub mod net_faults;
pub mod panics;
#[cfg(target_os = "linux")]
pub mod peers;
pub mod policy;
pub mod proactor;
pub mod proactor_faults;
pub mod proactor_kinds;
pub mod run;
pub mod runner;
pub mod selector;
pub mod selector_kinds;
pub mod selector_waits;
pub mod shutdown;
#[cfg(unix)]
pub mod signals;
pub mod stop;
pub mod tasks;
pub mod thread_ends;
pub mod time;
pub mod turns;
#[cfg(unix)]
pub mod unix_sockets;

pub use clause::{Clause, LIMIT, Make, Outcome, Skipped, Verdict, clauses};
pub use report::{Finding, Report};

#[doc(hidden)]
pub mod private {
    //! Code that the macros generate calls to. Not for direct use.
    pub use crate::clause::{into_policy, run_test};
    pub use ::policy::EventLoopPolicy;
    pub use std::sync::Arc;
}

/// Makes one `#[test]` per clause for the policy that the expression makes.
///
/// Once per module: the tests are in a module `conformance`.
#[macro_export]
macro_rules! suite {
    ($make:expr $(,)?) => {
        #[cfg(test)]
        fn __policy_under_test() -> $crate::private::Arc<dyn $crate::private::EventLoopPolicy> {
            $crate::private::into_policy($make)
        }
        $crate::__clauses! { $crate::__tests }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    ($($(#[$only:meta])? $room:ident { $($clause:ident $proves:literal)* })*) => {
        // A module around the rooms: one of them would hide the caller's own names.
        #[cfg(test)]
        mod conformance {
            $($(#[$only])? mod $room {
                $(#[test]
                fn $clause() {
                    $crate::private::run_test(
                        module_path!(),
                        stringify!($room),
                        stringify!($clause),
                        super::super::__policy_under_test,
                    )
                })*
            })*
        }
    };
}
