//! The few calls of the kernel that std and rustix don't offer, or offer by number
//! only.
#![allow(unsafe_code, reason = "system calls; each wrapper is safe to call with any argument")]

use std::io;
use std::mem::MaybeUninit;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::os::fd::FromRawFd;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use super::usage::Usage;

/// Whose exit is asked for.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    /// A child by number: only while it is sure that nobody else reaped it.
    Pid(u32),
    /// A child by identity.
    #[cfg_attr(
        not(any(target_os = "linux", target_os = "android")),
        allow(dead_code, reason = "there are none here")
    )]
    Pidfd(BorrowedFd<'a>),
    /// Whichever child of this process.
    Any,
}

/// What is done with an exit that is found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// Nothing: the zombie stays.
    Look,
    /// The zombie goes.
    Reap,
}

/// The exit of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exit {
    pub(super) pid: u32,
    pub(super) status: ExitStatus,
    /// Where the kernel says so: when it is reaped.
    pub(super) usage: Option<Usage>,
}

/// Asks for an exit, without waiting. `None`: there is one to come.
///
/// # Errors
/// ECHILD if the target is no child of ours, or is reaped already.
pub(super) fn exit_now(target: Target<'_>, take: Take) -> io::Result<Option<Exit>> {
    waitid(target, take, libc::WNOHANG)
}

/// Waits on this thread until the target has exited, and leaves the zombie.
///
/// # Errors
/// As [`exit_now`].
pub(super) fn wait_for_exit(target: Target<'_>) -> io::Result<()> {
    waitid(target, Take::Look, 0).map(drop)
}

fn waitid(target: Target<'_>, take: Take, flags: libc::c_int) -> io::Result<Option<Exit>> {
    let (kind, id) = match target {
        Target::Pid(pid) => (libc::P_PID, pid),
        #[cfg(any(target_os = "linux", target_os = "android"))]
        Target::Pidfd(fd) => (libc::P_PIDFD, fd.as_raw_fd() as libc::id_t),
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        Target::Pidfd(_) => return Err(io::ErrorKind::Unsupported.into()),
        Target::Any => (libc::P_ALL, 0),
    };
    let keep = if take == Take::Look { libc::WNOWAIT } else { 0 };
    // One that is named may not be its program yet, and has no signal for its end then.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let keep = if matches!(target, Target::Any) { keep } else { keep | libc::__WALL };
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let mut used = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both places are valid for writes; the other arguments are numbers.
        let result = unsafe {
            waitid_with_usage(
                kind,
                id as _,
                info.as_mut_ptr(),
                libc::WEXITED | flags | keep,
                used.as_mut_ptr(),
            )
        };
        if result == 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: all zeroes is a valid `rusage`, and the call wrote nothing else.
    let used = unsafe { used.assume_init() };
    // SAFETY: all zeroes is a valid `siginfo_t`, and the call wrote nothing else.
    let info = unsafe { info.assume_init() };
    // SAFETY: `waitid` fills these two fields, or leaves them zero.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    let raw = match info.si_code {
        libc::CLD_EXITED => (status & 0xff) << 8,
        libc::CLD_DUMPED => (status & 0x7f) | 0x80,
        _ => status & 0x7f,
    };
    let usage = (take == Take::Reap && TELLS_USAGE).then(|| Usage::of(&used));
    Ok(Some(Exit { pid: pid as u32, status: ExitStatus::from_raw(raw), usage }))
}

/// The system call has one argument more than the function. Where numbers are short, the
/// kernel's structure is another than libc's.
#[cfg(all(any(target_os = "linux", target_os = "android"), target_pointer_width = "64"))]
unsafe fn waitid_with_usage(
    kind: libc::idtype_t,
    id: libc::id_t,
    info: *mut libc::siginfo_t,
    options: libc::c_int,
    usage: *mut libc::rusage,
) -> libc::c_long {
    // SAFETY: the caller's.
    unsafe { libc::syscall(libc::SYS_waitid, kind, id, info, options, usage) }
}

#[cfg(all(any(target_os = "linux", target_os = "android"), target_pointer_width = "64"))]
const TELLS_USAGE: bool = true;

#[cfg(not(all(any(target_os = "linux", target_os = "android"), target_pointer_width = "64")))]
unsafe fn waitid_with_usage(
    kind: libc::idtype_t,
    id: libc::id_t,
    info: *mut libc::siginfo_t,
    options: libc::c_int,
    _usage: *mut libc::rusage,
) -> libc::c_int {
    // SAFETY: the caller's.
    unsafe { libc::waitid(kind, id, info, options) }
}

