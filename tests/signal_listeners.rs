//! Listening to signals, which belong to the whole process: each story in a process of
//! its own.
#![cfg(all(unix, feature = "default-loop"))]
#![allow(
    missing_docs,
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails panics, and sets signal handlers"
)]

mod process_support;
mod signal_support;

use std::future::Future;
use std::os::unix::process::CommandExt;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use futures_lite::StreamExt;
use futures_lite::future::block_on;
use policy::process::Command;
use policy::signal::{SignalKind, ctrl_c, signal};
use policy::{ErrorKind, MultiLoopChildWatcher, Runner};

use process_support::{LONG, eventually, fds, sh, threads};
use signal_support::{
    block, disposition, is_blocked, kill_me, on_every_loop, pending, raise_here, set_disposition,
    threads_named,
};

const USR1: SignalKind = SignalKind::user_defined1();
const USR2: SignalKind = SignalKind::user_defined2();

static CALLS: AtomicUsize = AtomicUsize::new(0);
static LATER_CALLS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    CALLS.fetch_add(1, SeqCst);
}

extern "C" fn count_later(_: libc::c_int) {
    LATER_CALLS.fetch_add(1, SeqCst);
}

fn counting() -> libc::sighandler_t {
    count as extern "C" fn(libc::c_int) as libc::sighandler_t
}

fn counting_later() -> libc::sighandler_t {
    count_later as extern "C" fn(libc::c_int) as libc::sighandler_t
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    policy::time::timeout(LONG, future).await.expect("it does not hang")
}

/// A program that knows tokio only, and has a library in it that listens by `policy`.
#[cfg(feature = "tokio")]
#[tokio::main]
async fn plain_tokio() {
    use tokio::signal::unix::{SignalKind as TheirKind, signal as their_signal};

    // Theirs over ours, and ours over theirs.
    let mut ours = signal(USR1).unwrap();
    let mut theirs = their_signal(TheirKind::user_defined1()).unwrap();
    let mut theirs_too = their_signal(TheirKind::user_defined2()).unwrap();
    let mut ours_too = signal(USR2).unwrap();
    for _round in 0..20 {
        kill_me(USR1);
        soon(ours.recv()).await.unwrap();
        soon(theirs.recv()).await.unwrap();
        kill_me(USR2);
        soon(ours_too.recv()).await.unwrap();
        soon(theirs_too.recv()).await.unwrap();
    }
    // In a task of tokio's, that we spawned.
    let listens = policy::spawn(async move { ours.recv().await });
    kill_me(USR1);
    soon(theirs.recv()).await.unwrap();
    assert_eq!(soon(listens).await.unwrap(), Some(()));
    // And theirs still hear when ours have gone.
    drop(ours_too);
    for _round in 0..20 {
        kill_me(USR1);
        soon(theirs.recv()).await.unwrap();
        kill_me(USR2);
        soon(theirs_too.recv()).await.unwrap();
    }
}

