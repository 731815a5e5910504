//! Wakers whose clone, drop or wake calls back into what they wait for: no lock is held
//! meanwhile, so nothing waits for itself.
#![cfg(unix)]
#![allow(unsafe_code, reason = "a waker of one's own is made of raw parts")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails panics")]

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, OnceLock, Weak, mpsc};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::{AsyncRead, AsyncWrite};
use policy::core::LoopState;
use policy::core::task::{self, Task};
use policy::{EventLoop, LoopKind};
use support::Liar;

#[allow(dead_code, reason = "lies are told elsewhere")]
#[path = "lying/support.rs"]
mod support;

/// Longer than any of this takes on a loaded machine: a guard against hanging.
const LONG: Duration = Duration::from_secs(60);

type Call = Arc<dyn Fn() + Send + Sync>;

/// A waker that calls `call` whenever it is cloned, dropped or woken.
fn calling(call: Call) -> Waker {
    /// Takes a reference more, and leaves that of the waker.
    ///
    /// # Safety
    /// `data` is that of a waker of this table.
    unsafe fn borrow(data: *const ()) -> Call {
        // SAFETY: the pointer came from `Arc::into_raw`, by the caller's promise.
        let held = unsafe { Arc::from_raw(data.cast::<Call>()) };
        let call = Call::clone(&held);
        std::mem::forget(held);
        call
    }
    unsafe fn clone(data: *const ()) -> RawWaker {
        // SAFETY: of this table.
        let call = unsafe { borrow(data) };
        call();
        RawWaker::new(Arc::into_raw(Arc::new(call)).cast(), &TABLE)
    }
    unsafe fn wake_by_ref(data: *const ()) {
        // SAFETY: of this table.
        let call = unsafe { borrow(data) };
        call();
    }
    unsafe fn consume(data: *const ()) {
        // SAFETY: of this table, whose last use this is: the reference is this function's.
        let call = unsafe { Arc::from_raw(data.cast::<Call>()) };
        call();
    }
    static TABLE: RawWakerVTable = RawWakerVTable::new(clone, consume, wake_by_ref, consume);
    // SAFETY: each waker has a reference of its own to what is `Send` and `Sync`, and the
    // functions of the table take and leave it as `RawWaker` says.
    unsafe { Waker::from_raw(RawWaker::new(Arc::into_raw(Arc::new(call)).cast(), &TABLE)) }
}

/// Runs a story on a thread of its own, and fails if it hangs.
fn must_end(what: &str, story: impl FnOnce() + Send + 'static) {
    let (send, ended) = mpsc::channel();
    let thread = thread::spawn(move || {
        story();
        let _ = send.send(());
    });
    assert!(ended.recv_timeout(LONG).is_ok(), "{what} waits for itself");
    thread.join().unwrap();
}

