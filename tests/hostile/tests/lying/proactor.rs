//! A proactor hands the buffers of an operation back, and says how much is in them.

use std::future::{Future, poll_fn};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use policy::EventLoop;
use policy::core::{Buffer, Completion, Operation, Proactor, Resource};
use policy::proactor::Address;

use crate::support::Liar;

type Say = fn(Operation) -> Completion;

struct Lie(Say);

impl Proactor for Lie {
    fn driver(&self) -> &'static str {
        "lies"
    }

    fn submit(&self, _: &Resource, operation: Operation) -> Completion {
        (self.0)(operation)
    }
}

/// Given back when nobody asks any more.
static KEPT: Mutex<Vec<(policy::core::Promise, Operation)>> = Mutex::new(Vec::new());

const LIES: [(&str, Say); 10] = [
    ("all is done", |operation| Completion::ready(Ok(64), operation)),
    ("more is done than can be", |operation| Completion::ready(Ok(usize::MAX), operation)),
    ("the operation is lost", |_| Completion::new(async { (Ok(64), None) })),
    ("it was another operation", |_| {
        let buffer = Buffer::from(Vec::with_capacity(64));
        Completion::ready(Ok(64), Operation::Write { buffer, at: None })
    }),
    ("it had another buffer", |operation| {
        let buffer = Buffer::from(Vec::with_capacity(64));
        let swapped = match operation {
            Operation::Read { at, .. } => Operation::Read { buffer, at },
            Operation::Recv { .. } => Operation::Recv { buffer },
            Operation::RecvFrom { .. } => Operation::RecvFrom { buffer, from: None },
            Operation::ReadVectored { at, .. } => Operation::ReadVectored { buffers: vec![], at },
            Operation::RecvVectored { .. } => Operation::RecvVectored { buffers: vec![buffer] },
            other => other,
        };
        Completion::ready(Ok(64), swapped)
    }),
    ("the buffer is of another sort", |operation| {
        let buffer = Buffer::from(&b"a text"[..]);
        let swapped = match operation {
            Operation::Read { at, .. } => Operation::Read { buffer, at },
            Operation::Recv { .. } => Operation::Recv { buffer },
            Operation::Write { at, .. } => Operation::Write { buffer, at },
            other => other,
        };
        Completion::ready(Ok(usize::MAX), swapped)
    }),
    ("it ends again and again", |operation| {
        let mut operation = Some(operation);
        Completion::new(poll_fn(move |_| Poll::Ready((Ok(64), operation.take()))))
    }),
    ("it panics", |operation| {
        Completion::new(async move {
            let _held = operation;
            panic!("the proactor panics")
        })
    }),
    ("it ends when nobody waits", |operation| {
        let (promise, completion) = Completion::channel();
        KEPT.lock().unwrap().push((promise, operation));
        completion
    }),
    ("it has not begun", |operation| {
        let (promise, completion) = Completion::channel();
        drop((promise, operation));
        completion
    }),
];

/// Looks at each byte: a sanitizer hears of those that nobody has written.
fn look(bytes: &[u8]) {
    assert!(bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>() < u64::MAX);
}

/// Polls a future a few times, on from its end, too.
fn poll<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let polled = catch_unwind(AssertUnwindSafe(|| {
        (0..2).find_map(|_| match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        })
    }));
    polled.ok().flatten()
}

// Each operation of a user, with each lie.
#[test]
fn no_byte_is_seen_that_nobody_has_written() {
    for (lie, say) in LIES {
        println!("{lie}");
        let mut liar = Liar::new();
        liar.proactor = Some(Box::new(Lie(say)));
        let event_loop: Arc<dyn EventLoop> = Arc::new(liar);
        let proactor = &event_loop.proactor().unwrap();
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let it = &Resource::from(ours);
        let room = || Vec::with_capacity(64);
        let boxed = || vec![1_u8; 64].into_boxed_slice();

        for (_, bytes) in [
            poll(proactor.read(it, room())),
            poll(proactor.read_at(it, u64::MAX, room())),
            poll(proactor.recv(it, room())),
            poll(proactor.write_all(it, vec![1; 10])),
            poll(proactor.write_all_at(it, u64::MAX, vec![1; 10])),
            poll(proactor.send_all(it, vec![1; 10])),
        ]
        .into_iter()
        .flatten()
        {
            look(&bytes);
        }
        poll(proactor.read(it, boxed())).iter().for_each(|(_, bytes)| look(bytes));
        poll(proactor.send(it, &b"text"[..])).iter().for_each(|(_, bytes)| look(bytes));
        poll(proactor.write(it, Arc::<[u8]>::from(&b"text"[..])))
            .iter()
            .for_each(|(_, bytes)| look(bytes));
        for (_, all) in [
            poll(proactor.read_vectored(it, vec![room(), room()])),
            poll(proactor.recv_vectored(it, vec![room(), room()])),
            poll(proactor.send_vectored(it, vec![vec![1; 3], vec![2; 3]])),
        ]
        .into_iter()
        .flatten()
        {
            all.iter().for_each(|bytes| look(bytes));
        }
        if let Some((received, bytes)) = poll(proactor.recv_from(it, room())) {
            look(&bytes);
            assert!(received.is_err(), "{lie}: nobody has sent");
        }
        let nowhere = Address::Unknown;
        poll(proactor.send_to(it, vec![1; 3], nowhere)).iter().for_each(|(_, b)| look(b));
        if let Some(accepted) = poll(proactor.accept(it)) {
            assert!(accepted.is_err(), "{lie}: nobody has connected");
        }
        // What is done when nobody waits any more.
        for (promise, operation) in std::mem::take(&mut *KEPT.lock().unwrap()) {
            promise.complete(Ok(usize::MAX), operation);
        }
    }
}

#[test]
fn a_completion_that_is_polled_after_its_end_says_so() {
    let buffer = Buffer::from(vec![1]);
    let mut completion = pin!(Completion::ready(Ok(1), Operation::Send { buffer }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(completion.as_mut().poll(&mut cx), Poll::Ready((Ok(1), Some(_)))));
    let Poll::Ready((again, None)) = completion.as_mut().poll(&mut cx) else {
        panic!("it has ended");
    };
    println!("{}", again.unwrap_err());
}
