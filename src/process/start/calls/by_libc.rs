//! System calls by libc, in a forked copy of the process: all are safe after `fork`
//! (signal-safety(7)).
#![allow(unsafe_code, reason = "system calls; each wrapper says what its caller must see to")]

use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;
use std::os::fd::RawFd;

use super::Errno;
use crate::process::sys::{Limit, Resource};

fn check(returned: c_int) -> Result<c_int, Errno> {
    if returned == -1 { Err(last()) } else { Ok(returned) }
}

fn last() -> Errno {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// Returns a copy of a descriptor whose number is not below `lowest`, and which the
/// program does not get.
pub(in crate::process::start) fn dup_above(fd: RawFd, lowest: RawFd) -> Result<RawFd, Errno> {
    // SAFETY: takes numbers.
    check(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, lowest) })
}

/// Gives a descriptor another number, which the program gets. The two differ.
pub(in crate::process::start) fn dup_onto(fd: RawFd, number: RawFd) -> Result<(), Errno> {
    // SAFETY: takes numbers.
    check(unsafe { libc::dup2(fd, number) }).map(drop)
}

/// Lets the program have a descriptor.
pub(in crate::process::start) fn keep(fd: RawFd) -> Result<(), Errno> {
    // SAFETY: takes numbers.
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, 0) }).map(drop)
}

/// Keeps all descriptors from this number on from the program: there is no such call here.
pub(in crate::process::start) fn keep_none_from(_lowest: RawFd) -> Result<(), Errno> {
    Err(libc::ENOSYS)
}

/// Opens `/dev/null`; the program does not get this number.
pub(in crate::process::start) fn open_null(flags: c_int) -> Result<RawFd, Errno> {
    // SAFETY: a path that ends in NUL.
    check(unsafe { libc::open(c"/dev/null".as_ptr(), flags | libc::O_CLOEXEC) })
}

pub(in crate::process::start) fn new_session() -> Result<(), Errno> {
    // SAFETY: takes nothing.
    check(unsafe { libc::setsid() }).map(drop)
}

pub(in crate::process::start) fn group_of(process: u32) -> Result<i32, Errno> {
    // SAFETY: takes a number.
    check(unsafe { libc::getpgid(process as libc::pid_t) })
}

pub(in crate::process::start) fn join_group(group: i32) -> Result<(), Errno> {
    // SAFETY: takes numbers.
    check(unsafe { libc::setpgid(0, group) }).map(drop)
}

/// Joins the control group in this folder.
pub(in crate::process::start) fn join_cgroup(folder: RawFd) -> Result<(), Errno> {
    let flags = libc::O_WRONLY | libc::O_CLOEXEC;
    // SAFETY: a path that ends in NUL.
    let members = check(unsafe { libc::openat(folder, c"cgroup.procs".as_ptr(), flags) })?;
    // SAFETY: one byte to read: whoever writes it.
    match unsafe { libc::write(members, c"0".as_ptr().cast(), 1) } {
        -1 => Err(last()),
        _ => Ok(()),
    }
}

/// Makes a terminal the one of this session, which has none.
pub(in crate::process::start) fn control(terminal: RawFd) -> Result<(), Errno> {
    // SAFETY: takes numbers.
    check(unsafe { libc::ioctl(terminal, libc::TIOCSCTTY as _, 0) }).map(drop)
}

/// Puts the child's group in the foreground of a terminal. Signals are blocked from here on
/// until the plan lets them through: SIGTTOU would stop who asks for that in the background.
pub(in crate::process::start) fn come_forward(terminal: RawFd) -> Result<(), Errno> {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigfillset` fills the set; there is nowhere to write.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), std::ptr::null_mut());
    }
    // SAFETY: takes numbers.
    check(unsafe { libc::tcsetpgrp(terminal, libc::getpgrp()) }).map(drop)
}

pub(in crate::process::start) fn set_limit(resource: Resource, limit: Limit) -> Result<(), Errno> {
    let cut = |limit: u64| match limit {
        u64::MAX => libc::RLIM_INFINITY,
        limit => limit as libc::rlim_t,
    };
    let limit = libc::rlimit { rlim_cur: cut(limit.soft), rlim_max: cut(limit.hard) };
    // SAFETY: a valid structure.
    check(unsafe { libc::setrlimit(resource, &raw const limit) }).map(drop)
}

pub(in crate::process::start) fn set_nice(nice: i32) -> Result<(), Errno> {
    // SAFETY: takes numbers.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS as _, 0, nice) }).map(drop)
}

pub(in crate::process::start) fn set_umask(mask: u32) -> Result<(), Errno> {
    // SAFETY: takes a number.
    unsafe { libc::umask(mask as libc::mode_t) };
    Ok(())
}

pub(in crate::process::start) fn set_groups(groups: &[u32]) -> Result<(), Errno> {
    // SAFETY: as many numbers as it says.
    check(unsafe { libc::setgroups(groups.len() as _, groups.as_ptr().cast()) }).map(drop)
}

pub(in crate::process::start) fn set_gid(id: u32) -> Result<(), Errno> {
    // SAFETY: takes a number.
    check(unsafe { libc::setgid(id) }).map(drop)
}

pub(in crate::process::start) fn set_uid(id: u32) -> Result<(), Errno> {
    // SAFETY: takes a number.
    check(unsafe { libc::setuid(id) }).map(drop)
}

/// # Safety
/// A path that ends in NUL.
pub(in crate::process::start) unsafe fn enter(folder: *const c_char) -> Result<(), Errno> {
    // SAFETY: by the caller.
    check(unsafe { libc::chdir(folder) }).map(drop)
}

pub(in crate::process::start) fn enter_open(folder: RawFd) -> Result<(), Errno> {
    // SAFETY: takes a number.
    check(unsafe { libc::fchdir(folder) }).map(drop)
}

pub(in crate::process::start) fn set_death_signal(signal: i32) -> Result<(), Errno> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: takes a number.
    return check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal as libc::c_ulong) })
        .map(drop);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _none = signal;
        Err(libc::ENOSYS)
    }
}

/// Returns 0 if the parent is in another pid namespace.
pub(in crate::process::start) fn parent() -> Result<u32, Errno> {
    // SAFETY: takes nothing and can't fail.
    Ok(unsafe { libc::getppid() as u32 })
}

/// Lets SIGPIPE do what it does by default; Rust programs ignore it.
pub(in crate::process::start) fn reset_sigpipe() -> Result<(), Errno> {
    // SAFETY: the default is no function of ours.
    match unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) } {
        libc::SIG_ERR => Err(last()),
        _ => Ok(()),
    }
}

/// Lets all signals through.
pub(in crate::process::start) fn unblock_signals() -> Result<(), Errno> {
    let mut none = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` fills the set; there is nowhere to write.
    match unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut())
    } {
        0 => Ok(()),
        errno => Err(errno),
    }
}

/// Becomes the program, or says why not.
///
/// # Safety
/// A path that ends in NUL, and two arrays of such strings that end in null.
pub(in crate::process::start) unsafe fn execute(
    program: *const c_char,
    args: *const *const c_char,
    vars: *const *const c_char,
) -> Errno {
    // SAFETY: by the caller.
    unsafe { libc::execve(program, args, vars) };
    last()
}

/// Ends this process, and nothing else: no handlers, no destructors.
pub(in crate::process::start) fn exit(code: i32) -> ! {
    // SAFETY: takes a number, and does not return.
    unsafe { libc::_exit(code) }
}
