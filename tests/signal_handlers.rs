//! Callbacks of loops for signals: each story in a process of its own.
#![cfg(all(unix, feature = "default-loop"))]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails panics"
)]

mod process_support;
mod signal_support;

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use policy::signal::SignalKind;
use policy::{ErrorKind, EventLoop, Runner};

use process_support::LONG;
use signal_support::{disposition, kill_me, on_every_loop, raise, set_disposition};

const USR1: SignalKind = SignalKind::user_defined1();

#[derive(Clone, Default)]
struct Counter(Arc<AtomicUsize>);

impl Counter {
    fn get(&self) -> usize {
        self.0.load(SeqCst)
    }

    fn count(&self) -> impl FnMut() + Send + 'static {
        let count = self.0.clone();
        move || {
            count.fetch_add(1, SeqCst);
        }
    }

    async fn reaches(&self, wanted: usize) {
        let reached = async {
            while self.get() < wanted {
                policy::time::sleep(Duration::from_millis(1)).await;
            }
        };
        soon(reached).await;
        assert_eq!(self.get(), wanted);
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    policy::time::timeout(LONG, future).await.expect("it does not hang")
}

fn here() -> Arc<dyn EventLoop> {
    policy::get_running_loop().unwrap()
}

alone! {
    // B113, B115
    fn a_callback_runs_on_its_loop_once_for_each_signal() {
        on_every_loop(async || {
            let event_loop = here();
            let (calls, seen) = (Counter::default(), Arc::new(Mutex::new(Vec::new())));
            let (mut count, loops) = (calls.count(), seen.clone());
            event_loop.add_signal_handler(libc::SIGUSR1, move || {
                loops.lock().unwrap().push(policy::get_running_loop().unwrap());
                count();
            }).unwrap();
            for times in 1..=5 {
                kill_me(USR1);
                calls.reaches(times).await;
            }
            // Also those that come while the loop does something else.
            (0..5).for_each(|_| raise(USR1));
            calls.reaches(10).await;
            assert!(seen.lock().unwrap().iter().all(|found| Arc::ptr_eq(found, &event_loop)));
            assert!(event_loop.remove_signal_handler(libc::SIGUSR1));
            assert!(!event_loop.remove_signal_handler(libc::SIGUSR1));
        });
    }

    // B113
    fn a_second_callback_replaces_the_first() {
        on_every_loop(async || {
            let event_loop = here();
            let (first, second) = (Counter::default(), Counter::default());
            event_loop.add_signal_handler(USR1, first.count()).unwrap();
            event_loop.add_signal_handler(USR1, second.count()).unwrap();
            kill_me(USR1);
            second.reaches(1).await;
            assert_eq!(first.get(), 0);
            assert!(event_loop.remove_signal_handler(USR1));
            assert!(!event_loop.remove_signal_handler(USR1));
        });
    }

    // B114: asyncio sets the default.
    fn removing_puts_back_what_was_there_at_once() {
        on_every_loop(async || {
            let event_loop = here();
            for before in [libc::SIG_DFL, libc::SIG_IGN] {
                set_disposition(USR1, before);
                event_loop.add_signal_handler(USR1, || ()).unwrap();
                assert_ne!(disposition(USR1), before);
                assert!(event_loop.remove_signal_handler(USR1));
                assert_eq!(disposition(USR1), before);
            }
        });
    }

    fn a_signal_that_was_not_told_before_the_removal_is_told_to_nobody() {
        on_every_loop(async || {
            let event_loop = here();
            let calls = Counter::default();
            event_loop.add_signal_handler(USR1, calls.count()).unwrap();
            let (stays, both) = (event_loop.clone(), Arc::new(AtomicUsize::new(0)));
            let (mut count, sent) = (calls.count(), both.clone());
            event_loop.add_signal_handler(USR1, move || {
                count();
                // On a loop with threads of its own the first is told at once.
                while sent.load(SeqCst) == 0 {
                    thread::yield_now();
                }
                assert!(stays.remove_signal_handler(USR1));
            }).unwrap();
            // Another thread may be the one that gets the second, later.
            let keeps = policy::signal::signal(USR1).unwrap();
            kill_me(USR1);
            kill_me(USR1);
            both.store(1, SeqCst);
            calls.reaches(1).await;
            policy::time::sleep(Duration::from_millis(20)).await;
            assert_eq!(calls.get(), 1);
            drop(keeps);
        });
    }

    // B114
    fn closing_the_loop_removes_its_callbacks() {
        for name in policy::policy_names() {
            let mut runner = Runner::with_policy(policy::from_name(name).unwrap());
            let event_loop = runner.get_loop().unwrap();
            event_loop.add_signal_handler(USR1, || ()).unwrap();
            runner.run(async {}).unwrap();
            assert_ne!(disposition(USR1), libc::SIG_DFL);
            runner.close().unwrap();
            assert_eq!(disposition(USR1), libc::SIG_DFL, "{name}");
            // B74
            assert!(!event_loop.remove_signal_handler(USR1));
            let refused = event_loop.add_signal_handler(USR1, || ()).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::LoopClosed);
            assert_eq!(disposition(USR1), libc::SIG_DFL);
        }
    }

    // B112
    fn what_can_not_be_handled_says_so() {
        on_every_loop(async || {
            let event_loop = here();
            for signal in [libc::SIGKILL, libc::SIGSTOP] {
                let refused = event_loop.add_signal_handler(signal, || ()).unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::UncatchableSignal);
                assert!(!event_loop.remove_signal_handler(signal));
            }
            for signal in [0, -1, 1_000] {
                let refused = event_loop.add_signal_handler(signal, || ()).unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::InvalidInput);
                assert!(!event_loop.remove_signal_handler(signal));
            }
        });
    }

    // B91
    fn a_panic_goes_to_the_exception_handler_and_the_next_signal_calls_again() {
        on_every_loop(async || {
            let event_loop = here();
            let (calls, told) = (Counter::default(), Counter::default());
            let tell = Mutex::new(told.count());
            event_loop.set_exception_handler(Some(Arc::new(move |_, context| {
                assert_eq!(context.panic_message(), Some("bad luck"));
                assert!(context.message().contains("SIGUSR1"));
                (tell.lock().unwrap())();
            })));
            let mut count = calls.count();
            event_loop.add_signal_handler(USR1, move || {
                count();
                panic!("bad luck");
            }).unwrap();
            for times in 1..=3 {
                kill_me(USR1);
                told.reaches(times).await;
                calls.reaches(times).await;
            }
            assert!(event_loop.remove_signal_handler(USR1));
        });
    }

    // B116: in asyncio the first loses its signals. B111: any thread.
    fn each_loop_has_its_own_callback() {
        let (calls, ready) = (Counter::default(), Counter::default());
        let loops: Vec<_> = policy::policy_names().into_iter().map(|name| {
            let (calls, mut is_ready) = (calls.clone(), ready.count());
            let event_loop = policy::from_name(name).unwrap().new_event_loop().unwrap();
            let stops = event_loop.clone();
            let runs = thread::spawn(move || {
                event_loop.add_signal_handler(USR1, calls.count()).unwrap();
                is_ready();
                event_loop.run_forever().unwrap();
                event_loop.close().unwrap();
            });
            (stops, runs)
        }).collect();
        process_support::eventually("all listen", || ready.get() == loops.len());
        for times in 1..=20 {
            kill_me(USR1);
            process_support::eventually("each was called", || calls.get() == times * loops.len());
        }
        let mut left = loops.len();
        for (stops, runs) in loops {
            stops.stop();
            runs.join().unwrap();
            left -= 1;
            // The others are not concerned.
            let before = calls.get();
            if left > 0 {
                kill_me(USR1);
            }
            process_support::eventually("the others were called", || calls.get() == before + left);
        }
        assert_eq!(disposition(USR1), libc::SIG_DFL);
    }

    fn a_signal_wakes_a_loop_that_sleeps() {
        for name in policy::policy_names() {
            let event_loop = policy::from_name(name).unwrap().new_event_loop().unwrap();
            let stops = event_loop.clone();
            event_loop.add_signal_handler(USR1, move || stops.stop()).unwrap();
            let (send, runs) = std::sync::mpsc::channel();
            event_loop.call_soon(move || send.send(()).unwrap());
            let kills = thread::spawn(move || {
                runs.recv_timeout(LONG).unwrap();
                kill_me(USR1);
            });
            event_loop.run_forever().unwrap();
            kills.join().unwrap();
            event_loop.close().unwrap();
        }
    }
}
