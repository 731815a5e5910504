//! A source says how many bytes an operation has read, and whether it has.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net as std_net;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, Waker};

use hyper::rt::Read;
use policy::EventLoop;
use policy::core::os::{BorrowedIo, OwnedIo, borrow};
use policy::core::{Source, context};
use policy::net::{UnixDatagram, UnixListener, UnixStream};
use policy::process::{Command, Stdio};
use policy::selector::Interest;
use tokio::io::AsyncReadExt;

use crate::support::Liar;

/// What a source says of an operation.
type Say = fn(&OwnedIo, &mut Op<'_>) -> Poll<io::Result<usize>>;
type Op<'a> = dyn FnMut(BorrowedIo<'_>) -> io::Result<usize> + 'a;

struct Lie(Arc<OwnedIo>, Say);

impl Source for Lie {
    fn poll_io(
        &self,
        _: &mut Context<'_>,
        _: Interest,
        op: &mut Op<'_>,
    ) -> Poll<io::Result<usize>> {
        (self.1)(&self.0, op)
    }
}

impl fmt::Debug for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// As many as any buffer here holds.
const ROOM: usize = 64;

const UNTRIED: &str = "it is done, and was never tried";

const LIES: [(&str, Say); 6] = [
    (UNTRIED, |_, _| Poll::Ready(Ok(ROOM))),
    ("more was done than can be", |io, op| {
        let _real = op(borrow(io));
        Poll::Ready(Ok(usize::MAX))
    }),
    ("as much was done as there is room for", |io, op| {
        let _real = op(borrow(io));
        Poll::Ready(Ok(ROOM))
    }),
    ("it was done twice", |io, op| {
        let first = op(borrow(io)).unwrap_or(0);
        Poll::Ready(Ok(first + op(borrow(io)).unwrap_or(0)))
    }),
    ("it was not done, and it was", |io, op| {
        let _real = op(borrow(io));
        Poll::Pending
    }),
    ("it failed, and it did not", |io, op| {
        let _real = op(borrow(io));
        Poll::Ready(Err(io::ErrorKind::Other.into()))
    }),
];

/// Polls a future once, on a loop whose sources lie.
fn poll<F: Future>(say: Say, future: F) -> Poll<F::Output> {
    poll_with(say, || {}, future)
}

