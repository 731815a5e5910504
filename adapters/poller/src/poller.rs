//! The system's own readiness: epoll, or what `polling` finds elsewhere (kqueue, AFD).
//!
//! Edges are waited for where the system has them: a descriptor is registered once, in
//! both directions, and a wait costs no system call.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod epoll;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod others;

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use epoll::Poller;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) use others::Poller;

/// A descriptor that became ready.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) key: usize,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}
