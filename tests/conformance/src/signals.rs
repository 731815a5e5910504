//! Signals of the process: `signal`, `add_signal_handler`. On Unix.
//!
//! SIGUSR1 and SIGUSR2 are sent to the whole process; a test process that uses them for
//! something else can't have this room.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread;

use policy::signal::{Signal, SignalKind, signal};
use policy::time::timeout;
use policy::{ErrorKind, EventLoop, get_running_loop};
use rustix::process::{Signal as Sent, getpid, kill_process};

use crate::Make;
use crate::support::{
    Flag, Gate, LONG, Log, block_on, driven, in_thread, kind, new_loop, on_loop, run,
};

const USR1: SignalKind = SignalKind::user_defined1();
const USR2: SignalKind = SignalKind::user_defined2();

/// Signals are the process's, so one clause at a time has them.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    // A clause that failed took its listeners with it.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends a signal to the process. Somebody has to listen: it kills, else.
fn send(signal: Sent) {
    kill_process(getpid(), signal).unwrap();
}

async fn hears(signal: &mut Signal) {
    assert_eq!(timeout(LONG, signal.recv()).await.expect("it is heard"), Some(()));
}

/// Counts calls of a callback.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<(usize, Vec<Gate>)>>);

impl Calls {
    fn count(&self) -> impl FnMut() + Send + use<> {
        let calls = self.clone();
        move || {
            let waiting = {
                let mut calls = calls.0.lock().unwrap();
                calls.0 += 1;
                std::mem::take(&mut calls.1)
            };
            waiting.iter().for_each(Gate::open);
        }
    }

    fn get(&self) -> usize {
        self.0.lock().unwrap().0
    }

    /// Waits for so many calls, and checks that they are no more.
    async fn reach(&self, wanted: usize) {
        loop {
            let next = {
                let mut calls = self.0.lock().unwrap();
                if calls.0 >= wanted {
                    assert_eq!(calls.0, wanted);
                    return;
                }
                let next = Gate::default();
                calls.1.push(next.clone());
                next
            };
            timeout(LONG, next.wait()).await.expect("it is called");
        }
    }
}

/// Every listener hears of a signal, whichever task it is in.
///
/// Proves: 'every listener hears of each signal'
pub fn every_listener_hears_of_a_signal(make: Make<'_>) {
    let _alone = alone();
    run(make, async {
        let mut first = signal(USR1).unwrap();
        for _round in 0..10 {
            let mut second = signal(USR1).unwrap();
            let listens = policy::spawn(async move { hears(&mut second).await });
            send(Sent::USR1);
            hears(&mut first).await;
            listens.await.unwrap();
        }
    });
}

/// A listener listens from when it is made, not from its first poll.
///
/// Proves: 'no signal is lost'
pub fn a_signal_before_the_first_poll_is_heard(make: Make<'_>) {
    let _alone = alone();
    let mut early = signal(USR1).unwrap();
    let mut witness = signal(USR1).unwrap();
    send(Sent::USR1);
    assert_eq!(block_on(witness.recv()), Some(()));
    run(make, async { hears(&mut early).await });
}

/// Each listener hears of its own signal only.
///
/// Proves: 'every listener hears of each signal'
pub fn listeners_are_told_signals_apart(make: Make<'_>) {
    let _alone = alone();
    run(make, async {
        let (mut first, mut second) = (signal(USR1).unwrap(), signal(USR2).unwrap());
        send(Sent::USR2);
        hears(&mut second).await;
        let silent = poll_fn(|cx| Poll::Ready(first.poll_recv(cx).is_pending())).await;
        assert!(silent, "it hears of another signal");
        send(Sent::USR1);
        hears(&mut first).await;
    });
}

/// A signal wakes a loop that sleeps.
///
/// Proves: B113, 'no signal is lost'
pub fn a_signal_wakes_a_loop_that_sleeps(make: Make<'_>) {
    let _alone = alone();
    on_loop(make, |event_loop| {
        let stops = event_loop.clone();
        event_loop.add_signal_handler(USR1, move || stops.stop()).unwrap();
        let running = Gate::default();
        let opener = running.clone();
        event_loop.call_soon(move || opener.open());
        thread::scope(|scope| {
            scope.spawn(move || {
                running.wait_blocking();
                send(Sent::USR1);
            });
            event_loop.run_forever().unwrap();
        });
        assert!(event_loop.remove_signal_handler(USR1));
    });
}

/// A callback is called once for each time that a signal came, on its loop.
///
/// Proves: B113, B115
pub fn a_callback_is_called_once_for_each_signal(make: Make<'_>) {
    let _alone = alone();
    run(make, async {
        let event_loop = get_running_loop().unwrap();
        let (calls, elsewhere) = (Calls::default(), Flag::default());
        let (mut count, strayed, home) =
            (calls.count(), elsewhere.clone(), event_loop.state().id());
        let callback = move || {
            if !get_running_loop().is_ok_and(|found| found.state().id() == home) {
                strayed.set();
            }
            count();
        };
        event_loop.add_signal_handler(USR1, callback).unwrap();
        for times in 1..=5 {
            send(Sent::USR1);
            calls.reach(times).await;
        }
        assert!(!elsewhere.is_set());
        assert!(event_loop.remove_signal_handler(USR1));
    });
}

