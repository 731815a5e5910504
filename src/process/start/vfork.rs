//! Our own way to start a child on Linux: `clone3`, with a pidfd from birth.
//!
//! The child shares this process's memory and stops the calling thread until it is its
//! program (`CLONE_VM | CLONE_VFORK`), as glibc's `posix_spawn` and Go do it. That copies
//! no page tables, however large this process is, and lets an error come back by memory.
//! What is known to go wrong there, and why it does not here:
//!
//! | pitfall | answer |
//! |---|---|
//! | a handler of this process runs in the child, on our memory | all signals are blocked before, libc's own (cancellation, `setxid`) too; the child has no handlers (`CLONE_CLEAR_SIGHAND`) before it lets signals through |
//! | the child changes `errno`, or what else belongs to the thread | it makes system calls by the instruction, and calls nothing of libc |
//! | `setuid` of libc tells all threads of the parent | the same |
//! | both use one stack | the child has its own, with a guard page |
//! | a child with other rights can be looked into, and changes what the kernel notes of our memory | one that becomes another user gets a copy of the memory: see [`Plan::may_share_memory`] |
//! | a start that fails is reaped by `waitpid(-1)`, by the kernel where SIGCHLD is ignored, or rings a handler of SIGCHLD | until it is its program, the child ends without a signal, and nobody finds it who does not name it |
//! | a control group is to be joined | the child is born in it (`CLONE_INTO_CGROUP`), so that its limits hold from the beginning |
//! | that group has no memory left | the kernel kills nobody in the middle of `vfork`, who asks for a page for ever: it gets a copy of the memory |
//! | old kernels and sandboxes | answer ENOSYS, EINVAL or EPERM before there is a child: std starts it |
#![allow(unsafe_code, reason = "system calls, and a stack that is given to one")]

use std::arch::asm;
use std::cell::UnsafeCell;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};

use policy_core::local::fork_generation;

use super::calls::{self, Errno};
use super::plan::{BornIn, Failed, Plan};

/// A process that is its program by now.
#[derive(Debug)]
pub(super) struct Born {
    pub(super) pid: u32,
    /// `None`: no descriptor was left.
    pub(super) pidfd: Option<OwnedFd>,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum Stillborn {
    /// Not in this way, here.
    Unsupported,
    /// There can be no process now.
    Refused(io::Error),
    /// There was one, which failed and is reaped.
    Failed(Failed),
}

/// Whether the kernel and the sandbox allow it. Nothing is started: the argument is of no
/// size, which is an error of its own.
pub(in crate::process) fn works() -> io::Result<()> {
    // SAFETY: the kernel reads nothing of an argument whose size it refuses.
    unsafe { libc::syscall(libc::SYS_clone3, std::ptr::null::<CloneArgs>(), 0) };
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::EINVAL) { Ok(()) } else { Err(error) }
}

/// The error that the kernel or the sandbox refuses it with; 0: it does not.
static REFUSED_WITH: AtomicI32 = AtomicI32::new(0);

/// Returns true if libc's `posix_spawn` is refused as well, and only `fork` goes: glibc asks
/// for `clone3`, too, and does without if that is not known, but not if it is not allowed.
pub(super) fn only_fork_goes() -> bool {
    !matches!(REFUSED_WITH.load(Ordering::Relaxed), 0 | libc::ENOSYS)
}

/// Starts a child that carries out a plan.
pub(super) fn start(plan: &Plan) -> Result<Born, Stillborn> {
    if REFUSED_WITH.load(Ordering::Relaxed) != 0 {
        return Err(Stillborn::Unsupported);
    }
    let mut born = attempt(plan, plan.cgroup());
    // Before Linux 5.7 no child is born there; and what else stands in the way is said by the
    // child, which tries to join.
    if plan.cgroup().is_some()
        && matches!(&born, Err(Stillborn::Refused(error)) if !is_shortage(error))
    {
        born = attempt(plan, None);
    }
    if let Err(Stillborn::Refused(error)) = &born {
        if let Some(errno @ (libc::ENOSYS | libc::EINVAL | libc::EPERM)) = error.raw_os_error() {
            REFUSED_WITH.store(errno, Ordering::Relaxed);
            log::info!("no `clone3` here ({error}); children are started by std");
            return Err(Stillborn::Unsupported);
        }
    }
    born
}

/// As it may pass, and is not to be got round: that is what a limit of a control group looks like.
fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE))
}

fn attempt(plan: &Plan, cgroup: Option<RawFd>) -> Result<Born, Stillborn> {
    match attempt_with(plan, cgroup, true) {
        // A child can do without a pidfd: then a thread waits for it.
        Err(Stillborn::Refused(error))
            if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) =>
        {
            attempt_with(plan, cgroup, false)
        }
        born => born,
    }
}