/// Polls twice with such wakers: the second takes the place of the first.
fn poll_twice(call: &Call, mut poll: impl FnMut(&mut Context<'_>)) {
    for _ in 0..2 {
        let waker = calling(call.clone());
        poll(&mut Context::from_waker(&waker));
    }
}

#[test]
fn a_stream_within_the_process() {
    must_end("duplex", || {
        let (a, b) = policy::io::duplex(1);
        let (a, b) = (Arc::new(Mutex::new(a)), b);
        let mut b = b;
        let other = a.clone();
        // The other end looks at the same pipes, from within the clone.
        let call: Call = Arc::new(move || {
            if let Ok(mut other) = other.try_lock() {
                let mut cx = Context::from_waker(Waker::noop());
                let _written = Pin::new(&mut *other).poll_write(&mut cx, b"x");
                let _read = Pin::new(&mut *other).poll_read(&mut cx, &mut [0; 1]);
            }
        });
        poll_twice(&call, |cx| {
            let _read = Pin::new(&mut b).poll_read(cx, &mut [0; 1]);
            let _written = Pin::new(&mut b).poll_write(cx, b"yy");
            let _written = Pin::new(&mut b).poll_write(cx, b"yy");
        });
    });
}

#[test]
fn a_listener_of_signals() {
    must_end("a listener of signals", || {
        let call: Call = Arc::new(|| {
            let mut other = policy::signal::signal(policy::signal::SignalKind::user_defined2())
                .expect("it can be listened for");
            let mut cx = Context::from_waker(Waker::noop());
            let _none = other.poll_recv(&mut cx);
        });
        let mut signals =
            policy::signal::signal(policy::signal::SignalKind::user_defined2()).unwrap();
        poll_twice(&call, |cx| assert!(signals.poll_recv(cx).is_pending()));
    });
}

#[test]
fn the_end_of_an_operation() {
    must_end("a completion", || {
        let (promise, completion) = policy::core::Completion::channel();
        let promise = Arc::new(promise);
        let own = promise.clone();
        let call: Call = Arc::new(move || {
            let _looked = own.is_abandoned();
        });
        let mut completion = pin!(completion);
        poll_twice(&call, |cx| assert!(completion.as_mut().poll(cx).is_pending()));
        poll_twice(&call, |cx| assert!(promise.poll_abandoned(cx).is_pending()));
    });
}

#[test]
fn the_standard_input() {
    must_end("the standard input", || {
        let call: Call = Arc::new(|| {
            let mut other = policy::io::stdin();
            let mut cx = Context::from_waker(Waker::noop());
            let _read = Pin::new(&mut other).poll_read(&mut cx, &mut [0; 1]);
        });
        let mut stdin = policy::io::stdin();
        poll_twice(&call, |cx| {
            let _read: Poll<_> = Pin::new(&mut stdin).poll_read(cx, &mut [0; 1]);
        });
    });
}

#[test]
fn a_timer() {
    must_end("a timer", || {
        policy::run(async {
            // Of the same loop, so in the same queue: added and taken out again.
            let call: Call = Arc::new(|| {
                let mut other = pin!(policy::time::sleep(LONG));
                let _pending = other.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            });
            let mut sleep = pin!(policy::time::sleep(LONG));
            poll_twice(&call, |cx| assert!(sleep.as_mut().poll(cx).is_pending()));
        });
    });
}

#[test]
fn a_socket_that_several_wait_for() {
    must_end("a socket", || {
        policy::run(async {
            let socket = policy::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let socket = Arc::new(socket);
            let own = socket.clone();
            let call: Call = Arc::new(move || {
                let mut buf = [0; 1];
                let mut other = pin!(own.recv_from(&mut buf));
                let _pending = other.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            });
            let mut buf = [0; 1];
            let mut receiving = pin!(socket.recv_from(&mut buf));
            poll_twice(&call, |cx| assert!(receiving.as_mut().poll(cx).is_pending()));
        });
    });
}

#[test]
fn the_driver_of_a_loop() {
    must_end("a driver", || {
        let known = Arc::new(OnceLock::<Weak<dyn EventLoop>>::new());
        let own = known.clone();
        let mut liar = Liar::new();
        liar.state = LoopState::new("liar", LoopKind::Selector);
        liar.drive = Box::new(move |mut main| {
            let event_loop = own.get().and_then(Weak::upgrade).unwrap();
            let other = event_loop.clone();
            let call: Call = Arc::new(move || drop(other.try_call_soon(|| {})));
            let waker = calling(call);
            for _ in 0..10 {
                if main.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                    break;
                }
                // It sleeps: whoever adds something wakes it.
                let other = event_loop.clone();
                thread::spawn(move || drop(other.try_call_soon(|| {}))).join().unwrap();
            }
            Ok(())
        });
        let event_loop: Arc<dyn EventLoop> = Arc::new(liar);
        let _first = known.set(Arc::downgrade(&event_loop));
        let stopped = event_loop.run_until_complete(std::future::pending::<()>());
        assert!(stopped.is_err());
        event_loop.close().unwrap();
    });
}

/// Ends a task, of which somebody may wait for the end, with each call.
fn ends_tasks(tasks: Vec<Task>) -> Call {
    let tasks = Mutex::new(tasks);
    Arc::new(move || {
        // Outside of our own lock, which the next call takes.
        let next = tasks.lock().unwrap().pop();
        drop(next);
    })
}

#[test]
fn the_end_of_a_task() {
    must_end("a task", || {
        let (task, handle) = task::new(pending::<()>());
        let mut handle = pin!(handle);
        let abort = handle.abort_handle();
        let call: Call = Arc::new(move || assert!(!abort.is_finished()));
        poll_twice(&call, |cx| assert!(handle.as_mut().poll(cx).is_pending()));
        let call = ends_tasks(vec![task]);
        poll_twice(&call, |cx| drop(handle.as_mut().poll(cx)));
    });
}

