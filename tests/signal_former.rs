//! Handlers that were there before ours, and what they keep: each story in a process of its
//! own.
#![cfg(all(unix, feature = "default-loop"))]
#![allow(
    missing_docs,
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails panics, and signals are raw"
)]

mod process_support;
mod signal_support;

use std::fs;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use policy::signal::{SignalKind, signal};

use process_support::{LONG, eventually};
use signal_support::{disposition, is_blocked, on_every_loop, raise_here, set_disposition};

const USR1: SignalKind = SignalKind::user_defined1();
const USR2: SignalKind = SignalKind::user_defined2();

static CALLS: AtomicUsize = AtomicUsize::new(0);
static DEPTH: AtomicUsize = AtomicUsize::new(0);
static DEEPEST: AtomicUsize = AtomicUsize::new(0);

/// Puts a handler in place, as a program does that has never heard of us.
fn install(kind: SignalKind, handler: extern "C" fn(libc::c_int), flags: libc::c_int) {
    let mut action = unsafe { MaybeUninit::<libc::sigaction>::zeroed().assume_init() };
    action.sa_sigaction = address(handler);
    action.sa_flags = flags;
    assert_eq!(unsafe { libc::sigaction(kind.as_raw(), &raw const action, ptr::null_mut()) }, 0);
}

fn address(handler: extern "C" fn(libc::c_int)) -> libc::sighandler_t {
    handler as libc::sighandler_t
}

fn in_place(kind: SignalKind) -> libc::sigaction {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    unsafe {
        assert_eq!(libc::sigaction(kind.as_raw(), ptr::null(), action.as_mut_ptr()), 0);
        action.assume_init()
    }
}

/// Returns true on the stack that a thread has for signals, which std makes: a small one.
fn is_on_signal_stack() -> bool {
    let mut stack = MaybeUninit::<libc::stack_t>::zeroed();
    let stack = unsafe {
        libc::sigaltstack(ptr::null(), stack.as_mut_ptr());
        stack.assume_init()
    };
    stack.ss_flags & libc::SS_ONSTACK != 0
}

extern "C" fn needs_room(_: libc::c_int) {
    let mut room = [0u8; 256 * 1024];
    for (at, byte) in room.iter_mut().enumerate() {
        unsafe { ptr::write_volatile(byte, at as u8) }
    }
    CALLS.fetch_add(usize::from(!is_on_signal_stack()), SeqCst);
}

extern "C" fn notes_its_stack(_: libc::c_int) {
    CALLS.fetch_add(usize::from(is_on_signal_stack()), SeqCst);
}

extern "C" fn counts(_: libc::c_int) {
    CALLS.fetch_add(1, SeqCst);
}

extern "C" fn raises_once_more(signal: libc::c_int) {
    let depth = DEPTH.fetch_add(1, SeqCst) + 1;
    DEEPEST.fetch_max(depth, SeqCst);
    if CALLS.fetch_add(1, SeqCst) == 0 {
        unsafe { libc::raise(signal) };
    }
    DEPTH.fetch_sub(1, SeqCst);
}

extern "C" fn notes_its_mask(_: libc::c_int) {
    CALLS.fetch_add(usize::from(is_blocked(USR2)), SeqCst);
}

/// Sends a signal to a thread that reads from a pipe, and says what its `read` gave: a
/// number of bytes, or -1 if it was interrupted.
fn read_through(kind: SignalKind) -> isize {
    let mut pipe = [0; 2];
    assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
    let [read, write] = pipe;
    CALLS.store(0, SeqCst);
    let (tell, told) = mpsc::channel();
    let reads = thread::spawn(move || {
        tell.send(unsafe { (libc::pthread_self(), libc::gettid()) }).unwrap();
        let mut byte = 0u8;
        unsafe { libc::read(read, (&raw mut byte).cast(), 1) }
    });
    let (thread, id) = told.recv_timeout(LONG).unwrap();
    let is_reading = || {
        let call = fs::read_to_string(format!("/proc/self/task/{id}/syscall"));
        call.is_ok_and(|call| call.starts_with(&format!("{} {read:#x} ", libc::SYS_read)))
    };
    // A signal that comes before it waits interrupts nothing.
    eventually("it waits", is_reading);
    unsafe { libc::pthread_kill(thread, kind.as_raw()) };
    eventually("the handler is called", || CALLS.load(SeqCst) == 1);
    eventually("it goes on, or returns", || reads.is_finished() || is_reading());
    assert_eq!(unsafe { libc::write(write, [1u8].as_ptr().cast(), 1) }, 1);
    let result = reads.join().unwrap();
    unsafe { (libc::close(read), libc::close(write)) };
    result
}

