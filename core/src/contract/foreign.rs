//! Runtimes that know nothing of policies, and yet run this code. The facade knows them; this crate
//! does not.

use std::sync::{Arc, OnceLock};
use std::task::Waker;

use crate::EventLoop;

/// The questions that this crate asks about a foreign runtime, on whose thread this code may run.
///
/// ```
/// use policy_core::foreign::{self, Foreign};
///
/// // In a crate that knows an executor:
/// let foreign = Foreign { is_polling: || false, running: || None, defer: |_| false };
/// assert!(foreign::install(foreign));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Foreign {
    /// Returns true if such a runtime polls this code, so that no loop may run here.
    pub is_polling: fn() -> bool,
    /// Returns the loop that stands for the runtime of this thread, if there is one.
    pub running: fn() -> Option<Arc<dyn EventLoop>>,
    /// Wakes a task of such a runtime after others, and after a look at its reactor, and
    /// returns true; returns false, and wakes nobody, if the waker is not that of its task.
    ///
    /// This is asked for a task that has used up its [budget](crate::budget).
    pub defer: fn(&Waker) -> bool,
}

/// More than there are runtimes in one program. A list that is never shortened: asking
/// costs loads, and takes no lock.
static KNOWN: [OnceLock<Foreign>; 16] = [const { OnceLock::new() }; 16];

/// Registers the questions about a foreign runtime. All that are registered are asked, in the order
/// of registration; registering the same again changes nothing. Returns false if there are too
/// many.
///
/// ```
/// use policy_core::foreign::{self, Foreign};
///
/// let first = Foreign { is_polling: || false, running: || None, defer: |_| false };
/// assert!(foreign::install(first));
/// // The second of two is asked, too.
/// assert!(foreign::install(Foreign { is_polling: || false, ..first }));
/// ```
pub fn install(foreign: Foreign) -> bool {
    KNOWN.iter().any(|place| place.get_or_init(|| foreign).is(&foreign))
}

/// Returns true if a runtime that is no loop of ours polls this code.
pub(crate) fn is_polling() -> bool {
    known().any(|foreign| (foreign.is_polling)())
}

pub(crate) fn running() -> Option<Arc<dyn EventLoop>> {
    known().find_map(|foreign| (foreign.running)())
}

/// Returns true if a runtime of others will wake the task.
pub(crate) fn defer(waker: &Waker) -> bool {
    known().any(|foreign| (foreign.defer)(waker))
}

fn known() -> impl Iterator<Item = &'static Foreign> {
    KNOWN.iter().map_while(OnceLock::get)
}

impl Foreign {
    fn is(&self, other: &Self) -> bool {
        // By address. Where equal functions have several, one is asked twice.
        self.is_polling as usize == other.is_polling as usize
            && self.running as usize == other.running as usize
            && self.defer as usize == other.defer as usize
    }
}