alone! {
    fn a_signal_wakes_a_listener_on_every_loop_without_a_thread() {
        // The last may come when nobody listens any more.
        set_disposition(USR1, libc::SIG_IGN);
        on_every_loop(async || {
            let mut signals = signal(USR1).unwrap();
            let receives = policy::spawn(async move {
                for _ in 0..3 {
                    assert_eq!(signals.recv().await, Some(()));
                }
            });
            while !receives.is_finished() {
                kill_me(USR1);
                policy::time::sleep(Duration::from_millis(1)).await;
            }
            soon(receives).await.unwrap();
            assert_eq!(threads_named("policy-signal"), 0);
        });
    }

    fn a_signal_before_the_first_poll_is_not_lost() {
        on_every_loop(async || {
            let mut signals = signal(USR1).unwrap();
            kill_me(USR1);
            policy::time::sleep(Duration::from_millis(1)).await;
            soon(signals.recv()).await.unwrap();
            // Several that come before it looks are told as one.
            raise_here(USR1);
            raise_here(USR1);
            soon(signals.next()).await.unwrap();
            let again = policy::time::timeout(Duration::from_millis(20), signals.recv()).await;
            assert!(again.is_err());
        });
    }

    fn ctrl_c_counts_from_its_call() {
        on_every_loop(async || {
            let pressed = ctrl_c();
            kill_me(SignalKind::interrupt());
            soon(pressed).await.unwrap();
        });
    }

    fn every_listener_of_many_hears_of_each_signal() {
        on_every_loop(async || {
            let before = fds();
            let listeners: Vec<_> = (0..1_000)
                .map(|_| {
                    let mut signals = signal(USR1).unwrap();
                    policy::spawn(async move { signals.recv().await.unwrap() })
                })
                .collect();
            policy::task::yield_now().await;
            // A loop reads once for all of them.
            assert!(fds() <= before + 8, "{} descriptors", fds() - before);
            kill_me(USR1);
            for listener in listeners {
                soon(listener).await.unwrap();
            }
        });
    }

    fn listeners_on_several_loops_and_threads_hear_of_each_signal() {
        const ROUNDS: usize = 50;
        let (said, heard) = mpsc::channel();
        let mut loops: Vec<thread::JoinHandle<()>> = Vec::new();
        let names = policy::policy_names();
        for name in names.iter().chain(&names) {
            let (said, name) = (said.clone(), name.to_string());
            loops.push(thread::spawn(move || {
                let mut runner = Runner::with_policy(policy::from_name(&name).unwrap());
                runner.run(async {
                    let mut signals = signal(USR1).unwrap();
                    said.send(()).unwrap();
                    for _ in 0..ROUNDS {
                        soon(signals.recv()).await.unwrap();
                        said.send(()).unwrap();
                    }
                }).unwrap();
            }));
        }
        // And one where no loop runs.
        loops.push(thread::spawn(move || {
            let mut signals = signal(USR1).unwrap();
            said.send(()).unwrap();
            for _ in 0..ROUNDS {
                block_on(signals.recv()).unwrap();
                said.send(()).unwrap();
            }
        }));
        for round in 0..=ROUNDS {
            for _ in 0..loops.len() {
                heard.recv_timeout(LONG).expect("each hears of each");
            }
            if round < ROUNDS {
                kill_me(USR1);
            }
        }
        for ended in loops {
            ended.join().unwrap();
        }
    }

    fn a_storm_of_signals_starves_nobody() {
        // The last may come when nobody listens any more.
        set_disposition(USR1, libc::SIG_IGN);
        on_every_loop(async || {
            let mut signals = signal(USR1).unwrap();
            let (done, mut last) = (Arc::new(AtomicUsize::new(0)), signal(USR2).unwrap());
            let storm = thread::spawn(|| (0..10_000).for_each(|_| kill_me(USR1)));
            let counted = done.clone();
            let listens = policy::spawn(async move {
                loop {
                    signals.recv().await.unwrap();
                    counted.fetch_add(1, SeqCst);
                    policy::task::yield_now().await;
                }
            });
            // Others have their turns meanwhile.
            while !storm.is_finished() {
                policy::time::sleep(Duration::from_millis(1)).await;
            }
            storm.join().unwrap();
            kill_me(USR2);
            soon(last.recv()).await.unwrap();
            eventually("the storm was heard of", || done.load(SeqCst) > 0);
            // And it still hears.
            let before = done.load(SeqCst);
            kill_me(USR1);
            soon(async {
                while done.load(SeqCst) == before {
                    policy::time::sleep(Duration::from_millis(1)).await;
                }
            })
            .await;
            listens.abort();
        });
    }

    fn the_last_listener_puts_back_what_was_there() {
        on_every_loop(async || {
            for before in [libc::SIG_DFL, libc::SIG_IGN, counting()] {
                set_disposition(USR1, before);
                let first = signal(USR1).unwrap();
                let second = signal(USR1).unwrap();
                assert_ne!(disposition(USR1), before);
                drop(first);
                assert_ne!(disposition(USR1), before);
                drop(second);
                assert_eq!(disposition(USR1), before);
            }
        });
    }

    fn a_handler_that_was_there_is_called_too() {
        set_disposition(USR1, counting());
        on_every_loop(async || {
            let mut signals = signal(USR1).unwrap();
            let before = CALLS.load(SeqCst);
            kill_me(USR1);
            soon(signals.recv()).await.unwrap();
            eventually("the former is called", || CALLS.load(SeqCst) == before + 1);
        });
    }

    fn a_handler_that_came_later_stays_and_is_chained_when_ours_comes_again() {
        set_disposition(USR1, counting());
        let first = signal(USR1).unwrap();
        // One that does not call ours.
        set_disposition(USR1, counting_later());
        drop(first);
        assert_eq!(disposition(USR1), counting_later());
        let mut second = signal(USR1).unwrap();
        kill_me(USR1);
        assert_eq!(block_on(second.recv()), Some(()));
        eventually("it is chained", || LATER_CALLS.load(SeqCst) == 1);
        assert_eq!(CALLS.load(SeqCst), 0, "the one that was replaced is not called");
        drop(second);
        assert_eq!(disposition(USR1), counting_later());
    }

    fn handlers_of_signal_hook_over_and_under_ours_each_hear_once() {
        set_disposition(USR1, counting());
        let ours = signal(USR1).unwrap();
        let theirs = Arc::new(AtomicUsize::new(0));
        let counted = theirs.clone();
        let tell = move || { counted.fetch_add(1, SeqCst); };
        unsafe { signal_hook::low_level::register(libc::SIGUSR1, tell) }.unwrap();
        // Over theirs, which calls ours.
        let mut again = signal(USR1).unwrap();
        for round in 1..=100 {
            kill_me(USR1);
            assert_eq!(block_on(again.recv()), Some(()));
            eventually("all are called", || {
                (theirs.load(SeqCst), CALLS.load(SeqCst)) == (round, round)
            });
        }
        drop((ours, again));
        kill_me(USR1);
        eventually("and go on to be", || (theirs.load(SeqCst), CALLS.load(SeqCst)) == (101, 101));
    }

    #[cfg(feature = "tokio")]
    fn listeners_hear_beside_tokios_in_a_plain_tokio_program() {
        plain_tokio();
    }

    fn a_signal_that_is_blocked_in_every_thread_is_heard_of() {
        const NAME: &str = "a_signal_that_is_blocked_in_every_thread_is_heard_of";
        if !is_blocked(USR1) {
            // libtest's own thread, too: by a mask that the process inherits.
            let mut blocked = std::process::Command::new(std::env::current_exe().unwrap());
            blocked.args([NAME, "--exact", "--nocapture", "--test-threads=1"]);
            unsafe { blocked.pre_exec(|| { block(USR1); Ok(()) }) };
            assert!(blocked.status().unwrap().success());
            return;
        }
        on_every_loop(async || {
            let mut signals = signal(USR1).unwrap();
            eventually("there is a thread", || threads_named("policy-signal") == 1);
            kill_me(USR1);
            soon(signals.recv()).await.unwrap();
            // Not by unblocking it here.
            assert!(is_blocked(USR1));
        });
        eventually("the thread ends", || threads_named("policy-signal") == 0);
        // Nobody takes it any more.
        kill_me(USR1);
        assert!(pending(USR1));
    }

    fn what_can_not_be_listened_to_says_so() {
        for uncatchable in [libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, libc::SIGFPE] {
            let error = signal(uncatchable).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UncatchableSignal);
            assert!(error.to_string().contains(&uncatchable.to_string()), "{error}");
        }
        for invalid in [0, -1, 65, 128, 129, 1_000, i32::MIN, i32::MAX] {
            assert_eq!(signal(invalid).unwrap_err().kind(), ErrorKind::InvalidInput, "{invalid}");
        }
        let real_time = signal(SignalKind::from_raw(libc::SIGRTMIN() + 1)).unwrap();
        kill_me(real_time.kind());
        assert_eq!(block_on({ let mut real_time = real_time; async move { real_time.recv().await } }), Some(()));
    }

    fn a_listener_moves_from_loop_to_loop() {
        let mut signals = signal(USR1).unwrap();
        for name in policy::policy_names() {
            let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
            signals = runner.run(async move {
                let receives = policy::spawn(async move {
                    assert_eq!(signals.recv().await, Some(()));
                    signals
                });
                policy::task::yield_now().await;
                kill_me(USR1);
                soon(receives).await.unwrap()
            }).unwrap();
            runner.close().unwrap();
        }
    }

    fn a_listener_polled_on_a_loop_that_closes_is_served_by_the_next() {
        for name in policy::policy_names() {
            let mut signals = signal(USR1).unwrap();
            let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
            runner.run(std::future::poll_fn(|cx| {
                assert!(signals.poll_recv(cx).is_pending());
                Poll::Ready(())
            })).unwrap();
            runner.close().unwrap();
            kill_me(USR1);
            assert_eq!(block_on(signals.recv()), Some(()));
        }
    }

    fn sigchld_is_heard_of_beside_the_watchers() {
        for name in policy::policy_names() {
            let policy = process_support::policy_with(name, Arc::new(MultiLoopChildWatcher::new()));
            let mut runner = Runner::with_policy(policy);
            runner.run(soon(async {
                let mut children = signal(SignalKind::child()).unwrap();
                for code in 0..20 {
                    let child = sh(format!("exit {code}")).spawn().unwrap();
                    assert_eq!(child.wait().await.unwrap().code(), Some(code));
                    children.recv().await.unwrap();
                }
                drop(children);
                // The watcher has it still.
                assert!(Command::new("true").status().await.unwrap().success());
                assert_ne!(disposition(SignalKind::child()), libc::SIG_DFL);
            })).unwrap();
            drop(runner);
            assert_eq!(disposition(SignalKind::child()), libc::SIG_DFL);
        }
    }

    fn signals_during_io_fail_nothing() {
        // The last may come when nobody listens any more.
        set_disposition(USR1, libc::SIG_IGN);
        on_every_loop(async || {
            let signals = signal(USR1).unwrap();
            let storm = Arc::new(AtomicUsize::new(1));
            let blows = storm.clone();
            let storming = thread::spawn(move || while blows.load(SeqCst) == 1 {
                kill_me(USR1);
            });
            for round in 0..10 {
                let text = format!("{round}\n").repeat(2_000);
                let mut child = Command::new("cat").stdin(policy::process::Stdio::piped()).stdout(policy::process::Stdio::piped()).spawn().unwrap();
                let mut stdin = child.stdin.take().unwrap();
                let written = text.clone();
                let writes = policy::spawn(async move {
                    futures_lite::AsyncWriteExt::write_all(&mut stdin, written.as_bytes()).await
                });
                let output = child.wait_with_output().await.unwrap();
                writes.await.unwrap().unwrap();
                assert_eq!(output.stdout, text.as_bytes());
            }
            storm.store(0, SeqCst);
            storming.join().unwrap();
            drop(signals);
        });
    }

    fn nothing_is_left_of_listeners() {
        for name in policy::policy_names() {
            let round = || {
                let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
                runner.run(async {
                    for _ in 0..50 {
                        let mut signals = signal(USR1).unwrap();
                        kill_me(USR1);
                        soon(signals.recv()).await.unwrap();
                        let waits = policy::spawn(async move { signals.recv().await });
                        policy::task::yield_now().await;
                        waits.abort();
                    }
                }).unwrap();
            };
            round();
            eventually("threads have ended", || threads_named("policy-signal") == 0);
            let before = (fds(), threads());
            round();
            eventually("nothing is left", || {
                (fds(), threads()) <= before && disposition(USR1) == libc::SIG_DFL
            });
        }
    }

    fn a_forked_child_has_no_listeners_and_dies_of_its_signals() {
        let mut signals = signal(USR1).unwrap();
        let child = unsafe { libc::fork() };
        if child == 0 {
            // As if the handler were not there.
            kill_me(USR1);
            unsafe { libc::_exit(1) }
        }
        let mut status = 0;
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGUSR1, "{status}");
        // B48: and the parent hears nothing of it.
        let heard = block_on(futures_lite::future::poll_once(signals.recv()));
        assert_eq!(heard, None);

        let child = unsafe { libc::fork() };
        if child == 0 {
            let stale = block_on(signals.recv());
            let mut own = signal(USR1).unwrap();
            kill_me(USR1);
            let heard = block_on(own.recv());
            drop(own);
            let good = stale.is_none() && heard.is_some() && disposition(USR1) == libc::SIG_DFL;
            unsafe { libc::_exit(i32::from(!good)) }
        }
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{status}");
        kill_me(USR1);
        assert_eq!(block_on(signals.recv()), Some(()));
    }

    fn without_descriptors_it_is_an_error_and_the_signal_stays_as_it_is() {
        let mut hogs = Vec::new();
        let error = loop {
            match std::fs::File::open("/dev/null") {
                Ok(hog) => hogs.push(hog),
                Err(error) => break error,
            }
        };
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
        let refused = signal(USR1).unwrap_err();
        assert_eq!(refused.io_error().unwrap().raw_os_error(), Some(libc::EMFILE));
        assert_eq!(disposition(USR1), libc::SIG_DFL);
        hogs.clear();
        assert!(signal(USR1).is_ok());
    }
}