fn attempt_with(plan: &Plan, cgroup: Option<RawFd>, with_pidfd: bool) -> Result<Born, Stillborn> {
    const CLONE_CLEAR_SIGHAND: u64 = 1 << 32;
    const CLONE_INTO_CGROUP: u64 = 1 << 33;

    let stack = Stack::take().map_err(Stillborn::Refused)?;
    let shares_memory = plan.may_share_memory();
    let report = Report::new(shares_memory).map_err(Stillborn::Refused)?;
    let mut pidfd: RawFd = -1;
    let mut flags = libc::CLONE_VFORK as u64 | CLONE_CLEAR_SIGHAND;
    if shares_memory {
        flags |= libc::CLONE_VM as u64;
    }
    if with_pidfd {
        flags |= libc::CLONE_PIDFD as u64;
    }
    if cgroup.is_some() {
        flags |= CLONE_INTO_CGROUP;
    }
    let clone = CloneArgs {
        flags,
        pidfd: (&raw mut pidfd).expose_provenance() as u64,
        // No signal: `execve` makes it SIGCHLD, as for all children.
        exit_signal: 0,
        stack: stack.base.as_ptr().expose_provenance() as u64,
        stack_size: Stack::SIZE as u64,
        cgroup: cgroup.map_or(0, |folder| folder as u64),
        ..CloneArgs::default()
    };
    let born = if cgroup.is_some() { BornIn::Cgroup } else { BornIn::Place };
    let job = Job { plan, born, report: report.place() };
    let former = calls::set_mask(u64::MAX)
        .map_err(|errno| Stillborn::Refused(io::Error::from_raw_os_error(errno)))?;
    // SAFETY: the stack is nobody else's until this returns, and so is `report`; `job` and
    // all that it points to lives as long; no signal can interrupt the child.
    let cloned = unsafe { clone3(&clone, &job) };
    // It was so before.
    let _set = calls::set_mask(former);
    stack.give_back();
    let pid = match cloned {
        Ok(pid) => pid as u32,
        Err(errno) => return Err(Stillborn::Refused(io::Error::from_raw_os_error(errno))),
    };
    // SAFETY: the call has just given this descriptor to us.
    let pidfd = (pidfd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) });
    match report.read() {
        None => Ok(Born { pid, pidfd }),
        Some(failed) => {
            reap(pid);
            Err(Stillborn::Failed(failed))
        }
    }
}