#[cfg(not(all(any(target_os = "linux", target_os = "android"), target_pointer_width = "64")))]
const TELLS_USAGE: bool = false;

/// Opens a descriptor of a process, which no other process can come to mean.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: takes two numbers. Close-on-exec is implied.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_long::from(signed(pid)?), 0) };
    match i32::try_from(fd) {
        // SAFETY: the call has just given this descriptor to us.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// No such thing here.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn pidfd_open(_pid: u32) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

/// To whom a signal goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// The process.
    One,
    /// The process group that it leads.
    Group,
}

/// Sends a signal by identity. Signal 0 only asks.
///
/// # Errors
/// ESRCH once the process is reaped, EINVAL for a bad number (and for a group,
/// before Linux 6.9), EPERM.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn pidfd_send_signal(fd: BorrowedFd<'_>, signal: i32, whom: Whom) -> io::Result<()> {
    const PIDFD_SIGNAL_PROCESS_GROUP: libc::c_uint = 1 << 2;
    let flags = if whom == Whom::Group { PIDFD_SIGNAL_PROCESS_GROUP } else { 0 };
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open; a null `info` means the default one.
    check(unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, fd.as_raw_fd(), signal, no_info, flags)
    })
}

/// No such thing here.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn pidfd_send_signal(_: BorrowedFd<'_>, _: i32, _: Whom) -> io::Result<()> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

/// Sends a signal by number. The caller knows that the number is still meant.
pub(super) fn kill(pid: u32, signal: i32, whom: Whom) -> io::Result<()> {
    let pid = signed(pid)?;
    let to = if whom == Whom::Group { -pid } else { pid };
    // SAFETY: takes two numbers.
    check(unsafe { libc::kill(to, signal) }.into())
}

/// What the kernel keeps of a process that was reaped (Linux 6.15).
#[cfg(all(
    any(target_os = "linux", target_os = "android"),
    // The others number their ioctls differently.
    not(any(
        target_arch = "mips",
        target_arch = "mips64",
        target_arch = "powerpc",
        target_arch = "powerpc64",
        target_arch = "sparc64"
    ))
))]
pub(super) fn status_after_reap(fd: BorrowedFd<'_>) -> io::Result<Option<ExitStatus>> {
    // The first version of the structure: newer kernels fill no more than its
    // size, which is part of the request's number.
    #[repr(C)]
    #[derive(Default)]
    struct PidfdInfo {
        mask: u64,
        cgroupid: u64,
        ids: [u32; 11],
        exit_code: i32,
    }
    const PIDFD_INFO_EXIT: u64 = 1 << 3;
    // _IOWR(0xFF, 11, struct pidfd_info)
    const PIDFD_GET_INFO: u64 =
        (3 << 30) | ((size_of::<PidfdInfo>() as u64) << 16) | (0xFF << 8) | 11;

    let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
    // SAFETY: the request's number says how large `info` is, so the kernel writes
    // within it; every bit pattern is valid for its fields.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), PIDFD_GET_INFO as _, &raw mut info) };
    check(result.into())?;
    let known = info.mask & PIDFD_INFO_EXIT != 0;
    Ok(known.then(|| ExitStatus::from_raw(info.exit_code)))
}

/// No such thing here.
#[cfg(not(all(
    any(target_os = "linux", target_os = "android"),
    not(any(
        target_arch = "mips",
        target_arch = "mips64",
        target_arch = "powerpc",
        target_arch = "powerpc64",
        target_arch = "sparc64"
    ))
)))]
pub(super) fn status_after_reap(_: BorrowedFd<'_>) -> io::Result<Option<ExitStatus>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Returns when a process began, in ticks since boot: with the number it makes an
/// identity, where there are no pidfds. `None` if that can't be known.
pub(super) fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may contain anything, parentheses too.
    let name_ends = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(stat.get(name_ends + 1..)?).ok()?;
    // Field 22 of proc_pid_stat(5); `rest` begins with field 3.
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Lets orphaned descendants become children of this process, or no longer. Returns
/// what was so before.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn set_subreaper(on: bool) -> io::Result<bool> {
    let mut before: libc::c_int = 0;
    // SAFETY: a valid place to write to.
    check(unsafe { libc::prctl(libc::PR_GET_CHILD_SUBREAPER, &raw mut before) }.into())?;
    // SAFETY: takes a number.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, libc::c_ulong::from(on)) }.into())?;
    Ok(before != 0)
}

