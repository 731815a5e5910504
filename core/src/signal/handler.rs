//! The signal handler, and the system calls around it.
//!
//! Everything that it touches is atomic and lives for ever. There are two entries of the
//! same handler per signal: if others put theirs over ours and call ours from it, and ours
//! is put over theirs in turn, each entry has one to call, and nobody is left out or called
//! in a circle.
#![allow(unsafe_code, reason = "a signal handler, and what it may touch")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use super::bell::{CHILDREN, LISTENERS, is_this_process};
use super::holders::Holders;

/// More signals than any system has.
pub(super) const SIGNALS: usize = 129;

/// Where a run's Ctrl-C is counted, which nobody else wanted. There is no signal 0.
pub(super) const INTERRUPTS: usize = 0;

/// One that goes under others, and one that goes over those. One alone would have to stay
/// under them, deaf if they don't call it; with a third the story could go on for ever.
pub(super) const ENTRIES: usize = 2;

/// The process that holds signals: in a forked child nobody does until somebody comes.
pub(super) static OWNER: AtomicU64 = AtomicU64::new(0);

static SLOTS: [Slot; SIGNALS] = [const { Slot::new() }; SIGNALS];

/// What the handler knows of a signal.
pub(super) struct Slot {
    /// Who wants it handled.
    pub(super) holders: Holders,
    /// Those of them who hear of it by the bell of all listeners.
    pub(super) listeners: AtomicUsize,
    /// How often it came.
    pub(super) count: AtomicU64,
    /// The thread where the entry over others calls those, as far as is known: another may
    /// overwrite it, which costs a count too many.
    chaining: AtomicUsize,
    /// What each entry calls after that. Never freed: a handler may be running.
    previous: [AtomicPtr<Previous>; ENTRIES],
}

/// Who was there before an entry.
struct Previous {
    function: libc::sighandler_t,
    flags: libc::c_int,
    /// It was to be called once (`SA_RESETHAND`), and was.
    is_spent: AtomicBool,
}

impl Previous {
    fn of(action: &libc::sigaction) -> Self {
        let is_spent = AtomicBool::new(false);
        Self { function: action.sa_sigaction, flags: action.sa_flags, is_spent }
    }

    fn is(&self, other: &Self) -> bool {
        (self.function, self.flags) == (other.function, other.flags)
    }

    fn is_spent(&self) -> bool {
        self.is_spent.load(Ordering::Acquire)
    }
}

impl Slot {
    const fn new() -> Self {
        Self {
            holders: Holders {
                count: AtomicUsize::new(0),
                is_armed: AtomicBool::new(false),
                leaving: AtomicUsize::new(0),
            },
            listeners: AtomicUsize::new(0),
            count: AtomicU64::new(0),
            chaining: AtomicUsize::new(0),
            previous: [const { AtomicPtr::new(ptr::null_mut()) }; ENTRIES],
        }
    }

    /// For a forked child: who wants the signal is in the parent.
    pub(super) fn forget_holders(&self) {
        self.holders.count.store(0, Ordering::Release);
        self.holders.is_armed.store(false, Ordering::Release);
        self.holders.leaving.store(0, Ordering::Release);
        self.listeners.store(0, Ordering::Release);
    }
}

/// Returns the slot of a signal; that of no signal for what is none.
pub(super) fn slot(signal: usize) -> &'static Slot {
    let [none, ..] = &SLOTS;
    SLOTS.get(signal).unwrap_or(none)
}

type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// A static, since functions made from a generic one have no fixed address otherwise.
static HANDLERS: [Handler; ENTRIES] = [handle::<0>, handle::<1>];

/// Async-signal-safe: atomics, `getpid`, `sigaction`, `raise`, `write`, and the handler
/// before.
extern "C" fn handle<const ENTRY: usize>(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: always valid, and of this thread; what was interrupted finds its errno.
    let before = unsafe { *errno() };
    let slot = slot(signal as usize);
    // SAFETY: takes nothing and can't fail.
    let this_thread = unsafe { libc::pthread_self() } as usize;
    // The entry over the others has told of it, and calls one who calls this entry.
    let is_told = ENTRY == 0 && slot.chaining.load(Ordering::Acquire) == this_thread;
    if !is_told {
        deliver(signal, slot, ENTRY);
    }
    if ENTRY > 0 {
        slot.chaining.store(this_thread, Ordering::Release);
    }
    call_previous(slot, ENTRY, signal, info, context);
    if ENTRY > 0 {
        let _other =
            slot.chaining.compare_exchange(this_thread, 0, Ordering::AcqRel, Ordering::Relaxed);
    }
    // SAFETY: as above.
    unsafe { *errno() = before };
}

