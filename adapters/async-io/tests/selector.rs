//! Descriptors in async-io's reactor.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]

use std::fs::File;
use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use async_io::block_on;
use policy_async_io::selector::AsyncIo;
use policy_core::{ErrorKind, Interest, Selector, Source};

fn pair() -> (Box<dyn Source>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (AsyncIo.register(Arc::new(OwnedFd::from(ours))).unwrap(), theirs)
}

/// Borrows a descriptor as the stream that it is.
fn stream(fd: BorrowedFd<'_>) -> UnixStream {
    UnixStream::from(fd.try_clone_to_owned().unwrap())
}

fn read(source: &dyn Source) -> impl Future<Output = io::Result<usize>> + '_ {
    poll_fn(|cx| source.poll_io(cx, Interest::Readable, &mut |fd| stream(fd).read(&mut [0; 64])))
}

#[test]
fn a_read_waits_for_bytes() {
    let (source, mut theirs) = pair();
    let mut reading = pin!(read(&*source));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(reading.as_mut().poll(&mut cx).is_pending());
    let writer = thread::spawn(move || {
        theirs.write_all(b"four").unwrap();
        theirs
    });
    assert_eq!(block_on(reading).unwrap(), 4);
    drop(writer.join().unwrap());
    assert_eq!(block_on(read(&*source)).unwrap(), 0);
}

#[test]
fn what_is_ready_is_read_without_a_turn_of_the_reactor() {
    let (source, mut theirs) = pair();
    theirs.write_all(b"four").unwrap();
    let reading = pin!(read(&*source));
    let Poll::Ready(result) = reading.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("waits for what is there");
    };
    assert_eq!(result.unwrap(), 4);
}

#[test]
fn a_write_waits_for_room() {
    let (source, mut theirs) = pair();
    let write = || {
        poll_fn(|cx| {
            source.poll_io(cx, Interest::Writable, &mut |fd| stream(fd).write(&[0; 65536]))
        })
    };
    let mut written = 0;
    loop {
        let writing = pin!(write());
        match writing.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => written += result.unwrap(),
            Poll::Pending => break,
        }
    }
    let reader = thread::spawn(move || {
        let mut bytes = vec![0; written];
        theirs.read_exact(&mut bytes).unwrap();
        theirs
    });
    assert!(block_on(write()).unwrap() > 0);
    drop(reader.join().unwrap());
}

#[test]
fn one_task_reads_while_another_writes() {
    let (source, theirs) = pair();
    let (left, right) = (theirs.try_clone().unwrap(), theirs);
    let echo = thread::spawn(move || {
        let (mut left, mut right) = (left, right);
        let mut bytes = [0; 3];
        left.read_exact(&mut bytes).unwrap();
        right.write_all(&bytes).unwrap();
    });
    let writing =
        poll_fn(|cx| source.poll_io(cx, Interest::Writable, &mut |fd| stream(fd).write(b"abc")));
    let (read, written) = block_on(futures_lite::future::zip(read(&*source), writing));
    assert_eq!((read.unwrap(), written.unwrap()), (3, 3));
    echo.join().unwrap();
}

#[test]
fn a_later_waiter_replaces_the_earlier() {
    let (source, mut theirs) = pair();
    {
        let given_up = pin!(read(&*source));
        assert!(given_up.poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    theirs.write_all(b"four").unwrap();
    assert_eq!(block_on(read(&*source)).unwrap(), 4);
}

#[test]
fn an_error_of_the_operation_is_the_result() {
    let (source, _theirs) = pair();
    let failing = poll_fn(|cx| {
        source.poll_io(cx, Interest::Readable, &mut |_| Err(io::ErrorKind::InvalidData.into()))
    });
    assert_eq!(block_on(failing).unwrap_err().kind(), io::ErrorKind::InvalidData);
}

#[test]
fn a_regular_file_is_refused() {
    let file = File::open("Cargo.toml").unwrap();
    let error = AsyncIo.register(Arc::new(file.into())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(error.io_kind(), Some(io::ErrorKind::PermissionDenied));
}

#[test]
fn a_descriptor_is_registered_once_and_again_when_its_source_is_gone() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let fd = Arc::new(OwnedFd::from(ours));
    let source = AsyncIo.register(fd.clone()).unwrap();
    let error = AsyncIo.register(fd.clone()).unwrap_err();
    assert_eq!(error.io_kind(), Some(io::ErrorKind::AlreadyExists));
    drop(source);
    drop(AsyncIo.register(fd).unwrap());
}

#[test]
fn a_source_that_is_dropped_closes_its_descriptor() {
    let (source, mut theirs) = pair();
    drop(source);
    assert_eq!(theirs.read(&mut [0; 1]).unwrap(), 0);
}
