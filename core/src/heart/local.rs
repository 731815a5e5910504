//! What belongs to one thread or one process: the tasks that stay on a thread, which thread is the
//! main one, and whether this process was forked.
#![allow(unsafe_code, reason = "calls of libc without pointers, but for one to a constant")]

#[cfg(unix)]
use std::sync::Once;
#[cfg(unix)]
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::LoopId;

/// Cancels the tasks of a loop that are bound to this thread. Only for an adapter that must drop
/// its tasks before something of its own; otherwise the loop does it when it closes, and the thread
/// when it ends.
///
/// ```
/// use policy_core::{LoopKind, LoopState, local};
///
/// local::cancel(LoopState::new("my-executor", LoopKind::Selector).id()); // it has none
/// ```
pub fn cancel(id: LoopId) {
    crate::heart::close_local(id);
}

/// Returns true on the thread that the process started with.
///
/// ```
/// assert!(!std::thread::spawn(policy_core::local::is_main_thread).join().unwrap());
/// ```
pub fn is_main_thread() -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: neither call takes a pointer or can fail.
    return unsafe { libc::gettid() == libc::getpid() };
    #[cfg(any(target_vendor = "apple", target_os = "freebsd", target_os = "openbsd"))]
    // SAFETY: takes nothing and can't fail.
    return unsafe { libc::pthread_main_np() == 1 };
    #[cfg(not(any(
        target_os = "linux",
        target_os = "android",
        target_vendor = "apple",
        target_os = "freebsd",
        target_os = "openbsd"
    )))]
    // std names the main thread, and only careless programs name another so.
    return std::thread::current().name() == Some("main");
}

/// In which process something was made: a child of `fork` has its memory, and none of the
/// threads that belong to it. Not the number of the process, which comes again: 1 in each
/// namespace.
///
/// ```
/// use policy_core::local::Generation;
///
/// let made = Generation::current();
/// assert!(!made.is_past()); // as long as nobody forks
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation(#[cfg(unix)] u64);

impl Generation {
    /// Returns that of this process.
    ///
    /// ```
    /// use policy_core::local::Generation;
    ///
    /// assert_eq!(Generation::current(), Generation::current());
    /// ```
    #[inline]
    pub fn current() -> Self {
        Self(
            #[cfg(unix)]
            fork_generation(),
        )
    }

    /// Returns true in a forked child of the process that this is of.
    ///
    /// ```
    /// assert!(!policy_core::local::Generation::current().is_past());
    /// ```
    #[inline]
    pub fn is_past(self) -> bool {
        self != Self::current()
    }
}

/// Returns a number that differs between a process and its forked children. One relaxed load: cheap
/// enough for every use of a loop.
///
/// ```
/// use policy_core::local::fork_generation;
///
/// assert_eq!(fork_generation(), fork_generation()); // no fork between the two
/// ```
#[cfg(unix)]
#[inline]
pub fn fork_generation() -> u64 {
    match GENERATION.load(Relaxed) {
        0 => watch_forks(),
        generation => generation,
    }
}

/// Ends a forked child whose only thread has nothing to return to. At once: what `exit` calls
/// may wait for the threads of the parent.
#[cfg(unix)]
pub(crate) fn exit_child() {
    const SAID: &str = "event-loop-policy: a task forked on a worker thread of its event loop, \
                        and can't go on in the child; call `exec` or `_exit` there\n";
    // SAFETY: the bytes are there for as long as the call takes; `_exit` takes no pointer.
    // Not by std, whose lock another thread may have held when this one forked.
    unsafe {
        let _said = libc::write(2, SAID.as_ptr().cast(), SAID.len());
        libc::_exit(1)
    }
}

/// Nothing forks there.
#[cfg(not(unix))]
pub(crate) fn exit_child() {}

/// 0 until forks are watched.
#[cfg(unix)]
static GENERATION: AtomicU64 = AtomicU64::new(0);

#[cfg(unix)]
#[cold]
fn watch_forks() -> u64 {
    static WATCHED: Once = Once::new();

    extern "C" fn in_child() {
        // Only an atomic: a forked child of a process with threads may do little.
        GENERATION.fetch_add(1, Relaxed);
    }

    WATCHED.call_once(|| {
        // SAFETY: a function without arguments, which lives as long as the process.
        let refused = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        if refused != 0 {
            // Without memory for the hook a forked child is not noticed.
            log::warn!("pthread_atfork failed ({refused}); do not use event loops after `fork`");
        }
        GENERATION.store(1, Relaxed);
    });
    GENERATION.load(Relaxed)
}