/// Reaps a child that has not become its program. Nobody else can have done so.
fn reap(pid: u32) {
    let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    loop {
        let flags = libc::WEXITED | libc::__WALL;
        // SAFETY: a valid place to write to.
        let waited = unsafe { libc::waitid(libc::P_PID, pid, info.as_mut_ptr(), flags) };
        if waited == 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

/// The kernel's `struct clone_args`.
#[derive(Debug, Default)]
#[repr(C)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// What a child has to do, and where it says that it could not.
struct Job<'a> {
    plan: &'a Plan,
    born: BornIn,
    report: *mut Option<Failed>,
}

/// Where the child's life begins and, unless it becomes its program, ends.
unsafe extern "C" fn live(job: *const Job<'_>) -> ! {
    // SAFETY: the parent stands still until this process has another memory or none: its
    // `job` is there, and nobody else has the report.
    let job = unsafe { &*job };
    if let Err(failed) = job.plan.run(job.born) {
        // SAFETY: as above.
        unsafe { job.report.write_volatile(Some(failed)) };
    }
    calls::exit(127)
}

/// Makes a process that calls [`live`] on a stack of its own.
///
/// # Safety
/// `args` names a stack that nobody else uses before this returns, and asks for a process
/// that stops this thread (`CLONE_VFORK`). All signals are blocked.
#[cfg(target_arch = "x86_64")]
unsafe fn clone3(args: &CloneArgs, job: &Job<'_>) -> Result<usize, Errno> {
    let returned: isize;
    // SAFETY: in the parent this is a system call as any other. In the child `rsp` is the
    // end of its stack, aligned to 16 as a call must find it; it goes on in `live`, which
    // does not return, so that nothing of this frame is used there. The registers that the
    // compiler keeps things in are the parent's again when the parent goes on.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            // Frames end here, for whoever walks the stack.
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 as isize => returned,
            in("rdi") ptr::from_ref(args),
            in("rsi") size_of::<CloneArgs>(),
            in("r12") ptr::from_ref(job),
            in("r13") live as unsafe extern "C" fn(*const Job<'_>) -> !,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    calls::result(returned)
}

/// See above.
///
/// # Safety
/// As above.
#[cfg(target_arch = "aarch64")]
unsafe fn clone3(args: &CloneArgs, job: &Job<'_>) -> Result<usize, Errno> {
    let returned: isize;
    // SAFETY: as above: `sp` is the end of the child's stack, aligned to 16.
    unsafe {
        asm!(
            "svc 0",
            "cbnz x0, 2f",
            // Frames end here, for whoever walks the stack.
            "mov x29, xzr",
            "mov x0, x20",
            "blr x21",
            "brk 1",
            "2:",
            in("x8") libc::SYS_clone3,
            inlateout("x0") ptr::from_ref(args) => returned,
            in("x1") size_of::<CloneArgs>(),
            in("x20") ptr::from_ref(job),
            in("x21") live as unsafe extern "C" fn(*const Job<'_>) -> !,
        );
    }
    calls::result(returned)
}

/// Where a child writes why it failed.
struct Report {
    place: NonNull<UnsafeCell<Option<Failed>>>,
    /// A page that a copy of our memory shares with it.
    is_mapped: bool,
}

impl Report {
    fn new(shares_memory: bool) -> io::Result<Self> {
        let place = if shares_memory {
            NonNull::from(Box::leak(Box::new(UnsafeCell::new(None))))
        } else {
            let size = size_of::<Option<Failed>>();
            let place = map(size, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED)?.cast();
            // SAFETY: a page that was just mapped, and is larger than this.
            unsafe { place.write(UnsafeCell::new(None)) };
            place
        };
        Ok(Self { place, is_mapped: !shares_memory })
    }

    fn place(&self) -> *mut Option<Failed> {
        // SAFETY: it is there until this is dropped.
        unsafe { self.place.as_ref() }.get()
    }

    fn read(&self) -> Option<Failed> {
        // SAFETY: the child, the only other who has it, is gone or is its program.
        unsafe { self.place().read_volatile() }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if self.is_mapped {
            // SAFETY: this is what was mapped.
            unsafe { libc::munmap(self.place.as_ptr().cast(), size_of::<Option<Failed>>()) };
        } else {
            // SAFETY: made of a box, once.
            drop(unsafe { Box::from_raw(self.place.as_ptr()) });
        }
    }
}

/// A child's stack. Kept for the next child: it is free again once `clone3` returns.
struct Stack {
    /// The lowest address, above a page that must not be touched.
    base: NonNull<u8>,
    /// A forked copy of the process has its own.
    generation: u64,
}

// SAFETY: memory that nobody else points to.
unsafe impl Send for Stack {}

static SPARE: Mutex<Vec<Stack>> = Mutex::new(Vec::new());

impl Stack {
    /// The child's calls are few and small; those of a debug build need 3 KiB.
    const SIZE: usize = 64 * 1024;
    const USED: usize = 16 * 1024;
    /// The largest page there is.
    const GUARD: usize = 64 * 1024;
    /// As many as children are started at once, on most machines.
    const SPARES: usize = 16;

    fn take() -> io::Result<Self> {
        let spare = spare().and_then(|mut spare| spare.pop());
        match spare.filter(|stack| stack.generation == fork_generation()) {
            Some(stack) => Ok(stack),
            None => Self::new(),
        }
    }

    fn new() -> io::Result<Self> {
        let kind = libc::MAP_PRIVATE | libc::MAP_STACK | libc::MAP_NORESERVE;
        let lowest = map(Self::GUARD + Self::SIZE, libc::PROT_NONE, kind)?;
        // SAFETY: within what was just mapped.
        let base = unsafe { lowest.add(Self::GUARD) };
        let stack = Self { base, generation: fork_generation() };
        // SAFETY: nobody else has this memory.
        let opened = unsafe {
            libc::mprotect(base.as_ptr().cast(), Self::SIZE, libc::PROT_READ | libc::PROT_WRITE)
        };
        if opened == -1 {
            return Err(io::Error::last_os_error());
        }
        // Ours, so that the child needs no page of its own: its control group may have none.
        for below_end in (1..=Self::USED).step_by(4096) {
            // SAFETY: within what can be written, and nobody else has it.
            unsafe { base.add(Self::SIZE - below_end).write_volatile(0) };
        }
        Ok(stack)
    }

    fn give_back(self) {
        if let Some(mut spare) = spare() {
            if spare.len() < Self::SPARES {
                spare.push(self);
            }
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: this is what was mapped, and nobody uses it any more.
        unsafe {
            let lowest = self.base.as_ptr().sub(Self::GUARD);
            libc::munmap(lowest.cast(), Self::GUARD + Self::SIZE);
        }
    }
}

/// A lock that another thread held when the process was forked stays locked in the copy:
/// only tried.
fn spare() -> Option<MutexGuard<'static, Vec<Stack>>> {
    match SPARE.try_lock() {
        Ok(spare) => Some(spare),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

fn map(size: usize, protection: i32, kind: i32) -> io::Result<NonNull<u8>> {
    let flags = kind | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping, wherever there is room.
    let place = unsafe { libc::mmap(ptr::null_mut(), size, protection, flags, -1, 0) };
    if place == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(place.cast()).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}