/// A second callback for a signal replaces the first.
///
/// Proves: B113
pub fn a_second_callback_for_a_signal_replaces_the_first(make: Make<'_>) {
    let _alone = alone();
    run(make, async {
        let event_loop = get_running_loop().unwrap();
        let (first, second) = (Calls::default(), Calls::default());
        event_loop.add_signal_handler(USR1, first.count()).unwrap();
        event_loop.add_signal_handler(USR1, second.count()).unwrap();
        send(Sent::USR1);
        second.reach(1).await;
        assert_eq!(first.get(), 0);
        assert!(event_loop.remove_signal_handler(USR1));
        assert!(!event_loop.remove_signal_handler(USR1));
    });
}

/// A callback that panics is called for the next signal, and the loop goes on.
///
/// Proves: B91
pub fn a_callback_of_a_signal_that_panics_harms_nobody(make: Make<'_>) {
    let _alone = alone();
    run(make, async {
        let event_loop = get_running_loop().unwrap();
        let told = Log::default();
        let (calls, tells) = (Calls::default(), told.clone());
        let heard = Mutex::new(calls.count());
        event_loop.set_exception_handler(Some(Arc::new(move |_, context| {
            tells.add(context.panic_message().unwrap_or_default());
            (heard.lock().unwrap())();
        })));
        event_loop.add_signal_handler(USR1, || panic!("bad luck")).unwrap();
        for times in 1..=3 {
            send(Sent::USR1);
            calls.reach(times).await;
        }
        assert_eq!(told.take(), ["bad luck"; 3]);
        assert!(event_loop.remove_signal_handler(USR1));
    });
}

/// Callbacks are added and removed by any thread.
///
/// Proves: B111, B117
pub fn any_thread_adds_and_removes_callbacks(make: Make<'_>) {
    let _alone = alone();
    on_loop(make, |event_loop| {
        driven(event_loop, || {
            let calls = Calls::default();
            let count = calls.count();
            in_thread(|| event_loop.add_signal_handler(USR1, count)).unwrap();
            send(Sent::USR1);
            block_on(event_loop.spawn(async move { calls.reach(1).await })).unwrap();
            assert!(in_thread(|| event_loop.remove_signal_handler(USR1)));
            assert!(!event_loop.remove_signal_handler(USR1));
        });
    });
}

/// Two loops may each have a callback for one signal.
///
/// Proves: B116
pub fn two_loops_have_callbacks_for_one_signal(make: Make<'_>) {
    let _alone = alone();
    let (first, second) = (new_loop(make), new_loop(make));
    let (calls, others) = (Calls::default(), Calls::default());
    first.add_signal_handler(USR1, calls.count()).unwrap();
    second.add_signal_handler(USR1, others.count()).unwrap();
    driven(&first, || {
        driven(&second, || {
            for times in 1..=5 {
                send(Sent::USR1);
                let (calls, others) = (calls.clone(), others.clone());
                block_on(first.spawn(async move { calls.reach(times).await })).unwrap();
                block_on(second.spawn(async move { others.reach(times).await })).unwrap();
            }
        });
    });
    first.close().unwrap();
    // The other's is still there.
    driven(&second, || {
        send(Sent::USR1);
        block_on(second.spawn(async move { others.reach(6).await })).unwrap();
    });
    assert_eq!(calls.get(), 5);
    second.close().unwrap();
}

/// Closing a loop removes its callbacks, and a closed loop takes none.
///
/// Proves: B74, B114
pub fn closing_the_loop_removes_its_signal_handlers(make: Make<'_>) {
    let _alone = alone();
    let dropped = Flag::default();
    // Keeps the signal from killing.
    let _listens = signal(USR1).unwrap();
    let closed: Arc<dyn EventLoop> = on_loop(make, |event_loop| {
        let guard = dropped.on_drop();
        event_loop
            .add_signal_handler(USR1, move || {
                let _kept = &guard;
            })
            .unwrap();
        event_loop.clone()
    });
    assert!(dropped.is_set());
    assert!(!closed.remove_signal_handler(USR1));
    assert_eq!(kind(closed.add_signal_handler(USR1, || ())), ErrorKind::LoopClosed);
}

/// What can't be caught, or is no signal, is an error, and nothing is changed.
///
/// Proves: B112
pub fn what_can_not_be_caught_says_so(make: Make<'_>) {
    let _alone = alone();
    on_loop(make, |event_loop| {
        for uncatchable in [Sent::KILL, Sent::STOP] {
            let refused = event_loop.add_signal_handler(uncatchable.as_raw(), || ());
            assert_eq!(kind(refused), ErrorKind::UncatchableSignal);
            assert!(!event_loop.remove_signal_handler(uncatchable.as_raw()));
        }
        for nonsense in [0, -1, 1_000] {
            let refused = event_loop.add_signal_handler(nonsense, || ());
            assert_eq!(kind(refused), ErrorKind::InvalidInput);
        }
    });
}

/// A listener goes on in the next loop, when the one that polled it is closed.
///
/// Proves: 'no signal is lost', 'a listener belongs to no loop'
pub fn a_listener_goes_from_loop_to_loop(make: Make<'_>) {
    let _alone = alone();
    let mut listener = signal(USR1).unwrap();
    for _round in 0..3 {
        run(make, async {
            let waits = poll_fn(|cx| Poll::Ready(listener.poll_recv(cx).is_pending())).await;
            assert!(waits);
        });
        send(Sent::USR1);
        run(make, hears(&mut listener));
    }
}
