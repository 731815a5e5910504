//! The handler of SIGCHLD: rings, and calls whoever was there before.
#![allow(unsafe_code, reason = "a signal handler, and what it may touch")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicUsize, Ordering};

/// Where the handler writes; -1 before there is one.
static RING: AtomicI32 = AtomicI32::new(-1);

/// What the handler calls after that. Never freed: a handler may be running.
static PREVIOUS: AtomicPtr<libc::sigaction> = AtomicPtr::new(ptr::null_mut());

/// The thread that calls the handler before, as far as is known: others may overwrite
/// it, which costs a circle another round.
static CHAINING: AtomicUsize = AtomicUsize::new(0);

/// Our two ends. Never closed: a handler may be about to write.
static ALARM: OnceLock<(UnixStream, UnixStream)> = OnceLock::new();

/// Puts the handler in place, unless it is there.
///
/// # Errors
/// If there are no descriptors left.
pub(super) fn install() -> io::Result<()> {
    if ALARM.get().is_none() {
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        let (_, write) = ALARM.get_or_init(|| (read, write));
        RING.store(write.as_raw_fd(), Ordering::Release);
    }
    if is_installed() {
        return Ok(());
    }
    let previous = current();
    // First what is to be called, then who calls it: a signal may come in between.
    PREVIOUS.store(Box::into_raw(Box::new(previous)), Ordering::Release);
    let mut action = empty();
    action.sa_sigaction = ours();
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    if !is_function(&previous) || previous.sa_flags & libc::SA_NOCLDSTOP != 0 {
        // Nobody wants to hear of children that stop.
        action.sa_flags |= libc::SA_NOCLDSTOP;
    }
    replace(&action)
}

/// Puts the former handler back. Returns false, and changes nothing, if somebody has
/// put another in place of ours.
pub(super) fn uninstall() -> bool {
    if !is_installed() {
        return false;
    }
    let previous = PREVIOUS.load(Ordering::Acquire);
    if previous.is_null() {
        return false;
    }
    // SAFETY: it is from `Box::into_raw` and never freed.
    let previous = unsafe { *previous };
    replace(&previous).is_ok()
}

/// Returns true while SIGCHLD calls our handler first.
pub(super) fn is_installed() -> bool {
    current().sa_sigaction == ours()
}

/// Waits on this thread until the handler has rung, or so long at most.
pub(super) fn wait_for_ring(milliseconds: i32) {
    let Some((read, _)) = ALARM.get() else {
        // No descriptors were left; nothing rings.
        let pause = u64::try_from(milliseconds).unwrap_or(0);
        return std::thread::sleep(std::time::Duration::from_millis(pause));
    };
    if super::sys::wait_readable(read.as_fd(), milliseconds) {
        drain(read.as_fd());
    }
}

/// Rings as the handler does.
pub(super) fn ring() {
    let fd = RING.load(Ordering::Acquire);
    if fd >= 0 {
        // SAFETY: the descriptor is never closed; one byte is read from a valid place.
        unsafe { libc::write(fd, ptr::from_ref(&1u8).cast(), 1) };
    }
}

/// Lets SIGCHLD through to this thread, whatever it inherited.
pub(super) fn unblock() {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` initializes the set; only this thread's mask is changed.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut());
    }
}

fn drain(read: BorrowedFd<'_>) {
    let mut buffer = [0; 512];
    while rustix::io::read(read, &mut buffer).is_ok_and(|read| read == buffer.len()) {}
}

/// Async-signal-safe: atomics, `write`, and the handler before.
extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: always valid, and of this thread; what was interrupted finds its errno.
    let before = unsafe { *errno() };
    ring();
    // SAFETY: as above.
    unsafe { *errno() = before };
    let previous = PREVIOUS.load(Ordering::Acquire);
    if previous.is_null() {
        return;
    }
    // SAFETY: it is from `Box::into_raw` and never freed.
    let previous = unsafe { &*previous };
    if !is_function(previous) {
        return;
    }
    // The one before may itself call us, if it came between two of our installations.
    // The signal is blocked here, so only such a circle comes back on this thread.
    // SAFETY: takes nothing and can't fail.
    let this_thread = unsafe { libc::pthread_self() } as usize;
    if CHAINING.swap(this_thread, Ordering::AcqRel) == this_thread {
        return;
    }
    if previous.sa_flags & libc::SA_SIGINFO != 0 {
        // SAFETY: the flag says that it is such a function, by whoever put it there.
        let call: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
            unsafe { std::mem::transmute(previous.sa_sigaction) };
        call(signal, info, context);
    } else {
        // SAFETY: without the flag it is a function of the signal alone.
        let call: extern "C" fn(libc::c_int) =
            unsafe { std::mem::transmute(previous.sa_sigaction) };
        call(signal);
    }
    let _other = CHAINING.compare_exchange(this_thread, 0, Ordering::AcqRel, Ordering::Relaxed);
}

fn ours() -> libc::sighandler_t {
    handle as extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void)
        as libc::sighandler_t
}

fn is_function(action: &libc::sigaction) -> bool {
    action.sa_sigaction != libc::SIG_DFL && action.sa_sigaction != libc::SIG_IGN
}

fn empty() -> libc::sigaction {
    // SAFETY: all zeroes is a valid `sigaction`: the default, with an empty mask.
    unsafe { std::mem::zeroed() }
}

pub(super) fn current() -> libc::sigaction {
    let mut action = empty();
    // SAFETY: only asks.
    unsafe { libc::sigaction(libc::SIGCHLD, ptr::null(), &raw mut action) };
    action
}

fn replace(action: &libc::sigaction) -> io::Result<()> {
    // SAFETY: the action is ours, which is async-signal-safe, or the one that was in
    // place before.
    match unsafe { libc::sigaction(libc::SIGCHLD, action, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

unsafe fn errno() -> *mut libc::c_int {
    // SAFETY: takes nothing; the result is valid while the thread lives.
    unsafe {
        #[cfg(target_os = "android")]
        return libc::__errno();
        #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
        return libc::__error();
        #[cfg(any(target_os = "netbsd", target_os = "openbsd"))]
        return libc::__errno();
        #[cfg(not(any(
            target_os = "android",
            target_vendor = "apple",
            target_os = "freebsd",
            target_os = "netbsd",
            target_os = "openbsd"
        )))]
        return libc::__errno_location();
    }
}
