//! The end of an operation, told from one thread to another.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use policy_core::{Buffer, Completed, Completion, Error, ErrorKind, IoBuf, Operation};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A waker that unparks a thread.
struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn send(bytes: &[u8]) -> Operation {
    Operation::Send { buffer: Buffer::from(bytes.to_vec()) }
}

fn bytes(operation: Option<Operation>) -> Vec<u8> {
    let Some(Operation::Send { buffer }) = operation else { panic!("another operation") };
    Vec::from_buffer(buffer)
}

fn poll(completion: Pin<&mut Completion>, waker: &Waker) -> Poll<Completed> {
    completion.poll(&mut Context::from_waker(waker))
}

fn block_on(completion: Completion) -> Completed {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut completion = pin!(completion);
    loop {
        match poll(completion.as_mut(), &waker) {
            Poll::Ready(completed) => return completed,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn a_promise_is_told_on_another_thread() {
    for _ in 0..1000 {
        let (promise, completion) = Completion::channel();
        let teller = thread::spawn(move || promise.complete(Ok(3), send(b"abc")));
        let (result, operation) = block_on(completion);
        assert_eq!((result.unwrap(), bytes(operation)), (3, b"abc".to_vec()));
        teller.join().unwrap();
    }
}

#[test]
fn a_promise_that_is_dropped_says_that_the_loop_closed() {
    for _ in 0..1000 {
        let (promise, completion) = Completion::channel();
        let breaker = thread::spawn(move || drop(promise));
        let (result, operation) = block_on(completion);
        let error = result.unwrap_err();
        let inner: &Error = error.get_ref().unwrap().downcast_ref().unwrap();
        assert_eq!(inner.kind(), ErrorKind::LoopClosed);
        assert!(operation.is_none());
        breaker.join().unwrap();
    }
}

#[test]
fn a_completion_that_is_dropped_wakes_the_operation() {
    let (promise, completion) = Completion::channel();
    let woken = Arc::<Count>::default();
    let waker = Waker::from(woken.clone());
    assert!(promise.poll_abandoned(&mut Context::from_waker(&waker)).is_pending());
    drop(completion);
    assert_eq!(woken.0.load(SeqCst), 1);
    assert!(promise.is_abandoned());
    // What it had is dropped, with nobody to take it.
    let buffer: Arc<[u8]> = Arc::from(*b"abc");
    promise.complete(Ok(3), Operation::Send { buffer: Buffer::from(buffer.clone()) });
    assert_eq!(Arc::strong_count(&buffer), 1);
}

#[test]
fn a_result_that_nobody_takes_is_dropped() {
    let (promise, completion) = Completion::channel();
    let buffer: Arc<[u8]> = Arc::from(*b"abc");
    promise.complete(Ok(3), Operation::Send { buffer: Buffer::from(buffer.clone()) });
    assert_eq!(Arc::strong_count(&buffer), 2);
    drop(completion);
    assert_eq!(Arc::strong_count(&buffer), 1);
}

#[test]
fn the_last_waker_is_woken_once() {
    let (promise, completion) = Completion::channel();
    let mut completion = pin!(completion);
    let (first, last) = (Arc::<Count>::default(), Arc::<Count>::default());
    for waker in [&first, &last, &last] {
        assert!(poll(completion.as_mut(), &Waker::from(waker.clone())).is_pending());
    }
    promise.complete(Err(io::ErrorKind::BrokenPipe.into()), send(b"abc"));
    assert_eq!((first.0.load(SeqCst), last.0.load(SeqCst)), (0, 1));
    assert!(poll(completion, Waker::noop()).is_ready());
    assert_eq!(Arc::strong_count(&first), 1, "a waker was kept");
}

#[test]
fn a_completion_that_is_polled_after_its_end_says_so() {
    let (promise, told) = Completion::channel();
    promise.complete(Ok(0), send(b""));
    for completion in [told, Completion::ready(Ok(0), send(b""))] {
        let mut completion = pin!(completion);
        let Poll::Ready((Ok(0), Some(_))) = poll(completion.as_mut(), Waker::noop()) else {
            panic!("it was told");
        };
        let Poll::Ready((Err(error), None)) = poll(completion, Waker::noop()) else {
            panic!("it was told twice");
        };
        assert!(error.to_string().contains("poll"), "{error}");
    }
}

#[test]
fn a_buffer_of_another_type_gives_a_copy_of_its_bytes() {
    let buffer = || Buffer::from(b"abc".to_vec());
    assert_eq!(*Box::<[u8]>::from_buffer(buffer()), *b"abc");
    assert_eq!(*Arc::<[u8]>::from_buffer(buffer()), *b"abc");
    assert_eq!(Vec::from_buffer(Buffer::from(&b"abc"[..])), b"abc");
}