/// No such thing here.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn set_subreaper(_on: bool) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Returns true if orphaned descendants become children of this process.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn is_subreaper() -> bool {
    let mut is_one: libc::c_int = 0;
    // SAFETY: a valid place to write to.
    let asked = unsafe { libc::prctl(libc::PR_GET_CHILD_SUBREAPER, &raw mut is_one) };
    (asked == 0 && is_one != 0) || std::process::id() == 1
}

/// No such thing here.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn is_subreaper() -> bool {
    false
}

/// A resource that can be limited: `libc::RLIMIT_…`.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) type Resource = libc::__rlimit_resource_t;
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) type Resource = libc::c_int;

/// A soft and a hard limit; `u64::MAX` is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) soft: u64,
    pub(super) hard: u64,
}

/// Returns true if a descriptor can be read from without waiting.
pub(super) fn is_readable(fd: BorrowedFd<'_>) -> bool {
    wait_readable(fd, 0)
}

/// Waits on this thread until a descriptor can be read from; at most so long.
pub(super) fn wait_readable(fd: BorrowedFd<'_>, milliseconds: i32) -> bool {
    policy_core::os::wait_readable([fd], milliseconds).unwrap_or(false)
}

/// Returns true if the process behind a pidfd is reaped (Linux 6.9; false before).
pub(super) fn has_hung_up(pidfd: BorrowedFd<'_>) -> bool {
    let mut poll = libc::pollfd { fd: pidfd.as_raw_fd(), events: 0, revents: 0 };
    // SAFETY: one valid entry.
    unsafe { libc::poll(&raw mut poll, 1, 0) == 1 && poll.revents & libc::POLLHUP != 0 }
}

/// Waits on this thread until one of the descriptors can be read from, or so long.
pub(super) fn wait_any_readable(fds: &[Arc<OwnedFd>], limit: Duration) -> bool {
    let mut polls: Vec<_> = fds
        .iter()
        .map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 })
        .collect();
    let milliseconds = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: as many valid entries as it says.
    unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, milliseconds) > 0 }
}

/// Returns the descriptor under a number that is no standard stream's: a program that has
/// closed those may open them anew, and a child be given them.
pub(super) fn above_standard(fd: OwnedFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() > libc::STDERR_FILENO {
        return Ok(fd);
    }
    Ok(rustix::io::fcntl_dupfd_cloexec(&fd, libc::STDERR_FILENO + 1)?)
}

/// Makes a pipe, which no child inherits: the end to read from, and the end to write to.
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    #[cfg(not(target_vendor = "apple"))]
    let (reading, writing) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    #[cfg(target_vendor = "apple")]
    let (reading, writing) = {
        let (reading, writing) = rustix::pipe::pipe()?;
        rustix::io::fcntl_setfd(&reading, rustix::io::FdFlags::CLOEXEC)?;
        rustix::io::fcntl_setfd(&writing, rustix::io::FdFlags::CLOEXEC)?;
        (reading, writing)
    };
    Ok((above_standard(reading)?, above_standard(writing)?))
}

/// Returns true if this process has closed one of its standard streams.
pub(super) fn any_standard_closed() -> bool {
    // SAFETY: takes numbers; one that means nothing is an error.
    (0..=libc::STDERR_FILENO).any(|fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1)
}

/// Returns true if this thread lets all signals through.
pub(super) fn blocks_no_signal() -> bool {
    // The kernel's own, those between and libc's are nobody's to block.
    const LAST: libc::c_int = 31;
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` initializes the set, and the call only writes there.
    let set = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), set.as_mut_ptr());
        set.assume_init()
    };
    // SAFETY: an initialized set.
    (1..=LAST).all(|signal| unsafe { libc::sigismember(&raw const set, signal) } != 1)
}

/// Keeps signals away from this thread, which is ours: their handlers belong to
/// the program's threads.
pub(super) fn block_signals() {
    policy_core::signal::block_all_but(&mut std::iter::empty());
}

/// Returns true if the kernel reaps children by itself, because SIGCHLD is ignored.
pub(super) fn kernel_reaps() -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: asks only; all zeroes is a valid `sigaction`.
    let action = unsafe {
        libc::sigaction(libc::SIGCHLD, std::ptr::null(), action.as_mut_ptr());
        action.assume_init()
    };
    action.sa_sigaction == libc::SIG_IGN || action.sa_flags & libc::SA_NOCLDWAIT != 0
}

fn signed(pid: u32) -> io::Result<libc::pid_t> {
    // 0 and -1 mean other things than a process.
    match libc::pid_t::try_from(pid) {
        Ok(pid) if pid > 0 => Ok(pid),
        _ => Err(io::Error::from_raw_os_error(libc::ESRCH)),
    }
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