#[test]
fn a_set_of_tasks() {
    must_end("a set of tasks", || {
        let mut set = policy::task::JoinSet::new();
        let (_task, handle) = task::new(pending::<()>());
        set.insert(handle);
        // Each that ends puts itself into the queue of the set.
        let tasks = (0..20).map(|_| {
            let (task, handle) = task::new(pending::<()>());
            set.insert(handle);
            task
        });
        let tasks = tasks.collect();
        // They know whom to tell.
        assert!(set.poll_join_next(&mut Context::from_waker(Waker::noop())).is_pending());
        let call = ends_tasks(tasks);
        for _ in 0..5 {
            poll_twice(&call, |cx| drop(set.poll_join_next(cx)));
        }
        set.detach_all();
    });
}

#[test]
fn the_exit_of_a_child() {
    must_end("a child", || {
        policy::run(async {
            let child = policy::process::Command::new("sleep").arg("1000").spawn().unwrap();
            let child = Arc::new(child);
            let own = child.clone();
            let call: Call = Arc::new(move || {
                let mut other = pin!(own.wait());
                let _pending = other.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                drop(own.try_wait());
            });
            let mut all = policy::process::watch_all([&*child]);
            let mut wait = Box::pin(child.wait());
            poll_twice(&call, |cx| assert!(wait.as_mut().poll(cx).is_pending()));
            poll_twice(&call, |cx| {
                let mut next = pin!(all.next());
                assert!(next.as_mut().poll(cx).is_pending());
            });
            drop((wait, all));
            child.kill().await.unwrap();
        });
    });
}

#[test]
fn the_time_of_a_clock() {
    must_end("a clock", || {
        let event_loop = policy::new_event_loop().unwrap();
        event_loop.pause().unwrap();
        let own = event_loop.clone();
        // Behind its lock.
        let call: Call = Arc::new(move || {
            let _now = own.time();
        });
        let mut advance = pin!(event_loop.advance(Duration::from_secs(1)));
        let mut behind = pin!(event_loop.advance(Duration::from_secs(2)));
        poll_twice(&call, |cx| {
            assert!(advance.as_mut().poll(cx).is_pending());
            assert!(behind.as_mut().poll(cx).is_pending());
        });
        let waker = calling(call);
        // No longer asked for: there is no place for the waker.
        event_loop.resume().unwrap();
        drop(advance.as_mut().poll(&mut Context::from_waker(&waker)));
        event_loop.close().unwrap();
    });
}

#[test]
fn a_timer_of_the_executor() {
    must_end("a timer of the executor", || {
        let event_loop = policy::new_event_loop().unwrap();
        let own = event_loop.clone();
        let call: Call = Arc::new(move || {
            let mut other = own.timer(Instant::now() + LONG).unwrap();
            let _pending = Pin::new(&mut other).poll(&mut Context::from_waker(Waker::noop()));
        });
        let mut timer = event_loop.timer(Instant::now() + LONG).unwrap();
        poll_twice(&call, |cx| assert!(Pin::new(&mut timer).poll(cx).is_pending()));
        drop(timer);
        event_loop.close().unwrap();
    });
}

#[test]
fn a_descriptor() {
    must_end("a descriptor", || {
        policy::run(async {
            let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            let fd = Arc::new(policy::net::AsyncFd::new(ours).unwrap());
            let own = fd.clone();
            let call: Call = Arc::new(move || {
                let mut cx = Context::from_waker(Waker::noop());
                let _pending = own.poll_read_ready(&mut cx).map(drop);
            });
            poll_twice(&call, |cx| assert!(fd.poll_read_ready(cx).is_pending()));
        });
    });
}

#[test]
fn an_operation_of_a_proactor() {
    must_end("an operation", || {
        policy::run(async {
            let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            let ours = Arc::new(policy::proactor::Resource::from(ours));
            let proactor = policy::get_running_loop().unwrap().proactor().unwrap();
            let (own, others) = (ours.clone(), proactor.clone());
            let call: Call = Arc::new(move || {
                let mut other = pin!(others.read(&own, vec![0; 1]));
                let _pending = other.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            });
            let mut read = Box::pin(proactor.read(&ours, vec![0; 1]));
            poll_twice(&call, |cx| assert!(read.as_mut().poll(cx).is_pending()));
        });
    });
}
