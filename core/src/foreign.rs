//! Runtimes that never heard of policies, and yet run this code: what the facade
//! knows of them, and this crate does not.

use std::sync::{Arc, OnceLock};

use crate::EventLoop;

/// What is asked about a runtime of others, on whose thread this code may run.
///
/// ```
/// use policy_core::foreign::{self, Foreign};
///
/// // In a crate that knows an executor:
/// let installed = foreign::install(Foreign { is_polling: || false, running: || None });
/// assert!(installed);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Foreign {
    /// Returns true if such a runtime polls this code, so that no loop may be run
    /// here.
    pub is_polling: fn() -> bool,
    /// Returns the loop that stands for the runtime of this thread, if there is one.
    pub running: fn() -> Option<Arc<dyn EventLoop>>,
}

static FOREIGN: OnceLock<Foreign> = OnceLock::new();

/// Says what is known of other runtimes, once per process. Returns false if somebody
/// was first.
///
/// ```
/// use policy_core::foreign::{self, Foreign};
///
/// let nothing = Foreign { is_polling: || false, running: || None };
/// foreign::install(nothing);
/// assert!(!foreign::install(nothing));
/// ```
pub fn install(foreign: Foreign) -> bool {
    FOREIGN.set(foreign).is_ok()
}

/// Returns true if a runtime that is no loop of ours polls this code.
pub(crate) fn is_polling() -> bool {
    FOREIGN.get().is_some_and(|foreign| (foreign.is_polling)())
}

pub(crate) fn running() -> Option<Arc<dyn EventLoop>> {
    FOREIGN.get().and_then(|foreign| (foreign.running)())
}