fn deliver(signal: libc::c_int, slot: &Slot, entry: usize) {
    if is_owner() && slot.holders.any() {
        return tell(signal, slot);
    }
    if current(signal).ok().and_then(|top| entry_of(&top)).is_none() {
        // Somebody else's handler called this one: what becomes of the signal is up to
        // them.
        return;
    }
    let before = previous(slot, entry);
    if before.is_some_and(|before| before.function != libc::SIG_DFL && !before.is_spent()) {
        // That is what it means where nobody wants it.
        return;
    }
    // The last has just gone, or this is a forked child: then it is as if we were not
    // there. Or a run takes it: the next Ctrl-C ends the process, whatever the run is
    // doing.
    let is_for_run = is_owner() && slot.holders.disarm();
    let has_left = slot.holders.leave(is_owner, || put_default(signal).is_ok());
    if is_for_run {
        self::slot(INTERRUPTS).count.fetch_add(1, Ordering::AcqRel);
        LISTENERS.ring();
    } else if has_left {
        // Most often it is blocked here, and comes when the handler has returned.
        // SAFETY: takes a number.
        unsafe { libc::raise(signal) };
    } else {
        // Somebody has come meanwhile.
        tell(signal, slot);
    }
}

/// Tells those who want the signal that it came.
fn tell(signal: libc::c_int, slot: &Slot) {
    slot.count.fetch_add(1, Ordering::AcqRel);
    if slot.listeners.load(Ordering::Acquire) > 0 {
        LISTENERS.ring();
    }
    if signal == libc::SIGCHLD {
        CHILDREN.ring();
    }
}

/// Returns true if those who are counted are of this process.
fn is_owner() -> bool {
    is_this_process(OWNER.load(Ordering::Acquire))
}

fn put_default(signal: libc::c_int) -> io::Result<()> {
    put_back(signal, &default_action()).map(drop)
}

/// Puts an action in place of ours. What somebody has put there meanwhile stays: then
/// this is false.
pub(super) fn put_back(signal: i32, action: &libc::sigaction) -> io::Result<bool> {
    let found = swap(signal, action)?;
    let is_theirs = is_function(found.sa_sigaction) && entry_of(&found).is_none();
    if is_theirs {
        replace(signal, &found)?;
    }
    Ok(!is_theirs)
}

fn call_previous(
    slot: &Slot,
    entry: usize,
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let Some(previous) = previous(slot, entry) else { return };
    if !is_function(previous.function) {
        return;
    }
    if previous.flags & libc::SA_RESETHAND != 0 && previous.is_spent.swap(true, Ordering::AcqRel) {
        return;
    }
    if signal == libc::SIGCHLD && previous.flags & libc::SA_NOCLDSTOP != 0 && !info.is_null() {
        // SAFETY: the system gives a valid one, and so does who calls us from another
        // handler that was given it.
        let code = unsafe { (*info).si_code };
        if code == libc::CLD_STOPPED || code == libc::CLD_CONTINUED {
            return;
        }
    }
    if previous.flags & libc::SA_SIGINFO != 0 {
        // SAFETY: the flag says that it is such a function, by whoever put it there.
        let call: Handler = unsafe { std::mem::transmute(previous.function) };
        call(signal, info, context);
    } else {
        // SAFETY: without the flag it is a function of the signal alone.
        let call: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(previous.function) };
        call(signal);
    }
}

fn previous(slot: &Slot, entry: usize) -> Option<&'static Previous> {
    slot.previous.get(entry).and_then(leaked)
}

/// Returns what is to be put back in place of an entry, which was put over `before`: the
/// default, where that was to be called once, and was.
pub(super) fn left_of(signal: i32, entry: usize, before: libc::sigaction) -> libc::sigaction {
    let is_spent = previous(slot(signal as usize), entry).is_some_and(Previous::is_spent);
    if is_spent { default_action() } else { before }
}

/// Puts an entry in place of `before`, which it calls. Returns what was there: somebody
/// may have come since `before` was.
pub(super) fn install(
    signal: i32,
    entry: usize,
    before: libc::sigaction,
) -> io::Result<libc::sigaction> {
    let mut before = before;
    loop {
        // First what is to be called, then who calls it: a signal may come in between.
        chain(slot(signal as usize), entry, &before);
        let found = swap(signal, &action_over(entry, &before))?;
        if entry_of(&found).is_some() || Previous::of(&found).is(&Previous::of(&before)) {
            return Ok(before);
        }
        before = found;
    }
}

fn chain(slot: &Slot, entry: usize, before: &libc::sigaction) {
    let before = Previous::of(before);
    match previous(slot, entry) {
        // Not another one each time: they are never freed.
        Some(known) if known.is(&before) => known.is_spent.store(false, Ordering::Release),
        _ => {
            let leaked = Box::into_raw(Box::new(before));
            slot.previous.get(entry).into_iter().for_each(|at| at.store(leaked, Ordering::Release));
        }
    }
}

/// Returns ours, as it is where `before` is called.
fn action_over(entry: usize, before: &libc::sigaction) -> libc::sigaction {
    let mut action = default_action();
    action.sa_sigaction = HANDLERS.get(entry).map_or(libc::SIG_DFL, address);
    if is_function(before.sa_sigaction) {
        // It runs where it would have run, and what it interrupts goes on as it would have.
        let kept = libc::SA_ONSTACK | libc::SA_RESTART | libc::SA_NODEFER;
        action.sa_flags = libc::SA_SIGINFO | before.sa_flags & kept;
        action.sa_mask = before.sa_mask;
    } else {
        // Ours needs little room, which there is on the stack that a thread has for signals.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        // No other handler interrupts ours, which may be leaving.
        action.sa_mask = all_but_faults();
    }
    action
}

