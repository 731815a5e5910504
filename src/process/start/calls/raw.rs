//! System calls without libc: by the instruction itself.
#![allow(unsafe_code, reason = "a child that shares memory must not touch libc's state")]

use std::arch::asm;
use std::ffi::{CStr, c_char};
use std::os::fd::RawFd;

use super::Errno;
use crate::process::sys::{Limit, Resource};

/// As the kernel returns it: an error is the negative of its number, from -4095.
pub(in crate::process::start) fn result(returned: isize) -> Result<usize, Errno> {
    if (-4095..0).contains(&returned) { Err(-returned as Errno) } else { Ok(returned as usize) }
}

/// Makes a system call.
///
/// # Safety
/// As the call itself: what the arguments point to must be valid for what it does.
#[inline]
pub(in crate::process::start) unsafe fn call(
    number: libc::c_long,
    args: [usize; 5],
) -> Result<usize, Errno> {
    let [a, b, c, d, e] = args;
    let returned: isize;
    // SAFETY: by the convention of syscall(2): the kernel changes `rax`, `rcx` and `r11`
    // alone, and memory that the caller vouches for.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => returned,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            in("r10") d,
            in("r8") e,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    // SAFETY: as above; the kernel changes `x0` alone.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a as isize => returned,
            in("x1") b,
            in("x2") c,
            in("x3") d,
            in("x4") e,
            options(nostack),
        );
    }
    result(returned)
}

fn numbers(number: libc::c_long, args: [usize; 3]) -> Result<usize, Errno> {
    let [a, b, c] = args;
    // SAFETY: only calls that take numbers come here.
    unsafe { call(number, [a, b, c, 0, 0]) }
}

/// Returns a copy of a descriptor whose number is not below `lowest`, and which the
/// program does not get.
pub(in crate::process::start) fn dup_above(fd: RawFd, lowest: RawFd) -> Result<RawFd, Errno> {
    numbers(libc::SYS_fcntl, [fd as usize, libc::F_DUPFD_CLOEXEC as usize, lowest as usize])
        .map(|fd| fd as RawFd)
}

/// Gives a descriptor another number, which the program gets. The two differ.
pub(in crate::process::start) fn dup_onto(fd: RawFd, number: RawFd) -> Result<(), Errno> {
    numbers(libc::SYS_dup3, [fd as usize, number as usize, 0]).map(drop)
}

/// Lets the program have a descriptor.
pub(in crate::process::start) fn keep(fd: RawFd) -> Result<(), Errno> {
    numbers(libc::SYS_fcntl, [fd as usize, libc::F_SETFD as usize, 0]).map(drop)
}

/// Keeps all descriptors from this number on from the program.
pub(in crate::process::start) fn keep_none_from(lowest: RawFd) -> Result<(), Errno> {
    const CLOSE_RANGE_CLOEXEC: usize = 1 << 2;
    numbers(libc::SYS_close_range, [lowest as usize, u32::MAX as usize, CLOSE_RANGE_CLOEXEC])
        .map(drop)
}

/// Opens `/dev/null`; the program does not get this number.
pub(in crate::process::start) fn open_null(flags: libc::c_int) -> Result<RawFd, Errno> {
    open_at(libc::AT_FDCWD, c"/dev/null", flags)
}

/// Opens a file below a folder; the program does not get its number.
fn open_at(folder: RawFd, path: &CStr, flags: libc::c_int) -> Result<RawFd, Errno> {
    let path = path.as_ptr().expose_provenance();
    let flags = (flags | libc::O_CLOEXEC) as usize;
    // SAFETY: a path that ends in NUL.
    unsafe { call(libc::SYS_openat, [folder as usize, path, flags, 0, 0]) }.map(|fd| fd as RawFd)
}

pub(in crate::process::start) fn new_session() -> Result<(), Errno> {
    numbers(libc::SYS_setsid, [0; 3]).map(drop)
}

pub(in crate::process::start) fn group_of(process: u32) -> Result<i32, Errno> {
    numbers(libc::SYS_getpgid, [process as usize, 0, 0]).map(|group| group as i32)
}

pub(in crate::process::start) fn join_group(group: i32) -> Result<(), Errno> {
    numbers(libc::SYS_setpgid, [0, group as usize, 0]).map(drop)
}

/// Joins the control group in this folder.
pub(in crate::process::start) fn join_cgroup(folder: RawFd) -> Result<(), Errno> {
    let members = open_at(folder, c"cgroup.procs", libc::O_WRONLY)?;
    // Whoever writes it.
    let me = c"0".as_ptr().expose_provenance();
    // SAFETY: one byte to read.
    unsafe { call(libc::SYS_write, [members as usize, me, 1, 0, 0]) }.map(drop)
}

/// Makes a terminal the one of this session, which has none.
pub(in crate::process::start) fn control(terminal: RawFd) -> Result<(), Errno> {
    numbers(libc::SYS_ioctl, [terminal as usize, libc::TIOCSCTTY as usize, 0]).map(drop)
}

