//! Operations that own their buffers: by a loop's own proactor, or by its selector, which tries each
//! and waits for readiness.

mod attached;
mod blocking;
mod emulated;
mod handle;
mod sockets;
#[cfg(unix)]
mod streams;
#[cfg(unix)]
mod sys;
mod whole;

pub use handle::ProactorHandle;
