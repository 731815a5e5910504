//! Wakers whose clone, drop or wake calls back into what they wait for: no lock is held
//! meanwhile, so nothing waits for itself.
#![cfg(unix)]
#![allow(unsafe_code, reason = "a waker of one's own is made of raw parts")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails panics")]

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock, Weak, mpsc};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::thread;
use std::time::Duration;

use futures_lite::{AsyncRead, AsyncWrite};
use policy::core::LoopState;
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
        let (a, b) = (Arc::new(std::sync::Mutex::new(a)), b);
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