/// Puts the child's group in the foreground of a terminal. Signals are blocked from here on
/// until the plan lets them through: SIGTTOU would stop who asks for that in the background.
pub(in crate::process::start) fn come_forward(terminal: RawFd) -> Result<(), Errno> {
    set_mask(u64::MAX)?;
    let group = group_of(0)?;
    let place = (&raw const group).expose_provenance();
    // SAFETY: a number to read.
    unsafe { call(libc::SYS_ioctl, [terminal as usize, libc::TIOCSPGRP as usize, place, 0, 0]) }
        .map(drop)
}

pub(in crate::process::start) fn set_limit(resource: Resource, limit: Limit) -> Result<(), Errno> {
    // `u64::MAX` is `RLIM_INFINITY` here.
    let limit = [limit.soft, limit.hard];
    let limit = (&raw const limit).expose_provenance();
    // SAFETY: `prlimit64` reads two numbers of 64 bits, and writes nothing by a null pointer.
    unsafe { call(libc::SYS_prlimit64, [0, resource as usize, limit, 0, 0]) }.map(drop)
}

pub(in crate::process::start) fn set_nice(nice: i32) -> Result<(), Errno> {
    numbers(libc::SYS_setpriority, [libc::PRIO_PROCESS as usize, 0, nice as usize]).map(drop)
}

pub(in crate::process::start) fn set_umask(mask: u32) -> Result<(), Errno> {
    numbers(libc::SYS_umask, [mask as usize, 0, 0]).map(drop)
}

/// Of this thread only, which is all there is of the child: libc's function would signal
/// the threads of its parent.
pub(in crate::process::start) fn set_groups(groups: &[u32]) -> Result<(), Errno> {
    // SAFETY: as many numbers as it says.
    unsafe {
        call(libc::SYS_setgroups, [groups.len(), groups.as_ptr().expose_provenance(), 0, 0, 0])
    }
    .map(drop)
}

/// See [`set_groups`].
pub(in crate::process::start) fn set_gid(id: u32) -> Result<(), Errno> {
    numbers(libc::SYS_setgid, [id as usize, 0, 0]).map(drop)
}

/// See [`set_groups`].
pub(in crate::process::start) fn set_uid(id: u32) -> Result<(), Errno> {
    numbers(libc::SYS_setuid, [id as usize, 0, 0]).map(drop)
}

/// # Safety
/// A path that ends in NUL.
pub(in crate::process::start) unsafe fn enter(folder: *const c_char) -> Result<(), Errno> {
    // SAFETY: by the caller.
    unsafe { call(libc::SYS_chdir, [folder.expose_provenance(), 0, 0, 0, 0]) }.map(drop)
}

pub(in crate::process::start) fn enter_open(folder: RawFd) -> Result<(), Errno> {
    numbers(libc::SYS_fchdir, [folder as usize, 0, 0]).map(drop)
}

pub(in crate::process::start) fn set_death_signal(signal: i32) -> Result<(), Errno> {
    numbers(libc::SYS_prctl, [libc::PR_SET_PDEATHSIG as usize, signal as usize, 0]).map(drop)
}

/// Returns 0 if the parent is in another pid namespace.
pub(in crate::process::start) fn parent() -> Result<u32, Errno> {
    numbers(libc::SYS_getppid, [0; 3]).map(|pid| pid as u32)
}

/// Lets SIGPIPE do what it does by default; Rust programs ignore it.
pub(in crate::process::start) fn reset_sigpipe() -> Result<(), Errno> {
    // The kernel's `struct sigaction`: handler, flags, restorer, mask. SIG_DFL is 0.
    let default = [0usize; 4];
    let default = (&raw const default).expose_provenance();
    // SAFETY: a whole structure to read, and nowhere to write.
    unsafe {
        call(libc::SYS_rt_sigaction, [libc::SIGPIPE as usize, default, 0, SET_SIZE, 0]).map(drop)
    }
}

/// Lets all signals through.
pub(in crate::process::start) fn unblock_signals() -> Result<(), Errno> {
    set_mask(0).map(drop)
}

/// Sets which signals are blocked on this thread, libc's own included, and returns which
/// were.
pub(in crate::process::start) fn set_mask(mask: u64) -> Result<u64, Errno> {
    let mut former = 0u64;
    let (mask, place) =
        ((&raw const mask).expose_provenance(), (&raw mut former).expose_provenance());
    let args = [libc::SIG_SETMASK as usize, mask, place, SET_SIZE, 0];
    // SAFETY: two sets of the kernel's size, one to read and one to write.
    unsafe { call(libc::SYS_rt_sigprocmask, args) }.map(|_| former)
}

/// The size of the kernel's set of signals.
const SET_SIZE: usize = size_of::<u64>();

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
    unsafe {
        call(
            libc::SYS_execve,
            [program.expose_provenance(), args.expose_provenance(), vars.expose_provenance(), 0, 0],
        )
        .err()
        .unwrap_or(0)
    }
}

/// Ends this process, and nothing else: no handlers, no destructors.
pub(in crate::process::start) fn exit(code: i32) -> ! {
    loop {
        let _never = numbers(libc::SYS_exit_group, [code as usize, 0, 0]);
    }
}
