//! Whether the loop that runs this code notices what it waits for.

use std::sync::Arc;

use policy_core::clock::Outside;
use policy_core::{EventLoop, context};

use super::running;

/// Says to the loop that this code is inside of that something outside is waited for,
/// so that its clock, while paused, does not jump.
pub(crate) fn outside() -> Option<Outside> {
    context::with_ambient(|event_loop| event_loop.state().outside())
}

/// Returns the loop that runs this code, if it will notice when something is ready: one
/// that was only entered (`policy::within`, another executor's `block_on`) need not be
/// run by anybody.
pub(crate) fn driven() -> Option<Arc<dyn EventLoop>> {
    running().filter(|event_loop| {
        !event_loop.is_closed()
            && (event_loop.is_running() || event_loop.is_self_driving())
            && !may_stand_still(event_loop)
    })
}

/// Returns true for a runtime of others that this thread has entered and does not run:
/// if it has one thread, nobody may.
fn may_stand_still(_event_loop: &Arc<dyn EventLoop>) -> bool {
    #[cfg(feature = "tokio")]
    if _event_loop.state().is_borrowed() {
        return !policy_tokio::is_polling();
    }
    false
}