/// Returns what of a former handler's flags ours neither has nor does.
pub(super) fn lost_flags(before: &libc::sigaction) -> libc::c_int {
    /// What the C library adds on Linux, and takes care of.
    const RESTORER: libc::c_int = 0x0400_0000;
    const KEPT: libc::c_int = RESTORER
        | libc::SA_SIGINFO
        | libc::SA_ONSTACK
        | libc::SA_RESTART
        | libc::SA_NODEFER
        | libc::SA_RESETHAND
        | libc::SA_NOCLDSTOP;
    if is_function(before.sa_sigaction) { before.sa_flags & !KEPT } else { 0 }
}

/// Returns which entry of ours an action is.
pub(super) fn entry_of(action: &libc::sigaction) -> Option<usize> {
    HANDLERS.iter().position(|handler| address(handler) == action.sa_sigaction)
}

fn address(handler: &Handler) -> libc::sighandler_t {
    *handler as libc::sighandler_t
}

pub(super) fn is_function(function: libc::sighandler_t) -> bool {
    function != libc::SIG_DFL && function != libc::SIG_IGN
}

fn default_action() -> libc::sigaction {
    // SAFETY: all zeroes is a valid `sigaction`: the default, with an empty mask.
    unsafe { std::mem::zeroed() }
}

/// Returns what is in place; fails for what is no signal.
pub(super) fn current(signal: i32) -> io::Result<libc::sigaction> {
    let mut action = default_action();
    // SAFETY: only asks.
    check(unsafe { libc::sigaction(signal, ptr::null(), &raw mut action) })?;
    Ok(action)
}

fn replace(signal: i32, action: &libc::sigaction) -> io::Result<()> {
    swap(signal, action).map(drop)
}

/// Puts an action in place, and returns what was there.
fn swap(signal: i32, action: &libc::sigaction) -> io::Result<libc::sigaction> {
    let mut found = default_action();
    // SAFETY: the action is the default, ours, which is async-signal-safe, or one that
    // was in place before.
    check(unsafe { libc::sigaction(signal, action, &raw mut found) })?;
    Ok(found)
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Ends the process as SIGINT would, so that its parent sees that: a shell then stops its script.
/// Flushes standard output first.
///
/// ```no_run
/// # let interrupted = true;
/// if interrupted {
///     policy_core::signal::die_of_interrupt();
/// }
/// ```
pub fn die_of_interrupt() -> ! {
    let _flushed = io::Write::flush(&mut io::stdout());
    let _default = replace(libc::SIGINT, &default_action());
    block_all_but(&mut std::iter::once(libc::SIGINT));
    // SAFETY: takes a number.
    unsafe { libc::raise(libc::SIGINT) };
    // Only as PID 1 of a container, which the default does not end.
    std::process::exit(130)
}

/// Blocks signals on this thread, except for `signals`: for our own threads, because signal
/// handlers belong on the program's.
///
/// The signals that a thread causes itself (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP,
/// SIGSYS) stay unblocked: blocked, they would end the process before their handler can report why,
/// as std's does for a stack overflow.
///
/// ```
/// use policy_core::signal::{SignalKind, block_all_but};
///
/// let child = SignalKind::child().as_raw();
/// std::thread::spawn(move || block_all_but(&mut [child].into_iter())).join().unwrap();
/// ```
pub fn block_all_but(signals: &mut dyn Iterator<Item = i32>) {
    let mut set = all_but_faults();
    // SAFETY: the set is a valid one; only this thread's mask is changed.
    unsafe {
        for signal in signals {
            libc::sigdelset(&raw mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut());
    }
}

/// Returns all signals, but for those that a thread causes itself.
fn all_but_faults() -> libc::sigset_t {
    const FAULTS: [libc::c_int; 7] = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGABRT,
        libc::SIGTRAP,
        libc::SIGSYS,
    ];
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigfillset` initializes the set.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        for fault in FAULTS {
            libc::sigdelset(set.as_mut_ptr(), fault);
        }
        set.assume_init()
    }
}

/// Returns true if this thread does not get the signal.
pub(super) fn is_blocked(signal: i32) -> bool {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` initializes the set, in case the question is refused; a
    // null set asks without changing.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), set.as_mut_ptr());
        libc::sigismember(set.as_ptr(), signal) == 1
    }
}

/// Writes a byte to a non-blocking descriptor that stays open, or does not.
/// Async-signal-safe.
pub(super) fn write_byte(fd: RawFd) {
    // SAFETY: one byte is read from a valid place; whatever the descriptor is, it is
    // not memory.
    unsafe { libc::write(fd, ptr::from_ref(&1u8).cast(), 1) };
}

/// Returns what was leaked into this place, if anything was.
pub(super) fn leaked<T>(place: &AtomicPtr<T>) -> Option<&'static T> {
    // SAFETY: in this module and its siblings such a place is null or holds what
    // `Box::into_raw` gave, which is never freed and never written again.
    unsafe { place.load(Ordering::Acquire).as_ref() }
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
