//! The promise of a loop that waits for completion.

/// Waits until operations are complete (io_uring, IOCP), with buffers that it owns
/// meanwhile.
///
/// ```
/// use policy_core::{EventLoop, Proactor};
///
/// fn how(event_loop: &dyn EventLoop) -> &'static str {
///     match event_loop.proactor() {
///         Ok(proactor) if proactor.is_native() => "the system completes",
///         Ok(_) => "tried and waited for",
///         Err(_) => "not at all",
///     }
/// }
/// # let _how = how;
/// ```
pub trait Proactor: Send + Sync {
    /// Returns true if the system completes operations, false if they are tried
    /// and waited for.
    fn is_native(&self) -> bool;
}
