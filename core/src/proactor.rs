//! The promise of a loop that waits for completion.

/// Waits until operations are complete (io_uring, IOCP), with buffers that it owns
/// meanwhile.
pub trait Proactor: Send + Sync {
    /// Returns true if the system completes operations, false if they are tried
    /// and waited for.
    fn is_native(&self) -> bool;
}
