//! SIGCHLD, for the thread that reaps children: handled by the one handler of all
//! signals, so that listeners and watchers do not take it from each other.

use policy_core::signal::{Bell, CHILDREN, Hold, SignalKind, block_all_but, is_first};

/// What the handler rings.
static BELL: &Bell = &CHILDREN;

/// Puts the handler in place, until the hold is released.
///
/// # Errors
/// If there are no descriptors left.
pub(in crate::process) fn install() -> Result<Hold, policy_core::Error> {
    BELL.open().map_err(|error| {
        policy_core::Error::io(
            "can't hear of SIGCHLD; close descriptors, or raise their limit",
            error,
        )
    })?;
    Hold::new(SignalKind::child())
}

/// Returns true while SIGCHLD calls our handler first.
pub(in crate::process) fn is_installed() -> bool {
    is_first(SignalKind::child())
}

/// Waits on this thread until the handler has rung, or so long at most. Returns true if it
/// has.
pub(in crate::process) fn wait_for_ring(milliseconds: i32) -> bool {
    BELL.wait(milliseconds)
}

/// Rings as the handler does.
pub(in crate::process) fn ring() {
    BELL.ring();
}

/// Keeps signals away from this thread but for SIGCHLD, which comes here where everybody
/// else blocks it.
pub(in crate::process) fn take_only_this() {
    block_all_but(&mut std::iter::once(SignalKind::child().as_raw()));
}