/// As [`poll`], and does something when a source has been registered: what a socket tries
/// by itself before finds nothing.
fn poll_with<F: Future>(
    say: Say,
    then: impl Fn() + Send + Sync + 'static,
    future: F,
) -> Poll<F::Output> {
    let mut liar = Liar::new();
    liar.register = Some(Box::new(move |io| {
        then();
        Ok(Box::new(Lie(io, say)))
    }));
    let _inside = context::enter(Arc::new(liar));
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Memory that is not filled looks like this, if it was used before.
fn leave_secrets() {
    for _ in 0..8 {
        drop(std::hint::black_box(b"THE-PASSWORD-WAS-hunter2".repeat(ROOM / 24 + 1)));
    }
}

/// Tries each lie on a stream whose peer says hello: what was read is that, if it was read
/// at all, whatever the source says of it.
fn each_lie(read: impl Fn(Say, UnixStream, std_net::UnixStream) -> Vec<u8>) {
    for (lie, say) in LIES {
        let (ours, theirs) = std_net::UnixStream::pair().unwrap();
        leave_secrets();
        let read = read(say, UnixStream::from_std(ours).unwrap(), theirs);
        assert_eq!(read, if lie == UNTRIED { &b""[..] } else { b"hello" }, "{lie}");
    }
}

fn hello(peer: std_net::UnixStream) -> impl Fn() + Send + Sync {
    move || (&peer).write_all(b"hello").unwrap()
}

// It was what the source said: memory that had been freed was read.
#[test]
fn tokios_buffer_has_what_was_read() {
    each_lie(|say, mut stream, peer| {
        let mut buffer = Vec::with_capacity(ROOM);
        let _polled = poll_with(say, hello(peer), stream.read_buf(&mut buffer));
        buffer
    });
}

#[test]
fn hypers_buffer_has_what_was_read() {
    each_lie(|say, mut stream, peer| {
        let mut room = Vec::<u8>::with_capacity(ROOM);
        let mut buffer = hyper::rt::ReadBuf::uninit(room.spare_capacity_mut());
        let read = poll_fn(|cx| Read::poll_read(Pin::new(&mut stream), cx, buffer.unfilled()));
        let _polled = poll_with(say, hello(peer), read);
        buffer.filled().to_vec()
    });
}

#[test]
fn a_read_into_filled_memory_is_as_long_as_it_was() {
    each_lie(|say, mut stream, peer| {
        let mut buffer = [b'-'; ROOM];
        match poll_with(
            say,
            hello(peer),
            futures_lite::AsyncReadExt::read(&mut stream, &mut buffer),
        ) {
            Poll::Ready(Ok(len)) => buffer[..len].to_vec(),
            _ => Vec::new(),
        }
    });
}

#[test]
fn the_pipe_of_a_child_has_what_was_read() {
    for (lie, say) in LIES {
        let mut stdout = policy::run(async {
            let mut child =
                Command::new("printf").arg("hello").stdout(Stdio::piped()).spawn().unwrap();
            let stdout = child.stdout.take().unwrap();
            child.wait().await.unwrap();
            stdout
        });
        leave_secrets();
        let mut buffer = Vec::with_capacity(ROOM);
        let _polled = poll(say, stdout.read_buf(&mut buffer));
        assert_eq!(buffer, if lie == UNTRIED { &b""[..] } else { b"hello" }, "{lie}");
    }
}

#[test]
fn what_a_lying_source_did_not_do_is_not_done() {
    for (lie, say) in LIES {
        println!("{lie}");
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("a")).unwrap();
        if let Poll::Ready(Ok((_, peer))) = poll(say, listener.accept()) {
            panic!("nobody has connected, and {peer:?} was accepted");
        }
        let datagrams = UnixDatagram::bind(folder.path().join("b")).unwrap();
        if let Poll::Ready(Ok(received)) = poll(say, datagrams.recv_from(&mut [0; ROOM])) {
            panic!("nobody has sent, and {received:?} was received");
        }
    }
}

/// Removes the callback that it is asked for.
#[derive(Debug)]
struct Remover(Arc<OnceLock<Weak<dyn EventLoop>>>, i32);

impl Source for Remover {
    fn poll_io(&self, _: &mut Context<'_>, _: Interest, _: &mut Op<'_>) -> Poll<io::Result<usize>> {
        let event_loop = self.0.get().and_then(Weak::upgrade).unwrap();
        event_loop.selector().unwrap().remove_reader(self.1);
        Poll::Pending
    }
}

// It waited for itself: the lock of the callback was held while the source was polled, which
// clones wakers, and they may run anything.
#[test]
fn a_callback_may_be_removed_while_its_source_is_polled() {
    let (send, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (ours, _theirs) = std_net::UnixStream::pair().unwrap();
        let number = ours.as_raw_fd();
        let known = Arc::new(OnceLock::<Weak<dyn EventLoop>>::new());
        let mut liar = Liar::new();
        let theirs = known.clone();
        liar.register = Some(Box::new(move |_| Ok(Box::new(Remover(theirs.clone(), number)))));
        liar.submit = Box::new(|mut task| {
            let mut cx = Context::from_waker(Waker::noop());
            let _polled = Pin::new(&mut task).poll(&mut cx);
            Ok(())
        });
        let event_loop: Arc<dyn EventLoop> = Arc::new(liar);
        let _first = known.set(Arc::downgrade(&event_loop));
        let selector = event_loop.selector().unwrap();
        selector.add_reader(number, || unreachable!("it is removed")).unwrap();
        send.send(())
    });
    ended.recv_timeout(std::time::Duration::from_secs(60)).expect("it does not wait for itself");
}