alone! {
    // It ran on the small stack that std's threads have for signals, and past its end.
    fn a_former_handler_keeps_the_stack_of_the_thread() {
        install(USR1, needs_room, 0);
        on_every_loop(async || {
            let before = CALLS.load(SeqCst);
            let mut signals = signal(USR1).unwrap();
            thread::spawn(|| raise_here(USR1)).join().unwrap();
            signals.recv().await.unwrap();
            assert_eq!(CALLS.load(SeqCst), before + 1);
        });
        let own = in_place(USR1);
        assert_eq!(own.sa_flags & libc::SA_ONSTACK, 0);
    }

    fn a_former_handler_keeps_the_stack_for_signals() {
        install(USR1, notes_its_stack, libc::SA_ONSTACK);
        on_every_loop(async || {
            let before = CALLS.load(SeqCst);
            let mut signals = signal(USR1).unwrap();
            thread::spawn(|| raise_here(USR1)).join().unwrap();
            signals.recv().await.unwrap();
            assert_eq!(CALLS.load(SeqCst), before + 1);
        });
    }

    // A program that gives up a read by a signal waited for ever.
    fn a_former_handler_that_interrupts_calls_goes_on_interrupting() {
        install(USR1, counts, 0);
        assert_eq!(read_through(USR1), -1);
        let held = signal(USR1).unwrap();
        assert_eq!(read_through(USR1), -1);
        drop(held);
        assert_eq!(read_through(USR1), -1);
    }

    fn a_former_handler_that_restarts_calls_goes_on_restarting() {
        install(USR1, counts, libc::SA_RESTART);
        let held = signal(USR1).unwrap();
        assert_eq!(read_through(USR1), 1);
        drop(held);
    }

    fn a_former_handler_that_may_be_interrupted_by_its_signal_is() {
        for (flags, depth) in [(libc::SA_NODEFER, 2), (0, 1)] {
            install(USR1, raises_once_more, flags);
            on_every_loop(async || {
                CALLS.store(0, SeqCst);
                DEEPEST.store(0, SeqCst);
                let event_loop = policy::get_running_loop().unwrap();
                let heard = Arc::new(AtomicUsize::new(0));
                let count = heard.clone();
                event_loop.add_signal_handler(USR1, move || {
                    count.fetch_add(1, SeqCst);
                }).unwrap();
                raise_here(USR1);
                assert_eq!((CALLS.load(SeqCst), DEEPEST.load(SeqCst)), (2, depth));
                // We hear of both, too.
                let both = async {
                    while heard.load(SeqCst) < 2 {
                        policy::time::sleep(Duration::from_millis(1)).await;
                    }
                };
                policy::time::timeout(LONG, both).await.expect("both are heard of");
                assert!(event_loop.remove_signal_handler(USR1));
            });
        }
    }

    fn a_former_handler_for_one_call_is_called_once_and_leaves_the_default() {
        on_every_loop(async || {
            CALLS.store(0, SeqCst);
            install(USR1, counts, libc::SA_RESETHAND);
            let mut signals = signal(USR1).unwrap();
            for _ in 0..3 {
                raise_here(USR1);
                signals.recv().await.unwrap();
            }
            assert_eq!(CALLS.load(SeqCst), 1);
            drop(signals);
            assert_eq!(disposition(USR1), libc::SIG_DFL);
            // Put there again it is as new; and stays while no signal comes.
            install(USR1, counts, libc::SA_RESETHAND);
            let mut signals = signal(USR1).unwrap();
            drop(signal(USR1).unwrap());
            raise_here(USR1);
            signals.recv().await.unwrap();
            assert_eq!(CALLS.load(SeqCst), 2);
            drop(signals);
            install(USR1, counts, libc::SA_RESETHAND);
            drop(signal(USR1).unwrap());
            assert_eq!(disposition(USR1), address(counts));
            assert_ne!(in_place(USR1).sa_flags & libc::SA_RESETHAND, 0);
            set_disposition(USR1, libc::SIG_DFL);
        });
    }

    fn what_a_former_handler_wants_blocked_is() {
        let mut action = unsafe { MaybeUninit::<libc::sigaction>::zeroed().assume_init() };
        action.sa_sigaction = address(notes_its_mask);
        unsafe {
            libc::sigaddset(&raw mut action.sa_mask, libc::SIGUSR2);
            libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut());
        }
        on_every_loop(async || {
            let before = CALLS.load(SeqCst);
            let mut signals = signal(USR1).unwrap();
            raise_here(USR1);
            signals.recv().await.unwrap();
            assert_eq!(CALLS.load(SeqCst), before + 1);
        });
        assert!(!is_blocked(USR2));
    }

    fn a_flag_that_is_not_kept_is_logged_once() {
        static LINES: Lines = Lines(Mutex::new(Vec::new()));
        log::set_logger(&LINES).unwrap();
        log::set_max_level(log::LevelFilter::Warn);
        install(SignalKind::child(), counts, libc::SA_NOCLDWAIT);
        for _ in 0..3 {
            drop(signal(SignalKind::child()).unwrap());
        }
        assert_ne!(in_place(SignalKind::child()).sa_flags & libc::SA_NOCLDWAIT, 0);
        let said = LINES.0.lock().unwrap().join("\n");
        assert_eq!(said.matches("SA_NOCLDWAIT").count(), 1, "{said}");
    }

    fn another_handler_over_ours_for_the_second_time_is_logged_and_left() {
        static LINES: Lines = Lines(Mutex::new(Vec::new()));
        log::set_logger(&LINES).unwrap();
        log::set_max_level(log::LevelFilter::Warn);
        let first = signal(USR1).unwrap();
        set_disposition(USR1, address(counts));
        let second = signal(USR1).unwrap();
        assert_ne!(disposition(USR1), address(counts));
        set_disposition(USR1, address(notes_its_stack));
        let (third, fourth) = (signal(USR1).unwrap(), signal(USR1).unwrap());
        assert_eq!(disposition(USR1), address(notes_its_stack));
        let said = LINES.0.lock().unwrap().join("\n");
        assert_eq!(said.matches("came over ours twice").count(), 1, "{said}");
        drop((first, second, third, fourth));
        assert_eq!(disposition(USR1), address(notes_its_stack));
        // When that is gone it is as at the beginning.
        set_disposition(USR1, libc::SIG_DFL);
        let mut signals = signal(USR1).unwrap();
        raise_here(USR1);
        assert_eq!(futures_lite::future::block_on(signals.recv()), Some(()));
        drop(signals);
        assert_eq!(disposition(USR1), libc::SIG_DFL);
    }
}

/// A logger that keeps what is said.
struct Lines(Mutex<Vec<String>>);

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {}
}
